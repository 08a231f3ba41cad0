/* SPDX-License-Identifier: MIT
 * cna compare: how much circuits have in common. */
#include "cli/commands.h"
#include "cli/compare_view.h"
#include "cli/output.h"
#include "cli/setup.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_FILES = 26 }; /* they are named A to Z */

static const cli_option options[] = {{0}};

/* A layer that the model has, for files that name no shape: what any other file states. */
static uint32_t stated_layers(const cli_comparison *c)
{
    for (size_t i = 0; i < c->n_sides; i++) {
        uint32_t n_layers = cna_circuit_get_info(c->sides[i].circuit)->n_layers;
        if (n_layers != 0) return n_layers;
    }
    return 0;
}

static int read_sides(cli_comparison *c, const char *const *paths)
{
    cna_error err;
    for (size_t i = 0; i < c->n_sides; i++) {
        c->sides[i].path = paths[i];
        int code = cli_load_circuit(paths[i], &c->sides[i].circuit);
        if (code != CLI_DONE) return code;
    }
    uint32_t n_layers = stated_layers(c);
    for (size_t i = 0; i < c->n_sides; i++) {
        cli_compare_side *side = &c->sides[i];
        if (cna_circuit_profile(side->circuit, n_layers, &side->profile, &err) != CNA_OK) {
            return cli_fail("%s: %s", side->path, err.text);
        }
    }
    return CLI_DONE;
}

/* Every pair, the earlier file first. */
static int measure_pairs(cli_comparison *c)
{
    for (size_t a = 0; a < c->n_sides; a++) {
        for (size_t b = a + 1; b < c->n_sides; b++) {
            cna_error err;
            cli_compare_pair *pair = &c->pairs[c->n_pairs++];
            const cna_circuit *x = c->sides[a].circuit, *y = c->sides[b].circuit;
            *pair = (cli_compare_pair){.a = a, .b = b};
            cna_status status = cna_circuit_overlap(x, y, &pair->overlap, &err);
            if (status == CNA_OK) status = cna_circuit_overlap_chance(x, y, &pair->chance, &err);
            if (status == CNA_OK) status = cna_circuit_compare(x, y, &pair->difference, &err);
            if (status != CNA_OK) return cli_fail("%s and %s: %s", c->sides[a].path, c->sides[b].path, err.text);
        }
    }
    return CLI_DONE;
}

static int run(const cli_command *self, int argc, char **argv)
{
    cli_common common = {0};
    int code;
    if (!cli_parse(self, argc, argv, &common, &code)) return code;
    if (common.n_words < 2) return cli_usage("expected two circuit files or more, found %zu", common.n_words);
    size_t n = common.n_words;
    cli_comparison c = {.sides = cli_alloc(n, sizeof *c.sides), .n_sides = n,
                        .pairs = cli_alloc(n * (n - 1) / 2, sizeof *c.pairs)};
    code = read_sides(&c, common.words);
    if (code == CLI_DONE) code = measure_pairs(&c);
    if (code == CLI_DONE) {
        cli_output_begin();
        if (common.json) {
            cli_comparison_json(&c);
        } else {
            cli_show_comparison(&c);
        }
    }
    for (size_t i = 0; i < n; i++) {
        cna_profile_clear(&c.sides[i].profile);
        cna_circuit_free(c.sides[i].circuit);
    }
    free(c.sides);
    free(c.pairs);
    return code;
}

const cli_command cli_command_compare = {
    .name = "compare",
    .summary = "overlaps, chance and layer profiles of circuits",
    .usage = "A.json B.json [MORE.json...] [FLAGS]",
    .example = "  cna compare base.json instruct.json\n  cna compare refusal.json capitals.json agreement.json\n",
    .options = options,
    .max_words = MAX_FILES,
    .run = run,
};
