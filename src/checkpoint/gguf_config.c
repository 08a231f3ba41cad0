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
    out->architecture = is_text(name, n, "llama") ? CNA_ARCHITECTURE_LLAMA : CNA_ARCHITECTURE_QWEN2;
    out->qkv_bias = out->architecture == CNA_ARCHITECTURE_QWEN2;
    if (is_text(name, n, cna_architecture_name(out->architecture))) return CNA_OK;
    return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: key 'general.architecture': expected llama or qwen2, found '%.*s'",
                    path, (int)(n < 60 ? n : 60), name);
}

static cna_status read_heads(const section *s, cna_config *out, cna_error *err)
{
    CNA_TRY(get_dimension(s, "attention.head_count", DIMENSION_MAX, &out->n_heads, err));
    int64_t n_kv_heads = out->n_heads, head_dim = out->hidden_dim / out->n_heads;
    const char *path = s->gguf->file.map.path;
    CNA_TRY(find_int(s, "attention.head_count_kv", DIMENSION_MAX, &n_kv_heads, err));
    CNA_TRY(find_int(s, "attention.key_length", DIMENSION_MAX, &head_dim, err));
    int64_t value_dim = head_dim, rotary = head_dim;
    CNA_TRY(find_int(s, "attention.value_length", DIMENSION_MAX, &value_dim, err));
    CNA_TRY(find_int(s, "rope.dimension_count", DIMENSION_MAX, &rotary, err));
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
    if (value_dim != head_dim || rotary != head_dim) {
        return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: key '%s.%s': expected the keys' length (%lld), found %lld", path,
                        s->name, value_dim != head_dim ? "attention.value_length" : "rope.dimension_count",
                        (long long)head_dim, (long long)(value_dim != head_dim ? value_dim : rotary));
    }
    out->n_kv_heads = (uint32_t)n_kv_heads;
    out->head_dim = (uint32_t)head_dim;
    return CNA_OK;
}

static cna_status read_shape(const section *s, cna_config *out, cna_error *err)
{
    char key[96];
    CNA_TRY(get_dimension(s, "block_count", DIMENSION_MAX, &out->n_layers, err));
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

static cna_status find_positive(const section *s, const char *key, double *out, cna_error *err)
{
    char name[96];
    CNA_TRY(cna_gguf_find_number(s->gguf, key_of(s, key, name), out, err));
    if (*out > 0 && *out < 1e15) return CNA_OK;
    return cna_fail(err, CNA_ERR_FORMAT, "%s: key '%s': expected a positive number, found %g", s->gguf->file.map.path,
                    name, *out);
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
    if (is_text(type, n, "linear") || (untyped && factor != 1)) {
        out->rope_type = CNA_ROPE_LINEAR;
        out->rope_factor = (float)factor;
        return CNA_OK;
    }
    if (is_text(type, n, "none")) return CNA_OK;
    return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: key '%s': expected none or linear, found '%.*s'",
                    s->gguf->file.map.path, key, (int)(n < 60 ? n : 60), type);
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
    static const char *const texts[] = {"<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end_of_text|>", "<|endoftext|>"};
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
    const section s = {gguf, cna_architecture_name(config.architecture)};
    CNA_TRY(refuse_variants(&s, err));
    CNA_TRY(read_shape(&s, &config, err));
    CNA_TRY(read_rope(&s, &config, err));
    CNA_TRY(read_stop_ids(gguf, &config, err));
    *out = config;
    return CNA_OK;
}

cna_status cna_gguf_take_divisors(const cna_tensor *tensor, cna_config *config, cna_error *err)
{
    size_t half = config->head_dim / 2;
    if (strcmp(tensor->dtype, "F32") != 0 || tensor->rank != 1 || tensor->shape[0] != half) {
        return cna_fail(err, CNA_ERR_MISMATCH,
                        "%s: tensor '%s': expected [%zu] in F32, found %zu dimensions, the last of "
                        "%llu, in %s",
                        tensor->path, tensor->name, half, tensor->rank,
                        (unsigned long long)tensor->shape[tensor->rank - 1], tensor->dtype);
    }
    for (size_t i = 0; i < half; i++) {
        float divisor;
        memcpy(&divisor, tensor->data + 4 * i, sizeof divisor);
        if (isfinite(divisor) && divisor > 0) continue;
        return cna_fail(err, CNA_ERR_FORMAT, "%s: tensor '%s': expected positive numbers, found %g", tensor->path,
                        tensor->name, (double)divisor);
    }
    config->rope_divisors = tensor->data;
    return CNA_OK;
}
