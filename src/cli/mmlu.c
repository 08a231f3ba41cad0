/* SPDX-License-Identifier: MIT
 * cna mmlu: questions with four choices, at several multipliers. */
#include "cli/commands.h"
#include "cli/interventions.h"
#include "cli/mmlu_view.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/setup.h"
#include "cli/text.h"

#include <stdlib.h>
#include <string.h>

typedef struct arguments {
    cli_common common;
    const char *data, *run, *answers;
    const char **circuit_paths; /* [n_circuits] */
    size_t n_circuits, circuit_capacity;
    double *multipliers; /* ? [n_multipliers] */
    size_t n_multipliers;
    char *subject_list;    /* ? what subjects point into */
    const char **subjects; /* ? [n_subjects] */
    size_t n_subjects, subject_capacity;
    int positions, sign; /* cna_positions, cna_sign */
    size_t shots, limit, batch;
    bool by_subject, append;
} arguments;

static int add_circuit(void *user, const char *value)
{
    arguments *a = user;
    cli_grow(&a->circuit_paths, &a->circuit_capacity, a->n_circuits + 1, sizeof *a->circuit_paths);
    a->circuit_paths[a->n_circuits++] = value;
    return CLI_DONE;
}

static int read_multipliers(void *user, const char *value)
{
    arguments *a = user;
    return cli_read_multipliers("--multipliers", value, &a->multipliers, &a->n_multipliers);
}

/* Subjects and groups; otherwise say which one may have been meant. */
static int check_subject(const char *name)
{
    const char *names[CNA_MMLU_N_SUBJECTS + CNA_MMLU_N_GROUPS + 1] = {NULL};
    size_t n = 0;
    for (; n < CNA_MMLU_N_SUBJECTS; n++) names[n] = cna_mmlu_subjects()[n].name;
    for (int group = 0; group < CNA_MMLU_N_GROUPS; group++) names[n++] = cna_mmlu_group_name((cna_mmlu_group)group);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], name) == 0) return CLI_DONE;
    }
    const char *nearest = cli_nearest(name, names);
    if (nearest != NULL) return cli_usage("--subjects: unknown subject '%s'; did you mean '%s'?", name, nearest);
    return cli_usage("--subjects: expected subjects as MMLU's files are named, such as anatomy, or stem, humanities, "
                     "social_sciences, other; found '%s'", name);
}

static int read_subjects(void *user, const char *value)
{
    arguments *a = user;
    size_t n = strlen(value) + 1;
    a->subject_list = cli_alloc(n, 1);
    memcpy(a->subject_list, value, n);
    int code = CLI_DONE;
    for (char *item = a->subject_list; item != NULL && code == CLI_DONE;) {
        char *comma = strchr(item, ',');
        if (comma != NULL) *comma = '\0';
        cli_grow(&a->subjects, &a->subject_capacity, a->n_subjects + 1, sizeof *a->subjects);
        a->subjects[a->n_subjects++] = item;
        code = check_subject(item);
        item = comma != NULL ? comma + 1 : NULL;
    }
    return code;
}

#define FIELD(member) offsetof(arguments, member)

static const cli_option options[] = {
    {.name = "data",
     .kind = CLI_TEXT,
     .value = "DIR",
     .offset = FIELD(data),
     .help = "MMLU's files: dev/ and test/ of .csv, or cais/mmlu as .csv or .jsonl (required)"},
    {.name = "circuit",
     .kind = CLI_CALL,
     .value = "FILE",
     .call = add_circuit,
     .repeatable = true,
     .help = "a circuit to scale; may be repeated, all are scaled together (none)"},
    {.name = "multipliers",
     .kind = CLI_CALL,
     .value = "LIST",
     .call = read_multipliers,
     .help = "comma separated; 1 is always run (0,1)"},
    {.name = "shots",
     .kind = CLI_COUNT,
     .value = "N",
     .offset = FIELD(shots),
     .max = 5,
     .help = "examples from dev before each question, 0 to 5 (5)"},
    {.name = "subjects",
     .kind = CLI_CALL,
     .value = "LIST",
     .call = read_subjects,
     .help = "subjects and groups, comma separated (all that the data has)"},
    {.name = "limit",
     .kind = CLI_COUNT,
     .value = "N",
     .offset = FIELD(limit),
     .min = 1,
     .max = 1e9,
     .help = "only the first N questions of each subject (all)"},
    {.name = "by-subject",
     .kind = CLI_SWITCH,
     .offset = FIELD(by_subject),
     .help = "a line for each subject as well; so does -v"},
    {.name = "positions",
     .kind = CLI_CHOICE,
     .value = CLI_POSITIONS,
     .offset = FIELD(positions),
     .choices = CLI_POSITIONS,
     .help = "where to scale; last: the prompt's last token alone (all)"},
    {.name = "sign",
     .kind = CLI_CHOICE,
     .value = CLI_SIGNS,
     .offset = FIELD(sign),
     .choices = CLI_SIGNS,
     .help = "only neurons with delta > 0 or < 0 (both)"},
    {.name = "batch",
     .kind = CLI_COUNT,
     .value = "N",
     .offset = FIELD(batch),
     .min = 1,
     .max = 65536,
     .help = "most choices scored together; changes no number (512, or as memory allows)"},
    {.name = "answers",
     .kind = CLI_TEXT,
     .value = "FILE",
     .writes = true,
     .offset = FIELD(answers),
     .help = "write every choice here, as JSON Lines (none)"},
    {.name = "run",
     .kind = CLI_TEXT,
     .value = "RUN.db",
     .writes = true,
     .offset = FIELD(run),
     .help = "keep every choice in this run file; the same command continues it (none)"},
    {.name = "append",
     .kind = CLI_SWITCH,
     .offset = FIELD(append),
     .help = "with --run: a run of another configuration may be added to the file"},
    {0},
};

/* Everything that is opened; freed by inputs_free. */
typedef struct inputs {
    cna_model *model;
    cna_circuit **circuits; /* [n_circuits] */
    cna_run *run;           /* ? */
} inputs;

static int check(const arguments *a)
{
    int code = cli_require(a->common.model, "-m MODEL");
    if (code == CLI_DONE) code = cli_require(a->data, "--data DIR");
    if (code == CLI_DONE && a->n_multipliers != 0 && a->n_circuits == 0) {
        code = cli_usage("--multipliers: expected a --circuit FILE that they scale, found none");
    }
    bool scales = a->n_circuits != 0;
    if (code == CLI_DONE) {
        code = cli_check_use("--positions", a->positions != CNA_POSITIONS_ALL, scales, "--circuit");
    }
    if (code == CLI_DONE) code = cli_check_use("--sign", a->sign != CNA_SIGN_BOTH, scales, "--circuit");
    if (code == CLI_DONE && a->append && a->run == NULL) code = cli_usage("--append belongs to --run RUN.db");
    const char *chat_only = cli_chat_flag(&a->common);
    if (code == CLI_DONE && chat_only != NULL && !a->common.chat) {
        code = cli_usage("%s: questions are raw text without --chat; give --chat or leave %s out", chat_only,
                         chat_only);
    }
    return code;
}

static int open_inputs(arguments *a, int argc, char **argv, inputs *in)
{
    int code = cli_locate_model(&a->common.model, true);
    if (code == CLI_DONE && !cli_is_folder(a->data)) code = cli_fail("%s: expected a folder of MMLU's files", a->data);
    if (code == CLI_DONE) code = cli_open_model(&a->common, false, &in->model);
    in->circuits = cli_alloc(a->n_circuits, sizeof *in->circuits);
    for (size_t i = 0; i < a->n_circuits && code == CLI_DONE; i++) {
        code = cli_read_circuit(a->circuit_paths[i], in->model, &in->circuits[i]);
    }
    return code == CLI_DONE ? cli_open_run(a->run, a->append, argc, argv, &in->run) : code;
}

static void inputs_free(inputs *in, size_t n_circuits)
{
    for (size_t i = 0; i < n_circuits && in->circuits != NULL; i++) cna_circuit_free(in->circuits[i]);
    free(in->circuits);
    cna_run_free(in->run);
    cna_model_free(in->model);
}

static int put_answers(const cli_mmlu_view *view, cli_file *answers)
{
    if (answers->stream == NULL) return CLI_DONE;
    cli_mmlu_put_answers(view, answers->stream);
    return cli_file_commit(answers);
}

static int deliver(const arguments *a, const inputs *in, const cna_mmlu *mmlu, cli_file *answers)
{
    char *chat_options = NULL;
    int code = cli_chat_options(&a->common, a->common.chat ? "chat" : "raw", &chat_options);
    const cli_mmlu_view view = {
        .mmlu = mmlu,
        .model = cna_model_get_info(in->model),
        .data = a->data,
        .circuit_paths = a->circuit_paths,
        .circuits = (const cna_circuit *const *)in->circuits,
        .n_circuits = a->n_circuits,
        .limit = a->limit,
        .chat = a->common.chat,
        .system = a->common.system,
        .chat_options = chat_options,
        .positions = (cna_positions)a->positions,
        .sign = (cna_sign)a->sign,
        .by_subject = a->by_subject || a->common.verbose,
    };
    const char *note = cna_mmlu_get_info(mmlu)->note;
    if (code == CLI_DONE) code = put_answers(&view, answers);
    if (code == CLI_DONE) {
        if (note[0] != '\0') cli_note("%s: %s", a->run, note);
        cli_output_begin();
        if (a->common.json) cli_mmlu_json(&view);
        else cli_mmlu_show(&view);
    }
    cna_free(chat_options);
    return code;
}

static int mmlu(const arguments *a, const inputs *in)
{
    const cna_mmlu_options settings = {
        .circuits = (const cna_circuit *const *)in->circuits,
        .n_circuits = a->n_circuits,
        .multipliers = a->multipliers,
        .n_multipliers = a->n_multipliers,
        .positions = (cna_positions)a->positions,
        .sign = (cna_sign)a->sign,
        .n_shots = a->shots,
        .no_shots = a->shots == 0,
        .subjects = a->subjects,
        .n_subjects = a->n_subjects,
        .limit = a->limit,
        .format = cli_format(&a->common),
        .batch = a->batch,
        .run = in->run,
        .model_path = a->common.model,
        .circuit_names = a->circuit_paths,
        .progress = cli_progress(),
    };
    /* Opened before the work: a folder that takes no file shows now and not after an hour. */
    cli_file answers = {0};
    int code = a->answers != NULL ? cli_file_open(&answers, a->answers) : CLI_DONE;
    if (code != CLI_DONE) return code;
    cna_error err;
    cna_mmlu *result = NULL;
    if (cna_mmlu_run(in->model, a->data, &settings, &result, &err) == CNA_OK) {
        code = deliver(a, in, result, &answers);
    } else {
        code = cli_fail_error(&err);
    }
    cli_file_abandon(&answers);
    cna_mmlu_free(result);
    return code;
}

static int run(const cli_command *self, int argc, char **argv)
{
    arguments a = {.shots = 5};
    inputs in = {0};
    int code;
    if (cli_parse(self, argc, argv, &a, &code)) {
        code = check(&a);
        if (code == CLI_DONE) code = open_inputs(&a, argc, argv, &in);
        if (code == CLI_DONE) code = mmlu(&a, &in);
        inputs_free(&in, a.n_circuits);
    }
    free(a.circuit_paths);
    free(a.multipliers);
    free(a.subject_list);
    free(a.subjects);
    return code;
}

const cli_command cli_command_mmlu = {
    .name = "mmlu",
    .summary = "MMLU accuracy, untouched and at several multipliers",
    .usage = "-m MODEL --data DIR [--circuit FILE --multipliers LIST] [FLAGS]",
    .example = "  cna mmlu -m Llama-3.2-1B-Instruct --data mmlu --circuit refusal.json --multipliers 0,2 \\\n"
               "           --limit 20 --run mmlu.db\n",
    .options = options,
    .run = run,
};
