/* SPDX-License-Identifier: MIT
 * Laying out a sweep. */
#include "study/sweep_plan.h"

#include "method/intervene.h"
#include "study/sweep_controls.h"

void cna_sweep_plan_clear(cna_sweep_plan *plan)
{
    size_t n_taps = plan->conditions.n * plan->n_variants;
    for (int side = 0; side < 2; side++) {
        cna_token_lists_free(&plan->prompts[side]);
        cna_free(plan->variant[side]);
    }
    for (size_t i = 0; plan->taps != NULL && i < n_taps; i++) cna_tap_free(plan->taps[i]);
    for (size_t i = 0; plan->shifts != NULL && i < n_taps; i++) cna_caa_shifts_clear(&plan->shifts[i]);
    cna_free(plan->taps);
    cna_free(plan->shifts);
    cna_sweep_conditions_clear(&plan->conditions);
    cna_sweep_circuits_clear(&plan->circuits);
    cna_folds_clear(&plan->folds);
    *plan = (cna_sweep_plan){0};
}

const cna_tap *cna_sweep_plan_tap(const cna_sweep_plan *plan, size_t condition, cna_side side, size_t prompt)
{
    return plan->taps[condition * plan->n_variants + plan->variant[side][prompt]];
}

cna_job cna_sweep_plan_job(const cna_sweep_plan *plan, size_t condition, cna_side side, size_t prompt)
{
    const cna_token_list *list = &plan->prompts[side].items[prompt];
    return (cna_job){.prompt_ids = list->ids, .n_prompt_ids = list->n,
                     .tap = cna_sweep_plan_tap(plan, condition, side, prompt)};
}

bool cna_sweep_plan_is_control(const cna_sweep_plan *plan, size_t condition)
{
    return plan->conditions.items[condition].row.method == CNA_RUN_CONTROL;
}

bool cna_sweep_plan_is_asked(const cna_sweep_plan *plan, size_t condition, cna_side side)
{
    return side == CNA_SIDE_HARMFUL || !cna_sweep_plan_is_control(plan, condition);
}

size_t cna_sweep_plan_n_answers(const cna_sweep_plan *plan)
{
    size_t n = 0;
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < plan->conditions.n; i++) {
            if (cna_sweep_plan_is_asked(plan, i, (cna_side)side)) n += plan->prompts[side].n;
        }
    }
    return n;
}

/* ---- layout ---- */

/* Vectors that are given. *layer is their layer where there is one alone. */
static cna_status check_vectors(const cna_sweep_options *options, const cna_model_info *info, int64_t *layer,
                                cna_error *err)
{
    const cna_caa *caa = options->caa_vectors;
    if (options->cross_fit != 0) {
        return cna_fail(err, CNA_ERR_ARG, "cross-fit: expected vectors to be found for each fold, found some given");
    }
    if (caa->info.n_vectors == 1) *layer = caa->layers[0];
    return cna_caa_check_shape(caa, info, err);
}

static cna_status check_caa(const cna_sweep_options *options, const cna_model_info *info, int64_t *layer,
                            cna_error *err)
{
    *layer = -1;
    if (options->alphas.n == 0) return CNA_OK;
    if (options->caa_vectors != NULL) return check_vectors(options, info, layer, err);
    if (options->positive == NULL || options->negative == NULL) {
        return cna_fail(err, CNA_ERR_ARG, "CAA: expected positive and negative prompts for its vectors, found none");
    }
    if (options->caa == CNA_CAA_RESIDUAL) {
        *layer = options->choose_caa_layer ? options->caa_layer : info->n_layers / 2;
    } else if (options->choose_caa_layer) {
        return cna_fail(err, CNA_ERR_ARG, "CAA of MLP outputs: expected no layer, as all are used, found %u",
                        options->caa_layer);
    }
    return CNA_OK;
}

/* Cross-fit replaces one circuit, by the way in which its file says it was found. */
static cna_status make_folds(const cna_model *model, const cna_sweep_options *options, cna_sweep_plan *plan,
                             cna_error *err)
{
    cna_attribute_options unused;
    plan->n_variants = 1 + options->cross_fit;
    if (options->cross_fit == 0) return CNA_OK;
    CNA_TRY(cna_folds_make(options->positive, options->negative, options->cross_fit, &plan->folds, err));
    if (options->n_circuits > 1) {
        return cna_fail(err, CNA_ERR_ARG, "cross-fit: expected one circuit, found %zu", options->n_circuits);
    }
    if (options->n_circuits == 0) return CNA_OK;
    return cna_folds_attribution(options->circuits[0], model, options->positive, options->negative, &options->format,
                                 &unused, err);
}

static cna_status assign_variants(cna_sweep_plan *plan, cna_error *err)
{
    for (int side = 0; side < 2; side++) {
        size_t n = plan->given[side] == NULL ? 0 : cna_prompts_count(plan->given[side]);
        CNA_TRY(cna_alloc(&plan->variant[side], n, sizeof *plan->variant[side], "folds", err));
        for (size_t i = 0; i < n && plan->folds.n != 0; i++) {
            char hash[65];
            CNA_TRY(cna_prompts_sha256(plan->given[side], i, hash, err));
            plan->variant[side][i] = cna_folds_find(&plan->folds, hash);
        }
    }
    return CNA_OK;
}

cna_status cna_sweep_plan_make(const cna_model *model, const cna_prompts *prompts, const cna_sweep_options *options,
                               cna_sweep_plan *plan, cna_error *err)
{
    const cna_model_info *info = cna_model_get_info(model);
    int64_t layer;
    plan->given[CNA_SIDE_HARMFUL] = prompts;
    plan->given[CNA_SIDE_BENIGN] = options->benign;
    for (size_t i = 0; i < options->n_circuits; i++) {
        CNA_TRY(cna_circuit_check_shape(options->circuits[i], info->n_layers, info->mlp_dim, err));
    }
    CNA_TRY(check_caa(options, info, &layer, err));
    CNA_TRY(make_folds(model, options, plan, err));
    CNA_TRY(cna_sweep_circuits_make(options, &plan->circuits, err));
    CNA_TRY(cna_sweep_conditions_make(options, &plan->circuits, layer, &plan->conditions, err));
    return assign_variants(plan, err);
}

cna_status cna_sweep_plan_tokenize(const cna_model *model, const cna_format *format, cna_sweep_plan *plan,
                                   cna_error *err)
{
    static const char *const sides[] = {"harmful", "benign"};
    for (int side = 0; side < 2; side++) {
        if (plan->given[side] == NULL) continue;
        if (cna_prompts_count(plan->given[side]) == 0) {
            return cna_fail(err, CNA_ERR_ARG, "%s prompts: expected at least one, found none", sides[side]);
        }
        cna_status status = cna_prompts_tokenize(plan->given[side], cna_model_tokenizer(model), format,
                                                 cna_model_get_info(model)->vocab_size, &plan->prompts[side], err);
        if (status != CNA_OK) return cna_fail_prefix(err, status, sides[side]);
    }
    return CNA_OK;
}

/* ---- taps ---- */

/* What taps are made from. */
typedef struct work {
    const cna_model *model;
    const cna_sweep_options *options;
    const cna_format *format;
    cna_sweep_plan *plan;
    bool *variants;              /* [n_variants] some prompt is run with it */
    bool methods[CNA_RUN_CONTROL + 1]; /* some wanted condition is of it */
    cna_sweep_controls controls;
    cna_caa **caa;               /* ? [n_variants] that were found */
} work;

static cna_status find_wanted(work *w, const bool *wanted, cna_error *err)
{
    const cna_sweep_plan *plan = w->plan;
    CNA_TRY(cna_alloc(&w->variants, plan->n_variants, sizeof *w->variants, "folds", err));
    w->variants[0] = true; /* a text's perplexity is of no fold */
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < plan->prompts[side].n; i++) w->variants[plan->variant[side][i]] = true;
    }
    for (size_t i = 0; i < plan->conditions.n; i++) {
        if (wanted[i]) w->methods[plan->conditions.items[i].row.method] = true;
    }
    return CNA_OK;
}

/* The discovery prompts without a fold; all of them for fold 0. */
typedef struct contrast {
    const cna_prompts *positive, *negative;
    cna_prompts *owned[2];
} contrast;

static cna_status make_contrast(const work *w, size_t fold, contrast *out, cna_error *err)
{
    *out = (contrast){.positive = w->options->positive, .negative = w->options->negative};
    if (fold == 0) return CNA_OK;
    CNA_TRY(cna_folds_without(&w->plan->folds, w->options->positive, fold, &out->owned[0], err));
    CNA_TRY(cna_folds_without(&w->plan->folds, w->options->negative, fold, &out->owned[1], err));
    out->positive = out->owned[0];
    out->negative = out->owned[1];
    return CNA_OK;
}

static void clear_contrast(contrast *c)
{
    cna_prompts_free(c->owned[0]);
    cna_prompts_free(c->owned[1]);
}

static cna_status attribute_fold(work *w, size_t fold, cna_circuit **out, cna_error *err)
{
    const cna_sweep_options *options = w->options;
    cna_attribute_options how;
    contrast rest = {0};
    CNA_TRY(cna_folds_attribution(options->circuits[0], w->model, options->positive, options->negative, w->format, &how,
                                  err));
    how.progress = options->progress;
    cna_status status = make_contrast(w, fold, &rest, err);
    if (status == CNA_OK) status = cna_attribute(w->model, rest.positive, rest.negative, &how, out, err);
    clear_contrast(&rest);
    return status;
}

/* Every fold has its circuit, whether or not a prompt of it is run, so that a run's record of them is complete. */
static cna_status find_circuits(work *w, cna_sweep_circuit_fn *on_circuit, void *user, cna_error *err)
{
    if (w->options->n_circuits == 0) return CNA_OK;
    for (size_t fold = 1; fold < w->plan->n_variants; fold++) {
        cna_circuit *circuit;
        CNA_TRY(attribute_fold(w, fold, &circuit, err));
        CNA_TRY(cna_sweep_circuits_add(&w->plan->circuits, circuit, err));
        if (on_circuit != NULL) CNA_TRY(on_circuit(user, fold, circuit, err));
    }
    return CNA_OK;
}

static cna_status find_vectors(work *w, cna_error *err)
{
    const cna_sweep_options *options = w->options;
    const cna_caa_options how = {.site = options->caa, .choose_layer = options->choose_caa_layer,
                                 .layer = options->caa_layer, .format = *w->format, .progress = options->progress};
    if (options->caa_vectors != NULL) return CNA_OK;
    CNA_TRY(cna_alloc(&w->caa, w->plan->n_variants, sizeof *w->caa, "CAA vectors", err));
    for (size_t fold = 0; fold < w->plan->n_variants; fold++) {
        contrast rest = {0};
        if (!w->variants[fold]) continue;
        cna_status status = make_contrast(w, fold, &rest, err);
        if (status == CNA_OK) {
            status = cna_caa_find(w->model, rest.positive, rest.negative, &how, &w->caa[fold], err);
        }
        clear_contrast(&rest);
        CNA_TRY(status);
    }
    return CNA_OK;
}

static cna_status make_circuit_tap(const work *w, const cna_sweep_condition *condition, size_t variant, cna_tap **out,
                                   cna_error *err)
{
    const cna_model_info *info = cna_model_get_info(w->model);
    const cna_sweep_circuits *circuits = &w->plan->circuits;
    const cna_circuit *const *set = cna_sweep_circuits_set(circuits, variant, condition->cut);
    cna_intervention *all;
    cna_scale *scales = NULL;
    size_t n_scales = 0;
    CNA_TRY(cna_alloc(&all, circuits->n_circuits, sizeof *all, "interventions", err));
    for (size_t i = 0; i < circuits->n_circuits; i++) {
        all[i] = (cna_intervention){set[i], condition->multipliers[i], w->options->positions, w->options->sign};
    }
    cna_status status = cna_intervene_scales(all, circuits->n_circuits, info->n_layers, info->mlp_dim, &scales,
                                             &n_scales, err);
    if (status == CNA_OK) status = cna_tap_create(scales, n_scales, info->n_layers, info->mlp_dim, out, err);
    cna_free(scales);
    cna_free(all);
    return status;
}

static cna_status make_caa_tap(const work *w, const cna_sweep_condition *condition, size_t variant,
                               cna_caa_shifts *shifts, cna_tap **out, cna_error *err)
{
    const cna_model_info *info = cna_model_get_info(w->model);
    const cna_caa *caa = w->options->caa_vectors != NULL ? w->options->caa_vectors : w->caa[variant];
    CNA_TRY(cna_caa_shifts_create(caa, condition->row.alpha, w->options->positions, shifts, err));
    CNA_TRY(cna_tap_create(NULL, 0, info->n_layers, info->mlp_dim, out, err));
    for (size_t i = 0; i < shifts->n; i++) CNA_TRY(cna_tap_add_shift(*out, &shifts->items[i], err));
    return CNA_OK;
}

static cna_status make_tap(work *w, size_t i, size_t variant, cna_error *err)
{
    cna_sweep_plan *plan = w->plan;
    const cna_sweep_condition *condition = &plan->conditions.items[i];
    size_t at = i * plan->n_variants + variant;
    switch (condition->row.method) {
    case CNA_RUN_NONE:
        return CNA_OK;
    case CNA_RUN_CNA:
        return make_circuit_tap(w, condition, variant, &plan->taps[at], err);
    case CNA_RUN_CAA:
        return make_caa_tap(w, condition, variant, &plan->shifts[at], &plan->taps[at], err);
    case CNA_RUN_CONTROL:
        return cna_sweep_control_tap(&w->controls, w->options, &plan->circuits, variant, condition,
                                     cna_model_get_info(w->model), &plan->taps[at], err);
    }
    return CNA_OK;
}

static cna_status make_taps(work *w, const bool *wanted, cna_error *err)
{
    cna_sweep_plan *plan = w->plan;
    size_t n = plan->conditions.n * plan->n_variants;
    CNA_TRY(cna_alloc(&plan->taps, n, sizeof(cna_tap *), "taps", err));
    CNA_TRY(cna_alloc(&plan->shifts, n, sizeof *plan->shifts, "taps", err));
    for (size_t i = 0; i < plan->conditions.n; i++) {
        for (size_t variant = 0; wanted[i] && variant < plan->n_variants; variant++) {
            if (w->variants[variant]) CNA_TRY(make_tap(w, i, variant, err));
        }
    }
    return CNA_OK;
}

cna_status cna_sweep_plan_taps(const cna_model *model, const cna_sweep_options *options, const cna_format *format,
                               const bool *wanted, cna_sweep_circuit_fn *on_circuit, void *user, cna_sweep_plan *plan,
                               cna_error *err)
{
    work w = {.model = model, .options = options, .format = format, .plan = plan};
    cna_status status;
    CNA_TRY_CLEANUP(find_wanted(&w, wanted, err));
    if (w.methods[CNA_RUN_CNA] || w.methods[CNA_RUN_CONTROL]) CNA_TRY_CLEANUP(find_circuits(&w, on_circuit, user, err));
    if (w.methods[CNA_RUN_CAA]) CNA_TRY_CLEANUP(find_vectors(&w, err));
    if (w.methods[CNA_RUN_CONTROL]) {
        CNA_TRY_CLEANUP(cna_sweep_controls_make(model, options, &plan->circuits, w.variants,
                                                &plan->prompts[CNA_SIDE_HARMFUL], &w.controls, err));
    }
    CNA_TRY_CLEANUP(make_taps(&w, wanted, err));
cleanup:
    cna_sweep_controls_clear(&w.controls);
    for (size_t i = 0; w.caa != NULL && i < plan->n_variants; i++) cna_caa_free(w.caa[i]);
    cna_free(w.caa);
    cna_free(w.variants);
    return status;
}
