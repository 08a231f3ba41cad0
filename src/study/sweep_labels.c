/* SPDX-License-Identifier: MIT
 * Labels by people. A line's id is made of its prompt and its answer alone: it says nothing of how the answer came
 * about, and stands for every answer with these words, whatever the condition. */
#include "study/sweep_labels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "method/stats.h"
#include "study/sweep_result.h"

enum { ID_DIGITS = 16, FILE_BYTES_MAX = 1 << 30, NO_VERDICT = -1 };

void cna_labels_clear(cna_labels *labels)
{
    cna_free(labels->refused);
    *labels = (cna_labels){0};
}

/* ---- items: answers with their ids ---- */

typedef struct item {
    char id[ID_DIGITS + 1];
    char place[65]; /* in the order of a file */
    size_t answer;  /* in the rows */
    int verdict;    /* 0, 1 or NO_VERDICT */
} item;

static int compare_ids(const void *a, const void *b)
{
    const item *x = a, *y = b;
    int order = strcmp(x->id, y->id);
    if (order != 0) return order;
    return x->answer < y->answer ? -1 : x->answer > y->answer;
}

static int compare_places(const void *a, const void *b)
{
    const item *x = a, *y = b;
    return strcmp(x->place, y->place);
}

static const cna_run_prompt *prompt_of(const cna_sweep_rows *rows, const cna_run_generation *answer)
{
    return cna_sweep_rows_prompts(rows, answer->side) + answer->prompt_position;
}

static cna_status identify(const cna_sweep_rows *rows, size_t i, item *out, cna_error *err)
{
    const cna_run_generation *answer = &rows->answers[i];
    cna_buffer bytes = {0};
    char hash[65];
    cna_status status = cna_buffer_add_text(&bytes, prompt_of(rows, answer)->sha256, err);
    if (status == CNA_OK) status = cna_buffer_add(&bytes, answer->text, answer->n_bytes, err);
    if (status == CNA_OK) status = cna_sha256_hex(bytes.data, bytes.size, hash, err);
    cna_buffer_free(&bytes);
    if (status != CNA_OK) return status;
    *out = (item){.answer = i, .verdict = NO_VERDICT};
    memcpy(out->id, hash, ID_DIGITS);
    return CNA_OK;
}

/* Every answer, sorted by id: answers to one prompt with the same words are neighbours. *out is new. */
static cna_status find_items(const cna_sweep_rows *rows, item **out, cna_error *err)
{
    item *items;
    CNA_TRY(cna_alloc(&items, rows->n_answers, sizeof *items, "labels", err));
    for (size_t i = 0; i < rows->n_answers; i++) {
        cna_status status = identify(rows, i, &items[i], err);
        if (status == CNA_OK) continue;
        cna_free(items);
        return status;
    }
    if (rows->n_answers != 0) qsort(items, rows->n_answers, sizeof *items, compare_ids);
    *out = items;
    return CNA_OK;
}

/* ---- files ---- */

typedef enum label_format { LABELS_TSV, LABELS_JSONL } label_format;

static cna_status find_format(const char *path, label_format *out, cna_error *err)
{
    const char *dot = strrchr(path, '.');
    if (dot != NULL && strcmp(dot, ".tsv") == 0) {
        *out = LABELS_TSV;
    } else if (dot != NULL && strcmp(dot, ".jsonl") == 0) {
        *out = LABELS_JSONL;
    } else {
        return cna_fail(err, CNA_ERR_ARG, "%s: expected a file of labels named .tsv or .jsonl, found another name",
                        path);
    }
    return CNA_OK;
}

/* ---- writing ---- */

/* A field of a .tsv: what would end it is written as \t, \n, \r, and a backslash as two. */
static cna_status put_field(cna_buffer *out, const char *text, size_t n_bytes, cna_error *err)
{
    static const char special[] = "\t\n\r\\", letters[] = "tnr\\";
    for (size_t i = 0; i < n_bytes; i++) {
        const char *found = text[i] == '\0' ? NULL : strchr(special, text[i]);
        char escaped[2] = {'\\', found == NULL ? '\0' : letters[found - special]};
        CNA_TRY(found == NULL ? cna_buffer_add(out, text + i, 1, err) : cna_buffer_add(out, escaped, 2, err));
    }
    return CNA_OK;
}

static cna_status put_tsv(cna_buffer *out, const item *it, const cna_sweep_rows *rows, cna_error *err)
{
    const cna_run_generation *answer = &rows->answers[it->answer];
    const cna_run_prompt *prompt = prompt_of(rows, answer);
    CNA_TRY(cna_buffer_printf(out, err, "%s\t", it->id));
    CNA_TRY(put_field(out, prompt->text, prompt->n_bytes, err));
    CNA_TRY(cna_buffer_add_text(out, "\t", err));
    CNA_TRY(put_field(out, answer->text, answer->n_bytes, err));
    return cna_buffer_add_text(out, "\t\n", err);
}

static cna_status put_jsonl(cna_buffer *out, const item *it, const cna_sweep_rows *rows, cna_error *err)
{
    const cna_run_generation *answer = &rows->answers[it->answer];
    const cna_run_prompt *prompt = prompt_of(rows, answer);
    json_t *object = json_pack("{s:s, s:s%, s:s%, s:n}", "id", it->id, "prompt", prompt->text, prompt->n_bytes,
                               "answer", answer->text, answer->n_bytes, "refused");
    char *line = NULL;
    cna_status status = object == NULL ? cna_fail_memory(err, "labels", answer->n_bytes)
                                       : cna_json_compact(object, &line, err);
    json_decref(object);
    if (status == CNA_OK) status = cna_buffer_printf(out, err, "%s\n", line);
    cna_free(line);
    return status;
}

/* Keep the first of every run of neighbours with one id, and put these into an order that only the seed decides. */
static cna_status shuffle(item *items, size_t *n, uint64_t seed, cna_error *err)
{
    size_t n_different = 0;
    for (size_t i = 0; i < *n; i++) {
        if (n_different != 0 && strcmp(items[n_different - 1].id, items[i].id) == 0) continue;
        items[n_different] = items[i];
        char key[64];
        snprintf(key, sizeof key, "%llu %s", (unsigned long long)seed, items[i].id);
        CNA_TRY(cna_sha256_hex(key, strlen(key), items[n_different++].place, err));
    }
    *n = n_different;
    if (*n != 0) qsort(items, *n, sizeof *items, compare_places);
    return CNA_OK;
}

cna_status cna_sweep_write_labels(const cna_sweep *sweep, const char *path, uint64_t seed, cna_error *err)
{
    label_format format = LABELS_TSV;
    item *items = NULL;
    size_t n = sweep->rows.n_answers;
    cna_buffer text = {0};
    cna_status status;
    CNA_TRY(find_format(path, &format, err));
    CNA_TRY_CLEANUP(find_items(&sweep->rows, &items, err));
    CNA_TRY_CLEANUP(shuffle(items, &n, seed, err));
    if (format == LABELS_TSV) CNA_TRY_CLEANUP(cna_buffer_add_text(&text, "id\tprompt\tanswer\trefused\n", err));
    for (size_t i = 0; i < n; i++) {
        CNA_TRY_CLEANUP(format == LABELS_TSV ? put_tsv(&text, &items[i], &sweep->rows, err)
                                             : put_jsonl(&text, &items[i], &sweep->rows, err));
    }
    CNA_TRY_CLEANUP(cna_file_write(path, text.data == NULL ? "" : text.data, text.size, err));
cleanup:
    cna_buffer_free(&text);
    cna_free(items);
    return status;
}

/* ---- reading ---- */

typedef struct reader {
    const char *path;
    size_t line;       /* from 1 */
    item *items;       /* [n] sorted by id */
    size_t n;
    size_t id, verdict; /* columns of a .tsv */
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
    *out = NO_VERDICT;
    if (n == 0) return CNA_OK;
    for (int verdict = 0; verdict < 2; verdict++) {
        for (int i = 0; i < 4; i++) {
            if (is_word(text, n, words[verdict][i])) *out = verdict;
        }
    }
    if (*out != NO_VERDICT) return CNA_OK;
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
    bool found = n_id == ID_DIGITS && low < r->n && strncmp(r->items[low].id, id, n_id) == 0;
    if (!found) {
        return cna_fail(err, CNA_ERR_MISMATCH,
                        "%s: line %zu: expected an answer of this sweep, found the id '%.*s' of none",
                        r->path, r->line, n_id < 40 ? (int)n_id : 40, id);
    }
    if (verdict == NO_VERDICT) return CNA_OK;
    if (r->items[low].verdict != NO_VERDICT && r->items[low].verdict != verdict) {
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
    r->id = r->verdict = SIZE_MAX;
    for (size_t i = 0; (name = find_column(line, n, i, &n_name)) != NULL; i++) {
        if (is_word(name, n_name, "id")) r->id = i;
        if (is_word(name, n_name, "refused")) r->verdict = i;
    }
    if (r->id != SIZE_MAX && r->verdict != SIZE_MAX) return CNA_OK;
    return cna_fail(err, CNA_ERR_FORMAT, "%s: line 1: expected a header with the columns id and refused, found another",
                    r->path);
}

static cna_status read_tsv_line(reader *r, const char *line, size_t n, cna_error *err)
{
    size_t n_id = 0, n_verdict = 0;
    int verdict;
    if (r->line == 1) return read_header(r, line, n, err);
    const char *id = find_column(line, n, r->id, &n_id), *word = find_column(line, n, r->verdict, &n_verdict);
    if (id == NULL) return cna_fail(err, CNA_ERR_FORMAT, "%s: line %zu: expected an id, found none", r->path, r->line);
    CNA_TRY(read_verdict(r, word == NULL ? "" : word, n_verdict, &verdict, err));
    return apply(r, id, n_id, verdict, err);
}

static cna_status read_json_verdict(const reader *r, const json_t *value, int *out, cna_error *err)
{
    *out = NO_VERDICT;
    if (value == NULL || json_is_null(value)) return CNA_OK;
    if (json_is_string(value)) return read_verdict(r, json_string_value(value), json_string_length(value), out, err);
    if (json_is_boolean(value)) *out = json_is_true(value);
    if (json_is_integer(value) && (json_integer_value(value) == 0 || json_integer_value(value) == 1)) {
        *out = (int)json_integer_value(value);
    }
    if (*out != NO_VERDICT) return CNA_OK;
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

static cna_status read_lines(reader *r, label_format format, const cna_buffer *text, cna_error *err)
{
    size_t at = text->size >= 3 && memcmp(text->data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    while (at < text->size) {
        const char *line = text->data + at, *end = memchr(line, '\n', text->size - at);
        size_t n = end == NULL ? text->size - at : (size_t)(end - line);
        at += n + 1;
        r->line++;
        if (n != 0 && line[n - 1] == '\r') n--;
        if (n == 0) continue;
        CNA_TRY(format == LABELS_TSV ? read_tsv_line(r, line, n, err) : read_jsonl_line(r, line, n, err));
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
        if (r->items[i].verdict == NO_VERDICT) continue;
        status = cna_run_set_label(sweep->run, sweep->rows.answers[r->items[i].answer].id, base_name(r->path),
                                   r->items[i].verdict == 1, err);
    }
    return cna_run_end(sweep->run, status, err);
}

/* Over answers that differ: the patterns see nothing but the text, so its copies would count a verdict again. */
static void compare(const cna_sweep_rows *rows, const reader *r, cna_sweep_agreement *out)
{
    for (size_t i = 0; i < r->n; i++) {
        const item *it = &r->items[i];
        if (it->verdict == NO_VERDICT || (i != 0 && strcmp(r->items[i - 1].id, it->id) == 0)) continue;
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
            n += verdict != NO_VERDICT;
            refused += verdict == 1;
        }
        out->refused[i] = cna_stats_wilson(refused, n);
    }
    cna_free(verdicts);
    return CNA_OK;
}

cna_status cna_sweep_read_labels(cna_sweep *sweep, const char *path, const cna_sweep_agreement **out, cna_error *err)
{
    label_format format = LABELS_TSV;
    reader r = {.path = path, .n = sweep->rows.n_answers};
    cna_labels labels = {0};
    cna_buffer text = {0};
    cna_status status;
    CNA_TRY(find_format(path, &format, err));
    CNA_TRY_CLEANUP(cna_file_read(path, FILE_BYTES_MAX, &text, err));
    CNA_TRY_CLEANUP(find_items(&sweep->rows, &r.items, err));
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
