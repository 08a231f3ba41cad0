/* SPDX-License-Identifier: MIT
 * cna inspect: what a model folder, a circuit file, a control vector or a run file holds. */
#define _POSIX_C_SOURCE 200809L /* lstat */
#include "cli/circuit_view.h"
#include "cli/commands.h"
#include "cli/file_kind.h"
#include "cli/inspect_neuron.h"
#include "cli/inspect_run.h"
#include "cli/model_view.h"
#include "cli/output.h"
#include "cli/setup.h"
#include "cli/vector_view.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

typedef struct arguments {
    cli_common common;
    bool choose_neuron;
    uint32_t layer, neuron;
    size_t top;
    const char *positive, *negative, *prompts;
} arguments;

static int read_neuron(void *user, const char *value)
{
    arguments *a = user;
    const char *colon = strchr(value, ':');
    char layer_text[16];
    size_t n = colon != NULL ? (size_t)(colon - value) : 0, layer, neuron;
    if (colon == NULL || n >= sizeof layer_text) {
        return cli_usage("--neuron: expected LAYER:NEURON, found '%s'", value);
    }
    memcpy(layer_text, value, n);
    layer_text[n] = '\0';
    int code = cli_read_count("--neuron", layer_text, 0, UINT32_MAX, &layer);
    if (code == CLI_DONE) code = cli_read_count("--neuron", colon + 1, 0, UINT32_MAX, &neuron);
    if (code != CLI_DONE) return code;
    a->choose_neuron = true;
    a->layer = (uint32_t)layer;
    a->neuron = (uint32_t)neuron;
    return CLI_DONE;
}

#define FIELD(member) offsetof(arguments, member)

static const cli_option options[] = {
    {.name = "neuron",
     .kind = CLI_CALL,
     .value = "L:J",
     .call = read_neuron,
     .help = "neuron J of layer L, from 0: its entry in a circuit; with -m what it writes (all)"},
    {.name = "top",
     .kind = CLI_COUNT,
     .value = "N",
     .offset = FIELD(top),
     .min = 1,
     .max = 1000,
     .help = "of a circuit and -m: so many tokens each way of --neuron, else so many neurons (10)"},
    {.name = "positive",
     .kind = CLI_TEXT,
     .value = "FILE",
     .offset = FIELD(positive),
     .help = "of a circuit and -m: measure its neurons on these prompts ... (none)"},
    {.name = "negative",
     .kind = CLI_TEXT,
     .value = "FILE",
     .offset = FIELD(negative),
     .help = "... and on these (none)"},
    {.name = "prompts",
     .kind = CLI_TEXT,
     .value = "FILE",
     .offset = FIELD(prompts),
     .help = "... or on one set alone (none)"},
    {0},
};

/* Whether what failed is that a folder has no config.json, not even a link that leads nowhere. */
static bool lacks_config(const char *folder, const cna_error *err)
{
    char path[4096];
    struct stat status;
    int n = snprintf(path, sizeof path, "%s/config.json", folder);
    return n > 0 && (size_t)n < sizeof path && strncmp(err->text, path, (size_t)n) == 0 && lstat(path, &status) != 0 &&
           errno == ENOENT;
}

static int inspect_model(const arguments *a, const char *path)
{
    if (a->choose_neuron) return cli_usage("--neuron needs a circuit file, and %s is a model folder", path);
    cna_error err;
    cna_survey survey;
    const cna_model_options settings = cli_model_options(&a->common, false);
    if (cna_model_survey(path, &settings, &survey, &err) != CNA_OK) {
        if (!lacks_config(path, &err)) return cli_fail_error(&err);
        return cli_fail("%s: expected a model folder, or a circuit, vector or run file, found a folder without "
                        "config.json", path);
    }
    if (a->common.json) cli_model_json(&survey, path);
    else cli_show_model(&survey);
    return CLI_DONE;
}

/* "-" where the file does not give it. */
static void put_measure(const char *name, bool known, double value)
{
    if (known) {
        printf("%-15s%.6g\n", name, value);
    } else {
        printf("%-15s-\n", name);
    }
}

static int show_one_neuron(const arguments *a, const char *path, const cna_circuit *circuit)
{
    size_t n_neurons, i = 0;
    const cna_neuron *neurons = cna_circuit_neurons(circuit, &n_neurons);
    while (i < n_neurons && (neurons[i].layer != a->layer || neurons[i].neuron != a->neuron)) i++;
    if (i == n_neurons) {
        return cli_fail("%s: neuron %u:%u is not among its %zu neurons", path, a->layer, a->neuron,
                        n_neurons);
    }
    const cna_neuron *n = &neurons[i];
    const cna_circuit_info *info = cna_circuit_get_info(circuit);
    if (a->common.json) {
        cli_json json = {.stream = stdout};
        cli_json_neuron(&json, info, n, i + 1);
        cli_json_line(&json);
        return CLI_DONE;
    }
    printf("layer %u, neuron %u: rank %zu of %zu\n", n->layer, n->neuron, i + 1, n_neurons);
    put_measure("delta", info->has_delta, n->delta);
    put_measure("mean positive", info->has_measures, n->mean_positive);
    put_measure("mean negative", info->has_measures, n->mean_negative);
    put_measure("d", info->has_measures, n->d);
    put_measure("write", info->has_measures, n->write);
    return CLI_DONE;
}

static int inspect_circuit(const arguments *a, const char *path)
{
    cna_circuit *circuit = NULL;
    int code = cli_load_circuit(path, &circuit);
    if (code != CLI_DONE) return code;
    if (a->choose_neuron) {
        code = show_one_neuron(a, path, circuit);
    } else if (a->common.json) {
        code = cli_circuit_json(circuit, path);
    } else {
        code = cli_show_circuit(circuit);
    }
    cna_circuit_free(circuit);
    return code;
}

static int inspect_vectors(const arguments *a, const char *path)
{
    if (a->choose_neuron) return cli_usage("--neuron needs a circuit file, and %s is a control vector", path);
    cna_error err;
    cna_caa *caa = NULL;
    if (cna_caa_read(path, &caa, &err) != CNA_OK) return cli_fail_error(&err);
    if (a->common.json) cli_vectors_json(caa, path);
    else cli_show_vectors(caa);
    cna_caa_free(caa);
    return CLI_DONE;
}

/* A circuit, and the model whose neurons it names. */
static int inspect_on_model(arguments *a)
{
    if (a->prompts != NULL && (a->positive != NULL || a->negative != NULL)) {
        return cli_usage("expected --prompts or --positive and --negative, found both");
    }
    int code = cli_locate_model(&a->common.model, true);
    if (code != CLI_DONE) return code;
    const cli_neuron_request request = {
        .common = &a->common,
        .choose_neuron = a->choose_neuron,
        .layer = a->layer,
        .neuron = a->neuron,
        .top = a->top,
        .positive = a->positive,
        .negative = a->negative,
        .prompts = a->prompts,
    };
    return cli_inspect_neurons(&request);
}

static int inspect_path(const arguments *a)
{
    const char *path = a->common.n_words != 0 ? a->common.words[0] : a->common.model;
    if (a->common.model == NULL && cli_is_file(path) && cli_is_database(path)) {
        if (a->choose_neuron) return cli_usage("--neuron needs a circuit file, and %s is a run file", path);
        return cli_inspect_run(path, a->common.json);
    }
    if (cli_is_file(path) && cna_caa_is_file(path)) return inspect_vectors(a, path);
    size_t n = strlen(path);
    bool names_circuit = a->common.model == NULL && n > 5 && strcmp(path + n - 5, ".json") == 0;
    if (a->common.model != NULL || cli_is_model(path) || (!names_circuit && !cli_is_file(path))) {
        int code = cli_locate_model(&path, false);
        if (code != CLI_DONE) return code;
    }
    return cli_is_model(path) ? inspect_model(a, path) : inspect_circuit(a, path);
}

static int run(const cli_command *self, int argc, char **argv)
{
    arguments a = {0};
    int code;
    if (!cli_parse(self, argc, argv, &a, &code)) return code;
    if (a.common.n_words == 0 && a.common.model == NULL) {
        return cli_usage("expected a model folder, a circuit file, a control vector or a run file, found none");
    }
    if (a.common.n_words != 0 && a.common.model != NULL) {
        if (!cli_is_model(a.common.words[0])) return inspect_on_model(&a);
        return cli_usage("expected one model to inspect, or a circuit and -m, found '%s' and -m '%s'",
                         a.common.words[0], a.common.model);
    }
    if (a.top != 0 || a.positive != NULL || a.negative != NULL || a.prompts != NULL) {
        return cli_usage("--top, --positive, --negative and --prompts need a circuit file and -m MODEL");
    }
    return inspect_path(&a);
}

const cli_command cli_command_inspect = {
    .name = "inspect",
    .summary = "what a model, a circuit, a control vector or a run holds, and what neurons do",
    .usage = "MODEL | CIRCUIT.json [-m MODEL] | VECTOR.gguf | RUN.db [FLAGS]",
    .example = "  cna inspect models/llama-planted-instruct\n  cna inspect refusal.json --neuron 7:123\n"
               "  cna inspect refusal.json -m models/llama-planted-instruct --neuron 7:123 \\\n"
               "              --positive restricted.txt --negative benign.txt\n  cna inspect run.db\n",
    .options = options,
    .max_words = 1,
    .run = run,
};
