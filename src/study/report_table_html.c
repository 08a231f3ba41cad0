/* SPDX-License-Identifier: MIT
 * Tables for reading. */
#include <math.h>
#include <string.h>

#include "study/report_table.h"

static bool is_text(const cna_column *column)
{
    return column->kind == CNA_CELL_TEXT || column->kind == CNA_CELL_CODE;
}

static bool is_shown(const cna_column *column)
{
    return !column->group && !column->csv_only;
}

static bool is_same(const cna_column *column, const cna_cell *a, const cna_cell *b)
{
    if (a->there != b->there || !a->there) return a->there == b->there;
    if (!is_text(column)) return a->number == b->number;
    return a->n_bytes == b->n_bytes && memcmp(a->text, b->text, a->n_bytes) == 0;
}

static bool begins_group(const cna_table *table, size_t row)
{
    const cna_cell *cells = &table->cells[row * table->n_columns];
    for (size_t i = 0; i < table->n_columns; i++) {
        if (!table->columns[i].group) continue;
        if (row == 0 || !is_same(&table->columns[i], &cells[i], &cells[i] - table->n_columns)) return true;
    }
    return false;
}

void cna_table_put_p(cna_markup *out, double p)
{
    if (p >= 0.0001 || p == 0) {
        cna_markup_fixed(out, p, 4);
    } else {
        cna_markup_format(out, "%.1e", p);
    }
}

void cna_table_put_share(cna_markup *out, double share)
{
    cna_markup_fixed(out, 100 * share, 1);
    cna_markup_put(out, "%");
}

static void put_rate(const cna_column *column, const cna_rate *rate, cna_markup *out)
{
    cna_table_put_share(out, rate->rate);
    if (column->decimals < 0) return;
    cna_markup_put(out, " <span class=\"ci\">[");
    cna_markup_fixed(out, 100 * rate->low, 1);
    cna_markup_put(out, ", ");
    cna_markup_fixed(out, 100 * rate->high, 1);
    cna_markup_put(out, "]</span>");
}

static void put_real(const cna_column *column, double value, cna_markup *out)
{
    if (fabs(value) >= 1e6 || (value != 0 && fabs(value) < 1e-4)) {
        cna_markup_format(out, "%.3e", value);
    } else if (column->decimals < 0) {
        cna_markup_number(out, value, -column->decimals);
    } else {
        cna_markup_fixed(out, value, column->decimals);
    }
}

static void put_value(const cna_column *column, const cna_cell *cell, cna_markup *out)
{
    if (!cell->there) {
        cna_markup_put(out, "\xE2\x80\x93");
        return;
    }
    switch (column->kind) {
    case CNA_CELL_TEXT:
        cna_markup_text(out, cell->text, cell->n_bytes);
        break;
    case CNA_CELL_CODE:
        cna_markup_put(out, "<code>");
        cna_markup_text(out, cell->text, cell->n_bytes);
        cna_markup_put(out, "</code>");
        break;
    case CNA_CELL_COUNT:
        cna_markup_fixed(out, cell->number, 0);
        break;
    case CNA_CELL_REAL:
        put_real(column, cell->number, out);
        break;
    case CNA_CELL_SHARE:
        cna_table_put_share(out, cell->number);
        break;
    case CNA_CELL_RATE:
        put_rate(column, &cell->rate, out);
        break;
    case CNA_CELL_P:
        cna_table_put_p(out, cell->number);
        break;
    }
}

static size_t count_shown(const cna_table *table)
{
    size_t n = 0;
    for (size_t i = 0; i < table->n_columns; i++) n += is_shown(&table->columns[i]);
    return n;
}

static void put_head(const cna_table *table, cna_markup *out)
{
    cna_markup_put(out, "<thead><tr>");
    for (size_t i = 0; i < table->n_columns; i++) {
        const cna_column *column = &table->columns[i];
        if (!is_shown(column)) continue;
        cna_markup_put(out, is_text(column) ? "<th scope=\"col\" class=\"t\">" : "<th scope=\"col\">");
        cna_markup_string(out, column->heading);
        if (column->kind == CNA_CELL_RATE && column->decimals >= 0)
            cna_markup_put(out, " <span class=\"ci\">[95%]</span>");
        cna_markup_put(out, "</th>");
    }
    cna_markup_put(out, "</tr></thead>\n");
}

/* The values of the group's columns, as the heading over its rows. */
static void put_group(const cna_table *table, size_t row, cna_markup *out)
{
    cna_markup_format(out, "<tr class=\"group\"><th scope=\"rowgroup\" colspan=\"%zu\"><span>", count_shown(table));
    bool first = true;
    for (size_t i = 0; i < table->n_columns; i++) {
        const cna_cell *cell = &table->cells[row * table->n_columns + i];
        if (!table->columns[i].group || !cell->there || (is_text(&table->columns[i]) && cell->n_bytes == 0)) continue;
        if (!first) cna_markup_put(out, " \xC2\xB7 ");
        first = false;
        if (!is_text(&table->columns[i])) {
            cna_markup_string(out, table->columns[i].heading);
            cna_markup_put(out, " ");
        }
        put_value(&table->columns[i], cell, out);
    }
    cna_markup_put(out, "</span></th></tr>\n");
}

/* Short texts stay on one line; long ones are broken between words. */
static const char *cell_class(const cna_column *column, const cna_cell *cell)
{
    enum { LONG = 48 };
    if (!is_text(column)) return "";
    return cell->n_bytes > LONG && column->kind == CNA_CELL_TEXT ? " class=\"t long\"" : " class=\"t\"";
}

static void put_row(const cna_table *table, size_t row, cna_markup *out)
{
    cna_markup_put(out, "<tr>");
    for (size_t i = 0; i < table->n_columns; i++) {
        const cna_column *column = &table->columns[i];
        if (!is_shown(column)) continue;
        const cna_cell *cell = &table->cells[row * table->n_columns + i];
        cna_markup_format(out, "<td%s>", cell_class(column, cell));
        put_value(column, cell, out);
        cna_markup_put(out, "</td>");
    }
    cna_markup_put(out, "</tr>\n");
}

static void put_more(const cna_table *table, size_t n_hidden, cna_markup *out)
{
    if (n_hidden == 0) return;
    cna_markup_format(out, "<tr class=\"more\"><td colspan=\"%zu\"><span>and %zu more, in %s.csv</span></td></tr>\n",
                      count_shown(table), n_hidden, table->name);
}

void cna_table_html(const cna_table *table, cna_markup *out)
{
    cna_markup_format(out,
                      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table %s\">"
                      "<table id=\"table-%s\">\n",
                      table->name, table->name);
    put_head(table, out);
    cna_markup_put(out, "<tbody>\n");
    size_t n_in_group = 0, n_hidden = 0;
    for (size_t row = 0; row < cna_table_n_rows(table); row++) {
        if (begins_group(table, row)) {
            put_more(table, n_hidden, out);
            put_group(table, row, out);
            n_in_group = n_hidden = 0;
        }
        if (table->max_rows == 0 || n_in_group < table->max_rows) {
            put_row(table, row, out);
        } else {
            n_hidden++;
        }
        n_in_group++;
    }
    put_more(table, n_hidden, out);
    cna_markup_put(out, "</tbody></table></div>\n");
}
