/* SPDX-License-Identifier: MIT
 * CAA vectors against means over the model's formulas in double precision, what must not change a bit of them, and what
 * taps are made of them. tests/oracle/test_caa.py compares vectors and steered generations with Hugging Face. */
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "method/caa.h"
#include "model_fixture.h"
#include "numbers.h"
#include "reference_model.h"

enum { POSITIVE = 7, NEGATIVE = 5, PROMPTS = POSITIVE + NEGATIVE, IDS_MAX = 12 };

/* Random token ids; all begin alike, and two are the same. */
typedef struct ids_of {
    int32_t ids[PROMPTS][IDS_MAX];
    size_t n[PROMPTS];
} ids_of;

static ids_of random_ids(uint32_t vocab_size)
{
    numbers random = {23};
    ids_of out;
    for (size_t i = 0; i < PROMPTS; i++) {
        out.n[i] = 5 + numbers_below(&random, IDS_MAX - 4);
        for (size_t t = 0; t < out.n[i]; t++)
            out.ids[i][t] = t < 4 ? (int32_t)t + 7 : (int32_t)numbers_below(&random, vocab_size);
    }
    out.n[3] = out.n[1];
    memcpy(out.ids[3], out.ids[1], sizeof out.ids[1]);
    return out;
}

static cna_prompts *prompts_of(const ids_of *ids, size_t first, size_t n, bool reversed)
{
    cna_error err;
    cna_prompts *out;
    assert_ok(cna_prompts_create(&out, &err));
    for (size_t i = 0; i < n; i++) {
        size_t at = first + (reversed ? n - 1 - i : i);
        assert_ok(cna_prompts_add_ids(out, ids->ids[at], ids->n[at], &err));
    }
    return out;
}

static cna_model *open_model(const char *folder, cna_dtype dtype, int n_threads)
{
    cna_error err;
    cna_model *model;
    const cna_model_options options = {.dtype = dtype, .n_threads = n_threads,
                                       .stream = n_threads == 3 ? CNA_STREAM_ALWAYS : CNA_STREAM_AUTO};
    assert_ok(cna_model_open(folder, &options, &model, &err));
    return model;
}

static cna_caa *find(const cna_model *model, const ids_of *ids, bool reversed, const cna_caa_options *options)
{
    cna_error err;
    cna_caa *caa;
    cna_prompts *positive = prompts_of(ids, 0, POSITIVE, reversed);
    cna_prompts *negative = prompts_of(ids, POSITIVE, NEGATIVE, reversed);
    assert_ok(cna_caa_find(model, positive, negative, options, &caa, &err));
    cna_prompts_free(positive);
    cna_prompts_free(negative);
    return caa;
}

/* Both sites' vectors by the formulas: out[site] [n_layers, hidden_dim], new. */
static void expect(const char *folder, const ids_of *ids, double *out[2])
{
    reference_model reference = reference_model_open(folder);
    const cna_config *c = &reference.checkpoint.config;
    const reference_taps none = {0};
    size_t n_x = (size_t)c->n_layers * c->hidden_dim;
    double *logits = calloc((size_t)IDS_MAX * c->vocab_size, sizeof *logits);
    const reference_last last = {calloc((size_t)c->n_layers * c->mlp_dim, sizeof(double)), calloc(n_x, sizeof(double)),
                                 calloc(n_x, sizeof(double))};
    for (int site = 0; site < 2; site++) out[site] = calloc(n_x, sizeof(double));
    for (size_t p = 0; p < PROMPTS; p++) {
        double weight = p < POSITIVE ? 1.0 / POSITIVE : -1.0 / NEGATIVE;
        reference_model_run(&reference, ids->ids[p], ids->n[p], ids->n[p], &none, logits, &last);
        for (size_t i = 0; i < n_x; i++) {
            out[CNA_CAA_MLP][i] += weight * last.mlp_output[i];
            out[CNA_CAA_RESIDUAL][i] += weight * last.residual[i];
        }
    }
    void *const arrays[] = {logits, last.h, last.mlp_output, last.residual};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
    reference_model_close(&reference);
}

static void assert_near(const float *found, const double *expected, size_t n, double tolerance)
{
    double largest = 0, worst = 0;
    for (size_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs(expected[i]));
        worst = fmax(worst, fabs((double)found[i] - expected[i]));
    }
    assert_true(largest > 0.1);
    if (!(worst <= tolerance * largest)) fail_msg("difference %.3g, largest value %.3g", worst, largest);
}

static void check_vectors(size_t fixture, cna_dtype dtype, double tolerance)
{
    char *folder = model_fixture_create(&model_fixtures[fixture]);
    cna_model *models[3];
    for (int i = 0; i < 3; i++) models[i] = open_model(folder, dtype, i + 1);
    const cna_model_info *info = cna_model_get_info(models[0]);
    size_t n = (size_t)info->n_layers * info->hidden_dim;
    const ids_of ids = random_ids(info->vocab_size);
    double *expected[2];
    expect(folder, &ids, expected);
    for (int site = 0; site < 2; site++) {
        const cna_caa_options options = {.site = (cna_caa_site)site, .choose_layer = true, .n_layers = info->n_layers};
        cna_caa *caa = find(models[0], &ids, false, &options);
        assert_near(cna_caa_vectors(caa), expected[site], n, tolerance);
        for (int i = 1; i < 3; i++) { /* the file's order, threads, streaming */
            cna_caa *other = find(models[i], &ids, true, &options);
            assert_memory_equal(cna_caa_vectors(other), cna_caa_vectors(caa), n * sizeof(float));
            cna_caa_free(other);
        }
        const cna_caa_info *found = cna_caa_get_info(caa);
        assert_int_equal(found->site, site);
        assert_int_equal(found->n_vectors, info->n_layers);
        for (uint32_t l = 0; l < info->n_layers; l++) assert_int_equal(cna_caa_layers(caa)[l], l);
        assert_int_equal(found->n_layers, info->n_layers);
        assert_int_equal(found->hidden_dim, info->hidden_dim);
        assert_true(found->n_positive == POSITIVE && found->n_negative == NEGATIVE);
        assert_string_equal(found->prompt_format, "raw");
        assert_string_equal(found->date, "");
        cna_caa_free(caa);
        free(expected[site]);
    }
    for (int i = 0; i < 3; i++) cna_model_free(models[i]);
    support_folder_remove(folder);
}

static void test_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_MODEL_FIXTURES; i++) check_vectors(i, CNA_DTYPE_F32, 5e-5);
    check_vectors(3, CNA_DTYPE_BF16, 0.05);
}

/* ---- what taps are made of ---- */

typedef struct fixture {
    char *folder;
    cna_model *model;
    ids_of ids;
    cna_caa *caa[2]; /* by site */
} fixture;

static int set_up(void **state)
{
    static fixture f;
    f.folder = model_fixture_create(&model_fixtures[1]);
    f.model = open_model(f.folder, CNA_DTYPE_AUTO, 1);
    f.ids = random_ids(cna_model_get_info(f.model)->vocab_size);
    for (int site = 0; site < 2; site++) {
        const cna_caa_options options = {.site = (cna_caa_site)site};
        f.caa[site] = find(f.model, &f.ids, false, &options);
    }
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    for (int site = 0; site < 2; site++) cna_caa_free(f->caa[site]);
    cna_model_free(f->model);
    support_folder_remove(f->folder);
    return 0;
}

static void test_shifts(void **state)
{
    const fixture *f = *state;
    const cna_model_info *info = cna_model_get_info(f->model);
    static const double alphas[] = {1, -1, 0.3, -12.5};
    cna_error err;
    cna_caa_shifts shifts;
    for (int site = 0; site < 2; site++) {
        const float *vectors = cna_caa_vectors(f->caa[site]);
        uint32_t first = site == CNA_CAA_MLP ? 0 : info->n_layers / 2;
        for (size_t a = 0; a < sizeof alphas / sizeof *alphas; a++) {
            assert_ok(cna_caa_shifts_create(f->caa[site], alphas[a], CNA_POSITIONS_PROMPT, &shifts, &err));
            assert_int_equal(shifts.n, site == CNA_CAA_MLP ? info->n_layers : 1);
            for (uint32_t l = 0; l < shifts.n; l++) {
                assert_int_equal(shifts.items[l].layer, first + l);
                assert_int_equal(shifts.items[l].positions, CNA_POSITIONS_PROMPT);
                for (uint32_t i = 0; i < info->hidden_dim; i++) {
                    assert_true(shifts.items[l].vector[i] ==
                                (float)(alphas[a] * (double)vectors[l * info->hidden_dim + i]));
                }
            }
            cna_caa_shifts_clear(&shifts);
        }
        assert_ok(cna_caa_shifts_create(f->caa[site], 0, CNA_POSITIONS_ALL, &shifts, &err));
        assert_true(shifts.n == 0 && shifts.items == NULL);
        const double bad[] = {NAN, INFINITY, 1e60};
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(cna_caa_shifts_create(f->caa[site], bad[i], CNA_POSITIONS_ALL, &shifts, &err),
                             CNA_ERR_ARG);
            assert_true(shifts.n == 0 && shifts.items == NULL && shifts.vectors == NULL);
        }
    }
}

typedef struct row {
    float *logits; /* [vocab_size] */
    size_t vocab_size;
} row;

static cna_status keep(void *user, size_t job, const float *logits, cna_error *err)
{
    row *r = user;
    (void)job;
    (void)err;
    memcpy(r->logits, logits, r->vocab_size * sizeof *logits);
    return CNA_OK;
}

/* A prompt's last logits under alpha times the vectors, against the formulas with the same vectors added. */
static void test_steered_logits(void **state)
{
    const fixture *f = *state;
    const cna_model_info *info = cna_model_get_info(f->model);
    reference_model reference = reference_model_open(f->folder);
    size_t n_x = (size_t)info->n_layers * info->hidden_dim, n_ids = f->ids.n[0];
    double *logits = calloc((size_t)IDS_MAX * info->vocab_size, sizeof *logits);
    const reference_last last = {calloc((size_t)info->n_layers * info->mlp_dim, sizeof(double)),
                                 calloc(n_x, sizeof(double)), calloc(n_x, sizeof(double))};
    row found = {calloc(info->vocab_size, sizeof(float)), info->vocab_size};
    for (int i = 0; i < 4; i++) {
        cna_error err;
        cna_caa_shifts shifts;
        cna_tap *tap;
        assert_ok(cna_caa_shifts_create(f->caa[i / 2], i % 2 == 0 ? 1.5 : -1.5, CNA_POSITIONS_ALL, &shifts, &err));
        assert_ok(cna_tap_create(NULL, 0, info->n_layers, info->mlp_dim, &tap, &err));
        for (size_t s = 0; s < shifts.n; s++) assert_ok(cna_tap_add_shift(tap, &shifts.items[s], &err));
        const cna_job job = {.prompt_ids = f->ids.ids[0], .n_prompt_ids = n_ids, .tap = tap};
        assert_ok(cna_engine_last_logits(f->model, &job, 1, NULL, keep, &found, &err));
        const reference_taps taps = {.shifts = shifts.items, .n_shifts = shifts.n};
        reference_model_run(&reference, f->ids.ids[0], n_ids, n_ids, &taps, logits, &last);
        assert_near(found.logits, logits + (n_ids - 1) * info->vocab_size, info->vocab_size, 0.05);
        cna_tap_free(tap);
        cna_caa_shifts_clear(&shifts);
    }
    void *const arrays[] = {logits, last.h, last.mlp_output, last.residual, found.logits};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
    reference_model_close(&reference);
}

/* ---- what is refused, and memory ---- */

static void test_refused(void **state)
{
    const fixture *f = *state;
    uint32_t n_layers = cna_model_get_info(f->model)->n_layers;
    cna_error err;
    cna_caa *caa = NULL;
    cna_prompts *some = prompts_of(&f->ids, 0, 2, false), *others = prompts_of(&f->ids, 2, 4, false), *none;
    assert_ok(cna_prompts_create(&none, &err));
    const cna_caa_options outside = {.site = CNA_CAA_RESIDUAL, .choose_layer = true, .layer = n_layers};
    assert_int_equal(cna_caa_find(f->model, some, some, &outside, &caa, &err), CNA_ERR_ARG);
    assert_non_null(strstr(err.text, "CAA: expected layers from 0 to "));
    const cna_caa_options too_many = {.choose_layer = true, .layer = 1, .n_layers = UINT32_MAX};
    assert_int_equal(cna_caa_find(f->model, some, some, &too_many, &caa, &err), CNA_ERR_ARG);
    assert_non_null(strstr(err.text, "found 1 to 4294967295"));
    assert_int_equal(cna_caa_find(f->model, some, none, NULL, &caa, &err), CNA_ERR_ARG);
    assert_string_equal(err.text, "negative prompts: expected at least one, found none");
    assert_int_equal(cna_caa_find(f->model, some, some, NULL, &caa, &err), CNA_ERR_MISMATCH);
    assert_non_null(strstr(err.text, "are the two files the same?"));
    assert_null(caa);
    const cna_caa_options last = {.site = CNA_CAA_RESIDUAL, .choose_layer = true, .layer = n_layers - 1};
    assert_ok(cna_caa_find(f->model, some, others, &last, &caa, &err));
    assert_int_equal(cna_caa_get_info(caa)->n_vectors, 1);
    assert_int_equal(cna_caa_layers(caa)[0], n_layers - 1);
    cna_caa_free(caa);
    cna_caa_free(NULL);
    cna_prompts_free(some);
    cna_prompts_free(others);
    cna_prompts_free(none);
}

typedef struct call {
    const cna_model *model;
    const cna_prompts *positive, *negative;
} call;

static cna_status find_and_shift(void *user, cna_error *err)
{
    const call *c = user;
    cna_caa *caa;
    cna_caa_shifts shifts;
    CNA_TRY(cna_caa_find(c->model, c->positive, c->negative, NULL, &caa, err));
    cna_status status = cna_caa_shifts_create(caa, 2, CNA_POSITIONS_ALL, &shifts, err);
    cna_caa_shifts_clear(&shifts);
    cna_caa_free(caa);
    return status;
}

static void test_memory_failures(void **state)
{
    const fixture *f = *state;
    cna_prompts *positive = prompts_of(&f->ids, 0, 2, false), *negative = prompts_of(&f->ids, 2, 2, false);
    call c = {f->model, positive, negative};
    support_fail_allocations(find_and_shift, &c);
    cna_prompts_free(positive);
    cna_prompts_free(negative);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors), cmocka_unit_test(test_shifts),          cmocka_unit_test(test_steered_logits),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_memory_failures),
    };
    return cmocka_run_group_tests_name("caa", tests, set_up, tear_down);
}
