/* SPDX-License-Identifier: MIT
 * A text file being read from its beginning: lines and JSON Lines, and the place of whatever is wrong. Lines and bytes
 * in messages count from 1, bytes from the start of their line. */
#ifndef CNA_TEXT_READER_H
#define CNA_TEXT_READER_H

#include "base/json.h"

typedef struct cna_reader {
    const char *path; /* borrowed, for messages */
    cna_buffer bytes; /* the file */
    const char *text; /* [n] of bytes */
    size_t n, at;     /* length, and where it is read next */
    size_t line;      /* of `at`, from 1; 0 before the first */
    size_t line_start;
} cna_reader;

/* Read a file of at most 1 GiB whole, check that it is UTF-8 and skip a byte order mark. Cleared by cna_reader_clear,
 * also after a failure. Errors: ERR_IO; ERR_FORMAT with line and byte for what is not UTF-8. */
CNA_MUST_CHECK cna_status cna_reader_open(const char *path, cna_reader *out, cna_error *err);
void cna_reader_clear(cna_reader *reader);

/* ERR_FORMAT "path: line N, byte B: expected ..., found ..." for the place at `at`, which lies in the current line. */
cna_status cna_reader_fail(const cna_reader *reader, size_t at, const char *expected, const char *found,
                           cna_error *err);

/* A line begins at `at`. */
void cna_reader_begin_line(cna_reader *reader);

/* The next line that is not blank, without its end (\n or \r\n). False at the end of the file. */
bool cna_reader_line(cna_reader *reader, const char **line, size_t *n);

/* The JSON object on the line that cna_reader_line gave; duplicate keys are refused.
 *   out  new: json_decref */
CNA_MUST_CHECK cna_status cna_reader_object(const cna_reader *reader, const char *line, size_t n, json_t **out,
                                            cna_error *err);

/* The member whose name is the given one without ASCII case; one that is spelled exactly so goes first. NULL where
 * there is none. Borrowed. */
const json_t *cna_reader_member(const json_t *object, const char *name);

#endif
