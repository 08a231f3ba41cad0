/* SPDX-License-Identifier: MIT
 * A run file filled through SQL, and its report. */
#include "report_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "run_fixture.h"

int report_fixture_set_up(void **state)
{
    report_fixture *f = calloc(1, sizeof *f);
    f->folder = support_folder_create();
    f->run = support_path(f->folder, "run.db");
    f->page = support_path(f->folder, "report.html");
    f->csv = support_path(f->folder, "csv");
    f->figures = support_path(f->folder, "figures");
    *state = f;
    return 0;
}

int report_fixture_tear_down(void **state)
{
    report_fixture *f = *state;
    support_folder_remove(f->folder);
    cna_free(f->run);
    cna_free(f->page);
    cna_free(f->csv);
    cna_free(f->figures);
    free(f);
    return 0;
}

void report_fixture_make_run(const report_fixture *f, const char *first, const char *second)
{
    cna_error err;
    cna_run *run;
    const cna_run_open_options options = {0};
    assert_ok(cna_run_open(f->run, &options, &run, &err));
    cna_run_free(run);
    const char *names[] = {first, second};
    for (int i = 0; i < 2 && names[i] != NULL; i++) {
        char path[128];
        snprintf(path, sizeof path, "tests/data/report/%s", names[i]);
        char *sql = support_read(path, NULL);
        run_fixture_execute(f->run, sql);
        cna_free(sql);
    }
}

char *report_fixture_write_all(const report_fixture *f)
{
    cna_error err;
    const char *runs[] = {f->run};
    const cna_report_options options = {.figures = f->figures, .csv = f->csv};
    assert_ok(cna_report_write(runs, 1, f->page, &options, &err));
    return support_read(f->page, NULL);
}

char *report_fixture_write(const report_fixture *f)
{
    cna_error err;
    const char *runs[] = {f->run};
    assert_ok(cna_report_write(runs, 1, f->page, NULL, &err));
    return support_read(f->page, NULL);
}
