/* SPDX-License-Identifier: MIT
 * Answers for a person to label, and the verdicts read back (METHOD section 8). */
#ifndef CNA_STUDY_SWEEP_LABELS_H
#define CNA_STUDY_SWEEP_LABELS_H

#include "cna_study.h"

/* Verdicts of one labeller, held against the patterns. All-zero is none. */
typedef struct cna_labels {
    cna_sweep_agreement agreement;
    cna_rate *refused; /* [agreement.n_points] what the agreement points to */
} cna_labels;

void cna_labels_clear(cna_labels *labels);

#endif
