/* SPDX-License-Identifier: MIT
 * Being the only writer of something. */
#define _DEFAULT_SOURCE /* flock */
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static cna_status fail_errno(cna_error *err, const char *path, const char *what, int code)
{
    return cna_fail(err, CNA_ERR_IO, "%s: cannot be %s: %s", path, what, strerror(code));
}

static cna_status fail_held(cna_error *err, const char *what, int fd)
{
    char text[16] = "";
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    long process = n > 0 ? strtol(text, NULL, 10) : 0;
    if (process <= 0) return cna_fail(err, CNA_ERR_IO, "%s: another process is writing to it; wait for its end", what);
    return cna_fail(err, CNA_ERR_IO, "%s: process %ld is writing to it; wait for its end", what, process);
}

/* Whether the locked file is still the one at path: its holder may have removed it between our open and our lock. */
static bool is_current(const char *path, int fd)
{
    struct stat mine, theirs;
    return fstat(fd, &mine) == 0 && stat(path, &theirs) == 0 && mine.st_ino == theirs.st_ino &&
           mine.st_dev == theirs.st_dev;
}

static cna_status open_locked(const char *path, const char *what, int *out_fd, cna_error *err)
{
    for (;;) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0) return fail_errno(err, path, "made", errno);
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            int code = errno;
            cna_status status =
                code == EWOULDBLOCK ? fail_held(err, what, fd) : fail_errno(err, path, "locked", code);
            close(fd);
            return status;
        }
        if (is_current(path, fd)) {
            *out_fd = fd;
            return CNA_OK;
        }
        close(fd);
    }
}

cna_status cna_lock_take(const char *path, const char *what, cna_lock *out, cna_error *err)
{
    *out = (cna_lock){0};
    char *copy;
    int fd = -1;
    CNA_TRY(cna_copy_bytes(&copy, path, strlen(path), "path", err));
    cna_status status = open_locked(path, what, &fd, err);
    if (status != CNA_OK) {
        cna_free(copy);
        return status;
    }
    char number[16];
    int n = snprintf(number, sizeof number, "%ld\n", (long)getpid());
    /* The number is for messages only, so a full disk does not matter here. */
    if (ftruncate(fd, 0) == 0 && pwrite(fd, number, (size_t)n, 0) != n) (void)ftruncate(fd, 0);
    *out = (cna_lock){.fd = fd, .path = copy};
    return CNA_OK;
}

void cna_lock_release(cna_lock *lock)
{
    if (lock->path == NULL) return;
    unlink(lock->path);
    close(lock->fd);
    cna_free(lock->path);
    *lock = (cna_lock){0};
}
