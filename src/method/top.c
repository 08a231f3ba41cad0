/* SPDX-License-Identifier: MIT
 * The k best. */
#include "method/top.h"

#include <stdlib.h>

static void sift_up(cna_top_entry *heap, size_t at)
{
    cna_top_entry moved = heap[at];
    while (at != 0 && cna_top_behind(&moved, &heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = moved;
}

static void sift_down(cna_top_entry *heap, size_t n)
{
    cna_top_entry moved = heap[0];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= n) break;
        if (child + 1 < n && cna_top_behind(&heap[child + 1], &heap[child])) child++;
        if (!cna_top_behind(&heap[child], &moved)) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

void cna_top_insert(cna_top_entry *heap, size_t n_held, size_t k, const cna_top_entry *entry)
{
    if (n_held < k) {
        heap[n_held] = *entry;
        sift_up(heap, n_held);
    } else {
        heap[0] = *entry;
        sift_down(heap, k);
    }
}

static int compare(const void *a, const void *b)
{
    const cna_top_entry *x = a, *y = b;
    return cna_top_behind(x, y) - cna_top_behind(y, x);
}

void cna_top_sort(cna_top_entry *heap, size_t n_held)
{
    if (n_held != 0) qsort(heap, n_held, sizeof *heap, compare);
}
