/* SPDX-License-Identifier: MIT
 * The order in which prompts are summed, which is their own and not their file's. */
#ifndef CNA_METHOD_CANONICAL_H
#define CNA_METHOD_CANONICAL_H

#include "text/prompts.h"

/* Sort token lists lexicographically by their ids, a list before those it begins. Only the views move; lists
 * of the same ids are interchangeable, since the model gives the same bits for them. */
void cna_canonical_sort(cna_token_list *lists, size_t n_lists);

/* For a chat prompt: the date that the model's template inserts, so that it can be recorded and given again.
 *   date  ? what the caller asked for; NULL: today's, local time
 *   out   the date "YYYY-MM-DD", or "" where the template inserts none or one of its own
 * Found by rendering with different dates: a template that ignores them makes prompts that depend on none. */
CNA_MUST_CHECK cna_status cna_canonical_date(const cna_tokenizer *tokenizer, const char *date, char out[11],
                                             cna_error *err);

#endif
