/* SPDX-License-Identifier: MIT
 * Small models with random weights. */
#include "model_fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "numbers.h"
#include "support.h"
#include "tokenizer_fixture.h"

const model_fixture model_fixtures[N_MODEL_FIXTURES] = {
    {"llama", 3, 75, 333, 6, 2, 10, 301, false, true, false, CNA_STORAGE_F32},
    {"qwen2", 2, 48, 97, 4, 1, 12, 259, true, false, true, CNA_STORAGE_BF16},
    {"llama", 2, 64, 130, 2, 2, 36, 288, true, false, false, CNA_STORAGE_F16},
    {"qwen2", 2, 72, 515, 3, 3, 24, 300, false, false, false, CNA_STORAGE_BF16},
};

void tensor_file_add(tensor_file *file, const char *name, const char *dtype, const char *shape, const void *bytes,
                     size_t n_bytes)
{
    cna_error err;
    assert_ok(cna_buffer_printf(&file->header, &err,
                                "%s\"%s\": {\"dtype\": \"%s\", \"shape\": %s, \"data_offsets\": [%zu, %zu]}",
                                file->header.size == 0 ? "{" : ", ", name, dtype, shape, file->data.size,
                                file->data.size + n_bytes));
    assert_ok(cna_buffer_add(&file->data, bytes, n_bytes, &err));
}

void tensor_file_write(tensor_file *file, const char *folder, const char *name)
{
    cna_error err;
    cna_buffer whole = {0};
    assert_ok(cna_buffer_add_text(&file->header, file->header.size == 0 ? "{}" : "}", &err));
    char length[8];
    for (size_t i = 0; i < 8; i++) length[i] = (char)(file->header.size >> 8 * i);
    assert_ok(cna_buffer_add(&whole, length, 8, &err));
    assert_ok(cna_buffer_add(&whole, file->header.data, file->header.size, &err));
    assert_ok(cna_buffer_add(&whole, file->data.data, file->data.size, &err));
    char *path = support_path(folder, name);
    support_write(path, whole.data, whole.size);
    cna_free(path);
    cna_buffer_free(&whole);
    cna_buffer_free(&file->header);
    cna_buffer_free(&file->data);
}

/* Nearest f16 of an ordinary number; 0 for tiny ones. */
static uint16_t to_f16(double value)
{
    int exponent;
    double fraction = frexp(fabs(value), &exponent);
    if (exponent < -12) return 0;
    uint32_t bits = (uint32_t)(exponent + 14) << 10;
    bits += (uint32_t)nearbyint(fraction * 2048) - 1024;
    return (uint16_t)(bits | (value < 0 ? 0x8000u : 0));
}

void model_fixture_add_random(tensor_file *file, const char *name, cna_storage storage, size_t rows, size_t cols,
                              double mean, double deviation, numbers *random)
{
    static const char *const dtypes[] = {"F32", "BF16", "F16"};
    cna_error err;
    cna_buffer bytes = {0};
    char shape[48];
    size_t n = cols == 0 ? rows : rows * cols;
    for (size_t i = 0; i < n; i++) {
        float value = (float)(mean + deviation * numbers_normal(random));
        uint32_t rounded = cna_f32_bits(numbers_round_bf16(value));
        uint16_t half = storage == CNA_STORAGE_F16 ? to_f16((double)value) : (uint16_t)(rounded >> 16);
        if (storage == CNA_STORAGE_F32) assert_ok(cna_buffer_add(&bytes, (const char *)&value, 4, &err));
        else assert_ok(cna_buffer_add(&bytes, (const char *)&half, 2, &err));
    }
    if (cols == 0) snprintf(shape, sizeof shape, "[%zu]", rows);
    else snprintf(shape, sizeof shape, "[%zu,%zu]", rows, cols);
    tensor_file_add(file, name, dtypes[storage], shape, bytes.data, bytes.size);
    cna_buffer_free(&bytes);
}

typedef struct writer {
    const model_fixture *fixture;
    const char *leave_out;
    tensor_file *files;
    cna_buffer *index;
    numbers random;
    size_t n_tensors;
    uint32_t layer; /* 0 beside the layers */
} writer;

/* mean + deviation * normal, in the fixture's storage; cols 0: a vector. */
static void add(writer *w, const char *name, size_t rows, size_t cols, double mean, double deviation)
{
    static const char *const names[] = {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"};
    cna_error err;
    tensor_file unused = {{0}, {0}};
    size_t file = w->fixture->sharded == 2 ? w->layer % 2 : w->fixture->sharded ? w->n_tensors++ % 2 : 0;
    bool left_out = w->leave_out != NULL && strcmp(w->leave_out, name) == 0;
    model_fixture_add_random(left_out ? &unused : &w->files[file], name, w->fixture->storage, rows, cols, mean,
                             deviation, &w->random);
    cna_buffer_free(&unused.header);
    cna_buffer_free(&unused.data);
    if (w->index != NULL) {
        assert_ok(cna_buffer_printf(w->index, &err, "%s\"%s\": \"%s\"",
                                    w->index->size == 0 ? "" : ", ", name, names[file]));
    }
}

static void add_layer(writer *w, uint32_t layer)
{
    const model_fixture *f = w->fixture;
    size_t q = (size_t)f->n_heads * f->head_dim, kv = (size_t)f->n_kv_heads * f->head_dim;
    const struct {
        const char *name;
        size_t rows, cols;
        double mean, deviation;
    } tensors[] = {
        {"input_layernorm.weight", f->hidden_dim, 0, 1, 0.2},
        {"post_attention_layernorm.weight", f->hidden_dim, 0, 1, 0.2},
        {"self_attn.q_proj.weight", q, f->hidden_dim, 0, 1.5},
        {"self_attn.k_proj.weight", kv, f->hidden_dim, 0, 1.5},
        {"self_attn.v_proj.weight", kv, f->hidden_dim, 0, 1},
        {"self_attn.o_proj.weight", f->hidden_dim, q, 0, 1},
        {"mlp.gate_proj.weight", f->mlp_dim, f->hidden_dim, 0, 1.5},
        {"mlp.up_proj.weight", f->mlp_dim, f->hidden_dim, 0, 1},
        {"mlp.down_proj.weight", f->hidden_dim, f->mlp_dim, 0, 1},
        {"self_attn.q_proj.bias", q, 0, 0, 0.5},
        {"self_attn.k_proj.bias", kv, 0, 0, 0.5},
        {"self_attn.v_proj.bias", kv, 0, 0, 0.5},
    };
    size_t n = sizeof tensors / sizeof *tensors - (strcmp(f->architecture, "qwen2") == 0 ? 0 : 3);
    for (size_t i = 0; i < n; i++) {
        char name[96];
        double width = tensors[i].cols == 0 ? 1 : sqrt((double)tensors[i].cols);
        snprintf(name, sizeof name, "model.layers.%u.%s", layer, tensors[i].name);
        add(w, name, tensors[i].rows, tensors[i].cols, tensors[i].mean, tensors[i].deviation / width);
    }
}

void model_fixture_add_tensors(const model_fixture *f, const char *leave_out, tensor_file files[2], cna_buffer *index)
{
    writer w = {f, leave_out, files, index, {f->hidden_dim}, 0, 0};
    double width = sqrt((double)f->hidden_dim);
    add(&w, "model.embed_tokens.weight", f->vocab_size, f->hidden_dim, 0, f->tied ? 2 / width : 1);
    for (w.layer = 0; w.layer < f->n_layers; w.layer++) add_layer(&w, w.layer);
    w.layer = 0;
    add(&w, "model.norm.weight", f->hidden_dim, 0, 1, 0.2);
    if (!f->tied) add(&w, "lm_head.weight", f->vocab_size, f->hidden_dim, 0, 2 / width);
}

void model_fixture_write_config(const model_fixture *f, const char *folder)
{
    cna_error err;
    cna_buffer text = {0};
    assert_ok(cna_buffer_printf(
        &text, &err,
        "{\"model_type\": \"%s\", \"num_hidden_layers\": %u, \"hidden_size\": %u, \"intermediate_size\": %u, "
        "\"num_attention_heads\": %u, \"num_key_value_heads\": %u, \"head_dim\": %u, \"vocab_size\": %u, "
        "\"tie_word_embeddings\": %s, \"rms_norm_eps\": 1e-5, \"rope_theta\": 10000.0, \"eos_token_id\": [3, 5, 8]%s}",
        f->architecture, f->n_layers, f->hidden_dim, f->mlp_dim, f->n_heads, f->n_kv_heads, f->head_dim, f->vocab_size,
        f->tied ? "true" : "false",
        f->llama3_rope ? ", \"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8.0, \"low_freq_factor\": 1.0, "
                         "\"high_freq_factor\": 4.0, \"original_max_position_embeddings\": 64}"
                       : ""));
    char *path = support_path(folder, "config.json");
    support_write(path, text.data, text.size);
    cna_free(path);
    cna_buffer_free(&text);
}

char *model_fixture_create(const model_fixture *f)
{
    cna_error err;
    char *folder = support_folder_create();
    tensor_file files[2] = {{{0}, {0}}, {{0}, {0}}};
    cna_buffer members = {0}, index = {0};
    model_fixture_add_tensors(f, NULL, files, &members);
    if (f->sharded) {
        tensor_file_write(&files[0], folder, "model-00001-of-00002.safetensors");
        tensor_file_write(&files[1], folder, "model-00002-of-00002.safetensors");
        assert_ok(cna_buffer_printf(&index, &err, "{\"weight_map\": {%s}}", members.data));
        char *path = support_path(folder, "model.safetensors.index.json");
        support_write(path, index.data, index.size);
        cna_free(path);
    } else {
        tensor_file_write(&files[0], folder, "model.safetensors");
    }
    cna_buffer_free(&members);
    cna_buffer_free(&index);
    model_fixture_write_config(f, folder);
    const tokenizer_fixture tokenizer = {0};
    tokenizer_fixture_write(folder, &tokenizer);
    return folder;
}
