/* SPDX-License-Identifier: MIT
 * Taps: products of several scales, kinds of positions, multipliers of 1, and what is refused. */
#include "support.h"

#include <math.h>
#include <string.h>

#include "engine/tap.h"
#include "numbers.h"

enum { LAYERS = 4, NEURONS = 12 };

static cna_tap *make(const cna_scale *scales, size_t n)
{
    cna_error err;
    cna_tap *tap;
    assert_ok(cna_tap_create(scales, n, LAYERS, NEURONS, &tap, &err));
    return tap;
}

/* METHOD section 5: which positions each setting touches. */
static bool touches(cna_positions positions, cna_row_kind kind)
{
    static const bool table[4][CNA_ROW_KINDS] = {
        [CNA_POSITIONS_ALL] = {[CNA_ROW_PROMPT] = true, [CNA_ROW_LAST] = true, [CNA_ROW_GENERATED] = true},
        [CNA_POSITIONS_PROMPT] = {[CNA_ROW_PROMPT] = true, [CNA_ROW_LAST] = true},
        [CNA_POSITIONS_GENERATED] = {[CNA_ROW_GENERATED] = true},
        [CNA_POSITIONS_LAST] = {[CNA_ROW_LAST] = true},
    };
    return table[positions][kind];
}

/* The columns of every layer and kind against products multiplied up one by one. */
static void check(const cna_tap *tap, const cna_scale *scales, size_t n)
{
    for (uint32_t layer = 0; layer < LAYERS; layer++) {
        for (int kind = 0; kind < CNA_ROW_KINDS; kind++) {
            double product[NEURONS];
            size_t n_columns, at = 0;
            const cna_tap_column *columns = cna_tap_columns(tap, layer, (cna_row_kind)kind, &n_columns);
            for (size_t j = 0; j < NEURONS; j++) product[j] = 1;
            for (size_t i = 0; i < n; i++) {
                if (scales[i].layer == layer && touches(scales[i].positions, (cna_row_kind)kind))
                    product[scales[i].neuron] *= (double)scales[i].multiplier;
            }
            for (uint32_t j = 0; j < NEURONS; j++) {
                if ((float)product[j] == 1) continue;
                assert_true(at < n_columns && columns[at].neuron == j);
                assert_true(columns[at].multiplier == (float)product[j]);
                at++;
            }
            assert_int_equal(at, n_columns);
        }
    }
}

/* Multipliers whose products are exact in any order, so that sorting cannot change them. */
static void test_random_scales(void **state)
{
    (void)state;
    static const float multipliers[] = {0, 1, -1, 2, 0.5f, -2, 0.25f, 1.5f};
    numbers random = {1};
    for (int round = 0; round < 500; round++) {
        cna_scale scales[60];
        size_t n = numbers_below(&random, 61);
        for (size_t i = 0; i < n; i++) {
            scales[i] = (cna_scale){(uint32_t)numbers_below(&random, LAYERS), (uint32_t)numbers_below(&random, NEURONS),
                                    multipliers[numbers_below(&random, 8)], (cna_positions)numbers_below(&random, 4)};
        }
        cna_tap *tap = make(scales, n);
        check(tap, scales, n);
        cna_tap_free(tap);
    }
}

static void test_product_of_two(void **state)
{
    (void)state;
    /* Two circuits share neuron (2, 5): 0.5 * 3 = 1.5; (2, 6) is in the first only. Inverse multipliers cancel. */
    const cna_scale scales[] = {{2, 5, 0.5f, CNA_POSITIONS_ALL},    {2, 6, 0.5f, CNA_POSITIONS_ALL},
                                {2, 5, 3, CNA_POSITIONS_GENERATED}, {1, 0, 4, CNA_POSITIONS_ALL},
                                {1, 0, 0.25f, CNA_POSITIONS_LAST}};
    cna_tap *tap = make(scales, 5);
    size_t n;
    const cna_tap_column *columns = cna_tap_columns(tap, 2, CNA_ROW_GENERATED, &n);
    assert_int_equal(n, 2);
    assert_true(columns[0].neuron == 5 && columns[0].multiplier == 1.5f);
    assert_true(columns[1].neuron == 6 && columns[1].multiplier == 0.5f);
    columns = cna_tap_columns(tap, 2, CNA_ROW_LAST, &n);
    assert_true(n == 2 && columns[0].multiplier == 0.5f);
    cna_tap_columns(tap, 1, CNA_ROW_LAST, &n);
    assert_int_equal(n, 0);
    cna_tap_columns(tap, 1, CNA_ROW_PROMPT, &n);
    assert_int_equal(n, 1);
    cna_tap_free(tap);
}

static void test_nothing(void **state)
{
    (void)state;
    size_t n = 9;
    cna_tap_columns(NULL, 3, CNA_ROW_LAST, &n);
    assert_int_equal(n, 0);
    cna_tap *tap = make(NULL, 0);
    check(tap, NULL, 0);
    cna_tap_free(tap);
    const cna_scale one[] = {{0, 0, 1, CNA_POSITIONS_ALL}, {3, 11, 1, CNA_POSITIONS_LAST}};
    tap = make(one, 2);
    for (uint32_t layer = 0; layer < LAYERS; layer++) {
        for (int kind = 0; kind < CNA_ROW_KINDS; kind++) {
            cna_tap_columns(tap, layer, (cna_row_kind)kind, &n);
            assert_int_equal(n, 0);
        }
    }
    cna_tap_free(tap);
    cna_tap_free(NULL);
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        cna_scale scale;
        const char *error;
    } cases[] = {
        {{LAYERS, 0, 0, CNA_POSITIONS_ALL},
         "neuron (4, 0) times 0: expected layer < 4, neuron < 12 and a finite multiplier"},
        {{0, NEURONS, 0, CNA_POSITIONS_ALL},
         "neuron (0, 12) times 0: expected layer < 4, neuron < 12 and a finite multiplier"},
        {{UINT32_MAX, UINT32_MAX, 2, CNA_POSITIONS_ALL},
         "neuron (4294967295, 4294967295) times 2: expected layer < 4, neuron < 12 and a finite multiplier"},
        {{0, 0, NAN, CNA_POSITIONS_ALL},
         "neuron (0, 0) times nan: expected layer < 4, neuron < 12 and a finite multiplier"},
        {{0, 0, -INFINITY, CNA_POSITIONS_ALL},
         "neuron (0, 0) times -inf: expected layer < 4, neuron < 12 and a finite multiplier"},
        /* Each factor is finite, the product is not. */
        {{1, 1, 3e38f, CNA_POSITIONS_ALL},
         "neuron (1, 1): expected a finite product of its multipliers, found inf"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const cna_scale scales[] = {{1, 1, 3e38f, CNA_POSITIONS_ALL}, cases[i].scale};
        cna_error err;
        cna_tap *tap = (cna_tap *)(uintptr_t)1;
        assert_int_equal(cna_tap_create(scales, 2, LAYERS, NEURONS, &tap, &err), CNA_ERR_ARG);
        assert_string_equal(err.text, cases[i].error);
        assert_null(tap);
    }
}

static cna_status create(void *user, cna_error *err)
{
    const cna_scale scale = {1, 2, 3, CNA_POSITIONS_ALL};
    cna_tap *tap;
    (void)user;
    CNA_TRY(cna_tap_create(&scale, 1, LAYERS, NEURONS, &tap, err));
    cna_tap_free(tap);
    return CNA_OK;
}

static void test_memory_failures(void **state)
{
    (void)state;
    support_fail_allocations(create, NULL);
}

/* The first layer where each kind of row is touched: by a multiplier other than 1 or by a vector. */
static void test_first_layer(void **state)
{
    (void)state;
    cna_error err;
    cna_tap *tap;
    const float vector[1] = {1};
    const cna_scale scales[] = {
        {1, 0, 1, CNA_POSITIONS_ALL}, {2, 0, 0, CNA_POSITIONS_LAST}, {2, 1, 3, CNA_POSITIONS_GENERATED}};
    assert_ok(cna_tap_create(scales, 3, LAYERS, NEURONS, &tap, &err));
    assert_int_equal(cna_tap_first_layer(tap, CNA_ROW_PROMPT), LAYERS);
    assert_int_equal(cna_tap_first_layer(tap, CNA_ROW_LAST), 2);
    assert_int_equal(cna_tap_first_layer(tap, CNA_ROW_GENERATED), 2);
    assert_false(cna_tap_touches(tap, CNA_ROW_PROMPT));
    assert_false(cna_tap_touches(NULL, CNA_ROW_PROMPT));
    const cna_shift early = {0, vector, CNA_POSITIONS_PROMPT}, outside = {LAYERS, vector, CNA_POSITIONS_ALL};
    assert_ok(cna_tap_add_shift(tap, &early, &err));
    assert_int_equal(cna_tap_first_layer(tap, CNA_ROW_PROMPT), 0);
    assert_int_equal(cna_tap_first_layer(tap, CNA_ROW_LAST), 0);
    assert_int_equal(cna_tap_first_layer(tap, CNA_ROW_GENERATED), 2);
    assert_int_equal(cna_tap_add_shift(tap, &outside, &err), CNA_ERR_ARG);
    cna_tap_free(tap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_layer),
        cmocka_unit_test(test_random_scales), cmocka_unit_test(test_product_of_two), cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_errors),        cmocka_unit_test(test_memory_failures),
    };
    return cmocka_run_group_tests_name("tap", tests, NULL, NULL);
}
