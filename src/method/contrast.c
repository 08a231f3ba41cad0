/* SPDX-License-Identifier: MIT
 * Contrast of two sets of activations in one layer. */
#include "method/contrast.h"

#include <math.h>
#include <string.h>

#include "tensor/dtype.h"

static float round_to_bf16(float value)
{
    return cna_f32_from_bf16(cna_bf16_from_f32(value));
}

cna_status cna_contrast_check_finite(const float *h, size_t n_rows, uint32_t mlp_dim, uint32_t layer,
                                     cna_error *err)
{
    for (size_t i = 0; i < n_rows * mlp_dim; i++) {
        if (isfinite(h[i])) continue;
        return cna_fail(
            err, CNA_ERR_FORMAT,
            "layer %u, neuron %zu: expected a finite activation, found %g; are the model's weights whole?",
            layer, i % mlp_dim, (double)h[i]);
    }
    return CNA_OK;
}

/* One of the two sets. */
typedef struct side {
    const float *h; /* [n_rows, mlp_dim] */
    size_t n_rows;
    uint32_t mlp_dim;
    bool round;     /* activations to bf16 */
    double *mean;   /* [mlp_dim] */
    double *square; /* [mlp_dim] sum of squared distances from the mean */
} side;

static double activation(const side *s, size_t row, size_t col)
{
    float value = s->h[row * s->mlp_dim + col];
    return s->round ? round_to_bf16(value) : value;
}

/* Rows outside, columns inside: h is read in the order it lies, and each column's sum is in row order all the
 * same. */
static void measure(const side *s)
{
    for (size_t row = 0; row < s->n_rows; row++) {
        for (size_t col = 0; col < s->mlp_dim; col++) s->mean[col] += activation(s, row, col);
    }
    for (size_t col = 0; col < s->mlp_dim; col++) s->mean[col] /= (double)s->n_rows;
    for (size_t row = 0; row < s->n_rows; row++) {
        for (size_t col = 0; col < s->mlp_dim; col++) {
            double distance = activation(s, row, col) - s->mean[col];
            s->square[col] += distance * distance;
        }
    }
}

cna_neuron cna_contrast_neuron(cna_neuron_id id, const cna_contrast_set *positive, const cna_contrast_set *negative,
                               double norm, bool bf16_means)
{
    double mean_positive = positive->mean, mean_negative = negative->mean;
    if (bf16_means) {
        mean_positive = round_to_bf16((float)mean_positive);
        mean_negative = round_to_bf16((float)mean_negative);
    }
    double delta = mean_positive - mean_negative;
    if (bf16_means) delta = round_to_bf16((float)delta);
    double freedom = (double)(positive->n_rows + negative->n_rows) - 2;
    double deviation = freedom > 0 ? sqrt((positive->square + negative->square) / freedom) : 0;
    return (cna_neuron){
        .layer = id.layer,
        .neuron = id.neuron,
        .delta = delta,
        .mean_positive = mean_positive,
        .mean_negative = mean_negative,
        .d = deviation > 0 ? delta / deviation : 0,
        .write = fabs(delta) * norm,
    };
}

static cna_contrast_set set_of(const side *s, uint32_t neuron)
{
    return (cna_contrast_set){s->mean[neuron], s->square[neuron], s->n_rows};
}

cna_status cna_contrast_layer(const float *h, size_t n_positive, size_t n_negative, uint32_t mlp_dim,
                              const double *norms, bool bf16_means, uint32_t layer, cna_neuron *out,
                              cna_error *err)
{
    if (n_positive == 0 || n_negative == 0) {
        return cna_fail(err, CNA_ERR_ARG,
                        "contrast: expected prompts on both sides, found %zu positive and %zu negative",
                        n_positive, n_negative);
    }
    CNA_TRY(cna_contrast_check_finite(h, n_positive + n_negative, mlp_dim, layer, err));
    double *sums;
    CNA_TRY(cna_alloc(&sums, 4 * (size_t)mlp_dim, sizeof *sums, "contrast sums", err));
    side positive = {h, n_positive, mlp_dim, bf16_means, sums, sums + mlp_dim};
    side negative = {h + n_positive * mlp_dim,  n_negative, mlp_dim, bf16_means, sums + 2 * (size_t)mlp_dim,
                     sums + 3 * (size_t)mlp_dim};
    measure(&positive);
    measure(&negative);
    for (uint32_t j = 0; j < mlp_dim; j++) {
        const cna_contrast_set p = set_of(&positive, j), n = set_of(&negative, j);
        out[j] = cna_contrast_neuron((cna_neuron_id){layer, j}, &p, &n, norms[j], bf16_means);
    }
    cna_free(sums);
    return CNA_OK;
}
