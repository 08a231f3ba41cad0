/* SPDX-License-Identifier: MIT
 * Small models with random weights of the families beyond Llama and Qwen2, with what sets each apart switched on. */
#ifndef CNA_TESTS_FAMILY_FIXTURE_H
#define CNA_TESTS_FAMILY_FIXTURE_H

#include "tensor/dtype.h"

typedef struct family_fixture {
    const char *config; /* of config.json */
    cna_storage storage;
} family_fixture;

/* Sequences of the tests are longer than every window. The first N_FAMILY_FEATURES have between them every part of a
 * layer that any family has. */
enum { N_FAMILY_FIXTURES = 8, N_FAMILY_FEATURES = 4 };
extern const family_fixture family_fixtures[N_FAMILY_FIXTURES];

/* config.json, weights and a tokenizer.json of 256 bytes in a new folder, which support_folder_remove removes; eos ids
 * are 3, 5 and 8. Logits have a standard deviation of 1 or more. The names of tensors are those of cna_weights_each:
 * the oracle compares these with transformers'. */
char *family_fixture_create(const family_fixture *fixture);

#endif
