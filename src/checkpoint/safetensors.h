/* SPDX-License-Identifier: MIT
 * One .safetensors file: named tensors inside a mapping.
 *
 * Format: u64 little-endian header length n; n bytes of JSON {"name": {"dtype", "shape", "data_offsets": [begin, end]},
 * ..., "__metadata__": {...}}; then the data, to which the offsets are relative.
 * Source: huggingface/safetensors, README "Format". */
#ifndef CNA_CHECKPOINT_SAFETENSORS_H
#define CNA_CHECKPOINT_SAFETENSORS_H

#include "base/file.h"
#include "tensor/dtype.h"

enum { CNA_TENSOR_RANK_MAX = 8 };

/* One tensor of a file. */
typedef struct cna_tensor {
    char *name;           /* owned by the file */
    const char *path;     /* of the file, for messages */
    char dtype[12];       /* as written: "BF16", "F32", "U8", ... */
    size_t rank;
    uint64_t shape[CNA_TENSOR_RANK_MAX];
    const unsigned char *data; /* borrowed from the mapping */
    uint64_t n_bytes;
} cna_tensor;

typedef struct cna_safetensors {
    cna_map map;
    cna_tensor *tensors; /* [n_tensors] */
    size_t n_tensors;
} cna_safetensors;

/* Map a file and check its table: lengths inside the file, known dtypes of the size that shape and offsets say.
 * Errors: ERR_IO, ERR_FORMAT with file, tensor, expected and found. */
CNA_MUST_CHECK cna_status cna_safetensors_open(const char *path, cna_safetensors *out, cna_error *err);
void cna_safetensors_close(cna_safetensors *file);

#endif
