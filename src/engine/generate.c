/* SPDX-License-Identifier: MIT
 * Decoding many jobs as one sliding batch: prompts and single tokens share each pass, ended sequences leave at once,
 * waiting ones take their place. */
#include <math.h>

#include "base/progress.h"
#include "engine/engine.h"
#include "engine/forward.h"
#include "engine/sample.h"

enum { DEFAULT_MAX_TOKENS = 150, DEFAULT_BATCH = 64, MAX_TOKENS_LIMIT = 1 << 20 };

/* One place in the batch. */
typedef struct slot {
    bool busy, ended;
    size_t job;
    uint64_t prompt_hash;
    cna_kv *kv;          /* made once, used by one job after another */
    int32_t *ids;        /* [max_tokens + 1] generated */
    float *logprobs;     /* [max_tokens + 1] */
    size_t n_ids;
    cna_stop stop;
} slot;

typedef struct run {
    const cna_model *model;
    const cna_job *jobs;
    const cna_run_options *options;
    cna_job_fn *on_done;
    void *user;
    size_t max_tokens;
    slot *slots;         /* [n_slots] */
    size_t n_slots, n_busy;
    cna_span *spans;     /* [n_slots] of the pass under way */
    size_t *span_slots;  /* [n_slots] */
} run;

static bool is_stop(const cna_config *config, int32_t id)
{
    for (size_t i = 0; i < config->n_stop_ids; i++) {
        if (config->stop_ids[i] == id) return true;
    }
    return false;
}

/* Take the next token of one slot from its logits. */
static cna_status advance(run *r, slot *s, const float *logits, cna_error *err)
{
    const cna_config *config = &r->model->checkpoint.config;
    const cna_sample_key key = {.seed = r->options->seed, .prompt_hash = s->prompt_hash,
                                .sample = r->jobs[s->job].sample, .position = s->n_ids};
    int32_t token = 0;
    CNA_TRY(cna_sample_token(logits, config->vocab_size, r->options->temperature, r->options->top_p, &key, &token,
                             &s->logprobs[s->n_ids], err));
    if (!isfinite(s->logprobs[s->n_ids])) {
        return cna_fail(err, CNA_ERR_FORMAT, "generated token %zu: expected finite logits, found %g; is a multiplier too "
                        "large, or are the model's weights damaged?", s->n_ids + 1, (double)logits[token]);
    }
    if (is_stop(config, token)) {
        s->ended = true;
        s->stop = CNA_STOP_EOS;
        return CNA_OK;
    }
    s->ids[s->n_ids++] = token;
    if (s->n_ids == r->max_tokens) {
        s->ended = true;
        s->stop = CNA_STOP_LENGTH;
    }
    if (r->options->on_token != NULL && r->options->on_token(r->options->on_token_user, s->job, token)) {
        return cna_fail(err, CNA_ERR_CANCELLED, "cancelled while generating");
    }
    return CNA_OK;
}

static cna_status on_logits(void *user, uint32_t layer, size_t first, const float *rows, size_t n_rows, cna_error *err)
{
    (void)layer;
    run *r = user;
    size_t vocab_size = r->model->checkpoint.config.vocab_size;
    if (r->options->on_token != NULL) { /* it wants its order, and no call after it cancelled */
        for (size_t i = 0; i < n_rows; i++) {
            CNA_TRY(advance(r, &r->slots[r->span_slots[first + i]], rows + i * vocab_size, err));
        }
        return CNA_OK;
    }
    /* Rows are of different sequences, so threads share them out. */
    cna_status status = CNA_OK;
#pragma omp parallel for schedule(dynamic, 1) if (n_rows > 1)
    for (size_t i = 0; i < n_rows; i++) {
        cna_error local;
        cna_status one = advance(r, &r->slots[r->span_slots[first + i]], rows + i * vocab_size, &local);
        if (one != CNA_OK) {
#pragma omp critical(cna_generate_failure)
            {
                status = one;
                if (err != NULL) *err = local;
            }
        }
    }
    return status;
}

/* Put a job into a free slot. */
static void admit(run *r, slot *s, size_t job)
{
    s->busy = true;
    s->ended = false;
    s->job = job;
    s->n_ids = 0;
    s->kv->n_tokens = 0;
    s->prompt_hash = cna_sample_hash_ids(r->jobs[job].prompt_ids, r->jobs[job].n_prompt_ids);
    r->n_busy++;
}

/* One pass over all busy slots: new ones bring their prompt, others their last token. */
static cna_status step(run *r, cna_session *session, cna_error *err)
{
    size_t n_spans = 0;
    for (size_t i = 0; i < r->n_slots; i++) {
        slot *s = &r->slots[i];
        if (!s->busy) continue;
        const cna_job *job = &r->jobs[s->job];
        bool is_new = s->kv->n_tokens == 0;
        r->spans[n_spans] = (cna_span){.kv = s->kv, .ids = is_new ? job->prompt_ids : &s->ids[s->n_ids - 1],
                                       .n_tokens = is_new ? job->n_prompt_ids : 1, .n_prompt = job->n_prompt_ids,
                                       .tap = job->tap, .n_wanted = 1};
        r->span_slots[n_spans++] = i;
    }
    const cna_sinks sinks = {.on_logits = on_logits, .user = r};
    return cna_forward(session, r->spans, n_spans, &sinks, err);
}

/* Report ended slots and free them. */
static cna_status collect(run *r, size_t *n_done, cna_error *err)
{
    for (size_t i = 0; i < r->n_slots; i++) {
        slot *s = &r->slots[i];
        if (!s->busy || !s->ended) continue;
        const cna_job_result result = {.job = s->job, .ids = s->ids, .logprobs = s->logprobs, .n_ids = s->n_ids,
                                       .stop = s->stop};
        CNA_TRY(r->on_done(r->user, &result, err));
        s->busy = false;
        r->n_busy--;
        (*n_done)++;
    }
    return CNA_OK;
}

static cna_status create_slots(run *r, size_t capacity, cna_error *err)
{
    const cna_config *c = &r->model->checkpoint.config;
    CNA_TRY(cna_alloc(&r->slots, r->n_slots, sizeof *r->slots, "batch", err));
    CNA_TRY(cna_alloc(&r->spans, r->n_slots, sizeof *r->spans, "batch", err));
    CNA_TRY(cna_alloc(&r->span_slots, r->n_slots, sizeof *r->span_slots, "batch", err));
    for (size_t i = 0; i < r->n_slots; i++) {
        slot *s = &r->slots[i];
        CNA_TRY(cna_kv_create(c->n_layers, c->n_kv_heads, c->head_dim, capacity, &s->kv, err));
        CNA_TRY(cna_alloc(&s->ids, r->max_tokens + 1, sizeof *s->ids, "answer", err));
        CNA_TRY(cna_alloc(&s->logprobs, r->max_tokens + 1, sizeof *s->logprobs, "answer", err));
    }
    return CNA_OK;
}

static void free_slots(run *r)
{
    for (size_t i = 0; r->slots != NULL && i < r->n_slots; i++) {
        cna_kv_free(r->slots[i].kv);
        cna_free(r->slots[i].ids);
        cna_free(r->slots[i].logprobs);
    }
    cna_free(r->slots);
    cna_free(r->spans);
    cna_free(r->span_slots);
}

static size_t longest_prompt(const cna_job *jobs, size_t n_jobs)
{
    size_t longest = 0;
    for (size_t i = 0; i < n_jobs; i++) {
        if (jobs[i].n_prompt_ids > longest) longest = jobs[i].n_prompt_ids;
    }
    return longest;
}

cna_status cna_engine_generate(const cna_model *model, const cna_job *jobs, size_t n_jobs,
                               const cna_run_options *options, cna_job_fn *on_done, void *user, cna_error *err)
{
    const cna_run_options defaults = {0};
    if (options == NULL) options = &defaults;
    if (n_jobs == 0) return CNA_OK;
    for (size_t i = 0; i < n_jobs; i++) {
        CNA_TRY(cna_model_check_ids(model, jobs[i].prompt_ids, jobs[i].n_prompt_ids, err));
    }
    /* Far past any model's positions, and far from where sizes of caches would wrap. */
    if (options->max_tokens > MAX_TOKENS_LIMIT) {
        return cna_fail(err, CNA_ERR_ARG, "max_tokens: expected at most %d, found %zu", (int)MAX_TOKENS_LIMIT,
                        options->max_tokens);
    }
    run r = {.model = model, .jobs = jobs, .options = options, .on_done = on_done, .user = user,
             .max_tokens = options->max_tokens == 0 ? DEFAULT_MAX_TOKENS : options->max_tokens,
             .n_slots = options->batch == 0 ? DEFAULT_BATCH : options->batch};
    if (r.n_slots > n_jobs) r.n_slots = n_jobs;
    cna_session *session = NULL;
    cna_status status;
    size_t n_admitted = 0, n_done = 0;
    const char *what = options->what == NULL ? "answers" : options->what;
    CNA_TRY_CLEANUP(create_slots(&r, longest_prompt(jobs, n_jobs) + r.max_tokens, err));
    CNA_TRY_CLEANUP(cna_session_create(model, &session, err));
    while (n_done < n_jobs) {
        for (size_t i = 0; i < r.n_slots && n_admitted < n_jobs; i++) {
            if (!r.slots[i].busy) admit(&r, &r.slots[i], n_admitted++);
        }
        CNA_TRY_CLEANUP(step(&r, session, err));
        CNA_TRY_CLEANUP(collect(&r, &n_done, err));
        CNA_TRY_CLEANUP(cna_progress_report(&options->progress, what, n_done, n_jobs, err));
    }
cleanup:
    cna_session_free(session);
    free_slots(&r);
    return status;
}
