/* SPDX-License-Identifier: MIT
 * Command lines: a table of flags for each command, one parser and one help page for all of them. */
#ifndef CNA_CLI_OPTIONS_H
#define CNA_CLI_OPTIONS_H

#include "cli/messages.h"

typedef enum cli_kind {
    CLI_SWITCH, /* bool */
    CLI_TEXT,   /* const char *, pointing into argv */
    CLI_COUNT,  /* size_t, min .. max */
    CLI_REAL,   /* double, min .. max */
    CLI_SEED,   /* uint64_t */
    CLI_SIZE,   /* uint64_t bytes, 1 or more: "8G" */
    CLI_CHOICE, /* int: place of the value in `choices` */
    CLI_CALL,   /* `call` takes the value */
    CLI_LATER,  /* planned: refused by name, so that nothing is ignored silently */
} cli_kind;

/* One flag. A table of them ends with an all-zero entry. */
typedef struct cli_option {
    const char *name; /* without dashes */
    char letter;      /* short form; 0: none */
    cli_kind kind;
    const char *value;                               /* what the help calls the value */
    const char *help;                                /* one line, ending with the default in parentheses */
    size_t offset;                                   /* of the field in the command's struct of arguments */
    double min, max;                                 /* of CLI_COUNT and CLI_REAL; max 0: no limit */
    bool above_min;                                  /* CLI_REAL: min itself is outside */
    const char *choices;                             /* of CLI_CHOICE: "auto|bf16|f32" */
    const char *usual;                               /* ? of CLI_COUNT: the value where none, or no digit, follows */
    int (*call)(void *arguments, const char *value); /* prints its own message, returns an exit code */
    bool repeatable;
    bool writes; /* the value is a file or folder that the command writes; other values that are called FILE, RUN,
                  * MODEL or DIR are read. cli_parse refuses a file that is both, and "-" */
    bool takes_dash; /* of one that writes: "-" is left to the command, to refuse or to take as standard output */
} cli_option;

enum { CLI_MAX_WORDS = 64, CLI_MAX_TEMPLATE_ARGS = 32 };

/* The flags that every command has; first member of every command's struct of arguments. */
typedef struct cli_common {
    const char *model;
    size_t threads;
    int dtype;       /* cna_dtype */
    uint64_t memory; /* bytes; 0: not given */
    int stream;      /* cna_stream_mode */
    bool raw, chat;
    const char *system, *date, *column;
    const char *chat_template; /* a file's path or a built-in name; once parsed, the file's text or the name */
    const char *prefix;
    const char *template_args[CLI_MAX_TEMPLATE_ARGS]; /* "NAME=VALUE" */
    size_t n_template_args;
    uint64_t seed;
    bool json, quiet, verbose;
    const char *words[CLI_MAX_WORDS]; /* what stands without a flag */
    size_t n_words;
} cli_common;

typedef struct cli_command {
    const char *name;
    const char *summary;       /* one line */
    const char *usage;         /* what follows "cna NAME" */
    const char *example;       /* whole lines, each a command */
    const cli_option *options; /* its own flags, beside the common ones */
    size_t max_words;
    int (*run)(const struct cli_command *self, int argc, char **argv);
} cli_command;

/* Read argv[1..] into `arguments`, which holds the defaults. True: go on. False: the command ends with *code,
 * its message or help page already printed. */
bool cli_parse(const cli_command *command, int argc, char **argv, void *arguments, int *code);

/* Refuse a flag that would change results where it can have no effect; its default is never refused, since scripts
 * spell it out.
 *   changes  whether its value is another than the default
 *   works    whether it has an effect
 *   needs    what it lacks, in words: "--temperature above 0"
 * Returns an exit code. */
int cli_check_use(const char *flag, bool changes, bool works, const char *needs);

/* The help page of a command, on standard output. */
void cli_print_help(const cli_command *command);

extern const cli_option cli_common_options[];

/* A whole number from min to max (0: no limit), and nothing else in the string; *out is untouched otherwise.
 */
bool cli_parse_count(const char *text, double min, double max, size_t *out);

/* Strict readings of one value for CLI_CALL and positional words: the whole string or nothing. `name` is for
 * the message. They return an exit code. */
int cli_read_count(const char *name, const char *text, double min, double max, size_t *out);
int cli_read_real(const char *name, const char *text, double min, double max, bool above_min, double *out);

#endif
