/* SPDX-License-Identifier: MIT
 * The engine for seeds: runs one target over files, and over the files in folders, and speaks TAP as the tests
 * do. Needs neither clang nor libFuzzer.
 *   TARGET PATH... */
#define _XOPEN_SOURCE 700
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "support.h"

static bool replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    bool ok = file != NULL && fseek(file, 0, SEEK_END) == 0;
    long size = ok ? ftell(file) : -1;
    uint8_t *data = size < 0 ? NULL : malloc((size_t)size + 1); /* plus one: an empty input is a pointer, too */
    ok = data != NULL && fseek(file, 0, SEEK_SET) == 0 && fread(data, 1, (size_t)size, file) == (size_t)size;
    if (file != NULL) fclose(file);
    if (!ok) fprintf(stderr, "%s: cannot be read\n", path);
    /* Where the target ends the process, this says which input did. */
    if (ok && getenv("FUZZ_VERBOSE") != NULL) fprintf(stderr, "%s\n", path);
    if (ok) LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
    return ok;
}

static bool replay_folder(const char *path, size_t *n)
{
    DIR *entries = opendir(path);
    bool ok = true;
    if (entries == NULL) return false;
    for (struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        char name[4096];
        if (entry->d_name[0] == '.') continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        ok = replay_file(name) && ok;
        ++*n;
    }
    closedir(entries);
    return ok;
}

int main(int argc, char **argv)
{
    const char *name = strrchr(argv[0], '/') == NULL ? argv[0] : strrchr(argv[0], '/') + 1;
    char seeds[256];
    size_t n = 0;
    bool ok = true;
    snprintf(seeds, sizeof seeds, "fuzz/seeds/%s", name);
    if (argc < 2) ok = replay_folder(seeds, &n);
    for (int i = 1; i < argc; i++) {
        struct stat status;
        bool is_folder = stat(argv[i], &status) == 0 && S_ISDIR(status.st_mode);
        ok = (is_folder ? replay_folder(argv[i], &n) : replay_file(argv[i])) && ok;
        if (!is_folder) n++;
    }
    if (n == 0) ok = false;
    printf("%s 1 - fuzz %s: %zu inputs replayed\n1..1\n", ok ? "ok" : "not ok", name, n);
    return ok ? 0 : 1;
}
