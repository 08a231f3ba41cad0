/* SPDX-License-Identifier: MIT
 * A .gguf file: metadata, the shape of the model, tokenizer and chat template, and every row of every tensor, unpacked;
 * then all of that together, as a model that is inspected. */
#include "support.h"

#include <stdlib.h>

#include "checkpoint/gguf_config.h"
#include "checkpoint/gguf_path.h"
#include "text/tokenizer_gguf.h"
#include "text_use.h"

static void widen_all(const cna_tensor *tensor)
{
    cna_storage storage;
    size_t cols = (size_t)tensor->shape[tensor->rank - 1];
    fuzz_require(cna_storage_find(tensor->dtype, &storage));
    cna_matrix_view view = {.data = tensor->data, .storage = storage, .rows = 1, .cols = cols};
    for (size_t i = 0; i + 1 < tensor->rank; i++) view.rows *= (size_t)tensor->shape[i];
    fuzz_require(cna_matrix_bytes(&view) == tensor->n_bytes);
    float *row = malloc(cols * sizeof *row);
    fuzz_require(row != NULL);
    for (size_t i = 0; i < view.rows; i++) cna_matrix_widen(&view, i, 0, cols, row);
    free(row);
}

static void use_tokenizer(const cna_gguf *gguf)
{
    cna_error err;
    cna_tokenizer *tokenizer;
    if (!fuzz_ok(cna_alloc(&tokenizer, 1, sizeof *tokenizer, "tokenizer", &err), &err)) return;
    if (fuzz_ok(cna_tokenizer_load_gguf(tokenizer, gguf, &err), &err)) {
        fuzz_use_tokenizer(tokenizer, "Name a tree.\n  caf\xC3\xA9 12345 <s>", 31);
    }
    cna_tokenizer_free(tokenizer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file("model.gguf", data, size);
    cna_error err;
    cna_gguf gguf;
    cna_config config;
    cna_model_info info;
    size_t n_files;
    fuzz_bound(size, 1 << 20, 256);
    if (!fuzz_ok(cna_gguf_open(path, &gguf, &err), &err)) return 0;
    for (size_t i = 0; i < gguf.file.n_tensors; i++) {
        fuzz_require_inside(&gguf.file.map, gguf.file.tensors[i].data, gguf.file.tensors[i].n_bytes);
        widen_all(&gguf.file.tensors[i]);
    }
    if (fuzz_ok(cna_gguf_count_files(&gguf, &n_files, &err), &err)) fuzz_require(n_files > 0);
    (void)fuzz_ok(cna_gguf_read_config(&gguf, &config, &err), &err);
    use_tokenizer(&gguf);
    cna_gguf_close(&gguf);
    (void)fuzz_ok(cna_model_inspect(path, &info, &err), &err);
    return 0;
}
