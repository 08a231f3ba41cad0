/* SPDX-License-Identifier: MIT
 * A warning of prompts that are longer than the model was made for, which nothing refuses. */
#ifndef CNA_CLI_LONG_PROMPTS_H
#define CNA_CLI_LONG_PROMPTS_H

#include "cna.h"

/* Prompts that a model is given. */
typedef struct cli_prompt_set {
    const char *path;           /* ? of their file */
    const cna_prompts *prompts; /* ? NULL: none */
    size_t n_more;              /* most tokens of an answer behind them */
    bool raw;                   /* raw text, whatever the format */
} cli_prompt_set;

/* Note the first prompt that with its answer has more tokens than the model has positions, and how many there are; once
 * while the program runs. What keeps prompts from being measured is left for the work itself to say. */
void cli_note_long_prompts(const cna_model *model, const cna_format *format, const cli_prompt_set *sets, size_t n_sets);

#endif
