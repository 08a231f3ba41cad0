/* SPDX-License-Identifier: MIT
 * Progress on standard error, and Ctrl-C. */
#ifndef CNA_CLI_PROGRESS_H
#define CNA_CLI_PROGRESS_H

#include "cna.h"

/* From here on SIGINT, SIGTERM and SIGHUP are remembered for the next report; a second one ends the program
 * at once, temporary files removed. A closed standard output is an error of write and no signal. SIGBUS, which is how
 * the system says that part of a mapped file is gone, becomes one line on standard error and exit code 1, temporary
 * files removed. */
void cli_catch_signals(void);
/* The signal that came, 0 if none. */
int cli_signal(void);
/* Whether work should end: a signal came, or standard output no longer takes anything. */
bool cli_should_stop(void);

/* The callback to give to the library: a bar with rate and time left where standard error is a terminal, a
 * line every ten seconds under -v where it is not, nothing under -q; plans are noted under -v. */
cna_progress cli_progress(void);
/* No bar from here on: the answer itself is being streamed to the same screen. */
void cli_progress_off(void);
/* Take the bar off the screen before something else is written. */
void cli_progress_clear(void);

#endif
