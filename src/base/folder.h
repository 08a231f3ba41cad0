/* SPDX-License-Identifier: MIT
 * Folders: making, listing, links in them, room on their disk. */
#ifndef CNA_BASE_FOLDER_H
#define CNA_BASE_FOLDER_H

#include "base/memory.h"

/* New string by a format, for paths; freed by cna_free. */
CNA_MUST_CHECK cna_status cna_path_format(char **out, cna_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Make the folder that path names and those above it; what is there already is no error. */
CNA_MUST_CHECK cna_status cna_folder_create_all(const char *path, cna_error *err);
/* The same for the folder that the file at path is to lie in. */
CNA_MUST_CHECK cna_status cna_folder_create_above(const char *path, cna_error *err);

/* Call fn for every name in a folder but "." and "..", in no order; none where there is no such folder. fn returns
 * false to end it. */
typedef bool cna_folder_fn(void *user, const char *name);
void cna_folder_each(const char *path, cna_folder_fn *fn, void *user);

bool cna_folder_exists(const char *path);

/* Make path a symbolic link with that text, in the place of what is there. Errors: ERR_IO. */
CNA_MUST_CHECK cna_status cna_link_write(const char *path, const char *text, cna_error *err);

/* Size of the regular file at path, links followed. False where there is none. */
bool cna_file_size(const char *path, uint64_t *out);

/* Bytes that the process can still write to the disk of a folder. UINT64_MAX where the system does not tell. */
uint64_t cna_folder_room(const char *path);

#endif
