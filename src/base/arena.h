/* SPDX-License-Identifier: MIT
 * Many small objects that live and die together, such as the rows and strings of a report. */
#ifndef CNA_BASE_ARENA_H
#define CNA_BASE_ARENA_H

#include "base/memory.h"

/* All-zero is an empty arena. Nothing in it is freed alone; cna_arena_free frees all of it. */
typedef struct cna_arena {
    struct cna_arena_block *blocks; /* newest first */
} cna_arena;

/* New zeroed array of count elements of size bytes, aligned to 16 bytes; *out is NULL on failure. Errors: ERR_MEMORY,
 * also where count * size overflows. */
CNA_MUST_CHECK cna_status cna_arena_alloc(cna_arena *arena, void *out_pointer, size_t count, size_t size,
                                          const char *what, cna_error *err);
/* New copy of n_bytes bytes with a NUL behind. */
CNA_MUST_CHECK cna_status cna_arena_copy(cna_arena *arena, const char **out, const char *bytes, size_t n_bytes,
                                         cna_error *err);
void cna_arena_free(cna_arena *arena);

#endif
