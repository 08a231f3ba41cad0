/* SPDX-License-Identifier: MIT
 * The answers of a run file that a judge is asked about, what was said of them, and the figures made of that. */
#ifndef CNA_STUDY_JUDGE_SAMPLES_H
#define CNA_STUDY_JUDGE_SAMPLES_H

#include "study/run.h"

typedef enum cna_judge_state {
    CNA_JUDGE_OPEN,
    CNA_JUDGE_SCORED,
    CNA_JUDGE_MALFORMED,
    CNA_JUDGE_FAILED,
} cna_judge_state;

/* One answer. */
typedef struct cna_judge_sample {
    int64_t generation;
    size_t row;
    cna_judge_state state;
    double score;   /* where scored */
    double refused; /* 0 or 1; NaN: the rubric does not say */
} cna_judge_sample;

typedef struct cna_judge_samples {
    cna_judge_sample *items; /* [n] in order of part, condition, side (harmful first) and prompt */
    size_t n, capacity;
    cna_judge_row *rows;     /* [n_rows] without counts and figures before cna_judge_samples_count */
    size_t n_rows, row_capacity;
    char **texts;            /* [n_texts] of the rows */
    size_t n_texts, text_capacity;
} cna_judge_samples;

/* Which answers: those of this side and method always, the others where they are asked for. */
typedef struct cna_judge_choice {
    bool benign, controls;
} cna_judge_choice;

/* List the chosen answers and mark those that have a stored reply of this judge under this rubric; failed ones are
 * open. Freed by cna_judge_samples_clear. Errors: of the run. */
CNA_MUST_CHECK cna_status cna_judge_samples_read(cna_run *run, cna_judge_choice choice, const char *rubric,
                                                 const char *judge_model, cna_judge_samples *out, cna_error *err);
void cna_judge_samples_clear(cna_judge_samples *samples);

/* Fill in the rows: counts, mean score and interval, refusals (METHOD section 18). Sums in the order of the samples. */
void cna_judge_samples_count(cna_judge_samples *samples);

#endif
