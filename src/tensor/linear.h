/* SPDX-License-Identifier: MIT
 * y = x W^T over oneDNN: the only file pair that knows the library.
 *
 * Why the bits do not depend on the batch. Where oneDNN serves a shape with one of its `brg` kernels, a row of y is
 * the same for any number of rows, any row position and any number of threads, and whether W is prepacked or not;
 * those take the batch as it comes. Its other kernels do not promise that, so there the product runs in tiles of
 * constant size: 24 rows (zero-padded) by a fixed number of columns, each tile by one thread. Both facts are
 * measured, not documented by the library; tests/test_linear.c holds them on the machine at hand. */
#ifndef CNA_TENSOR_LINEAR_H
#define CNA_TENSOR_LINEAR_H

#include "base/memory.h"
#include "tensor/dtype.h"

/* What x is converted to before a product. */
typedef enum cna_input {
    CNA_INPUT_F32,          /* as it is */
    CNA_INPUT_BF16,         /* rounded to bf16 and stored as bf16: oneDNN multiplies bf16 natively */
    CNA_INPUT_BF16_WIDENED, /* rounded to bf16 and widened again: the f32 product of the same numbers */
} cna_input;

/* Bytes of one value of an input. */
size_t cna_input_bytes(cna_input input);

/* out = x[0..n-1] converted; out holds n * cna_input_bytes values. */
void cna_input_convert(cna_input input, const float *x, size_t n, void *out);

/* The input that a compute type means on this machine: for bf16, native where oneDNN has a `brg` kernel for it. */
cna_input cna_input_for(cna_dtype compute);

/* One weight matrix ready for products. Immutable once made. */
typedef struct cna_linear cna_linear;

/* Where W is kept. The products have the same bits each way. A kernel can read W in place where W is stored as the
 * input's type, rows in order, at an address that is a multiple of its size; tiles can read it in any case, as they
 * convert their columns. What is stored otherwise, quantised or not, is unpacked on the way to a copy: widened to f32,
 * and for inputs of bf16 rounded to it. */
typedef enum cna_linear_keep {
    CNA_LINEAR_IN_PLACE, /* in place where it can be read there, else copied */
    CNA_LINEAR_PACKED,   /* copied into the layout that oneDNN likes best, or for tiles into f32 */
    CNA_LINEAR_STAGED,   /* in place where it can be read there, else nowhere: cna_linear_stage makes copies.
                          * (Converting some columns at a time does not give the same bits: what a `brg` kernel does
                          * with one row depends on their number) */
} cna_linear_keep;

/* Prepare W.
 *   weight  [n_out, n_in], borrowed for the life of the linear where it is not copied
 * Errors: ERR_MEMORY, ERR_INTERNAL. */
CNA_MUST_CHECK cna_status cna_linear_create(const cna_matrix_view *weight, cna_input input, cna_linear_keep keep,
                                            cna_linear **out, cna_error *err);
/* Bytes of W that cna_linear_create would copy, or for staged weights cna_linear_stage. */
CNA_MUST_CHECK cna_status cna_linear_bytes(const cna_matrix_view *weight, cna_input input, cna_linear_keep keep,
                                           size_t *out, cna_error *err);
void cna_linear_free(cna_linear *linear);
/* Bytes of W that the linear itself holds; 0 where it is used in place. */
size_t cna_linear_packed_bytes(const cna_linear *linear);
/* W as it was given. */
const cna_matrix_view *cna_linear_source(const cna_linear *linear);

/* Bytes of memory that cna_linear_stage needs: 0 unless W is staged and cannot be read in place. */
size_t cna_linear_stage_bytes(const cna_linear *linear);
/* A linear to be given weights by cna_linear_stage. */
CNA_MUST_CHECK cna_status cna_linear_create_stage(cna_linear **out, cna_error *err);
/* Make stage the product that `linear` describes: copy W, converted to the input's type, to memory, which it borrows.
 * Memory and stage may be used again for another linear. Runs on omp_get_max_threads() threads. */
void cna_linear_stage(const cna_linear *linear, void *memory, cna_linear *stage);
/* See whether single rows can be multiplied with W where it is given (one_row_quant.h), and have stage do so if all
 * bits are those of the product with its copy: quantised weights in bf16.
 *   stage  given its copy by cna_linear_stage
 * Holds cna_linear_compare_bytes beside what the library asks for. Errors: ERR_MEMORY, ERR_INTERNAL. */
CNA_MUST_CHECK cna_status cna_linear_compare(cna_linear *stage, cna_error *err);
size_t cna_linear_compare_bytes(const cna_linear *linear);
/* Make stage the product of single rows only, from where W is given, without a copy: allowed where a stage of this
 * linear has_one_row. */
void cna_linear_stage_one_row(const cna_linear *linear, cna_linear *stage);
/* The kernel that serves it, for example "brg:avx512_core_bf16" or "gemm:jit, tiles of 24 rows". */
const char *cna_linear_kernel(const cna_linear *linear);
/* Whether products of a single row are one_row.h's or one_row_quant.h's: of packed bf16 weights of 1 MB and more, or
 * of quantised ones, where all bits were seen to be equal. */
bool cna_linear_has_one_row(const cna_linear *linear);
/* Name and version of the library that does the products, for example "oneDNN 2.6.3". */
void cna_linear_library(char *out, size_t n_out);

/* Compiled products and scratch memory of one caller. Not for several threads at once. */
typedef struct cna_linear_context cna_linear_context;
CNA_MUST_CHECK cna_status cna_linear_context_create(cna_linear_context **out, cna_error *err);
void cna_linear_context_free(cna_linear_context *context);
/* Time that cna_linear_apply has taken over this context so far, and the operations it did (2 n_rows n_in n_out). */
void cna_linear_context_used(const cna_linear_context *context, double *seconds, double *flops);

/* y[t, j] = sum_i x[t, i] W[j, i].
 *   x  [n_rows, n_in] of the linear's input type
 *   y  [n_rows, n_out] f32, overwritten; must not overlap x
 * Numerics: f32 accumulation in an order fixed by the shape of W. Runs on omp_get_max_threads() threads. */
CNA_MUST_CHECK cna_status cna_linear_apply(const cna_linear *linear, cna_linear_context *context, const void *x,
                                           size_t n_rows, float *y, cna_error *err);

#endif
