/* SPDX-License-Identifier: MIT
 * Checksums. */
#include "base/hash.h"

#include <openssl/evp.h>
#include <stdio.h>

static cna_status fail(cna_error *err)
{
    return cna_fail(err, CNA_ERR_INTERNAL, "a checksum is not available from libcrypto");
}

cna_status cna_hash_begin(cna_hash *hash, cna_hash_kind kind, cna_error *err)
{
    if (hash->context == NULL) hash->context = EVP_MD_CTX_new();
    if (hash->context == NULL) return cna_fail_memory(err, "checksum", 0);
    const EVP_MD *type = kind == CNA_HASH_SHA1 ? EVP_sha1() : EVP_sha256();
    return EVP_DigestInit_ex(hash->context, type, NULL) == 1 ? CNA_OK : fail(err);
}

cna_status cna_hash_add(cna_hash *hash, const void *data, size_t n_bytes, cna_error *err)
{
    return EVP_DigestUpdate(hash->context, data, n_bytes) == 1 ? CNA_OK : fail(err);
}

cna_status cna_hash_end(cna_hash *hash, char out[CNA_HASH_TEXT_BYTES], cna_error *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int n_digest = 0;
    if (EVP_DigestFinal_ex(hash->context, digest, &n_digest) != 1 || n_digest > 32) return fail(err);
    for (size_t i = 0; i < n_digest; i++) snprintf(out + 2 * i, 3, "%02x", digest[i]);
    return CNA_OK;
}

void cna_hash_free(cna_hash *hash)
{
    EVP_MD_CTX_free(hash->context);
    hash->context = NULL;
}
