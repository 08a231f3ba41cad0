/* SPDX-License-Identifier: MIT
 * What the fuzz targets share. */
#define _XOPEN_SOURCE 700
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/utf8.h"

_Noreturn void fuzz_fail(const char *what, const char *file, int line)
{
    fprintf(stderr, "fuzz: %s:%d: expected %s\n", file, line, what);
    abort();
}

void fuzz_require_inside(const cna_map *map, const void *data, uint64_t n_bytes)
{
    uintptr_t begin = (uintptr_t)map->data, at = (uintptr_t)data;
    if (n_bytes == 0) return;
    fuzz_require(at >= begin && at - begin <= map->size && n_bytes <= map->size - (at - begin));
}

/* ---- input ---- */

static fuzz_bytes copy(const uint8_t *data, size_t size)
{
    fuzz_bytes out = {malloc(size + 1), size};
    fuzz_require(out.text != NULL);
    if (size != 0) memcpy(out.text, data, size);
    out.text[size] = '\0';
    return out;
}

fuzz_bytes fuzz_split(const uint8_t *data, size_t size, fuzz_bytes *rest)
{
    static fuzz_bytes first, second;
    const uint8_t *nul = size == 0 ? NULL : memchr(data, 0, size);
    size_t n = nul == NULL ? size : (size_t)(nul - data);
    free(first.text);
    free(second.text);
    first = copy(data, n);
    second = copy(nul == NULL ? data : nul + 1, nul == NULL ? 0 : size - n - 1);
    *rest = second;
    return first;
}

/* ---- files ---- */

static char folder[64];

/* Have the folder removed when this process has ended, in whatever way: one that finds something ends without atexit.
 * A child waits for that, which is when its end of a pipe is closed. */
static void remove_behind(void)
{
    int ends[2];
    fuzz_require(pipe(ends) == 0 && fcntl(ends[1], F_SETFD, FD_CLOEXEC) == 0);
    pid_t child = fork();
    fuzz_require(child >= 0);
    if (child == 0) {
        char unused;
        close(ends[1]);
        (void)setsid(); /* Ctrl-C is not for it */
        while (read(ends[0], &unused, 1) < 0 && errno == EINTR) continue;
        execlp("rm", "rm", "-rf", "--", folder, (char *)NULL);
        _exit(1);
    }
    close(ends[0]);
}

const char *fuzz_folder(void)
{
    if (folder[0] != '\0') return folder;
    /* Memory where there is such a folder: a file is written for each of many thousand inputs a second. */
    struct stat status;
    bool in_memory = stat("/dev/shm", &status) == 0 && access("/dev/shm", W_OK) == 0;
    snprintf(folder, sizeof folder, "%s/cna-fuzz-XXXXXX", in_memory ? "/dev/shm" : "/tmp");
    fuzz_require(mkdtemp(folder) != NULL);
    remove_behind();
    return folder;
}

const char *fuzz_file(const char *name, const void *bytes, size_t n_bytes)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    fuzz_require(fd >= 0);
    for (size_t done = 0; done < n_bytes;) {
        ssize_t n = write(fd, (const char *)bytes + done, n_bytes - done);
        fuzz_require(n > 0);
        done += (size_t)n;
    }
    fuzz_require(close(fd) == 0);
    return path;
}

/* ---- allocations ---- */

static size_t largest = SIZE_MAX;

void fuzz_bound(size_t n_bytes, size_t fixed, size_t per_byte)
{
    largest = fixed + per_byte * n_bytes;
}

/* The linker puts this in the place of the library's one call of aligned_alloc (--wrap). */
void *__real_aligned_alloc(size_t alignment, size_t n_bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t n_bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t n_bytes)
{
    if (n_bytes > largest) {
        fprintf(stderr, "fuzz: expected no allocation above %zu bytes for this input, found %zu\n", largest, n_bytes);
        abort();
    }
    return __real_aligned_alloc(alignment, n_bytes);
}

/* ---- errors ---- */

static bool is_line(const char *text)
{
    size_t n = strlen(text);
    if (n == 0 || !cna_utf8_check(text, n, NULL)) return false;
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F) return false;
    }
    return true;
}

bool fuzz_ok(cna_status status, const cna_error *err)
{
    if (status == CNA_OK) return true;
    fuzz_require(err->status == status);
    fuzz_require(status != CNA_ERR_MEMORY && status != CNA_ERR_CANCELLED);
    fuzz_require(is_line(err->text));
    return false;
}
