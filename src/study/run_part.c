/* SPDX-License-Identifier: MIT
 * Parts of a run: beginning, continuing, refusing, ending. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "engine/model.h"
#include "study/bench_machine.h"
#include "study/run_config.h"
#include "study/run_sql.h"

#define NOW "strftime('%Y-%m-%dT%H:%M:%SZ', 'now')"

/* ---- the machine ---- */

cna_status cna_run_machine(const cna_model *model, char **out, cna_error *err)
{
    char cpu[64], library[32];
    cna_bench_cpu_name(cpu, sizeof cpu);
    json_t *machine = json_pack("{s:s}", "cpu", cpu);
    *out = NULL;
    if (machine != NULL && model != NULL) {
        cna_linear_library(library, sizeof library);
        json_t *more = json_pack("{s:s, s:s, s:i}", "library", library, "kernel",
                                 cna_linear_kernel(model->weights.layers[0].gate), "n_threads", model->n_threads);
        if (json_object_update_new(machine, more) != 0) {
            json_decref(machine);
            machine = NULL;
        }
    }
    if (machine == NULL) return cna_fail_memory(err, "the machine's record", 0);
    cna_status status = cna_json_compact(machine, out, err);
    json_decref(machine);
    return status;
}

/* What decides last bits: not the number of threads. */
static bool same_machine(const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"cpu", "library", "kernel"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *one = json_object_get(a, keys[i]), *other = json_object_get(b, keys[i]);
        if (one != NULL && other != NULL && !json_equal(one, other)) return false;
    }
    return true;
}

/* ---- finding ---- */

/* A part about to be begun. */
typedef struct beginning {
    cna_run *run;
    const cna_run_part_spec *spec;
    const char *role, *date, *machine;
    char *config, config_sha256[65];
    int64_t model;
    cna_run_part found; /* id 0: none */
    cna_buffer difference; /* from the last part with another configuration; empty: there is none */
} beginning;

static cna_status read_id(void *user, const cna_run_row *row, cna_error *err)
{
    return cna_run_row_int(row, 0, 1, INT64_MAX, user, err);
}

static cna_status put_model(beginning *b, cna_error *err)
{
    const cna_model_info *info = b->spec->model;
    cna_run_value key[] = {cna_run_text(info->fingerprint), cna_run_text(info->compute_dtype)};
    CNA_TRY(cna_run_rows(b->run, "a model", "SELECT id FROM model WHERE fingerprint = ?1 AND dtype = ?2", key, 2,
                         read_id, &b->model, err));
    if (b->model != 0) return CNA_OK;
    cna_run_value values[] = {
        cna_run_text(info->name),      cna_run_text(b->spec->model_path), cna_run_text(info->architecture),
        cna_run_text(info->compute_dtype), cna_run_text(info->fingerprint), cna_run_int(info->n_layers),
        cna_run_int(info->hidden_dim), cna_run_int(info->mlp_dim),        cna_run_int(info->vocab_size),
    };
    CNA_TRY(cna_run_write(b->run,
                          "INSERT INTO model (name, path, architecture, dtype, fingerprint, n_layers, hidden_dim,"
                          " mlp_dim, vocab_size) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                          values, sizeof values / sizeof *values, err));
    b->model = cna_run_last_id(b->run);
    return CNA_OK;
}

static cna_status note_origin(beginning *b, const char *version, const char *machine, cna_error *err)
{
    json_t *theirs = NULL, *ours = NULL;
    cna_status status = cna_json_parse(machine, strlen(machine), b->run->path, &theirs, err);
    if (status == CNA_OK) status = cna_json_parse(b->machine, strlen(b->machine), b->run->path, &ours, err);
    if (status == CNA_OK && (strcmp(version, CNA_VERSION) != 0 || !same_machine(theirs, ours))) {
        snprintf(b->found.note, sizeof b->found.note,
                 "%s: the %s was begun by cna %.20s on %.200s; what is added here may differ in last bits",
                 b->run->path, b->spec->command, version, machine);
    }
    json_decref(theirs);
    json_decref(ours);
    return status;
}

/* A part of the same command and role: ours, or one that is in the way. */
static cna_status look_at_part(void *user, const cna_run_row *row, cna_error *err)
{
    beginning *b = user;
    const char *config = NULL, *sha256 = NULL, *date = NULL, *version = NULL, *machine = NULL;
    CNA_TRY(cna_run_row_string(row, 1, &config, NULL, err));
    CNA_TRY(cna_run_row_string(row, 2, &sha256, NULL, err));
    if (strcmp(sha256, b->config_sha256) != 0 || strcmp(config, b->config) != 0) {
        cna_buffer_reset(&b->difference);
        return cna_run_config_difference(config, b->config, b->run->path, &b->difference, err);
    }
    CNA_TRY(cna_run_row_int(row, 0, 1, INT64_MAX, &b->found.id, err));
    CNA_TRY(cna_run_row_text(row, 3, &date, NULL, err));
    if (date != NULL && strlen(date) != 10) return cna_run_row_fail(row, 3, "YYYY-MM-DD", err);
    snprintf(b->found.date, sizeof b->found.date, "%s", date == NULL ? "" : date);
    b->found.ended = !cna_run_row_is_null(row, 4);
    b->found.continues = true;
    CNA_TRY(cna_run_row_string(row, 5, &version, NULL, err));
    CNA_TRY(cna_run_row_string(row, 6, &machine, NULL, err));
    return note_origin(b, version, machine, err);
}

static cna_status find_part(beginning *b, cna_error *err)
{
    cna_run_value key[] = {cna_run_text(b->spec->command), cna_run_text(b->role)};
    return cna_run_rows(b->run, "a part",
                        "SELECT id, config, config_sha256, date, ended, version, machine FROM part"
                        " WHERE command = ?1 AND role = ?2 ORDER BY id",
                        key, 2, look_at_part, b, err);
}

/* ---- beginning ---- */

static cna_status insert_part(beginning *b, cna_error *err)
{
    CNA_TRY(put_model(b, err));
    cna_run_value values[] = {
        cna_run_text(b->spec->command), cna_run_text(b->role),
        cna_run_int(b->model),          cna_run_text(b->config),
        cna_run_text(b->config_sha256), cna_run_text(b->run->arguments),
        cna_run_int((int64_t)b->spec->seed), cna_run_text(*b->date == '\0' ? NULL : b->date),
        cna_run_text(CNA_VERSION),      cna_run_text(b->machine),
    };
    CNA_TRY(cna_run_write(b->run,
                          "INSERT INTO part (command, role, model, config, config_sha256, arguments, seed, date,"
                          " version, machine, started) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, " NOW ")",
                          values, sizeof values / sizeof *values, err));
    b->found = (cna_run_part){.id = cna_run_last_id(b->run)};
    snprintf(b->found.date, sizeof b->found.date, "%s", b->date);
    return CNA_OK;
}

static cna_status continue_or_insert(beginning *b, cna_error *err)
{
    CNA_TRY(find_part(b, err));
    const char *role_comma = *b->role == '\0' ? "" : ", ";
    if (b->found.id == 0) {
        if (b->difference.size == 0 || b->run->append) return insert_part(b, err);
        return cna_fail(err, CNA_ERR_MISMATCH,
                        "%s: expected the configuration of its %s%s%s, found another: %s; use another file, or "
                        "--append to keep both",
                        b->run->path, b->spec->command, role_comma, b->role, b->difference.data);
    }
    if (b->spec->date_given && strcmp(b->date, b->found.date) != 0) {
        return cna_fail(err, CNA_ERR_MISMATCH,
                        "%s: expected the date of its %s%s%s, '%s', found '%s'; leave --date out to continue it",
                        b->run->path, b->spec->command, role_comma, b->role, b->found.date, b->date);
    }
    return CNA_OK;
}

static cna_status check_spec(const beginning *b, cna_error *err)
{
    size_t n = strlen(b->date);
    if (n != 0 && n != 10) return cna_fail(err, CNA_ERR_ARG, "date: expected YYYY-MM-DD, found '%s'", b->date);
    json_t *machine = NULL;
    CNA_TRY(cna_json_parse(b->machine, strlen(b->machine), "machine", &machine, err));
    bool is_object = json_is_object(machine);
    json_decref(machine);
    return is_object ? CNA_OK : cna_fail(err, CNA_ERR_ARG, "machine: expected a JSON object, found '%s'", b->machine);
}

cna_status cna_run_begin_part(cna_run *run, const cna_run_part_spec *spec, cna_run_part *out, cna_error *err)
{
    beginning b = {
        .run = run,
        .spec = spec,
        .role = spec->role == NULL ? "" : spec->role,
        .date = spec->date == NULL ? "" : spec->date,
        .machine = spec->machine == NULL ? "{}" : spec->machine,
    };
    bool own = false;
    cna_status status = CNA_OK;
    *out = (cna_run_part){0};
    CNA_TRY(check_spec(&b, err));
    CNA_TRY_CLEANUP(cna_run_config_text(spec, &b.config, err));
    CNA_TRY_CLEANUP(cna_sha256_hex(b.config, strlen(b.config), b.config_sha256, err));
    CNA_TRY_CLEANUP(cna_run_scope_begin(run, &own, err));
    status = cna_run_scope_end(run, own, continue_or_insert(&b, err), err);
    if (status == CNA_OK) *out = b.found;
cleanup:
    cna_free(b.config);
    cna_buffer_free(&b.difference);
    return status;
}

cna_status cna_run_plan_part(cna_run *run, int64_t part, size_t n_rows, cna_error *err)
{
    cna_run_figure planned = {.name = "planned", .value = (double)n_rows};
    return cna_run_set_figure(run, part, &planned, err);
}

cna_status cna_run_end_part(cna_run *run, int64_t part, cna_error *err)
{
    cna_run_value id = cna_run_int(part);
    return cna_run_write(run, "UPDATE part SET ended = " NOW " WHERE id = ?1 AND ended IS NULL", &id, 1, err);
}
