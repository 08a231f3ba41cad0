/* SPDX-License-Identifier: MIT
 * What a sweep will run: each prompt under each multiplier and each control, as jobs ready for the engine. */
#ifndef CNA_STUDY_SWEEP_PLAN_H
#define CNA_STUDY_SWEEP_PLAN_H

#include "cna_study.h"
#include "engine/engine.h"

/* All-zero is an empty plan. Jobs are in the order
 *   answers:   side, multiplier, prompt                      [n_answers]
 *   controls:  kind, seed, multiplier other than 1, prompt
 * Controls run on the harmful side only: it is there that a circuit is said to do something. */
typedef struct cna_sweep_plan {
    cna_token_lists prompts[2]; /* by cna_side */
    double *multipliers;        /* [n_multipliers] */
    size_t n_multipliers, base; /* multipliers[base] is 1 */
    size_t n_seeds;             /* of each kind of control; 0: none */
    cna_tap **taps;             /* [n_taps] that jobs point to */
    size_t n_taps;
    cna_job *jobs; /* [n_jobs] */
    size_t n_jobs, n_answers;
} cna_sweep_plan;

/* Tokenise, draw the controls (one engine capture over the harmful prompts gives the strengths for the matched ones)
 * and lay out the jobs. On failure the plan is to be cleared all the same. Several circuits are drawn against as one:
 * the union of their neurons. Where a circuit does not list the universal neurons, another capture finds them.
 * Errors: as cna_sweep_run. */
CNA_MUST_CHECK cna_status cna_sweep_plan_make(const cna_model *model, const cna_prompts *prompts,
                                              const cna_sweep_options *options, cna_sweep_plan *plan,
                                              cna_error *err);
void cna_sweep_plan_clear(cna_sweep_plan *plan);

/* Index of the first answer of one side at one multiplier. */
size_t cna_sweep_plan_first(const cna_sweep_plan *plan, cna_side side, size_t multiplier);

/* Index of the first job of one control; steered counts the multipliers other than 1. */
size_t cna_sweep_plan_control(const cna_sweep_plan *plan, cna_control_kind kind, size_t seed, size_t steered);

#endif
