/* SPDX-License-Identifier: MIT
 * A run with a little of everything, for the tests of run files: one part of two prompts a side and three conditions,
 * and SQLite beside our own code for looking at what is in a file. */
#ifndef CNA_TESTS_RUN_FIXTURE_H
#define CNA_TESTS_RUN_FIXTURE_H

#include "support.h"

#include <sqlite3.h>

#include "study/run.h"

typedef struct run_fixture {
    cna_run *run;
    cna_run_part part;
    int64_t prompts[4];    /* harmful 0, 1; benign 0, 1 */
    int64_t conditions[3]; /* none, cna with multiplier 0, control */
} run_fixture;

/* The model and the part that the fixture begins. */
extern const cna_model_info run_fixture_model;

/* {"max_tokens": max_tokens, "limits": {"quality": quality, "logprob": 1.5}}; json_decref it. */
json_t *run_fixture_config(int max_tokens, double quality);
cna_status run_fixture_begin(cna_run *run, const json_t *config, cna_run_part *out, cna_error *err);

/* Open path (NULL: memory) and add part, prompts and conditions; again on the same file finds them. */
cna_status run_fixture_open(const char *path, run_fixture *out, cna_error *err);
/* The answer number i of the fixture: condition i / 4, prompt i % 4. Its texts live for ever. */
cna_run_generation run_fixture_answer(const run_fixture *fixture, size_t i);

/* One value of a file, by SQLite alone. */
int64_t run_fixture_count(const char *path, const char *sql);
/* New text, freed by free; NULL for NULL. */
char *run_fixture_text(const char *path, const char *sql);
void run_fixture_execute(const char *path, const char *sql);
/* The value is this text. */
void assert_text(const char *path, const char *sql, const char *expected);

/* A new folder, and a run file's path in it, around a test: cmocka's functions. */
typedef struct run_place {
    char *folder, *path;
} run_place;
int run_place_set_up(void **state);
int run_place_tear_down(void **state);

#endif
