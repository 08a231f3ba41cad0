/* SPDX-License-Identifier: MIT
 * `attribute --scores`: where each score would put the same number of neurons (METHOD section 3). */
#ifndef CNA_CLI_SCORES_VIEW_H
#define CNA_CLI_SCORES_VIEW_H

#include "cna.h"

/* Attribute once more for each score that `circuit` was not ranked by, and print the three layer profiles
 * side by side, with what each has in common with the circuit. Prints its own message and returns an exit
 * code. */
int cli_show_scores(const cna_model *model, const cna_prompts *positive, const cna_prompts *negative,
                    const cna_attribute_options *options, const cna_circuit *circuit);

#endif
