/* SPDX-License-Identifier: MIT
 * Numbers that belong to a part or to one of its conditions. */
#include <math.h>
#include <string.h>

#include "study/run_sql.h"

/* NULLs are distinct to UNIQUE, so that a part's own figures are replaced by hand; IS finds them. */
static cna_status replace(cna_run *run, int64_t part, const cna_run_figure *figure, cna_error *err)
{
    cna_run_value values[] = {cna_run_int(part), cna_run_int_or_null(figure->condition, 0), cna_run_text(figure->name),
                              cna_run_real(figure->value), cna_run_text(figure->detail)};
    CNA_TRY(cna_run_write(run, "DELETE FROM figure WHERE part = ?1 AND condition IS ?2 AND name = ?3", values, 3, err));
    return cna_run_write(run, "INSERT INTO figure (part, condition, name, value, detail) VALUES (?1, ?2, ?3, ?4, ?5)",
                         values, 5, err);
}

cna_status cna_run_set_figure(cna_run *run, int64_t part, const cna_run_figure *figure, cna_error *err)
{
    bool own;
    CNA_TRY(cna_run_scope_begin(run, &own, err));
    return cna_run_scope_end(run, own, replace(run, part, figure, err), err);
}

typedef struct reader {
    cna_run_figure_fn *fn;
    void *user;
} reader;

static cna_status read_figure(void *user, const cna_run_row *row, cna_error *err)
{
    const reader *r = user;
    cna_run_figure figure = {0};
    CNA_TRY(cna_run_row_int_or(row, 0, 0, 1, INT64_MAX, &figure.condition, err));
    CNA_TRY(cna_run_row_string(row, 1, &figure.name, NULL, err));
    CNA_TRY(cna_run_row_real(row, 2, &figure.value, err));
    CNA_TRY(cna_run_row_text(row, 3, &figure.detail, NULL, err));
    return r->fn(r->user, &figure, err);
}

cna_status cna_run_each_figure(cna_run *run, int64_t part, cna_run_figure_fn *fn, void *user, cna_error *err)
{
    reader r = {.fn = fn, .user = user};
    cna_run_value key = cna_run_int(part);
    return cna_run_rows(run, "a figure",
                        "SELECT figure.condition, name, value, detail FROM figure"
                        " LEFT JOIN condition ON condition.id = figure.condition"
                        " WHERE figure.part = ?1 ORDER BY condition.position, figure.condition, name",
                        &key, 1, read_figure, &r, err);
}

typedef struct found_figure {
    bool found;
    double value;
    char **detail; /* ? */
} found_figure;

static cna_status take_figure(void *user, const cna_run_figure *figure, cna_error *err)
{
    found_figure *f = user;
    if (f->found) return CNA_OK; /* a second one, which only another program can have written */
    f->found = true;
    f->value = figure->value;
    if (f->detail == NULL || figure->detail == NULL) return CNA_OK;
    return cna_copy_bytes(f->detail, figure->detail, strlen(figure->detail), "a figure's detail", err);
}

cna_status cna_run_find_figure(cna_run *run, int64_t part, int64_t condition, const char *name, bool *found,
                               double *out_value, char **out_detail, cna_error *err)
{
    found_figure f = {.value = NAN, .detail = out_detail};
    reader r = {.fn = take_figure, .user = &f};
    cna_run_value values[] = {cna_run_int(part), cna_run_int_or_null(condition, 0), cna_run_text(name)};
    if (out_detail != NULL) *out_detail = NULL;
    CNA_TRY(cna_run_rows(run, "a figure",
                         "SELECT condition, name, value, detail FROM figure"
                         " WHERE part = ?1 AND condition IS ?2 AND name = ?3 ORDER BY rowid",
                         values, 3, read_figure, &r, err));
    *found = f.found;
    *out_value = f.value;
    return CNA_OK;
}
