/* SPDX-License-Identifier: MIT
 * The k best of neurons that come one by one, in any order: a heap with the entry to be dropped next at its root. */
#ifndef CNA_METHOD_TOP_H
#define CNA_METHOD_TOP_H

#include "method/circuit.h"

typedef struct cna_top_entry {
    double score;
    cna_neuron_id id;
} cna_top_entry;

/* Whether a ranks behind b: a lower score, or the same and later in the order of ids. */
static inline bool cna_top_behind(const cna_top_entry *a, const cna_top_entry *b)
{
    if (a->score != b->score) return a->score < b->score;
    return a->id.layer != b->id.layer ? a->id.layer > b->id.layer : a->id.neuron > b->id.neuron;
}

/* Put an entry into a heap of n_held < k entries, or in place of the worst of k. Called by cna_top_offer. */
void cna_top_insert(cna_top_entry *heap, size_t n_held, size_t k, const cna_top_entry *entry);

/* Offer an entry to a heap [k] that holds n_held; returns how many it then holds. */
static inline size_t cna_top_offer(cna_top_entry *heap, size_t n_held, size_t k, cna_top_entry entry)
{
    if (n_held == k && (k == 0 || !cna_top_behind(&heap[0], &entry))) return n_held;
    cna_top_insert(heap, n_held, k, &entry);
    return n_held < k ? n_held + 1 : k;
}

/* Put a heap's entries into order, best first; it is no heap after that. */
void cna_top_sort(cna_top_entry *heap, size_t n_held);

#endif
