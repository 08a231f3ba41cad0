/* SPDX-License-Identifier: MIT
 * cna_sweep_run: conditions times prompts into a run, then the figures from its rows. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "method/canonical.h"
#include "study/quality.h"
#include "study/refusal.h"
#include "study/sweep_config.h"
#include "study/sweep_measure.h"
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
    size_t n_answers;     /* that the sweep comes to, those there already included */
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

/* ---- prompts that a circuit was found on ---- */

typedef struct hashes {
    cna_sha256_text *items; /* sorted */
    size_t n, capacity;
    bool complete;          /* every circuit lists its prompts */
} hashes;

static int compare_hashes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(cna_sha256_text));
}

static cna_status add_hashes(hashes *known, const cna_sha256_text *items, size_t n, cna_error *err)
{
    CNA_TRY(cna_grow(&known->items, &known->capacity, known->n + n, sizeof *known->items, "prompt hashes", err));
    if (n != 0) memcpy(known->items + known->n, items, n * sizeof *items);
    known->n += n;
    return CNA_OK;
}

static cna_status add_prompts(hashes *known, const cna_prompts *prompts, cna_error *err)
{
    for (size_t i = 0; prompts != NULL && i < cna_prompts_count(prompts); i++) {
        cna_sha256_text hash = {{0}};
        CNA_TRY(cna_prompts_sha256(prompts, i, hash.hex, err));
        CNA_TRY(add_hashes(known, &hash, 1, err));
    }
    return CNA_OK;
}

static cna_status find_known(const cna_sweep_options *options, hashes *out, cna_error *err)
{
    out->complete = true;
    for (size_t i = 0; i < options->n_circuits; i++) {
        const cna_circuit *circuit = options->circuits[i];
        if (circuit->info.n_positive + circuit->info.n_negative == 0) out->complete = false;
        CNA_TRY(add_hashes(out, circuit->positive, circuit->info.n_positive, err));
        CNA_TRY(add_hashes(out, circuit->negative, circuit->info.n_negative, err));
    }
    if (options->alphas.n != 0 || options->cross_fit != 0) {
        CNA_TRY(add_prompts(out, options->positive, err));
        CNA_TRY(add_prompts(out, options->negative, err));
    }
    if (out->n != 0) qsort(out->items, out->n, sizeof *out->items, compare_hashes);
    return CNA_OK;
}

static cna_run_discovery discovery_of(const hashes *known, const cna_sha256_text *hash)
{
    bool found = known->n != 0 && bsearch(hash, known->items, known->n, sizeof *hash, compare_hashes) != NULL;
    if (found) return CNA_RUN_DISCOVERY;
    return known->complete ? CNA_RUN_UNSEEN : CNA_RUN_DISCOVERY_UNKNOWN;
}

/* ---- what goes into the run before any answer ---- */

/* A prompt of token ids has no text of its own. */
static cna_status add_prompt(sweep *s, cna_side side, size_t i, const hashes *known, cna_error *err)
{
    const cna_prompts *prompts = s->plan.given[side];
    cna_sha256_text hash = {{0}};
    cna_run_prompt row = {.side = side, .position = i, .category = cna_prompts_category(prompts, i)};
    CNA_TRY(cna_prompts_sha256(prompts, i, hash.hex, err));
    row.text = cna_prompts_text(prompts, i, &row.n_bytes);
    if (row.text == NULL) row.text = "";
    row.discovery = discovery_of(known, &hash);
    return cna_run_add_prompt(s->run, s->part.id, &row, &s->prompts[side][i], err);
}

static cna_status add_circuit(const sweep *s, const char *label, const cna_circuit *circuit, cna_error *err)
{
    char *json;
    CNA_TRY(cna_circuit_to_json(circuit, CNA_CIRCUIT_CNA, &json, err));
    cna_status status = cna_run_add_circuit(s->run, s->part.id, label, json, NULL, err);
    cna_free(json);
    return status;
}

static cna_status add_circuits(const sweep *s, cna_error *err)
{
    const cna_sweep_circuits *circuits = &s->plan.circuits;
    for (size_t i = 0; i < circuits->n_circuits; i++) {
        CNA_TRY(add_circuit(s, circuits->names[i], circuits->given[i], err));
    }
    for (size_t cut = 0; cut < circuits->n_cuts; cut++) {
        if (circuits->cuts[cut] == 0) continue;
        CNA_TRY(add_circuit(s, circuits->cut_names[cut], cna_sweep_circuits_set(circuits, 0, cut)[0], err));
    }
    return CNA_OK;
}

static cna_status add_all(sweep *s, const hashes *known, cna_error *err)
{
    const cna_sweep_options *options = s->options;
    for (size_t i = 0; i < options->n_files; i++) {
        CNA_TRY(cna_run_add_file_at(s->run, s->part.id, options->files[i].role, options->files[i].path, err));
    }
    CNA_TRY(add_circuits(s, err));
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < s->plan.prompts[side].n; i++) CNA_TRY(add_prompt(s, (cna_side)side, i, known, err));
    }
    for (size_t i = 0; i < s->plan.conditions.n; i++) {
        cna_sweep_condition *condition = &s->plan.conditions.items[i];
        CNA_TRY(cna_run_add_condition(s->run, s->part.id, &condition->row, &condition->id, err));
    }
    return cna_run_plan_part(s->run, s->part.id, s->n_answers, err);
}

/* Controls run on the harmful side only: it is there that a circuit is said to do something. */
static bool is_asked(const sweep *s, size_t condition, int side)
{
    return side == CNA_SIDE_HARMFUL || !cna_sweep_plan_is_control(&s->plan, condition);
}

static cna_status fill_run(sweep *s, cna_error *err)
{
    hashes known = {0};
    cna_status status = CNA_OK;
    for (int side = 0; side < 2; side++) {
        size_t n = s->plan.prompts[side].n;
        CNA_TRY_CLEANUP(cna_alloc(&s->prompts[side], n, sizeof *s->prompts[side], "prompts", err));
        for (size_t i = 0; i < s->plan.conditions.n; i++) s->n_answers += is_asked(s, i, side) ? n : 0;
    }
    CNA_TRY_CLEANUP(find_known(s->options, &known, err));
    CNA_TRY_CLEANUP(add_all(s, &known, err));
cleanup:
    cna_free(known.items);
    return status;
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
        CNA_TRY(cna_canonical_date(tokenizer, options->format.date, date, err));
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
            if (is_asked(s, i, side)) CNA_TRY(find_missing(s, i, (cna_side)side, err));
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
    CNA_TRY(cna_refusal_match(s->refusal, row->text, row->n_bytes, &row->refused, err));
    CNA_TRY(cna_quality_measure(row->text, row->n_bytes, &quality, err));
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
    counter count = {&s->options->progress, s->n_answers - s->n_jobs};
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
    char label[32];
    snprintf(label, sizeof label, "fold %zu", fold);
    return add_circuit(user, label, circuit, err);
}

/* Everything up to the first answer, in one transaction: a sweep that cannot begin leaves its run as it was. */
static cna_status prepare(sweep *s, cna_error *err)
{
    const cna_sweep_options *options = s->options;
    CNA_TRY(begin_part(s, s->out->info.patterns_sha256, err));
    CNA_TRY(cna_sweep_plan_tokenize(s->model, &s->format, &s->plan, err));
    if (s->part.ended) return CNA_OK;
    CNA_TRY(fill_run(s, err));
    CNA_TRY(choose_work(s, err));
    if (options->perplexity != NULL) {
        CNA_TRY(cna_windows_make(s->model, options->perplexity, options->perplexity_bytes, &s->windows, err));
    }
    CNA_TRY(cna_sweep_plan_taps(s->model, options, &s->format, s->wanted, on_fold, s, &s->plan, err));
    return cna_sweep_measure_room(s->model, options, &s->plan, &s->windows, err);
}

/* The answers that the part lacks, and what is said of them when all are there. */
static cna_status work(sweep *s, cna_error *err)
{
    CNA_TRY(generate(s, err));
    cna_memory_trim(); /* what follows plans with what the process holds, and generation's keys and values are free */
    CNA_TRY(cna_sweep_rows_read(s->run, s->part.id, &s->out->rows, err));
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
        CNA_TRY_CLEANUP(cna_sweep_rows_read(s.run, s.part.id, &s.out->rows, err));
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
