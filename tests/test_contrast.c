/* SPDX-License-Identifier: MIT
 * Contrast statistics against a plain long double computation in another order of loops. */
#include "support.h"

#include <math.h>
#include <string.h>

#include "method/contrast.h"
#include "tensor/dtype.h"

enum { N_POSITIVE = 7, N_NEGATIVE = 5, N_ROWS = N_POSITIVE + N_NEGATIVE, MLP_DIM = 53 };

typedef struct fixture {
    float h[N_ROWS * MLP_DIM];
    double norms[MLP_DIM];
    cna_neuron out[MLP_DIM];
} fixture;

static float round_to_bf16(float value)
{
    return cna_f32_from_bf16(cna_bf16_from_f32(value));
}

static float noise(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / (float)(1 << 24) - 0.5f;
}

static void fill(fixture *f)
{
    uint32_t state = 1;
    for (size_t i = 0; i < N_ROWS * MLP_DIM; i++) f->h[i] = noise(&state) * (float)(1 + i % 97);
    for (size_t j = 0; j < MLP_DIM; j++) f->norms[j] = 0.1 + (double)j;
}

static long double mean_of(const float *h, size_t n_rows, size_t j)
{
    long double sum = 0;
    for (size_t row = n_rows; row-- > 0;) sum += h[row * MLP_DIM + j];
    return sum / (long double)n_rows;
}

static long double square_of(const float *h, size_t n_rows, size_t j)
{
    long double mean = mean_of(h, n_rows, j);
    long double sum = 0;
    for (size_t row = 0; row < n_rows; row++) {
        long double distance = h[row * MLP_DIM + j] - mean;
        sum += distance * distance;
    }
    return sum;
}

static void assert_close(double found, long double expected, long double scale)
{
    if (!(fabsl(found - expected) <= 1e-14L * scale))
        fail_msg("found %.17g, expected %.17Lg", found, expected);
}

static void test_reference(void **state)
{
    (void)state;
    static fixture f;
    cna_error err;
    fill(&f);
    assert_ok(cna_contrast_layer(f.h, N_POSITIVE, N_NEGATIVE, MLP_DIM, f.norms, false, 3, f.out, &err));
    const float *negative = f.h + N_POSITIVE * MLP_DIM;
    for (size_t j = 0; j < MLP_DIM; j++) {
        long double p = mean_of(f.h, N_POSITIVE, j);
        long double n = mean_of(negative, N_NEGATIVE, j);
        long double s =
            sqrtl((square_of(f.h, N_POSITIVE, j) + square_of(negative, N_NEGATIVE, j)) / (N_ROWS - 2));
        assert_int_equal(f.out[j].layer, 3);
        assert_int_equal(f.out[j].neuron, j);
        assert_close(f.out[j].mean_positive, p, 100);
        assert_close(f.out[j].mean_negative, n, 100);
        assert_close(f.out[j].delta, p - n, 100);
        assert_close(f.out[j].d, (p - n) / s, 100);
        assert_close(f.out[j].write, fabsl(p - n) * f.norms[j], 10000);
    }
}

static void test_bf16_rounding(void **state)
{
    (void)state;
    assert_true(round_to_bf16(1.0f) == 1.0f);
    assert_true(round_to_bf16(1.00390625f) == 1.0f);      /* 1 + 2^-8: a tie, to even */
    assert_true(round_to_bf16(1.01171875f) == 1.015625f); /* 1 + 3 * 2^-8: a tie, to even */
    assert_true(round_to_bf16(1.004f) == 1.0078125f);
    assert_true(round_to_bf16(-1.004f) == -1.0078125f);
    assert_true(round_to_bf16(0.0f) == 0.0f);
}

static void test_bf16_means(void **state)
{
    (void)state;
    /* Activations 1.004 -> 1.0078125 and 1; their mean 1.00390625 is a tie -> 1. Negative: 3 -> 3. Difference
     * -2. */
    static const float h[] = {1.004f, 1.0f, 3.0f};
    static const double norm = 2;
    cna_neuron out;
    cna_error err;
    assert_ok(cna_contrast_layer(h, 2, 1, 1, &norm, true, 0, &out, &err));
    assert_true(out.mean_positive == 1);
    assert_true(out.mean_negative == 3);
    assert_true(out.delta == -2);
    assert_true(out.write == 4);
    static fixture f;
    fill(&f);
    assert_ok(cna_contrast_layer(f.h, N_POSITIVE, N_NEGATIVE, MLP_DIM, f.norms, true, 0, f.out, &err));
    for (size_t j = 0; j < MLP_DIM; j++) {
        assert_true((double)round_to_bf16((float)f.out[j].delta) == f.out[j].delta);
    }
}

static void test_degenerate(void **state)
{
    (void)state;
    cna_error err;
    cna_neuron out;
    static const double norm = 1;
    static const float constant[] = {2, 2, 1, 1};
    assert_ok(cna_contrast_layer(constant, 2, 2, 1, &norm, false, 0, &out, &err));
    assert_true(out.delta == 1 && out.d == 0);
    assert_ok(cna_contrast_layer(constant + 1, 1, 1, 1, &norm, false, 0, &out, &err));
    assert_true(out.delta == 1 && out.d == 0); /* no degrees of freedom */
    assert_int_equal(cna_contrast_layer(constant, 0, 4, 1, &norm, false, 0, &out, &err), CNA_ERR_ARG);
    assert_string_equal(err.text,
                        "contrast: expected prompts on both sides, found 0 positive and 4 negative");
}

static void test_not_finite(void **state)
{
    (void)state;
    static fixture f;
    cna_error err;
    fill(&f);
    f.h[4 * MLP_DIM + 17] = INFINITY;
    assert_int_equal(cna_contrast_layer(f.h, N_POSITIVE, N_NEGATIVE, MLP_DIM, f.norms, false, 9, f.out, &err),
                     CNA_ERR_FORMAT);
    assert_string_equal(
        err.text, "layer 9, neuron 17: expected a finite activation, found inf; are the model's weights "
                  "whole?");
    f.h[4 * MLP_DIM + 17] = NAN;
    assert_int_equal(cna_contrast_layer(f.h, N_POSITIVE, N_NEGATIVE, MLP_DIM, f.norms, false, 9, f.out, &err),
                     CNA_ERR_FORMAT);
    assert_non_null(strstr(err.text, "nan"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference),  cmocka_unit_test(test_bf16_rounding),
        cmocka_unit_test(test_bf16_means), cmocka_unit_test(test_degenerate),
        cmocka_unit_test(test_not_finite),
    };
    return cmocka_run_group_tests_name("contrast", tests, NULL, NULL);
}
