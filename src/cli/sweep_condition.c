/* SPDX-License-Identifier: MIT
 * Conditions of a sweep. */
#include "cli/sweep_condition.h"

#include <math.h>
#include <string.h>

cli_condition_columns cli_condition_columns_of(const cna_sweep *sweep)
{
    cli_condition_columns out = {0};
    size_t n_points;
    const cna_sweep_point *points = cna_sweep_points(sweep, &n_points);
    const cna_condition *first = NULL;
    for (size_t i = 0; i < n_points; i++) {
        const cna_condition *condition = points[i].condition;
        if (condition->method == CNA_METHOD_CAA) out.alpha = true;
        if (condition->method != CNA_METHOD_CNA) continue;
        out.scales = true;
        if (first == NULL) first = condition;
        if (condition->k != first->k || strcmp(condition->circuit, first->circuit) != 0) out.k = true;
    }
    if (first != NULL && strncmp(first->circuit, "k=", 2) == 0) out.k = true;
    out.method = out.alpha && out.scales;
    if (!out.alpha) out.scales = true;
    return out;
}

size_t cli_condition_align(const cli_condition_columns *columns, char out[CLI_CONDITION_COLUMNS + 1])
{
    size_t n = 0;
    if (columns->method) out[n++] = 'l';
    if (columns->k) out[n++] = 'r';
    if (columns->scales) out[n++] = 'r', out[n++] = 'r';
    if (columns->alpha) out[n++] = 'r';
    out[n] = '\0';
    return n;
}

void cli_condition_heading(const cli_condition_columns *columns, cli_table *table)
{
    if (columns->method) cli_table_cell(table, "method");
    if (columns->k) cli_table_cell(table, "k");
    if (columns->scales) cli_table_row(table, "mult.|strength");
    if (columns->alpha) cli_table_cell(table, "alpha");
}

/* Two decimals where they say it all, so that the points line up. */
static int format_number(char *out, size_t capacity, double value)
{
    bool is_short = fabs(value) < 1e6 && fabs(100 * value - round(100 * value)) < 1e-9;
    int n = is_short ? snprintf(out, capacity, "%.2f", value) : snprintf(out, capacity, "%g", value);
    return n < 0 ? 0 : n;
}

/* One number a circuit, with '/' between, where they differ. */
static void put_scale(cli_table *table, const cna_condition *condition, bool strength)
{
    char text[CLI_CELL_BYTES] = "-";
    size_t at = 0, n = condition->n_multipliers == 0 ? 1 : condition->n_multipliers;
    for (size_t i = 0; i < n && condition->method != CNA_METHOD_CAA && at + 24 < sizeof text; i++) {
        double m = condition->n_multipliers == 0 ? condition->multiplier : condition->multipliers[i];
        if (i != 0) text[at++] = '/';
        at += (size_t)format_number(text + at, sizeof text - at, strength ? 1 - m : m);
    }
    cli_table_cell(table, "%s", text);
}

void cli_condition_cells(const cli_condition_columns *columns, const cna_condition *condition, cli_table *table)
{
    static const char *const methods[] = {"none", "cna", "caa", "control"};
    if (columns->method) cli_table_cell(table, "%s", methods[condition->method]);
    if (columns->k && condition->method == CNA_METHOD_CNA) {
        cli_table_cell(table, "%zu", condition->k);
    } else if (columns->k) {
        cli_table_cell(table, "-");
    }
    if (columns->scales) {
        put_scale(table, condition, false);
        put_scale(table, condition, true);
    }
    if (!columns->alpha) return;
    char alpha[32] = "-";
    if (condition->method == CNA_METHOD_CAA) format_number(alpha, sizeof alpha, condition->alpha);
    if (condition->method == CNA_METHOD_NONE) format_number(alpha, sizeof alpha, 0);
    cli_table_cell(table, "%s", alpha);
}

void cli_condition_json(const cna_condition *condition, cli_json *json)
{
    static const char *const methods[] = {"none", "cna", "caa", "control"};
    bool scaled = condition->method == CNA_METHOD_CNA || condition->method == CNA_METHOD_CONTROL;
    cli_json_text(json, "method", methods[condition->method]);
    cli_json_text(json, "circuit", condition->circuit);
    if (scaled) {
        cli_json_count(json, "k", condition->k);
    } else {
        cli_json_null(json, "k");
    }
    cli_json_f64(json, "multiplier", condition->multiplier);
    cli_json_f64(json, "strength", 1 - condition->multiplier);
    if (condition->n_multipliers != 0) {
        cli_json_array(json, "multipliers");
        for (size_t i = 0; i < condition->n_multipliers; i++) cli_json_f64(json, NULL, condition->multipliers[i]);
        cli_json_array_end(json);
    } else {
        cli_json_null(json, "multipliers");
    }
    cli_json_text(json, "caa", condition->caa);
    cli_json_f64(json, "alpha", condition->alpha);
    if (condition->layer >= 0) {
        cli_json_int(json, "layer", condition->layer);
    } else {
        cli_json_null(json, "layer");
    }
}
