/* SPDX-License-Identifier: MIT
 * Texts from texts, as Python's str has them. */
#include <string.h>
#include <utf8proc.h>

#include "base/utf8.h"
#include "text/template_text.h"

static cna_status spend_text(cna_rendering *r, const cna_node *node, size_t n_bytes)
{
    return cna_rendering_spend(r, node, n_bytes / 64 + 1);
}

size_t cna_text_length(cna_slice text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) n += ((unsigned char)text.text[i] & 0xC0) != 0x80;
    return n;
}

/* Each place where the first byte stands is paid for, so that a text made to have many is no trap. */
cna_status cna_text_find(cna_rendering *r, const cna_node *node, cna_slice whole, cna_slice part, size_t from,
                         size_t *out)
{
    *out = SIZE_MAX;
    if (from > whole.n || part.n > whole.n - from) return CNA_OK;
    if (part.n == 0) {
        *out = from;
        return CNA_OK;
    }
    size_t at = from;
    while (part.n <= whole.n - at) {
        const char *found = memchr(whole.text + at, part.text[0], whole.n - at - part.n + 1);
        size_t passed = found == NULL ? whole.n - at : (size_t)(found - whole.text) - at;
        CNA_TRY(spend_text(r, node, passed + (found == NULL ? 0 : part.n)));
        if (found == NULL) return CNA_OK;
        at += passed;
        if (memcmp(found, part.text, part.n) == 0) {
            *out = at;
            return CNA_OK;
        }
        at++;
    }
    return CNA_OK;
}

cna_status cna_text_join(cna_rendering *r, const cna_node *node, cna_slice a, cna_slice b, cna_value *out)
{
    char *text;
    CNA_TRY(spend_text(r, node, a.n + b.n));
    CNA_TRY(cna_rendering_alloc(r, node, &text, a.n + b.n + 1, 1));
    if (a.n != 0) memcpy(text, a.text, a.n);
    if (b.n != 0) memcpy(text + a.n, b.text, b.n);
    *out = cna_value_text(text, a.n + b.n);
    return CNA_OK;
}

/* ------------------------------------------------------------------------------------------------------- case */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* Python's full case mapping of other letters has special cases that utf8proc's does not have. */
static bool has_case(uint32_t c)
{
    utf8proc_int32_t code = (utf8proc_int32_t)c;
    utf8proc_category_t category = utf8proc_category(code);
    return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL ||
           category == UTF8PROC_CATEGORY_LT || utf8proc_toupper(code) != code || utf8proc_tolower(code) != code;
}

cna_status cna_text_case(cna_rendering *r, const cna_node *node, cna_slice text, cna_case kind, cna_value *out)
{
    char *to;
    bool begins = true; /* a word, or with CAPITAL the text */
    CNA_TRY(cna_rendering_spend(r, node, text.n / 16 + 1));
    CNA_TRY(cna_rendering_alloc(r, node, &to, text.n + 1, 1));
    *out = cna_value_text(to, text.n);
    for (size_t i = 0; i < text.n;) {
        uint32_t c;
        char byte = text.text[i];
        int n = cna_utf8_next(text.text + i, text.n - i, &c);
        if (n > 1) {
            if (has_case(c)) return cna_rendering_refuse(r, node, "the case of letters beyond ASCII, in");
            memcpy(to + i, text.text + i, (size_t)n);
        } else {
            bool up = kind == CNA_CASE_UPPER || (kind != CNA_CASE_LOWER && begins);
            to[i] = up ? upper(byte) : lower(byte);
        }
        if (kind == CNA_CASE_TITLE)
            begins = n > 1 || !is_letter(byte);
        else
            begins = kind == CNA_CASE_JINJA_TITLE && n == 1 && (cna_utf8_is_space(c) || strchr("-({[<", byte) != NULL);
        if (kind == CNA_CASE_JINJA_TITLE && n > 1 && cna_utf8_is_space(c)) begins = true;
        i += (size_t)n;
    }
    return CNA_OK;
}

/* --------------------------------------------------------------------------------------------- replacing, cutting */

/* "" is found between all characters. */
static cna_status find_next(cna_rendering *r, const cna_node *node, cna_slice text, cna_slice part, size_t from,
                            bool first, size_t *out)
{
    if (part.n != 0 || first) return cna_text_find(r, node, text, part, from, out);
    *out = SIZE_MAX;
    CNA_TRY(cna_rendering_spend(r, node, 1));
    if (from >= text.n) return CNA_OK;
    for (from++; from < text.n && ((unsigned char)text.text[from] & 0xC0) == 0x80;) from++;
    *out = from;
    return CNA_OK;
}

cna_status cna_text_replace(cna_rendering *r, const cna_node *node, cna_slice text, cna_slice from, cna_slice to,
                            int64_t limit, cna_value *out)
{
    size_t n = 0, at = 0, size = text.n;
    CNA_TRY(find_next(r, node, text, from, 0, true, &at));
    for (; at != SIZE_MAX && (limit < 0 || n < (uint64_t)limit); n++)
        CNA_TRY(find_next(r, node, text, from, at + from.n, false, &at));
    *out = cna_value_slice(text);
    if (n == 0) return CNA_OK;
    if (to.n > SIZE_MAX / 4 / n) return cna_rendering_refuse_size(r, node);
    size += n * to.n;
    size -= n * from.n;
    char *made;
    CNA_TRY(spend_text(r, node, size));
    CNA_TRY(cna_rendering_alloc(r, node, &made, size + 1, 1));
    *out = cna_value_text(made, size);
    size_t done = 0;
    for (size_t i = 0; i < n; i++) {
        CNA_TRY(find_next(r, node, text, from, i == 0 ? 0 : done, i == 0, &at));
        if (at != done) memcpy(made, text.text + done, at - done);
        made += at - done;
        if (to.n != 0) memcpy(made, to.text, to.n);
        made += to.n;
        done = at + from.n;
    }
    if (done != text.n) memcpy(made, text.text + done, text.n - done);
    return CNA_OK;
}

/* Parts of a text, collected before their number is known. */
typedef struct parts {
    cna_value *items;
    size_t n, capacity;
} parts;

static cna_status add_part(cna_rendering *r, const cna_node *node, parts *p, cna_slice part)
{
    if (p->n == p->capacity) {
        cna_value *grown;
        size_t capacity = p->capacity == 0 ? 8 : 2 * p->capacity;
        CNA_TRY(cna_rendering_alloc(r, node, &grown, capacity, sizeof *grown));
        if (p->n != 0) memcpy(grown, p->items, p->n * sizeof *grown);
        p->items = grown;
        p->capacity = capacity;
    }
    p->items[p->n++] = cna_value_slice(part);
    return CNA_OK;
}

static cna_status finish_parts(cna_rendering *r, const cna_node *node, const parts *p, cna_value *out)
{
    cna_value *items;
    CNA_TRY(cna_value_sequence(r, node, CNA_SEQUENCE_LIST, p->n, &items, out));
    if (p->n != 0) memcpy(items, p->items, p->n * sizeof *items);
    return CNA_OK;
}

static bool space_at(cna_slice text, size_t at, size_t *n)
{
    uint32_t c;
    int length = cna_utf8_next(text.text + at, text.n - at, &c);
    *n = length > 0 ? (size_t)length : 1;
    return length > 0 && cna_utf8_is_space(c);
}

static cna_status split_spaces(cna_rendering *r, const cna_node *node, cna_slice text, int64_t limit, parts *p)
{
    size_t at = 0, n;
    CNA_TRY(cna_rendering_spend(r, node, text.n / 8 + 1));
    for (;;) {
        while (at < text.n && space_at(text, at, &n)) at += n;
        if (at == text.n) return CNA_OK;
        size_t begin = at;
        if (limit >= 0 && p->n == (uint64_t)limit)
            return add_part(r, node, p, (cna_slice){text.text + begin, text.n - begin});
        while (at < text.n && !space_at(text, at, &n)) at += n;
        CNA_TRY(add_part(r, node, p, (cna_slice){text.text + begin, at - begin}));
    }
}

cna_status cna_text_split(cna_rendering *r, const cna_node *node, cna_slice text, const cna_slice *separator,
                          int64_t limit, bool right, cna_value *out)
{
    parts p = {0};
    if (separator == NULL) {
        if (right && limit >= 0) return cna_rendering_refuse(r, node, "white space split from the right, in");
        CNA_TRY(split_spaces(r, node, text, limit, &p));
        return finish_parts(r, node, &p, out);
    }
    if (separator->n == 0) return cna_rendering_fail(r, node, "it splits a text at an empty one");
    size_t begin = 0, at = 0, n_cuts = 0, skip = 0;
    if (right && limit >= 0) {
        /* All cuts first. A separator that overlaps itself would be found elsewhere from the right. */
        for (size_t i = 1; i < separator->n; i++) {
            if (memcmp(separator->text + i, separator->text, separator->n - i) == 0)
                return cna_rendering_refuse(r, node, "a separator that overlaps itself, in");
        }
        CNA_TRY(cna_text_find(r, node, text, *separator, 0, &at));
        for (; at != SIZE_MAX; n_cuts++) CNA_TRY(cna_text_find(r, node, text, *separator, at + separator->n, &at));
        skip = n_cuts > (uint64_t)limit ? n_cuts - (size_t)limit : 0;
    }
    size_t most = right || limit < 0 ? SIZE_MAX : (size_t)limit;
    size_t from = 0;
    for (size_t cut = 0; cut < most; cut++) {
        CNA_TRY(cna_text_find(r, node, text, *separator, from, &at));
        if (at == SIZE_MAX) break;
        from = at + separator->n;
        if (cut < skip) continue;
        CNA_TRY(add_part(r, node, &p, (cna_slice){text.text + begin, at - begin}));
        begin = from;
    }
    CNA_TRY(add_part(r, node, &p, (cna_slice){text.text + begin, text.n - begin}));
    return finish_parts(r, node, &p, out);
}

/* Length of the line end at `at`, 0 if there is none: what str.splitlines() cuts at. */
static size_t line_end(cna_slice text, size_t at)
{
    uint32_t c;
    int n = cna_utf8_next(text.text + at, text.n - at, &c);
    if (c == '\r') return at + 1 < text.n && text.text[at + 1] == '\n' ? 2 : 1;
    bool ends = (c >= 0x0A && c <= 0x0C) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
    return n > 0 && ends ? (size_t)n : 0;
}

cna_status cna_text_lines(cna_rendering *r, const cna_node *node, cna_slice text, bool keep_ends, cna_value *out)
{
    parts p = {0};
    size_t begin = 0;
    CNA_TRY(cna_rendering_spend(r, node, text.n / 8 + 1));
    for (size_t at = 0; at < text.n;) {
        size_t end = line_end(text, at);
        if (end != 0) {
            CNA_TRY(add_part(r, node, &p, (cna_slice){text.text + begin, at - begin + (keep_ends ? end : 0)}));
            begin = at + end;
        }
        at += end != 0 ? end : 1;
        while (at < text.n && ((unsigned char)text.text[at] & 0xC0) == 0x80) at++;
    }
    if (begin < text.n) CNA_TRY(add_part(r, node, &p, (cna_slice){text.text + begin, text.n - begin}));
    return finish_parts(r, node, &p, out);
}

/* Bytes of the character of `set` that the text begins (or ends) with; 0 if with none. */
static size_t in_set(cna_slice text, cna_slice set, bool at_end)
{
    for (size_t i = 0; i < set.n;) {
        uint32_t c;
        size_t n = (size_t)cna_utf8_next(set.text + i, set.n - i, &c);
        const char *at = at_end ? text.text + text.n - n : text.text;
        if (n <= text.n && memcmp(at, set.text + i, n) == 0) return n;
        i += n;
    }
    return 0;
}

cna_status cna_text_strip(cna_rendering *r, const cna_node *node, cna_slice text, const cna_slice *set, bool left,
                          bool right, cna_slice *out)
{
    size_t n;
    if (set == NULL) {
        *out = cna_slice_strip(text, left, right);
        return cna_rendering_spend(r, node, (text.n - out->n) / 8 + 1);
    }
    while (left && (n = in_set(text, *set, false)) != 0) {
        CNA_TRY(cna_rendering_spend(r, node, set->n / 16 + 1));
        text = (cna_slice){text.text + n, text.n - n};
    }
    while (right && (n = in_set(text, *set, true)) != 0) {
        CNA_TRY(cna_rendering_spend(r, node, set->n / 16 + 1));
        text.n -= n;
    }
    *out = text;
    return CNA_OK;
}
