/* SPDX-License-Identifier: MIT
 * A growable run of bytes with a limit. */
#ifndef CNA_BASE_BUFFER_H
#define CNA_BASE_BUFFER_H

#include "base/memory.h"

/* All-zero is an empty buffer without a limit. data is NUL-terminated once anything was added. */
typedef struct cna_buffer {
    char *data;
    size_t size;     /* bytes, the NUL not counted */
    size_t capacity;
    size_t max;      /* most bytes it may hold; 0: no limit */
} cna_buffer;

/* Append; ERR_MEMORY (also past the limit), buffer unchanged on failure. */
CNA_MUST_CHECK cna_status cna_buffer_add(cna_buffer *buffer, const char *bytes, size_t n_bytes, cna_error *err);
CNA_MUST_CHECK cna_status cna_buffer_add_text(cna_buffer *buffer, const char *text, cna_error *err);
CNA_MUST_CHECK cna_status cna_buffer_printf(cna_buffer *buffer, cna_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Move the bytes out to the caller, who frees them with cna_free; never NULL on success. The buffer is left empty. */
CNA_MUST_CHECK cna_status cna_buffer_take(cna_buffer *buffer, char **out, size_t *out_n_bytes, cna_error *err);
/* Forget the contents and keep the memory. */
void cna_buffer_reset(cna_buffer *buffer);
void cna_buffer_free(cna_buffer *buffer);

#endif
