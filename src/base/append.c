/* SPDX-License-Identifier: MIT
 * A file that grows at its end. */
#define _POSIX_C_SOURCE 200809L
#include "base/append.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static cna_status fail_errno(cna_error *err, const char *path, const char *what)
{
    return cna_fail(err, CNA_ERR_IO, "%s: cannot be %s: %s", path, what, strerror(errno));
}

cna_status cna_append_open(const char *path, cna_append *out, cna_error *err)
{
    *out = (cna_append){0};
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    if (fd < 0) return fail_errno(err, path, "opened");
    struct stat status;
    cna_status result = CNA_OK;
    if (fstat(fd, &status) != 0) result = fail_errno(err, path, "examined");
    else if (!S_ISREG(status.st_mode)) result = cna_fail(err, CNA_ERR_IO, "%s: expected a regular file", path);
    if (result == CNA_OK) result = cna_copy_bytes(&out->path, path, strlen(path), "path", err);
    if (result != CNA_OK) {
        close(fd);
        return result;
    }
    out->fd = fd;
    out->size = (uint64_t)status.st_size;
    return CNA_OK;
}

cna_status cna_append_add(cna_append *append, const void *data, size_t n_bytes, cna_error *err)
{
    const char *bytes = data;
    while (n_bytes != 0) {
        ssize_t n = pwrite(append->fd, bytes, n_bytes, (off_t)append->size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno(err, append->path, "written");
        bytes += n;
        n_bytes -= (size_t)n;
        append->size += (uint64_t)n;
    }
    return CNA_OK;
}

cna_status cna_append_cut(cna_append *append, uint64_t size, cna_error *err)
{
    if (ftruncate(append->fd, (off_t)size) != 0) return fail_errno(err, append->path, "cut");
    append->size = size;
    return CNA_OK;
}

cna_status cna_append_read(const cna_append *append, uint64_t offset, void *out, size_t n_bytes, cna_error *err)
{
    char *bytes = out;
    while (n_bytes != 0) {
        ssize_t n = pread(append->fd, bytes, n_bytes, (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno(err, append->path, "read");
        if (n == 0) return cna_fail(err, CNA_ERR_IO, "%s: expected more bytes, found its end", append->path);
        bytes += n;
        n_bytes -= (size_t)n;
        offset += (uint64_t)n;
    }
    return CNA_OK;
}

cna_status cna_append_commit(cna_append *append, const char *path, cna_error *err)
{
    cna_status status = CNA_OK;
    if (fsync(append->fd) != 0) status = fail_errno(err, append->path, "synced");
    else if (rename(append->path, path) != 0) status = fail_errno(err, path, "created");
    cna_append_close(append, false);
    return status;
}

void cna_append_close(cna_append *append, bool remove)
{
    if (append->path == NULL) return;
    if (remove) unlink(append->path);
    close(append->fd);
    cna_free(append->path);
    *append = (cna_append){0};
}
