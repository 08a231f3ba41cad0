/* SPDX-License-Identifier: MIT
 * A set of strings as a tree of bytes, level by level. */
#include "text/trie.h"

#include <stdlib.h>
#include <string.h>

/* Until a node's children are made, first and n are which of the sorted strings go through it: first .. n - 1. */
typedef struct cna_trie_node {
    uint32_t first, n; /* children */
    int32_t id;        /* of the string that ends here, or -1 */
} node;

static int compare_strings(const void *a, const void *b)
{
    const cna_trie_string *x = a, *y = b;
    int order = memcmp(x->text, y->text, x->length < y->length ? x->length : y->length);
    if (order == 0) order = (x->length > y->length) - (x->length < y->length);
    return order != 0 ? order : (x->id > y->id) - (x->id < y->id);
}

static cna_status add_node(cna_trie *trie, uint32_t begin, uint32_t end, unsigned char byte, cna_error *err)
{
    size_t n = trie->n_nodes + 1;
    CNA_TRY(cna_grow(&trie->nodes, &trie->node_capacity, n, sizeof *trie->nodes, "vocabulary", err));
    CNA_TRY(cna_grow(&trie->bytes, &trie->byte_capacity, n, 1, "vocabulary", err));
    trie->nodes[n - 1] = (node){begin, end, -1};
    trie->bytes[n - 1] = byte;
    trie->n_nodes = n;
    return CNA_OK;
}

/* Make the children of a node; depth: length of what leads to it. */
static cna_status add_children(cna_trie *trie, size_t i, size_t depth, const cna_trie_string *strings, cna_error *err)
{
    uint32_t low = trie->nodes[i].first, high = trie->nodes[i].n;
    uint32_t first = (uint32_t)trie->n_nodes;
    if (low < high && strings[low].length == depth) trie->nodes[i].id = strings[low].id;
    while (low < high && strings[low].length == depth) low++;
    while (low < high) {
        uint32_t end = low + 1;
        while (end < high && strings[end].text[depth] == strings[low].text[depth]) end++;
        CNA_TRY(add_node(trie, low, end, (unsigned char)strings[low].text[depth], err));
        low = end;
    }
    trie->nodes[i].first = first;
    trie->nodes[i].n = (uint32_t)trie->n_nodes - first;
    return CNA_OK;
}

cna_status cna_trie_build(cna_trie *trie, cna_trie_string *strings, size_t n, cna_error *err)
{
    uint64_t n_bytes = 0;
    for (size_t i = 0; i < n; i++) n_bytes += strings[i].length;
    if (n >= UINT32_MAX || n_bytes >= UINT32_MAX) return cna_fail_memory(err, "vocabulary", n_bytes);
    if (n != 0) qsort(strings, n, sizeof *strings, compare_strings);
    CNA_TRY(add_node(trie, 0, (uint32_t)n, 0, err));
    size_t depth = 0, level_end = 1;
    for (size_t i = 0; i < trie->n_nodes; i++) {
        if (i == level_end) {
            depth++;
            level_end = trie->n_nodes;
        }
        CNA_TRY(add_children(trie, i, depth, strings, err));
    }
    return CNA_OK;
}

void cna_trie_free(cna_trie *trie)
{
    cna_free(trie->nodes);
    cna_free(trie->bytes);
    *trie = (cna_trie){0};
}

uint32_t cna_trie_step(const cna_trie *trie, uint32_t at, unsigned char byte)
{
    const node *from = &trie->nodes[at];
    if (from->n == 0) return 0;
    const unsigned char *found = memchr(trie->bytes + from->first, byte, from->n);
    return found == NULL ? 0 : (uint32_t)(found - trie->bytes);
}

int32_t cna_trie_id(const cna_trie *trie, uint32_t at)
{
    return trie->nodes[at].id;
}
