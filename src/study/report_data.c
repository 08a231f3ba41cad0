/* SPDX-License-Identifier: MIT
 * From run files to the data of a report. */
#include "study/report_data.h"

#include <string.h>

#include "method/circuit.h"

static cna_status keep(cna_report_data *data, const char **out, const char *text, cna_error *err)
{
    *out = NULL;
    return text == NULL ? CNA_OK : cna_arena_copy(&data->arena, out, text, strlen(text), err);
}

/* What the callbacks of one part need. */
typedef struct reader {
    cna_report_data *data;
    cna_report_part *part;
} reader;

static cna_status on_file(void *user, const cna_run_file *file, cna_error *err)
{
    reader *r = user;
    cna_report_part *part = r->part;
    CNA_TRY(cna_grow(&part->files, &part->files_capacity, part->n_files + 1, sizeof *part->files, "files", err));
    cna_run_file *out = &part->files[part->n_files];
    *out = *file;
    CNA_TRY(keep(r->data, &out->role, file->role, err));
    CNA_TRY(keep(r->data, &out->path, file->path, err));
    part->n_files++;
    return CNA_OK;
}

static bool begins_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static cna_status on_circuit(void *user, const char *label, const char *sha256, const char *json, cna_error *err)
{
    reader *r = user;
    cna_report_part *part = r->part;
    CNA_TRY(cna_grow(&part->circuits, &part->circuits_capacity, part->n_circuits + 1, sizeof *part->circuits,
                     "circuits", err));
    cna_report_circuit *out = &part->circuits[part->n_circuits];
    CNA_TRY(keep(r->data, &out->label, label, err));
    CNA_TRY(keep(r->data, &out->sha256, sha256, err));
    out->is_derived = begins_with(label, "k=") || begins_with(label, "fold ");
    CNA_TRY(cna_circuit_parse(json, strlen(json), label, &out->circuit, err));
    part->n_circuits++;
    return CNA_OK;
}

static cna_status on_figure(void *user, const cna_run_figure *figure, cna_error *err)
{
    reader *r = user;
    cna_report_part *part = r->part;
    CNA_TRY(
        cna_grow(&part->figures, &part->figures_capacity, part->n_figures + 1, sizeof *part->figures, "figures", err));
    cna_run_figure *out = &part->figures[part->n_figures];
    *out = *figure;
    CNA_TRY(keep(r->data, &out->name, figure->name, err));
    CNA_TRY(keep(r->data, &out->detail, figure->detail, err));
    part->n_figures++;
    return CNA_OK;
}

static cna_status read_part(cna_report_data *data, cna_run *run, cna_report_part *part, cna_error *err)
{
    reader r = {data, part};
    int64_t id = part->info->id;
    CNA_TRY(cna_run_each_file(run, id, on_file, &r, err));
    CNA_TRY(cna_run_each_circuit(run, id, on_circuit, &r, err));
    CNA_TRY(cna_run_each_figure(run, id, on_figure, &r, err));
    CNA_TRY(cna_sweep_rows_read(run, id, &part->rows, err));
    CNA_TRY(cna_sweep_table_make(&part->rows, &part->table, err));
    CNA_TRY(cna_report_read_curves(data, part, err));
    CNA_TRY(cna_report_read_judged(data, run, part, err));
    return cna_report_read_mmlu(data, run, part, err);
}

cna_status cna_report_data_read(const char *const *paths, size_t n_paths, cna_report_data *out, cna_error *err)
{
    *out = (cna_report_data){0};
    CNA_TRY(cna_alloc(&out->runs, n_paths, sizeof *out->runs, "runs", err));
    CNA_TRY(cna_alloc(&out->lists, n_paths, sizeof *out->lists, "runs", err));
    const cna_run_open_options options = {.read_only = true};
    size_t n_parts = 0;
    for (size_t i = 0; i < n_paths; i++) {
        CNA_TRY(cna_run_open(paths[i], &options, &out->runs[i], err));
        out->n_runs++;
        CNA_TRY(cna_run_read_parts(out->runs[i], &out->lists[i], err));
        n_parts += out->lists[i].n;
    }
    CNA_TRY(cna_alloc(&out->parts, n_parts, sizeof *out->parts, "parts", err));
    for (size_t i = 0; i < n_paths; i++) {
        for (size_t j = 0; j < out->lists[i].n; j++) {
            cna_report_part *part = &out->parts[out->n_parts++];
            part->info = &out->lists[i].items[j];
            part->run = paths[i];
            cna_status status = read_part(out, out->runs[i], part, err);
            if (status != CNA_OK) return cna_fail_prefix(err, status, paths[i]);
        }
    }
    return CNA_OK;
}

static void clear_part(cna_report_part *part)
{
    for (size_t i = 0; i < part->n_circuits; i++) cna_circuit_free(part->circuits[i].circuit);
    cna_free(part->files);
    cna_free(part->circuits);
    cna_free(part->figures);
    cna_free(part->judged);
    cna_free(part->labelled);
    cna_sweep_table_clear(&part->table);
    cna_sweep_rows_clear(&part->rows);
}

void cna_report_data_clear(cna_report_data *data)
{
    for (size_t i = 0; i < data->n_parts; i++) clear_part(&data->parts[i]);
    for (size_t i = 0; i < data->n_runs; i++) {
        cna_run_parts_free(&data->lists[i]);
        cna_run_free(data->runs[i]);
    }
    cna_free(data->parts);
    cna_free(data->lists);
    cna_free(data->runs);
    cna_arena_free(&data->arena);
    *data = (cna_report_data){0};
}
