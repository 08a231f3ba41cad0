/* SPDX-License-Identifier: MIT
 * The statistics that results carry (METHOD section 8). Plain functions of numbers. */
#ifndef CNA_METHOD_STATS_H
#define CNA_METHOD_STATS_H

#include "base/memory.h"
#include "cna_study.h"

/* count / n with its Wilson score interval at 95 %:
 *
 *   (p + z^2/2n -+ z sqrt(p (1-p) / n + z^2 / 4n^2)) / (1 + z^2/n),  p = count/n, z = 1.959964
 *
 * No continuity correction. Clipped to 0..1; exactly 0 at count 0 and 1 at count n. NaN where n is 0.
 * Source: Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927). */
cna_rate cna_stats_wilson(size_t count, size_t n);

/* The same interval around the mean of n scores between 0 and 1, p = mean. Scores of mean m vary by at most m (1 - m),
 * which is what 0 and 1 alone would do (Bhatia and Davis, A better bound on the variance, 2000); so for any others the
 * interval is wider than it need be, and it is never empty. NaN where n is 0. */
void cna_stats_score_interval(double mean, size_t n, double *low, double *high);

/* McNemar's exact test: the two-sided binomial probability, at 1/2, of b and c discordant pairs,
 *
 *   min(1, 2 * sum over i = 0..min(b,c) of C(b+c, i) / 2^(b+c))
 *
 * 1 where there are none. Relative error under 1e-12 for up to 4,000 pairs; below 1e-308 it becomes 0.
 * Source: McNemar, Psychometrika 12 (1947); the same value as scipy.stats.binomtest(min(b, c), b + c).pvalue. */
double cna_stats_mcnemar(size_t b, size_t c);

/* The percentile p (0..100) of n values: the lower order statistic, sorted[floor((n - 1) * p / 100)], as numpy's
 * method="lower". A value of the set, so that p = 1 of a hundred values or fewer is the least and none lies under it.
 *   values  [n], sorted here in place; no NaN
 * NaN where n is 0. */
double cna_stats_percentile(double *values, size_t n, double p);

/* p of a permutation-like test on rates: (1 + controls with |control - base| >= |observed - base|) / (n + 1).
 * Differences that are equal to within 1e-9 count as equal, so that rounding cannot tell 3/6 - 2/6 from 4/6 - 3/6.
 * Source: Phipson and Smyth, Permutation p-values should never be zero (2010). */
double cna_stats_control_p(const double *controls, size_t n, double base, double observed);

/* Cohen's kappa of two raters who gave each of n cases one of n_labels labels:
 *
 *   (p_o - p_e) / (1 - p_e),  p_o = share of cases with the same label,
 *   p_e = sum over labels of (share of the first rater) * (share of the second)
 *
 * 1 is full agreement, 0 what chance would give, below 0 less than that.
 *   table  [n_labels, n_labels], row-major: cases that the first rater gave the row's label, the second the column's
 * NaN where there is no case, or where both gave all cases one and the same label.
 * Source: Cohen, A coefficient of agreement for nominal scales (1960); statsmodels' cohens_kappa. */
double cna_stats_kappa(const size_t *table, size_t n_labels);

/* Mean, least and greatest of n >= 1 values, the sum in their order. */
typedef struct cna_stats_range {
    double mean, min, max;
} cna_stats_range;
cna_stats_range cna_stats_range_of(const double *values, size_t n);

#endif
