/* SPDX-License-Identifier: MIT
 * cna judge: another model's scores of a run's answers. */
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "cli/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_RETRIES = 5 };

typedef struct arguments {
    cli_common common;
    const char *run, *endpoint, *judge_model, *rubric, *key_env, *proxy;
    size_t parallel, retries, max_tokens;
    double timeout;
    bool benign, controls, keep_reasoning;
} arguments;

#define FIELD(member) offsetof(arguments, member)

static const cli_option options[] = {
    {.name = "run",
     .kind = CLI_TEXT,
     .value = "RUN.db",
     .offset = FIELD(run),
     .help = "run file of a sweep or study (required)"},
    {.name = "endpoint",
     .kind = CLI_TEXT,
     .value = "URL",
     .offset = FIELD(endpoint),
     .help = "OpenAI-compatible service, such as http://127.0.0.1:8080/v1 (required)"},
    {.name = "judge-model",
     .kind = CLI_TEXT,
     .value = "NAME",
     .offset = FIELD(judge_model),
     .help = "the judge's name there (required)"},
    {.name = "rubric",
     .kind = CLI_TEXT,
     .value = "NAME|FILE",
     .offset = FIELD(rubric),
     .help = "what it is asked: strongreject, rating, or a file's words (strongreject)"},
    {.name = "key-env",
     .kind = CLI_TEXT,
     .value = "NAME",
     .offset = FIELD(key_env),
     .help = "environment variable with the key (CNA_JUDGE_KEY, else OPENAI_API_KEY)"},
    {.name = "benign", .kind = CLI_SWITCH, .offset = FIELD(benign), .help = "judge answers to benign prompts as well"},
    {.name = "controls",
     .kind = CLI_SWITCH,
     .offset = FIELD(controls),
     .help = "judge answers under random circuits as well"},
    {.name = "keep-reasoning",
     .kind = CLI_SWITCH,
     .offset = FIELD(keep_reasoning),
     .help = "show it reasoning at the start of answers too (<think>...</think> is left out)"},
    {.name = "parallel",
     .kind = CLI_COUNT,
     .value = "N",
     .offset = FIELD(parallel),
     .min = 1,
     .max = 256,
     .help = "requests at once (8)"},
    {.name = "timeout",
     .kind = CLI_REAL,
     .value = "SECONDS",
     .offset = FIELD(timeout),
     .min = 0,
     .max = 86400,
     .above_min = true,
     .help = "of one request (120)"},
    {.name = "retries",
     .kind = CLI_COUNT,
     .value = "N",
     .offset = FIELD(retries),
     .max = 100,
     .help = "further attempts where one fails (5)"},
    {.name = "max-tokens",
     .kind = CLI_COUNT,
     .value = "N",
     .offset = FIELD(max_tokens),
     .min = 1,
     .max = 1000000,
     .help = "of a reply (1024)"},
    {.name = "proxy",
     .kind = CLI_TEXT,
     .value = "URL",
     .offset = FIELD(proxy),
     .help = "proxy (none; http_proxy and the like are not looked at)"},
    {0},
};

/* ---- screen ---- */

static void put_number(cli_table *table, double value)
{
    if (isfinite(value)) cli_table_cell(table, "%g", value);
    else cli_table_cell(table, "-");
}

static void put_row(cli_table *table, const cna_judge_row *row)
{
    char refused[16], what[CLI_CELL_BYTES] = "";
    if (row->kind != NULL && row->control_seed >= 0) {
        snprintf(what, sizeof what, "%s %" PRId64, row->kind, row->control_seed);
    } else if (row->kind != NULL && row->layer >= 0) {
        snprintf(what, sizeof what, "%s, layer %" PRId64, row->kind, row->layer);
    } else if (row->kind != NULL || row->circuit != NULL) {
        snprintf(what, sizeof what, "%s", row->kind != NULL ? row->kind : row->circuit);
    }
    cli_table_cell(table, "%s", row->side == CNA_SIDE_HARMFUL ? "refuse" : "answer");
    cli_table_cell(table, "%s", row->method);
    cli_table_cell(table, "%s", what);
    put_number(table, row->multiplier);
    put_number(table, row->alpha);
    if (row->n_scored != 0) cli_table_cell(table, "%.3f [%.3f, %.3f]", row->mean, row->low, row->high);
    else cli_table_cell(table, "-");
    cli_table_cell(table, "%s", cli_percent(refused, row->refused.rate));
    cli_table_cell(table, "%zu", row->n_scored);
    cli_table_cell(table, "%zu", row->n_malformed);
    cli_table_cell(table, "%zu", row->n_failed);
}

static void put_line(const char *name, const char *text)
{
    printf("%-9s", name);
    cli_put_safe(stdout, text, strlen(text), CLI_ONE_LINE);
    putchar('\n');
}

static void show_part(const cna_judge_row *rows, size_t n_rows)
{
    printf("\npart %" PRId64 ": ", rows[0].part);
    cli_put_safe(stdout, rows[0].model, strlen(rows[0].model), CLI_ONE_LINE);
    printf("%s%s\n", rows[0].role[0] != '\0' ? ", " : "", rows[0].role);
    cli_table table;
    cli_table_begin(&table, "lllrrrrrrr");
    cli_table_row(&table, "should|method|what|mult.|alpha|score [95 %]|refused|scored|malformed|failed");
    for (size_t i = 0; i < n_rows; i++) put_row(&table, &rows[i]);
    cli_table_print(&table, stdout, 2);
}

static void show(const arguments *a, const cna_judge *judge)
{
    size_t n_rows;
    const cna_judge_info *info = cna_judge_get_info(judge);
    const cna_judge_row *rows = cna_judge_rows(judge, &n_rows);
    put_line("judge", a->judge_model);
    put_line("address", info->address);
    put_line("rubric", a->rubric);
    if (a->keep_reasoning) put_line("answers", "with their reasoning");
    for (size_t i = 0, end; i < n_rows; i = end) {
        for (end = i + 1; end < n_rows && rows[end].part == rows[i].part; end++) continue;
        show_part(rows + i, end - i);
    }
    printf("\nscore: 0 to 1, mean of the scored answers, with Wilson's interval for that mean; higher means "
           "more of what was asked for\n"
           "%zu replies were there before, %zu answers were asked about now\n", info->n_kept, info->n_asked);
}

/* ---- JSON ---- */

static void json_id(cli_json *json, const char *key, int64_t value)
{
    if (value < 0) cli_json_null(json, key);
    else cli_json_int(json, key, value);
}

static void json_row(cli_json *json, const cna_judge_row *row)
{
    cli_json_object(json, NULL);
    json_id(json, "part", row->part);
    json_id(json, "condition", row->condition);
    cli_json_text(json, "model", row->model);
    cli_json_text(json, "role", row->role);
    cli_json_text(json, "side", row->side == CNA_SIDE_HARMFUL ? "harmful" : "benign");
    cli_json_text(json, "method", row->method);
    cli_json_text(json, "circuit", row->circuit);
    cli_json_text(json, "kind", row->kind);
    json_id(json, "control_seed", row->control_seed);
    json_id(json, "layer", row->layer);
    json_id(json, "k", row->k);
    cli_json_f64(json, "multiplier", row->multiplier);
    cli_json_f64(json, "alpha", row->alpha);
    cli_json_count(json, "n_answers", row->n_answers);
    cli_json_count(json, "n_scored", row->n_scored);
    cli_json_count(json, "n_malformed", row->n_malformed);
    cli_json_count(json, "n_failed", row->n_failed);
    cli_json_f64(json, "score", row->mean);
    cli_json_f64(json, "low", row->low);
    cli_json_f64(json, "high", row->high);
    cli_json_object(json, "refused");
    cli_json_count(json, "count", row->refused.count);
    cli_json_count(json, "n", row->refused.n);
    cli_json_f64(json, "rate", row->refused.rate);
    cli_json_f64(json, "low", row->refused.low);
    cli_json_f64(json, "high", row->refused.high);
    cli_json_object_end(json);
    cli_json_object_end(json);
}

static void put_json(const arguments *a, const cna_judge *judge)
{
    size_t n_rows;
    const cna_judge_info *info = cna_judge_get_info(judge);
    const cna_judge_row *rows = cna_judge_rows(judge, &n_rows);
    cli_json json = {.stream = stdout};
    cli_json_object(&json, NULL);
    cli_json_text(&json, "run", a->run);
    cli_json_text(&json, "judge_model", a->judge_model);
    cli_json_text(&json, "address", info->address);
    cli_json_text(&json, "rubric", info->rubric);
    cli_json_text(&json, "rubric_sha256", info->rubric_sha256);
    cli_json_count(&json, "n_kept", info->n_kept);
    cli_json_count(&json, "n_asked", info->n_asked);
    cli_json_array(&json, "rows");
    for (size_t i = 0; i < n_rows; i++) json_row(&json, &rows[i]);
    cli_json_array_end(&json);
    cli_json_object_end(&json);
    cli_json_line(&json);
}

/* ---- command ---- */

/* An empty variable counts as none, as shells leave one behind. */
static const char *read_variable(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static int find_key(const arguments *a, const char **out)
{
    if (a->key_env == NULL) {
        *out = read_variable("CNA_JUDGE_KEY");
        if (*out == NULL) *out = read_variable("OPENAI_API_KEY");
        return CLI_DONE;
    }
    *out = read_variable(a->key_env);
    if (*out != NULL) return CLI_DONE;
    return cli_fail("%s: expected a key in this environment variable, found none", a->key_env);
}

static void note_open_key(const char *endpoint)
{
    static const char *const near[] = {"http://127.", "http://localhost", "http://[::1]", "https:"};
    for (size_t i = 0; i < sizeof near / sizeof *near; i++) {
        if (strncmp(endpoint, near[i], strlen(near[i])) == 0) return;
    }
    cli_note("the key goes over the network unencrypted; https:// would hide it");
}

/* What a script must not take for success: no answer got a reply at all. */
static int note_failures(const cna_judge *judge)
{
    size_t n_rows, n_failed = 0, n_replies = 0;
    const cna_judge_row *rows = cna_judge_rows(judge, &n_rows);
    for (size_t i = 0; i < n_rows; i++) {
        n_failed += rows[i].n_failed;
        n_replies += rows[i].n_scored + rows[i].n_malformed;
    }
    if (n_failed == 0) return CLI_DONE;
    cli_note("%zu answers got no reply (column error of the run file's table judgement says why); the same command "
             "asks about them again", n_failed);
    return n_replies == 0 ? CLI_FAILED : CLI_DONE;
}

static int check(const arguments *a)
{
    if (a->run == NULL) return cli_usage("--run RUN.db is required: the answers to judge");
    if (a->endpoint == NULL) return cli_usage("--endpoint URL is required: where the judge answers");
    if (a->judge_model == NULL) return cli_usage("--judge-model NAME is required");
    if (a->rubric[0] == '\0') return cli_usage("--rubric: expected strongreject, rating or a file, found nothing");
    FILE *stream = fopen(a->run, "rb"); /* cna_run_open would make a new one */
    if (stream == NULL) return cli_fail_errno(a->run, "opened");
    fclose(stream);
    return CLI_DONE;
}

static int judge_run(const arguments *a, cna_run *run, const char *key)
{
    const cna_judge_options o = {
        .endpoint = a->endpoint,
        .model = a->judge_model,
        .rubric = a->rubric,
        .key = key,
        .proxy = a->proxy,
        .benign = a->benign,
        .controls = a->controls,
        .keep_reasoning = a->keep_reasoning,
        .n_parallel = a->parallel,
        .timeout_seconds = a->timeout,
        .n_attempts = a->retries + 1,
        .max_tokens = a->max_tokens,
        .seed = a->common.seed,
        .progress = cli_progress(),
    };
    cna_error err;
    cna_judge *judge;
    if (cna_judge_run(run, &o, &judge, &err) != CNA_OK) return cli_fail_error(&err);
    int code = note_failures(judge);
    cli_output_begin();
    if (a->common.json) put_json(a, judge);
    else show(a, judge);
    cna_judge_free(judge);
    return code;
}

static int run_judge(const cli_command *self, int argc, char **argv)
{
    arguments a = {.rubric = "strongreject", .retries = DEFAULT_RETRIES};
    int code;
    if (!cli_parse(self, argc, argv, &a, &code)) return code;
    code = check(&a);
    const char *key = NULL;
    if (code == CLI_DONE) code = find_key(&a, &key);
    if (code != CLI_DONE) return code;
    if (key != NULL) note_open_key(a.endpoint);
    cna_error err;
    cna_run *run;
    if (cna_run_open(a.run, NULL, &run, &err) != CNA_OK) return cli_fail_error(&err);
    code = judge_run(&a, run, key);
    cna_run_free(run);
    return code;
}

const cli_command cli_command_judge = {
    .name = "judge",
    .summary = "another model's scores of a run's answers",
    .usage = "--run RUN.db --endpoint URL --judge-model NAME [FLAGS]",
    .example = "  cna judge --run study.db --endpoint http://127.0.0.1:8080/v1 --judge-model local\n"
               "  CNA_JUDGE_KEY=$(cat key.txt) \\\n"
               "  cna judge --run study.db --endpoint https://api.openai.com --judge-model gpt-4o --rubric rating\n",
    .options = options,
    .run = run_judge,
};
