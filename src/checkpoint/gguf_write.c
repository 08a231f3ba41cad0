/* SPDX-License-Identifier: MIT
 * Writing .gguf files. The layout is told in gguf.h. */
#include "checkpoint/gguf_write.h"

#include <string.h>

#include "base/utf8.h"
#include "checkpoint/gguf.h"

enum { VERSION = 3, ALIGNMENT = 32, TENSOR_F32 = 0 };

/* Little-endian, whatever the machine's order. */
static cna_status add_number(cna_buffer *out, uint64_t value, size_t n_bytes, cna_error *err)
{
    char bytes[8];
    for (size_t i = 0; i < n_bytes; i++) bytes[i] = (char)(unsigned char)(value >> 8 * i & 0xff);
    return cna_buffer_add(out, bytes, n_bytes, err);
}

static cna_status add_f32s(cna_buffer *out, const float *values, size_t n, cna_error *err)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        CNA_TRY(add_number(out, bits, 4, err));
    }
    return CNA_OK;
}

static cna_status add_characters(cna_buffer *out, const char *text, cna_error *err)
{
    for (size_t n = strlen(text); n != 0;) {
        uint32_t code_point = 0;
        int n_bytes = cna_utf8_next(text, n, &code_point);
        size_t taken = (size_t)(n_bytes < 0 ? -n_bytes : n_bytes);
        if (n_bytes < 0) CNA_TRY(cna_buffer_add_text(out, "\xEF\xBF\xBD", err));
        else CNA_TRY(cna_buffer_add(out, text, taken, err));
        text += taken;
        n -= taken;
    }
    return CNA_OK;
}

static cna_status add_string(cna_buffer *out, const char *text, cna_error *err)
{
    cna_buffer characters = {0};
    cna_status status = add_characters(&characters, text, err);
    if (status == CNA_OK) status = add_number(out, characters.size, 8, err);
    if (status == CNA_OK && characters.size != 0) status = cna_buffer_add(out, characters.data, characters.size, err);
    cna_buffer_free(&characters);
    return status;
}

static cna_status add_key(cna_gguf_writer *writer, const char *key, cna_gguf_type type, cna_error *err)
{
    writer->n_values++;
    CNA_TRY(add_string(&writer->values, key, err));
    return add_number(&writer->values, type, 4, err);
}

static cna_status add_array(cna_gguf_writer *writer, const char *key, cna_gguf_type element, size_t n, cna_error *err)
{
    CNA_TRY(add_key(writer, key, CNA_GGUF_ARRAY, err));
    CNA_TRY(add_number(&writer->values, element, 4, err));
    return add_number(&writer->values, n, 8, err);
}

cna_status cna_gguf_put_string(cna_gguf_writer *writer, const char *key, const char *text, cna_error *err)
{
    CNA_TRY(add_key(writer, key, CNA_GGUF_STRING, err));
    return add_string(&writer->values, text, err);
}

cna_status cna_gguf_put_strings(cna_gguf_writer *writer, const char *key, const void *texts, size_t stride, size_t n,
                                cna_error *err)
{
    CNA_TRY(add_array(writer, key, CNA_GGUF_STRING, n, err));
    for (size_t i = 0; i < n; i++) CNA_TRY(add_string(&writer->values, (const char *)texts + i * stride, err));
    return CNA_OK;
}

cna_status cna_gguf_put_u32(cna_gguf_writer *writer, const char *key, uint32_t value, cna_error *err)
{
    CNA_TRY(add_key(writer, key, CNA_GGUF_U32, err));
    return add_number(&writer->values, value, 4, err);
}

cna_status cna_gguf_put_f32s(cna_gguf_writer *writer, const char *key, const float *values, size_t n, cna_error *err)
{
    CNA_TRY(add_array(writer, key, CNA_GGUF_F32, n, err));
    return add_f32s(&writer->values, values, n, err);
}

static cna_status pad(cna_buffer *out, cna_error *err)
{
    static const char zeros[ALIGNMENT];
    return cna_buffer_add(out, zeros, (ALIGNMENT - out->size % ALIGNMENT) % ALIGNMENT, err);
}

cna_status cna_gguf_put_tensor(cna_gguf_writer *writer, const char *name, const float *values, size_t n,
                               cna_error *err)
{
    writer->n_tensors++;
    CNA_TRY(add_string(&writer->tensors, name, err));
    CNA_TRY(add_number(&writer->tensors, 1, 4, err)); /* dimensions */
    CNA_TRY(add_number(&writer->tensors, n, 8, err));
    CNA_TRY(add_number(&writer->tensors, TENSOR_F32, 4, err));
    CNA_TRY(add_number(&writer->tensors, writer->data.size, 8, err));
    CNA_TRY(add_f32s(&writer->data, values, n, err));
    return pad(&writer->data, err);
}

cna_status cna_gguf_finish(const cna_gguf_writer *writer, cna_buffer *out, cna_error *err)
{
    const cna_buffer *const parts[] = {&writer->values, &writer->tensors};
    CNA_TRY(cna_buffer_add(out, "GGUF", 4, err));
    CNA_TRY(add_number(out, VERSION, 4, err));
    CNA_TRY(add_number(out, writer->n_tensors, 8, err));
    CNA_TRY(add_number(out, writer->n_values, 8, err));
    for (size_t i = 0; i < 2; i++) {
        if (parts[i]->size != 0) CNA_TRY(cna_buffer_add(out, parts[i]->data, parts[i]->size, err));
    }
    if (writer->data.size == 0) return CNA_OK;
    CNA_TRY(pad(out, err));
    return cna_buffer_add(out, writer->data.data, writer->data.size, err);
}

void cna_gguf_writer_free(cna_gguf_writer *writer)
{
    cna_buffer_free(&writer->values);
    cna_buffer_free(&writer->tensors);
    cna_buffer_free(&writer->data);
    *writer = (cna_gguf_writer){0};
}
