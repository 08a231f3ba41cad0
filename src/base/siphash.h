/* SPDX-License-Identifier: MIT
 * The hash of tables whose keys come out of files: keyed, so that whoever writes a file cannot choose keys that meet.
 *
 * Nothing but time may depend on the key: no table is ever walked in the order of its slots. */
#ifndef CNA_BASE_SIPHASH_H
#define CNA_BASE_SIPHASH_H

#include <stdint.h>

#include "base/error.h"

typedef struct cna_hash_key {
    uint64_t low, high; /* of its 16 bytes, little-endian */
} cna_hash_key;

/* A new key from the system's random numbers. Errors: ERR_IO where there are none. */
CNA_MUST_CHECK cna_status cna_hash_key_draw(cna_hash_key *out, cna_error *err);

/* SipHash-1-3 of n_bytes bytes.
 * Source: Aumasson and Bernstein, SipHash: a fast short-input PRF, INDOCRYPT 2012, section 2. */
uint64_t cna_siphash(cna_hash_key key, const void *bytes, size_t n_bytes);

#endif
