/* SPDX-License-Identifier: MIT
 * Statistics of an attribution. */
#include "cli/statistics_view.h"

#include "cli/circuit_view.h"
#include "cli/table.h"

#include <inttypes.h>

enum { N_SCORES = 3 };

static void show_stability(const cna_circuit_statistics *s)
{
    printf("\nstability: Jaccard of the circuits of two halves, over %zu halvings (seed %" PRIu64 ")\n", s->n_halvings,
           s->seed);
    cli_table table;
    cli_table_begin(&table, "rrrrrrrrr");
    cli_table_row(&table, "k|mean|min|5 %|25 %|50 %|75 %|95 %|max");
    for (size_t i = 0; i < s->n_points; i++) {
        const cna_stability_point *p = &s->points[i];
        const double values[] = {p->mean, p->min, p->p5, p->p25, p->p50, p->p75, p->p95, p->max};
        cli_table_cell(&table, "%zu", p->k);
        for (size_t j = 0; j < sizeof values / sizeof *values; j++) cli_table_cell(&table, "%.3f", values[j]);
    }
    cli_table_print(&table, stdout, 2);
}

static void show_chance(const cna_circuit_statistics *s)
{
    printf("\nchance: largest score of %zu neurons, over %zu shuffles of the labels (seed %" PRIu64 ")\n",
           s->n_candidates, s->n_shuffles, s->seed);
    cli_table table;
    cli_table_begin(&table, "lrrrr");
    cli_table_row(&table, "score|95 % point|true largest|above it|of the circuit");
    for (int score = 0; score < N_SCORES; score++) {
        const cna_chance_level *level = &s->chance[score];
        cli_table_cell(&table, "%s", cli_score_name((cna_score)score));
        cli_table_cell(&table, "%.4f", level->level);
        cli_table_cell(&table, "%.4f", level->largest);
        cli_table_cell(&table, "%zu", level->n_above);
        cli_table_cell(&table, "%zu", level->n_circuit_above);
    }
    cli_table_print(&table, stdout, 2);
}

void cli_show_statistics(const cna_circuit_statistics *statistics)
{
    if (statistics == NULL) return;
    if (statistics->n_halvings != 0) show_stability(statistics);
    if (statistics->n_shuffles != 0) show_chance(statistics);
}

static void json_stability(cli_json *json, const cna_circuit_statistics *s)
{
    if (s->n_halvings == 0) {
        cli_json_null(json, "stability");
        return;
    }
    cli_json_object(json, "stability");
    cli_json_count(json, "halvings", s->n_halvings);
    cli_json_array(json, "points");
    for (size_t i = 0; i < s->n_points; i++) {
        const cna_stability_point *p = &s->points[i];
        cli_json_object(json, NULL);
        cli_json_count(json, "k", p->k);
        cli_json_f64(json, "mean", p->mean);
        cli_json_f64(json, "min", p->min);
        cli_json_f64(json, "p5", p->p5);
        cli_json_f64(json, "p25", p->p25);
        cli_json_f64(json, "p50", p->p50);
        cli_json_f64(json, "p75", p->p75);
        cli_json_f64(json, "p95", p->p95);
        cli_json_f64(json, "max", p->max);
        cli_json_object_end(json);
    }
    cli_json_array_end(json);
    cli_json_object_end(json);
}

static void json_chance(cli_json *json, const cna_circuit_statistics *s)
{
    if (s->n_shuffles == 0) {
        cli_json_null(json, "chance");
        return;
    }
    cli_json_object(json, "chance");
    cli_json_count(json, "shuffles", s->n_shuffles);
    cli_json_count(json, "candidates", s->n_candidates);
    for (int score = 0; score < N_SCORES; score++) {
        const cna_chance_level *level = &s->chance[score];
        cli_json_object(json, cli_score_name((cna_score)score));
        cli_json_f64(json, "level", level->level);
        cli_json_f64(json, "largest", level->largest);
        cli_json_count(json, "above", level->n_above);
        cli_json_count(json, "circuit_above", level->n_circuit_above);
        cli_json_object_end(json);
    }
    cli_json_object_end(json);
}

void cli_json_statistics(cli_json *json, const cna_circuit_statistics *statistics)
{
    if (statistics == NULL) {
        cli_json_null(json, "statistics");
        return;
    }
    char seed[24];
    snprintf(seed, sizeof seed, "%" PRIu64, statistics->seed);
    cli_json_object(json, "statistics");
    cli_json_text(json, "seed", seed);
    json_stability(json, statistics);
    json_chance(json, statistics);
    cli_json_object_end(json);
}
