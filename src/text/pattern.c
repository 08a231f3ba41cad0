/* SPDX-License-Identifier: MIT
 * Splitting patterns: translation from Oniguruma's dialect, and matching. */
#include "text/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "base/buffer.h"

struct cna_pattern {
    pcre2_code *code; /* NULL: the literal counts */
    char *literal;    /* [n_literal] bytes */
    size_t n_literal;
};

/* Steps that a matching may take for each byte of its texts, and besides. Patterns in use take fewer than STEPS. */
enum { STEPS = 256, STEPS_FREE = 1000000 };

struct cna_matcher {
    const cna_pattern *pattern;
    pcre2_match_data *data;
    pcre2_match_context *context;
    uint64_t n_left; /* steps */
    size_t at;       /* where the last one was */
};

/* ------------------------------------------------------------------------------------------- translation */

/* Oniguruma's \s is Unicode's White_Space. PCRE2's also takes U+180E, and its \p{White_Space} is newer
 * than 10.39, which is still in use: so the characters themselves. */
#define WHITE_SPACE                                                                                                    \
    "\\x09-\\x0d\\x20\\x85\\xa0\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"

typedef struct translation {
    const char *regex, *p; /* the whole pattern, and where it is read next */
    const char *where;
    cna_buffer *out;
    cna_error *err;
} translation;

static cna_status fail_at(const translation *t, const char *found)
{
    return cna_fail(t->err, CNA_ERR_UNSUPPORTED,
                    "%s: expected a pattern of literals, classes, \\p{..}, \\s and simple groups, found %s "
                    "at byte %zu of "
                    "'%s'; this tokenizer cannot be used",
                    t->where, found, (size_t)(t->p - t->regex), t->regex);
}

static cna_status emit(const translation *t, const char *text)
{
    return cna_buffer_add_text(t->out, text, t->err);
}

/* Where a match is at work it comes by here: behind whatever opens a group, which may be entered again, and behind
 * whatever may be taken another time. Between two of these the work is at most that of the pattern's length. */
static cna_status emit_count(const translation *t)
{
    return emit(t, "(?C)");
}

/* Copy n bytes of the pattern as they are. */
static cna_status copy(translation *t, size_t n)
{
    CNA_TRY(cna_buffer_add(t->out, t->p, n, t->err));
    t->p += n;
    return CNA_OK;
}

/* \p{X}, \P{Xy}: the general categories, on which both matchers agree. PCRE2 takes a script's name for more
 * than Oniguruma does. */
static cna_status translate_property(translation *t)
{
    const char *name = t->p + 3;
    size_t n = t->p[2] == '{' ? strcspn(name, "}") : 0;
    bool known = (n == 1 || n == 2) && name[n] == '}' && strchr("LMNPSZC", name[0]) != NULL;
    if (known && n == 2) known = strchr("ultomncedskfpi", name[1]) != NULL;
    if (!known) return fail_at(t, "a property that is no general category");
    return copy(t, n + 4);
}

static cna_status translate_escape(translation *t, bool in_class)
{
    char c = t->p[1];
    if (c == 'p' || c == 'P') return translate_property(t);
    if (c == 's' || (c == 'S' && !in_class)) {
        t->p += 2;
        return emit(t, in_class ? WHITE_SPACE : c == 's' ? "[" WHITE_SPACE "]" : "[^" WHITE_SPACE "]");
    }
    if (c == 'r' || c == 'n' || c == 't' || c == 'd') return copy(t, 2);
    if (c != '\0' && strchr("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", c) != NULL) return copy(t, 2);
    return fail_at(t, "an escape that is not known");
}

static cna_status translate_class(translation *t)
{
    CNA_TRY(copy(t, t->p[1] == '^' ? 2 : 1));
    if (*t->p == ']') return fail_at(t, "an empty class");
    while (*t->p != ']') {
        if (*t->p == '\0') return fail_at(t, "the end of the pattern inside a class");
        if (*t->p == '[' || strncmp(t->p, "&&", 2) == 0) return fail_at(t, "a class inside a class");
        CNA_TRY(*t->p == '\\' ? translate_escape(t, true) : copy(t, 1));
    }
    return copy(t, 1);
}

static cna_status translate_group(translation *t)
{
    static const char *const openings[] = {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>"};
    for (size_t i = 0; i < sizeof openings / sizeof *openings; i++) {
        size_t n = strlen(openings[i]);
        if (strncmp(t->p, openings[i], n) != 0) continue;
        CNA_TRY(copy(t, n));
        return emit_count(t);
    }
    if (strncmp(t->p, "(?i:", 4) == 0) {
        /* Only plain text: how case reaches into classes and properties differs. */
        size_t n = strcspn(t->p + 4, "\\[](){}*+?.^$");
        if (t->p[4 + n] != ')') return fail_at(t, "(?i: around more than plain text");
        CNA_TRY(copy(t, 4));
        CNA_TRY(emit_count(t));
        return copy(t, n + 1);
    }
    if (t->p[1] == '?' || t->p[1] == '*') return fail_at(t, "a group of a kind that is not known");
    CNA_TRY(copy(t, 1));
    return emit_count(t);
}

/* The length of *, +, ? or {n}, {n,}, {n,m} of at most three digits each; 0: none of these. */
static size_t repetition_length(const char *p)
{
    if (*p != '{') return 1;
    size_t low = strspn(p + 1, "0123456789"), high = 0, n = 1 + low;
    if (p[n] == ',') {
        high = strspn(p + n + 1, "0123456789");
        n += 1 + high;
    }
    return low == 0 || low > 3 || high > 3 || p[n] != '}' ? 0 : n + 1;
}

/* A '+' after {n} is possessive to one matcher and a second repetition to the other. */
static cna_status translate_repetition(translation *t)
{
    size_t n = repetition_length(t->p);
    if (n == 0 || (*t->p == '{' && t->p[n] == '+')) return fail_at(t, "a repetition of a kind that is not known");
    if (t->p[n] == '?' || t->p[n] == '+') n++;
    if (t->p[n] != '\0' && strchr("*+?{", t->p[n]) != NULL) return fail_at(t, "a repetition of a repetition");
    CNA_TRY(copy(t, n));
    return emit_count(t);
}

static cna_status translate(translation *t)
{
    while (*t->p != '\0') {
        switch (*t->p) {
        case '\\':
            CNA_TRY(translate_escape(t, false));
            break;
        case '[':
            CNA_TRY(translate_class(t));
            break;
        case '(':
            CNA_TRY(translate_group(t));
            break;
        case '*':
        case '+':
        case '?':
        case '{':
            CNA_TRY(translate_repetition(t));
            break;
        case '.':
        case '^':
        case '$':
            return fail_at(t, "'.', '^' or '$'");
        default:
            CNA_TRY(copy(t, 1));
        }
    }
    return CNA_OK;
}

/* ---------------------------------------------------------------------------------------------- compiling */

static void *allocate(PCRE2_SIZE n_bytes, void *unused)
{
    (void)unused;
    void *pointer;
    return cna_alloc(&pointer, n_bytes, 1, "pattern", NULL) == CNA_OK ? pointer : NULL;
}

static void release(void *pointer, void *unused)
{
    (void)unused;
    cna_free(pointer);
}

static cna_status compile(const char *translated, const char *regex, const char *where, pcre2_code **out,
                          cna_error *err)
{
    pcre2_general_context *general = pcre2_general_context_create(allocate, release, NULL);
    pcre2_compile_context *context = general == NULL ? NULL : pcre2_compile_context_create(general);
    if (context == NULL) {
        pcre2_general_context_free(general);
        return cna_fail_memory(err, "pattern", 0);
    }
    int code = 0;
    PCRE2_SIZE offset = 0;
    *out = pcre2_compile((PCRE2_SPTR)translated, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &code, &offset, context);
    pcre2_compile_context_free(context);
    pcre2_general_context_free(general);
    if (*out == NULL && code == PCRE2_ERROR_HEAP_FAILED) return cna_fail_memory(err, "pattern", 0);

    if (*out == NULL) {
        PCRE2_UCHAR text[128];
        pcre2_get_error_message(code, text, sizeof text);
        return cna_fail(err, CNA_ERR_FORMAT, "%s: expected a regular expression, found '%s': %s", where, regex,
                        (const char *)text);
    }
    return CNA_OK;
}

cna_status cna_pattern_create(const char *regex, const char *where, cna_pattern **out, cna_error *err)
{
    *out = NULL;
    cna_buffer translated = {0};
    cna_pattern *pattern = NULL;
    translation t = {.regex = regex, .p = regex, .where = where, .out = &translated, .err = err};
    cna_status status;
    uint32_t matches_empty = 0;
    CNA_TRY_CLEANUP(emit(&t, ""));
    CNA_TRY_CLEANUP(translate(&t));
    CNA_TRY_CLEANUP(cna_alloc(&pattern, 1, sizeof *pattern, "pattern", err));
    CNA_TRY_CLEANUP(compile(translated.data, regex, where, &pattern->code, err));
    pcre2_pattern_info(pattern->code, PCRE2_INFO_MATCHEMPTY, &matches_empty);
    if (matches_empty != 0) {
        status = cna_fail(err, CNA_ERR_UNSUPPORTED,
                          "%s: expected a pattern that matches at least one character, found '%s'", where, regex);
        goto cleanup;
    }
    /* Where PCRE2 was built without JIT its interpreter does the same work. */
    (void)pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE);
    *out = pattern;
    pattern = NULL;
cleanup:
    cna_pattern_free(pattern);
    cna_buffer_free(&translated);
    return status;
}

cna_status cna_pattern_create_literal(const char *text, size_t n_bytes, cna_pattern **out, cna_error *err)
{
    *out = NULL;
    cna_pattern *pattern;
    CNA_TRY(cna_alloc(&pattern, 1, sizeof *pattern, "pattern", err));
    cna_status status = cna_copy_bytes(&pattern->literal, text, n_bytes, "pattern", err);
    pattern->n_literal = n_bytes;
    if (status != CNA_OK) cna_pattern_free(pattern);
    if (status == CNA_OK) *out = pattern;
    return status;
}

void cna_pattern_free(cna_pattern *pattern)
{
    if (pattern == NULL) return;
    pcre2_code_free(pattern->code);
    cna_free(pattern->literal);
    cna_free(pattern);
}

/* ---------------------------------------------------------------------------------------------- matching */

/* A step, and as many more as bytes were passed since the last: what one repetition took it took byte by byte. */
static int count(pcre2_callout_block *block, void *user)
{
    cna_matcher *matcher = user;
    size_t at = block->current_position;
    uint64_t n = 1 + (at > matcher->at ? at - matcher->at : matcher->at - at);
    matcher->at = at;
    if (n > matcher->n_left) return PCRE2_ERROR_CALLOUT;
    matcher->n_left -= n;
    return 0;
}

cna_status cna_matcher_create(const cna_pattern *pattern, cna_matcher **out, cna_error *err)
{
    *out = NULL;
    cna_matcher *matcher;
    CNA_TRY(cna_alloc(&matcher, 1, sizeof *matcher, "matcher", err));
    matcher->pattern = pattern;
    if (pattern->code == NULL) {
        *out = matcher;
        return CNA_OK;
    }
    pcre2_general_context *general = pcre2_general_context_create(allocate, release, NULL);
    if (general != NULL) {
        matcher->data = pcre2_match_data_create(1, general);
        matcher->context = pcre2_match_context_create(general);
        pcre2_general_context_free(general);
    }
    if (matcher->data == NULL || matcher->context == NULL) {
        cna_matcher_free(matcher);
        return cna_fail_memory(err, "matcher", 0);
    }
    pcre2_set_callout(matcher->context, count, matcher);
    pcre2_set_match_limit(matcher->context, UINT32_MAX); /* PCRE2 counts from each place anew; count() is the limit */
    matcher->n_left = STEPS_FREE;
    *out = matcher;
    return CNA_OK;
}

void cna_matcher_free(cna_matcher *matcher)
{
    if (matcher == NULL) return;
    pcre2_match_data_free(matcher->data);
    pcre2_match_context_free(matcher->context);
    cna_free(matcher);
}

static void next_literal(const cna_pattern *pattern, const char *text, size_t n_bytes, size_t from, size_t *start,
                         size_t *end)
{
    *start = *end = n_bytes;
    while (n_bytes - from >= pattern->n_literal) {
        size_t n_places = n_bytes - from - pattern->n_literal + 1;
        const char *at = memchr(text + from, pattern->literal[0], n_places);
        if (at == NULL) return;
        from = (size_t)(at - text);
        if (memcmp(at, pattern->literal, pattern->n_literal) == 0) {
            *start = from;
            *end = from + pattern->n_literal;
            return;
        }
        from++;
    }
}

cna_status cna_matcher_next(cna_matcher *matcher, const char *text, size_t n_bytes, size_t from, size_t *start,
                            size_t *end, cna_error *err)
{
    if (matcher->pattern->code == NULL) {
        next_literal(matcher->pattern, text, n_bytes, from, start, end);
        return CNA_OK;
    }
    if (from == 0) {
        if (matcher->n_left > STEPS_FREE) matcher->n_left = STEPS_FREE;
        matcher->n_left += (uint64_t)n_bytes * STEPS;
    }
    matcher->at = from;
    uint32_t options = PCRE2_NO_UTF_CHECK;
    int result =
        pcre2_match(matcher->pattern->code, (PCRE2_SPTR)text, n_bytes, from, options, matcher->data, matcher->context);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT) {
        result = pcre2_match(matcher->pattern->code, (PCRE2_SPTR)text, n_bytes, from, options | PCRE2_NO_JIT,
                             matcher->data, matcher->context);
    }
    if (result == PCRE2_ERROR_NOMATCH) {
        *start = *end = n_bytes;
        return CNA_OK;
    }
    if (result == PCRE2_ERROR_NOMEMORY) return cna_fail_memory(err, "matcher", 0);
    if (result == PCRE2_ERROR_CALLOUT) {
        return cna_fail(err, CNA_ERR_UNSUPPORTED, "text, byte %zu: expected a tokenizer's pattern that takes at most "
                        "%d steps for each byte, found one that takes more; this tokenizer cannot be used for this "
                        "text", from, (int)STEPS);
    }
    if (result < 0) {
        PCRE2_UCHAR message[128];
        pcre2_get_error_message(result, message, sizeof message);
        return cna_fail(err, CNA_ERR_INTERNAL, "text, byte %zu: the tokenizer's pattern cannot be matched: %s", from,
                        (const char *)message);
    }
    const PCRE2_SIZE *span = pcre2_get_ovector_pointer(matcher->data);
    *start = span[0];
    *end = span[1];
    return CNA_OK;
}
