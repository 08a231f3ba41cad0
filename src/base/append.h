/* SPDX-License-Identifier: MIT
 * A file that grows at its end under one name and gets its real name when it is whole. */
#ifndef CNA_BASE_APPEND_H
#define CNA_BASE_APPEND_H

#include "base/memory.h"

/* All-zero: not open. */
typedef struct cna_append {
    char *path; /* NULL: not open */
    int fd;
    uint64_t size;
} cna_append;

/* Open the file at path, which is made where there is none and keeps what it holds. Errors: ERR_IO. */
CNA_MUST_CHECK cna_status cna_append_open(const char *path, cna_append *out, cna_error *err);
/* Errors of both: ERR_IO with the system's reason. What was written of the bytes before a failure stays, and counts. */
CNA_MUST_CHECK cna_status cna_append_add(cna_append *append, const void *data, size_t n_bytes, cna_error *err);
CNA_MUST_CHECK cna_status cna_append_cut(cna_append *append, uint64_t size, cna_error *err);
/* Read n_bytes from offset, all inside the file. */
CNA_MUST_CHECK cna_status cna_append_read(const cna_append *append, uint64_t offset, void *out, size_t n_bytes,
                                          cna_error *err);
/* Sync the file, give it its real name in the same folder, and close it. */
CNA_MUST_CHECK cna_status cna_append_commit(cna_append *append, const char *path, cna_error *err);
/* Close and keep it under its first name, or remove it. Nothing where it is not open. */
void cna_append_close(cna_append *append, bool remove);

#endif
