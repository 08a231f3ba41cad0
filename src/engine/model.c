/* SPDX-License-Identifier: MIT
 * Opening and describing a model. */
#include "engine/model.h"

#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "base/resources.h"
#include "engine/kv.h"
#include "engine/session.h"
#include "text/tokenizer.h"

/* What packing leaves memory for, at least: one sequence of so many positions, alone in its passes. */
enum { LEAST_POSITIONS = 1024 };

static uint64_t count_parameters(const cna_checkpoint *checkpoint)
{
    uint64_t n = 0;
    for (size_t i = 0; i < checkpoint->n_tensors; i++) {
        uint64_t one = 1;
        for (size_t j = 0; j < checkpoint->tensors[i]->rank; j++) one *= checkpoint->tensors[i]->shape[j];
        n += one;
    }
    return n;
}

static uint32_t count_windows(const cna_config *config)
{
    uint32_t n = 0;
    for (uint32_t layer = 0; layer < config->n_layers; layer++) n += cna_layer_set_has(&config->windowed, layer);
    return n;
}

void cna_model_describe(const cna_checkpoint *checkpoint, const cna_tokenizer *tokenizer, cna_storage storage,
                        cna_dtype compute, cna_model_info *out)
{
    const cna_config *c = &checkpoint->config;
    *out = (cna_model_info){.n_layers = c->n_layers, .hidden_dim = c->hidden_dim, .mlp_dim = c->mlp_dim,
                            .n_heads = c->n_heads, .n_kv_heads = c->n_kv_heads, .head_dim = c->head_dim,
                            .vocab_size = c->vocab_size, .max_positions = c->max_positions,
                            .window = c->window, .n_window_layers = count_windows(c),
                            .position_limit = c->position_limit,
                            .tied_embeddings = c->tied_embeddings, .qkv_bias = c->qkv_bias,
                            .n_files = checkpoint->n_files};
    snprintf(out->name, sizeof out->name, "%s", checkpoint->name);
    snprintf(out->revision, sizeof out->revision, "%s", checkpoint->revision);
    snprintf(out->architecture, sizeof out->architecture, "%s", c->family->name);
    snprintf(out->storage_dtype, sizeof out->storage_dtype, "%s", cna_storage_name(storage));
    snprintf(out->compute_dtype, sizeof out->compute_dtype, "%s", compute == CNA_DTYPE_BF16 ? "bf16" : "f32");
    snprintf(out->chat_family, sizeof out->chat_family, "none");
    if (tokenizer != NULL) {
        snprintf(out->chat_family, sizeof out->chat_family, "%s", cna_tokenizer_chat_family(tokenizer));
        out->has_chat_template = cna_tokenizer_has_chat(tokenizer);
        out->n_tokenizer_ids = (uint32_t)cna_tokenizer_n_ids(tokenizer);
    }
    out->n_parameters = count_parameters(checkpoint);
    for (size_t i = 0; i < checkpoint->n_files; i++) out->size_bytes += checkpoint->files[i].map.size;
}

cna_dtype cna_model_dtype(cna_dtype asked, cna_storage storage)
{
    if (asked != CNA_DTYPE_AUTO) return asked;
    return storage == CNA_STORAGE_BF16 || cna_storage_is_quantised(storage) ? CNA_DTYPE_BF16 : CNA_DTYPE_F32;
}

/* Such as "8.0 GiB". */
static const char *bytes_text(uint64_t n_bytes, char out[32])
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    double value = (double)n_bytes / 1024;
    size_t unit = 0;
    for (; value >= 1024 && unit < 3; unit++) value /= 1024;
    snprintf(out, 32, "%.1f %s", value, units[unit]);
    return out;
}

static uint64_t least_work(const cna_model *model)
{
    const cna_config *config = &model->checkpoint.config;
    size_t n = config->max_positions < LEAST_POSITIONS ? config->max_positions : LEAST_POSITIONS;
    cna_kv_pool pool;
    cna_kv_pool_init(&pool, config);
    return cna_session_bytes(model, n, n, true) + cna_kv_bytes(&pool, 0, CNA_KV_ALL_LAYERS, n, n);
}

/* Decide where weights are kept: packed, which products are fastest from, while that leaves an eighth of the memory
 * for the work, and no less than one sequence needs; else in place, while the page cache can be expected to keep them;
 * else layer by layer. */
static cna_status choose_keep(cna_model *model, const cna_model_options *options, cna_linear_keep *keep, cna_error *err)
{
    cna_weights_need need;
    CNA_TRY(cna_weights_measure(&model->checkpoint, model->input, &need, err));
    uint64_t limit = model->memory_bytes, held = cna_memory_held(), left = limit > held ? limit - held : 0;
    uint64_t room = left > limit / 8 ? left - limit / 8 : 0;
    uint64_t whole = options->in_place ? need.in_place : need.packed;
    if (options->in_place && model->info.size_bytes > whole) whole = model->info.size_bytes;
    char weights[32], memory[32], before[32];
    bytes_text(whole, weights);
    bytes_text(limit, memory);
    bytes_text(held, before);
    if (options->stream != CNA_STREAM_ALWAYS) {
        *keep = CNA_LINEAR_PACKED;
        bool may_pack = !options->in_place && need.packed <= room && need.packed + least_work(model) <= left;
        if (may_pack) return CNA_OK;
        *keep = CNA_LINEAR_IN_PLACE;
        if (need.in_place <= room && model->info.size_bytes <= limit) return CNA_OK;
    }
    if (options->stream == CNA_STREAM_NEVER) {
        return cna_fail(err, CNA_ERR_MEMORY, "%s: expected memory for weights of %s beside %s held already and an "
                        "eighth for the work, found %s; allow more (--memory) or let them be read layer by layer "
                        "(--stream auto)",
                        model->checkpoint.path, weights, before, memory);
    }
    *keep = CNA_LINEAR_STAGED;
    model->streams = true;
    if (need.staged + need.stage > room) {
        return cna_fail(err, CNA_ERR_MEMORY, "%s: expected memory for %s of weights at a time beside %s held already "
                        "and an eighth for the work, found %s; allow more (--memory)", model->checkpoint.path,
                        bytes_text(need.staged + need.stage, weights), before, memory);
    }
    if (options->stream == CNA_STREAM_ALWAYS) return CNA_OK;
    cna_buffer text = {0};
    cna_status status = cna_buffer_printf(&text, err, "%s: weights of %s do not fit in %s: they are read layer "
                                          "by layer",
                                          model->info.name, weights, memory);
    if (status == CNA_OK) status = cna_buffer_take(&text, &model->notice, NULL, err);
    cna_buffer_free(&text);
    return status;
}

static cna_status write_plan(cna_model *model, cna_linear_keep keep, cna_error *err)
{
    static const char *const how[] = {[CNA_LINEAR_IN_PLACE] = "used in place", [CNA_LINEAR_PACKED] = "packed",
                                      [CNA_LINEAR_STAGED] = "read layer by layer"};
    cna_buffer text = {0};
    char held[32], stage[32], mapped[32], memory[32];
    const cna_layer_weights *first = &model->weights.layers[0];
    cna_status status = cna_buffer_printf(
        &text, err,
        "%s: %s, %u layers, %llu parameters stored as %s\n"
        "products: %s by %s; output head by %s\n"
        "weights: %s, %s held",
        model->info.name, model->info.architecture, model->info.n_layers, (unsigned long long)model->info.n_parameters,
        model->info.storage_dtype, model->info.compute_dtype, cna_linear_kernel(first->gate),
        cna_linear_kernel(model->weights.head), how[keep], bytes_text(model->weights.packed_bytes, held));
    if (status == CNA_OK && model->streams && model->weights.stage_bytes != 0) {
        status = cna_buffer_printf(&text, err, " and %s for copies of a layer",
                                   bytes_text(model->weights.stage_bytes, stage));
    }
    if (status == CNA_OK) {
        status = cna_buffer_printf(&text, err, " beside %s mapped; at most %s of memory; %d threads",
                                   bytes_text(model->info.size_bytes, mapped), bytes_text(model->memory_bytes, memory),
                                   model->n_threads);
    }
    if (status == CNA_OK) status = cna_buffer_take(&text, &model->plan, NULL, err);
    cna_buffer_free(&text);
    return status;
}

/* Special tokens and stop ids of the files must have embedding rows. */
static cna_status check_ids(const cna_model *model, cna_error *err)
{
    const cna_config *config = &model->checkpoint.config;
    for (size_t i = 0; i < config->n_stop_ids; i++) {
        if ((uint32_t)config->stop_ids[i] >= config->vocab_size) {
            return cna_fail(err, CNA_ERR_MISMATCH, "%s: key 'eos_token_id': expected ids below vocab_size (%u), found "
                            "%d", model->checkpoint.path, config->vocab_size, config->stop_ids[i]);
        }
    }
    return CNA_OK;
}

cna_status cna_model_open(const char *path, const cna_model_options *options, cna_model **out, cna_error *err)
{
    const cna_model_options defaults = {0};
    if (options == NULL) options = &defaults;
    *out = NULL;
    cna_model *model;
    cna_storage storage;
    cna_status status;
    CNA_TRY(cna_alloc(&model, 1, sizeof *model, "model", err));
    CNA_TRY_CLEANUP(cna_checkpoint_open(path, &model->checkpoint, err));
    CNA_TRY_CLEANUP(cna_weights_check(&model->checkpoint, &storage, err));
    CNA_TRY_CLEANUP(check_ids(model, err));
    CNA_TRY_CLEANUP(cna_tokenizer_open(path, &model->tokenizer, err));
    cna_dtype compute = cna_model_dtype(options->dtype, storage);
    if (compute == CNA_DTYPE_BF16 && cna_model_dtype(CNA_DTYPE_AUTO, storage) != CNA_DTYPE_BF16) {
        status = cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: expected weights stored as bf16 for a bf16 run, found %s; "
                          "leave out --dtype or use --dtype f32", path, cna_storage_name(storage));
        goto cleanup;
    }
    cna_model_describe(&model->checkpoint, model->tokenizer, storage, compute, &model->info);
    CNA_TRY_CLEANUP(cna_checkpoint_fingerprint(&model->checkpoint, model->info.fingerprint, err));
    model->n_threads = options->n_threads > 0 ? options->n_threads : omp_get_num_procs();
    model->input = cna_input_for(compute);
    cna_memory_trim(); /* a tokenizer of 128,000 tokens leaves 46 MB of its JSON behind */
    model->memory_bytes = options->memory_bytes != 0 ? options->memory_bytes : cna_memory_available() / 10 * 8;
    cna_linear_keep keep;
    CNA_TRY_CLEANUP(choose_keep(model, options, &keep, err));
    CNA_TRY_CLEANUP(cna_weights_bind(&model->checkpoint, model->input, keep, &model->weights, err));
    CNA_TRY_CLEANUP(write_plan(model, keep, err));
    *out = model;
    model = NULL;
cleanup:
    cna_model_free(model);
    return status;
}

void cna_model_free(cna_model *model)
{
    if (model == NULL) return;
    cna_weights_free(&model->weights);
    cna_checkpoint_close(&model->checkpoint);
    cna_tokenizer_free(model->tokenizer);
    cna_free(model->plan);
    cna_free(model->notice);
    cna_free(model);
}

cna_status cna_model_check_ids(const cna_model *model, const int32_t *ids, size_t n_ids, cna_error *err)
{
    uint32_t n_rows = model->checkpoint.config.vocab_size;
    if (n_ids == 0) return cna_fail(err, CNA_ERR_ARG, "token ids: expected one or more, found none");
    for (size_t i = 0; i < n_ids; i++) {
        if (ids[i] < 0 || (uint32_t)ids[i] >= n_rows) {
            return cna_fail(err, CNA_ERR_ARG, "token ids: expected 0 to %u, found %d", n_rows - 1, ids[i]);
        }
    }
    return CNA_OK;
}

cna_status cna_model_check_positions(const cna_model *model, size_t n_positions, cna_error *err)
{
    uint32_t limit = model->checkpoint.config.position_limit;
    if (limit == 0 || n_positions <= limit) return CNA_OK;
    return cna_fail(err, CNA_ERR_UNSUPPORTED,
                    "%s: expected at most %u tokens of prompt and answer (original_max_position_embeddings), found "
                    "%zu; longrope rotates longer texts otherwise from their first token on, which is not supported",
                    model->info.name, limit, n_positions);
}

cna_status cna_model_inspect(const char *path, cna_model_info *out, cna_error *err)
{
    cna_checkpoint checkpoint = {0};
    cna_tokenizer *tokenizer = NULL;
    cna_storage storage;
    cna_status status;
    CNA_TRY_CLEANUP(cna_checkpoint_open(path, &checkpoint, err));
    CNA_TRY_CLEANUP(cna_weights_check(&checkpoint, &storage, err));
    CNA_TRY_CLEANUP(cna_tokenizer_open(path, &tokenizer, err));
    cna_model_info info;
    cna_model_describe(&checkpoint, tokenizer, storage, cna_model_dtype(CNA_DTYPE_AUTO, storage), &info);
    CNA_TRY_CLEANUP(cna_checkpoint_fingerprint(&checkpoint, info.fingerprint, err));
    *out = info;
cleanup:
    cna_tokenizer_free(tokenizer);
    cna_checkpoint_close(&checkpoint);
    return status;
}

const cna_model_info *cna_model_get_info(const cna_model *model)
{
    return &model->info;
}

const char *cna_model_plan(const cna_model *model)
{
    return model->plan;
}

const char *cna_model_notice(const cna_model *model)
{
    return model->notice;
}

const cna_tokenizer *cna_model_tokenizer(const cna_model *model)
{
    return model->tokenizer;
}
