/* SPDX-License-Identifier: MIT
 * Prompt lists: read from files, turned into token ids. */
#ifndef CNA_TEXT_PROMPTS_H
#define CNA_TEXT_PROMPTS_H

#include "base/memory.h"

typedef struct cna_token_list {
    int32_t *ids; /* [n] */
    size_t n;
} cna_token_list;

typedef struct cna_token_lists {
    cna_token_list *items; /* [n] */
    size_t n;
} cna_token_lists;

/* Whether a format means chat for this tokenizer; a NULL format is AUTO. */
bool cna_format_is_chat(const cna_tokenizer *tokenizer, const cna_format *format);

/* Format and tokenise every prompt (METHOD section 2). Prompts given as ids are copied as they are.
 *   vocab_size  embedding rows of the model; an id past the last row is an error
 *   out         new lists, in the prompts' order; freed by cna_token_lists_free
 * Errors: ERR_ARG for an empty list of prompts, a prompt of no tokens, or an id outside 0..vocab_size-1;
 * ERR_UNSUPPORTED for chat without a known template. */
CNA_MUST_CHECK cna_status cna_prompts_tokenize(const cna_prompts *prompts, const cna_tokenizer *tokenizer,
                                               const cna_format *format, size_t vocab_size,
                                               cna_token_lists *out, cna_error *err);
void cna_token_lists_free(cna_token_lists *lists);

/* Say what kind the prompt that was added last is of.
 *   category  [n_bytes] UTF-8 without NUL, copied; n_bytes 0: not said */
CNA_MUST_CHECK cna_status cna_prompts_set_category(cna_prompts *prompts, const char *category, size_t n_bytes,
                                                   cna_error *err);

/* Say on which line of its file the prompt that was added last begins. */
void cna_prompts_set_line(cna_prompts *prompts, size_t line);

/* SHA-256 of prompt i's text (of its ids as little-endian int32 where it is a list of ids), hexadecimal. */
CNA_MUST_CHECK cna_status cna_prompts_sha256(const cna_prompts *prompts, size_t i, char out[65],
                                             cna_error *err);

#endif
