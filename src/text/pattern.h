/* SPDX-License-Identifier: MIT
 * Splitting patterns of tokenizer.json, matched by PCRE2. */
#ifndef CNA_TEXT_PATTERN_H
#define CNA_TEXT_PATTERN_H

#include "base/memory.h"

/* GPT-2's pattern, which a ByteLevel pre-tokenizer with use_regex stands for (openai/gpt-2, src/encoder.py).
 */
#define CNA_PATTERN_GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

/* Rust's \w: Alphabetic (letters, letter numbers, marks and the circled letters of category So), marks, decimal
 * digits, connectors and the two joiners (Unicode Technical Standard 18, annex C). The part
 * of a class between its brackets. */
#define CNA_PATTERN_WORD_CLASS                                                                                         \
    "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\xE2\x80\x8C\xE2\x80\x8D\xE2\x92\xB6-\xE2\x93\xA9\xF0\x9F\x84\xB0-"              \
    "\xF0\x9F\x85\x89"                                                                                                 \
    "\xF0\x9F\x85\x90-\xF0\x9F\x85\xA9\xF0\x9F\x85\xB0-\xF0\x9F\x86\x89"

/* A compiled pattern; never changes after it is created. */
typedef struct cna_pattern cna_pattern;

/* Compile a pattern that was written for Oniguruma, the matcher of the `tokenizers` package, so that PCRE2
 * matches the same text. Accepted: literals; \r \n \t and escaped punctuation; \s \S \d; \p{..} and \P{..}
 * with a general category; classes of these; groups (..) (?:..) (?=..) (?!..) (?<=..) (?<!..) (?>..); (?i:..)
 * around plain text; | * + ? and {n,m} of at most three digits. Anything else means, or may mean, something else to
 * the other matcher and is refused, as is a pattern that matches the empty string. where  "file: key ..." for messages
 * Errors: ERR_UNSUPPORTED, ERR_FORMAT for bad syntax. */
CNA_MUST_CHECK cna_status cna_pattern_create(const char *regex, const char *where, cna_pattern **out, cna_error *err);
/* A pattern that matches n_bytes > 0 of text as they are (well-formed UTF-8), and nothing else. */
CNA_MUST_CHECK cna_status cna_pattern_create_literal(const char *text, size_t n_bytes, cna_pattern **out,
                                                     cna_error *err);
void cna_pattern_free(cna_pattern *pattern);

/* The state of one caller's matching. */
typedef struct cna_matcher cna_matcher;

CNA_MUST_CHECK cna_status cna_matcher_create(const cna_pattern *pattern, cna_matcher **out, cna_error *err);
void cna_matcher_free(cna_matcher *matcher);

/* The first match at or after `from` in well-formed UTF-8; *start == *end == n_bytes where there is none. A text is
 * begun at from = 0 and ended before the next one. Errors: ERR_UNSUPPORTED where the matches in a text take more than a
 * million steps and 256 for each byte, about one for what is tried at a place and one for each byte passed, so that no
 * pattern takes longer than in proportion to the text; ERR_INTERNAL where PCRE2 fails. */
CNA_MUST_CHECK cna_status cna_matcher_next(cna_matcher *matcher, const char *text, size_t n_bytes, size_t from,
                                           size_t *start, size_t *end, cna_error *err);

#endif
