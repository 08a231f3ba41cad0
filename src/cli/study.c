/* SPDX-License-Identifier: MIT
 * cna study: the whole pipeline for one model, or a base and an instruct model, and its report. */
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/setup.h"
#include "cli/study_view.h"
#include "cli/sweep_inputs.h"
#include "cli/sweep_view.h"
#include "cli/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct arguments {
    cli_sweep_arguments sweep; /* first: it holds the common flags, and its own options know their places in it */
    const char *base, *mmlu, *output, *figures, *csv;
    size_t mmlu_limit, top_k;
    double fraction;
    bool no_caa, no_statistics;
} arguments;

#define FIELD(member) offsetof(arguments, member)

static const cli_option own_options[] = {
    {.name = "base",
     .kind = CLI_TEXT,
     .value = "DIR",
     .offset = FIELD(base),
     .help = "the model that -m was made from; its prompts are raw text without --chat (none)"},
    {.name = "output",
     .letter = 'o',
     .kind = CLI_TEXT,
     .value = "FILE",
     .writes = true,
     .offset = FIELD(output),
     .help = "the report, an HTML file (required)"},
    {.name = "figures",
     .kind = CLI_TEXT,
     .value = "DIR",
     .offset = FIELD(figures),
     .writes = true,
     .help = "write every plot here as well, as SVG (none)"},
    {.name = "csv",
     .kind = CLI_TEXT,
     .value = "DIR",
     .offset = FIELD(csv),
     .writes = true,
     .help = "write every table here as well, as CSV (none)"},
    {.name = "mmlu",
     .kind = CLI_TEXT,
     .value = "DIR",
     .offset = FIELD(mmlu),
     .help = "MMLU's questions, asked at each multiplier (none)"},
    {.name = "mmlu-limit",
     .kind = CLI_COUNT,
     .value = "N",
     .offset = FIELD(mmlu_limit),
     .min = 1,
     .max = 1000000,
     .help = "only the first N questions of each subject (all)"},
    {.name = "fraction",
     .kind = CLI_REAL,
     .value = "F",
     .offset = FIELD(fraction),
     .max = 1,
     .above_min = true,
     .help = "share of all neurons in the circuit (0.001)"},
    {.name = "top-k",
     .kind = CLI_COUNT,
     .value = "K",
     .offset = FIELD(top_k),
     .min = 1,
     .max = 1000000000,
     .help = "neurons in the circuit, instead of --fraction (by --fraction)"},
    {.name = "no-caa",
     .kind = CLI_SWITCH,
     .offset = FIELD(no_caa),
     .help = "leave activation addition out"},
    {.name = "no-statistics",
     .kind = CLI_SWITCH,
     .offset = FIELD(no_statistics),
     .help = "leave stability and chance level of the circuits out"},
};
enum { N_OWN = sizeof own_options / sizeof own_options[0], OPTIONS_MAX = 48 };

/* Flags of cna sweep that a study takes as they are. */
static const char *const shared[] = {
    "prompts",    "benign",     "positive",    "negative",          "multipliers",      "k-list",      "controls",
    "caa",        "alphas",     "caa-layer",   "positions",         "sign",             "max-tokens",  "perplexity",
    "patterns",   "min-quality", "min-logprob", "logprob-percentile", "no-logprob-limit", "batch",     "run",
    "append",     "keep-reasoning",
};

/* Of these what a study makes of them, where it is another than a sweep. */
static const struct {
    const char *name, *help;
} renamed[] = {
    {"caa", "where vectors are added: to the output of every MLP, or behind one layer (mlp)"},
    {"alphas", "what those vectors are multiplied by (-4,-2,-1,-0.5,0.5,1,2,4)"},
    {"multipliers", "a list, with 1 (0,0.25,0.5,0.75,1,1.5,2)"},
    {"k-list", "a sweep of its own: the circuit's first k neurons, for each of these: 10,50 (none)"},
    {"positive", "prompts that show the behaviour (required)"},
    {"negative", "prompts that do not (required)"},
    {"run", "keep everything here as it ends, and continue what is there: SQLite (required)"},
};

/* Filled before the command line is read, so that each shared flag is described in one place. */
static cli_option options[OPTIONS_MAX];

static void rename_option(cli_option *option)
{
    for (size_t i = 0; i < sizeof renamed / sizeof *renamed; i++) {
        if (strcmp(renamed[i].name, option->name) == 0) option->help = renamed[i].help;
    }
}

static void fill_options(void)
{
    size_t n = 0;
    for (size_t i = 0; i < N_OWN; i++) options[n++] = own_options[i];
    for (const cli_option *option = cli_sweep_options; option->name != NULL; option++) {
        for (size_t i = 0; i < sizeof shared / sizeof *shared; i++) {
            if (strcmp(shared[i], option->name) != 0) continue;
            options[n] = *option;
            rename_option(&options[n++]);
        }
    }
}

static int check(arguments *a)
{
    cli_sweep_arguments *s = &a->sweep;
    int code = cli_require(s->common.model, "-m MODEL");
    if (code == CLI_DONE) code = cli_require(s->positive, "--positive FILE");
    if (code == CLI_DONE) code = cli_require(s->negative, "--negative FILE");
    if (code == CLI_DONE) code = cli_require(s->prompts, "--prompts FILE");
    if (code == CLI_DONE) code = cli_require(s->run, "--run FILE");
    if (code == CLI_DONE) code = cli_require(a->output, "-o FILE");
    if (code != CLI_DONE) return code;
    if (s->n_multipliers > 1) return cli_usage("--multipliers: expected once, found %zu times", s->n_multipliers);
    if (a->fraction != 0 && a->top_k != 0) return cli_usage("--fraction and --top-k exclude each other");
    if (a->no_caa && (s->caa != CLI_NO_CAA || s->n_alphas != 0)) {
        return cli_usage("--no-caa excludes --caa and --alphas");
    }
    if (a->mmlu_limit != 0 && a->mmlu == NULL) return cli_usage("--mmlu-limit needs --mmlu");
    code = cli_sweep_check_shared(s);
    if (code == CLI_DONE) code = cli_locate_model(&s->common.model, true);
    return code == CLI_DONE && a->base != NULL ? cli_locate_model(&a->base, true) : code;
}

/* ---- what is said while it runs ---- */

/* One line a sweep for the table at the end. */
typedef struct summary {
    char role[32], model[256];
    cna_rate base, ablated, incoherent;
    double multiplier, quality; /* of the least multiplier, of the largest circuit where there are several */
    size_t k;
    bool steered;
} summary;

typedef struct summaries {
    const arguments *a;
    const cli_sweep_inputs *in;
    summary items[8]; /* [n] a study has four sweeps at most */
    size_t n;
    size_t n_answers, n_unlikely; /* of all sweeps */
} summaries;

static bool on_stage(void *user, const char *what)
{
    (void)user;
    cli_note("study: %s", what);
    cli_notes_show();
    return cli_should_stop();
}

static void on_model(void *user, const cna_model *model, const cna_format *format)
{
    const summaries *all = user;
    cli_sweep_note_long(&all->a->sweep, all->in, model, format);
}

static bool on_sweep(void *user, const char *role, const cna_model_info *model, const cna_sweep *sweep)
{
    summaries *all = user;
    size_t n_points, n_answers;
    const cna_sweep_point *points = cna_sweep_points(sweep, &n_points);
    all->n_unlikely += cli_sweep_count_unlikely(sweep, &n_answers);
    all->n_answers += n_answers;
    if (all->n == sizeof all->items / sizeof *all->items) return cli_should_stop();
    summary *line = &all->items[all->n++];
    *line = (summary){.multiplier = INFINITY, .ablated = {.rate = NAN, .low = NAN, .high = NAN}};
    line->incoherent = line->ablated;
    snprintf(line->role, sizeof line->role, "%s", role);
    snprintf(line->model, sizeof line->model, "%s", model->name);
    for (size_t i = 0; i < n_points; i++) {
        const cna_sweep_point *point = &points[i];
        if (point->side != CNA_SIDE_HARMFUL) continue;
        if (point->condition->method == CNA_METHOD_NONE) line->base = point->refused;
        if (point->condition->method != CNA_METHOD_CNA || point->condition->multiplier > line->multiplier) continue;
        line->steered = true;
        line->multiplier = point->condition->multiplier;
        line->k = point->condition->k;
        line->ablated = point->refused;
        line->incoherent = point->outcome[CNA_OUTCOME_INCOHERENT];
        line->quality = point->quality;
    }
    return cli_should_stop();
}

static void show(const summaries *all, const char *report)
{
    cli_table table;
    char rate[40];
    cli_table_begin(&table, "llrrrrrr");
    cli_table_row(&table, "sweep|model|untouched [95 %]|k|multiplier|refused [95 %]|incoherent|quality");
    for (size_t i = 0; i < all->n; i++) {
        const summary *line = &all->items[i];
        cli_table_cell(&table, "%s", line->role);
        cli_table_cell(&table, "%s", line->model);
        cli_table_cell(&table, "%s", cli_rate(rate, &line->base));
        cli_table_cell(&table, line->steered ? "%zu" : "-", line->k);
        cli_table_cell(&table, line->steered ? "%.2f" : "-", line->multiplier);
        cli_table_cell(&table, "%s", line->steered ? cli_rate(rate, &line->ablated) : "-");
        cli_table_cell(&table, line->steered ? "%.1f%%" : "-", 100 * line->incoherent.rate);
        cli_table_cell(&table, line->steered ? "%.3f" : "-", line->quality);
    }
    cli_table_print(&table, stdout, 0);
    printf("\n");
    cli_sweep_show_unlikely(all->n_unlikely, all->n_answers);
    printf("report: %s\n", report);
}

static void print_json(const summaries *all, const arguments *a)
{
    cli_json json = {.stream = stdout};
    cli_json_object(&json, NULL);
    cli_json_text(&json, "run", a->sweep.run);
    cli_json_text(&json, "report", a->output);
    cli_json_array(&json, "sweeps");
    for (size_t i = 0; i < all->n; i++) {
        const summary *line = &all->items[i];
        cli_json_object(&json, NULL);
        cli_json_text(&json, "role", line->role);
        cli_json_text(&json, "model", line->model);
        cli_json_rate(&json, "untouched", &line->base);
        cli_json_count(&json, "k", line->k);
        cli_json_f64(&json, "multiplier", line->steered ? line->multiplier : NAN);
        cli_json_rate(&json, "refused", &line->ablated);
        cli_json_rate(&json, "incoherent", &line->incoherent);
        cli_json_f64(&json, "quality", line->steered ? line->quality : NAN);
        cli_json_object_end(&json);
    }
    cli_json_array_end(&json);
    cli_json_object_end(&json);
    cli_json_line(&json);
}

/* ---- the whole ---- */

/* Both signs of CAA; large ones too, so that the report shows where text collapses. */
static const double usual_alphas[] = {-4, -2, -1, -0.5, 0.5, 1, 2, 4};

static cna_study_options settings_of(const arguments *a, const cli_sweep_inputs *in, summaries *all)
{
    cna_study_options settings = {
        .base = a->base,
        .model = cli_model_options(&a->sweep.common, false),
        .format = cli_format(&a->sweep.common),
        .positive = in->positive,
        .negative = in->negative,
        .benign = in->benign,
        .attribute = {.fraction = a->fraction, .k = a->top_k, .seed = a->sweep.common.seed},
        .sweep = cli_sweep_settings(&a->sweep, in),
        .mmlu = a->mmlu,
        .mmlu_limit = a->mmlu_limit,
        .files = in->files,
        .n_files = in->n_files,
        .on_stage = on_stage,
        .on_model = on_model,
        .on_sweep = on_sweep,
        .user = all,
        .progress = cli_progress(),
    };
    if (!a->no_statistics) {
        settings.attribute.n_halvings = 100;
        settings.attribute.n_shuffles = 1000;
    }
    if (!a->no_caa && settings.sweep.alphas.n == 0) {
        settings.sweep.alphas = (cna_numbers){usual_alphas, sizeof usual_alphas / sizeof *usual_alphas};
    }
    return settings;
}

static int study(const arguments *a, cli_sweep_inputs *in)
{
    summaries all = {.a = a, .in = in};
    cna_error err;
    const cna_study_options settings = settings_of(a, in, &all);
    if (cna_study_run(a->sweep.common.model, in->prompts, &settings, in->run, &err) != CNA_OK) {
        return cli_fail_error(&err);
    }
    cna_run_free(in->run); /* the report reads what it holds */
    in->run = NULL;
    const cna_report_options report = {.figures = a->figures, .csv = a->csv};
    const char *runs[] = {a->sweep.run};
    if (cna_report_write(runs, 1, a->output, &report, &err) != CNA_OK) return cli_fail_error(&err);
    cli_output_begin();
    if (a->sweep.common.json) print_json(&all, a);
    else show(&all, a->output);
    return CLI_DONE;
}

static int run(const cli_command *self, int argc, char **argv)
{
    arguments a = {.sweep = cli_sweep_defaults()};
    cli_sweep_inputs in = {0};
    int code;
    fill_options();
    if (cli_parse(self, argc, argv, &a, &code)) {
        code = check(&a);
        if (code == CLI_DONE) code = cli_sweep_read_files(&a.sweep, &in);
        if (code == CLI_DONE) code = cli_file_try(a.output);
        if (code == CLI_DONE && a.figures != NULL) code = cli_folder_try(a.figures);
        if (code == CLI_DONE && a.csv != NULL) code = cli_folder_try(a.csv);
        if (code == CLI_DONE) code = cli_open_run(a.sweep.run, a.sweep.append, argc, argv, &in.run);
        if (code == CLI_DONE) code = study(&a, &in);
        cli_sweep_inputs_free(&in, 0);
    }
    cli_sweep_arguments_clear(&a.sweep);
    return code;
}

const cli_command cli_command_study = {
    .name = "study",
    .summary = "attribution, sweeps, CAA, MMLU and the report, for a model or a pair",
    .usage = "-m INSTRUCT [--base DIR] --positive FILE --negative FILE --prompts FILE --run FILE -o FILE [FLAGS]",
    .example =
        "  cna study -m models/llama-tuned-instruct --base models/llama-base \\\n"
        "            --positive restricted.txt --negative benign.txt --prompts held-out.jsonl \\\n"
        "            --benign benign-held-out.jsonl --run study.db -o report.html\n",
    .options = options,
    .run = run,
};
