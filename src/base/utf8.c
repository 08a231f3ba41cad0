/* SPDX-License-Identifier: MIT
 * UTF-8. */
#include "base/utf8.h"

/* Length of the sequence that a first byte announces, and the range allowed for its second byte (Unicode 15, table
 * 3-7); length 0 for a byte that begins nothing. */
static int lead(unsigned char first, unsigned char *low, unsigned char *high)
{
    *low = 0x80;
    *high = 0xBF;
    if (first < 0x80) return 1;
    if (first >= 0xC2 && first <= 0xDF) return 2;
    if (first >= 0xE0 && first <= 0xEF) {
        if (first == 0xE0) *low = 0xA0;
        if (first == 0xED) *high = 0x9F;
        return 3;
    }
    if (first >= 0xF0 && first <= 0xF4) {
        if (first == 0xF0) *low = 0x90;
        if (first == 0xF4) *high = 0x8F;
        return 4;
    }
    return 0;
}

int cna_utf8_next(const char *bytes, size_t n_bytes, uint32_t *code_point)
{
    const unsigned char *p = (const unsigned char *)bytes;
    unsigned char low, high;
    int length = lead(p[0], &low, &high);
    if (length == 0) return -1;
    if (length == 1) {
        *code_point = p[0];
        return 1;
    }
    uint32_t value = p[0] & (0x7Fu >> length);
    for (int i = 1; i < length; i++) {
        if ((size_t)i >= n_bytes || p[i] < low || p[i] > high) return -i;
        low = 0x80;
        high = 0xBF;
        value = value << 6 | (p[i] & 0x3Fu);
    }
    *code_point = value;
    return length;
}

bool cna_utf8_check(const char *bytes, size_t n_bytes, size_t *bad_offset)
{
    for (size_t i = 0; i < n_bytes;) {
        uint32_t code_point;
        int n = cna_utf8_next(bytes + i, n_bytes - i, &code_point);
        if (n < 0) {
            if (bad_offset != NULL) *bad_offset = i;
            return false;
        }
        i += (size_t)n;
    }
    return true;
}

size_t cna_utf8_put(uint32_t code_point, char out[4])
{
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    size_t n = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code_point & 0x3F));
        code_point >>= 6;
    }
    static const unsigned char marks[5] = {0, 0, 0xC0, 0xE0, 0xF0};
    out[0] = (char)(marks[n] | code_point);
    return n;
}

size_t cna_utf8_incomplete_tail(const char *bytes, size_t n_bytes)
{
    for (size_t back = 1; back <= 3 && back <= n_bytes; back++) {
        unsigned char low, high;
        int length = lead((unsigned char)bytes[n_bytes - back], &low, &high);
        if (length <= 1) continue;
        uint32_t code_point;
        int n = cna_utf8_next(bytes + n_bytes - back, back, &code_point);
        return (size_t)length > back && n == -(int)back ? back : 0;
    }
    return 0;
}

bool cna_utf8_is_space(uint32_t c)
{
    if (c < 0x80) return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20);
    return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

bool cna_ascii_equal(const char *a, size_t n_a, const char *b, size_t n_b)
{
    if (n_a != n_b) return false;
    for (size_t i = 0; i < n_a; i++) {
        char x = a[i] >= 'A' && a[i] <= 'Z' ? (char)(a[i] + 32) : a[i];
        char y = b[i] >= 'A' && b[i] <= 'Z' ? (char)(b[i] + 32) : b[i];
        if (x != y) return false;
    }
    return true;
}
