/* SPDX-License-Identifier: MIT
 * From MMLU's answers to its figures. Numbers only; no model, no text. */
#ifndef CNA_STUDY_MMLU_POINTS_H
#define CNA_STUDY_MMLU_POINTS_H

#include "base/memory.h"
#include "cna_study.h"

/* The answers of one subject: [n_multipliers, n_questions] from `first` on. */
typedef struct cna_mmlu_block {
    size_t subject; /* in cna_mmlu_subjects */
    size_t first, n_questions;
} cna_mmlu_block;

/* Accuracy, McNemar and changes of the whole, of every group that has a question, and of every subject.
 *   answers  of all blocks
 *   base     the index of multiplier 1
 *   out      new array of *out_n, freed by cna_free */
CNA_MUST_CHECK cna_status cna_mmlu_points_make(const cna_mmlu_answer *answers, const cna_mmlu_block *blocks,
                                               size_t n_blocks, const double *multipliers, size_t n_multipliers,
                                               size_t base, cna_mmlu_point **out, size_t *out_n, cna_error *err);

/* The likeliest of four; the first of equals. */
int cna_mmlu_choose(const double logprobs[4]);

#endif
