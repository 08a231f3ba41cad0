/* SPDX-License-Identifier: MIT
 * SipHash with one round for each eight bytes and three at the end. */
#define _DEFAULT_SOURCE /* getentropy */
#include "base/siphash.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

cna_status cna_hash_key_draw(cna_hash_key *out, cna_error *err)
{
    if (getentropy(out, sizeof *out) == 0) return CNA_OK;
    return cna_fail(err, CNA_ERR_IO, "the system's random numbers: expected 16 bytes, found none (%s)",
                    strerror(errno));
}

static uint64_t rotate(uint64_t x, unsigned n_bits)
{
    return x << n_bits | x >> (64 - n_bits);
}

static void do_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static void take_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    do_round(v);
    v[0] ^= word;
}

static uint64_t read_word(const unsigned char *bytes, size_t n_bytes)
{
    uint64_t word = 0;
    for (size_t i = 0; i < n_bytes; i++) word |= (uint64_t)bytes[i] << 8 * i;
    return word;
}

uint64_t cna_siphash(cna_hash_key key, const void *bytes, size_t n_bytes)
{
    const unsigned char *at = bytes;
    uint64_t v[4] = {key.low ^ 0x736f6d6570736575u, key.high ^ 0x646f72616e646f6du, key.low ^ 0x6c7967656e657261u,
                     key.high ^ 0x7465646279746573u};
    for (size_t n_left = n_bytes / 8; n_left != 0; n_left--, at += 8) take_word(v, read_word(at, 8));
    take_word(v, read_word(at, n_bytes % 8) | (uint64_t)n_bytes << 56);
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++) do_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
