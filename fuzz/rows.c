/* SPDX-License-Identifier: MIT
 * A run file with changed values: the input changes a sound file cell by cell, through SQL, so that what gets past
 * SQLite is what our own code has to look at. A quarter of the inputs are reported on as well. Each change is
 *
 *   column, row  a byte each, modulo how many there are in all tables, and modulo 16; row 255: all of them
 *   kind         a byte: NULL; a whole number of 1 or of 8 bytes; a real of 8; a text, or a blob, of a length
 *                byte and its bytes; a text or a blob repeated to 1 KiB times that byte; the row is deleted
 *
 * The sound file has what tests/data/report/study.sql puts into it, without most of its prompts. */
#include "support.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "run_use.h"
#include "study/run.h"

enum { CHANGES_MAX = 32 };

/* A column of the sound file. */
typedef struct column {
    char table[32], name[32];
} column;

static struct {
    cna_buffer bytes; /* of the sound file */
    column columns[256];
    size_t n_columns;
} sound;

static void execute(sqlite3 *db, const char *sql)
{
    char *why = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &why) == SQLITE_OK) return;
    fprintf(stderr, "fuzz: %.200s: %s\n", sql, why);
    fuzz_fail("SQL that runs", __FILE__, __LINE__);
}

static int add_column(void *user, int n, char **values, char **names)
{
    (void)user;
    (void)n;
    (void)names;
    fuzz_require(sound.n_columns < sizeof sound.columns / sizeof *sound.columns);
    column *added = &sound.columns[sound.n_columns++];
    snprintf(added->table, sizeof added->table, "%s", values[0]);
    snprintf(added->name, sizeof added->name, "%s", values[1]);
    return 0;
}

static sqlite3 *open_file(const char *path)
{
    sqlite3 *db;
    fuzz_require(sqlite3_open(path, &db) == SQLITE_OK);
    execute(db, "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF; PRAGMA ignore_check_constraints = ON");
    return db;
}

/* Two prompts a side tell as much as many, and sooner. */
static const char fewer[] =
    "DELETE FROM prompt WHERE position > 1; DELETE FROM generation WHERE prompt NOT IN (SELECT id FROM prompt);"
    "DELETE FROM label WHERE generation NOT IN (SELECT id FROM generation);"
    "DELETE FROM judgement WHERE generation NOT IN (SELECT id FROM generation)";

static const char columns[] = "SELECT m.name, p.name FROM sqlite_schema m, pragma_table_info(m.name) p "
                              "WHERE m.type = 'table' ORDER BY m.name, p.cid";

static void make_sound(void)
{
    cna_error err;
    cna_run *run;
    cna_buffer sql = {0};
    char path[128];
    snprintf(path, sizeof path, "%s/sound.db", fuzz_folder());
    fuzz_require(fuzz_ok(cna_run_open(path, NULL, &run, &err), &err));
    cna_run_free(run);
    fuzz_require(fuzz_ok(cna_file_read("tests/data/report/study.sql", 1 << 20, &sql, &err), &err));
    sqlite3 *db = open_file(path);
    execute(db, sql.data);
    execute(db, fewer);
    execute(db, "PRAGMA page_size = 512; VACUUM");
    fuzz_require(sqlite3_exec(db, columns, add_column, NULL, NULL) == SQLITE_OK);
    sqlite3_close(db);
    fuzz_require(fuzz_ok(cna_file_read(path, 1 << 24, &sound.bytes, &err), &err));
    cna_buffer_free(&sql);
}

/* ---- changes ---- */

typedef struct reader {
    const uint8_t *at;
    size_t left;
} reader;

static uint8_t take(reader *r)
{
    if (r->left == 0) return 0;
    r->left--;
    return *r->at++;
}

static uint64_t take_eight(reader *r)
{
    uint64_t value = 0;
    for (size_t i = 0; i < 8; i++) value |= (uint64_t)take(r) << 8 * i;
    return value;
}

static void bind_run(sqlite3_stmt *statement, reader *r, bool is_text, bool repeat)
{
    static char bytes[256 * 1024];
    size_t n = take(r), times = repeat ? 1024 : 1, given = n < r->left ? n : r->left;
    size_t part = repeat ? (given != 0) : given;
    for (size_t i = 0; i < (repeat ? n * times : given); i++) bytes[i] = part == 0 ? 'x' : (char)r->at[i % part];
    n = repeat ? n * times : given;
    r->at += part;
    r->left -= part;
    if (is_text) sqlite3_bind_text(statement, 1, bytes, (int)n, SQLITE_TRANSIENT);
    else sqlite3_bind_blob(statement, 1, bytes, (int)n, SQLITE_TRANSIENT);
}

static void bind(sqlite3_stmt *statement, reader *r, uint8_t kind)
{
    double real;
    uint64_t bits;
    switch (kind) {
    case 0:
        sqlite3_bind_null(statement, 1);
        break;
    case 1:
        sqlite3_bind_int64(statement, 1, (int8_t)take(r));
        break;
    case 2:
        sqlite3_bind_int64(statement, 1, (int64_t)take_eight(r));
        break;
    case 3:
        bits = take_eight(r);
        memcpy(&real, &bits, sizeof real);
        sqlite3_bind_double(statement, 1, real);
        break;
    default:
        bind_run(statement, r, kind % 2 == 0, kind >= 6);
    }
}

/* Constraints may refuse a change; then there is none. */
static void change(sqlite3 *db, reader *r)
{
    uint8_t index = take(r), row = take(r), kind = take(r) % 9;
    const column *c = &sound.columns[index % sound.n_columns];
    char sql[256], where[128] = "";
    if (row != 255) {
        snprintf(where, sizeof where, " WHERE rowid IN (SELECT rowid FROM %s LIMIT 1 OFFSET %u)", c->table, row % 16u);
    }
    if (kind == 8) snprintf(sql, sizeof sql, "DELETE FROM %s%s", c->table, where);
    else snprintf(sql, sizeof sql, "UPDATE %s SET %s = ?1%s", c->table, c->name, where);
    sqlite3_stmt *statement;
    fuzz_require(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK);
    if (kind != 8) bind(statement, r, kind);
    sqlite3_step(statement);
    sqlite3_finalize(statement);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    reader r = {data, size};
    if (sound.n_columns == 0) {
        fuzz_bound(1, 1 << 26, 0);
        make_sound();
    }
    const char *path = fuzz_file("run.db", sound.bytes.data, sound.bytes.size);
    sqlite3 *db = open_file(path);
    execute(db, "BEGIN");
    for (size_t i = 0; i < CHANGES_MAX && r.left != 0; i++) change(db, &r);
    execute(db, "COMMIT");
    sqlite3_close(db);
    fuzz_bound(sound.bytes.size + size, 4 << 20, 256);
    fuzz_use_run(path, size % 4 == 0);
    return 0;
}
