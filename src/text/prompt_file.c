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

static cna_status read_txt(reader *r)
{
    const char *line;
    size_t n;
    while (cna_reader_line(&r->in, &line, &n)) CNA_TRY(cna_prompts_add_text(r->out, line, n, r->err));
    return CNA_OK;
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
        status = cna_prompts_add_text(r->out, json_string_value(text), json_string_length(text), r->err);
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

/* Which field of the header is asked for, or of the names that prompt sets in use have. */
static cna_status find_column(reader *r, size_t *out_index, size_t *out_n_fields)
{
    static const char *const usual[] = {"prompt", "goal", "forbidden_prompt", "behavior", "question"};
    enum { N_USUAL = sizeof usual / sizeof *usual };
    const char *const *wanted = r->column != NULL ? &r->column : usual;
    size_t n_wanted = r->column != NULL ? 1 : N_USUAL;
    size_t best = n_wanted;
    size_t n_fields = 0;
    cna_buffer field = {0};
    cna_status status = CNA_OK;
    for (bool last = false; !last && status == CNA_OK; n_fields++) {
        status = cna_csv_field(&r->in, &field, &last, r->err);
        for (size_t i = 0; status == CNA_OK && i < best; i++) {
            if (!cna_ascii_equal(field.data, field.size, wanted[i], strlen(wanted[i]))) continue;
            best = i;
            *out_index = n_fields;
        }
    }
    cna_buffer_free(&field);
    CNA_TRY(status);
    *out_n_fields = n_fields;
    if (best < n_wanted) return CNA_OK;
    return cna_fail(r->err, CNA_ERR_FORMAT,
                    "%s: line 1, byte 1: expected a header with %s%s, found none of that name; name the "
                    "column with --column",
                    r->in.path, r->column != NULL ? "column " : "",
                    r->column != NULL ? r->column : "prompt, goal, forbidden_prompt, behavior or question");
}

/* One record; a line with nothing on it is skipped. */
static cna_status read_record(reader *r, size_t index, size_t n_fields, cna_buffer *field)
{
    size_t line = r->in.line;
    bool last = false;
    size_t i = 0;
    cna_buffer text = {0};
    cna_status status = CNA_OK;
    bool blank = cna_csv_at_blank(&r->in);
    for (; !last && status == CNA_OK; i++) {
        status = cna_csv_field(&r->in, field, &last, r->err);
        if (status == CNA_OK && i == index) status = cna_buffer_add(&text, field->data, field->size, r->err);
    }
    if (status == CNA_OK && !blank && i != n_fields) {
        status = cna_fail(r->err, CNA_ERR_FORMAT,
                          "%s: line %zu, byte 1: expected %zu fields as in the header, found %zu", r->in.path,
                          line, n_fields, i);
    }
    if (status == CNA_OK && !blank) status = cna_prompts_add_text(r->out, text.data, text.size, r->err);
    cna_buffer_free(&text);
    return status;
}

static cna_status read_csv(reader *r)
{
    size_t index = 0;
    size_t n_fields = 0;
    cna_csv_begin(&r->in);
    CNA_TRY(find_column(r, &index, &n_fields));
    cna_buffer field = {0};
    cna_status status = CNA_OK;
    while (status == CNA_OK && cna_csv_has_more(&r->in)) status = read_record(r, index, n_fields, &field);
    cna_buffer_free(&field);
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
