/* SPDX-License-Identifier: MIT
 * Statements on a run file. */
#include "study/run_sql.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/* ---- failures ---- */

static bool is_room(int code)
{
    return code == ENOSPC || code == EDQUOT || code == EFBIG;
}

static cna_status fail_full(const cna_run *run, const char *reason, cna_error *err)
{
    return cna_fail(err, CNA_ERR_IO,
                    "%s: no room to write (%s); all rows up to here are kept: make room and repeat the command",
                    run->path, reason);
}

/* The system's reason for an I/O failure; 0: not known. What SQLite reports is what errno holds by the time it gives
 * up, which cleaning up may have reset; the files themselves keep theirs. */
static int reason_of(const cna_run *run)
{
    int reason = sqlite3_system_errno(run->db);
    if (reason != 0) return reason;
    static const int files[] = {SQLITE_FCNTL_JOURNAL_POINTER, SQLITE_FCNTL_FILE_POINTER};
    for (size_t i = 0; i < 2 && reason == 0; i++) {
        sqlite3_file *file = NULL;
        if (sqlite3_file_control(run->db, "main", files[i], &file) != SQLITE_OK) continue;
        if (file == NULL || file->pMethods == NULL) continue;
        if (file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &reason) != SQLITE_OK) reason = 0;
    }
    return reason;
}

static cna_status fail_io(const cna_run *run, const char *doing, int code, cna_error *err)
{
    int reason = reason_of(run);
    if (code == SQLITE_IOERR_NOMEM) return cna_fail(err, CNA_ERR_MEMORY, "out of memory: %s", run->path);
    if (is_room(reason)) return fail_full(run, strerror(reason), err);
    if (code == SQLITE_IOERR_SHMSIZE) return fail_full(run, "the index of its log cannot grow", err);
    return cna_fail(err, CNA_ERR_IO, "%s: cannot %s: %s (%s, SQLite %d); all rows up to here are kept: check the disk "
                    "and repeat the command", run->path, doing, sqlite3_errmsg(run->db),
                    reason != 0 ? strerror(reason) : "no reason given", code);
}

cna_status cna_run_fail(const cna_run *run, const char *doing, cna_error *err)
{
    int code = sqlite3_extended_errcode(run->db);
    const char *path = run->path, *text = sqlite3_errmsg(run->db);
    int reason = sqlite3_system_errno(run->db);
    switch (code & 0xff) {
    case SQLITE_NOMEM: /* SQLite also says so where a damaged file gives an impossible length */
        return cna_fail(err, CNA_ERR_MEMORY, "out of memory: %s: there is too little, or the file is damaged", path);
    case SQLITE_FULL:
        return fail_full(run, text, err);
    case SQLITE_IOERR:
        return fail_io(run, doing, code, err);
    case SQLITE_READONLY:
        return cna_fail(err, CNA_ERR_IO, "%s: cannot %s: %s; make it and its folder writable, or use a copy", path,
                        doing, text);
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return cna_fail(err, CNA_ERR_IO, "%s: cannot %s: %s", path, doing, reason != 0 ? strerror(reason) : text);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return cna_fail(err, CNA_ERR_IO, "%s: cannot %s: another program is using it (%s); end that and repeat the "
                        "command", path, doing, text);
    case SQLITE_CORRUPT:
        return cna_fail(err, CNA_ERR_FORMAT, "%s: expected an undamaged run file, found: %s; `sqlite3 FILE .recover` "
                        "may save rows of it", path, text);
    case SQLITE_NOTADB:
        return cna_fail(err, CNA_ERR_FORMAT, "%s: expected a run file, found something that is no SQLite database",
                        path);
    case SQLITE_CONSTRAINT:
        return cna_fail(err, CNA_ERR_MISMATCH, "%s: cannot %s: a row does not fit those that are there: %s", path,
                        doing, text);
    case SQLITE_TOOBIG:
        return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: cannot %s: a text is too long for SQLite: %s", path, doing,
                        text);
    default:
        return cna_fail(err, CNA_ERR_INTERNAL, "%s: cannot %s: %s (SQLite %d)", path, doing, text, code);
    }
}

/* ---- values ---- */

cna_run_value cna_run_int(int64_t value)
{
    return (cna_run_value){.type = CNA_RUN_INT, .integer = value};
}

cna_run_value cna_run_int_or_null(int64_t value, int64_t null_value)
{
    return value == null_value ? (cna_run_value){0} : cna_run_int(value);
}

cna_run_value cna_run_real(double value)
{
    return isnan(value) ? (cna_run_value){0} : (cna_run_value){.type = CNA_RUN_REAL, .real = value};
}

cna_run_value cna_run_text(const char *text)
{
    return text == NULL ? (cna_run_value){0} : cna_run_bytes(text, strlen(text));
}

cna_run_value cna_run_bytes(const char *text, size_t n_bytes)
{
    if (text == NULL) return (cna_run_value){0};
    return (cna_run_value){.type = CNA_RUN_TEXT, .bytes = text, .n_bytes = n_bytes};
}

cna_run_value cna_run_blob(const void *bytes, size_t n_bytes)
{
    return (cna_run_value){.type = CNA_RUN_BLOB, .bytes = bytes, .n_bytes = n_bytes};
}

static int bind_one(sqlite3_stmt *statement, int place, const cna_run_value *value)
{
    switch (value->type) {
    case CNA_RUN_NULL:
        return sqlite3_bind_null(statement, place);
    case CNA_RUN_INT:
        return sqlite3_bind_int64(statement, place, value->integer);
    case CNA_RUN_REAL:
        return sqlite3_bind_double(statement, place, value->real);
    case CNA_RUN_TEXT:
        return sqlite3_bind_text64(statement, place, value->bytes, value->n_bytes, SQLITE_STATIC, SQLITE_UTF8);
    case CNA_RUN_BLOB:
        if (value->n_bytes == 0) return sqlite3_bind_zeroblob(statement, place, 0); /* a NULL pointer binds NULL */
        return sqlite3_bind_blob64(statement, place, value->bytes, value->n_bytes, SQLITE_STATIC);
    }
    return SQLITE_MISUSE;
}

static cna_status bind_all(const cna_run *run, sqlite3_stmt *statement, const cna_run_value *values, size_t n_values,
                           cna_error *err)
{
    for (size_t i = 0; i < n_values; i++) {
        if (bind_one(statement, (int)i + 1, &values[i]) != SQLITE_OK) return cna_run_fail(run, "take a value", err);
    }
    return CNA_OK;
}

/* ---- statements ---- */

/* The statement of a literal, prepared when it is first asked for. */
static cna_status prepare(cna_run *run, const char *sql, sqlite3_stmt **out, cna_error *err)
{
    for (size_t i = 0; i < run->n_prepared; i++) {
        if (run->prepared[i].sql == sql) {
            *out = run->prepared[i].statement;
            return CNA_OK;
        }
    }
    CNA_TRY(cna_grow(&run->prepared, &run->prepared_capacity, run->n_prepared + 1, sizeof *run->prepared,
                     "statements", err));
    if (sqlite3_prepare_v3(run->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) != SQLITE_OK) {
        return cna_run_fail(run, "be used", err);
    }
    run->prepared[run->n_prepared++] = (cna_run_prepared){.sql = sql, .statement = *out};
    return CNA_OK;
}

cna_status cna_run_write(cna_run *run, const char *sql, const cna_run_value *values, size_t n_values, cna_error *err)
{
    if (run->read_only) {
        return cna_fail(err, CNA_ERR_ARG, "%s: expected a run that is open for writing, found one open for reading",
                        run->path);
    }
    sqlite3_stmt *statement;
    CNA_TRY(prepare(run, sql, &statement, err));
    cna_status status = bind_all(run, statement, values, n_values, err);
    if (status == CNA_OK && sqlite3_step(statement) != SQLITE_DONE) status = cna_run_fail(run, "be written", err);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return status;
}

size_t cna_run_n_changed(const cna_run *run)
{
    return (size_t)sqlite3_changes(run->db);
}

int64_t cna_run_last_id(const cna_run *run)
{
    return sqlite3_last_insert_rowid(run->db);
}

cna_status cna_run_rows(cna_run *run, const char *what, const char *sql, const cna_run_value *values, size_t n_values,
                        cna_run_row_fn *fn, void *user, cna_error *err)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(run->db, sql, -1, &statement, NULL) != SQLITE_OK) return cna_run_fail(run, "be read", err);
    cna_status status = bind_all(run, statement, values, n_values, err);
    cna_run_row row = {.run = run, .what = what, .statement = statement};
    int code = SQLITE_DONE;
    while (status == CNA_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) status = fn(user, &row, err);
    if (status == CNA_OK && code != SQLITE_DONE) status = cna_run_fail(run, "be read", err);
    sqlite3_finalize(statement);
    return status;
}

cna_status cna_run_select(cna_run *run, const char *sql, const int64_t *ids, size_t n_ids, cna_run_row_fn *fn,
                          void *user, cna_error *err)
{
    cna_run_value values[CNA_RUN_MAX_COLUMNS];
    if (n_ids > CNA_RUN_MAX_COLUMNS) return cna_fail(err, CNA_ERR_ARG, "%s: too many values of a query", run->path);
    for (size_t i = 0; i < n_ids; i++) values[i] = cna_run_int(ids[i]);
    return cna_run_rows(run, "a row", sql, values, n_ids, fn, user, err);
}

/* ---- several statements as one ---- */

cna_status cna_run_begin(cna_run *run, cna_error *err)
{
    if (run->in_transaction) return cna_fail(err, CNA_ERR_ARG, "%s: transactions do not nest", run->path);
    CNA_TRY(cna_run_write(run, "BEGIN IMMEDIATE", NULL, 0, err));
    run->in_transaction = true;
    return CNA_OK;
}

cna_status cna_run_end(cna_run *run, cna_status status, cna_error *err)
{
    run->in_transaction = false;
    if (status == CNA_OK) status = cna_run_write(run, "COMMIT", NULL, 0, err);
    /* SQLite has taken it back by itself where the disk was full. */
    if (status != CNA_OK && sqlite3_get_autocommit(run->db) == 0) {
        cna_status second = cna_run_write(run, "ROLLBACK", NULL, 0, NULL);
        (void)second; /* the first failure is the one to report */
    }
    return status;
}

cna_status cna_run_scope_begin(cna_run *run, bool *own, cna_error *err)
{
    *own = !run->in_transaction;
    return *own ? cna_run_begin(run, err) : CNA_OK;
}

cna_status cna_run_scope_end(cna_run *run, bool own, cna_status status, cna_error *err)
{
    return own ? cna_run_end(run, status, err) : status;
}

/* ---- adding what may be there ---- */

/* A value as text for a message, cut. */
static void describe(const cna_run_value *value, char *out, size_t n_out)
{
    switch (value->type) {
    case CNA_RUN_NULL:
        snprintf(out, n_out, "nothing");
        break;
    case CNA_RUN_INT:
        snprintf(out, n_out, "%lld", (long long)value->integer);
        break;
    case CNA_RUN_REAL:
        snprintf(out, n_out, "%.17g", value->real);
        break;
    case CNA_RUN_TEXT: {
        int n = value->n_bytes > 60 ? 60 : (int)value->n_bytes;
        snprintf(out, n_out, "'%.*s'%s", n, (const char *)value->bytes, value->n_bytes > 60 ? "..." : "");
        break;
    }
    case CNA_RUN_BLOB:
        snprintf(out, n_out, "%zu other bytes", value->n_bytes);
        break;
    }
}

typedef struct existing {
    const cna_run_table *table;
    const cna_run_value *values;
    int64_t id;
} existing;

static cna_run_value value_of(sqlite3_stmt *statement, int column)
{
    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
        return cna_run_int(sqlite3_column_int64(statement, column));
    case SQLITE_FLOAT:
        return cna_run_real(sqlite3_column_double(statement, column));
    case SQLITE_TEXT: {
        const char *text = (const char *)sqlite3_column_text(statement, column);
        return cna_run_bytes(text, (size_t)sqlite3_column_bytes(statement, column));
    }
    case SQLITE_BLOB: {
        const void *bytes = sqlite3_column_blob(statement, column);
        return cna_run_blob(bytes, (size_t)sqlite3_column_bytes(statement, column));
    }
    default:
        return (cna_run_value){0};
    }
}

static bool same_value(const cna_run_value *a, const cna_run_value *b)
{
    if (a->type != b->type) return false;
    if (a->type == CNA_RUN_INT) return a->integer == b->integer;
    if (a->type == CNA_RUN_REAL) return a->real == b->real;
    return a->n_bytes == b->n_bytes && (a->n_bytes == 0 || memcmp(a->bytes, b->bytes, a->n_bytes) == 0);
}

/* "side 'harmful', position 3" */
static void describe_key(const cna_run_table *table, const cna_run_value *values, char *out, size_t n_out)
{
    out[0] = '\0';
    for (size_t i = 0; i < table->n_key; i++) {
        char value[80];
        describe(&values[i], value, sizeof value);
        size_t n = strlen(out);
        snprintf(out + n, n_out - n, "%s%s %s", i == 0 ? "" : ", ", table->columns[i], value);
    }
}

static cna_status compare(void *user, const cna_run_row *row, cna_error *err)
{
    existing *e = user;
    const cna_run_table *table = e->table;
    CNA_TRY(cna_run_row_int(row, 0, 0, INT64_MAX, &e->id, err));
    size_t n_compared = table->n_compared == 0 ? table->n_columns : table->n_compared;
    for (size_t i = table->n_key; i < n_compared; i++) {
        cna_run_value old = value_of(row->statement, (int)(i - table->n_key) + 1);
        if (same_value(&old, &e->values[i])) continue;
        char key[300], before[100], now[100];
        describe_key(table, e->values, key, sizeof key);
        describe(&old, before, sizeof before);
        describe(&e->values[i], now, sizeof now);
        return cna_fail(err, CNA_ERR_MISMATCH,
                        "%s: %s (%s): the file has %s for %s, where this command has %s; use another run file",
                        row->run->path, table->name, key, before, table->columns[i], now);
    }
    return CNA_OK;
}

cna_status cna_run_add(cna_run *run, const cna_run_table *table, const cna_run_value *values, int64_t *out_id,
                       cna_error *err)
{
    CNA_TRY(cna_run_write(run, table->insert, values, table->n_columns, err));
    if (cna_run_n_changed(run) == 1) {
        if (out_id != NULL) *out_id = cna_run_last_id(run);
        return CNA_OK;
    }
    existing e = {.table = table, .values = values, .id = -1};
    CNA_TRY(cna_run_rows(run, table->name, table->select, values, table->n_key, compare, &e, err));
    if (e.id < 0) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: %s: expected a row where there is no room for another, found none",
                        run->path, table->name);
    }
    if (out_id != NULL) *out_id = e.id;
    return CNA_OK;
}
