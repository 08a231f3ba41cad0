/* SPDX-License-Identifier: MIT
 * cna_attribute: prompts to token ids, one pass of the engine, measurements to circuits. The arithmetic is
 * in contrast.c, universal.c and select.c. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "engine/engine.h"
#include "method/canonical.h"
#include "method/contrast.h"
#include "method/resample.h"
#include "method/select.h"
#include "method/universal.h"

/* What is to be done, every default filled in. */
typedef struct plan {
    cna_preset preset;
    cna_selection selection;
    uint32_t first_layer, last_layer;
    bool with_universal;
    double threshold, share;
    cna_format format;
    char chat_options[512]; /* as in cna_circuit_info */
    char date[11]; /* "" where prompts depend on none; else format.date points here */
    bool chat;
} plan;

/* One attribution under way. */
typedef struct work {
    const cna_model *model;
    const cna_model_info *info;
    const plan *plan;
    cna_token_lists positive, negative, diverse;
    cna_token_list *lists; /* views: positive, negative, diverse */
    size_t n_lists;
    double *norms;            /* [mlp_dim] of the layer at hand */
    cna_neuron *neurons;      /* [chosen layers, mlp_dim] */
    cna_universal *universal; /* ? */
    cna_resample *resample;   /* ? */
} work;

/* ---- the plan ---- */

static cna_status plan_layers(const cna_attribute_options *options, const cna_model_info *info, plan *out,
                              cna_error *err)
{
    /* The reference code never looks at layers 0 and 1 (filter_infrastructure). */
    out->first_layer = options->preset == CNA_PRESET_NOUS ? 2 : 0;
    out->last_layer = info->n_layers - 1;
    if (options->choose_layers) {
        out->first_layer = options->first_layer;
        out->last_layer = options->last_layer;
    }
    if (out->first_layer <= out->last_layer && out->last_layer < info->n_layers) return CNA_OK;
    return cna_fail(err, CNA_ERR_ARG, "layers: expected a range within 0:%u, found %u:%u", info->n_layers - 1,
                    out->first_layer, out->last_layer);
}

static cna_status plan_selection(const cna_attribute_options *options, cna_selection *out, cna_error *err)
{
    if (options->k != 0 && options->fraction != 0) {
        return cna_fail(err, CNA_ERR_ARG, "expected a fraction or a number of neurons, found both");
    }
    *out = (cna_selection){options->score, options->k, options->fraction, options->per_layer};
    if (out->k == 0 && out->fraction == 0) {
        if (options->preset == CNA_PRESET_NOUS) {
            out->k = 200;
        } else {
            out->fraction = 0.001;
        }
    }
    if (out->k == 0 && !(out->fraction > 0 && out->fraction <= 1)) {
        return cna_fail(err, CNA_ERR_ARG, "fraction: expected above 0 and up to 1, found %g", out->fraction);
    }
    return CNA_OK;
}

static cna_status plan_format(const cna_attribute_options *options, const cna_tokenizer *tokenizer, plan *out,
                              cna_error *err)
{
    out->format = options->format;
    if (options->preset == CNA_PRESET_NOUS) out->format.double_bos = true;
    CNA_TRY(cna_canonical_format(tokenizer, &out->format, out->date, &out->chat, err));
    if (!out->chat) return CNA_OK;
    return cna_canonical_options(&out->format, "circuit", out->chat_options, sizeof out->chat_options, err);
}

static cna_status make_plan(const cna_model *model, const cna_attribute_options *options, plan *out,
                            cna_error *err)
{
    if (options->no_universal && options->with_universal) {
        return cna_fail(err, CNA_ERR_ARG, "expected no_universal or with_universal, found both");
    }
    out->preset = options->preset;
    out->with_universal =
        options->preset == CNA_PRESET_NOUS ? options->with_universal : !options->no_universal;
    out->threshold =
        options->universal_threshold == 0 ? CNA_UNIVERSAL_THRESHOLD : options->universal_threshold;
    out->share = options->universal_share == 0 ? CNA_UNIVERSAL_SHARE : options->universal_share;
    if (!(out->share > 0 && out->share <= 1)) {
        return cna_fail(err, CNA_ERR_ARG, "universal share: expected above 0 and up to 1, found %g",
                        out->share);
    }
    CNA_TRY(plan_selection(options, &out->selection, err));
    CNA_TRY(plan_layers(options, cna_model_get_info(model), out, err));
    return plan_format(options, cna_model_tokenizer(model), out, err);
}

/* ---- the prompts ---- */

static cna_status tokenize_diverse(work *w, const cna_prompts *given, cna_error *err)
{
    const cna_format raw = {.mode = CNA_FORMAT_RAW};
    cna_prompts *builtin = NULL;
    if (given == NULL) CNA_TRY(cna_universal_builtin(&builtin, err));
    cna_status status =
        cna_canonical_lists(w->model, given == NULL ? builtin : given, "universal", &raw, &w->diverse, err);
    cna_prompts_free(builtin);
    return status;
}

static cna_status gather_lists(work *w, cna_error *err)
{
    size_t n_positive = w->positive.n;
    size_t n_negative = w->negative.n;
    w->n_lists = n_positive + n_negative + w->diverse.n;
    CNA_TRY(cna_alloc(&w->lists, w->n_lists, sizeof *w->lists, "prompts", err));
    memcpy(w->lists, w->positive.items, n_positive * sizeof *w->lists);
    memcpy(w->lists + n_positive, w->negative.items, n_negative * sizeof *w->lists);
    if (w->diverse.n != 0) {
        memcpy(w->lists + n_positive + n_negative, w->diverse.items, w->diverse.n * sizeof *w->lists);
    }
    return CNA_OK;
}

/* ---- the pass ---- */

static cna_status on_layer(void *user, uint32_t layer, const float *h, cna_error *err)
{
    work *w = user;
    const plan *p = w->plan;
    uint32_t mlp_dim = w->info->mlp_dim;
    size_t n_contrast = w->positive.n + w->negative.n;
    if (w->universal != NULL) {
        CNA_TRY(cna_universal_add_layer(w->universal, layer, h + n_contrast * mlp_dim, err));
    }
    bool chosen = layer >= p->first_layer && layer <= p->last_layer;
    if (chosen) {
        CNA_TRY(cna_engine_down_norms(w->model, layer, w->norms, err));
        CNA_TRY(cna_contrast_layer(h, w->positive.n, w->negative.n, mlp_dim, w->norms, p->preset == CNA_PRESET_NOUS,
                                   layer, w->neurons + (size_t)(layer - p->first_layer) * mlp_dim, err));
    }
    if (w->resample == NULL) return CNA_OK;
    return cna_resample_layer(w->resample, layer, chosen ? h : NULL, w->norms, w->universal, p->share, err);
}

static cna_status plan_resample(work *w, const cna_attribute_options *options, cna_error *err)
{
    const plan *p = w->plan;
    uint32_t n_layers = p->last_layer - p->first_layer + 1;
    size_t n = (size_t)n_layers * w->info->mlp_dim;
    size_t k = p->selection.k != 0 ? p->selection.k : cna_select_count(p->selection.fraction, n);
    const cna_stability_plan stability = {
        .n_halvings = options->n_halvings, .seed = options->seed, .n_positive = w->positive.n,
        .n_negative = w->negative.n, .score = p->selection.score, .bf16_means = p->preset == CNA_PRESET_NOUS,
        .k = p->selection.per_layer ? cna_select_quota(k, n_layers) : k, .per_layer = p->selection.per_layer,
        .first_layer = p->first_layer, .n_layers = n_layers, .mlp_dim = w->info->mlp_dim,
    };
    if (options->n_halvings == 0 && options->n_shuffles == 0) return CNA_OK;
    return cna_resample_create(&stability, options->n_shuffles, &w->resample, err);
}

static cna_status run_pass(work *w, const cna_attribute_options *options, cna_error *err)
{
    const cna_model_info *info = w->info;
    size_t n_layers = w->plan->last_layer - w->plan->first_layer + 1;
    CNA_TRY(gather_lists(w, err));
    CNA_TRY(cna_alloc(&w->norms, info->mlp_dim, sizeof *w->norms, "column norms", err));
    CNA_TRY(cna_alloc(&w->neurons, n_layers * info->mlp_dim, sizeof *w->neurons, "measurements", err));
    if (w->diverse.n != 0) {
        CNA_TRY(cna_universal_create(w->diverse.n, info->n_layers, info->mlp_dim, w->plan->threshold,
                                     &w->universal, err));
    }
    CNA_TRY(plan_resample(w, options, err));
    return cna_engine_capture(w->model, w->lists, w->n_lists, &options->progress, NULL, on_layer, w, err);
}

/* ---- the circuit ---- */

/* "builtin", "none", or "file:" and the SHA-256 of the prompts' hashes one after the other, then the file's
 * name. */
static cna_status name_universal(const cna_attribute_options *options, bool with_universal,
                                 cna_circuit_info *info, cna_error *err)
{
    size_t size = sizeof info->universal_source;
    if (!with_universal || options->universal_prompts == NULL) {
        snprintf(info->universal_source, size, "%s", with_universal ? "builtin" : "none");
        return CNA_OK;
    }
    cna_sha256_text *hashes = NULL;
    size_t n = 0;
    char hash[65];
    cna_status status = cna_canonical_hashes(options->universal_prompts, &hashes, &n, err);
    if (status == CNA_OK) status = cna_sha256_hex(hashes, n * sizeof *hashes, hash, err);
    cna_free(hashes);
    if (status != CNA_OK) return status;
    const char *path = options->universal_name == NULL ? "" : options->universal_name;
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    snprintf(info->universal_source, size, "file:%s%s%.150s", hash, *name == '\0' ? "" : " ", name);
    return CNA_OK;
}

static void describe(const plan *p, const cna_selection *selection, const cna_model_info *model,
                     cna_circuit_info *info)
{
    snprintf(info->model_name, sizeof info->model_name, "%s", model->name);
    snprintf(info->architecture, sizeof info->architecture, "%s", model->architecture);
    cna_canonical_dtype(model, info->model_dtype);
    snprintf(info->fingerprint, sizeof info->fingerprint, "%s", model->fingerprint);
    info->n_layers = model->n_layers;
    info->mlp_dim = model->mlp_dim;
    info->hidden_dim = model->hidden_dim;
    info->preset = p->preset;
    info->score = selection->score;
    info->fraction = selection->k == 0 ? selection->fraction : 0;
    info->first_layer = p->first_layer;
    info->last_layer = p->last_layer;
    info->per_layer = selection->per_layer;
    info->universal_threshold = p->with_universal ? p->threshold : 0;
    info->universal_share = p->with_universal ? p->share : 0;
    snprintf(info->prompt_format, sizeof info->prompt_format, "%s", p->chat ? "chat" : "raw");
    snprintf(info->date, sizeof info->date, "%s", p->date);
    snprintf(info->chat_options, sizeof info->chat_options, "%s", p->chat_options);
}

/* Universal neurons outside the chosen layers are left out of nothing, so the circuit does not name them. */
static void keep_chosen_layers(const plan *p, cna_circuit *circuit)
{
    size_t n = 0;
    for (size_t i = 0; i < circuit->n_universal; i++) {
        uint32_t layer = circuit->universal[i].layer;
        if (layer >= p->first_layer && layer <= p->last_layer) circuit->universal[n++] = circuit->universal[i];
    }
    circuit->n_universal = n;
}

/* Scores are in descending order of size, so the first tells whether there is any difference at all. */
static cna_status check_difference(const cna_circuit *circuit, cna_score score, cna_error *err)
{
    const cna_neuron *first = &circuit->neurons[0];
    double largest = score == CNA_SCORE_D ? first->d : score == CNA_SCORE_WRITE ? first->write : first->delta;
    if (largest != 0) return CNA_OK;
    return cna_fail(err, CNA_ERR_MISMATCH,
                    "positive and negative prompts: expected some difference in activations, "
                    "found none; are the two files the same?");
}

static cna_status fill_circuit(const work *w, const cna_prompts *positive, const cna_prompts *negative,
                               const cna_attribute_options *options, const cna_selection *selection,
                               cna_circuit *circuit, cna_error *err)
{
    const plan *p = w->plan;
    uint32_t n_layers = p->last_layer - p->first_layer + 1;
    describe(p, selection, w->info, &circuit->info);
    circuit->info.has_delta = true;
    circuit->info.has_measures = true;
    CNA_TRY(name_universal(options, p->with_universal, &circuit->info, err));
    CNA_TRY(cna_canonical_hashes(positive, &circuit->positive, &circuit->info.n_positive, err));
    CNA_TRY(cna_canonical_hashes(negative, &circuit->negative, &circuit->info.n_negative, err));
    if (w->universal != NULL) {
        CNA_TRY(cna_universal_find(w->universal, p->share, &circuit->universal, &circuit->n_universal, err));
        keep_chosen_layers(p, circuit);
    }
    circuit->info.n_universal = circuit->n_universal;
    CNA_TRY(cna_select(w->neurons, (size_t)n_layers * w->info->mlp_dim, n_layers, circuit->universal,
                       circuit->n_universal, selection, &circuit->neurons, &circuit->n_neurons, err));
    CNA_TRY(check_difference(circuit, selection->score, err));
    return cna_circuit_finish(circuit, "attribution", err);
}

static cna_status make_circuit(const work *w, const cna_prompts *positive, const cna_prompts *negative,
                               const cna_attribute_options *options, const cna_ranking *ranking, cna_circuit **out,
                               cna_error *err)
{
    cna_selection selection = w->plan->selection;
    selection.score = ranking->score;
    selection.per_layer = ranking->per_layer;
    CNA_TRY(cna_circuit_create(out, err));
    return fill_circuit(w, positive, negative, options, &selection, *out, err);
}

static void free_work(work *w)
{
    cna_token_lists_free(&w->positive);
    cna_token_lists_free(&w->negative);
    cna_token_lists_free(&w->diverse);
    cna_free(w->lists);
    cna_free(w->norms);
    cna_free(w->neurons);
    cna_universal_free(w->universal);
    cna_resample_free(w->resample);
}

cna_status cna_attribute_rankings(const cna_model *model, const cna_prompts *positive, const cna_prompts *negative,
                                  const cna_attribute_options *options, const cna_ranking *rankings,
                                  size_t n_rankings, cna_circuit **out, cna_error *err)
{
    static const cna_attribute_options defaults;
    if (options == NULL) options = &defaults;
    cna_status status = CNA_OK;
    plan p = {0};
    work w = {.model = model, .info = cna_model_get_info(model), .plan = &p};
    for (size_t i = 0; i < n_rankings; i++) out[i] = NULL;
    if (n_rankings == 0) return cna_fail(err, CNA_ERR_ARG, "rankings: expected at least one, found none");
    CNA_TRY_CLEANUP(make_plan(model, options, &p, err));
    p.selection.score = rankings[0].score; /* statistics are the first one's */
    p.selection.per_layer = rankings[0].per_layer;
    CNA_TRY_CLEANUP(cna_canonical_lists(model, positive, "positive", &p.format, &w.positive, err));
    CNA_TRY_CLEANUP(cna_canonical_lists(model, negative, "negative", &p.format, &w.negative, err));
    if (p.with_universal) CNA_TRY_CLEANUP(tokenize_diverse(&w, options->universal_prompts, err));
    CNA_TRY_CLEANUP(run_pass(&w, options, err));
    for (size_t i = 0; i < n_rankings; i++)
        CNA_TRY_CLEANUP(make_circuit(&w, positive, negative, options, &rankings[i], &out[i], err));
    if (w.resample != NULL) {
        size_t n_neurons = (size_t)(p.last_layer - p.first_layer + 1) * w.info->mlp_dim;
        CNA_TRY_CLEANUP(cna_resample_finish(w.resample, w.neurons, n_neurons, out[0], err));
    }
cleanup:
    for (size_t i = 0; status != CNA_OK && i < n_rankings; i++) {
        cna_circuit_free(out[i]);
        out[i] = NULL;
    }
    free_work(&w);
    return status;
}

cna_status cna_attribute(const cna_model *model, const cna_prompts *positive, const cna_prompts *negative,
                         const cna_attribute_options *options, cna_circuit **out, cna_error *err)
{
    const cna_ranking ranking = {options != NULL ? options->score : CNA_SCORE_DELTA,
                                 options != NULL && options->per_layer};
    cna_circuit *circuit;
    CNA_TRY(cna_attribute_rankings(model, positive, negative, options, &ranking, 1, &circuit, err));
    *out = circuit;
    return CNA_OK;
}
