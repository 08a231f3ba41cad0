/* SPDX-License-Identifier: MIT
 * The HTTP client against a server that sends arbitrary bytes (a raw socket): what no HTTP library would send. */
#define _POSIX_C_SOURCE 200809L
#include "support.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "study/judge_http.h"

/* Gives every connection the same bytes after its request, then closes it. */
typedef struct raw_server {
    int listener;
    pthread_t thread;
    const char *bytes;
    size_t n_bytes;
    bool reset; /* close with a reset */
    char request[4096]; /* of the last connection */
    char address[64];
} raw_server;

static void take_request(raw_server *s, int connection)
{
    size_t n = 0;
    while (n < sizeof s->request - 1) {
        ssize_t got = recv(connection, s->request + n, sizeof s->request - 1 - n, 0);
        if (got <= 0) break;
        n += (size_t)got;
        s->request[n] = '\0';
        if (strstr(s->request, "\r\n\r\n{}") != NULL) break;
    }
}

static void *serve(void *user)
{
    raw_server *s = user;
    for (;;) {
        int connection = accept(s->listener, NULL, NULL);
        if (connection < 0) return NULL;
        take_request(s, connection);
        for (size_t at = 0; at < s->n_bytes;) {
            ssize_t n = send(connection, s->bytes + at, s->n_bytes - at, MSG_NOSIGNAL);
            if (n <= 0) break;
            at += (size_t)n;
        }
        struct linger now = {.l_onoff = 1};
        if (s->reset) setsockopt(connection, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close(connection);
    }
}

static raw_server *start(const char *bytes, size_t n_bytes, bool reset)
{
    raw_server *s = calloc(1, sizeof *s);
    *s = (raw_server){.bytes = bytes, .n_bytes = n_bytes, .reset = reset, .listener = socket(AF_INET, SOCK_STREAM, 0)};
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof here;
    assert_int_equal(bind(s->listener, (struct sockaddr *)&here, n), 0);
    assert_int_equal(listen(s->listener, 8), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&here, &n), 0);
    snprintf(s->address, sizeof s->address, "http://127.0.0.1:%u/v1/chat/completions", ntohs(here.sin_port));
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
    return s;
}

static void stop(raw_server *s)
{
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
    free(s);
}

/* One request; body and location are copied, as the client is gone when this returns. */
typedef struct outcome {
    cna_http_reply reply;
    char body[256], location[256];
} outcome;

static outcome ask(const cna_http_options *options)
{
    cna_error err;
    cna_http *http;
    outcome o = {0};
    assert_ok(cna_http_create(options, &http, &err));
    assert_ok(cna_http_post(http, 0, "{}", 2, &err));
    double deadline = cna_clock_seconds() + 20;
    while (!cna_http_next(http, &o.reply)) {
        assert_true(cna_clock_seconds() < deadline);
        assert_ok(cna_http_wait(http, 0.1, &err));
    }
    size_t n = o.reply.n_bytes < sizeof o.body - 1 ? o.reply.n_bytes : sizeof o.body - 1;
    memcpy(o.body, o.reply.body, n);
    if (o.reply.location != NULL) snprintf(o.location, sizeof o.location, "%s", o.reply.location);
    cna_http_free(http);
    return o;
}

static outcome ask_bytes(const char *bytes, size_t n_bytes, bool reset)
{
    raw_server *s = start(bytes, n_bytes, reset);
    outcome o = ask(&(cna_http_options){
        .address = s->address, .n_slots = 1, .timeout_seconds = 5, .reply_bytes_max = 1 << 16});
    stop(s);
    return o;
}

static outcome ask_text(const char *text)
{
    return ask_bytes(text, strlen(text), false);
}

static void test_whole_replies(void **state)
{
    (void)state;
    outcome o = ask_text("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    assert_int_equal(o.reply.status, 200);
    assert_string_equal(o.body, "hello");
    o = ask_text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n");
    assert_string_equal(o.body, "hello");
    o = ask_text("HTTP/1.0 200 OK\r\n\r\nhello"); /* ends with the connection: nobody can tell whether it is whole */
    assert_string_equal(o.body, "hello");
    o = ask_text("HTTP/1.1 200 OK\r\nContent-Le"); /* nor this; there is no body in any case */
    assert_int_equal(o.reply.status, 200);
    assert_int_equal(o.reply.n_bytes, 0);
    o = ask_text("HTTP/1.1 204 No Content\r\n\r\n");
    assert_int_equal(o.reply.status, 204);
    assert_int_equal(o.reply.n_bytes, 0);
    o = ask_text("HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno");
    assert_int_equal(o.reply.status, 500);
    assert_string_equal(o.body, "no");
}

static void test_broken_replies(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "\xFF\xFE garbage \x01\x02\r\n\r\n",
        "hello\r\n",
        "HTTP/1.1 ",
        "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"choices\":",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n30\r\n{\"choices\":",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        outcome o = ask_text(cases[i]);
        if (o.reply.status != 0 || !o.reply.is_transient || o.reply.is_hopeless || o.reply.error[0] == '\0')
            fail_msg("case %zu: expected a passing failure, found status %d, %s", i, o.reply.status, o.reply.error);
    }
    outcome o = ask_bytes("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", 41, true);
    assert_true(o.reply.status == 0 && o.reply.is_transient);
}

static void test_bounds(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20 };
    static const char start_body[] = "HTTP/1.1 200 OK\r\n\r\n", start_headers[] = "HTTP/1.1 200 OK\r\n";
    char *bytes = calloc(SIZE, 1);
    assert_non_null(bytes);
    memset(bytes, 'x', SIZE);
    memcpy(bytes, start_body, strlen(start_body));
    outcome o = ask_bytes(bytes, SIZE, false);
    assert_true(o.reply.status == 0 && !o.reply.is_transient && !o.reply.is_hopeless);
    assert_string_equal(o.reply.error, "expected a reply of at most 65536 bytes, found a longer one");
    assert_true(o.reply.n_bytes <= 65536);
    for (size_t i = strlen(start_headers); i + 8 <= SIZE; i += 8) memcpy(bytes + i, "X: yyy\r\n", 8);
    memcpy(bytes, start_headers, strlen(start_headers));
    o = ask_bytes(bytes, SIZE, false);
    assert_true(o.reply.status == 0 && !o.reply.is_hopeless);
    free(bytes);
}

static void test_retry_after(void **state)
{
    (void)state;
    assert_true(ask_text("HTTP/1.1 429 No\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n").reply.retry_after == 7);
    assert_true(ask_text("HTTP/1.1 429 No\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n").reply.retry_after == 0);
    assert_true(ask_text("HTTP/1.1 429 No\r\nRetry-After: -3\r\nContent-Length: 0\r\n\r\n").reply.retry_after == 0);
    assert_true(ask_text("HTTP/1.1 429 No\r\nContent-Length: 0\r\n\r\n").reply.retry_after == 0);
    char text[200], date[64];
    for (int sign = -1; sign <= 1; sign += 2) {
        time_t then = time(NULL) + sign * 100;
        struct tm parts;
        gmtime_r(&then, &parts);
        strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &parts);
        snprintf(text, sizeof text, "HTTP/1.1 429 No\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n", date);
        double wait = ask_text(text).reply.retry_after;
        assert_true(sign < 0 ? wait == 0 : wait >= 95 && wait <= 100);
    }
}

static void test_redirect(void **state)
{
    (void)state;
    raw_server *other = start("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 38, false);
    char text[300];
    snprintf(text, sizeof text, "HTTP/1.1 307 There\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", other->address);
    outcome o = ask_text(text);
    assert_int_equal(o.reply.status, 307);
    assert_string_equal(o.location, other->address);
    assert_string_equal(other->request, "");
    stop(other);
}

static void test_headers_and_proxies(void **state)
{
    (void)state;
    raw_server *s = start("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 38, false);
    raw_server *proxy = start("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 38, false);
    cna_http_options options = {
        .address = s->address, .n_slots = 1, .timeout_seconds = 5, .reply_bytes_max = 100, .key = "sk-test-key"};
    setenv("http_proxy", proxy->address, 1);
    setenv("all_proxy", proxy->address, 1);
    assert_int_equal(ask(&options).reply.status, 200);
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    assert_non_null(strstr(s->request, "POST /v1/chat/completions HTTP/1.1\r\n"));
    assert_non_null(strstr(s->request, "\r\nAuthorization: Bearer sk-test-key\r\n"));
    assert_non_null(strstr(s->request, "\r\nContent-Type: application/json\r\n"));
    assert_null(strstr(s->request, "Expect:"));
    assert_null(strstr(s->request, "Accept-Encoding:"));
    assert_string_equal(proxy->request, "");
    options.proxy = proxy->address;
    options.key = NULL;
    memset(s->request, 0, sizeof s->request);
    assert_int_equal(ask(&options).reply.status, 200);
    assert_string_equal(s->request, "");
    assert_non_null(strstr(proxy->request, s->address));
    assert_null(strstr(proxy->request, "Authorization:"));
    stop(proxy);
    stop(s);
}

static void test_no_server(void **state)
{
    (void)state;
    raw_server *s = start("", 0, false);
    char address[64];
    snprintf(address, sizeof address, "%s", s->address);
    stop(s);
    cna_http_options options = {.address = address, .n_slots = 1, .timeout_seconds = 5, .reply_bytes_max = 100};
    outcome o = ask(&options);
    assert_true(o.reply.status == 0 && o.reply.is_transient);
    assert_non_null(strstr(o.reply.error, "127.0.0.1"));
}

static cna_status create_again(void *user, cna_error *err)
{
    cna_http *http = NULL;
    cna_status status = cna_http_create(user, &http, err);
    cna_http_free(http);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    cna_http_options options = {
        .address = "http://127.0.0.1/", .n_slots = 3, .timeout_seconds = 1, .reply_bytes_max = 10, .key = "key"};
    support_fail_allocations(create_again, &options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_replies), cmocka_unit_test(test_broken_replies),
        cmocka_unit_test(test_bounds),        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_redirect),      cmocka_unit_test(test_headers_and_proxies),
        cmocka_unit_test(test_no_server),     cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests_name("judge_http", tests, NULL, NULL);
}
