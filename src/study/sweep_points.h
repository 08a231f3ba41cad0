/* SPDX-License-Identifier: MIT
 * From a part's rows to its figures (METHOD sections 8 to 10): what a sweep shows and a report repeats. Numbers only;
 * no model. */
#ifndef CNA_STUDY_SWEEP_POINTS_H
#define CNA_STUDY_SWEEP_POINTS_H

#include "study/sweep_rows.h"

/* Points and answers of a part; borrows its rows. All-zero is empty; freed by cna_sweep_table_clear. */
typedef struct cna_sweep_table {
    cna_condition *conditions;      /* [n_conditions] as in the rows, controls included */
    size_t n_conditions;
    cna_sweep_point *points;        /* [n_points] by side, then condition */
    size_t n_points;
    cna_sweep_answer *answers;      /* [n_answers] by side, condition, prompt */
    size_t n_answers;
    double *rates;                  /* what the points' controls point to */
    cna_category_rate *categories;  /* and their categories */
    const char **names[2];          /* [n_names[side]] categories of each side */
    size_t n_names[2];
} cna_sweep_table;

/* A point for each side and each condition, controls excepted, that has all of its answers; none at all as long as the
 * untouched model's are not there, which every point is held against. Outcomes and KL that are not known yet are left
 * out of their rates and means. */
CNA_MUST_CHECK cna_status cna_sweep_table_make(const cna_sweep_rows *rows, cna_sweep_table *out, cna_error *err);
void cna_sweep_table_clear(cna_sweep_table *table);

/* The mean log-probability under which an answer is incoherent: the given percentile (0..100) of those of the untouched
 * model's answers, the ones without (NaN) left out; -infinity where none is left. */
CNA_MUST_CHECK cna_status cna_sweep_min_logprob(const cna_sweep_rows *rows, double percentile, double *out,
                                                cna_error *err);

#endif
