/* SPDX-License-Identifier: MIT
 * The Hugging Face cache on disk: models that it holds, by name. Never the network.
 *
 * Layout, under the cache's folder:
 *   models--ORG--NAME/refs/REVISION             a commit: what a branch or tag stood for when it was fetched
 *   models--ORG--NAME/snapshots/COMMIT/FILE     a relative link to ...
 *   models--ORG--NAME/blobs/ETAG                ... the bytes, under their checksum
 *   .locks/models--ORG--NAME/ETAG.lock          held (flock) by whoever writes that blob
 * Source: huggingface_hub, docs/source/en/guides/manage-cache.md and file_download.py. */
#ifndef CNA_HUB_CACHE_H
#define CNA_HUB_CACHE_H

#include "hub/name.h"

/* The commit that a revision of a model stands for in the cache: a commit whose snapshot is there, in full or by a
 * beginning of 7 digits or more that fits one alone; else what refs says.
 *   cache    the cache's folder
 *   commit   receives it; untouched on failure
 * Errors: ERR_IO where it is not there, with where was looked and the command that fetches it; ERR_MISMATCH for a
 *         beginning that several fit; ERR_FORMAT for a reference that is no commit. */
CNA_MUST_CHECK cna_status cna_hub_resolve(const char *cache, const cna_hub_name *name,
                                          char commit[CNA_HUB_COMMIT_BYTES], cna_error *err);

/* ERR_IO where a snapshot has no weights, or not all those that its index names, with the first that is missing;
 * ERR_FORMAT for a malformed index. A .gguf file counts as weights.
 *   folder  the snapshot's */
CNA_MUST_CHECK cna_status cna_hub_check_weights(const char *folder, const cna_hub_name *name,
                                                const char *commit, cna_error *err);

/* Whether a path names a snapshot's folder in such a cache (which need not be this user's), or a .gguf file in it or in
 * its folders, two deep at most, told from the parts of the path alone: ".../models--ORG--NAME/snapshots/COMMIT".
 *   id      receives "ORG/NAME"; of a file "ORG/NAME/FILE" */
bool cna_hub_describe_path(const char *path, char id[256], char commit[CNA_HUB_COMMIT_BYTES]);

#endif
