/* SPDX-License-Identifier: MIT
 * What targets do with a tokenizer that was read. */
#ifndef CNA_FUZZ_TEXT_USE_H
#define CNA_FUZZ_TEXT_USE_H

#include "cna.h"

/* Encode a text, which need not be UTF-8, with and without special tokens, and decode the ids both ways. Ids must be
 * the tokenizer's and decoded texts UTF-8. */
void fuzz_use_tokenizer(const cna_tokenizer *tokenizer, const char *text, size_t n_bytes);

#endif
