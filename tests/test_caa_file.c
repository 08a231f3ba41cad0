/* SPDX-License-Identifier: MIT
 * Control vectors: malformed files, files cut at every byte, what is written read back, files of other programs, and
 * generations under them. tests/oracle/test_vectors.py compares with the gguf package and with Hugging Face. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "gguf_fixture.h"
#include "method/caa.h"
#include "model_fixture.h"

/* A file of this program's: three layers of four components, the first in the metadata. */
#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
static const char own[] = "kv string general.architecture controlvector\n"
                          "kv string controlvector.model_hint llama\n"
                          "kv u32 controlvector.layer_count 2\n"
                          "kv u32 cna.format 1\n"
                          "kv string cna.version 0.1.0\n"
                          "kv string cna.operation add\n"
                          "kv string cna.hook mlp.output\n"
                          "kv string cna.layer_map direction.N\\sbehind\\slayer\\sN,\\slayers\\sfrom\\s0\n"
                          "kv string cna.definition difference\n"
                          "kv string cna.normalisation none\n"
                          "kv string cna.model.name small\n"
                          "kv string cna.model.architecture llama\n"
                          "kv string cna.model.dtype f32\n"
                          "kv string cna.model.fingerprint " HASH "\n"
                          "kv u32 cna.model.n_layers 8\n"
                          "kv strings cna.prompts.positive " HASH " " HASH "\n"
                          "kv strings cna.prompts.negative " HASH "\n"
                          "kv string cna.prompts.format chat\n"
                          "kv string cna.prompts.date 2026-11-26\n"
                          "kv string cna.prompts.chat_options {\"prefix\":\"x\"}\n"
                          "kv f32s cna.direction.0 1 -2 0.5 0\n"
                          "tensor direction.7 F32 4\n"
                          "tensor direction.2 F32 4\n";

/* As repeng writes one. */
static const char foreign[] = "kv string general.architecture controlvector\n"
                              "kv string controlvector.model_hint mistral\n"
                              "kv u32 controlvector.layer_count 2\n"
                              "tensor direction.1 F32 4\n"
                              "tensor direction.2 F32 4\n";

static char *folder, *path, *other;

static int set_up(void **state)
{
    (void)state;
    folder = support_folder_create();
    path = support_path(folder, "vector.gguf");
    other = support_path(folder, "other.gguf");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cna_free(path);
    cna_free(other);
    support_folder_remove(folder);
    return 0;
}

static cna_status read_vector(cna_error *err)
{
    cna_caa *caa = NULL;
    cna_status status = cna_caa_read(path, &caa, err);
    cna_caa_free(caa);
    if (status != CNA_OK) support_shorten(err, folder);
    return status;
}

static cna_status read_case(const char *case_path, cna_error *err)
{
    char *text = support_read(case_path, NULL);
    gguf_fixture_write_from(own, text, path);
    cna_free(text);
    return read_vector(err);
}

static void test_malformed(void **state)
{
    (void)state;
    support_replay_malformed("control-vector", "input.txt", read_case);
}

static void assert_is_own(const cna_caa *caa)
{
    const cna_caa_info *info = cna_caa_get_info(caa);
    assert_true(info->site == CNA_CAA_MLP && !info->foreign && info->n_vectors == 3 && info->hidden_dim == 4);
    assert_true(info->n_layers == 8 && info->n_positive == 2 && info->n_negative == 1);
    assert_string_equal(info->model_name, "small");
    assert_string_equal(info->architecture, "llama");
    assert_string_equal(info->model_dtype, "f32");
    assert_string_equal(info->fingerprint, HASH);
    assert_string_equal(info->prompt_format, "chat");
    assert_string_equal(info->date, "2026-11-26");
    assert_string_equal(info->chat_options, "{\"prefix\":\"x\"}");
    assert_string_equal(info->definition, "difference");
    assert_string_equal(info->normalisation, "none");
    assert_string_equal(info->version, "0.1.0");
    assert_string_equal(caa->positive[1].hex, HASH);
    const uint32_t *layers = cna_caa_layers(caa);
    assert_true(layers[0] == 0 && layers[1] == 2 && layers[2] == 7);
    const float *v = cna_caa_vectors(caa);
    assert_true(v[0] == 1 && v[1] == -2 && v[2] == 0.5f && v[3] == 0);
    assert_true(v[4] != 0 && v[8] != 0);
}

/* What is read, and that the same is read from what is written of it, whose bytes are always the same. */
static void test_own_file(void **state)
{
    (void)state;
    cna_error err;
    cna_caa *first, *second;
    gguf_fixture_write_from(own, "", path);
    assert_true(cna_caa_is_file(path));
    assert_ok(cna_caa_read(path, &first, &err));
    assert_is_own(first);
    assert_ok(cna_caa_write(first, other, &err));
    assert_ok(cna_caa_read(other, &second, &err));
    assert_is_own(second);
    assert_memory_equal(second->vectors, first->vectors, 12 * sizeof(float));
    assert_ok(cna_caa_write(second, path, &err));
    size_t n, n_other;
    char *bytes = support_read(path, &n), *other_bytes = support_read(other, &n_other);
    assert_int_equal(n, n_other);
    assert_memory_equal(bytes, other_bytes, n);
    cna_free(bytes);
    cna_free(other_bytes);
    cna_caa_free(first);
    cna_caa_free(second);
}

/* Without a word on it: added, as it is, behind layer N. Nothing is put into it that it did not say. */
static void test_foreign_file(void **state)
{
    (void)state;
    cna_error err;
    cna_caa *caa;
    gguf_fixture_write_from(foreign, "", path);
    assert_ok(cna_caa_read(path, &caa, &err));
    const cna_caa_info *info = cna_caa_get_info(caa);
    assert_true(info->foreign && info->site == CNA_CAA_RESIDUAL && info->n_layers == 0 && info->n_positive == 0);
    assert_true(info->n_vectors == 2 && cna_caa_layers(caa)[0] == 1 && cna_caa_layers(caa)[1] == 2);
    assert_string_equal(info->architecture, "mistral");
    assert_true(info->fingerprint[0] == '\0' && info->version[0] == '\0' && info->definition[0] == '\0');
    assert_ok(cna_caa_write(caa, other, &err));
    cna_caa_free(caa);
    size_t n;
    char *bytes = support_read(other, &n);
    for (size_t i = 0; i + 4 < n; i++) assert_memory_not_equal(bytes + i, "cna.", 4);
    cna_free(bytes);
    static const char *const good[] = {
        "kv i32 controlvector.layer_count 32\n", /* the other meaning of the number */
        "drop controlvector.layer_count\ndrop controlvector.model_hint\n",
        "kv string dspark.mode add\nkv string dspark.hook_point residual_stream_post_layer\n",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        gguf_fixture_write_from(foreign, good[i], path);
        assert_ok(read_vector(&err));
    }
}

static void test_cut_at_every_byte(void **state)
{
    (void)state;
    cna_error err;
    size_t n;
    gguf_fixture_write_from(own, "", path);
    char *bytes = support_read(path, &n);
    for (size_t kept = 0; kept < n; kept++) {
        remove(path);
        FILE *file = fopen(path, "wb");
        assert_int_equal(fwrite(bytes, 1, kept, file), kept);
        fclose(file);
        if (kept + 16 < n) assert_int_not_equal(read_vector(&err), CNA_OK); /* the last bytes may be padding */
        else (void)read_vector(&err);
        (void)cna_caa_is_file(path);
    }
    cna_free(bytes);
    assert_false(cna_caa_is_file(folder));
    gguf_fixture_write("", path);
    assert_false(cna_caa_is_file(path)); /* a model */
    remove(path);
    assert_false(cna_caa_is_file(path));
    assert_int_equal(read_vector(&err), CNA_ERR_IO);
}

/* ---- on a model ---- */

static const int32_t prompt_ids[] = {3, 9, 4, 11, 5, 2};
enum { N_IDS = sizeof prompt_ids / sizeof *prompt_ids };

static cna_prompts *some_prompts(size_t first, size_t n)
{
    cna_error err;
    cna_prompts *out;
    assert_ok(cna_prompts_create(&out, &err));
    for (size_t i = 0; i < n; i++) assert_ok(cna_prompts_add_ids(out, prompt_ids + first + i, N_IDS - first - i, &err));
    return out;
}

typedef struct model_fixture_state {
    char *folder;
    cna_model *model;
    cna_prompts *positive, *negative;
} on_model;

static int open_model(void **state)
{
    static on_model m;
    cna_error err;
    set_up(state);
    m.folder = model_fixture_create(&model_fixtures[1]);
    const cna_model_options options = {.dtype = CNA_DTYPE_F32, .n_threads = 1};
    assert_ok(cna_model_open(m.folder, &options, &m.model, &err));
    m.positive = some_prompts(0, 2);
    m.negative = some_prompts(2, 2);
    *state = &m;
    return 0;
}

static int close_model(void **state)
{
    on_model *m = *state;
    cna_prompts_free(m->positive);
    cna_prompts_free(m->negative);
    cna_model_free(m->model);
    support_folder_remove(m->folder);
    return tear_down(state);
}

static cna_caa *find(const on_model *m, const cna_caa_options *options)
{
    cna_error err;
    cna_caa *caa;
    assert_ok(cna_caa_find(m->model, m->positive, m->negative, options, &caa, &err));
    return caa;
}

/* Vectors of the chosen layers are those of all layers there, and come back from a file as they were. */
static void test_found_vectors(void **state)
{
    const on_model *m = *state;
    cna_error err;
    const cna_model_info *shape = cna_model_get_info(m->model);
    const cna_caa_options every = {.site = CNA_CAA_RESIDUAL, .choose_layer = true, .n_layers = shape->n_layers};
    cna_caa *all = find(m, &every);
    for (uint32_t first = 0; first < shape->n_layers; first++) {
        for (uint32_t n = 1; n <= shape->n_layers - first; n++) {
            const cna_caa_options some = {CNA_CAA_RESIDUAL, .choose_layer = true, .layer = first, .n_layers = n};
            cna_caa *caa = find(m, &some), *again;
            assert_int_equal(caa->info.n_vectors, n);
            size_t n_values = (size_t)n * shape->hidden_dim;
            assert_memory_equal(caa->vectors, all->vectors + (size_t)first * shape->hidden_dim,
                                n_values * sizeof(float));
            assert_ok(cna_caa_write(caa, path, &err));
            assert_ok(cna_caa_read(path, &again, &err));
            assert_memory_equal(again->vectors, caa->vectors, n_values * sizeof(float));
            assert_memory_equal(again->layers, caa->layers, n * sizeof *caa->layers);
            assert_memory_equal(again->positive, caa->positive, 2 * sizeof *caa->positive);
            assert_memory_equal(again->negative, caa->negative, 2 * sizeof *caa->negative);
            assert_memory_equal(&again->info, &caa->info, sizeof caa->info);
            cna_caa_free(caa);
            cna_caa_free(again);
        }
    }
    cna_caa_free(all);
}

static void test_check(void **state)
{
    const on_model *m = *state;
    const cna_model_info *shape = cna_model_get_info(m->model);
    char warning[1024];
    cna_error err;
    cna_caa *caa = find(m, NULL);
    assert_ok(cna_caa_check(caa, m->model, warning, sizeof warning, &err));
    assert_string_equal(warning, "");
    snprintf(caa->info.fingerprint, sizeof caa->info.fingerprint, HASH);
    assert_ok(cna_caa_check(caa, m->model, warning, sizeof warning, &err));
    assert_non_null(strstr(warning, "the vectors were found on other weights"));
    caa->info.fingerprint[0] = '\0';
    snprintf(caa->info.architecture, sizeof caa->info.architecture, "mistral");
    assert_ok(cna_caa_check(caa, m->model, warning, sizeof warning, &err));
    assert_non_null(strstr(warning, "another architecture (mistral)"));
    caa->info.n_layers = shape->n_layers + 1;
    assert_int_equal(cna_caa_check(caa, m->model, warning, sizeof warning, &err), CNA_ERR_MISMATCH);
    caa->info.n_layers = 0;
    caa->info.hidden_dim++;
    assert_int_equal(cna_caa_check(caa, m->model, warning, sizeof warning, &err), CNA_ERR_MISMATCH);
    caa->info.hidden_dim--;
    caa->layers[caa->info.n_vectors - 1] = shape->n_layers;
    assert_int_equal(cna_caa_check(caa, m->model, warning, sizeof warning, &err), CNA_ERR_MISMATCH);
    assert_non_null(strstr(err.text, "found layer"));
    const cna_addition addition = {caa, 1, CNA_POSITIONS_ALL};
    const cna_generate_options options = {.additions = &addition, .n_additions = 1, .max_tokens = 1};
    assert_int_equal(cna_generate(m->model, m->positive, &options, NULL, NULL, &err), CNA_ERR_MISMATCH);
    const cna_addition nothing = {NULL, 1, CNA_POSITIONS_ALL};
    const cna_generate_options without = {.additions = &nothing, .n_additions = 1, .max_tokens = 1};
    assert_int_equal(cna_generate(m->model, m->positive, &without, NULL, NULL, &err), CNA_ERR_ARG);
    cna_caa_free(caa);
}

typedef struct answer {
    int32_t ids[16];
    float logprobs[16];
    size_t n;
} answer;

static bool keep(void *user, const cna_generation *g)
{
    answer *a = user;
    assert_true(g->n_ids <= 16);
    a->n = g->n_ids;
    memcpy(a->ids, g->ids, g->n_ids * sizeof *g->ids);
    memcpy(a->logprobs, g->logprobs, g->n_ids * sizeof *g->logprobs);
    return false;
}

static cna_status keep_job(void *user, const cna_job_result *result, cna_error *err)
{
    answer *a = user;
    (void)err;
    a->n = result->n_ids;
    memcpy(a->ids, result->ids, result->n_ids * sizeof *result->ids);
    memcpy(a->logprobs, result->logprobs, result->n_ids * sizeof *result->logprobs);
    return CNA_OK;
}

/* Through the public call and through taps of the engine: the same bits, whatever the positions; and two additions are
 * one after the other. */
static void test_generations(void **state)
{
    const on_model *m = *state;
    const cna_model_info *shape = cna_model_get_info(m->model);
    cna_error err;
    const cna_caa_options mlp = {.site = CNA_CAA_MLP};
    cna_caa *caa = find(m, &mlp);
    cna_prompts *one = some_prompts(0, 1);
    size_t n_changed = 0;
    answer plain = {.n = 0};
    const cna_generate_options untouched = {.max_tokens = 12};
    assert_ok(cna_generate(m->model, one, &untouched, keep, &plain, &err));
    for (int where = CNA_POSITIONS_ALL; where <= CNA_POSITIONS_LAST; where++) {
        answer found = {.n = 0}, expected = {.n = 0};
        const cna_addition additions[] = {{caa, 1.5, (cna_positions)where}, {caa, 0.25, (cna_positions)where}};
        const cna_generate_options options = {.additions = additions, .n_additions = 2, .max_tokens = 12};
        assert_ok(cna_generate(m->model, one, &options, keep, &found, &err));
        cna_caa_shifts shifts[2];
        cna_tap *tap;
        assert_ok(cna_tap_create(NULL, 0, shape->n_layers, shape->mlp_dim, &tap, &err));
        for (int i = 0; i < 2; i++) {
            assert_ok(cna_caa_shifts_create(caa, additions[i].alpha, additions[i].positions, &shifts[i], &err));
            for (size_t j = 0; j < shifts[i].n; j++) assert_ok(cna_tap_add_shift(tap, &shifts[i].items[j], &err));
        }
        const cna_job job = {.prompt_ids = prompt_ids, .n_prompt_ids = N_IDS, .tap = tap};
        const cna_run_options run = {.max_tokens = 12};
        assert_ok(cna_engine_generate(m->model, &job, 1, &run, keep_job, &expected, &err));
        assert_int_equal(found.n, expected.n);
        assert_memory_equal(found.ids, expected.ids, found.n * sizeof *found.ids);
        assert_memory_equal(found.logprobs, expected.logprobs, found.n * sizeof *found.logprobs);
        n_changed += found.n != plain.n || memcmp(found.logprobs, plain.logprobs, plain.n * sizeof(float)) != 0;
        cna_tap_free(tap);
        for (int i = 0; i < 2; i++) cna_caa_shifts_clear(&shifts[i]);
    }
    assert_int_equal(n_changed, 4);
    cna_prompts_free(one);
    cna_caa_free(caa);
}

/* ---- memory ---- */

static cna_status write_read_generate(void *user, cna_error *err)
{
    const on_model *m = user;
    cna_caa *caa = NULL, *again = NULL;
    cna_status status;
    const cna_caa_options options = {.site = CNA_CAA_MLP};
    CNA_TRY_CLEANUP(cna_caa_find(m->model, m->positive, m->negative, &options, &caa, err));
    CNA_TRY_CLEANUP(cna_caa_write(caa, path, err));
    CNA_TRY_CLEANUP(cna_caa_read(path, &again, err));
    const cna_addition additions[] = {{again, 1, CNA_POSITIONS_ALL}, {caa, 2, CNA_POSITIONS_LAST}};
    const cna_generate_options how = {.additions = additions, .n_additions = 2, .max_tokens = 1};
    CNA_TRY_CLEANUP(cna_generate(m->model, m->positive, &how, NULL, NULL, err));
cleanup:
    cna_caa_free(caa);
    cna_caa_free(again);
    return status;
}

static void test_memory_failures(void **state)
{
    support_fail_allocations(write_read_generate, *state);
}

/* A folder that is not there: nothing is left behind. */
static void test_unwritable(void **state)
{
    const on_model *m = *state;
    cna_error err;
    cna_caa *caa = find(m, NULL);
    char *nowhere = support_path(folder, "absent/vector.gguf");
    assert_int_equal(cna_caa_write(caa, nowhere, &err), CNA_ERR_IO);
    cna_free(nowhere);
    cna_caa_free(caa);
}

int main(void)
{
    const struct CMUnitTest files[] = {
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_own_file),
        cmocka_unit_test(test_foreign_file),
        cmocka_unit_test(test_cut_at_every_byte),
    };
    const struct CMUnitTest models[] = {
        cmocka_unit_test(test_found_vectors), cmocka_unit_test(test_check),      cmocka_unit_test(test_generations),
        cmocka_unit_test(test_memory_failures), cmocka_unit_test(test_unwritable),
    };
    int n_failed = cmocka_run_group_tests_name("control vectors", files, set_up, tear_down);
    return n_failed + cmocka_run_group_tests_name("control vectors on a model", models, open_model, close_model);
}
