/* SPDX-License-Identifier: MIT
 * Files of conversations. */
#include "cli/conversations.h"

#include "cli/messages.h"
#include "cli/output.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Where in the file a message is about. */
typedef struct place {
    const char *path;
    size_t line;
} place;

static int fill(const json_t *list, const char *system, cna_message *messages, place at)
{
    size_t n = 0, i;
    const json_t *item;
    if (system != NULL)
        messages[n++] = (cna_message){.role = "system", .content = system, .n_bytes = strlen(system)};
    json_array_foreach(list, i, item)
    {
        const json_t *role = json_object_get(item, "role"), *content = json_object_get(item, "content");
        if (!json_is_string(role) || !json_is_string(content)) {
            return cli_fail("%s: line %zu: expected message %zu to be {\"role\": TEXT, \"content\": TEXT}",
                            at.path, at.line, i + 1);
        }
        if (system != NULL && i == 0 && strcmp(json_string_value(role), "system") == 0) {
            return cli_fail("%s: line %zu: has a system message of its own; leave --system out", at.path,
                            at.line);
        }
        messages[n++] = (cna_message){.role = json_string_value(role),
                                      .content = json_string_value(content),
                                      .n_bytes = json_string_length(content)};
    }
    return CLI_DONE;
}

static int read_line(const char *line, size_t n_bytes, const char *system, place at, cli_conversation_fn *use,
                     void *user)
{
    json_error_t why;
    json_t *list = json_loadb(line, n_bytes, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    if (list == NULL)
        return cli_fail("%s: line %zu: invalid JSON: %s at byte %d", at.path, at.line, why.text,
                        why.position);
    int code;
    if (!json_is_array(list) || json_array_size(list) == 0) {
        code = cli_fail("%s: line %zu: expected a list of messages", at.path, at.line);
    } else {
        size_t n = json_array_size(list) + (system != NULL);
        cna_message *messages = cli_alloc(n, sizeof *messages);
        code = fill(list, system, messages, at);
        if (code == CLI_DONE) code = use(user, messages, n);
        free(messages);
    }
    json_decref(list);
    return code;
}

int cli_read_conversations(const char *path, const char *system, cli_conversation_fn *use, void *user)
{
    char *text = NULL;
    size_t n_bytes = 0, n_used = 0;
    int code = cli_read_file(path, &text, &n_bytes);
    if (code != CLI_DONE) return code;
    size_t start = n_bytes >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    place at = {.path = path};
    while (start < n_bytes && code == CLI_DONE) {
        const char *line = text + start, *end = memchr(line, '\n', n_bytes - start);
        size_t n = end != NULL ? (size_t)(end - line) : n_bytes - start;
        at.line++;
        start += n + 1;
        size_t blank = 0;
        while (blank < n && (line[blank] == ' ' || line[blank] == '\t' || line[blank] == '\r')) blank++;
        if (blank == n) continue;
        code = read_line(line, n, system, at, use, user);
        n_used++;
    }
    free(text);
    if (code == CLI_DONE && n_used == 0) code = cli_fail("%s: expected conversations, found none", path);
    return code;
}
