/* SPDX-License-Identifier: MIT
 * The results of MMLU: table, JSON, and the file of answers. */
#ifndef CNA_CLI_MMLU_VIEW_H
#define CNA_CLI_MMLU_VIEW_H

#include "cna_study.h"

#include <stdio.h>

/* A run and what it was run with; borrows everything. */
typedef struct cli_mmlu_view {
    const cna_mmlu *mmlu;
    const cna_model_info *model;
    const char *data;
    const char *const *circuit_paths;    /* [n_circuits] */
    const cna_circuit *const *circuits;  /* [n_circuits] */
    size_t n_circuits, limit;
    bool chat;
    const char *system; /* may be NULL */
    const char *chat_options; /* ? as cna_format_describe */
    cna_positions positions;
    cna_sign sign;
    bool by_subject;    /* a line for each subject as well */
} cli_mmlu_view;

void cli_mmlu_show(const cli_mmlu_view *view);
void cli_mmlu_json(const cli_mmlu_view *view);
/* One JSON object a line for every question at every multiplier. */
void cli_mmlu_put_answers(const cli_mmlu_view *view, FILE *stream);

#endif
