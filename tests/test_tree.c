/* SPDX-License-Identifier: MIT
 * The tree of shared prompts: what it says is shared is shared, and nothing long enough is missed. */
#include "support.h"

#include <string.h>

#include "engine/pass.h"
#include "numbers.h"

enum { ITEMS_MAX = 60, IDS_MAX = 40, LAYERS = 6 };

typedef struct problem {
    int32_t ids[ITEMS_MAX][IDS_MAX];
    cna_tree_item items[ITEMS_MAX];
    size_t n;
} problem;

static problem p;

/* Lists over few ids, many of which continue an earlier one. */
static void make_problem(numbers *random, const cna_tap *const taps[3])
{
    p.n = 1 + numbers_below(random, ITEMS_MAX);
    for (size_t i = 0; i < p.n; i++) {
        size_t n = numbers_below(random, IDS_MAX + 1), other = i == 0 ? 0 : numbers_below(random, i);
        for (size_t j = 0; j < IDS_MAX; j++) p.ids[i][j] = (int32_t)numbers_below(random, 3);
        if (i > 0) memcpy(p.ids[i], p.ids[other], numbers_below(random, p.items[other].n_ids + 1) * sizeof(int32_t));
        p.items[i] = (cna_tree_item){p.ids[i], n, taps[numbers_below(random, 3)]};
    }
}

static size_t common(size_t a, size_t b)
{
    size_t n = 0;
    while (n < p.items[a].n_ids && n < p.items[b].n_ids && p.ids[a][n] == p.ids[b][n]) n++;
    return n;
}

/* The tokens of the nodes above an item, last first, are those that it begins with. */
static void check_path(const cna_tree *tree, size_t item)
{
    size_t end = tree->n_before[item];
    assert_true(end <= p.items[item].n_ids);
    for (size_t i = tree->node_of[item]; i != CNA_TREE_NONE; i = tree->nodes[i].parent) {
        const cna_tree_node *node = &tree->nodes[i];
        assert_true(node->parent == CNA_TREE_NONE || node->parent < i);
        assert_true(node->n_tokens >= 4 && node->n_tokens <= end);
        end -= node->n_tokens;
        assert_memory_equal(node->ids, p.ids[item] + end, node->n_tokens * sizeof *node->ids);
        assert_true(cna_tree_find(&tree->nodes[i], cna_tree_tap(tree, item)) != NULL);
    }
    assert_int_equal(end, 0);
}

static void make_taps(cna_tap *taps[3])
{
    cna_error err;
    const cna_scale late = {.layer = 4, .neuron = 1, .multiplier = 0};
    const cna_scale answers = {.layer = 2, .neuron = 1, .multiplier = 0, .positions = CNA_POSITIONS_GENERATED};
    taps[0] = NULL;
    assert_ok(cna_tap_create(&late, 1, LAYERS, 8, &taps[1], &err));
    assert_ok(cna_tap_create(&answers, 1, LAYERS, 8, &taps[2], &err));
}

static void test_paths(void **state)
{
    (void)state;
    numbers random = {4};
    cna_error err;
    cna_tap *taps[3];
    make_taps(taps);
    for (int round = 0; round < 400; round++) {
        cna_tree tree;
        make_problem(&random, (const cna_tap *const *)taps);
        assert_ok(cna_tree_build(p.items, p.n, &tree, &err));
        bool seen[ITEMS_MAX] = {false};
        for (size_t i = 0; i < p.n; i++) {
            seen[tree.order[i]] = true;
            check_path(&tree, i);
            if (cna_tree_tap(&tree, i) != NULL) assert_ptr_equal(cna_tree_tap(&tree, i), taps[1]);
            /* Whatever another item shares beyond the nodes is shorter than a node may be. */
            for (size_t j = 0; j < p.n; j++) {
                if (j != i) assert_true(common(i, j) < tree.n_before[i] + 4);
            }
        }
        for (size_t i = 0; i < p.n; i++) assert_true(seen[i]);
        for (size_t i = 0; i < tree.n_nodes; i++) assert_true(tree.nodes[i].n_jobs >= 2);
        for (size_t i = 0; i < p.n; i++) cna_tree_leave(&tree, i);
        for (size_t i = 0; i < tree.n_nodes; i++) assert_int_equal(tree.nodes[i].n_jobs, 0);
        cna_tree_clear(&tree);
    }
    for (int i = 0; i < 3; i++) cna_tap_free(taps[i]);
}

/* Two prompts of 8 shared tokens under several taps: which runs a pass makes, and from where they start. */
static void test_forks(void **state)
{
    (void)state;
    cna_error err;
    cna_tap *taps[3], *early;
    const cna_scale first = {.layer = 0, .neuron = 1, .multiplier = 0};
    make_taps(taps);
    assert_ok(cna_tap_create(&first, 1, LAYERS, 8, &early, &err));
    const cna_config config = {.n_layers = LAYERS, .n_kv_heads = 1, .head_dim = 8};
    const int32_t ids[] = {1, 2, 3, 4, 5, 6, 7, 8};
    const cna_tree_item items[] = {{ids, 8, NULL}, {ids, 8, taps[1]}, {ids, 8, taps[2]}, {ids, 8, early}};
    cna_kv_pool pool;
    cna_tree tree;
    cna_kv_pool_init(&pool, &config);
    assert_ok(cna_tree_build(items, 4, &tree, &err));
    cna_pass pass = {.tree = &tree, .pool = &pool, .depth = CNA_KV_ALL_LAYERS, .max_rows = CNA_PASS_ROWS};
    for (size_t i = 0; i < 4; i++) assert_ok(cna_pass_want(&pass, i, &err));
    assert_ok(cna_pass_share(&pass, &err));
    assert_int_equal(pass.n_spans, 3); /* a tap of answers alone leaves prompts untouched */
    assert_int_equal(pass.spans[0].kv->first_layer, 0);
    assert_int_equal(pass.spans[1].kv->first_layer, 4);
    assert_ptr_equal(pass.spans[1].kv->source, pass.spans[0].kv);
    assert_int_equal(pass.spans[1].source, 0);
    assert_true(pass.spans[2].kv->first_layer == 0 && pass.spans[2].kv->source == NULL);
    /* A run frees what it read, however they are let go. */
    cna_pass_begin(&pass);
    for (size_t i = 0; i < 4; i++) cna_tree_leave(&tree, i);
    assert_true(pool.held_bytes == 0);
    /* The tapped run alone, with no untouched one to fork from: from layer 0 on. */
    cna_tree_clear(&tree);
    assert_ok(cna_tree_build(items, 4, &tree, &err));
    assert_ok(cna_pass_want(&pass, 1, &err));
    assert_ok(cna_pass_share(&pass, &err));
    assert_int_equal(pass.n_spans, 1);
    assert_int_equal(pass.spans[0].kv->first_layer, 0);
    cna_pass_clear(&pass);
    cna_tree_clear(&tree);
    cna_kv_pool_clear(&pool);
    for (int i = 0; i < 3; i++) cna_tap_free(taps[i]);
    cna_tap_free(early);
}

/* Below a node whose untouched run is not there nothing forks, because that run would not have been counted; runs that
 * are dropped are made again, and others stay. */
static void test_later_passes(void **state)
{
    (void)state;
    cna_error err;
    cna_tap *taps[2];
    const cna_scale late = {.layer = 5, .neuron = 1, .multiplier = 0};
    for (int i = 0; i < 2; i++) assert_ok(cna_tap_create(&late, 1, LAYERS, 8, &taps[i], &err));
    const cna_config config = {.n_layers = LAYERS, .n_kv_heads = 1, .head_dim = 8};
    const int32_t ids[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    const cna_tree_item items[] = {{ids, 4, taps[0]}, {ids, 4, taps[1]}, {ids, 9, taps[0]}, {ids, 9, taps[1]}};
    cna_kv_pool pool;
    cna_tree tree;
    cna_kv_pool_init(&pool, &config);
    assert_ok(cna_tree_build(items, 4, &tree, &err));
    cna_pass pass = {.tree = &tree, .pool = &pool, .depth = CNA_KV_ALL_LAYERS, .max_rows = CNA_PASS_ROWS};
    for (size_t i = 0; i < 2; i++) { /* 4 tokens, by themselves and so without a fork */
        cna_pass_begin(&pass);
        assert_ok(cna_pass_want(&pass, i, &err));
        assert_ok(cna_pass_share(&pass, &err));
        assert_int_equal(pass.n_spans, 1);
    }
    uint64_t before = pool.held_bytes, need = 0;
    size_t n_rows = 0;
    cna_pass_begin(&pass);
    for (size_t i = 2; i < 4; i++) {
        cna_pass_need(&pass, i, &need, &n_rows);
        assert_ok(cna_pass_want(&pass, i, &err));
    }
    assert_ok(cna_pass_share(&pass, &err));
    assert_int_equal(n_rows, 2 * 5);
    assert_int_equal(pass.n_spans, 2);
    assert_true(pool.held_bytes <= before + need);

    cna_tree_drop(&tree, 2);
    assert_true(pool.held_bytes == (before + need) / 2);
    need = n_rows = 0;
    cna_pass_need(&pass, 2, &need, &n_rows);
    assert_true(need == 0 && n_rows == 0);
    cna_pass_need(&pass, 3, &need, &n_rows);
    assert_int_equal(n_rows, 9);
    cna_tree_drop(&tree, CNA_TREE_NONE);
    assert_true(pool.held_bytes == 0);
    /* All together: both nodes fork, within what was counted. */
    need = n_rows = 0;
    cna_pass_begin(&pass);
    for (size_t i = 0; i < 4; i++) {
        cna_pass_need(&pass, i, &need, &n_rows);
        assert_ok(cna_pass_want(&pass, i, &err));
    }
    assert_ok(cna_pass_share(&pass, &err));
    assert_int_equal(pass.n_spans, 6);
    assert_true(pool.held_bytes <= need);
    size_t n_in_pass = 0;
    for (size_t i = 0; i < pass.n_spans; i++) n_in_pass += pass.spans[i].n_tokens;
    assert_true(n_in_pass <= cna_pass_rows_most(&pass, 4, 10, 4));
    cna_pass_clear(&pass);
    cna_tree_clear(&tree);
    cna_kv_pool_clear(&pool);
    for (int i = 0; i < 2; i++) cna_tap_free(taps[i]);
}

/* Pages are kept for reuse only within the pool's room. */
static void test_free_pages(void **state)
{
    (void)state;
    cna_error err;
    const cna_config config = {.n_layers = 3, .n_kv_heads = 1, .head_dim = 8};
    cna_kv_pool pool;
    cna_kv *kv;
    cna_kv_pool_init(&pool, &config);
    assert_ok(cna_kv_create(&pool, NULL, NULL, 0, CNA_KV_ALL_LAYERS, 16, &kv, &err));
    assert_ok(cna_kv_reserve(kv, 16 + 10 * CNA_KV_PAGE, &err));
    pool.room = pool.held_bytes;
    cna_kv_release(kv);
    assert_int_equal(pool.n_pages, 10);
    assert_ok(cna_kv_create(&pool, NULL, NULL, 0, CNA_KV_ALL_LAYERS, 6 * CNA_KV_PAGE, &kv, &err));
    assert_true(pool.held_bytes <= pool.room && pool.n_pages == 4);
    assert_true(pool.held_bytes == cna_kv_held_bytes(kv) + cna_kv_pool_free_bytes(&pool));
    cna_kv_release(kv);
    cna_kv_pool_clear(&pool);
}

/* A run's positions come back in order, whatever chunks they lie in and whose they are. */
static void test_views(void **state)
{
    (void)state;
    enum { HEADS = 2, DIM = 4, FRONT = 5, OWN = 90 };
    cna_error err;
    const cna_config config = {.n_layers = 3, .n_kv_heads = HEADS, .head_dim = DIM};
    cna_kv_pool pool;
    cna_kv *front, *own;
    cna_kv_view views[8];
    cna_kv_pool_init(&pool, &config);
    assert_ok(cna_kv_create(&pool, NULL, NULL, 0, CNA_KV_ALL_LAYERS, FRONT, &front, &err));
    assert_ok(cna_kv_create(&pool, front, NULL, 0, CNA_KV_ALL_LAYERS, 3, &own, &err));
    assert_ok(cna_kv_reserve(own, OWN, &err));
    front->n_tokens = FRONT;
    own->n_tokens = OWN;
    for (size_t t = 0; t < FRONT + OWN; t++) {
        float key[HEADS * DIM], value[HEADS * DIM];
        for (size_t i = 0; i < HEADS * DIM; i++) {
            key[i] = (float)(100 * t + i);
            value[i] = -key[i];
        }
        if (t < FRONT) cna_kv_store(front, 2, t, key, value);
        else cna_kv_store(own, 2, t - FRONT, key, value);
    }
    size_t n = cna_kv_views(own, 2, views), at = 0;
    assert_int_equal(n, 5); /* 5, then 16 and three pages of 32, the last of them in part */
    assert_int_equal(n, cna_kv_views_max(own));
    for (size_t v = 0; v < n; v++) {
        assert_int_equal(views[v].capacity % CNA_KV_STEP, 0);
        for (size_t t = 0; t < views[v].n_tokens; t++, at++) {
            for (size_t h = 0; h < HEADS; h++) {
                for (size_t i = 0; i < DIM; i++) {
                    float expected = (float)(100 * at + h * DIM + i);
                    assert_true(views[v].keys[(h * DIM + i) * views[v].capacity + t] == expected);
                    assert_true(views[v].values[(h * views[v].capacity + t) * DIM + i] == -expected);
                }
            }
        }
    }
    assert_int_equal(at, FRONT + OWN);
    assert_true(cna_kv_bytes(&pool, 0, CNA_KV_ALL_LAYERS, 3, OWN) == cna_kv_held_bytes(own));
    cna_kv_release(front);
    cna_kv_release(own);
    assert_true(pool.held_bytes == cna_kv_pool_free_bytes(&pool) && pool.n_pages == 3);
    cna_kv_pool_clear(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_forks),
        cmocka_unit_test(test_later_passes),
        cmocka_unit_test(test_free_pages),
        cmocka_unit_test(test_views),
    };
    return cmocka_run_group_tests_name("shared prompts", tests, NULL, NULL);
}
