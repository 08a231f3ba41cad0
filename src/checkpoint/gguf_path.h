/* SPDX-License-Identifier: MIT
 * Which .gguf files a path stands for: one, or a split model's NAME-00001-of-0000N.gguf. */
#ifndef CNA_CHECKPOINT_GGUF_PATH_H
#define CNA_CHECKPOINT_GGUF_PATH_H

#include "checkpoint/gguf.h"

/* Whether a path stands for a GGUF model: a file; or a folder without config.json that holds the files of one model.
 *   out  ? new string, freed by cna_free: the file, the first of a split model in a folder; NULL for anything else
 * Errors: ERR_IO where the folder cannot be read; ERR_MISMATCH where it holds several models. */
CNA_MUST_CHECK cna_status cna_gguf_locate(const char *path, char **out, cna_error *err);

/* How many files a model is split into, 1 where it is not, by the metadata of one of them.
 * Errors: ERR_FORMAT; ERR_MISMATCH where the file's name does not say the same. */
CNA_MUST_CHECK cna_status cna_gguf_count_files(const cna_gguf *gguf, size_t *out, cna_error *err);

/* Open file index (0 .. n_files-1) of the split model that the file `path` belongs to, and check that it is that one.
 * Errors: as cna_gguf_open; ERR_MISMATCH where it says that it is another. */
CNA_MUST_CHECK cna_status cna_gguf_open_part(const char *path, size_t index, size_t n_files, cna_gguf *out,
                                             cna_error *err);

#endif
