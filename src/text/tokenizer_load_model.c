/* SPDX-License-Identifier: MIT
 * Reading the model of tokenizer.json: BPE or Unigram. */
#include <string.h>

#include "text/tokenizer_parts.h"

/* ---------------------------------------------------------------------------------------------------- BPE */

static cna_status load_vocab(cna_vocab *vocab, const json_t *model, const char *path, cna_error *err)
{
    json_t *pieces;
    const char *piece;
    json_t *id;
    CNA_TRY(cna_json_get_object(model, "vocab", path, &pieces, err));
    json_object_foreach(pieces, piece, id)
    {
        if (!json_is_integer(id)) {
            return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'model.vocab': expected a whole number for '%s', found %s",
                            path, piece, cna_json_type_name(id));
        }
        CNA_TRY(cna_vocab_add(vocab, piece, strlen(piece), json_integer_value(id), path, err));
    }
    return CNA_OK;
}

/* The two forms: "a b", in which pieces hold no space, and ["a", "b"]. */
static bool split_merge(const json_t *merge, cna_span *left, cna_span *right)
{
    if (json_is_string(merge)) {
        const char *text = json_string_value(merge);
        const char *space = strchr(text, ' ');
        if (space == NULL || strchr(space + 1, ' ') != NULL) return false;
        *left = (cna_span){text, (size_t)(space - text)};
        *right = (cna_span){space + 1, strlen(space + 1)};
        return true;
    }
    const json_t *a = json_array_get(merge, 0);
    const json_t *b = json_array_get(merge, 1);
    if (json_array_size(merge) != 2 || !json_is_string(a) || !json_is_string(b)) return false;
    *left = (cna_span){json_string_value(a), json_string_length(a)};
    *right = (cna_span){json_string_value(b), json_string_length(b)};
    return true;
}

static cna_status add_merge(cna_tokenizer *tokenizer, const json_t *merge, size_t rank, cna_buffer *joined,
                            const char *path, cna_error *err)
{
    cna_span left, right;
    if (!split_merge(merge, &left, &right)) {
        char text[96];
        return cna_fail(err, CNA_ERR_FORMAT,
                        "%s: key 'model.merges[%zu]': expected \"a b\" or [\"a\", \"b\"], found %s", path, rank,
                        cna_parts_describe(merge, text));
    }
    cna_buffer_reset(joined);
    CNA_TRY(cna_buffer_add(joined, left.text, left.n, err));
    CNA_TRY(cna_buffer_add(joined, right.text, right.n, err));
    const cna_vocab *vocab = &tokenizer->vocab;
    int32_t left_id = cna_vocab_find(vocab, left.text, left.n);
    int32_t right_id = cna_vocab_find(vocab, right.text, right.n);
    int32_t result = cna_vocab_find(vocab, joined->data, joined->size);
    if (left_id < 0 || right_id < 0 || result < 0) {
        cna_span missing = left_id < 0 ? left : right_id < 0 ? right : (cna_span){joined->data, joined->size};
        return cna_fail(err, CNA_ERR_FORMAT,
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

/* Bytes in the byte-level alphabet. */
static cna_status find_bytes(const cna_vocab *vocab, int32_t *ids, cna_error *err)
{
    for (int byte = 0; byte < 256; byte++) {
        cna_buffer piece = {0};
        char value = (char)byte;
        cna_status status = cna_bytes_to_piece(&value, 1, &piece, err);
        if (status == CNA_OK) ids[byte] = cna_vocab_find(vocab, piece.data, piece.size);
        cna_buffer_free(&piece);
        CNA_TRY(status);
    }
    return CNA_OK;
}

static cna_status find_base_tokens(cna_tokenizer *tokenizer, const json_t *model, const char *path, cna_error *err)
{
    cna_bpe *bpe = &tokenizer->bpe;
    if (!bpe->byte_level) {
        cna_tokenizer_find_byte_tokens(&tokenizer->vocab, bpe->byte_id);
        return CNA_OK;
    }
    CNA_TRY(find_bytes(&tokenizer->vocab, bpe->byte_id, err));
    bool have_all = true;
    for (int byte = 0; byte < 256; byte++) have_all = have_all && bpe->byte_id[byte] >= 0;
    if (have_all || !bpe->byte_fallback) return CNA_OK;
    return cna_parts_refuse(path, "model.byte_fallback", "false, or ByteLevel with a piece for each byte",
                            json_object_get(model, "byte_fallback"), err);
}

/* An unk_token that the vocabulary lacks is as good as none until it is needed. */
static cna_status load_unk(cna_tokenizer *tokenizer, const json_t *model, const char *path, cna_error *err)
{
    const char *unk;
    CNA_TRY(cna_json_find_string(model, "unk_token", path, &unk, err));
    tokenizer->bpe.unk = unk == NULL ? -1 : cna_vocab_find(&tokenizer->vocab, unk, strlen(unk));
    tokenizer->bpe.has_unk = tokenizer->bpe.unk >= 0;
    return CNA_OK;
}

static cna_status load_bpe(cna_tokenizer *tokenizer, const json_t *model, const char *path, cna_error *err)
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
    CNA_TRY(cna_parts_check_keys(model, known, path, "model", err));
    CNA_TRY(cna_parts_require_nothing(model, "dropout", false, path, err));
    CNA_TRY(cna_parts_require_nothing(model, "continuing_subword_prefix", true, path, err));
    CNA_TRY(cna_parts_require_nothing(model, "end_of_word_suffix", true, path, err));
    CNA_TRY(cna_json_find_bool(model, "byte_fallback", path, &tokenizer->bpe.byte_fallback, err));
    CNA_TRY(cna_json_find_bool(model, "fuse_unk", path, &tokenizer->bpe.fuse_unk, err));
    CNA_TRY(cna_json_find_bool(model, "ignore_merges", path, &tokenizer->bpe.ignore_merges, err));
    CNA_TRY(load_vocab(&tokenizer->vocab, model, path, err));
    CNA_TRY(load_merges(tokenizer, model, path, err));
    CNA_TRY(load_unk(tokenizer, model, path, err));
    return find_base_tokens(tokenizer, model, path, err);
}

/* ------------------------------------------------------------------------------------------------ Unigram */

/* vocab is a list of [piece, score]; ids are places in it. */
static cna_status load_scores(cna_tokenizer *tokenizer, const json_t *vocab, const char *path, cna_error *err)
{
    size_t n = json_array_size(vocab);
    CNA_TRY(cna_alloc(&tokenizer->unigram.scores, n, sizeof(double), "vocabulary", err));
    for (size_t i = 0; i < n; i++) {
        const json_t *entry = json_array_get(vocab, i);
        const json_t *piece = json_array_get(entry, 0);
        const json_t *score = json_array_get(entry, 1);
        if (json_array_size(entry) != 2 || !json_is_string(piece) || !json_is_number(score)) {
            char text[96];
            return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'model.vocab[%zu]': expected [a string, a number], found %s",
                            path, i, cna_parts_describe(entry, text));
        }
        size_t n_bytes = json_string_length(piece);
        if (n_bytes > CNA_TRIE_BYTES_MAX) {
            return cna_fail(err, CNA_ERR_UNSUPPORTED,
                            "%s: key 'model.vocab[%zu]': expected a piece of at most %d bytes, found %zu; this "
                            "tokenizer cannot be used", path, i, (int)CNA_TRIE_BYTES_MAX, n_bytes);
        }
        CNA_TRY(cna_vocab_add(&tokenizer->vocab, json_string_value(piece), n_bytes, (int64_t)i, path, err));
        tokenizer->unigram.scores[i] = json_number_value(score);
    }
    return CNA_OK;
}

static cna_status load_unigram(cna_tokenizer *tokenizer, const json_t *model, const char *path, cna_error *err)
{
    static const char *const known[] = {"type", "vocab", "unk_id", "byte_fallback", NULL};
    cna_unigram *unigram = &tokenizer->unigram;
    json_t *vocab;
    int64_t unk = -1;
    if (tokenizer->bpe.byte_level) {
        return cna_parts_refuse(path, "model.type", "'BPE' after a pre_tokenizer of type 'ByteLevel'",
                                json_object_get(model, "type"), err);
    }
    CNA_TRY(cna_parts_check_keys(model, known, path, "model", err));
    CNA_TRY(cna_json_find_bool(model, "byte_fallback", path, &unigram->byte_fallback, err));
    CNA_TRY(cna_json_get_array(model, "vocab", path, &vocab, err));
    if (json_array_size(vocab) == 0) return cna_parts_refuse(path, "model.vocab", "pieces", vocab, err);
    CNA_TRY(load_scores(tokenizer, vocab, path, err));
    CNA_TRY(cna_json_find_int(model, "unk_id", path, 0, (int64_t)json_array_size(vocab) - 1, &unk, err));
    unigram->unk = (int32_t)unk;
    unigram->has_unk = unk >= 0;
    tokenizer->is_unigram = true;
    cna_tokenizer_find_byte_tokens(&tokenizer->vocab, unigram->byte_id);
    return cna_unigram_prepare(unigram, &tokenizer->vocab, err);
}

cna_status cna_parts_load_model(cna_tokenizer *tokenizer, const json_t *root, const char *path, cna_error *err)
{
    json_t *model;
    CNA_TRY(cna_json_get_object(root, "model", path, &model, err));
    if (cna_parts_is_type(model, "BPE")) return load_bpe(tokenizer, model, path, err);
    if (cna_parts_is_type(model, "Unigram")) return load_unigram(tokenizer, model, path, err);
    return cna_parts_refuse(path, "model.type", "'BPE' or 'Unigram'", json_object_get(model, "type"), err);
}
