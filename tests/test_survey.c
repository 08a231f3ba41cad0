/* SPDX-License-Identifier: MIT
 * Surveys of models: neurons, parameters and memory against arithmetic on the published shapes, done here. */
#define _POSIX_C_SOURCE 200809L
#include "support.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "engine/session.h"
#include "gguf_fixture.h"
#include "model_fixture.h"

/* As published in the models' config.json. */
typedef struct shape {
    const char *name;
    uint64_t layers, hidden, mlp, heads, kv_heads, head_dim, vocab;
    bool bias;
} shape;

static const shape shapes[] = {
    {"Llama-3.1-70B-Instruct", 80, 8192, 28672, 64, 8, 128, 128256, false},
    {"Qwen2.5-72B-Instruct", 80, 8192, 29568, 64, 8, 128, 152064, true},
};

static uint64_t matrices_of_layer(const shape *s)
{
    uint64_t q = s->heads * s->head_dim, kv = s->kv_heads * s->head_dim;
    return s->hidden * (q + 2 * kv) + q * s->hidden + 3 * s->hidden * s->mlp;
}

static uint64_t vectors(const shape *s)
{
    uint64_t biases = s->bias ? (s->heads + 2 * s->kv_heads) * s->head_dim : 0;
    return s->layers * (2 * s->hidden + biases) + s->hidden;
}

/* A folder with nothing but a config of the test data. */
static char *config_folder(const char *name)
{
    char file[128];
    size_t n;
    snprintf(file, sizeof file, "configs/%s.config.json", name);
    char *source = support_testdata(file), *folder = support_folder_create();
    char *path = support_path(folder, "config.json"), *text = support_read(source, &n);
    support_write(path, text, n);
    cna_free(text);
    cna_free(path);
    cna_free(source);
    return folder;
}

/* What a call holds, as ARCHITECTURE's "Memory" and session.h say: buffers for 512 rows, the residual stream of a pass,
 * attention's scratch for each thread, a rotary table; keys and values, whose runs begin in steps of 16 positions and
 * grow by pages of 32; results. */
static uint64_t buffers(const shape *s, uint64_t rows, uint64_t positions, uint64_t n_threads)
{
    uint64_t q = s->heads * s->head_dim, kv = s->kv_heads * s->head_dim, widest = s->mlp > q ? s->mlp : q;
    uint64_t row = 4 * (3 * s->hidden + 2 * q + 2 * kv + 2 * s->mlp) + widest * cna_input_bytes(cna_input_for(
                   CNA_DTYPE_BF16));
    uint64_t scratch = n_threads * CNA_ATTENTION_ROWS * (s->heads / s->kv_heads) * positions * 4;
    return 512 * row + scratch + rows * (4 * s->hidden + 2 * sizeof(cna_row)) + positions * s->head_dim * 4;
}

static void check_work(const shape *s, const cna_survey *survey, uint64_t n_threads)
{
    uint64_t token = 8 * s->kv_heads * s->head_dim;
    uint64_t attribute = buffers(s, 200 * 45, 45, n_threads) + 200 * 48 * token + 200 * s->mlp * 4;
    assert_int_equal(survey->in_place.attribute_bytes - survey->in_place.weights_bytes, attribute);
    assert_int_equal(survey->packed.attribute_bytes - survey->packed.weights_bytes, attribute);
    uint64_t generate = buffers(s, 32 * 45, 45 + 150, n_threads) + 64 * s->vocab * 4 +
                        32 * (48 + 160) * token * s->layers + 32 * 151 * 8;
    assert_int_equal(survey->in_place.generate_bytes - survey->in_place.weights_bytes, generate);
}

static void plans_large_models(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const shape *s = &shapes[i];
        char *folder = config_folder(s->name);
        cna_survey survey;
        cna_error err;
        double started = cna_clock_seconds();
        const cna_model_options options = {.n_threads = 2, .memory_bytes = (uint64_t)64 << 30};
        assert_ok(cna_model_survey(folder, &options, &survey, &err));
        if (!IS_SANITIZED) assert_true(cna_clock_seconds() - started < 1);
        uint64_t embedding = s->vocab * s->hidden, matrices = s->layers * matrices_of_layer(s);
        assert_int_equal((uint64_t)survey.info.n_layers * survey.info.mlp_dim, s->layers * s->mlp);
        assert_int_equal(survey.info.n_parameters, 2 * embedding + matrices + vectors(s));
        assert_false(survey.has_weights || survey.has_tokenizer);
        assert_int_equal(survey.n_dtypes, 1);
        assert_string_equal(survey.dtypes[0].dtype, "BF16");
        assert_int_equal(survey.dtypes[0].n_bytes, 2 * survey.info.n_parameters);
        assert_int_equal(survey.streamed.weights_bytes, 4 * vectors(s));
        /* A machine without bf16 products packs into f32. */
        uint64_t packed = survey.packed.weights_bytes - 4 * vectors(s), least = 2 * (embedding + matrices);
        assert_true((packed >= least && packed <= least + least / 50) || packed >= 2 * least);
        check_work(s, &survey, 2);
        assert_false(survey.works[CNA_USE_ATTRIBUTE] || survey.works[CNA_USE_CHAT]);
        assert_non_null(strstr(survey.reason[CNA_USE_SWEEP], "expected model.safetensors"));
        assert_non_null(strstr(survey.reason[CNA_USE_CHAT], "tokenizer.json: expected the tokenizer's file"));
        support_folder_remove(folder);
    }
}

/* A .gguf file, which mixes types: the same as cna_model_inspect, and a plan for each way. */
static void surveys_gguf(void **state)
{
    (void)state;
    char *folder = support_folder_create(), *path = support_path(folder, "model.gguf");
    cna_survey survey;
    cna_model_info info;
    cna_error err;
    uint64_t n_parameters = 0;
    gguf_fixture_write("", path);
    assert_ok(cna_model_survey(path, NULL, &survey, &err));
    assert_ok(cna_model_inspect(path, &info, &err));
    assert_string_equal(survey.info.fingerprint, info.fingerprint);
    assert_string_equal(survey.info.storage_dtype, "q8_0");
    for (size_t i = 0; i < survey.n_dtypes; i++) n_parameters += survey.dtypes[i].n_parameters;
    assert_int_equal(survey.n_dtypes, 4);
    assert_int_equal(n_parameters, info.n_parameters);
    assert_true(survey.has_weights && survey.has_tokenizer);
    assert_true(survey.works[CNA_USE_ATTRIBUTE] && survey.works[CNA_USE_MMLU] && !survey.works[CNA_USE_CHAT]);
    assert_true(survey.n_begin == 1 && survey.begin[0].id == 5 && survey.n_stop == 1 && survey.stop[0].id == 6);
    assert_true(survey.packed.weights_bytes > survey.streamed.weights_bytes);
    remove(path);
    cna_free(path);
    support_folder_remove(folder);
}

/* A folder with weights: the same as cna_model_inspect, and the shares add up. */
static void surveys_folders(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_MODEL_FIXTURES; i++) {
        char *folder = model_fixture_create(&model_fixtures[i]);
        cna_survey survey;
        cna_model_info info;
        cna_error err;
        uint64_t n_parameters = 0, n_bytes = 0;
        assert_ok(cna_model_survey(folder, NULL, &survey, &err));
        assert_ok(cna_model_inspect(folder, &info, &err));
        assert_string_equal(survey.info.fingerprint, info.fingerprint);
        assert_int_equal(survey.info.n_parameters, info.n_parameters);
        for (size_t j = 0; j < survey.n_dtypes; j++) {
            n_parameters += survey.dtypes[j].n_parameters;
            n_bytes += survey.dtypes[j].n_bytes;
        }
        assert_int_equal(n_parameters, info.n_parameters);
        assert_true(n_bytes < info.size_bytes);
        assert_true(survey.has_weights && survey.has_tokenizer);
        assert_true(survey.works[CNA_USE_ATTRIBUTE] && survey.works[CNA_USE_MMLU] && !survey.works[CNA_USE_CHAT]);
        assert_non_null(strstr(survey.reason[CNA_USE_CHAT], "expected a chat template"));
        assert_int_equal(survey.n_stop, 3);
        const cna_model_options tight = {.memory_bytes = 1000000};
        assert_ok(cna_model_survey(folder, &tight, &survey, &err));
        assert_false(survey.works[CNA_USE_ATTRIBUTE]);
        assert_non_null(strstr(survey.reason[CNA_USE_GENERATE], "found a bound of 1 MB"));
        support_folder_remove(folder);
    }
}

static cna_status survey_one(void *user, cna_error *err)
{
    cna_survey survey;
    return cna_model_survey(user, NULL, &survey, err);
}

static void fails_on_every_allocation(void **state)
{
    (void)state;
    char *folder = model_fixture_create(&model_fixtures[0]), *path = support_path(folder, "model.safetensors");
    cna_file_remove(path);
    support_fail_allocations(survey_one, folder);
    cna_free(path);
    support_folder_remove(folder);
}

static void refuses_bad_folders(void **state)
{
    (void)state;
    cna_survey survey;
    cna_error err;
    char *folder = support_folder_create();
    assert_int_equal(cna_model_survey(folder, NULL, &survey, &err), CNA_ERR_IO);
    assert_non_null(strstr(err.text, "config.json"));
    support_folder_remove(folder);
    assert_int_equal(cna_model_survey("/nowhere", NULL, &survey, &err), CNA_ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_large_models),
        cmocka_unit_test(surveys_folders),
        cmocka_unit_test(surveys_gguf),
        cmocka_unit_test(fails_on_every_allocation),
        cmocka_unit_test(refuses_bad_folders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
