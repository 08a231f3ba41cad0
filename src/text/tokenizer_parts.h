/* SPDX-License-Identifier: MIT
 * Reading tokenizer.json in parts: what tokenizer_load*.c share. What is not understood is refused: a component passed
 * over would give other ids without a word. */
#ifndef CNA_TEXT_TOKENIZER_PARTS_H
#define CNA_TEXT_TOKENIZER_PARTS_H

#include "base/json.h"
#include "text/tokenizer.h"

/* A run of bytes that something else owns. */
typedef struct cna_span {
    const char *text;
    size_t n;
} cna_span;

/* Fails with ERR_UNSUPPORTED: "PATH: key 'KEY': expected .., found .."; found may be NULL. */
cna_status cna_parts_refuse(const char *path, const char *key, const char *expected, const json_t *found,
                            cna_error *err);
/* A short name for a value found where another was expected. */
const char *cna_parts_describe(const json_t *value, char out[96]);
/* Refuse members that are not in the list, which ends with NULL. */
CNA_MUST_CHECK cna_status cna_parts_check_keys(const json_t *object, const char *const *known, const char *path,
                                               const char *key, cna_error *err);
/* The member must be absent, null or, where allowed, the empty string. */
CNA_MUST_CHECK cna_status cna_parts_require_nothing(const json_t *object, const char *key, bool empty_too,
                                                    const char *path, cna_error *err);
bool cna_parts_is_type(const json_t *object, const char *type);
/* Component i of a member that is one component or a Sequence of them (not of Sequences); *out is NULL past
 * the last. list: the Sequence's member that holds them. */
CNA_MUST_CHECK cna_status cna_parts_component(const json_t *root, const char *key, const char *list, size_t i,
                                              const char *path, json_t **out, cna_error *err);

/* Each fills its part of an all-zero tokenizer from the root of a tokenizer.json, in this order. */
CNA_MUST_CHECK cna_status cna_parts_load_normalizer(cna_tokenizer *tokenizer, const json_t *root, const char *path,
                                                    cna_error *err);
CNA_MUST_CHECK cna_status cna_parts_load_pre_tokenizer(cna_tokenizer *tokenizer, const json_t *root, const char *path,
                                                       cna_error *err);
CNA_MUST_CHECK cna_status cna_parts_load_decoder(cna_tokenizer *tokenizer, const json_t *root, const char *path,
                                                 cna_error *err);
CNA_MUST_CHECK cna_status cna_parts_load_model(cna_tokenizer *tokenizer, const json_t *root, const char *path,
                                               cna_error *err);

#endif
