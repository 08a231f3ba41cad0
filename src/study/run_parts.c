/* SPDX-License-Identifier: MIT
 * What a run holds, in numbers. */
#include <math.h>
#include <string.h>

#include "study/run_sql.h"

/* Column and member have the same place in both lists. */
#define STRINGS                                                                                              \
    "command, role, model.name, model.path, model.architecture, model.dtype, model.fingerprint, config,"     \
    " config_sha256, arguments, machine, version, started"
#define GENERATIONS                                                                                          \
    "FROM condition JOIN generation ON generation.condition = condition.id WHERE condition.part = part.id"
#define JUDGEMENTS                                                                                           \
    "FROM condition JOIN generation ON generation.condition = condition.id"                                  \
    " JOIN judgement ON judgement.generation = generation.id WHERE condition.part = part.id"
static const char select_parts[] =
    "SELECT " STRINGS ", date, ended, part.id, seed,"
    " (SELECT value FROM figure WHERE figure.part = part.id AND condition IS NULL AND figure.name = 'planned')"
    " AS planned,"
    " (SELECT count(*) FROM file WHERE file.part = part.id),"
    " (SELECT count(*) FROM circuit WHERE circuit.part = part.id),"
    " (SELECT count(*) FROM prompt WHERE prompt.part = part.id AND side = 'harmful'),"
    " (SELECT count(*) FROM prompt WHERE prompt.part = part.id AND side = 'benign'),"
    " (SELECT count(*) FROM condition WHERE condition.part = part.id),"
    " (SELECT count(*) FROM condition WHERE condition.part = part.id AND method = 'control'),"
    " (SELECT count(*) " GENERATIONS "),"
    " (SELECT count(outcome) " GENERATIONS "),"
    " (SELECT count(*) FROM condition JOIN generation ON generation.condition = condition.id"
    "  JOIN label ON label.generation = generation.id WHERE condition.part = part.id),"
    " (SELECT count(*) " JUDGEMENTS "),"
    " (SELECT count(*) " JUDGEMENTS " AND status = 'scored'),"
    " (SELECT count(*) " JUDGEMENTS " AND status = 'malformed'),"
    " (SELECT count(*) " JUDGEMENTS " AND status = 'failed'),"
    " (SELECT count(*) FROM question WHERE question.part = part.id),"
    " (SELECT count(*) FROM condition JOIN choice ON choice.condition = condition.id"
    "  WHERE condition.part = part.id),"
    " (SELECT count(*) FROM figure WHERE figure.part = part.id AND figure.name <> 'planned')"
    " FROM part JOIN model ON model.id = part.model ORDER BY part.id";

enum { CONFIG = 7, ARGUMENTS = 9, MACHINE, N_STRINGS = 13, DATE = N_STRINGS, ENDED, ID, SEED, PLANNED, COUNTS };

static cna_status copy_text(const cna_run_row *row, int column, bool may_be_null, const char **out, cna_error *err)
{
    const char *text = NULL;
    if (may_be_null) {
        CNA_TRY(cna_run_row_text(row, column, &text, NULL, err));
    } else {
        CNA_TRY(cna_run_row_string(row, column, &text, NULL, err));
    }
    if (text == NULL) return CNA_OK;
    char *copy;
    CNA_TRY(cna_copy_bytes(&copy, text, strlen(text), "text", err));
    *out = copy;
    return CNA_OK;
}

/* Readers may take these apart, or print them as they are. */
static cna_status check_json(const cna_run_row *row, int column, const char *text, bool wants_object, cna_error *err)
{
    json_t *value = json_loads(text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    bool is_right = wants_object ? json_is_object(value) : json_is_array(value);
    json_decref(value);
    return is_right ? CNA_OK : cna_run_row_fail(row, column, wants_object ? "a JSON object" : "a JSON array", err);
}

/* Text for readers that do not take the configuration apart. */
static cna_status read_chat_options(const cna_run_row *row, cna_run_part_info *part, cna_error *err)
{
    json_t *config = json_loads(part->config, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    const json_t *options = json_object_get(config, "chat_options");
    char *text = NULL;
    cna_status status = CNA_OK;
    if (options != NULL && !json_is_object(options)) {
        status = cna_run_row_fail(row, CONFIG, "chat_options that are an object", err);
    } else if (options != NULL) {
        status = cna_json_compact(options, &text, err);
    }
    json_decref(config);
    part->chat_options = text;
    return status;
}

static cna_status read_texts(const cna_run_row *row, cna_run_part_info *part, cna_error *err)
{
    const char **strings[] = {&part->command,     &part->role,    &part->model_name,    &part->model_path,
                              &part->architecture, &part->dtype,  &part->fingerprint,   &part->config,
                              &part->config_sha256, &part->arguments, &part->machine,   &part->version,
                              &part->started};
    for (int i = 0; i < N_STRINGS; i++) CNA_TRY(copy_text(row, i, false, strings[i], err));
    CNA_TRY(copy_text(row, DATE, true, &part->date, err));
    CNA_TRY(copy_text(row, ENDED, true, &part->ended, err));
    CNA_TRY(check_json(row, CONFIG, part->config, true, err));
    CNA_TRY(check_json(row, ARGUMENTS, part->arguments, false, err));
    CNA_TRY(read_chat_options(row, part, err));
    return check_json(row, MACHINE, part->machine, true, err);
}

static cna_status read_counts(const cna_run_row *row, cna_run_part_info *part, cna_error *err)
{
    uint64_t *counts[] = {&part->n_files,       &part->n_circuits, &part->n_prompts[CNA_SIDE_HARMFUL],
                          &part->n_prompts[CNA_SIDE_BENIGN],       &part->n_conditions,
                          &part->n_controls,    &part->n_generations, &part->n_outcomes,
                          &part->n_labels,      &part->n_judgements,  &part->n_scored,
                          &part->n_malformed,   &part->n_failed,      &part->n_questions,
                          &part->n_choices,     &part->n_figures};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        size_t count = 0;
        CNA_TRY(cna_run_row_count(row, COUNTS + (int)i, &count, err));
        *counts[i] = count;
    }
    return CNA_OK;
}

typedef struct gathering {
    cna_run_parts list;
    size_t capacity;
} gathering;

static cna_status read_part(void *user, const cna_run_row *row, cna_error *err)
{
    gathering *all = user;
    CNA_TRY(cna_grow(&all->list.items, &all->capacity, all->list.n + 1, sizeof *all->list.items, "parts", err));
    cna_run_part_info *part = &all->list.items[all->list.n++];
    int64_t seed = 0;
    double planned = NAN;
    CNA_TRY(read_texts(row, part, err));
    CNA_TRY(cna_run_row_int(row, ID, 1, INT64_MAX, &part->id, err));
    CNA_TRY(cna_run_row_int(row, SEED, INT64_MIN, INT64_MAX, &seed, err));
    CNA_TRY(cna_run_row_real(row, PLANNED, &planned, err));
    part->seed = (uint64_t)seed;
    if (!isnan(planned)) {
        if (!(planned >= 0 && planned <= 9007199254740992.0)) return cna_run_row_fail(row, PLANNED, "a count", err);
        part->n_planned = (uint64_t)planned;
    }
    return read_counts(row, part, err);
}

cna_status cna_run_read_parts(cna_run *run, cna_run_parts *out, cna_error *err)
{
    gathering all = {0};
    *out = (cna_run_parts){0};
    cna_status status = cna_run_rows(run, "a part", select_parts, NULL, 0, read_part, &all, err);
    if (status == CNA_OK) {
        *out = all.list;
    } else {
        cna_run_parts_free(&all.list);
    }
    return status;
}

void cna_run_parts_free(cna_run_parts *parts)
{
    for (size_t i = 0; i < parts->n; i++) {
        const cna_run_part_info *p = &parts->items[i];
        const char *const strings[] = {p->command, p->role,          p->model_name, p->model_path, p->architecture,
                                       p->dtype,   p->fingerprint,   p->config,     p->config_sha256,
                                       p->arguments, p->machine,     p->version,    p->date,
                                       p->started, p->ended,         p->chat_options};
        /* const only for readers */
        for (size_t j = 0; j < sizeof strings / sizeof *strings; j++) cna_free((char *)(uintptr_t)strings[j]);
    }
    cna_free(parts->items);
    *parts = (cna_run_parts){0};
}
