/* SPDX-License-Identifier: MIT
 * Reading circuit files: telling the formats apart, and this program's own. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "method/circuit_file.h"

/* About five million neurons. */
static const size_t max_file_bytes = (size_t)1 << 30;

/* "path: part", for the messages about a part of the file. */
typedef struct place {
    char text[600];
} place;

static place place_of(const char *source, const char *part)
{
    place out;
    snprintf(out.text, sizeof out.text, "%.500s: %.90s", source, part);
    return out;
}

/* ---- members of one kind ---- */

/* A string of fewer than size bytes; "" where the key is absent or null. */
static cna_status find_text(const json_t *object, const char *key, const char *source, char *out, size_t size,
                            cna_error *err)
{
    const char *text = NULL;
    CNA_TRY(cna_json_find_string(object, key, source, &text, err));
    if (text == NULL) text = "";
    if (strlen(text) >= size) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key '%s': expected at most %zu bytes, found %zu", source,
                        key, size - 1, strlen(text));
    }
    memcpy(out, text, strlen(text) + 1);
    return CNA_OK;
}

static cna_status find_uint32(const json_t *object, const char *key, const char *source, int64_t high,
                              uint32_t *out, cna_error *err)
{
    int64_t value = *out;
    CNA_TRY(cna_json_find_int(object, key, source, 0, high, &value, err));
    *out = (uint32_t)value;
    return CNA_OK;
}

static cna_status find_size(const json_t *object, const char *key, const char *source, size_t *out,
                            cna_error *err)
{
    int64_t value = (int64_t)*out;
    CNA_TRY(cna_json_find_int(object, key, source, 0, INT64_C(1) << 53, &value, err));
    *out = (size_t)value;
    return CNA_OK;
}

static cna_status find_share(const json_t *object, const char *key, const char *source, double *out,
                             cna_error *err)
{
    CNA_TRY(cna_json_find_number(object, key, source, out, err));
    if (*out >= 0 && *out <= 1) return CNA_OK;
    return cna_fail(err, CNA_ERR_FORMAT, "%s: key '%s': expected 0 to 1, found %g", source, key, *out);
}

/* One of the NULL-terminated words; *out is its index, left as it is where the key is absent or null. */
static cna_status find_word(const json_t *object, const char *key, const char *source,
                            const char *const *words, size_t *out, cna_error *err)
{
    const char *text = NULL;
    CNA_TRY(cna_json_find_string(object, key, source, &text, err));
    if (text == NULL) return CNA_OK;
    char known[128] = "";
    for (size_t i = 0; words[i] != NULL; i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = i;
            return CNA_OK;
        }
        size_t n = strlen(known);
        snprintf(known + n, sizeof known - n, "%s%s", n == 0 ? "" : ", ", words[i]);
    }
    return cna_fail(err, CNA_ERR_FORMAT, "%s: key '%s': expected one of %s, found '%s'", source, key, known,
                    text);
}

/* An array, or NULL where the key is absent or null. */
static cna_status find_array(const json_t *object, const char *key, const char *source, json_t **out,
                             cna_error *err)
{
    *out = NULL;
    json_t *value = json_object_get(object, key);
    if (value == NULL || json_is_null(value)) return CNA_OK;
    return cna_json_get_array(object, key, source, out, err);
}

static bool is_lower_hex(const char *text, size_t n_digits)
{
    return strlen(text) == n_digits && strspn(text, "0123456789abcdef") == n_digits;
}

/* A whole number in 0 .. high-1 at an index of an array. */
static cna_status element_uint32(const json_t *array, size_t index, const char *key, const char *source,
                                 int64_t high, uint32_t *out, cna_error *err)
{
    const json_t *value = json_array_get(array, index);
    if (!json_is_integer(value)) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key '%s': expected a whole number, found %s", source, key,
                        cna_json_type_name(value));
    }
    json_int_t whole = json_integer_value(value);
    if (whole < 0 || whole >= high) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key '%s': expected 0 to %lld, found %lld", source, key,
                        (long long)high - 1, (long long)whole);
    }
    *out = (uint32_t)whole;
    return CNA_OK;
}

/* An array of two whole numbers. */
static cna_status read_pair(const json_t *value, const char *key, const char *source, int64_t high_first,
                            int64_t high_second, uint32_t *first, uint32_t *second, cna_error *err)
{
    if (!json_is_array(value) || json_array_size(value) != 2) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key '%s': expected pairs of whole numbers, found %s",
                        source, key, json_is_array(value) ? "another length" : cna_json_type_name(value));
    }
    CNA_TRY(element_uint32(value, 0, key, source, high_first, first, err));
    return element_uint32(value, 1, key, source, high_second, second, err);
}

/* ---- sections of the file ---- */

static cna_status read_model(const json_t *root, const char *source, cna_circuit_info *info, cna_error *err)
{
    json_t *model;
    CNA_TRY(cna_json_find_object(root, "model", source, &model, err));
    if (model == NULL) return CNA_OK;
    place at = place_of(source, "model");
    CNA_TRY(find_text(model, "name", at.text, info->model_name, sizeof info->model_name, err));
    CNA_TRY(find_text(model, "architecture", at.text, info->architecture, sizeof info->architecture, err));
    CNA_TRY(find_text(model, "dtype", at.text, info->model_dtype, sizeof info->model_dtype, err));
    CNA_TRY(find_uint32(model, "n_layers", at.text, CNA_CIRCUIT_MAX_LAYERS, &info->n_layers, err));
    CNA_TRY(find_uint32(model, "mlp_dim", at.text, CNA_CIRCUIT_MAX_NEURONS, &info->mlp_dim, err));
    CNA_TRY(find_uint32(model, "hidden_dim", at.text, CNA_CIRCUIT_MAX_NEURONS, &info->hidden_dim, err));
    CNA_TRY(find_text(model, "fingerprint", at.text, info->fingerprint, sizeof info->fingerprint, err));
    if (info->fingerprint[0] == '\0' || is_lower_hex(info->fingerprint, 64)) return CNA_OK;
    return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'fingerprint': expected 64 hexadecimal digits, found '%s'",
                    at.text, info->fingerprint);
}

static cna_status read_universal_ids(const json_t *universal, const char *source, cna_circuit *circuit,
                                     cna_error *err)
{
    json_t *pairs;
    CNA_TRY(find_array(universal, "neurons", source, &pairs, err));
    if (pairs == NULL) return CNA_OK;
    const cna_circuit_info *info = &circuit->info;
    int64_t n_layers = info->n_layers != 0 ? info->n_layers : CNA_CIRCUIT_MAX_LAYERS;
    int64_t mlp_dim = info->mlp_dim != 0 ? info->mlp_dim : CNA_CIRCUIT_MAX_NEURONS;
    size_t n = json_array_size(pairs);
    CNA_TRY(cna_alloc(&circuit->universal, n, sizeof *circuit->universal, "universal neurons", err));
    for (size_t i = 0; i < n; i++) {
        cna_neuron_id *id = &circuit->universal[i];
        CNA_TRY(read_pair(json_array_get(pairs, i), "neurons", source, n_layers, mlp_dim, &id->layer,
                          &id->neuron, err));
    }
    circuit->n_universal = cna_neuron_ids_unique(circuit->universal, n);
    return CNA_OK;
}

static cna_status read_universal(const json_t *method, const char *source, cna_circuit *circuit,
                                 cna_error *err)
{
    json_t *universal;
    CNA_TRY(cna_json_find_object(method, "universal", source, &universal, err));
    if (universal == NULL) return CNA_OK;
    cna_circuit_info *info = &circuit->info;
    place at = place_of(source, "universal");
    CNA_TRY(
        find_text(universal, "source", at.text, info->universal_source, sizeof info->universal_source, err));
    CNA_TRY(find_share(universal, "threshold", at.text, &info->universal_threshold, err));
    CNA_TRY(find_share(universal, "share", at.text, &info->universal_share, err));
    CNA_TRY(find_size(universal, "excluded", at.text, &info->n_universal, err));
    return read_universal_ids(universal, at.text, circuit, err);
}

static cna_status read_layers(const json_t *method, const char *source, cna_circuit_info *info,
                              cna_error *err)
{
    info->last_layer = info->n_layers == 0 ? 0 : info->n_layers - 1;
    const json_t *layers = json_object_get(method, "layers");
    if (layers == NULL || json_is_null(layers)) return CNA_OK;
    int64_t n_layers = info->n_layers != 0 ? info->n_layers : CNA_CIRCUIT_MAX_LAYERS;
    CNA_TRY(
        read_pair(layers, "layers", source, n_layers, n_layers, &info->first_layer, &info->last_layer, err));
    if (info->first_layer <= info->last_layer) return CNA_OK;
    return cna_fail(err, CNA_ERR_FORMAT,
                    "%s: key 'layers': expected the first layer before the last, found [%u, %u]", source,
                    info->first_layer, info->last_layer);
}

static cna_status read_method(const json_t *root, const char *source, cna_circuit *circuit, cna_error *err)
{
    json_t *method;
    CNA_TRY(cna_json_find_object(root, "method", source, &method, err));
    if (method == NULL) return CNA_OK;
    static const char *const names[] = {"cna", NULL};
    cna_circuit_info *info = &circuit->info;
    place at = place_of(source, "method");
    size_t name = 0;
    size_t preset = CNA_PRESET_PAPER;
    size_t score = CNA_SCORE_DELTA;
    size_t k = 0;
    CNA_TRY(find_word(method, "name", at.text, names, &name, err));
    CNA_TRY(find_word(method, "preset", at.text, cna_preset_names, &preset, err));
    CNA_TRY(find_word(method, "score", at.text, cna_score_names, &score, err));
    CNA_TRY(find_share(method, "fraction", at.text, &info->fraction, err));
    /* k is the number of neurons, which counting gives; a file edited by hand need not keep them equal. */
    CNA_TRY(find_size(method, "k", at.text, &k, err));
    CNA_TRY(cna_json_find_bool(method, "per_layer", at.text, &info->per_layer, err));
    info->preset = (cna_preset)preset;
    info->score = (cna_score)score;
    CNA_TRY(read_layers(method, at.text, info, err));
    return read_universal(method, at.text, circuit, err);
}

static cna_status read_operation(const json_t *root, const char *source, cna_error *err)
{
    json_t *operation;
    CNA_TRY(cna_json_find_object(root, "operation", source, &operation, err));
    if (operation == NULL) return CNA_OK;
    place at = place_of(source, "operation");
    const char *hook = NULL;
    const char *op = NULL;
    CNA_TRY(cna_json_find_string(operation, "hook", at.text, &hook, err));
    CNA_TRY(cna_json_find_string(operation, "op", at.text, &op, err));
    if (hook != NULL && strcmp(hook, CNA_CIRCUIT_HOOK) != 0) {
        return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: key 'hook': expected '%s', found '%s'", at.text,
                        CNA_CIRCUIT_HOOK, hook);
    }
    if (op != NULL && strcmp(op, CNA_CIRCUIT_OP) != 0) {
        return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: key 'op': expected '%s', found '%s'", at.text,
                        CNA_CIRCUIT_OP, op);
    }
    return CNA_OK;
}

static cna_status read_hashes(const json_t *prompts, const char *key, const char *source,
                              cna_sha256_text **out, size_t *out_n, cna_error *err)
{
    json_t *array;
    CNA_TRY(find_array(prompts, key, source, &array, err));
    size_t n = json_array_size(array);
    CNA_TRY(cna_alloc(out, n, sizeof **out, "prompt hashes", err));
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(array, i));
        if (text == NULL || !is_lower_hex(text, 64)) {
            return cna_fail(err, CNA_ERR_FORMAT,
                            "%s: key '%s': expected SHA-256 hashes of 64 hexadecimal digits, found %s",
                            source, key, text != NULL ? text : cna_json_type_name(json_array_get(array, i)));
        }
        memcpy((*out)[i].hex, text, sizeof(*out)[i].hex);
    }
    *out_n = n;
    return CNA_OK;
}

static cna_status read_chat_options(const json_t *prompts, const char *source, cna_circuit_info *info, cna_error *err)
{
    json_t *options;
    char *text = NULL;
    CNA_TRY(cna_json_find_object(prompts, "chat_options", source, &options, err));
    if (options == NULL) return CNA_OK;
    CNA_TRY(cna_json_compact(options, &text, err));
    cna_status status = CNA_OK;
    if (strlen(text) >= sizeof info->chat_options) {
        status = cna_fail(err, CNA_ERR_FORMAT, "%s: key 'chat_options': expected at most %zu bytes, found %zu", source,
                          sizeof info->chat_options - 1, strlen(text));
    } else {
        snprintf(info->chat_options, sizeof info->chat_options, "%s", text);
    }
    cna_free(text);
    return status;
}

static cna_status read_prompts(const json_t *root, const char *source, cna_circuit *circuit, cna_error *err)
{
    json_t *prompts;
    CNA_TRY(cna_json_find_object(root, "prompts", source, &prompts, err));
    if (prompts == NULL) return CNA_OK;
    static const char *const formats[] = {"", "chat", "raw", NULL};
    cna_circuit_info *info = &circuit->info;
    place at = place_of(source, "prompts");
    size_t format = 0;
    CNA_TRY(read_hashes(prompts, "positive", at.text, &circuit->positive, &info->n_positive, err));
    CNA_TRY(read_hashes(prompts, "negative", at.text, &circuit->negative, &info->n_negative, err));
    CNA_TRY(find_word(prompts, "format", at.text, formats + 1, &format, err));
    if (json_is_string(json_object_get(prompts, "format"))) {
        snprintf(info->prompt_format, sizeof info->prompt_format, "%s", formats[format + 1]);
    }
    CNA_TRY(find_text(prompts, "date", at.text, info->date, sizeof info->date, err));
    return read_chat_options(prompts, at.text, info, err);
}

static cna_status read_neuron(const json_t *value, const char *source, cna_circuit *circuit, cna_neuron *out,
                              cna_error *err)
{
    if (!json_is_object(value)) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: expected an object, found %s", source,
                        cna_json_type_name(value));
    }
    int64_t layer;
    int64_t neuron;
    CNA_TRY(cna_json_get_int(value, "layer", source, 0, CNA_CIRCUIT_MAX_LAYERS - 1, &layer, err));
    CNA_TRY(cna_json_get_int(value, "neuron", source, 0, CNA_CIRCUIT_MAX_NEURONS - 1, &neuron, err));
    out->layer = (uint32_t)layer;
    out->neuron = (uint32_t)neuron;
    CNA_TRY(cna_json_find_number(value, "delta", source, &out->delta, err));
    CNA_TRY(cna_json_find_number(value, "mean_positive", source, &out->mean_positive, err));
    CNA_TRY(cna_json_find_number(value, "mean_negative", source, &out->mean_negative, err));
    CNA_TRY(cna_json_find_number(value, "d", source, &out->d, err));
    CNA_TRY(cna_json_find_number(value, "write", source, &out->write, err));
    if (!json_is_number(json_object_get(value, "delta"))) circuit->info.has_delta = false;
    static const char *const measures[] = {"mean_positive", "mean_negative", "d", "write"};
    for (size_t i = 0; i < sizeof measures / sizeof *measures; i++) {
        if (!json_is_number(json_object_get(value, measures[i]))) circuit->info.has_measures = false;
    }
    return CNA_OK;
}

/* Numbers that only some neurons have rank nothing and are not written again: then no neuron has them. */
static void drop_partial_measures(cna_circuit *circuit)
{
    for (size_t i = 0; i < circuit->n_neurons; i++) {
        cna_neuron *neuron = &circuit->neurons[i];
        if (!circuit->info.has_delta) neuron->delta = 0;
        if (!circuit->info.has_measures)
            neuron->mean_positive = neuron->mean_negative = neuron->d = neuron->write = 0;
    }
}

static cna_status read_neurons(const json_t *root, const char *source, cna_circuit *circuit, cna_error *err)
{
    json_t *array;
    CNA_TRY(cna_json_get_array(root, "neurons", source, &array, err));
    size_t n = json_array_size(array);
    CNA_TRY(cna_alloc(&circuit->neurons, n, sizeof *circuit->neurons, "neurons", err));
    circuit->info.has_delta = true;
    circuit->info.has_measures = true;
    for (size_t i = 0; i < n; i++) {
        char part[64];
        snprintf(part, sizeof part, "neurons[%zu]", i);
        place at = place_of(source, part);
        CNA_TRY(read_neuron(json_array_get(array, i), at.text, circuit, &circuit->neurons[i], err));
    }
    circuit->n_neurons = n;
    drop_partial_measures(circuit);
    return CNA_OK;
}

cna_status cna_circuit_from_own(const json_t *root, const char *source, cna_circuit *circuit, cna_error *err)
{
    const char *format;
    int64_t version;
    CNA_TRY(cna_json_get_string(root, "format", source, &format, err));
    if (strcmp(format, CNA_CIRCUIT_FORMAT) != 0) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'format': expected '%s', found '%s'", source,
                        CNA_CIRCUIT_FORMAT, format);
    }
    CNA_TRY(cna_json_get_int(root, "version", source, INT32_MIN, INT32_MAX, &version, err));
    if (version != CNA_CIRCUIT_VERSION) {
        return cna_fail(err, CNA_ERR_UNSUPPORTED,
                        "%s: key 'version': expected %d, found %d; a newer cna may read it", source,
                        CNA_CIRCUIT_VERSION, (int)version);
    }
    CNA_TRY(read_model(root, source, &circuit->info, err));
    CNA_TRY(read_method(root, source, circuit, err));
    CNA_TRY(read_operation(root, source, err));
    CNA_TRY(read_prompts(root, source, circuit, err));
    CNA_TRY(cna_circuit_read_statistics(root, source, circuit, err));
    return read_neurons(root, source, circuit, err);
}

static cna_status from_json(const json_t *root, const char *source, cna_circuit *circuit, cna_error *err)
{
    if (!json_is_object(root)) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: expected a circuit (a JSON object), found %s", source,
                        cna_json_type_name(root));
    }
    if (json_object_get(root, "format") != NULL) {
        CNA_TRY(cna_circuit_from_own(root, source, circuit, err));
    } else {
        CNA_TRY(cna_circuit_from_nous(root, source, circuit, err));
    }
    return cna_circuit_finish(circuit, source, err);
}

/* Takes root. */
static cna_status circuit_of_json(json_t *root, const char *source, cna_circuit **out, cna_error *err)
{
    cna_circuit *circuit = NULL;
    cna_status status = cna_circuit_create(&circuit, err);
    if (status == CNA_OK) status = from_json(root, source, circuit, err);
    json_decref(root);
    if (status != CNA_OK) {
        cna_circuit_free(circuit);
        return status;
    }
    *out = circuit;
    return CNA_OK;
}

cna_status cna_circuit_read(const char *path, cna_circuit **out, cna_error *err)
{
    json_t *root;
    CNA_TRY(cna_json_load(path, max_file_bytes, &root, err));
    return circuit_of_json(root, path, out, err);
}

cna_status cna_circuit_parse(const char *json, size_t n_bytes, const char *source, cna_circuit **out, cna_error *err)
{
    json_t *root;
    CNA_TRY(cna_json_parse(json, n_bytes, source, &root, err));
    return circuit_of_json(root, source, out, err);
}
