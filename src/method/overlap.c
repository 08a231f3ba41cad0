/* SPDX-License-Identifier: MIT
 * Overlaps of random sets. */
#include "method/overlap.h"

#include <math.h>

/* P(X = first + i) in terms[i], i < n; the probability of anything else is 0. */
typedef struct distribution {
    double *terms; /* [n] */
    size_t first, n;
} distribution;

static size_t least_overlap(const cna_overlap_group *g)
{
    return g->n_a > g->n - g->n_b ? g->n_a - (g->n - g->n_b) : 0;
}

static size_t greatest_overlap(const cna_overlap_group *g)
{
    return g->n_a < g->n_b ? g->n_a : g->n_b;
}

/* P(X = x + 1) / P(X = x). */
static double ratio(const cna_overlap_group *g, size_t x)
{
    double others = (double)(g->n - g->n_a) - (double)g->n_b + (double)x;
    return (double)(g->n_a - x) * (double)(g->n_b - x) / ((double)(x + 1) * (others + 1));
}

/* Leave out terms at either end that are too small to be numbers. */
static void trim(distribution *d)
{
    size_t skip = 0;
    while (skip + 1 < d->n && d->terms[skip] == 0) skip++;
    while (d->n > skip + 1 && d->terms[d->n - 1] == 0) d->n--;
    d->first += skip;
    d->n -= skip;
    for (size_t i = 0; skip != 0 && i < d->n; i++) d->terms[i] = d->terms[i + skip];
}

static cna_status of_group(const cna_overlap_group *g, distribution *out, cna_error *err)
{
    size_t first = least_overlap(g), last = greatest_overlap(g);
    *out = (distribution){.first = first, .n = last - first + 1};
    CNA_TRY(cna_alloc(&out->terms, out->n, sizeof *out->terms, "chance of an overlap", err));
    size_t likeliest = (size_t)(((double)g->n_a + 1) * ((double)g->n_b + 1) / ((double)g->n + 2));
    if (likeliest < first) likeliest = first;
    if (likeliest > last) likeliest = last;
    double sum = 1;
    out->terms[likeliest - first] = 1;
    for (size_t x = likeliest; x < last; x++)
        sum += out->terms[x + 1 - first] = out->terms[x - first] * ratio(g, x);
    for (size_t x = likeliest; x > first; x--)
        sum += out->terms[x - 1 - first] = out->terms[x - first] / ratio(g, x - 1);
    for (size_t i = 0; i < out->n; i++) out->terms[i] /= sum;
    trim(out);
    return CNA_OK;
}

/* sum = distribution of the sum of both; sum's own terms are replaced. */
static cna_status convolve(distribution *sum, const distribution *other, cna_error *err)
{
    distribution both = {.first = sum->first + other->first, .n = sum->n + other->n - 1};
    CNA_TRY(cna_alloc(&both.terms, both.n, sizeof *both.terms, "chance of an overlap", err));
    for (size_t i = 0; i < other->n; i++) {
        for (size_t j = 0; j < sum->n; j++) both.terms[i + j] += other->terms[i] * sum->terms[j];
    }
    trim(&both);
    cna_free(sum->terms);
    *sum = both;
    return CNA_OK;
}

static double tail(const distribution *d, size_t n_common)
{
    double p = 0;
    if (n_common <= d->first) return 1;
    for (size_t i = d->n; i > 0 && d->first + i > n_common; i--) p += d->terms[i - 1];
    return fmin(1, p);
}

cna_status cna_overlap_by_chance(const cna_overlap_group *groups, size_t n_groups, size_t n_common, double *expected,
                                 double *p, cna_error *err)
{
    distribution sum = {.n = 1}, one = {0};
    double mean = 0;
    cna_status status;
    CNA_TRY(cna_alloc(&sum.terms, 1, sizeof *sum.terms, "chance of an overlap", err));
    sum.terms[0] = 1;
    for (size_t i = 0; i < n_groups; i++) {
        const cna_overlap_group *g = &groups[i];
        if (g->n_a > g->n || g->n_b > g->n) {
            status = cna_fail(err, CNA_ERR_ARG, "chance of an overlap: expected sets of at most %zu, found %zu and %zu",
                              g->n, g->n_a, g->n_b);
            goto cleanup;
        }
        if (g->n_a == 0 || g->n_b == 0) continue;
        mean += (double)g->n_a * (double)g->n_b / (double)g->n;
        CNA_TRY_CLEANUP(of_group(g, &one, err));
        CNA_TRY_CLEANUP(convolve(&sum, &one, err));
        cna_free(one.terms);
        one.terms = NULL;
    }
    status = CNA_OK;
    *expected = mean;
    *p = tail(&sum, n_common);
cleanup:
    cna_free(one.terms);
    cna_free(sum.terms);
    return status;
}
