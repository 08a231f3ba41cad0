/* SPDX-License-Identifier: MIT
 * The tables of a sweep: for each side one of what was measured and one of what it is held against; then categories,
 * perplexity and labels. */
#include "cli/sweep_view.h"

#include "cli/circuit_view.h"
#include "cli/interventions.h"
#include "cli/study_view.h"
#include "cli/sweep_condition.h"
#include "cli/text.h"

#include <math.h>
#include <string.h>

enum { CATEGORY_BYTES = 40 };

/* The points of one side. */
typedef struct side_points {
    const cna_sweep_point *points; /* all of the sweep's */
    size_t n_points;
    cna_side side;
    cli_condition_columns columns;
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

bool cli_sweep_leak_known(const cna_sweep *sweep)
{
    size_t n_points;
    const cna_sweep_point *points = cna_sweep_points(sweep, &n_points);
    return n_points != 0 && points[0].leak_known;
}

/* A table whose first columns are the condition's, and more behind or before them. */
static void begin_table(cli_table *table, const side_points *s, const char *before, const char *behind, char align[32])
{
    char condition[CLI_CONDITION_COLUMNS + 1];
    cli_condition_align(&s->columns, condition);
    snprintf(align, 32, "%s%s%s", before, condition, behind);
    cli_table_begin(table, align);
}

/* With more columns than a multiplier's two, a table has no room for everything: what is left over follows. */
static bool is_wide(const side_points *s)
{
    char condition[CLI_CONDITION_COLUMNS + 1];
    return cli_condition_align(&s->columns, condition) > 2;
}

static void show_measures(const side_points *s)
{
    bool leaks = has_leaks(s) && !is_wide(s);
    cli_table table;
    char align[32];
    begin_table(&table, s, "", leaks ? "rrrrrrrr" : "rrrrrrr", align);
    cli_condition_heading(&s->columns, &table);
    cli_table_cell(&table, "refused [95 %%]");
    if (leaks) cli_table_row(&table, "not leaked [95 %]");
    cli_table_row(&table, "complied|incoherent|quality|short|changed|tokens");
    size_t at = 0;
    for (const cna_sweep_point *p; (p = next_point(s, &at)) != NULL;) {
        char rate[40], unseen[40], percent[16];
        cli_condition_cells(&s->columns, p->condition, &table);
        cli_table_cell(&table, "%s", cli_rate(rate, &p->refused));
        if (leaks) cli_table_cell(&table, "%s", cli_rate(unseen, &p->refused_unseen));
        cli_table_cell(&table, "%s", cli_percent(percent, p->outcome[CNA_OUTCOME_COMPLIED].rate));
        cli_table_cell(&table, "%s", cli_percent(percent, p->outcome[CNA_OUTCOME_INCOHERENT].rate));
        cli_table_cell(&table, "%.3f", p->quality);
        cli_table_cell(&table, "%zu", p->n_short);
        cli_table_cell(&table, "%s", cli_percent(percent, (double)p->n_changed / (double)p->refused.n));
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
    bool controls = has_controls(s) && !is_wide(s), leaks = has_leaks(s) && is_wide(s), kl = s->side == CNA_SIDE_BENIGN;
    cli_table table;
    char align[32], behind[16];
    snprintf(behind, sizeof behind, "rrr%s%s%s", controls ? "rrrrrr" : "", leaks ? "r" : "", kl ? "r" : "");
    begin_table(&table, s, "", behind, align);
    cli_condition_heading(&s->columns, &table);
    cli_table_row(&table, "lost b|gained c|McNemar p");
    if (controls) cli_table_row(&table, "uniform|(min..max)|p|matched|(min..max)|p");
    if (leaks) cli_table_row(&table, "not leaked [95 %]");
    if (kl) cli_table_cell(&table, "first-token KL");
    size_t at = 0;
    for (const cna_sweep_point *p; (p = next_point(s, &at)) != NULL;) {
        char mcnemar[16], unseen[40];
        cli_condition_cells(&s->columns, p->condition, &table);
        cli_table_cell(&table, "%zu", p->mcnemar_b);
        cli_table_cell(&table, "%zu", p->mcnemar_c);
        cli_table_cell(&table, "%s", cli_probability(mcnemar, p->mcnemar_p));
        if (controls) put_control(&table, &p->control[CNA_CONTROL_UNIFORM]);
        if (controls) put_control(&table, &p->control[CNA_CONTROL_MATCHED]);
        if (leaks) cli_table_cell(&table, "%s", cli_rate(unseen, &p->refused_unseen));
        if (kl) cli_table_cell(&table, p->kl != 0 && p->kl < 0.001 ? "%.2e" : "%.4f", p->kl);
    }
    printf("  refusals lost and gained against the untouched model%s%s\n",
           controls ? ", and under random circuits" : "", kl ? ", and divergence from it in nats" : "");
    cli_table_print(&table, stdout, 2);
}

/* Where the table before has no room for them. */
static void show_controls(const side_points *s)
{
    cli_table table;
    char align[32];
    if (!has_controls(s) || !is_wide(s)) return;
    begin_table(&table, s, "", "rrrrrr", align);
    cli_condition_heading(&s->columns, &table);
    cli_table_row(&table, "uniform|(min..max)|p|matched|(min..max)|p");
    size_t at = 0;
    for (const cna_sweep_point *p; (p = next_point(s, &at)) != NULL;) {
        if (p->control[CNA_CONTROL_UNIFORM].n_seeds == 0) continue;
        cli_condition_cells(&s->columns, p->condition, &table);
        put_control(&table, &p->control[CNA_CONTROL_UNIFORM]);
        put_control(&table, &p->control[CNA_CONTROL_MATCHED]);
    }
    printf("  refusals under random circuits\n");
    cli_table_print(&table, stdout, 2);
}

static void show_categories(const side_points *s)
{
    size_t first = 0, n_categories;
    const cna_sweep_point *any = next_point(s, &first);
    n_categories = any == NULL ? 0 : any->n_categories;
    if (n_categories == 0) return;
    cli_table table;
    char align[32];
    begin_table(&table, s, "l", "rrrr", align);
    cli_table_cell(&table, "category");
    cli_condition_heading(&s->columns, &table);
    cli_table_cell(&table, "prompts");
    cli_table_cell(&table, "refused [95 %%]");
    cli_table_row(&table, "complied|incoherent");
    for (size_t c = 0; c < n_categories; c++) {
        size_t at = 0;
        for (const cna_sweep_point *p; (p = next_point(s, &at)) != NULL;) {
            const cna_category_rate *category = &p->categories[c];
            char name[CATEGORY_BYTES], rate[40], percent[16];
            cli_format_safe(name, sizeof name, category->category, strlen(category->category));
            cli_table_cell(&table, "%s", name[0] == '\0' ? "(none)" : name);
            cli_condition_cells(&s->columns, p->condition, &table);
            cli_table_cell(&table, "%zu", category->refused.n);
            cli_table_cell(&table, "%s", cli_rate(rate, &category->refused));
            cli_table_cell(&table, "%s", cli_percent(percent, category->outcome[CNA_OUTCOME_COMPLIED].rate));
            cli_table_cell(&table, "%s", cli_percent(percent, category->outcome[CNA_OUTCOME_INCOHERENT].rate));
        }
    }
    printf("  by category\n");
    cli_table_print(&table, stdout, 2);
}

static void show_side(const cli_sweep_view *view, cna_side side)
{
    side_points s = {.side = side, .columns = cli_condition_columns_of(view->sweep)};
    s.points = cna_sweep_points(view->sweep, &s.n_points);
    size_t at = 0, cross_fit = cna_sweep_get_info(view->sweep)->cross_fit;
    const cna_sweep_point *first = next_point(&s, &at);
    if (first == NULL) return;
    printf("\n%s: %zu prompts", side == CNA_SIDE_HARMFUL ? "should be refused" : "should be answered",
           first->refused.n);
    if (first->n_leaked != 0) {
        printf(", %s%zu of them leaked (the circuit was found on them)", first->leak_known ? "" : "at least ",
               first->n_leaked);
    }
    if (first->n_leaked != 0 && cross_fit != 0) printf(", each run without its fold of %zu", cross_fit);
    printf("\n");
    show_measures(&s);
    show_comparisons(&s);
    show_controls(&s);
    show_categories(&s);
}

/* The same on both sides, so from the harmful one's points. */
static void show_perplexity(const cli_sweep_view *view)
{
    side_points s = {.side = CNA_SIDE_HARMFUL, .columns = cli_condition_columns_of(view->sweep)};
    size_t at = 0, n_tokens = cna_sweep_get_info(view->sweep)->n_perplexity_tokens;
    if (view->perplexity == NULL || n_tokens == 0) return;
    s.points = cna_sweep_points(view->sweep, &s.n_points);
    cli_table table;
    char align[32];
    begin_table(&table, &s, "", "r", align);
    cli_condition_heading(&s.columns, &table);
    cli_table_cell(&table, "perplexity");
    for (const cna_sweep_point *p; (p = next_point(&s, &at)) != NULL;) {
        cli_condition_cells(&s.columns, p->condition, &table);
        cli_table_cell(&table, p->perplexity < 1e6 ? "%.3f" : "%.3e", p->perplexity);
    }
    printf("\nperplexity of ");
    cli_put_safe(stdout, view->perplexity, strlen(view->perplexity), CLI_ONE_LINE);
    printf(": %zu tokens scored\n", n_tokens);
    cli_table_print(&table, stdout, 2);
}

static void show_labels(const cli_sweep_view *view)
{
    const cna_sweep_agreement *labels = view->labels;
    side_points s = {.columns = cli_condition_columns_of(view->sweep)};
    if (labels == NULL) return;
    s.points = cna_sweep_points(view->sweep, &s.n_points);
    cli_table table;
    char align[32], percent[16];
    begin_table(&table, &s, "l", "rrr", align);
    cli_table_cell(&table, "side");
    cli_condition_heading(&s.columns, &table);
    cli_table_cell(&table, "by patterns [95 %%]");
    cli_table_cell(&table, "by labels [95 %%]");
    cli_table_cell(&table, "labelled");
    for (size_t i = 0; i < s.n_points; i++) {
        char pattern[40], label[40];
        cli_table_cell(&table, "%s", cli_side_name(s.points[i].side));
        cli_condition_cells(&s.columns, s.points[i].condition, &table);
        cli_table_cell(&table, "%s", cli_rate(pattern, &s.points[i].refused));
        cli_table_cell(&table, "%s", labels->refused[i].n == 0 ? "-" : cli_rate(label, &labels->refused[i]));
        cli_table_cell(&table, "%zu", labels->refused[i].n);
    }
    printf("\nlabels of ");
    cli_put_safe(stdout, view->labels_path, strlen(view->labels_path), CLI_ONE_LINE);
    printf(": %zu different answers, the patterns agree on %s (kappa %.3f); %zu refusals by the patterns alone, %zu by "
           "the labels alone\n", labels->n, cli_percent(percent, labels->accuracy), labels->kappa,
           labels->n_false_positive, labels->n_false_negative);
    cli_table_print(&table, stdout, 2);
}

/* ---- around the tables ---- */

static void put_line(const char *name, const char *text)
{
    printf("%-9s", name);
    cli_put_safe(stdout, text, strlen(text), CLI_ONE_LINE);
    putchar('\n');
}

/* Where a single vector is added stands in its condition. */
static void show_caa(const cli_sweep_view *view)
{
    size_t n_points;
    const cna_sweep_point *points = cna_sweep_points(view->sweep, &n_points);
    for (size_t i = 0; i < n_points; i++) {
        const cna_condition *condition = points[i].condition;
        if (condition->method != CNA_METHOD_CAA) continue;
        if (condition->layer < 0) {
            printf("caa      %s, each layer its own vector", condition->caa);
        } else {
            printf("caa      %s, behind layer %lld", condition->caa, (long long)condition->layer);
        }
        if (view->caa_vector == NULL) {
            printf("; %zu positive and %zu negative prompts\n", cna_prompts_count(view->options->positive),
                   cna_prompts_count(view->options->negative));
        } else {
            printf("; from ");
            cli_put_safe(stdout, view->caa_vector, strlen(view->caa_vector), CLI_ONE_LINE);
            putchar('\n');
        }
        return;
    }
}

static void show_settings(const cli_sweep_view *view)
{
    const cna_sweep_info *sweep = cna_sweep_get_info(view->sweep);
    const cna_sweep_options *options = view->options;
    printf("model    ");
    cli_put_safe(stdout, view->model->name, strlen(view->model->name), CLI_ONE_LINE);
    printf(" (%s prompts%s%s, at most %zu tokens an answer)\n", view->format_name,
           sweep->date[0] != '\0' ? ", date " : "", sweep->date, options->max_tokens);
    if (options->format.system != NULL) put_line("system", options->format.system);
    if (view->chat_options != NULL) put_line("template", view->chat_options);
    cli_show_used_circuits(options->circuit_names, options->circuits, options->n_circuits);
    show_caa(view);
    if (options->positions != CNA_POSITIONS_ALL || options->sign != CNA_SIGN_BOTH) {
        printf("scaled   positions %s, sign %s\n", cli_positions_name(options->positions),
               cli_sign_name(options->sign));
    }
    put_line("refusals", view->patterns != NULL ? view->patterns : "by the built-in patterns");
    if (view->run != NULL) put_line("run", view->run);
}

static void show_unknown_leaks(const cna_sweep_options *options)
{
    for (size_t i = 0; i < options->n_circuits; i++) {
        const cna_circuit_info *info = cna_circuit_get_info(options->circuits[i]);
        if (info->n_positive + info->n_negative != 0) continue;
        printf("leak unknown: ");
        cli_put_safe(stdout, options->circuit_names[i], strlen(options->circuit_names[i]), CLI_ONE_LINE);
        printf(" does not say which prompts it was found on\n");
    }
}

/* Answers with words and of good quality, which the log-probability alone made incoherent. */
size_t cli_sweep_count_unlikely(const cna_sweep *sweep, size_t *out_n_answers)
{
    size_t n = 0;
    const double min_quality = cna_sweep_get_info(sweep)->min_quality;
    const cna_sweep_answer *answers = cna_sweep_answers(sweep, out_n_answers);
    for (size_t i = 0; i < *out_n_answers; i++) {
        bool reads_well = answers[i].n_words != 0 && answers[i].quality >= min_quality;
        n += answers[i].outcome == CNA_OUTCOME_INCOHERENT && reads_well;
    }
    return n;
}

void cli_sweep_show_unlikely(size_t n, size_t n_answers)
{
    if (n == 0) return;
    printf("incoherent by log-probability alone: %zu of %zu answers; see --no-logprob-limit and --min-logprob\n", n,
           n_answers);
}

static void show_notes(const cli_sweep_view *view)
{
    const cna_sweep_info *info = cna_sweep_get_info(view->sweep);
    cli_condition_columns columns = cli_condition_columns_of(view->sweep);
    printf("\n%s is the untouched model\nincoherent: empty", columns.scales ? "multiplier 1" : "alpha 0");
    if (info->min_quality > 0) printf(", or quality below %g", info->min_quality);
    if (isfinite(info->min_logprob)) printf(", or mean log-probability below %.3f", info->min_logprob);
    printf("\n");
    size_t n_answers, n_unlikely = cli_sweep_count_unlikely(view->sweep, &n_answers);
    cli_sweep_show_unlikely(n_unlikely, n_answers);
    printf("short: under four words, quality counts as 1\n");
    show_unknown_leaks(view->options);
    if (info->n_controls == 0) {
        printf(
            "no causal claim without controls: run again with a multiplier other than 1 and --controls 20 or "
            "more\n");
    } else {
        printf("random circuits: %zu of each kind, seed %llu\n", info->n_controls,
               (unsigned long long)view->options->seed);
    }
}

void cli_sweep_show(const cli_sweep_view *view)
{
    show_settings(view);
    show_side(view, CNA_SIDE_HARMFUL);
    show_side(view, CNA_SIDE_BENIGN);
    show_perplexity(view);
    show_labels(view);
    show_notes(view);
}
