/* SPDX-License-Identifier: MIT
 * Controls of a sweep. */
#include "study/sweep_controls.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "method/canonical.h"
#include "method/contrast.h"
#include "method/control.h"
#include "method/intervene.h"
#include "method/universal.h"

typedef struct cna_sweep_pool {
    cna_neuron_id *targets; /* [n_targets] that the circuits scale, sorted */
    size_t n_targets;
    cna_control_pool *pool; /* ? NULL where there are no targets */
} cna_sweep_pool;

void cna_sweep_controls_clear(cna_sweep_controls *controls)
{
    for (size_t i = 0; controls->pools != NULL && i < controls->n_pools; i++) {
        cna_free(controls->pools[i].targets);
        cna_control_pool_free(controls->pools[i].pool);
    }
    cna_free(controls->pools);
    *controls = (cna_sweep_controls){0};
}

/* ---- what may not be drawn ---- */

typedef struct id_set {
    cna_neuron_id *ids;
    size_t n, capacity;
} id_set;

static cna_status add_ids(id_set *set, const cna_neuron_id *ids, size_t n, cna_error *err)
{
    CNA_TRY(cna_grow(&set->ids, &set->capacity, set->n + n, sizeof *set->ids, "neuron ids", err));
    if (n != 0) memcpy(set->ids + set->n, ids, n * sizeof *ids);
    set->n += n;
    return CNA_OK;
}

/* Whether a circuit's universal neurons are known. A circuit made without the filter lists none, which says nothing
 * about the model's. */
static bool lists_universal(const cna_circuit *circuit)
{
    const cna_circuit_info *info = &circuit->info;
    return circuit->universal != NULL && info->universal_source[0] != '\0' &&
           strcmp(info->universal_source, "none") != 0 && info->n_universal == circuit->n_universal;
}

static cna_status on_universal_layer(void *user, uint32_t layer, const float *h, cna_error *err)
{
    return cna_universal_add_layer(user, layer, h, err);
}

/* The universal neurons of the built-in prompts at the usual threshold and share (METHOD section 4). */
static cna_status find_universal(const cna_model *model, const cna_progress *progress, id_set *set,
                                 cna_error *err)
{
    const cna_model_info *info = cna_model_get_info(model);
    const cna_format raw = {.mode = CNA_FORMAT_RAW};
    cna_status status = CNA_OK;
    cna_prompts *prompts = NULL;
    cna_token_lists lists = {0};
    cna_universal *universal = NULL;
    cna_neuron_id *ids = NULL;
    size_t n = 0;
    CNA_TRY_CLEANUP(cna_universal_builtin(&prompts, err));
    CNA_TRY_CLEANUP(
        cna_prompts_tokenize(prompts, cna_model_tokenizer(model), &raw, info->vocab_size, &lists, err));
    CNA_TRY_CLEANUP(cna_universal_create(lists.n, info->n_layers, info->mlp_dim, CNA_UNIVERSAL_THRESHOLD,
                                         &universal, err));
    CNA_TRY_CLEANUP(
        cna_engine_capture(model, lists.items, lists.n, progress, NULL, on_universal_layer, universal, err));
    CNA_TRY_CLEANUP(cna_universal_find(universal, CNA_UNIVERSAL_SHARE, &ids, &n, err));
    CNA_TRY_CLEANUP(add_ids(set, ids, n, err));
    set->n = cna_neuron_ids_unique(set->ids, set->n);
cleanup:
    cna_free(ids);
    cna_universal_free(universal);
    cna_token_lists_free(&lists);
    cna_prompts_free(prompts);
    return status;
}

/* Every neuron of a variant's circuits and what they list as universal; *knows_all: they list all that is.
 *   circuits  [n] uncut */
static cna_status exclude(const cna_circuit *const *circuits, size_t n, id_set *excluded, bool *knows_all,
                          cna_error *err)
{
    *knows_all = true;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < circuits[i]->n_neurons; j++) {
            const cna_neuron *neuron = &circuits[i]->neurons[j];
            CNA_TRY(add_ids(excluded, &(cna_neuron_id){neuron->layer, neuron->neuron}, 1, err));
        }
        CNA_TRY(add_ids(excluded, circuits[i]->universal, circuits[i]->n_universal, err));
        *knows_all = *knows_all && lists_universal(circuits[i]);
    }
    return CNA_OK;
}

/* ---- strengths ---- */

typedef struct strengths {
    const cna_model *model;
    size_t n_prompts;
    uint32_t mlp_dim;
    const bool *wanted; /* [n_layers] */
    double *norms;      /* [mlp_dim] */
    double *values;     /* [n_layers, mlp_dim] mean |h| * ||column of W_down|| */
} strengths;

static cna_status on_layer(void *user, uint32_t layer, const float *h, cna_error *err)
{
    const strengths *s = user;
    if (!s->wanted[layer]) return CNA_OK;
    CNA_TRY(cna_contrast_check_finite(h, s->n_prompts, s->mlp_dim, layer, err));
    CNA_TRY(cna_engine_down_norms(s->model, layer, s->norms, err));
    double *values = s->values + (size_t)layer * s->mlp_dim;
    for (size_t row = 0; row < s->n_prompts; row++) {
        for (size_t col = 0; col < s->mlp_dim; col++) values[col] += fabsf(h[row * s->mlp_dim + col]);
    }
    for (size_t col = 0; col < s->mlp_dim; col++)
        values[col] = values[col] / (double)s->n_prompts * s->norms[col];
    return CNA_OK;
}

static cna_status measure_strengths(const cna_model *model, const cna_token_lists *prompts,
                                    const id_set *targets, const cna_progress *progress, double **out,
                                    cna_error *err)
{
    const cna_model_info *info = cna_model_get_info(model);
    cna_status status = CNA_OK;
    cna_token_list *lists = NULL;
    bool *wanted = NULL;
    strengths s = {.model = model, .n_prompts = prompts->n, .mlp_dim = info->mlp_dim};
    CNA_TRY_CLEANUP(cna_alloc(&lists, prompts->n, sizeof *lists, "prompts", err));
    CNA_TRY_CLEANUP(cna_alloc(&wanted, info->n_layers, sizeof *wanted, "layers", err));
    CNA_TRY_CLEANUP(cna_alloc(&s.norms, info->mlp_dim, sizeof *s.norms, "column norms", err));
    CNA_TRY_CLEANUP(cna_alloc(&s.values, (size_t)info->n_layers * info->mlp_dim, sizeof *s.values,
                              "neuron strengths", err));
    memcpy(lists, prompts->items, prompts->n * sizeof *lists);
    cna_canonical_sort(lists, prompts->n);
    for (size_t i = 0; i < targets->n; i++) wanted[targets->ids[i].layer] = true;
    s.wanted = wanted;
    CNA_TRY_CLEANUP(cna_engine_capture(model, lists, prompts->n, progress, NULL, on_layer, &s, err));
    *out = s.values;
    s.values = NULL;
cleanup:
    cna_free(lists);
    cna_free(wanted);
    cna_free(s.norms);
    cna_free(s.values);
    return status;
}

/* ---- pools ---- */

static cna_status find_targets(const cna_sweep_options *options, const cna_sweep_circuits *circuits, const bool *wanted,
                               cna_sweep_controls *out, id_set *all, cna_error *err)
{
    for (size_t i = 0; i < out->n_pools; i++) {
        cna_sweep_pool *pool = &out->pools[i];
        size_t variant = i / out->n_cuts, cut = i % out->n_cuts;
        if (!wanted[variant]) continue;
        CNA_TRY(cna_sweep_targets(cna_sweep_circuits_set(circuits, variant, cut), circuits->n_circuits, options->sign,
                                  &pool->targets, &pool->n_targets, err));
        CNA_TRY(add_ids(all, pool->targets, pool->n_targets, err));
    }
    all->n = cna_neuron_ids_unique(all->ids, all->n);
    return CNA_OK;
}

/* The pools of one variant.
 *   universal  of the built-in prompts, for circuits that do not list theirs; found when first needed */
static cna_status make_pools(const cna_model *model, const cna_sweep_options *options,
                             const cna_sweep_circuits *circuits,
                             size_t variant, const double *strength, id_set *universal, bool *found_universal,
                             cna_sweep_controls *out, cna_error *err)
{
    const cna_model_info *info = cna_model_get_info(model);
    id_set excluded = {0};
    bool knows_all;
    cna_status status = exclude(circuits->given + variant * circuits->n_circuits, circuits->n_circuits, &excluded,
                                &knows_all, err);
    if (status == CNA_OK && !knows_all && !*found_universal) {
        status = find_universal(model, &options->progress, universal, err);
        *found_universal = status == CNA_OK;
    }
    if (status == CNA_OK && !knows_all) status = add_ids(&excluded, universal->ids, universal->n, err);
    excluded.n = cna_neuron_ids_unique(excluded.ids, excluded.n);
    for (size_t cut = 0; cut < out->n_cuts && status == CNA_OK; cut++) {
        cna_sweep_pool *pool = &out->pools[variant * out->n_cuts + cut];
        if (pool->n_targets == 0) continue;
        status = cna_control_pool_create(pool->targets, pool->n_targets, excluded.ids, excluded.n, info->n_layers,
                                         info->mlp_dim, strength, &pool->pool, err);
    }
    cna_free(excluded.ids);
    return status;
}

cna_status cna_sweep_controls_make(const cna_model *model, const cna_sweep_options *options,
                                   const cna_sweep_circuits *circuits, const bool *wanted,
                                   const cna_token_lists *harmful, cna_sweep_controls *out, cna_error *err)
{
    id_set targets = {0}, universal = {0};
    bool found_universal = false;
    double *strength = NULL;
    cna_status status;
    out->n_cuts = circuits->n_cuts;
    out->n_pools = circuits->n_variants * circuits->n_cuts;
    CNA_TRY_CLEANUP(cna_alloc(&out->pools, out->n_pools, sizeof *out->pools, "controls", err));
    CNA_TRY_CLEANUP(find_targets(options, circuits, wanted, out, &targets, err));
    CNA_TRY_CLEANUP(measure_strengths(model, harmful, &targets, &options->progress, &strength, err));
    for (size_t variant = 0; variant < circuits->n_variants; variant++) {
        if (!wanted[variant]) continue;
        CNA_TRY_CLEANUP(make_pools(model, options, circuits, variant, strength, &universal, &found_universal, out,
                                   err));
    }
cleanup:
    cna_free(targets.ids);
    cna_free(universal.ids);
    cna_free(strength);
    return status;
}

/* ---- taps ---- */

/* What each target is multiplied by: the product over the circuits that it is in.
 *   products  [n_targets] */
static cna_status multiply(const cna_sweep_pool *pool, const cna_circuit *const *circuits, size_t n_circuits,
                           cna_sign sign, const double *multipliers, double *products, cna_error *err)
{
    for (size_t i = 0; i < pool->n_targets; i++) products[i] = 1;
    for (size_t c = 0; c < n_circuits; c++) {
        cna_neuron_id *ids;
        size_t n_ids, target = 0;
        CNA_TRY(cna_intervene_neurons(circuits[c], sign, &ids, &n_ids, err));
        for (size_t i = 0; i < n_ids; i++) {
            while (cna_neuron_id_compare(&pool->targets[target], &ids[i]) != 0) target++;
            products[target] *= (double)(float)multipliers[c];
        }
        cna_free(ids);
    }
    return CNA_OK;
}

static cna_status draw(const cna_sweep_pool *pool, const cna_sweep_options *options, const cna_run_condition *row,
                       cna_neuron_id *out, cna_error *err)
{
    cna_control_kind kind = strcmp(row->kind, cna_control_kind_names[CNA_CONTROL_UNIFORM]) == 0 ? CNA_CONTROL_UNIFORM
                                                                                                : CNA_CONTROL_MATCHED;
    return cna_control_draw(pool->pool, kind, options->seed, (uint64_t)row->control_seed, out, err);
}

cna_status cna_sweep_control_tap(const cna_sweep_controls *controls, const cna_sweep_options *options,
                                 const cna_sweep_circuits *circuits, size_t variant,
                                 const cna_sweep_condition *condition, const cna_model_info *info, cna_tap **out,
                                 cna_error *err)
{
    const cna_sweep_pool *pool = &controls->pools[variant * controls->n_cuts + condition->cut];
    const cna_circuit *const *set = cna_sweep_circuits_set(circuits, variant, condition->cut);
    cna_neuron_id *drawn = NULL;
    double *products = NULL;
    cna_scale *scales = NULL;
    cna_status status;
    CNA_TRY_CLEANUP(cna_alloc(&drawn, pool->n_targets, sizeof *drawn, "controls", err));
    CNA_TRY_CLEANUP(cna_alloc(&products, pool->n_targets, sizeof *products, "controls", err));
    CNA_TRY_CLEANUP(cna_alloc(&scales, pool->n_targets, sizeof *scales, "controls", err));
    /* A fold's circuit may be without a neuron that passes the sign filter. */
    if (pool->pool != NULL) CNA_TRY_CLEANUP(draw(pool, options, &condition->row, drawn, err));
    CNA_TRY_CLEANUP(multiply(pool, set, circuits->n_circuits, options->sign, condition->multipliers, products, err));
    for (size_t i = 0; i < pool->n_targets; i++) {
        scales[i] = (cna_scale){drawn[i].layer, drawn[i].neuron, (float)products[i], options->positions};
    }
    CNA_TRY_CLEANUP(cna_tap_create(scales, pool->n_targets, info->n_layers, info->mlp_dim, out, err));
cleanup:
    cna_free(drawn);
    cna_free(products);
    cna_free(scales);
    return status;
}
