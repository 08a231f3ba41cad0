/* SPDX-License-Identifier: MIT
 * Statistics of an attribution over halves and shuffles of its prompts, fed layer by layer in its own pass: cuts
 * the layers into panels for stability and chance, and keeps universal neurons out of them. */
#ifndef CNA_METHOD_RESAMPLE_H
#define CNA_METHOD_RESAMPLE_H

#include "method/chance.h"
#include "method/stability.h"
#include "method/universal.h"

typedef struct cna_resample cna_resample;

/* stability says what the attribution is like also for chance.
 *   stability   n_halvings 0: no stability
 *   n_shuffles  0: no chance level
 * Errors: as cna_stability_create and cna_chance_create; ERR_ARG where k takes all neurons of the chosen layers. */
CNA_MUST_CHECK cna_status cna_resample_create(const cna_stability_plan *stability, size_t n_shuffles,
                                              cna_resample **out, cna_error *err);
void cna_resample_free(cna_resample *resample);

/* Take a layer; every layer of the model once, in ascending order, also those that are not chosen.
 *   h          ? [prompts, mlp_dim] f32, in canonical order, positive first, all finite; NULL for a layer not chosen
 *   norms      ? [mlp_dim] of W_down's columns
 *   universal  ? that has taken this layer already; NULL: no filter
 *   share      of cna_universal_find
 *
 * Which neurons are universal is known only at the end. But what is among the first K of a prompt at the end is among
 * the first K of the layers seen so far, so after each layer the neurons that may yet be universal are those that
 * cna_universal_find names now, at most K / share of them. Their activations are put aside, and given to the
 * statistics once they can no longer be; after the last layer those aside are the universal ones.
 * Errors: ERR_MEMORY. */
CNA_MUST_CHECK cna_status cna_resample_layer(cna_resample *resample, uint32_t layer, const float *h,
                                             const double *norms, const cna_universal *universal, double share,
                                             cna_error *err);

/* The results, after the last layer, once.
 *   neurons  [n_neurons] of the chosen layers
 *   circuit  with its neurons and universal neurons; its statistics are written
 * Errors: ERR_MEMORY. */
CNA_MUST_CHECK cna_status cna_resample_finish(cna_resample *resample, const cna_neuron *neurons, size_t n_neurons,
                                              cna_circuit *circuit, cna_error *err);

#endif
