/* SPDX-License-Identifier: MIT
 * Weights bound: copied, in place or staged. */
#include "engine/parts.h"

#include <string.h>

/* ERR_UNSUPPORTED where a matrix is not stored as a bf16 product needs it. GGUF files mix types as a matter of course,
 * and what is not bf16 there is rounded to it; in a folder one that differs is a mistake or a surprise. */
static cna_status check_storage(const cna_checkpoint *checkpoint, const cna_matrix_view *view, cna_input input,
                                cna_error *err)
{
    if (checkpoint->is_gguf || input != CNA_INPUT_BF16 || view->storage == CNA_STORAGE_BF16) return CNA_OK;
    return cna_fail(err, CNA_ERR_UNSUPPORTED, "a weight matrix of %zu x %zu: expected bf16 as for the rest of the "
                    "model, found %s; use --dtype f32", view->rows, view->cols, cna_storage_name(view->storage));
}

/* Add up the bytes of one matrix by each way of keeping it. */
static cna_status measure_matrix(const cna_checkpoint *checkpoint, const cna_matrix_view *view, cna_input input,
                                 cna_weights_need *need, uint64_t *stage, cna_error *err)
{
    size_t packed, in_place, staged;
    CNA_TRY(check_storage(checkpoint, view, input, err));
    CNA_TRY(cna_linear_bytes(view, input, CNA_LINEAR_PACKED, &packed, err));
    CNA_TRY(cna_linear_bytes(view, input, CNA_LINEAR_IN_PLACE, &in_place, err));
    CNA_TRY(cna_linear_bytes(view, input, CNA_LINEAR_STAGED, &staged, err));
    need->packed += packed;
    need->in_place += in_place;
    *stage += staged;
    return CNA_OK;
}

cna_status cna_weights_measure(const cna_checkpoint *checkpoint, cna_input input, cna_weights_need *out, cna_error *err)
{
    const cna_config *config = &checkpoint->config;
    cna_matrix_view view;
    *out = (cna_weights_need){0};
    CNA_TRY(cna_weights_find_head(checkpoint, &view, err));
    uint64_t head_stage = 0; /* not counted: attribution never asks for it */
    CNA_TRY(measure_matrix(checkpoint, &view, input, out, &head_stage, err));
    uint64_t vectors = (uint64_t)config->hidden_dim * sizeof(float);
    for (uint32_t layer = 0; layer < config->n_layers; layer++) {
        uint64_t stage = 0;
        for (size_t i = 0; i < CNA_PARTS; i++) {
            if (!cna_part_exists(config, i)) continue;
            CNA_TRY(cna_part_find(checkpoint, layer, i, &view, err));
            if (i >= CNA_PART_VECTORS) vectors += view.cols * sizeof(float);
            else CNA_TRY(measure_matrix(checkpoint, &view, input, out, &stage, err));
        }
        if (stage > out->stage) out->stage = stage;
    }
    out->packed += vectors;
    out->in_place += vectors;
    out->staged = vectors;
    return CNA_OK;
}

/* offset is added to every value. */
static cna_status bind_vector(const cna_matrix_view *view, float offset, cna_weights *weights, float **out,
                              cna_error *err)
{
    CNA_TRY(cna_alloc(out, view->cols, sizeof **out, "weight vector", err));
    cna_matrix_widen(view, 0, 0, view->cols, *out);
    for (size_t i = 0; i < view->cols && offset != 0; i++) (*out)[i] += offset;
    weights->packed_bytes += view->cols * sizeof **out;
    return CNA_OK;
}

static cna_status bind_matrix(const cna_checkpoint *checkpoint, const cna_matrix_view *view, cna_input input,
                              cna_linear_keep keep, cna_weights *weights, cna_linear **out, cna_error *err)
{
    CNA_TRY(check_storage(checkpoint, view, input, err));
    CNA_TRY(cna_linear_create(view, input, keep, out, err));
    size_t held = cna_linear_packed_bytes(*out);
    weights->packed_bytes += held;
    if (held == 0) return CNA_OK;
    const cna_map *map = cna_checkpoint_map(checkpoint, view->data);
    size_t n_bytes = cna_matrix_bytes(view);
    if (map != NULL) cna_map_release(map, (size_t)((const unsigned char *)view->data - map->data), n_bytes, false);
    return CNA_OK;
}

void cna_layer_matrices(cna_layer_weights *layer, cna_linear **out[CNA_LAYER_MATRICES])
{
    cna_linear **const all[CNA_LAYER_MATRICES] = {&layer->q,    &layer->k,  &layer->v,   &layer->o,
                                                  &layer->gate, &layer->up, &layer->down};
    memcpy(out, all, sizeof all);
}

enum { N_VECTORS = CNA_PARTS - CNA_PART_VECTORS };

/* In the order of parts. */
static void layer_vectors(cna_layer_weights *layer, float **out[N_VECTORS])
{
    for (size_t i = 0; i < CNA_NORM_PLACES; i++) out[i] = &layer->norms[i];
    float **const others[] = {&layer->q_norm, &layer->k_norm,    &layer->q_bias,  &layer->k_bias,   &layer->v_bias,
                              &layer->o_bias, &layer->gate_bias, &layer->up_bias, &layer->down_bias};
    memcpy(out + CNA_NORM_PLACES, others, sizeof others);
}

static cna_status bind_layer(const cna_checkpoint *checkpoint, uint32_t index, cna_input input, cna_linear_keep keep,
                             cna_weights *weights, cna_error *err)
{
    const cna_config *config = &checkpoint->config;
    cna_layer_weights *layer = &weights->layers[index];
    float **vectors[N_VECTORS];
    cna_linear **matrices[CNA_LAYER_MATRICES];
    layer_vectors(layer, vectors);
    cna_layer_matrices(layer, matrices);
    uint64_t stage_bytes = 0;
    for (size_t i = 0; i < CNA_PARTS; i++) {
        if (!cna_part_exists(config, i)) continue;
        cna_matrix_view view;
        CNA_TRY(cna_part_find(checkpoint, index, i, &view, err));
        if (i >= CNA_PART_VECTORS) {
            float offset = i < CNA_PART_Q_BIAS ? config->norm_offset : 0;
            CNA_TRY(bind_vector(&view, offset, weights, vectors[i - CNA_PART_VECTORS], err));
        } else {
            CNA_TRY(bind_matrix(checkpoint, &view, input, keep, weights, matrices[i], err));
            stage_bytes += cna_linear_stage_bytes(*matrices[i]);
        }
    }
    if (stage_bytes > weights->stage_bytes) weights->stage_bytes = stage_bytes;
    return CNA_OK;
}

cna_status cna_weights_bind(const cna_checkpoint *checkpoint, cna_input input, cna_linear_keep keep, cna_weights *out,
                            cna_error *err)
{
    *out = (cna_weights){0};
    const cna_config *config = &checkpoint->config;
    cna_matrix_view view;
    cna_status status;
    CNA_TRY_CLEANUP(cna_alloc(&out->layers, config->n_layers, sizeof *out->layers, "layer table", err));
    out->n_layers = config->n_layers;
    CNA_TRY_CLEANUP(cna_weights_find_embedding(checkpoint, &out->embedding, err));
    CNA_TRY_CLEANUP(cna_weights_find_final_norm(checkpoint, &view, err));
    CNA_TRY_CLEANUP(bind_vector(&view, config->norm_offset, out, &out->final_norm, err));
    CNA_TRY_CLEANUP(cna_weights_find_head(checkpoint, &view, err));
    CNA_TRY_CLEANUP(bind_matrix(checkpoint, &view, input, keep, out, &out->head, err));
    for (uint32_t i = 0; i < config->n_layers; i++) {
        CNA_TRY_CLEANUP(cna_checkpoint_check(checkpoint, err));
        CNA_TRY_CLEANUP(bind_layer(checkpoint, i, input, keep, out, err));
    }
    status = cna_checkpoint_check(checkpoint, err);
cleanup:
    if (status != CNA_OK) cna_weights_free(out);
    return status;
}

static void free_layer(cna_layer_weights *layer)
{
    cna_linear **matrices[CNA_LAYER_MATRICES];
    float **vectors[N_VECTORS];
    cna_layer_matrices(layer, matrices);
    layer_vectors(layer, vectors);
    for (size_t i = 0; i < CNA_LAYER_MATRICES; i++) cna_linear_free(*matrices[i]);
    for (size_t i = 0; i < N_VECTORS; i++) cna_free(*vectors[i]);
}

void cna_weights_free(cna_weights *weights)
{
    for (uint32_t i = 0; i < weights->n_layers; i++) free_layer(&weights->layers[i]);
    cna_free(weights->layers);
    cna_free(weights->final_norm);
    cna_linear_free(weights->head);
    *weights = (cna_weights){0};
}
