/* SPDX-License-Identifier: MIT
 * How large the overlap of two random sets is (docs/METHOD.md section 11). Plain functions of numbers. */
#ifndef CNA_METHOD_OVERLAP_H
#define CNA_METHOD_OVERLAP_H

#include "base/memory.h"

/* n things, of which one set holds n_a and another n_b, each drawn at random without replacement. */
typedef struct cna_overlap_group {
    size_t n, n_a, n_b;
} cna_overlap_group;

/* The overlap X = sum of X_g over independent groups g, each hypergeometric:
 *
 *   P(X_g = x) = C(n_a, x) C(n - n_a, n_b - x) / C(n, n_b),   E X_g = n_a n_b / n
 *   *expected  = sum over g of n_a n_b / n
 *   *p         = P(X >= n_common)
 *
 *   groups  [n_groups]; a group of no things adds nothing
 *
 * Numerics: terms by their ratios from the likeliest one, groups put together by convolution; only positive numbers
 *           are added, so that small tails keep their digits (relative error under 1e-10). Below 1e-300 p becomes 0.
 * Errors:   ERR_ARG for a set larger than its group; ERR_MEMORY.
 * Source:   one group: Johnson, Kemp and Kotz, Univariate discrete distributions, section 6.1; the same value as
 *           scipy.stats.hypergeom(n, n_a, n_b).sf(n_common - 1). */
CNA_MUST_CHECK cna_status cna_overlap_by_chance(const cna_overlap_group *groups, size_t n_groups, size_t n_common,
                                                double *expected, double *p, cna_error *err);

#endif
