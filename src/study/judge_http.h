/* SPDX-License-Identifier: MIT
 * Many POST requests to one address at once, over libcurl's multi interface. Knows HTTP, neither judges nor runs.
 *
 * http and https; certificates are checked; redirects are not followed, so that the key goes to no other place; no
 * proxy but the one that is given, whatever the environment says; no cookies, no .netrc, no decompression. */
#ifndef CNA_STUDY_JUDGE_HTTP_H
#define CNA_STUDY_JUDGE_HTTP_H

#include "base/memory.h"

/* One thread's. */
typedef struct cna_http cna_http;

/* Strings are copied. */
typedef struct cna_http_options {
    const char *address;
    const char *key;       /* ? "Authorization: Bearer KEY" */
    const char *proxy;     /* ? address of a proxy */
    size_t n_slots;        /* requests at once */
    double timeout_seconds; /* from the first byte sent or connection tried to the last byte of the reply */
    size_t reply_bytes_max; /* of a body; more of it ends the request */
} cna_http_options;

/* *out is freed by cna_http_free. Errors: ERR_MEMORY; ERR_ARG for a proxy that libcurl does not take. */
CNA_MUST_CHECK cna_status cna_http_create(const cna_http_options *options, cna_http **out, cna_error *err);
/* Requests under way are dropped. */
void cna_http_free(cna_http *http);

/* Begin to send a body in a slot that is free.
 *   body  [n_bytes] JSON, borrowed until the slot's reply is taken */
CNA_MUST_CHECK cna_status cna_http_post(cna_http *http, size_t slot, const char *body, size_t n_bytes, cna_error *err);

/* Send and receive until a request ends, or at most that many seconds; may return earlier. */
CNA_MUST_CHECK cna_status cna_http_wait(cna_http *http, double seconds, cna_error *err);

/* How a request ended. */
typedef struct cna_http_reply {
    size_t slot;        /* free again */
    int status;         /* of HTTP; 0: no whole reply came, and error says why */
    const char *body;   /* [n_bytes] and a NUL; borrowed until the slot's next cna_http_post */
    size_t n_bytes;
    double retry_after; /* seconds from now that the server asks to wait (Retry-After, seconds or a date); 0: none */
    const char *location; /* ? where a redirect leads; borrowed as body */
    bool is_transient;  /* without a whole reply: another try may go better */
    bool no_memory;     /* without a whole reply: memory ran out */
    bool is_hopeless;   /* without a whole reply: no request to this address will go better (certificate) */
    char error[256];
} cna_http_reply;

/* Take the next reply that is there; false: none is. */
bool cna_http_next(cna_http *http, cna_http_reply *out);

#endif
