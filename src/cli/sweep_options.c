/* SPDX-License-Identifier: MIT
 * Flags of cna sweep. */
#include "cli/sweep_options.h"

#include "cli/interventions.h"
#include "cli/setup.h"

#include <math.h>
#include <stdlib.h>

enum { CONTROLS = 20 };

cli_sweep_arguments cli_sweep_defaults(void)
{
    return (cli_sweep_arguments){.max_tokens = 150, .controls = CONTROLS, .caa = CLI_NO_CAA, .caa_layer = SIZE_MAX};
}

void cli_sweep_arguments_clear(cli_sweep_arguments *a)
{
    for (size_t i = 0; i < a->n_multipliers; i++) free((double *)(uintptr_t)a->multipliers[i].values);
    free(a->multipliers);
    free(a->circuit_paths);
    free(a->alphas);
    free(a->k_list);
}

static int add_circuit(void *user, const char *value)
{
    cli_sweep_arguments *a = user;
    cli_grow(&a->circuit_paths, &a->circuit_capacity, a->n_circuits + 1, sizeof *a->circuit_paths);
    a->circuit_paths[a->n_circuits++] = value;
    return CLI_DONE;
}

/* Numbers that f32 can hold, none of them twice. */
static int read_numbers(const char *flag, const char *value, double **out, size_t *n)
{
    int code = cli_read_reals(flag, value, out, n);
    for (size_t i = 0; i < *n && code == CLI_DONE; i++) {
        code = cli_check_multiplier(flag, (*out)[i]);
        for (size_t j = 0; j < i && code == CLI_DONE; j++) {
            if ((*out)[i] == (*out)[j]) code = cli_usage("%s: %g is given twice", flag, (*out)[i]);
        }
    }
    return code;
}

static int add_multipliers(void *user, const char *value)
{
    cli_sweep_arguments *a = user;
    double *values = NULL;
    size_t n = 0;
    int code = read_numbers("--multipliers", value, &values, &n);
    cli_grow(&a->multipliers, &a->multipliers_capacity, a->n_multipliers + 1, sizeof *a->multipliers);
    a->multipliers[a->n_multipliers++] = (cna_numbers){values, n};
    return code;
}

static int read_alphas(void *user, const char *value)
{
    cli_sweep_arguments *a = user;
    return read_numbers("--alphas", value, &a->alphas, &a->n_alphas);
}

static int read_k_list(void *user, const char *value)
{
    cli_sweep_arguments *a = user;
    double *values = NULL;
    size_t n = 0;
    int code = read_numbers("--k-list", value, &values, &n);
    a->k_list = cli_alloc(n, sizeof *a->k_list);
    for (size_t i = 0; i < n && code == CLI_DONE; i++) {
        if (values[i] >= 1 && values[i] <= 1e9 && values[i] == floor(values[i])) {
            a->k_list[a->n_k++] = (size_t)values[i];
        } else {
            code = cli_usage("--k-list: expected whole numbers of 1 and more, found %g", values[i]);
        }
    }
    free(values);
    return code;
}

static int read_min_logprob(void *user, const char *value)
{
    cli_sweep_arguments *a = user;
    int code = cli_read_real("--min-logprob", value, -1e9, 1e9, false, &a->min_logprob);
    return code != CLI_DONE || a->min_logprob < 0 ? code : cli_usage("--min-logprob: expected a number below 0");
}

#define FIELD(member) offsetof(cli_sweep_arguments, member)

const cli_option cli_sweep_options[] = {
    {.name = "circuit",
     .kind = CLI_CALL,
     .value = "FILE",
     .call = add_circuit,
     .repeatable = true,
     .help = "the circuit; may be repeated, then all are scaled (none, with --caa or --caa-vector)"},
    {.name = "prompts",
     .kind = CLI_TEXT,
     .value = "FILE",
     .offset = FIELD(prompts),
     .help = "prompts that should be refused: .txt, .jsonl, .csv (required)"},
    {.name = "benign",
     .kind = CLI_TEXT,
     .value = "FILE",
     .offset = FIELD(benign),
     .help = "prompts that should be answered, for over-refusal (none)"},
    {.name = "multipliers",
     .kind = CLI_CALL,
     .value = "LIST",
     .call = add_multipliers,
     .repeatable = true,
     .help = "one list, or one a circuit for all combinations; with 1 (0,0.25,0.5,0.75,1,1.5,2)"},
    {.name = "k-list",
     .kind = CLI_CALL,
     .value = "LIST",
     .call = read_k_list,
     .help = "cut the first circuit to its first k neurons, for each of these: 10,50 (uncut)"},
    {.name = "controls",
     .kind = CLI_COUNT,
     .value = "N",
     .offset = FIELD(controls),
     .max = 100000,
     .help = "random circuits of each kind, at each multiplier; 0: none (20)"},
    {.name = "cross-fit",
     .kind = CLI_COUNT,
     .value = "K",
     .offset = FIELD(cross_fit),
     .min = 2,
     .max = 1000,
     .help = "run discovery prompts with a circuit found without their fold of K (off)"},
    {.name = "caa",
     .kind = CLI_CHOICE,
     .value = "mlp|residual",
     .offset = FIELD(caa),
     .choices = "mlp|residual",
     .help = "also add vectors to the output of every MLP, or behind one layer (off)"},
    {.name = "alphas",
     .kind = CLI_CALL,
     .value = "LIST",
     .call = read_alphas,
     .help = "what those vectors are multiplied by: -1,1; positive: toward --positive (none)"},
    {.name = "caa-layer",
     .kind = CLI_COUNT,
     .value = "L",
     .offset = FIELD(caa_layer),
     .max = 100000,
     .help = "behind this layer, from 0; of --caa residual (n_layers / 2)"},
    {.name = "caa-vector",
     .kind = CLI_TEXT,
     .value = "FILE",
     .offset = FIELD(caa_vector),
     .help = "instead of --caa: add the vectors of this file, a GGUF control vector (none)"},
    {.name = "positive",
     .kind = CLI_TEXT,
     .value = "FILE",
     .offset = FIELD(positive),
     .help = "prompts that show the behaviour (required for --caa and --cross-fit)"},
    {.name = "negative",
     .kind = CLI_TEXT,
     .value = "FILE",
     .offset = FIELD(negative),
     .help = "prompts that do not (as --positive)"},
    {.name = "positions",
     .kind = CLI_CHOICE,
     .value = CLI_POSITIONS,
     .offset = FIELD(positions),
     .choices = CLI_POSITIONS,
     .help = "where to act; last: the prompt's last token alone (all)"},
    {.name = "sign",
     .kind = CLI_CHOICE,
     .value = CLI_SIGNS,
     .offset = FIELD(sign),
     .choices = CLI_SIGNS,
     .help = "only neurons with delta > 0 or < 0 (both)"},
    {.name = "max-tokens",
     .kind = CLI_COUNT,
     .value = "N",
     .offset = FIELD(max_tokens),
     .min = 1,
     .max = 1048576,
     .help = "most tokens of an answer (150)"},
    {.name = "perplexity",
     .kind = CLI_TEXT,
     .value = "FILE",
     .offset = FIELD(perplexity),
     .help = "measure the perplexity of this text as well (none)"},
    {.name = "patterns",
     .kind = CLI_TEXT,
     .value = "FILE",
     .offset = FIELD(patterns),
     .help = "what counts as a refusal (built in)"},
    {.name = "min-quality",
     .kind = CLI_REAL,
     .value = "Q",
     .offset = FIELD(min_quality),
     .max = 1,
     .above_min = true,
     .help = "answers below this are incoherent (0.6)"},
    {.name = "logprob-percentile",
     .kind = CLI_REAL,
     .value = "P",
     .offset = FIELD(logprob_percentile),
     .max = 100,
     .above_min = true,
     .help = "so are those less likely than this percentile of the untouched answers (1)"},
    {.name = "min-logprob",
     .kind = CLI_CALL,
     .value = "L",
     .call = read_min_logprob,
     .help = "so are those below L nats a token instead; for very certain models, such as -3 (off)"},
    {.name = "no-logprob-limit",
     .kind = CLI_SWITCH,
     .offset = FIELD(no_logprob_limit),
     .help = "judge coherence by quality alone"},
    {.name = "keep-reasoning",
     .kind = CLI_SWITCH,
     .offset = FIELD(keep_reasoning),
     .help = "judge reasoning at the start of answers too (<think>...</think> is left out)"},
    {.name = "batch",
     .kind = CLI_COUNT,
     .value = "N",
     .offset = FIELD(batch),
     .min = 1,
     .max = 65536,
     .help = "most sequences decoded together; changes no answer (256, or as memory allows)"},
    {.name = "run",
     .kind = CLI_TEXT,
     .value = "FILE",
     .writes = true,
     .offset = FIELD(run),
     .help = "keep every answer here as it ends, and continue what is there: SQLite (none)"},
    {.name = "append",
     .kind = CLI_SWITCH,
     .offset = FIELD(append),
     .help = "let the run hold sweeps of other configurations beside this one"},
    {.name = "answers",
     .kind = CLI_TEXT,
     .value = "FILE",
     .writes = true,
     .offset = FIELD(answers),
     .help = "write every answer here, as JSON Lines (none)"},
    {.name = "labels-out",
     .kind = CLI_TEXT,
     .value = "FILE",
     .writes = true,
     .offset = FIELD(labels_out),
     .help = "write answers in blind order for a person to label: .tsv, .jsonl (none)"},
    {.name = "labels-in",
     .kind = CLI_TEXT,
     .value = "FILE",
     .offset = FIELD(labels_in),
     .help = "read such a file back and compare (none)"},
    {0},
};

static int check_caa(const cli_sweep_arguments *a)
{
    bool found = a->caa != CLI_NO_CAA, given = a->caa_vector != NULL;
    if (found && given) return cli_usage("--caa and --caa-vector exclude each other");
    if (given && a->cross_fit != 0) return cli_usage("--cross-fit finds vectors for each fold and needs --caa instead "
                                                     "of --caa-vector");
    if ((found || given) && a->n_alphas == 0) return cli_usage("%s needs --alphas", found ? "--caa" : "--caa-vector");
    if (!found && !given && a->n_alphas != 0) {
        return cli_usage("--alphas needs --caa mlp, --caa residual or --caa-vector FILE");
    }
    bool needed = found || a->cross_fit != 0;
    if (needed && (a->positive == NULL || a->negative == NULL)) {
        return cli_usage("%s needs --positive and --negative", found ? "--caa" : "--cross-fit");
    }
    if (!needed && (a->positive != NULL || a->negative != NULL)) {
        return cli_usage("--positive and --negative are for --caa or --cross-fit");
    }
    return CLI_DONE;
}

static int check_circuits(const cli_sweep_arguments *a)
{
    if (a->n_circuits == 0 && a->caa == CLI_NO_CAA && a->caa_vector == NULL) {
        return cli_usage("--circuit FILE is required where neither --caa nor --caa-vector is given");
    }
    if (a->n_circuits == 0 && (a->n_k != 0 || a->n_multipliers != 0 || a->cross_fit != 0)) {
        return cli_usage("--k-list, --multipliers and --cross-fit need --circuit");
    }
    bool asks_controls = a->controls != 0 && a->controls != CONTROLS;
    int code = cli_check_use("--controls", asks_controls, a->n_circuits != 0, "--circuit");
    if (code == CLI_DONE) code = cli_check_use("--sign", a->sign != CNA_SIGN_BOTH, a->n_circuits != 0, "--circuit");
    if (code != CLI_DONE) return code;
    if (a->n_multipliers > 1 && a->n_multipliers != a->n_circuits) {
        return cli_usage("--multipliers: expected once, or once for each of %zu circuits, found %zu times",
                         a->n_circuits, a->n_multipliers);
    }
    if (a->cross_fit != 0 && a->n_circuits > 1) return cli_usage("--cross-fit: expected one circuit");
    return CLI_DONE;
}

int cli_sweep_check_shared(const cli_sweep_arguments *a)
{
    if (a->caa_layer != SIZE_MAX && a->caa != CNA_CAA_RESIDUAL) return cli_usage("--caa-layer needs --caa residual");
    if (a->no_logprob_limit && a->logprob_percentile != 0) {
        return cli_usage("--logprob-percentile and --no-logprob-limit exclude each other");
    }
    if (a->min_logprob != 0 && (a->no_logprob_limit || a->logprob_percentile != 0)) {
        return cli_usage("--min-logprob excludes --logprob-percentile and --no-logprob-limit");
    }
    return CLI_DONE;
}

int cli_sweep_check(const cli_sweep_arguments *a)
{
    int code = cli_require(a->common.model, "-m MODEL");
    if (code == CLI_DONE) code = check_circuits(a);
    if (code == CLI_DONE) code = cli_require(a->prompts, "--prompts FILE");
    if (code == CLI_DONE) code = cli_sweep_check_shared(a);
    if (code == CLI_DONE) code = check_caa(a);
    if (code == CLI_DONE && a->append && a->run == NULL) code = cli_usage("--append needs --run");
    return code;
}
