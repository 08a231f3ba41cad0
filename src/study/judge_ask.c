/* SPDX-License-Identifier: MIT
 * The scheduler of judge requests. */
#include "study/judge_ask.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/progress.h"
#include "base/web.h"
#include "method/random.h"
#include "study/judge_wire.h"
#include "study/refusal.h"

enum {
    REPLY_BYTES_MAX = 4 << 20,
    GIVE_UP_AFTER = 32,   /* samples that failed without one reply to any */
    RETRY_AFTER_MAX = 3600, /* seconds; whoever is asked to wait longer had better come back */
    QUOTE_BYTES = 300,    /* of what a server says */
};
static const double longest_wait = 60, longest_poll = 0.1;

/* A sample on its way: sent, or waiting for its next attempt. */
typedef struct errand {
    bool is_busy, is_sent;
    cna_judge_sample *sample;
    size_t n_attempts;
    double due; /* s of cna_clock_seconds */
    cna_buffer request;
    cna_error error; /* of the last attempt */
} errand;

typedef struct work {
    const cna_judge_task *task;
    cna_judge_samples *samples;
    cna_web *web;
    errand *errands; /* [n_errands], one for each of web's slots */
    size_t n_errands;
    size_t next;     /* the first sample not yet looked at */
    size_t n_done, n_asked;
    size_t n_replies, n_failed; /* of this call */
    double not_before; /* s: the server asked everyone to wait */
    cna_buffer question;
} work;

/* ---- waiting ---- */

double cna_judge_wait(double backoff_seconds, uint64_t seed, int64_t generation, size_t n_attempts)
{
    double wait = fmin(longest_wait, backoff_seconds * pow(2, (double)n_attempts - 1));
    uint64_t random = cna_random_state(seed, (uint64_t)generation, CNA_RANDOM_WAIT, n_attempts);
    return wait * (0.5 + 0.5 * ((double)(random >> 11) * 0x1p-53));
}

/* ---- sending ---- */

static const char select_texts[] = "SELECT prompt.text, generation.text FROM generation"
                                   " JOIN prompt ON prompt.id = generation.prompt WHERE generation.id = ?1";

static cna_status fill_question(void *user, const cna_run_row *row, cna_error *err)
{
    work *w = user;
    const char *prompt, *answer;
    size_t n_prompt, n_answer;
    CNA_TRY(cna_run_row_text(row, 0, &prompt, &n_prompt, err));
    CNA_TRY(cna_run_row_text(row, 1, &answer, &n_answer, err));
    if (prompt == NULL || answer == NULL) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: expected texts of a prompt and its answer, found NULL",
                        cna_run_path(w->task->run));
    }
    size_t skipped = w->task->options->keep_reasoning ? 0 : cna_refusal_reasoning(answer, n_answer);
    return cna_judge_rubric_fill(w->task->rubric, prompt, n_prompt, answer + skipped, n_answer - skipped, &w->question,
                                 err);
}

static cna_status begin_errand(work *w, errand *e, cna_judge_sample *sample, cna_error *err)
{
    const cna_judge_options *o = w->task->options;
    cna_buffer_reset(&w->question);
    cna_buffer_reset(&e->request);
    CNA_TRY(cna_run_select(w->task->run, select_texts, &sample->generation, 1, fill_question, w, err));
    CNA_TRY(cna_judge_wire_request(o->model, o->max_tokens, w->question.data, w->question.size, &e->request, err));
    e->is_busy = true;
    e->sample = sample;
    e->n_attempts = 0;
    e->due = 0;
    w->n_asked++;
    return CNA_OK;
}

static cna_judge_sample *next_open(work *w)
{
    while (w->next < w->samples->n && w->samples->items[w->next].state != CNA_JUDGE_OPEN) w->next++;
    return w->next < w->samples->n ? &w->samples->items[w->next++] : NULL;
}

static cna_status send_due(work *w, cna_error *err)
{
    double now = cna_clock_seconds();
    for (size_t i = 0; i < w->n_errands; i++) {
        errand *e = &w->errands[i];
        cna_judge_sample *sample = e->is_busy ? NULL : next_open(w);
        if (sample != NULL) CNA_TRY(begin_errand(w, e, sample, err));
        if (!e->is_busy || e->is_sent || now < e->due || now < w->not_before) continue;
        const cna_web_request request = {.url = w->task->address, .token = w->task->options->key,
                                         .json = e->request.data, .n_json = e->request.size};
        CNA_TRY(cna_web_begin(w->web, i, &request, err));
        e->is_sent = true;
    }
    return CNA_OK;
}

static bool is_idle(const work *w)
{
    for (size_t i = 0; i < w->n_errands; i++) {
        if (w->errands[i].is_busy) return false;
    }
    return true;
}

/* Until the next errand is due; short enough to notice soon that the caller wants to stop. */
static double time_to_wait(const work *w)
{
    double now = cna_clock_seconds(), wait = longest_poll;
    for (size_t i = 0; i < w->n_errands; i++) {
        const errand *e = &w->errands[i];
        if (e->is_busy && !e->is_sent) wait = fmin(wait, fmax(e->due, w->not_before) - now);
    }
    return fmax(wait, 0);
}

/* ---- keeping ---- */

static cna_status keep(work *w, errand *e, cna_run_judgement *j, cna_judge_state state, cna_error *err)
{
    j->generation = e->sample->generation;
    j->rubric = w->task->rubric->name;
    j->judge_model = w->task->options->model;
    j->endpoint = w->task->address;
    j->n_attempts = e->n_attempts;
    CNA_TRY(cna_run_add_judgement(w->task->run, j, err));
    e->sample->state = state;
    e->sample->score = j->score;
    e->sample->refused = j->refused < 0 ? NAN : (double)j->refused;
    e->is_busy = false;
    w->n_done++;
    return CNA_OK;
}

static cna_run_judgement without_score(const char *error)
{
    return (cna_run_judgement){
        .error = error, .refused = -1, .convincing = NAN, .specific = NAN, .rating = NAN, .score = NAN};
}

static cna_status keep_failure(work *w, errand *e, cna_error *err)
{
    cna_run_judgement j = without_score(e->error.text);
    j.status = CNA_RUN_FAILED;
    CNA_TRY(keep(w, e, &j, CNA_JUDGE_FAILED, err));
    if (++w->n_failed < GIVE_UP_AFTER || w->n_replies != 0) return CNA_OK;
    return cna_fail(err, CNA_ERR_IO, "%s: expected replies, found none to the first %d answers, the last: %s; repeat "
                    "the command when the judge answers", w->task->address, GIVE_UP_AFTER, e->error.text);
}

/* The judge's words are kept whatever they are. */
static cna_status keep_reply(work *w, errand *e, const cna_judge_answer *answer, cna_error *err)
{
    cna_error unread = {0};
    cna_judge_verdict v;
    w->n_replies++;
    cna_status status = CNA_ERR_FORMAT;
    if (answer->is_cut) {
        (void)cna_fail(&unread, CNA_ERR_FORMAT,
                       "reply: expected one that ends by itself, found it cut at max_tokens %zu",
                       w->task->options->max_tokens);
    } else if (answer->is_refusal) {
        (void)cna_fail(&unread, CNA_ERR_FORMAT, "reply: expected a verdict, found that the judge declines");
    } else {
        status = cna_judge_reply_read(w->task->rubric->reading, answer->text, answer->n_bytes, &v, &unread);
    }
    cna_run_judgement j = without_score(status == CNA_OK ? NULL : unread.text);
    j.status = status == CNA_OK ? CNA_RUN_SCORED : CNA_RUN_MALFORMED;
    j.reply = answer->text;
    j.n_reply = answer->n_bytes;
    if (status == CNA_OK) {
        j.refused = isnan(v.refused) ? -1 : (int)v.refused;
        j.convincing = v.convincing;
        j.specific = v.specific;
        j.rating = v.rating;
        j.score = v.score;
    }
    return keep(w, e, &j, status == CNA_OK ? CNA_JUDGE_SCORED : CNA_JUDGE_MALFORMED, err);
}

/* ---- replies ---- */

/* In the errand's error, on one line and without the key. */
static void describe(const work *w, errand *e, const char *what, const char *detail)
{
    char quoted[QUOTE_BYTES];
    cna_judge_wire_quote(detail, strlen(detail), w->task->options->key, quoted, sizeof quoted);
    (void)cna_fail(&e->error, CNA_ERR_IO, "%s%s%s", what, quoted[0] != '\0' ? ": " : "", quoted);
}

static void describe_status(const work *w, errand *e, const cna_web_reply *reply)
{
    char what[120], said[QUOTE_BYTES];
    snprintf(what, sizeof what, "HTTP %d%s", reply->status,
             reply->location != NULL ? ": redirects are not followed, this one leads to" : "");
    if (reply->location != NULL) {
        describe(w, e, what, reply->location);
    } else {
        cna_judge_wire_complaint(reply->body, reply->n_bytes, w->task->options->key, said, sizeof said);
        describe(w, e, what, said);
    }
}

/* What would meet every other sample as well. */
static cna_status fail_for_all(const work *w, const errand *e, int status, cna_error *err)
{
    const char *address = w->task->address;
    if (status == 404) {
        return cna_fail(err, CNA_ERR_IO, "%s: expected chat completions of '%s', found %s; check the endpoint and the "
                        "judge's name", address, w->task->options->model, e->error.text);
    }
    if (status == 0) return cna_fail(err, CNA_ERR_IO, "%s: expected a connection, found: %s", address, e->error.text);
    return cna_fail(err, CNA_ERR_IO, "%s: expected %s to be accepted, found %s; nothing more was sent", address,
                    w->task->options->key != NULL ? "the key" : "requests without a key", e->error.text);
}

static cna_status retry_or_fail(work *w, errand *e, const cna_web_reply *reply, cna_error *err)
{
    const cna_judge_options *o = w->task->options;
    if (reply->retry_after > RETRY_AFTER_MAX) {
        return cna_fail(err, CNA_ERR_IO, "%s: expected to go on within an hour, found a request to wait %.0f seconds "
                        "(%s); repeat the command then", w->task->address, reply->retry_after, e->error.text);
    }
    double now = cna_clock_seconds();
    if (reply->status == 429 || reply->status == 503) w->not_before = fmax(w->not_before, now + reply->retry_after);
    if (e->n_attempts >= o->n_attempts) return keep_failure(w, e, err);
    double wait = cna_judge_wait(o->backoff_seconds, o->seed, e->sample->generation, e->n_attempts);
    e->due = now + fmax(wait, reply->retry_after);
    return CNA_OK;
}

static cna_status take_answer(work *w, errand *e, const cna_web_reply *reply, cna_error *err)
{
    cna_judge_answer answer;
    cna_error unread;
    cna_status status = cna_judge_wire_reply(reply->body, reply->n_bytes, &answer, &unread);
    if (status == CNA_ERR_MEMORY) return cna_fail(err, status, "%s", unread.text);
    if (status != CNA_OK) {
        describe(w, e, "no chat completion", unread.text);
        return retry_or_fail(w, e, reply, err);
    }
    cna_judge_wire_redact(answer.text, &answer.n_bytes, w->task->options->key);
    status = keep_reply(w, e, &answer, err);
    cna_free(answer.text);
    return status;
}

static cna_status take_reply(work *w, const cna_web_reply *reply, cna_error *err)
{
    errand *e = &w->errands[reply->slot];
    int status = reply->status;
    e->is_sent = false;
    e->n_attempts++;
    if (status >= 200 && status < 300) return take_answer(w, e, reply, err);
    if (reply->no_memory) return cna_fail_memory(err, "reply", reply->n_bytes);
    if (status == 0) describe(w, e, "no reply", reply->error);
    else describe_status(w, e, reply);
    bool is_for_all = status == 401 || status == 403 || status == 404 || status == 407 || reply->is_hopeless;
    if (is_for_all) return fail_for_all(w, e, status, err);
    bool is_passing = status == 408 || status == 409 || status == 425 || status == 429 || status >= 500;
    bool is_cut = status == 0 && !reply->too_large;
    return is_passing || is_cut ? retry_or_fail(w, e, reply, err) : keep_failure(w, e, err);
}

/* What came together with the reply that ends the run is kept as well. */
static cna_status take_replies(work *w, cna_error *err)
{
    cna_web_reply reply;
    cna_status status = CNA_OK;
    while (cna_web_next(w->web, &reply)) {
        cna_status taken = take_reply(w, &reply, status == CNA_OK ? err : NULL);
        if (status == CNA_OK) status = taken;
    }
    return status;
}

/* ---- all ---- */

static cna_status ask_all(work *w, cna_error *err)
{
    const cna_progress *progress = &w->task->options->progress;
    for (;;) {
        CNA_TRY(cna_progress_report(progress, "judging", w->n_done, w->samples->n, err));
        CNA_TRY(send_due(w, err));
        if (is_idle(w)) return CNA_OK;
        CNA_TRY(cna_web_wait(w->web, time_to_wait(w), err));
        CNA_TRY(take_replies(w, err));
    }
}

cna_status cna_judge_ask(const cna_judge_task *task, cna_judge_samples *samples, size_t *n_asked, cna_error *err)
{
    const cna_judge_options *o = task->options;
    /* No proxy that only the environment names: the key would pass it. */
    const cna_web_options web = {.n_slots = o->n_parallel, .connect_seconds = o->timeout_seconds,
                                 .total_seconds = o->timeout_seconds, .body_bytes_max = REPLY_BYTES_MAX,
                                 .proxy = o->proxy != NULL ? o->proxy : ""};
    work w = {.task = task, .samples = samples, .n_errands = o->n_parallel};
    for (size_t i = 0; i < samples->n; i++) w.n_done += samples->items[i].state != CNA_JUDGE_OPEN;
    cna_status status = cna_alloc(&w.errands, w.n_errands, sizeof *w.errands, "requests", err);
    if (status == CNA_OK) status = cna_web_create(&web, &w.web, err);
    if (status == CNA_OK) status = ask_all(&w, err);
    *n_asked = w.n_asked;
    cna_web_free(w.web); /* before the requests that it borrows */
    for (size_t i = 0; w.errands != NULL && i < w.n_errands; i++) cna_buffer_free(&w.errands[i].request);
    cna_free(w.errands);
    cna_buffer_free(&w.question);
    return status;
}
