/* SPDX-License-Identifier: MIT
 * Kinds of files. */
#define _POSIX_C_SOURCE 200809L
#include "cli/file_kind.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cna.h"

/* The first bytes of a file; returns how many there are. */
static size_t read_begin(const char *path, unsigned char *out, size_t n)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) return 0;
    size_t found = fread(out, 1, n, file);
    fclose(file);
    return found;
}

bool cli_is_database(const char *path)
{
    static const char begin[] = "SQLite format 3"; /* with its NUL */
    unsigned char found[sizeof begin];
    return read_begin(path, found, sizeof found) == sizeof begin && memcmp(found, begin, sizeof begin) == 0;
}

/* The length of a header, which is JSON, in eight bytes. */
static bool is_safetensors(const unsigned char *begin, size_t n)
{
    static const unsigned char high[5] = {0}; /* of a length below 16 MB, as every header seen so far has */
    return n > 8 && memcmp(begin + 3, high, sizeof high) == 0 && begin[8] == '{';
}

const char *cli_describe_file(const char *path)
{
    struct stat status;
    unsigned char begin[16];
    if (stat(path, &status) != 0 || !(S_ISREG(status.st_mode) || S_ISDIR(status.st_mode))) return NULL;
    if (S_ISDIR(status.st_mode)) return "a folder; -m and 'cna inspect' take a model's";
    size_t n = read_begin(path, begin, sizeof begin), at = 0;
    if (n == 0) return status.st_size == 0 ? "an empty file" : NULL;
    if (cli_is_database(path)) return "an SQLite database; 'cna inspect', 'cna report' and 'cna judge' take run files";
    if (n >= 4 && memcmp(begin, "GGUF", 4) == 0) {
        if (cna_caa_is_file(path)) return "a control vector, which --caa-vector and 'cna inspect' take";
        return "a GGUF model, which -m and 'cna inspect' take where its name ends with .gguf";
    }
    if (is_safetensors(begin, n)) return "weights (safetensors); -m and 'cna inspect' take the folder that they lie in";
    while (at < n && (begin[at] == ' ' || (begin[at] >= '\t' && begin[at] <= '\r'))) at++;
    return at == n || begin[at] == '{' || begin[at] == '[' ? NULL : "another file, which is no JSON";
}
