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
#include "base/web.h"

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
    cna_web_reply reply;
    char body[256], location[256];
} outcome;

/* To whom, and with what. */
typedef struct question {
    const char *address, *token, *proxy;
    double seconds;
    size_t body_bytes_max;
} question;

static outcome ask(const question *q)
{
    cna_error err;
    cna_web *web;
    outcome o = {0};
    const cna_web_options options = {.n_slots = 1, .connect_seconds = q->seconds, .total_seconds = q->seconds,
                                     .body_bytes_max = q->body_bytes_max, .proxy = q->proxy};
    const cna_web_request request = {.url = q->address, .token = q->token, .json = "{}", .n_json = 2};
    assert_ok(cna_web_create(&options, &web, &err));
    assert_ok(cna_web_begin(web, 0, &request, &err));
    double deadline = cna_clock_seconds() + 20;
    while (!cna_web_next(web, &o.reply)) {
        assert_true(cna_clock_seconds() < deadline);
        assert_ok(cna_web_wait(web, 0.1, &err));
    }
    size_t n = o.reply.n_bytes < sizeof o.body - 1 ? o.reply.n_bytes : sizeof o.body - 1;
    memcpy(o.body, o.reply.body, n);
    if (o.reply.location != NULL) snprintf(o.location, sizeof o.location, "%s", o.reply.location);
    cna_web_free(web);
    return o;
}

static outcome ask_bytes(const char *bytes, size_t n_bytes, bool reset)
{
    raw_server *s = start(bytes, n_bytes, reset);
    outcome o = ask(&(question){.address = s->address, .seconds = 5, .body_bytes_max = 1 << 16, .proxy = ""});
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
        if (o.reply.status != 0 || o.reply.too_large || o.reply.is_hopeless || o.reply.error[0] == '\0')
            fail_msg("case %zu: expected a passing failure, found status %d, %s", i, o.reply.status, o.reply.error);
    }
    outcome o = ask_bytes("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", 41, true);
    assert_true(o.reply.status == 0 && !o.reply.too_large && !o.reply.is_hopeless);
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
    assert_true(o.reply.status == 0 && o.reply.too_large && !o.reply.is_hopeless);
    assert_string_equal(o.reply.error, "expected a reply of at most 65536 bytes, found a longer one");
    assert_true(o.reply.n_bytes <= 65536);
    for (size_t i = strlen(start_headers); i + 8 <= SIZE; i += 8) memcpy(bytes + i, "X: yyy\r\n", 8);
    memcpy(bytes, start_headers, strlen(start_headers));
    o = ask_bytes(bytes, SIZE, false);
    assert_true(o.reply.status == 0 && o.reply.too_large && !o.reply.is_hopeless);
    assert_string_equal(o.reply.error, "expected at most 262144 bytes of headers, found more");
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

/* Where a redirect may point: asking again would not help. */
static void test_addresses_of_other_kinds(void **state)
{
    (void)state;
    static const char *const addresses[] = {"file:///etc/hostname", "ftp://127.0.0.1/x",
                                            "http://user:word@127.0.0.1/x"};
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        outcome o = ask(&(question){.address = addresses[i], .seconds = 5, .body_bytes_max = 100, .proxy = ""});
        if (o.reply.status != 0 || !o.reply.is_hopeless) fail_msg("%s was asked: %s", addresses[i], o.reply.error);
    }
}

static void test_headers_and_proxies(void **state)
{
    (void)state;
    raw_server *s = start("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 38, false);
    raw_server *proxy = start("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 38, false);
    question q = {.address = s->address, .token = "sk-test-key", .seconds = 5, .body_bytes_max = 100, .proxy = ""};
    setenv("http_proxy", proxy->address, 1);
    setenv("all_proxy", proxy->address, 1);
    assert_int_equal(ask(&q).reply.status, 200);
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    assert_non_null(strstr(s->request, "POST /v1/chat/completions HTTP/1.1\r\n"));
    assert_non_null(strstr(s->request, "\r\nAuthorization: Bearer sk-test-key\r\n"));
    assert_non_null(strstr(s->request, "\r\nContent-Type: application/json\r\n"));
    assert_null(strstr(s->request, "Expect:"));
    assert_null(strstr(s->request, "Accept-Encoding:"));
    assert_string_equal(proxy->request, "");
    q.proxy = proxy->address;
    q.token = NULL;
    memset(s->request, 0, sizeof s->request);
    assert_int_equal(ask(&q).reply.status, 200);
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
    outcome o = ask(&(question){.address = address, .seconds = 5, .body_bytes_max = 100, .proxy = ""});
    assert_true(o.reply.status == 0 && !o.reply.too_large && !o.reply.is_hopeless);
    assert_non_null(strstr(o.reply.error, "127.0.0.1"));
}

static cna_status begin_again(void *user, cna_error *err)
{
    (void)user;
    cna_web *web;
    const cna_web_options options = {.n_slots = 3, .connect_seconds = 1, .proxy = ""};
    const cna_web_request request = {.url = "http://127.0.0.1:9/", .token = "key", .json = "{}", .n_json = 2};
    CNA_TRY(cna_web_create(&options, &web, err));
    cna_status status = cna_web_begin(web, 2, &request, err);
    cna_web_free(web);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    support_fail_allocations(begin_again, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_replies), cmocka_unit_test(test_broken_replies),
        cmocka_unit_test(test_bounds),        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_redirect),      cmocka_unit_test(test_headers_and_proxies),
        cmocka_unit_test(test_addresses_of_other_kinds),
        cmocka_unit_test(test_no_server),     cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests_name("web", tests, NULL, NULL);
}
