/* SPDX-License-Identifier: MIT
 * Tensors by name and shape, for each family and both formats. */
#include "engine/parts.h"

#include <stdio.h>
#include <string.h>

typedef enum dimension { D_NONE, D_HIDDEN, D_MLP, D_Q, D_KV, D_QKV, D_TWO_MLP, D_Q_NORM, D_K_NORM } dimension;
/* A tensor's name stands behind "model.layers.N." or, in GGUF, behind "blk.N."; the shape is rows by cols (no cols: a
 * vector). Fused parts are rows of the tensor `whole`, behind those of the parts that share it before them; GGUF calls
 * Phi-3's fused gate and up ffn_up. */
typedef struct tensor_rule {
    const char *name, *gguf;
    dimension rows, cols;
    const char *whole, *gguf_whole; /* ? the tensor where the family fuses, of whole_rows rows */
    dimension whole_rows;
} tensor_rule;

static const tensor_rule rules[CNA_PARTS] = {
    [CNA_PART_Q] = {"self_attn.q_proj.weight", "attn_q.weight", D_Q, D_HIDDEN, "self_attn.qkv_proj.weight",
             "attn_qkv.weight", D_QKV},
    [CNA_PART_K] = {"self_attn.k_proj.weight", "attn_k.weight", D_KV, D_HIDDEN, "self_attn.qkv_proj.weight",
             "attn_qkv.weight", D_QKV},
    [CNA_PART_V] = {"self_attn.v_proj.weight", "attn_v.weight", D_KV, D_HIDDEN, "self_attn.qkv_proj.weight",
             "attn_qkv.weight", D_QKV},
    [CNA_PART_O] = {"self_attn.o_proj.weight", "attn_output.weight", D_HIDDEN, D_Q, NULL, NULL, D_NONE},
    [CNA_PART_GATE] = {"mlp.gate_proj.weight", "ffn_gate.weight", D_MLP, D_HIDDEN, "mlp.gate_up_proj.weight",
                "ffn_up.weight", D_TWO_MLP},
    [CNA_PART_UP] = {"mlp.up_proj.weight", "ffn_up.weight", D_MLP, D_HIDDEN, "mlp.gate_up_proj.weight", "ffn_up.weight",
              D_TWO_MLP},
    [CNA_PART_DOWN] = {"mlp.down_proj.weight", "ffn_down.weight", D_HIDDEN, D_MLP, NULL, NULL, D_NONE},
    /* In a folder the family names the norms. */
    [CNA_PART_NORMS + CNA_NORM_ATTENTION] = {NULL, "attn_norm.weight", D_HIDDEN, D_NONE, NULL, NULL, D_NONE},
    [CNA_PART_NORMS + CNA_NORM_ATTENTION_OUT] = {NULL, "post_attention_norm.weight", D_HIDDEN, D_NONE, NULL, NULL,
                                                 D_NONE},
    [CNA_PART_NORMS + CNA_NORM_MLP] = {NULL, "ffn_norm.weight", D_HIDDEN, D_NONE, NULL, NULL, D_NONE},
    [CNA_PART_NORMS + CNA_NORM_MLP_OUT] = {NULL, "post_ffw_norm.weight", D_HIDDEN, D_NONE, NULL, NULL, D_NONE},
    [CNA_PART_Q_NORM] = {"self_attn.q_norm.weight", "attn_q_norm.weight", D_Q_NORM, D_NONE, NULL, NULL, D_NONE},
    [CNA_PART_K_NORM] = {"self_attn.k_norm.weight", "attn_k_norm.weight", D_K_NORM, D_NONE, NULL, NULL, D_NONE},
    [CNA_PART_Q_BIAS] = {"self_attn.q_proj.bias", "attn_q.bias", D_Q, D_NONE, NULL, NULL, D_NONE},
    [CNA_PART_K_BIAS] = {"self_attn.k_proj.bias", "attn_k.bias", D_KV, D_NONE, NULL, NULL, D_NONE},
    [CNA_PART_V_BIAS] = {"self_attn.v_proj.bias", "attn_v.bias", D_KV, D_NONE, NULL, NULL, D_NONE},
    [CNA_PART_O_BIAS] = {"self_attn.o_proj.bias", "attn_output.bias", D_HIDDEN, D_NONE, NULL, NULL, D_NONE},
    [CNA_PART_GATE_BIAS] = {"mlp.gate_proj.bias", "ffn_gate.bias", D_MLP, D_NONE, NULL, NULL, D_NONE},
    [CNA_PART_UP_BIAS] = {"mlp.up_proj.bias", "ffn_up.bias", D_MLP, D_NONE, NULL, NULL, D_NONE},
    [CNA_PART_DOWN_BIAS] = {"mlp.down_proj.bias", "ffn_down.bias", D_HIDDEN, D_NONE, NULL, NULL, D_NONE},
};

bool cna_part_exists(const cna_config *config, size_t p)
{
    if (p < CNA_PART_VECTORS) return true;
    if (p < CNA_PART_Q_NORM) return config->family->norms[p - CNA_PART_NORMS] != NULL;
    if (p < CNA_PART_Q_BIAS) return config->family->qk_norm != CNA_QK_NORM_NONE;
    if (p < CNA_PART_O_BIAS) return config->qkv_bias;
    return p == CNA_PART_O_BIAS ? config->o_bias : config->mlp_bias;
}

static bool is_fused(const cna_config *config, size_t p)
{
    return config->family->fused && rules[p].whole != NULL;
}

/* The tensor of a part, as named in a layer. */
static const char *part_name(const cna_config *config, bool is_gguf, size_t p)
{
    if (is_fused(config, p)) return is_gguf ? rules[p].gguf_whole : rules[p].whole;
    if (is_gguf) return rules[p].gguf;
    return rules[p].name != NULL ? rules[p].name : config->family->norms[p - CNA_PART_NORMS];
}

/* What tensors of a folder are called before "layers.", and their other names. */
static const char *const prefixes[] = {"model.", "language_model.model.", "model.language_model."};

static const char *prefix_of(const cna_checkpoint *checkpoint)
{
    char name[64];
    for (size_t i = 1; i < sizeof prefixes / sizeof *prefixes && checkpoint->config.wrapped; i++) {
        snprintf(name, sizeof name, "%sembed_tokens.weight", prefixes[i]);
        if (cna_checkpoint_find(checkpoint, name) != NULL) return prefixes[i];
    }
    return prefixes[0];
}

enum { NAME_SIZE = 128 };

/* The tensors beside the layers. */
static const char *embedding_name(const cna_checkpoint *checkpoint, char out[NAME_SIZE])
{
    if (checkpoint->is_gguf) return "token_embd.weight";
    snprintf(out, NAME_SIZE, "%sembed_tokens.weight", prefix_of(checkpoint));
    return out;
}

static const char *norm_name(const cna_checkpoint *checkpoint, char out[NAME_SIZE])
{
    if (checkpoint->is_gguf) return "output_norm.weight";
    snprintf(out, NAME_SIZE, "%snorm.weight", prefix_of(checkpoint));
    return out;
}

/* Tied embeddings serve as the output head. */
static const char *head_name(const cna_checkpoint *checkpoint, char out[NAME_SIZE])
{
    if (checkpoint->config.tied_embeddings) return embedding_name(checkpoint, out);
    if (checkpoint->is_gguf) return "output.weight";
    bool inside = strcmp(prefix_of(checkpoint), "language_model.model.") == 0;
    return inside ? "language_model.lm_head.weight" : "lm_head.weight";
}

static size_t size_of(const cna_config *config, dimension which)
{
    size_t q = (size_t)config->n_heads * config->head_dim, kv = (size_t)config->n_kv_heads * config->head_dim;
    bool whole = config->family->qk_norm == CNA_QK_NORM_WHOLE;
    switch (which) {
    case D_NONE:
        return 0;
    case D_HIDDEN:
        return config->hidden_dim;
    case D_MLP:
        return config->mlp_dim;
    case D_Q:
        return q;
    case D_KV:
        return kv;
    case D_QKV:
        return q + 2 * kv;
    case D_TWO_MLP:
        return 2 * (size_t)config->mlp_dim;
    case D_Q_NORM:
        return whole ? q : config->head_dim;
    case D_K_NORM:
        return whole ? kv : config->head_dim;
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

/* Rows of a fused tensor before those of a part. */
static size_t rows_before(const cna_config *config, size_t p)
{
    size_t n = 0;
    for (size_t i = p; i-- > 0 && rules[i].whole != NULL && strcmp(rules[i].whole, rules[p].whole) == 0;) {
        n += size_of(config, rules[i].rows);
    }
    return n;
}

cna_status cna_part_find(const cna_checkpoint *checkpoint, uint32_t layer, size_t p, cna_matrix_view *out,
                         cna_error *err)
{
    char name[NAME_SIZE];
    const cna_config *config = &checkpoint->config;
    const tensor_rule *rule = &rules[p];
    const char *last = part_name(config, checkpoint->is_gguf, p);
    if (checkpoint->is_gguf) snprintf(name, sizeof name, "blk.%u.%s", layer, last);
    else snprintf(name, sizeof name, "%slayers.%u.%s", prefix_of(checkpoint), layer, last);
    bool fused = is_fused(config, p);
    size_t rows = size_of(config, rule->rows), cols = size_of(config, rule->cols);
    CNA_TRY(find(checkpoint, name, fused ? size_of(config, rule->whole_rows) : rows, cols, out, err));
    if (fused) {
        out->rows = rows_before(config, p);
        out->data = (const unsigned char *)out->data + cna_matrix_bytes(out);
        out->rows = rows;
    }
    bool paired = checkpoint->is_gguf && config->family->paired && (p == CNA_PART_Q || p == CNA_PART_K);
    if (paired) out->paired_rows = config->head_dim;
    return CNA_OK;
}

/* Whether a tensor in a layer, by the rest of its name, has a place in the model. */
static bool is_known_part(const cna_checkpoint *checkpoint, const char *name)
{
    const cna_config *config = &checkpoint->config;
    /* Written by old transformers versions; recomputed from the config. */
    if (!checkpoint->is_gguf && strcmp(name, "self_attn.rotary_emb.inv_freq") == 0) return true;
    for (size_t i = 0; i < CNA_PARTS; i++) {
        if (cna_part_exists(config, i) && strcmp(name, part_name(config, checkpoint->is_gguf, i)) == 0) return true;
    }
    return false;
}

/* Whether a tensor beside the layers has a place in the model, or is known to be left over and harmless. */
static bool is_known_outside(const cna_checkpoint *checkpoint, const char *name)
{
    static const char *const gguf_extras[] = {"rope_freqs.weight", "rope_factors_short.weight",
                                              "rope_factors_long.weight"};
    char known[NAME_SIZE];
    if (strcmp(name, embedding_name(checkpoint, known)) == 0 || strcmp(name, norm_name(checkpoint, known)) == 0 ||
        strcmp(name, head_name(checkpoint, known)) == 0) {
        return true;
    }
    if (!checkpoint->is_gguf) {
        return strcmp(name, "lm_head.weight") == 0 || strcmp(name, "language_model.lm_head.weight") == 0;
    }
    for (size_t i = 0; i < sizeof gguf_extras / sizeof *gguf_extras; i++) {
        if (strcmp(name, gguf_extras[i]) == 0) return true;
    }
    return false;
}

static bool is_known(const cna_checkpoint *checkpoint, const char *name)
{
    const cna_config *config = &checkpoint->config;
    if (is_known_outside(checkpoint, name)) return true;
    char prefix[64], start[96];
    snprintf(prefix, sizeof prefix, "%s%s", checkpoint->is_gguf ? "blk." : prefix_of(checkpoint),
             checkpoint->is_gguf ? "" : "layers.");
    size_t n_read = strlen(prefix);
    uint32_t layer = 0;
    if (strncmp(name, prefix, n_read) != 0) return false;
    for (; name[n_read] >= '0' && name[n_read] <= '9' && layer < config->n_layers; n_read++) {
        layer = 10 * layer + (uint32_t)(name[n_read] - '0');
    }
    /* Written as numbers are: "01" and "+1" are other names. */
    if (layer >= config->n_layers) return false;
    n_read = (size_t)snprintf(start, sizeof start, "%s%u.", prefix, layer);
    return strncmp(name, start, n_read) == 0 && is_known_part(checkpoint, name + n_read);
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
                        tensor->path, tensor->name, config->family->name, config->n_layers);
    }
    *storage = main_storage(checkpoint);
    cna_matrix_view view;
    CNA_TRY(cna_weights_find_embedding(checkpoint, &view, err));
    CNA_TRY(cna_weights_find_final_norm(checkpoint, &view, err));
    CNA_TRY(cna_weights_find_head(checkpoint, &view, err));
    for (uint32_t layer = 0; layer < config->n_layers; layer++) {
        for (size_t i = 0; i < CNA_PARTS; i++) {
            if (cna_part_exists(config, i)) CNA_TRY(cna_part_find(checkpoint, layer, i, &view, err));
        }
    }
    return CNA_OK;
}

cna_status cna_weights_find_head(const cna_checkpoint *checkpoint, cna_matrix_view *out, cna_error *err)
{
    const cna_config *config = &checkpoint->config;
    char name[NAME_SIZE];
    return find(checkpoint, head_name(checkpoint, name), config->vocab_size, config->hidden_dim, out, err);
}

cna_status cna_weights_each(const cna_config *config, cna_weights_fn *fn, void *user, cna_error *err)
{
    CNA_TRY(fn(user, "model.embed_tokens.weight", config->vocab_size, config->hidden_dim, err));
    CNA_TRY(fn(user, "model.norm.weight", config->hidden_dim, 0, err));
    if (!config->tied_embeddings) CNA_TRY(fn(user, "lm_head.weight", config->vocab_size, config->hidden_dim, err));
    for (uint32_t layer = 0; layer < config->n_layers; layer++) {
        for (size_t i = 0; i < CNA_PARTS; i++) {
            if (!cna_part_exists(config, i)) continue;
            bool fused = is_fused(config, i);
            if (fused && rows_before(config, i) > 0) continue; /* once for all that lie in it */
            char name[NAME_SIZE];
            snprintf(name, sizeof name, "model.layers.%u.%s", layer, part_name(config, false, i));
            size_t rows = size_of(config, fused ? rules[i].whole_rows : rules[i].rows);
            CNA_TRY(fn(user, name, rows, size_of(config, rules[i].cols), err));
        }
    }
    return CNA_OK;
}

cna_status cna_weights_find_embedding(const cna_checkpoint *checkpoint, cna_matrix_view *out, cna_error *err)
{
    char name[NAME_SIZE];
    const cna_config *config = &checkpoint->config;
    return find(checkpoint, embedding_name(checkpoint, name), config->vocab_size, config->hidden_dim, out, err);
}

cna_status cna_weights_find_final_norm(const cna_checkpoint *checkpoint, cna_matrix_view *out, cna_error *err)
{
    char name[NAME_SIZE];
    return find(checkpoint, norm_name(checkpoint, name), checkpoint->config.hidden_dim, 0, out, err);
}
