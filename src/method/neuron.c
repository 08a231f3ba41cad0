/* SPDX-License-Identifier: MIT
 * cna_neuron_inspect: columns of W_down read in the vocabulary, and activations of single neurons on prompts. */
#include <math.h>
#include <string.h>

#include "engine/engine.h"
#include "method/contrast.h"

/* Neurons whose weights for all tokens are in memory together: each row of the head is read once for all of them. */
enum { DEFAULT_TOKENS = 10, NEURONS_AT_ONCE = 8 };

struct cna_neuron_views {
    cna_neuron_view *views; /* [n_views], into the arrays below */
    size_t n_views;
    cna_neuron_token *tokens;           /* [n_views, 2, n_tokens] promoted, suppressed */
    cna_neuron_activation *activations; /* [n_views, n_prompts] */
    cna_neuron_activation *means;       /* [n_views, n_sets] */
};

typedef struct work {
    const cna_model *model;
    const cna_model_info *info;
    const cna_neuron_options *options;
    cna_neuron_views *out;
    size_t n_tokens;
    float *columns;         /* [n_views, hidden_dim] */
    double *weights;        /* [NEURONS_AT_ONCE, vocab_size] */
    cna_token_lists *sets;  /* ? [n_sets] */
    cna_token_list *lists;  /* ? [n_prompts] views of all sets */
    size_t n_prompts;
    double *written;        /* ? [n_prompts, hidden_dim] of the layer at hand */
} work;

/* ---- tokens ---- */

/* Whether a comes before b: larger weight (sign 1) or smaller (sign -1), then lower id. */
static bool before(const cna_neuron_token *a, const cna_neuron_token *b, double sign)
{
    if (a->weight != b->weight) return sign * a->weight > sign * b->weight;
    return a->id < b->id;
}

/* The first n of the vocabulary in order: each token is put in its place among the best so far. Few get that far. */
static void pick(const double *weights, size_t vocab_size, double sign, size_t n, cna_neuron_token *best)
{
    size_t n_best = 0;
    for (size_t v = 0; v < vocab_size; v++) {
        const cna_neuron_token token = {(int32_t)v, weights[v]};
        if (n_best == n && !before(&token, &best[n - 1], sign)) continue;
        size_t place = n_best < n ? n_best++ : n - 1;
        for (; place > 0 && before(&token, &best[place - 1], sign); place--) best[place] = best[place - 1];
        best[place] = token;
    }
}

static void measure_weights(const double *weights, size_t n, cna_neuron_view *view)
{
    double sum = 0, squares = 0;
    for (size_t v = 0; v < n; v++) sum += weights[v];
    view->mean = sum / (double)n;
    for (size_t v = 0; v < n; v++) squares += (weights[v] - view->mean) * (weights[v] - view->mean);
    view->deviation = sqrt(squares / (double)n);
}

static cna_status check_finite(const double *weights, size_t n, const cna_neuron_view *view, cna_error *err)
{
    for (size_t v = 0; v < n; v++) {
        if (isfinite(weights[v])) continue;
        return cna_fail(err, CNA_ERR_FORMAT, "layer %u, neuron %u: expected a finite weight for token %zu, found %g; "
                        "are the model's weights whole?", view->layer, view->neuron, v, weights[v]);
    }
    return CNA_OK;
}

static cna_status read_tokens(work *w, cna_error *err)
{
    size_t vocab_size = w->info->vocab_size, n_views = w->out->n_views;
    for (size_t first = 0; first < n_views; first += NEURONS_AT_ONCE) {
        size_t n = n_views - first < NEURONS_AT_ONCE ? n_views - first : NEURONS_AT_ONCE;
        uint32_t layers[NEURONS_AT_ONCE];
        for (size_t i = 0; i < n; i++) layers[i] = w->out->views[first + i].layer;
        const float *columns = w->columns + first * w->info->hidden_dim;
        CNA_TRY(cna_engine_unembed(w->model, layers, columns, n, w->weights, err));
        for (size_t i = 0; i < n; i++) {
            const double *weights = w->weights + i * vocab_size;
            cna_neuron_view *view = &w->out->views[first + i];
            cna_neuron_token *tokens = w->out->tokens + (first + i) * 2 * w->n_tokens;
            CNA_TRY(check_finite(weights, vocab_size, view, err));
            measure_weights(weights, vocab_size, view);
            pick(weights, vocab_size, 1, w->n_tokens, tokens);
            pick(weights, vocab_size, -1, w->n_tokens, tokens + w->n_tokens);
        }
    }
    return CNA_OK;
}

/* ---- columns ---- */

static cna_status read_columns(work *w, cna_error *err)
{
    size_t hidden_dim = w->info->hidden_dim;
    for (size_t i = 0; i < w->out->n_views; i++) {
        cna_neuron_view *view = &w->out->views[i];
        float *column = w->columns + i * hidden_dim;
        if (view->layer >= w->info->n_layers || view->neuron >= w->info->mlp_dim) {
            return cna_fail(err, CNA_ERR_MISMATCH,
                            "neuron %u:%u: expected one within this model's %u layers of %u neurons, both counted "
                            "from 0; choose another", view->layer, view->neuron, w->info->n_layers, w->info->mlp_dim);
        }
        CNA_TRY(cna_engine_down_column(w->model, view->layer, view->neuron, column, err));
        double squares = 0;
        for (size_t j = 0; j < hidden_dim; j++) squares += (double)column[j] * (double)column[j];
        view->column_norm = sqrt(squares);
    }
    return CNA_OK;
}

/* ---- activations ---- */

/* One neuron at one prompt.
 *   m  [n] f64 what the MLP writes
 *   c  [n] the neuron's column */
static cna_neuron_activation activation(double h, const float *c, double column_norm, const double *m, size_t n)
{
    double squares = 0, along = 0;
    for (size_t i = 0; i < n; i++) {
        squares += m[i] * m[i];
        along += (double)c[i] * m[i];
    }
    if (squares == 0) return (cna_neuron_activation){.h = h};
    return (cna_neuron_activation){h, fabs(h) * column_norm / sqrt(squares), h * along / squares};
}

static cna_status on_layer(void *user, uint32_t layer, const float *h, cna_error *err)
{
    work *w = user;
    size_t hidden_dim = w->info->hidden_dim, mlp_dim = w->info->mlp_dim;
    bool written = false;
    for (size_t i = 0; i < w->out->n_views; i++) {
        const cna_neuron_view *view = &w->out->views[i];
        if (view->layer != layer) continue;
        if (!written) {
            CNA_TRY(cna_contrast_check_finite(h, w->n_prompts, w->info->mlp_dim, layer, err));
            CNA_TRY(cna_engine_down_product(w->model, layer, h, w->n_prompts, w->written, err));
        }
        written = true;
        for (size_t p = 0; p < w->n_prompts; p++) {
            w->out->activations[i * w->n_prompts + p] =
                activation((double)h[p * mlp_dim + view->neuron], w->columns + i * hidden_dim, view->column_norm,
                           w->written + p * hidden_dim, hidden_dim);
        }
    }
    return CNA_OK;
}

static void average(const cna_neuron_activation *of, size_t n, cna_neuron_activation *out)
{
    *out = (cna_neuron_activation){0};
    for (size_t i = 0; i < n; i++) {
        out->h += of[i].h;
        out->share += of[i].share;
        out->projection += of[i].projection;
    }
    *out = (cna_neuron_activation){out->h / (double)n, out->share / (double)n, out->projection / (double)n};
}

static cna_status tokenize_sets(work *w, cna_error *err)
{
    const cna_neuron_options *options = w->options;
    CNA_TRY(cna_alloc(&w->sets, options->n_sets, sizeof *w->sets, "prompt sets", err));
    for (size_t i = 0; i < options->n_sets; i++) {
        CNA_TRY(cna_prompts_tokenize(options->sets[i], cna_model_tokenizer(w->model), &options->format,
                                     w->info->vocab_size, &w->sets[i], err));
        w->n_prompts += w->sets[i].n;
    }
    CNA_TRY(cna_alloc(&w->lists, w->n_prompts, sizeof *w->lists, "prompts", err));
    for (size_t i = 0, at = 0; i < options->n_sets; at += w->sets[i++].n)
        memcpy(w->lists + at, w->sets[i].items, w->sets[i].n * sizeof *w->lists);
    return CNA_OK;
}

static cna_status measure_activations(work *w, cna_error *err)
{
    size_t n_sets = w->options->n_sets;
    cna_neuron_views *out = w->out;
    CNA_TRY(cna_alloc(&w->written, w->n_prompts * w->info->hidden_dim, sizeof *w->written, "what the MLP writes", err));
    CNA_TRY(cna_alloc(&out->activations, out->n_views * w->n_prompts, sizeof *out->activations, "activations", err));
    CNA_TRY(cna_alloc(&out->means, out->n_views * n_sets, sizeof *out->means, "activations", err));
    CNA_TRY(cna_engine_capture(w->model, w->lists, w->n_prompts, &w->options->progress, NULL, on_layer, w, err));
    for (size_t i = 0; i < out->n_views; i++) {
        out->views[i].activations = out->activations + i * w->n_prompts;
        out->views[i].means = out->means + i * n_sets;
        for (size_t set = 0, at = i * w->n_prompts; set < n_sets; at += w->sets[set++].n)
            average(out->activations + at, w->sets[set].n, &out->means[i * n_sets + set]);
    }
    return CNA_OK;
}

/* ---- the call ---- */

static cna_status create_views(work *w, const cna_neuron *neurons, size_t n_neurons, cna_error *err)
{
    cna_neuron_views *out;
    CNA_TRY(cna_alloc(&w->out, 1, sizeof *w->out, "neurons", err));
    out = w->out;
    CNA_TRY(cna_alloc(&out->views, n_neurons, sizeof *out->views, "neurons", err));
    CNA_TRY(cna_alloc(&out->tokens, n_neurons * 2 * w->n_tokens, sizeof *out->tokens, "tokens of neurons", err));
    out->n_views = n_neurons;
    for (size_t i = 0; i < n_neurons; i++) {
        const cna_neuron_token *tokens = out->tokens + i * 2 * w->n_tokens;
        out->views[i] = (cna_neuron_view){.layer = neurons[i].layer, .neuron = neurons[i].neuron, .promoted = tokens,
                                          .suppressed = tokens + w->n_tokens, .n_tokens = w->n_tokens};
    }
    return CNA_OK;
}

cna_status cna_neuron_inspect(const cna_model *model, const cna_neuron *neurons, size_t n_neurons,
                              const cna_neuron_options *options, cna_neuron_views **out, cna_error *err)
{
    static const cna_neuron_options defaults;
    work w = {.model = model, .info = cna_model_get_info(model), .options = options != NULL ? options : &defaults};
    cna_status status;
    w.n_tokens = w.options->n_tokens != 0 ? w.options->n_tokens : DEFAULT_TOKENS;
    if (w.n_tokens > w.info->vocab_size) w.n_tokens = w.info->vocab_size;
    CNA_TRY_CLEANUP(create_views(&w, neurons, n_neurons, err));
    CNA_TRY_CLEANUP(cna_alloc(&w.columns, n_neurons * w.info->hidden_dim, sizeof *w.columns, "columns", err));
    CNA_TRY_CLEANUP(cna_alloc(&w.weights, NEURONS_AT_ONCE * (size_t)w.info->vocab_size, sizeof *w.weights,
                              "weights of tokens", err));
    CNA_TRY_CLEANUP(read_columns(&w, err));
    if (w.options->n_sets != 0) {
        CNA_TRY_CLEANUP(tokenize_sets(&w, err));
        CNA_TRY_CLEANUP(measure_activations(&w, err));
    }
    CNA_TRY_CLEANUP(read_tokens(&w, err));
    *out = w.out;
    w.out = NULL;
cleanup:
    for (size_t i = 0; w.sets != NULL && i < w.options->n_sets; i++) cna_token_lists_free(&w.sets[i]);
    cna_free(w.sets);
    cna_free(w.lists);
    cna_free(w.columns);
    cna_free(w.weights);
    cna_free(w.written);
    cna_neuron_views_free(w.out);
    return status;
}

const cna_neuron_view *cna_neuron_views_get(const cna_neuron_views *views, size_t *n_views)
{
    *n_views = views->n_views;
    return views->views;
}

void cna_neuron_views_free(cna_neuron_views *views)
{
    if (views == NULL) return;
    cna_free(views->views);
    cna_free(views->tokens);
    cna_free(views->activations);
    cna_free(views->means);
    cna_free(views);
}
