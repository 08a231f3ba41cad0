/* SPDX-License-Identifier: MIT
 * Keys and values of one sequence. */
#include "engine/kv.h"

#include <string.h>

cna_status cna_kv_create(size_t n_layers, size_t n_kv_heads, size_t head_dim, size_t capacity, cna_kv **out,
                         cna_error *err)
{
    *out = NULL;
    cna_kv *kv;
    CNA_TRY(cna_alloc(&kv, 1, sizeof *kv, "keys and values", err));
    kv->n_layers = n_layers;
    kv->n_kv_heads = n_kv_heads;
    kv->head_dim = head_dim;
    kv->capacity = capacity;
    size_t row = n_layers * n_kv_heads * head_dim;
    cna_status status = cna_alloc(&kv->keys, capacity, row * sizeof *kv->keys, "keys", err);
    if (status == CNA_OK) status = cna_alloc(&kv->values, capacity, row * sizeof *kv->values, "values", err);
    if (status != CNA_OK) {
        cna_kv_free(kv);
        return status;
    }
    *out = kv;
    return CNA_OK;
}

void cna_kv_free(cna_kv *kv)
{
    if (kv == NULL) return;
    cna_free(kv->keys);
    cna_free(kv->values);
    cna_free(kv);
}

size_t cna_kv_prefix_tokens(const cna_kv *kv)
{
    return kv->prefix == NULL ? 0 : kv->prefix->n_tokens;
}

void cna_kv_store(cna_kv *kv, size_t layer, size_t position, const float *key, const float *value)
{
    size_t layer_values = kv->n_kv_heads * kv->head_dim * kv->capacity;
    float *keys = kv->keys + layer % kv->n_layers * layer_values;
    float *values = kv->values + layer % kv->n_layers * layer_values;
    for (size_t i = 0; i < kv->n_kv_heads * kv->head_dim; i++) keys[i * kv->capacity + position] = key[i];
    for (size_t head = 0; head < kv->n_kv_heads; head++) {
        memcpy(values + (head * kv->capacity + position) * kv->head_dim, value + head * kv->head_dim,
               kv->head_dim * sizeof *value);
    }
}

static cna_kv_view view_of(const cna_kv *kv, size_t layer, size_t n_tokens)
{
    size_t offset = layer % kv->n_layers * kv->n_kv_heads * kv->head_dim * kv->capacity;
    return (cna_kv_view){kv->keys + offset, kv->values + offset, n_tokens, kv->capacity};
}

size_t cna_kv_views(const cna_kv *kv, size_t layer, size_t n_own, cna_kv_view out[2])
{
    size_t n = 0;
    if (kv->prefix != NULL) out[n++] = view_of(kv->prefix, layer, kv->prefix->n_tokens);
    out[n++] = view_of(kv, layer, n_own);
    return n;
}
