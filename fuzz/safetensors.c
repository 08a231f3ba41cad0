/* SPDX-License-Identifier: MIT
 * A .safetensors file: its table, and where the table says that tensors lie. */
#include "support.h"

#include "checkpoint/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cna_error err;
    cna_tensor_file file;
    fuzz_bound(size, 1 << 16, 64);
    if (!fuzz_ok(cna_safetensors_open(fuzz_file("model.safetensors", data, size), &file, &err), &err)) return 0;
    for (size_t i = 0; i < file.n_tensors; i++) {
        const cna_tensor *tensor = &file.tensors[i];
        fuzz_require(tensor->rank <= CNA_TENSOR_RANK_MAX && tensor->name != NULL);
        fuzz_require_inside(&file.map, tensor->data, tensor->n_bytes);
    }
    cna_tensor_file_close(&file);
    return 0;
}
