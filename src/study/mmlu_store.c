/* SPDX-License-Identifier: MIT
 * MMLU in a run file. */
#include "study/mmlu_store.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "method/intervene.h"
#include "study/sweep_conditions.h"
#include "text/chat.h"

/* ---- configuration ---- */

static json_t *circuit_hashes(const char *const *jsons, size_t n, cna_error *err)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        char hash[65];
        if (cna_sha256_hex(jsons[i], strlen(jsons[i]), hash, err) != CNA_OK ||
            json_array_append_new(list, json_string(hash)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *multiplier_list(const cna_mmlu_study *study)
{
    json_t *list = json_array();
    for (size_t m = 0; m < study->n_multipliers; m++) json_array_append_new(list, json_real(study->multipliers[m]));
    return list;
}

static json_t *subject_list(const cna_mmlu_study *study)
{
    json_t *list = json_array();
    for (size_t b = 0; b < study->n_blocks; b++) {
        json_array_append_new(list, json_string(cna_mmlu_subjects()[study->blocks[b].subject].name));
    }
    return list;
}

/* All that decides the answers; the texts by their hash, so that another layout of the same questions continues. */
static cna_status make_config(const cna_mmlu_study *study, const char *const *jsons, json_t **out, cna_error *err)
{
    const cna_mmlu_options *options = study->options;
    bool chat = options->format.mode == CNA_FORMAT_CHAT;
    json_t *hashes = circuit_hashes(jsons, options->n_circuits, err);
    *out = json_object();
    int failed = hashes == NULL || *out == NULL;
    if (hashes != NULL) failed |= json_object_set_new(*out, "circuits", hashes);
    failed |= json_object_set_new(*out, "format", json_string(chat ? "chat" : "raw"));
    failed |= json_object_set_new(*out, "limit", json_integer((json_int_t)options->limit));
    failed |= json_object_set_new(*out, "multipliers", multiplier_list(study));
    failed |= json_object_set_new(*out, "positions", json_string(cna_positions_names[options->positions]));
    failed |= json_object_set_new(*out, "shots", json_integer((json_int_t)study->info->n_shots));
    failed |= json_object_set_new(*out, "sign", json_string(cna_sign_names[options->sign]));
    failed |= json_object_set_new(*out, "subjects", subject_list(study));
    failed |= json_object_set_new(*out, "system",
                                  chat && options->format.system != NULL ? json_string(options->format.system)
                                                                        : json_null());
    /* Last in the order of keys: where it differs for one of the reasons above, that reason is the one to tell. */
    failed |= json_object_set_new(*out, "text_sha256", json_string(study->info->sha256));
    cna_status status = failed ? cna_fail_memory(err, "configuration", 0) : CNA_OK;
    if (status == CNA_OK && chat) status = cna_format_record(&options->format, *out, err);
    if (status == CNA_OK) return CNA_OK;
    json_decref(*out);
    *out = NULL;
    return status;
}

static cna_status begin_part(cna_mmlu_store *store, const char *const *jsons, char date[11], char note[512],
                             cna_error *err)
{
    const cna_mmlu_study *study = &store->study;
    const cna_mmlu_options *options = study->options;
    json_t *config = NULL;
    char *machine = NULL;
    cna_run_part part;
    cna_status status;
    CNA_TRY_CLEANUP(make_config(study, jsons, &config, err));
    CNA_TRY_CLEANUP(cna_run_machine(study->model, &machine, err));
    const cna_run_part_spec spec = {.command = "mmlu", .role = options->role,
                                    .model = cna_model_get_info(study->model), .model_path = options->model_path,
                                    .config = config, .seed = 0, .date = date,
                                    .date_given = options->format.date != NULL, .machine = machine};
    CNA_TRY_CLEANUP(cna_run_begin_part(store->run, &spec, &part, err));
    store->part = part.id;
    memcpy(date, part.date, sizeof part.date);
    memcpy(note, part.note, sizeof part.note);
cleanup:
    json_decref(config);
    cna_free(machine);
    return status;
}

/* ---- what stands before the answers ---- */

static void name_circuit(const cna_mmlu_options *options, size_t i, char out[256])
{
    if (options->circuit_names != NULL) {
        snprintf(out, 256, "%s", options->circuit_names[i]);
    } else {
        snprintf(out, 256, "circuit %zu", i + 1);
    }
}

static cna_status add_conditions(cna_mmlu_store *store, const char *const *jsons, cna_error *err)
{
    const cna_mmlu_study *study = &store->study;
    const cna_mmlu_options *options = study->options;
    cna_buffer label = {0};
    cna_neuron_id *ids;
    size_t k;
    cna_status status = cna_sweep_targets(options->circuits, options->n_circuits, options->sign, &ids, &k, err);
    if (status == CNA_OK) cna_free(ids);
    for (size_t i = 0; i < options->n_circuits && status == CNA_OK; i++) {
        char name[256];
        name_circuit(options, i, name);
        status = cna_run_add_circuit(store->run, store->part, name, jsons[i], NULL, err);
        if (status == CNA_OK) status = cna_buffer_printf(&label, err, "%s%s", i == 0 ? "" : " + ", name);
    }
    for (size_t m = 0; m < study->n_multipliers && status == CNA_OK; m++) {
        bool steered = study->multipliers[m] != 1;
        const cna_run_condition condition = {
            .position = m, .method = steered ? CNA_RUN_CNA : CNA_RUN_NONE, .circuit = steered ? label.data : NULL,
            .k = steered ? (int64_t)k : -1, .control_seed = -1, .multiplier = study->multipliers[m], .alpha = NAN,
            .layer = -1};
        status = cna_run_add_condition(store->run, store->part, &condition, &store->conditions[m], err);
    }
    cna_buffer_free(&label);
    return status;
}

static cna_status add_questions(cna_mmlu_store *store, cna_error *err)
{
    const cna_mmlu_study *study = &store->study;
    for (size_t b = 0; b < study->n_blocks; b++) {
        size_t s = study->blocks[b].subject;
        for (size_t q = 0; q < study->blocks[b].n_questions; q++) {
            const cna_mmlu_item *item = &study->data->lists[CNA_MMLU_TEST][s].items[q];
            const cna_run_question question = {.subject = cna_mmlu_subjects()[s].name, .position = q,
                                               .text = item->text, .n_bytes = item->n_bytes, .answer = item->answer};
            CNA_TRY(cna_run_add_question(store->run, store->part, &question,
                                         &store->questions[store->first[b] + q], err));
        }
    }
    return CNA_OK;
}

static cna_status describe(cna_mmlu_store *store, const char *const *jsons, cna_error *err)
{
    const cna_mmlu_data *data = store->study.data;
    for (size_t i = 0; i < data->n_paths; i++) {
        CNA_TRY(cna_run_add_file_at(store->run, store->part, "mmlu", data->paths[i], err));
    }
    CNA_TRY(add_conditions(store, jsons, err));
    CNA_TRY(add_questions(store, err));
    size_t n_answers = store->study.info->n_questions * store->study.n_multipliers;
    return cna_run_plan_part(store->run, store->part, n_answers, err);
}

/* ---- answers ---- */

/* Mark an answer that the file has. */
static cna_status on_choice(void *user, const cna_run_choice *choice, cna_error *err)
{
    cna_mmlu_store *store = user;
    const cna_mmlu_study *study = &store->study;
    for (size_t b = 0; b < study->n_blocks; b++) {
        const cna_mmlu_block *block = &study->blocks[b];
        if (strcmp(cna_mmlu_subjects()[block->subject].name, choice->subject) != 0) continue;
        size_t m = choice->condition_position, q = choice->question_position;
        if (q >= block->n_questions || m >= study->n_multipliers) break;
        size_t i = block->first + m * block->n_questions + q;
        study->answers[i].chosen = choice->chosen;
        memcpy(study->answers[i].logprobs, choice->logprobs, sizeof choice->logprobs);
        study->done[i] = true;
        return CNA_OK;
    }
    return cna_fail(err, CNA_ERR_FORMAT, "%s: expected answers to the run's questions, found one to %s, question %zu",
                    cna_run_path(store->run), choice->subject, choice->question_position + 1);
}

static cna_status begin(cna_mmlu_store *store, const char *const *jsons, char date[11], char note[512], cna_error *err)
{
    const cna_mmlu_study *study = &store->study;
    CNA_TRY(cna_alloc(&store->conditions, study->n_multipliers, sizeof *store->conditions, "conditions", err));
    CNA_TRY(cna_alloc(&store->questions, study->info->n_questions, sizeof *store->questions, "questions", err));
    CNA_TRY(cna_alloc(&store->first, study->n_blocks, sizeof *store->first, "subjects", err));
    for (size_t b = 1; b < study->n_blocks; b++) {
        store->first[b] = store->first[b - 1] + study->blocks[b - 1].n_questions;
    }
    CNA_TRY(begin_part(store, jsons, date, note, err));
    CNA_TRY(cna_run_begin(store->run, err));
    CNA_TRY(cna_run_end(store->run, describe(store, jsons, err), err));
    store->flushed = cna_clock_seconds();
    return cna_run_each_choice(store->run, store->part, 0, on_choice, store, err);
}

cna_status cna_mmlu_store_begin(cna_mmlu_store *store, const cna_mmlu_study *study, char date[11], char note[512],
                                cna_error *err)
{
    const cna_mmlu_options *options = study->options;
    char **jsons;
    *store = (cna_mmlu_store){.run = options->run, .study = *study};
    if (store->run == NULL) return CNA_OK;
    CNA_TRY(cna_alloc(&jsons, options->n_circuits, sizeof *jsons, "circuits", err));
    cna_status status = CNA_OK;
    for (size_t i = 0; i < options->n_circuits && status == CNA_OK; i++) {
        status = cna_circuit_to_json(options->circuits[i], CNA_CIRCUIT_CNA, &jsons[i], err);
    }
    if (status == CNA_OK) status = begin(store, (const char *const *)jsons, date, note, err);
    for (size_t i = 0; i < options->n_circuits; i++) cna_free(jsons[i]);
    cna_free(jsons);
    return status;
}

static cna_status write_waiting(cna_mmlu_store *store, cna_error *err)
{
    const cna_mmlu_study *study = &store->study;
    for (size_t i = 0, b = 0; i < store->n_waiting; i++) {
        size_t answer = store->waiting[i];
        while (answer < study->blocks[b].first) b--;
        while (b + 1 < study->n_blocks && answer >= study->blocks[b + 1].first) b++;
        size_t within = answer - study->blocks[b].first, n_questions = study->blocks[b].n_questions;
        cna_run_choice choice = {.condition = store->conditions[within / n_questions],
                                 .question = store->questions[store->first[b] + within % n_questions],
                                 .chosen = study->answers[answer].chosen};
        memcpy(choice.logprobs, study->answers[answer].logprobs, sizeof choice.logprobs);
        CNA_TRY(cna_run_add_choice(store->run, &choice, err));
    }
    return CNA_OK;
}

cna_status cna_mmlu_store_flush(cna_mmlu_store *store, cna_error *err)
{
    if (store->n_waiting == 0) return CNA_OK;
    CNA_TRY(cna_run_begin(store->run, err));
    CNA_TRY(cna_run_end(store->run, write_waiting(store, err), err));
    store->n_waiting = 0;
    store->flushed = cna_clock_seconds();
    return CNA_OK;
}

cna_status cna_mmlu_store_add(cna_mmlu_store *store, size_t answer, cna_error *err)
{
    if (store->run == NULL) return CNA_OK;
    store->waiting[store->n_waiting++] = answer;
    bool full = store->n_waiting == CNA_MMLU_KEPT_BACK;
    return full || cna_clock_seconds() - store->flushed > 1 ? cna_mmlu_store_flush(store, err) : CNA_OK;
}

cna_status cna_mmlu_store_end(cna_mmlu_store *store, cna_error *err)
{
    if (store->run == NULL) return CNA_OK;
    const cna_run_figure cut = {.name = "n_cut", .value = (double)store->study.info->n_cut};
    CNA_TRY(cna_run_set_figure(store->run, store->part, &cut, err));
    return cna_run_end_part(store->run, store->part, err);
}

void cna_mmlu_store_clear(cna_mmlu_store *store)
{
    cna_free(store->conditions);
    cna_free(store->questions);
    cna_free(store->first);
    *store = (cna_mmlu_store){0};
}
