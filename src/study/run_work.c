/* SPDX-License-Identifier: MIT
 * What a part works on: files, circuits, prompts, conditions. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "study/run_sql.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

const char *const cna_run_sides[] = {[CNA_SIDE_HARMFUL] = "harmful", [CNA_SIDE_BENIGN] = "benign"};
const char *const cna_run_methods[] = {[CNA_RUN_NONE] = "none", [CNA_RUN_CNA] = "cna", [CNA_RUN_CAA] = "caa",
                                       [CNA_RUN_CONTROL] = "control"};

/* ---- files ---- */

static const char *const file_columns[] = {"part", "role", "path", "sha256", "n_bytes"};
static const cna_run_table file_table = {
    .name = "file",
    .insert = "INSERT INTO file (part, role, path, sha256, n_bytes) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
    .select = "SELECT 0, sha256, n_bytes FROM file WHERE part = ?1 AND role = ?2 AND path = ?3",
    .columns = file_columns,
    .n_key = 3,
    .n_columns = COUNT(file_columns),
};

cna_status cna_run_add_file(cna_run *run, int64_t part, const cna_run_file *file, cna_error *err)
{
    cna_run_value values[] = {cna_run_int(part), cna_run_text(file->role), cna_run_text(file->path),
                              cna_run_text(file->sha256), cna_run_int((int64_t)file->n_bytes)};
    return cna_run_add(run, &file_table, values, NULL, err);
}

cna_status cna_run_add_file_at(cna_run *run, int64_t part, const char *role, const char *path, cna_error *err)
{
    cna_run_file file = {.role = role, .path = path};
    cna_map map;
    CNA_TRY(cna_map_open(path, &map, err));
    file.n_bytes = map.size;
    cna_status status = cna_map_populate(&map, 0, map.size, err);
    if (status == CNA_OK) status = cna_sha256_hex(map.data, map.size, file.sha256, err);
    cna_map_close(&map);
    return status == CNA_OK ? cna_run_add_file(run, part, &file, err) : status;
}

/* ---- circuits ---- */

static const char *const circuit_columns[] = {"part", "label", "sha256", "json"};
static const cna_run_table circuit_table = {
    .name = "circuit",
    .insert = "INSERT INTO circuit (part, label, sha256, json) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
    .select = "SELECT id, sha256, json FROM circuit WHERE part = ?1 AND label = ?2",
    .columns = circuit_columns,
    .n_key = 2,
    .n_columns = COUNT(circuit_columns),
};

cna_status cna_run_add_circuit(cna_run *run, int64_t part, const char *label, const char *json, int64_t *out_id,
                               cna_error *err)
{
    char sha256[65];
    CNA_TRY(cna_sha256_hex(json, strlen(json), sha256, err));
    cna_run_value values[] = {cna_run_int(part), cna_run_text(label), cna_run_text(sha256), cna_run_text(json)};
    return cna_run_add(run, &circuit_table, values, out_id, err);
}

/* ---- prompts ---- */

static const char *const prompt_columns[] = {"part", "side", "position", "text", "category", "sha256", "discovery"};
static const cna_run_table prompt_table = {
    .name = "prompt",
    .insert = "INSERT INTO prompt (part, side, position, text, category, sha256, discovery)"
              " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
    .select = "SELECT id, text, category, sha256, discovery FROM prompt"
              " WHERE part = ?1 AND side = ?2 AND position = ?3",
    .columns = prompt_columns,
    .n_key = 3,
    .n_columns = COUNT(prompt_columns),
};

cna_status cna_run_add_prompt(cna_run *run, int64_t part, const cna_run_prompt *prompt, int64_t *out_id, cna_error *err)
{
    char sha256[65];
    CNA_TRY(cna_sha256_hex(prompt->text, prompt->n_bytes, sha256, err));
    cna_run_value values[] = {
        cna_run_int(part),
        cna_run_text(cna_run_sides[prompt->side]),
        cna_run_int((int64_t)prompt->position),
        cna_run_bytes(prompt->text, prompt->n_bytes),
        cna_run_text(prompt->category),
        cna_run_text(sha256),
        cna_run_int_or_null(prompt->discovery, CNA_RUN_DISCOVERY_UNKNOWN),
    };
    return cna_run_add(run, &prompt_table, values, out_id, err);
}

/* ---- conditions ---- */

static const char *const condition_columns[] = {"part",         "position",   "method",      "circuit", "k",    "kind",
                                                "control_seed", "multiplier", "multipliers", "alpha",   "layer"};
static const cna_run_table condition_table = {
    .name = "condition",
    .insert = "INSERT INTO condition (part, position, method, circuit, k, kind, control_seed, multiplier, multipliers,"
              " alpha, layer) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO NOTHING",
    .select = "SELECT id, method, circuit, k, kind, control_seed, multiplier, multipliers, alpha, layer FROM condition"
              " WHERE part = ?1 AND position = ?2",
    .columns = condition_columns,
    .n_key = 2,
    .n_columns = COUNT(condition_columns),
};

/* [1.0,0.5] or NULL where there is none. */
static cna_status multipliers_text(const cna_run_condition *condition, char **out, cna_error *err)
{
    *out = NULL;
    if (condition->multipliers == NULL) return CNA_OK;
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < condition->n_multipliers; i++) {
        if (json_array_append_new(list, json_real(condition->multipliers[i])) == 0) continue;
        json_decref(list);
        return cna_fail(err, CNA_ERR_ARG, "multipliers: expected finite numbers, found another");
    }
    if (list == NULL) return cna_fail_memory(err, "multipliers", condition->n_multipliers);
    cna_status status = cna_json_compact(list, out, err);
    json_decref(list);
    return status;
}

cna_status cna_run_add_condition(cna_run *run, int64_t part, const cna_run_condition *condition, int64_t *out_id,
                                 cna_error *err)
{
    char *multipliers;
    CNA_TRY(multipliers_text(condition, &multipliers, err));
    cna_run_value values[] = {
        cna_run_int(part),
        cna_run_int((int64_t)condition->position),
        cna_run_text(cna_run_methods[condition->method]),
        cna_run_text(condition->circuit),
        cna_run_int_or_null(condition->k, -1),
        cna_run_text(condition->kind),
        cna_run_int_or_null(condition->control_seed, -1),
        cna_run_real(condition->multiplier),
        cna_run_text(multipliers),
        cna_run_real(condition->alpha),
        cna_run_int_or_null(condition->layer, -1),
    };
    cna_status status = cna_run_add(run, &condition_table, values, out_id, err);
    cna_free(multipliers);
    return status;
}

/* ---- reading ---- */

/* A caller's function and what it gets; which one depends on the query. */
typedef struct reader {
    union {
        cna_run_file_fn *file;
        cna_run_circuit_fn *circuit;
        cna_run_prompt_fn *prompt;
        cna_run_condition_fn *condition;
    } fn;
    void *user;
} reader;

static cna_status each(cna_run *run, const char *what, const char *sql, int64_t part, cna_run_row_fn *read, reader *r,
                       cna_error *err)
{
    cna_run_value key = cna_run_int(part);
    return cna_run_rows(run, what, sql, &key, 1, read, r, err);
}

static cna_status read_file(void *user, const cna_run_row *row, cna_error *err)
{
    const reader *r = user;
    cna_run_file file = {0};
    int64_t n_bytes = 0;
    CNA_TRY(cna_run_row_string(row, 0, &file.role, NULL, err));
    CNA_TRY(cna_run_row_string(row, 1, &file.path, NULL, err));
    CNA_TRY(cna_run_row_sha256(row, 2, file.sha256, err));
    CNA_TRY(cna_run_row_int(row, 3, 0, INT64_MAX, &n_bytes, err));
    file.n_bytes = (uint64_t)n_bytes;
    return r->fn.file(r->user, &file, err);
}

cna_status cna_run_each_file(cna_run *run, int64_t part, cna_run_file_fn *fn, void *user, cna_error *err)
{
    reader r = {.fn.file = fn, .user = user};
    return each(run, "a file", "SELECT role, path, sha256, n_bytes FROM file WHERE part = ?1 ORDER BY rowid", part,
                read_file, &r, err);
}

static cna_status read_circuit(void *user, const cna_run_row *row, cna_error *err)
{
    const reader *r = user;
    const char *label = NULL, *json = NULL;
    char sha256[65];
    CNA_TRY(cna_run_row_string(row, 0, &label, NULL, err));
    CNA_TRY(cna_run_row_sha256(row, 1, sha256, err));
    CNA_TRY(cna_run_row_string(row, 2, &json, NULL, err));
    return r->fn.circuit(r->user, label, sha256, json, err);
}

cna_status cna_run_each_circuit(cna_run *run, int64_t part, cna_run_circuit_fn *fn, void *user, cna_error *err)
{
    reader r = {.fn.circuit = fn, .user = user};
    return each(run, "a circuit", "SELECT label, sha256, json FROM circuit WHERE part = ?1 ORDER BY id", part,
                read_circuit, &r, err);
}

static cna_status read_prompt(void *user, const cna_run_row *row, cna_error *err)
{
    const reader *r = user;
    cna_run_prompt prompt = {0};
    int side = 0;
    int64_t discovery = 0;
    CNA_TRY(cna_run_row_int(row, 0, 1, INT64_MAX, &prompt.id, err));
    CNA_TRY(cna_run_row_name(row, 1, cna_run_sides, CNA_RUN_N_SIDES, &side, err));
    CNA_TRY(cna_run_row_count(row, 2, &prompt.position, err));
    CNA_TRY(cna_run_row_string(row, 3, &prompt.text, &prompt.n_bytes, err));
    CNA_TRY(cna_run_row_text(row, 4, &prompt.category, NULL, err));
    CNA_TRY(cna_run_row_sha256(row, 5, prompt.sha256, err));
    CNA_TRY(cna_run_row_int_or(row, 6, CNA_RUN_DISCOVERY_UNKNOWN, 0, 1, &discovery, err));
    prompt.side = (cna_side)side;
    prompt.discovery = (cna_run_discovery)discovery;
    return r->fn.prompt(r->user, &prompt, err);
}

cna_status cna_run_each_prompt(cna_run *run, int64_t part, cna_run_prompt_fn *fn, void *user, cna_error *err)
{
    reader r = {.fn.prompt = fn, .user = user};
    return each(run, "a prompt",
                "SELECT id, side, position, text, category, sha256, discovery FROM prompt WHERE part = ?1"
                " ORDER BY side DESC, position",
                part, read_prompt, &r, err);
}

/* The multipliers' JSON as numbers. */
static cna_status parse_multipliers(const cna_run_row *row, int column, const char *text, double **out, size_t *out_n,
                                    cna_error *err)
{
    json_t *list;
    CNA_TRY(cna_json_parse(text, strlen(text), row->run->path, &list, err));
    cna_status status = CNA_OK;
    bool is_valid = json_is_array(list);
    size_t n = json_array_size(list);
    for (size_t i = 0; i < n; i++) is_valid = is_valid && json_is_number(json_array_get(list, i));
    if (!is_valid) {
        status = cna_run_row_fail(row, column, "a JSON array of numbers", err);
    } else {
        status = cna_alloc(out, n, sizeof **out, "multipliers", err);
    }
    for (size_t i = 0; status == CNA_OK && i < n; i++) (*out)[i] = json_number_value(json_array_get(list, i));
    *out_n = n;
    json_decref(list);
    return status;
}

static cna_status read_condition(void *user, const cna_run_row *row, cna_error *err)
{
    const reader *r = user;
    cna_run_condition c = {0};
    int method = 0;
    const char *multipliers_json = NULL;
    double *multipliers = NULL;
    CNA_TRY(cna_run_row_int(row, 0, 1, INT64_MAX, &c.id, err));
    CNA_TRY(cna_run_row_count(row, 1, &c.position, err));
    CNA_TRY(cna_run_row_name(row, 2, cna_run_methods, CNA_RUN_N_METHODS, &method, err));
    CNA_TRY(cna_run_row_text(row, 3, &c.circuit, NULL, err));
    CNA_TRY(cna_run_row_int_or(row, 4, -1, 0, INT64_MAX, &c.k, err));
    CNA_TRY(cna_run_row_text(row, 5, &c.kind, NULL, err));
    CNA_TRY(cna_run_row_int_or(row, 6, -1, 0, INT64_MAX, &c.control_seed, err));
    CNA_TRY(cna_run_row_real(row, 7, &c.multiplier, err));
    CNA_TRY(cna_run_row_text(row, 8, &multipliers_json, NULL, err));
    CNA_TRY(cna_run_row_real(row, 9, &c.alpha, err));
    CNA_TRY(cna_run_row_int_or(row, 10, -1, 0, UINT32_MAX, &c.layer, err));
    c.method = (cna_run_method)method;
    if (multipliers_json != NULL) {
        CNA_TRY(parse_multipliers(row, 8, multipliers_json, &multipliers, &c.n_multipliers, err));
        c.multipliers = multipliers;
    }
    cna_status status = r->fn.condition(r->user, &c, err);
    cna_free(multipliers);
    return status;
}

cna_status cna_run_each_condition(cna_run *run, int64_t part, cna_run_condition_fn *fn, void *user, cna_error *err)
{
    reader r = {.fn.condition = fn, .user = user};
    return each(run, "a condition",
                "SELECT id, position, method, circuit, k, kind, control_seed, multiplier, multipliers, alpha, layer"
                " FROM condition WHERE part = ?1 ORDER BY position",
                part, read_condition, &r, err);
}
