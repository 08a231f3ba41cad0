/* SPDX-License-Identifier: MIT
 * config.json and generation_config.json: shapes of the real models, both styles, malformed files, rotary
 * frequencies. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "checkpoint/config.h"

/* Put texts as config.json and generation_config.json (? NULL) into a new folder and read it. Messages lose the
 * folder. */
static cna_status read_texts(const char *config, size_t n_bytes, const char *generation,
                             cna_config *out, cna_error *err)
{
    char *folder = support_folder_create();
    char *path = support_path(folder, "config.json");
    support_write(path, config, n_bytes);
    cna_free(path);
    if (generation != NULL) {
        path = support_path(folder, "generation_config.json");
        support_write(path, generation, strlen(generation));
        cna_free(path);
    }
    cna_status status = cna_config_read(folder, out, err);
    if (status != CNA_OK) support_shorten(err, folder);
    support_folder_remove(folder);
    return status;
}

static cna_status read_case(const char *path, cna_error *err)
{
    size_t n_bytes;
    cna_config config;
    char *text = support_read(path, &n_bytes);
    cna_status status = read_texts(text, n_bytes, NULL, &config, err);
    cna_free(text);
    return status;
}

static void test_malformed(void **state)
{
    (void)state;
    support_replay_malformed("config", "input.json", read_case);
}

static void test_missing(void **state)
{
    (void)state;
    cna_error err;
    cna_config config;
    assert_int_equal(cna_config_read("tests/no-such-folder", &config, &err), CNA_ERR_IO);
    assert_non_null(strstr(err.text, "tests/no-such-folder/config.json"));
}

#define SHAPE                                                                                                \
    "\"hidden_size\": 64, \"intermediate_size\": 96, \"num_hidden_layers\": 2, \"num_attention_heads\": 4, "   \
    "\"vocab_size\": 300"

static cna_config read_ok(const char *config, const char *generation)
{
    cna_error err;
    cna_config out;
    memset(&out, 0, sizeof out);
    assert_ok(read_texts(config, strlen(config), generation, &out, &err));
    return out;
}

/* Everything but the stop ids. */
static void assert_same_shape(const cna_config *a, const cna_config *b)
{
    assert_ptr_equal(a->family, b->family);
    assert_int_equal(a->n_layers, b->n_layers);
    assert_int_equal(a->hidden_dim, b->hidden_dim);
    assert_int_equal(a->mlp_dim, b->mlp_dim);
    assert_int_equal(a->n_heads, b->n_heads);
    assert_int_equal(a->n_kv_heads, b->n_kv_heads);
    assert_int_equal(a->head_dim, b->head_dim);
    assert_int_equal(a->vocab_size, b->vocab_size);
    assert_int_equal(a->max_positions, b->max_positions);
    assert_int_equal(a->tied_embeddings, b->tied_embeddings);
    assert_int_equal(a->qkv_bias, b->qkv_bias);
    assert_int_equal(a->rope_type, b->rope_type);
    assert_true(a->rms_eps == b->rms_eps && a->rope_theta == b->rope_theta && a->rope_factor == b->rope_factor);
    assert_true(a->rope_low_frequency == b->rope_low_frequency && a->rope_high_frequency == b->rope_high_frequency);
    assert_true(a->rope_original_positions == b->rope_original_positions);
}

static void test_defaults(void **state)
{
    (void)state;
    cna_config c = read_ok("{\"model_type\": \"llama\", " SHAPE "}", NULL);
    assert_int_equal(c.n_kv_heads, 4);
    assert_int_equal(c.head_dim, 16);
    assert_true(c.rms_eps == 1e-6f && c.rope_theta == 10000 && c.rope_type == CNA_ROPE_DEFAULT);
    assert_false(c.tied_embeddings || c.qkv_bias);
    assert_int_equal(c.n_stop_ids, 0);
    assert_string_equal(c.family->name, "llama");
    c = read_ok("{\"model_type\": \"qwen2\", \"head_dim\": 40, \"num_key_value_heads\": 1, "
                "\"rope_scaling\": null, " SHAPE "}", NULL);
    assert_true(c.qkv_bias);
    assert_int_equal(c.head_dim, 40); /* explicit, not hidden_size / heads */
    assert_int_equal(c.n_kv_heads, 1);
    assert_string_equal(c.family->name, "qwen2");
}

static void test_old_and_new_style(void **state)
{
    (void)state;
    cna_config old = read_ok("{\"model_type\": \"llama\", \"rope_theta\": 500000.0, "
                             "\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8, "
                             "\"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0, "
                             "\"original_max_position_embeddings\": 8192}, "
                             "\"torch_dtype\": \"bfloat16\", " SHAPE "}", NULL);
    cna_config new = read_ok("{\"model_type\": \"llama\", \"rope_parameters\": {\"rope_type\": \"llama3\", "
                             "\"rope_theta\": 5e5, \"factor\": 8.0, \"low_freq_factor\": 1.0, "
                             "\"high_freq_factor\": 4.0, "
                             "\"original_max_position_embeddings\": 8192}, \"dtype\": \"bfloat16\", " SHAPE "}", NULL);
    assert_same_shape(&old, &new);
    assert_int_equal(new.rope_type, CNA_ROPE_LLAMA3);
    assert_true(new.rope_theta == 500000 && new.rope_original_positions == 8192);
    old = read_ok("{\"model_type\": \"qwen2\", \"num_key_value_heads\": 2, \"rope_theta\": 1000000.0, " SHAPE "}",
                  NULL);
    new = read_ok("{\"model_type\": \"qwen2\", \"num_key_value_heads\": 2, "
                  "\"rope_parameters\": {\"rope_type\": \"default\", "
                  "\"rope_theta\": 1000000.0, \"partial_rotary_factor\": 1.0}, "
                  "\"layer_types\": [\"full_attention\", \"full_attention\"], " SHAPE "}", NULL);
    assert_same_shape(&old, &new);
}

/* As Google publishes its 4B, with nothing in text_config but what differs from transformers' Gemma3TextConfig. Its
 * other values were read off by transformers 5.23.0 (AutoConfig); `cna inspect` counts its 3,880,263,168 parameters. */
static void test_gemma3_of_the_hub(void **state)
{
    (void)state;
    cna_config c = read_ok("{\"model_type\": \"gemma3\", \"eos_token_id\": [1, 106], \"text_config\": {"
                           "\"hidden_size\": 2560, \"intermediate_size\": 10240, \"model_type\": \"gemma3_text\", "
                           "\"num_hidden_layers\": 34, \"rope_scaling\": {\"factor\": 8.0, "
                           "\"rope_type\": \"linear\"}, \"sliding_window\": 1024}}", NULL);
    assert_int_equal(c.n_heads, 8);
    assert_int_equal(c.n_kv_heads, 4);
    assert_int_equal(c.head_dim, 256);
    assert_int_equal(c.vocab_size, 262208);
    assert_int_equal(c.max_positions, 131072);
    assert_int_equal(c.window, 1024);
    assert_true(c.rope_type == CNA_ROPE_LINEAR && c.rope_factor == 8 && c.rope_theta == 1e6f);
    assert_true(c.attention_scale == 1.0f / 16 && c.tied_embeddings);
    for (uint32_t layer = 0; layer < 34; layer++) {
        assert_int_equal(cna_layer_set_has(&c.windowed, layer), layer % 6 != 5);
    }
    assert_int_equal(c.n_stop_ids, 2);
}

static void test_stop_ids(void **state)
{
    (void)state;
    cna_config c = read_ok("{\"model_type\": \"llama\", \"eos_token_id\": [7, 9], " SHAPE "}",
                           "{\"eos_token_id\": [3, 9, 3]}");
    static const int32_t expected[] = {3, 9, 7};
    assert_int_equal(c.n_stop_ids, 3);
    assert_memory_equal(c.stop_ids, expected, sizeof expected);
    c = read_ok("{\"model_type\": \"llama\", \"eos_token_id\": null, " SHAPE "}", "{\"eos_token_id\": 5}");
    assert_true(c.n_stop_ids == 1 && c.stop_ids[0] == 5);
    static const struct {
        const char *text, *error;
    } bad[] = {
        {"{\"eos_token_id\": \"x\"}",
         "generation_config.json: key 'eos_token_id': expected token ids, found a string"},
        {"[]", "generation_config.json: expected an object, found an array"},
        {"{", "generation_config.json: line 1, column 1: expected JSON, "
              "found an error: string or '}' expected near end of file"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cna_error err;
        static const char good[] = "{\"model_type\": \"llama\", " SHAPE "}";
        assert_int_equal(read_texts(good, strlen(good), bad[i].text, &c, &err), CNA_ERR_FORMAT);
        assert_string_equal(err.text, bad[i].error);
    }
}

/* ---- rotary frequencies ---- */

/* The rule as transformers documents it, in double: long wavelengths are stretched by `factor`, short ones kept, those
 * between blended. */
static double expected_frequency(const cna_config *c, uint32_t i)
{
    const double pi = 3.14159265358979323846;
    double frequency = pow((double)c->rope_theta, -2.0 * i / c->rotary_dim), wavelength = 2 * pi / frequency;
    if (c->rope_type != CNA_ROPE_LLAMA3) return frequency;
    double old = (double)c->rope_original_positions, low = (double)c->rope_low_frequency,
           high = (double)c->rope_high_frequency;
    if (wavelength < old / high) return frequency;
    if (wavelength > old / low) return frequency / (double)c->rope_factor;
    double smooth = (old / wavelength - low) / (high - low);
    return (1 - smooth) * frequency / (double)c->rope_factor + smooth * frequency;
}

static void check_frequencies(const cna_config *c)
{
    float found[512];
    assert_true(c->rotary_dim > 0 && c->rotary_dim / 2 <= 512);
    cna_config_inverse_frequencies(c, false, found);
    for (uint32_t i = 0; i < c->rotary_dim / 2; i++) {
        double expected = expected_frequency(c, i);
        if (!(fabs((double)found[i] - expected) <= 1e-6 * expected))
            fail_msg("theta %g, frequency %u of %u: found %.9g, expected %.9g",
                     (double)c->rope_theta, i, c->rotary_dim / 2, (double)found[i], expected);
    }
}

static void test_frequencies(void **state)
{
    (void)state;
    static const uint32_t head_dims[] = {2, 8, 24, 64, 80, 128};
    static const float thetas[] = {100, 10000, 500000, 1e6f};
    for (size_t i = 0; i < sizeof head_dims / sizeof *head_dims; i++) {
        for (size_t j = 0; j < sizeof thetas / sizeof *thetas; j++) {
            cna_config c = {.rotary_dim = head_dims[i], .rope_theta = thetas[j]};
            check_frequencies(&c);
            c = (cna_config){.rotary_dim = head_dims[i], .rope_theta = thetas[j], .rope_type = CNA_ROPE_LLAMA3,
                             .rope_factor = 8, .rope_low_frequency = 1, .rope_high_frequency = 4,
                             .rope_original_positions = 8192};
            check_frequencies(&c);
            c.rope_factor = 32;
            c.rope_original_positions = 128;
            check_frequencies(&c);
        }
    }
}

/* ---- configurations of published models ---- */

typedef struct real_case {
    const char *file;
    uint32_t n_layers, hidden_dim, mlp_dim, n_heads, n_kv_heads, head_dim, vocab_size;
    bool tied;
    float rope_factor; /* 0: not the llama3 rule */
} real_case;

/* Shapes as published in the model cards and technical reports. */
static const real_case real[] = {
    {"Llama-3.2-1B-Instruct", 16, 2048, 8192, 32, 8, 64, 128256, true, 32},
    {"Llama-3.2-3B-Instruct", 28, 3072, 8192, 24, 8, 128, 128256, true, 32},
    {"Llama-3.2-3B", 28, 3072, 8192, 24, 8, 128, 128256, true, 32},
    {"Llama-3.1-8B-Instruct", 32, 4096, 14336, 32, 8, 128, 128256, false, 8},
    {"Llama-3.1-70B-Instruct", 80, 8192, 28672, 64, 8, 128, 128256, false, 8},
    {"Reflection-Llama-3.1-70B", 80, 8192, 28672, 64, 8, 128, 128262, false, 0},
    {"Qwen2-1.5B-Instruct", 28, 1536, 8960, 12, 2, 128, 151936, true, 0},
    {"Qwen2-72B-Instruct", 80, 8192, 29568, 64, 8, 128, 152064, false, 0},
    {"Qwen2.5-1.5B-Instruct.transformers-v5", 28, 1536, 8960, 12, 2, 128, 151936, true, 0},
    {"Qwen2.5-1.5B.transformers-v5", 28, 1536, 8960, 12, 2, 128, 151936, true, 0},
    {"Qwen2.5-3B-Instruct", 36, 2048, 11008, 16, 2, 128, 151936, true, 0},
    {"Qwen2.5-7B-Instruct", 28, 3584, 18944, 28, 4, 128, 152064, false, 0},
    {"Qwen2.5-72B-Instruct", 80, 8192, 29568, 64, 8, 128, 152064, false, 0},
};

static cna_status read_real(const char *file, cna_config *out, cna_error *err)
{
    char name[128];
    size_t n_bytes;
    snprintf(name, sizeof name, "configs/%s.config.json", file);
    char *path = support_testdata(name);
    char *text = support_read(path, &n_bytes);
    cna_status status = read_texts(text, n_bytes, NULL, out, err);
    cna_free(text);
    cna_free(path);
    return status;
}

static void test_real_models(void **state)
{
    (void)state;
    cna_error err;
    for (size_t i = 0; i < sizeof real / sizeof *real; i++) {
        const real_case *r = &real[i];
        bool qwen = r->file[0] == 'Q';
        cna_config found;
        assert_ok(read_real(r->file, &found, &err));
        const cna_config expected = {
            .family = cna_family_find(qwen ? "qwen2" : "llama", NULL), .n_layers = r->n_layers,
            .hidden_dim = r->hidden_dim, .mlp_dim = r->mlp_dim, .n_heads = r->n_heads, .n_kv_heads = r->n_kv_heads,
            .head_dim = r->head_dim, .vocab_size = r->vocab_size, .max_positions = found.max_positions,
            .rms_eps = qwen ? 1e-6f : 1e-5f, .tied_embeddings = r->tied, .qkv_bias = qwen,
            .rope_theta = qwen ? 1e6f : 5e5f, .rope_type = r->rope_factor > 0 ? CNA_ROPE_LLAMA3 : CNA_ROPE_DEFAULT,
            .rope_factor = r->rope_factor, .rope_low_frequency = r->rope_factor > 0 ? 1 : 0,
            .rope_high_frequency = r->rope_factor > 0 ? 4 : 0,
            .rope_original_positions = r->rope_factor > 0 ? 8192 : 0};
        assert_same_shape(&found, &expected);
        assert_true(found.n_stop_ids >= 1);
        check_frequencies(&found);
    }
    cna_config quantised;
    assert_int_equal(read_real("Llama-3.1-8B-Instruct.8bit-finetune", &quantised, &err), CNA_ERR_UNSUPPORTED);
    assert_string_equal(err.text, "config.json: key 'quantization_config': expected none, "
                                  "found quantised weights; use the bf16, f16 or f32 checkpoint");
}

static cna_status read_small(void *user, cna_error *err)
{
    const char *folder = user;
    cna_config config;
    return cna_config_read(folder, &config, err);
}

static void test_memory_failures(void **state)
{
    (void)state;
    static char folder[] = "models/llama-planted-instruct";
    support_fail_allocations(read_small, folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malformed),   cmocka_unit_test(test_missing),
        cmocka_unit_test(test_defaults),    cmocka_unit_test(test_old_and_new_style),
        cmocka_unit_test(test_gemma3_of_the_hub),
        cmocka_unit_test(test_stop_ids),    cmocka_unit_test(test_frequencies),
        cmocka_unit_test(test_real_models), cmocka_unit_test(test_memory_failures),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
