/* SPDX-License-Identifier: MIT
 * The command line of cna sweep. */
#ifndef CNA_CLI_SWEEP_OPTIONS_H
#define CNA_CLI_SWEEP_OPTIONS_H

#include "cli/options.h"
#include "cna_study.h"

enum { CLI_NO_CAA = -1 };

typedef struct cli_sweep_arguments {
    cli_common common;
    const char **circuit_paths; /* [n_circuits] */
    size_t n_circuits, circuit_capacity;
    cna_numbers *multipliers;   /* ? [n_multipliers] lists */
    size_t n_multipliers, multipliers_capacity;
    double *alphas;             /* ? [n_alphas] */
    size_t n_alphas;
    size_t *k_list;             /* ? [n_k] */
    size_t n_k;
    const char *prompts, *benign, *positive, *negative, *caa_vector, *patterns, *perplexity, *answers;
    const char *run, *labels_out, *labels_in;
    int positions, sign, caa;   /* cna_positions, cna_sign; cna_caa_site or CLI_NO_CAA */
    size_t max_tokens, controls, batch, cross_fit;
    size_t caa_layer;           /* SIZE_MAX: not given */
    double min_quality, logprob_percentile, min_logprob; /* 0: the library's default */
    bool no_logprob_limit, keep_reasoning, append;
} cli_sweep_arguments;

extern const cli_option cli_sweep_options[];

/* What is there before the command line is read. */
cli_sweep_arguments cli_sweep_defaults(void);
/* What flags ask of each other; an exit code. */
int cli_sweep_check(const cli_sweep_arguments *a);
/* The part of it that holds for cna study as well. */
int cli_sweep_check_shared(const cli_sweep_arguments *a);
void cli_sweep_arguments_clear(cli_sweep_arguments *a);

#endif
