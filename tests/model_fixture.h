/* SPDX-License-Identifier: MIT
 * Small models with random weights, written as Hugging Face folders. */
#ifndef CNA_TESTS_MODEL_FIXTURE_H
#define CNA_TESTS_MODEL_FIXTURE_H

#include "base/buffer.h"
#include "numbers.h"
#include "tensor/dtype.h"

/* A .safetensors file in the making; all-zero to begin with. */
typedef struct tensor_file {
    cna_buffer header, data;
} tensor_file;

/* Append a tensor. shape is JSON such as "[2,3]". */
void tensor_file_add(tensor_file *file, const char *name, const char *dtype, const char *shape, const void *bytes,
                     size_t n_bytes);
/* Append mean + deviation * normal in a storage that is not quantised; cols 0: a vector of `rows`. */
void model_fixture_add_random(tensor_file *file, const char *name, cna_storage storage, size_t rows, size_t cols,
                              double mean, double deviation, numbers *random);
/* Write folder/name and empty the file. */
void tensor_file_write(tensor_file *file, const char *folder, const char *name);

typedef struct model_fixture {
    const char *architecture; /* "llama" or "qwen2" */
    uint32_t n_layers, hidden_dim, mlp_dim, n_heads, n_kv_heads, head_dim, vocab_size;
    bool tied, llama3_rope;
    int sharded; /* 0: one file; 1: tensors by turns in two; 2: every second layer in the second */
    cna_storage storage;
} model_fixture;

/* Odd sizes, grouped heads, tied and untied embeddings, biases, all storages, one and two files. */
enum { N_MODEL_FIXTURES = 4 };
extern const model_fixture model_fixtures[N_MODEL_FIXTURES];

/* config.json, weights and a tokenizer.json of 256 bytes in a new folder, which support_folder_remove removes. Logits
 * have a standard deviation of 1 or more; eos ids are 3, 5 and 8. */
char *model_fixture_create(const model_fixture *fixture);

/* Add every tensor of a fixture but the one of that name (? NULL: all) to files[0], or, sharded, to both.
 * index (? NULL) receives the members of weight_map. */
void model_fixture_add_tensors(const model_fixture *fixture, const char *leave_out,
                               tensor_file files[2], cna_buffer *index);
void model_fixture_write_config(const model_fixture *fixture, const char *folder);

#endif
