/* SPDX-License-Identifier: MIT
 * Cross-fit: prompts that a circuit was found on are scored with one that was found without them (METHOD section 8). */
#ifndef CNA_STUDY_SWEEP_FOLDS_H
#define CNA_STUDY_SWEEP_FOLDS_H

#include "cna_study.h"
#include "method/circuit.h"

/* The fold of every discovery prompt. All-zero is none; freed by cna_folds_clear. */
typedef struct cna_folds {
    size_t n_folds;
    struct cna_fold_entry *entries; /* [n] sorted by hash */
    size_t n;
} cna_folds;

/* Put the prompts of both sets into folds 1 .. n_folds: the different texts of a set in the order of their SHA-256 take
 * folds in turn, so that a fold depends on nothing but the texts of its set. A text of both sets has its fold of the
 * positive one.
 * Errors: ERR_ARG for fewer than 2 folds, more folds than different texts in a set, or prompts given as ids. */
CNA_MUST_CHECK cna_status cna_folds_make(const cna_prompts *positive, const cna_prompts *negative, size_t n_folds,
                                         cna_folds *out, cna_error *err);
void cna_folds_clear(cna_folds *folds);

/* The fold of a prompt by its SHA-256; 0: in neither set. */
size_t cna_folds_find(const cna_folds *folds, const char *sha256);

/* The prompts of a set that are not of a fold, in their order; *out is new. */
CNA_MUST_CHECK cna_status cna_folds_without(const cna_folds *folds, const cna_prompts *prompts, size_t fold,
                                            cna_prompts **out, cna_error *err);

/* How a circuit's file says it was found, to find another in the same way.
 *   model   has to be the one that it was found on
 *   format  of the sweep: its system prompt is kept, mode and date are the circuit's
 * Errors: ERR_ARG where the file does not say; ERR_MISMATCH where it was found on another model, on other prompts than
 *         these, or with universal neurons of a file, which is not at hand. */
CNA_MUST_CHECK cna_status cna_folds_attribution(const cna_circuit *circuit, const cna_model *model,
                                                const cna_prompts *positive, const cna_prompts *negative,
                                                const cna_format *format, cna_attribute_options *out, cna_error *err);

#endif
