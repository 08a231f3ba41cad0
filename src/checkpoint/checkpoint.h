/* SPDX-License-Identifier: MIT
 * A model as it lies on disk: configuration and named tensors, from one file or from many, of a Hugging Face folder or
 * in GGUF. */
#ifndef CNA_CHECKPOINT_CHECKPOINT_H
#define CNA_CHECKPOINT_CHECKPOINT_H

#include "checkpoint/config.h"
#include "checkpoint/safetensors.h"

typedef struct cna_checkpoint {
    char *path;              /* of the folder or file, as given; for messages */
    char name[256];          /* last component of the path; of a snapshot in the Hugging Face cache ORG/NAME */
    char revision[41];       /* the snapshot's commit; "" elsewhere */
    bool is_gguf;            /* tensors have llama.cpp's names, and q and k of a Llama its order of rows */
    cna_config config;
    cna_tensor_file *files;  /* [n_files] */
    size_t n_files;
    const cna_tensor **tensors; /* [n_tensors] of all files, sorted by name; without those of a vision part */
    size_t n_tensors;
} cna_checkpoint;

/* Open a model and map its weights: a folder's model.safetensors or the files that model.safetensors.index.json names;
 * or a .gguf file with the others that it is split into, also as the only ones of a folder (gguf_path.h).
 * Errors: ERR_IO, ERR_FORMAT, ERR_UNSUPPORTED; ERR_MISMATCH where the index names a tensor its file lacks, a tensor is
 *         in two files, or files of a split model do not belong together. */
CNA_MUST_CHECK cna_status cna_checkpoint_open(const char *path, cna_checkpoint *out, cna_error *err);
/* A folder's configuration without any weights. */
CNA_MUST_CHECK cna_status cna_checkpoint_open_config(const char *folder, cna_checkpoint *out, cna_error *err);
/* Fill `tensors` from `files`, sorted, as cna_checkpoint_open does; for a checkpoint that is put together otherwise.
 * Errors: ERR_MISMATCH for a name that is there twice; ERR_MEMORY. */
CNA_MUST_CHECK cna_status cna_checkpoint_sort(cna_checkpoint *checkpoint, cna_error *err);
/* Whether a path has weights of a form that cna_checkpoint_open reads. Errors: as cna_gguf_locate. */
CNA_MUST_CHECK cna_status cna_checkpoint_has_weights(const char *path, bool *out, cna_error *err);
void cna_checkpoint_close(cna_checkpoint *checkpoint);

/* The tensor of that name, or NULL. Borrowed. */
const cna_tensor *cna_checkpoint_find(const cna_checkpoint *checkpoint, const char *name);

/* The mapping that a tensor's data lies in. Borrowed. */
const cna_map *cna_checkpoint_map(const cna_checkpoint *checkpoint, const void *data);

/* Whether all files are still as they were opened (cna_map_check). To be asked before weights are read, and after. */
CNA_MUST_CHECK cna_status cna_checkpoint_check(const cna_checkpoint *checkpoint, cna_error *err);

/* SHA-256 over the shape keys of the config and, for every tensor in order of name, its name, dtype, shape, first and
 * last 4 KiB; 64 hexadecimal digits. */
CNA_MUST_CHECK cna_status cna_checkpoint_fingerprint(const cna_checkpoint *checkpoint, char out[65], cna_error *err);

#endif
