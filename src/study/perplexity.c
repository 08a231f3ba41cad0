/* SPDX-License-Identifier: MIT
 * Perplexity. */
#include "study/perplexity.h"

#include <math.h>
#include <string.h>

void cna_windows_clear(cna_windows *windows)
{
    cna_free(windows->ids);
    cna_free(windows->jobs);
    *windows = (cna_windows){0};
}

/* Lay ids out as windows.
 *   ids       [n_ids], the first n_before of which begin every window */
static cna_status lay_out(const int32_t *ids, size_t n_ids, size_t n_before, cna_windows *out, cna_error *err)
{
    size_t n_text = n_ids - n_before, n_each = CNA_WINDOW_TOKENS - n_before;
    size_t n_windows = (n_text + n_each - 1) / n_each;
    CNA_TRY(cna_alloc(&out->ids, n_text + n_windows * n_before, sizeof *out->ids, "text", err));
    CNA_TRY(cna_alloc(&out->jobs, n_windows, sizeof *out->jobs, "text", err));
    int32_t *at = out->ids;
    for (size_t first = n_before; first < n_ids; first += n_each) {
        size_t n = n_ids - first < n_each ? n_ids - first : n_each;
        if (n_before + n < 2) break; /* one token at the end, with nothing before it */
        memcpy(at, ids, n_before * sizeof *at);
        memcpy(at + n_before, ids + first, n * sizeof *at);
        out->jobs[out->n++] = (cna_job){.prompt_ids = at, .n_prompt_ids = 1, .answer_ids = at + 1,
                                        .n_answer_ids = n_before + n - 1};
        out->n_scored += n_before + n - 1;
        at += n_before + n;
    }
    return CNA_OK;
}

cna_status cna_windows_make(const cna_model *model, const char *text, size_t n_bytes, cna_windows *out, cna_error *err)
{
    const cna_tokenizer *tokenizer = cna_model_tokenizer(model);
    int32_t *ids = NULL, *bare = NULL;
    size_t n_ids = 0, n_bare = 0;
    cna_status status;
    *out = (cna_windows){0};
    CNA_TRY_CLEANUP(cna_tokenizer_encode(tokenizer, text, n_bytes, true, &ids, &n_ids, err));
    CNA_TRY_CLEANUP(cna_tokenizer_encode(tokenizer, text, n_bytes, false, &bare, &n_bare, err));
    size_t n_before = n_ids - n_bare;
    if (n_bare == 0 || n_ids < 2 || n_before >= CNA_WINDOW_TOKENS) {
        status = cna_fail(err, CNA_ERR_ARG, "text for perplexity: expected two tokens or more, found %zu", n_ids);
        goto cleanup;
    }
    CNA_TRY_CLEANUP(lay_out(ids, n_ids, n_before, out, err));
cleanup:
    cna_free(ids);
    cna_free(bare);
    if (status != CNA_OK) cna_windows_clear(out);
    return status;
}

static cna_status on_window(void *user, const cna_job_result *result, cna_error *err)
{
    double *sums = user;
    (void)err;
    for (size_t i = 0; i < result->n_ids; i++) sums[result->job] += result->logprobs[i];
    return CNA_OK;
}

cna_status cna_windows_perplexity(const cna_model *model, const cna_windows *windows, const cna_tap *tap,
                                  const cna_run_options *options, double *out, cna_error *err)
{
    cna_job *jobs = NULL;
    double *sums = NULL, sum = 0;
    cna_status status;
    CNA_TRY_CLEANUP(cna_alloc(&jobs, windows->n, sizeof *jobs, "text", err));
    CNA_TRY_CLEANUP(cna_alloc(&sums, windows->n, sizeof *sums, "text", err));
    memcpy(jobs, windows->jobs, windows->n * sizeof *jobs);
    for (size_t i = 0; i < windows->n; i++) jobs[i].tap = tap;
    CNA_TRY_CLEANUP(cna_engine_score(model, jobs, windows->n, options, on_window, sums, err));
    for (size_t i = 0; i < windows->n; i++) sum += sums[i];
    *out = exp(-sum / (double)windows->n_scored);
cleanup:
    cna_free(jobs);
    cna_free(sums);
    return status;
}
