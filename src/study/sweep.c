/* SPDX-License-Identifier: MIT
 * cna_sweep_run: one batch of generations, one of scores, then the figures. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "method/canonical.h"
#include "method/circuit.h"
#include "study/quality.h"
#include "study/refusal.h"
#include "study/sweep_plan.h"
#include "study/sweep_points.h"

struct cna_sweep {
    cna_sweep_answer *answers; /* [n_answers]; their text is theirs */
    size_t n_answers;
    cna_sweep_point *points; /* [n_points] */
    size_t n_points;
    double *rates; /* ? [kind, multiplier other than 1, seed], what the points' controls point to */
    cna_quality_limits limits;
    cna_sweep_info info;
};

/* A sweep under way. */
typedef struct run {
    const cna_model *model;
    const cna_tokenizer *tokenizer;
    cna_sweep_plan plan;
    cna_refusal *refusal;
    cna_sweep *sweep;
    int32_t **ids;          /* [n_answers], each [its n_tokens] */
    bool *changed;          /* [n_answers] whether the ids differ from those at m = 1 */
    unsigned char *refused; /* [n_jobs]; answers keep theirs as well */
    bool leak_known;        /* every circuit lists the prompts it was found on */
    size_t *scored;         /* [n_scored] which answer each scoring job is of */
} run;

void cna_sweep_free(cna_sweep *sweep)
{
    if (sweep == NULL) return;
    for (size_t i = 0; i < sweep->n_answers; i++) {
        /* const only for the readers of an answer */
        cna_free((char *)(uintptr_t)sweep->answers[i].text);
    }
    cna_free(sweep->answers);
    cna_free(sweep->points);
    cna_free(sweep->rates);
    cna_free(sweep);
}

const cna_sweep_point *cna_sweep_points(const cna_sweep *sweep, size_t *n_points)
{
    *n_points = sweep->n_points;
    return sweep->points;
}

const cna_sweep_answer *cna_sweep_answers(const cna_sweep *sweep, size_t *n_answers)
{
    *n_answers = sweep->n_answers;
    return sweep->answers;
}

void cna_sweep_thresholds(const cna_sweep *sweep, double *min_quality, double *min_logprob)
{
    *min_quality = sweep->limits.min_quality;
    *min_logprob = sweep->limits.min_logprob;
}

const cna_sweep_info *cna_sweep_get_info(const cna_sweep *sweep)
{
    return &sweep->info;
}

/* ---- prompts that the circuit was found on ---- */

static int compare_hashes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(cna_sha256_text));
}

static cna_status known_prompts(const cna_sweep_options *options, cna_sha256_text **out, size_t *out_n,
                                cna_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < options->n_circuits; i++) {
        n += options->circuits[i]->info.n_positive + options->circuits[i]->info.n_negative;
    }
    CNA_TRY(cna_alloc(out, n, sizeof **out, "prompt hashes", err));
    cna_sha256_text *end = *out;
    for (size_t i = 0; i < options->n_circuits; i++) {
        const cna_circuit *circuit = options->circuits[i];
        for (size_t j = 0; j < circuit->info.n_positive; j++) *end++ = circuit->positive[j];
        for (size_t j = 0; j < circuit->info.n_negative; j++) *end++ = circuit->negative[j];
    }
    if (n != 0) qsort(*out, n, sizeof **out, compare_hashes);
    *out_n = n;
    return CNA_OK;
}

static cna_status mark_leaks(run *r, const cna_prompts *prompts, cna_side side, const cna_sha256_text *known,
                             size_t n_known, cna_error *err)
{
    for (size_t i = 0; n_known != 0 && i < r->plan.prompts[side].n; i++) {
        cna_sha256_text hash = {{0}};
        CNA_TRY(cna_prompts_sha256(prompts, i, hash.hex, err));
        bool leaked = bsearch(&hash, known, n_known, sizeof *known, compare_hashes) != NULL;
        for (size_t m = 0; m < r->plan.n_multipliers; m++) {
            r->sweep->answers[cna_sweep_plan_first(&r->plan, side, m) + i].leaked = leaked;
        }
    }
    return CNA_OK;
}

/* ---- generating ---- */

static double mean_of(const float *values, size_t n)
{
    if (n == 0) return NAN;
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += values[i];
    return sum / (double)n;
}

static cna_status keep_answer(run *r, const cna_job_result *result, char *text, size_t n_bytes,
                              cna_error *err)
{
    cna_sweep_answer *answer = &r->sweep->answers[result->job];
    answer->text = text;
    answer->n_bytes = n_bytes;
    answer->n_tokens = result->n_ids;
    answer->stop = result->stop;
    answer->refused = r->refused[result->job];
    answer->mean_logprob = answer->multiplier == 1 ? mean_of(result->logprobs, result->n_ids) : NAN;
    CNA_TRY(cna_alloc(&r->ids[result->job], result->n_ids, sizeof **r->ids, "answer", err));
    if (result->n_ids != 0) memcpy(r->ids[result->job], result->ids, result->n_ids * sizeof *result->ids);
    cna_quality quality;
    CNA_TRY(cna_quality_measure(text, n_bytes, &quality, err));
    answer->quality = quality.ratio;
    answer->n_words = quality.n_words;
    return CNA_OK;
}

static cna_status on_answer(void *user, const cna_job_result *result, cna_error *err)
{
    run *r = user;
    char *text;
    size_t n_bytes;
    CNA_TRY(cna_tokenizer_decode(r->tokenizer, result->ids, result->n_ids, true, &text, &n_bytes, err));
    bool refused = false;
    cna_status status = cna_refusal_match(r->refusal, text, n_bytes, &refused, err);
    r->refused[result->job] = refused;
    if (status == CNA_OK && result->job < r->plan.n_answers) {
        return keep_answer(r, result, text, n_bytes, err); /* which takes the text even where it fails */
    }
    cna_free(text);
    return status;
}

/* ---- scoring ---- */

static bool same_ids(const run *r, size_t a, size_t b)
{
    size_t n = r->sweep->answers[a].n_tokens;
    if (n != r->sweep->answers[b].n_tokens) return false;
    return n == 0 || memcmp(r->ids[a], r->ids[b], n * sizeof **r->ids) == 0;
}

/* Index of the same prompt's answer at m = 1. */
static size_t base_of(const run *r, size_t answer)
{
    const cna_sweep_answer *a = &r->sweep->answers[answer];
    return cna_sweep_plan_first(&r->plan, a->side, r->plan.base) + a->prompt;
}

static cna_status on_score(void *user, const cna_job_result *result, cna_error *err)
{
    (void)err;
    run *r = user;
    r->sweep->answers[r->scored[result->job]].mean_logprob = mean_of(result->logprobs, result->n_ids);
    return CNA_OK;
}

/* Mean log-probability of steered answers under the untouched model. An answer with the ids of m = 1 has its
 * value, which generation gave in the same bits. */
static cna_status score(run *r, const cna_run_options *options, cna_error *err)
{
    cna_job *jobs;
    CNA_TRY(cna_alloc(&r->scored, r->plan.n_answers, sizeof *r->scored, "scores", err));
    CNA_TRY(cna_alloc(&jobs, r->plan.n_answers, sizeof *jobs, "scores", err));
    size_t n = 0;
    for (size_t i = 0; i < r->plan.n_answers; i++) {
        cna_sweep_answer *answer = &r->sweep->answers[i];
        r->changed[i] = !same_ids(r, i, base_of(r, i));
        if (!r->changed[i]) {
            answer->mean_logprob = r->sweep->answers[base_of(r, i)].mean_logprob;
        } else if (answer->n_tokens != 0) {
            jobs[n] = r->plan.jobs[i];
            jobs[n].tap = NULL;
            jobs[n].answer_ids = r->ids[i];
            jobs[n].n_answer_ids = answer->n_tokens;
            r->scored[n++] = i;
        }
    }
    cna_status status = n == 0 ? CNA_OK : cna_engine_score(r->model, jobs, n, options, on_score, r, err);
    cna_free(jobs);
    return status;
}

/* ---- figures ---- */

/* The m = 1 answers of both sides set the threshold, then every answer is judged by it. */
static cna_status judge(run *r, const cna_sweep_options *options, cna_error *err)
{
    const cna_sweep_plan *plan = &r->plan;
    cna_sweep *sweep = r->sweep;
    size_t n_harmful = plan->prompts[CNA_SIDE_HARMFUL].n;
    size_t n_benign = plan->prompts[CNA_SIDE_BENIGN].n;
    cna_sweep_answer *base;
    CNA_TRY(cna_alloc(&base, n_harmful + n_benign, sizeof *base, "answers", err));
    memcpy(base, sweep->answers + cna_sweep_plan_first(plan, CNA_SIDE_HARMFUL, plan->base),
           n_harmful * sizeof *base);
    memcpy(base + n_harmful, sweep->answers + cna_sweep_plan_first(plan, CNA_SIDE_BENIGN, plan->base),
           n_benign * sizeof *base);
    double percentile = options->logprob_percentile == 0 ? 1 : options->logprob_percentile;
    sweep->limits.min_quality = options->min_quality == 0 ? 0.6 : options->min_quality;
    sweep->info.logprob_percentile = options->no_logprob_limit ? 0 : percentile;
    cna_status status =
        cna_sweep_min_logprob(base, n_harmful + n_benign, percentile, &sweep->limits.min_logprob, err);
    if (options->no_logprob_limit) sweep->limits.min_logprob = -INFINITY;
    cna_free(base);
    for (size_t i = 0; status == CNA_OK && i < sweep->n_answers; i++) {
        cna_sweep_answer *answer = &sweep->answers[i];
        cna_quality quality = {answer->n_words, answer->quality};
        answer->outcome =
            cna_quality_outcome(&quality, answer->mean_logprob, answer->refused, &sweep->limits);
    }
    return status;
}

static void add_controls(run *r, size_t multiplier, cna_sweep_point *point, double base_rate)
{
    const cna_sweep_plan *plan = &r->plan;
    size_t n_prompts = plan->prompts[CNA_SIDE_HARMFUL].n;
    size_t steered = multiplier < plan->base ? multiplier : multiplier - 1;
    for (int kind = 0; kind < 2; kind++) {
        double *rates =
            r->sweep->rates + ((size_t)kind * (plan->n_multipliers - 1) + steered) * plan->n_seeds;
        for (size_t seed = 0; seed < plan->n_seeds; seed++) {
            const unsigned char *refused =
                r->refused + cna_sweep_plan_control(plan, (cna_control_kind)kind, seed, steered);
            size_t count = 0;
            for (size_t i = 0; i < n_prompts; i++) count += refused[i];
            rates[seed] = (double)count / (double)n_prompts;
        }
        cna_sweep_point_control(point, (cna_control_kind)kind, rates, plan->n_seeds, base_rate);
    }
}

static cna_status make_points(run *r, cna_error *err)
{
    const cna_sweep_plan *plan = &r->plan;
    cna_sweep *sweep = r->sweep;
    CNA_TRY(cna_alloc(&sweep->points, 2 * plan->n_multipliers, sizeof *sweep->points, "points", err));
    CNA_TRY(cna_alloc(&sweep->rates, 2 * (plan->n_multipliers - 1) * plan->n_seeds, sizeof *sweep->rates,
                      "control rates", err));
    for (int side = 0; side < 2; side++) {
        size_t n = plan->prompts[side].n;
        if (n == 0) continue;
        const cna_sweep_answer *base =
            sweep->answers + cna_sweep_plan_first(plan, (cna_side)side, plan->base);
        for (size_t m = 0; m < plan->n_multipliers; m++) {
            size_t first = cna_sweep_plan_first(plan, (cna_side)side, m);
            cna_sweep_point *point = &sweep->points[sweep->n_points++];
            cna_sweep_point_fill(sweep->answers + first, base, r->changed + first, n, point);
            point->leak_known = r->leak_known;
            if (side != CNA_SIDE_HARMFUL || m == plan->base || plan->n_seeds == 0) continue;
            size_t base_refused = 0;
            for (size_t i = 0; i < n; i++) base_refused += base[i].refused;
            add_controls(r, m, point, (double)base_refused / (double)n);
        }
    }
    return CNA_OK;
}

/* ---- the whole ---- */

static cna_status prepare(run *r, const cna_prompts *prompts, const cna_sweep_options *options,
                          cna_error *err)
{
    const cna_sweep_plan *plan = &r->plan;
    CNA_TRY(cna_alloc(&r->sweep, 1, sizeof *r->sweep, "sweep", err));
    CNA_TRY(cna_refusal_create(options->patterns, options->patterns_name, &r->refusal, err));
    CNA_TRY(cna_refusal_sha256(options->patterns, r->sweep->info.patterns_sha256, err));
    cna_sweep_options dated = *options; /* one day for all prompts, whatever the clock says meanwhile */
    if (cna_format_is_chat(r->tokenizer, &options->format)) {
        char *date = r->sweep->info.date;
        CNA_TRY(cna_canonical_date(r->tokenizer, options->format.date, date, err));
        if (date[0] != '\0') dated.format.date = date;
    }
    CNA_TRY(cna_sweep_plan_make(r->model, prompts, &dated, &r->plan, err));
    CNA_TRY(cna_alloc(&r->sweep->answers, plan->n_answers, sizeof *r->sweep->answers, "answers", err));
    r->sweep->n_answers = plan->n_answers;
    CNA_TRY(cna_alloc(&r->ids, plan->n_answers, sizeof *r->ids, "answers", err));
    CNA_TRY(cna_alloc(&r->changed, plan->n_answers, sizeof *r->changed, "answers", err));
    CNA_TRY(cna_alloc(&r->refused, plan->n_jobs, sizeof *r->refused, "verdicts", err));
    for (int side = 0; side < 2; side++) {
        for (size_t m = 0; m < plan->n_multipliers; m++) {
            cna_sweep_answer *answers = r->sweep->answers + cna_sweep_plan_first(plan, (cna_side)side, m);
            for (size_t i = 0; i < plan->prompts[side].n; i++) {
                answers[i].side = (cna_side)side;
                answers[i].prompt = i;
                answers[i].multiplier = plan->multipliers[m];
            }
        }
    }
    r->leak_known = true;
    for (size_t i = 0; i < options->n_circuits; i++) {
        const cna_circuit_info *info = &options->circuits[i]->info;
        if (info->n_positive + info->n_negative == 0) r->leak_known = false;
    }
    cna_sha256_text *known = NULL;
    size_t n_known = 0;
    CNA_TRY(known_prompts(options, &known, &n_known, err));
    cna_status status = mark_leaks(r, prompts, CNA_SIDE_HARMFUL, known, n_known, err);
    if (status == CNA_OK) status = mark_leaks(r, options->benign, CNA_SIDE_BENIGN, known, n_known, err);
    cna_free(known);
    return status;
}

static cna_status check_options(const cna_sweep_options *options, cna_error *err)
{
    if (!(options->min_quality >= 0 && options->min_quality <= 1)) {
        return cna_fail(err, CNA_ERR_ARG, "least quality: expected 0 to 1, found %g", options->min_quality);
    }
    if (!(options->logprob_percentile >= 0 && options->logprob_percentile <= 100)) {
        return cna_fail(err, CNA_ERR_ARG, "log-probability percentile: expected 0 to 100, found %g",
                        options->logprob_percentile);
    }
    return CNA_OK;
}

static void free_run(run *r)
{
    for (size_t i = 0; r->ids != NULL && i < r->plan.n_answers; i++) cna_free(r->ids[i]);
    cna_free(r->ids);
    cna_free(r->changed);
    cna_free(r->refused);
    cna_free(r->scored);
    cna_refusal_free(r->refusal);
    cna_sweep_free(r->sweep);
    cna_sweep_plan_clear(&r->plan);
}

cna_status cna_sweep_run(const cna_model *model, const cna_prompts *prompts, const cna_sweep_options *options,
                         cna_sweep **out, cna_error *err)
{
    static const cna_sweep_options defaults;
    if (options == NULL) options = &defaults;
    cna_run_options engine = {.max_tokens = options->max_tokens,
                              .batch = options->batch,
                              .what = "generating",
                              .progress = options->progress};
    run r = {.model = model, .tokenizer = cna_model_tokenizer(model)};
    cna_status status = CNA_OK;
    CNA_TRY_CLEANUP(check_options(options, err));
    CNA_TRY_CLEANUP(prepare(&r, prompts, options, err));
    CNA_TRY_CLEANUP(cna_engine_generate(model, r.plan.jobs, r.plan.n_jobs, &engine, on_answer, &r, err));
    cna_memory_trim(); /* scoring plans with what the process holds, and generation's keys and values are free by now */
    engine.what = "scoring";
    CNA_TRY_CLEANUP(score(&r, &engine, err));
    CNA_TRY_CLEANUP(judge(&r, options, err));
    CNA_TRY_CLEANUP(make_points(&r, err));
    *out = r.sweep;
    r.sweep = NULL;
cleanup:
    free_run(&r);
    return status;
}
