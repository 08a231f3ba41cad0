/* SPDX-License-Identifier: MIT
 * The results of a sweep: tables, JSON, and the file of answers. */
#ifndef CNA_CLI_SWEEP_VIEW_H
#define CNA_CLI_SWEEP_VIEW_H

#include "cna_study.h"

#include <stdio.h>

/* A sweep and what it was run with; borrows everything. */
typedef struct cli_sweep_view {
    const cna_sweep *sweep;
    const cna_model_info *model;
    const cna_prompts *prompts, *benign; /* benign may be NULL */
    const char *const *circuit_paths;    /* [n_circuits] */
    const cna_circuit *const *circuits;  /* [n_circuits] */
    size_t n_circuits;
    const char *format_name, *system; /* system may be NULL */
    const char *patterns;             /* path; NULL: built in */
    cna_positions positions;
    cna_sign sign;
    size_t max_tokens;
    uint64_t seed;
} cli_sweep_view;

/* Random circuits of each kind that ran: 0 where nothing was steered, whatever was asked for. */
size_t cli_sweep_n_controls(const cna_sweep *sweep);

/* Whether every circuit says which prompts it was found on. */
bool cli_sweep_leak_known(const cna_sweep *sweep);

/* Names as in the JSON. */
const char *cli_side_name(cna_side side);
const char *cli_outcome_name(cna_outcome outcome);

void cli_sweep_show(const cli_sweep_view *view);
void cli_sweep_json(const cli_sweep_view *view);
/* One JSON object a line for every answer. */
void cli_sweep_put_answers(const cli_sweep_view *view, FILE *stream);

#endif
