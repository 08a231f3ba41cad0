/* SPDX-License-Identifier: MIT
 * Tokens of chat templates; the white-space rules are those of jinja2 3.1, lexer.py, with trim_blocks and
 * lstrip_blocks. */
#include <string.h>

#include "base/utf8.h"
#include "text/template_parts.h"

bool cna_slice_is(cna_slice span, const char *text)
{
    return strlen(text) == span.n && memcmp(span.text, text, span.n) == 0;
}

/* Length of the white-space character that a span begins with, or 0. */
static size_t space_at_left(cna_slice span)
{
    uint32_t c;
    int n = span.n == 0 ? -1 : cna_utf8_next(span.text, span.n, &c);
    return n > 0 && cna_utf8_is_space(c) ? (size_t)n : 0;
}

static size_t space_at_right(cna_slice span)
{
    size_t n = span.n == 0 ? 0 : 1;
    while (n != 0 && n < span.n && n < 4 && ((unsigned char)span.text[span.n - n] & 0xC0) == 0x80) n++;
    return n != 0 && space_at_left((cna_slice){span.text + span.n - n, n}) == n ? n : 0;
}

cna_slice cna_slice_strip(cna_slice span, bool left, bool right)
{
    size_t n;
    while (left && (n = space_at_left(span)) != 0) span = (cna_slice){span.text + n, span.n - n};
    while (right && (n = space_at_right(span)) != 0) span.n -= n;
    return span;
}

cna_status cna_template_refuse(cna_error *err, const char *where, size_t line, const char *found,
                               cna_slice shown)
{
    int n = shown.n > 40 ? 40 : (int)shown.n;
    return cna_fail(
        err, CNA_ERR_UNSUPPORTED,
        "%s, line %zu: expected a chat template in the part of Jinja that is known, found %s%s%.*s%s; give another "
        "with --chat-template FILE|NAME, or do without by --raw",
        where, line, found, n == 0 ? "" : " '", n, n == 0 ? "" : shown.text, n == 0 ? "" : "'");
}

typedef struct lexer {
    const char *where;
    char *source;
    size_t n, at; /* length of the source, and where it is read next */
    size_t line;
    size_t line_at;   /* how far lines are counted */
    bool starts_line; /* what was read last ended with a newline, or nothing was read yet */
    cna_token *tokens;
    size_t n_tokens, capacity;
    cna_error *err;
} lexer;

static cna_status add(lexer *lex, cna_token_kind kind, cna_slice span)
{
    for (; lex->line_at < lex->at; lex->line_at++) lex->line += lex->source[lex->line_at] == '\n';
    CNA_TRY(
        cna_grow(&lex->tokens, &lex->capacity, lex->n_tokens + 1, sizeof *lex->tokens, "template", lex->err));
    lex->tokens[lex->n_tokens++] = (cna_token){kind, span, lex->line};
    return CNA_OK;
}

static cna_status refuse(const lexer *lex, const char *found, cna_slice shown)
{
    size_t line = lex->line;
    for (size_t i = lex->line_at; i < lex->at; i++) line += lex->source[i] == '\n';
    return cna_template_refuse(lex->err, lex->where, line, found, shown);
}

static bool looking_at(const lexer *lex, const char *text)
{
    size_t n = strlen(text);
    return lex->n - lex->at >= n && memcmp(lex->source + lex->at, text, n) == 0;
}

static void skip_space(lexer *lex)
{
    lex->at +=
        (size_t)(cna_slice_strip((cna_slice){lex->source + lex->at, lex->n - lex->at}, true, false).text -
                 (lex->source + lex->at));
}

/* The end of a tag, at its sign if it has one: -%} takes the white space after it, %} of a block or comment
 * one newline. Returns false if the tag does not end here. */
static bool close_tag(lexer *lex, const char *close, bool takes_newline)
{
    size_t before = lex->at;
    char sign = lex->source[lex->at];
    if (sign == '-' || (sign == '+' && takes_newline)) lex->at++;
    if (!looking_at(lex, close)) {
        lex->at = before;
        return false;
    }
    lex->at += 2;
    if (sign == '-')
        skip_space(lex);
    else if (sign != '+' && takes_newline && looking_at(lex, "\n"))
        lex->at++;
    lex->starts_line = lex->source[lex->at - 1] == '\n';
    return true;
}

/* The text before a tag: {%- takes all white space before it; {% and {# alone on their line take their
 * indentation. */
static cna_slice before_tag(const lexer *lex, cna_slice text, char sign, bool is_output)
{
    if (sign == '-') return cna_slice_strip(text, false, true);
    if (sign == '+' || is_output) return text;
    size_t line = text.n;
    while (line != 0 && text.text[line - 1] != '\n') line--;
    if (line == 0 && !lex->starts_line) return text;
    if (cna_slice_strip((cna_slice){text.text + line, text.n - line}, true, false).n == 0) text.n = line;
    return text;
}

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static int digit_value(char c, int base)
{
    int value = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : 16;
    return value < base ? value : -1;
}

/* The digits of an escape from lex->at on: exactly n of base 16, or up to n of base 8. Returns false if they are no
 * character. */
static bool read_code(lexer *lex, size_t n, int base, uint32_t *out)
{
    size_t i = 0;
    *out = 0;
    for (; i < n && lex->at < lex->n && digit_value(lex->source[lex->at], base) >= 0; i++)
        *out = *out * (uint32_t)base + (uint32_t)digit_value(lex->source[lex->at++], base);
    return (i == n || base == 8) && *out <= 0x10FFFF && (*out < 0xD800 || *out > 0xDFFF) && *out != 0;
}

/* Python's escapes, decoded to `to`, which lies before what is read. A backslash that begins none stays. */
static cna_status lex_escape(lexer *lex, char **to)
{
    static const char escapes[] = "nrtabfv\\'\"";
    static const char meanings[] = "\n\r\t\a\b\f\v\\'\"";
    char c = lex->at < lex->n ? lex->source[lex->at] : '\0';
    const char *escape = c == '\0' ? NULL : strchr(escapes, c);
    uint32_t code = 0;
    if (escape != NULL) {
        lex->at++;
        *(*to)++ = meanings[escape - escapes];
        return CNA_OK;
    }
    if (c == '\n') {
        lex->at++;
        return CNA_OK;
    }
    if (digit_value(c, 8) >= 0) {
        if (!read_code(lex, 3, 8, &code)) return refuse(lex, "an escape in a string", (cna_slice){0});
    } else if (c == 'x' || c == 'u' || c == 'U') {
        lex->at++;
        if (!read_code(lex, c == 'x' ? 2 : c == 'u' ? 4 : 8, 16, &code))
            return refuse(lex, "an escape in a string", (cna_slice){0});
    } else {
        /* \N names characters; before others than ASCII, Jinja's own decoding falls over itself. */
        if (c == '\0' || c == 'N' || (unsigned char)c >= 0x80)
            return refuse(lex, "an escape in a string", (cna_slice){0});
        *(*to)++ = '\\';
        return CNA_OK;
    }
    *to += cna_utf8_put(code, *to);
    return CNA_OK;
}

/* A string literal, decoded where it stands: no escape is shorter than what it means. */
static cna_status lex_string(lexer *lex)
{
    char quote = lex->source[lex->at++];
    char *begin = lex->source + lex->at;
    char *to = begin;
    while (lex->at < lex->n && lex->source[lex->at] != quote) {
        char c = lex->source[lex->at++];
        if (c == '\\')
            CNA_TRY(lex_escape(lex, &to));
        else
            *to++ = c;
    }
    if (lex->at >= lex->n) return refuse(lex, "a string without an end", (cna_slice){0});
    lex->at++;
    return add(lex, CNA_TOKEN_STRING, (cna_slice){begin, (size_t)(to - begin)});
}

static cna_status lex_operator(lexer *lex)
{
    static const char *const operators[] = {"//", "**", "==", "!=", "<=", ">=", "+", "-", "/",
                                            "*",  "%",  "~",  "<",  ">",  "=",  "(", ")", "[",
                                            "]",  "{",  "}",  ",",  ".",  ":",  "|"};
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        if (!looking_at(lex, operators[i])) continue;
        cna_slice span = {lex->source + lex->at, strlen(operators[i])};
        CNA_TRY(add(lex, CNA_TOKEN_OPERATOR, span));
        lex->at += span.n;
        return CNA_OK;
    }
    return refuse(lex, "the character", (cna_slice){lex->source + lex->at, 1});
}

static cna_status lex_name(lexer *lex)
{
    size_t begin = lex->at;
    while (is_name_byte(lex->source[lex->at])) lex->at++;
    return add(lex, CNA_TOKEN_NAME, (cna_slice){lex->source + begin, lex->at - begin});
}

static void skip_digits(lexer *lex)
{
    while (digit_value(lex->source[lex->at], 10) >= 0) lex->at++;
}

/* 12, 1.5, 1e6, 1.5e-3. Whole numbers of up to 18 digits. */
static cna_status lex_number(lexer *lex)
{
    size_t begin = lex->at;
    bool real = false;
    bool is_member = begin != 0 && lex->source[begin - 1] == '.'; /* a.0.1 is a[0][1] */
    skip_digits(lex);
    if (!is_member && lex->source[lex->at] == '.' && digit_value(lex->source[lex->at + 1], 10) >= 0) {
        real = true;
        lex->at++;
        skip_digits(lex);
    }
    size_t sign = lex->source[lex->at] == 'e' || lex->source[lex->at] == 'E' ? lex->at + 1 : 0;
    if (sign != 0 && (lex->source[sign] == '+' || lex->source[sign] == '-')) sign++;
    if (sign != 0 && digit_value(lex->source[sign], 10) >= 0) {
        real = true;
        lex->at = sign;
        skip_digits(lex);
    }
    cna_slice span = {lex->source + begin, lex->at - begin};
    bool other = is_name_byte(lex->source[lex->at]) || span.n > 40 || (!real && span.n > 18) ||
                 (!real && span.n > 1 && span.text[0] == '0');
    if (other) return refuse(lex, "the number", span);
    return add(lex, real ? CNA_TOKEN_REAL : CNA_TOKEN_NUMBER, span);
}

/* What is between {{ and }} or {% and %}. */
static cna_status lex_tag(lexer *lex, bool is_output)
{
    size_t depth = 0; /* of brackets: inside of them }} closes two of them */
    for (;;) {
        skip_space(lex);
        if (lex->at >= lex->n) return refuse(lex, "a tag without an end", (cna_slice){0});
        if (depth == 0 && close_tag(lex, is_output ? "}}" : "%}", !is_output)) {
            return add(lex, CNA_TOKEN_CLOSE, (cna_slice){0});
        }
        char c = lex->source[lex->at];
        if (strchr("([{", c) != NULL) depth++;
        if (strchr(")]}", c) != NULL && depth != 0) depth--;
        CNA_TRY(c == '\'' || c == '"'           ? lex_string(lex)
                : digit_value(c, 10) >= 0      ? lex_number(lex)
                : is_name_byte(c)              ? lex_name(lex)
                                               : lex_operator(lex));
    }
}

static cna_status lex_comment(lexer *lex)
{
    for (; lex->at < lex->n; lex->at++) {
        if (close_tag(lex, "#}", true)) return CNA_OK;
    }
    return refuse(lex, "a comment without an end", (cna_slice){0});
}

/* Past white space and a word, if they come next from `at` on; 0 if not. */
static size_t skip_word(const lexer *lex, size_t at, const char *word)
{
    cna_slice rest = cna_slice_strip((cna_slice){lex->source + at, lex->n - at}, true, false);
    size_t n = strlen(word);
    return rest.n >= n && memcmp(rest.text, word, n) == 0 ? (size_t)(rest.text - lex->source) + n : 0;
}

/* If a tag {% raw %} begins at lex->at, its text up to {% endraw %}: by jinja2's rules, which differ from those of
 * other blocks. */
static cna_status lex_raw(lexer *lex, bool *is_raw)
{
    char sign = lex->source[lex->at + 2];
    size_t at = skip_word(lex, lex->at + (sign == '-' || sign == '+' ? 3 : 2), "raw");
    *is_raw = false;
    if (at == 0) return CNA_OK;
    size_t close = skip_word(lex, at, "%}"), trimmed = skip_word(lex, at, "-%}");
    if (close == 0 && trimmed == 0) return CNA_OK;
    *is_raw = true;
    lex->at = close != 0 ? close : trimmed;
    if (close == 0) skip_space(lex);
    lex->starts_line = lex->source[lex->at - 1] == '\n';
    for (size_t begin = lex->at; lex->at < lex->n; lex->at++) {
        if (!looking_at(lex, "{%")) continue;
        char end_sign = lex->source[lex->at + 2];
        size_t end = skip_word(lex, lex->at + (end_sign == '-' || end_sign == '+' ? 3 : 2), "endraw");
        if (end == 0) continue;
        cna_slice text = before_tag(lex, (cna_slice){lex->source + begin, lex->at - begin}, end_sign, false);
        lex->at = end;
        skip_space(lex);
        if (!close_tag(lex, "%}", true)) return refuse(lex, "a tag without an end", (cna_slice){0});
        return text.n == 0 ? CNA_OK : add(lex, CNA_TOKEN_TEXT, text);
    }
    return refuse(lex, "raw text without an end", (cna_slice){0});
}

static cna_status lex_all(lexer *lex)
{
    while (lex->at < lex->n) {
        size_t begin = lex->at;
        while (lex->at < lex->n && !looking_at(lex, "{{") && !looking_at(lex, "{%") && !looking_at(lex, "{#"))
            lex->at++;
        cna_slice text = {lex->source + begin, lex->at - begin};
        if (lex->at >= lex->n) return add(lex, CNA_TOKEN_TEXT, text);
        char kind = lex->source[lex->at + 1];
        char sign = lex->source[lex->at + 2];
        text = before_tag(lex, text, sign, kind == '{');
        if (text.n != 0) CNA_TRY(add(lex, CNA_TOKEN_TEXT, text));
        bool is_raw = false;
        if (kind == '%') CNA_TRY(lex_raw(lex, &is_raw));
        if (is_raw) continue;
        lex->at += sign == '-' || sign == '+' ? 3 : 2;
        if (kind == '#') {
            CNA_TRY(lex_comment(lex));
            continue;
        }
        CNA_TRY(add(lex, kind == '{' ? CNA_TOKEN_OUTPUT : CNA_TOKEN_BLOCK, (cna_slice){0}));
        CNA_TRY(lex_tag(lex, kind == '{'));
    }
    return CNA_OK;
}

/* Every line end becomes \n, and one at the end of the template goes (keep_trailing_newline is off). */
static size_t normalize_newlines(char *source, size_t n)
{
    size_t to = 0;
    for (size_t i = 0; i < n; i++) {
        bool pair = source[i] == '\r' && i + 1 < n && source[i + 1] == '\n';
        if (pair) continue;
        source[to++] = source[i] == '\r' ? '\n' : source[i];
    }
    if (to != 0 && source[to - 1] == '\n') to--;
    source[to] = '\0';
    return to;
}

cna_status cna_template_lex(char *source, size_t n_bytes, const char *where, cna_token **out, cna_error *err)
{
    lexer lex = {.where = where, .source = source, .line = 1, .starts_line = true, .err = err};
    *out = NULL;
    if (memchr(source, '\0', n_bytes) != NULL) return refuse(&lex, "a NUL", (cna_slice){0});
    lex.n = normalize_newlines(source, n_bytes);
    cna_status status = lex_all(&lex);
    if (status == CNA_OK) status = add(&lex, CNA_TOKEN_END, (cna_slice){0});
    if (status == CNA_OK)
        *out = lex.tokens;
    else
        cna_free(lex.tokens);
    return status;
}
