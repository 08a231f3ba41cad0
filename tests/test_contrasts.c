/* SPDX-License-Identifier: MIT
 * The contrast sets in contrasts/: what its README says of their form. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

enum { LEAST_PAIRS = 16, MOST_PAIRS = 24 };

typedef struct contrast {
    const char *name;
    int most_words_apart; /* between the two prompts of a pair */
} contrast;

static const contrast contrasts[] = {{"refusal", 2},   {"capitals", 0},  {"agreement", 0},
                                     {"sentiment", 1}, {"formality", 2}, {"sycophancy", 2}};
enum { N_CONTRASTS = sizeof contrasts / sizeof contrasts[0] };

static cna_prompts *read_side(const char *name, const char *side)
{
    cna_error err;
    cna_prompts *prompts;
    char path[64];
    snprintf(path, sizeof path, "contrasts/%s.%s.txt", name, side);
    assert_ok(cna_prompts_read(path, NULL, &prompts, &err));
    return prompts;
}

static int count_words(const char *text)
{
    int n = 0;
    for (text += strspn(text, " "); *text != '\0'; n++) {
        text += strcspn(text, " ");
        text += strspn(text, " ");
    }
    return n;
}

/* Prompts of both sides one after the other. */
static size_t gather(const cna_prompts *positive, const cna_prompts *negative, const char **out)
{
    size_t n = cna_prompts_count(positive);
    for (size_t i = 0; i < n; i++) {
        out[i] = cna_prompts_text(positive, i, NULL);
        out[n + i] = cna_prompts_text(negative, i, NULL);
    }
    return 2 * n;
}

static void check(const contrast *c)
{
    cna_prompts *positive = read_side(c->name, "positive"), *negative = read_side(c->name, "negative");
    size_t n = cna_prompts_count(positive);
    const char *all[2 * MOST_PAIRS];
    assert_in_range(n, LEAST_PAIRS, MOST_PAIRS);
    assert_int_equal(cna_prompts_count(negative), n);
    size_t n_all = gather(positive, negative, all);
    for (size_t i = 0; i < n_all; i++) {
        size_t length = strlen(all[i]);
        if (all[i][0] == ' ' || all[i][length - 1] == ' ') fail_msg("%s: blanks around '%s'", c->name, all[i]);
        size_t bad;
        if (!cna_utf8_check(all[i], length, &bad)) fail_msg("%s: byte %zu is not UTF-8: '%s'", c->name, bad, all[i]);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(all[i], all[j]) == 0) fail_msg("%s: twice: '%s'", c->name, all[i]);
        }
    }
    for (size_t i = 0; i < n; i++) {
        int apart = abs(count_words(all[i]) - count_words(all[n + i]));
        if (apart > c->most_words_apart) fail_msg("%s: %d words apart: '%s'", c->name, apart, all[i]);
    }
    cna_prompts_free(positive);
    cna_prompts_free(negative);
}

static void test_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_CONTRASTS; i++) check(&contrasts[i]);
}

/* The words of all sentences in which a wrong verb stands are the right ones' words: no verb form tells the sides
 * apart. */
static void test_agreement_is_balanced(void **state)
{
    (void)state;
    cna_prompts *right = read_side("agreement", "positive"), *wrong = read_side("agreement", "negative");
    static const char *const forms[] = {" is ",   " are ",  " was ",    " were ",    " has ",    " have ",
                                        " sing ", " sings ", " opens ", " open ",    " bark ",   " barks ",
                                        " give ", " gives ", " drink ", " drinks ", " belong ", " belongs "};
    size_t n_pairs = cna_prompts_count(right), n_seen = 0;
    for (size_t form = 0; form < sizeof forms / sizeof forms[0]; form++) {
        size_t n_right = 0, n_wrong = 0;
        for (size_t i = 0; i < n_pairs; i++) {
            n_right += strstr(cna_prompts_text(right, i, NULL), forms[form]) != NULL;
            n_wrong += strstr(cna_prompts_text(wrong, i, NULL), forms[form]) != NULL;
        }
        assert_int_equal(n_right, n_wrong);
        n_seen += n_right;
    }
    assert_int_equal(n_seen, n_pairs);
    cna_prompts_free(right);
    cna_prompts_free(wrong);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_agreement_is_balanced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
