/* SPDX-License-Identifier: MIT
 * cna study: the whole pipeline for one model, or a base and an instruct model, and its report. */
#include "cli/commands.h"
#include "cli/interventions.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/setup.h"
#include "cli/sweep_options.h"
#include "cli/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct arguments {
    cli_sweep_arguments sweep; /* first: it holds the common flags */
    const char *base, *mmlu, *output, *figures, *csv;
    size_t mmlu_limit, top_k;
    double fraction;
    bool no_statistics;
} arguments;
