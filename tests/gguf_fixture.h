/* SPDX-License-Identifier: MIT
 * .gguf files from a text that says what is in them, right or wrong. */
#ifndef CNA_TESTS_GGUF_FIXTURE_H
#define CNA_TESTS_GGUF_FIXTURE_H

#include "base/buffer.h"

/* Build a file's bytes. It begins as a sound model of one layer (gguf_fixture.c); each line of the text changes it:
 *
 *   kv TYPE KEY VALUE...    an entry, in place of the one of that key: u8 .. f64, bool, string, or strings, i32s, bools
 *                           for arrays; raw with a type number and bytes in hexadecimal
 *   more TYPE KEY VALUE...  the same beside it
 *   drop KEY|TENSOR         no such entry or tensor
 *   tensor NAME TYPE D...   a tensor, in place of the one of that name; dimensions in the file's order, the type a name
 *                           or a number; @N at the end: its offset
 *   again NAME TYPE D...    the same beside it
 *   head OFFSET HEX         bytes of the head from that offset on
 *   tail OFFSET HEX         bytes from that offset before the end on
 *   bytes HEX               nothing but these bytes
 *   cut N                   without the last N bytes
 *
 * In values and names \s is a space, \0 a NUL, \xHH a byte, \e nothing at all. */
void gguf_fixture_build(const char *text, cna_buffer *out);
/* Build and write a file. */
void gguf_fixture_write(const char *text, const char *path);
/* The same with lines that it begins with instead of the model's. */
void gguf_fixture_write_from(const char *base, const char *text, const char *path);

#endif
