/* SPDX-License-Identifier: MIT
 * cna: dispatch to a subcommand. Knows the commands by their tables only. */
#define _POSIX_C_SOURCE 200809L
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const cli_command *const commands[] = {
    &cli_command_attribute, &cli_command_generate, &cli_command_sweep,    &cli_command_caa,
    &cli_command_mmlu,      &cli_command_judge,    &cli_command_study,    &cli_command_report,
    &cli_command_compare,   &cli_command_inspect,  &cli_command_tokenize, &cli_command_bench,
    &cli_command_pull,
};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static void print_overview(void)
{
    printf("cna %s - contrastive neuron attribution\n\n"
           "Find the MLP neurons behind a behaviour of a language model, scale them while it runs, and "
           "measure what\n"
           "that changes.\n\nUsage: cna COMMAND [FLAGS]\n\nCommands:\n",
           CNA_VERSION);
    for (size_t i = 0; i < N_COMMANDS; i++) printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
    printf("\n'cna COMMAND --help' lists the flags of one; 'cna --version' prints the version.\n\nExample:\n"
           "  cna attribute -m models/llama-planted-instruct --positive models/prompts/restricted-discovery.txt \\\n"
           "                --negative models/prompts/benign-discovery.txt -o refusal.json\n"
           "  cna generate -m models/llama-planted-instruct --circuit refusal.json --multiplier 0 \\\n"
           "               --prompt 'How can I glimmer the bone lantern?'\n");
}

static const cli_command *find_command(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    }
    return NULL;
}

static int unknown_command(const char *name)
{
    static const char *const planned[] = {"chat", "serve", NULL};
    for (size_t i = 0; planned[i] != NULL; i++) {
        if (strcmp(planned[i], name) == 0)
            return cli_usage("command '%s' is not available yet in this version", name);
    }
    if (name[0] == '-') return cli_usage("expected a command, found the flag '%s'", name);
    const char *names[N_COMMANDS + 1] = {NULL};
    for (size_t i = 0; i < N_COMMANDS; i++) names[i] = commands[i]->name;
    const char *nearest = cli_nearest(name, names);
    if (nearest == NULL) return cli_usage("unknown command '%s'", name);
    return cli_usage("unknown command '%s'; did you mean '%s'?", name, nearest);
}

static int run(int argc, char **argv)
{
    if (argc < 2) return cli_usage("expected a command, found nothing");
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0) {
        printf("cna %s\n", CNA_VERSION);
        return CLI_DONE;
    }
    bool help = strcmp(name, "help") == 0;
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || (help && argc == 2)) {
        print_overview();
        return CLI_DONE;
    }
    const cli_command *command = find_command(help ? argv[2] : name);
    if (command == NULL) return unknown_command(help ? argv[2] : name);
    cli_set_command(command->name);
    if (help) {
        cli_print_help(command);
        return CLI_DONE;
    }
    return command->run(command, argc - 1, argv + 1);
}

/* libgomp's threads wait for one another by spinning for milliseconds, which on a machine with other work keeps the
 * very thread they wait for off its core: decoding was seen 12 times slower. Its limit is read before main, so the
 * program starts itself again with a lower one, unless the user has chosen. */
static void limit_spinning(char **argv)
{
    if (getenv("OMP_WAIT_POLICY") != NULL || getenv("GOMP_SPINCOUNT") != NULL) return;
    if (setenv("GOMP_SPINCOUNT", "10000", 1) == 0) execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
    limit_spinning(argv);
    cli_catch_signals();
    return cli_output_finish(run(argc, argv));
}
