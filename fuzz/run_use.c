/* SPDX-License-Identifier: MIT
 * What targets do with a run file. */
#include "run_use.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "study/run.h"
#include "support.h"

/* SQLite is out of memory, too, where a damaged file gives an impossible length. */
static bool run_ok(cna_status status, const cna_error *err)
{
    return status == CNA_ERR_MEMORY ? false : fuzz_ok(status, err);
}

static void check_text(const char *text)
{
    if (text != NULL) fuzz_require(cna_utf8_check(text, strlen(text), NULL));
}

static void check_bytes(const char *text, size_t n_bytes)
{
    fuzz_require(text != NULL && cna_utf8_check(text, n_bytes, NULL));
}

static cna_status see_file(void *user, const cna_run_file *row, cna_error *err)
{
    (void)user;
    (void)err;
    check_text(row->path);
    fuzz_require(strlen(row->sha256) == 64);
    return CNA_OK;
}

static cna_status see_circuit(void *user, const char *label, const char *sha256, const char *json, cna_error *err)
{
    (void)user;
    (void)err;
    check_text(label);
    check_text(json);
    fuzz_require(strlen(sha256) == 64);
    return CNA_OK;
}

static cna_status see_prompt(void *user, const cna_run_prompt *row, cna_error *err)
{
    (void)user;
    (void)err;
    check_bytes(row->text, row->n_bytes);
    check_text(row->category);
    return CNA_OK;
}

static cna_status see_condition(void *user, const cna_run_condition *row, cna_error *err)
{
    (void)user;
    (void)err;
    double sum = 0;
    for (size_t i = 0; i < row->n_multipliers; i++) sum += row->multipliers[i];
    fuzz_require(row->method <= CNA_RUN_CONTROL && (sum == sum || sum != sum));
    return CNA_OK;
}

static cna_status see_generation(void *user, const cna_run_generation *row, cna_error *err)
{
    (void)err;
    check_bytes(row->text, row->n_bytes);
    for (size_t i = 0; i < row->n_tokens; i++) *(volatile int32_t *)user = row->ids[i];
    return CNA_OK;
}

static cna_status see_label(void *user, const cna_run_label *row, cna_error *err)
{
    (void)user;
    (void)err;
    check_text(row->labeller);
    return CNA_OK;
}

static cna_status see_judgement(void *user, const cna_run_judgement *row, cna_error *err)
{
    (void)user;
    (void)err;
    if (row->reply != NULL) check_bytes(row->reply, row->n_reply);
    check_text(row->error);
    return CNA_OK;
}

static cna_status see_unjudged(void *user, const cna_run_unjudged *row, cna_error *err)
{
    (void)user;
    (void)err;
    check_bytes(row->prompt, row->n_prompt);
    check_bytes(row->text, row->n_text);
    return CNA_OK;
}

static cna_status see_choice(void *user, const cna_run_choice *row, cna_error *err)
{
    (void)user;
    (void)err;
    check_text(row->subject);
    return CNA_OK;
}

static cna_status see_figure(void *user, const cna_run_figure *row, cna_error *err)
{
    (void)user;
    (void)err;
    check_text(row->name);
    check_text(row->detail);
    return CNA_OK;
}

static void read_part(cna_run *run, int64_t part)
{
    cna_error err;
    int32_t last = 0; /* an id, so that reading them is not left out */
    (void)run_ok(cna_run_each_file(run, part, see_file, NULL, &err), &err);
    (void)run_ok(cna_run_each_circuit(run, part, see_circuit, NULL, &err), &err);
    (void)run_ok(cna_run_each_prompt(run, part, see_prompt, NULL, &err), &err);
    (void)run_ok(cna_run_each_condition(run, part, see_condition, NULL, &err), &err);
    (void)run_ok(cna_run_each_generation(run, part, 0, see_generation, &last, &err), &err);
    (void)run_ok(cna_run_each_label(run, part, see_label, NULL, &err), &err);
    (void)run_ok(cna_run_each_judgement(run, part, see_judgement, NULL, &err), &err);
    (void)run_ok(cna_run_each_unjudged(run, part, "rating", "owl", see_unjudged, NULL, &err), &err);
    (void)run_ok(cna_run_each_choice(run, part, 0, see_choice, NULL, &err), &err);
    (void)run_ok(cna_run_each_figure(run, part, see_figure, NULL, &err), &err);
}

static void write_report(const char *path)
{
    char page[128];
    cna_error err;
    snprintf(page, sizeof page, "%s/page.html", fuzz_folder());
    (void)run_ok(cna_report_write(&path, 1, page, NULL, &err), &err);
}

void fuzz_use_run(const char *path, bool report)
{
    static const cna_run_open_options read_only = {.read_only = true};
    cna_error err;
    cna_run *run;
    cna_run_parts parts;
    if (!run_ok(cna_run_open(path, &read_only, &run, &err), &err)) return;
    if (run_ok(cna_run_read_parts(run, &parts, &err), &err)) {
        for (size_t i = 0; i < parts.n; i++) read_part(run, parts.items[i].id);
        cna_run_parts_free(&parts);
    }
    cna_run_free(run);
    if (report) write_report(path);
}
