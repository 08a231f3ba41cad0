/* SPDX-License-Identifier: MIT
 * Tokenizer: small tokenizers whose ids are worked out by hand, real vocabularies where the test data is
 * there, malformed files, failing allocations. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "text/normalize.h"
#include "text/decoder.h"
#include "text/tokenizer.h"
#include "tokenizer_fixture.h"

/* Encode and compare with ids, of which -1 is the end. */
static void expect_ids(const cna_tokenizer *tokenizer, const char *text, size_t n_bytes, bool specials,
                       const int32_t *expected)
{
    cna_error err;
    int32_t *ids;
    size_t n;
    assert_ok(cna_tokenizer_encode(tokenizer, text, n_bytes, specials, &ids, &n, &err));
    size_t i = 0;
    for (; i < n && expected[i] != -1; i++) assert_int_equal(ids[i], expected[i]);
    assert_int_equal(i, n);
    assert_int_equal(expected[i], -1);
    cna_free(ids);
}

#define EXPECT_IDS(tokenizer, text, specials, ...)                                                           \
    expect_ids(tokenizer, text, sizeof(text) - 1, specials, (const int32_t[]){__VA_ARGS__, -1})

/* 256 ab, 257 cd, 258 abcd, 259 " a" (the space is U+0120), 260 bc, 261 "  " */
static const char *const merges[] = {"a b", "c d", "ab cd", "\xC4\xA0 a", "b c", "\xC4\xA0 \xC4\xA0", NULL};

static void merges_go_by_rank_then_from_the_left(void **state)
{
    (void)state;
    for (int pairs = 0; pairs < 2; pairs++) {
        cna_tokenizer *tokenizer =
            tokenizer_fixture_open(&(tokenizer_fixture){.merges = merges, .pairs = pairs != 0});
        EXPECT_IDS(tokenizer, "abcd", false, 258);
        EXPECT_IDS(tokenizer, "abc", false, 256, 'c');
        EXPECT_IDS(tokenizer, "xbcd", false, 'x', 'b', 257);
        EXPECT_IDS(tokenizer, "xbce", false, 'x', 260, 'e');
        EXPECT_IDS(tokenizer, "ababa", false, 256, 256, 'a');
        EXPECT_IDS(tokenizer, "x a", false, 'x', 259);
        EXPECT_IDS(tokenizer, "x ab", false, 'x', ' ', 256);
        EXPECT_IDS(tokenizer, "x    y", false, 'x', 261, ' ', ' ', 'y');
        EXPECT_IDS(tokenizer, "1234567", false, '1', '2', '3', '4', '5', '6', '7');
        EXPECT_IDS(tokenizer, "a\0b", false, 'a', 0, 'b');
        EXPECT_IDS(tokenizer, "\xC3\xA9", false, 0xC3, 0xA9);
        expect_ids(tokenizer, "", 0, true, (const int32_t[]){-1});
        cna_tokenizer_free(tokenizer);
    }
}

static void whole_words_may_pass_over_merges(void **state)
{
    (void)state;
    /* abc, 258, is out of reach of the merges: b c goes first. */
    static const char *const late[] = {"b c", "a b", "ab c", NULL};
    cna_tokenizer *tokenizer = tokenizer_fixture_open(&(tokenizer_fixture){.merges = late});
    EXPECT_IDS(tokenizer, "abc", false, 'a', 256);
    cna_tokenizer_free(tokenizer);
    tokenizer = tokenizer_fixture_open(
        &(tokenizer_fixture){.merges = late, .model = ", \"ignore_merges\": true, \"dropout\": null"});
    EXPECT_IDS(tokenizer, "abc", false, 258);
    EXPECT_IDS(tokenizer, "abcd", false, 'a', 256, 'd');
    cna_tokenizer_free(tokenizer);
}

static const char added_tokens[] =
    "[{\"id\": 300, \"content\": \"<s>\", \"special\": true, \"normalized\": false},"
    " {\"id\": 301, \"content\": \"<s>>\", \"special\": false, \"normalized\": false},"
    " {\"id\": 302, \"content\": \"n\\u00e9\", \"special\": false, \"normalized\": true},"
    " {\"id\": 303, \"content\": \"<t >\", \"special\": true, \"normalized\": false, \"lstrip\": false}]";
static const char post_processor[] =
    "{\"type\": \"Sequence\", \"processors\": [{\"type\": \"ByteLevel\"}, {\"type\": \"TemplateProcessing\", "
    "\"single\": [{\"SpecialToken\": {\"id\": \"<s>\", \"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", "
    "\"type_id\": 0}}, {\"SpecialToken\": {\"id\": \"<t >\", \"type_id\": 0}}], \"pair\": [], "
    "\"special_tokens\": "
    "{\"<s>\": {\"id\": \"<s>\", \"ids\": [300]}, \"<t >\": {\"id\": \"<t >\", \"ids\": [303, 97]}}}]}";

static cna_tokenizer *open_with_added(void)
{
    return tokenizer_fixture_open(&(tokenizer_fixture){.merges = merges,
                                                       .added_tokens = added_tokens,
                                                       .post_processor = post_processor,
                                                       .normalizer = "{\"type\": \"NFC\"}"});
}

static void added_tokens_are_found_longest_first(void **state)
{
    (void)state;
    cna_tokenizer *tokenizer = open_with_added();
    EXPECT_IDS(tokenizer, "a<s>b", false, 'a', 300, 'b');
    EXPECT_IDS(tokenizer, "<s>><s", false, 301, '<', 's');
    EXPECT_IDS(tokenizer, "<<s>", false, '<', 300);
    EXPECT_IDS(tokenizer, "ab", true, 300, 256, 303, 97);
    EXPECT_IDS(tokenizer, "<s>", true, 300, 300, 303, 97);
    /* Found after normalisation, in either form. */
    EXPECT_IDS(tokenizer, "xn\xC3\xA9", false, 'x', 302);
    EXPECT_IDS(tokenizer, "xne\xCC\x81", false, 'x', 302);
    assert_int_equal(cna_tokenizer_n_ids(tokenizer), 304);
    assert_string_equal(cna_tokenizer_piece(tokenizer, 300), "<s>");
    assert_string_equal(cna_tokenizer_piece(tokenizer, 259), "\xC4\xA0"
                                                             "a");
    assert_null(cna_tokenizer_piece(tokenizer, 280));
    assert_null(cna_tokenizer_piece(tokenizer, -1));
    assert_null(cna_tokenizer_piece(tokenizer, 304));
    assert_true(cna_tokenizer_is_special(tokenizer, 300));
    assert_true(cna_tokenizer_is_special(tokenizer, 303));
    assert_false(cna_tokenizer_is_special(tokenizer, 301));
    assert_false(cna_tokenizer_is_special(tokenizer, 97));
    cna_tokenizer_free(tokenizer);
}

static void gpt2_pattern_stands_behind_byte_level(void **state)
{
    (void)state;
    cna_tokenizer *tokenizer = tokenizer_fixture_open(&(tokenizer_fixture){
        .merges = merges, .pre_tokenizer = "{\"type\": \"ByteLevel\", \"add_prefix_space\": false}"});
    /* The space belongs to the word behind it, a run of them but for the last stays apart. */
    EXPECT_IDS(tokenizer, "x   a", false, 'x', 261, 259);
    cna_tokenizer_free(tokenizer);
}

/* ----------------------------------------------------------------------------------------------- decoding */

static void expect_text(const cna_tokenizer *tokenizer, const int32_t *ids, size_t n_ids, bool skip_specials,
                        const char *expected)
{
    cna_error err;
    char *text;
    size_t n;
    assert_ok(cna_tokenizer_decode(tokenizer, ids, n_ids, skip_specials, &text, &n, &err));
    assert_string_equal(text, expected);
    assert_int_equal(n, strlen(expected));
    cna_free(text);
    /* The same piece by piece, whole characters at every step. */
    cna_decoder decoder = {.tokenizer = tokenizer, .skip_specials = skip_specials};
    cna_buffer streamed = {0};
    for (size_t i = 0; i < n_ids; i++) {
        size_t before = streamed.size;
        assert_ok(cna_decoder_add(&decoder, ids[i], &streamed, &err));
        if (streamed.size == before) continue;
        assert_memory_equal(streamed.data + before, expected + before, streamed.size - before);
        assert_true(((unsigned char)expected[before] & 0xC0) != 0x80);
    }
    assert_ok(cna_decoder_flush(&decoder, &streamed, &err));
    assert_string_equal(streamed.data == NULL ? "" : streamed.data, expected);
    cna_decoder_free(&decoder);
    cna_buffer_free(&streamed);
}

#define EXPECT_TEXT(tokenizer, skip, expected, ...)                                                          \
    expect_text(tokenizer, (const int32_t[]){__VA_ARGS__},                                                   \
                sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t), skip, expected)

static void ids_become_text(void **state)
{
    (void)state;
    cna_tokenizer *tokenizer = open_with_added();
    EXPECT_TEXT(tokenizer, false, "<s>abcd a", 300, 258, 259);
    EXPECT_TEXT(tokenizer, true, "abcd<s>> a", 300, 258, 303, 301, 259);
    EXPECT_TEXT(tokenizer, false, "<t >", 303);
    EXPECT_TEXT(tokenizer, false, "\xF0\x9F\x91\x8D!", 0xF0, 0x9F, 0x91, 0x8D, '!');
    EXPECT_TEXT(tokenizer, false, "\xEF\xBF\xBD!", 0xF0, 0x9F, 0x91, '!');
    EXPECT_TEXT(tokenizer, false, "a\xEF\xBF\xBD", 'a', 0xE2, 0x82);
    EXPECT_TEXT(tokenizer, false, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDx", 0x80, 0xED, 0xA0, 'x');
    /* A special token between the bytes of a character is skipped, or ends it. */
    EXPECT_TEXT(tokenizer, true, "\xC3\xA9", 0xC3, 300, 0xA9);
    EXPECT_TEXT(tokenizer, false, "\xEF\xBF\xBD<s>\xEF\xBF\xBD", 0xC3, 300, 0xA9);
    expect_text(tokenizer, NULL, 0, false, "");
    /* An id that the tokenizer does not know gives no text. */
    EXPECT_TEXT(tokenizer, false, "ab", 'a', 280, 100000, 'b');
    cna_tokenizer_free(tokenizer);
}

/* -------------------------------------------------------------------------------------------- normalising */

static void expect_nfc(const char *text, const char *expected)
{
    cna_error err;
    cna_buffer out = {0};
    assert_ok(cna_normalize(CNA_UNICODE_NFC, text, strlen(text), &out, &err));
    assert_string_equal(out.data, expected);
    cna_buffer_free(&out);
}

/* Cases of the kinds that NormalizationTest.txt of Unicode has. */
static void text_is_composed(void **state)
{
    (void)state;
    expect_nfc("plain", "plain");
    expect_nfc("e\xCC\x81", "\xC3\xA9");
    expect_nfc("\xE2\x84\xAB", "\xC3\x85");                             /* angstrom sign */
    expect_nfc("q\xCC\x87\xCC\xA3", "q\xCC\xA3\xCC\x87");               /* marks in order of their class */
    expect_nfc("\xE1\xB8\x8B\xCC\xA3", "\xE1\xB8\x8D\xCC\x87");         /* and composed anew */
    expect_nfc("\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8", "\xEA\xB0\x81"); /* Hangul */
    expect_nfc("\xE0\xA4\x95\xE0\xA4\xBC", "\xE0\xA4\x95\xE0\xA4\xBC"); /* excluded from composition */
    expect_nfc("a\xE0\xA3\x93\xCC\x81", "a\xE0\xA3\x93\xCC\x81");       /* U+08D3 is newer than Unicode 9 */
}

/* ------------------------------------------------------------------------------------- size and bad input */

/* A run that the pattern keeps as one word must not take quadratic time. */
static void a_million_letters_take_seconds_at_most(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    cna_error err;
    char *text;
    assert_ok(cna_alloc(&text, N, 1, "text", &err));
    cna_tokenizer *tokenizer = open_with_added();
    static const char *const units[] = {"a", "ab", " ", "\n", "\xCC\x81\xCC\xA3", "<"};
    for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
        size_t n_unit = strlen(units[u]);
        for (size_t i = 0; i < N; i++) text[i] = units[u][i % n_unit];
        clock_t begin = clock();
        int32_t *ids;
        size_t n;
        assert_ok(cna_tokenizer_encode(tokenizer, text, N, false, &ids, &n, &err));
        cna_free(ids);
        double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
        if (seconds > 20) fail_msg("'%s' a million times took %.1f s", units[u], seconds);
    }
    cna_tokenizer_free(tokenizer);
    cna_free(text);
}

/* Exponential from one place; quadratic, cubic over all places; within counted groups; within one long match. */
static void a_runaway_pattern_is_an_error(void **state)
{
    (void)state;
    enum { N = 1 << 17 };
    static const char *const patterns[] = {"(?:a+)+b|[^ab]+", "(?:a|aa)+[bd]", "a+[bd]", "a*a*[bd]", "(?:a|aa){60}[bd]",
                                           "(?:(?=a+)a)+", "a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?[bd]",
                                           "(?i:a|A){30}[bd]", "a(?!a+?[bd])"};
    cna_error err;
    char *text;
    assert_ok(cna_alloc(&text, N, 1, "text", &err));
    memset(text, 'a', N);
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        char split[512];
        snprintf(split, sizeof split, "{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", \"pattern\": "
                 "{\"Regex\": \"%s\"}, \"behavior\": \"Isolated\", \"invert\": false}, {\"type\": \"ByteLevel\", "
                 "\"add_prefix_space\": false, \"use_regex\": false}]}", patterns[i]);
        cna_tokenizer *tokenizer = tokenizer_fixture_open(&(tokenizer_fixture){.pre_tokenizer = split});
        int32_t *ids;
        size_t n;
        clock_t begin = clock();
        cna_status status = cna_tokenizer_encode(tokenizer, text, N, false, &ids, &n, &err);
        double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
        /* PCRE2 may know at once that nothing matches, or know a way around. */
        if (status != CNA_OK || i < 2) {
            assert_int_equal(status, CNA_ERR_UNSUPPORTED);
            assert_non_null(strstr(err.text, ": expected a tokenizer's pattern that takes at most 256 steps for each "
                                   "byte, found one that takes more; this tokenizer cannot be used for this text"));
            assert_null(ids);
        }
        cna_free(ids);
        if (seconds > 20) fail_msg("%s took %.1f s", patterns[i], seconds);
        cna_tokenizer_free(tokenizer);
    }
    cna_free(text);
}

/* Eight steps that each write ten times what they read: a hundred million for one. */
static void a_normalizer_that_multiplies_is_an_error(void **state)
{
    (void)state;
#define STEP "{\"type\": \"Replace\", \"pattern\": {\"String\": \"a\"}, \"content\": \"aaaaaaaaaa\"}"
    static const char steps[] = "{\"type\": \"Sequence\", \"normalizers\": [" STEP "," STEP "," STEP "," STEP "," STEP
                                "," STEP "," STEP "," STEP "]}";
    cna_tokenizer *tokenizer = tokenizer_fixture_open(&(tokenizer_fixture){.normalizer = steps});
    cna_error err;
    int32_t *ids;
    size_t n;
    assert_int_equal(cna_tokenizer_encode(tokenizer, "a", 1, false, &ids, &n, &err), CNA_ERR_UNSUPPORTED);
    assert_string_equal(err.text, "text: expected a normal form of at most 65600 bytes, found more; this tokenizer's "
                                  "normalizer cannot be used");
    assert_null(ids);
    cna_tokenizer_free(tokenizer);
}

/* The same of decoding, where a piece would become a hundred million bytes. */
static void a_decoder_that_multiplies_is_an_error(void **state)
{
    (void)state;
    static const char steps[] = "{\"type\": \"Sequence\", \"decoders\": [" STEP "," STEP "," STEP "," STEP "," STEP
                                "," STEP "," STEP ",{\"type\": \"Fuse\"}]}";
    cna_tokenizer *tokenizer = tokenizer_fixture_open(&(tokenizer_fixture){.decoder = steps});
    cna_error err;
    char *text;
    assert_int_equal(cna_tokenizer_decode(tokenizer, (int32_t[]){'a'}, 1, false, &text, NULL, &err),
                     CNA_ERR_UNSUPPORTED);
    assert_string_equal(err.text, "token: expected a text of at most 1048576 bytes, found more; this tokenizer's "
                                  "decoder cannot be used");
    assert_null(text);
    cna_tokenizer_free(tokenizer);
}

static void bad_text_is_an_error(void **state)
{
    (void)state;
    cna_tokenizer *tokenizer = open_with_added();
    cna_error err;
    int32_t *ids;
    size_t n;
    assert_int_equal(cna_tokenizer_encode(tokenizer, "ab\xFF", 3, false, &ids, &n, &err), CNA_ERR_FORMAT);
    assert_string_equal(err.text, "text, byte 2: expected UTF-8, found byte 0xff");
    cna_tokenizer_free(tokenizer);
}

static cna_status load(const char *path, cna_error *err)
{
    cna_tokenizer *tokenizer;
    CNA_TRY(cna_alloc(&tokenizer, 1, sizeof *tokenizer, "tokenizer", err));
    cna_status status = cna_tokenizer_load(tokenizer, path, err);
    cna_tokenizer_free(tokenizer);
    return status;
}

static void malformed_files_are_refused(void **state)
{
    (void)state;
    support_replay_malformed("tokenizer", "input.json", load);
}

static cna_status open_and_encode(void *folder, cna_error *err)
{
    cna_tokenizer *tokenizer;
    int32_t *ids;
    size_t n;
    CNA_TRY(cna_tokenizer_open(folder, &tokenizer, err));
    cna_status status = cna_tokenizer_encode(tokenizer, "abcd<s> ne\xCC\x81 1", 14, true, &ids, &n, err);
    char *text = NULL;
    if (status == CNA_OK) status = cna_tokenizer_decode(tokenizer, ids, n, false, &text, NULL, err);
    cna_free(text);
    cna_free(ids);
    cna_tokenizer_free(tokenizer);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    char *folder = support_folder_create();
    tokenizer_fixture_write(folder, &(tokenizer_fixture){.merges = merges,
                                                         .added_tokens = added_tokens,
                                                         .post_processor = post_processor,
                                                         .normalizer = "{\"type\": \"NFC\"}"});
    char *path = support_path(folder, "tokenizer_config.json");
    static const char config[] = "{\"bos_token\": \"<s>\", \"chat_template\": \"{% for m in messages %}{{ "
                                 "'<|im_start|>' + m.role + '\\n' + "
                                 "m.content + '<|im_end|>\\n' }}{% endfor %}\"}";
    support_write(path, config, sizeof config - 1);
    support_fail_allocations(open_and_encode, folder);
    cna_free(path);
    support_folder_remove(folder);
}

/* --------------------------------------------------------------------------------------- real vocabularies
 */

/* Texts separated by a line, and a line of ids for each; ids have no BOS. */
static void compare_texts(const char *family)
{
    static const char separator[] = "\n__ggml_vocab_test__\n";
    char name[64];
    cna_error err;
    snprintf(name, sizeof name, "%s/texts.inp", family);
    char *texts_path = support_testdata(name);
    snprintf(name, sizeof name, "%s/texts.out", family);
    char *ids_path = support_testdata(name);
    char *folder = support_testdata(family);
    char *texts = support_read(texts_path, NULL);
    char *ids = support_read(ids_path, NULL);
    cna_tokenizer *tokenizer;
    assert_ok(cna_tokenizer_open(folder, &tokenizer, &err));
    size_t n_texts = 0;
    char *line = ids;
    for (char *text = texts; text != NULL;) {
        char *end = strstr(text, separator);
        size_t n_bytes = end == NULL ? strlen(text) : (size_t)(end - text);
        int32_t expected[512];
        size_t n = 0;
        for (; *line != '\n' && *line != '\0'; n++) {
            assert_true(n < 511);
            expected[n] = (int32_t)strtol(line, &line, 10);
            while (*line == ' ') line++;
        }
        expected[n] = -1;
        if (*line == '\n') line++;
        expect_ids(tokenizer, text, n_bytes, false, expected);
        text = end == NULL ? NULL : end + sizeof separator - 1;
        n_texts++;
    }
    assert_true(n_texts >= 46);
    cna_tokenizer_free(tokenizer);
    cna_free(texts);
    cna_free(ids);
    cna_free(folder);
    cna_free(texts_path);
    cna_free(ids_path);
}

static void llama3_texts(void **state)
{
    (void)state;
    compare_texts("llama3");
}

static void qwen25_texts(void **state)
{
    (void)state;
    compare_texts("qwen2.5");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_go_by_rank_then_from_the_left),
        cmocka_unit_test(whole_words_may_pass_over_merges),
        cmocka_unit_test(added_tokens_are_found_longest_first),
        cmocka_unit_test(gpt2_pattern_stands_behind_byte_level),
        cmocka_unit_test(ids_become_text),
        cmocka_unit_test(text_is_composed),
        cmocka_unit_test(a_million_letters_take_seconds_at_most),
        cmocka_unit_test(a_runaway_pattern_is_an_error),
        cmocka_unit_test(a_normalizer_that_multiplies_is_an_error),
        cmocka_unit_test(a_decoder_that_multiplies_is_an_error),
        cmocka_unit_test(bad_text_is_an_error),
        cmocka_unit_test(malformed_files_are_refused),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(llama3_texts),
        cmocka_unit_test(qwen25_texts),
    };
    return cmocka_run_group_tests_name("tokenizer", tests, NULL, NULL);
}
