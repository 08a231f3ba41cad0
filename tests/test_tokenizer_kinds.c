/* SPDX-License-Identifier: MIT
 * Tokenizers of every kind, against golden files that the `tokenizers` package made (tests/golden/make_tokenizers.py);
 * SentencePiece's BPE against a plain search for the best pair. */
#include "support.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "text/decoder.h"
#include "text/tokenizer.h"
#include "text/tokenizer_spm.h"

static const char golden[] = "tests/golden/tokenizers";

typedef void kind_fn(const char *folder);

static void for_each_kind(kind_fn *function)
{
    size_t n = 0;
    DIR *folders = opendir(golden);
    assert_non_null(folders);
    for (struct dirent *entry; (entry = readdir(folders)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        char *folder = support_path(golden, entry->d_name);
        function(folder);
        cna_free(folder);
        n++;
    }
    closedir(folders);
    assert_true(n >= 11);
}

/* -------------------------------------------------------------------------------------------------- golden files */

static void expect_ids(const cna_tokenizer *tokenizer, const char *text, size_t n_bytes, const json_t *expected,
                       const char *where)
{
    cna_error err;
    int32_t *ids;
    size_t n;
    assert_ok(cna_tokenizer_encode(tokenizer, text, n_bytes, true, &ids, &n, &err));
    bool same = n == json_array_size(expected);
    for (size_t i = 0; same && i < n; i++) same = ids[i] == json_integer_value(json_array_get(expected, i));
    if (!same) fail_msg("%s: other ids for '%s'", where, text);
    cna_free(ids);
}

/* Whole, and one id at a time: the same text, of which whole characters are given out. */
static void expect_text(const cna_tokenizer *tokenizer, const json_t *list, const json_t *expected, const char *where)
{
    cna_error err;
    size_t n = json_array_size(list);
    int32_t *ids;
    char *text;
    size_t n_bytes;
    assert_ok(cna_alloc(&ids, n, sizeof *ids, "ids", &err));
    cna_decoder decoder = {.tokenizer = tokenizer};
    cna_buffer streamed = {0};
    for (size_t i = 0; i < n; i++) {
        size_t before = streamed.size;
        ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
        assert_ok(cna_decoder_add(&decoder, ids[i], &streamed, &err));
        assert_true(before == streamed.size || ((unsigned char)streamed.data[before] & 0xC0) != 0x80);
    }
    assert_ok(cna_decoder_flush(&decoder, &streamed, &err));
    assert_ok(cna_tokenizer_decode(tokenizer, ids, n, false, &text, &n_bytes, &err));
    if (n_bytes != json_string_length(expected) || memcmp(text, json_string_value(expected), n_bytes) != 0)
        fail_msg("%s: found '%s', expected '%s'", where, text, json_string_value(expected));
    assert_int_equal(streamed.size, n_bytes);
    if (n_bytes != 0) assert_memory_equal(streamed.data, text, n_bytes);
    cna_decoder_free(&decoder);
    cna_buffer_free(&streamed);
    cna_free(text);
    cna_free(ids);
}

static void compare(const char *folder)
{
    cna_error err;
    cna_tokenizer *tokenizer;
    assert_ok(cna_tokenizer_open(folder, &tokenizer, &err));
    char *path = support_path(folder, "cases.jsonl");
    char *lines = support_read(path, NULL);
    size_t n = 0;
    for (char *line = lines; *line != '\0'; n++) {
        size_t length = strcspn(line, "\n");
        json_t *json;
        assert_ok(cna_json_parse(line, length, path, &json, &err));
        const json_t *text = json_object_get(json, "text");
        const json_t *ids = json_object_get(json, "ids");
        expect_ids(tokenizer, json_string_value(text), json_string_length(text), ids, path);
        expect_text(tokenizer, ids, json_object_get(json, "decoded"), path);
        json_decref(json);
        line += length + 1;
    }
    assert_true(n >= 30);
    cna_free(lines);
    cna_free(path);
    cna_tokenizer_free(tokenizer);
}

static void every_kind_is_as_the_package_has_it(void **state)
{
    (void)state;
    for_each_kind(compare);
}

static cna_status open_and_use(void *folder, cna_error *err)
{
    static const char text[] = "a <s> \xE2\x96\x81"
                               "Bx  12 \xF0\x9F\x91\x8D e\xCC\x81 <|user|> `` ''";
    cna_tokenizer *tokenizer;
    int32_t *ids;
    size_t n;
    CNA_TRY(cna_tokenizer_open(folder, &tokenizer, err));
    cna_status status = cna_tokenizer_encode(tokenizer, text, sizeof text - 1, true, &ids, &n, err);
    char *decoded = NULL;
    if (status == CNA_OK) status = cna_tokenizer_decode(tokenizer, ids, n, false, &decoded, NULL, err);
    cna_free(decoded);
    cna_free(ids);
    cna_tokenizer_free(tokenizer);
    return status;
}

static void fail_allocations(const char *folder)
{
    /* The function does not write there. */
    support_fail_allocations(open_and_use, (void *)(uintptr_t)folder);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    support_skip_if_brief();
    for_each_kind(fail_allocations);
}

/* A text that stays one word must not take quadratic time. */
static void time_long_words(const char *folder)
{
    enum { N = 1 << 20 };
    static const char *const units[] = {"a", "the", " ", "\xE3\x81\x82", "\xCC\x81\xCC\xA3", "<", "1"};
    cna_error err;
    cna_tokenizer *tokenizer;
    char *text;
    assert_ok(cna_tokenizer_open(folder, &tokenizer, &err));
    assert_ok(cna_alloc(&text, N, 1, "text", &err));
    for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
        size_t n_unit = strlen(units[u]);
        size_t n_text = N / n_unit * n_unit;
        for (size_t i = 0; i < n_text; i++) text[i] = units[u][i % n_unit];
        clock_t begin = clock();
        int32_t *ids;
        size_t n;
        assert_ok(cna_tokenizer_encode(tokenizer, text, n_text, false, &ids, &n, &err));
        cna_free(ids);
        double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
        if (seconds > 20) fail_msg("%s: '%s' for a megabyte took %.1f s", folder, units[u], seconds);
    }
    cna_free(text);
    cna_tokenizer_free(tokenizer);
}

static void a_megabyte_takes_seconds_at_most(void **state)
{
    (void)state;
    support_skip_if_brief();
    for_each_kind(time_long_words);
}

/* ----------------------------------------------------------------------------------------- pieces with scores */

enum { N_PIECES = 259 + 17 };

/* unk, BOS, EOS, 256 bytes, and pieces over a, b and the space whose scores are not in the order of their lengths. */
typedef struct pieces {
    char bytes[256][8];
    const char *texts[N_PIECES];
    size_t n_bytes[N_PIECES];
    float scores[N_PIECES];
    int32_t types[N_PIECES];
    cna_spm_vocab spm;
} pieces;

#define S "\xE2\x96\x81"

static void make_pieces(pieces *p)
{
    static const char *const more[] = {"a",   "b",    S,      "ab",  "ba",   "aa", S "a", "aba", "bab",
                                       "aab", S "ab", "abab", "b" S, "baab", S S,  "<u>", "aaaa"};
    static const float scores[] = {-9,    -9, -9, -1.5f, -1.25f, -1.25f, -2,    -0.5f, -3,
                                   -0.5f, -4, -1, -6,    -0.25f, -7,     -0.0f, 2.5f};
    memset(p, 0, sizeof *p);
    static const char *const first[] = {"<unk>", "<s>", "</s>"};
    for (size_t i = 0; i < N_PIECES; i++) {
        if (i >= 3 && i < 259) snprintf(p->bytes[i - 3], sizeof p->bytes[0], "<0x%02X>", (unsigned)(i - 3));
        p->texts[i] = i < 3 ? first[i] : i < 259 ? p->bytes[i - 3] : more[i - 259];
        p->n_bytes[i] = strlen(p->texts[i]);
        p->scores[i] = i < 259 ? 0 : scores[i - 259];
        p->types[i] = i == 0 ? CNA_SPM_UNKNOWN : i < 3 ? CNA_SPM_CONTROL : i < 259 ? CNA_SPM_BYTE : CNA_SPM_NORMAL;
        if (strcmp(p->texts[i], "<u>") == 0) p->types[i] = CNA_SPM_USER_DEFINED;
    }
    p->spm = (cna_spm_vocab){.source = "m.gguf",
                             .texts = p->texts,
                             .n_bytes = p->n_bytes,
                             .scores = p->scores,
                             .types = p->types,
                             .n = N_PIECES,
                             .add_bos = true,
                             .bos = 1,
                             .eos = 2};
}

static cna_status open_spm(const cna_spm_vocab *spm, cna_tokenizer **out, cna_error *err)
{
    CNA_TRY(cna_alloc(out, 1, sizeof **out, "tokenizer", err));
    cna_status status = cna_tokenizer_load_spm(*out, spm, err);
    if (status == CNA_OK) return CNA_OK;
    cna_tokenizer_free(*out);
    *out = NULL;
    return status;
}

static int32_t find(const pieces *p, const char *text, size_t n)
{
    for (int32_t i = 259; i < N_PIECES; i++) {
        if (p->n_bytes[i] == n && memcmp(p->texts[i], text, n) == 0) return i;
    }
    return -1;
}

/* The rule as it is written down: again and again the pair of the best score, leftmost among equals. Text of pieces. */
static size_t merge_plainly(const pieces *p, const char *text, int32_t *ids)
{
    size_t ends[256];
    size_t n = 0;
    for (size_t i = 0; text[i] != '\0'; n++) {
        i += (unsigned char)text[i] >= 0x80 ? 3 : 1;
        ends[n] = i;
    }
    for (;;) {
        size_t best = n;
        for (size_t i = 0; i + 1 < n; i++) {
            size_t begin = i == 0 ? 0 : ends[i - 1];
            int32_t id = find(p, text + begin, ends[i + 1] - begin);
            if (id < 0) continue;
            size_t best_begin = best == 0 ? 0 : best == n ? 0 : ends[best - 1];
            if (best == n || p->scores[id] > p->scores[find(p, text + best_begin, ends[best + 1] - best_begin)])
                best = i;
        }
        if (best == n) break;
        memmove(&ends[best], &ends[best + 1], (n - best - 1) * sizeof *ends);
        n--;
    }
    for (size_t i = 0; i < n; i++)
        ids[i] = find(p, text + (i == 0 ? 0 : ends[i - 1]), ends[i] - (i == 0 ? 0 : ends[i - 1]));
    return n;
}

static void scores_decide_what_merges(void **state)
{
    (void)state;
    static pieces p;
    cna_error err;
    cna_tokenizer *tokenizer;
    make_pieces(&p);
    assert_ok(open_spm(&p.spm, &tokenizer, &err));
    uint32_t random = 1;
    for (int round = 0; round < 3000; round++) {
        char text[64] = "";
        char spaced[256] = S;
        for (int i = 0; i < round % 40 + 1; i++) {
            random = random * 1664525u + 1013904223u;
            const char c = "aab "[random >> 30];
            strncat(text, &c, 1);
            strcat(spaced, c == ' ' ? S : c == 'a' ? "a" : "b");
        }
        int32_t expected[256] = {1};
        size_t n_expected = 1 + merge_plainly(&p, spaced, expected + 1);
        int32_t *ids;
        size_t n;
        char *decoded;
        assert_ok(cna_tokenizer_encode(tokenizer, text, strlen(text), true, &ids, &n, &err));
        assert_int_equal(n, n_expected);
        assert_memory_equal(ids, expected, n * sizeof *ids);
        assert_ok(cna_tokenizer_decode(tokenizer, ids, n, true, &decoded, NULL, &err));
        assert_string_equal(decoded, text);
        cna_free(decoded);
        cna_free(ids);
    }
    cna_tokenizer_free(tokenizer);
}

static void expect_spm(const cna_spm_vocab *spm, const char *text, const int32_t *expected, size_t n_expected)
{
    cna_error err;
    cna_tokenizer *tokenizer;
    int32_t *ids;
    size_t n;
    assert_ok(open_spm(spm, &tokenizer, &err));
    assert_ok(cna_tokenizer_encode(tokenizer, text, strlen(text), true, &ids, &n, &err));
    assert_int_equal(n, n_expected);
    if (n != 0) assert_memory_equal(ids, expected, n * sizeof *ids);
    cna_free(ids);
    cna_tokenizer_free(tokenizer);
}

#define EXPECT_SPM(spm, text, ...)                                                                                     \
    expect_spm(spm, text, (const int32_t[]){__VA_ARGS__}, sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t))

static void types_and_flags_count(void **state)
{
    (void)state;
    static pieces p;
    make_pieces(&p);
    enum { A = 259, SPACE = 261, SPACE_A = 265, USER = 274 };
    EXPECT_SPM(&p.spm, "a", 1, SPACE_A);
    EXPECT_SPM(&p.spm, "\xC3\xA9", 1, SPACE, 3 + 0xC3, 3 + 0xA9);
    /* A space in front of each part, also behind a token that is cut out. */
    EXPECT_SPM(&p.spm, "a<u>a</s>", 1, SPACE_A, USER, SPACE_A, 2);
    EXPECT_SPM(&p.spm, "", 1);
    p.spm.no_space_prefix = true;
    p.spm.add_eos = true;
    EXPECT_SPM(&p.spm, "a<u>a", 1, A, USER, A, 2);
    p.spm.add_bos = false;
    p.spm.types = NULL;
    EXPECT_SPM(&p.spm, "a", A, 2);
}

static void expect_refused(pieces *p, const char *text)
{
    cna_error err;
    cna_tokenizer *tokenizer;
    assert_int_equal(open_spm(&p->spm, &tokenizer, &err), CNA_ERR_FORMAT);
    assert_string_equal(err.text, text);
    make_pieces(p);
}

static void bad_arrays_are_refused(void **state)
{
    (void)state;
    static pieces p;
    make_pieces(&p);
    p.spm.n = 0;
    expect_refused(&p, "m.gguf: expected tokens, found none");
    p.scores[260] = (float)NAN;
    expect_refused(&p,
                   "m.gguf: key 'tokenizer.ggml.tokens[260]': expected a score that is a number; the file is damaged");
    p.types[260] = 7;
    expect_refused(&p, "m.gguf: key 'tokenizer.ggml.tokens[260]': expected a type of 0 to 6; the file is damaged");
    p.types[260] = -1;
    expect_refused(&p, "m.gguf: key 'tokenizer.ggml.tokens[260]': expected a type of 0 to 6; the file is damaged");
    p.texts[260] = "\xC3";
    expect_refused(&p, "m.gguf: key 'tokenizer.ggml.tokens[260]': expected UTF-8; the file is damaged");
    p.n_bytes[260] = 2;
    expect_refused(&p, "m.gguf: key 'tokenizer.ggml.tokens[260]': expected a text without NUL; the file is damaged");
    p.texts[260] = "a";
    expect_refused(&p, "m.gguf: token 'a': expected one id, found 259 and 260");
    p.n_bytes[1] = 0;
    expect_refused(&p,
                   "m.gguf: key 'tokenizer.ggml.tokens[1]': expected a text that is not empty; the file is damaged");
    p.texts[3 + 0x41] = "<0x4Z>";
    expect_refused(&p, "m.gguf: expected a token '<0x41>', found none; the file is damaged");
    p.spm.bos = N_PIECES;
    expect_refused(&p, "m.gguf: key 'tokenizer.ggml.bos_token_id': expected 0 to 275, found 276; the file is damaged");
    p.spm.add_eos = true;
    p.spm.eos = -1;
    expect_refused(&p, "m.gguf: key 'tokenizer.ggml.eos_token_id': expected 0 to 275, found -1; the file is damaged");
}

static cna_status make_spm(void *spm, cna_error *err)
{
    cna_tokenizer *tokenizer;
    CNA_TRY(open_spm(spm, &tokenizer, err));
    cna_tokenizer_free(tokenizer);
    return CNA_OK;
}

static void its_allocations_may_fail(void **state)
{
    (void)state;
    static pieces p;
    make_pieces(&p);
    p.spm.add_eos = true;
    support_fail_allocations(make_spm, &p.spm);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_as_the_package_has_it),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(a_megabyte_takes_seconds_at_most),
        cmocka_unit_test(scores_decide_what_merges),
        cmocka_unit_test(types_and_flags_count),
        cmocka_unit_test(bad_arrays_are_refused),
        cmocka_unit_test(its_allocations_may_fail),
    };
    return cmocka_run_group_tests_name("tokenizer kinds", tests, NULL, NULL);
}
