/* SPDX-License-Identifier: MIT
 * Choosing a circuit's neurons from all neurons' measurements (METHOD section 3). */
#ifndef CNA_METHOD_SELECT_H
#define CNA_METHOD_SELECT_H

#include "method/circuit.h"

typedef struct cna_selection {
    cna_score score;
    size_t k;        /* how many; 0: by fraction */
    double fraction; /* 0 < fraction <= 1 of n; 1 keeps every candidate, however many are universal */
    bool per_layer;  /* max(1, k / n_layers) from each layer that has candidates, instead of k over all */
} cna_selection;

/* k = max(1, floor(fraction * n + 1e-9)). */
size_t cna_select_count(double fraction, size_t n);

/* Neurons from each layer under a quota: max(1, floor(k / n_layers)). */
size_t cna_select_quota(size_t k, uint32_t n_layers);

/* The k largest scores over all neurons given, universal ones left out; ties: lower layer, then lower neuron.
 *   neurons    [n] of the chosen layers, in any order
 *   n_layers   how many layers were chosen
 *   universal  [n_universal] sorted ids; NULL for 0
 *   out        new array of *out_n neurons by score, descending; freed by cna_free
 * Errors: ERR_ARG where fewer candidates are left than asked for (with a quota: in some layer), or for a
 * fraction out of range. */
CNA_MUST_CHECK cna_status cna_select(const cna_neuron *neurons, size_t n, uint32_t n_layers,
                                     const cna_neuron_id *universal, size_t n_universal,
                                     const cna_selection *selection, cna_neuron **out, size_t *out_n,
                                     cna_error *err);

#endif
