/* SPDX-License-Identifier: MIT
 * The tokenizer object: opening, encoding, decoding. */
#include "text/tokenizer.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/utf8.h"
#include "checkpoint/gguf_path.h"
#include "text/normalize.h"
#include "text/decoder.h"
#include "text/tokenizer_gguf.h"

static cna_status open_folder(cna_tokenizer *tokenizer, const char *folder, cna_error *err)
{
    char *path;
    CNA_TRY(cna_path_join(folder, "tokenizer.json", &path, err));
    cna_status status = cna_tokenizer_load(tokenizer, path, err);
    cna_free(path);
    return status == CNA_OK ? cna_chat_open(folder, &tokenizer->chat, err) : status;
}

static cna_status open_gguf(cna_tokenizer *tokenizer, const char *path, cna_error *err)
{
    cna_gguf gguf;
    json_t *root;
    char source[512];
    snprintf(source, sizeof source, "%.400s, read as tokenizer.json", path);
    CNA_TRY(cna_gguf_open(path, &gguf, err));
    cna_status status = cna_gguf_read_tokenizer(&gguf, &root, err);
    if (status == CNA_OK) {
        status = cna_tokenizer_build(tokenizer, root, source, err);
        json_decref(root);
    }
    if (status == CNA_OK) status = cna_gguf_read_chat(&gguf, &tokenizer->chat, err);
    cna_gguf_close(&gguf);
    return status;
}

cna_status cna_tokenizer_open(const char *path, cna_tokenizer **out, cna_error *err)
{
    *out = NULL;
    cna_tokenizer *tokenizer = NULL;
    char *gguf = NULL;
    cna_status status;
    CNA_TRY_CLEANUP(cna_alloc(&tokenizer, 1, sizeof *tokenizer, "tokenizer", err));
    CNA_TRY_CLEANUP(cna_gguf_locate(path, &gguf, err));
    if (gguf != NULL) CNA_TRY_CLEANUP(open_gguf(tokenizer, gguf, err));
    else CNA_TRY_CLEANUP(open_folder(tokenizer, path, err));
    *out = tokenizer;
    tokenizer = NULL;
cleanup:
    cna_tokenizer_free(tokenizer);
    cna_free(gguf);
    return status;
}

void cna_tokenizer_free(cna_tokenizer *tokenizer)
{
    if (tokenizer == NULL) return;
    cna_vocab_free(&tokenizer->vocab);
    cna_vocab_free(&tokenizer->added_pieces);
    cna_free(tokenizer->specials.ids);
    cna_bpe_free(&tokenizer->bpe);
    cna_added_free(&tokenizer->added);
    cna_added_free(&tokenizer->added_normalized);
    cna_pattern_free(tokenizer->pattern);
    cna_free(tokenizer->prefix.ids);
    cna_free(tokenizer->suffix.ids);
    cna_chat_free(tokenizer->chat);
    cna_free(tokenizer);
}

size_t cna_tokenizer_n_ids(const cna_tokenizer *tokenizer)
{
    size_t n_model = tokenizer->vocab.n_ids;
    size_t n_added = tokenizer->added_pieces.n_ids;
    return n_model > n_added ? n_model : n_added;
}

const char *cna_tokenizer_piece(const cna_tokenizer *tokenizer, int32_t id)
{
    const char *piece = cna_vocab_piece(&tokenizer->vocab, id, NULL);
    return piece != NULL ? piece : cna_vocab_piece(&tokenizer->added_pieces, id, NULL);
}

bool cna_tokenizer_is_special(const cna_tokenizer *tokenizer, int32_t id)
{
    size_t low = 0;
    size_t high = tokenizer->specials.n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (tokenizer->specials.ids[middle] == id) return true;
        if (tokenizer->specials.ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* ---------------------------------------------------------------------------------------------- encoding */

/* One call of cna_tokenizer_encode. */
typedef struct encoding {
    const cna_tokenizer *tokenizer;
    cna_matcher *matcher;
    cna_bpe_scratch scratch;
    cna_buffer normalized;
    cna_ids out;
    cna_error *err;
} encoding;

/* Split into words and merge each; what lies between two matches is a word too (behavior Isolated). */
static cna_status encode_words(encoding *e, const char *text, size_t n_bytes)
{
    const cna_tokenizer *tokenizer = e->tokenizer;
    for (size_t from = 0; from < n_bytes;) {
        size_t start, end;
        CNA_TRY(cna_matcher_next(e->matcher, text, n_bytes, from, &start, &end, e->err));
        CNA_TRY(cna_bpe_encode(&tokenizer->bpe, &tokenizer->vocab, text + from, start - from, &e->scratch,
                               &e->out, e->err));
        CNA_TRY(cna_bpe_encode(&tokenizer->bpe, &tokenizer->vocab, text + start, end - start, &e->scratch,
                               &e->out, e->err));
        from = end;
    }
    return CNA_OK;
}

typedef cna_status encode_fn(encoding *e, const char *text, size_t n_bytes);

/* Cut the text at the added tokens of a set, and encode what lies between them. */
static cna_status encode_between(encoding *e, const cna_added *added, const char *text, size_t n_bytes,
                                 encode_fn *encode_rest)
{
    for (size_t from = 0; from < n_bytes;) {
        size_t start, end;
        int32_t id = cna_added_find(added, text, n_bytes, from, &start, &end);
        if (start > from) CNA_TRY(encode_rest(e, text + from, start - from));
        if (id >= 0) CNA_TRY(cna_ids_add(&e->out, id, e->err));
        from = end;
    }
    return CNA_OK;
}

static cna_status encode_normalized(encoding *e, const char *text, size_t n_bytes)
{
    if (e->tokenizer->nfc) {
        cna_buffer_reset(&e->normalized);
        CNA_TRY(cna_normalize_nfc(text, n_bytes, &e->normalized, e->err));
        text = e->normalized.data;
        n_bytes = e->normalized.size;
    }
    return encode_between(e, &e->tokenizer->added_normalized, text, n_bytes, encode_words);
}

static cna_status add_all(cna_ids *list, const cna_ids *added, cna_error *err)
{
    for (size_t i = 0; i < added->n; i++) CNA_TRY(cna_ids_add(list, added->ids[i], err));
    return CNA_OK;
}

cna_status cna_tokenizer_encode(const cna_tokenizer *tokenizer, const char *text, size_t n_bytes,
                                bool specials, int32_t **out_ids, size_t *out_n, cna_error *err)
{
    *out_ids = NULL;
    *out_n = 0;
    size_t bad;
    if (!cna_utf8_check(text, n_bytes, &bad)) {
        return cna_fail(err, CNA_ERR_FORMAT, "text, byte %zu: expected UTF-8, found byte 0x%02x", bad,
                        (unsigned)(unsigned char)text[bad]);
    }
    encoding e = {.tokenizer = tokenizer, .err = err};
    cna_status status;
    CNA_TRY_CLEANUP(cna_matcher_create(tokenizer->pattern, &e.matcher, err));
    if (specials) CNA_TRY_CLEANUP(add_all(&e.out, &tokenizer->prefix, err));
    CNA_TRY_CLEANUP(encode_between(&e, &tokenizer->added, text, n_bytes, encode_normalized));
    if (specials) CNA_TRY_CLEANUP(add_all(&e.out, &tokenizer->suffix, err));
    /* No tokens are still an array that can be freed. */
    CNA_TRY_CLEANUP(cna_grow(&e.out.ids, &e.out.capacity, 1, sizeof *e.out.ids, "token ids", err));
    *out_ids = e.out.ids;
    *out_n = e.out.n;
    e.out.ids = NULL;
cleanup:
    cna_free(e.out.ids);
    cna_buffer_free(&e.normalized);
    cna_bpe_scratch_free(&e.scratch);
    cna_matcher_free(e.matcher);
    return status;
}

/* ------------------------------------------------------------------------------------------ decoding, chat
 */

cna_status cna_tokenizer_decode(const cna_tokenizer *tokenizer, const int32_t *ids, size_t n_ids,
                                bool skip_specials, char **out_text, size_t *out_n_bytes, cna_error *err)
{
    *out_text = NULL;
    cna_decoder decoder = {.tokenizer = tokenizer, .skip_specials = skip_specials};
    cna_buffer text = {0};
    cna_status status = CNA_OK;
    for (size_t i = 0; status == CNA_OK && i < n_ids; i++)
        status = cna_decoder_add(&decoder, ids[i], &text, err);
    if (status == CNA_OK) status = cna_decoder_flush(&decoder, &text, err);
    if (status == CNA_OK) status = cna_buffer_take(&text, out_text, out_n_bytes, err);
    cna_decoder_free(&decoder);
    cna_buffer_free(&text);
    return status;
}

bool cna_tokenizer_has_chat(const cna_tokenizer *tokenizer)
{
    return strcmp(cna_chat_family(tokenizer->chat), "none") != 0;
}

const char *cna_tokenizer_chat_family(const cna_tokenizer *tokenizer)
{
    return cna_chat_family(tokenizer->chat);
}

cna_status cna_tokenizer_render(const cna_tokenizer *tokenizer, const cna_message *messages,
                                size_t n_messages, const char *date, char **out_text, size_t *out_n_bytes,
                                cna_error *err)
{
    return cna_chat_render(tokenizer->chat, messages, n_messages, date, out_text, out_n_bytes, err);
}
