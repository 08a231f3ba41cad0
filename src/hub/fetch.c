/* SPDX-License-Identifier: MIT
 * One file into the cache. */
#include "hub/fetch.h"

#include <stdio.h>
#include <string.h>

#include "base/append.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/folder.h"
#include "base/hash.h"

enum { SPARE_PARTS = 4, HASH_BYTES = 1 << 18, REDIRECTS_MAX = 5 };
static const size_t NO_SLOT = (size_t)-1;

typedef struct fetch fetch;

/* A range under way. What it has got and cannot be written yet, because bytes before it are missing, waits. */
typedef struct part {
    fetch *owner;
    bool used;
    uint64_t begin, end; /* in the file */
    uint64_t n_got;
    cna_buffer waiting;  /* the last of these */
    size_t slot;
    uint64_t n_skip;     /* bytes of the answer still to pass over */
    uint64_t n_before;   /* n_got when the request began */
    size_t n_failures;   /* requests in a row that brought nothing */
    double ready;        /* when the next may begin */
    const char *odd;     /* ? what was wrong with the answer */
    size_t n_moves;      /* the fetch's, when the request began */
} part;

struct fetch {
    cna_hub_client *client;
    const cna_hub_target *target;
    char *location;      /* address of the file's bytes */
    size_t n_moves;      /* times that it has changed */
    size_t n_redirects;  /* since the hub gave one */
    cna_append file;
    cna_hash hash;       /* of what is written */
    part *parts;         /* [n_parts] */
    size_t n_parts;
    bool *taken;         /* [n_slots] */
    uint64_t next;       /* where the next part begins */
    bool whole;          /* the server knows no ranges */
    cna_status status;   /* failure inside a callback, with its text */
    cna_error error;
};

/* ---- writing ---- */

static cna_status begin_hash(fetch *f, cna_error *err)
{
    bool is_git = strlen(f->target->etag) == 40;
    CNA_TRY(cna_hash_begin(&f->hash, is_git ? CNA_HASH_SHA1 : CNA_HASH_SHA256, err));
    if (!is_git) return CNA_OK;
    char header[40]; /* what git puts before a blob's bytes, with its NUL */
    int n = snprintf(header, sizeof header, "blob %llu", (unsigned long long)f->target->size);
    return cna_hash_add(&f->hash, header, (size_t)n + 1, err);
}

/* A failure in the middle of a piece leaves it on the disk and not in the hash; the fetch ends with it. */
static cna_status write_bytes(fetch *f, const char *bytes, size_t n, cna_error *err)
{
    CNA_TRY(cna_append_add(&f->file, bytes, n, err));
    return cna_hash_add(&f->hash, bytes, n, err);
}

static bool is_next(const fetch *f, const part *p)
{
    return p->used && f->file.size == p->begin + p->n_got - p->waiting.size;
}

/* Write what waited and now joins on, and give back parts that are complete. */
static cna_status write_waiting(fetch *f, cna_error *err)
{
    for (size_t i = 0; i < f->n_parts;) {
        part *p = &f->parts[i++];
        if (!is_next(f, p)) continue;
        CNA_TRY(write_bytes(f, p->waiting.data, p->waiting.size, err));
        cna_buffer_reset(&p->waiting);
        if (p->begin + p->n_got < p->end) break;
        if (p->slot != NO_SLOT) break; /* its reply is still to come */
        p->used = false;
        i = 0;
    }
    return CNA_OK;
}

/* What an answer must say; NULL where it does. */
static const char *check_head(fetch *f, const part *p, const cna_web_head *head)
{
    if (head->status == 200) return NULL;
    if (!head->ranged || head->first != p->begin + p->n_before) return "another range than the one asked for";
    return head->n_total != f->target->size ? "a file of another size" : NULL;
}

static bool on_bytes(void *user, const cna_web_head *head, const char *bytes, size_t n)
{
    part *p = user;
    fetch *f = p->owner;
    p->odd = check_head(f, p, head);
    if (p->odd != NULL) return false;
    if (head->status == 200 && !f->whole && p->begin + p->n_before != 0) {
        f->whole = true;
        return false;
    }
    if (head->status == 200 && p->n_skip > 0) {
        size_t skipped = p->n_skip < n ? (size_t)p->n_skip : n;
        p->n_skip -= skipped;
        bytes += skipped;
        n -= skipped;
    }
    if (n > p->end - p->begin - p->n_got) {
        /* A server without ranges sends what comes behind a first range as well. */
        f->whole = f->whole || (head->status == 200 && p->end < f->target->size);
        p->odd = "more bytes than the file has";
        return false;
    }
    bool now = is_next(f, p) && p->waiting.size == 0;
    f->status = now ? write_bytes(f, bytes, n, &f->error) : cna_buffer_add(&p->waiting, bytes, n, &f->error);
    if (f->status == CNA_OK) p->n_got += n;
    return f->status == CNA_OK;
}

/* ---- requests ---- */

static size_t free_slot(const fetch *f)
{
    for (size_t i = 0; i < f->client->n_slots; i++) {
        if (!f->taken[i]) return i;
    }
    return NO_SLOT;
}

static cna_status begin_request(fetch *f, part *p, cna_error *err)
{
    uint64_t first = p->begin + p->n_got;
    bool all = f->whole || (first == 0 && p->end == f->target->size);
    const cna_web_request request = {.url = f->location, .token = cna_hub_token_for(f->client, f->location),
                                     .ranged = !all, .first = first, .last = p->end - 1, .sink = on_bytes, .user = p};
    p->n_skip = all ? first : 0;
    p->n_before = p->n_got;
    p->odd = NULL;
    p->n_moves = f->n_moves;
    size_t slot = free_slot(f);
    CNA_TRY(cna_web_begin(f->client->web, slot, &request, err));
    f->taken[slot] = true;
    p->slot = slot;
    return CNA_OK;
}

static void drop_requests(fetch *f)
{
    for (size_t i = 0; i < f->client->n_slots; i++) {
        cna_web_drop(f->client->web, i);
        f->taken[i] = false;
    }
    for (size_t i = 0; i < f->n_parts; i++) f->parts[i].slot = NO_SLOT;
}

/* Begin anew from where the file on the disk ends. */
static void forget_parts(fetch *f)
{
    drop_requests(f);
    for (size_t i = 0; i < f->n_parts; i++) {
        part *p = &f->parts[i];
        cna_buffer_reset(&p->waiting);
        *p = (part){.owner = f, .waiting = p->waiting, .slot = NO_SLOT};
    }
    f->next = f->file.size;
}

/* Parts for what no part is for yet, in order; without ranges one for all. */
static void hand_out(fetch *f)
{
    for (size_t i = 0; i < f->n_parts && f->next < f->target->size; i++) {
        part *p = &f->parts[i];
        if (p->used) continue;
        uint64_t left = f->target->size - f->next;
        uint64_t n = f->whole || left < f->target->range_bytes ? left : f->target->range_bytes;
        *p = (part){.owner = f, .used = true, .begin = f->next, .end = f->next + n, .waiting = p->waiting,
                    .slot = NO_SLOT};
        f->next += n;
    }
}

static cna_status begin_requests(fetch *f, cna_error *err)
{
    double now = cna_clock_seconds();
    hand_out(f);
    for (size_t i = 0; i < f->n_parts && free_slot(f) != NO_SLOT; i++) {
        part *p = &f->parts[i];
        bool idle = p->used && p->slot == NO_SLOT && p->begin + p->n_got < p->end && p->ready <= now;
        if (idle) CNA_TRY(begin_request(f, p, err));
    }
    return CNA_OK;
}

/* ---- answers ---- */

/* The address of the bytes may have run out: ask the hub for another. */
static cna_status ask_location(fetch *f, cna_error *err)
{
    cna_web_reply reply;
    char *location;
    drop_requests(f); /* slot 0 is the question's */
    CNA_TRY(cna_hub_ask(f->client, true, f->target->url, &location, NULL, &reply, err));
    cna_free(f->location);
    f->location = location;
    f->n_moves++;
    f->n_redirects = 0;
    if (reply.status >= 400) {
        return cna_hub_fail_status(f->client, f->target->file, f->target->revision, &reply, err);
    }
    return CNA_OK;
}

static cna_status follow(fetch *f, const char *location, cna_error *err)
{
    if (f->n_redirects++ == REDIRECTS_MAX) {
        return cna_fail(err, CNA_ERR_IO, "%s: expected the bytes of %s, found more than %d redirects", f->target->url,
                        f->target->file, (int)REDIRECTS_MAX);
    }
    if (strncmp(f->location, "https:", 6) == 0 && strncmp(location, "https:", 6) != 0) {
        return cna_fail(err, CNA_ERR_IO, "%s: expected a redirect to an https address, found %s", f->location,
                        location);
    }
    char *copy;
    CNA_TRY(cna_copy_bytes(&copy, location, strlen(location), "address", err));
    cna_free(f->location);
    f->location = copy;
    f->n_moves++;
    return CNA_OK;
}

/* A request that brought less than its range: wait, or give up. */
static cna_status note_failure(fetch *f, part *p, const cna_web_reply *reply, cna_error *err)
{
    char what[512], reason[300];
    double seconds = 0;
    p->n_failures = p->n_got > p->n_before ? 1 : p->n_failures + 1;
    snprintf(what, sizeof what, "%s/%s", f->client->id, f->target->file);
    if (p->odd != NULL) snprintf(reason, sizeof reason, "%s", p->odd);
    else if (reply->status == 0) snprintf(reason, sizeof reason, "%s", reply->error);
    else if (reply->status == 200 || reply->status == 206) snprintf(reason, sizeof reason, "too few bytes");
    else snprintf(reason, sizeof reason, "HTTP %d", reply->status);
    CNA_TRY(cna_hub_wait_after(f->client, p->n_failures, what, reason, reply->retry_after, &seconds, err));
    p->ready = cna_clock_seconds() + seconds;
    return CNA_OK;
}

static cna_status take_reply(fetch *f, const cna_web_reply *reply, cna_error *err)
{
    part *p = f->parts;
    while (p->slot != reply->slot) p++;
    p->slot = NO_SLOT;
    f->taken[reply->slot] = false;
    if (reply->no_memory) return cna_fail_memory(err, "answer of the hub", 0);
    if (reply->is_hopeless || reply->too_large) {
        return cna_fail(err, CNA_ERR_IO, "%s: expected an answer, found: %s", f->location, reply->error);
    }
    if (p->begin + p->n_got == p->end && p->odd == NULL) return CNA_OK;
    if (reply->status >= 301 && reply->status <= 308 && reply->location != NULL) {
        return p->n_moves == f->n_moves ? follow(f, reply->location, err) : CNA_OK;
    }
    bool expired = reply->status == 401 || reply->status == 403;
    bool refused = reply->status >= 400 && !cna_hub_is_passing(reply->status);
    if (refused && !(expired && p->n_failures == 0)) {
        return cna_hub_fail_status(f->client, f->target->file, f->target->revision, reply, err);
    }
    CNA_TRY(note_failure(f, p, reply, err));
    return expired ? ask_location(f, err) : CNA_OK;
}

static cna_status report(const fetch *f, cna_error *err)
{
    uint64_t n = f->file.size;
    for (size_t i = 0; i < f->n_parts; i++) n += f->parts[i].waiting.size;
    return cna_hub_report(f->client, n, err);
}

static cna_status receive(fetch *f, cna_error *err)
{
    forget_parts(f);
    while (f->file.size < f->target->size) {
        cna_web_reply reply;
        bool was_whole = f->whole;
        CNA_TRY(begin_requests(f, err));
        CNA_TRY(cna_web_wait(f->client->web, 0.1, err));
        if (f->status != CNA_OK) {
            if (err != NULL) *err = f->error;
            return f->status;
        }
        while (f->whole == was_whole && cna_web_next(f->client->web, &reply)) CNA_TRY(take_reply(f, &reply, err));
        if (f->whole != was_whole) forget_parts(f);
        CNA_TRY(write_waiting(f, err));
        CNA_TRY(report(f, err));
    }
    return CNA_OK;
}

/* ---- the whole ---- */

/* Hash the beginning that an earlier fetch left. */
static cna_status hash_beginning(fetch *f, cna_error *err)
{
    if (f->file.size > f->target->size) CNA_TRY(cna_append_cut(&f->file, 0, err));
    CNA_TRY(begin_hash(f, err));
    char *block;
    CNA_TRY(cna_alloc(&block, HASH_BYTES, 1, "block of a file", err));
    cna_status status = CNA_OK;
    for (uint64_t at = 0; at < f->file.size && status == CNA_OK; at += HASH_BYTES) {
        size_t n = f->file.size - at < HASH_BYTES ? (size_t)(f->file.size - at) : HASH_BYTES;
        status = cna_append_read(&f->file, at, block, n, err);
        if (status == CNA_OK) status = cna_hash_add(&f->hash, block, n, err);
        if (status == CNA_OK) status = cna_hub_report(f->client, at, err);
    }
    cna_free(block);
    return status;
}

static cna_status check_room(const fetch *f, cna_error *err)
{
    uint64_t need = f->target->size - f->file.size, room = cna_folder_room(f->file.path);
    if (room >= need) return CNA_OK;
    return cna_fail(err, CNA_ERR_IO, "%s: expected room for %.1f MB more on the disk, found %.1f MB; make room, or set "
                    "HF_HUB_CACHE to a folder on another disk", f->file.path, (double)need / 1e6, (double)room / 1e6);
}

/* Fetch all of it and compare; a wrong beginning or a damaged way is given one more chance. */
static cna_status receive_right(fetch *f, cna_error *err)
{
    char digits[CNA_HASH_TEXT_BYTES];
    CNA_TRY(hash_beginning(f, err));
    for (int n_tries = 0; n_tries < 2; n_tries++) {
        CNA_TRY(check_room(f, err));
        CNA_TRY(receive(f, err));
        CNA_TRY(cna_hash_end(&f->hash, digits, err));
        if (strcmp(digits, f->target->etag) == 0) return CNA_OK;
        CNA_TRY(cna_append_cut(&f->file, 0, err));
        CNA_TRY(begin_hash(f, err));
    }
    return cna_fail(err, CNA_ERR_IO, "%s/%s: expected the checksum %s, found %s twice; nothing of it was kept",
                    f->client->id, f->target->file, f->target->etag, digits);
}

static cna_status create_parts(fetch *f, cna_error *err)
{
    f->n_parts = f->client->n_slots + SPARE_PARTS;
    CNA_TRY(cna_alloc(&f->parts, f->n_parts, sizeof *f->parts, "ranges", err));
    CNA_TRY(cna_alloc(&f->taken, f->client->n_slots, sizeof *f->taken, "ranges", err));
    return cna_copy_bytes(&f->location, f->target->location, strlen(f->target->location), "address", err);
}

cna_status cna_hub_fetch(cna_hub_client *client, const cna_hub_target *target, cna_error *err)
{
    fetch f = {.client = client, .target = target};
    char *path;
    CNA_TRY(cna_path_format(&path, err, "%s.incomplete", target->blob));
    cna_status status;
    CNA_TRY_CLEANUP(create_parts(&f, err));
    CNA_TRY_CLEANUP(cna_append_open(path, &f.file, err));
    CNA_TRY_CLEANUP(receive_right(&f, err));
    CNA_TRY_CLEANUP(cna_append_commit(&f.file, target->blob, err));
cleanup:
    if (f.parts != NULL && f.taken != NULL) drop_requests(&f);
    cna_append_close(&f.file, f.file.size == 0);
    for (size_t i = 0; f.parts != NULL && i < f.n_parts; i++) cna_buffer_free(&f.parts[i].waiting);
    cna_hash_free(&f.hash);
    cna_free(f.parts);
    cna_free(f.taken);
    cna_free(f.location);
    cna_free(path);
    return status;
}
