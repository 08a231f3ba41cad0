/* SPDX-License-Identifier: MIT
 * Unicode normalisation forms (Unicode Standard Annex 15), marks and lower case. The three steps are spelled out
 * because utf8proc_decompose orders combining marks by swapping neighbours, which takes quadratic time on long runs.
 */
#include "text/normalize.h"

#include <string.h>
#include <utf8proc.h>

#include "base/utf8.h"

static bool is_ascii(const char *text, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++) {
        if ((unsigned char)text[i] >= 0x80) return false;
    }
    return true;
}

typedef struct range {
    int32_t first, last;
} range;

/* Ranges in ascending order. */
static bool is_within(int32_t character, const range *ranges, size_t n)
{
    for (size_t i = 0; i < n && ranges[i].first <= character; i++) {
        if (character <= ranges[i].last) return true;
    }
    return false;
}

/* The `tokenizers` package normalises by Unicode 9.0 (its crate unicode-normalization-alignments): to it
 * these later marks, the parts of U+11938 and later compatibility characters are characters like any other, which
 * neither move nor compose nor decompose. Found by comparing tokenizers 0.23 over every character of Unicode 14, those
 * of Unicode 15 added. */
static bool is_newer(int32_t character)
{
    static const range ranges[] = {
        {0x07FD, 0x07FD},   {0x0898, 0x089F},   {0x08CA, 0x08D3},   {0x09FE, 0x09FE},   {0x0C3C, 0x0C3C},
        {0x0D3B, 0x0D3C},   {0x0EBA, 0x0EBA},   {0x1715, 0x1715},   {0x1ABF, 0x1ACE},   {0x1DF6, 0x1DFA},
        {0x32FF, 0x32FF},   {0xA7F2, 0xA7F4},   {0xA82C, 0xA82C},   {0xAB69, 0xAB69},   {0x10781, 0x10785},
        {0x10787, 0x107B0}, {0x107B2, 0x107BA}, {0x10D24, 0x10D27}, {0x10EAB, 0x10EAC}, {0x10EFD, 0x10EFF},
        {0x10F46, 0x10F50}, {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x1133B, 0x1133B}, {0x1145E, 0x1145E},
        {0x11839, 0x1183A}, {0x11930, 0x11930}, {0x11938, 0x11938}, {0x1193D, 0x1193E}, {0x11943, 0x11943},
        {0x119E0, 0x119E0}, {0x11A34, 0x11A34}, {0x11A47, 0x11A47}, {0x11A99, 0x11A99}, {0x11D42, 0x11D42},
        {0x11D44, 0x11D45}, {0x11D97, 0x11D97}, {0x11F41, 0x11F42}, {0x16FF0, 0x16FF1}, {0x1E030, 0x1E06D},
        {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF}, {0x1E4EC, 0x1E4EF},
        {0x1F16C, 0x1F16C}, {0x1FBF0, 0x1FBF9},
    };
    return is_within(character, ranges, sizeof ranges / sizeof *ranges);
}

/* Longest decomposition of one character: U+FDFA has 18 compatibility parts. */
enum { PARTS_MAX = 18 };

/* Step 1: every character's full decomposition. *out is new. */
static cna_status decompose(const char *text, size_t n_bytes, bool compatibility, int32_t **out, size_t *out_n,
                            cna_error *err)
{
    utf8proc_option_t options =
        (utf8proc_option_t)(UTF8PROC_DECOMPOSE | UTF8PROC_STABLE | (compatibility ? UTF8PROC_COMPAT : 0));
    int32_t *characters = NULL;
    size_t n = 0;
    size_t capacity = 0;
    for (size_t i = 0; i < n_bytes;) {
        uint32_t code_point;
        int length = cna_utf8_next(text + i, n_bytes - i, &code_point);
        int last_boundclass = 0;
        cna_status status = cna_grow(&characters, &capacity, n + PARTS_MAX, sizeof *characters, "normalised text", err);
        utf8proc_ssize_t n_parts = -1;
        if (status == CNA_OK && is_newer((int32_t)code_point)) {
            characters[n] = (int32_t)code_point;
            n_parts = 1;
        } else if (status == CNA_OK && length > 0) {
            n_parts = utf8proc_decompose_char((utf8proc_int32_t)code_point, characters + n, PARTS_MAX, options,
                                              &last_boundclass);
        }
        if (status == CNA_OK && (n_parts < 0 || n_parts > PARTS_MAX)) {
            status = cna_fail(err, CNA_ERR_INTERNAL, "text, byte %zu: utf8proc cannot decompose U+%04X", i,
                              (unsigned)code_point);
        }
        if (status != CNA_OK) {
            cna_free(characters);
            return status;
        }
        n += (size_t)n_parts;
        i += (size_t)length;
    }
    *out = characters;
    *out_n = n;
    return CNA_OK;
}

static unsigned combining_class(int32_t character)
{
    return is_newer(character) ? 0 : (unsigned)utf8proc_get_property(character)->combining_class & 0xFFu;
}

/* Step 2 for one run of combining marks: a stable counting sort by class. */
static void sort_run(int32_t *run, size_t n, int32_t *spare)
{
    size_t place[257] = {0};
    for (size_t i = 0; i < n; i++) place[combining_class(run[i]) + 1]++;
    for (size_t c = 1; c < 257; c++) place[c] += place[c - 1];
    for (size_t i = 0; i < n; i++) spare[place[combining_class(run[i])]++] = run[i];
    memcpy(run, spare, n * sizeof *run);
}

static cna_status reorder(int32_t *characters, size_t n, cna_error *err)
{
    int32_t *spare = NULL;
    for (size_t i = 0; i < n;) {
        size_t end = i;
        while (end < n && combining_class(characters[end]) != 0) end++;
        if (end - i > 1) {
            if (spare == NULL) CNA_TRY(cna_alloc(&spare, n, sizeof *spare, "combining marks", err));
            sort_run(characters + i, end - i, spare);
        }
        i = end == i ? i + 1 : end;
    }
    cna_free(spare);
    return CNA_OK;
}

static cna_status add_character(int32_t character, cna_buffer *out, cna_error *err)
{
    char encoded[4];
    return cna_buffer_add(out, encoded, cna_utf8_put((uint32_t)character, encoded), err);
}

/* Step 3 for a run without newer characters. */
static cna_status add_composed(int32_t *run, size_t n, cna_buffer *out, cna_error *err)
{
    utf8proc_ssize_t n_composed =
        utf8proc_normalize_utf32(run, (utf8proc_ssize_t)n, UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    if (n_composed < 0) {
        return cna_fail(err, CNA_ERR_INTERNAL, "text: utf8proc cannot compose it: %s", utf8proc_errmsg(n_composed));
    }
    for (utf8proc_ssize_t i = 0; i < n_composed; i++) {
        CNA_TRY(add_character(run[i], out, err));
    }
    return CNA_OK;
}

/* Step 3: newer characters part the text into runs. */
static cna_status compose(int32_t *characters, size_t n, cna_buffer *out, cna_error *err)
{
    for (size_t begin = 0; begin < n;) {
        size_t end = begin;
        while (end < n && !is_newer(characters[end])) end++;
        CNA_TRY(add_composed(characters + begin, end - begin, out, err));
        if (end < n) CNA_TRY(add_character(characters[end], out, err));
        begin = end + 1;
    }
    return CNA_OK;
}

cna_status cna_normalize(cna_unicode_form form, const char *text, size_t n_bytes, cna_buffer *out, cna_error *err)
{
    if (is_ascii(text, n_bytes)) return cna_buffer_add(out, text, n_bytes, err);
    bool compatibility = form == CNA_UNICODE_NFKC || form == CNA_UNICODE_NFKD;
    bool composed = form == CNA_UNICODE_NFC || form == CNA_UNICODE_NFKC;
    int32_t *characters;
    size_t n;
    CNA_TRY(decompose(text, n_bytes, compatibility, &characters, &n, err));
    cna_status status = reorder(characters, n, err);
    if (composed && status == CNA_OK) status = compose(characters, n, out, err);
    for (size_t i = 0; !composed && status == CNA_OK && i < n; i++) status = add_character(characters[i], out, err);
    cna_free(characters);
    return status;
}

/* ------------------------------------------------------------------------------------ one character at a time */

/* What was a mark in Unicode 9.0, found as is_newer's ranges were. */
static bool is_mark(int32_t character)
{
    static const range later[] = {
        {0x07FD, 0x07FD},   {0x0898, 0x089F},   {0x08CA, 0x08D3},   {0x09FE, 0x09FE},   {0x0AFA, 0x0AFF},
        {0x0B55, 0x0B55},   {0x0C04, 0x0C04},   {0x0C3C, 0x0C3C},   {0x0CF3, 0x0CF3},   {0x0D00, 0x0D00},
        {0x0D3B, 0x0D3C},   {0x0D81, 0x0D81},   {0x0EBA, 0x0EBA},   {0x0ECE, 0x0ECE},   {0x1715, 0x1715},
        {0x180F, 0x180F},   {0x1ABF, 0x1ACE},   {0x1CF7, 0x1CF7},   {0x1DF6, 0x1DFA},   {0xA82C, 0xA82C},
        {0xA8FF, 0xA8FF},   {0x10D24, 0x10D27}, {0x10EAB, 0x10EAC}, {0x10EFD, 0x10EFF}, {0x10F46, 0x10F50},
        {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x11073, 0x11074}, {0x110C2, 0x110C2}, {0x11145, 0x11146},
        {0x111C9, 0x111C9}, {0x111CE, 0x111CF}, {0x11241, 0x11241}, {0x1133B, 0x1133B}, {0x1145E, 0x1145E},
        {0x1182C, 0x1183A}, {0x11930, 0x11935}, {0x11937, 0x11938}, {0x1193B, 0x1193E}, {0x11940, 0x11940},
        {0x11942, 0x11943}, {0x119D1, 0x119D7}, {0x119DA, 0x119E0}, {0x119E4, 0x119E4}, {0x11A01, 0x11A0A},
        {0x11A33, 0x11A39}, {0x11A3B, 0x11A3E}, {0x11A47, 0x11A47}, {0x11A51, 0x11A5B}, {0x11A8A, 0x11A99},
        {0x11D31, 0x11D36}, {0x11D3A, 0x11D3A}, {0x11D3C, 0x11D3D}, {0x11D3F, 0x11D45}, {0x11D47, 0x11D47},
        {0x11D8A, 0x11D8E}, {0x11D90, 0x11D91}, {0x11D93, 0x11D97}, {0x11EF3, 0x11EF6}, {0x11F00, 0x11F01},
        {0x11F03, 0x11F03}, {0x11F34, 0x11F3A}, {0x11F3E, 0x11F42}, {0x13440, 0x13440}, {0x13447, 0x13455},
        {0x16F4F, 0x16F4F}, {0x16F7F, 0x16F87}, {0x16FE4, 0x16FE4}, {0x16FF0, 0x16FF1}, {0x1CF00, 0x1CF2D},
        {0x1CF30, 0x1CF46}, {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF},
        {0x1E4EC, 0x1E4EF},
    };
    utf8proc_category_t category = utf8proc_category(character);
    bool mark =
        category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC || category == UTF8PROC_CATEGORY_ME;
    /* These two have become letters. */
    if (character == 0x1CF2 || character == 0x1CF3) return true;
    return mark && !is_within(character, later, sizeof later / sizeof *later);
}

cna_status cna_strip_accents(const char *text, size_t n_bytes, cna_buffer *out, cna_error *err)
{
    for (size_t i = 0; i < n_bytes;) {
        uint32_t character;
        int length = cna_utf8_next(text + i, n_bytes - i, &character);
        if (!is_mark((int32_t)character)) CNA_TRY(cna_buffer_add(out, text + i, (size_t)length, err));
        i += (size_t)length;
    }
    return CNA_OK;
}

cna_status cna_lowercase(const char *text, size_t n_bytes, cna_buffer *out, cna_error *err)
{
    for (size_t i = 0; i < n_bytes;) {
        uint32_t character;
        i += (size_t)cna_utf8_next(text + i, n_bytes - i, &character);
        /* The only character whose lower case, where nothing around it counts, is two. */
        if (character == 0x130)
            CNA_TRY(cna_buffer_add_text(out, "i\xCC\x87", err));
        else
            CNA_TRY(add_character(utf8proc_tolower((int32_t)character), out, err));
    }
    return CNA_OK;
}

bool cna_is_white_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool cna_is_word(uint32_t c)
{
    if (c == 0x200C || c == 0x200D || (c >= 0x24B6 && c <= 0x24E9)) return true;
    if ((c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189)) return true;
    utf8proc_category_t category = utf8proc_category((int32_t)c);
    return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NL) || category == UTF8PROC_CATEGORY_PC;
}
