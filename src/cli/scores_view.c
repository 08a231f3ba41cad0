/* SPDX-License-Identifier: MIT
 * Rankings side by side. Activations grow with depth, so |delta| alone favours late layers. */
#include "cli/scores_view.h"

#include "cli/circuit_view.h"
#include "cli/messages.h"
#include "cli/table.h"

#include <stdio.h>

enum { N_RANKINGS = 4, DELTA = 0 };

static const cna_ranking rankings[N_RANKINGS] = {
    {CNA_SCORE_DELTA, false}, {CNA_SCORE_D, false}, {CNA_SCORE_WRITE, false}, {CNA_SCORE_DELTA, true}};

/* One ranking's circuit beside the others. */
typedef struct column {
    cna_profile profile;
    cna_overlap with_delta;    /* a: the delta circuit, b: this one */
    cna_overlap_chance chance; /* of that overlap */
    cna_overlap with_asked;    /* a: the circuit that was asked for */
} column;

static cna_status measure(const cna_circuit *asked, cna_circuit *const *circuits, column *columns, cna_error *err)
{
    cna_status status = CNA_OK;
    for (int i = 0; i < N_RANKINGS && status == CNA_OK; i++) {
        column *c = &columns[i];
        status = cna_circuit_profile(circuits[i], 0, &c->profile, err);
        if (status == CNA_OK) status = cna_circuit_overlap(circuits[DELTA], circuits[i], &c->with_delta, err);
        if (status == CNA_OK) status = cna_circuit_overlap_chance(circuits[DELTA], circuits[i], &c->chance, err);
        if (status == CNA_OK) status = cna_circuit_overlap(asked, circuits[i], &c->with_asked, err);
    }
    return status;
}

static double last_three(const column *c)
{
    return c->profile.last_three;
}

static double last_tenth(const column *c)
{
    return c->profile.last_tenth;
}

static double last_quarter(const column *c)
{
    return c->profile.last_quarter;
}

static double in_delta(const column *c)
{
    return c->with_delta.share_of_b;
}

static double in_asked(const column *c)
{
    return c->with_asked.share_of_b;
}

static void put_row(cli_table *table, const char *name, const column *columns, double (*share)(const column *))
{
    cli_table_cell(table, "%s", name);
    for (int i = 0; i < N_RANKINGS; i++) {
        char percent[16];
        cli_table_cell(table, "%s", cli_percent(percent, share(&columns[i])));
    }
}

static void show(const column *columns)
{
    printf("\nas many neurons by each score, and the same number of each layer by delta\n");
    cli_table table;
    cli_table_begin(&table, "rrrrr");
    cli_table_row(&table, "layer|delta|d|write|delta, by layer");
    for (uint32_t layer = 0; layer < columns[0].profile.n_layers; layer++) {
        cli_table_cell(&table, "%u", layer);
        for (int i = 0; i < N_RANKINGS; i++) cli_table_cell(&table, "%zu", columns[i].profile.count[layer]);
    }
    cli_table_cell(&table, "neurons");
    for (int i = 0; i < N_RANKINGS; i++) cli_table_cell(&table, "%zu", columns[i].profile.n_neurons);
    put_row(&table, "last three layers", columns, last_three);
    put_row(&table, "last tenth", columns, last_tenth);
    put_row(&table, "last quarter", columns, last_quarter);
    put_row(&table, "in the circuit", columns, in_asked);
    put_row(&table, "in delta's", columns, in_delta);
    cli_table_cell(&table, "Jaccard with delta's");
    for (int i = 0; i < N_RANKINGS; i++) cli_table_cell(&table, "%.4f", columns[i].with_delta.jaccard);
    cli_table_cell(&table, "in both by chance");
    for (int i = 0; i < N_RANKINGS; i++) cli_table_cell(&table, "%.4g", columns[i].chance.expected_layers);
    cli_table_print(&table, stdout, 2);
}

static void print_json(const column *columns)
{
    cli_json json = {.stream = stdout};
    cli_json_object(&json, NULL);
    cli_json_text(&json, "type", "scores");
    cli_json_array(&json, "rankings");
    for (int i = 0; i < N_RANKINGS; i++) {
        const column *c = &columns[i];
        cli_json_object(&json, NULL);
        cli_json_text(&json, "score", cli_score_name(rankings[i].score));
        cli_json_bool(&json, "per_layer", rankings[i].per_layer);
        cli_json_profile(&json, "profile", &c->profile);
        cli_json_f64(&json, "share_in_circuit", c->with_asked.share_of_b);
        cli_json_object(&json, "with_delta");
        cli_json_count(&json, "n_common", c->with_delta.n_common);
        cli_json_f64(&json, "share", c->with_delta.share_of_b);
        cli_json_f64(&json, "jaccard", c->with_delta.jaccard);
        cli_json_f64(&json, "expected_layers", c->chance.expected_layers);
        cli_json_f64(&json, "p_layers", c->chance.p_layers);
        cli_json_object_end(&json);
        cli_json_object_end(&json);
    }
    cli_json_array_end(&json);
    cli_json_object_end(&json);
    cli_json_line(&json);
}

int cli_attribute_scores(const cna_model *model, const cna_prompts *positive, const cna_prompts *negative,
                         const cna_attribute_options *options, cna_circuit *out[CLI_SCORE_CIRCUITS])
{
    cna_error err;
    cna_ranking all[CLI_SCORE_CIRCUITS] = {{options->score, options->per_layer}};
    for (int i = 0; i < N_RANKINGS; i++) all[i + 1] = rankings[i];
    cna_status status =
        cna_attribute_rankings(model, positive, negative, options, all, CLI_SCORE_CIRCUITS, out, &err);
    return status == CNA_OK ? CLI_DONE : cli_fail_error(&err);
}

int cli_show_scores(cna_circuit *const circuits[CLI_SCORE_CIRCUITS], bool json)
{
    cna_error err;
    column columns[N_RANKINGS] = {0};
    cna_status status = measure(circuits[0], circuits + 1, columns, &err);
    if (status == CNA_OK && json) print_json(columns);
    else if (status == CNA_OK) show(columns);
    for (int i = 0; i < N_RANKINGS; i++) cna_profile_clear(&columns[i].profile);
    return status == CNA_OK ? CLI_DONE : cli_fail_error(&err);
}
