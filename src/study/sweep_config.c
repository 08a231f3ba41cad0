/* SPDX-License-Identifier: MIT
 * The configuration of a sweep. */
#include "study/sweep_config.h"

#include <string.h>

#include "base/file.h"
#include "method/intervene.h"
#include "text/chat.h"

enum { DEFAULT_MAX_TOKENS = 150 };

size_t cna_sweep_max_tokens(const cna_sweep_options *options)
{
    return options->max_tokens == 0 ? DEFAULT_MAX_TOKENS : options->max_tokens;
}

double cna_sweep_min_quality(const cna_sweep_options *options)
{
    return options->min_quality == 0 ? 0.6 : options->min_quality;
}

double cna_sweep_percentile(const cna_sweep_options *options)
{
    if (options->no_logprob_limit || options->min_logprob != 0) return 0;
    return options->logprob_percentile == 0 ? 1 : options->logprob_percentile;
}

/* The object that members are put into, and whether all of them could be. */
typedef struct writer {
    json_t *object;
    bool failed;
} writer;

static void put(writer *w, const char *key, json_t *value)
{
    if (value == NULL || json_object_set_new(w->object, key, value) != 0) w->failed = true;
}

static void put_text(writer *w, const char *key, const char *text)
{
    put(w, key, text == NULL ? json_null() : json_string(text));
}

static void put_count(writer *w, const char *key, size_t value)
{
    put(w, key, json_integer((json_int_t)value));
}

static json_t *number_list(const double *values, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n && list != NULL; i++) {
        if (json_array_append_new(list, json_real(values[i])) == 0) continue;
        json_decref(list);
        return NULL;
    }
    return list;
}

/* ---- hashes ---- */

cna_status cna_sweep_hash_prompts(const cna_prompts *prompts, char out[65], cna_error *err)
{
    cna_buffer all = {0};
    cna_status status = cna_buffer_add(&all, "", 0, err);
    for (size_t i = 0; i < cna_prompts_count(prompts) && status == CNA_OK; i++) {
        char hash[65];
        const char *category = cna_prompts_category(prompts, i);
        status = cna_prompts_sha256(prompts, i, hash, err);
        if (status == CNA_OK) {
            status = cna_buffer_printf(&all, err, "%s %s\n", hash, category == NULL ? "" : category);
        }
    }
    if (status == CNA_OK) status = cna_sha256_hex(all.data, all.size, out, err);
    cna_buffer_free(&all);
    return status;
}

static cna_status put_prompts(writer *w, const char *key, const cna_prompts *prompts, cna_error *err)
{
    char hash[65];
    if (prompts == NULL) {
        put_text(w, key, NULL);
        return CNA_OK;
    }
    CNA_TRY(cna_sweep_hash_prompts(prompts, hash, err));
    put_text(w, key, hash);
    return CNA_OK;
}

static cna_status put_circuits(writer *w, const cna_sweep_options *options, cna_error *err)
{
    json_t *list = json_array();
    put(w, "circuits", list);
    for (size_t i = 0; i < options->n_circuits && !w->failed; i++) {
        char *json, hash[65];
        CNA_TRY(cna_circuit_to_json(options->circuits[i], CNA_CIRCUIT_CNA, &json, err));
        cna_status status = cna_sha256_hex(json, strlen(json), hash, err);
        cna_free(json);
        CNA_TRY(status);
        if (json_array_append_new(list, json_string(hash)) != 0) w->failed = true;
    }
    return CNA_OK;
}

/* ---- the rest ---- */

static void put_scaling(writer *w, const cna_sweep_options *options, const cna_sweep_plan *plan)
{
    const cna_sweep_conditions *conditions = &plan->conditions;
    json_t *points = json_array(), *cuts = json_array();
    put(w, "multipliers", points);
    put(w, "k_list", cuts);
    for (size_t i = 0; i < conditions->n_points && !w->failed; i++) {
        json_t *point = number_list(conditions->grid + i * conditions->n_circuits, conditions->n_circuits);
        if (json_array_append_new(points, point) != 0) w->failed = true;
    }
    for (size_t i = 0; options->n_k != 0 && i < plan->circuits.n_cuts && !w->failed; i++) {
        if (json_array_append_new(cuts, json_integer((json_int_t)plan->circuits.cuts[i])) != 0) w->failed = true;
    }
    put_text(w, "positions", cna_positions_names[options->positions]);
    put_text(w, "sign", cna_sign_names[options->sign]);
    put_count(w, "controls", conditions->n_seeds);
    put_count(w, "cross_fit", options->cross_fit);
}

static void put_caa(writer *w, const cna_sweep_options *options, const cna_sweep_plan *plan)
{
    put(w, "alphas", number_list(options->alphas.values, options->alphas.n));
    put_text(w, "caa", options->alphas.n == 0 ? NULL : cna_caa_site_names[cna_sweep_caa_site(options)]);
    for (size_t i = 0; i < plan->conditions.n; i++) {
        const cna_run_condition *row = &plan->conditions.items[i].row;
        if (row->method == CNA_RUN_CAA && row->layer >= 0) put(w, "caa_layer", json_integer(row->layer));
    }
}

static cna_status put_vectors(writer *w, const cna_sweep_options *options, cna_error *err)
{
    cna_buffer file = {0};
    char hash[65];
    if (options->alphas.n == 0 || options->caa_vectors == NULL) return CNA_OK;
    cna_status status = cna_caa_to_gguf(options->caa_vectors, &file, err);
    if (status == CNA_OK) status = cna_sha256_hex(file.data, file.size, hash, err);
    cna_buffer_free(&file);
    if (status == CNA_OK) put_text(w, "caa_vectors", hash);
    return status;
}

static cna_status put_format(writer *w, const cna_model *model, const cna_sweep_options *options, cna_error *err)
{
    bool chat = cna_format_is_chat(cna_model_tokenizer(model), &options->format);
    put_text(w, "format", chat ? "chat" : "raw");
    put_text(w, "system", options->format.system);
    put(w, "double_bos", json_boolean(options->format.double_bos));
    return cna_format_record(&options->format, w->object, err);
}

static void put_measures(writer *w, const cna_sweep_options *options)
{
    double percentile = cna_sweep_percentile(options);
    put_count(w, "max_tokens", cna_sweep_max_tokens(options));
    put(w, "min_quality", json_real(cna_sweep_min_quality(options)));
    put(w, "min_logprob", options->min_logprob == 0 ? json_null() : json_real(options->min_logprob));
    if (options->keep_reasoning) put(w, "keep_reasoning", json_true());
    put(w, "logprob_percentile", percentile == 0 ? json_null() : json_real(percentile));
}

static cna_status put_files(writer *w, const cna_sweep_options *options, const cna_sweep_plan *plan, cna_error *err)
{
    bool contrast = (options->alphas.n != 0 && options->caa_vectors == NULL) || options->cross_fit != 0;
    CNA_TRY(put_vectors(w, options, err));
    CNA_TRY(put_prompts(w, "prompts", plan->given[CNA_SIDE_HARMFUL], err));
    CNA_TRY(put_prompts(w, "benign", plan->given[CNA_SIDE_BENIGN], err));
    CNA_TRY(put_prompts(w, "positive", contrast ? options->positive : NULL, err));
    CNA_TRY(put_prompts(w, "negative", contrast ? options->negative : NULL, err));
    CNA_TRY(put_circuits(w, options, err));
    char hash[65];
    if (options->perplexity != NULL) CNA_TRY(cna_sha256_hex(options->perplexity, options->perplexity_bytes, hash, err));
    put_text(w, "perplexity", options->perplexity != NULL ? hash : NULL);
    return CNA_OK;
}

cna_status cna_sweep_config(const cna_model *model, const cna_sweep_options *options, const cna_sweep_plan *plan,
                            const char *patterns_sha256, json_t **out, cna_error *err)
{
    writer w = {.object = json_object()};
    if (w.object == NULL) return cna_fail_memory(err, "configuration", 0);
    put_scaling(&w, options, plan);
    put_caa(&w, options, plan);
    put_measures(&w, options);
    put_text(&w, "patterns", patterns_sha256);
    cna_status status = put_format(&w, model, options, err);
    if (status == CNA_OK) status = put_files(&w, options, plan, err);
    if (status == CNA_OK && w.failed) {
        status = cna_fail(err, CNA_ERR_FORMAT, "configuration: expected UTF-8 text and memory for it, found otherwise");
    }
    if (status != CNA_OK) {
        json_decref(w.object);
        return status;
    }
    *out = w.object;
    return CNA_OK;
}
