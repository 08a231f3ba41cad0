/* SPDX-License-Identifier: MIT
 * Run files with answers to judge, and what SQLite finds in them afterwards. */
#ifndef CNA_TESTS_JUDGE_FIXTURE_H
#define CNA_TESTS_JUDGE_FIXTURE_H

#include "run_fixture.h"

/* One part with n harmful prompts and two benign ones, all answered untouched and by a circuit at multiplier 0, the
 * harmful ones also under a random circuit. Each answer holds "item-N":
 *
 *   0 .. n-1     harmful, untouched          3n, 3n+1    benign, untouched
 *   n .. 2n-1    harmful, circuit            3n+2, 3n+3  benign, circuit
 *   2n .. 3n-1   harmful, random circuit */
void judge_fixture_fill(cna_run *run, size_t n);
/* The same as a new file. */
void judge_fixture_write(const char *path, size_t n);

/* One row of the table judgement. */
typedef struct judge_row {
    size_t item;
    char rubric[80], status[16], reply[400], error[400];
    bool has_reply;
    double score; /* NaN: NULL */
    int n_attempts;
} judge_row;

/* The rows of a file in order of their answers, at most n_max; returns how many there are. */
size_t judge_fixture_read(const char *path, judge_row *rows, size_t n_max);

#endif
