/* SPDX-License-Identifier: MIT
 * The tree of shared prompt tokens. */
#include "engine/tree.h"

#include <stdlib.h>
#include <string.h>

/* A node costs every row behind it one more run of positions to look at. */
enum { MIN_TOKENS = 4 };

/* Items at [low, high) of the order, and the node above them. */
typedef struct range {
    size_t low, high, parent, n_before, depth;
} range;

typedef struct builder {
    cna_tree *tree;
    size_t *common; /* [n_items] tokens that an item of the order shares with the one before it */
} builder;

typedef struct sort_key {
    const cna_tree_item *item;
    size_t index;
} sort_key;

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t count_common(const cna_tree_item *a, const cna_tree_item *b)
{
    size_t n = min_size(a->n_ids, b->n_ids), same = 0;
    while (same < n && a->ids[same] == b->ids[same]) same++;
    return same;
}

static int compare_keys(const void *a, const void *b)
{
    const sort_key *x = a, *y = b;
    size_t same = count_common(x->item, y->item);
    bool x_ends = same == x->item->n_ids, y_ends = same == y->item->n_ids;
    if (!x_ends && !y_ends) return x->item->ids[same] < y->item->ids[same] ? -1 : 1;
    if (x_ends != y_ends) return x_ends ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static cna_status sort_items(cna_tree *tree, cna_error *err)
{
    sort_key *keys;
    CNA_TRY(cna_alloc(&keys, tree->n_items, sizeof *keys, "prompts", err));
    for (size_t i = 0; i < tree->n_items; i++) keys[i] = (sort_key){&tree->items[i], i};
    qsort(keys, tree->n_items, sizeof *keys, compare_keys);
    for (size_t i = 0; i < tree->n_items; i++) tree->order[i] = keys[i].index;
    cna_free(keys);
    return CNA_OK;
}

const cna_tap *cna_tree_tap(const cna_tree *tree, size_t item)
{
    const cna_tap *tap = tree->items[item].tap;
    return cna_tap_touches(tap, CNA_ROW_PROMPT) ? tap : NULL;
}

cna_tree_variant *cna_tree_find(cna_tree_node *node, const cna_tap *tap)
{
    for (size_t i = 0; i < node->n_variants; i++) {
        if (node->variants[i].tap == tap) return &node->variants[i];
    }
    return NULL;
}

static cna_status add_variant(cna_tree_node *node, const cna_tap *tap, size_t n_jobs, cna_error *err)
{
    cna_tree_variant *found = cna_tree_find(node, tap);
    if (found == NULL) {
        CNA_TRY(cna_grow(&node->variants, &node->variants_capacity, node->n_variants + 1, sizeof *node->variants,
                         "shared prompts", err));
        found = &node->variants[node->n_variants++];
        found->tap = tap;
    }
    found->n_jobs += n_jobs;
    return CNA_OK;
}

static cna_status add_node(cna_tree *tree, const range *r, size_t end, size_t *out, cna_error *err)
{
    CNA_TRY(cna_grow(&tree->nodes, &tree->nodes_capacity, tree->n_nodes + 1, sizeof *tree->nodes, "shared prompts",
                     err));
    cna_tree_node *node = &tree->nodes[tree->n_nodes];
    *out = tree->n_nodes++;
    *node = (cna_tree_node){.parent = r->parent, .n_tokens = end - r->n_before, .n_jobs = r->high - r->low,
                            .ids = tree->items[tree->order[r->low]].ids + r->n_before};
    CNA_TRY(add_variant(node, NULL, 0, err));
    for (size_t i = r->low; i < r->high; i++) CNA_TRY(add_variant(node, cna_tree_tap(tree, tree->order[i]), 1, err));
    return CNA_OK;
}

static cna_status build_range(builder *b, range r, cna_error *err)
{
    cna_tree *tree = b->tree;
    size_t end = SIZE_MAX;
    for (size_t i = r.low + 1; i < r.high; i++) end = min_size(end, b->common[i]);
    if (r.high - r.low > 1 && end >= r.n_before + MIN_TOKENS) {
        size_t node;
        CNA_TRY(add_node(tree, &r, end, &node, err));
        r.parent = node;
        r.n_before = end;
    }
    for (size_t i = r.low; i < r.high; i++) {
        tree->node_of[tree->order[i]] = r.parent;
        tree->n_before[tree->order[i]] = r.n_before;
    }
    if (r.high - r.low < 2 || r.depth == CNA_TREE_MAX_DEPTH) return CNA_OK;
    for (size_t low = r.low, high; low < r.high; low = high) {
        for (high = low + 1; high < r.high && b->common[high] > end; high++) {}
        if (high - low > 1) {
            CNA_TRY(build_range(b, (range){low, high, r.parent, r.n_before, r.depth + 1}, err));
        }
    }
    return CNA_OK;
}

cna_status cna_tree_build(const cna_tree_item *items, size_t n_items, cna_tree *out, cna_error *err)
{
    cna_status status;
    builder b = {.tree = out};
    *out = (cna_tree){.items = items, .n_items = n_items};
    CNA_TRY_CLEANUP(cna_alloc(&out->order, n_items, sizeof *out->order, "prompts", err));
    CNA_TRY_CLEANUP(cna_alloc(&out->node_of, n_items, sizeof *out->node_of, "prompts", err));
    CNA_TRY_CLEANUP(cna_alloc(&out->n_before, n_items, sizeof *out->n_before, "prompts", err));
    CNA_TRY_CLEANUP(cna_alloc(&b.common, n_items, sizeof *b.common, "prompts", err));
    CNA_TRY_CLEANUP(sort_items(out, err));
    for (size_t i = 1; i < n_items; i++) {
        b.common[i] = count_common(&items[out->order[i - 1]], &items[out->order[i]]);
    }
    CNA_TRY_CLEANUP(build_range(&b, (range){0, n_items, CNA_TREE_NONE, 0, 1}, err));
cleanup:
    cna_free(b.common);
    if (status != CNA_OK) cna_tree_clear(out);
    return status;
}

void cna_tree_clear(cna_tree *tree)
{
    for (size_t i = tree->n_nodes; i-- > 0;) {
        cna_tree_node *node = &tree->nodes[i];
        for (size_t j = node->n_variants; j-- > 0;) cna_kv_release(node->variants[j].kv);
        cna_free(node->variants);
    }
    cna_free(tree->nodes);
    cna_free(tree->order);
    cna_free(tree->node_of);
    cna_free(tree->n_before);
    *tree = (cna_tree){0};
}

static void drop(cna_tree_variant *variant)
{
    cna_kv_release(variant->kv);
    variant->kv = NULL;
}

void cna_tree_drop(cna_tree *tree, size_t item)
{
    const cna_tap *tap = item == CNA_TREE_NONE ? NULL : cna_tree_tap(tree, item);
    size_t kept = item == CNA_TREE_NONE ? CNA_TREE_NONE : tree->node_of[item];
    for (size_t i = tree->n_nodes; i-- > 0;) { /* parents come before children */
        cna_tree_node *node = &tree->nodes[i];
        for (size_t j = 0; j < node->n_variants; j++) {
            if (i != kept || node->variants[j].tap != tap) drop(&node->variants[j]);
        }
        if (i == kept) kept = node->parent;
    }
}

void cna_tree_leave(cna_tree *tree, size_t item)
{
    const cna_tap *tap = cna_tree_tap(tree, item);
    for (size_t i = tree->node_of[item]; i != CNA_TREE_NONE; i = tree->nodes[i].parent) {
        cna_tree_node *node = &tree->nodes[i];
        cna_tree_variant *own = cna_tree_find(node, tap), *untouched = &node->variants[0];
        node->n_jobs--;
        own->n_jobs--;
        /* The untouched run also serves those forked from it. */
        if (own->n_jobs == 0 && own != untouched) drop(own);
        if (node->n_jobs == 0) drop(untouched);
    }
}
