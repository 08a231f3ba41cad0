/* SPDX-License-Identifier: MIT
 * Byte-pair merging of one word: a linked list of symbols and a heap of possible merges, so that a run of a
 * million letters, which the splitting patterns keep as one word, takes no more than n log n steps. */
#include "text/model_bpe.h"

#include "base/utf8.h"

#define NONE UINT32_MAX /* no symbol */

/* Symbols live in an array, linked through it; a symbol merged into the one on its left is dead. */
typedef struct cna_bpe_symbol {
    int32_t id; /* -1: dead */
    uint32_t previous, next;
} symbol;

/* A merge that was possible when it was pushed: stale once either side has changed since. */
typedef struct cna_bpe_candidate {
    uint32_t rank, position;
    int32_t left, right, result;
} candidate;

cna_status cna_ids_add(cna_ids *list, int32_t id, cna_error *err)
{
    CNA_TRY(cna_grow(&list->ids, &list->capacity, list->n + 1, sizeof *list->ids, "token ids", err));
    list->ids[list->n++] = id;
    return CNA_OK;
}

/* The slot of a pair, or the free one where it belongs. */
static size_t find_slot(const cna_bpe *bpe, int32_t left, int32_t right)
{
    const int32_t pair[2] = {left, right};
    size_t mask = bpe->n_slots - 1;
    size_t slot = (size_t)cna_siphash(bpe->key, pair, sizeof pair) & mask;
    while (bpe->slots[slot].used && (bpe->slots[slot].left != left || bpe->slots[slot].right != right)) {
        slot = (slot + 1) & mask;
    }
    return slot;
}

cna_status cna_bpe_reserve(cna_bpe *bpe, size_t n_merges, cna_error *err)
{
    size_t n_slots = 16;
    CNA_TRY(cna_hash_key_draw(&bpe->key, err));
    while (n_slots / 3 * 2 <= n_merges) n_slots *= 2;
    CNA_TRY(cna_alloc(&bpe->slots, n_slots, sizeof *bpe->slots, "merges", err));
    bpe->n_slots = n_slots;
    return CNA_OK;
}

void cna_bpe_add(cna_bpe *bpe, int32_t left, int32_t right, int32_t result, uint32_t rank)
{
    bpe->slots[find_slot(bpe, left, right)] =
        (cna_merge){.left = left, .right = right, .result = result, .rank = rank, .used = true};
}

void cna_bpe_free(cna_bpe *bpe)
{
    cna_free(bpe->slots);
    *bpe = (cna_bpe){0};
}

void cna_bpe_scratch_free(cna_bpe_scratch *scratch)
{
    cna_free(scratch->symbols);
    cna_free(scratch->heap);
    cna_buffer_free(&scratch->piece);
    *scratch = (cna_bpe_scratch){0};
}

/* ---------------------------------------------------------------------------------------------- the heap */

static bool goes_before(const candidate *a, const candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->position < b->position;
}

static void heap_push(candidate *heap, size_t *n, candidate added)
{
    size_t i = (*n)++;
    while (i != 0 && goes_before(&added, &heap[(i - 1) / 2])) {
        heap[i] = heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap[i] = added;
}

static candidate heap_pop(candidate *heap, size_t *n)
{
    candidate top = heap[0];
    candidate last = heap[--*n];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= *n) break;
        if (child + 1 < *n && goes_before(&heap[child + 1], &heap[child])) child++;
        if (!goes_before(&heap[child], &last)) break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = last;
    return top;
}

/* --------------------------------------------------------------------------------------------- one word */

/* Push the merge of the symbol at a position with the one after it, if there is such a merge. */
static void consider(const cna_bpe *bpe, const symbol *symbols, uint32_t position, candidate *heap, size_t *n_heap)
{
    if (position == NONE || symbols[position].next == NONE) return;
    int32_t left = symbols[position].id;
    int32_t right = symbols[symbols[position].next].id;
    const cna_merge *merge = &bpe->slots[find_slot(bpe, left, right)];
    if (!merge->used) return;
    heap_push(heap, n_heap, (candidate){merge->rank, position, left, right, merge->result});
}

static void merge_all(const cna_bpe *bpe, symbol *symbols, size_t n_symbols, candidate *heap)
{
    size_t n_heap = 0;
    for (uint32_t i = 0; i + 1 < n_symbols; i++) consider(bpe, symbols, i, heap, &n_heap);
    while (n_heap != 0) {
        candidate best = heap_pop(heap, &n_heap);
        symbol *left = &symbols[best.position];
        if (left->id != best.left || left->next == NONE || symbols[left->next].id != best.right) continue;
        symbol *right = &symbols[left->next];
        right->id = -1;
        left->id = best.result;
        left->next = right->next;
        if (left->next != NONE) symbols[left->next].previous = best.position;
        consider(bpe, symbols, left->previous, heap, &n_heap);
        consider(bpe, symbols, best.position, heap, &n_heap);
    }
}

/* The symbols that a word begins as. */
typedef struct start {
    const cna_bpe *bpe;
    symbol *symbols; /* room for one a byte */
    uint32_t n;
    bool unk_waits; /* an unk that is not among them yet */
} start;

static void add_symbol(start *s, int32_t id)
{
    s->symbols[s->n] = (symbol){id, s->n == 0 ? NONE : s->n - 1, s->n + 1};
    s->n++;
}

static void add_waiting_unk(start *s)
{
    if (s->unk_waits) add_symbol(s, s->bpe->unk);
    s->unk_waits = false;
}

static void add_known(start *s, int32_t id)
{
    add_waiting_unk(s);
    add_symbol(s, id);
}

/* An unk waits for the next symbol that has a token. That bytes of a character do not count as one, and go in front of
 * an unk that waits, is how the `tokenizers` package has it. */
static void add_unk(start *s)
{
    if (!s->bpe->fuse_unk) add_waiting_unk(s);
    s->unk_waits = true;
}

static bool add_bytes(start *s, const char *bytes, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++) {
        if (s->bpe->byte_id[(unsigned char)bytes[i]] < 0) return false;
    }
    for (size_t i = 0; i < n_bytes; i++) add_symbol(s, s->bpe->byte_id[(unsigned char)bytes[i]]);
    return true;
}

static cna_status start_with_bytes(start *s, const char *bytes, size_t n_bytes, cna_error *err)
{
    for (size_t i = 0; i < n_bytes; i++) {
        int32_t id = s->bpe->byte_id[(unsigned char)bytes[i]];
        if (id >= 0) {
            add_known(s, id);
        } else if (s->bpe->has_unk) {
            add_unk(s);
        } else {
            return cna_fail(err, CNA_ERR_FORMAT,
                            "text: expected bytes that the vocabulary has a token for, found byte 0x%02x; the "
                            "tokenizer's vocab lacks it",
                            (unsigned)(unsigned char)bytes[i]);
        }
    }
    return CNA_OK;
}

static cna_status start_with_characters(start *s, const cna_vocab *vocab, const char *bytes, size_t n_bytes,
                                        cna_error *err)
{
    for (size_t i = 0; i < n_bytes;) {
        uint32_t character;
        size_t length = (size_t)cna_utf8_next(bytes + i, n_bytes - i, &character);
        int32_t id = cna_vocab_find(vocab, bytes + i, length);
        if (id >= 0) {
            add_known(s, id);
        } else if (s->bpe->byte_fallback && add_bytes(s, bytes + i, length)) {
        } else if (s->bpe->has_unk) {
            add_unk(s);
        } else {
            return cna_fail(err, CNA_ERR_FORMAT,
                            "text: expected characters that the vocabulary has a token for, found U+%04X; the "
                            "tokenizer's vocab lacks it and names no unk_token",
                            (unsigned)character);
        }
        i += length;
    }
    return CNA_OK;
}

/* The token that the whole word is, or -1. */
static cna_status find_whole(const cna_bpe *bpe, const cna_vocab *vocab, const char *bytes, size_t n_bytes,
                             cna_buffer *piece, int32_t *out, cna_error *err)
{
    if (bpe->byte_level) {
        cna_buffer_reset(piece);
        CNA_TRY(cna_bytes_to_piece(bytes, n_bytes, piece, err));
        bytes = piece->data;
        n_bytes = piece->size;
    }
    *out = cna_vocab_find(vocab, bytes, n_bytes);
    return CNA_OK;
}

cna_status cna_bpe_encode(const cna_bpe *bpe, const cna_vocab *vocab, const char *bytes, size_t n_bytes,
                          cna_bpe_scratch *scratch, cna_ids *out, cna_error *err)
{
    if (n_bytes == 0) return CNA_OK;
    if (n_bytes >= NONE) return cna_fail_memory(err, "a word of the text", n_bytes);
    if (bpe->ignore_merges) {
        int32_t whole;
        CNA_TRY(find_whole(bpe, vocab, bytes, n_bytes, &scratch->piece, &whole, err));
        if (whole >= 0) return cna_ids_add(out, whole, err);
    }
    CNA_TRY(cna_grow(&scratch->symbols, &scratch->symbol_capacity, n_bytes, sizeof *scratch->symbols, "symbols", err));
    start s = {.bpe = bpe, .symbols = scratch->symbols};
    CNA_TRY(bpe->byte_level ? start_with_bytes(&s, bytes, n_bytes, err)
                            : start_with_characters(&s, vocab, bytes, n_bytes, err));
    add_waiting_unk(&s);
    scratch->symbols[s.n - 1].next = NONE;
    /* n - 1 pairs to begin with; each of at most n - 1 merges makes two new ones. */
    CNA_TRY(cna_grow(&scratch->heap, &scratch->heap_capacity, 3 * (size_t)s.n, sizeof *scratch->heap, "merges", err));
    merge_all(bpe, scratch->symbols, s.n, scratch->heap);
    for (uint32_t i = 0; i != NONE; i = scratch->symbols[i].next) {
        CNA_TRY(cna_ids_add(out, scratch->symbols[i].id, err));
    }
    return CNA_OK;
}
