/* SPDX-License-Identifier: MIT
 * y = x W^T over oneDNN: W as the products need it. linear_apply.c has the products. */
#include "tensor/linear_parts.h"

#include <stdio.h>
#include <string.h>

#include "tensor/one_row.h"
#include "tensor/one_row_quant.h"
#include "tensor/onednn.h"

enum {
    PACK_BYTES = 4 << 20,    /* of W that are converted at a time on the way to a packed copy */
    ONE_ROW_BYTES = 1 << 20, /* of W from which on single rows are worth a product of their own */
};

size_t cna_input_bytes(cna_input input)
{
    return input == CNA_INPUT_BF16 ? 2 : 4;
}

void cna_input_convert(cna_input input, const float *x, size_t n, void *out)
{
    switch (input) {
    case CNA_INPUT_F32:
        memcpy(out, x, n * sizeof *x);
        break;
    case CNA_INPUT_BF16:
        cna_round_to_bf16(x, n, out);
        break;
    case CNA_INPUT_BF16_WIDENED:
        cna_round_through_bf16(x, n, out);
        break;
    }
}

cna_input cna_input_for(cna_dtype compute)
{
    if (compute != CNA_DTYPE_BF16) return CNA_INPUT_F32;
    return cna_onednn_is_brg(true) ? CNA_INPUT_BF16 : CNA_INPUT_BF16_WIDENED;
}

/* A row of W in the input's type: what is stored otherwise is unpacked, and rounded to bf16 where inputs are. */
static void convert_row(const cna_linear *linear, size_t row, void *out)
{
    enum { PART = 1024 };
    const cna_matrix_view *source = &linear->source;
    bool is_bf16 = source->storage == CNA_STORAGE_BF16;
    if (linear->input == CNA_INPUT_F32 || (linear->input == CNA_INPUT_BF16_WIDENED && is_bf16)) {
        cna_matrix_widen(source, row, 0, linear->n_in, out);
        return;
    }
    for (size_t at = 0; at < linear->n_in; at += PART) {
        float values[PART];
        size_t n = linear->n_in - at < PART ? linear->n_in - at : PART;
        cna_matrix_widen(source, row, at, n, values);
        if (linear->input == CNA_INPUT_BF16) cna_round_to_bf16(values, n, (uint16_t *)out + at);
        else cna_round_through_bf16(values, n, (float *)out + at);
    }
}

/* Rows [first, first + n) of W in the input's type. */
void cna_linear_convert_rows(const cna_linear *linear, size_t first, size_t n, void *out)
{
    size_t row_bytes = linear->n_in * cna_input_bytes(linear->input);
    for (size_t i = 0; i < n; i++) convert_row(linear, first + i, (char *)out + i * row_bytes);
}

/* The same on all threads. */
static void convert_all(const cna_linear *linear, void *out)
{
    size_t row_bytes = linear->n_in * cna_input_bytes(linear->input);
#pragma omp parallel for schedule(static)
    for (size_t row = 0; row < linear->n_out; row++) convert_row(linear, row, (char *)out + row * row_bytes);
}

/* Copy W into oneDNN's layout: at once where it can read W, else some rows at a time, so that a large W is not held
 * twice. */
static cna_status pack_blocked(cna_linear *linear, cna_error *err)
{
    size_t n_in = linear->n_in, n_out = linear->n_out, row_bytes = n_in * cna_input_bytes(linear->input);
    bool bf16 = linear->input == CNA_INPUT_BF16;
    if (linear->readable) return cna_onednn_pack(n_in, n_out, bf16, 0, n_out, linear->source.data, linear->packed, err);
    size_t n_panel = PACK_BYTES / row_bytes / CNA_ONEDNN_PACK_ROWS * CNA_ONEDNN_PACK_ROWS;
    if (n_panel == 0) n_panel = CNA_ONEDNN_PACK_ROWS;
    if (n_panel > n_out) n_panel = n_out;
    void *copy;
    CNA_TRY(cna_alloc(&copy, n_panel, row_bytes, "converted weights", err));
    cna_status status = CNA_OK;
    for (size_t row = 0; row < n_out && status == CNA_OK; row += n_panel) {
        size_t n = n_out - row < n_panel ? n_out - row : n_panel;
        cna_linear_convert_rows(linear, row, n, copy);
        status = cna_onednn_pack(n_in, n_out, bf16, row, n, copy, linear->packed, err);
    }
    cna_free(copy);
    return status;
}

/* Copies of W in rows, one behind the other, each begin at a cache line. */
static size_t row_major_bytes(const cna_linear *linear)
{
    return (linear->n_in * linear->n_out * cna_input_bytes(linear->input) + 63) / 64 * 64;
}

/* A row of bf16 values of ordinary size and both signs. */
static void fill_row(uint16_t *x, size_t n)
{
    uint64_t state = 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        x[i] = (uint16_t)(0x3e00 + (state >> 33) % 0x200 + (state >> 63) * 0x8000);
    }
}

void cna_linear_one_row(const cna_linear *linear, cna_one_row which, const void *x, float *y)
{
    if (which == CNA_ONE_ROW_SOURCE) cna_one_row_quant_product(x, &linear->source, y);
    else cna_one_row_product(x, linear->n_in, linear->weight, linear->n_out, y);
}

/* Compare a product of one row with the kernel's, with every column of W, and use it if all bits are the same. */
static cna_status check_one_row(cna_linear *linear, cna_one_row which, cna_error *err)
{
    size_t n_in = linear->n_in, n_out = linear->n_out;
    cna_product product = {.n_rows = 1, .n_in = n_in, .n_out = n_out, .bf16 = true, .packed = linear->blocked};
    uint16_t *x = NULL;
    float *y = NULL;
    void *work = NULL;
    cna_onednn_primitive *primitive = NULL;
    cna_status status;
    CNA_TRY_CLEANUP(cna_onednn_primitive_create(&product, &primitive, err));
    CNA_TRY_CLEANUP(cna_alloc(&work, cna_onednn_primitive_scratch_bytes(primitive), 1, "product scratch", err));
    CNA_TRY_CLEANUP(cna_alloc(&x, n_in, sizeof *x, "a row to compare", err));
    CNA_TRY_CLEANUP(cna_alloc(&y, 2 * n_out, sizeof *y, "a row to compare", err));
    fill_row(x, n_in);
    CNA_TRY_CLEANUP(cna_onednn_primitive_execute(primitive, x, linear->weight, y, work, err));
    cna_linear_one_row(linear, which, x, y + n_out);
    if (memcmp(y, y + n_out, n_out * sizeof *y) == 0) linear->one_row = which;
cleanup:
    cna_onednn_primitive_free(primitive);
    cna_free(work);
    cna_free(x);
    cna_free(y);
    return status;
}

/* Whether W, unpacked or not, can be multiplied with a single row from where it is given. Only beside the kernel whose
 * order of sums it has: one that differs in rare values alone (plain loops, for subnormals) could pass a comparison. */
static bool may_use_source(const cna_linear *linear)
{
    return strncmp(linear->kernel, "brg:avx512_core_bf16", 20) == 0 && linear->input == CNA_INPUT_BF16 &&
           cna_storage_is_quantised(linear->source.storage) && cna_one_row_quant_available();
}

static bool may_use_panels(const cna_linear *linear)
{
    return linear->blocked && linear->input == CNA_INPUT_BF16 && linear->packed_bytes >= ONE_ROW_BYTES &&
           linear->n_in % 2 == 0 && cna_one_row_available() &&
           cna_onednn_is_in_panels(linear->n_in, linear->n_out, true, CNA_ONE_ROW_PANEL);
}

/* Look for the quickest product of a single row. */
static cna_status choose_one_row(cna_linear *linear, cna_error *err)
{
    if (may_use_source(linear) && cna_one_row_quant_is_quick(linear->source.storage)) {
        CNA_TRY(check_one_row(linear, CNA_ONE_ROW_SOURCE, err));
    }
    if (linear->one_row == CNA_ONE_ROW_NONE && may_use_panels(linear)) {
        CNA_TRY(check_one_row(linear, CNA_ONE_ROW_PACKED, err));
    }
    return CNA_OK;
}

/* Fill in what depends on W and the machine alone. */
static cna_status describe(const cna_matrix_view *weight, cna_input input, cna_linear *out, cna_error *err)
{
    *out = (cna_linear){.n_in = weight->cols, .n_out = weight->rows, .input = input, .source = *weight};
    cna_product probe = {.n_rows = CNA_LINEAR_TILE_ROWS, .n_in = weight->cols, .n_out = weight->rows,
                         .bf16 = input == CNA_INPUT_BF16};
    char name[64];
    CNA_TRY(cna_onednn_kernel(&probe, name, sizeof name, err));
    out->tiled = strncmp(name, "brg:", 4) != 0;
    snprintf(out->kernel, sizeof out->kernel, "%s%s", name, out->tiled ? ", tiles of 24 rows" : "");
    out->readable = weight->storage == (input == CNA_INPUT_BF16 ? CNA_STORAGE_BF16 : CNA_STORAGE_F32) &&
                    weight->paired_rows == 0 &&
                    (uintptr_t)weight->data % cna_input_bytes(input) == 0;
    return CNA_OK;
}

/* Bytes of the copy of W that this way of keeping it makes. Tiles read f32 in rows, so there is nothing to gain from
 * a copy of what already is that; and they convert anything else as they go. */
static cna_status copy_bytes(const cna_linear *linear, cna_linear_keep keep, size_t *out, cna_error *err)
{
    *out = 0;
    if ((linear->readable || linear->tiled) && keep != CNA_LINEAR_PACKED) return CNA_OK;
    if (linear->readable && linear->tiled) return CNA_OK;
    *out = row_major_bytes(linear);
    if (linear->tiled || keep == CNA_LINEAR_STAGED) return CNA_OK;
    return cna_onednn_packed_bytes(linear->n_in, linear->n_out, linear->input == CNA_INPUT_BF16, out, err);
}

cna_status cna_linear_bytes(const cna_matrix_view *weight, cna_input input, cna_linear_keep keep, size_t *out,
                            cna_error *err)
{
    cna_linear linear;
    CNA_TRY(describe(weight, input, &linear, err));
    return copy_bytes(&linear, keep, out, err);
}

cna_status cna_linear_create(const cna_matrix_view *weight, cna_input input, cna_linear_keep keep, cna_linear **out,
                             cna_error *err)
{
    *out = NULL;
    cna_linear *linear;
    cna_status status;
    CNA_TRY(cna_alloc(&linear, 1, sizeof *linear, "weight matrix", err));
    CNA_TRY_CLEANUP(describe(weight, input, linear, err));
    if (linear->readable) linear->weight = weight->data;
    if (keep != CNA_LINEAR_STAGED) CNA_TRY_CLEANUP(copy_bytes(linear, keep, &linear->packed_bytes, err));
    if (linear->packed_bytes != 0) {
        CNA_TRY_CLEANUP(cna_alloc(&linear->packed, linear->packed_bytes, 1, "packed weights", err));
        linear->blocked = !linear->tiled;
        if (linear->blocked) CNA_TRY_CLEANUP(pack_blocked(linear, err));
        else convert_all(linear, linear->packed);
        linear->weight = linear->packed;
        CNA_TRY_CLEANUP(choose_one_row(linear, err));
    }
    *out = linear;
    linear = NULL;
cleanup:
    cna_linear_free(linear);
    return status;
}

size_t cna_linear_stage_bytes(const cna_linear *linear)
{
    return linear->weight != NULL || linear->tiled ? 0 : row_major_bytes(linear);
}

cna_status cna_linear_create_stage(cna_linear **out, cna_error *err)
{
    return cna_alloc(out, 1, sizeof **out, "weight matrix", err);
}

void cna_linear_stage(const cna_linear *linear, void *memory, cna_linear *stage)
{
    convert_all(linear, memory);
    *stage = *linear;
    stage->weight = memory;
}

size_t cna_linear_compare_bytes(const cna_linear *linear)
{
    return linear->n_in * sizeof(uint16_t) + 2 * linear->n_out * sizeof(float);
}

cna_status cna_linear_compare(cna_linear *stage, cna_error *err)
{
    return may_use_source(stage) ? check_one_row(stage, CNA_ONE_ROW_SOURCE, err) : CNA_OK;
}

void cna_linear_stage_one_row(const cna_linear *linear, cna_linear *stage)
{
    *stage = *linear;
    stage->one_row = CNA_ONE_ROW_SOURCE;
}

const cna_matrix_view *cna_linear_source(const cna_linear *linear)
{
    return &linear->source;
}

void cna_linear_free(cna_linear *linear)
{
    if (linear == NULL) return;
    cna_free(linear->packed);
    cna_free(linear);
}

size_t cna_linear_packed_bytes(const cna_linear *linear)
{
    return linear->packed_bytes;
}

const char *cna_linear_kernel(const cna_linear *linear)
{
    return linear->kernel;
}

bool cna_linear_has_one_row(const cna_linear *linear)
{
    return linear->one_row != CNA_ONE_ROW_NONE;
}

void cna_linear_library(char *out, size_t n_out)
{
    cna_onednn_version(out, n_out);
}
