/* SPDX-License-Identifier: MIT
 * A small .gguf file put together in memory: metadata and vectors of f32. The same calls give the same bytes. */
#ifndef CNA_CHECKPOINT_GGUF_WRITE_H
#define CNA_CHECKPOINT_GGUF_WRITE_H

#include "base/buffer.h"

/* All-zero is an empty file. Entries and tensors stand in the order of the calls; to give a key or a name once is the
 * caller's part. Every call may fail with ERR_MEMORY, which leaves the writer of use for nothing but being freed. */
typedef struct cna_gguf_writer {
    cna_buffer values, tensors, data;
    uint64_t n_values, n_tensors;
} cna_gguf_writer;

/* What is not UTF-8 in a text (a folder's name can hold any byte) becomes U+FFFD. */
CNA_MUST_CHECK cna_status cna_gguf_put_string(cna_gguf_writer *writer, const char *key, const char *text,
                                              cna_error *err);
/* texts: [n] strings, each stride bytes behind the one before it. */
CNA_MUST_CHECK cna_status cna_gguf_put_strings(cna_gguf_writer *writer, const char *key, const void *texts,
                                               size_t stride, size_t n, cna_error *err);
CNA_MUST_CHECK cna_status cna_gguf_put_u32(cna_gguf_writer *writer, const char *key, uint32_t value, cna_error *err);
CNA_MUST_CHECK cna_status cna_gguf_put_f32s(cna_gguf_writer *writer, const char *key, const float *values, size_t n,
                                            cna_error *err);
/* A tensor of one dimension. */
CNA_MUST_CHECK cna_status cna_gguf_put_tensor(cna_gguf_writer *writer, const char *name, const float *values, size_t n,
                                              cna_error *err);

/* Append the whole file (version 3, alignment 32) to out. */
CNA_MUST_CHECK cna_status cna_gguf_finish(const cna_gguf_writer *writer, cna_buffer *out, cna_error *err);
void cna_gguf_writer_free(cna_gguf_writer *writer);

#endif
