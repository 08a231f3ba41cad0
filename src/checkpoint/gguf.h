/* SPDX-License-Identifier: MIT
 * One .gguf file: metadata and named tensors inside a mapping.
 *
 * Format, versions 2 and 3, little-endian: "GGUF"; u32 version; u64 number of tensors; u64 number of metadata entries;
 * the entries: key, u32 type, value; the tensors: name, u32 number of dimensions, u64 each of them, the one whose
 * values lie side by side first, u32 type, u64 offset; padding to the alignment (key general.alignment, 32 where it is
 * absent); the data, to which the offsets are relative. A string is a u64 length and UTF-8; an array a u32 element
 * type, a u64 length and its elements.
 * Source: ggml-org/ggml, docs/gguf.md. */
#ifndef CNA_CHECKPOINT_GGUF_H
#define CNA_CHECKPOINT_GGUF_H

#include "checkpoint/tensor_file.h"

/* In the format's own order. */
typedef enum cna_gguf_type {
    CNA_GGUF_U8,
    CNA_GGUF_I8,
    CNA_GGUF_U16,
    CNA_GGUF_I16,
    CNA_GGUF_U32,
    CNA_GGUF_I32,
    CNA_GGUF_F32,
    CNA_GGUF_BOOL,
    CNA_GGUF_STRING,
    CNA_GGUF_ARRAY,
    CNA_GGUF_U64,
    CNA_GGUF_I64,
    CNA_GGUF_F64,
    CNA_GGUF_TYPE_COUNT
} cna_gguf_type;

/* One metadata entry, borrowed from the mapping. */
typedef struct cna_gguf_value {
    const char *key; /* [n_key], no NUL behind */
    size_t n_key;
    cna_gguf_type type, element; /* element: of an array */
    uint64_t n;                  /* elements of an array, bytes of a string, else 1 */
    const unsigned char *data;   /* the number, the first byte or the first element */
} cna_gguf_value;

typedef struct cna_gguf {
    cna_tensor_file file;
    cna_gguf_value *values; /* [n_values] sorted by key */
    size_t n_values;
} cna_gguf;

/* Map a file and check all of it but the tensors' numbers: counts and lengths inside the file, known types, keys met
 * once, UTF-8, offsets that are aligned and data that neither overlaps nor ends outside the file. Tensor shapes are
 * turned round, so that a matrix is [rows, cols].
 * Errors: ERR_IO; ERR_FORMAT, and ERR_UNSUPPORTED for another version, another byte order or a tensor type that is not
 *         read; each names file, key or tensor, expected and found. */
CNA_MUST_CHECK cna_status cna_gguf_open(const char *path, cna_gguf *out, cna_error *err);
void cna_gguf_close(cna_gguf *gguf);

/* The entry of that key, or NULL. Borrowed. */
const cna_gguf_value *cna_gguf_find(const cna_gguf *gguf, const char *key);

/* Typed access: *out is left as it was where the key is absent. Errors: ERR_FORMAT for a value of another type or out
 * of range.
 *   find_int     any integer type, min .. max
 *   find_number  f32 or f64, finite
 *   find_string  *out borrowed from the mapping, no NUL behind
 *   find_array   an array of the element type */
CNA_MUST_CHECK cna_status cna_gguf_find_int(const cna_gguf *gguf, const char *key, int64_t min, int64_t max,
                                            int64_t *out, cna_error *err);
CNA_MUST_CHECK cna_status cna_gguf_find_number(const cna_gguf *gguf, const char *key, double *out, cna_error *err);
CNA_MUST_CHECK cna_status cna_gguf_find_bool(const cna_gguf *gguf, const char *key, bool *out, cna_error *err);
CNA_MUST_CHECK cna_status cna_gguf_find_string(const cna_gguf *gguf, const char *key, const char **out,
                                               size_t *out_n_bytes, cna_error *err);
CNA_MUST_CHECK cna_status cna_gguf_find_array(const cna_gguf *gguf, const char *key, cna_gguf_type element,
                                              const cna_gguf_value **out, cna_error *err);

/* Walk over an array of strings: *at begins as the array's data, and is moved to the next element. Call it n times at
 * most. The text is UTF-8, borrowed, without a NUL behind. */
const char *cna_gguf_next_string(const unsigned char **at, size_t *n_bytes);
/* Element i of an array of I32. */
int32_t cna_gguf_i32_at(const cna_gguf_value *array, uint64_t i);
/* Of F32. */
float cna_gguf_f32_at(const cna_gguf_value *array, uint64_t i);

/* "u8", "string", ... */
const char *cna_gguf_type_name(cna_gguf_type type);

#endif
