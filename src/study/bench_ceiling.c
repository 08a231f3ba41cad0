/* SPDX-License-Identifier: MIT
 * The best that the machine does. */
#include "study/bench_ceiling.h"

#include <omp.h>
#include <string.h>

#include "base/clock.h"
#include "base/progress.h"
#include "tensor/clones.h"

enum {
    ROWS = 512,
    MATRIX_BYTES_MAX = 128 << 20,
    READ_BYTES = 1 << 30,  /* eight times the former */
    READ_AHEAD = 512,      /* words of 8 bytes: 4 KiB */
    READ_UNIT = 32,        /* words between prefetches: 256 bytes, four lines */
    MATRICES_MAX = 7 << 9, /* of more than 512 layers the products are too small for memory to limit them */
};

/* Repetitions of one measurement: at least so many, and until so much time has gone. */
typedef struct effort {
    size_t n_min;
    double seconds;
} effort;

static effort effort_of(const cna_bench_probe *probe)
{
    return probe->quick ? (effort){3, 0.1} : (effort){6, 0.4};
}

/* Values of ordinary size, positive and negative, no two rows alike. */
static void fill(void *out, cna_input input, size_t n)
{
    uint64_t state = 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        uint32_t bits = (uint32_t)(state >> 32 & 0x80ff0000u) | 0x3d000000u; /* +-0.03 to +-0.12 */
        if (input == CNA_INPUT_BF16) ((uint16_t *)out)[i] = (uint16_t)(bits >> 16);
        else memcpy((float *)out + i, &bits, sizeof bits);
    }
}

/* Weights in rows for a product of that input. */
static cna_matrix_view view_of(const cna_bench_matrix *matrix, cna_input input, const void *weight)
{
    return (cna_matrix_view){.data = weight, .storage = input == CNA_INPUT_BF16 ? CNA_STORAGE_BF16 : CNA_STORAGE_F32,
                             .rows = matrix->n_out, .cols = matrix->n_in};
}

/* As many rows of a matrix as n_bytes hold, one at least. */
static cna_bench_matrix cut(const cna_bench_matrix *matrix, cna_input input, uint64_t n_bytes)
{
    uint64_t n_out = n_bytes / (matrix->n_in * cna_input_bytes(input));
    if (n_out == 0) n_out = 1;
    return (cna_bench_matrix){n_out < matrix->n_out ? (size_t)n_out : matrix->n_out, matrix->n_in};
}

/* Best seconds of one product of ROWS rows. */
static cna_status time_product(const cna_linear *linear, cna_linear_context *context, const void *x, float *y,
                               effort how, double *best, cna_error *err)
{
    double begin = cna_clock_seconds(), once;
    CNA_TRY(cna_linear_apply(linear, context, x, ROWS, y, err)); /* compiles it */
    once = cna_clock_seconds();
    CNA_TRY(cna_linear_apply(linear, context, x, ROWS, y, err));
    begin = cna_clock_seconds();
    size_t n_calls = 1 + (size_t)(1e-3 / (begin - once + 1e-7)); /* a millisecond or more, which a clock can measure */
    for (size_t i = 0; i < how.n_min || cna_clock_seconds() - begin < how.seconds; i++) {
        double start = cna_clock_seconds();
        for (size_t j = 0; j < n_calls; j++) CNA_TRY(cna_linear_apply(linear, context, x, ROWS, y, err));
        double seconds = (cna_clock_seconds() - start) / (double)n_calls;
        if (i == 0 || seconds < *best) *best = seconds;
    }
    return CNA_OK;
}

static cna_status measure_shape(const cna_bench_matrix *matrix, cna_input input, effort how, double *gflops,
                                cna_error *err)
{
    void *weight = NULL, *x = NULL;
    float *y = NULL;
    cna_linear *linear = NULL;
    cna_linear_context *context = NULL;
    cna_status status;
    double seconds = 0;
    cna_matrix_view view;
    CNA_TRY_CLEANUP(cna_alloc(&weight, matrix->n_out * matrix->n_in, cna_input_bytes(input), "weights to measure",
                              err));
    CNA_TRY_CLEANUP(cna_alloc(&x, ROWS * matrix->n_in, cna_input_bytes(input), "inputs to measure", err));
    CNA_TRY_CLEANUP(cna_alloc(&y, ROWS * matrix->n_out, sizeof *y, "outputs to measure", err));
    fill(weight, input, matrix->n_out * matrix->n_in);
    fill(x, input, ROWS * matrix->n_in);
    view = view_of(matrix, input, weight);
    CNA_TRY_CLEANUP(cna_linear_create(&view, input, CNA_LINEAR_PACKED, &linear, err));
    CNA_TRY_CLEANUP(cna_linear_context_create(&context, err));
    CNA_TRY_CLEANUP(time_product(linear, context, x, y, how, &seconds, err));
    *gflops = 2e-9 * ROWS * (double)matrix->n_out * (double)matrix->n_in / seconds;
cleanup:
    cna_linear_context_free(context);
    cna_linear_free(linear);
    cna_free(y);
    cna_free(x);
    cna_free(weight);
    return status;
}

static bool is_repeated(const cna_bench_matrix *matrices, size_t i)
{
    for (size_t j = 0; j < i; j++) {
        if (matrices[j].n_out == matrices[i].n_out && matrices[j].n_in == matrices[i].n_in) return true;
    }
    return false;
}

cna_status cna_bench_product_ceiling(const cna_bench_probe *probe, double *gflops, cna_error *err)
{
    omp_set_num_threads(probe->n_threads);
    /* weights, the packed copy of them, and y, which is not larger where a row of W has 1,024 values */
    uint64_t n_bytes = probe->memory_bytes / 4 < MATRIX_BYTES_MAX ? probe->memory_bytes / 4 : MATRIX_BYTES_MAX;
    *gflops = 0;
    for (size_t i = 0; i < CNA_BENCH_N_MATRICES; i++) {
        if (is_repeated(probe->matrices, i)) continue;
        cna_bench_matrix matrix = cut(&probe->matrices[i], probe->input, n_bytes);
        double here = 0;
        CNA_TRY(measure_shape(&matrix, probe->input, effort_of(probe), &here, err));
        if (here > *gflops) *gflops = here;
        CNA_TRY(cna_progress_report(probe->progress, "ceiling", i + 1, CNA_BENCH_N_MATRICES, err));
    }
    return CNA_OK;
}

/* ---- reading ---- */

CNA_CLONES static uint64_t sum_words(const uint64_t *words, size_t n)
{
    uint64_t lanes[READ_UNIT] = {0}, sum = 0;
    for (size_t i = 0; i + READ_UNIT <= n; i += READ_UNIT) {
#ifdef __GNUC__
        const uint64_t *ahead = words + (i + READ_AHEAD < n ? i + READ_AHEAD : i);
        for (size_t j = 0; j < READ_UNIT; j += 8) __builtin_prefetch(ahead + j);
#endif
#pragma omp simd
        for (size_t j = 0; j < READ_UNIT; j++) lanes[j] += words[i + j];
    }
    for (size_t j = 0; j < READ_UNIT; j++) sum += lanes[j];
    return sum;
}

/* Best of several reads of n_bytes, a multiple of READ_UNIT words for each thread. */
static cna_status read_words(size_t n_bytes, const cna_bench_probe *probe, double *gbs, cna_error *err)
{
    size_t n_threads = (size_t)probe->n_threads;
    size_t n_each = n_bytes / sizeof(uint64_t) / n_threads / READ_UNIT * READ_UNIT, n = n_each * n_threads;
    uint64_t *words;
    CNA_TRY(cna_alloc(&words, n, sizeof *words, "memory to read", err));
    memset(words, 1, n * sizeof *words);
    bool right = true;
    effort how = effort_of(probe);
    double begin = cna_clock_seconds(), best = 0;
    for (size_t i = 0; i < how.n_min || cna_clock_seconds() - begin < how.seconds; i++) {
        uint64_t sum = 0;
        double start = cna_clock_seconds();
#pragma omp parallel for schedule(static, 1) reduction(+ : sum)
        for (size_t thread = 0; thread < n_threads; thread++) sum += sum_words(words + thread * n_each, n_each);
        double seconds = cna_clock_seconds() - start;
        if (i == 0 || seconds < best) best = seconds;
        right = right && sum == n * 0x0101010101010101u; /* and the compiler cannot leave the read out */
    }
    cna_free(words);
    if (!right) return cna_fail(err, CNA_ERR_INTERNAL, "memory to read: not what was written to it");
    *gbs = cna_bench_ratio(1e-9 * (double)(n * sizeof *words), best);
    return CNA_OK;
}

/* Packed matrices of the layers' shapes, layer after layer. */
typedef struct pile {
    cna_linear *linears[MATRICES_MAX];
    size_t n;
    uint64_t n_bytes;
} pile;

/* Add matrices until they hold n_bytes; fails only where memory ends. */
static cna_status heap_up(pile *p, const cna_bench_probe *probe, uint64_t n_bytes, const void *weight, cna_error *err)
{
    while (p->n_bytes < n_bytes && p->n < MATRICES_MAX) {
        const cna_bench_matrix *matrix = &probe->matrices[p->n % CNA_BENCH_N_IN_LAYER];
        cna_matrix_view view = view_of(matrix, probe->input, weight);
        CNA_TRY(cna_linear_create(&view, probe->input, CNA_LINEAR_PACKED, &p->linears[p->n++], err));
        p->n_bytes += matrix->n_out * matrix->n_in * cna_input_bytes(probe->input);
        CNA_TRY(cna_progress_report(probe->progress, "ceiling", 0, 1, err));
    }
    return CNA_OK;
}

static cna_status read_pile(const pile *p, cna_linear_context *context, const void *x, float *y, effort how,
                            double *gbs, cna_error *err)
{
    double best = 0;
    for (size_t i = 0; i < how.n_min + 1; i++) { /* the first compiles */
        double start = cna_clock_seconds();
        for (size_t j = 0; j < p->n; j++) CNA_TRY(cna_linear_apply(p->linears[j], context, x, 1, y, err));
        double seconds = cna_clock_seconds() - start;
        if (i == 1 || (i > 1 && seconds < best)) best = seconds;
    }
    *gbs = cna_bench_ratio(1e-9 * (double)p->n_bytes, best);
    return CNA_OK;
}

/* The largest of a layer's matrices by values, inputs and outputs. */
static cna_bench_matrix bounds(const cna_bench_matrix matrices[CNA_BENCH_N_MATRICES], size_t *n_values)
{
    cna_bench_matrix most = {0};
    *n_values = 0;
    for (size_t i = 0; i < CNA_BENCH_N_IN_LAYER; i++) {
        size_t n = matrices[i].n_out * matrices[i].n_in;
        if (n > *n_values) *n_values = n;
        if (matrices[i].n_out > most.n_out) most.n_out = matrices[i].n_out;
        if (matrices[i].n_in > most.n_in) most.n_in = matrices[i].n_in;
    }
    return most;
}

/* One-row products over packed weights of n_bytes, in matrices of at most an eighth of that; holds a quarter more. */
static cna_status read_weights(const cna_bench_probe *whole, uint64_t n_bytes, double *gbs, cna_error *err)
{
    cna_bench_probe probe = *whole;
    for (size_t i = 0; i < CNA_BENCH_N_MATRICES; i++) {
        probe.matrices[i] = cut(&whole->matrices[i], whole->input, n_bytes / 8);
    }
    size_t n_values, unit = cna_input_bytes(probe.input);
    cna_bench_matrix most = bounds(probe.matrices, &n_values);
    void *weight = NULL, *x = NULL;
    float *y = NULL;
    pile *p = NULL;
    cna_linear_context *context = NULL;
    cna_status status;
    CNA_TRY_CLEANUP(cna_alloc(&p, 1, sizeof *p, "matrices to read", err));
    CNA_TRY_CLEANUP(cna_alloc(&weight, n_values, unit, "weights to read", err));
    CNA_TRY_CLEANUP(cna_alloc(&x, most.n_in, unit, "inputs to measure", err));
    CNA_TRY_CLEANUP(cna_alloc(&y, most.n_out, sizeof *y, "outputs to measure", err));
    fill(weight, probe.input, n_values);
    fill(x, probe.input, most.n_in);
    CNA_TRY_CLEANUP(heap_up(p, &probe, n_bytes, weight, err));
    CNA_TRY_CLEANUP(cna_linear_context_create(&context, err));
    CNA_TRY_CLEANUP(read_pile(p, context, x, y, effort_of(&probe), gbs, err));
cleanup:
    cna_linear_context_free(context);
    for (size_t i = 0; p != NULL && i < p->n; i++) cna_linear_free(p->linears[i]);
    cna_free(p);
    cna_free(y);
    cna_free(x);
    cna_free(weight);
    return status;
}

/* Whether MATRICES_MAX of the layers' matrices would not make n_bytes. */
static bool is_small(const cna_bench_probe *probe, uint64_t n_bytes)
{
    double layer_bytes = 0;
    for (size_t i = 0; i < CNA_BENCH_N_IN_LAYER; i++) {
        cna_bench_matrix matrix = cut(&probe->matrices[i], probe->input, n_bytes / 8);
        layer_bytes += (double)(matrix.n_out * matrix.n_in * cna_input_bytes(probe->input));
    }
    return layer_bytes * (MATRICES_MAX / CNA_BENCH_N_IN_LAYER) < (double)n_bytes;
}

cna_status cna_bench_read_ceiling(const cna_bench_probe *probe, double *gbs, uint64_t *out_bytes, cna_error *err)
{
    omp_set_num_threads(probe->n_threads);
    /* room for the matrix that the others are packed from, and for the last one to hang over */
    uint64_t room = probe->memory_bytes / 10 * 8, n_bytes = room < READ_BYTES ? room : READ_BYTES;
    double plain = 0, products = 0;
    CNA_TRY(read_words((size_t)n_bytes, probe, &plain, err));
    CNA_TRY(cna_progress_report(probe->progress, "ceiling", 0, 1, err));
    if (!is_small(probe, n_bytes)) CNA_TRY(read_weights(probe, n_bytes, &products, err));
    *gbs = plain > products ? plain : products;
    *out_bytes = n_bytes;
    return CNA_OK;
}
