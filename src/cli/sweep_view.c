/* SPDX-License-Identifier: MIT
 * The tables of a sweep: for each side one of what was measured and one of what it is held against. */
#include "cli/sweep_view.h"

#include "cli/circuit_view.h"
#include "cli/interventions.h"
#include "cli/study_view.h"
#include "cli/table.h"
#include "cli/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The points of one side. */
typedef struct side_points {
    const cna_sweep_point *points; /* all of the sweep's */
    size_t n_points;
    cna_side side;
} side_points;

static const cna_sweep_point *next_point(const side_points *s, size_t *at)
{
    while (*at < s->n_points && s->points[*at].side != s->side) (*at)++;
    return *at < s->n_points ? &s->points[(*at)++] : NULL;
}

static bool has_leaks(const side_points *s)
{
    for (size_t i = 0; i < s->n_points; i++) {
        const cna_sweep_point *p = &s->points[i];
        if (p->side == s->side && p->leak_known && p->n_leaked != 0) return true;
    }
    return false;
}

static bool has_controls(const side_points *s)
{
    for (size_t i = 0; i < s->n_points; i++) {
        const cna_control_summary *control = s->points[i].control;
        bool any = control[CNA_CONTROL_UNIFORM].n_seeds != 0 || control[CNA_CONTROL_MATCHED].n_seeds != 0;
        if (s->points[i].side == s->side && any) return true;
    }
    return false;
}

size_t cli_sweep_n_controls(const cna_sweep *sweep)
{
    size_t n_points, n = 0;
    const cna_sweep_point *points = cna_sweep_points(sweep, &n_points);
    for (size_t i = 0; i < n_points; i++) {
        const cna_control_summary *control = points[i].control;
        if (control[CNA_CONTROL_UNIFORM].n_seeds > n) n = control[CNA_CONTROL_UNIFORM].n_seeds;
    }
    return n;
}

bool cli_sweep_leak_known(const cna_sweep *sweep)
{
    size_t n_points;
    const cna_sweep_point *points = cna_sweep_points(sweep, &n_points);
    return n_points != 0 && points[0].leak_known;
}

static void show_measures(const side_points *s, size_t n_prompts)
{
    bool leaks = has_leaks(s);
    cli_table table;
    cli_table_begin(&table, leaks ? "rrrrrrrrrr" : "rrrrrrrrr");
    cli_table_row(&table, "mult.|strength|refused [95 %]");
    if (leaks) cli_table_row(&table, "not leaked [95 %]");
    cli_table_row(&table, "complied|incoherent|quality|short|changed|tokens");
    size_t at = 0;
    for (const cna_sweep_point *p; (p = next_point(s, &at)) != NULL;) {
        char rate[40], unseen[40], percent[16];
        cli_table_multiplier(&table, p->multiplier);
        cli_table_cell(&table, "%s", cli_rate(rate, &p->refused));
        if (leaks) cli_table_cell(&table, "%s", cli_rate(unseen, &p->refused_unseen));
        cli_table_cell(&table, "%s", cli_percent(percent, p->outcome[CNA_OUTCOME_COMPLIED].rate));
        cli_table_cell(&table, "%s", cli_percent(percent, p->outcome[CNA_OUTCOME_INCOHERENT].rate));
        cli_table_cell(&table, "%.3f", p->quality);
        cli_table_cell(&table, "%zu", p->n_short);
        cli_table_cell(&table, "%s",
                       cli_percent(percent, n_prompts != 0 ? (double)p->n_changed / (double)n_prompts : NAN));
        cli_table_cell(&table, "%.1f", p->mean_tokens);
    }
    cli_table_print(&table, stdout, 2);
}

static void put_control(cli_table *table, const cna_control_summary *control)
{
    if (control->n_seeds == 0) {
        for (int i = 0; i < 3; i++) cli_table_cell(table, "-");
        return;
    }
    char mean[16], low[16], high[16], p[16];
    cli_table_cell(table, "%s", cli_percent(mean, control->mean));
    cli_table_cell(table, "(%s..%s)", cli_percent(low, control->min), cli_percent(high, control->max));
    cli_table_cell(table, "%s", cli_probability(p, control->p));
}

static void show_comparisons(const side_points *s)
{
    bool controls = has_controls(s);
    cli_table table;
    cli_table_begin(&table, controls ? "rrrrrrrrrrr" : "rrrrr");
    cli_table_row(&table, "mult.|strength|lost b|gained c|McNemar p");
    if (controls) cli_table_row(&table, "uniform|(min..max)|p|matched|(min..max)|p");
    size_t at = 0;
    for (const cna_sweep_point *p; (p = next_point(s, &at)) != NULL;) {
        char mcnemar[16];
        cli_table_multiplier(&table, p->multiplier);
        cli_table_cell(&table, "%zu", p->mcnemar_b);
        cli_table_cell(&table, "%zu", p->mcnemar_c);
        cli_table_cell(&table, "%s", cli_probability(mcnemar, p->mcnemar_p));
        if (controls) put_control(&table, &p->control[CNA_CONTROL_UNIFORM]);
        if (controls) put_control(&table, &p->control[CNA_CONTROL_MATCHED]);
    }
    printf("  refusals lost and gained against the untouched model%s\n",
           controls ? ", and under random circuits" : "");
    cli_table_print(&table, stdout, 2);
}

static void show_side(const cli_sweep_view *view, cna_side side)
{
    side_points s = {.side = side};
    s.points = cna_sweep_points(view->sweep, &s.n_points);
    const cna_prompts *prompts = side == CNA_SIDE_HARMFUL ? view->prompts : view->benign;
    if (prompts == NULL) return;
    size_t n_prompts = cna_prompts_count(prompts), n_leaked = 0;
    for (size_t i = 0; i < s.n_points; i++) {
        if (s.points[i].side == side) n_leaked = s.points[i].n_leaked;
    }
    printf("\n%s: %zu prompts", side == CNA_SIDE_HARMFUL ? "should be refused" : "should be answered",
           n_prompts);
    if (n_leaked != 0)
        printf(", %s%zu of them leaked (the circuit was found on them)",
               cli_sweep_leak_known(view->sweep) ? "" : "at least ", n_leaked);
    printf("\n");
    show_measures(&s, n_prompts);
    show_comparisons(&s);
}

static void show_unknown_leaks(const cli_sweep_view *view)
{
    for (size_t i = 0; i < view->n_circuits; i++) {
        const cna_circuit_info *info = cna_circuit_get_info(view->circuits[i]);
        if (info->n_positive + info->n_negative != 0) continue;
        printf("leak unknown: ");
        cli_put_safe(stdout, view->circuit_paths[i], strlen(view->circuit_paths[i]), CLI_ONE_LINE);
        printf(" does not say which prompts it was found on\n");
    }
}

static void put_line(const char *name, const char *text)
{
    printf("%-9s", name);
    cli_put_safe(stdout, text, strlen(text), CLI_ONE_LINE);
    putchar('\n');
}

static void show_settings(const cli_sweep_view *view)
{
    const cna_sweep_info *sweep = cna_sweep_get_info(view->sweep);
    printf("model    ");
    cli_put_safe(stdout, view->model->name, strlen(view->model->name), CLI_ONE_LINE);
    printf(" (%s prompts%s%s, at most %zu tokens an answer)\n", view->format_name,
           sweep->date[0] != '\0' ? ", date " : "", sweep->date, view->max_tokens);
    if (view->system != NULL) put_line("system", view->system);
    cli_show_used_circuits(view->circuit_paths, view->circuits, view->n_circuits);
    if (view->positions != CNA_POSITIONS_ALL || view->sign != CNA_SIGN_BOTH) {
        printf("scaled   positions %s, sign %s\n", cli_positions_name(view->positions),
               cli_sign_name(view->sign));
    }
    put_line("refusals", view->patterns != NULL ? view->patterns : "by the built-in patterns");
}

/* Answers with words and of good quality, which the log-probability alone made incoherent. */
static void show_judged_unlikely(const cna_sweep *sweep, double min_quality)
{
    size_t n_answers, n = 0;
    const cna_sweep_answer *answers = cna_sweep_answers(sweep, &n_answers);
    for (size_t i = 0; i < n_answers; i++) {
        bool reads_well = answers[i].n_words != 0 && answers[i].quality >= min_quality;
        n += answers[i].outcome == CNA_OUTCOME_INCOHERENT && reads_well;
    }
    if (n == 0) return;
    printf("incoherent by log-probability alone: %zu of %zu answers; --no-logprob-limit judges without it\n",
           n, n_answers);
}

void cli_sweep_show(const cli_sweep_view *view)
{
    double min_quality, min_logprob;
    show_settings(view);
    show_side(view, CNA_SIDE_HARMFUL);
    show_side(view, CNA_SIDE_BENIGN);
    cna_sweep_thresholds(view->sweep, &min_quality, &min_logprob);
    printf("\nmultiplier 1 is the untouched model\nincoherent: empty");
    if (min_quality > 0) printf(", or quality below %g", min_quality);
    if (isfinite(min_logprob)) printf(", or mean log-probability below %.3f", min_logprob);
    printf("\n");
    show_judged_unlikely(view->sweep, min_quality);
    printf("short: under four words, quality counts as 1\n");
    show_unknown_leaks(view);
    size_t n_controls = cli_sweep_n_controls(view->sweep);
    if (n_controls == 0) {
        printf(
            "no causal claim without controls: run again with a multiplier other than 1 and --controls 20 or "
            "more\n");
    } else {
        printf("random circuits: %zu of each kind, seed %llu\n", n_controls, (unsigned long long)view->seed);
    }
}
