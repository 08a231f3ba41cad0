/* SPDX-License-Identifier: MIT
 * UTF-8: every scalar value there and back, ill-formed parts as Unicode counts them. */
#include "support.h"

#include <string.h>

#include "base/error.h"
#include "base/utf8.h"

static void every_scalar_value_comes_back(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        if (c >= 0xD800 && c <= 0xDFFF) continue;
        char encoded[4];
        uint32_t decoded = UINT32_MAX;
        size_t n = cna_utf8_put(c, encoded);
        assert_int_equal(cna_utf8_next(encoded, n, &decoded), n);
        assert_int_equal(decoded, c);
        assert_true(cna_utf8_check(encoded, n, NULL));
        assert_int_equal(cna_utf8_incomplete_tail(encoded, n), 0);
        for (size_t cut = 1; cut < n; cut++) {
            assert_int_equal(cna_utf8_next(encoded, cut, &decoded), -(int)cut);
            assert_int_equal(cna_utf8_incomplete_tail(encoded, cut), cut);
        }
    }
}

/* Unicode 15, section 3.9, tables 3-8 to 3-11: how many U+FFFD each ill-formed run becomes. */
static void ill_formed_parts_are_maximal(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        int lengths[10]; /* of each part in order, negative where it is ill-formed */
    } cases[] = {
        {"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", {-1, -1, -1, -1, -1, -1, -1, -1, 1}},
        {"\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", {-1, -1, -1, -1, -1, -1, -1, -1, 1}},
        {"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", {-1, -1, -1, -1, -1, 1, -1, -1, 1}},
        {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", {-2, -1, -3, -2, 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *p = cases[i].bytes;
        size_t left = strlen(p);
        for (size_t k = 0; left != 0; k++) {
            uint32_t c;
            int n = cna_utf8_next(p, left, &c);
            assert_int_equal(n, cases[i].lengths[k]);
            p += n < 0 ? -n : n;
            left -= (size_t)(n < 0 ? -n : n);
        }
        size_t bad = SIZE_MAX;
        assert_false(cna_utf8_check(cases[i].bytes, strlen(cases[i].bytes), &bad));
        assert_int_equal(bad, 0);
    }
}

static void the_bad_byte_is_found(void **state)
{
    (void)state;
    size_t bad = 0;
    assert_false(cna_utf8_check("ab\xC3\xA9\xE2\x82", 6, &bad));
    assert_int_equal(bad, 4);
    assert_true(cna_utf8_check("a\0b", 3, &bad));
    assert_true(cna_utf8_check("", 0, NULL));
    assert_int_equal(cna_utf8_incomplete_tail("", 0), 0);
    assert_int_equal(cna_utf8_incomplete_tail("a\x80", 2), 0);
    assert_int_equal(cna_utf8_incomplete_tail("a\xF0\x9F\x91", 4), 3);
    assert_int_equal(cna_utf8_incomplete_tail("a\xED\xA0", 3), 0);
}

/* What a file says may be shown on a terminal: no escape, no C1 control, nothing that turns the line around. */
static void a_message_is_one_line_that_a_screen_may_show(void **state)
{
    (void)state;
    cna_error err;
    static const char shown[] = "a\x1b[2J\n\x7f \xC2\x9B \xE2\x80\xAE \xE2\x80\xA8 \xE2\x81\xA6 "
                                "\xC2\xA0 \xE2\x80\x93 \xC3\xA9";
    assert_int_equal(cna_fail(&err, CNA_ERR_FORMAT, "%s", shown), CNA_ERR_FORMAT);
    assert_string_equal(err.text, "a?[2J?? ?? ??? ??? ??? \xC2\xA0 \xE2\x80\x93 \xC3\xA9");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_one_line_that_a_screen_may_show),
        cmocka_unit_test(every_scalar_value_comes_back),
        cmocka_unit_test(ill_formed_parts_are_maximal),
        cmocka_unit_test(the_bad_byte_is_found),
    };
    return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
