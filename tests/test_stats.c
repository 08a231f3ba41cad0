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

/* The same function of statsmodels with count = mean * n. */
static void test_score_interval(void **state)
{
    (void)state;
    static const struct {
        double mean;
        size_t n;
        double low, high;
    } cases[] = {
        {0.0, 40, 0, 0.087621602458463663},
        {0.0125, 10, 0.0003823877861928171, 0.29521209516421348},
        {0.2875, 30, 0.15723778612674827, 0.46600540664686879},
        {0.5, 8, 0.2152160606962677, 0.78478393930373236},
        {0.7391304347826086, 23, 0.5352999499700668, 0.87451384028055013},
        {0.999, 1000, 0.99435744134007376, 0.9998234536313233},
        {1.0, 7, 0.64566956132413167, 1},
    };
    double low, high;
    for (size_t i = 0; i < N(cases); i++) {
        cna_stats_score_interval(cases[i].mean, cases[i].n, &low, &high);
        assert_close(low, cases[i].low, 1e-11);
        assert_close(high, cases[i].high, 1e-13);
    }
    cna_stats_score_interval(NAN, 0, &low, &high);
    assert_true(isnan(low) && isnan(high));
}

static double uniform(uint64_t *random)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (double)(*random >> 11) * 0x1p-53;
}

/* How often the interval holds the true mean of scores in eighths, of which a share is 0 as refusals are. */
static void test_score_coverage(void **state)
{
    (void)state;
    enum { ROUNDS = 4000 };
    static const double zero_shares[] = {0, 0.5, 0.9, 0.97};
    uint64_t random = 1;
    for (size_t s = 0; s < N(zero_shares); s++) {
        for (size_t n = 20; n <= 100; n += 80) {
            double truth = (1 - zero_shares[s]) * 0.5;
            int n_held = 0;
            for (int round = 0; round < ROUNDS; round++) {
                double sum = 0, low, high;
                for (size_t i = 0; i < n; i++) {
                    if (uniform(&random) >= zero_shares[s]) sum += floor(uniform(&random) * 9) / 8;
                }
                cna_stats_score_interval(sum / (double)n, n, &low, &high);
                n_held += low <= truth && truth <= high;
            }
            if (n_held < ROUNDS * 0.95)
                fail_msg("zeros %g, n %zu: held in %d of %d", zero_shares[s], n, n_held, ROUNDS);
        }
    }
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

/* numpy.percentile([(i * 37 % 101) / 7 for i in range(1000)], p, method="lower"): those of halvings and shuffles. */
static void test_percentile_of_many(void **state)
{
    (void)state;
    static const double expected[][2] = {{5, 0.5714285714285714}, {25, 3.5714285714285716}, {50, 7.142857142857143},
                                         {75, 10.714285714285714}, {95, 13.571428571428571}};
    for (size_t i = 0; i < N(expected); i++) {
        double values[1000];
        for (size_t j = 0; j < N(values); j++) values[j] = (double)(j * 37 % 101) / 7;
        assert_true(cna_stats_percentile(values, N(values), expected[i][0]) == expected[i][1]);
    }
}

/* scipy.stats.binom.pmf(k, n, p)[(low <= p) & (p <= high)].sum() over all counts k, low and high from
 * proportion_confint as in test_wilson: how often the interval holds the true rate. */
static void test_wilson_coverage(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        double p, coverage;
    } cases[] = {
        {10, 0.01, 0.90438207500880408},  {10, 0.05, 0.9138616441006836},   {10, 0.2, 0.96720650239999983},
        {10, 0.5, 0.97851562499999989},   {10, 0.9, 0.92980917359999959},   {20, 0.01, 0.98314066236434838},
        {20, 0.05, 0.92451632621150392},  {20, 0.2, 0.95632812187305727},   {20, 0.5, 0.95861053466796886},
        {20, 0.9, 0.95682550471553629},   {50, 0.01, 0.91056468690396919},  {50, 0.05, 0.96222382701022291},
        {50, 0.2, 0.95070056215774401},   {50, 0.5, 0.93509135292772749},   {50, 0.9, 0.97030828908808864},
        {120, 0.01, 0.9670150877610032},  {120, 0.05, 0.94602281598873017}, {120, 0.2, 0.94863536455930109},
        {120, 0.5, 0.94522020308629784},  {120, 0.9, 0.95424631598791909},  {500, 0.01, 0.96232741030909763},
        {500, 0.05, 0.94988130939137549}, {500, 0.2, 0.9498417202184426},   {500, 0.5, 0.94563098209833274},
        {500, 0.9, 0.95631430089115177},
    };
    for (size_t i = 0; i < N(cases); i++) {
        double n = (double)cases[i].n, p = cases[i].p, sum = 0;
        for (size_t k = 0; k <= cases[i].n; k++) {
            cna_rate rate = cna_stats_wilson(k, cases[i].n);
            double x = (double)k;
            if (rate.low <= p && p <= rate.high)
                sum += exp(lgamma(n + 1) - lgamma(x + 1) - lgamma(n - x + 1) + x * log(p) + (n - x) * log(1 - p));
        }
        assert_close(sum, cases[i].coverage, 1e-9);
        assert_true(sum > 0.9 && sum < 0.99);
    }
}

/* statsmodels.stats.inter_rater.cohens_kappa(table).kappa */
static void test_kappa(void **state)
{
    (void)state;
    static const struct {
        size_t n_labels, table[16];
        double kappa;
    } cases[] = {
        {2, {20, 5, 10, 15}, 0.3999999999999999},
        {2, {45, 15, 25, 15}, 0.13043478260869554},
        {2, {0, 6, 4, 0}, -0.923076923076923},
        {3, {22, 3, 1, 4, 30, 2, 0, 5, 33}, 0.7723132969034607},
        {4, {5, 1, 2, 0, 0, 7, 1, 3, 2, 2, 40, 1, 1, 0, 3, 9}, 0.6496018202502846},
    };
    for (size_t i = 0; i < N(cases); i++)
        assert_close(cna_stats_kappa(cases[i].table, cases[i].n_labels), cases[i].kappa, 1e-14);
    static const size_t full[] = {10, 0, 0, 7}, one_label[] = {9, 0, 0, 0}, none[] = {0, 0, 0, 0};
    assert_true(cna_stats_kappa(full, 2) == 1);
    assert_true(isnan(cna_stats_kappa(one_label, 2)) && isnan(cna_stats_kappa(none, 2)));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wilson),
        cmocka_unit_test(test_score_interval),
        cmocka_unit_test(test_score_coverage),
        cmocka_unit_test(test_mcnemar),
        cmocka_unit_test(test_percentile),
        cmocka_unit_test(test_percentile_of_many),
        cmocka_unit_test(test_wilson_coverage),
        cmocka_unit_test(test_kappa),
        cmocka_unit_test(test_controls),
    };
    return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
