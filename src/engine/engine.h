/* SPDX-License-Identifier: MIT
 * What the layers above may ask of the engine: capture, generate, score, logits. Token ids in, numbers out; no text, no
 * circuits. Everything here gives the same bits whatever the batch, its order and the number of threads. */
#ifndef CNA_ENGINE_ENGINE_H
#define CNA_ENGINE_ENGINE_H

#include "engine/tap.h"
#include "text/prompts.h"

/* What calls have used; counted up, never reset. For benches. */
typedef struct cna_usage {
    double seconds;         /* inside forward passes */
    double product_seconds; /* of these, in matrix products */
    double product_flops;   /* 2 n_rows n_in n_out of each product */
    size_t n_passes, n_rows; /* rows: tokens pushed through at least the last layer's keys and values */
    size_t batch;           /* sequences decoded at a time */
    uint64_t planned_bytes; /* the most that the process was to hold, as planned before the work started */
} cna_usage;

/* Called once a layer, in layer order, with h at the last token of every list.
 *   h  [n_lists, mlp_dim] f32, row-major, row i for list i; borrowed for the call */
typedef cna_status cna_capture_fn(void *user, uint32_t layer, const float *h, cna_error *err);

/* Push token lists through the model layer by layer and hand h[layer] at each list's last token to fn. Prefixes that
 * lists have in common are computed once; there is no final norm and no vocabulary projection. No tap.
 *   lists  [n_lists]
 *   usage  ? counted up
 * Errors: ERR_ARG for a list without ids or an id outside the embedding. */
CNA_MUST_CHECK cna_status cna_engine_capture(const cna_model *model, const cna_token_list *lists, size_t n_lists,
                                             const cna_progress *progress, cna_usage *usage, cna_capture_fn *fn,
                                             void *user, cna_error *err);

/* What can be captured of each layer at a token; one bit each. */
typedef enum cna_capture_kind {
    CNA_CAPTURE_H = 1,          /* h, the input of down_proj */
    CNA_CAPTURE_MLP_OUTPUT = 2, /* what the MLP adds to the residual stream: W_down h, under a family's norm behind */
    CNA_CAPTURE_RESIDUAL = 4,   /* the residual stream behind the layer */
} cna_capture_kind;

/* Rows of one layer, row i for list i, f32, row-major; NULL where they were not asked for. */
typedef struct cna_captured {
    const float *h;          /* ? [n_lists, mlp_dim] */
    const float *mlp_output; /* ? [n_lists, hidden_dim] */
    const float *residual;   /* ? [n_lists, hidden_dim] */
} cna_captured;

/* Called once a layer, in layer order; borrows what it gets for the call. */
typedef cna_status cna_capture_rows_fn(void *user, uint32_t layer, const cna_captured *rows, cna_error *err);

/* As cna_engine_capture, of which h alone is the case kinds = CNA_CAPTURE_H, in the same bits.
 *   kinds  any of cna_capture_kind, at least one. Either of the last two costs the last layer's down projection at last
 *          tokens, and room for its rows; nothing else */
CNA_MUST_CHECK cna_status cna_engine_capture_rows(const cna_model *model, const cna_token_list *lists, size_t n_lists,
                                                  unsigned kinds, const cna_progress *progress, cna_usage *usage,
                                                  cna_capture_rows_fn *fn, void *user, cna_error *err);

/* One answer to produce, or to score. Borrows everything until the call that takes it returns. */
typedef struct cna_job {
    const int32_t *prompt_ids; /* [n_prompt_ids], n_prompt_ids >= 1 */
    size_t n_prompt_ids;
    const int32_t *answer_ids; /* ? [n_answer_ids] for cna_engine_score */
    size_t n_answer_ids;
    const cna_tap *tap;        /* ? NULL: the untouched model */
    size_t sample;             /* part of the key of sampling */
} cna_job;

typedef struct cna_job_result {
    size_t job;
    const int32_t *ids;    /* [n_ids] generated tokens without the stop token; for scoring the job's answer_ids */
    const float *logprobs; /* [n_ids] natural log-probability of each, before temperature */
    size_t n_ids;
    cna_stop stop;
} cna_job_result;

/* Called as each job ends, in no particular order; borrows the result for the call. */
typedef cna_status cna_job_fn(void *user, const cna_job_result *result, cna_error *err);
/* Called with each generated token as it is chosen (not with the stop token). Return true to cancel. */
typedef bool cna_token_fn(void *user, size_t job, int32_t id);

typedef struct cna_run_options {
    size_t max_tokens;  /* 0: 150 */
    double temperature; /* 0: greedy; ties go to the lower id */
    double top_p;       /* 0 or 1: all */
    uint64_t seed;
    size_t batch;       /* most sequences at a time; 0: as many as memory has room for, up to 256 (scores: 512) */
    bool ignore_stop;   /* go on to max_tokens whatever is generated; for benches */
    cna_usage *usage;   /* ? counted up */
    cna_token_fn *on_token; /* ? */
    void *on_token_user;
    const char *what;   /* ? name of the work for progress reports */
    cna_progress progress; /* counts finished jobs */
} cna_run_options;

/* Decode all jobs, a sliding batch at a time: ended sequences leave, waiting ones enter.
 * Errors: ERR_ARG for a prompt without ids or an id outside the embedding; the same below. */
CNA_MUST_CHECK cna_status cna_engine_generate(const cna_model *model, const cna_job *jobs, size_t n_jobs,
                                              const cna_run_options *options, cna_job_fn *on_done, void *user,
                                              cna_error *err);

/* Log-probabilities of given answers, token by token, without generating: logprobs[t] = log p(answer[t] | prompt,
 * answer[0..t-1]). The same bits as generation reports for the same tokens. */
CNA_MUST_CHECK cna_status cna_engine_score(const cna_model *model, const cna_job *jobs, size_t n_jobs,
                                           const cna_run_options *options, cna_job_fn *on_done, void *user,
                                           cna_error *err);

/* Whether memory has room to score an answer of n_answer_ids tokens behind a prompt of n_prompt_ids, which is all that
 * cna_engine_score needs at a time: to be asked before long work that ends with it.
 * Errors: ERR_MEMORY, as cna_engine_score would give. */
CNA_MUST_CHECK cna_status cna_engine_score_room(const cna_model *model, size_t n_prompt_ids, size_t n_answer_ids,
                                                cna_error *err);

/* Called with the logits [vocab_size] of one position of one job, in the order of jobs and positions; borrows them. */
typedef cna_status cna_logits_row_fn(void *user, size_t job, size_t position, const float *logits, cna_error *err);

/* The logits of every position of each job's prompt. */
CNA_MUST_CHECK cna_status cna_engine_logits(const cna_model *model, const cna_job *jobs, size_t n_jobs,
                                            const cna_run_options *options, cna_logits_row_fn *on_row, void *user,
                                            cna_error *err);

/* Called with the logits [vocab_size] behind the last token of one job's prompt; borrows them. */
typedef cna_status cna_last_logits_fn(void *user, size_t job, const float *logits, cna_error *err);

/* The logits of the last position of each job's prompt, each job's once, in no particular order. What prompts begin
 * with in common is computed once, as for scores, and no other position is projected: for questions with one answer
 * each, and first tokens. The same bits as cna_engine_logits gives for the position. */
CNA_MUST_CHECK cna_status cna_engine_last_logits(const cna_model *model, const cna_job *jobs, size_t n_jobs,
                                                 const cna_run_options *options, cna_last_logits_fn *on_row,
                                                 void *user, cna_error *err);

/* ||column j of W_down||_2 of one layer, f64 sums over the stored weights in row order.
 *   out  [mlp_dim] f64 */
CNA_MUST_CHECK cna_status cna_engine_down_norms(const cna_model *model, uint32_t layer, double *out, cna_error *err);

/* Column `neuron` of W_down of one layer, as stored.
 *   out  [hidden_dim] f32
 * Errors: ERR_INTERNAL for a neuron outside the model. */
CNA_MUST_CHECK cna_status cna_engine_down_column(const cna_model *model, uint32_t layer, uint32_t neuron, float *out,
                                                 cna_error *err);

/* What the MLP of one layer writes: out[r, i] = sum over j of W_down[i, j] h[r, j], over the stored weights.
 *   h    [n_rows, mlp_dim] f32
 *   out  [n_rows, hidden_dim] f64
 * Numerics: f64, in an order fixed by mlp_dim; h is not rounded, as a bf16 run's products round it. */
CNA_MUST_CHECK cna_status cna_engine_down_product(const cna_model *model, uint32_t layer, const float *h, size_t n_rows,
                                                  double *out, cna_error *err);

/* Columns of W_down read off in the vocabulary, as the family adds them to the residual stream, without the divisions
 * of norms and the cap of logits:
 *
 *   out[r, v] = sum over i of W_U[v, i] w[i] (s / d) b[i] x[r, i]
 *
 * W_U the output head, w the final norm's weight, b the weight of the norm behind the layer's MLP (1 without one), s
 * and d the family's residual multiplier and divisor of logits (1 without).
 *   layers  [n_rows] that the columns are of
 *   x       [n_rows, hidden_dim] f32
 *   out     [n_rows, vocab_size] f64
 * Numerics: f64 over the stored weights, in an order fixed by hidden_dim. Reads the head from the file's mapping once,
 *           where weights are kept and where they stream. */
CNA_MUST_CHECK cna_status cna_engine_unembed(const cna_model *model, const uint32_t *layers, const float *x,
                                             size_t n_rows, double *out, cna_error *err);

#endif
