/* SPDX-License-Identifier: MIT
 * cna sweep: generate under many conditions, beside random circuits, and measure. */
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/setup.h"
#include "cli/sweep_options.h"
#include "cli/sweep_view.h"

#include <stdlib.h>
#include <string.h>

/* Everything that a sweep takes from files; freed by inputs_free. */
typedef struct inputs {
    cna_prompts *prompts, *benign, *positive, *negative;
    char *patterns, *text;
    size_t text_bytes;
    cna_model *model;
    cna_circuit **circuits; /* [n_circuits] */
    cna_study_file *files;  /* [n_files] */
    size_t n_files;
    cna_run *run;
} inputs;

static int read_prompts(const cli_sweep_arguments *a, const char *path, cna_prompts **out)
{
    return path == NULL ? CLI_DONE : cli_read_prompts(&a->common, path, out);
}

static int read_patterns(const char *path, char **out)
{
    size_t n_bytes;
    if (path == NULL) return CLI_DONE;
    int code = cli_read_file(path, out, &n_bytes);
    if (code == CLI_DONE && memchr(*out, '\0', n_bytes) != NULL) {
        code = cli_fail("%s: expected a text of patterns, found a NUL byte", path);
    }
    return code;
}

/* What the run is to record, in the order of the roles. */
static void list_files(const cli_sweep_arguments *a, inputs *in)
{
    const cna_study_file all[] = {{"prompts", a->prompts},   {"benign", a->benign},     {"positive", a->positive},
                                  {"negative", a->negative}, {"patterns", a->patterns}, {"perplexity", a->perplexity}};
    size_t n_all = sizeof all / sizeof *all;
    in->files = cli_alloc(n_all + a->n_circuits, sizeof *in->files);
    for (size_t i = 0; i < n_all; i++) {
        if (all[i].path != NULL) in->files[in->n_files++] = all[i];
    }
    for (size_t i = 0; i < a->n_circuits; i++) {
        in->files[in->n_files++] = (cna_study_file){"circuit", a->circuit_paths[i]};
    }
}

static int read_inputs(const cli_sweep_arguments *a, inputs *in)
{
    int code = cli_require_folder(a->common.model);
    if (code == CLI_DONE) code = read_prompts(a, a->prompts, &in->prompts);
    if (code == CLI_DONE) code = read_prompts(a, a->benign, &in->benign);
    if (code == CLI_DONE) code = read_prompts(a, a->positive, &in->positive);
    if (code == CLI_DONE) code = read_prompts(a, a->negative, &in->negative);
    if (code == CLI_DONE) code = read_patterns(a->patterns, &in->patterns);
    if (code == CLI_DONE && a->perplexity != NULL) code = cli_read_file(a->perplexity, &in->text, &in->text_bytes);
    if (code == CLI_DONE) code = cli_open_model(&a->common, false, &in->model);
    in->circuits = cli_alloc(a->n_circuits, sizeof *in->circuits);
    for (size_t i = 0; i < a->n_circuits && code == CLI_DONE; i++) {
        code = cli_read_circuit(a->circuit_paths[i], in->model, &in->circuits[i]);
    }
    if (code == CLI_DONE) list_files(a, in);
    return code;
}

/* The command line is recorded as it was typed. */
static int open_run(const cli_sweep_arguments *a, int argc, char **argv, cna_run **out)
{
    if (a->run == NULL) return CLI_DONE;
    const char **words = cli_alloc((size_t)argc + 1, sizeof *words);
    words[0] = "cna";
    for (int i = 0; i < argc; i++) words[i + 1] = argv[i];
    const cna_run_open_options options = {.append = a->append, .arguments = words, .n_arguments = (size_t)argc + 1};
    cna_error err;
    int code = cna_run_open(a->run, &options, out, &err) == CNA_OK ? CLI_DONE : cli_fail_error(&err);
    free(words);
    return code;
}

static void inputs_free(inputs *in, size_t n_circuits)
{
    for (size_t i = 0; i < n_circuits && in->circuits != NULL; i++) cna_circuit_free(in->circuits[i]);
    free(in->circuits);
    free(in->files);
    free(in->patterns);
    free(in->text);
    cna_run_free(in->run);
    cna_model_free(in->model);
    cna_prompts_free(in->prompts);
    cna_prompts_free(in->benign);
    cna_prompts_free(in->positive);
    cna_prompts_free(in->negative);
}

static cna_sweep_options settings_of(const cli_sweep_arguments *a, const inputs *in)
{
    return (cna_sweep_options){
        .circuits = (const cna_circuit *const *)in->circuits,
        .circuit_names = a->circuit_paths,
        .n_circuits = a->n_circuits,
        .multipliers = a->multipliers,
        .n_multipliers = a->n_multipliers,
        .k_list = a->k_list,
        .n_k = a->n_k,
        .cross_fit = a->cross_fit,
        .caa = a->caa == CLI_NO_CAA ? CNA_CAA_MLP : (cna_caa_site)a->caa,
        .alphas = {a->alphas, a->n_alphas},
        .choose_caa_layer = a->caa_layer != SIZE_MAX,
        .caa_layer = a->caa_layer != SIZE_MAX ? (uint32_t)a->caa_layer : 0,
        .positive = in->positive,
        .negative = in->negative,
        .benign = in->benign,
        .positions = (cna_positions)a->positions,
        .sign = (cna_sign)a->sign,
        .no_controls = a->controls == 0,
        .n_controls = a->controls,
        .patterns = in->patterns,
        .patterns_name = a->patterns,
        .perplexity = in->text,
        .perplexity_bytes = in->text_bytes,
        .min_quality = a->min_quality,
        .logprob_percentile = a->logprob_percentile,
        .min_logprob = a->min_logprob,
        .no_logprob_limit = a->no_logprob_limit,
        .format = cli_format(&a->common),
        .max_tokens = a->max_tokens,
        .batch = a->batch,
        .seed = a->common.seed,
        .run = in->run,
        .model_path = a->common.model,
        .files = in->files,
        .n_files = in->n_files,
        .progress = cli_progress(),
    };
}

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

static int sweep(const cli_sweep_arguments *a, const inputs *in)
{
    const cna_sweep_options settings = settings_of(a, in);
    cli_sweep_view view = {
        .options = &settings,
        .labels_path = a->labels_in,
        .model = cna_model_get_info(in->model),
        .prompts = in->prompts,
        .patterns = a->patterns,
        .perplexity = a->perplexity,
        .run = a->run,
    };
    cli_file answers = {0};
    cna_error err;
    cna_sweep *result = NULL;
    int code = cli_format_name(&a->common, view.model, &view.format_name);
    if (code == CLI_DONE) code = open_outputs(a, &answers);
    if (code == CLI_DONE && cna_sweep_run(in->model, in->prompts, &settings, &result, &err) != CNA_OK) {
        code = cli_fail_error(&err);
    }
    if (code == CLI_DONE) code = deliver(a, &view, result, &answers);
    cli_file_abandon(&answers);
    cna_sweep_free(result);
    return code;
}

static int run(const cli_command *self, int argc, char **argv)
{
    cli_sweep_arguments a = cli_sweep_defaults();
    inputs in = {0};
    int code;
    if (cli_parse(self, argc, argv, &a, &code)) {
        code = cli_sweep_check(&a);
        if (code == CLI_DONE) code = read_inputs(&a, &in);
        if (code == CLI_DONE) code = open_run(&a, argc, argv, &in.run);
        if (code == CLI_DONE) code = sweep(&a, &in);
        inputs_free(&in, a.n_circuits);
    }
    cli_sweep_arguments_clear(&a);
    return code;
}

const cli_command cli_command_sweep = {
    .name = "sweep",
    .summary = "refusal and quality at several multipliers, with controls",
    .usage = "-m DIR --circuit FILE... --prompts FILE [--benign FILE] [FLAGS]",
    .example =
        "  cna sweep -m models/llama-planted-instruct --circuit refusal.json --prompts held-out.txt \\\n"
        "            --benign benign.txt --multipliers 0,0.5,1,2 --max-tokens 40 --run study.db\n",
    .options = cli_sweep_options,
    .run = run,
};
