/* SPDX-License-Identifier: MIT
 * What targets do with a tokenizer that was read. */
#include "text_use.h"

#include "base/utf8.h"
#include "support.h"

static void decode(const cna_tokenizer *tokenizer, const int32_t *ids, size_t n_ids, bool skip_specials)
{
    cna_error err;
    char *text;
    size_t n;
    if (!fuzz_ok(cna_tokenizer_decode(tokenizer, ids, n_ids, skip_specials, &text, &n, &err), &err)) return;
    fuzz_require(text[n] == '\0' && cna_utf8_check(text, n, NULL));
    cna_free(text);
}

void fuzz_use_tokenizer(const cna_tokenizer *tokenizer, const char *text, size_t n_bytes)
{
    size_t n_known = cna_tokenizer_n_ids(tokenizer);
    for (int specials = 0; specials < 2; specials++) {
        cna_error err;
        int32_t *ids;
        size_t n;
        if (!fuzz_ok(cna_tokenizer_encode(tokenizer, text, n_bytes, specials != 0, &ids, &n, &err), &err)) continue;
        for (size_t i = 0; i < n; i++) {
            fuzz_require(ids[i] >= 0 && (size_t)ids[i] < n_known);
            (void)cna_tokenizer_piece(tokenizer, ids[i]);
            (void)cna_tokenizer_is_special(tokenizer, ids[i]);
        }
        decode(tokenizer, ids, n, true);
        decode(tokenizer, ids, n, false);
        cna_free(ids);
    }
    const int32_t outside[] = {0, INT32_MAX, -1, INT32_MIN, (int32_t)n_known};
    decode(tokenizer, outside, sizeof outside / sizeof *outside, false);
}
