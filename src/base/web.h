/* SPDX-License-Identifier: MIT
 * Requests to web servers, some at once, over libcurl's multi interface. Knows HTTP, neither models nor judges.
 *
 * http and https; certificates are checked; redirects are reported and not followed, so that whoever follows them
 * decides who sees the token; no cookies, no .netrc, no decompression. */
#ifndef CNA_BASE_WEB_H
#define CNA_BASE_WEB_H

#include "base/memory.h"

/* One thread's. */
typedef struct cna_web cna_web;

/* Strings are copied. */
typedef struct cna_web_options {
    size_t n_slots;         /* requests at once */
    double connect_seconds; /* to connect, at most */
    double stall_seconds;   /* without a byte, at most; 0: any time */
    double total_seconds;   /* from the first byte sent or connection tried to the last of the answer; 0: any time */
    size_t body_bytes_max;  /* of a body that is kept; more of it ends the request. 0: 64 MiB */
    const char *proxy;      /* ? address of a proxy; "": none; NULL: what the environment says */
} cna_web_options;

/* *out is freed by cna_web_free. Errors: ERR_MEMORY; ERR_INTERNAL for an option that libcurl does not take. */
CNA_MUST_CHECK cna_status cna_web_create(const cna_web_options *options, cna_web **out, cna_error *err);
/* Requests under way are dropped. */
void cna_web_free(cna_web *web);

/* What an answer says before its body. */
typedef struct cna_web_head {
    int status;
    bool ranged;               /* there is a Content-Range, and */
    uint64_t first, n_total;   /* its first byte, and the size of the whole */
} cna_web_head;

/* A piece of the body of an answer 200 or 206. Return false to end the request. */
typedef bool cna_web_sink(void *user, const cna_web_head *head, const char *bytes, size_t n_bytes);

typedef struct cna_web_request {
    const char *url;
    const char *token;    /* ? "Authorization: Bearer TOKEN" */
    bool head;            /* HEAD instead of GET */
    bool ranged;          /* ask for bytes first .. last */
    uint64_t first, last;
    const char *json;     /* ? [n_json] POST this body; borrowed until the slot's reply is taken */
    size_t n_json;
    cna_web_sink *sink;   /* ? of bodies of 200 and 206; NULL, and other answers: kept */
    void *user;
} cna_web_request;

/* Begin a request in a slot that is free; what it points to is copied, but for json and user. */
CNA_MUST_CHECK cna_status cna_web_begin(cna_web *web, size_t slot, const cna_web_request *request, cna_error *err);
/* Drop a slot's request, if it has one. */
void cna_web_drop(cna_web *web, size_t slot);
/* Send and receive until a request ends, or at most that many seconds; may return earlier. */
CNA_MUST_CHECK cna_status cna_web_wait(cna_web *web, double seconds, cna_error *err);

/* How a request ended. Strings are borrowed until the slot's next cna_web_begin. */
typedef struct cna_web_reply {
    size_t slot;          /* free again */
    int status;           /* of HTTP; 0: no whole reply came, and error says why */
    const char *body;     /* [n_bytes] and a NUL: what no sink took */
    size_t n_bytes;
    double retry_after;   /* seconds that the server asks to wait (Retry-After, seconds or a date); 0: none */
    const char *location; /* ? where a redirect leads, as an absolute address */
    bool is_hopeless;     /* without a whole reply: no request to this server will go better (certificate, address) */
    bool too_large;       /* without a whole reply: there was more of it, or of its headers, than is kept */
    bool no_memory;       /* without a whole reply: memory ran out */
    bool was_ended;       /* without a whole reply: the sink ended it */
    char error[256];
} cna_web_reply;

/* Take the next reply that is there; false: none is. */
bool cna_web_next(cna_web *web, cna_web_reply *out);

/* A header line of the slot's last answer, by name in any case; NULL where it has none. Borrowed until the slot's next
 * cna_web_begin. */
const char *cna_web_header(const cna_web *web, size_t slot, const char *name);

/* Whether two addresses have scheme, host and port in common, so that a token for one may be shown to the other. */
bool cna_web_same_origin(const char *a, const char *b);

#endif
