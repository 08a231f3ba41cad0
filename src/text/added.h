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

/* What else an added token asks for, as bits. */
enum {
    CNA_ADDED_LEFT = 1,  /* takes the white space before it */
    CNA_ADDED_RIGHT = 2, /* takes the white space after it */
    CNA_ADDED_WORD = 4   /* counts only where no word character touches it */
};

/* A string that was found: its place, what it stands for, its bits. */
typedef struct cna_added_match {
    size_t start, end;
    int32_t id;
    unsigned flags;
} cna_added_match;

/* Add a string of n_bytes > 0 that stands for an id; added twice, the first id counts. */
CNA_MUST_CHECK cna_status cna_added_add(cna_added *added, const char *text, size_t n_bytes, int32_t id, unsigned flags,
                                        cna_error *err);
void cna_added_free(cna_added *added);

/* The leftmost string of the set at or after `from`, the longest of those that begin there. False where there
 * is none. */
bool cna_added_find(const cna_added *added, const char *text, size_t n_bytes, size_t from, cna_added_match *out);

#endif
