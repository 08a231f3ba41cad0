/* SPDX-License-Identifier: MIT
 * What the measurements of a bench share. */
#include "study/bench_run.h"

#include "base/clock.h"
#include "base/progress.h"

enum {
    ROUNDS_MAX = 3,
    N_CEILINGS = 3,
    N_STAGES = 2 * N_CEILINGS + 1 + CNA_BENCH_PROMPTS_MAX + CNA_BENCH_DECODES_MAX,
};
static const double ROUNDS_SECONDS = 4; /* no further round after these */
static const double QUICK_SECONDS = 10; /* what a quick bench leaves out takes longer */

/* A quick bench does not come back to the ceilings. */
static size_t n_stages(const cna_bench_state *b)
{
    return b->options->quick ? N_STAGES - N_CEILINGS : N_STAGES;
}

static bool report_stage(void *user, const char *what, size_t done, size_t total)
{
    (void)what, (void)done, (void)total;
    const cna_bench_state *b = user;
    const cna_progress *outer = &b->options->progress;
    return outer->report != NULL && outer->report(outer->user, "measurements", b->n_done, n_stages(b));
}

static void note(void *user, const char *text)
{
    const cna_bench_state *b = user;
    if (b->options->progress.note != NULL) b->options->progress.note(b->options->progress.user, text);
}

void cna_bench_begin(cna_bench_state *b, const char *path, const cna_model_options *model_options,
                     const cna_bench_options *options, cna_bench *out)
{
    *b = (cna_bench_state){.path = path, .model_options = *model_options, .options = options, .out = out};
    b->progress = (cna_progress){.report = report_stage, .note = note, .user = b};
}

cna_status cna_bench_end_stage(cna_bench_state *b, cna_error *err)
{
    b->n_done++;
    return cna_progress_report(&b->progress, "measurements", b->n_done, n_stages(b), err);
}

uint64_t cna_bench_next_number(cna_bench_state *b)
{
    uint64_t z = b->numbers += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void cna_bench_draw_ids(cna_bench_state *b, int32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) ids[i] = (int32_t)(cna_bench_next_number(b) % b->config.vocab_size);
}

double cna_bench_ceiling_of(const cna_bench_state *b)
{
    return b->input == CNA_INPUT_BF16 ? b->out->bf16_gflops : b->out->f32_gflops;
}

bool cna_bench_is_left_out(const cna_bench_state *b, double flops)
{
    return b->options->quick && 1e-9 * flops > QUICK_SECONDS * cna_bench_ceiling_of(b);
}

cna_status cna_bench_measure_begin(cna_bench_measurement *m, cna_error *err)
{
    *m = (cna_bench_measurement){0};
    CNA_TRY(cna_bench_peak_start(&m->peak, err));
    m->seconds = cna_clock_seconds();
    return CNA_OK;
}

void cna_bench_measure_end(cna_bench_measurement *m, cna_bench_state *b, cna_status status)
{
    m->seconds = cna_clock_seconds() - m->seconds;
    uint64_t most = cna_bench_peak_stop(m->peak), planned = m->usage.planned_bytes;
    bool larger = planned > b->out->planned_bytes || (planned == b->out->planned_bytes && most > b->out->peak_bytes);
    if (status != CNA_OK || !larger) return;
    b->out->planned_bytes = planned;
    b->out->peak_bytes = most;
}

bool cna_bench_is_enough(const cna_bench_state *b, size_t n_rounds, double since)
{
    return b->options->quick || n_rounds >= ROUNDS_MAX || cna_clock_seconds() - since > ROUNDS_SECONDS;
}

cna_status cna_bench_open(cna_bench_state *b, bool in_place, cna_model **out, cna_error *err)
{
    cna_model_options options = b->model_options;
    options.in_place = in_place;
    CNA_TRY(cna_model_open(b->path, &options, out, err));
    note(b, in_place ? "model for attribution:" : "model for generation:");
    note(b, cna_model_plan(*out));
    return CNA_OK;
}
