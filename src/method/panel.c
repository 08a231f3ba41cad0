/* SPDX-License-Identifier: MIT
 * Sums over rows of a panel. Several rows at a time halve what is loaded and stored; each column's sum is in the order
 * of the rows all the same. */
#include "method/panel.h"

#include <string.h>

#include "tensor/clones.h"

enum { N = CNA_PANEL_COLUMNS };

CNA_CLONES static void add_four(const double *restrict a, const double *restrict b, const double *restrict c,
                                const double *restrict d, double *restrict sum)
{
    for (size_t i = 0; i < N; i++) sum[i] = (((sum[i] + a[i]) + b[i]) + c[i]) + d[i];
}

CNA_CLONES static void add_one(const double *restrict a, double *restrict sum)
{
    for (size_t i = 0; i < N; i++) sum[i] += a[i];
}

CNA_CLONES static void add_squares(const double *restrict a, const double *restrict mean, double *restrict sum)
{
    for (size_t i = 0; i < N; i++) {
        double distance = a[i] - mean[i];
        sum[i] += distance * distance;
    }
}

void cna_panel_sum(const double *values, const uint32_t *rows, size_t n_rows, double *sum)
{
    memset(sum, 0, N * sizeof *sum);
    size_t i = 0;
    for (; i + 4 <= n_rows; i += 4) {
        add_four(values + (size_t)rows[i] * N, values + (size_t)rows[i + 1] * N, values + (size_t)rows[i + 2] * N,
                 values + (size_t)rows[i + 3] * N, sum);
    }
    for (; i < n_rows; i++) add_one(values + (size_t)rows[i] * N, sum);
}

void cna_panel_squares(const double *values, const uint32_t *rows, size_t n_rows, const double *mean, double *sum)
{
    memset(sum, 0, N * sizeof *sum);
    for (size_t i = 0; i < n_rows; i++) add_squares(values + (size_t)rows[i] * N, mean, sum);
}
