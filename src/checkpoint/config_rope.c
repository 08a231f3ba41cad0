/* SPDX-License-Identifier: MIT
 * Rotary position embedding: its keys, and its frequencies. */
#include <math.h>
#include <string.h>

#include "checkpoint/config_parts.h"

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

static cna_status find_theta(const json_t *object, const char *key, const char *source, double *theta, cna_error *err)
{
    CNA_TRY(cna_json_find_number(object, key, source, theta, err));
    if (*theta > 0 && *theta < 1e15) return CNA_OK;
    return cna_fail(err, CNA_ERR_FORMAT, "%s: key '%s': expected a positive number, found %g", source, key, *theta);
}

/* How much of a head is rotated. */
static cna_status read_share(const json_t *object, const char *source, cna_config *out, cna_error *err)
{
    double share = (double)out->rotary_dim / out->head_dim;
    CNA_TRY(cna_json_find_number(object, "partial_rotary_factor", source, &share, err));
    if (!out->family->partial_rotary) {
        if (share == 1) return CNA_OK;
        return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: key 'partial_rotary_factor': expected 1, found %g", source,
                        share);
    }
    uint32_t rotary_dim = share > 0 && share <= 1 ? (uint32_t)(out->head_dim * share) : 0;
    if (rotary_dim < 2 || rotary_dim % 2 != 0) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'partial_rotary_factor': expected a share of head_dim (%u) that "
                        "is an even number, found %g", source, out->head_dim, share);
    }
    out->rotary_dim = rotary_dim;
    return CNA_OK;
}

static cna_status read_llama3(const json_t *scaling, const char *source, cna_config *out, cna_error *err)
{
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

float cna_config_long_magnitude(double factor, double original)
{
    return factor <= 1 || original <= 1 ? 1 : (float)sqrt(1 + log(factor) / log(original));
}

/* longrope's factors of short contexts, the magnitude that goes with the stretched context, and where short contexts
 * end: the root's key, or the family's value, goes before that of the scaling [transformers, standardize_rope_params].
 */
static cna_status read_long(const json_t *root, const json_t *scaling, const char *source, cna_config *out,
                            cna_error *err)
{
    json_t *factors;
    int64_t original = out->family->original_positions;
    if (original == 0) {
        original = out->max_positions;
        CNA_TRY(cna_json_find_int(scaling, "original_max_position_embeddings", source, 1, INT32_MAX, &original, err));
    }
    CNA_TRY(cna_json_find_int(root, "original_max_position_embeddings", source, 1, INT32_MAX, &original, err));
    CNA_TRY(cna_json_get_array(scaling, "short_factor", source, &factors, err));
    size_t half = out->rotary_dim / 2;
    if (json_array_size(factors) != half || half > CNA_ROPE_DIVISORS_MAX) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: rope key 'short_factor': expected one for each rotated pair (%zu; at "
                        "most %d), found %zu", source, half, (int)CNA_ROPE_DIVISORS_MAX, json_array_size(factors));
    }
    for (size_t i = 0; i < half; i++) {
        double value = json_number_value(json_array_get(factors, i));
        if (!(value > 0 && value < 1e12)) {
            return cna_fail(err, CNA_ERR_FORMAT, "%s: rope key 'short_factor[%zu]': expected a positive number, found "
                            "%g", source, i, value);
        }
        out->rope_divisors[i] = (float)value;
    }
    double factor = (double)out->max_positions / (double)original;
    CNA_TRY(cna_json_find_number(scaling, "factor", source, &factor, err));
    out->rope_type = CNA_ROPE_LONG;
    out->n_rope_divisors = (uint32_t)half;
    out->position_limit = (uint32_t)original;
    out->rope_magnitude = cna_config_long_magnitude(factor, (double)original);
    const json_t *magnitude = json_object_get(scaling, "attention_factor");
    if (magnitude == NULL || json_is_null(magnitude)) return CNA_OK;
    return get_positive(scaling, "attention_factor", source, &out->rope_magnitude, err);
}

/* One object of rope_type (or type), its factors and rope_theta. */
static cna_status read_scaling(const json_t *root, const json_t *scaling, const char *source, cna_config *out,
                               cna_error *err)
{
    const char *type;
    CNA_TRY(cna_json_find_string(scaling, "rope_type", source, &type, err));
    if (type == NULL) CNA_TRY(cna_json_find_string(scaling, "type", source, &type, err));
    if (type == NULL || strcmp(type, "default") == 0) return CNA_OK;
    if (strcmp(type, "llama3") == 0) return read_llama3(scaling, source, out, err);
    if (strcmp(type, "linear") == 0) {
        out->rope_type = CNA_ROPE_LINEAR;
        return get_positive(scaling, "factor", source, &out->rope_factor, err);
    }
    bool is_old_name = out->family->partial_rotary && (strcmp(type, "su") == 0 || strcmp(type, "yarn") == 0);
    if (is_old_name || strcmp(type, "longrope") == 0) return read_long(root, scaling, source, out, err);
    return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: key 'rope_type': expected default, linear, llama3 or longrope, "
                    "found '%s'", source, type);
}

/* The base of windowed layers where they have their own: rope_local_base_freq, or rope_parameters by type of layer. */
static cna_status read_local(const json_t *root, const json_t *by_type, const char *source, cna_config *out,
                             cna_error *err)
{
    json_t *local = NULL;
    double theta = out->family->local_theta;
    CNA_TRY(find_theta(root, "rope_local_base_freq", source, &theta, err));
    if (by_type != NULL) CNA_TRY(cna_json_find_object(by_type, "sliding_attention", source, &local, err));
    if (local != NULL) {
        const char *type;
        CNA_TRY(find_theta(local, "rope_theta", source, &theta, err));
        CNA_TRY(cna_json_find_string(local, "rope_type", source, &type, err));
        if (type != NULL && strcmp(type, "default") != 0) {
            return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: rope key 'sliding_attention': expected rope_type default, "
                            "found '%s'", source, type);
        }
    }
    out->rope_local_theta = (float)theta;
    return CNA_OK;
}

cna_status cna_config_read_rope(const json_t *root, const char *source, cna_config *out, cna_error *err)
{
    json_t *scaling, *parameters;
    CNA_TRY(cna_json_find_object(root, "rope_scaling", source, &scaling, err));
    CNA_TRY(cna_json_find_object(root, "rope_parameters", source, &parameters, err));
    if (out->family->local_theta > 0) {
        CNA_TRY(read_local(root, parameters, source, out, err));
        if (parameters != NULL) {
            json_t *global;
            CNA_TRY(cna_json_find_object(parameters, "full_attention", source, &global, err));
            if (global != NULL) parameters = global;
        }
    }
    if (parameters != NULL) scaling = parameters;
    double theta = out->family->theta;
    CNA_TRY(find_theta(root, "rope_theta", source, &theta, err));
    CNA_TRY(read_share(root, source, out, err));
    out->rope_type = CNA_ROPE_DEFAULT;
    if (scaling != NULL) {
        CNA_TRY(find_theta(scaling, "rope_theta", source, &theta, err));
        CNA_TRY(read_share(scaling, source, out, err));
        CNA_TRY(read_scaling(root, scaling, source, out, err));
    }
    out->rope_theta = (float)theta;
    return CNA_OK;
}

static float rescale_llama3(const cna_config *config, float frequency)
{
    const float pi = 3.14159274101257324f; /* f32, as transformers multiplies it into an f32 tensor */
    float wavelength = 2 * pi / frequency;
    float old = config->rope_original_positions, factor = config->rope_factor;
    float low = config->rope_low_frequency, high = config->rope_high_frequency;
    if (wavelength > old / low) return frequency / factor;
    if (wavelength < old / high) return frequency;
    float smooth = (old / wavelength - low) / (high - low);
    return (1 - smooth) * frequency / factor + smooth * frequency;
}

void cna_config_inverse_frequencies(const cna_config *config, bool local, float *out)
{
    float theta = local ? config->rope_local_theta : config->rope_theta;
    for (uint32_t i = 0; i < config->rotary_dim / 2; i++) {
        float exponent = (float)(2 * i) / (float)config->rotary_dim;
        float power = powf(theta, exponent);
        bool is_long = config->rope_type == CNA_ROPE_LONG && !local;
        out[i] = 1.0f / (is_long ? config->rope_divisors[i] * power : power);
        if (local || is_long) continue;
        if (config->rope_type == CNA_ROPE_LLAMA3) out[i] = rescale_llama3(config, out[i]);
        if (config->rope_type == CNA_ROPE_LINEAR) out[i] /= config->rope_factor;
        if (config->n_rope_divisors > 0) out[i] /= config->rope_divisors[i];
    }
}
