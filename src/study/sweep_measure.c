/* SPDX-License-Identifier: MIT
 * Measuring a sweep's answers. */
#include "study/sweep_measure.h"

#include <math.h>
#include <string.h>

#include "engine/plan.h"
#include "study/quality.h"
#include "study/sweep_config.h"
#include "study/sweep_points.h"

enum { PENDING_MAX = 64, KL_BYTES_MAX = 16 << 20 };

static cna_run_options engine_options(const cna_sweep_measure *m, const char *what)
{
    return (cna_run_options){.batch = m->options->batch, .what = what, .progress = m->options->progress};
}

cna_status cna_sweep_measure_room(const cna_model *model, const cna_sweep_options *options, const cna_sweep_plan *plan,
                                  const cna_windows *windows, cna_error *err)
{
    size_t longest = 1;
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < plan->prompts[side].n; i++) {
            if (plan->prompts[side].items[i].n > longest) longest = plan->prompts[side].items[i].n;
        }
    }
    CNA_TRY(cna_engine_score_room(model, longest, cna_sweep_max_tokens(options), err));
    if (windows->n == 0) return CNA_OK;
    return cna_engine_score_room(model, 1, windows->jobs[0].n_answer_ids, err);
}

/* ---- answers that were measured and wait to be kept ---- */

/* Jobs of a call, and the answers that they are about. */
typedef struct work {
    const cna_sweep_measure *m;
    cna_job *jobs;     /* [n] */
    size_t *answers;   /* [n] place in the rows */
    size_t n;
    cna_run_generation pending[PENDING_MAX];
    size_t n_pending;
    float *untouched;  /* ? [n_chunk, vocab_size] logits of the untouched model, for KL */
    size_t vocab_size;
} work;

static cna_status flush(work *w, cna_error *err)
{
    size_t n = w->n_pending;
    w->n_pending = 0;
    return n == 0 ? CNA_OK : cna_run_update_generations(w->m->run, w->pending, n, err);
}

static cna_status keep(work *w, size_t answer, cna_error *err)
{
    w->pending[w->n_pending++] = w->m->rows->answers[answer];
    return w->n_pending == PENDING_MAX ? flush(w, err) : CNA_OK;
}

static cna_status work_create(const cna_sweep_measure *m, size_t n, work *out, cna_error *err)
{
    *out = (work){.m = m};
    CNA_TRY(cna_alloc(&out->jobs, n, sizeof *out->jobs, "scores", err));
    return cna_alloc(&out->answers, n, sizeof *out->answers, "scores", err);
}

static void work_clear(work *w)
{
    cna_free(w->jobs);
    cna_free(w->answers);
    cna_free(w->untouched);
}

static void add_job(work *w, cna_job job, size_t answer)
{
    w->jobs[w->n] = job;
    w->answers[w->n++] = answer;
}

/* ---- log-probability under the untouched model ---- */

/* The same prompt's answer by the untouched model. */
static const cna_run_generation *base_of(const cna_sweep_rows *rows, const cna_run_generation *answer)
{
    return cna_sweep_rows_answers(rows, rows->none, answer->side) + answer->prompt_position;
}

static bool same_ids(const cna_run_generation *a, const cna_run_generation *b)
{
    return a->n_tokens == b->n_tokens &&
           (a->n_tokens == 0 || memcmp(a->ids, b->ids, a->n_tokens * sizeof *a->ids) == 0);
}

static cna_status on_score(void *user, const cna_job_result *result, cna_error *err)
{
    work *w = user;
    double sum = 0;
    for (size_t i = 0; i < result->n_ids; i++) sum += result->logprobs[i];
    w->m->rows->answers[w->answers[result->job]].mean_logprob = sum / (double)result->n_ids;
    return keep(w, w->answers[result->job], err);
}

/* An answer with the ids of the untouched model's has its value, which generation gave in the same bits. */
static cna_status choose_scores(work *w, cna_error *err)
{
    cna_sweep_rows *rows = w->m->rows;
    for (size_t i = 0; i < rows->n_answers; i++) {
        cna_run_generation *answer = &rows->answers[i];
        if (answer->method == CNA_RUN_NONE || !isnan(answer->mean_logprob) || answer->n_tokens == 0) continue;
        const cna_run_generation *base = base_of(rows, answer);
        if (same_ids(answer, base)) {
            answer->mean_logprob = base->mean_logprob;
            CNA_TRY(keep(w, i, err));
            continue;
        }
        const cna_token_list *prompt = &w->m->plan->prompts[answer->side].items[answer->prompt_position];
        add_job(w, (cna_job){.prompt_ids = prompt->ids, .n_prompt_ids = prompt->n, .answer_ids = answer->ids,
                             .n_answer_ids = answer->n_tokens}, i);
    }
    return CNA_OK;
}

static cna_status measure_logprobs(const cna_sweep_measure *m, cna_error *err)
{
    const cna_run_options engine = engine_options(m, "scoring");
    work w = {0};
    cna_status status;
    CNA_TRY_CLEANUP(work_create(m, m->rows->n_answers, &w, err));
    CNA_TRY_CLEANUP(choose_scores(&w, err));
    if (w.n != 0) CNA_TRY_CLEANUP(cna_engine_score(m->model, w.jobs, w.n, &engine, on_score, &w, err));
    CNA_TRY_CLEANUP(flush(&w, err));
cleanup:
    work_clear(&w);
    return status;
}

/* ---- first-token KL ---- */

/* cna_log_sum_exp adds f32 exponentials, whose error is larger than small divergences bear. */
static double log_total(const float *logits, size_t n)
{
    double largest = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, logits[i]);
    for (size_t i = 0; i < n; i++) sum += exp((double)logits[i] - largest);
    return largest + log(sum);
}

double cna_sweep_kl(const float *a, const float *b, size_t n)
{
    double total_a = log_total(a, n), total_b = log_total(b, n), sum = 0;
    for (size_t i = 0; i < n; i++) {
        double log_p = (double)a[i] - total_a;
        sum += exp(log_p) * (log_p - ((double)b[i] - total_b));
    }
    return sum < 0 ? 0 : sum;
}

static cna_status on_untouched(void *user, size_t job, const float *logits, cna_error *err)
{
    (void)err;
    work *w = user;
    memcpy(w->untouched + job * w->vocab_size, logits, w->vocab_size * sizeof *logits);
    return CNA_OK;
}

/* A chunk's prompts begin where its first answer's does. */
typedef struct chunk {
    work *w;
    size_t first;
} chunk;

static cna_status on_steered(void *user, size_t job, const float *logits, cna_error *err)
{
    const chunk *c = user;
    work *w = c->w;
    size_t i = w->answers[job];
    cna_run_generation *answer = &w->m->rows->answers[i];
    const float *untouched = w->untouched + (answer->prompt_position - c->first) * w->vocab_size;
    answer->kl = cna_sweep_kl(untouched, logits, w->vocab_size);
    return keep(w, i, err);
}

/* The untouched model against itself is 0; the others are jobs. */
static cna_status choose_kl(work *w, size_t first, size_t end, cna_error *err)
{
    cna_sweep_rows *rows = w->m->rows;
    w->n = 0;
    for (size_t i = 0; i < rows->n_answers; i++) {
        cna_run_generation *answer = &rows->answers[i];
        size_t prompt = answer->prompt_position;
        if (answer->side != CNA_SIDE_BENIGN || prompt < first || prompt >= end || !isnan(answer->kl)) continue;
        if (answer->method == CNA_RUN_NONE) {
            answer->kl = 0;
            CNA_TRY(keep(w, i, err));
        } else {
            add_job(w, cna_sweep_plan_job(w->m->plan, answer->condition_position, CNA_SIDE_BENIGN, prompt), i);
        }
    }
    return CNA_OK;
}

/* Prompts first .. end - 1: their untouched logits first, which every other row is held against. */
static cna_status measure_kl_chunk(work *w, size_t first, size_t end, cna_error *err)
{
    const cna_run_options engine = engine_options(w->m, "first tokens");
    const cna_token_list *prompts = w->m->plan->prompts[CNA_SIDE_BENIGN].items;
    chunk c = {w, first};
    cna_job *jobs;
    CNA_TRY(choose_kl(w, first, end, err));
    if (w->n == 0) return CNA_OK;
    CNA_TRY(cna_alloc(&jobs, end - first, sizeof *jobs, "first tokens", err));
    for (size_t i = first; i < end; i++) {
        jobs[i - first] = (cna_job){.prompt_ids = prompts[i].ids, .n_prompt_ids = prompts[i].n};
    }
    cna_status status = cna_engine_last_logits(w->m->model, jobs, end - first, &engine, on_untouched, w, err);
    if (status == CNA_OK) status = cna_engine_last_logits(w->m->model, w->jobs, w->n, &engine, on_steered, &c, err);
    cna_free(jobs);
    return status;
}

static cna_status measure_kl(const cna_sweep_measure *m, cna_error *err)
{
    size_t n_prompts = m->plan->prompts[CNA_SIDE_BENIGN].n;
    work w = {0};
    cna_status status;
    if (n_prompts == 0) return CNA_OK;
    CNA_TRY_CLEANUP(work_create(m, m->rows->n_answers, &w, err));
    w.vocab_size = cna_model_get_info(m->model)->vocab_size;
    uint64_t room = cna_plan_room(m->model) / 8;
    size_t n_bytes = room < KL_BYTES_MAX ? (size_t)room : KL_BYTES_MAX;
    size_t n_chunk = n_bytes / (w.vocab_size * sizeof *w.untouched);
    if (n_chunk < 1) n_chunk = 1;
    if (n_chunk > n_prompts) n_chunk = n_prompts;
    CNA_TRY_CLEANUP(cna_alloc(&w.untouched, n_chunk * w.vocab_size, sizeof *w.untouched, "logits", err));
    for (size_t first = 0; first < n_prompts; first += n_chunk) {
        size_t end = n_prompts - first < n_chunk ? n_prompts : first + n_chunk;
        CNA_TRY_CLEANUP(measure_kl_chunk(&w, first, end, err));
    }
    CNA_TRY_CLEANUP(flush(&w, err));
cleanup:
    work_clear(&w);
    return status;
}

/* ---- perplexity ---- */

/* Of no fold: a text is not among the prompts that circuits are found on. */
static cna_status measure_perplexity(const cna_sweep_measure *m, cna_error *err)
{
    const cna_run_options engine = engine_options(m, "perplexity");
    cna_sweep_rows *rows = m->rows;
    if (m->windows->n == 0) return CNA_OK;
    rows->n_perplexity_tokens = m->windows->n_scored;
    const cna_run_figure tokens = {.name = CNA_FIGURE_PERPLEXITY, .value = (double)m->windows->n_scored};
    CNA_TRY(cna_run_set_figure(m->run, m->part, &tokens, err));
    for (size_t i = 0; i < rows->n_conditions; i++) {
        if (rows->conditions[i].method == CNA_RUN_CONTROL || !isnan(rows->perplexity[i])) continue;
        const cna_tap *tap = m->plan->taps[i * m->plan->n_variants];
        CNA_TRY(cna_windows_perplexity(m->model, m->windows, tap, &engine, &rows->perplexity[i], err));
        const cna_run_figure figure = {.condition = rows->conditions[i].id, .name = CNA_FIGURE_PERPLEXITY,
                                       .value = rows->perplexity[i]};
        CNA_TRY(cna_run_set_figure(m->run, m->part, &figure, err));
    }
    return CNA_OK;
}

/* ---- outcome ---- */

/* The untouched model's answers of both sides set the threshold, then every answer is judged by it. */
static cna_status judge(const cna_sweep_measure *m, cna_error *err)
{
    cna_sweep_rows *rows = m->rows;
    double percentile = cna_sweep_percentile(m->options);
    rows->min_quality = cna_sweep_min_quality(m->options);
    rows->min_logprob = m->options->min_logprob == 0 ? -INFINITY : m->options->min_logprob;
    if (percentile != 0) CNA_TRY(cna_sweep_min_logprob(rows, percentile, &rows->min_logprob, err));
    const cna_quality_limits limits = {rows->min_quality, rows->min_logprob};
    for (size_t i = 0; i < rows->n_answers; i++) {
        cna_run_generation *answer = &rows->answers[i];
        const cna_quality quality = {answer->n_words, answer->quality};
        answer->outcome = (int)cna_quality_outcome(&quality, answer->mean_logprob, answer->refused, &limits);
    }
    return CNA_OK;
}

static cna_status keep_outcomes(const cna_sweep_measure *m, cna_error *err)
{
    const cna_run_figure figures[] = {
        {.name = CNA_FIGURE_MIN_QUALITY, .value = m->rows->min_quality},
        {.name = CNA_FIGURE_MIN_LOGPROB, .value = m->rows->min_logprob},
        {.name = CNA_FIGURE_CROSS_FIT, .value = (double)m->options->cross_fit},
    };
    CNA_TRY(cna_run_begin(m->run, err));
    cna_status status = cna_run_update_generations(m->run, m->rows->answers, m->rows->n_answers, err);
    for (size_t i = 0; i < sizeof figures / sizeof *figures && status == CNA_OK; i++) {
        status = cna_run_set_figure(m->run, m->part, &figures[i], err);
    }
    return cna_run_end(m->run, status, err);
}

cna_status cna_sweep_measure_run(const cna_sweep_measure *measure, cna_error *err)
{
    CNA_TRY(measure_logprobs(measure, err));
    CNA_TRY(measure_kl(measure, err));
    CNA_TRY(measure_perplexity(measure, err));
    CNA_TRY(judge(measure, err));
    measure->rows->n_folds = measure->options->cross_fit;
    return keep_outcomes(measure, err);
}
