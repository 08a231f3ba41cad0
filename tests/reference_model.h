/* SPDX-License-Identifier: MIT
 * The model's formulas in double precision, one position at a time: what the engine is compared with. Shares with it
 * only the reading of config.json and of the tensor table. */
#ifndef CNA_TESTS_REFERENCE_MODEL_H
#define CNA_TESTS_REFERENCE_MODEL_H

#include "checkpoint/checkpoint.h"
#include "engine/tap.h"

typedef struct reference_model {
    cna_checkpoint checkpoint;
    double **weights; /* [checkpoint.n_tensors] values of each tensor */
} reference_model;

reference_model reference_model_open(const char *folder);
void reference_model_close(reference_model *model);

/* What is done to h and to the residual stream. */
typedef struct reference_taps {
    const cna_scale *scales; /* [n_scales] multiplied into h where their positions say */
    size_t n_scales;
    const cna_shift *shifts; /* [n_shifts] added behind their layers */
    size_t n_shifts;
} reference_taps;

/* What the layers held at the last position. */
typedef struct reference_last {
    double *h;          /* [n_layers, mlp_dim] before any scale */
    double *mlp_output; /* [n_layers, hidden_dim] */
    double *residual;   /* [n_layers, hidden_dim] behind each layer */
} reference_last;

/* Logits of every position and `last`, its arrays the caller's; positions below n_prompt are the prompt's.
 *   logits  [n_ids, vocab_size] */
void reference_model_run(const reference_model *model, const int32_t *ids, size_t n_ids, size_t n_prompt,
                         const reference_taps *taps, double *logits, const reference_last *last);

#endif
