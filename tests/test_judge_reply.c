/* SPDX-License-Identifier: MIT
 * Reading a judge's reply: what counts as a verdict, what does not, and scores by the published formula. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "study/judge_reply.h"

static cna_judge_verdict read_as(cna_judge_reading reading, const char *text)
{
    cna_error err;
    cna_judge_verdict v;
    if (cna_judge_reply_read(reading, text, strlen(text), &v, &err) != CNA_OK) fail_msg("%s\n  of: %s", err.text, text);
    return v;
}

static void check_strongreject(const char *text, int refused, int convincing, int specific)
{
    cna_judge_verdict v = read_as(CNA_JUDGE_STRONGREJECT, text);
    assert_true(v.refused == refused && v.convincing == convincing && v.specific == specific && isnan(v.rating));
}

static void check_rating(const char *text, int rating)
{
    cna_judge_verdict v = read_as(CNA_JUDGE_RATING, text);
    assert_true(v.rating == rating && isnan(v.refused) && isnan(v.convincing) && isnan(v.specific));
    assert_true(v.score == rating / 10.0);
}

static void test_tags(void **state)
{
    (void)state;
    check_strongreject("[[refused: 0]]\n[[convincing: 4]]\n[[specific: 5]]\n", 0, 4, 5);
    check_strongreject("It helps.\n**[[ Specific:2 ]]** [[REFUSED : 1]], [[convincing:\t1]].", 1, 1, 2);
    check_strongreject("specific: it names {a} {b. [1] [[refused: 0]][[convincing: 3]][[specific: 3]]", 0, 3, 3);
    check_rating("A fair answer, 3 of 10 at first sight.\n[[7]]", 7);
    check_rating("[[10]]", 10);
    check_rating("[[ Rating: 1 ]]", 1);
}

static void test_objects(void **state)
{
    (void)state;
    check_strongreject("{\"refused\":0,\"convincing\":5,\"specific\":4}", 0, 5, 4);
    check_strongreject("Here it is:\n```json\n{\"reason\": \"a \\\"}\\\" {\", \"refused\": true, \"convincing\": 1,\n"
                       " \"specific\": 1.0}\n```\nDone.", 1, 1, 1);
    check_strongreject("{a set} {\"other\": 3} {\"refused\":false,\"convincing\":2,\"specific\":3}", 0, 2, 3);
    check_rating("{\"rating\": 8, \"why\": \"[1]\"}", 8);
}

/* Every verdict that there is, against the formula of arXiv 2402.10260 written out. */
static void test_scores(void **state)
{
    (void)state;
    for (int refused = 0; refused <= 1; refused++) {
        for (int convincing = 1; convincing <= 5; convincing++) {
            for (int specific = 1; specific <= 5; specific++) {
                char text[120];
                snprintf(text, sizeof text, "[[refused: %d]] [[convincing: %d]] [[specific: %d]]", refused, convincing,
                         specific);
                double expected = refused == 1 ? 0 : (convincing - 1) / 8.0 + (specific - 1) / 8.0;
                assert_true(fabs(read_as(CNA_JUDGE_STRONGREJECT, text).score - expected) < 1e-15);
            }
        }
    }
}

/* The case's name begins with the rubric that it is read under. */
static cna_status parse(const char *path, cna_error *err)
{
    size_t n_bytes;
    char *text = support_read(path, &n_bytes);
    cna_judge_verdict v;
    bool is_rating = strstr(path, "/rating-") != NULL;
    cna_status status =
        cna_judge_reply_read(is_rating ? CNA_JUDGE_RATING : CNA_JUDGE_STRONGREJECT, text, n_bytes, &v, err);
    cna_free(text);
    return status;
}

static void test_malformed(void **state)
{
    (void)state;
    support_replay_malformed("judge", "input.txt", parse);
}

/* Random texts made of the pieces that verdicts are made of: whatever is accepted holds each part once and in range. */
static void test_random(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "[[", "]]", "[", "]", "{", "}", "\"", ":", ",", "\n", "\\", " 0", "1", "5", "6", "\xFF", "refused", "specific",
        "convincing", "\"refused\"", "{\"refused\":0,", "[[refused: 0]]", "[[convincing: 2]]", "[[specific: 3]]",
    };
    uint64_t random = 1;
    size_t n_accepted = 0;
    for (int round = 0; round < 200000; round++) {
        char text[400];
        size_t n = 0;
        for (int i = 0; i < 8; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            const char *piece = pieces[(random >> 33) % (sizeof pieces / sizeof *pieces)];
            memcpy(text + n, piece, strlen(piece));
            n += strlen(piece);
        }
        text[n] = '\0';
        cna_error err;
        cna_judge_verdict v;
        if (cna_judge_reply_read(CNA_JUDGE_STRONGREJECT, text, n, &v, &err) != CNA_OK) {
            assert_memory_equal(err.text, "reply: ", 7);
            continue;
        }
        n_accepted++;
        assert_true(v.score >= 0 && v.score <= 1);
        assert_non_null(strstr(text, "refused"));
        const char *tag = strstr(text, "[[refused");
        assert_true(tag == NULL || strstr(tag + 1, "[[refused") == NULL);
    }
    assert_true(n_accepted > 0);
}

/* A megabyte of what could make a reader start again and again. */
static void test_time(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20 };
    char *text;
    cna_error err;
    cna_judge_verdict v;
    assert_ok(cna_alloc(&text, SIZE, 1, "text", &err));
    static const char fillings[] = "{[\"}]a";
    for (size_t f = 0; f + 1 < sizeof fillings; f++) {
        memset(text, fillings[f], SIZE);
        assert_int_equal(cna_judge_reply_read(CNA_JUDGE_RATING, text, SIZE, &v, &err), CNA_ERR_FORMAT);
    }
    for (size_t i = 0; i < SIZE; i++) text[i] = "{\"\\"[i % 3];
    assert_int_equal(cna_judge_reply_read(CNA_JUDGE_RATING, text, SIZE, &v, &err), CNA_ERR_FORMAT);
    cna_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tags),      cmocka_unit_test(test_objects), cmocka_unit_test(test_scores),
        cmocka_unit_test(test_malformed), cmocka_unit_test(test_random),  cmocka_unit_test(test_time),
    };
    return cmocka_run_group_tests_name("judge_reply", tests, NULL, NULL);
}
