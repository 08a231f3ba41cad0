/* SPDX-License-Identifier: MIT
 * Attention against the formula in double precision; and that neither a shared prefix nor what lies around a row
 * changes a bit of it. */
#include "support.h"

#include <math.h>
#include <string.h>

#include "numbers.h"
#include "tensor/attention.h"

enum { KV_HEADS = 2, GROUP_MAX = 3, DIM_MAX = 72, TOKENS_MAX = 300, CAPACITY_MAX = TOKENS_MAX + 9 };

/* One problem: keys and values by position, head and dimension. */
typedef struct problem {
    size_t n_group, head_dim, n_tokens;
    float q[GROUP_MAX * DIM_MAX];
    float keys[TOKENS_MAX][KV_HEADS * DIM_MAX], values[TOKENS_MAX][KV_HEADS * DIM_MAX];
} problem;

/* A cache as cna_attend reads it. */
typedef struct cache {
    float keys[KV_HEADS * DIM_MAX * CAPACITY_MAX], values[KV_HEADS * DIM_MAX * CAPACITY_MAX];
} cache;

static problem p;
static cache whole, front, back;

static void make_problem(numbers *random, size_t n_group, size_t head_dim, size_t n_tokens)
{
    p.n_group = n_group;
    p.head_dim = head_dim;
    p.n_tokens = n_tokens;
    numbers_fill(random, p.q, GROUP_MAX * DIM_MAX, 1.5);
    for (size_t t = 0; t < n_tokens; t++) {
        numbers_fill(random, p.keys[t], KV_HEADS * DIM_MAX, 1.5);
        numbers_fill(random, p.values[t], KV_HEADS * DIM_MAX, 1);
    }
}

/* Put positions first .. first + n - 1 into a cache; everything else in it is NaN. */
static cna_kv_view fill(cache *out, size_t first, size_t n, size_t capacity)
{
    for (size_t i = 0; i < KV_HEADS * DIM_MAX * CAPACITY_MAX; i++) out->keys[i] = out->values[i] = NAN;
    for (size_t h = 0; h < KV_HEADS; h++) {
        for (size_t t = 0; t < n; t++) {
            for (size_t i = 0; i < p.head_dim; i++) {
                out->keys[(h * p.head_dim + i) * capacity + t] = p.keys[first + t][h * p.head_dim + i];
                out->values[(h * capacity + t) * p.head_dim + i] = p.values[first + t][h * p.head_dim + i];
            }
        }
    }
    return (cna_kv_view){out->keys, out->values, n, capacity};
}

/* The formula. bound[i] receives how far rounding in f32 may lead from it. */
static void reference(size_t g, size_t head, size_t n_visible, double *out, double *bound)
{
    double scores[TOKENS_MAX], max = -INFINITY, sum = 0, error = 0;
    for (size_t t = 0; t < n_visible; t++) {
        double dot = 0, magnitude = 0;
        for (size_t i = 0; i < p.head_dim; i++) {
            double product = (double)p.q[g * p.head_dim + i] * (double)p.keys[t][head * p.head_dim + i];
            dot += product;
            magnitude += fabs(product);
        }
        scores[t] = dot / sqrt((double)p.head_dim);
        double one = ((double)p.head_dim + 4) * NUMBERS_EPS * magnitude / sqrt((double)p.head_dim);
        if (one > error) error = one;
        if (scores[t] > max) max = scores[t];
    }
    for (size_t t = 0; t < n_visible; t++) sum += exp(scores[t] - max);
    for (size_t i = 0; i < p.head_dim; i++) {
        double magnitude = 0;
        out[i] = 0;
        for (size_t t = 0; t < n_visible; t++) {
            double term = exp(scores[t] - max) / sum * (double)p.values[t][head * p.head_dim + i];
            out[i] += term;
            magnitude += fabs(term);
        }
        /* Errors of scores count in weight and denominator; exp adds 2e-7 to each; then the sum over positions. */
        bound[i] = magnitude * (4 * error + 1e-6 + (double)n_visible * NUMBERS_EPS);
    }
}

static void attend(const cna_kv_view *views, size_t n_views, size_t n_visible, size_t head, float *out)
{
    float scores[TOKENS_MAX + 1];
    scores[n_visible] = 123;
    for (size_t i = 0; i < GROUP_MAX * DIM_MAX; i++) out[i] = NAN;
    const cna_attention attention = {.n_rows = 1, .n_group = p.n_group, .head_dim = p.head_dim, .kv_head = head,
                                     .views = views, .n_views = n_views, .n_visible = n_visible};
    cna_attend(&attention, p.q, scores, out);
    assert_true(scores[n_visible] == 123);
}

static const size_t lengths[] = {1, 2, 15, 16, 17, 63, 64, 65, 100, 128, 129, 300};
static const size_t dims[] = {2, 8, 24, 30, 64, 72};

static void test_formula(void **state)
{
    (void)state;
    numbers random = {1};
    float out[GROUP_MAX * DIM_MAX];
    double expected[DIM_MAX], bound[DIM_MAX];
    for (size_t d = 0; d < sizeof dims / sizeof *dims; d++) {
        for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
            make_problem(&random, 1 + (d + l) % GROUP_MAX, dims[d], lengths[l]);
            cna_kv_view view = fill(&whole, 0, p.n_tokens, p.n_tokens + l % 3);
            size_t n_visible = 1 + numbers_below(&random, p.n_tokens), head = l % KV_HEADS;
            attend(&view, 1, n_visible, head, out);
            for (size_t g = 0; g < p.n_group; g++) {
                reference(g, head, n_visible, expected, bound);
                for (size_t i = 0; i < p.head_dim; i++) {
                    double found = (double)out[g * p.head_dim + i];
                    if (!(fabs(found - expected[i]) <= bound[i])) {
                        fail_msg("head_dim %zu, %zu of %zu positions: found %.9g, expected %.9g within %.3g",
                                 p.head_dim, n_visible, p.n_tokens, found, expected[i], bound[i]);
                    }
                }
            }
        }
    }
}

/* Two segments cut anywhere, in caches of other sizes, give the bits of one; so does each query head alone. */
static void test_shared_prefix(void **state)
{
    (void)state;
    numbers random = {2};
    float one[GROUP_MAX * DIM_MAX], two[GROUP_MAX * DIM_MAX];
    for (int round = 0; round < 300; round++) {
        size_t n_tokens = 2 + numbers_below(&random, round % 2 == 0 ? 40 : TOKENS_MAX - 1);
        make_problem(&random, 1 + numbers_below(&random, GROUP_MAX), dims[numbers_below(&random, 6)], n_tokens);
        size_t cut = 1 + numbers_below(&random, n_tokens - 1), head = numbers_below(&random, KV_HEADS);
        size_t n_visible = 1 + numbers_below(&random, n_tokens);
        cna_kv_view all = fill(&whole, 0, n_tokens, n_tokens + numbers_below(&random, 10));
        const cna_kv_view parts[] = {fill(&front, 0, cut, cut),
                                     fill(&back, cut, n_tokens - cut, n_tokens - cut + numbers_below(&random, 10))};
        attend(&all, 1, n_visible, head, one);
        attend(parts, 2, n_visible, head, two);
        size_t n_bytes = p.n_group * p.head_dim * sizeof *one;
        assert_memory_equal(one, two, n_bytes);
        /* Positions past the visible ones do not count: here they are no numbers at all. */
        cna_kv_view visible = fill(&whole, 0, n_visible, CAPACITY_MAX);
        visible.n_tokens = n_tokens;
        attend(&visible, 1, n_visible, head, two);
        assert_memory_equal(one, two, n_bytes);
        p.n_group = 1;
        attend(&visible, 1, n_visible, head, two);
        assert_memory_equal(one, two, p.head_dim * sizeof *one);
    }
}

/* One position: its value, exactly. Equal keys: the mean of the values. */
static void test_simple_cases(void **state)
{
    (void)state;
    numbers random = {3};
    float out[GROUP_MAX * DIM_MAX];
    make_problem(&random, 2, 24, 64);
    for (size_t t = 0; t < p.n_tokens; t++) {
        memcpy(p.keys[t], p.keys[0], sizeof p.keys[t]);
        for (size_t i = 0; i < KV_HEADS * DIM_MAX; i++) p.values[t][i] = (float)(t * (i + 1));
    }
    cna_kv_view view = fill(&whole, 0, 64, 64);
    attend(&view, 1, 1, 1, out);
    assert_memory_equal(out, p.values[0] + 24, 24 * sizeof *out);
    attend(&view, 1, 64, 1, out);
    for (size_t i = 0; i < 24; i++) assert_true(out[i] == 31.5f * (float)(24 + i + 1)); /* whole numbers and halves */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formula),
        cmocka_unit_test(test_shared_prefix),
        cmocka_unit_test(test_simple_cases),
    };
    return cmocka_run_group_tests_name("attention", tests, NULL, NULL);
}
