/* SPDX-License-Identifier: MIT
 * The loops of attention for one vector width. attention.c includes this once for each width, with
 *
 *   LANES        floats in a vector: no more than CNA_KV_STEP
 *   VECTORS      vectors at a time, 2 or 4
 *   NAMED(name)  the name with the width behind it
 *   TARGET       the attribute that allows the compiler these vectors
 *
 * Vectors run across positions or across head_dim, and each lane does one multiplication and one addition a step, so
 * all widths give the same bits. Blocks of queries and vectors share what is loaded; their sums stay in registers. */

/* As the arrays give them: aligned as floats. */
typedef float NAMED(vector) __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)), may_alias));

/* scores[g][at + p] = scale * sum_i queries[g][i] keys[i, p] for n_vectors vectors of p. The counts are constants. */
TARGET CNA_ALWAYS_INLINE void NAMED(score_block)(const float *const *queries, size_t n_queries, size_t n_vectors,
                                                 size_t head_dim, const float *keys, size_t capacity, float scale,
                                                 float *const *scores, size_t at)
{
    const float *query[QUERIES];
    NAMED(vector) sum[QUERIES][VECTORS] = {0};
#pragma GCC unroll 4
    for (size_t g = 0; g < n_queries; g++) query[g] = queries[g];
    for (size_t i = 0; i < head_dim; i++, keys += capacity) {
#pragma GCC unroll 4
        for (size_t g = 0; g < n_queries; g++) {
#pragma GCC unroll 4
            for (size_t v = 0; v < n_vectors; v++) {
                sum[g][v] += query[g][i] * *(const NAMED(vector) *)(keys + v * LANES);
            }
        }
    }
#pragma GCC unroll 4
    for (size_t g = 0; g < n_queries; g++) {
#pragma GCC unroll 4
        for (size_t v = 0; v < n_vectors; v++) *(NAMED(vector) *)(scores[g] + at + v * LANES) = scale * sum[g][v];
    }
}

/* Positions 0 .. n-1 and those that complete a vector, for n_queries queries. */
TARGET CNA_ALWAYS_INLINE void NAMED(score_queries)(const float *const *queries, size_t n_queries, size_t head_dim,
                                                   const float *keys, size_t capacity, size_t n, float scale,
                                                   float *const *scores)
{
    size_t p = 0, end = (n + LANES - 1) / LANES * LANES;
    for (; p + VECTORS * LANES <= end; p += VECTORS * LANES) {
        NAMED(score_block)(queries, n_queries, VECTORS, head_dim, keys + p, capacity, scale, scores, p);
    }
    for (; p + 2 * LANES <= end; p += 2 * LANES) {
        NAMED(score_block)(queries, n_queries, 2, head_dim, keys + p, capacity, scale, scores, p);
    }
    if (p < end) NAMED(score_block)(queries, n_queries, 1, head_dim, keys + p, capacity, scale, scores, p);
}

/* out[g][i] += sum_p weights[g][p] values[p, i] in order of p < n, for n_vectors vectors of i from `at` on. */
TARGET CNA_ALWAYS_INLINE void NAMED(value_block)(const float *const *weights, size_t n_queries, size_t n_vectors,
                                                 size_t n, const float *values, size_t head_dim, float *const *out,
                                                 size_t at)
{
    const float *weight[QUERIES];
    NAMED(vector) sum[QUERIES][VECTORS];
#pragma GCC unroll 4
    for (size_t g = 0; g < n_queries; g++) {
        weight[g] = weights[g];
#pragma GCC unroll 4
        for (size_t v = 0; v < n_vectors; v++) sum[g][v] = *(const NAMED(vector) *)(out[g] + at + v * LANES);
    }
    values += at;
    for (size_t p = 0; p < n; p++, values += head_dim) {
#pragma GCC unroll 4
        for (size_t g = 0; g < n_queries; g++) {
#pragma GCC unroll 4
            for (size_t v = 0; v < n_vectors; v++) {
                sum[g][v] += weight[g][p] * *(const NAMED(vector) *)(values + v * LANES);
            }
        }
    }
#pragma GCC unroll 4
    for (size_t g = 0; g < n_queries; g++) {
#pragma GCC unroll 4
        for (size_t v = 0; v < n_vectors; v++) *(NAMED(vector) *)(out[g] + at + v * LANES) = sum[g][v];
    }
}

TARGET CNA_ALWAYS_INLINE void NAMED(value_queries)(const float *const *weights, size_t n_queries, size_t n,
                                                   const float *values, size_t head_dim, float *const *out)
{
    size_t i = 0;
    for (; i + VECTORS * LANES <= head_dim; i += VECTORS * LANES) {
        NAMED(value_block)(weights, n_queries, VECTORS, n, values, head_dim, out, i);
    }
    for (; i + 2 * LANES <= head_dim; i += 2 * LANES) {
        NAMED(value_block)(weights, n_queries, 2, n, values, head_dim, out, i);
    }
    for (; i + LANES <= head_dim; i += LANES) {
        NAMED(value_block)(weights, n_queries, 1, n, values, head_dim, out, i);
    }
    for (; i < head_dim; i++) {
        for (size_t g = 0; g < n_queries; g++) {
            float sum = out[g][i];
            for (size_t p = 0; p < n; p++) sum += weights[g][p] * values[p * head_dim + i];
            out[g][i] = sum;
        }
    }
}

TARGET static void NAMED(score)(const float *const *queries, size_t n_queries, size_t head_dim, const float *keys,
                                size_t capacity, size_t n, float scale, float *const *scores)
{
    switch (n_queries) {
    case 1:
        NAMED(score_queries)(queries, 1, head_dim, keys, capacity, n, scale, scores);
        break;
    case 2:
        NAMED(score_queries)(queries, 2, head_dim, keys, capacity, n, scale, scores);
        break;
    case 3:
        NAMED(score_queries)(queries, 3, head_dim, keys, capacity, n, scale, scores);
        break;
    default:
        NAMED(score_queries)(queries, QUERIES, head_dim, keys, capacity, n, scale, scores);
        break;
    }
}

TARGET static void NAMED(add_values)(const float *const *weights, size_t n_queries, size_t n, const float *values,
                                     size_t head_dim, float *const *out)
{
    switch (n_queries) {
    case 1:
        NAMED(value_queries)(weights, 1, n, values, head_dim, out);
        break;
    case 2:
        NAMED(value_queries)(weights, 2, n, values, head_dim, out);
        break;
    case 3:
        NAMED(value_queries)(weights, 3, n, values, head_dim, out);
        break;
    default:
        NAMED(value_queries)(weights, QUERIES, n, values, head_dim, out);
        break;
    }
}

static const kernels NAMED(kernels) = {NAMED(score), NAMED(add_values)};

#undef LANES
#undef VECTORS
#undef NAMED
#undef TARGET
