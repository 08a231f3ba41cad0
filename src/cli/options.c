/* SPDX-License-Identifier: MIT
 * Command lines. */
#include "cli/options.h"

#include "cli/files.h"
#include "cli/output.h"
#include "cli/text.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_OPTIONS = 96 };

/* One run of the parser. */
typedef struct parser {
    const cli_command *command;
    const cli_option *options[MAX_OPTIONS]; /* the command's own, then the common ones */
    bool seen[MAX_OPTIONS];
    size_t n_options;
    char *arguments;
    cli_named_file *files; /* [n_files] that the flags name */
    size_t n_files, file_capacity;
} parser;

static bool is_digits(const char *text)
{
    return text[0] != '\0' && strspn(text, "0123456789") == strlen(text);
}

bool cli_parse_count(const char *text, double min, double max, size_t *out)
{
    if (!is_digits(text)) return false;
    errno = 0;
    unsigned long long value = strtoull(text, NULL, 10);
    if (errno != 0 || value > SIZE_MAX || (double)value < min || (max != 0 && (double)value > max))
        return false;
    *out = (size_t)value;
    return true;
}

int cli_read_count(const char *name, const char *text, double min, double max, size_t *out)
{
    if (cli_parse_count(text, min, max, out)) return CLI_DONE;
    if (max == 0) return cli_usage("%s: expected a whole number, at least %.0f, found '%s'", name, min, text);
    return cli_usage("%s: expected a whole number from %.0f to %.0f, found '%s'", name, min, max, text);
}

/* Decimal numbers only: strtod would also take "nan", "infinity", hexadecimal and leading blanks. */
static bool parse_real(const char *text, double *out)
{
    if (text[0] == '\0' || strspn(text, "0123456789.eE+-") != strlen(text)) return false;
    char *end;
    *out = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*out);
}

int cli_read_real(const char *name, const char *text, double min, double max, bool above_min, double *out)
{
    double value = 0;
    bool fits =
        parse_real(text, &value) && (above_min ? value > min : value >= min) && (max == 0 || value <= max);
    if (fits) {
        *out = value;
        return CLI_DONE;
    }
    if (min <= -HUGE_VAL) return cli_usage("%s: expected a number, found '%s'", name, text);
    const char *bound = above_min ? "above" : max != 0 ? "from" : "of at least";
    if (max == 0) return cli_usage("%s: expected a number %s %g, found '%s'", name, bound, min, text);
    return cli_usage("%s: expected a number %s %g %s %g, found '%s'", name, bound, min,
                     above_min ? "and at most" : "to", max, text);
}

static int read_seed(const char *name, const char *text, uint64_t *out)
{
    errno = 0;
    unsigned long long value = is_digits(text) ? strtoull(text, NULL, 10) : 0;
    if (!is_digits(text) || errno != 0 || value > UINT64_MAX) {
        return cli_usage("%s: expected a whole number from 0 to %" PRIu64 ", found '%s'", name, UINT64_MAX,
                         text);
    }
    *out = (uint64_t)value;
    return CLI_DONE;
}

/* What a number without a unit has to be at least: less was meant in gigabytes. */
enum { LEAST_BARE_BYTES = 1 << 20 };

/* Whole or decimal numbers with K, M, G or T, or KiB to TiB, for powers of 1024; without, whole bytes. KB and GB, which
 * mean powers of 1000 to some, are refused. */
static bool parse_size(const char *text, uint64_t *out)
{
    size_t n = strspn(text, "0123456789."), exponent = 0;
    const char *unit = text + n, *letters = "KMGT";
    if (*unit != '\0') {
        const char *letter = strchr(letters, *unit >= 'a' && *unit <= 'z' ? *unit - 'a' + 'A' : *unit);
        if (letter == NULL || (unit[1] != '\0' && strcmp(unit + 1, "iB") != 0)) return false;
        exponent = (size_t)(letter - letters) + 1;
    }
    char *end;
    double value = strtod(text, &end) * (double)(1ull << 10 * exponent);
    if (end != unit || n == 0 || text[0] == '.' || text[n - 1] == '.' || value < 1 || value >= 0x1p63) return false;
    if (exponent == 0 && memchr(text, '.', n) != NULL) return false;
    *out = (uint64_t)value;
    return true;
}

static int read_size(const char *name, const char *text, uint64_t *out)
{
    uint64_t value = 0;
    if (parse_size(text, &value)) {
        bool is_bare = strspn(text, "0123456789") == strlen(text);
        if (is_bare && value < LEAST_BARE_BYTES) {
            return cli_usage("%s: expected a unit, as in 8G or 512M, found '%s', which would be bytes", name, text);
        }
        *out = value;
        return CLI_DONE;
    }
    return cli_usage("%s: expected a number of bytes such as 8G or 512M (K, M, G, T: powers of 1024), found '%s'", name,
                     text);
}

static int read_choice(const char *name, const char *choices, const char *text, int *out)
{
    size_t n = strlen(text);
    int place = 0;
    for (const char *at = choices;; place++) {
        size_t length = strcspn(at, "|");
        if (length == n && memcmp(at, text, n) == 0) {
            *out = place;
            return CLI_DONE;
        }
        if (at[length] == '\0') break;
        at += length + 1;
    }
    return cli_usage("%s: expected one of %s, found '%s'", name, choices, text);
}

/* Keep a flag's value where it is a file. */
static void note_file(parser *p, const cli_option *option, const char *value)
{
    const char *what = option->value;
    bool is_file = option->writes || strstr(what, "FILE") != NULL || strncmp(what, "RUN", 3) == 0 ||
                   strcmp(what, "MODEL") == 0 || strcmp(what, "DIR") == 0;
    if (!is_file) return;
    bool has_mark = value[0] == '@' && strstr(what, "@FILE") != NULL;
    cli_grow(&p->files, &p->file_capacity, p->n_files + 1, sizeof *p->files);
    p->files[p->n_files++] = (cli_named_file){option->name, value + has_mark, option->writes};
}

static int check_files(parser *p)
{
    const cli_common *common = (const cli_common *)(const void *)p->arguments;
    cli_grow(&p->files, &p->file_capacity, p->n_files + common->n_words, sizeof *p->files);
    for (size_t i = 0; i < common->n_words; i++)
        p->files[p->n_files++] = (cli_named_file){NULL, common->words[i], false};
    return cli_files_check(p->files, p->n_files);
}

static int apply(parser *p, const cli_option *option, const char *value)
{
    char name[64];
    snprintf(name, sizeof name, "--%s", option->name);
    void *field = p->arguments + option->offset;
    if (option->writes && !option->takes_dash && strcmp(value, "-") == 0) {
        return cli_usage("%s: expected a path, as the command's own results go to standard output, found '-'; ./- is a "
                         "file of that name", name);
    }
    if (value != NULL && option->value != NULL) note_file(p, option, value);
    switch (option->kind) {
    case CLI_SWITCH:
        *(bool *)field = true;
        return CLI_DONE;
    case CLI_TEXT:
        *(const char **)field = value;
        return CLI_DONE;
    case CLI_COUNT:
        return cli_read_count(name, value, option->min, option->max, field);
    case CLI_REAL:
        return cli_read_real(name, value, option->min, option->max, option->above_min, field);
    case CLI_SEED:
        return read_seed(name, value, field);
    case CLI_SIZE:
        return read_size(name, value, field);
    case CLI_CHOICE:
        return read_choice(name, option->choices, value, field);
    case CLI_CALL:
        return option->call(p->arguments, value);
    case CLI_LATER:
        break;
    }
    return cli_usage("%s: not available yet in this version", name);
}

static int unknown_flag(const parser *p, const char *flag, size_t n)
{
    char word[64];
    snprintf(word, sizeof word, "%.*s", (int)(n < 60 ? n : 60), flag);
    const char *names[MAX_OPTIONS + 2];
    size_t n_names = 0;
    for (size_t i = 0; i < p->n_options; i++) {
        if (p->options[i]->kind != CLI_LATER) names[n_names++] = p->options[i]->name;
    }
    names[n_names++] = "help";
    names[n_names] = NULL;
    const char *nearest = cli_nearest(word + strspn(word, "-"), names);
    if (nearest == NULL) return cli_usage("unknown flag '%s'", word);
    return cli_usage("unknown flag '%s'; did you mean '--%s'?", word, nearest);
}

/* The place of the flag that argument begins with ("--name", "--name=value" or "-x"), n_options if there is
 * none. */
static size_t find_flag(const parser *p, const char *argument)
{
    bool is_long = strncmp(argument, "--", 2) == 0;
    size_t n = is_long ? strcspn(argument + 2, "=") : 0;
    for (size_t i = 0; i < p->n_options; i++) {
        const cli_option *option = p->options[i];
        bool same = is_long ? strlen(option->name) == n && memcmp(option->name, argument + 2, n) == 0
                            : option->letter != 0 && argument[1] == option->letter && argument[2] == '\0';
        if (same) return i;
    }
    return p->n_options;
}

/* Read the flag at argv[*at], and its value if it takes one; *at is left at the last argument used. */
static int parse_flag(parser *p, int argc, char **argv, int *at)
{
    const char *flag = argv[*at];
    size_t place = find_flag(p, flag), n_flag = strcspn(flag, "=");
    if (place == p->n_options) return unknown_flag(p, flag, n_flag);
    const cli_option *option = p->options[place];
    const char *attached = flag[n_flag] == '=' ? flag + n_flag + 1 : NULL;
    if (option->kind == CLI_LATER) return apply(p, option, NULL);
    if (p->seen[place] && !option->repeatable) return cli_usage("--%s: given twice", option->name);
    p->seen[place] = true;
    if (option->kind == CLI_SWITCH) {
        if (attached != NULL) return cli_usage("--%s: takes no value, found '%s'", option->name, attached);
        return apply(p, option, NULL);
    }
    if (attached != NULL) return apply(p, option, attached);
    bool is_number = *at + 1 < argc && argv[*at + 1][0] >= '0' && argv[*at + 1][0] <= '9';
    if (option->usual != NULL && !is_number) return apply(p, option, option->usual);
    if (*at + 1 >= argc)
        return cli_usage("--%s: expected a value (%s), found nothing", option->name, option->value);
    const char *next = argv[*at + 1];
    /* "-1", "-" and unknown dashes are values; a flag of this command in a value's place is a slip. */
    if (next[0] == '-' && find_flag(p, next) != p->n_options) {
        return cli_usage("--%s: expected a value (%s), found the flag %s", option->name, option->value, next);
    }
    *at += 1;
    return apply(p, option, next);
}

static int parse_word(parser *p, const char *word)
{
    cli_common *common = (cli_common *)(void *)p->arguments;
    if (common->n_words == p->command->max_words) {
        if (p->command->max_words == 0) return cli_usage("unexpected argument '%s'", word);
        return cli_usage("unexpected argument '%s' after '%s'", word, common->words[common->n_words - 1]);
    }
    common->words[common->n_words++] = word;
    return CLI_DONE;
}

static bool is_date(const char *text)
{
    for (size_t i = 0; i < 10; i++) {
        bool right = i == 4 || i == 7 ? text[i] == '-' : text[i] >= '0' && text[i] <= '9';
        if (!right) return false;
    }
    if (text[10] != '\0') return false;
    int month = (text[5] - '0') * 10 + text[6] - '0', day = (text[8] - '0') * 10 + text[9] - '0';
    return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

/* Bring in what --chat-template names; its text is needed until the program ends. */
static int load_template(cli_common *common)
{
    static char *text;
    size_t n;
    if (common->chat_template == NULL) return CLI_DONE;
    common->chat = true;
    if (strcmp(common->chat_template, "llama3") == 0 || strcmp(common->chat_template, "chatml") == 0) return CLI_DONE;
    if (strpbrk(common->chat_template, "/.") == NULL && !cli_file_exists(common->chat_template)) {
        return cli_usage("--chat-template: expected a file, llama3 or chatml, found '%s', which is none of them",
                         common->chat_template);
    }
    int code = cli_read_file(common->chat_template, &text, &n);
    if (code != CLI_DONE) return code;
    if (memchr(text, '\0', n) != NULL)
        return cli_fail("%s: expected a chat template, found a NUL byte", common->chat_template);
    common->chat_template = text;
    return CLI_DONE;
}

/* By what the library says of them, which does not know the flag. */
static int check_template_args(const cli_common *common)
{
    static const char prefix[] = "template argument";
    const cna_format format = {.template_args = common->template_args, .n_template_args = common->n_template_args};
    cna_error err;
    char *text = NULL;
    cna_status status = cna_format_describe(&format, &text, &err);
    cna_free(text);
    if (status == CNA_OK) return CLI_DONE;
    if (status != CNA_ERR_ARG || strncmp(err.text, prefix, sizeof prefix - 1) != 0) return cli_fail_error(&err);
    return cli_usage("--template-arg%s", err.text + sizeof prefix - 1);
}

static int check_chat(cli_common *common)
{
    const struct {
        const char *flag, *text;
    } flags[] = {{"--system", common->system},
                 {"--prefix", common->prefix},
                 {"--chat-template", common->chat_template},
                 {"--template-arg", common->n_template_args == 0 ? NULL : common->template_args[0]}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (flags[i].text == NULL) continue;
        if (common->raw) return cli_usage("%s needs the chat format and --raw turns it off", flags[i].flag);
        if (!cli_utf8_valid(flags[i].text, strlen(flags[i].text)))
            return cli_usage("%s: expected UTF-8, found '%s'", flags[i].flag, flags[i].text);
    }
    int code = check_template_args(common);
    return code == CLI_DONE ? load_template(common) : code;
}

static int check_common(cli_common *common)
{
    if (common->raw && common->chat) return cli_usage("--raw and --chat exclude each other");
    if (common->quiet && common->verbose) return cli_usage("--quiet and --verbose exclude each other");
    if (common->date != NULL && !is_date(common->date)) {
        return cli_usage("--date: expected YYYY-MM-DD, found '%s'", common->date);
    }
    return check_chat(common);
}

static void add_options(parser *p, const cli_option *options)
{
    for (; options->name != NULL && p->n_options < MAX_OPTIONS; options++)
        p->options[p->n_options++] = options;
}

/* --help wins wherever it stands, also beside a mistake. */
static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return true;
    }
    return false;
}

int cli_check_use(const char *flag, bool changes, bool works, const char *needs)
{
    if (works || !changes) return CLI_DONE;
    return cli_usage("%s has no effect without %s; give that or leave it out", flag, needs);
}

bool cli_parse(const cli_command *command, int argc, char **argv, void *arguments, int *code)
{
    parser p = {.command = command, .arguments = arguments};
    add_options(&p, command->options);
    add_options(&p, cli_common_options);
    *code = CLI_DONE;
    if (wants_help(argc, argv)) {
        cli_print_help(command);
        return false;
    }
    bool only_words = false;
    for (int i = 1; i < argc && *code == CLI_DONE; i++) {
        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
        } else if (!only_words && argv[i][0] == '-' && argv[i][1] != '\0') {
            *code = parse_flag(&p, argc, argv, &i);
        } else {
            *code = parse_word(&p, argv[i]);
        }
    }
    cli_common *common = arguments;
    if (*code == CLI_DONE) *code = check_files(&p);
    free(p.files);
    if (*code == CLI_DONE) *code = check_common(common);
    if (*code != CLI_DONE) return false;
    cli_set_verbosity(common->quiet ? CLI_QUIET : common->verbose ? CLI_VERBOSE : CLI_NORMAL);
    return true;
}
