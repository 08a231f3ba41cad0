/* SPDX-License-Identifier: MIT
 * Causal attention of new rows over cached keys and values, in f32. */
#include "tensor/attention.h"

#include <math.h>
#include <string.h>

#include "tensor/clones.h"
#include "tensor/ops.h"

/* Positions handled at a time: four 512-bit accumulators. */
enum { POSITION_BLOCK = 64 };

/* scores[p] = scale * sum_i q[i] keys[i, p] for p < n. */
CNA_CLONES static void score_positions(const float *restrict q, size_t head_dim, const float *restrict keys,
                                       size_t capacity, size_t n, float scale, float *restrict scores)
{
    size_t p = 0;
    for (; p + POSITION_BLOCK <= n; p += POSITION_BLOCK) {
        float sum[POSITION_BLOCK] = {0};
        for (size_t i = 0; i < head_dim; i++) {
            for (size_t j = 0; j < POSITION_BLOCK; j++) sum[j] += q[i] * keys[i * capacity + p + j];
        }
        for (size_t j = 0; j < POSITION_BLOCK; j++) scores[p + j] = scale * sum[j];
    }
    size_t rest = n - p;
    if (rest == 0) return;
    float sum[POSITION_BLOCK] = {0};
    for (size_t i = 0; i < head_dim; i++) {
        for (size_t j = 0; j < rest; j++) sum[j] += q[i] * keys[i * capacity + p + j];
    }
    for (size_t j = 0; j < rest; j++) scores[p + j] = scale * sum[j];
}

/* out[i] += sum_p weights[p] values[p, i] for p < n, in order of p. */
CNA_CLONES static void add_values(const float *restrict weights, size_t n, const float *restrict values,
                                  size_t head_dim, float *restrict out)
{
    for (size_t p = 0; p < n; p++) {
        for (size_t i = 0; i < head_dim; i++) out[i] += weights[p] * values[p * head_dim + i];
    }
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

void cna_attend(const float *q, size_t n_group, size_t head_dim, const cna_kv_view *segments, size_t n_segments,
                size_t n_visible, size_t kv_head, float *scores, float *out)
{
    float scale = 1.0f / sqrtf((float)head_dim);
    for (size_t g = 0; g < n_group; g++) {
        float *row = out + g * head_dim;
        size_t done = 0;
        for (size_t s = 0; s < n_segments && done < n_visible; s++) {
            const cna_kv_view *segment = &segments[s];
            size_t n = min_size(segment->n_tokens, n_visible - done);
            const float *keys = segment->keys + kv_head * head_dim * segment->capacity;
            score_positions(q + g * head_dim, head_dim, keys, segment->capacity, n, scale, scores + done);
            done += n;
        }
        float inverse = 1.0f / cna_softmax_unscaled(scores, done);
        memset(row, 0, head_dim * sizeof *row);
        size_t used = 0;
        for (size_t s = 0; s < n_segments && used < done; s++) {
            const cna_kv_view *segment = &segments[s];
            size_t n = min_size(segment->n_tokens, done - used);
            add_values(scores + used, n, segment->values + kv_head * segment->capacity * head_dim, head_dim, row);
            used += n;
        }
        for (size_t i = 0; i < head_dim; i++) row[i] *= inverse;
    }
}
