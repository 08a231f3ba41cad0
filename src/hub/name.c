/* SPDX-License-Identifier: MIT
 * Names of models, and the environment. */
#include "hub/name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/folder.h"

enum { TOKEN_BYTES_MAX = 4096 };

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_edge(char c)
{
    return c == '.' || c == '-';
}

static bool is_part(const char *text, size_t n)
{
    if (n == 0 || n > CNA_HUB_PART_MAX || is_edge(text[0]) || is_edge(text[n - 1])) return false;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (!is_letter_or_digit(c) && c != '.' && c != '_' && c != '-') return false;
        if (i > 0 && is_edge(c) && text[i - 1] == c) return false;
    }
    return true;
}

/* Stricter than git-check-ref-format in its characters, so that a revision is a path and a part of an address. */
static bool is_revision(const char *text)
{
    size_t n = strlen(text);
    if (n == 0 || n > CNA_HUB_REVISION_MAX || text[n - 1] == '/' || text[n - 1] == '.') return false;
    for (size_t i = 0; i < n; i++) {
        char c = text[i], before = i == 0 ? '/' : text[i - 1];
        if (!is_letter_or_digit(c) && strchr("._-+/", c) == NULL) return false;
        if (before == '/' && (c == '/' || is_edge(c))) return false;
        if (before == '.' && c == '.') return false;
    }
    return true;
}

cna_status cna_hub_name_parse(const char *text, cna_hub_name *out, cna_error *err)
{
    *out = (cna_hub_name){0};
    const char *slash = strchr(text, '/'), *at = strchr(text, '@');
    size_t n = at != NULL ? (size_t)(at - text) : strlen(text), n_org = slash != NULL ? (size_t)(slash - text) : n;
    if (n_org >= n || !is_part(text, n_org) || !is_part(slash + 1, n - n_org - 1)) {
        return cna_fail(err, CNA_ERR_ARG, "model name: expected ORG/NAME or ORG/NAME@REVISION, found '%s'", text);
    }
    if (at != NULL && !is_revision(at + 1)) {
        return cna_fail(err, CNA_ERR_ARG, "model name '%s': expected a branch, a tag or a commit behind '@', found "
                        "'%s'", text, at + 1);
    }
    snprintf(out->id, sizeof out->id, "%.*s", (int)n, text);
    snprintf(out->folder, sizeof out->folder, "models--%.*s--%.*s", (int)n_org, text, (int)(n - n_org - 1), slash + 1);
    snprintf(out->revision, sizeof out->revision, "%s", at != NULL ? at + 1 : "main");
    out->has_revision = at != NULL;
    return CNA_OK;
}

bool cna_hub_is_commit(const char *revision)
{
    return strlen(revision) == CNA_HUB_COMMIT_BYTES - 1 &&
           strspn(revision, "0123456789abcdef") == CNA_HUB_COMMIT_BYTES - 1;
}

/* ---- environment ---- */

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

/* A path of the environment, with "~" for the home folder, and a part behind it. */
static cna_status expand(const char *path, const char *behind, char **out, cna_error *err)
{
    if (path[0] != '~' || (path[1] != '/' && path[1] != '\0')) {
        return cna_path_format(out, err, "%s%s", path, behind);
    }
    const char *home = variable("HOME");
    *out = NULL;
    if (home == NULL) {
        return cna_fail(err, CNA_ERR_IO, "Hugging Face cache: expected HOME, HF_HOME or HF_HUB_CACHE to be set, found "
                        "none of them");
    }
    return cna_path_format(out, err, "%s%s%s", home, path + 1, behind);
}

/* A path under HF_HOME or what stands for it. */
static cna_status under_home(const char *behind, char **out, cna_error *err)
{
    const char *home = variable("HF_HOME"), *cache = variable("XDG_CACHE_HOME");
    if (home != NULL) return expand(home, behind, out, err);
    char *below;
    CNA_TRY(cna_path_format(&below, err, "/huggingface%s", behind));
    cna_status status = expand(cache != NULL ? cache : "~/.cache", below, out, err);
    cna_free(below);
    return status;
}

cna_status cna_hub_cache_folder(char **out, cna_error *err)
{
    const char *cache = variable("HF_HUB_CACHE");
    return cache != NULL ? expand(cache, "", out, err) : under_home("/hub", out, err);
}

/* A token as it is sent, or NULL for nothing but white space. */
static cna_status clean_token(const char *text, const char *source, char **out, cna_error *err)
{
    static const char blanks[] = " \t\r\n";
    text += strspn(text, blanks);
    size_t n = strlen(text);
    while (n > 0 && strchr(blanks, text[n - 1]) != NULL) n--;
    if (n == 0) return CNA_OK;
    for (size_t i = 0; i < n; i++) {
        if (text[i] <= ' ' || text[i] > '~') {
            return cna_fail(err, CNA_ERR_ARG, "%s: expected a token of printable characters without blanks, found "
                            "another at place %zu", source, i + 1);
        }
    }
    return cna_copy_bytes(out, text, n, "token", err);
}

cna_status cna_hub_token(char **out, cna_error *err)
{
    *out = NULL;
    const char *token = variable("HF_TOKEN"), *given = variable("HF_TOKEN_PATH");
    if (token != NULL) return clean_token(token, "HF_TOKEN", out, err);
    char *path = NULL;
    cna_buffer text = {0};
    cna_status status = given != NULL ? expand(given, "", &path, err) : under_home("/token", &path, err);
    if (status == CNA_ERR_IO && given == NULL) return CNA_OK; /* without a home there is no token */
    if (status == CNA_OK && cna_file_exists(path)) {
        status = cna_file_read(path, TOKEN_BYTES_MAX, &text, err);
        if (status == CNA_OK && text.size > 0) status = clean_token(text.data, path, out, err);
    }
    cna_buffer_free(&text);
    cna_free(path);
    return status;
}

cna_status cna_hub_endpoint(const char *given, char **out, cna_error *err)
{
    const char *value = given != NULL ? given : variable("HF_ENDPOINT");
    *out = NULL;
    if (value == NULL) value = "https://huggingface.co";
    size_t n = strlen(value);
    while (n > 0 && value[n - 1] == '/') n--;
    if ((strncmp(value, "http://", 7) != 0 && strncmp(value, "https://", 8) != 0) || strpbrk(value, " ?#@") != NULL) {
        return cna_fail(err, CNA_ERR_ARG, "HF_ENDPOINT: expected an address that begins with https:// or http://, "
                        "found '%s'", value);
    }
    return cna_copy_bytes(out, value, n, "endpoint", err);
}

const char *cna_hub_is_offline(void)
{
    static const char *const names[] = {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"};
    static const char *const yes[] = {"1", "on", "yes", "true"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = variable(names[i]);
        for (size_t j = 0; value != NULL && j < sizeof yes / sizeof *yes; j++) {
            if (strcasecmp(value, yes[j]) == 0) return names[i];
        }
    }
    return NULL;
}
