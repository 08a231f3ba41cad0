/* SPDX-License-Identifier: MIT
 * A mapped file and the tensors in it, whatever its format. */
#ifndef CNA_CHECKPOINT_TENSOR_FILE_H
#define CNA_CHECKPOINT_TENSOR_FILE_H

#include "base/file.h"
#include "tensor/dtype.h"

enum { CNA_TENSOR_RANK_MAX = 8 };

/* One tensor of a file. */
typedef struct cna_tensor {
    char *name;           /* owned by the file */
    const char *path;     /* of the file, for messages */
    char dtype[12];       /* as the format calls it: "BF16", "F32", "U8", "Q4_K", ... */
    size_t rank;
    uint64_t shape[CNA_TENSOR_RANK_MAX]; /* the last dimension is the one whose values lie side by side */
    const unsigned char *data; /* borrowed from the mapping */
    uint64_t n_bytes;
} cna_tensor;

typedef struct cna_tensor_file {
    cna_map map;
    cna_tensor *tensors; /* [n_tensors] */
    size_t n_tensors;
} cna_tensor_file;

/* ERR_FORMAT where the data of two tensors have bytes in common. */
CNA_MUST_CHECK cna_status cna_tensor_file_check_overlaps(const cna_tensor_file *file, cna_error *err);
void cna_tensor_file_close(cna_tensor_file *file);

#endif
