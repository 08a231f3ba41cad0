/* SPDX-License-Identifier: MIT
 * Tables of a report, filled once and written twice: for reading, as HTML, and for other programs, as CSV. */
#ifndef CNA_STUDY_REPORT_TABLE_H
#define CNA_STUDY_REPORT_TABLE_H

#include "cna_study.h"
#include "study/markup.h"

typedef enum cna_cell_kind {
    CNA_CELL_TEXT,
    CNA_CELL_CODE, /* hashes and names, in a fixed-width face */
    CNA_CELL_COUNT,
    CNA_CELL_REAL,  /* with the column's decimals */
    CNA_CELL_SHARE, /* "12.5%"; 0.125 in CSV */
    CNA_CELL_RATE,  /* "34.0% [25.5, 43.7]"; in CSV five columns: KEY_count, KEY_n, KEY, KEY_low, KEY_high */
    CNA_CELL_P,     /* a probability: "0.0476", "3.0e-36" */
} cna_cell_kind;

typedef struct cna_column {
    const char *key;     /* in CSV */
    const char *heading; /* on the page */
    cna_cell_kind kind;
    int decimals; /* REAL: so many, or with minus at most so many. RATE: -1 leaves the interval to CSV */
    bool group;   /* rows that agree in all such columns stand under one heading, which shows them */
    bool csv_only;
} cna_column;

typedef struct cna_cell {
    bool there;
    const char *text; /* borrowed */
    size_t n_bytes;
    double number;
    cna_rate rate;
} cna_cell;

/* Filled cell by cell, row by row. Like markup, it keeps its first failure and then does nothing. */
typedef struct cna_table {
    const char *name; /* of the CSV file, without ".csv" */
    const cna_column *columns;
    size_t n_columns;
    size_t max_rows; /* on the page in each group, with a line that says how many more there are; 0: all */
    cna_cell *cells; /* [n_cells] */
    size_t n_cells, capacity;
    cna_status status;
    cna_error *err;
} cna_table;

/* columns are borrowed, NULL-keyed behind the last. */
void cna_table_begin(cna_table *table, const char *name, const cna_column *columns, cna_error *err);
void cna_table_free(cna_table *table);
size_t cna_table_n_rows(const cna_table *table);

/* One cell each. A value that is not finite, a rate of none and NULL give an empty cell. */
void cna_table_text(cna_table *table, const char *text);
void cna_table_bytes(cna_table *table, const char *text, size_t n_bytes);
void cna_table_number(cna_table *table, double value);
void cna_table_rate(cna_table *table, cna_rate rate);
void cna_table_none(cna_table *table, size_t n);

/* The table in a box of its own that scrolls where it is wider than the page. */
void cna_table_html(const cna_table *table, cna_markup *out);
/* RFC 4180: CRLF, quotes where they are needed, a header line; an empty field for an empty cell; numbers with the
 * digits that read back to the same value. */
void cna_table_csv(const cna_table *table, cna_markup *out);

/* How the page shows a probability and a share, for text as well. */
void cna_table_put_p(cna_markup *out, double p);
void cna_table_put_share(cna_markup *out, double share);

#endif
