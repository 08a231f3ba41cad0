/* SPDX-License-Identifier: MIT
 * One row times packed bf16 weights at the speed of memory, in the bits of oneDNN's own product.
 *
 * oneDNN's one-row kernel takes in weights at two thirds of the rate at which the machine can read them. This one reads
 * the same packed weights ahead of their use. It adds in the order that oneDNN's bf16 kernel was found to add in, which
 * no document promises: linear.c compares the two on every matrix that it packs and uses this one only where all bits
 * are the same. */
#ifndef CNA_TENSOR_ONE_ROW_H
#define CNA_TENSOR_ONE_ROW_H

#include "base/memory.h"

/* Values of x between additions of partial sums: oneDNN's, as found (128 to 1,024 and beyond tried; below, one sum). */
static inline size_t cna_one_row_part(size_t n_in)
{
    return n_in > 512 && n_in <= 1024 ? 512 : 1024;
}

/* Columns of a panel: cna_onednn_is_in_panels says whether packed weights lie in such panels. */
enum { CNA_ONE_ROW_PANEL = 64 };

/* Whether this processor has what it takes. */
bool cna_one_row_available(void);

/* y[j] = sum_i x[i] W[j, i], each product of two neighbours in i and their sum by vdpbf16ps; partial sums over
 * cna_one_row_part values of i, added up in order.
 *   x       [n_in] bf16, n_in even
 *   panels  W in panels of CNA_ONE_ROW_PANEL rows of W, each [n_in rounded up to 32, / 2][64][2] bf16
 *   y       [n_out] f32, overwritten
 * Runs on omp_get_max_threads() threads; they split columns, so the bits are the same for any number. */
void cna_one_row_product(const uint16_t *x, size_t n_in, const uint16_t *panels, size_t n_out, float *y);

#endif
