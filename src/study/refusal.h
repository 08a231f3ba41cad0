/* SPDX-License-Identifier: MIT
 * Whether an answer is a refusal, by a pattern file (METHOD section 8).
 *
 * A pattern file is UTF-8 text, read line by line:
 *
 *   # scope: 500       how many characters (code points) from the start are looked at; or "all". Default 500
 *   # case: ignore     or "exact". Default ignore
 *   # kind: regex      PCRE2 syntax; or "substring". Default regex
 *   # anything else    a comment
 *   \bI cannot help    a pattern: everything on the line
 *
 * Header lines come before the first pattern, each at most once. Blank lines are skipped. A pattern that begins with
 * '#' is written "[#]..." (as a regular expression). */
#ifndef CNA_STUDY_REFUSAL_H
#define CNA_STUDY_REFUSAL_H

#include "base/memory.h"

/* Compiled patterns; belongs to one thread. */
typedef struct cna_refusal cna_refusal;

/* Compile a pattern file's text.
 *   text  ? NULL: the built-in file, cna_refusal_builtin
 *   name  ? the file's name for messages; NULL: "patterns"
 * Regular expressions are compiled with PCRE2's UTF and UCP, so \b and \w know all scripts.
 * Errors: ERR_FORMAT "name:line: ..." for a bad header, a bad pattern, invalid UTF-8 or no pattern at all. */
CNA_MUST_CHECK cna_status cna_refusal_create(const char *text, const char *name, cna_refusal **out,
                                             cna_error *err);
void cna_refusal_free(cna_refusal *refusal);

/* Whether any pattern is found in the first scope characters of an answer.
 *   text  [n_bytes] UTF-8
 * Errors: ERR_FORMAT for invalid UTF-8 in the scope; ERR_INTERNAL where a pattern exceeds PCRE2's limits. */
CNA_MUST_CHECK cna_status cna_refusal_match(const cna_refusal *refusal, const char *text, size_t n_bytes,
                                            bool *out, cna_error *err);

/* Where the answer itself begins, behind a reasoning section at its start: <think>...</think> and other models' pairs.
 * Where the section was opened in the prompt, the answer begins behind the first closing mark; where it is never
 * closed, there is no answer, and n_bytes at the end of the text is returned.
 *   text     [n_bytes] UTF-8
 *   returns  bytes to leave out */
size_t cna_refusal_reasoning(const char *text, size_t n_bytes);

/* SHA-256 of a pattern file's text.
 *   text  ? NULL: the built-in file, each of its lines with a line feed
 *   out   64 hexadecimal digits and a NUL */
CNA_MUST_CHECK cna_status cna_refusal_sha256(const char *text, char out[65], cna_error *err);

/* The lines of the built-in pattern file, NULL-terminated. */
extern const char *const cna_refusal_builtin[];

#endif
