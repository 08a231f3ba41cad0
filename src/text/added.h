/* SPDX-License-Identifier: MIT
 * Added tokens: strings such as <|eot_id|> that are found in the text before it is split into words. */
#ifndef CNA_TEXT_ADDED_H
#define CNA_TEXT_ADDED_H

#include "base/memory.h"

/* A set of strings as a tree of bytes; all-zero is empty. */
typedef struct cna_added {
    struct cna_added_node *nodes; /* [n_nodes]; 0 is the root */
    size_t n_nodes, capacity;
} cna_added;

/* Add a string of n_bytes > 0 that stands for an id; added twice, the later id counts. */
CNA_MUST_CHECK cna_status cna_added_add(cna_added *added, const char *text, size_t n_bytes, int32_t id, cna_error *err);
void cna_added_free(cna_added *added);

/* The leftmost string of the set at or after `from`, the longest of those that begin there. Returns its id, or -1 with
 * *start = *end = n_bytes where there is none. */
int32_t cna_added_find(const cna_added *added, const char *text, size_t n_bytes, size_t from, size_t *start,
                       size_t *end);

#endif
