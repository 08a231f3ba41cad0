/* SPDX-License-Identifier: MIT
 * Circuits beside one another. */
#include "cli/compare_view.h"

#include "cli/circuit_view.h"
#include "cli/messages.h"
#include "cli/table.h"
#include "cli/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char name_of(size_t side)
{
    return (char)('A' + side);
}

/* ---- what differs ---- */

enum { N_DIFFERENCES = 11 };

typedef struct difference_word {
    const char *key, *word; /* in JSON, on the screen */
    bool differs;
} difference_word;

static void list_differences(const cna_circuit_difference *d, difference_word out[N_DIFFERENCES])
{
    const difference_word words[N_DIFFERENCES] = {
        {"weights", "weights", d->weights},
        {"prompts", "prompts", d->prompts},
        {"prompt_format", "chat or raw prompts", d->prompt_format},
        {"chat_options", "template or system message of the prompts", d->chat_options},
        {"date", "date in the prompts", d->date},
        {"preset", "preset", d->preset},
        {"score", "score", d->score},
        {"per_layer", "quota by layer", d->per_layer},
        {"layers", "chosen layers", d->layers},
        {"universal", "universal filter", d->universal},
        {"n_neurons", "number of neurons", d->n_neurons},
    };
    memcpy(out, words, sizeof words);
}

static void show_differences(const cli_comparison *c)
{
    for (size_t i = 0; i < c->n_pairs; i++) {
        const cli_compare_pair *pair = &c->pairs[i];
        difference_word words[N_DIFFERENCES];
        list_differences(&pair->difference, words);
        size_t n = 0;
        for (size_t j = 0; j < N_DIFFERENCES; j++) {
            if (!words[j].differs) continue;
            if (n++ == 0) printf("%c and %c differ in: %s", name_of(pair->a), name_of(pair->b), words[j].word);
            else printf(", %s", words[j].word);
        }
        if (n != 0) putchar('\n');
    }
}

/* ---- the screen ---- */

static void show_side(const cli_compare_side *side, size_t index)
{
    const cna_circuit_info *info = cna_circuit_get_info(side->circuit);
    printf("%c  ", name_of(index));
    cli_put_safe(stdout, side->path, strlen(side->path), CLI_ONE_LINE);
    if (info->model_name[0] != '\0') {
        printf(" (");
        cli_put_safe(stdout, info->model_name, strlen(info->model_name), CLI_ONE_LINE);
        printf(", score %s%s)", cli_score_name(info->score), info->per_layer ? ", by layer" : "");
    } else {
        printf(" (model not stated by the file)");
    }
    printf(": %zu neurons\n   ", side->profile.n_neurons);
    cli_show_shares(&side->profile);
}

/* A number of neurons that chance would give. */
static void put_expected(cli_table *table, double expected)
{
    if (isfinite(expected)) cli_table_cell(table, "%.4g", expected);
    else cli_table_cell(table, "-");
}

static void show_pairs(const cli_comparison *c)
{
    printf("\noverlaps, and what chance would give: any neurons; as many in each layer\n");
    cli_table table;
    cli_table_begin(&table, "lrrrrrrrr");
    cli_table_row(&table, "pair|in both|of first|of second|Jaccard|chance|p|by layer|p");
    for (size_t i = 0; i < c->n_pairs; i++) {
        const cli_compare_pair *pair = &c->pairs[i];
        char percent[16], p[16];
        cli_table_cell(&table, "%c %c", name_of(pair->a), name_of(pair->b));
        cli_table_cell(&table, "%zu", pair->overlap.n_common);
        cli_table_cell(&table, "%s", cli_percent(percent, pair->overlap.share_of_a));
        cli_table_cell(&table, "%s", cli_percent(percent, pair->overlap.share_of_b));
        cli_table_cell(&table, "%.4f", pair->overlap.jaccard);
        put_expected(&table, pair->chance.expected);
        cli_table_cell(&table, "%s", cli_probability(p, pair->chance.p));
        put_expected(&table, pair->chance.expected_layers);
        cli_table_cell(&table, "%s", cli_probability(p, pair->chance.p_layers));
    }
    cli_table_print(&table, stdout, 2);
}

/* The pair of two different sides, in either order. */
static const cli_compare_pair *find_pair(const cli_comparison *c, size_t a, size_t b)
{
    size_t i = 0;
    while (!(c->pairs[i].a == a && c->pairs[i].b == b) && !(c->pairs[i].a == b && c->pairs[i].b == a)) i++;
    return &c->pairs[i];
}

static char *align_columns(const char *first, const char *each, size_t n)
{
    size_t n_first = strlen(first), n_each = strlen(each);
    char *align = cli_alloc(n_first + n * n_each + 1, 1);
    memcpy(align, first, n_first);
    for (size_t i = 0; i < n; i++) memcpy(align + n_first + i * n_each, each, n_each);
    align[n_first + n * n_each] = '\0';
    return align;
}

typedef enum matrix { SHARE_OF_ROW, JACCARD } matrix;

static void show_matrix(const cli_comparison *c, matrix of, const char *title)
{
    printf("\n%s\n", title);
    char *align = align_columns("l", "r", c->n_sides);
    cli_table table;
    cli_table_begin(&table, align);
    cli_table_cell(&table, "%s", "");
    for (size_t i = 0; i < c->n_sides; i++) cli_table_cell(&table, "%c", name_of(i));
    for (size_t row = 0; row < c->n_sides; row++) {
        cli_table_cell(&table, "%c", name_of(row));
        for (size_t column = 0; column < c->n_sides; column++) {
            char percent[16];
            const cli_compare_pair *pair = row == column ? NULL : find_pair(c, row, column);
            if (pair == NULL) {
                cli_table_cell(&table, "-");
            } else if (of == JACCARD) {
                cli_table_cell(&table, "%.4f", pair->overlap.jaccard);
            } else {
                double share = pair->a == row ? pair->overlap.share_of_a : pair->overlap.share_of_b;
                cli_table_cell(&table, "%s", cli_percent(percent, share));
            }
        }
    }
    cli_table_print(&table, stdout, 2);
    free(align);
}

static double share_of_layer(const cna_profile *profile, uint32_t layer)
{
    if (layer >= profile->n_layers || profile->n_neurons == 0) return 0;
    return (double)profile->count[layer] / (double)profile->n_neurons;
}

/* Counts and shares, and for two sides bars. */
static void show_layers(const cli_comparison *c)
{
    enum { WIDTH = 30 };
    uint32_t n_layers = 0;
    double largest = 0;
    bool bars = c->n_sides == 2;
    for (size_t i = 0; i < c->n_sides; i++) {
        const cna_profile *profile = &c->sides[i].profile;
        if (profile->n_layers > n_layers) n_layers = profile->n_layers;
        for (uint32_t layer = 0; layer < profile->n_layers; layer++)
            largest = fmax(largest, share_of_layer(profile, layer));
    }
    printf("\nneurons by layer\n");
    char *align = align_columns("r", bars ? "rrl" : "rr", c->n_sides);
    cli_table table;
    cli_table_begin(&table, align);
    cli_table_cell(&table, "layer");
    for (size_t i = 0; i < c->n_sides; i++) {
        cli_table_cell(&table, "%c", name_of(i));
        cli_table_cell(&table, "share");
        if (bars) cli_table_cell(&table, "%s", "");
    }
    for (uint32_t layer = 0; layer < n_layers; layer++) {
        cli_table_cell(&table, "%u", layer);
        for (size_t i = 0; i < c->n_sides; i++) {
            char percent[16], bar[WIDTH + 1];
            const cna_profile *profile = &c->sides[i].profile;
            double share = share_of_layer(profile, layer);
            cli_table_cell(&table, "%zu", layer < profile->n_layers ? profile->count[layer] : 0);
            cli_table_cell(&table, "%s", cli_percent(percent, share));
            if (bars) cli_table_cell(&table, "%s", cli_bar(bar, WIDTH, share, largest));
        }
    }
    cli_table_print(&table, stdout, 2);
    free(align);
}

void cli_show_comparison(const cli_comparison *c)
{
    for (size_t i = 0; i < c->n_sides; i++) show_side(&c->sides[i], i);
    show_differences(c);
    show_pairs(c);
    if (c->n_sides > 2) {
        show_matrix(c, SHARE_OF_ROW, "share of the row's neurons that are the column's too");
        show_matrix(c, JACCARD, "Jaccard");
    }
    show_layers(c);
}

/* ---- JSON ---- */

static void json_side(cli_json *json, const char *key, const cli_compare_side *side)
{
    const cna_circuit_info *info = cna_circuit_get_info(side->circuit);
    cli_json_object(json, key);
    cli_json_text(json, "path", side->path);
    cli_json_stated(json, "model", info->model_name);
    cli_json_stated(json, "fingerprint", info->fingerprint);
    cli_json_profile(json, "profile", &side->profile);
    cli_json_object_end(json);
}

/* The members of an object that is open. */
static void json_pair(cli_json *json, const cli_compare_pair *pair)
{
    cli_json_count(json, "n_a", pair->overlap.n_a);
    cli_json_count(json, "n_b", pair->overlap.n_b);
    cli_json_count(json, "n_common", pair->overlap.n_common);
    cli_json_f64(json, "share_of_a", pair->overlap.share_of_a);
    cli_json_f64(json, "share_of_b", pair->overlap.share_of_b);
    cli_json_f64(json, "jaccard", pair->overlap.jaccard);
    cli_json_object(json, "chance");
    if (pair->chance.n_neurons != 0) cli_json_count(json, "n_neurons", pair->chance.n_neurons);
    else cli_json_null(json, "n_neurons");
    cli_json_f64(json, "expected", pair->chance.expected);
    cli_json_f64(json, "p", pair->chance.p);
    cli_json_f64(json, "expected_layers", pair->chance.expected_layers);
    cli_json_f64(json, "p_layers", pair->chance.p_layers);
    cli_json_object_end(json);
    difference_word words[N_DIFFERENCES];
    list_differences(&pair->difference, words);
    cli_json_array(json, "differ");
    for (size_t i = 0; i < N_DIFFERENCES; i++) {
        if (words[i].differs) cli_json_text(json, NULL, words[i].key);
    }
    cli_json_array_end(json);
}

void cli_comparison_json(const cli_comparison *c)
{
    cli_json json = {.stream = stdout};
    cli_json_object(&json, NULL);
    if (c->n_sides == 2) {
        json_pair(&json, &c->pairs[0]);
        json_side(&json, "a", &c->sides[0]);
        json_side(&json, "b", &c->sides[1]);
    } else {
        cli_json_array(&json, "circuits");
        for (size_t i = 0; i < c->n_sides; i++) json_side(&json, NULL, &c->sides[i]);
        cli_json_array_end(&json);
        cli_json_array(&json, "pairs");
        for (size_t i = 0; i < c->n_pairs; i++) {
            cli_json_object(&json, NULL);
            cli_json_count(&json, "a", c->pairs[i].a);
            cli_json_count(&json, "b", c->pairs[i].b);
            json_pair(&json, &c->pairs[i]);
            cli_json_object_end(&json);
        }
        cli_json_array_end(&json);
    }
    cli_json_object_end(&json);
    cli_json_line(&json);
}
