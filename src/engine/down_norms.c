/* SPDX-License-Identifier: MIT
 * Norms of the columns of W_down. */
#include <math.h>

#include "engine/engine.h"
#include "engine/model.h"

cna_status cna_engine_down_norms(const cna_model *model, uint32_t layer, double *out, cna_error *err)
{
    const cna_matrix_view *down = &model->weights.layers[layer].down_view;
    float *row;
    CNA_TRY(cna_alloc(&row, down->cols, sizeof *row, "weight row", err));
    for (size_t j = 0; j < down->cols; j++) out[j] = 0;
    for (size_t i = 0; i < down->rows; i++) {
        const char *source = (const char *)down->data + i * down->cols * cna_storage_bytes(down->storage);
        cna_widen(source, down->storage, down->cols, row);
        for (size_t j = 0; j < down->cols; j++) out[j] += (double)row[j] * (double)row[j];
    }
    for (size_t j = 0; j < down->cols; j++) out[j] = sqrt(out[j]);
    cna_free(row);
    return CNA_OK;
}
