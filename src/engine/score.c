/* SPDX-License-Identifier: MIT
 * Log-probabilities of given answers, and logits of given tokens: passes over known ids. */
#include <string.h>

#include "base/progress.h"
#include "engine/engine.h"
#include "engine/forward.h"
#include "tensor/ops.h"

enum { DEFAULT_BATCH = 64 };

/* Runs jobs in groups of `batch` and hands out logits row by row. */
typedef struct group_run {
    const cna_model *model;
    const cna_job *jobs;      /* of the group */
    size_t n_jobs, first_job; /* first_job: index of the group's first among all */
    size_t *first_row;        /* [n_jobs + 1] index of each job's first wanted row */
    float *logprobs;          /* ? [rows] for scoring */
    cna_logits_row_fn *on_row; /* ? for logits */
    void *user;
} group_run;

static cna_status on_logits(void *user, uint32_t layer, size_t first, const float *rows, size_t n_rows, cna_error *err)
{
    (void)layer;
    group_run *g = user;
    size_t vocab_size = g->model->checkpoint.config.vocab_size, job = 0;
    for (size_t i = 0; i < n_rows; i++) {
        while (first + i >= g->first_row[job + 1]) job++;
        size_t t = first + i - g->first_row[job];
        const float *logits = rows + i * vocab_size;
        if (g->on_row != NULL) {
            CNA_TRY(g->on_row(g->user, g->first_job + job, t, logits, err));
        } else {
            int32_t id = g->jobs[job].answer_ids[t];
            g->logprobs[first + i] = (float)((double)logits[id] - cna_log_sum_exp(logits, vocab_size));
        }
    }
    return CNA_OK;
}

/* One pass over a group of jobs. For scoring the tokens are prompt and answer but for its last; for logits the prompt. */
static cna_status run_group(cna_session *session, group_run *g, cna_error *err)
{
    const cna_config *c = &g->model->checkpoint.config;
    bool scoring = g->on_row == NULL;
    cna_span *spans;
    int32_t *ids = NULL;
    size_t n_ids = 0, at = 0;
    cna_status status;
    for (size_t i = 0; i < g->n_jobs; i++) n_ids += g->jobs[i].n_prompt_ids + g->jobs[i].n_answer_ids;
    CNA_TRY(cna_alloc(&spans, g->n_jobs, sizeof *spans, "sequences", err));
    CNA_TRY_CLEANUP(cna_alloc(&ids, n_ids, sizeof *ids, "token ids", err));
    for (size_t i = 0; i < g->n_jobs; i++) {
        const cna_job *job = &g->jobs[i];
        size_t n_answer = scoring ? job->n_answer_ids - 1 : 0;
        cna_span *span = &spans[i];
        *span = (cna_span){.ids = ids + at, .n_tokens = job->n_prompt_ids + n_answer, .n_prompt = job->n_prompt_ids,
                           .tap = job->tap, .n_wanted = scoring ? job->n_answer_ids : job->n_prompt_ids};
        memcpy(ids + at, job->prompt_ids, job->n_prompt_ids * sizeof *ids);
        if (n_answer != 0) memcpy(ids + at + job->n_prompt_ids, job->answer_ids, n_answer * sizeof *ids);
        at += span->n_tokens;
        g->first_row[i + 1] = g->first_row[i] + span->n_wanted;
        CNA_TRY_CLEANUP(cna_kv_create(1, c->n_kv_heads, c->head_dim, span->n_tokens, &span->kv, err));
    }
    const cna_sinks sinks = {.on_logits = on_logits, .user = g};
    CNA_TRY_CLEANUP(cna_forward(session, spans, g->n_jobs, &sinks, err));
cleanup:
    for (size_t i = 0; i < g->n_jobs; i++) cna_kv_free(spans[i].kv);
    cna_free(spans);
    cna_free(ids);
    return status;
}

static cna_status score_group(cna_session *session, group_run *g, cna_job_fn *on_done, void *user, cna_error *err)
{
    size_t n_rows = 0;
    for (size_t i = 0; i < g->n_jobs; i++) n_rows += g->jobs[i].n_answer_ids;
    CNA_TRY(cna_alloc(&g->logprobs, n_rows, sizeof *g->logprobs, "log-probabilities", err));
    cna_status status = run_group(session, g, err);
    for (size_t i = 0; status == CNA_OK && i < g->n_jobs; i++) {
        const cna_job_result result = {.job = g->first_job + i, .ids = g->jobs[i].answer_ids,
                                       .logprobs = g->logprobs + g->first_row[i], .n_ids = g->jobs[i].n_answer_ids};
        status = on_done(user, &result, err);
    }
    cna_free(g->logprobs);
    return status;
}

/* Shared by scoring and logits: groups of `batch` jobs, one pass each. */
static cna_status run_groups(const cna_model *model, const cna_job *jobs, size_t n_jobs, const cna_run_options *options,
                             cna_logits_row_fn *on_row, cna_job_fn *on_done, void *user, cna_error *err)
{
    const cna_run_options defaults = {0};
    if (options == NULL) options = &defaults;
    size_t batch = options->batch == 0 ? DEFAULT_BATCH : options->batch;
    if (batch > n_jobs) batch = n_jobs;
    const char *what = options->what == NULL ? "scores" : options->what;
    for (size_t i = 0; i < n_jobs; i++) {
        CNA_TRY(cna_model_check_ids(model, jobs[i].prompt_ids, jobs[i].n_prompt_ids, err));
    }
    cna_session *session;
    group_run g = {.model = model, .on_row = on_row, .user = user};
    CNA_TRY(cna_session_create(model, &session, err));
    cna_status status;
    CNA_TRY_CLEANUP(cna_alloc(&g.first_row, batch + 1, sizeof *g.first_row, "batch", err));
    for (size_t first = 0; first < n_jobs; first += batch) {
        g.jobs = jobs + first;
        g.first_job = first;
        g.n_jobs = n_jobs - first < batch ? n_jobs - first : batch;
        if (on_row != NULL) CNA_TRY_CLEANUP(run_group(session, &g, err));
        else CNA_TRY_CLEANUP(score_group(session, &g, on_done, user, err));
        CNA_TRY_CLEANUP(cna_progress_report(&options->progress, what, first + g.n_jobs, n_jobs, err));
    }
cleanup:
    cna_free(g.first_row);
    cna_session_free(session);
    return status;
}

cna_status cna_engine_score(const cna_model *model, const cna_job *jobs, size_t n_jobs, const cna_run_options *options,
                            cna_job_fn *on_done, void *user, cna_error *err)
{
    for (size_t i = 0; i < n_jobs; i++) {
        if (jobs[i].n_answer_ids == 0) return cna_fail(err, CNA_ERR_ARG, "score: expected answers of a token or more");
        CNA_TRY(cna_model_check_ids(model, jobs[i].answer_ids, jobs[i].n_answer_ids, err));
    }
    return run_groups(model, jobs, n_jobs, options, NULL, on_done, user, err);
}

cna_status cna_engine_logits(const cna_model *model, const cna_job *jobs, size_t n_jobs, const cna_run_options *options,
                             cna_logits_row_fn *on_row, void *user, cna_error *err)
{
    return run_groups(model, jobs, n_jobs, options, on_row, NULL, user, err);
}
