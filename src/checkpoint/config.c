/* SPDX-License-Identifier: MIT
 * config.json and generation_config.json. */
#include "checkpoint/config.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "checkpoint/config_parts.h"

enum { CONFIG_BYTES_MAX = 1 << 20, DIMENSION_MAX = 1 << 24 };

void cna_layer_set_add(cna_layer_set *set, uint32_t layer)
{
    set->bits[layer / 64] |= UINT64_C(1) << layer % 64;
}

bool cna_layer_set_has(const cna_layer_set *set, uint32_t layer)
{
    return layer < CNA_LAYERS_MAX && (set->bits[layer / 64] >> layer % 64 & 1) != 0;
}

void cna_config_set_plain(cna_config *config)
{
    config->embedding_scale = config->residual_scale = config->logit_divisor = config->rope_magnitude = 1;
    config->attention_scale = 1.0f / sqrtf((float)config->head_dim);
    config->rotary_dim = config->head_dim;
}

/* The family, and the object that holds the model's values: text_config where the root is a wrapper of one. */
static cna_status read_family(const json_t *root, const char *source, cna_config *out, const json_t **values,
                              cna_error *err)
{
    const char *type;
    CNA_TRY(cna_json_get_string(root, "model_type", source, &type, err));
    out->family = cna_family_find(type, &out->wrapped);
    if (out->family == NULL) {
        return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: key 'model_type': expected " CNA_FAMILY_NAMES ", found '%s'",
                        source, type);
    }
    if (!out->wrapped) return CNA_OK;
    json_t *text;
    CNA_TRY(cna_json_get_object(root, "text_config", source, &text, err));
    *values = text;
    return CNA_OK;
}

/* Keys that would change the computation: each must be absent, null or harmless. */
static cna_status refuse_other_variants(const json_t *root, const char *source, const cna_family *family,
                                        cna_error *err)
{
    const json_t *quantization = json_object_get(root, "quantization_config");
    if (quantization != NULL && !json_is_null(quantization)) {
        return cna_fail(err, CNA_ERR_UNSUPPORTED,
                        "%s: key 'quantization_config': expected none, found quantised weights; use the bf16, f16 or "
                        "f32 checkpoint",
                        source);
    }
    const struct {
        const char *key;
        bool allowed;
    } flags[] = {{"attention_bias", family->attention_bias},
                 {"mlp_bias", family->mlp_bias},
                 {"use_sliding_window", family->windows != CNA_WINDOW_NEVER},
                 {"use_bidirectional_attention", false}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        bool value = false;
        CNA_TRY(cna_json_find_bool(root, flags[i].key, source, &value, err));
        if (value && !flags[i].allowed) {
            return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: key '%s': expected false, found true; this variant of the "
                            "architecture is not supported", source, flags[i].key);
        }
    }
    static const char *const names[] = {[CNA_ACTIVATION_SILU] = "silu",
                                        [CNA_ACTIVATION_GELU_TANH] = "gelu_pytorch_tanh"};
    const char *activation, *expected = names[family->activation];
    CNA_TRY(cna_json_find_string(root, family->activation_key, source, &activation, err));
    if (activation != NULL && strcmp(activation, expected) != 0) {
        return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: key '%s': expected %s, found '%s'", source,
                        family->activation_key, expected, activation);
    }
    return CNA_OK;
}

/* A dimension, for which the family may have a usual value (0: it must be there). */
static cna_status read_dimension(const json_t *root, const char *key, uint32_t usual, int64_t max, const char *source,
                                 uint32_t *out, cna_error *err)
{
    int64_t value = usual;
    if (usual == 0) CNA_TRY(cna_json_get_int(root, key, source, 1, max, &value, err));
    else CNA_TRY(cna_json_find_int(root, key, source, 1, max, &value, err));
    *out = (uint32_t)value;
    return CNA_OK;
}

static cna_status read_heads(const json_t *root, const char *source, cna_config *out, cna_error *err)
{
    const cna_family *family = out->family;
    int64_t n_kv_heads = family->n_kv_heads, head_dim = family->head_dim;
    if (n_kv_heads == 0 || json_is_null(json_object_get(root, "num_key_value_heads"))) n_kv_heads = out->n_heads;
    CNA_TRY(cna_json_find_int(root, "num_key_value_heads", source, 1, DIMENSION_MAX, &n_kv_heads, err));
    CNA_TRY(cna_json_find_int(root, "head_dim", source, 2, DIMENSION_MAX, &head_dim, err));
    if (out->n_heads % n_kv_heads != 0) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'num_key_value_heads': expected a divisor of num_attention_heads "
                        "(%u), found %lld", source, out->n_heads, (long long)n_kv_heads);
    }
    if (head_dim == 0 && out->hidden_dim % out->n_heads != 0) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'hidden_size': expected a multiple of num_attention_heads (%u) "
                        "where head_dim is absent, found %u", source, out->n_heads, out->hidden_dim);
    }
    if (head_dim == 0) head_dim = out->hidden_dim / out->n_heads;
    if (head_dim % 2 != 0 || head_dim < 2) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'head_dim': expected an even number, found %lld", source,
                        (long long)head_dim);
    }
    /* So the bytes of all tensors together fit into 64 bits. */
    if (head_dim > DIMENSION_MAX / (int64_t)out->n_heads) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'head_dim': expected at most %d values in all heads (%u), found "
                        "%lld in each", source, (int)DIMENSION_MAX, out->n_heads, (long long)head_dim);
    }
    out->n_kv_heads = (uint32_t)n_kv_heads;
    out->head_dim = (uint32_t)head_dim;
    return CNA_OK;
}

static cna_status read_shape(const json_t *root, const char *source, cna_config *out, cna_error *err)
{
    const cna_family *f = out->family;
    CNA_TRY(read_dimension(root, "num_hidden_layers", f->n_layers, CNA_LAYERS_MAX, source, &out->n_layers, err));
    CNA_TRY(read_dimension(root, "hidden_size", f->hidden_dim, DIMENSION_MAX, source, &out->hidden_dim, err));
    CNA_TRY(read_dimension(root, "intermediate_size", f->mlp_dim, DIMENSION_MAX, source, &out->mlp_dim, err));
    CNA_TRY(read_dimension(root, "num_attention_heads", f->n_heads, DIMENSION_MAX, source, &out->n_heads, err));
    CNA_TRY(read_dimension(root, "vocab_size", f->vocab_size, DIMENSION_MAX, source, &out->vocab_size, err));
    int64_t max_positions = f->max_positions;
    CNA_TRY(cna_json_find_int(root, "max_position_embeddings", source, 1, INT32_MAX, &max_positions, err));
    out->max_positions = (uint32_t)max_positions;
    CNA_TRY(read_heads(root, source, out, err));
    double eps = f->rms_eps;
    CNA_TRY(cna_json_find_number(root, "rms_norm_eps", source, &eps, err));
    if (!(eps >= 0 && eps < 1)) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'rms_norm_eps': expected 0 to 1, found %g", source, eps);
    }
    out->rms_eps = (float)eps;
    bool attention_bias = false, mlp_bias = false;
    CNA_TRY(cna_json_find_bool(root, "attention_bias", source, &attention_bias, err));
    CNA_TRY(cna_json_find_bool(root, "mlp_bias", source, &mlp_bias, err));
    out->qkv_bias = f->qkv_bias || attention_bias;
    out->o_bias = attention_bias;
    out->mlp_bias = mlp_bias;
    out->tied_embeddings = f->tied;
    return cna_json_find_bool(root, "tie_word_embeddings", source, &out->tied_embeddings, err);
}

/* A positive number, or what *out is where the key is absent; null is 0 where that is allowed. */
static cna_status find_positive(const json_t *root, const char *key, const char *source, bool may_be_null, float *out,
                                cna_error *err)
{
    double value = (double)*out;
    if (may_be_null && json_is_null(json_object_get(root, key))) {
        *out = 0;
        return CNA_OK;
    }
    CNA_TRY(cna_json_find_number(root, key, source, &value, err));
    *out = (float)value;
    if (json_object_get(root, key) == NULL || (*out > 0 && isfinite(*out))) return CNA_OK;
    return cna_fail(err, CNA_ERR_FORMAT, "%s: key '%s': expected a positive number, found %g", source, key, value);
}

/* Scales and caps. */
static cna_status read_scales(const json_t *root, const char *source, cna_config *out, cna_error *err)
{
    const cna_family *family = out->family;
    cna_config_set_plain(out);
    out->norm_offset = family->plus_one ? 1 : 0;
    if (family->root_embedding) out->embedding_scale = (float)sqrt((double)out->hidden_dim);
    if (family->query_scalar > 0) {
        float scalar = (float)family->query_scalar;
        CNA_TRY(find_positive(root, "query_pre_attn_scalar", source, false, &scalar, err));
        out->attention_scale = (float)(1 / sqrt((double)scalar));
        out->attention_cap = (float)family->attention_cap;
        out->logit_cap = (float)family->logit_cap;
        CNA_TRY(find_positive(root, "attn_logit_softcapping", source, true, &out->attention_cap, err));
        CNA_TRY(find_positive(root, "final_logit_softcapping", source, true, &out->logit_cap, err));
        /* transformers' Gemma 3 has the key and does not apply it. */
        if (out->attention_cap > 0 && family->attention_cap == 0) {
            return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: key 'attn_logit_softcapping': expected null for %s, found "
                            "%g", source, family->name, (double)out->attention_cap);
        }
    }
    if (!family->multipliers) return CNA_OK;
    out->attention_scale = 1;
    CNA_TRY(find_positive(root, "embedding_multiplier", source, false, &out->embedding_scale, err));
    CNA_TRY(find_positive(root, "attention_multiplier", source, false, &out->attention_scale, err));
    CNA_TRY(find_positive(root, "residual_multiplier", source, false, &out->residual_scale, err));
    return find_positive(root, "logits_scaling", source, false, &out->logit_divisor, err);
}

static cna_status add_stop_id(const json_t *value, const char *source, cna_config *out, cna_error *err)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > INT32_MAX) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'eos_token_id': expected token ids, found %s", source,
                        json_is_integer(value) ? "a number outside their range" : cna_json_type_name(value));
    }
    int32_t id = (int32_t)json_integer_value(value);
    for (size_t i = 0; i < out->n_stop_ids; i++) {
        if (out->stop_ids[i] == id) return CNA_OK;
    }
    if (out->n_stop_ids == CNA_STOP_IDS_MAX) {
        return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: key 'eos_token_id': expected at most %d ids, found more", source,
                        (int)CNA_STOP_IDS_MAX);
    }
    out->stop_ids[out->n_stop_ids++] = id;
    return CNA_OK;
}

static cna_status add_stop_ids(const json_t *root, const char *source, cna_config *out, cna_error *err)
{
    const json_t *value = json_object_get(root, "eos_token_id");
    if (value == NULL || json_is_null(value)) return CNA_OK;
    if (!json_is_array(value)) return add_stop_id(value, source, out, err);
    for (size_t i = 0; i < json_array_size(value); i++) {
        CNA_TRY(add_stop_id(json_array_get(value, i), source, out, err));
    }
    return CNA_OK;
}

static cna_status read_generation_config(const char *folder, cna_config *out, cna_error *err)
{
    char *path;
    CNA_TRY(cna_path_join(folder, "generation_config.json", &path, err));
    cna_status status = CNA_OK;
    json_t *root = NULL;
    if (cna_file_exists(path)) status = cna_json_load(path, CONFIG_BYTES_MAX, &root, err);
    if (status == CNA_OK && root != NULL && !json_is_object(root)) {
        status = cna_fail(err, CNA_ERR_FORMAT, "%s: expected an object, found %s", path, cna_json_type_name(root));
    }
    if (status == CNA_OK && root != NULL) status = add_stop_ids(root, path, out, err);
    json_decref(root);
    cna_free(path);
    return status;
}

cna_status cna_config_read(const char *folder, cna_config *out, cna_error *err)
{
    cna_config config = {0};
    char *path;
    CNA_TRY(cna_path_join(folder, "config.json", &path, err));
    json_t *root = NULL;
    cna_status status;
    CNA_TRY_CLEANUP(cna_json_load(path, CONFIG_BYTES_MAX, &root, err));
    if (!json_is_object(root)) {
        status = cna_fail(err, CNA_ERR_FORMAT, "%s: expected an object, found %s", path, cna_json_type_name(root));
        goto cleanup;
    }
    const json_t *values = root;
    CNA_TRY_CLEANUP(read_family(root, path, &config, &values, err));
    CNA_TRY_CLEANUP(refuse_other_variants(values, path, config.family, err));
    CNA_TRY_CLEANUP(read_shape(values, path, &config, err));
    CNA_TRY_CLEANUP(cna_json_find_bool(root, "tie_word_embeddings", path, &config.tied_embeddings, err));
    CNA_TRY_CLEANUP(read_scales(values, path, &config, err));
    CNA_TRY_CLEANUP(cna_config_read_layers(values, path, &config, err));
    CNA_TRY_CLEANUP(cna_config_read_rope(values, path, &config, err));
    CNA_TRY_CLEANUP(read_generation_config(folder, &config, err));
    CNA_TRY_CLEANUP(add_stop_ids(root, path, &config, err));
    *out = config;
cleanup:
    json_decref(root);
    cna_free(path);
    return status;
}
