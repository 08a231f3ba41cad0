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

/* out = (w + offset) * x / sqrt(mean(x^2) + eps) for each n of a row of dim; may be in place. */
static void normalise(const cna_config *c, const double *x, const double *w, size_t n, size_t dim, double *out)
{
    for (size_t at = 0; at < dim; at += n) {
        double squares = 0;
        for (size_t i = 0; i < n; i++) squares += x[at + i] * x[at + i];
        double root = sqrt(squares / (double)n + (double)c->rms_eps);
        for (size_t i = 0; i < n; i++) out[at + i] = (w[i] + (double)c->norm_offset) * x[at + i] / root;
    }
}

/* Turn each head's pairs (i, i + r/2) by position * frequency, r being how much of it is rotated. */
static void rotate(const cna_config *c, const float *frequencies, size_t position, double *x, size_t n_heads)
{
    size_t half = c->rotary_dim / 2;
    for (size_t h = 0; h < n_heads; h++) {
        for (size_t i = 0; i < half; i++) {
            double *a = x + h * c->head_dim + i, *b = a + half, low = *a, high = *b;
            double angle = (double)position * (double)frequencies[i], size = (double)c->rope_magnitude;
            *a = size * (low * cos(angle) - high * sin(angle));
            *b = size * (high * cos(angle) + low * sin(angle));
        }
    }
}

static double soft_cap(double x, float cap)
{
    return cap > 0 ? (double)cap * tanh(x / (double)cap) : x;
}

/* One query head over keys and values [n, kv_dim] of one key head, from position `first` on. */
static void attend(const cna_config *c, const double *q, const double *keys, const double *values, size_t first,
                   size_t n, size_t kv_dim, double *out)
{
    double *p = new_doubles(n), max = -INFINITY, sum = 0;
    for (size_t t = first; t < n; t++) {
        for (size_t i = 0; i < c->head_dim; i++) p[t] += q[i] * keys[t * kv_dim + i] * (double)c->attention_scale;
        p[t] = soft_cap(p[t], c->attention_cap);
        if (p[t] > max) max = p[t];
    }
    for (size_t t = first; t < n; t++) sum += p[t] = exp(p[t] - max);
    for (size_t i = 0; i < c->head_dim; i++) {
        out[i] = 0;
        for (size_t t = first; t < n; t++) out[i] += p[t] / sum * values[t * kv_dim + i];
    }
    cna_free(p);
}

static bool applies(cna_positions positions, size_t position, size_t n_prompt)
{
    return positions == CNA_POSITIONS_ALL || (positions == CNA_POSITIONS_PROMPT && position < n_prompt) ||
           (positions == CNA_POSITIONS_GENERATED && position >= n_prompt) ||
           (positions == CNA_POSITIONS_LAST && position + 1 == n_prompt);
}

/* f of h = f(gate) * up. */
static double activation(const cna_config *c, double v)
{
    const double root = 0.79788456080286535588; /* sqrt(2 / pi) */
    if (c->family->activation == CNA_ACTIVATION_SILU) return v / (1 + exp(-v));
    return 0.5 * v * (1 + tanh(root * (v + 0.044715 * v * v * v)));
}

/* The queries, keys and values of one position, normed and rotated. */
static void project(const reference_model *m, const float *const frequencies[2], int layer, size_t position,
                    const double *normed, double *q, double *key, double *value)
{
    const cna_config *c = &m->checkpoint.config;
    size_t q_dim = (size_t)c->n_heads * c->head_dim, kv_dim = (size_t)c->n_kv_heads * c->head_dim;
    const double *fused = weight(m, layer, "self_attn.qkv_proj.weight");
    const double *wq = fused, *wk = fused + q_dim * c->hidden_dim, *wv = fused + (q_dim + kv_dim) * c->hidden_dim;
    if (fused == NULL) {
        wq = weight(m, layer, "self_attn.q_proj.weight");
        wk = weight(m, layer, "self_attn.k_proj.weight");
        wv = weight(m, layer, "self_attn.v_proj.weight");
    }
    multiply(wq, weight(m, layer, "self_attn.q_proj.bias"), normed, q_dim, c->hidden_dim, q);
    multiply(wk, weight(m, layer, "self_attn.k_proj.bias"), normed, kv_dim, c->hidden_dim, key);
    multiply(wv, weight(m, layer, "self_attn.v_proj.bias"), normed, kv_dim, c->hidden_dim, value);
    const double *q_norm = weight(m, layer, "self_attn.q_norm.weight");
    const double *k_norm = weight(m, layer, "self_attn.k_norm.weight");
    bool by_head = c->family->qk_norm == CNA_QK_NORM_HEAD;
    if (q_norm != NULL) normalise(c, q, q_norm, by_head ? c->head_dim : q_dim, q_dim, q);
    if (k_norm != NULL) normalise(c, key, k_norm, by_head ? c->head_dim : kv_dim, kv_dim, key);
    if (cna_layer_set_has(&c->unrotated, (uint32_t)layer)) return;
    bool local = c->rope_local_theta > 0 && cna_layer_set_has(&c->windowed, (uint32_t)layer);
    rotate(c, frequencies[local], position, q, c->n_heads);
    rotate(c, frequencies[local], position, key, c->n_kv_heads);
}

/* x += what a sublayer gave, normed if it has a norm behind it, and scaled; out becomes what was added. */
static void add_output(const cna_config *c, const double *norm, double *out, double *x)
{
    if (norm != NULL) normalise(c, out, norm, c->hidden_dim, c->hidden_dim, out);
    for (size_t i = 0; i < c->hidden_dim; i++) {
        out[i] *= (double)c->residual_scale;
        x[i] += out[i];
    }
}

/* Names as transformers' modules have them: with a norm before and behind, the one behind attention has the name that
 * others give to the one before the MLP. */
typedef struct norms {
    const double *before, *behind, *mlp_before, *mlp_behind;
} norms;

static norms norms_of(const reference_model *m, int layer)
{
    norms n = {.before = weight(m, layer, "input_layernorm.weight"),
               .mlp_before = weight(m, layer, "pre_feedforward_layernorm.weight"),
               .mlp_behind = weight(m, layer, "post_feedforward_layernorm.weight")};
    const double *other = weight(m, layer, "post_attention_layernorm.weight");
    if (n.mlp_behind != NULL) n.behind = other;
    else n.mlp_before = other;
    return n;
}

/* h of the residual stream. */
static void run_mlp(const reference_model *m, int layer, const double *normed, double *h)
{
    const cna_config *c = &m->checkpoint.config;
    double *up = new_doubles(c->mlp_dim);
    const double *fused = weight(m, layer, "mlp.gate_up_proj.weight");
    const double *wgate = fused != NULL ? fused : weight(m, layer, "mlp.gate_proj.weight");
    const double *wup = fused != NULL ? fused + (size_t)c->mlp_dim * c->hidden_dim
                                      : weight(m, layer, "mlp.up_proj.weight");
    multiply(wgate, weight(m, layer, "mlp.gate_proj.bias"), normed, c->mlp_dim, c->hidden_dim, h);
    multiply(wup, weight(m, layer, "mlp.up_proj.bias"), normed, c->mlp_dim, c->hidden_dim, up);
    for (size_t i = 0; i < c->mlp_dim; i++) h[i] = activation(c, h[i]) * up[i];
    cna_free(up);
}

/* One layer at one position: x changes in place; keys and values of this layer gain a row; h is left unscaled; out is
 * what the MLP adds. */
static void run_layer(const reference_model *m, const float *const frequencies[2], int layer, size_t position,
                      size_t n_prompt, const reference_taps *taps, double *keys, double *values, double *x, double *h,
                      double *out)
{
    const cna_config *c = &m->checkpoint.config;
    size_t q_dim = (size_t)c->n_heads * c->head_dim, kv_dim = (size_t)c->n_kv_heads * c->head_dim;
    size_t group = c->n_heads / c->n_kv_heads, first = 0;
    double *normed = new_doubles(c->hidden_dim), *scaled = new_doubles(c->mlp_dim);
    double *q = new_doubles(q_dim), *attended = new_doubles(q_dim);
    const norms n = norms_of(m, layer);
    memcpy(normed, x, c->hidden_dim * sizeof *x);
    if (n.before != NULL) normalise(c, x, n.before, c->hidden_dim, c->hidden_dim, normed);
    project(m, frequencies, layer, position, normed, q, keys + position * kv_dim, values + position * kv_dim);
    if (cna_layer_set_has(&c->windowed, (uint32_t)layer) && position >= c->window) first = position - c->window + 1;
    for (size_t head = 0; head < c->n_heads; head++) {
        size_t at = head / group * c->head_dim;
        attend(c, q + head * c->head_dim, keys + at, values + at, first, position + 1, kv_dim,
               attended + head * c->head_dim);
    }
    multiply(weight(m, layer, "self_attn.o_proj.weight"), weight(m, layer, "self_attn.o_proj.bias"), attended,
             c->hidden_dim, q_dim, out);
    add_output(c, n.behind, out, x);
    memcpy(normed, x, c->hidden_dim * sizeof *x);
    if (n.mlp_before != NULL) normalise(c, x, n.mlp_before, c->hidden_dim, c->hidden_dim, normed);
    run_mlp(m, layer, normed, h);
    memcpy(scaled, h, c->mlp_dim * sizeof *h);
    for (size_t i = 0; i < taps->n_scales; i++) {
        const cna_scale *scale = &taps->scales[i];
        if (scale->layer == (uint32_t)layer && applies(scale->positions, position, n_prompt))
            scaled[scale->neuron] *= (double)scale->multiplier;
    }
    multiply(weight(m, layer, "mlp.down_proj.weight"), weight(m, layer, "mlp.down_proj.bias"), scaled, c->hidden_dim,
             c->mlp_dim, out);
    add_output(c, n.mlp_behind, out, x);
    for (size_t j = 0; j < taps->n_shifts; j++) {
        const cna_shift *shift = &taps->shifts[j];
        if (shift->layer != (uint32_t)layer || !applies(shift->positions, position, n_prompt)) continue;
        for (size_t i = 0; i < c->hidden_dim; i++) x[i] += (double)shift->vector[i];
    }
    double *buffers[] = {normed, scaled, q, attended};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) cna_free(buffers[i]);
}

void reference_model_run(const reference_model *m, const int32_t *ids, size_t n_ids, size_t n_prompt,
                         const reference_taps *taps, double *logits, const reference_last *last)
{
    const cna_config *c = &m->checkpoint.config;
    size_t kv_values = n_ids * c->n_kv_heads * c->head_dim;
    double *keys = new_doubles(c->n_layers * kv_values), *values = new_doubles(c->n_layers * kv_values);
    double *x = new_doubles(c->hidden_dim), *normed = new_doubles(c->hidden_dim);
    float global[256], local[256]; /* tests/test_config.c compares these with the rule in double */
    const float *const frequencies[] = {global, local};
    cna_config_inverse_frequencies(c, false, global);
    if (c->rope_local_theta > 0) cna_config_inverse_frequencies(c, true, local);
    const double *embedding = weight(m, -1, "model.embed_tokens.weight");
    const double *head = c->tied_embeddings ? embedding : weight(m, -1, "lm_head.weight");
    for (size_t t = 0; t < n_ids; t++) {
        for (size_t i = 0; i < c->hidden_dim; i++) {
            x[i] = embedding[(size_t)ids[t] * c->hidden_dim + i] * (double)c->embedding_scale;
        }
        for (uint32_t layer = 0; layer < c->n_layers; layer++) {
            run_layer(m, frequencies, (int)layer, t, n_prompt, taps, keys + layer * kv_values,
                      values + layer * kv_values, x, last->h + (size_t)layer * c->mlp_dim,
                      last->mlp_output + (size_t)layer * c->hidden_dim);
            memcpy(last->residual + (size_t)layer * c->hidden_dim, x, c->hidden_dim * sizeof *x);
        }
        normalise(c, x, weight(m, -1, "model.norm.weight"), c->hidden_dim, c->hidden_dim, normed);
        multiply(head, NULL, normed, c->vocab_size, c->hidden_dim, logits + t * c->vocab_size);
        for (size_t i = t * c->vocab_size; i < (t + 1) * c->vocab_size; i++) {
            logits[i] = soft_cap(logits[i] / (double)c->logit_divisor, c->logit_cap);
        }
    }
    cna_free(keys);
    cna_free(values);
    cna_free(x);
    cna_free(normed);
}
