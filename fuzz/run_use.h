/* SPDX-License-Identifier: MIT
 * What targets do with a run file. */
#ifndef CNA_FUZZ_RUN_USE_H
#define CNA_FUZZ_RUN_USE_H

#include <stdbool.h>

/* Open read-only, list the parts and read every row of each.
 *   report  write a report of it, too, which takes longer than all the rest */
void fuzz_use_run(const char *path, bool report);

#endif
