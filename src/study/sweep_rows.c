/* SPDX-License-Identifier: MIT
 * Reading a part's rows. */
#include "study/sweep_rows.h"

#include <math.h>
#include <string.h>

/* Strings of rows are const for everybody but their owner. */
static void free_text(const void *text)
{
    cna_free((void *)(uintptr_t)text);
}

void cna_sweep_rows_clear(cna_sweep_rows *rows)
{
    for (size_t i = 0; i < rows->n_prompts; i++) {
        free_text(rows->prompts[i].text);
        free_text(rows->prompts[i].category);
    }
    for (size_t i = 0; i < rows->n_conditions; i++) {
        free_text(rows->conditions[i].circuit);
        free_text(rows->conditions[i].kind);
        free_text(rows->conditions[i].multipliers);
    }
    for (size_t i = 0; i < rows->n_answers; i++) {
        free_text(rows->answers[i].text);
        free_text(rows->answers[i].ids);
    }
    cna_free(rows->prompts);
    cna_free(rows->conditions);
    cna_free(rows->answers);
    cna_free(rows->first[0]);
    cna_free(rows->first[1]);
    cna_free(rows->n_refused);
    cna_free(rows->n_harmful);
    cna_free(rows->perplexity);
    *rows = (cna_sweep_rows){0};
}

const cna_run_prompt *cna_sweep_rows_prompts(const cna_sweep_rows *rows, cna_side side)
{
    size_t first = side == CNA_SIDE_HARMFUL ? 0 : rows->n_side[CNA_SIDE_HARMFUL];
    return first == 0 ? rows->prompts : rows->prompts + first; /* without prompts NULL, to which C adds not even 0 */
}

const cna_run_generation *cna_sweep_rows_answers(const cna_sweep_rows *rows, size_t condition, cna_side side)
{
    ptrdiff_t first = rows->first[side][condition];
    return first == CNA_SWEEP_NO_ANSWERS ? NULL : rows->answers + first;
}

/* ---- rows ---- */

/* NULL stays NULL. */
static cna_status copy_text(const char **text, size_t n_bytes, cna_error *err)
{
    char *copy;
    if (*text == NULL) return CNA_OK;
    const char *original = *text;
    *text = NULL;
    CNA_TRY(cna_copy_bytes(&copy, original, n_bytes, "run", err));
    *text = copy;
    return CNA_OK;
}

static cna_status copy_string(const char **text, cna_error *err)
{
    return copy_text(text, *text == NULL ? 0 : strlen(*text), err);
}

static cna_status on_prompt(void *user, const cna_run_prompt *prompt, cna_error *err)
{
    cna_sweep_rows *rows = user;
    if (prompt->position != rows->n_side[prompt->side]) {
        return cna_fail(err, CNA_ERR_FORMAT, "run: expected prompt %zu of its side, found prompt %zu",
                        rows->n_side[prompt->side], prompt->position);
    }
    CNA_TRY(cna_grow(&rows->prompts, &rows->prompts_capacity, rows->n_prompts + 1, sizeof *rows->prompts, "run", err));
    cna_run_prompt *copy = &rows->prompts[rows->n_prompts];
    *copy = *prompt;
    copy->category = NULL;
    CNA_TRY(copy_text(&copy->text, prompt->n_bytes, err));
    rows->n_prompts++;
    rows->n_side[prompt->side]++;
    copy->category = prompt->category;
    return copy_string(&copy->category, err);
}

static cna_status on_condition(void *user, const cna_run_condition *condition, cna_error *err)
{
    cna_sweep_rows *rows = user;
    if (condition->position != rows->n_conditions) {
        return cna_fail(err, CNA_ERR_FORMAT, "run: expected condition %zu, found condition %zu", rows->n_conditions,
                        condition->position);
    }
    CNA_TRY(cna_grow(&rows->conditions, &rows->conditions_capacity, rows->n_conditions + 1, sizeof *rows->conditions,
                     "run", err));
    cna_run_condition *copy = &rows->conditions[rows->n_conditions++];
    *copy = *condition;
    copy->circuit = copy->kind = NULL;
    copy->multipliers = NULL;
    copy->circuit = condition->circuit;
    CNA_TRY(copy_string(&copy->circuit, err));
    copy->kind = condition->kind;
    CNA_TRY(copy_string(&copy->kind, err));
    if (condition->multipliers == NULL) return CNA_OK;
    double *multipliers;
    CNA_TRY(cna_alloc(&multipliers, condition->n_multipliers, sizeof *multipliers, "run", err));
    memcpy(multipliers, condition->multipliers, condition->n_multipliers * sizeof *multipliers);
    copy->multipliers = multipliers;
    return CNA_OK;
}

static cna_status keep_answer(cna_sweep_rows *rows, const cna_run_generation *answer, cna_error *err)
{
    CNA_TRY(cna_grow(&rows->answers, &rows->answers_capacity, rows->n_answers + 1, sizeof *rows->answers, "run", err));
    cna_run_generation *copy = &rows->answers[rows->n_answers];
    int32_t *ids;
    *copy = *answer;
    copy->ids = NULL;
    CNA_TRY(copy_text(&copy->text, answer->n_bytes, err));
    rows->n_answers++;
    CNA_TRY(cna_alloc(&ids, answer->n_tokens, sizeof *ids, "run", err));
    if (answer->n_tokens != 0) memcpy(ids, answer->ids, answer->n_tokens * sizeof *ids);
    copy->ids = ids;
    return CNA_OK;
}

static cna_status on_answer(void *user, const cna_run_generation *answer, cna_error *err)
{
    cna_sweep_rows *rows = user;
    size_t condition = answer->condition_position;
    if (condition >= rows->n_conditions || answer->prompt_position >= rows->n_side[answer->side]) {
        return cna_fail(err, CNA_ERR_FORMAT, "run: expected answers to prompts of their part, found one to another's");
    }
    if (answer->side == CNA_SIDE_HARMFUL) {
        rows->n_harmful[condition]++;
        rows->n_refused[condition] += answer->refused;
    }
    return answer->method == CNA_RUN_CONTROL ? CNA_OK : keep_answer(rows, answer, err);
}

static cna_status take_count(const cna_run_figure *figure, size_t *out, cna_error *err)
{
    const double most = 9007199254740992.0; /* 2^53: every whole number up to there is itself */
    if (!(figure->value >= 0 && figure->value <= most)) {
        return cna_fail(err, CNA_ERR_FORMAT, "run: figure '%s': expected a count, found %g", figure->name,
                        figure->value);
    }
    *out = (size_t)figure->value;
    return CNA_OK;
}

static cna_status on_figure(void *user, const cna_run_figure *figure, cna_error *err)
{
    cna_sweep_rows *rows = user;
    if (figure->condition == 0) {
        if (strcmp(figure->name, CNA_FIGURE_MIN_QUALITY) == 0) rows->min_quality = figure->value;
        if (strcmp(figure->name, CNA_FIGURE_MIN_LOGPROB) == 0) rows->min_logprob = figure->value;
        if (strcmp(figure->name, CNA_FIGURE_CROSS_FIT) == 0) CNA_TRY(take_count(figure, &rows->n_folds, err));
        if (strcmp(figure->name, CNA_FIGURE_PERPLEXITY) == 0) {
            CNA_TRY(take_count(figure, &rows->n_perplexity_tokens, err));
        }
        return CNA_OK;
    }
    if (strcmp(figure->name, CNA_FIGURE_PERPLEXITY) != 0) return CNA_OK;
    for (size_t i = 0; i < rows->n_conditions; i++) {
        if (rows->conditions[i].id == figure->condition) rows->perplexity[i] = figure->value;
    }
    return CNA_OK;
}

/* ---- the whole ---- */

/* Where each condition's answers are; only where there are as many as prompts. Answers are sorted by condition, side
 * and prompt, and no prompt has two. */
static void find_first(cna_sweep_rows *rows)
{
    for (size_t i = 0; i < rows->n_conditions; i++) {
        rows->first[0][i] = rows->first[1][i] = CNA_SWEEP_NO_ANSWERS;
    }
    for (size_t begin = 0, end; begin < rows->n_answers; begin = end) {
        const cna_run_generation *answer = &rows->answers[begin];
        for (end = begin; end < rows->n_answers; end++) {
            const cna_run_generation *other = &rows->answers[end];
            if (other->condition_position != answer->condition_position || other->side != answer->side) break;
        }
        if (end - begin == rows->n_side[answer->side]) {
            rows->first[answer->side][answer->condition_position] = (ptrdiff_t)begin;
        }
    }
}

static cna_status make_tables(cna_sweep_rows *rows, cna_error *err)
{
    size_t n = rows->n_conditions;
    for (int side = 0; side < 2; side++) {
        CNA_TRY(cna_alloc(&rows->first[side], n, sizeof *rows->first[side], "run", err));
    }
    CNA_TRY(cna_alloc(&rows->n_refused, n, sizeof *rows->n_refused, "run", err));
    CNA_TRY(cna_alloc(&rows->n_harmful, n, sizeof *rows->n_harmful, "run", err));
    CNA_TRY(cna_alloc(&rows->perplexity, n, sizeof *rows->perplexity, "run", err));
    rows->min_quality = rows->min_logprob = NAN;
    rows->none = n;
    for (size_t i = 0; i < n; i++) {
        rows->perplexity[i] = NAN;
        if (rows->conditions[i].method == CNA_RUN_NONE) rows->none = i;
    }
    return CNA_OK;
}

cna_status cna_sweep_rows_read(cna_run *run, int64_t part, cna_sweep_rows *out, cna_error *err)
{
    cna_sweep_rows rows = {0};
    cna_status status;
    CNA_TRY_CLEANUP(cna_run_each_prompt(run, part, on_prompt, &rows, err));
    CNA_TRY_CLEANUP(cna_run_each_condition(run, part, on_condition, &rows, err));
    CNA_TRY_CLEANUP(make_tables(&rows, err));
    CNA_TRY_CLEANUP(cna_run_each_generation(run, part, 0, on_answer, &rows, err));
    CNA_TRY_CLEANUP(cna_run_each_figure(run, part, on_figure, &rows, err));
    find_first(&rows);
    *out = rows;
    return CNA_OK;
cleanup:
    cna_sweep_rows_clear(&rows);
    return status;
}
