/* SPDX-License-Identifier: MIT
 * A run file filled through SQL alone (tests/data/report) and the report of it, for the tests of reports. */
#ifndef CNA_TESTS_REPORT_FIXTURE_H
#define CNA_TESTS_REPORT_FIXTURE_H

typedef struct report_fixture {
    char *folder, *run, *page, *csv, *figures; /* paths */
} report_fixture;

/* As cmocka's functions around each test. */
int report_fixture_set_up(void **state);
int report_fixture_tear_down(void **state);

/* A run file with the rows of these files of tests/data/report.
 *   first, second  ? */
void report_fixture_make_run(const report_fixture *f, const char *first, const char *second);

/* Write the report, with everything beside it or the page alone, which is returned, new. */
char *report_fixture_write_all(const report_fixture *f);
char *report_fixture_write(const report_fixture *f);

#endif
