/* SPDX-License-Identifier: MIT
 * Reports: the page, its tables as CSV and its plots as SVG; unusual runs; failures. test_report_tables.c has the
 * numbers. */
#define _XOPEN_SOURCE 700 /* access */
#include "report_fixture.h"
#include "report_page.h"
#include "run_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/utf8.h"

/* ---- the files ---- */

static const char *const figures[] = {
    "refusal-cna-2", "refusal-cna-4", "refusal-cna-5",    "refusal-caa-2", "refusal-k-3", "quality-cna-2",
    "quality-caa-2", "kl-cna-2",      "perplexity-cna-2", "mmlu",          "profile-1",
    "stability",
};
static const char *const tables[] = {
    "summary",    "leak",    "cna",           "controls", "k",      "caa",    "benign",
    "categories", "mmlu",    "mmlu_subjects", "judge",    "labels", "parts",  "circuits",
    "profile",    "overlap", "neurons",       "figures",  "files",  "models", "config",
    "stability",  "chance",
};
enum { N_FIGURES = sizeof figures / sizeof *figures, N_TABLES = sizeof tables / sizeof *tables };

static char *read_beside(const char *folder, const char *name, const char *extension)
{
    char file[64];
    snprintf(file, sizeof file, "%s%s", name, extension);
    char *path = support_path(folder, file);
    char *text = support_read(path, NULL);
    cna_free(path);
    return text;
}

static report_grid read_csv(const report_fixture *s, const char *name)
{
    char *text = read_beside(s->csv, name, ".csv");
    report_grid grid = report_csv_read(text);
    cna_free(text);
    return grid;
}

static void check_files(const report_fixture *s, const char *page)
{
    report_check_markup(page, true);
    report_check_no_loads(page);
    assert_true(cna_utf8_check(page, strlen(page), NULL));
    for (size_t i = 0; i < N_FIGURES; i++) {
        char *svg = read_beside(s->figures, figures[i], ".svg");
        report_check_markup(svg, false);
        report_check_no_loads(svg);
        cna_free(svg);
    }
    for (size_t i = 0; i < N_TABLES; i++) {
        report_grid grid = read_csv(s, tables[i]);
        assert_true(grid.n_cells > grid.n_columns);
        report_grid_clear(&grid);
    }
}

static void test_files(void **user)
{
    const report_fixture *s = *user;
    report_fixture_make_run(s, "study.sql", NULL);
    char *page = report_fixture_write_all(s), *again = report_fixture_write(s);
    assert_string_equal(page, again);
    check_files(s, page);
    assert_null(strstr(page, "Not in this run"));
    assert_non_null(
        strstr(page, "cna sweep -m models/tiny-instruct --circuit &#39;it&#39;\\&#39;&#39;s.json&#39; --run"));
    assert_non_null(strstr(page, "cna attribute -m models/tiny-instruct --positive &#39;a b.txt&#39;"));
    cna_free(page);
    cna_free(again);
}

/* One cell of a CSV file by its column's name. */
static const char *csv_cell(const report_grid *grid, size_t row, const char *column)
{
    for (size_t i = 0; i < grid->n_columns; i++) {
        if (strcmp(grid->cells[i], column) == 0) return grid->cells[row * grid->n_columns + i];
    }
    fail_msg("no column '%s'", column);
    return NULL;
}

static void test_csv_values(void **user)
{
    const report_fixture *s = *user;
    report_fixture_make_run(s, "study.sql", NULL);
    cna_free(report_fixture_write_all(s));
    report_grid grid = read_csv(s, "cna");
    /* Four tenths of 20 are refused with the circuit silenced; the interval is statsmodels 0.14's
     * proportion_confint(4, 20, method="wilson"). */
    assert_string_equal(csv_cell(&grid, 1, "model"), "tiny-instruct");
    assert_string_equal(csv_cell(&grid, 1, "multiplier"), "0");
    assert_string_equal(csv_cell(&grid, 1, "refused_count"), "4");
    assert_string_equal(csv_cell(&grid, 1, "refused_n"), "20");
    assert_true(fabs(atof(csv_cell(&grid, 1, "refused_low")) - 0.08065766153863355) < 1e-8);
    assert_true(fabs(atof(csv_cell(&grid, 1, "refused_high")) - 0.4160174324461741) < 1e-8);
    report_grid_clear(&grid);
    grid = read_csv(s, "categories");
    assert_string_equal(csv_cell(&grid, 2, "category"), "maps, old");
    report_grid_clear(&grid);
}

/* ---- unusual runs ---- */

static void test_hostile(void **user)
{
    const report_fixture *s = *user;
    report_fixture_make_run(s, "study.sql", "hostile.sql");
    char *page = report_fixture_write_all(s);
    check_files(s, page);
    assert_non_null(strstr(page, "&lt;script&gt;alert(&quot;prompt&quot;)&lt;/script&gt; &amp; &lt;b&gt;"));
    assert_non_null(strstr(page, "cut here; whole in the run file"));
    for (const char *at = page; *at != '\0'; at++) assert_true((unsigned char)*at >= 0x20 || *at == '\n');
    report_grid grid = read_csv(s, "categories");
    assert_string_equal(csv_cell(&grid, 3, "category"), "=1+1,\"</td><script>");
    report_grid_clear(&grid);
    cna_free(page);
}

/* Only another program writes such a file; there is room for what it says. */
static void test_repeated(void **user)
{
    const report_fixture *s = *user;
    report_fixture_make_run(s, "study.sql", "repeated.sql");
    char *page = report_fixture_write(s);
    report_check_markup(page, true);
    report_grid controls = report_page_table(page, "controls");
    assert_true(controls.n_cells >= 6 * controls.n_columns); /* three points, two kinds */
    report_grid_clear(&controls);
    cna_free(page);
}

static void test_empty(void **user)
{
    const report_fixture *s = *user;
    report_fixture_make_run(s, NULL, NULL);
    char *page = report_fixture_write(s);
    report_check_markup(page, true);
    assert_non_null(strstr(page, "Nothing has been put into this run yet."));
    cna_free(page);
}

/* The same part in two files stands there twice, each under its file. */
static void test_several_runs(void **user)
{
    const report_fixture *s = *user;
    cna_error err;
    report_fixture_make_run(s, "study.sql", NULL);
    size_t n_bytes;
    char *copy = support_path(s->folder, "copy.db"), *bytes = support_read(s->run, &n_bytes);
    support_write(copy, bytes, n_bytes);
    cna_free(bytes);
    const char *runs[] = {s->run, copy};
    assert_ok(cna_report_write(runs, 2, s->page, NULL, &err));
    char *page = support_read(s->page, NULL);
    report_grid grid = report_page_table(page, "parts");
    assert_int_equal(grid.n_cells / grid.n_columns, 12);
    report_grid_clear(&grid);
    grid = report_page_table(page, "circuits");
    assert_int_equal(grid.n_cells / grid.n_columns, 2);
    report_grid_clear(&grid);
    cna_free(page);
    remove(s->page);
    assert_int_equal(remove(copy), 0);
    assert_int_equal(link(s->run, copy), 0); /* one file under two names */
    assert_int_equal(cna_report_write(runs, 2, s->page, NULL, &err), CNA_ERR_ARG);
    assert_non_null(strstr(err.text, "expected each run file once"));
    assert_int_not_equal(access(s->page, F_OK), 0);
    assert_int_equal(remove(copy), 0);
    cna_free(copy);
}

/* ---- failures ---- */

static void test_refusals(void **user)
{
    const report_fixture *s = *user;
    cna_error err;
    assert_int_equal(cna_report_write(NULL, 0, s->page, NULL, &err), CNA_ERR_ARG);
    const char *runs[] = {s->run};
    assert_int_equal(cna_report_write(runs, 1, s->page, NULL, &err), CNA_ERR_IO);
    report_fixture_make_run(s, "minimal.sql", NULL);
    /* A file where the folder should be: nothing is written. */
    support_write(s->csv, "x", 1);
    const cna_report_options options = {.csv = s->csv};
    assert_int_equal(cna_report_write(runs, 1, s->page, &options, &err), CNA_ERR_IO);
    assert_non_null(strstr(err.text, "expected a folder, found a file"));
    assert_int_not_equal(access(s->page, F_OK), 0);
    run_fixture_execute(s->run, "UPDATE condition SET multiplier = 'much' WHERE id = 2");
    assert_int_equal(cna_report_write(runs, 1, s->page, NULL, &err), CNA_ERR_FORMAT);
    assert_int_not_equal(access(s->page, F_OK), 0);
}

static cna_status write_once(void *user, cna_error *err)
{
    const report_fixture *s = user;
    const char *runs[] = {s->run};
    const cna_report_options options = {.figures = s->figures, .csv = s->csv};
    return cna_report_write(runs, 1, s->page, &options, err);
}

static void test_no_memory(void **user)
{
    report_fixture *s = *user;
    cna_error err;
    report_fixture_make_run(s, "minimal.sql", NULL);
    support_fail_allocations(write_once, s);
    run_fixture_execute(s->run, "DELETE FROM generation; DELETE FROM condition; DELETE FROM prompt; DELETE FROM part;"
                                "DELETE FROM model");
    char *sql = support_read("tests/data/report/study.sql", NULL);
    run_fixture_execute(s->run, sql);
    cna_free(sql);
    cna_memory_fail_at(0);
    assert_ok(write_once(s, &err));
    size_t n = cna_memory_fail_at(0);
    /* A whole study makes thousands: one in a hundred or so, never the same place twice. */
    for (size_t at = 1; at < n; at += 1 + n / 101) {
        cna_memory_fail_at(at);
        cna_status status = write_once(s, &err);
        if (status != CNA_ERR_MEMORY) fail_msg("allocation %zu of %zu: status %d", at, n, (int)status);
        cna_memory_fail_at(0);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, report_fixture_set_up, report_fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_files),   TEST(test_csv_values),   TEST(test_hostile),  TEST(test_repeated),
        TEST(test_empty),   TEST(test_several_runs), TEST(test_refusals), TEST(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
