/* SPDX-License-Identifier: MIT
 * From a .gguf file's metadata to the form of tokenizer.json, which tokenizer_load.c reads: one reader, one tokenizer,
 * wherever it came from; and SentencePiece's to the arrays that tokenizer_spm.c reads. */
#include "text/tokenizer_gguf.h"

#include <stdio.h>
#include <string.h>

#include "text/pattern.h"
#include "text/tokenizer_spm.h"
#include "text/vocab.h"

/* llama.cpp's numbers. */
enum { TOKEN_CONTROL = 3, TOKEN_USER_DEFINED = 4, TOKEN_TYPE_MAX = 6, PATTERNS_MAX = 4 };

/* What tokenizer.ggml.pre stands for: patterns that split one after the other. */
typedef struct pre_tokenizer {
    const char *names[6];
    const char *patterns[PATTERNS_MAX];
    bool nfc;
    bool ignore_merges, add_bos; /* of the BPE model; before each text, where the file does not say */
} pre_tokenizer;

static const pre_tokenizer pre_tokenizers[] = {
    {.names = {"llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral"},
     .patterns =
         {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
          "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
     .ignore_merges = true,
     .add_bos = true},
    {.names = {"qwen2", "deepseek-r1-qwen"},
     .patterns = {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
                  "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
     .nfc = true},
    {.names = {"gpt-2", "phi-2", "mpt", "olmo", "trillion"}, .patterns = {CNA_PATTERN_GPT2}},
    {.names = {"smollm", "starcoder", "refact"}, .patterns = {"\\p{N}", CNA_PATTERN_GPT2}},
    {.names = {"default"}, .patterns = {"[\\p{P}\\$\\+<=>\\^~\\|]+", CNA_PATTERN_GPT2, "\\p{N}+", "[0-9][0-9][0-9]"}},
};

static cna_status fail_missing(const cna_gguf *gguf, const char *key, cna_error *err)
{
    return cna_fail(err, CNA_ERR_FORMAT, "%s: key '%s': expected a value, found nothing", gguf->file.map.path, key);
}

/* Add a new value to an object or, without a key, to an array, which then owns it; value may be NULL where memory ran
 * out. */
static cna_status put(json_t *to, const char *key, json_t *value, cna_error *err)
{
    int failed = key != NULL ? json_object_set_new(to, key, value) : json_array_append_new(to, value);
    return failed == 0 ? CNA_OK : cna_fail_memory(err, "tokenizer", 0);
}

/* A member that is a new object or array; *out is borrowed. */
static cna_status put_member(json_t *to, const char *key, json_t *value, json_t **out, cna_error *err)
{
    *out = value;
    return put(to, key, value, err);
}

static bool is_text(const char *text, size_t n, const char *wanted)
{
    return n == strlen(wanted) && memcmp(text, wanted, n) == 0;
}

/* ----------------------------------------------------------------------------------------------- pre-tokenizer */

static cna_status find_pre_tokenizer(const cna_gguf *gguf, const pre_tokenizer **out, cna_error *err)
{
    const char *name = "default"; /* llama.cpp's, where the key is absent */
    size_t n = strlen(name);
    CNA_TRY(cna_gguf_find_string(gguf, "tokenizer.ggml.pre", &name, &n, err));
    for (size_t i = 0; i < sizeof pre_tokenizers / sizeof *pre_tokenizers; i++) {
        *out = &pre_tokenizers[i];
        for (size_t j = 0; (*out)->names[j] != NULL; j++) {
            if (is_text(name, n, (*out)->names[j])) return CNA_OK;
        }
    }
    return cna_fail(err, CNA_ERR_UNSUPPORTED,
                    "%s: key 'tokenizer.ggml.pre': expected llama-bpe, qwen2, gpt-2, smollm or "
                    "default, found '%.*s'",
                    gguf->file.map.path, (int)(n < 60 ? n : 60), name);
}

static cna_status put_splits(json_t *root, const pre_tokenizer *pre, cna_error *err)
{
    json_t *sequence, *items;
    CNA_TRY(put_member(root, "pre_tokenizer", json_pack("{s:s}", "type", "Sequence"), &sequence, err));
    CNA_TRY(put_member(sequence, "pretokenizers", json_array(), &items, err));
    for (size_t i = 0; i < PATTERNS_MAX && pre->patterns[i] != NULL; i++) {
        CNA_TRY(put(items, NULL, json_pack("{s:s, s:{s:s}, s:s, s:b}", "type", "Split", "pattern", "Regex",
                                           pre->patterns[i], "behavior", "Isolated", "invert", 0), err));
    }
    CNA_TRY(put(items, NULL, json_pack("{s:s, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 0, "use_regex", 0),
                err));
    return pre->nfc ? put(root, "normalizer", json_pack("{s:s}", "type", "NFC"), err) : CNA_OK;
}

/* ------------------------------------------------------------------------------------------------------ tokens */

/* Types default to normal, as where the key is absent. */
static cna_status check_types(const cna_gguf *gguf, const cna_gguf_value *tokens, const cna_gguf_value *types,
                              cna_error *err)
{
    const char *path = gguf->file.map.path;
    if (tokens->n == 0 || tokens->n > (uint64_t)CNA_VOCAB_ID_MAX + 1) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'tokenizer.ggml.tokens': expected 1 to %d tokens, found %llu",
                        path, CNA_VOCAB_ID_MAX + 1, (unsigned long long)tokens->n);
    }
    if (types == NULL) return CNA_OK;
    if (types->n != tokens->n) {
        return cna_fail(err, CNA_ERR_FORMAT,
                        "%s: key 'tokenizer.ggml.token_type': expected one for each of %llu tokens, found "
                        "%llu",
                        path, (unsigned long long)tokens->n, (unsigned long long)types->n);
    }
    for (uint64_t i = 0; i < types->n; i++) {
        int32_t type = cna_gguf_i32_at(types, i);
        if (type >= 0 && type <= TOKEN_TYPE_MAX) continue;
        return cna_fail(err, CNA_ERR_FORMAT,
                        "%s: key 'tokenizer.ggml.token_type': expected 0 to %d, found %d for token %llu", path,
                        (int)TOKEN_TYPE_MAX, type, (unsigned long long)i);
    }
    return CNA_OK;
}

static cna_status put_token(const cna_gguf *gguf, uint64_t id, const char *text, size_t n, int32_t type, json_t *vocab,
                            json_t *added, cna_error *err)
{
    if (n == 0 || memchr(text, 0, n) != NULL) {
        return cna_fail(err, CNA_ERR_FORMAT,
                        "%s: key 'tokenizer.ggml.tokens': expected texts without NUL, found %s for token "
                        "%llu",
                        gguf->file.map.path, n == 0 ? "an empty one" : "one", (unsigned long long)id);
    }
    if (type == TOKEN_CONTROL || type == TOKEN_USER_DEFINED) {
        return put(added, NULL, json_pack("{s:I, s:s%, s:b}", "id", (json_int_t)id, "content", text, n, "special",
                                          type == TOKEN_CONTROL), err);
    }
    if (json_object_getn(vocab, text, n) != NULL) {
        return cna_fail(err, CNA_ERR_FORMAT,
                        "%s: key 'tokenizer.ggml.tokens': expected every token once, found '%.*s' twice",
                        gguf->file.map.path, (int)(n < 60 ? n : 60), text);
    }
    if (json_object_setn_new(vocab, text, n, json_integer((json_int_t)id)) == 0) return CNA_OK;
    return cna_fail_memory(err, "tokenizer", 0);
}

static cna_status put_tokens(const cna_gguf *gguf, json_t *root, json_t *model, cna_error *err)
{
    const cna_gguf_value *tokens = NULL, *types = NULL;
    json_t *vocab, *added;
    CNA_TRY(cna_gguf_find_array(gguf, "tokenizer.ggml.tokens", CNA_GGUF_STRING, &tokens, err));
    CNA_TRY(cna_gguf_find_array(gguf, "tokenizer.ggml.token_type", CNA_GGUF_I32, &types, err));
    if (tokens == NULL) return fail_missing(gguf, "tokenizer.ggml.tokens", err);
    CNA_TRY(check_types(gguf, tokens, types, err));
    CNA_TRY(put_member(model, "vocab", json_object(), &vocab, err));
    CNA_TRY(put_member(root, "added_tokens", json_array(), &added, err));
    const unsigned char *at = tokens->data;
    for (uint64_t id = 0; id < tokens->n; id++) {
        size_t n;
        const char *text = cna_gguf_next_string(&at, &n);
        CNA_TRY(put_token(gguf, id, text, n, types == NULL ? 1 : cna_gguf_i32_at(types, id), vocab, added, err));
    }
    return CNA_OK;
}

static cna_status put_merges(const cna_gguf *gguf, json_t *model, cna_error *err)
{
    const cna_gguf_value *merges = NULL;
    json_t *list;
    CNA_TRY(cna_gguf_find_array(gguf, "tokenizer.ggml.merges", CNA_GGUF_STRING, &merges, err));
    if (merges == NULL) return fail_missing(gguf, "tokenizer.ggml.merges", err);
    CNA_TRY(put_member(model, "merges", json_array(), &list, err));
    const unsigned char *at = merges->data;
    for (uint64_t i = 0; i < merges->n; i++) {
        size_t n;
        const char *text = cna_gguf_next_string(&at, &n);
        CNA_TRY(put(list, NULL, json_stringn_nocheck(text, n), err));
    }
    return CNA_OK;
}

/* The text of a token, whose id a key holds; *text NULL where the key is absent. */
static cna_status token_of(const cna_gguf *gguf, const char *key, int64_t *id, const char **text, size_t *n,
                           cna_error *err)
{
    const cna_gguf_value *tokens = NULL;
    *id = -1;
    *text = NULL;
    CNA_TRY(cna_gguf_find_array(gguf, "tokenizer.ggml.tokens", CNA_GGUF_STRING, &tokens, err));
    if (tokens == NULL || tokens->n == 0 || tokens->n > INT32_MAX) return CNA_OK;
    CNA_TRY(cna_gguf_find_int(gguf, key, 0, (int64_t)tokens->n - 1, id, err));
    const unsigned char *at = tokens->data;
    for (int64_t i = 0; i <= *id; i++) *text = cna_gguf_next_string(&at, n);
    return CNA_OK;
}

/* -------------------------------------------------------------------------------------------- around a text */

/* Whether a key asks for a special token, and the token. */
static cna_status put_special(const cna_gguf *gguf, const char *flag_key, const char *id_key, bool wanted,
                              json_t *single, json_t *tokens, cna_error *err)
{
    int64_t id;
    const char *text;
    size_t n;
    CNA_TRY(cna_gguf_find_bool(gguf, flag_key, &wanted, err));
    if (!wanted) return CNA_OK;
    CNA_TRY(token_of(gguf, id_key, &id, &text, &n, err));
    if (text == NULL) return fail_missing(gguf, id_key, err);
    CNA_TRY(put(single, NULL, json_pack("{s:{s:s}}", "SpecialToken", "id", id_key), err));
    return put(tokens, id_key, json_pack("{s:s, s:[I]}", "id", id_key, "ids", (json_int_t)id), err);
}

static cna_status put_template(const cna_gguf *gguf, json_t *root, const pre_tokenizer *pre, cna_error *err)
{
    json_t *processor, *single, *tokens;
    CNA_TRY(put_member(root, "post_processor", json_pack("{s:s}", "type", "TemplateProcessing"), &processor, err));
    CNA_TRY(put_member(processor, "single", json_array(), &single, err));
    CNA_TRY(put_member(processor, "special_tokens", json_object(), &tokens, err));
    CNA_TRY(put_special(gguf, "tokenizer.ggml.add_bos_token", "tokenizer.ggml.bos_token_id", pre->add_bos, single,
                        tokens, err));
    CNA_TRY(put(single, NULL, json_pack("{s:{s:s}}", "Sequence", "id", "A"), err));
    return put_special(gguf, "tokenizer.ggml.add_eos_token", "tokenizer.ggml.eos_token_id", false, single, tokens, err);
}

static cna_status build(const cna_gguf *gguf, json_t *root, cna_error *err)
{
    const pre_tokenizer *pre;
    json_t *model;
    CNA_TRY(find_pre_tokenizer(gguf, &pre, err));
    CNA_TRY(put_splits(root, pre, err));
    CNA_TRY(put(root, "decoder", json_pack("{s:s}", "type", "ByteLevel"), err));
    CNA_TRY(put_member(root, "model", json_pack("{s:s, s:b}", "type", "BPE", "ignore_merges", pre->ignore_merges),
                       &model, err));
    CNA_TRY(put_tokens(gguf, root, model, err));
    CNA_TRY(put_merges(gguf, model, err));
    return put_template(gguf, root, pre, err);
}

static cna_status load_bpe(cna_tokenizer *tokenizer, const cna_gguf *gguf, cna_error *err)
{
    json_t *root = json_object();
    char source[512];
    snprintf(source, sizeof source, "%.400s, read as tokenizer.json", gguf->file.map.path);
    cna_status status = root == NULL ? cna_fail_memory(err, "tokenizer", 0) : build(gguf, root, err);
    if (status == CNA_OK) status = cna_tokenizer_build(tokenizer, root, source, err);
    json_decref(root);
    return status;
}

/* ----------------------------------------------------------------------------------------------- SentencePiece */

/* What cna_spm_vocab borrows that the file has in another form. */
typedef struct spm_arrays {
    const char **texts; /* [n] */
    size_t *n_bytes;    /* [n] */
    float *scores;      /* [n] */
    int32_t *types;     /* ? [n] */
} spm_arrays;

static void free_arrays(spm_arrays *arrays)
{
    cna_free(arrays->texts);
    cna_free(arrays->n_bytes);
    cna_free(arrays->scores);
    cna_free(arrays->types);
}

static cna_status fill_arrays(const cna_gguf *gguf, spm_arrays *arrays, size_t *out_n, cna_error *err)
{
    const cna_gguf_value *tokens = NULL, *types = NULL, *scores = NULL;
    CNA_TRY(cna_gguf_find_array(gguf, "tokenizer.ggml.tokens", CNA_GGUF_STRING, &tokens, err));
    CNA_TRY(cna_gguf_find_array(gguf, "tokenizer.ggml.token_type", CNA_GGUF_I32, &types, err));
    CNA_TRY(cna_gguf_find_array(gguf, "tokenizer.ggml.scores", CNA_GGUF_F32, &scores, err));
    if (tokens == NULL) return fail_missing(gguf, "tokenizer.ggml.tokens", err);
    if (scores == NULL) return fail_missing(gguf, "tokenizer.ggml.scores", err);
    CNA_TRY(check_types(gguf, tokens, types, err));
    size_t n = (size_t)tokens->n;
    if (scores->n != n) {
        return cna_fail(err, CNA_ERR_FORMAT,
                        "%s: key 'tokenizer.ggml.scores': expected one for each of %zu tokens, found %llu",
                        gguf->file.map.path, n, (unsigned long long)scores->n);
    }
    CNA_TRY(cna_alloc(&arrays->texts, n, sizeof *arrays->texts, "tokenizer", err));
    CNA_TRY(cna_alloc(&arrays->n_bytes, n, sizeof *arrays->n_bytes, "tokenizer", err));
    CNA_TRY(cna_alloc(&arrays->scores, n, sizeof *arrays->scores, "tokenizer", err));
    if (types != NULL) CNA_TRY(cna_alloc(&arrays->types, n, sizeof *arrays->types, "tokenizer", err));
    const unsigned char *at = tokens->data;
    for (size_t i = 0; i < n; i++) {
        arrays->texts[i] = cna_gguf_next_string(&at, &arrays->n_bytes[i]);
        arrays->scores[i] = cna_gguf_f32_at(scores, i);
        if (types != NULL) arrays->types[i] = cna_gguf_i32_at(types, i);
    }
    *out_n = n;
    return CNA_OK;
}

/* Whether keys ask for a special token, and its id. */
static cna_status find_end(const cna_gguf *gguf, const char *flag_key, const char *id_key, bool *add, int32_t *id,
                           cna_error *err)
{
    int64_t value = *id;
    CNA_TRY(cna_gguf_find_bool(gguf, flag_key, add, err));
    CNA_TRY(cna_gguf_find_int(gguf, id_key, 0, CNA_VOCAB_ID_MAX, &value, err));
    *id = (int32_t)value;
    return CNA_OK;
}

static cna_status load_spm(cna_tokenizer *tokenizer, const cna_gguf *gguf, cna_error *err)
{
    spm_arrays arrays = {0};
    bool prefix = true;
    cna_spm_vocab spm = {.source = gguf->file.map.path, .add_bos = true, .bos = 1, .eos = 2}; /* llama.cpp's */
    cna_status status;
    CNA_TRY_CLEANUP(fill_arrays(gguf, &arrays, &spm.n, err));
    CNA_TRY_CLEANUP(cna_gguf_find_bool(gguf, "tokenizer.ggml.add_space_prefix", &prefix, err));
    CNA_TRY_CLEANUP(find_end(gguf, "tokenizer.ggml.add_bos_token", "tokenizer.ggml.bos_token_id", &spm.add_bos,
                             &spm.bos, err));
    CNA_TRY_CLEANUP(find_end(gguf, "tokenizer.ggml.add_eos_token", "tokenizer.ggml.eos_token_id", &spm.add_eos,
                             &spm.eos, err));
    spm.no_space_prefix = !prefix;
    spm.texts = arrays.texts;
    spm.n_bytes = arrays.n_bytes;
    spm.scores = arrays.scores;
    spm.types = arrays.types;
    status = cna_tokenizer_load_spm(tokenizer, &spm, err);
cleanup:
    free_arrays(&arrays);
    return status;
}

cna_status cna_tokenizer_load_gguf(cna_tokenizer *tokenizer, const cna_gguf *gguf, cna_error *err)
{
    const char *model = NULL;
    size_t n = 0;
    CNA_TRY(cna_gguf_find_string(gguf, "tokenizer.ggml.model", &model, &n, err));
    if (model == NULL) return fail_missing(gguf, "tokenizer.ggml.model", err);
    if (is_text(model, n, "gpt2")) return load_bpe(tokenizer, gguf, err);
    if (is_text(model, n, "llama")) return load_spm(tokenizer, gguf, err);
    return cna_fail(err, CNA_ERR_UNSUPPORTED,
                    "%s: key 'tokenizer.ggml.model': expected gpt2 (byte-level BPE) or llama "
                    "(SentencePiece's BPE), found '%.*s'; other tokenizers cannot be used",
                    gguf->file.map.path, (int)(n < 60 ? n : 60), model);
}

cna_status cna_gguf_read_chat(const cna_gguf *gguf, cna_chat **out, cna_error *err)
{
    static const char *const names[] = {"bos_token", "eos_token", "unk_token", "pad_token"};
    static const char *const keys[] = {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id",
                                       "tokenizer.ggml.unknown_token_id", "tokenizer.ggml.padding_token_id"};
    cna_chat_token tokens[sizeof names / sizeof *names];
    size_t n_tokens = 0, n_template = 0, n;
    const char *template = NULL, *text;
    int64_t id;
    CNA_TRY(cna_gguf_find_string(gguf, "tokenizer.chat_template", &template, &n_template, err));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        CNA_TRY(token_of(gguf, keys[i], &id, &text, &n, err));
        if (text != NULL) tokens[n_tokens++] = (cna_chat_token){names[i], text, n};
    }
    return cna_chat_create(template, n_template, gguf->file.map.path, tokens, n_tokens, out, err);
}
