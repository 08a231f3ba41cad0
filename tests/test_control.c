/* SPDX-License-Identifier: MIT
 * Random circuits: counts, disjointness, determinism, uniformity, deciles; and interventions as scales. */
#include "support.h"

#include <math.h>
#include <string.h>

#include "method/control.h"
#include "method/intervene.h"

enum { N_LAYERS = 4, MLP_DIM = 50, N_TARGETS = 12 };

/* 3 in layer 1, 9 in layer 3; strength grows with (neuron * 7) mod 50, so deciles are five neurons each. */
static const cna_neuron_id targets[N_TARGETS] = {
    {1, 0}, {1, 20}, {1, 49}, {3, 1}, {3, 2}, {3, 3}, {3, 10}, {3, 11}, {3, 12}, {3, 30}, {3, 31}, {3, 33},
};
static const cna_neuron_id excluded[] = {{0, 5}, {1, 7}, {3, 40}, {3, 41}};
enum { N_EXCLUDED = 4 };

static double strength_of(uint32_t neuron)
{
    return (double)(neuron * 7 % MLP_DIM);
}

static size_t decile_of(uint32_t neuron)
{
    return (size_t)strength_of(neuron) * CNA_CONTROL_DECILES / MLP_DIM;
}

static cna_control_pool *make_pool(void)
{
    static double strength[N_LAYERS * MLP_DIM];
    cna_error err;
    cna_control_pool *pool;
    for (uint32_t i = 0; i < N_LAYERS * MLP_DIM; i++) strength[i] = strength_of(i % MLP_DIM);
    assert_ok(cna_control_pool_create(targets, N_TARGETS, excluded, N_EXCLUDED, N_LAYERS, MLP_DIM, strength,
                                      &pool, &err));
    return pool;
}

static bool contains(const cna_neuron_id *ids, size_t n, const cna_neuron_id *id)
{
    for (size_t i = 0; i < n; i++) {
        if (cna_neuron_id_compare(&ids[i], id) == 0) return true;
    }
    return false;
}

static void test_sets(void **state)
{
    (void)state;
    cna_error err;
    cna_control_pool *pool = make_pool();
    for (int kind = CNA_CONTROL_UNIFORM; kind <= CNA_CONTROL_MATCHED; kind++) {
        for (uint64_t seed = 0; seed < 200; seed++) {
            cna_neuron_id drawn[N_TARGETS];
            cna_neuron_id again[N_TARGETS];
            assert_ok(cna_control_draw(pool, (cna_control_kind)kind, 42, seed, drawn, &err));
            assert_ok(cna_control_draw(pool, (cna_control_kind)kind, 42, seed, again, &err));
            assert_memory_equal(drawn, again, sizeof drawn);
            size_t n_first = 0;
            for (size_t i = 0; i < N_TARGETS; i++) {
                assert_true(drawn[i].neuron < MLP_DIM);
                assert_false(contains(targets, N_TARGETS, &drawn[i]));
                assert_false(contains(excluded, N_EXCLUDED, &drawn[i]));
                if (i != 0) assert_true(cna_neuron_id_compare(&drawn[i - 1], &drawn[i]) < 0);
                n_first += drawn[i].layer == 1;
                assert_true(drawn[i].layer == 1 || drawn[i].layer == 3);
            }
            assert_int_equal(n_first, 3);
        }
    }
    cna_control_pool_free(pool);
}

static void test_keys(void **state)
{
    (void)state;
    cna_error err;
    cna_control_pool *pool = make_pool();
    cna_neuron_id drawn[4][N_TARGETS];
    assert_ok(cna_control_draw(pool, CNA_CONTROL_UNIFORM, 0, 0, drawn[0], &err));
    assert_ok(cna_control_draw(pool, CNA_CONTROL_UNIFORM, 0, 1, drawn[1], &err));
    assert_ok(cna_control_draw(pool, CNA_CONTROL_UNIFORM, 1, 0, drawn[2], &err));
    assert_ok(cna_control_draw(pool, CNA_CONTROL_MATCHED, 0, 0, drawn[3], &err));
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < i; j++) assert_memory_not_equal(drawn[i], drawn[j], sizeof drawn[i]);
    }
    /* Uniform draws know nothing of strengths. */
    cna_control_pool *plain;
    cna_neuron_id same[N_TARGETS];
    assert_ok(cna_control_pool_create(targets, N_TARGETS, excluded, N_EXCLUDED, N_LAYERS, MLP_DIM, NULL,
                                      &plain, &err));
    assert_ok(cna_control_draw(plain, CNA_CONTROL_UNIFORM, 0, 0, same, &err));
    assert_memory_equal(same, drawn[0], sizeof same);
    assert_int_equal(cna_control_draw(plain, CNA_CONTROL_MATCHED, 0, 0, same, &err), CNA_ERR_ARG);
    cna_control_pool_free(plain);
    cna_control_pool_free(pool);
}

/* Layer 1 has 46 neurons left, each drawn with probability 3/46. Over 20,000 draws the statistic has about 45
 * degrees of freedom (a little less spread, drawn without replacement); 80 is its 99.9 % point. */
static void test_uniformity(void **state)
{
    (void)state;
    cna_error err;
    cna_control_pool *pool = make_pool();
    size_t count[MLP_DIM] = {0};
    enum { N_DRAWS = 20000 };
    for (uint64_t seed = 0; seed < N_DRAWS; seed++) {
        cna_neuron_id drawn[N_TARGETS];
        assert_ok(cna_control_draw(pool, CNA_CONTROL_UNIFORM, 7, seed, drawn, &err));
        for (size_t i = 0; i < 3; i++) count[drawn[i].neuron]++;
    }
    double expected = N_DRAWS * 3.0 / 46;
    double statistic = 0;
    for (uint32_t j = 0; j < MLP_DIM; j++) {
        cna_neuron_id id = {1, j};
        if (contains(targets, N_TARGETS, &id) || contains(excluded, N_EXCLUDED, &id)) {
            assert_int_equal(count[j], 0);
        } else {
            statistic += ((double)count[j] - expected) * ((double)count[j] - expected) / expected;
        }
    }
    assert_true(statistic < 80);
    cna_control_pool_free(pool);
}

static void test_deciles(void **state)
{
    (void)state;
    cna_error err;
    cna_control_pool *pool = make_pool();
    size_t demand[2][CNA_CONTROL_DECILES] = {{0}};
    for (size_t i = 0; i < N_TARGETS; i++) demand[targets[i].layer == 3][decile_of(targets[i].neuron)]++;
    for (uint64_t seed = 0; seed < 100; seed++) {
        cna_neuron_id drawn[N_TARGETS];
        size_t served[2][CNA_CONTROL_DECILES] = {{0}};
        assert_ok(cna_control_draw(pool, CNA_CONTROL_MATCHED, 0, seed, drawn, &err));
        for (size_t i = 0; i < N_TARGETS; i++) served[drawn[i].layer == 3][decile_of(drawn[i].neuron)]++;
        assert_memory_equal(demand, served, sizeof demand);
    }
    cna_control_pool_free(pool);
}

/* All five neurons of the top decile and one of the next are targets: the top decile has none to give, and
 * the four left of the next do not cover six, so the rest come from the third. */
static void test_widening(void **state)
{
    (void)state;
    cna_error err;
    static double strength[MLP_DIM];
    const cna_neuron_id top[] = {{0, 44}, {0, 45}, {0, 46}, {0, 47}, {0, 48}, {0, 49}};
    cna_control_pool *pool;
    for (uint32_t j = 0; j < MLP_DIM; j++) strength[j] = j;
    assert_ok(cna_control_pool_create(top, 6, NULL, 0, 1, MLP_DIM, strength, &pool, &err));
    for (uint64_t seed = 0; seed < 50; seed++) {
        cna_neuron_id drawn[6];
        assert_ok(cna_control_draw(pool, CNA_CONTROL_MATCHED, 0, seed, drawn, &err));
        size_t n_next = 0;
        for (size_t i = 0; i < 6; i++) {
            assert_true(drawn[i].neuron >= 35 && drawn[i].neuron < 44);
            n_next += drawn[i].neuron >= 40;
        }
        assert_int_equal(n_next, 4);
    }
    cna_control_pool_free(pool);
}

static void test_too_few(void **state)
{
    (void)state;
    cna_error err;
    cna_control_pool *pool;
    const cna_neuron_id most[] = {{0, 0}, {0, 1}, {0, 2}};
    const double strength[6] = {0};
    assert_int_equal(cna_control_pool_create(most, 3, NULL, 0, 1, 5, strength, &pool, &err),
                     CNA_ERR_MISMATCH);
    assert_string_equal(
        err.text, "controls: expected at least 3 neurons of layer 0 outside the circuit, found 2; use a "
                  "smaller circuit or no controls");
    assert_int_equal(cna_control_pool_create(most, 3, NULL, 0, 1, 2, strength, &pool, &err),
                     CNA_ERR_MISMATCH);
    /* As many left as targets, fewer neurons than deciles: exactly those are drawn. */
    cna_neuron_id drawn[3];
    assert_ok(cna_control_pool_create(most, 3, NULL, 0, 1, 6, strength, &pool, &err));
    for (int kind = CNA_CONTROL_UNIFORM; kind <= CNA_CONTROL_MATCHED; kind++) {
        assert_ok(cna_control_draw(pool, (cna_control_kind)kind, 1, 1, drawn, &err));
        for (uint32_t i = 0; i < 3; i++) assert_int_equal(drawn[i].neuron, 3 + i);
    }
    cna_control_pool_free(pool);
    assert_ok(cna_control_pool_create(NULL, 0, NULL, 0, 1, 6, strength, &pool, &err));
    assert_ok(cna_control_draw(pool, CNA_CONTROL_MATCHED, 1, 1, drawn, &err));
    cna_control_pool_free(pool);
}

/* ---- interventions ---- */

static cna_circuit *make_circuit(void)
{
    cna_error err;
    cna_circuit *circuit;
    assert_ok(cna_circuit_create(&circuit, &err));
    circuit->info.n_layers = 2;
    circuit->info.mlp_dim = 8;
    circuit->info.has_delta = true;
    assert_ok(cna_alloc(&circuit->neurons, 3, sizeof *circuit->neurons, "neurons", &err));
    circuit->neurons[circuit->n_neurons++] = (cna_neuron){.layer = 1, .neuron = 3, .delta = 2};
    circuit->neurons[circuit->n_neurons++] = (cna_neuron){.layer = 0, .neuron = 5, .delta = -1};
    circuit->neurons[circuit->n_neurons++] = (cna_neuron){.layer = 0, .neuron = 1, .delta = 0};
    return circuit;
}

static size_t count_scales(const cna_circuit *circuit, double multiplier, cna_sign sign)
{
    cna_error err;
    cna_scale *scales;
    size_t n;
    const cna_intervention one = {circuit, multiplier, CNA_POSITIONS_LAST, sign};
    assert_ok(cna_intervene_scales(&one, 1, 2, 8, &scales, &n, &err));
    for (size_t i = 0; i < n; i++) {
        assert_true(scales[i].multiplier == (float)multiplier);
        assert_int_equal(scales[i].positions, CNA_POSITIONS_LAST);
    }
    cna_free(scales);
    return n;
}

static void test_scales(void **state)
{
    (void)state;
    cna_circuit *circuit = make_circuit();
    assert_int_equal(count_scales(circuit, 0, CNA_SIGN_BOTH), 3);
    assert_int_equal(count_scales(circuit, 0.1, CNA_SIGN_PLUS), 1);
    assert_int_equal(count_scales(circuit, -2, CNA_SIGN_MINUS), 1);
    assert_int_equal(count_scales(circuit, 1, CNA_SIGN_BOTH), 0);
    cna_error err;
    cna_scale *scales;
    size_t n;
    const cna_intervention two[] = {{.circuit = circuit, .multiplier = 0.5},
                                    {.circuit = circuit, .multiplier = 3}};
    assert_ok(cna_intervene_scales(two, 2, 2, 8, &scales, &n, &err));
    assert_int_equal(n, 6);
    cna_free(scales);
    assert_int_equal(cna_intervene_scales(two, 2, 3, 8, &scales, &n, &err), CNA_ERR_MISMATCH);
    const double bad[] = {NAN, INFINITY, 1e300};
    for (size_t i = 0; i < 3; i++) {
        const cna_intervention one = {.circuit = circuit, .multiplier = bad[i]};
        assert_int_equal(cna_intervene_scales(&one, 1, 2, 8, &scales, &n, &err), CNA_ERR_ARG);
    }
    const cna_intervention none = {.multiplier = 0};
    assert_int_equal(cna_intervene_scales(&none, 1, 2, 8, &scales, &n, &err), CNA_ERR_ARG);
    circuit->info.has_delta = false;
    const cna_intervention plus = {.circuit = circuit, .sign = CNA_SIGN_PLUS};
    assert_int_equal(cna_intervene_scales(&plus, 1, 2, 8, &scales, &n, &err), CNA_ERR_ARG);
    cna_circuit_free(circuit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sets),    cmocka_unit_test(test_keys),     cmocka_unit_test(test_uniformity),
        cmocka_unit_test(test_deciles), cmocka_unit_test(test_widening), cmocka_unit_test(test_too_few),
        cmocka_unit_test(test_scales),
    };
    return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
