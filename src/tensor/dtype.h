/* SPDX-License-Identifier: MIT
 * Number formats of stored tensors and their conversion. */
#ifndef CNA_TENSOR_DTYPE_H
#define CNA_TENSOR_DTYPE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef enum cna_storage { CNA_STORAGE_F32, CNA_STORAGE_BF16, CNA_STORAGE_F16, CNA_STORAGE_COUNT } cna_storage;

/* 4, 2, 2. */
size_t cna_storage_bytes(cna_storage storage);
/* "f32", "bf16", "f16". */
const char *cna_storage_name(cna_storage storage);

/* A matrix as it lies in memory, row-major: rows x cols values. A vector has one row. data may be unaligned. */
typedef struct cna_matrix_view {
    const void *data; /* [rows, cols] borrowed */
    cna_storage storage;
    size_t rows, cols;
} cna_matrix_view;

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

/* IEEE binary16 to f32, exact, subnormals included. */
float cna_f32_from_f16(uint16_t half);

/* out[i] = f32 of in[i], i < n; exact for all three formats. in may be unaligned; out must not overlap it. */
void cna_widen(const void *in, cna_storage storage, size_t n, float *out);

/* out[i] = in[i] rounded to bf16, as bf16 bits or widened again to f32. */
void cna_round_to_bf16(const float *in, size_t n, uint16_t *out);
void cna_round_through_bf16(const float *in, size_t n, float *out);

#endif
