/* SPDX-License-Identifier: MIT
 * One row times quantised weights as they lie in the file, in the bits of the product with their bf16 copy.
 *
 * A step unpacks 32 values of 16 rows of W into registers, rounds them to bf16, turns them round so that a register
 * holds a pair of neighbours of each row, and adds their products: no unpacked value goes through memory. The sums are
 * one_row.h's, so what is said there of their order and of comparing it holds here too. */
#ifndef CNA_TENSOR_ONE_ROW_QUANT_H
#define CNA_TENSOR_ONE_ROW_QUANT_H

#include "tensor/dtype.h"

/* Whether this processor has what it takes. */
bool cna_one_row_quant_available(void);
/* Whether a product from that storage is used rather than one from a packed bf16 copy, where there is one
 * (docs/SPEED.md). Q6_K has a kernel of its own too but is slower than a copy; the others are unpacked by quant.h's
 * functions on the way. */
bool cna_one_row_quant_is_quick(cna_storage storage);

/* y[j] = sum_i x[i] bf16(W[j, i]), summed as cna_one_row_product does.
 *   weight  quantised
 *   x       [weight->cols] bf16
 *   y       [weight->rows] f32, overwritten
 * Runs on omp_get_max_threads() threads; they split rows of W, so the bits are the same for any number. */
void cna_one_row_quant_product(const uint16_t *x, const cna_matrix_view *weight, float *y);

#endif
