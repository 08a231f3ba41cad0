/* SPDX-License-Identifier: MIT
 * What a model folder holds and would take, by the engine's own arithmetic, without reading weights. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/resources.h"
#include "engine/model.h"
#include "engine/pass.h"
#include "engine/session.h"
#include "text/tokenizer.h"

enum { CONFIG_BYTES_MAX = 1 << 20 };

/* Where tensors lie that are only planned: an address as aligned as mapped ones are, never read. */
static const _Alignas(64) unsigned char nowhere[64];

typedef struct survey {
    const char *path;
    cna_model model; /* as far as plans look at it: nothing is bound but the head, as staged weights are */
    cna_storage storage;
    cna_error no_tokenizer, no_chat;
} survey;

/* ---- a checkpoint out of a config ---- */

/* torch_dtype, which newer versions of transformers call dtype; their default is float32. */
static cna_status read_stored_dtype(const char *folder, cna_storage *out, bool *is_named, cna_error *err)
{
    static const struct {
        const char *name;
        cna_storage storage;
    } names[] = {{"float32", CNA_STORAGE_F32}, {"bfloat16", CNA_STORAGE_BF16}, {"float16", CNA_STORAGE_F16}};
    char *path;
    json_t *root = NULL;
    const char *dtype = NULL;
    CNA_TRY(cna_path_join(folder, "config.json", &path, err));
    cna_status status;
    CNA_TRY_CLEANUP(cna_json_load(path, CONFIG_BYTES_MAX, &root, err));
    CNA_TRY_CLEANUP(cna_json_find_string(root, "torch_dtype", path, &dtype, err));
    if (dtype == NULL) CNA_TRY_CLEANUP(cna_json_find_string(root, "dtype", path, &dtype, err));
    *out = CNA_STORAGE_F32;
    for (size_t i = 0; i < sizeof names / sizeof *names && dtype != NULL; i++) {
        if (strcmp(dtype, names[i].name) != 0) continue;
        *out = names[i].storage;
        *is_named = true;
    }
cleanup:
    json_decref(root);
    cna_free(path);
    return status;
}

typedef struct imagined {
    cna_tensor_file *file;
    size_t capacity;
    cna_storage storage;
} imagined;

static cna_status add_tensor(void *user, const char *name, size_t rows, size_t cols, cna_error *err)
{
    static const char *const dtypes[] = {[CNA_STORAGE_F32] = "F32", [CNA_STORAGE_BF16] = "BF16",
                                         [CNA_STORAGE_F16] = "F16"};
    imagined *i = user;
    cna_tensor_file *f = i->file;
    CNA_TRY(cna_grow(&f->tensors, &i->capacity, f->n_tensors + 1, sizeof *f->tensors, "tensor table", err));
    cna_tensor *t = &f->tensors[f->n_tensors++];
    *t = (cna_tensor){.path = "", .rank = cols == 0 ? 1 : 2, .shape = {rows, cols}, .data = nowhere};
    t->n_bytes = cna_storage_bytes(i->storage, rows * (cols == 0 ? 1 : cols));
    snprintf(t->dtype, sizeof t->dtype, "%s", dtypes[i->storage]);
    return cna_copy_bytes(&t->name, name, strlen(name), "name of a tensor", err);
}

/* One file of every tensor that config.json calls for, of which no byte is there. */
static cna_status imagine(const char *folder, cna_checkpoint *out, bool *names_dtype, cna_error *err)
{
    imagined i = {0};
    CNA_TRY(cna_checkpoint_open_config(folder, out, err));
    CNA_TRY(read_stored_dtype(folder, &i.storage, names_dtype, err));
    CNA_TRY(cna_alloc(&out->files, 1, sizeof *out->files, "file table", err));
    out->n_files = 1;
    i.file = out->files;
    CNA_TRY(cna_weights_each(&out->config, add_tensor, &i, err));
    return cna_checkpoint_sort(out, err);
}

/* ---- what there is ---- */

static int compare_shares(const void *a, const void *b)
{
    const cna_dtype_share *x = a, *y = b;
    if (x->n_bytes != y->n_bytes) return x->n_bytes < y->n_bytes ? 1 : -1;
    return strcmp(x->dtype, y->dtype);
}

static void count_dtypes(const cna_checkpoint *checkpoint, cna_survey *out)
{
    for (size_t i = 0; i < checkpoint->n_tensors; i++) {
        const cna_tensor *tensor = checkpoint->tensors[i];
        uint64_t n = 1;
        size_t at = 0;
        for (size_t j = 0; j < tensor->rank; j++) n *= tensor->shape[j];
        while (at < out->n_dtypes && strcmp(out->dtypes[at].dtype, tensor->dtype) != 0) at++;
        if (at == sizeof out->dtypes / sizeof *out->dtypes) continue;
        cna_dtype_share *share = &out->dtypes[at];
        if (at == out->n_dtypes) {
            out->n_dtypes++;
            snprintf(share->dtype, sizeof share->dtype, "%s", tensor->dtype);
        }
        share->n_tensors++;
        share->n_parameters += n;
        share->n_bytes += tensor->n_bytes;
    }
    qsort(out->dtypes, out->n_dtypes, sizeof *out->dtypes, compare_shares);
}

static cna_token_text token_text(const cna_tokenizer *tokenizer, int32_t id)
{
    cna_token_text token = {.id = id};
    const char *piece = tokenizer != NULL ? cna_tokenizer_piece(tokenizer, id) : NULL;
    if (piece != NULL) snprintf(token.text, sizeof token.text, "%s", piece);
    return token;
}

static cna_status list_tokens(const survey *s, cna_survey *out, cna_error *err)
{
    const cna_config *config = &s->model.checkpoint.config;
    for (size_t i = 0; i < config->n_stop_ids && i < sizeof out->stop / sizeof *out->stop; i++) {
        out->stop[out->n_stop++] = token_text(s->model.tokenizer, config->stop_ids[i]);
    }
    if (s->model.tokenizer == NULL) return CNA_OK;
    int32_t *ids;
    size_t n_ids;
    CNA_TRY(cna_tokenizer_encode(s->model.tokenizer, "", 0, true, &ids, &n_ids, err));
    for (size_t i = 0; i < n_ids && i < sizeof out->begin / sizeof *out->begin; i++) {
        out->begin[out->n_begin++] = token_text(s->model.tokenizer, ids[i]);
    }
    cna_free(ids);
    return CNA_OK;
}

/* ---- plans ---- */

static cna_memory_plan plan(const cna_model *model, uint64_t weights_bytes)
{
    const cna_config *config = &model->checkpoint.config;
    enum { N = CNA_SURVEY_PROMPTS, TOKENS = CNA_SURVEY_PROMPT_TOKENS, BATCH = CNA_SURVEY_BATCH,
           ANSWER = CNA_SURVEY_ANSWER_TOKENS };
    _Static_assert(BATCH * TOKENS <= CNA_PASS_ROWS, "the batch begins in one pass");
    cna_kv_pool pool;
    cna_kv_pool_init(&pool, config);
    /* As capture.c and generate.c plan them where nothing is shared. */
    uint64_t attribute = cna_session_bytes(model, (size_t)N * TOKENS, TOKENS, false) +
                         N * cna_kv_bytes(&pool, 0, CNA_KV_ONE_LAYER, TOKENS, TOKENS) +
                         (uint64_t)N * config->mlp_dim * sizeof(float);
    uint64_t generate = cna_session_bytes(model, (size_t)BATCH * TOKENS, TOKENS + ANSWER, true) +
                        BATCH * cna_kv_bytes(&pool, 0, CNA_KV_ALL_LAYERS, TOKENS, TOKENS + ANSWER - 1) +
                        (uint64_t)BATCH * (ANSWER + 1) * (sizeof(int32_t) + sizeof(float));
    return (cna_memory_plan){.weights_bytes = weights_bytes, .attribute_bytes = weights_bytes + attribute,
                             .generate_bytes = weights_bytes + generate};
}

static cna_status plan_all(survey *s, const cna_model_options *options, cna_survey *out, cna_error *err)
{
    cna_model *m = &s->model;
    cna_weights_need need;
    cna_matrix_view head;
    m->n_threads = options->n_threads > 0 ? options->n_threads : omp_get_num_procs();
    m->input = cna_input_for(cna_model_dtype(options->dtype, s->storage));
    CNA_TRY(cna_weights_measure(&m->checkpoint, m->input, &need, err));
    CNA_TRY(cna_weights_find_head(&m->checkpoint, &head, err));
    CNA_TRY(cna_linear_create(&head, m->input, CNA_LINEAR_STAGED, &m->weights.head, err));
    out->packed = plan(m, need.packed);
    out->in_place = plan(m, need.in_place);
    m->streams = true;
    m->weights.stage_bytes = need.stage;
    out->streamed = plan(m, need.staged);
    out->memory_bytes = options->memory_bytes != 0 ? options->memory_bytes : cna_memory_available() / 10 * 8;
    return CNA_OK;
}

/* ---- what it can be used for ---- */

static void refuse(cna_survey *out, cna_use use, const char *reason)
{
    if (!out->works[use]) return;
    out->works[use] = false;
    snprintf(out->reason[use], sizeof out->reason[use], "%.511s", reason);
}

/* Try the template on a conversation; its error says what is wrong with it. */
static cna_status try_chat(survey *s, cna_error *err)
{
    const cna_message message = {.role = "user", .content = "Hello", .n_bytes = 5};
    const cna_format format = {.date = "2026-01-01"};
    char *text;
    cna_status status = cna_tokenizer_render(s->model.tokenizer, &message, 1, &format, &text, NULL, &s->no_chat);
    if (status == CNA_OK) cna_free(text);
    return status != CNA_ERR_MEMORY ? CNA_OK : cna_fail(err, status, "%s", s->no_chat.text);
}

static cna_status judge_uses(survey *s, cna_survey *out, cna_error *err)
{
    char text[512];
    for (cna_use use = 0; use < CNA_N_USES; use++) out->works[use] = true;
    if (s->model.tokenizer != NULL) CNA_TRY(try_chat(s, err));
    for (cna_use use = 0; use < CNA_N_USES; use++) {
        if (!out->has_weights && use != CNA_USE_CHAT) {
            snprintf(text, sizeof text, "%s: expected model.safetensors or model.safetensors.index.json, found neither",
                     s->path);
            refuse(out, use, text);
        }
        if (!out->has_tokenizer) refuse(out, use, s->no_tokenizer.text);
        bool by_template = use != CNA_USE_MMLU && (use == CNA_USE_CHAT || out->info.has_chat_template);
        if (by_template && s->no_chat.status != CNA_OK) {
            snprintf(text, sizeof text, "%.480s%s", s->no_chat.text, use == CNA_USE_CHAT ? "" : " (works with --raw)");
            refuse(out, use, text);
        }
        bool attributes = use == CNA_USE_ATTRIBUTE;
        uint64_t least = attributes ? out->streamed.attribute_bytes : out->streamed.generate_bytes;
        if (use != CNA_USE_CHAT && least > out->memory_bytes) {
            snprintf(text, sizeof text, "memory: expected %.0f MB for %s, streamed, found a bound of %.0f MB; allow "
                     "more (--memory), or give fewer prompts", (double)least / 1e6,
                     attributes ? "100 + 100 prompts" : "32 answers at once", (double)out->memory_bytes / 1e6);
            refuse(out, use, text);
        }
    }
    return CNA_OK;
}

/* ---- the whole ---- */

/* A .gguf file has one, or cannot be read. */
static cna_status find_tokenizer(survey *s, bool *out, cna_error *err)
{
    char *path;
    *out = true;
    if (s->model.checkpoint.is_gguf) return CNA_OK;
    CNA_TRY(cna_path_join(s->path, "tokenizer.json", &path, err));
    *out = cna_file_exists(path);
    if (!*out) cna_fail(&s->no_tokenizer, CNA_ERR_IO, "%s: expected the tokenizer's file, found none", path);
    cna_free(path);
    return CNA_OK;
}

static cna_status open_all(survey *s, cna_survey *out, cna_error *err)
{
    cna_checkpoint *checkpoint = &s->model.checkpoint;
    CNA_TRY(cna_checkpoint_has_weights(s->path, &out->has_weights, err));
    if (out->has_weights) CNA_TRY(cna_checkpoint_open(s->path, checkpoint, err));
    else CNA_TRY(imagine(s->path, checkpoint, &out->names_dtype, err));
    CNA_TRY(cna_weights_check(checkpoint, &s->storage, err));
    CNA_TRY(find_tokenizer(s, &out->has_tokenizer, err));
    if (out->has_tokenizer) CNA_TRY(cna_tokenizer_open(s->path, &s->model.tokenizer, err));
    return CNA_OK;
}

static cna_status survey_all(survey *s, const cna_model_options *options, cna_survey *out, cna_error *err)
{
    CNA_TRY(open_all(s, out, err));
    cna_checkpoint *checkpoint = &s->model.checkpoint;
    cna_model_describe(checkpoint, s->model.tokenizer, s->storage, cna_model_dtype(options->dtype, s->storage),
                       &out->info);
    if (out->has_weights) CNA_TRY(cna_checkpoint_fingerprint(checkpoint, out->info.fingerprint, err));
    else out->info.n_files = 0;
    count_dtypes(checkpoint, out);
    CNA_TRY(list_tokens(s, out, err));
    CNA_TRY(plan_all(s, options, out, err));
    return judge_uses(s, out, err);
}

cna_status cna_model_survey(const char *path, const cna_model_options *options, cna_survey *out, cna_error *err)
{
    static const cna_model_options defaults = {0};
    survey s = {.path = path};
    cna_survey *result;
    CNA_TRY(cna_alloc(&result, 1, sizeof *result, "survey", err));
    cna_status status = survey_all(&s, options != NULL ? options : &defaults, result, err);
    if (status == CNA_OK) *out = *result;
    cna_linear_free(s.model.weights.head);
    cna_tokenizer_free(s.model.tokenizer);
    cna_checkpoint_close(&s.model.checkpoint);
    cna_free(result);
    return status;
}
