/* SPDX-License-Identifier: MIT
 * Single neurons, on random models of every storage, tied and untied, against the model's formulas in double. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/engine.h"
#include "family_fixture.h"
#include "model_fixture.h"
#include "numbers.h"
#include "reference_model.h"

enum { N_PROMPTS = 3, N_TOKENS = 4, N_NEURONS = 11 };
static const int32_t prompt_ids[N_PROMPTS][5] = {{7, 1, 44, 12, 9}, {3, 30, 30, 2, 5}, {60, 61, 62, 1, 0}};

/* A fixture as a folder, in double, and its prompts as two sets: the first, and the other two. */
typedef struct fixture {
    char *folder;
    reference_model reference;
    cna_prompts *sets[2];
} fixture;

static void add_ids(cna_prompts *prompts, size_t i)
{
    cna_error err;
    assert_ok(cna_prompts_add_ids(prompts, prompt_ids[i], 5, &err));
}

/* folder: new, the fixture's from here on. */
static fixture open_fixture(char *folder)
{
    cna_error err;
    fixture f = {.folder = folder};
    f.reference = reference_model_open(f.folder);
    assert_ok(cna_prompts_create(&f.sets[0], &err));
    assert_ok(cna_prompts_create(&f.sets[1], &err));
    for (size_t i = 0; i < N_PROMPTS; i++) add_ids(f.sets[i != 0], i);
    return f;
}

static void close_fixture(fixture *f)
{
    reference_model_close(&f->reference);
    cna_prompts_free(f->sets[0]);
    cna_prompts_free(f->sets[1]);
    support_folder_remove(f->folder);
}

static const double *tensor(const reference_model *m, const char *name)
{
    for (size_t i = 0; i < m->checkpoint.n_tensors; i++) {
        if (strcmp(m->checkpoint.tensors[i]->name, name) == 0) return m->weights[i];
    }
    fail_msg("no tensor %s", name);
    return NULL;
}

static const double *down_of(const reference_model *m, uint32_t layer)
{
    char name[64];
    snprintf(name, sizeof name, "model.layers.%u.mlp.down_proj.weight", layer);
    return tensor(m, name);
}

/* What the neuron adds to the logit of token v for each unit of h. */
static double weight_of(const reference_model *m, uint32_t layer, uint32_t neuron, size_t v)
{
    const cna_config *c = &m->checkpoint.config;
    const double *down = down_of(m, layer), *norm = tensor(m, "model.norm.weight");
    const double *head = tensor(m, c->tied_embeddings ? "model.embed_tokens.weight" : "lm_head.weight");
    char name[64];
    snprintf(name, sizeof name, "model.layers.%u.post_feedforward_layernorm.weight", layer);
    const double *behind = cna_checkpoint_find(&m->checkpoint, name) != NULL ? tensor(m, name) : NULL;
    double sum = 0, offset = (double)c->norm_offset;
    for (size_t i = 0; i < c->hidden_dim; i++) {
        double weight = norm[i] + offset;
        if (behind != NULL) weight *= behind[i] + offset;
        sum += head[v * c->hidden_dim + i] * weight * down[i * c->mlp_dim + neuron];
    }
    return sum * (double)c->residual_scale / (double)c->logit_divisor;
}

/* Every token that is not listed has a weight on the far side of the last one listed. */
static void check_tokens(const reference_model *m, const cna_neuron_view *view, const cna_neuron_token *tokens,
                         double sign)
{
    size_t vocab_size = m->checkpoint.config.vocab_size;
    double scale = fabs(view->mean) + view->deviation, last = sign * tokens[view->n_tokens - 1].weight;
    for (size_t i = 0; i < view->n_tokens; i++) {
        double expected = weight_of(m, view->layer, view->neuron, (size_t)tokens[i].id);
        assert_true(fabs(tokens[i].weight - expected) <= 1e-12 * scale);
        if (i != 0) assert_true(sign * tokens[i - 1].weight >= sign * tokens[i].weight);
    }
    for (size_t v = 0; v < vocab_size; v++) {
        bool listed = false;
        for (size_t i = 0; i < view->n_tokens; i++) listed |= tokens[i].id == (int32_t)v;
        if (!listed) assert_true(sign * weight_of(m, view->layer, view->neuron, v) <= last + 1e-12 * scale);
    }
}

static void check_moments(const reference_model *m, const cna_neuron_view *view)
{
    size_t n = m->checkpoint.config.vocab_size;
    double sum = 0, squares = 0;
    for (size_t v = 0; v < n; v++) sum += weight_of(m, view->layer, view->neuron, v);
    for (size_t v = 0; v < n; v++) {
        double distance = weight_of(m, view->layer, view->neuron, v) - sum / (double)n;
        squares += distance * distance;
    }
    assert_true(fabs(view->mean - sum / (double)n) <= 1e-12 * view->deviation);
    assert_true(fabs(view->deviation - sqrt(squares / (double)n)) <= 1e-12 * view->deviation);
}

/* h, share and projection by their definitions, from h [n_layers, mlp_dim] in double. */
static cna_neuron_activation expected_activation(const reference_model *m, const cna_neuron_view *view, const double *h)
{
    const cna_config *c = &m->checkpoint.config;
    const double *down = down_of(m, view->layer), *of_layer = h + (size_t)view->layer * c->mlp_dim;
    double along = 0, squares = 0, column = 0, own = of_layer[view->neuron];
    for (size_t i = 0; i < c->hidden_dim; i++) {
        double written = 0, weight = down[i * c->mlp_dim + view->neuron];
        for (size_t j = 0; j < c->mlp_dim; j++) written += down[i * c->mlp_dim + j] * of_layer[j];
        along += weight * written;
        squares += written * written;
        column += weight * weight;
    }
    assert_true(fabs(view->column_norm - sqrt(column)) <= 1e-12 * sqrt(column));
    return (cna_neuron_activation){own, fabs(own) * sqrt(column) / sqrt(squares), own * along / squares};
}

static void assert_near(double found, double expected, double off_by)
{
    if (!(fabs(found - expected) <= off_by)) fail_msg("found %.9g, expected %.9g", found, expected);
}

static void check_activations(const reference_model *m, const cna_neuron_view *view)
{
    const cna_config *c = &m->checkpoint.config;
    const reference_taps none = {0};
    cna_error err;
    double *logits;
    reference_last last;
    cna_neuron_activation sum = {0};
    assert_ok(cna_alloc(&last.h, (size_t)c->n_layers * c->mlp_dim, sizeof(double), "test", &err));
    assert_ok(cna_alloc(&last.mlp_output, (size_t)c->n_layers * c->hidden_dim, sizeof(double), "test", &err));
    assert_ok(cna_alloc(&last.residual, (size_t)c->n_layers * c->hidden_dim, sizeof(double), "test", &err));
    const double *h = last.h;
    assert_ok(cna_alloc(&logits, 5 * (size_t)c->vocab_size, sizeof *logits, "test", &err));
    for (size_t p = 0; p < N_PROMPTS; p++) {
        double largest = 0;
        reference_model_run(m, prompt_ids[p], 5, 5, &none, logits, &last);
        for (size_t j = 0; j < c->mlp_dim; j++) largest = fmax(largest, fabs(h[view->layer * c->mlp_dim + j]));
        cna_neuron_activation expected = expected_activation(m, view, h);
        const cna_neuron_activation *found = &view->activations[p];
        assert_near(found->h, expected.h, 1e-5 * largest);
        assert_near(found->share, expected.share, 1e-4);
        assert_near(found->projection, expected.projection, 1e-4);
        if (p == 0) {
            assert_near(view->means[0].h, found->h, 0);
            continue;
        }
        sum = (cna_neuron_activation){sum.h + found->h, sum.share + found->share, sum.projection + found->projection};
    }
    assert_near(view->means[1].h, sum.h / 2, 1e-12 * fabs(sum.h));
    assert_near(view->means[1].share, sum.share / 2, 1e-12);
    assert_near(view->means[1].projection, sum.projection / 2, 1e-12);
    cna_free(last.h);
    cna_free(last.mlp_output);
    cna_free(last.residual);
    cna_free(logits);
}

static cna_neuron_views *look(const fixture *f, const cna_model *model, const cna_neuron *neurons, size_t n)
{
    cna_error err;
    cna_neuron_views *views;
    const cna_prompts *const sets[] = {f->sets[0], f->sets[1]};
    const cna_neuron_options options = {.sets = sets, .n_sets = 2, .n_tokens = N_TOKENS};
    assert_ok(cna_neuron_inspect(model, neurons, n, &options, &views, &err));
    return views;
}

/* More neurons than are read at a time, of all layers, one of them twice. */
static void choose(const cna_model_info *info, cna_neuron out[N_NEURONS])
{
    numbers random = {info->mlp_dim};
    for (uint32_t i = 0; i < N_NEURONS; i++) {
        out[i] = (cna_neuron){.layer = i % info->n_layers, .neuron = (uint32_t)numbers_below(&random, info->mlp_dim)};
    }
    out[N_NEURONS - 1] = out[0];
}

/* The families: a norm with 1 added behind the MLP, one without, and Granite's multipliers. */
static char *create_folder(size_t i)
{
    static const size_t families[] = {0, 6, 7};
    return i < N_MODEL_FIXTURES ? model_fixture_create(&model_fixtures[i])
                                : family_fixture_create(&family_fixtures[families[i - N_MODEL_FIXTURES]]);
}

static void test_against_formulas(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_MODEL_FIXTURES + 3; i++) {
        cna_error err;
        fixture f = open_fixture(create_folder(i));
        cna_model *model;
        const cna_model_options exact = {.dtype = CNA_DTYPE_F32};
        assert_ok(cna_model_open(f.folder, &exact, &model, &err));
        cna_neuron neurons[N_NEURONS];
        choose(cna_model_get_info(model), neurons);
        cna_neuron_views *views = look(&f, model, neurons, N_NEURONS);
        size_t n_views;
        const cna_neuron_view *view = cna_neuron_views_get(views, &n_views);
        assert_int_equal(n_views, N_NEURONS);
        for (size_t j = 0; j < n_views; j++) {
            assert_int_equal(view[j].layer, neurons[j].layer);
            assert_int_equal(view[j].neuron, neurons[j].neuron);
            assert_int_equal(view[j].n_tokens, N_TOKENS);
            check_tokens(&f.reference, &view[j], view[j].promoted, 1);
            check_tokens(&f.reference, &view[j], view[j].suppressed, -1);
            check_moments(&f.reference, &view[j]);
            check_activations(&f.reference, &view[j]);
        }
        cna_neuron_views_free(views);
        cna_model_free(model);
        close_fixture(&f);
    }
}

/* All neurons' parts of what an MLP writes, along it, add up to 1. */
static void test_projections_add_up(void **state)
{
    (void)state;
    cna_error err;
    fixture f = open_fixture(model_fixture_create(&model_fixtures[0]));
    cna_model *model;
    assert_ok(cna_model_open(f.folder, NULL, &model, &err));
    const cna_model_info *info = cna_model_get_info(model);
    cna_neuron *neurons;
    assert_ok(cna_alloc(&neurons, info->mlp_dim, sizeof *neurons, "test", &err));
    for (uint32_t j = 0; j < info->mlp_dim; j++) neurons[j] = (cna_neuron){.layer = info->n_layers - 1, .neuron = j};
    cna_neuron_views *views = look(&f, model, neurons, info->mlp_dim);
    size_t n_views;
    const cna_neuron_view *view = cna_neuron_views_get(views, &n_views);
    for (size_t p = 0; p < N_PROMPTS; p++) {
        double sum = 0;
        for (size_t j = 0; j < n_views; j++) sum += view[j].activations[p].projection;
        assert_near(sum, 1, 1e-9);
    }
    cna_neuron_views_free(views);
    cna_free(neurons);
    cna_model_free(model);
    close_fixture(&f);
}

/* The same bits where weights are kept, used in place and streamed, and on one thread. */
static void test_same_bits(void **state)
{
    (void)state;
    const cna_model_options ways[] = {
        {0}, {.in_place = true}, {.stream = CNA_STREAM_ALWAYS}, {.n_threads = 1}, {.n_threads = 3}};
    for (size_t i = 0; i < N_MODEL_FIXTURES; i++) {
        fixture f = open_fixture(model_fixture_create(&model_fixtures[i]));
        cna_neuron_token first[N_TOKENS];
        cna_neuron_activation activations[N_PROMPTS];
        for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
            cna_error err;
            cna_model *model;
            size_t n_views;
            assert_ok(cna_model_open(f.folder, &ways[way], &model, &err));
            cna_neuron neurons[N_NEURONS];
            choose(cna_model_get_info(model), neurons);
            cna_neuron_views *views = look(&f, model, neurons, N_NEURONS);
            const cna_neuron_view *view = &cna_neuron_views_get(views, &n_views)[1];
            if (way == 0) {
                memcpy(first, view->promoted, sizeof first);
                memcpy(activations, view->activations, sizeof activations);
            }
            for (size_t j = 0; j < N_TOKENS; j++) {
                assert_int_equal(view->promoted[j].id, first[j].id);
                assert_true(view->promoted[j].weight == first[j].weight);
            }
            assert_memory_equal(view->activations, activations, sizeof activations);
            cna_neuron_views_free(views);
            cna_model_free(model);
        }
        close_fixture(&f);
    }
}

typedef struct call {
    const cna_model *model;
    const fixture *fixture;
} call;

static cna_status inspect_two(void *user, cna_error *err)
{
    const call *c = user;
    const cna_neuron neurons[] = {{.layer = 0, .neuron = 1}, {.layer = 1, .neuron = 0}};
    const cna_prompts *const sets[] = {c->fixture->sets[0], c->fixture->sets[1]};
    const cna_neuron_options options = {.sets = sets, .n_sets = 2};
    cna_neuron_views *views;
    cna_status status = cna_neuron_inspect(c->model, neurons, 2, &options, &views, err);
    if (status == CNA_OK) cna_neuron_views_free(views);
    return status;
}

static void test_limits(void **state)
{
    (void)state;
    cna_error err;
    fixture f = open_fixture(model_fixture_create(&model_fixtures[1]));
    cna_model *model;
    cna_neuron_views *views = NULL;
    size_t n_views;
    assert_ok(cna_model_open(f.folder, NULL, &model, &err));
    const cna_model_info *info = cna_model_get_info(model);
    const cna_neuron outside[] = {{.layer = info->n_layers, .neuron = 0}, {.layer = 0, .neuron = info->mlp_dim}};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(cna_neuron_inspect(model, &outside[i], 1, NULL, &views, &err), CNA_ERR_MISMATCH);
        assert_non_null(strstr(err.text, "expected one within this model's"));
        assert_null(views);
    }
    const cna_neuron inside = {.layer = 0, .neuron = 0};
    const cna_neuron_options many = {.n_tokens = (size_t)info->vocab_size + 5};
    assert_ok(cna_neuron_inspect(model, &inside, 1, &many, &views, &err));
    const cna_neuron_view *view = cna_neuron_views_get(views, &n_views);
    assert_int_equal(view->n_tokens, info->vocab_size);
    assert_true(view->promoted[0].id == view->suppressed[view->n_tokens - 1].id);
    cna_neuron_views_free(views);
    assert_ok(cna_neuron_inspect(model, NULL, 0, NULL, &views, &err));
    cna_neuron_views_get(views, &n_views);
    assert_int_equal(n_views, 0);
    cna_neuron_views_free(views);
    cna_prompts *none;
    assert_ok(cna_prompts_create(&none, &err));
    const cna_prompts *const empty[] = {none};
    const cna_neuron_options without = {.sets = empty, .n_sets = 1};
    assert_int_equal(cna_neuron_inspect(model, &inside, 1, &without, &views, &err), CNA_ERR_ARG);
    cna_prompts_free(none);
    call c = {model, &f};
    support_fail_allocations(inspect_two, &c);
    cna_model_free(model);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_formulas),
        cmocka_unit_test(test_projections_add_up),
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
