/* SPDX-License-Identifier: MIT
 * Quantised blocks of GGUF files, unpacked to f32.
 *
 * A row is a run of blocks; a block is 32 or 256 small whole numbers q beside the scales that make them weights. With
 * d and m stored in f16, every sum and product in f32 and in the order written:
 *
 *   Q4_0, Q5_0, Q8_0   d q, q from -8, -16, -128
 *   Q4_1, Q5_1         d q + m
 *   IQ4_NL             d v[q], v a table of 16 whole numbers
 *   Q2_K, Q4_K, Q5_K   (d s) q - (m t), s and t whole numbers for each 16 or 32 values
 *   Q3_K, Q6_K         (d s) q
 *   IQ4_XS             (d s) v[q]
 *
 * Source of layouts and order: the `gguf` Python package, gguf/quants.py, dequantize_blocks; the same bits are held by
 * tests/test_quant.c. */
#ifndef CNA_TENSOR_QUANT_H
#define CNA_TENSOR_QUANT_H

#include "tensor/dtype.h"

enum { CNA_QUANT_VALUES_MAX = 256 };

typedef struct cna_quant {
    size_t n_values, n_bytes; /* of a block */
    /* out[n_blocks * n_values] from blocks one behind the other; in may be unaligned. */
    void (*unpack)(const unsigned char *in, size_t n_blocks, float *restrict out);
} cna_quant;

/* The blocks of a quantised storage. */
const cna_quant *cna_quant_of(cna_storage storage);

#endif
