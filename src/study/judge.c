/* SPDX-License-Identifier: MIT
 * cna_judge_run: options, then asking, then counting. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "study/judge_ask.h"
#include "study/judge_wire.h"

enum { MODEL_BYTES_MAX = 256, PARALLEL_MAX = 256 };

struct cna_judge {
    cna_judge_rubric rubric;
    cna_judge_samples samples;
    cna_judge_info info;
    char *address;
};

/* A key goes into a header line, where a line feed would begin another one. It is not repeated in the message. */
static cna_status check_key(const char *key, cna_error *err)
{
    bool is_plain = key == NULL || key[0] != '\0';
    for (const char *c = key; c != NULL && *c != '\0'; c++) is_plain = is_plain && *c > ' ' && *c < 0x7f;
    if (is_plain) return CNA_OK;
    return cna_fail(err, CNA_ERR_ARG, "judge key: expected visible ASCII characters without blanks, found others or "
                    "none");
}

static cna_status check_options(const cna_judge_options *o, cna_error *err)
{
    if (o->endpoint == NULL || o->model == NULL) {
        return cna_fail(err, CNA_ERR_ARG, "judge: expected an endpoint and a model, found none");
    }
    size_t n_model = strlen(o->model);
    if (n_model == 0 || n_model > MODEL_BYTES_MAX || !cna_utf8_check(o->model, n_model, NULL)) {
        return cna_fail(err, CNA_ERR_ARG, "judge model: expected a name of 1 to %d bytes of UTF-8, found '%.80s'",
                        MODEL_BYTES_MAX, o->model);
    }
    bool in_range = o->n_parallel <= PARALLEL_MAX && o->timeout_seconds >= 0 && o->timeout_seconds <= 1e6 &&
                    o->backoff_seconds >= 0 && isfinite(o->backoff_seconds) && o->max_tokens <= INT32_MAX;
    if (!in_range) {
        return cna_fail(err, CNA_ERR_ARG, "judge: expected at most %d requests at once, times from 0 to 1e6 seconds "
                        "and at most %d tokens, found other numbers", PARALLEL_MAX, INT32_MAX);
    }
    return check_key(o->key, err);
}

static cna_judge_options with_defaults(const cna_judge_options *options)
{
    cna_judge_options o = *options;
    if (o.n_parallel == 0) o.n_parallel = 8;
    if (o.timeout_seconds == 0) o.timeout_seconds = 120;
    if (o.n_attempts == 0) o.n_attempts = 6;
    if (o.backoff_seconds == 0) o.backoff_seconds = 1;
    if (o.max_tokens == 0) o.max_tokens = 1024;
    return o;
}

static void note_plan(const cna_judge *judge, const cna_judge_options *o)
{
    if (o->progress.note == NULL) return;
    char line[512];
    snprintf(line, sizeof line, "judge %s at %s, rubric %s, %zu requests at once; %zu of %zu answers have a reply",
             o->model, judge->address, judge->rubric.name, o->n_parallel, judge->info.n_kept, judge->samples.n);
    o->progress.note(o->progress.user, line);
}

static cna_status judge_all(cna_run *run, const cna_judge_options *o, cna_judge *judge, cna_error *err)
{
    const cna_judge_choice choice = {.benign = o->benign, .controls = o->controls};
    CNA_TRY(cna_judge_rubric_load(o->rubric, &judge->rubric, err));
    /* Another text is judged, so these replies stand beside those to the answers alone. */
    size_t n_name = strlen(judge->rubric.name);
    if (o->keep_reasoning) {
        snprintf(judge->rubric.name + n_name, sizeof judge->rubric.name - n_name, "+reasoning");
    }
    CNA_TRY(cna_judge_wire_address(o->endpoint, &judge->address, err));
    CNA_TRY(cna_judge_samples_read(run, choice, judge->rubric.name, o->model, &judge->samples, err));
    if (judge->samples.n == 0) {
        return cna_fail(err, CNA_ERR_ARG, "%s: expected answers to prompts that should be refused, found none; make "
                        "some with a sweep into this file", cna_run_path(run));
    }
    for (size_t i = 0; i < judge->samples.n; i++) judge->info.n_kept += judge->samples.items[i].state != CNA_JUDGE_OPEN;
    note_plan(judge, o);
    const cna_judge_task task = {run, o, &judge->rubric, judge->address};
    CNA_TRY(cna_judge_ask(&task, &judge->samples, &judge->info.n_asked, err));
    cna_judge_samples_count(&judge->samples);
    memcpy(judge->info.rubric, judge->rubric.name, sizeof judge->info.rubric);
    memcpy(judge->info.rubric_sha256, judge->rubric.sha256, sizeof judge->info.rubric_sha256);
    judge->info.address = judge->address;
    return CNA_OK;
}

cna_status cna_judge_run(cna_run *run, const cna_judge_options *options, cna_judge **out, cna_error *err)
{
    CNA_TRY(check_options(options, err));
    const cna_judge_options resolved = with_defaults(options);
    cna_judge *judge;
    CNA_TRY(cna_alloc(&judge, 1, sizeof *judge, "judge", err));
    cna_status status = judge_all(run, &resolved, judge, err);
    if (status != CNA_OK) {
        cna_judge_free(judge);
        return status;
    }
    *out = judge;
    return CNA_OK;
}

void cna_judge_free(cna_judge *judge)
{
    if (judge == NULL) return;
    cna_judge_rubric_clear(&judge->rubric);
    cna_judge_samples_clear(&judge->samples);
    cna_free(judge->address);
    cna_free(judge);
}

const cna_judge_row *cna_judge_rows(const cna_judge *judge, size_t *n_rows)
{
    *n_rows = judge->samples.n_rows;
    return judge->samples.rows;
}

const cna_judge_info *cna_judge_get_info(const cna_judge *judge)
{
    return &judge->info;
}
