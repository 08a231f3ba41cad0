/* SPDX-License-Identifier: MIT
 * Asking the judge: who is sent when, what is repeated, what ends the run. Every reply is in the run file before the
 * next one is looked at. */
#ifndef CNA_STUDY_JUDGE_ASK_H
#define CNA_STUDY_JUDGE_ASK_H

#include "study/judge_rubric.h"
#include "study/judge_samples.h"

/* All borrowed; every default of the options resolved. */
typedef struct cna_judge_task {
    cna_run *run;
    const cna_judge_options *options;
    const cna_judge_rubric *rubric;
    const char *address;
} cna_judge_task;

/* Ask about every open sample, and set its state, score and refused.
 *   n_asked  how many that were
 * Errors: as cna_judge_run. Samples without a row in the file stay open. */
CNA_MUST_CHECK cna_status cna_judge_ask(const cna_judge_task *task, cna_judge_samples *samples, size_t *n_asked,
                                        cna_error *err);

/* Seconds to wait before attempt n_attempts + 1 (n_attempts 1 and more) where the server does not ask for more:
 *
 *   min(60, backoff * 2^(n_attempts - 1)) * (1/2 + u/2)
 *
 * with u in [0, 1) from splitmix64 of (seed, generation, n_attempts). */
double cna_judge_wait(double backoff_seconds, uint64_t seed, int64_t generation, size_t n_attempts);

#endif
