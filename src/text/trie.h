/* SPDX-License-Identifier: MIT
 * A set of strings as a tree of bytes: made once, then only walked. */
#ifndef CNA_TEXT_TRIE_H
#define CNA_TEXT_TRIE_H

#include "base/memory.h"

/* What a text is searched for is at most this long, so that the work is bounded by the length of the text: a file can
 * hold a string of any length, and one that almost fits at each place. Real ones have up to about a hundred bytes, and
 * SentencePiece takes no more than 512 characters. */
enum { CNA_TRIE_BYTES_MAX = 1024 };

typedef struct cna_trie_string {
    const char *text; /* [length] */
    uint32_t length;
    int32_t id; /* >= 0 */
} cna_trie_string;

/* All-zero is an empty set without a root, which must not be walked. */
typedef struct cna_trie {
    struct cna_trie_node *nodes; /* [n_nodes]; 0 is the root */
    unsigned char *bytes;        /* [n_nodes] which byte leads to each; children lie side by side */
    size_t n_nodes, node_capacity, byte_capacity;
} cna_trie;

/* Fill an all-zero trie with n strings, which are sorted where they are and not kept; of equal ones the least id
 * counts. Errors: ERR_MEMORY; the trie is to be freed all the same. */
CNA_MUST_CHECK cna_status cna_trie_build(cna_trie *trie, cna_trie_string *strings, size_t n, cna_error *err);
void cna_trie_free(cna_trie *trie);

/* The node that a byte leads to from a node, or 0. */
uint32_t cna_trie_step(const cna_trie *trie, uint32_t node, unsigned char byte);
/* The string that ends at a node, or -1. */
int32_t cna_trie_id(const cna_trie *trie, uint32_t node);

#endif
