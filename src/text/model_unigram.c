/* SPDX-License-Identifier: MIT
 * Unigram: a lattice of the pieces that begin at each place. */
#include "text/model_unigram.h"

#include <math.h>

#include "base/utf8.h"

enum { UNK_PENALTY = 10 };

/* The best way to the end of a prefix of the word. */
typedef struct cna_unigram_node {
    double score;
    uint32_t begin; /* of its last piece */
    int32_t id;     /* NONE: no way yet */
} node;

enum { NONE = -1 };

cna_status cna_unigram_prepare(cna_unigram *unigram, const cna_vocab *vocab, cna_error *err)
{
    cna_trie_string *strings;
    CNA_TRY(cna_alloc(&strings, vocab->n_pieces, sizeof *strings, "vocabulary", err));
    double least = INFINITY;
    size_t n = 0;
    for (size_t id = 0; id < vocab->n_ids; id++) {
        size_t n_bytes;
        const char *text = cna_vocab_piece(vocab, (int32_t)id, &n_bytes);
        if (text == NULL) continue;
        if (unigram->scores[id] < least) least = unigram->scores[id];
        if (n_bytes != 0) strings[n++] = (cna_trie_string){text, (uint32_t)n_bytes, (int32_t)id};
    }
    unigram->unk_score = least - UNK_PENALTY;
    cna_status status = cna_trie_build(&unigram->trie, strings, n, err);
    cna_free(strings);
    return status;
}

void cna_unigram_free(cna_unigram *unigram)
{
    cna_free(unigram->scores);
    cna_trie_free(&unigram->trie);
    *unigram = (cna_unigram){0};
}

void cna_unigram_scratch_free(cna_unigram_scratch *scratch)
{
    cna_free(scratch->nodes);
    *scratch = (cna_unigram_scratch){0};
}

/* ----------------------------------------------------------------------------------------------- the search */

static void offer(node *target, double score, size_t begin, int32_t id)
{
    if (target->id == NONE || score > target->score) *target = (node){score, (uint32_t)begin, id};
}

/* Offer every piece that begins here. Returns whether the character of `length` bytes is one. */
static bool offer_pieces(const cna_unigram *unigram, const char *bytes, size_t n_bytes, size_t begin, size_t length,
                         node *nodes)
{
    bool has_single = false;
    uint32_t at = 0;
    for (size_t end = begin + 1; end <= n_bytes; end++) {
        at = cna_trie_step(&unigram->trie, at, (unsigned char)bytes[end - 1]);
        if (at == 0) break;
        int32_t id = cna_trie_id(&unigram->trie, at);
        if (id < 0) continue;
        offer(&nodes[end], unigram->scores[id] + nodes[begin].score, begin, id);
        if (end - begin == length) has_single = true;
    }
    return has_single;
}

static cna_status search(const cna_unigram *unigram, const char *bytes, size_t n_bytes, node *nodes, cna_error *err)
{
    nodes[0] = (node){.id = NONE};
    for (size_t i = 1; i <= n_bytes; i++) nodes[i].id = NONE;
    for (size_t begin = 0; begin < n_bytes;) {
        uint32_t character;
        size_t length = (size_t)cna_utf8_next(bytes + begin, n_bytes - begin, &character);
        if (!offer_pieces(unigram, bytes, n_bytes, begin, length, nodes)) {
            if (!unigram->has_unk) {
                return cna_fail(err, CNA_ERR_FORMAT,
                                "text: expected characters that the vocabulary has a token for, found U+%04X; the "
                                "tokenizer's vocab lacks it and names no unk_id",
                                (unsigned)character);
            }
            offer(&nodes[begin + length], unigram->unk_score + nodes[begin].score, begin, unigram->unk);
        }
        begin += length;
    }
    return CNA_OK;
}

/* Turn the links, which lead from each end to its beginning, round: afterwards nodes[begin].begin is the end of the
 * piece that begins there, and its id that piece's. */
static void turn_round(node *nodes, size_t n_bytes)
{
    uint32_t end = (uint32_t)n_bytes;
    node at = nodes[end];
    while (end > 0) {
        uint32_t begin = at.begin;
        node before = nodes[begin];
        nodes[begin] = (node){.begin = end, .id = at.id};
        at = before;
        end = begin;
    }
}

static cna_status add_text(const cna_unigram *unigram, const cna_vocab *vocab, const char *bytes, size_t n_bytes,
                           cna_ids *out, cna_error *err)
{
    int32_t id = cna_vocab_find(vocab, bytes, n_bytes);
    if (id >= 0) return cna_ids_add(out, id, err);
    bool have_all = unigram->byte_fallback;
    for (size_t i = 0; have_all && i < n_bytes; i++) have_all = unigram->byte_id[(unsigned char)bytes[i]] >= 0;
    if (!have_all) return cna_ids_add(out, unigram->unk, err);
    for (size_t i = 0; i < n_bytes; i++) CNA_TRY(cna_ids_add(out, unigram->byte_id[(unsigned char)bytes[i]], err));
    return CNA_OK;
}

cna_status cna_unigram_encode(const cna_unigram *unigram, const cna_vocab *vocab, const char *bytes, size_t n_bytes,
                              cna_unigram_scratch *scratch, cna_ids *out, cna_error *err)
{
    if (n_bytes == 0) return CNA_OK;
    if (n_bytes >= UINT32_MAX) return cna_fail_memory(err, "a word of the text", n_bytes);
    CNA_TRY(cna_grow(&scratch->nodes, &scratch->node_capacity, n_bytes + 1, sizeof *scratch->nodes, "nodes", err));
    node *nodes = scratch->nodes;
    CNA_TRY(search(unigram, bytes, n_bytes, nodes, err));
    turn_round(nodes, n_bytes);
    for (size_t begin = 0; begin < n_bytes;) {
        size_t end = nodes[begin].begin;
        bool unknown = unigram->has_unk && nodes[begin].id == unigram->unk;
        while (unknown && end < n_bytes && nodes[end].id == unigram->unk) end = nodes[end].begin;
        if (unknown)
            CNA_TRY(add_text(unigram, vocab, bytes + begin, end - begin, out, err));
        else
            CNA_TRY(cna_ids_add(out, nodes[begin].id, err));
        begin = end;
    }
    return CNA_OK;
}
