/* SPDX-License-Identifier: MIT
 * What the fuzz targets share. A target is one file with LLVMFuzzerTestOneInput, which gives any bytes to one parser
 * and looks at what it says. It is linked with libFuzzer (`make fuzz`) or with replay.c, which runs it over files. */
#ifndef CNA_FUZZ_SUPPORT_H
#define CNA_FUZZ_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"

/* The entry that both engines call. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A run of an input's bytes, which a NUL that is not the input's stands behind. */
typedef struct fuzz_bytes {
    char *text; /* [n] */
    size_t n;
} fuzz_bytes;

/* The input's bytes up to its first NUL, and *rest all behind that (nothing where there is no NUL): so one input gives
 * a parser of JSON its file and what is done with it. Copies of exactly that size, so that a sanitizer sees a read past
 * the end; freed by the next call. */
fuzz_bytes fuzz_split(const uint8_t *data, size_t size, fuzz_bytes *rest);

/* The path of a file of that name with these bytes, in a folder of this process that is removed behind it, even where
 * it crashes. Borrowed; the same name gives the same path and another content. */
const char *fuzz_file(const char *name, const void *bytes, size_t n_bytes);
/* The folder itself. */
const char *fuzz_folder(void);

/* From here on no single allocation of the library may be larger than `fixed` + `per_byte` * n_bytes, or the process is
 * ended as by a finding: a length in the input was believed. */
void fuzz_bound(size_t n_bytes, size_t fixed, size_t per_byte);

/* Whether a call succeeded. A failure must have a status that a bad file can give (out of memory is none) and a message
 * of one line of UTF-8. */
bool fuzz_ok(cna_status status, const cna_error *err);

/* What holds for every input; else the process is ended as by a finding. */
#define fuzz_require(condition) ((condition) ? (void)0 : fuzz_fail(#condition, __FILE__, __LINE__))
/* n_bytes bytes from data on are the map's. */
void fuzz_require_inside(const cna_map *map, const void *data, uint64_t n_bytes);
_Noreturn void fuzz_fail(const char *what, const char *file, int line);

#endif
