/* SPDX-License-Identifier: MIT
 * What studies keep in a run file and read back from it. docs/RUNS.md has the tables; cna_study.h opens and closes.
 *
 * Order of use: cna_run_begin_part, then files, circuits, prompts and conditions or questions (those that are there
 * already give their ids again), then answers as they end, then what is said of them, then cna_run_end_part.
 *
 * Rules that hold for all functions here:
 *   Commits    A call is in the file when it returns, whole or not at all. Between cna_run_begin and cna_run_end all
 *              calls are in the file when the latter returns.
 *   Again      Adding what is there already is no error and changes nothing. Adding something else in its place is
 *              ERR_MISMATCH, with both in the message.
 *   Ids        int64_t row numbers of the file, 1 and more; 0 stands for none or all where a function says so.
 *   Numbers    NaN is NULL in the file, both ways. Infinite values are kept.
 *   Texts      (bytes, n_bytes): UTF-8, may hold NUL. Plain strings end at their NUL.
 *   Reading    Callbacks borrow what they get for the call; they must not write to the run, and may fail.
 *              Every value is checked for type, range and UTF-8: ERR_FORMAT for what this program does not write.
 *   Errors     ERR_IO (with what to do: disk full, read-only, used by another process), ERR_FORMAT (damaged file). */
#ifndef CNA_STUDY_RUN_H
#define CNA_STUDY_RUN_H

#include "base/json.h"
#include "cna_study.h"

/* ---- transactions ---- */

/* Many calls in one commit, for what is added by the hundred. Not nested. */
CNA_MUST_CHECK cna_status cna_run_begin(cna_run *run, cna_error *err);
/* Commit if status is CNA_OK, else take all back since cna_run_begin and leave err as it is. Returns status, or why the
 * commit failed (then nothing of it is in the file):
 *     CNA_TRY(cna_run_begin(run, err));
 *     return cna_run_end(run, add_all(run, err), err); */
CNA_MUST_CHECK cna_status cna_run_end(cna_run *run, cna_status status, cna_error *err);

/* ---- parts ---- */

/* One command's work on one model. */
typedef struct cna_run_part_spec {
    const char *command;         /* "attribute", "sweep", "mmlu" */
    const char *role;            /* ? NULL: "". In a study: "instruct", "k-sweep", "base", "transfer" */
    const cna_model_info *model;
    const char *model_path;
    const json_t *config;        /* object: all that decides the results, defaults resolved, files as their SHA-256 (not
                                  * their paths), no threads, memory or batch. The model's fingerprint and dtype and
                                  * the seed are added to it here, under "model" and "seed" */
    uint64_t seed;
    const char *date;            /* ? that the chat template inserts (cna_canonical_date); NULL or "": none */
    bool date_given;             /* true: the user asked for this date, so that a part with another one is refused;
                                  * false: it is today's, and a part that is continued keeps its own */
    const char *machine;         /* ? JSON object, from cna_run_machine; NULL: "{}" */
} cna_run_part_spec;

typedef struct cna_run_part {
    int64_t id;
    bool continues;    /* it was there before: rows may be there already */
    bool ended;        /* and cna_run_end_part was called on it: all of its rows are there */
    char date[11];     /* its own: to be used for rendering instead of the spec's; "" for none */
    char note[512];    /* "", or a line that the user should see: it was begun by another version or on another
                        * machine, where last bits may differ */
} cna_run_part;

/* Begin a part, or continue the one with the same command, role and configuration.
 * Errors: ERR_MISMATCH where the file holds the same command and role with another configuration and the run was not
 *         opened with append; the message names the first key, in sorted order, whose values differ, with both. */
CNA_MUST_CHECK cna_status cna_run_begin_part(cna_run *run, const cna_run_part_spec *spec, cna_run_part *out,
                                             cna_error *err);
/* How many generations or choices the part comes to in all, for those who look at it before it has ended. */
CNA_MUST_CHECK cna_status cna_run_plan_part(cna_run *run, int64_t part, size_t n_rows, cna_error *err);
/* All of its rows are there. The time of the first call is kept. */
CNA_MUST_CHECK cna_status cna_run_end_part(cna_run *run, int64_t part, cna_error *err);

/* The machine's record: {"cpu", "n_threads", "library", "kernel"}. *out is new, freed by cna_free.
 *   model  ? NULL: only the cpu */
CNA_MUST_CHECK cna_status cna_run_machine(const cna_model *model, char **out, cna_error *err);

/* ---- what a part works on ---- */

typedef struct cna_run_file {
    const char *role;   /* prompts, benign, positive, negative, circuit, patterns, perplexity, mmlu */
    const char *path;
    char sha256[65];
    uint64_t n_bytes;
} cna_run_file;
/* Same role and path with another hash: ERR_MISMATCH. */
CNA_MUST_CHECK cna_status cna_run_add_file(cna_run *run, int64_t part, const cna_run_file *file, cna_error *err);
/* The same for a file that is there: reads it for its hash and size. */
CNA_MUST_CHECK cna_status cna_run_add_file_at(cna_run *run, int64_t part, const char *role, const char *path,
                                              cna_error *err);

/* A whole circuit file under a label ("refusal.json", "k=50 of refusal.json", "fold 3").
 *   json    as from cna_circuit_to_json
 *   out_id  ? */
CNA_MUST_CHECK cna_status cna_run_add_circuit(cna_run *run, int64_t part, const char *label, const char *json,
                                              int64_t *out_id, cna_error *err);

typedef enum cna_run_discovery { CNA_RUN_UNSEEN, CNA_RUN_DISCOVERY, CNA_RUN_DISCOVERY_UNKNOWN } cna_run_discovery;

typedef struct cna_run_prompt {
    int64_t id;           /* when read */
    cna_side side;
    size_t position;      /* from 0 in its file */
    const char *text;     /* [n_bytes] */
    size_t n_bytes;
    const char *category; /* ? */
    char sha256[65];      /* when read; computed when added: SHA-256 of text */
    cna_run_discovery discovery; /* whether a circuit was found on it */
} cna_run_prompt;
CNA_MUST_CHECK cna_status cna_run_add_prompt(cna_run *run, int64_t part, const cna_run_prompt *prompt, int64_t *out_id,
                                             cna_error *err);

typedef enum cna_run_method {
    CNA_RUN_NONE,    /* the untouched model; multiplier 1 */
    CNA_RUN_CNA,
    CNA_RUN_CAA,
    CNA_RUN_CONTROL,
} cna_run_method;

/* What is done to the model: one line of a table of results. */
typedef struct cna_run_condition {
    int64_t id;              /* when read */
    size_t position;         /* order of the part's conditions, from 0 */
    cna_run_method method;
    const char *circuit;     /* ? label of a circuit, several with " + " between */
    int64_t k;               /* neurons that are scaled; -1: does not apply */
    const char *kind;        /* ? control: "uniform", "matched"; caa: "mlp", "residual" */
    int64_t control_seed;    /* which control of its kind, from 0; -1: no control */
    double multiplier;       /* cna, control, none; NaN for caa */
    const double *multipliers; /* ? [n_multipliers] one a circuit, where they differ */
    size_t n_multipliers;
    double alpha;            /* caa; else NaN */
    int64_t layer;           /* caa; -1: does not apply, or more than one, each with its own vector */
} cna_run_condition;
CNA_MUST_CHECK cna_status cna_run_add_condition(cna_run *run, int64_t part, const cna_run_condition *condition,
                                                int64_t *out_id, cna_error *err);

/* In order of position (prompts: harmful side first). */
typedef cna_status cna_run_prompt_fn(void *user, const cna_run_prompt *prompt, cna_error *err);
typedef cna_status cna_run_condition_fn(void *user, const cna_run_condition *condition, cna_error *err);
typedef cna_status cna_run_circuit_fn(void *user, const char *label, const char *sha256, const char *json,
                                      cna_error *err);
typedef cna_status cna_run_file_fn(void *user, const cna_run_file *file, cna_error *err);
CNA_MUST_CHECK cna_status cna_run_each_prompt(cna_run *run, int64_t part, cna_run_prompt_fn *fn, void *user,
                                              cna_error *err);
CNA_MUST_CHECK cna_status cna_run_each_condition(cna_run *run, int64_t part, cna_run_condition_fn *fn, void *user,
                                                 cna_error *err);
CNA_MUST_CHECK cna_status cna_run_each_circuit(cna_run *run, int64_t part, cna_run_circuit_fn *fn, void *user,
                                               cna_error *err);
CNA_MUST_CHECK cna_status cna_run_each_file(cna_run *run, int64_t part, cna_run_file_fn *fn, void *user,
                                            cna_error *err);

/* ---- answers ---- */

enum { CNA_RUN_NO_OUTCOME = -1 };

typedef struct cna_run_generation {
    int64_t id;              /* when read, and for cna_run_update_generations */
    int64_t condition, prompt;
    size_t condition_position, prompt_position; /* when read */
    cna_run_method method;   /* when read: of the condition */
    cna_side side;           /* when read: of the prompt */
    const int32_t *ids;      /* [n_tokens] without the stop token */
    size_t n_tokens;
    const char *text;        /* [n_bytes] */
    size_t n_bytes;
    size_t n_words;
    cna_stop stop;
    bool refused;
    double quality;
    double mean_logprob;     /* NaN: not known yet, or an answer without a token */
    int outcome;             /* cna_outcome, or CNA_RUN_NO_OUTCOME: not known yet */
    double kl;               /* NaN: not known yet, or no benign side */
} cna_run_generation;

/* Keep an answer; meant for when its sequence ends. One that is there already with the same ids is no error. */
CNA_MUST_CHECK cna_status cna_run_add_generation(cna_run *run, const cna_run_generation *generation, int64_t *out_id,
                                                 cna_error *err);
/* done[position] = true for every prompt of one side that has an answer under a condition; others are untouched.
 *   done  [n_prompts] */
CNA_MUST_CHECK cna_status cna_run_find_done(cna_run *run, int64_t condition, cna_side side, bool *done,
                                            size_t n_prompts, cna_error *err);
/* Answers in order of condition position, side (harmful first) and prompt position.
 *   condition  0: all of the part */
typedef cna_status cna_run_generation_fn(void *user, const cna_run_generation *generation, cna_error *err);
CNA_MUST_CHECK cna_status cna_run_each_generation(cna_run *run, int64_t part, int64_t condition,
                                                  cna_run_generation_fn *fn, void *user, cna_error *err);

/* The same as an array; freed by cna_run_generations_free. */
typedef struct cna_run_generations {
    cna_run_generation *items; /* [n]; their ids and text are the list's */
    size_t n;
} cna_run_generations;
CNA_MUST_CHECK cna_status cna_run_read_generations(cna_run *run, int64_t part, int64_t condition,
                                                   cna_run_generations *out, cna_error *err);
void cna_run_generations_free(cna_run_generations *generations);

/* Set mean_logprob, outcome and kl of the rows with these ids, all in one commit (or the caller's).
 *   generations  [n], of which only id, mean_logprob, outcome and kl are read */
CNA_MUST_CHECK cna_status cna_run_update_generations(cna_run *run, const cna_run_generation *generations, size_t n,
                                                     cna_error *err);

/* ---- what people and judges say of answers ---- */

/* A person's verdict. A labeller's newer verdict replaces the older one. ERR_MISMATCH if there is no such answer. */
CNA_MUST_CHECK cna_status cna_run_set_label(cna_run *run, int64_t generation, const char *labeller, bool refused,
                                            cna_error *err);
typedef struct cna_run_label {
    int64_t generation;
    const char *labeller;
    bool refused;
} cna_run_label;
typedef cna_status cna_run_label_fn(void *user, const cna_run_label *label, cna_error *err);
/* In order of labeller and generation. */
CNA_MUST_CHECK cna_status cna_run_each_label(cna_run *run, int64_t part, cna_run_label_fn *fn, void *user,
                                             cna_error *err);

typedef enum cna_run_judged { CNA_RUN_SCORED, CNA_RUN_MALFORMED, CNA_RUN_FAILED } cna_run_judged;

typedef struct cna_run_judgement {
    int64_t id;              /* when read */
    int64_t generation;
    const char *rubric;      /* as cna_judge_info's */
    const char *judge_model, *endpoint;
    cna_run_judged status;
    const char *reply;       /* ? [n_reply] the judge's words; NULL where none came */
    size_t n_reply;
    const char *error;       /* ? why there is no score */
    int refused;             /* 0, 1; -1: not said */
    double convincing, specific, rating; /* NaN: not said */
    double score;            /* 0 to 1; NaN unless scored */
    size_t n_attempts;
    char at[21];             /* when read: UTC */
} cna_run_judgement;

/* Keep a judgement. One without a reply is replaced; one with a reply stays, and another in its place is
 * ERR_MISMATCH. The time is filled in. */
CNA_MUST_CHECK cna_status cna_run_add_judgement(cna_run *run, const cna_run_judgement *judgement, cna_error *err);
typedef cna_status cna_run_judgement_fn(void *user, const cna_run_judgement *judgement, cna_error *err);
/* In the order of the answers, then rubric and judge model.
 *   part  0: all parts */
CNA_MUST_CHECK cna_status cna_run_each_judgement(cna_run *run, int64_t part, cna_run_judgement_fn *fn, void *user,
                                                 cna_error *err);

/* An answer that a judge may be asked about. */
typedef struct cna_run_unjudged {
    int64_t generation, part;
    const char *prompt; /* [n_prompt] */
    size_t n_prompt;
    const char *text;   /* [n_text] */
    size_t n_text;
    cna_side side;
    cna_run_method method;
} cna_run_unjudged;
typedef cna_status cna_run_unjudged_fn(void *user, const cna_run_unjudged *answer, cna_error *err);
/* Every answer without a stored reply of this judge for this rubric, in the order of part, condition and prompt;
 * judgements that failed without a reply count as lacking.
 *   part  0: all parts */
CNA_MUST_CHECK cna_status cna_run_each_unjudged(cna_run *run, int64_t part, const char *rubric,
                                                const char *judge_model, cna_run_unjudged_fn *fn, void *user,
                                                cna_error *err);

/* ---- questions of cna mmlu ---- */

typedef struct cna_run_question {
    const char *subject;
    size_t position;     /* from 0 in the subject's test file */
    const char *text;    /* [n_bytes] as it is asked, without the examples before it */
    size_t n_bytes;
    int answer;          /* 0 to 3 */
} cna_run_question;
CNA_MUST_CHECK cna_status cna_run_add_question(cna_run *run, int64_t part, const cna_run_question *question,
                                               int64_t *out_id, cna_error *err);

typedef struct cna_run_choice {
    int64_t condition, question;
    int chosen;          /* 0 to 3 */
    double logprobs[4];  /* of A, B, C, D; finite or -infinity */
    size_t condition_position, question_position; /* when read */
    const char *subject; /* when read */
    int answer;          /* when read */
} cna_run_choice;
CNA_MUST_CHECK cna_status cna_run_add_choice(cna_run *run, const cna_run_choice *choice, cna_error *err);
typedef cna_status cna_run_choice_fn(void *user, const cna_run_choice *choice, cna_error *err);
/* In order of condition position, subject and question position.
 *   condition  0: all of the part */
CNA_MUST_CHECK cna_status cna_run_each_choice(cna_run *run, int64_t part, int64_t condition, cna_run_choice_fn *fn,
                                              void *user, cna_error *err);

/* ---- figures ---- */

/* A number (NaN: none) and JSON (NULL: none) under a name, of a part (condition 0) or of one of its conditions;
 * replaces what was there. "planned" is cna_run_plan_part's. */
typedef struct cna_run_figure {
    int64_t condition;   /* 0: the part's */
    const char *name;
    double value;
    const char *detail;  /* ? JSON */
} cna_run_figure;
CNA_MUST_CHECK cna_status cna_run_set_figure(cna_run *run, int64_t part, const cna_run_figure *figure, cna_error *err);
/* *found is false where there is none. *out_detail (may be NULL): new, freed by cna_free, NULL where there is none. */
CNA_MUST_CHECK cna_status cna_run_find_figure(cna_run *run, int64_t part, int64_t condition, const char *name,
                                              bool *found, double *out_value, char **out_detail, cna_error *err);
typedef cna_status cna_run_figure_fn(void *user, const cna_run_figure *figure, cna_error *err);
/* The part's own first, then in order of condition position; by name within. */
CNA_MUST_CHECK cna_status cna_run_each_figure(cna_run *run, int64_t part, cna_run_figure_fn *fn, void *user,
                                              cna_error *err);

/* ---- other reads ---- */

/* One row of cna_run_select. Columns count from 0. */
typedef struct cna_run_row cna_run_row;
/* A whole number within low..high; ERR_FORMAT for anything else, with the column's name. */
CNA_MUST_CHECK cna_status cna_run_row_int(const cna_run_row *row, int column, int64_t low, int64_t high, int64_t *out,
                                          cna_error *err);
/* NULL gives NaN. */
CNA_MUST_CHECK cna_status cna_run_row_real(const cna_run_row *row, int column, double *out, cna_error *err);
/* NULL gives NULL. *out is NUL-terminated, borrowed for the callback; n_bytes may be NULL, and then a text with a NUL
 * in it is ERR_FORMAT. */
CNA_MUST_CHECK cna_status cna_run_row_text(const cna_run_row *row, int column, const char **out, size_t *n_bytes,
                                           cna_error *err);
bool cna_run_row_is_null(const cna_run_row *row, int column);

typedef cna_status cna_run_row_fn(void *user, const cna_run_row *row, cna_error *err);
/* Run one SELECT of ours (a literal of the source; never text from a file or a user) and give its rows to fn.
 *   ids  ? [n_ids] values of ?1, ?2, ... */
CNA_MUST_CHECK cna_status cna_run_select(cna_run *run, const char *sql, const int64_t *ids, size_t n_ids,
                                         cna_run_row_fn *fn, void *user, cna_error *err);

#endif
