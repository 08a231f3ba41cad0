/* SPDX-License-Identifier: MIT
 * Single neurons: what a column of W_down writes, and how that reads in the vocabulary. Exact sums over stored weights,
 * for a few rows; passes over prompts are forward.c's. */
#include <omp.h>

#include "base/memory.h"
#include "engine/engine.h"
#include "engine/model.h"
#include "tensor/clones.h"

enum { N_LANES = 16, BLOCK_ROWS = 16 };

/* Element i in lane i % 16, then the lanes by a fixed tree. */
CNA_CLONES static double dot(const float *restrict a, const double *restrict b, size_t n)
{
    double lanes[N_LANES] = {0};
    size_t whole = n - n % N_LANES;
    for (size_t i = 0; i < whole; i += N_LANES) {
        for (size_t j = 0; j < N_LANES; j++) lanes[j] += (double)a[i + j] * b[i + j];
    }
    for (size_t j = 0; j < n - whole; j++) lanes[j] += (double)a[whole + j] * b[whole + j];
    for (size_t width = N_LANES / 2; width > 0; width /= 2) {
        for (size_t j = 0; j < width; j++) lanes[j] += lanes[j + width];
    }
    return lanes[0];
}

/* out[r, v] = sum over i of W[v, i] x[r, i]. Threads split the rows of W, so each sum is one thread's.
 *   x        [n_rows, W.cols] f64
 *   out      [n_rows, W.rows]
 *   widened  [n_threads, W.cols] f32, a row of W for each thread */
static void multiply(const cna_matrix_view *w, const double *x, size_t n_rows, int n_threads, float *widened,
                     double *out)
{
    size_t n_blocks = (w->rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
#pragma omp parallel num_threads(n_threads)
    {
        float *row = widened + (size_t)omp_get_thread_num() * w->cols;
#pragma omp for schedule(dynamic, 1)
        for (size_t block = 0; block < n_blocks; block++) {
            size_t end = (block + 1) * BLOCK_ROWS < w->rows ? (block + 1) * BLOCK_ROWS : w->rows;
            for (size_t v = block * BLOCK_ROWS; v < end; v++) {
                cna_matrix_widen(w, v, 0, w->cols, row);
                for (size_t r = 0; r < n_rows; r++) out[r * w->rows + v] = dot(row, x + r * w->cols, w->cols);
            }
        }
    }
}

/* The same of new f64 rows, which are freed. */
static cna_status apply(const cna_model *model, const cna_linear *linear, double *x, size_t n_rows, double *out,
                        cna_error *err)
{
    const cna_matrix_view *w = cna_linear_source(linear);
    float *widened = NULL;
    cna_status status;
    CNA_TRY_CLEANUP(cna_checkpoint_check(&model->checkpoint, err));
    CNA_TRY_CLEANUP(cna_alloc(&widened, (size_t)model->n_threads * w->cols, sizeof *widened, "rows of weights", err));
    multiply(w, x, n_rows, model->n_threads, widened, out);
    status = cna_checkpoint_check(&model->checkpoint, err);
cleanup:
    cna_free(widened);
    cna_free(x);
    return status;
}

static cna_status check_layer(const cna_model *model, uint32_t layer, cna_error *err)
{
    if (layer < model->weights.n_layers) return CNA_OK;
    return cna_fail(err, CNA_ERR_INTERNAL, "weights of layer %u of %u", layer, model->weights.n_layers);
}

cna_status cna_engine_down_column(const cna_model *model, uint32_t layer, uint32_t neuron, float *out, cna_error *err)
{
    CNA_TRY(check_layer(model, layer, err));
    const cna_matrix_view *down = cna_linear_source(model->weights.layers[layer].down);
    if (neuron >= down->cols) return cna_fail(err, CNA_ERR_INTERNAL, "column %u of %zu", neuron, down->cols);
    CNA_TRY(cna_checkpoint_check(&model->checkpoint, err));
    for (size_t i = 0; i < down->rows; i++) cna_matrix_widen(down, i, neuron, 1, out + i);
    return cna_checkpoint_check(&model->checkpoint, err);
}

cna_status cna_engine_down_product(const cna_model *model, uint32_t layer, const float *h, size_t n_rows, double *out,
                                   cna_error *err)
{
    CNA_TRY(check_layer(model, layer, err));
    double *x;
    size_t n_values = n_rows * model->checkpoint.config.mlp_dim;
    CNA_TRY(cna_alloc(&x, n_values, sizeof *x, "rows of a product", err));
    for (size_t i = 0; i < n_values; i++) x[i] = (double)h[i];
    return apply(model, model->weights.layers[layer].down, x, n_rows, out, err);
}

cna_status cna_engine_unembed(const cna_model *model, const uint32_t *layers, const float *x, size_t n_rows,
                              double *out, cna_error *err)
{
    const cna_config *c = &model->checkpoint.config;
    const float *final_norm = model->weights.final_norm;
    double *scaled, scale = (double)c->residual_scale / (double)c->logit_divisor;
    for (size_t r = 0; r < n_rows; r++) CNA_TRY(check_layer(model, layers[r], err));
    CNA_TRY(cna_alloc(&scaled, n_rows * c->hidden_dim, sizeof *scaled, "rows of a product", err));
    for (size_t r = 0; r < n_rows; r++) {
        const float *behind = model->weights.layers[layers[r]].norms[CNA_NORM_MLP_OUT];
        for (size_t i = 0; i < c->hidden_dim; i++) {
            double weight = (double)final_norm[i] * scale * (behind != NULL ? (double)behind[i] : 1);
            scaled[r * c->hidden_dim + i] = weight * (double)x[r * c->hidden_dim + i];
        }
    }
    return apply(model, model->weights.head, scaled, n_rows, out, err);
}
