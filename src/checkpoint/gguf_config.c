/* SPDX-License-Identifier: MIT
 * The shape of a model from the metadata of a .gguf file. */
#include "checkpoint/gguf_config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DIMENSION_MAX = 1 << 24, TOKEN_ID_MAX = (1 << 22) - 1 };

/* Metadata of one architecture: "llama.KEY". */
typedef struct section {
    const cna_gguf *gguf;
    const char *name;
} section;

static const char *key_of(const section *s, const char *key, char out[96])
{
    snprintf(out, 96, "%s.%s", s->name, key);
    return out;
}

static cna_status fail_missing(const section *s, const char *key, cna_error *err)
{
    return cna_fail(err, CNA_ERR_FORMAT, "%s: key '%s': expected a value, found nothing", s->gguf->file.map.path, key);
}

static cna_status find_int(const section *s, const char *key, int64_t max, int64_t *out, cna_error *err)
{
    char name[96];
    return cna_gguf_find_int(s->gguf, key_of(s, key, name), 1, max, out, err);
}

static cna_status get_dimension(const section *s, const char *key, int64_t max, uint32_t *out, cna_error *err)
{
    int64_t value = 0;
    char name[96];
    CNA_TRY(find_int(s, key, max, &value, err));
    if (value == 0) return fail_missing(s, key_of(s, key, name), err);
    *out = (uint32_t)value;
    return CNA_OK;
}

static bool is_text(const char *text, size_t n, const char *wanted)
{
    return n == strlen(wanted) && memcmp(text, wanted, n) == 0;
}

static cna_status read_architecture(const cna_gguf *gguf, cna_config *out, cna_error *err)
{
    const char *name = NULL, *path = gguf->file.map.path;
    size_t n = 0;
    CNA_TRY(cna_gguf_find_string(gguf, "general.architecture", &name, &n, err));
    if (name == NULL) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'general.architecture': expected a value, found nothing", path);
    }
    out->family = cna_family_find_gguf(name, n);
    if (out->family != NULL) {
        out->qkv_bias = out->family->qkv_bias;
        return CNA_OK;
    }
    return cna_fail(err, CNA_ERR_UNSUPPORTED,
                    "%s: key 'general.architecture': expected " CNA_FAMILY_GGUF_NAMES ", found '%.*s'", path,
                    (int)(n < 60 ? n : 60), name);
}

static cna_status read_heads(const section *s, cna_config *out, cna_error *err)
{
    CNA_TRY(get_dimension(s, "attention.head_count", DIMENSION_MAX, &out->n_heads, err));
    int64_t n_kv_heads = out->n_heads, head_dim = out->hidden_dim / out->n_heads;
    const char *path = s->gguf->file.map.path;
    CNA_TRY(find_int(s, "attention.head_count_kv", DIMENSION_MAX, &n_kv_heads, err));
    CNA_TRY(find_int(s, "attention.key_length", DIMENSION_MAX, &head_dim, err));
    int64_t value_dim = head_dim;
    CNA_TRY(find_int(s, "attention.value_length", DIMENSION_MAX, &value_dim, err));
    if (out->n_heads % n_kv_heads != 0) {
        return cna_fail(err, CNA_ERR_FORMAT,
                        "%s: key '%s.attention.head_count_kv': expected a divisor of the heads (%u), "
                        "found %lld",
                        path, s->name, out->n_heads, (long long)n_kv_heads);
    }
    if (head_dim < 2 || head_dim % 2 != 0) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key '%s.attention.key_length': expected an even number, found %lld",
                        path, s->name, (long long)head_dim);
    }
    if (value_dim != head_dim) {
        return cna_fail(err, CNA_ERR_UNSUPPORTED,
                        "%s: key '%s.attention.value_length': expected the keys' length (%lld), found %lld", path,
                        s->name, (long long)head_dim, (long long)value_dim);
    }
    /* So the bytes of all tensors together fit into 64 bits. */
    if (head_dim > DIMENSION_MAX / (int64_t)out->n_heads) {
        return cna_fail(err, CNA_ERR_FORMAT,
                        "%s: key '%s.attention.key_length': expected at most %d values in all heads (%u), found %lld "
                        "in each", path, s->name, (int)DIMENSION_MAX, out->n_heads, (long long)head_dim);
    }
    out->n_kv_heads = (uint32_t)n_kv_heads;
    out->head_dim = (uint32_t)head_dim;
    return CNA_OK;
}

static cna_status read_shape(const section *s, cna_config *out, cna_error *err)
{
    char key[96];
    CNA_TRY(get_dimension(s, "block_count", CNA_LAYERS_MAX, &out->n_layers, err));
    CNA_TRY(get_dimension(s, "embedding_length", DIMENSION_MAX, &out->hidden_dim, err));
    CNA_TRY(get_dimension(s, "feed_forward_length", DIMENSION_MAX, &out->mlp_dim, err));
    CNA_TRY(get_dimension(s, "context_length", INT32_MAX, &out->max_positions, err));
    CNA_TRY(read_heads(s, out, err));
    double eps = -1;
    CNA_TRY(cna_gguf_find_number(s->gguf, key_of(s, "attention.layer_norm_rms_epsilon", key), &eps, err));
    if (eps == -1) return fail_missing(s, key, err);
    if (!(eps >= 0 && eps < 1)) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key '%s': expected 0 to 1, found %g", s->gguf->file.map.path, key,
                        eps);
    }
    out->rms_eps = (float)eps;
    return CNA_OK;
}

/* Keys that would change the computation. */
static cna_status refuse_variants(const section *s, cna_error *err)
{
    int64_t n_experts = 0;
    bool causal = true;
    char key[96];
    CNA_TRY(cna_gguf_find_int(s->gguf, key_of(s, "expert_count", key), 0, INT32_MAX, &n_experts, err));
    if (n_experts != 0) {
        return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: key '%s': expected 0, found %lld; mixtures of experts are not "
                        "supported", s->gguf->file.map.path, key, (long long)n_experts);
    }
    CNA_TRY(cna_gguf_find_bool(s->gguf, key_of(s, "attention.causal", key), &causal, err));
    if (causal) return CNA_OK;
    return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: key '%s': expected true, found false", s->gguf->file.map.path, key);
}

/* How much of a head is rotated. */
static cna_status read_rotary_dim(const section *s, cna_config *out, cna_error *err)
{
    int64_t rotary = out->head_dim;
    CNA_TRY(find_int(s, "rope.dimension_count", DIMENSION_MAX, &rotary, err));
    out->rotary_dim = (uint32_t)rotary;
    if (rotary == out->head_dim) return CNA_OK;
    bool partial = out->family->partial_rotary && rotary < out->head_dim && rotary % 2 == 0;
    if (partial) return CNA_OK;
    return cna_fail(err, CNA_ERR_UNSUPPORTED,
                    "%s: key '%s.rope.dimension_count': expected the keys' length (%u)%s, found %lld",
                    s->gguf->file.map.path, s->name, out->head_dim,
                    out->family->partial_rotary ? " or a smaller even number" : "", (long long)rotary);
}

static cna_status find_positive(const section *s, const char *key, double *out, cna_error *err)
{
    char name[96];
    CNA_TRY(cna_gguf_find_number(s->gguf, key_of(s, key, name), out, err));
    if (*out > 0 && *out < 1e15) return CNA_OK;
    return cna_fail(err, CNA_ERR_FORMAT, "%s: key '%s': expected a positive number, found %g", s->gguf->file.map.path,
                    name, *out);
}

/* Where short contexts end, and the factor of cosines and sines. */
static cna_status read_long(const section *s, cna_config *out, cna_error *err)
{
    int64_t original = out->max_positions;
    CNA_TRY(find_int(s, "rope.scaling.original_context_length", INT32_MAX, &original, err));
    double magnitude = (double)cna_config_long_magnitude((double)out->max_positions / (double)original,
                                                         (double)original);
    CNA_TRY(find_positive(s, "rope.scaling.attn_factor", &magnitude, err));
    out->rope_magnitude = (float)magnitude;
    out->position_limit = (uint32_t)original;
    return CNA_OK;
}

static cna_status read_rope(const section *s, cna_config *out, cna_error *err)
{
    const char *type = "none";
    size_t n = strlen(type);
    char key[96];
    double theta = 10000, factor = 1; /* llama.cpp's defaults */
    CNA_TRY(find_positive(s, "rope.freq_base", &theta, err));
    CNA_TRY(find_positive(s, "rope.scale_linear", &factor, err)); /* before there was a type */
    CNA_TRY(find_positive(s, "rope.scaling.factor", &factor, err));
    CNA_TRY(cna_gguf_find_string(s->gguf, key_of(s, "rope.scaling.type", key), &type, &n, err));
    bool untyped = cna_gguf_find(s->gguf, key) == NULL;
    out->rope_theta = (float)theta;
    out->rope_type = CNA_ROPE_DEFAULT;
    if (out->family->local_theta > 0) {
        double local = out->family->local_theta;
        CNA_TRY(find_positive(s, "rope.freq_base_swa", &local, err));
        out->rope_local_theta = (float)local;
    }
    /* Phi-3's conversions have no type; the factors are tensors, taken by cna_gguf_take_divisors. */
    char attn_factor[96];
    bool has_magnitude = cna_gguf_find(s->gguf, key_of(s, "rope.scaling.attn_factor", attn_factor)) != NULL;
    if (is_text(type, n, "longrope") || (out->family->partial_rotary && has_magnitude)) {
        out->rope_type = CNA_ROPE_LONG;
        return read_long(s, out, err);
    }
    if (is_text(type, n, "linear") || (untyped && factor != 1)) {
        out->rope_type = CNA_ROPE_LINEAR;
        out->rope_factor = (float)factor;
        return CNA_OK;
    }
    if (is_text(type, n, "none")) return CNA_OK;
    return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: key '%s': expected none, linear or longrope, found '%.*s'",
                    s->gguf->file.map.path, key, (int)(n < 60 ? n : 60), type);
}

static cna_status find_scale(const section *s, const char *key, float *out, cna_error *err)
{
    double value = (double)*out;
    CNA_TRY(find_positive(s, key, &value, err));
    *out = (float)value;
    return CNA_OK;
}

/* Gemma's query_pre_attn_scalar is in no key: llama.cpp knows the largest models, whose scalar is hidden_size / heads,
 * by their number of layers (llama-model.cpp, LLM_TYPE_27B). */
static bool is_largest_gemma(const cna_config *config)
{
    return config->n_layers == (config->family->local_theta > 0 ? 62 : 46);
}

/* Scales and caps. Norm weights have Gemma's 1 added already. */
static cna_status read_scales(const section *s, cna_config *out, cna_error *err)
{
    const cna_family *family = out->family;
    cna_config_set_plain(out);
    if (family->root_embedding) out->embedding_scale = (float)sqrt((double)out->hidden_dim);
    if (family->query_scalar > 0) {
        if (is_largest_gemma(out)) out->attention_scale = 1 / sqrtf((float)out->hidden_dim / (float)out->n_heads);
        out->attention_cap = (float)family->attention_cap;
        out->logit_cap = (float)family->logit_cap;
    }
    if (out->attention_cap > 0) CNA_TRY(find_scale(s, "attn_logit_softcapping", &out->attention_cap, err));
    if (out->logit_cap > 0) CNA_TRY(find_scale(s, "final_logit_softcapping", &out->logit_cap, err));
    if (!family->multipliers) return CNA_OK;
    CNA_TRY(find_scale(s, "attention.scale", &out->attention_scale, err));
    CNA_TRY(find_scale(s, "embedding_scale", &out->embedding_scale, err));
    CNA_TRY(find_scale(s, "residual_scale", &out->residual_scale, err));
    return find_scale(s, "logit_scale", &out->logit_divisor, err);
}

/* Layers with a window, and without rotation: the patterns are llama.cpp's own (llama-model.cpp), in no key. A window
 * of 0 is none; where every layer has one, llama.cpp leaves it out, and we do as transformers. */
static cna_status read_layers(const section *s, cna_config *out, cna_error *err)
{
    const cna_family *family = out->family;
    const char *path = s->gguf->file.map.path;
    int64_t window = 0;
    char key[96];
    bool windows = family->window_pattern > 0;
    if (windows) window = family->window;
    CNA_TRY(cna_gguf_find_int(s->gguf, key_of(s, "attention.sliding_window", key), 0, INT32_MAX, &window, err));
    if (family->local_theta > 0 && cna_gguf_find(s->gguf, key) == NULL) {
        return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: key '%s': expected the width of %s's windows, found none", path,
                        key, s->name);
    }
    bool all = family->windows == CNA_WINDOW_ALL || family->windows == CNA_WINDOW_NEVER;
    bool readable = family->qk_norm == CNA_QK_NORM_NONE && all && !family->multipliers;
    if (window > 0 && !windows && !readable) {
        return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: key '%s': expected 0 for %s, found %lld", path, key, s->name,
                        (long long)window);
    }
    bool mixed = window > 0 || family->unrotated_interval > 0;
    out->window = (uint32_t)window;
    for (uint32_t layer = 0; layer < out->n_layers && mixed; layer++) {
        bool slides = !windows || (layer + 1) % family->window_pattern != 0;
        if (window > 0 && slides) cna_layer_set_add(&out->windowed, layer);
        bool rotates = family->unrotated_interval == 0 || (layer + 1) % family->unrotated_interval != 0;
        if (!rotates) cna_layer_set_add(&out->unrotated, layer);
    }
    return CNA_OK;
}

static void add_stop_id(cna_config *config, int64_t id)
{
    for (size_t i = 0; i < config->n_stop_ids; i++) {
        if (config->stop_ids[i] == id) return;
    }
    if (config->n_stop_ids < CNA_STOP_IDS_MAX) config->stop_ids[config->n_stop_ids++] = (int32_t)id;
}

/* The ids that metadata name; and as llama.cpp does (llama-vocab.cpp, special_eog_ids), which files rely on since
 * there is no list of ids in the format, every token that ends a turn or a text in the families read here. */
static cna_status read_stop_ids(const cna_gguf *gguf, cna_config *out, cna_error *err)
{
    static const char *const keys[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                       "tokenizer.ggml.eom_token_id"};
    static const char *const texts[] = {"<|eot_id|>",      "<|eom_id|>",    "<|im_end|>", "<|end_of_text|>",
                                        "<|endoftext|>", "<end_of_turn>", "<|end|>"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        int64_t id = -1;
        CNA_TRY(cna_gguf_find_int(gguf, keys[i], 0, TOKEN_ID_MAX, &id, err));
        if (id >= 0) add_stop_id(out, id);
    }
    const cna_gguf_value *tokens = NULL;
    CNA_TRY(cna_gguf_find_array(gguf, "tokenizer.ggml.tokens", CNA_GGUF_STRING, &tokens, err));
    if (tokens == NULL) return CNA_OK;
    const unsigned char *at = tokens->data;
    for (uint64_t id = 0; id < tokens->n && id <= TOKEN_ID_MAX; id++) {
        size_t n;
        const char *text = cna_gguf_next_string(&at, &n);
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            if (is_text(text, n, texts[i])) add_stop_id(out, (int64_t)id);
        }
    }
    return CNA_OK;
}

cna_status cna_gguf_read_config(const cna_gguf *gguf, cna_config *out, cna_error *err)
{
    cna_config config = {0};
    CNA_TRY(read_architecture(gguf, &config, err));
    const section s = {gguf, config.family->gguf};
    CNA_TRY(refuse_variants(&s, err));
    CNA_TRY(read_shape(&s, &config, err));
    CNA_TRY(read_scales(&s, &config, err));
    CNA_TRY(read_layers(&s, &config, err));
    CNA_TRY(read_rotary_dim(&s, &config, err));
    CNA_TRY(read_rope(&s, &config, err));
    CNA_TRY(read_stop_ids(gguf, &config, err));
    *out = config;
    return CNA_OK;
}

cna_status cna_gguf_take_divisors(const cna_tensor *tensor, cna_config *config, cna_error *err)
{
    size_t half = config->rotary_dim / 2;
    bool fits = strcmp(tensor->dtype, "F32") == 0 && tensor->rank == 1 && tensor->shape[0] == half;
    if (!fits || half > CNA_ROPE_DIVISORS_MAX) {
        return cna_fail(err, CNA_ERR_MISMATCH,
                        "%s: tensor '%s': expected [%zu] in F32, found %zu dimensions, the last of "
                        "%llu, in %s",
                        tensor->path, tensor->name, half, tensor->rank,
                        (unsigned long long)tensor->shape[tensor->rank - 1], tensor->dtype);
    }
    memcpy(config->rope_divisors, tensor->data, half * sizeof *config->rope_divisors);
    for (size_t i = 0; i < half; i++) {
        float divisor = config->rope_divisors[i];
        if (isfinite(divisor) && divisor > 0) continue;
        return cna_fail(err, CNA_ERR_FORMAT, "%s: tensor '%s': expected positive numbers, found %g", tensor->path,
                        tensor->name, (double)divisor);
    }
    config->n_rope_divisors = (uint32_t)half;
    return CNA_OK;
}
