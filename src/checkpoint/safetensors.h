/* SPDX-License-Identifier: MIT
 * One .safetensors file: named tensors inside a mapping.
 *
 * Format: u64 little-endian header length n; n bytes of JSON {"name": {"dtype", "shape", "data_offsets": [begin, end]},
 * ..., "__metadata__": {...}}; then the data, to which the offsets are relative.
 * Source: huggingface/safetensors, README "Format". */
#ifndef CNA_CHECKPOINT_SAFETENSORS_H
#define CNA_CHECKPOINT_SAFETENSORS_H

#include "checkpoint/tensor_file.h"

/* Map a file and check its table: lengths inside the file, known dtypes of the size that shape and offsets say,
 * no byte in two tensors.
 * Errors: ERR_IO, ERR_FORMAT with file, tensor, expected and found. */
CNA_MUST_CHECK cna_status cna_safetensors_open(const char *path, cna_tensor_file *out, cna_error *err);

#endif
