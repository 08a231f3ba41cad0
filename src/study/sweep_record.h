/* SPDX-License-Identifier: MIT
 * What a part of a run holds of a sweep before its first answer. */
#ifndef CNA_STUDY_SWEEP_RECORD_H
#define CNA_STUDY_SWEEP_RECORD_H

#include "study/sweep_plan.h"

/* Files, circuits, prompts with whether a circuit was found on them, conditions (whose ids are put into the plan), and
 * how many answers there will be.
 *   plan     tokenised
 *   prompts  receives new arrays [plan->prompts[side].n] of the prompts' ids; freed by cna_free, also after a failure
 * Errors: as the functions of study/run.h that add rows. */
CNA_MUST_CHECK cna_status cna_sweep_record(cna_run *run, int64_t part, const cna_sweep_options *options,
                                           cna_sweep_plan *plan, int64_t *prompts[2], cna_error *err);

CNA_MUST_CHECK cna_status cna_sweep_record_circuit(cna_run *run, int64_t part, const char *label,
                                                   const cna_circuit *circuit, cna_error *err);

#endif
