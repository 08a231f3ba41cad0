/* SPDX-License-Identifier: MIT
 * Files. */
#define _POSIX_C_SOURCE 200809L
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static cna_status fail_errno(cna_error *err, const char *path, const char *what)
{
    return cna_fail(err, CNA_ERR_IO, "%s: cannot be %s: %s", path, what, strerror(errno));
}

/* Open a regular file for reading; *out_size is its size. */
static cna_status open_regular(const char *path, int *out_fd, size_t *out_size, cna_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail_errno(err, path, "opened");
    struct stat status;
    if (fstat(fd, &status) != 0) {
        cna_status failure = fail_errno(err, path, "examined");
        close(fd);
        return failure;
    }
    if (!S_ISREG(status.st_mode)) {
        close(fd);
        return cna_fail(err, CNA_ERR_IO, "%s: expected a regular file, found %s", path,
                        S_ISDIR(status.st_mode) ? "a folder" : "something else");
    }
    *out_fd = fd;
    *out_size = (size_t)status.st_size;
    return CNA_OK;
}

cna_status cna_map_open(const char *path, cna_map *out, cna_error *err)
{
    *out = (cna_map){0};
    int fd = -1;
    size_t size = 0;
    CNA_TRY(open_regular(path, &fd, &size, err));
    cna_status status = cna_copy_bytes(&out->path, path, strlen(path), "path", err);
    if (status == CNA_OK && size != 0) {
        void *data = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
        if (data == MAP_FAILED) {
            status = fail_errno(err, path, "mapped");
        } else {
            out->data = data;
            out->size = size;
        }
    }
    close(fd);
    if (status != CNA_OK) cna_map_close(out);
    return status;
}

void cna_map_close(cna_map *map)
{
    /* munmap takes a pointer to non-const; the mapping itself is read-only. */
    if (map->data != NULL) munmap((void *)(uintptr_t)map->data, map->size);
    cna_free(map->path);
    *map = (cna_map){0};
}

cna_status cna_file_read(const char *path, size_t max_bytes, cna_buffer *out, cna_error *err)
{
    int fd = -1;
    size_t size = 0;
    CNA_TRY(open_regular(path, &fd, &size, err));
    cna_status status = CNA_OK;
    size_t total = 0;
    char block[65536];
    for (;;) {
        ssize_t n = read(fd, block, sizeof block);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) status = fail_errno(err, path, "read");
        if (n <= 0) break;
        total += (size_t)n;
        if (total > max_bytes) {
            status = cna_fail(err, CNA_ERR_IO, "%s: expected at most %zu bytes, found more", path, max_bytes);
            break;
        }
        status = cna_buffer_add(out, block, (size_t)n, err);
        if (status != CNA_OK) break;
    }
    close(fd);
    return status;
}

static cna_status write_all(int fd, const char *path, const char *data, size_t n_bytes, cna_error *err)
{
    while (n_bytes != 0) {
        ssize_t n = write(fd, data, n_bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno(err, path, "written");
        data += n;
        n_bytes -= (size_t)n;
    }
    return CNA_OK;
}

cna_status cna_file_write(const char *path, const char *data, size_t n_bytes, cna_error *err)
{
    if (strcmp(path, "-") == 0) return write_all(STDOUT_FILENO, "standard output", data, n_bytes, err);
    struct stat status;
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
        /* A device or a pipe (/dev/null, /dev/stdout) is written to, never replaced. */
        int fd = S_ISDIR(status.st_mode) ? -1 : open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0) return cna_fail(err, CNA_ERR_IO, "%s: expected a file to write, found a folder", path);
        cna_status result = write_all(fd, path, data, n_bytes, err);
        close(fd);
        return result;
    }
    cna_buffer temporary = {0};
    cna_status result = cna_buffer_printf(&temporary, err, "%s.XXXXXX", path);
    if (result != CNA_OK) return result;
    int fd = mkstemp(temporary.data);
    if (fd < 0) {
        result = fail_errno(err, path, "created");
        cna_buffer_free(&temporary);
        return result;
    }
    mode_t mask = umask(0);
    umask(mask);
    if (fchmod(fd, 0666 & ~mask) != 0) result = fail_errno(err, path, "given its mode");
    if (result == CNA_OK) result = write_all(fd, path, data, n_bytes, err);
    if (result == CNA_OK && fsync(fd) != 0) result = fail_errno(err, path, "synced");
    if (close(fd) != 0 && result == CNA_OK) result = fail_errno(err, path, "closed");
    if (result == CNA_OK && rename(temporary.data, path) != 0) result = fail_errno(err, path, "replaced");
    if (result != CNA_OK) unlink(temporary.data);
    cna_buffer_free(&temporary);
    return result;
}

bool cna_file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

cna_status cna_path_join(const char *folder, const char *name, char **out, cna_error *err)
{
    *out = NULL;
    cna_buffer path = {0};
    size_t n = strlen(folder);
    cna_status status = cna_buffer_printf(&path, err, "%s%s%s", folder, n != 0 && folder[n - 1] == '/' ? "" : "/", name);
    if (status == CNA_OK) status = cna_buffer_take(&path, out, NULL, err);
    cna_buffer_free(&path);
    return status;
}

cna_status cna_sha256_hex(const void *data, size_t n_bytes, char out[65], cna_error *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int n_digest = 0;
    if (EVP_Digest(data, n_bytes, digest, &n_digest, EVP_sha256(), NULL) != 1 || n_digest != 32) {
        return cna_fail(err, CNA_ERR_INTERNAL, "SHA-256 is not available from libcrypto");
    }
    for (size_t i = 0; i < 32; i++) snprintf(out + 2 * i, 3, "%02x", digest[i]);
    return CNA_OK;
}
