/* SPDX-License-Identifier: MIT
 * Random circuits to hold a circuit against (METHOD section 8). */
#ifndef CNA_METHOD_CONTROL_H
#define CNA_METHOD_CONTROL_H

#include "cna_study.h"
#include "method/circuit.h"

enum { CNA_CONTROL_DECILES = 10 };

/* What may be drawn: in each layer that the circuit touches, every neuron neither in it nor excluded. */
typedef struct cna_control_pool cna_control_pool;

/* Prepare draws for a circuit.
 *   targets   [n_targets] sorted ids, none twice: the circuit's neurons after the sign filter
 *   excluded  [n_excluded] sorted ids: universal neurons, and those of the circuit that the filter left out
 *   strength  ? [n_layers, mlp_dim] f64: mean |h| * ||column of W_down||; only rows of layers with targets are
 *             read. NULL: only uniform draws
 * Deciles: the neuron of rank r (from 0, by ascending strength, ties by number) of a layer's mlp_dim neurons lies in
 *          decile floor(10 r / mlp_dim).
 * Errors:  ERR_MISMATCH naming a layer with fewer neurons left than targets, or for ids outside the shape. */
CNA_MUST_CHECK cna_status cna_control_pool_create(const cna_neuron_id *targets, size_t n_targets,
                                                  const cna_neuron_id *excluded, size_t n_excluded,
                                                  uint32_t n_layers, uint32_t mlp_dim, const double *strength,
                                                  cna_control_pool **out, cna_error *err);
void cna_control_pool_free(cna_control_pool *pool);

/* Draw one random circuit: as many neurons a layer as there are targets, without replacement.
 *   kind         uniform: each neuron left in the layer with the same probability.
 *                matched: for each target a neuron of its own decile; where a decile has too few left, first every
 *                target of the layer that its own decile can serve is served, then the others take from the nearest
 *                decile with neurons left (of two at the same distance, the stronger one)
 *   seed, index  which draw: the same numbers give the same neurons
 *   out          [n_targets] ids, sorted
 * Random numbers: splitmix64, its state keyed by (seed, index, kind, layer); bounds by rejection, so without bias.
 * Errors: ERR_ARG for a matched draw without strengths; ERR_MEMORY.
 * Source: METHOD section 8, controls. */
CNA_MUST_CHECK cna_status cna_control_draw(const cna_control_pool *pool, cna_control_kind kind, uint64_t seed,
                                           uint64_t index, cna_neuron_id *out, cna_error *err);

#endif
