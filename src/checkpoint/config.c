/* SPDX-License-Identifier: MIT
 * config.json and generation_config.json. */
#include "checkpoint/config.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"

enum { CONFIG_BYTES_MAX = 1 << 20, DIMENSION_MAX = 1 << 24, LAYERS_MAX = 1024 };

const char *cna_architecture_name(cna_architecture architecture)
{
    return architecture == CNA_ARCHITECTURE_LLAMA ? "llama" : "qwen2";
}

static cna_status read_architecture(const json_t *root, const char *source, cna_config *out, cna_error *err)
{
    const char *type;
    CNA_TRY(cna_json_get_string(root, "model_type", source, &type, err));
    if (strcmp(type, "llama") == 0) {
        out->architecture = CNA_ARCHITECTURE_LLAMA;
    } else if (strcmp(type, "qwen2") == 0) {
        out->architecture = CNA_ARCHITECTURE_QWEN2;
        out->qkv_bias = true;
    } else {
        return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: key 'model_type': expected llama or qwen2, found '%s'", source,
                        type);
    }
    return CNA_OK;
}

static cna_status refuse_partial_rotary(const json_t *object, const char *source, cna_error *err)
{
    double share = 1;
    CNA_TRY(cna_json_find_number(object, "partial_rotary_factor", source, &share, err));
    if (share == 1) return CNA_OK;
    return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: key 'partial_rotary_factor': expected 1, found %g", source, share);
}

/* Keys that would change the computation: each must be absent, null or harmless. */
static cna_status refuse_other_variants(const json_t *root, const char *source, cna_error *err)
{
    const json_t *quantization = json_object_get(root, "quantization_config");
    if (quantization != NULL && !json_is_null(quantization)) {
        return cna_fail(err, CNA_ERR_UNSUPPORTED,
                        "%s: key 'quantization_config': expected none, found quantised weights; use the bf16, f16 or "
                        "f32 checkpoint",
                        source);
    }
    static const char *const must_be_false[] = {"attention_bias", "mlp_bias", "use_sliding_window"};
    for (size_t i = 0; i < sizeof must_be_false / sizeof *must_be_false; i++) {
        bool value = false;
        CNA_TRY(cna_json_find_bool(root, must_be_false[i], source, &value, err));
        if (value) {
            return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: key '%s': expected false, found true; this variant of the "
                            "architecture is not supported", source, must_be_false[i]);
        }
    }
    const char *activation;
    CNA_TRY(cna_json_find_string(root, "hidden_act", source, &activation, err));
    if (activation != NULL && strcmp(activation, "silu") != 0) {
        return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: key 'hidden_act': expected silu, found '%s'",
                        source, activation);
    }
    const json_t *layer_types = json_object_get(root, "layer_types");
    if (layer_types != NULL && !json_is_null(layer_types) && !json_is_array(layer_types)) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'layer_types': expected an array, found %s", source,
                        cna_json_type_name(layer_types));
    }
    size_t i;
    const json_t *type;
    json_array_foreach(layer_types, i, type) {
        if (!json_is_string(type) || strcmp(json_string_value(type), "full_attention") != 0) {
            return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: key 'layer_types[%zu]': expected full_attention, found '%s'",
                            source, i, json_is_string(type) ? json_string_value(type) : cna_json_type_name(type));
        }
    }
    return refuse_partial_rotary(root, source, err);
}

static cna_status get_dimension(const json_t *root, const char *key, const char *source, uint32_t *out, cna_error *err)
{
    int64_t value;
    CNA_TRY(cna_json_get_int(root, key, source, 1, DIMENSION_MAX, &value, err));
    *out = (uint32_t)value;
    return CNA_OK;
}

static cna_status read_shape(const json_t *root, const char *source, cna_config *out, cna_error *err)
{
    int64_t n_layers;
    CNA_TRY(cna_json_get_int(root, "num_hidden_layers", source, 1, LAYERS_MAX, &n_layers, err));
    out->n_layers = (uint32_t)n_layers;
    CNA_TRY(get_dimension(root, "hidden_size", source, &out->hidden_dim, err));
    CNA_TRY(get_dimension(root, "intermediate_size", source, &out->mlp_dim, err));
    CNA_TRY(get_dimension(root, "num_attention_heads", source, &out->n_heads, err));
    CNA_TRY(get_dimension(root, "vocab_size", source, &out->vocab_size, err));
    int64_t n_kv_heads = out->n_heads, head_dim = 0, max_positions = 2048;
    CNA_TRY(cna_json_find_int(root, "num_key_value_heads", source, 1, DIMENSION_MAX, &n_kv_heads, err));
    CNA_TRY(cna_json_find_int(root, "head_dim", source, 2, DIMENSION_MAX, &head_dim, err));
    CNA_TRY(cna_json_find_int(root, "max_position_embeddings", source, 1, INT32_MAX, &max_positions, err));
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
    out->max_positions = (uint32_t)max_positions;
    double eps = 1e-6; /* transformers' default for both architectures */
    CNA_TRY(cna_json_find_number(root, "rms_norm_eps", source, &eps, err));
    if (!(eps >= 0 && eps < 1)) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'rms_norm_eps': expected 0 to 1, found %g", source, eps);
    }
    out->rms_eps = (float)eps;
    return cna_json_find_bool(root, "tie_word_embeddings", source, &out->tied_embeddings, err);
}

static cna_status get_positive(const json_t *object, const char *key, const char *source, float *out, cna_error *err)
{
    double value = 0;
    if (json_object_get(object, key) == NULL) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: rope key '%s': expected a positive number, found nothing",
                        source, key);
    }
    CNA_TRY(cna_json_find_number(object, key, source, &value, err));
    if (!(value > 0 && value < 1e12)) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: rope key '%s': expected a positive number, found %g", source, key,
                        value);
    }
    *out = (float)value;
    return CNA_OK;
}

/* Old style: rope_theta beside rope_scaling {rope_type or type, ...}. New style: rope_parameters holds all of it. */
static cna_status read_rope(const json_t *root, const char *source, cna_config *out, cna_error *err)
{
    json_t *scaling, *parameters;
    CNA_TRY(cna_json_find_object(root, "rope_scaling", source, &scaling, err));
    CNA_TRY(cna_json_find_object(root, "rope_parameters", source, &parameters, err));
    if (parameters != NULL) scaling = parameters;
    double theta = 10000; /* transformers' default for both architectures */
    CNA_TRY(cna_json_find_number(root, "rope_theta", source, &theta, err));
    if (scaling != NULL) CNA_TRY(cna_json_find_number(scaling, "rope_theta", source, &theta, err));
    if (!(theta > 0 && theta < 1e15)) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'rope_theta': expected a positive number, found %g",
                        source, theta);
    }
    out->rope_theta = (float)theta;
    out->rope_type = CNA_ROPE_DEFAULT;
    if (scaling == NULL) return CNA_OK;
    CNA_TRY(refuse_partial_rotary(scaling, source, err));
    const char *type;
    CNA_TRY(cna_json_find_string(scaling, "rope_type", source, &type, err));
    if (type == NULL) CNA_TRY(cna_json_find_string(scaling, "type", source, &type, err));
    if (type == NULL || strcmp(type, "default") == 0) return CNA_OK;
    if (strcmp(type, "llama3") != 0) {
        return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: key 'rope_type': expected default or llama3, found '%s'", source,
                        type);
    }
    out->rope_type = CNA_ROPE_LLAMA3;
    CNA_TRY(get_positive(scaling, "factor", source, &out->rope_factor, err));
    CNA_TRY(get_positive(scaling, "low_freq_factor", source, &out->rope_low_frequency, err));
    CNA_TRY(get_positive(scaling, "high_freq_factor", source, &out->rope_high_frequency, err));
    CNA_TRY(get_positive(scaling, "original_max_position_embeddings", source, &out->rope_original_positions, err));
    if (out->rope_high_frequency <= out->rope_low_frequency) {
        return cna_fail(err, CNA_ERR_FORMAT,
                        "%s: rope key 'high_freq_factor': expected more than low_freq_factor (%g), "
                        "found %g", source, (double)out->rope_low_frequency, (double)out->rope_high_frequency);
    }
    return CNA_OK;
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
    CNA_TRY_CLEANUP(read_architecture(root, path, &config, err));
    CNA_TRY_CLEANUP(refuse_other_variants(root, path, err));
    CNA_TRY_CLEANUP(read_shape(root, path, &config, err));
    CNA_TRY_CLEANUP(read_rope(root, path, &config, err));
    CNA_TRY_CLEANUP(read_generation_config(folder, &config, err));
    CNA_TRY_CLEANUP(add_stop_ids(root, path, &config, err));
    *out = config;
cleanup:
    json_decref(root);
    cna_free(path);
    return status;
}

void cna_config_inverse_frequencies(const cna_config *config, float *out)
{
    const float pi = 3.14159274101257324f; /* f32, as transformers multiplies it into an f32 tensor */
    for (uint32_t i = 0; i < config->head_dim / 2; i++) {
        float exponent = (float)(2 * i) / (float)config->head_dim;
        float frequency = 1.0f / powf(config->rope_theta, exponent);
        if (config->rope_type == CNA_ROPE_LLAMA3) {
            float wavelength = 2 * pi / frequency;
            float old = config->rope_original_positions, factor = config->rope_factor;
            float low = config->rope_low_frequency, high = config->rope_high_frequency;
            if (wavelength > old / low) {
                frequency = frequency / factor;
            } else if (wavelength >= old / high) {
                float smooth = (old / wavelength - low) / (high - low);
                frequency = (1 - smooth) * frequency / factor + smooth * frequency;
            }
        }
        if (config->rope_type == CNA_ROPE_LINEAR) frequency /= config->rope_factor;
        if (config->rope_divisors != NULL) {
            float divisor;
            memcpy(&divisor, config->rope_divisors + i * sizeof divisor, sizeof divisor);
            frequency /= divisor;
        }
        out[i] = frequency;
    }
}
