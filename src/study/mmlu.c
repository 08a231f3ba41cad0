/* SPDX-License-Identifier: MIT
 * cna_mmlu_run: subject by subject, every question under every multiplier. */
#include <math.h>
#include <string.h>

#include "base/progress.h"
#include "engine/engine.h"
#include "engine/model.h"
#include "method/canonical.h"
#include "method/intervene.h"
#include "study/mmlu_layout.h"
#include "study/mmlu_points.h"
#include "study/mmlu_prompt.h"
#include "study/mmlu_store.h"
#include "study/multipliers.h"
#include "study/run_inputs.h"

enum { DEFAULT_SHOTS = 5 };

struct cna_mmlu {
    cna_mmlu_answer *answers; /* [n_answers] */
    size_t n_answers;
    cna_mmlu_point *points; /* [n_points] */
    size_t n_points;
    cna_mmlu_info info;
};

/* A run under way. */
typedef struct run {
    const cna_model *model;
    const cna_mmlu_options *options;
    cna_format format;
    cna_mmlu_data data;
    cna_mmlu_block *blocks; /* [n_blocks] */
    size_t n_blocks;
    double *multipliers;    /* [n_multipliers] */
    size_t n_multipliers, base;
    cna_tap **taps;         /* [n_multipliers] NULL for 1 */
    cna_mmlu_prompter prompter;
    bool *done;             /* [n_answers] */
    size_t n_done, n_before; /* answers; n_before: when the subject under way began */
    bool noted;
    cna_mmlu_store store;
    cna_mmlu *mmlu;
} run;

void cna_mmlu_free(cna_mmlu *mmlu)
{
    if (mmlu == NULL) return;
    cna_free(mmlu->answers);
    cna_free(mmlu->points);
    cna_free(mmlu);
}

const cna_mmlu_point *cna_mmlu_points(const cna_mmlu *mmlu, size_t *n_points)
{
    *n_points = mmlu->n_points;
    return mmlu->points;
}

const cna_mmlu_answer *cna_mmlu_answers(const cna_mmlu *mmlu, size_t *n_answers)
{
    *n_answers = mmlu->n_answers;
    return mmlu->answers;
}

const cna_mmlu_info *cna_mmlu_get_info(const cna_mmlu *mmlu)
{
    return &mmlu->info;
}

/* ---- what is asked ---- */

/* Where answers stand, and what they are to. */
static cna_status lay_out(run *r, cna_error *err)
{
    cna_mmlu *mmlu = r->mmlu;
    size_t limit = r->options->limit;
    CNA_TRY(cna_alloc(&r->blocks, CNA_MMLU_N_SUBJECTS, sizeof *r->blocks, "subjects", err));
    for (size_t s = 0; s < CNA_MMLU_N_SUBJECTS; s++) {
        size_t n = r->data.lists[CNA_MMLU_TEST][s].n;
        if (limit != 0 && n > limit) n = limit;
        if (n == 0) continue;
        r->blocks[r->n_blocks++] = (cna_mmlu_block){.subject = s, .first = mmlu->n_answers, .n_questions = n};
        mmlu->n_answers += n * r->n_multipliers;
        mmlu->info.n_questions += n;
    }
    mmlu->info.n_subjects = r->n_blocks;
    CNA_TRY(cna_alloc(&mmlu->answers, mmlu->n_answers, sizeof *mmlu->answers, "answers", err));
    CNA_TRY(cna_alloc(&r->done, mmlu->n_answers, sizeof *r->done, "answers", err));
    cna_mmlu_answer *answer = mmlu->answers;
    for (size_t b = 0; b < r->n_blocks; b++) {
        size_t s = r->blocks[b].subject;
        for (size_t m = 0; m < r->n_multipliers; m++) {
            for (size_t q = 0; q < r->blocks[b].n_questions; q++, answer++) {
                answer->subject = cna_mmlu_subjects()[s].name;
                answer->question = q;
                answer->multiplier = r->multipliers[m];
                answer->answer = r->data.lists[CNA_MMLU_TEST][s].items[q].answer;
            }
        }
    }
    return CNA_OK;
}

/* ---- what is done to the model ---- */

static cna_status make_tap(const run *r, double multiplier, cna_tap **out, cna_error *err)
{
    const cna_mmlu_options *options = r->options;
    const cna_model_info *info = cna_model_get_info(r->model);
    cna_intervention *interventions;
    cna_scale *scales;
    size_t n_scales;
    CNA_TRY(cna_alloc(&interventions, options->n_circuits, sizeof *interventions, "interventions", err));
    for (size_t i = 0; i < options->n_circuits; i++) {
        interventions[i] = (cna_intervention){options->circuits[i], multiplier, options->positions, options->sign};
    }
    cna_status status = cna_intervene_scales(interventions, options->n_circuits, info->n_layers, info->mlp_dim,
                                             &scales, &n_scales, err);
    cna_free(interventions);
    CNA_TRY(status);
    if (multiplier != 1) status = cna_tap_create(scales, n_scales, info->n_layers, info->mlp_dim, out, err);
    cna_free(scales);
    return status;
}

static cna_status make_taps(run *r, cna_error *err)
{
    static const double usual[] = {0, 1};
    const cna_mmlu_options *options = r->options;
    cna_numbers given = {options->multipliers, options->n_multipliers};
    if (options->n_circuits == 0 && given.n != 0) {
        return cna_fail(err, CNA_ERR_ARG, "multipliers: expected a circuit that they scale, found none");
    }
    if (given.values == NULL) given = options->n_circuits == 0 ? (cna_numbers){usual + 1, 1} : (cna_numbers){usual, 2};
    CNA_TRY(cna_multipliers_check("multipliers", &given, err));
    CNA_TRY(cna_alloc(&r->multipliers, given.n + 1, sizeof *r->multipliers, "multipliers", err));
    r->n_multipliers = cna_multipliers_tidy(&given, true, r->multipliers);
    while (r->multipliers[r->base] != 1) r->base++;
    CNA_TRY(cna_alloc(&r->taps, r->n_multipliers, sizeof *r->taps, "taps", err));
    for (size_t m = 0; m < r->n_multipliers; m++) CNA_TRY(make_tap(r, r->multipliers[m], &r->taps[m], err));
    return CNA_OK;
}

/* ---- one subject ---- */

/* The questions of a subject that are still to be answered, as jobs: four for each answer. */
typedef struct batch {
    run *run;
    const cna_mmlu_block *block;
    cna_mmlu_prompt *prompts; /* [block->n_questions] */
    size_t *pending;          /* [n_pending] answers */
    unsigned char *n_left;    /* [n_pending] choices that are not scored yet */
    size_t n_pending;
    cna_job *jobs;            /* [4 n_pending] */
} batch;

static cna_status make_prompts(batch *b, cna_error *err)
{
    run *r = b->run;
    const cna_mmlu_items *questions = &r->data.lists[CNA_MMLU_TEST][b->block->subject];
    const char *subject = cna_mmlu_subjects()[b->block->subject].name;
    CNA_TRY(cna_mmlu_prompter_begin(&r->prompter, subject, r->data.lists[CNA_MMLU_DEV][b->block->subject].items,
                                    r->mmlu->info.n_shots, err));
    CNA_TRY(cna_alloc(&b->prompts, b->block->n_questions, sizeof *b->prompts, "questions", err));
    for (size_t q = 0; q < b->block->n_questions; q++) {
        cna_mmlu_prompt *prompt = &b->prompts[q];
        cna_status status = cna_mmlu_prompt_make(&r->prompter, &questions->items[q], prompt, err);
        size_t most = 0;
        for (int i = 0; i < 4 && status == CNA_OK; i++) {
            /* The engine checks a job's prompt only. */
            status = cna_model_check_ids(r->model, prompt->choices[i], prompt->n_choices[i], err);
            if (prompt->skip[i] > most) most = prompt->skip[i];
        }
        if (status != CNA_OK) return cna_fail_prefix(err, status, subject);
        r->mmlu->info.n_cut += most != 0;
    }
    return CNA_OK;
}

static cna_status make_jobs(batch *b, cna_error *err)
{
    run *r = b->run;
    size_t n_questions = b->block->n_questions, n_answers = n_questions * r->n_multipliers;
    CNA_TRY(cna_alloc(&b->pending, n_answers, sizeof *b->pending, "answers", err));
    CNA_TRY(cna_alloc(&b->n_left, n_answers, sizeof *b->n_left, "answers", err));
    CNA_TRY(cna_alloc(&b->jobs, 4 * n_answers, sizeof *b->jobs, "answers", err));
    for (size_t i = 0; i < n_answers; i++) {
        if (r->done[b->block->first + i]) continue;
        const cna_mmlu_prompt *prompt = &b->prompts[i % n_questions];
        for (int k = 0; k < 4; k++) {
            b->jobs[4 * b->n_pending + (size_t)k] = (cna_job){
                .prompt_ids = prompt->context + prompt->skip[k], .n_prompt_ids = prompt->n_context - prompt->skip[k],
                .answer_ids = prompt->choices[k], .n_answer_ids = prompt->n_choices[k], .tap = r->taps[i / n_questions],
            };
        }
        b->n_left[b->n_pending] = 4;
        b->pending[b->n_pending++] = b->block->first + i;
    }
    return CNA_OK;
}

static cna_status finish_answer(run *r, size_t index, cna_error *err)
{
    cna_mmlu_answer *answer = &r->mmlu->answers[index];
    for (int i = 0; i < 4; i++) {
        if (!isnan(answer->logprobs[i])) continue;
        return cna_fail(err, CNA_ERR_ARG,
                        "%s, question %zu at multiplier %g: expected log-probabilities, found what is no number: the "
                        "activations overflow; use a smaller multiplier",
                        answer->subject, answer->question + 1, answer->multiplier);
    }
    answer->chosen = cna_mmlu_choose(answer->logprobs);
    r->done[index] = true;
    r->n_done++;
    return cna_mmlu_store_add(&r->store, index, err);
}

static cna_status on_choice(void *user, const cna_job_result *result, cna_error *err)
{
    batch *b = user;
    size_t place = result->job / 4;
    double sum = 0;
    for (size_t t = 0; t < result->n_ids; t++) sum += result->logprobs[t];
    b->run->mmlu->answers[b->pending[place]].logprobs[result->job % 4] = sum;
    return --b->n_left[place] != 0 ? CNA_OK : finish_answer(b->run, b->pending[place], err);
}

/* The engine counts the jobs of one call; the caller sees the answers of all. */
static bool on_progress(void *user, const char *what, size_t done, size_t total)
{
    (void)total;
    run *r = user;
    const cna_progress *outer = &r->options->progress;
    return outer->report != NULL && outer->report(outer->user, what, r->n_before + done / 4, r->mmlu->n_answers);
}

/* The plan of one subject tells enough. */
static void on_note(void *user, const char *text)
{
    run *r = user;
    if (!r->noted && r->options->progress.note != NULL) r->options->progress.note(r->options->progress.user, text);
    r->noted = true;
}

static cna_status score(batch *b, cna_error *err)
{
    run *r = b->run;
    const cna_run_options engine = {.batch = r->options->batch, .what = "questions",
                                    .progress = {.report = on_progress, .note = on_note, .user = r}};
    r->n_before = r->n_done;
    cna_status status = cna_engine_score(r->model, b->jobs, 4 * b->n_pending, &engine, on_choice, b, err);
    /* What was scored is kept, whatever ended the work. */
    cna_error second;
    cna_status flushed = cna_mmlu_store_flush(&r->store, status == CNA_OK ? err : &second);
    return status == CNA_OK ? flushed : status;
}

static cna_status run_subject(run *r, const cna_mmlu_block *block, cna_error *err)
{
    batch b = {.run = r, .block = block};
    cna_status status = make_prompts(&b, err);
    if (status == CNA_OK) status = make_jobs(&b, err);
    if (status == CNA_OK && b.n_pending != 0) status = score(&b, err);
    for (size_t q = 0; b.prompts != NULL && q < block->n_questions; q++) cna_mmlu_prompt_clear(&b.prompts[q]);
    cna_free(b.prompts);
    cna_free(b.pending);
    cna_free(b.n_left);
    cna_free(b.jobs);
    return status;
}

/* ---- the whole ---- */

static size_t count_shots(const cna_mmlu_options *options)
{
    return options->no_shots ? 0 : options->n_shots == 0 ? DEFAULT_SHOTS : options->n_shots;
}

cna_status cna_mmlu_check(const char *data, const cna_mmlu_options *options, cna_error *err)
{
    bool wanted[CNA_MMLU_N_SUBJECTS], required[CNA_MMLU_N_SUBJECTS] = {false};
    cna_mmlu_data read = {0};
    CNA_TRY(cna_mmlu_choose_subjects(options, wanted, required, err));
    cna_status status = cna_mmlu_data_read(data, wanted, required, count_shots(options), &read, err);
    cna_mmlu_data_clear(&read);
    return status;
}

static cna_status prepare(run *r, const char *data, cna_error *err)
{
    bool wanted[CNA_MMLU_N_SUBJECTS], required[CNA_MMLU_N_SUBJECTS] = {false};
    const cna_mmlu_options *options = r->options;
    const cna_tokenizer *tokenizer = cna_model_tokenizer(r->model);
    CNA_TRY(cna_alloc(&r->mmlu, 1, sizeof *r->mmlu, "MMLU", err));
    cna_mmlu_info *info = &r->mmlu->info;
    info->n_shots = count_shots(options);
    CNA_TRY(cna_mmlu_choose_subjects(options, wanted, required, err));
    CNA_TRY(make_taps(r, err));
    CNA_TRY(cna_mmlu_data_read(data, wanted, required, info->n_shots, &r->data, err));
    CNA_TRY(lay_out(r, err));
    CNA_TRY(cna_mmlu_hash_questions(&r->data, r->blocks, r->n_blocks, info->n_shots, info->sha256, err));
    r->prompter = (cna_mmlu_prompter){.tokenizer = tokenizer, .format = &r->format,
                                      .chat = options->format.mode == CNA_FORMAT_CHAT,
                                      .max_positions = cna_model_get_info(r->model)->max_positions};
    r->format = options->format;
    if (!r->prompter.chat) return CNA_OK;
    return cna_canonical_date(tokenizer, &options->format, info->date, err);
}

/* The first prompt of every subject stands for what tokenizer and chat template make of them all. */
static cna_status pin_inputs(run *r, cna_error *err)
{
    cna_token_lists set = {0};
    cna_status status = CNA_OK;
    if (r->store.run == NULL) return CNA_OK;
    CNA_TRY(cna_alloc(&set.items, r->n_blocks, sizeof *set.items, "prompts", err));
    for (; set.n < r->n_blocks && status == CNA_OK; set.n++) {
        size_t s = r->blocks[set.n].subject;
        cna_mmlu_prompt prompt = {0};
        status = cna_mmlu_prompter_begin(&r->prompter, cna_mmlu_subjects()[s].name,
                                         r->data.lists[CNA_MMLU_DEV][s].items, r->mmlu->info.n_shots, err);
        if (status == CNA_OK) {
            status = cna_mmlu_prompt_make(&r->prompter, &r->data.lists[CNA_MMLU_TEST][s].items[0], &prompt, err);
        }
        set.items[set.n] = (cna_token_list){prompt.context, prompt.n_context};
        prompt.context = NULL;
        cna_mmlu_prompt_clear(&prompt);
    }
    if (status == CNA_OK) status = cna_run_pin_inputs(r->store.run, r->store.part, r->model, &set, 1, err);
    cna_token_lists_free(&set);
    return status;
}

static cna_status begin_store(run *r, cna_error *err)
{
    cna_mmlu *mmlu = r->mmlu;
    const cna_mmlu_study study = {.model = r->model, .options = r->options, .info = &mmlu->info, .data = &r->data,
                                  .blocks = r->blocks, .n_blocks = r->n_blocks, .multipliers = r->multipliers,
                                  .n_multipliers = r->n_multipliers, .answers = mmlu->answers, .done = r->done};
    CNA_TRY(cna_mmlu_store_begin(&r->store, &study, mmlu->info.date, mmlu->info.note, err));
    /* One day for all prompts, whatever the clock says meanwhile; that of the run where it continues. */
    if (mmlu->info.date[0] != '\0') r->format.date = mmlu->info.date;
    for (size_t i = 0; i < mmlu->n_answers; i++) r->n_done += r->done[i];
    return pin_inputs(r, err);
}

static void run_clear(run *r)
{
    cna_mmlu_data_clear(&r->data);
    cna_mmlu_prompter_clear(&r->prompter);
    cna_mmlu_store_clear(&r->store);
    for (size_t m = 0; r->taps != NULL && m < r->n_multipliers; m++) cna_tap_free(r->taps[m]);
    cna_free(r->taps);
    cna_free(r->multipliers);
    cna_free(r->blocks);
    cna_free(r->done);
    cna_mmlu_free(r->mmlu);
}

cna_status cna_mmlu_run(const cna_model *model, const char *data, const cna_mmlu_options *options, cna_mmlu **out,
                        cna_error *err)
{
    static const cna_mmlu_options defaults;
    *out = NULL;
    run r = {.model = model, .options = options == NULL ? &defaults : options};
    cna_status status;
    CNA_TRY_CLEANUP(prepare(&r, data, err));
    CNA_TRY_CLEANUP(begin_store(&r, err));
    for (size_t b = 0; b < r.n_blocks; b++) CNA_TRY_CLEANUP(run_subject(&r, &r.blocks[b], err));
    CNA_TRY_CLEANUP(cna_mmlu_points_make(r.mmlu->answers, r.blocks, r.n_blocks, r.multipliers, r.n_multipliers, r.base,
                                         &r.mmlu->points, &r.mmlu->n_points, err));
    CNA_TRY_CLEANUP(cna_mmlu_store_end(&r.store, err));
    *out = r.mmlu;
    r.mmlu = NULL;
cleanup:
    run_clear(&r);
    return status;
}
