/* SPDX-License-Identifier: MIT
 * Tables whose columns line up, and the few number formats that every table uses. */
#ifndef CNA_CLI_TABLE_H
#define CNA_CLI_TABLE_H

#include "cna_study.h"

#include <stdio.h>

enum { CLI_CELL_BYTES = 96 };

typedef struct cli_cell {
    char text[CLI_CELL_BYTES];
} cli_cell;

/* Filled cell by cell, row by row; the first row is the heading. */
typedef struct cli_table {
    size_t n_columns;
    const char *align; /* one letter a column: 'l' or 'r' */
    cli_cell *cells;
    size_t n_cells, capacity;
} cli_table;

/* align also says how many columns there are; borrowed. */
void cli_table_begin(cli_table *table, const char *align);
void cli_table_cell(cli_table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* All columns of a row from one string, separated by '|'. */
void cli_table_row(cli_table *table, const char *cells);
/* Print every row behind `indent` blanks, two blanks between columns, and free the cells. */
void cli_table_print(cli_table *table, FILE *stream, int indent);

/* "34.0%"; "-" where there is nothing to take a share of. */
const char *cli_percent(char out[16], double share);
/* "34.0% [25.5, 43.7]". */
const char *cli_rate(char out[40], const cna_rate *rate);
/* A probability: "0.0312", "3.1e-05". */
const char *cli_probability(char out[16], double p);
/* A bar of at most `width` '#', in proportion; at least one where value is not 0. */
const char *cli_bar(char *out, size_t width, double value, double largest);

#endif
