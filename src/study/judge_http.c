/* SPDX-License-Identifier: MIT
 * Requests over libcurl. */
#include "study/judge_http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"

enum { HEADER_BYTES_MAX = 1 << 18 };

typedef struct slot {
    CURL *easy;
    cna_buffer body; /* of the reply */
    size_t n_header; /* bytes of headers so far */
    bool busy, too_large, no_memory;
    char error[CURL_ERROR_SIZE];
} slot;

struct cna_http {
    CURLM *multi;
    struct curl_slist *headers;
    slot *slots; /* [n_slots] */
    size_t n_slots;
    bool has_curl;
};

/* ---- receiving ---- */

static size_t take_body(char *bytes, size_t size, size_t count, void *user)
{
    slot *s = user;
    size_t n_bytes = size * count;
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
    s->too_large = s->n_header > HEADER_BYTES_MAX;
    return s->too_large ? 0 : size * count;
}

/* ---- life ---- */

/* Options that all requests have in common. The first that fails decides. */
static CURLcode set_up(const cna_http *http, const cna_http_options *o, slot *s)
{
    CURL *e = s->easy;
    const long timeout_ms = (long)(o->timeout_seconds * 1000 + 0.5);
    const CURLcode codes[] = {
        curl_easy_setopt(e, CURLOPT_URL, o->address),
        curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https"),
        curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L),
        curl_easy_setopt(e, CURLOPT_PROXY, o->proxy != NULL ? o->proxy : ""),
        curl_easy_setopt(e, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L),
        curl_easy_setopt(e, CURLOPT_USERAGENT, "cna/" CNA_VERSION),
        curl_easy_setopt(e, CURLOPT_HTTPHEADER, http->headers),
        curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L),
        curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, timeout_ms),
        curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms),
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

static bool add_header(cna_http *http, const char *line)
{
    struct curl_slist *longer = curl_slist_append(http->headers, line);
    if (longer != NULL) http->headers = longer;
    return longer != NULL;
}

static cna_status make_headers(cna_http *http, const char *key, cna_error *err)
{
    cna_buffer line = {0};
    /* Without "Expect:", larger requests would wait a second for servers that do not answer "100-continue". */
    bool added = add_header(http, "Content-Type: application/json") && add_header(http, "Accept: application/json") &&
                 add_header(http, "Expect:");
    cna_status status = added ? CNA_OK : cna_fail_memory(err, "headers", 64);
    if (status == CNA_OK && key != NULL) {
        status = cna_buffer_printf(&line, err, "Authorization: Bearer %s", key);
        if (status == CNA_OK && !add_header(http, line.data)) status = cna_fail_memory(err, "headers", line.size);
    }
    cna_buffer_free(&line);
    return status;
}

static cna_status create_slots(cna_http *http, const cna_http_options *options, cna_error *err)
{
    CNA_TRY(cna_alloc(&http->slots, options->n_slots, sizeof *http->slots, "requests", err));
    http->n_slots = options->n_slots;
    for (size_t i = 0; i < http->n_slots; i++) {
        slot *s = &http->slots[i];
        s->body.max = options->reply_bytes_max;
        s->easy = curl_easy_init();
        if (s->easy == NULL) return cna_fail_memory(err, "request", sizeof *s);
        CURLcode code = set_up(http, options, s);
        if (code == CURLE_OUT_OF_MEMORY) return cna_fail_memory(err, "request", sizeof *s);
        if (code != CURLE_OK) {
            return cna_fail(err, CNA_ERR_INTERNAL, "libcurl: expected it to take an option, found: %s",
                            curl_easy_strerror(code));
        }
    }
    return CNA_OK;
}

cna_status cna_http_create(const cna_http_options *options, cna_http **out, cna_error *err)
{
    cna_http *http;
    CNA_TRY(cna_alloc(&http, 1, sizeof *http, "requests", err));
    http->has_curl = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    if (http->has_curl) http->multi = curl_multi_init();
    cna_status status = http->multi != NULL ? CNA_OK : cna_fail_memory(err, "libcurl", 0);
    if (status == CNA_OK) status = make_headers(http, options->key, err);
    if (status == CNA_OK) status = create_slots(http, options, err);
    if (status != CNA_OK) {
        cna_http_free(http);
        return status;
    }
    *out = http;
    return CNA_OK;
}

void cna_http_free(cna_http *http)
{
    if (http == NULL) return;
    for (size_t i = 0; i < http->n_slots; i++) {
        slot *s = &http->slots[i];
        if (s->busy) curl_multi_remove_handle(http->multi, s->easy);
        curl_easy_cleanup(s->easy);
        cna_buffer_free(&s->body);
    }
    if (http->multi != NULL) curl_multi_cleanup(http->multi);
    curl_slist_free_all(http->headers);
    if (http->has_curl) curl_global_cleanup();
    cna_free(http->slots);
    cna_free(http);
}

/* ---- requests ---- */

static cna_status fail_multi(CURLMcode code, cna_error *err)
{
    if (code == CURLM_OUT_OF_MEMORY) return cna_fail_memory(err, "libcurl", 0);
    return cna_fail(err, CNA_ERR_INTERNAL, "libcurl: expected it to go on, found: %s", curl_multi_strerror(code));
}

cna_status cna_http_post(cna_http *http, size_t place, const char *body, size_t n_bytes, cna_error *err)
{
    slot *s = &http->slots[place];
    cna_buffer_reset(&s->body);
    s->n_header = 0;
    s->too_large = s->no_memory = false;
    s->error[0] = '\0';
    if (curl_easy_setopt(s->easy, CURLOPT_POSTFIELDS, body) != CURLE_OK ||
        curl_easy_setopt(s->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)n_bytes) != CURLE_OK) {
        return cna_fail_memory(err, "request", n_bytes);
    }
    CURLMcode code = curl_multi_add_handle(http->multi, s->easy);
    if (code != CURLM_OK) return fail_multi(code, err);
    s->busy = true;
    return CNA_OK;
}

cna_status cna_http_wait(cna_http *http, double seconds, cna_error *err)
{
    int n_running, n_events;
    CURLMcode code = curl_multi_perform(http->multi, &n_running);
    if (code != CURLM_OK) return fail_multi(code, err);
    size_t n_busy = 0;
    for (size_t i = 0; i < http->n_slots; i++) n_busy += http->slots[i].busy;
    if ((size_t)n_running < n_busy) return CNA_OK; /* a reply is there */
    code = curl_multi_poll(http->multi, NULL, 0, (int)(seconds * 1000 + 1), &n_events);
    if (code == CURLM_OK) code = curl_multi_perform(http->multi, &n_running);
    return code == CURLM_OK ? CNA_OK : fail_multi(code, err);
}

static bool is_hopeless(CURLcode code)
{
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE || code == CURLE_URL_MALFORMAT ||
           code == CURLE_FAILED_INIT;
}

static void describe_failure(const slot *s, CURLcode code, cna_http_reply *out)
{
    out->no_memory = s->no_memory || code == CURLE_OUT_OF_MEMORY;
    out->is_hopeless = is_hopeless(code);
    out->is_transient = !out->is_hopeless && !out->no_memory && !s->too_large;
    if (s->too_large) {
        snprintf(out->error, sizeof out->error, "expected a reply of at most %zu bytes, found a longer one",
                 s->body.max);
    } else {
        snprintf(out->error, sizeof out->error, "%s", s->error[0] != '\0' ? s->error : curl_easy_strerror(code));
    }
}

static void describe_reply(const slot *s, cna_http_reply *out)
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

bool cna_http_next(cna_http *http, cna_http_reply *out)
{
    int n_left;
    for (CURLMsg *message; (message = curl_multi_info_read(http->multi, &n_left)) != NULL;) {
        if (message->msg != CURLMSG_DONE) continue;
        CURLcode code = message->data.result;
        CURL *easy = message->easy_handle;
        slot *s = &http->slots[0];
        while (s->easy != easy) s++;
        curl_multi_remove_handle(http->multi, easy);
        s->busy = false;
        *out = (cna_http_reply){.slot = (size_t)(s - http->slots), .n_bytes = s->body.size};
        out->body = s->body.data != NULL ? s->body.data : "";
        if (code == CURLE_OK) describe_reply(s, out);
        else describe_failure(s, code, out);
        return true;
    }
    return false;
}
