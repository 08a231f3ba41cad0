/* SPDX-License-Identifier: MIT
 * Files: mapping, reading whole, replacing whole. All system calls on files are here. */
#ifndef CNA_BASE_FILE_H
#define CNA_BASE_FILE_H

#include "base/buffer.h"

/* A file mapped read-only. data is NULL for an empty file. */
typedef struct cna_map {
    const unsigned char *data;
    size_t size;
    char *path; /* for messages */
} cna_map;

/* Errors: ERR_IO with the path and the system's reason. */
CNA_MUST_CHECK cna_status cna_map_open(const char *path, cna_map *out, cna_error *err);
void cna_map_close(cna_map *map);

/* Read a whole regular file, appending to out; ERR_IO if it is missing, a folder, or over max_bytes. */
CNA_MUST_CHECK cna_status cna_file_read(const char *path, size_t max_bytes, cna_buffer *out, cna_error *err);

/* Replace path by these bytes: written to a temporary name in the same folder, synced, renamed; on failure the
 * temporary file is removed and path is as before. A link is followed, an old file's mode is kept.
 * path "-" writes to standard output. */
CNA_MUST_CHECK cna_status cna_file_write(const char *path, const char *data, size_t n_bytes, cna_error *err);

bool cna_file_exists(const char *path);

/* New string "folder/name"; freed by cna_free. */
CNA_MUST_CHECK cna_status cna_path_join(const char *folder, const char *name, char **out, cna_error *err);

/* SHA-256 of a run of bytes as 64 lower-case hexadecimal digits and a NUL (libcrypto). */
CNA_MUST_CHECK cna_status cna_sha256_hex(const void *data, size_t n_bytes, char out[65], cna_error *err);

#endif
