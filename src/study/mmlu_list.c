/* SPDX-License-Identifier: MIT
 * A list of texts in one cell of a table. Python's str() of a list, numpy's of an array and JSON differ in quotes and
 * in what lies between items; one reading serves all. */
#include <string.h>

#include "base/utf8.h"
#include "study/mmlu_data.h"

typedef struct list_reader {
    const char *text; /* [n] */
    size_t n, at;
} list_reader;

static void skip(list_reader *l, const char *characters)
{
    while (l->at < l->n && l->text[l->at] != '\0' && strchr(characters, l->text[l->at]) != NULL) l->at++;
}

/* n hexadecimal digits. */
static bool read_hex(list_reader *l, size_t n, uint32_t *out)
{
    *out = 0;
    if (n > l->n - l->at) return false;
    for (size_t end = l->at + n; l->at < end; l->at++) {
        static const char digits[] = "0123456789abcdef";
        char c = l->text[l->at];
        const char *digit = c == '\0' ? NULL : strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c);
        if (digit == NULL) return false;
        *out = *out * 16 + (uint32_t)(digit - digits);
    }
    return true;
}

/* A code point of n digits; JSON writes those past U+FFFF as two halves. */
static bool read_point(list_reader *l, size_t n, uint32_t *out)
{
    uint32_t low;
    if (!read_hex(l, n, out)) return false;
    if (n == 4 && *out >= 0xD800 && *out < 0xDC00) {
        if (l->n - l->at < 2 || memcmp(l->text + l->at, "\\u", 2) != 0) return false;
        l->at += 2;
        if (!read_hex(l, 4, &low) || low < 0xDC00 || low > 0xDFFF) return false;
        *out = 0x10000 + ((*out - 0xD800) << 10) + (low - 0xDC00);
    }
    return *out <= 0x10FFFF && (*out < 0xD800 || *out > 0xDFFF);
}

/* What follows a backslash. */
static cna_status read_escape(list_reader *l, cna_buffer *out, bool *valid, cna_error *err)
{
    static const char letters[] = "\\'\"/nrtbf", meanings[] = "\\'\"/\n\r\t\b\f";
    char c = l->text[l->at++];
    const char *letter = c == '\0' ? NULL : strchr(letters, c);
    if (letter != NULL) return cna_buffer_add(out, meanings + (letter - letters), 1, err);
    size_t n_digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    uint32_t point;
    char bytes[4];
    *valid = n_digits != 0 && read_point(l, n_digits, &point);
    return *valid ? cna_buffer_add(out, bytes, cna_utf8_put(point, bytes), err) : CNA_OK;
}

/* A text behind its opening quote, up to and with the closing one. */
static cna_status read_text(list_reader *l, char quote, cna_buffer *out, bool *valid, cna_error *err)
{
    while (*valid && l->at < l->n) {
        char c = l->text[l->at++];
        if (c == quote) return CNA_OK;
        if (c != '\\') {
            CNA_TRY(cna_buffer_add(out, &c, 1, err));
        } else if (l->at < l->n) {
            CNA_TRY(read_escape(l, out, valid, err));
        }
    }
    *valid = false;
    return CNA_OK;
}

cna_status cna_mmlu_list_read(const char *text, size_t n_bytes, cna_buffer out[4], size_t *out_n, bool *out_valid,
                              cna_error *err)
{
    list_reader l = {.text = text, .n = n_bytes};
    cna_buffer beyond = {0}; /* a fifth text and more are read and counted */
    cna_status status = CNA_OK;
    *out_n = 0;
    skip(&l, " \t\r\n");
    *out_valid = l.at < l.n && l.text[l.at++] == '[';
    while (*out_valid && status == CNA_OK) {
        skip(&l, " \t\r\n,");
        char c = l.at < l.n ? l.text[l.at++] : '\0';
        if (c == ']') break;
        *out_valid = c == '\'' || c == '"';
        cna_buffer *item = *out_n < 4 ? &out[*out_n] : &beyond;
        cna_buffer_reset(item);
        if (*out_valid) status = cna_buffer_add(item, "", 0, err);
        if (*out_valid && status == CNA_OK) status = read_text(&l, c, item, out_valid, err);
        ++*out_n;
    }
    skip(&l, " \t\r\n");
    if (l.at != l.n) *out_valid = false;
    cna_buffer_free(&beyond);
    return status;
}
