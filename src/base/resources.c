/* SPDX-License-Identifier: MIT
 * What /proc, cgroups and limits say about memory. */
#define _XOPEN_SOURCE 700 /* getrlimit */
#include "base/resources.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/file.h"

enum { TEXT_BYTES = 1 << 16, PATH_BYTES = 4096 };

/* root/path as a string, empty where it cannot be read. A list of mounts that is longer is cut; memory cgroups are
 * mounted early. */
static void read_text(const char *root, const char *path, char out[TEXT_BYTES])
{
    char whole[PATH_BYTES];
    int n = snprintf(whole, sizeof whole, "%s%s", root, path);
    out[0] = '\0';
    if (n > 0 && (size_t)n < sizeof whole) (void)cna_file_peek(whole, out, TEXT_BYTES);
}

/* The whole number behind a key at the beginning of a line, whether "key: 12 kB" or "key 12"; 0 where there is none. */
static uint64_t number_of(const char *text, const char *key)
{
    size_t n_key = strlen(key);
    for (const char *line = text; *line != '\0';) {
        if (strncmp(line, key, n_key) == 0 && strchr(": \t", line[n_key]) != NULL && line[n_key] != '\0') {
            const char *at = line + n_key + strspn(line + n_key, ": \t");
            char *end;
            uint64_t value = strtoull(at, &end, 10);
            if (end == at) return 0;
            return strncmp(end, " kB", 3) == 0 ? value * 1024 : value;
        }
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return 0;
}

/* A file that holds one number; UINT64_MAX for "max" and where there is none. */
static uint64_t limit_in(const char *root, const char *folder, const char *name)
{
    char path[PATH_BYTES], text[TEXT_BYTES] = "";
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (n > 0 && (size_t)n < sizeof path) read_text(root, path, text);
    return text[0] >= '0' && text[0] <= '9' ? strtoull(text, NULL, 10) : UINT64_MAX;
}

/* Names of the same things in both versions of cgroups. */
typedef struct version {
    const char *type, *limit, *soft_limit, *usage, *files[2];
} version;
static const version versions[] = {
    {"cgroup", "memory.limit_in_bytes", NULL, "memory.usage_in_bytes", {"total_active_file", "total_inactive_file"}},
    {"cgroup2", "memory.max", "memory.high", "memory.current", {"active_file", "inactive_file"}},
};

/* What one cgroup leaves: its limit less what it uses, but for pages of files, which it gives back when it must. */
static uint64_t left_in_group(const char *root, const version *v, const char *folder)
{
    char path[PATH_BYTES], stat[TEXT_BYTES] = "";
    uint64_t limit = limit_in(root, folder, v->limit), usage = limit_in(root, folder, v->usage), cache = 0;
    if (v->soft_limit != NULL) {
        uint64_t soft = limit_in(root, folder, v->soft_limit);
        if (soft < limit) limit = soft;
    }
    if (limit == UINT64_MAX || usage == UINT64_MAX) return UINT64_MAX;
    int n = snprintf(path, sizeof path, "%s/memory.stat", folder);
    if (n > 0 && (size_t)n < sizeof path) read_text(root, path, stat);
    for (size_t i = 0; i < 2; i++) cache += number_of(stat, v->files[i]);
    uint64_t taken = usage > cache ? usage - cache : 0;
    return limit > taken ? limit - taken : 0;
}

/* The least that the group at mount/path, or any group around it, leaves. path is changed. */
static uint64_t left_in_groups(const char *root, const version *v, const char *mount, char *path)
{
    uint64_t least = UINT64_MAX;
    for (;;) {
        char folder[PATH_BYTES];
        int n = snprintf(folder, sizeof folder, "%s%s", mount, path);
        if (n > 0 && (size_t)n < sizeof folder) {
            uint64_t left = left_in_group(root, v, folder);
            if (left < least) least = left;
        }
        char *slash = strrchr(path, '/');
        if (slash == NULL) return least;
        *slash = '\0';
    }
}

/* The path of the process's group in /proc/self/cgroup, lines "hierarchy:controllers:path": of the line that names the
 * memory controller, or for version 2 none at all. */
static bool find_group(const char *text, bool is_v2, char *out, size_t n_out)
{
    for (const char *line = text; *line != '\0';) {
        size_t n_line = strcspn(line, "\n");
        const char *controllers = memchr(line, ':', n_line);
        const char *path = NULL;
        if (controllers != NULL) path = memchr(controllers + 1, ':', (size_t)(line + n_line - controllers - 1));
        if (path != NULL) {
            char names[256];
            snprintf(names, sizeof names, ",%.*s,", (int)(path - controllers - 1), controllers + 1);
            bool right = is_v2 ? strcmp(names, ",,") == 0 : strstr(names, ",memory,") != NULL;
            size_t n_path = (size_t)(line + n_line - path - 1);
            if (right && n_path < n_out) {
                memcpy(out, path + 1, n_path);
                out[n_path] = '\0';
                return true;
            }
        }
        line += n_line + (line[n_line] == '\n');
    }
    return false;
}

/* mountinfo writes blanks, tabs, line ends and backslashes as three octal digits. */
static void unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; to++) {
        bool escaped = from[0] == '\\' && strspn(from + 1, "01234567") >= 3;
        if (escaped) *to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
        else *to = *from;
        from += escaped ? 4 : 1;
    }
    *to = '\0';
}

/* Read one line of mountinfo: "id parent device root mount options [tags...] - type source options". */
static bool read_mount(const char *line, size_t n_line, const version *v, char *root, char *mount)
{
    char copy[PATH_BYTES], type[32], options[512];
    if (n_line >= sizeof copy) return false;
    memcpy(copy, line, n_line);
    copy[n_line] = '\0';
    const char *tail = strstr(copy, " - ");
    if (tail == NULL || sscanf(copy, "%*s %*s %*s %1023s %1023s", root, mount) != 2) return false;
    options[0] = '\0';
    if (sscanf(tail, " - %31s %*s %511s", type, options) < 1 || strcmp(type, v->type) != 0) return false;
    unescape(root);
    unescape(mount);
    char names[sizeof options + 2];
    snprintf(names, sizeof names, ",%s,", options);
    return strcmp(v->type, "cgroup2") == 0 || strstr(names, ",memory,") != NULL;
}

/* What the memory cgroups of one version leave. */
static uint64_t left_in_version(const char *root, const version *v, const char *groups, const char *mounts)
{
    char path[PATH_BYTES], top[1024], mount[1024];
    if (!find_group(groups, v == &versions[1], path, sizeof path)) return UINT64_MAX;
    uint64_t least = UINT64_MAX;
    for (const char *line = mounts; *line != '\0';) {
        size_t n_line = strcspn(line, "\n");
        if (read_mount(line, n_line, v, top, mount)) {
            /* The mount shows the hierarchy from `top` on; a group that is not below it cannot be seen from here, then
             * the mount's own top is the nearest. */
            size_t n_top = strcmp(top, "/") == 0 ? 0 : strlen(top);
            bool below = strncmp(path, top, n_top) == 0 && (path[n_top] == '/' || path[n_top] == '\0');
            char relative[PATH_BYTES];
            snprintf(relative, sizeof relative, "%s", below ? path + n_top : "");
            if (strcmp(relative, "/") == 0) relative[0] = '\0';
            uint64_t left = left_in_groups(root, v, mount, relative);
            if (left < least) least = left;
        }
        line += n_line + (line[n_line] == '\n');
    }
    return least;
}

uint64_t cna_memory_left(const char *root)
{
    char groups[TEXT_BYTES], text[TEXT_BYTES];
    read_text(root, "/proc/meminfo", text);
    uint64_t available = number_of(text, "MemAvailable"), least = available != 0 ? available : UINT64_MAX;
    read_text(root, "/proc/self/cgroup", groups);
    read_text(root, "/proc/self/mountinfo", text);
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        uint64_t left = left_in_version(root, &versions[i], groups, text);
        if (left < least) least = left;
    }
    return least;
}

/* What a limit of the process leaves of what it counts; UINT64_MAX where there is no limit. */
static uint64_t left_of(int resource, uint64_t used)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return UINT64_MAX;
    return limit.rlim_cur > used ? limit.rlim_cur - used : 0;
}

uint64_t cna_memory_held(void)
{
    char status[TEXT_BYTES];
    read_text("", "/proc/self/status", status);
    return number_of(status, "RssAnon") + number_of(status, "RssShmem");
}

uint64_t cna_memory_available(void)
{
    char status[TEXT_BYTES];
    read_text("", "/proc/self/status", status);
    const uint64_t left[] = {cna_memory_left(""), left_of(RLIMIT_DATA, number_of(status, "VmData")),
                             left_of(RLIMIT_AS, number_of(status, "VmSize"))};
    uint64_t least = UINT64_MAX, held = cna_memory_held();
    for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
        if (left[i] < least) least = left[i];
    }
    return least > UINT64_MAX - held ? UINT64_MAX : least + held;
}
