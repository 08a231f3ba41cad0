/* SPDX-License-Identifier: MIT
 * The attention of one layer over the rows of a block. */
#include "engine/attend.h"

#include <omp.h>

#include "tensor/ops.h"

/* The table that a layer rotates by; NULL: it does not rotate. */
static const cna_rotary *rotary_of(const cna_session *s, uint32_t layer)
{
    const cna_config *c = &s->model->checkpoint.config;
    if (cna_layer_set_has(&c->unrotated, layer)) return NULL;
    return c->rope_local_theta > 0 && cna_layer_set_has(&c->windowed, layer) ? &s->local_rotary : &s->rotary;
}

static void rotate(const cna_config *c, const cna_rotary *rotary, size_t position, float *x, size_t n_heads)
{
    size_t at = position * (c->rotary_dim / 2);
    if (rotary != NULL) cna_rope(x, n_heads, c->head_dim, c->rotary_dim, rotary->cos + at, rotary->sin + at);
}

void cna_store_keys_and_values(cna_session *s, const cna_span *spans, uint32_t layer, size_t n_rows)
{
    const cna_config *c = &s->model->checkpoint.config;
    const cna_rotary *rotary = rotary_of(s, layer);
    size_t kv_dim = (size_t)c->n_kv_heads * c->head_dim;
#pragma omp parallel for schedule(static) if (n_rows > 1)
    for (size_t t = 0; t < n_rows; t++) {
        size_t position = s->block[t].position;
        cna_kv *kv = spans[s->block[t].span].kv;
        rotate(c, rotary, position, s->k + t * kv_dim, c->n_kv_heads);
        cna_kv_store(kv, layer, position - kv->first_position, s->k + t * kv_dim, s->v + t * kv_dim);
    }
}

/* Cut the block into tiles of consecutive rows of one run, and list what each may attend to. */
static cna_status lay_tiles(cna_session *s, const cna_span *spans, uint32_t layer, size_t n_rows, size_t *n_tiles,
                            cna_error *err)
{
    size_t n_views = 0;
    *n_tiles = 0;
    for (size_t t = 0; t < n_rows;) {
        const cna_kv *kv = spans[s->block[t].span].kv;
        cna_tile *tile = &s->tiles[(*n_tiles)++];
        *tile = (cna_tile){.first = t, .first_view = n_views};
        while (t < n_rows && s->block[t].span == s->block[tile->first].span && tile->n_rows < CNA_ATTENTION_ROWS) {
            tile->n_rows++;
            t++;
        }
        CNA_TRY(cna_grow(&s->views, &s->views_capacity, n_views + cna_kv_views_max(kv), sizeof *s->views, "attention",
                         err));
        tile->n_views = cna_kv_views(kv, layer, s->views + n_views);
        n_views += tile->n_views;
    }
    return CNA_OK;
}

static cna_attention attention_of(const cna_session *s, uint32_t layer, const cna_tile *tile, size_t kv_head)
{
    const cna_config *c = &s->model->checkpoint.config;
    size_t window = cna_layer_set_has(&c->windowed, layer) ? c->window : 0;
    return (cna_attention){.n_rows = tile->n_rows, .row_stride = (size_t)c->n_heads * c->head_dim, .kv_head = kv_head,
                           .n_group = c->n_heads / c->n_kv_heads, .head_dim = c->head_dim,
                           .views = s->views + tile->first_view, .n_views = tile->n_views,
                           .n_visible = s->block[tile->first].position + 1, .window = window,
                           .scale = c->attention_scale, .cap = c->attention_cap};
}

static cna_status reserve_scores(cna_session *s, uint32_t layer, size_t n_tiles, cna_error *err)
{
    size_t most = 0;
    for (size_t i = 0; i < n_tiles; i++) {
        const cna_attention attention = attention_of(s, layer, &s->tiles[i], 0);
        size_t need = cna_attention_scratch(&attention);
        if (need > most) most = need;
    }
    return cna_session_reserve_scores(s, most, err);
}

cna_status cna_attend_block(cna_session *s, const cna_span *spans, uint32_t layer, size_t n_rows, cna_error *err)
{
    const cna_config *c = &s->model->checkpoint.config;
    const cna_rotary *rotary = rotary_of(s, layer);
    size_t group = c->n_heads / c->n_kv_heads, n_tiles;
    CNA_TRY(lay_tiles(s, spans, layer, n_rows, &n_tiles, err));
    CNA_TRY(reserve_scores(s, layer, n_tiles, err));
#pragma omp parallel for schedule(dynamic, 4)
    for (size_t unit = 0; unit < n_tiles * c->n_kv_heads; unit++) {
        const cna_tile *tile = &s->tiles[unit / c->n_kv_heads];
        const cna_attention attention = attention_of(s, layer, tile, unit % c->n_kv_heads);
        size_t at = tile->first * attention.row_stride + attention.kv_head * group * c->head_dim;
        for (size_t t = 0; t < tile->n_rows; t++) {
            rotate(c, rotary, s->block[tile->first + t].position, s->q + at + t * attention.row_stride, group);
        }
        float *scores = s->scores + (size_t)omp_get_thread_num() * s->scores_stride;
        cna_attend(&attention, s->q + at, scores, s->attended + at);
    }
    return CNA_OK;
}
