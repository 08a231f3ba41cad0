/* SPDX-License-Identifier: MIT
 * From a sweep's answers to its figures. */
#include "study/sweep_points.h"

#include <math.h>

#include "method/stats.h"

static bool holds(const double *values, size_t n, double value)
{
    for (size_t i = 0; i < n; i++) {
        if (values[i] == value) return true;
    }
    return false;
}

cna_status cna_sweep_multipliers(const double *given, size_t n, double **out, size_t *out_n, size_t *out_base,
                                 cna_error *err)
{
    static const double usual[] = {0, 0.25, 0.5, 0.75, 1, 1.5, 2};
    if (given == NULL) {
        given = usual;
        n = sizeof usual / sizeof *usual;
    }
    for (size_t i = 0; i < n; i++) {
        if (!isfinite((float)given[i])) {
            return cna_fail(err, CNA_ERR_ARG, "multipliers: expected finite numbers, found %g", given[i]);
        }
    }
    double *values;
    CNA_TRY(cna_alloc(&values, n + 1, sizeof *values, "multipliers", err));
    bool with_base = holds(given, n, 1);
    size_t n_out = 0;
    for (size_t i = 0; i < n; i++) {
        if (!with_base && given[i] > 1) {
            values[n_out++] = 1;
            with_base = true;
        }
        if (!holds(values, n_out, given[i])) values[n_out++] = given[i];
    }
    if (!with_base) values[n_out++] = 1;
    *out = values;
    *out_n = n_out;
    for (*out_base = 0; values[*out_base] != 1;) ++*out_base;
    return CNA_OK;
}

cna_status cna_sweep_min_logprob(const cna_sweep_answer *base, size_t n, double percentile, double *out,
                                 cna_error *err)
{
    double *values;
    CNA_TRY(cna_alloc(&values, n, sizeof *values, "log-probabilities", err));
    size_t n_values = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isnan(base[i].mean_logprob)) values[n_values++] = base[i].mean_logprob;
    }
    *out = n_values == 0 ? -INFINITY : cna_stats_percentile(values, n_values, percentile);
    cna_free(values);
    return CNA_OK;
}

/* Sums over a side's answers at one multiplier. */
typedef struct tally {
    size_t refused, refused_unseen, leaked, outcome[3], n_short, n_changed, b, c;
    double quality, tokens;
} tally;

static tally count(const cna_sweep_answer *answers, const cna_sweep_answer *base, const bool *changed,
                   size_t n)
{
    tally sum = {0};
    for (size_t i = 0; i < n; i++) {
        const cna_sweep_answer *answer = &answers[i];
        sum.refused += answer->refused;
        sum.refused_unseen += answer->refused && !answer->leaked;
        sum.leaked += answer->leaked;
        sum.outcome[answer->outcome]++;
        sum.n_short += answer->n_words < 4;
        sum.n_changed += changed[i];
        sum.b += base[i].refused && !answer->refused;
        sum.c += !base[i].refused && answer->refused;
        sum.quality += answer->quality;
        sum.tokens += (double)answer->n_tokens;
    }
    return sum;
}

void cna_sweep_point_fill(const cna_sweep_answer *answers, const cna_sweep_answer *base, const bool *changed,
                          size_t n, cna_sweep_point *out)
{
    tally sum = count(answers, base, changed, n);
    *out = (cna_sweep_point){
        .side = answers[0].side,
        .multiplier = answers[0].multiplier,
        .refused = cna_stats_wilson(sum.refused, n),
        .refused_unseen = cna_stats_wilson(sum.refused_unseen, n - sum.leaked),
        .n_leaked = sum.leaked,
        .quality = sum.quality / (double)n,
        .n_short = sum.n_short,
        .mean_tokens = sum.tokens / (double)n,
        .n_changed = sum.n_changed,
        .mcnemar_b = sum.b,
        .mcnemar_c = sum.c,
        .mcnemar_p = cna_stats_mcnemar(sum.b, sum.c),
    };
    for (int i = 0; i < 3; i++) out->outcome[i] = cna_stats_wilson(sum.outcome[i], n);
}

void cna_sweep_point_control(cna_sweep_point *point, cna_control_kind kind, const double *rates,
                             size_t n_seeds, double base_rate)
{
    cna_stats_range range = cna_stats_range_of(rates, n_seeds);
    point->control[kind] = (cna_control_summary){
        .n_seeds = n_seeds,
        .mean = range.mean,
        .min = range.min,
        .max = range.max,
        .p = cna_stats_control_p(rates, n_seeds, base_rate, point->refused.rate),
        .rates = rates,
    };
}
