/* SPDX-License-Identifier: MIT
 * Reading tokenizer.json, the serialised form of the `tokenizers` package. What is not understood is refused:
 * a component passed over would give other ids without a word. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "text/normalize.h"
#include "text/tokenizer.h"

enum { FILE_BYTES_MAX = 256 << 20 };

/* A short name for a value found where another was expected. */
static const char *describe(const json_t *value, char out[96])
{
    const char *type = json_string_value(json_object_get(value, "type"));
    if (type != NULL)
        snprintf(out, 96, "one of type '%.60s'", type);
    else if (json_is_string(value))
        snprintf(out, 96, "'%.60s'", json_string_value(value));
    else if (json_is_boolean(value))
        snprintf(out, 96, "%s", json_is_true(value) ? "true" : "false");
    else if (json_is_number(value))
        snprintf(out, 96, "%g", json_number_value(value));
    else
        snprintf(out, 96, "%s", cna_json_type_name(value));
    return out;
}

static cna_status refuse(const char *path, const char *key, const char *expected, const json_t *found,
                         cna_error *err)
{
    char text[96];
    return cna_fail(
        err, CNA_ERR_UNSUPPORTED,
        "%s: key '%s': expected %s, found %s; only byte-level BPE as Llama 3 and Qwen2.5 have it can be used",
        path, key, expected, describe(found, text));
}

/* Refuse members that are not in the list, which ends with NULL. */
static cna_status check_keys(const json_t *object, const char *const *known, const char *path,
                             const char *key, cna_error *err)
{
    /* The iterator does not change the object; jansson's signature lacks the const. */
    for (void *i = json_object_iter((json_t *)(uintptr_t)object); i != NULL;
         i = json_object_iter_next((json_t *)(uintptr_t)object, i)) {
        const char *const *name = known;
        while (*name != NULL && strcmp(*name, json_object_iter_key(i)) != 0) name++;
        if (*name != NULL) continue;
        return cna_fail(err, CNA_ERR_UNSUPPORTED,
                        "%s: key '%s': expected only members that are known, found '%s'", path, key,
                        json_object_iter_key(i));
    }
    return CNA_OK;
}

/* The boolean must have the value wanted; absent, it has the value it defaults to. */
static cna_status require_bool(const json_t *object, const char *key, bool wanted, bool absent,
                               const char *path, cna_error *err)
{
    bool value = absent;
    CNA_TRY(cna_json_find_bool(object, key, path, &value, err));
    if (value == wanted) return CNA_OK;
    return refuse(path, key, wanted ? "true" : "false", json_object_get(object, key), err);
}

/* The member must be absent, null or, where allowed, the empty string. */
static cna_status require_nothing(const json_t *object, const char *key, bool empty_too, const char *path,
                                  cna_error *err)
{
    const json_t *value = json_object_get(object, key);
    if (value == NULL || json_is_null(value)) return CNA_OK;
    if (empty_too && json_is_string(value) && json_string_length(value) == 0) return CNA_OK;
    return refuse(path, key, "null", value, err);
}

static bool is_type(const json_t *object, const char *type)
{
    const char *found = json_string_value(json_object_get(object, "type"));
    return found != NULL && strcmp(found, type) == 0;
}

/* Component i of a member that is one component or a Sequence of them (not of Sequences); *out is NULL past
 * the last. */
static cna_status component(const json_t *root, const char *key, const char *list, size_t i, const char *path,
                            json_t **out, cna_error *err)
{
    json_t *top;
    json_t *items;
    CNA_TRY(cna_json_find_object(root, key, path, &top, err));
    *out = i == 0 ? top : NULL;
    if (top == NULL || !is_type(top, "Sequence")) return CNA_OK;
    CNA_TRY(cna_json_get_array(top, list, path, &items, err));
    *out = json_array_get(items, i);
    return *out == NULL || json_is_object(*out) ? CNA_OK : refuse(path, key, "objects", *out, err);
}

/* --------------------------------------------------------------------------------------------- the model */

static cna_status load_vocab(cna_vocab *vocab, const json_t *model, const char *path, cna_error *err)
{
    json_t *pieces;
    const char *piece;
    json_t *id;
    CNA_TRY(cna_json_get_object(model, "vocab", path, &pieces, err));
    json_object_foreach(pieces, piece, id)
    {
        if (!json_is_integer(id)) {
            return cna_fail(err, CNA_ERR_FORMAT,
                            "%s: key 'model.vocab': expected a whole number for '%s', found %s", path, piece,
                            cna_json_type_name(id));
        }
        CNA_TRY(cna_vocab_add(vocab, piece, strlen(piece), json_integer_value(id), path, err));
    }
    return CNA_OK;
}

/* One half of a merge. */
typedef struct span {
    const char *text;
    size_t n;
} span;

/* The two forms: "a b", in which pieces hold no space, and ["a", "b"]. */
static bool split_merge(const json_t *merge, span *left, span *right)
{
    if (json_is_string(merge)) {
        const char *text = json_string_value(merge);
        const char *space = strchr(text, ' ');
        if (space == NULL || strchr(space + 1, ' ') != NULL) return false;
        *left = (span){text, (size_t)(space - text)};
        *right = (span){space + 1, strlen(space + 1)};
        return true;
    }
    const json_t *a = json_array_get(merge, 0);
    const json_t *b = json_array_get(merge, 1);
    if (json_array_size(merge) != 2 || !json_is_string(a) || !json_is_string(b)) return false;
    *left = (span){json_string_value(a), json_string_length(a)};
    *right = (span){json_string_value(b), json_string_length(b)};
    return true;
}

static cna_status add_merge(cna_tokenizer *tokenizer, const json_t *merge, size_t rank, cna_buffer *joined,
                            const char *path, cna_error *err)
{
    span left, right;
    if (!split_merge(merge, &left, &right)) {
        char text[96];
        return cna_fail(err, CNA_ERR_FORMAT,
                        "%s: key 'model.merges[%zu]': expected \"a b\" or [\"a\", \"b\"], found %s", path,
                        rank, describe(merge, text));
    }
    cna_buffer_reset(joined);
    CNA_TRY(cna_buffer_add(joined, left.text, left.n, err));
    CNA_TRY(cna_buffer_add(joined, right.text, right.n, err));
    const cna_vocab *vocab = &tokenizer->vocab;
    int32_t left_id = cna_vocab_find(vocab, left.text, left.n);
    int32_t right_id = cna_vocab_find(vocab, right.text, right.n);
    int32_t result = cna_vocab_find(vocab, joined->data, joined->size);
    if (left_id < 0 || right_id < 0 || result < 0) {
        span missing = left_id < 0 ? left : right_id < 0 ? right : (span){joined->data, joined->size};
        return cna_fail(
            err, CNA_ERR_FORMAT,
            "%s: key 'model.merges[%zu]': expected pieces of model.vocab, found '%.*s', which is not there",
            path, rank, missing.n > 60 ? 60 : (int)missing.n, missing.text);
    }
    cna_bpe_add(&tokenizer->bpe, left_id, right_id, result, (uint32_t)rank);
    return CNA_OK;
}

static cna_status load_merges(cna_tokenizer *tokenizer, const json_t *model, const char *path, cna_error *err)
{
    json_t *merges;
    CNA_TRY(cna_json_get_array(model, "merges", path, &merges, err));
    CNA_TRY(cna_bpe_reserve(&tokenizer->bpe, json_array_size(merges), err));
    cna_buffer joined = {0};
    cna_status status = CNA_OK;
    for (size_t i = 0; status == CNA_OK && i < json_array_size(merges); i++) {
        status = add_merge(tokenizer, json_array_get(merges, i), i, &joined, path, err);
    }
    cna_buffer_free(&joined);
    return status;
}

static cna_status load_model(cna_tokenizer *tokenizer, const json_t *root, const char *path, cna_error *err)
{
    static const char *const known[] = {"type",
                                        "vocab",
                                        "merges",
                                        "dropout",
                                        "unk_token",
                                        "fuse_unk",
                                        "byte_fallback",
                                        "ignore_merges",
                                        "continuing_subword_prefix",
                                        "end_of_word_suffix",
                                        NULL};
    json_t *model;
    CNA_TRY(cna_json_get_object(root, "model", path, &model, err));
    if (!is_type(model, "BPE"))
        return refuse(path, "model.type", "'BPE'", json_object_get(model, "type"), err);
    CNA_TRY(check_keys(model, known, path, "model", err));
    CNA_TRY(require_nothing(model, "dropout", false, path, err));
    CNA_TRY(require_nothing(model, "unk_token", false, path, err));
    CNA_TRY(require_nothing(model, "continuing_subword_prefix", true, path, err));
    CNA_TRY(require_nothing(model, "end_of_word_suffix", true, path, err));
    CNA_TRY(require_bool(model, "byte_fallback", false, false, path, err));
    CNA_TRY(load_vocab(&tokenizer->vocab, model, path, err));
    CNA_TRY(load_merges(tokenizer, model, path, err));
    CNA_TRY(cna_json_find_bool(model, "ignore_merges", path, &tokenizer->bpe.ignore_merges, err));
    for (int byte = 0; byte < 256; byte++) {
        cna_buffer piece = {0};
        char value = (char)byte;
        cna_status status = cna_bytes_to_piece(&value, 1, &piece, err);
        if (status == CNA_OK)
            tokenizer->bpe.byte_id[byte] = cna_vocab_find(&tokenizer->vocab, piece.data, piece.size);
        cna_buffer_free(&piece);
        CNA_TRY(status);
    }
    return CNA_OK;
}

/* ------------------------------------------------------------------------------------------ added tokens */

static cna_status index_added(cna_tokenizer *tokenizer, const char *content, size_t n_bytes, int32_t id,
                              bool normalized, cna_error *err)
{
    if (!normalized) return cna_added_add(&tokenizer->added, content, n_bytes, id, err);
    cna_buffer form = {0};
    cna_status status = tokenizer->nfc ? cna_normalize_nfc(content, n_bytes, &form, err)
                                       : cna_buffer_add(&form, content, n_bytes, err);
    if (status == CNA_OK) status = cna_added_add(&tokenizer->added_normalized, form.data, form.size, id, err);
    cna_buffer_free(&form);
    return status;
}

static cna_status load_added_token(cna_tokenizer *tokenizer, const json_t *token, const char *path,
                                   cna_error *err)
{
    static const char *const known[] = {"id",     "content",    "single_word", "lstrip",
                                        "rstrip", "normalized", "special",     NULL};
    static const char *const refused[] = {"single_word", "lstrip", "rstrip"};
    const char *content;
    int64_t id = 0;
    bool normalized = false;
    bool special = false;
    if (!json_is_object(token)) return refuse(path, "added_tokens", "objects", token, err);
    CNA_TRY(check_keys(token, known, path, "added_tokens", err));
    CNA_TRY(cna_json_get_int(token, "id", path, 0, CNA_VOCAB_ID_MAX, &id, err));
    CNA_TRY(cna_json_get_string(token, "content", path, &content, err));
    size_t n_bytes = json_string_length(json_object_get(token, "content"));
    if (n_bytes == 0 || n_bytes != strlen(content)) {
        return cna_fail(err, CNA_ERR_FORMAT,
                        "%s: key 'added_tokens': expected a text without NUL for id %lld, found %s", path,
                        (long long)id, n_bytes == 0 ? "an empty one" : "a NUL");
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        CNA_TRY(require_bool(token, refused[i], false, false, path, err));
    }
    CNA_TRY(cna_json_find_bool(token, "normalized", path, &normalized, err));
    CNA_TRY(cna_json_find_bool(token, "special", path, &special, err));
    int32_t model_id = cna_vocab_find(&tokenizer->vocab, content, n_bytes);
    const char *model_piece = cna_vocab_piece(&tokenizer->vocab, (int32_t)id, NULL);
    if ((model_id >= 0 && model_id != id) || (model_id < 0 && model_piece != NULL)) {
        return cna_fail(err, CNA_ERR_FORMAT,
                        "%s: key 'added_tokens': expected '%s' and id %lld to agree with model.vocab, "
                        "found that id to be %s%s%s",
                        path, content, (long long)id, model_piece == NULL ? "free" : "'",
                        model_piece == NULL ? "" : model_piece, model_piece == NULL ? "" : "'");
    }
    CNA_TRY(cna_vocab_add(&tokenizer->added_pieces, content, n_bytes, id, path, err));
    if (special) CNA_TRY(cna_ids_add(&tokenizer->specials, (int32_t)id, err));
    return index_added(tokenizer, content, n_bytes, (int32_t)id, normalized, err);
}

static int compare_ids(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a;
    int32_t y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static cna_status load_added(cna_tokenizer *tokenizer, const json_t *root, const char *path, cna_error *err)
{
    json_t *tokens = json_object_get(root, "added_tokens");
    if (tokens == NULL || json_is_null(tokens)) return CNA_OK;
    CNA_TRY(cna_json_get_array(root, "added_tokens", path, &tokens, err));
    for (size_t i = 0; i < json_array_size(tokens); i++) {
        CNA_TRY(load_added_token(tokenizer, json_array_get(tokens, i), path, err));
    }
    cna_ids *specials = &tokenizer->specials;
    if (specials->n != 0) qsort(specials->ids, specials->n, sizeof *specials->ids, compare_ids);
    return CNA_OK;
}

/* ------------------------------------------------------------------- normaliser, pre-tokenizer, decoder */

static cna_status load_normalizer(cna_tokenizer *tokenizer, const json_t *root, const char *path,
                                  cna_error *err)
{
    json_t *item;
    json_t *second;
    CNA_TRY(component(root, "normalizer", "normalizers", 0, path, &item, err));
    CNA_TRY(component(root, "normalizer", "normalizers", 1, path, &second, err));
    if (second != NULL) return refuse(path, "normalizer", "at most one normalizer", second, err);
    if (item == NULL) return CNA_OK;
    if (!is_type(item, "NFC")) return refuse(path, "normalizer", "null or one of type 'NFC'", item, err);
    tokenizer->nfc = true;
    return CNA_OK;
}

static cna_status load_split(cna_tokenizer *tokenizer, const json_t *split, const char *path, cna_error *err)
{
    static const char *const known[] = {"type", "pattern", "behavior", "invert", NULL};
    json_t *pattern;
    const char *regex;
    const char *behavior;
    CNA_TRY(check_keys(split, known, path, "pre_tokenizer", err));
    CNA_TRY(cna_json_get_object(split, "pattern", path, &pattern, err));
    const json_t *value = json_object_get(pattern, "Regex");
    if (value == NULL) return refuse(path, "pre_tokenizer.pattern", "a member 'Regex'", pattern, err);
    CNA_TRY(cna_json_get_string(pattern, "Regex", path, &regex, err));
    if (strlen(regex) != json_string_length(value)) {
        return cna_fail(err, CNA_ERR_UNSUPPORTED,
                        "%s: key 'Regex': expected a pattern without NUL, found one", path);
    }
    CNA_TRY(cna_json_get_string(split, "behavior", path, &behavior, err));
    if (strcmp(behavior, "Isolated") != 0) {
        return refuse(path, "behavior", "'Isolated'", json_object_get(split, "behavior"), err);
    }
    CNA_TRY(require_bool(split, "invert", false, false, path, err));
    char where[512];
    snprintf(where, sizeof where, "%.400s: key 'pre_tokenizer.pattern.Regex'", path);
    return cna_pattern_create(regex, where, &tokenizer->pattern, err);
}

static cna_status load_byte_level(cna_tokenizer *tokenizer, const json_t *byte_level, const char *path,
                                  cna_error *err)
{
    static const char *const known[] = {"type", "add_prefix_space", "trim_offsets", "use_regex", NULL};
    CNA_TRY(check_keys(byte_level, known, path, "pre_tokenizer", err));
    CNA_TRY(require_bool(byte_level, "add_prefix_space", false, true, path, err));
    if (tokenizer->pattern != NULL) return require_bool(byte_level, "use_regex", false, true, path, err);
    CNA_TRY(require_bool(byte_level, "use_regex", true, true, path, err));
    return cna_pattern_create(CNA_PATTERN_GPT2, path, &tokenizer->pattern, err);
}

/* Split then ByteLevel, or ByteLevel alone with GPT-2's pattern. */
static cna_status load_pre_tokenizer(cna_tokenizer *tokenizer, const json_t *root, const char *path,
                                     cna_error *err)
{
    static const char *const expected = "a Split and then a ByteLevel, or a ByteLevel";
    json_t *item;
    size_t i = 0;
    CNA_TRY(component(root, "pre_tokenizer", "pretokenizers", i, path, &item, err));
    if (item != NULL && is_type(item, "Split")) {
        CNA_TRY(load_split(tokenizer, item, path, err));
        CNA_TRY(component(root, "pre_tokenizer", "pretokenizers", ++i, path, &item, err));
    }
    if (item == NULL || !is_type(item, "ByteLevel"))
        return refuse(path, "pre_tokenizer", expected, item, err);
    CNA_TRY(load_byte_level(tokenizer, item, path, err));
    CNA_TRY(component(root, "pre_tokenizer", "pretokenizers", ++i, path, &item, err));
    return item == NULL ? CNA_OK : refuse(path, "pre_tokenizer", expected, item, err);
}

static cna_status load_decoder(const json_t *root, const char *path, cna_error *err)
{
    const json_t *decoder = json_object_get(root, "decoder");
    if (is_type(decoder, "ByteLevel")) return CNA_OK;
    return refuse(path, "decoder", "one of type 'ByteLevel'", decoder, err);
}

/* ---------------------------------------------------------------------------------------- post-processor */

/* Append the ids that the template's special token stands for. */
static cna_status add_template_token(cna_tokenizer *tokenizer, const json_t *processor, const json_t *token,
                                     cna_ids *out, const char *path, cna_error *err)
{
    const char *name;
    json_t *tokens;
    json_t *entry;
    json_t *ids;
    CNA_TRY(cna_json_get_string(token, "id", path, &name, err));
    CNA_TRY(cna_json_get_object(processor, "special_tokens", path, &tokens, err));
    CNA_TRY(cna_json_get_object(tokens, name, path, &entry, err));
    CNA_TRY(cna_json_get_array(entry, "ids", path, &ids, err));
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const json_t *id = json_array_get(ids, i);
        json_int_t value = json_is_integer(id) ? json_integer_value(id) : -1;
        if (value < 0 || value > CNA_VOCAB_ID_MAX || cna_tokenizer_piece(tokenizer, (int32_t)value) == NULL) {
            char text[96];
            return cna_fail(
                err, CNA_ERR_FORMAT,
                "%s: key 'post_processor.special_tokens': expected ids of this tokenizer for '%s', found %s",
                path, name, describe(id, text));
        }
        CNA_TRY(cna_ids_add(out, (int32_t)value, err));
    }
    return CNA_OK;
}

/* `single`: special tokens around exactly one {"Sequence": {"id": "A"}}. `pair` is never used here. */
static cna_status load_template(cna_tokenizer *tokenizer, const json_t *processor, const char *path,
                                cna_error *err)
{
    json_t *single;
    bool seen_text = false;
    CNA_TRY(cna_json_get_array(processor, "single", path, &single, err));
    for (size_t i = 0; i < json_array_size(single); i++) {
        const json_t *item = json_array_get(single, i);
        const json_t *token = json_object_get(item, "SpecialToken");
        const char *sequence = json_string_value(json_object_get(json_object_get(item, "Sequence"), "id"));
        if (token != NULL) {
            cna_ids *side = seen_text ? &tokenizer->suffix : &tokenizer->prefix;
            CNA_TRY(add_template_token(tokenizer, processor, token, side, path, err));
        } else if (sequence != NULL && strcmp(sequence, "A") == 0 && !seen_text) {
            seen_text = true;
        } else {
            return refuse(path, "post_processor.single", "special tokens around one Sequence A", item, err);
        }
    }
    if (!seen_text) return refuse(path, "post_processor.single", "a Sequence A", single, err);
    return CNA_OK;
}

static cna_status load_post_processor(cna_tokenizer *tokenizer, const json_t *root, const char *path,
                                      cna_error *err)
{
    bool seen_template = false;
    for (size_t i = 0;; i++) {
        json_t *item;
        CNA_TRY(component(root, "post_processor", "processors", i, path, &item, err));
        if (item == NULL) return CNA_OK;
        /* A ByteLevel post-processor moves offsets only. */
        if (is_type(item, "ByteLevel")) continue;
        if (!is_type(item, "TemplateProcessing") || seen_template) {
            return refuse(path, "post_processor", "ByteLevel and at most one TemplateProcessing", item, err);
        }
        CNA_TRY(load_template(tokenizer, item, path, err));
        seen_template = true;
    }
}

/* Truncation and padding are passed over, as transformers does unless a caller asks for them. */
cna_status cna_tokenizer_build(cna_tokenizer *tokenizer, const json_t *root, const char *path, cna_error *err)
{
    static const char *const known[] = {
        "version",       "truncation",     "padding", "added_tokens", "normalizer",
        "pre_tokenizer", "post_processor", "decoder", "model",        NULL};
    if (!json_is_object(root)) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: expected an object, found %s", path,
                        cna_json_type_name(root));
    }
    CNA_TRY(check_keys(root, known, path, "(whole file)", err));
    CNA_TRY(load_normalizer(tokenizer, root, path, err));
    CNA_TRY(load_pre_tokenizer(tokenizer, root, path, err));
    CNA_TRY(load_decoder(root, path, err));
    CNA_TRY(load_model(tokenizer, root, path, err));
    CNA_TRY(load_added(tokenizer, root, path, err));
    return load_post_processor(tokenizer, root, path, err);
}

cna_status cna_tokenizer_load(cna_tokenizer *tokenizer, const char *path, cna_error *err)
{
    json_t *root;
    CNA_TRY(cna_json_load(path, FILE_BYTES_MAX, &root, err));
    cna_status status = cna_tokenizer_build(tokenizer, root, path, err);
    json_decref(root);
    return status;
}
