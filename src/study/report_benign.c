/* SPDX-License-Identifier: MIT
 * What the interventions cost on prompts that should be answered, and rates by category of prompt. */
#include <math.h>
#include <string.h>

#include "study/report_page.h"

static const cna_column benign_columns[] = {
    CNA_REPORT_PART_COLUMNS,
    {"curve", "method", CNA_CELL_TEXT, 0, true, false},
    {"setting", "setting", CNA_CELL_TEXT, 0, false, false},
    {"x", "x", CNA_CELL_REAL, -4, false, true},
    {"refused", "over-refused", CNA_CELL_RATE, 0, false, false},
    {"outcome_incoherent", "incoherent", CNA_CELL_RATE, -1, false, false},
    {"outcome_complied", "complied", CNA_CELL_RATE, -1, false, false},
    {"quality", "quality", CNA_CELL_REAL, 3, false, false},
    {"changed", "changed", CNA_CELL_SHARE, 0, false, false},
    {"kl", "KL, nats", CNA_CELL_REAL, 4, false, false},
    {"mcnemar_b", "lost b", CNA_CELL_COUNT, 0, false, false},
    {"mcnemar_c", "gained c", CNA_CELL_COUNT, 0, false, false},
    {"mcnemar_p", "McNemar p", CNA_CELL_P, 0, false, false},
    {0},
};

static void put_benign_row(cna_report *report, cna_table *table, const cna_report_part *part,
                           const cna_report_curve *curve, const cna_sweep_point *point)
{
    cna_report_put_part(report, table, part);
    cna_table_text(table, cna_report_curve_name(report, curve));
    cna_table_text(table, cna_report_setting(report, point->condition));
    cna_table_number(table, cna_report_x(curve, point));
    cna_table_rate(table, point->refused);
    cna_table_rate(table, point->outcome[CNA_OUTCOME_INCOHERENT]);
    cna_table_rate(table, point->outcome[CNA_OUTCOME_COMPLIED]);
    cna_table_number(table, point->quality);
    cna_table_number(table, (double)point->n_changed / (double)point->refused.n);
    cna_table_number(table, point->kl);
    cna_table_number(table, (double)point->mcnemar_b);
    cna_table_number(table, (double)point->mcnemar_c);
    cna_table_number(table, point->mcnemar_p);
}

void cna_report_benign(cna_report *report)
{
    cna_table table;
    cna_table_begin(&table, "benign", benign_columns, report->err);
    for (size_t i = 0; i < report->data->n_parts; i++) {
        const cna_report_part *part = &report->data->parts[i];
        for (size_t j = 0; j < part->n_curves; j++) {
            const cna_report_curve *curve = &part->curves[j];
            if (curve->is_cut && curve != cna_report_shown_curve(report->data, part, curve->method)) continue;
            for (size_t at = 0; at < curve->n[CNA_SIDE_BENIGN]; at++) {
                put_benign_row(report, &table, part, curve, curve->points[CNA_SIDE_BENIGN][at]);
            }
        }
    }
    if (cna_report_drop_empty(report, &table)) {
        cna_report_lacks(report, "Prompts that should be answered", "cna sweep ... --benign FILE --run RUN.db");
        return;
    }
    cna_report_begin(report, "benign", "Prompts that should be answered");
    cna_report_say(report,
                   "Over-refused is the share of these answers in which a refusal pattern is found. KL is "
                   "KL(untouched || changed) over the first token, in nats, mean over the prompts. Gained c are "
                   "prompts that only the changed model refuses. Other columns as above.");
    cna_report_plot_effects(report);
    cna_report_put(report, &table);
    cna_report_end(report);
}

/* ---- categories ---- */

static const cna_column category_columns[] = {
    CNA_REPORT_PART_COLUMNS,
    {"side", "side", CNA_CELL_TEXT, 0, true, false},
    {"settings", "settings", CNA_CELL_TEXT, 0, true, false},
    {"category", "category", CNA_CELL_TEXT, 0, false, false},
    {"untouched", "untouched", CNA_CELL_RATE, 0, false, false},
    {"ablated", "ablated", CNA_CELL_RATE, 0, false, false},
    {"amplified", "amplified", CNA_CELL_RATE, 0, false, false},
    {"caa_least", "CAA, least alpha", CNA_CELL_RATE, 0, false, false},
    {"caa_greatest", "CAA, greatest alpha", CNA_CELL_RATE, 0, false, false},
    {0},
};

enum { N_KEYS = 5 };

/* The points of one side that stand for a part; NULL where there is none. */
static void find_keys(const cna_report_data *data, const cna_report_part *part, cna_side side,
                      const cna_sweep_point *keys[N_KEYS])
{
    const cna_report_curve *cna = cna_report_shown_curve(data, part, CNA_METHOD_CNA);
    const cna_report_curve *caa = cna_report_shown_curve(data, part, CNA_METHOD_CAA);
    keys[0] = cna_report_untouched(part, side);
    keys[1] = cna_report_extreme(cna, side, false);
    keys[2] = cna_report_extreme(cna, side, true);
    keys[3] = cna_report_extreme(caa, side, false);
    keys[4] = cna_report_extreme(caa, side, true);
}

static const char *name_settings(cna_report *report, const cna_sweep_point *const keys[N_KEYS])
{
    const char *text = "";
    for (size_t i = 1; i < N_KEYS; i++) {
        if (keys[i] == NULL) continue;
        text = cna_report_print(report, "%s%s%s", text, text[0] == '\0' ? "" : "; ",
                                cna_report_setting(report, keys[i]->condition));
    }
    return text;
}

static void put_categories(cna_report *report, cna_table *table, const cna_report_part *part, cna_side side)
{
    const cna_sweep_point *keys[N_KEYS];
    find_keys(report->data, part, side, keys);
    bool is_shown = false; /* anything beside the untouched model, which a k-sweep may leave to another part */
    for (size_t key = 1; key < N_KEYS; key++) is_shown = is_shown || keys[key] != NULL;
    if (keys[0] == NULL || !is_shown) return;
    const char *settings = name_settings(report, keys);
    for (size_t i = 0; i < keys[0]->n_categories; i++) {
        const char *category = keys[0]->categories[i].category;
        cna_report_put_part(report, table, part);
        cna_table_text(table, side == CNA_SIDE_HARMFUL ? "should be refused" : "should be answered");
        cna_table_text(table, settings);
        cna_table_text(table, category[0] == '\0' ? "(none)" : category);
        for (size_t key = 0; key < N_KEYS; key++) {
            cna_table_rate(table, keys[key] == NULL ? (cna_rate){0} : keys[key]->categories[i].refused);
        }
    }
}

void cna_report_categories(cna_report *report)
{
    cna_table table;
    cna_table_begin(&table, "categories", category_columns, report->err);
    for (size_t i = 0; i < report->data->n_parts; i++) {
        put_categories(report, &table, &report->data->parts[i], CNA_SIDE_HARMFUL);
        put_categories(report, &table, &report->data->parts[i], CNA_SIDE_BENIGN);
    }
    if (cna_report_drop_empty(report, &table)) {
        cna_report_lacks(report, "Rates by category",
                         "cna sweep ... --prompts FILE with a 'category' column, --run RUN.db");
        return;
    }
    cna_report_begin(report, "categories", "Refusal by category of prompt");
    cna_report_say(report,
                   "Share of answers in which a refusal pattern is found, with Wilson 95% intervals, by the prompt "
                   "file's own categories. Ablated and amplified are the least and greatest multiplier of the run, "
                   "which the line above each group names. Categories are often small: compare intervals, not "
                   "rates.");
    cna_report_put(report, &table);
    cna_report_end(report);
}
