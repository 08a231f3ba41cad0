/* SPDX-License-Identifier: MIT
 * cna sweep: generate at several multipliers, beside random circuits, and measure. */
#include "cli/commands.h"
#include "cli/interventions.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/setup.h"
#include "cli/sweep_view.h"

#include <stdlib.h>
#include <string.h>

typedef struct arguments {
    cli_common common;
    const char **circuit_paths; /* [n_circuits] */
    size_t n_circuits, circuit_capacity;
    double *multipliers; /* ? [n_multipliers] */
    size_t n_multipliers;
    const char *prompts, *benign, *patterns, *answers;
    int positions, sign; /* cna_positions, cna_sign */
    size_t max_tokens, controls, batch;
    double min_quality, logprob_percentile; /* 0: the library's default */
    bool no_logprob_limit;
} arguments;

static int add_circuit(void *user, const char *value)
{
    arguments *a = user;
    cli_grow(&a->circuit_paths, &a->circuit_capacity, a->n_circuits + 1, sizeof *a->circuit_paths);
    a->circuit_paths[a->n_circuits++] = value;
    return CLI_DONE;
}

static int read_multipliers(void *user, const char *value)
{
    arguments *a = user;
    return cli_read_multipliers("--multipliers", value, &a->multipliers, &a->n_multipliers);
}

#define FIELD(member) offsetof(arguments, member)

static const cli_option options[] = {
    {.name = "circuit",
     .kind = CLI_CALL,
     .value = "FILE",
     .call = add_circuit,
     .repeatable = true,
     .help = "the circuit; may be repeated, all are scaled together"},
    {.name = "prompts",
     .kind = CLI_TEXT,
     .value = "FILE",
     .offset = FIELD(prompts),
     .help = "prompts that should be refused (.txt, .jsonl, .csv)"},
    {.name = "benign",
     .kind = CLI_TEXT,
     .value = "FILE",
     .offset = FIELD(benign),
     .help = "prompts that should be answered, for over-refusal"},
    {.name = "multipliers",
     .kind = CLI_CALL,
     .value = "LIST",
     .call = read_multipliers,
     .help = "comma separated; 1 is always run (0,0.25,0.5,0.75,1,1.5,2)"},
    {.name = "controls",
     .kind = CLI_COUNT,
     .value = "N",
     .offset = FIELD(controls),
     .max = 100000,
     .help = "random circuits of each kind, at each multiplier; 0: none (20)"},
    {.name = "positions",
     .kind = CLI_CHOICE,
     .value = "WHERE",
     .offset = FIELD(positions),
     .choices = CLI_POSITIONS,
     .help = "scale at all, prompt or generated positions, or the prompt's last (all)"},
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
     .min = 1,
     .max = 1048576,
     .help = "most tokens of an answer (150)"},
    {.name = "patterns",
     .kind = CLI_TEXT,
     .value = "FILE",
     .offset = FIELD(patterns),
     .help = "what counts as a refusal (built in)"},
    {.name = "min-quality",
     .kind = CLI_REAL,
     .value = "Q",
     .offset = FIELD(min_quality),
     .max = 1,
     .above_min = true,
     .help = "answers below this are incoherent (0.6)"},
    {.name = "logprob-percentile",
     .kind = CLI_REAL,
     .value = "P",
     .offset = FIELD(logprob_percentile),
     .max = 100,
     .above_min = true,
     .help = "so are those less likely than this percentile of the untouched answers (1)"},
    {.name = "no-logprob-limit",
     .kind = CLI_SWITCH,
     .offset = FIELD(no_logprob_limit),
     .help = "judge coherence by quality alone"},
    {.name = "batch",
     .kind = CLI_COUNT,
     .value = "N",
     .offset = FIELD(batch),
     .min = 1,
     .max = 65536,
     .help = "most sequences decoded together; changes no answer (256, or as memory allows)"},
    {.name = "answers",
     .kind = CLI_TEXT,
     .value = "FILE",
     .offset = FIELD(answers),
     .help = "write every answer here, as JSON Lines"},
    {.name = "run", .kind = CLI_LATER},
    {.name = "k-list", .kind = CLI_LATER},
    {.name = "perplexity", .kind = CLI_LATER},
    {.name = "cross-fit", .kind = CLI_LATER},
    {.name = "caa", .kind = CLI_LATER},
    {.name = "caa-layer", .kind = CLI_LATER},
    {.name = "alphas", .kind = CLI_LATER},
    {.name = "positive", .kind = CLI_LATER},
    {.name = "negative", .kind = CLI_LATER},
    {0},
};

/* Everything that a sweep takes from files; freed by inputs_free. */
typedef struct inputs {
    cna_prompts *prompts, *benign;
    char *patterns;
    cna_model *model;
    cna_circuit **circuits; /* [n_circuits] */
} inputs;

static int check(const arguments *a)
{
    int code = cli_require(a->common.model, "-m DIR");
    if (code == CLI_DONE) code = cli_require(a->n_circuits != 0 ? "" : NULL, "--circuit FILE");
    if (code == CLI_DONE) code = cli_require(a->prompts, "--prompts FILE");
    if (code == CLI_DONE && a->no_logprob_limit && a->logprob_percentile != 0) {
        code = cli_usage("--logprob-percentile and --no-logprob-limit exclude each other");
    }
    return code;
}

static int read_inputs(const arguments *a, inputs *in)
{
    size_t n_bytes;
    int code = cli_require_folder(a->common.model);
    if (code == CLI_DONE) code = cli_read_prompts(&a->common, a->prompts, &in->prompts);
    if (code == CLI_DONE && a->benign != NULL) code = cli_read_prompts(&a->common, a->benign, &in->benign);
    if (code == CLI_DONE && a->patterns != NULL) code = cli_read_file(a->patterns, &in->patterns, &n_bytes);
    if (code == CLI_DONE && a->patterns != NULL && memchr(in->patterns, '\0', n_bytes) != NULL) {
        code = cli_fail("%s: expected a text of patterns, found a NUL byte", a->patterns);
    }
    if (code == CLI_DONE) code = cli_open_model(&a->common, false, &in->model);
    in->circuits = cli_alloc(a->n_circuits, sizeof *in->circuits);
    for (size_t i = 0; i < a->n_circuits && code == CLI_DONE; i++) {
        code = cli_read_circuit(a->circuit_paths[i], in->model, &in->circuits[i]);
    }
    return code;
}

static void inputs_free(inputs *in, size_t n_circuits)
{
    for (size_t i = 0; i < n_circuits && in->circuits != NULL; i++) cna_circuit_free(in->circuits[i]);
    free(in->circuits);
    free(in->patterns);
    cna_model_free(in->model);
    cna_prompts_free(in->prompts);
    cna_prompts_free(in->benign);
}

static int deliver(const arguments *a, const inputs *in, const char *format_name, const cna_sweep *sweep,
                   cli_file *answers)
{
    cli_sweep_view view = {
        .sweep = sweep,
        .model = cna_model_get_info(in->model),
        .prompts = in->prompts,
        .benign = in->benign,
        .circuit_paths = a->circuit_paths,
        .circuits = (const cna_circuit *const *)in->circuits,
        .n_circuits = a->n_circuits,
        .format_name = format_name,
        .system = a->common.system,
        .patterns = a->patterns,
        .positions = (cna_positions)a->positions,
        .sign = (cna_sign)a->sign,
        .max_tokens = a->max_tokens,
        .seed = a->common.seed,
    };
    if (a->answers != NULL) {
        cli_sweep_put_answers(&view, answers->stream);
        int code = cli_file_commit(answers);
        if (code != CLI_DONE) return code;
    }
    cli_output_begin();
    if (a->common.json) {
        cli_sweep_json(&view);
    } else {
        cli_sweep_show(&view);
    }
    return CLI_DONE;
}

static int sweep(const arguments *a, const inputs *in)
{
    const char *format_name;
    int code = cli_format_name(&a->common, cna_model_get_info(in->model), &format_name);
    if (code != CLI_DONE) return code;
    cna_sweep_options settings = {
        .circuits = (const cna_circuit *const *)in->circuits,
        .n_circuits = a->n_circuits,
        .multipliers = a->multipliers,
        .n_multipliers = a->n_multipliers,
        .benign = in->benign,
        .positions = (cna_positions)a->positions,
        .sign = (cna_sign)a->sign,
        .no_controls = a->controls == 0,
        .n_controls = a->controls,
        .patterns = in->patterns,
        .patterns_name = a->patterns,
        .min_quality = a->min_quality,
        .logprob_percentile = a->logprob_percentile,
        .no_logprob_limit = a->no_logprob_limit,
        .format = cli_format(&a->common),
        .max_tokens = a->max_tokens,
        .batch = a->batch,
        .seed = a->common.seed,
        .progress = cli_progress(),
    };
    /* Opened before the work: a folder that takes no file shows now and not after an hour. */
    cli_file answers = {0};
    if (a->answers != NULL) code = cli_file_open(&answers, a->answers);
    if (code != CLI_DONE) return code;
    cna_error err;
    cna_sweep *result = NULL;
    if (cna_sweep_run(in->model, in->prompts, &settings, &result, &err) == CNA_OK) {
        code = deliver(a, in, format_name, result, &answers);
    } else {
        code = cli_fail_error(&err);
    }
    cli_file_abandon(&answers);
    cna_sweep_free(result);
    return code;
}

static int run(const cli_command *self, int argc, char **argv)
{
    arguments a = {.max_tokens = 150, .controls = 20};
    inputs in = {0};
    int code;
    if (cli_parse(self, argc, argv, &a, &code)) {
        code = check(&a);
        if (code == CLI_DONE) code = read_inputs(&a, &in);
        if (code == CLI_DONE) code = sweep(&a, &in);
        inputs_free(&in, a.n_circuits);
    }
    free(a.circuit_paths);
    free(a.multipliers);
    return code;
}

const cli_command cli_command_sweep = {
    .name = "sweep",
    .summary = "refusal and quality at several multipliers, with controls",
    .usage = "-m DIR --circuit FILE... --prompts FILE [--benign FILE] [FLAGS]",
    .example =
        "  cna sweep -m models/llama-planted-instruct --circuit refusal.json --prompts held-out.txt \\\n"
        "            --benign benign.txt --multipliers 0,0.5,1,2 --max-tokens 40\n",
    .options = options,
    .run = run,
};
