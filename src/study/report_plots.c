/* SPDX-License-Identifier: MIT
 * Figures of sweeps and of MMLU. */
#include <math.h>
#include <string.h>

#include "study/report_page.h"

enum { REFUSED = 0, INCOHERENT = 1, BENIGN = 2, MATCHED = 4, UNIFORM = 5 }; /* styles, the same in every figure */

/* A series under construction: as many points as a curve has. */
typedef struct values {
    double *x, *y, *low, *high;
    size_t n;
} values;

static values new_values(cna_report *report, size_t capacity)
{
    double *all = cna_report_alloc(report, 4 * capacity, sizeof *all);
    if (all == NULL) return (values){0};
    return (values){all, all + capacity, all + 2 * capacity, all + 3 * capacity, 0};
}

static void add_value(values *v, double x, double y, double low, double high)
{
    if (v->x == NULL) return;
    v->x[v->n] = x;
    v->y[v->n] = y;
    v->low[v->n] = low;
    v->high[v->n++] = high;
}

static void add_rate(values *v, double x, const cna_rate *rate)
{
    add_value(v, x, rate->rate, rate->low, rate->high);
}

static cna_plot_series series_of(const char *label, int style, const values *v, bool with_interval)
{
    return (cna_plot_series){
        .label = label,
        .style = style,
        .n = v->n,
        .x = v->x,
        .y = v->y,
        .low = with_interval ? v->low : NULL,
        .high = with_interval ? v->high : NULL,
    };
}

/* ---- refusal against multiplier or alpha ---- */

static bool add_controls(cna_report *report, const cna_report_curve *curve, cna_control_kind kind, cna_plot_series *out)
{
    static const char *const labels[] = {[CNA_CONTROL_UNIFORM] = "uniform random, least to most",
                                         [CNA_CONTROL_MATCHED] = "matched random, least to most"};
    values v = new_values(report, curve->n[CNA_SIDE_HARMFUL]);
    bool any = false;
    for (size_t i = 0; i < curve->n[CNA_SIDE_HARMFUL]; i++) {
        const cna_sweep_point *point = curve->points[CNA_SIDE_HARMFUL][i];
        const cna_control_summary *control = &point->control[kind];
        double x = cna_report_x(curve, point);
        if (control->n_seeds != 0) {
            add_value(&v, x, control->mean, control->min, control->max);
            any = true;
        } else if (point->condition->method == CNA_METHOD_NONE) {
            /* At m = 1 random neurons are untouched as well. */
            add_value(&v, x, point->refused.rate, point->refused.rate, point->refused.rate);
        }
    }
    *out = series_of(labels[kind], kind == CNA_CONTROL_MATCHED ? MATCHED : UNIFORM, &v, true);
    out->kind = CNA_PLOT_BAND;
    return any;
}

static values refused_of(cna_report *report, const cna_report_curve *curve, cna_side side)
{
    values v = new_values(report, curve->n[side]);
    for (size_t i = 0; i < curve->n[side]; i++) {
        add_rate(&v, cna_report_x(curve, curve->points[side][i]), &curve->points[side][i]->refused);
    }
    return v;
}

static values incoherent_of(cna_report *report, const cna_report_curve *curve)
{
    values v = new_values(report, curve->n[CNA_SIDE_HARMFUL]);
    for (size_t i = 0; i < curve->n[CNA_SIDE_HARMFUL]; i++) {
        const cna_sweep_point *point = curve->points[CNA_SIDE_HARMFUL][i];
        add_rate(&v, cna_report_x(curve, point), &point->outcome[CNA_OUTCOME_INCOHERENT]);
    }
    return v;
}

static const char *x_label(const cna_report_curve *curve)
{
    return curve->method == CNA_METHOD_CNA ? "multiplier m (1: untouched)" : "alpha (0: untouched)";
}

static void plot_refusal(cna_report *report, const cna_report_part *part, const cna_report_curve *curve)
{
    cna_plot_series series[5];
    size_t n = 0;
    values refused = refused_of(report, curve, CNA_SIDE_HARMFUL);
    values incoherent = incoherent_of(report, curve), benign = refused_of(report, curve, CNA_SIDE_BENIGN);
    series[n++] = series_of("refused", REFUSED, &refused, true);
    series[n++] = series_of("incoherent", INCOHERENT, &incoherent, false);
    if (benign.n != 0) series[n++] = series_of("refused, should be answered", BENIGN, &benign, true);
    if (add_controls(report, curve, CNA_CONTROL_MATCHED, &series[n])) n++;
    if (add_controls(report, curve, CNA_CONTROL_UNIFORM, &series[n])) n++;
    bool is_cna = curve->method == CNA_METHOD_CNA;
    const char *name = cna_report_part_name(report, part);
    const cna_plot plot = {
        .title = cna_report_print(report, "Refusal by %s, %s", is_cna ? "multiplier" : "alpha", name),
        .description =
            cna_report_print(report, "Share of answers refused and incoherent, with Wilson 95%% intervals: %s, %s.",
                             name, cna_report_curve_name(report, curve)),
        .x_label = x_label(curve),
        .y_label = "share of answers",
        .percent_y = true,
        .whole_range = true,
        .x_reference = is_cna ? 1 : 0,
        .y_reference = NAN,
        .series = series,
        .n_series = n,
    };
    cna_report_lines(
        report,
        cna_report_print(report, "refusal-%s-%zu", is_cna ? "cna" : "caa", cna_report_part_number(report, part)),
        &plot);
}

static void plot_quality(cna_report *report, const cna_report_part *part, const cna_report_curve *curve)
{
    static const char *const labels[] = {"should be refused", "should be answered"};
    cna_plot_series series[2];
    size_t n = 0;
    for (int side = 0; side < 2; side++) {
        values v = new_values(report, curve->n[side]);
        for (size_t i = 0; i < curve->n[side]; i++) {
            const cna_sweep_point *point = curve->points[side][i];
            add_value(&v, cna_report_x(curve, point), point->quality, NAN, NAN);
        }
        if (v.n != 0) series[n++] = series_of(labels[side], side == 0 ? REFUSED : BENIGN, &v, false);
    }
    bool is_cna = curve->method == CNA_METHOD_CNA;
    const char *name = cna_report_part_name(report, part);
    const cna_plot plot = {
        .title = cna_report_print(report, "Quality by %s, %s", is_cna ? "multiplier" : "alpha", name),
        .description = cna_report_print(report, "Mean share of distinct word 4-grams: %s, %s.", name,
                                        cna_report_curve_name(report, curve)),
        .x_label = x_label(curve),
        .y_label = "distinct word 4-grams, share",
        .whole_range = true,
        .x_reference = is_cna ? 1 : 0,
        .y_reference = part->rows.min_quality,
        .y_reference_label = "incoherent below",
        .series = series,
        .n_series = n,
    };
    cna_report_lines(
        report,
        cna_report_print(report, "quality-%s-%zu", is_cna ? "cna" : "caa", cna_report_part_number(report, part)),
        &plot);
}

void cna_report_plot_curves(cna_report *report, cna_method method)
{
    cna_report_open_figures(report);
    for (size_t i = 0; i < report->data->n_parts; i++) {
        const cna_report_part *part = &report->data->parts[i];
        const cna_report_curve *curve = cna_report_shown_curve(report->data, part, method);
        if (curve == NULL || curve->n[CNA_SIDE_HARMFUL] < 2) continue;
        plot_refusal(report, part, curve);
        plot_quality(report, part, curve);
    }
    cna_report_close_figures(report);
}

/* ---- refusal against the number of neurons ---- */

/* The cut curves of a part from the fewest neurons to the most; returns how many. */
static size_t sort_cuts(cna_report *report, const cna_report_part *part, const cna_report_curve ***out)
{
    const cna_report_curve **cuts = cna_report_alloc(report, part->n_curves, sizeof *cuts);
    size_t n = 0;
    for (size_t j = 0; cuts != NULL && j < part->n_curves; j++) {
        const cna_report_curve *curve = &part->curves[j];
        if (!curve->is_cut || curve->is_grid || curve->first->k == 0) continue;
        size_t at = n++;
        for (; at > 0 && cuts[at - 1]->first->k > curve->first->k; at--) cuts[at] = cuts[at - 1];
        cuts[at] = curve;
    }
    *out = cuts;
    return n;
}

static void plot_cuts(cna_report *report, const cna_report_part *part, const cna_report_curve *const *cuts, size_t n,
                      double multiplier)
{
    values refused = new_values(report, n), incoherent = new_values(report, n);
    for (size_t i = 0; i < n; i++) {
        const cna_sweep_point *point = cna_report_at(cuts[i], CNA_SIDE_HARMFUL, multiplier);
        if (point == NULL) continue;
        add_rate(&refused, (double)cuts[i]->first->k, &point->refused);
        add_rate(&incoherent, (double)cuts[i]->first->k, &point->outcome[CNA_OUTCOME_INCOHERENT]);
    }
    const cna_sweep_point *base = cna_report_untouched(part, CNA_SIDE_HARMFUL);
    const cna_plot_series series[] = {series_of("refused", REFUSED, &refused, true),
                                      series_of("incoherent", INCOHERENT, &incoherent, false)};
    const char *name = cna_report_part_name(report, part);
    const cna_plot plot = {
        .title = cna_report_print(report, "Refusal by number of neurons at m = %.4g, %s", multiplier, name),
        .description = "Share of answers refused, with Wilson 95% intervals, against the number of neurons scaled.",
        .x_label = "neurons scaled, k (logarithmic)",
        .y_label = "share of answers",
        .log_x = true,
        .percent_y = true,
        .whole_range = true,
        .x_reference = NAN,
        .y_reference = base == NULL ? NAN : base->refused.rate,
        .y_reference_label = "untouched",
        .series = series,
        .n_series = 2,
    };
    cna_report_lines(report, cna_report_print(report, "refusal-k-%zu", cna_report_part_number(report, part)), &plot);
}

void cna_report_plot_k(cna_report *report)
{
    cna_report_open_figures(report);
    for (size_t i = 0; i < report->data->n_parts; i++) {
        const cna_report_part *part = &report->data->parts[i];
        const cna_report_curve **cuts;
        size_t n = sort_cuts(report, part, &cuts);
        if (n < 2) continue;
        const cna_sweep_point *strongest = cna_report_extreme(cuts[n - 1], CNA_SIDE_HARMFUL, false);
        if (strongest == NULL) strongest = cna_report_extreme(cuts[n - 1], CNA_SIDE_HARMFUL, true);
        if (strongest != NULL) plot_cuts(report, part, cuts, n, strongest->condition->multiplier);
    }
    cna_report_close_figures(report);
}

/* ---- KL and perplexity ---- */

static void plot_effect(cna_report *report, const cna_report_part *part, const cna_report_curve *curve, bool is_kl)
{
    cna_side side = is_kl || curve->n[CNA_SIDE_HARMFUL] == 0 ? CNA_SIDE_BENIGN : CNA_SIDE_HARMFUL;
    values v = new_values(report, curve->n[side]);
    size_t n_known = 0;
    double least = INFINITY, most = -INFINITY;
    for (size_t i = 0; i < curve->n[side]; i++) {
        const cna_sweep_point *point = curve->points[side][i];
        double y = is_kl ? point->kl : point->perplexity;
        n_known += isfinite(y) ? 1 : 0;
        if (y < least) least = y;
        if (y > most) most = y;
        add_value(&v, cna_report_x(curve, point), y, NAN, NAN);
    }
    if (n_known < 2) return;
    bool is_log = !is_kl && least > 0 && most > 30 * least; /* collapsed text is improbable beyond any linear axis */
    const cna_plot_series series = series_of(is_kl ? "KL(untouched || changed)" : "perplexity", REFUSED, &v, false);
    bool is_cna = curve->method == CNA_METHOD_CNA;
    const char *name = cna_report_part_name(report, part), *method = is_cna ? "cna" : "caa";
    const cna_plot plot = {
        .title = cna_report_print(report, "%s by %s, %s", is_kl ? "First-token KL" : "Perplexity",
                                  is_cna ? "multiplier" : "alpha", name),
        .description = is_kl ? "KL divergence of the first token on prompts that should be answered."
                             : "Perplexity of the text file under each setting.",
        .x_label = x_label(curve),
        .y_label = is_kl    ? "KL, nats"
                   : is_log ? "perplexity (logarithmic)"
                            : "perplexity",
        .log_y = is_log,
        .from_zero = is_kl,
        .x_reference = is_cna ? 1 : 0,
        .y_reference = NAN,
        .series = &series,
        .n_series = 1,
    };
    cna_report_lines(report,
                     cna_report_print(report, "%s-%s-%zu", is_kl ? "kl" : "perplexity", method,
                                      cna_report_part_number(report, part)),
                     &plot);
}

void cna_report_plot_effects(cna_report *report)
{
    cna_report_open_figures(report);
    for (size_t i = 0; i < report->data->n_parts; i++) {
        const cna_report_part *part = &report->data->parts[i];
        for (cna_method method = CNA_METHOD_CNA; method <= CNA_METHOD_CAA; method++) {
            const cna_report_curve *curve = cna_report_shown_curve(report->data, part, method);
            if (curve == NULL) continue;
            plot_effect(report, part, curve, true);
            plot_effect(report, part, curve, false);
        }
    }
    cna_report_close_figures(report);
}

/* ---- MMLU ---- */

void cna_report_plot_mmlu(cna_report *report)
{
    cna_plot_series series[CNA_PLOT_N_STYLES];
    size_t n = 0;
    for (size_t i = 0; i < report->data->n_parts && n < CNA_PLOT_N_STYLES; i++) {
        const cna_report_part *part = &report->data->parts[i];
        values v = new_values(report, part->n_mmlu);
        for (size_t j = 0; j < part->n_mmlu; j++) {
            const cna_report_mmlu *point = &part->mmlu[j];
            if (strcmp(point->scope, "all") == 0) add_rate(&v, point->multiplier, &point->accuracy);
        }
        if (v.n < 2) continue;
        series[n] = series_of(cna_report_part_name(report, part), (int)n, &v, true);
        n++;
    }
    if (n == 0) return;
    const cna_plot plot = {
        .title = "MMLU by multiplier",
        .description = "Accuracy over all questions, with Wilson 95% intervals, against the circuit's multiplier.",
        .x_label = "multiplier m (1: untouched)",
        .y_label = "accuracy",
        .percent_y = true,
        .whole_range = true,
        .x_reference = 1,
        .y_reference = 0.25,
        .y_reference_label = "chance",
        .series = series,
        .n_series = n,
    };
    cna_report_open_figures(report);
    cna_report_lines(report, "mmlu", &plot);
    cna_report_close_figures(report);
}
