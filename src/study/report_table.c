/* SPDX-License-Identifier: MIT
 * Filling tables, and writing them as CSV. */
#include "study/report_table.h"

#include <math.h>
#include <string.h>

#include "base/number.h"

void cna_table_begin(cna_table *table, const char *name, const cna_column *columns, cna_error *err)
{
    *table = (cna_table){.name = name, .columns = columns, .err = err};
    while (columns[table->n_columns].key != NULL) table->n_columns++;
}

void cna_table_free(cna_table *table)
{
    cna_free(table->cells);
    *table = (cna_table){0};
}

size_t cna_table_n_rows(const cna_table *table)
{
    return table->n_cells / table->n_columns;
}

static void add(cna_table *table, cna_cell cell)
{
    if (table->status != CNA_OK) return;
    table->status =
        cna_grow(&table->cells, &table->capacity, table->n_cells + 1, sizeof *table->cells, "table", table->err);
    if (table->status == CNA_OK) table->cells[table->n_cells++] = cell;
}

void cna_table_bytes(cna_table *table, const char *text, size_t n_bytes)
{
    add(table, (cna_cell){.there = text != NULL, .text = text, .n_bytes = n_bytes});
}

void cna_table_text(cna_table *table, const char *text)
{
    cna_table_bytes(table, text, text == NULL ? 0 : strlen(text));
}

void cna_table_number(cna_table *table, double value)
{
    add(table, (cna_cell){.there = isfinite(value), .number = value});
}

void cna_table_rate(cna_table *table, cna_rate rate)
{
    add(table, (cna_cell){.there = rate.n != 0, .rate = rate});
}

void cna_table_none(cna_table *table, size_t n)
{
    for (size_t i = 0; i < n; i++) add(table, (cna_cell){0});
}

/* ---- CSV ---- */

/* A field; quoted where RFC 4180 wants it. What a spreadsheet would take for a formula stays what it is. */
static void put_field(cna_markup *out, const char *text, size_t n_bytes)
{
    bool plain = true;
    for (size_t i = 0; i < n_bytes; i++) plain = plain && strchr(",\"\r\n", text[i]) == NULL;
    if (plain) {
        cna_markup_bytes(out, text, n_bytes);
        return;
    }
    cna_markup_put(out, "\"");
    for (size_t i = 0; i < n_bytes; i++) {
        if (text[i] == '"') cna_markup_put(out, "\"");
        cna_markup_bytes(out, &text[i], 1);
    }
    cna_markup_put(out, "\"");
}

static void put_number(cna_markup *out, double value)
{
    cna_markup_put(out, cna_number_shortest(value).text);
}

static void put_header(const cna_table *table, cna_markup *out)
{
    for (size_t i = 0; i < table->n_columns; i++) {
        const char *key = table->columns[i].key;
        if (i != 0) cna_markup_put(out, ",");
        if (table->columns[i].kind == CNA_CELL_RATE) {
            cna_markup_format(out, "%s_count,%s_n,%s,%s_low,%s_high", key, key, key, key, key);
        } else {
            cna_markup_put(out, key);
        }
    }
    cna_markup_put(out, "\r\n");
}

static void put_cell(const cna_column *column, const cna_cell *cell, cna_markup *out)
{
    bool is_rate = column->kind == CNA_CELL_RATE;
    if (!cell->there) {
        cna_markup_put(out, is_rate ? ",,,," : "");
    } else if (is_rate) {
        cna_markup_format(out, "%zu,%zu,", cell->rate.count, cell->rate.n);
        put_number(out, cell->rate.rate);
        cna_markup_put(out, ",");
        put_number(out, cell->rate.low);
        cna_markup_put(out, ",");
        put_number(out, cell->rate.high);
    } else if (column->kind == CNA_CELL_TEXT || column->kind == CNA_CELL_CODE) {
        put_field(out, cell->text, cell->n_bytes);
    } else {
        put_number(out, cell->number);
    }
}

void cna_table_csv(const cna_table *table, cna_markup *out)
{
    put_header(table, out);
    for (size_t row = 0; row < cna_table_n_rows(table); row++) {
        for (size_t i = 0; i < table->n_columns; i++) {
            if (i != 0) cna_markup_put(out, ",");
            put_cell(&table->columns[i], &table->cells[row * table->n_columns + i], out);
        }
        cna_markup_put(out, "\r\n");
    }
}
