/* SPDX-License-Identifier: MIT
 * One row times packed bf16 weights. */
#include "tensor/one_row.h"

#include <string.h>

#include "tensor/clones.h"

#if CNA_X86_TARGETS
#include <immintrin.h>

enum {
    LANES = 16,
    VECTORS = CNA_ONE_ROW_PANEL / LANES,
    PAIR_VALUES = 2 * CNA_ONE_ROW_PANEL, /* of W for one pair of neighbours in x */
    AHEAD_BYTES = 2048, /* 1 to 4 KB were the same; the processor's own prefetching ends at each page */
};

bool cna_one_row_available(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bf16");
}

/* One panel: y[0 .. 63]. */
__attribute__((target("avx512f,avx512bf16"))) static void panel_product(const uint16_t *x, size_t n_pairs,
                                                                       const uint16_t *panel, float *y)
{
    __m512 sum[VECTORS];
    for (int v = 0; v < VECTORS; v++) sum[v] = _mm512_setzero_ps();
    size_t n_part = cna_one_row_part(2 * n_pairs) / 2;
    for (size_t first = 0; first < n_pairs; first += n_part) {
        size_t end = n_pairs - first < n_part ? n_pairs : first + n_part;
        __m512 part[VECTORS];
        for (int v = 0; v < VECTORS; v++) part[v] = _mm512_setzero_ps();
        for (size_t pair = first; pair < end; pair++, panel += PAIR_VALUES) {
            int32_t neighbours;
            memcpy(&neighbours, x + 2 * pair, sizeof neighbours);
            __m512bh both = (__m512bh)_mm512_set1_epi32(neighbours);
            for (int v = 0; v < VECTORS; v++) {
                const char *at = (const char *)panel + 64 * v;
                _mm_prefetch(at + AHEAD_BYTES, _MM_HINT_T0);
                part[v] = _mm512_dpbf16_ps(part[v], both, (__m512bh)_mm512_load_si512(at));
            }
        }
        for (int v = 0; v < VECTORS; v++) sum[v] = first == 0 ? part[v] : _mm512_add_ps(sum[v], part[v]);
    }
    for (int v = 0; v < VECTORS; v++) _mm512_storeu_ps(y + LANES * v, sum[v]);
}

void cna_one_row_product(const uint16_t *x, size_t n_in, const uint16_t *panels, size_t n_out, float *y)
{
    size_t n_panels = (n_out + CNA_ONE_ROW_PANEL - 1) / CNA_ONE_ROW_PANEL;
    size_t panel_values = (n_in + 31) / 32 * 32 * CNA_ONE_ROW_PANEL;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n_panels; i++) {
        float last[CNA_ONE_ROW_PANEL];
        size_t column = i * CNA_ONE_ROW_PANEL, n = n_out - column;
        bool whole = n >= CNA_ONE_ROW_PANEL;
        panel_product(x, n_in / 2, panels + i * panel_values, whole ? y + column : last);
        if (!whole) memcpy(y + column, last, n * sizeof *y);
    }
}

#else

bool cna_one_row_available(void)
{
    return false;
}

void cna_one_row_product(const uint16_t *x, size_t n_in, const uint16_t *panels, size_t n_out, float *y)
{
    (void)x, (void)n_in, (void)panels;
    memset(y, 0, n_out * sizeof *y); /* not reached: not available */
}

#endif
