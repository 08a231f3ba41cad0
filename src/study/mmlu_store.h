/* SPDX-License-Identifier: MIT
 * MMLU in a run file: what was there before, and every answer soon after it is known. Without a run all of this does
 * nothing. */
#ifndef CNA_STUDY_MMLU_STORE_H
#define CNA_STUDY_MMLU_STORE_H

#include "base/clock.h"
#include "study/mmlu_data.h"
#include "study/mmlu_points.h"
#include "study/run.h"

/* A run as far as the file is concerned; borrows everything. */
typedef struct cna_mmlu_study {
    const cna_model *model;
    const cna_mmlu_options *options;
    const cna_mmlu_info *info;
    const cna_mmlu_data *data;
    const cna_mmlu_block *blocks; /* [n_blocks] */
    size_t n_blocks;
    const double *multipliers;    /* [n_multipliers] */
    size_t n_multipliers;
    cna_mmlu_answer *answers;     /* [n_answers] chosen and logprobs of those in the file are filled in */
    bool *done;                   /* [n_answers] */
} cna_mmlu_study;

enum { CNA_MMLU_KEPT_BACK = 64 };

typedef struct cna_mmlu_store {
    cna_run *run; /* ? */
    int64_t part;
    cna_mmlu_study study;
    int64_t *conditions; /* [n_multipliers] */
    int64_t *questions;  /* [n_questions] in the order of the blocks */
    size_t *first;       /* [n_blocks] each block's first question */
    size_t waiting[CNA_MMLU_KEPT_BACK]; /* [n_waiting] answers that are not in the file yet */
    size_t n_waiting;
    double flushed;      /* when the last were written, seconds */
} cna_mmlu_store;

/* Begin or continue the part of options->run, and mark the answers that it has. Cleared by cna_mmlu_store_clear, also
 * after a failure.
 *   date  that the chat template inserts: becomes the part's own where it continues
 *   note  receives the part's
 * Errors: as cna_run_begin_part; ERR_FORMAT for answers in the file that are to no question of it. */
CNA_MUST_CHECK cna_status cna_mmlu_store_begin(cna_mmlu_store *store, const cna_mmlu_study *study, char date[11],
                                               char note[512], cna_error *err);
/* Keep an answer; written with others when there are many of them or a second has passed. */
CNA_MUST_CHECK cna_status cna_mmlu_store_add(cna_mmlu_store *store, size_t answer, cna_error *err);
/* Write those that wait. */
CNA_MUST_CHECK cna_status cna_mmlu_store_flush(cna_mmlu_store *store, cna_error *err);
/* All answers are there. */
CNA_MUST_CHECK cna_status cna_mmlu_store_end(cna_mmlu_store *store, cna_error *err);
void cna_mmlu_store_clear(cna_mmlu_store *store);

#endif
