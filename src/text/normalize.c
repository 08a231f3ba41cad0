/* SPDX-License-Identifier: MIT
 * Unicode normalisation form C (Unicode Standard Annex 15). The three steps are spelled out because
 * utf8proc_decompose orders combining marks by swapping neighbours, which takes quadratic time on long runs.
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

/* The `tokenizers` package normalises by Unicode 9.0 (its crate unicode-normalization-alignments): to it
 * these later marks, and the parts of U+11938, are characters like any other, which neither move nor compose.
 * Found by comparing tokenizers 0.23 over every combining mark of Unicode 14, those of Unicode 15 added. */
static bool is_newer(int32_t character)
{
    static const struct {
        int32_t first, last;
    } ranges[] = {
        {0x07FD, 0x07FD},   {0x0898, 0x089F},   {0x08CA, 0x08D3},   {0x09FE, 0x09FE},   {0x0C3C, 0x0C3C},
        {0x0D3B, 0x0D3C},   {0x0EBA, 0x0EBA},   {0x1715, 0x1715},   {0x1ABF, 0x1ACE},   {0x1DF6, 0x1DFA},
        {0xA82C, 0xA82C},   {0x10D24, 0x10D27}, {0x10EAB, 0x10EAC}, {0x10EFD, 0x10EFF}, {0x10F46, 0x10F50},
        {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x1133B, 0x1133B}, {0x1145E, 0x1145E}, {0x11839, 0x1183A},
        {0x11930, 0x11930}, {0x11938, 0x11938}, {0x1193D, 0x1193E}, {0x11943, 0x11943}, {0x119E0, 0x119E0},
        {0x11A34, 0x11A34}, {0x11A47, 0x11A47}, {0x11A99, 0x11A99}, {0x11D42, 0x11D42}, {0x11D44, 0x11D45},
        {0x11D97, 0x11D97}, {0x11F41, 0x11F42}, {0x16FF0, 0x16FF1}, {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136},
        {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF}, {0x1E4EC, 0x1E4EF},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges && ranges[i].first <= character; i++) {
        if (character <= ranges[i].last) return true;
    }
    return false;
}

/* Longest canonical decomposition of one character: U+1F82 and its like have 4 parts. */
enum { PARTS_MAX = 18 };

/* Step 1: every character's full canonical decomposition. *out is new. */
static cna_status decompose(const char *text, size_t n_bytes, int32_t **out, size_t *out_n, cna_error *err)
{
    int32_t *characters = NULL;
    size_t n = 0;
    size_t capacity = 0;
    for (size_t i = 0; i < n_bytes;) {
        uint32_t code_point;
        int length = cna_utf8_next(text + i, n_bytes - i, &code_point);
        int last_boundclass = 0;
        cna_status status =
            cna_grow(&characters, &capacity, n + PARTS_MAX, sizeof *characters, "normalised text", err);
        utf8proc_ssize_t n_parts = -1;
        if (status == CNA_OK && is_newer((int32_t)code_point)) {
            characters[n] = (int32_t)code_point;
            n_parts = 1;
        } else if (status == CNA_OK && length > 0) {
            n_parts = utf8proc_decompose_char((utf8proc_int32_t)code_point, characters + n, PARTS_MAX,
                                              UTF8PROC_DECOMPOSE | UTF8PROC_STABLE, &last_boundclass);
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

/* Step 3 for a run without newer characters. */
static cna_status add_composed(int32_t *run, size_t n, cna_buffer *out, cna_error *err)
{
    utf8proc_ssize_t n_composed =
        utf8proc_normalize_utf32(run, (utf8proc_ssize_t)n, UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    if (n_composed < 0) {
        return cna_fail(err, CNA_ERR_INTERNAL, "text: utf8proc cannot compose it: %s",
                        utf8proc_errmsg(n_composed));
    }
    for (utf8proc_ssize_t i = 0; i < n_composed; i++) {
        char encoded[4];
        CNA_TRY(cna_buffer_add(out, encoded, cna_utf8_put((uint32_t)run[i], encoded), err));
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
        if (end < n) {
            char encoded[4];
            CNA_TRY(cna_buffer_add(out, encoded, cna_utf8_put((uint32_t)characters[end], encoded), err));
        }
        begin = end + 1;
    }
    return CNA_OK;
}

cna_status cna_normalize_nfc(const char *text, size_t n_bytes, cna_buffer *out, cna_error *err)
{
    if (is_ascii(text, n_bytes)) return cna_buffer_add(out, text, n_bytes, err);
    int32_t *characters;
    size_t n;
    CNA_TRY(decompose(text, n_bytes, &characters, &n, err));
    cna_status status = reorder(characters, n, err);
    if (status == CNA_OK) status = compose(characters, n, out, err);
    cna_free(characters);
    return status;
}
