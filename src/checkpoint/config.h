/* SPDX-License-Identifier: MIT
 * config.json and generation_config.json: the shape of a model, in old and new transformers style. */
#ifndef CNA_CHECKPOINT_CONFIG_H
#define CNA_CHECKPOINT_CONFIG_H

#include "base/memory.h"

typedef enum cna_architecture { CNA_ARCHITECTURE_LLAMA, CNA_ARCHITECTURE_QWEN2 } cna_architecture;
typedef enum cna_rope_type { CNA_ROPE_DEFAULT, CNA_ROPE_LLAMA3, CNA_ROPE_LINEAR } cna_rope_type;

enum { CNA_STOP_IDS_MAX = 64 };

typedef struct cna_config {
    cna_architecture architecture;
    uint32_t n_layers, hidden_dim, mlp_dim, n_heads, n_kv_heads, head_dim, vocab_size, max_positions;
    float rms_eps;
    bool tied_embeddings, qkv_bias;
    float rope_theta;
    cna_rope_type rope_type;
    float rope_factor; /* for llama3 and linear */
    float rope_low_frequency, rope_high_frequency, rope_original_positions; /* for llama3 */
    const unsigned char *rope_divisors; /* ? [head_dim / 2] f32 in a mapped file, perhaps unaligned */
    int32_t stop_ids[CNA_STOP_IDS_MAX]; /* union of eos_token_id of both files */
    size_t n_stop_ids;
} cna_config;

/* Read folder/config.json, and folder/generation_config.json where it exists.
 * Errors: ERR_IO; ERR_FORMAT for a bad value; ERR_UNSUPPORTED for another architecture, quantised weights, sliding
 *         windows, another rope or activation: each names file, key, what was expected and what was found. */
CNA_MUST_CHECK cna_status cna_config_read(const char *folder, cna_config *out, cna_error *err);

/* "llama" or "qwen2". */
const char *cna_architecture_name(cna_architecture architecture);

/* Inverse frequencies of rotary position embedding, in f32 with transformers' order of operations.
 *   out  [head_dim / 2]: theta^(-2i/head_dim); for llama3 rescaled by wavelength, for linear divided by the factor;
 *        then divided by rope_divisors where there are any, as llama.cpp divides angles
 * Source: transformers, modeling_rope_utils.py, _compute_llama3_parameters. */
void cna_config_inverse_frequencies(const cna_config *config, float *out);

#endif
