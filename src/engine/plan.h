/* SPDX-License-Identifier: MIT
 * What a call is about to hold, said and checked before it starts. */
#ifndef CNA_ENGINE_PLAN_H
#define CNA_ENGINE_PLAN_H

#include "engine/engine.h"

/* What a call holds beside the model and all that is held already. */
typedef struct cna_plan {
    uint64_t session; /* cna_session_bytes */
    uint64_t kv;
    uint64_t results;
    size_t n_sequences; /* at a time; for the note */
    size_t n_rows;      /* of the largest pass; for the note */
} cna_plan;

/* Bytes that a call may still come to hold: the model's bound less what is held now and what libraries will need. */
uint64_t cna_plan_room(const cna_model *model);

/* Note a plan (progress->note) and count it into usage->planned_bytes, which keeps the largest.
 *   progress, usage  ? may be NULL
 * Errors: ERR_MEMORY where the plan goes past the model's bound, with both numbers. */
CNA_MUST_CHECK cna_status cna_plan_announce(const cna_model *model, const cna_plan *plan, const cna_progress *progress,
                                            cna_usage *usage, cna_error *err);

#endif
