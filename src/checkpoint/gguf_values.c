/* SPDX-License-Identifier: MIT
 * Typed access to the metadata of a .gguf file. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/gguf.h"

static int compare_key(const void *key, const void *value)
{
    const char *text = key;
    const cna_gguf_value *v = value;
    size_t n = strlen(text);
    int order = memcmp(text, v->key, n < v->n_key ? n : v->n_key);
    return order != 0 ? order : (n > v->n_key) - (n < v->n_key);
}

const cna_gguf_value *cna_gguf_find(const cna_gguf *gguf, const char *key)
{
    return bsearch(key, gguf->values, gguf->n_values, sizeof *gguf->values, compare_key);
}

static cna_status refuse_type(const cna_gguf *gguf, const char *key, const char *expected, const cna_gguf_value *value,
                              cna_error *err)
{
    return cna_fail(err, CNA_ERR_FORMAT, "%s: key '%s': expected %s, found %s%s", gguf->file.map.path, key, expected,
                    value->type == CNA_GGUF_ARRAY ? "an array of " : "",
                    cna_gguf_type_name(value->type == CNA_GGUF_ARRAY ? value->element : value->type));
}

/* A little-endian two's complement number of n_bytes bytes. */
static int64_t signed_at(const unsigned char *bytes, size_t n_bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n_bytes; i++) value |= (uint64_t)bytes[i] << 8 * i;
    uint64_t sign = (uint64_t)1 << (8 * n_bytes - 1);
    return (value & sign) == 0 ? (int64_t)value : (int64_t)(value - sign) - (int64_t)(sign - 1) - 1;
}

static uint64_t unsigned_at(const unsigned char *bytes, size_t n_bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n_bytes; i++) value |= (uint64_t)bytes[i] << 8 * i;
    return value;
}

/* False where the value is not a whole number, or one past INT64_MAX. */
static bool whole_number(const cna_gguf_value *value, int64_t *out)
{
    switch (value->type) {
    case CNA_GGUF_U8:
        *out = (int64_t)unsigned_at(value->data, 1);
        return true;
    case CNA_GGUF_I8:
        *out = signed_at(value->data, 1);
        return true;
    case CNA_GGUF_U16:
        *out = (int64_t)unsigned_at(value->data, 2);
        return true;
    case CNA_GGUF_I16:
        *out = signed_at(value->data, 2);
        return true;
    case CNA_GGUF_U32:
        *out = (int64_t)unsigned_at(value->data, 4);
        return true;
    case CNA_GGUF_I32:
        *out = signed_at(value->data, 4);
        return true;
    case CNA_GGUF_I64:
        *out = signed_at(value->data, 8);
        return true;
    case CNA_GGUF_U64:
        *out = (int64_t)(unsigned_at(value->data, 8) & INT64_MAX);
        return unsigned_at(value->data, 8) <= INT64_MAX;
    default:
        return false;
    }
}

cna_status cna_gguf_find_int(const cna_gguf *gguf, const char *key, int64_t min, int64_t max, int64_t *out,
                             cna_error *err)
{
    const cna_gguf_value *value = cna_gguf_find(gguf, key);
    if (value == NULL) return CNA_OK;
    int64_t number;
    if (!whole_number(value, &number)) return refuse_type(gguf, key, "a whole number", value, err);
    if (number < min || number > max) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key '%s': expected %lld to %lld, found %lld", gguf->file.map.path,
                        key, (long long)min, (long long)max, (long long)number);
    }
    *out = number;
    return CNA_OK;
}

cna_status cna_gguf_find_number(const cna_gguf *gguf, const char *key, double *out, cna_error *err)
{
    const cna_gguf_value *value = cna_gguf_find(gguf, key);
    if (value == NULL) return CNA_OK;
    if (value->type != CNA_GGUF_F32 && value->type != CNA_GGUF_F64) return refuse_type(gguf, key, "f32", value, err);
    double number;
    uint64_t bits = unsigned_at(value->data, value->type == CNA_GGUF_F32 ? 4 : 8);
    if (value->type == CNA_GGUF_F32) number = (double)cna_f32_from_bits((uint32_t)bits);
    else memcpy(&number, &bits, sizeof number);
    if (!isfinite(number)) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key '%s': expected a finite number, found %g", gguf->file.map.path,
                        key, number);
    }
    *out = number;
    return CNA_OK;
}

cna_status cna_gguf_find_bool(const cna_gguf *gguf, const char *key, bool *out, cna_error *err)
{
    const cna_gguf_value *value = cna_gguf_find(gguf, key);
    if (value == NULL) return CNA_OK;
    if (value->type != CNA_GGUF_BOOL) return refuse_type(gguf, key, "bool", value, err);
    *out = value->data[0] != 0;
    return CNA_OK;
}

cna_status cna_gguf_find_string(const cna_gguf *gguf, const char *key, const char **out, size_t *out_n_bytes,
                                cna_error *err)
{
    const cna_gguf_value *value = cna_gguf_find(gguf, key);
    if (value == NULL) return CNA_OK;
    if (value->type != CNA_GGUF_STRING) return refuse_type(gguf, key, "string", value, err);
    *out = (const char *)value->data;
    *out_n_bytes = (size_t)value->n;
    return CNA_OK;
}

cna_status cna_gguf_find_array(const cna_gguf *gguf, const char *key, cna_gguf_type element,
                               const cna_gguf_value **out, cna_error *err)
{
    const cna_gguf_value *value = cna_gguf_find(gguf, key);
    if (value == NULL) return CNA_OK;
    if (value->type != CNA_GGUF_ARRAY || value->element != element) {
        char expected[32] = "an array of ";
        strncat(expected, cna_gguf_type_name(element), sizeof expected - strlen(expected) - 1);
        return refuse_type(gguf, key, expected, value, err);
    }
    *out = value;
    return CNA_OK;
}

const char *cna_gguf_next_string(const unsigned char **at, size_t *n_bytes)
{
    *n_bytes = (size_t)unsigned_at(*at, 8);
    const char *text = (const char *)*at + 8;
    *at += 8 + *n_bytes;
    return text;
}

int32_t cna_gguf_i32_at(const cna_gguf_value *array, uint64_t i)
{
    return (int32_t)signed_at(array->data + 4 * i, 4);
}

float cna_gguf_f32_at(const cna_gguf_value *array, uint64_t i)
{
    uint32_t bits = (uint32_t)unsigned_at(array->data + 4 * i, 4);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
