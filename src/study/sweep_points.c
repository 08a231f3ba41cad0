/* SPDX-License-Identifier: MIT
 * Figures of a sweep. */
#include "study/sweep_points.h"

#include <math.h>
#include <string.h>

#include "method/stats.h"
#include "study/sweep_conditions.h"

void cna_sweep_table_clear(cna_sweep_table *table)
{
    cna_free(table->conditions);
    cna_free(table->points);
    cna_free(table->answers);
    cna_free(table->rates);
    cna_free(table->categories);
    cna_free(table->names[0]);
    cna_free(table->names[1]);
    *table = (cna_sweep_table){0};
}

cna_status cna_sweep_min_logprob(const cna_sweep_rows *rows, double percentile, double *out, cna_error *err)
{
    double *values;
    size_t n = 0;
    CNA_TRY(cna_alloc(&values, rows->n_answers, sizeof *values, "log-probabilities", err));
    for (size_t i = 0; i < rows->n_answers; i++) {
        const cna_run_generation *answer = &rows->answers[i];
        if (answer->method == CNA_RUN_NONE && !isnan(answer->mean_logprob)) values[n++] = answer->mean_logprob;
    }
    *out = n == 0 ? -INFINITY : cna_stats_percentile(values, n, percentile);
    cna_free(values);
    return CNA_OK;
}

/* ---- conditions and categories ---- */

static cna_condition public_condition(const cna_run_condition *row)
{
    static const cna_method methods[] = {[CNA_RUN_NONE] = CNA_METHOD_NONE, [CNA_RUN_CNA] = CNA_METHOD_CNA,
                                         [CNA_RUN_CAA] = CNA_METHOD_CAA, [CNA_RUN_CONTROL] = CNA_METHOD_CONTROL};
    return (cna_condition){
        .method = methods[row->method],
        .circuit = row->circuit,
        .k = row->k < 0 ? 0 : (size_t)row->k,
        .multiplier = row->multiplier,
        .multipliers = row->multipliers,
        .n_multipliers = row->n_multipliers,
        .caa = row->method == CNA_RUN_CAA ? row->kind : NULL,
        .alpha = row->alpha,
        .layer = row->layer,
    };
}

static const char *category_of(const cna_run_prompt *prompt)
{
    return prompt->category == NULL ? "" : prompt->category;
}

/* The different categories of a side; none where no prompt has one. */
static cna_status find_categories(const cna_sweep_rows *rows, cna_side side, cna_sweep_table *out, cna_error *err)
{
    const cna_run_prompt *prompts = cna_sweep_rows_prompts(rows, side);
    size_t n = 0;
    bool any = false;
    CNA_TRY(cna_alloc(&out->names[side], rows->n_side[side], sizeof *out->names[side], "categories", err));
    for (size_t i = 0; i < rows->n_side[side]; i++) {
        const char *name = category_of(&prompts[i]);
        size_t j = 0;
        while (j < n && strcmp(out->names[side][j], name) != 0) j++;
        if (j == n) out->names[side][n++] = name;
        any = any || prompts[i].category != NULL;
    }
    out->n_names[side] = any ? n : 0;
    return CNA_OK;
}

/* ---- one point ---- */

/* Sums over some answers of a side under one condition. */
typedef struct tally {
    size_t n, refused, refused_unseen, leaked, n_outcomes, outcome[3], n_short, n_changed, b, c, n_kl;
    double quality, tokens, kl;
} tally;

static bool is_changed(const cna_run_generation *answer, const cna_run_generation *base)
{
    if (answer->n_tokens != base->n_tokens) return true;
    return answer->n_tokens != 0 && memcmp(answer->ids, base->ids, answer->n_tokens * sizeof *answer->ids) != 0;
}

static void add(tally *sum, const cna_run_generation *answer, const cna_run_generation *base, bool leaked)
{
    sum->n++;
    sum->refused += answer->refused;
    sum->refused_unseen += answer->refused && !leaked;
    sum->leaked += leaked;
    if (answer->outcome != CNA_RUN_NO_OUTCOME) {
        sum->n_outcomes++;
        sum->outcome[answer->outcome]++;
    }
    sum->n_short += answer->n_words < 4;
    sum->n_changed += is_changed(answer, base);
    sum->b += base->refused && !answer->refused;
    sum->c += !base->refused && answer->refused;
    sum->quality += answer->quality;
    sum->tokens += (double)answer->n_tokens;
    if (!isnan(answer->kl)) {
        sum->n_kl++;
        sum->kl += answer->kl;
    }
}

/* One side under one condition. */
typedef struct place {
    const cna_sweep_rows *rows;
    cna_side side;
    size_t condition;
    const cna_run_generation *answers, *base; /* [rows->n_side[side]] */
} place;

/* Over the prompts of a category; NULL: all of them. */
static tally count(const place *at, const char *category)
{
    const cna_run_prompt *prompts = cna_sweep_rows_prompts(at->rows, at->side);
    tally sum = {0};
    for (size_t i = 0; i < at->rows->n_side[at->side]; i++) {
        if (category != NULL && strcmp(category_of(&prompts[i]), category) != 0) continue;
        add(&sum, &at->answers[i], &at->base[i], prompts[i].discovery == CNA_RUN_DISCOVERY);
    }
    return sum;
}

static bool leak_known(const cna_sweep_rows *rows)
{
    for (size_t i = 0; i < rows->n_prompts; i++) {
        if (rows->prompts[i].discovery == CNA_RUN_DISCOVERY_UNKNOWN) return false;
    }
    return true;
}

static void fill_point(const place *at, cna_sweep_point *out)
{
    tally sum = count(at, NULL);
    double n = (double)sum.n;
    out->side = at->side;
    out->refused = cna_stats_wilson(sum.refused, sum.n);
    out->leak_known = leak_known(at->rows);
    out->refused_unseen = cna_stats_wilson(sum.refused_unseen, sum.n - sum.leaked);
    out->n_leaked = sum.leaked;
    for (int i = 0; i < 3; i++) out->outcome[i] = cna_stats_wilson(sum.outcome[i], sum.n_outcomes);
    out->quality = sum.quality / n;
    out->n_short = sum.n_short;
    out->mean_tokens = sum.tokens / n;
    out->n_changed = sum.n_changed;
    out->mcnemar_b = sum.b;
    out->mcnemar_c = sum.c;
    out->mcnemar_p = cna_stats_mcnemar(sum.b, sum.c);
    out->kl = sum.n_kl == 0 ? NAN : sum.kl / (double)sum.n_kl;
    out->perplexity = at->rows->perplexity[at->condition];
}

static void fill_category(const place *at, const char *name, cna_category_rate *out)
{
    tally sum = count(at, name);
    out->category = name;
    out->refused = cna_stats_wilson(sum.refused, sum.n);
    for (int i = 0; i < 3; i++) out->outcome[i] = cna_stats_wilson(sum.outcome[i], sum.n_outcomes);
}

/* ---- controls ---- */

static bool same_scaling(const cna_run_condition *a, const cna_run_condition *b)
{
    if (a->circuit == NULL || b->circuit == NULL || strcmp(a->circuit, b->circuit) != 0) return false;
    if (a->multiplier != b->multiplier || a->n_multipliers != b->n_multipliers) return false;
    return a->n_multipliers == 0 ||
           memcmp(a->multipliers, b->multipliers, a->n_multipliers * sizeof *a->multipliers) == 0;
}

/* Refusal under the controls of one kind of a condition, in order of their seeds.
 *   rates  ? receives them; returns how many */
static size_t control_rates(const cna_sweep_rows *rows, size_t condition, const char *kind, double *rates)
{
    size_t n = 0;
    for (size_t i = 0; i < rows->n_conditions; i++) {
        const cna_run_condition *row = &rows->conditions[i];
        if (row->method != CNA_RUN_CONTROL || row->kind == NULL || strcmp(row->kind, kind) != 0) continue;
        if (!same_scaling(row, &rows->conditions[condition])) continue;
        if (rows->n_harmful[i] != rows->n_side[CNA_SIDE_HARMFUL]) continue;
        if (rates != NULL) rates[n] = (double)rows->n_refused[i] / (double)rows->n_harmful[i];
        n++;
    }
    return n;
}

/* Returns how many of `rates` were taken. */
static size_t fill_controls(const place *at, double *rates, cna_sweep_point *point)
{
    size_t n_taken = 0;
    double n = (double)at->rows->n_harmful[at->rows->none];
    if (at->side != CNA_SIDE_HARMFUL || at->rows->conditions[at->condition].method != CNA_RUN_CNA) return 0;
    for (int kind = 0; kind < 2; kind++) {
        double *own = rates + n_taken;
        size_t n_seeds = control_rates(at->rows, at->condition, cna_control_kind_names[kind], own);
        if (n_seeds == 0) continue;
        cna_stats_range range = cna_stats_range_of(own, n_seeds);
        double base = (double)at->rows->n_refused[at->rows->none] / n;
        point->control[kind] = (cna_control_summary){
            .n_seeds = n_seeds,
            .mean = range.mean,
            .min = range.min,
            .max = range.max,
            .p = cna_stats_control_p(own, n_seeds, base, point->refused.rate),
            .rates = own,
        };
        n_taken += n_seeds;
    }
    return n_taken;
}

/* ---- the whole ---- */

static void add_answers(const place *at, const cna_condition *condition, cna_sweep_table *out)
{
    const cna_run_prompt *prompts = cna_sweep_rows_prompts(at->rows, at->side);
    for (size_t i = 0; i < at->rows->n_side[at->side]; i++) {
        const cna_run_generation *row = &at->answers[i];
        out->answers[out->n_answers++] = (cna_sweep_answer){
            .side = at->side,
            .prompt = i,
            .condition = condition,
            .text = row->text,
            .n_bytes = row->n_bytes,
            .n_tokens = row->n_tokens,
            .n_words = row->n_words,
            .stop = row->stop,
            .refused = row->refused,
            .leaked = prompts[i].discovery == CNA_RUN_DISCOVERY,
            .outcome = row->outcome == CNA_RUN_NO_OUTCOME ? CNA_OUTCOME_INCOHERENT : (cna_outcome)row->outcome,
            .quality = row->quality,
            .mean_logprob = row->mean_logprob,
            .kl = row->kl,
        };
    }
}

/* A file may hold one scaling twice, and then the controls of both are the same ones. */
static size_t count_rates(const cna_sweep_rows *rows)
{
    size_t n = 0;
    for (size_t i = 0; i < rows->n_conditions; i++) {
        if (rows->conditions[i].method != CNA_RUN_CNA) continue;
        for (int kind = 0; kind < 2; kind++) n += control_rates(rows, i, cna_control_kind_names[kind], NULL);
    }
    return n;
}

static cna_status allocate(const cna_sweep_rows *rows, cna_sweep_table *out, cna_error *err)
{
    size_t n = rows->n_conditions;
    CNA_TRY(cna_alloc(&out->conditions, n, sizeof *out->conditions, "conditions", err));
    CNA_TRY(cna_alloc(&out->points, 2 * n, sizeof *out->points, "points", err));
    CNA_TRY(cna_alloc(&out->answers, rows->n_answers, sizeof *out->answers, "answers", err));
    CNA_TRY(cna_alloc(&out->rates, count_rates(rows), sizeof *out->rates, "control rates", err));
    CNA_TRY(find_categories(rows, CNA_SIDE_HARMFUL, out, err));
    CNA_TRY(find_categories(rows, CNA_SIDE_BENIGN, out, err));
    size_t n_categories = n * (out->n_names[0] + out->n_names[1]);
    CNA_TRY(cna_alloc(&out->categories, n_categories, sizeof *out->categories, "categories", err));
    out->n_conditions = n;
    for (size_t i = 0; i < n; i++) out->conditions[i] = public_condition(&rows->conditions[i]);
    return CNA_OK;
}

static void fill(const cna_sweep_rows *rows, cna_sweep_table *out)
{
    size_t n_rates = 0, n_categories = 0;
    for (int side = 0; side < 2; side++) {
        const cna_run_generation *base =
            rows->none == rows->n_conditions ? NULL : cna_sweep_rows_answers(rows, rows->none, (cna_side)side);
        for (size_t i = 0; i < rows->n_conditions && base != NULL; i++) {
            const place at = {rows, (cna_side)side, i, cna_sweep_rows_answers(rows, i, (cna_side)side), base};
            if (at.answers == NULL) continue;
            cna_sweep_point *point = &out->points[out->n_points++];
            fill_point(&at, point);
            point->condition = &out->conditions[i];
            n_rates += fill_controls(&at, out->rates + n_rates, point);
            point->categories = out->categories + n_categories;
            point->n_categories = out->n_names[side];
            for (size_t c = 0; c < point->n_categories; c++) {
                fill_category(&at, out->names[side][c], &out->categories[n_categories++]);
            }
            add_answers(&at, point->condition, out);
        }
    }
}

cna_status cna_sweep_table_make(const cna_sweep_rows *rows, cna_sweep_table *out, cna_error *err)
{
    *out = (cna_sweep_table){0};
    cna_status status = allocate(rows, out, err);
    if (status != CNA_OK) {
        cna_sweep_table_clear(out);
        return status;
    }
    fill(rows, out);
    return CNA_OK;
}
