/* SPDX-License-Identifier: MIT
 * A small tokenizer.json for tests: the 256 bytes as ids 0..255, and a token for each merge after them. */
#ifndef CNA_TESTS_TOKENIZER_FIXTURE_H
#define CNA_TESTS_TOKENIZER_FIXTURE_H

#include "cna.h"

/* JSON of each part; NULL: as Llama 3 has it, with no merges, no added tokens and no post-processor. */
typedef struct tokenizer_fixture {
    const char *const *merges; /* ? "a b", written in the byte-level alphabet; NULL at the end */
    bool pairs;                /* merges as ["a", "b"] */
    const char *added_tokens, *normalizer, *pre_tokenizer, *post_processor, *decoder;
    const char *model; /* further members of the model, each with a comma in front */
} tokenizer_fixture;

/* Write folder/tokenizer.json. */
void tokenizer_fixture_write(const char *folder, const tokenizer_fixture *fixture);

/* The same in a folder of its own, opened. */
cna_tokenizer *tokenizer_fixture_open(const tokenizer_fixture *fixture);

#endif
