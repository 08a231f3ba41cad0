/* SPDX-License-Identifier: MIT
 * One row times quantised weights. */
#include "tensor/one_row_quant.h"

#include "tensor/clones.h"
#include "tensor/one_row.h"
#include "tensor/quant.h"

#if CNA_X86_TARGETS
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16,f16c")))
#define STEP_INLINE TARGET static inline __attribute__((always_inline))

enum {
    LANES = 16, /* rows of W at a time */
    STEP = 32,  /* values of each in a step: 16 pairs */
};

/* Blocks of LANES rows, at the same place in each. */
typedef struct blocks {
    const unsigned char *at[LANES];
    size_t ahead; /* bytes to the rows that come next, for prefetching */
} blocks;

bool cna_one_row_quant_available(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bf16");
}

bool cna_one_row_quant_is_quick(cna_storage storage)
{
    return storage == CNA_STORAGE_Q8_0 || storage == CNA_STORAGE_Q4_K;
}

/* Rows of 16 pairs to pairs of 16 rows. */
STEP_INLINE void turn_round(__m512i w[LANES])
{
    __m512i t[LANES];
    for (int i = 0; i < LANES; i += 4) {
        __m512i a = _mm512_unpacklo_epi32(w[i], w[i + 1]), b = _mm512_unpackhi_epi32(w[i], w[i + 1]);
        __m512i c = _mm512_unpacklo_epi32(w[i + 2], w[i + 3]), d = _mm512_unpackhi_epi32(w[i + 2], w[i + 3]);
        t[i] = _mm512_unpacklo_epi64(a, c);
        t[i + 1] = _mm512_unpackhi_epi64(a, c);
        t[i + 2] = _mm512_unpacklo_epi64(b, d);
        t[i + 3] = _mm512_unpackhi_epi64(b, d);
    }
    for (int i = 0; i < 4; i++) { /* each quarter of t[i], t[4 + i], ... holds 4 rows of pair 4 * quarter + i */
        __m512i a = _mm512_shuffle_i32x4(t[i], t[4 + i], 0x44), b = _mm512_shuffle_i32x4(t[i], t[4 + i], 0xEE);
        __m512i c = _mm512_shuffle_i32x4(t[8 + i], t[12 + i], 0x44);
        __m512i d = _mm512_shuffle_i32x4(t[8 + i], t[12 + i], 0xEE);
        w[i] = _mm512_shuffle_i32x4(a, c, 0x88);
        w[4 + i] = _mm512_shuffle_i32x4(a, c, 0xDD);
        w[8 + i] = _mm512_shuffle_i32x4(b, d, 0x88);
        w[12 + i] = _mm512_shuffle_i32x4(b, d, 0xDD);
    }
}

/* The sums after one more step.
 *   x  [STEP] bf16
 *   w  [LANES] rows of STEP values in bf16 */
STEP_INLINE __m512 add_step(__m512 part, const uint16_t *x, __m512i w[LANES])
{
    turn_round(w);
    for (int i = 0; i < LANES; i++) {
        int32_t neighbours;
        memcpy(&neighbours, x + 2 * i, sizeof neighbours);
        part = _mm512_dpbf16_ps(part, (__m512bh)_mm512_set1_epi32(neighbours), (__m512bh)w[i]);
    }
    return part;
}

/* Scales are f16 and quantised values whole numbers, so no product or difference is a subnormal f32: the processor's
 * rounding to bf16, which takes those for zero, is cna_bf16_from_f32's. */
STEP_INLINE __m512i round_pair(__m512 low, __m512 high)
{
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* f16 in the two bytes at `at` as f32. */
STEP_INLINE __m512 half_everywhere(const unsigned char *at)
{
    uint16_t half;
    memcpy(&half, at, sizeof half);
    return _mm512_broadcastss_ps(_mm_cvtph_ps(_mm_cvtsi32_si128(half)));
}

STEP_INLINE __m512 widen_i8(__m128i q)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(q));
}

STEP_INLINE __m512 add_q8_0(const blocks *b, const uint16_t *x, __m512 part)
{
    __m512i w[LANES];
    for (int r = 0; r < LANES; r++) {
        const unsigned char *q = b->at[r] + 2;
        __m512 scale = half_everywhere(b->at[r]);
        __m512 low = _mm512_mul_ps(widen_i8(_mm_loadu_si128((const __m128i *)q)), scale);
        __m512 high = _mm512_mul_ps(widen_i8(_mm_loadu_si128((const __m128i *)(q + 16))), scale);
        w[r] = round_pair(low, high);
    }
    return add_step(part, x, w);
}

/* out[0 .. 7] = scales, out[8 .. 15] = minima of the groups of a Q4_K block. Its 12 bytes hold, in words of four bytes,
 * the first four scales and minima in the low six bits of words 0 and 1, the low four bits of the others in the halves
 * of word 2's bytes, and their upper two bits in the upper ones of words 0 and 1. */
STEP_INLINE void scales_q4_k(const unsigned char *block, float out[16])
{
    const __m512i which = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    int32_t two;
    memcpy(&two, block, sizeof two);
    __m512 both = _mm512_castps128_ps512(_mm_cvtph_ps(_mm_cvtsi32_si128(two)));
    __m128i in = _mm_loadu_si128((const __m128i *)(block + 4));
    __m128i first = _mm_and_si128(in, _mm_set1_epi8(63));
    __m128i low = _mm_srlv_epi32(_mm_shuffle_epi32(in, 0xAA), _mm_setr_epi32(0, 4, 0, 0));
    __m128i high = _mm_and_si128(_mm_srli_epi32(in, 2), _mm_set1_epi8(48));
    __m128i rest = _mm_or_si128(_mm_and_si128(low, _mm_set1_epi8(15)), high);
    __m512 whole = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_unpacklo_epi32(first, rest)));
    _mm512_storeu_ps(out, _mm512_mul_ps(whole, _mm512_permutexvar_ps(which, both)));
}

/* The 16 values that a group can have, rounded, then one permutation to look up 32 of them. Scale times value is exact
 * (11 + 6 + 4 bits), so the fused subtraction rounds as two operations do. */
STEP_INLINE __m512i look_up_q4_k(__m512i index, float scale, float minimum)
{
    const __m512 all = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512 values = _mm512_fmsub_ps(all, _mm512_set1_ps(scale), _mm512_set1_ps(minimum));
    return _mm512_permutexvar_epi16(index, _mm512_castsi256_si512((__m256i)_mm512_cvtneps_pbh(values)));
}

STEP_INLINE __m512 add_q4_k(const blocks *b, const uint16_t *x, __m512 part)
{
    float scales[LANES][16];
    for (int r = 0; r < LANES; r++) scales_q4_k(b->at[r], scales[r]);
    for (int g = 0; g < 8; g++) {
        __m512i w[LANES];
        for (int r = 0; r < LANES; r++) {
            const __m256i *bytes = (const __m256i *)(b->at[r] + 16 + g / 2 * 32);
            __m512i two = _mm512_cvtepu8_epi16(_mm256_loadu_si256(bytes));
            __m512i index = g % 2 == 0 ? _mm512_and_si512(two, _mm512_set1_epi16(15)) : _mm512_srli_epi16(two, 4);
            w[r] = look_up_q4_k(index, scales[r][g], scales[r][8 + g]);
        }
        part = add_step(part, x + STEP * g, w);
    }
    return part;
}

/* Quarter `quarter` of the 128 values of half `half` of a Q6_K block, as whole numbers from -32. */
STEP_INLINE __m256i numbers_q6_k(const unsigned char *block, int half, int quarter)
{
    const __m256i *low = (const __m256i *)(block + half * 64 + quarter % 2 * 32);
    const __m256i *high = (const __m256i *)(block + 128 + half * 32);
    /* Shifts go over 16 bits; what they bring in from the neighbour is masked away. */
    __m256i l = _mm256_and_si256(_mm256_srli_epi16(_mm256_loadu_si256(low), quarter / 2 * 4), _mm256_set1_epi8(15));
    __m256i h = _mm256_and_si256(_mm256_srli_epi16(_mm256_loadu_si256(high), quarter * 2), _mm256_set1_epi8(3));
    return _mm256_sub_epi8(_mm256_or_si256(l, _mm256_slli_epi16(h, 4)), _mm256_set1_epi8(32));
}

STEP_INLINE __m512 add_q6_k(const blocks *b, const uint16_t *x, __m512 part)
{
    float scales[LANES][16];
    for (int r = 0; r < LANES; r++) {
        __m512 whole = widen_i8(_mm_loadu_si128((const __m128i *)(b->at[r] + 192)));
        _mm512_storeu_ps(scales[r], _mm512_mul_ps(whole, half_everywhere(b->at[r] + 208)));
    }
    for (int g = 0; g < 8; g++) {
        __m512i w[LANES];
        for (int r = 0; r < LANES; r++) {
            __m256i q = numbers_q6_k(b->at[r], g / 4, g % 4);
            __m512 low = _mm512_mul_ps(widen_i8(_mm256_castsi256_si128(q)), _mm512_set1_ps(scales[r][2 * g]));
            __m512 high = _mm512_mul_ps(widen_i8(_mm256_extracti128_si256(q, 1)), _mm512_set1_ps(scales[r][2 * g + 1]));
            w[r] = round_pair(low, high);
        }
        part = add_step(part, x + STEP * g, w);
    }
    return part;
}

/* Any storage, by way of f32 in the first-level cache. */
STEP_INLINE __m512 add_other(const cna_quant *quant, const blocks *b, const uint16_t *x, __m512 part)
{
    float values[LANES][CNA_QUANT_VALUES_MAX];
    for (int r = 0; r < LANES; r++) quant->unpack(b->at[r], 1, values[r]);
    for (size_t i = 0; i < quant->n_values; i += STEP) {
        __m512i w[LANES];
        for (int r = 0; r < LANES; r++) {
            w[r] = round_pair(_mm512_loadu_ps(values[r] + i), _mm512_loadu_ps(values[r] + i + STEP / 2));
        }
        part = add_step(part, x + i, w);
    }
    return part;
}

/* Advance to the next block of each row, and ask for the same block of the rows that come next. */
STEP_INLINE void advance(blocks *b, size_t n_bytes)
{
    for (int r = 0; r < LANES; r++) {
        for (size_t i = 0; i < n_bytes; i += 64) _mm_prefetch((const char *)b->at[r] + b->ahead + i, _MM_HINT_T0);
        b->at[r] += n_bytes;
    }
}

/* A function over LANES rows of whole length for each kernel. */
#define ROWS_PRODUCT(name, add)                                                                              \
    TARGET static __m512 name(const cna_quant *quant, blocks *b, const uint16_t *x, size_t n_in)             \
    {                                                                                                        \
        __m512 sum = _mm512_setzero_ps();                                                                    \
        size_t n_part = cna_one_row_part(n_in);                                                              \
        for (size_t first = 0; first < n_in; first += n_part) {                                              \
            size_t end = n_in - first < n_part ? n_in : first + n_part;                                      \
            __m512 part = _mm512_setzero_ps();                                                               \
            for (size_t i = first; i < end; i += quant->n_values) {                                          \
                part = add;                                                                                  \
                advance(b, quant->n_bytes);                                                                  \
            }                                                                                                \
            sum = first == 0 ? part : _mm512_add_ps(sum, part);                                              \
        }                                                                                                    \
        return sum;                                                                                          \
    }

ROWS_PRODUCT(rows_q8_0, add_q8_0(b, x + i, part))
ROWS_PRODUCT(rows_q4_k, add_q4_k(b, x + i, part))
ROWS_PRODUCT(rows_q6_k, add_q6_k(b, x + i, part))
ROWS_PRODUCT(rows_other, add_other(quant, b, x + i, part))

/* y[0 .. n-1], n <= LANES, for rows [row, row + n). */
TARGET static void rows_product(const uint16_t *x, const cna_matrix_view *weight, size_t row, size_t n, float *y)
{
    const cna_quant *quant = cna_quant_of(weight->storage);
    blocks b = {.ahead = LANES * cna_storage_bytes(weight->storage, weight->cols)};
    for (size_t r = 0; r < LANES; r++) b.at[r] = cna_matrix_row(weight, row + (r < n ? r : n - 1));
    __m512 sum;
    switch (weight->storage) {
    case CNA_STORAGE_Q8_0:
        sum = rows_q8_0(quant, &b, x, weight->cols);
        break;
    case CNA_STORAGE_Q4_K:
        sum = rows_q4_k(quant, &b, x, weight->cols);
        break;
    case CNA_STORAGE_Q6_K:
        sum = rows_q6_k(quant, &b, x, weight->cols);
        break;
    default:
        sum = rows_other(quant, &b, x, weight->cols);
        break;
    }
    _mm512_mask_storeu_ps(y, (__mmask16)((1u << n) - 1), sum);
}

void cna_one_row_quant_product(const uint16_t *x, const cna_matrix_view *weight, float *y)
{
    size_t n_groups = (weight->rows + LANES - 1) / LANES;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n_groups; i++) {
        size_t row = i * LANES, n = weight->rows - row < LANES ? weight->rows - row : LANES;
        rows_product(x, weight, row, n, y + row);
    }
}

#else

bool cna_one_row_quant_available(void)
{
    return false;
}

bool cna_one_row_quant_is_quick(cna_storage storage)
{
    (void)storage;
    return false;
}

void cna_one_row_quant_product(const uint16_t *x, const cna_matrix_view *weight, float *y)
{
    (void)x;
    memset(y, 0, weight->rows * sizeof *y); /* not reached: not available */
}

#endif
