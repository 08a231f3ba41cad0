/* SPDX-License-Identifier: MIT
 * What judges and people say of a sweep's answers, counted. */
#include <math.h>
#include <string.h>

#include "method/stats.h"
#include "study/report_data.h"

typedef struct reader {
    cna_report_data *data;
    cna_report_part *part;
} reader;

/* Columns of the queries below, in their order. */
enum {
    CONDITION,
    SIDE,
    RUBRIC,
    JUDGE,
    N_SCORED,
    N_MALFORMED,
    N_FAILED,
    N_SAID,
    N_REFUSED,
    SCORE,
    CONVINCING,
    SPECIFIC,
    RATING
};

static const char judged_sql[] =
    "SELECT condition.position, prompt.side = 'benign', judgement.rubric, judgement.judge_model,"
    " sum(judgement.status = 'scored'), sum(judgement.status = 'malformed'), sum(judgement.status = 'failed'),"
    " count(CASE WHEN judgement.status = 'scored' THEN judgement.refused END),"
    " ifnull(sum(CASE WHEN judgement.status = 'scored' THEN judgement.refused END), 0),"
    " avg(CASE WHEN judgement.status = 'scored' THEN judgement.score END),"
    " avg(CASE WHEN judgement.status = 'scored' THEN judgement.convincing END),"
    " avg(CASE WHEN judgement.status = 'scored' THEN judgement.specific END),"
    " avg(CASE WHEN judgement.status = 'scored' THEN judgement.rating END)"
    " FROM judgement JOIN generation ON generation.id = judgement.generation"
    " JOIN condition ON condition.id = generation.condition JOIN prompt ON prompt.id = generation.prompt"
    " WHERE condition.part = ?1 AND condition.method <> 'control'"
    " GROUP BY judgement.rubric, judgement.judge_model, prompt.side, condition.position"
    " ORDER BY judgement.rubric, judgement.judge_model, prompt.side = 'benign', condition.position";

/* Answers that differ, as the sweep itself counts them: patterns and labels see nothing but words, so that an answer
 * which many settings have would count its verdict as often. */
static const char labelled_sql[] =
    "SELECT labeller, sum(person AND pattern), sum(NOT person AND NOT pattern), sum(NOT person AND pattern),"
    " sum(person AND NOT pattern) FROM (SELECT DISTINCT label.labeller AS labeller, prompt.sha256, generation.text,"
    "  label.refused AS person, generation.refused AS pattern"
    "  FROM label JOIN generation ON generation.id = label.generation"
    "  JOIN condition ON condition.id = generation.condition JOIN prompt ON prompt.id = generation.prompt"
    "  WHERE condition.part = ?1)"
    " GROUP BY labeller ORDER BY labeller";

static cna_status get_count(const cna_run_row *row, int column, size_t *out, cna_error *err)
{
    int64_t value;
    CNA_TRY(cna_run_row_int(row, column, 0, INT64_C(1) << 40, &value, err));
    *out = (size_t)value;
    return CNA_OK;
}

static cna_status get_text(cna_report_data *data, const cna_run_row *row, int column, const char **out, cna_error *err)
{
    const char *text;
    CNA_TRY(cna_run_row_text(row, column, &text, NULL, err));
    *out = NULL;
    return text == NULL ? CNA_OK : cna_arena_copy(&data->arena, out, text, strlen(text), err);
}

/* The place in the rows of the condition at a position of the part. */
static size_t find_condition(const cna_report_part *part, size_t position)
{
    size_t i = 0;
    while (i < part->rows.n_conditions && part->rows.conditions[i].position != position) i++;
    return i;
}

static cna_status on_judged(void *user, const cna_run_row *row, cna_error *err)
{
    reader *r = user;
    cna_report_part *part = r->part;
    CNA_TRY(
        cna_grow(&part->judged, &part->judged_capacity, part->n_judged + 1, sizeof *part->judged, "judgements", err));
    cna_report_judged *out = &part->judged[part->n_judged];
    size_t position, side, n_said, n_refused;
    CNA_TRY(get_count(row, CONDITION, &position, err));
    CNA_TRY(get_count(row, SIDE, &side, err));
    CNA_TRY(get_text(r->data, row, RUBRIC, &out->rubric, err));
    CNA_TRY(get_text(r->data, row, JUDGE, &out->judge_model, err));
    CNA_TRY(get_count(row, N_SCORED, &out->n_scored, err));
    CNA_TRY(get_count(row, N_MALFORMED, &out->n_malformed, err));
    CNA_TRY(get_count(row, N_FAILED, &out->n_failed, err));
    CNA_TRY(get_count(row, N_SAID, &n_said, err));
    CNA_TRY(get_count(row, N_REFUSED, &n_refused, err));
    CNA_TRY(cna_run_row_real(row, SCORE, &out->score, err));
    CNA_TRY(cna_run_row_real(row, CONVINCING, &out->convincing, err));
    CNA_TRY(cna_run_row_real(row, SPECIFIC, &out->specific, err));
    CNA_TRY(cna_run_row_real(row, RATING, &out->rating, err));
    if (n_refused > n_said) {
        return cna_fail(err, CNA_ERR_FORMAT, "judgement: expected refused to be 0 or 1, found %zu in %zu", n_refused,
                        n_said);
    }
    out->condition = find_condition(part, position);
    if (out->condition == part->rows.n_conditions) return CNA_OK;
    out->side = side == 1 ? CNA_SIDE_BENIGN : CNA_SIDE_HARMFUL;
    out->refused = cna_stats_wilson(n_refused, n_said);
    part->n_judged++;
    return CNA_OK;
}

static cna_status on_labelled(void *user, const cna_run_row *row, cna_error *err)
{
    reader *r = user;
    cna_report_part *part = r->part;
    CNA_TRY(cna_grow(&part->labelled, &part->labelled_capacity, part->n_labelled + 1, sizeof *part->labelled, "labels",
                     err));
    cna_report_labelled *out = &part->labelled[part->n_labelled];
    CNA_TRY(get_text(r->data, row, 0, &out->labeller, err));
    CNA_TRY(get_count(row, 1, &out->n_both, err));
    CNA_TRY(get_count(row, 2, &out->n_neither, err));
    CNA_TRY(get_count(row, 3, &out->n_patterns_only, err));
    CNA_TRY(get_count(row, 4, &out->n_person_only, err));
    part->n_labelled++;
    return CNA_OK;
}

cna_status cna_report_read_judged(cna_report_data *data, cna_run *run, cna_report_part *part, cna_error *err)
{
    reader r = {data, part};
    CNA_TRY(cna_run_select(run, judged_sql, &part->info->id, 1, on_judged, &r, err));
    return cna_run_select(run, labelled_sql, &part->info->id, 1, on_labelled, &r, err);
}
