/* SPDX-License-Identifier: MIT
 * cna report: a page, plots and tables from run files. */
#include "cli/commands.h"
#include "cli/output.h"
#include "cna_study.h"

#include <string.h>

typedef struct arguments {
    cli_common common;
    const char *output, *figures, *csv;
} arguments;

#define FIELD(member) offsetof(arguments, member)

static const cli_option options[] = {
    {.name = "output",
     .letter = 'o',
     .kind = CLI_TEXT,
     .value = "FILE",
     .writes = true,
     .takes_dash = true,
     .offset = FIELD(output),
     .help = "the page, an HTML file; - is standard output (required)"},
    {.name = "figures",
     .kind = CLI_TEXT,
     .value = "DIR",
     .offset = FIELD(figures),
     .writes = true,
     .help = "write every plot here as well, as SVG (none)"},
    {.name = "csv",
     .kind = CLI_TEXT,
     .value = "DIR",
     .offset = FIELD(csv),
     .writes = true,
     .help = "write every table here as well, as CSV (none)"},
    {0},
};

static int run(const cli_command *self, int argc, char **argv)
{
    arguments a = {0};
    int code;
    if (!cli_parse(self, argc, argv, &a, &code)) return code;
    if (a.common.n_words == 0) return cli_usage("expected a run file, found nothing");
    if (a.output == NULL) return cli_usage("-o FILE is required: where the page goes");
    cna_error err;
    const cna_report_options report_options = {.figures = a.figures, .csv = a.csv};
    if (cna_report_write(a.common.words, a.common.n_words, a.output, &report_options, &err) != CNA_OK)
        return cli_fail_error(&err);
    cli_output_begin();
    return CLI_DONE;
}

const cli_command cli_command_report = {
    .name = "report",
    .summary = "run files as a page of tables and plots",
    .usage = "RUN.db [RUN.db...] -o report.html [FLAGS]",
    .example = "  cna report run.db -o report.html --figures figures --csv tables\n"
               "  cna report instruct.db base.db -o report.html\n",
    .options = options,
    .max_words = CLI_MAX_WORDS,
    .run = run,
};
