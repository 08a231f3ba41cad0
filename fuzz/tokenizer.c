/* SPDX-License-Identifier: MIT
 * A tokenizer.json, and behind a NUL a text that it encodes. */
#include "support.h"

#include "text/tokenizer.h"
#include "text_use.h"

enum { TEXT_BYTES_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char sample[] = "  Name a Tree, caf\xC3\xA9\xE2\x80\x94 12345 \xF0\x9F\x99\x82\r\n\tdon't <s>";
    fuzz_bytes text, json = fuzz_split(data, size, &text);
    cna_error err;
    cna_tokenizer *tokenizer;
    fuzz_bound(size, 128 << 20, 256); /* a table up to the largest id that is taken */
    (void)fuzz_file("tokenizer.json", json.text, json.n);
    if (!fuzz_ok(cna_tokenizer_open(fuzz_folder(), &tokenizer, &err), &err)) return 0;
    fuzz_use_tokenizer(tokenizer, sample, sizeof sample - 1);
    fuzz_use_tokenizer(tokenizer, text.text, text.n < TEXT_BYTES_MAX ? text.n : TEXT_BYTES_MAX);
    cna_tokenizer_free(tokenizer);
    return 0;
}
