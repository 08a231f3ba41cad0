/* SPDX-License-Identifier: MIT
 * Putting together a pass. */
#include "engine/pass.h"

#include <stdlib.h>

void cna_pass_begin(cna_pass *pass)
{
    pass->n_spans = pass->n_nodes = 0;
}

void cna_pass_clear(cna_pass *pass)
{
    cna_free(pass->spans);
    cna_free(pass->nodes);
    pass->spans = NULL;
    pass->nodes = NULL;
    pass->n_spans = pass->spans_capacity = pass->n_nodes = pass->nodes_capacity = 0;
}

static bool is_missing(const cna_tree_variant *variant)
{
    return variant->kv == NULL && !variant->wanted;
}

void cna_pass_need(const cna_pass *pass, size_t item, uint64_t *bytes, size_t *n_rows)
{
    const cna_tap *tap = cna_tree_tap(pass->tree, item);
    for (size_t i = pass->tree->node_of[item]; i != CNA_TREE_NONE; i = pass->tree->nodes[i].parent) {
        cna_tree_node *node = &pass->tree->nodes[i];
        if (!is_missing(cna_tree_find(node, tap))) continue;
        *bytes += cna_kv_bytes(pass->pool, 0, pass->depth, node->n_tokens, node->n_tokens);
        *n_rows += node->n_tokens;
    }
}

static cna_status want(cna_pass *pass, size_t node, cna_tree_variant *variant, cna_error *err)
{
    if (!is_missing(variant)) return CNA_OK;
    const cna_tree_node *of = &pass->tree->nodes[node];
    bool listed = false;
    for (size_t i = 0; i < of->n_variants; i++) listed = listed || of->variants[i].wanted;
    if (!listed) {
        CNA_TRY(cna_grow(&pass->nodes, &pass->nodes_capacity, pass->n_nodes + 1, sizeof *pass->nodes, "pass", err));
        pass->nodes[pass->n_nodes++] = node;
    }
    variant->wanted = true;
    return CNA_OK;
}

cna_status cna_pass_want(cna_pass *pass, size_t item, cna_error *err)
{
    const cna_tap *tap = cna_tree_tap(pass->tree, item);
    for (size_t i = pass->tree->node_of[item]; i != CNA_TREE_NONE; i = pass->tree->nodes[i].parent) {
        CNA_TRY(want(pass, i, cna_tree_find(&pass->tree->nodes[i], tap), err));
    }
    return CNA_OK;
}

static void forget(cna_tree_node *node)
{
    for (size_t j = 0; j < node->n_variants; j++) node->variants[j].wanted = false;
}

void cna_pass_forget(cna_pass *pass)
{
    for (size_t i = 0; i < pass->n_nodes; i++) forget(&pass->tree->nodes[pass->nodes[i]]);
    pass->n_nodes = 0;
}

/* Whether computing a node untouched as well, and forking the touched runs from it, saves layers: each fork is spared
 * those below the first that its tap touches. Never where the nodes above have no untouched run: those would not be
 * counted by cna_pass_need. */
static bool pays_to_fork(const cna_tree *tree, const cna_tree_node *node, uint32_t n_layers)
{
    uint64_t saved = 0;
    if (node->parent != CNA_TREE_NONE && is_missing(&tree->nodes[node->parent].variants[0])) return false;
    for (size_t i = 1; i < node->n_variants; i++) {
        const cna_tree_variant *variant = &node->variants[i];
        if (variant->wanted) saved += cna_tap_first_layer(variant->tap, CNA_ROW_PROMPT);
    }
    return saved > n_layers;
}

static int compare_nodes(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return x < y ? -1 : x > y;
}

/* Ask for the untouched runs that forks begin from; leaves the nodes in the order of the tree, where parents come
 * before children. */
static void want_sources(cna_pass *pass)
{
    cna_tree *tree = pass->tree;
    if (pass->n_nodes > 0) qsort(pass->nodes, pass->n_nodes, sizeof *pass->nodes, compare_nodes);
    for (size_t i = 0; i < pass->n_nodes; i++) {
        cna_tree_node *node = &tree->nodes[pass->nodes[i]];
        cna_tree_variant *untouched = &node->variants[0];
        if (is_missing(untouched) && pays_to_fork(tree, node, pass->pool->n_layers)) untouched->wanted = true;
    }
}

static cna_kv *parent_kv(const cna_tree *tree, size_t parent, const cna_tap *tap)
{
    return parent == CNA_TREE_NONE ? NULL : cna_tree_find(&tree->nodes[parent], tap)->kv;
}

/* One run and its span. */
static cna_status make_run(cna_pass *pass, cna_tree_node *node, cna_tree_variant *variant, cna_error *err)
{
    cna_tree_variant *untouched = &node->variants[0];
    uint32_t fork = cna_tap_first_layer(variant->tap, CNA_ROW_PROMPT);
    bool forks = variant != untouched && untouched->wanted && fork > 0;
    cna_kv *parent = parent_kv(pass->tree, node->parent, variant->tap);
    CNA_TRY(cna_kv_create(pass->pool, parent, forks ? untouched->kv : NULL, forks ? fork : 0, pass->depth,
                          node->n_tokens, &variant->kv, err));
    variant->span = pass->n_spans;
    const cna_span span = {.kv = variant->kv, .ids = node->ids, .n_tokens = node->n_tokens, .n_prompt = SIZE_MAX,
                           .tap = variant->tap, .source = untouched->span};
    return cna_pass_add(pass, &span, err);
}

cna_status cna_pass_share(cna_pass *pass, cna_error *err)
{
    want_sources(pass);
    for (size_t i = 0; i < pass->n_nodes; i++) {
        cna_tree_node *node = &pass->tree->nodes[pass->nodes[i]];
        for (size_t j = 0; j < node->n_variants; j++) {
            if (node->variants[j].wanted) CNA_TRY(make_run(pass, node, &node->variants[j], err));
        }
        forget(node);
    }
    return CNA_OK;
}

size_t cna_pass_rows_most(const cna_pass *pass, size_t n_own, size_t longest, size_t n_items)
{
    size_t n_all = n_own, most = n_items > pass->max_rows / longest ? pass->max_rows : n_items * longest;
    bool forks = false;
    for (size_t i = 0; i < pass->tree->n_nodes; i++) {
        const cna_tree_node *node = &pass->tree->nodes[i];
        n_all += node->n_tokens * node->n_variants;
        forks = forks || node->n_variants > 2;
    }
    if (forks && n_items > 1) most += most / 2; /* an untouched run for two forks or more */
    if (most < longest) most = longest;
    return n_all < most ? n_all : most;
}

size_t cna_pass_fit(cna_pass *pass, const cna_model *model, uint64_t room, size_t n_own, size_t longest, size_t n_items,
                    size_t n_positions, size_t n_beside)
{
    size_t n_rows = 0;
    for (pass->max_rows = CNA_PASS_ROWS;; pass->max_rows /= 2) {
        n_rows = cna_pass_rows_most(pass, n_own, longest, n_items) + n_beside;
        if (pass->max_rows <= CNA_PASS_ROWS_LEAST) break;
        if (cna_session_bytes(model, n_rows, n_positions, true) <= room / 2) break;
    }
    return n_rows;
}

cna_status cna_pass_add(cna_pass *pass, const cna_span *span, cna_error *err)
{
    CNA_TRY(cna_grow(&pass->spans, &pass->spans_capacity, pass->n_spans + 1, sizeof *pass->spans, "pass", err));
    pass->spans[pass->n_spans++] = *span;
    return CNA_OK;
}

cna_status cna_pass_add_own(cna_pass *pass, size_t item, const cna_span *sequence, cna_kv_depth depth, cna_kv **out,
                            cna_error *err)
{
    const cna_tree *tree = pass->tree;
    cna_span own = *sequence;
    own.ids += tree->n_before[item];
    own.n_tokens -= tree->n_before[item];
    cna_kv *parent = parent_kv(tree, tree->node_of[item], cna_tree_tap(tree, item));
    CNA_TRY(cna_kv_create(pass->pool, parent, NULL, 0, depth, own.n_tokens, out, err));
    own.kv = *out;
    return cna_pass_add(pass, &own, err);
}
