/* SPDX-License-Identifier: MIT
 * Tables. */
#include "cli/table.h"

#include "cli/messages.h"
#include "cli/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void cli_table_begin(cli_table *table, const char *align)
{
    *table = (cli_table){.n_columns = strlen(align), .align = align};
}

void cli_table_cell(cli_table *table, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    cli_grow(&table->cells, &table->capacity, table->n_cells + 1, sizeof *table->cells);
    cli_format_safe(table->cells[table->n_cells++].text, CLI_CELL_BYTES, text, strlen(text));
}

void cli_table_row(cli_table *table, const char *cells)
{
    for (;;) {
        size_t n = strcspn(cells, "|");
        cli_table_cell(table, "%.*s", (int)n, cells);
        if (cells[n] == '\0') return;
        cells += n + 1;
    }
}

static void put_blanks(FILE *stream, size_t n)
{
    fprintf(stream, "%*s", (int)n, "");
}

static void print_row(const cli_table *table, const cli_cell *row, const size_t *widths, FILE *stream)
{
    size_t last = table->n_columns;
    while (last > 0 && row[last - 1].text[0] == '\0') last--; /* no blanks at the end of a line */
    for (size_t column = 0; column < last; column++) {
        const char *text = row[column].text;
        size_t padding = widths[column] - cli_utf8_count(text, strlen(text));
        if (column > 0) fputs("  ", stream);
        if (table->align[column] == 'r') put_blanks(stream, padding);
        fputs(text, stream);
        if (table->align[column] == 'l' && column + 1 < last) put_blanks(stream, padding);
    }
    fputc('\n', stream);
}

void cli_table_print(cli_table *table, FILE *stream, int indent)
{
    size_t n = table->n_columns;
    size_t *widths = cli_alloc(n, sizeof *widths);
    for (size_t i = 0; i < table->n_cells; i++) {
        size_t width = cli_utf8_count(table->cells[i].text, strlen(table->cells[i].text));
        if (width > widths[i % n]) widths[i % n] = width;
    }
    for (size_t row = 0; row + n <= table->n_cells; row += n) {
        put_blanks(stream, (size_t)indent);
        print_row(table, table->cells + row, widths, stream);
    }
    free(widths);
    free(table->cells);
    *table = (cli_table){0};
}

const char *cli_percent(char out[16], double share)
{
    if (isfinite(share)) {
        snprintf(out, 16, "%.1f%%", 100 * share);
    } else {
        memcpy(out, "-", 2);
    }
    return out;
}

const char *cli_rate(char out[40], const cna_rate *rate)
{
    if (rate->n == 0) {
        memcpy(out, "-", 2);
    } else {
        snprintf(out, 40, "%5.1f%% [%4.1f, %5.1f]", 100 * rate->rate, 100 * rate->low, 100 * rate->high);
    }
    return out;
}

const char *cli_probability(char out[16], double p)
{
    if (!isfinite(p)) {
        memcpy(out, "-", 2);
    } else {
        snprintf(out, 16, p >= 0.0001 || p == 0 ? "%.4f" : "%.1e", p);
    }
    return out;
}

const char *cli_bar(char *out, size_t width, double value, double largest)
{
    size_t n = largest > 0 ? (size_t)((double)width * value / largest + 0.5) : 0;
    if (n == 0 && value > 0) n = 1;
    if (n > width) n = width;
    memset(out, '#', n);
    out[n] = '\0';
    return out;
}
