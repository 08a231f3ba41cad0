/* SPDX-License-Identifier: MIT
 * Laying out a sweep. */
#include "study/sweep_plan.h"

#include <math.h>
#include <string.h>

#include "method/canonical.h"
#include "method/contrast.h"
#include "method/control.h"
#include "method/intervene.h"
#include "method/universal.h"
#include "study/sweep_points.h"

enum { N_KINDS = 2 };

void cna_sweep_plan_clear(cna_sweep_plan *plan)
{
    for (int side = 0; side < 2; side++) cna_token_lists_free(&plan->prompts[side]);
    for (size_t i = 0; i < plan->n_taps; i++) cna_tap_free(plan->taps[i]);
    cna_free(plan->taps);
    cna_free(plan->multipliers);
    cna_free(plan->jobs);
    *plan = (cna_sweep_plan){0};
}

size_t cna_sweep_plan_first(const cna_sweep_plan *plan, cna_side side, size_t multiplier)
{
    size_t before = side == CNA_SIDE_BENIGN ? plan->n_multipliers * plan->prompts[CNA_SIDE_HARMFUL].n : 0;
    return before + multiplier * plan->prompts[side].n;
}

size_t cna_sweep_plan_control(const cna_sweep_plan *plan, cna_control_kind kind, size_t seed, size_t steered)
{
    size_t control = ((size_t)kind * plan->n_seeds + seed) * (plan->n_multipliers - 1) + steered;
    return plan->n_answers + control * plan->prompts[CNA_SIDE_HARMFUL].n;
}

/* ---- the neurons ---- */

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

static cna_status add_neurons(id_set *set, const cna_circuit *circuit, cna_sign sign, cna_error *err)
{
    cna_neuron_id *ids;
    size_t n;
    CNA_TRY(cna_intervene_neurons(circuit, sign, &ids, &n, err));
    cna_status status = add_ids(set, ids, n, err);
    cna_free(ids);
    return status;
}

/* targets: what is scaled. excluded: what a control may not be made of. */
static cna_status collect(const cna_sweep_options *options, id_set *targets, id_set *excluded, cna_error *err)
{
    for (size_t i = 0; i < options->n_circuits; i++) {
        const cna_circuit *circuit = options->circuits[i];
        CNA_TRY(add_neurons(targets, circuit, options->sign, err));
        CNA_TRY(add_neurons(excluded, circuit, CNA_SIGN_BOTH, err));
        CNA_TRY(add_ids(excluded, circuit->universal, circuit->n_universal, err));
    }
    targets->n = cna_neuron_ids_unique(targets->ids, targets->n);
    excluded->n = cna_neuron_ids_unique(excluded->ids, excluded->n);
    return CNA_OK;
}

/* ---- universal neurons ---- */

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

static cna_status exclude_universal(const cna_model *model, const cna_sweep_options *options,
                                    id_set *excluded, cna_error *err)
{
    for (size_t i = 0; i < options->n_circuits; i++) {
        if (!lists_universal(options->circuits[i]))
            return find_universal(model, &options->progress, excluded, err);
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

/* ---- taps ---- */

/* A new tap in the plan, which has room for it. */
static cna_status add_tap(cna_sweep_plan *plan, const cna_scale *scales, size_t n, const cna_model_info *info,
                          cna_error *err)
{
    CNA_TRY(cna_tap_create(scales, n, info->n_layers, info->mlp_dim, &plan->taps[plan->n_taps], err));
    plan->n_taps++;
    return CNA_OK;
}

/* The circuits together at one multiplier. */
static cna_status add_circuit_tap(cna_sweep_plan *plan, const cna_sweep_options *options, double multiplier,
                                  const cna_model_info *info, cna_error *err)
{
    cna_intervention *all;
    CNA_TRY(cna_alloc(&all, options->n_circuits, sizeof *all, "interventions", err));
    for (size_t i = 0; i < options->n_circuits; i++) {
        all[i] = (cna_intervention){options->circuits[i], multiplier, options->positions, options->sign};
    }
    cna_scale *scales = NULL;
    size_t n_scales = 0;
    cna_status status = cna_intervene_scales(all, options->n_circuits, info->n_layers, info->mlp_dim, &scales,
                                             &n_scales, err);
    if (status == CNA_OK) status = add_tap(plan, scales, n_scales, info, err);
    cna_free(scales);
    cna_free(all);
    return status;
}

/* One drawn circuit at every multiplier other than 1.
 *   scales  [n] scratch */
static cna_status add_control_taps(cna_sweep_plan *plan, const cna_sweep_options *options,
                                   const cna_neuron_id *ids, size_t n, cna_scale *scales,
                                   const cna_model_info *info, cna_error *err)
{
    for (size_t m = 0; m < plan->n_multipliers; m++) {
        if (m == plan->base) continue;
        for (size_t i = 0; i < n; i++) {
            scales[i] =
                (cna_scale){ids[i].layer, ids[i].neuron, (float)plan->multipliers[m], options->positions};
        }
        CNA_TRY(add_tap(plan, scales, n, info, err));
    }
    return CNA_OK;
}

static cna_status draw_all(cna_sweep_plan *plan, const cna_sweep_options *options,
                           const cna_control_pool *pool, size_t n_targets, const cna_model_info *info,
                           cna_error *err)
{
    cna_neuron_id *drawn = NULL;
    cna_scale *scales = NULL;
    cna_status status = cna_alloc(&drawn, n_targets, sizeof *drawn, "controls", err);
    if (status == CNA_OK) status = cna_alloc(&scales, n_targets, sizeof *scales, "controls", err);
    for (int kind = 0; status == CNA_OK && kind < N_KINDS; kind++) {
        for (size_t seed = 0; status == CNA_OK && seed < plan->n_seeds; seed++) {
            status = cna_control_draw(pool, (cna_control_kind)kind, options->seed, seed, drawn, err);
            if (status == CNA_OK)
                status = add_control_taps(plan, options, drawn, n_targets, scales, info, err);
        }
    }
    cna_free(drawn);
    cna_free(scales);
    return status;
}

static cna_status add_controls(cna_sweep_plan *plan, const cna_model *model, const cna_sweep_options *options,
                               const id_set *targets, id_set *excluded, cna_error *err)
{
    const cna_model_info *info = cna_model_get_info(model);
    double *strength = NULL;
    cna_control_pool *pool = NULL;
    cna_status status = CNA_OK;
    CNA_TRY_CLEANUP(exclude_universal(model, options, excluded, err));
    CNA_TRY_CLEANUP(measure_strengths(model, &plan->prompts[CNA_SIDE_HARMFUL], targets, &options->progress,
                                      &strength, err));
    CNA_TRY_CLEANUP(cna_control_pool_create(targets->ids, targets->n, excluded->ids, excluded->n,
                                            info->n_layers, info->mlp_dim, strength, &pool, err));
    CNA_TRY_CLEANUP(draw_all(plan, options, pool, targets->n, info, err));
cleanup:
    cna_control_pool_free(pool);
    cna_free(strength);
    return status;
}

/* Taps in the order: circuits at each multiplier other than 1; then kind, seed, multiplier. */
static cna_status make_taps(cna_sweep_plan *plan, const cna_model *model, const cna_sweep_options *options,
                            const id_set *targets, id_set *excluded, cna_error *err)
{
    size_t n_steered = plan->n_multipliers - 1;
    /* Without a neuron to scale, or a multiplier that does, a control would be the untouched model. */
    if (!options->no_controls && targets->n != 0 && n_steered != 0) {
        plan->n_seeds = options->n_controls == 0 ? 20 : options->n_controls;
    }
    size_t n_taps = n_steered * (1 + N_KINDS * plan->n_seeds);
    CNA_TRY(cna_alloc(&plan->taps, n_taps, sizeof(cna_tap *), "taps", err));
    for (size_t m = 0; m < plan->n_multipliers; m++) {
        if (m == plan->base) continue;
        CNA_TRY(add_circuit_tap(plan, options, plan->multipliers[m], cna_model_get_info(model), err));
    }
    return plan->n_seeds == 0 ? CNA_OK : add_controls(plan, model, options, targets, excluded, err);
}

/* ---- jobs ---- */

static void add_jobs(cna_sweep_plan *plan, const cna_token_lists *prompts, const cna_tap *tap)
{
    for (size_t i = 0; i < prompts->n; i++) {
        plan->jobs[plan->n_jobs++] =
            (cna_job){.prompt_ids = prompts->items[i].ids, .n_prompt_ids = prompts->items[i].n, .tap = tap};
    }
}

static cna_status make_jobs(cna_sweep_plan *plan, cna_error *err)
{
    size_t n_harmful = plan->prompts[CNA_SIDE_HARMFUL].n;
    size_t n_steered = plan->n_multipliers - 1;
    plan->n_answers = plan->n_multipliers * (n_harmful + plan->prompts[CNA_SIDE_BENIGN].n);
    size_t n_jobs = plan->n_answers + N_KINDS * plan->n_seeds * n_steered * n_harmful;
    CNA_TRY(cna_alloc(&plan->jobs, n_jobs, sizeof *plan->jobs, "jobs", err));
    for (int side = 0; side < 2; side++) {
        for (size_t m = 0; m < plan->n_multipliers; m++) {
            size_t tap = m < plan->base ? m : m - 1;
            add_jobs(plan, &plan->prompts[side], m == plan->base ? NULL : plan->taps[tap]);
        }
    }
    for (size_t tap = n_steered; tap < plan->n_taps; tap++) {
        add_jobs(plan, &plan->prompts[CNA_SIDE_HARMFUL], plan->taps[tap]);
    }
    return CNA_OK;
}

static cna_status tokenize(const cna_model *model, const cna_prompts *prompts, const cna_format *format,
                           const char *side, cna_token_lists *out, cna_error *err)
{
    if (cna_prompts_count(prompts) == 0) {
        return cna_fail(err, CNA_ERR_ARG, "%s prompts: expected at least one, found none", side);
    }
    cna_status status = cna_prompts_tokenize(prompts, cna_model_tokenizer(model), format,
                                             cna_model_get_info(model)->vocab_size, out, err);
    return status == CNA_OK ? CNA_OK : cna_fail_prefix(err, status, side);
}

cna_status cna_sweep_plan_make(const cna_model *model, const cna_prompts *prompts,
                               const cna_sweep_options *options, cna_sweep_plan *plan, cna_error *err)
{
    const cna_model_info *info = cna_model_get_info(model);
    if (options->n_circuits == 0)
        return cna_fail(err, CNA_ERR_ARG, "sweep: expected at least one circuit, found none");
    for (size_t i = 0; i < options->n_circuits; i++) {
        CNA_TRY(cna_circuit_check_shape(options->circuits[i], info->n_layers, info->mlp_dim, err));
    }
    CNA_TRY(cna_sweep_multipliers(options->multipliers, options->n_multipliers, &plan->multipliers,
                                  &plan->n_multipliers, &plan->base, err));
    CNA_TRY(tokenize(model, prompts, &options->format, "harmful", &plan->prompts[CNA_SIDE_HARMFUL], err));
    if (options->benign != NULL) {
        CNA_TRY(tokenize(model, options->benign, &options->format, "benign", &plan->prompts[CNA_SIDE_BENIGN],
                         err));
    }
    id_set targets = {0};
    id_set excluded = {0};
    cna_status status = collect(options, &targets, &excluded, err);
    if (status == CNA_OK) status = make_taps(plan, model, options, &targets, &excluded, err);
    if (status == CNA_OK) status = make_jobs(plan, err);
    cna_free(targets.ids);
    cna_free(excluded.ids);
    return status;
}
