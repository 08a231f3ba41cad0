/* SPDX-License-Identifier: MIT
 * Decoding many jobs as one sliding batch: prompts and single tokens share each pass, ended sequences leave at once,
 * waiting ones take their place. */
#include <math.h>

#include "base/progress.h"
#include "engine/pass.h"
#include "engine/plan.h"
#include "engine/sample.h"

enum { DEFAULT_MAX_TOKENS = 150, DEFAULT_BATCH = 256, MAX_TOKENS_LIMIT = 1 << 20 };

/* One place in the batch. */
typedef struct slot {
    bool busy, is_new, ended;
    size_t job;
    uint64_t prompt_hash;
    cna_kv *kv;          /* the job's own tokens, behind the shared ones */
    int32_t *ids;        /* [max_tokens] generated */
    float *logprobs;     /* [max_tokens + 1] a stop token has one, too */
    size_t n_ids;
    cna_stop stop;
} slot;

typedef struct run {
    const cna_model *model;
    const cna_job *jobs;
    size_t n_jobs;
    const cna_run_options *options;
    cna_job_fn *on_done;
    void *user;
    size_t max_tokens;
    slot *slots;          /* [n_slots] */
    size_t n_slots, n_busy;
    size_t next;          /* place in the order of the next job to admit */
    cna_tree_item *items; /* [n_jobs] */
    cna_tree tree;
    cna_kv_pool pool;
    cna_pass pass;
    uint64_t kv_room;     /* bytes that keys and values may come to hold */
    size_t *wanted;       /* [n_slots] the slot of each wanted row of the pass */
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
        return cna_fail(err, CNA_ERR_FORMAT, "generated token %zu: expected finite logits, found %g; are the "
                        "model's weights damaged?", s->n_ids + 1, (double)logits[token]);
    }
    if (is_stop(config, token) && !r->options->ignore_stop) {
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
            CNA_TRY(advance(r, &r->slots[r->wanted[first + i]], rows + i * vocab_size, err));
        }
        return CNA_OK;
    }
    /* Rows are of different sequences, so threads share them out. */
    cna_status status = CNA_OK;
#pragma omp parallel for schedule(dynamic, 1) if (n_rows > 1)
    for (size_t i = 0; i < n_rows; i++) {
        cna_error local;
        cna_status one = advance(r, &r->slots[r->wanted[first + i]], rows + i * vocab_size, &local);
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

/* Bytes that a job's own tokens come to hold. */
static uint64_t own_bytes(const run *r, size_t job)
{
    size_t n_own = r->jobs[job].n_prompt_ids - r->tree.n_before[job];
    return cna_kv_bytes(&r->pool, 0, CNA_KV_ALL_LAYERS, n_own, n_own + r->max_tokens - 1);
}

/* Bytes that keys and values will hold when all jobs of the batch have run to their ends. */
static uint64_t claimed_bytes(const run *r)
{
    uint64_t bytes = r->pool.held_bytes - cna_kv_pool_free_bytes(&r->pool);
    for (size_t i = 0; i < r->n_slots; i++) {
        const slot *s = &r->slots[i];
        if (s->busy) bytes += own_bytes(r, s->job) - (s->kv == NULL ? 0 : cna_kv_held_bytes(s->kv));
    }
    return bytes;
}

/* What a waiting job would add to the batch. */
static uint64_t need_of(const run *r, size_t job, size_t *n_rows)
{
    uint64_t bytes = own_bytes(r, job);
    *n_rows = r->jobs[job].n_prompt_ids - r->tree.n_before[job];
    cna_pass_need(&r->pass, job, &bytes, n_rows);
    return bytes;
}

/* Where nothing runs, shared runs that later jobs wait for may have taken the room of the next one: let go of others'
 * where they hold most of it, and of all where that is not enough. */
static void drop_shared(run *r)
{
    size_t job = r->tree.order[r->next], n_rows;
    if (r->n_busy > 0) return;
    if (claimed_bytes(r) + need_of(r, job, &n_rows) > r->kv_room / 2) cna_tree_drop(&r->tree, job);
    if (claimed_bytes(r) + need_of(r, job, &n_rows) > r->kv_room) cna_tree_drop(&r->tree, CNA_TREE_NONE);
}

static void admit(run *r, slot *s, size_t job)
{
    s->busy = s->is_new = true;
    s->ended = false;
    s->job = job;
    s->n_ids = 0;
    s->prompt_hash = cna_sample_hash_ids(r->jobs[job].prompt_ids, r->jobs[job].n_prompt_ids);
    r->n_busy++;
}

/* Let waiting jobs into free slots, as far as memory and the rows of a pass allow. They come in groups, because jobs of
 * one prompt share more when they begin together. */
static cna_status admit_jobs(run *r, cna_error *err)
{
    size_t n_free = r->n_slots - r->n_busy, n_waiting = r->n_jobs - r->next, n_rows = 0;
    size_t group = n_waiting < r->n_slots / 8 ? n_waiting : r->n_slots / 8;
    if (n_free == 0 || n_waiting == 0 || (r->n_busy > 0 && n_free < group)) return CNA_OK;
    drop_shared(r);
    uint64_t bytes = claimed_bytes(r);
    for (size_t i = 0; i < r->n_slots && r->next < r->n_jobs; i++) {
        if (r->slots[i].busy) continue;
        size_t job = r->tree.order[r->next], rows;
        uint64_t need = need_of(r, job, &rows);
        if (n_rows > 0 && n_rows + rows > r->pass.max_rows) break;
        if (r->n_busy > 0 && bytes + need > r->kv_room) break;
        bytes += need;
        n_rows += rows;
        CNA_TRY(cna_pass_want(&r->pass, job, err));
        admit(r, &r->slots[i], job);
        r->next++;
    }
    return CNA_OK;
}

/* The spans of one pass: shared runs, then new jobs' own tokens and the last token of the others. */
static cna_status fill_pass(run *r, cna_error *err)
{
    size_t n_wanted = 0;
    CNA_TRY(cna_pass_share(&r->pass, err));
    for (size_t i = 0; i < r->n_slots; i++) {
        slot *s = &r->slots[i];
        if (!s->busy) continue;
        const cna_job *job = &r->jobs[s->job];
        cna_span span = {.n_prompt = job->n_prompt_ids, .tap = job->tap, .n_wanted = 1};
        if (s->is_new) {
            span.ids = job->prompt_ids;
            span.n_tokens = job->n_prompt_ids;
            CNA_TRY(cna_pass_add_own(&r->pass, s->job, &span, CNA_KV_ALL_LAYERS, &s->kv, err));
        } else {
            span.kv = s->kv;
            span.ids = &s->ids[s->n_ids - 1];
            span.n_tokens = 1;
            CNA_TRY(cna_kv_reserve(s->kv, s->kv->n_tokens + 1, err));
            CNA_TRY(cna_pass_add(&r->pass, &span, err));
        }
        s->is_new = false;
        r->wanted[n_wanted++] = i;
    }
    return CNA_OK;
}

/* One token for every job of the batch. */
static cna_status step(run *r, cna_session *session, cna_error *err)
{
    const cna_sinks sinks = {.on_logits = on_logits, .user = r};
    cna_pass_begin(&r->pass);
    CNA_TRY(admit_jobs(r, err));
    CNA_TRY(fill_pass(r, err));
    return cna_forward(session, r->pass.spans, r->pass.n_spans, &sinks, r->options->usage, err);
}

/* Report ended jobs and free their slots. */
static cna_status collect(run *r, size_t *n_done, cna_error *err)
{
    for (size_t i = 0; i < r->n_slots; i++) {
        slot *s = &r->slots[i];
        if (!s->busy || !s->ended) continue;
        const cna_job_result result = {.job = s->job, .ids = s->ids, .logprobs = s->logprobs, .n_ids = s->n_ids,
                                       .stop = s->stop};
        CNA_TRY(r->on_done(r->user, &result, err));
        cna_kv_release(s->kv);
        s->kv = NULL;
        cna_tree_leave(&r->tree, s->job);
        s->busy = false;
        r->n_busy--;
        (*n_done)++;
    }
    return CNA_OK;
}

static cna_status share_prompts(run *r, cna_error *err)
{
    CNA_TRY(cna_alloc(&r->items, r->n_jobs, sizeof *r->items, "prompts", err));
    for (size_t i = 0; i < r->n_jobs; i++) {
        r->items[i] = (cna_tree_item){r->jobs[i].prompt_ids, r->jobs[i].n_prompt_ids - 1, r->jobs[i].tap};
    }
    CNA_TRY(cna_tree_build(r->items, r->n_jobs, &r->tree, err));
    cna_kv_pool_init(&r->pool, &r->model->checkpoint.config);
    r->pass = (cna_pass){.tree = &r->tree, .pool = &r->pool, .depth = CNA_KV_ALL_LAYERS};
    return CNA_OK;
}

/* Count the first n_slots jobs of the order, and their rows, as far as keys and values have room: they stand for all,
 * but for one that needs more by itself. A batch holds its jobs' own tokens and the runs that they share.
 *   answer_bytes  results of one sequence */
static cna_status count_batch(run *r, uint64_t answer_bytes, cna_plan *plan, cna_error *err)
{
    size_t rows;
    for (; plan->n_sequences < r->n_slots; plan->n_sequences++) {
        uint64_t bytes = need_of(r, r->tree.order[plan->n_sequences], &rows);
        if (plan->n_sequences > 0 && plan->kv + plan->results + bytes + answer_bytes > r->kv_room) break;
        plan->kv += bytes;
        plan->results += answer_bytes;
        plan->n_rows += rows;
        CNA_TRY(cna_pass_want(&r->pass, r->tree.order[plan->n_sequences], err));
    }
    cna_pass_forget(&r->pass);
    for (size_t job = 0; job < r->n_jobs; job++) {
        uint64_t bytes = need_of(r, job, &rows);
        if (bytes > plan->kv) plan->kv = bytes;
    }
    return CNA_OK;
}

/* Choose the size of the batch from what memory has room for, and say what it will hold. */
static cna_status plan_batch(run *r, cna_error *err)
{
    cna_plan plan = {0};
    size_t longest = 0, n_own = 0;
    for (size_t i = 0; i < r->n_jobs; i++) {
        if (r->jobs[i].n_prompt_ids > longest) longest = r->jobs[i].n_prompt_ids;
        n_own += r->jobs[i].n_prompt_ids - r->tree.n_before[i];
    }
    size_t n_positions = longest + r->max_tokens;
    uint64_t room = cna_plan_room(r->model);
    size_t most_rows = cna_pass_fit(&r->pass, r->model, room, n_own, longest, r->n_slots, n_positions, r->n_slots);
    uint64_t fixed = cna_session_bytes(r->model, most_rows, n_positions, true);
    r->kv_room = room > fixed ? room - fixed : 0;
    CNA_TRY(count_batch(r, (r->max_tokens + 1) * (sizeof(int32_t) + sizeof(float)), &plan, err));
    r->kv_room -= r->kv_room < plan.results ? r->kv_room : plan.results;
    r->pool.room = r->kv_room;
    /* Unless all begin in one pass, later ones bring prompts beside a token for each other sequence. */
    bool one_pass = plan.n_sequences == r->n_jobs && plan.n_rows <= r->pass.max_rows;
    plan.n_rows = cna_pass_rows_most(&r->pass, n_own, longest, plan.n_sequences) + (one_pass ? 0 : plan.n_sequences);
    plan.session = cna_session_bytes(r->model, plan.n_rows, n_positions, true);
    r->n_slots = plan.n_sequences;
    if (r->options->usage != NULL) r->options->usage->batch = r->n_slots;
    return cna_plan_announce(r->model, &plan, &r->options->progress, r->options->usage, err);
}

static cna_status create_slots(run *r, cna_error *err)
{
    CNA_TRY(cna_alloc(&r->wanted, r->n_slots, sizeof *r->wanted, "batch", err));
    CNA_TRY(cna_alloc(&r->slots, r->n_slots, sizeof *r->slots, "batch", err));
    for (size_t i = 0; i < r->n_slots; i++) {
        CNA_TRY(cna_alloc(&r->slots[i].ids, r->max_tokens, sizeof *r->slots[i].ids, "answer", err));
        CNA_TRY(cna_alloc(&r->slots[i].logprobs, r->max_tokens + 1, sizeof *r->slots[i].logprobs, "answer", err));
    }
    return CNA_OK;
}

static void clear(run *r)
{
    for (size_t i = 0; r->slots != NULL && i < r->n_slots; i++) {
        cna_kv_release(r->slots[i].kv);
        cna_free(r->slots[i].ids);
        cna_free(r->slots[i].logprobs);
    }
    cna_pass_clear(&r->pass);
    cna_tree_clear(&r->tree);
    cna_kv_pool_clear(&r->pool);
    cna_free(r->items);
    cna_free(r->slots);
    cna_free(r->wanted);
}

static cna_status check(const cna_model *model, const cna_job *jobs, size_t n_jobs, size_t max_tokens, cna_error *err)
{
    size_t n_answer = max_tokens == 0 ? DEFAULT_MAX_TOKENS : max_tokens;
    for (size_t i = 0; i < n_jobs; i++) {
        CNA_TRY(cna_model_check_ids(model, jobs[i].prompt_ids, jobs[i].n_prompt_ids, err));
        CNA_TRY(cna_model_check_positions(model, jobs[i].n_prompt_ids + n_answer - 1, err));
    }
    /* Far past any model's positions, and far from where sizes of caches would wrap. */
    if (max_tokens <= MAX_TOKENS_LIMIT) return CNA_OK;
    return cna_fail(err, CNA_ERR_ARG, "max_tokens: expected at most %d, found %zu", (int)MAX_TOKENS_LIMIT, max_tokens);
}

cna_status cna_engine_generate(const cna_model *model, const cna_job *jobs, size_t n_jobs,
                               const cna_run_options *options, cna_job_fn *on_done, void *user, cna_error *err)
{
    const cna_run_options defaults = {0};
    if (options == NULL) options = &defaults;
    if (n_jobs == 0) return CNA_OK;
    CNA_TRY(check(model, jobs, n_jobs, options->max_tokens, err));
    run r = {.model = model, .jobs = jobs, .n_jobs = n_jobs, .options = options, .on_done = on_done, .user = user,
             .max_tokens = options->max_tokens == 0 ? DEFAULT_MAX_TOKENS : options->max_tokens,
             .n_slots = options->batch == 0 ? DEFAULT_BATCH : options->batch};
    if (r.n_slots > n_jobs) r.n_slots = n_jobs;
    cna_session *session = NULL;
    cna_status status;
    size_t n_done = 0;
    const char *what = options->what == NULL ? "answers" : options->what;
    CNA_TRY_CLEANUP(share_prompts(&r, err));
    CNA_TRY_CLEANUP(plan_batch(&r, err));
    CNA_TRY_CLEANUP(create_slots(&r, err));
    CNA_TRY_CLEANUP(cna_session_create(model, true, &session, err));
    while (n_done < n_jobs) {
        CNA_TRY_CLEANUP(step(&r, session, err));
        CNA_TRY_CLEANUP(collect(&r, &n_done, err));
        CNA_TRY_CLEANUP(cna_progress_report(&options->progress, what, n_done, n_jobs, err));
    }
cleanup:
    cna_session_free(session);
    clear(&r);
    return status;
}
