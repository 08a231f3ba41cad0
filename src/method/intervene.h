/* SPDX-License-Identifier: MIT
 * Interventions in the engine's terms (METHOD section 5). */
#ifndef CNA_METHOD_INTERVENE_H
#define CNA_METHOD_INTERVENE_H

#include "engine/tap.h"
#include "method/circuit.h"

/* "all", "prompt", "generated", "last", by cna_positions; "both", "+", "-", by cna_sign. */
extern const char *const cna_positions_names[];
extern const char *const cna_sign_names[];

/* The neurons of a circuit that pass a sign filter: all, only delta > 0, or only delta < 0.
 *   out  new array of *out_n ids, sorted; never NULL on success; freed by cna_free
 * Errors: ERR_ARG for a filter on a circuit whose file does not give delta. */
CNA_MUST_CHECK cna_status cna_intervene_neurons(const cna_circuit *circuit, cna_sign sign,
                                                cna_neuron_id **out, size_t *out_n, cna_error *err);

/* Interventions to scales, as cna_tap_create takes them; those with multiplier 1 vanish.
 *   interventions  [n], borrowed for the call
 *   out            new array of *out_n scales; never NULL on success; freed by cna_free
 * Errors: ERR_ARG for a multiplier that is not finite as f32, a missing circuit, or as above; ERR_MISMATCH
 * for a circuit of another shape. */
CNA_MUST_CHECK cna_status cna_intervene_scales(const cna_intervention *interventions, size_t n,
                                               uint32_t n_layers, uint32_t mlp_dim, cna_scale **out,
                                               size_t *out_n, cna_error *err);

#endif
