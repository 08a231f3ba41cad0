/* SPDX-License-Identifier: MIT
 * Standard output and whole files. */
#define _POSIX_C_SOURCE 200809L
#define _XOPEN_SOURCE 700 /* realpath */
#include "cli/output.h"

#include "cli/messages.h"
#include "cli/progress.h"
#include "cli/text.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool output_failed;
static int output_errno;

/* At most one file is open for writing at a time. The handler of a second signal reads this pointer. */
static char *volatile open_temporary;

void cli_output_begin(void)
{
    cli_progress_clear();
    cli_notes_show();
}

bool cli_output_flush(void)
{
    if (output_failed) return false;
    if (fflush(stdout) != 0) {
        output_errno = errno;
        output_failed = true;
    } else if (ferror(stdout)) {
        output_failed = true;
    }
    return !output_failed;
}

bool cli_output_works(void)
{
    return !output_failed && !ferror(stdout);
}

void cli_put_answer(const char *text, size_t n_bytes)
{
    if (isatty(STDOUT_FILENO) == 1) {
        cli_put_safe(stdout, text, n_bytes, CLI_MANY_LINES);
    } else {
        fwrite(text, 1, n_bytes, stdout);
    }
}

/* stdio may have met the error in the middle of a printf and lost its errno: ask the pipe itself. */
static bool reader_left(void)
{
    struct pollfd end = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return output_errno == EPIPE || (poll(&end, 1, 0) == 1 && (end.revents & POLLERR) != 0);
}

int cli_output_finish(int code)
{
    cli_progress_clear();
    if (code == CLI_DONE) cli_notes_show();
    bool works = cli_output_flush();
    if (works && fclose(stdout) != 0) { /* a network file system reports a full disk only here */
        output_errno = errno;
        works = false;
    }
    if (works) return code;
    if (!cli_has_failed() && !reader_left()) {
        cli_fail("standard output: cannot be written: %s",
                 output_errno != 0 ? strerror(output_errno) : "write error");
    }
    return code == CLI_DONE ? CLI_FAILED : code;
}

static char *join(const char *a, const char *b)
{
    size_t n_a = strlen(a), n_b = strlen(b);
    char *joined = cli_alloc(n_a + n_b + 1, 1);
    memcpy(joined, a, n_a);
    memcpy(joined + n_a, b, n_b + 1);
    return joined;
}

int cli_file_open(cli_file *file, const char *path)
{
    *file = (cli_file){.path = path};
    struct stat status;
    bool exists = stat(path, &status) == 0;
    if (exists && S_ISDIR(status.st_mode))
        return cli_fail("%s: expected a file to write, found a folder", path);
    if (exists && !S_ISREG(status.st_mode)) {
        file->stream = fopen(path, "wb");
        return file->stream != NULL ? CLI_DONE : cli_fail_errno(path, "opened");
    }
    file->target = realpath(path, NULL);
    if (file->target == NULL) file->target = join(path, "");
    file->temporary = join(file->target, ".XXXXXX");
    int descriptor = mkstemp(file->temporary);
    if (descriptor < 0) {
        int code = cli_fail_errno(path, "created");
        free(file->temporary);
        file->temporary = NULL;
        cli_file_abandon(file);
        return code;
    }
    open_temporary = file->temporary;
    mode_t mask = umask(0);
    umask(mask);
    if (fchmod(descriptor, exists ? status.st_mode & 0777 : 0666 & ~mask) == 0)
        file->stream = fdopen(descriptor, "wb");
    if (file->stream != NULL) return CLI_DONE;
    int code = cli_fail_errno(path, "created");
    close(descriptor);
    cli_file_abandon(file);
    return code;
}

int cli_file_commit(cli_file *file)
{
    int code = CLI_DONE;
    errno = EIO; /* where an earlier write failed and the flush has nothing to say */
    bool written = fflush(file->stream) == 0 && !ferror(file->stream);
    if (!written) code = cli_fail_errno(file->path, "written");
    if (written && file->temporary != NULL && fsync(fileno(file->stream)) != 0)
        code = cli_fail_errno(file->path, "synced");
    int closed = fclose(file->stream);
    file->stream = NULL;
    if (code == CLI_DONE && closed != 0) code = cli_fail_errno(file->path, "closed");
    if (code == CLI_DONE && file->temporary != NULL) {
        if (rename(file->temporary, file->target) == 0) {
            open_temporary = NULL;
            free(file->temporary);
            file->temporary = NULL;
        } else {
            code = cli_fail_errno(file->path, "replaced");
        }
    }
    cli_file_abandon(file);
    return code;
}

int cli_file_try(const char *path)
{
    struct stat status;
    bool special = stat(path, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
    if (special) return CLI_DONE; /* the reader of a pipe would see its end */
    cli_file file;
    int code = cli_file_open(&file, path);
    cli_file_abandon(&file);
    return code;
}

int cli_folder_try(const char *path)
{
    struct stat status;
    if (stat(path, &status) == 0 && !S_ISDIR(status.st_mode)) {
        return cli_fail("%s: expected a folder, found a file", path);
    }
    bool is_new = mkdir(path, 0777) == 0;
    if (!is_new && errno != EEXIST) return cli_fail_errno(path, "created");
    int code = access(path, W_OK | X_OK) == 0 ? CLI_DONE : cli_fail_errno(path, "written to");
    if (is_new) rmdir(path);
    return code;
}

void cli_file_abandon(cli_file *file)
{
    if (file->stream != NULL) fclose(file->stream);
    if (file->temporary != NULL) {
        unlink(file->temporary);
        open_temporary = NULL;
    }
    free(file->temporary);
    free(file->target);
    *file = (cli_file){0};
}

void cli_file_remove_all(void)
{
    const char *temporary = open_temporary;
    if (temporary != NULL) unlink(temporary);
}

enum { READ_BYTES_MAX = 256 << 20 };

int cli_read_all(FILE *stream, const char *name, char **out, size_t *out_n_bytes)
{
    char *data = NULL;
    size_t n = 0, capacity = 0;
    for (;;) {
        cli_grow(&data, &capacity, n + 65536, 1);
        size_t got = fread(data + n, 1, capacity - n - 1, stream);
        n += got;
        if (n > READ_BYTES_MAX) {
            free(data);
            return cli_fail("%s: expected at most %d bytes, found more", name, (int)READ_BYTES_MAX);
        }
        if (got == 0) break;
    }
    if (ferror(stream)) {
        int code = cli_fail_errno(name, "read");
        free(data);
        return code;
    }
    data[n] = '\0';
    *out = data;
    *out_n_bytes = n;
    return CLI_DONE;
}

bool cli_file_exists(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0;
}

int cli_read_file(const char *path, char **out, size_t *out_n_bytes)
{
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) return cli_fail_errno(path, "opened");
    int code = cli_read_all(stream, path, out, out_n_bytes);
    fclose(stream);
    return code;
}
