/* SPDX-License-Identifier: MIT
 * splitmix64. */
#include "method/random.h"

#include <stdlib.h>

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t next(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return mix(*state);
}

uint64_t cna_random_state(uint64_t seed, uint64_t index, uint64_t purpose, uint64_t part)
{
    uint64_t state = seed;
    state = next(&state) ^ index;
    state = next(&state) ^ purpose;
    state = next(&state) ^ part;
    return next(&state);
}

size_t cna_random_below(uint64_t *state, size_t n)
{
    uint64_t bound = n;
    uint64_t skip = (0 - bound) % bound;
    uint64_t value = next(state);
    while (value < skip) value = next(state);
    return (size_t)(value % bound);
}

static int compare_numbers(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

void cna_random_split(uint64_t *state, size_t n_all, size_t n, uint32_t *order)
{
    for (size_t i = 0; i < n_all; i++) order[i] = (uint32_t)i;
    for (size_t i = 0; i < n; i++) {
        size_t from = i + cna_random_below(state, n_all - i);
        uint32_t taken = order[from];
        order[from] = order[i];
        order[i] = taken;
    }
    qsort(order, n, sizeof *order, compare_numbers);
    qsort(order + n, n_all - n, sizeof *order, compare_numbers);
}
