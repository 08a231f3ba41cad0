/* SPDX-License-Identifier: MIT
 * Attention against the formula in double precision; and that neither the cut into views, the other rows of a tile,
 * what lies behind the visible positions nor the vector width changes a bit of it. */
#include "support.h"

#include <math.h>
#include <stdalign.h>
#include <string.h>

#include "numbers.h"
#include "tensor/attention.h"

enum { KV_HEADS = 2, GROUP_MAX = 6, DIM_MAX = 136, TOKENS_MAX = 300, ROWS_MAX = CNA_ATTENTION_ROWS, VIEWS_MAX = 40 };
enum { ROW_STRIDE = GROUP_MAX * DIM_MAX + 3, OUT_SIZE = ROWS_MAX * ROW_STRIDE };
enum { SCRATCH_MAX = ROWS_MAX * GROUP_MAX * (TOKENS_MAX + 32) };
enum { POOL_TOKENS = TOKENS_MAX + VIEWS_MAX * 2 * CNA_KV_STEP, POOL = KV_HEADS * DIM_MAX * POOL_TOKENS };

/* One problem: keys and values by position, head and dimension. */
typedef struct problem {
    size_t n_rows, n_group, head_dim, n_tokens, window;
    float scale, cap;
    float q[OUT_SIZE];
    float keys[TOKENS_MAX][KV_HEADS * DIM_MAX], values[TOKENS_MAX][KV_HEADS * DIM_MAX];
} problem;

/* Where views have their arrays. */
typedef struct cache {
    alignas(64) float keys[POOL];
    alignas(64) float values[POOL];
    cna_kv_view views[VIEWS_MAX];
    size_t n_views, used;
} cache;

static problem p;
static cache whole, cut;

static void make_problem(numbers *random, size_t n_rows, size_t n_group, size_t head_dim, size_t n_tokens)
{
    p.n_rows = n_rows;
    p.n_group = n_group;
    p.head_dim = head_dim;
    p.n_tokens = n_tokens;
    p.window = 0;
    p.cap = 0;
    p.scale = 1.0f / sqrtf((float)head_dim);
    numbers_fill(random, p.q, OUT_SIZE, 1.5);
    for (size_t t = 0; t < n_tokens; t++) {
        numbers_fill(random, p.keys[t], KV_HEADS * DIM_MAX, 1.5);
        numbers_fill(random, p.values[t], KV_HEADS * DIM_MAX, 1);
    }
}

/* An empty cache; what no position fills is `filler`. */
static void clear(cache *c, float filler)
{
    for (size_t i = 0; i < POOL; i++) c->keys[i] = c->values[i] = filler;
    c->n_views = c->used = 0;
}

/* One more view, of positions first .. first + n - 1. */
static void add_view(cache *c, size_t first, size_t n, size_t capacity)
{
    float *keys = c->keys + c->used, *values = c->values + c->used;
    assert_true(c->n_views < VIEWS_MAX && n <= capacity && c->used + KV_HEADS * p.head_dim * capacity <= POOL);
    for (size_t h = 0; h < KV_HEADS; h++) {
        for (size_t t = 0; t < n; t++) {
            for (size_t i = 0; i < p.head_dim; i++) {
                keys[(h * p.head_dim + i) * capacity + t] = p.keys[first + t][h * p.head_dim + i];
                values[(h * capacity + t) * p.head_dim + i] = p.values[first + t][h * p.head_dim + i];
            }
        }
    }
    c->views[c->n_views++] = (cna_kv_view){keys, values, n, capacity};
    c->used += KV_HEADS * p.head_dim * capacity;
}

/* The smallest capacity for n positions, and a step more if asked. */
static size_t capacity_for(size_t n, size_t more)
{
    return (n + CNA_KV_STEP - 1) / CNA_KV_STEP * CNA_KV_STEP + more * CNA_KV_STEP;
}

/* All positions in one view. */
static void fill_whole(size_t more)
{
    clear(&whole, NAN);
    add_view(&whole, 0, p.n_tokens, capacity_for(p.n_tokens, more));
}

/* The formula. bound[i] receives how far rounding in f32 may lead from it. */
static void reference(const float *q, size_t head, size_t n_visible, double *out, double *bound)
{
    double scores[TOKENS_MAX], max = -INFINITY, sum = 0, error = 0, scale = (double)p.scale, cap = (double)p.cap;
    size_t first = p.window == 0 || p.window > n_visible ? 0 : n_visible - p.window;
    for (size_t t = first; t < n_visible; t++) {
        double dot = 0, magnitude = 0;
        for (size_t i = 0; i < p.head_dim; i++) {
            double product = (double)q[i] * (double)p.keys[t][head * p.head_dim + i];
            dot += product;
            magnitude += fabs(product);
        }
        scores[t] = p.cap > 0 ? cap * tanh(dot * scale / cap) : dot * scale;
        double one = ((double)p.head_dim + 4) * NUMBERS_EPS * magnitude * scale + 8 * NUMBERS_EPS * cap;
        if (one > error) error = one;
        if (scores[t] > max) max = scores[t];
    }
    for (size_t t = first; t < n_visible; t++) sum += exp(scores[t] - max);
    for (size_t i = 0; i < p.head_dim; i++) {
        double magnitude = 0;
        out[i] = 0;
        for (size_t t = first; t < n_visible; t++) {
            double term = exp(scores[t] - max) / sum * (double)p.values[t][head * p.head_dim + i];
            out[i] += term;
            magnitude += fabs(term);
        }
        /* Errors of scores count in weight and denominator; exp adds 2e-7 to each; then the sum over positions. */
        bound[i] = magnitude * (4 * error + 1e-6 + (double)n_visible * NUMBERS_EPS);
    }
}

/* Rows and query heads [g, g + n_group) of the problem; everything that is not theirs must stay. */
static void attend_part(const cache *c, size_t n_visible, size_t head, size_t row, size_t n_rows, size_t g,
                        size_t n_group, size_t n_lanes, float *out)
{
    static float scratch[SCRATCH_MAX + 1];
    const cna_attention attention = {.n_rows = n_rows, .row_stride = ROW_STRIDE, .n_group = n_group,
                                     .head_dim = p.head_dim, .kv_head = head, .views = c->views,
                                     .n_views = c->n_views, .n_visible = n_visible + row,
                                     .window = p.window, .scale = p.scale, .cap = p.cap};
    size_t at = row * ROW_STRIDE + g * p.head_dim, n_scratch = cna_attention_scratch(&attention);
    assert_true(n_scratch <= SCRATCH_MAX);
    for (size_t i = 0; i < n_scratch; i++) scratch[i] = NAN;
    scratch[n_scratch] = 123;
    for (size_t i = 0; i < OUT_SIZE; i++) out[i] = 321;
    if (n_lanes == 0) cna_attend(&attention, p.q + at, scratch, out + at);
    else cna_attend_lanes(&attention, n_lanes, p.q + at, scratch, out + at);
    assert_true(scratch[n_scratch] == 123);
    for (size_t i = 0; i < OUT_SIZE; i++) {
        size_t t = i / ROW_STRIDE, in_row = i % ROW_STRIDE;
        if (t < row || t >= row + n_rows || in_row < g * p.head_dim || in_row >= (g + n_group) * p.head_dim) {
            assert_true(out[i] == 321);
        }
    }
}

static void attend(const cache *c, size_t n_visible, size_t head, float *out)
{
    attend_part(c, n_visible, head, 0, p.n_rows, 0, p.n_group, 0, out);
}

/* One output of a row and a query head, bit by bit. */
static void assert_same_output(const float *a, const float *b, size_t row, size_t g)
{
    size_t at = row * ROW_STRIDE + g * p.head_dim;
    assert_memory_equal(a + at, b + at, p.head_dim * sizeof *a);
}

static const size_t lengths[] = {1, 2, 15, 16, 17, 31, 33, 63, 64, 65, 100, 128, 129, 300};
static const size_t dims[] = {2, 8, 24, 30, 64, 72, 128, 136};
enum { N_LENGTHS = sizeof lengths / sizeof *lengths, N_DIMS = sizeof dims / sizeof *dims };

/* A window as often as not, narrower or wider than a tile; and likewise a cap, and another scale. */
static void choose_rule(numbers *random)
{
    if (numbers_below(random, 2) == 0) p.window = 1 + numbers_below(random, numbers_below(random, 2) == 0 ? 20 : 200);
    if (numbers_below(random, 2) == 0) p.cap = 0.5f + (float)numbers_below(random, 8);
    if (numbers_below(random, 2) == 0) p.scale = 0.3f;
}

/* Any size of tile, and how much of the n_tokens its first row sees. */
static size_t make_random_problem(numbers *random, size_t n_tokens)
{
    size_t n_rows = 1 + numbers_below(random, n_tokens < ROWS_MAX ? n_tokens : ROWS_MAX);
    make_problem(random, n_rows, 1 + numbers_below(random, GROUP_MAX), dims[numbers_below(random, N_DIMS)], n_tokens);
    choose_rule(random);
    return 1 + numbers_below(random, n_tokens - n_rows + 1);
}

static void test_formula(void **state)
{
    (void)state;
    numbers random = {1};
    static float out[OUT_SIZE];
    double expected[DIM_MAX], bound[DIM_MAX];
    for (size_t d = 0; d < N_DIMS; d++) {
        for (size_t l = 0; l < N_LENGTHS; l++) {
            size_t n_rows = lengths[l] < ROWS_MAX ? lengths[l] : 1 + (3 * d + l) % ROWS_MAX, head = l % KV_HEADS;
            make_problem(&random, n_rows, 1 + (d + l) % GROUP_MAX, dims[d], lengths[l]);
            if (d % 2 == 1) choose_rule(&random);
            fill_whole(l % 3);
            size_t n_visible = p.n_tokens - n_rows + 1;
            attend(&whole, n_visible, head, out);
            for (size_t x = 0; x < n_rows * p.n_group; x++) {
                size_t t = x / p.n_group, at = t * ROW_STRIDE + x % p.n_group * p.head_dim;
                reference(p.q + at, head, n_visible + t, expected, bound);
                for (size_t i = 0; i < p.head_dim; i++) {
                    if (!(fabs((double)out[at + i] - expected[i]) <= bound[i])) {
                        fail_msg("head_dim %zu, row %zu, %zu of %zu positions: found %.9g, expected %.9g within %.3g",
                                 p.head_dim, t, n_visible + t, p.n_tokens, (double)out[at + i], expected[i], bound[i]);
                    }
                }
            }
        }
    }
}

/* Views cut anywhere, many and short or few and long, some of them empty, give the bits of one. */
static void test_views(void **state)
{
    (void)state;
    numbers random = {2};
    static float one[OUT_SIZE], many[OUT_SIZE];
    for (int round = 0; round < 300; round++) {
        size_t n_tokens = 1 + numbers_below(&random, round % 2 == 0 ? 60 : TOKENS_MAX);
        size_t longest = 1 + numbers_below(&random, 80);
        size_t n_visible = make_random_problem(&random, n_tokens), head = numbers_below(&random, KV_HEADS), done = 0;
        fill_whole(0);
        clear(&cut, NAN);
        while (done < n_tokens) {
            size_t n = numbers_below(&random, longest + 1);
            if (n > n_tokens - done || cut.n_views == VIEWS_MAX - 1) n = n_tokens - done;
            add_view(&cut, done, n, capacity_for(n, n == 0 || n < longest ? numbers_below(&random, 2) : 0));
            done += n;
        }
        attend(&whole, n_visible, head, one);
        attend(&cut, n_visible, head, many);
        assert_memory_equal(one, many, sizeof one);
    }
}

/* Each row of a tile alone, each query head alone and any run of rows give the bits of the tile. */
static void test_tiles(void **state)
{
    (void)state;
    numbers random = {3};
    static float tile[OUT_SIZE], part[OUT_SIZE];
    for (int round = 0; round < 60; round++) {
        size_t n_visible = make_random_problem(&random, 1 + numbers_below(&random, round % 2 == 0 ? 60 : TOKENS_MAX));
        fill_whole(0);
        attend(&whole, n_visible, 1, tile);
        for (size_t t = 0; t < p.n_rows; t++) {
            attend_part(&whole, n_visible, 1, t, 1, 0, p.n_group, 0, part);
            for (size_t g = 0; g < p.n_group; g++) assert_same_output(tile, part, t, g);
        }
        for (size_t g = 0; g < p.n_group; g++) {
            attend_part(&whole, n_visible, 1, 0, p.n_rows, g, 1, 0, part);
            for (size_t t = 0; t < p.n_rows; t++) assert_same_output(tile, part, t, g);
        }
        size_t first = numbers_below(&random, p.n_rows), n = 1 + numbers_below(&random, p.n_rows - first);
        attend_part(&whole, n_visible, 1, first, n, 0, p.n_group, 0, part);
        for (size_t t = first; t < first + n; t++) {
            for (size_t g = 0; g < p.n_group; g++) assert_same_output(tile, part, t, g);
        }
    }
}

/* A row does not see what only later rows see, whatever it is: not even as a product with zero. */
static void test_causality(void **state)
{
    (void)state;
    static const float fillers[] = {NAN, INFINITY, -INFINITY, 3e38f};
    numbers random = {4};
    static float clean[OUT_SIZE], spoilt[OUT_SIZE];
    for (size_t round = 0; round < 80; round++) {
        size_t n_visible = make_random_problem(&random, 1 + numbers_below(&random, 100));
        size_t seen = numbers_below(&random, p.n_rows + 1);
        fill_whole(1);
        attend(&whole, n_visible, 0, clean);
        float filler = fillers[round % 4];
        clear(&cut, filler);
        add_view(&cut, 0, n_visible + seen - 1, capacity_for(p.n_tokens, 1));
        cut.views[0].n_tokens = p.n_tokens;
        attend(&cut, n_visible, 0, spoilt);
        for (size_t t = 0; t < seen; t++) {
            for (size_t g = 0; g < p.n_group; g++) assert_same_output(clean, spoilt, t, g);
        }
        for (size_t t = seen; t < p.n_rows && round % 4 == 0; t++) assert_true(isnan(spoilt[t * ROW_STRIDE]));
    }
}

/* Nor what lies before its window. */
static void test_window(void **state)
{
    (void)state;
    numbers random = {8};
    static float clean[OUT_SIZE], spoilt[OUT_SIZE];
    for (size_t round = 0; round < 200; round++) {
        size_t n_visible = make_random_problem(&random, 1 + numbers_below(&random, TOKENS_MAX));
        size_t alone = numbers_below(&random, p.n_rows);
        if (p.window == 0) p.window = 1 + numbers_below(&random, 30);
        fill_whole(0);
        attend(&whole, n_visible, 1, clean);
        size_t end = n_visible + alone, hidden = p.window > end ? 0 : end - p.window;
        for (size_t t = 0; t < hidden; t++) {
            for (size_t i = 0; i < KV_HEADS * DIM_MAX; i++) p.keys[t][i] = p.values[t][i] = NAN;
        }
        fill_whole(0);
        attend(&whole, n_visible, 1, spoilt);
        for (size_t t = alone; t < p.n_rows; t++) {
            for (size_t g = 0; g < p.n_group; g++) assert_same_output(clean, spoilt, t, g);
        }
    }
}

static void test_vector_widths(void **state)
{
    (void)state;
    numbers random = {5};
    static float widest[OUT_SIZE], other[OUT_SIZE];
    for (int round = 0; round < 100; round++) {
        size_t n_visible = make_random_problem(&random, 1 + numbers_below(&random, TOKENS_MAX));
        fill_whole(0);
        attend(&whole, n_visible, 1, widest);
        for (size_t n_lanes = 4; n_lanes <= 16; n_lanes *= 2) {
            attend_part(&whole, n_visible, 1, 0, p.n_rows, 0, p.n_group, n_lanes, other);
            assert_memory_equal(widest, other, sizeof other);
        }
    }
}

/* One position: its value, exactly. Equal keys: the mean of the values. */
static void test_simple_cases(void **state)
{
    (void)state;
    numbers random = {6};
    static float out[OUT_SIZE];
    make_problem(&random, 1, 2, 24, 64);
    for (size_t t = 0; t < p.n_tokens; t++) {
        memcpy(p.keys[t], p.keys[0], sizeof p.keys[t]);
        for (size_t i = 0; i < KV_HEADS * DIM_MAX; i++) p.values[t][i] = (float)(t * (i + 1));
    }
    fill_whole(0);
    attend(&whole, 1, 1, out);
    assert_memory_equal(out, p.values[0] + 24, 24 * sizeof *out);
    attend(&whole, 64, 1, out);
    for (size_t i = 0; i < 24; i++) assert_true(out[i] == 31.5f * (float)(24 + i + 1)); /* whole numbers and halves */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formula),       cmocka_unit_test(test_views),
        cmocka_unit_test(test_tiles),         cmocka_unit_test(test_causality),
        cmocka_unit_test(test_vector_widths), cmocka_unit_test(test_simple_cases),
        cmocka_unit_test(test_window),
    };
    return cmocka_run_group_tests_name("attention", tests, NULL, NULL);
}
