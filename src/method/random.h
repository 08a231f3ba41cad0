/* SPDX-License-Identifier: MIT
 * Random draws that depend on nothing but their key: splitmix64.
 * Source: Steele, Lea and Flood, Fast splittable pseudorandom number generators (2014). */
#ifndef CNA_METHOD_RANDOM_H
#define CNA_METHOD_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* What a draw is for: part of its key, so that no two purposes share numbers under one seed. */
enum {
    CNA_RANDOM_UNIFORM_CONTROL,
    CNA_RANDOM_MATCHED_CONTROL,
    CNA_RANDOM_HALVING,
    CNA_RANDOM_SHUFFLE,
    CNA_RANDOM_WAIT,
};

/* The state that a draw begins with; mixed well enough to be one itself. */
uint64_t cna_random_state(uint64_t seed, uint64_t index, uint64_t purpose, uint64_t part);

/* Uniform in 0 .. n-1, n > 0: the first 2^64 mod n values are thrown away, so without bias. */
size_t cna_random_below(uint64_t *state, size_t n);

/* Choose n of the numbers 0 .. n_all-1 without replacement, each set as likely as another.
 *   order  [n_all] written: the n chosen, ascending, then the others, ascending */
void cna_random_split(uint64_t *state, size_t n_all, size_t n, uint32_t *order);

#endif
