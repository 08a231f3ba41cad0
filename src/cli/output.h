/* SPDX-License-Identifier: MIT
 * Where results go: standard output, whose failures are noticed, and files, which appear whole or not at all.
 */
#ifndef CNA_CLI_OUTPUT_H
#define CNA_CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Call before the first result is written: shows the notes and takes the progress bar away. */
void cli_output_begin(void);
/* Push what was written out and say whether standard output still takes it. */
bool cli_output_flush(void);
bool cli_output_works(void);
/* A model's text: its own bytes into a file or pipe; on a terminal nothing that the terminal would act on. */
void cli_put_answer(const char *text, size_t n_bytes);
/* The exit code of a command that ends with `code`, after the last of its output is out: a full disk is a
 * failure with a message, a reader that left early (`| head`) one without. */
int cli_output_finish(int code);

/* A file that is written under a temporary name in the same folder and renamed when it is complete. What
 * exists and is no regular file (/dev/null, a pipe) is written to directly. */
typedef struct cli_file {
    FILE *stream;
    const char *path; /* as the user gave it, borrowed */
    char *target;     /* path with symbolic links followed */
    char *temporary;  /* NULL where the target is written to directly */
} cli_file;

/* These print their own message and return an exit code, CLI_DONE on success. */
int cli_file_open(cli_file *file, const char *path);
int cli_file_commit(cli_file *file);
/* Whether a file could be written at path, tried before long work. */
int cli_file_try(const char *path);
/* Whether files could be written into a folder at path, made if need be; none is left behind that was not there. */
int cli_folder_try(const char *path);
/* Leave the target as it was. Does nothing to a file that was never opened or is already committed. */
void cli_file_abandon(cli_file *file);
/* Remove the temporary files still open; safe in a signal handler. */
void cli_file_remove_all(void);

/* Read all of a stream, which may be 256 MiB long; *out is new (freed by free) and NUL-terminated. name is for the
 * message. */
int cli_read_all(FILE *stream, const char *name, char **out, size_t *out_n_bytes);
bool cli_file_exists(const char *path);
/* Read all of a file. */
int cli_read_file(const char *path, char **out, size_t *out_n_bytes);

#endif
