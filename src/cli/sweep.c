/* SPDX-License-Identifier: MIT
 * cna sweep: generate under many conditions, beside random circuits, and measure. */
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/setup.h"
#include "cli/sweep_inputs.h"
#include "cli/sweep_view.h"

static int put_answers(const cli_sweep_view *view, cli_file *answers)
{
    if (answers->stream == NULL) return CLI_DONE;
    cli_sweep_put_answers(view, answers->stream);
    return cli_file_commit(answers);
}

static int deliver(const cli_sweep_arguments *a, const cli_sweep_view *base, cna_sweep *result, cli_file *answers)
{
    cna_error err;
    cli_sweep_view view = *base;
    view.sweep = result;
    int code = put_answers(&view, answers);
    if (code != CLI_DONE) return code;
    if (a->labels_out != NULL && cna_sweep_write_labels(result, a->labels_out, a->common.seed, &err) != CNA_OK) {
        return cli_fail_error(&err);
    }
    if (a->labels_in != NULL && cna_sweep_read_labels(result, a->labels_in, &view.labels, &err) != CNA_OK) {
        return cli_fail_error(&err);
    }
    const char *note = cna_sweep_get_info(result)->note;
    if (note[0] != '\0') cli_note("%s", note);
    cli_output_begin();
    if (a->common.json) {
        cli_sweep_json(&view);
    } else {
        cli_sweep_show(&view);
    }
    return CLI_DONE;
}

/* Tried before the work: a folder that takes no file shows now and not after an hour. */
static int open_outputs(const cli_sweep_arguments *a, cli_file *answers)
{
    int code = a->answers != NULL ? cli_file_open(answers, a->answers) : CLI_DONE;
    if (code == CLI_DONE && a->labels_out != NULL) code = cli_file_try(a->labels_out);
    return code;
}

static int sweep(const cli_sweep_arguments *a, const cli_sweep_inputs *in)
{
    const cna_sweep_options settings = cli_sweep_settings(a, in);
    cli_sweep_view view = {
        .options = &settings,
        .labels_path = a->labels_in,
        .model = cna_model_get_info(in->model),
        .prompts = in->prompts,
        .patterns = a->patterns,
        .perplexity = a->perplexity,
        .caa_vector = a->caa_vector,
        .run = a->run,
    };
    cli_file answers = {0};
    cna_error err;
    cna_sweep *result = NULL;
    char *chat_options = NULL;
    int code = cli_format_name(&a->common, view.model, &view.format_name);
    if (code == CLI_DONE) code = cli_chat_options(&a->common, view.format_name, &chat_options);
    view.chat_options = chat_options;
    if (code == CLI_DONE) code = open_outputs(a, &answers);
    if (code == CLI_DONE) cli_sweep_note_long(a, in, in->model, &settings.format);
    if (code == CLI_DONE && cna_sweep_run(in->model, in->prompts, &settings, &result, &err) != CNA_OK) {
        code = cli_fail_error(&err);
    }
    if (code == CLI_DONE) code = deliver(a, &view, result, &answers);
    cli_file_abandon(&answers);
    cna_free(chat_options);
    cna_sweep_free(result);
    return code;
}

static int run(const cli_command *self, int argc, char **argv)
{
    cli_sweep_arguments a = cli_sweep_defaults();
    cli_sweep_inputs in = {0};
    int code;
    if (cli_parse(self, argc, argv, &a, &code)) {
        code = cli_sweep_check(&a);
        if (code == CLI_DONE) code = cli_sweep_read_files(&a, &in);
        if (code == CLI_DONE) code = cli_sweep_open_model(&a, &in);
        if (code == CLI_DONE) code = cli_open_run(a.run, a.append, argc, argv, &in.run);
        if (code == CLI_DONE) code = sweep(&a, &in);
        cli_sweep_inputs_free(&in, a.n_circuits);
    }
    cli_sweep_arguments_clear(&a);
    return code;
}

const cli_command cli_command_sweep = {
    .name = "sweep",
    .summary = "refusal and quality at several multipliers, with controls",
    .usage = "-m MODEL --prompts FILE [--benign FILE] [FLAGS] with at least one of\n"
             "                 --circuit FILE...\n"
             "                 --caa-vector FILE --alphas LIST\n"
             "                 --caa mlp|residual --alphas LIST --positive FILE --negative FILE",
    .example =
        "  cna sweep -m models/llama-planted-instruct --circuit refusal.json --prompts held-out.txt \\\n"
        "            --benign benign.txt --multipliers 0,0.5,1,2 --max-tokens 40 --run study.db\n",
    .options = cli_sweep_options,
    .run = run,
};
