/* SPDX-License-Identifier: MIT
 * Which .gguf files a path stands for. */
#include "checkpoint/gguf_path.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"

enum { FILES_MAX = 4096, SUFFIX_BYTES = 20 }; /* of "-00001-of-00002.gguf" */

static bool read_digits(const char *text, size_t *out)
{
    *out = 0;
    for (size_t i = 0; i < 5; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        *out = 10 * *out + (size_t)(text[i] - '0');
    }
    return true;
}

/* The part of a file's name that all files of its model share: all of it but "-NNNNN-of-NNNNN.gguf". False where it
 * does not end so. */
static bool split_name(const char *name, size_t *n_shared, size_t *number, size_t *n_files)
{
    size_t n = strlen(name);
    if (n <= SUFFIX_BYTES) return false;
    const char *suffix = name + n - SUFFIX_BYTES;
    *n_shared = n - SUFFIX_BYTES;
    return suffix[0] == '-' && read_digits(suffix + 1, number) && memcmp(suffix + 6, "-of-", 4) == 0 &&
           read_digits(suffix + 10, n_files) && memcmp(suffix + 15, ".gguf", 5) == 0;
}

static bool same_model(const char *a, const char *b)
{
    size_t n_a, n_b, number, files_a, files_b;
    return split_name(a, &n_a, &number, &files_a) && split_name(b, &n_b, &number, &files_b) && n_a == n_b &&
           files_a == files_b && memcmp(a, b, n_a) == 0;
}

/* Names are sorted, so those of a split model come one behind the other, its first file first. */
static cna_status choose(const char *folder, const char *const *names, size_t n, char **out, cna_error *err)
{
    if (n == 0) return CNA_OK;
    for (size_t i = 1; i < n; i++) {
        if (same_model(names[0], names[i])) continue;
        return cna_fail(err, CNA_ERR_MISMATCH,
                        "%s: expected the .gguf files of one model, found %s and %s; give the path of "
                        "one of them",
                        folder, names[0], names[i]);
    }
    return cna_path_join(folder, names[0], out, err);
}

/* The first file of a split model holds the metadata, so any file of one that is there stands for it. */
static cna_status choose_first(const char *path, char **out, cna_error *err)
{
    size_t n_shared, number, n_files;
    CNA_TRY(cna_copy_bytes(out, path, strlen(path), "path", err));
    if (!split_name(path, &n_shared, &number, &n_files) || number == 1) return CNA_OK;
    memcpy(*out + n_shared, "-00001", 6);
    if (!cna_file_is_regular(*out)) memcpy(*out + n_shared, path + n_shared, 6);
    return CNA_OK;
}

cna_status cna_gguf_locate(const char *path, char **out, cna_error *err)
{
    *out = NULL;
    if (cna_file_is_regular(path)) return choose_first(path, out, err);
    char *config;
    CNA_TRY(cna_path_join(path, "config.json", &config, err));
    bool other = cna_file_exists(config) || !cna_file_exists(path);
    cna_free(config);
    if (other) return CNA_OK;
    cna_arena arena = {0};
    const char **names;
    size_t n;
    cna_status status = cna_folder_list(path, ".gguf", &arena, &names, &n, err);
    if (status == CNA_OK) status = choose(path, names, n, out, err);
    cna_arena_free(&arena);
    return status;
}

cna_status cna_gguf_count_files(const cna_gguf *gguf, size_t *out, cna_error *err)
{
    int64_t count = 1;
    size_t n_shared, number, named = 0;
    const char *path = gguf->file.map.path;
    CNA_TRY(cna_gguf_find_int(gguf, "split.count", 0, FILES_MAX, &count, err));
    if (count == 0) count = 1;
    if (count > 1 && (!split_name(path, &n_shared, &number, &named) || named != (size_t)count)) {
        return cna_fail(err, CNA_ERR_MISMATCH,
                        "%s: key 'split.count': expected a name that ends in -0000N-of-%05lld.gguf, "
                        "found another; give the file its own name back",
                        path, (long long)count);
    }
    *out = (size_t)count;
    return CNA_OK;
}

cna_status cna_gguf_open_part(const char *path, size_t index, size_t n_files, cna_gguf *out, cna_error *err)
{
    cna_buffer name = {0};
    int64_t number = 0, count = 0;
    cna_status status;
    *out = (cna_gguf){0};
    CNA_TRY_CLEANUP(cna_buffer_add(&name, path, strlen(path) - SUFFIX_BYTES, err));
    CNA_TRY_CLEANUP(cna_buffer_printf(&name, err, "-%05zu-of-%05zu.gguf", index + 1, n_files));
    CNA_TRY_CLEANUP(cna_gguf_open(name.data, out, err));
    CNA_TRY_CLEANUP(cna_gguf_find_int(out, "split.no", 0, FILES_MAX, &number, err));
    CNA_TRY_CLEANUP(cna_gguf_find_int(out, "split.count", 0, FILES_MAX, &count, err));
    if ((size_t)number != index || (size_t)count != n_files) {
        status = cna_fail(err, CNA_ERR_MISMATCH,
                          "%s: expected file %zu of %zu (split.no %zu, split.count %zu), found split.no "
                          "%lld, split.count %lld",
                          name.data, index + 1, n_files, index, n_files, (long long)number, (long long)count);
    }
cleanup:
    if (status != CNA_OK) cna_gguf_close(out);
    cna_buffer_free(&name);
    return status;
}
