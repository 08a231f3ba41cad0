/* SPDX-License-Identifier: MIT
 * Numbers for tests: the same on every machine and in every run. */
#ifndef CNA_TESTS_NUMBERS_H
#define CNA_TESTS_NUMBERS_H

#include <stddef.h>
#include <stdint.h>

/* The state is the seed. Source: splitmix64, Steele et al., "Fast splittable pseudorandom number generators". */
typedef struct numbers {
    uint64_t state;
} numbers;

uint64_t numbers_next(numbers *n);
/* In [0, 1). */
double numbers_uniform(numbers *n);
/* In 0 .. bound-1. */
size_t numbers_below(numbers *n, size_t bound);
/* Mean 0, standard deviation 1 (a sum of twelve uniform ones: plain, and within -6 .. 6). */
double numbers_normal(numbers *n);
/* out[i] = scale * normal, i < count. */
void numbers_fill(numbers *n, float *out, size_t count, double scale);

/* x rounded to bf16 by comparing it with both neighbours in double: what the code under test must agree with.
 * x is finite and below the largest bf16 number. */
float numbers_round_bf16(float x);

/* Half the distance from 1 to the next float: the relative error of one rounding. */
#define NUMBERS_EPS 0x1p-24

#endif
