/* SPDX-License-Identifier: MIT
 * cna bench: this machine's ceilings and how close the engine gets. */
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/setup.h"
#include "cli/table.h"
#include "cli/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct arguments {
    cli_common common;
    bool quick;
} arguments;

static const cli_option options[] = {
    {.name = "quick",
     .kind = CLI_SWITCH,
     .offset = offsetof(arguments, quick),
     .help = "every measurement once and smaller, and none that takes long"},
    {0},
};

static void put_text(const char *name, const char *text)
{
    printf("%-9s", name);
    cli_put_safe(stdout, text, strlen(text), CLI_ONE_LINE);
    putchar('\n');
}

static void show_machine(const cna_bench *b)
{
    char line[512];
    snprintf(line, sizeof line, "%s, %d of %d cores, %.1f GB; %s, %s", b->cpu, b->n_threads, b->n_cores,
             1e-9 * (double)b->memory_bytes, b->library, b->kernel);
    put_text("machine", line);
    snprintf(line, sizeof line, "%s, %s, %.1f million parameters, %s", b->model.name, b->model.architecture,
             1e-6 * (double)b->model.n_parameters, b->model.compute_dtype);
    put_text("model", line);
    printf("%-9s", "ceiling");
    if (isfinite(b->bf16_gflops)) printf("%.1f GFLOP/s in bf16, ", b->bf16_gflops);
    printf("%.1f GFLOP/s in f32, %.1f GB/s from memory\n", b->f32_gflops, b->read_gbs);
}

/* "-" for what was not measured. */
static void number_cell(cli_table *table, double value)
{
    if (isfinite(value)) {
        cli_table_cell(table, "%.1f", value);
    } else {
        cli_table_cell(table, "-");
    }
}

static void share_cell(cli_table *table, double share)
{
    char text[16];
    cli_table_cell(table, "%s", cli_percent(text, share));
}

static void show_work(const cna_bench *b)
{
    cli_table table;
    cli_table_begin(&table, "lrrrrr");
    cli_table_row(&table, "|tokens/s|GFLOP/s|of ceiling|of bandwidth|outside products");
    cli_table_cell(&table, "attribute, %zu prompts of %.0f tokens", b->attribute.n_prompts,
                   (double)b->attribute.n_tokens / (double)b->attribute.n_prompts);
    number_cell(&table, (double)b->attribute.n_tokens / b->attribute.seconds);
    number_cell(&table, b->attribute.gflops);
    share_cell(&table, b->attribute.ceiling_share);
    cli_table_cell(&table, " ");
    share_cell(&table, b->attribute.other_share);
    for (size_t i = 0; i < b->n_prompts; i++) {
        const cna_bench_prompt *p = &b->prompts[i];
        cli_table_cell(&table, "prompt, %zu x %zu tokens", p->batch, p->n_tokens);
        number_cell(&table, p->tokens_per_s);
        number_cell(&table, p->gflops);
        share_cell(&table, p->ceiling_share);
        cli_table_cell(&table, " ");
        share_cell(&table, p->other_share);
    }
    for (size_t i = 0; i < b->n_decodes; i++) {
        const cna_bench_decode *d = &b->decodes[i];
        cli_table_cell(&table, "decode, %zu sequence%s", d->batch, d->batch == 1 ? "" : "s");
        number_cell(&table, d->tokens_per_s);
        number_cell(&table, d->gflops);
        share_cell(&table, d->ceiling_share);
        share_cell(&table, d->bandwidth_share);
        share_cell(&table, d->other_share);
    }
    cli_table_print(&table, stdout, 0);
}

static void show_memory(const cna_bench *b)
{
    printf("%-9s", "memory");
    if (b->planned_bytes > 0) printf("planned %.1f MB, ", 1e-6 * (double)b->planned_bytes);
    if (b->peak_bytes > 0) printf("held %.1f MB at most\n", 1e-6 * (double)b->peak_bytes);
    else printf("not known here\n");
}

static void json_machine(cli_json *json, const cna_bench *b)
{
    cli_json_object(json, "machine");
    cli_json_text(json, "cpu", b->cpu);
    cli_json_count(json, "n_cores", (uint64_t)b->n_cores);
    cli_json_count(json, "n_threads", (uint64_t)b->n_threads);
    cli_json_count(json, "memory_bytes", b->memory_bytes);
    cli_json_text(json, "library", b->library);
    cli_json_text(json, "kernel", b->kernel);
    cli_json_text(json, "head_kernel", b->head_kernel);
    cli_json_object_end(json);
    cli_json_object(json, "model");
    cli_json_text(json, "name", b->model.name);
    cli_json_text(json, "architecture", b->model.architecture);
    cli_json_text(json, "dtype", b->model.compute_dtype);
    cli_json_count(json, "n_parameters", b->model.n_parameters);
    cli_json_text(json, "fingerprint", b->model.fingerprint);
    cli_json_object_end(json);
    cli_json_object(json, "ceiling");
    cli_json_f64(json, "bf16_gflops", b->bf16_gflops);
    cli_json_f64(json, "f32_gflops", b->f32_gflops);
    cli_json_f64(json, "read_gbs", b->read_gbs);
    cli_json_count(json, "read_bytes", b->read_bytes);
    cli_json_object_end(json);
}

static void json_attribute(cli_json *json, const cna_bench *b)
{
    cli_json_object(json, "attribute");
    cli_json_f64(json, "gflops", b->attribute.gflops);
    cli_json_f64(json, "ceiling_share", b->attribute.ceiling_share);
    cli_json_f64(json, "other_share", b->attribute.other_share);
    cli_json_f64(json, "seconds", b->attribute.seconds);
    cli_json_count(json, "n_prompts", b->attribute.n_prompts);
    cli_json_count(json, "n_tokens", b->attribute.n_tokens);
    cli_json_count(json, "n_shared", b->attribute.n_shared);
    cli_json_object_end(json);
}

static void json_prompt(cli_json *json, const cna_bench_prompt *p)
{
    cli_json_object(json, NULL);
    cli_json_count(json, "tokens", p->n_tokens);
    cli_json_count(json, "batch", p->batch);
    cli_json_f64(json, "gflops", p->gflops);
    cli_json_f64(json, "tokens_per_s", p->tokens_per_s);
    cli_json_f64(json, "ceiling_share", p->ceiling_share);
    cli_json_f64(json, "other_share", p->other_share);
    cli_json_f64(json, "seconds", p->seconds);
    cli_json_object_end(json);
}

static void json_decode(cli_json *json, const cna_bench_decode *d)
{
    cli_json_object(json, NULL);
    cli_json_count(json, "batch", d->batch);
    cli_json_f64(json, "tokens_per_s", d->tokens_per_s);
    cli_json_f64(json, "bandwidth_share", d->bandwidth_share);
    cli_json_f64(json, "ceiling_share", d->ceiling_share);
    cli_json_f64(json, "other_share", d->other_share);
    cli_json_f64(json, "gflops", d->gflops);
    cli_json_f64(json, "step_seconds", d->step_seconds);
    cli_json_count(json, "n_steps", d->n_steps);
    cli_json_object_end(json);
}

/* null where it is not known. */
static void json_bytes(cli_json *json, const char *key, uint64_t n_bytes)
{
    if (n_bytes > 0) cli_json_count(json, key, n_bytes);
    else cli_json_null(json, key);
}

static void put_json(const cna_bench *b)
{
    cli_json json = {.stream = stdout};
    cli_json_object(&json, NULL);
    json_machine(&json, b);
    json_attribute(&json, b);
    cli_json_array(&json, "prompt");
    for (size_t i = 0; i < b->n_prompts; i++) json_prompt(&json, &b->prompts[i]);
    cli_json_array_end(&json);
    cli_json_array(&json, "decode");
    for (size_t i = 0; i < b->n_decodes; i++) json_decode(&json, &b->decodes[i]);
    cli_json_array_end(&json);
    cli_json_object(&json, "memory");
    json_bytes(&json, "planned_bytes", b->planned_bytes);
    json_bytes(&json, "peak_bytes", b->peak_bytes);
    cli_json_object_end(&json);
    cli_json_object_end(&json);
    cli_json_line(&json);
}

static int run(const cli_command *self, int argc, char **argv)
{
    arguments a = {0};
    int code;
    if (!cli_parse(self, argc, argv, &a, &code)) return code;
    if (a.common.model == NULL) {
        return cli_usage("-m MODEL is required: what is measured depends on a model's shapes; bench/make_checkpoint.py "
                         "makes a model of a given shape without its weights");
    }
    code = cli_locate_model(&a.common.model, true);
    if (code != CLI_DONE) return code;
    cna_error err;
    cna_bench b;
    const cna_model_options model_options = cli_model_options(&a.common, false);
    const cna_bench_options bench_options = {.quick = a.quick, .progress = cli_progress()};
    if (cna_bench_run(a.common.model, &model_options, &bench_options, &b, &err) != CNA_OK) return cli_fail_error(&err);
    cli_output_begin();
    if (a.common.json) {
        put_json(&b);
        return CLI_DONE;
    }
    show_machine(&b);
    putchar('\n');
    show_work(&b);
    putchar('\n');
    show_memory(&b);
    return CLI_DONE;
}

const cli_command cli_command_bench = {
    .name = "bench",
    .summary = "this machine's ceilings and how close the engine gets",
    .usage = "-m MODEL [FLAGS]",
    .example = "  cna bench -m models/llama-planted-instruct\n  cna bench -m Llama-3.2-1B --threads 1 --json\n",
    .options = options,
    .run = run,
};
