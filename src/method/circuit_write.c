/* SPDX-License-Identifier: MIT
 * Writing circuit files. A circuit can hold every neuron of a model, so the text is made directly, not as a
 * tree.
 *
 * Keys, in this order:
 *   format, version
 *   model      {name, architecture, n_layers, mlp_dim, hidden_dim, dtype, fingerprint}
 *   method     {name, preset, score, fraction, k, layers, per_layer,
 *               universal {source, threshold, share, excluded, neurons [[layer, neuron], ...]}}
 *   operation  {hook, op}
 *   prompts    {positive, negative, format, date, chat_options where there are any}
 *   tool       {name, version}
 *   statistics, where there are any: circuit_statistics.c
 *   neurons    [{layer, neuron, delta, mean_positive, mean_negative, d, write}, ...]
 * What is not known is null. Numbers have as many digits as reading them back to the same double takes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/number.h"
#include "base/utf8.h"
#include "method/circuit_file.h"

/* A JSON string; what is not UTF-8 (a folder's name can hold any byte) becomes U+FFFD. "" is written as null.
 */
static cna_status add_string(cna_buffer *out, const char *text, cna_error *err)
{
    if (*text == '\0') return cna_buffer_add_text(out, "null", err);
    CNA_TRY(cna_buffer_add(out, "\"", 1, err));
    for (size_t n = strlen(text); n != 0;) {
        uint32_t code_point = 0;
        int n_bytes = cna_utf8_next(text, n, &code_point);
        if (n_bytes < 0) {
            CNA_TRY(cna_buffer_add_text(out, "\xEF\xBF\xBD", err));
            n_bytes = -n_bytes;
        } else if (code_point < 0x20 || code_point == '"' || code_point == '\\') {
            CNA_TRY(cna_buffer_printf(out, err, "\\u%04x", (unsigned)code_point));
        } else {
            CNA_TRY(cna_buffer_add(out, text, (size_t)n_bytes, err));
        }
        text += n_bytes;
        n -= (size_t)n_bytes;
    }
    return cna_buffer_add(out, "\"", 1, err);
}

/* `"key": "text"` with what goes before it. */
static cna_status add_member(cna_buffer *out, const char *before, const char *key, const char *text,
                             cna_error *err)
{
    CNA_TRY(cna_buffer_printf(out, err, "%s\"%s\": ", before, key));
    return add_string(out, text, err);
}

static cna_status add_size(cna_buffer *out, const char *key, uint32_t value, cna_error *err)
{
    if (value == 0) return cna_buffer_printf(out, err, ", \"%s\": null", key);
    return cna_buffer_printf(out, err, ", \"%s\": %u", key, value);
}

static cna_status add_model(cna_buffer *out, const cna_circuit_info *info, cna_error *err)
{
    CNA_TRY(add_member(out, "  \"model\": {", "name", info->model_name, err));
    CNA_TRY(add_member(out, ", ", "architecture", info->architecture, err));
    CNA_TRY(add_size(out, "n_layers", info->n_layers, err));
    CNA_TRY(add_size(out, "mlp_dim", info->mlp_dim, err));
    CNA_TRY(add_size(out, "hidden_dim", info->hidden_dim, err));
    CNA_TRY(add_member(out, ", ", "dtype", info->model_dtype, err));
    CNA_TRY(add_member(out, ", ", "fingerprint", info->fingerprint, err));
    return cna_buffer_add_text(out, "},\n", err);
}

static cna_status add_universal(cna_buffer *out, const cna_circuit *circuit, cna_error *err)
{
    const cna_circuit_info *info = &circuit->info;
    CNA_TRY(add_member(out, "    \"universal\": {", "source", info->universal_source, err));
    CNA_TRY(cna_buffer_printf(
        out, err, ", \"threshold\": %s, \"share\": %s, \"excluded\": %zu, \"neurons\": ",
        cna_number_shortest(info->universal_threshold).text, cna_number_shortest(info->universal_share).text,
        info->n_universal));
    if (circuit->universal == NULL) return cna_buffer_add_text(out, "null}},\n", err);
    for (size_t i = 0; i < circuit->n_universal; i++) {
        CNA_TRY(cna_buffer_printf(out, err, "%s[%u, %u]", i == 0 ? "[" : ", ", circuit->universal[i].layer,
                                  circuit->universal[i].neuron));
    }
    return cna_buffer_add_text(out, circuit->n_universal == 0 ? "[]}},\n" : "]}},\n", err);
}

static cna_status add_method(cna_buffer *out, const cna_circuit *circuit, cna_error *err)
{
    const cna_circuit_info *info = &circuit->info;
    CNA_TRY(cna_buffer_printf(out, err,
                              "  \"method\": {\"name\": \"cna\", \"preset\": \"%s\", \"score\": \"%s\", ",
                              cna_preset_names[info->preset], cna_score_names[info->score]));
    CNA_TRY(cna_buffer_printf(out, err, "\"fraction\": %s, \"k\": %zu, ",
                              info->fraction == 0 ? "null" : cna_number_shortest(info->fraction).text,
                              circuit->n_neurons));
    if (info->n_layers == 0) {
        CNA_TRY(cna_buffer_add_text(out, "\"layers\": null, ", err));
    } else {
        CNA_TRY(cna_buffer_printf(out, err, "\"layers\": [%u, %u], ", info->first_layer, info->last_layer));
    }
    CNA_TRY(cna_buffer_printf(out, err, "\"per_layer\": %s,\n", info->per_layer ? "true" : "false"));
    return add_universal(out, circuit, err);
}

static cna_status add_hashes(cna_buffer *out, const char *key, const cna_sha256_text *hashes, size_t n,
                             cna_error *err)
{
    CNA_TRY(cna_buffer_printf(out, err, "\"%s\": [", key));
    for (size_t i = 0; i < n; i++) {
        CNA_TRY(cna_buffer_printf(out, err, "%s\n      \"%s\"", i == 0 ? "" : ",", hashes[i].hex));
    }
    return cna_buffer_add_text(out, "],\n    ", err);
}

static cna_status add_prompts(cna_buffer *out, const cna_circuit *circuit, cna_error *err)
{
    const cna_circuit_info *info = &circuit->info;
    CNA_TRY(cna_buffer_add_text(out, "  \"prompts\": {\n    ", err));
    CNA_TRY(add_hashes(out, "positive", circuit->positive, info->n_positive, err));
    CNA_TRY(add_hashes(out, "negative", circuit->negative, info->n_negative, err));
    CNA_TRY(add_member(out, "", "format", info->prompt_format, err));
    CNA_TRY(add_member(out, ", ", "date", info->date, err));
    if (info->chat_options[0] != '\0')
        CNA_TRY(cna_buffer_printf(out, err, ", \"chat_options\": %s", info->chat_options));
    return cna_buffer_add_text(out, "},\n", err);
}

static cna_status add_neurons(cna_buffer *out, const cna_circuit *circuit, cna_error *err)
{
    CNA_TRY(cna_buffer_add_text(out, "  \"neurons\": [", err));
    for (size_t i = 0; i < circuit->n_neurons; i++) {
        const cna_neuron *neuron = &circuit->neurons[i];
        CNA_TRY(cna_buffer_printf(out, err, "%s\n    {\"layer\": %u, \"neuron\": %u", i == 0 ? "" : ",",
                                  neuron->layer, neuron->neuron));
        if (circuit->info.has_delta) {
            CNA_TRY(cna_buffer_printf(out, err, ", \"delta\": %s", cna_number_shortest(neuron->delta).text));
        }
        if (circuit->info.has_measures) {
            CNA_TRY(cna_buffer_printf(
                out, err, ", \"mean_positive\": %s, \"mean_negative\": %s, \"d\": %s, \"write\": %s",
                cna_number_shortest(neuron->mean_positive).text, cna_number_shortest(neuron->mean_negative).text,
                cna_number_shortest(neuron->d).text, cna_number_shortest(neuron->write).text));
        }
        CNA_TRY(cna_buffer_add(out, "}", 1, err));
    }
    return cna_buffer_add_text(out, circuit->n_neurons == 0 ? "]\n}\n" : "\n  ]\n}\n", err);
}

static cna_status add_own(cna_buffer *out, const cna_circuit *circuit, cna_error *err)
{
    CNA_TRY(cna_buffer_printf(out, err, "{\n  \"format\": \"%s\",\n  \"version\": %d,\n", CNA_CIRCUIT_FORMAT,
                              CNA_CIRCUIT_VERSION));
    CNA_TRY(add_model(out, &circuit->info, err));
    CNA_TRY(add_method(out, circuit, err));
    CNA_TRY(cna_buffer_printf(out, err, "  \"operation\": {\"hook\": \"%s\", \"op\": \"%s\"},\n",
                              CNA_CIRCUIT_HOOK, CNA_CIRCUIT_OP));
    CNA_TRY(add_prompts(out, circuit, err));
    CNA_TRY(cna_buffer_add_text(out, "  \"tool\": {\"name\": \"cna\", \"version\": \"" CNA_VERSION "\"},\n",
                                err));
    CNA_TRY(cna_circuit_add_statistics(out, circuit, err));
    return add_neurons(out, circuit, err);
}

/* The keys that the reference code's Circuit.load asks for, worded as its discover_contrastive does. */
static cna_status add_nous(cna_buffer *out, const cna_circuit *circuit, cna_error *err)
{
    CNA_TRY(cna_buffer_add_text(out, "{\n  \"neurons\": {", err));
    for (size_t i = 0; i < circuit->n_neurons; i++) {
        const cna_neuron *neuron = &circuit->neurons[i];
        CNA_TRY(cna_buffer_printf(out, err, "%s\n    \"%u,-1,%u\": %s", i == 0 ? "" : ",", neuron->layer,
                                  neuron->neuron, cna_number_shortest(neuron->delta).text));
    }
    return cna_buffer_printf(out, err,
                             "%s},\n  \"prompt\": \"[contrastive: %zu pos vs %zu neg]\",\n"
                             "  \"target_token\": \"[contrastive]\",\n  \"total_logit_diff\": 0.0\n}\n",
                             circuit->n_neurons == 0 ? "" : "\n  ", circuit->info.n_positive,
                             circuit->info.n_negative);
}

static cna_status add_circuit(cna_buffer *out, const cna_circuit *circuit, cna_circuit_format format,
                              cna_error *err)
{
    return format == CNA_CIRCUIT_NOUS ? add_nous(out, circuit, err) : add_own(out, circuit, err);
}

cna_status cna_circuit_to_json(const cna_circuit *circuit, cna_circuit_format format, char **out_json,
                               cna_error *err)
{
    cna_buffer text = {0};
    cna_status status = add_circuit(&text, circuit, format, err);
    if (status == CNA_OK) status = cna_buffer_take(&text, out_json, NULL, err);
    cna_buffer_free(&text);
    return status;
}

cna_status cna_circuit_write(const cna_circuit *circuit, const char *path, cna_circuit_format format,
                             cna_error *err)
{
    cna_buffer text = {0};
    cna_status status = add_circuit(&text, circuit, format, err);
    if (status == CNA_OK) status = cna_file_write(path, text.data, text.size, err);
    cna_buffer_free(&text);
    return status;
}
