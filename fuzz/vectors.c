/* SPDX-License-Identifier: MIT
 * A control vector's .gguf file. Vectors that are read are written, and what is written is read again: the same. */
#include "support.h"

#include <stdio.h>
#include <string.h>

static void write_again(const cna_caa *caa)
{
    char path[128];
    cna_error err;
    cna_caa *again;
    const cna_caa_info *info = cna_caa_get_info(caa);
    snprintf(path, sizeof path, "%s/again.gguf", fuzz_folder());
    if (!fuzz_ok(cna_caa_write(caa, path, &err), &err)) return;
    fuzz_require(fuzz_ok(cna_caa_read(path, &again, &err), &err));
    const cna_caa_info *second = cna_caa_get_info(again);
    fuzz_require(second->n_vectors == info->n_vectors && second->hidden_dim == info->hidden_dim);
    size_t n_values = info->n_vectors * info->hidden_dim;
    fuzz_require(memcmp(cna_caa_layers(caa), cna_caa_layers(again), info->n_vectors * sizeof(uint32_t)) == 0);
    fuzz_require(memcmp(cna_caa_vectors(caa), cna_caa_vectors(again), n_values * sizeof(float)) == 0);
    cna_caa_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file("vectors.gguf", data, size);
    cna_error err;
    cna_caa *caa;
    fuzz_bound(size, 1 << 16, 256);
    bool is_file = cna_caa_is_file(path);
    if (!fuzz_ok(cna_caa_read(path, &caa, &err), &err)) return 0;
    fuzz_require(is_file);
    write_again(caa);
    cna_caa_free(caa);
    return 0;
}
