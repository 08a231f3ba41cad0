/* SPDX-License-Identifier: MIT
 *
 * cna_study.h - whole studies on top of cna.h: sweeps, benchmarks of a machine.
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
    const char *command, *role;    /* "attribute", "sweep", "mmlu"; "" or of a study "instruct", "base", "transfer" */
    const char *model_name, *model_path, *architecture, *dtype, *fingerprint;
    const char *config, *config_sha256; /* JSON object, keys sorted */
    const char *arguments, *machine;    /* JSON array; JSON object */
    const char *version;           /* of cna */
    const char *date;              /* ? that the chat template inserts */
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

/* --------------------------------------------------------------------------------------------------- CAA */

/* Where the vectors of contrastive activation addition are measured and added (METHOD section 6). */
typedef enum cna_caa_site {
    CNA_CAA_MLP,      /* the MLP output, in all layers, each with its own vector; the reference code's baseline */
    CNA_CAA_RESIDUAL, /* the residual stream behind one layer; the CAA paper's */
} cna_caa_site;

/* Vectors of every layer, and how they were found. */
typedef struct cna_caa cna_caa;

typedef struct cna_caa_options {
    cna_caa_site site;
    bool choose_layer; /* true: `layer`; false: the middle one, n_layers / 2. Of CNA_CAA_RESIDUAL only */
    uint32_t layer;    /* zero-based; its vector is added behind it */
    cna_format format;
    cna_progress progress;
} cna_caa_options;

typedef struct cna_caa_info {
    cna_caa_site site;
    uint32_t layer; /* the one layer of CNA_CAA_RESIDUAL, default resolved; 0 for CNA_CAA_MLP */
    uint32_t n_layers, hidden_dim;
    size_t n_positive, n_negative;
    char prompt_format[8]; /* "chat" or "raw" */
    char date[11];         /* that the chat template inserts; "" where it inserts none */
} cna_caa_info;

/* Find the vectors of two prompt sets, at each prompt's last token, not normalised:
 *
 *   v[l] = mean over positive of a[l] - mean over negative of a[l],  a = W_down h, or the residual stream behind l
 *
 * alpha * v[l] is then added at the same place: +v toward what the positive prompts have, -v away from it.
 *   options  ? NULL for defaults
 *   out      new vectors, freed by cna_caa_free
 * Numerics: f64 sums of f32 values in an order fixed by the prompts' token ids, rounded once to f32.
 * Errors:   as cna_attribute; ERR_ARG for a layer outside the model or a layer chosen for CNA_CAA_MLP; ERR_FORMAT for a
 *           value that is not finite.
 * Source:   Rimsky et al., Steering Llama 2 via contrastive activation addition, arXiv 2312.06681; reference code. */
CNA_API CNA_MUST_CHECK cna_status cna_caa_find(const cna_model *model, const cna_prompts *positive,
                                               const cna_prompts *negative, const cna_caa_options *options,
                                               cna_caa **out, cna_error *err);
CNA_API void cna_caa_free(cna_caa *caa);
CNA_API const cna_caa_info *cna_caa_get_info(const cna_caa *caa);
/* [n_layers, hidden_dim] f32, row-major: those of all layers at either site. Borrowed. */
CNA_API const float *cna_caa_vectors(const cna_caa *caa);

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
    int64_t layer;       /* where CAA adds: -1 every layer, each with its own vector */
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
    const char *role; /* prompts, benign, positive, negative, circuit, patterns, perplexity */
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
    const cna_prompts *positive, *negative; /* ? for CAA's vectors and cross_fit */
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
