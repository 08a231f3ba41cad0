/* SPDX-License-Identifier: MIT
 * What people and judges say of answers. */
#include <math.h>
#include <string.h>

#include "study/run_sql.h"

static const char *const judged_names[] = {[CNA_RUN_SCORED] = "scored", [CNA_RUN_MALFORMED] = "malformed",
                                           [CNA_RUN_FAILED] = "failed"};

/* ---- labels ---- */

cna_status cna_run_set_label(cna_run *run, int64_t generation, const char *labeller, bool refused, cna_error *err)
{
    cna_run_value values[] = {cna_run_int(generation), cna_run_text(labeller), cna_run_int(refused)};
    return cna_run_write(run,
                         "INSERT INTO label (generation, labeller, refused) VALUES (?1, ?2, ?3)"
                         " ON CONFLICT (generation, labeller) DO UPDATE SET refused = excluded.refused",
                         values, 3, err);
}

typedef struct label_reader {
    cna_run_label_fn *fn;
    void *user;
} label_reader;

static cna_status read_label(void *user, const cna_run_row *row, cna_error *err)
{
    const label_reader *r = user;
    cna_run_label label = {0};
    CNA_TRY(cna_run_row_int(row, 0, 1, INT64_MAX, &label.generation, err));
    CNA_TRY(cna_run_row_string(row, 1, &label.labeller, NULL, err));
    CNA_TRY(cna_run_row_bool(row, 2, &label.refused, err));
    return r->fn(r->user, &label, err);
}

cna_status cna_run_each_label(cna_run *run, int64_t part, cna_run_label_fn *fn, void *user, cna_error *err)
{
    label_reader r = {.fn = fn, .user = user};
    cna_run_value key = cna_run_int(part);
    return cna_run_rows(run, "a label",
                        "SELECT label.generation, labeller, label.refused FROM label"
                        " JOIN generation ON generation.id = label.generation"
                        " JOIN condition ON condition.id = generation.condition"
                        " WHERE condition.part = ?1 ORDER BY labeller, label.generation",
                        &key, 1, read_label, &r, err);
}

/* ---- judgements ---- */

/* A row with a reply stays as it is: the WHERE makes the update miss it. */
static const char add_judgement[] =
    "INSERT INTO judgement (generation, rubric, judge_model, endpoint, status, reply, error, refused, convincing,"
    " specific, rating, score, n_attempts, at)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))"
    " ON CONFLICT (generation, rubric, judge_model) DO UPDATE SET endpoint = excluded.endpoint,"
    " status = excluded.status, reply = excluded.reply, error = excluded.error, refused = excluded.refused,"
    " convincing = excluded.convincing, specific = excluded.specific, rating = excluded.rating,"
    " score = excluded.score, n_attempts = excluded.n_attempts, at = excluded.at WHERE judgement.reply IS NULL";

typedef struct stored_reply {
    const cna_run_judgement *judgement;
    bool same;
} stored_reply;

static cna_status compare_reply(void *user, const cna_run_row *row, cna_error *err)
{
    stored_reply *stored = user;
    const char *reply = NULL;
    size_t n = 0;
    CNA_TRY(cna_run_row_text(row, 0, &reply, &n, err));
    const cna_run_judgement *j = stored->judgement;
    stored->same = reply != NULL && j->reply != NULL && n == j->n_reply && memcmp(reply, j->reply, n) == 0;
    return CNA_OK;
}

static cna_status check_stored(cna_run *run, const cna_run_judgement *j, cna_error *err)
{
    stored_reply stored = {.judgement = j};
    cna_run_value key[] = {cna_run_int(j->generation), cna_run_text(j->rubric), cna_run_text(j->judge_model)};
    CNA_TRY(cna_run_rows(run, "a judgement",
                         "SELECT reply FROM judgement WHERE generation = ?1 AND rubric = ?2 AND judge_model = ?3", key,
                         3, compare_reply, &stored, err));
    if (stored.same) return CNA_OK;
    return cna_fail(err, CNA_ERR_MISMATCH,
                    "%s: generation %lld: expected no reply of %s for the rubric %s yet, found another one",
                    run->path, (long long)j->generation, j->judge_model, j->rubric);
}

cna_status cna_run_add_judgement(cna_run *run, const cna_run_judgement *j, cna_error *err)
{
    cna_run_value values[] = {
        cna_run_int(j->generation),
        cna_run_text(j->rubric),
        cna_run_text(j->judge_model),
        cna_run_text(j->endpoint),
        cna_run_text(judged_names[j->status]),
        cna_run_bytes(j->reply, j->n_reply),
        cna_run_text(j->error),
        cna_run_int_or_null(j->refused, -1),
        cna_run_real(j->convincing),
        cna_run_real(j->specific),
        cna_run_real(j->rating),
        cna_run_real(j->score),
        cna_run_int((int64_t)j->n_attempts),
    };
    CNA_TRY(cna_run_write(run, add_judgement, values, sizeof values / sizeof *values, err));
    return cna_run_n_changed(run) == 1 ? CNA_OK : check_stored(run, j, err);
}

typedef struct judgement_reader {
    cna_run_judgement_fn *fn;
    void *user;
} judgement_reader;

static cna_status read_scores(const cna_run_row *row, cna_run_judgement *j, cna_error *err)
{
    int64_t refused = -1;
    CNA_TRY(cna_run_row_int_or(row, 8, -1, 0, 1, &refused, err));
    CNA_TRY(cna_run_row_real(row, 9, &j->convincing, err));
    CNA_TRY(cna_run_row_real(row, 10, &j->specific, err));
    CNA_TRY(cna_run_row_real(row, 11, &j->rating, err));
    CNA_TRY(cna_run_row_real(row, 12, &j->score, err));
    j->refused = (int)refused;
    bool scored = j->status == CNA_RUN_SCORED;
    if (scored ? !(j->score >= 0 && j->score <= 1) : !isnan(j->score)) {
        return cna_run_row_fail(row, 12, scored ? "0 to 1" : "nothing without a score", err);
    }
    return CNA_OK;
}

static cna_status read_judgement(void *user, const cna_run_row *row, cna_error *err)
{
    const judgement_reader *r = user;
    cna_run_judgement j = {0};
    int status = 0;
    const char *at = NULL;
    CNA_TRY(cna_run_row_int(row, 0, 1, INT64_MAX, &j.id, err));
    CNA_TRY(cna_run_row_int(row, 1, 1, INT64_MAX, &j.generation, err));
    CNA_TRY(cna_run_row_string(row, 2, &j.rubric, NULL, err));
    CNA_TRY(cna_run_row_string(row, 3, &j.judge_model, NULL, err));
    CNA_TRY(cna_run_row_string(row, 4, &j.endpoint, NULL, err));
    CNA_TRY(cna_run_row_name(row, 5, judged_names, 3, &status, err));
    CNA_TRY(cna_run_row_text(row, 6, &j.reply, &j.n_reply, err));
    CNA_TRY(cna_run_row_text(row, 7, &j.error, NULL, err));
    j.status = (cna_run_judged)status;
    CNA_TRY(read_scores(row, &j, err));
    CNA_TRY(cna_run_row_count(row, 13, &j.n_attempts, err));
    CNA_TRY(cna_run_row_string(row, 14, &at, NULL, err));
    if (strlen(at) != sizeof j.at - 1) return cna_run_row_fail(row, 14, "YYYY-MM-DDTHH:MM:SSZ", err);
    memcpy(j.at, at, sizeof j.at);
    return r->fn(r->user, &j, err);
}

cna_status cna_run_each_judgement(cna_run *run, int64_t part, cna_run_judgement_fn *fn, void *user, cna_error *err)
{
    judgement_reader r = {.fn = fn, .user = user};
    cna_run_value key = cna_run_int(part);
    return cna_run_rows(run, "a judgement",
                        "SELECT judgement.id, judgement.generation, rubric, judge_model, endpoint, status, reply,"
                        " error, judgement.refused, convincing, specific, rating, score, n_attempts, at"
                        " FROM judgement JOIN generation ON generation.id = judgement.generation"
                        " JOIN condition ON condition.id = generation.condition"
                        " JOIN prompt ON prompt.id = generation.prompt"
                        " WHERE ?1 = 0 OR condition.part = ?1"
                        " ORDER BY condition.part, condition.position, prompt.side DESC, prompt.position, rubric,"
                        " judge_model",
                        &key, 1, read_judgement, &r, err);
}

/* ---- what a judge is still to be asked ---- */

typedef struct unjudged_reader {
    cna_run_unjudged_fn *fn;
    void *user;
} unjudged_reader;

static cna_status read_unjudged(void *user, const cna_run_row *row, cna_error *err)
{
    const unjudged_reader *r = user;
    cna_run_unjudged answer = {0};
    int side = 0, method = 0;
    CNA_TRY(cna_run_row_int(row, 0, 1, INT64_MAX, &answer.generation, err));
    CNA_TRY(cna_run_row_int(row, 1, 1, INT64_MAX, &answer.part, err));
    CNA_TRY(cna_run_row_string(row, 2, &answer.prompt, &answer.n_prompt, err));
    CNA_TRY(cna_run_row_string(row, 3, &answer.text, &answer.n_text, err));
    CNA_TRY(cna_run_row_name(row, 4, cna_run_sides, CNA_RUN_N_SIDES, &side, err));
    CNA_TRY(cna_run_row_name(row, 5, cna_run_methods, CNA_RUN_N_METHODS, &method, err));
    answer.side = (cna_side)side;
    answer.method = (cna_run_method)method;
    return r->fn(r->user, &answer, err);
}

cna_status cna_run_each_unjudged(cna_run *run, int64_t part, const char *rubric, const char *judge_model,
                                 cna_run_unjudged_fn *fn, void *user, cna_error *err)
{
    unjudged_reader r = {.fn = fn, .user = user};
    cna_run_value values[] = {cna_run_int(part), cna_run_text(rubric), cna_run_text(judge_model)};
    return cna_run_rows(run, "an answer",
                        "SELECT generation.id, condition.part, prompt.text, generation.text, prompt.side,"
                        " condition.method FROM generation JOIN condition ON condition.id = generation.condition"
                        " JOIN prompt ON prompt.id = generation.prompt"
                        " WHERE (?1 = 0 OR condition.part = ?1) AND NOT EXISTS (SELECT 1 FROM judgement"
                        " WHERE judgement.generation = generation.id AND judgement.rubric = ?2"
                        " AND judgement.judge_model = ?3 AND judgement.reply IS NOT NULL)"
                        " ORDER BY condition.part, condition.position, prompt.side DESC, prompt.position",
                        values, 3, read_unjudged, &r, err);
}
