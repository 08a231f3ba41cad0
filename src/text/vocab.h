/* SPDX-License-Identifier: MIT
 * The vocabulary: pieces and their ids, both ways, and the byte-level alphabet that pieces are written in. */
#ifndef CNA_TEXT_VOCAB_H
#define CNA_TEXT_VOCAB_H

#include "base/buffer.h"
#include "base/siphash.h"

/* Ids past this are refused, so that a hostile file cannot ask for a table of 2^31 rows. The largest
 * vocabularies in use have about 2^18. */
enum { CNA_VOCAB_ID_MAX = (1 << 22) - 1 };

typedef struct cna_vocab_entry {
    size_t offset;   /* of the piece in text; a NUL follows it */
    uint32_t length; /* bytes */
    bool present;
} cna_vocab_entry;

/* All-zero is an empty vocabulary. */
typedef struct cna_vocab {
    cna_buffer text;          /* every piece, each with a NUL behind */
    cna_vocab_entry *entries; /* [n_ids] by id */
    size_t n_ids;             /* 1 + the largest id */
    size_t n_pieces;
    size_t entry_capacity;
    int32_t *slots; /* [n_slots] hash table of id + 1; 0 is free */
    size_t n_slots; /* a power of two */
    cna_hash_key key; /* of the hash; drawn with the first slots */
} cna_vocab;

/* Add a piece under an id. Errors: ERR_FORMAT, naming source, for an id past CNA_VOCAB_ID_MAX or taken by
 * another piece, or a piece that has an id already; ERR_IO without random numbers. */
CNA_MUST_CHECK cna_status cna_vocab_add(cna_vocab *vocab, const char *piece, size_t n_bytes, int64_t id,
                                        const char *source, cna_error *err);
void cna_vocab_free(cna_vocab *vocab);

/* The id of a piece, or -1. */
int32_t cna_vocab_find(const cna_vocab *vocab, const char *piece, size_t n_bytes);

/* The piece of an id, NUL-terminated, or NULL. n_bytes may be NULL. */
const char *cna_vocab_piece(const cna_vocab *vocab, int32_t id, size_t *n_bytes);

/* Byte-level alphabet (GPT-2's bytes_to_unicode, openai/gpt-2 src/encoder.py): every byte stands for a
 * printable character; the visible ones of Latin-1 for themselves, the other 68 for U+0100 and on, in order.
 */
uint32_t cna_byte_to_char(unsigned char byte);
/* The byte that a character stands for, or -1. */
int cna_char_to_byte(uint32_t code_point);

/* Append bytes written in the alphabet. */
CNA_MUST_CHECK cna_status cna_bytes_to_piece(const char *bytes, size_t n_bytes, cna_buffer *out,
                                             cna_error *err);
/* Append what a piece stands for; a piece with any character outside the alphabet stands for its own UTF-8.
 */
CNA_MUST_CHECK cna_status cna_piece_to_bytes(const char *piece, size_t n_bytes, cna_buffer *out,
                                             cna_error *err);

#endif
