/* SPDX-License-Identifier: MIT
 * What Unicode says of text: normalisation forms, lower case, marks, white space, words. Through utf8proc. */
#ifndef CNA_TEXT_NORMALIZE_H
#define CNA_TEXT_NORMALIZE_H

#include "base/buffer.h"

typedef enum cna_unicode_form { CNA_UNICODE_NFC, CNA_UNICODE_NFD, CNA_UNICODE_NFKC, CNA_UNICODE_NFKD } cna_unicode_form;

/* Append the form of well-formed UTF-8 (NUL is an ordinary character), as the `tokenizers` package has it: by
 * Unicode 9.0. Unicode keeps the form of assigned characters stable, so this differs for text with later
 * marks and compatibility characters only. */
CNA_MUST_CHECK cna_status cna_normalize(cna_unicode_form form, const char *text, size_t n_bytes, cna_buffer *out,
                                        cna_error *err);

/* Append what is left of well-formed UTF-8 without its marks (categories Mn, Mc, Me of Unicode 9.0). */
CNA_MUST_CHECK cna_status cna_strip_accents(const char *text, size_t n_bytes, cna_buffer *out, cna_error *err);

/* Append well-formed UTF-8 in lower case, each character by itself: no final sigma. */
CNA_MUST_CHECK cna_status cna_lowercase(const char *text, size_t n_bytes, cna_buffer *out, cna_error *err);

/* Unicode's White_Space. */
bool cna_is_white_space(uint32_t code_point);

/* Rust's \w, CNA_PATTERN_WORD_CLASS of pattern.h: categories L, M, Nd, Nl, Pc, the circled letters, the two joiners. */
bool cna_is_word(uint32_t code_point);

#endif
