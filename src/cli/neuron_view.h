/* SPDX-License-Identifier: MIT
 * Neurons on the screen and as JSON: tokens that they write for and against, activations on prompts. */
#ifndef CNA_CLI_NEURON_VIEW_H
#define CNA_CLI_NEURON_VIEW_H

#include "cna.h"

enum {
    CLI_NEURON_SETS = 3,   /* positive, negative, prompts */
    CLI_NEURON_TOKENS = 3, /* of each sign where a neuron has a line */
};

typedef struct cli_neuron_set {
    const char *name, *path;
    const cna_prompts *prompts;
} cli_neuron_set;

/* Borrows everything. */
typedef struct cli_neuron_result {
    const char *path; /* of the circuit */
    const cna_circuit *circuit;
    const cna_model_info *model;
    bool other_weights; /* the circuit was made on a model of this shape with another fingerprint */
    const cna_tokenizer *tokenizer;
    cli_neuron_set sets[CLI_NEURON_SETS];
    size_t n_sets;
    const cna_neuron_view *views;
    size_t n_views;
} cli_neuron_result;

/* The first view in full. */
int cli_show_neuron(const cli_neuron_result *result);
/* A line for each view. */
int cli_show_neurons(const cli_neuron_result *result);
/* One object; each_prompt: with the activations on every prompt. */
void cli_neurons_json(const cli_neuron_result *result, bool each_prompt);

#endif
