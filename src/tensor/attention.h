/* SPDX-License-Identifier: MIT
 * Causal attention of new rows over cached keys and values, in f32.
 *
 * Every score is a sum over head_dim in index order, every output a sum over absolute positions in order, and the
 * softmax's denominator a fixed arrangement of sixteen such sums; vectors run across positions or across head_dim,
 * never along a sum. So the cut into views, the other rows of a tile and the vector width cannot change a bit. */
#ifndef CNA_TENSOR_ATTENTION_H
#define CNA_TENSOR_ATTENTION_H

#include <stddef.h>

/* Positions of a cache come in multiples of this: the floats of a 512-bit vector. */
enum { CNA_KV_STEP = 16 };

/* Cached keys and values of a run of positions, one layer. */
typedef struct cna_kv_view {
    const float *keys;   /* [n_kv_heads, head_dim, capacity]: position last, so that scores run across positions */
    const float *values; /* [n_kv_heads, capacity, head_dim] */
    size_t n_tokens;     /* positions that hold something; what lies behind them may be read and never counts */
    size_t capacity;     /* a multiple of CNA_KV_STEP; both arrays begin at a multiple of 64 bytes */
} cna_kv_view;

/* Rows that one call takes at most. */
enum { CNA_ATTENTION_ROWS = 16 };

/* Consecutive positions of one sequence, and the query heads that share one key head. */
typedef struct cna_attention {
    size_t n_rows;            /* 1 .. CNA_ATTENTION_ROWS */
    size_t row_stride;        /* values from one row of q, and of out, to the next */
    size_t n_group, head_dim; /* query heads of this key head */
    size_t kv_head;           /* which key head */
    const cna_kv_view *views; /* [n_views] runs of positions in order */
    size_t n_views;
    size_t n_visible;         /* positions, of all views together, that row 0 may see; row t sees n_visible + t */
    size_t window;            /* of these the last so many; 0: all */
    float scale, cap;         /* cap 0: none */
} cna_attention;

/* Values of scratch that cna_attend needs. */
size_t cna_attention_scratch(const cna_attention *attention);

/* For each row t and query head g of the group:
 *
 *   out[t, g, :] = sum_p softmax_p(c(scale q[t, g, :] . k[p, :])) v[p, :],   c(s) = cap tanh(s / cap), or s
 *
 * over p = 0 .. n_visible + t - 1, or the last `window` of these. With a window the sixteen sums of the denominator
 * begin at a multiple of sixteen positions, so they too depend on the row's position alone.
 *
 *   q        row t at q + t * row_stride: [n_group, head_dim], rotated
 *   scratch  [cna_attention_scratch]
 *   out      laid out as q, overwritten; must not overlap it */
void cna_attend(const cna_attention *attention, const float *q, float *scratch, float *out);

/* The same by vectors of 4, 8 or 16 floats, or the widest below that this machine has; cna_attend takes the widest.
 * Exposed for tests, which see that the bits are the same. */
void cna_attend_lanes(const cna_attention *attention, size_t n_lanes, const float *q, float *scratch, float *out);

#endif
