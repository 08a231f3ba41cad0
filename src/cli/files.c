/* SPDX-License-Identifier: MIT
 * Paths that lead to one file. */
#define _POSIX_C_SOURCE 200809L
#include "cli/files.h"

#include "cli/messages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Where a path leads: a file that is there, or a name in a folder that is. */
typedef struct place {
    bool is_known, exists;
    dev_t device;
    ino_t inode;      /* of the file, or of the folder */
    const char *name; /* in the folder */
} place;

/* The folder that a path names a file in, and where that name begins in the path; false: there is none. */
static bool find_folder(const char *path, const char *up, struct stat *out, const char **name)
{
    const char *slash = strrchr(path, '/');
    size_t n = slash == NULL ? 0 : (size_t)(slash - path) + 1, size = n + strlen(up) + 1;
    char *folder = cli_alloc(size, 1);
    snprintf(folder, size, "%.*s%s", (int)n, path, up);
    *name = path + n;
    bool found = stat(folder, out) == 0;
    free(folder);
    return found;
}

static place find_place(const char *path)
{
    struct stat status;
    place out = {0};
    if (strcmp(path, "-") == 0) return out;
    out.exists = stat(path, &status) == 0;
    out.is_known = out.exists ? S_ISREG(status.st_mode) : find_folder(path, ".", &status, &out.name);
    if (out.is_known) {
        out.device = status.st_dev;
        out.inode = status.st_ino;
    }
    return out;
}

static bool is_same(const place *a, const place *b)
{
    return a->is_known && b->is_known && a->exists == b->exists && a->device == b->device && a->inode == b->inode &&
           (a->exists || strcmp(a->name, b->name) == 0);
}

/* Whether a file that is there lies in a folder, or in one of its folders. */
static bool is_inside(const place *file, const char *path, const char *folder)
{
    struct stat outer, at;
    const char *name;
    if (!file->is_known || !file->exists || stat(folder, &outer) != 0 || !S_ISDIR(outer.st_mode)) return false;
    static const char *const ups[] = {".", ".."};
    for (size_t i = 0; i < sizeof ups / sizeof *ups; i++) {
        bool found = find_folder(path, ups[i], &at, &name);
        if (found && at.st_dev == outer.st_dev && at.st_ino == outer.st_ino) return true;
    }
    return false;
}

static int refuse(const cli_named_file *written, const cli_named_file *other)
{
    if (other->flag == NULL) {
        return cli_usage("--%s %s: expected a file that is not read, found '%s' named as well", written->flag,
                         written->path, other->path);
    }
    return cli_usage("--%s and --%s: expected two files, found one, '%s'", other->flag, written->flag, written->path);
}

int cli_files_check(const cli_named_file *files, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!files[i].is_written) continue;
        place at = find_place(files[i].path);
        for (size_t j = 0; j < n; j++) {
            place other = find_place(files[j].path);
            bool is_earlier_pair = files[j].is_written && j <= i;
            if (j != i && !is_earlier_pair && is_same(&at, &other)) return refuse(&files[i], &files[j]);
            if (!files[j].is_written && is_inside(&at, files[i].path, files[j].path)) {
                return cli_usage("--%s %s: expected a new file, or one outside of '%s', which is read; found one of "
                                 "its files", files[i].flag, files[i].path, files[j].path);
            }
        }
    }
    return CLI_DONE;
}
