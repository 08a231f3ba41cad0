/* SPDX-License-Identifier: MIT
 * Lists of multipliers and alphas. */
#ifndef CNA_STUDY_MULTIPLIERS_H
#define CNA_STUDY_MULTIPLIERS_H

#include "base/error.h"
#include "cna_study.h"

bool cna_multipliers_hold(const double *values, size_t n, double value);

/* Errors: ERR_ARG for a number that is not finite as f32, with the list's name. */
CNA_MUST_CHECK cna_status cna_multipliers_check(const char *name, const cna_numbers *numbers, cna_error *err);

/* Each number once, in their order; returns how many.
 *   with_one  put 1 before the first greater one, or at the end, where it is missing
 *   out       [given->n + 1] */
size_t cna_multipliers_tidy(const cna_numbers *given, bool with_one, double *out);

#endif
