/* SPDX-License-Identifier: MIT
 * What the prompts of many jobs begin with in common: a tree of token runs, each to be computed once for all jobs
 * below it that share an intervention. */
#ifndef CNA_ENGINE_TREE_H
#define CNA_ENGINE_TREE_H

#include "engine/kv.h"
#include "engine/tap.h"

/* Branchings that are looked at, one below the other. */
enum { CNA_TREE_MAX_DEPTH = 64 };
#define CNA_TREE_NONE SIZE_MAX

/* The tokens of one job that may be shared, and what is done to them. */
typedef struct cna_tree_item {
    const int32_t *ids; /* [n_ids] borrowed for the life of the tree */
    size_t n_ids;       /* the leading tokens that may be shared: all of them inside the prompt, and not its last */
    const cna_tap *tap; /* ? borrowed */
} cna_tree_item;

/* A node's run under one tap. */
typedef struct cna_tree_variant {
    const cna_tap *tap; /* NULL: untouched, also for taps that do nothing to a prompt's tokens */
    size_t n_jobs;      /* that still need it */
    bool wanted;        /* by the pass being put together */
    cna_kv *kv;         /* ? once computed; a reference */
    size_t span;        /* its place in the pass that computes it */
} cna_tree_variant;

typedef struct cna_tree_node {
    size_t parent;      /* a lower index, or CNA_TREE_NONE */
    const int32_t *ids; /* [n_tokens] */
    size_t n_tokens;
    size_t n_jobs;      /* below it, that have not ended */
    cna_tree_variant *variants; /* [n_variants], the untouched one first */
    size_t n_variants, variants_capacity;
} cna_tree_node;

typedef struct cna_tree {
    const cna_tree_item *items; /* [n_items] */
    size_t n_items;
    cna_tree_node *nodes;       /* [n_nodes] parents before children */
    size_t n_nodes, nodes_capacity;
    size_t *order;              /* [n_items] items by their ids, so that those that share follow one another */
    size_t *node_of;            /* [n_items] the deepest node of an item, or CNA_TREE_NONE */
    size_t *n_before;           /* [n_items] tokens in the nodes above an item's own */
} cna_tree;

/* Runs that fewer than two items share, or shorter than four tokens, are no nodes.
 *   items  [n_items] borrowed for the life of the tree */
CNA_MUST_CHECK cna_status cna_tree_build(const cna_tree_item *items, size_t n_items, cna_tree *out, cna_error *err);
void cna_tree_clear(cna_tree *tree);

/* The tap of an item as far as a prompt's tokens go: NULL if it does nothing to them. */
const cna_tap *cna_tree_tap(const cna_tree *tree, size_t item);
/* The variant of a node under a tap of one of its items, or under NULL. */
cna_tree_variant *cna_tree_find(cna_tree_node *node, const cna_tap *tap);

/* An item's job has ended: runs that nobody needs any more are freed. */
void cna_tree_leave(cna_tree *tree, size_t item);

/* Give back all runs but those above an item (CNA_TREE_NONE: all): passes compute them again for jobs that still need
 * them. Memory comes free as far as no sequence and no fork reads them. */
void cna_tree_drop(cna_tree *tree, size_t item);

#endif
