/* SPDX-License-Identifier: MIT
 * Number formats of stored tensors and their conversion. */
#include "tensor/dtype.h"

#include "base/utf8.h"
#include "tensor/clones.h"
#include "tensor/quant.h"

size_t cna_storage_block(cna_storage storage)
{
    return cna_storage_is_quantised(storage) ? cna_quant_of(storage)->n_values : 1;
}

size_t cna_storage_bytes(cna_storage storage, size_t n)
{
    if (!cna_storage_is_quantised(storage)) return n * (storage == CNA_STORAGE_F32 ? 4 : 2);
    const cna_quant *quant = cna_quant_of(storage);
    return n / quant->n_values * quant->n_bytes;
}

bool cna_storage_is_quantised(cna_storage storage)
{
    return storage > CNA_STORAGE_F16;
}

const char *cna_storage_name(cna_storage storage)
{
    static const char *const names[CNA_STORAGE_COUNT] = {
        [CNA_STORAGE_F32] = "f32",       [CNA_STORAGE_BF16] = "bf16",     [CNA_STORAGE_F16] = "f16",
        [CNA_STORAGE_Q4_0] = "q4_0",     [CNA_STORAGE_Q4_1] = "q4_1",     [CNA_STORAGE_Q5_0] = "q5_0",
        [CNA_STORAGE_Q5_1] = "q5_1",     [CNA_STORAGE_Q8_0] = "q8_0",     [CNA_STORAGE_Q2_K] = "q2_k",
        [CNA_STORAGE_Q3_K] = "q3_k",     [CNA_STORAGE_Q4_K] = "q4_k",     [CNA_STORAGE_Q5_K] = "q5_k",
        [CNA_STORAGE_Q6_K] = "q6_k",     [CNA_STORAGE_IQ4_NL] = "iq4_nl", [CNA_STORAGE_IQ4_XS] = "iq4_xs",
    };
    return names[storage];
}

bool cna_storage_find(const char *name, cna_storage *out)
{
    for (int i = 0; i < CNA_STORAGE_COUNT; i++) {
        const char *known = cna_storage_name((cna_storage)i);
        if (!cna_ascii_equal(name, strlen(name), known, strlen(known))) continue;
        *out = (cna_storage)i;
        return true;
    }
    return false;
}

size_t cna_matrix_bytes(const cna_matrix_view *view)
{
    return view->rows * cna_storage_bytes(view->storage, view->cols);
}

/* Where a row lies. */
static size_t place_of(const cna_matrix_view *view, size_t row)
{
    if (view->paired_rows == 0) return row;
    size_t half = view->paired_rows / 2, within = row % view->paired_rows;
    return row - within + within % half * 2 + within / half;
}

/* Values [first, first + n) of a row of blocks: whole blocks at once, the ends through a block of their own. */
static void widen_part(const unsigned char *row, cna_storage storage, size_t first, size_t n, float *out)
{
    size_t block = cna_storage_block(storage);
    float values[CNA_QUANT_VALUES_MAX];
    while (n > 0) {
        size_t skip = first % block, whole = n / block * block, taken = n < block - skip ? n : block - skip;
        const unsigned char *at = row + cna_storage_bytes(storage, first - skip);
        if (skip == 0 && whole > 0) {
            cna_widen(at, storage, whole, out);
            taken = whole;
        } else {
            cna_widen(at, storage, block, values);
            memcpy(out, values + skip, taken * sizeof *out);
        }
        first += taken;
        out += taken;
        n -= taken;
    }
}

const unsigned char *cna_matrix_row(const cna_matrix_view *view, size_t row)
{
    return (const unsigned char *)view->data + place_of(view, row) * cna_storage_bytes(view->storage, view->cols);
}

void cna_matrix_widen(const cna_matrix_view *view, size_t row, size_t first, size_t n, float *out)
{
    widen_part(cna_matrix_row(view, row), view->storage, first, n, out);
}

static uint16_t load_u16(const unsigned char *bytes)
{
    uint16_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

CNA_CLONES static void widen_bf16(const unsigned char *in, size_t n, float *restrict out)
{
    for (size_t i = 0; i < n; i++) out[i] = cna_f32_from_bf16(load_u16(in + 2 * i));
}

CNA_CLONES static void widen_f16(const unsigned char *in, size_t n, float *restrict out)
{
    for (size_t i = 0; i < n; i++) out[i] = cna_f32_from_f16(load_u16(in + 2 * i));
}

void cna_widen(const void *in, cna_storage storage, size_t n, float *out)
{
    const unsigned char *bytes = in;
    switch (storage) {
    case CNA_STORAGE_F32:
        memcpy(out, in, n * sizeof *out);
        break;
    case CNA_STORAGE_BF16:
        widen_bf16(bytes, n, out);
        break;
    case CNA_STORAGE_F16:
        widen_f16(bytes, n, out);
        break;
    default:
        cna_quant_of(storage)->unpack(bytes, n / cna_quant_of(storage)->n_values, out);
        break;
    }
}

CNA_CLONES void cna_round_to_bf16(const float *restrict in, size_t n, uint16_t *restrict out)
{
    for (size_t i = 0; i < n; i++) out[i] = cna_bf16_from_f32(in[i]);
}

CNA_CLONES void cna_round_through_bf16(const float *in, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++) out[i] = cna_f32_from_bf16(cna_bf16_from_f32(in[i]));
}
