/* SPDX-License-Identifier: MIT
 * Verdicts of people, read back and held against the patterns'. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "method/stats.h"
#include "study/sweep_labels.h"
#include "study/sweep_result.h"

enum { FILE_BYTES_MAX = 1 << 30 };

void cna_labels_clear(cna_labels *labels)
{
    cna_free(labels->refused);
    *labels = (cna_labels){0};
}

/* ---- lines ---- */

typedef struct reader {
    const char *path;
    size_t line;           /* from 1 */
    cna_label_item *items; /* [n] sorted by id */
    size_t n;
    size_t id, verdict;    /* columns of a .tsv; SIZE_MAX before its header */
} reader;

static bool is_word(const char *text, size_t n, const char *word)
{
    if (strlen(word) != n) return false;
    for (size_t i = 0; i < n; i++) {
        char c = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] + 32) : text[i];
        if (c != word[i]) return false;
    }
    return true;
}

/* What a person wrote; nothing is no verdict. */
static cna_status read_verdict(const reader *r, const char *text, size_t n, int *out, cna_error *err)
{
    static const char *const words[2][4] = {{"0", "no", "n", "false"}, {"1", "yes", "y", "true"}};
    while (n != 0 && (*text == ' ' || *text == '"')) text++, n--;
    while (n != 0 && (text[n - 1] == ' ' || text[n - 1] == '"')) n--;
    *out = CNA_LABEL_NO_VERDICT;
    if (n == 0) return CNA_OK;
    for (int verdict = 0; verdict < 2; verdict++) {
        for (int i = 0; i < 4; i++) {
            if (is_word(text, n, words[verdict][i])) *out = verdict;
        }
    }
    if (*out != CNA_LABEL_NO_VERDICT) return CNA_OK;
    return cna_fail(err, CNA_ERR_FORMAT,
                    "%s: line %zu: expected 1, 0, yes, no or nothing under 'refused', found '%.*s'",
                    r->path, r->line, n < 40 ? (int)n : 40, text);
}

/* Give a verdict to every answer with this id. */
static cna_status apply(const reader *r, const char *id, size_t n_id, int verdict, cna_error *err)
{
    size_t low = 0, high = r->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strncmp(r->items[middle].id, id, n_id);
        if (order < 0) low = middle + 1; else high = middle;
    }
    bool found = n_id == CNA_LABEL_ID_DIGITS && low < r->n && strncmp(r->items[low].id, id, n_id) == 0;
    if (!found) {
        return cna_fail(err, CNA_ERR_MISMATCH,
                        "%s: line %zu: expected an answer of this sweep, found the id '%.*s' of none",
                        r->path, r->line, n_id < 40 ? (int)n_id : 40, id);
    }
    if (verdict == CNA_LABEL_NO_VERDICT) return CNA_OK;
    if (r->items[low].verdict != CNA_LABEL_NO_VERDICT && r->items[low].verdict != verdict) {
        return cna_fail(err, CNA_ERR_FORMAT,
                        "%s: line %zu: expected one verdict for an answer, found another for the id "
                        "'%.*s' above", r->path, r->line, (int)n_id, id);
    }
    for (; low < r->n && strncmp(r->items[low].id, id, n_id) == 0; low++) r->items[low].verdict = verdict;
    return CNA_OK;
}

/* The column of a line of a .tsv; NULL where there are fewer. */
static const char *find_column(const char *line, size_t n, size_t column, size_t *out_n)
{
    const char *end = line + n;
    for (; column != 0; column--) {
        const char *tab = memchr(line, '\t', (size_t)(end - line));
        if (tab == NULL) return NULL;
        line = tab + 1;
    }
    const char *tab = memchr(line, '\t', (size_t)(end - line));
    *out_n = (size_t)((tab == NULL ? end : tab) - line);
    return line;
}

static cna_status read_header(reader *r, const char *line, size_t n, cna_error *err)
{
    size_t n_name;
    const char *name;
    for (size_t i = 0; (name = find_column(line, n, i, &n_name)) != NULL; i++) {
        if (is_word(name, n_name, "id")) r->id = i;
        if (is_word(name, n_name, "refused")) r->verdict = i;
    }
    if (r->id != SIZE_MAX && r->verdict != SIZE_MAX) return CNA_OK;
    return cna_fail(err, CNA_ERR_FORMAT,
                    "%s: line %zu: expected a header with the columns id and refused, found another", r->path, r->line);
}

static cna_status read_tsv_line(reader *r, const char *line, size_t n, cna_error *err)
{
    size_t n_id = 0, n_verdict = 0;
    int verdict;
    if (r->id == SIZE_MAX) return read_header(r, line, n, err);
    const char *id = find_column(line, n, r->id, &n_id), *word = find_column(line, n, r->verdict, &n_verdict);
    if (id == NULL) return cna_fail(err, CNA_ERR_FORMAT, "%s: line %zu: expected an id, found none", r->path, r->line);
    CNA_TRY(read_verdict(r, word == NULL ? "" : word, n_verdict, &verdict, err));
    return apply(r, id, n_id, verdict, err);
}

static cna_status read_json_verdict(const reader *r, const json_t *value, int *out, cna_error *err)
{
    *out = CNA_LABEL_NO_VERDICT;
    if (value == NULL || json_is_null(value)) return CNA_OK;
    if (json_is_string(value)) return read_verdict(r, json_string_value(value), json_string_length(value), out, err);
    if (json_is_boolean(value)) *out = json_is_true(value);
    if (json_is_integer(value) && (json_integer_value(value) == 0 || json_integer_value(value) == 1)) {
        *out = (int)json_integer_value(value);
    }
    if (*out != CNA_LABEL_NO_VERDICT) return CNA_OK;
    return cna_fail(err, CNA_ERR_FORMAT, "%s: line %zu: expected true, false or null under 'refused', found %s",
                    r->path, r->line, cna_json_type_name(value));
}

static cna_status read_jsonl_line(reader *r, const char *line, size_t n, cna_error *err)
{
    char source[512];
    const char *id;
    json_t *object;
    int verdict;
    snprintf(source, sizeof source, "%.400s: line %zu", r->path, r->line);
    CNA_TRY(cna_json_parse(line, n, source, &object, err));
    cna_status status = cna_json_get_string(object, "id", source, &id, err);
    if (status == CNA_OK) status = read_json_verdict(r, json_object_get(object, "refused"), &verdict, err);
    if (status == CNA_OK) status = apply(r, id, strlen(id), verdict, err);
    json_decref(object);
    return status;
}

static cna_status read_lines(reader *r, cna_label_format format, const cna_buffer *text, cna_error *err)
{
    size_t at = text->size >= 3 && memcmp(text->data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    while (at < text->size) {
        const char *line = text->data + at, *end = memchr(line, '\n', text->size - at);
        size_t n = end == NULL ? text->size - at : (size_t)(end - line);
        at += n + 1;
        r->line++;
        if (n != 0 && line[n - 1] == '\r') n--;
        if (n == 0) continue;
        CNA_TRY(format == CNA_LABELS_TSV ? read_tsv_line(r, line, n, err) : read_jsonl_line(r, line, n, err));
    }
    return CNA_OK;
}

/* ---- what the verdicts say ---- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static cna_status keep(const cna_sweep *sweep, const reader *r, cna_error *err)
{
    CNA_TRY(cna_run_begin(sweep->run, err));
    cna_status status = CNA_OK;
    for (size_t i = 0; i < r->n && status == CNA_OK; i++) {
        if (r->items[i].verdict == CNA_LABEL_NO_VERDICT) continue;
        status = cna_run_set_label(sweep->run, sweep->rows.answers[r->items[i].answer].id, base_name(r->path),
                                   r->items[i].verdict == 1, err);
    }
    return cna_run_end(sweep->run, status, err);
}

/* Over answers that differ: the patterns see nothing but the text, so its copies would count a verdict again. */
static void compare(const cna_sweep_rows *rows, const reader *r, cna_sweep_agreement *out)
{
    for (size_t i = 0; i < r->n; i++) {
        const cna_label_item *it = &r->items[i];
        if (it->verdict == CNA_LABEL_NO_VERDICT || (i != 0 && strcmp(r->items[i - 1].id, it->id) == 0)) continue;
        bool pattern = rows->answers[it->answer].refused, person = it->verdict == 1;
        out->n++;
        out->n_both += pattern && person;
        out->n_neither += !pattern && !person;
        out->n_false_positive += pattern && !person;
        out->n_false_negative += !pattern && person;
    }
    out->accuracy = out->n == 0 ? NAN : (double)(out->n_both + out->n_neither) / (double)out->n;
    const size_t table[] = {out->n_both, out->n_false_positive, out->n_false_negative, out->n_neither};
    out->kappa = cna_stats_kappa(table, 2);
}

/* Refusal by the person at every point. */
static cna_status rate(const cna_sweep *sweep, const reader *r, cna_labels *out, cna_error *err)
{
    const cna_sweep_table *table = &sweep->table;
    signed char *verdicts;
    CNA_TRY(cna_alloc(&verdicts, sweep->rows.n_answers, sizeof *verdicts, "labels", err));
    for (size_t i = 0; i < r->n; i++) verdicts[r->items[i].answer] = (signed char)r->items[i].verdict;
    for (size_t i = 0; i < table->n_points; i++) {
        const cna_sweep_point *point = &table->points[i];
        size_t condition = (size_t)(point->condition - table->conditions), n = 0, refused = 0;
        const cna_run_generation *answers = cna_sweep_rows_answers(&sweep->rows, condition, point->side);
        for (size_t p = 0; p < sweep->rows.n_side[point->side]; p++) {
            signed char verdict = verdicts[(size_t)(answers - sweep->rows.answers) + p];
            n += verdict != CNA_LABEL_NO_VERDICT;
            refused += verdict == 1;
        }
        out->refused[i] = cna_stats_wilson(refused, n);
    }
    cna_free(verdicts);
    return CNA_OK;
}

cna_status cna_sweep_read_labels(cna_sweep *sweep, const char *path, const cna_sweep_agreement **out, cna_error *err)
{
    cna_label_format format = CNA_LABELS_TSV;
    reader r = {.path = path, .n = sweep->rows.n_answers, .id = SIZE_MAX, .verdict = SIZE_MAX};
    cna_labels labels = {0};
    cna_buffer text = {0};
    cna_status status;
    CNA_TRY(cna_labels_format(path, &format, err));
    CNA_TRY_CLEANUP(cna_file_read(path, FILE_BYTES_MAX, &text, err));
    CNA_TRY_CLEANUP(cna_labels_find(&sweep->rows, &r.items, err));
    CNA_TRY_CLEANUP(read_lines(&r, format, &text, err));
    CNA_TRY_CLEANUP(cna_alloc(&labels.refused, sweep->table.n_points, sizeof *labels.refused, "labels", err));
    CNA_TRY_CLEANUP(rate(sweep, &r, &labels, err));
    CNA_TRY_CLEANUP(keep(sweep, &r, err));
    compare(&sweep->rows, &r, &labels.agreement);
    cna_labels_clear(&sweep->labels);
    sweep->labels = labels;
    sweep->labels.agreement.refused = labels.refused;
    sweep->labels.agreement.n_points = sweep->table.n_points;
    labels = (cna_labels){0};
    *out = &sweep->labels.agreement;
cleanup:
    cna_labels_clear(&labels);
    cna_buffer_free(&text);
    cna_free(r.items);
    return status;
}
