/* SPDX-License-Identifier: MIT
 * Statements on a run file: values in, checked values out, SQLite's failures as ours. Everything else in run_*.c goes
 * through here; only run_open.c and run_sql.c call SQLite. */
#ifndef CNA_STUDY_RUN_SQL_H
#define CNA_STUDY_RUN_SQL_H

#include <sqlite3.h>

#include "base/lock.h"
#include "study/run.h"

/* A statement that is used again and again. */
typedef struct cna_run_prepared {
    const char *sql; /* a literal: found again by its address */
    sqlite3_stmt *statement;
} cna_run_prepared;

struct cna_run {
    sqlite3 *db;
    char *path;      /* for messages */
    char *arguments; /* JSON array */
    cna_lock lock;
    bool read_only, append;
    bool in_transaction; /* between cna_run_begin and cna_run_end */
    cna_run_prepared *prepared; /* [n_prepared] */
    size_t n_prepared, prepared_capacity;
};

/* ---- failures ---- */

/* The failure that SQLite just reported on this connection; `doing` ("be read", "be written") completes "cannot". */
cna_status cna_run_fail(const cna_run *run, const char *doing, cna_error *err);

/* ---- values ---- */

typedef enum cna_run_type { CNA_RUN_NULL, CNA_RUN_INT, CNA_RUN_REAL, CNA_RUN_TEXT, CNA_RUN_BLOB } cna_run_type;

typedef struct cna_run_value {
    cna_run_type type;
    int64_t integer;
    double real;
    const void *bytes; /* [n_bytes] borrowed */
    size_t n_bytes;
} cna_run_value;

cna_run_value cna_run_int(int64_t value);
cna_run_value cna_run_int_or_null(int64_t value, int64_t null_value); /* NULL where they are equal */
cna_run_value cna_run_real(double value);                    /* NaN: NULL */
cna_run_value cna_run_text(const char *text);                /* NULL: NULL */
cna_run_value cna_run_bytes(const char *text, size_t n_bytes); /* NULL: NULL */
cna_run_value cna_run_blob(const void *bytes, size_t n_bytes);

/* How the file spells a cna_side and a cna_run_method. */
enum { CNA_RUN_N_SIDES = 2, CNA_RUN_N_METHODS = 4 };
extern const char *const cna_run_sides[], *const cna_run_methods[];

/* ---- statements ---- */

/* Run a statement without rows. sql is a literal; kept prepared. */
CNA_MUST_CHECK cna_status cna_run_write(cna_run *run, const char *sql, const cna_run_value *values, size_t n_values,
                                        cna_error *err);
/* Rows that the last cna_run_write changed, and the id of the one that it added. */
size_t cna_run_n_changed(const cna_run *run);
int64_t cna_run_last_id(const cna_run *run);

/* Run a SELECT and give its rows to fn; may be nested.
 *   what   what a row is, for messages: "a generation" */
CNA_MUST_CHECK cna_status cna_run_rows(cna_run *run, const char *what, const char *sql, const cna_run_value *values,
                                       size_t n_values, cna_run_row_fn *fn, void *user, cna_error *err);

struct cna_run_row {
    const cna_run *run;
    const char *what;
    sqlite3_stmt *statement;
};

/* ERR_FORMAT: the column holds something else than `expected`. */
cna_status cna_run_row_fail(const cna_run_row *row, int column, const char *expected, cna_error *err);
/* NULL gives `absent`. */
CNA_MUST_CHECK cna_status cna_run_row_int_or(const cna_run_row *row, int column, int64_t absent, int64_t low,
                                             int64_t high, int64_t *out, cna_error *err);
CNA_MUST_CHECK cna_status cna_run_row_count(const cna_run_row *row, int column, size_t *out, cna_error *err);
CNA_MUST_CHECK cna_status cna_run_row_bool(const cna_run_row *row, int column, bool *out, cna_error *err);
/* A number; NULL is ERR_FORMAT. */
CNA_MUST_CHECK cna_status cna_run_row_number(const cna_run_row *row, int column, double *out, cna_error *err);
/* A text; NULL is ERR_FORMAT. */
CNA_MUST_CHECK cna_status cna_run_row_string(const cna_run_row *row, int column, const char **out, size_t *n_bytes,
                                             cna_error *err);
CNA_MUST_CHECK cna_status cna_run_row_sha256(const cna_run_row *row, int column, char out[65], cna_error *err);
/* One of the names [n_names]; its index. */
CNA_MUST_CHECK cna_status cna_run_row_name(const cna_run_row *row, int column, const char *const *names,
                                           size_t n_names, int *out, cna_error *err);
/* Bytes; never NULL in the file, and *out is NULL only where there are none. */
CNA_MUST_CHECK cna_status cna_run_row_blob(const cna_run_row *row, int column, const void **out, size_t *n_bytes,
                                           cna_error *err);

/* ---- adding what may be there ---- */

enum { CNA_RUN_MAX_COLUMNS = 16 };

/* A table as far as rows are added to it. */
typedef struct cna_run_table {
    const char *name;         /* of one row, for messages */
    const char *insert;       /* with ON CONFLICT DO NOTHING; takes all values */
    const char *select;       /* by the first n_key values: id (or 0), then the compared columns behind the key */
    const char *const *columns; /* [n_columns, or n_compared] in the order of the values */
    size_t n_key, n_columns;
    size_t n_compared;        /* of the columns, that make two rows the same; 0: all */
} cna_run_table;

/* Add a row, or find the same one there.
 *   values  [table->n_columns]
 *   out_id  ?
 * Errors: ERR_MISMATCH where the key is taken by a row that differs; names the first column that does, with both. */
CNA_MUST_CHECK cna_status cna_run_add(cna_run *run, const cna_run_table *table, const cna_run_value *values,
                                      int64_t *out_id, cna_error *err);

/* ---- several statements as one ---- */

/* A transaction of its own unless the caller has one; *own for cna_run_scope_end. */
CNA_MUST_CHECK cna_status cna_run_scope_begin(cna_run *run, bool *own, cna_error *err);
CNA_MUST_CHECK cna_status cna_run_scope_end(cna_run *run, bool own, cna_status status, cna_error *err);

#endif
