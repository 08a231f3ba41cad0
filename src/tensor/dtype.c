/* SPDX-License-Identifier: MIT
 * Number formats of stored tensors and their conversion. */
#include "tensor/dtype.h"

#include "tensor/clones.h"

size_t cna_storage_bytes(cna_storage storage)
{
    return storage == CNA_STORAGE_F32 ? 4 : 2;
}

const char *cna_storage_name(cna_storage storage)
{
    static const char *const names[CNA_STORAGE_COUNT] = {"f32", "bf16", "f16"};
    return names[storage];
}

float cna_f32_from_f16(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = half >> 10 & 0x1Fu;
    uint32_t fraction = half & 0x3FFu;
    if (exponent == 0) {
        /* Zero or subnormal: fraction * 2^-24 is exact in f32. */
        float magnitude = (float)fraction * 0x1p-24f;
        return sign != 0 ? -magnitude : magnitude;
    }
    if (exponent == 31) return cna_f32_from_bits(sign | 0x7F800000u | fraction << 13);
    return cna_f32_from_bits(sign | (exponent + 112) << 23 | fraction << 13);
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

/* As cna_f32_from_f16, without branches. Zero and subnormals: 2^-14 plus the fraction is exact in f32, and so is taking
 * 2^-14 off again. */
CNA_CLONES static void widen_f16(const unsigned char *in, size_t n, float *restrict out)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t half = load_u16(in + 2 * i), magnitude = (half & 0x7FFFu) << 13, exponent = magnitude & 0x0F800000u;
        uint32_t normal = magnitude + (112u << 23), special = magnitude + (224u << 23);
        uint32_t small = cna_f32_bits(cna_f32_from_bits(magnitude + (113u << 23)) - 0x1p-14f);
        uint32_t bits = exponent == 0 ? small : exponent == 0x0F800000u ? special : normal;
        out[i] = cna_f32_from_bits(bits | (half & 0x8000u) << 16);
    }
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
    case CNA_STORAGE_COUNT:
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
