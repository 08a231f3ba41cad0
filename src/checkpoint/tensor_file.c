/* SPDX-License-Identifier: MIT
 * A mapped file and the tensors in it. */
#include "checkpoint/tensor_file.h"

void cna_tensor_file_close(cna_tensor_file *file)
{
    for (size_t i = 0; i < file->n_tensors; i++) cna_free(file->tensors[i].name);
    cna_free(file->tensors);
    cna_map_close(&file->map);
    *file = (cna_tensor_file){0};
}
