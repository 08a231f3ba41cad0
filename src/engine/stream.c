/* SPDX-License-Identifier: MIT */
#include "engine/stream.h"
#include "engine/model.h"
struct cna_stream { const struct cna_model *model; };
cna_status cna_stream_create(const struct cna_model *model, cna_stream **out, cna_error *err)
{
    CNA_TRY(cna_alloc(out, 1, sizeof **out, "stream", err));
    (*out)->model = model;
    return CNA_OK;
}
void cna_stream_free(cna_stream *stream) { cna_free(stream); }
cna_status cna_stream_layer(cna_stream *stream, uint32_t layer, bool more, const cna_layer_weights **out, cna_error *err)
{
    (void)more; (void)err;
    *out = &stream->model->weights.layers[layer];
    return CNA_OK;
}
cna_status cna_stream_head(cna_stream *stream, bool more, const cna_linear **out, cna_error *err)
{
    (void)more; (void)err;
    *out = stream->model->weights.head;
    return CNA_OK;
}
uint64_t cna_stream_bytes(const struct cna_model *model) { (void)model; return 0; }
