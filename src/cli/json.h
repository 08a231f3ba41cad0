/* SPDX-License-Identifier: MIT
 * A JSON writer. jansson prints every real with one number of digits; here f64 and f32 values come out with
 * the fewest digits that read back as the same value, and long results need no tree in memory. */
#ifndef CNA_CLI_JSON_H
#define CNA_CLI_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* All-zero but for the stream. Commas are put where they belong; the caller balances begin and end. */
typedef struct cli_json {
    FILE *stream;
    bool needs_comma;
} cli_json;

/* key is NULL inside an array and at the top; keys are our own names and are written as they are. */
void cli_json_object(cli_json *json, const char *key);
void cli_json_object_end(cli_json *json);
void cli_json_array(cli_json *json, const char *key);
void cli_json_array_end(cli_json *json);
void cli_json_null(cli_json *json, const char *key);
void cli_json_bool(cli_json *json, const char *key, bool value);
void cli_json_int(cli_json *json, const char *key, int64_t value);
void cli_json_count(cli_json *json, const char *key, uint64_t value);
/* Not finite: null. */
void cli_json_f64(cli_json *json, const char *key, double value);
void cli_json_f32(cli_json *json, const char *key, float value);
/* NULL: null. Ill-formed bytes become U+FFFD, so that the output is valid whatever a file was called. */
void cli_json_text(cli_json *json, const char *key, const char *text);
void cli_json_bytes(cli_json *json, const char *key, const char *text, size_t n_bytes);
/* A value that is JSON already; line breaks become blanks. */
void cli_json_raw(cli_json *json, const char *key, const char *text);
/* The same of an object's text; NULL and "": null. */
void cli_json_object_or_null(cli_json *json, const char *key, const char *text);
void cli_json_ids(cli_json *json, const char *key, const int32_t *ids, size_t n_ids);
/* End of the line, and of the value at the top. */
void cli_json_line(cli_json *json);

#endif
