/* SPDX-License-Identifier: MIT
 * Rows of MMLU files. */
#include <string.h>

#include "base/utf8.h"
#include "study/mmlu_data.h"
#include "text/csv.h"

enum { FIELDS_MAX = 64, SHOWN = 40 };

/* What rows may call each choice. */
static const char *const choice_names[][4] = {{"choice0", "choice1", "choice2", "choice3"}, {"A", "B", "C", "D"}};
enum { N_CHOICE_NAMES = sizeof choice_names / sizeof *choice_names, NONE = FIELDS_MAX };

/* Where a CSV file has what; NONE where it has it not. */
typedef struct columns {
    size_t subject, question, answer, list, choices[4];
} columns;

typedef struct rows {
    cna_reader in;
    cna_mmlu_row_fn *fn;
    void *user;
    cna_buffer fields[FIELDS_MAX];
    size_t n_fields; /* of the record */
    size_t line;     /* where it begins */
    cna_buffer choices[4];
    cna_error *err;
} rows;

static cna_status fail(const rows *r, const char *expected, const char *found, size_t n_found)
{
    bool cut = n_found > SHOWN;
    return cna_fail(r->err, CNA_ERR_FORMAT, "%s: line %zu: expected %s, found '%.*s%s'", r->in.path, r->line, expected,
                    (int)(cut ? SHOWN : n_found), found, cut ? "..." : "");
}

/* A to D, or 0 to 3. */
static cna_status read_answer(const rows *r, const char *text, size_t n, int *out)
{
    size_t first = 0, end = n;
    while (first < end && strchr(" \t\r\n", text[first]) != NULL) first++;
    while (end > first && strchr(" \t\r\n", text[end - 1]) != NULL) end--;
    char c = end - first == 1 ? text[first] : '\0';
    if (c >= '0' && c <= '3') {
        *out = c - '0';
    } else if (c >= 'A' && c <= 'D') {
        *out = c - 'A';
    } else if (c >= 'a' && c <= 'd') {
        *out = c - 'a';
    } else {
        return fail(r, "an answer of A to D or 0 to 3", text, n);
    }
    return CNA_OK;
}

static cna_status fail_count(const rows *r, size_t n)
{
    return cna_fail(r->err, CNA_ERR_FORMAT, "%s: line %zu: expected 4 choices, found %zu", r->in.path, r->line, n);
}

static cna_status take_choices(rows *r, size_t n, cna_mmlu_row *row)
{
    if (n != 4) return fail_count(r, n);
    for (size_t i = 0; i < 4; i++) {
        row->choices[i] = r->choices[i].data;
        row->n_choices[i] = r->choices[i].size;
    }
    return CNA_OK;
}

/* --------------------------------------------------------------------------------------------------- csv */

/* Whether there was a record; lines with nothing on them are skipped. */
static cna_status read_record(rows *r, bool *out_found)
{
    *out_found = false;
    while (cna_csv_has_more(&r->in) && !*out_found) {
        *out_found = !cna_csv_at_blank(&r->in);
        r->line = r->in.line;
        bool last = false;
        for (r->n_fields = 0; !last; r->n_fields++) {
            if (r->n_fields == FIELDS_MAX) {
                return cna_fail(r->err, CNA_ERR_FORMAT, "%s: line %zu: expected at most %d fields, found more",
                                r->in.path, r->line, FIELDS_MAX);
            }
            CNA_TRY(cna_csv_field(&r->in, &r->fields[r->n_fields], &last, r->err));
        }
    }
    return CNA_OK;
}

static size_t find_column(const rows *r, const char *name)
{
    for (size_t i = 0; i < r->n_fields; i++) {
        if (cna_ascii_equal(r->fields[i].data, r->fields[i].size, name, strlen(name))) return i;
    }
    return NONE;
}

/* The columns that a header names. False where the record is no header: the original files have none. */
static bool read_header(const rows *r, columns *c)
{
    *c = (columns){.subject = find_column(r, "subject"), .question = find_column(r, "question"),
                   .answer = find_column(r, "answer"), .list = find_column(r, "choices")};
    if (c->question == NONE || c->answer == NONE) return false;
    for (size_t k = 0; k < N_CHOICE_NAMES; k++) {
        bool all = true;
        for (size_t i = 0; i < 4; i++) {
            c->choices[i] = find_column(r, choice_names[k][i]);
            all = all && c->choices[i] != NONE;
        }
        if (all) return true;
    }
    for (size_t i = 0; i < 4; i++) c->choices[i] = NONE;
    return true;
}

static cna_status deliver_record(rows *r, const columns *c)
{
    const cna_buffer *fields = r->fields;
    cna_mmlu_row row = {.question = fields[c->question].data, .n_question = fields[c->question].size, .line = r->line};
    if (c->subject != NONE) row.subject = fields[c->subject].data;
    CNA_TRY(read_answer(r, fields[c->answer].data, fields[c->answer].size, &row.answer));
    if (c->choices[0] == NONE) {
        bool valid;
        size_t n;
        const cna_buffer *list = &fields[c->list];
        CNA_TRY(cna_mmlu_list_read(list->data, list->size, r->choices, &n, &valid, r->err));
        if (!valid) {
            return fail(r, "choices as a list of texts such as [\"a\", \"b\", \"c\", \"d\"]", list->data, list->size);
        }
        CNA_TRY(take_choices(r, n, &row));
    }
    for (size_t i = 0; c->choices[0] != NONE && i < 4; i++) {
        row.choices[i] = fields[c->choices[i]].data;
        row.n_choices[i] = fields[c->choices[i]].size;
    }
    return r->fn(r->user, &row, r->err);
}

static cna_status read_csv(rows *r)
{
    columns c;
    bool found;
    cna_csv_begin(&r->in);
    CNA_TRY(read_record(r, &found));
    if (!found) return CNA_OK;
    bool has_header = read_header(r, &c);
    size_t n_fields = has_header ? r->n_fields : 6;
    if (!has_header) c = (columns){NONE, 0, 5, NONE, {1, 2, 3, 4}};
    if (c.list == NONE && c.choices[0] == NONE) {
        return cna_fail(r->err, CNA_ERR_FORMAT,
                        "%s: line %zu: expected a header with choices, with choice0 to choice3 or with A to D, found "
                        "none of these",
                        r->in.path, r->line);
    }
    if (has_header) CNA_TRY(read_record(r, &found));
    while (found) {
        if (r->n_fields != n_fields) {
            return cna_fail(r->err, CNA_ERR_FORMAT, "%s: line %zu: expected %zu fields%s, found %zu", r->in.path,
                            r->line, n_fields,
                            has_header ? " as in the header" : " (question, four choices, answer) or a header",
                            r->n_fields);
        }
        CNA_TRY(deliver_record(r, &c));
        CNA_TRY(read_record(r, &found));
    }
    return CNA_OK;
}

/* ------------------------------------------------------------------------------------------------- jsonl */

static cna_status get_text(const rows *r, const json_t *value, const char *key, const char **out, size_t *out_n)
{
    if (!json_is_string(value)) {
        return cna_fail(r->err, CNA_ERR_FORMAT, "%s: line %zu: expected a string under '%s', found %s", r->in.path,
                        r->line, key, cna_json_type_name(value));
    }
    *out = json_string_value(value);
    *out_n = json_string_length(value);
    return CNA_OK;
}

static cna_status get_choices(const rows *r, const json_t *object, cna_mmlu_row *row)
{
    const json_t *list = cna_reader_member(object, "choices");
    if (list != NULL) {
        if (!json_is_array(list)) {
            return cna_fail(r->err, CNA_ERR_FORMAT, "%s: line %zu: expected an array under 'choices', found %s",
                            r->in.path, r->line, cna_json_type_name(list));
        }
        if (json_array_size(list) != 4) return fail_count(r, json_array_size(list));
        for (size_t i = 0; i < 4; i++) {
            CNA_TRY(get_text(r, json_array_get(list, i), "choices", &row->choices[i], &row->n_choices[i]));
        }
        return CNA_OK;
    }
    const char *const *names = choice_names[0];
    for (size_t k = 1; k < N_CHOICE_NAMES && cna_reader_member(object, names[0]) == NULL; k++) names = choice_names[k];
    if (cna_reader_member(object, names[0]) == NULL) {
        return cna_fail(r->err, CNA_ERR_FORMAT,
                        "%s: line %zu: expected choices, choice0 to choice3 or A to D, found none of these", r->in.path,
                        r->line);
    }
    for (size_t i = 0; i < 4; i++) {
        CNA_TRY(get_text(r, cna_reader_member(object, names[i]), names[i], &row->choices[i], &row->n_choices[i]));
    }
    return CNA_OK;
}

static cna_status get_answer(const rows *r, const json_t *value, int *out)
{
    if (json_is_string(value)) return read_answer(r, json_string_value(value), json_string_length(value), out);
    if (json_is_integer(value) && json_integer_value(value) >= 0 && json_integer_value(value) <= 3) {
        *out = (int)json_integer_value(value);
        return CNA_OK;
    }
    return cna_fail(r->err, CNA_ERR_FORMAT, "%s: line %zu: expected an answer of A to D or 0 to 3, found %s",
                    r->in.path, r->line, json_is_integer(value) ? "another number" : cna_json_type_name(value));
}

static cna_status deliver_object(rows *r, const json_t *object)
{
    cna_mmlu_row row = {.line = r->line};
    size_t n_subject;
    const json_t *subject = cna_reader_member(object, "subject");
    if (subject != NULL) CNA_TRY(get_text(r, subject, "subject", &row.subject, &n_subject));
    CNA_TRY(get_text(r, cna_reader_member(object, "question"), "question", &row.question, &row.n_question));
    CNA_TRY(get_choices(r, object, &row));
    CNA_TRY(get_answer(r, cna_reader_member(object, "answer"), &row.answer));
    return r->fn(r->user, &row, r->err);
}

static cna_status read_jsonl(rows *r)
{
    const char *line;
    size_t n;
    while (cna_reader_line(&r->in, &line, &n)) {
        json_t *object;
        r->line = r->in.line;
        CNA_TRY(cna_reader_object(&r->in, line, n, &object, r->err));
        cna_status status = deliver_object(r, object);
        json_decref(object);
        CNA_TRY(status);
    }
    return CNA_OK;
}

cna_status cna_mmlu_rows_read(const char *path, cna_mmlu_row_fn *fn, void *user, cna_error *err)
{
    rows r = {.fn = fn, .user = user, .err = err};
    const char *dot = strrchr(path, '.');
    bool is_csv = dot != NULL && strcmp(dot, ".csv") == 0;
    cna_status status = cna_reader_open(path, &r.in, err);
    if (status == CNA_OK) status = is_csv ? read_csv(&r) : read_jsonl(&r);
    for (size_t i = 0; i < FIELDS_MAX; i++) cna_buffer_free(&r.fields[i]);
    for (size_t i = 0; i < 4; i++) cna_buffer_free(&r.choices[i]);
    cna_reader_clear(&r.in);
    return status;
}
