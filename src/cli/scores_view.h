/* SPDX-License-Identifier: MIT
 * What the three scores and a quota by layer would choose, side by side. */
#ifndef CNA_CLI_SCORES_VIEW_H
#define CNA_CLI_SCORES_VIEW_H

#include "cna.h"

/* The circuit asked for, then by delta, d, write, and by delta with a quota for each layer. */
enum { CLI_SCORE_CIRCUITS = 5 };

/* All of them from one pass; new, freed by cna_circuit_free. Prints its own message and returns an exit code. */
int cli_attribute_scores(const cna_model *model, const cna_prompts *positive, const cna_prompts *negative,
                         const cna_attribute_options *options, cna_circuit *out[CLI_SCORE_CIRCUITS]);
/* Their layer profiles and overlaps, as a table or one JSON object. */
int cli_show_scores(cna_circuit *const circuits[CLI_SCORE_CIRCUITS], bool json);

#endif
