/* SPDX-License-Identifier: MIT
 * cna_hub_pull: a model from a hub into the cache. */
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/lock.h"
#include "hub/cache.h"
#include "hub/fetch.h"
#include "hub/listing.h"

enum { CONNECTIONS = 8, TRIES = 5, RANGE_BYTES = 8 << 20 };

/* One call. */
typedef struct pull {
    cna_hub_name name;
    cna_pull_options options; /* every default filled in, but for what is below */
    char *endpoint, *token, *cache;
    cna_hub_client client;
    cna_hub_listing listing;
    cna_pull_info info;
} pull;

/* ---- addresses ---- */

/* Text as a part of an address; '/' stays where asked. Source: RFC 3986, section 2.3. */
static cna_status add_escaped(cna_buffer *url, const char *text, bool keep_slashes, cna_error *err)
{
    for (const char *c = text; *c != '\0'; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
                     strchr("-._~", *c) != NULL || (keep_slashes && *c == '/');
        if (plain) CNA_TRY(cna_buffer_add(url, c, 1, err));
        else CNA_TRY(cna_buffer_printf(url, err, "%%%02X", (unsigned)(unsigned char)*c));
    }
    return CNA_OK;
}

static cna_status api_url(const pull *p, cna_buffer *url, cna_error *err)
{
    CNA_TRY(cna_buffer_printf(url, err, "%s/api/models/%s/revision/", p->endpoint, p->name.id));
    CNA_TRY(add_escaped(url, p->name.revision, false, err));
    return cna_buffer_add_text(url, "?blobs=true", err);
}

static cna_status file_url(const pull *p, const char *path, cna_buffer *url, cna_error *err)
{
    CNA_TRY(cna_buffer_printf(url, err, "%s/%s/resolve/%s/", p->endpoint, p->name.id, p->listing.commit));
    return add_escaped(url, path, true, err);
}

/* ---- set-up ---- */

static cna_status fill_in(pull *p, const cna_pull_options *given, cna_error *err)
{
    static const cna_pull_options none = {0};
    p->options = given != NULL ? *given : none;
    cna_pull_options *o = &p->options;
    const char *offline = o->endpoint == NULL ? cna_hub_is_offline() : NULL;
    if (offline != NULL) {
        return cna_fail(err, CNA_ERR_ARG, "%s: expected leave to use the network, found %s set; unset it to fetch",
                        p->name.id, offline);
    }
    if (o->n_connections == 0) o->n_connections = CONNECTIONS;
    if (o->range_bytes == 0) o->range_bytes = RANGE_BYTES;
    if (o->n_tries == 0) o->n_tries = TRIES;
    if (o->retry_seconds == 0) o->retry_seconds = 1;
    if (o->stall_seconds == 0) o->stall_seconds = 30;
    CNA_TRY(cna_hub_endpoint(o->endpoint, &p->endpoint, err));
    if (o->token == NULL) CNA_TRY(cna_hub_token(&p->token, err));
    else if (o->token[0] != '\0') CNA_TRY(cna_copy_bytes(&p->token, o->token, strlen(o->token), "token", err));
    if (o->cache == NULL) return cna_hub_cache_folder(&p->cache, err);
    return cna_copy_bytes(&p->cache, o->cache, strlen(o->cache), "path", err);
}

static cna_status create_client(pull *p, cna_error *err)
{
    const cna_web_options web = {.n_slots = p->options.n_connections, .connect_seconds = 10,
                                 .stall_seconds = p->options.stall_seconds};
    p->client = (cna_hub_client){.id = p->name.id, .endpoint = p->endpoint, .token = p->token,
                                 .n_slots = p->options.n_connections, .n_tries = p->options.n_tries,
                                 .retry_seconds = p->options.retry_seconds, .progress = &p->options.progress};
    return cna_web_create(&web, &p->client.web, err);
}

/* ---- the list ---- */

static cna_status list_files(pull *p, cna_error *err)
{
    cna_buffer url = {0};
    char *answered = NULL;
    cna_web_reply reply;
    cna_status status;
    CNA_TRY_CLEANUP(api_url(p, &url, err));
    CNA_TRY_CLEANUP(cna_hub_ask(&p->client, false, url.data, &answered, NULL, &reply, err));
    if (reply.status != 200) {
        status = cna_hub_fail_status(&p->client, NULL, p->name.revision, &reply, err);
        goto cleanup;
    }
    CNA_TRY_CLEANUP(cna_hub_listing_read(reply.body, reply.n_bytes, url.data, p->options.include, p->options.n_include,
                                         &p->listing, err));
    for (size_t i = 0; i < p->listing.n_files; i++) p->client.n_total += p->listing.files[i].size;
    memcpy(p->info.revision, p->listing.commit, sizeof p->info.revision);
    p->info.n_files = p->listing.n_files;
cleanup:
    cna_free(answered);
    cna_buffer_free(&url);
    return status;
}

/* ---- one file ---- */

/* Where the bytes of a file are to lie, in folders that are there. */
typedef struct place {
    char *blob, *lock;
} place;

static cna_status fill_place(const pull *p, const char *etag, place *at, cna_error *err)
{
    CNA_TRY(cna_path_format(&at->blob, err, "%s/%s/blobs/%s", p->cache, p->name.folder, etag));
    CNA_TRY(cna_path_format(&at->lock, err, "%s/.locks/%s/%s.lock", p->cache, p->name.folder, etag));
    CNA_TRY(cna_folder_create_above(at->blob, err));
    return cna_folder_create_above(at->lock, err);
}

/* "../../blobs/ETAG", one more ".." for each folder of the path: what moves with the cache. */
static cna_status write_link(const char *link, const char *path, const char *etag, cna_error *err)
{
    cna_buffer text = {0};
    cna_status status = cna_buffer_add_text(&text, "../../", err);
    for (const char *slash = strchr(path, '/'); slash != NULL && status == CNA_OK; slash = strchr(slash + 1, '/')) {
        status = cna_buffer_add_text(&text, "../", err);
    }
    if (status == CNA_OK) status = cna_buffer_printf(&text, err, "blobs/%s", etag);
    if (status == CNA_OK) status = cna_folder_create_above(link, err);
    if (status == CNA_OK) status = cna_link_write(link, text.data, err);
    cna_buffer_free(&text);
    return status;
}

/* What the hub says of a file; it must say how to check it. */
static cna_status ask_facts(pull *p, const cna_hub_file *file, const char *url, char **location, cna_hub_facts *facts,
                            cna_error *err)
{
    cna_web_reply reply;
    CNA_TRY(cna_hub_ask(&p->client, true, url, location, facts, &reply, err));
    if (reply.status >= 400) {
        return cna_hub_fail_status(&p->client, file->path, p->listing.commit, &reply, err);
    }
    if (facts->etag[0] == '\0') {
        return cna_fail(err, CNA_ERR_IO, "%s/%s: expected a checksum as X-Linked-Etag or ETag (SHA-256 or git's "
                        "SHA-1), found none at %s", p->name.id, file->path, url);
    }
    if (file->sha256[0] != '\0' && strcmp(file->sha256, facts->etag) != 0) {
        return cna_fail(err, CNA_ERR_IO, "%s/%s: expected the checksum %s that the hub lists, found %s at %s",
                        p->name.id, file->path, file->sha256, facts->etag, url);
    }
    if (!facts->has_size && file->has_size) facts->size = file->size;
    if (!facts->has_size && !file->has_size) {
        return cna_fail(err, CNA_ERR_IO, "%s/%s: expected a size as X-Linked-Size or Content-Length, found none at %s",
                        p->name.id, file->path, url);
    }
    if (file->has_size && file->size != facts->size) {
        return cna_fail(err, CNA_ERR_IO, "%s/%s: expected %llu bytes as the hub lists, found %llu at %s", p->name.id,
                        file->path, (unsigned long long)file->size, (unsigned long long)facts->size, url);
    }
    return CNA_OK;
}

/* A blob that is not there yet, under its lock. Whoever had it may have just finished. */
static cna_status fetch_blob(pull *p, const cna_hub_target *target, const char *lock_path, cna_error *err)
{
    uint64_t size;
    cna_lock lock;
    if (cna_file_size(target->blob, &size) && size == target->size) return CNA_OK;
    CNA_TRY(cna_lock_take(lock_path, target->blob, &lock, err));
    cna_status status = CNA_OK;
    if (!cna_file_size(target->blob, &size) || size != target->size) {
        status = cna_hub_fetch(&p->client, target, err);
        if (status == CNA_OK) {
            p->info.n_fetched++;
            p->info.fetched_bytes += target->size;
        }
    }
    cna_lock_release(&lock);
    return status;
}

static cna_status pull_absent(pull *p, const cna_hub_file *file, const char *link, uint64_t *size, cna_error *err)
{
    cna_buffer url = {0};
    char *location = NULL;
    cna_hub_facts facts;
    place at = {0};
    cna_status status;
    CNA_TRY_CLEANUP(file_url(p, file->path, &url, err));
    CNA_TRY_CLEANUP(ask_facts(p, file, url.data, &location, &facts, err));
    CNA_TRY_CLEANUP(fill_place(p, facts.etag, &at, err));
    const cna_hub_target target = {.file = file->path, .revision = p->listing.commit, .url = url.data,
                                   .location = location, .blob = at.blob, .etag = facts.etag, .size = facts.size,
                                   .range_bytes = p->options.range_bytes};
    CNA_TRY_CLEANUP(fetch_blob(p, &target, at.lock, err));
    CNA_TRY_CLEANUP(write_link(link, file->path, facts.etag, err));
    *size = facts.size;
cleanup:
    cna_free(at.blob);
    cna_free(at.lock);
    cna_free(location);
    cna_buffer_free(&url);
    return status;
}

/* A link of the snapshot is only written when its blob is complete, so a file that is there is whole. */
static cna_status pull_file(pull *p, const char *snapshot, const cna_hub_file *file, cna_error *err)
{
    char *link;
    uint64_t size = 0;
    CNA_TRY(cna_path_join(snapshot, file->path, &link, err));
    cna_status status = CNA_OK;
    bool is_there = cna_file_size(link, &size) && (!file->has_size || size == file->size);
    if (!is_there) status = pull_absent(p, file, link, &size, err);
    cna_free(link);
    p->info.size_bytes += size;
    p->client.n_done += size;
    return status;
}

/* ---- the whole ---- */

static cna_status write_reference(const pull *p, cna_error *err)
{
    if (strcmp(p->name.revision, p->listing.commit) == 0) return CNA_OK;
    char *path;
    CNA_TRY(cna_path_format(&path, err, "%s/%s/refs/%s", p->cache, p->name.folder, p->name.revision));
    cna_status status = cna_folder_create_above(path, err);
    if (status == CNA_OK) status = cna_file_write(path, p->listing.commit, strlen(p->listing.commit), err);
    cna_free(path);
    return status;
}

/* The reference comes last: until then the revision stands for what it stood for before. */
static cna_status pull_all(pull *p, char **out_path, cna_error *err)
{
    char *snapshot;
    CNA_TRY(cna_path_format(&snapshot, err, "%s/%s/snapshots/%s", p->cache, p->name.folder, p->listing.commit));
    cna_status status = cna_folder_create_all(snapshot, err);
    for (size_t i = 0; i < p->listing.n_files && status == CNA_OK; i++) {
        status = pull_file(p, snapshot, &p->listing.files[i], err);
    }
    if (status == CNA_OK) status = write_reference(p, err);
    if (status != CNA_OK) {
        cna_free(snapshot);
        return status;
    }
    *out_path = snapshot;
    return CNA_OK;
}

cna_status cna_hub_pull(const char *name, const cna_pull_options *options, char **out_path, cna_pull_info *info,
                        cna_error *err)
{
    pull p = {0};
    cna_status status;
    *out_path = NULL;
    CNA_TRY_CLEANUP(cna_hub_name_parse(name, &p.name, err));
    CNA_TRY_CLEANUP(fill_in(&p, options, err));
    CNA_TRY_CLEANUP(create_client(&p, err));
    CNA_TRY_CLEANUP(list_files(&p, err));
    CNA_TRY_CLEANUP(pull_all(&p, out_path, err));
    if (info != NULL) *info = p.info;
cleanup:
    cna_hub_listing_clear(&p.listing);
    cna_web_free(p.client.web);
    cna_free(p.endpoint);
    cna_free(p.token);
    cna_free(p.cache);
    return status;
}
