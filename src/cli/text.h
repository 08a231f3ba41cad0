/* SPDX-License-Identifier: MIT
 * Text from users and models on its way to a screen: UTF-8, control characters, likely misspellings. */
#ifndef CNA_CLI_TEXT_H
#define CNA_CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Length of the well-formed UTF-8 sequence that text begins with, its code point in *out_point; 0 if
 * ill-formed. */
size_t cli_utf8_next(const char *text, size_t n_bytes, uint32_t *out_point);
bool cli_utf8_valid(const char *text, size_t n_bytes);
/* Place of the first byte that begins no well-formed sequence; n_bytes if there is none. */
size_t cli_utf8_invalid_at(const char *text, size_t n_bytes);
/* Code points of text; an ill-formed byte counts as one. */
size_t cli_utf8_count(const char *text, size_t n_bytes);

typedef enum cli_lines { CLI_ONE_LINE, CLI_MANY_LINES } cli_lines;

/* Write text so that no terminal acts on it: control characters, direction overrides and ill-formed bytes
 * become \n, \x1b, \u202e. CLI_MANY_LINES leaves line feeds and tabs. */
void cli_put_safe(FILE *stream, const char *text, size_t n_bytes, cli_lines lines);
/* The same into a string of at most `capacity` bytes with its NUL, cut between characters with "..." if
 * longer. */
void cli_format_safe(char *out, size_t capacity, const char *text, size_t n_bytes);

/* The candidate that word most likely meant, or NULL if none is near. candidates ends with NULL. */
const char *cli_nearest(const char *word, const char *const *candidates);

#endif
