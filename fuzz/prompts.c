/* SPDX-License-Identifier: MIT
 * A prompt file: the same bytes as .txt, .jsonl and .csv, with the usual column and with another. */
#include "support.h"

#include <string.h>

#include "base/utf8.h"

static void read(const char *path, const char *column)
{
    cna_error err;
    cna_prompts *prompts;
    if (!fuzz_ok(cna_prompts_read(path, column, &prompts, &err), &err)) return;
    fuzz_require(cna_prompts_count(prompts) > 0);
    for (size_t i = 0; i < cna_prompts_count(prompts); i++) {
        size_t n = 0;
        const char *text = cna_prompts_text(prompts, i, &n), *category = cna_prompts_category(prompts, i);
        if (text != NULL) fuzz_require(text[n] == '\0' && cna_utf8_check(text, n, NULL));
        if (category != NULL) fuzz_require(cna_utf8_check(category, strlen(category), NULL));
    }
    cna_prompts_free(prompts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"p.txt", "p.jsonl", "p.csv"};
    fuzz_bound(size, 1 << 20, 256);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *path = fuzz_file(names[i], data, size);
        read(path, NULL);
        read(path, "a");
    }
    return 0;
}
