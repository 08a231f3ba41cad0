/* SPDX-License-Identifier: MIT
 * Prompts as every contrast takes them: formatted, tokenised, and in the order in which they are summed, which is their
 * own and not their file's; and what its result states of them and of the model. */
#ifndef CNA_METHOD_CANONICAL_H
#define CNA_METHOD_CANONICAL_H

#include "method/circuit.h"
#include "text/prompts.h"

/* Sort token lists lexicographically by their ids, a list before those it begins. Only the views move; lists
 * of the same ids are interchangeable, since the model gives the same bits for them. */
void cna_canonical_sort(cna_token_list *lists, size_t n_lists);

/* For a chat prompt: the date that the model's template inserts, so that it can be recorded and given again.
 *   format  what the caller asked for; its date may be NULL: today's, local time
 *   out     the date "YYYY-MM-DD", or "" where the template inserts none or one of its own
 * Found by rendering with different dates: a template that ignores them makes prompts that depend on none. */
CNA_MUST_CHECK cna_status cna_canonical_date(const cna_tokenizer *tokenizer, const cna_format *format, char out[11],
                                             cna_error *err);

/* What prompts depend on, filled in so that they can be made again.
 *   format  read and written: for chat its date becomes `date`, unless that is ""
 *   date    as from cna_canonical_date; "" for raw text; format may point to it, so it must live as long
 *   chat    whether the format means chat on this tokenizer */
CNA_MUST_CHECK cna_status cna_canonical_format(const cna_tokenizer *tokenizer, cna_format *format, char date[11],
                                               bool *chat, cna_error *err);

/* A set of prompts as token ids in canonical order.
 *   name  of the set in messages, such as "positive"
 *   out   new lists, freed by cna_token_lists_free
 * Errors: as cna_prompts_tokenize, the name before its text; ERR_ARG for a set without prompts. */
CNA_MUST_CHECK cna_status cna_canonical_lists(const cna_model *model, const cna_prompts *prompts, const char *name,
                                              const cna_format *format, cna_token_lists *out, cna_error *err);

/* What else chat prompts depend on, as cna_circuit_info's chat_options; "" where nothing is given.
 *   name  what is to state it in messages, such as "circuit"
 * Errors: ERR_ARG where it is too long; as cna_format_describe_prompts. */
CNA_MUST_CHECK cna_status cna_canonical_options(const cna_format *format, const char *name, char *out, size_t size,
                                                cna_error *err);

/* The SHA-256 of each prompt of a set, in its own order.
 *   out  new array of *out_n, freed by cna_free */
CNA_MUST_CHECK cna_status cna_canonical_hashes(const cna_prompts *prompts, cna_sha256_text **out, size_t *out_n,
                                               cna_error *err);

/* What a model was computed in, as cna_circuit_info's model_dtype. */
void cna_canonical_dtype(const cna_model_info *model, char out[16]);

#endif
