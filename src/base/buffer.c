/* SPDX-License-Identifier: MIT
 * A growable run of bytes with a limit. */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static cna_status reserve(cna_buffer *buffer, size_t n_more, cna_error *err)
{
    if (n_more >= SIZE_MAX - buffer->size) return cna_fail_memory(err, "text buffer", SIZE_MAX);
    size_t need = buffer->size + n_more;
    if (buffer->max != 0 && need > buffer->max) {
        return cna_fail(err, CNA_ERR_MEMORY, "text buffer: expected at most %zu bytes, found %zu", buffer->max, need);
    }
    return cna_grow(&buffer->data, &buffer->capacity, need + 1, 1, "text buffer", err);
}

cna_status cna_buffer_add(cna_buffer *buffer, const char *bytes, size_t n_bytes, cna_error *err)
{
    CNA_TRY(reserve(buffer, n_bytes, err));
    if (n_bytes != 0) memcpy(buffer->data + buffer->size, bytes, n_bytes);
    buffer->size += n_bytes;
    buffer->data[buffer->size] = '\0';
    return CNA_OK;
}

cna_status cna_buffer_add_text(cna_buffer *buffer, const char *text, cna_error *err)
{
    return cna_buffer_add(buffer, text, strlen(text), err);
}

cna_status cna_buffer_printf(cna_buffer *buffer, cna_error *err, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (n < 0) return cna_fail(err, CNA_ERR_INTERNAL, "text buffer: format '%s' failed", format);
    CNA_TRY(reserve(buffer, (size_t)n, err));
    va_start(arguments, format);
    vsnprintf(buffer->data + buffer->size, (size_t)n + 1, format, arguments);
    va_end(arguments);
    buffer->size += (size_t)n;
    return CNA_OK;
}

cna_status cna_buffer_take(cna_buffer *buffer, char **out, size_t *out_n_bytes, cna_error *err)
{
    CNA_TRY(reserve(buffer, 0, err));
    buffer->data[buffer->size] = '\0';
    *out = buffer->data;
    if (out_n_bytes != NULL) *out_n_bytes = buffer->size;
    *buffer = (cna_buffer){.max = buffer->max};
    return CNA_OK;
}

void cna_buffer_reset(cna_buffer *buffer)
{
    buffer->size = 0;
    if (buffer->data != NULL) buffer->data[0] = '\0';
}

void cna_buffer_free(cna_buffer *buffer)
{
    cna_free(buffer->data);
    *buffer = (cna_buffer){0};
}
