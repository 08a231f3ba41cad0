/* SPDX-License-Identifier: MIT
 * The engine against the model's formulas in double precision, and what it refuses. tests/test_engine_bits.c holds what
 * must not change a bit. */
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "child.h"
#include "engine/engine.h"
#include "engine/model.h"
#include "family_fixture.h"
#include "model_fixture.h"
#include "numbers.h"
#include "reference_model.h"

enum { IDS_MAX = 40, SCALES = 12 };

static cna_model *open_model(const char *folder, cna_dtype dtype)
{
    cna_error err;
    cna_model *model;
    const cna_model_options options = {.dtype = dtype, .n_threads = 2};
    assert_ok(cna_model_open(folder, &options, &model, &err));
    return model;
}

/* ---- against double precision ---- */

/* What the engine gave for one prompt. */
typedef struct found {
    size_t vocab_size, mlp_dim, hidden_dim;
    float *logits; /* [n_ids, vocab_size] */
    float *h;      /* [n_layers, mlp_dim] */
    float *mlp_output, *residual; /* [n_layers, hidden_dim] */
} found;

static cna_status keep_logits(void *user, size_t job, size_t position, const float *logits, cna_error *err)
{
    found *f = user;
    (void)err;
    assert_int_equal(job, 0);
    memcpy(f->logits + position * f->vocab_size, logits, f->vocab_size * sizeof *logits);
    return CNA_OK;
}

static cna_status keep_rows(void *user, uint32_t layer, const cna_captured *rows, cna_error *err)
{
    found *f = user;
    (void)err;
    memcpy(f->h + layer * f->mlp_dim, rows->h, f->mlp_dim * sizeof *f->h);
    memcpy(f->mlp_output + layer * f->hidden_dim, rows->mlp_output, f->hidden_dim * sizeof *f->mlp_output);
    memcpy(f->residual + layer * f->hidden_dim, rows->residual, f->hidden_dim * sizeof *f->residual);
    return CNA_OK;
}

/* |found - expected| <= tolerance * max(1, max |expected|); returns the standard deviation of expected. */
static double compare(const float *got, const double *expected, size_t n, double tolerance, const char *what)
{
    double max = 1, worst = 0, sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        double difference = fabs((double)got[i] - expected[i]);
        if (fabs(expected[i]) > max) max = fabs(expected[i]);
        if (!(difference <= worst)) worst = difference;
        sum += expected[i];
        squares += expected[i] * expected[i];
    }
    if (!(worst <= tolerance * max)) fail_msg("%s: difference %.3g, allowed %.3g", what, worst, tolerance * max);
    return sqrt(squares / (double)n - sum / (double)n * sum / (double)n);
}

enum { SHIFTS = 3 };

/* Vectors of about a tenth of the residual stream's size; values in one array [SHIFTS, hidden_dim], new. */
static float *random_shifts(numbers *random, const cna_config *c, cna_shift shifts[SHIFTS])
{
    float *values = calloc(SHIFTS * (size_t)c->hidden_dim, sizeof *values);
    numbers_fill(random, values, SHIFTS * (size_t)c->hidden_dim, 0.3);
    for (size_t i = 0; i < SHIFTS; i++) {
        shifts[i] = (cna_shift){(uint32_t)numbers_below(random, c->n_layers), values + i * c->hidden_dim,
                                (cna_positions)numbers_below(random, 4)};
    }
    return values;
}

static void random_scales(numbers *random, const cna_config *c, cna_scale scales[SCALES])
{
    static const float multipliers[] = {0, 2, -1, 0.5f, 3};
    for (size_t i = 0; i < SCALES; i++) {
        scales[i] = (cna_scale){(uint32_t)numbers_below(random, c->n_layers),
                                (uint32_t)numbers_below(random, c->mlp_dim),
                                multipliers[numbers_below(random, 5)], (cna_positions)numbers_below(random, 4)};
    }
}

/* tolerance: of logits; h is allowed as much. rough: bf16, whose rounding is part of the contract and not of the
 * formulas. */
static void check_model(const char *folder, cna_dtype dtype, double tolerance)
{
    cna_error err;
    numbers random = {17};
    cna_model *model = open_model(folder, dtype);
    reference_model reference = reference_model_open(folder);
    const cna_config *c = &reference.checkpoint.config;
    double *logits = calloc((size_t)IDS_MAX * c->vocab_size, sizeof *logits);
    size_t n_h = (size_t)c->n_layers * c->mlp_dim, n_x = (size_t)c->n_layers * c->hidden_dim;
    const reference_last last = {calloc(n_h, sizeof(double)), calloc(n_x, sizeof(double)),
                                 calloc(n_x, sizeof(double))};
    found f = {c->vocab_size, c->mlp_dim, c->hidden_dim, calloc((size_t)IDS_MAX * c->vocab_size, sizeof(float)),
               calloc(n_h, sizeof(float)), calloc(n_x, sizeof(float)), calloc(n_x, sizeof(float))};
    for (int round = 0; round < 4; round++) {
        int32_t ids[IDS_MAX];
        cna_scale scales[SCALES];
        cna_tap *tap;
        size_t n_ids = round == 0 ? 1 : 2 + numbers_below(&random, IDS_MAX - 1), n_scales = round % 2 == 0 ? 0 : SCALES;
        for (size_t i = 0; i < n_ids; i++) ids[i] = (int32_t)numbers_below(&random, c->vocab_size);
        cna_shift shifts[SHIFTS];
        random_scales(&random, c, scales);
        float *vectors = random_shifts(&random, c, shifts);
        const reference_taps taps = {scales, n_scales, shifts, round == 3 ? SHIFTS : 0};
        assert_ok(cna_tap_create(scales, n_scales, c->n_layers, c->mlp_dim, &tap, &err));
        for (size_t i = 0; i < taps.n_shifts; i++) assert_ok(cna_tap_add_shift(tap, &shifts[i], &err));
        const cna_job job = {.prompt_ids = ids, .n_prompt_ids = n_ids, .tap = tap};
        assert_ok(cna_engine_logits(model, &job, 1, NULL, keep_logits, &f, &err));
        reference_model_run(&reference, ids, n_ids, n_ids, &taps, logits, &last);
        double deviation = compare(f.logits, logits, n_ids * c->vocab_size, tolerance, "logits");
        if (deviation < 1)
            fail_msg("%s: logits have a standard deviation of %.3g: the comparison says little", folder, deviation);
        if (n_scales == 0) {
            const cna_token_list list = {ids, n_ids};
            const unsigned all = CNA_CAPTURE_H | CNA_CAPTURE_MLP_OUTPUT | CNA_CAPTURE_RESIDUAL;
            assert_ok(cna_engine_capture_rows(model, &list, 1, all, NULL, NULL, keep_rows, &f, &err));
            compare(f.h, last.h, n_h, tolerance, "h");
            compare(f.mlp_output, last.mlp_output, n_x, tolerance, "MLP output");
            compare(f.residual, last.residual, n_x, tolerance, "residual stream");
        }
        cna_tap_free(tap);
        free(vectors);
    }
    void *const arrays[] = {logits, last.h, last.mlp_output, last.residual, f.logits, f.h, f.mlp_output, f.residual};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
    reference_model_close(&reference);
    cna_model_free(model);
}

static const char *const trained[] = {"models/llama-planted-instruct", "models/qwen2-base"};

static void test_f32(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) check_model(trained[i], CNA_DTYPE_F32, 5e-5);
    for (size_t i = 0; i < N_MODEL_FIXTURES; i++) {
        char *folder = model_fixture_create(&model_fixtures[i]);
        check_model(folder, CNA_DTYPE_F32, 5e-5);
        support_folder_remove(folder);
    }
}

/* Inputs of products rounded to 8 bits: about 2^-8 of each, over a few dozen roundings. */
static void test_bf16(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) check_model(trained[i], CNA_DTYPE_BF16, 0.05);
    char *folder = model_fixture_create(&model_fixtures[3]);
    check_model(folder, CNA_DTYPE_BF16, 0.05);
    support_folder_remove(folder);
}

static cna_status ignore_h(void *user, uint32_t layer, const float *h, cna_error *err)
{
    (void)user;
    (void)layer;
    (void)h;
    (void)err;
    return CNA_OK;
}

static cna_status ignore_result(void *user, const cna_job_result *result, cna_error *err)
{
    (void)err;
    if (user != NULL) *(size_t *)user += result->n_ids;
    return CNA_OK;
}

/* Every family, every feature; prompts are longer than the windows. */
static void test_families(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FAMILY_FIXTURES; i++) {
        char *folder = family_fixture_create(&family_fixtures[i]);
        check_model(folder, CNA_DTYPE_F32, 5e-5);
        if (family_fixtures[i].storage == CNA_STORAGE_BF16) check_model(folder, CNA_DTYPE_BF16, 0.05);
        support_folder_remove(folder);
    }
}

/* Where longrope's factors change, nothing is run that would go past. */
static void test_position_limit(void **state)
{
    (void)state;
    cna_error err;
    char *folder = family_fixture_create(&family_fixtures[2]);
    cna_model *model = open_model(folder, CNA_DTYPE_F32);
    int32_t ids[65] = {0};
    const cna_token_list lists[] = {{ids, 64}, {ids, 65}};
    const cna_job jobs[] = {{.prompt_ids = ids, .n_prompt_ids = 60, .answer_ids = ids, .n_answer_ids = 5},
                            {.prompt_ids = ids, .n_prompt_ids = 60, .answer_ids = ids, .n_answer_ids = 6}};
    const cna_run_options five = {.max_tokens = 5}, six = {.max_tokens = 6};
    assert_ok(cna_engine_capture(model, lists, 1, NULL, NULL, ignore_h, NULL, &err));
    assert_ok(cna_engine_generate(model, jobs, 1, &five, ignore_result, NULL, &err));
    assert_ok(cna_engine_score(model, jobs, 1, NULL, ignore_result, NULL, &err));
    assert_int_equal(cna_engine_capture(model, lists, 2, NULL, NULL, ignore_h, NULL, &err), CNA_ERR_UNSUPPORTED);
    assert_int_equal(cna_engine_generate(model, jobs, 1, &six, ignore_result, NULL, &err), CNA_ERR_UNSUPPORTED);
    assert_int_equal(cna_engine_score(model, jobs, 2, NULL, ignore_result, NULL, &err), CNA_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "expected at most 64 tokens of prompt and answer "
                                     "(original_max_position_embeddings), found 65"));
    cna_model_free(model);
    support_folder_remove(folder);
}

static void test_down_norms(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_MODEL_FIXTURES; i++) {
        cna_error err;
        char *folder = model_fixture_create(&model_fixtures[i]);
        cna_model *model = open_model(folder, CNA_DTYPE_F32);
        reference_model reference = reference_model_open(folder);
        const cna_config *c = &reference.checkpoint.config;
        double *out = calloc(c->mlp_dim, sizeof *out);
        assert_ok(cna_engine_down_norms(model, 1, out, &err));
        const double *down = NULL;
        for (size_t j = 0; j < reference.checkpoint.n_tensors; j++) {
            if (strcmp(reference.checkpoint.tensors[j]->name, "model.layers.1.mlp.down_proj.weight") == 0)
                down = reference.weights[j];
        }
        for (size_t j = 0; j < c->mlp_dim; j++) {
            double squares = 0;
            for (size_t row = 0; row < c->hidden_dim; row++)
                squares += down[row * c->mlp_dim + j] * down[row * c->mlp_dim + j];
            assert_true(fabs(out[j] - sqrt(squares)) <= 1e-12 * sqrt(squares));
        }
        free(out);
        reference_model_close(&reference);
        cna_model_free(model);
        support_folder_remove(folder);
    }
}

/* ---- what is refused, and stopping ---- */

static bool cancel_report(void *user, const char *what, size_t done, size_t total)
{
    size_t *calls = user;
    assert_non_null(what);
    assert_true(done <= total);
    return ++*calls == 2;
}

static bool cancel_token(void *user, size_t job, int32_t id)
{
    size_t *calls = user;
    (void)job;
    (void)id;
    return ++*calls == 3;
}

static cna_status fail_result(void *user, const cna_job_result *result, cna_error *err)
{
    (void)user;
    (void)result;
    if (err != NULL) *err = (cna_error){CNA_ERR_IO, "the caller's own error"};
    return CNA_ERR_IO;
}

static cna_status ignore_rows(void *user, uint32_t layer, const cna_captured *rows, cna_error *err)
{
    (void)user;
    (void)layer;
    (void)err;
    assert_true(rows->h == NULL && rows->mlp_output != NULL && rows->residual != NULL);
    return CNA_OK;
}

static cna_status ignore_logits(void *user, size_t job, const float *logits, cna_error *err)
{
    (void)logits;
    (void)err;
    if (user != NULL) *(size_t *)user += job + 1;
    return CNA_OK;
}

static void test_stopping(void **state)
{
    (void)state;
    cna_error err;
    cna_model *model = open_model(trained[0], CNA_DTYPE_AUTO);
    int32_t ids[] = {10, 20, 30, 40};
    const cna_job jobs[] = {{.prompt_ids = ids, .n_prompt_ids = 4, .answer_ids = ids, .n_answer_ids = 2},
                            {.prompt_ids = ids, .n_prompt_ids = 2, .answer_ids = ids, .n_answer_ids = 4}};
    const cna_token_list lists[] = {{ids, 4}, {ids, 2}};
    size_t calls = 0;
    const cna_progress progress = {.report = cancel_report, .user = &calls};
    assert_int_equal(cna_engine_capture(model, lists, 2, &progress, NULL, ignore_h, NULL, &err), CNA_ERR_CANCELLED);
    assert_int_equal(calls, 2);
    calls = 0;
    cna_run_options options = {.max_tokens = 5, .batch = 1, .progress = progress};
    assert_int_equal(cna_engine_generate(model, jobs, 2, &options, ignore_result, NULL, &err), CNA_ERR_CANCELLED);
    calls = 0;
    assert_int_equal(cna_engine_score(model, jobs, 2, &options, ignore_result, NULL, &err), CNA_ERR_CANCELLED);
    calls = 0;
    options = (cna_run_options){.max_tokens = 5, .on_token = cancel_token, .on_token_user = &calls};
    assert_int_equal(cna_engine_generate(model, jobs, 2, &options, ignore_result, NULL, &err), CNA_ERR_CANCELLED);
    assert_int_equal(calls, 3);
    options = (cna_run_options){.max_tokens = 2};
    assert_int_equal(cna_engine_generate(model, jobs, 2, &options, fail_result, NULL, &err), CNA_ERR_IO);
    assert_string_equal(err.text, "the caller's own error");
    assert_int_equal(cna_engine_score(model, jobs, 2, &options, fail_result, NULL, &err), CNA_ERR_IO);
    calls = 0;
    options = (cna_run_options){.batch = 1, .progress = progress};
    assert_int_equal(cna_engine_last_logits(model, jobs, 2, &options, ignore_logits, NULL, &err), CNA_ERR_CANCELLED);
    const cna_job no_answer = {.prompt_ids = ids, .n_prompt_ids = 1};
    assert_int_equal(cna_engine_score(model, &no_answer, 1, NULL, ignore_result, NULL, &err), CNA_ERR_ARG);
    assert_string_equal(err.text, "score: expected answers of a token or more");
    size_t n_ids = 0;
    assert_ok(cna_engine_generate(model, jobs, 0, NULL, ignore_result, &n_ids, &err));
    assert_ok(cna_engine_score(model, jobs, 0, NULL, ignore_result, &n_ids, &err));
    assert_ok(cna_engine_last_logits(model, jobs, 0, NULL, ignore_logits, &n_ids, &err));
    assert_int_equal(n_ids, 0);
    assert_int_equal(cna_engine_capture_rows(model, lists, 2, 0, NULL, NULL, ignore_rows, NULL, &err), CNA_ERR_ARG);
    cna_model_free(model);
}

/* What scoring will need is refused before long work as scoring itself would refuse it, and with room enough is not. */
static void test_score_room(void **state)
{
    (void)state;
    cna_error err;
    cna_model *model;
    const cna_model_options tight = {.memory_bytes = 1};
    assert_ok(cna_model_open(trained[0], NULL, &model, &err));
    assert_ok(cna_engine_score_room(model, 40, 150, &err));
    cna_model_free(model);
    if (cna_model_open(trained[0], &tight, &model, &err) != CNA_OK) return; /* not even the model */
    assert_int_equal(cna_engine_score_room(model, 40, 150, &err), CNA_ERR_MEMORY);
    assert_non_null(strstr(err.text, "memory: expected a bound of"));
    cna_model_free(model);
}

/* Ids come from callers: those without an embedding row, and empty lists, are refused before anything is read. */
static void test_ids(void **state)
{
    (void)state;
    cna_error err;
    cna_model *model = open_model(trained[0], CNA_DTYPE_AUTO);
    int32_t n_rows = (int32_t)cna_model_get_info(model)->vocab_size;
    static const char *const found_text[] = {"-1", NULL};
    for (size_t i = 0; i < 2; i++) {
        int32_t ids[] = {1, i == 0 ? -1 : n_rows, 2};
        int32_t good[] = {1, n_rows - 1};
        const cna_token_list lists[] = {{good, 2}, {ids, 3}};
        const cna_job prompt = {.prompt_ids = ids, .n_prompt_ids = 3, .answer_ids = good, .n_answer_ids = 2};
        const cna_job answer = {.prompt_ids = good, .n_prompt_ids = 2, .answer_ids = ids, .n_answer_ids = 3};
        assert_int_equal(cna_engine_capture(model, lists, 2, NULL, NULL, ignore_h, NULL, &err), CNA_ERR_ARG);
        assert_int_equal(cna_engine_generate(model, &prompt, 1, NULL, ignore_result, NULL, &err), CNA_ERR_ARG);
        assert_int_equal(cna_engine_score(model, &prompt, 1, NULL, ignore_result, NULL, &err), CNA_ERR_ARG);
        assert_int_equal(cna_engine_score(model, &answer, 1, NULL, ignore_result, NULL, &err), CNA_ERR_ARG);
        assert_int_equal(cna_engine_last_logits(model, &prompt, 1, NULL, ignore_logits, NULL, &err), CNA_ERR_ARG);
        if (found_text[i] != NULL) assert_non_null(strstr(err.text, found_text[i]));
    }
    int32_t one[] = {1};
    const cna_token_list empty = {one, 0};
    const cna_job no_prompt = {.prompt_ids = one, .n_prompt_ids = 0, .answer_ids = one, .n_answer_ids = 1};
    assert_int_equal(cna_engine_capture(model, &empty, 1, NULL, NULL, ignore_h, NULL, &err), CNA_ERR_ARG);
    assert_int_equal(cna_engine_generate(model, &no_prompt, 1, NULL, ignore_result, NULL, &err), CNA_ERR_ARG);
    assert_int_equal(cna_engine_score(model, &no_prompt, 1, NULL, ignore_result, NULL, &err), CNA_ERR_ARG);
    cna_model_free(model);
}

static void test_refused_models(void **state)
{
    (void)state;
    cna_error err;
    cna_model *model = (cna_model *)(uintptr_t)1;
    const cna_model_options bf16 = {.dtype = CNA_DTYPE_BF16};
    char *folder = model_fixture_create(&model_fixtures[0]);
    assert_int_equal(cna_model_open(folder, &bf16, &model, &err), CNA_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "expected weights stored as bf16 for a bf16 run, found f32"));
    assert_null(model);
    model_fixture other = model_fixtures[0];
    other.mlp_dim++;
    model_fixture_write_config(&other, folder);
    assert_int_equal(cna_model_open(folder, NULL, &model, &err), CNA_ERR_MISMATCH);
    assert_non_null(strstr(err.text, "mlp.gate_proj.weight': expected [334,75], found [333,75]"));
    support_folder_remove(folder);
    other = model_fixtures[0];
    other.vocab_size = 4; /* below two of the eos ids */
    folder = model_fixture_create(&other);
    assert_int_equal(cna_model_open(folder, NULL, &model, &err), CNA_ERR_MISMATCH);
    assert_non_null(strstr(err.text, "key 'eos_token_id': expected ids below vocab_size (4), found 5"));
    support_folder_remove(folder);
}

/* ---- memory ---- */

static cna_status open_and_close(void *user, cna_error *err)
{
    cna_model *model;
    const cna_model_options options = {.n_threads = 1};
    CNA_TRY(cna_model_open(user, &options, &model, err));
    cna_model_free(model);
    return CNA_OK;
}

static void test_open_memory_failures(void **state)
{
    (void)state;
    char *folder = model_fixture_create(&model_fixtures[1]);
    support_fail_allocations(open_and_close, folder);
    support_folder_remove(folder);
}

/* Six tokens are shared, and forked for the tap; the longest prompt's answer begins a new page. */
static cna_status run_everything(void *user, cna_error *err)
{
    int32_t ids[22];
    for (int32_t i = 0; i < 22; i++) ids[i] = i + 1;
    const cna_scale scale = {1, 3, 0.5f, CNA_POSITIONS_ALL};
    const cna_token_list lists[] = {{ids, 22}, {ids, 7}, {ids, 7}};
    const cna_run_options options = {.max_tokens = 2, .temperature = 1, .top_p = 0.9, .ignore_stop = true};
    const cna_model *model = user;
    cna_tap *tap;
    CNA_TRY(cna_tap_create(&scale, 1, model->info.n_layers, model->info.mlp_dim, &tap, err));
    const cna_job jobs[] = {{.prompt_ids = ids, .n_prompt_ids = 7, .answer_ids = ids, .n_answer_ids = 2, .tap = tap},
                            {.prompt_ids = ids, .n_prompt_ids = 7, .answer_ids = ids, .n_answer_ids = 1},
                            {.prompt_ids = ids, .n_prompt_ids = 22, .answer_ids = ids, .n_answer_ids = 1}};
    cna_status status = cna_engine_generate(model, jobs, 3, &options, ignore_result, NULL, err);
    if (status == CNA_OK) status = cna_engine_score(model, jobs, 3, NULL, ignore_result, NULL, err);
    if (status == CNA_OK) status = cna_engine_last_logits(model, jobs, 3, NULL, ignore_logits, NULL, err);
    if (status == CNA_OK) status = cna_engine_capture(model, lists, 3, NULL, NULL, ignore_h, NULL, err);
    const unsigned writes = CNA_CAPTURE_MLP_OUTPUT | CNA_CAPTURE_RESIDUAL;
    if (status == CNA_OK)
        status = cna_engine_capture_rows(model, lists, 3, writes, NULL, NULL, ignore_rows, NULL, err);
    cna_tap_free(tap);
    return status;
}

static void test_run_memory_failures(void **state)
{
    (void)state;
    char *const folders[] = {model_fixture_create(&model_fixtures[1]), family_fixture_create(&family_fixtures[1])};
    for (size_t i = 0; i < 2; i++) {
        cna_model *model = open_model(folders[i], CNA_DTYPE_AUTO);
        support_fail_allocations(run_everything, model);
        cna_model_free(model);
        support_folder_remove(folders[i]);
    }
}

int main(int argc, char **argv)
{
    (void)argc;
    child_wait_passively(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f32),      cmocka_unit_test(test_bf16),           cmocka_unit_test(test_down_norms),
        cmocka_unit_test(test_families), cmocka_unit_test(test_position_limit),
        cmocka_unit_test(test_stopping), cmocka_unit_test(test_score_room),
        cmocka_unit_test(test_ids),            cmocka_unit_test(test_refused_models),
        cmocka_unit_test(test_open_memory_failures), cmocka_unit_test(test_run_memory_failures),
    };
    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
