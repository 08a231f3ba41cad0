/* SPDX-License-Identifier: MIT
 * What a file is, told by its first bytes, for messages about one of the wrong kind. */
#ifndef CNA_CLI_FILE_KIND_H
#define CNA_CLI_FILE_KIND_H

#include <stdbool.h>

/* Whether a file begins as SQLite databases do. */
bool cli_is_database(const char *path);

/* What a path leads to and what takes it, in words that follow "found"; NULL where it may be JSON, is not there or can
 * be read but once. */
const char *cli_describe_file(const char *path);

#endif
