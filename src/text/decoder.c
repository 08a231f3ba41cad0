/* SPDX-License-Identifier: MIT
 * Decoding token by token. Source: the crate tokenizers 0.23, src/decoders, whose steps take all pieces at once. */
#include "text/decoder.h"

#include <string.h>

#include "base/utf8.h"
#include "text/tokenizer.h"

/* Replace steps multiply where each writes more than it reads; real ones never make a piece this long. */
enum { PIECE_BYTES_MAX = 1 << 20 };

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
    return good == n_bytes ? CNA_OK : cna_buffer_add(out, bytes + good, n_bytes - good, err); /* bytes may be NULL */
}

void cna_decoding_free(cna_decoding *decoding)
{
    for (size_t i = 0; i < decoding->n; i++) {
        cna_free(decoding->steps[i].from);
        cna_free(decoding->steps[i].to);
    }
    *decoding = (cna_decoding){0};
}

/* Give a piece to step i; past the last one, to out. */
static cna_status push(cna_decoder *decoder, size_t i, const char *piece, size_t n_bytes, cna_buffer *out,
                       cna_error *err);

/* ------------------------------------------------------------------------------------------------- the steps */

static bool begins_with(const char *text, size_t n_bytes, const cna_decoding_step *step)
{
    return n_bytes >= step->n_from && memcmp(text, step->from, step->n_from) == 0;
}

static cna_status replace(const cna_decoding_step *step, const char *to, size_t n_to, const char *piece, size_t n_bytes,
                          cna_buffer *out, cna_error *err)
{
    cna_buffer_reset(out);
    size_t copied = 0;
    for (size_t i = 0; i < n_bytes;) {
        if (!begins_with(piece + i, n_bytes - i, step)) {
            i++;
            continue;
        }
        CNA_TRY(cna_buffer_add(out, piece + copied, i - copied, err));
        CNA_TRY(cna_buffer_add(out, to, n_to, err));
        if (out->size > PIECE_BYTES_MAX) {
            return cna_fail(err, CNA_ERR_UNSUPPORTED, "token: expected a text of at most %d bytes, found more; this "
                            "tokenizer's decoder cannot be used", (int)PIECE_BYTES_MAX);
        }
        i += step->n_from;
        copied = i;
    }
    return cna_buffer_add(out, piece + copied, n_bytes - copied, err);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte that a piece <0xNN> stands for, or -1. Rust's from_str_radix takes a plus sign too. */
static int piece_byte(const char *piece, size_t n_bytes)
{
    if (n_bytes != 6 || memcmp(piece, "<0x", 3) != 0 || piece[5] != '>') return -1;
    int high = piece[3] == '+' ? 0 : hex_digit(piece[3]);
    int low = hex_digit(piece[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Give out the run of bytes that is held. */
static cna_status end_run(cna_decoder *decoder, size_t i, cna_buffer *out, cna_error *err)
{
    cna_buffer *run = &decoder->pending;
    size_t n = run->size;
    run->size = 0;
    if (n == 0) return CNA_OK;
    if (cna_utf8_check(run->data, n, NULL)) return push(decoder, i + 1, run->data, n, out, err);
    for (size_t k = 0; k < n; k++) CNA_TRY(push(decoder, i + 1, "\xEF\xBF\xBD", 3, out, err));
    return CNA_OK;
}

static cna_status add_to_run(cna_decoder *decoder, size_t i, const char *piece, size_t n_bytes, cna_buffer *out,
                             cna_error *err)
{
    int byte = piece_byte(piece, n_bytes);
    char value = (char)byte;
    if (byte >= 0) return cna_buffer_add(&decoder->pending, &value, 1, err);
    CNA_TRY(end_run(decoder, i, out, err));
    return push(decoder, i + 1, piece, n_bytes, out, err);
}

/* Give out the whole characters among the bytes that are held, at the end all. */
static cna_status give_out_bytes(cna_decoder *decoder, size_t i, bool end, cna_buffer *out, cna_error *err)
{
    cna_buffer *pending = &decoder->pending;
    cna_buffer *text = &decoder->texts[i];
    size_t n_tail = end ? 0 : cna_utf8_incomplete_tail(pending->data, pending->size);
    size_t n_whole = pending->size - n_tail;
    cna_buffer_reset(text);
    CNA_TRY(add_lossy(pending->data, n_whole, text, err));
    if (n_tail != 0) memmove(pending->data, pending->data + n_whole, n_tail);
    pending->size = n_tail;
    return push(decoder, i + 1, text->data, text->size, out, err);
}

static cna_status strip(cna_decoder *decoder, size_t i, const char *piece, size_t n_bytes, cna_buffer *out,
                        cna_error *err)
{
    const cna_decoding_step *step = &decoder->tokenizer->decoding.steps[i];
    size_t n_done = step->fused ? decoder->n_done[i] : 0;
    for (; n_done < step->n && begins_with(piece, n_bytes, step); n_done++) {
        piece += step->n_from;
        n_bytes -= step->n_from;
    }
    decoder->n_done[i] = n_bytes != 0 ? step->n : n_done;
    return push(decoder, i + 1, piece, n_bytes, out, err);
}

static cna_status push(cna_decoder *decoder, size_t i, const char *piece, size_t n_bytes, cna_buffer *out,
                       cna_error *err)
{
    const cna_decoding *decoding = &decoder->tokenizer->decoding;
    if (i == decoding->n) return cna_buffer_add(out, piece, n_bytes, err);
    const cna_decoding_step *step = &decoding->steps[i];
    cna_buffer *text = &decoder->texts[i];
    bool drop = false;
    switch (step->kind) {
    case CNA_DECODING_REPLACE:
        CNA_TRY(replace(step, step->to, step->n_to, piece, n_bytes, text, err));
        return push(decoder, i + 1, text->data, text->size, out, err);
    case CNA_DECODING_METASPACE:
        drop = step->drop_first && (step->fused || decoder->n_done[i] == 0);
        decoder->n_done[i] = 1;
        CNA_TRY(replace(step, " ", drop ? 0 : 1, piece, n_bytes, text, err));
        return push(decoder, i + 1, text->data, text->size, out, err);
    case CNA_DECODING_BYTE_FALLBACK:
        return add_to_run(decoder, i, piece, n_bytes, out, err);
    case CNA_DECODING_STRIP:
        return strip(decoder, i, piece, n_bytes, out, err);
    case CNA_DECODING_BYTE_LEVEL:
        CNA_TRY(cna_piece_to_bytes(piece, n_bytes, &decoder->pending, err));
        return give_out_bytes(decoder, i, false, out, err);
    case CNA_DECODING_FUSE:
        break;
    }
    return push(decoder, i + 1, piece, n_bytes, out, err);
}

/* ------------------------------------------------------------------------------------------------- the decoder */

cna_status cna_decoder_add(cna_decoder *decoder, int32_t id, cna_buffer *out, cna_error *err)
{
    size_t n_bytes;
    const char *piece = cna_tokenizer_decoded_piece(decoder->tokenizer, id, &n_bytes);
    /* A model can have more embedding rows than the tokenizer has ids, and choose one of them: no text. */
    if (piece == NULL) return CNA_OK;
    if (decoder->skip_specials && cna_tokenizer_is_special(decoder->tokenizer, id)) return CNA_OK;
    return push(decoder, 0, piece, n_bytes, out, err);
}

cna_status cna_decoder_flush(cna_decoder *decoder, cna_buffer *out, cna_error *err)
{
    const cna_decoding *decoding = &decoder->tokenizer->decoding;
    for (size_t i = 0; i < decoding->n; i++) {
        if (decoding->steps[i].kind == CNA_DECODING_BYTE_FALLBACK) CNA_TRY(end_run(decoder, i, out, err));
        if (decoding->steps[i].kind == CNA_DECODING_BYTE_LEVEL) CNA_TRY(give_out_bytes(decoder, i, true, out, err));
    }
    cna_buffer_reset(&decoder->pending);
    memset(decoder->n_done, 0, sizeof decoder->n_done);
    return CNA_OK;
}

void cna_decoder_free(cna_decoder *decoder)
{
    cna_buffer_free(&decoder->pending);
    for (size_t i = 0; i < CNA_DECODING_STEPS_MAX; i++) cna_buffer_free(&decoder->texts[i]);
}
