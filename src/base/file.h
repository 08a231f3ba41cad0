/* SPDX-License-Identifier: MIT
 * Files: mapping, reading whole, replacing whole. All system calls on files are here. */
#ifndef CNA_BASE_FILE_H
#define CNA_BASE_FILE_H

#include <time.h>

#include "base/arena.h"
#include "base/buffer.h"

/* A file mapped read-only. data is NULL for an empty file.
 * The size is the one found when it was opened: touching a page of data that the file has lost since (it was cut
 * short, or its disk fails) raises SIGBUS. cna_map_populate reports that as an error instead, and cna_map_check what
 * changed before now. */
typedef struct cna_map {
    const unsigned char *data;
    size_t size;
    struct timespec modified; /* when it was opened */
    int fd;                   /* open while data is not NULL */
    char *path;               /* for messages */
} cna_map;

/* Errors: ERR_IO with the path and the system's reason. */
CNA_MUST_CHECK cna_status cna_map_open(const char *path, cna_map *out, cna_error *err);
void cna_map_close(cna_map *map);

/* Whether the file still has the size and the time of its last change that it was opened with; one system call. A file
 * that got another's name (rename) while the mapped one lives on has not changed.
 * Errors: ERR_IO, saying which both are. */
CNA_MUST_CHECK cna_status cna_map_check(const cna_map *map, cna_error *err);

/* The three below act on whole pages, those that the bytes [offset, offset + n_bytes) touch. They change when a page is
 * read from the disk and never what is read, so several threads may use them, and data, at once.
 *
 * Have the system start reading; returns at once. */
void cna_map_prefetch(const cna_map *map, size_t offset, size_t n_bytes);
/* Read and map the pages, so that touching them waits for nothing. Errors: ERR_IO where the file no longer gives
 * them. */
CNA_MUST_CHECK cna_status cna_map_populate(const cna_map *map, size_t offset, size_t n_bytes, cna_error *err);
/* Let the process's hold on the pages go (RssFile).
 *   from_cache  let the system's page cache forget them as well, unless another process has them mapped */
void cna_map_release(const cna_map *map, size_t offset, size_t n_bytes, bool from_cache);

/* Whether the mapping is about to be read here and there, a page at a time: the system then reads nothing ahead. */
void cna_map_scatter(const cna_map *map, bool scattered);

/* Read a whole regular file, appending to out; ERR_IO if it is missing, a folder, or over max_bytes. */
CNA_MUST_CHECK cna_status cna_file_read(const char *path, size_t max_bytes, cna_buffer *out, cna_error *err);

/* The first n_out - 1 bytes of a file as a string, without allocating: for the small files by which the system tells
 * about itself. False where there is no such file. */
bool cna_file_peek(const char *path, char *out, size_t n_out);

/* Replace path by these bytes: written to a temporary name in the same folder, synced, renamed; on failure the
 * temporary file is removed and path is as before. A link is followed, an old file's mode is kept.
 * path "-" writes to standard output. */
CNA_MUST_CHECK cna_status cna_file_write(const char *path, const char *data, size_t n_bytes, cna_error *err);

bool cna_file_exists(const char *path);
bool cna_file_is_regular(const char *path);
/* Whether both paths lead to one file that is there, through links as well. */
bool cna_file_is_same(const char *a, const char *b);

/* ERR_IO unless path is a regular file or, where may_be_absent, nothing at all. Does not open it: to close a file again
 * would drop the process's POSIX locks on it. */
CNA_MUST_CHECK cna_status cna_file_require_regular(const char *path, bool may_be_absent, cna_error *err);

/* Remove a file; no error where that fails. */
void cna_file_remove(const char *path);

/* Make a folder; one that is there already is no error. Errors: ERR_IO, also where its parent is not there or path is
 * something else. */
CNA_MUST_CHECK cna_status cna_folder_create(const char *path, cna_error *err);

/* The names of a folder's entries that end in suffix, sorted by their bytes; array and names are the arena's. Errors:
 * ERR_IO. */
CNA_MUST_CHECK cna_status cna_folder_list(const char *path, const char *suffix, cna_arena *arena, const char ***names,
                                          size_t *n, cna_error *err);

/* New string: the absolute path with links followed; the last component need not be there. Freed by cna_free. */
CNA_MUST_CHECK cna_status cna_path_resolve(const char *path, char **out, cna_error *err);

/* New string "folder/name"; freed by cna_free. */
CNA_MUST_CHECK cna_status cna_path_join(const char *folder, const char *name, char **out, cna_error *err);

/* SHA-256 of a run of bytes as 64 lower-case hexadecimal digits and a NUL (libcrypto). */
CNA_MUST_CHECK cna_status cna_sha256_hex(const void *data, size_t n_bytes, char out[65], cna_error *err);

#endif
