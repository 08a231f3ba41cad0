/* SPDX-License-Identifier: MIT
 * What the results of studies have in common. */
#include "cli/study_view.h"

#include "cli/circuit_view.h"
#include "cli/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void cli_json_rate(cli_json *json, const char *key, const cna_rate *rate)
{
    cli_json_object(json, key);
    cli_json_count(json, "count", rate->count);
    cli_json_count(json, "n", rate->n);
    cli_json_f64(json, "rate", rate->rate);
    cli_json_f64(json, "low", rate->low);
    cli_json_f64(json, "high", rate->high);
    cli_json_object_end(json);
}

void cli_json_used_model(cli_json *json, const cna_model_info *model)
{
    cli_json_object(json, "model");
    cli_json_text(json, "name", model->name);
    cli_json_text(json, "architecture", model->architecture);
    cli_json_text(json, "dtype", model->compute_dtype);
    cli_json_text(json, "fingerprint", model->fingerprint);
    cli_json_object_end(json);
}

/* Which definition a circuit was found by; null where its file does not say. */
static void json_circuit(cli_json *json, const char *path, const cna_circuit *circuit)
{
    const cna_circuit_info *info = cna_circuit_get_info(circuit);
    bool foreign = cli_is_foreign(info);
    size_t n_neurons;
    (void)cna_circuit_neurons(circuit, &n_neurons);
    cli_json_object(json, NULL);
    cli_json_text(json, "path", path);
    cli_json_count(json, "n_neurons", n_neurons);
    cli_json_text(json, "preset", foreign ? NULL : cli_preset_name(info->preset));
    cli_json_text(json, "score", foreign ? NULL : cli_score_name(info->score));
    cli_json_count(json, "k", n_neurons);
    cli_json_f64(json, "fraction", info->fraction != 0 ? info->fraction : NAN);
    if (foreign) {
        cli_json_null(json, "layers");
    } else {
        cli_json_array(json, "layers");
        cli_json_count(json, NULL, info->first_layer);
        cli_json_count(json, NULL, info->last_layer);
        cli_json_array_end(json);
    }
    cli_json_stated(json, "universal", info->universal_source);
    cli_json_stated(json, "fingerprint", info->fingerprint);
    cli_json_object_end(json);
}

void cli_json_used_circuits(cli_json *json, const char *const *paths, const cna_circuit *const *circuits, size_t n)
{
    cli_json_array(json, "circuits");
    for (size_t i = 0; i < n; i++) json_circuit(json, paths[i], circuits[i]);
    cli_json_array_end(json);
}

void cli_show_used_circuits(const char *const *paths, const cna_circuit *const *circuits, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const cna_circuit_info *info = cna_circuit_get_info(circuits[i]);
        size_t n_neurons;
        (void)cna_circuit_neurons(circuits[i], &n_neurons);
        printf("circuit  ");
        cli_put_safe(stdout, paths[i], strlen(paths[i]), CLI_ONE_LINE);
        if (cli_is_foreign(info)) {
            printf(" (%zu neurons; definition not stated by the file)\n", n_neurons);
        } else {
            printf(" (%zu neurons; preset %s, score %s)\n", n_neurons, cli_preset_name(info->preset),
                   cli_score_name(info->score));
        }
    }
}

/* Two decimals where they say it all, so that the points line up. */
static void put_number(cli_table *table, double value)
{
    bool is_short = fabs(100 * value - round(100 * value)) < 1e-9;
    cli_table_cell(table, is_short ? "%.2f" : "%g", value);
}

void cli_table_multiplier(cli_table *table, double multiplier)
{
    put_number(table, multiplier);
    put_number(table, 1 - multiplier);
}
