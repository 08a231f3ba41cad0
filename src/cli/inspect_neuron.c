/* SPDX-License-Identifier: MIT
 * cna inspect CIRCUIT -m MODEL: from files to cna_neuron_inspect. */
#include "cli/inspect_neuron.h"

#include "cli/long_prompts.h"
#include "cli/neuron_view.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/setup.h"

#include <string.h>

enum { DEFAULT_TOP = 10 };

/* Everything that was opened. */
typedef struct work {
    const cli_neuron_request *request;
    cna_circuit *circuit;
    cna_model *model;
    cna_prompts *prompts[CLI_NEURON_SETS];
    cli_neuron_result result;
} work;

static int add_set(work *w, const char *name, const char *path)
{
    if (path == NULL) return CLI_DONE;
    size_t i = w->result.n_sets;
    int code = cli_read_prompts(w->request->common, path, &w->prompts[i]);
    if (code != CLI_DONE) return code;
    w->result.sets[i] = (cli_neuron_set){.name = name, .path = path, .prompts = w->prompts[i]};
    w->result.n_sets++;
    return CLI_DONE;
}

/* Small files first: a mistake in them shows before the weights are read. */
static int open_all(work *w)
{
    const cli_neuron_request *r = w->request;
    const cli_common *common = r->common;
    cna_error err;
    int code = cli_load_circuit(common->words[0], &w->circuit);
    if (code == CLI_DONE) code = add_set(w, "positive", r->positive);
    if (code == CLI_DONE) code = add_set(w, "negative", r->negative);
    if (code == CLI_DONE) code = add_set(w, "prompts", r->prompts);
    if (code == CLI_DONE) code = cli_open_model(common, true, &w->model);
    if (code != CLI_DONE) return code;
    char warning[1024];
    if (cna_circuit_check(w->circuit, w->model, warning, sizeof warning, &err) != CNA_OK) {
        return cli_fail("%s: %s", common->words[0], err.text);
    }
    if (warning[0] != '\0') cli_note("warning: %s: %s", common->words[0], warning);
    w->result.other_weights = warning[0] != '\0';
    return CLI_DONE;
}

/* Say how prompts are formatted, and if the circuit's were not. */
static int note_format(const work *w)
{
    if (w->result.n_sets == 0) return CLI_DONE;
    const char *name, *found_on = cna_circuit_get_info(w->circuit)->prompt_format;
    int code = cli_format_name(w->request->common, cna_model_get_info(w->model), &name);
    if (code != CLI_DONE) return code;
    bool differs = found_on[0] != '\0' && strcmp(found_on, name) != 0;
    cli_note("prompts as %s%s", strcmp(name, "chat") == 0 ? "chat" : "raw text",
             differs ? "; the circuit was found on the other form (--chat, --raw)" : "");
    return CLI_DONE;
}

/* The neurons asked for: the circuit's first ones, or one of the model's, which may be none of the circuit's. */
static const cna_neuron *choose(const work *w, cna_neuron *one, size_t *out_n)
{
    const cli_neuron_request *r = w->request;
    size_t n_neurons, top = r->top != 0 ? r->top : DEFAULT_TOP;
    const cna_neuron *neurons = cna_circuit_neurons(w->circuit, &n_neurons);
    if (!r->choose_neuron) {
        *out_n = n_neurons < top ? n_neurons : top;
        return neurons;
    }
    *one = (cna_neuron){.layer = r->layer, .neuron = r->neuron};
    *out_n = 1;
    return one;
}

static int look(work *w)
{
    const cli_neuron_request *r = w->request;
    cna_error err;
    cna_neuron one;
    size_t n_neurons;
    const cna_neuron *neurons = choose(w, &one, &n_neurons);
    const cna_prompts *sets[CLI_NEURON_SETS];
    for (size_t i = 0; i < w->result.n_sets; i++) sets[i] = w->prompts[i];
    const cna_neuron_options options = {
        .sets = sets,
        .n_sets = w->result.n_sets,
        .n_tokens = !r->choose_neuron ? CLI_NEURON_TOKENS : r->top != 0 ? r->top : DEFAULT_TOP,
        .format = cli_format(r->common),
        .progress = cli_progress(),
    };
    cli_prompt_set listed[CLI_NEURON_SETS];
    for (size_t i = 0; i < w->result.n_sets; i++) {
        listed[i] = (cli_prompt_set){w->result.sets[i].path, w->prompts[i], 0, false};
    }
    cli_note_long_prompts(w->model, &options.format, listed, w->result.n_sets);
    cna_neuron_views *views = NULL;
    if (cna_neuron_inspect(w->model, neurons, n_neurons, &options, &views, &err) != CNA_OK) {
        return cli_fail_error(&err);
    }
    w->result.path = r->common->words[0];
    w->result.circuit = w->circuit;
    w->result.model = cna_model_get_info(w->model);
    w->result.tokenizer = cna_model_tokenizer(w->model);
    w->result.views = cna_neuron_views_get(views, &w->result.n_views);
    cli_output_begin();
    int code = CLI_DONE;
    if (r->common->json) {
        cli_neurons_json(&w->result, r->choose_neuron);
    } else if (r->choose_neuron) {
        code = cli_show_neuron(&w->result);
    } else {
        code = cli_show_neurons(&w->result);
    }
    cna_neuron_views_free(views);
    return code;
}

int cli_inspect_neurons(const cli_neuron_request *request)
{
    work w = {.request = request};
    int code = open_all(&w);
    if (code == CLI_DONE) code = note_format(&w);
    if (code == CLI_DONE) code = look(&w);
    cna_model_free(w.model);
    for (size_t i = 0; i < CLI_NEURON_SETS; i++) cna_prompts_free(w.prompts[i]);
    cna_circuit_free(w.circuit);
    return code;
}
