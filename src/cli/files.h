/* SPDX-License-Identifier: MIT
 * What a command line reads and writes: no file may be both, nor be written twice. */
#ifndef CNA_CLI_FILES_H
#define CNA_CLI_FILES_H

#include <stdbool.h>
#include <stddef.h>

/* A path from the command line; borrows both. */
typedef struct cli_named_file {
    const char *flag; /* without dashes; NULL: a word */
    const char *path;
    bool is_written;
} cli_named_file;

/* Refuse a file that is written and is named a second time, under whatever path: links are followed, and where a file
 * is not there yet its folder and name are compared. Refuse as well to write over a file of a folder that is read (a
 * model, data), or of a folder in it. Devices, pipes and "-" may be named at will. Returns an exit code. */
int cli_files_check(const cli_named_file *files, size_t n);

#endif
