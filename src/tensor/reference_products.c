/* SPDX-License-Identifier: MIT
 * The products of onednn.h as plain loops, in place of onednn.c where PRODUCTS=reference builds without oneDNN: for
 * ThreadSanitizer and valgrind, which must see every instruction and one OpenMP runtime, and for machines without
 * oneDNN. Correct and slow. */
#include "tensor/onednn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/clones.h"
#include "tensor/dtype.h"

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

/* The packed layout is W with its last row first: were it read as row-major, or the other way round, results would be
 * wrong and not by chance right. */
cna_status cna_onednn_pack(size_t n_in, size_t n_out, bool bf16, const void *weight, void *packed, cna_error *err)
{
    (void)err;
    size_t bytes = row_bytes(n_in, bf16);
    for (size_t j = 0; j < n_out; j++) {
        memcpy((char *)packed + (n_out - 1 - j) * bytes, (const char *)weight + j * bytes, bytes);
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

static float sum_lanes(const float lanes[N_LANES])
{
    float sum = 0;
    for (size_t j = 0; j < N_LANES; j++) sum += lanes[j];
    return sum;
}

CNA_CLONES static float dot_f32(const float *x, const float *w, size_t n)
{
    float lanes[N_LANES] = {0};
    size_t whole = n / N_LANES * N_LANES;
    for (size_t i = 0; i < whole; i += N_LANES) {
        for (size_t j = 0; j < N_LANES; j++) lanes[j] += x[i + j] * w[i + j];
    }
    for (size_t j = 0; j < n - whole; j++) lanes[j] += x[whole + j] * w[whole + j];
    return sum_lanes(lanes);
}

CNA_CLONES static float dot_bf16(const uint16_t *x, const uint16_t *w, size_t n)
{
    float lanes[N_LANES] = {0};
    size_t whole = n / N_LANES * N_LANES;
    for (size_t i = 0; i < whole; i += N_LANES) {
        for (size_t j = 0; j < N_LANES; j++) {
            lanes[j] += cna_f32_from_bf16(x[i + j]) * cna_f32_from_bf16(w[i + j]);
        }
    }
    for (size_t j = 0; j < n - whole; j++) {
        lanes[j] += cna_f32_from_bf16(x[whole + j]) * cna_f32_from_bf16(w[whole + j]);
    }
    return sum_lanes(lanes);
}

cna_status cna_onednn_primitive_execute(const cna_onednn_primitive *primitive, const void *x, const void *weight,
                                        float *y, void *scratch, cna_error *err)
{
    const cna_product *p = &primitive->product;
    size_t y_stride = p->y_stride != 0 ? p->y_stride : p->n_out;
    (void)scratch;
    (void)err;
#pragma omp parallel for collapse(2) schedule(static)
    for (size_t t = 0; t < p->n_rows; t++) {
        for (size_t j = 0; j < p->n_out; j++) {
            size_t row = p->packed ? p->n_out - 1 - j : j;
            y[t * y_stride + j] =
                p->bf16 ? dot_bf16((const uint16_t *)x + t * p->n_in, (const uint16_t *)weight + row * p->n_in, p->n_in)
                        : dot_f32((const float *)x + t * p->n_in, (const float *)weight + row * p->n_in, p->n_in);
        }
    }
    return CNA_OK;
}
