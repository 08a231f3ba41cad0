/* SPDX-License-Identifier: MIT
 * Reading tokenizer.json, the serialised form of the `tokenizers` package: the file as a whole, its added tokens and
 * its post-processor. */
#include <string.h>

#include "text/tokenizer_parts.h"

enum { FILE_BYTES_MAX = 256 << 20 };

/* ------------------------------------------------------------------------------------------ added tokens */

/* One entry of added_tokens. */
typedef struct added_token {
    cna_span content;
    int32_t id;
    unsigned flags;
    bool normalized, special;
} added_token;

/* Both of a model's piece and of an added token, or of neither. */
static cna_status check_against_vocab(const cna_vocab *vocab, const added_token *token, const char *path,
                                      cna_error *err)
{
    int32_t model_id = cna_vocab_find(vocab, token->content.text, token->content.n);
    const char *model_piece = cna_vocab_piece(vocab, token->id, NULL);
    if (model_id == token->id || (model_id < 0 && model_piece == NULL)) return CNA_OK;
    return cna_fail(err, CNA_ERR_FORMAT,
                    "%s: key 'added_tokens': expected '%s' and id %d to agree with model.vocab, "
                    "found that id to be %s%s%s",
                    path, token->content.text, token->id, model_piece == NULL ? "free" : "'",
                    model_piece == NULL ? "" : model_piece, model_piece == NULL ? "" : "'");
}

static cna_status read_flags(const json_t *json, unsigned *flags, const char *path, cna_error *err)
{
    static const struct {
        const char *key;
        unsigned flag;
    } all[] = {{"lstrip", CNA_ADDED_LEFT}, {"rstrip", CNA_ADDED_RIGHT}, {"single_word", CNA_ADDED_WORD}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        bool set = false;
        CNA_TRY(cna_json_find_bool(json, all[i].key, path, &set, err));
        if (set) *flags |= all[i].flag;
    }
    return CNA_OK;
}

static cna_status read_added_token(const json_t *json, added_token *token, const char *path, cna_error *err)
{
    static const char *const known[] = {"id",     "content",    "single_word", "lstrip",
                                        "rstrip", "normalized", "special",     NULL};
    int64_t id = 0;
    if (!json_is_object(json)) return cna_parts_refuse(path, "added_tokens", "objects", json, err);
    CNA_TRY(cna_parts_check_keys(json, known, path, "added_tokens", err));
    CNA_TRY(cna_json_get_int(json, "id", path, 0, CNA_VOCAB_ID_MAX, &id, err));
    CNA_TRY(cna_json_get_string(json, "content", path, &token->content.text, err));
    token->id = (int32_t)id;
    token->content.n = json_string_length(json_object_get(json, "content"));
    if (token->content.n == 0 || token->content.n != strlen(token->content.text)) {
        return cna_fail(err, CNA_ERR_FORMAT,
                        "%s: key 'added_tokens': expected a text without NUL for id %lld, found %s", path,
                        (long long)id, token->content.n == 0 ? "an empty one" : "a NUL");
    }
    CNA_TRY(read_flags(json, &token->flags, path, err));
    CNA_TRY(cna_json_find_bool(json, "normalized", path, &token->normalized, err));
    return cna_json_find_bool(json, "special", path, &token->special, err);
}

/* Enter all of them; where two have one normal form, a special one goes first. */
static cna_status enter_added(cna_tokenizer *tokenizer, const added_token *tokens, size_t n, const char *path,
                              cna_error *err)
{
    for (size_t i = 0; i < n; i++) {
        const cna_span *content = &tokens[i].content;
        CNA_TRY(check_against_vocab(&tokenizer->vocab, &tokens[i], path, err));
        CNA_TRY(cna_vocab_add(&tokenizer->added_pieces, content->text, content->n, tokens[i].id, path, err));
        if (tokens[i].special) CNA_TRY(cna_ids_add(&tokenizer->specials, tokens[i].id, err));
    }
    for (size_t i = 0; i < 2 * n; i++) {
        const added_token *token = &tokens[i % n];
        if (token->special != (i < n)) continue;
        CNA_TRY(cna_tokenizer_index_added(tokenizer, token->content.text, token->content.n, token->id, token->flags,
                                          token->normalized, path, err));
    }
    return cna_tokenizer_finish_added(tokenizer, err);
}

static cna_status load_added(cna_tokenizer *tokenizer, const json_t *root, const char *path, cna_error *err)
{
    json_t *list = json_object_get(root, "added_tokens");
    if (list == NULL || json_is_null(list)) return CNA_OK;
    CNA_TRY(cna_json_get_array(root, "added_tokens", path, &list, err));
    size_t n = json_array_size(list);
    added_token *tokens;
    CNA_TRY(cna_alloc(&tokens, n, sizeof *tokens, "added tokens", err));
    cna_status status = CNA_OK;
    for (size_t i = 0; status == CNA_OK && i < n; i++)
        status = read_added_token(json_array_get(list, i), &tokens[i], path, err);
    if (status == CNA_OK) status = enter_added(tokenizer, tokens, n, path, err);
    cna_free(tokens);
    return status;
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
                "%s: key 'post_processor.special_tokens': expected ids of this tokenizer for '%s', found %s", path,
                name, cna_parts_describe(id, text));
        }
        CNA_TRY(cna_ids_add(out, (int32_t)value, err));
    }
    return CNA_OK;
}

/* `single`: special tokens around exactly one {"Sequence": {"id": "A"}}. `pair` is never used here. */
static cna_status load_template(cna_tokenizer *tokenizer, const json_t *processor, const char *path, cna_error *err)
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
            return cna_parts_refuse(path, "post_processor.single", "special tokens around one Sequence A", item, err);
        }
    }
    if (!seen_text) return cna_parts_refuse(path, "post_processor.single", "a Sequence A", single, err);
    return CNA_OK;
}

static cna_status load_post_processor(cna_tokenizer *tokenizer, const json_t *root, const char *path, cna_error *err)
{
    bool seen_template = false;
    for (size_t i = 0;; i++) {
        json_t *item;
        CNA_TRY(cna_parts_component(root, "post_processor", "processors", i, path, &item, err));
        if (item == NULL) return CNA_OK;
        /* A ByteLevel post-processor moves offsets only. */
        if (cna_parts_is_type(item, "ByteLevel")) continue;
        if (!cna_parts_is_type(item, "TemplateProcessing") || seen_template) {
            return cna_parts_refuse(path, "post_processor", "ByteLevel and at most one TemplateProcessing", item, err);
        }
        CNA_TRY(load_template(tokenizer, item, path, err));
        seen_template = true;
    }
}

/* Truncation and padding are passed over, as transformers does unless a caller asks for them. */
cna_status cna_tokenizer_build(cna_tokenizer *tokenizer, const json_t *root, const char *source, cna_error *err)
{
    static const char *const known[] = {"version",       "truncation",     "padding", "added_tokens", "normalizer",
                                        "pre_tokenizer", "post_processor", "decoder", "model",        NULL};
    if (!json_is_object(root)) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: expected an object, found %s", source, cna_json_type_name(root));
    }
    CNA_TRY(cna_parts_check_keys(root, known, source, "(whole file)", err));
    CNA_TRY(cna_parts_load_normalizer(tokenizer, root, source, err));
    CNA_TRY(cna_parts_load_pre_tokenizer(tokenizer, root, source, err));
    CNA_TRY(cna_parts_load_decoder(tokenizer, root, source, err));
    CNA_TRY(cna_parts_load_model(tokenizer, root, source, err));
    CNA_TRY(load_added(tokenizer, root, source, err));
    return load_post_processor(tokenizer, root, source, err);
}

cna_status cna_tokenizer_load(cna_tokenizer *tokenizer, const char *path, cna_error *err)
{
    json_t *root;
    CNA_TRY(cna_json_load(path, FILE_BYTES_MAX, &root, err));
    cna_status status = cna_tokenizer_build(tokenizer, root, path, err);
    json_decref(root);
    return status;
}
