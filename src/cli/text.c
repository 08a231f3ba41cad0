/* SPDX-License-Identifier: MIT
 * Text on its way to a screen. */
#include "cli/text.h"

#include <string.h>

size_t cli_utf8_next(const char *text, size_t n_bytes, uint32_t *out_point)
{
    static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (n_bytes == 0) return 0;
    unsigned char first = (unsigned char)text[0];
    size_t n = first < 0x80   ? 1
               : first < 0xC2 ? 0
               : first < 0xE0 ? 2
               : first < 0xF0 ? 3
               : first < 0xF5 ? 4
                              : 0;
    if (n == 0 || n > n_bytes) return 0;
    uint32_t point = n == 1 ? first : first & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)text[i] & 0xC0) != 0x80) return 0;
        point = point << 6 | ((unsigned char)text[i] & 0x3Fu);
    }
    if (point < smallest[n] || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) return 0;
    *out_point = point;
    return n;
}

size_t cli_utf8_invalid_at(const char *text, size_t n_bytes)
{
    uint32_t point;
    size_t at = 0;
    while (at < n_bytes) {
        size_t n = cli_utf8_next(text + at, n_bytes - at, &point);
        if (n == 0) return at;
        at += n;
    }
    return n_bytes;
}

bool cli_utf8_valid(const char *text, size_t n_bytes)
{
    return cli_utf8_invalid_at(text, n_bytes) == n_bytes;
}

size_t cli_utf8_count(const char *text, size_t n_bytes)
{
    size_t count = 0;
    uint32_t point;
    for (size_t at = 0; at < n_bytes; count++) {
        size_t n = cli_utf8_next(text + at, n_bytes - at, &point);
        at += n == 0 ? 1 : n;
    }
    return count;
}

/* Characters that move the cursor, change direction or cannot be seen. */
static bool is_unsafe(uint32_t point)
{
    return point < 0x20 || (point >= 0x7F && point < 0xA0) || (point >= 0x200B && point <= 0x200F) ||
           (point >= 0x2028 && point <= 0x202E) || (point >= 0x2060 && point <= 0x206F) || point == 0xFEFF;
}

/* What to show for the first character of text, in shown[16]; returns the bytes of text that it stands for.
 */
static size_t show_character(const char *text, size_t n_bytes, cli_lines lines, char *shown)
{
    uint32_t point;
    size_t n = cli_utf8_next(text, n_bytes, &point);
    if (n == 0) {
        snprintf(shown, 16, "\\x%02x", (unsigned)(unsigned char)text[0]);
        return 1;
    }
    bool layout = point == '\n' || point == '\t';
    if (!is_unsafe(point) || (layout && lines == CLI_MANY_LINES)) {
        memcpy(shown, text, n);
        shown[n] = '\0';
    } else if (layout || point == '\r') {
        snprintf(shown, 16, "\\%c", point == '\n' ? 'n' : point == '\t' ? 't' : 'r');
    } else {
        snprintf(shown, 16, point < 0x100 ? "\\x%02x" : "\\u%04x", (unsigned)point);
    }
    return n;
}

void cli_put_safe(FILE *stream, const char *text, size_t n_bytes, cli_lines lines)
{
    char shown[16];
    for (size_t at = 0; at < n_bytes;) {
        at += show_character(text + at, n_bytes - at, lines, shown);
        fputs(shown, stream);
    }
}

void cli_format_safe(char *out, size_t capacity, const char *text, size_t n_bytes)
{
    char shown[16];
    size_t n_out = 0, fits = 0; /* fits: where "..." still has room behind */
    for (size_t at = 0; at < n_bytes;) {
        at += show_character(text + at, n_bytes - at, CLI_ONE_LINE, shown);
        size_t n = strlen(shown);
        if (n_out + n >= capacity) {
            memcpy(out + fits, "...", 4);
            return;
        }
        memcpy(out + n_out, shown, n);
        n_out += n;
        if (n_out + 4 <= capacity) fits = n_out;
    }
    out[n_out] = '\0';
}

/* Edits (insert, delete, replace, swap neighbours) that turn a into b; words past 31 bytes never match. */
static size_t edit_distance(const char *a, const char *b)
{
    enum { MAX = 32 };
    size_t n_a = strlen(a), n_b = strlen(b);
    if (n_a >= MAX || n_b >= MAX) return MAX;
    size_t row[MAX + 1][MAX + 1];
    for (size_t i = 0; i <= n_a; i++) row[i][0] = i;
    for (size_t j = 0; j <= n_b; j++) row[0][j] = j;
    for (size_t i = 1; i <= n_a; i++) {
        for (size_t j = 1; j <= n_b; j++) {
            size_t best = row[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (row[i - 1][j] + 1 < best) best = row[i - 1][j] + 1;
            if (row[i][j - 1] + 1 < best) best = row[i][j - 1] + 1;
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && row[i - 2][j - 2] + 1 < best) best = row[i - 2][j - 2] + 1;
            row[i][j] = best;
        }
    }
    return row[n_a][n_b];
}

const char *cli_nearest(const char *word, const char *const *candidates)
{
    const char *nearest = NULL;
    size_t limit = strlen(word) / 3 + 1, best = limit + 1;
    for (; *candidates != NULL; candidates++) {
        size_t n = strlen(word);
        size_t distance = edit_distance(word, *candidates);
        if (n >= 3 && strncmp(word, *candidates, n) == 0) distance = 1; /* the beginning of a longer name */
        if (distance < best) {
            best = distance;
            nearest = *candidates;
        }
    }
    return nearest;
}
