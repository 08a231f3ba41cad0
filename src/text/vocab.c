/* SPDX-License-Identifier: MIT
 * The vocabulary. */
#include "text/vocab.h"

#include <string.h>

#include "base/utf8.h"

/* The slot that holds the piece, or the free one where it belongs. Needs a table with a free slot. */
static size_t find_slot(const cna_vocab *vocab, const char *piece, size_t n_bytes)
{
    size_t mask = vocab->n_slots - 1;
    size_t slot = (size_t)cna_siphash(vocab->key, piece, n_bytes) & mask;
    for (; vocab->slots[slot] != 0; slot = (slot + 1) & mask) {
        const cna_vocab_entry *entry = &vocab->entries[vocab->slots[slot] - 1];
        if (entry->length == n_bytes && memcmp(vocab->text.data + entry->offset, piece, n_bytes) == 0) break;
    }
    return slot;
}

static cna_status grow_slots(cna_vocab *vocab, cna_error *err)
{
    if (vocab->n_slots / 2 > vocab->n_pieces) return CNA_OK;
    if (vocab->n_slots == 0) CNA_TRY(cna_hash_key_draw(&vocab->key, err));
    size_t n_slots = vocab->n_slots == 0 ? 1024 : vocab->n_slots * 2;
    int32_t *slots;
    CNA_TRY(cna_alloc(&slots, n_slots, sizeof *slots, "vocabulary", err));
    cna_free(vocab->slots);
    vocab->slots = slots;
    vocab->n_slots = n_slots;
    for (size_t id = 0; id < vocab->n_ids; id++) {
        const cna_vocab_entry *entry = &vocab->entries[id];
        if (!entry->present) continue;
        slots[find_slot(vocab, vocab->text.data + entry->offset, entry->length)] = (int32_t)id + 1;
    }
    return CNA_OK;
}

cna_status cna_vocab_add(cna_vocab *vocab, const char *piece, size_t n_bytes, int64_t id, const char *source,
                         cna_error *err)
{
    if (id < 0 || id > CNA_VOCAB_ID_MAX) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: token '%s': expected an id of 0 to %d, found %lld", source,
                        piece, CNA_VOCAB_ID_MAX, (long long)id);
    }
    CNA_TRY(grow_slots(vocab, err));
    CNA_TRY(cna_grow(&vocab->entries, &vocab->entry_capacity, (size_t)id + 1, sizeof *vocab->entries,
                     "vocabulary", err));
    if (vocab->entries[id].present) {
        return cna_fail(err, CNA_ERR_FORMAT,
                        "%s: token '%s': expected an id of its own, found %lld, which is '%s'", source, piece,
                        (long long)id, vocab->text.data + vocab->entries[id].offset);
    }
    size_t slot = find_slot(vocab, piece, n_bytes);
    if (vocab->slots[slot] != 0) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: token '%s': expected one id, found %d and %lld", source,
                        piece, vocab->slots[slot] - 1, (long long)id);
    }
    size_t offset = vocab->text.size;
    CNA_TRY(cna_buffer_add(&vocab->text, piece, n_bytes, err));
    CNA_TRY(cna_buffer_add(&vocab->text, "", 1, err));
    vocab->entries[id] = (cna_vocab_entry){offset, (uint32_t)n_bytes, true};
    vocab->slots[slot] = (int32_t)id + 1;
    vocab->n_pieces++;
    if ((size_t)id >= vocab->n_ids) vocab->n_ids = (size_t)id + 1;
    return CNA_OK;
}

void cna_vocab_free(cna_vocab *vocab)
{
    cna_buffer_free(&vocab->text);
    cna_free(vocab->entries);
    cna_free(vocab->slots);
    *vocab = (cna_vocab){0};
}

int32_t cna_vocab_find(const cna_vocab *vocab, const char *piece, size_t n_bytes)
{
    return vocab->n_slots == 0 ? -1 : vocab->slots[find_slot(vocab, piece, n_bytes)] - 1;
}

const char *cna_vocab_piece(const cna_vocab *vocab, int32_t id, size_t *n_bytes)
{
    if (id < 0 || (size_t)id >= vocab->n_ids || !vocab->entries[id].present) return NULL;
    if (n_bytes != NULL) *n_bytes = vocab->entries[id].length;
    return vocab->text.data + vocab->entries[id].offset;
}

/* The bytes that do not stand for themselves are 0x00-0x20, 0x7F-0xA0 and 0xAD: 33 + 34 + 1 of them. */
uint32_t cna_byte_to_char(unsigned char byte)
{
    if (byte <= 0x20) return 0x100u + byte;
    if (byte >= 0x7F && byte <= 0xA0) return 0x121u + (byte - 0x7Fu);
    return byte == 0xAD ? 0x143 : byte;
}

int cna_char_to_byte(uint32_t code_point)
{
    if (code_point >= 0x100 && code_point <= 0x120) return (int)(code_point - 0x100);
    if (code_point >= 0x121 && code_point <= 0x142) return (int)(code_point - 0x121 + 0x7F);
    if (code_point == 0x143) return 0xAD;
    return code_point <= 0xFF && cna_byte_to_char((unsigned char)code_point) == code_point ? (int)code_point
                                                                                           : -1;
}

cna_status cna_bytes_to_piece(const char *bytes, size_t n_bytes, cna_buffer *out, cna_error *err)
{
    for (size_t i = 0; i < n_bytes; i++) {
        char encoded[4];
        size_t n = cna_utf8_put(cna_byte_to_char((unsigned char)bytes[i]), encoded);
        CNA_TRY(cna_buffer_add(out, encoded, n, err));
    }
    return CNA_OK;
}

cna_status cna_piece_to_bytes(const char *piece, size_t n_bytes, cna_buffer *out, cna_error *err)
{
    size_t before = out->size;
    for (size_t i = 0; i < n_bytes;) {
        uint32_t code_point;
        int n = cna_utf8_next(piece + i, n_bytes - i, &code_point);
        int byte = n < 0 ? -1 : cna_char_to_byte(code_point);
        if (byte < 0) {
            out->size = before;
            return cna_buffer_add(out, piece, n_bytes, err);
        }
        char value = (char)byte;
        CNA_TRY(cna_buffer_add(out, &value, 1, err));
        i += (size_t)n;
    }
    return CNA_OK;
}
