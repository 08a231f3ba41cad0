/* SPDX-License-Identifier: MIT
 * Asking a hub. */
#define _POSIX_C_SOURCE 200809L
#include "hub/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/progress.h"

enum { REDIRECTS_MAX = 5 };
static const double WAIT_MAX = 30, RETRY_AFTER_MAX = 300, POLL_SECONDS = 0.1;

const char *cna_hub_token_for(const cna_hub_client *client, const char *url)
{
    return client->token != NULL && cna_web_same_origin(client->endpoint, url) ? client->token : NULL;
}

cna_status cna_hub_report(const cna_hub_client *client, uint64_t n_more, cna_error *err)
{
    uint64_t done = client->n_done + n_more;
    return cna_progress_report(client->progress, "MB fetched", (size_t)(done / 1000000),
                               (size_t)((client->n_total > done ? client->n_total : done) / 1000000), err);
}

bool cna_hub_is_passing(int status)
{
    return status == 408 || status == 425 || status == 429 || status == 500 || (status >= 502 && status <= 504);
}

cna_status cna_hub_wait_after(const cna_hub_client *client, size_t n_failures, const char *what, const char *reason,
                              double retry_after, double *seconds, cna_error *err)
{
    if (retry_after > RETRY_AFTER_MAX) {
        return cna_fail(err, CNA_ERR_IO, "%s: expected an answer, found a request to wait %.0f seconds (%s); run the "
                        "same command after that time", what, retry_after, reason);
    }
    if (n_failures >= client->n_tries) {
        return cna_fail(err, CNA_ERR_IO, "%s: expected an answer, found in %zu tries: %s; run the same command again "
                        "to continue", what, n_failures, reason);
    }
    double wait = client->retry_seconds;
    for (size_t i = 1; i < n_failures && wait < WAIT_MAX; i++) wait *= 2;
    if (wait > WAIT_MAX) wait = WAIT_MAX;
    *seconds = wait > retry_after ? wait : retry_after;
    return CNA_OK;
}

static cna_status pause_for(const cna_hub_client *client, double seconds, cna_error *err)
{
    for (; seconds > 0; seconds -= POLL_SECONDS) {
        CNA_TRY(cna_hub_report(client, 0, err));
        double now = seconds < POLL_SECONDS ? seconds : POLL_SECONDS;
        nanosleep(&(struct timespec){.tv_nsec = (long)(now * 1e9)}, NULL);
    }
    return CNA_OK;
}

/* ---- one question ---- */

/* A checksum out of an ETag: quotes, and the mark of a weak one, dropped. Anything else is none. */
static void read_etag(const char *text, char out[CNA_HUB_COMMIT_BYTES + 32])
{
    if (text == NULL) return;
    if (strncmp(text, "W/", 2) == 0) text += 2;
    if (text[0] == '"') text++;
    size_t n = strspn(text, "0123456789abcdef");
    if ((n == 40 || n == 64) && (text[n] == '\0' || text[n] == '"')) {
        snprintf(out, CNA_HUB_COMMIT_BYTES + 32, "%.*s", (int)n, text);
    }
}

static void read_size(const char *text, cna_hub_facts *facts)
{
    if (text == NULL || text[0] < '0' || text[0] > '9') return;
    facts->has_size = true;
    facts->size = strtoull(text, NULL, 10);
}

/* The hub's X-Linked values are of the file; ETag and Content-Length are where there are none, of the last answer. */
static void read_facts(const cna_web *web, const cna_web_reply *reply, cna_hub_facts *facts)
{
    const char *etag = cna_web_header(web, reply->slot, "x-linked-etag");
    const char *size = cna_web_header(web, reply->slot, "x-linked-size");
    if (reply->status == 200 && facts->etag[0] == '\0') {
        read_etag(cna_web_header(web, reply->slot, "etag"), facts->etag);
    }
    if (reply->status == 200 && !facts->has_size) {
        read_size(cna_web_header(web, reply->slot, "content-length"), facts);
    }
    read_etag(etag, facts->etag);
    read_size(size, facts);
}

static cna_status ask_once(cna_hub_client *client, bool head, const char *url, cna_web_reply *reply, cna_error *err)
{
    const cna_web_request request = {.url = url, .token = cna_hub_token_for(client, url), .head = head};
    CNA_TRY(cna_web_begin(client->web, 0, &request, err));
    while (!cna_web_next(client->web, reply)) {
        cna_status status = cna_web_wait(client->web, POLL_SECONDS, err);
        if (status == CNA_OK) status = cna_hub_report(client, 0, err);
        if (status != CNA_OK) {
            cna_web_drop(client->web, 0);
            return status;
        }
    }
    return CNA_OK;
}

/* Ask until there is an answer that will stay. */
static cna_status ask_again(cna_hub_client *client, bool head, const char *url, cna_web_reply *reply, cna_error *err)
{
    for (size_t n_failures = 1;; n_failures++) {
        CNA_TRY(ask_once(client, head, url, reply, err));
        if (reply->no_memory) return cna_fail_memory(err, "answer of the hub", 0);
        if (reply->is_hopeless || reply->too_large) {
            return cna_fail(err, CNA_ERR_IO, "%s: expected an answer, found: %s", url, reply->error);
        }
        if (reply->status != 0 && !cna_hub_is_passing(reply->status)) return CNA_OK;
        char reason[300];
        if (reply->status == 0) snprintf(reason, sizeof reason, "%s", reply->error);
        else snprintf(reason, sizeof reason, "HTTP %d", reply->status);
        double seconds = 0;
        CNA_TRY(cna_hub_wait_after(client, n_failures, url, reason, reply->retry_after, &seconds, err));
        CNA_TRY(pause_for(client, seconds, err));
    }
}

static bool is_redirect(const cna_web_reply *reply)
{
    return reply->status >= 301 && reply->status <= 308 && reply->status != 304 && reply->location != NULL;
}

cna_status cna_hub_ask(cna_hub_client *client, bool head, const char *url, char **out_url, cna_hub_facts *facts,
                       cna_web_reply *reply, cna_error *err)
{
    char *at;
    *out_url = NULL;
    if (facts != NULL) *facts = (cna_hub_facts){0};
    CNA_TRY(cna_copy_bytes(&at, url, strlen(url), "address", err));
    cna_status status;
    for (int n_redirects = 0;; n_redirects++) {
        CNA_TRY_CLEANUP(ask_again(client, head, at, reply, err));
        if (facts != NULL) read_facts(client->web, reply, facts);
        if (!is_redirect(reply)) break;
        if (n_redirects == REDIRECTS_MAX) {
            status = cna_fail(err, CNA_ERR_IO, "%s: expected an answer, found more than %d redirects", url,
                              (int)REDIRECTS_MAX);
            goto cleanup;
        }
        bool same = cna_web_same_origin(at, reply->location);
        if (!same && strncmp(at, "https:", 6) == 0 && strncmp(reply->location, "https:", 6) != 0) {
            status = cna_fail(err, CNA_ERR_IO, "%s: expected a redirect to an https address, found %s", at,
                              reply->location);
            goto cleanup;
        }
        char *next;
        CNA_TRY_CLEANUP(cna_copy_bytes(&next, reply->location, strlen(reply->location), "address", err));
        cna_free(at);
        at = next;
        if (!same) break;
    }
    *out_url = at;
    at = NULL;
cleanup:
    cna_free(at);
    return status;
}

/* ---- refusals ---- */

cna_status cna_hub_fail_status(const cna_hub_client *client, const char *file, const char *revision,
                               const cna_web_reply *reply, cna_error *err)
{
    const char *code = cna_web_header(client->web, reply->slot, "x-error-code");
    const char *slash = file != NULL ? "/" : "", *name = file != NULL ? file : "";
    if (code == NULL) code = "";
    if (strcmp(code, "GatedRepo") == 0) {
        return cna_fail(err, CNA_ERR_IO, "%s: expected access, found a gated model (HTTP %d); accept its conditions at "
                        "%s/%s and set HF_TOKEN to a token of that account%s", client->id, reply->status,
                        client->endpoint, client->id, client->token != NULL ? " (the token given has no access)" : "");
    }
    if (strcmp(code, "RevisionNotFound") == 0) {
        return cna_fail(err, CNA_ERR_IO, "%s: expected a branch, tag or commit '%s' at %s, found none", client->id,
                        revision, client->endpoint);
    }
    if (reply->status == 401 || reply->status == 403) {
        return cna_fail(err, CNA_ERR_IO, "%s%s%s: expected access at %s, found HTTP %d: %s", client->id, slash, name,
                        client->endpoint, reply->status, client->token == NULL
                        ? "no public model has this name; for a private or gated one set HF_TOKEN to a token"
                        : "the token has no access to a model of this name; check both");
    }
    if (reply->status == 404) {
        return cna_fail(err, CNA_ERR_IO, "%s%s%s: expected it at %s in revision '%s', found nothing (HTTP 404)",
                        client->id, slash, name, client->endpoint, revision);
    }
    return cna_fail(err, CNA_ERR_IO, "%s%s%s: expected success from %s, found HTTP %d", client->id, slash, name,
                    client->endpoint, reply->status);
}
