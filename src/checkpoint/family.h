/* SPDX-License-Identifier: MIT
 * Model families: what the layers of each are made of, and what its keys mean where a config leaves them out. A config
 * (config.h) holds the values of one model; nothing but this table, the readers of configs and the names of tensors
 * (engine/weights.c) knows one family from another. */
#ifndef CNA_CHECKPOINT_FAMILY_H
#define CNA_CHECKPOINT_FAMILY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a layer may have an RMS norm: before and behind its attention and its MLP. */
typedef enum cna_norm_place {
    CNA_NORM_ATTENTION,
    CNA_NORM_ATTENTION_OUT,
    CNA_NORM_MLP,
    CNA_NORM_MLP_OUT,
    CNA_NORM_PLACES,
} cna_norm_place;

/* Norms of queries and keys, before they are rotated. */
typedef enum cna_qk_norm {
    CNA_QK_NORM_NONE,
    CNA_QK_NORM_HEAD,  /* of each head, all by one weight [head_dim] */
    CNA_QK_NORM_WHOLE, /* of all heads together, by a weight for each component */
} cna_qk_norm;

/* f of h = f(W_gate x) * (W_up x). */
typedef enum cna_activation {
    CNA_ACTIVATION_SILU,
    CNA_ACTIVATION_GELU_TANH,
} cna_activation;

/* Which layers attend within a window only, as config.json says it. */
typedef enum cna_window_rule {
    CNA_WINDOW_NEVER,
    CNA_WINDOW_ALL,       /* every layer, where sliding_window is a number */
    CNA_WINDOW_FROM,      /* with use_sliding_window, the layers from max_window_layers on, or those of layer_types */
    CNA_WINDOW_PATTERN,   /* all but every n-th layer, or those of layer_types */
    CNA_WINDOW_UNROTATED, /* with use_sliding_window, the layers without rotation, or those of layer_types */
} cna_window_rule;

typedef struct cna_family {
    const char *name;    /* model_type of config.json */
    const char *wrapper; /* ? model_type of a config whose text_config is one of the family */
    const char *gguf;    /* ? general.architecture */
    const char *norms[CNA_NORM_PLACES]; /* ? tensors of a folder; NULL: no such norm */
    cna_qk_norm qk_norm;
    cna_activation activation;
    const char *activation_key;
    bool qkv_bias;       /* always */
    bool attention_bias; /* on q, k, v and o by key attention_bias */
    bool mlp_bias;       /* on gate, up and down by key mlp_bias */
    bool fused;          /* q, k, v are one tensor, and so are gate and up */
    bool paired;         /* GGUF has the rows of q and k in pairs */
    bool root_embedding; /* embeddings are multiplied by sqrt(hidden_size) */
    bool plus_one;       /* in a folder, norms multiply by 1 + their weight */
    bool multipliers;    /* Granite's four keys */
    bool partial_rotary; /* key partial_rotary_factor */
    cna_window_rule windows;
    /* Values of absent keys; 0: none, or as said. The first five: 0 where the key must be there. */
    uint32_t n_layers, hidden_dim, mlp_dim, n_heads, vocab_size;
    uint32_t head_dim;      /* 0: hidden_size / heads */
    uint32_t n_kv_heads;    /* 0: as many as heads */
    uint32_t max_positions;
    uint32_t original_positions; /* of longrope; 0: as its scaling says */
    uint32_t window, window_pattern, unrotated_interval;
    double rms_eps, theta;
    double local_theta;     /* of layers with a window; 0: they have the others' */
    double attention_cap, logit_cap;
    double query_scalar;    /* scores are divided by its root; 0: by head_dim's, and there is no such key */
    bool tied;
} cna_family;

/* The family of a config's model_type. wrapped (? NULL) receives whether its values are in text_config. NULL: unknown.
 */
const cna_family *cna_family_find(const char *model_type, bool *wrapped);
/* The family that a general.architecture stands for; [n_bytes] text. NULL: unknown. */
const cna_family *cna_family_find_gguf(const char *name, size_t n_bytes);

/* Whether two names, each a model_type or a general.architecture, may be one model's. */
bool cna_family_same(const char *a, const char *b);
/* The general.architecture of a model_type; a name that is none of a family's is its own. */
const char *cna_family_gguf_name(const char *name);

/* The names for messages: "llama, mistral, ... or granite". */
#define CNA_FAMILY_NAMES "llama, mistral, qwen2, qwen3, gemma2, gemma3, phi3, olmo2, granite or smollm3"
#define CNA_FAMILY_GGUF_NAMES "llama, qwen2, qwen3, gemma2, gemma3, phi3, olmo2, granite or smollm3"

#endif
