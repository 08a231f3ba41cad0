/* SPDX-License-Identifier: MIT
 * Tensors bound by name and shape. */
#include "engine/weights.h"

#include <stdio.h>
#include <string.h>

/* The tensors of one layer: name behind "model.layers.N." or, in GGUF, behind "blk.N.", and which dimensions it has (no
 * cols: a vector). */
typedef enum dimension { D_NONE, D_HIDDEN, D_MLP, D_Q, D_KV } dimension;
typedef struct tensor_rule {
    const char *name, *gguf;
    dimension rows, cols;
    bool qkv_bias; /* there only where the model has these biases */
    bool paired;   /* in GGUF, a Llama's rows lie in pairs */
} tensor_rule;

enum { N_RULES = 12 };
static const tensor_rule rules[N_RULES] = {
    {"input_layernorm.weight", "attn_norm.weight", D_HIDDEN, D_NONE, false, false},
    {"post_attention_layernorm.weight", "ffn_norm.weight", D_HIDDEN, D_NONE, false, false},
    {"self_attn.q_proj.weight", "attn_q.weight", D_Q, D_HIDDEN, false, true},
    {"self_attn.k_proj.weight", "attn_k.weight", D_KV, D_HIDDEN, false, true},
    {"self_attn.v_proj.weight", "attn_v.weight", D_KV, D_HIDDEN, false, false},
    {"self_attn.o_proj.weight", "attn_output.weight", D_HIDDEN, D_Q, false, false},
    {"self_attn.q_proj.bias", "attn_q.bias", D_Q, D_NONE, true, false},
    {"self_attn.k_proj.bias", "attn_k.bias", D_KV, D_NONE, true, false},
    {"self_attn.v_proj.bias", "attn_v.bias", D_KV, D_NONE, true, false},
    {"mlp.gate_proj.weight", "ffn_gate.weight", D_MLP, D_HIDDEN, false, false},
    {"mlp.up_proj.weight", "ffn_up.weight", D_MLP, D_HIDDEN, false, false},
    {"mlp.down_proj.weight", "ffn_down.weight", D_HIDDEN, D_MLP, false, false},
};

/* The tensors beside the layers. */
static const char *embedding_name(const cna_checkpoint *checkpoint)
{
    return checkpoint->is_gguf ? "token_embd.weight" : "model.embed_tokens.weight";
}

static const char *norm_name(const cna_checkpoint *checkpoint)
{
    return checkpoint->is_gguf ? "output_norm.weight" : "model.norm.weight";
}

/* Tied embeddings serve as the output head. */
static const char *head_name(const cna_checkpoint *checkpoint)
{
    if (checkpoint->config.tied_embeddings) return embedding_name(checkpoint);
    return checkpoint->is_gguf ? "output.weight" : "lm_head.weight";
}

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

/* Find a tensor and check it; cols 0 asks for a vector of `rows`. */
static cna_status find(const cna_checkpoint *checkpoint, const char *name, size_t rows, size_t cols,
                       cna_matrix_view *out, cna_error *err)
{
    const cna_tensor *tensor = cna_checkpoint_find(checkpoint, name);
    const char *hint = checkpoint->is_gguf ? "do metadata and tensors belong together?"
                                           : "is config.json from this model?";
    char expected[64], found[192];
    if (cols == 0) snprintf(expected, sizeof expected, "[%zu]", rows);
    else snprintf(expected, sizeof expected, "[%zu,%zu]", rows, cols);
    if (tensor == NULL) {
        return cna_fail(err, CNA_ERR_MISMATCH, "%s: tensor '%s': expected %s, found none; %s", checkpoint->path, name,
                        expected, hint);
    }
    if (!cna_storage_find(tensor->dtype, &out->storage)) {
        return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: tensor '%s': expected dtype BF16, F16 or F32, found %s; "
                        "quantised re-saves are not supported, use the original checkpoint", tensor->path, name,
                        tensor->dtype);
    }
    bool fits = cols == 0 ? tensor->rank == 1 && tensor->shape[0] == rows
                          : tensor->rank == 2 && tensor->shape[0] == rows && tensor->shape[1] == cols;
    if (!fits) {
        shape_text(tensor, found, sizeof found);
        return cna_fail(err, CNA_ERR_MISMATCH, "%s: tensor '%s': expected %s, found [%s]; %s", tensor->path, name,
                        expected, found, hint);
    }
    *out = (cna_matrix_view){.data = tensor->data, .storage = out->storage, .rows = cols == 0 ? 1 : rows,
                             .cols = cols == 0 ? rows : cols};
    return CNA_OK;
}

static cna_status find_by_rule(const cna_checkpoint *checkpoint, uint32_t layer, const tensor_rule *rule,
                               cna_matrix_view *out, cna_error *err)
{
    char name[128];
    const cna_config *config = &checkpoint->config;
    if (checkpoint->is_gguf) snprintf(name, sizeof name, "blk.%u.%s", layer, rule->gguf);
    else snprintf(name, sizeof name, "model.layers.%u.%s", layer, rule->name);
    CNA_TRY(find(checkpoint, name, size_of(config, rule->rows), size_of(config, rule->cols), out, err));
    bool paired = checkpoint->is_gguf && rule->paired && config->architecture == CNA_ARCHITECTURE_LLAMA;
    if (paired) out->paired_rows = config->head_dim;
    return CNA_OK;
}

/* Whether a tensor of a checkpoint has a place in the model, or is known to be left over and harmless. */
static bool is_known(const cna_checkpoint *checkpoint, const char *name)
{
    const cna_config *config = &checkpoint->config;
    if (strcmp(name, embedding_name(checkpoint)) == 0 || strcmp(name, norm_name(checkpoint)) == 0 ||
        strcmp(name, checkpoint->is_gguf ? "rope_freqs.weight" : "lm_head.weight") == 0 ||
        strcmp(name, head_name(checkpoint)) == 0) {
        return true;
    }
    const char *prefix = checkpoint->is_gguf ? "blk." : "model.layers.";
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
    if (!checkpoint->is_gguf && strcmp(name + n_read, "self_attn.rotary_emb.inv_freq") == 0) return true;
    for (size_t i = 0; i < N_RULES; i++) {
        const char *known = checkpoint->is_gguf ? rules[i].gguf : rules[i].name;
        if (strcmp(name + n_read, known) == 0) return config->qkv_bias || !rules[i].qkv_bias;
    }
    return false;
}

/* The type that most values are stored in; where any are quantised, the one that most of those are. */
static cna_storage main_storage(const cna_checkpoint *checkpoint)
{
    uint64_t n_values[CNA_STORAGE_COUNT] = {0};
    cna_storage most = CNA_STORAGE_F32, one;
    for (size_t i = 0; i < checkpoint->n_tensors; i++) {
        const cna_tensor *tensor = checkpoint->tensors[i];
        if (!cna_storage_find(tensor->dtype, &one)) continue;
        size_t block = cna_storage_block(one);
        n_values[one] += tensor->n_bytes / cna_storage_bytes(one, block) * block;
    }
    for (int i = 0; i < CNA_STORAGE_COUNT; i++) {
        bool first = cna_storage_is_quantised((cna_storage)i) && !cna_storage_is_quantised(most) && n_values[i] > 0;
        if (first || n_values[i] > n_values[most]) most = (cna_storage)i;
    }
    return most;
}

cna_status cna_weights_check(const cna_checkpoint *checkpoint, cna_storage *storage, cna_error *err)
{
    const cna_config *config = &checkpoint->config;
    /* Tensors that should not be there come first: in a quantised re-save they explain why others have odd shapes. */
    for (size_t i = 0; i < checkpoint->n_tensors; i++) {
        const cna_tensor *tensor = checkpoint->tensors[i];
        if (is_known(checkpoint, tensor->name)) continue;
        return cna_fail(err, CNA_ERR_UNSUPPORTED,
                        "%s: tensor '%s': expected only tensors of a %s with %u layers, found this "
                        "one; quantised re-saves and other variants are not supported",
                        tensor->path, tensor->name, cna_architecture_name(config->architecture), config->n_layers);
    }
    *storage = main_storage(checkpoint);
    cna_matrix_view view;
    CNA_TRY(find(checkpoint, embedding_name(checkpoint), config->vocab_size, config->hidden_dim, &view, err));
    CNA_TRY(find(checkpoint, norm_name(checkpoint), config->hidden_dim, 0, &view, err));
    if (!config->tied_embeddings) {
        CNA_TRY(find(checkpoint, head_name(checkpoint), config->vocab_size, config->hidden_dim, &view, err));
    }
    for (uint32_t layer = 0; layer < config->n_layers; layer++) {
        for (size_t i = 0; i < N_RULES; i++) {
            if (rules[i].qkv_bias && !config->qkv_bias) continue;
            CNA_TRY(find_by_rule(checkpoint, layer, &rules[i], &view, err));
        }
    }
    return CNA_OK;
}

cna_status cna_weights_find_head(const cna_checkpoint *checkpoint, cna_matrix_view *out, cna_error *err)
{
    const cna_config *config = &checkpoint->config;
    return find(checkpoint, head_name(checkpoint), config->vocab_size, config->hidden_dim, out, err);
}

cna_status cna_weights_each(const cna_config *config, cna_weights_fn *fn, void *user, cna_error *err)
{
    CNA_TRY(fn(user, "model.embed_tokens.weight", config->vocab_size, config->hidden_dim, err));
    CNA_TRY(fn(user, "model.norm.weight", config->hidden_dim, 0, err));
    if (!config->tied_embeddings) CNA_TRY(fn(user, "lm_head.weight", config->vocab_size, config->hidden_dim, err));
    for (uint32_t layer = 0; layer < config->n_layers; layer++) {
        for (size_t i = 0; i < N_RULES; i++) {
            if (rules[i].qkv_bias && !config->qkv_bias) continue;
            char name[128];
            snprintf(name, sizeof name, "model.layers.%u.%s", layer, rules[i].name);
            CNA_TRY(fn(user, name, size_of(config, rules[i].rows), size_of(config, rules[i].cols), err));
        }
    }
    return CNA_OK;
}

/* ERR_UNSUPPORTED where a matrix is not stored as a bf16 product needs it. GGUF files mix types as a matter of course,
 * and what is not bf16 there is rounded to it; in a folder one that differs is a mistake or a surprise. */
static cna_status check_storage(const cna_checkpoint *checkpoint, const cna_matrix_view *view, cna_input input,
                                cna_error *err)
{
    if (checkpoint->is_gguf || input != CNA_INPUT_BF16 || view->storage == CNA_STORAGE_BF16) return CNA_OK;
    return cna_fail(err, CNA_ERR_UNSUPPORTED, "a weight matrix of %zu x %zu: expected bf16 as for the rest of the "
                    "model, found %s; use --dtype f32", view->rows, view->cols, cna_storage_name(view->storage));
}

static bool is_vector(size_t rule)
{
    return rules[rule].cols == D_NONE;
}

/* Add up the bytes of one matrix by each way of keeping it. */
static cna_status measure_matrix(const cna_checkpoint *checkpoint, const cna_matrix_view *view, cna_input input,
                                 cna_weights_need *need, uint64_t *stage, cna_error *err)
{
    size_t packed, in_place, staged;
    CNA_TRY(check_storage(checkpoint, view, input, err));
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
    cna_matrix_view view;
    *out = (cna_weights_need){0};
    CNA_TRY(cna_weights_find_head(checkpoint, &view, err));
    uint64_t head_stage = 0; /* not counted: attribution never asks for it */
    CNA_TRY(measure_matrix(checkpoint, &view, input, out, &head_stage, err));
    uint64_t vectors = (uint64_t)config->hidden_dim * sizeof(float);
    for (uint32_t layer = 0; layer < config->n_layers; layer++) {
        uint64_t stage = 0;
        for (size_t i = 0; i < N_RULES; i++) {
            if (rules[i].qkv_bias && !config->qkv_bias) continue;
            CNA_TRY(find_by_rule(checkpoint, layer, &rules[i], &view, err));
            if (is_vector(i)) vectors += view.cols * sizeof(float);
            else CNA_TRY(measure_matrix(checkpoint, &view, input, out, &stage, err));
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
    CNA_TRY(check_storage(checkpoint, view, input, err));
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
    CNA_TRY_CLEANUP(find(checkpoint, embedding_name(checkpoint), config->vocab_size, config->hidden_dim,
                         &out->embedding, err));
    CNA_TRY_CLEANUP(find(checkpoint, norm_name(checkpoint), config->hidden_dim, 0, &view, err));
    CNA_TRY_CLEANUP(bind_vector(&view, out, &out->final_norm, err));
    CNA_TRY_CLEANUP(cna_weights_find_head(checkpoint, &view, err));
    CNA_TRY_CLEANUP(bind_matrix(checkpoint, &view, input, keep, out, &out->head, err));
    for (uint32_t i = 0; i < config->n_layers; i++) {
        CNA_TRY_CLEANUP(cna_checkpoint_check(checkpoint, err));
        CNA_TRY_CLEANUP(bind_layer(checkpoint, i, input, keep, out, err));
    }
    status = cna_checkpoint_check(checkpoint, err);
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
