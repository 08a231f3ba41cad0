/* SPDX-License-Identifier: MIT
 * Random circuits. */
#include "method/control.h"

#include <stdlib.h>
#include <string.h>

#include "method/random.h"

/* The neurons that may be drawn in one layer. */
typedef struct layer_pool {
    uint32_t layer;
    size_t n_targets;
    size_t demand[CNA_CONTROL_DECILES]; /* targets in each decile */
    size_t n_left;
    uint32_t *by_number;   /* [n_left] ascending, for uniform draws: they do not depend on strengths */
    uint32_t *by_strength; /* ? [n_left] ascending by strength, so grouped by decile */
    size_t start[CNA_CONTROL_DECILES + 1]; /* of each decile in by_strength */
} layer_pool;

struct cna_control_pool {
    layer_pool *layers; /* [n_layers] that have targets, ascending */
    size_t n_layers;
    uint32_t mlp_dim;
    bool has_strength;
};

/* ---- preparing ---- */

typedef struct ranked {
    double strength;
    uint32_t neuron;
} ranked;

static int compare_ranked(const void *a, const void *b)
{
    const ranked *x = a;
    const ranked *y = b;
    if (x->strength != y->strength) return x->strength < y->strength ? -1 : 1;
    return (x->neuron > y->neuron) - (x->neuron < y->neuron);
}

/* What a neuron of the layer is, by number. */
enum { FREE, TARGET, EXCLUDED };

static void mark(const cna_neuron_id *ids, size_t n, uint32_t layer, unsigned char kind, unsigned char *kinds)
{
    for (size_t i = 0; i < n; i++) {
        if (ids[i].layer == layer) kinds[ids[i].neuron] = kind;
    }
}

static void group_by_decile(layer_pool *pool, const ranked *order, uint32_t mlp_dim,
                            const unsigned char *kinds)
{
    size_t n = 0;
    for (uint32_t rank = 0; rank < mlp_dim; rank++) {
        size_t decile = (size_t)rank * CNA_CONTROL_DECILES / mlp_dim;
        uint32_t neuron = order[rank].neuron;
        if (kinds[neuron] == TARGET) pool->demand[decile]++;
        if (kinds[neuron] == FREE) pool->by_strength[n++] = neuron;
        pool->start[decile + 1] = n;
    }
    /* With fewer than ten neurons some deciles have no rank of their own. */
    for (size_t decile = 1; decile <= CNA_CONTROL_DECILES; decile++) {
        if (pool->start[decile] < pool->start[decile - 1]) pool->start[decile] = pool->start[decile - 1];
    }
}

static cna_status fill_layer(layer_pool *pool, const unsigned char *kinds, uint32_t mlp_dim,
                             const double *strength, cna_error *err)
{
    CNA_TRY(cna_alloc(&pool->by_number, mlp_dim, sizeof *pool->by_number, "controls", err));
    for (uint32_t j = 0; j < mlp_dim; j++) {
        if (kinds[j] == FREE) pool->by_number[pool->n_left++] = j;
    }
    if (pool->n_left < pool->n_targets) {
        return cna_fail(
            err, CNA_ERR_MISMATCH,
            "controls: expected at least %zu neurons of layer %u outside the circuit, found %zu; use a "
            "smaller circuit or no controls",
            pool->n_targets, pool->layer, pool->n_left);
    }
    if (strength == NULL) return CNA_OK;
    CNA_TRY(cna_alloc(&pool->by_strength, mlp_dim, sizeof *pool->by_strength, "controls", err));
    ranked *order;
    CNA_TRY(cna_alloc(&order, mlp_dim, sizeof *order, "controls", err));
    for (uint32_t j = 0; j < mlp_dim; j++) order[j] = (ranked){strength[j], j};
    qsort(order, mlp_dim, sizeof *order, compare_ranked);
    group_by_decile(pool, order, mlp_dim, kinds);
    cna_free(order);
    return CNA_OK;
}

static cna_status fill_pool(cna_control_pool *pool, const cna_neuron_id *targets, size_t n_targets,
                            const cna_neuron_id *excluded, size_t n_excluded, const double *strength,
                            cna_error *err)
{
    unsigned char *kinds;
    CNA_TRY(cna_alloc(&kinds, pool->mlp_dim, 1, "controls", err));
    cna_status status = CNA_OK;
    for (size_t first = 0; status == CNA_OK && first < n_targets;) {
        uint32_t layer = targets[first].layer;
        size_t end = first;
        while (end < n_targets && targets[end].layer == layer) end++;
        memset(kinds, FREE, pool->mlp_dim);
        mark(excluded, n_excluded, layer, EXCLUDED, kinds);
        mark(targets + first, end - first, layer, TARGET, kinds);
        layer_pool *added = &pool->layers[pool->n_layers++];
        added->layer = layer;
        added->n_targets = end - first;
        status = fill_layer(added, kinds, pool->mlp_dim,
                            strength == NULL ? NULL : strength + (size_t)layer * pool->mlp_dim, err);
        first = end;
    }
    cna_free(kinds);
    return status;
}

static bool all_within(const cna_neuron_id *ids, size_t n, uint32_t n_layers, uint32_t mlp_dim)
{
    for (size_t i = 0; i < n; i++) {
        if (ids[i].layer >= n_layers || ids[i].neuron >= mlp_dim) return false;
    }
    return true;
}

cna_status cna_control_pool_create(const cna_neuron_id *targets, size_t n_targets,
                                   const cna_neuron_id *excluded, size_t n_excluded, uint32_t n_layers,
                                   uint32_t mlp_dim, const double *strength, cna_control_pool **out,
                                   cna_error *err)
{
    if (!all_within(targets, n_targets, n_layers, mlp_dim) ||
        !all_within(excluded, n_excluded, n_layers, mlp_dim)) {
        return cna_fail(err, CNA_ERR_MISMATCH,
                        "controls: expected neurons within %u layers of %u, found others", n_layers, mlp_dim);
    }
    cna_control_pool *pool;
    CNA_TRY(cna_alloc(&pool, 1, sizeof *pool, "controls", err));
    pool->mlp_dim = mlp_dim;
    pool->has_strength = strength != NULL;
    cna_status status = cna_alloc(&pool->layers, n_layers, sizeof *pool->layers, "controls", err);
    if (status == CNA_OK) status = fill_pool(pool, targets, n_targets, excluded, n_excluded, strength, err);
    if (status != CNA_OK) {
        cna_control_pool_free(pool);
        return status;
    }
    *out = pool;
    return CNA_OK;
}

void cna_control_pool_free(cna_control_pool *pool)
{
    if (pool == NULL) return;
    for (size_t i = 0; i < pool->n_layers; i++) {
        cna_free(pool->layers[i].by_number);
        cna_free(pool->layers[i].by_strength);
    }
    cna_free(pool->layers);
    cna_free(pool);
}

/* ---- drawing ---- */

/* Take one of the n first neurons of a group out of it: the last one fills its place. */
static uint32_t take(uint32_t *group, size_t *n, uint64_t *state)
{
    size_t at = cna_random_below(state, *n);
    uint32_t neuron = group[at];
    group[at] = group[--*n];
    return neuron;
}

static void draw_uniform(const layer_pool *pool, uint64_t state, uint32_t *scratch, uint32_t *out)
{
    size_t n = pool->n_left;
    memcpy(scratch, pool->by_number, n * sizeof *scratch);
    for (size_t i = 0; i < pool->n_targets; i++) out[i] = take(scratch, &n, &state);
}

/* The nearest decile with neurons left, the stronger of two at the same distance. */
static size_t nearest(const size_t *n_left, size_t decile)
{
    for (size_t distance = 1; distance < CNA_CONTROL_DECILES; distance++) {
        if (decile + distance < CNA_CONTROL_DECILES && n_left[decile + distance] != 0)
            return decile + distance;
        if (decile >= distance && n_left[decile - distance] != 0) return decile - distance;
    }
    return decile;
}

static void draw_matched(const layer_pool *pool, uint64_t state, uint32_t *scratch, uint32_t *out)
{
    memcpy(scratch, pool->by_strength, pool->n_left * sizeof *scratch);
    size_t n_left[CNA_CONTROL_DECILES];
    size_t unserved[CNA_CONTROL_DECILES];
    size_t n_out = 0;
    for (size_t decile = 0; decile < CNA_CONTROL_DECILES; decile++) {
        n_left[decile] = pool->start[decile + 1] - pool->start[decile];
        unserved[decile] = pool->demand[decile];
        for (; unserved[decile] != 0 && n_left[decile] != 0; unserved[decile]--) {
            out[n_out++] = take(scratch + pool->start[decile], &n_left[decile], &state);
        }
    }
    for (size_t decile = 0; decile < CNA_CONTROL_DECILES; decile++) {
        for (; unserved[decile] != 0; unserved[decile]--) {
            size_t from = nearest(n_left, decile);
            out[n_out++] = take(scratch + pool->start[from], &n_left[from], &state);
        }
    }
}

cna_status cna_control_draw(const cna_control_pool *pool, cna_control_kind kind, uint64_t seed,
                            uint64_t index, cna_neuron_id *out, cna_error *err)
{
    if (kind == CNA_CONTROL_MATCHED && !pool->has_strength) {
        return cna_fail(err, CNA_ERR_ARG,
                        "controls: expected neurons' strengths for matched ones, found none");
    }
    uint32_t *scratch;
    CNA_TRY(cna_alloc(&scratch, 2 * (size_t)pool->mlp_dim, sizeof *scratch, "controls", err));
    uint32_t *drawn = scratch + pool->mlp_dim;
    size_t n_out = 0;
    for (size_t i = 0; i < pool->n_layers; i++) {
        const layer_pool *layer = &pool->layers[i];
        uint64_t purpose = kind == CNA_CONTROL_MATCHED ? CNA_RANDOM_MATCHED_CONTROL : CNA_RANDOM_UNIFORM_CONTROL;
        uint64_t state = cna_random_state(seed, index, purpose, layer->layer);
        if (kind == CNA_CONTROL_MATCHED) {
            draw_matched(layer, state, scratch, drawn);
        } else {
            draw_uniform(layer, state, scratch, drawn);
        }
        for (size_t j = 0; j < layer->n_targets; j++) out[n_out++] = (cna_neuron_id){layer->layer, drawn[j]};
    }
    if (n_out != 0) qsort(out, n_out, sizeof *out, cna_neuron_id_compare);
    cna_free(scratch);
    return CNA_OK;
}
