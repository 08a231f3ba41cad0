/* SPDX-License-Identifier: MIT
 * CAA vectors: two sets of prompts through one capture, layer by layer to means and their difference. */
#include "method/caa.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/engine.h"
#include "method/canonical.h"

struct cna_caa {
    cna_caa_info info;
    float *vectors; /* [n_layers, hidden_dim] */
};

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
    const float *a = info->site == CNA_CAA_MLP ? rows->mlp_output : rows->residual;
    uint32_t dim = info->hidden_dim;
    double *positive = w->sums, *negative = w->sums + dim;
    float *v = w->caa->vectors + (size_t)layer * dim;
    CNA_TRY(check_finite(a, info->n_positive + info->n_negative, dim, layer, err));
    add_rows(a, info->n_positive, dim, positive);
    add_rows(a + info->n_positive * dim, info->n_negative, dim, negative);
    for (uint32_t i = 0; i < dim; i++) {
        v[i] = (float)(positive[i] / (double)info->n_positive - negative[i] / (double)info->n_negative);
    }
    return CNA_OK;
}

static cna_status choose_layer(const cna_caa_options *options, uint32_t n_layers, uint32_t *layer, cna_error *err)
{
    if (options->choose_layer && options->site == CNA_CAA_MLP) {
        return cna_fail(err, CNA_ERR_ARG, "CAA of MLP outputs: expected no layer, as all are used, found %u",
                        options->layer);
    }
    if (options->choose_layer && options->layer >= n_layers) {
        return cna_fail(err, CNA_ERR_ARG, "CAA: expected a layer from 0 to %u, found %u", n_layers - 1, options->layer);
    }
    *layer = options->site == CNA_CAA_MLP ? 0 : options->choose_layer ? options->layer : n_layers / 2;
    return CNA_OK;
}

/* Everything about the vectors that is known before the pass, and room for them. */
static cna_status prepare(const cna_model *model, const cna_prompts *positive, const cna_prompts *negative,
                          const cna_caa_options *options, work *w, cna_error *err)
{
    const cna_model_info *shape = cna_model_get_info(model);
    cna_caa_info *info = &w->caa->info;
    cna_format format = options->format;
    bool chat;
    *info = (cna_caa_info){.site = options->site, .n_layers = shape->n_layers, .hidden_dim = shape->hidden_dim};
    CNA_TRY(choose_layer(options, shape->n_layers, &info->layer, err));
    CNA_TRY(cna_canonical_format(cna_model_tokenizer(model), &format, info->date, &chat, err));
    snprintf(info->prompt_format, sizeof info->prompt_format, "%s", chat ? "chat" : "raw");
    CNA_TRY(cna_canonical_lists(model, positive, "positive", &format, &w->positive, err));
    CNA_TRY(cna_canonical_lists(model, negative, "negative", &format, &w->negative, err));
    info->n_positive = w->positive.n;
    info->n_negative = w->negative.n;
    CNA_TRY(cna_alloc(&w->lists, w->positive.n + w->negative.n, sizeof *w->lists, "prompts", err));
    memcpy(w->lists, w->positive.items, w->positive.n * sizeof *w->lists);
    memcpy(w->lists + w->positive.n, w->negative.items, w->negative.n * sizeof *w->lists);
    CNA_TRY(cna_alloc(&w->sums, 2 * (size_t)info->hidden_dim, sizeof *w->sums, "CAA vectors", err));
    return cna_alloc(&w->caa->vectors, (size_t)info->n_layers * info->hidden_dim, sizeof *w->caa->vectors,
                     "CAA vectors", err);
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
    cna_free(caa->vectors);
    cna_free(caa);
}

const cna_caa_info *cna_caa_get_info(const cna_caa *caa)
{
    return &caa->info;
}

const float *cna_caa_vectors(const cna_caa *caa)
{
    return caa->vectors;
}

/* ---- adding ---- */

static cna_status fill_shifts(const cna_caa *caa, double alpha, cna_positions positions, cna_caa_shifts *out,
                              cna_error *err)
{
    bool all = caa->info.site == CNA_CAA_MLP;
    uint32_t first = all ? 0 : caa->info.layer, dim = caa->info.hidden_dim;
    size_t n = all ? caa->info.n_layers : 1;
    CNA_TRY(cna_alloc(&out->items, n, sizeof *out->items, "CAA shifts", err));
    CNA_TRY(cna_alloc(&out->vectors, n * dim, sizeof *out->vectors, "CAA shifts", err));
    for (size_t i = 0; i < n * dim; i++) {
        out->vectors[i] = (float)(alpha * (double)caa->vectors[(size_t)first * dim + i]);
        if (isfinite(out->vectors[i])) continue;
        return cna_fail(err, CNA_ERR_ARG, "alpha: expected one whose product with the vectors is finite, found %g",
                        alpha);
    }
    for (size_t i = 0; i < n; i++)
        out->items[i] = (cna_shift){first + (uint32_t)i, out->vectors + i * dim, positions};
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
