/* SPDX-License-Identifier: MIT
 * Run files with answers to judge, for the judge's tests, and what is in them afterwards, read with SQLite itself. */
#ifndef CNA_TESTS_JUDGE_FIXTURE_H
#define CNA_TESTS_JUDGE_FIXTURE_H

#include "support.h"

#include "cna_study.h"

/* One part with n_prompts prompts on the harmful side, "Please do item-N." from 0, and 2 on the benign side; answers to
 * all of them untouched and under multiplier 0, and under one control at multiplier 0. Sample number: condition *
 * n_prompts + prompt, on the harmful side; that number is the N of the answer's "item-N", which stands behind the
 * prompt's and is what the judge's server should look at. */
void judge_fixture_fill(cna_run *run, size_t n_prompts);
/* The same as a new file. */
void judge_fixture_write(const char *path, size_t n_prompts);

/* One row of the table judgement. */
typedef struct judge_row {
    size_t sample;
    char rubric[80], status[16], reply[200], error[300];
    bool has_reply;
    double score; /* NaN: NULL */
    int n_attempts;
} judge_row;

/* The rows in order of generation, at most n_max; returns how many there are. */
size_t judge_fixture_read(const char *path, judge_row *rows, size_t n_max);

#endif
