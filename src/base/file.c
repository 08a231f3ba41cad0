/* SPDX-License-Identifier: MIT
 * Files. */
#define _DEFAULT_SOURCE /* madvise */
#define _XOPEN_SOURCE 700 /* realpath */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

/* Open a regular file for reading; *out is what the system knows of it. */
static cna_status open_regular(const char *path, int *out_fd, struct stat *out, cna_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe is refused below, not waited for */
    if (fd < 0) return fail_errno(err, path, "opened");
    if (fstat(fd, out) != 0) {
        cna_status failure = fail_errno(err, path, "examined");
        close(fd);
        return failure;
    }
    if (!S_ISREG(out->st_mode)) {
        close(fd);
        return cna_fail(err, CNA_ERR_IO, "%s: expected a regular file, found %s", path,
                        S_ISDIR(out->st_mode) ? "a folder" : "something else");
    }
    *out_fd = fd;
    return CNA_OK;
}

cna_status cna_map_open(const char *path, cna_map *out, cna_error *err)
{
    *out = (cna_map){0};
    int fd = -1;
    struct stat found;
    CNA_TRY(open_regular(path, &fd, &found, err));
    size_t size = (size_t)found.st_size;
    cna_status status = cna_copy_bytes(&out->path, path, strlen(path), "path", err);
    if (status == CNA_OK && size != 0) {
        void *data = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
        if (data == MAP_FAILED) {
            status = fail_errno(err, path, "mapped");
        } else {
            out->data = data;
            out->size = size;
            out->modified = found.st_mtim;
            out->fd = fd;
        }
    }
    if (out->data == NULL) close(fd);
    if (status != CNA_OK) cna_map_close(out);
    return status;
}

void cna_map_close(cna_map *map)
{
    /* munmap takes a pointer to non-const; the mapping itself is read-only. */
    if (map->data != NULL) {
        munmap((void *)(uintptr_t)map->data, map->size);
        close(map->fd);
    }
    cna_free(map->path);
    *map = (cna_map){0};
}

/* Such as "2026-01-31 09:05:00.123456789 UTC", so that times a moment apart differ. */
static const char *time_text(struct timespec time, char out[48])
{
    struct tm parts;
    if (gmtime_r(&time.tv_sec, &parts) == NULL) parts = (struct tm){.tm_mday = 1};
    size_t n = strftime(out, 48, "%Y-%m-%d %H:%M:%S", &parts);
    snprintf(out + n, 48 - n, ".%09ld UTC", (long)time.tv_nsec);
    return out;
}

cna_status cna_map_check(const cna_map *map, cna_error *err)
{
    struct stat now;
    char before[48], after[48];
    if (map->data == NULL) return CNA_OK;
    if (fstat(map->fd, &now) != 0) return fail_errno(err, map->path, "examined");
    bool same_size = now.st_size >= 0 && (size_t)now.st_size == map->size;
    if (same_size && now.st_mtim.tv_sec == map->modified.tv_sec && now.st_mtim.tv_nsec == map->modified.tv_nsec) {
        return CNA_OK;
    }
    return cna_fail(err, CNA_ERR_IO, "%s: expected the %zu bytes of %s that were opened, found %lld bytes of %s; leave "
                    "files as they are while they are used, and begin again", map->path, map->size,
                    time_text(map->modified, before), (long long)now.st_size, time_text(now.st_mtim, after));
}

/* Widen a run of bytes to whole pages. The mapping begins on a page, and its last page is mapped whole. */
static void to_pages(size_t *offset, size_t *n_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), end = *offset + *n_bytes;
    *offset -= *offset % page;
    *n_bytes = (end + page - 1) / page * page - *offset;
}

static int advise(const cna_map *map, size_t offset, size_t n_bytes, int advice)
{
    return madvise((void *)(uintptr_t)(map->data + offset), n_bytes, advice);
}

void cna_map_prefetch(const cna_map *map, size_t offset, size_t n_bytes)
{
    if (n_bytes == 0) return;
    to_pages(&offset, &n_bytes);
    (void)advise(map, offset, n_bytes, MADV_WILLNEED);
}

/* For kernels before Linux 5.14: touch each page. A file that was cut short is found out first. */
static cna_status touch_pages(const cna_map *map, size_t offset, size_t n_bytes, cna_error *err)
{
    CNA_TRY(cna_map_check(map, err));
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const volatile unsigned char *data = map->data;
    for (size_t at = offset; at < offset + n_bytes; at += page) (void)data[at];
    return CNA_OK;
}

cna_status cna_map_populate(const cna_map *map, size_t offset, size_t n_bytes, cna_error *err)
{
    if (n_bytes == 0) return CNA_OK;
    to_pages(&offset, &n_bytes);
#ifdef MADV_POPULATE_READ
    int result;
    do {
        result = advise(map, offset, n_bytes, MADV_POPULATE_READ);
    } while (result != 0 && errno == EINTR);
    if (result == 0) return CNA_OK;
    if (errno != EINVAL) {
        return cna_fail(err, CNA_ERR_IO, "%s: bytes %zu to %zu cannot be read any more: %s; was the file cut short?",
                        map->path, offset, offset + n_bytes, strerror(errno));
    }
#endif
    return touch_pages(map, offset, n_bytes, err);
}

void cna_map_release(const cna_map *map, size_t offset, size_t n_bytes, bool from_cache)
{
    if (n_bytes == 0) return;
    to_pages(&offset, &n_bytes);
    (void)advise(map, offset, n_bytes, MADV_DONTNEED);
    /* Only pages that nobody has mapped are forgotten: hence after the other. */
    if (from_cache) (void)posix_fadvise(map->fd, (off_t)offset, (off_t)n_bytes, POSIX_FADV_DONTNEED);
}

void cna_map_scatter(const cna_map *map, bool scattered)
{
    if (map->data != NULL) (void)advise(map, 0, map->size, scattered ? MADV_RANDOM : MADV_NORMAL);
}

cna_status cna_file_read(const char *path, size_t max_bytes, cna_buffer *out, cna_error *err)
{
    int fd = -1;
    struct stat found;
    CNA_TRY(open_regular(path, &fd, &found, err));
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

bool cna_file_peek(const char *path, char *out, size_t n_out)
{
    size_t total = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    while (total < n_out - 1) {
        ssize_t n = read(fd, out + total, n_out - 1 - total);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        total += (size_t)n;
    }
    close(fd);
    out[total] = '\0';
    return total > 0;
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

/* Write to a device or a pipe (/dev/null, /dev/stdout) that is there already; it is never replaced. */
static cna_status write_in_place(const char *path, const char *data, size_t n_bytes, cna_error *err)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return fail_errno(err, path, "opened for writing");
    cna_status status = write_all(fd, path, data, n_bytes, err);
    if (close(fd) != 0 && status == CNA_OK) status = fail_errno(err, path, "closed");
    return status;
}

/* Create a file beside target under a name that nobody has; the system applies the user's umask. */
static cna_status create_beside(const char *target, cna_buffer *name, int *out_fd, cna_error *err)
{
    *out_fd = -1;
    for (int i = 0; i < 100 && *out_fd < 0; i++) {
        cna_buffer_reset(name);
        CNA_TRY(cna_buffer_printf(name, err, "%s.%ld-%d.tmp", target, (long)getpid(), i));
        *out_fd = open(name->data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (*out_fd < 0 && errno != EEXIST) break;
    }
    return *out_fd < 0 ? fail_errno(err, target, "created") : CNA_OK;
}

/* Write a new file beside target and rename it over; old is what was there, NULL for nothing. */
static cna_status replace(const char *target, const struct stat *old, const char *data, size_t n_bytes, cna_error *err)
{
    cna_buffer temporary = {0};
    int fd;
    cna_status status = create_beside(target, &temporary, &fd, err);
    if (status != CNA_OK) {
        cna_buffer_free(&temporary);
        return status;
    }
    if (old != NULL && fchmod(fd, old->st_mode & 07777) != 0) status = fail_errno(err, target, "given its mode");
    if (status == CNA_OK) status = write_all(fd, target, data, n_bytes, err);
    if (status == CNA_OK && fsync(fd) != 0) status = fail_errno(err, target, "synced");
    if (close(fd) != 0 && status == CNA_OK) status = fail_errno(err, target, "closed");
    if (status == CNA_OK && rename(temporary.data, target) != 0) status = fail_errno(err, target, "replaced");
    if (status != CNA_OK) unlink(temporary.data);
    cna_buffer_free(&temporary);
    return status;
}

cna_status cna_file_write(const char *path, const char *data, size_t n_bytes, cna_error *err)
{
    if (strcmp(path, "-") == 0) return write_all(STDOUT_FILENO, "standard output", data, n_bytes, err);
    struct stat old;
    if (stat(path, &old) != 0) return replace(path, NULL, data, n_bytes, err);
    if (S_ISDIR(old.st_mode)) return cna_fail(err, CNA_ERR_IO, "%s: expected a file to write, found a folder", path);
    if (!S_ISREG(old.st_mode)) return write_in_place(path, data, n_bytes, err);
    /* A link stays a link: what it points to is replaced. */
    char target[PATH_MAX];
    if (realpath(path, target) == NULL) return fail_errno(err, path, "resolved");
    return replace(target, &old, data, n_bytes, err);
}

bool cna_file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

cna_status cna_file_require_regular(const char *path, bool may_be_absent, cna_error *err)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        return errno == ENOENT && may_be_absent ? CNA_OK : fail_errno(err, path, "opened");
    }
    if (S_ISREG(status.st_mode)) return CNA_OK;
    return cna_fail(err, CNA_ERR_IO, "%s: expected a regular file, found %s", path,
                    S_ISDIR(status.st_mode) ? "a folder" : "something else");
}

void cna_file_remove(const char *path)
{
    unlink(path);
}

bool cna_file_is_same(const char *a, const char *b)
{
    struct stat of_a, of_b;
    return stat(a, &of_a) == 0 && stat(b, &of_b) == 0 && of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

cna_status cna_folder_create(const char *path, cna_error *err)
{
    struct stat status;
    if (mkdir(path, 0777) == 0) return CNA_OK;
    if (errno != EEXIST) return fail_errno(err, path, "created");
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode)) return CNA_OK;
    return cna_fail(err, CNA_ERR_IO, "%s: expected a folder, found a file", path);
}

cna_status cna_path_resolve(const char *path, char **out, cna_error *err)
{
    char resolved[PATH_MAX];
    *out = NULL;
    if (realpath(path, resolved) != NULL) return cna_copy_bytes(out, resolved, strlen(resolved), "path", err);
    if (errno != ENOENT) return fail_errno(err, path, "opened");
    const char *slash = strrchr(path, '/');
    char *folder;
    CNA_TRY(cna_copy_bytes(&folder, slash == NULL ? "." : path, slash == NULL ? 1 : (size_t)(slash - path) + 1, "path",
                           err));
    cna_status status = CNA_OK;
    if (realpath(folder, resolved) == NULL) {
        status = fail_errno(err, path, "opened");
    } else {
        status = cna_path_join(resolved, slash == NULL ? path : slash + 1, out, err);
    }
    cna_free(folder);
    return status;
}

cna_status cna_path_join(const char *folder, const char *name, char **out, cna_error *err)
{
    *out = NULL;
    cna_buffer path = {0};
    size_t n = strlen(folder);
    cna_status status = cna_buffer_printf(&path, err, "%s%s%s", folder,
                                          n != 0 && folder[n - 1] == '/' ? "" : "/", name);
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

bool cna_file_is_regular(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool ends_in(const char *name, const char *suffix)
{
    size_t n = strlen(name), n_suffix = strlen(suffix);
    return n >= n_suffix && strcmp(name + n - n_suffix, suffix) == 0;
}

cna_status cna_folder_list(const char *path, const char *suffix, cna_arena *arena, const char ***names, size_t *n,
                           cna_error *err)
{
    DIR *folder = opendir(path);
    if (folder == NULL) return fail_errno(err, path, "listed");
    const char **found = NULL;
    size_t n_found = 0, capacity = 0;
    cna_status status = CNA_OK;
    for (const struct dirent *entry; status == CNA_OK && (entry = readdir(folder)) != NULL;) {
        if (!ends_in(entry->d_name, suffix)) continue;
        status = cna_grow(&found, &capacity, n_found + 1, sizeof *found, "list of files", err);
        if (status == CNA_OK)
            status = cna_arena_copy(arena, &found[n_found], entry->d_name, strlen(entry->d_name), err);
        if (status == CNA_OK) n_found++;
    }
    closedir(folder);
    if (status == CNA_OK) status = cna_arena_alloc(arena, names, n_found, sizeof **names, "list of files", err);
    if (status == CNA_OK) {
        for (size_t i = 0; i < n_found; i++) (*names)[i] = found[i];
        qsort(*names, n_found, sizeof **names, compare_names);
        *n = n_found;
    }
    cna_free(found);
    return status;
}
