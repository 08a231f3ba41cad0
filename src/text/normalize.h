/* SPDX-License-Identifier: MIT
 * Unicode normalisation form C, through utf8proc. */
#ifndef CNA_TEXT_NORMALIZE_H
#define CNA_TEXT_NORMALIZE_H

#include "base/buffer.h"

/* Append the NFC of well-formed UTF-8 (NUL is an ordinary character), as the `tokenizers` package has it: by
 * Unicode 9.0. Unicode keeps the form of assigned characters stable, so this differs for text with later
 * marks only. */
CNA_MUST_CHECK cna_status cna_normalize_nfc(const char *text, size_t n_bytes, cna_buffer *out,
                                            cna_error *err);

#endif
