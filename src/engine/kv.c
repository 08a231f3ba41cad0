/* SPDX-License-Identifier: MIT
 * Keys and values of runs of tokens. */
#include "engine/kv.h"

#include <string.h>

static size_t round_up(size_t n, size_t step)
{
    return (n + step - 1) / step * step;
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Layers that a run stores. */
static size_t n_stored(const cna_kv_pool *pool, uint32_t first_layer, cna_kv_depth depth)
{
    return depth == CNA_KV_ONE_LAYER ? 1 : pool->n_layers - first_layer;
}

/* Floats of keys, or of values, of one layer of a chunk. */
static size_t layer_floats(const cna_kv_pool *pool, size_t capacity)
{
    return pool->n_kv_heads * pool->head_dim * capacity;
}

static size_t chunk_bytes(const cna_kv *kv, size_t capacity)
{
    return n_stored(kv->pool, kv->first_layer, kv->depth) * 2 * layer_floats(kv->pool, capacity) * sizeof(float);
}

/* Pages of runs that keep every layer are all of one size, and kept for reuse. */
static bool is_pooled(const cna_kv *kv, size_t chunk)
{
    return chunk > 0 && kv->depth == CNA_KV_ALL_LAYERS && kv->first_layer == 0;
}

static size_t chunk_capacity(const cna_kv *kv, size_t chunk)
{
    return chunk == 0 ? kv->head_capacity : CNA_KV_PAGE;
}

void cna_kv_pool_init(cna_kv_pool *pool, const cna_config *config)
{
    *pool = (cna_kv_pool){.n_layers = config->n_layers, .n_kv_heads = config->n_kv_heads, .head_dim = config->head_dim,
                          .room = UINT64_MAX};
}

static uint64_t page_bytes(const cna_kv_pool *pool)
{
    return (uint64_t)pool->n_layers * 2 * layer_floats(pool, CNA_KV_PAGE) * sizeof(float);
}

uint64_t cna_kv_pool_free_bytes(const cna_kv_pool *pool)
{
    return pool->n_pages * page_bytes(pool);
}

/* Let go of free pages that are in the way of n_bytes more. */
static void make_room(cna_kv_pool *pool, uint64_t n_bytes)
{
    while (pool->n_pages > 0 && pool->held_bytes + n_bytes > pool->room) {
        cna_free(pool->pages[--pool->n_pages]);
        pool->held_bytes -= page_bytes(pool);
    }
}

void cna_kv_pool_clear(cna_kv_pool *pool)
{
    for (size_t i = 0; i < pool->n_pages; i++) cna_free(pool->pages[i]);
    cna_free(pool->pages);
    pool->pages = NULL;
    pool->n_pages = pool->pages_capacity = 0;
}

static cna_status add_chunk(cna_kv *kv, cna_error *err)
{
    cna_kv_pool *pool = kv->pool;
    size_t bytes = chunk_bytes(kv, chunk_capacity(kv, kv->n_chunks));
    CNA_TRY(cna_grow(&kv->chunks, &kv->chunks_capacity, kv->n_chunks + 1, sizeof *kv->chunks, "keys and values", err));
    if (is_pooled(kv, kv->n_chunks) && pool->n_pages > 0) {
        kv->chunks[kv->n_chunks++] = pool->pages[--pool->n_pages];
        return CNA_OK;
    }
    make_room(pool, bytes);
    CNA_TRY(cna_alloc(&kv->chunks[kv->n_chunks], bytes, 1, "keys and values", err));
    kv->n_chunks++;
    pool->held_bytes += bytes;
    return CNA_OK;
}

cna_status cna_kv_create(cna_kv_pool *pool, cna_kv *parent, cna_kv *source, uint32_t first_layer, cna_kv_depth depth,
                         size_t n_tokens, cna_kv **out, cna_error *err)
{
    *out = NULL;
    cna_kv *kv;
    CNA_TRY(cna_alloc(&kv, 1, sizeof *kv, "keys and values", err));
    *kv = (cna_kv){.pool = pool, .parent = parent, .source = source, .first_layer = first_layer, .depth = depth,
                   .n_refs = 1, .head_capacity = round_up(n_tokens, CNA_KV_STEP)};
    if (parent != NULL) parent->n_refs++;
    if (source != NULL) source->n_refs++;
    cna_status status = add_chunk(kv, err);
    if (status != CNA_OK) {
        cna_kv_release(kv);
        return status;
    }
    *out = kv;
    return CNA_OK;
}

static void free_chunks(cna_kv *kv)
{
    cna_kv_pool *pool = kv->pool;
    for (size_t i = 0; i < kv->n_chunks; i++) {
        bool kept = is_pooled(kv, i) && cna_grow(&pool->pages, &pool->pages_capacity, pool->n_pages + 1,
                                                 sizeof *pool->pages, "free pages", NULL) == CNA_OK;
        if (kept) {
            pool->pages[pool->n_pages++] = kv->chunks[i];
        } else {
            pool->held_bytes -= chunk_bytes(kv, chunk_capacity(kv, i));
            cna_free(kv->chunks[i]);
        }
    }
    cna_free(kv->chunks);
}

void cna_kv_release(cna_kv *kv)
{
    while (kv != NULL && --kv->n_refs == 0) {
        cna_kv *parent = kv->parent;
        cna_kv_release(kv->source);
        free_chunks(kv);
        cna_free(kv);
        kv = parent;
    }
}

static size_t capacity_of(const cna_kv *kv)
{
    return kv->head_capacity + (kv->n_chunks - 1) * CNA_KV_PAGE;
}

cna_status cna_kv_reserve(cna_kv *kv, size_t n_tokens, cna_error *err)
{
    while (capacity_of(kv) < n_tokens) CNA_TRY(add_chunk(kv, err));
    return CNA_OK;
}

uint64_t cna_kv_bytes(const cna_kv_pool *pool, uint32_t first_layer, cna_kv_depth depth, size_t n_created,
                      size_t n_tokens)
{
    size_t capacity = round_up(n_created, CNA_KV_STEP);
    if (n_tokens > capacity) capacity += round_up(n_tokens - capacity, CNA_KV_PAGE);
    return n_stored(pool, first_layer, depth) * 2 * layer_floats(pool, capacity) * sizeof(float);
}

uint64_t cna_kv_held_bytes(const cna_kv *kv)
{
    return chunk_bytes(kv, capacity_of(kv));
}

static cna_kv_view view_of(const cna_kv *kv, uint32_t layer, size_t chunk)
{
    size_t capacity = chunk_capacity(kv, chunk), floats = layer_floats(kv->pool, capacity);
    size_t before = chunk == 0 ? 0 : kv->head_capacity + (chunk - 1) * CNA_KV_PAGE;
    size_t slot = kv->depth == CNA_KV_ONE_LAYER ? 0 : layer - kv->first_layer;
    const float *keys = kv->chunks[chunk] + slot * 2 * floats;
    return (cna_kv_view){.keys = keys, .values = keys + floats, .capacity = capacity,
                         .n_tokens = min_size(kv->n_tokens - before, capacity)};
}

void cna_kv_store(cna_kv *kv, uint32_t layer, size_t index, const float *key, const float *value)
{
    size_t chunk = index < kv->head_capacity ? 0 : 1 + (index - kv->head_capacity) / CNA_KV_PAGE;
    size_t at = chunk == 0 ? index : (index - kv->head_capacity) % CNA_KV_PAGE;
    size_t capacity = chunk_capacity(kv, chunk), head_dim = kv->pool->head_dim, n_heads = kv->pool->n_kv_heads;
    size_t floats = layer_floats(kv->pool, capacity);
    size_t slot = kv->depth == CNA_KV_ONE_LAYER ? 0 : layer - kv->first_layer;
    float *keys = kv->chunks[chunk] + slot * 2 * floats, *values = keys + floats;
    for (size_t i = 0; i < n_heads * head_dim; i++) keys[i * capacity + at] = key[i];
    for (size_t head = 0; head < n_heads; head++) {
        memcpy(values + (head * capacity + at) * head_dim, value + head * head_dim, head_dim * sizeof *value);
    }
}

/* The run that holds a layer of these tokens. */
static const cna_kv *holder(const cna_kv *kv, uint32_t layer)
{
    return layer < kv->first_layer ? kv->source : kv;
}

static size_t n_used_chunks(const cna_kv *kv)
{
    if (kv->n_tokens <= kv->head_capacity) return 1;
    return 1 + (kv->n_tokens - kv->head_capacity + CNA_KV_PAGE - 1) / CNA_KV_PAGE;
}

size_t cna_kv_views_max(const cna_kv *kv)
{
    size_t n = 0;
    for (; kv != NULL; kv = kv->parent) n += n_used_chunks(kv);
    return n;
}

size_t cna_kv_views(const cna_kv *kv, uint32_t layer, cna_kv_view *out)
{
    size_t n = kv->parent == NULL ? 0 : cna_kv_views(kv->parent, layer, out);
    const cna_kv *from = holder(kv, layer);
    for (size_t i = 0; i < n_used_chunks(from); i++) out[n++] = view_of(from, layer, i);
    return n;
}
