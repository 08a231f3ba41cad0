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

/* All three cases are computed, so that loops over it have no branches. */
static inline float widen_half(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, magnitude = half & 0x7FFFu;
    /* Zero or subnormal: fraction * 2^-24 is exact in f32. */
    uint32_t small = cna_f32_bits((float)(int32_t)magnitude * 0x1p-24f);
    uint32_t other = (magnitude << 13) + (112u << 23);
    other += magnitude >= 0x7C00u ? 112u << 23 : 0; /* infinity and NaN: the largest exponent in both formats */
    uint32_t is_small = 0u - (uint32_t)(magnitude < 0x400u);
    return cna_f32_from_bits(sign | (small & is_small) | (other & ~is_small));
}

float cna_f32_from_f16(uint16_t half)
{
    return widen_half(half);
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
    for (size_t i = 0; i < n; i++) out[i] = widen_half(load_u16(in + 2 * i));
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
