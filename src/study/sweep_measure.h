/* SPDX-License-Identifier: MIT
 * What can only be said of answers when all of them are there (METHOD section 8): log-probability under the untouched
 * model, first-token KL, perplexity, outcome. Each is kept in the run as it comes, and what is there already is not
 * done again. */
#ifndef CNA_STUDY_SWEEP_MEASURE_H
#define CNA_STUDY_SWEEP_MEASURE_H

#include "study/perplexity.h"
#include "study/sweep_plan.h"
#include "study/sweep_rows.h"

/* Borrows everything. */
typedef struct cna_sweep_measure {
    const cna_model *model;
    const cna_sweep_options *options;
    const cna_sweep_plan *plan; /* with taps for every condition that is no control */
    const cna_windows *windows; /* of the text for perplexity; n 0: none */
    cna_run *run;
    int64_t part;
    cna_sweep_rows *rows;       /* complete; kept up to date here */
} cna_sweep_measure;

/* Whether memory has room for what will be measured, asked before anything is generated.
 * Errors: ERR_MEMORY. */
CNA_MUST_CHECK cna_status cna_sweep_measure_room(const cna_model *model, const cna_sweep_options *options,
                                                 const cna_sweep_plan *plan, const cna_windows *windows,
                                                 cna_error *err);

CNA_MUST_CHECK cna_status cna_sweep_measure_run(const cna_sweep_measure *measure, cna_error *err);

/* KL(P || Q) in nats of the distributions that two rows of logits give, f64 throughout:
 *
 *   sum over v of p(v) (log p(v) - log q(v)),  p = softmax(a), q = softmax(b)
 *
 * Never below 0; NaN where a logit is. */
double cna_sweep_kl(const float *a, const float *b, size_t n);

#endif
