/* SPDX-License-Identifier: MIT
 * The elementwise operations of a decoder layer, in f32. */
#include "tensor/ops.h"

#include <math.h>

#include "tensor/clones.h"
#include "tensor/dtype.h"

/* Partial sums of a long sum: one 512-bit vector, the same on every machine. */
enum { N_LANES = 16 };

/* A fixed tree over the lanes. */
static inline float sum_lanes(float lanes[N_LANES])
{
    for (size_t half = N_LANES / 2; half > 0; half /= 2) {
        for (size_t i = 0; i < half; i++) lanes[i] += lanes[i + half];
    }
    return lanes[0];
}

/* exp by range reduction x = n ln2 + r, |r| <= ln2/2, and the minimax polynomial of the
 * Cephes library (expf.c, coefficients only); written without branches so that loops over it vectorise. */
static inline float exp_inline(float x)
{
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    const float to_integer = 12582912.0f; /* 1.5 * 2^23: adding it rounds to a whole number */
    float n = x * 1.44269504088896341f + to_integer;
    uint32_t n_bits = cna_f32_bits(n);
    n -= to_integer;
    float r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    float value = p * (r * r) + r + 1.0f;
    /* 2^n: the low bits of n_bits hold n; n = 128 would overflow the exponent, x <= 88 keeps it at 127. */
    return value * cna_f32_from_bits((n_bits - cna_f32_bits(to_integer) + 127u) << 23);
}

float cna_exp(float x)
{
    return exp_inline(x);
}

CNA_CLONES static float sum_of_squares(const float *x, size_t n)
{
    float lanes[N_LANES] = {0};
    size_t whole = n / N_LANES * N_LANES;
    for (size_t i = 0; i < whole; i += N_LANES) {
        for (size_t j = 0; j < N_LANES; j++) lanes[j] += x[i + j] * x[i + j];
    }
    for (size_t j = 0; j < n - whole; j++) lanes[j] += x[whole + j] * x[whole + j];
    return sum_lanes(lanes);
}

CNA_CLONES static void scale_row(const float *x, const float *weight, float scale, size_t dim, float *out)
{
    for (size_t i = 0; i < dim; i++) out[i] = weight[i] * (x[i] * scale);
}

void cna_rms_norm(const float *x, const float *weight, float eps, size_t n_rows, size_t dim, float *out)
{
#pragma omp parallel for schedule(static) if (n_rows > 1)
    for (size_t t = 0; t < n_rows; t++) {
        float mean = sum_of_squares(x + t * dim, dim) / (float)dim;
        scale_row(x + t * dim, weight, 1.0f / sqrtf(mean + eps), dim, out + t * dim);
    }
}

CNA_CLONES static void swiglu_run(float *restrict gate, const float *restrict up, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float v = gate[i];
        gate[i] = v / (1.0f + exp_inline(-v)) * up[i];
    }
}

/* Elementwise work is shared out in runs of this many values, long enough to outweigh starting a thread. */
enum { RUN = 16384 };

void cna_swiglu(float *gate, const float *up, size_t n)
{
#pragma omp parallel for schedule(static) if (n > RUN)
    for (size_t i = 0; i < n; i += RUN) swiglu_run(gate + i, up + i, n - i < RUN ? n - i : RUN);
}

CNA_CLONES static void add_run(float *restrict x, const float *restrict y, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] += y[i];
}

void cna_add(float *x, const float *y, size_t n)
{
#pragma omp parallel for schedule(static) if (n > RUN)
    for (size_t i = 0; i < n; i += RUN) add_run(x + i, y + i, n - i < RUN ? n - i : RUN);
}

void cna_add_bias(float *x, const float *bias, size_t n_rows, size_t dim)
{
    for (size_t t = 0; t < n_rows; t++) add_run(x + t * dim, bias, dim);
}

CNA_CLONES void cna_rope(float *x, size_t n_heads, size_t head_dim, const float *cos, const float *sin)
{
    size_t half = head_dim / 2;
    for (size_t h = 0; h < n_heads; h++) {
        float *restrict a = x + h * head_dim;
        float *restrict b = a + half;
        for (size_t i = 0; i < half; i++) {
            float low = a[i], high = b[i];
            a[i] = low * cos[i] - high * sin[i];
            b[i] = high * cos[i] + low * sin[i];
        }
    }
}

CNA_CLONES static float max_of(const float *x, size_t n)
{
    float lanes[N_LANES];
    for (size_t j = 0; j < N_LANES; j++) lanes[j] = -INFINITY;
    size_t whole = n / N_LANES * N_LANES;
    for (size_t i = 0; i < whole; i += N_LANES) {
        for (size_t j = 0; j < N_LANES; j++) lanes[j] = x[i + j] > lanes[j] ? x[i + j] : lanes[j];
    }
    for (size_t j = 0; j < n - whole; j++) lanes[j] = x[whole + j] > lanes[j] ? x[whole + j] : lanes[j];
    for (size_t j = 1; j < N_LANES; j++) lanes[0] = lanes[j] > lanes[0] ? lanes[j] : lanes[0];
    return lanes[0];
}

size_t cna_argmax(const float *x, size_t n)
{
    float max = max_of(x, n);
    for (size_t i = 0; i < n; i++) {
        if (x[i] == max) return i;
    }
    return 0;
}

CNA_CLONES static double sum_exp(const float *x, float max, size_t n)
{
    double lanes[N_LANES] = {0};
    size_t whole = n / N_LANES * N_LANES;
    for (size_t i = 0; i < whole; i += N_LANES) {
        for (size_t j = 0; j < N_LANES; j++) lanes[j] += (double)exp_inline(x[i + j] - max);
    }
    for (size_t j = 0; j < n - whole; j++) lanes[j] += (double)exp_inline(x[whole + j] - max);
    double sum = 0;
    for (size_t j = 0; j < N_LANES; j++) sum += lanes[j];
    return sum;
}

double cna_log_sum_exp(const float *x, size_t n)
{
    float max = max_of(x, n);
    return (double)max + log(sum_exp(x, max, n));
}

CNA_CLONES float cna_softmax_unscaled(float *x, size_t n)
{
    float max = max_of(x, n);
    float lanes[N_LANES] = {0};
    size_t whole = n / N_LANES * N_LANES;
    for (size_t i = 0; i < whole; i += N_LANES) {
        for (size_t j = 0; j < N_LANES; j++) {
            x[i + j] = exp_inline(x[i + j] - max);
            lanes[j] += x[i + j];
        }
    }
    for (size_t i = whole; i < n; i++) {
        x[i] = exp_inline(x[i] - max);
        lanes[i - whole] += x[i];
    }
    return sum_lanes(lanes);
}
