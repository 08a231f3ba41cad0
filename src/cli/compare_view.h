/* SPDX-License-Identifier: MIT
 * Circuits beside one another, on the screen and as JSON. */
#ifndef CNA_CLI_COMPARE_VIEW_H
#define CNA_CLI_COMPARE_VIEW_H

#include "cna.h"

typedef struct cli_compare_side {
    const char *path;
    cna_circuit *circuit;
    cna_profile profile;
} cli_compare_side;

/* Two of the sides, a before b. */
typedef struct cli_compare_pair {
    size_t a, b;
    cna_overlap overlap;
    cna_overlap_chance chance;
    cna_circuit_difference difference;
} cli_compare_pair;

typedef struct cli_comparison {
    cli_compare_side *sides; /* [n_sides] named A, B, ... */
    size_t n_sides;
    cli_compare_pair *pairs; /* [n_pairs] AB, AC, ..., BC, ... */
    size_t n_pairs;
} cli_comparison;

void cli_show_comparison(const cli_comparison *c);
void cli_comparison_json(const cli_comparison *c);

#endif
