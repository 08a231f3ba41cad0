/* SPDX-License-Identifier: MIT
 * Unigram: the split of a word into pieces whose scores add up to the most. Knows nothing of files. */
#ifndef CNA_TEXT_MODEL_UNIGRAM_H
#define CNA_TEXT_MODEL_UNIGRAM_H

#include "text/model_bpe.h"
#include "text/trie.h"

/* All-zero knows no piece. */
typedef struct cna_unigram {
    double *scores;                   /* [n_ids of the vocabulary], log probabilities */
    cna_trie trie;                    /* of the pieces that are not empty */
    double unk_score;     /* of a character without a piece: the least score - 10 */
    bool has_unk;
    bool byte_fallback; /* what has no token becomes its bytes, if each of them has a token */
    int32_t unk;
    int32_t byte_id[256]; /* token <0xNN> of each byte, or -1 */
} cna_unigram;

/* Prepare the search over a finished vocabulary of pieces of at most CNA_TRIE_BYTES_MAX bytes, which must stay as it
 * is; scores (taken), unk and bytes are the caller's to set before. */
CNA_MUST_CHECK cna_status cna_unigram_prepare(cna_unigram *unigram, const cna_vocab *vocab, cna_error *err);
void cna_unigram_free(cna_unigram *unigram);

/* Working memory of cna_unigram_encode, kept between words; all-zero to begin with. One caller's. */
typedef struct cna_unigram_scratch {
    struct cna_unigram_node *nodes;
    size_t node_capacity;
} cna_unigram_scratch;

void cna_unigram_scratch_free(cna_unigram_scratch *scratch);

/* Append the tokens of one word of well-formed UTF-8: of all its splits into pieces and single unknown characters the
 * one with the largest sum of scores, found from the left with the first of equals kept. Unknown characters in a row
 * count as one text, which becomes a token, bytes or one unk.
 *   n_bytes  0 .. UINT32_MAX - 1; the work grows with n_bytes times the longest piece that is met
 * Errors: ERR_FORMAT for an unknown character where there is no unk.
 * Source: the crate tokenizers 0.23, Unigram::encode_optimized. */
CNA_MUST_CHECK cna_status cna_unigram_encode(const cna_unigram *unigram, const cna_vocab *vocab, const char *bytes,
                                             size_t n_bytes, cna_unigram_scratch *scratch, cna_ids *out,
                                             cna_error *err);

#endif
