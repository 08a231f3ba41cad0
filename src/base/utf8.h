/* SPDX-License-Identifier: MIT
 * UTF-8: decoding one code point, checking a run of bytes. */
#ifndef CNA_BASE_UTF8_H
#define CNA_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decode the code point that begins at bytes (n_bytes > 0 left). Returns its length 1..4 and sets *code_point; or, for
 * ill-formed UTF-8, returns minus the length (1..3) of the maximal ill-formed part, as Unicode 15 section 3.9 ("U+FFFD
 * substitution of maximal subparts") counts it. Surrogates, overlong forms and values past U+10FFFF are ill-formed. */
int cna_utf8_next(const char *bytes, size_t n_bytes, uint32_t *code_point);

/* True if all of it is well-formed; otherwise *bad_offset (may be NULL) is the offset of the first bad byte. */
bool cna_utf8_check(const char *bytes, size_t n_bytes, size_t *bad_offset);

/* Write a code point (a valid scalar value) as 1..4 bytes; returns how many. */
size_t cna_utf8_put(uint32_t code_point, char out[4]);

/* Length in bytes of the incomplete but so far valid character at the end of bytes: 0 if there is none. */
size_t cna_utf8_incomplete_tail(const char *bytes, size_t n_bytes);

/* The characters for which Python's str.isspace() is true: what str.split() and str.strip() take away. */
bool cna_utf8_is_space(uint32_t code_point);

/* Whether two texts are equal but for the case of A to Z. */
bool cna_ascii_equal(const char *a, size_t n_a, const char *b, size_t n_b);

#endif
