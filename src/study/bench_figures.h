/* SPDX-License-Identifier: MIT
 * The arithmetic of cna_bench_run: how much work must be done, and which part of a run counts. Numbers only. */
#ifndef CNA_STUDY_BENCH_FIGURES_H
#define CNA_STUDY_BENCH_FIGURES_H

#include "checkpoint/config.h"
#include "cna_study.h"
#include "engine/engine.h"

/* One weight matrix [n_out, n_in]. */
typedef struct cna_bench_matrix {
    size_t n_out, n_in;
} cna_bench_matrix;

/* q, k, v, o, gate, up, down of a layer, then the output head. */
enum { CNA_BENCH_N_IN_LAYER = 7, CNA_BENCH_HEAD = 7, CNA_BENCH_N_MATRICES = 8 };
void cna_bench_matrices(const cna_config *config, cna_bench_matrix out[CNA_BENCH_N_MATRICES]);

/* Weights that one step of decoding must read: those of all layers and of the head. */
double cna_bench_step_weights(const cna_config *config);
/* Operations (2 a multiplication with a weight) of one token decoded. */
double cna_bench_step_flops(const cna_config *config);
/* Operations that n_tokens of a prompt need for the logits of the last: every layer for every token, but of the last
 * layer only keys and values, whose rest is for the last token alone; the head once. Attention is not counted. */
double cna_bench_prompt_flops(const cna_config *config, size_t n_tokens);

/* a / b; NaN where b is not above 0, so that what was not measured is not a number. */
double cna_bench_ratio(double a, double b);

/* GFLOP/s of so many operations; NaN where either is not above 0. */
double cna_bench_rate(double flops, double seconds);
/* Share of `seconds` that was not in products; NaN as above. */
double cna_bench_other_share(double product_seconds, double seconds);

/* The stretch of a batch's decoding in which every sequence takes part: from the first token of the one that starts
 * last to its last token before any sequence has all of its own. */
typedef struct cna_bench_window {
    size_t n_sequences, max_tokens;
    size_t *counts;     /* [n_sequences] tokens so far, zero to begin with; borrowed */
    size_t n_started;
    size_t last;        /* the sequence that started last */
    bool ended;         /* a sequence has all its tokens */
    bool short_of_room; /* it had them before the last one started: the batch was smaller */
    size_t n_steps;     /* between start and end, each a token for every sequence */
    double start, end;  /* seconds */
    cna_usage start_usage, end_usage;
} cna_bench_window;

/* A token of a sequence, chosen at `seconds`, with what the run had used by then. */
void cna_bench_window_token(cna_bench_window *window, size_t sequence, double seconds, const cna_usage *usage);

#endif
