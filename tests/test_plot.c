/* SPDX-License-Identifier: MIT
 * Plots: ticks by their properties, drawings well-formed whatever the values, texts escaped. */
#include "report_page.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "study/plot.h"

/* 1, 2 or 5 times a power of ten. */
static bool is_nice(double step)
{
    double digit = step / pow(10, floor(log10(step) + 1e-9));
    return fabs(digit - 1) < 1e-6 || fabs(digit - 2) < 1e-6 || fabs(digit - 5) < 1e-6;
}

static void test_ticks(void **user)
{
    (void)user;
    static const double ranges[][2] = {{0, 1},       {0, 0.3},   {-4, 4},      {0.37, 0.41}, {5476, 7293}, {0, 2e9},
                                       {1e-7, 3e-7}, {-1, -0.5}, {0, 1.0 / 3}, {99, 101},    {3, 3},       {0, 0}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        for (size_t n_max = 2; n_max <= 12; n_max++) {
            double ticks[12], low = ranges[i][0], high = ranges[i][1];
            size_t n = cna_plot_ticks(low, high, n_max, ticks);
            assert_true(n >= 2 && n <= n_max);
            assert_true(ticks[0] <= low + 1e-9 * fabs(low) && ticks[n - 1] >= high - 1e-6 * fabs(high));
            /* Two ticks at the very ends are the way out where no step is coarse enough. */
            if (n > 2) assert_true(is_nice(ticks[1] - ticks[0]));
            for (size_t j = 2; j < n; j++) {
                assert_true(fabs((ticks[j] - ticks[j - 1]) / (ticks[1] - ticks[0]) - 1) < 1e-6);
            }
        }
    }
}

static char *draw(const cna_plot *plot, bool standalone)
{
    cna_error err;
    cna_markup out = {.err = &err};
    cna_plot_lines(plot, standalone, &out);
    assert_int_equal(out.status, CNA_OK);
    return out.buffer.data;
}

static void test_lines(void **user)
{
    (void)user;
    static const double x[] = {0, 1, 10, 1000}, y[] = {NAN, 0.5, INFINITY, 2e5}, low[] = {0, 0.25, NAN, 1e5};
    static const double high[] = {0, 0.75, 3, 3e5};
    cna_plot_series series[] = {
        {.label = "a <b> & \"c\"", .style = 5, .n = 4, .x = x, .y = y, .low = low, .high = high},
        {.label = "a band with a name that is far too long for one line of a legend, and then some more",
         .kind = CNA_PLOT_BAND,
         .style = 4,
         .n = 4,
         .x = x,
         .y = y,
         .low = low,
         .high = high},
        {.label = "nothing", .n = 0},
    };
    cna_plot plot = {.title =
                         "A title of many words that cannot stand on one line of the drawing & must be broken <twice>",
                     .description = "'\x01'",
                     .x_label = "x",
                     .y_label = "y",
                     .x_reference = 1,
                     .y_reference = 0.5,
                     .y_reference_label = "limit",
                     .series = series,
                     .n_series = 3};
    for (int kind = 0; kind < 8; kind++) {
        plot.log_x = kind & 1;
        plot.log_y = kind & 2;
        plot.percent_y = kind & 4;
        plot.n_series = kind == 7 ? 0 : 3;
        char *svg = draw(&plot, kind % 3 == 0);
        report_check_markup(svg, false);
        assert_null(strstr(svg, "nan"));
        assert_null(strstr(svg, "inf"));
        assert_non_null(strstr(svg, "\xEF\xBF\xBD"));
        cna_free(svg);
    }
}

/* Points stand where their values say: y from 0 to 1 over the height, equal steps of x at equal distances. */
static void test_places(void **user)
{
    (void)user;
    static const double x[] = {0, 1, 2}, y[] = {0, 0.5, 1};
    const cna_plot_series series = {.label = "a", .style = 1, .n = 3, .x = x, .y = y};
    const cna_plot plot = {.title = "t",
                           .description = "d",
                           .x_label = "x",
                           .y_label = "y",
                           .whole_range = true,
                           .x_reference = NAN,
                           .y_reference = NAN,
                           .series = &series,
                           .n_series = 1};
    char *svg = draw(&plot, true);
    const char *path = strstr(svg, "<path class=\"line s1\" d=\"M");
    assert_non_null(path);
    double at[6];
    assert_int_equal(sscanf(path, "<path class=\"line s1\" d=\"M%lf %lfL%lf %lfL%lf %lf", &at[0], &at[1], &at[2],
                            &at[3], &at[4], &at[5]),
                     6);
    assert_true(fabs(at[2] - at[0] - (at[4] - at[2])) < 0.02);
    assert_true(at[1] > at[3] && fabs(at[1] - at[3] - (at[3] - at[5])) < 0.02);
    cna_free(svg);
}

static void test_bars(void **user)
{
    (void)user;
    double values[80] = {0.5, NAN, 0, 0.25};
    const cna_bars_series series[] = {{"one", 0, values}, {"two", 1, values}};
    for (size_t n = 1; n <= 80; n += 79) {
        cna_error err;
        cna_markup out = {.err = &err};
        const cna_bars bars = {.title = "t",
                               .description = "d",
                               .x_label = "x",
                               .y_label = "y",
                               .percent_y = true,
                               .n_groups = n,
                               .series = series,
                               .n_series = 2};
        cna_plot_bars(&bars, true, &out);
        assert_int_equal(out.status, CNA_OK);
        report_check_markup(out.buffer.data, false);
        assert_null(strstr(out.buffer.data, "nan"));
        cna_buffer_free(&out.buffer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ticks),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_bars),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
