/* SPDX-License-Identifier: MIT
 * What differs from layer to layer: windows, and layers without rotation. */
#include <string.h>

#include "checkpoint/config_parts.h"

enum { WINDOW_FROM_DEFAULT = 28 }; /* max_window_layers of Qwen2 and Qwen3 */

/* Layers without rotation: no_rope_layers has 1 for those that rotate. */
static cna_status read_unrotated(const json_t *root, const char *source, cna_config *config, cna_error *err)
{
    if (config->family->unrotated_interval == 0) return CNA_OK;
    int64_t interval = config->family->unrotated_interval;
    CNA_TRY(cna_json_find_int(root, "no_rope_layer_interval", source, 1, INT32_MAX, &interval, err));
    const json_t *listed = json_object_get(root, "no_rope_layers");
    bool is_listed = listed != NULL && !json_is_null(listed);
    if (is_listed && (!json_is_array(listed) || json_array_size(listed) < config->n_layers)) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'no_rope_layers': expected an array with a number for each layer "
                        "(%u), found %s", source, config->n_layers,
                        json_is_array(listed) ? "fewer" : cna_json_type_name(listed));
    }
    for (uint32_t layer = 0; layer < config->n_layers; layer++) {
        bool rotates = (layer + 1) % interval != 0;
        if (is_listed) {
            const json_t *one = json_array_get(listed, layer);
            if (!json_is_integer(one) || (json_integer_value(one) != 0 && json_integer_value(one) != 1)) {
                return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'no_rope_layers[%u]': expected 0 or 1, found another "
                                "value", source, layer);
            }
            rotates = json_integer_value(one) == 1;
        }
        if (!rotates) cna_layer_set_add(&config->unrotated, layer);
    }
    return CNA_OK;
}

/* Windows by the rule of the family. */
static bool is_windowed(const cna_config *config, uint32_t layer, int64_t from, int64_t pattern)
{
    switch (config->family->windows) {
    case CNA_WINDOW_NEVER:
        return false;
    case CNA_WINDOW_ALL:
        return true;
    case CNA_WINDOW_FROM:
        return layer >= from;
    case CNA_WINDOW_PATTERN:
        return (layer + 1) % pattern != 0;
    case CNA_WINDOW_UNROTATED:
        return cna_layer_set_has(&config->unrotated, layer);
    }
    return false;
}

/* The list of layer_types, or NULL; a family whose layers are all alike is not asked, as in transformers. */
static cna_status find_types(const json_t *root, const char *source, const cna_config *config, const json_t **out,
                             cna_error *err)
{
    const json_t *types = json_object_get(root, "layer_types");
    *out = NULL;
    if (types == NULL || json_is_null(types) || config->family->windows == CNA_WINDOW_ALL) return CNA_OK;
    if (!json_is_array(types)) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'layer_types': expected an array, found %s", source,
                        cna_json_type_name(types));
    }
    *out = types;
    if (json_array_size(types) == config->n_layers) return CNA_OK;
    return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'layer_types': expected one for each layer (%u), found %zu", source,
                    config->n_layers, json_array_size(types));
}

/* Whether a listed layer has a window. */
static cna_status read_type(const json_t *types, const char *source, uint32_t layer, bool may_slide, bool *slides,
                            cna_error *err)
{
    const json_t *type = json_array_get(types, layer);
    const char *text = json_string_value(type);
    *slides = text != NULL && strcmp(text, "sliding_attention") == 0;
    if (text != NULL && (strcmp(text, "full_attention") == 0 || (*slides && may_slide))) return CNA_OK;
    return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: key 'layer_types[%u]': expected full_attention%s, found '%s'",
                    source, layer, may_slide ? " or sliding_attention" : "",
                    text != NULL ? text : cna_json_type_name(type));
}

/* The width of windows; 0: there are none. */
static cna_status read_window(const json_t *root, const char *source, const cna_config *config, int64_t *out,
                              cna_error *err)
{
    const cna_family *family = config->family;
    bool used = family->windows == CNA_WINDOW_ALL || family->windows == CNA_WINDOW_PATTERN;
    if (!used) CNA_TRY(cna_json_find_bool(root, "use_sliding_window", source, &used, err));
    *out = 0;
    if (!used) return CNA_OK;
    if (!json_is_null(json_object_get(root, "sliding_window"))) *out = family->window;
    return cna_json_find_int(root, "sliding_window", source, 1, INT32_MAX, out, err);
}

cna_status cna_config_read_layers(const json_t *root, const char *source, cna_config *config, cna_error *err)
{
    const cna_family *family = config->family;
    const json_t *types;
    int64_t window, from = WINDOW_FROM_DEFAULT, pattern = family->window_pattern;
    CNA_TRY(read_unrotated(root, source, config, err));
    CNA_TRY(find_types(root, source, config, &types, err));
    CNA_TRY(read_window(root, source, config, &window, err));
    CNA_TRY(cna_json_find_int(root, "max_window_layers", source, 0, INT32_MAX, &from, err));
    CNA_TRY(cna_json_find_int(root, "sliding_window_pattern", source, 1, INT32_MAX, &pattern, err));
    bool may_slide = family->windows != CNA_WINDOW_NEVER;
    bool by_rule = window > 0 || family->windows == CNA_WINDOW_PATTERN;
    config->window = (uint32_t)window;
    for (uint32_t layer = 0; layer < config->n_layers && (by_rule || types != NULL); layer++) {
        bool slides = by_rule && is_windowed(config, layer, from, pattern);
        if (types != NULL) CNA_TRY(read_type(types, source, layer, may_slide, &slides, err));
        if (!slides) continue;
        if (window == 0) {
            return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'sliding_window': expected a number for layer %u, which "
                            "attends within one, found none", source, layer);
        }
        cna_layer_set_add(&config->windowed, layer);
    }
    return CNA_OK;
}
