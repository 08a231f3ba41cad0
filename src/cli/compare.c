/* SPDX-License-Identifier: MIT
 * cna compare: how much two circuits have in common. */
#include "cli/circuit_view.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/text.h"

#include <stdio.h>
#include <string.h>

enum { A, B };

static const cli_option options[] = {{0}};

static void json_side(cli_json *json, const char *key, const char *path, const cna_circuit *circuit,
                      const cna_profile *profile)
{
    const cna_circuit_info *info = cna_circuit_get_info(circuit);
    cli_json_object(json, key);
    cli_json_text(json, "path", path);
    cli_json_stated(json, "model", info->model_name);
    cli_json_stated(json, "fingerprint", info->fingerprint);
    cli_json_profile(json, "profile", profile);
    cli_json_object_end(json);
}

static void print_json(const char *const *paths, cna_circuit *const *circuits, const cna_profile *profiles,
                       const cna_overlap *overlap)
{
    cli_json json = {.stream = stdout};
    cli_json_object(&json, NULL);
    cli_json_count(&json, "n_a", overlap->n_a);
    cli_json_count(&json, "n_b", overlap->n_b);
    cli_json_count(&json, "n_common", overlap->n_common);
    cli_json_f64(&json, "share_of_a", overlap->share_of_a);
    cli_json_f64(&json, "share_of_b", overlap->share_of_b);
    cli_json_f64(&json, "jaccard", overlap->jaccard);
    json_side(&json, "a", paths[A], circuits[A], &profiles[A]);
    json_side(&json, "b", paths[B], circuits[B], &profiles[B]);
    cli_json_object_end(&json);
    cli_json_line(&json);
}

static void show_side(char name, const char *path, const cna_circuit *circuit, const cna_profile *profile)
{
    const cna_circuit_info *info = cna_circuit_get_info(circuit);
    printf("%c  ", name);
    cli_put_safe(stdout, path, strlen(path), CLI_ONE_LINE);
    if (info->model_name[0] != '\0') {
        printf(" (");
        cli_put_safe(stdout, info->model_name, strlen(info->model_name), CLI_ONE_LINE);
        printf(", score %s)", cli_score_name(info->score));
    } else {
        printf(" (model not stated by the file)");
    }
    printf(": %zu neurons\n   ", profile->n_neurons);
    cli_show_shares(profile);
}

static void show_layers(const cna_profile *profiles)
{
    enum { WIDTH = 30 };
    uint32_t n_layers =
        profiles[A].n_layers > profiles[B].n_layers ? profiles[A].n_layers : profiles[B].n_layers;
    double largest = 0;
    for (int side = A; side <= B; side++) {
        for (uint32_t layer = 0; layer < profiles[side].n_layers; layer++) {
            double share = (double)profiles[side].count[layer] / (double)profiles[side].n_neurons;
            if (share > largest) largest = share;
        }
    }
    printf("\nneurons by layer\n");
    cli_table table;
    cli_table_begin(&table, "rrrlrrl");
    cli_table_row(&table, "layer|A|share||B|share|");
    for (uint32_t layer = 0; layer < n_layers; layer++) {
        cli_table_cell(&table, "%u", layer);
        for (int side = A; side <= B; side++) {
            char percent[16], bar[WIDTH + 1];
            size_t count = layer < profiles[side].n_layers ? profiles[side].count[layer] : 0;
            double share = count != 0 ? (double)count / (double)profiles[side].n_neurons : 0;
            cli_table_cell(&table, "%zu", count);
            cli_table_cell(&table, "%s", cli_percent(percent, share));
            cli_table_cell(&table, "%s", cli_bar(bar, WIDTH, share, largest));
        }
    }
    cli_table_print(&table, stdout, 2);
}

static void show(const char *const *paths, cna_circuit *const *circuits, const cna_profile *profiles,
                 const cna_overlap *overlap)
{
    char of_a[16], of_b[16];
    show_side('A', paths[A], circuits[A], &profiles[A]);
    show_side('B', paths[B], circuits[B], &profiles[B]);
    printf("\nin both: %zu neurons, %s of A, %s of B; Jaccard %.4f\n", overlap->n_common,
           cli_percent(of_a, overlap->share_of_a), cli_percent(of_b, overlap->share_of_b), overlap->jaccard);
    show_layers(profiles);
}

static int compare(const cli_common *common, cna_circuit *const *circuits)
{
    cna_error err;
    cna_overlap overlap;
    cna_profile profiles[2] = {0};
    cna_status status = cna_circuit_overlap(circuits[A], circuits[B], &overlap, &err);
    for (int side = A; side <= B && status == CNA_OK; side++) {
        /* A file that names no shape is laid over the other one's layers. */
        uint32_t other = cna_circuit_get_info(circuits[A + B - side])->n_layers;
        status = cna_circuit_profile(circuits[side], other, &profiles[side], &err);
    }
    int code = status == CNA_OK ? CLI_DONE : cli_fail_error(&err);
    if (code == CLI_DONE) {
        cli_output_begin();
        if (common->json) {
            print_json(common->words, circuits, profiles, &overlap);
        } else {
            show(common->words, circuits, profiles, &overlap);
        }
    }
    cna_profile_clear(&profiles[A]);
    cna_profile_clear(&profiles[B]);
    return code;
}

static int run(const cli_command *self, int argc, char **argv)
{
    cli_common common = {0};
    int code;
    if (!cli_parse(self, argc, argv, &common, &code)) return code;
    if (common.n_words != 2) return cli_usage("expected two circuit files, found %zu", common.n_words);
    cna_error err;
    cna_circuit *circuits[2] = {NULL, NULL};
    for (int side = A; side <= B && code == CLI_DONE; side++) {
        if (cna_circuit_read(common.words[side], &circuits[side], &err) != CNA_OK)
            code = cli_fail_error(&err);
    }
    if (code == CLI_DONE) code = compare(&common, circuits);
    cna_circuit_free(circuits[A]);
    cna_circuit_free(circuits[B]);
    return code;
}

const cli_command cli_command_compare = {
    .name = "compare",
    .summary = "overlap and layer profiles of two circuits",
    .usage = "A.json B.json [FLAGS]",
    .example = "  cna compare base.json instruct.json\n",
    .options = options,
    .max_words = 2,
    .run = run,
};
