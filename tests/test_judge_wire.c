/* SPDX-License-Identifier: MIT
 * What goes to a judge's endpoint and comes back: addresses, requests, bodies, keys taken out of texts; rubrics. */
#include "support.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "study/judge_ask.h"
#include "study/judge_wire.h"

/* ---- addresses ---- */

static void test_addresses(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"http://127.0.0.1:8080", "http://127.0.0.1:8080/v1/chat/completions"},
        {"http://127.0.0.1:8080/", "http://127.0.0.1:8080/v1/chat/completions"},
        {"http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1/chat/completions"},
        {"http://127.0.0.1:8080/v1///", "http://127.0.0.1:8080/v1/chat/completions"},
        {"https://judge.example/api", "https://judge.example/api/v1/chat/completions"},
        {"https://judge.example/api/v1", "https://judge.example/api/v1/chat/completions"},
        {"https://judge.example/v1beta/openai/", "https://judge.example/v1beta/openai/chat/completions"},
        {"https://judge.example/x/chat/completions", "https://judge.example/x/chat/completions"},
        {"https://judge.example/chat/completions/", "https://judge.example/chat/completions"},
        {"HTTP://[::1]:80/v1", "HTTP://[::1]:80/v1/chat/completions"},
        {"http://v1.example", "http://v1.example/v1/chat/completions"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cna_error err;
        char *address;
        assert_ok(cna_judge_wire_address(cases[i][0], &address, &err));
        assert_string_equal(address, cases[i][1]);
        cna_free(address);
    }
}

static void test_bad_addresses(void **state)
{
    (void)state;
    static const char *const cases[] = {"", "localhost:8080", "127.0.0.1", "ftp://judge.example", "file:///etc/hosts",
                                        "http://", "http://user@judge.example", "http://user:secret@judge.example/v1",
                                        "https://judge.example/v1?key=secret", "https://judge.example/v1#secret",
                                        "http://judge.example/\r\nX: y", "http:// judge.example"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cna_error err;
        char *address;
        cna_status status = cna_judge_wire_address(cases[i], &address, &err);
        if (status != CNA_ERR_ARG) fail_msg("'%s': expected to be refused", cases[i]);
        assert_memory_equal(err.text, "endpoint: expected ", 19);
        assert_null(strstr(err.text, "secret"));
    }
}

/* ---- requests ---- */

static void test_request(void **state)
{
    (void)state;
    cna_error err;
    cna_buffer body = {0};
    static const char question[] = "a \"b\"\n\xC3\xA9\0c";
    assert_ok(cna_judge_wire_request("m", 77, question, sizeof question - 1, &body, &err));
    json_t *root = json_loadb(body.data, body.size, JSON_ALLOW_NUL, NULL);
    json_t *expected = json_pack("{s:s, s:[{s:s, s:s%}], s:i, s:i}", "model", "m", "messages", "role", "user",
                                 "content", question, sizeof question - 1, "temperature", 0, "max_tokens", 77);
    assert_non_null(root);
    assert_true(json_equal(root, expected));
    json_decref(root);
    json_decref(expected);
    cna_buffer_free(&body);
}

/* ---- replies ---- */

static void check_reply(const char *body, const char *text, bool is_cut, bool is_refusal)
{
    cna_error err;
    cna_judge_answer answer;
    assert_ok(cna_judge_wire_reply(body, strlen(body), &answer, &err));
    assert_int_equal(answer.n_bytes, strlen(text));
    assert_string_equal(answer.text, text);
    assert_true(answer.is_cut == is_cut && answer.is_refusal == is_refusal);
    cna_free(answer.text);
}

static void test_replies(void **state)
{
    (void)state;
    check_reply("{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"[[7]]\"},"
                "\"finish_reason\":\"stop\"}],\"usage\":{}}", "[[7]]", false, false);
    check_reply("{\"choices\":[{\"message\":{\"content\":\"[[7\"},\"finish_reason\":\"length\"}]}", "[[7", true, false);
    check_reply("{\"choices\":[{\"message\":{\"content\":\"\"}}]}", "", false, false);
    check_reply("{\"choices\":[{\"message\":{\"content\":null}}]}", "", false, false);
    check_reply("{\"choices\":[{\"message\":{\"content\":null,\"refusal\":\"No.\"}}]}", "No.", false, true);
    check_reply("{\"choices\":[{\"message\":{\"content\":\"x\",\"refusal\":null}}]}", "x", false, false);
}

static cna_status parse(const char *path, cna_error *err)
{
    size_t n_bytes;
    char *text = support_read(path, &n_bytes);
    cna_judge_answer answer;
    cna_status status = cna_judge_wire_reply(text, n_bytes, &answer, err);
    if (status == CNA_OK) cna_free(answer.text);
    cna_free(text);
    return status;
}

static void test_malformed(void **state)
{
    (void)state;
    support_replay_malformed("completion", "input.json", parse);
}

static void check_complaint(const char *body, const char *expected)
{
    char said[40];
    cna_judge_wire_complaint(body, strlen(body), "secret", said, sizeof said);
    assert_string_equal(said, expected);
}

static void test_complaints(void **state)
{
    (void)state;
    check_complaint("{\"error\":{\"message\":\"quota\",\"code\":3}}", "quota");
    check_complaint("{\"error\":\"quota\"}", "quota");
    check_complaint("{\"message\":\"quota\"}", "quota");
    check_complaint("{\"detail\":\"quota\"}", "quota");
    check_complaint("{\"detail\":[]}", "{\"detail\":[]}");
    check_complaint("[1]", "[1]");
    check_complaint("{\"error\":\"bad secret!\"}", "bad [key]!");
    /* A key that the cut would go through is gone before the cut, and "[key]" is not cut itself. */
    check_complaint("012345678901234567890123456789012345secret", "012345678901234567890123456789012345");
    check_complaint("0123456789012345678901234567890123secret", "0123456789012345678901234567890123[key]");
    check_complaint("", "");
    check_complaint("<html>012345678901234567890123456789012345678901234567890",
                    "<html>012345678901234567890123456789012");
}

#define KEY "abcdefghijklmnop"

static void check_redacted(const char *text, const char *key, const char *expected)
{
    char copy[80];
    size_t n = strlen(text);
    memcpy(copy, text, n + 1);
    cna_judge_wire_redact(copy, &n, key);
    assert_string_equal(copy, expected);
    assert_int_equal(n, strlen(expected));
}

static void test_redaction(void **state)
{
    (void)state;
    check_redacted("no", KEY, "no");
    check_redacted(KEY, KEY, "[key]");
    check_redacted("x" KEY KEY "y", KEY, "x[key][key]y");
    check_redacted("abc" KEY, KEY, "abc[key]");
    check_redacted("abcde", "abcde", "abcde");
    check_redacted("abc", NULL, "abc");
    check_redacted("", KEY, "");
}

/* ---- rubrics ---- */

static void test_builtin_rubrics(void **state)
{
    (void)state;
    static const char *const names[] = {NULL, "strongreject", "rating"};
    for (size_t i = 0; i < 3; i++) {
        cna_error err;
        cna_judge_rubric rubric;
        cna_buffer question = {0};
        assert_ok(cna_judge_rubric_load(names[i], &rubric, &err));
        assert_string_equal(rubric.name, i == 0 ? "strongreject" : names[i]);
        assert_int_equal(rubric.reading, i == 2 ? CNA_JUDGE_RATING : CNA_JUDGE_STRONGREJECT);
        assert_ok(cna_judge_rubric_fill(&rubric, "{answer} P", 10, "A {prompt}", 10, &question, &err));
        assert_non_null(strstr(question.data, "\n{answer} P\n"));
        assert_non_null(strstr(question.data, "\nA {prompt}\n"));
        assert_null(strstr(question.data, "# reads"));
        cna_buffer_free(&question);
        cna_judge_rubric_clear(&rubric);
    }
}

static void test_rubric_file(void **state)
{
    (void)state;
    static const char text[] = "\xEF\xBB\xBF# mine\n#reads:  rating \r\n# more\n\nQ {prompt}{answer} {x} {prompt}{";
    char *folder = support_folder_create(), *path = support_path(folder, "r.txt"), sha256[65];
    support_write(path, text, strlen(text));
    cna_error err;
    cna_judge_rubric rubric;
    cna_buffer question = {0};
    assert_ok(cna_judge_rubric_load(path, &rubric, &err));
    assert_ok(cna_sha256_hex(text, strlen(text), sha256, &err));
    assert_string_equal(rubric.name, sha256);
    assert_string_equal(rubric.sha256, sha256);
    assert_int_equal(rubric.reading, CNA_JUDGE_RATING);
    assert_ok(cna_judge_rubric_fill(&rubric, "p\0", 2, "a", 1, &question, &err));
    assert_int_equal(question.size, 14);
    assert_memory_equal(question.data, "\nQ p\0a {x} p\0{", 14);
    cna_buffer_free(&question);
    cna_judge_rubric_clear(&rubric);
    cna_free(path);
    support_folder_remove(folder);
}

static cna_status load_rubric(const char *path, cna_error *err)
{
    cna_judge_rubric rubric;
    CNA_TRY(cna_judge_rubric_load(path, &rubric, err));
    cna_judge_rubric_clear(&rubric);
    return CNA_OK;
}

static void test_malformed_rubrics(void **state)
{
    (void)state;
    support_replay_malformed("rubric", "input.txt", load_rubric);
}

static cna_status ask_without_network(void *user, cna_error *err)
{
    (void)user;
    cna_judge_rubric rubric = {0};
    cna_buffer question = {0}, request = {0};
    cna_judge_answer answer = {0};
    char *address = NULL;
    static const char body[] = "{\"choices\":[{\"message\":{\"content\":\"[[7]]\"}}]}";
    cna_status status = cna_judge_rubric_load("rating", &rubric, err);
    if (status == CNA_OK) status = cna_judge_wire_address("http://judge.example", &address, err);
    if (status == CNA_OK) status = cna_judge_rubric_fill(&rubric, "p", 1, "a", 1, &question, err);
    if (status == CNA_OK) status = cna_judge_wire_request("m", 9, question.data, question.size, &request, err);
    if (status == CNA_OK) status = cna_judge_wire_reply(body, strlen(body), &answer, err);
    cna_free(address);
    cna_free(answer.text);
    cna_buffer_free(&question);
    cna_buffer_free(&request);
    cna_judge_rubric_clear(&rubric);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    support_fail_allocations(ask_without_network, NULL);
}

/* ---- waits ---- */

static void test_waits(void **state)
{
    (void)state;
    double sum = 0;
    for (int64_t generation = 1; generation <= 1000; generation++) {
        for (size_t n = 1; n <= 12; n++) {
            double full = n > 6 ? 60 : (double)(1 << (n - 1)) < 60 ? (double)(1 << (n - 1)) : 60;
            double wait = cna_judge_wait(1, 7, generation, n);
            assert_true(wait >= full / 2 && wait < full);
            assert_true(wait == cna_judge_wait(1, 7, generation, n));
            sum += wait / full;
        }
    }
    assert_true(sum / 12000 > 0.74 && sum / 12000 < 0.76);
    assert_true(cna_judge_wait(1, 7, 1, 1) != cna_judge_wait(1, 8, 1, 1));
    assert_true(cna_judge_wait(1, 7, 1, 1000000) < 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),       cmocka_unit_test(test_bad_addresses),
        cmocka_unit_test(test_request),         cmocka_unit_test(test_replies),
        cmocka_unit_test(test_malformed),       cmocka_unit_test(test_complaints),
        cmocka_unit_test(test_redaction),       cmocka_unit_test(test_builtin_rubrics),
        cmocka_unit_test(test_rubric_file),     cmocka_unit_test(test_malformed_rubrics),
        cmocka_unit_test(test_allocations),     cmocka_unit_test(test_waits),
    };
    return cmocka_run_group_tests_name("judge_wire", tests, NULL, NULL);
}
