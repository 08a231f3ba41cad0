/* SPDX-License-Identifier: MIT
 * A sweep's conditions as cells of a table and as members of JSON. */
#ifndef CNA_CLI_SWEEP_CONDITION_H
#define CNA_CLI_SWEEP_CONDITION_H

#include "cli/json.h"
#include "cli/table.h"

/* Which columns tell a sweep's conditions apart. */
typedef struct cli_condition_columns {
    bool method; /* there is CAA beside the circuits */
    bool scales; /* some circuit is scaled, or nothing is done at all */
    bool k;      /* of a k-list */
    bool alpha;
} cli_condition_columns;

cli_condition_columns cli_condition_columns_of(const cna_sweep *sweep);

enum { CLI_CONDITION_COLUMNS = 5 };

/* Append one letter a column to a table's alignment; returns how many. */
size_t cli_condition_align(const cli_condition_columns *columns, char out[CLI_CONDITION_COLUMNS + 1]);
void cli_condition_heading(const cli_condition_columns *columns, cli_table *table);
void cli_condition_cells(const cli_condition_columns *columns, const cna_condition *condition, cli_table *table);

/* "method", "circuit", "k", "multiplier", "strength", "multipliers", "caa", "alpha", "layer"; null where they do not
 * apply. */
void cli_condition_json(const cna_condition *condition, cli_json *json);

#endif
