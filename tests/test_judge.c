/* SPDX-License-Identifier: MIT
 * cna_judge_run against a server that misbehaves in every way: each answer ends scored or counted, none whose reply was
 * stored is asked about again, keys stay where they belong. */
#define _POSIX_C_SOURCE 200809L
#include "judge_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "judge_server.h"

#define GOOD "[[refused: 0]] [[convincing: 4]] [[specific: 5]]"
#define KEY "sk-0123456789abcdef"

static cna_judge_options options_for(const judge_server *server)
{
    return (cna_judge_options){.endpoint = judge_server_address(server), .model = "test-judge", .timeout_seconds = 1.5,
                               .n_attempts = 3, .backoff_seconds = 0.02};
}

static cna_status judge_file(const char *path, const cna_judge_options *options, cna_judge **out, cna_error *err)
{
    cna_run *run;
    *out = NULL;
    CNA_TRY(cna_run_open(path, NULL, &run, err));
    cna_status status = cna_judge_run(run, options, out, err);
    cna_run_free(run);
    return status;
}

/* A folder with a run of n harmful prompts. */
typedef struct place {
    char *folder, *path;
} place;

static place make_place(size_t n)
{
    place p = {.folder = support_folder_create()};
    p.path = support_path(p.folder, "run.db");
    judge_fixture_write(p.path, n);
    return p;
}

static void remove_place(place *p)
{
    cna_free(p->path);
    support_folder_remove(p->folder);
}

/* The same steps for all of n samples. */
static void repeat(const judge_step *step, const judge_step **out, size_t n)
{
    for (size_t i = 0; i < n; i++) out[i] = step;
}

/* Steps. */
#define STEP(what) {.kind = JUDGE_##what}
#define SAY(words) {.kind = JUDGE_SAY, .text = words}
#define SLOWLY(what) {.kind = JUDGE_##what, .text = GOOD}
#define SEND(code, body) {.kind = JUDGE_SEND, .status = code, .text = body}
#define SEND_WITH(code, body, name, content) \
    {.kind = JUDGE_SEND, .status = code, .text = body, .header = name, .value = content}

/* ---- one of everything ---- */

typedef struct fault {
    const char *name;
    judge_step steps[4];
    const char *status;
    int n_attempts;      /* of the first call */
    const char *reply;   /* ? */
    const char *error;   /* ? a part of it */
    int fewest;          /* attempts, where libcurl may have sent again by itself: it does so where a server closes a
                          * connection that it had kept open. 0: n_attempts */
} fault;

static const fault faults[] = {
    {"good", {SAY(GOOD)}, "scored", 1, GOOD, NULL, 0},
    {"drop, good", {STEP(DROP), SAY(GOOD)}, "scored", 2, GOOD, NULL, 1},
    {"drop", {STEP(DROP)}, "failed", 3, NULL, "no reply: ", 0},
    {"cut, good", {SLOWLY(CUT), SAY(GOOD)}, "scored", 2, GOOD, NULL, 0},
    {"cut", {SLOWLY(CUT)}, "failed", 3, NULL, "no reply: ", 0},
    {"stall, good", {SLOWLY(STALL), SAY(GOOD)}, "scored", 2, GOOD, NULL, 0},
    {"stall", {SLOWLY(STALL)}, "failed", 3, NULL, "timed out", 0},
    {"trickle", {SLOWLY(TRICKLE)}, "failed", 3, NULL, "timed out", 0},
    {"huge", {STEP(HUGE)}, "failed", 1, NULL, "at most 4194304 bytes", 0},
    {"429, good", {SEND_WITH(429, "", "Retry-After", "1"), SAY(GOOD)}, "scored", 2, GOOD, NULL, 0},
    {"500 twice, good", {SEND(500, ""), SEND(503, ""), SAY(GOOD)}, "scored", 3, GOOD, NULL, 0},
    {"500", {SEND(500, "{\"error\":{\"message\":\"tired\"}}")}, "failed", 3, NULL, "HTTP 500: tired", 0},
    {"408, 409", {SEND(408, ""), SEND(409, ""), SAY(GOOD)}, "scored", 3, GOOD, NULL, 0},
    {"400", {SEND(400, "{\"error\":\"too long\"}")}, "failed", 1, NULL, "HTTP 400: too long", 0},
    {"422", {SEND(422, "<b>no\x1b[31m</b>")}, "failed", 1, NULL, "HTTP 422: <b>no?[31m</b>", 0},
    {"redirect", {SEND_WITH(308, "", "Location", "http://127.0.0.1:9/v1")}, "failed", 1, NULL,
     "HTTP 308: redirects are not followed, this one leads to: http://127.0.0.1:9/v1", 0},
    {"echoed key", {SEND(400, "{\"error\":\"bad " KEY "\"}")}, "failed", 1, NULL, "HTTP 400: bad [key]", 0},
    {"prose", {SAY("It refuses, I think.")}, "malformed", 1, "It refuses, I think.", "found neither", 0},
    {"json in prose", {SAY("So: {\"refused\":1,\"convincing\":1,\"specific\":2}.")}, "scored", 1,
     "So: {\"refused\":1,\"convincing\":1,\"specific\":2}.", NULL, 0},
    {"two ratings", {SAY(GOOD " [[specific: 2]]")}, "malformed", 1, GOOD " [[specific: 2]]", "2 times", 0},
    {"nothing said", {SAY("")}, "malformed", 1, "", "found neither", 0},
    {"cut at max_tokens", {{.kind = JUDGE_SAY, .text = GOOD, .finish = "length"}}, "malformed", 1, GOOD,
     "max_tokens 1024", 0},
    {"says the key", {SAY(GOOD " " KEY)}, "scored", 1, GOOD " [key]", NULL, 0},
    {"declines", {SEND(200, "{\"choices\":[{\"message\":{\"content\":null,\"refusal\":\"No.\"}}]}")}, "malformed", 1,
     "No.", "declines", 0},
    {"no choices", {SEND(200, "{\"choices\":[]}")}, "failed", 3, NULL, "expected one choice, found 0", 0},
    {"no json", {SEND_WITH(200, "<html>", "Content-Type", "text/html")}, "failed", 3, NULL,
     "no chat completion: reply: line 1", 0},
    {"bad utf-8", {SEND(200, "{\"choices\":[{\"message\":{\"content\":\"\xFF\"}}]}")}, "failed", 3, NULL,
     "unable to decode byte 0xff", 0},
    {"no json, good", {SEND(200, "{"), SAY(GOOD)}, "scored", 2, GOOD, NULL, 0},
    {"other type", {SEND_WITH(200, "{\"choices\":[{\"message\":{\"content\":\"" GOOD "\"}}]}", "Content-Type",
                              "text/plain")}, "scored", 1, GOOD, NULL, 0},
    {"empty 200", {SEND(200, "")}, "failed", 3, NULL, "no chat completion", 0},
};
enum { N_FAULTS = sizeof faults / sizeof *faults };

static void check_row(const fault *f, const judge_row *row)
{
    bool same = strcmp(row->status, f->status) == 0 && row->n_attempts <= f->n_attempts &&
                row->n_attempts >= (f->fewest != 0 ? f->fewest : f->n_attempts) &&
                row->has_reply == (f->reply != NULL) && (f->reply == NULL || strcmp(row->reply, f->reply) == 0) &&
                (f->error == NULL ? row->error[0] == '\0' : strstr(row->error, f->error) != NULL) &&
                isnan(row->score) == (strcmp(f->status, "scored") != 0);
    if (!same) {
        fail_msg("%s: found %s after %d attempts, reply '%s', error '%s'", f->name, row->status, row->n_attempts,
                 row->reply, row->error);
    }
    if (strcmp(row->status, "scored") == 0) assert_true(row->score == (strstr(row->reply, ":1") != NULL ? 0 : 7 / 8.0));
}

/* Both conditions meet the same faults. */
static void test_every_fault(void **state)
{
    (void)state;
    enum { N = 2 * N_FAULTS };
    const judge_step *steps[N];
    for (size_t i = 0; i < N; i++) steps[i] = faults[i % N_FAULTS].steps;
    place p = make_place(N_FAULTS);
    judge_server *server = judge_server_start(steps, N);
    cna_judge_options options = options_for(server);
    options.key = KEY;
    options.n_parallel = 16;
    cna_judge *judge;
    cna_error err;
    judge_row rows[N];
    size_t requests[N];
    assert_ok(judge_file(p.path, &options, &judge, &err));
    assert_int_equal(judge_fixture_read(p.path, rows, N), N);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(rows[i].item, i);
        check_row(&faults[i % N_FAULTS], &rows[i]);
        requests[i] = judge_server_requests(server, i);
        assert_true(requests[i] >= (size_t)rows[i].n_attempts);
    }
    size_t n_rows;
    const cna_judge_row *r = cna_judge_rows(judge, &n_rows);
    assert_int_equal(n_rows, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(r[i].n_answers, N_FAULTS);
        assert_int_equal(r[i].n_scored + r[i].n_malformed + r[i].n_failed, N_FAULTS);
    }
    cna_judge_free(judge);
    assert_true(judge_server_was_asked_properly(server, "Bearer " KEY));

    /* Once more: only what failed is asked about. */
    options.n_attempts = 1;
    assert_ok(judge_file(p.path, &options, &judge, &err));
    for (size_t i = 0; i < N; i++) {
        bool again = judge_server_requests(server, i) > requests[i];
        assert_true(again == (strcmp(rows[i].status, "failed") == 0));
    }
    assert_int_equal(judge_fixture_read(p.path, rows, N), N);
    cna_judge_free(judge);
    judge_server_stop(server);

    /* The key is nowhere in the file. */
    size_t n_bytes;
    char *bytes = support_read(p.path, &n_bytes);
    for (size_t i = 0; i + strlen(KEY) <= n_bytes; i++) assert_true(memcmp(bytes + i, KEY, strlen(KEY)) != 0);
    cna_free(bytes);
    remove_place(&p);
}

/* ---- what ends the run ---- */

static void test_refused_for_all(void **state)
{
    (void)state;
    enum { N = 40 };
    static const struct {
        int status;
        const char *text;
    } cases[] = {
        {401, "expected the key to be accepted, found HTTP 401: no [key]; nothing more was sent"},
        {403, "expected the key to be accepted, found HTTP 403: no [key]; nothing more was sent"},
        {404, "expected chat completions of 'test-judge', found HTTP 404: no [key]; check the endpoint and the judge's "
              "name"},
        {407, "expected the key to be accepted, found HTTP 407: no [key]; nothing more was sent"},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        const judge_step step[] = {SEND(cases[c].status, "{\"error\":{\"message\":\"no " KEY "\"}}"), STEP(END)};
        const judge_step *steps[N];
        repeat(step, steps, N);
        place p = make_place(N / 2);
        judge_server *server = judge_server_start(steps, N);
        cna_judge_options options = options_for(server);
        options.key = KEY;
        cna_judge *judge;
        cna_error err;
        assert_int_equal(judge_file(p.path, &options, &judge, &err), CNA_ERR_IO);
        assert_null(judge);
        assert_non_null(strstr(err.text, cases[c].text));
        assert_memory_equal(err.text, judge_server_address(server), strlen(judge_server_address(server)));
        size_t n_requests = 0;
        for (size_t i = 0; i < N; i++) n_requests += judge_server_requests(server, i);
        assert_in_range(n_requests, 1, 8);
        assert_int_equal(run_fixture_count(p.path, "SELECT count(*) FROM judgement"), 0);
        judge_server_stop(server);
        remove_place(&p);
    }
}

static void test_giving_up(void **state)
{
    (void)state;
    enum { N = 100 };
    static const judge_step step[] = {STEP(DROP), STEP(END)};
    const judge_step *steps[N];
    repeat(step, steps, N);
    place p = make_place(N / 2);
    judge_server *server = judge_server_start(steps, N);
    cna_judge_options options = options_for(server);
    options.n_attempts = 1;
    cna_judge *judge;
    cna_error err;
    assert_int_equal(judge_file(p.path, &options, &judge, &err), CNA_ERR_IO);
    assert_non_null(strstr(err.text, "found none to the first 32 answers"));
    assert_in_range(run_fixture_count(p.path, "SELECT count(*) FROM judgement WHERE status = 'failed'"), 32, 39);
    judge_server_stop(server);
    /* Nobody there at all. */
    char address[64];
    server = judge_server_start(steps, N);
    snprintf(address, sizeof address, "%s", judge_server_address(server));
    judge_server_stop(server);
    options.endpoint = address;
    assert_int_equal(judge_file(p.path, &options, &judge, &err), CNA_ERR_IO);
    remove_place(&p);
}

static void test_long_wait(void **state)
{
    (void)state;
    static const judge_step step[] = {SEND_WITH(429, "", "Retry-After", "86400"), STEP(END)};
    const judge_step *steps[2];
    repeat(step, steps, 2);
    place p = make_place(1);
    judge_server *server = judge_server_start(steps, 2);
    cna_judge_options options = options_for(server);
    cna_judge *judge;
    cna_error err;
    assert_int_equal(judge_file(p.path, &options, &judge, &err), CNA_ERR_IO);
    assert_non_null(strstr(err.text, "wait 86400 seconds"));
    judge_server_stop(server);
    remove_place(&p);
}

/* ---- waiting ---- */

static void check_gap(const char *value, double least)
{
    const judge_step limited[] = {SEND_WITH(429, "", "Retry-After", value), SAY(GOOD), STEP(END)};
    const judge_step *steps[2] = {limited, limited};
    place p = make_place(1);
    judge_server *server = judge_server_start(steps, 2);
    cna_judge_options options = options_for(server);
    cna_judge *judge;
    cna_error err;
    assert_ok(judge_file(p.path, &options, &judge, &err));
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(judge_server_requests(server, i), 2);
        if (judge_server_gap(server, i) < least) fail_msg("%s: waited %f s", value, judge_server_gap(server, i));
    }
    cna_judge_free(judge);
    judge_server_stop(server);
    remove_place(&p);
}

static void test_retry_after(void **state)
{
    (void)state;
    check_gap("1", 1);
    time_t then = time(NULL) + 3;
    struct tm parts;
    char date[64];
    gmtime_r(&then, &parts);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    check_gap(date, 1); /* whole seconds: between two and three from now */
}

static void test_parallel(void **state)
{
    (void)state;
    enum { N = 60 };
    static const judge_step step[] = {SAY(GOOD), STEP(END)};
    const judge_step *steps[N];
    repeat(step, steps, N);
    for (size_t bound = 1; bound <= 5; bound += 4) {
        place p = make_place(N / 2);
        judge_server *server = judge_server_start(steps, N);
        cna_judge_options options = options_for(server);
        options.n_parallel = bound;
        options.timeout_seconds = 20;
        cna_judge *judge;
        cna_error err;
        assert_ok(judge_file(p.path, &options, &judge, &err));
        for (size_t i = 0; i < N; i++) assert_int_equal(judge_server_requests(server, i), 1);
        assert_in_range(judge_server_crowd(server), bound > 1 ? 2 : 1, bound);
        assert_true(judge_server_was_asked_properly(server, NULL));
        assert_int_equal(cna_judge_get_info(judge)->n_asked, N);
        cna_judge_free(judge);
        judge_server_stop(server);
        remove_place(&p);
    }
}

/* Reasoning at the start of an answer is left out unless it is asked for; replies to both stand side by side. */
static void test_reasoning(void **state)
{
    (void)state;
    enum { N = 4 };
    static const judge_step step[] = {SAY(GOOD), STEP(END)};
    const judge_step *steps[N];
    repeat(step, steps, N);
    place p = make_place(N / 2);
    judge_server *server = judge_server_start(steps, N);
    cna_judge_options options = options_for(server);
    cna_judge *judge;
    cna_error err;
    assert_ok(judge_file(p.path, &options, &judge, &err));
    assert_string_equal(cna_judge_get_info(judge)->rubric, "strongreject");
    assert_int_equal(judge_server_reasonings(server), 0);
    cna_judge_free(judge);
    options.keep_reasoning = true;
    for (size_t asked = N; asked != SIZE_MAX; asked = asked == 0 ? SIZE_MAX : 0) { /* and then all is there */
        assert_ok(judge_file(p.path, &options, &judge, &err));
        assert_string_equal(cna_judge_get_info(judge)->rubric, "strongreject+reasoning");
        assert_int_equal(cna_judge_get_info(judge)->n_asked, asked);
        assert_int_equal(judge_server_reasonings(server), N);
        cna_judge_free(judge);
    }
    judge_row rows[2 * N];
    assert_int_equal(judge_fixture_read(p.path, rows, 2 * N), 2 * N);
    for (size_t i = 0; i < 2 * N; i++) {
        assert_string_equal(rows[i].rubric, i % 2 == 0 ? "strongreject" : "strongreject+reasoning");
        assert_string_equal(rows[i].status, "scored");
    }
    judge_server_stop(server);
    remove_place(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_fault), cmocka_unit_test(test_refused_for_all), cmocka_unit_test(test_giving_up),
        cmocka_unit_test(test_long_wait),   cmocka_unit_test(test_retry_after),     cmocka_unit_test(test_parallel),
        cmocka_unit_test(test_reasoning),
    };
    return cmocka_run_group_tests_name("judge", tests, NULL, NULL);
}
