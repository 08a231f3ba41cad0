/* SPDX-License-Identifier: MIT
 * Many small objects that live and die together. */
#include "base/arena.h"

#include <string.h>

struct cna_arena_block {
    struct cna_arena_block *older;
    size_t used, size; /* bytes of data */
    _Alignas(16) char data[];
};

enum { BLOCK_BYTES = 64 * 1024, ALIGNMENT = 16 };

static cna_status add_block(cna_arena *arena, size_t need, cna_error *err)
{
    size_t size = need > BLOCK_BYTES ? need : BLOCK_BYTES;
    if (size > SIZE_MAX - sizeof(struct cna_arena_block)) return cna_fail_memory(err, "arena", size);
    struct cna_arena_block *block;
    CNA_TRY(cna_alloc(&block, 1, sizeof *block + size, "arena", err));
    block->older = arena->blocks;
    block->size = size;
    arena->blocks = block;
    return CNA_OK;
}

cna_status cna_arena_alloc(cna_arena *arena, void *out_pointer, size_t count, size_t size, const char *what,
                           cna_error *err)
{
    void *pointer = NULL;
    memcpy(out_pointer, &pointer, sizeof pointer);
    if (size != 0 && count > (SIZE_MAX - ALIGNMENT) / size) return cna_fail_memory(err, what, SIZE_MAX);
    size_t need = (count * size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (arena->blocks == NULL || arena->blocks->size - arena->blocks->used < need) {
        CNA_TRY(add_block(arena, need, err));
    }
    pointer = arena->blocks->data + arena->blocks->used;
    arena->blocks->used += need;
    memcpy(out_pointer, &pointer, sizeof pointer);
    return CNA_OK;
}

cna_status cna_arena_copy(cna_arena *arena, const char **out, const char *bytes, size_t n_bytes, cna_error *err)
{
    char *copy;
    *out = NULL;
    if (n_bytes == SIZE_MAX) return cna_fail_memory(err, "text", n_bytes);
    CNA_TRY(cna_arena_alloc(arena, &copy, n_bytes + 1, 1, "text", err));
    if (n_bytes != 0) memcpy(copy, bytes, n_bytes);
    *out = copy;
    return CNA_OK;
}

void cna_arena_free(cna_arena *arena)
{
    while (arena->blocks != NULL) {
        struct cna_arena_block *older = arena->blocks->older;
        cna_free(arena->blocks);
        arena->blocks = older;
    }
}
