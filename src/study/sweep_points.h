/* SPDX-License-Identifier: MIT
 * From a sweep's answers to its figures (METHOD section 8). Numbers only; no model, no text. */
#ifndef CNA_STUDY_SWEEP_POINTS_H
#define CNA_STUDY_SWEEP_POINTS_H

#include "base/memory.h"
#include "cna_study.h"

/* The multipliers of a sweep: as given and in their order, each once, with 1 put before the first greater one where
 * it is missing.
 *   given     ? [n]; NULL: 0, 0.25, 0.5, 0.75, 1, 1.5, 2
 *   out       new array of *out_n, freed by cna_free
 *   out_base  the index of 1
 * Errors: ERR_ARG for a number that is not finite as f32. */
CNA_MUST_CHECK cna_status cna_sweep_multipliers(const double *given, size_t n, double **out, size_t *out_n,
                                                size_t *out_base, cna_error *err);

/* The mean log-probability under which an answer is incoherent: the given percentile (0..100) of those of the m = 1
 * answers, the ones without (NaN) left out; -infinity where none is left.
 *   base  [n] answers at m = 1 */
CNA_MUST_CHECK cna_status cna_sweep_min_logprob(const cna_sweep_answer *base, size_t n, double percentile,
                                                double *out, cna_error *err);

/* One side at one multiplier against the same side at 1; everything of a point but its controls.
 *   answers  [n] at this multiplier, outcomes decided;  base  [n] the same prompts at 1
 *   changed  [n] whether the ids differ from those at 1 */
void cna_sweep_point_fill(const cna_sweep_answer *answers, const cna_sweep_answer *base, const bool *changed,
                          size_t n, cna_sweep_point *out);

/* A kind of control at a point whose rates are known.
 *   rates      [n_seeds] refusal rates, kept as a borrowed pointer
 *   base_rate  refusal rate at m = 1, the same side */
void cna_sweep_point_control(cna_sweep_point *point, cna_control_kind kind, const double *rates,
                             size_t n_seeds, double base_rate);

#endif
