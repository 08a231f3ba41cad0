/* SPDX-License-Identifier: MIT
 * Small models of many families. */
#include "family_fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/weights.h"
#include "model_fixture.h"
#include "numbers.h"
#include "support.h"
#include "tokenizer_fixture.h"

#define SHAPE                                                                                                          \
    "\"hidden_size\": 48, \"intermediate_size\": 97, \"num_attention_heads\": 4, \"num_key_value_heads\": 2, "        \
    "\"vocab_size\": 300, \"eos_token_id\": [3, 5, 8], "

const family_fixture family_fixtures[N_FAMILY_FIXTURES] = {
    {"{" SHAPE "\"model_type\": \"gemma2\", \"num_hidden_layers\": 4, \"head_dim\": 20, \"sliding_window\": 5, "
     "\"query_pre_attn_scalar\": 9, \"attn_logit_softcapping\": 3.0, \"final_logit_softcapping\": 6.0, "
     "\"attention_bias\": true}",
     CNA_STORAGE_BF16},
    {"{" SHAPE "\"model_type\": \"gemma3_text\", \"num_hidden_layers\": 4, \"head_dim\": 16, \"sliding_window\": 17, "
     "\"query_pre_attn_scalar\": 20, \"sliding_window_pattern\": 2, \"rope_scaling\": {\"rope_type\": \"linear\", "
     "\"factor\": 8.0}}",
     CNA_STORAGE_F32},
    {"{" SHAPE "\"model_type\": \"phi3\", \"num_hidden_layers\": 3, \"head_dim\": 24, \"sliding_window\": 7, "
     "\"partial_rotary_factor\": 0.5, \"original_max_position_embeddings\": 64, \"rope_scaling\": {\"type\": "
     "\"longrope\", \"short_factor\": [1, 1.5, 2, 3, 4, 5], \"long_factor\": [1, 2, 4, 8, 16, 32]}}",
     CNA_STORAGE_BF16},
    {"{" SHAPE "\"model_type\": \"smollm3\", \"num_hidden_layers\": 4, \"no_rope_layers\": [1, 0, 1, 0], "
     "\"attention_bias\": true, \"mlp_bias\": true, \"use_sliding_window\": true, \"sliding_window\": 3}",
     CNA_STORAGE_F32},
    {"{" SHAPE "\"model_type\": \"mistral\", \"num_hidden_layers\": 2, \"sliding_window\": 6}", CNA_STORAGE_F16},
    {"{" SHAPE "\"model_type\": \"qwen3\", \"num_hidden_layers\": 3, \"head_dim\": 16, \"use_sliding_window\": true, "
     "\"sliding_window\": 4, \"max_window_layers\": 1}",
     CNA_STORAGE_BF16},
    {"{" SHAPE "\"model_type\": \"olmo2\", \"num_hidden_layers\": 3}", CNA_STORAGE_F32},
    {"{" SHAPE "\"model_type\": \"granite\", \"num_hidden_layers\": 3, \"embedding_multiplier\": 6, "
     "\"attention_multiplier\": 0.2, \"residual_multiplier\": 0.5, \"logits_scaling\": 0.5, \"mlp_bias\": true}",
     CNA_STORAGE_BF16},
};

typedef struct writer {
    const cna_config *config;
    cna_storage storage;
    tensor_file *file;
    numbers random;
} writer;

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), n_end = strlen(end);
    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

static cna_status add(void *user, const char *name, size_t rows, size_t cols, cna_error *err)
{
    writer *w = user;
    double mean = 0, deviation = cols == 0 ? 0.5 : 1.3 / sqrt((double)cols);
    if (ends_with(name, "norm.weight")) {
        mean = w->config->norm_offset > 0 ? 0 : 1;
        deviation = 0.2;
    }
    bool head = strcmp(name, "lm_head.weight") == 0, embedding = strcmp(name, "model.embed_tokens.weight") == 0;
    if (head || (embedding && w->config->tied_embeddings)) deviation = 2.5 / sqrt((double)cols);
    else if (embedding) deviation = 1;
    model_fixture_add_random(w->file, name, w->storage, rows, cols, mean, deviation, &w->random);
    (void)err;
    return CNA_OK;
}

char *family_fixture_create(const family_fixture *fixture)
{
    cna_error err;
    cna_config config;
    char *folder = support_folder_create(), *path = support_path(folder, "config.json");
    support_write(path, fixture->config, strlen(fixture->config));
    cna_free(path);
    assert_ok(cna_config_read(folder, &config, &err));
    tensor_file file = {{0}, {0}};
    writer w = {&config, fixture->storage, &file, {strlen(fixture->config)}};
    assert_ok(cna_weights_each(&config, add, &w, &err));
    tensor_file_write(&file, folder, "model.safetensors");
    const tokenizer_fixture tokenizer = {0};
    tokenizer_fixture_write(folder, &tokenizer);
    return folder;
}
