/* SPDX-License-Identifier: MIT
 * What the results of studies have in common, on the screen and as JSON: model, circuits, rates, multipliers. */
#ifndef CNA_CLI_STUDY_VIEW_H
#define CNA_CLI_STUDY_VIEW_H

#include "cli/json.h"
#include "cli/table.h"

/* {"count", "n", "rate", "low", "high"}. */
void cli_json_rate(cli_json *json, const char *key, const cna_rate *rate);
/* "model": {...}. */
void cli_json_used_model(cli_json *json, const cna_model_info *model);
/* "circuits": [...]: which definition each was found by; null where its file does not say.
 *   paths, circuits  [n] */
void cli_json_used_circuits(cli_json *json, const char *const *paths, const cna_circuit *const *circuits, size_t n);
/* A line for each. */
void cli_show_used_circuits(const char *const *paths, const cna_circuit *const *circuits, size_t n);

/* Two cells: multiplier and strength. */
void cli_table_multiplier(cli_table *table, double multiplier);

#endif
