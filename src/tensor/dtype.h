/* SPDX-License-Identifier: MIT
 * Number formats of stored tensors and their conversion. */
#ifndef CNA_TENSOR_DTYPE_H
#define CNA_TENSOR_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The quantised ones lie in blocks (quant.h). */
typedef enum cna_storage {
    CNA_STORAGE_F32,
    CNA_STORAGE_BF16,
    CNA_STORAGE_F16,
    CNA_STORAGE_Q4_0,
    CNA_STORAGE_Q4_1,
    CNA_STORAGE_Q5_0,
    CNA_STORAGE_Q5_1,
    CNA_STORAGE_Q8_0,
    CNA_STORAGE_Q2_K,
    CNA_STORAGE_Q3_K,
    CNA_STORAGE_Q4_K,
    CNA_STORAGE_Q5_K,
    CNA_STORAGE_Q6_K,
    CNA_STORAGE_IQ4_NL,
    CNA_STORAGE_IQ4_XS,
    CNA_STORAGE_COUNT
} cna_storage;

/* Values that are stored together, of which a row holds a whole number: 1, or a quantised block's 32 or 256. */
size_t cna_storage_block(cna_storage storage);
/* Bytes of n values, a whole number of blocks. */
size_t cna_storage_bytes(cna_storage storage, size_t n);
bool cna_storage_is_quantised(cna_storage storage);
/* "f32", "bf16", "f16", "q4_0", "q4_k", ... */
const char *cna_storage_name(cna_storage storage);
/* The storage of that name, whatever the case of its letters; false for any other name. */
bool cna_storage_find(const char *name, cna_storage *out);

/* A matrix as it lies in memory, row-major: rows x cols values. A vector has one row. data may be unaligned. */
typedef struct cna_matrix_view {
    const void *data; /* [rows, cols] borrowed */
    cna_storage storage;
    size_t rows, cols;
    size_t paired_rows; /* 0: rows lie in order. Else of each so many rows, the head_dim of an attention head, row i of
                         * the first half lies beside row i of the second, as llama.cpp stores q and k */
} cna_matrix_view;

/* Bytes of all rows. */
size_t cna_matrix_bytes(const cna_matrix_view *view);
/* Where a row begins. Row numbers, here and below, are the model's, wherever the row lies. */
const unsigned char *cna_matrix_row(const cna_matrix_view *view, size_t row);
/* out[i] = f32 of value [row, first + i], i < n. */
void cna_matrix_widen(const cna_matrix_view *view, size_t row, size_t first, size_t n, float *out);

static inline float cna_f32_from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t cna_f32_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float cna_f32_from_bf16(uint16_t half)
{
    return cna_f32_from_bits((uint32_t)half << 16);
}

/* Round to nearest, ties to even; NaN stays NaN (quiet). */
static inline uint16_t cna_bf16_from_f32(float value)
{
    uint32_t bits = cna_f32_bits(value);
    uint32_t rounded = (bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16;
    uint32_t quiet = bits >> 16 | 0x40u;
    return (uint16_t)((bits & 0x7FFFFFFFu) > 0x7F800000u ? quiet : rounded);
}

/* IEEE binary16 to f32, exact, subnormals included. All three cases are computed, so that loops over it have no
 * branches. */
static inline float cna_f32_from_f16(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, magnitude = half & 0x7FFFu;
    /* Zero or subnormal: fraction * 2^-24 is exact in f32. */
    uint32_t small = cna_f32_bits((float)(int32_t)magnitude * 0x1p-24f);
    uint32_t other = (magnitude << 13) + (112u << 23);
    other += magnitude >= 0x7C00u ? 112u << 23 : 0; /* infinity and NaN: the largest exponent in both formats */
    uint32_t is_small = 0u - (uint32_t)(magnitude < 0x400u);
    return cna_f32_from_bits(sign | (small & is_small) | (other & ~is_small));
}

/* out[i] = f32 of in[i], i < n; exact for plain formats, for quantised ones (n a whole number of blocks) as quant.h
 * says. in may be unaligned; out must not overlap it. */
void cna_widen(const void *in, cna_storage storage, size_t n, float *out);

/* out[i] = in[i] rounded to bf16, as bf16 bits or widened again to f32. */
void cna_round_to_bf16(const float *in, size_t n, uint16_t *out);
void cna_round_through_bf16(const float *in, size_t n, float *out);

#endif
