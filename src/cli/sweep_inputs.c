/* SPDX-License-Identifier: MIT
 * What sweeps and studies read before their work. */
#include "cli/sweep_inputs.h"

#include <stdlib.h>
#include <string.h>

#include "cli/long_prompts.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/setup.h"

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
static void list_files(const cli_sweep_arguments *a, cli_sweep_inputs *in)
{
    const cna_study_file all[] = {{"prompts", a->prompts},   {"benign", a->benign},     {"positive", a->positive},
                                  {"negative", a->negative}, {"patterns", a->patterns}, {"perplexity", a->perplexity},
                                  {"caa-vector", a->caa_vector}};
    size_t n_all = sizeof all / sizeof *all;
    in->files = cli_alloc(n_all + a->n_circuits, sizeof *in->files);
    for (size_t i = 0; i < n_all; i++) {
        if (all[i].path != NULL) in->files[in->n_files++] = all[i];
    }
    for (size_t i = 0; i < a->n_circuits; i++) {
        in->files[in->n_files++] = (cna_study_file){"circuit", a->circuit_paths[i]};
    }
}

int cli_sweep_read_files(cli_sweep_arguments *a, cli_sweep_inputs *in)
{
    int code = cli_locate_model(&a->common.model, true);
    if (code == CLI_DONE) code = read_prompts(a, a->prompts, &in->prompts);
    if (code == CLI_DONE) code = read_prompts(a, a->benign, &in->benign);
    if (code == CLI_DONE) code = read_prompts(a, a->positive, &in->positive);
    if (code == CLI_DONE) code = read_prompts(a, a->negative, &in->negative);
    if (code == CLI_DONE) code = read_patterns(a->patterns, &in->patterns);
    if (code == CLI_DONE && a->perplexity != NULL) code = cli_read_file(a->perplexity, &in->text, &in->text_bytes);
    if (code == CLI_DONE) list_files(a, in);
    return code;
}

int cli_sweep_open_model(const cli_sweep_arguments *a, cli_sweep_inputs *in)
{
    int code = cli_open_model(&a->common, false, &in->model);
    in->circuits = cli_alloc(a->n_circuits, sizeof *in->circuits);
    for (size_t i = 0; i < a->n_circuits && code == CLI_DONE; i++) {
        code = cli_read_circuit(a->circuit_paths[i], in->model, &in->circuits[i]);
    }
    if (code == CLI_DONE && a->caa_vector != NULL) code = cli_read_vectors(a->caa_vector, in->model, &in->vectors);
    return code;
}

void cli_sweep_note_long(const cli_sweep_arguments *a, const cli_sweep_inputs *in, const cna_model *model,
                         const cna_format *format)
{
    const cli_prompt_set sets[] = {{a->prompts, in->prompts, a->max_tokens, false},
                                   {a->benign, in->benign, a->max_tokens, false},
                                   {a->positive, in->positive, 0, false},
                                   {a->negative, in->negative, 0, false}};
    cli_note_long_prompts(model, format, sets, sizeof sets / sizeof *sets);
}

void cli_sweep_inputs_free(cli_sweep_inputs *in, size_t n_circuits)
{
    for (size_t i = 0; i < n_circuits && in->circuits != NULL; i++) cna_circuit_free(in->circuits[i]);
    cna_caa_free(in->vectors);
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

cna_sweep_options cli_sweep_settings(const cli_sweep_arguments *a, const cli_sweep_inputs *in)
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
        .caa_vectors = in->vectors,
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
        .keep_reasoning = a->keep_reasoning,
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
