/* SPDX-License-Identifier: MIT
 * What a file of vectors holds. */
#include "cli/vector_view.h"

#include "cli/json.h"
#include "cli/table.h"
#include "cli/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *cli_caa_name(cna_caa_site site)
{
    return site == CNA_CAA_MLP ? "mlp" : "residual";
}

static double norm_of(const float *v, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)v[i] * (double)v[i];
    return sqrt(sum);
}

static double largest_of(const float *v, size_t n)
{
    double largest = 0;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs((double)v[i]));
    return largest;
}

static void put_field(const char *name, const char *text)
{
    printf("%-11s", name);
    cli_put_safe(stdout, text, strlen(text), CLI_ONE_LINE);
    putchar('\n');
}

static void show_origin(const cna_caa_info *info)
{
    char text[1024];
    if (info->foreign) {
        put_field("model", info->architecture[0] != '\0' ? info->architecture : "not stated by the file");
        put_field("prompts", "not stated by the file");
        put_field("definition", "not stated by the file");
        return;
    }
    snprintf(text, sizeof text, "%s (%s, %s, %u layers)", info->model_name, info->architecture, info->model_dtype,
             info->n_layers);
    put_field("model", text);
    snprintf(text, sizeof text, "%s, %zu positive and %zu negative%s%s", info->prompt_format, info->n_positive,
             info->n_negative, info->date[0] != '\0' ? ", date " : "", info->date);
    put_field("prompts", text);
    if (info->chat_options[0] != '\0') put_field("chat", info->chat_options);
    put_field("measured", info->site == CNA_CAA_MLP ? "MLP output" : "residual stream behind the layer");
    snprintf(text, sizeof text, "%s; normalisation %s; by cna %s", info->definition, info->normalisation,
             info->version);
    put_field("definition", text);
}

void cli_show_vectors(const cna_caa *caa)
{
    const cna_caa_info *info = cna_caa_get_info(caa);
    size_t dim = info->hidden_dim;
    char text[128];
    snprintf(text, sizeof text, "%zu of %zu components", info->n_vectors, dim);
    put_field("vectors", text);
    snprintf(text, sizeof text, "alpha * v added behind each layer, layers from 0%s",
             info->foreign ? " (nothing else is stated)" : "");
    put_field("operation", text);
    show_origin(info);
    putchar('\n');
    cli_table table;
    cli_table_begin(&table, "rlrr");
    cli_table_row(&table, "layer|tensor|norm|largest");
    for (size_t i = 0; i < info->n_vectors; i++) {
        uint32_t layer = cna_caa_layers(caa)[i];
        const float *v = cna_caa_vectors(caa) + i * dim;
        cli_table_cell(&table, "%u", layer);
        cli_table_cell(&table, layer == 0 ? "none: key cna.direction.0" : "direction.%u", layer);
        cli_table_cell(&table, "%.4f", norm_of(v, dim));
        cli_table_cell(&table, "%.4f", largest_of(v, dim));
    }
    cli_table_print(&table, stdout, 2);
}

static void put_known(cli_json *json, const char *key, const char *text)
{
    cli_json_text(json, key, text[0] == '\0' ? NULL : text);
}

static void json_origin(cli_json *json, const cna_caa_info *info)
{
    cli_json_object(json, "model");
    put_known(json, "name", info->model_name);
    put_known(json, "architecture", info->architecture);
    put_known(json, "dtype", info->model_dtype);
    put_known(json, "fingerprint", info->fingerprint);
    if (info->n_layers != 0) cli_json_count(json, "n_layers", info->n_layers);
    else cli_json_null(json, "n_layers");
    cli_json_object_end(json);
    put_known(json, "site", info->foreign ? "" : cli_caa_name(info->site));
    put_known(json, "definition", info->definition);
    put_known(json, "normalisation", info->normalisation);
    put_known(json, "version", info->version);
    cli_json_object(json, "prompts");
    cli_json_count(json, "n_positive", info->n_positive);
    cli_json_count(json, "n_negative", info->n_negative);
    put_known(json, "format", info->prompt_format);
    put_known(json, "date", info->date);
    cli_json_object_or_null(json, "chat_options", info->chat_options);
    cli_json_object_end(json);
}

void cli_vectors_json(const cna_caa *caa, const char *path)
{
    const cna_caa_info *info = cna_caa_get_info(caa);
    size_t dim = info->hidden_dim;
    cli_json json = {.stream = stdout};
    cli_json_object(&json, NULL);
    cli_json_text(&json, "type", "vectors");
    cli_json_text(&json, "path", path);
    cli_json_bool(&json, "foreign", info->foreign);
    cli_json_text(&json, "operation", "add");
    cli_json_count(&json, "hidden_dim", dim);
    json_origin(&json, info);
    cli_json_array(&json, "layers");
    for (size_t i = 0; i < info->n_vectors; i++) {
        const float *v = cna_caa_vectors(caa) + i * dim;
        cli_json_object(&json, NULL);
        cli_json_count(&json, "layer", cna_caa_layers(caa)[i]);
        cli_json_f64(&json, "norm", norm_of(v, dim));
        cli_json_f64(&json, "largest", largest_of(v, dim));
        cli_json_object_end(&json);
    }
    cli_json_array_end(&json);
    cli_json_object_end(&json);
    cli_json_line(&json);
}
