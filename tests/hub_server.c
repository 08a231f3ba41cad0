/* SPDX-License-Identifier: MIT
 * A Hugging Face hub for tests. */
#include "hub_server.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loopback.h"
#include "support.h"

enum { STALL_MS = 3000, FAULTS_MAX = 16, PIECE_BYTES = 65536 };

struct hub_server {
    struct MHD_Daemon *hub, *store;
    char address[LOOPBACK_ADDRESS_BYTES], store_address[LOOPBACK_ADDRESS_BYTES];
    const hub_file *files;
    size_t n_files;
    const hub_fault *faults;
    size_t n_faults;
    const char *token;
    bool bare;
    pthread_mutex_t lock; /* of what follows */
    size_t n_used[FAULTS_MAX], n_requests[3];
    uint64_t n_sent;
    bool leaked, is_stopping;
};

/* A body that is made while it is sent. */
typedef struct outgoing {
    hub_server *server;
    char *bytes;
    size_t n_bytes, cut; /* cut: where the connection is closed; SIZE_MAX: nowhere */
    bool throttled;
} outgoing;

static void digest(const EVP_MD *type, const char *head, size_t n_head, const hub_file *file, char out[65])
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_DigestInit_ex(context, type, NULL);
    EVP_DigestUpdate(context, head, n_head);
    EVP_DigestUpdate(context, file->bytes, file->n_bytes);
    EVP_DigestFinal_ex(context, bytes, &n);
    EVP_MD_CTX_free(context);
    for (unsigned i = 0; i < n; i++) snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

void hub_server_etag(const hub_file *file, char out[65])
{
    char head[32];
    int n = snprintf(head, sizeof head, "blob %zu", file->n_bytes);
    if (file->large) digest(EVP_sha256(), "", 0, file, out);
    else digest(EVP_sha1(), head, (size_t)n + 1, file, out);
}

/* The fault that a request meets; NULL: none. */
static const hub_fault *meet(hub_server *s, hub_place place, const char *path)
{
    const hub_fault *met = NULL;
    pthread_mutex_lock(&s->lock);
    s->n_requests[place]++;
    for (size_t i = 0; i < s->n_faults && met == NULL; i++) {
        const hub_fault *f = &s->faults[i];
        if (f->place != place || (f->path != NULL && (path == NULL || strcmp(f->path, path) != 0))) continue;
        if (f->n_times != 0 && s->n_used[i] >= f->n_times) continue;
        s->n_used[i]++;
        met = f;
    }
    pthread_mutex_unlock(&s->lock);
    return met;
}

/* ---- answers ---- */

static ssize_t produce(void *user, uint64_t at, char *out, size_t capacity)
{
    outgoing *o = user;
    if (at >= o->cut) return MHD_CONTENT_READER_END_WITH_ERROR;
    if (at >= o->n_bytes) return MHD_CONTENT_READER_END_OF_STREAM;
    if (o->throttled) loopback_sleep(&o->server->lock, &o->server->is_stopping, 100);
    size_t n = o->n_bytes - (size_t)at;
    if (n > capacity) n = capacity;
    if (at + n > o->cut) n = o->cut - (size_t)at;
    memcpy(out, o->bytes + at, n);
    pthread_mutex_lock(&o->server->lock);
    o->server->n_sent += n;
    pthread_mutex_unlock(&o->server->lock);
    return (ssize_t)n;
}

static void finish(void *user)
{
    outgoing *o = user;
    free(o->bytes);
    free(o);
}

static enum MHD_Result send_response(struct MHD_Connection *connection, unsigned status, struct MHD_Response *response)
{
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static struct MHD_Response *text_response(const char *text)
{
    return MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
}

static struct MHD_Response *bytes_response(hub_server *s, const char *bytes, size_t n, const hub_fault *fault)
{
    outgoing *o = calloc(1, sizeof *o);
    *o = (outgoing){.server = s, .bytes = malloc(n + 1), .n_bytes = n, .cut = SIZE_MAX};
    memcpy(o->bytes, bytes, n);
    if (fault != NULL && fault->kind == HUB_CORRUPT && n > 0) o->bytes[n / 2] ^= 1;
    if (fault != NULL && fault->kind == HUB_CUT) o->cut = n / 2;
    if (fault != NULL && fault->kind == HUB_LONG) o->bytes[n++] = '!';
    if (fault != NULL && fault->kind == HUB_SHORT) n /= 2;
    o->n_bytes = n;
    o->throttled = fault != NULL && fault->kind == HUB_THROTTLE;
    return MHD_create_response_from_callback(n, PIECE_BYTES, produce, o, finish);
}

/* What every place can be told to do. *done: it was. */
static enum MHD_Result misbehave(hub_server *s, struct MHD_Connection *connection, const hub_fault *fault,
                                 const char *url, bool *done)
{
    *done = false;
    if (fault == NULL) return MHD_YES;
    if (fault->kind == HUB_STALL) loopback_sleep(&s->lock, &s->is_stopping, STALL_MS);
    if (fault->kind != HUB_STATUS && fault->kind != HUB_DROP && fault->kind != HUB_LOOP) return MHD_YES;
    *done = true;
    if (fault->kind == HUB_DROP) return MHD_NO;
    struct MHD_Response *response = text_response("no");
    if (fault->kind == HUB_LOOP) MHD_add_response_header(response, "Location", url);
    if (fault->header != NULL) MHD_add_response_header(response, fault->header, fault->value);
    return send_response(connection, fault->kind == HUB_LOOP ? 302 : (unsigned)fault->status, response);
}

static enum MHD_Result send_list(hub_server *s, struct MHD_Connection *connection, const hub_fault *fault)
{
    size_t n = 0, capacity = 256 + s->n_files * 400;
    char *text = malloc(capacity), etag[65];
    n += (size_t)snprintf(text, capacity, "{\"id\":\"org/model\",\"sha\":\"%s\",\"siblings\":[", HUB_COMMIT);
    for (size_t i = 0; i < s->n_files; i++) {
        const hub_file *f = &s->files[i];
        n += (size_t)snprintf(text + n, capacity - n, "%s{\"rfilename\":\"%s\"", i == 0 ? "" : ",", f->path);
        hub_server_etag(f, etag);
        if (!s->bare) n += (size_t)snprintf(text + n, capacity - n, ",\"size\":%zu", f->n_bytes);
        if (!s->bare && f->large) {
            n += (size_t)snprintf(text + n, capacity - n, ",\"lfs\":{\"sha256\":\"%s\",\"size\":%zu}", etag,
                                  f->n_bytes);
        }
        n += (size_t)snprintf(text + n, capacity - n, "}");
    }
    snprintf(text + n, capacity - n, "]}");
    const char *body = fault != NULL && fault->kind == HUB_TEXT ? fault->text : text;
    struct MHD_Response *response = bytes_response(s, body, strlen(body), fault);
    free(text);
    return send_response(connection, 200, response);
}

/* "bytes=FIRST-LAST"; false: the whole is asked for. */
static bool read_range(struct MHD_Connection *connection, size_t n_bytes, size_t *first, size_t *last)
{
    unsigned long long a, b;
    const char *text = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Range");
    *first = 0;
    *last = n_bytes - 1;
    if (text == NULL || sscanf(text, "bytes=%llu-%llu", &a, &b) != 2 || a >= n_bytes || b < a) return false;
    *first = (size_t)a;
    if (b < n_bytes) *last = (size_t)b;
    return true;
}

static enum MHD_Result send_bytes(hub_server *s, struct MHD_Connection *connection, const hub_file *file,
                                  const hub_fault *fault)
{
    size_t first, last;
    char range[96];
    hub_kind kind = fault != NULL ? fault->kind : HUB_STATUS;
    if (file->n_bytes == 0) return send_response(connection, 200, text_response(""));
    bool ranged = read_range(connection, file->n_bytes, &first, &last) && kind != HUB_NO_RANGES;
    if (!ranged) {
        first = 0;
        last = file->n_bytes - 1;
    }
    if (kind == HUB_WRONG_RANGE && first > 0) first--;
    struct MHD_Response *response = bytes_response(s, file->bytes + first, last - first + 1, fault);
    if (!ranged) return send_response(connection, 200, response);
    snprintf(range, sizeof range, "bytes %zu-%zu/%zu", first, last, file->n_bytes + (kind == HUB_WRONG_TOTAL));
    MHD_add_response_header(response, "Content-Range", range);
    return send_response(connection, 206, response);
}

/* A small file's own answer to HEAD. MHD leaves the body out. */
static enum MHD_Result send_head(hub_server *s, struct MHD_Connection *connection, size_t index, const hub_fault *fault)
{
    const hub_file *f = &s->files[index];
    char etag[65], quoted[70], size[32], location[128];
    hub_kind kind = fault != NULL ? fault->kind : HUB_STATUS;
    hub_server_etag(f, etag);
    if (kind == HUB_WRONG_ETAG) etag[0] = etag[0] == '0' ? '1' : '0';
    if (kind == HUB_NO_ETAG) snprintf(etag, sizeof etag, "5f1-abc");
    snprintf(quoted, sizeof quoted, "%s\"%s\"", f->large ? "" : "W/", etag);
    snprintf(size, sizeof size, "%zu", f->n_bytes + (kind == HUB_WRONG_SIZE));
    if (kind == HUB_RENAMED) {
        snprintf(location, sizeof location, "/org/renamed/resolve/%s/%s", HUB_COMMIT, f->path);
        struct MHD_Response *response = text_response("");
        MHD_add_response_header(response, "Location", location);
        return send_response(connection, 307, response);
    }
    struct MHD_Response *response = f->large || kind == HUB_WRONG_SIZE
                                        ? text_response("")
                                        : MHD_create_response_from_buffer(f->n_bytes, (void *)(uintptr_t)f->bytes,
                                                                          MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(response, "X-Repo-Commit", HUB_COMMIT);
    MHD_add_response_header(response, f->large ? "X-Linked-Etag" : "ETag", quoted);
    if (f->large || kind == HUB_WRONG_SIZE) MHD_add_response_header(response, "X-Linked-Size", size);
    if (!f->large) return send_response(connection, 200, response);
    snprintf(location, sizeof location, "%s/%zu", s->store_address, index);
    MHD_add_response_header(response, "Location", location);
    return send_response(connection, 302, response);
}

/* ---- requests ---- */

static bool has_token(const hub_server *s, struct MHD_Connection *connection)
{
    char expected[256];
    const char *found = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Authorization");
    snprintf(expected, sizeof expected, "Bearer %s", s->token != NULL ? s->token : "");
    return s->token == NULL || (found != NULL && strcmp(found, expected) == 0);
}

static enum MHD_Result on_hub(void *user, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *upload, size_t *n_upload, void **state)
{
    (void)version, (void)upload, (void)n_upload, (void)state;
    static const char list[] = "/api/models/org/model/revision/";
    hub_server *s = user;
    bool done, is_list = strncmp(url, list, strlen(list)) == 0, is_head = strcmp(method, "HEAD") == 0;
    const char *path = strstr(url, "/resolve/" HUB_COMMIT "/");
    if (path != NULL) path += strlen("/resolve/" HUB_COMMIT "/");
    if (!has_token(s, connection)) {
        return send_response(connection, 401, text_response("Invalid username or password."));
    }
    const hub_fault *fault = meet(s, is_list ? HUB_LIST : is_head ? HUB_HEAD : HUB_BYTES, path);
    enum MHD_Result result = misbehave(s, connection, fault, url, &done);
    if (done) return result;
    if (is_list) return send_list(s, connection, fault);
    for (size_t i = 0; i < s->n_files && path != NULL; i++) {
        if (strcmp(s->files[i].path, path) != 0) continue;
        return is_head ? send_head(s, connection, i, fault) : send_bytes(s, connection, &s->files[i], fault);
    }
    return send_response(connection, 404, text_response("Entry not found"));
}

static enum MHD_Result on_store(void *user, struct MHD_Connection *connection, const char *url, const char *method,
                                const char *version, const char *upload, size_t *n_upload, void **state)
{
    (void)method, (void)version, (void)upload, (void)n_upload, (void)state;
    hub_server *s = user;
    bool done;
    size_t index = strtoul(url + 1, NULL, 10);
    if (index >= s->n_files) return send_response(connection, 404, text_response("no"));
    if (MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Authorization") != NULL) s->leaked = true;
    const hub_fault *fault = meet(s, HUB_BYTES, s->files[index].path);
    enum MHD_Result result = misbehave(s, connection, fault, url, &done);
    return done ? result : send_bytes(s, connection, &s->files[index], fault);
}

/* ---- life ---- */

hub_server *hub_server_start(const hub_file *files, size_t n_files, const hub_fault *faults, size_t n_faults,
                             const char *token, bool bare)
{
    hub_server *s = calloc(1, sizeof *s);
    assert_true(s != NULL && n_faults <= FAULTS_MAX);
    *s = (hub_server){.files = files, .n_files = n_files, .faults = faults, .n_faults = n_faults, .token = token,
                      .bare = bare};
    pthread_mutex_init(&s->lock, NULL);
    s->hub = loopback_start(on_hub, NULL, s, s->address);
    s->store = loopback_start(on_store, NULL, s, s->store_address);
    return s;
}

void hub_server_stop(hub_server *server)
{
    pthread_mutex_lock(&server->lock);
    server->is_stopping = true;
    pthread_mutex_unlock(&server->lock);
    MHD_stop_daemon(server->hub);
    MHD_stop_daemon(server->store);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

const char *hub_server_address(const hub_server *server)
{
    return server->address;
}

size_t hub_server_requests(hub_server *server, hub_place place)
{
    pthread_mutex_lock(&server->lock);
    size_t n = server->n_requests[place];
    pthread_mutex_unlock(&server->lock);
    return n;
}

uint64_t hub_server_sent(hub_server *server)
{
    pthread_mutex_lock(&server->lock);
    uint64_t n = server->n_sent;
    pthread_mutex_unlock(&server->lock);
    return n;
}

bool hub_server_leaked_token(hub_server *server)
{
    return server->leaked;
}
