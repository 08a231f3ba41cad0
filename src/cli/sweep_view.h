/* SPDX-License-Identifier: MIT
 * The results of a sweep: tables, JSON, and the file of answers. */
#ifndef CNA_CLI_SWEEP_VIEW_H
#define CNA_CLI_SWEEP_VIEW_H

#include "cna_study.h"

#include <stdio.h>

/* A sweep and what it was run with; borrows everything. */
typedef struct cli_sweep_view {
    const cna_sweep *sweep;
    const cna_sweep_options *options;
    const cna_sweep_agreement *labels; /* ? */
    const char *labels_path;           /* of them */
    const cna_model_info *model;
    const cna_prompts *prompts;
    const char *format_name;           /* "chat" or "raw" */
    const char *chat_options;          /* ? as cna_format_describe */
    const char *patterns;              /* path; NULL: built in */
    const char *perplexity;            /* ? path */
    const char *caa_vector;            /* ? path */
    const char *run;                   /* ? path */
} cli_sweep_view;

/* Whether every circuit says which prompts it was found on. */
bool cli_sweep_leak_known(const cna_sweep *sweep);

/* Names as in the JSON. */
const char *cli_side_name(cna_side side);
const char *cli_outcome_name(cna_outcome outcome);

void cli_sweep_show(const cli_sweep_view *view);
void cli_sweep_json(const cli_sweep_view *view);
/* One JSON object a line for every answer. */
void cli_sweep_put_answers(const cli_sweep_view *view, FILE *stream);

/* Answers that are incoherent for their log-probability alone, and the line that says so where there are any: on a
 * model that is certain of its words these may be most of the right ones. */
size_t cli_sweep_count_unlikely(const cna_sweep *sweep, size_t *out_n_answers);
void cli_sweep_show_unlikely(size_t n, size_t n_answers);

#endif
