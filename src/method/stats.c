/* SPDX-License-Identifier: MIT
 * Statistics. */
#include "method/stats.h"

#include <math.h>
#include <stdlib.h>

void cna_stats_score_interval(double mean, size_t n, double *low, double *high)
{
    const double z = 1.959964;
    double total = (double)n;
    double middle = mean + z * z / (2 * total);
    double half = z * sqrt(mean * (1 - mean) / total + z * z / (4 * total * total));
    double scale = 1 + z * z / total;
    *low = n == 0 ? NAN : mean <= 0 ? 0 : fmax(0, (middle - half) / scale);
    *high = n == 0 ? NAN : mean >= 1 ? 1 : fmin(1, (middle + half) / scale);
}

cna_rate cna_stats_wilson(size_t count, size_t n)
{
    cna_rate rate = {.count = count, .n = n, .rate = n == 0 ? NAN : (double)count / (double)n};
    cna_stats_score_interval(rate.rate, n, &rate.low, &rate.high);
    return rate;
}

double cna_stats_mcnemar(size_t b, size_t c)
{
    if (b == c) return 1;
    size_t n = b + c;
    size_t k = b < c ? b : c;
    /* The greatest term, C(n, k) / 2^n, as mantissa * 2^exponent: neither the coefficient nor 2^-n fits a
     * double. A product rounds once a factor, where sums of logarithms of this size would lose more. */
    double mantissa = 1;
    long exponent = -(long)n;
    for (size_t i = 1; i <= k; i++) {
        int shift;
        mantissa = frexp(mantissa * (double)(n - k + i) / (double)i, &shift);
        exponent += shift;
    }
    /* The terms below it, each from the one above: C(n, i-1) = C(n, i) * i / (n - i + 1). */
    double term = 1;
    double sum = 1;
    for (size_t i = k; i >= 1; i--) {
        term *= (double)i / (double)(n - i + 1);
        sum += term;
    }
    if (exponent < -2000) return 0;
    return fmin(1, ldexp(2 * mantissa * sum, (int)exponent));
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

double cna_stats_percentile(double *values, size_t n, double p)
{
    if (n == 0) return NAN;
    qsort(values, n, sizeof *values, compare_doubles);
    size_t at = (size_t)((double)(n - 1) * (p / 100));
    return values[at < n ? at : n - 1];
}

double cna_stats_control_p(const double *controls, size_t n, double base, double observed)
{
    const double rounding = 1e-9; /* far under 1/n of any run, far over what two subtractions of rates lose */
    size_t n_extreme = 0;
    for (size_t i = 0; i < n; i++) n_extreme += fabs(controls[i] - base) >= fabs(observed - base) - rounding;
    return (double)(1 + n_extreme) / (double)(n + 1);
}

double cna_stats_kappa(const size_t *table, size_t n_labels)
{
    /* Whole numbers as far as they go, so that full agreement is exactly 1. */
    double n = 0, same = 0, expected = 0;
    for (size_t i = 0; i < n_labels; i++) {
        double row = 0, column = 0;
        for (size_t j = 0; j < n_labels; j++) {
            row += (double)table[i * n_labels + j];
            column += (double)table[j * n_labels + i];
        }
        n += row;
        same += (double)table[i * n_labels + i];
        expected += row * column;
    }
    if (expected == n * n) return NAN;
    return (same * n - expected) / (n * n - expected);
}

cna_stats_range cna_stats_range_of(const double *values, size_t n)
{
    cna_stats_range range = {0, values[0], values[0]};
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += values[i];
        range.min = fmin(range.min, values[i]);
        range.max = fmax(range.max, values[i]);
    }
    range.mean = sum / (double)n;
    return range;
}
