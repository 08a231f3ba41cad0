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

static place find_place(const char *path)
{
    struct stat status;
    place out = {0};
    if (strcmp(path, "-") == 0) return out;
    out.exists = stat(path, &status) == 0;
    if (out.exists) {
        out.is_known = S_ISREG(status.st_mode);
    } else {
        const char *slash = strrchr(path, '/');
        size_t n = slash == NULL ? 0 : (size_t)(slash - path) + 1;
        char *folder = cli_alloc(n + 2, 1);
        snprintf(folder, n + 2, "%.*s.", (int)n, path);
        out.name = path + n;
        out.is_known = stat(folder, &status) == 0;
        free(folder);
    }
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
        }
    }
    return CLI_DONE;
}
