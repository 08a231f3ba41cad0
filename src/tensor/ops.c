/* SPDX-License-Identifier: MIT
 * The elementwise operations of a decoder layer, in f32. */
#include "tensor/ops.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "tensor/clones.h"
#include "tensor/dtype.h"

/* Partial sums of a long sum: one 512-bit vector, the same on every machine. */
enum { N_LANES = 16 };

/* A fixed tree over the lanes. */
static inline float sum_lanes(const float lanes[N_LANES])
{
    float sums[4];
    for (size_t i = 0; i < 4; i++) sums[i] = (lanes[i] + lanes[i + 8]) + (lanes[i + 4] + lanes[i + 12]);
    return (sums[0] + sums[2]) + (sums[1] + sums[3]);
}

/* condition ? a : b without a branch: of the operator gcc makes branches, and then masked vectors for each. */
static inline float choose(bool condition, float a, float b)
{
    uint32_t mask = 0u - (uint32_t)condition;
    return cna_f32_from_bits((cna_f32_bits(a) & mask) | (cna_f32_bits(b) & ~mask));
}

/* exp by range reduction x = n ln2 + r, |r| <= ln2/2, and the minimax polynomial of the
 * Cephes library (expf.c, coefficients only); written without branches so that loops over it vectorise. */
static inline float exp_inline(float x)
{
    x = choose(x < -87.0f, -87.0f, x);
    x = choose(x > 88.0f, 88.0f, x);
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

bool cna_rms_norm(const float *x, const float *weight, float eps, size_t n_rows, size_t dim, float *out)
{
    bool fits = true;
#pragma omp parallel for schedule(static) reduction(&& : fits) if (n_rows > 1)
    for (size_t t = 0; t < n_rows; t++) {
        float mean = sum_of_squares(x + t * dim, dim) / (float)dim;
        fits = fits && isfinite(mean);
        scale_row(x + t * dim, weight, 1.0f / sqrtf(mean + eps), dim, out + t * dim);
    }
    return fits;
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

CNA_CLONES static void geglu_run(float *restrict gate, const float *restrict up, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float v = gate[i];
        float u = 0.79788456080286536f * (v + 0.044715f * v * v * v);
        gate[i] = v / (1.0f + exp_inline(-2.0f * u)) * up[i];
    }
}

void cna_geglu(float *gate, const float *up, size_t n)
{
#pragma omp parallel for schedule(static) if (n > RUN)
    for (size_t i = 0; i < n; i += RUN) geglu_run(gate + i, up + i, n - i < RUN ? n - i : RUN);
}

/* tanh: near 0 by the polynomial of the Cephes library (tanhf.c, coefficients only), elsewhere by exp. */
static inline float tanh_inline(float x)
{
    float square = x * x, size = choose(x < 0, -x, x);
    float p = -5.70498872745e-3f;
    p = p * square + 2.06390887954e-2f;
    p = p * square - 5.37397155531e-2f;
    p = p * square + 1.33314422036e-1f;
    p = p * square - 3.33332819422e-1f;
    float near = p * square * x + x;
    float far = 1.0f - 2.0f / (exp_inline(2.0f * size) + 1.0f);
    return choose(size < 0.625f, near, choose(x < 0, -far, far));
}

CNA_CLONES static void soft_cap_run(float *x, float cap, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] = cap * tanh_inline(x[i] / cap);
}

void cna_soft_cap(float *x, float cap, size_t n)
{
#pragma omp parallel for schedule(static) if (n > RUN)
    for (size_t i = 0; i < n; i += RUN) soft_cap_run(x + i, cap, n - i < RUN ? n - i : RUN);
}

CNA_CLONES static void scale_run(float *x, float scale, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] *= scale;
}

void cna_rescale(float *x, float scale, size_t n)
{
#pragma omp parallel for schedule(static) if (n > RUN)
    for (size_t i = 0; i < n; i += RUN) scale_run(x + i, scale, n - i < RUN ? n - i : RUN);
}

CNA_CLONES static void divide_run(float *x, float divisor, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] /= divisor;
}

void cna_divide(float *x, float divisor, size_t n)
{
#pragma omp parallel for schedule(static) if (n > RUN)
    for (size_t i = 0; i < n; i += RUN) divide_run(x + i, divisor, n - i < RUN ? n - i : RUN);
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
#pragma omp parallel for schedule(static) if (n_rows * dim > RUN)
    for (size_t t = 0; t < n_rows; t++) add_run(x + t * dim, bias, dim);
}

CNA_CLONES void cna_rope(float *x, size_t n_heads, size_t head_dim, size_t rotary_dim, const float *cos,
                         const float *sin)
{
    size_t half = rotary_dim / 2;
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

/* Values that are compared together: several vectors, so that comparisons need not wait for one another. */
enum { COMPARED = 64 };

static inline float larger(float a, float b)
{
    return a > b ? a : b;
}

CNA_CLONES static float max_of(const float *x, size_t n)
{
    float lanes[COMPARED], last[N_LANES];
    size_t i = 0;
    for (size_t j = 0; j < COMPARED; j++) lanes[j] = -INFINITY;
    for (; i + COMPARED <= n; i += COMPARED) {
        for (size_t j = 0; j < COMPARED; j++) lanes[j] = larger(x[i + j], lanes[j]);
    }
    for (; i + N_LANES <= n; i += N_LANES) {
        for (size_t j = 0; j < N_LANES; j++) lanes[j] = larger(x[i + j], lanes[j]);
    }
    for (size_t j = 0; j < N_LANES; j++) last[j] = -INFINITY;
    memcpy(last, x + i, (n - i) * sizeof *x);
    for (size_t k = 0; k < COMPARED; k += N_LANES) {
        for (size_t j = 0; j < N_LANES; j++) last[j] = larger(lanes[k + j], last[j]);
    }
    float max[4];
    for (size_t j = 0; j < 4; j++) max[j] = larger(larger(last[j], last[j + 4]), larger(last[j + 8], last[j + 12]));
    return larger(larger(max[0], max[1]), larger(max[2], max[3]));
}

/* Index of the first whole run of COMPARED values that holds value, or of what follows the last run. */
CNA_CLONES static size_t run_with(const float *x, size_t n, float value)
{
    size_t i = 0;
    for (; i + COMPARED <= n; i += COMPARED) {
        uint32_t found = 0;
        for (size_t j = 0; j < COMPARED; j++) found |= x[i + j] == value;
        if (found != 0) break;
    }
    return i;
}

size_t cna_argmax(const float *x, size_t n)
{
    float max = max_of(x, n);
    for (size_t i = run_with(x, n, max); i < n; i++) {
        if (x[i] == max) return i;
    }
    return 0;
}

/* Exponentials that wait in the first-level cache for their sum. */
enum { EXPONENTIALS = 512 };

CNA_CLONES static double sum_exp(const float *x, float max, size_t n)
{
    float values[EXPONENTIALS];
    double lanes[N_LANES] = {0};
    for (size_t i = 0; i < n; i += EXPONENTIALS) {
        size_t here = n - i < EXPONENTIALS ? n - i : EXPONENTIALS, whole = here / N_LANES * N_LANES;
        for (size_t j = 0; j < here; j++) values[j] = exp_inline(x[i + j] - max);
        for (size_t k = 0; k < whole; k += N_LANES) {
            for (size_t j = 0; j < N_LANES; j++) lanes[j] += (double)values[k + j];
        }
        for (size_t j = whole; j < here; j++) lanes[j - whole] += (double)values[j];
    }
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
    /* Whole vectors: one exponential costs as much alone as sixteen together, and short rows are common. */
    size_t padded = (n + N_LANES - 1) / N_LANES * N_LANES;
    for (size_t i = n; i < padded; i++) x[i] = -INFINITY;
    float max = max_of(x, padded);
    float lanes[N_LANES] = {0};
    for (size_t i = 0; i < padded; i += N_LANES) {
        for (size_t j = 0; j < N_LANES; j++) {
            x[i + j] = exp_inline(x[i + j] - max);
            lanes[j] += x[i + j];
        }
    }
    return sum_lanes(lanes);
}
