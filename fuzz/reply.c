/* SPDX-License-Identifier: MIT
 * What a judge sends: the words of a reply, the body that holds them, and the body of an error. */
#include "support.h"

#include <string.h>

#include "study/judge_reply.h"
#include "study/judge_wire.h"

static void read_words(const char *text, size_t n)
{
    cna_error err;
    cna_judge_verdict verdict;
    if (fuzz_ok(cna_judge_reply_read(CNA_JUDGE_STRONGREJECT, text, n, &verdict, &err), &err))
        fuzz_require(verdict.score >= 0 && verdict.score <= 1);
    if (fuzz_ok(cna_judge_reply_read(CNA_JUDGE_RATING, text, n, &verdict, &err), &err))
        fuzz_require(verdict.score >= 0.1 && verdict.score <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    cna_error err;
    cna_judge_answer answer;
    char complaint[200];
    fuzz_bound(size, 1 << 16, 64);
    read_words(text, size);
    cna_judge_wire_complaint(text, size, "secret-key-0123456789", complaint, sizeof complaint);
    fuzz_require(strlen(complaint) < sizeof complaint && strstr(complaint, "secret-key-0123456789") == NULL);
    if (fuzz_ok(cna_judge_wire_reply(text, size, &answer, &err), &err)) {
        read_words(answer.text, answer.n_bytes);
        cna_free(answer.text);
    }
    return 0;
}
