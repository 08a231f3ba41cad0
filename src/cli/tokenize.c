/* SPDX-License-Identifier: MIT
 * cna tokenize: texts or conversations to token ids, and ids back to text. */
#define _POSIX_C_SOURCE 200809L
#include "cli/commands.h"
#include "cli/conversations.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/setup.h"
#include "cli/table.h"
#include "cli/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct arguments {
    cli_common common;
    const char *file, *conversations, *prompt_ids;
    bool no_special, decode;
} arguments;

#define FIELD(member) offsetof(arguments, member)

static const cli_option options[] = {
    {.name = "file",
     .kind = CLI_TEXT,
     .value = "FILE",
     .offset = FIELD(file),
     .help = "a .jsonl or .csv prompt file has many texts, any other file is one (standard input)"},
    {.name = "no-special",
     .kind = CLI_SWITCH,
     .offset = FIELD(no_special),
     .help = "add no special tokens to raw text; with --decode: leave them out"},
    {.name = "messages",
     .kind = CLI_TEXT,
     .value = "FILE",
     .offset = FIELD(conversations),
     .help = "conversations: a JSON list of {\"role\", \"content\"} a line; means --chat (none)"},
    {.name = "decode", .kind = CLI_SWITCH, .offset = FIELD(decode), .help = "turn --prompt-ids into text"},
    {.name = "prompt-ids",
     .kind = CLI_TEXT,
     .value = "LIST|@FILE",
     .offset = FIELD(prompt_ids),
     .help = "ids for --decode: 1,2,3 or a file with one such list a line (none)"},
    {0},
};

/* What the callbacks of the several sources need. */
typedef struct job {
    const arguments *a;
    const cna_tokenizer *tokenizer;
    size_t n_results;
} job;

static void print_json(const job *j, const char *text, size_t n_bytes, const int32_t *ids, size_t n_ids)
{
    cli_json json = {.stream = stdout};
    cli_json_object(&json, NULL);
    cli_json_bytes(&json, "text", text, n_bytes);
    cli_json_ids(&json, "ids", ids, n_ids);
    cli_json_array(&json, "pieces");
    for (size_t i = 0; i < n_ids; i++) cli_json_text(&json, NULL, cna_tokenizer_piece(j->tokenizer, ids[i]));
    cli_json_array_end(&json);
    cli_json_object_end(&json);
    cli_json_line(&json);
}

/* The text with its special tokens, then a line a token: its id, its string in the vocabulary, what it stands
 * for. */
static int print_tokens(const job *j, const int32_t *ids, size_t n_ids)
{
    cna_error err;
    char *text = NULL;
    size_t n_bytes = 0;
    if (cna_tokenizer_decode(j->tokenizer, ids, n_ids, false, &text, &n_bytes, &err) != CNA_OK)
        return cli_fail_error(&err);
    cli_put_safe(stdout, text, n_bytes, CLI_MANY_LINES);
    putchar('\n');
    cna_free(text);
    cli_table table;
    cli_table_begin(&table, "rll");
    for (size_t i = 0; i < n_ids; i++) {
        const char *piece = cna_tokenizer_piece(j->tokenizer, ids[i]);
        if (cna_tokenizer_decode(j->tokenizer, &ids[i], 1, false, &text, &n_bytes, &err) != CNA_OK)
            return cli_fail_error(&err);
        cli_table_cell(&table, "%d", ids[i]);
        cli_table_cell(&table, "%s", piece != NULL ? piece : "");
        cli_table_cell(&table, cna_tokenizer_is_special(j->tokenizer, ids[i]) ? "special" : "\"%s\"", text);
        cna_free(text);
    }
    printf("%zu token%s\n", n_ids, n_ids == 1 ? "" : "s");
    cli_table_print(&table, stdout, 2);
    return CLI_DONE;
}

static int deliver(job *j, const char *text, size_t n_bytes, const int32_t *ids, size_t n_ids)
{
    if (j->n_results == 0) cli_output_begin();
    int code = CLI_DONE;
    if (j->a->common.json) {
        print_json(j, text, n_bytes, ids, n_ids);
    } else {
        if (j->n_results != 0) putchar('\n');
        code = print_tokens(j, ids, n_ids);
    }
    j->n_results++;
    /* Not flushed each time: results are short and may be many. stdio remembers a failure. */
    return code != CLI_DONE || !(cli_should_stop() || ferror(stdout)) ? code : cli_stopped();
}

static int encode_text(job *j, const char *text, size_t n_bytes, bool specials)
{
    cna_error err;
    int32_t *ids = NULL;
    size_t n_ids = 0;
    if (cna_tokenizer_encode(j->tokenizer, text, n_bytes, specials, &ids, &n_ids, &err) != CNA_OK)
        return cli_fail_error(&err);
    int code = deliver(j, text, n_bytes, ids, n_ids);
    cna_free(ids);
    return code;
}

static int encode_messages(void *user, const cna_message *messages, size_t n_messages)
{
    job *j = user;
    cna_error err;
    char *text = NULL;
    size_t n_bytes = 0;
    const cna_format format = cli_format(&j->a->common);
    if (cna_tokenizer_render(j->tokenizer, messages, n_messages, &format, &text, &n_bytes, &err) != CNA_OK) {
        return cli_fail_error(&err);
    }
    int code = encode_text(j, text, n_bytes, false);
    cna_free(text);
    return code;
}

/* One text as raw text or, with --chat, as one user turn. */
static int encode_prompt(job *j, const char *text, size_t n_bytes)
{
    if (!j->a->common.chat) return encode_text(j, text, n_bytes, !j->a->no_special);
    const char *system = j->a->common.system;
    cna_message messages[2];
    size_t n = 0;
    if (system != NULL)
        messages[n++] = (cna_message){.role = "system", .content = system, .n_bytes = strlen(system)};
    messages[n++] = (cna_message){.role = "user", .content = text, .n_bytes = n_bytes};
    return encode_messages(j, messages, n);
}

static int decode_ids(void *user, const int32_t *ids, size_t n_ids)
{
    job *j = user;
    cna_error err;
    char *text = NULL;
    size_t n_bytes = 0;
    for (size_t i = 0; i < n_ids; i++) {
        if (cna_tokenizer_piece(j->tokenizer, ids[i]) != NULL) continue;
        return cli_fail("--prompt-ids: expected ids of this tokenizer (below %zu), found %d",
                        cna_tokenizer_n_ids(j->tokenizer), ids[i]);
    }
    if (cna_tokenizer_decode(j->tokenizer, ids, n_ids, j->a->no_special, &text, &n_bytes, &err) != CNA_OK) {
        return cli_fail_error(&err);
    }
    int code = CLI_DONE;
    if (j->a->common.json) {
        code = deliver(j, text, n_bytes, ids, n_ids);
    } else {
        cli_put_answer(text, n_bytes);
        putchar('\n');
    }
    cna_free(text);
    return code;
}

static bool is_prompt_file(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot != NULL && (strcmp(dot, ".jsonl") == 0 || strcmp(dot, ".csv") == 0);
}

static int encode_prompt_file(job *j)
{
    cna_prompts *prompts = NULL;
    int code = cli_read_prompts(&j->a->common, j->a->file, &prompts);
    if (code != CLI_DONE) return code;
    for (size_t i = 0; i < cna_prompts_count(prompts) && code == CLI_DONE; i++) {
        size_t n_bytes;
        const char *text = cna_prompts_text(prompts, i, &n_bytes);
        code = encode_prompt(j, text, n_bytes);
    }
    cna_prompts_free(prompts);
    return code;
}

/* A whole file, or standard input where path is NULL, as one text. */
static int encode_whole_file(job *j, const char *path)
{
    char *text = NULL;
    size_t n_bytes = 0;
    int code = path != NULL ? cli_read_file(path, &text, &n_bytes)
                            : cli_read_all(stdin, "standard input", &text, &n_bytes);
    if (code != CLI_DONE) return code;
    size_t bad = cli_utf8_invalid_at(text, n_bytes);
    if (bad < n_bytes) {
        code = cli_fail("%s: expected UTF-8, found the byte 0x%02x at byte %zu",
                        path != NULL ? path : "standard input", (unsigned)(unsigned char)text[bad], bad + 1);
    } else {
        code = encode_prompt(j, text, n_bytes);
    }
    free(text);
    return code;
}

static int work(job *j)
{
    const arguments *a = j->a;
    const char *word = a->common.n_words != 0 ? a->common.words[0] : NULL;
    if (a->decode) return cli_read_ids("--prompt-ids", a->prompt_ids, decode_ids, j);
    if (a->conversations != NULL)
        return cli_read_conversations(a->conversations, a->common.system, encode_messages, j);
    if (word != NULL) return encode_prompt(j, word, strlen(word));
    if (a->file != NULL && is_prompt_file(a->file)) return encode_prompt_file(j);
    return encode_whole_file(j, a->file);
}

static int check(arguments *a)
{
    int n_sources =
        (a->common.n_words != 0) + (a->file != NULL) + (a->conversations != NULL) + (a->prompt_ids != NULL);
    int code = cli_require(a->common.model, "-m MODEL");
    if (code != CLI_DONE) return code;
    if (n_sources > 1) return cli_usage("TEXT, --file, --messages and --prompt-ids exclude each other");
    if (a->decode && a->common.chat) return cli_usage("--chat is for texts, and --decode has ids; leave one out");
    bool has_columns = a->file != NULL && is_prompt_file(a->file);
    code = cli_check_use("--column", a->common.column != NULL, has_columns, "a .jsonl or .csv --file");
    if (code != CLI_DONE) return code;
    if (a->decode != (a->prompt_ids != NULL)) return cli_usage("--decode and --prompt-ids go together");
    if (n_sources == 0 && isatty(STDIN_FILENO) == 1) {
        return cli_usage("expected a TEXT, --file FILE or text on standard input, found none");
    }
    if (a->conversations != NULL && a->common.raw)
        return cli_usage("--messages means --chat, and --raw excludes it");
    if (a->conversations != NULL) a->common.chat = true;
    if (a->common.chat && a->no_special) {
        return cli_usage("--no-special is for raw text: the special tokens of a chat are its template's");
    }
    const char *chat_only = cli_chat_flag(&a->common);
    if (chat_only != NULL && !a->common.chat) return cli_usage("%s needs --chat or --messages", chat_only);
    const char *word = a->common.n_words != 0 ? a->common.words[0] : "";
    if (!cli_utf8_valid(word, strlen(word))) return cli_usage("TEXT: expected UTF-8, found '%s'", word);
    return CLI_DONE;
}

static int run(const cli_command *self, int argc, char **argv)
{
    arguments a = {0};
    int code;
    if (!cli_parse(self, argc, argv, &a, &code)) return code;
    code = check(&a);
    if (code == CLI_DONE) code = cli_locate_model(&a.common.model, false);
    if (code != CLI_DONE) return code;
    cna_error err;
    cna_tokenizer *tokenizer = NULL;
    if (cna_tokenizer_open(a.common.model, &tokenizer, &err) != CNA_OK) return cli_fail_error(&err);
    job j = {.a = &a, .tokenizer = tokenizer};
    code = work(&j);
    cna_tokenizer_free(tokenizer);
    return code;
}

const cli_command cli_command_tokenize = {
    .name = "tokenize",
    .summary = "token ids and pieces of a text, and back",
    .usage = "-m MODEL [TEXT | --file FILE | --messages FILE | --decode --prompt-ids LIST] [FLAGS]",
    .example = "  cna tokenize -m models/llama-planted-instruct --chat 'How do clouds form?'\n"
               "  echo -n 'How do clouds form?' | cna tokenize -m models/llama-planted-instruct --json\n",
    .options = options,
    .max_words = 1,
    .run = run,
};
