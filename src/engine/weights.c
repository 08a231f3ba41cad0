/* SPDX-License-Identifier: MIT
 * Tensors bound by name and shape. */
#include "engine/weights.h"

#include <stdio.h>
#include <string.h>

/* The tensors of one layer: name behind "model.layers.N.", and which dimensions it has (cols 0: a vector). */
typedef enum dimension { D_NONE, D_HIDDEN, D_MLP, D_Q, D_KV } dimension;
typedef struct tensor_rule {
    const char *name;
    dimension rows, cols;
    bool qkv_bias; /* there only where the model has these biases */
} tensor_rule;

enum { N_RULES = 12 };
static const tensor_rule rules[N_RULES] = {
    {"input_layernorm.weight", D_HIDDEN, D_NONE, false},
    {"post_attention_layernorm.weight", D_HIDDEN, D_NONE, false},
    {"self_attn.q_proj.weight", D_Q, D_HIDDEN, false},
    {"self_attn.k_proj.weight", D_KV, D_HIDDEN, false},
    {"self_attn.v_proj.weight", D_KV, D_HIDDEN, false},
    {"self_attn.o_proj.weight", D_HIDDEN, D_Q, false},
    {"self_attn.q_proj.bias", D_Q, D_NONE, true},
    {"self_attn.k_proj.bias", D_KV, D_NONE, true},
    {"self_attn.v_proj.bias", D_KV, D_NONE, true},
    {"mlp.gate_proj.weight", D_MLP, D_HIDDEN, false},
    {"mlp.up_proj.weight", D_MLP, D_HIDDEN, false},
    {"mlp.down_proj.weight", D_HIDDEN, D_MLP, false},
};

static size_t size_of(const cna_config *config, dimension which)
{
    switch (which) {
    case D_NONE:
        return 0;
    case D_HIDDEN:
        return config->hidden_dim;
    case D_MLP:
        return config->mlp_dim;
    case D_Q:
        return (size_t)config->n_heads * config->head_dim;
    case D_KV:
        return (size_t)config->n_kv_heads * config->head_dim;
    }
    return 0;
}

static void shape_text(const cna_tensor *tensor, char *out, size_t n_out)
{
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < tensor->rank && at < n_out; i++) {
        at += (size_t)snprintf(out + at, n_out - at, "%s%llu", i == 0 ? "" : ",", (unsigned long long)tensor->shape[i]);
    }
}

static bool storage_of(const cna_tensor *tensor, cna_storage *out)
{
    static const char *const names[CNA_STORAGE_COUNT] = {"F32", "BF16", "F16"};
    for (int i = 0; i < CNA_STORAGE_COUNT; i++) {
        if (strcmp(tensor->dtype, names[i]) == 0) {
            *out = (cna_storage)i;
            return true;
        }
    }
    return false;
}

/* Find a tensor and check it; cols 0 asks for a vector of `rows`. */
static cna_status find(const cna_checkpoint *checkpoint, const char *name, size_t rows, size_t cols,
                       cna_matrix_view *out, cna_error *err)
{
    const cna_tensor *tensor = cna_checkpoint_find(checkpoint, name);
    char expected[64], found[192];
    if (cols == 0) snprintf(expected, sizeof expected, "[%zu]", rows);
    else snprintf(expected, sizeof expected, "[%zu,%zu]", rows, cols);
    if (tensor == NULL) {
        return cna_fail(err, CNA_ERR_MISMATCH, "%s: tensor '%s': expected %s, found none; is config.json from this "
                        "model?", checkpoint->folder, name, expected);
    }
    if (!storage_of(tensor, &out->storage)) {
        return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: tensor '%s': expected dtype BF16, F16 or F32, found %s; "
                        "quantised re-saves are not supported, use the original checkpoint", tensor->path, name,
                        tensor->dtype);
    }
    bool fits = cols == 0 ? tensor->rank == 1 && tensor->shape[0] == rows
                          : tensor->rank == 2 && tensor->shape[0] == rows && tensor->shape[1] == cols;
    if (!fits) {
        shape_text(tensor, found, sizeof found);
        return cna_fail(err, CNA_ERR_MISMATCH, "%s: tensor '%s': expected %s, found [%s]; is config.json from this "
                        "model?", tensor->path, name, expected, found);
    }
    out->data = tensor->data;
    out->rows = cols == 0 ? 1 : rows;
    out->cols = cols == 0 ? rows : cols;
    return CNA_OK;
}

static cna_status find_by_rule(const cna_checkpoint *checkpoint, uint32_t layer, const tensor_rule *rule,
                               cna_matrix_view *out, cna_error *err)
{
    char name[128];
    snprintf(name, sizeof name, "model.layers.%u.%s", layer, rule->name);
    size_t rows = size_of(&checkpoint->config, rule->rows), cols = size_of(&checkpoint->config, rule->cols);
    return find(checkpoint, name, rows, cols, out, err);
}

/* Whether a tensor of a checkpoint has a place in the model, or is known to be left over and harmless. */
static bool is_known(const cna_config *config, const char *name)
{
    if (strcmp(name, "model.embed_tokens.weight") == 0 || strcmp(name, "model.norm.weight") == 0 ||
        strcmp(name, "lm_head.weight") == 0) {
        return true;
    }
    static const char prefix[] = "model.layers.";
    size_t n_read = strlen(prefix);
    uint32_t layer = 0;
    if (strncmp(name, prefix, n_read) != 0) return false;
    for (; name[n_read] >= '0' && name[n_read] <= '9' && layer < config->n_layers; n_read++) {
        layer = 10 * layer + (uint32_t)(name[n_read] - '0');
    }
    /* Written as numbers are: "01" and "+1" are other names. */
    char start[32];
    if (layer >= config->n_layers) return false;
    n_read = (size_t)snprintf(start, sizeof start, "%s%u.", prefix, layer);
    if (strncmp(name, start, n_read) != 0) return false;
    /* Written by old transformers versions; recomputed from the config. */
    if (strcmp(name + n_read, "self_attn.rotary_emb.inv_freq") == 0) return true;
    for (size_t i = 0; i < N_RULES; i++) {
        if (strcmp(name + n_read, rules[i].name) == 0) return config->qkv_bias || !rules[i].qkv_bias;
    }
    return false;
}

cna_status cna_weights_check(const cna_checkpoint *checkpoint, cna_storage *storage, cna_error *err)
{
    const cna_config *config = &checkpoint->config;
    uint64_t n_bytes[CNA_STORAGE_COUNT] = {0};
    /* Tensors that should not be there come first: in a quantised re-save they explain why others have odd shapes. */
    for (size_t i = 0; i < checkpoint->n_tensors; i++) {
        const cna_tensor *tensor = checkpoint->tensors[i];
        if (!is_known(config, tensor->name)) {
            return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: tensor '%s': expected only tensors of a %s with %u layers, "
                            "found this one; quantised re-saves and other variants are not supported", tensor->path,
                            tensor->name, cna_architecture_name(config->architecture), config->n_layers);
        }
        cna_storage one;
        if (storage_of(tensor, &one)) n_bytes[one] += tensor->n_bytes;
    }
    *storage = CNA_STORAGE_F32;
    for (int i = 0; i < CNA_STORAGE_COUNT; i++) {
        if (n_bytes[i] > n_bytes[*storage]) *storage = (cna_storage)i;
    }
    cna_matrix_view view;
    CNA_TRY(find(checkpoint, "model.embed_tokens.weight", config->vocab_size, config->hidden_dim, &view, err));
    CNA_TRY(find(checkpoint, "model.norm.weight", config->hidden_dim, 0, &view, err));
    if (!config->tied_embeddings) {
        CNA_TRY(find(checkpoint, "lm_head.weight", config->vocab_size, config->hidden_dim, &view, err));
    }
    for (uint32_t layer = 0; layer < config->n_layers; layer++) {
        for (size_t i = 0; i < N_RULES; i++) {
            if (rules[i].qkv_bias && !config->qkv_bias) continue;
            CNA_TRY(find_by_rule(checkpoint, layer, &rules[i], &view, err));
        }
    }
    return CNA_OK;
}

/* ERR_UNSUPPORTED where a matrix is not stored as a bf16 product needs it. */
static cna_status check_storage(const cna_matrix_view *view, cna_input input, cna_error *err)
{
    if (input != CNA_INPUT_BF16 || view->storage == CNA_STORAGE_BF16) return CNA_OK;
    return cna_fail(err, CNA_ERR_UNSUPPORTED, "a weight matrix of %zu x %zu: expected bf16 as for the rest of the "
                    "model, found %s; use --dtype f32", view->rows, view->cols, cna_storage_name(view->storage));
}

static bool is_vector(size_t rule)
{
    return rules[rule].cols == D_NONE;
}

/* Add up the bytes of one matrix by each way of keeping it. */
static cna_status measure_matrix(const cna_matrix_view *view, cna_input input, cna_weights_need *need, uint64_t *stage,
                                 cna_error *err)
{
    size_t packed, in_place, staged;
    CNA_TRY(check_storage(view, input, err));
    CNA_TRY(cna_linear_bytes(view, input, CNA_LINEAR_PACKED, &packed, err));
    CNA_TRY(cna_linear_bytes(view, input, CNA_LINEAR_IN_PLACE, &in_place, err));
    CNA_TRY(cna_linear_bytes(view, input, CNA_LINEAR_STAGED, &staged, err));
    need->packed += packed;
    need->in_place += in_place;
    *stage += staged;
    return CNA_OK;
}

cna_status cna_weights_measure(const cna_checkpoint *checkpoint, cna_input input, cna_weights_need *out, cna_error *err)
{
    const cna_config *config = &checkpoint->config;
    const char *head = config->tied_embeddings ? "model.embed_tokens.weight" : "lm_head.weight";
    cna_matrix_view view;
    *out = (cna_weights_need){0};
    CNA_TRY(find(checkpoint, head, config->vocab_size, config->hidden_dim, &view, err));
    uint64_t head_stage = 0; /* not counted: attribution never asks for it */
    CNA_TRY(measure_matrix(&view, input, out, &head_stage, err));
    uint64_t vectors = (uint64_t)config->hidden_dim * sizeof(float);
    for (uint32_t layer = 0; layer < config->n_layers; layer++) {
        uint64_t stage = 0;
        for (size_t i = 0; i < N_RULES; i++) {
            if (rules[i].qkv_bias && !config->qkv_bias) continue;
            CNA_TRY(find_by_rule(checkpoint, layer, &rules[i], &view, err));
            if (is_vector(i)) vectors += view.cols * sizeof(float);
            else CNA_TRY(measure_matrix(&view, input, out, &stage, err));
        }
        if (stage > out->stage) out->stage = stage;
    }
    out->packed += vectors;
    out->in_place += vectors;
    out->staged = vectors;
    return CNA_OK;
}

static cna_status bind_vector(const cna_matrix_view *view, cna_weights *weights, float **out, cna_error *err)
{
    CNA_TRY(cna_alloc(out, view->cols, sizeof **out, "weight vector", err));
    cna_matrix_widen(view, 0, 0, view->cols, *out);
    weights->packed_bytes += view->cols * sizeof **out;
    return CNA_OK;
}

static cna_status bind_matrix(const cna_checkpoint *checkpoint, const cna_matrix_view *view, cna_input input,
                              cna_linear_keep keep, cna_weights *weights, cna_linear **out, cna_error *err)
{
    CNA_TRY(check_storage(view, input, err));
    CNA_TRY(cna_linear_create(view, input, keep, out, err));
    size_t held = cna_linear_packed_bytes(*out);
    weights->packed_bytes += held;
    if (held == 0) return CNA_OK;
    const cna_map *map = cna_checkpoint_map(checkpoint, view->data);
    size_t n_bytes = cna_matrix_bytes(view);
    if (map != NULL) cna_map_release(map, (size_t)((const unsigned char *)view->data - map->data), n_bytes, false);
    return CNA_OK;
}

void cna_layer_matrices(cna_layer_weights *layer, cna_linear **out[CNA_LAYER_MATRICES])
{
    cna_linear **const all[CNA_LAYER_MATRICES] = {&layer->q,    &layer->k,  &layer->v,   &layer->o,
                                                  &layer->gate, &layer->up, &layer->down};
    memcpy(out, all, sizeof all);
}

static void layer_vectors(cna_layer_weights *layer, float **out[N_RULES - CNA_LAYER_MATRICES])
{
    float **const all[N_RULES - CNA_LAYER_MATRICES] = {&layer->input_norm, &layer->post_attention_norm, &layer->q_bias,
                                                       &layer->k_bias, &layer->v_bias};
    memcpy(out, all, sizeof all);
}

static cna_status bind_layer(const cna_checkpoint *checkpoint, uint32_t index, cna_input input, cna_linear_keep keep,
                             cna_weights *weights, cna_error *err)
{
    cna_layer_weights *layer = &weights->layers[index];
    /* Both in the order of rules[]. */
    float **vectors[N_RULES - CNA_LAYER_MATRICES];
    cna_linear **matrices[CNA_LAYER_MATRICES];
    layer_vectors(layer, vectors);
    cna_layer_matrices(layer, matrices);
    size_t n_vectors = 0, n_matrices = 0;
    uint64_t stage_bytes = 0;
    for (size_t i = 0; i < N_RULES; i++) {
        size_t place = is_vector(i) ? n_vectors++ : n_matrices++;
        if (rules[i].qkv_bias && !checkpoint->config.qkv_bias) continue;
        cna_matrix_view view;
        CNA_TRY(find_by_rule(checkpoint, index, &rules[i], &view, err));
        if (is_vector(i)) {
            CNA_TRY(bind_vector(&view, weights, vectors[place], err));
        } else {
            CNA_TRY(bind_matrix(checkpoint, &view, input, keep, weights, matrices[place], err));
            stage_bytes += cna_linear_stage_bytes(*matrices[place]);
        }
    }
    if (stage_bytes > weights->stage_bytes) weights->stage_bytes = stage_bytes;
    return CNA_OK;
}

cna_status cna_weights_bind(const cna_checkpoint *checkpoint, cna_input input, cna_linear_keep keep, cna_weights *out,
                            cna_error *err)
{
    *out = (cna_weights){0};
    const cna_config *config = &checkpoint->config;
    cna_matrix_view view;
    cna_status status;
    CNA_TRY_CLEANUP(cna_alloc(&out->layers, config->n_layers, sizeof *out->layers, "layer table", err));
    out->n_layers = config->n_layers;
    CNA_TRY_CLEANUP(find(checkpoint, "model.embed_tokens.weight", config->vocab_size, config->hidden_dim,
                         &out->embedding, err));
    CNA_TRY_CLEANUP(find(checkpoint, "model.norm.weight", config->hidden_dim, 0, &view, err));
    CNA_TRY_CLEANUP(bind_vector(&view, out, &out->final_norm, err));
    const char *head = config->tied_embeddings ? "model.embed_tokens.weight" : "lm_head.weight";
    CNA_TRY_CLEANUP(find(checkpoint, head, config->vocab_size, config->hidden_dim, &view, err));
    CNA_TRY_CLEANUP(bind_matrix(checkpoint, &view, input, keep, out, &out->head, err));
    for (uint32_t i = 0; i < config->n_layers; i++) {
        CNA_TRY_CLEANUP(bind_layer(checkpoint, i, input, keep, out, err));
    }
cleanup:
    if (status != CNA_OK) cna_weights_free(out);
    return status;
}

static void free_layer(cna_layer_weights *layer)
{
    cna_linear **matrices[CNA_LAYER_MATRICES];
    float **vectors[N_RULES - CNA_LAYER_MATRICES];
    cna_layer_matrices(layer, matrices);
    layer_vectors(layer, vectors);
    for (size_t i = 0; i < CNA_LAYER_MATRICES; i++) cna_linear_free(*matrices[i]);
    for (size_t i = 0; i < N_RULES - CNA_LAYER_MATRICES; i++) cna_free(*vectors[i]);
}

void cna_weights_free(cna_weights *weights)
{
    for (uint32_t i = 0; i < weights->n_layers; i++) free_layer(&weights->layers[i]);
    cna_free(weights->layers);
    cna_free(weights->final_norm);
    cna_linear_free(weights->head);
    *weights = (cna_weights){0};
}
