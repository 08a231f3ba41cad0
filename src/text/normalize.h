/* SPDX-License-Identifier: MIT
 * Unicode normalisation form C, through utf8proc. */
#ifndef CNA_TEXT_NORMALIZE_H
#define CNA_TEXT_NORMALIZE_H

#include "base/buffer.h"

/* Append the NFC of well-formed UTF-8 (NUL is an ordinary character). Unicode keeps the form of assigned characters
 * stable, so the version of utf8proc matters only for characters newer than it. */
CNA_MUST_CHECK cna_status cna_normalize_nfc(const char *text, size_t n_bytes, cna_buffer *out, cna_error *err);

#endif
