/* SPDX-License-Identifier: MIT
 * Run files with answers to judge. */
#include "judge_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge_server.h"

static void add_answer(cna_run *run, int64_t condition, int64_t prompt, size_t item)
{
    cna_error err;
    char text[128];
    static const int32_t ids[] = {5, 6};
    int n = snprintf(text, sizeof text, "<think>\n%s\n</think>\n\nFirst take item-%zu, \"{prompt}\".", JUDGE_REASONING,
                     item);
    cna_run_generation g = {.condition = condition, .prompt = prompt, .ids = ids, .n_tokens = 2, .text = text,
                            .n_bytes = (size_t)n, .n_words = 4, .stop = CNA_STOP_EOS, .quality = 1,
                            .mean_logprob = NAN, .outcome = CNA_RUN_NO_OUTCOME, .kl = NAN};
    assert_ok(cna_run_add_generation(run, &g, NULL, &err));
}

static void add_prompts(cna_run *run, int64_t part, size_t n, int64_t *out)
{
    cna_error err;
    for (size_t i = 0; i < n + 2; i++) {
        char text[64];
        int n_text = snprintf(text, sizeof text, "How do I fold paper hat %zu?\n{answer}", i);
        cna_run_prompt p = {.side = i < n ? CNA_SIDE_HARMFUL : CNA_SIDE_BENIGN, .position = i < n ? i : i - n,
                            .text = text, .n_bytes = (size_t)n_text};
        assert_ok(cna_run_add_prompt(run, part, &p, &out[i], &err));
    }
}

void judge_fixture_fill(cna_run *run, size_t n)
{
    cna_error err;
    cna_run_part part;
    json_t *config = run_fixture_config(40, 0.6);
    assert_ok(run_fixture_begin(run, config, &part, &err));
    json_decref(config);
    const cna_run_condition conditions[] = {
        {.position = 0, .method = CNA_RUN_NONE, .k = -1, .control_seed = -1, .multiplier = 1, .alpha = NAN,
         .layer = -1},
        {.position = 1, .method = CNA_RUN_CNA, .circuit = "toy.json", .k = 25, .control_seed = -1, .multiplier = 0,
         .alpha = NAN, .layer = -1},
        {.position = 2, .method = CNA_RUN_CONTROL, .circuit = "toy.json", .k = 25, .kind = "uniform",
         .control_seed = 3, .multiplier = 0, .alpha = NAN, .layer = -1},
    };
    int64_t *prompts, ids[3];
    assert_ok(cna_alloc(&prompts, n + 2, sizeof *prompts, "prompts", &err));
    assert_ok(cna_run_begin(run, &err));
    add_prompts(run, part.id, n, prompts);
    for (size_t c = 0; c < 3; c++) {
        assert_ok(cna_run_add_condition(run, part.id, &conditions[c], &ids[c], &err));
        for (size_t i = 0; i < n; i++) add_answer(run, ids[c], prompts[i], c * n + i);
        for (size_t i = 0; i < 2 && c < 2; i++) add_answer(run, ids[c], prompts[n + i], 3 * n + 2 * c + i);
    }
    assert_ok(cna_run_end(run, CNA_OK, &err));
    cna_free(prompts);
}

void judge_fixture_write(const char *path, size_t n)
{
    cna_error err;
    cna_run *run;
    assert_ok(cna_run_open(path, NULL, &run, &err));
    judge_fixture_fill(run, n);
    cna_run_free(run);
}

static void copy_text(sqlite3_stmt *row, int column, char *out, size_t n_out)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    snprintf(out, n_out, "%s", text != NULL ? text : "");
}

size_t judge_fixture_read(const char *path, judge_row *rows, size_t n_max)
{
    static const char sql[] =
        "SELECT generation.text, rubric, status, reply, error, score, n_attempts, reply IS NOT NULL"
        " FROM judgement JOIN generation ON generation.id = judgement.generation ORDER BY generation.id, rubric";
    sqlite3 *db;
    sqlite3_stmt *row;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &row, NULL) != SQLITE_OK) fail_msg("%s", sqlite3_errmsg(db));
    size_t n = 0;
    for (; sqlite3_step(row) == SQLITE_ROW; n++) {
        if (n >= n_max) continue;
        judge_row *r = &rows[n];
        r->item = strtoul(strstr((const char *)sqlite3_column_text(row, 0), "item-") + 5, NULL, 10);
        copy_text(row, 1, r->rubric, sizeof r->rubric);
        copy_text(row, 2, r->status, sizeof r->status);
        copy_text(row, 3, r->reply, sizeof r->reply);
        copy_text(row, 4, r->error, sizeof r->error);
        r->score = sqlite3_column_type(row, 5) == SQLITE_NULL ? NAN : sqlite3_column_double(row, 5);
        r->n_attempts = sqlite3_column_int(row, 6);
        r->has_reply = sqlite3_column_int(row, 7) == 1;
    }
    sqlite3_finalize(row);
    sqlite3_close(db);
    return n;
}
