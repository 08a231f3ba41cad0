/* SPDX-License-Identifier: MIT
 * Errors as values. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

const char *cna_status_text(cna_status status)
{
    switch (status) {
#define X(name, text)                                                                                        \
    case CNA_##name:                                                                                         \
        return text;
        CNA_STATUS_LIST(X)
#undef X
    }
    return "unknown status";
}

/* Ends a line or turns its direction: what follows would not be read where it stands. */
static bool turns_lines(uint32_t code_point)
{
    return (code_point >= 0x2028 && code_point <= 0x202e) || (code_point >= 0x2066 && code_point <= 0x2069);
}

/* A file name or a token can hold anything, and "%.60s" may cut inside a character; a message is one line of
 * printable text. */
static void flatten(char *text)
{
    size_t n_bytes = strlen(text);
    for (size_t i = 0; i < n_bytes;) {
        uint32_t code_point = 0;
        int n = cna_utf8_next(text + i, n_bytes - i, &code_point);
        bool control = code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0);
        if (n < 0 || control || turns_lines(code_point)) memset(text + i, '?', (size_t)(n < 0 ? -n : n));
        i += (size_t)(n < 0 ? -n : n);
    }
}

/* vsnprintf may have cut inside a UTF-8 sequence: drop the incomplete tail. */
static void trim_partial_utf8(char *text, size_t capacity)
{
    size_t n = strlen(text);
    if (n + 1 < capacity) return;
    size_t back = 0;
    while (back < 4 && back < n && ((unsigned char)text[n - 1 - back] & 0xC0) == 0x80) back++;
    if (back < n && (unsigned char)text[n - 1 - back] >= 0xC0) text[n - 1 - back] = '\0';
}

cna_status cna_fail(cna_error *err, cna_status status, const char *format, ...)
{
    if (err == NULL) return status;
    err->status = status;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(err->text, sizeof err->text, format, arguments);
    va_end(arguments);
    trim_partial_utf8(err->text, sizeof err->text);
    flatten(err->text);
    return status;
}

cna_status cna_fail_memory(cna_error *err, const char *what, size_t n_bytes)
{
    return cna_fail(err, CNA_ERR_MEMORY, "out of memory: %s needs %zu bytes", what, n_bytes);
}

cna_status cna_fail_prefix(cna_error *err, cna_status status, const char *prefix)
{
    if (err == NULL) return status;
    char text[sizeof err->text];
    memcpy(text, err->text, sizeof text);
    return cna_fail(err, status, "%s: %s", prefix, text);
}
