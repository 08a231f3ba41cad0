/* SPDX-License-Identifier: MIT
 * cna_generate and cna_logits: prompts and interventions of the public interface, in the engine's terms. */
#include <math.h>
#include <string.h>

#include "base/buffer.h"
#include "engine/engine.h"
#include "method/caa.h"
#include "method/intervene.h"
#include "text/prompts.h"
#include "text/decoder.h"

/* What both calls prepare: one job for each prompt and sample. */
typedef struct work {
    cna_token_lists lists;
    cna_tap *tap;
    cna_caa_shifts *shifts; /* ? [n_additions] that the tap points to */
    size_t n_additions;
    cna_job *jobs; /* [n_jobs], prompt-major */
    size_t n_jobs, n_samples;
} work;

static void work_free(work *w)
{
    cna_token_lists_free(&w->lists);
    cna_tap_free(w->tap);
    for (size_t i = 0; w->shifts != NULL && i < w->n_additions; i++) cna_caa_shifts_clear(&w->shifts[i]);
    cna_free(w->shifts);
    cna_free(w->jobs);
}

static cna_status check_options(const cna_generate_options *options, cna_error *err)
{
    if (!(options->temperature >= 0) || !isfinite(options->temperature)) {
        return cna_fail(err, CNA_ERR_ARG, "temperature: expected 0 or more, found %g", options->temperature);
    }
    if (!(options->top_p >= 0 && options->top_p <= 1)) {
        return cna_fail(err, CNA_ERR_ARG, "top_p: expected 0 to 1, found %g", options->top_p);
    }
    return CNA_OK;
}

static cna_status add_shifts(const cna_model_info *info, const cna_generate_options *options, work *w, cna_error *err)
{
    w->n_additions = options->n_additions;
    CNA_TRY(cna_alloc(&w->shifts, w->n_additions, sizeof *w->shifts, "vectors", err));
    for (size_t i = 0; i < w->n_additions; i++) {
        const cna_addition *addition = &options->additions[i];
        cna_caa_shifts *shifts = &w->shifts[i];
        if (addition->caa == NULL) return cna_fail(err, CNA_ERR_ARG, "addition: expected vectors, found none");
        CNA_TRY(cna_caa_check_shape(addition->caa, info, err));
        CNA_TRY(cna_caa_shifts_create(addition->caa, addition->alpha, addition->positions, shifts, err));
        for (size_t j = 0; j < shifts->n; j++) CNA_TRY(cna_tap_add_shift(w->tap, &shifts->items[j], err));
    }
    return CNA_OK;
}

static cna_status prepare(const cna_model *model, const cna_prompts *prompts, const cna_generate_options *options,
                          size_t n_samples, work *w, cna_error *err)
{
    const cna_model_info *info = cna_model_get_info(model);
    cna_scale *scales = NULL;
    size_t n_scales = 0;
    cna_status status;
    CNA_TRY(check_options(options, err));
    CNA_TRY_CLEANUP(cna_prompts_tokenize(prompts, cna_model_tokenizer(model), &options->format,
                                         info->vocab_size, &w->lists, err));
    CNA_TRY_CLEANUP(cna_intervene_scales(options->interventions, options->n_interventions,
                                         info->n_layers, info->mlp_dim, &scales, &n_scales, err));
    CNA_TRY_CLEANUP(cna_tap_create(scales, n_scales, info->n_layers, info->mlp_dim, &w->tap, err));
    CNA_TRY_CLEANUP(add_shifts(info, options, w, err));
    if (n_samples > SIZE_MAX / w->lists.n) {
        status = cna_fail(err, CNA_ERR_ARG,
                          "n_samples: expected at most %zu, found %zu", SIZE_MAX / w->lists.n, n_samples);
        goto cleanup;
    }
    w->n_samples = n_samples;
    w->n_jobs = w->lists.n * n_samples;
    CNA_TRY_CLEANUP(cna_alloc(&w->jobs, w->n_jobs, sizeof *w->jobs, "answers", err));
    for (size_t i = 0; i < w->n_jobs; i++) {
        const cna_token_list *list = &w->lists.items[i / n_samples];
        w->jobs[i] = (cna_job){.prompt_ids = list->ids, .n_prompt_ids = list->n,
                               .tap = w->tap, .sample = i % n_samples};
    }
cleanup:
    cna_free(scales);
    return status;
}

/* A finished answer that waits until all before it are finished. */
typedef struct answer {
    bool done;
    int32_t *ids;
    float *logprobs;
    size_t n_ids;
    cna_stop stop;
} answer;

typedef struct answer_run {
    const cna_model *model;
    const cna_generate_options *options;
    const work *work;
    answer *answers; /* [n_jobs] */
    size_t n_delivered;
    cna_generation_fn *on_generation;
    void *user;
    cna_decoder decoder; /* for on_piece */
    cna_buffer piece;
    cna_error piece_error;
} answer_run;

static cna_status deliver(answer_run *g, size_t job, cna_error *err)
{
    answer *a = &g->answers[job];
    char *text;
    size_t n_bytes;
    CNA_TRY(cna_tokenizer_decode(cna_model_tokenizer(g->model), a->ids, a->n_ids, true, &text, &n_bytes, err));
    const cna_generation finished = {.prompt = job / g->work->n_samples, .sample = job % g->work->n_samples,
                                       .prompt_ids = g->work->jobs[job].prompt_ids,
                                       .n_prompt_ids = g->work->jobs[job].n_prompt_ids,
                                       .ids = a->ids, .n_ids = a->n_ids,
                                       .logprobs = a->logprobs, .text = text, .n_bytes = n_bytes, .stop = a->stop};
    bool cancel = g->on_generation != NULL && g->on_generation(g->user, &finished);
    cna_free(text);
    cna_free(a->ids);
    cna_free(a->logprobs);
    a->ids = NULL;
    a->logprobs = NULL;
    return cancel ? cna_fail(err, CNA_ERR_CANCELLED, "cancelled after answer %zu", job + 1) : CNA_OK;
}

static cna_status on_done(void *user, const cna_job_result *result, cna_error *err)
{
    answer_run *g = user;
    answer *a = &g->answers[result->job];
    CNA_TRY(cna_alloc(&a->ids, result->n_ids, sizeof *a->ids, "answer", err));
    CNA_TRY(cna_alloc(&a->logprobs, result->n_ids, sizeof *a->logprobs, "answer", err));
    if (result->n_ids != 0) {
        memcpy(a->ids, result->ids, result->n_ids * sizeof *a->ids);
        memcpy(a->logprobs, result->logprobs, result->n_ids * sizeof *a->logprobs);
    }
    a->n_ids = result->n_ids;
    a->stop = result->stop;
    a->done = true;
    while (g->n_delivered < g->work->n_jobs && g->answers[g->n_delivered].done) {
        CNA_TRY(deliver(g, g->n_delivered++, err));
    }
    return CNA_OK;
}

/* Hand on the text that a new token completes. True cancels; a decoding failure is kept aside. */
static bool on_token(void *user, size_t job, int32_t id)
{
    (void)job;
    answer_run *g = user;
    cna_buffer_reset(&g->piece);
    if (cna_decoder_add(&g->decoder, id, &g->piece, &g->piece_error) != CNA_OK) return true;
    return g->piece.size != 0 && g->options->on_piece(g->user, g->piece.data, g->piece.size);
}

/* Hand on what an incomplete last character left. */
static cna_status end_stream(answer_run *g, cna_error *err)
{
    cna_buffer_reset(&g->piece);
    CNA_TRY(cna_decoder_flush(&g->decoder, &g->piece, err));
    if (g->piece.size != 0) g->options->on_piece(g->user, g->piece.data, g->piece.size);
    return CNA_OK;
}

cna_status cna_generate(const cna_model *model, const cna_prompts *prompts, const cna_generate_options *options,
                        cna_generation_fn *on_generation, void *user, cna_error *err)
{
    const cna_generate_options defaults = {0};
    if (options == NULL) options = &defaults;
    work w = {0};
    answer_run g = {.model = model, .options = options, .work = &w, .on_generation = on_generation, .user = user,
                    .decoder = {.tokenizer = cna_model_tokenizer(model), .skip_specials = true}};
    cna_status status;
    CNA_TRY_CLEANUP(prepare(model, prompts, options, options->n_samples == 0 ? 1 : options->n_samples, &w, err));
    CNA_TRY_CLEANUP(cna_alloc(&g.answers, w.n_jobs, sizeof *g.answers, "answers", err));
    cna_run_options run = {.max_tokens = options->max_tokens, .temperature = options->temperature,
                           .top_p = options->top_p, .seed = options->seed, .batch = options->batch,
                           .progress = options->progress};
    bool streams = options->on_piece != NULL && w.n_jobs == 1;
    if (streams) {
        run.on_token = on_token;
        run.on_token_user = &g;
    }
    status = cna_engine_generate(model, w.jobs, w.n_jobs, &run, on_done, &g, err);
    if (g.piece_error.status != CNA_OK) {
        status = g.piece_error.status;
        if (err != NULL) *err = g.piece_error;
    }
    if (status == CNA_OK && streams) status = end_stream(&g, err);
cleanup:
    for (size_t i = 0; g.answers != NULL && i < w.n_jobs; i++) {
        cna_free(g.answers[i].ids);
        cna_free(g.answers[i].logprobs);
    }
    cna_free(g.answers);
    cna_decoder_free(&g.decoder);
    cna_buffer_free(&g.piece);
    work_free(&w);
    return status;
}

/* Rows of logits gathered until a prompt has all of its. */
typedef struct logits_run {
    const work *work;
    size_t vocab_size;
    float *rows; /* [longest prompt, vocab_size] */
    cna_logits_fn *on_logits;
    void *user;
} logits_run;

static cna_status on_row(void *user, size_t job, size_t position, const float *logits, cna_error *err)
{
    logits_run *r = user;
    size_t n_tokens = r->work->jobs[job].n_prompt_ids;
    memcpy(r->rows + position * r->vocab_size, logits, r->vocab_size * sizeof *logits);
    if (position + 1 < n_tokens) return CNA_OK;
    if (!r->on_logits(r->user, job, r->rows, n_tokens, r->vocab_size)) return CNA_OK;
    return cna_fail(err, CNA_ERR_CANCELLED, "cancelled after the logits of prompt %zu", job + 1);
}

cna_status cna_logits(const cna_model *model, const cna_prompts *prompts, const cna_generate_options *options,
                      cna_logits_fn *on_logits, void *user, cna_error *err)
{
    const cna_generate_options defaults = {0};
    if (options == NULL) options = &defaults;
    work w = {0};
    logits_run r = {.work = &w, .vocab_size = cna_model_get_info(model)->vocab_size,
                    .on_logits = on_logits, .user = user};
    cna_status status;
    size_t longest = 0;
    CNA_TRY_CLEANUP(prepare(model, prompts, options, 1, &w, err));
    for (size_t i = 0; i < w.n_jobs; i++) longest = w.jobs[i].n_prompt_ids > longest ? w.jobs[i].n_prompt_ids : longest;
    CNA_TRY_CLEANUP(cna_alloc(&r.rows, longest, r.vocab_size * sizeof *r.rows, "logits", err));
    const cna_run_options run = {.batch = options->batch, .progress = options->progress, .what = "prompts"};
    status = cna_engine_logits(model, w.jobs, w.n_jobs, &run, on_row, &r, err);
cleanup:
    cna_free(r.rows);
    work_free(&w);
    return status;
}
