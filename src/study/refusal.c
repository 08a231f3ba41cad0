/* SPDX-License-Identifier: MIT
 * Pattern files: parsing, compiling, matching. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "study/refusal.h"

#include <pcre2.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/utf8.h"

struct cna_refusal {
    size_t scope; /* characters; SIZE_MAX: all */
    bool ignore_case, substring;
    pcre2_code **patterns; /* [n_patterns] */
    size_t *lines;         /* [n_patterns] where each was written */
    size_t n_patterns, capacity, line_capacity;
    pcre2_general_context *memory; /* PCRE2's allocations through cna_alloc */
    pcre2_compile_context *compiler;
    pcre2_match_data *match; /* no captures are asked for, so one pair of offsets serves every pattern */
    char name[256];
};

/* One line of a file. */
typedef struct line {
    const char *text;
    size_t n_bytes;
    size_t number; /* from 1 */
} line;

/* ---- header ---- */

enum { SEEN_SCOPE = 1, SEEN_CASE = 2, SEEN_KIND = 4 };

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* If the line reads "# key: value", the value without blanks around it. */
static bool header_value(const line *at, const char *key, line *out)
{
    const char *p = at->text + 1;
    const char *end = at->text + at->n_bytes;
    size_t n_key = strlen(key);
    while (p < end && is_blank(*p)) p++;
    if ((size_t)(end - p) <= n_key || memcmp(p, key, n_key) != 0 || p[n_key] != ':') return false;
    p += n_key + 1;
    while (p < end && is_blank(*p)) p++;
    while (end > p && is_blank(end[-1])) end--;
    *out = (line){p, (size_t)(end - p), at->number};
    return true;
}

static bool equals(const line *value, const char *word)
{
    return value->n_bytes == strlen(word) && memcmp(value->text, word, value->n_bytes) == 0;
}

static cna_status fail_value(const cna_refusal *refusal, const line *value, const char *key,
                             const char *expected, cna_error *err)
{
    return cna_fail(err, CNA_ERR_FORMAT, "%s:%zu: '# %s:': expected %s, found '%.*s'", refusal->name,
                    value->number, key, expected, (int)(value->n_bytes < 80 ? value->n_bytes : 80),
                    value->text);
}

static cna_status set_scope(cna_refusal *refusal, const line *value, cna_error *err)
{
    if (equals(value, "all")) {
        refusal->scope = SIZE_MAX;
        return CNA_OK;
    }
    size_t scope = 0;
    bool is_number = value->n_bytes > 0 && value->n_bytes <= 9;
    for (size_t i = 0; is_number && i < value->n_bytes; i++) {
        is_number = value->text[i] >= '0' && value->text[i] <= '9';
        scope = scope * 10 + (size_t)(value->text[i] - '0');
    }
    if (!is_number || scope == 0) {
        return fail_value(refusal, value, "scope", "'all' or a number of characters from 1 to 999999999",
                          err);
    }
    refusal->scope = scope;
    return CNA_OK;
}

/* One of two words into a flag that says whether it was the first. */
static cna_status set_flag(const cna_refusal *refusal, const line *value, const char *key,
                           const char *if_true, const char *if_false, bool *out, cna_error *err)
{
    char expected[64];
    snprintf(expected, sizeof expected, "'%s' or '%s'", if_true, if_false);
    *out = equals(value, if_true);
    if (*out || equals(value, if_false)) return CNA_OK;
    return fail_value(refusal, value, key, expected, err);
}

static cna_status read_comment(cna_refusal *refusal, const line *at, unsigned *seen, cna_error *err)
{
    line value;
    unsigned kind = 0;
    cna_status status = CNA_OK;
    if (header_value(at, "scope", &value)) {
        kind = SEEN_SCOPE;
        status = set_scope(refusal, &value, err);
    } else if (header_value(at, "case", &value)) {
        kind = SEEN_CASE;
        status = set_flag(refusal, &value, "case", "ignore", "exact", &refusal->ignore_case, err);
    } else if (header_value(at, "kind", &value)) {
        kind = SEEN_KIND;
        status = set_flag(refusal, &value, "kind", "substring", "regex", &refusal->substring, err);
    }
    if (status != CNA_OK || kind == 0) return status;
    if (refusal->n_patterns != 0) {
        return cna_fail(err, CNA_ERR_FORMAT,
                        "%s:%zu: expected header lines before the first pattern, found one behind it",
                        refusal->name, at->number);
    }
    if ((*seen & kind) != 0) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s:%zu: expected each header line once, found it again",
                        refusal->name, at->number);
    }
    *seen |= kind;
    return CNA_OK;
}

/* ---- patterns ---- */

static cna_status add_pattern(cna_refusal *refusal, const line *at, cna_error *err)
{
    CNA_TRY(cna_grow(&refusal->patterns, &refusal->capacity, refusal->n_patterns + 1,
                     sizeof *refusal->patterns, "patterns", err));
    CNA_TRY(cna_grow(&refusal->lines, &refusal->line_capacity, refusal->n_patterns + 1,
                     sizeof *refusal->lines, "patterns", err));
    /* PCRE2 refuses LITERAL beside UCP: a literal has no classes that it could change. */
    uint32_t options = PCRE2_UTF | (refusal->substring ? PCRE2_LITERAL : PCRE2_UCP);
    if (refusal->ignore_case) options |= PCRE2_CASELESS;
    int code;
    PCRE2_SIZE offset;
    pcre2_code *pattern =
        pcre2_compile((PCRE2_SPTR)at->text, at->n_bytes, options, &code, &offset, refusal->compiler);
    if (pattern == NULL) {
        if (code == PCRE2_ERROR_HEAP_FAILED) return cna_fail_memory(err, "pattern", at->n_bytes);
        char reason[160];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)reason, sizeof reason);
        return cna_fail(err, CNA_ERR_FORMAT,
                        "%s:%zu: expected a regular expression, found an error at byte %zu: %s",
                        refusal->name, at->number, (size_t)offset + 1, reason);
    }
    /* Where PCRE2 has no JIT for the machine, or no memory that may be executed, matching is interpreted. */
    (void)pcre2_jit_compile(pattern, PCRE2_JIT_COMPLETE);
    refusal->patterns[refusal->n_patterns] = pattern;
    refusal->lines[refusal->n_patterns++] = at->number;
    return CNA_OK;
}

static bool all_blank(const line *at)
{
    for (size_t i = 0; i < at->n_bytes; i++) {
        if (!is_blank(at->text[i])) return false;
    }
    return true;
}

static cna_status read_line(cna_refusal *refusal, const line *at, unsigned *seen, cna_error *err)
{
    size_t bad;
    if (!cna_utf8_check(at->text, at->n_bytes, &bad)) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s:%zu: expected UTF-8, found another byte at %zu of the line",
                        refusal->name, at->number, bad + 1);
    }
    if (all_blank(at)) return CNA_OK;
    return at->text[0] == '#' ? read_comment(refusal, at, seen, err) : add_pattern(refusal, at, err);
}

static cna_status read_lines(cna_refusal *refusal, const char *text, cna_error *err)
{
    static const char byte_order_mark[] = "\xEF\xBB\xBF";
    if (strncmp(text, byte_order_mark, strlen(byte_order_mark)) == 0) text += strlen(byte_order_mark);
    unsigned seen = 0;
    line at = {.number = 1};
    for (; *text != '\0'; at.number++) {
        at.text = text;
        at.n_bytes = strcspn(text, "\n");
        text += at.n_bytes + (text[at.n_bytes] == '\n');
        if (at.n_bytes != 0 && at.text[at.n_bytes - 1] == '\r') at.n_bytes--;
        CNA_TRY(read_line(refusal, &at, &seen, err));
    }
    if (refusal->n_patterns != 0) return CNA_OK;
    return cna_fail(err, CNA_ERR_FORMAT, "%s: expected at least one pattern, found none", refusal->name);
}

static cna_status read_builtin(cna_refusal *refusal, cna_error *err)
{
    unsigned seen = 0;
    for (size_t i = 0; cna_refusal_builtin[i] != NULL; i++) {
        line at = {cna_refusal_builtin[i], strlen(cna_refusal_builtin[i]), i + 1};
        CNA_TRY(read_line(refusal, &at, &seen, err));
    }
    return CNA_OK;
}

static void *allocate(size_t n_bytes, void *user)
{
    (void)user;
    void *pointer;
    return cna_alloc(&pointer, n_bytes, 1, "pattern", NULL) == CNA_OK ? pointer : NULL;
}

static void release(void *pointer, void *user)
{
    (void)user;
    cna_free(pointer);
}

static bool create_contexts(cna_refusal *refusal)
{
    refusal->memory = pcre2_general_context_create(allocate, release, NULL);
    if (refusal->memory == NULL) return false;
    refusal->compiler = pcre2_compile_context_create(refusal->memory);
    refusal->match = pcre2_match_data_create(1, refusal->memory);
    return refusal->compiler != NULL && refusal->match != NULL;
}

cna_status cna_refusal_create(const char *text, const char *name, cna_refusal **out, cna_error *err)
{
    cna_refusal *refusal;
    CNA_TRY(cna_alloc(&refusal, 1, sizeof *refusal, "patterns", err));
    refusal->scope = 500;
    refusal->ignore_case = true;
    if (name == NULL) name = "patterns";
    size_t n_name = strlen(name);
    if (n_name >= sizeof refusal->name) n_name = sizeof refusal->name - 1;
    memcpy(refusal->name, name, n_name);
    cna_status status = CNA_OK;
    if (!create_contexts(refusal)) status = cna_fail_memory(err, "patterns", sizeof *refusal);
    if (status == CNA_OK) status = text == NULL ? read_builtin(refusal, err) : read_lines(refusal, text, err);
    if (status != CNA_OK) {
        cna_refusal_free(refusal);
        return status;
    }
    *out = refusal;
    return CNA_OK;
}

void cna_refusal_free(cna_refusal *refusal)
{
    if (refusal == NULL) return;
    for (size_t i = 0; i < refusal->n_patterns; i++) pcre2_code_free(refusal->patterns[i]);
    pcre2_match_data_free(refusal->match);
    pcre2_compile_context_free(refusal->compiler);
    pcre2_general_context_free(refusal->memory);
    cna_free(refusal->patterns);
    cna_free(refusal->lines);
    cna_free(refusal);
}

/* ---- matching ---- */

/* Bytes of the first n_characters characters. */
static cna_status measure_scope(const char *text, size_t n_bytes, size_t n_characters, size_t *out,
                                cna_error *err)
{
    size_t at = 0;
    for (size_t i = 0; i < n_characters && at < n_bytes; i++) {
        uint32_t code_point;
        int n = cna_utf8_next(text + at, n_bytes - at, &code_point);
        if (n < 0)
            return cna_fail(err, CNA_ERR_FORMAT, "answer: expected UTF-8, found another byte at %zu", at + 1);
        at += (size_t)n;
    }
    *out = at;
    return CNA_OK;
}

/* Where `mark` first stands; n_bytes if nowhere. */
static size_t find_mark(const char *text, size_t n_bytes, const char *mark)
{
    size_t n = strlen(mark);
    for (size_t i = 0; i + n <= n_bytes; i++) {
        if (text[i] == mark[0] && memcmp(text + i, mark, n) == 0) return i;
    }
    return n_bytes;
}

size_t cna_refusal_reasoning(const char *text, size_t n_bytes)
{
    static const char *const pairs[][2] = {{"<think>", "</think>"},
                                           {"<thinking>", "</thinking>"},
                                           {"<thought>", "</thought>"},
                                           {"<reasoning>", "</reasoning>"},
                                           {"<seed:think>", "</seed:think>"},
                                           {"[THINK]", "[/THINK]"},
                                           {"<|START_THINKING|>", "<|END_THINKING|>"}};
    size_t begin = 0;
    while (begin < n_bytes && strchr(" \t\r\n", text[begin]) != NULL && text[begin] != '\0') begin++;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        size_t opened = find_mark(text, n_bytes, pairs[i][0]);
        size_t closed = find_mark(text, n_bytes, pairs[i][1]);
        if (opened == begin && closed == n_bytes && opened != n_bytes) return n_bytes;
        /* Behind other text an opening mark is part of the answer, and so is what closes it. */
        if (closed != n_bytes && (opened == begin || opened > closed)) return closed + strlen(pairs[i][1]);
    }
    return 0;
}

cna_status cna_refusal_match(const cna_refusal *refusal, const char *text, size_t n_bytes, bool *out,
                             cna_error *err)
{
    size_t n_scope;
    CNA_TRY(measure_scope(text, n_bytes, refusal->scope, &n_scope, err));
    for (size_t i = 0; i < refusal->n_patterns; i++) {
        int found = pcre2_match(refusal->patterns[i], (PCRE2_SPTR)text, n_scope, 0, PCRE2_NO_UTF_CHECK,
                                refusal->match, NULL);
        if (found >= 0) {
            *out = true;
            return CNA_OK;
        }
        if (found != PCRE2_ERROR_NOMATCH) {
            char reason[160];
            pcre2_get_error_message(found, (PCRE2_UCHAR *)reason, sizeof reason);
            return cna_fail(err, CNA_ERR_INTERNAL, "%s:%zu: matching failed: %s", refusal->name,
                            refusal->lines[i], reason);
        }
    }
    *out = false;
    return CNA_OK;
}

cna_status cna_refusal_sha256(const char *text, char out[65], cna_error *err)
{
    if (text != NULL) return cna_sha256_hex(text, strlen(text), out, err);
    cna_buffer joined = {0};
    cna_status status = CNA_OK;
    for (const char *const *next = cna_refusal_builtin; *next != NULL && status == CNA_OK; next++) {
        status = cna_buffer_add_text(&joined, *next, err);
        if (status == CNA_OK) status = cna_buffer_add(&joined, "\n", 1, err);
    }
    if (status == CNA_OK) status = cna_sha256_hex(joined.data, joined.size, out, err);
    cna_buffer_free(&joined);
    return status;
}
