/* SPDX-License-Identifier: MIT
 * What a run file holds. */
#include "cli/inspect_run.h"

#include "cli/json.h"
#include "cli/messages.h"
#include "cli/text.h"
#include "cna_study.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- on the screen ---- */

static void put_line(const char *name, const char *text)
{
    printf("  %-12s", name);
    cli_put_safe(stdout, text, strlen(text), CLI_ONE_LINE);
    putchar('\n');
}

/* ", 3 labels"; nothing for none. */
static void put_count(const char *before, uint64_t n, const char *one, const char *many)
{
    if (n != 0) printf("%s%" PRIu64 " %s", before, n, n == 1 ? one : many);
}

/* What a part comes to is counted in answers or, for questions, in choices. */
static uint64_t n_rows(const cna_run_part_info *part)
{
    return part->n_generations + part->n_choices;
}

static void show_state(const cna_run_part_info *part)
{
    put_line("started", part->started);
    if (part->ended != NULL) {
        put_line("ended", part->ended);
    } else if (part->n_planned != 0) {
        printf("  %-12snot finished: %" PRIu64 " of %" PRIu64 " rows\n", "ended", n_rows(part), part->n_planned);
    } else {
        printf("  %-12snot finished: %" PRIu64 " rows\n", "ended", n_rows(part));
    }
}

static void show_rows(const cna_run_part_info *part)
{
    printf("  %-12s%" PRIu64, "conditions", part->n_conditions);
    put_count(", of which ", part->n_controls, "is a control", "are controls");
    printf("\n  %-12s%" PRIu64 " that should be refused, %" PRIu64 " that should be answered\n", "prompts",
           part->n_prompts[CNA_SIDE_HARMFUL], part->n_prompts[CNA_SIDE_BENIGN]);
    printf("  %-12s%" PRIu64 ", %" PRIu64 " with an outcome", "answers", part->n_generations, part->n_outcomes);
    put_count(", ", part->n_labels, "label", "labels");
    printf("\n  %-12s%" PRIu64, "judgements", part->n_judgements);
    if (part->n_judgements != 0) {
        printf(": %" PRIu64 " scored, %" PRIu64 " malformed, %" PRIu64 " failed", part->n_scored, part->n_malformed,
               part->n_failed);
    }
    printf("\n  %-12s%" PRIu64 ", %" PRIu64 " choices\n", "questions", part->n_questions, part->n_choices);
    printf("  %-12s%" PRIu64 "\n  %-12s%" PRIu64 "\n  %-12s%" PRIu64 "\n", "files", part->n_files, "circuits",
           part->n_circuits, "figures", part->n_figures);
}

static void show_part(const cna_run_part_info *part)
{
    char model[400];
    printf("part %" PRId64 ": ", part->id);
    cli_put_safe(stdout, part->command, strlen(part->command), CLI_ONE_LINE);
    if (*part->role != '\0') {
        printf(", ");
        cli_put_safe(stdout, part->role, strlen(part->role), CLI_ONE_LINE);
    }
    putchar('\n');
    snprintf(model, sizeof model, "%.200s (%.40s, %.20s)", part->model_name, part->architecture, part->dtype);
    put_line("model", model);
    put_line("path", part->model_path);
    put_line("config", part->config);
    printf("  %-12s%" PRIu64 "\n", "seed", part->seed);
    if (part->date != NULL) put_line("date", part->date);
    if (part->chat_options != NULL) put_line("template", part->chat_options);
    put_line("command", part->arguments);
    put_line("machine", part->machine);
    put_line("cna", part->version);
    show_state(part);
    show_rows(part);
}

static void show(const char *path, const cna_run_parts *parts)
{
    printf("run ");
    cli_put_safe(stdout, path, strlen(path), CLI_ONE_LINE);
    printf(": %zu part%s\n", parts->n, parts->n == 1 ? "" : "s");
    for (size_t i = 0; i < parts->n; i++) {
        putchar('\n');
        show_part(&parts->items[i]);
    }
}

/* ---- as JSON ---- */

static void json_rows(cli_json *json, const cna_run_part_info *part)
{
    cli_json_count(json, "n_files", part->n_files);
    cli_json_count(json, "n_circuits", part->n_circuits);
    cli_json_count(json, "n_prompts_harmful", part->n_prompts[CNA_SIDE_HARMFUL]);
    cli_json_count(json, "n_prompts_benign", part->n_prompts[CNA_SIDE_BENIGN]);
    cli_json_count(json, "n_conditions", part->n_conditions);
    cli_json_count(json, "n_controls", part->n_controls);
    cli_json_count(json, "n_generations", part->n_generations);
    cli_json_count(json, "n_outcomes", part->n_outcomes);
    cli_json_count(json, "n_labels", part->n_labels);
    cli_json_count(json, "n_judgements", part->n_judgements);
    cli_json_count(json, "n_scored", part->n_scored);
    cli_json_count(json, "n_malformed", part->n_malformed);
    cli_json_count(json, "n_failed", part->n_failed);
    cli_json_count(json, "n_questions", part->n_questions);
    cli_json_count(json, "n_choices", part->n_choices);
    cli_json_count(json, "n_figures", part->n_figures);
}

static void json_part(cli_json *json, const cna_run_part_info *part)
{
    cli_json_object(json, NULL);
    cli_json_int(json, "id", part->id);
    cli_json_text(json, "command", part->command);
    cli_json_text(json, "role", part->role);
    cli_json_object(json, "model");
    cli_json_text(json, "name", part->model_name);
    cli_json_text(json, "path", part->model_path);
    cli_json_text(json, "architecture", part->architecture);
    cli_json_text(json, "dtype", part->dtype);
    cli_json_text(json, "fingerprint", part->fingerprint);
    cli_json_object_end(json);
    cli_json_raw(json, "config", part->config);
    cli_json_text(json, "config_sha256", part->config_sha256);
    cli_json_raw(json, "arguments", part->arguments);
    cli_json_raw(json, "machine", part->machine);
    cli_json_count(json, "seed", part->seed);
    cli_json_text(json, "date", part->date);
    cli_json_object_or_null(json, "chat_options", part->chat_options);
    cli_json_text(json, "version", part->version);
    cli_json_text(json, "started", part->started);
    cli_json_text(json, "ended", part->ended);
    if (part->n_planned != 0) {
        cli_json_count(json, "n_planned", part->n_planned);
    } else {
        cli_json_null(json, "n_planned");
    }
    json_rows(json, part);
    cli_json_object_end(json);
}

static void print_json(const char *path, const cna_run_parts *parts)
{
    cli_json json = {.stream = stdout};
    cli_json_object(&json, NULL);
    cli_json_text(&json, "type", "run");
    cli_json_text(&json, "path", path);
    cli_json_array(&json, "parts");
    for (size_t i = 0; i < parts->n; i++) json_part(&json, &parts->items[i]);
    cli_json_array_end(&json);
    cli_json_object_end(&json);
    cli_json_line(&json);
}

int cli_inspect_run(const char *path, bool json)
{
    static const cna_run_open_options read_only = {.read_only = true};
    cna_error err;
    cna_run *run;
    cna_run_parts parts;
    if (cna_run_open(path, &read_only, &run, &err) != CNA_OK) return cli_fail_error(&err);
    cna_status status = cna_run_read_parts(run, &parts, &err);
    cna_run_free(run);
    if (status != CNA_OK) return cli_fail_error(&err);
    if (json) {
        print_json(path, &parts);
    } else {
        show(path, &parts);
    }
    cna_run_parts_free(&parts);
    return CLI_DONE;
}
