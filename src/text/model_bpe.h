/* SPDX-License-Identifier: MIT
 * Byte-pair merging of one word. Knows nothing of files or of how text is split into words. */
#ifndef CNA_TEXT_MODEL_BPE_H
#define CNA_TEXT_MODEL_BPE_H

#include "text/vocab.h"

/* A growing list of token ids; all-zero is empty. */
typedef struct cna_ids {
    int32_t *ids; /* [n] */
    size_t n, capacity;
} cna_ids;

CNA_MUST_CHECK cna_status cna_ids_add(cna_ids *list, int32_t id, cna_error *err);

/* One merge: the pair (left, right) becomes token result. A lower rank goes first. */
typedef struct cna_merge {
    int32_t left, right, result;
    uint32_t rank;
    bool used; /* this slot of the table holds a merge */
} cna_merge;

/* All-zero is a model without merges and without a single byte. */
typedef struct cna_bpe {
    cna_merge *slots;   /* [n_slots] hash table by (left, right) */
    size_t n_slots;     /* a power of two */
    cna_hash_key key;   /* of the hash */
    bool byte_level;    /* words are bytes, written in the byte-level alphabet; otherwise they are characters */
    bool ignore_merges; /* a word that is a token as it stands is that token, whatever the merges say */
    bool byte_fallback; /* a character without a token becomes its bytes, if each of them has a token */
    bool has_unk;       /* what has no token otherwise becomes unk */
    bool fuse_unk;      /* of several in a row, one */
    int32_t unk;
    int32_t byte_id[256]; /* token of each single byte, or -1: byte_level: its character; otherwise <0xNN> */
} cna_bpe;

/* Make room for n_merges; call once, before adding. Errors: ERR_MEMORY; ERR_IO without random numbers. */
CNA_MUST_CHECK cna_status cna_bpe_reserve(cna_bpe *bpe, size_t n_merges, cna_error *err);
/* Add a merge; of two for the same pair the later one counts. */
void cna_bpe_add(cna_bpe *bpe, int32_t left, int32_t right, int32_t result, uint32_t rank);
void cna_bpe_free(cna_bpe *bpe);

/* Working memory of cna_bpe_encode, kept between words; all-zero to begin with. One caller's. */
typedef struct cna_bpe_scratch {
    struct cna_bpe_symbol *symbols;
    size_t symbol_capacity;
    struct cna_bpe_candidate *heap;
    size_t heap_capacity;
    cna_buffer piece;
} cna_bpe_scratch;

void cna_bpe_scratch_free(cna_bpe_scratch *scratch);

/* Append the tokens of one word: its bytes or characters, merged pair by pair, lowest rank first, leftmost among
 * equals.
 *   bytes    [n_bytes] well-formed UTF-8, or with byte_level anything
 *   n_bytes  0 .. UINT32_MAX - 1; the work grows as n log n
 * Errors: ERR_FORMAT for a byte or character that no token stands for.
 * Source: the crate tokenizers 0.23, BPE::merge_word and Word::merge_all. */
CNA_MUST_CHECK cna_status cna_bpe_encode(const cna_bpe *bpe, const cna_vocab *vocab, const char *bytes, size_t n_bytes,
                                         cna_bpe_scratch *scratch, cna_ids *out, cna_error *err);

#endif
