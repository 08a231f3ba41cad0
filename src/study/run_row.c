/* SPDX-License-Identifier: MIT
 * Values out of a run file, which anybody may have written: every type, range and text is checked. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "study/run_sql.h"

static const char *found(const cna_run_row *row, int column, char out[120])
{
    switch (sqlite3_column_type(row->statement, column)) {
    case SQLITE_INTEGER:
        snprintf(out, 120, "%lld", (long long)sqlite3_column_int64(row->statement, column));
        return out;
    case SQLITE_FLOAT:
        snprintf(out, 120, "%.17g", sqlite3_column_double(row->statement, column));
        return out;
    case SQLITE_TEXT: {
        const char *text = (const char *)sqlite3_column_text(row->statement, column);
        snprintf(out, 120, "'%.60s'", text == NULL ? "" : text);
        return out;
    }
    case SQLITE_BLOB:
        return "bytes";
    default:
        return "nothing";
    }
}

cna_status cna_run_row_fail(const cna_run_row *row, int column, const char *expected, cna_error *err)
{
    char value[120], id[32] = "";
    if (column != 0 && strcmp(sqlite3_column_name(row->statement, 0), "id") == 0) {
        snprintf(id, sizeof id, " with id %lld", (long long)sqlite3_column_int64(row->statement, 0));
    }
    return cna_fail(err, CNA_ERR_FORMAT, "%s: %s%s: column '%s': expected %s, found %s", row->run->path, row->what, id,
                    sqlite3_column_name(row->statement, column), expected, found(row, column, value));
}

bool cna_run_row_is_null(const cna_run_row *row, int column)
{
    return sqlite3_column_type(row->statement, column) == SQLITE_NULL;
}

cna_status cna_run_row_int(const cna_run_row *row, int column, int64_t low, int64_t high, int64_t *out, cna_error *err)
{
    if (sqlite3_column_type(row->statement, column) != SQLITE_INTEGER) {
        return cna_run_row_fail(row, column, "a whole number", err);
    }
    int64_t value = sqlite3_column_int64(row->statement, column);
    if (value < low || value > high) {
        char expected[64];
        if (high == INT64_MAX) {
            snprintf(expected, sizeof expected, "%lld or more", (long long)low);
        } else {
            snprintf(expected, sizeof expected, "%lld to %lld", (long long)low, (long long)high);
        }
        return cna_run_row_fail(row, column, expected, err);
    }
    *out = value;
    return CNA_OK;
}

cna_status cna_run_row_int_or(const cna_run_row *row, int column, int64_t absent, int64_t low, int64_t high,
                              int64_t *out, cna_error *err)
{
    if (!cna_run_row_is_null(row, column)) return cna_run_row_int(row, column, low, high, out, err);
    *out = absent;
    return CNA_OK;
}

cna_status cna_run_row_count(const cna_run_row *row, int column, size_t *out, cna_error *err)
{
    int64_t value = 0;
    CNA_TRY(cna_run_row_int(row, column, 0, INT64_MAX, &value, err));
    *out = (size_t)value;
    return CNA_OK;
}

cna_status cna_run_row_bool(const cna_run_row *row, int column, bool *out, cna_error *err)
{
    int64_t value = 0;
    CNA_TRY(cna_run_row_int(row, column, 0, 1, &value, err));
    *out = value != 0;
    return CNA_OK;
}

cna_status cna_run_row_real(const cna_run_row *row, int column, double *out, cna_error *err)
{
    switch (sqlite3_column_type(row->statement, column)) {
    case SQLITE_NULL:
        *out = NAN;
        return CNA_OK;
    case SQLITE_INTEGER:
    case SQLITE_FLOAT:
        *out = sqlite3_column_double(row->statement, column);
        return CNA_OK;
    default:
        return cna_run_row_fail(row, column, "a number", err);
    }
}

cna_status cna_run_row_number(const cna_run_row *row, int column, double *out, cna_error *err)
{
    if (cna_run_row_is_null(row, column)) return cna_run_row_fail(row, column, "a number", err);
    return cna_run_row_real(row, column, out, err);
}

cna_status cna_run_row_string(const cna_run_row *row, int column, const char **out, size_t *n_bytes, cna_error *err)
{
    if (sqlite3_column_type(row->statement, column) != SQLITE_TEXT) {
        return cna_run_row_fail(row, column, "text", err);
    }
    const char *text = (const char *)sqlite3_column_text(row->statement, column);
    size_t n = (size_t)sqlite3_column_bytes(row->statement, column);
    if (text == NULL) return cna_fail_memory(err, "text of a run file", n);
    if (!cna_utf8_check(text, n, NULL)) return cna_run_row_fail(row, column, "valid UTF-8", err);
    if (n_bytes == NULL && strlen(text) != n) return cna_run_row_fail(row, column, "text without NUL", err);
    *out = text;
    if (n_bytes != NULL) *n_bytes = n;
    return CNA_OK;
}

cna_status cna_run_row_text(const cna_run_row *row, int column, const char **out, size_t *n_bytes, cna_error *err)
{
    if (!cna_run_row_is_null(row, column)) return cna_run_row_string(row, column, out, n_bytes, err);
    *out = NULL;
    if (n_bytes != NULL) *n_bytes = 0;
    return CNA_OK;
}

cna_status cna_run_row_sha256(const cna_run_row *row, int column, char out[65], cna_error *err)
{
    const char *text = NULL;
    CNA_TRY(cna_run_row_string(row, column, &text, NULL, err));
    if (strlen(text) != 64 || strspn(text, "0123456789abcdef") != 64) {
        return cna_run_row_fail(row, column, "64 hexadecimal digits", err);
    }
    memcpy(out, text, 65);
    return CNA_OK;
}

cna_status cna_run_row_name(const cna_run_row *row, int column, const char *const *names, size_t n_names, int *out,
                            cna_error *err)
{
    const char *text = NULL;
    CNA_TRY(cna_run_row_string(row, column, &text, NULL, err));
    for (size_t i = 0; i < n_names; i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = (int)i;
            return CNA_OK;
        }
    }
    char expected[120] = "one of";
    for (size_t i = 0; i < n_names; i++) {
        size_t n = strlen(expected);
        snprintf(expected + n, sizeof expected - n, "%s %s", i == 0 ? "" : ",", names[i]);
    }
    return cna_run_row_fail(row, column, expected, err);
}

cna_status cna_run_row_blob(const cna_run_row *row, int column, const void **out, size_t *n_bytes, cna_error *err)
{
    if (sqlite3_column_type(row->statement, column) != SQLITE_BLOB) {
        return cna_run_row_fail(row, column, "bytes", err);
    }
    const void *bytes = sqlite3_column_blob(row->statement, column);
    size_t n = (size_t)sqlite3_column_bytes(row->statement, column);
    if (bytes == NULL && n != 0) return cna_fail_memory(err, "bytes of a run file", n);
    *out = bytes;
    *n_bytes = n;
    return CNA_OK;
}
