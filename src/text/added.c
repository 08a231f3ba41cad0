/* SPDX-License-Identifier: MIT
 * Added tokens. */
#include "text/added.h"

typedef struct cna_added_token {
    char *text;
    uint32_t n_bytes;
    int32_t id;
    unsigned flags;
} token;

cna_status cna_added_add(cna_added *added, const char *text, size_t n_bytes, int32_t id, unsigned flags, cna_error *err)
{
    CNA_TRY(cna_grow(&added->tokens, &added->capacity, added->n + 1, sizeof *added->tokens, "added tokens", err));
    token *new = &added->tokens[added->n];
    CNA_TRY(cna_copy_bytes(&new->text, text, n_bytes, "added tokens", err));
    new->n_bytes = (uint32_t)n_bytes;
    new->id = id;
    new->flags = flags;
    added->n++;
    return CNA_OK;
}

cna_status cna_added_build(cna_added *added, cna_error *err)
{
    cna_trie_string *strings;
    if (added->n > INT32_MAX) return cna_fail_memory(err, "added tokens", added->n);
    CNA_TRY(cna_alloc(&strings, added->n, sizeof *strings, "added tokens", err));
    for (size_t i = 0; i < added->n; i++)
        strings[i] = (cna_trie_string){added->tokens[i].text, added->tokens[i].n_bytes, (int32_t)i};
    cna_status status = cna_trie_build(&added->trie, strings, added->n, err);
    cna_free(strings);
    return status;
}

void cna_added_free(cna_added *added)
{
    for (size_t i = 0; i < added->n; i++) cna_free(added->tokens[i].text);
    cna_free(added->tokens);
    cna_trie_free(&added->trie);
    *added = (cna_added){0};
}

bool cna_added_find(const cna_added *added, const char *text, size_t n_bytes, size_t from, cna_added_match *out)
{
    *out = (cna_added_match){.id = -1};
    if (added->n == 0) return false;
    for (size_t begin = from; begin < n_bytes; begin++) {
        uint32_t at = 0;
        for (size_t i = begin; i < n_bytes; i++) {
            at = cna_trie_step(&added->trie, at, (unsigned char)text[i]);
            if (at == 0) break;
            int32_t place = cna_trie_id(&added->trie, at);
            if (place < 0) continue;
            *out = (cna_added_match){begin, i + 1, added->tokens[place].id, added->tokens[place].flags};
        }
        if (out->id >= 0) return true;
    }
    return false;
}
