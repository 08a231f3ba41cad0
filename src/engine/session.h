/* SPDX-License-Identifier: MIT
 * What one caller needs to run passes: buffers, compiled products, the walk over the weights, the rotary table. */
#ifndef CNA_ENGINE_SESSION_H
#define CNA_ENGINE_SESSION_H

#include "engine/model.h"
#include "engine/stream.h"
#include "engine/tap.h"
#include "tensor/attention.h"

/* Rows worked on at a time: enough to use the machine's matrix product fully, few enough that the MLP's two
 * [rows, mlp_dim] buffers stay near the cores. */
enum { CNA_BLOCK_ROWS = 512, CNA_LOGIT_ROWS = 64 };

/* One token of a pass. */
typedef struct cna_row {
    uint32_t span;
    uint32_t position; /* absolute: runs before it included */
    cna_row_kind kind;
    bool wanted;
    size_t at;         /* its place in x */
} cna_row;

/* Consecutive rows of a block that belong to one run: what attention takes at a time. */
typedef struct cna_tile {
    size_t first, n_rows;      /* in the block */
    size_t first_view, n_views; /* in views */
} cna_tile;

/* Rotary tables of one base. */
typedef struct cna_rotary {
    float *frequencies;     /* ? [rotary_dim / 2] */
    float *cos, *sin;       /* [n_positions, rotary_dim / 2] */
    size_t cos_capacity, sin_capacity;
} cna_rotary;

/* Not for several threads at once. */
typedef struct cna_session {
    const cna_model *model;
    cna_linear_context *products;
    cna_stream *stream;
    bool repeats;
    cna_rotary rotary, local_rotary; /* local_rotary: of windowed layers with their own base, else empty */
    size_t n_positions;
    cna_row *rows;          /* [n_rows] of the pass */
    cna_row *active;        /* [n_rows] those at work in the layer at hand */
    float *x;               /* [n_rows, hidden_dim] residual stream */
    size_t rows_capacity, active_capacity, x_capacity;
    cna_row *block;         /* [CNA_BLOCK_ROWS] the rows at work */
    cna_tile *tiles;        /* [CNA_BLOCK_ROWS] */
    cna_kv_view *views;     /* of all tiles */
    size_t views_capacity;
    float *residual;        /* [CNA_BLOCK_ROWS, hidden_dim] */
    float *normed;          /* [CNA_BLOCK_ROWS, hidden_dim] */
    void *input;            /* [CNA_BLOCK_ROWS, widest product input] in the products' input type */
    float *q, *attended;    /* [CNA_BLOCK_ROWS, n_heads * head_dim] */
    float *k, *v;           /* [CNA_BLOCK_ROWS, n_kv_heads * head_dim] */
    float *gate, *up;       /* [CNA_BLOCK_ROWS, mlp_dim] */
    float *out;             /* [CNA_BLOCK_ROWS, hidden_dim] what a sublayer adds */
    bool overflow;          /* a norm of this pass met a row whose squares have no finite sum */
    float *logits;          /* ? [CNA_LOGIT_ROWS, vocab_size] */
    float *scores;          /* [n_threads, scores_stride] */
    size_t scores_stride, scores_capacity;
} cna_session;

/* repeats: whether it will run pass after pass, so that streamed weights are read ahead past the end of one. */
CNA_MUST_CHECK cna_status cna_session_create(const cna_model *model, bool repeats, cna_session **out, cna_error *err);
void cna_session_free(cna_session *session);

/* Room for a pass of n_rows tokens, none at a position of n_positions or more. */
CNA_MUST_CHECK cna_status cna_session_reserve(cna_session *session, size_t n_rows, size_t n_positions, cna_error *err);
/* Room for n_each values of attention scratch for each thread. */
CNA_MUST_CHECK cna_status cna_session_reserve_scores(cna_session *session, size_t n_each, cna_error *err);
/* Room for logits. */
CNA_MUST_CHECK cna_status cna_session_reserve_logits(cna_session *session, cna_error *err);

/* Bytes that a session comes to hold, for plans.
 *   n_rows       tokens of its largest pass
 *   n_positions  most positions of a sequence
 *   logits       whether passes go on to logits */
uint64_t cna_session_bytes(const cna_model *model, size_t n_rows, size_t n_positions, bool logits);

#endif
