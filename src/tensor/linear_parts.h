/* SPDX-License-Identifier: MIT
 * Between linear.c, which keeps W as products need it, and linear_apply.c, which multiplies. */
#ifndef CNA_TENSOR_LINEAR_PARTS_H
#define CNA_TENSOR_LINEAR_PARTS_H

#include "tensor/linear.h"

/* Of a constant tile. 12, 24, 48 and 96 rows gave position-independent rows; 8, 16, 32 and 64 did not. */
enum { CNA_LINEAR_TILE_ROWS = 24 };

/* Products of a single row beside the library's: with packed weights, or with W where it is given. */
typedef enum cna_one_row { CNA_ONE_ROW_NONE, CNA_ONE_ROW_PACKED, CNA_ONE_ROW_SOURCE } cna_one_row;

struct cna_linear {
    size_t n_in, n_out;
    cna_input input;
    bool tiled;                     /* constant tiles, because the kernel is not a brg one */
    bool blocked;                   /* packed is in oneDNN's own layout */
    bool readable;                  /* the kernel can read W where the caller has it */
    cna_one_row one_row;            /* which product of a single row was seen to have the kernel's bits */
    cna_matrix_view source;         /* W as given */
    const void *weight;             /* what the products read, packed or the caller's memory; NULL: tiles convert
                                     * source, other products wait for cna_linear_stage */
    void *packed;                   /* ? owned */
    size_t packed_bytes;
    char kernel[96];
};

/* Rows [first, first + n) of W in the input's type. */
void cna_linear_convert_rows(const cna_linear *linear, size_t first, size_t n, void *out);

/* The product of a single row beside the library's. */
void cna_linear_one_row(const cna_linear *linear, cna_one_row which, const void *x, float *y);

#endif
