/* SPDX-License-Identifier: MIT
 * The random circuits of a sweep, as taps (METHOD section 8). */
#ifndef CNA_STUDY_SWEEP_CONTROLS_H
#define CNA_STUDY_SWEEP_CONTROLS_H

#include "engine/engine.h"
#include "study/sweep_conditions.h"

/* What is drawn from, for every variant and cut of the circuits. All-zero draws nothing. */
typedef struct cna_sweep_controls {
    struct cna_sweep_pool *pools; /* [n_variants, n_cuts] */
    size_t n_pools, n_cuts;
} cna_sweep_controls;

/* Prepare draws. One engine capture over the harmful prompts gives the strengths for matched ones; where a circuit does
 * not list the universal neurons, another finds them. Several circuits are drawn against as one, the union of their
 * neurons; no neuron of any of them, uncut, is drawn. On failure `out` is to be cleared all the same.
 *   wanted  [n_variants] whether some prompt is run with a variant
 * Errors: ERR_MISMATCH if a layer has too few neurons left. */
CNA_MUST_CHECK cna_status cna_sweep_controls_make(const cna_model *model, const cna_sweep_options *options,
                                                  const cna_sweep_circuits *circuits, const bool *wanted,
                                                  const cna_token_lists *harmful, cna_sweep_controls *out,
                                                  cna_error *err);
void cna_sweep_controls_clear(cna_sweep_controls *controls);

/* The tap of one control condition for one variant. The i-th neuron drawn, in order of layer and number, has the
 * multiplier of the circuits' i-th: where circuits have different ones, each layer has as many neurons of each. */
CNA_MUST_CHECK cna_status cna_sweep_control_tap(const cna_sweep_controls *controls, const cna_sweep_options *options,
                                                const cna_sweep_circuits *circuits, size_t variant,
                                                const cna_sweep_condition *condition, const cna_model_info *info,
                                                cna_tap **out, cna_error *err);

#endif
