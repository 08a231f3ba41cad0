/* SPDX-License-Identifier: MIT
 * Refusal and quality against multiplier and alpha, random controls, the k-sweep. */
#include <math.h>
#include <string.h>

#include "study/report_page.h"

/* The columns of a table of measures; x is the multiplier or alpha. */
#define MEASURES                                                                                                       \
    {"refused", "refused", CNA_CELL_RATE, 0, false, false},                                                            \
        {"outcome_incoherent", "incoherent", CNA_CELL_RATE, -1, false, false},                                         \
        {"outcome_refused", "coherent refusal", CNA_CELL_RATE, -1, false, false},                                      \
        {"outcome_complied", "complied", CNA_CELL_RATE, -1, false, false},                                             \
        {"quality", "quality", CNA_CELL_REAL, 3, false, false}, {"n_short", "short", CNA_CELL_COUNT, 0, false, false}, \
        {"changed", "changed", CNA_CELL_SHARE, 0, false, false}, {"tokens", "tokens", CNA_CELL_REAL, 1, false, false}, \
        {"mcnemar_b", "lost b", CNA_CELL_COUNT, 0, false, false},                                                      \
        {"mcnemar_c", "gained c", CNA_CELL_COUNT, 0, false, false},                                                    \
        {"mcnemar_p", "McNemar p", CNA_CELL_P, 0, false, false},                                                       \
    {                                                                                                                  \
        "perplexity", "perplexity", CNA_CELL_REAL, 3, false, false                                                     \
    }

static const cna_column cna_columns[] = {
    CNA_REPORT_PART_COLUMNS,
    {"curve", "circuit", CNA_CELL_TEXT, 0, true, false},
    {"setting", "setting", CNA_CELL_TEXT, 0, false, false},
    {"multiplier", "m", CNA_CELL_REAL, -4, false, true},
    {"strength", "strength", CNA_CELL_REAL, -4, false, false},
    MEASURES,
    {0},
};

static const cna_column caa_columns[] = {
    CNA_REPORT_PART_COLUMNS,
    {"curve", "vectors", CNA_CELL_TEXT, 0, true, false},
    {"setting", "setting", CNA_CELL_TEXT, 0, false, false},
    {"alpha", "alpha", CNA_CELL_REAL, -4, false, true},
    MEASURES,
    {0},
};

static const cna_column k_columns[] = {
    CNA_REPORT_PART_COLUMNS,
    {"multiplier", "m =", CNA_CELL_REAL, -4, true, false},
    {"k", "neurons", CNA_CELL_COUNT, 0, false, false},
    MEASURES,
    {0},
};

static const cna_column control_columns[] = {
    CNA_REPORT_PART_COLUMNS,
    {"curve", "circuit", CNA_CELL_TEXT, 0, true, false},
    {"kind", "random neurons", CNA_CELL_TEXT, 0, false, false},
    {"setting", "setting", CNA_CELL_TEXT, 0, false, false},
    {"circuit", "circuit refuses", CNA_CELL_RATE, -1, false, false},
    {"n_seeds", "seeds", CNA_CELL_COUNT, 0, false, false},
    {"mean", "mean", CNA_CELL_SHARE, 0, false, false},
    {"min", "least", CNA_CELL_SHARE, 0, false, false},
    {"max", "most", CNA_CELL_SHARE, 0, false, false},
    {"p", "p", CNA_CELL_P, 0, false, false},
    {0},
};

static void put_measures(cna_table *table, const cna_sweep_point *point)
{
    cna_table_rate(table, point->refused);
    for (int outcome = 0; outcome < 3; outcome++) cna_table_rate(table, point->outcome[outcome]);
    cna_table_number(table, point->quality);
    cna_table_number(table, (double)point->n_short);
    cna_table_number(table, (double)point->n_changed / (double)point->refused.n);
    cna_table_number(table, point->mean_tokens);
    cna_table_number(table, (double)point->mcnemar_b);
    cna_table_number(table, (double)point->mcnemar_c);
    cna_table_number(table, point->mcnemar_p);
    cna_table_number(table, point->perplexity);
}

static void put_curve(cna_report *report, cna_table *table, const cna_report_part *part, const cna_report_curve *curve)
{
    for (size_t i = 0; i < curve->n[CNA_SIDE_HARMFUL]; i++) {
        const cna_sweep_point *point = curve->points[CNA_SIDE_HARMFUL][i];
        cna_report_put_part(report, table, part);
        cna_table_text(table, cna_report_curve_name(report, curve));
        cna_table_text(table, cna_report_setting(report, point->condition));
        cna_table_number(table, cna_report_x(curve, point));
        if (curve->method == CNA_METHOD_CNA) cna_table_number(table, 1 - cna_report_x(curve, point));
        put_measures(table, point);
    }
}

static void fill_curves(cna_report *report, cna_table *table, cna_method method)
{
    for (size_t i = 0; i < report->data->n_parts; i++) {
        const cna_report_part *part = &report->data->parts[i];
        for (size_t j = 0; j < part->n_curves; j++) {
            const cna_report_curve *curve = &part->curves[j];
            bool is_shown = !curve->is_cut || curve == cna_report_shown_curve(report->data, part, method);
            if (curve->method == method && is_shown) put_curve(report, table, part, curve);
        }
    }
}

static void put_controls(cna_report *report, cna_table *table, const cna_report_part *part,
                         const cna_report_curve *curve, cna_control_kind kind)
{
    static const char *const kinds[] = {[CNA_CONTROL_UNIFORM] = "uniform", [CNA_CONTROL_MATCHED] = "matched"};
    for (size_t i = 0; i < curve->n[CNA_SIDE_HARMFUL]; i++) {
        const cna_sweep_point *point = curve->points[CNA_SIDE_HARMFUL][i];
        const cna_control_summary *control = &point->control[kind];
        if (control->n_seeds == 0) continue;
        cna_report_put_part(report, table, part);
        cna_table_text(table, cna_report_curve_name(report, curve));
        cna_table_text(table, kinds[kind]);
        cna_table_text(table, cna_report_setting(report, point->condition));
        cna_table_rate(table, point->refused);
        cna_table_number(table, (double)control->n_seeds);
        cna_table_number(table, control->mean);
        cna_table_number(table, control->min);
        cna_table_number(table, control->max);
        cna_table_number(table, control->p);
    }
}

static void fill_controls(cna_report *report, cna_table *table)
{
    for (size_t i = 0; i < report->data->n_parts; i++) {
        const cna_report_part *part = &report->data->parts[i];
        for (size_t j = 0; j < part->n_curves; j++) {
            put_controls(report, table, part, &part->curves[j], CNA_CONTROL_UNIFORM);
            put_controls(report, table, part, &part->curves[j], CNA_CONTROL_MATCHED);
        }
    }
}

/* Cuts of one circuit at one multiplier: by multiplier, then k. */
static void fill_cuts(cna_report *report, cna_table *table, const cna_report_part *part)
{
    const cna_report_curve *model = NULL;
    for (size_t j = 0; j < part->n_curves && model == NULL; j++) {
        if (part->curves[j].is_cut && !part->curves[j].is_grid) model = &part->curves[j];
    }
    for (size_t at = 0; model != NULL && at < model->n[CNA_SIDE_HARMFUL]; at++) {
        double multiplier = cna_report_x(model, model->points[CNA_SIDE_HARMFUL][at]);
        if (multiplier == 1) continue;
        for (size_t j = 0; j < part->n_curves; j++) {
            const cna_report_curve *curve = &part->curves[j];
            const cna_sweep_point *point = cna_report_at(curve, CNA_SIDE_HARMFUL, multiplier);
            if (!curve->is_cut || curve->is_grid || point == NULL) continue;
            cna_report_put_part(report, table, part);
            cna_table_number(table, multiplier);
            cna_table_number(table, (double)curve->first->k);
            put_measures(table, point);
        }
    }
}

static void put_k_sweep(cna_report *report)
{
    cna_table table;
    cna_table_begin(&table, "k", k_columns, report->err);
    for (size_t i = 0; i < report->data->n_parts; i++) fill_cuts(report, &table, &report->data->parts[i]);
    if (cna_report_drop_empty(report, &table)) {
        cna_report_lacks(report, "How many neurons it takes (k-sweep)",
                         "cna sweep ... --k-list 5,10,25,50,100 --run RUN.db");
        return;
    }
    cna_report_begin(report, "k", "How many neurons it takes");
    cna_report_say(report,
                   "The circuit cut to its first k neurons by score, each run on the same prompts. Columns as in "
                   "the tables of refusal by multiplier.");
    cna_report_plot_k(report);
    cna_report_put(report, &table);
    cna_report_end(report);
}

static const char measures_words[] =
    "Refused counts answers in which a refusal pattern is found, with the Wilson 95% interval. Every answer also has "
    "one "
    "outcome: incoherent first (no word, too repetitive, or too unlikely for the untouched model), then refused, then "
    "complied. Complied does not mean correct. Quality is the mean share of distinct word 4-grams; short answers, "
    "under "
    "four words, count as 1, so that a collapse to nothing can pass for a complied answer: look at short. Changed "
    "answers differ at all from the untouched model's. Lost b are refusals that only the "
    "untouched model has, gained c those that only the changed one has; p is McNemar's exact test of the two.";

/* Which answers count as incoherent, once for each model and role that has a curve of this method. */
static void put_thresholds(cna_report *report, cna_method method)
{
    for (size_t i = 0; i < report->data->n_parts; i++) {
        const cna_report_part *part = &report->data->parts[i];
        if (cna_report_shown_curve(report->data, part, method) == NULL || isnan(part->rows.min_quality)) continue;
        cna_markup *body = &report->body;
        cna_markup_put(body, "<p class=\"note\">Incoherent in ");
        cna_markup_string(body, cna_report_part_name(report, part));
        cna_markup_put(body, ": no word, quality under ");
        cna_markup_number(body, part->rows.min_quality, 4);
        if (isfinite(part->rows.min_logprob)) {
            cna_markup_put(body, ", or mean log-probability under ");
            cna_markup_number(body, part->rows.min_logprob, 4);
            cna_markup_put(body, " nats a token under the untouched model.</p>\n");
        } else {
            cna_markup_put(body, "; no limit on the log-probability.</p>\n");
        }
    }
}

static bool has_points(const cna_report *report, cna_method method)
{
    for (size_t i = 0; i < report->data->n_parts; i++) {
        const cna_report_part *part = &report->data->parts[i];
        for (size_t j = 0; j < part->n_curves; j++) {
            if (part->curves[j].method == method) return true;
        }
    }
    return false;
}

static void put_method(cna_report *report, cna_method method)
{
    bool is_cna = method == CNA_METHOD_CNA;
    if (!has_points(report, method)) {
        cna_report_lacks(report, is_cna ? "Refusal by multiplier (CNA)" : "Refusal by alpha (CAA)",
                         is_cna ? "cna sweep -m MODEL --circuit FILE --prompts FILE --run RUN.db"
                                : "cna sweep -m MODEL --caa mlp --alphas LIST --positive FILE --negative FILE "
                                  "--prompts FILE --run RUN.db");
        return;
    }
    cna_report_begin(report, is_cna ? "cna" : "caa",
                     is_cna ? "Scaling the circuit: refusal and quality by multiplier"
                            : "Adding vectors (CAA): refusal and quality by alpha");
    cna_report_say(report,
                   is_cna ? "Activations of the circuit's neurons are multiplied by m at the positions that the "
                            "configuration names; strength is 1 - m."
                          : "alpha times the vector of mean differences is added; alpha above 0 pushes toward the "
                            "positive prompts' behaviour, below 0 away from it. A rate of refusal that falls where "
                            "the incoherent share rises is collapse, not suppression.");
    cna_report_say(report, measures_words);
    put_thresholds(report, method);
    cna_report_plot_curves(report, method);
    cna_table table;
    cna_table_begin(&table, is_cna ? "cna" : "caa", is_cna ? cna_columns : caa_columns, report->err);
    fill_curves(report, &table, method);
    cna_report_put(report, &table);
    cna_report_end(report);
}

static void put_control_section(cna_report *report)
{
    cna_table table;
    cna_table_begin(&table, "controls", control_columns, report->err);
    fill_controls(report, &table);
    if (cna_report_drop_empty(report, &table)) {
        cna_report_lacks(report, "Random controls", "cna sweep ... --controls 20 --run RUN.db");
        return;
    }
    cna_report_begin(report, "controls", "Would any neurons do?");
    cna_report_say(report,
                   "Random circuits with as many neurons in each layer, none of them the circuit's or universal, "
                   "scaled in its place. Uniform: drawn evenly from the layer. Matched: from the same decile of how "
                   "strongly neurons write. Mean, least and most are refusal rates over the seeds; p is (1 + "
                   "controls that move refusal at least as far as the circuit) / (1 + controls), so it cannot be "
                   "below 1 / (1 + seeds).");
    cna_report_put(report, &table);
    cna_report_end(report);
}

void cna_report_sweeps(cna_report *report)
{
    put_method(report, CNA_METHOD_CNA);
    put_control_section(report);
    put_k_sweep(report);
    put_method(report, CNA_METHOD_CAA);
}
