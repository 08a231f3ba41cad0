/* SPDX-License-Identifier: MIT
 * What the sections of a page are made of. */
#include "study/report_page.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"

/* ---- sections ---- */

static void add_entry(cna_report *report, cna_report_entry **list, size_t *n, size_t *capacity, cna_report_entry entry)
{
    if (report->status != CNA_OK) return;
    report->status = cna_grow(list, capacity, *n + 1, sizeof **list, "sections", report->err);
    if (report->status == CNA_OK) (*list)[(*n)++] = entry;
}

void cna_report_begin(cna_report *report, const char *id, const char *title)
{
    add_entry(report, &report->sections, &report->n_sections, &report->sections_capacity,
              (cna_report_entry){id, title});
    cna_markup_format(&report->body, "<section id=\"%s\"><h2>", id);
    cna_markup_string(&report->body, title);
    cna_markup_put(&report->body, "</h2>\n");
}

void cna_report_end(cna_report *report)
{
    cna_markup_put(&report->body, "</section>\n");
}

void cna_report_lacks(cna_report *report, const char *what, const char *command)
{
    add_entry(report, &report->missing, &report->n_missing, &report->missing_capacity,
              (cna_report_entry){what, command});
}

void cna_report_say(cna_report *report, const char *words)
{
    cna_markup_put(&report->body, "<p>");
    cna_markup_string(&report->body, words);
    cna_markup_put(&report->body, "</p>\n");
}

void cna_report_heading(cna_report *report, const char *title)
{
    cna_markup_put(&report->body, "<h3>");
    cna_markup_string(&report->body, title);
    cna_markup_put(&report->body, "</h3>\n");
}

/* ---- files beside the page ---- */

/* Takes the markup's bytes. */
static void add_output(cna_report *report, const char *folder, const char *name, const char *extension,
                       cna_markup *markup)
{
    if (report->status == CNA_OK) report->status = markup->status;
    if (report->status == CNA_OK) {
        report->status = cna_grow(&report->outputs, &report->outputs_capacity, report->n_outputs + 1,
                                  sizeof *report->outputs, "outputs", report->err);
    }
    if (report->status != CNA_OK) {
        cna_buffer_free(&markup->buffer);
        return;
    }
    report->outputs[report->n_outputs++] = (cna_report_output){folder, name, extension, markup->buffer};
}

static void finish_table(cna_report *report, cna_table *table)
{
    if (report->status == CNA_OK) report->status = table->status;
    if (report->status == CNA_OK && report->csv != NULL) {
        cna_markup csv = {.err = report->err};
        cna_table_csv(table, &csv);
        add_output(report, report->csv, table->name, ".csv", &csv);
    }
    cna_table_free(table);
}

bool cna_report_drop_empty(cna_report *report, cna_table *table)
{
    if (report->status == CNA_OK) report->status = table->status; /* it may be empty for want of memory */
    if (cna_table_n_rows(table) != 0) return false;
    cna_table_free(table);
    return true;
}

void cna_report_put(cna_report *report, cna_table *table)
{
    if (cna_report_drop_empty(report, table)) return;
    cna_table_html(table, &report->body);
    finish_table(report, table);
}

void cna_report_fold(cna_report *report, cna_table *table, const char *line)
{
    if (cna_report_drop_empty(report, table)) return;
    cna_markup_put(&report->body, "<details><summary>");
    cna_markup_string(&report->body, line);
    cna_markup_put(&report->body, "</summary>\n");
    cna_table_html(table, &report->body);
    cna_markup_put(&report->body, "</details>\n");
    finish_table(report, table);
}

void cna_report_open_figures(cna_report *report)
{
    cna_markup_put(&report->body, "<div class=\"figures\">\n");
}

void cna_report_close_figures(cna_report *report)
{
    cna_markup_put(&report->body, "</div>\n");
}

void cna_report_lines(cna_report *report, const char *name, const cna_plot *plot)
{
    cna_markup_format(&report->body, "<figure id=\"figure-%s\">", name);
    cna_plot_lines(plot, false, &report->body);
    cna_markup_put(&report->body, "</figure>\n");
    if (report->figures == NULL) return;
    cna_markup file = {.err = report->err};
    cna_plot_lines(plot, true, &file);
    add_output(report, report->figures, name, ".svg", &file);
}

void cna_report_bars(cna_report *report, const char *name, const cna_bars *bars)
{
    cna_markup_format(&report->body, "<figure id=\"figure-%s\">", name);
    cna_plot_bars(bars, false, &report->body);
    cna_markup_put(&report->body, "</figure>\n");
    if (report->figures == NULL) return;
    cna_markup file = {.err = report->err};
    cna_plot_bars(bars, true, &file);
    add_output(report, report->figures, name, ".svg", &file);
}

/* ---- memory and words ---- */

void *cna_report_alloc(cna_report *report, size_t count, size_t size)
{
    void *out = NULL;
    if (report->status == CNA_OK) {
        report->status = cna_arena_alloc(&report->data->arena, &out, count, size, "report", report->err);
    }
    return out;
}

const char *cna_report_print(cna_report *report, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *out = n < 0 ? NULL : cna_report_alloc(report, (size_t)n + 1, 1);
    if (out == NULL) return "";
    va_start(arguments, format);
    vsnprintf(out, (size_t)n + 1, format, arguments);
    va_end(arguments);
    return out;
}

size_t cna_report_part_number(const cna_report *report, const cna_report_part *part)
{
    return (size_t)(part - report->data->parts) + 1;
}

void cna_report_put_part(const cna_report *report, cna_table *table, const cna_report_part *part)
{
    cna_table_number(table, (double)cna_report_part_number(report, part));
    cna_table_text(table, part->info->model_name);
    cna_table_text(table, part->info->role);
}

const char *cna_report_part_name(cna_report *report, const cna_report_part *part)
{
    const cna_run_part_info *info = part->info;
    /* "x-instruct (instruct)" says it twice. */
    if (info->role[0] == '\0' || strstr(info->model_name, info->role) != NULL) return info->model_name;
    return cna_report_print(report, "%s (%s)", info->model_name, info->role);
}

const char *cna_report_setting(cna_report *report, const cna_condition *condition)
{
    if (condition->method == CNA_METHOD_NONE) return "untouched";
    if (condition->method == CNA_METHOD_CAA) {
        return cna_report_print(report, "alpha = %s", cna_number_shortest(condition->alpha).text);
    }
    if (condition->multipliers == NULL) {
        return cna_report_print(report, "m = %s", cna_number_shortest(condition->multiplier).text);
    }
    const char *text = "m = ";
    for (size_t i = 0; i < condition->n_multipliers; i++) {
        text = cna_report_print(report, "%s%s%s", text, i == 0 ? "" : " and ",
                                cna_number_shortest(condition->multipliers[i]).text);
    }
    return text;
}

const char *cna_report_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL || slash[1] == '\0' ? path : slash + 1;
}

const char *cna_report_curve_name(cna_report *report, const cna_report_curve *curve)
{
    const cna_condition *first = curve->first;
    if (curve->method == CNA_METHOD_CNA) {
        return cna_report_print(report, "CNA, %s, %zu neurons", first->circuit == NULL ? "" : first->circuit, first->k);
    }
    bool is_mlp = first->caa != NULL && strcmp(first->caa, "mlp") == 0;
    const char *what = is_mlp ? "MLP outputs" : "residual stream";
    if (first->layer < 0) return cna_report_print(report, "CAA, %s, layer by layer", what);
    return cna_report_print(report, "CAA, %s, layer %lld", what, (long long)first->layer);
}
