/* SPDX-License-Identifier: MIT
 * What the program says on standard error: one line a failure, notes, and the exit codes. */
#ifndef CNA_CLI_MESSAGES_H
#define CNA_CLI_MESSAGES_H

#include "cna.h"

enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

#define CLI_PRINTF(text, first) __attribute__((format(printf, text, first)))

typedef enum cli_verbosity { CLI_NORMAL, CLI_QUIET, CLI_VERBOSE } cli_verbosity;

/* The command that is running, named in usage errors; NULL before one is known. */
void cli_set_command(const char *name);
void cli_set_verbosity(cli_verbosity verbosity);
cli_verbosity cli_get_verbosity(void);

/* Print "cna: MESSAGE" and return the exit code: CLI_USAGE, with a pointer to --help, for what the user
 * typed; CLI_FAILED for everything else. Notes not yet shown are dropped, so that a failure is one line. */
int cli_usage(const char *format, ...) CLI_PRINTF(1, 2);
int cli_fail(const char *format, ...) CLI_PRINTF(1, 2);

/* The same for a failure of the library. After a signal it says "interrupted" and returns 128 + the signal;
 * after standard output was closed by its reader it says nothing. */
int cli_fail_error(const cna_error *err);

/* Whether a failure was printed. */
bool cli_has_failed(void);

/* The end of a command that cli_should_stop() stopped; as cli_fail_error of CNA_ERR_CANCELLED. */
int cli_stopped(void);

/* "PATH: cannot be WHAT: the system's reason", from errno. */
int cli_fail_errno(const char *path, const char *what);

/* A line for the reader beside the result ("cna: ..."), not shown under -q. It is held back until results are
 * written, progress is drawn or the command ends well; under -v it is shown at once. */
void cli_note(const char *format, ...) CLI_PRINTF(1, 2);
void cli_notes_show(void);

/* Allocation that ends the program with a message where there is no memory left. */
void *cli_alloc(size_t count, size_t size);
/* Make *pointer hold `need` elements, doubling; new elements are not set. */
void cli_grow(void *pointer_to_pointer, size_t *capacity, size_t need, size_t size);

#endif
