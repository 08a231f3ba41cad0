/* SPDX-License-Identifier: MIT
 * The tokenizer object: its parts, and what the rest of the program needs beside include/cna.h. It never
 * changes after it is opened and may be used by several threads at once. */
#ifndef CNA_TEXT_TOKENIZER_H
#define CNA_TEXT_TOKENIZER_H

#include "base/json.h"
#include "text/added.h"
#include "text/chat.h"
#include "text/decoder.h"
#include "text/model_bpe.h"
#include "text/model_unigram.h"
#include "text/normalizer.h"
#include "text/pretokenizer.h"
#include "text/vocab.h"

/* How an added token that is looked for after normalisation reads where it is decoded, if not as it is written. */
typedef struct cna_added_form {
    int32_t id;
    char *text; /* [n_bytes] */
    size_t n_bytes;
} cna_added_form;

struct cna_tokenizer {
    cna_vocab vocab;        /* the model's pieces */
    cna_vocab added_pieces; /* added tokens, those that the model has too included */
    cna_ids specials;       /* ids of added tokens marked special, ascending */
    bool is_unigram;        /* which of the two models counts: */
    cna_bpe bpe;
    cna_unigram unigram;
    cna_added added;            /* added tokens looked for in the text as it is */
    cna_added added_normalized; /* added tokens looked for after normalisation */
    cna_added_form *forms;      /* [n_forms] by id */
    size_t n_forms, form_capacity;
    cna_normalizer normalizer;
    cna_pretokenizer pretokenizer;
    cna_decoding decoding;
    cna_ids prefix, suffix; /* what the post-processor adds */
    cna_chat *chat;         /* ? */
};

/* Fill an all-zero tokenizer from a tokenizer.json; chat is left alone. On failure it is half filled and to
 * be freed. Errors: ERR_IO, ERR_FORMAT and ERR_UNSUPPORTED, naming the file and the key. */
CNA_MUST_CHECK cna_status cna_tokenizer_load(cna_tokenizer *tokenizer, const char *path, cna_error *err);

/* The same from what a tokenizer.json holds; source: its name for messages. */
CNA_MUST_CHECK cna_status cna_tokenizer_build(cna_tokenizer *tokenizer, const json_t *root, const char *source,
                                              cna_error *err);

/* Have the text of an added token be looked for. Of two with the same text the first counts. After the last one
 * cna_tokenizer_finish_added must be called.
 *   normalized  looked for after normalisation, in its own normal form; the normalizer must be complete
 *   source      named in messages
 * Errors: ERR_UNSUPPORTED for a token of which normalisation leaves nothing, or more than CNA_TRIE_BYTES_MAX bytes. */
CNA_MUST_CHECK cna_status cna_tokenizer_index_added(cna_tokenizer *tokenizer, const char *text, size_t n_bytes,
                                                    int32_t id, unsigned flags, bool normalized, const char *source,
                                                    cna_error *err);
/* Bring added tokens into the form in which they are searched. */
CNA_MUST_CHECK cna_status cna_tokenizer_finish_added(cna_tokenizer *tokenizer, cna_error *err);

/* Fill ids[256] with the tokens <0x00> to <0xFF>, -1 for those that the vocabulary lacks. */
void cna_tokenizer_find_byte_tokens(const cna_vocab *vocab, int32_t *ids);

/* As cna_tokenizer_piece, but an added token in the form that the `tokenizers` package decodes it to, and with the
 * length of a piece, which may hold NUL. */
const char *cna_tokenizer_decoded_piece(const cna_tokenizer *tokenizer, int32_t id, size_t *n_bytes);

/* As cna_chat_family. */
const char *cna_tokenizer_chat_family(const cna_tokenizer *tokenizer);

#endif
