/* SPDX-License-Identifier: MIT
 * How far circuits depend on their prompts, and what shuffled labels would give. */
#include <math.h>

#include "method/circuit.h"
#include "study/report_page.h"

static const cna_column stability_columns[] = {
    {"circuit", "circuit", CNA_CELL_TEXT, 0, true, false},
    {"k", "neurons", CNA_CELL_COUNT, 0, false, false},
    {"mean", "mean Jaccard", CNA_CELL_REAL, 3, false, false},
    {"min", "least", CNA_CELL_REAL, 3, false, false},
    {"p5", "5 %", CNA_CELL_REAL, 3, false, false},
    {"p25", "25 %", CNA_CELL_REAL, 3, false, false},
    {"p50", "median", CNA_CELL_REAL, 3, false, false},
    {"p75", "75 %", CNA_CELL_REAL, 3, false, false},
    {"p95", "95 %", CNA_CELL_REAL, 3, false, false},
    {"max", "most", CNA_CELL_REAL, 3, false, false},
    {"halvings", "halvings", CNA_CELL_COUNT, 0, false, false},
    {0},
};

static const cna_column chance_columns[] = {
    {"circuit", "circuit", CNA_CELL_TEXT, 0, true, false},
    {"score", "score", CNA_CELL_TEXT, 0, false, false},
    {"level", "level by chance", CNA_CELL_REAL, 4, false, false},
    {"largest", "largest", CNA_CELL_REAL, 4, false, false},
    {"above", "neurons above", CNA_CELL_COUNT, 0, false, false},
    {"circuit_above", "of the circuit", CNA_CELL_COUNT, 0, false, false},
    {"candidates", "candidates", CNA_CELL_COUNT, 0, false, false},
    {"shuffles", "shuffles", CNA_CELL_COUNT, 0, false, false},
    {0},
};

/* Of circuit i; all-zero where its file has none. */
static cna_circuit_statistics statistics_of(const cna_report *report, size_t i)
{
    const cna_circuit_statistics *s = cna_circuit_get_statistics(report->circuits[i].held->circuit);
    return s == NULL ? (cna_circuit_statistics){0} : *s;
}

static void put_stability(cna_report *report)
{
    cna_table table;
    cna_table_begin(&table, "stability", stability_columns, report->err);
    for (size_t i = 0; i < report->n_circuits; i++) {
        const cna_circuit_statistics s = statistics_of(report, i);
        for (size_t j = 0; j < s.n_points; j++) {
            const cna_stability_point *p = &s.points[j];
            const double numbers[] = {(double)p->k, p->mean, p->min, p->p5, p->p25, p->p50, p->p75, p->p95, p->max,
                                      (double)s.n_halvings};
            cna_table_text(&table, report->circuits[i].name);
            for (size_t c = 0; c < sizeof numbers / sizeof *numbers; c++) cna_table_number(&table, numbers[c]);
        }
    }
    cna_report_put(report, &table);
}

static void put_chance(cna_report *report)
{
    cna_table table;
    cna_table_begin(&table, "chance", chance_columns, report->err);
    for (size_t i = 0; i < report->n_circuits; i++) {
        const cna_circuit_statistics s = statistics_of(report, i);
        for (int score = CNA_SCORE_DELTA; s.n_shuffles != 0 && score <= CNA_SCORE_WRITE; score++) {
            const cna_chance_level *c = &s.chance[score];
            cna_table_text(&table, report->circuits[i].name);
            cna_table_text(&table, cna_score_names[score]);
            cna_table_number(&table, c->level);
            cna_table_number(&table, c->largest);
            cna_table_number(&table, (double)c->n_above);
            cna_table_number(&table, (double)c->n_circuit_above);
            cna_table_number(&table, (double)s.n_candidates);
            cna_table_number(&table, (double)s.n_shuffles);
        }
    }
    cna_report_put(report, &table);
}

/* One circuit's line; false where it has none. */
static bool fill_series(cna_report *report, size_t i, int style, cna_plot_series *out)
{
    const cna_circuit_statistics s = statistics_of(report, i);
    double *values = cna_report_alloc(report, 4 * CNA_STABILITY_POINTS_MAX, sizeof *values);
    if (values == NULL || s.n_points == 0) return false;
    double *x = values, *y = x + s.n_points, *low = y + s.n_points, *high = low + s.n_points;
    for (size_t j = 0; j < s.n_points; j++) {
        x[j] = (double)s.points[j].k;
        y[j] = s.points[j].mean;
        low[j] = s.points[j].p5;
        high[j] = s.points[j].p95;
    }
    *out = (cna_plot_series){.label = report->circuits[i].name, .kind = CNA_PLOT_LINE, .style = style,
                             .n = s.n_points, .x = x, .y = y, .low = low, .high = high};
    return true;
}

static void plot_stability(cna_report *report)
{
    cna_plot_series series[CNA_PLOT_N_STYLES];
    size_t n = 0;
    for (size_t i = 0; i < report->n_circuits && n < CNA_PLOT_N_STYLES; i++) {
        if (fill_series(report, i, (int)n, &series[n])) n++;
    }
    if (n == 0 || report->status != CNA_OK) return;
    const cna_plot plot = {
        .title = "Stability of circuits",
        .description = "Mean Jaccard of the circuits of two random halves of the prompts, with the middle 90 % of the "
                       "halvings, against the number of neurons.",
        .x_label = "neurons of each half's circuit, k (logarithmic)",
        .y_label = "Jaccard of two halves",
        .log_x = true,
        .whole_range = true,
        .percent_y = true,
        .x_reference = NAN,
        .y_reference = NAN,
        .series = series,
        .n_series = n,
    };
    cna_report_open_figures(report);
    cna_report_lines(report, "stability", &plot);
    cna_report_close_figures(report);
}

void cna_report_statistics(cna_report *report)
{
    bool any = false;
    for (size_t i = 0; i < report->n_circuits; i++) {
        const cna_circuit_statistics s = statistics_of(report, i);
        any = any || s.n_halvings != 0 || s.n_shuffles != 0;
    }
    if (!any) {
        cna_report_lacks(report, "Stability of circuits and chance levels of their scores",
                         "cna attribute --stability --chance ..., or cna study without --no-statistics");
        return;
    }
    cna_report_heading(report, "Would other prompts have given the same neurons?");
    cna_report_say(report,
                   "Stability: the prompts are halved at random, each half gives a circuit, and the two are compared "
                   "(Jaccard: neurons in both / in either). Halves have half the prompts, so the whole circuit is "
                   "likelier more stable than this than less. Chance level: the size that the largest score passes in "
                   "5 % of random shuffles of the labels; scores below it may come from any labels.");
    plot_stability(report);
    put_stability(report);
    put_chance(report);
}
