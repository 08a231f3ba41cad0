/* SPDX-License-Identifier: MIT
 * The files of a model at a hub. */
#define _POSIX_C_SOURCE 200809L
#include "hub/listing.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

enum { FILES_MAX = 100000, PATH_BYTES_MAX = 1024 };

/* A relative path that stays where it is put: no empty part, no ".", no "..", nothing that is no text. */
static bool is_safe(const char *path)
{
    size_t n = strlen(path);
    if (n == 0 || n > PATH_BYTES_MAX) return false;
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)path[i] < ' ' || path[i] == '\\' || path[i] == 127) return false;
    }
    for (const char *part = path;; part++) {
        size_t n_part = strcspn(part, "/");
        if (n_part == 0 || (n_part <= 2 && strncmp(part, "..", n_part) == 0)) return false;
        part += n_part;
        if (*part == '\0') return true;
    }
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), n_end = strlen(end);
    return n > n_end && strcmp(text + n - n_end, end) == 0;
}

static bool is_weights(const char *path)
{
    return ends_with(path, ".safetensors") && strncmp(path, "consolidated", strlen("consolidated")) != 0;
}

static bool is_wanted(const char *path, const char *const *include, size_t n_include)
{
    for (size_t i = 0; i < n_include; i++) {
        if (fnmatch(include[i], path, 0) == 0) return true;
    }
    if (n_include != 0 || strchr(path, '/') != NULL) return false;
    return ends_with(path, ".json") || ends_with(path, ".jinja") || ends_with(path, ".model") ||
           strcmp(path, "merges.txt") == 0 || strcmp(path, "vocab.txt") == 0 || is_weights(path);
}

static cna_status read_file(const json_t *entry, const char *path, const char *source, cna_hub_file *out,
                            cna_error *err)
{
    int64_t size = -1;
    json_t *lfs;
    const char *sha256 = NULL;
    CNA_TRY(cna_json_find_int(entry, "size", source, 0, INT64_MAX, &size, err));
    CNA_TRY(cna_json_find_object(entry, "lfs", source, &lfs, err));
    if (lfs != NULL) {
        CNA_TRY(cna_json_find_int(lfs, "size", source, 0, INT64_MAX, &size, err));
        CNA_TRY(cna_json_find_string(lfs, "sha256", source, &sha256, err));
    }
    if (sha256 != NULL && strlen(sha256) == 64) snprintf(out->sha256, sizeof out->sha256, "%s", sha256);
    out->has_size = size >= 0;
    out->size = size >= 0 ? (uint64_t)size : 0;
    return cna_copy_bytes(&out->path, path, strlen(path), "path", err);
}

/* Why there is nothing to fetch, by what there is instead. */
static cna_status check_wanted(const json_t *siblings, const cna_hub_listing *listing, const char *source,
                               size_t n_include, cna_error *err)
{
    size_t i, n_gguf = 0, n_weights = 0;
    json_t *entry;
    json_array_foreach(siblings, i, entry) {
        const char *path = json_string_value(json_object_get(entry, "rfilename"));
        n_gguf += path != NULL && ends_with(path, ".gguf");
    }
    for (i = 0; i < listing->n_files; i++) n_weights += is_weights(listing->files[i].path);
    if (n_include != 0 && listing->n_files == 0) {
        return cna_fail(err, CNA_ERR_IO, "%s: expected files that --include fits, found none among %zu", source,
                        json_array_size(siblings));
    }
    if (n_include != 0 || n_weights != 0) return CNA_OK;
    if (n_gguf != 0) {
        return cna_fail(err, CNA_ERR_IO, "%s: expected weights as *.safetensors, found %zu .gguf files; choose with "
                        "--include, such as --include '*Q4_K_M*.gguf'", source, n_gguf);
    }
    return cna_fail(err, CNA_ERR_IO, "%s: expected weights as *.safetensors, found none among %zu files; --include "
                    "'*.json' fetches the rest", source, json_array_size(siblings));
}

static cna_status read_files(const json_t *siblings, const char *source, const char *const *include, size_t n_include,
                             cna_hub_listing *out, cna_error *err)
{
    size_t i, n = json_array_size(siblings);
    json_t *entry;
    if (n > FILES_MAX) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'siblings': expected at most %d files, found %zu", source,
                        (int)FILES_MAX, n);
    }
    CNA_TRY(cna_alloc(&out->files, n, sizeof *out->files, "list of files", err));
    json_array_foreach(siblings, i, entry) {
        const char *path;
        CNA_TRY(cna_json_get_string(entry, "rfilename", source, &path, err));
        if (!is_safe(path)) {
            return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'rfilename': expected a path inside the model, found '%s'",
                            source, path);
        }
        if (is_wanted(path, include, n_include)) {
            CNA_TRY(read_file(entry, path, source, &out->files[out->n_files++], err));
        }
    }
    return check_wanted(siblings, out, source, n_include, err);
}

cna_status cna_hub_listing_read(const char *text, size_t n_bytes, const char *source, const char *const *include,
                                size_t n_include, cna_hub_listing *out, cna_error *err)
{
    json_t *root = NULL, *siblings;
    const char *commit;
    cna_status status;
    *out = (cna_hub_listing){0};
    CNA_TRY_CLEANUP(cna_json_parse(text, n_bytes, source, &root, err));
    CNA_TRY_CLEANUP(cna_json_get_string(root, "sha", source, &commit, err));
    if (!cna_hub_is_commit(commit)) {
        status = cna_fail(err, CNA_ERR_FORMAT, "%s: key 'sha': expected a commit of 40 hexadecimal digits, found '%s'",
                          source, commit);
        goto cleanup;
    }
    snprintf(out->commit, sizeof out->commit, "%s", commit);
    CNA_TRY_CLEANUP(cna_json_get_array(root, "siblings", source, &siblings, err));
    CNA_TRY_CLEANUP(read_files(siblings, source, include, n_include, out, err));
cleanup:
    json_decref(root);
    if (status != CNA_OK) cna_hub_listing_clear(out);
    return status;
}

void cna_hub_listing_clear(cna_hub_listing *listing)
{
    for (size_t i = 0; i < listing->n_files; i++) cna_free(listing->files[i].path);
    cna_free(listing->files);
    *listing = (cna_hub_listing){0};
}
