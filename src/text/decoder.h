/* SPDX-License-Identifier: MIT
 * Decoding token by token: characters may be split over tokens, and only whole ones are given out. */
#ifndef CNA_TEXT_DECODER_H
#define CNA_TEXT_DECODER_H

#include "base/buffer.h"

/* Begin with {.tokenizer = ..., .skip_specials = ...}; end with cna_decoder_free. */
typedef struct cna_decoder {
    const cna_tokenizer *tokenizer; /* borrowed */
    bool skip_specials;
    cna_buffer pending; /* bytes of a character that is not complete */
} cna_decoder;

/* Append to out the characters that this id completes. What all calls and the flush append is what
 * cna_tokenizer_decode gives for the same ids.
 * An id that the tokenizer does not know gives no text. */
CNA_MUST_CHECK cna_status cna_decoder_add(cna_decoder *decoder, int32_t id, cna_buffer *out, cna_error *err);
/* Append U+FFFD if a character was left incomplete; the decoder is then ready to begin again. */
CNA_MUST_CHECK cna_status cna_decoder_flush(cna_decoder *decoder, cna_buffer *out, cna_error *err);
void cna_decoder_free(cna_decoder *decoder);

#endif
