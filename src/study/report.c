/* SPDX-License-Identifier: MIT
 * cna_report_write: read the runs, write the sections, put the page together, write the files. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "study/report_page.h"

/* ---- circuits of the whole report ---- */

static bool is_known(const cna_report *report, const cna_report_circuit *circuit)
{
    for (size_t i = 0; i < report->n_circuits; i++) {
        if (strcmp(report->circuits[i].held->sha256, circuit->sha256) == 0) return true;
    }
    return false;
}

static void list_circuits(cna_report *report)
{
    const cna_report_data *data = report->data;
    size_t n = 0;
    for (size_t i = 0; i < data->n_parts; i++) n += data->parts[i].n_circuits;
    report->circuits = cna_report_alloc(report, n, sizeof *report->circuits);
    for (size_t i = 0; report->circuits != NULL && i < data->n_parts; i++) {
        for (size_t j = 0; j < data->parts[i].n_circuits; j++) {
            const cna_report_circuit *circuit = &data->parts[i].circuits[j];
            if (circuit->is_derived || is_known(report, circuit)) continue;
            const char *model = cna_circuit_get_info(circuit->circuit)->model_name;
            const char *label = cna_report_base_name(circuit->label);
            const char *name = model[0] == '\0' ? label : cna_report_print(report, "%s: %s", model, label);
            report->circuits[report->n_circuits++] = (cna_report_member){&data->parts[i], circuit, name};
        }
    }
}

/* ---- the head of the page ---- */

typedef const char *part_text_fn(cna_report *report, const cna_report_part *part);

static const char *version_of(cna_report *report, const cna_report_part *part)
{
    return cna_report_print(report, "cna %s", part->info->version);
}

static const char *model_of(cna_report *report, const cna_report_part *part)
{
    const cna_run_part_info *info = part->info;
    return cna_report_print(report, "%s (%s, %s), fingerprint %.12s\xE2\x80\xA6", info->model_name, info->architecture,
                            info->dtype, info->fingerprint);
}

static const char *run_of(cna_report *report, const cna_report_part *part)
{
    (void)report;
    return part->run;
}

/* The different texts of the parts, in their order, one a line. */
static void put_fact(cna_report *report, cna_markup *out, const char *name, part_text_fn *text_of)
{
    const cna_report_data *data = report->data;
    const char **seen = cna_report_alloc(report, data->n_parts, sizeof *seen);
    size_t n = 0;
    cna_markup_format(out, "<dt>%s</dt><dd>", name);
    for (size_t i = 0; seen != NULL && i < data->n_parts; i++) {
        const char *text = text_of(report, &data->parts[i]);
        bool is_new = true;
        for (size_t j = 0; j < n; j++) is_new = is_new && strcmp(seen[j], text) != 0;
        if (!is_new) continue;
        if (n != 0) cna_markup_put(out, "<br>");
        cna_markup_string(out, text);
        seen[n++] = text;
    }
    cna_markup_put(out, "</dd>\n");
}

static const char *first_start(const cna_report_data *data)
{
    const char *first = data->parts[0].info->started;
    for (size_t i = 1; i < data->n_parts; i++) {
        if (strcmp(data->parts[i].info->started, first) < 0) first = data->parts[i].info->started;
    }
    return first;
}

/* NULL where a part has not ended. */
static const char *last_end(const cna_report_data *data)
{
    const char *last = data->parts[0].info->ended;
    for (size_t i = 1; i < data->n_parts && last != NULL; i++) {
        const char *ended = data->parts[i].info->ended;
        if (ended == NULL || strcmp(ended, last) > 0) last = ended;
    }
    return last;
}

static void put_facts(cna_report *report, cna_markup *out)
{
    const cna_report_data *data = report->data;
    if (data->n_parts == 0) {
        cna_markup_put(out, "<p class=\"warning\">Nothing has been put into this run yet.</p>\n");
        return;
    }
    const char *ended = last_end(data);
    cna_markup_put(out, "<dl>\n");
    put_fact(report, out, "models", model_of);
    put_fact(report, out, "run files", run_of);
    cna_markup_put(out, "<dt>made</dt><dd>");
    cna_markup_string(out, first_start(data));
    cna_markup_put(out, " to ");
    cna_markup_string(out, ended == NULL ? "(not finished)" : ended);
    cna_markup_put(out, "</dd>\n");
    put_fact(report, out, "program", version_of);
    cna_markup_put(out, "</dl>\n");
    if (ended == NULL) {
        cna_markup_put(out,
                       "<p class=\"warning\">Not all of the run is finished: settings with an answer missing are left "
                       "out below. The same command again continues it.</p>\n");
    }
}

static void put_contents(const cna_report *report, cna_markup *out)
{
    cna_markup_put(out, "<nav aria-label=\"Contents\"><ol>\n");
    for (size_t i = 0; i < report->n_sections; i++) {
        cna_markup_format(out, "<li><a href=\"#%s\">", report->sections[i].name);
        cna_markup_string(out, report->sections[i].text);
        cna_markup_put(out, "</a></li>\n");
    }
    cna_markup_put(out, "</ol></nav>\n");
}

static void put_missing(const cna_report *report, cna_markup *out)
{
    if (report->n_missing == 0) return;
    cna_markup_put(out,
                   "<section id=\"missing\"><h2>Not in this run</h2>\n"
                   "<p>These parts of a report have no data here. The command behind each gives it.</p>\n"
                   "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Not in this run\"><table>"
                   "<thead><tr><th scope=\"col\" class=\"t\">what</th><th scope=\"col\" class=\"t\">command</th></tr>"
                   "</thead><tbody>\n");
    for (size_t i = 0; i < report->n_missing; i++) {
        cna_markup_put(out, "<tr><td class=\"t\">");
        cna_markup_string(out, report->missing[i].name);
        cna_markup_put(out, "</td><td class=\"t\"><code>");
        cna_markup_string(out, report->missing[i].text);
        cna_markup_put(out, "</code></td></tr>\n");
    }
    cna_markup_put(out, "</tbody></table></div></section>\n");
}

/* ---- the whole page ---- */

static const char *title_of(cna_report *report)
{
    const char *title = "cna report";
    for (size_t i = 0; i < report->data->n_parts; i++) {
        const char *name = report->data->parts[i].info->model_name;
        bool is_new = true;
        for (size_t j = 0; j < i; j++) is_new = is_new && strcmp(name, report->data->parts[j].info->model_name) != 0;
        if (is_new) title = cna_report_print(report, "%s%s %s", title, i == 0 ? ":" : ",", name);
    }
    return title;
}

static void put_head(cna_report *report, cna_markup *out)
{
    const char *title = title_of(report);
    cna_markup_put(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                        "<meta name=\"color-scheme\" content=\"light dark\">\n"
                        /* Whatever else goes wrong, the page can load nothing and run nothing. */
                        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                        "style-src 'unsafe-inline'\">\n<title>");
    cna_markup_string(out, title);
    cna_markup_put(out, "</title>\n<style>:root{");
    cna_markup_put(out, cna_plot_light);
    cna_markup_put(out, "}\n@media screen and (prefers-color-scheme:dark){:root{");
    cna_markup_put(out, cna_plot_dark);
    cna_markup_put(out, "}}\n");
    cna_markup_put(out, cna_plot_style);
    cna_markup_put(out, "\n");
    for (size_t i = 0; cna_report_style[i] != NULL; i++) cna_markup_put(out, cna_report_style[i]);
    cna_markup_put(out, "</style></head>\n<body>\n<header><h1>");
    cna_markup_string(out, title);
    cna_markup_put(out, "</h1>\n");
    put_facts(report, out);
    put_contents(report, out);
    cna_markup_put(out, "</header>\n");
}

static void put_sections(cna_report *report)
{
    cna_report_summary(report);
    cna_report_sweeps(report);
    cna_report_benign(report);
    cna_report_categories(report);
    cna_report_mmlu_section(report);
    cna_report_judges(report);
    cna_report_circuit_section(report);
    cna_report_neurons(report);
    cna_report_examples(report);
    cna_report_provenance(report);
}

static cna_status make_page(cna_report *report, cna_markup *page)
{
    list_circuits(report);
    put_sections(report);
    put_head(report, page);
    cna_markup_put(page, "<main>\n");
    if (report->body.buffer.size != 0) cna_markup_bytes(page, report->body.buffer.data, report->body.buffer.size);
    put_missing(report, page);
    cna_markup_put(page,
                   "</main>\n<footer class=\"note\">Written by cna " CNA_VERSION ". Every number comes from the run "
                   "files named above; docs/METHOD.md of the program has the formulas.</footer>\n</body></html>\n");
    if (report->status == CNA_OK) report->status = report->body.status;
    return report->status == CNA_OK ? page->status : report->status;
}

static cna_status write_output(const cna_report_output *output, cna_error *err)
{
    char *path;
    cna_buffer name = {0};
    cna_status status = cna_buffer_printf(&name, err, "%s%s", output->name, output->extension);
    if (status == CNA_OK) status = cna_path_join(output->folder, name.data, &path, err);
    cna_buffer_free(&name);
    if (status != CNA_OK) return status;
    status = cna_file_write(path, output->bytes.data, output->bytes.size, err);
    cna_free(path);
    return status;
}

static cna_status write_all(const cna_report *report, const cna_markup *page, const char *path, cna_error *err)
{
    if (report->figures != NULL) CNA_TRY(cna_folder_create(report->figures, err));
    if (report->csv != NULL) CNA_TRY(cna_folder_create(report->csv, err));
    for (size_t i = 0; i < report->n_outputs; i++) CNA_TRY(write_output(&report->outputs[i], err));
    return cna_file_write(path, page->buffer.data, page->buffer.size, err);
}

static void clear(cna_report *report)
{
    for (size_t i = 0; i < report->n_outputs; i++) cna_buffer_free(&report->outputs[i].bytes);
    cna_free(report->outputs);
    cna_free(report->sections);
    cna_free(report->missing);
    cna_buffer_free(&report->body.buffer);
}

/* A page in the place of the measurements that it shows could not be made again. */
static cna_status check_output(const char *const *runs, size_t n_runs, const char *path, cna_error *err)
{
    for (size_t i = 0; i < n_runs; i++) {
        if (cna_file_is_same(runs[i], path)) {
            return cna_fail(err, CNA_ERR_ARG, "%s: expected another file than the run to write the page to; give it "
                            "another name", path);
        }
    }
    return CNA_OK;
}

/* Under two names, or the same one: its answers would stand on the page twice. */
static cna_status check_repeated(const char *const *runs, size_t n_runs, cna_error *err)
{
    for (size_t i = 1; i < n_runs; i++) {
        for (size_t j = 0; j < i; j++) {
            if (!cna_file_is_same(runs[i], runs[j])) continue;
            return cna_fail(err, CNA_ERR_ARG, "%s: expected each run file once, found it again as '%s'; leave one out",
                            runs[j], runs[i]);
        }
    }
    return CNA_OK;
}

cna_status cna_report_write(const char *const *runs, size_t n_runs, const char *path, const cna_report_options *options,
                            cna_error *err)
{
    cna_report_data data;
    if (n_runs == 0) return cna_fail(err, CNA_ERR_ARG, "report: expected run files, found none");
    CNA_TRY(check_output(runs, n_runs, path, err));
    CNA_TRY(check_repeated(runs, n_runs, err));
    cna_status status = cna_report_data_read(runs, n_runs, &data, err);
    cna_report report = {.data = &data, .err = err, .body = {.err = err}};
    cna_markup page = {.err = err};
    if (options != NULL) {
        report.figures = options->figures;
        report.csv = options->csv;
    }
    if (status == CNA_OK) status = make_page(&report, &page);
    if (status == CNA_OK) status = write_all(&report, &page, path, err);
    cna_buffer_free(&page.buffer);
    clear(&report);
    cna_report_data_clear(&data);
    return status;
}
