/* SPDX-License-Identifier: MIT
 * A part's rows as its points are computed from them, read from a run. */
#ifndef CNA_STUDY_SWEEP_ROWS_H
#define CNA_STUDY_SWEEP_ROWS_H

#include "study/run.h"

enum { CNA_SWEEP_NO_ANSWERS = -1 };

/* Names of a part's figures. */
#define CNA_FIGURE_MIN_QUALITY "min_quality"
#define CNA_FIGURE_MIN_LOGPROB "min_logprob"
#define CNA_FIGURE_PERPLEXITY "perplexity"
#define CNA_FIGURE_CROSS_FIT "cross_fit"

/* All-zero is empty; freed by cna_sweep_rows_clear. The strings of prompts, conditions and answers are its own. */
typedef struct cna_sweep_rows {
    cna_run_prompt *prompts;       /* [n_prompts] harmful side first, by position */
    size_t n_prompts, prompts_capacity, n_side[2];
    cna_run_condition *conditions; /* [n_conditions] by position */
    size_t n_conditions, conditions_capacity;
    cna_run_generation *answers;   /* [n_answers] none of a control; by condition, side, prompt */
    size_t n_answers, answers_capacity;
    ptrdiff_t *first[2];           /* [n_conditions] by side: index of the first answer of a condition that has one for
                                    * every prompt; CNA_SWEEP_NO_ANSWERS for one that has not, and for controls */
    size_t *n_refused;             /* [n_conditions] of harmful prompts, by the patterns; controls as well */
    size_t *n_harmful;             /* [n_conditions] answers to harmful prompts */
    double *perplexity;            /* [n_conditions] NaN where there is none */
    size_t n_perplexity_tokens;    /* scored under each condition */
    double min_quality, min_logprob; /* NaN where they are not known; -infinity: no limit */
    size_t n_folds;                /* of cross-fit; 0: none */
    size_t none;                   /* the condition of the untouched model; n_conditions where there is none */
} cna_sweep_rows;

/* Read what a part holds so far.
 * Errors: as the reads of study/run.h; ERR_FORMAT where rows do not fit together. */
CNA_MUST_CHECK cna_status cna_sweep_rows_read(cna_run *run, int64_t part, cna_sweep_rows *out, cna_error *err);
void cna_sweep_rows_clear(cna_sweep_rows *rows);

/* The prompts of one side: [rows->n_side[side]]. */
const cna_run_prompt *cna_sweep_rows_prompts(const cna_sweep_rows *rows, cna_side side);

/* The answers of one side under a condition: [rows->n_side[side]], by prompt; NULL where they are not all there. */
const cna_run_generation *cna_sweep_rows_answers(const cna_sweep_rows *rows, size_t condition, cna_side side);

#endif
