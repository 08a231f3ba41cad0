/* SPDX-License-Identifier: MIT
 * Questions with four answers, and what each condition chose. */
#include <math.h>

#include "study/run_sql.h"

static const char *const question_columns[] = {"part", "subject", "position", "text", "answer"};
static const cna_run_table question_table = {
    .name = "question",
    .insert = "INSERT INTO question (part, subject, position, text, answer) VALUES (?1, ?2, ?3, ?4, ?5)"
              " ON CONFLICT DO NOTHING",
    .select = "SELECT id, text, answer FROM question WHERE part = ?1 AND subject = ?2 AND position = ?3",
    .columns = question_columns,
    .n_key = 3,
    .n_columns = sizeof question_columns / sizeof *question_columns,
};

cna_status cna_run_add_question(cna_run *run, int64_t part, const cna_run_question *question, int64_t *out_id,
                                cna_error *err)
{
    cna_run_value values[] = {cna_run_int(part), cna_run_text(question->subject),
                              cna_run_int((int64_t)question->position),
                              cna_run_bytes(question->text, question->n_bytes), cna_run_int(question->answer)};
    return cna_run_add(run, &question_table, values, out_id, err);
}

static const char *const choice_columns[] = {"condition", "question",  "chosen",   "logprob_a",
                                             "logprob_b", "logprob_c", "logprob_d"};
static const cna_run_table choice_table = {
    .name = "choice",
    .insert = "INSERT INTO choice (condition, question, chosen, logprob_a, logprob_b, logprob_c, logprob_d)"
              " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
    .select = "SELECT 0, chosen, logprob_a, logprob_b, logprob_c, logprob_d FROM choice"
              " WHERE condition = ?1 AND question = ?2",
    .columns = choice_columns,
    .n_key = 2,
    .n_columns = sizeof choice_columns / sizeof *choice_columns,
};

cna_status cna_run_add_choice(cna_run *run, const cna_run_choice *choice, cna_error *err)
{
    cna_run_value values[] = {cna_run_int(choice->condition),    cna_run_int(choice->question),
                              cna_run_int(choice->chosen),       cna_run_real(choice->logprobs[0]),
                              cna_run_real(choice->logprobs[1]), cna_run_real(choice->logprobs[2]),
                              cna_run_real(choice->logprobs[3])};
    return cna_run_add(run, &choice_table, values, NULL, err);
}

typedef struct reader {
    cna_run_choice_fn *fn;
    void *user;
} reader;

static cna_status read_choice(void *user, const cna_run_row *row, cna_error *err)
{
    const reader *r = user;
    cna_run_choice choice = {0};
    int64_t chosen = 0, answer = 0;
    CNA_TRY(cna_run_row_int(row, 0, 1, INT64_MAX, &choice.condition, err));
    CNA_TRY(cna_run_row_int(row, 1, 1, INT64_MAX, &choice.question, err));
    CNA_TRY(cna_run_row_int(row, 2, 0, 3, &chosen, err));
    for (int i = 0; i < 4; i++) CNA_TRY(cna_run_row_number(row, 3 + i, &choice.logprobs[i], err));
    CNA_TRY(cna_run_row_count(row, 7, &choice.condition_position, err));
    CNA_TRY(cna_run_row_string(row, 8, &choice.subject, NULL, err));
    CNA_TRY(cna_run_row_count(row, 9, &choice.question_position, err));
    CNA_TRY(cna_run_row_int(row, 10, 0, 3, &answer, err));
    choice.chosen = (int)chosen;
    choice.answer = (int)answer;
    return r->fn(r->user, &choice, err);
}

cna_status cna_run_each_choice(cna_run *run, int64_t part, int64_t condition, cna_run_choice_fn *fn, void *user,
                               cna_error *err)
{
    reader r = {.fn = fn, .user = user};
    cna_run_value values[] = {cna_run_int(part), cna_run_int(condition)};
    return cna_run_rows(run, "a choice",
                        "SELECT condition.id, question.id, chosen, logprob_a, logprob_b, logprob_c, logprob_d,"
                        " condition.position, subject, question.position, answer"
                        " FROM condition JOIN choice ON choice.condition = condition.id"
                        " JOIN question ON question.id = choice.question"
                        " WHERE condition.part = ?1 AND (?2 = 0 OR condition.id = ?2)"
                        " ORDER BY condition.position, subject, question.position",
                        values, 2, read_choice, &r, err);
}
