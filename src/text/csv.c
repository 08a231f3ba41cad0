/* SPDX-License-Identifier: MIT
 * CSV. */
#include "text/csv.h"

#include <string.h>

void cna_csv_begin(cna_reader *reader)
{
    reader->line = 1;
}

/* A quoted field after its opening quote; two quotes are one. Line ends inside belong to it. */
static cna_status read_quoted(cna_reader *r, cna_buffer *field, cna_error *err)
{
    size_t line = r->line;
    size_t byte = r->at - r->line_start; /* the opening quote's, from 1 */
    for (;;) {
        const char *begin = r->text + r->at;
        const char *quote = r->at < r->n ? memchr(begin, '"', r->n - r->at) : NULL;
        if (quote == NULL) {
            return cna_fail(err, CNA_ERR_FORMAT,
                            "%s: line %zu, byte %zu: expected a closing quote for the quote here, found the "
                            "end of the file",
                            r->path, line, byte);
        }
        size_t n = (size_t)(quote - begin);
        CNA_TRY(cna_buffer_add(field, begin, n, err));
        for (size_t end = r->at + n; r->at < end;) {
            if (r->text[r->at++] == '\n') cna_reader_begin_line(r);
        }
        r->at++;
        if (r->at >= r->n || r->text[r->at] != '"') return CNA_OK;
        CNA_TRY(cna_buffer_add(field, "\"", 1, err));
        r->at++;
    }
}

cna_status cna_csv_field(cna_reader *r, cna_buffer *field, bool *last, cna_error *err)
{
    cna_buffer_reset(field);
    CNA_TRY(cna_buffer_add(field, "", 0, err));
    if (r->at < r->n && r->text[r->at] == '"') {
        r->at++;
        CNA_TRY(read_quoted(r, field, err));
    } else {
        size_t begin = r->at;
        while (r->at < r->n && memchr(",\r\n\"", r->text[r->at], 4) == NULL) r->at++;
        CNA_TRY(cna_buffer_add(field, r->text + begin, r->at - begin, err));
    }
    *last = true;
    if (r->at >= r->n) return CNA_OK;
    char c = r->text[r->at];
    if (c == ',') {
        *last = false;
    } else if (c != '\n' && c != '\r') {
        return cna_reader_fail(r, r->at, "a comma or the end of the line after a field", c == '"' ? "a quote" : "text",
                               err);
    }
    if (c == '\r' && r->at + 1 < r->n && r->text[r->at + 1] == '\n') r->at++;
    r->at++;
    if (*last) cna_reader_begin_line(r);
    return CNA_OK;
}

bool cna_csv_has_more(const cna_reader *reader)
{
    return reader->at < reader->n;
}

bool cna_csv_at_blank(const cna_reader *reader)
{
    return reader->text[reader->at] == '\n' || reader->text[reader->at] == '\r';
}
