/* SPDX-License-Identifier: MIT
 * Chance level of scores: how large the largest becomes where the labels mean nothing (METHOD section 8). */
#ifndef CNA_METHOD_CHANCE_H
#define CNA_METHOD_CHANCE_H

#include "method/panel.h"

typedef struct cna_chance cna_chance;

/* Shuffle i: n_positive of all prompts, drawn by splitmix64 keyed by (seed, i), are called positive, the others
 * negative. Kept of each: the largest |delta|, |d| and write over the candidates.
 *   bf16_means  as of cna_contrast_layer
 * Numerics: S1 and S2, the sums of the two sets, are taken of values less the mean of both; then
 *             delta = S1 / n1 - S2 / n2,   SS = Q - S1^2 / n1 - S2^2 / n2,   Q the sum of squares over both
 *           the formulas of cna_contrast_layer by another order of sums: equal to within 1e-9 of the score. An SS under
 *           1e-13 Q is rounding, so d is 0 there, as it is where s is 0.
 * Errors:   ERR_MEMORY. */
CNA_MUST_CHECK cna_status cna_chance_create(size_t n_shuffles, uint64_t seed, size_t n_positive, size_t n_negative,
                                            bool bf16_means, cna_chance **out, cna_error *err);
void cna_chance_free(cna_chance *chance);

/* Take candidates, each once, in any order. Rows are the prompts in canonical order, positive first. Threads split
 * shuffles.
 *   panels  [n_panels], CNA_PANELS at most */
void cna_chance_add(cna_chance *chance, const cna_panel *panels, size_t n_panels);

/* The 95th percentile of the maxima for each score, and how many of the candidates' own scores are above it; to be
 * called once, after the last candidate.
 *   neurons  [n_neurons] with their true scores; those that the circuit lists as universal are no candidates
 *   circuit  with its neurons and universal neurons
 *   out      n_shuffles, n_candidates and chance are filled in */
void cna_chance_finish(cna_chance *chance, const cna_neuron *neurons, size_t n_neurons, const cna_circuit *circuit,
                       cna_circuit_statistics *out);

#endif
