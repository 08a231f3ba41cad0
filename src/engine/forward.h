/* SPDX-License-Identifier: MIT
 * The forward pass: new tokens of any number of sequences through every layer, one layer at a time. */
#ifndef CNA_ENGINE_FORWARD_H
#define CNA_ENGINE_FORWARD_H

#include "engine/engine.h"
#include "engine/kv.h"
#include "engine/session.h"

/* New tokens of one run. They take the positions behind those that kv already holds, and join them there. */
typedef struct cna_span {
    cna_kv *kv;          /* with room for them; spans of one pass have different ones. Where kv's parent is filled in
                            the same pass, the parent's span comes first and has all its tokens */
    const int32_t *ids;  /* [n_tokens], inside the embedding */
    size_t n_tokens;     /* >= 1 */
    size_t n_prompt;     /* positions below this are the prompt's; tells taps which kind a row is */
    const cna_tap *tap;  /* ? */
    size_t n_wanted;     /* how many of the last tokens the caller wants results for: 0 .. n_tokens */
    size_t source;       /* where kv has a source: the place among the spans of the same tokens, untapped, before this
                            one. Below kv->first_layer both are the same, so the rows begin there, as copies */
} cna_span;

/* Results for a block of wanted rows, in the order of spans and positions.
 *   first  index of the first of them among all wanted rows of the pass
 *   rows   [n_rows, width] f32; borrowed for the call */
typedef cna_status cna_rows_fn(void *user, uint32_t layer, size_t first, const float *rows, size_t n_rows,
                               cna_error *err);

typedef struct cna_sinks {
    cna_rows_fn *on_h;          /* ? h [n_rows, mlp_dim] of wanted rows, each layer, before any tap scales it; not for
                                   passes with forks, and so the two below */
    cna_rows_fn *on_mlp_output; /* ? what the MLP adds to the residual stream [n_rows, hidden_dim] likewise: W_down h,
                                   h scaled, under the family's norm and scale behind it; after on_h */
    cna_rows_fn *on_residual;   /* ? the residual stream behind the layer [n_rows, hidden_dim], shifts added; after
                                   on_mlp_output */
    cna_rows_fn *on_logits;     /* ? logits [n_rows, vocab_size] of wanted rows; layer is n_layers. A pass without it
                                   and the two above ends with the last layer's h, without its down projection */
    void *user;
} cna_sinks;

/* Run spans through the model. Rows are worked on in blocks, whose size changes no bit.
 *   usage  ? counted up
 * Sets the number of OpenMP threads of the calling thread: the model's, or one for little work.
 * Errors: ERR_MEMORY, ERR_IO, ERR_INTERNAL, or what a sink returned; the spans' caches are then of no further use. */
CNA_MUST_CHECK cna_status cna_forward(cna_session *session, const cna_span *spans, size_t n_spans,
                                      const cna_sinks *sinks, cna_usage *usage, cna_error *err);

#endif
