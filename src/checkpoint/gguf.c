/* SPDX-License-Identifier: MIT
 * One .gguf file. Nothing read from it is a size before it was compared with the bytes that are left. */
#include "checkpoint/gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

enum {
    KEY_BYTES_MAX = 65535,
    NAME_BYTES_MAX = 255,     /* ggml's own limit is 63 */
    RANK_MAX = 4,             /* ggml's own */
    NESTING_MAX = 4,          /* arrays in arrays: nobody writes any */
    ENTRY_BYTES_MIN = 14,     /* a key of one byte, a type, a value of one byte */
    TENSOR_BYTES_MIN = 33,    /* a name of one byte, one dimension */
    ALIGNMENT = 32,
    ALIGNMENT_MAX = 1 << 16,
};

/* What is left to read of a file's head. */
typedef struct reader {
    const cna_map *map;
    size_t at;
    char where[320]; /* "FILE: key 'NAME'" of what is being read */
} reader;

static size_t left(const reader *r)
{
    return r->map->size - r->at;
}

static cna_status take(reader *r, uint64_t n_bytes, const unsigned char **out, cna_error *err)
{
    *out = r->map->data + r->at;
    if (n_bytes > left(r)) {
        return cna_fail(err, CNA_ERR_FORMAT,
                        "%s: expected %llu more bytes at byte %zu, found %zu; is the file complete?", r->where,
                        (unsigned long long)n_bytes, r->at, left(r));
    }
    r->at += (size_t)n_bytes;
    return CNA_OK;
}

static uint64_t number_at(const unsigned char *bytes, size_t n_bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n_bytes; i++) value |= (uint64_t)bytes[i] << 8 * i;
    return value;
}

static cna_status read_number(reader *r, size_t n_bytes, uint64_t *out, cna_error *err)
{
    const unsigned char *bytes;
    *out = 0;
    CNA_TRY(take(r, n_bytes, &bytes, err));
    *out = number_at(bytes, n_bytes);
    return CNA_OK;
}

static cna_status read_string(reader *r, const unsigned char **out, uint64_t *n_bytes, cna_error *err)
{
    size_t bad;
    CNA_TRY(read_number(r, 8, n_bytes, err));
    CNA_TRY(take(r, *n_bytes, out, err));
    if (cna_utf8_check((const char *)*out, (size_t)*n_bytes, &bad)) return CNA_OK;
    return cna_fail(err, CNA_ERR_FORMAT, "%s: expected UTF-8, found byte 0x%02x at byte %zu of the file", r->where,
                    (*out)[bad], (size_t)(*out - r->map->data) + bad);
}

/* A key or a tensor's name, which becomes where the reader is. */
static cna_status read_name(reader *r, const char *kind, size_t max, const char **out, size_t *out_n, cna_error *err)
{
    const unsigned char *text;
    uint64_t n_bytes;
    CNA_TRY(read_string(r, &text, &n_bytes, err));
    if (n_bytes == 0 || n_bytes > max || memchr(text, 0, (size_t)n_bytes) != NULL) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: expected a name of 1 to %zu bytes without NUL, found %s", r->where,
                        max,
                        n_bytes == 0    ? "an empty one"
                        : n_bytes > max ? "a longer one"
                                        : "a NUL");
    }
    *out = (const char *)text;
    *out_n = (size_t)n_bytes;
    snprintf(r->where, sizeof r->where, "%.200s: %s '%.*s'", r->map->path, kind, (int)(n_bytes < 80 ? n_bytes : 80),
             (const char *)text);
    return CNA_OK;
}

/* --------------------------------------------------------------------------------------------------- metadata */

static const struct {
    const char *name;
    unsigned char n_bytes; /* 0: not of a fixed size */
} types[CNA_GGUF_TYPE_COUNT] = {
    [CNA_GGUF_U8] = {"u8", 1},   [CNA_GGUF_I8] = {"i8", 1},     [CNA_GGUF_U16] = {"u16", 2},
    [CNA_GGUF_I16] = {"i16", 2}, [CNA_GGUF_U32] = {"u32", 4},   [CNA_GGUF_I32] = {"i32", 4},
    [CNA_GGUF_F32] = {"f32", 4}, [CNA_GGUF_BOOL] = {"bool", 1}, [CNA_GGUF_STRING] = {"string", 0},
    [CNA_GGUF_U64] = {"u64", 8}, [CNA_GGUF_ARRAY] = {"array", 0}, [CNA_GGUF_I64] = {"i64", 8},
    [CNA_GGUF_F64] = {"f64", 8},
};

const char *cna_gguf_type_name(cna_gguf_type type)
{
    return types[type].name;
}

static cna_status read_type(reader *r, cna_gguf_type *out, cna_error *err)
{
    uint64_t type;
    CNA_TRY(read_number(r, 4, &type, err));
    if (type >= CNA_GGUF_TYPE_COUNT) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: expected a value type of 0 to %d, found %llu", r->where,
                        CNA_GGUF_TYPE_COUNT - 1, (unsigned long long)type);
    }
    *out = (cna_gguf_type)type;
    return CNA_OK;
}

static cna_status check_bools(const reader *r, const unsigned char *bytes, uint64_t n, cna_error *err)
{
    for (uint64_t i = 0; i < n; i++) {
        if (bytes[i] > 1)
            return cna_fail(err, CNA_ERR_FORMAT, "%s: expected bool 0 or 1, found %u", r->where, bytes[i]);
    }
    return CNA_OK;
}

static cna_status read_elements(reader *r, cna_gguf_type element, uint64_t n, unsigned depth, cna_error *err);

/* The type and length of an array and all that is in it; element and n stay those of the outermost one. */
static cna_status read_array(reader *r, unsigned depth, cna_gguf_type *element, uint64_t *n,
                             const unsigned char **data, cna_error *err)
{
    CNA_TRY(read_type(r, element, err));
    CNA_TRY(read_number(r, 8, n, err));
    /* What an element takes at least: so that no loop is longer than the file. */
    size_t least = *element == CNA_GGUF_STRING ? 8 : *element == CNA_GGUF_ARRAY ? 12 : types[*element].n_bytes;
    if (*n > left(r) / least) {
        return cna_fail(err, CNA_ERR_FORMAT,
                        "%s: expected at most %zu elements of type %s in the rest of the file, found "
                        "%llu; is the file complete?",
                        r->where, left(r) / least, types[*element].name, (unsigned long long)*n);
    }
    *data = r->map->data + r->at;
    return read_elements(r, *element, *n, depth, err);
}

static cna_status read_elements(reader *r, cna_gguf_type element, uint64_t n, unsigned depth, cna_error *err)
{
    const unsigned char *bytes;
    uint64_t n_inner;
    if (types[element].n_bytes != 0) {
        CNA_TRY(take(r, n * types[element].n_bytes, &bytes, err));
        return element == CNA_GGUF_BOOL ? check_bools(r, bytes, n, err) : CNA_OK;
    }
    if (depth == NESTING_MAX) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: expected at most %d arrays in one another, found more", r->where,
                        (int)NESTING_MAX);
    }
    for (uint64_t i = 0; i < n; i++) {
        cna_gguf_type inner;
        if (element == CNA_GGUF_STRING) CNA_TRY(read_string(r, &bytes, &n_inner, err));
        else CNA_TRY(read_array(r, depth + 1, &inner, &n_inner, &bytes, err));
    }
    return CNA_OK;
}

static cna_status read_entry(reader *r, uint64_t index, cna_gguf_value *out, cna_error *err)
{
    snprintf(r->where, sizeof r->where, "%.200s: metadata entry %llu", r->map->path, (unsigned long long)index + 1);
    CNA_TRY(read_name(r, "key", KEY_BYTES_MAX, &out->key, &out->n_key, err));
    CNA_TRY(read_type(r, &out->type, err));
    out->n = 1;
    if (out->type == CNA_GGUF_STRING) return read_string(r, &out->data, &out->n, err);
    if (out->type == CNA_GGUF_ARRAY) return read_array(r, 1, &out->element, &out->n, &out->data, err);
    CNA_TRY(take(r, types[out->type].n_bytes, &out->data, err));
    return out->type == CNA_GGUF_BOOL ? check_bools(r, out->data, 1, err) : CNA_OK;
}

static int compare_texts(const char *a, size_t n_a, const char *b, size_t n_b)
{
    int order = memcmp(a, b, n_a < n_b ? n_a : n_b);
    return order != 0 ? order : (n_a > n_b) - (n_a < n_b);
}

static int compare_values(const void *a, const void *b)
{
    const cna_gguf_value *x = a, *y = b;
    return compare_texts(x->key, x->n_key, y->key, y->n_key);
}

static cna_status read_metadata(reader *r, uint64_t n, cna_gguf *out, cna_error *err)
{
    CNA_TRY(cna_alloc(&out->values, (size_t)n, sizeof *out->values, "metadata", err));
    for (uint64_t i = 0; i < n; i++) CNA_TRY(read_entry(r, i, &out->values[i], err));
    out->n_values = (size_t)n;
    qsort(out->values, out->n_values, sizeof *out->values, compare_values);
    for (size_t i = 1; i < out->n_values; i++) {
        const cna_gguf_value *value = &out->values[i];
        if (compare_values(value - 1, value) != 0) continue;
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key '%.*s': expected once, found twice", r->map->path,
                        (int)(value->n_key < 80 ? value->n_key : 80), value->key);
    }
    return CNA_OK;
}

/* ---------------------------------------------------------------------------------------------------- tensors */

/* ggml's numbers of types; those that have no storage here are named in messages. */
static const char *tensor_type_name(uint64_t type)
{
    static const char *const names[] = {
        [0] = "F32",      [1] = "F16",     [2] = "Q4_0",     [3] = "Q4_1",     [6] = "Q5_0",    [7] = "Q5_1",
        [8] = "Q8_0",     [9] = "Q8_1",    [10] = "Q2_K",    [11] = "Q3_K",    [12] = "Q4_K",   [13] = "Q5_K",
        [14] = "Q6_K",    [15] = "Q8_K",   [16] = "IQ2_XXS", [17] = "IQ2_XS",  [18] = "IQ3_XXS", [19] = "IQ1_S",
        [20] = "IQ4_NL",  [21] = "IQ3_S",  [22] = "IQ2_S",   [23] = "IQ4_XS",  [24] = "I8",     [25] = "I16",
        [26] = "I32",     [27] = "I64",    [28] = "F64",     [29] = "IQ1_M",   [30] = "BF16",   [34] = "TQ1_0",
        [35] = "TQ2_0",   [39] = "MXFP4"};
    return type < sizeof names / sizeof *names ? names[type] : NULL;
}

static cna_status read_storage(reader *r, cna_tensor *out, cna_storage *storage, cna_error *err)
{
    uint64_t type;
    CNA_TRY(read_number(r, 4, &type, err));
    const char *name = tensor_type_name(type);
    if (name == NULL || !cna_storage_find(name, storage)) {
        return cna_fail(err, CNA_ERR_UNSUPPORTED,
                        "%s: expected type F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K to "
                        "Q6_K, IQ4_NL or IQ4_XS, found %s (%llu); use a file quantised in another way",
                        r->where, name == NULL ? "an unknown one" : name, (unsigned long long)type);
    }
    snprintf(out->dtype, sizeof out->dtype, "%s", name);
    return CNA_OK;
}

static cna_status read_shape(reader *r, cna_tensor *out, cna_error *err)
{
    uint64_t rank;
    CNA_TRY(read_number(r, 4, &rank, err));
    if (rank == 0 || rank > RANK_MAX) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: expected 1 to %d dimensions, found %llu", r->where, (int)RANK_MAX,
                        (unsigned long long)rank);
    }
    out->rank = (size_t)rank;
    for (size_t i = 0; i < out->rank; i++) {
        uint64_t *dimension = &out->shape[out->rank - 1 - i];
        CNA_TRY(read_number(r, 8, dimension, err));
        if (*dimension == 0) return cna_fail(err, CNA_ERR_FORMAT, "%s: expected dimensions above 0, found 0", r->where);
    }
    return CNA_OK;
}

/* Bytes of a tensor, none of which is there where they would be more than the whole file. */
static cna_status measure(const reader *r, cna_storage storage, cna_tensor *out, cna_error *err)
{
    uint64_t block = cna_storage_block(storage), block_bytes = cna_storage_bytes(storage, block);
    uint64_t cols = out->shape[out->rank - 1], n_blocks = cols / block, limit = r->map->size / block_bytes;
    if (cols % block != 0) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: expected rows of a multiple of %llu values for %s, found %llu",
                        r->where, (unsigned long long)block, out->dtype, (unsigned long long)cols);
    }
    for (size_t i = 0; i + 1 < out->rank && n_blocks <= limit; i++) {
        n_blocks = out->shape[i] > limit / n_blocks ? limit + 1 : n_blocks * out->shape[i];
    }
    if (n_blocks > limit) {
        return cna_fail(err, CNA_ERR_FORMAT,
                        "%s: expected no more values than a file of %zu bytes holds, found more in its "
                        "shape",
                        r->where, r->map->size);
    }
    out->n_bytes = n_blocks * block_bytes;
    return CNA_OK;
}

/* All but where the data lies, whose offset is kept in its place until the end of the table is known. */
static cna_status read_tensor(reader *r, uint64_t index, cna_tensor *out, uint64_t *offset, cna_error *err)
{
    const char *name;
    size_t n_name;
    cna_storage storage;
    snprintf(r->where, sizeof r->where, "%.200s: tensor entry %llu", r->map->path, (unsigned long long)index + 1);
    CNA_TRY(read_name(r, "tensor", NAME_BYTES_MAX, &name, &n_name, err));
    CNA_TRY(read_shape(r, out, err));
    CNA_TRY(read_storage(r, out, &storage, err));
    CNA_TRY(measure(r, storage, out, err));
    CNA_TRY(read_number(r, 8, offset, err));
    out->path = r->map->path;
    return cna_copy_bytes(&out->name, name, n_name, "tensor name", err);
}

static cna_status place_tensor(const cna_map *map, size_t begin, uint64_t alignment, uint64_t offset,
                               cna_tensor *tensor, cna_error *err)
{
    if (offset % alignment != 0) {
        return cna_fail(err, CNA_ERR_FORMAT,
                        "%s: tensor '%s': expected an offset that is a multiple of %llu, found %llu", map->path,
                        tensor->name, (unsigned long long)alignment, (unsigned long long)offset);
    }
    uint64_t n_data = begin < map->size ? map->size - begin : 0;
    if (offset > n_data || tensor->n_bytes > n_data - offset) {
        return cna_fail(err, CNA_ERR_FORMAT,
                        "%s: tensor '%s': expected %llu bytes of data at offset %llu, found a file with "
                        "%llu bytes of data; is it complete?",
                        map->path, tensor->name, (unsigned long long)tensor->n_bytes, (unsigned long long)offset,
                        (unsigned long long)n_data);
    }
    tensor->data = map->data + begin + offset;
    return CNA_OK;
}

static cna_status read_alignment(const cna_gguf *gguf, uint64_t *out, cna_error *err)
{
    int64_t alignment = ALIGNMENT;
    CNA_TRY(cna_gguf_find_int(gguf, "general.alignment", INT64_MIN, INT64_MAX, &alignment, err));
    if (alignment < 1 || alignment > ALIGNMENT_MAX || (alignment & (alignment - 1)) != 0) {
        return cna_fail(err, CNA_ERR_FORMAT,
                        "%s: key 'general.alignment': expected a power of two up to %d, found %lld",
                        gguf->file.map.path, (int)ALIGNMENT_MAX, (long long)alignment);
    }
    *out = (uint64_t)alignment;
    return CNA_OK;
}

static cna_status read_tensors(reader *r, uint64_t n, cna_gguf *out, cna_error *err)
{
    cna_tensor_file *file = &out->file;
    uint64_t *offsets = NULL, alignment = ALIGNMENT;
    cna_status status;
    CNA_TRY(read_alignment(out, &alignment, err));
    CNA_TRY(cna_alloc(&file->tensors, (size_t)n, sizeof *file->tensors, "tensor table", err));
    CNA_TRY_CLEANUP(cna_alloc(&offsets, (size_t)n, sizeof *offsets, "tensor table", err));
    for (uint64_t i = 0; i < n; i++) {
        CNA_TRY_CLEANUP(read_tensor(r, i, &file->tensors[i], &offsets[i], err));
        file->n_tensors++;
    }
    size_t begin = r->at + (size_t)((alignment - r->at % alignment) % alignment);
    for (uint64_t i = 0; i < n; i++) {
        CNA_TRY_CLEANUP(place_tensor(r->map, begin, alignment, offsets[i], &file->tensors[i], err));
    }
    status = cna_tensor_file_check_overlaps(file, err);
cleanup:
    cna_free(offsets);
    return status;
}

/* ------------------------------------------------------------------------------------------------------- file */

static cna_status read_head(reader *r, uint64_t *n_tensors, uint64_t *n_values, cna_error *err)
{
    const unsigned char *magic;
    uint64_t version;
    snprintf(r->where, sizeof r->where, "%.200s: header", r->map->path);
    if (r->map->size < 4 || memcmp(r->map->data, "GGUF", 4) != 0) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: expected a GGUF file, which begins with 'GGUF', found another%s",
                        r->map->path, r->map->size == 0 ? ", empty one" : "");
    }
    CNA_TRY(take(r, 4, &magic, err));
    CNA_TRY(read_number(r, 4, &version, err));
    if (version != 0 && version % 65536 == 0) {
        return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: expected a little-endian file, found a big-endian one",
                        r->map->path);
    }
    if (version != 2 && version != 3) {
        return cna_fail(err, CNA_ERR_UNSUPPORTED,
                        "%s: expected GGUF version 2 or 3, found %llu; convert the model again", r->map->path,
                        (unsigned long long)version);
    }
    CNA_TRY(read_number(r, 8, n_tensors, err));
    CNA_TRY(read_number(r, 8, n_values, err));
    if (*n_values > left(r) / ENTRY_BYTES_MIN || *n_tensors > left(r) / TENSOR_BYTES_MIN) {
        return cna_fail(err, CNA_ERR_FORMAT,
                        "%s: expected at most %zu metadata entries and %zu tensors in a file of %zu bytes, "
                        "found %llu and %llu; is it complete?",
                        r->map->path, left(r) / ENTRY_BYTES_MIN, left(r) / TENSOR_BYTES_MIN, r->map->size,
                        (unsigned long long)*n_values, (unsigned long long)*n_tensors);
    }
    return CNA_OK;
}

cna_status cna_gguf_open(const char *path, cna_gguf *out, cna_error *err)
{
    *out = (cna_gguf){0};
    CNA_TRY(cna_map_open(path, &out->file.map, err));
    reader r = {.map = &out->file.map};
    uint64_t n_tensors = 0, n_values = 0;
    cna_status status;
    CNA_TRY_CLEANUP(read_head(&r, &n_tensors, &n_values, err));
    CNA_TRY_CLEANUP(read_metadata(&r, n_values, out, err));
    CNA_TRY_CLEANUP(read_tensors(&r, n_tensors, out, err));
cleanup:
    if (status != CNA_OK) cna_gguf_close(out);
    return status;
}

void cna_gguf_close(cna_gguf *gguf)
{
    cna_free(gguf->values);
    cna_tensor_file_close(&gguf->file);
    *gguf = (cna_gguf){0};
}
