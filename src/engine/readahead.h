/* SPDX-License-Identifier: MIT
 * A thread that brings parts of mapped files into memory ahead of their use, and lets go of them behind it. */
#ifndef CNA_ENGINE_READAHEAD_H
#define CNA_ENGINE_READAHEAD_H

#include "base/file.h"

/* A run of bytes of a file. */
typedef struct cna_extent {
    const cna_map *map;
    size_t offset, n_bytes;
} cna_extent;

enum { CNA_UNIT_EXTENTS = 7 };

/* What is read and let go at a time. */
typedef struct cna_unit {
    cna_extent extents[CNA_UNIT_EXTENTS];
    size_t n_extents;
    bool cached; /* when let go, it stays in the system's page cache */
} cna_unit;

/* Owned by one thread, which calls all of these. */
typedef struct cna_readahead cna_readahead;

/* units: [n_units] borrowed. Errors: ERR_MEMORY, ERR_INTERNAL where no thread can be started. */
CNA_MUST_CHECK cna_status cna_readahead_create(const cna_unit *units, size_t n_units, cna_readahead **out,
                                               cna_error *err);
/* Lets go of every unit. */
void cna_readahead_free(cna_readahead *readahead);

/* Wait until a unit is in memory. Errors: ERR_IO where it can no longer be read. */
CNA_MUST_CHECK cna_status cna_readahead_wait(cna_readahead *readahead, size_t unit, cna_error *err);
/* Let go of all units but `used`, and start to bring `next` in. Returns at once.
 *   next  CNA_NO_UNIT: nothing */
void cna_readahead_advance(cna_readahead *readahead, size_t used, size_t next);
#define CNA_NO_UNIT SIZE_MAX

#endif
