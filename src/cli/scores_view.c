/* SPDX-License-Identifier: MIT
 * Scores side by side. Activations grow with depth, so |delta| alone favours late layers. */
#include "cli/scores_view.h"

#include "cli/circuit_view.h"
#include "cli/messages.h"
#include "cli/output.h"
#include "cli/table.h"

#include <stdio.h>

enum { N_SCORES = 3 };

static void put_share_row(cli_table *table, const char *name, const cna_profile *profiles,
                          double (*share)(const cna_profile *))
{
    cli_table_cell(table, "%s", name);
    for (int score = 0; score < N_SCORES; score++) {
        char percent[16];
        cli_table_cell(table, "%s", cli_percent(percent, share(&profiles[score])));
    }
}

static double last_three(const cna_profile *profile)
{
    return profile->last_three;
}

static double last_quarter(const cna_profile *profile)
{
    return profile->last_quarter;
}

static void show(const cna_profile *profiles, const cna_overlap *overlaps)
{
    printf("\nas many neurons by each score\n");
    cli_table table;
    cli_table_begin(&table, "rrrr");
    cli_table_row(&table, "layer|delta|d|write");
    for (uint32_t layer = 0; layer < profiles[0].n_layers; layer++) {
        cli_table_cell(&table, "%u", layer);
        for (int score = 0; score < N_SCORES; score++)
            cli_table_cell(&table, "%zu", profiles[score].count[layer]);
    }
    put_share_row(&table, "last three layers", profiles, last_three);
    put_share_row(&table, "last quarter", profiles, last_quarter);
    cli_table_cell(&table, "in the circuit");
    for (int score = 0; score < N_SCORES; score++) {
        char percent[16];
        cli_table_cell(&table, "%s", cli_percent(percent, overlaps[score].share_of_b));
    }
    cli_table_print(&table, stdout, 2);
}

int cli_show_scores(const cna_model *model, const cna_prompts *positive, const cna_prompts *negative,
                    const cna_attribute_options *options, const cna_circuit *circuit)
{
    cna_error err;
    cna_status status = CNA_OK;
    cna_profile profiles[N_SCORES] = {0};
    cna_overlap overlaps[N_SCORES];
    for (int score = 0; score < N_SCORES && status == CNA_OK; score++) {
        cna_attribute_options settings = *options;
        settings.score = (cna_score)score;
        settings.n_halvings = settings.n_shuffles = 0;
        cna_circuit *other = NULL;
        if (settings.score != options->score) {
            status = cna_attribute(model, positive, negative, &settings, &other, &err);
        }
        const cna_circuit *ranked = other != NULL ? other : circuit;
        if (status == CNA_OK) status = cna_circuit_profile(ranked, 0, &profiles[score], &err);
        if (status == CNA_OK) status = cna_circuit_overlap(circuit, ranked, &overlaps[score], &err);
        cna_circuit_free(other);
    }
    if (status == CNA_OK) {
        cli_output_begin();
        show(profiles, overlaps);
    }
    for (int score = 0; score < N_SCORES; score++) cna_profile_clear(&profiles[score]);
    return status == CNA_OK ? CLI_DONE : cli_fail_error(&err);
}
