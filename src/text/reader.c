/* SPDX-License-Identifier: MIT
 * Text files being read. */
#include "text/reader.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/utf8.h"

enum { FILE_BYTES_MAX = 1 << 30 };

cna_status cna_reader_fail(const cna_reader *reader, size_t at, const char *expected, const char *found,
                           cna_error *err)
{
    return cna_fail(err, CNA_ERR_FORMAT, "%s: line %zu, byte %zu: expected %s, found %s", reader->path, reader->line,
                    at - reader->line_start + 1, expected, found);
}

void cna_reader_begin_line(cna_reader *reader)
{
    reader->line++;
    reader->line_start = reader->at;
}

static cna_status check_utf8(const cna_reader *reader, cna_error *err)
{
    size_t bad;
    if (cna_utf8_check(reader->text, reader->n, &bad)) return CNA_OK;
    cna_reader place = *reader;
    place.line = 1;
    for (place.at = 0; place.at < bad;) {
        if (reader->text[place.at++] == '\n') cna_reader_begin_line(&place);
    }
    char found[16];
    snprintf(found, sizeof found, "byte 0x%02x", (unsigned)(unsigned char)reader->text[bad]);
    return cna_reader_fail(&place, bad, "UTF-8", found, err);
}

cna_status cna_reader_open(const char *path, cna_reader *out, cna_error *err)
{
    *out = (cna_reader){.path = path};
    CNA_TRY(cna_file_read(path, FILE_BYTES_MAX, &out->bytes, err));
    out->text = out->bytes.data;
    out->n = out->bytes.size;
    CNA_TRY(check_utf8(out, err));
    if (out->n >= 3 && memcmp(out->text, "\xEF\xBB\xBF", 3) == 0) {
        out->at = out->line_start = 3;
    }
    return CNA_OK;
}

void cna_reader_clear(cna_reader *reader)
{
    cna_buffer_free(&reader->bytes);
    *reader = (cna_reader){0};
}

static bool is_blank(const char *line, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r' && line[i] != '\f' && line[i] != '\v') return false;
    }
    return true;
}

bool cna_reader_line(cna_reader *reader, const char **line, size_t *n)
{
    while (reader->at < reader->n) {
        const char *begin = reader->text + reader->at;
        const char *end = memchr(begin, '\n', reader->n - reader->at);
        cna_reader_begin_line(reader);
        *line = begin;
        *n = end == NULL ? reader->n - reader->at : (size_t)(end - begin);
        reader->at += *n + (end != NULL);
        if (*n != 0 && begin[*n - 1] == '\r') (*n)--;
        if (!is_blank(*line, *n)) return true;
    }
    return false;
}

cna_status cna_reader_object(const cna_reader *reader, const char *line, size_t n, json_t **out, cna_error *err)
{
    json_error_t failure;
    *out = NULL;
    json_t *value = json_loadb(line, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &failure);
    if (value == NULL) {
        size_t at = failure.position > 0 ? (size_t)failure.position - 1 : 0;
        return cna_reader_fail(reader, reader->line_start + (at < n ? at : n), "a JSON object", failure.text, err);
    }
    if (!json_is_object(value)) {
        cna_status status =
            cna_reader_fail(reader, reader->line_start, "a JSON object", cna_json_type_name(value), err);
        json_decref(value);
        return status;
    }
    *out = value;
    return CNA_OK;
}

const json_t *cna_reader_member(const json_t *object, const char *name)
{
    const json_t *found = json_object_get(object, name);
    /* The iterator does not change the object; jansson's signature lacks the const. */
    json_t *members = (json_t *)(uintptr_t)object;
    for (void *i = json_object_iter(members); found == NULL && i != NULL; i = json_object_iter_next(members, i)) {
        const char *key = json_object_iter_key(i);
        if (cna_ascii_equal(key, strlen(key), name, strlen(name))) found = json_object_iter_value(i);
    }
    return found;
}
