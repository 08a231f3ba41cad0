/* SPDX-License-Identifier: MIT
 * What targets do with a run file. */
#ifndef CNA_FUZZ_RUN_USE_H
#define CNA_FUZZ_RUN_USE_H

/* Open read-only, list the parts, read every row of each, and write a report of it. Nothing of that may change the
 * file. */
void fuzz_use_run(const char *path);

#endif
