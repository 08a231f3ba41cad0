/* SPDX-License-Identifier: MIT
 * CAA vectors: two sets of prompts through one capture, layer by layer to means and their difference. */
#include "method/caa.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "checkpoint/family.h"
#include "engine/engine.h"
#include "method/canonical.h"

const char *const cna_caa_site_names[] = {"mlp", "residual", NULL};
const char *const cna_caa_hook_names[] = {"mlp.output", "layer.output", NULL};

/* ---- finding ---- */

/* One search under way. */
typedef struct work {
    cna_token_lists positive, negative;
    cna_token_list *lists; /* views: positive, then negative */
    double *sums;          /* [2, hidden_dim] */
    cna_caa *caa;
} work;

static cna_status check_finite(const float *a, size_t n_rows, uint32_t dim, uint32_t layer, cna_error *err)
{
    for (size_t i = 0; i < n_rows * dim; i++) {
        if (isfinite(a[i])) continue;
        return cna_fail(err, CNA_ERR_FORMAT,
                        "layer %u, component %zu: expected a finite activation, found %g; are the model's weights "
                        "whole?", layer, i % dim, (double)a[i]);
    }
    return CNA_OK;
}

/* sum[i] = sum over rows, in their order, of a[row, i]. */
static void add_rows(const float *a, size_t n_rows, uint32_t dim, double *sum)
{
    memset(sum, 0, dim * sizeof *sum);
    for (size_t row = 0; row < n_rows; row++) {
        for (uint32_t i = 0; i < dim; i++) sum[i] += (double)a[row * dim + i];
    }
}

static cna_status on_layer(void *user, uint32_t layer, const cna_captured *rows, cna_error *err)
{
    work *w = user;
    const cna_caa_info *info = &w->caa->info;
    uint32_t first = w->caa->layers[0];
    if (layer < first || layer - first >= info->n_vectors) return CNA_OK;
    const float *a = info->site == CNA_CAA_MLP ? rows->mlp_output : rows->residual;
    uint32_t dim = info->hidden_dim;
    double *positive = w->sums, *negative = w->sums + dim;
    float *v = w->caa->vectors + (size_t)(layer - first) * dim;
    CNA_TRY(check_finite(a, info->n_positive + info->n_negative, dim, layer, err));
    add_rows(a, info->n_positive, dim, positive);
    add_rows(a + info->n_positive * dim, info->n_negative, dim, negative);
    for (uint32_t i = 0; i < dim; i++) {
        v[i] = (float)(positive[i] / (double)info->n_positive - negative[i] / (double)info->n_negative);
    }
    return CNA_OK;
}

/* Which layers have a vector: *n from *first on. */
static cna_status choose_layers(const cna_caa_options *options, uint32_t n_layers, uint32_t *first, uint32_t *n,
                                cna_error *err)
{
    bool all = options->site == CNA_CAA_MLP;
    *first = all ? 0 : n_layers / 2;
    *n = all ? n_layers : 1;
    if (!options->choose_layer) return CNA_OK;
    *first = options->layer;
    *n = options->n_layers == 0 ? 1 : options->n_layers;
    if (*first < n_layers && *n <= n_layers - *first) return CNA_OK;
    return cna_fail(err, CNA_ERR_ARG, "CAA: expected layers from 0 to %u, found %u to %llu", n_layers - 1, *first,
                    (unsigned long long)*first + *n - 1);
}

static void describe(const cna_model_info *model, const cna_caa_options *options, cna_caa_info *info)
{
    info->site = options->site;
    info->n_layers = model->n_layers;
    info->hidden_dim = model->hidden_dim;
    snprintf(info->model_name, sizeof info->model_name, "%s", model->name);
    snprintf(info->architecture, sizeof info->architecture, "%s", model->architecture);
    snprintf(info->fingerprint, sizeof info->fingerprint, "%s", model->fingerprint);
    snprintf(info->version, sizeof info->version, "%s", CNA_VERSION);
    snprintf(info->definition, sizeof info->definition, "%s", "mean(positive) - mean(negative), last prompt token");
    snprintf(info->normalisation, sizeof info->normalisation, "%s", "none");
    cna_canonical_dtype(model, info->model_dtype);
}

/* The prompts as token ids, and what is stated of them. */
static cna_status read_prompts(const cna_model *model, const cna_prompts *positive, const cna_prompts *negative,
                               const cna_caa_options *options, work *w, cna_error *err)
{
    cna_caa *caa = w->caa;
    cna_caa_info *info = &caa->info;
    cna_format format = options->format;
    bool chat;
    CNA_TRY(cna_canonical_format(cna_model_tokenizer(model), &format, info->date, &chat, err));
    snprintf(info->prompt_format, sizeof info->prompt_format, "%s", chat ? "chat" : "raw");
    if (chat) CNA_TRY(cna_canonical_options(&format, "vector", info->chat_options, sizeof info->chat_options, err));
    CNA_TRY(cna_canonical_lists(model, positive, "positive", &format, &w->positive, err));
    CNA_TRY(cna_canonical_lists(model, negative, "negative", &format, &w->negative, err));
    CNA_TRY(cna_canonical_hashes(positive, &caa->positive, &info->n_positive, err));
    CNA_TRY(cna_canonical_hashes(negative, &caa->negative, &info->n_negative, err));
    CNA_TRY(cna_alloc(&w->lists, w->positive.n + w->negative.n, sizeof *w->lists, "prompts", err));
    memcpy(w->lists, w->positive.items, w->positive.n * sizeof *w->lists);
    memcpy(w->lists + w->positive.n, w->negative.items, w->negative.n * sizeof *w->lists);
    return CNA_OK;
}

/* Everything about the vectors that is known before the pass, and room for them. */
static cna_status prepare(const cna_model *model, const cna_prompts *positive, const cna_prompts *negative,
                          const cna_caa_options *options, work *w, cna_error *err)
{
    const cna_model_info *shape = cna_model_get_info(model);
    cna_caa *caa = w->caa;
    uint32_t first, n;
    CNA_TRY(choose_layers(options, shape->n_layers, &first, &n, err));
    describe(shape, options, &caa->info);
    CNA_TRY(read_prompts(model, positive, negative, options, w, err));
    CNA_TRY(cna_alloc(&w->sums, 2 * (size_t)shape->hidden_dim, sizeof *w->sums, "CAA vectors", err));
    CNA_TRY(cna_alloc(&caa->layers, n, sizeof *caa->layers, "CAA vectors", err));
    CNA_TRY(cna_alloc(&caa->vectors, (size_t)n * shape->hidden_dim, sizeof *caa->vectors, "CAA vectors", err));
    for (uint32_t i = 0; i < n; i++) caa->layers[i] = first + i;
    caa->info.n_vectors = n;
    return CNA_OK;
}

static cna_status check_difference(const cna_caa *caa, cna_error *err)
{
    size_t n = (size_t)caa->info.n_vectors * caa->info.hidden_dim;
    for (size_t i = 0; i < n; i++) {
        if (caa->vectors[i] != 0) return CNA_OK;
    }
    return cna_fail(err, CNA_ERR_MISMATCH, "positive and negative prompts: expected some difference in activations, "
                    "found none; are the two files the same?");
}

cna_status cna_caa_find(const cna_model *model, const cna_prompts *positive, const cna_prompts *negative,
                        const cna_caa_options *options, cna_caa **out, cna_error *err)
{
    static const cna_caa_options defaults;
    if (options == NULL) options = &defaults;
    unsigned kind = options->site == CNA_CAA_MLP ? CNA_CAPTURE_MLP_OUTPUT : CNA_CAPTURE_RESIDUAL;
    work w = {0};
    cna_status status;
    CNA_TRY_CLEANUP(cna_alloc(&w.caa, 1, sizeof *w.caa, "CAA vectors", err));
    CNA_TRY_CLEANUP(prepare(model, positive, negative, options, &w, err));
    CNA_TRY_CLEANUP(cna_engine_capture_rows(model, w.lists, w.positive.n + w.negative.n, kind, &options->progress, NULL,
                                            on_layer, &w, err));
    CNA_TRY_CLEANUP(check_difference(w.caa, err));
    *out = w.caa;
    w.caa = NULL;
cleanup:
    cna_caa_free(w.caa);
    cna_token_lists_free(&w.positive);
    cna_token_lists_free(&w.negative);
    cna_free(w.lists);
    cna_free(w.sums);
    return status;
}

void cna_caa_free(cna_caa *caa)
{
    if (caa == NULL) return;
    cna_free(caa->layers);
    cna_free(caa->vectors);
    cna_free(caa->positive);
    cna_free(caa->negative);
    cna_free(caa);
}

const cna_caa_info *cna_caa_get_info(const cna_caa *caa)
{
    return &caa->info;
}

const uint32_t *cna_caa_layers(const cna_caa *caa)
{
    return caa->layers;
}

const float *cna_caa_vectors(const cna_caa *caa)
{
    return caa->vectors;
}

/* ---- adding ---- */

static cna_status fill_shifts(const cna_caa *caa, double alpha, cna_positions positions, cna_caa_shifts *out,
                              cna_error *err)
{
    size_t n = caa->info.n_vectors, dim = caa->info.hidden_dim;
    CNA_TRY(cna_alloc(&out->items, n, sizeof *out->items, "CAA shifts", err));
    CNA_TRY(cna_alloc(&out->vectors, n * dim, sizeof *out->vectors, "CAA shifts", err));
    for (size_t i = 0; i < n * dim; i++) {
        out->vectors[i] = (float)(alpha * (double)caa->vectors[i]);
        if (isfinite(out->vectors[i])) continue;
        return cna_fail(err, CNA_ERR_ARG, "alpha: expected one whose product with the vectors is finite, found %g",
                        alpha);
    }
    for (size_t i = 0; i < n; i++) out->items[i] = (cna_shift){caa->layers[i], out->vectors + i * dim, positions};
    out->n = n;
    return CNA_OK;
}

cna_status cna_caa_shifts_create(const cna_caa *caa, double alpha, cna_positions positions, cna_caa_shifts *out,
                                 cna_error *err)
{
    *out = (cna_caa_shifts){0};
    if (!isfinite(alpha)) return cna_fail(err, CNA_ERR_ARG, "alpha: expected a finite number, found %g", alpha);
    if (alpha == 0) return CNA_OK;
    cna_status status = fill_shifts(caa, alpha, positions, out, err);
    if (status != CNA_OK) cna_caa_shifts_clear(out);
    return status;
}

void cna_caa_shifts_clear(cna_caa_shifts *shifts)
{
    cna_free(shifts->items);
    cna_free(shifts->vectors);
    *shifts = (cna_caa_shifts){0};
}

/* ---- fitting a model ---- */

cna_status cna_caa_check_shape(const cna_caa *caa, const cna_model_info *model, cna_error *err)
{
    const cna_caa_info *info = &caa->info;
    if (info->hidden_dim != model->hidden_dim || (info->n_layers != 0 && info->n_layers != model->n_layers)) {
        char layers[32] = "";
        if (info->n_layers != 0) snprintf(layers, sizeof layers, "%u layers of ", info->n_layers);
        return cna_fail(err, CNA_ERR_MISMATCH,
                        "vectors: expected some for %u layers of %u components as this model has, found some for "
                        "%s%u components%s%s; find vectors on this model",
                        model->n_layers, model->hidden_dim, layers, info->hidden_dim,
                        info->model_name[0] == '\0' ? "" : " of ", info->model_name);
    }
    uint32_t last = caa->layers[info->n_vectors - 1];
    if (last < model->n_layers) return CNA_OK;
    return cna_fail(err, CNA_ERR_MISMATCH,
                    "vectors: expected layers within this model's 0 to %u, found layer %u; find vectors on this model",
                    model->n_layers - 1, last);
}

cna_status cna_caa_check(const cna_caa *caa, const cna_model *model, char *warning, size_t n_warning, cna_error *err)
{
    const cna_model_info *shape = cna_model_get_info(model);
    const cna_caa_info *info = &caa->info;
    CNA_TRY(cna_caa_check_shape(caa, shape, err));
    if (n_warning == 0) return CNA_OK;
    warning[0] = '\0';
    if (info->fingerprint[0] != '\0' && strcmp(info->fingerprint, shape->fingerprint) != 0) {
        snprintf(warning, n_warning,
                 "the vectors were found on other weights (%s, %.12s) than this model's (%s, %.12s)",
                 info->model_name, info->fingerprint, shape->name, shape->fingerprint);
    } else if (info->architecture[0] != '\0' && !cna_family_same(info->architecture, shape->architecture)) {
        snprintf(warning, n_warning, "the vectors were found on a model of another architecture (%s) than this one's "
                 "(%s)", info->architecture, shape->architecture);
    }
    return CNA_OK;
}
