/* SPDX-License-Identifier: MIT
 * Prompt files: .txt, .jsonl and .csv. */
#include <string.h>

#include "base/utf8.h"
#include "text/csv.h"
#include "text/prompts.h"

typedef struct reader {
    cna_reader in;
    const char *column; /* ? asked for */
    cna_prompts *out;
    cna_error *err;
} reader;

/* Add a prompt that begins on a line. */
static cna_status add(reader *r, const char *text, size_t n, size_t line)
{
    CNA_TRY(cna_prompts_add_text(r->out, text, n, r->err));
    cna_prompts_set_line(r->out, line);
    return CNA_OK;
}

static cna_status read_txt(reader *r)
{
    const char *line;
    size_t n;
    while (cna_reader_line(&r->in, &line, &n)) CNA_TRY(add(r, line, n, r->in.line));
    return CNA_OK;
}

/* Of the prompt just added. A NUL would cut it short for whoever reads it as a string. */
static cna_status set_category(reader *r, const char *category, size_t n)
{
    return memchr(category, '\0', n) != NULL ? CNA_OK : cna_prompts_set_category(r->out, category, n, r->err);
}

/* ------------------------------------------------------------------------------------------------- jsonl */

static cna_status read_jsonl_line(reader *r, const char *line, size_t n)
{
    const char *column = r->column != NULL ? r->column : "prompt";
    json_t *object;
    CNA_TRY(cna_reader_object(&r->in, line, n, &object, r->err));
    cna_status status;
    const json_t *text = cna_reader_member(object, column);
    if (!json_is_string(text)) {
        status =
            cna_fail(r->err, CNA_ERR_FORMAT, "%s: line %zu, byte 1: expected a string under '%s', found %s",
                     r->in.path, r->in.line, column, cna_json_type_name(text));
    } else {
        const json_t *category = cna_reader_member(object, "category");
        status = add(r, json_string_value(text), json_string_length(text), r->in.line);
        if (status == CNA_OK && json_is_string(category)) {
            status = set_category(r, json_string_value(category), json_string_length(category));
        }
    }
    json_decref(object);
    return status;
}

static cna_status read_jsonl(reader *r)
{
    const char *line;
    size_t n;
    while (cna_reader_line(&r->in, &line, &n)) CNA_TRY(read_jsonl_line(r, line, n));
    return CNA_OK;
}

/* --------------------------------------------------------------------------------------------------- csv */

static const size_t no_column = SIZE_MAX;

/* Which fields of a record are read. */
typedef struct columns {
    size_t n_fields, prompt, category; /* no_column: not there */
} columns;

/* Where a name of a header stands in a list of wanted ones, if before `best`, the best so far. */
static bool is_better(const cna_buffer *name, const char *const *wanted, size_t *best)
{
    for (size_t i = 0; i < *best; i++) {
        if (!cna_ascii_equal(name->data, name->size, wanted[i], strlen(wanted[i]))) continue;
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
    *out = (columns){0, no_column, no_column};
    for (bool last = false; !last && status == CNA_OK; out->n_fields++) {
        status = cna_csv_field(&r->in, &field, &last, r->err);
        if (status != CNA_OK) break;
        if (is_better(&field, wanted, &best)) out->prompt = out->n_fields;
        if (is_better(&field, categories, &best_category)) out->category = out->n_fields;
    }
    cna_buffer_free(&field);
    if (status != CNA_OK || out->prompt != no_column) return status;
    return cna_fail(r->err, CNA_ERR_FORMAT,
                    "%s: line 1, byte 1: expected a header with %s%s, found none of that name; name the "
                    "column with --column",
                    r->in.path, r->column != NULL ? "column " : "",
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
    size_t line = r->in.line;
    size_t n_fields = 0;
    bool blank = cna_csv_at_blank(&r->in);
    cna_buffer_reset(&out->prompt);
    cna_buffer_reset(&out->category);
    for (bool last = false; !last; n_fields++) {
        CNA_TRY(cna_csv_field(&r->in, &out->field, &last, r->err));
        CNA_TRY(keep_field(out, c, n_fields, r->err));
    }
    if (blank) return CNA_OK;
    if (n_fields != c->n_fields) {
        return cna_fail(r->err, CNA_ERR_FORMAT,
                        "%s: line %zu, byte 1: expected %zu fields as in the header, found %zu", r->in.path,
                        line, c->n_fields, n_fields);
    }
    CNA_TRY(add(r, out->prompt.data, out->prompt.size, line));
    return c->category == no_column ? CNA_OK : set_category(r, out->category.data, out->category.size);
}

static cna_status read_csv(reader *r)
{
    columns c;
    record kept = {0};
    cna_status status = CNA_OK;
    cna_csv_begin(&r->in);
    CNA_TRY(find_columns(r, &c));
    while (status == CNA_OK && cna_csv_has_more(&r->in)) status = read_record(r, &c, &kept);
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
        if (!cna_ascii_equal(dot, strlen(dot), readers[i].extension, strlen(readers[i].extension))) continue;
        *out = readers[i].read;
        return CNA_OK;
    }
    return cna_fail(err, CNA_ERR_FORMAT,
                    "%s: expected a prompt file named .txt, .jsonl or .csv, found %s%s%s", path,
                    dot == NULL ? "no extension" : "'", dot == NULL ? "" : dot, dot == NULL ? "" : "'");
}

cna_status cna_prompts_read(const char *path, const char *column, cna_prompts **out, cna_error *err)
{
    *out = NULL;
    read_fn *read;
    reader r = {.column = column, .err = err};
    cna_status status;
    CNA_TRY(find_reader(path, &read, err));
    CNA_TRY_CLEANUP(cna_reader_open(path, &r.in, err));
    CNA_TRY_CLEANUP(cna_prompts_create(&r.out, err));
    if (r.in.at < r.in.n) CNA_TRY_CLEANUP(read(&r));
    if (cna_prompts_count(r.out) == 0) {
        status = cna_fail(err, CNA_ERR_FORMAT, "%s: expected at least one prompt, found none", path);
        goto cleanup;
    }
    *out = r.out;
    r.out = NULL;
cleanup:
    cna_prompts_free(r.out);
    cna_reader_clear(&r.in);
    return status;
}
