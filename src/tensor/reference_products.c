/* SPDX-License-Identifier: MIT
 * The products of onednn.h as plain loops, in place of onednn.c where PRODUCTS=reference builds without oneDNN: for
 * ThreadSanitizer and valgrind, which must see every instruction and one OpenMP runtime, and for machines without
 * oneDNN. Correct and slow. */
#include "tensor/onednn.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/clones.h"

/* ThreadSanitizer checks every read, which makes a dot product tens of times slower. So the sums go unchecked, and each
 * thread of a product says once what it is about to read. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNCHECKED __attribute__((no_sanitize("thread")))
void __tsan_read_range(const void *address, size_t n_bytes);
#define ANNOUNCE_READ(address, n_bytes) __tsan_read_range(address, n_bytes)
#endif
#endif
#ifndef UNCHECKED
#define UNCHECKED
#define ANNOUNCE_READ(address, n_bytes) ((void)0)
#endif

/* Partial sums, the same on every machine. */
enum { N_LANES = 16 };

struct cna_onednn_primitive {
    cna_product product;
};

/* A value of y is a function of its row of x and its row of W alone, which is what `brg` stands for. DNNL_MAX_CPU_ISA
 * takes it away as it does oneDNN's kernels, so that what is built around other kernels is tested in this build too. */
bool cna_onednn_is_brg(bool bf16)
{
    const char *isa = getenv("DNNL_MAX_CPU_ISA");
    return isa == NULL || (strcmp(isa, "AVX512_CORE") == 0 && !bf16);
}

void cna_onednn_version(char *out, size_t n_out)
{
    snprintf(out, n_out, "oneDNN left out, reference products");
}

cna_status cna_onednn_kernel(const cna_product *product, char *out, size_t n_out, cna_error *err)
{
    (void)err;
    snprintf(out, n_out, "%s:reference", cna_onednn_is_brg(product->bf16) ? "brg" : "plain");
    return CNA_OK;
}

static size_t row_bytes(size_t n_in, bool bf16)
{
    return n_in * (bf16 ? sizeof(uint16_t) : sizeof(float));
}

cna_status cna_onednn_packed_bytes(size_t n_in, size_t n_out, bool bf16, size_t *out, cna_error *err)
{
    (void)err;
    *out = n_out * row_bytes(n_in, bf16);
    return CNA_OK;
}

bool cna_onednn_is_in_panels(size_t n_in, size_t n_out, bool bf16, size_t n_panel)
{
    (void)n_in, (void)n_out, (void)bf16, (void)n_panel;
    return false;
}

/* The packed layout is W with its last row first: were it read as row-major, or the other way round, results would be
 * wrong and not by chance right. */
cna_status cna_onednn_pack(size_t n_in, size_t n_out, bool bf16, size_t first, size_t n_rows, const void *weight,
                           void *packed, cna_error *err)
{
    (void)err;
    size_t bytes = row_bytes(n_in, bf16);
    for (size_t j = 0; j < n_rows; j++) {
        memcpy((char *)packed + (n_out - 1 - first - j) * bytes, (const char *)weight + j * bytes, bytes);
    }
    return CNA_OK;
}

cna_status cna_onednn_primitive_create(const cna_product *product, cna_onednn_primitive **out, cna_error *err)
{
    CNA_TRY(cna_alloc(out, 1, sizeof **out, "product", err));
    (*out)->product = *product;
    return CNA_OK;
}

void cna_onednn_primitive_free(cna_onednn_primitive *primitive)
{
    cna_free(primitive);
}

size_t cna_onednn_primitive_scratch_bytes(const cna_onednn_primitive *primitive)
{
    (void)primitive;
    return 0;
}

UNCHECKED static float sum_lanes(const float lanes[N_LANES])
{
    float sum = 0;
    for (size_t j = 0; j < N_LANES; j++) sum += lanes[j];
    return sum;
}

CNA_CLONES UNCHECKED static float dot_f32(const float *x, const float *w, size_t n)
{
    float lanes[N_LANES] = {0};
    size_t whole = n / N_LANES * N_LANES;
    for (size_t i = 0; i < whole; i += N_LANES) {
        for (size_t j = 0; j < N_LANES; j++) lanes[j] += x[i + j] * w[i + j];
    }
    for (size_t j = 0; j < n - whole; j++) lanes[j] += x[whole + j] * w[whole + j];
    return sum_lanes(lanes);
}

/* Unchecked as well, else it is not expanded in place. */
UNCHECKED static inline float widen(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

CNA_CLONES UNCHECKED static float dot_bf16(const uint16_t *x, const uint16_t *w, size_t n)
{
    float lanes[N_LANES] = {0};
    size_t whole = n / N_LANES * N_LANES;
    for (size_t i = 0; i < whole; i += N_LANES) {
        for (size_t j = 0; j < N_LANES; j++) lanes[j] += widen(x[i + j]) * widen(w[i + j]);
    }
    for (size_t j = 0; j < n - whole; j++) lanes[j] += widen(x[whole + j]) * widen(w[whole + j]);
    return sum_lanes(lanes);
}

/* Rows first .. last-1 of the weights as they lie, which are columns of y. */
static void multiply(const cna_product *p, const void *x, const void *weight, size_t first, size_t last, float *y)
{
    size_t bytes = row_bytes(p->n_in, p->bf16), y_stride = p->y_stride != 0 ? p->y_stride : p->n_out;
    ANNOUNCE_READ(x, p->n_rows * bytes);
    ANNOUNCE_READ((const char *)weight + first * bytes, (last - first) * bytes);
    for (size_t t = 0; t < p->n_rows; t++) {
        const void *x_row = (const char *)x + t * bytes;
        for (size_t j = first; j < last; j++) {
            const void *w_row = (const char *)weight + j * bytes;
            size_t column = p->packed ? p->n_out - 1 - j : j;
            y[t * y_stride + column] = p->bf16 ? dot_bf16(x_row, w_row, p->n_in) : dot_f32(x_row, w_row, p->n_in);
        }
    }
}

cna_status cna_onednn_primitive_execute(const cna_onednn_primitive *primitive, const void *x, const void *weight,
                                        float *y, void *scratch, cna_error *err)
{
    const cna_product *product = &primitive->product;
    (void)scratch;
    (void)err;
#pragma omp parallel
    {
        size_t thread = (size_t)omp_get_thread_num(), n_threads = (size_t)omp_get_num_threads();
        multiply(product, x, weight, product->n_out * thread / n_threads, product->n_out * (thread + 1) / n_threads, y);
    }
    return CNA_OK;
}
