/* SPDX-License-Identifier: MIT
 * Requests over libcurl. */
#include "base/web.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"

enum { BODY_BYTES_MAX = 64 << 20 /* unless the caller says */, HEADER_BYTES_MAX = 1 << 18 };

typedef struct slot {
    CURL *easy;
    struct curl_slist *headers;
    cna_buffer body;
    cna_web_sink *sink;
    void *user;
    cna_web_head head;
    bool has_head, busy, too_large, too_many_headers, no_memory, was_ended;
    size_t n_header; /* bytes of headers so far */
    char error[CURL_ERROR_SIZE];
} slot;

struct cna_web {
    CURLM *multi;
    slot *slots; /* [n_slots] */
    size_t n_slots;
    bool has_curl;
};

/* ---- receiving ---- */

static const char *find_header(CURL *easy, const char *name)
{
    struct curl_header *header = NULL;
    return curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK ? header->value : NULL;
}

/* "bytes FIRST-LAST/TOTAL". */
static void read_range(const char *text, cna_web_head *out)
{
    if (text == NULL || strncasecmp(text, "bytes ", 6) != 0) return;
    char *end;
    unsigned long long first = strtoull(text + 6, &end, 10);
    if (end == text + 6 || *end != '-') return;
    const char *slash = strchr(end, '/');
    if (slash == NULL || slash[1] < '0' || slash[1] > '9') return;
    out->ranged = true;
    out->first = first;
    out->n_total = strtoull(slash + 1, NULL, 10);
}

static size_t take_body(char *bytes, size_t size, size_t count, void *user)
{
    slot *s = user;
    size_t n_bytes = size * count;
    if (!s->has_head) {
        long status = 0;
        curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
        s->head = (cna_web_head){.status = (int)status};
        read_range(find_header(s->easy, "content-range"), &s->head);
        s->has_head = true;
    }
    if (s->sink != NULL && (s->head.status == 200 || s->head.status == 206)) {
        s->was_ended = !s->sink(s->user, &s->head, bytes, n_bytes);
        return s->was_ended ? 0 : n_bytes;
    }
    s->too_large = n_bytes > s->body.max - s->body.size;
    if (s->too_large) return 0;
    s->no_memory = cna_buffer_add(&s->body, bytes, n_bytes, NULL) != CNA_OK;
    return s->no_memory ? 0 : n_bytes;
}

/* libcurl bounds one header line, not their number. */
static size_t count_header(char *bytes, size_t size, size_t count, void *user)
{
    (void)bytes;
    slot *s = user;
    s->n_header += size * count;
    s->too_many_headers = s->n_header > HEADER_BYTES_MAX;
    return s->too_many_headers ? 0 : size * count;
}

/* ---- life ---- */

/* Options that all requests have in common. The first that fails decides. */
static CURLcode set_up(const cna_web_options *o, slot *s)
{
    CURL *e = s->easy;
    long stall = (long)(o->stall_seconds + 0.5);
    if (o->stall_seconds > 0 && stall == 0) stall = 1; /* libcurl counts whole seconds, and 0 means any time */
    const CURLcode codes[] = {
        curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https"),
        curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L),
        curl_easy_setopt(e, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L),
        curl_easy_setopt(e, CURLOPT_USERAGENT, "cna/" CNA_VERSION),
        curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L),
        curl_easy_setopt(e, CURLOPT_PROXY, o->proxy),
        curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)(o->connect_seconds * 1000 + 0.5)),
        curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)(o->total_seconds * 1000 + 0.5)),
        curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, stall > 0 ? 1L : 0L),
        curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, stall),
        curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 1L << 18),
        curl_easy_setopt(e, CURLOPT_ERRORBUFFER, s->error),
        curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body),
        curl_easy_setopt(e, CURLOPT_WRITEDATA, s),
        curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, count_header),
        curl_easy_setopt(e, CURLOPT_HEADERDATA, s),
    };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (codes[i] != CURLE_OK) return codes[i];
    }
    return CURLE_OK;
}

static cna_status fail_option(CURLcode code, cna_error *err)
{
    if (code == CURLE_OUT_OF_MEMORY) return cna_fail_memory(err, "request", 0);
    return cna_fail(err, CNA_ERR_INTERNAL, "libcurl: expected it to take an option, found: %s",
                    curl_easy_strerror(code));
}

static cna_status create_slots(cna_web *web, const cna_web_options *options, cna_error *err)
{
    CNA_TRY(cna_alloc(&web->slots, options->n_slots, sizeof *web->slots, "requests", err));
    web->n_slots = options->n_slots;
    for (size_t i = 0; i < web->n_slots; i++) {
        slot *s = &web->slots[i];
        s->body.max = options->body_bytes_max != 0 ? options->body_bytes_max : (size_t)BODY_BYTES_MAX;
        s->easy = curl_easy_init();
        if (s->easy == NULL) return cna_fail_memory(err, "request", sizeof *s);
        CURLcode code = set_up(options, s);
        if (code != CURLE_OK) return fail_option(code, err);
    }
    return CNA_OK;
}

cna_status cna_web_create(const cna_web_options *options, cna_web **out, cna_error *err)
{
    cna_web *web;
    *out = NULL;
    CNA_TRY(cna_alloc(&web, 1, sizeof *web, "requests", err));
    web->has_curl = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    if (web->has_curl) web->multi = curl_multi_init();
    cna_status status = web->multi != NULL ? CNA_OK : cna_fail_memory(err, "libcurl", 0);
    if (status == CNA_OK) status = create_slots(web, options, err);
    if (status != CNA_OK) {
        cna_web_free(web);
        return status;
    }
    *out = web;
    return CNA_OK;
}

void cna_web_free(cna_web *web)
{
    if (web == NULL) return;
    for (size_t i = 0; i < web->n_slots; i++) {
        slot *s = &web->slots[i];
        cna_web_drop(web, i);
        curl_easy_cleanup(s->easy);
        curl_slist_free_all(s->headers);
        cna_buffer_free(&s->body);
    }
    if (web->multi != NULL) curl_multi_cleanup(web->multi);
    if (web->has_curl) curl_global_cleanup();
    cna_free(web->slots);
    cna_free(web);
}

/* ---- requests ---- */

static cna_status fail_multi(CURLMcode code, cna_error *err)
{
    if (code == CURLM_OUT_OF_MEMORY) return cna_fail_memory(err, "libcurl", 0);
    return cna_fail(err, CNA_ERR_INTERNAL, "libcurl: expected it to go on, found: %s", curl_multi_strerror(code));
}

static bool add_header(slot *s, const char *line)
{
    struct curl_slist *longer = curl_slist_append(s->headers, line);
    if (longer != NULL) s->headers = longer;
    return longer != NULL;
}

static cna_status set_headers(slot *s, const cna_web_request *r, cna_error *err)
{
    cna_buffer line = {0};
    curl_slist_free_all(s->headers);
    s->headers = NULL;
    /* Sizes and ranges are of the file, not of a compressed form of it. Without "Expect:", larger posts would wait a
     * second for servers that do not answer "100-continue". */
    bool added = r->json == NULL ? add_header(s, "Accept-Encoding: identity")
                                 : add_header(s, "Content-Type: application/json") &&
                                       add_header(s, "Accept: application/json") && add_header(s, "Expect:");
    cna_status status = added ? CNA_OK : cna_fail_memory(err, "headers", 64);
    if (status == CNA_OK && r->token != NULL) {
        status = cna_buffer_printf(&line, err, "Authorization: Bearer %s", r->token);
        if (status == CNA_OK && !add_header(s, line.data)) status = cna_fail_memory(err, "headers", line.size);
    }
    cna_buffer_free(&line);
    return status;
}

/* In this order: a body, even none, makes the request a POST, and the lines below it decide again. */
static CURLcode set_request(slot *s, const cna_web_request *r)
{
    char range[64];
    snprintf(range, sizeof range, "%llu-%llu", (unsigned long long)r->first, (unsigned long long)r->last);
    const CURLcode codes[] = {
        curl_easy_setopt(s->easy, CURLOPT_URL, r->url),
        curl_easy_setopt(s->easy, CURLOPT_POSTFIELDS, r->json),
        curl_easy_setopt(s->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->n_json),
        curl_easy_setopt(s->easy, r->json != NULL ? CURLOPT_POST : CURLOPT_HTTPGET, 1L),
        curl_easy_setopt(s->easy, CURLOPT_NOBODY, r->head ? 1L : 0L),
        curl_easy_setopt(s->easy, CURLOPT_RANGE, r->ranged ? range : NULL),
        curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, s->headers),
    };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (codes[i] != CURLE_OK) return codes[i];
    }
    return CURLE_OK;
}

cna_status cna_web_begin(cna_web *web, size_t place, const cna_web_request *request, cna_error *err)
{
    slot *s = &web->slots[place];
    cna_buffer_reset(&s->body);
    s->n_header = 0;
    s->has_head = s->too_large = s->too_many_headers = s->no_memory = s->was_ended = false;
    s->error[0] = '\0';
    s->sink = request->sink;
    s->user = request->user;
    CNA_TRY(set_headers(s, request, err));
    CURLcode set = set_request(s, request);
    if (set != CURLE_OK) return fail_option(set, err);
    CURLMcode code = curl_multi_add_handle(web->multi, s->easy);
    if (code != CURLM_OK) return fail_multi(code, err);
    s->busy = true;
    return CNA_OK;
}

void cna_web_drop(cna_web *web, size_t place)
{
    slot *s = &web->slots[place];
    if (s->busy) curl_multi_remove_handle(web->multi, s->easy);
    s->busy = false;
}

cna_status cna_web_wait(cna_web *web, double seconds, cna_error *err)
{
    int n_running, n_events;
    CURLMcode code = curl_multi_perform(web->multi, &n_running);
    if (code != CURLM_OK) return fail_multi(code, err);
    size_t n_busy = 0;
    for (size_t i = 0; i < web->n_slots; i++) n_busy += web->slots[i].busy;
    if ((size_t)n_running < n_busy) return CNA_OK; /* a reply is there */
    code = curl_multi_poll(web->multi, NULL, 0, (int)(seconds * 1000 + 1), &n_events);
    if (code == CURLM_OK) code = curl_multi_perform(web->multi, &n_running);
    return code == CURLM_OK ? CNA_OK : fail_multi(code, err);
}

static bool is_hopeless(const slot *s, CURLcode code)
{
    if (code == CURLE_UNSUPPORTED_PROTOCOL) {
        long n_sent = 0; /* said of an answer that is no HTTP as well, and the next may be */
        curl_easy_getinfo(s->easy, CURLINFO_REQUEST_SIZE, &n_sent);
        return n_sent == 0;
    }
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE || code == CURLE_URL_MALFORMAT ||
           code == CURLE_LOGIN_DENIED || code == CURLE_FAILED_INIT;
}

static void describe_failure(const slot *s, CURLcode code, cna_web_reply *out)
{
    out->no_memory = s->no_memory || code == CURLE_OUT_OF_MEMORY;
    out->is_hopeless = is_hopeless(s, code);
    out->too_large = s->too_large || s->too_many_headers;
    out->was_ended = s->was_ended;
    if (s->too_many_headers) {
        snprintf(out->error, sizeof out->error, "expected at most %d bytes of headers, found more",
                 (int)HEADER_BYTES_MAX);
    } else if (s->too_large) {
        snprintf(out->error, sizeof out->error, "expected a reply of at most %zu bytes, found a longer one",
                 s->body.max);
    } else {
        snprintf(out->error, sizeof out->error, "%s", s->error[0] != '\0' ? s->error : curl_easy_strerror(code));
    }
}

static void describe_reply(const slot *s, cna_web_reply *out)
{
    long status = 0;
    curl_off_t wait = 0;
    char *location = NULL;
    curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(s->easy, CURLINFO_RETRY_AFTER, &wait);
    curl_easy_getinfo(s->easy, CURLINFO_REDIRECT_URL, &location);
    out->status = (int)status;
    out->retry_after = wait > 0 ? (double)wait : 0;
    out->location = location;
}

bool cna_web_next(cna_web *web, cna_web_reply *out)
{
    int n_left;
    for (CURLMsg *message; (message = curl_multi_info_read(web->multi, &n_left)) != NULL;) {
        if (message->msg != CURLMSG_DONE) continue;
        CURLcode code = message->data.result;
        CURL *easy = message->easy_handle;
        slot *s = &web->slots[0];
        while (s->easy != easy) s++;
        curl_multi_remove_handle(web->multi, easy);
        s->busy = false;
        *out = (cna_web_reply){.slot = (size_t)(s - web->slots), .n_bytes = s->body.size};
        out->body = s->body.data != NULL ? s->body.data : "";
        if (code == CURLE_OK) describe_reply(s, out);
        else describe_failure(s, code, out);
        return true;
    }
    return false;
}

const char *cna_web_header(const cna_web *web, size_t place, const char *name)
{
    return find_header(web->slots[place].easy, name);
}

/* ---- addresses ---- */

static bool same_part(CURLU *a, CURLU *b, CURLUPart part)
{
    char *of_a = NULL, *of_b = NULL;
    bool same = curl_url_get(a, part, &of_a, CURLU_DEFAULT_PORT) == CURLUE_OK &&
                curl_url_get(b, part, &of_b, CURLU_DEFAULT_PORT) == CURLUE_OK && strcasecmp(of_a, of_b) == 0;
    curl_free(of_a);
    curl_free(of_b);
    return same;
}

bool cna_web_same_origin(const char *a, const char *b)
{
    CURLU *of_a = curl_url(), *of_b = curl_url();
    bool same = of_a != NULL && of_b != NULL && curl_url_set(of_a, CURLUPART_URL, a, 0) == CURLUE_OK &&
                curl_url_set(of_b, CURLUPART_URL, b, 0) == CURLUE_OK && same_part(of_a, of_b, CURLUPART_SCHEME) &&
                same_part(of_a, of_b, CURLUPART_HOST) && same_part(of_a, of_b, CURLUPART_PORT);
    curl_url_cleanup(of_a);
    curl_url_cleanup(of_b);
    return same;
}
