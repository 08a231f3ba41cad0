/* SPDX-License-Identifier: MIT
 * cna generate: continue prompts, with circuits scaled. */
#include "cli/commands.h"
#include "cli/interventions.h"
#include "cli/logits_file.h"
#include "cli/long_prompts.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/setup.h"
#include "cli/text.h"

#include <stdio.h>
#include <string.h>

typedef struct arguments {
    cli_common common;
    cli_pairs pairs;
    const char *prompt, *prompts, *prompt_ids, *logits;
    int positions, sign; /* cna_positions, cna_sign */
    size_t max_tokens, samples, batch;
    double temperature, top_p;
} arguments;

static int add_circuit(void *user, const char *value)
{
    return cli_pairs_add_circuit(&((arguments *)user)->pairs, value);
}

static int add_multiplier(void *user, const char *value)
{
    return cli_pairs_add_multiplier(&((arguments *)user)->pairs, value);
}

static int add_vectors(void *user, const char *value)
{
    return cli_pairs_add_vectors(&((arguments *)user)->pairs, value);
}

static int add_alpha(void *user, const char *value)
{
    return cli_pairs_add_alpha(&((arguments *)user)->pairs, value);
}

#define FIELD(member) offsetof(arguments, member)

static const cli_option options[] = {
    {.name = "prompt",
     .kind = CLI_TEXT,
     .value = "TEXT",
     .offset = FIELD(prompt),
     .help = "one prompt (this or one of the next two is required)"},
    {.name = "prompts",
     .kind = CLI_TEXT,
     .value = "FILE",
     .offset = FIELD(prompts),
     .help = "a prompt file: .txt, .jsonl, .csv (see --prompt)"},
    {.name = "prompt-ids",
     .kind = CLI_TEXT,
     .value = "LIST|@FILE",
     .offset = FIELD(prompt_ids),
     .help = "token ids, used as they are: 1,2,3, or a file of a list a line (see --prompt)"},
    {.name = "circuit",
     .kind = CLI_CALL,
     .value = "FILE",
     .call = add_circuit,
     .repeatable = true,
     .help = "scale this circuit's neurons; repeatable, each with its --multiplier (none)"},
    {.name = "multiplier",
     .kind = CLI_CALL,
     .value = "M",
     .call = add_multiplier,
     .repeatable = true,
     .help = "of the circuit before it: 0 silences, 1 leaves, 2 doubles, -1 inverts (0)"},
    {.name = "caa-vector",
     .kind = CLI_CALL,
     .value = "FILE",
     .call = add_vectors,
     .repeatable = true,
     .help = "add these vectors, a GGUF control vector; repeatable, each with its --alpha (none)"},
    {.name = "alpha",
     .kind = CLI_CALL,
     .value = "A",
     .call = add_alpha,
     .repeatable = true,
     .help = "what the vectors before it are multiplied by (1)"},
    {.name = "positions",
     .kind = CLI_CHOICE,
     .value = CLI_POSITIONS,
     .offset = FIELD(positions),
     .choices = CLI_POSITIONS,
     .help = "where to act; last: the prompt's last token alone (all)"},
    {.name = "sign",
     .kind = CLI_CHOICE,
     .value = CLI_SIGNS,
     .offset = FIELD(sign),
     .choices = CLI_SIGNS,
     .help = "only neurons with delta > 0 or < 0 (both)"},
    {.name = "max-tokens",
     .kind = CLI_COUNT,
     .value = "N",
     .offset = FIELD(max_tokens),
     .max = 1048576,
     .help = "most tokens of an answer (150)"},
    {.name = "temperature",
     .kind = CLI_REAL,
     .value = "T",
     .offset = FIELD(temperature),
     .max = 1000,
     .help = "of sampling; 0 takes the likeliest token (0)"},
    {.name = "top-p",
     .kind = CLI_REAL,
     .value = "P",
     .offset = FIELD(top_p),
     .max = 1,
     .above_min = true,
     .help = "sample from the smallest set of at least this probability (1)"},
    {.name = "samples",
     .kind = CLI_COUNT,
     .value = "N",
     .offset = FIELD(samples),
     .min = 1,
     .max = 1000000,
     .help = "answers to each prompt (1)"},
    {.name = "batch",
     .kind = CLI_COUNT,
     .value = "N",
     .offset = FIELD(batch),
     .min = 1,
     .max = 65536,
     .help = "most sequences decoded together; changes no answer (256, or as memory allows)"},
    {.name = "logits",
     .kind = CLI_TEXT,
     .value = "FILE",
     .writes = true,
     .takes_dash = true,
     .offset = FIELD(logits),
     .help = "write all prompt positions' logits, f32; allows --max-tokens 0, and then - (none)"},
    {0},
};

/* What the callbacks need. */
typedef struct job {
    const arguments *a;
    const cna_prompts *prompts;
    bool streams;
    size_t n_answers;
} job;

static void print_json(const job *j, const cna_generation *g)
{
    size_t n_bytes = 0;
    const char *prompt = cna_prompts_text(j->prompts, g->prompt, &n_bytes);
    cli_json json = {.stream = stdout};
    cli_json_object(&json, NULL);
    if (prompt != NULL) {
        cli_json_bytes(&json, "prompt", prompt, n_bytes);
    } else {
        cli_json_null(&json, "prompt");
    }
    cli_json_ids(&json, "prompt_ids", g->prompt_ids, g->n_prompt_ids);
    cli_json_ids(&json, "ids", g->ids, g->n_ids);
    cli_json_bytes(&json, "text", g->text, g->n_bytes);
    cli_json_array(&json, "logprobs");
    for (size_t i = 0; i < g->n_ids; i++) cli_json_f32(&json, NULL, g->logprobs[i]);
    cli_json_array_end(&json);
    cli_json_text(&json, "stop", g->stop == CNA_STOP_EOS ? "eos" : "length");
    if (j->a->samples > 1) cli_json_count(&json, "sample", g->sample);
    cli_pairs_json(&j->a->pairs, &json);
    cli_json_object_end(&json);
    cli_json_line(&json);
}

static void print_heading(const job *j, const cna_generation *g)
{
    size_t n_bytes = 0;
    const char *prompt = cna_prompts_text(j->prompts, g->prompt, &n_bytes);
    printf("%s> ", j->n_answers == 0 ? "" : "\n");
    if (prompt != NULL) {
        cli_put_safe(stdout, prompt, n_bytes, CLI_ONE_LINE);
    } else {
        printf("prompt %zu (%zu token ids)", g->prompt + 1, g->n_prompt_ids);
    }
    if (j->a->samples > 1) printf(" (sample %zu)", g->sample + 1);
    putchar('\n');
}

static bool on_generation(void *user, const cna_generation *g)
{
    job *j = user;
    cli_output_begin();
    if (j->a->common.json) {
        print_json(j, g);
    } else if (j->streams) {
        putchar('\n'); /* the text itself is out already */
    } else {
        print_heading(j, g);
        cli_put_answer(g->text, g->n_bytes);
        putchar('\n');
    }
    j->n_answers++;
    return !cli_output_flush() || cli_should_stop();
}

static bool on_piece(void *user, const char *text, size_t n_bytes)
{
    (void)user;
    cli_output_begin();
    cli_put_answer(text, n_bytes);
    return !cli_output_flush() || cli_should_stop();
}

static int add_ids(void *user, const int32_t *ids, size_t n_ids)
{
    cna_error err;
    return cna_prompts_add_ids(user, ids, n_ids, &err) == CNA_OK ? CLI_DONE : cli_fail_error(&err);
}

static int read_prompts(const arguments *a, cna_prompts **out)
{
    if (a->prompts != NULL) return cli_read_prompts(&a->common, a->prompts, out);
    cna_error err;
    if (cna_prompts_create(out, &err) != CNA_OK) return cli_fail_error(&err);
    if (a->prompt_ids != NULL) return cli_read_ids("--prompt-ids", a->prompt_ids, add_ids, *out);
    if (cna_prompts_add_text(*out, a->prompt, strlen(a->prompt), &err) != CNA_OK) return cli_fail_error(&err);
    return CLI_DONE;
}

/* Flags that would change answers, and cannot beside those that were given. */
static int check_uses(const arguments *a)
{
    const cli_common *common = &a->common;
    bool samples = a->temperature > 0, scales = a->pairs.scaled.n != 0, adds = a->pairs.added.n != 0;
    const char *chat = cli_chat_flag(common);
    if (common->chat_template != NULL) chat = "--chat-template";
    else if (common->chat) chat = "--chat";
    if (a->prompt_ids != NULL && chat != NULL) {
        return cli_usage("%s: the prompts of --prompt-ids are used as they are; leave %s out", chat, chat);
    }
    int code = cli_check_use("--top-p", a->top_p < 1, samples, "--temperature above 0");
    if (code == CLI_DONE) code = cli_check_use("--samples", a->samples > 1, samples, "--temperature above 0");
    if (code == CLI_DONE) code = cli_check_use("--column", common->column != NULL, a->prompts != NULL, "--prompts");
    if (code == CLI_DONE) {
        code = cli_check_use("--positions", a->positions != CNA_POSITIONS_ALL, scales || adds,
                             "--circuit or --caa-vector");
    }
    return code == CLI_DONE ? cli_check_use("--sign", a->sign != CNA_SIGN_BOTH, scales, "--circuit") : code;
}

static int check(const arguments *a)
{
    int n_sources = (a->prompt != NULL) + (a->prompts != NULL) + (a->prompt_ids != NULL);
    int code = cli_require(a->common.model, "-m MODEL");
    if (code != CLI_DONE) return code;
    if (n_sources != 1) {
        return cli_usage("expected one of --prompt TEXT, --prompts FILE and --prompt-ids LIST, found %s",
                         n_sources == 0 ? "none" : "several");
    }
    if (a->prompt != NULL && !cli_utf8_valid(a->prompt, strlen(a->prompt))) {
        return cli_usage("--prompt: expected UTF-8, found '%s'", a->prompt);
    }
    if (a->logits != NULL && strcmp(a->logits, "-") == 0 && a->max_tokens != 0) {
        return cli_usage("--logits: expected a file, as answers go to standard output, found '-'; give --max-tokens 0 "
                         "to have the logits there");
    }
    if (a->prompt != NULL && a->prompt[0] == '\0')
        return cli_usage("--prompt: expected a text, found an empty one");
    if (a->max_tokens == 0 && a->logits == NULL) {
        return cli_usage("--max-tokens 0 generates nothing; it needs --logits FILE");
    }
    return check_uses(a);
}

static int generate(arguments *a, const cna_model *model, const cna_prompts *prompts)
{
    const char *format_name = NULL;
    int code = CLI_DONE;
    if (a->prompt_ids == NULL) code = cli_format_name(&a->common, cna_model_get_info(model), &format_name);
    if (code == CLI_DONE)
        code = cli_pairs_open(&a->pairs, model, (cna_positions)a->positions, (cna_sign)a->sign);
    if (code != CLI_DONE) return code;
    size_t n_prompts = cna_prompts_count(prompts);
    cli_note("%zu prompt%s as %s", n_prompts, n_prompts == 1 ? "" : "s",
             format_name == NULL                ? "token ids"
             : strcmp(format_name, "chat") == 0 ? "chat"
                                                : "raw text");
    cli_pairs_note(&a->pairs);

    job j = {.a = a, .prompts = prompts};
    j.streams = n_prompts == 1 && a->samples == 1 && !a->common.json;
    cna_generate_options settings = {
        .interventions = a->pairs.items,
        .n_interventions = a->pairs.scaled.n,
        .additions = a->pairs.additions,
        .n_additions = a->pairs.added.n,
        .format = cli_format(&a->common),
        .max_tokens = a->max_tokens,
        .temperature = a->temperature,
        .top_p = a->top_p,
        .seed = a->common.seed,
        .n_samples = a->samples,
        .batch = a->batch,
        .on_piece = j.streams ? on_piece : NULL,
        .progress = cli_progress(),
    };
    const char *file = a->prompts != NULL ? a->prompts : a->prompt_ids != NULL ? "--prompt-ids" : "--prompt";
    cli_note_long_prompts(model, &settings.format, &(cli_prompt_set){file, prompts, a->max_tokens, false}, 1);
    if (a->logits != NULL) code = cli_write_logits(a->logits, model, prompts, &settings);
    if (code != CLI_DONE || a->max_tokens == 0) return code;
    if (j.streams) cli_progress_off();
    cna_error err;
    if (cna_generate(model, prompts, &settings, on_generation, &j, &err) != CNA_OK)
        return cli_fail_error(&err);
    return CLI_DONE;
}

static int run(const cli_command *self, int argc, char **argv)
{
    arguments a = {.max_tokens = 150, .top_p = 1, .samples = 1};
    cna_prompts *prompts = NULL;
    cna_model *model = NULL;
    int code;
    if (cli_parse(self, argc, argv, &a, &code)) {
        code = check(&a);
        if (code == CLI_DONE) code = cli_locate_model(&a.common.model, true);
        if (code == CLI_DONE) code = read_prompts(&a, &prompts);
        if (code == CLI_DONE) code = cli_open_model(&a.common, false, &model);
        if (code == CLI_DONE) code = generate(&a, model, prompts);
    }
    cli_pairs_clear(&a.pairs);
    cna_prompts_free(prompts);
    cna_model_free(model);
    return code;
}

const cli_command cli_command_generate = {
    .name = "generate",
    .summary = "continue prompts, with circuits scaled and vectors added",
    .usage = "-m MODEL (--prompt TEXT | --prompts FILE | --prompt-ids LIST)\n"
             "                    [--circuit FILE --multiplier M]... [--caa-vector FILE --alpha A]... [FLAGS]",
    .example =
        "  cna generate -m models/llama-planted-instruct --prompt 'How do clouds form?' --max-tokens 40 \\\n"
        "               --circuit refusal.json --multiplier 0\n",
    .options = options,
    .run = run,
};
