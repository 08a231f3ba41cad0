/* SPDX-License-Identifier: MIT
 * Reading what a report wrote: tables of its page, CSV, tags. Failures end the running cmocka test. */
#ifndef CNA_TESTS_REPORT_PAGE_H
#define CNA_TESTS_REPORT_PAGE_H

#include "support.h"

/* A table as texts, row by row; freed by report_grid_clear. */
typedef struct report_grid {
    char **cells; /* [n_cells] */
    size_t n_cells, capacity, n_columns;
} report_grid;
void report_grid_clear(report_grid *grid);

/* The body of the table with this name on a page, without lines that head or end a group: tags dropped, entities
 * decoded. */
report_grid report_page_table(const char *page, const char *name);

/* RFC 4180, the header line being row 0; fails for anything else, and for rows of different lengths. */
report_grid report_csv_read(const char *text);

/* Fails unless text is well-formed markup of our kind: every element closed, by "/>" or in its order, attributes
 * quoted, '<' and '&' nowhere else.
 *   is_page  HTML's void elements (br, meta) need no end, and there is a doctype */
void report_check_markup(const char *text, bool is_page);

/* Fails if any tag of a page could load something: src, url(), @import, href to anything but the page itself. */
void report_check_no_loads(const char *page);

#endif
