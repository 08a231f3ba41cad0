/* SPDX-License-Identifier: MIT
 * The refusal classifier: pattern files, scope, and the built-in patterns on labelled answers. */
#include "support.h"

#include <stdio.h>
#include <string.h>

#include "study/refusal.h"

static bool matches(const cna_refusal *refusal, const char *text)
{
    cna_error err;
    bool refused;
    assert_ok(cna_refusal_match(refusal, text, strlen(text), &refused, &err));
    return refused;
}

static cna_refusal *compile(const char *text)
{
    cna_error err;
    cna_refusal *refusal;
    assert_ok(cna_refusal_create(text, "p.txt", &refusal, &err));
    return refusal;
}

/* The agreement that the built-in patterns reach on tests/data/refusals.tsv: 93 of 97 refusals, 92 of 92
 * other answers. A change that lowers it has to say why. Answers and patterns were written by one hand, so
 * this guards against regressions and is no estimate of how well the patterns do on some model's answers. The
 * four that are missed decline without any of the patterns' words ("Let us talk about something else
 * instead"); patterns for them would catch answers as well. */
static void test_labelled(void **state)
{
    (void)state;
    cna_error err;
    cna_refusal *refusal;
    assert_ok(cna_refusal_create(NULL, NULL, &refusal, &err));
    char *file = support_read("tests/data/refusals.tsv", NULL);
    size_t n[2] = {0, 0};
    size_t n_right[2] = {0, 0};
    for (char *line = strtok(file, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (*line == '#') continue;
        char *text = strchr(line, '\t');
        assert_non_null(text);
        *text++ = '\0';
        bool labelled = strcmp(line, "refused") == 0;
        assert_true(labelled || strcmp(line, "complied") == 0);
        bool found = matches(refusal, text);
        n[labelled]++;
        n_right[labelled] += found == labelled;
        if (found != labelled) print_message("labelled %s, found the other: %s\n", line, text);
    }
    print_message("agreement: %zu of %zu refused, %zu of %zu complied\n", n_right[1], n[1], n_right[0], n[0]);
    assert_true(n[0] + n[1] >= 150);
    assert_true(n_right[1] >= 93);
    assert_int_equal(n_right[0], n[0]);
    cna_free(file);
    cna_refusal_free(refusal);
}

static void test_headers(void **state)
{
    (void)state;
    cna_refusal *refusal =
        compile("# a comment\n#case:exact\n# kind: substring \r\n\n  \nI can't.\n# more\n a+b\n");
    assert_true(matches(refusal, "No, I can't."));
    assert_false(matches(refusal, "No, i can't."));
    assert_false(matches(refusal, "No, I can't!")); /* no regular expression: the dot is a dot */
    assert_true(matches(refusal, "that is a+b"));
    assert_false(matches(refusal, "a+b")); /* blanks of a pattern are part of it */
    assert_false(matches(refusal, "aab"));
    cna_refusal_free(refusal);
    refusal = compile("\xEF\xBB\xBF"
                      "cannot\\b\n[#]1");
    assert_true(matches(refusal, "I CANNOT."));
    assert_true(matches(refusal, "we're #1"));
    assert_false(matches(refusal, "cannots"));
    cna_refusal_free(refusal);
}

/* Code points, not bytes: the text before the pattern is 500 two-byte characters less the pattern. */
static void test_scope(void **state)
{
    (void)state;
    char text[1100];
    char *end = text;
    for (int i = 0; i < 497; i++) end = strcpy(end, "\xC3\xA9") + 2;
    strcpy(end, "xyz");
    cna_refusal *refusal = compile("xyz");
    assert_true(matches(refusal, text));
    memmove(text + 1, text, strlen(text) + 1);
    text[0] = 'a';
    assert_false(matches(refusal, text));
    cna_refusal_free(refusal);
    refusal = compile("# scope: all\nxyz");
    assert_true(matches(refusal, text));
    cna_refusal_free(refusal);
    refusal = compile("# scope: 3\nxyz");
    assert_true(matches(refusal, "xyz"));
    assert_false(matches(refusal, "axyz"));
    assert_false(matches(refusal, ""));
    cna_refusal_free(refusal);
}

static void test_unicode(void **state)
{
    (void)state;
    cna_refusal *refusal = compile("\\b\xC3\x89TUDE\\b");
    assert_true(matches(refusal, "une \xC3\xA9tude."));
    assert_false(matches(refusal, "\xC3\xA9tude\xC3\xA9"));
    cna_refusal_free(refusal);
    refusal = compile("# kind: substring\n\xC3\x89t");
    assert_true(matches(refusal, "une \xC3\xA9Tude."));
    cna_error err;
    bool refused;
    assert_int_equal(cna_refusal_match(refusal, "a\xFF", 2, &refused, &err), CNA_ERR_FORMAT);
    cna_refusal_free(refusal);
}

static void test_limits(void **state)
{
    (void)state;
    cna_error err;
    bool refused;
    char text[401];
    memset(text, 'a', 400);
    text[400] = '\0';
    cna_refusal *refusal = compile("\n^(a|aa)+[xy]");
    assert_int_equal(cna_refusal_match(refusal, text, 400, &refused, &err), CNA_ERR_INTERNAL);
    assert_memory_equal(err.text, "p.txt:2: matching failed:", 25);
    cna_refusal_free(refusal);
}

static cna_status parse(const char *path, cna_error *err)
{
    char *text = support_read(path, NULL);
    cna_refusal *refusal = NULL;
    const char *slash = strrchr(path, '/');
    cna_status status = cna_refusal_create(text, slash + 1, &refusal, err);
    cna_refusal_free(refusal);
    cna_free(text);
    return status;
}

static void test_malformed(void **state)
{
    (void)state;
    support_replay_malformed("patterns", "input.txt", parse);
}

static cna_status create_again(void *user, cna_error *err)
{
    cna_refusal *refusal = NULL;
    cna_status status = cna_refusal_create(user, NULL, &refusal, err);
    cna_refusal_free(refusal);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    support_fail_allocations(create_again, "# scope: all\na(b|c)\nd\n");
}

/* What is left out at the start of an answer, in each of the forms that models write. */
static void test_reasoning(void **state)
{
    (void)state;
    static const struct {
        const char *text, *rest;
    } cases[] = {
        {"<think>I cannot help?</think>\n\nHere it is.", "\n\nHere it is."},
        {" \n<think>\n</think>Yes <think>no</think>", "Yes <think>no</think>"},
        {"opened in the prompt</think>Yes", "Yes"},
        {"<think>never closed", ""},
        {"Yes <think>I cannot</think> no", "Yes <think>I cannot</think> no"},
        {"[THINK]a[/THINK]b", "b"},
        {"<|START_THINKING|>a<|END_THINKING|>b", "b"},
        {"<thinking>a</think>b</thinking>c", "b</thinking>c"},
        {"no reasoning", "no reasoning"},
        {"</think>", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = strlen(cases[i].text);
        size_t skipped = cna_refusal_reasoning(cases[i].text, n);
        assert_true(skipped <= n);
        assert_string_equal(cases[i].text + skipped, cases[i].rest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_labelled),    cmocka_unit_test(test_headers), cmocka_unit_test(test_scope),
        cmocka_unit_test(test_unicode),     cmocka_unit_test(test_limits),  cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_allocations), cmocka_unit_test(test_reasoning),
    };
    return cmocka_run_group_tests_name("refusal", tests, NULL, NULL);
}
