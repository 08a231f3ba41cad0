/* SPDX-License-Identifier: MIT
 * What the configuration of a part cannot say: what its model was given in the end. A folder's tokenizer, chat template
 * and config.json may change under the same weights, and so the same fingerprint. */
#ifndef CNA_STUDY_RUN_INPUTS_H
#define CNA_STUDY_RUN_INPUTS_H

#include "study/run.h"
#include "text/prompts.h"

/* Keep the SHA-256 of these token ids, of the ids that end an answer and of the constants of attention and norms with a
 * part, under the figure "inputs"; where it is there already, it must be the same.
 *   sets  [n_sets] prompts as token ids, rendered with the part's own date
 * Errors: ERR_MISMATCH where the part was begun with others. */
CNA_MUST_CHECK cna_status cna_run_pin_inputs(cna_run *run, int64_t part, const cna_model *model,
                                             const cna_token_lists *sets, size_t n_sets, cna_error *err);

#endif
