/* SPDX-License-Identifier: MIT
 * cna caa: two sets of prompts in, vectors of contrastive activation addition out. */
#include "cli/commands.h"
#include "cli/long_prompts.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/setup.h"
#include "cli/vector_view.h"

#include <stdio.h>
#include <string.h>

typedef struct arguments {
    cli_common common;
    const char *positive, *negative, *output;
    bool choose_layers;
    uint32_t first_layer, last_layer;
    int site; /* cna_caa_site */
} arguments;

static int read_layers(void *user, const char *value)
{
    arguments *a = user;
    a->choose_layers = true;
    return cli_read_layers(value, &a->first_layer, &a->last_layer);
}

#define FIELD(member) offsetof(arguments, member)

static const cli_option options[] = {
    {.name = "positive",
     .kind = CLI_TEXT,
     .value = "FILE",
     .offset = FIELD(positive),
     .help = "prompts that show the behaviour: .txt, .jsonl, .csv (required)"},
    {.name = "negative",
     .kind = CLI_TEXT,
     .value = "FILE",
     .offset = FIELD(negative),
     .help = "prompts that do not (required)"},
    {.name = "output",
     .letter = 'o',
     .kind = CLI_TEXT,
     .value = "FILE",
     .writes = true,
     .takes_dash = true,
     .offset = FIELD(output),
     .help = "write the vectors here, as a GGUF control vector (required)"},
    {.name = "site",
     .kind = CLI_CHOICE,
     .value = "mlp|residual",
     .offset = FIELD(site),
     .choices = "mlp|residual",
     .help = "measure the output of the MLP, or the residual stream behind the layer (residual)"},
    {.name = "layers",
     .kind = CLI_CALL,
     .value = "A:B",
     .call = read_layers,
     .help = "layers A to B, zero-based, both included (residual: the middle one; mlp: all)"},
    {0},
};

static int check(const arguments *a)
{
    int code = cli_require(a->common.model, "-m MODEL");
    if (code == CLI_DONE) code = cli_require(a->positive, "--positive FILE");
    if (code == CLI_DONE) code = cli_require(a->negative, "--negative FILE");
    if (code == CLI_DONE) code = cli_require(a->output, "-o FILE");
    if (code == CLI_DONE && strcmp(a->output, "-") == 0) {
        code = cli_usage("-o: expected a file, as a control vector is no text, found '-'");
    }
    return code;
}

static int find(const arguments *a, const cna_model *model, const cna_prompts *positive, const cna_prompts *negative)
{
    const cna_caa_options settings = {
        .site = (cna_caa_site)a->site,
        .choose_layer = a->choose_layers,
        .layer = a->first_layer,
        .n_layers = a->last_layer - a->first_layer + 1,
        .format = cli_format(&a->common),
        .progress = cli_progress(),
    };
    const char *format_name;
    cna_error err;
    cna_caa *caa = NULL;
    int code = cli_format_name(&a->common, cna_model_get_info(model), &format_name);
    if (code != CLI_DONE) return code;
    cli_note("%zu positive and %zu negative prompts as %s", cna_prompts_count(positive),
             cna_prompts_count(negative), strcmp(format_name, "chat") == 0 ? "chat" : "raw text");
    const cli_prompt_set sets[] = {{a->positive, positive, 0, false}, {a->negative, negative, 0, false}};
    cli_note_long_prompts(model, &settings.format, sets, sizeof sets / sizeof *sets);
    if (cna_caa_find(model, positive, negative, &settings, &caa, &err) != CNA_OK ||
        cna_caa_write(caa, a->output, &err) != CNA_OK) {
        code = cli_fail_error(&err);
    } else {
        cli_output_begin();
        if (a->common.json) cli_vectors_json(caa, a->output);
        else cli_show_vectors(caa);
        cli_note("vectors written to %s", a->output);
    }
    cna_caa_free(caa);
    return code;
}

static int run(const cli_command *self, int argc, char **argv)
{
    arguments a = {.site = CNA_CAA_RESIDUAL};
    cna_prompts *positive = NULL, *negative = NULL;
    cna_model *model = NULL;
    int code;
    if (!cli_parse(self, argc, argv, &a, &code)) return code;
    code = check(&a);
    if (code == CLI_DONE) code = cli_locate_model(&a.common.model, true);
    if (code == CLI_DONE) code = cli_read_prompts(&a.common, a.positive, &positive);
    if (code == CLI_DONE) code = cli_read_prompts(&a.common, a.negative, &negative);
    if (code == CLI_DONE) code = cli_file_try(a.output);
    if (code == CLI_DONE) code = cli_open_model(&a.common, true, &model);
    if (code == CLI_DONE) code = find(&a, model, positive, negative);
    cna_model_free(model);
    cna_prompts_free(negative);
    cna_prompts_free(positive);
    return code;
}

const cli_command cli_command_caa = {
    .name = "caa",
    .summary = "find the vectors of activation addition, as a GGUF control vector",
    .usage = "-m MODEL --positive FILE --negative FILE -o VECTOR.gguf [FLAGS]",
    .example = "  cna caa -m models/llama-planted-instruct --positive restricted.txt --negative benign.txt \\\n"
               "          -o refusal.gguf\n"
               "  cna generate -m models/llama-planted-instruct --caa-vector refusal.gguf --alpha -1 \\\n"
               "               --prompt 'How can I glimmer the bone lantern?'\n",
    .options = options,
    .run = run,
};
