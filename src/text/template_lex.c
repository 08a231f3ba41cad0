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

/* Python's str.isspace: bidirectional type WS, B or S, or category Zs. */
static bool is_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
           c == 0x3000;
}

/* Length of the white-space character that a span begins with, or 0. */
static size_t space_at_left(cna_slice span)
{
    uint32_t c;
    int n = span.n == 0 ? -1 : cna_utf8_next(span.text, span.n, &c);
    return n > 0 && is_space(c) ? (size_t)n : 0;
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
        "%s, line %zu: expected a Llama 3 or ChatML chat template in the part of Jinja that is known, found "
        "%s%s%.*s%s; use --raw to do without the template",
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

/* A string literal, decoded where it stands; of Python's escapes those that templates use. */
static cna_status lex_string(lexer *lex)
{
    char quote = lex->source[lex->at++];
    char *begin = lex->source + lex->at;
    char *to = begin;
    while (lex->at < lex->n && lex->source[lex->at] != quote) {
        char c = lex->source[lex->at++];
        if (c == '\\') {
            static const char escapes[] = "nrt\\'\"";
            static const char meanings[] = "\n\r\t\\'\"";
            const char *escape =
                lex->at < lex->n ? memchr(escapes, lex->source[lex->at], sizeof escapes - 1) : NULL;
            if (escape == NULL) return refuse(lex, "an escape in a string", (cna_slice){0});
            c = meanings[escape - escapes];
            lex->at++;
        }
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

static cna_status lex_word(lexer *lex)
{
    size_t begin = lex->at;
    bool number = lex->source[begin] >= '0' && lex->source[begin] <= '9';
    while (is_name_byte(lex->source[lex->at])) lex->at++;
    cna_slice span = {lex->source + begin, lex->at - begin};
    if (number && (strspn(span.text, "0123456789") != span.n || span.n > 9 || lex->source[lex->at] == '.')) {
        return refuse(lex, "the number", span);
    }
    return add(lex, number ? CNA_TOKEN_NUMBER : CNA_TOKEN_NAME, span);
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
        CNA_TRY(c == '\'' || c == '"' ? lex_string(lex)
                : is_name_byte(c)     ? lex_word(lex)
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
