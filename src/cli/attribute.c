/* SPDX-License-Identifier: MIT
 * cna attribute: two sets of prompts in, a circuit out. */
#include "cli/circuit_view.h"
#include "cli/commands.h"
#include "cli/long_prompts.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/scores_view.h"
#include "cli/setup.h"

#include <stdio.h>
#include <string.h>

typedef struct arguments {
    cli_common common;
    const char *positive, *negative, *universal, *output;
    double fraction, universal_threshold, universal_share;
    size_t top_k, n_halvings, n_shuffles;
    bool per_layer, choose_layers, scores;
    uint32_t first_layer, last_layer;
    int preset, score, format; /* cna_preset, cna_score, cna_circuit_format */
} arguments;

static int read_layers(void *user, const char *value)
{
    arguments *a = user;
    a->choose_layers = true;
    return cli_read_layers(value, &a->first_layer, &a->last_layer);
}

#define FIELD(member) offsetof(arguments, member)

static const cli_option options[] = {
    {.name = "positive",
     .kind = CLI_TEXT,
     .value = "FILE",
     .offset = FIELD(positive),
     .help = "prompts that show the behaviour: .txt, .jsonl, .csv (required)"},
    {.name = "negative",
     .kind = CLI_TEXT,
     .value = "FILE",
     .offset = FIELD(negative),
     .help = "prompts that do not (required)"},
    {.name = "output",
     .letter = 'o',
     .kind = CLI_TEXT,
     .value = "FILE",
     .writes = true,
     .takes_dash = true,
     .offset = FIELD(output),
     .help = "write the circuit here; - is standard output (none: its table is printed)"},
    {.name = "fraction",
     .kind = CLI_REAL,
     .value = "F",
     .offset = FIELD(fraction),
     .max = 1,
     .above_min = true,
     .help = "keep this share of the neurons in the chosen layers (0.001; nous: 200 neurons)"},
    {.name = "top-k",
     .kind = CLI_COUNT,
     .value = "K",
     .offset = FIELD(top_k),
     .min = 1,
     .help = "keep this many neurons instead (by --fraction)"},
    {.name = "per-layer",
     .kind = CLI_SWITCH,
     .offset = FIELD(per_layer),
     .help = "the same number from each layer"},
    {.name = "layers",
     .kind = CLI_CALL,
     .value = "A:B",
     .call = read_layers,
     .help = "layers A to B, zero-based, both included (all; nous: all but 0 and 1)"},
    {.name = "score",
     .kind = CLI_CHOICE,
     .value = "delta|d|write",
     .offset = FIELD(score),
     .choices = "delta|d|write",
     .help = "rank by |delta|, by Cohen's d, or by |delta| x norm of the output column (delta)"},
    {.name = "scores",
     .kind = CLI_SWITCH,
     .offset = FIELD(scores),
     .help = "also show where each score, and delta with a quota by layer, puts as many neurons"},
    {.name = "stability",
     .kind = CLI_COUNT,
     .value = "[N]",
     .offset = FIELD(n_halvings),
     .min = 1,
     .max = 100000,
     .usual = "100",
     .help = "how alike the circuits of N random halvings of the prompts are (off; N 100)"},
    {.name = "chance",
     .kind = CLI_COUNT,
     .value = "[N]",
     .offset = FIELD(n_shuffles),
     .min = 1,
     .max = 100000,
     .usual = "1000",
     .help = "how large scores become by chance, over N shuffles of the labels (off; N 1000)"},
    {.name = "preset",
     .kind = CLI_CHOICE,
     .value = "paper|nous",
     .offset = FIELD(preset),
     .choices = "paper|nous",
     .help = "the paper's definition or its reference code's (paper)"},
    {.name = "universal",
     .kind = CLI_TEXT,
     .value = "builtin|none|FILE",
     .offset = FIELD(universal),
     .help = "prompts whose common neurons are left out (builtin; nous: none)"},
    {.name = "universal-threshold",
     .kind = CLI_REAL,
     .value = "F",
     .offset = FIELD(universal_threshold),
     .max = 1,
     .above_min = true,
     .help = "universal: among this share of all neurons by |h| ... (0.001)"},
    {.name = "universal-share",
     .kind = CLI_REAL,
     .value = "F",
     .offset = FIELD(universal_share),
     .max = 1,
     .above_min = true,
     .help = "... in at least this share of the prompts (0.8)"},
    {.name = "format",
     .kind = CLI_CHOICE,
     .value = "cna|nous",
     .offset = FIELD(format),
     .choices = "cna|nous",
     .help = "of the circuit file: this program's or the reference code's (cna)"},
    {0},
};

static int check(const arguments *a)
{
    int code = cli_require(a->common.model, "-m MODEL");
    if (code == CLI_DONE) code = cli_require(a->positive, "--positive FILE");
    if (code == CLI_DONE) code = cli_require(a->negative, "--negative FILE");
    if (code != CLI_DONE) return code;
    if (a->fraction != 0 && a->top_k != 0) return cli_usage("--fraction and --top-k exclude each other");
    if (a->format != CNA_CIRCUIT_CNA && a->output == NULL && !a->common.json) {
        return cli_usage("--format is the circuit file's format; give -o FILE or --json as well");
    }
    bool circuit_alone = a->output != NULL ? strcmp(a->output, "-") == 0 : a->common.json;
    if (a->scores && circuit_alone) {
        return cli_usage("--scores: expected a table, or -o FILE with --json, found the circuit file itself asked for "
                         "on standard output; give -o FILE");
    }
    if ((a->n_halvings != 0 || a->n_shuffles != 0) && a->format != CNA_CIRCUIT_CNA && circuit_alone) {
        return cli_usage("--stability and --chance have no place in the reference code's files; "
                         "leave --format nous out");
    }
    bool unfiltered = a->universal != NULL ? strcmp(a->universal, "none") == 0 : a->preset == CNA_PRESET_NOUS;
    if (unfiltered && (a->universal_threshold != 0 || a->universal_share != 0)) {
        return cli_usage("--universal-threshold and --universal-share need the universal filter, which %s turns off",
                         a->universal != NULL ? "--universal none" : "--preset nous");
    }
    return CLI_DONE;
}

static int print_json(const cna_circuit *circuit, cna_circuit_format format)
{
    cna_error err;
    char *text = NULL;
    if (cna_circuit_to_json(circuit, format, &text, &err) != CNA_OK) return cli_fail_error(&err);
    fputs(text, stdout);
    cna_free(text);
    return CLI_DONE;
}

static int deliver(const arguments *a, const cna_circuit *circuit)
{
    cna_error err;
    cna_circuit_format format = (cna_circuit_format)a->format;
    bool to_stdout = a->output != NULL ? strcmp(a->output, "-") == 0 : a->common.json;
    if (a->output != NULL && !to_stdout && cna_circuit_write(circuit, a->output, format, &err) != CNA_OK) {
        return cli_fail_error(&err);
    }
    cli_output_begin();
    if (to_stdout) return print_json(circuit, format);
    if (a->common.json) return cli_circuit_json(circuit, a->output);
    int code = cli_show_circuit(circuit);
    if (code == CLI_DONE && a->output != NULL) cli_note("circuit written to %s", a->output);
    return code;
}

static int attribute(const arguments *a, const cna_model *model, const cna_prompts *positive,
                     const cna_prompts *negative, const cna_prompts *universal)
{
    bool none = a->universal != NULL && strcmp(a->universal, "none") == 0;
    cna_attribute_options settings = {
        .preset = (cna_preset)a->preset,
        .fraction = a->fraction,
        .k = a->top_k,
        .per_layer = a->per_layer,
        .score = (cna_score)a->score,
        .choose_layers = a->choose_layers,
        .first_layer = a->first_layer,
        .last_layer = a->last_layer,
        .no_universal = none,
        .with_universal = a->universal != NULL && !none,
        .universal_prompts = universal,
        .universal_name = universal != NULL ? a->universal : NULL,
        .universal_threshold = a->universal_threshold,
        .universal_share = a->universal_share,
        .format = cli_format(&a->common),
        .n_halvings = a->n_halvings,
        .n_shuffles = a->n_shuffles,
        .seed = a->common.seed,
        .progress = cli_progress(),
    };
    const char *format_name;
    int code = cli_format_name(&a->common, cna_model_get_info(model), &format_name);
    if (code != CLI_DONE) return code;
    cli_note("%zu positive and %zu negative prompts as %s", cna_prompts_count(positive),
             cna_prompts_count(negative), strcmp(format_name, "chat") == 0 ? "chat" : "raw text");
    const cli_prompt_set sets[] = {{a->positive, positive, 0, false}, {a->negative, negative, 0, false},
                                   {a->universal, universal, 0, true}};
    cli_note_long_prompts(model, &settings.format, sets, sizeof sets / sizeof *sets);
    cna_error err;
    cna_circuit *circuits[CLI_SCORE_CIRCUITS] = {NULL}; /* the one asked for, and with --scores the others */
    if (a->scores) {
        code = cli_attribute_scores(model, positive, negative, &settings, circuits);
    } else if (cna_attribute(model, positive, negative, &settings, &circuits[0], &err) != CNA_OK) {
        code = cli_fail_error(&err);
    }
    if (code == CLI_DONE) code = deliver(a, circuits[0]);
    if (code == CLI_DONE && a->scores) code = cli_show_scores(circuits, a->common.json);
    for (int i = 0; i < CLI_SCORE_CIRCUITS; i++) cna_circuit_free(circuits[i]);
    return code;
}

static int run(const cli_command *self, int argc, char **argv)
{
    arguments a = {0};
    int code;
    if (!cli_parse(self, argc, argv, &a, &code)) return code;
    cna_prompts *positive = NULL, *negative = NULL, *universal = NULL;
    cna_model *model = NULL;
    bool own_universal =
        a.universal != NULL && strcmp(a.universal, "none") != 0 && strcmp(a.universal, "builtin") != 0;
    code = check(&a);
    /* Small files first: a mistake in them shows before gigabytes of weights are read. */
    if (code == CLI_DONE) code = cli_locate_model(&a.common.model, true);
    if (code == CLI_DONE) code = cli_read_prompts(&a.common, a.positive, &positive);
    if (code == CLI_DONE) code = cli_read_prompts(&a.common, a.negative, &negative);
    if (code == CLI_DONE && own_universal) code = cli_read_prompts(&a.common, a.universal, &universal);
    bool to_file = a.output != NULL && strcmp(a.output, "-") != 0;
    if (code == CLI_DONE && to_file) code = cli_file_try(a.output);
    if (code == CLI_DONE) code = cli_open_model(&a.common, true, &model);
    if (code == CLI_DONE) code = attribute(&a, model, positive, negative, universal);
    cna_model_free(model);
    cna_prompts_free(universal);
    cna_prompts_free(negative);
    cna_prompts_free(positive);
    return code;
}

const cli_command cli_command_attribute = {
    .name = "attribute",
    .summary = "find the neurons that tell two sets of prompts apart",
    .usage = "-m MODEL --positive FILE --negative FILE [FLAGS]",
    .example = "  cna attribute -m models/llama-planted-instruct --positive restricted.txt --negative "
               "benign.txt \\\n"
               "                --fraction 0.01 -o refusal.json\n",
    .options = options,
    .run = run,
};
