/* SPDX-License-Identifier: MIT
 * cna_bench_run: ceilings, then attribution, prompts and decoding of one model beside them. */
#include <math.h>
#include <omp.h>
#include <string.h>

#include "base/clock.h"
#include "base/resources.h"
#include "study/bench_ceiling.h"
#include "study/bench_machine.h"
#include "study/bench_run.h"

enum {
    ATTRIBUTE_LISTS = 200,
    ATTRIBUTE_LISTS_QUICK = 40,
    SHARED_TOKENS = 30, /* what a chat template opens with */
    OWN_TOKENS_MIN = 9,
    OWN_TOKENS_MAX = 21,
    CEILING_BYTES_MIN = 32 << 20, /* less would lie in the caches */
};

/* ---- ceilings ---- */

static uint64_t free_memory(const cna_bench_state *b)
{
    uint64_t limit = b->model_options.memory_bytes, held = cna_memory_held();
    if (limit == 0) limit = cna_memory_available() / 10 * 8;
    return limit > held + CEILING_BYTES_MIN ? limit - held : CEILING_BYTES_MIN;
}

static void keep_larger(double *kept, double measured)
{
    if (measured > *kept) *kept = measured;
}

/* Before and after everything else: a machine with other work is not always equally fast. */
static cna_status measure_ceilings(cna_bench_state *b, cna_error *err)
{
    cna_bench_probe probe = {.input = cna_input_for(CNA_DTYPE_BF16), .n_threads = b->out->n_threads,
                             .memory_bytes = free_memory(b), .quick = b->options->quick, .progress = &b->progress};
    bool native = probe.input == CNA_INPUT_BF16;
    if (!native) probe.input = CNA_INPUT_F32;
    cna_bench_matrices(&b->config, probe.matrices);
    double measured;
    CNA_TRY(cna_bench_read_ceiling(&probe, &measured, &b->out->read_bytes, err));
    keep_larger(&b->out->read_gbs, measured);
    CNA_TRY(cna_bench_end_stage(b, err));
    if (native) CNA_TRY(cna_bench_product_ceiling(&probe, &measured, err));
    if (native) keep_larger(&b->out->bf16_gflops, measured);
    CNA_TRY(cna_bench_end_stage(b, err));
    probe.input = CNA_INPUT_F32;
    CNA_TRY(cna_bench_product_ceiling(&probe, &measured, err));
    keep_larger(&b->out->f32_gflops, measured);
    return cna_bench_end_stage(b, err);
}

/* ---- attribution ---- */

static cna_status ignore_h(void *user, uint32_t layer, const float *h, cna_error *err)
{
    (void)user, (void)layer, (void)h, (void)err;
    return CNA_OK;
}

static cna_status make_lists(cna_bench_state *b, cna_token_lists *out, cna_error *err)
{
    size_t n = b->options->quick ? ATTRIBUTE_LISTS_QUICK : ATTRIBUTE_LISTS;
    int32_t shared[SHARED_TOKENS];
    cna_bench_draw_ids(b, shared, SHARED_TOKENS);
    CNA_TRY(cna_alloc(&out->items, n, sizeof *out->items, "token lists", err));
    out->n = n;
    for (size_t i = 0; i < n; i++) {
        cna_token_list *list = &out->items[i];
        list->n = SHARED_TOKENS + OWN_TOKENS_MIN + cna_bench_next_number(b) % (OWN_TOKENS_MAX - OWN_TOKENS_MIN + 1);
        CNA_TRY(cna_alloc(&list->ids, list->n, sizeof *list->ids, "token list", err));
        memcpy(list->ids, shared, sizeof shared);
        cna_bench_draw_ids(b, list->ids + SHARED_TOKENS, list->n - SHARED_TOKENS);
        b->out->attribute.n_tokens += list->n;
    }
    b->out->attribute.n_prompts = n;
    b->out->attribute.n_shared = SHARED_TOKENS;
    return CNA_OK;
}

static cna_status attribute_rounds(cna_bench_state *b, const cna_model *model, const cna_token_lists *lists,
                                   cna_error *err)
{
    double since = cna_clock_seconds();
    for (size_t round = 0; round == 0 || !cna_bench_is_enough(b, round, since); round++) {
        cna_bench_measurement m;
        CNA_TRY(cna_bench_measure_begin(&m, err));
        cna_status status = cna_engine_capture(model, lists->items, lists->n, &b->progress, &m.usage, ignore_h, NULL,
                                               err);
        cna_bench_measure_end(&m, b, status);
        CNA_TRY(status);
        if (round > 0 && m.seconds >= b->out->attribute.seconds) continue;
        b->out->attribute.seconds = m.seconds;
        b->out->attribute.gflops = cna_bench_rate(m.usage.product_flops, m.seconds);
        b->out->attribute.other_share = cna_bench_other_share(m.usage.product_seconds, m.usage.seconds);
    }
    return CNA_OK;
}

/* What is known before anything is measured. */
static void describe(cna_bench_state *b, const cna_model *model)
{
    b->out->model = model->info;
    b->out->n_threads = model->n_threads;
    b->config = model->checkpoint.config;
    b->input = model->input;
    b->out->n_cores = omp_get_num_procs();
    b->out->memory_bytes = cna_bench_machine_memory();
    cna_bench_cpu_name(b->out->cpu, sizeof b->out->cpu);
    cna_linear_library(b->out->library, sizeof b->out->library);
}

/* The model is opened before the ceilings are measured, so that one that cannot be is refused at once. In place it
 * holds next to nothing. */
static cna_status measure_in_place(cna_bench_state *b, cna_error *err)
{
    cna_model *model = NULL;
    cna_token_lists lists = {0};
    cna_status status;
    CNA_TRY_CLEANUP(cna_bench_open(b, true, &model, err));
    describe(b, model);
    CNA_TRY_CLEANUP(measure_ceilings(b, err));
    CNA_TRY_CLEANUP(make_lists(b, &lists, err));
    CNA_TRY_CLEANUP(attribute_rounds(b, model, &lists, err));
    CNA_TRY_CLEANUP(cna_bench_end_stage(b, err));
cleanup:
    cna_token_lists_free(&lists);
    cna_model_free(model);
    return status;
}

/* What was measured, beside the ceilings. */
static void fill_shares(cna_bench_state *b)
{
    cna_bench *out = b->out;
    double best = cna_bench_ceiling_of(b);
    double weight_bytes = cna_bench_step_weights(&b->config) * (double)cna_input_bytes(b->input);
    out->attribute.ceiling_share = out->attribute.gflops / best;
    for (size_t i = 0; i < out->n_prompts; i++) out->prompts[i].ceiling_share = out->prompts[i].gflops / best;
    for (size_t i = 0; i < out->n_decodes; i++) {
        cna_bench_decode *d = &out->decodes[i];
        d->ceiling_share = d->gflops / best;
        d->bandwidth_share = cna_bench_rate(weight_bytes, d->step_seconds) / out->read_gbs;
    }
    if (!(out->bf16_gflops > 0)) out->bf16_gflops = (double)NAN;
}

cna_status cna_bench_run(const char *path, const cna_model_options *model_options, const cna_bench_options *options,
                         cna_bench *out, cna_error *err)
{
    const cna_model_options model_defaults = {0};
    const cna_bench_options defaults = {0};
    if (model_options == NULL) model_options = &model_defaults;
    if (options == NULL) options = &defaults;
    cna_bench measured = {0};
    cna_bench_state b;
    cna_bench_begin(&b, path, model_options, options, &measured);
    CNA_TRY(measure_in_place(&b, err));
    CNA_TRY(cna_bench_generation(&b, err));
    if (!b.options->quick) CNA_TRY(measure_ceilings(&b, err));
    fill_shares(&b);
    *out = measured;
    return CNA_OK;
}
