/* SPDX-License-Identifier: MIT
 * What a run file stands: being killed at any moment, a full disk, folders and files that cannot be written, a second
 * process. The judge of what is in a file is SQLite by itself. */
#define _DEFAULT_SOURCE /* usleep */
#include "run_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

enum { N_ROWS = 400, N_KILLS = 100 };

typedef struct state {
    char *folder, *path;
    size_t *reported; /* shared with children: rows that cna_run_add_generation said are kept */
} state;

static int set_up(void **user)
{
    state *s = calloc(1, sizeof *s);
    s->folder = support_folder_create();
    s->path = support_path(s->folder, "run.db");
    s->reported = mmap(NULL, sizeof *s->reported, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(s->reported, MAP_FAILED);
    *user = s;
    return 0;
}

static int tear_down(void **user)
{
    state *s = *user;
    munmap(s->reported, sizeof *s->reported);
    support_folder_remove(s->folder);
    cna_free(s->path);
    free(s);
    return 0;
}

/* ---- a command that writes N_ROWS answers, or those that are missing ---- */

static void text_of(size_t i, char out[600])
{
    int n = snprintf(out, 600, "Answer %zu:", i);
    for (size_t word = 0; word < 10 + i % 60; word++) n += snprintf(out + n, 600 - (size_t)n, " word%zu", word);
}

static cna_status add_row(cna_run *run, int64_t part, int64_t condition, size_t i, bool is_done, cna_error *err)
{
    char text[600], question[32];
    int32_t ids[] = {(int32_t)i, 2, 3};
    int64_t prompt_id = 0;
    snprintf(question, sizeof question, "question %zu", i);
    cna_run_prompt prompt = {.side = CNA_SIDE_HARMFUL, .position = i, .text = question, .n_bytes = strlen(question)};
    CNA_TRY(cna_run_add_prompt(run, part, &prompt, &prompt_id, err));
    if (is_done) return CNA_OK;
    text_of(i, text);
    cna_run_generation g = {.condition = condition, .prompt = prompt_id, .ids = ids, .n_tokens = 3, .text = text,
                            .n_bytes = strlen(text), .quality = 1, .mean_logprob = -1, .outcome = CNA_RUN_NO_OUTCOME,
                            .kl = NAN};
    return cna_run_add_generation(run, &g, NULL, err);
}

static cna_status add_rows(cna_run *run, int64_t part, size_t *reported, cna_error *err)
{
    static bool done[N_ROWS];
    int64_t condition = 0;
    cna_run_condition c = {.method = CNA_RUN_NONE, .k = -1, .control_seed = -1, .multiplier = 1, .alpha = NAN,
                           .layer = -1};
    memset(done, 0, sizeof done);
    CNA_TRY(cna_run_add_condition(run, part, &c, &condition, err));
    CNA_TRY(cna_run_find_done(run, condition, CNA_SIDE_HARMFUL, done, N_ROWS, err));
    for (size_t i = 0; i < N_ROWS; i++) {
        CNA_TRY(add_row(run, part, condition, i, done[i], err));
        if (i + 1 > *reported) *reported = i + 1;
    }
    return cna_run_end_part(run, part, err);
}

static cna_status write_rows(const char *path, size_t *reported, cna_error *err)
{
    cna_run *run;
    cna_run_part part;
    CNA_TRY(cna_run_open(path, NULL, &run, err));
    json_t *config = run_fixture_config(40, 0.6);
    cna_status status = run_fixture_begin(run, config, &part, err);
    json_decref(config);
    if (status == CNA_OK) status = add_rows(run, part.id, reported, err);
    cna_run_free(run);
    return status;
}

static int add_row_text(void *user, int n_columns, char **values, char **names)
{
    (void)names;
    cna_buffer *out = user;
    for (int i = 0; i < n_columns; i++) {
        if (cna_buffer_printf(out, NULL, "%s|", values[i] == NULL ? "-" : values[i]) != CNA_OK) return 1;
    }
    return cna_buffer_add_text(out, "\n", NULL) != CNA_OK;
}

/* Everything in the file but times, as text. */
static char *dump(const char *path)
{
    static const char *const queries[] = {
        "SELECT id, command, role, model, config FROM part ORDER BY id", "SELECT * FROM prompt ORDER BY id",
        "SELECT * FROM condition ORDER BY id",
        ("SELECT condition, prompt, hex(ids), text, stop, refused, quality, mean_logprob, outcome, kl FROM generation"
         " ORDER BY condition, prompt")};
    sqlite3 *db;
    cna_buffer out = {0};
    char *text;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        assert_int_equal(sqlite3_exec(db, queries[i], add_row_text, &out, NULL), SQLITE_OK);
    }
    sqlite3_close(db);
    assert_int_equal(cna_buffer_take(&out, &text, NULL, NULL), CNA_OK);
    return text;
}

/* The file is sound, and its rows are the first ones: none missing, none twice, none that was reported lost. */
static void check_prefix(const char *path, size_t reported)
{
    if (access(path, F_OK) != 0) {
        assert_int_equal(reported, 0);
        return;
    }
    char *verdict = run_fixture_text(path, "PRAGMA integrity_check");
    assert_string_equal(verdict, "ok");
    free(verdict);
    if (run_fixture_count(path, "SELECT count(*) FROM sqlite_schema") == 0) { /* killed before there were tables */
        assert_int_equal(reported, 0);
        return;
    }
    size_t n = (size_t)run_fixture_count(path, "SELECT count(*) FROM generation");
    assert_in_range(n, reported, reported + 1);
    assert_int_equal(run_fixture_count(path, "SELECT count(*) FROM generation JOIN prompt ON prompt.id = prompt"
                                             " WHERE position < (SELECT count(*) FROM generation)"), n);
    for (size_t i = n < 3 ? 0 : n - 3; i < n; i++) {
        char sql[120], expected[600];
        snprintf(sql, sizeof sql, "SELECT generation.text FROM generation JOIN prompt ON prompt.id = prompt WHERE"
                                  " position = %zu", i);
        text_of(i, expected);
        char *text = run_fixture_text(path, sql);
        assert_string_equal(text, expected);
        free(text);
    }
}

static void remove_run(const state *s)
{
    static const char *const names[] = {"run.db", "run.db-wal", "run.db-shm", "run.db-lock", "run.db-journal"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = support_path(s->folder, names[i]);
        unlink(path);
        cna_free(path);
    }
    *s->reported = 0;
}

/* ---- killed ---- */

/* Run the command in a child and kill it after some microseconds; true if it had ended before. */
static bool write_and_kill(const state *s, useconds_t after)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        cna_error err = {0};
        cna_status status = write_rows(s->path, s->reported, &err);
        if (status != CNA_OK) fprintf(stderr, "%s\n", err.text);
        _exit(status == CNA_OK ? 0 : 1);
    }
    usleep(after);
    kill(child, SIGKILL);
    int how = 0;
    waitpid(child, &how, 0);
    if (WIFEXITED(how) && WEXITSTATUS(how) != 0) fail_msg("the writer failed");
    return WIFEXITED(how);
}

static void test_killed(void **user)
{
    const state *s = *user;
    cna_error err = {0};
    assert_ok(write_rows(s->path, s->reported, &err));
    char *uninterrupted = dump(s->path);
    remove_run(s);
    /* Moments all over a run, whose length differs between machines: measured by the runs that end. */
    srand(20240501);
    useconds_t longest = 20000;
    size_t n_kills = 0, n_whole = 0;
    while (n_kills < N_KILLS) {
        bool ended = write_and_kill(s, (useconds_t)rand() % longest);
        check_prefix(s->path, *s->reported);
        if (!ended) {
            n_kills++;
            longest += longest / 20;
            continue;
        }
        char *now = dump(s->path);
        assert_string_equal(now, uninterrupted);
        cna_free(now);
        remove_run(s);
        n_whole++;
        longest = longest / 2 + 500;
    }
    assert_ok(write_rows(s->path, s->reported, &err));
    char *now = dump(s->path);
    assert_string_equal(now, uninterrupted);
    print_message("%d kills, %zu runs that were continued to their end\n", N_KILLS, n_whole + 1);
    cna_free(now);
    cna_free(uninterrupted);
}

/* ---- no room ---- */

/* The command under a limit on the size of files; its status, and the message in text. */
static cna_status write_limited(const state *s, rlim_t limit, char *text)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        cna_error err = {0};
        struct rlimit sizes = {limit, limit};
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &sizes);
        cna_status status = write_rows(s->path, s->reported, &err);
        memcpy(text, err.text, sizeof err.text);
        _exit((int)status);
    }
    int how = 0;
    waitpid(child, &how, 0);
    assert_true(WIFEXITED(how));
    return (cna_status)WEXITSTATUS(how);
}

static void test_no_room(void **user)
{
    const state *s = *user;
    cna_error err = {0};
    char *text = mmap(NULL, sizeof err.text, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(text, MAP_FAILED);
    assert_ok(write_rows(s->path, s->reported, &err));
    char *uninterrupted = dump(s->path);
    remove_run(s);
    size_t n_failed = 0;
    for (rlim_t limit = 0; limit < 400000; limit += limit < 100000 ? 9000 : 40000) {
        cna_status status = write_limited(s, limit, text);
        check_prefix(s->path, *s->reported);
        if (status != CNA_OK) {
            assert_int_equal(status, CNA_ERR_IO);
            if (strstr(text, "/run.db: no room to write (") == NULL) fail_msg("%zu: %s", (size_t)limit, text);
            assert_non_null(strstr(text, "make room and repeat the command"));
            if (limit == 0) assert_int_equal(access(s->path, F_OK), -1); /* nothing half made is left */
            n_failed++;
        }
        /* every other time the run is continued where it stopped; the limits then fall into later rows */
        if (limit / 1000 % 2 == 0) remove_run(s);
    }
    assert_true(n_failed > 5);
    assert_ok(write_rows(s->path, s->reported, &err));
    char *now = dump(s->path);
    assert_string_equal(now, uninterrupted);
    munmap(text, sizeof err.text);
    cna_free(now);
    cna_free(uninterrupted);
}

/* ---- not allowed ---- */

typedef cna_status step_fn(const state *s, cna_error *err);

static cna_status open_to_write(const state *s, cna_error *err)
{
    cna_run *run;
    CNA_TRY(cna_run_open(s->path, NULL, &run, err));
    cna_run_free(run);
    return CNA_OK;
}

static cna_status open_to_read(const state *s, cna_error *err)
{
    static const cna_run_open_options read_only = {.read_only = true};
    cna_run *run;
    cna_run_parts parts;
    CNA_TRY(cna_run_open(s->path, &read_only, &run, err));
    cna_status status = cna_run_read_parts(run, &parts, err);
    if (status == CNA_OK) {
        *s->reported = parts.n == 0 ? 0 : (size_t)parts.items[0].n_generations;
        cna_run_parts_free(&parts);
    }
    cna_run_free(run);
    return status;
}

/* A step in a child that is nobody in particular: root may write everywhere. Its message must hold `part`. */
static void step_as_nobody(const state *s, step_fn *step, cna_status expected, const char *part)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        cna_error err = {0};
        if (geteuid() == 0 && setuid(65534) != 0) _exit(99);
        cna_status status = step(s, &err);
        bool good = status == expected && strstr(err.text, part) != NULL;
        if (!good) fprintf(stderr, "expected %d with '%s', found %d: %s\n", (int)expected, part, (int)status, err.text);
        _exit(good ? 0 : 1);
    }
    int how = 0;
    waitpid(child, &how, 0);
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), 0);
}

static void test_read_only(void **user)
{
    const state *s = *user;
    cna_error err = {0};
    assert_int_equal(chmod(s->folder, 0555), 0);
    step_as_nobody(s, open_to_write, CNA_ERR_IO, "run.db-lock: cannot be made: Permission denied");
    assert_int_equal(chmod(s->folder, 0755), 0);
    assert_ok(write_rows(s->path, s->reported, &err));
    char *before = dump(s->path);
    assert_int_equal(chmod(s->path, 0444), 0);
    assert_int_equal(chmod(s->folder, 0555), 0);
    *s->reported = 0;
    step_as_nobody(s, open_to_read, CNA_OK, "");
    assert_int_equal(*s->reported, N_ROWS);
    step_as_nobody(s, open_to_write, CNA_ERR_IO, "run.db-lock: cannot be made: Permission denied");
    assert_int_equal(chmod(s->path, 0666), 0);
    step_as_nobody(s, open_to_write, CNA_ERR_IO, "run.db-lock: cannot be made: Permission denied");
    assert_int_equal(chmod(s->folder, 0777), 0);
    assert_int_equal(chmod(s->path, 0444), 0);
    step_as_nobody(s, open_to_write, CNA_ERR_IO, "run.db: expected a file that can be written, found it read-only");
    char *after = dump(s->path);
    assert_string_equal(before, after);
    cna_free(before);
    cna_free(after);
}

static void test_no_file(void **user)
{
    state *s = *user;
    cna_error err = {0};
    assert_int_equal(open_to_read(s, &err), CNA_ERR_IO);
    assert_non_null(strstr(err.text, "run.db: cannot be opened: No such file or directory"));
    char *path = s->path;
    s->path = s->folder;
    assert_int_equal(open_to_write(s, &err), CNA_ERR_IO);
    assert_non_null(strstr(err.text, "expected a regular file, found a folder"));
    support_write(path, "", 0);
    s->path = support_path(path, "below-a-file.db");
    assert_int_equal(open_to_write(s, &err), CNA_ERR_IO);
    assert_non_null(strstr(err.text, "cannot be opened: Not a directory"));
    cna_free(s->path);
    s->path = path;
    assert_int_equal(open_to_read(s, &err), CNA_ERR_FORMAT);
    assert_non_null(strstr(err.text, "expected a run file, found an empty one"));
    assert_ok(open_to_write(s, &err)); /* an empty file is as good as none */
}

/* ---- two at once ---- */

static void test_two_writers(void **user)
{
    const state *s = *user;
    cna_error err = {0};
    cna_run *first;
    char expected[80];
    assert_int_equal(chmod(s->folder, 0777), 0);
    assert_ok(cna_run_open(s->path, NULL, &first, &err));
    assert_int_equal(chmod(s->path, 0666), 0);
    snprintf(expected, sizeof expected, "run.db: process %ld is writing to it", (long)getpid());
    assert_int_equal(open_to_write(s, &err), CNA_ERR_IO);
    assert_non_null(strstr(err.text, expected));
    pid_t child = fork();
    if (child == 0) {
        cna_status status = open_to_write(s, &err);
        _exit(status == CNA_ERR_IO && strstr(err.text, expected) != NULL ? 0 : 1);
    }
    int how = 0;
    waitpid(child, &how, 0);
    assert_int_equal(how, 0);
    assert_ok(open_to_read(s, &err)); /* readers may */
    cna_run_free(first);
    assert_ok(open_to_write(s, &err));
}

/* Another program that holds the file: our call waits, then says so. */
static void test_foreign_lock(void **user)
{
    const state *s = *user;
    cna_error err = {0};
    cna_run *run;
    cna_run_part part;
    sqlite3 *other;
    assert_ok(cna_run_open(s->path, NULL, &run, &err));
    assert_int_equal(sqlite3_open(s->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    json_t *config = run_fixture_config(1, 1);
    assert_int_equal(run_fixture_begin(run, config, &part, &err), CNA_ERR_IO);
    assert_non_null(strstr(err.text, "another program is using it (database is locked); end that and repeat"));
    assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_ok(run_fixture_begin(run, config, &part, &err));
    json_decref(config);
    /* a reader that is still there when the run is closed leaves the log beside the file, and nothing is lost */
    assert_int_equal(sqlite3_exec(other, "BEGIN; SELECT * FROM part", NULL, NULL, NULL), SQLITE_OK);
    cna_run_free(run);
    sqlite3_close(other);
    assert_int_equal(run_fixture_count(s->path, "SELECT count(*) FROM part"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_killed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_read_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_writers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_foreign_lock, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("run_crash", tests, NULL, NULL);
}
