/* SPDX-License-Identifier: MIT
 * Contrast of two sets of activations in one layer (METHOD sections 3 and 10). Arrays in, neurons out; no model. */
#ifndef CNA_METHOD_CONTRAST_H
#define CNA_METHOD_CONTRAST_H

#include "method/circuit.h"

/* Per neuron j, over n_positive rows P and n_negative rows N of h:
 *
 *   mean_positive = sum over P of h[row, j] / n_positive,  mean_negative the same over N
 *   delta         = mean_positive - mean_negative
 *   d             = delta / s,  s = sqrt((SS_P + SS_N) / (n_positive + n_negative - 2)),
 *                   SS = sum of squared distances from the set's own mean;
 *                   0 where s is 0 or has no degrees of freedom
 *   write         = |delta| * norms[j]
 *
 *   h      [n_positive + n_negative, mlp_dim] f32, row-major: positive rows first
 *   norms  [mlp_dim] f64, ||column j of W_down||_2
 *   out    [mlp_dim], its layer and neuron set too
 *
 * Numerics: f64 sums of f32 values in row order, two passes; the caller orders rows by token ids, so that the order
 *           of a prompt file changes nothing.
 *           bf16_means is the reference code's arithmetic: each h rounded to bf16, each mean rounded to bf16, their
 *           difference rounded to bf16; write and d's numerator follow from that delta.
 * Errors:   ERR_FORMAT naming layer and neuron where an activation is NaN or infinite; ERR_ARG for an empty set;
 *           ERR_MEMORY.
 * Source:   METHOD section 3; reference code, neuron_steer/core.py, discover_contrastive. */
CNA_MUST_CHECK cna_status cna_contrast_layer(const float *h, size_t n_positive, size_t n_negative,
                                             uint32_t mlp_dim, const double *norms, bool bf16_means,
                                             uint32_t layer, cna_neuron *out, cna_error *err);

/* One neuron's activations over one set: their mean and the sum of their squared distances from it. */
typedef struct cna_contrast_set {
    double mean, square;
    size_t n_rows;
} cna_contrast_set;

/* The formulas above from there on, for whoever sums by themselves: rows in order, first the mean, then distances. */
cna_neuron cna_contrast_neuron(cna_neuron_id id, const cna_contrast_set *positive, const cna_contrast_set *negative,
                               double norm, bool bf16_means);

/* ERR_FORMAT "layer L, neuron J: expected a finite activation, found nan" for the first value that is not finite.
 *   h  [n_rows, mlp_dim] f32, row-major */
CNA_MUST_CHECK cna_status cna_contrast_check_finite(const float *h, size_t n_rows, uint32_t mlp_dim,
                                                    uint32_t layer, cna_error *err);

#endif
