/* SPDX-License-Identifier: MIT
 * The tokenizer object: its parts, and what the rest of the program needs beside include/cna.h. It never
 * changes after it is opened and may be used by several threads at once. */
#ifndef CNA_TEXT_TOKENIZER_H
#define CNA_TEXT_TOKENIZER_H

#include "base/json.h"
#include "text/added.h"
#include "text/bpe.h"
#include "text/chat.h"
#include "text/pattern.h"
#include "text/vocab.h"

struct cna_tokenizer {
    cna_vocab vocab;        /* the model's pieces */
    cna_vocab added_pieces; /* added tokens, those that the model has too included */
    cna_ids specials;       /* ids of added tokens marked special, ascending */
    cna_bpe bpe;
    cna_added added;            /* added tokens looked for in the text as it is */
    cna_added added_normalized; /* added tokens looked for after normalisation */
    bool nfc;                   /* normalise to NFC before splitting */
    cna_pattern *pattern;       /* splits text into words */
    cna_ids prefix, suffix;     /* what the post-processor adds */
    cna_chat *chat;
};

/* Fill an all-zero tokenizer from a tokenizer.json; chat is left alone. On failure it is half filled and to
 * be freed. Errors: ERR_IO, ERR_FORMAT and ERR_UNSUPPORTED, naming the file and the key. */
CNA_MUST_CHECK cna_status cna_tokenizer_load(cna_tokenizer *tokenizer, const char *path, cna_error *err);

/* The same from what a tokenizer.json holds. source: for messages. */
CNA_MUST_CHECK cna_status cna_tokenizer_build(cna_tokenizer *tokenizer, const json_t *root, const char *source,
                                              cna_error *err);

/* "llama3" or "chatml"; "none" where the folder has no chat template; "unsupported" where it has another. */
const char *cna_tokenizer_chat_family(const cna_tokenizer *tokenizer);

#endif
