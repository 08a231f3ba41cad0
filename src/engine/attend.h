/* SPDX-License-Identifier: MIT
 * The attention of one layer over the rows of a block. For forward.c. */
#ifndef CNA_ENGINE_ATTEND_H
#define CNA_ENGINE_ATTEND_H

#include "engine/forward.h"

/* Rotate the block's keys (s->k), as the layer does, and put them and the values (s->v) into the runs of their spans.
 *   n_rows  rows of s->block */
void cna_store_keys_and_values(cna_session *session, const cna_span *spans, uint32_t layer, size_t n_rows);

/* Rotate the block's queries (s->q) and attend over their runs and those before them, within the layer's window:
 * s->attended. Errors: ERR_MEMORY. */
CNA_MUST_CHECK cna_status cna_attend_block(cna_session *session, const cna_span *spans, uint32_t layer, size_t n_rows,
                                           cna_error *err);

#endif
