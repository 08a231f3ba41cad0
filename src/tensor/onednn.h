/* SPDX-License-Identifier: MIT
 * The calls to oneDNN 2.x, wrapped: one product, one reorder. Used by linear.c and by nothing else. */
#ifndef CNA_TENSOR_ONEDNN_H
#define CNA_TENSOR_ONEDNN_H

#include "base/memory.h"

/* y [n_rows, n_out] f32 = x [n_rows, n_in] times the transpose of W [n_out, n_in]. */
typedef struct cna_product {
    size_t n_rows, n_in, n_out;
    bool bf16;       /* x and W are bf16, else f32 */
    bool packed;     /* W is in oneDNN's layout for this (n_in, n_out, dtype), else row-major */
    size_t y_stride; /* values from one row of y to the next; 0: n_out */
} cna_product;

typedef struct cna_onednn_primitive cna_onednn_primitive;

/* Whether an f32 or bf16 product of an ordinary shape is served by a `brg` kernel here. */
bool cna_onednn_is_brg(bool bf16);

/* "oneDNN" and the version that the program runs with. */
void cna_onednn_version(char *out, size_t n_out);

/* Name of the kernel that oneDNN chooses for a product. */
CNA_MUST_CHECK cna_status cna_onednn_kernel(const cna_product *product, char *out, size_t n_out, cna_error *err);

/* Bytes of W in oneDNN's layout, which depends on n_in, n_out and the dtype and not on the number of rows or
 * threads. */
CNA_MUST_CHECK cna_status cna_onednn_packed_bytes(size_t n_in, size_t n_out, bool bf16, size_t *out, cna_error *err);
/* Whether W in oneDNN's layout lies in panels of n_panel rows of W, one behind the other, each [n_in rounded up to 32,
 * / 2][n_panel][2]: pairs of neighbours within a row side by side. False where that is not known. */
bool cna_onednn_is_in_panels(size_t n_in, size_t n_out, bool bf16, size_t n_panel);
/* Copy rows [first, first + n_rows) of W [n_out, n_in] to their place in that layout.
 *   first   a multiple of CNA_ONEDNN_PACK_ROWS, as n_rows is too unless these are the last rows
 *   weight  [n_rows, n_in] row-major */
enum { CNA_ONEDNN_PACK_ROWS = 64 }; /* the widest block of oneDNN's layouts, and a multiple of all others */
CNA_MUST_CHECK cna_status cna_onednn_pack(size_t n_in, size_t n_out, bool bf16, size_t first, size_t n_rows,
                                          const void *weight, void *packed, cna_error *err);

/* Compile a product for omp_get_max_threads() threads; freed by cna_onednn_primitive_free. May be executed by several
 * threads at once, each with scratch memory of its own of cna_onednn_primitive_scratch_bytes bytes. */
CNA_MUST_CHECK cna_status cna_onednn_primitive_create(const cna_product *product, cna_onednn_primitive **out,
                                                      cna_error *err);
void cna_onednn_primitive_free(cna_onednn_primitive *primitive);
size_t cna_onednn_primitive_scratch_bytes(const cna_onednn_primitive *primitive);
CNA_MUST_CHECK cna_status cna_onednn_primitive_execute(const cna_onednn_primitive *primitive, const void *x,
                                                       const void *weight, float *y, void *scratch, cna_error *err);

#endif
