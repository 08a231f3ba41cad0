/* SPDX-License-Identifier: MIT
 * Judging that is stopped, killed and begun again; what is chosen to be judged; figures. */
#define _POSIX_C_SOURCE 200809L
#include "judge_fixture.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "judge_server.h"

#define KEY "sk-0123456789abcdef"

enum { N_PROMPTS = 24, N_ITEMS = 3 * N_PROMPTS + 4 };

/* Every item has a verdict of its own. */
typedef struct verdicts {
    char texts[N_ITEMS][80];
    judge_step steps[N_ITEMS][2];
    const judge_step *lists[N_ITEMS];
} verdicts;

static int refused(size_t item)
{
    return item % 3 == 0;
}

static double score(size_t item)
{
    return refused(item) ? 0 : ((double)(item % 5) + (double)(item / 5 % 5)) / 8;
}

static verdicts *make_verdicts(void)
{
    verdicts *v = calloc(1, sizeof *v);
    assert_non_null(v);
    for (size_t i = 0; i < N_ITEMS; i++) {
        snprintf(v->texts[i], sizeof v->texts[i], "[[refused: %d]] [[convincing: %zu]] [[specific: %zu]]", refused(i),
                 1 + i % 5, 1 + i / 5 % 5);
        v->steps[i][0] = (judge_step){.kind = JUDGE_SAY, .text = v->texts[i]};
        v->lists[i] = v->steps[i];
    }
    return v;
}

static cna_judge_options options_for(const judge_server *server)
{
    return (cna_judge_options){.endpoint = judge_server_address(server), .model = "test-judge", .timeout_seconds = 20,
                               .n_parallel = 4, .backoff_seconds = 0.02};
}

/* Scored rows, each with the score that its item was given. */
static size_t check_rows(const char *path, bool *is_stored)
{
    judge_row rows[N_ITEMS];
    size_t n = judge_fixture_read(path, rows, N_ITEMS);
    assert_true(n <= N_ITEMS);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(rows[i].status, "scored");
        assert_true(rows[i].score == score(rows[i].item));
        if (is_stored != NULL) is_stored[rows[i].item] = true;
    }
    return n;
}

/* ---- cancelling ---- */

static bool stop_at(void *user, const char *what, size_t done, size_t total)
{
    (void)what;
    (void)total;
    return done >= *(size_t *)user;
}

static void test_cancel(void **state)
{
    (void)state;
    verdicts *v = make_verdicts();
    judge_server *server = judge_server_start(v->lists, N_ITEMS);
    cna_judge_options options = options_for(server);
    cna_error err;
    cna_run *run;
    cna_judge *judge = NULL;
    size_t limit = 10;
    assert_ok(cna_run_open(NULL, NULL, &run, &err));
    judge_fixture_fill(run, N_PROMPTS);
    options.progress = (cna_progress){.report = stop_at, .user = &limit};
    assert_int_equal(cna_judge_run(run, &options, &judge, &err), CNA_ERR_CANCELLED);
    assert_null(judge);
    options.progress = (cna_progress){0};
    assert_ok(cna_judge_run(run, &options, &judge, &err));
    assert_in_range(cna_judge_get_info(judge)->n_kept, 10, 13);
    assert_int_equal(cna_judge_get_info(judge)->n_kept + cna_judge_get_info(judge)->n_asked, 2 * N_PROMPTS);
    cna_judge_free(judge);
    cna_run_free(run);
    judge_server_stop(server);
    free(v);
}

/* ---- killing the program ---- */

static const char *program(void)
{
    const char *path = getenv("CNA_BIN");
    if (path == NULL) path = "build/cna";
    if (access(path, X_OK) == 0) return path;
    print_message("skipped: %s is not there\n", path);
    skip();
    return NULL;
}

static pid_t start_program(const char *run, const char *endpoint, const char *output)
{
    const char *path = program();
    fflush(NULL);
    pid_t pid = fork();
    if (pid != 0) return pid;
    int out = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    setenv("OMP_WAIT_POLICY", "passive", 1);
    setenv("CNA_JUDGE_KEY", KEY, 1);
    execl(path, path, "judge", "--run", run, "--endpoint", endpoint, "--judge-model", "test-judge", "--parallel", "4",
          "--json", "-q", (char *)NULL);
    _exit(127);
}

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static bool has_ended(pid_t pid)
{
    siginfo_t what = {0};
    return waitid(P_PID, (id_t)pid, &what, WEXITED | WNOHANG | WNOWAIT) == 0 && what.si_pid == pid;
}

/* Wait until at least n rows are stored or the program ends, however slow a busy machine makes it (a minute), then a
 * little longer. */
static void wait_for_rows(pid_t pid, const char *path, int64_t n, long extra_ms)
{
    for (int i = 0; i < 12000 && !has_ended(pid); i++) {
        if (run_fixture_count(path, "SELECT count(*) FROM judgement") >= n) break;
        sleep_ms(5);
    }
    sleep_ms(extra_ms);
}

static void test_kill(void **state)
{
    (void)state;
    char *folder = support_folder_create(), *path = support_path(folder, "run.db");
    char *output = support_path(folder, "out");
    judge_fixture_write(path, N_PROMPTS);
    verdicts *v = make_verdicts();
    judge_server *server = judge_server_start(v->lists, N_ITEMS);
    int status = -1;
    size_t n_kills = 0;
    for (int round = 0; round < 12; round++) {
        bool is_stored[N_ITEMS] = {false};
        size_t requests[N_ITEMS];
        size_t n_before = check_rows(path, is_stored);
        for (size_t i = 0; i < N_ITEMS; i++) requests[i] = judge_server_requests(server, i);
        bool interrupt = round % 4 == 3;
        pid_t pid = start_program(path, judge_server_address(server), output);
        assert_true(pid > 0);
        wait_for_rows(pid, path, (int64_t)n_before + 2, 7 * round % 11);
        kill(pid, interrupt ? SIGINT : SIGKILL);
        assert_true(waitpid(pid, &status, 0) == pid);
        for (size_t i = 0; i < N_ITEMS; i++) {
            if (is_stored[i]) assert_int_equal(judge_server_requests(server, i), requests[i]);
        }
        /* Where this process was kept waiting, the program may have come to its end before the signal. */
        bool is_done = WIFEXITED(status) && WEXITSTATUS(status) == 0;
        if (is_done) assert_int_equal(check_rows(path, NULL), 2 * N_PROMPTS);
        else if (interrupt) assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 130);
        n_kills += !is_done;
        char *verdict = run_fixture_text(path, "PRAGMA integrity_check");
        assert_string_equal(verdict, "ok");
        free(verdict);
    }
    assert_true(n_kills >= 3);
    pid_t pid = start_program(path, judge_server_address(server), output);
    assert_true(waitpid(pid, &status, 0) == pid);
    char *text = support_read(output, NULL);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail_msg("%s", text);
    assert_non_null(strstr(text, "\"n_failed\":0"));
    assert_null(strstr(text, KEY));
    assert_int_equal(check_rows(path, NULL), 2 * N_PROMPTS);
    assert_true(judge_server_was_asked_properly(server, "Bearer " KEY));
    cna_free(text);
    judge_server_stop(server);
    free(v);
    cna_free(output);
    cna_free(path);
    support_folder_remove(folder);
}

/* ---- choice and figures ---- */

static void check_row(const cna_judge_row *row, size_t first, size_t n)
{
    double sum = 0;
    size_t n_refused = 0;
    for (size_t i = first; i < first + n; i++) {
        sum += score(i);
        n_refused += (size_t)refused(i);
    }
    assert_int_equal(row->n_answers, n);
    assert_int_equal(row->n_scored, n);
    assert_int_equal(row->n_malformed + row->n_failed, 0);
    assert_true(fabs(row->mean - sum / (double)n) < 1e-12);
    assert_true(row->low <= row->mean && row->mean <= row->high && row->low >= 0 && row->high <= 1);
    assert_int_equal(row->refused.count, n_refused);
    assert_int_equal(row->refused.n, n);
}

static void test_choice(void **state)
{
    (void)state;
    enum { P = N_PROMPTS };
    verdicts *v = make_verdicts();
    judge_server *server = judge_server_start(v->lists, N_ITEMS);
    cna_judge_options options = options_for(server);
    cna_error err;
    cna_run *run;
    cna_judge *judge;
    size_t n_rows;
    assert_ok(cna_run_open(NULL, NULL, &run, &err));
    judge_fixture_fill(run, P);
    assert_ok(cna_judge_run(run, &options, &judge, &err));
    const cna_judge_row *rows = cna_judge_rows(judge, &n_rows);
    assert_int_equal(n_rows, 2);
    check_row(&rows[0], 0, P);
    check_row(&rows[1], P, P);
    assert_string_equal(rows[0].method, "none");
    assert_string_equal(rows[1].method, "cna");
    assert_string_equal(rows[1].circuit, "toy.json");
    assert_true(rows[0].multiplier == 1 && rows[1].multiplier == 0 && isnan(rows[1].alpha));
    assert_true(rows[1].control_seed == -1 && rows[1].k == 25 && rows[1].side == CNA_SIDE_HARMFUL);
    cna_judge_free(judge);

    options.benign = options.controls = true;
    assert_ok(cna_judge_run(run, &options, &judge, &err));
    assert_int_equal(cna_judge_get_info(judge)->n_kept, 2 * P);
    assert_int_equal(cna_judge_get_info(judge)->n_asked, P + 4);
    rows = cna_judge_rows(judge, &n_rows);
    assert_int_equal(n_rows, 5);
    static const struct {
        size_t first, n;
    } expected[] = {{0, P}, {3 * P, 2}, {P, P}, {3 * P + 2, 2}, {2 * P, P}};
    for (size_t i = 0; i < 5; i++) check_row(&rows[i], expected[i].first, expected[i].n);
    assert_string_equal(rows[4].kind, "uniform");
    assert_int_equal(rows[4].control_seed, 3);
    cna_judge_free(judge);

    /* Another rubric and another judge have replies of their own. */
    options.benign = options.controls = false;
    options.rubric = "rating";
    assert_ok(cna_judge_run(run, &options, &judge, &err));
    assert_int_equal(cna_judge_get_info(judge)->n_asked, 2 * P);
    rows = cna_judge_rows(judge, &n_rows);
    assert_int_equal(rows[0].n_malformed, P); /* the server answers by the other rubric */
    assert_true(isnan(rows[0].mean) && isnan(rows[0].low) && rows[0].refused.n == 0);
    cna_judge_free(judge);
    for (size_t i = 0; i < 2 * P; i++) assert_int_equal(judge_server_requests(server, i), 2);
    cna_run_free(run);
    judge_server_stop(server);
    free(v);
}

/* ---- arguments and memory ---- */

static void check_refused(cna_run *run, cna_judge_options options, const char *text)
{
    cna_error err;
    cna_judge *judge;
    if (cna_judge_run(run, &options, &judge, &err) != CNA_ERR_ARG || strstr(err.text, text) == NULL)
        fail_msg("expected '%s', found '%s'", text, err.text);
}

static void test_arguments(void **state)
{
    (void)state;
    cna_error err;
    cna_run *run;
    assert_ok(cna_run_open(NULL, NULL, &run, &err));
    const cna_judge_options good = {.endpoint = "http://127.0.0.1:9", .model = "m"};
    cna_judge_options o = good;
    check_refused(run, o, "(memory): expected answers to prompts that should be refused, found none");
    o.endpoint = NULL;
    check_refused(run, o, "expected an endpoint and a model");
    o = good;
    o.model = "";
    check_refused(run, o, "expected a name of 1 to 256 bytes");
    o.model = "\xFF";
    check_refused(run, o, "expected a name of 1 to 256 bytes");
    o = good;
    o.n_parallel = 257;
    check_refused(run, o, "expected at most 256 requests at once");
    static const char *const keys[] = {"", "a b", "key\r\nX-Other: 1", "k\xC3\xA9y", "tab\t"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        o = good;
        o.key = keys[i];
        check_refused(run, o, "judge key: expected visible ASCII characters");
    }
    cna_run_free(run);
}

/* Each allocation of a whole call fails once, on a fresh run. */
static void test_allocations(void **state)
{
    (void)state;
    verdicts *v = make_verdicts();
    judge_server *server = judge_server_start(v->lists, N_ITEMS);
    cna_judge_options options = options_for(server);
    cna_status status = CNA_ERR_MEMORY;
    for (size_t n = 1; status != CNA_OK; n++) {
        cna_error err = {0};
        cna_run *run;
        cna_judge *judge = NULL;
        assert_ok(cna_run_open(NULL, NULL, &run, &err));
        judge_fixture_fill(run, 2);
        cna_memory_fail_at(n);
        status = cna_judge_run(run, &options, &judge, &err);
        cna_memory_fail_at(0);
        if (status != CNA_OK && status != CNA_ERR_MEMORY) fail_msg("allocation %zu failed: %s", n, err.text);
        cna_judge_free(judge);
        cna_run_free(run);
    }
    judge_server_stop(server);
    free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cancel), cmocka_unit_test(test_kill),        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_arguments), cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests_name("judge_restart", tests, NULL, NULL);
}
