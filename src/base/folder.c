/* SPDX-License-Identifier: MIT
 * Folders. */
#define _POSIX_C_SOURCE 200809L
#include "base/folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"

cna_status cna_path_format(char **out, cna_error *err, const char *format, ...)
{
    *out = NULL;
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int n = vsnprintf(NULL, 0, format, arguments);
    cna_status status = n < 0 ? cna_fail(err, CNA_ERR_INTERNAL, "a path could not be written") : CNA_OK;
    if (status == CNA_OK) status = cna_alloc(out, (size_t)n + 1, 1, "path", err);
    if (status == CNA_OK) vsnprintf(*out, (size_t)n + 1, format, again);
    va_end(again);
    va_end(arguments);
    return status;
}

cna_status cna_folder_create_above(const char *path, cna_error *err)
{
    char *copy;
    CNA_TRY(cna_copy_bytes(&copy, path, strlen(path), "path", err));
    cna_status status = CNA_OK;
    for (char *slash = strchr(copy + 1, '/'); slash != NULL && status == CNA_OK; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        status = cna_folder_create(copy, err);
        *slash = '/';
    }
    cna_free(copy);
    return status;
}

cna_status cna_folder_create_all(const char *path, cna_error *err)
{
    CNA_TRY(cna_folder_create_above(path, err));
    return cna_folder_create(path, err);
}

void cna_folder_each(const char *path, cna_folder_fn *fn, void *user)
{
    DIR *folder = opendir(path);
    if (folder == NULL) return;
    bool more = true;
    for (struct dirent *entry; more && (entry = readdir(folder)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        more = fn(user, entry->d_name);
    }
    closedir(folder);
}

bool cna_folder_exists(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

cna_status cna_link_write(const char *path, const char *text, cna_error *err)
{
    char *temporary;
    CNA_TRY(cna_path_format(&temporary, err, "%s.%ld.tmp", path, (long)getpid()));
    cna_status status = CNA_OK;
    unlink(temporary); /* left over by a killed process of the same number */
    if (symlink(text, temporary) != 0 || rename(temporary, path) != 0) {
        status = cna_fail(err, CNA_ERR_IO, "%s: cannot be made a link: %s", path, strerror(errno));
        unlink(temporary);
    }
    cna_free(temporary);
    return status;
}

bool cna_file_size(const char *path, uint64_t *out)
{
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode)) return false;
    *out = (uint64_t)status.st_size;
    return true;
}

uint64_t cna_folder_room(const char *path)
{
    struct statvfs status;
    if (statvfs(path, &status) != 0) return UINT64_MAX;
    return (uint64_t)status.f_bavail * status.f_frsize;
}
