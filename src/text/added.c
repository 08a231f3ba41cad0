/* SPDX-License-Identifier: MIT
 * Added tokens. */
#include "text/added.h"

/* First child, next sibling; index 0, the root, means none. */
typedef struct cna_added_node {
    uint32_t child, sibling;
    int32_t id; /* of the string that ends here, or -1 */
    unsigned char flags;
    unsigned char byte;
} node;

static uint32_t find_child(const cna_added *added, uint32_t parent, unsigned char byte)
{
    uint32_t i = added->nodes[parent].child;
    while (i != 0 && added->nodes[i].byte != byte) i = added->nodes[i].sibling;
    return i;
}

cna_status cna_added_add(cna_added *added, const char *text, size_t n_bytes, int32_t id, unsigned flags, cna_error *err)
{
    if (n_bytes >= UINT32_MAX - 1 - added->n_nodes) return cna_fail_memory(err, "added tokens", n_bytes);
    CNA_TRY(cna_grow(&added->nodes, &added->capacity, added->n_nodes + n_bytes + 1, sizeof *added->nodes,
                     "added tokens", err));
    if (added->n_nodes == 0) added->nodes[added->n_nodes++] = (node){.id = -1};
    uint32_t at = 0;
    for (size_t i = 0; i < n_bytes; i++) {
        unsigned char byte = (unsigned char)text[i];
        uint32_t next = find_child(added, at, byte);
        if (next == 0) {
            next = (uint32_t)added->n_nodes++;
            added->nodes[next] = (node){.sibling = added->nodes[at].child, .id = -1, .byte = byte};
            added->nodes[at].child = next;
        }
        at = next;
    }
    if (added->nodes[at].id >= 0) return CNA_OK;
    added->nodes[at].id = id;
    added->nodes[at].flags = (unsigned char)flags;
    return CNA_OK;
}

void cna_added_free(cna_added *added)
{
    cna_free(added->nodes);
    *added = (cna_added){0};
}

bool cna_added_find(const cna_added *added, const char *text, size_t n_bytes, size_t from, cna_added_match *out)
{
    *out = (cna_added_match){.id = -1};
    if (added->n_nodes == 0) return false;
    for (size_t begin = from; begin < n_bytes; begin++) {
        uint32_t at = 0;
        for (size_t i = begin; i < n_bytes; i++) {
            at = find_child(added, at, (unsigned char)text[i]);
            if (at == 0) break;
            if (added->nodes[at].id >= 0)
                *out = (cna_added_match){begin, i + 1, added->nodes[at].id, added->nodes[at].flags};
        }
        if (out->id >= 0) return true;
    }
    return false;
}
