/* SPDX-License-Identifier: MIT
 * One file of a hub into the cache: ranges in parallel, written in order, so that what is on the disk is always a
 * beginning of the file and any later fetch, ours or another program's, can go on from there. */
#ifndef CNA_HUB_FETCH_H
#define CNA_HUB_FETCH_H

#include "hub/client.h"

/* Strings are borrowed. */
typedef struct cna_hub_target {
    const char *file;     /* its path in the model, for messages */
    const char *revision; /* for messages */
    const char *url;      /* at the endpoint */
    const char *location; /* where that led: the first address tried */
    const char *blob;     /* path that it gets; BLOB.incomplete until then */
    const char *etag;     /* 64 digits of SHA-256, or 40 of git's SHA-1 of a blob */
    uint64_t size;
    size_t range_bytes;   /* of one request */
} cna_hub_target;

/* Fetch what BLOB.incomplete lacks, check size and checksum, and give it its name. A server that knows no ranges is
 * read from the beginning in one request. Where the checksum is another, all is fetched once more.
 *
 * Bytes that come out of order wait in memory: range_bytes for each of n_slots + 4 ranges at most.
 *
 * Errors: ERR_IO for what the servers and the disk refuse, and for a wrong checksum, after which nothing is kept; after
 *         any other failure the beginning is. ERR_MEMORY, ERR_CANCELLED. */
CNA_MUST_CHECK cna_status cna_hub_fetch(cna_hub_client *client, const cna_hub_target *target, cna_error *err);

#endif
