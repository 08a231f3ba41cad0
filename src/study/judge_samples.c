/* SPDX-License-Identifier: MIT
 * Answers to judge, and figures of their judgements. */
#include "study/judge_samples.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "method/stats.h"

/* One reading of a run. */
typedef struct reading {
    cna_judge_samples *samples;
    cna_judge_choice choice;
    const char *rubric, *judge_model;
    cna_judge_sample **by_generation; /* [samples->n] sorted by generation */
} reading;

/* ---- answers ---- */

enum {
    COLUMN_GENERATION,
    COLUMN_PART,
    COLUMN_CONDITION,
    COLUMN_SIDE,
    COLUMN_METHOD,
    COLUMN_MODEL,
    COLUMN_ROLE,
    COLUMN_CIRCUIT,
    COLUMN_KIND,
    COLUMN_CONTROL_SEED,
    COLUMN_LAYER,
    COLUMN_K,
    COLUMN_MULTIPLIER,
    COLUMN_ALPHA,
};
static const char select_answers[] =
    "SELECT generation.id, part.id, condition.id, prompt.side = 'benign', condition.method, model.name, part.role,"
    " condition.circuit, condition.kind, condition.control_seed, condition.layer, condition.k,"
    " condition.multiplier, condition.alpha"
    " FROM generation"
    " JOIN condition ON condition.id = generation.condition"
    " JOIN prompt ON prompt.id = generation.prompt"
    " JOIN part ON part.id = condition.part"
    " JOIN model ON model.id = part.model"
    " ORDER BY part.id, condition.position, prompt.side = 'benign', prompt.position";

static cna_status copy_text(cna_judge_samples *s, const cna_run_row *row, int column, const char **out, cna_error *err)
{
    const char *text;
    CNA_TRY(cna_run_row_text(row, column, &text, NULL, err));
    *out = NULL;
    if (text == NULL) return CNA_OK;
    CNA_TRY(cna_grow(&s->texts, &s->text_capacity, s->n_texts + 1, sizeof *s->texts, "judged answers", err));
    CNA_TRY(cna_copy_bytes(&s->texts[s->n_texts], text, strlen(text), "judged answers", err));
    *out = s->texts[s->n_texts++];
    return CNA_OK;
}

static cna_status read_int(const cna_run_row *row, int column, int64_t *out, cna_error *err)
{
    *out = -1;
    return cna_run_row_is_null(row, column) ? CNA_OK : cna_run_row_int(row, column, 0, INT64_MAX, out, err);
}

static cna_status add_row(cna_judge_samples *s, const cna_run_row *from, int64_t part, int64_t condition, cna_side side,
                          cna_error *err)
{
    CNA_TRY(cna_grow(&s->rows, &s->row_capacity, s->n_rows + 1, sizeof *s->rows, "judged answers", err));
    cna_judge_row *row = &s->rows[s->n_rows];
    *row = (cna_judge_row){.part = part, .condition = condition, .side = side};
    CNA_TRY(copy_text(s, from, COLUMN_METHOD, &row->method, err));
    CNA_TRY(copy_text(s, from, COLUMN_MODEL, &row->model, err));
    CNA_TRY(copy_text(s, from, COLUMN_ROLE, &row->role, err));
    CNA_TRY(copy_text(s, from, COLUMN_CIRCUIT, &row->circuit, err));
    CNA_TRY(copy_text(s, from, COLUMN_KIND, &row->kind, err));
    CNA_TRY(read_int(from, COLUMN_CONTROL_SEED, &row->control_seed, err));
    CNA_TRY(read_int(from, COLUMN_LAYER, &row->layer, err));
    CNA_TRY(read_int(from, COLUMN_K, &row->k, err));
    CNA_TRY(cna_run_row_real(from, COLUMN_MULTIPLIER, &row->multiplier, err));
    CNA_TRY(cna_run_row_real(from, COLUMN_ALPHA, &row->alpha, err));
    s->n_rows++;
    return CNA_OK;
}

static cna_status add_answer(void *user, const cna_run_row *from, cna_error *err)
{
    reading *r = user;
    cna_judge_samples *s = r->samples;
    int64_t generation, part, condition, benign;
    const char *method;
    CNA_TRY(cna_run_row_int(from, COLUMN_GENERATION, 1, INT64_MAX, &generation, err));
    CNA_TRY(cna_run_row_int(from, COLUMN_PART, 1, INT64_MAX, &part, err));
    CNA_TRY(cna_run_row_int(from, COLUMN_CONDITION, 1, INT64_MAX, &condition, err));
    CNA_TRY(cna_run_row_int(from, COLUMN_SIDE, 0, 1, &benign, err));
    CNA_TRY(cna_run_row_text(from, COLUMN_METHOD, &method, NULL, err));
    bool is_control = method != NULL && strcmp(method, "control") == 0;
    if ((benign && !r->choice.benign) || (is_control && !r->choice.controls)) return CNA_OK;
    cna_side side = benign ? CNA_SIDE_BENIGN : CNA_SIDE_HARMFUL;
    const cna_judge_row *last = s->n_rows != 0 ? &s->rows[s->n_rows - 1] : NULL;
    if (last == NULL || last->condition != condition || last->side != side) {
        CNA_TRY(add_row(s, from, part, condition, side, err));
    }
    CNA_TRY(cna_grow(&s->items, &s->capacity, s->n + 1, sizeof *s->items, "judged answers", err));
    s->items[s->n++] = (cna_judge_sample){.generation = generation, .row = s->n_rows - 1, .score = NAN, .refused = NAN};
    return CNA_OK;
}

/* ---- what was said before ---- */

static int compare_generations(const void *a, const void *b)
{
    const cna_judge_sample *x = *(cna_judge_sample *const *)a, *y = *(cna_judge_sample *const *)b;
    return (x->generation > y->generation) - (x->generation < y->generation);
}

static cna_judge_sample *find_sample(const reading *r, int64_t generation)
{
    size_t low = 0, high = r->samples->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (r->by_generation[middle]->generation < generation) low = middle + 1;
        else high = middle;
    }
    bool found = low < r->samples->n && r->by_generation[low]->generation == generation;
    return found ? r->by_generation[low] : NULL;
}

static cna_status mark_judged(void *user, const cna_run_judgement *judgement, cna_error *err)
{
    (void)err;
    const reading *r = user;
    if (judgement->status == CNA_RUN_FAILED || strcmp(judgement->rubric, r->rubric) != 0 ||
        strcmp(judgement->judge_model, r->judge_model) != 0)
        return CNA_OK;
    cna_judge_sample *sample = find_sample(r, judgement->generation);
    if (sample == NULL) return CNA_OK;
    sample->state = judgement->status == CNA_RUN_SCORED ? CNA_JUDGE_SCORED : CNA_JUDGE_MALFORMED;
    sample->score = judgement->score;
    sample->refused = judgement->refused < 0 ? NAN : (double)judgement->refused;
    return CNA_OK;
}

cna_status cna_judge_samples_read(cna_run *run, cna_judge_choice choice, const char *rubric, const char *judge_model,
                                  cna_judge_samples *out, cna_error *err)
{
    *out = (cna_judge_samples){0};
    reading r = {.samples = out, .choice = choice, .rubric = rubric, .judge_model = judge_model};
    cna_status status = cna_run_select(run, select_answers, NULL, 0, add_answer, &r, err);
    if (status == CNA_OK)
        status = cna_alloc(&r.by_generation, out->n, sizeof *r.by_generation, "judged answers", err);
    if (status == CNA_OK && out->n != 0) {
        for (size_t i = 0; i < out->n; i++) r.by_generation[i] = &out->items[i];
        qsort(r.by_generation, out->n, sizeof *r.by_generation, compare_generations);
        status = cna_run_each_judgement(run, 0, mark_judged, &r, err);
    }
    cna_free(r.by_generation);
    if (status != CNA_OK) cna_judge_samples_clear(out);
    return status;
}

void cna_judge_samples_clear(cna_judge_samples *samples)
{
    for (size_t i = 0; i < samples->n_texts; i++) cna_free(samples->texts[i]);
    cna_free(samples->texts);
    cna_free(samples->rows);
    cna_free(samples->items);
    *samples = (cna_judge_samples){0};
}

/* ---- figures ---- */

static void finish_row(cna_judge_row *row, double sum, size_t n_refused, size_t n_verdicts)
{
    row->mean = row->n_scored != 0 ? sum / (double)row->n_scored : NAN;
    cna_stats_score_interval(row->mean, row->n_scored, &row->low, &row->high);
    row->refused = cna_stats_wilson(n_refused, n_verdicts);
}

void cna_judge_samples_count(cna_judge_samples *samples)
{
    for (size_t i = 0; i < samples->n;) {
        cna_judge_row *row = &samples->rows[samples->items[i].row];
        row->n_answers = row->n_scored = row->n_malformed = row->n_failed = 0;
        double sum = 0;
        size_t n_refused = 0, n_verdicts = 0;
        for (; i < samples->n && &samples->rows[samples->items[i].row] == row; i++) {
            const cna_judge_sample *sample = &samples->items[i];
            row->n_answers++;
            row->n_malformed += sample->state == CNA_JUDGE_MALFORMED;
            row->n_failed += sample->state == CNA_JUDGE_FAILED;
            if (sample->state != CNA_JUDGE_SCORED) continue;
            row->n_scored++;
            sum += sample->score;
            n_verdicts += isnan(sample->refused) ? 0 : 1;
            n_refused += sample->refused == 1;
        }
        finish_row(row, sum, n_refused, n_verdicts);
    }
}
