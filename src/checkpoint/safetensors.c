/* SPDX-License-Identifier: MIT
 * One .safetensors file. */
#include "checkpoint/safetensors.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"

enum { HEADER_BYTES_MAX = 100000000 }; /* the reference implementation's limit */

static size_t dtype_bytes(const char *dtype)
{
    static const struct {
        const char *name;
        size_t n_bytes;
    } known[] = {{"F64", 8},  {"I64", 8}, {"U64", 8}, {"F32", 4}, {"I32", 4},     {"U32", 4},     {"F16", 2},
                 {"BF16", 2}, {"I16", 2}, {"U16", 2}, {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"U8", 1},
                 {"BOOL", 1}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].name, dtype) == 0) return known[i].n_bytes;
    }
    return 0;
}

static cna_status read_shape(const json_t *entry, const char *where, cna_tensor *out, cna_error *err)
{
    json_t *shape;
    CNA_TRY(cna_json_get_array(entry, "shape", where, &shape, err));
    out->rank = json_array_size(shape);
    if (out->rank > CNA_TENSOR_RANK_MAX) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: expected at most %d dimensions, found %zu", where,
                        (int)CNA_TENSOR_RANK_MAX, out->rank);
    }
    for (size_t i = 0; i < out->rank; i++) {
        const json_t *dimension = json_array_get(shape, i);
        if (!json_is_integer(dimension) || json_integer_value(dimension) < 0) {
            return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'shape': expected whole numbers, found %s", where,
                            json_is_integer(dimension) ? "a negative one" : cna_json_type_name(dimension));
        }
        out->shape[i] = (uint64_t)json_integer_value(dimension);
    }
    return CNA_OK;
}

static cna_status read_offsets(const json_t *entry, const char *where, uint64_t n_data, uint64_t *begin, uint64_t *end,
                               cna_error *err)
{
    json_t *offsets;
    CNA_TRY(cna_json_get_array(entry, "data_offsets", where, &offsets, err));
    const json_t *first = json_array_get(offsets, 0), *second = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(second) ||
        json_integer_value(first) < 0 || json_integer_value(second) < json_integer_value(first)) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'data_offsets': expected [begin, end] with begin <= end", where);
    }
    *begin = (uint64_t)json_integer_value(first);
    *end = (uint64_t)json_integer_value(second);
    if (*end > n_data) {
        return cna_fail(err, CNA_ERR_FORMAT,
                        "%s: expected data up to byte %llu, found a file with %llu; is it complete?",
                        where, (unsigned long long)*end, (unsigned long long)n_data);
    }
    return CNA_OK;
}

static cna_status read_tensor(const cna_tensor_file *file, const char *name, const json_t *entry,
                              const unsigned char *data, uint64_t n_data, cna_tensor *out, cna_error *err)
{
    char where[512];
    snprintf(where, sizeof where, "%s: tensor '%s'", file->map.path, name);
    if (!json_is_object(entry)) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: expected an object, found %s", where, cna_json_type_name(entry));
    }
    const char *dtype;
    CNA_TRY(cna_json_get_string(entry, "dtype", where, &dtype, err));
    size_t unit = dtype_bytes(dtype);
    if (unit == 0) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'dtype': expected a known one, found '%s'", where, dtype);
    }
    snprintf(out->dtype, sizeof out->dtype, "%s", dtype);
    CNA_TRY(read_shape(entry, where, out, err));
    uint64_t begin = 0, end = 0;
    CNA_TRY(read_offsets(entry, where, n_data, &begin, &end, err));
    /* Multiply the dimensions up, checking by division against the bytes there are. */
    uint64_t n_units = 1, limit = (end - begin) / unit;
    for (size_t i = 0; i < out->rank; i++) n_units = out->shape[i] == 0 ? 0 : n_units;
    for (size_t i = 0; i < out->rank; i++) {
        if (out->shape[i] != 0 && n_units > limit / out->shape[i]) {
            return cna_fail(err, CNA_ERR_FORMAT,
                            "%s: expected %llu bytes or fewer for its shape, found more values", where,
                            (unsigned long long)(end - begin));
        }
        n_units *= out->shape[i];
    }
    if (n_units * unit != end - begin) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: expected %llu bytes for its shape and dtype, found %llu", where,
                        (unsigned long long)(n_units * unit), (unsigned long long)(end - begin));
    }
    out->data = data + begin;
    out->n_bytes = end - begin;
    out->path = file->map.path;
    return cna_copy_bytes(&out->name, name, strlen(name), "tensor name", err);
}

static cna_status read_table(cna_tensor_file *file, const json_t *root, const unsigned char *data, uint64_t n_data,
                             cna_error *err)
{
    if (!json_is_object(root)) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: header: expected an object, found %s", file->map.path,
                        cna_json_type_name(root));
    }
    CNA_TRY(cna_alloc(&file->tensors, json_object_size(root), sizeof *file->tensors, "tensor table", err));
    /* jansson's object iterator takes a non-const pointer and does not change the object. */
    json_t *object = (json_t *)(uintptr_t)root;
    const char *name;
    json_t *entry;
    json_object_foreach(object, name, entry) {
        if (strcmp(name, "__metadata__") == 0) continue;
        CNA_TRY(read_tensor(file, name, entry, data, n_data, &file->tensors[file->n_tensors], err));
        file->n_tensors++;
    }
    return cna_tensor_file_check_overlaps(file, err);
}

cna_status cna_safetensors_open(const char *path, cna_tensor_file *out, cna_error *err)
{
    *out = (cna_tensor_file){0};
    CNA_TRY(cna_map_open(path, &out->map, err));
    cna_status status;
    json_t *root = NULL;
    uint64_t n_header = 0;
    if (out->map.size < 8) {
        status = cna_fail(err, CNA_ERR_FORMAT,
                          "%s: expected a safetensors header, found %zu bytes", path, out->map.size);
        goto cleanup;
    }
    for (size_t i = 0; i < 8; i++) n_header |= (uint64_t)out->map.data[i] << (8 * i);
    if (n_header > HEADER_BYTES_MAX || n_header > out->map.size - 8) {
        status = cna_fail(err, CNA_ERR_FORMAT,
                          "%s: expected a header of at most %zu bytes, found a length of %llu; is it a complete "
                          "safetensors file?", path, out->map.size - 8, (unsigned long long)n_header);
        goto cleanup;
    }
    const unsigned char *header = out->map.data + 8, *data = header + n_header;
    CNA_TRY_CLEANUP(cna_json_parse((const char *)header, (size_t)n_header, path, &root, err));
    CNA_TRY_CLEANUP(read_table(out, root, data, out->map.size - 8 - n_header, err));
cleanup:
    json_decref(root);
    if (status != CNA_OK) cna_tensor_file_close(out);
    return status;
}
