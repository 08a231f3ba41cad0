/* SPDX-License-Identifier: MIT
 * The cache on disk. */
#include "hub/cache.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/folder.h"
#include "base/json.h"

enum { SHORT_COMMIT_MIN = 7, INDEX_BYTES_MAX = 64 << 20, LISTED_MAX = 8, FILE_DEPTH_MAX = 3 };

/* ---- from a revision to a commit ---- */

/* Snapshots whose names begin with some digits. */
typedef struct search {
    const char *beginning;
    char commit[CNA_HUB_COMMIT_BYTES];
    size_t n_found;
} search;

static bool add_match(void *user, const char *name)
{
    search *s = user;
    if (!cna_hub_is_commit(name) || strncmp(name, s->beginning, strlen(s->beginning)) != 0) return true;
    if (s->n_found++ == 0) snprintf(s->commit, sizeof s->commit, "%s", name);
    return true;
}

static cna_status find_snapshot(const char *model, const cna_hub_name *name, search *out, cna_error *err)
{
    const char *revision = name->revision;
    size_t n = strlen(revision);
    *out = (search){.beginning = revision};
    if (n < SHORT_COMMIT_MIN || strspn(revision, "0123456789abcdef") != n) return CNA_OK;
    char *snapshots;
    CNA_TRY(cna_path_join(model, "snapshots", &snapshots, err));
    cna_folder_each(snapshots, add_match, out);
    cna_free(snapshots);
    if (out->n_found <= 1) return CNA_OK;
    return cna_fail(err, CNA_ERR_MISMATCH, "%s@%s: expected one commit that begins so, found %zu in the cache; give "
                    "more of its digits", name->id, revision, out->n_found);
}

/* The commit in a file of refs; "" where there is no such file. */
static cna_status read_reference(const char *path, char commit[CNA_HUB_COMMIT_BYTES], cna_error *err)
{
    cna_buffer text = {0};
    commit[0] = '\0';
    if (!cna_file_exists(path)) return CNA_OK;
    cna_status status = cna_file_read(path, 4096, &text, err);
    if (status == CNA_OK) {
        size_t n = text.size;
        while (n > 0 && strchr(" \t\r\n", text.data[n - 1]) != NULL) n--;
        if (n < CNA_HUB_COMMIT_BYTES) snprintf(commit, CNA_HUB_COMMIT_BYTES, "%.*s", (int)n, n > 0 ? text.data : "");
        if (n >= CNA_HUB_COMMIT_BYTES || !cna_hub_is_commit(commit)) {
            commit[0] = '\0';
            status = cna_fail(err, CNA_ERR_FORMAT, "%s: expected a commit of 40 hexadecimal digits, found something "
                              "else; remove it and fetch the model again", path);
        }
    }
    cna_buffer_free(&text);
    return status;
}

/* What a message lists of what the cache holds instead. */
typedef struct list {
    char text[400];
    size_t n;
} list;

static bool add_name(void *user, const char *name)
{
    list *l = user;
    size_t n = strlen(l->text);
    if (l->n++ < LISTED_MAX) snprintf(l->text + n, sizeof l->text - n, "%s%s", n == 0 ? "" : ", ", name);
    return true;
}

static cna_status fail_absent(const char *model, const cna_hub_name *name, cna_error *err)
{
    const char *at = name->has_revision ? "@" : "", *revision = name->has_revision ? name->revision : "";
    if (!cna_folder_exists(model)) {
        return cna_fail(err, CNA_ERR_IO, "%s%s%s: expected a path that exists or a model in the Hugging Face cache, "
                        "found neither (looked for %s); 'cna pull %s%s%s' fetches it", name->id, at, revision, model,
                        name->id, at, revision);
    }
    char *refs, *snapshots = NULL;
    list found = {0};
    CNA_TRY(cna_path_join(model, "refs", &refs, err));
    cna_status status = cna_path_join(model, "snapshots", &snapshots, err);
    if (status == CNA_OK) {
        cna_folder_each(refs, add_name, &found);
        cna_folder_each(snapshots, add_name, &found);
        status = cna_fail(err, CNA_ERR_IO, "%s@%s: expected that revision in %s, found %s%s; 'cna pull %s@%s' fetches "
                          "it", name->id, name->revision, model, found.n == 0 ? "none" : found.text,
                          found.n > LISTED_MAX ? ", ..." : "", name->id, name->revision);
    }
    cna_free(snapshots);
    cna_free(refs);
    return status;
}

static cna_status resolve_in(const char *model, const cna_hub_name *name, char commit[CNA_HUB_COMMIT_BYTES],
                             cna_error *err)
{
    search found;
    char *path, referred[CNA_HUB_COMMIT_BYTES];
    CNA_TRY(find_snapshot(model, name, &found, err));
    if (found.n_found == 0) {
        CNA_TRY(cna_path_format(&path, err, "%s/refs/%s", model, name->revision));
        cna_status status = read_reference(path, referred, err);
        cna_free(path);
        if (status != CNA_OK) return status;
        snprintf(found.commit, sizeof found.commit, "%s", referred);
    }
    if (found.commit[0] == '\0') return fail_absent(model, name, err);
    CNA_TRY(cna_path_format(&path, err, "%s/snapshots/%s", model, found.commit));
    bool is_there = cna_folder_exists(path);
    cna_free(path);
    if (!is_there) return fail_absent(model, name, err);
    memcpy(commit, found.commit, CNA_HUB_COMMIT_BYTES);
    return CNA_OK;
}

cna_status cna_hub_resolve(const char *cache, const cna_hub_name *name, char commit[CNA_HUB_COMMIT_BYTES],
                           cna_error *err)
{
    char *model;
    CNA_TRY(cna_path_join(cache, name->folder, &model, err));
    cna_status status = resolve_in(model, name, commit, err);
    cna_free(model);
    return status;
}

/* ---- whether a snapshot is whole ---- */

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), n_end = strlen(end);
    return n > n_end && strcmp(text + n - n_end, end) == 0;
}

/* A file of quantised weights, the first of those that are split. */
typedef struct gguf_search {
    char name[256];
    size_t n_found;
} gguf_search;

static bool add_gguf(void *user, const char *name)
{
    gguf_search *s = user;
    if (!ends_with(name, ".gguf") || strlen(name) >= sizeof s->name) return true;
    if (strstr(name, "-of-") != NULL && strstr(name, "-00001-of-") == NULL) return true;
    if (s->n_found++ == 0) snprintf(s->name, sizeof s->name, "%s", name);
    return true;
}

static cna_status has_file(const char *folder, const char *name, bool *out, cna_error *err)
{
    char *path;
    CNA_TRY(cna_path_join(folder, name, &path, err));
    *out = cna_file_exists(path);
    cna_free(path);
    return CNA_OK;
}

static cna_status check_index(const char *folder, const char *index, const cna_hub_name *name, const char *commit,
                              cna_error *err)
{
    json_t *root = NULL, *weight_map, *file, *missing = json_object();
    const char *tensor, *first = NULL;
    cna_status status;
    if (missing == NULL) return cna_fail_memory(err, "list of weight files", 0);
    CNA_TRY_CLEANUP(cna_json_load(index, INDEX_BYTES_MAX, &root, err));
    CNA_TRY_CLEANUP(cna_json_get_object(root, "weight_map", index, &weight_map, err));
    json_object_foreach(weight_map, tensor, file) {
        const char *shard = json_string_value(file);
        bool is_there;
        if (shard == NULL || json_object_get(missing, shard) != NULL) continue;
        CNA_TRY_CLEANUP(has_file(folder, shard, &is_there, err));
        if (is_there) continue;
        if (first == NULL) first = shard;
        if (json_object_set_new(missing, shard, json_null()) != 0) {
            status = cna_fail_memory(err, "list of weight files", 0);
            goto cleanup;
        }
    }
    if (first != NULL) {
        status = cna_fail(err, CNA_ERR_IO, "%s: expected all files that %s names, found %zu missing, the first %s; "
                          "'cna pull %s@%s' completes them", name->id, index, json_object_size(missing), first,
                          name->id, commit);
    }
cleanup:
    json_decref(missing);
    json_decref(root);
    return status;
}

cna_status cna_hub_check_weights(const char *folder, const cna_hub_name *name, const char *commit, cna_error *err)
{
    bool is_there;
    char *index;
    CNA_TRY(has_file(folder, "model.safetensors", &is_there, err));
    if (is_there) return CNA_OK;
    CNA_TRY(cna_path_join(folder, "model.safetensors.index.json", &index, err));
    gguf_search gguf = {0};
    cna_status status = CNA_OK;
    if (cna_file_exists(index)) {
        status = check_index(folder, index, name, commit, err);
    } else {
        cna_folder_each(folder, add_gguf, &gguf);
        if (gguf.n_found == 0) {
            status = cna_fail(err, CNA_ERR_IO, "%s: expected weights in %s, found none; 'cna pull %s@%s' fetches them",
                              name->id, folder, name->id, commit);
        }
    }
    cna_free(index);
    return status;
}

/* ---- the public look-up ---- */

/* A snapshot of .gguf files without config.json stands for its one model. */
static cna_status choose_gguf(const cna_hub_name *name, char **path, cna_error *err)
{
    gguf_search found = {0};
    bool has_config;
    CNA_TRY(has_file(*path, "config.json", &has_config, err));
    if (has_config) return CNA_OK;
    cna_folder_each(*path, add_gguf, &found);
    if (found.n_found == 0) return CNA_OK;
    if (found.n_found > 1) {
        return cna_fail(err, CNA_ERR_MISMATCH, "%s: expected one .gguf model, found %zu in %s; give the path of one",
                        name->id, found.n_found, *path);
    }
    char *file;
    CNA_TRY(cna_path_join(*path, found.name, &file, err));
    cna_free(*path);
    *path = file;
    return CNA_OK;
}

bool cna_hub_is_name(const char *text)
{
    cna_hub_name name;
    return cna_hub_name_parse(text, &name, NULL) == CNA_OK;
}

cna_status cna_hub_find(const char *text, bool weights, char **out_path, cna_error *err)
{
    cna_hub_name name;
    char *cache = NULL, *path = NULL, commit[CNA_HUB_COMMIT_BYTES];
    cna_status status;
    *out_path = NULL;
    CNA_TRY_CLEANUP(cna_hub_name_parse(text, &name, err));
    CNA_TRY_CLEANUP(cna_hub_cache_folder(&cache, err));
    CNA_TRY_CLEANUP(cna_hub_resolve(cache, &name, commit, err));
    CNA_TRY_CLEANUP(cna_path_format(&path, err, "%s/%s/snapshots/%s", cache, name.folder, commit));
    if (weights) CNA_TRY_CLEANUP(cna_hub_check_weights(path, &name, commit, err));
    CNA_TRY_CLEANUP(choose_gguf(&name, &path, err));
    *out_path = path;
    path = NULL;
cleanup:
    cna_free(path);
    cna_free(cache);
    return status;
}

/* ---- what a path says ---- */

/* The part before `end` and where it begins; "" at the path's beginning. */
static const char *part_before(const char *path, const char *end, size_t *n)
{
    while (end > path && end[-1] == '/') end--;
    const char *begin = end;
    while (begin > path && begin[-1] != '/') begin--;
    *n = (size_t)(end - begin);
    return begin;
}

/* The snapshot's folder alone: its end is given. */
static bool describe_folder(const char *path, const char *end, char id[256], char commit[CNA_HUB_COMMIT_BYTES])
{
    static const char prefix[] = "models--";
    size_t n_commit, n_snapshots, n_model, n_prefix = strlen(prefix);
    const char *last = part_before(path, end, &n_commit);
    const char *middle = part_before(path, last, &n_snapshots);
    const char *model = part_before(path, middle, &n_model);
    char text[CNA_HUB_COMMIT_BYTES];
    if (n_commit != CNA_HUB_COMMIT_BYTES - 1 || n_snapshots != strlen("snapshots") ||
        strncmp(middle, "snapshots", n_snapshots) != 0 || n_model <= n_prefix || n_model - n_prefix > 250 ||
        strncmp(model, prefix, n_prefix) != 0) {
        return false;
    }
    snprintf(text, sizeof text, "%.*s", (int)n_commit, last);
    if (!cna_hub_is_commit(text)) return false;
    snprintf(id, 256, "%.*s", (int)(n_model - n_prefix), model + n_prefix);
    char *dashes = strstr(id, "--");
    if (dashes != NULL) {
        dashes[0] = '/';
        memmove(dashes + 1, dashes + 2, strlen(dashes + 2) + 1);
    }
    memcpy(commit, text, sizeof text);
    return true;
}

bool cna_hub_describe_path(const char *path, char id[256], char commit[CNA_HUB_COMMIT_BYTES])
{
    const char *end = path + strlen(path);
    if (describe_folder(path, end, id, commit)) return true;
    if (!ends_with(path, ".gguf")) return false;
    for (int depth = 0; depth < FILE_DEPTH_MAX && end > path; depth++) {
        size_t n_part;
        end = part_before(path, end, &n_part);
        if (!describe_folder(path, end, id, commit)) continue;
        size_t n_id = strlen(id);
        snprintf(id + n_id, 256 - n_id, "/%s", end);
        return true;
    }
    return false;
}
