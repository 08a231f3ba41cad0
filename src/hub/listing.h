/* SPDX-License-Identifier: MIT
 * The files of a model at a hub, as its API lists them, and which of them are wanted. */
#ifndef CNA_HUB_LISTING_H
#define CNA_HUB_LISTING_H

#include "hub/name.h"

typedef struct cna_hub_file {
    char *path;      /* in the model: "config.json", "folder/file" */
    bool has_size;
    uint64_t size;
    char sha256[65]; /* of a large file's bytes; "" where the hub does not say */
} cna_hub_file;

typedef struct cna_hub_listing {
    char commit[CNA_HUB_COMMIT_BYTES];
    cna_hub_file *files; /* [n_files] the wanted ones, in the hub's order */
    size_t n_files;
} cna_hub_listing;

/* Read an answer of /api/models/ORG/NAME/revision/REVISION?blobs=true.
 *   include   [n_include] patterns of shell (a '*' also goes over '/') of wanted paths; none: the top folder's files
 *             that a model is opened from: *.json, *.jinja, *.model, merges.txt, vocab.txt, *.safetensors but
 *             consolidated*, which are the same weights again
 *   source    names the answer in messages
 * Errors: ERR_FORMAT for an answer of another form or a path that leaves the model's folder; ERR_IO where nothing is
 *         wanted, or no weights and no patterns are given. */
CNA_MUST_CHECK cna_status cna_hub_listing_read(const char *text, size_t n_bytes, const char *source,
                                               const char *const *include, size_t n_include, cna_hub_listing *out,
                                               cna_error *err);
void cna_hub_listing_clear(cna_hub_listing *listing);

#endif
