/* SPDX-License-Identifier: MIT
 * A mapped file and the tensors in it. */
#include "checkpoint/tensor_file.h"

#include <stdlib.h>

void cna_tensor_file_close(cna_tensor_file *file)
{
    for (size_t i = 0; i < file->n_tensors; i++) cna_free(file->tensors[i].name);
    cna_free(file->tensors);
    cna_map_close(&file->map);
    *file = (cna_tensor_file){0};
}

static int compare_places(const void *a, const void *b)
{
    const cna_tensor *const *x = a, *const *y = b;
    return ((*x)->data > (*y)->data) - ((*x)->data < (*y)->data);
}

cna_status cna_tensor_file_check_overlaps(const cna_tensor_file *file, cna_error *err)
{
    const cna_tensor **sorted;
    CNA_TRY(cna_alloc(&sorted, file->n_tensors, sizeof *sorted, "tensor table", err));
    size_t n = 0;
    for (size_t i = 0; i < file->n_tensors; i++) {
        if (file->tensors[i].n_bytes != 0) sorted[n++] = &file->tensors[i];
    }
    if (n != 0) qsort(sorted, n, sizeof *sorted, compare_places);
    cna_status status = CNA_OK;
    for (size_t i = 1; i < n && status == CNA_OK; i++) {
        const cna_tensor *before = sorted[i - 1];
        uint64_t distance = (uint64_t)(sorted[i]->data - before->data);
        if (distance >= before->n_bytes) continue;
        status = cna_fail(err, CNA_ERR_FORMAT,
                          "%s: tensor '%s': expected data of its own, found it to overlap that of '%s'", file->map.path,
                          sorted[i]->name, before->name);
    }
    cna_free(sorted);
    return status;
}
