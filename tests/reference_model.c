/* SPDX-License-Identifier: MIT
 * The model's formulas in double precision. */
#include "reference_model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support.h"

static double *new_doubles(size_t n)
{
    cna_error err;
    double *out;
    assert_ok(cna_alloc(&out, n, sizeof *out, "test", &err));
    return out;
}

/* One stored value, decoded by the definition of its format. */
static double value_of(const cna_tensor *tensor, size_t i)
{
    float value;
    uint16_t half;
    if (strcmp(tensor->dtype, "F32") == 0) {
        memcpy(&value, tensor->data + 4 * i, 4);
        return (double)value;
    }
    memcpy(&half, tensor->data + 2 * i, 2);
    bool bf16 = strcmp(tensor->dtype, "BF16") == 0;
    int bits = bf16 ? 7 : 10, bias = bf16 ? 127 : 15;
    int exponent = half >> bits & (bf16 ? 255 : 31), fraction = half & ((1 << bits) - 1);
    double magnitude = exponent == 0 ? ldexp(fraction, 1 - bias - bits)
                                     : ldexp(fraction + (1 << bits), exponent - bias - bits);
    return half >> 15 != 0 ? -magnitude : magnitude;
}

reference_model reference_model_open(const char *folder)
{
    cna_error err;
    reference_model m;
    assert_ok(cna_checkpoint_open(folder, &m.checkpoint, &err));
    assert_ok(cna_alloc(&m.weights, m.checkpoint.n_tensors, sizeof *m.weights, "test", &err));
    for (size_t i = 0; i < m.checkpoint.n_tensors; i++) {
        const cna_tensor *tensor = m.checkpoint.tensors[i];
        size_t n = 1;
        for (size_t j = 0; j < tensor->rank; j++) n *= (size_t)tensor->shape[j];
        m.weights[i] = new_doubles(n);
        for (size_t j = 0; j < n; j++) m.weights[i][j] = value_of(tensor, j);
    }
    return m;
}

void reference_model_close(reference_model *m)
{
    for (size_t i = 0; i < m->checkpoint.n_tensors; i++) cna_free(m->weights[i]);
    cna_free(m->weights);
    cna_checkpoint_close(&m->checkpoint);
}

/* The tensor "model.layers.LAYER.NAME", or NAME itself for layer -1; NULL where there is none. */
static const double *weight(const reference_model *m, int layer, const char *name)
{
    char full[128];
    if (layer < 0) snprintf(full, sizeof full, "%s", name);
    else snprintf(full, sizeof full, "model.layers.%d.%s", layer, name);
    for (size_t i = 0; i < m->checkpoint.n_tensors; i++) {
        if (strcmp(m->checkpoint.tensors[i]->name, full) == 0) return m->weights[i];
    }
    return NULL;
}

/* y = W x + bias. */
static void multiply(const double *w, const double *bias, const double *x, size_t n_out, size_t n_in, double *y)
{
    for (size_t j = 0; j < n_out; j++) {
        y[j] = bias == NULL ? 0 : bias[j];
        for (size_t i = 0; i < n_in; i++) y[j] += w[j * n_in + i] * x[i];
    }
}

static void normalise(const cna_config *c, const double *x, const double *w, double *out)
{
    double squares = 0;
    for (size_t i = 0; i < c->hidden_dim; i++) squares += x[i] * x[i];
    for (size_t i = 0; i < c->hidden_dim; i++)
        out[i] = w[i] * x[i] / sqrt(squares / c->hidden_dim + (double)c->rms_eps);
}

/* Turn each head's pairs (i, i + head_dim/2) by position * frequency. */
static void rotate(const cna_config *c, const float *frequencies, size_t position, double *x, size_t n_heads)
{
    size_t half = c->head_dim / 2;
    for (size_t h = 0; h < n_heads; h++) {
        for (size_t i = 0; i < half; i++) {
            double *a = x + h * c->head_dim + i, *b = a + half, low = *a, high = *b;
            double angle = (double)position * (double)frequencies[i];
            *a = low * cos(angle) - high * sin(angle);
            *b = high * cos(angle) + low * sin(angle);
        }
    }
}

/* One query head over keys and values [n, kv_dim] of one key head. */
static void attend(const cna_config *c, const double *q, const double *keys, const double *values,
                   size_t n, size_t kv_dim, double *out)
{
    double *p = new_doubles(n), max = -INFINITY, sum = 0;
    for (size_t t = 0; t < n; t++) {
        for (size_t i = 0; i < c->head_dim; i++) p[t] += q[i] * keys[t * kv_dim + i] / sqrt((double)c->head_dim);
        if (p[t] > max) max = p[t];
    }
    for (size_t t = 0; t < n; t++) sum += p[t] = exp(p[t] - max);
    for (size_t i = 0; i < c->head_dim; i++) {
        out[i] = 0;
        for (size_t t = 0; t < n; t++) out[i] += p[t] / sum * values[t * kv_dim + i];
    }
    cna_free(p);
}

static bool applies(cna_positions positions, size_t position, size_t n_prompt)
{
    return positions == CNA_POSITIONS_ALL || (positions == CNA_POSITIONS_PROMPT && position < n_prompt) ||
           (positions == CNA_POSITIONS_GENERATED && position >= n_prompt) ||
           (positions == CNA_POSITIONS_LAST && position + 1 == n_prompt);
}

/* One layer at one position: x changes in place; keys and values of this layer gain a row; h is left unscaled; out is
 * what the MLP adds. */
static void run_layer(const reference_model *m, const float *frequencies, int layer, size_t position, size_t n_prompt,
                      const reference_taps *taps, double *keys, double *values, double *x, double *h, double *out)
{
    const cna_config *c = &m->checkpoint.config;
    size_t q_dim = (size_t)c->n_heads * c->head_dim, kv_dim = (size_t)c->n_kv_heads * c->head_dim;
    size_t group = c->n_heads / c->n_kv_heads;
    double *normed = new_doubles(c->hidden_dim), *scaled = new_doubles(c->mlp_dim);
    double *q = new_doubles(q_dim), *attended = new_doubles(q_dim), *up = new_doubles(c->mlp_dim);
    normalise(c, x, weight(m, layer, "input_layernorm.weight"), normed);
    double *key = keys + position * kv_dim, *value = values + position * kv_dim;
    multiply(weight(m, layer, "self_attn.q_proj.weight"), weight(m, layer, "self_attn.q_proj.bias"),
             normed, q_dim, c->hidden_dim, q);
    multiply(weight(m, layer, "self_attn.k_proj.weight"), weight(m, layer, "self_attn.k_proj.bias"),
             normed, kv_dim, c->hidden_dim, key);
    multiply(weight(m, layer, "self_attn.v_proj.weight"), weight(m, layer, "self_attn.v_proj.bias"),
             normed, kv_dim, c->hidden_dim, value);
    rotate(c, frequencies, position, q, c->n_heads);
    rotate(c, frequencies, position, key, c->n_kv_heads);
    for (size_t head = 0; head < c->n_heads; head++) {
        size_t at = head / group * c->head_dim;
        attend(c, q + head * c->head_dim, keys + at, values + at, position + 1, kv_dim, attended + head * c->head_dim);
    }
    multiply(weight(m, layer, "self_attn.o_proj.weight"), NULL, attended, c->hidden_dim, q_dim, out);
    for (size_t i = 0; i < c->hidden_dim; i++) x[i] += out[i];
    normalise(c, x, weight(m, layer, "post_attention_layernorm.weight"), normed);
    multiply(weight(m, layer, "mlp.gate_proj.weight"), NULL, normed, c->mlp_dim, c->hidden_dim, h);
    multiply(weight(m, layer, "mlp.up_proj.weight"), NULL, normed, c->mlp_dim, c->hidden_dim, up);
    for (size_t i = 0; i < c->mlp_dim; i++) scaled[i] = h[i] = h[i] / (1 + exp(-h[i])) * up[i];
    for (size_t i = 0; i < taps->n_scales; i++) {
        const cna_scale *scale = &taps->scales[i];
        if (scale->layer == (uint32_t)layer && applies(scale->positions, position, n_prompt))
            scaled[scale->neuron] *= (double)scale->multiplier;
    }
    multiply(weight(m, layer, "mlp.down_proj.weight"), NULL, scaled, c->hidden_dim, c->mlp_dim, out);
    for (size_t i = 0; i < c->hidden_dim; i++) x[i] += out[i];
    for (size_t j = 0; j < taps->n_shifts; j++) {
        const cna_shift *shift = &taps->shifts[j];
        if (shift->layer != (uint32_t)layer || !applies(shift->positions, position, n_prompt)) continue;
        for (size_t i = 0; i < c->hidden_dim; i++) x[i] += (double)shift->vector[i];
    }
    double *buffers[] = {normed, scaled, q, attended, up};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) cna_free(buffers[i]);
}

void reference_model_run(const reference_model *m, const int32_t *ids, size_t n_ids, size_t n_prompt,
                         const reference_taps *taps, double *logits, const reference_last *last)
{
    const cna_config *c = &m->checkpoint.config;
    size_t kv_values = n_ids * c->n_kv_heads * c->head_dim;
    double *keys = new_doubles(c->n_layers * kv_values), *values = new_doubles(c->n_layers * kv_values);
    double *x = new_doubles(c->hidden_dim), *normed = new_doubles(c->hidden_dim);
    float frequencies[256]; /* tests/test_config.c compares these with the rule in double */
    cna_config_inverse_frequencies(c, false, frequencies);
    const double *embedding = weight(m, -1, "model.embed_tokens.weight");
    const double *head = c->tied_embeddings ? embedding : weight(m, -1, "lm_head.weight");
    for (size_t t = 0; t < n_ids; t++) {
        memcpy(x, embedding + (size_t)ids[t] * c->hidden_dim, c->hidden_dim * sizeof *x);
        for (uint32_t layer = 0; layer < c->n_layers; layer++) {
            run_layer(m, frequencies, (int)layer, t, n_prompt, taps, keys + layer * kv_values,
                      values + layer * kv_values, x, last->h + (size_t)layer * c->mlp_dim,
                      last->mlp_output + (size_t)layer * c->hidden_dim);
            memcpy(last->residual + (size_t)layer * c->hidden_dim, x, c->hidden_dim * sizeof *x);
        }
        normalise(c, x, weight(m, -1, "model.norm.weight"), normed);
        multiply(head, NULL, normed, c->vocab_size, c->hidden_dim, logits + t * c->vocab_size);
    }
    cna_free(keys);
    cna_free(values);
    cna_free(x);
    cna_free(normed);
}
