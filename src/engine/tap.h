/* SPDX-License-Identifier: MIT
 * Taps: which columns of h (the input of down_proj) are multiplied, and what is added to the residual stream, at which
 * positions of one sequence. Sits below the layer loop and knows nothing of circuits. */
#ifndef CNA_ENGINE_TAP_H
#define CNA_ENGINE_TAP_H

#include "base/memory.h"

/* h[layer][neuron] *= multiplier at the positions named. */
typedef struct cna_scale {
    uint32_t layer, neuron;
    float multiplier; /* finite */
    cna_positions positions;
} cna_scale;

/* x += vector behind a layer, x the residual stream with the layer's MLP output added, at the positions named. */
typedef struct cna_shift {
    uint32_t layer;
    const float *vector; /* [hidden_dim] finite; borrowed for the life of the tap */
    cna_positions positions;
} cna_shift;

/* One column to multiply. */
typedef struct cna_tap_column {
    uint32_t neuron;
    float multiplier;
} cna_tap_column;

typedef enum cna_row_kind {
    CNA_ROW_PROMPT,    /* a token of the prompt, but not its last */
    CNA_ROW_LAST,      /* the prompt's last token */
    CNA_ROW_GENERATED, /* any token behind the prompt */
    CNA_ROW_KINDS
} cna_row_kind;

/* Immutable once made; may be shared by any number of sequences. */
typedef struct cna_tap cna_tap;

/* Compile scales into columns by layer and kind of row, sorted by neuron. Several scales of one (layer, neuron) that
 * apply to the same kind of row become their product (in f64, rounded once); columns whose product is 1 are left out,
 * so that a multiplier of 1 is no operation at all.
 *   scales  [n_scales], borrowed for the call; n_scales 0 gives a tap that does nothing
 * Errors: ERR_ARG for a layer or neuron outside the shape or a multiplier or product that is not finite. */
CNA_MUST_CHECK cna_status cna_tap_create(const cna_scale *scales, size_t n_scales, uint32_t n_layers,
                                         uint32_t mlp_dim, cna_tap **out, cna_error *err);
void cna_tap_free(cna_tap *tap);

/* Add a shift to a tap that nobody uses yet. Several of one layer are added one after the other.
 * Errors: ERR_ARG for a layer outside the shape. */
CNA_MUST_CHECK cna_status cna_tap_add_shift(cna_tap *tap, const cna_shift *shift, cna_error *err);

/* All shifts of a tap, in the order in which they were added; *n_shifts 0 for a NULL tap. Borrowed. */
const cna_shift *cna_tap_shifts(const cna_tap *tap, size_t *n_shifts);

/* Whether an intervention at these positions applies to a kind of row. */
bool cna_positions_apply(cna_positions positions, cna_row_kind kind);

/* The columns for one layer and kind of row; *n_columns 0 for a NULL tap. Borrowed. */
const cna_tap_column *cna_tap_columns(const cna_tap *tap, uint32_t layer, cna_row_kind kind, size_t *n_columns);

/* The first layer where the tap does something to rows of a kind: below it they are those of the untouched model.
 * n_layers where it does nothing; UINT32_MAX for a NULL tap. */
uint32_t cna_tap_first_layer(const cna_tap *tap, cna_row_kind kind);
/* Whether the tap does anything to rows of a kind. */
bool cna_tap_touches(const cna_tap *tap, cna_row_kind kind);

#endif
