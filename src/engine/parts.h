/* SPDX-License-Identifier: MIT
 * The parts of a layer, and the tensors that hold them under each family's names. For weights.c. */
#ifndef CNA_ENGINE_PARTS_H
#define CNA_ENGINE_PARTS_H

#include "engine/weights.h"

/* Matrices, in the order of cna_layer_matrices, then vectors. */
typedef enum cna_part {
    CNA_PART_Q,
    CNA_PART_K,
    CNA_PART_V,
    CNA_PART_O,
    CNA_PART_GATE,
    CNA_PART_UP,
    CNA_PART_DOWN,
    CNA_PART_VECTORS,
    CNA_PART_NORMS = CNA_PART_VECTORS, /* CNA_NORM_PLACES of them */
    CNA_PART_Q_NORM = CNA_PART_NORMS + CNA_NORM_PLACES,
    CNA_PART_K_NORM,
    CNA_PART_Q_BIAS,
    CNA_PART_K_BIAS,
    CNA_PART_V_BIAS,
    CNA_PART_O_BIAS,
    CNA_PART_GATE_BIAS,
    CNA_PART_UP_BIAS,
    CNA_PART_DOWN_BIAS,
    CNA_PARTS,
} cna_part;
_Static_assert((int)CNA_PART_VECTORS == (int)CNA_LAYER_MATRICES, "matrices come first");

/* Whether a model has a part. */
bool cna_part_exists(const cna_config *config, size_t part);

/* A part of one layer: a tensor, or rows of one where the family stores several as one; a vector is one row.
 * Errors: as cna_weights_check. */
CNA_MUST_CHECK cna_status cna_part_find(const cna_checkpoint *checkpoint, uint32_t layer, size_t part,
                                        cna_matrix_view *out, cna_error *err);

/* Tensors beside the layers. Errors: as cna_weights_check. */
CNA_MUST_CHECK cna_status cna_weights_find_embedding(const cna_checkpoint *checkpoint, cna_matrix_view *out,
                                                     cna_error *err);
CNA_MUST_CHECK cna_status cna_weights_find_final_norm(const cna_checkpoint *checkpoint, cna_matrix_view *out,
                                                      cna_error *err);

#endif
