/* SPDX-License-Identifier: MIT
 * cna pull: a model from a Hugging Face hub into the cache. */
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/progress.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct arguments {
    cli_common common;
    const char **include; /* [n_include] */
    size_t n_include, include_capacity;
    size_t connections;
} arguments;

static int add_include(void *user, const char *value)
{
    arguments *a = user;
    if (value[0] == '\0') return cli_usage("--include: expected a pattern, found nothing");
    cli_grow(&a->include, &a->include_capacity, a->n_include + 1, sizeof *a->include);
    a->include[a->n_include++] = value;
    return CLI_DONE;
}

#define FIELD(member) offsetof(arguments, member)

static const cli_option options[] = {
    {.name = "include",
     .kind = CLI_CALL,
     .value = "GLOB",
     .call = add_include,
     .repeatable = true,
     .help = "fetch the files that this fits, such as '*Q8_0.gguf' (what a model is opened from)"},
    {.name = "connections",
     .kind = CLI_COUNT,
     .value = "N",
     .offset = FIELD(connections),
     .min = 1,
     .max = 64,
     .help = "requests at once (8)"},
    {0},
};

static void put_json(const char *name, const char *path, const cna_pull_info *info)
{
    cli_json json = {.stream = stdout};
    cli_json_object(&json, NULL);
    cli_json_text(&json, "type", "pull");
    cli_json_text(&json, "name", name);
    cli_json_text(&json, "revision", info->revision);
    cli_json_text(&json, "path", path);
    cli_json_count(&json, "n_files", info->n_files);
    cli_json_count(&json, "n_fetched", info->n_fetched);
    cli_json_count(&json, "size_bytes", info->size_bytes);
    cli_json_count(&json, "fetched_bytes", info->fetched_bytes);
    cli_json_object_end(&json);
    cli_json_line(&json);
}

static int pull(const arguments *a)
{
    const cna_pull_options settings = {.include = a->include, .n_include = a->n_include,
                                       .n_connections = a->connections, .progress = cli_progress()};
    const char *name = a->common.n_words != 0 ? a->common.words[0] : a->common.model;
    cna_error err;
    cna_pull_info info;
    char *path = NULL;
    if (cna_hub_pull(name, &settings, &path, &info, &err) != CNA_OK) return cli_fail_error(&err);
    cli_note("%s: commit %s, %zu files of %.1f MB, %zu of them fetched now (%.1f MB)", name, info.revision,
             info.n_files, 1e-6 * (double)info.size_bytes, info.n_fetched, 1e-6 * (double)info.fetched_bytes);
    cli_output_begin();
    if (a->common.json) put_json(name, path, &info);
    else printf("%s\n", path);
    cna_free(path);
    return CLI_DONE;
}

static int run(const cli_command *self, int argc, char **argv)
{
    arguments a = {0};
    int code;
    if (cli_parse(self, argc, argv, &a, &code)) {
        size_t n_names = a.common.n_words + (a.common.model != NULL);
        if (n_names != 1) {
            code = cli_usage("expected one ORG/NAME or ORG/NAME@REVISION, found %s", n_names == 0 ? "none" : "two");
        } else {
            code = pull(&a);
        }
    }
    free(a.include);
    return code;
}

const cli_command cli_command_pull = {
    .name = "pull",
    .summary = "fetch a model into the Hugging Face cache",
    .usage = "ORG/NAME[@REVISION] [--include GLOB]... [FLAGS]",
    .example = "  cna pull Qwen/Qwen2.5-1.5B-Instruct\n  HF_TOKEN=... cna pull meta-llama/Llama-3.2-1B-Instruct\n"
               "  cna pull Qwen/Qwen2.5-1.5B-Instruct-GGUF --include '*q8_0.gguf'\n",
    .options = options,
    .max_words = 1,
    .run = run,
};
