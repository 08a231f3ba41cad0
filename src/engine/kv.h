/* SPDX-License-Identifier: MIT
 * Keys and values of one sequence, layer by layer, optionally behind a prefix that other sequences share. */
#ifndef CNA_ENGINE_KV_H
#define CNA_ENGINE_KV_H

#include "base/memory.h"
#include "tensor/attention.h"

typedef struct cna_kv {
    const struct cna_kv *prefix; /* ? borrowed; its positions come first. A prefix has no prefix of its own */
    size_t n_layers;  /* layers stored: those of the model, or 1 where each layer overwrites the last */
    size_t n_kv_heads, head_dim, capacity;
    size_t n_tokens;  /* own positions filled in every layer */
    float *keys;      /* [n_layers, n_kv_heads, head_dim, capacity] */
    float *values;    /* [n_layers, n_kv_heads, capacity, head_dim] */
} cna_kv;

/* Room for capacity positions. */
CNA_MUST_CHECK cna_status cna_kv_create(size_t n_layers, size_t n_kv_heads, size_t head_dim, size_t capacity,
                                        cna_kv **out, cna_error *err);
void cna_kv_free(cna_kv *kv);

/* Positions before the sequence's own. */
size_t cna_kv_prefix_tokens(const cna_kv *kv);

/* Store the key and value of one own position.
 *   layer       taken modulo n_layers
 *   key, value  [n_kv_heads, head_dim] */
void cna_kv_store(cna_kv *kv, size_t layer, size_t position, const float *key, const float *value);

/* The runs of positions of one layer in order: [prefix,] own. The own run counts n_own positions.
 * Returns their number, 1 or 2. */
size_t cna_kv_views(const cna_kv *kv, size_t layer, size_t n_own, cna_kv_view out[2]);

#endif
