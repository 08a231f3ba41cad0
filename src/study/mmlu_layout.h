/* SPDX-License-Identifier: MIT
 * Which questions of MMLU a run asks, and what stands for them in its configuration. */
#ifndef CNA_STUDY_MMLU_LAYOUT_H
#define CNA_STUDY_MMLU_LAYOUT_H

#include "study/mmlu_data.h"
#include "study/mmlu_points.h"

/* All subjects, or those that are named, which must be there, and those of groups that are named.
 *   wanted, required  [CNA_MMLU_N_SUBJECTS]; required all false before
 * Errors: ERR_ARG for a name that MMLU does not have. */
CNA_MUST_CHECK cna_status cna_mmlu_choose_subjects(const cna_mmlu_options *options, bool *wanted, bool *required,
                                                   cna_error *err);

/* SHA-256 of all that is asked and of the examples, so that it does not depend on the layout of the files.
 *   n_shots  examples of each subject that stand before its questions */
CNA_MUST_CHECK cna_status cna_mmlu_hash_questions(const cna_mmlu_data *data, const cna_mmlu_block *blocks,
                                                  size_t n_blocks, size_t n_shots, char out[65], cna_error *err);

#endif
