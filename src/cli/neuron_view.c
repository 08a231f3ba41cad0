/* SPDX-License-Identifier: MIT
 * Neurons on the screen and as JSON. */
#include "cli/neuron_view.h"

#include "cli/circuit_view.h"
#include "cli/messages.h"
#include "cli/table.h"
#include "cli/text.h"

#include <stdio.h>
#include <string.h>

/* The circuit's entry of a neuron and its rank from 1; NULL where it is none of the circuit's. */
static const cna_neuron *find_entry(const cna_circuit *circuit, const cna_neuron_view *view, size_t *rank)
{
    size_t n_neurons;
    const cna_neuron *neurons = cna_circuit_neurons(circuit, &n_neurons);
    for (size_t i = 0; i < n_neurons; i++) {
        if (neurons[i].layer != view->layer || neurons[i].neuron != view->neuron) continue;
        *rank = i + 1;
        return &neurons[i];
    }
    return NULL;
}

/* ---- tokens ---- */

/* What an id stands for, in quotes; rows of the head without a token have none. */
static int put_text_cell(cli_table *table, const cna_tokenizer *tokenizer, int32_t id)
{
    cna_error err;
    char *text = NULL;
    size_t n_bytes;
    if (cna_tokenizer_piece(tokenizer, id) == NULL) {
        cli_table_cell(table, "no token");
        return CLI_DONE;
    }
    if (cna_tokenizer_decode(tokenizer, &id, 1, false, &text, &n_bytes, &err) != CNA_OK) return cli_fail_error(&err);
    cli_table_cell(table, "\"%s\"", text);
    cna_free(text);
    return CLI_DONE;
}

static int put_token(cli_table *table, const cna_tokenizer *tokenizer, const cna_neuron_token *token)
{
    const char *piece = cna_tokenizer_piece(tokenizer, token->id);
    cli_table_cell(table, "%+.4f", token->weight);
    cli_table_cell(table, "%d", token->id);
    cli_table_cell(table, "%s", piece != NULL ? piece : "");
    return put_text_cell(table, tokenizer, token->id);
}

static int show_tokens(const cli_neuron_result *result, const cna_neuron_view *view)
{
    cli_table table;
    int code = CLI_DONE;
    printf("\ntokens, in logits for each unit of h before the final norm's division (all tokens: mean %.4f, deviation "
           "%.4f)\n", view->mean, view->deviation);
    cli_table_begin(&table, "rrllrrll");
    cli_table_row(&table, "promoted|id|piece|text|suppressed|id|piece|text");
    for (size_t i = 0; i < view->n_tokens && code == CLI_DONE; i++) {
        code = put_token(&table, result->tokenizer, &view->promoted[i]);
        if (code == CLI_DONE) code = put_token(&table, result->tokenizer, &view->suppressed[i]);
    }
    cli_table_print(&table, stdout, 2);
    return code;
}

/* The first tokens of one sign in one cell: pieces with commas between. */
static void put_token_list(cli_table *table, const cna_tokenizer *tokenizer, const cna_neuron_token *tokens, size_t n)
{
    char text[CLI_CELL_BYTES] = "";
    for (size_t i = 0; i < n; i++) {
        const char *piece = cna_tokenizer_piece(tokenizer, tokens[i].id);
        char one[28];
        if (piece != NULL) {
            cli_format_safe(one, sizeof one, piece, strlen(piece));
        } else {
            snprintf(one, sizeof one, "(id %d)", tokens[i].id);
        }
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%s", i == 0 ? "" : ", ", one);
    }
    cli_table_cell(table, "%s", text);
}

/* ---- activations ---- */

static void put_activation(cli_table *table, const cna_neuron_activation *activation)
{
    char percent[16];
    cli_table_cell(table, "%.4f", activation->h);
    cli_table_cell(table, "%s", cli_percent(percent, activation->share));
    cli_table_cell(table, "%s", cli_percent(percent, activation->projection));
}

static void show_activations(const cli_neuron_result *result, const cna_neuron_view *view)
{
    const cna_neuron_activation *of_set = view->activations;
    for (size_t set = 0; set < result->n_sets; set++) {
        const cli_neuron_set *s = &result->sets[set];
        size_t n_prompts = cna_prompts_count(s->prompts);
        printf("\n%s: %zu prompts, at their last token\n", s->name, n_prompts);
        cli_table table;
        cli_table_begin(&table, "rrrl");
        cli_table_row(&table, "h|share|projection|prompt");
        for (size_t i = 0; i < n_prompts; i++) {
            put_activation(&table, &of_set[i]);
            cli_table_cell(&table, "%s", cna_prompts_text(s->prompts, i, NULL));
        }
        put_activation(&table, &view->means[set]);
        cli_table_cell(&table, "(mean)");
        cli_table_print(&table, stdout, 2);
        of_set += n_prompts;
    }
}

int cli_show_neuron(const cli_neuron_result *result)
{
    const cna_neuron_view *view = &result->views[0];
    const cna_circuit_info *info = cna_circuit_get_info(result->circuit);
    size_t n_neurons, rank = 0;
    cna_circuit_neurons(result->circuit, &n_neurons);
    const cna_neuron *entry = find_entry(result->circuit, view, &rank);
    if (entry != NULL) {
        printf("layer %u, neuron %u: rank %zu of %zu", view->layer, view->neuron, rank, n_neurons);
        if (info->has_delta) printf(", delta %.4f", entry->delta);
    } else {
        printf("layer %u, neuron %u: not in the circuit", view->layer, view->neuron);
    }
    printf(", norm of its column %.4f\n", view->column_norm);
    int code = show_tokens(result, view);
    if (code == CLI_DONE) show_activations(result, view);
    return code;
}

int cli_show_neurons(const cli_neuron_result *result)
{
    static const char *const align[] = {"rrrrrll", "rrrrrrrll", "rrrrrrrrrll", "rrrrrrrrrrrll"};
    const cna_circuit_info *info = cna_circuit_get_info(result->circuit);
    cli_table table;
    cli_table_begin(&table, align[result->n_sets]);
    cli_table_row(&table, "rank|layer|neuron|delta|column");
    for (size_t set = 0; set < result->n_sets; set++) {
        cli_table_cell(&table, "h %s", result->sets[set].name);
        cli_table_cell(&table, "share");
    }
    cli_table_row(&table, "promotes|suppresses");
    for (size_t i = 0; i < result->n_views; i++) {
        const cna_neuron_view *view = &result->views[i];
        size_t rank = 0;
        const cna_neuron *entry = find_entry(result->circuit, view, &rank);
        char delta[32] = "-", percent[16];
        if (entry != NULL && info->has_delta) snprintf(delta, sizeof delta, "%.4f", entry->delta);
        cli_table_cell(&table, "%zu", rank);
        cli_table_cell(&table, "%u", view->layer);
        cli_table_cell(&table, "%u", view->neuron);
        cli_table_cell(&table, "%s", delta);
        cli_table_cell(&table, "%.4f", view->column_norm);
        for (size_t set = 0; set < result->n_sets; set++) {
            cli_table_cell(&table, "%.4f", view->means[set].h);
            cli_table_cell(&table, "%s", cli_percent(percent, view->means[set].share));
        }
        put_token_list(&table, result->tokenizer, view->promoted, view->n_tokens);
        put_token_list(&table, result->tokenizer, view->suppressed, view->n_tokens);
    }
    cli_table_print(&table, stdout, 0);
    return CLI_DONE;
}

/* ---- JSON ---- */

static void json_tokens(cli_json *json, const char *key, const cli_neuron_result *result,
                        const cna_neuron_token *tokens, size_t n_tokens)
{
    cli_json_array(json, key);
    for (size_t i = 0; i < n_tokens; i++) {
        cli_json_object(json, NULL);
        cli_json_int(json, "id", tokens[i].id);
        cli_json_text(json, "piece", cna_tokenizer_piece(result->tokenizer, tokens[i].id));
        cli_json_f64(json, "weight", tokens[i].weight);
        cli_json_object_end(json);
    }
    cli_json_array_end(json);
}

static void json_activation(cli_json *json, const cna_neuron_activation *activation)
{
    cli_json_f64(json, "h", activation->h);
    cli_json_f64(json, "share", activation->share);
    cli_json_f64(json, "projection", activation->projection);
}

static void json_sets(cli_json *json, const cli_neuron_result *result, const cna_neuron_view *view, bool each_prompt)
{
    const cna_neuron_activation *of_set = view->activations;
    cli_json_array(json, "sets");
    for (size_t set = 0; set < result->n_sets; set++) {
        size_t n_prompts = cna_prompts_count(result->sets[set].prompts);
        cli_json_object(json, NULL);
        cli_json_text(json, "set", result->sets[set].name);
        cli_json_object(json, "mean");
        json_activation(json, &view->means[set]);
        cli_json_object_end(json);
        if (each_prompt) cli_json_array(json, "prompts");
        for (size_t i = 0; each_prompt && i < n_prompts; i++) {
            size_t n_bytes;
            const char *text = cna_prompts_text(result->sets[set].prompts, i, &n_bytes);
            cli_json_object(json, NULL);
            cli_json_bytes(json, "prompt", text, n_bytes);
            json_activation(json, &of_set[i]);
            cli_json_object_end(json);
        }
        if (each_prompt) cli_json_array_end(json);
        cli_json_object_end(json);
        of_set += n_prompts;
    }
    cli_json_array_end(json);
}

static void json_neuron(cli_json *json, const cli_neuron_result *result, const cna_neuron_view *view, bool each_prompt)
{
    const cna_circuit_info *info = cna_circuit_get_info(result->circuit);
    size_t rank = 0;
    const cna_neuron *entry = find_entry(result->circuit, view, &rank);
    cli_json_object(json, NULL);
    if (entry != NULL) cli_json_count(json, "rank", rank);
    else cli_json_null(json, "rank");
    cli_json_count(json, "layer", view->layer);
    cli_json_count(json, "neuron", view->neuron);
    if (entry != NULL && info->has_delta) cli_json_f64(json, "delta", entry->delta);
    else cli_json_null(json, "delta");
    cli_json_f64(json, "column_norm", view->column_norm);
    cli_json_f64(json, "mean", view->mean);
    cli_json_f64(json, "deviation", view->deviation);
    json_tokens(json, "promoted", result, view->promoted, view->n_tokens);
    json_tokens(json, "suppressed", result, view->suppressed, view->n_tokens);
    json_sets(json, result, view, each_prompt);
    cli_json_object_end(json);
}

void cli_neurons_json(const cli_neuron_result *result, bool each_prompt)
{
    cli_json json = {.stream = stdout};
    cli_json_object(&json, NULL);
    cli_json_text(&json, "type", "neurons");
    cli_json_text(&json, "path", result->path);
    cli_json_object(&json, "model");
    cli_json_text(&json, "name", result->model->name);
    cli_json_text(&json, "fingerprint", result->model->fingerprint);
    cli_json_object_end(&json);
    cli_json_bool(&json, "other_weights", result->other_weights);
    cli_json_array(&json, "sets");
    for (size_t set = 0; set < result->n_sets; set++) {
        cli_json_object(&json, NULL);
        cli_json_text(&json, "set", result->sets[set].name);
        cli_json_text(&json, "path", result->sets[set].path);
        cli_json_count(&json, "n_prompts", cna_prompts_count(result->sets[set].prompts));
        cli_json_object_end(&json);
    }
    cli_json_array_end(&json);
    cli_json_array(&json, "neurons");
    for (size_t i = 0; i < result->n_views; i++) json_neuron(&json, result, &result->views[i], each_prompt);
    cli_json_array_end(&json);
    cli_json_object_end(&json);
    cli_json_line(&json);
}
