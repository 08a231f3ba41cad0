/* SPDX-License-Identifier: MIT
 * Keys and values of runs of tokens, as a tree: a run attends to itself and to the runs before it, which other
 * sequences may share. */
#ifndef CNA_ENGINE_KV_H
#define CNA_ENGINE_KV_H

#include "checkpoint/config.h"
#include "tensor/attention.h"

/* What all runs of one model have in common, and what they hold together. Must outlive them. */
typedef struct cna_kv_pool {
    uint32_t n_layers;
    size_t n_kv_heads, head_dim;
    uint64_t held_bytes; /* by runs that live, and by pages kept for reuse */
    uint64_t room;       /* pages are not kept where held_bytes would pass this; no bound at first */
    float **pages;       /* [n_pages] free ones */
    size_t n_pages, pages_capacity;
} cna_kv_pool;

/* Which layers a run keeps. */
typedef enum cna_kv_depth {
    CNA_KV_ALL_LAYERS, /* for later passes */
    CNA_KV_ONE_LAYER,  /* each layer overwrites the last: a run that is used in one pass only */
} cna_kv_depth;

/* One run. Counted references: by whoever made it, and by the runs that read it. */
typedef struct cna_kv {
    cna_kv_pool *pool;
    struct cna_kv *parent; /* ? the run before it */
    struct cna_kv *source; /* ? the same tokens in an untouched model: layers below first_layer are read there */
    uint32_t first_layer;  /* first layer of its own; 0 without a source */
    cna_kv_depth depth;
    size_t first_position; /* tokens of all runs before it; set by the pass that fills it */
    size_t n_tokens;       /* its own, in every layer */
    size_t n_refs;
    float **chunks;        /* [n_chunks] each: layer by layer keys [n_kv_heads, head_dim, capacity], then values
                              [n_kv_heads, capacity, head_dim]; the first of head_capacity, the rest pages */
    size_t n_chunks, chunks_capacity, head_capacity;
} cna_kv;

/* Positions of a page: what a run grows by. A sequence leaves half a page unused on average. */
enum { CNA_KV_PAGE = 32 };

void cna_kv_pool_init(cna_kv_pool *pool, const cna_config *config);
void cna_kv_pool_clear(cna_kv_pool *pool);
/* Bytes of pages kept for reuse. */
uint64_t cna_kv_pool_free_bytes(const cna_kv_pool *pool);

/* A run with room for n_tokens; more room comes by cna_kv_reserve. Takes a reference of parent and source. */
CNA_MUST_CHECK cna_status cna_kv_create(cna_kv_pool *pool, cna_kv *parent, cna_kv *source, uint32_t first_layer,
                                        cna_kv_depth depth, size_t n_tokens, cna_kv **out, cna_error *err);
/* Give one reference back; the last one frees the run, and gives back those that it holds. NULL is allowed. */
void cna_kv_release(cna_kv *kv);

/* Room for n_tokens of its own in all. */
CNA_MUST_CHECK cna_status cna_kv_reserve(cna_kv *kv, size_t n_tokens, cna_error *err);

/* Bytes that a run of n_tokens (created for n_created of them) comes to hold. */
uint64_t cna_kv_bytes(const cna_kv_pool *pool, uint32_t first_layer, cna_kv_depth depth, size_t n_created,
                      size_t n_tokens);

/* Bytes that a run holds now. */
uint64_t cna_kv_held_bytes(const cna_kv *kv);

/* Store key and value [n_kv_heads, head_dim] of the run's own token `index`, reserved before. */
void cna_kv_store(cna_kv *kv, uint32_t layer, size_t index, const float *key, const float *value);

/* Number of views that cna_kv_views gives for a run, at most. */
size_t cna_kv_views_max(const cna_kv *kv);
/* All that a token of the run may attend to in one layer, in order of positions: the runs before it and its own chunks.
 *   out  [cna_kv_views_max]; returns how many */
size_t cna_kv_views(const cna_kv *kv, uint32_t layer, cna_kv_view *out);

#endif
