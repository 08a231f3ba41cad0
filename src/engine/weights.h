/* SPDX-License-Identifier: MIT
 * Tensors bound by name and shape to their place in the model. */
#ifndef CNA_ENGINE_WEIGHTS_H
#define CNA_ENGINE_WEIGHTS_H

#include "checkpoint/checkpoint.h"
#include "tensor/linear.h"

/* One decoder layer. Linears are [n_out, n_in] as stored, or rows of a larger tensor where a family stores several as
 * one; vectors are f32, owned. Norms are what is multiplied by: a family's 1 is added already. */
typedef struct cna_layer_weights {
    float *norms[CNA_NORM_PLACES];         /* ? [hidden_dim] */
    float *q_norm, *k_norm;                /* ? [head_dim], or [rows of q, k]: cna_qk_norm */
    cna_linear *q;                         /* [n_heads * head_dim, hidden_dim] */
    cna_linear *k, *v;                     /* [n_kv_heads * head_dim, hidden_dim] */
    cna_linear *o;                         /* [hidden_dim, n_heads * head_dim] */
    float *q_bias, *k_bias, *v_bias, *o_bias; /* ? [rows of q, k, v, o] */
    cna_linear *gate, *up;                 /* [mlp_dim, hidden_dim] */
    cna_linear *down;                      /* [hidden_dim, mlp_dim] */
    float *gate_bias, *up_bias, *down_bias; /* ? [rows of gate, up, down] */
} cna_layer_weights;

/* The matrices of a layer, for code that treats them alike: q, k, v, o, gate, up, down. */
enum { CNA_LAYER_MATRICES = 7 };
void cna_layer_matrices(cna_layer_weights *layer, cna_linear **out[CNA_LAYER_MATRICES]);

typedef struct cna_weights {
    cna_matrix_view embedding;  /* [vocab_size, hidden_dim] in place */
    cna_layer_weights *layers;  /* [n_layers] */
    uint32_t n_layers;
    float *final_norm;          /* [hidden_dim] */
    cna_linear *head;           /* [vocab_size, hidden_dim] */
    uint64_t packed_bytes;      /* held in memory: copies of matrices, and vectors */
    uint64_t stage_bytes;       /* most that one layer needs of cna_linear_stage's memory */
} cna_weights;

/* Check that a checkpoint holds every tensor that its config calls for, with that shape and a type that can be read,
 * and no tensor that the architecture does not know.
 *   storage  receives the type that most parameters are stored in; where any are quantised, the one that most of those
 *            are
 * Errors: ERR_MISMATCH for a missing or misshapen tensor, ERR_UNSUPPORTED for an unknown one or another dtype; each
 * names
 *         file, tensor, expected and found. */
CNA_MUST_CHECK cna_status cna_weights_check(const cna_checkpoint *checkpoint, cna_storage *storage, cna_error *err);

/* The output head, which may be the embeddings. Errors: as cna_weights_check. */
CNA_MUST_CHECK cna_status cna_weights_find_head(const cna_checkpoint *checkpoint, cna_matrix_view *out,
                                                cna_error *err);

/* Call fn for the name, as in a folder, and the shape of every tensor that a config calls for; cols 0: a vector of
 * `rows`. */
typedef cna_status cna_weights_fn(void *user, const char *name, size_t rows, size_t cols, cna_error *err);
CNA_MUST_CHECK cna_status cna_weights_each(const cna_config *config, cna_weights_fn *fn, void *user, cna_error *err);

/* Bytes that cna_weights_bind would hold in memory (packed_bytes), with each way of keeping matrices. */
typedef struct cna_weights_need {
    uint64_t packed, in_place, staged;
    uint64_t stage; /* stage_bytes where matrices are staged */
} cna_weights_need;
CNA_MUST_CHECK cna_status cna_weights_measure(const cna_checkpoint *checkpoint, cna_input input, cna_weights_need *out,
                                              cna_error *err);

/* Bind all tensors; the checkpoint stays mapped as long as the weights live. Mapped pages of what is copied are let go.
 *   input  what products take (cna_input_for)
 *   keep   where matrices are kept; staged ones are for cna_stream */
CNA_MUST_CHECK cna_status cna_weights_bind(const cna_checkpoint *checkpoint, cna_input input, cna_linear_keep keep,
                                           cna_weights *out, cna_error *err);
void cna_weights_free(cna_weights *weights);

#endif
