/* SPDX-License-Identifier: MIT
 * Asking a hub: retries with growing waits, redirects, the token to the hub alone, refusals in words, progress. */
#ifndef CNA_HUB_CLIENT_H
#define CNA_HUB_CLIENT_H

#include "base/web.h"
#include "hub/name.h"

/* What one fetch of a model uses all along. Strings are borrowed. */
typedef struct cna_hub_client {
    cna_web *web;
    const char *id;        /* "ORG/NAME", for messages */
    const char *endpoint;
    const char *token;     /* ? shown to the endpoint's origin and to no other */
    size_t n_slots, n_tries;
    double retry_seconds;  /* before the second try, doubling from there */
    const cna_progress *progress;
    uint64_t n_done, n_total; /* bytes of all files, for progress */
} cna_hub_client;

/* What the hub says of a file without sending it. */
typedef struct cna_hub_facts {
    char etag[CNA_HUB_COMMIT_BYTES + 32]; /* its checksum as hexadecimal digits: 64 of SHA-256, or 40 of git's SHA-1 of
                                           * a blob; "" where none was given */
    bool has_size;
    uint64_t size;
} cna_hub_facts;

/* The token, if the address is at the endpoint's origin; else NULL. */
const char *cna_hub_token_for(const cna_hub_client *client, const char *url);

/* Report bytes done, in millions. ERR_CANCELLED. */
CNA_MUST_CHECK cna_status cna_hub_report(const cna_hub_client *client, uint64_t n_more, cna_error *err);

/* Whether an HTTP status may be another at the next try: 408, 425, 429, 500, 502, 503, 504. */
bool cna_hub_is_passing(int status);

/* How long to wait after a try that failed for a passing reason.
 *   n_failures   tries in a row that failed, this one included
 *   what, reason for the message
 *   seconds      receives it: what the server asked for, at least; else retry_seconds doubled each time, up to 30
 * Errors: ERR_IO where that was the last try, or the server asks for more than five minutes. */
CNA_MUST_CHECK cna_status cna_hub_wait_after(const cna_hub_client *client, size_t n_failures, const char *what,
                                             const char *reason, double retry_after, double *seconds, cna_error *err);

/* A request in slot 0, again where it fails for a passing reason; redirects within the origin are followed.
 *   head   HEAD instead of GET
 *   url    receives in *out_url the address that answered, or where it redirects to another origin that one; new, freed
 *          by cna_free
 *   facts  ? receives what the answers said of the file
 *   reply  the last answer, whatever its status
 * Errors: ERR_IO, ERR_MEMORY, ERR_CANCELLED. */
CNA_MUST_CHECK cna_status cna_hub_ask(cna_hub_client *client, bool head, const char *url, char **out_url,
                                      cna_hub_facts *facts, cna_web_reply *reply, cna_error *err);

/* ERR_IO: what an answer other than success means, and what to do.
 *   file  ? that was asked for; NULL: the model itself */
cna_status cna_hub_fail_status(const cna_hub_client *client, const char *file, const char *revision,
                               const cna_web_reply *reply, cna_error *err);

#endif
