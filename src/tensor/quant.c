/* SPDX-License-Identifier: MIT
 * Quantised blocks. Layouts as quant.h's source has them; each function unpacks one block. */
#include "tensor/quant.h"

#include <assert.h>

#include "tensor/clones.h"

static inline float half_at(const unsigned char *bytes)
{
    return cna_f32_from_f16((uint16_t)(bytes[0] | bytes[1] << 8));
}

static inline uint32_t bits_at(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* The first 16 values are the low halves of 16 bytes, the other 16 the high halves. */
CNA_ALWAYS_INLINE void q4_0(const unsigned char *block, float *restrict out)
{
    float d = half_at(block);
    for (int i = 0; i < 16; i++) {
        out[i] = d * (float)((block[2 + i] & 15) - 8);
        out[16 + i] = d * (float)((block[2 + i] >> 4) - 8);
    }
}

CNA_ALWAYS_INLINE void q4_1(const unsigned char *block, float *restrict out)
{
    float d = half_at(block), m = half_at(block + 2);
    for (int i = 0; i < 16; i++) {
        out[i] = d * (float)(block[4 + i] & 15) + m;
        out[16 + i] = d * (float)(block[4 + i] >> 4) + m;
    }
}

/* Fifth bits lie together, that of value i at bit i. */
CNA_ALWAYS_INLINE void q5_0(const unsigned char *block, float *restrict out)
{
    float d = half_at(block);
    uint32_t high = bits_at(block + 2);
    for (int i = 0; i < 16; i++) {
        out[i] = d * (float)((int)((block[6 + i] & 15u) | (high >> i & 1u) << 4) - 16);
        out[16 + i] = d * (float)((int)(block[6 + i] >> 4 | (high >> (16 + i) & 1u) << 4) - 16);
    }
}

CNA_ALWAYS_INLINE void q5_1(const unsigned char *block, float *restrict out)
{
    float d = half_at(block), m = half_at(block + 2);
    uint32_t high = bits_at(block + 4);
    for (int i = 0; i < 16; i++) {
        out[i] = d * (float)(int)((block[8 + i] & 15u) | (high >> i & 1u) << 4) + m;
        out[16 + i] = d * (float)(int)(block[8 + i] >> 4 | (high >> (16 + i) & 1u) << 4) + m;
    }
}

CNA_ALWAYS_INLINE void q8_0(const unsigned char *block, float *restrict out)
{
    float d = half_at(block);
    for (int i = 0; i < 32; i++) out[i] = (float)(int8_t)block[2 + i] * d;
}

/* 16 groups of 16 values, each with a scale and a minimum of 4 bits; two bits a value, four values a byte: those of
 * 32 bytes make 128 values, lowest bits first. */
CNA_ALWAYS_INLINE void q2_k(const unsigned char *block, float *restrict out)
{
    const unsigned char *scales = block, *low = block + 16;
    float d = half_at(block + 80), m = half_at(block + 82);
    for (int g = 0; g < 16; g++) {
        float scale = d * (float)(scales[g] & 15), minimum = m * (float)(scales[g] >> 4);
        const unsigned char *bytes = low + 32 * (g / 8) + 16 * (g % 2);
        int shift = g % 8 / 2 * 2;
        for (int i = 0; i < 16; i++) out[16 * g + i] = scale * (float)(bytes[i] >> shift & 3) - minimum;
    }
}

/* Scales of 6 bits in 12 bytes: low halves in 8 bytes, the upper two bits in 4. */
static inline int q3_scale(const unsigned char *scales, int g)
{
    int low = g < 8 ? scales[g] & 15 : scales[g - 8] >> 4;
    return (low | (scales[8 + g % 4] >> g / 4 * 2 & 3) << 4) - 32;
}

CNA_ALWAYS_INLINE void q3_k(const unsigned char *block, float *restrict out)
{
    const unsigned char *masks = block, *low = block + 32;
    float d = half_at(block + 108);
    for (int g = 0; g < 16; g++) {
        float scale = d * (float)q3_scale(block + 96, g);
        const unsigned char *bytes = low + 32 * (g / 8) + 16 * (g % 2), *mask = masks + 16 * (g % 2);
        int shift = g % 8 / 2 * 2, bit = g / 2;
        for (int i = 0; i < 16; i++) {
            int taken = (mask[i] >> bit & 1) == 0 ? 4 : 0; /* a bit that is set takes nothing away */
            out[16 * g + i] = scale * (float)((bytes[i] >> shift & 3) - taken);
        }
    }
}

/* Scale and minimum of group g of 8, 6 bits each in 12 bytes. */
static inline void scale_and_minimum(const unsigned char *scales, int g, int *scale, int *minimum)
{
    if (g < 4) {
        *scale = scales[g] & 63;
        *minimum = scales[4 + g] & 63;
        return;
    }
    *scale = (scales[4 + g] & 15) | (scales[g - 4] >> 2 & 48);
    *minimum = scales[4 + g] >> 4 | (scales[g] >> 2 & 48);
}

/* 8 groups of 32 values; 32 bytes hold two groups, in low and high halves. */
CNA_ALWAYS_INLINE void q4_k(const unsigned char *block, float *restrict out)
{
    float d = half_at(block), m = half_at(block + 2);
    for (int g = 0; g < 8; g++) {
        int s, t;
        scale_and_minimum(block + 4, g, &s, &t);
        float scale = d * (float)s, minimum = m * (float)t;
        const unsigned char *bytes = block + 16 + g / 2 * 32;
        int shift = g % 2 * 4;
        for (int i = 0; i < 32; i++) out[32 * g + i] = scale * (float)(bytes[i] >> shift & 15) - minimum;
    }
}

/* The same with fifth bits: that of value i of group g at bit g of byte i. */
CNA_ALWAYS_INLINE void q5_k(const unsigned char *block, float *restrict out)
{
    float d = half_at(block), m = half_at(block + 2);
    const unsigned char *high = block + 16;
    for (int g = 0; g < 8; g++) {
        int s, t;
        scale_and_minimum(block + 4, g, &s, &t);
        float scale = d * (float)s, minimum = m * (float)t;
        const unsigned char *bytes = block + 48 + g / 2 * 32;
        int shift = g % 2 * 4;
        for (int i = 0; i < 32; i++) {
            int q = (bytes[i] >> shift & 15) | (high[i] >> g & 1) << 4;
            out[32 * g + i] = scale * (float)q - minimum;
        }
    }
}

/* 16 groups of 16 values with scales of 8 bits. Of each 128 values, 64 bytes hold the lower four bits and 32 bytes the
 * upper two. */
CNA_ALWAYS_INLINE void q6_k(const unsigned char *block, float *restrict out)
{
    const unsigned char *scales = block + 192;
    float d = half_at(block + 208);
    for (int g = 0; g < 16; g++) {
        float scale = d * (float)(int8_t)scales[g];
        int quarter = g / 2 % 4, odd = g % 2 * 16; /* 32 values of 128, and 16 of those */
        const unsigned char *low = block + g / 8 * 64 + quarter % 2 * 32 + odd;
        const unsigned char *high = block + 128 + g / 8 * 32 + odd;
        int low_shift = quarter / 2 * 4, high_shift = quarter * 2;
        for (int i = 0; i < 16; i++) {
            int q = (low[i] >> low_shift & 15) | (high[i] >> high_shift & 3) << 4;
            out[16 * g + i] = scale * (float)(q - 32);
        }
    }
}

static const float unequal[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

CNA_ALWAYS_INLINE void iq4_nl(const unsigned char *block, float *restrict out)
{
    float d = half_at(block);
    for (int i = 0; i < 16; i++) {
        out[i] = d * unequal[block[2 + i] & 15];
        out[16 + i] = d * unequal[block[2 + i] >> 4];
    }
}

/* 8 groups of 32 values with scales of 6 bits: lower four in halves of 4 bytes, upper two in 16 bits. */
CNA_ALWAYS_INLINE void iq4_xs(const unsigned char *block, float *restrict out)
{
    float d = half_at(block);
    int high = block[2] | block[3] << 8;
    for (int g = 0; g < 8; g++) {
        int s = (block[4 + g / 2] >> g % 2 * 4 & 15) | (high >> 2 * g & 3) << 4;
        float scale = d * (float)(s - 32);
        const unsigned char *bytes = block + 8 + 16 * g;
        for (int i = 0; i < 16; i++) {
            out[32 * g + i] = scale * unequal[bytes[i] & 15];
            out[32 * g + 16 + i] = scale * unequal[bytes[i] >> 4];
        }
    }
}

/* A function that unpacks many blocks, for each instruction set. */
#define CNA_QUANT_ROW(name, values, bytes)                                                                   \
    CNA_CLONES static void name##_row(const unsigned char *in, size_t n_blocks, float *restrict out)         \
    {                                                                                                        \
        for (size_t i = 0; i < n_blocks; i++) name(in + i * (bytes), out + i * (values));                    \
    }

CNA_QUANT_ROW(q4_0, 32, 18)
CNA_QUANT_ROW(q4_1, 32, 20)
CNA_QUANT_ROW(q5_0, 32, 22)
CNA_QUANT_ROW(q5_1, 32, 24)
CNA_QUANT_ROW(q8_0, 32, 34)
CNA_QUANT_ROW(q2_k, 256, 84)
CNA_QUANT_ROW(q3_k, 256, 110)
CNA_QUANT_ROW(q4_k, 256, 144)
CNA_QUANT_ROW(q5_k, 256, 176)
CNA_QUANT_ROW(q6_k, 256, 210)
CNA_QUANT_ROW(iq4_nl, 32, 18)
CNA_QUANT_ROW(iq4_xs, 256, 136)

const cna_quant *cna_quant_of(cna_storage storage)
{
    static const cna_quant all[CNA_STORAGE_COUNT] = {
        [CNA_STORAGE_Q4_0] = {32, 18, q4_0_row},    [CNA_STORAGE_Q4_1] = {32, 20, q4_1_row},
        [CNA_STORAGE_Q5_0] = {32, 22, q5_0_row},    [CNA_STORAGE_Q5_1] = {32, 24, q5_1_row},
        [CNA_STORAGE_Q8_0] = {32, 34, q8_0_row},    [CNA_STORAGE_Q2_K] = {256, 84, q2_k_row},
        [CNA_STORAGE_Q3_K] = {256, 110, q3_k_row},  [CNA_STORAGE_Q4_K] = {256, 144, q4_k_row},
        [CNA_STORAGE_Q5_K] = {256, 176, q5_k_row},  [CNA_STORAGE_Q6_K] = {256, 210, q6_k_row},
        [CNA_STORAGE_IQ4_NL] = {32, 18, iq4_nl_row}, [CNA_STORAGE_IQ4_XS] = {256, 136, iq4_xs_row},
    };
    assert(cna_storage_is_quantised(storage));
    return &all[storage];
}
