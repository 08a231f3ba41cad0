/* SPDX-License-Identifier: MIT
 * Statistics against scipy 1.17.1, statsmodels 0.15.0 and numpy 2.4.6 (the expected numbers are their output,
 * printed with 17 digits; the functions are named at each table). */
#include "support.h"

#include <math.h>

#include "method/stats.h"

#define N(array) (sizeof(array) / sizeof *(array))

static void assert_close(double found, double expected, double relative)
{
    double error = fabs(found - expected);
    if (!(error <= relative * fabs(expected) || error <= 1e-300))
        fail_msg("found %.17g, expected %.17g", found, expected);
}

/* statsmodels.stats.proportion.proportion_confint(count, n, alpha=2*norm.sf(1.959964), method="wilson") */
static void test_wilson(void **state)
{
    (void)state;
    static const struct {
        size_t count, n;
        double low, high;
    } cases[] = {
        {0, 1, 0, 0.7934506882081972},
        {1, 1, 0.20654931179180275, 1},
        {0, 10, 0, 0.27753280302605771},
        {1, 10, 0.017876212896074023, 0.40415002952477219},
        {5, 10, 0.23659308901147941, 0.76340691098852065},
        {9, 10, 0.59584997047522803, 0.98212378710392612},
        {10, 10, 0.72246719697394235, 1},
        {34, 100, 0.25461520736693877, 0.43722271223914011},
        {90, 100, 0.82563433778987561, 0.94477086319492742},
        {12, 99, 0.070715514677698488, 0.20000661610646125},
        {997, 1000, 0.99121698587878782, 0.9989792161267923},
        {50000, 100000, 0.49690108433524677, 0.50309891566475318},
    };
    for (size_t i = 0; i < N(cases); i++) {
        cna_rate rate = cna_stats_wilson(cases[i].count, cases[i].n);
        assert_int_equal(rate.count, cases[i].count);
        assert_int_equal(rate.n, cases[i].n);
        assert_close(rate.rate, (double)cases[i].count / (double)cases[i].n, 0);
        assert_close(rate.low, cases[i].low, 1e-13);
        assert_close(rate.high, cases[i].high, 1e-13);
    }
    cna_rate none = cna_stats_wilson(0, 0);
    assert_true(isnan(none.rate) && isnan(none.low) && isnan(none.high));
}

/* scipy.stats.binomtest(min(b, c), b + c, 0.5).pvalue */
static void test_mcnemar(void **state)
{
    (void)state;
    static const struct {
        size_t b, c;
        double p;
    } cases[] = {
        {0, 0, 1},
        {0, 1, 1},
        {1, 0, 1},
        {5, 0, 0.0625},
        {10, 3, 0.09228515625},
        {3, 10, 0.09228515625},
        {25, 25, 1},
        {56, 0, 2.7755575615628914e-17},
        {60, 4, 7.3630446358052826e-14},
        {30, 45, 0.10534226887460482},
        {500, 400, 0.00095644413691893732},
        {1000, 1200, 2.1817026407914194e-05},
    };
    for (size_t i = 0; i < N(cases); i++) {
        assert_close(cna_stats_mcnemar(cases[i].b, cases[i].c), cases[i].p, 1e-12);
    }
    assert_true(cna_stats_mcnemar(4000, 10) == 0);
}

/* numpy 2.4.6: numpy.percentile([3.5, -1, 2, 8, 0.25, 7, -2.5], p, method="lower") */
static void test_percentile(void **state)
{
    (void)state;
    static const double expected[][2] = {
        {0, -2.5},
        {1, -2.5},
        {5, -2.5},
        {10, -2.5},
        {25, -1},
        {33.3, -1},
        {50, 2},
        {75, 3.5},
        {90, 7},
        {99, 7},
        {100, 8},
    };
    for (size_t i = 0; i < N(expected); i++) {
        double values[] = {3.5, -1, 2, 8, 0.25, 7, -2.5};
        assert_true(cna_stats_percentile(values, N(values), expected[i][0]) == expected[i][1]);
    }
    double one = 4;
    assert_true(cna_stats_percentile(&one, 1, 1) == 4);
    assert_true(isnan(cna_stats_percentile(NULL, 0, 50)));
}

static void test_controls(void **state)
{
    (void)state;
    static const double rates[] = {0.9, 0.88, 0.95, 0.5};
    /* 0.9 -> 0.4 moved by 0.5, further than any control (at most 0.4). */
    assert_close(cna_stats_control_p(rates, 4, 0.9, 0.4), 1.0 / 5, 0);
    assert_close(cna_stats_control_p(rates, 4, 0.9, 0.88), 4.0 / 5, 0);
    assert_close(cna_stats_control_p(rates, 4, 0.9, 0.9), 1, 0);
    assert_close(cna_stats_control_p(NULL, 0, 0.9, 0.1), 1, 0);
    cna_stats_range range = cna_stats_range_of(rates, 4);
    assert_close(range.mean, 3.23 / 4, 1e-15);
    assert_true(range.min == 0.5 && range.max == 0.95);
}

/* statsmodels 0.15.0: statsmodels.stats.inter_rater.cohens_kappa([[both, only_a], [only_b, neither]]).kappa */
static void test_kappa(void **state)
{
    (void)state;
    assert_true(fabs(cna_stats_kappa(20, 5, 10, 15) - 0.3999999999999999) < 1e-12);
    assert_true(fabs(cna_stats_kappa(45, 15, 25, 15) - 0.13043478260869554) < 1e-12);
    assert_true(fabs(cna_stats_kappa(1, 0, 3, 7) - 0.297872340425532) < 1e-12);
    assert_true(fabs(cna_stats_kappa(0, 4, 5, 0) + 0.9756097560975608) < 1e-12);
    assert_true(isnan(cna_stats_kappa(0, 0, 0, 0)));
    assert_true(isnan(cna_stats_kappa(7, 0, 0, 0)));
    assert_true(isnan(cna_stats_kappa(0, 0, 0, 7)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wilson),
        cmocka_unit_test(test_mcnemar),
        cmocka_unit_test(test_percentile),
        cmocka_unit_test(test_kappa),
        cmocka_unit_test(test_controls),
    };
    return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
