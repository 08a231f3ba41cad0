/* SPDX-License-Identifier: MIT
 * Opening and closing run files. docs/RUNS.md says why the journal is as it is.
 *
 * A file is looked at before anything is written: one of another kind stays as it was. Nothing in a file is trusted:
 * its tables must have the very text of ours, triggers never run, and every value is checked when it is read. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "study/run_schema.h"
#include "study/run_sql.h"

enum { BUSY_MS = 5000 };

/* What is made while a run is opened and only kept if all goes well. */
typedef struct opening {
    cna_run *run;
    char *name;     /* the path made absolute, so that each name of a file gives the same lock, and so that SQLite takes
                     * none for ":memory:" or a URI */
    bool is_new;    /* there was no file */
    bool is_empty;  /* a database without anything in it */
} opening;

const char *cna_run_path(const cna_run *run)
{
    return run->path;
}

/* ---- closing ---- */

void cna_run_free(cna_run *run)
{
    if (run == NULL) return;
    for (size_t i = 0; i < run->n_prepared; i++) sqlite3_finalize(run->prepared[i].statement);
    cna_free(run->prepared);
    if (run->db != NULL && run->lock.path != NULL) {
        /* Back to one plain file. Where that cannot be (a reader, a full disk) the write-ahead log stays beside the
         * file, and the next one to open it brings both together. */
        sqlite3_exec(run->db, "ROLLBACK", NULL, NULL, NULL);
        sqlite3_busy_timeout(run->db, 100);
        sqlite3_exec(run->db, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
    }
    sqlite3_close(run->db);
    cna_lock_release(&run->lock);
    cna_free(run->path);
    cna_free(run->arguments);
    cna_free(run);
}

/* ---- looking ---- */

static cna_status execute(const cna_run *run, const char *sql, const char *doing, cna_error *err)
{
    return sqlite3_exec(run->db, sql, NULL, NULL, NULL) == SQLITE_OK ? CNA_OK : cna_run_fail(run, doing, err);
}

static cna_status read_number(void *user, const cna_run_row *row, cna_error *err)
{
    return cna_run_row_int(row, 0, INT64_MIN, INT64_MAX, user, err);
}

static cna_status number_of(cna_run *run, const char *sql, int64_t *out, cna_error *err)
{
    return cna_run_rows(run, "the file's description", sql, NULL, 0, read_number, out, err);
}

typedef struct object_check {
    cna_run *run;
    const char *type, *name, *sql; /* as it must be */
    bool found;
} object_check;

static cna_status compare_object(void *user, const cna_run_row *row, cna_error *err)
{
    object_check *check = user;
    const char *sql = NULL;
    CNA_TRY(cna_run_row_text(row, 0, &sql, NULL, err));
    check->found = sql != NULL && strcmp(sql, check->sql) == 0;
    return CNA_OK;
}

/* One row of the schema that ours makes: the file must have the same. */
static cna_status check_object(void *user, const cna_run_row *row, cna_error *err)
{
    object_check check = {.run = user};
    CNA_TRY(cna_run_row_string(row, 0, &check.type, NULL, err));
    CNA_TRY(cna_run_row_string(row, 1, &check.name, NULL, err));
    CNA_TRY(cna_run_row_string(row, 2, &check.sql, NULL, err));
    cna_run_value key[] = {cna_run_text(check.type), cna_run_text(check.name)};
    CNA_TRY(cna_run_rows(check.run, "a table", "SELECT sql FROM sqlite_schema WHERE type = ?1 AND name = ?2", key, 2,
                         compare_object, &check, err));
    if (check.found) return CNA_OK;
    return cna_fail(err, CNA_ERR_FORMAT,
                    "%s: expected the %s '%s' as version %d has it, found it missing or changed; use another file",
                    check.run->path, check.type, check.name, CNA_RUN_VERSION);
}

static cna_status make_tables(const cna_run *run, cna_error *err)
{
    for (size_t i = 0; cna_run_schema[i] != NULL; i++) CNA_TRY(execute(run, cna_run_schema[i], "be written", err));
    return CNA_OK;
}

/* SQLite itself says what text our statements leave in a schema: a database in memory is asked for it. */
static cna_status check_tables(cna_run *run, cna_error *err)
{
    cna_run model = {.path = run->path};
    cna_status status = CNA_OK;
    if (sqlite3_open(":memory:", &model.db) != SQLITE_OK) {
        status = cna_run_fail(&model, "be read", err);
    } else {
        status = make_tables(&model, err);
    }
    if (status == CNA_OK) {
        status = cna_run_rows(&model, "a table", "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL",
                              NULL, 0, check_object, run, err);
    }
    sqlite3_close(model.db);
    return status;
}

static cna_status look(opening *o, cna_error *err)
{
    cna_run *run = o->run;
    int64_t application = 0, version = 0, n_objects = 0;
    CNA_TRY(number_of(run, "SELECT count(*) FROM sqlite_schema", &n_objects, err));
    CNA_TRY(number_of(run, "PRAGMA application_id", &application, err));
    CNA_TRY(number_of(run, "PRAGMA user_version", &version, err));
    if (application == 0 && version == 0 && n_objects == 0) {
        if (run->read_only) {
            return cna_fail(err, CNA_ERR_FORMAT, "%s: expected a run file, found an empty one", run->path);
        }
        o->is_empty = true;
        return CNA_OK;
    }
    if (application != CNA_RUN_APPLICATION_ID) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: expected a run file of cna, found an SQLite database of another kind "
                        "(application_id %lld)", run->path, (long long)application);
    }
    if (version > CNA_RUN_VERSION) {
        return cna_fail(err, CNA_ERR_UNSUPPORTED,
                        "%s: expected a run file of version %d, found version %lld; use a newer cna", run->path,
                        CNA_RUN_VERSION, (long long)version);
    }
    if (version != CNA_RUN_VERSION) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: expected a run file of version %d, found version %lld", run->path,
                        CNA_RUN_VERSION, (long long)version);
    }
    return check_tables(run, err);
}

/* ---- opening ---- */

static cna_status take_lock(opening *o, cna_error *err)
{
    cna_buffer path = {0};
    cna_status status = cna_buffer_printf(&path, err, "%s-lock", o->name);
    if (status == CNA_OK) status = cna_lock_take(path.data, o->run->path, &o->run->lock, err);
    cna_buffer_free(&path);
    return status;
}

static cna_status configure(cna_run *run, cna_error *err)
{
    sqlite3_extended_result_codes(run->db, 1);
    sqlite3_busy_timeout(run->db, BUSY_MS);
    bool safe = sqlite3_db_config(run->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL) == SQLITE_OK &&
                sqlite3_db_config(run->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL) == SQLITE_OK &&
                sqlite3_db_config(run->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL) == SQLITE_OK;
    if (!safe) return cna_run_fail(run, "be opened safely", err);
    /* No mapping: a page of a file that was cut short would end the process. */
    return execute(run, "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA foreign_keys = ON", "be opened",
                   err);
}

/* Tables in one transaction: a file has all of them or is empty. */
static cna_status create(cna_run *run, cna_error *err)
{
    char marks[96];
    snprintf(marks, sizeof marks, "PRAGMA application_id = %d; PRAGMA user_version = %d", CNA_RUN_APPLICATION_ID,
             CNA_RUN_VERSION);
    CNA_TRY(cna_run_begin(run, err));
    cna_status status = make_tables(run, err);
    if (status == CNA_OK) status = execute(run, marks, "be written", err);
    return cna_run_end(run, status, err);
}

static cna_status prepare_for_writing(opening *o, cna_error *err)
{
    if (sqlite3_db_readonly(o->run->db, "main") == 1) {
        return cna_fail(err, CNA_ERR_IO, "%s: expected a file that can be written, found it read-only; change its "
                        "permissions or use a copy", o->run->path);
    }
    CNA_TRY(execute(o->run, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL", "be written", err));
    return o->is_empty ? create(o->run, err) : CNA_OK;
}

static cna_status open_file(opening *o, cna_error *err)
{
    cna_run *run = o->run;
    int flags = run->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    CNA_TRY(cna_path_resolve(run->path, &o->name, err));
    CNA_TRY(cna_file_require_regular(run->path, !run->read_only, err));
    if (!run->read_only) CNA_TRY(take_lock(o, err));
    o->is_new = !cna_file_exists(o->name);
    if (sqlite3_open_v2(o->name, &run->db, flags, NULL) != SQLITE_OK) {
        if (run->db == NULL) return cna_fail_memory(err, "a database", 0);
        return cna_run_fail(run, run->read_only ? "be read" : "be opened", err);
    }
    CNA_TRY(configure(run, err));
    if (run->read_only) {
        /* What is read from here on is of one moment. */
        CNA_TRY(execute(run, "BEGIN", "be read", err));
        return look(o, err);
    }
    CNA_TRY(look(o, err));
    return prepare_for_writing(o, err);
}

static cna_status open_memory(opening *o, cna_error *err)
{
    cna_run *run = o->run;
    if (sqlite3_open(":memory:", &run->db) != SQLITE_OK) {
        return run->db == NULL ? cna_fail_memory(err, "a database", 0) : cna_run_fail(run, "be made", err);
    }
    CNA_TRY(configure(run, err));
    return create(run, err);
}

static cna_status copy_arguments(const cna_run_open_options *options, char **out, cna_error *err)
{
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < options->n_arguments; i++) {
        /* An argument need not be UTF-8; what is not is kept out of the record rather than out of the run. */
        json_t *word = json_string(options->arguments[i]);
        if (word == NULL) word = json_string("(not UTF-8)");
        if (json_array_append_new(list, word) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    if (list == NULL) return cna_fail_memory(err, "arguments", options->n_arguments);
    cna_status status = cna_json_compact(list, out, err);
    json_decref(list);
    return status;
}

cna_status cna_run_open(const char *path, const cna_run_open_options *options, cna_run **out, cna_error *err)
{
    static const cna_run_open_options defaults = {0};
    opening o = {0};
    cna_status status = CNA_OK;
    *out = NULL;
    if (options == NULL) options = &defaults;
    if (path == NULL && options->read_only) return cna_fail(err, CNA_ERR_ARG, "a run in memory holds nothing to read");
    const char *shown = path == NULL ? "(memory)" : path;
    CNA_TRY(cna_alloc(&o.run, 1, sizeof *o.run, "run", err));
    o.run->read_only = options->read_only;
    o.run->append = options->append;
    CNA_TRY_CLEANUP(cna_copy_bytes(&o.run->path, shown, strlen(shown), "path", err));
    CNA_TRY_CLEANUP(copy_arguments(options, &o.run->arguments, err));
    if (path == NULL) {
        CNA_TRY_CLEANUP(open_memory(&o, err));
    } else {
        CNA_TRY_CLEANUP(open_file(&o, err));
    }
cleanup:
    if (status != CNA_OK) {
        /* Only what this call has made: seen empty with the lock held. */
        if (o.is_new && o.is_empty) cna_file_remove(o.name);
        cna_run_free(o.run);
        o.run = NULL;
    }
    cna_free(o.name);
    *out = o.run;
    return status;
}
