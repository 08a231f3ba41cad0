/* SPDX-License-Identifier: MIT
 * The elementwise operations of a decoder layer, in f32. Threads split rows and never sums; every sum runs in an order
 * that depends on nothing but its length, so the bits do not depend on threads, batch or vector width. */
#ifndef CNA_TENSOR_OPS_H
#define CNA_TENSOR_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* out[t, i] = weight[i] * (x[t, i] / sqrt(mean_i(x[t, i]^2) + eps)).
 *   x, out  [n_rows, dim], may be the same
 *   weight  [dim]
 * Returns whether each row's squares have a finite sum. A row whose squares have none becomes zeros, whatever was in it
 * (about 1e19 and more), or no numbers.
 * Source: transformers, LlamaRMSNorm. */
bool cna_rms_norm(const float *x, const float *weight, float eps, size_t n_rows, size_t dim, float *out);

/* gate[i] = silu(gate[i]) * up[i], silu(v) = v / (1 + exp(-v)), i < n.
 * Numerics: relative error of silu under 4e-7 where |v| < 80. */
void cna_swiglu(float *gate, const float *up, size_t n);

/* gate[i] = gelu(gate[i]) * up[i], i < n, gelu(v) = v (1 + tanh u) / 2, u = sqrt(2 / pi) (v + 0.044715 v^3); written as
 * v / (1 + exp(-2u)), which loses no digits where tanh u is near -1.
 * Numerics: relative error of gelu under 1e-6 + 3e-7 |u| where |u| < 40.
 * Source: transformers, gelu_pytorch_tanh. */
void cna_geglu(float *gate, const float *up, size_t n);

/* x[i] = cap tanh(x[i] / cap), i < n. Numerics: relative error under 6e-7. */
void cna_soft_cap(float *x, float cap, size_t n);

/* x[i] *= scale, i < n; x[i] /= divisor. */
void cna_rescale(float *x, float scale, size_t n);
void cna_divide(float *x, float divisor, size_t n);

/* x[i] += y[i], i < n. */
void cna_add(float *x, const float *y, size_t n);

/* x[t, i] += bias[i]. */
void cna_add_bias(float *x, const float *bias, size_t n_rows, size_t dim);

/* Rotate one row's heads by position, in the half-split layout; r = rotary_dim, components from r on stay:
 *   a = x[h, i], b = x[h, i + r/2]:  x[h, i] = a cos_i - b sin_i,  x[h, i + r/2] = b cos_i + a sin_i
 *   x         [n_heads, head_dim]
 *   cos, sin  [rotary_dim / 2] for the row's position
 * Source: transformers, apply_rotary_pos_emb. */
void cna_rope(float *x, size_t n_heads, size_t head_dim, size_t rotary_dim, const float *cos, const float *sin);

/* Index of the largest of x[0..n-1], n >= 1, the lowest where several are equal. */
size_t cna_argmax(const float *x, size_t n);

/* log(sum_i exp(x[i])), exponentials in f32, sum in f64; n >= 1. */
double cna_log_sum_exp(const float *x, size_t n);

/* e^x for |x| <= 87, clamped outside to e^-87 and e^88; relative error under 2e-7. Exposed for tests. */
float cna_exp(float x);

/* x[i] = exp(x[i] - max(x)) for i < n, n >= 1; returns their sum. The sum is over 16 lanes, element i in lane i % 16.
 *   x  [n rounded up to a multiple of 16]; what lies behind n is overwritten, and each adds e^-87 to a sum of 1 or
 *   more:
 *      nothing */
float cna_softmax_unscaled(float *x, size_t n);

#endif
