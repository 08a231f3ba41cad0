/* SPDX-License-Identifier: MIT
 * Ranking and selection, and the order of prompts. */
#include "support.h"

#include <math.h>

#include "method/canonical.h"
#include "method/select.h"

enum { N_LAYERS = 5, MLP_DIM = 30, N = N_LAYERS * MLP_DIM };

static cna_neuron neurons[N];

/* Scores with many ties; the three scores disagree. Layers later in the model are larger. */
static void fill(void)
{
    uint32_t state = 3;
    for (uint32_t i = 0; i < N; i++) {
        state = state * 1664525u + 1013904223u;
        double value = (double)((state >> 16) % 9) - 4;
        uint32_t layer = i / MLP_DIM;
        neurons[i] = (cna_neuron){.layer = layer, .neuron = i % MLP_DIM, .delta = value * (1 + layer / 2)};
        neurons[i].d = value;
        neurons[i].write = fabs(value) * (double)(i % 7);
    }
}

static size_t run(const cna_selection *selection, const cna_neuron_id *universal, size_t n_universal,
                  cna_neuron **out)
{
    cna_error err;
    size_t n;
    assert_ok(cna_select(neurons, N, N_LAYERS, universal, n_universal, selection, out, &n, &err));
    return n;
}

/* Whether a ranks before b. */
static bool before(const cna_neuron *a, const cna_neuron *b, cna_score score)
{
    double x = cna_neuron_score(a, score);
    double y = cna_neuron_score(b, score);
    if (x != y) return x > y;
    return a->layer != b->layer ? a->layer < b->layer : a->neuron < b->neuron;
}

static void test_order(void **state)
{
    (void)state;
    fill();
    const cna_neuron_id universal[] = {{4, 0}, {4, 1}, {4, 2}};
    for (int score = CNA_SCORE_DELTA; score <= CNA_SCORE_WRITE; score++) {
        cna_selection selection = {.score = (cna_score)score, .k = 20};
        cna_neuron *chosen;
        assert_int_equal(run(&selection, universal, 3, &chosen), 20);
        for (size_t i = 1; i < 20; i++) assert_true(before(&chosen[i - 1], &chosen[i], selection.score));
        /* Exactly 19 candidates rank before the last one. */
        size_t n_before = 0;
        for (size_t i = 0; i < N; i++) {
            bool is_universal = neurons[i].layer == 4 && neurons[i].neuron < 3;
            n_before += !is_universal && before(&neurons[i], &chosen[19], selection.score);
        }
        assert_int_equal(n_before, 19);
        cna_free(chosen);
    }
}

/* The published circuit sizes of METHOD section 3. */
static void test_counts(void **state)
{
    (void)state;
    assert_int_equal(cna_select_count(0.001, 16 * 8192), 131);
    assert_int_equal(cna_select_count(0.001, 28 * 8192), 229);
    assert_int_equal(cna_select_count(0.001, 32 * 14336), 458);
    assert_int_equal(cna_select_count(0.001, 80 * 28672), 2293);
    assert_int_equal(cna_select_count(0.001, 28 * 8960), 250);
    assert_int_equal(cna_select_count(0.001, 36 * 11008), 396);
    assert_int_equal(cna_select_count(0.001, 28 * 18944), 530);
    assert_int_equal(cna_select_count(0.001, 80 * 29568), 2365);
    assert_int_equal(cna_select_count(0.001, 131000), 131);
    assert_int_equal(cna_select_count(0.001, 10), 1);
    assert_int_equal(cna_select_count(1, 10), 10);
}

static void test_fraction(void **state)
{
    (void)state;
    fill();
    const cna_neuron_id universal[] = {{0, 0}, {1, 5}};
    cna_neuron *chosen;
    cna_selection selection = {.fraction = 0.1};
    assert_int_equal(run(&selection, universal, 2, &chosen), 15);
    cna_free(chosen);
    selection.fraction = 1;
    assert_int_equal(run(&selection, universal, 2, &chosen), N - 2);
    cna_free(chosen);
    selection.per_layer = true;
    assert_int_equal(run(&selection, universal, 2, &chosen), N - 2);
    cna_free(chosen);
}

static void test_per_layer(void **state)
{
    (void)state;
    fill();
    cna_selection selection = {.k = 22, .per_layer = true};
    cna_neuron *chosen;
    assert_int_equal(run(&selection, NULL, 0, &chosen), 4 * N_LAYERS);
    size_t count[N_LAYERS] = {0};
    for (size_t i = 0; i < 4 * N_LAYERS; i++) {
        count[chosen[i].layer]++;
        if (i != 0) assert_true(before(&chosen[i - 1], &chosen[i], CNA_SCORE_DELTA));
    }
    for (size_t layer = 0; layer < N_LAYERS; layer++) assert_int_equal(count[layer], 4);
    cna_free(chosen);
    selection.k = 2; /* at least one from each layer */
    assert_int_equal(run(&selection, NULL, 0, &chosen), N_LAYERS);
    cna_free(chosen);
}

static void test_too_many(void **state)
{
    (void)state;
    fill();
    cna_error err;
    cna_neuron *chosen;
    size_t n;
    const cna_neuron_id universal[] = {{2, 7}};
    cna_selection selection = {.k = N};
    assert_int_equal(cna_select(neurons, N, N_LAYERS, universal, 1, &selection, &chosen, &n, &err),
                     CNA_ERR_ARG);
    assert_string_equal(err.text,
                        "expected at most 149 neurons, as many as are not universal, found 150 asked for; "
                        "choose fewer or all (fraction 1)");
    selection.per_layer = true;
    assert_int_equal(cna_select(neurons, N, N_LAYERS, universal, 1, &selection, &chosen, &n, &err),
                     CNA_ERR_ARG);
    selection = (cna_selection){.k = N - 1};
    assert_ok(cna_select(neurons, N, N_LAYERS, universal, 1, &selection, &chosen, &n, &err));
    assert_int_equal(n, N - 1);
    cna_free(chosen);
    const double bad[] = {0, -0.5, 1.5, NAN};
    for (size_t i = 0; i < 4; i++) {
        selection = (cna_selection){.fraction = bad[i]};
        assert_int_equal(cna_select(neurons, N, N_LAYERS, NULL, 0, &selection, &chosen, &n, &err),
                         CNA_ERR_ARG);
    }
}

static void test_canonical_order(void **state)
{
    (void)state;
    int32_t a[] = {5, 1}, b[] = {5}, c[] = {2, 9, 9}, d[] = {5, 1};
    cna_token_list lists[] = {{a, 2}, {b, 1}, {c, 3}, {d, 2}};
    cna_canonical_sort(lists, 4);
    assert_ptr_equal(lists[0].ids, c);
    assert_ptr_equal(lists[1].ids, b);
    assert_int_equal(lists[2].n, 2);
    assert_int_equal(lists[3].n, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),    cmocka_unit_test(test_counts),
        cmocka_unit_test(test_fraction), cmocka_unit_test(test_per_layer),
        cmocka_unit_test(test_too_many), cmocka_unit_test(test_canonical_order),
    };
    return cmocka_run_group_tests_name("select", tests, NULL, NULL);
}
