/* SPDX-License-Identifier: MIT
 * Decoding token by token. */
#include "text/decoder.h"

#include <string.h>

#include "base/utf8.h"
#include "text/tokenizer.h"

/* Append bytes as UTF-8, each maximal ill-formed part as one U+FFFD. */
static cna_status add_lossy(const char *bytes, size_t n_bytes, cna_buffer *out, cna_error *err)
{
    size_t good = 0; /* where the well-formed bytes that are not appended yet begin */
    for (size_t i = 0; i < n_bytes;) {
        uint32_t code_point;
        int n = cna_utf8_next(bytes + i, n_bytes - i, &code_point);
        if (n > 0) {
            i += (size_t)n;
            continue;
        }
        CNA_TRY(cna_buffer_add(out, bytes + good, i - good, err));
        CNA_TRY(cna_buffer_add_text(out, "\xEF\xBF\xBD", err));
        i += (size_t)-n;
        good = i;
    }
    return cna_buffer_add(out, bytes + good, n_bytes - good, err);
}

cna_status cna_decoder_add(cna_decoder *decoder, int32_t id, cna_buffer *out, cna_error *err)
{
    const char *piece = cna_tokenizer_piece(decoder->tokenizer, id);
    /* A model can have more embedding rows than the tokenizer has ids, and choose one of them: no text. */
    if (piece == NULL) return CNA_OK;
    if (decoder->skip_specials && cna_tokenizer_is_special(decoder->tokenizer, id)) return CNA_OK;
    cna_buffer *pending = &decoder->pending;
    CNA_TRY(cna_piece_to_bytes(piece, strlen(piece), pending, err));
    size_t n_tail = cna_utf8_incomplete_tail(pending->data, pending->size);
    size_t n_whole = pending->size - n_tail;
    CNA_TRY(add_lossy(pending->data, n_whole, out, err));
    if (n_tail != 0) memmove(pending->data, pending->data + n_whole, n_tail);
    pending->size = n_tail;
    return CNA_OK;
}

cna_status cna_decoder_flush(cna_decoder *decoder, cna_buffer *out, cna_error *err)
{
    CNA_TRY(add_lossy(decoder->pending.data, decoder->pending.size, out, err));
    cna_buffer_reset(&decoder->pending);
    return CNA_OK;
}

void cna_decoder_free(cna_decoder *decoder)
{
    cna_buffer_free(&decoder->pending);
}
