/* SPDX-License-Identifier: MIT
 * config.json and generation_config.json: the shape of a model, in old and new transformers style. */
#ifndef CNA_CHECKPOINT_CONFIG_H
#define CNA_CHECKPOINT_CONFIG_H

#include "base/memory.h"
#include "checkpoint/family.h"

typedef enum cna_rope_type {
    CNA_ROPE_DEFAULT,
    CNA_ROPE_LLAMA3,
    CNA_ROPE_LINEAR,
    CNA_ROPE_LONG, /* rope_divisors are the factors of short contexts, and position_limit ends them */
} cna_rope_type;

enum { CNA_STOP_IDS_MAX = 64, CNA_LAYERS_MAX = 1024, CNA_ROPE_DIVISORS_MAX = 256 };

/* Some of a model's layers. */
typedef struct cna_layer_set {
    uint64_t bits[CNA_LAYERS_MAX / 64];
} cna_layer_set;
void cna_layer_set_add(cna_layer_set *set, uint32_t layer);
bool cna_layer_set_has(const cna_layer_set *set, uint32_t layer);

/* One model. What is not a shape is what the family's keys say, resolved: 1 or 0 where a family has no such thing. */
typedef struct cna_config {
    const cna_family *family;
    uint32_t n_layers, hidden_dim, mlp_dim, n_heads, n_kv_heads, head_dim, vocab_size, max_positions;
    bool wrapped; /* the model is the language part of one that also sees; its tensors lie beside others */
    bool tied_embeddings, qkv_bias, o_bias, mlp_bias;
    float rms_eps, norm_offset; /* norm_offset: added to stored norm weights */
    float embedding_scale;      /* embeddings are multiplied by it */
    float attention_scale;      /* q . k is multiplied by it */
    float attention_cap;        /* s = cap tanh(s / cap) of scores; 0: no cap */
    float residual_scale;       /* what attention and MLP add is multiplied by it */
    float logit_divisor, logit_cap; /* logits are divided, then capped likewise */
    uint32_t window;            /* rows of windowed layers attend to positions > own - window */
    cna_layer_set windowed, unrotated;
    uint32_t rotary_dim;        /* leading components of a head that are rotated: even */
    float rope_theta, rope_local_theta; /* rope_local_theta: base in windowed layers, unscaled; 0: as in the others */
    cna_rope_type rope_type;
    float rope_factor; /* for llama3 and linear */
    float rope_low_frequency, rope_high_frequency, rope_original_positions; /* for llama3 */
    float rope_magnitude;       /* cosines and sines are multiplied by it */
    uint32_t n_rope_divisors;   /* 0 or rotary_dim / 2 */
    float rope_divisors[CNA_ROPE_DIVISORS_MAX];
    uint32_t position_limit;    /* positions behind it would be rotated otherwise; 0: none */
    int32_t stop_ids[CNA_STOP_IDS_MAX]; /* union of eos_token_id of both files */
    size_t n_stop_ids;
} cna_config;

/* Read folder/config.json, and folder/generation_config.json where it exists.
 * Errors: ERR_IO; ERR_FORMAT for a bad value; ERR_UNSUPPORTED for another family, quantised weights, another rope or
 *         activation: each names file, key, what was expected and what was found. */
CNA_MUST_CHECK cna_status cna_config_read(const char *folder, cna_config *out, cna_error *err);

/* Everything that a family without keys of its own would leave alone: scales 1, no caps, all of a head rotated. For the
 * readers of both formats, before they look at keys; n_heads and head_dim are there already. */
void cna_config_set_plain(cna_config *config);

/* The factor of cosines and sines of longrope for a context that has been stretched `factor` times:
 * sqrt(1 + ln factor / ln original), 1 where factor <= 1. */
float cna_config_long_magnitude(double factor, double original);

/* Inverse frequencies of rotary position embedding, in f32 with transformers' order of operations.
 *   local  those of windowed layers where they have their own base
 *   out    [rotary_dim / 2]: theta^(-2i/rotary_dim); for llama3 rescaled by wavelength, for linear divided by the
 *          factor; then divided by rope_divisors where there are any, as longrope and llama.cpp's rope_freqs do
 * Source: transformers, modeling_rope_utils.py. */
void cna_config_inverse_frequencies(const cna_config *config, bool local, float *out);

#endif
