/* SPDX-License-Identifier: MIT
 * A part's answers to MMLU, as points. */
#include <string.h>

#include "study/mmlu_data.h"
#include "study/mmlu_points.h"
#include "study/report_data.h"

/* One row of choice. */
typedef struct choice {
    size_t condition, subject, question;
    int answer, chosen;
    double logprobs[4];
} choice;

typedef struct reader {
    double *multipliers; /* [n_conditions] by position */
    size_t n_conditions, multipliers_capacity;
    size_t base;     /* the untouched model; SIZE_MAX: none */
    choice *choices; /* [n] by condition, subject, question */
    size_t n, capacity;
} reader;

static cna_status on_condition(void *user, const cna_run_condition *condition, cna_error *err)
{
    reader *r = user;
    CNA_TRY(cna_grow(&r->multipliers, &r->multipliers_capacity, r->n_conditions + 1, sizeof *r->multipliers,
                     "multipliers", err));
    if (condition->method == CNA_RUN_NONE) r->base = r->n_conditions;
    r->multipliers[r->n_conditions++] = condition->multiplier;
    return CNA_OK;
}

static cna_status on_choice(void *user, const cna_run_choice *row, cna_error *err)
{
    reader *r = user;
    size_t subject = cna_mmlu_find_subject(row->subject);
    if (subject == CNA_MMLU_N_SUBJECTS) {
        return cna_fail(err, CNA_ERR_FORMAT, "question: expected a subject of MMLU, found '%s'", row->subject);
    }
    CNA_TRY(cna_grow(&r->choices, &r->capacity, r->n + 1, sizeof *r->choices, "choices", err));
    choice *out = &r->choices[r->n++];
    *out = (choice){.condition = row->condition_position,
                    .subject = subject,
                    .question = row->question_position,
                    .answer = row->answer,
                    .chosen = row->chosen};
    memcpy(out->logprobs, row->logprobs, sizeof out->logprobs);
    return CNA_OK;
}

/* Whether every condition has an answer to every question that the first one has: only then are there points. */
static bool is_complete(const reader *r)
{
    if (r->base == SIZE_MAX || r->n == 0 || r->n % r->n_conditions != 0) return false;
    size_t n_questions = r->n / r->n_conditions;
    for (size_t i = 0; i < r->n; i++) {
        const choice *a = &r->choices[i], *b = &r->choices[i % n_questions];
        if (a->condition != i / n_questions || a->subject != b->subject || a->question != b->question) return false;
    }
    return true;
}

/* Lay the rows out as cna_mmlu_points_make wants them: subject, multiplier, question. */
static size_t lay_out(const reader *r, cna_mmlu_answer *answers, cna_mmlu_block *blocks)
{
    size_t n_questions = r->n / r->n_conditions, n_blocks = 0, at = 0;
    for (size_t first = 0; first < n_questions;) {
        size_t end = first;
        while (end < n_questions && r->choices[end].subject == r->choices[first].subject) end++;
        blocks[n_blocks++] =
            (cna_mmlu_block){.subject = r->choices[first].subject, .first = at, .n_questions = end - first};
        for (size_t condition = 0; condition < r->n_conditions; condition++) {
            for (size_t i = first; i < end; i++) {
                const choice *from = &r->choices[condition * n_questions + i];
                cna_mmlu_answer *to = &answers[at++];
                *to = (cna_mmlu_answer){.subject = cna_mmlu_subjects()[from->subject].name,
                                        .question = from->question,
                                        .multiplier = r->multipliers[condition],
                                        .answer = from->answer,
                                        .chosen = from->chosen};
                memcpy(to->logprobs, from->logprobs, sizeof to->logprobs);
            }
        }
        first = end;
    }
    return n_blocks;
}

static cna_status keep_points(cna_report_data *data, cna_report_part *part, const cna_mmlu_point *points, size_t n,
                              cna_error *err)
{
    static const char *const scopes[] = {
        [CNA_MMLU_OVERALL] = "all", [CNA_MMLU_GROUP] = "group", [CNA_MMLU_SUBJECT] = "subject"};
    CNA_TRY(cna_arena_alloc(&data->arena, &part->mmlu, n, sizeof *part->mmlu, "MMLU", err));
    for (size_t i = 0; i < n; i++) {
        const cna_mmlu_point *point = &points[i];
        part->mmlu[i] = (cna_report_mmlu){
            .scope = scopes[point->scope],
            .name = point->name,
            .multiplier = point->multiplier,
            .accuracy = point->accuracy,
            .n_changed = point->n_changed,
            .b = point->mcnemar_b,
            .c = point->mcnemar_c,
            .p = point->mcnemar_p,
        };
    }
    part->n_mmlu = n;
    return CNA_OK;
}

static cna_status make_points(cna_report_data *data, cna_report_part *part, const reader *r, cna_error *err)
{
    cna_status status = CNA_OK;
    cna_mmlu_answer *answers = NULL;
    cna_mmlu_block *blocks = NULL;
    cna_mmlu_point *points = NULL;
    size_t n_points = 0;
    CNA_TRY_CLEANUP(cna_alloc(&answers, r->n, sizeof *answers, "answers", err));
    CNA_TRY_CLEANUP(cna_alloc(&blocks, CNA_MMLU_N_SUBJECTS, sizeof *blocks, "subjects", err));
    size_t n_blocks = lay_out(r, answers, blocks);
    CNA_TRY_CLEANUP(cna_mmlu_points_make(answers, blocks, n_blocks, r->multipliers, r->n_conditions, r->base, &points,
                                         &n_points, err));
    status = keep_points(data, part, points, n_points, err);
cleanup:
    cna_free(answers);
    cna_free(blocks);
    cna_free(points);
    return status;
}

cna_status cna_report_read_mmlu(cna_report_data *data, cna_run *run, cna_report_part *part, cna_error *err)
{
    if (part->info->n_choices == 0) return CNA_OK;
    reader r = {.base = SIZE_MAX};
    cna_status status = cna_run_each_condition(run, part->info->id, on_condition, &r, err);
    if (status == CNA_OK) status = cna_run_each_choice(run, part->info->id, 0, on_choice, &r, err);
    if (status == CNA_OK && is_complete(&r)) status = make_points(data, part, &r, err);
    cna_free(r.multipliers);
    cna_free(r.choices);
    return status;
}
