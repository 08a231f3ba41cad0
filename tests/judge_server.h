/* SPDX-License-Identifier: MIT
 * A judge endpoint for tests, on 127.0.0.1, that misbehaves as it is told, sample by sample and attempt by attempt
 * (libmicrohttpd). It finds out which sample a request is about by "item-N" in its text. */
#ifndef CNA_TESTS_JUDGE_SERVER_H
#define CNA_TESTS_JUDGE_SERVER_H

#include <stdbool.h>
#include <stddef.h>

/* What answers that think aloud hold. */
#define JUDGE_REASONING "Which paper is it?"

typedef enum judge_kind {
    JUDGE_END,      /* ends a list of steps */
    JUDGE_SAY,      /* a chat completion whose content is `text` */
    JUDGE_SEND,     /* status and body as given */
    JUDGE_DROP,     /* close without a reply */
    JUDGE_CUT,      /* status 200, close in the middle of the body */
    JUDGE_STALL,    /* no reply for four seconds, then a chat completion */
    JUDGE_TRICKLE,  /* a chat completion, one byte every tenth of a second */
    JUDGE_HUGE,     /* status 200, a body without end */
} judge_kind;

/* What one attempt gets. */
typedef struct judge_step {
    judge_kind kind;
    int status;               /* JUDGE_SEND */
    const char *text;         /* ? content or body */
    const char *header, *value; /* ? one more header line */
    const char *finish;       /* ? finish_reason; NULL: "stop" */
} judge_step;

typedef struct judge_server judge_server;

/* Serve until judge_server_stop. Request k about sample i gets steps[i][k]; after the last (JUDGE_END stands behind
 * it) that one again.
 *   steps  [n_samples], borrowed */
judge_server *judge_server_start(const judge_step *const *steps, size_t n_samples);
void judge_server_stop(judge_server *server);
/* "http://127.0.0.1:PORT" */
const char *judge_server_address(const judge_server *server);

/* Requests about a sample so far. */
size_t judge_server_requests(judge_server *server, size_t sample);
/* Requests so far that hold JUDGE_REASONING. */
size_t judge_server_reasonings(judge_server *server);
/* Least seconds between two requests about a sample; 1e9 before the second. */
double judge_server_gap(judge_server *server, size_t sample);
/* Most requests that were being answered at once. */
size_t judge_server_crowd(judge_server *server);
/* Whether every request so far came with this Authorization header (NULL: without one), as POST to
 * /v1/chat/completions, as JSON with model "test-judge", temperature 0, max_tokens and one message of the user. */
bool judge_server_was_asked_properly(judge_server *server, const char *authorization);

#endif
