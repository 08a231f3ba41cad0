/* SPDX-License-Identifier: MIT
 * Run files that somebody else made: every case of tests/malformed/run gives its message and is left as it was, files
 * that were cut or changed anywhere give an error or rows, and no SQL of a file runs.
 *
 * A case is input.sql, run on a sound file, or input.db, taken as the file. */
#define _XOPEN_SOURCE 700 /* unlink */
#include "run_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

typedef struct state {
    char *folder, *path;
} state;

static state places;

static int set_up(void **user)
{
    (void)user;
    places.folder = support_folder_create();
    places.path = support_path(places.folder, "run.db");
    return 0;
}

static int tear_down(void **user)
{
    (void)user;
    support_folder_remove(places.folder);
    cna_free(places.path);
    return 0;
}

/* ---- a sound file, and reading all of a file ---- */

static void make_sound(void)
{
    cna_error err;
    run_fixture f;
    int64_t question = 0;
    unlink(places.path);
    assert_ok(run_fixture_open(places.path, &f, &err));
    for (size_t i = 0; i < 12; i++) {
        cna_run_generation g = run_fixture_answer(&f, i);
        assert_ok(cna_run_add_generation(f.run, &g, NULL, &err));
    }
    cna_run_question q = {.subject = "birds", .text = "Which?", .n_bytes = 6, .answer = 1};
    assert_ok(cna_run_add_question(f.run, f.part.id, &q, &question, &err));
    cna_run_choice c = {.condition = f.conditions[0], .question = question, .logprobs = {-1, -2, -3, -4}};
    assert_ok(cna_run_add_choice(f.run, &c, &err));
    cna_run_judgement j = {.generation = 1, .rubric = "rating", .judge_model = "owl", .endpoint = "http://x/v1",
                           .status = CNA_RUN_SCORED, .reply = "7", .n_reply = 1, .refused = -1, .convincing = NAN,
                           .specific = NAN, .rating = 7, .score = 0.5, .n_attempts = 1};
    assert_ok(cna_run_add_judgement(f.run, &j, &err));
    assert_ok(cna_run_set_label(f.run, 1, "ada", true, &err));
    cna_run_file file = {.role = "prompts", .path = "p.txt", .n_bytes = 3};
    memset(file.sha256, 'a', 64);
    assert_ok(cna_run_add_file(f.run, f.part.id, &file, &err));
    assert_ok(cna_run_plan_part(f.run, f.part.id, 12, &err));
    cna_run_free(f.run);
}

static cna_status skip_generation(void *user, const cna_run_generation *row, cna_error *err)
{
    (void)err;
    *(size_t *)user += row->n_bytes;
    return CNA_OK;
}
static cna_status skip_prompt(void *user, const cna_run_prompt *row, cna_error *err)
{
    (void)err;
    *(size_t *)user += row->n_bytes;
    return CNA_OK;
}
static cna_status skip_condition(void *user, const cna_run_condition *row, cna_error *err)
{
    (void)err;
    *(size_t *)user += row->n_multipliers;
    return CNA_OK;
}
static cna_status skip_circuit(void *user, const char *label, const char *sha256, const char *json, cna_error *err)
{
    (void)err;
    *(size_t *)user += strlen(label) + strlen(sha256) + strlen(json);
    return CNA_OK;
}
static cna_status skip_file(void *user, const cna_run_file *row, cna_error *err)
{
    (void)err;
    *(size_t *)user += strlen(row->path);
    return CNA_OK;
}
static cna_status skip_label(void *user, const cna_run_label *row, cna_error *err)
{
    (void)err;
    *(size_t *)user += strlen(row->labeller);
    return CNA_OK;
}
static cna_status skip_judgement(void *user, const cna_run_judgement *row, cna_error *err)
{
    (void)err;
    *(size_t *)user += strlen(row->rubric) + strlen(row->at);
    return CNA_OK;
}
static cna_status skip_unjudged(void *user, const cna_run_unjudged *row, cna_error *err)
{
    (void)err;
    *(size_t *)user += row->n_text;
    return CNA_OK;
}
static cna_status skip_choice(void *user, const cna_run_choice *row, cna_error *err)
{
    (void)err;
    *(size_t *)user += strlen(row->subject);
    return CNA_OK;
}
static cna_status skip_figure(void *user, const cna_run_figure *row, cna_error *err)
{
    (void)err;
    *(size_t *)user += strlen(row->name);
    return CNA_OK;
}

static cna_status read_part(cna_run *run, int64_t part, cna_error *err)
{
    size_t n = 0;
    CNA_TRY(cna_run_each_file(run, part, skip_file, &n, err));
    CNA_TRY(cna_run_each_circuit(run, part, skip_circuit, &n, err));
    CNA_TRY(cna_run_each_prompt(run, part, skip_prompt, &n, err));
    CNA_TRY(cna_run_each_condition(run, part, skip_condition, &n, err));
    CNA_TRY(cna_run_each_generation(run, part, 0, skip_generation, &n, err));
    CNA_TRY(cna_run_each_label(run, part, skip_label, &n, err));
    CNA_TRY(cna_run_each_judgement(run, part, skip_judgement, &n, err));
    CNA_TRY(cna_run_each_unjudged(run, part, "strongreject", "owl", skip_unjudged, &n, err));
    CNA_TRY(cna_run_each_choice(run, part, 0, skip_choice, &n, err));
    return cna_run_each_figure(run, part, skip_figure, &n, err);
}

static cna_status read_all(cna_error *err)
{
    static const cna_run_open_options read_only = {.read_only = true};
    cna_run *run;
    cna_run_parts parts = {0};
    CNA_TRY(cna_run_open(places.path, &read_only, &run, err));
    cna_status status = cna_run_read_parts(run, &parts, err);
    for (size_t i = 0; status == CNA_OK && i < parts.n; i++) status = read_part(run, parts.items[i].id, err);
    cna_run_parts_free(&parts);
    cna_run_free(run);
    return status;
}

static void test_sound(void **user)
{
    (void)user;
    cna_error err;
    make_sound();
    assert_ok(read_all(&err));
}

/* ---- the cases ---- */

/* Where a file cannot be read it must not be written to either, and stays as it was. */
static void check_untouched(void)
{
    cna_error err;
    cna_run *run;
    size_t n_before, n_after;
    char *before = support_read(places.path, &n_before);
    if (cna_run_open(places.path, NULL, &run, &err) == CNA_OK) {
        cna_run_free(run); /* only values are wrong, which opening does not look at */
    } else {
        char *after = support_read(places.path, &n_after);
        assert_int_equal(n_before, n_after);
        assert_memory_equal(before, after, n_before);
        cna_free(after);
    }
    cna_free(before);
}

static cna_status parse_case(const char *folder, cna_error *err)
{
    char *sql_path = support_path(folder, "input.sql"), *db_path = support_path(folder, "input.db");
    bool is_sql = cna_file_exists(sql_path);
    size_t n_bytes;
    char *input = support_read(is_sql ? sql_path : db_path, &n_bytes);
    if (is_sql) {
        make_sound();
        run_fixture_execute(places.path, input);
    } else {
        unlink(places.path);
        support_write(places.path, input, n_bytes);
    }
    cna_status status = read_all(err);
    check_untouched();
    /* the message names the copy; without its folder it is the same everywhere */
    if (status != CNA_OK) support_shorten(err, places.folder);
    cna_free(input);
    cna_free(sql_path);
    cna_free(db_path);
    return status;
}

static void test_malformed(void **user)
{
    (void)user;
    support_replay_malformed("run", NULL, parse_case);
}

/* ---- any damage ---- */

static void test_cut_short(void **user)
{
    (void)user;
    make_sound();
    size_t n_bytes;
    char *bytes = support_read(places.path, &n_bytes);
    for (size_t n = 1; n < n_bytes; n += n < 200 ? 7 : 1021) {
        cna_error err = {0};
        support_write(places.path, bytes, n);
        cna_status status = read_all(&err);
        /* of the last page the rest may be of a table that is not read */
        if (status == CNA_OK && n > n_bytes - 4096) continue;
        assert_true(status == CNA_ERR_FORMAT || status == CNA_ERR_IO);
    }
    cna_free(bytes);
}

static void test_changed_bytes(void **user)
{
    (void)user;
    make_sound();
    size_t n_bytes, n_failed = 0;
    char *bytes = support_read(places.path, &n_bytes), *changed = malloc(n_bytes);
    size_t n_rounds = getenv("CNA_TEST_BRIEF") == NULL ? 1500 : 100;
    srand(7);
    for (size_t round = 0; round < n_rounds; round++) {
        cna_error err = {0};
        memcpy(changed, bytes, n_bytes);
        for (size_t i = 0; i < 1 + round % 20; i++) changed[(size_t)rand() % n_bytes] = (char)rand();
        /* the first page has the schema, whose every change is seen at once: most go elsewhere */
        if (round % 8 != 0) memcpy(changed, bytes, n_bytes < 8192 ? n_bytes : 8192);
        FILE *file = fopen(places.path, "wb");
        assert_int_equal(fwrite(changed, 1, n_bytes, file), n_bytes);
        fclose(file);
        if (read_all(&err) != CNA_OK) n_failed++;
    }
    assert_true(n_failed > n_rounds / 10);
    free(changed);
    cna_free(bytes);
}

/* ---- SQL in a file ---- */

static void test_triggers(void **user)
{
    (void)user;
    cna_error err;
    run_fixture f;
    make_sound();
    run_fixture_execute(places.path, "CREATE TRIGGER wipe AFTER INSERT ON figure BEGIN DELETE FROM generation; END;"
                                     "CREATE VIEW mine AS SELECT * FROM generations;"
                                     "CREATE TABLE notes (text)"); /* what users add of their own is theirs */
    assert_ok(run_fixture_open(places.path, &f, &err));
    cna_run_figure figure = {.name = "x", .value = 1};
    assert_ok(cna_run_set_figure(f.run, f.part.id, &figure, &err));
    cna_run_free(f.run);
    assert_int_equal(run_fixture_count(places.path, "SELECT count(*) FROM generation"), 12);
    assert_int_equal(run_fixture_count(places.path, "SELECT count(*) FROM mine"), 12);
}

/* Names that mean something to SQLite are names of files here. */
static void test_names(void **user)
{
    (void)user;
    static const char *const names[] = {":memory:", "file:x?mode=memory", "a b'c\"d%.db"};
    char here[4096];
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(places.folder), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cna_error err;
        cna_run *run;
        assert_ok(cna_run_open(names[i], NULL, &run, &err));
        assert_string_equal(cna_run_path(run), names[i]);
        cna_run_free(run);
        assert_int_equal(access(names[i], F_OK), 0);
    }
    assert_int_equal(chdir(here), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sound, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_malformed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cut_short, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_changed_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_triggers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("run_hostile", tests, NULL, NULL);
}
