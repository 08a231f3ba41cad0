/* SPDX-License-Identifier: MIT
 * A sweep's figures from its answers. */
#include "support.h"

#include <math.h>

#include "study/sweep_points.h"

static void check_multipliers(const double *given, size_t n, const double *expected, size_t n_expected,
                              size_t base)
{
    cna_error err;
    double *found;
    size_t n_found;
    size_t found_base;
    assert_ok(cna_sweep_multipliers(given, n, &found, &n_found, &found_base, &err));
    assert_int_equal(n_found, n_expected);
    for (size_t i = 0; i < n_found; i++) assert_true(found[i] == expected[i]);
    assert_int_equal(found_base, base);
    cna_free(found);
}

static void test_multipliers(void **state)
{
    (void)state;
    check_multipliers(NULL, 0, (const double[]){0, 0.25, 0.5, 0.75, 1, 1.5, 2}, 7, 4);
    check_multipliers((const double[]){0, 2}, 2, (const double[]){0, 1, 2}, 3, 1);
    check_multipliers((const double[]){0, 0.5}, 2, (const double[]){0, 0.5, 1}, 3, 2);
    check_multipliers((const double[]){2, 0, 1, 0, 2}, 5, (const double[]){2, 0, 1}, 3, 2);
    check_multipliers((const double[]){2, 0, -1}, 3, (const double[]){1, 2, 0, -1}, 4, 0);
    check_multipliers((const double[]){0, -0.0}, 2, (const double[]){0, 1}, 2, 1);
    check_multipliers((const double[]){0}, 0, (const double[]){1}, 1, 0);
    cna_error err;
    double *found;
    size_t n;
    const double bad = NAN;
    assert_int_equal(cna_sweep_multipliers(&bad, 1, &found, &n, &n, &err), CNA_ERR_ARG);
    assert_string_equal(err.text, "multipliers: expected finite numbers, found nan");
}

static void test_threshold(void **state)
{
    (void)state;
    cna_error err;
    cna_sweep_answer answers[12] = {{0}};
    double threshold;
    for (size_t i = 0; i < 11; i++) answers[i].mean_logprob = -(double)i;
    answers[11].mean_logprob = NAN;
    assert_ok(cna_sweep_min_logprob(answers, 12, 1, &threshold, &err));
    assert_true(threshold == -10); /* the least itself: no untouched answer is below it */
    assert_ok(cna_sweep_min_logprob(answers, 12, 19.9, &threshold, &err));
    assert_true(threshold == -9);
    assert_ok(cna_sweep_min_logprob(answers + 11, 1, 1, &threshold, &err));
    assert_true(threshold == -INFINITY);
}

static void test_point(void **state)
{
    (void)state;
    cna_sweep_answer base[6] = {{0}};
    cna_sweep_answer answers[6] = {{0}};
    const bool base_refused[] = {true, true, true, true, false, false};
    const bool refused[] = {false, false, true, false, true, false};
    const bool leaked[] = {true, false, true, false, false, false};
    const bool changed[] = {true, true, false, true, true, false};
    for (size_t i = 0; i < 6; i++) {
        base[i].refused = base_refused[i];
        answers[i] = (cna_sweep_answer){.side = CNA_SIDE_BENIGN,
                                        .prompt = i,
                                        .multiplier = 0.5,
                                        .refused = refused[i],
                                        .leaked = leaked[i],
                                        .n_tokens = i,
                                        .n_words = i,
                                        .quality = i == 5 ? 0.4 : 1,
                                        .outcome = CNA_OUTCOME_COMPLIED};
        if (refused[i]) answers[i].outcome = CNA_OUTCOME_REFUSED;
    }
    answers[5].outcome = CNA_OUTCOME_INCOHERENT;
    cna_sweep_point point;
    cna_sweep_point_fill(answers, base, changed, 6, &point);
    assert_int_equal(point.side, CNA_SIDE_BENIGN);
    assert_true(point.multiplier == 0.5);
    assert_int_equal(point.refused.count, 2);
    assert_int_equal(point.refused.n, 6);
    assert_int_equal(point.n_leaked, 2);
    assert_int_equal(point.refused_unseen.count, 1);
    assert_int_equal(point.refused_unseen.n, 4);
    assert_int_equal(point.outcome[CNA_OUTCOME_INCOHERENT].count, 1);
    assert_int_equal(point.outcome[CNA_OUTCOME_REFUSED].count, 2);
    assert_int_equal(point.outcome[CNA_OUTCOME_COMPLIED].count, 3);
    assert_true(fabs(point.quality - 5.4 / 6) < 1e-15);
    assert_int_equal(point.n_short, 4);
    assert_true(point.mean_tokens == 2.5);
    assert_int_equal(point.n_changed, 4);
    assert_int_equal(point.mcnemar_b, 3);
    assert_int_equal(point.mcnemar_c, 1);
    assert_true(fabs(point.mcnemar_p - 0.625) < 1e-15); /* 2 * (1 + 4) / 16 */
    assert_int_equal(point.control[CNA_CONTROL_MATCHED].n_seeds, 0);

    const double rates[] = {0.6, 0.7, 1.0};
    cna_sweep_point_control(&point, CNA_CONTROL_MATCHED, rates, 3, 4.0 / 6);
    const cna_control_summary *control = &point.control[CNA_CONTROL_MATCHED];
    assert_int_equal(control->n_seeds, 3);
    assert_true(fabs(control->mean - 2.3 / 3) < 1e-15);
    assert_true(control->min == 0.6 && control->max == 1.0);
    /* The circuit moved the rate by 1/3, and 1.0 did as much, though 1 - 4/6 and 4/6 - 2/6 differ in their
     * last bit. */
    assert_true(control->p == 0.5);
    assert_ptr_equal(control->rates, rates);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_multipliers),
        cmocka_unit_test(test_threshold),
        cmocka_unit_test(test_point),
    };
    return cmocka_run_group_tests_name("sweep points", tests, NULL, NULL);
}
