/* SPDX-License-Identifier: MIT
 * Number formats and elementwise operations against plain formulas in double precision, with bounds made of the number
 * of roundings: c * eps * sum of magnitudes. */
#include "support.h"

#include <math.h>
#include <string.h>

#include "numbers.h"
#include "tensor/dtype.h"
#include "tensor/ops.h"

enum { LONGEST = 70, ROOM = 400, RUN = 16384 };

/* |found - expected| <= bound, NaN never. */
#define assert_near(found, expected, bound)                                                                  \
    do {                                                                                                     \
        double near_found = (found), near_expected = (expected), near_bound = (bound);                       \
        if (!(fabs(near_found - near_expected) <= near_bound))                                               \
            fail_msg("found %.9g, expected %.9g within %.3g", near_found, near_expected, near_bound);        \
    } while (0)

/* ---- number formats ---- */

/* The value of bf16 bits with the exponent field's range continued past the largest number. */
static double bf16_value(uint32_t bits)
{
    uint32_t exponent = bits >> 7 & 0x1FF;
    double fraction = (double)(bits & 0x7F);
    return exponent == 0 ? ldexp(fraction, -133) : ldexp(1 + fraction / 128, (int)exponent - 127);
}

/* Every pair of neighbours: points between them go to the nearer one, the middle to the even one. */
static void test_bf16_rounding(void **state)
{
    (void)state;
    static const uint32_t between[] = {0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF};
    for (uint32_t bits = 0; bits < 0x7F80; bits++) {
        double low = bf16_value(bits), high = bf16_value(bits + 1);
        for (size_t i = 0; i < sizeof between / sizeof *between; i++) {
            float x = cna_f32_from_bits(bits << 16 | between[i]);
            double to_low = (double)x - low, to_high = high - (double)x;
            uint32_t expected = to_low < to_high || (to_low == to_high && bits % 2 == 0) ? bits : bits + 1;
            assert_int_equal(cna_bf16_from_f32(x), expected);
            assert_int_equal(cna_bf16_from_f32(-x), expected | 0x8000);
        }
    }
    assert_int_equal(cna_bf16_from_f32(INFINITY), 0x7F80);
    assert_int_equal(cna_bf16_from_f32(-INFINITY), 0xFF80);
    /* Signalling, quiet and almost-infinite NaN, of both signs. */
    static const uint32_t nans[] = {0x7F800001, 0x7FC00000, 0x7FFFFFFF, 0xFF800001, 0xFFFFFFFF};
    for (size_t i = 0; i < sizeof nans / sizeof *nans; i++) {
        uint16_t half = cna_bf16_from_f32(cna_f32_from_bits(nans[i]));
        assert_true((half & 0x7F80) == 0x7F80 && (half & 0x40) != 0);
        assert_int_equal(half >> 15, nans[i] >> 31);
    }
}

static void test_bf16_widening(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 0x7F80; bits++) {
        assert_true((double)cna_f32_from_bf16((uint16_t)bits) == bf16_value(bits));
        assert_true((double)cna_f32_from_bf16((uint16_t)(bits | 0x8000)) == -bf16_value(bits));
    }
}

static double f16_value(uint32_t bits)
{
    int exponent = (int)(bits >> 10 & 31);
    double fraction = (double)(bits & 1023);
    double magnitude = exponent == 0 ? ldexp(fraction, -24) : ldexp(1 + fraction / 1024, exponent - 15);
    return bits >> 15 != 0 ? -magnitude : magnitude;
}

static void test_f16_widening(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        float found = cna_f32_from_f16((uint16_t)bits);
        if ((bits >> 10 & 31) != 31) {
            assert_true((double)found == f16_value(bits));
            assert_int_equal(signbit(found) != 0, bits >> 15);
        } else if ((bits & 1023) != 0) {
            assert_true(isnan(found));
        } else {
            assert_true(isinf(found) && (found < 0) == (bits >> 15 != 0));
        }
    }
}

/* Runs of every short length, from an odd address, against one value at a time. */
static void test_runs(void **state)
{
    (void)state;
    numbers random = {1};
    unsigned char bytes[4 * LONGEST + 1] = {0};
    float values[LONGEST], out[LONGEST + 1], through[LONGEST];
    uint16_t halves[LONGEST + 1];
    for (size_t n = 0; n <= LONGEST; n++) {
        for (size_t i = 0; i < n; i++) halves[i] = (uint16_t)(numbers_next(&random) & 0xBFFF);
        memcpy(bytes + 1, halves, n * sizeof *halves);
        out[n] = 7;
        cna_widen(bytes + 1, CNA_STORAGE_BF16, n, out);
        for (size_t i = 0; i < n; i++) assert_int_equal(cna_f32_bits(out[i]), (uint32_t)halves[i] << 16);
        cna_widen(bytes + 1, CNA_STORAGE_F16, n, out);
        for (size_t i = 0; i < n; i++) assert_true((double)out[i] == f16_value(halves[i]));
        numbers_fill(&random, values, n, 3);
        memcpy(bytes + 1, values, n * sizeof *values);
        cna_widen(bytes + 1, CNA_STORAGE_F32, n, out);
        assert_memory_equal(out, values, n * sizeof *out);
        halves[n] = 7;
        cna_round_to_bf16(values, n, halves);
        cna_round_through_bf16(values, n, through);
        for (size_t i = 0; i < n; i++) {
            assert_true(through[i] == numbers_round_bf16(values[i]));
            assert_true((double)through[i] == bf16_value(halves[i] & 0x7FFFu) * (values[i] < 0 ? -1 : 1));
        }
        assert_true(out[n] == 7 && halves[n] == 7);
    }
}

/* ---- exp and what is made of it ---- */

static void test_exp(void **state)
{
    (void)state;
    double worst = 0;
    for (int i = -87 * 4096; i <= 87 * 4096; i++) {
        float x = (float)i / 4096 + (float)(i % 7) * 0x1p-20f; /* not only round numbers */
        if (fabsf(x) > 87) continue;
        double expected = exp((double)x), error = fabs((double)cna_exp(x) - expected) / expected;
        if (error > worst) worst = error;
    }
    if (worst >= 2e-7) fail_msg("relative error %.3g", worst);
    assert_true(cna_exp(0) == 1);
    assert_near((double)cna_exp(88), exp(88), 2e-7 * exp(88));
    assert_true(cna_exp(1000) == cna_exp(88) && cna_exp(INFINITY) == cna_exp(88));
    assert_true(cna_exp(-1000) == cna_exp(-87) && cna_exp(-INFINITY) == cna_exp(-87));
}

static void check_softmax(const float *x, size_t n)
{
    float values[ROOM];
    double max = -INFINITY, sum = 0, bound = 0;
    for (size_t i = 0; i < n; i++) max = (double)x[i] > max ? (double)x[i] : max;
    memcpy(values, x, n * sizeof *x);
    float found = cna_softmax_unscaled(values, n);
    for (size_t i = 0; i < n; i++) {
        double below = max - (double)x[i], expected = exp(-below);
        double error = expected * (2e-7 + NUMBERS_EPS * below); /* the subtraction's rounding, then that of exp */
        assert_near((double)values[i], expected, error);
        sum += expected;
        bound += error;
    }
    assert_near((double)found, sum, bound + ((double)n / 16 + 5) * NUMBERS_EPS * sum);
    /* The logarithm of the same sum. */
    assert_near(cna_log_sum_exp(x, n), max + log(sum), bound / sum + 1e-15 * fabs(max) + 1e-15);
}

static void test_softmax(void **state)
{
    (void)state;
    numbers random = {2};
    float x[ROOM];
    for (size_t n = 1; n + 3 <= ROOM; n += n < LONGEST ? 1 : 37) {
        numbers_fill(&random, x, ROOM, 8);
        check_softmax(x, n);
        check_softmax(x + 3, n);
    }
    for (size_t i = 0; i < 40; i++) x[i] = 1e4f;
    check_softmax(x, 40);
}

/* Whatever the instruction set: the bits of one exponential at a time, summed as the header says. */
static void test_softmax_bits(void **state)
{
    (void)state;
    numbers random = {8};
    float x[ROOM], found[ROOM];
    for (size_t n = 1; n <= ROOM; n += n < LONGEST ? 1 : 33) {
        float max = -INFINITY, lanes[16] = {0};
        numbers_fill(&random, x, ROOM, n % 2 == 0 ? 3 : 40); /* the wide ones clamp */
        for (size_t i = 0; i < n; i++) max = x[i] > max ? x[i] : max;
        memcpy(found, x, sizeof x);
        float sum = cna_softmax_unscaled(found, n);
        for (size_t i = 0; i < n; i++) {
            float expected = cna_exp(x[i] - max);
            lanes[i % 16] += expected;
            assert_int_equal(cna_f32_bits(found[i]), cna_f32_bits(expected));
        }
        for (size_t half = 8; half > 0; half /= 2) {
            for (size_t i = 0; i < half; i++) lanes[i] += lanes[i + half];
        }
        assert_int_equal(cna_f32_bits(sum), cna_f32_bits(lanes[0]));
        size_t padded = (n + 15) / 16 * 16;
        assert_memory_equal(found + padded, x + padded, (ROOM - padded) * sizeof *x);
    }
}

/* A vocabulary's worth, where the sum is made piece by piece. */
static void test_long_rows(void **state)
{
    (void)state;
    enum { LONG = 5000 };
    numbers random = {9};
    static float x[LONG];
    for (int round = 0; round < 50; round++) {
        size_t n = LONG - numbers_below(&random, 1100), best = numbers_below(&random, n);
        numbers_fill(&random, x, LONG, 2);
        x[best] = 30;
        x[best + numbers_below(&random, n - best)] = 30;
        double sum = 0;
        for (size_t i = 0; i < n; i++) sum += exp((double)x[i] - 20);
        assert_int_equal(cna_argmax(x, n), best);
        assert_near(cna_log_sum_exp(x, n), 20 + log(sum), 1e-6);
        /* A small row's sum, where every term counts. */
        for (size_t i = 0; i < n; i++) x[i] = (float)(i % 7) * 0.125f;
        sum = 0;
        for (size_t i = 0; i < n; i++) sum += exp((double)x[i]);
        assert_near(cna_log_sum_exp(x, n), log(sum), 4e-7);
    }
}

static void test_argmax(void **state)
{
    (void)state;
    numbers random = {3};
    float x[LONGEST + 1];
    for (size_t n = 1; n <= LONGEST; n++) {
        for (size_t best = 0; best < n; best++) {
            numbers_fill(&random, x, LONGEST + 1, 1);
            x[best] = 10;
            /* An equal one behind it, and a larger one past the end, change nothing. */
            x[best + numbers_below(&random, n - best)] = 10;
            x[n] = 20;
            assert_int_equal(cna_argmax(x, n), best);
        }
        for (size_t i = 0; i < n; i++) x[i] = -INFINITY;
        assert_int_equal(cna_argmax(x, n), 0);
        x[n - 1] = -1e30f;
        assert_int_equal(cna_argmax(x, n), n - 1);
    }
}

static void test_swiglu(void **state)
{
    (void)state;
    numbers random = {4};
    static float gate[RUN + 100], up[RUN + 100], found[RUN + 100], part[LONGEST];
    size_t n = RUN + 77;
    for (size_t i = 0; i < n; i++) gate[i] = (float)(160 * numbers_uniform(&random) - 80);
    numbers_fill(&random, up, n, 2);
    memcpy(found, gate, sizeof found);
    cna_swiglu(found, up, n);
    for (size_t i = 0; i < n; i++) {
        double v = (double)gate[i], expected = v / (1 + exp(-v)) * (double)up[i];
        assert_near((double)found[i], expected, (4e-7 + NUMBERS_EPS) * fabs(expected));
    }
    /* The same bits in runs of other lengths that start elsewhere. */
    for (size_t length = 1; length <= LONGEST; length++) {
        size_t start = numbers_below(&random, n - length);
        memcpy(part, gate + start, length * sizeof *part);
        cna_swiglu(part, up + start, length);
        assert_memory_equal(part, found + start, length * sizeof *part);
        float v = gate[start]; /* and whatever the instruction set */
        assert_int_equal(cna_f32_bits(part[0]), cna_f32_bits(v / (1 + cna_exp(-v)) * up[start]));
    }
}

static void test_geglu(void **state)
{
    (void)state;
    numbers random = {14};
    static float gate[RUN + 100], up[RUN + 100], found[RUN + 100], part[LONGEST];
    size_t n = RUN + 77;
    for (size_t i = 0; i < n; i++) gate[i] = (float)(12 * numbers_uniform(&random) - 6);
    numbers_fill(&random, up, n, 2);
    memcpy(found, gate, sizeof found);
    cna_geglu(found, up, n);
    for (size_t i = 0; i < n; i++) {
        /* (1 + tanh u) / 2 = 1 / (1 + exp(-2u)): the form with tanh has no digits left at -6, even in double. */
        double v = (double)gate[i], u = 0.79788456080286535588 * (v + 0.044715 * v * v * v);
        double expected = v / (1 + exp(-2 * u)) * (double)up[i];
        if (v > -2) assert_near(expected, 0.5 * v * (1 + tanh(u)) * (double)up[i], 1e-12 * fabs(expected));
        assert_near((double)found[i], expected, (1e-6 + 5 * NUMBERS_EPS * fabs(u)) * fabs(expected));
    }
    for (size_t length = 1; length <= LONGEST; length++) {
        size_t start = numbers_below(&random, n - length);
        memcpy(part, gate + start, length * sizeof *part);
        cna_geglu(part, up + start, length);
        assert_memory_equal(part, found + start, length * sizeof *part);
    }
    float extremes[] = {-1e4f, 1e4f, 0, -60, 60}, ones[] = {1, 1, 1, 1, 1};
    cna_geglu(extremes, ones, 5);
    assert_true(fabsf(extremes[0]) < 1e-30f && extremes[1] == 1e4f && extremes[2] == 0);
    assert_true(fabsf(extremes[3]) < 1e-30f && extremes[4] == 60);
}

static void test_soft_cap(void **state)
{
    (void)state;
    numbers random = {15};
    static float x[RUN + 100], found[RUN + 100], part[LONGEST];
    static const float caps[] = {1, 30, 50};
    size_t n = RUN + 77;
    for (size_t c = 0; c < 3; c++) {
        double cap = (double)caps[c];
        for (size_t i = 0; i < n; i++) {
            double size = i % 3 == 0 ? 200 : i % 3 == 1 ? cap : cap / 1000;
            x[i] = (float)(2 * size * numbers_uniform(&random) - size);
        }
        memcpy(found, x, sizeof found);
        cna_soft_cap(found, caps[c], n);
        for (size_t i = 0; i < n; i++) {
            double expected = cap * tanh((double)x[i] / cap);
            assert_near((double)found[i], expected, 6e-7 * fabs(expected));
        }
        for (size_t length = 1; length <= LONGEST; length++) {
            size_t start = numbers_below(&random, n - length);
            memcpy(part, x + start, length * sizeof *part);
            cna_soft_cap(part, caps[c], length);
            assert_memory_equal(part, found + start, length * sizeof *part);
        }
    }
    float extremes[] = {-INFINITY, INFINITY, 0, NAN};
    cna_soft_cap(extremes, 30, 4);
    assert_true(extremes[0] == -30 && extremes[1] == 30 && extremes[2] == 0 && isnan(extremes[3]));
}

static void test_rescale(void **state)
{
    (void)state;
    numbers random = {16};
    static float x[RUN + 100], found[RUN + 100];
    numbers_fill(&random, x, RUN + 100, 3);
    memcpy(found, x, sizeof x);
    cna_rescale(found, 0.22f, RUN + 77);
    for (size_t i = 0; i < RUN + 100; i++) assert_true(found[i] == (i < RUN + 77 ? x[i] * 0.22f : x[i]));
    memcpy(found, x, sizeof x);
    cna_divide(found, 7, RUN + 77);
    for (size_t i = 0; i < RUN + 100; i++) assert_true(found[i] == (i < RUN + 77 ? x[i] / 7 : x[i]));
}

/* ---- the rest of a layer ---- */

static void check_rms_norm_row(const float *x, const float *weight, double eps, size_t dim, const float *found)
{
    double squares = 0;
    for (size_t i = 0; i < dim; i++) squares += (double)x[i] * (double)x[i];
    double scale = 1 / sqrt(squares / (double)dim + eps);
    /* The sum's roundings count half behind the root; division, addition, root, inverse and two products follow. */
    double c = (double)dim / 32 + 10;
    for (size_t i = 0; i < dim; i++) {
        double expected = (double)weight[i] * (double)x[i] * scale;
        assert_near((double)found[i], expected, c * NUMBERS_EPS * fabs(expected));
    }
}

static void test_rms_norm(void **state)
{
    (void)state;
    enum { ROWS = 5, DIM_MAX = 333 };
    numbers random = {5};
    static float x[ROWS * DIM_MAX + 1], out[ROWS * DIM_MAX + 1], weight[DIM_MAX], alone[DIM_MAX];
    for (size_t dim = 1; dim <= DIM_MAX; dim += dim < LONGEST ? 1 : 263) {
        numbers_fill(&random, x, ROWS * dim + 1, pow(10, (double)(dim % 7) - 3));
        numbers_fill(&random, weight, dim, 1);
        assert_true(cna_rms_norm(x + 1, weight, 1e-5f, ROWS, dim, out + 1));
        for (size_t t = 0; t < ROWS; t++) {
            check_rms_norm_row(x + 1 + t * dim, weight, (double)1e-5f, dim, out + 1 + t * dim);
            memcpy(alone, x + 1 + t * dim, dim * sizeof *alone);
            assert_true(cna_rms_norm(alone, weight, 1e-5f, 1, dim, alone)); /* in place, in another place, alone */
            assert_memory_equal(alone, out + 1 + t * dim, dim * sizeof *alone);
        }
    }
}

/* One row of several whose squares have no finite sum. */
static void test_rms_norm_overflow(void **state)
{
    (void)state;
    enum { ROWS = 3, DIM = 40 };
    const struct {
        float value;
        bool fits;
    } cases[] = {{1e18f, true}, {2e19f, false}, {-INFINITY, false}, {NAN, false}};
    float x[ROWS * DIM], out[ROWS * DIM], weight[DIM];
    for (size_t i = 0; i < DIM; i++) weight[i] = 1;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t row = 0; row < ROWS; row++) {
            for (size_t j = 0; j < ROWS * DIM; j++) x[j] = 1;
            x[row * DIM + 7] = cases[i].value;
            assert_int_equal(cna_rms_norm(x, weight, 1e-5f, ROWS, DIM, out), cases[i].fits);
        }
    }
}

static void test_add(void **state)
{
    (void)state;
    numbers random = {6};
    static float x[RUN + 100], y[RUN + 100], found[RUN + 100];
    numbers_fill(&random, x, RUN + 100, 1);
    numbers_fill(&random, y, RUN + 100, 1e3);
    for (size_t n = 0; n <= RUN + 77; n += n < LONGEST ? 1 : RUN) {
        memcpy(found, x, sizeof x);
        cna_add(found + 1, y, n);
        /* A sum of two floats rounded to double and then to float is the correctly rounded one: 53 >= 2 * 24 + 2. */
        for (size_t i = 0; i < n; i++) assert_true(found[i + 1] == (float)((double)x[i + 1] + (double)y[i]));
        assert_true(found[0] == x[0] && found[n + 1] == x[n + 1]);
    }
    memcpy(found, x, sizeof x);
    cna_add_bias(found, y, 3, 21);
    for (size_t i = 0; i < 63; i++) assert_true(found[i] == (float)((double)x[i] + (double)y[i % 21]));
    assert_true(found[63] == x[63]);
    /* Enough rows for several threads. */
    memcpy(found, x, sizeof x);
    cna_add_bias(found, y, 1026, 16);
    for (size_t i = 0; i < 1026 * 16; i++) assert_true(found[i] == (float)((double)x[i] + (double)y[i % 16]));
    assert_true(found[1026 * 16] == x[1026 * 16]);
}

static void test_rope(void **state)
{
    (void)state;
    enum { HEADS = 3 };
    numbers random = {7};
    float x[HEADS * LONGEST + 1], found[HEADS * LONGEST + 1], cosines[LONGEST], sines[LONGEST];
    for (size_t head_dim = 2; head_dim <= LONGEST; head_dim += 2) {
        size_t half = head_dim / 2;
        numbers_fill(&random, x, HEADS * LONGEST + 1, 1);
        for (size_t i = 0; i < half; i++) {
            double angle = 6.3 * numbers_uniform(&random);
            cosines[i] = (float)cos(angle);
            sines[i] = (float)sin(angle);
        }
        memcpy(found, x, sizeof x);
        cna_rope(found + 1, HEADS, head_dim, head_dim, cosines, sines);
        for (size_t h = 0; h < HEADS; h++) {
            for (size_t i = 0; i < half; i++) {
                size_t at = 1 + h * head_dim + i;
                double a = (double)x[at], b = (double)x[at + half], c = (double)cosines[i], s = (double)sines[i];
                assert_near((double)found[at], a * c - b * s, 2 * NUMBERS_EPS * (fabs(a * c) + fabs(b * s)));
                assert_near((double)found[at + half], b * c + a * s, 2 * NUMBERS_EPS * (fabs(b * c) + fabs(a * s)));
            }
        }
        assert_true(found[0] == x[0]);
        /* A part of each head: the same pairs, and the rest as it was. */
        float part[HEADS * LONGEST + 1];
        memcpy(part, x, sizeof x);
        cna_rope(part + 1, HEADS, head_dim + 3 < LONGEST ? head_dim + 3 : head_dim, head_dim, cosines, sines);
        size_t stride = head_dim + 3 < LONGEST ? head_dim + 3 : head_dim;
        for (size_t h = 0; h < HEADS; h++) {
            float alone[LONGEST];
            memcpy(alone, x + 1 + h * stride, stride * sizeof *alone);
            cna_rope(alone, 1, head_dim, head_dim, cosines, sines);
            assert_memory_equal(part + 1 + h * stride, alone, stride * sizeof *alone);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bf16_rounding), cmocka_unit_test(test_bf16_widening),
        cmocka_unit_test(test_f16_widening),  cmocka_unit_test(test_runs),
        cmocka_unit_test(test_exp),           cmocka_unit_test(test_softmax),
        cmocka_unit_test(test_softmax_bits),  cmocka_unit_test(test_long_rows),
        cmocka_unit_test(test_argmax),        cmocka_unit_test(test_swiglu),
        cmocka_unit_test(test_rms_norm),      cmocka_unit_test(test_rms_norm_overflow), cmocka_unit_test(test_add),
        cmocka_unit_test(test_rope),          cmocka_unit_test(test_geglu),
        cmocka_unit_test(test_soft_cap),      cmocka_unit_test(test_rescale),
    };
    return cmocka_run_group_tests_name("ops", tests, NULL, NULL);
}
