/* SPDX-License-Identifier: MIT
 * What sweeps and studies read before their work, and the library's options made of it. Functions that return an int
 * print their own message and return an exit code, CLI_DONE on success. */
#ifndef CNA_CLI_SWEEP_INPUTS_H
#define CNA_CLI_SWEEP_INPUTS_H

#include "cli/sweep_options.h"

/* Freed by cli_sweep_inputs_free, also after a failure. */
typedef struct cli_sweep_inputs {
    cna_prompts *prompts, *benign, *positive, *negative;
    char *patterns, *text;
    size_t text_bytes;
    cna_model *model;
    cna_circuit **circuits; /* [n_circuits] */
    cna_caa *vectors;       /* ? */
    cna_study_file *files;  /* [n_files] what the run is to record, in the order of the roles */
    size_t n_files;
    cna_run *run;
} cli_sweep_inputs;

/* Prompts, patterns, texts. */
int cli_sweep_read_files(cli_sweep_arguments *a, cli_sweep_inputs *in);
/* The model, and the circuits and vectors to be checked against it. */
int cli_sweep_open_model(const cli_sweep_arguments *a, cli_sweep_inputs *in);
void cli_sweep_inputs_free(cli_sweep_inputs *in, size_t n_circuits);

/* Borrows from both. */
cna_sweep_options cli_sweep_settings(const cli_sweep_arguments *a, const cli_sweep_inputs *in);

/* Warn of those that are longer than the model was made for. */
void cli_sweep_note_long(const cli_sweep_arguments *a, const cli_sweep_inputs *in, const cna_model *model,
                         const cna_format *format);

#endif
