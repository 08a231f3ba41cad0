/* SPDX-License-Identifier: MIT
 * An attribution that is kept in a run. */
#include "study/study_attribute.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/number.h"
#include "method/canonical.h"
#include "method/circuit.h"
#include "study/run_inputs.h"
#include "study/sweep_config.h"
#include "text/chat.h"

/* ---- what decides the result ---- */

static cna_status add_layers(cna_buffer *out, const cna_attribute_options *o, cna_error *err)
{
    if (!o->choose_layers) return cna_buffer_add_text(out, ",\"layers\":null", err);
    return cna_buffer_printf(out, err, ",\"layers\":[%" PRIu32 ",%" PRIu32 "]", o->first_layer, o->last_layer);
}

static cna_status add_universal(cna_buffer *out, const cna_attribute_options *o, cna_error *err)
{
    char hash[65] = "builtin";
    if (o->universal_prompts != NULL) CNA_TRY(cna_sweep_hash_prompts(o->universal_prompts, hash, err));
    bool filtered = o->preset == CNA_PRESET_NOUS ? o->with_universal : !o->no_universal;
    if (!filtered) return cna_buffer_add_text(out, ",\"universal\":null", err);
    return cna_buffer_printf(out, err, ",\"universal\":{\"prompts\":\"%s\",\"threshold\":%s,\"share\":%s}", hash,
                             cna_number_shortest(o->universal_threshold).text,
                             cna_number_shortest(o->universal_share).text);
}

/* Numbers and words of ours only, so that nothing needs escaping; 0 stands for a default of this version. */
static cna_status config_text(const cna_model *model, const cna_study_contrast *c, cna_buffer *out, cna_error *err)
{
    const cna_attribute_options *o = c->options;
    bool chat = cna_format_is_chat(cna_model_tokenizer(model), &o->format);
    char positive[65], negative[65];
    CNA_TRY(cna_sweep_hash_prompts(c->positive, positive, err));
    CNA_TRY(cna_sweep_hash_prompts(c->negative, negative, err));
    CNA_TRY(cna_buffer_printf(out, err, "{\"positive\":\"%s\",\"negative\":\"%s\",\"preset\":\"%s\",\"score\":\"%s\"",
                              positive, negative, cna_preset_names[o->preset], cna_score_names[o->score]));
    CNA_TRY(cna_buffer_printf(out, err, ",\"fraction\":%s,\"k\":%zu,\"per_layer\":%s,\"format\":\"%s\"",
                              cna_number_shortest(o->fraction).text, o->k, o->per_layer ? "true" : "false",
                              chat ? "chat" : "raw"));
    CNA_TRY(add_layers(out, o, err));
    CNA_TRY(add_universal(out, o, err));
    return cna_buffer_printf(out, err, ",\"halvings\":%zu,\"shuffles\":%zu}", o->n_halvings, o->n_shuffles);
}

static cna_status make_config(const cna_model *model, const cna_study_contrast *c, json_t **out, cna_error *err)
{
    cna_buffer text = {0};
    cna_status status = config_text(model, c, &text, err);
    if (status == CNA_OK) status = cna_json_parse(text.data, text.size, "configuration", out, err);
    cna_buffer_free(&text);
    const char *system = c->options->format.system;
    if (status == CNA_OK && system != NULL && json_object_set_new(*out, "system", json_string(system)) != 0) {
        json_decref(*out);
        status = cna_fail(err, CNA_ERR_FORMAT, "system prompt: expected UTF-8, found otherwise");
    }
    if (status == CNA_OK) {
        status = cna_format_record(&c->options->format, *out, err);
        if (status != CNA_OK) json_decref(*out);
    }
    return status;
}

static cna_status begin_part(const cna_model *model, const cna_study_contrast *c, cna_run_part *part, cna_error *err)
{
    json_t *config = NULL;
    char *machine = NULL, date[11] = "";
    cna_status status = CNA_OK;
    CNA_TRY(make_config(model, c, &config, err));
    CNA_TRY_CLEANUP(cna_run_machine(model, &machine, err));
    if (cna_format_is_chat(cna_model_tokenizer(model), &c->options->format)) {
        CNA_TRY_CLEANUP(cna_canonical_date(cna_model_tokenizer(model), &c->options->format, date, err));
    }
    const cna_run_part_spec spec = {.command = "attribute", .role = c->role, .model = cna_model_get_info(model),
                                    .model_path = c->model_path, .config = config, .seed = c->options->seed,
                                    .date = date, .date_given = c->options->format.date != NULL, .machine = machine};
    CNA_TRY_CLEANUP(cna_run_begin_part(c->run, &spec, part, err));
cleanup:
    json_decref(config);
    cna_free(machine);
    return status;
}

/* ---- what comes of it ---- */

static cna_status set_stability(cna_run *run, int64_t part, const cna_circuit_statistics *s, size_t k, cna_error *err)
{
    cna_buffer detail = {0};
    double mean = NAN;
    cna_status status = cna_buffer_printf(&detail, err, "{\"halvings\":%zu,\"points\":[", s->n_halvings);
    for (size_t i = 0; i < s->n_points && status == CNA_OK; i++) {
        const cna_stability_point *p = &s->points[i];
        if (p->k == k) mean = p->mean;
        status = cna_buffer_printf(&detail, err, "%s{\"k\":%zu,\"mean\":%s,\"min\":%s,\"max\":%s}", i == 0 ? "" : ",",
                                   p->k, cna_number_shortest(p->mean).text, cna_number_shortest(p->min).text,
                                   cna_number_shortest(p->max).text);
    }
    if (status == CNA_OK) status = cna_buffer_add(&detail, "]}", sizeof "]}", err);
    const cna_run_figure figure = {.name = "stability", .value = mean, .detail = detail.data};
    if (status == CNA_OK) status = cna_run_set_figure(run, part, &figure, err);
    cna_buffer_free(&detail);
    return status;
}

static cna_status set_chance(cna_run *run, int64_t part, const cna_circuit_statistics *s, cna_error *err)
{
    static const char *const names[] = {"chance_delta", "chance_d", "chance_write"};
    for (int score = 0; score < 3; score++) {
        const cna_chance_level *level = &s->chance[score];
        cna_buffer detail = {0};
        cna_status status = cna_buffer_printf(
            &detail, err, "{\"shuffles\":%zu,\"candidates\":%zu,\"largest\":%s,\"above\":%zu,\"circuit_above\":%zu}",
            s->n_shuffles, s->n_candidates, cna_number_shortest(level->largest).text, level->n_above,
            level->n_circuit_above);
        if (status == CNA_OK) status = cna_buffer_add(&detail, "", 1, err);
        const cna_run_figure figure = {.name = names[score], .value = level->level, .detail = detail.data};
        if (status == CNA_OK) status = cna_run_set_figure(run, part, &figure, err);
        cna_buffer_free(&detail);
        CNA_TRY(status);
    }
    return CNA_OK;
}

static cna_status add_circuit(const cna_study_contrast *c, int64_t part, const cna_circuit *circuit, cna_error *err)
{
    const cna_circuit_statistics *s = cna_circuit_get_statistics(circuit);
    char *json;
    CNA_TRY(cna_circuit_to_json(circuit, CNA_CIRCUIT_CNA, &json, err));
    cna_status status = cna_run_add_circuit(c->run, part, c->label, json, NULL, err);
    cna_free(json);
    CNA_TRY(status);
    for (size_t i = 0; i < c->n_files; i++) {
        const cna_study_file *file = &c->files[i];
        bool is_ours = strcmp(file->role, "positive") == 0 || strcmp(file->role, "negative") == 0;
        if (is_ours) CNA_TRY(cna_run_add_file_at(c->run, part, file->role, file->path, err));
    }
    if (s != NULL && s->n_halvings != 0) CNA_TRY(set_stability(c->run, part, s, circuit->n_neurons, err));
    if (s != NULL && s->n_shuffles != 0) CNA_TRY(set_chance(c->run, part, s, err));
    return CNA_OK;
}

static cna_status keep(const cna_study_contrast *c, int64_t part, const cna_circuit *circuit, cna_error *err)
{
    CNA_TRY(cna_run_begin(c->run, err));
    CNA_TRY(cna_run_end(c->run, add_circuit(c, part, circuit, err), err));
    return cna_run_end_part(c->run, part, err);
}

static cna_status on_circuit(void *user, const char *label, const char *sha256, const char *json, cna_error *err)
{
    (void)sha256;
    cna_circuit **out = user;
    return *out != NULL ? CNA_OK : cna_circuit_parse(json, strlen(json), label, out, err);
}

/* The prompts as attribution takes them. */
static cna_status pin_inputs(const cna_model *model, const cna_study_contrast *c, int64_t part,
                             const cna_format *format, cna_error *err)
{
    cna_token_lists sets[2] = {{0}};
    cna_status status = cna_canonical_lists(model, c->positive, "positive", format, &sets[0], err);
    if (status == CNA_OK) status = cna_canonical_lists(model, c->negative, "negative", format, &sets[1], err);
    if (status == CNA_OK) status = cna_run_pin_inputs(c->run, part, model, sets, 2, err);
    cna_token_lists_free(&sets[0]);
    cna_token_lists_free(&sets[1]);
    return status;
}

cna_status cna_study_attribute(const cna_model *model, const cna_study_contrast *contrast, cna_circuit **out,
                               cna_error *err)
{
    cna_run_part part;
    cna_circuit *circuit = NULL;
    *out = NULL;
    CNA_TRY(begin_part(model, contrast, &part, err));
    cna_attribute_options options = *contrast->options;
    if (part.date[0] != '\0') options.format.date = part.date;
    CNA_TRY(pin_inputs(model, contrast, part.id, &options.format, err));
    cna_status status = CNA_OK;
    if (part.ended) {
        CNA_TRY_CLEANUP(cna_run_each_circuit(contrast->run, part.id, on_circuit, &circuit, err));
        if (circuit == NULL) {
            status = cna_fail(err, CNA_ERR_FORMAT, "%s: expected the circuit of attribution '%s', found none",
                              cna_run_path(contrast->run), contrast->role);
            goto cleanup;
        }
    } else {
        CNA_TRY_CLEANUP(cna_attribute(model, contrast->positive, contrast->negative, &options, &circuit, err));
        CNA_TRY_CLEANUP(keep(contrast, part.id, circuit, err));
    }
    *out = circuit;
    circuit = NULL;
cleanup:
    cna_circuit_free(circuit);
    return status;
}
