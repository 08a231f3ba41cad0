/* SPDX-License-Identifier: MIT
 * Vectors to a GGUF control vector.
 *
 * Entries, in this order; what is not known is left out:
 *   general.architecture, controlvector.model_hint, controlvector.layer_count    as repeng and llama.cpp write them
 *   cna.format, version, operation, hook, layer_map, definition, normalisation
 *   cna.model.name, architecture, dtype, fingerprint, n_layers
 *   cna.prompts.positive, negative, format, date, chat_options
 *   cna.direction.0    the vector of layer 0, which those two programs have no tensor for
 * Tensors: direction.N of every other layer, ascending. */
#include <stdio.h>

#include "base/file.h"
#include "checkpoint/family.h"
#include "checkpoint/gguf_write.h"
#include "method/caa.h"

static cna_status put_known(cna_gguf_writer *w, const char *key, const char *text, cna_error *err)
{
    return text[0] == '\0' ? CNA_OK : cna_gguf_put_string(w, key, text, err);
}

static cna_status put_hashes(cna_gguf_writer *w, const char *key, const cna_sha256_text *hashes, size_t n,
                             cna_error *err)
{
    return n == 0 ? CNA_OK : cna_gguf_put_strings(w, key, hashes, sizeof *hashes, n, err);
}

static cna_status put_operation(const cna_caa_info *info, cna_gguf_writer *w, cna_error *err)
{
    CNA_TRY(cna_gguf_put_u32(w, "cna.format", CNA_CAA_FORMAT, err));
    CNA_TRY(put_known(w, "cna.version", info->version, err));
    CNA_TRY(cna_gguf_put_string(w, "cna.operation", CNA_CAA_OPERATION, err));
    CNA_TRY(cna_gguf_put_string(w, "cna.hook", cna_caa_hook_names[info->site], err));
    CNA_TRY(cna_gguf_put_string(w, "cna.layer_map", CNA_CAA_LAYER_MAP, err));
    CNA_TRY(put_known(w, "cna.definition", info->definition, err));
    return put_known(w, "cna.normalisation", info->normalisation, err);
}

static cna_status put_origin(const cna_caa *caa, cna_gguf_writer *w, cna_error *err)
{
    const cna_caa_info *info = &caa->info;
    CNA_TRY(put_known(w, "cna.model.name", info->model_name, err));
    CNA_TRY(put_known(w, "cna.model.architecture", info->architecture, err));
    CNA_TRY(put_known(w, "cna.model.dtype", info->model_dtype, err));
    CNA_TRY(put_known(w, "cna.model.fingerprint", info->fingerprint, err));
    if (info->n_layers != 0) CNA_TRY(cna_gguf_put_u32(w, "cna.model.n_layers", info->n_layers, err));
    CNA_TRY(put_hashes(w, "cna.prompts.positive", caa->positive, info->n_positive, err));
    CNA_TRY(put_hashes(w, "cna.prompts.negative", caa->negative, info->n_negative, err));
    CNA_TRY(put_known(w, "cna.prompts.format", info->prompt_format, err));
    CNA_TRY(put_known(w, "cna.prompts.date", info->date, err));
    return put_known(w, "cna.prompts.chat_options", info->chat_options, err);
}

static cna_status put_vectors(const cna_caa *caa, cna_gguf_writer *w, cna_error *err)
{
    size_t dim = caa->info.hidden_dim;
    for (size_t i = 0; i < caa->info.n_vectors; i++) {
        const float *v = caa->vectors + i * dim;
        char name[32];
        snprintf(name, sizeof name, "direction.%u", caa->layers[i]);
        if (caa->layers[i] == 0) CNA_TRY(cna_gguf_put_f32s(w, "cna.direction.0", v, dim, err));
        else CNA_TRY(cna_gguf_put_tensor(w, name, v, dim, err));
    }
    return CNA_OK;
}

static cna_status put_all(const cna_caa *caa, cna_gguf_writer *w, cna_error *err)
{
    const cna_caa_info *info = &caa->info;
    uint32_t n_tensors = (uint32_t)info->n_vectors - (caa->layers[0] == 0);
    CNA_TRY(cna_gguf_put_string(w, "general.architecture", CNA_CAA_ARCHITECTURE, err));
    CNA_TRY(put_known(w, "controlvector.model_hint", cna_family_gguf_name(info->architecture), err));
    CNA_TRY(cna_gguf_put_u32(w, "controlvector.layer_count", n_tensors, err));
    /* Another program's vectors stay what they were: nothing is said that their file did not. */
    if (!info->foreign) CNA_TRY(put_operation(info, w, err));
    if (!info->foreign) CNA_TRY(put_origin(caa, w, err));
    return put_vectors(caa, w, err);
}

cna_status cna_caa_to_gguf(const cna_caa *caa, cna_buffer *out, cna_error *err)
{
    cna_gguf_writer writer = {0};
    cna_status status = put_all(caa, &writer, err);
    if (status == CNA_OK) status = cna_gguf_finish(&writer, out, err);
    cna_gguf_writer_free(&writer);
    return status;
}

cna_status cna_caa_write(const cna_caa *caa, const char *path, cna_error *err)
{
    cna_buffer file = {0};
    cna_status status = cna_caa_to_gguf(caa, &file, err);
    if (status == CNA_OK) status = cna_file_write(path, file.data, file.size, err);
    cna_buffer_free(&file);
    return status;
}
