/* SPDX-License-Identifier: MIT
 * The tokenizer object: opening, encoding, decoding. */
#include "text/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/utf8.h"
#include "checkpoint/gguf_path.h"
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
    CNA_TRY(cna_gguf_open(path, &gguf, err));
    cna_status status = cna_tokenizer_load_gguf(tokenizer, &gguf, err);
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
    cna_unigram_free(&tokenizer->unigram);
    cna_added_free(&tokenizer->added);
    cna_added_free(&tokenizer->added_normalized);
    for (size_t i = 0; i < tokenizer->n_forms; i++) cna_free(tokenizer->forms[i].text);
    cna_free(tokenizer->forms);
    cna_normalizer_free(&tokenizer->normalizer);
    cna_pretokenizer_free(&tokenizer->pretokenizer);
    cna_decoding_free(&tokenizer->decoding);
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

static const char *find_piece(const cna_tokenizer *tokenizer, int32_t id, size_t *n_bytes)
{
    const char *piece = cna_vocab_piece(&tokenizer->vocab, id, n_bytes);
    return piece != NULL ? piece : cna_vocab_piece(&tokenizer->added_pieces, id, n_bytes);
}

static int compare_ids(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a;
    int32_t y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static int compare_forms(const void *a, const void *b)
{
    return compare_ids(&((const cna_added_form *)a)->id, &((const cna_added_form *)b)->id);
}

const char *cna_tokenizer_piece(const cna_tokenizer *tokenizer, int32_t id)
{
    return find_piece(tokenizer, id, NULL);
}

const char *cna_tokenizer_decoded_piece(const cna_tokenizer *tokenizer, int32_t id, size_t *n_bytes)
{
    const cna_added_form key = {.id = id};
    const cna_added_form *form = NULL;
    if (tokenizer->n_forms != 0) form = bsearch(&key, tokenizer->forms, tokenizer->n_forms, sizeof key, compare_forms);
    if (form == NULL) return find_piece(tokenizer, id, n_bytes);
    *n_bytes = form->n_bytes;
    return form->text;
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

/* ------------------------------------------------------------------------------------ what loaders have in common */

cna_status cna_tokenizer_finish_added(cna_tokenizer *tokenizer, cna_error *err)
{
    cna_ids *specials = &tokenizer->specials;
    if (specials->n != 0) qsort(specials->ids, specials->n, sizeof *specials->ids, compare_ids);
    if (tokenizer->n_forms != 0) qsort(tokenizer->forms, tokenizer->n_forms, sizeof *tokenizer->forms, compare_forms);
    CNA_TRY(cna_added_build(&tokenizer->added, err));
    return cna_added_build(&tokenizer->added_normalized, err);
}

static cna_status keep_form(cna_tokenizer *tokenizer, int32_t id, const char *form, size_t n_bytes, cna_error *err)
{
    CNA_TRY(cna_grow(&tokenizer->forms, &tokenizer->form_capacity, tokenizer->n_forms + 1, sizeof *tokenizer->forms,
                     "added tokens", err));
    cna_added_form *kept = &tokenizer->forms[tokenizer->n_forms];
    CNA_TRY(cna_copy_bytes(&kept->text, form, n_bytes, "added tokens", err));
    kept->id = id;
    kept->n_bytes = n_bytes;
    tokenizer->n_forms++;
    return CNA_OK;
}

void cna_tokenizer_find_byte_tokens(const cna_vocab *vocab, int32_t *ids)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        char piece[8];
        int n = snprintf(piece, sizeof piece, "<0x%02X>", byte);
        ids[byte] = cna_vocab_find(vocab, piece, (size_t)n);
    }
}

static cna_status refuse_length(size_t n_bytes, int32_t id, const char *source, cna_error *err)
{
    return cna_fail(err, CNA_ERR_UNSUPPORTED,
                    "%s: key 'added_tokens': expected a text of at most %d bytes for id %d, found %zu; this tokenizer "
                    "cannot be used", source, (int)CNA_TRIE_BYTES_MAX, id, n_bytes);
}

cna_status cna_tokenizer_index_added(cna_tokenizer *tokenizer, const char *text, size_t n_bytes, int32_t id,
                                     unsigned flags, bool normalized, const char *source, cna_error *err)
{
    if (n_bytes > CNA_TRIE_BYTES_MAX) return refuse_length(n_bytes, id, source, err);
    if (!normalized) return cna_added_add(&tokenizer->added, text, n_bytes, id, flags, err);
    cna_normalizer_scratch scratch = {0};
    const char *form;
    size_t n;
    bool cut_left;
    cna_status status =
        cna_normalizer_apply(&tokenizer->normalizer, &scratch, text, n_bytes, &form, &n, &cut_left, err);
    if (status == CNA_OK && n == 0) {
        status = cna_fail(err, CNA_ERR_UNSUPPORTED,
                          "%s: key 'added_tokens': expected a text of which the normalizer leaves something, found "
                          "'%s'; this tokenizer cannot be used",
                          source, text);
    }
    if (status == CNA_OK && n > CNA_TRIE_BYTES_MAX) status = refuse_length(n, id, source, err);
    bool differs = status == CNA_OK && (n != n_bytes || memcmp(form, text, n) != 0);
    if (differs) status = keep_form(tokenizer, id, form, n, err);
    if (status == CNA_OK) status = cna_added_add(&tokenizer->added_normalized, form, n, id, flags, err);
    cna_normalizer_scratch_free(&scratch);
    return status;
}

/* ---------------------------------------------------------------------------------------------- encoding */

/* One call of cna_tokenizer_encode. */
typedef struct encoding {
    const cna_tokenizer *tokenizer;
    cna_normalizer_scratch normalizer;
    cna_pretokenizer_scratch pretokenizer;
    cna_bpe_scratch bpe;
    cna_unigram_scratch unigram;
    cna_ids out;
    cna_error *err;
} encoding;

static cna_status encode_word(void *context, const char *word, size_t n_bytes, cna_error *err)
{
    encoding *e = context;
    const cna_tokenizer *tokenizer = e->tokenizer;
    if (tokenizer->is_unigram)
        return cna_unigram_encode(&tokenizer->unigram, &tokenizer->vocab, word, n_bytes, &e->unigram, &e->out, err);
    return cna_bpe_encode(&tokenizer->bpe, &tokenizer->vocab, word, n_bytes, &e->bpe, &e->out, err);
}

/* first: whether the text begins where the caller's does. */
typedef cna_status encode_fn(encoding *e, const char *text, size_t n_bytes, bool first);

static cna_status encode_words(encoding *e, const char *text, size_t n_bytes, bool first)
{
    return cna_pretokenizer_split(&e->tokenizer->pretokenizer, &e->pretokenizer, text, n_bytes, first, encode_word, e,
                                  e->err);
}

/* The character before or behind a place, of well-formed text. */
static uint32_t character_before(const char *text, size_t at)
{
    uint32_t character;
    size_t begin = at - 1;
    while (((unsigned char)text[begin] & 0xC0) == 0x80) begin--;
    (void)cna_utf8_next(text + begin, at - begin, &character);
    return character;
}

static bool stands_alone(const char *text, size_t n_bytes, const cna_added_match *match)
{
    uint32_t next = 0;
    if (match->start > 0 && cna_is_word(character_before(text, match->start))) return false;
    if (match->end < n_bytes) (void)cna_utf8_next(text + match->end, n_bytes - match->end, &next);
    return match->end == n_bytes || !cna_is_word(next);
}

/* Take in the white space that the token asks for, on the left back to `done` at most. */
static void widen(const char *text, size_t n_bytes, size_t done, cna_added_match *match)
{
    uint32_t character;
    while ((match->flags & CNA_ADDED_LEFT) && match->start > done) {
        character = character_before(text, match->start);
        if (!cna_is_white_space(character)) break;
        char encoded[4];
        match->start -= cna_utf8_put(character, encoded);
    }
    while ((match->flags & CNA_ADDED_RIGHT) && match->end < n_bytes) {
        int length = cna_utf8_next(text + match->end, n_bytes - match->end, &character);
        if (!cna_is_white_space(character)) break;
        match->end += (size_t)length;
    }
}

/* Cut the text at the added tokens of a set, and encode what lies between them. White space that a token takes is still
 * searched for other tokens, as the `tokenizers` package does (AddedVocabulary::find_matches). */
static cna_status encode_between(encoding *e, const cna_added *added, const char *text, size_t n_bytes, bool first,
                                 encode_fn *encode_rest)
{
    cna_added_match match;
    size_t done = 0;
    for (size_t from = 0; cna_added_find(added, text, n_bytes, from, &match);) {
        from = match.end;
        if ((match.flags & CNA_ADDED_WORD) && !stands_alone(text, n_bytes, &match)) continue;
        widen(text, n_bytes, done, &match);
        if (done < match.start) CNA_TRY(encode_rest(e, text + done, match.start - done, first && done == 0));
        CNA_TRY(cna_ids_add(&e->out, match.id, e->err));
        done = match.end;
    }
    return done < n_bytes ? encode_rest(e, text + done, n_bytes - done, first && done == 0) : CNA_OK;
}

static cna_status encode_normalized(encoding *e, const char *text, size_t n_bytes, bool first)
{
    bool cut_left;
    CNA_TRY(cna_normalizer_apply(&e->tokenizer->normalizer, &e->normalizer, text, n_bytes, &text, &n_bytes, &cut_left,
                                 e->err));
    return encode_between(e, &e->tokenizer->added_normalized, text, n_bytes, first && !cut_left, encode_words);
}

static cna_status add_all(cna_ids *list, const cna_ids *added, cna_error *err)
{
    for (size_t i = 0; i < added->n; i++) CNA_TRY(cna_ids_add(list, added->ids[i], err));
    return CNA_OK;
}

cna_status cna_tokenizer_encode(const cna_tokenizer *tokenizer, const char *text, size_t n_bytes, bool specials,
                                int32_t **out_ids, size_t *out_n, cna_error *err)
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
    if (specials) CNA_TRY_CLEANUP(add_all(&e.out, &tokenizer->prefix, err));
    CNA_TRY_CLEANUP(encode_between(&e, &tokenizer->added, text, n_bytes, true, encode_normalized));
    if (specials) CNA_TRY_CLEANUP(add_all(&e.out, &tokenizer->suffix, err));
    /* No tokens are still an array that can be freed. */
    CNA_TRY_CLEANUP(cna_grow(&e.out.ids, &e.out.capacity, 1, sizeof *e.out.ids, "token ids", err));
    *out_ids = e.out.ids;
    *out_n = e.out.n;
    e.out.ids = NULL;
cleanup:
    cna_free(e.out.ids);
    cna_normalizer_scratch_free(&e.normalizer);
    cna_pretokenizer_scratch_free(&e.pretokenizer);
    cna_bpe_scratch_free(&e.bpe);
    cna_unigram_scratch_free(&e.unigram);
    return status;
}

/* ------------------------------------------------------------------------------------------ decoding, chat
 */

cna_status cna_tokenizer_decode(const cna_tokenizer *tokenizer, const int32_t *ids, size_t n_ids, bool skip_specials,
                                char **out_text, size_t *out_n_bytes, cna_error *err)
{
    *out_text = NULL;
    cna_decoder decoder = {.tokenizer = tokenizer, .skip_specials = skip_specials};
    cna_buffer text = {0};
    cna_status status = CNA_OK;
    for (size_t i = 0; status == CNA_OK && i < n_ids; i++) status = cna_decoder_add(&decoder, ids[i], &text, err);
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
                                size_t n_messages, const cna_format *format, char **out_text, size_t *out_n_bytes,
                                cna_error *err)
{
    return cna_chat_render(tokenizer->chat, messages, n_messages, format, out_text, out_n_bytes, err);
}
