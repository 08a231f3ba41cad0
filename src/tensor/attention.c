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

size_t cna_attention_scratch(const cna_attention *attention)
{
    return attention->n_visible + attention->n_rows - 1;
}

static void attend_one(const cna_attention *a, const float *q, size_t n_visible, float *scores, float *out)
{
    float scale = 1.0f / sqrtf((float)a->head_dim);
    size_t done = 0, used = 0;
    for (size_t i = 0; i < a->n_views && done < n_visible; i++) {
        const cna_kv_view *view = &a->views[i];
        size_t n = min_size(view->n_tokens, n_visible - done);
        score_positions(q, a->head_dim, view->keys + a->kv_head * a->head_dim * view->capacity, view->capacity, n, scale,
                        scores + done);
        done += n;
    }
    float inverse = 1.0f / cna_softmax_unscaled(scores, done);
    memset(out, 0, a->head_dim * sizeof *out);
    for (size_t i = 0; i < a->n_views && used < done; i++) {
        const cna_kv_view *view = &a->views[i];
        size_t n = min_size(view->n_tokens, done - used);
        add_values(scores + used, n, view->values + a->kv_head * view->capacity * a->head_dim, a->head_dim, out);
        used += n;
    }
    for (size_t i = 0; i < a->head_dim; i++) out[i] *= inverse;
}

void cna_attend(const cna_attention *a, const float *q, float *scratch, float *out)
{
    for (size_t t = 0; t < a->n_rows; t++) {
        for (size_t g = 0; g < a->n_group; g++) {
            size_t at = t * a->row_stride + g * a->head_dim;
            attend_one(a, q + at, a->n_visible + t, scratch, out + at);
        }
    }
}
