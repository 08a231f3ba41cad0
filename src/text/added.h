/* SPDX-License-Identifier: MIT
 * Added tokens: strings such as <|eot_id|> that are found in the text before it is split into words. */
#ifndef CNA_TEXT_ADDED_H
#define CNA_TEXT_ADDED_H

#include "text/trie.h"

/* A set of strings; all-zero is empty. */
typedef struct cna_added {
    struct cna_added_token *tokens; /* [n] in the order in which they were added */
    size_t n, capacity;
    cna_trie trie; /* of their places in tokens */
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

/* Add a string of 1 to CNA_TRIE_BYTES_MAX bytes that stands for an id; added twice, the first id counts. */
CNA_MUST_CHECK cna_status cna_added_add(cna_added *added, const char *text, size_t n_bytes, int32_t id, unsigned flags,
                                        cna_error *err);
/* Have all that were added be found; call once, after the last one. */
CNA_MUST_CHECK cna_status cna_added_build(cna_added *added, cna_error *err);
void cna_added_free(cna_added *added);

/* The leftmost string of the set at or after `from`, the longest of those that begin there. False where there
 * is none. */
bool cna_added_find(const cna_added *added, const char *text, size_t n_bytes, size_t from, cna_added_match *out);

#endif
