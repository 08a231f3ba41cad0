/* SPDX-License-Identifier: MIT
 * Norms of the columns of W_down. */
#include <math.h>

#include "engine/engine.h"
#include "engine/model.h"
#include "tensor/clones.h"

/* A thread's columns at a time: their sums stay in the first-level cache, and a row of them is a long enough run to
 * read. */
enum { BLOCK_COLUMNS = 1024 };

CNA_CLONES static void add_squares(const float *restrict row, size_t n, double *restrict sums)
{
    for (size_t j = 0; j < n; j++) sums[j] += (double)row[j] * (double)row[j];
}

/* Columns [first, first + n). Columns are split over threads and sums are not, so each sum goes down its column in
 * order. */
static void norms_of_block(const cna_matrix_view *down, size_t first, size_t n, double *out)
{
    float row[BLOCK_COLUMNS];
    for (size_t j = 0; j < n; j++) out[j] = 0;
    for (size_t i = 0; i < down->rows; i++) {
        cna_matrix_widen(down, i, first, n, row);
        add_squares(row, n, out);
    }
    for (size_t j = 0; j < n; j++) out[j] = sqrt(out[j]);
}

cna_status cna_engine_down_norms(const cna_model *model, uint32_t layer, double *out, cna_error *err)
{
    if (layer >= model->weights.n_layers) {
        return cna_fail(err, CNA_ERR_INTERNAL, "norms of layer %u of %u", layer, model->weights.n_layers);
    }
    CNA_TRY(cna_checkpoint_check(&model->checkpoint, err));
    const cna_matrix_view *down = cna_linear_source(model->weights.layers[layer].down);
    size_t n_blocks = (down->cols + BLOCK_COLUMNS - 1) / BLOCK_COLUMNS;
#pragma omp parallel for schedule(dynamic, 1) num_threads(model->n_threads)
    for (size_t block = 0; block < n_blocks; block++) {
        size_t first = block * BLOCK_COLUMNS, left = down->cols - first;
        size_t n = left < BLOCK_COLUMNS ? left : BLOCK_COLUMNS;
        norms_of_block(down, first, n, out + first);
    }
    return cna_checkpoint_check(&model->checkpoint, err);
}
