/* SPDX-License-Identifier: MIT
 * Models, prompts and circuits for the commands. */
#define _POSIX_C_SOURCE 200809L
#include "cli/setup.h"

#include "cli/file_kind.h"
#include "cli/output.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int cli_require(const char *value, const char *flag)
{
    return value != NULL ? CLI_DONE : cli_usage("%s is required", flag);
}

bool cli_is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

bool cli_is_file(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && !S_ISDIR(status.st_mode);
}

bool cli_is_model(const char *path)
{
    size_t n = strlen(path);
    return cli_is_folder(path) || (n > 5 && strcmp(path + n - 5, ".gguf") == 0 && cli_is_file(path));
}

/* Paths that were found by name: commands point to them until the end. */
static char **located;
static size_t n_located, located_capacity;

static int find_by_name(const char **path, bool weights)
{
    cna_error err;
    cli_grow(&located, &located_capacity, n_located + 1, sizeof *located);
    if (cna_hub_find(*path, weights, &located[n_located], &err) != CNA_OK) return cli_fail_error(&err);
    *path = located[n_located++];
    return CLI_DONE;
}

/* Whether path names a folder that is there; otherwise say why not. */
static int require_folder(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0) return cli_fail_errno(path, "opened");
    if (cli_is_model(path)) return CLI_DONE;
    const char *other = cli_describe_file(path);
    return cli_fail("%s: expected a model folder or a .gguf file, found %s", path,
                    other != NULL ? other : "another file; circuits are for --circuit and 'cna inspect'");
}

int cli_locate_model(const char **path, bool weights)
{
    struct stat status;
    if (stat(*path, &status) != 0 && errno == ENOENT && cna_hub_is_name(*path)) {
        int code = find_by_name(path, weights);
        if (code != CLI_DONE) return code;
    }
    return require_folder(*path);
}

/* Show a text of several lines as notes. */
static void note_lines(const char *text)
{
    while (*text != '\0') {
        size_t n = strcspn(text, "\n");
        if (n > 0) cli_note("%.*s", (int)n, text);
        text += n + (text[n] == '\n');
    }
}

cna_model_options cli_model_options(const cli_common *common, bool in_place)
{
    return (cna_model_options){.dtype = (cna_dtype)common->dtype, .memory_bytes = common->memory,
                               .stream = (cna_stream_mode)common->stream, .n_threads = (int)common->threads,
                               .in_place = in_place};
}

int cli_open_model(const cli_common *common, bool in_place, cna_model **out)
{
    const char *path = common->model;
    int code = cli_require(path, "-m MODEL");
    if (code == CLI_DONE) code = cli_locate_model(&path, true);
    if (code != CLI_DONE) return code;
    cna_error err;
    const cna_model_options options = cli_model_options(common, in_place);
    if (cna_model_open(path, &options, out, &err) != CNA_OK) return cli_fail_error(&err);
    if (cli_get_verbosity() == CLI_VERBOSE) note_lines(cna_model_plan(*out));
    if (cna_model_notice(*out) != NULL) cli_note("%s", cna_model_notice(*out));
    return CLI_DONE;
}

cna_format cli_format(const cli_common *common)
{
    return (cna_format){
        .mode = common->raw    ? CNA_FORMAT_RAW
                : common->chat ? CNA_FORMAT_CHAT
                               : CNA_FORMAT_AUTO,
        .system = common->system,
        .date = common->date,
        .chat_template = common->chat_template,
        .template_args = common->template_args,
        .n_template_args = common->n_template_args,
        .prefix = common->prefix,
    };
}

const char *cli_chat_flag(const cli_common *common)
{
    if (common->system != NULL) return "--system";
    if (common->prefix != NULL) return "--prefix";
    return common->n_template_args != 0 ? "--template-arg" : NULL;
}

int cli_format_name(const cli_common *common, const cna_model_info *info, const char **out)
{
    bool chat = common->chat || (!common->raw && info->has_chat_template);
    *out = chat ? "chat" : "raw";
    const char *lost = cli_chat_flag(common);
    if (lost == NULL || chat) return CLI_DONE;
    return cli_fail("%s: %s has no chat template, so its prompts are raw text; leave %s out, or give a template with "
                    "--chat-template FILE|NAME",
                    lost, info->name, lost);
}

int cli_chat_options(const cli_common *common, const char *format_name, char **out)
{
    cna_error err;
    const cna_format format = cli_format(common);
    *out = NULL;
    if (strcmp(format_name, "chat") != 0) return CLI_DONE;
    return cna_format_describe(&format, out, &err) == CNA_OK ? CLI_DONE : cli_fail_error(&err);
}

int cli_read_prompts(const cli_common *common, const char *path, cna_prompts **out)
{
    cna_error err;
    return cna_prompts_read(path, common->column, out, &err) == CNA_OK ? CLI_DONE : cli_fail_error(&err);
}

int cli_load_circuit(const char *path, cna_circuit **out)
{
    cna_error err;
    const char *other = cli_describe_file(path);
    if (other != NULL) return cli_fail("%s: expected a circuit file (JSON), found %s", path, other);
    return cna_circuit_read(path, out, &err) == CNA_OK ? CLI_DONE : cli_fail_error(&err);
}

int cli_read_circuit(const char *path, const cna_model *model, cna_circuit **out)
{
    cna_error err;
    char warning[1024];
    cna_circuit *circuit = NULL;
    int code = cli_load_circuit(path, &circuit);
    if (code != CLI_DONE) return code;
    if (cna_circuit_check(circuit, model, warning, sizeof warning, &err) != CNA_OK) {
        cna_circuit_free(circuit);
        return cli_fail("%s: %s", path, err.text);
    }
    if (warning[0] != '\0') cli_note("warning: %s: %s", path, warning);
    *out = circuit;
    return CLI_DONE;
}

int cli_read_vectors(const char *path, const cna_model *model, cna_caa **out)
{
    cna_error err;
    char warning[1024];
    cna_caa *caa = NULL;
    if (cna_caa_read(path, &caa, &err) != CNA_OK) return cli_fail_error(&err);
    if (cna_caa_check(caa, model, warning, sizeof warning, &err) != CNA_OK) {
        cna_caa_free(caa);
        return cli_fail("%s: %s", path, err.text);
    }
    if (warning[0] != '\0') cli_note("warning: %s: %s", path, warning);
    *out = caa;
    return CLI_DONE;
}

int cli_open_run(const char *path, bool append, int argc, char **argv, cna_run **out)
{
    if (path == NULL) return CLI_DONE;
    const char **words = cli_alloc((size_t)argc + 1, sizeof *words);
    words[0] = "cna";
    for (int i = 0; i < argc; i++) words[i + 1] = argv[i];
    const cna_run_open_options options = {.append = append, .arguments = words, .n_arguments = (size_t)argc + 1};
    cna_error err;
    int code = cna_run_open(path, &options, out, &err) == CNA_OK ? CLI_DONE : cli_fail_error(&err);
    free(words);
    return code;
}

/* One list of ids in text, which is changed: separators become ends of strings. *bad is the item that is no
 * id, NULL if all are. */
static int read_id_list(char *text, cli_ids_fn *add, void *user, const char **bad)
{
    int32_t *ids = NULL;
    size_t n = 0, capacity = 0;
    *bad = NULL;
    for (char *item = text; item != NULL && *bad == NULL;) {
        char *comma = strchr(item, ',');
        if (comma != NULL) *comma = '\0';
        item += strspn(item, " \t");
        item[strcspn(item, " \t\r")] = '\0';
        size_t id = 0;
        if (!cli_parse_count(item, 0, INT32_MAX, &id)) *bad = item;
        cli_grow(&ids, &capacity, n + 1, sizeof *ids);
        ids[n++] = (int32_t)id;
        item = comma != NULL ? comma + 1 : NULL;
    }
    int code = *bad == NULL ? add(user, ids, n) : CLI_FAILED;
    free(ids);
    return code;
}

static int read_id_file(const char *path, cli_ids_fn *add, void *user)
{
    char *text = NULL;
    size_t n_bytes = 0, n_line = 0, n_lists = 0;
    int code = cli_read_file(path, &text, &n_bytes);
    if (code == CLI_DONE && memchr(text, '\0', n_bytes) != NULL)
        code = cli_fail("%s: expected lists of ids, found a NUL byte", path);
    for (char *line = text; code == CLI_DONE && line < text + n_bytes;) {
        char *end = line + strcspn(line, "\n");
        *end = '\0';
        n_line++;
        if (line[strspn(line, " \t\r")] != '\0') {
            const char *bad;
            code = read_id_list(line, add, user, &bad);
            if (bad != NULL) cli_fail("%s: line %zu: expected token ids, found '%s'", path, n_line, bad);
            n_lists++;
        }
        line = end + 1;
    }
    if (code == CLI_DONE && n_lists == 0) code = cli_fail("%s: expected lists of ids, found none", path);
    free(text);
    return code;
}

int cli_read_ids(const char *flag, const char *value, cli_ids_fn *add, void *user)
{
    if (value[0] == '@') return read_id_file(value + 1, add, user);
    size_t n = strlen(value) + 1;
    const char *bad;
    char *copy = cli_alloc(n, 1);
    memcpy(copy, value, n);
    int code = read_id_list(copy, add, user, &bad);
    if (bad != NULL) code = cli_usage("%s: expected token ids with commas between, found '%s'", flag, bad);
    free(copy);
    return code;
}

int cli_read_layers(const char *value, uint32_t *out_first, uint32_t *out_last)
{
    const char *colon = strchr(value, ':');
    char first_text[16];
    size_t n = colon != NULL ? (size_t)(colon - value) : 0, first, last;
    if (colon == NULL || n >= sizeof first_text) {
        return cli_usage("--layers: expected FIRST:LAST (zero-based, both included), found '%s'", value);
    }
    memcpy(first_text, value, n);
    first_text[n] = '\0';
    int code = cli_read_count("--layers", first_text, 0, 100000, &first);
    if (code == CLI_DONE) code = cli_read_count("--layers", colon + 1, 0, 100000, &last);
    if (code != CLI_DONE) return code;
    if (first > last) return cli_usage("--layers: expected FIRST:LAST with FIRST <= LAST, found '%s'", value);
    *out_first = (uint32_t)first;
    *out_last = (uint32_t)last;
    return CLI_DONE;
}

int cli_read_reals(const char *flag, const char *value, double **out, size_t *out_n)
{
    size_t n = 0, capacity = 0, n_bytes = strlen(value) + 1;
    double *numbers = NULL;
    char *copy = cli_alloc(n_bytes, 1);
    memcpy(copy, value, n_bytes);
    int code = CLI_DONE;
    for (char *item = copy; item != NULL && code == CLI_DONE;) {
        char *comma = strchr(item, ',');
        if (comma != NULL) *comma = '\0';
        cli_grow(&numbers, &capacity, n + 1, sizeof *numbers);
        code = cli_read_real(flag, item, -HUGE_VAL, 0, false, &numbers[n++]);
        item = comma != NULL ? comma + 1 : NULL;
    }
    free(copy);
    if (code != CLI_DONE) {
        free(numbers);
        return code;
    }
    *out = numbers;
    *out_n = n;
    return CLI_DONE;
}
