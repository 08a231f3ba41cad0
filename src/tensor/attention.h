/* SPDX-License-Identifier: MIT
 * Causal attention of new rows over cached keys and values, in f32.
 *
 * Every score is a sum over head_dim in index order, every output a sum over absolute positions in order, and the softmax's
 * denominator a fixed arrangement of both; loops run across positions or across head_dim, never along a sum. So a prefix kept in
 * another cache, the other rows of the batch and the vector width cannot change a bit. */
#ifndef CNA_TENSOR_ATTENTION_H
#define CNA_TENSOR_ATTENTION_H

#include <stddef.h>

/* Cached keys and values of a run of positions, one layer. */
typedef struct cna_kv_view {
    const float *keys;   /* [n_kv_heads, head_dim, capacity]: position last, so that scores run across positions */
    const float *values; /* [n_kv_heads, capacity, head_dim] */
    size_t n_tokens;     /* positions that hold something */
    size_t capacity;
} cna_kv_view;

/* Attention of one row for all query heads that share one key head.
 *
 *   out[g, :] = sum_p softmax_p(q[g, :] . k[p, :] / sqrt(head_dim)) v[p, :],   p = 0 .. n_visible-1
 *
 *   q         [n_group, head_dim] the query heads of this key head
 *   segments  [n_segments] positions in order: a shared prefix, then the sequence's own
 *   n_visible how many positions of all segments together the row may see
 *   kv_head   which key head
 *   scores    [n_visible] scratch
 *   out       [n_group, head_dim], overwritten */
void cna_attend(const float *q, size_t n_group, size_t head_dim, const cna_kv_view *segments, size_t n_segments,
                size_t n_visible, size_t kv_head, float *scores, float *out);

#endif
