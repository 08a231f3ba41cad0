/* SPDX-License-Identifier: MIT
 * Walking over the layers' weights in order, whether they stay in memory or pass through it. */
#ifndef CNA_ENGINE_STREAM_H
#define CNA_ENGINE_STREAM_H

#include "engine/weights.h"

struct cna_model;

/* One caller's walk, not for several threads at once. Where the model's weights stay in memory this is only a lookup.
 * Where they stream, a thread reads the next layer from the mapped files while this one is worked on, and pages of
 * layers passed are let go: about two layers are in memory at a time. Matrices that a kernel cannot read in place are
 * copied, one layer at a time, into memory that the walk keeps for it; for passes of a single row quantised ones are
 * not, but unpacked in registers by the product. The bits of every product are the same each way. */
typedef struct cna_stream cna_stream;
CNA_MUST_CHECK cna_status cna_stream_create(const struct cna_model *model, cna_stream **out, cna_error *err);
void cna_stream_free(cna_stream *stream);

/* Weights of layer 0 .. n_layers-1, ready for products until the next call of either function; copies are made on
 * omp_get_max_threads() threads. A pass asks for layers in order, and may stop anywhere. Any other order works and
 * reads ahead in vain.
 *   single  whether no product will be of more than one row
 *   more    whether another pass will follow this one, so that its first layers are worth reading ahead
 *   out     borrowed
 * Errors: ERR_IO where a file that a matrix of the layer is read from has changed since it was opened or can no longer
 *         be read, ERR_MEMORY, ERR_INTERNAL. Packed matrices need no file; embedding rows do, and cna_forward looks at
 *         all files for them. */
CNA_MUST_CHECK cna_status cna_stream_layer(cna_stream *stream, uint32_t layer, bool single, bool more,
                                           const cna_layer_weights **out, cna_error *err);
/* The same for the vocabulary projection, which is asked for behind the last layer or not at all. */
CNA_MUST_CHECK cna_status cna_stream_head(cna_stream *stream, bool single, bool more, const cna_linear **out,
                                          cna_error *err);

/* Bytes that a walk holds of its own (copies of a layer where it cannot be used in place), for plans.
 *   head  whether it asks for the vocabulary projection, whose copy takes the layer's place */
uint64_t cna_stream_bytes(const struct cna_model *model, bool head);

#endif
