/* SPDX-License-Identifier: MIT
 * A survey of a model. */
#include "cli/model_view.h"

#include "cli/json.h"
#include "cli/table.h"
#include "cli/text.h"

#include <stdio.h>
#include <string.h>

/* As the user types them. */
static const char *const uses[CNA_N_USES] = {"attribute", "generate", "sweep", "mmlu", "tokenize --chat"};

/* k of the paper's definition: METHOD section 3. */
static uint64_t neurons_at_paper_fraction(uint64_t n_neurons)
{
    uint64_t k = (uint64_t)(0.001 * (double)n_neurons + 1e-9);
    return k == 0 ? 1 : k;
}

/* ---- screen ---- */

static void put_text(const char *name, const char *text)
{
    printf("%-14s", name);
    cli_put_safe(stdout, text, strlen(text), CLI_ONE_LINE);
    putchar('\n');
}

static void show_weights(const cna_survey *s)
{
    const cna_model_info *info = &s->info;
    if (s->has_weights) {
        printf("%-14s%.3f million in %zu file%s, %.1f MB, stored as %s, computed in %s\n", "parameters",
               1e-6 * (double)info->n_parameters, info->n_files, info->n_files == 1 ? "" : "s",
               1e-6 * (double)info->size_bytes, info->storage_dtype, info->compute_dtype);
    } else {
        printf("%-14s%.3f million by config.json, which %s%s%s; the weights are not here\n", "parameters",
               1e-6 * (double)info->n_parameters, s->names_dtype ? "says " : "names no known torch_dtype or dtype, so ",
               info->storage_dtype, s->names_dtype ? "" : " is taken");
    }
    printf("%-14s", "stored");
    for (size_t i = 0; i < s->n_dtypes; i++) {
        const cna_dtype_share *d = &s->dtypes[i];
        printf("%s%s: %llu tensors, %.3f million, %.1f MB", i == 0 ? "" : "; ", d->dtype,
               (unsigned long long)d->n_tensors, 1e-6 * (double)d->n_parameters, 1e-6 * (double)d->n_bytes);
    }
    putchar('\n');
}

static void show_shape(const cna_model_info *info)
{
    uint64_t n_neurons = (uint64_t)info->n_layers * info->mlp_dim;
    printf("%-14s%u, hidden %u, MLP %u\n", "layers", info->n_layers, info->hidden_dim, info->mlp_dim);
    printf("%-14s%u heads of %u, %u for keys and values%s\n", "attention", info->n_heads, info->head_dim,
           info->n_kv_heads, info->qkv_bias ? ", with q/k/v bias" : "");
    printf("%-14s%u rows%s, %u ids in the tokenizer\n", "embedding", info->vocab_size,
           info->tied_embeddings ? " (tied)" : "", info->n_tokenizer_ids);
    printf("%-14s%u", "positions", info->max_positions);
    if (info->n_window_layers > 0) {
        printf("; %u of %u layers attend to the last %u", info->n_window_layers, info->n_layers, info->window);
    }
    if (info->position_limit > 0) printf("; texts of at most %u tokens (longrope)", info->position_limit);
    putchar('\n');
    printf("%-14s%u a layer, %llu in all; 0.1 %% is %llu\n", "neurons", info->mlp_dim,
           (unsigned long long)n_neurons, (unsigned long long)neurons_at_paper_fraction(n_neurons));
}

static void show_tokens(const char *name, const cna_token_text *tokens, size_t n)
{
    printf("%-14s%s", name, n == 0 ? "none" : "");
    for (size_t i = 0; i < n; i++) {
        printf("%s%d", i == 0 ? "" : ", ", tokens[i].id);
        if (tokens[i].text[0] == '\0') continue;
        putchar(' ');
        cli_put_safe(stdout, tokens[i].text, strlen(tokens[i].text), CLI_ONE_LINE);
    }
    putchar('\n');
}

/*   bound  0: the files themselves do not fit, which they must to be used in place */
static void add_plan(cli_table *table, const char *name, const cna_memory_plan *plan, uint64_t bound)
{
    cli_table_cell(table, "%s", name);
    cli_table_cell(table, "%.1f MB", 1e-6 * (double)plan->weights_bytes);
    cli_table_cell(table, "%.1f MB", 1e-6 * (double)plan->attribute_bytes);
    cli_table_cell(table, "%s", plan->attribute_bytes <= bound ? "yes" : "no");
    cli_table_cell(table, "%.1f MB", 1e-6 * (double)plan->generate_bytes);
    cli_table_cell(table, "%s", plan->generate_bytes <= bound ? "yes" : "no");
}

static void show_memory(const cna_survey *s)
{
    cli_table table;
    uint64_t n_bytes = 0;
    for (size_t i = 0; i < s->n_dtypes; i++) n_bytes += s->dtypes[i].n_bytes;
    printf("\nmemory held, with a bound of %.1f MB (--memory), for attribution of %d prompts of %d tokens and for\n"
           "generation of %d answers of %d tokens at once\n", 1e-6 * (double)s->memory_bytes, (int)CNA_SURVEY_PROMPTS,
           (int)CNA_SURVEY_PROMPT_TOKENS, (int)CNA_SURVEY_BATCH, (int)CNA_SURVEY_ANSWER_TOKENS);
    cli_table_begin(&table, "lrrlrl");
    cli_table_row(&table, "weights|copies|attribute|fits|generate|fits");
    add_plan(&table, "packed", &s->packed, s->memory_bytes);
    add_plan(&table, "in place", &s->in_place, n_bytes <= s->memory_bytes ? s->memory_bytes : 0);
    add_plan(&table, "streamed", &s->streamed, s->memory_bytes);
    cli_table_print(&table, stdout, 2);
}

static void show_uses(const cna_survey *s)
{
    printf("\ncommands\n");
    for (int use = 0; use < CNA_N_USES; use++) {
        printf("  %-17s%s", uses[use], s->works[use] ? "works" : "no: ");
        cli_put_safe(stdout, s->reason[use], strlen(s->reason[use]), CLI_ONE_LINE);
        putchar('\n');
    }
}

void cli_show_model(const cna_survey *s)
{
    const cna_model_info *info = &s->info;
    put_text("model", info->name);
    if (info->revision[0] != '\0') put_text("revision", info->revision);
    put_text("architecture", info->architecture);
    show_weights(s);
    show_shape(info);
    put_text("chat", !s->has_tokenizer           ? "no tokenizer here"
                     : info->has_chat_template ? info->chat_family
                                               : "no template: prompts are raw text");
    show_tokens("raw text", s->begin, s->n_begin);
    show_tokens("stop ids", s->stop, s->n_stop);
    if (s->has_weights) put_text("fingerprint", info->fingerprint);
    show_memory(s);
    show_uses(s);
}

/* ---- JSON ---- */

static void put_plan(cli_json *json, const char *key, const cna_memory_plan *plan)
{
    cli_json_object(json, key);
    cli_json_count(json, "weights_bytes", plan->weights_bytes);
    cli_json_count(json, "attribute_bytes", plan->attribute_bytes);
    cli_json_count(json, "generate_bytes", plan->generate_bytes);
    cli_json_object_end(json);
}

static void put_tokens(cli_json *json, const char *key, const cna_token_text *tokens, size_t n)
{
    cli_json_array(json, key);
    for (size_t i = 0; i < n; i++) {
        cli_json_object(json, NULL);
        cli_json_int(json, "id", tokens[i].id);
        cli_json_text(json, "text", tokens[i].text[0] != '\0' ? tokens[i].text : NULL);
        cli_json_object_end(json);
    }
    cli_json_array_end(json);
}

static void put_shape(cli_json *json, const cna_model_info *info)
{
    cli_json_count(json, "n_layers", info->n_layers);
    cli_json_count(json, "hidden_dim", info->hidden_dim);
    cli_json_count(json, "mlp_dim", info->mlp_dim);
    cli_json_count(json, "n_heads", info->n_heads);
    cli_json_count(json, "n_kv_heads", info->n_kv_heads);
    cli_json_count(json, "head_dim", info->head_dim);
    cli_json_count(json, "vocab_size", info->vocab_size);
    cli_json_count(json, "n_tokenizer_ids", info->n_tokenizer_ids);
    cli_json_count(json, "max_positions", info->max_positions);
    cli_json_count(json, "window", info->window);
    cli_json_count(json, "n_window_layers", info->n_window_layers);
    cli_json_count(json, "position_limit", info->position_limit);
    cli_json_bool(json, "tied_embeddings", info->tied_embeddings);
    cli_json_bool(json, "qkv_bias", info->qkv_bias);
    cli_json_bool(json, "has_chat_template", info->has_chat_template);
    cli_json_text(json, "chat_family", info->chat_family);
    cli_json_count(json, "n_parameters", info->n_parameters);
    cli_json_count(json, "size_bytes", info->size_bytes);
    cli_json_count(json, "n_files", info->n_files);
    uint64_t n_neurons = (uint64_t)info->n_layers * info->mlp_dim;
    cli_json_count(json, "n_neurons", n_neurons);
    cli_json_count(json, "k_at_0.001", neurons_at_paper_fraction(n_neurons));
}

static void put_survey(cli_json *json, const cna_survey *s)
{
    cli_json_bool(json, "has_weights", s->has_weights);
    cli_json_bool(json, "has_tokenizer", s->has_tokenizer);
    cli_json_array(json, "dtypes");
    for (size_t i = 0; i < s->n_dtypes; i++) {
        cli_json_object(json, NULL);
        cli_json_text(json, "dtype", s->dtypes[i].dtype);
        cli_json_count(json, "n_tensors", s->dtypes[i].n_tensors);
        cli_json_count(json, "n_parameters", s->dtypes[i].n_parameters);
        cli_json_count(json, "n_bytes", s->dtypes[i].n_bytes);
        cli_json_object_end(json);
    }
    cli_json_array_end(json);
    cli_json_object(json, "memory");
    cli_json_count(json, "bound_bytes", s->memory_bytes);
    put_plan(json, "packed", &s->packed);
    put_plan(json, "in_place", &s->in_place);
    put_plan(json, "streamed", &s->streamed);
    cli_json_object_end(json);
    put_tokens(json, "raw_begin", s->begin, s->n_begin);
    put_tokens(json, "stop", s->stop, s->n_stop);
    cli_json_object(json, "commands");
    for (int use = 0; use < CNA_N_USES; use++) {
        cli_json_object(json, uses[use]);
        cli_json_bool(json, "works", s->works[use]);
        cli_json_text(json, "reason", s->works[use] ? NULL : s->reason[use]);
        cli_json_object_end(json);
    }
    cli_json_object_end(json);
}

void cli_model_json(const cna_survey *s, const char *path)
{
    const cna_model_info *info = &s->info;
    cli_json json = {.stream = stdout};
    cli_json_object(&json, NULL);
    cli_json_text(&json, "type", "model");
    cli_json_text(&json, "path", path);
    cli_json_text(&json, "name", info->name);
    cli_json_text(&json, "revision", info->revision[0] != '\0' ? info->revision : NULL);
    cli_json_text(&json, "architecture", info->architecture);
    cli_json_text(&json, "storage_dtype", info->storage_dtype);
    cli_json_text(&json, "compute_dtype", info->compute_dtype);
    cli_json_text(&json, "fingerprint", s->has_weights ? info->fingerprint : NULL);
    put_shape(&json, info);
    put_survey(&json, s);
    cli_json_object_end(&json);
    cli_json_line(&json);
}
