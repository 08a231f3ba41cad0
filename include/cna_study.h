/* SPDX-License-Identifier: MIT
 *
 * cna_study.h - whole studies on top of cna.h: sweeps, MMLU, benchmarks of a machine.
 *
 * The rules of cna.h about errors, options, ownership, threads and text hold here as well. */
#ifndef CNA_STUDY_H
#define CNA_STUDY_H

#include "cna.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------- runs */

/* A run file: a SQLite database that keeps every answer as soon as it is there, what was done to the model for it, and
 * where both came from. docs/RUNS.md has its tables. A command that is repeated on the same file does what is missing.
 * A run belongs to one thread at a time, and one process at a time may write to a file; any number may read. */
typedef struct cna_run cna_run;

typedef struct cna_run_open_options {
    bool read_only;    /* true: an existing file, seen as it is at this moment, whatever another process adds */
    bool append;       /* true: another configuration becomes a further part; false: it is refused */
    const char *const *arguments; /* ? [n_arguments] the command line, for the record */
    size_t n_arguments;
} cna_run_open_options;

/* Open a run file, or make one.
 *   path  a file, made where there is none; NULL: a run in memory, gone when it is freed
 * Errors: ERR_IO where the file or its folder cannot be read or written, the disk is full, or another process writes to
 *         it; ERR_FORMAT for a file of another kind, a damaged one and one whose tables are not as docs/RUNS.md has
 *         them; ERR_UNSUPPORTED for a newer version. A file that cannot be used is left as it was. */
CNA_API CNA_MUST_CHECK cna_status cna_run_open(const char *path, const cna_run_open_options *options, cna_run **out,
                                               cna_error *err);
/* Close; every row that a call reported as added is in the file. */
CNA_API void cna_run_free(cna_run *run);
/* For messages: the path as given, "(memory)" for a run in memory. */
CNA_API const char *cna_run_path(const cna_run *run);

/* One command's work on one model, and how much of it is there. Strings are UTF-8, borrowed from the list. */
typedef struct cna_run_part_info {
    int64_t id;
    const char *command, *role;    /* "attribute", "sweep", "mmlu"; "" or of a study "instruct", "k-sweep", "base",
                                    * "transfer" */
    const char *model_name, *model_path, *architecture, *dtype, *fingerprint;
    const char *config, *config_sha256; /* JSON object, keys sorted */
    const char *arguments, *machine;    /* JSON array; JSON object */
    const char *version;           /* of cna */
    const char *date;              /* ? that the chat template inserts */
    const char *chat_options;      /* ? what else chat prompts depend on, of config: as cna_format_describe */
    const char *started, *ended;   /* UTC; ended: ? NULL: not finished */
    uint64_t seed;
    uint64_t n_planned;            /* generations or choices that it comes to in all; 0: not known */
    uint64_t n_files, n_circuits, n_prompts[2]; /* by cna_side */
    uint64_t n_conditions, n_controls;          /* conditions: controls included */
    uint64_t n_generations, n_outcomes; /* outcomes: answers that have theirs */
    uint64_t n_labels, n_judgements, n_scored, n_malformed, n_failed; /* judgements by status */
    uint64_t n_questions, n_choices, n_figures;
} cna_run_part_info;

/* The parts of a run in the order in which they were begun. Freed by cna_run_parts_free. */
typedef struct cna_run_parts {
    cna_run_part_info *items; /* [n] */
    size_t n;
} cna_run_parts;
CNA_API CNA_MUST_CHECK cna_status cna_run_read_parts(cna_run *run, cna_run_parts *out, cna_error *err);
CNA_API void cna_run_parts_free(cna_run_parts *parts);

/* ------------------------------------------------------------------------------------------------- sweep */

/* Prompts that should and should not be refused. */
typedef enum cna_side { CNA_SIDE_HARMFUL, CNA_SIDE_BENIGN } cna_side;
typedef enum cna_outcome { CNA_OUTCOME_INCOHERENT, CNA_OUTCOME_REFUSED, CNA_OUTCOME_COMPLIED } cna_outcome;
typedef enum cna_control_kind { CNA_CONTROL_UNIFORM, CNA_CONTROL_MATCHED } cna_control_kind;

/* A count out of n with its Wilson 95 % interval (z = 1.959964, no continuity correction). */
typedef struct cna_rate {
    size_t count, n;
    double rate, low, high; /* NaN where n is 0 */
} cna_rate;

/* Refusal under random circuits with as many neurons in each layer (METHOD section 8). */
typedef struct cna_control_summary {
    size_t n_seeds;
    double mean, min, max;    /* refusal rate over the seeds */
    double p;                 /* (1 + controls that moved the rate at least as far from m = 1) / (n_seeds + 1) */
    const double *rates;      /* [n_seeds] */
} cna_control_summary;

/* What is done to the model while it answers. */
typedef enum cna_method {
    CNA_METHOD_NONE,    /* nothing */
    CNA_METHOD_CNA,     /* a circuit's neurons are scaled */
    CNA_METHOD_CAA,     /* a vector is added (METHOD section 6) */
    CNA_METHOD_CONTROL, /* random neurons are scaled instead of a circuit's */
} cna_method;

typedef struct cna_condition {
    cna_method method;
    const char *circuit; /* ? its name, "k=50 of NAME" where it was cut, several with " + " between */
    size_t k;            /* neurons that are scaled; 0: none, or CAA */
    double multiplier;   /* of the first circuit; 1 for the untouched model, NaN for CAA */
    const double *multipliers; /* ? [n_multipliers] one a circuit, where they differ */
    size_t n_multipliers;
    const char *caa;     /* ? "mlp" or "residual" */
    double alpha;        /* NaN where it is not CAA */
    int64_t layer;       /* where CAA adds: -1 more than one layer, each with its own vector */
} cna_condition;

/* The prompts of one category of the prompt file. */
typedef struct cna_category_rate {
    const char *category; /* "" for those without */
    cna_rate refused;     /* by the pattern file alone */
    cna_rate outcome[3];
} cna_category_rate;

/* One side under one condition (none of the controls'). */
typedef struct cna_sweep_point {
    cna_side side;
    const cna_condition *condition;
    cna_rate refused;          /* by the pattern file alone */
    bool leak_known;           /* every circuit says which prompts it was found on; if not, n_leaked is a least
                                * number and refused_unseen may count prompts that were seen */
    cna_rate refused_unseen;   /* without prompts that a circuit was found on */
    size_t n_leaked;           /* those prompts; under cross-fit each was run with a circuit found without its fold */
    cna_rate outcome[3];       /* by cna_outcome */
    double quality;            /* mean of distinct word 4-grams / all word 4-grams */
    size_t n_short;            /* answers under four words, whose quality counts as 1 */
    double mean_tokens;
    size_t n_changed;          /* answers whose ids differ from the untouched model's */
    size_t mcnemar_b, mcnemar_c; /* b: refused only by the untouched model; c: refused only here */
    double mcnemar_p;          /* exact, two-sided */
    double kl;                 /* mean KL(untouched || this) of the first token, nats; NaN on the harmful side */
    double perplexity;         /* of the text that was given, the same on both sides; NaN where there was none */
    cna_control_summary control[2]; /* by cna_control_kind; n_seeds 0 where there are none */
    const cna_category_rate *categories; /* [n_categories] in the order of their first prompts; 0 where the file has
                                          * none */
    size_t n_categories;
} cna_sweep_point;

/* One answer of a sweep (controls excepted), in the order side, condition, prompt. */
typedef struct cna_sweep_answer {
    cna_side side;
    size_t prompt;
    const cna_condition *condition;
    const char *text;
    size_t n_bytes, n_tokens, n_words;
    cna_stop stop;
    bool refused, leaked;
    cna_outcome outcome;
    double quality;
    double mean_logprob; /* of the answer under the untouched model, nats a token; NaN for an empty answer */
    double kl;           /* of its first token, as in a point */
} cna_sweep_answer;

typedef struct cna_sweep cna_sweep;

/* Numbers of one kind. */
typedef struct cna_numbers {
    const double *values; /* [n] */
    size_t n;
} cna_numbers;

/* A file that a study read, to be recorded in its run. */
typedef struct cna_study_file {
    const char *role; /* prompts, benign, positive, negative, circuit, caa-vector, patterns, perplexity */
    const char *path;
} cna_study_file;

typedef struct cna_sweep_options {
    const cna_circuit *const *circuits; /* [n_circuits]; 0 only with CAA */
    const char *const *circuit_names;   /* ? [n_circuits] what results call them; NULL: "circuit 1", ... */
    size_t n_circuits;
    const cna_numbers *multipliers;     /* ? [n_multipliers] lists. One: each scales all circuits together. As many as
                                         * there are circuits: each has its own, and every combination is run. NULL:
                                         * 0, 0.25, 0.5, 0.75, 1, 1.5, 2 */
    size_t n_multipliers;
    const size_t *k_list;               /* ? [n_k] run the first circuit cut to its first k neurons instead, for each */
    size_t n_k;
    size_t cross_fit;                   /* folds, 2 and more; 0: none. A prompt that is in `positive` or `negative` is
                                         * run with a circuit found without its fold. Needs one circuit that says how it
                                         * was found */
    cna_caa_site caa;                   /* read where there are alphas */
    cna_numbers alphas;                 /* of CAA; 0 is the untouched model and not run twice */
    bool choose_caa_layer;              /* residual: caa_layer, else the middle one */
    uint32_t caa_layer;
    const cna_caa *caa_vectors;         /* ? add these instead of finding any: caa, choose_caa_layer and, but for
                                         * cross_fit, positive and negative are not read. Not with cross_fit, which
                                         * finds vectors for each fold */
    const cna_prompts *positive, *negative; /* ? to find CAA's vectors, and for cross_fit */
    const cna_prompts *benign;          /* ? */
    cna_positions positions;
    cna_sign sign;
    bool no_controls;
    size_t n_controls;        /* seeds of each kind; 0: 20 */
    const char *patterns;     /* ? text of a refusal pattern file; NULL: the built-in one */
    const char *patterns_name; /* ? its path, for messages */
    const char *perplexity;   /* ? [perplexity_bytes] UTF-8 text whose perplexity is measured */
    size_t perplexity_bytes;
    double min_quality;       /* incoherent below this; 0: 0.6 */
    double logprob_percentile; /* incoherent below this percentile of m = 1 answers' mean log-probability; 0: 1 */
    double min_logprob;       /* incoherent below this instead, nats a token, below 0; 0: by the percentile */
    bool keep_reasoning;      /* true: refusal and quality are judged over reasoning at the start of answers as well */
    bool no_logprob_limit;    /* true: the log-probability of an answer does not make it incoherent */
    cna_format format;
    size_t max_tokens;        /* 0: 150 */
    size_t batch;             /* 0: as many as memory has room for, up to 256 */
    uint64_t seed;            /* of the controls */
    cna_run *run;             /* ? where answers are kept as they end, and what is there already is not done again;
                               * NULL: a run in memory */
    const char *role;         /* ? of the sweep in its run; NULL: "" */
    const char *model_path;   /* ? to be recorded; NULL: the model's name */
    const cna_study_file *files; /* ? [n_files] to be recorded */
    size_t n_files;
    cna_progress progress;
} cna_sweep_options;

/* Generate under every condition, with random controls, and measure (METHOD sections 5 to 8). The untouched model is
 * always run. A sweep with the same configuration in the same run continues, and is only read where it had ended.
 *   prompts  the side that should be refused
 * Errors: as cna_generate and cna_run_open; ERR_ARG if there is neither a circuit nor CAA, or for lists that do not fit
 *         the circuits; ERR_FORMAT for a bad pattern file; ERR_MISMATCH if a layer has fewer neurons left than a
 *         control needs, or if the run holds a sweep of another configuration and does not append. */
CNA_API CNA_MUST_CHECK cna_status cna_sweep_run(const cna_model *model, const cna_prompts *prompts,
                                                const cna_sweep_options *options, cna_sweep **out, cna_error *err);
CNA_API void cna_sweep_free(cna_sweep *sweep);
CNA_API const cna_sweep_point *cna_sweep_points(const cna_sweep *sweep, size_t *n_points);
CNA_API const cna_sweep_answer *cna_sweep_answers(const cna_sweep *sweep, size_t *n_answers);
/* What a sweep was run with, every default resolved. */
typedef struct cna_sweep_info {
    char patterns_sha256[65];  /* of the pattern file's text; of the built-in one's lines, each with its line feed */
    char date[11];             /* that the chat template inserts; "" where it inserts none */
    double logprob_percentile; /* 0: no limit, or one that was given */
    double min_quality, min_logprob; /* under which an answer counted as incoherent; -infinity where none applied */
    size_t n_controls;         /* random circuits of each kind; 0 where nothing was scaled */
    size_t cross_fit;          /* folds; 0: none */
    size_t n_perplexity_tokens; /* that were scored under each condition */
    char note[512];            /* "", or what to know of a run that was begun elsewhere */
} cna_sweep_info;
CNA_API const cna_sweep_info *cna_sweep_get_info(const cna_sweep *sweep);

/* How far the pattern file agrees with a person's verdicts, over answers that differ. */
typedef struct cna_sweep_agreement {
    size_t n;                                /* answers that were labelled */
    size_t n_both, n_neither;                /* refused according to both; to neither */
    size_t n_false_positive, n_false_negative; /* by the patterns alone; by the person alone */
    double accuracy, kappa;                  /* Cohen's; NaN where n is 0, kappa also where chance alone agrees fully */
    const cna_rate *refused;                 /* [points] by the person, over the answers labelled, beside
                                              * cna_sweep_points */
    size_t n_points;
} cna_sweep_agreement;

/* Write the answers, controls excepted, for a person to label, without a word on how they came about: each different
 * answer to a prompt once, in an order drawn from seed. docs/FORMATS.md has the two forms, .tsv and .jsonl by path.
 * Errors: ERR_ARG for another name; ERR_IO. */
CNA_API CNA_MUST_CHECK cna_status cna_sweep_write_labels(const cna_sweep *sweep, const char *path, uint64_t seed,
                                                         cna_error *err);
/* Read such a file back, keep its verdicts in the sweep's run under the file's name, and compare. Lines without a
 * verdict are skipped.
 *   out  lives as long as the sweep, or until this is called again
 * Errors: ERR_FORMAT with the line; ERR_MISMATCH for an answer that is not in this sweep. */
CNA_API CNA_MUST_CHECK cna_status cna_sweep_read_labels(cna_sweep *sweep, const char *path,
                                                        const cna_sweep_agreement **out, cna_error *err);

/* -------------------------------------------------------------------------------------------------- mmlu */

/* MMLU [Hendrycks et al. 2021]: questions with four choices in 57 subjects, asked and scored as
 * lm-evaluation-harness' default task does: the choice is the letter that the model finds likeliest behind "Answer:" */
typedef enum cna_mmlu_group {
    CNA_MMLU_STEM,
    CNA_MMLU_HUMANITIES,
    CNA_MMLU_SOCIAL_SCIENCES,
    CNA_MMLU_OTHER,
} cna_mmlu_group;
enum { CNA_MMLU_N_GROUPS = 4, CNA_MMLU_N_SUBJECTS = 57 };

typedef struct cna_mmlu_subject {
    const char *name; /* "abstract_algebra", ... */
    cna_mmlu_group group;
} cna_mmlu_subject;

/* All [CNA_MMLU_N_SUBJECTS], by name. */
CNA_API const cna_mmlu_subject *cna_mmlu_subjects(void);
/* "stem", "humanities", "social_sciences", "other". */
CNA_API const char *cna_mmlu_group_name(cna_mmlu_group group);

typedef enum cna_mmlu_scope { CNA_MMLU_OVERALL, CNA_MMLU_GROUP, CNA_MMLU_SUBJECT } cna_mmlu_scope;

/* Accuracy over one set of questions at one multiplier. Groups and the whole count every question once, so that
 * subjects weigh by their size. */
typedef struct cna_mmlu_point {
    cna_mmlu_scope scope;
    cna_mmlu_group group; /* of a group, and that a subject belongs to */
    const char *name;     /* "mmlu", or the group's or subject's */
    double multiplier;
    cna_rate accuracy;
    size_t n_changed;            /* questions whose choice differs from that at m = 1 */
    size_t mcnemar_b, mcnemar_c; /* b: right only at m = 1; c: right only here */
    double mcnemar_p;            /* exact, two-sided */
} cna_mmlu_point;

/* One question at one multiplier. */
typedef struct cna_mmlu_answer {
    const char *subject;
    size_t question; /* from 0 in the subject's test file */
    double multiplier;
    int answer, chosen; /* 0 to 3 */
    double logprobs[4]; /* natural, of " A" to " D" behind the prompt */
} cna_mmlu_answer;

typedef struct cna_mmlu_info {
    size_t n_subjects, n_questions, n_shots;
    size_t n_cut;     /* prompts longer than the model's positions, which lost their beginning */
    char date[11];    /* that the chat template inserts; "" where it inserts none, and for raw text */
    char sha256[65];  /* of the questions that were asked and the examples before them, whatever file they came from */
    char note[512];   /* "", or a line that the user should see: the run was begun by another version or elsewhere */
} cna_mmlu_info;

typedef struct cna_mmlu cna_mmlu;

typedef struct cna_mmlu_options {
    const cna_circuit *const *circuits; /* ? [n_circuits], all scaled together by each multiplier */
    size_t n_circuits;                  /* 0: the untouched model alone */
    const double *multipliers;          /* ? [n_multipliers]; NULL: 0 and 1 */
    size_t n_multipliers;
    cna_positions positions;
    cna_sign sign;
    size_t n_shots;    /* examples before each question, the first of the subject's dev file; 0: 5 */
    bool no_shots;     /* true: none */
    const char *const *subjects; /* ? [n_subjects] names of subjects and groups; NULL: all that the data has */
    size_t n_subjects;
    size_t limit;      /* only the first so many questions of each subject; 0: all */
    cna_format format; /* AUTO is raw, whatever the model's folder has */
    size_t batch;      /* 0: as many as memory has room for, up to 512 */
    cna_run *run;      /* ? answers are kept in it as they come, and those that it has are not asked again */
    const char *model_path;           /* ? for the run's record */
    const char *const *circuit_names; /* ? [n_circuits] for the run's record; NULL: "circuit 1", ... */
    const char *role;                 /* ? the part's role in a study; NULL: "" */
    cna_progress progress; /* counts questions at each multiplier */
} cna_mmlu_options;

/* Ask every question at every multiplier (docs/METHOD.md, MMLU). m = 1 is always run. The examples of a subject are
 * computed once a multiplier.
 *   data  folder of .csv or .jsonl files in one of the layouts of docs/FORMATS.md
 * Errors: ERR_ARG for an unknown subject, multipliers without a circuit, log-probabilities that are no numbers;
 *         ERR_FORMAT with file and line for malformed data and too few examples; ERR_UNSUPPORTED for parquet;
 *         ERR_MISMATCH for a circuit of another shape, or a run with another configuration; ERR_CANCELLED. */
CNA_API CNA_MUST_CHECK cna_status cna_mmlu_run(const cna_model *model, const char *data,
                                               const cna_mmlu_options *options, cna_mmlu **out, cna_error *err);
CNA_API void cna_mmlu_free(cna_mmlu *mmlu);
/* In the order overall, groups, subjects; multipliers within. Groups without a question are left out. */
CNA_API const cna_mmlu_point *cna_mmlu_points(const cna_mmlu *mmlu, size_t *n_points);
/* In the order subject, multiplier, question. */
CNA_API const cna_mmlu_answer *cna_mmlu_answers(const cna_mmlu *mmlu, size_t *n_answers);
CNA_API const cna_mmlu_info *cna_mmlu_get_info(const cna_mmlu *mmlu);
/* ------------------------------------------------------------------------------------------------- study */

/* Called before each step, with its name or a line that the user should see. Return true to cancel. */
typedef bool cna_study_stage_fn(void *user, const char *what);
/* Called with each model before its work, and with the format of its prompts; borrows both. */
typedef void cna_study_model_fn(void *user, const cna_model *model, const cna_format *format);
/* Called with each sweep as it ends; borrows it. role: "instruct", "k-sweep", "base" or "transfer". Return true to
 * cancel. */
typedef bool cna_study_sweep_fn(void *user, const char *role, const cna_model_info *model, const cna_sweep *sweep);

typedef struct cna_study_options {
    const char *base;             /* ? folder of the base model that the instruct model was made from */
    cna_model_options model;
    cna_format format;            /* of the instruct model. The base model's prompts are raw where the mode is AUTO */
    const cna_prompts *positive, *negative; /* what the contrast is between */
    const cna_prompts *benign;    /* ? */
    cna_attribute_options attribute; /* its format and progress are not read */
    cna_sweep_options sweep;      /* multipliers, k_list (a sweep of its own), alphas and caa, controls, patterns,
                                   * perplexity, thresholds, positions, sign, max_tokens, batch, seed are read. Controls
                                   * and CAA run on the instruct model alone */
    const char *mmlu;             /* ? folder of MMLU's questions, for cna_mmlu_run with the sweep's multipliers */
    size_t mmlu_limit;            /* questions of each subject; 0: all */
    const cna_study_file *files;  /* ? [n_files] to be recorded */
    size_t n_files;
    cna_study_stage_fn *on_stage; /* ? */
    cna_study_model_fn *on_model; /* ? */
    cna_study_sweep_fn *on_sweep; /* ? */
    void *user;                   /* of all three */
    cna_progress progress;
} cna_study_options;

/* Everything that the published study did to a model, into one run: the circuit of a contrast with its statistics; a
 * sweep of it with controls and CAA; one over numbers of neurons; MMLU. With a base model also the base model's own
 * circuit, a sweep of it, and one of the instruct model's circuit on the base model ("transfer"). What the run already
 * holds of the same configuration is not done again. cna_report_write turns the run into a page.
 *   instruct  folder of the model
 *   prompts   the side that should be refused
 *   run       open for writing
 * Errors: as cna_attribute, cna_sweep_run and cna_mmlu_run; ERR_MISMATCH for models of different shapes, before any
 *         work. */
CNA_API CNA_MUST_CHECK cna_status cna_study_run(const char *instruct, const cna_prompts *prompts,
                                                const cna_study_options *options, cna_run *run, cna_error *err);

/* ------------------------------------------------------------------------------------------------ report */

typedef struct cna_report_options {
    const char *figures; /* ? folder that receives every plot as an SVG file; made where there is none */
    const char *csv;     /* ? folder that receives every table as a CSV file; made where there is none */
} cna_report_options;

/* Write one self-contained HTML page about one or several runs: every table and plot that their rows allow, and a list
 * of what they lack. It needs no network and no script. The same runs give the same bytes; docs/FORMATS.md has the
 * names of tables and plots.
 *   runs     [n_runs] paths of run files, read only
 *   path     the page; "-" is standard output
 *   options  ? NULL for none
 * Every file appears whole or not at all, the page last, so that where there is a page there are its files.
 * Errors: as cna_run_open; ERR_FORMAT for rows that do not fit together; ERR_ARG where path is one of the
 *         runs, or a run is given twice, whatever its names; ERR_IO. */
CNA_API CNA_MUST_CHECK cna_status cna_report_write(const char *const *runs, size_t n_runs, const char *path,
                                                   const cna_report_options *options, cna_error *err);

/* ------------------------------------------------------------------------------------------------- judge */

/* Another model's opinion of the answers in a run file, asked for through an OpenAI-compatible endpoint (METHOD section
 * 14). Each reply is kept in the file as it comes, with or without a score. */
typedef struct cna_judge_options {
    const char *endpoint;   /* http:// or https://, with or without /v1 and /chat/completions */
    const char *model;      /* the judge's name at the endpoint */
    const char *rubric;     /* ? "strongreject", "rating" or a rubric file (FORMATS); NULL: "strongreject" */
    const char *key;        /* ? sent as a bearer token to the endpoint alone; never kept, never in a message */
    const char *proxy;      /* ? address of a proxy; NULL: none, whatever the environment says */
    bool benign, controls;  /* true: judge answers to prompts that should be answered, or of random circuits, as well */
    bool keep_reasoning;    /* true: the judge is shown reasoning at the start of answers as well */
    size_t n_parallel;      /* requests at once; 0: 8 */
    double timeout_seconds; /* of a request; 0: 120 */
    size_t n_attempts;      /* for each answer; 0: 6 */
    double backoff_seconds; /* before the second attempt, doubling from there up to 60; 0: 1 */
    size_t max_tokens;      /* of a reply; 0: 1024 */
    uint64_t seed;          /* of the waits' jitter and nothing else */
    cna_progress progress;
} cna_judge_options;

/* The answers of one condition to one side's prompts. Strings are borrowed from the result. */
typedef struct cna_judge_row {
    int64_t part, condition;   /* ids in the run file */
    const char *model, *role;  /* of the answers */
    cna_side side;
    const char *method;        /* "none", "cna", "caa", "control" */
    const char *circuit;       /* ? */
    const char *kind;          /* ? of a control or of CAA */
    int64_t control_seed, layer, k; /* -1: does not apply */
    double multiplier, alpha;  /* NaN: does not apply */
    size_t n_answers;          /* scored, malformed, failed and, after an end before the last, not asked */
    size_t n_scored, n_malformed, n_failed;
    double mean, low, high;    /* score of the scored ones, 0 to 1, with its 95 % interval; NaN without any */
    cna_rate refused;          /* of the scored ones, in the judge's eyes; n 0 under the rubric rating */
} cna_judge_row;

typedef struct cna_judge_info {
    char rubric[80];        /* as kept: "strongreject", "rating", or a rubric file's SHA-256; "+reasoning" behind it
                             * where that was kept */
    char rubric_sha256[65]; /* of its text */
    const char *address;    /* that requests went to */
    size_t n_kept;          /* answers whose reply was there before */
    size_t n_asked;         /* answers that the judge was asked about now */
} cna_judge_info;

typedef struct cna_judge cna_judge;

/* Ask the judge about every answer that has no stored reply of this judge under this rubric, and count.
 *
 * An attempt that fails for a passing reason (no connection, time-out, reply cut short or no chat completion, HTTP 408,
 * 409, 425, 429, 5xx) is repeated after a wait, Retry-After honoured; after the last, or where the server refuses the
 * request itself (another 4xx, a redirect), the answer counts as failed, and is asked about again by the next call.
 *
 *   run  opened for writing; a row is committed for each answer as its reply comes
 *
 * Errors: ERR_ARG for options and a run without answers to judge; rubrics as cna_judge_rubric files (ERR_IO,
 *         ERR_FORMAT); ERR_IO where the endpoint makes going on useless: HTTP 401, 403, 404, 407, a certificate that
 *         does not verify, Retry-After above an hour, or 32 answers in a row without one reply since the call began;
 *         ERR_CANCELLED. What was stored until then stays. */
CNA_API CNA_MUST_CHECK cna_status cna_judge_run(cna_run *run, const cna_judge_options *options, cna_judge **out,
                                                cna_error *err);
CNA_API void cna_judge_free(cna_judge *judge);
/* In order of part, condition and side, harmful first. */
CNA_API const cna_judge_row *cna_judge_rows(const cna_judge *judge, size_t *n_rows);
CNA_API const cna_judge_info *cna_judge_get_info(const cna_judge *judge);

/* ------------------------------------------------------------------------------------------------- bench */

/* NaN everywhere below: not measured. Operations are 2 for each multiplication with a weight; attention is not counted.
 * Shares of time "outside products" are of the time in forward passes. */
typedef struct cna_bench_options {
    bool quick;            /* each measurement once, fewer prompts and steps, none that would take over ten seconds */
    cna_progress progress; /* counts measurements; note receives the models' plans */
} cna_bench_options;

/* n_tokens of `batch` prompts to the logits of the last one of each. */
typedef struct cna_bench_prompt {
    size_t n_tokens, batch;
    double seconds, tokens_per_s;
    double gflops;        /* operations that must be done, a second of the whole call */
    double ceiling_share; /* of the machine's best */
    double other_share;   /* of the time: outside products */
} cna_bench_prompt;

/* `batch` sequences decoding together, all of them busy; their prompts are left out. */
typedef struct cna_bench_decode {
    size_t batch, n_steps;
    double step_seconds, tokens_per_s, gflops;
    double bandwidth_share; /* weights that must be read in a step, a second, of read_gbs */
    double ceiling_share, other_share;
} cna_bench_decode;

enum { CNA_BENCH_PROMPTS_MAX = 4, CNA_BENCH_DECODES_MAX = 4 };

typedef struct cna_bench {
    char cpu[64];            /* the processor's name for itself */
    char library[32];        /* that does the products, with its version */
    char kernel[96], head_kernel[96]; /* of a layer's products, and of the output head's */
    int n_cores, n_threads;
    uint64_t memory_bytes;   /* of the machine */
    cna_model_info model;
    double bf16_gflops, f32_gflops; /* best product over the model's own shapes, 512 rows, packed; bf16: NaN where the
                                     * processor has no such product */
    double read_gbs;         /* 1e9 bytes a second: the better of a plain read and one-row products */
    uint64_t read_bytes;     /* that each pass of it read: 1 GB, less where memory does not allow */
    struct {
        size_t n_prompts, n_tokens, n_shared; /* tokens: of all prompts; how many of each all have in common */
        double seconds, gflops, ceiling_share, other_share;
    } attribute;             /* weights used in place, as cna_attribute is best run */
    cna_bench_prompt prompts[CNA_BENCH_PROMPTS_MAX];
    cna_bench_decode decodes[CNA_BENCH_DECODES_MAX]; /* as many of 1, 8, 64 and 256 as memory allows */
    size_t n_prompts, n_decodes;
    uint64_t planned_bytes;  /* of the run that planned most, the model included; 0: unknown */
    uint64_t peak_bytes;     /* that it was seen to hold (RssAnon + RssShmem); 0: unknown */
} cna_bench;

/* Measure what this machine can do at best with products of a model's shapes and with its memory, and how near
 * attribution, prompts and decoding come to it. Prompts are random token ids from a fixed generator. The model is
 * opened twice, in place for attribution. Takes up to 1.3 GB beside the model, within memory_bytes.
 *   path           a model folder; weights may be of any values, so that a real model's shape is enough
 *   model_options  ? as for cna_model_open; in_place is not used
 * Errors: as cna_model_open; ERR_CANCELLED. */
CNA_API CNA_MUST_CHECK cna_status cna_bench_run(const char *path, const cna_model_options *model_options,
                                                const cna_bench_options *options, cna_bench *out, cna_error *err);

#ifdef __cplusplus
}
#endif
#endif
