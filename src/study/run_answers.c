/* SPDX-License-Identifier: MIT
 * Answers of a run: kept as they end, read back in order, completed when all are there. */
#include <math.h>
#include <string.h>

#include "study/run_sql.h"

static const char *const stop_names[] = {[CNA_STOP_EOS] = "eos", [CNA_STOP_LENGTH] = "length"};
static const char *const outcome_names[] = {[CNA_OUTCOME_INCOHERENT] = "incoherent", [CNA_OUTCOME_REFUSED] = "refused",
                                            [CNA_OUTCOME_COMPLIED] = "complied"};

/* ---- ids as the file has them: int32, little-endian ---- */

static void ids_to_bytes(const int32_t *ids, size_t n, unsigned char *out)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t id = (uint32_t)ids[i];
        for (size_t byte = 0; byte < 4; byte++) out[4 * i + byte] = (unsigned char)(id >> (8 * byte));
    }
}

static void ids_from_bytes(const unsigned char *bytes, size_t n, int32_t *out)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t id = 0;
        for (size_t byte = 0; byte < 4; byte++) id |= (uint32_t)bytes[4 * i + byte] << (8 * byte);
        out[i] = (int32_t)id;
    }
}

/* ---- adding ---- */

/* What is computed from ids and text is compared as well: another pattern file is another configuration, so that a
 * difference here means that something has changed that should not. */
static const char *const columns[] = {"condition", "prompt", "ids",  "text",    "n_tokens",
                                      "n_words",   "stop",   "refused", "quality"};
static const cna_run_table generation_table = {
    .name = "generation",
    .insert = "INSERT INTO generation (condition, prompt, ids, text, n_tokens, n_words, stop, refused, quality,"
              " mean_logprob, outcome, kl) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
              " ON CONFLICT DO NOTHING",
    .select = "SELECT id, ids, text, n_tokens, n_words, stop, refused, quality FROM generation"
              " WHERE condition = ?1 AND prompt = ?2",
    .columns = columns,
    .n_key = 2,
    .n_compared = sizeof columns / sizeof *columns,
    .n_columns = sizeof columns / sizeof *columns + 3, /* those that may be filled in later */
};

static cna_run_value outcome_value(int outcome)
{
    return cna_run_text(outcome == CNA_RUN_NO_OUTCOME ? NULL : outcome_names[outcome]);
}

cna_status cna_run_add_generation(cna_run *run, const cna_run_generation *g, int64_t *out_id, cna_error *err)
{
    unsigned char *bytes;
    CNA_TRY(cna_alloc(&bytes, g->n_tokens, 4, "token ids", err));
    ids_to_bytes(g->ids, g->n_tokens, bytes);
    cna_run_value values[] = {
        cna_run_int(g->condition),
        cna_run_int(g->prompt),
        cna_run_blob(bytes, 4 * g->n_tokens),
        cna_run_bytes(g->text, g->n_bytes),
        cna_run_int((int64_t)g->n_tokens),
        cna_run_int((int64_t)g->n_words),
        cna_run_text(stop_names[g->stop]),
        cna_run_int(g->refused),
        cna_run_real(g->quality),
        cna_run_real(g->mean_logprob),
        outcome_value(g->outcome),
        cna_run_real(g->kl),
    };
    cna_status status = cna_run_add(run, &generation_table, values, out_id, err);
    cna_free(bytes);
    return status;
}

/* ---- what is there ---- */

typedef struct done_list {
    bool *done; /* [n] */
    size_t n;
} done_list;

static cna_status mark_done(void *user, const cna_run_row *row, cna_error *err)
{
    done_list *list = user;
    size_t position = 0;
    CNA_TRY(cna_run_row_count(row, 0, &position, err));
    if (position >= list->n) return cna_run_row_fail(row, 0, "one of this side's prompts", err);
    list->done[position] = true;
    return CNA_OK;
}

cna_status cna_run_find_done(cna_run *run, int64_t condition, cna_side side, bool *done, size_t n_prompts,
                             cna_error *err)
{
    done_list list = {.done = done, .n = n_prompts};
    cna_run_value values[] = {cna_run_int(condition), cna_run_text(cna_run_sides[side])};
    return cna_run_rows(run, "a prompt",
                        "SELECT prompt.position FROM generation JOIN prompt ON prompt.id = generation.prompt"
                        " JOIN condition ON condition.id = generation.condition"
                        " WHERE generation.condition = ?1 AND prompt.side = ?2 AND prompt.part = condition.part",
                        values, 2, mark_done, &list, err);
}

/* ---- reading ---- */

typedef struct reader {
    cna_run_generation_fn *fn;
    void *user;
    int32_t *ids; /* [capacity] of the row at hand */
    size_t capacity;
} reader;

static cna_status read_ids(reader *r, const cna_run_row *row, int column, cna_run_generation *g, cna_error *err)
{
    const void *bytes = NULL;
    size_t n_bytes = 0;
    CNA_TRY(cna_run_row_blob(row, column, &bytes, &n_bytes, err));
    if (n_bytes % 4 != 0 || n_bytes / 4 != g->n_tokens) {
        return cna_run_row_fail(row, column, "four for each of n_tokens", err);
    }
    CNA_TRY(cna_grow(&r->ids, &r->capacity, g->n_tokens + 1, sizeof *r->ids, "token ids", err));
    ids_from_bytes(bytes, g->n_tokens, r->ids);
    for (size_t i = 0; i < g->n_tokens; i++) {
        if (r->ids[i] < 0) return cna_run_row_fail(row, column, "token ids of 0 and more", err);
    }
    g->ids = r->ids;
    return CNA_OK;
}

static cna_status read_place(const cna_run_row *row, cna_run_generation *g, cna_error *err)
{
    int method = 0, side = 0;
    CNA_TRY(cna_run_row_int(row, 0, 1, INT64_MAX, &g->id, err));
    CNA_TRY(cna_run_row_int(row, 1, 1, INT64_MAX, &g->condition, err));
    CNA_TRY(cna_run_row_int(row, 2, 1, INT64_MAX, &g->prompt, err));
    CNA_TRY(cna_run_row_count(row, 3, &g->condition_position, err));
    CNA_TRY(cna_run_row_count(row, 4, &g->prompt_position, err));
    CNA_TRY(cna_run_row_name(row, 5, cna_run_methods, CNA_RUN_N_METHODS, &method, err));
    CNA_TRY(cna_run_row_name(row, 6, cna_run_sides, CNA_RUN_N_SIDES, &side, err));
    g->method = (cna_run_method)method;
    g->side = (cna_side)side;
    return CNA_OK;
}

static cna_status read_generation(void *user, const cna_run_row *row, cna_error *err)
{
    reader *r = user;
    cna_run_generation g = {.outcome = CNA_RUN_NO_OUTCOME};
    int stop = 0;
    CNA_TRY(read_place(row, &g, err));
    CNA_TRY(cna_run_row_count(row, 7, &g.n_tokens, err));
    CNA_TRY(read_ids(r, row, 8, &g, err));
    CNA_TRY(cna_run_row_string(row, 9, &g.text, &g.n_bytes, err));
    CNA_TRY(cna_run_row_count(row, 10, &g.n_words, err));
    CNA_TRY(cna_run_row_name(row, 11, stop_names, 2, &stop, err));
    CNA_TRY(cna_run_row_bool(row, 12, &g.refused, err));
    CNA_TRY(cna_run_row_number(row, 13, &g.quality, err));
    CNA_TRY(cna_run_row_real(row, 14, &g.mean_logprob, err));
    if (!cna_run_row_is_null(row, 15)) CNA_TRY(cna_run_row_name(row, 15, outcome_names, 3, &g.outcome, err));
    CNA_TRY(cna_run_row_real(row, 16, &g.kl, err));
    g.stop = (cna_stop)stop;
    return r->fn(r->user, &g, err);
}

cna_status cna_run_each_generation(cna_run *run, int64_t part, int64_t condition, cna_run_generation_fn *fn, void *user,
                                   cna_error *err)
{
    reader r = {.fn = fn, .user = user};
    cna_run_value values[] = {cna_run_int(part), cna_run_int(condition)};
    cna_status status = cna_run_rows(
        run, "a generation",
        "SELECT generation.id, condition.id, prompt.id, condition.position, prompt.position, condition.method,"
        " prompt.side, n_tokens, ids, generation.text, n_words, stop, refused, quality, mean_logprob, outcome, kl"
        " FROM condition JOIN generation ON generation.condition = condition.id"
        " JOIN prompt ON prompt.id = generation.prompt AND prompt.part = condition.part"
        " WHERE condition.part = ?1 AND (?2 = 0 OR condition.id = ?2)"
        " ORDER BY condition.position, prompt.side DESC, prompt.position",
        values, 2, read_generation, &r, err);
    cna_free(r.ids);
    return status;
}

typedef struct gathering {
    cna_run_generations list;
    size_t capacity;
} gathering;

static cna_status gather(void *user, const cna_run_generation *g, cna_error *err)
{
    gathering *all = user;
    CNA_TRY(cna_grow(&all->list.items, &all->capacity, all->list.n + 1, sizeof *all->list.items, "answers", err));
    cna_run_generation *item = &all->list.items[all->list.n];
    int32_t *ids;
    char *text;
    *item = *g;
    item->ids = NULL;
    item->text = NULL;
    all->list.n++; /* from here on the list frees what the item holds */
    CNA_TRY(cna_alloc(&ids, g->n_tokens, sizeof *ids, "token ids", err));
    if (g->n_tokens != 0) memcpy(ids, g->ids, g->n_tokens * sizeof *ids);
    item->ids = ids;
    CNA_TRY(cna_copy_bytes(&text, g->text, g->n_bytes, "answer", err));
    item->text = text;
    return CNA_OK;
}

cna_status cna_run_read_generations(cna_run *run, int64_t part, int64_t condition, cna_run_generations *out,
                                    cna_error *err)
{
    gathering all = {0};
    *out = (cna_run_generations){0};
    cna_status status = cna_run_each_generation(run, part, condition, gather, &all, err);
    if (status == CNA_OK) {
        *out = all.list;
    } else {
        cna_run_generations_free(&all.list);
    }
    return status;
}

void cna_run_generations_free(cna_run_generations *generations)
{
    for (size_t i = 0; i < generations->n; i++) {
        /* const only for readers */
        cna_free((void *)(uintptr_t)generations->items[i].ids);
        cna_free((void *)(uintptr_t)generations->items[i].text);
    }
    cna_free(generations->items);
    *generations = (cna_run_generations){0};
}

/* ---- completing ---- */

static cna_status update_all(cna_run *run, const cna_run_generation *generations, size_t n, cna_error *err)
{
    for (size_t i = 0; i < n; i++) {
        const cna_run_generation *g = &generations[i];
        cna_run_value values[] = {cna_run_int(g->id), cna_run_real(g->mean_logprob), outcome_value(g->outcome),
                                  cna_run_real(g->kl)};
        CNA_TRY(cna_run_write(run, "UPDATE generation SET mean_logprob = ?2, outcome = ?3, kl = ?4 WHERE id = ?1",
                              values, 4, err));
        if (cna_run_n_changed(run) == 1) continue;
        return cna_fail(err, CNA_ERR_MISMATCH, "%s: there is no generation %lld", run->path, (long long)g->id);
    }
    return CNA_OK;
}

cna_status cna_run_update_generations(cna_run *run, const cna_run_generation *generations, size_t n, cna_error *err)
{
    bool own;
    CNA_TRY(cna_run_scope_begin(run, &own, err));
    return cna_run_scope_end(run, own, update_all(run, generations, n, err), err);
}
