/* SPDX-License-Identifier: MIT
 * Putting together a pass: the shared runs that its jobs lack, forked where interventions begin, and the jobs' own
 * tokens. */
#ifndef CNA_ENGINE_PASS_H
#define CNA_ENGINE_PASS_H

#include "engine/forward.h"
#include "engine/tree.h"

/* New tokens of one pass, as far as whoever fills it can choose: enough for full blocks in every layer, few enough that
 * the residual stream stays small. Where memory is short, fewer, down to the least. */
enum { CNA_PASS_ROWS = 4096, CNA_PASS_ROWS_LEAST = 64 };

/* All-zero but for tree, pool and depth is an empty pass. */
typedef struct cna_pass {
    cna_tree *tree;
    cna_kv_pool *pool;
    cna_kv_depth depth; /* of shared runs */
    size_t max_rows;    /* that items which join a pass may bring together; cna_pass_fit */
    cna_span *spans;    /* [n_spans] */
    size_t n_spans, spans_capacity;
    size_t *nodes;      /* [n_nodes] of the tree, with runs to compute in this pass */
    size_t n_nodes, nodes_capacity;
} cna_pass;

/* Begin again with an empty pass. */
void cna_pass_begin(cna_pass *pass);
void cna_pass_clear(cna_pass *pass);

/* What cna_pass_want would add for an item.
 *   bytes   grows by what keys and values of its missing shared runs will hold at most; what forks save makes up for
 *           the untouched runs that they begin from
 *   n_rows  grows by their tokens, not counting those untouched runs */
void cna_pass_need(const cna_pass *pass, size_t item, uint64_t *bytes, size_t *n_rows);
/* Ask for the shared runs of an item that have not been computed. */
CNA_MUST_CHECK cna_status cna_pass_want(cna_pass *pass, size_t item, cna_error *err);

/* Ask for nothing, as before. */
void cna_pass_forget(cna_pass *pass);

/* Make the runs asked for, and their spans. A run that several taps touch is computed once below the first layer that
 * each touches, and forked there, where that is less work. */
CNA_MUST_CHECK cna_status cna_pass_share(cna_pass *pass, cna_error *err);

/* Most rows that a pass may come to have where items that join one another bring max_rows at most.
 *   n_own    tokens of all items' sequences, less those that they share
 *   longest  tokens of the longest sequence
 *   n_items  that join a pass at most */
size_t cna_pass_rows_most(const cna_pass *pass, size_t n_own, size_t longest, size_t n_items);

/* Choose max_rows: CNA_PASS_ROWS, or fewer where a session's buffers for so many would take more than half of `room`.
 *   n_positions  most positions of a sequence
 *   n_beside     rows of a pass beside those of items that join it
 * Returns the most rows of a pass. */
size_t cna_pass_fit(cna_pass *pass, const cna_model *model, uint64_t room, size_t n_own, size_t longest, size_t n_items,
                    size_t n_positions, size_t n_beside);

/* Add a span as it is. */
CNA_MUST_CHECK cna_status cna_pass_add(cna_pass *pass, const cna_span *span, cna_error *err);
/* Add an item's own tokens: a sequence's less those that it shares. After cna_pass_share.
 *   sequence  a span of the item's whole sequence, its kv not yet there
 *   out       the run that holds the own tokens; the caller gives its reference back */
CNA_MUST_CHECK cna_status cna_pass_add_own(cna_pass *pass, size_t item, const cna_span *sequence, cna_kv_depth depth,
                                           cna_kv **out, cna_error *err);

#endif
