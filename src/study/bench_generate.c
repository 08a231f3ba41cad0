/* SPDX-License-Identifier: MIT
 * How fast prompts and decoding go. */
#include <stdio.h>

#include "base/clock.h"
#include "study/bench_run.h"

enum {
    DECODE_PROMPT = 16,
    DECODE_STEPS_MIN = 8,
    DECODE_STEPS_MAX = 48,
};
static const double DECODE_SECONDS = 4;

static const struct {
    size_t n_tokens, batch;
} prompt_sizes[CNA_BENCH_PROMPTS_MAX] = {{128, 1}, {128, 8}, {512, 1}, {512, 8}};
static const size_t decode_batches[CNA_BENCH_DECODES_MAX] = {1, 8, 64, 256};

/* Sequences to generate, and the watch over their tokens. */
typedef struct batch {
    int32_t *ids; /* [n, n_tokens] */
    cna_job *jobs;
    size_t n;
    cna_bench_window window;
    const cna_usage *usage;
} batch;

static void batch_free(batch *t)
{
    cna_free(t->ids);
    cna_free(t->jobs);
    cna_free(t->window.counts);
}

static cna_status batch_make(cna_bench_state *b, size_t n, size_t n_tokens, size_t max_tokens, batch *t, cna_error *err)
{
    *t = (batch){.n = n, .window = {.n_sequences = n, .max_tokens = max_tokens}};
    CNA_TRY(cna_alloc(&t->ids, n * n_tokens, sizeof *t->ids, "token ids", err));
    CNA_TRY(cna_alloc(&t->jobs, n, sizeof *t->jobs, "sequences", err));
    CNA_TRY(cna_alloc(&t->window.counts, n, sizeof *t->window.counts, "token counts", err));
    cna_bench_draw_ids(b, t->ids, n * n_tokens);
    for (size_t i = 0; i < n; i++) {
        t->jobs[i] = (cna_job){.prompt_ids = t->ids + i * n_tokens, .n_prompt_ids = n_tokens};
    }
    return CNA_OK;
}

static cna_status ignore_result(void *user, const cna_job_result *result, cna_error *err)
{
    (void)user, (void)result, (void)err;
    return CNA_OK;
}

static bool on_token(void *user, size_t job, int32_t id)
{
    (void)id;
    batch *t = user;
    cna_bench_window_token(&t->window, job, cna_clock_seconds(), t->usage);
    return t->window.short_of_room;
}

/* *fits is false, and nothing measured, where memory has no room for so many sequences at a time. */
static cna_status batch_run(cna_bench_state *b, const cna_model *model, batch *t, cna_bench_measurement *m, bool *fits,
                            cna_error *err)
{
    CNA_TRY(cna_bench_measure_begin(m, err));
    t->usage = &m->usage;
    const cna_run_options options = {.max_tokens = t->window.max_tokens, .batch = t->n, .ignore_stop = true,
                                     .usage = &m->usage, .on_token_user = t, .progress = b->progress,
                                     .on_token = t->window.max_tokens > 1 ? on_token : NULL};
    cna_status status = cna_engine_generate(model, t->jobs, t->n, &options, ignore_result, NULL, err);
    cna_bench_measure_end(m, b, status);
    *fits = !t->window.short_of_room && (m->usage.batch == 0 || m->usage.batch >= t->n);
    if (status == CNA_ERR_MEMORY && t->n > 1) *fits = false;
    return *fits ? status : CNA_OK;
}

static cna_status measure_prompt(cna_bench_state *b, const cna_model *model, size_t n_tokens, size_t n, cna_error *err)
{
    double flops = (double)n * cna_bench_prompt_flops(&b->config, n_tokens), since = cna_clock_seconds();
    if (cna_bench_is_left_out(b, flops)) return CNA_OK;
    cna_bench_prompt *out = &b->out->prompts[b->out->n_prompts];
    *out = (cna_bench_prompt){.n_tokens = n_tokens, .batch = n};
    bool fits = true;
    for (size_t round = 0; round == 0 || !cna_bench_is_enough(b, round, since); round++) {
        batch t;
        cna_bench_measurement m;
        cna_status status = batch_make(b, n, n_tokens, 1, &t, err);
        if (status == CNA_OK) status = batch_run(b, model, &t, &m, &fits, err);
        batch_free(&t);
        CNA_TRY(status);
        if (!fits) return CNA_OK;
        if (round > 0 && m.seconds >= out->seconds) continue;
        out->seconds = m.seconds;
        out->tokens_per_s = (double)(n * n_tokens) / m.seconds;
        out->gflops = 1e-9 * flops / m.seconds;
        out->other_share = cna_bench_other_share(m.usage.product_seconds, m.usage.seconds);
    }
    b->out->n_prompts++;
    return CNA_OK;
}

/* Steps that take about DECODE_SECONDS. */
static size_t choose_steps(const cna_bench_state *b, size_t n)
{
    double read = 1e-9 * cna_bench_step_weights(&b->config) * (double)cna_input_bytes(b->input) / b->out->read_gbs;
    double products = 1e-9 * (double)n * cna_bench_step_flops(&b->config) / cna_bench_ceiling_of(b);
    double steps = (b->options->quick ? DECODE_SECONDS / 4 : DECODE_SECONDS) / (read > products ? read : products);
    return steps < DECODE_STEPS_MIN ? DECODE_STEPS_MIN : steps > DECODE_STEPS_MAX ? DECODE_STEPS_MAX : (size_t)steps;
}

static void keep_decode(const cna_bench_state *b, const cna_bench_window *w, cna_bench_decode *out)
{
    double step = cna_bench_ratio(w->end - w->start, (double)w->n_steps);
    if (out->n_steps > 0 && !(step < out->step_seconds)) return;
    double n = (double)w->n_sequences, gflop = 1e-9 * n * cna_bench_step_flops(&b->config);
    *out = (cna_bench_decode){
        .batch = w->n_sequences, .n_steps = w->n_steps, .step_seconds = step, .tokens_per_s = cna_bench_ratio(n, step),
        .gflops = cna_bench_ratio(gflop, step),
        .other_share = cna_bench_other_share(w->end_usage.product_seconds - w->start_usage.product_seconds,
                                             w->end_usage.seconds - w->start_usage.seconds)};
}

static cna_status measure_decode(cna_bench_state *b, const cna_model *model, size_t n, cna_error *err)
{
    if (cna_bench_is_left_out(b, (double)n * cna_bench_prompt_flops(&b->config, DECODE_PROMPT))) return CNA_OK;
    size_t n_steps = choose_steps(b, n);
    cna_bench_decode *out = &b->out->decodes[b->out->n_decodes];
    double since = cna_clock_seconds();
    bool fits = true;
    *out = (cna_bench_decode){0};
    for (size_t round = 0; round == 0 || !cna_bench_is_enough(b, round, since); round++) {
        batch t;
        cna_bench_measurement m;
        /* the first token comes from the prompt; the last step may not be whole */
        cna_status status = batch_make(b, n, DECODE_PROMPT, n_steps + 2, &t, err);
        if (status == CNA_OK) status = batch_run(b, model, &t, &m, &fits, err);
        if (status == CNA_OK && fits) keep_decode(b, &t.window, out);
        batch_free(&t);
        CNA_TRY(status);
        if (!fits) return CNA_OK;
    }
    b->out->n_decodes++;
    return CNA_OK;
}

cna_status cna_bench_generation(cna_bench_state *b, cna_error *err)
{
    cna_model *model = NULL;
    cna_status status;
    CNA_TRY_CLEANUP(cna_bench_open(b, false, &model, err));
    snprintf(b->out->kernel, sizeof b->out->kernel, "%s", cna_linear_kernel(model->weights.layers[0].gate));
    snprintf(b->out->head_kernel, sizeof b->out->head_kernel, "%s", cna_linear_kernel(model->weights.head));
    for (size_t i = 0; i < CNA_BENCH_PROMPTS_MAX; i++) {
        CNA_TRY_CLEANUP(measure_prompt(b, model, prompt_sizes[i].n_tokens, prompt_sizes[i].batch, err));
        CNA_TRY_CLEANUP(cna_bench_end_stage(b, err));
    }
    for (size_t i = 0; i < CNA_BENCH_DECODES_MAX; i++) {
        CNA_TRY_CLEANUP(measure_decode(b, model, decode_batches[i], err));
        CNA_TRY_CLEANUP(cna_bench_end_stage(b, err));
    }
cleanup:
    cna_model_free(model);
    return status;
}
