/* SPDX-License-Identifier: MIT
 * Decoding token by token: characters may be split over tokens, and only whole ones are given out. */
#ifndef CNA_TEXT_DECODER_H
#define CNA_TEXT_DECODER_H

#include "base/buffer.h"

/* How pieces become text: steps, each of which takes what the one before it gives. */
typedef enum cna_decoding_kind {
    CNA_DECODING_REPLACE,       /* from becomes to, in each piece by itself */
    CNA_DECODING_BYTE_FALLBACK, /* a run of pieces <0xNN> is the UTF-8 of their bytes, or one U+FFFD for each byte */
    CNA_DECODING_FUSE,          /* all pieces are one for what follows */
    CNA_DECODING_STRIP,         /* up to n times from goes at the beginning of each piece */
    CNA_DECODING_METASPACE,     /* from becomes a space, and in the first piece with drop_first nothing */
    CNA_DECODING_BYTE_LEVEL     /* pieces are bytes in the byte-level alphabet, and one text from here on */
} cna_decoding_kind;

typedef struct cna_decoding_step {
    cna_decoding_kind kind;
    char *from; /* ? [n_from] owned */
    size_t n_from;
    char *to; /* ? [n_to] owned */
    size_t n_to;
    size_t n;        /* of STRIP */
    bool drop_first; /* of METASPACE */
    bool fused;      /* a step before this one made all pieces one */
} cna_decoding_step;

enum { CNA_DECODING_STEPS_MAX = 8 };

/* At most one of the steps BYTE_FALLBACK and BYTE_LEVEL; those and REPLACE only where pieces are not fused. */
typedef struct cna_decoding {
    cna_decoding_step steps[CNA_DECODING_STEPS_MAX];
    size_t n;
} cna_decoding;

void cna_decoding_free(cna_decoding *decoding);

/* Begin with {.tokenizer = ..., .skip_specials = ...}; end with cna_decoder_free. */
typedef struct cna_decoder {
    const cna_tokenizer *tokenizer; /* borrowed */
    bool skip_specials;
    cna_buffer pending; /* bytes of a character that is not complete, or of a run of <0xNN> */
    cna_buffer texts[CNA_DECODING_STEPS_MAX];
    size_t n_done[CNA_DECODING_STEPS_MAX]; /* METASPACE: pieces seen; STRIP of fused pieces: how often it need not
                                              look any more */
} cna_decoder;

/* Append to out the characters that this id completes. What all calls and the flush append is what
 * cna_tokenizer_decode gives for the same ids. Byte tokens <0xNN> are held until another token follows, since what they
 * are depends on the whole run.
 * An id that the tokenizer does not know gives no text. */
CNA_MUST_CHECK cna_status cna_decoder_add(cna_decoder *decoder, int32_t id, cna_buffer *out, cna_error *err);
/* Append what is held, an incomplete character as U+FFFD; the decoder is then ready to begin again. */
CNA_MUST_CHECK cna_status cna_decoder_flush(cna_decoder *decoder, cna_buffer *out, cna_error *err);
void cna_decoder_free(cna_decoder *decoder);

#endif
