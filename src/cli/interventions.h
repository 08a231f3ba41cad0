/* SPDX-License-Identifier: MIT
 * `--circuit FILE --multiplier M` and `--caa-vector FILE --alpha A` pairs, and the flags that say where they act. */
#ifndef CNA_CLI_INTERVENTIONS_H
#define CNA_CLI_INTERVENTIONS_H

#include "cli/json.h"
#include "cli/options.h"

#define CLI_POSITIONS "all|prompt|generated|last"
#define CLI_SIGNS "both|+|-"

/* Names as the flags spell them. */
const char *cli_positions_name(cna_positions positions);
const char *cli_sign_name(cna_sign sign);

/* Activations are f32: a multiplier past its range would make infinities. Returns an exit code. */
int cli_check_multiplier(const char *flag, double value);
/* A list of them with commas between, each once; *out is new, freed by free. Returns an exit code. */
int cli_read_multipliers(const char *flag, const char *value, double **out, size_t *out_n);

/* Files with a number each, in the order given. */
typedef struct cli_numbered {
    const char **paths; /* [n] borrowed from argv */
    double *numbers;    /* [n] */
    size_t n, path_capacity, number_capacity;
    size_t n_stated;    /* files up to here have a number of their own */
} cli_numbered;

/* Until cli_pairs_open only paths and numbers are known. */
typedef struct cli_pairs {
    cli_numbered scaled;     /* circuits and multipliers */
    cna_circuit **circuits;  /* [scaled.n], NULL until opened */
    cna_intervention *items; /* [scaled.n], as the library takes them */
    cli_numbered added;      /* vectors and alphas */
    cna_caa **vectors;       /* [added.n], NULL until opened */
    cna_addition *additions; /* [added.n] */
} cli_pairs;

int cli_pairs_add_circuit(cli_pairs *pairs, const char *path);
/* Belongs to the circuit before it; without one it is a usage error. A circuit without a multiplier has 0. */
int cli_pairs_add_multiplier(cli_pairs *pairs, const char *value);
/* The same of vectors, of which one without an alpha has 1. */
int cli_pairs_add_vectors(cli_pairs *pairs, const char *path);
int cli_pairs_add_alpha(cli_pairs *pairs, const char *value);
int cli_pairs_open(cli_pairs *pairs, const cna_model *model, cna_positions positions, cna_sign sign);
void cli_pairs_clear(cli_pairs *pairs);
/* Say multiplier and strength, or alpha, of each on standard error. */
void cli_pairs_note(const cli_pairs *pairs);
/* "interventions": [{circuit, multiplier, strength, positions, sign} or {vector, alpha, positions}] */
void cli_pairs_json(const cli_pairs *pairs, cli_json *json);

#endif
