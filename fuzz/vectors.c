/* SPDX-License-Identifier: MIT
 * A control vector. One that is read holds what its header promises, is written, and what is written is read again and
 * written to the same bytes. */
#include "support.h"

#include <math.h>
#include <string.h>

#include "method/caa.h"

static void check(const cna_caa *caa)
{
    const cna_caa_info *info = cna_caa_get_info(caa);
    fuzz_require(info->n_vectors > 0 && info->hidden_dim > 0);
    for (size_t i = 0; i < info->n_vectors; i++) {
        fuzz_require(i == 0 || caa->layers[i] > caa->layers[i - 1]);
        fuzz_require(info->n_layers == 0 || caa->layers[i] < info->n_layers);
    }
    for (size_t i = 0; i < info->n_vectors * info->hidden_dim; i++) fuzz_require(isfinite(caa->vectors[i]));
}

static void write_again(const cna_caa *caa)
{
    cna_error err;
    cna_caa *again;
    cna_buffer first = {0}, second = {0};
    fuzz_require(fuzz_ok(cna_caa_to_gguf(caa, &first, &err), &err));
    const char *path = fuzz_file("again.gguf", first.data, first.size);
    fuzz_require(fuzz_ok(cna_caa_read(path, &again, &err), &err));
    fuzz_require(fuzz_ok(cna_caa_to_gguf(again, &second, &err), &err));
    fuzz_require(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
    cna_caa_free(again);
    cna_buffer_free(&first);
    cna_buffer_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file("vector.gguf", data, size);
    cna_error err;
    cna_caa *caa;
    fuzz_bound(size, 1 << 20, 256);
    (void)cna_caa_is_file(path);
    if (!fuzz_ok(cna_caa_read(path, &caa, &err), &err)) return 0;
    check(caa);
    write_again(caa);
    cna_caa_free(caa);
    return 0;
}
