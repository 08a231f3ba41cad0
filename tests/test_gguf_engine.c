/* SPDX-License-Identifier: MIT
 * A GGUF model of several block types against a folder that holds the same numbers in f32, put in order by this test:
 * the same bits, however weights are kept. */
#include "support.h"

#include <stdio.h>
#include <string.h>

#include "checkpoint/gguf.h"
#include "engine/engine.h"
#include "engine/model.h"
#include "gguf_fixture.h"
#include "model_fixture.h"
#include "tokenizer_fixture.h"

enum { HIDDEN = 32, MLP = 64, HEADS = 4, KV_HEADS = 2, HEAD_DIM = 8, ROWS = 7, TOKENS = 6 };

static char *gguf_folder, *folder, *path;

/* llama.cpp's name and transformers'; heads: whose rows lie in pairs. */
static const struct {
    const char *gguf, *name;
    size_t heads;
} tensors[] = {
    {"token_embd.weight", "model.embed_tokens.weight", 0},
    {"output_norm.weight", "model.norm.weight", 0},
    {"blk.0.attn_norm.weight", "model.layers.0.input_layernorm.weight", 0},
    {"blk.0.ffn_norm.weight", "model.layers.0.post_attention_layernorm.weight", 0},
    {"blk.0.attn_q.weight", "model.layers.0.self_attn.q_proj.weight", HEADS},
    {"blk.0.attn_k.weight", "model.layers.0.self_attn.k_proj.weight", KV_HEADS},
    {"blk.0.attn_v.weight", "model.layers.0.self_attn.v_proj.weight", 0},
    {"blk.0.attn_output.weight", "model.layers.0.self_attn.o_proj.weight", 0},
    {"blk.0.ffn_gate.weight", "model.layers.0.mlp.gate_proj.weight", 0},
    {"blk.0.ffn_up.weight", "model.layers.0.mlp.up_proj.weight", 0},
    {"blk.0.ffn_down.weight", "model.layers.0.mlp.down_proj.weight", 0},
};
enum { N_TENSORS = sizeof tensors / sizeof *tensors };

/* Each head's rows 0 1 2 3 4 5 6 7 to 0 2 4 6 1 3 5 7. */
static void put_in_order(float *rows, size_t heads, size_t cols)
{
    float head[HEAD_DIM * HIDDEN];
    for (size_t h = 0; h < heads; h++) {
        float *at = rows + h * HEAD_DIM * cols;
        memcpy(head, at, HEAD_DIM * cols * sizeof *at);
        for (size_t i = 0; i < HEAD_DIM; i++) {
            size_t from = i < HEAD_DIM / 2 ? 2 * i : 2 * (i - HEAD_DIM / 2) + 1;
            memcpy(at + i * cols, head + from * cols, cols * sizeof *at);
        }
    }
}

static void add_tensor(tensor_file *out, const cna_gguf *gguf, size_t index)
{
    const cna_tensor *tensor = NULL;
    for (size_t i = 0; i < gguf->file.n_tensors; i++) {
        if (strcmp(gguf->file.tensors[i].name, tensors[index].gguf) == 0) tensor = &gguf->file.tensors[i];
    }
    assert_non_null(tensor);
    cna_storage storage;
    float values[MLP * HIDDEN];
    char shape[64];
    size_t rows = tensor->rank == 2 ? (size_t)tensor->shape[0] : 1, cols = (size_t)tensor->shape[tensor->rank - 1];
    assert_true(cna_storage_find(tensor->dtype, &storage) && rows * cols <= MLP * HIDDEN);
    cna_widen(tensor->data, storage, rows * cols, values);
    put_in_order(values, tensors[index].heads, cols);
    if (tensor->rank == 2) snprintf(shape, sizeof shape, "[%zu,%zu]", rows, cols);
    else snprintf(shape, sizeof shape, "[%zu]", cols);
    tensor_file_add(out, tensors[index].name, "F32", shape, values, rows * cols * sizeof *values);
}

static int set_up(void **state)
{
    (void)state;
    cna_error err;
    cna_gguf gguf;
    tensor_file file = {{0}, {0}};
    gguf_folder = support_folder_create();
    folder = support_folder_create();
    path = support_path(gguf_folder, "model.gguf");
    gguf_fixture_write("", path);
    if (cna_gguf_open(path, &gguf, &err) != CNA_OK) return -1;
    for (size_t i = 0; i < N_TENSORS; i++) add_tensor(&file, &gguf, i);
    cna_gguf_close(&gguf);
    tensor_file_write(&file, folder, "model.safetensors");
    char *config = support_path(folder, "config.json");
    static const char text[] = "{\"model_type\": \"llama\", \"num_hidden_layers\": 1, \"hidden_size\": 32, "
                               "\"intermediate_size\": 64, \"num_attention_heads\": 4, \"num_key_value_heads\": 2, "
                               "\"vocab_size\": 7, \"tie_word_embeddings\": true, \"rms_norm_eps\": 1e-5}";
    support_write(config, text, sizeof text - 1);
    cna_free(config);
    tokenizer_fixture_write(folder, &(tokenizer_fixture){0});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cna_free(path);
    support_folder_remove(gguf_folder);
    support_folder_remove(folder);
    return 0;
}

static bool keep_logits(void *user, size_t prompt, const float *logits, size_t n_tokens, size_t vocab_size)
{
    (void)prompt;
    assert_true(n_tokens == TOKENS && vocab_size == ROWS);
    memcpy(user, logits, n_tokens * vocab_size * sizeof *logits);
    return false;
}

/* Logits, norms of W_down's columns, and one column. */
typedef struct results {
    float logits[TOKENS * ROWS], column[HIDDEN];
    double norms[MLP];
} results;

static void compute(const char *model_path, const cna_model_options *options, results *out)
{
    static const int32_t ids[TOKENS] = {5, 0, 3, 1, 2, 4};
    cna_error err;
    cna_model *model;
    cna_prompts *prompts;
    memset(out, 0, sizeof *out);
    assert_ok(cna_model_open(model_path, options, &model, &err));
    assert_ok(cna_prompts_create(&prompts, &err));
    assert_ok(cna_prompts_add_ids(prompts, ids, TOKENS, &err));
    assert_ok(cna_logits(model, prompts, NULL, keep_logits, out->logits, &err));
    assert_ok(cna_engine_down_norms(model, 0, out->norms, &err));
    assert_ok(cna_engine_down_column(model, 0, 37, out->column, &err));
    for (size_t i = 0; i < TOKENS * ROWS; i++) assert_true(out->logits[i] - out->logits[i] == 0);
    assert_true(out->logits[0] != out->logits[1] && out->logits[0] != out->logits[ROWS]);
    cna_prompts_free(prompts);
    cna_model_free(model);
}

static void test_same_bits_as_a_folder(void **state)
{
    (void)state;
    results want, got;
    compute(folder, &(cna_model_options){.dtype = CNA_DTYPE_F32, .n_threads = 2}, &want);
    for (int way = 0; way < 3; way++) {
        const cna_model_options options = {.dtype = CNA_DTYPE_F32, .n_threads = 1 + way, .in_place = way == 1,
                                           .stream = way == 2 ? CNA_STREAM_ALWAYS : CNA_STREAM_AUTO};
        compute(path, &options, &got);
        assert_memory_equal(&got, &want, sizeof got);
    }
}

static void test_bf16_has_the_same_bits_each_way(void **state)
{
    (void)state;
    results want, got;
    compute(path, &(cna_model_options){.n_threads = 1}, &want);
    for (int way = 0; way < 3; way++) {
        const cna_model_options options = {.dtype = CNA_DTYPE_BF16, .n_threads = 1 + way, .in_place = way == 1,
                                           .stream = way == 2 ? CNA_STREAM_ALWAYS : CNA_STREAM_AUTO};
        compute(path, &options, &got);
        assert_memory_equal(&got, &want, sizeof got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bits_as_a_folder),
        cmocka_unit_test(test_bf16_has_the_same_bits_each_way),
    };
    return cmocka_run_group_tests_name("gguf_engine", tests, set_up, tear_down);
}
