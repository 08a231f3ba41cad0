/* SPDX-License-Identifier: MIT
 * Numbers for tests. */
#include "numbers.h"

#include <math.h>

uint64_t numbers_next(numbers *n)
{
    n->state += 0x9E3779B97F4A7C15u;
    uint64_t z = n->state;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

double numbers_uniform(numbers *n)
{
    return (double)(numbers_next(n) >> 11) * 0x1p-53;
}

size_t numbers_below(numbers *n, size_t bound)
{
    return (size_t)(numbers_next(n) % bound);
}

double numbers_normal(numbers *n)
{
    double sum = -6;
    for (int i = 0; i < 12; i++) sum += numbers_uniform(n);
    return sum;
}

void numbers_fill(numbers *n, float *out, size_t count, double scale)
{
    for (size_t i = 0; i < count; i++) out[i] = (float)(scale * numbers_normal(n));
}

float numbers_round_bf16(float x)
{
    if (x == 0) return x;
    int exponent;
    frexp((double)x, &exponent);
    /* A bf16 number has 8 significant bits; below 2^-126 they are spaced evenly. */
    double unit = ldexp(1, exponent - 8 < -133 ? -133 : exponent - 8);
    return (float)(nearbyint((double)x / unit) * unit); /* nearbyint: ties to even, the default mode */
}
