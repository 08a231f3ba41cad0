/* SPDX-License-Identifier: MIT
 * A circuit on the screen and as JSON. */
#include "cli/circuit_view.h"

#include "cli/messages.h"
#include "cli/statistics_view.h"
#include "cli/table.h"
#include "cli/text.h"

#include <math.h>
#include <string.h>

const char *cli_score_name(cna_score score)
{
    return score == CNA_SCORE_D ? "d" : score == CNA_SCORE_WRITE ? "write" : "delta";
}

const char *cli_preset_name(cna_preset preset)
{
    return preset == CNA_PRESET_NOUS ? "nous" : "paper";
}

uint32_t cli_last_tenth(uint32_t n_layers)
{
    return (n_layers + 9) / 10;
}

uint32_t cli_last_quarter(uint32_t n_layers)
{
    return (n_layers + 3) / 4;
}

bool cli_is_foreign(const cna_circuit_info *info)
{
    return info->n_layers == 0;
}

static void put_field(const char *name, const char *text)
{
    printf("%-11s", name);
    cli_put_safe(stdout, text, strlen(text), CLI_ONE_LINE);
    putchar('\n');
}

static void show_origin(const cna_circuit_info *info, size_t n_neurons)
{
    char text[512];
    if (cli_is_foreign(info)) {
        snprintf(text, sizeof text, "not stated by the file; %zu neurons", n_neurons);
        put_field("model", text);
        return;
    }
    snprintf(text, sizeof text, "%s (%s, %s, %u layers of %u neurons)", info->model_name, info->architecture,
             info->model_dtype, info->n_layers, info->mlp_dim);
    put_field("model", text);
    snprintf(text, sizeof text, "%s, %zu positive and %zu negative%s%s",
             info->prompt_format[0] != '\0' ? info->prompt_format : "not stated", info->n_positive,
             info->n_negative, info->date[0] != '\0' ? ", date " : "", info->date);
    put_field("prompts", text);
    if (info->chat_options[0] != '\0') put_field("chat", info->chat_options);
    char fraction[48] = "";
    if (info->fraction != 0) snprintf(fraction, sizeof fraction, " (%g of the neurons)", info->fraction);
    snprintf(text, sizeof text, "preset %s, score %s, k %zu%s, layers %u to %u%s",
             cli_preset_name(info->preset), cli_score_name(info->score), n_neurons, fraction,
             info->first_layer, info->last_layer, info->per_layer ? ", the same number from each" : "");
    put_field("definition", text);
    bool filtered = info->universal_source[0] != '\0' && strcmp(info->universal_source, "none") != 0;
    if (filtered) {
        snprintf(text, sizeof text,
                 "%zu left out (%s: first %g of all neurons in at least %g of the prompts)",
                 info->n_universal, info->universal_source, info->universal_threshold, info->universal_share);
    } else {
        snprintf(text, sizeof text, "%s", info->universal_source[0] != '\0' ? "not filtered" : "not stated");
    }
    put_field("universal", text);
}

/* A measurement, "-" where the file does not give it. */
static void put_measure(cli_table *table, bool known, int decimals, double value)
{
    char text[48];
    snprintf(text, sizeof text, "%.*f", decimals, value);
    cli_table_cell(table, "%s", known ? text : "-");
}

static void show_neurons(const cna_circuit_info *info, const cna_neuron *neurons, size_t n_neurons)
{
    size_t n_shown = n_neurons < CLI_TOP_NEURONS ? n_neurons : CLI_TOP_NEURONS;
    if (n_shown == 0) return;
    printf("\n%zu of %zu neurons, %s\n", n_shown, n_neurons,
           info->has_delta || info->has_measures ? "largest score first" : "by layer");
    cli_table table;
    cli_table_begin(&table, "rrrrrrrr");
    cli_table_row(&table, "rank|layer|neuron|delta|mean positive|mean negative|d|write");
    for (size_t i = 0; i < n_shown; i++) {
        const cna_neuron *n = &neurons[i];
        cli_table_cell(&table, "%zu", i + 1);
        cli_table_cell(&table, "%u", n->layer);
        cli_table_cell(&table, "%u", n->neuron);
        put_measure(&table, info->has_delta, 4, n->delta);
        put_measure(&table, info->has_measures, 4, n->mean_positive);
        put_measure(&table, info->has_measures, 4, n->mean_negative);
        put_measure(&table, info->has_measures, 2, n->d);
        put_measure(&table, info->has_measures, 4, n->write);
    }
    cli_table_print(&table, stdout, 2);
}

void cli_show_shares(const cna_profile *profile)
{
    char three[16], tenth[16], quarter[16];
    uint32_t n = profile->n_layers;
    printf("%s in the last three layers, %s in the last tenth (%u), %s in the last quarter (%u)\n",
           cli_percent(three, profile->last_three), cli_percent(tenth, profile->last_tenth),
           cli_last_tenth(n), cli_percent(quarter, profile->last_quarter), cli_last_quarter(n));
}

static void show_profile(const cna_profile *profile)
{
    enum { WIDTH = 40 };
    size_t largest = 0;
    for (uint32_t layer = 0; layer < profile->n_layers; layer++) {
        if (profile->count[layer] > largest) largest = profile->count[layer];
    }
    printf("\nneurons by layer\n");
    cli_table table;
    cli_table_begin(&table, "rrrl");
    cli_table_row(&table, "layer|neurons|share|");
    for (uint32_t layer = 0; layer < profile->n_layers; layer++) {
        char percent[16], bar[WIDTH + 1];
        double share =
            profile->n_neurons != 0 ? (double)profile->count[layer] / (double)profile->n_neurons : 0;
        cli_table_cell(&table, "%u", layer);
        cli_table_cell(&table, "%zu", profile->count[layer]);
        cli_table_cell(&table, "%s", cli_percent(percent, share));
        cli_table_cell(&table, "%s", cli_bar(bar, WIDTH, (double)profile->count[layer], (double)largest));
    }
    cli_table_print(&table, stdout, 2);
    cli_show_shares(profile);
}

int cli_show_circuit(const cna_circuit *circuit)
{
    cna_error err;
    cna_profile profile;
    if (cna_circuit_profile(circuit, 0, &profile, &err) != CNA_OK) return cli_fail_error(&err);
    size_t n_neurons;
    const cna_neuron *neurons = cna_circuit_neurons(circuit, &n_neurons);
    show_origin(cna_circuit_get_info(circuit), n_neurons);
    show_neurons(cna_circuit_get_info(circuit), neurons, n_neurons);
    show_profile(&profile);
    cli_show_statistics(cna_circuit_get_statistics(circuit));
    cna_profile_clear(&profile);
    return CLI_DONE;
}

void cli_json_neuron(cli_json *json, const cna_circuit_info *info, const cna_neuron *neuron, size_t rank)
{
    cli_json_object(json, NULL);
    cli_json_count(json, "rank", rank);
    cli_json_count(json, "layer", neuron->layer);
    cli_json_count(json, "neuron", neuron->neuron);
    cli_json_f64(json, "delta", info->has_delta ? neuron->delta : NAN);
    cli_json_f64(json, "mean_positive", info->has_measures ? neuron->mean_positive : NAN);
    cli_json_f64(json, "mean_negative", info->has_measures ? neuron->mean_negative : NAN);
    cli_json_f64(json, "d", info->has_measures ? neuron->d : NAN);
    cli_json_f64(json, "write", info->has_measures ? neuron->write : NAN);
    cli_json_object_end(json);
}

void cli_json_profile(cli_json *json, const char *key, const cna_profile *profile)
{
    cli_json_object(json, key);
    cli_json_count(json, "n_layers", profile->n_layers);
    cli_json_count(json, "n_neurons", profile->n_neurons);
    cli_json_array(json, "count");
    for (uint32_t layer = 0; layer < profile->n_layers; layer++)
        cli_json_count(json, NULL, profile->count[layer]);
    cli_json_array_end(json);
    cli_json_f64(json, "last_three", profile->last_three);
    cli_json_f64(json, "last_tenth", profile->last_tenth);
    cli_json_f64(json, "last_quarter", profile->last_quarter);
    cli_json_object_end(json);
}

void cli_json_stated(cli_json *json, const char *key, const char *text)
{
    cli_json_text(json, key, text[0] != '\0' ? text : NULL);
}

static void json_origin(cli_json *json, const cna_circuit_info *info, size_t n_neurons)
{
    cli_json_object(json, "model");
    cli_json_stated(json, "name", info->model_name);
    cli_json_stated(json, "architecture", info->architecture);
    cli_json_count(json, "n_layers", info->n_layers);
    cli_json_count(json, "mlp_dim", info->mlp_dim);
    cli_json_count(json, "hidden_dim", info->hidden_dim);
    cli_json_stated(json, "dtype", info->model_dtype);
    cli_json_stated(json, "fingerprint", info->fingerprint);
    cli_json_object_end(json);
    cli_json_object(json, "method");
    cli_json_text(json, "preset", cli_preset_name(info->preset));
    cli_json_text(json, "score", cli_score_name(info->score));
    cli_json_f64(json, "fraction", info->fraction != 0 ? info->fraction : NAN); /* null: k was given */
    cli_json_count(json, "k", n_neurons);
    cli_json_bool(json, "per_layer", info->per_layer);
    cli_json_array(json, "layers");
    cli_json_count(json, NULL, info->first_layer);
    cli_json_count(json, NULL, info->last_layer);
    cli_json_array_end(json);
    cli_json_object(json, "universal");
    cli_json_stated(json, "source", info->universal_source);
    cli_json_f64(json, "threshold", info->universal_threshold);
    cli_json_f64(json, "share", info->universal_share);
    cli_json_count(json, "excluded", info->n_universal);
    cli_json_object_end(json);
    cli_json_object_end(json);
    cli_json_object(json, "prompts");
    cli_json_count(json, "positive", info->n_positive);
    cli_json_count(json, "negative", info->n_negative);
    cli_json_stated(json, "format", info->prompt_format);
    cli_json_stated(json, "date", info->date);
    cli_json_object_end(json);
}

int cli_circuit_json(const cna_circuit *circuit, const char *path)
{
    cna_error err;
    cna_profile profile;
    if (cna_circuit_profile(circuit, 0, &profile, &err) != CNA_OK) return cli_fail_error(&err);
    size_t n_neurons;
    const cna_neuron *neurons = cna_circuit_neurons(circuit, &n_neurons);
    cli_json json = {.stream = stdout};
    cli_json_object(&json, NULL);
    cli_json_text(&json, "type", "circuit");
    cli_json_text(&json, "path", path);
    if (cli_is_foreign(cna_circuit_get_info(circuit))) {
        cli_json_null(&json, "model");
    } else {
        json_origin(&json, cna_circuit_get_info(circuit), n_neurons);
    }
    cli_json_count(&json, "n_neurons", n_neurons);
    cli_json_profile(&json, "profile", &profile);
    cli_json_statistics(&json, cna_circuit_get_statistics(circuit));
    cli_json_array(&json, "top");
    for (size_t i = 0; i < n_neurons && i < CLI_TOP_NEURONS; i++)
        cli_json_neuron(&json, cna_circuit_get_info(circuit), &neurons[i], i + 1);
    cli_json_array_end(&json);
    cli_json_object_end(&json);
    cli_json_line(&json);
    cna_profile_clear(&profile);
    return CLI_DONE;
}
