/* SPDX-License-Identifier: MIT
 * What a run file holds, on the screen and as JSON. */
#ifndef CNA_CLI_INSPECT_RUN_H
#define CNA_CLI_INSPECT_RUN_H

#include <stdbool.h>

/* Print its parts; an exit code. */
int cli_inspect_run(const char *path, bool json);

#endif
