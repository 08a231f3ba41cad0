/* SPDX-License-Identifier: MIT
 * Help pages, printed from the same tables that the parser reads. */
#include "cli/options.h"

#include <stdio.h>
#include <string.h>

#define FIELD(member) offsetof(cli_common, member)

static int add_template_arg(void *arguments, const char *value)
{
    cli_common *common = arguments;
    const char *equals = strchr(value, '=');
    if (equals == NULL || equals == value)
        return cli_usage("--template-arg: expected NAME=VALUE, found '%s'", value);
    if (common->n_template_args == CLI_MAX_TEMPLATE_ARGS)
        return cli_usage("--template-arg: expected at most %d, found more", CLI_MAX_TEMPLATE_ARGS);
    common->template_args[common->n_template_args++] = value;
    return CLI_DONE;
}

const cli_option cli_common_options[] = {
    {.name = "model",
     .letter = 'm',
     .kind = CLI_TEXT,
     .value = "MODEL",
     .offset = FIELD(model),
     .help = "folder, .gguf file or ORG/NAME[@REVISION] in the Hugging Face cache (see usage)"},
    {.name = "threads",
     .kind = CLI_COUNT,
     .value = "N",
     .offset = FIELD(threads),
     .min = 1,
     .max = 4096,
     .help = "threads (all cores)"},
    {.name = "dtype",
     .kind = CLI_CHOICE,
     .value = "auto|bf16|f32",
     .offset = FIELD(dtype),
     .choices = "auto|bf16|f32",
     .help = "arithmetic (auto: bf16 for bf16 and quantised checkpoints, else f32)"},
    {.name = "memory",
     .kind = CLI_SIZE,
     .value = "SIZE",
     .offset = FIELD(memory),
     .help = "memory to hold at most, such as 8G; mapped files left out (80 % of what there is)"},
    {.name = "stream",
     .kind = CLI_CHOICE,
     .value = "auto|always|never",
     .offset = FIELD(stream),
     .choices = "auto|always|never",
     .help = "read weights layer by layer (auto: when they do not fit in memory)"},
    {.name = "raw",
     .kind = CLI_SWITCH,
     .offset = FIELD(raw),
     .help = "prompts as raw text (chat where the model folder has a chat template)"},
    {.name = "chat",
     .kind = CLI_SWITCH,
     .offset = FIELD(chat),
     .help = "each prompt as one user turn of a chat"},
    {.name = "system",
     .kind = CLI_TEXT,
     .value = "TEXT",
     .offset = FIELD(system),
     .help = "system prompt of the chat (the template's own)"},
    {.name = "chat-template",
     .kind = CLI_TEXT,
     .value = "FILE|NAME",
     .offset = FIELD(chat_template),
     .help = "Jinja template, or llama3 or chatml; means --chat (the model folder's)"},
    {.name = "template-arg",
     .kind = CLI_CALL,
     .value = "NAME=VALUE",
     .call = add_template_arg,
     .repeatable = true,
     .help = "variable of the chat template: JSON or text, as enable_thinking=false (none)"},
    {.name = "prefix",
     .kind = CLI_TEXT,
     .value = "TEXT",
     .offset = FIELD(prefix),
     .help = "how every answer of a chat begins (nothing)"},
    {.name = "date",
     .kind = CLI_TEXT,
     .value = "YYYY-MM-DD",
     .offset = FIELD(date),
     .help = "date for templates that insert one (today)"},
    {.name = "column",
     .kind = CLI_TEXT,
     .value = "NAME",
     .offset = FIELD(column),
     .help = "field of .jsonl and .csv prompt files (prompt; in .csv also goal, behavior, ...)"},
    {.name = "seed",
     .kind = CLI_SEED,
     .value = "N",
     .offset = FIELD(seed),
     .help = "seed of everything random (0)"},
    {.name = "json", .kind = CLI_SWITCH, .offset = FIELD(json), .help = "results as JSON"},
    {.name = "quiet",
     .letter = 'q',
     .kind = CLI_SWITCH,
     .offset = FIELD(quiet),
     .help = "errors only on standard error"},
    {.name = "verbose",
     .letter = 'v',
     .kind = CLI_SWITCH,
     .offset = FIELD(verbose),
     .help = "say how the model runs, and report progress also where it is piped"},
    {0},
};

/* Of a flag and its value; a longer one has its line, and the help the next. */
enum { FLAG_COLUMNS = 33 };
#define FLAG_MARGIN "                                    "

static void print_options(const cli_option *options)
{
    for (; options->name != NULL; options++) {
        if (options->kind == CLI_LATER) continue;
        char letter[8] = "    ", flag[64];
        if (options->letter != 0) snprintf(letter, sizeof letter, "-%c, ", options->letter);
        snprintf(flag, sizeof flag, "%s--%s%s%s", letter, options->name, options->value != NULL ? " " : "",
                 options->value != NULL ? options->value : "");
        const char *gap = strlen(flag) <= FLAG_COLUMNS ? " " : "\n" FLAG_MARGIN;
        printf("  %-*s%s%s\n", FLAG_COLUMNS, flag, gap, options->help);
    }
}

void cli_print_help(const cli_command *command)
{
    printf("cna %s - %s\n\nUsage: cna %s %s\n", command->name, command->summary, command->name,
           command->usage);
    if (command->options[0].name != NULL) {
        printf("\nFlags (defaults in parentheses):\n");
        print_options(command->options);
    }
    printf("\nFlags of every command, as far as it has a use for them:\n");
    print_options(cli_common_options);
    printf("  -h, %-29s this page\n", "--help");
    printf("\nExample:\n%s", command->example);
}
