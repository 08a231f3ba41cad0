/* SPDX-License-Identifier: MIT
 * cna_sweep_run: conditions times prompts into a run, then the figures from its rows. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "method/canonical.h"
#include "study/quality.h"
#include "study/refusal.h"
#include "study/run_inputs.h"
#include "study/sweep_config.h"
#include "study/sweep_measure.h"
#include "study/sweep_record.h"
#include "study/sweep_result.h"

/* A sweep under way. */
typedef struct sweep {
    const cna_model *model;
    const cna_sweep_options *options;
    cna_run *run;
    cna_run_part part;
    cna_format format;    /* its date the part's */
    cna_sweep_plan plan;
    cna_refusal *refusal;
    cna_windows windows;
    int64_t *prompts[2];  /* [plan.prompts[side].n] ids in the run */
    bool *wanted;         /* [plan.conditions.n] */
    cna_job *jobs;        /* [n_jobs] answers that are not there yet */
    cna_run_generation *pending; /* [n_jobs] with the ids of their condition and prompt */
    size_t n_jobs, pending_capacity;
    cna_sweep *out;
} sweep;

void cna_sweep_free(cna_sweep *result)
{
    if (result == NULL) return;
    cna_sweep_table_clear(&result->table);
    cna_sweep_rows_clear(&result->rows);
    cna_labels_clear(&result->labels);
    if (result->owns_run) cna_run_free(result->run);
    cna_free(result);
}

const cna_sweep_point *cna_sweep_points(const cna_sweep *result, size_t *n_points)
{
    *n_points = result->table.n_points;
    return result->table.points;
}

const cna_sweep_answer *cna_sweep_answers(const cna_sweep *result, size_t *n_answers)
{
    *n_answers = result->table.n_answers;
    return result->table.answers;
}

const cna_sweep_info *cna_sweep_get_info(const cna_sweep *result)
{
    return &result->info;
}

static cna_status begin_part(sweep *s, const char *patterns_sha256, cna_error *err)
{
    const cna_sweep_options *options = s->options;
    const cna_tokenizer *tokenizer = cna_model_tokenizer(s->model);
    const cna_model_info *info = cna_model_get_info(s->model);
    char date[11] = "";
    char *machine = NULL;
    json_t *config = NULL;
    cna_status status;
    if (cna_format_is_chat(tokenizer, &options->format)) {
        CNA_TRY(cna_canonical_date(tokenizer, &options->format, date, err));
    }
    CNA_TRY_CLEANUP(cna_sweep_config(s->model, options, &s->plan, patterns_sha256, &config, err));
    CNA_TRY_CLEANUP(cna_run_machine(s->model, &machine, err));
    const cna_run_part_spec spec = {
        .command = "sweep",
        .role = options->role,
        .model = info,
        .model_path = options->model_path == NULL ? info->name : options->model_path,
        .config = config,
        .seed = options->seed,
        .date = date,
        .date_given = options->format.date != NULL && date[0] != '\0',
        .machine = machine,
    };
    CNA_TRY_CLEANUP(cna_run_begin_part(s->run, &spec, &s->part, err));
    s->format = options->format;
    if (s->part.date[0] != '\0') s->format.date = s->part.date; /* one day for all prompts, whatever the clock says */
cleanup:
    cna_free(machine);
    json_decref(config);
    return status;
}

/* ---- generating ---- */

/* A job for each answer that the run does not hold yet. */
static cna_status find_missing(sweep *s, size_t condition, cna_side side, cna_error *err)
{
    size_t n = s->plan.prompts[side].n;
    int64_t id = s->plan.conditions.items[condition].id;
    bool *done;
    if (n == 0) return CNA_OK;
    CNA_TRY(cna_alloc(&done, n, sizeof *done, "answers", err));
    cna_status status = cna_run_find_done(s->run, id, side, done, n, err);
    for (size_t i = 0; i < n && status == CNA_OK; i++) {
        if (done[i]) continue;
        status = cna_grow(&s->pending, &s->pending_capacity, s->n_jobs + 1, sizeof *s->pending, "answers", err);
        if (status != CNA_OK) break;
        s->pending[s->n_jobs++] = (cna_run_generation){
            .condition = id, .prompt = s->prompts[side][i], .condition_position = condition, .prompt_position = i,
            .method = s->plan.conditions.items[condition].row.method, .side = side};
        s->wanted[condition] = true;
    }
    cna_free(done);
    return status;
}

/* What is measured afterwards needs the taps of every condition but the controls'. */
static cna_status choose_work(sweep *s, cna_error *err)
{
    CNA_TRY(cna_alloc(&s->wanted, s->plan.conditions.n, sizeof *s->wanted, "conditions", err));
    for (size_t i = 0; i < s->plan.conditions.n; i++) {
        s->wanted[i] = !cna_sweep_plan_is_control(&s->plan, i);
        for (int side = 0; side < 2; side++) {
            if (cna_sweep_plan_is_asked(&s->plan, i, (cna_side)side)) CNA_TRY(find_missing(s, i, (cna_side)side, err));
        }
    }
    return CNA_OK;
}

static double mean_of(const float *values, size_t n)
{
    if (n == 0) return NAN;
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += values[i];
    return sum / (double)n;
}

static cna_status judge_text(const sweep *s, cna_run_generation *row, cna_error *err)
{
    cna_quality quality;
    size_t skipped = s->options->keep_reasoning ? 0 : cna_refusal_reasoning(row->text, row->n_bytes);
    CNA_TRY(cna_refusal_match(s->refusal, row->text + skipped, row->n_bytes - skipped, &row->refused, err));
    CNA_TRY(cna_quality_measure(row->text + skipped, row->n_bytes - skipped, &quality, err));
    row->quality = quality.ratio;
    row->n_words = quality.n_words;
    return CNA_OK;
}

static cna_status on_answer(void *user, const cna_job_result *result, cna_error *err)
{
    const sweep *s = user;
    char *text;
    cna_run_generation row = s->pending[result->job];
    CNA_TRY(cna_tokenizer_decode(cna_model_tokenizer(s->model), result->ids, result->n_ids, true, &text, &row.n_bytes,
                                 err));
    row.ids = result->ids;
    row.n_tokens = result->n_ids;
    row.text = text;
    row.stop = result->stop;
    row.mean_logprob = row.method == CNA_RUN_NONE ? mean_of(result->logprobs, result->n_ids) : NAN;
    row.outcome = CNA_RUN_NO_OUTCOME;
    row.kl = NAN;
    cna_status status = judge_text(s, &row, err);
    if (status == CNA_OK) status = cna_run_add_generation(s->run, &row, NULL, err);
    cna_free(text);
    return status;
}

/* Counts of a part that is continued begin with what is there. */
typedef struct counter {
    const cna_progress *progress;
    size_t n_before;
} counter;

static bool report_all(void *user, const char *what, size_t done, size_t total)
{
    const counter *c = user;
    if (c->progress->report == NULL) return false;
    return c->progress->report(c->progress->user, what, c->n_before + done, c->n_before + total);
}

static void note_all(void *user, const char *text)
{
    const counter *c = user;
    if (c->progress->note != NULL) c->progress->note(c->progress->user, text);
}

static cna_status generate(sweep *s, cna_error *err)
{
    counter count = {&s->options->progress, cna_sweep_plan_n_answers(&s->plan) - s->n_jobs};
    const cna_run_options engine = {
        .max_tokens = cna_sweep_max_tokens(s->options),
        .batch = s->options->batch,
        .what = "generating",
        .progress = {report_all, note_all, &count},
    };
    if (s->n_jobs == 0) return CNA_OK;
    CNA_TRY(cna_alloc(&s->jobs, s->n_jobs, sizeof *s->jobs, "jobs", err));
    for (size_t i = 0; i < s->n_jobs; i++) {
        const cna_run_generation *row = &s->pending[i];
        s->jobs[i] = cna_sweep_plan_job(&s->plan, row->condition_position, row->side, row->prompt_position);
    }
    return cna_engine_generate(s->model, s->jobs, s->n_jobs, &engine, on_answer, s, err);
}

/* ---- the whole ---- */

static cna_status on_fold(void *user, size_t fold, const cna_circuit *circuit, cna_error *err)
{
    const sweep *s = user;
    char label[32];
    snprintf(label, sizeof label, "fold %zu", fold);
    return cna_sweep_record_circuit(s->run, s->part.id, label, circuit, err);
}

/* Everything up to the first answer, in one transaction: a sweep that cannot begin leaves its run as it was. */
static cna_status prepare(sweep *s, cna_error *err)
{
    const cna_sweep_options *options = s->options;
    CNA_TRY(begin_part(s, s->out->info.patterns_sha256, err));
    CNA_TRY(cna_sweep_plan_tokenize(s->model, &s->format, &s->plan, err));
    CNA_TRY(cna_run_pin_inputs(s->run, s->part.id, s->model, s->plan.prompts, 2, err));
    if (s->part.ended) return CNA_OK;
    CNA_TRY(cna_sweep_record(s->run, s->part.id, options, &s->plan, s->prompts, err));
    CNA_TRY(choose_work(s, err));
    if (options->perplexity != NULL) {
        CNA_TRY(cna_windows_make(s->model, options->perplexity, options->perplexity_bytes, &s->windows, err));
    }
    CNA_TRY(cna_sweep_plan_taps(s->model, options, &s->format, s->wanted, on_fold, s, &s->plan, err));
    return cna_sweep_measure_room(s->model, options, &s->plan, &s->windows, err);
}

/* What a file holds beside this sweep's own rows would be taken for them. */
static cna_status read_rows(sweep *s, cna_error *err)
{
    cna_sweep_rows *rows = &s->out->rows;
    CNA_TRY(cna_sweep_rows_read(s->run, s->part.id, rows, err));
    bool fits = rows->n_conditions == s->plan.conditions.n;
    for (int side = 0; side < 2; side++) fits = fits && rows->n_side[side] == s->plan.prompts[side].n;
    if (fits) return CNA_OK;
    return cna_fail(err, CNA_ERR_FORMAT,
                    "%s: expected %zu conditions, %zu and %zu prompts in this part, found %zu, %zu and %zu; use "
                    "another run file", cna_run_path(s->run), s->plan.conditions.n,
                    s->plan.prompts[CNA_SIDE_HARMFUL].n, s->plan.prompts[CNA_SIDE_BENIGN].n, rows->n_conditions,
                    rows->n_side[CNA_SIDE_HARMFUL], rows->n_side[CNA_SIDE_BENIGN]);
}

/* The answers that the part lacks, and what is said of them when all are there. */
static cna_status work(sweep *s, cna_error *err)
{
    CNA_TRY(generate(s, err));
    cna_memory_trim(); /* what follows plans with what the process holds, and generation's keys and values are free */
    CNA_TRY(read_rows(s, err));
    const cna_sweep_measure measure = {
        .model = s->model, .options = s->options, .plan = &s->plan, .windows = &s->windows, .run = s->run,
        .part = s->part.id, .rows = &s->out->rows,
    };
    CNA_TRY(cna_sweep_measure_run(&measure, err));
    return cna_run_end_part(s->run, s->part.id, err);
}

static void describe(const sweep *s, cna_sweep_info *info)
{
    const cna_sweep_rows *rows = &s->out->rows;
    memcpy(info->date, s->part.date, sizeof info->date);
    memcpy(info->note, s->part.note, sizeof info->note);
    info->logprob_percentile = cna_sweep_percentile(s->options);
    info->min_quality = rows->min_quality;
    info->min_logprob = rows->min_logprob;
    info->n_controls = s->plan.conditions.n_seeds;
    info->cross_fit = rows->n_folds;
    info->n_perplexity_tokens = rows->n_perplexity_tokens;
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
    bool limits = options->no_logprob_limit || options->logprob_percentile != 0;
    if (!isfinite(options->min_logprob) || options->min_logprob > 0 || (options->min_logprob != 0 && limits)) {
        return cna_fail(err, CNA_ERR_ARG,
                        "least log-probability: expected a number below 0, and no other limit beside it, "
                        "found %g", options->min_logprob);
    }
    return CNA_OK;
}

static cna_status open_run(sweep *s, cna_error *err)
{
    CNA_TRY(cna_alloc(&s->out, 1, sizeof *s->out, "sweep", err));
    s->out->run = s->options->run;
    if (s->options->run == NULL) {
        CNA_TRY(cna_run_open(NULL, NULL, &s->out->run, err));
        s->out->owns_run = true;
    }
    s->run = s->out->run;
    return CNA_OK;
}

static void free_sweep(sweep *s)
{
    for (int side = 0; side < 2; side++) cna_free(s->prompts[side]);
    cna_free(s->wanted);
    cna_free(s->jobs);
    cna_free(s->pending);
    cna_refusal_free(s->refusal);
    cna_windows_clear(&s->windows);
    cna_sweep_plan_clear(&s->plan);
    cna_sweep_free(s->out);
}

cna_status cna_sweep_run(const cna_model *model, const cna_prompts *prompts, const cna_sweep_options *options,
                         cna_sweep **out, cna_error *err)
{
    static const cna_sweep_options defaults;
    if (options == NULL) options = &defaults;
    sweep s = {.model = model, .options = options};
    cna_status status = CNA_OK;
    CNA_TRY_CLEANUP(check_options(options, err));
    CNA_TRY_CLEANUP(open_run(&s, err));
    CNA_TRY_CLEANUP(cna_refusal_create(options->patterns, options->patterns_name, &s.refusal, err));
    CNA_TRY_CLEANUP(cna_refusal_sha256(options->patterns, s.out->info.patterns_sha256, err));
    CNA_TRY_CLEANUP(cna_sweep_plan_make(model, prompts, options, &s.plan, err));
    CNA_TRY_CLEANUP(cna_run_begin(s.run, err));
    CNA_TRY_CLEANUP(cna_run_end(s.run, prepare(&s, err), err));
    if (s.part.ended) {
        CNA_TRY_CLEANUP(read_rows(&s, err));
    } else {
        CNA_TRY_CLEANUP(work(&s, err));
    }
    CNA_TRY_CLEANUP(cna_sweep_table_make(&s.out->rows, &s.out->table, err));
    describe(&s, &s.out->info);
    *out = s.out;
    s.out = NULL;
cleanup:
    free_sweep(&s);
    return status;
}
