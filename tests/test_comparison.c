/* SPDX-License-Identifier: MIT
 * Circuits beside each other: the overlap that chance gives, against scipy 1.17.1 (its output, 17 digits) and against
 * counting every draw; what two files state differently. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "method/overlap.h"
#include "method/circuit.h"
#include "numbers.h"

#define N(array) (sizeof(array) / sizeof *(array))

static void assert_close(double found, double expected, double relative)
{
    if (!(fabs(found - expected) <= relative * fabs(expected)))
        fail_msg("found %.17g, expected %.17g", found, expected);
}

static void check_chance(const cna_overlap_group *groups, size_t n_groups, size_t n_common, double expected, double p)
{
    cna_error err;
    double found_expected, found_p;
    assert_ok(cna_overlap_by_chance(groups, n_groups, n_common, &found_expected, &found_p, &err));
    assert_close(found_expected, expected, 1e-12);
    assert_close(found_p, p, 1e-9);
}

/* hypergeom(n, n_a, n_b).mean(), hypergeom(n, n_a, n_b).sf(n_common - 1). (scipy's own error in the smallest, against
 * exact binomials in mpmath 1.3.0, is 5e-11 of the value.) */
static void test_one_group(void **state)
{
    (void)state;
    static const struct {
        cna_overlap_group group;
        size_t n_common;
        double expected, p;
    } cases[] = {
        {{10, 3, 4}, 0, 1.2, 1},
        {{10, 3, 4}, 2, 1.2, 0.33333333333333331},
        {{10, 3, 4}, 3, 1.2, 0.033333333333333333},
        {{10, 3, 4}, 4, 1.2, 0},
        {{10, 8, 7}, 5, 5.5999999999999996, 1},
        {{10, 8, 7}, 6, 5.5999999999999996, 0.53333333333333344},
        {{10240, 25, 25}, 1, 0.06103515625, 0.059347597158906168},
        {{10240, 10, 10}, 0, 0.009765625, 1},
        {{10240, 102, 102}, 4, 1.0160156250000001, 0.018745223766248712},
        {{10240, 10240, 25}, 25, 25, 1},
        {{131072, 131, 131}, 11, 0.13092803955078125, 1.8526637798086976e-18},
        {{131072, 131, 131}, 40, 0.13092803955078125, 9.0724026353049324e-90},
        {{458752, 458, 458}, 37, 0.45724923270089285, 6.699244088837372e-58},
        {{458752, 458, 458}, 131, 0.45724923270089285, 3.2543966188706502e-285},
        {{250880, 250, 1600}, 12, 1.5943877551020409, 1.0307994163176585e-07},
        {{458752, 45875, 45875}, 4700, 4587.4800000871928, 0.033359936441578371},
        {{20, 0, 5}, 0, 0, 1},
    };
    for (size_t i = 0; i < N(cases); i++)
        check_chance(&cases[i].group, 1, cases[i].n_common, cases[i].expected, cases[i].p);
}

/* The layers' hypergeom(...).pmf put together by numpy.convolve (2.4.6). */
static void test_layers(void **state)
{
    (void)state;
    static const cna_overlap_group small[] = {{1280, 9, 3}, {1280, 1, 0}, {1280, 0, 9}, {1280, 15, 13}};
    static const cna_overlap_group late[] = {{8192, 5, 2}, {8192, 30, 40}, {8192, 96, 89}};
    static const cna_overlap_group full[] = {{20, 12, 15}, {20, 18, 19}, {20, 20, 3}};
    check_chance(small, N(small), 1, 0.17343749999999999, 0.16067362733163035);
    check_chance(late, N(late), 6, 1.190673828125, 0.0012161823505076393);
    check_chance(full, N(full), 31, 29.100000000000001, 0.081630546955624328);
    check_chance(NULL, 0, 0, 0, 1);
    check_chance(NULL, 0, 1, 0, 0);
}

static unsigned bits_of(unsigned set)
{
    unsigned n = 0;
    for (; set != 0; set &= set - 1) n++;
    return n;
}

/* Two groups of five and four things: every pair of subsets counted. */
static void test_by_counting(void **state)
{
    (void)state;
    enum { FIRST = 5, SECOND = 4, ALL = 1 << (FIRST + SECOND), LOW = (1 << FIRST) - 1 };
    const cna_overlap_group groups[] = {{FIRST, 3, 2}, {SECOND, 1, 3}};
    size_t counts[FIRST + SECOND + 1] = {0}, n_draws = 0;
    for (unsigned a = 0; a < ALL; a++) {
        if (bits_of(a & LOW) != 3 || bits_of(a >> FIRST) != 1) continue;
        for (unsigned b = 0; b < ALL; b++) {
            if (bits_of(b & LOW) != 2 || bits_of(b >> FIRST) != 3) continue;
            counts[bits_of(a & b)]++;
            n_draws++;
        }
    }
    double mean = 0;
    for (size_t x = 0; x < N(counts); x++) mean += (double)(x * counts[x]) / (double)n_draws;
    for (size_t x = 0; x < N(counts); x++) {
        size_t n_more = 0;
        for (size_t i = x; i < N(counts); i++) n_more += counts[i];
        check_chance(groups, 2, x, mean, (double)n_more / (double)n_draws);
    }
}

static void test_too_large(void **state)
{
    (void)state;
    cna_error err;
    double expected, p;
    const cna_overlap_group groups[] = {{10, 2, 2}, {10, 11, 3}};
    assert_int_equal(cna_overlap_by_chance(groups, 2, 0, &expected, &p, &err), CNA_ERR_ARG);
    assert_string_equal(err.text, "chance of an overlap: expected sets of at most 10, found 11 and 3");
}

/* ---- circuits ---- */

/* A circuit of the neurons (layer, neuron) given as pairs; shape 0: a foreign file's. */
static cna_circuit *make_circuit(uint32_t n_layers, uint32_t mlp_dim, const uint32_t (*ids)[2], size_t n)
{
    cna_error err;
    cna_circuit *circuit;
    assert_ok(cna_circuit_create(&circuit, &err));
    assert_ok(cna_alloc(&circuit->neurons, n, sizeof *circuit->neurons, "test", &err));
    circuit->n_neurons = n;
    circuit->info.n_layers = n_layers;
    circuit->info.mlp_dim = mlp_dim;
    for (size_t i = 0; i < n; i++) circuit->neurons[i] = (cna_neuron){.layer = ids[i][0], .neuron = ids[i][1]};
    return circuit;
}

static const uint32_t ids_a[][2] = {{0, 1}, {2, 3}, {2, 4}, {2, 9}}, ids_b[][2] = {{2, 3}, {2, 4}, {1, 7}};

typedef struct two {
    cna_circuit *a, *b;
} two;

static cna_status take_chance(void *user, cna_error *err)
{
    const two *t = user;
    cna_overlap_chance chance;
    return cna_circuit_overlap_chance(t->a, t->b, &chance, err);
}

static void test_circuits(void **state)
{
    (void)state;
    cna_error err;
    cna_overlap_chance chance, swapped;
    two t = {make_circuit(3, 10, ids_a, N(ids_a)), make_circuit(3, 10, ids_b, N(ids_b))};
    assert_ok(cna_circuit_overlap_chance(t.a, t.b, &chance, &err));
    assert_int_equal(chance.n_neurons, 30);
    assert_close(chance.expected, 4 * 3 / 30.0, 1e-12);
    assert_close(chance.expected_layers, 3 * 2 / 10.0, 1e-12);
    /* Two in common: of 30, (C(4,2) C(26,1) + C(4,3)) / C(30,3); of layer 2, C(3,2) / C(10,2). */
    assert_close(chance.p, (6 * 26 + 4) / 4060.0, 1e-12);
    assert_close(chance.p_layers, 3 / 45.0, 1e-12);
    assert_ok(cna_circuit_overlap_chance(t.b, t.a, &swapped, &err));
    assert_close(swapped.p, chance.p, 1e-12);
    assert_close(swapped.p_layers, chance.p_layers, 1e-12);
    support_fail_allocations(take_chance, &t);
    cna_circuit_free(t.a);
    cna_circuit_free(t.b);
}

static void test_unstated_shapes(void **state)
{
    (void)state;
    cna_error err;
    cna_overlap_chance chance;
    cna_circuit *foreign = make_circuit(0, 0, ids_a, N(ids_a)), *other = make_circuit(0, 0, ids_b, N(ids_b));
    assert_ok(cna_circuit_overlap_chance(foreign, other, &chance, &err));
    assert_int_equal(chance.n_neurons, 0);
    assert_true(isnan(chance.expected) && isnan(chance.p) && isnan(chance.expected_layers) && isnan(chance.p_layers));
    other->info.n_layers = 3;
    other->info.mlp_dim = 10;
    assert_ok(cna_circuit_overlap_chance(foreign, other, &chance, &err));
    assert_int_equal(chance.n_neurons, 30);
    other->info.mlp_dim = 9;
    assert_int_equal(cna_circuit_overlap_chance(foreign, other, &chance, &err), CNA_ERR_MISMATCH);
    assert_string_equal(err.text, "circuits: expected neurons within 3 layers of 9, the shape that the other file "
                                  "states, found layer 2 neuron 9");
    cna_circuit_free(foreign);
    cna_circuit_free(other);
}

/* Sets drawn layer by layer at random: the mean overlap is the expected one, and p is 5 % or less about as often. */
static void test_simulated(void **state)
{
    (void)state;
    enum { LAYERS = 4, WIDTH = 64, DRAWS = 4000 };
    static const size_t n_a[LAYERS] = {2, 0, 9, 20}, n_b[LAYERS] = {1, 5, 12, 16};
    numbers random = {7};
    cna_overlap_group groups[LAYERS];
    for (size_t i = 0; i < LAYERS; i++) groups[i] = (cna_overlap_group){WIDTH, n_a[i], n_b[i]};
    double sum = 0, expected = 0, p;
    size_t n_small = 0;
    for (size_t draw = 0; draw < DRAWS; draw++) {
        cna_error err;
        size_t n_common = 0;
        for (size_t layer = 0; layer < LAYERS; layer++) {
            bool in_b[WIDTH] = {false};
            for (size_t left = n_b[layer]; left > 0;) {
                size_t at = numbers_below(&random, WIDTH);
                left -= !in_b[at];
                in_b[at] = true;
            }
            for (size_t i = 0; i < n_a[layer]; i++) n_common += in_b[i];
        }
        assert_ok(cna_overlap_by_chance(groups, LAYERS, n_common, &expected, &p, &err));
        sum += (double)n_common;
        n_small += p <= 0.05;
    }
    assert_true(fabs(sum / DRAWS - expected) < 0.15); /* a mean of 4,000 of deviation about 2.2: 4 standard errors */
    assert_in_range(n_small, 1, DRAWS * 6 / 100);     /* p is discrete, so it reaches 5 % less often */
}

static void test_differences(void **state)
{
    (void)state;
    cna_error err;
    cna_circuit *a = make_circuit(3, 10, ids_a, N(ids_a)), *b = make_circuit(3, 10, ids_a, N(ids_a));
    cna_circuit_difference d;
    const cna_circuit_difference none = {0};
    assert_ok(cna_circuit_compare(a, b, &d, &err));
    assert_memory_equal(&d, &none, sizeof d);
    strcpy(a->info.fingerprint, "aa"); /* b does not say: no difference is stated */
    assert_ok(cna_circuit_compare(a, b, &d, &err));
    assert_memory_equal(&d, &none, sizeof d);
    strcpy(b->info.fingerprint, "bb");
    strcpy(a->info.prompt_format, "chat");
    strcpy(b->info.prompt_format, "raw");
    b->info.score = CNA_SCORE_D;
    b->info.per_layer = true;
    b->info.last_layer = 2;
    assert_ok(cna_circuit_compare(a, b, &d, &err));
    assert_true(d.weights && d.prompt_format && d.score && d.per_layer && d.layers);
    assert_false(d.prompts || d.date || d.preset || d.universal || d.n_neurons);
    b->info.n_layers = 0; /* a foreign file: its score is not stated */
    assert_ok(cna_circuit_compare(a, b, &d, &err));
    assert_false(d.score || d.per_layer || d.layers);
    cna_circuit_free(a);
    cna_circuit_free(b);
}

/* The prompts of a circuit as hashes, in another order or not the same. */
static void test_prompts_differ(void **state)
{
    (void)state;
    cna_error err;
    cna_circuit *circuits[2];
    cna_circuit_difference d;
    for (int i = 0; i < 2; i++) {
        circuits[i] = make_circuit(3, 10, ids_a, N(ids_a));
        circuits[i]->info.n_positive = 2;
        assert_ok(cna_alloc(&circuits[i]->positive, 2, sizeof *circuits[i]->positive, "test", &err));
        circuits[i]->positive[i].hex[0] = 'a';
        circuits[i]->positive[1 - i].hex[0] = 'b';
    }
    assert_ok(cna_circuit_compare(circuits[0], circuits[1], &d, &err));
    assert_false(d.prompts);
    circuits[1]->positive[0].hex[0] = 'c';
    assert_ok(cna_circuit_compare(circuits[0], circuits[1], &d, &err));
    assert_true(d.prompts);
    circuits[1]->info.n_positive = 0;
    assert_ok(cna_circuit_compare(circuits[0], circuits[1], &d, &err));
    assert_false(d.prompts);
    cna_circuit_free(circuits[0]);
    cna_circuit_free(circuits[1]);
}

typedef struct compared {
    cna_circuit *a, *b;
    bool differ;
} compared;

static cna_status compare(void *user, cna_error *err)
{
    compared *c = user;
    const cna_circuit_difference before = {.weights = true};
    cna_circuit_difference d = before;
    cna_status status = cna_circuit_compare(c->a, c->b, &d, err);
    if (status == CNA_OK) c->differ = d.prompts;
    else assert_memory_equal(&d, &before, sizeof d);
    return status;
}

static cna_circuit *make_prompts(size_t n, bool turned)
{
    cna_error err;
    cna_circuit *circuit = make_circuit(3, 10, ids_a, N(ids_a));
    circuit->info.n_negative = n;
    assert_ok(cna_alloc(&circuit->negative, n, sizeof *circuit->negative, "test", &err));
    for (size_t i = 0; i < n; i++)
        snprintf(circuit->negative[i].hex, sizeof circuit->negative[i].hex, "%064zx", turned ? n - 1 - i : i);
    return circuit;
}

static double seconds_for(size_t n)
{
    cna_error err;
    compared c = {make_prompts(n, false), make_prompts(n, true), true};
    clock_t start = clock();
    assert_ok(compare(&c, &err));
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    assert_false(c.differ);
    cna_circuit_free(c.a);
    cna_circuit_free(c.b);
    return seconds;
}

/* Ten times the hashes take about ten times as long, not a hundred times. */
static void test_many_prompts(void **state)
{
    (void)state;
    double few = seconds_for(6000), many = seconds_for(60000);
    print_message("6,000 hashes %.3f s, 60,000 %.3f s\n", few, many);
    assert_true(many < 0.5 + 40 * few);
    compared c = {make_prompts(4, false), make_prompts(5, true), false};
    support_fail_allocations(compare, &c);
    assert_true(c.differ);
    c.b->negative[0] = c.b->negative[1]; /* one that is there twice counts once */
    cna_error err;
    assert_ok(compare(&c, &err));
    assert_false(c.differ);
    cna_circuit_free(c.a);
    cna_circuit_free(c.b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_group),       cmocka_unit_test(test_layers),
        cmocka_unit_test(test_by_counting),     cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_circuits),        cmocka_unit_test(test_unstated_shapes),
        cmocka_unit_test(test_simulated),       cmocka_unit_test(test_differences),
        cmocka_unit_test(test_prompts_differ),  cmocka_unit_test(test_many_prompts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
