/* SPDX-License-Identifier: MIT
 * A judge endpoint for tests. */
#include "judge_server.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "loopback.h"
#include "support.h"

enum { STALL_MS = 4000, TRICKLE_MS = 100, MAX_SAMPLES = 256 };

struct judge_server {
    struct MHD_Daemon *daemon;
    char address[LOOPBACK_ADDRESS_BYTES];
    const judge_step *const *steps;
    size_t n_samples;
    pthread_mutex_t lock; /* of what follows */
    size_t n_requests[MAX_SAMPLES];
    double last[MAX_SAMPLES], gap[MAX_SAMPLES];
    size_t n_now, crowd, n_reasonings;
    bool is_proper;
    char authorization[256]; /* of the first request; "" for none */
    bool has_authorization, is_stopping;
};

/* One request on its way in. */
typedef struct request {
    char *body;
    size_t n_bytes;
} request;

/* A body that is made while it is sent. */
typedef struct outgoing {
    judge_server *server;
    judge_kind kind;
    char *text;
    size_t n_bytes;
} outgoing;

/* ---- judging requests ---- */

static bool is_chat_request(const char *method, const char *url, const json_t *root)
{
    json_t *messages = json_object_get(root, "messages");
    const json_t *message = json_array_get(messages, 0);
    const char *model = json_string_value(json_object_get(root, "model"));
    const char *role = json_string_value(json_object_get(message, "role"));
    json_t *temperature = json_object_get(root, "temperature");
    return strcmp(method, "POST") == 0 && strcmp(url, "/v1/chat/completions") == 0 && model != NULL &&
           strcmp(model, "test-judge") == 0 && json_array_size(messages) == 1 && role != NULL &&
           strcmp(role, "user") == 0 && json_is_number(temperature) && json_number_value(temperature) == 0 &&
           json_is_integer(json_object_get(root, "max_tokens"));
}

/* Note a request and say which step it gets; NULL: it is about no sample. */
static const judge_step *note_request(judge_server *s, struct MHD_Connection *connection, const char *method,
                                      const char *url, const request *r)
{
    json_t *root = json_loadb(r->body, r->n_bytes, 0, NULL);
    const char *content =
        json_string_value(json_object_get(json_array_get(json_object_get(root, "messages"), 0), "content"));
    const char *item = content != NULL ? strstr(content, "item-") : NULL;
    size_t sample = item != NULL ? strtoul(item + 5, NULL, 10) : MAX_SAMPLES;
    const char *authorization = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Authorization");
    const judge_step *step = NULL;
    pthread_mutex_lock(&s->lock);
    s->is_proper = s->is_proper && is_chat_request(method, url, root) && sample < s->n_samples;
    s->n_reasonings += content != NULL && strstr(content, JUDGE_REASONING) != NULL;
    if (authorization != NULL) s->has_authorization = true;
    snprintf(s->authorization, sizeof s->authorization, "%s", authorization != NULL ? authorization : "");
    if (sample < s->n_samples) {
        double now = cna_clock_seconds();
        size_t n = s->n_requests[sample]++;
        if (n != 0 && now - s->last[sample] < s->gap[sample]) s->gap[sample] = now - s->last[sample];
        s->last[sample] = now;
        step = s->steps[sample];
        while (n > 0 && step[1].kind != JUDGE_END) {
            step++;
            n--;
        }
    }
    pthread_mutex_unlock(&s->lock);
    json_decref(root);
    return step;
}

/* ---- replies ---- */

static char *make_completion(const judge_step *step)
{
    json_t *root = json_pack("{s:s, s:[{s:i, s:s, s:{s:s, s:s}}]}", "object", "chat.completion", "choices", "index", 0,
                             "finish_reason", step->finish != NULL ? step->finish : "stop", "message", "role",
                             "assistant", "content", step->text != NULL ? step->text : "");
    char *text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    return text;
}

static ssize_t produce(void *user, uint64_t at, char *out, size_t capacity)
{
    outgoing *o = user;
    if (o->kind == JUDGE_HUGE) {
        memset(out, ' ', capacity);
        return (ssize_t)capacity;
    }
    if (o->kind == JUDGE_CUT && at >= o->n_bytes / 2) return MHD_CONTENT_READER_END_WITH_ERROR;
    if (at >= o->n_bytes) return MHD_CONTENT_READER_END_OF_STREAM;
    if (o->kind == JUDGE_TRICKLE) loopback_sleep(&o->server->lock, &o->server->is_stopping, TRICKLE_MS);
    size_t n = o->kind == JUDGE_TRICKLE ? 1 : o->n_bytes / 2 + 1;
    if (n > o->n_bytes - at) n = (size_t)(o->n_bytes - at);
    if (n > capacity) n = capacity;
    memcpy(out, o->text + at, n);
    return (ssize_t)n;
}

static void finish_outgoing(void *user)
{
    outgoing *o = user;
    free(o->text);
    free(o);
}

static struct MHD_Response *make_streamed(judge_server *s, const judge_step *step)
{
    outgoing *o = calloc(1, sizeof *o);
    *o = (outgoing){.server = s, .kind = step->kind, .text = make_completion(step)};
    o->n_bytes = strlen(o->text);
    uint64_t size = step->kind == JUDGE_HUGE ? MHD_SIZE_UNKNOWN : o->n_bytes;
    return MHD_create_response_from_callback(size, 512, produce, o, finish_outgoing);
}

static struct MHD_Response *make_whole(const judge_step *step)
{
    if (step->kind == JUDGE_SEND) {
        const char *text = step->text != NULL ? step->text : "";
        return MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    }
    char *text = make_completion(step);
    return MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
}

static enum MHD_Result reply(judge_server *s, struct MHD_Connection *connection, const judge_step *step)
{
    if (step == NULL || step->kind == JUDGE_DROP) return MHD_NO;
    if (step->kind == JUDGE_STALL) loopback_sleep(&s->lock, &s->is_stopping, STALL_MS);
    else loopback_sleep(&s->lock, &s->is_stopping, 20); /* long enough to be answering several at once */
    bool streamed = step->kind == JUDGE_CUT || step->kind == JUDGE_TRICKLE || step->kind == JUDGE_HUGE;
    struct MHD_Response *response = streamed ? make_streamed(s, step) : make_whole(step);
    if (step->header == NULL || strcmp(step->header, "Content-Type") != 0)
        MHD_add_response_header(response, "Content-Type", "application/json");
    if (step->header != NULL) MHD_add_response_header(response, step->header, step->value);
    enum MHD_Result result =
        MHD_queue_response(connection, step->kind == JUDGE_SEND ? (unsigned)step->status : 200, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result handle(void *user, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *upload, size_t *n_upload, void **state)
{
    (void)version;
    judge_server *s = user;
    request *r = *state;
    if (r == NULL) {
        *state = calloc(1, sizeof *r);
        return MHD_YES;
    }
    if (*n_upload != 0) {
        r->body = realloc(r->body, r->n_bytes + *n_upload);
        memcpy(r->body + r->n_bytes, upload, *n_upload);
        r->n_bytes += *n_upload;
        *n_upload = 0;
        return MHD_YES;
    }
    const judge_step *step = note_request(s, connection, method, url, r);
    pthread_mutex_lock(&s->lock);
    if (++s->n_now > s->crowd) s->crowd = s->n_now;
    pthread_mutex_unlock(&s->lock);
    enum MHD_Result result = reply(s, connection, step);
    pthread_mutex_lock(&s->lock);
    s->n_now--;
    pthread_mutex_unlock(&s->lock);
    return result;
}

static void completed(void *user, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode code)
{
    (void)user;
    (void)connection;
    (void)code;
    request *r = *state;
    if (r != NULL) free(r->body);
    free(r);
    *state = NULL;
}

/* ---- life ---- */

judge_server *judge_server_start(const judge_step *const *steps, size_t n_samples)
{
    judge_server *s = calloc(1, sizeof *s);
    assert_true(s != NULL && n_samples <= MAX_SAMPLES);
    *s = (judge_server){.steps = steps, .n_samples = n_samples, .is_proper = true};
    for (size_t i = 0; i < MAX_SAMPLES; i++) s->gap[i] = 1e9;
    pthread_mutex_init(&s->lock, NULL);
    s->daemon = loopback_start(handle, completed, s, s->address);
    return s;
}

void judge_server_stop(judge_server *server)
{
    pthread_mutex_lock(&server->lock);
    server->is_stopping = true;
    pthread_mutex_unlock(&server->lock);
    MHD_stop_daemon(server->daemon);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

const char *judge_server_address(const judge_server *server)
{
    return server->address;
}

size_t judge_server_requests(judge_server *server, size_t sample)
{
    pthread_mutex_lock(&server->lock);
    size_t n = server->n_requests[sample];
    pthread_mutex_unlock(&server->lock);
    return n;
}

double judge_server_gap(judge_server *server, size_t sample)
{
    pthread_mutex_lock(&server->lock);
    double gap = server->gap[sample];
    pthread_mutex_unlock(&server->lock);
    return gap;
}

size_t judge_server_crowd(judge_server *server)
{
    pthread_mutex_lock(&server->lock);
    size_t crowd = server->crowd;
    pthread_mutex_unlock(&server->lock);
    return crowd;
}

size_t judge_server_reasonings(judge_server *server)
{
    pthread_mutex_lock(&server->lock);
    size_t n_reasonings = server->n_reasonings;
    pthread_mutex_unlock(&server->lock);
    return n_reasonings;
}

bool judge_server_was_asked_properly(judge_server *server, const char *authorization)
{
    pthread_mutex_lock(&server->lock);
    bool same = authorization == NULL ? !server->has_authorization
                                      : server->has_authorization && strcmp(server->authorization, authorization) == 0;
    bool proper = server->is_proper && same;
    pthread_mutex_unlock(&server->lock);
    return proper;
}
