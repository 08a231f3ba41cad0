/* SPDX-License-Identifier: MIT
 * What a sweep runs: prompts as token ids, conditions, and the taps by which the engine does them. */
#ifndef CNA_STUDY_SWEEP_PLAN_H
#define CNA_STUDY_SWEEP_PLAN_H

#include "engine/engine.h"
#include "method/caa.h"
#include "study/sweep_conditions.h"
#include "study/sweep_folds.h"

/* All-zero is an empty plan. */
typedef struct cna_sweep_plan {
    const cna_prompts *given[2]; /* by cna_side; NULL where there is no such side */
    cna_token_lists prompts[2];
    size_t *variant[2];          /* [prompts[side].n] what each prompt is run with: its fold, or 0 */
    cna_folds folds;
    cna_sweep_circuits circuits;
    cna_sweep_conditions conditions;
    size_t n_variants;           /* 1 + folds */
    cna_tap **taps;              /* [conditions.n, n_variants]; NULL for the untouched model, and where not wanted */
    cna_caa_shifts *shifts;      /* ? [conditions.n, n_variants] that taps of CAA point to */
} cna_sweep_plan;

/* Lay out circuits, folds and conditions. On failure the plan is to be cleared all the same.
 * Errors: as cna_sweep_run. */
CNA_MUST_CHECK cna_status cna_sweep_plan_make(const cna_model *model, const cna_prompts *prompts,
                                              const cna_sweep_options *options, cna_sweep_plan *plan, cna_error *err);

/* Tokenise the prompts.
 *   format  its date decided */
CNA_MUST_CHECK cna_status cna_sweep_plan_tokenize(const cna_model *model, const cna_format *format,
                                                  cna_sweep_plan *plan, cna_error *err);

/* Find the circuits of folds and the vectors of CAA, draw controls, and make taps.
 *   wanted     [conditions.n] which conditions are to be run
 *   on_circuit ? called with the circuit of every fold, 1 and on */
typedef cna_status cna_sweep_circuit_fn(void *user, size_t fold, const cna_circuit *circuit, cna_error *err);
CNA_MUST_CHECK cna_status cna_sweep_plan_taps(const cna_model *model, const cna_sweep_options *options,
                                              const cna_format *format, const bool *wanted,
                                              cna_sweep_circuit_fn *on_circuit, void *user, cna_sweep_plan *plan,
                                              cna_error *err);
void cna_sweep_plan_clear(cna_sweep_plan *plan);

/* The tap of a condition for a prompt. */
const cna_tap *cna_sweep_plan_tap(const cna_sweep_plan *plan, size_t condition, cna_side side, size_t prompt);

/* A prompt under a condition, as the engine takes it. */
cna_job cna_sweep_plan_job(const cna_sweep_plan *plan, size_t condition, cna_side side, size_t prompt);

/* Whether a condition is a random circuit. */
bool cna_sweep_plan_is_control(const cna_sweep_plan *plan, size_t condition);

/* Whether prompts of a side are run under a condition: controls run on the harmful side only, as it is there that a
 * circuit is said to do something. */
bool cna_sweep_plan_is_asked(const cna_sweep_plan *plan, size_t condition, cna_side side);

/* Answers that a tokenised plan comes to. */
size_t cna_sweep_plan_n_answers(const cna_sweep_plan *plan);

#endif
