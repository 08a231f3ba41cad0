/* SPDX-License-Identifier: MIT
 * Writing HTML and SVG into a buffer. */
#include "study/markup.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

void cna_markup_bytes(cna_markup *markup, const char *bytes, size_t n_bytes)
{
    if (markup->status == CNA_OK) markup->status = cna_buffer_add(&markup->buffer, bytes, n_bytes, markup->err);
}

void cna_markup_put(cna_markup *markup, const char *markup_text)
{
    cna_markup_bytes(markup, markup_text, strlen(markup_text));
}

void cna_markup_format(cna_markup *markup, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (markup->status == CNA_OK && (n < 0 || (size_t)n >= sizeof text)) {
        markup->status = cna_fail(markup->err, CNA_ERR_INTERNAL, "markup: format '%s' failed", format);
    }
    if (markup->status == CNA_OK) cna_markup_bytes(markup, text, (size_t)n);
}

static const char *escape(uint32_t code_point)
{
    switch (code_point) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    case '\t':
    case '\n':
    case '\r':
        return NULL;
    default:
        break;
    }
    bool is_control = code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0);
    return is_control || code_point == 0xfffe || code_point == 0xffff ? "\xEF\xBF\xBD" : NULL;
}

void cna_markup_text(cna_markup *markup, const char *text, size_t n_bytes)
{
    size_t plain = 0; /* bytes before `at` that need no change and are not written yet */
    for (size_t at = 0; at < n_bytes;) {
        uint32_t code_point = 0;
        int n = cna_utf8_next(text + at, n_bytes - at, &code_point);
        const char *instead = n < 0 ? "\xEF\xBF\xBD" : escape(code_point);
        size_t length = (size_t)(n < 0 ? -n : n);
        at += length;
        if (instead == NULL) {
            plain += length;
            continue;
        }
        cna_markup_bytes(markup, text + at - length - plain, plain);
        cna_markup_put(markup, instead);
        plain = 0;
    }
    cna_markup_bytes(markup, text + n_bytes - plain, plain);
}

void cna_markup_string(cna_markup *markup, const char *text)
{
    if (text != NULL) cna_markup_text(markup, text, strlen(text));
}

enum { NUMBER_BYTES = 352 }; /* 309 digits before the point, sign, point, decimals */

/* A decimal point whatever the locale, and no "-0". */
static int fixed(char text[NUMBER_BYTES], double value, int decimals)
{
    int n = snprintf(text, NUMBER_BYTES, "%.*f", decimals, isfinite(value) ? value : 0);
    char *comma = strchr(text, ',');
    if (comma != NULL) *comma = '.';
    if (text[0] != '-' || strspn(text + 1, "0.") != (size_t)n - 1) return n;
    memmove(text, text + 1, (size_t)n);
    return n - 1;
}

void cna_markup_fixed(cna_markup *markup, double value, int decimals)
{
    char text[NUMBER_BYTES];
    fixed(text, value, decimals);
    cna_markup_put(markup, text);
}

void cna_markup_number(cna_markup *markup, double value, int decimals)
{
    char text[NUMBER_BYTES];
    int n = fixed(text, value, decimals);
    if (strchr(text, '.') != NULL) {
        while (text[n - 1] == '0') text[--n] = '\0';
        if (text[n - 1] == '.') text[--n] = '\0';
    }
    cna_markup_put(markup, text);
}

void cna_markup_attribute(cna_markup *markup, const char *name, double value)
{
    cna_markup_format(markup, " %s=\"", name);
    cna_markup_number(markup, value, 2);
    cna_markup_put(markup, "\"");
}
