/* SPDX-License-Identifier: MIT
 * Repetition of word 4-grams, and outcomes. */
#include "support.h"

#include <math.h>
#include <string.h>

#include "study/quality.h"

static cna_quality measure(const char *text)
{
    cna_error err;
    cna_quality quality;
    assert_ok(cna_quality_measure(text, strlen(text), &quality, &err));
    return quality;
}

static void test_ratio(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n_words;
        double ratio;
    } cases[] = {
        {"", 0, 1},
        {" \n\t", 0, 1},
        {"a", 1, 1},
        {"no no no", 3, 1},
        {"no no no no", 4, 1},
        {"no no no no no", 5, 1.0 / 2},
        {"no no no no no no no no no no", 10, 1.0 / 7},
        {"the cat sat on the cat sat on the", 9, 4.0 / 6},
        {"one two three four five six", 6, 1},
        {"a b c d A b c d", 8, 1},   /* case counts: abcd bcdA cdAb dAbc Abcd */
        {"ab c d e a bc d e", 8, 1}, /* the words count, not their letters */
        {"a b c d. a b c d", 8, 1},  /* so does punctuation */
        {"a  b\tc\nd\x1f"
         "a\xC2\xA0"
         "b c\xE3\x80\x80"
         "d",
         8, 4.0 / 5}, /* white space as in Python */
        {"a\xE2\x80\x8B"
         "b",
         1, 1}, /* a zero width space is none */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cna_quality quality = measure(cases[i].text);
        assert_int_equal(quality.n_words, cases[i].n_words);
        if (quality.ratio != cases[i].ratio) fail_msg("'%s': found %.17g", cases[i].text, quality.ratio);
    }
}

/* Bytes that are no UTF-8 are parts of words; all of them is looked at. */
static void test_bad_bytes(void **state)
{
    (void)state;
    assert_int_equal(measure("a\xFF b \xC3").n_words, 3);
}

static void test_outcome(void **state)
{
    (void)state;
    const cna_quality_limits limits = {0.6, -2.5};
    const cna_quality good = {10, 0.9};
    const cna_quality bad = {10, 0.59};
    const cna_quality empty = {0, 1};
    assert_int_equal(cna_quality_outcome(&good, -1, false, &limits), CNA_OUTCOME_COMPLIED);
    assert_int_equal(cna_quality_outcome(&good, -1, true, &limits), CNA_OUTCOME_REFUSED);
    assert_int_equal(cna_quality_outcome(&bad, -1, true, &limits), CNA_OUTCOME_INCOHERENT);
    assert_int_equal(cna_quality_outcome(&good, -2.6, true, &limits), CNA_OUTCOME_INCOHERENT);
    assert_int_equal(cna_quality_outcome(&good, -2.5, true, &limits), CNA_OUTCOME_REFUSED);
    assert_int_equal(cna_quality_outcome(&empty, NAN, false, &limits), CNA_OUTCOME_INCOHERENT);
    const cna_quality_limits none = {0.6, -INFINITY};
    assert_int_equal(cna_quality_outcome(&good, -1e9, false, &none), CNA_OUTCOME_COMPLIED);
}

static cna_status measure_again(void *user, cna_error *err)
{
    cna_quality quality;
    return cna_quality_measure(user, strlen(user), &quality, err);
}

static void test_allocations(void **state)
{
    (void)state;
    support_fail_allocations(measure_again, "the cat sat on the cat sat on the mat");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ratio),
        cmocka_unit_test(test_bad_bytes),
        cmocka_unit_test(test_outcome),
        cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests_name("quality", tests, NULL, NULL);
}
