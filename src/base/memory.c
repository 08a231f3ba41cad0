/* SPDX-License-Identifier: MIT
 * Allocation. */
#include "base/memory.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

enum { ALIGNMENT = 64 };

static atomic_size_t n_allocations;
static atomic_size_t fail_at;

size_t cna_memory_fail_at(size_t n)
{
    size_t made = atomic_exchange(&n_allocations, 0);
    atomic_store(&fail_at, n);
    return made;
}

static void *allocate(size_t n_bytes)
{
    if (atomic_fetch_add(&n_allocations, 1) + 1 == atomic_load(&fail_at)) return NULL;
    if (n_bytes > SIZE_MAX - ALIGNMENT) return NULL;
    size_t rounded = (n_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (rounded == 0) rounded = ALIGNMENT;
    return aligned_alloc(ALIGNMENT, rounded);
}

cna_status cna_alloc(void *out_pointer, size_t count, size_t size, const char *what, cna_error *err)
{
    void *pointer = NULL;
    memcpy(out_pointer, &pointer, sizeof pointer);
    if (size != 0 && count > SIZE_MAX / size) return cna_fail_memory(err, what, SIZE_MAX);
    pointer = allocate(count * size);
    if (pointer == NULL) return cna_fail_memory(err, what, count * size);
    memset(pointer, 0, count * size);
    memcpy(out_pointer, &pointer, sizeof pointer);
    return CNA_OK;
}

cna_status cna_grow(void *pointer_to_pointer, size_t *capacity, size_t need, size_t size, const char *what,
                    cna_error *err)
{
    if (need <= *capacity) return CNA_OK;
    size_t wanted = *capacity < 8 ? 8 : *capacity;
    while (wanted < need) {
        if (wanted > SIZE_MAX / 2) return cna_fail_memory(err, what, SIZE_MAX);
        wanted *= 2;
    }
    void *old;
    void *grown;
    memcpy(&old, pointer_to_pointer, sizeof old);
    CNA_TRY(cna_alloc(&grown, wanted, size, what, err));
    if (old != NULL) memcpy(grown, old, *capacity * size);
    free(old);
    memcpy(pointer_to_pointer, &grown, sizeof grown);
    *capacity = wanted;
    return CNA_OK;
}

cna_status cna_copy_bytes(char **out, const char *bytes, size_t n_bytes, const char *what, cna_error *err)
{
    *out = NULL;
    if (n_bytes == SIZE_MAX) return cna_fail_memory(err, what, n_bytes);
    CNA_TRY(cna_alloc(out, n_bytes + 1, 1, what, err));
    if (n_bytes != 0) memcpy(*out, bytes, n_bytes);
    return CNA_OK;
}

void cna_free(void *pointer)
{
    free(pointer);
}

void cna_memory_trim(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}
