/* SPDX-License-Identifier: MIT
 * A bench under way: what its measurements share. */
#ifndef CNA_STUDY_BENCH_RUN_H
#define CNA_STUDY_BENCH_RUN_H

#include "engine/model.h"
#include "study/bench_figures.h"
#include "study/bench_peak.h"

typedef struct cna_bench_state {
    const char *path;
    cna_model_options model_options;
    const cna_bench_options *options;
    cna_progress progress; /* for what measurements call: asks the caller whether to go on */
    size_t n_done;         /* measurements */
    cna_config config;
    cna_input input;
    uint64_t numbers; /* state of the generator of token ids */
    cna_bench *out;
} cna_bench_state;

/* Set up a bench; b and what it is given stay where they are until it ends. */
void cna_bench_begin(cna_bench_state *b, const char *path, const cna_model_options *model_options,
                     const cna_bench_options *options, cna_bench *out);

/* Note that a measurement is done. ERR_CANCELLED if the caller wants to stop. */
CNA_MUST_CHECK cna_status cna_bench_end_stage(cna_bench_state *b, cna_error *err);

/* Open the model and say its plan. */
CNA_MUST_CHECK cna_status cna_bench_open(cna_bench_state *b, bool in_place, cna_model **out, cna_error *err);

/* The next random number (splitmix64), and n token ids. */
uint64_t cna_bench_next_number(cna_bench_state *b);
void cna_bench_draw_ids(cna_bench_state *b, int32_t *ids, size_t n);

/* The best of the machine for the products that this model does, GFLOP/s. */
double cna_bench_ceiling_of(const cna_bench_state *b);
/* Whether a quick bench leaves out what needs so many operations. */
bool cna_bench_is_left_out(const cna_bench_state *b, double flops);
/* Whether a measurement was repeated often enough, n_rounds times since `since` seconds. */
bool cna_bench_is_enough(const cna_bench_state *b, size_t n_rounds, double since);

/* One run that is timed and watched. */
typedef struct cna_bench_measurement {
    double seconds;
    cna_usage usage; /* for the engine to count up */
    cna_bench_peak *peak;
} cna_bench_measurement;

CNA_MUST_CHECK cna_status cna_bench_measure_begin(cna_bench_measurement *m, cna_error *err);
/* Also after a failure, whose run says nothing about memory. */
void cna_bench_measure_end(cna_bench_measurement *m, cna_bench_state *b, cna_status status);

/* Prompts and decoding, in bench_generate.c. */
CNA_MUST_CHECK cna_status cna_bench_generation(cna_bench_state *b, cna_error *err);

#endif
