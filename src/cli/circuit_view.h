/* SPDX-License-Identifier: MIT
 * A circuit on the screen and as JSON: where it came from, its largest neurons, how they lie over the layers.
 */
#ifndef CNA_CLI_CIRCUIT_VIEW_H
#define CNA_CLI_CIRCUIT_VIEW_H

#include "cli/json.h"
#include "cna.h"

enum { CLI_TOP_NEURONS = 20 };

const char *cli_score_name(cna_score score);
const char *cli_preset_name(cna_preset preset);
/* A foreign file states neither model nor method. */
bool cli_is_foreign(const cna_circuit_info *info);

/* Model, definition, largest neurons, profile, statistics: what `attribute` prints and `inspect` of a circuit. */
int cli_show_circuit(const cna_circuit *circuit);
/* The same as one JSON object. path may be NULL. */
int cli_circuit_json(const cna_circuit *circuit, const char *path);

/* A text of a circuit file; null where the file does not say. */
void cli_json_stated(cli_json *json, const char *key, const char *text);
/* What the file does not give is null. */
void cli_json_neuron(cli_json *json, const cna_circuit_info *info, const cna_neuron *neuron, size_t rank);
void cli_json_profile(cli_json *json, const char *key, const cna_profile *profile);
/* "87.0% in the last 3 layers, ..." on a line of its own. */
void cli_show_shares(const cna_profile *profile);
/* How many layers each share of a profile covers (METHOD section 9). */
uint32_t cli_last_tenth(uint32_t n_layers);
uint32_t cli_last_quarter(uint32_t n_layers);

#endif
