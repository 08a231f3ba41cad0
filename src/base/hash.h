/* SPDX-License-Identifier: MIT
 * Checksums of bytes that come piece by piece (libcrypto). */
#ifndef CNA_BASE_HASH_H
#define CNA_BASE_HASH_H

#include "base/memory.h"

typedef enum cna_hash_kind { CNA_HASH_SHA256, CNA_HASH_SHA1 } cna_hash_kind;

enum { CNA_HASH_TEXT_BYTES = 65 }; /* the longest in hexadecimal, and a NUL */

/* All-zero: not begun. */
typedef struct cna_hash {
    void *context;
} cna_hash;

/* Begin, or begin anew. Errors: ERR_INTERNAL where libcrypto does not know the kind; ERR_MEMORY. */
CNA_MUST_CHECK cna_status cna_hash_begin(cna_hash *hash, cna_hash_kind kind, cna_error *err);
CNA_MUST_CHECK cna_status cna_hash_add(cna_hash *hash, const void *data, size_t n_bytes, cna_error *err);
/* Lower-case hexadecimal digits of everything added; the hash is to be begun anew. */
CNA_MUST_CHECK cna_status cna_hash_end(cna_hash *hash, char out[CNA_HASH_TEXT_BYTES], cna_error *err);
void cna_hash_free(cna_hash *hash);

#endif
