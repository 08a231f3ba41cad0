/* SPDX-License-Identifier: MIT
 * A Hugging Face hub for tests, on 127.0.0.1, that misbehaves as it is told (libmicrohttpd): the API's list of files,
 * the files' addresses, and on another port (another origin) the store that large files are redirected to. */
#ifndef CNA_TESTS_HUB_SERVER_H
#define CNA_TESTS_HUB_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HUB_COMMIT "0123456789abcdef0123456789abcdef01234567"

/* One file of the model "org/model". */
typedef struct hub_file {
    const char *path;
    const char *bytes; /* [n_bytes] */
    size_t n_bytes;
    bool large;        /* with a SHA-256, and in the store; else a git blob, at the hub itself */
} hub_file;

typedef enum hub_place { HUB_LIST, HUB_HEAD, HUB_BYTES } hub_place;

typedef enum hub_kind {
    HUB_STATUS,        /* an answer of that status, with one more header line where it is given */
    HUB_DROP,          /* close without an answer */
    HUB_CUT,           /* close in the middle of the body */
    HUB_SHORT,         /* HUB_BYTES: a body of half the length, properly ended */
    HUB_LONG,          /* HUB_BYTES: a byte more than asked for, where the whole file is */
    HUB_CORRUPT,       /* one byte of the body is another */
    HUB_STALL,         /* no byte for three seconds */
    HUB_THROTTLE,      /* HUB_BYTES: 64 KiB every tenth of a second */
    HUB_NO_RANGES,     /* HUB_BYTES: always the whole file, as 200 */
    HUB_WRONG_RANGE,   /* HUB_BYTES: another range than asked for, and said so */
    HUB_WRONG_TOTAL,   /* HUB_BYTES: Content-Range of a file of another size */
    HUB_WRONG_ETAG,    /* HUB_HEAD: a checksum of other bytes */
    HUB_NO_ETAG,       /* HUB_HEAD: an ETag that is no checksum */
    HUB_WRONG_SIZE,    /* HUB_HEAD: a byte more */
    HUB_RENAMED,       /* HUB_HEAD: a relative redirect to the same file under another name of the model */
    HUB_LOOP,          /* a redirect to itself */
    HUB_TEXT,          /* HUB_LIST: that text instead of the list */
} hub_kind;

/* What is wrong, for the first n_times requests of that place. */
typedef struct hub_fault {
    hub_place place;
    hub_kind kind;
    size_t n_times; /* 0: always */
    int status;
    const char *header, *value; /* ? */
    const char *text;           /* ? of HUB_TEXT */
    const char *path;           /* ? this file alone */
} hub_fault;

typedef struct hub_server hub_server;

/* Serve until hub_server_stop. Files and faults are borrowed.
 *   token  ? that the hub asks for: 401 without it
 *   bare   the list states neither sizes nor checksums */
hub_server *hub_server_start(const hub_file *files, size_t n_files, const hub_fault *faults, size_t n_faults,
                             const char *token, bool bare);
void hub_server_stop(hub_server *server);
const char *hub_server_address(const hub_server *server);

/* Requests of a place so far; bytes of bodies that were handed to the network. */
size_t hub_server_requests(hub_server *server, hub_place place);
uint64_t hub_server_sent(hub_server *server);
/* Whether any request to the store came with an Authorization header. */
bool hub_server_leaked_token(hub_server *server);
/* The name that a file has as a blob: 64 or 40 digits. */
void hub_server_etag(const hub_file *file, char out[65]);

#endif
