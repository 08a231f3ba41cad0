/* SPDX-License-Identifier: MIT
 * Stability of a circuit: how alike the circuits of two random halves of its prompts are (METHOD section 8). */
#ifndef CNA_METHOD_STABILITY_H
#define CNA_METHOD_STABILITY_H

#include "method/panel.h"

typedef struct cna_stability cna_stability;

typedef struct cna_stability_plan {
    size_t n_halvings; /* >= 1 */
    uint64_t seed;
    size_t n_positive, n_negative; /* >= 2 each */
    cna_score score;
    bool bf16_means;   /* as of cna_contrast_layer */
    size_t k;          /* neurons of the circuit; with a quota, of each layer */
    bool per_layer;    /* a quota */
    uint32_t first_layer, n_layers, mlp_dim; /* the layers chosen */
} cna_stability_plan;

/* Halving i: of each side's n prompts floor(n / 2), drawn by splitmix64 keyed by (seed, i, the side), go to one half
 * and the others to the other. A half's circuit is the k best of the candidates by the contrast of the half's prompts
 * alone, in the bits of cna_contrast_layer; ties: lower layer, then lower neuron.
 * Holds the 4 k best of each half: 128 k bytes a halving at most.
 * Errors: ERR_ARG for a side with fewer than two prompts; ERR_MEMORY. */
CNA_MUST_CHECK cna_status cna_stability_create(const cna_stability_plan *plan, cna_stability **out, cna_error *err);
void cna_stability_free(cna_stability *stability);

/* Take candidates, each once, in any order. Rows are the prompts in canonical order. Threads split halvings.
 *   panels  [n_panels] */
void cna_stability_add(cna_stability *stability, const cna_panel *panels, size_t n_panels);

/* Jaccard |A and B| / |A or B| of the halves' circuits for k/4, k/2, k, 2k and 4k neurons, rounded down, as far as
 * there are so many; to be called once, after the last candidate.
 *   out  n_halvings, points and n_points are filled in
 * Errors: ERR_MEMORY. */
CNA_MUST_CHECK cna_status cna_stability_finish(cna_stability *stability, cna_circuit_statistics *out, cna_error *err);

#endif
