/* SPDX-License-Identifier: MIT
 * A run with a little of everything. */
#define _XOPEN_SOURCE 700 /* strdup */
#include "run_fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

const cna_model_info run_fixture_model = {
    .name = "toy",
    .architecture = "llama",
    .compute_dtype = "bf16",
    .fingerprint = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    .n_layers = 4,
    .hidden_dim = 8,
    .mlp_dim = 16,
    .vocab_size = 32,
};

json_t *run_fixture_config(int max_tokens, double quality)
{
    return json_pack("{s:i, s:{s:f, s:f}}", "max_tokens", max_tokens, "limits", "quality", quality, "logprob", 1.5);
}

cna_status run_fixture_begin(cna_run *run, const json_t *config, cna_run_part *out, cna_error *err)
{
    cna_run_part_spec spec = {.command = "sweep", .model = &run_fixture_model, .model_path = "models/toy",
                              .config = config,   .seed = 7,                   .date = "2024-05-06"};
    return cna_run_begin_part(run, &spec, out, err);
}

static cna_status add_work(run_fixture *f, cna_error *err)
{
    static const char *const texts[] = {"name a colour", "name a tree", "name a river", "name a\0bird"};
    for (size_t i = 0; i < 4; i++) {
        cna_run_prompt prompt = {.side = i < 2 ? CNA_SIDE_HARMFUL : CNA_SIDE_BENIGN,
                                 .position = i % 2,
                                 .text = texts[i],
                                 .n_bytes = i == 3 ? 11 : strlen(texts[i]),
                                 .category = i == 0 ? "colours" : NULL,
                                 .discovery = (cna_run_discovery)(i % 3)};
        CNA_TRY(cna_run_add_prompt(f->run, f->part.id, &prompt, &f->prompts[i], err));
    }
    CNA_TRY(cna_run_add_circuit(f->run, f->part.id, "toy.json", "{\"neurons\":[]}", NULL, err));
    const double each[] = {0, 0.5};
    const cna_run_condition conditions[] = {
        {.position = 0, .method = CNA_RUN_NONE, .k = -1, .control_seed = -1, .multiplier = 1, .alpha = NAN,
         .layer = -1},
        {.position = 1, .method = CNA_RUN_CNA, .circuit = "toy.json", .k = 25, .control_seed = -1, .multiplier = 0,
         .multipliers = each, .n_multipliers = 2, .alpha = NAN, .layer = -1},
        {.position = 2, .method = CNA_RUN_CONTROL, .circuit = "toy.json", .k = 25, .kind = "uniform",
         .control_seed = 3, .multiplier = 0, .alpha = NAN, .layer = -1},
    };
    for (size_t i = 0; i < 3; i++) {
        CNA_TRY(cna_run_add_condition(f->run, f->part.id, &conditions[i], &f->conditions[i], err));
    }
    return CNA_OK;
}

cna_status run_fixture_open(const char *path, run_fixture *out, cna_error *err)
{
    static const char *const arguments[] = {"cna", "sweep", "--multipliers", "0"};
    cna_run_open_options options = {.arguments = arguments, .n_arguments = 4};
    *out = (run_fixture){0};
    CNA_TRY(cna_run_open(path, &options, &out->run, err));
    json_t *config = run_fixture_config(40, 0.6);
    cna_status status = run_fixture_begin(out->run, config, &out->part, err);
    json_decref(config);
    if (status == CNA_OK) status = cna_run_begin(out->run, err);
    if (status == CNA_OK) status = cna_run_end(out->run, add_work(out, err), err);
    if (status != CNA_OK) {
        cna_run_free(out->run);
        out->run = NULL;
    }
    return status;
}

cna_run_generation run_fixture_answer(const run_fixture *fixture, size_t i)
{
    static const int32_t ids[] = {5, 300, 70000, 2147483647};
    static const char *const texts[] = {"", "A willow.", "The Elbe,\n\xc3\xa9t\xc3\xa9.", "none\0left"};
    size_t prompt = i % 4;
    return (cna_run_generation){
        .condition = fixture->conditions[i / 4],
        .prompt = fixture->prompts[prompt],
        .ids = ids,
        .n_tokens = prompt + (prompt == 3),
        .text = texts[prompt],
        .n_bytes = prompt == 3 ? 9 : strlen(texts[prompt]),
        .n_words = prompt,
        .stop = prompt == 1 ? CNA_STOP_LENGTH : CNA_STOP_EOS,
        .refused = prompt == 2,
        .quality = 1.0 / 3,
        .mean_logprob = prompt == 0 ? NAN : -0.1 * (double)prompt,
        .outcome = CNA_RUN_NO_OUTCOME,
        .kl = NAN,
    };
}

/* ---- SQLite alone ---- */

static sqlite3 *open_plainly(const char *path)
{
    sqlite3 *db;
    if (sqlite3_open(path, &db) != SQLITE_OK) fail_msg("%s: %s", path, sqlite3_errmsg(db));
    sqlite3_busy_timeout(db, 1000);
    return db;
}

static sqlite3_stmt *first_row(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    if (sqlite3_step(statement) != SQLITE_ROW) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    return statement;
}

int64_t run_fixture_count(const char *path, const char *sql)
{
    sqlite3 *db = open_plainly(path);
    sqlite3_stmt *row = first_row(db, sql);
    int64_t value = sqlite3_column_int64(row, 0);
    sqlite3_finalize(row);
    sqlite3_close(db);
    return value;
}

char *run_fixture_text(const char *path, const char *sql)
{
    sqlite3 *db = open_plainly(path);
    sqlite3_stmt *row = first_row(db, sql);
    const char *text = (const char *)sqlite3_column_text(row, 0);
    char *copy = text == NULL ? NULL : strdup(text);
    sqlite3_finalize(row);
    sqlite3_close(db);
    return copy;
}

void run_fixture_execute(const char *path, const char *sql)
{
    sqlite3 *db = open_plainly(path);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

void assert_text(const char *path, const char *sql, const char *expected)
{
    char *found = run_fixture_text(path, sql);
    assert_non_null(found);
    assert_string_equal(found, expected);
    free(found);
}

int run_place_set_up(void **state)
{
    run_place *place = calloc(1, sizeof *place);
    place->folder = support_folder_create();
    place->path = support_path(place->folder, "run.db");
    *state = place;
    return 0;
}

int run_place_tear_down(void **state)
{
    run_place *place = *state;
    support_folder_remove(place->folder);
    cna_free(place->path);
    free(place);
    return 0;
}
