/* SPDX-License-Identifier: MIT
 * GGUF: malformed files, files cut at every byte, what a good one yields, split models, tokenizers. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/checkpoint.h"
#include "checkpoint/gguf.h"
#include "gguf_fixture.h"
#include "numbers.h"

static char *folder, *path;

static int set_up(void **state)
{
    (void)state;
    folder = support_folder_create();
    path = support_path(folder, "model.gguf");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cna_free(path);
    support_folder_remove(folder);
    return 0;
}

/* Messages lose the folder. */
static cna_status inspect(cna_error *err)
{
    cna_model_info info;
    cna_status status = cna_model_inspect(path, &info, err);
    if (status != CNA_OK) support_shorten(err, folder);
    return status;
}

static cna_status inspect_case(const char *case_path, cna_error *err)
{
    char *text = support_read(case_path, NULL);
    gguf_fixture_write(text, path);
    cna_free(text);
    return inspect(err);
}

static void test_malformed(void **state)
{
    (void)state;
    support_replay_malformed("gguf", "input.txt", inspect_case);
}

static void test_good_file(void **state)
{
    (void)state;
    cna_error err;
    cna_model_info info;
    gguf_fixture_write("", path);
    assert_ok(cna_model_inspect(path, &info, &err));
    assert_string_equal(info.name, "model.gguf");
    assert_string_equal(info.architecture, "llama");
    assert_string_equal(info.storage_dtype, "q8_0");
    assert_string_equal(info.compute_dtype, "bf16");
    assert_true(info.n_layers == 1 && info.hidden_dim == 32 && info.mlp_dim == 64 && info.n_heads == 4);
    assert_true(info.n_kv_heads == 2 && info.head_dim == 8 && info.vocab_size == 7 && info.max_positions == 128);
    assert_true(info.tied_embeddings && !info.qkv_bias && !info.has_chat_template && info.n_tokenizer_ids == 7);
    assert_int_equal(info.n_parameters, 7 * 32 + 3 * 32 + 2 * 32 * 32 + 2 * 16 * 32 + 3 * 64 * 32);
    assert_ok(cna_model_inspect(folder, &info, &err)); /* the one model of a folder */
}

/* Values of every type, by every typed access. */
static void test_values(void **state)
{
    (void)state;
    cna_error err;
    cna_gguf gguf;
    gguf_fixture_write("kv u8 a 255\nkv i8 b -128\nkv u16 c 65535\nkv i16 d -32768\nkv u64 e 9223372036854775807\n"
                       "kv i64 f -9223372036854775808\nkv f64 g 0.1\nkv bool h 1\nkv string i \\e\nkv f32s j 1 2\n"
                       "kv raw k 9 090000000200000000000000040000000000000000000000000000000000000000000000\n"
                       "kv u64 l 9223372036854775808\nkv bools m 1 0\nkv i32s n 7 -7\n", path);
    assert_ok(cna_gguf_open(path, &gguf, &err));
    static const struct {
        const char *key;
        int64_t value;
    } numbers_there[] = {{"a", 255}, {"b", -128}, {"c", 65535}, {"d", -32768}, {"e", INT64_MAX}, {"f", INT64_MIN}};
    for (size_t i = 0; i < sizeof numbers_there / sizeof *numbers_there; i++) {
        int64_t value = 1;
        assert_ok(cna_gguf_find_int(&gguf, numbers_there[i].key, INT64_MIN, INT64_MAX, &value, &err));
        assert_true(value == numbers_there[i].value);
    }
    int64_t left = 5;
    assert_ok(cna_gguf_find_int(&gguf, "absent", 0, 1, &left, &err));
    assert_int_equal(left, 5);
    assert_int_equal(cna_gguf_find_int(&gguf, "a", 0, 254, &left, &err), CNA_ERR_FORMAT);
    assert_int_equal(cna_gguf_find_int(&gguf, "l", 0, INT64_MAX, &left, &err), CNA_ERR_FORMAT);
    assert_int_equal(cna_gguf_find_int(&gguf, "g", 0, 254, &left, &err), CNA_ERR_FORMAT);
    double number = 0;
    assert_ok(cna_gguf_find_number(&gguf, "g", &number, &err));
    assert_true(number == 0.1);
    bool flag = false;
    assert_ok(cna_gguf_find_bool(&gguf, "h", &flag, &err));
    assert_true(flag);
    const char *text = NULL;
    size_t n = 9;
    assert_ok(cna_gguf_find_string(&gguf, "i", &text, &n, &err));
    assert_true(text != NULL && n == 0);
    const cna_gguf_value *array = NULL;
    assert_ok(cna_gguf_find_array(&gguf, "n", CNA_GGUF_I32, &array, &err));
    assert_true(array->n == 2 && cna_gguf_i32_at(array, 0) == 7 && cna_gguf_i32_at(array, 1) == -7);
    assert_int_equal(cna_gguf_find_array(&gguf, "n", CNA_GGUF_STRING, &array, &err), CNA_ERR_FORMAT);
    assert_true(cna_gguf_find(&gguf, "k")->element == CNA_GGUF_ARRAY && cna_gguf_find(&gguf, "k")->n == 2);
    cna_gguf_close(&gguf);
    cna_gguf_close(&gguf);
}

/* No shorter file is accepted, and each is refused with a message that names it. */
static void test_truncated_anywhere(void **state)
{
    (void)state;
    cna_buffer bytes = {0};
    gguf_fixture_build("", &bytes);
    for (size_t cut = 0; cut < bytes.size; cut += cut < 2500 ? 1 : 97) {
        cna_error err = {0};
        cna_gguf gguf;
        support_write(path, bytes.data, cut);
        assert_int_equal(cna_gguf_open(path, &gguf, &err), CNA_ERR_FORMAT);
        support_shorten(&err, folder);
        assert_memory_equal(err.text, "model.gguf: ", strlen("model.gguf: "));
        assert_null(gguf.values);
        assert_null(gguf.file.tensors);
    }
    cna_buffer_free(&bytes);
}

/* A good file with a few bytes of its head changed: whatever is accepted lies inside the file. */
static void test_random_changes(void **state)
{
    (void)state;
    cna_buffer bytes = {0};
    numbers random = {1};
    gguf_fixture_build("", &bytes);
    size_t n_accepted = 0;
    for (int round = 0; round < 3000; round++) {
        cna_error err;
        cna_gguf gguf;
        size_t at[3];
        char old[3];
        for (size_t i = 0; i < 3; i++) {
            at[i] = numbers_below(&random, 2200);
            old[i] = bytes.data[at[i]];
            bytes.data[at[i]] = (char)(round % 2 == 0 ? numbers_below(&random, 256) : numbers_below(&random, 10));
        }
        support_write(path, bytes.data, bytes.size);
        for (size_t i = 3; i-- > 0;) bytes.data[at[i]] = old[i];
        (void)inspect(&err);
        if (cna_gguf_open(path, &gguf, &err) != CNA_OK) continue;
        n_accepted++;
        const cna_map *map = &gguf.file.map;
        for (size_t i = 0; i < gguf.file.n_tensors; i++) {
            const cna_tensor *tensor = &gguf.file.tensors[i];
            assert_true(tensor->data >= map->data && tensor->n_bytes <= map->size);
            assert_true(tensor->data + tensor->n_bytes <= map->data + map->size);
        }
        cna_gguf_close(&gguf);
    }
    assert_true(n_accepted > 50 && n_accepted < 2950);
    cna_buffer_free(&bytes);
}

/* ---- split models ---- */

#define PART(n, of) "kv u16 split.no " #n "\nkv u16 split.count " #of "\nkv i32 split.tensors.count 11\n"

/* Two files: the second with the norms only. */
static void write_parts(char *paths[2], const char *first, const char *second)
{
    cna_buffer text = {0};
    cna_error err;
    paths[0] = support_path(folder, "s-00001-of-00002.gguf");
    paths[1] = support_path(folder, "s-00002-of-00002.gguf");
    assert_ok(cna_buffer_printf(&text, &err, "%sdrop output_norm.weight\ndrop blk.0.ffn_norm.weight\n", first));
    gguf_fixture_write(text.data, paths[0]);
    cna_buffer_reset(&text);
    assert_ok(cna_buffer_printf(&text, &err, "%s", second));
    static const char *const others[] = {"token_embd",     "blk.0.attn_norm", "blk.0.attn_q",
                                         "blk.0.attn_k",   "blk.0.attn_v",    "blk.0.attn_output",
                                         "blk.0.ffn_gate", "blk.0.ffn_up",    "blk.0.ffn_down"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_ok(cna_buffer_printf(&text, &err, "drop %s.weight\n", others[i]));
    }
    gguf_fixture_write(text.data, paths[1]);
    cna_buffer_free(&text);
}

static void check_split(const char *first, const char *second, size_t opened, const char *expected)
{
    cna_error err = {0};
    char *paths[2];
    cna_model_info info;
    write_parts(paths, first, second);
    cna_status status = cna_model_inspect(paths[opened], &info, &err);
    support_shorten(&err, folder);
    if (expected == NULL) {
        assert_ok(status);
        assert_int_equal(info.n_files, 2);
    } else {
        assert_int_equal(status, CNA_ERR_MISMATCH);
        assert_string_equal(err.text, expected);
    }
    for (size_t i = 0; i < 2; i++) {
        remove(paths[i]);
        cna_free(paths[i]);
    }
}

static void test_split(void **state)
{
    (void)state;
    check_split(PART(0, 2), PART(1, 2), 0, NULL);
    check_split(PART(0, 2), PART(1, 2), 1, NULL);
    check_split(PART(0, 2), PART(0, 2), 0,
                "s-00002-of-00002.gguf: expected file 2 of 2 (split.no 1, split.count 2), found "
                "split.no 0, split.count 2");
    check_split(PART(1, 2), PART(0, 2), 0,
                "s-00001-of-00002.gguf: expected file 1 of 2 (split.no 0, split.count 2), found "
                "split.no 1, split.count 2");
    check_split(PART(0, 2), PART(1, 3), 0,
                "s-00002-of-00002.gguf: expected file 2 of 2 (split.no 1, split.count 2), found "
                "split.no 1, split.count 3");
    check_split(PART(0, 3), PART(1, 2), 0, "s-00001-of-00002.gguf: key 'split.count': expected a name that ends in "
                                           "-0000N-of-00003.gguf, found another; give the file its own name back");
    check_split(
        PART(0, 2) "kv i32 split.tensors.count 12\n", PART(1, 2), 0,
        "s-00001-of-00002.gguf: key 'split.tensors.count': expected the number of tensors in all files (11), found 12");
    cna_error err = {0};
    cna_model_info info;
    char *paths[2];
    write_parts(paths, PART(0, 2), PART(1, 2));
    gguf_fixture_write("", path);
    assert_int_equal(cna_model_inspect(folder, &info, &err), CNA_ERR_MISMATCH); /* two models in it */
    remove(path);
    assert_ok(cna_model_inspect(folder, &info, &err));
    remove(paths[1]);
    assert_int_equal(cna_model_inspect(paths[0], &info, &err), CNA_ERR_IO);
    for (size_t i = 0; i < 2; i++) {
        remove(paths[i]);
        cna_free(paths[i]);
    }
}

/* ---- frequencies ---- */

static void frequencies_of(const char *text, float out[4])
{
    cna_error err;
    cna_checkpoint checkpoint;
    gguf_fixture_write(text, path);
    assert_ok(cna_checkpoint_open(path, &checkpoint, &err));
    cna_config_inverse_frequencies(&checkpoint.config, false, out);
    cna_checkpoint_close(&checkpoint);
}

static void test_frequencies(void **state)
{
    (void)state;
    float plain[4], other[4];
    frequencies_of("", plain);
    assert_true(plain[0] == 1 && plain[2] > 0.0099f && plain[2] < 0.0101f);
    frequencies_of("kv string llama.rope.scaling.type linear\nkv f32 llama.rope.scaling.factor 4\n", other);
    for (size_t i = 0; i < 4; i++) assert_true(other[i] == plain[i] / 4);
    frequencies_of("kv f32 llama.rope.scale_linear 2\n", other);
    for (size_t i = 0; i < 4; i++) assert_true(other[i] == plain[i] / 2);
    frequencies_of("tensor rope_freqs.weight F32 4\n", other);
    for (size_t i = 0; i < 4; i++) assert_true(other[i] > plain[i]); /* the fixture's numbers are below 1 */
}

/* ---- tokenizers ---- */

static cna_status open_model(void *user, cna_error *err)
{
    cna_model_info info;
    return cna_model_inspect(user, &info, err);
}

/* The whole of it, weights included. */
static cna_status open_whole(void *user, cna_error *err)
{
    cna_model *model;
    const cna_model_options options = {.n_threads = 1};
    CNA_TRY(cna_model_open(user, &options, &model, err));
    cna_model_free(model);
    return CNA_OK;
}

static cna_status open_tokenizer(void *user, cna_error *err)
{
    cna_tokenizer *tokenizer;
    CNA_TRY(cna_tokenizer_open(user, &tokenizer, err));
    cna_tokenizer_free(tokenizer);
    return CNA_OK;
}

/* SentencePiece's: three special tokens, the bytes, three pieces. */
static void write_spm(void)
{
    cna_error err;
    cna_buffer text = {0};
    assert_ok(cna_buffer_add_text(&text, "kv string tokenizer.ggml.model llama\n"
                                         "kv strings tokenizer.ggml.tokens <unk> <s> </s>", &err));
    for (unsigned byte = 0; byte < 256; byte++) assert_ok(cna_buffer_printf(&text, &err, " <0x%02X>", byte));
    assert_ok(cna_buffer_add_text(&text, " a b ab\nkv i32s tokenizer.ggml.token_type 2 3 3", &err));
    for (unsigned byte = 0; byte < 256; byte++) assert_ok(cna_buffer_add_text(&text, " 6", &err));
    assert_ok(cna_buffer_add_text(&text, " 1 1 1\nkv f32s tokenizer.ggml.scores", &err));
    for (unsigned id = 0; id < 262; id++) assert_ok(cna_buffer_printf(&text, &err, " -%u", id));
    assert_ok(cna_buffer_add_text(&text, "\nkv u32 tokenizer.ggml.bos_token_id 1\n", &err));
    gguf_fixture_write(text.data, path);
    cna_buffer_free(&text);
}

static void test_memory_failures(void **state)
{
    (void)state;
    gguf_fixture_write("kv string tokenizer.chat_template {{messages[0]['content']}}\n", path);
    support_fail_allocations(open_model, path);
    support_fail_allocations(open_whole, path);
    write_spm();
    support_fail_allocations(open_tokenizer, path);
    remove(path);
    char *paths[2];
    write_parts(paths, PART(0, 2), PART(1, 2));
    support_fail_allocations(open_model, folder);
    for (size_t i = 0; i < 2; i++) {
        remove(paths[i]);
        cna_free(paths[i]);
    }
}

static void test_tokens(void **state)
{
    (void)state;
    cna_error err;
    cna_tokenizer *tokenizer;
    int32_t *ids;
    size_t n;
    gguf_fixture_write("", path);
    assert_ok(cna_tokenizer_open(path, &tokenizer, &err));
    assert_ok(cna_tokenizer_encode(tokenizer, "abc<|eot_id|>b", 14, true, &ids, &n, &err));
    assert_true(n == 4 && ids[0] == 5 && ids[1] == 4 && ids[2] == 6 && ids[3] == 1);
    cna_free(ids);
    cna_tokenizer_free(tokenizer);
    gguf_fixture_write("kv bool tokenizer.ggml.add_bos_token 0\nkv bool tokenizer.ggml.add_eos_token 1\n", path);
    assert_ok(cna_tokenizer_open(path, &tokenizer, &err));
    assert_ok(cna_tokenizer_encode(tokenizer, "ab", 2, true, &ids, &n, &err));
    assert_true(n == 2 && ids[0] == 3 && ids[1] == 6);
    cna_free(ids);
    cna_tokenizer_free(tokenizer);
}

/* A vocabulary whose texts come with the ids of llama.cpp, without BOS. */
static void check_texts(const char *name)
{
    static const char separator[] = "\n__ggml_vocab_test__\n";
    char relative[64];
    snprintf(relative, sizeof relative, "gguf/%s", name);
    char *model = support_testdata(relative);
    snprintf(relative, sizeof relative, "gguf/%s.inp", name);
    char *texts_path = support_testdata(relative), *texts = support_read(texts_path, NULL);
    snprintf(relative, sizeof relative, "gguf/%s.out", name);
    char *ids_path = support_testdata(relative), *wanted = support_read(ids_path, NULL);
    cna_error err;
    cna_tokenizer *tokenizer;
    assert_ok(cna_tokenizer_open(model, &tokenizer, &err));
    size_t n_texts = 0;
    char *line = wanted;
    for (char *text = texts; text != NULL; n_texts++) {
        char *end = strstr(text, separator);
        int32_t *ids;
        size_t n;
        assert_ok(cna_tokenizer_encode(tokenizer, text, end == NULL ? strlen(text) : (size_t)(end - text), false, &ids,
                                       &n, &err));
        for (size_t i = 0; i < n; i++) assert_int_equal(ids[i], strtol(line, &line, 10));
        while (*line == ' ') line++;
        assert_true(*line == '\n' || *line == '\0');
        line += *line == '\n';
        cna_free(ids);
        text = end == NULL ? NULL : end + sizeof separator - 1;
    }
    assert_true(n_texts >= 46);
    cna_tokenizer_free(tokenizer);
    char *all[] = {model, texts_path, texts, ids_path, wanted};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) cna_free(all[i]);
}

static void test_gpt2_texts(void **state)
{
    (void)state;
    check_texts("ggml-vocab-gpt-2.gguf");
}

static void test_spm_texts(void **state)
{
    (void)state;
    check_texts("ggml-vocab-llama-spm.gguf");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malformed),        cmocka_unit_test(test_good_file),
        cmocka_unit_test(test_values),           cmocka_unit_test(test_truncated_anywhere),
        cmocka_unit_test(test_random_changes),   cmocka_unit_test(test_split),
        cmocka_unit_test(test_frequencies),      cmocka_unit_test(test_memory_failures),
        cmocka_unit_test(test_tokens),           cmocka_unit_test(test_gpt2_texts),
        cmocka_unit_test(test_spm_texts),
    };
    return cmocka_run_group_tests_name("gguf", tests, set_up, tear_down);
}
