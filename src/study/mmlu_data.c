/* SPDX-License-Identifier: MIT
 * Finding and reading MMLU's files. */
#include "study/mmlu_data.h"

#include <string.h>

#include "base/file.h"

static const char *const split_names[CNA_MMLU_N_SPLITS] = {"dev", "test"};

/* Where a split of a subject may lie, without the extension, in the order of preference: S stands for the subject, T
 * for the split. The first is the original layout; the others are what exports of cais/mmlu have been seen to be. */
static const struct {
    const char *pattern;
    bool whole; /* all subjects in one file */
} places[] = {
    {"T/S_T", false}, {"T/S", false},           {"S/T", false},    {"S/T-00000-of-00001", false},
    {"T", true},      {"T-00000-of-00001", true}, {"all/T", true}, {"all/T-00000-of-00001", true},
};
enum { N_PLACES = sizeof places / sizeof *places };

static const char *const extensions[] = {".csv", ".jsonl"};

static cna_status make_path(cna_buffer *out, const char *folder, const char *base, size_t place, const char *split,
                            const char *subject, const char *extension, cna_error *err)
{
    size_t n = strlen(folder);
    cna_buffer_reset(out);
    CNA_TRY(cna_buffer_printf(out, err, "%s%s%s", folder, n != 0 && folder[n - 1] == '/' ? "" : "/", base));
    for (const char *c = places[place].pattern; *c != '\0'; c++) {
        if (*c == 'S' || *c == 'T') {
            CNA_TRY(cna_buffer_add_text(out, *c == 'S' ? subject : split, err));
        } else {
            CNA_TRY(cna_buffer_add(out, c, 1, err));
        }
    }
    return cna_buffer_add_text(out, extension, err);
}

/* The first file that is there; out is empty where none is. */
static cna_status find_file(const char *folder, cna_mmlu_split split, size_t subject, const char *const *endings,
                            size_t n_endings, cna_buffer *out, bool *out_whole, cna_error *err)
{
    static const char *const bases[] = {"", "data/"};
    for (size_t b = 0; b < 2; b++) {
        for (size_t p = 0; p < N_PLACES; p++) {
            for (size_t e = 0; e < n_endings; e++) {
                CNA_TRY(make_path(out, folder, bases[b], p, split_names[split], cna_mmlu_subjects()[subject].name,
                                  endings[e], err));
                *out_whole = places[p].whole;
                if (cna_file_exists(out->data)) return CNA_OK;
            }
        }
    }
    cna_buffer_reset(out);
    return CNA_OK;
}

/* ---- reading ---- */

/* A file that is being read. */
typedef struct file_rows {
    cna_mmlu_data *data;
    const char *path;
    cna_mmlu_split split;
    size_t subject; /* that its name tells; CNA_MMLU_N_SUBJECTS: all */
    bool open[CNA_MMLU_N_SUBJECTS]; /* subjects that are wanted and not yet read from another file */
    size_t n_rows;
} file_rows;

static cna_status subject_of(const file_rows *f, const cna_mmlu_row *row, size_t *out, cna_error *err)
{
    *out = f->subject;
    if (row->subject == NULL) {
        if (*out != CNA_MMLU_N_SUBJECTS) return CNA_OK;
        return cna_fail(err, CNA_ERR_FORMAT, "%s: line %zu: expected the subject of each question, found none",
                        f->path, row->line);
    }
    *out = cna_mmlu_find_subject(row->subject);
    if (*out == CNA_MMLU_N_SUBJECTS) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: line %zu: expected a subject of MMLU such as anatomy, found '%.60s'",
                        f->path, row->line, row->subject);
    }
    if (f->subject == CNA_MMLU_N_SUBJECTS || *out == f->subject) return CNA_OK;
    return cna_fail(err, CNA_ERR_FORMAT, "%s: line %zu: expected subject %s as the file's name says, found %s",
                    f->path, row->line, cna_mmlu_subjects()[f->subject].name, row->subject);
}

static cna_status add_row(void *user, const cna_mmlu_row *row, cna_error *err)
{
    file_rows *f = user;
    size_t subject;
    f->n_rows++;
    CNA_TRY(subject_of(f, row, &subject, err));
    if (!f->open[subject]) return CNA_OK;
    cna_mmlu_items *list = &f->data->lists[f->split][subject];
    CNA_TRY(cna_grow(&list->items, &list->capacity, list->n + 1, sizeof *list->items, "questions", err));
    cna_buffer text = {0};
    cna_mmlu_item *item = &list->items[list->n];
    cna_status status = cna_mmlu_row_text(row, &text, err);
    if (status == CNA_OK) status = cna_buffer_take(&text, &item->text, &item->n_bytes, err);
    cna_buffer_free(&text);
    CNA_TRY(status);
    item->answer = row->answer;
    list->n++;
    return CNA_OK;
}

static cna_status keep_path(cna_mmlu_data *data, const char *path, cna_error *err)
{
    CNA_TRY(cna_grow(&data->paths, &data->paths_capacity, data->n_paths + 1, sizeof *data->paths, "paths", err));
    CNA_TRY(cna_copy_bytes(&data->paths[data->n_paths], path, strlen(path), "path", err));
    data->n_paths++;
    return CNA_OK;
}

static bool was_read(const cna_mmlu_data *data, const char *path)
{
    for (size_t i = 0; i < data->n_paths; i++) {
        if (strcmp(data->paths[i], path) == 0) return true;
    }
    return false;
}

static cna_status read_split(const char *folder, cna_mmlu_split split, size_t subject, const bool *wanted,
                             cna_mmlu_data *data, cna_error *err)
{
    cna_buffer path = {0};
    bool whole = false;
    if (data->lists[split][subject].n != 0) return CNA_OK; /* a file of all subjects had it */
    cna_status status = find_file(folder, split, subject, extensions, 2, &path, &whole, err);
    if (status == CNA_OK && path.size != 0 && !was_read(data, path.data)) {
        file_rows f = {.data = data, .path = path.data, .split = split,
                       .subject = whole ? CNA_MMLU_N_SUBJECTS : subject};
        for (size_t s = 0; s < CNA_MMLU_N_SUBJECTS; s++) f.open[s] = wanted[s] && data->lists[split][s].n == 0;
        status = cna_mmlu_rows_read(path.data, add_row, &f, err);
        if (status == CNA_OK && f.n_rows == 0) {
            status = cna_fail(err, CNA_ERR_FORMAT, "%s: expected at least one question, found none", path.data);
        }
        if (status == CNA_OK) status = keep_path(data, path.data, err);
    }
    cna_buffer_free(&path);
    return status;
}

/* ---- the folder ---- */

static cna_status fail_nothing(const char *folder, const bool *wanted, cna_error *err)
{
    static const char *const parquet[] = {".parquet"};
    cna_buffer path = {0};
    bool whole, found = false;
    cna_status status = CNA_OK;
    for (size_t s = 0; s < CNA_MMLU_N_SUBJECTS && status == CNA_OK && !found; s++) {
        if (wanted[s]) status = find_file(folder, CNA_MMLU_TEST, s, parquet, 1, &path, &whole, err);
        found = status == CNA_OK && path.size != 0;
    }
    if (status == CNA_OK && found) {
        status = cna_fail(err, CNA_ERR_UNSUPPORTED,
                          "%s: expected questions as .csv or .jsonl, found parquet; export it: python3 -c \"import "
                          "pandas,glob; [pandas.read_parquet(f).to_json(f[:-7]+'jsonl',orient='records',lines=True) "
                          "for f in glob.glob('%.300s/**/*.parquet',recursive=True)]\"",
                          path.data, folder);
    } else if (status == CNA_OK) {
        status = cna_fail(err, CNA_ERR_FORMAT,
                          "%s: expected MMLU's files, such as test/anatomy_test.csv and dev/anatomy_dev.csv, or "
                          "test.jsonl and dev.jsonl, found none; name their folder",
                          folder);
    }
    cna_buffer_free(&path);
    return status;
}

static cna_status check_counts(const char *folder, const bool *wanted, const bool *required, size_t n_shots,
                               const cna_mmlu_data *data, cna_error *err)
{
    size_t n_found = 0, absent = CNA_MMLU_N_SUBJECTS;
    for (size_t s = 0; s < CNA_MMLU_N_SUBJECTS; s++) {
        const char *name = cna_mmlu_subjects()[s].name;
        size_t n_dev = data->lists[CNA_MMLU_DEV][s].n, n_test = data->lists[CNA_MMLU_TEST][s].n;
        n_found += n_test != 0;
        if (required[s] && n_test == 0) absent = s;
        if (n_test == 0 || n_dev >= n_shots) continue;
        return cna_fail(err, CNA_ERR_FORMAT,
                        "%s: %s: expected %zu or more examples in dev, one for each shot, found %zu; ask for fewer "
                        "shots",
                        folder, name, n_shots, n_dev);
    }
    if (n_found == 0 && data->n_paths == 0) return fail_nothing(folder, wanted, err);
    if (absent == CNA_MMLU_N_SUBJECTS) return CNA_OK;
    const char *name = cna_mmlu_subjects()[absent].name;
    return cna_fail(err, CNA_ERR_FORMAT, "%s: expected questions of %s, such as test/%s_test.csv, found none", folder,
                    name, name);
}

cna_status cna_mmlu_data_read(const char *folder, const bool *wanted, const bool *required, size_t n_shots,
                              cna_mmlu_data *out, cna_error *err)
{
    *out = (cna_mmlu_data){0};
    for (size_t s = 0; s < CNA_MMLU_N_SUBJECTS; s++) {
        if (!wanted[s]) continue;
        CNA_TRY(read_split(folder, CNA_MMLU_TEST, s, wanted, out, err));
        if (n_shots != 0) CNA_TRY(read_split(folder, CNA_MMLU_DEV, s, wanted, out, err));
    }
    return check_counts(folder, wanted, required, n_shots, out, err);
}

void cna_mmlu_data_clear(cna_mmlu_data *data)
{
    for (size_t split = 0; split < CNA_MMLU_N_SPLITS; split++) {
        for (size_t s = 0; s < CNA_MMLU_N_SUBJECTS; s++) {
            cna_mmlu_items *list = &data->lists[split][s];
            for (size_t i = 0; i < list->n; i++) cna_free(list->items[i].text);
            cna_free(list->items);
        }
    }
    for (size_t i = 0; i < data->n_paths; i++) cna_free(data->paths[i]);
    cna_free(data->paths);
    *data = (cna_mmlu_data){0};
}
