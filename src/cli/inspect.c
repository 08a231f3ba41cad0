/* SPDX-License-Identifier: MIT
 * cna inspect: what a model folder, a circuit file or a run file holds. */
#include "cli/circuit_view.h"
#include "cli/commands.h"
#include "cli/inspect_neuron.h"
#include "cli/inspect_run.h"
#include "cli/output.h"
#include "cli/setup.h"
#include "cli/text.h"

#include <stdio.h>
#include <string.h>

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
     .help = "neuron J of layer L, both zero-based: its entry in a circuit; with -m what it writes"},
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
     .help = "of a circuit and -m: measure its neurons on these prompts ..."},
    {.name = "negative",
     .kind = CLI_TEXT,
     .value = "FILE",
     .offset = FIELD(negative),
     .help = "... and on these"},
    {.name = "prompts",
     .kind = CLI_TEXT,
     .value = "FILE",
     .offset = FIELD(prompts),
     .help = "... or on one set alone"},
    {0},
};

/* k of the paper's definition: METHOD section 3. */
static uint64_t neurons_at_paper_fraction(uint64_t n_neurons)
{
    uint64_t k = (uint64_t)(0.001 * (double)n_neurons + 1e-9);
    return k == 0 ? 1 : k;
}

static void put_text(const char *name, const char *text)
{
    printf("%-14s", name);
    cli_put_safe(stdout, text, strlen(text), CLI_ONE_LINE);
    putchar('\n');
}

static void show_model(const cna_model_info *info)
{
    uint64_t n_neurons = (uint64_t)info->n_layers * info->mlp_dim;
    put_text("model", info->name);
    put_text("architecture", info->architecture);
    printf("%-14s%.3f million in %zu file%s, %.1f MB, stored as %s, computed in %s\n", "parameters",
           1e-6 * (double)info->n_parameters, info->n_files, info->n_files == 1 ? "" : "s",
           1e-6 * (double)info->size_bytes, info->storage_dtype, info->compute_dtype);
    printf("%-14s%u, hidden %u, MLP %u\n", "layers", info->n_layers, info->hidden_dim, info->mlp_dim);
    printf("%-14s%u heads of %u, %u for keys and values%s\n", "attention", info->n_heads, info->head_dim,
           info->n_kv_heads, info->qkv_bias ? ", with q/k/v bias" : "");
    printf("%-14s%u rows%s, %u ids in the tokenizer\n", "embedding", info->vocab_size,
           info->tied_embeddings ? " (tied)" : "", info->n_tokenizer_ids);
    printf("%-14s%u\n", "positions", info->max_positions);
    put_text("chat", info->has_chat_template ? info->chat_family : "no template: prompts are raw text");
    printf("%-14s%u a layer, %llu in all; 0.1 %% is %llu\n", "neurons", info->mlp_dim,
           (unsigned long long)n_neurons, (unsigned long long)neurons_at_paper_fraction(n_neurons));
    put_text("fingerprint", info->fingerprint);
}

static void json_model(const cna_model_info *info, const char *path)
{
    uint64_t n_neurons = (uint64_t)info->n_layers * info->mlp_dim;
    cli_json json = {.stream = stdout};
    cli_json_object(&json, NULL);
    cli_json_text(&json, "type", "model");
    cli_json_text(&json, "path", path);
    cli_json_text(&json, "name", info->name);
    cli_json_text(&json, "architecture", info->architecture);
    cli_json_text(&json, "storage_dtype", info->storage_dtype);
    cli_json_text(&json, "compute_dtype", info->compute_dtype);
    cli_json_text(&json, "fingerprint", info->fingerprint);
    cli_json_count(&json, "n_layers", info->n_layers);
    cli_json_count(&json, "hidden_dim", info->hidden_dim);
    cli_json_count(&json, "mlp_dim", info->mlp_dim);
    cli_json_count(&json, "n_heads", info->n_heads);
    cli_json_count(&json, "n_kv_heads", info->n_kv_heads);
    cli_json_count(&json, "head_dim", info->head_dim);
    cli_json_count(&json, "vocab_size", info->vocab_size);
    cli_json_count(&json, "n_tokenizer_ids", info->n_tokenizer_ids);
    cli_json_count(&json, "max_positions", info->max_positions);
    cli_json_bool(&json, "tied_embeddings", info->tied_embeddings);
    cli_json_bool(&json, "qkv_bias", info->qkv_bias);
    cli_json_bool(&json, "has_chat_template", info->has_chat_template);
    cli_json_text(&json, "chat_family", info->chat_family);
    cli_json_count(&json, "n_parameters", info->n_parameters);
    cli_json_count(&json, "size_bytes", info->size_bytes);
    cli_json_count(&json, "n_files", info->n_files);
    cli_json_count(&json, "n_neurons", n_neurons);
    cli_json_count(&json, "k_at_0.001", neurons_at_paper_fraction(n_neurons));
    cli_json_object_end(&json);
    cli_json_line(&json);
}

static int inspect_model(const arguments *a, const char *path)
{
    if (a->choose_neuron) return cli_usage("--neuron needs a circuit file, and %s is a model folder", path);
    cna_error err;
    cna_model_info info;
    if (cna_model_inspect(path, &info, &err) != CNA_OK) return cli_fail_error(&err);
    if (a->common.json) {
        json_model(&info, path);
    } else {
        show_model(&info);
    }
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
    cna_error err;
    cna_circuit *circuit = NULL;
    if (cna_circuit_read(path, &circuit, &err) != CNA_OK) return cli_fail_error(&err);
    int code;
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

/* A circuit, and the model whose neurons it names. */
static int inspect_on_model(const arguments *a)
{
    if (a->prompts != NULL && (a->positive != NULL || a->negative != NULL)) {
        return cli_usage("expected --prompts or --positive and --negative, found both");
    }
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
    size_t n = strlen(path);
    bool names_circuit = a->common.model == NULL && n > 5 && strcmp(path + n - 5, ".json") == 0;
    if (a->common.model != NULL || cli_is_model(path) || (!names_circuit && !cli_is_file(path))) {
        int code = cli_require_folder(path);
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
        return cli_usage("expected a model folder, a circuit file or a run file, found none");
    }
    if (a.common.n_words != 0 && a.common.model != NULL) {
        if (!cli_is_model(a.common.words[0])) return inspect_on_model(&a);
        return cli_usage("expected one model to inspect, or a circuit and -m, found '%s' and -m '%s'",
                         a.common.words[0], a.common.model);
    }
    if (a.top != 0 || a.positive != NULL || a.negative != NULL || a.prompts != NULL) {
        return cli_usage("--top, --positive, --negative and --prompts need a circuit file and -m DIR");
    }
    return inspect_path(&a);
}

const cli_command cli_command_inspect = {
    .name = "inspect",
    .summary = "what a model folder, a circuit file or a run file holds, and what neurons do",
    .usage = "MODEL | CIRCUIT.json [-m MODEL] | RUN.db [FLAGS]",
    .example = "  cna inspect models/llama-planted-instruct\n  cna inspect refusal.json --neuron 7:123\n"
               "  cna inspect refusal.json -m models/llama-planted-instruct --neuron 7:123 \\\n"
               "              --positive restricted.txt --negative benign.txt\n  cna inspect run.db\n",
    .options = options,
    .max_words = 1,
    .run = run,
};
