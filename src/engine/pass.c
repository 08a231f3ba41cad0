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
 * those below the first that its tap touches. */
static bool pays_to_fork(const cna_tree_node *node, uint32_t n_layers)
{
    uint64_t saved = 0;
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

/* Ask for the untouched runs that forks begin from, and for those above them; leaves the nodes in the order of the
 * tree. Children come behind parents there, so going backwards sees them first. */
static cna_status want_sources(cna_pass *pass, cna_error *err)
{
    cna_tree *tree = pass->tree;
    qsort(pass->nodes, pass->n_nodes, sizeof *pass->nodes, compare_nodes);
    for (size_t i = pass->n_nodes; i-- > 0;) {
        cna_tree_node *node = &tree->nodes[pass->nodes[i]];
        if (is_missing(&node->variants[0]) && pays_to_fork(node, pass->pool->n_layers)) node->variants[0].wanted = true;
        if (!node->variants[0].wanted) continue;
        for (size_t up = node->parent; up != CNA_TREE_NONE; up = tree->nodes[up].parent) {
            CNA_TRY(want(pass, up, &tree->nodes[up].variants[0], err));
        }
    }
    qsort(pass->nodes, pass->n_nodes, sizeof *pass->nodes, compare_nodes);
    return CNA_OK;
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
    CNA_TRY(want_sources(pass, err));
    for (size_t i = 0; i < pass->n_nodes; i++) {
        cna_tree_node *node = &pass->tree->nodes[pass->nodes[i]];
        for (size_t j = 0; j < node->n_variants; j++) {
            if (node->variants[j].wanted) CNA_TRY(make_run(pass, node, &node->variants[j], err));
        }
        forget(node);
    }
    return CNA_OK;
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
