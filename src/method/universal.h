/* SPDX-License-Identifier: MIT
 * Universal neurons: those among the largest |h| whatever the prompt (METHOD section 4). Fed layer by layer;
 * holds K values a prompt, never all of a model's. */
#ifndef CNA_METHOD_UNIVERSAL_H
#define CNA_METHOD_UNIVERSAL_H

#include "method/circuit.h"

typedef struct cna_universal cna_universal;

/* The usual threshold and share. */
#define CNA_UNIVERSAL_THRESHOLD 0.001
#define CNA_UNIVERSAL_SHARE 0.8

/* K = max(1, floor(threshold * n_layers * mlp_dim + 1e-9)).
 *   n_prompts  rows of each later call, at least 1
 *   threshold  0 < threshold <= 1
 * Errors: ERR_ARG for numbers out of range; ERR_MEMORY. */
CNA_MUST_CHECK cna_status cna_universal_create(size_t n_prompts, uint32_t n_layers, uint32_t mlp_dim,
                                               double threshold, cna_universal **out, cna_error *err);
void cna_universal_free(cna_universal *universal);

/* Take one layer's activations; every layer once, in ascending order.
 *   h  [n_prompts, mlp_dim] f32, row-major
 * Errors: ERR_FORMAT for a NaN or infinite activation. */
CNA_MUST_CHECK cna_status cna_universal_add_layer(cna_universal *universal, uint32_t layer, const float *h,
                                                  cna_error *err);

/* The neurons that are among a prompt's K largest |h| (ties: lower layer, then lower neuron) in at least
 * max(1, ceil(share * n_prompts - 1e-9)) prompts.
 *   share  0 < share <= 1
 *   out    new array of *out_n ids, sorted; never NULL on success; freed by cna_free */
CNA_MUST_CHECK cna_status cna_universal_find(const cna_universal *universal, double share,
                                             cna_neuron_id **out, size_t *out_n, cna_error *err);

/* The 40 diverse prompts that the program carries, NULL-terminated. They are used as raw text. */
extern const char *const cna_universal_prompts[];

/* The same as a new list of prompts, freed by cna_prompts_free. */
CNA_MUST_CHECK cna_status cna_universal_builtin(cna_prompts **out, cna_error *err);

#endif
