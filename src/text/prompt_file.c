/* SPDX-License-Identifier: MIT
 * Prompt files: .txt, .jsonl and .csv. Lines and bytes in messages count from 1, bytes from the start of
 * their line. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "text/prompts.h"

enum { FILE_BYTES_MAX = 1 << 30 };

typedef struct reader {
    const char *path;
    const char *column; /* ? asked for */
    const char *text;
    size_t n, at; /* length, and where it is read next */
    size_t line;  /* of `at`, from 1 */
    size_t line_start;
    cna_prompts *out;
    cna_error *err;
} reader;

/* "path: line N, byte B: expected ..., found ..." for the place at `at`. */
static cna_status fail(const reader *r, size_t at, const char *expected, const char *found)
{
    return cna_fail(r->err, CNA_ERR_FORMAT, "%s: line %zu, byte %zu: expected %s, found %s", r->path, r->line,
                    at - r->line_start + 1, expected, found);
}

static void begin_line(reader *r)
{
    r->line++;
    r->line_start = r->at;
}

static bool is_ascii_equal(const char *a, size_t n_a, const char *b, size_t n_b)
{
    if (n_a != n_b) return false;
    for (size_t i = 0; i < n_a; i++) {
        char x = a[i] >= 'A' && a[i] <= 'Z' ? (char)(a[i] + 32) : a[i];
        char y = b[i] >= 'A' && b[i] <= 'Z' ? (char)(b[i] + 32) : b[i];
        if (x != y) return false;
    }
    return true;
}

/* The next line without its end (\n or \r\n). False at the end of the file. */
static bool next_line(reader *r, const char **line, size_t *n)
{
    if (r->at >= r->n) return false;
    const char *begin = r->text + r->at;
    const char *end = memchr(begin, '\n', r->n - r->at);
    begin_line(r);
    *line = begin;
    *n = end == NULL ? r->n - r->at : (size_t)(end - begin);
    r->at += *n + (end != NULL);
    if (*n != 0 && begin[*n - 1] == '\r') (*n)--;
    return true;
}

static bool is_blank(const char *line, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r' && line[i] != '\f' && line[i] != '\v')
            return false;
    }
    return true;
}

static cna_status read_txt(reader *r)
{
    const char *line;
    size_t n;
    while (next_line(r, &line, &n)) {
        if (!is_blank(line, n)) CNA_TRY(cna_prompts_add_text(r->out, line, n, r->err));
    }
    return CNA_OK;
}

/* Of the prompt just added. A NUL would cut it short for whoever reads it as a string. */
static cna_status set_category(reader *r, const char *category, size_t n)
{
    return memchr(category, '\0', n) != NULL ? CNA_OK : cna_prompts_set_category(r->out, category, n, r->err);
}

/* ------------------------------------------------------------------------------------------------- jsonl */

/* The member whose name is the column's without case; one that is spelled exactly so goes first. */
static const json_t *find_member(const json_t *object, const char *column)
{
    const json_t *found = json_object_get(object, column);
    /* The iterator does not change the object; jansson's signature lacks the const. */
    json_t *members = (json_t *)(uintptr_t)object;
    for (void *i = json_object_iter(members); found == NULL && i != NULL;
         i = json_object_iter_next(members, i)) {
        const char *key = json_object_iter_key(i);
        if (is_ascii_equal(key, strlen(key), column, strlen(column))) found = json_object_iter_value(i);
    }
    return found;
}

static cna_status read_jsonl_line(reader *r, const char *line, size_t n)
{
    const char *column = r->column != NULL ? r->column : "prompt";
    json_error_t failure;
    json_t *value = json_loadb(line, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &failure);
    if (value == NULL) {
        size_t at = failure.position > 0 ? (size_t)failure.position - 1 : 0;
        return fail(r, r->line_start + (at < n ? at : n), "a JSON object", failure.text);
    }
    cna_status status;
    const json_t *text = find_member(value, column);
    if (!json_is_object(value)) {
        status = fail(r, r->line_start, "a JSON object", cna_json_type_name(value));
    } else if (!json_is_string(text)) {
        status =
            cna_fail(r->err, CNA_ERR_FORMAT, "%s: line %zu, byte 1: expected a string under '%s', found %s",
                     r->path, r->line, column, cna_json_type_name(text));
    } else {
        const json_t *category = find_member(value, "category");
        status = cna_prompts_add_text(r->out, json_string_value(text), json_string_length(text), r->err);
        if (status == CNA_OK && json_is_string(category)) {
            status = set_category(r, json_string_value(category), json_string_length(category));
        }
    }
    json_decref(value);
    return status;
}

static cna_status read_jsonl(reader *r)
{
    const char *line;
    size_t n;
    while (next_line(r, &line, &n)) {
        if (!is_blank(line, n)) CNA_TRY(read_jsonl_line(r, line, n));
    }
    return CNA_OK;
}

/* --------------------------------------------------------------------------------------------------- csv */

/* A quoted field after its opening quote; two quotes are one. Line ends inside belong to it. */
static cna_status read_quoted(reader *r, cna_buffer *field)
{
    size_t line = r->line;
    size_t byte = r->at - r->line_start; /* the opening quote's, from 1 */
    for (;;) {
        const char *begin = r->text + r->at;
        const char *quote = r->at < r->n ? memchr(begin, '"', r->n - r->at) : NULL;
        if (quote == NULL) {
            return cna_fail(r->err, CNA_ERR_FORMAT,
                            "%s: line %zu, byte %zu: expected a closing quote for the quote here, found the "
                            "end of the file",
                            r->path, line, byte);
        }
        size_t n = (size_t)(quote - begin);
        CNA_TRY(cna_buffer_add(field, begin, n, r->err));
        for (size_t end = r->at + n; r->at < end;) {
            if (r->text[r->at++] == '\n') begin_line(r);
        }
        r->at++;
        if (r->at >= r->n || r->text[r->at] != '"') return CNA_OK;
        CNA_TRY(cna_buffer_add(field, "\"", 1, r->err));
        r->at++;
    }
}

/* One field and the comma or line end behind it; *last tells which. */
static cna_status read_field(reader *r, cna_buffer *field, bool *last)
{
    cna_buffer_reset(field);
    CNA_TRY(cna_buffer_add(field, "", 0, r->err));
    if (r->at < r->n && r->text[r->at] == '"') {
        r->at++;
        CNA_TRY(read_quoted(r, field));
    } else {
        size_t begin = r->at;
        while (r->at < r->n && memchr(",\r\n\"", r->text[r->at], 4) == NULL) r->at++;
        CNA_TRY(cna_buffer_add(field, r->text + begin, r->at - begin, r->err));
    }
    *last = true;
    if (r->at >= r->n) return CNA_OK;
    char c = r->text[r->at];
    if (c == ',') {
        *last = false;
    } else if (c != '\n' && c != '\r') {
        return fail(r, r->at, "a comma or the end of the line after a field", c == '"' ? "a quote" : "text");
    }
    if (c == '\r' && r->at + 1 < r->n && r->text[r->at + 1] == '\n') r->at++;
    r->at++;
    if (*last) begin_line(r);
    return CNA_OK;
}

enum { NO_COLUMN = SIZE_MAX };

/* Which fields of a record are read. */
typedef struct columns {
    size_t n_fields, prompt, category; /* NO_COLUMN: not there */
} columns;

/* Where a name of a header stands in a list of wanted ones, if before `best`, the best so far. */
static bool is_better(const cna_buffer *name, const char *const *wanted, size_t *best)
{
    for (size_t i = 0; i < *best; i++) {
        if (!is_ascii_equal(name->data, name->size, wanted[i], strlen(wanted[i]))) continue;
        *best = i;
        return true;
    }
    return false;
}

/* Which field of the header is asked for, or of the names that prompt sets in use have: JBB-Behaviors and AdvBench
 * (goal), StrongREJECT (forbidden_prompt), HarmBench (Behavior), XSTest (prompt); and which one holds the category. */
static cna_status find_columns(reader *r, columns *out)
{
    static const char *const usual[] = {"prompt", "goal", "forbidden_prompt", "behavior", "question"};
    static const char *const categories[] = {"category", "semanticcategory", "type"};
    const char *const *wanted = r->column != NULL ? &r->column : usual;
    size_t best = r->column != NULL ? 1 : sizeof usual / sizeof *usual;
    size_t best_category = sizeof categories / sizeof *categories;
    cna_buffer field = {0};
    cna_status status = CNA_OK;
    *out = (columns){0, NO_COLUMN, NO_COLUMN};
    for (bool last = false; !last && status == CNA_OK; out->n_fields++) {
        status = read_field(r, &field, &last);
        if (status != CNA_OK) break;
        if (is_better(&field, wanted, &best)) out->prompt = out->n_fields;
        if (is_better(&field, categories, &best_category)) out->category = out->n_fields;
    }
    cna_buffer_free(&field);
    if (status != CNA_OK || out->prompt != NO_COLUMN) return status;
    return cna_fail(r->err, CNA_ERR_FORMAT,
                    "%s: line 1, byte 1: expected a header with %s%s, found none of that name; name the "
                    "column with --column",
                    r->path, r->column != NULL ? "column " : "",
                    r->column != NULL ? r->column : "prompt, goal, forbidden_prompt, behavior or question");
}

/* What is kept of a record; its buffers are used again for the next. */
typedef struct record {
    cna_buffer field, prompt, category;
} record;

static cna_status keep_field(record *out, const columns *c, size_t i, cna_error *err)
{
    if (i == c->prompt) CNA_TRY(cna_buffer_add(&out->prompt, out->field.data, out->field.size, err));
    if (i == c->category) CNA_TRY(cna_buffer_add(&out->category, out->field.data, out->field.size, err));
    return CNA_OK;
}

/* One record; a line with nothing on it is skipped. */
static cna_status read_record(reader *r, const columns *c, record *out)
{
    size_t line = r->line;
    size_t n_fields = 0;
    size_t begin = r->at;
    cna_buffer_reset(&out->prompt);
    cna_buffer_reset(&out->category);
    for (bool last = false; !last; n_fields++) {
        CNA_TRY(read_field(r, &out->field, &last));
        CNA_TRY(keep_field(out, c, n_fields, r->err));
    }
    if (r->text[begin] == '\n' || r->text[begin] == '\r') return CNA_OK;
    if (n_fields != c->n_fields) {
        return cna_fail(r->err, CNA_ERR_FORMAT,
                        "%s: line %zu, byte 1: expected %zu fields as in the header, found %zu", r->path,
                        line, c->n_fields, n_fields);
    }
    CNA_TRY(cna_prompts_add_text(r->out, out->prompt.data, out->prompt.size, r->err));
    return c->category == NO_COLUMN ? CNA_OK : set_category(r, out->category.data, out->category.size);
}

static cna_status read_csv(reader *r)
{
    columns c;
    record kept = {0};
    cna_status status = CNA_OK;
    r->line = 1;
    CNA_TRY(find_columns(r, &c));
    while (status == CNA_OK && r->at < r->n) status = read_record(r, &c, &kept);
    cna_buffer_free(&kept.field);
    cna_buffer_free(&kept.prompt);
    cna_buffer_free(&kept.category);
    return status;
}

/* ------------------------------------------------------------------------------------------------- files */

typedef cna_status read_fn(reader *r);

/* The reader for a file's extension, told without case. */
static cna_status find_reader(const char *path, read_fn **out, cna_error *err)
{
    *out = NULL;
    static const struct {
        const char *extension;
        read_fn *read;
    } readers[] = {{".txt", read_txt}, {".jsonl", read_jsonl}, {".csv", read_csv}};
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(slash == NULL ? path : slash, '.');
    for (size_t i = 0; dot != NULL && i < sizeof readers / sizeof *readers; i++) {
        if (!is_ascii_equal(dot, strlen(dot), readers[i].extension, strlen(readers[i].extension))) continue;
        *out = readers[i].read;
        return CNA_OK;
    }
    return cna_fail(err, CNA_ERR_FORMAT,
                    "%s: expected a prompt file named .txt, .jsonl or .csv, found %s%s%s", path,
                    dot == NULL ? "no extension" : "'", dot == NULL ? "" : dot, dot == NULL ? "" : "'");
}

static cna_status check_utf8(reader *r)
{
    size_t bad;
    if (cna_utf8_check(r->text, r->n, &bad)) return CNA_OK;
    reader place = *r;
    place.line = 1;
    for (place.at = 0; place.at < bad;) {
        if (r->text[place.at++] == '\n') begin_line(&place);
    }
    char found[16];
    snprintf(found, sizeof found, "byte 0x%02x", (unsigned)(unsigned char)r->text[bad]);
    return fail(&place, bad, "UTF-8", found);
}

static cna_status read_all(reader *r, read_fn *read)
{
    CNA_TRY(check_utf8(r));
    if (r->n >= 3 && memcmp(r->text, "\xEF\xBB\xBF", 3) == 0) {
        r->at = r->line_start = 3;
    }
    if (r->at < r->n) CNA_TRY(read(r));
    if (cna_prompts_count(r->out) != 0) return CNA_OK;
    return cna_fail(r->err, CNA_ERR_FORMAT, "%s: expected at least one prompt, found none", r->path);
}

cna_status cna_prompts_read(const char *path, const char *column, cna_prompts **out, cna_error *err)
{
    *out = NULL;
    read_fn *read;
    cna_buffer bytes = {0};
    reader r = {.path = path, .column = column, .err = err};
    cna_status status;
    CNA_TRY(find_reader(path, &read, err));
    CNA_TRY_CLEANUP(cna_file_read(path, FILE_BYTES_MAX, &bytes, err));
    CNA_TRY_CLEANUP(cna_prompts_create(&r.out, err));
    r.text = bytes.data;
    r.n = bytes.size;
    CNA_TRY_CLEANUP(read_all(&r, read));
    *out = r.out;
    r.out = NULL;
cleanup:
    cna_prompts_free(r.out);
    cna_buffer_free(&bytes);
    return status;
}
