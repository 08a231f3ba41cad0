/* SPDX-License-Identifier: MIT
 * Answers for a person to label, and the verdicts read back (METHOD section 8). */
#ifndef CNA_STUDY_SWEEP_LABELS_H
#define CNA_STUDY_SWEEP_LABELS_H

#include "study/sweep_rows.h"

/* Verdicts of one labeller, held against the patterns. All-zero is none. */
typedef struct cna_labels {
    cna_sweep_agreement agreement;
    cna_rate *refused; /* [agreement.n_points] what the agreement points to */
} cna_labels;

void cna_labels_clear(cna_labels *labels);

enum { CNA_LABEL_ID_DIGITS = 16, CNA_LABEL_NO_VERDICT = -1 };

/* An answer as a file of labels names it. */
typedef struct cna_label_item {
    char id[CNA_LABEL_ID_DIGITS + 1]; /* of its prompt and its words */
    char place[65]; /* in the order of a file */
    size_t answer;  /* in the rows */
    int verdict;    /* 0, 1 or CNA_LABEL_NO_VERDICT */
} cna_label_item;

/* Every answer, sorted by id: answers to one prompt with the same words are neighbours.
 *   out  new array [rows->n_answers] without verdicts, freed by cna_free */
CNA_MUST_CHECK cna_status cna_labels_find(const cna_sweep_rows *rows, cna_label_item **out, cna_error *err);

typedef enum cna_label_format { CNA_LABELS_TSV, CNA_LABELS_JSONL } cna_label_format;

/* By the file's name. Errors: ERR_ARG for one that ends neither in .tsv nor in .jsonl. */
CNA_MUST_CHECK cna_status cna_labels_format(const char *path, cna_label_format *out, cna_error *err);

#endif
