/* SPDX-License-Identifier: MIT
 * Lists of multipliers. */
#ifndef CNA_STUDY_MULTIPLIERS_H
#define CNA_STUDY_MULTIPLIERS_H

#include "base/memory.h"

/* The multipliers of a sweep: as given and in their order, each once, with 1 put before the first greater one where
 * it is missing.
 *   given     ? [n]; NULL: 0, 0.25, 0.5, 0.75, 1, 1.5, 2
 *   out       new array of *out_n, freed by cna_free
 *   out_base  the index of 1
 * Errors: ERR_ARG for a number that is not finite as f32. */
CNA_MUST_CHECK cna_status cna_sweep_multipliers(const double *given, size_t n, double **out, size_t *out_n,
                                                size_t *out_base, cna_error *err);

#endif
