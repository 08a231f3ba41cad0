/* SPDX-License-Identifier: MIT
 * Allocation: the only place that calls malloc, so that sizes are checked and tests can fail the n-th call. */
#ifndef CNA_BASE_MEMORY_H
#define CNA_BASE_MEMORY_H

#include "base/error.h"

/* New zeroed array of count elements of size bytes, aligned to 64 bytes (a cache line, and the widest vector).
 *   what  named in the error message
 * *out is NULL on failure. count 0 gives a valid pointer. Freed by cna_free. Errors: ERR_MEMORY, also where
 * count * size overflows. */
CNA_MUST_CHECK cna_status cna_alloc(void *out_pointer, size_t count, size_t size, const char *what, cna_error *err);

/* Make *pointer (NULL or from cna_alloc) hold at least `need` elements of size bytes, keeping the old ones and
 * growing by doubling; *capacity is in elements. New elements are zero. Unchanged on failure. */
CNA_MUST_CHECK cna_status cna_grow(void *pointer_to_pointer, size_t *capacity, size_t need, size_t size,
                                   const char *what, cna_error *err);

/* New copy of n_bytes bytes with a NUL behind. Freed by cna_free. */
CNA_MUST_CHECK cna_status cna_copy_bytes(char **out, const char *bytes, size_t n_bytes, const char *what,
                                         cna_error *err);

/* Give memory that was freed back to the system, as far as the allocator can: after work that made many small
 * objects. */
void cna_memory_trim(void);

/* Tests: let the n-th allocation from now on fail once (1 is the next); 0 turns this off. Returns how many
 * allocations have been made since the last call. Not for use by several threads. */
size_t cna_memory_fail_at(size_t n);

#endif
