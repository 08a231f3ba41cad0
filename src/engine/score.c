/* SPDX-License-Identifier: MIT
 * Log-probabilities of given answers, and logits of given prompts, all or the last: passes over known ids. */
#include <string.h>

#include "base/progress.h"
#include "engine/pass.h"
#include "engine/plan.h"
#include "tensor/ops.h"

enum { DEFAULT_BATCH = 512 };

/* What is wanted of a job. */
typedef enum wish { SCORES, ALL_LOGITS, LAST_LOGITS } wish;

/* Jobs in windows of one pass each. */
typedef struct scoring {
    const cna_model *model;
    const cna_job *jobs;         /* [n_jobs] */
    size_t n_jobs;
    wish wish;
    cna_logits_row_fn *on_row;   /* ? for all logits */
    cna_last_logits_fn *on_last; /* ? for the last */
    cna_job_fn *on_done;         /* ? for scores */
    void *user;
    int32_t **ids;             /* [n_jobs] of a job in the window: prompt, and answer but for its last token */
    cna_tree_item *items;      /* [n_jobs] */
    cna_tree tree;
    cna_kv_pool pool;
    cna_pass pass;
    size_t *window;            /* [n_window] jobs of the pass */
    size_t *first_row;         /* [n_window + 1] index of each one's first wanted row */
    cna_kv **own;              /* [n_window] */
    size_t n_window, batch;
    uint64_t kv_room;          /* bytes that keys and values may come to hold */
    float *logprobs;           /* [wanted rows] for scoring */
    size_t logprobs_capacity;
} scoring;

static size_t n_tokens_of(const scoring *s, size_t job)
{
    return s->jobs[job].n_prompt_ids + (s->wish == SCORES ? s->jobs[job].n_answer_ids - 1 : 0);
}

static size_t n_wanted_of(const scoring *s, size_t job)
{
    if (s->wish == LAST_LOGITS) return 1;
    return s->wish == ALL_LOGITS ? s->jobs[job].n_prompt_ids : s->jobs[job].n_answer_ids;
}

static cna_status on_logits(void *user, uint32_t layer, size_t first, const float *rows, size_t n_rows, cna_error *err)
{
    (void)layer;
    scoring *s = user;
    size_t vocab_size = s->model->checkpoint.config.vocab_size, place = 0;
    for (size_t i = 0; i < n_rows; i++) {
        while (first + i >= s->first_row[place + 1]) place++;
        size_t job = s->window[place], t = first + i - s->first_row[place];
        const float *logits = rows + i * vocab_size;
        if (s->wish == ALL_LOGITS) {
            CNA_TRY(s->on_row(s->user, job, t, logits, err));
        } else if (s->wish == LAST_LOGITS) {
            CNA_TRY(s->on_last(s->user, job, logits, err));
        } else {
            int32_t id = s->jobs[job].answer_ids[t];
            s->logprobs[first + i] = (float)((double)logits[id] - cna_log_sum_exp(logits, vocab_size));
        }
    }
    return CNA_OK;
}

/* What a job would add to a window. */
static uint64_t need_of(const scoring *s, size_t job, size_t *n_rows)
{
    *n_rows = n_tokens_of(s, job) - s->tree.n_before[job];
    uint64_t bytes = cna_kv_bytes(&s->pool, 0, CNA_KV_ONE_LAYER, *n_rows, *n_rows);
    cna_pass_need(&s->pass, job, &bytes, n_rows);
    return bytes;
}

/* Choose jobs for the next pass, from place *next of the order on: as many as fit in a pass's rows and in memory, one
 * at least. Asks for their shared runs.
 *   bytes  what keys and values will hold */
static cna_status choose_window(scoring *s, size_t *next, uint64_t *bytes, cna_error *err)
{
    size_t n_rows = 0, rows;
    s->n_window = 0;
    *bytes = s->pool.held_bytes;
    for (; *next < s->n_jobs && s->n_window < s->batch; (*next)++) {
        size_t job = s->tree.order[*next];
        uint64_t need = need_of(s, job, &rows);
        if (s->n_window > 0 && (n_rows + rows > s->pass.max_rows || *bytes + need > s->kv_room)) break;
        n_rows += rows;
        *bytes += need;
        CNA_TRY(cna_pass_want(&s->pass, job, err));
        s->window[s->n_window++] = job;
    }
    return CNA_OK;
}

/* Shared runs that later windows wait for may have taken this one's room: let go of others' where they hold most of it,
 * and of all where that is not enough. */
static cna_status fill_window(scoring *s, size_t *next, cna_error *err)
{
    size_t job = s->tree.order[*next], n_rows;
    uint64_t bytes;
    cna_pass_begin(&s->pass);
    if (s->pool.held_bytes + need_of(s, job, &n_rows) > s->kv_room / 2) cna_tree_drop(&s->tree, job);
    if (s->pool.held_bytes + need_of(s, job, &n_rows) > s->kv_room) cna_tree_drop(&s->tree, CNA_TREE_NONE);
    CNA_TRY(choose_window(s, next, &bytes, err));
    return cna_pass_share(&s->pass, err);
}

static cna_status add_sequences(scoring *s, cna_error *err)
{
    s->first_row[0] = 0;
    for (size_t i = 0; i < s->n_window; i++) {
        const cna_job *job = &s->jobs[s->window[i]];
        size_t n_tokens = n_tokens_of(s, s->window[i]), n_wanted = n_wanted_of(s, s->window[i]);
        int32_t **ids = &s->ids[s->window[i]];
        CNA_TRY(cna_alloc(ids, n_tokens, sizeof **ids, "token ids", err));
        memcpy(*ids, job->prompt_ids, job->n_prompt_ids * sizeof **ids);
        if (n_tokens > job->n_prompt_ids) {
            memcpy(*ids + job->n_prompt_ids, job->answer_ids, (n_tokens - job->n_prompt_ids) * sizeof **ids);
        }
        const cna_span sequence = {.ids = *ids, .n_tokens = n_tokens, .n_prompt = job->n_prompt_ids, .tap = job->tap,
                                   .n_wanted = n_wanted};
        CNA_TRY(cna_pass_add_own(&s->pass, s->window[i], &sequence, CNA_KV_ONE_LAYER, &s->own[i], err));
        s->first_row[i + 1] = s->first_row[i] + n_wanted;
    }
    if (s->wish != SCORES) return CNA_OK;
    return cna_grow(&s->logprobs, &s->logprobs_capacity, s->first_row[s->n_window], sizeof *s->logprobs,
                    "log-probabilities", err);
}

/* Report the window's jobs (logits have been, row by row) and let go of what they held. */
static cna_status end_window(scoring *s, cna_error *err)
{
    cna_status status = CNA_OK;
    for (size_t i = 0; i < s->n_window; i++) {
        size_t job = s->window[i];
        if (status == CNA_OK && s->wish == SCORES) {
            const cna_job_result result = {.job = job, .ids = s->jobs[job].answer_ids,
                                           .logprobs = s->logprobs + s->first_row[i],
                                           .n_ids = s->jobs[job].n_answer_ids};
            status = s->on_done(s->user, &result, err);
        }
        cna_kv_release(s->own[i]);
        s->own[i] = NULL;
        cna_free(s->ids[job]);
        s->ids[job] = NULL;
        cna_tree_leave(&s->tree, job);
    }
    return status;
}

static cna_status create(scoring *s, size_t batch, cna_error *err)
{
    cna_kv_pool_init(&s->pool, &s->model->checkpoint.config);
    s->batch = batch == 0 ? DEFAULT_BATCH : batch;
    if (s->batch > s->n_jobs) s->batch = s->n_jobs;
    CNA_TRY(cna_alloc(&s->ids, s->n_jobs, sizeof *s->ids, "token ids", err));
    CNA_TRY(cna_alloc(&s->window, s->batch, sizeof *s->window, "batch", err));
    CNA_TRY(cna_alloc(&s->first_row, s->batch + 1, sizeof *s->first_row, "batch", err));
    CNA_TRY(cna_alloc(&s->own, s->batch, sizeof *s->own, "batch", err));
    CNA_TRY(cna_alloc(&s->items, s->n_jobs, sizeof *s->items, "prompts", err));
    for (size_t i = 0; i < s->n_jobs; i++) {
        /* Where every position is wanted, nothing can be shared. */
        s->items[i] = (cna_tree_item){.ids = s->jobs[i].prompt_ids, .tap = s->jobs[i].tap,
                                      .n_ids = s->wish == ALL_LOGITS ? 0 : s->jobs[i].n_prompt_ids - 1};
    }
    CNA_TRY(cna_tree_build(s->items, s->n_jobs, &s->tree, err));
    s->pass = (cna_pass){.tree = &s->tree, .pool = &s->pool, .depth = CNA_KV_ALL_LAYERS};
    return CNA_OK;
}

/* The first window stands for all, but for a job that needs more by itself. */
static cna_status make_plan(scoring *s, cna_plan *plan, cna_error *err)
{
    size_t n_own = 0, longest = 0, next = 0, rows;
    for (size_t i = 0; i < s->n_jobs; i++) {
        size_t n = n_tokens_of(s, i);
        n_own += n - s->tree.n_before[i];
        if (n > longest) longest = n;
    }
    uint64_t room = cna_plan_room(s->model);
    plan->n_rows = cna_pass_fit(&s->pass, s->model, room, n_own, longest, s->batch, longest, 0);
    plan->session = cna_session_bytes(s->model, plan->n_rows, longest, true);
    s->kv_room = room > plan->session ? room - plan->session : 0;
    CNA_TRY(choose_window(s, &next, &plan->kv, err));
    plan->n_sequences = s->n_window;
    cna_pass_forget(&s->pass);
    for (size_t i = 0; i < s->n_jobs; i++) {
        uint64_t bytes = need_of(s, i, &rows);
        if (bytes > plan->kv) plan->kv = bytes;
    }
    return CNA_OK;
}

static void clear(scoring *s)
{
    for (size_t i = 0; s->ids != NULL && i < s->n_jobs; i++) cna_free(s->ids[i]);
    for (size_t i = 0; s->own != NULL && i < s->batch; i++) cna_kv_release(s->own[i]);
    cna_pass_clear(&s->pass);
    cna_tree_clear(&s->tree);
    cna_kv_pool_clear(&s->pool);
    cna_free(s->ids);
    cna_free(s->items);
    cna_free(s->window);
    cna_free(s->first_row);
    cna_free(s->own);
    cna_free(s->logprobs);
}

/* Shared by scores and logits: `s` says what is wanted, of which jobs, and who is told. */
static cna_status run_windows(scoring s, const cna_run_options *options, cna_error *err)
{
    const cna_model *model = s.model;
    const cna_run_options defaults = {0};
    if (options == NULL) options = &defaults;
    const char *what = options->what == NULL ? "scores" : options->what;
    for (size_t i = 0; i < s.n_jobs; i++) {
        CNA_TRY(cna_model_check_ids(model, s.jobs[i].prompt_ids, s.jobs[i].n_prompt_ids, err));
        size_t n_answer = s.wish == SCORES ? s.jobs[i].n_answer_ids - 1 : 0;
        CNA_TRY(cna_model_check_positions(model, s.jobs[i].n_prompt_ids + n_answer, err));
    }
    if (s.n_jobs == 0) return CNA_OK;
    cna_session *session = NULL;
    cna_plan plan = {0};
    const cna_sinks sinks = {.on_logits = on_logits, .user = &s};
    cna_status status;
    CNA_TRY_CLEANUP(create(&s, options->batch, err));
    CNA_TRY_CLEANUP(make_plan(&s, &plan, err));
    CNA_TRY_CLEANUP(cna_plan_announce(model, &plan, &options->progress, options->usage, err));
    CNA_TRY_CLEANUP(cna_session_create(model, true, &session, err));
    for (size_t next = 0; next < s.n_jobs;) {
        CNA_TRY_CLEANUP(fill_window(&s, &next, err));
        CNA_TRY_CLEANUP(add_sequences(&s, err));
        CNA_TRY_CLEANUP(cna_forward(session, s.pass.spans, s.pass.n_spans, &sinks, options->usage, err));
        CNA_TRY_CLEANUP(end_window(&s, err));
        CNA_TRY_CLEANUP(cna_progress_report(&options->progress, what, next, s.n_jobs, err));
    }
cleanup:
    cna_session_free(session);
    clear(&s);
    return status;
}

cna_status cna_engine_score_room(const cna_model *model, size_t n_prompt_ids, size_t n_answer_ids, cna_error *err)
{
    int32_t *ids;
    cna_plan plan = {0};
    CNA_TRY(cna_alloc(&ids, n_prompt_ids, sizeof *ids, "token ids", err));
    const cna_job job = {.prompt_ids = ids, .n_prompt_ids = n_prompt_ids, .n_answer_ids = n_answer_ids};
    scoring s = {.model = model, .jobs = &job, .n_jobs = 1};
    cna_status status = create(&s, 1, err);
    if (status == CNA_OK) status = make_plan(&s, &plan, err);
    if (status == CNA_OK) status = cna_plan_announce(model, &plan, NULL, NULL, err);
    clear(&s);
    cna_free(ids);
    return status;
}

cna_status cna_engine_score(const cna_model *model, const cna_job *jobs, size_t n_jobs, const cna_run_options *options,
                            cna_job_fn *on_done, void *user, cna_error *err)
{
    for (size_t i = 0; i < n_jobs; i++) {
        if (jobs[i].n_answer_ids == 0) return cna_fail(err, CNA_ERR_ARG, "score: expected answers of a token or more");
        CNA_TRY(cna_model_check_ids(model, jobs[i].answer_ids, jobs[i].n_answer_ids, err));
    }
    const scoring s = {.model = model, .jobs = jobs, .n_jobs = n_jobs, .wish = SCORES, .on_done = on_done,
                       .user = user};
    return run_windows(s, options, err);
}

cna_status cna_engine_logits(const cna_model *model, const cna_job *jobs, size_t n_jobs, const cna_run_options *options,
                             cna_logits_row_fn *on_row, void *user, cna_error *err)
{
    const scoring s = {.model = model, .jobs = jobs, .n_jobs = n_jobs, .wish = ALL_LOGITS, .on_row = on_row,
                       .user = user};
    return run_windows(s, options, err);
}

cna_status cna_engine_last_logits(const cna_model *model, const cna_job *jobs, size_t n_jobs,
                                  const cna_run_options *options, cna_last_logits_fn *on_row, void *user,
                                  cna_error *err)
{
    const scoring s = {.model = model, .jobs = jobs, .n_jobs = n_jobs, .wish = LAST_LOGITS, .on_last = on_row,
                       .user = user};
    return run_windows(s, options, err);
}
