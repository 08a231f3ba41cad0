/* SPDX-License-Identifier: MIT
 * The table of model families. Defaults are those of transformers' configuration classes (5.x, configuration_*.py);
 * names of architectures and orders of rows are llama.cpp's (llama-arch.cpp, convert_hf_to_gguf.py). */
#include "checkpoint/family.h"

#include <string.h>

#define NORMS_BEFORE                                                                                                   \
    .norms = {[CNA_NORM_ATTENTION] = "input_layernorm.weight", [CNA_NORM_MLP] = "post_attention_layernorm.weight"}
#define NORMS_BEHIND                                                                                                   \
    .norms = {[CNA_NORM_ATTENTION_OUT] = "post_attention_layernorm.weight",                                            \
              [CNA_NORM_MLP_OUT] = "post_feedforward_layernorm.weight"}
#define NORMS_AROUND                                                                                                   \
    .norms = {"input_layernorm.weight", "post_attention_layernorm.weight", "pre_feedforward_layernorm.weight",         \
              "post_feedforward_layernorm.weight"}

static const cna_family families[] = {
    {.name = "llama", .gguf = "llama", NORMS_BEFORE, .activation_key = "hidden_act", .attention_bias = true,
     .mlp_bias = true, .paired = true, .max_positions = 2048, .rms_eps = 1e-6, .theta = 1e4},
    {.name = "mistral", NORMS_BEFORE, .activation_key = "hidden_act", .windows = CNA_WINDOW_ALL, .n_kv_heads = 8,
     .max_positions = 131072, .window = 4096, .rms_eps = 1e-6, .theta = 1e4},
    {.name = "qwen2", .gguf = "qwen2", NORMS_BEFORE, .activation_key = "hidden_act", .qkv_bias = true,
     .windows = CNA_WINDOW_FROM, .n_kv_heads = 32, .max_positions = 32768, .window = 4096, .rms_eps = 1e-6,
     .theta = 1e4},
    {.name = "qwen3", .gguf = "qwen3", NORMS_BEFORE, .qk_norm = CNA_QK_NORM_HEAD, .activation_key = "hidden_act",
     .attention_bias = true, .windows = CNA_WINDOW_FROM, .head_dim = 128, .n_kv_heads = 32, .max_positions = 32768,
     .window = 4096, .rms_eps = 1e-6, .theta = 1e4},
    {.name = "gemma2", .gguf = "gemma2", NORMS_AROUND, .activation = CNA_ACTIVATION_GELU_TANH,
     .activation_key = "hidden_activation", .attention_bias = true, .root_embedding = true, .plus_one = true,
     .windows = CNA_WINDOW_PATTERN, .head_dim = 256, .n_kv_heads = 4, .max_positions = 8192, .window = 4096,
     .window_pattern = 2, .rms_eps = 1e-6, .theta = 1e4, .attention_cap = 50, .logit_cap = 30, .query_scalar = 256,
     .tied = true},
    {.name = "gemma3_text", .wrapper = "gemma3", .gguf = "gemma3", NORMS_AROUND, .qk_norm = CNA_QK_NORM_HEAD,
     .activation = CNA_ACTIVATION_GELU_TANH, .activation_key = "hidden_activation", .attention_bias = true,
     .root_embedding = true, .plus_one = true, .windows = CNA_WINDOW_PATTERN, .n_layers = 26, .hidden_dim = 2304,
     .mlp_dim = 9216, .n_heads = 8, .vocab_size = 262208, .head_dim = 256, .n_kv_heads = 4, .max_positions = 131072,
     .window = 4096, .window_pattern = 6, .rms_eps = 1e-6, .theta = 1e6, .local_theta = 1e4,
     .query_scalar = 256, .tied = true},
    {.name = "phi3", .gguf = "phi3", NORMS_BEFORE, .activation_key = "hidden_act", .fused = true,
     .partial_rotary = true, .windows = CNA_WINDOW_ALL, .max_positions = 4096,
     .original_positions = 4096, .rms_eps = 1e-5, .theta = 1e4},
    {.name = "olmo2", .gguf = "olmo2", NORMS_BEHIND, .qk_norm = CNA_QK_NORM_WHOLE, .activation_key = "hidden_act",
     .attention_bias = true, .max_positions = 2048, .rms_eps = 1e-5, .theta = 1e4},
    {.name = "granite", .gguf = "granite", NORMS_BEFORE, .activation_key = "hidden_act", .attention_bias = true,
     .mlp_bias = true, .paired = true, .multipliers = true, .max_positions = 2048, .rms_eps = 1e-6, .theta = 1e4},
    {.name = "smollm3", .gguf = "smollm3", NORMS_BEFORE, .activation_key = "hidden_act", .attention_bias = true,
     .mlp_bias = true, .paired = true, .windows = CNA_WINDOW_UNROTATED, .n_kv_heads = 4, .max_positions = 32768,
     .unrotated_interval = 4, .rms_eps = 1e-6, .theta = 2e6, .tied = true},
};

const cna_family *cna_family_find(const char *model_type, bool *wrapped)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        const cna_family *family = &families[i];
        bool inside = family->wrapper != NULL && strcmp(family->wrapper, model_type) == 0;
        if (wrapped != NULL) *wrapped = inside;
        if (inside || strcmp(family->name, model_type) == 0) return family;
    }
    return NULL;
}

const cna_family *cna_family_find_gguf(const char *name, size_t n_bytes)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        const char *own = families[i].gguf;
        if (own != NULL && strlen(own) == n_bytes && memcmp(own, name, n_bytes) == 0) return &families[i];
    }
    return NULL;
}

/* GGUF has no name for Mistral, whose files are Llama's. */
static const char *gguf_name(const cna_family *family)
{
    return family->gguf != NULL ? family->gguf : "llama";
}

static bool has_name(const cna_family *family, const char *name)
{
    return strcmp(family->name, name) == 0 || strcmp(gguf_name(family), name) == 0 ||
           (family->wrapper != NULL && strcmp(family->wrapper, name) == 0);
}

bool cna_family_same(const char *a, const char *b)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        if (has_name(&families[i], a) && has_name(&families[i], b)) return true;
    }
    return strcmp(a, b) == 0;
}

const char *cna_family_gguf_name(const char *name)
{
    const cna_family *family = cna_family_find(name, NULL);
    return family != NULL ? gguf_name(family) : name;
}
