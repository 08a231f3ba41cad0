/* SPDX-License-Identifier: MIT
 * Vectors from a GGUF control vector, this program's or another's. The keys are listed in caa_write.c. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "checkpoint/gguf.h"
#include "method/caa.h"

/* ---- entries ---- */

/* A string of fewer than size bytes without NUL; *out is left as it is where the key is absent. */
static cna_status find_text(const cna_gguf *gguf, const char *key, char *out, size_t size, cna_error *err)
{
    const char *text = NULL;
    size_t n = 0;
    CNA_TRY(cna_gguf_find_string(gguf, key, &text, &n, err));
    if (text == NULL) return CNA_OK;
    if (n >= size || memchr(text, '\0', n) != NULL) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key '%s': expected at most %zu bytes without NUL, found %s",
                        gguf->file.map.path, key, size - 1, n >= size ? "more" : "a NUL");
    }
    memcpy(out, text, n);
    out[n] = '\0';
    return CNA_OK;
}

/* The model's name, which is for people: cut where it is longer than there is room for. */
static cna_status find_name(const cna_gguf *gguf, cna_caa_info *info, cna_error *err)
{
    const char *text = NULL;
    size_t n = 0, max = sizeof info->model_name - 1;
    CNA_TRY(cna_gguf_find_string(gguf, "cna.model.name", &text, &n, err));
    if (text == NULL || n <= max) return find_text(gguf, "cna.model.name", info->model_name, max + 1, err);
    while (max > 0 && ((unsigned char)text[max] & 0xC0) == 0x80) max--; /* not within a character */
    snprintf(info->model_name, sizeof info->model_name, "%.*s", (int)max, text);
    return CNA_OK;
}

/* What a file may leave out but must not say otherwise: one of the NULL-terminated words, whose place goes to *out. */
static cna_status find_word(const cna_gguf *gguf, const char *key, const char *const *words, size_t *out,
                            cna_error *err)
{
    char text[128] = "";
    if (cna_gguf_find(gguf, key) == NULL) return CNA_OK;
    CNA_TRY(find_text(gguf, key, text, sizeof text, err));
    char known[128] = "";
    for (size_t i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], text) == 0) {
            *out = i;
            return CNA_OK;
        }
        size_t n = strlen(known);
        snprintf(known + n, sizeof known - n, "%s'%s'", n == 0 ? "" : " or ", words[i]);
    }
    return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: key '%s': expected %s, found '%s'; these vectors cannot be added",
                    gguf->file.map.path, key, known, text);
}

static cna_status find_u32(const cna_gguf *gguf, const char *key, int64_t max, uint32_t *out, cna_error *err)
{
    int64_t value = *out;
    CNA_TRY(cna_gguf_find_int(gguf, key, 1, max, &value, err));
    *out = (uint32_t)value;
    return CNA_OK;
}

static bool is_sha256(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (memchr("0123456789abcdef", text[i], 16) == NULL) return false;
    }
    return n == 64;
}

static cna_status find_hashes(const cna_gguf *gguf, const char *key, cna_sha256_text **out, size_t *out_n,
                              cna_error *err)
{
    const cna_gguf_value *array = NULL;
    CNA_TRY(cna_gguf_find_array(gguf, key, CNA_GGUF_STRING, &array, err));
    if (array == NULL) return CNA_OK;
    const unsigned char *at = array->data;
    CNA_TRY(cna_alloc(out, (size_t)array->n, sizeof **out, "prompt hashes", err));
    for (uint64_t i = 0; i < array->n; i++) {
        size_t n;
        const char *text = cna_gguf_next_string(&at, &n);
        if (!is_sha256(text, n)) {
            return cna_fail(err, CNA_ERR_FORMAT,
                            "%s: key '%s': expected SHA-256 hashes of 64 hexadecimal digits, found '%.*s'",
                            gguf->file.map.path, key, (int)(n < 80 ? n : 80), text);
        }
        memcpy((*out)[i].hex, text, n);
    }
    *out_n = (size_t)array->n;
    return CNA_OK;
}

/* ---- what the file says ---- */

static cna_status read_kind(const cna_gguf *gguf, cna_error *err)
{
    char architecture[64] = "";
    CNA_TRY(find_text(gguf, "general.architecture", architecture, sizeof architecture, err));
    if (strcmp(architecture, CNA_CAA_ARCHITECTURE) == 0) return CNA_OK;
    return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'general.architecture': expected '%s', found %s%s%s",
                    gguf->file.map.path, CNA_CAA_ARCHITECTURE, architecture[0] == '\0' ? "none" : "'", architecture,
                    architecture[0] == '\0' ? "" : "'; is it a model?");
}

/* Projections in the same container (github.com/msuiche/weightless, spec/GLP.md) must never be added. */
static cna_status refuse_projections(const cna_gguf *gguf, cna_error *err)
{
    static const char *const modes[] = {"add", NULL}, *const hooks[] = {"residual_stream_post_layer", NULL};
    size_t unused;
    CNA_TRY(find_word(gguf, "glp.mode", modes, &unused, err));
    CNA_TRY(find_word(gguf, "dspark.mode", modes, &unused, err));
    CNA_TRY(find_word(gguf, "glp.hook_point", hooks, &unused, err));
    return find_word(gguf, "dspark.hook_point", hooks, &unused, err);
}

static cna_status read_operation(const cna_gguf *gguf, cna_caa_info *info, cna_error *err)
{
    static const char *const operations[] = {CNA_CAA_OPERATION, NULL}, *const maps[] = {CNA_CAA_LAYER_MAP, NULL};
    size_t unused, site = CNA_CAA_RESIDUAL;
    uint32_t format = 0;
    CNA_TRY(find_u32(gguf, "cna.format", INT32_MAX, &format, err));
    if (format > CNA_CAA_FORMAT) {
        return cna_fail(err, CNA_ERR_UNSUPPORTED,
                        "%s: key 'cna.format': expected %d, found %u; a newer cna may read it", gguf->file.map.path,
                        (int)CNA_CAA_FORMAT, format);
    }
    info->foreign = format == 0;
    CNA_TRY(find_word(gguf, "cna.operation", operations, &unused, err));
    CNA_TRY(find_word(gguf, "cna.hook", cna_caa_hook_names, &site, err));
    CNA_TRY(find_word(gguf, "cna.layer_map", maps, &unused, err));
    info->site = (cna_caa_site)site;
    CNA_TRY(find_text(gguf, "cna.version", info->version, sizeof info->version, err));
    CNA_TRY(find_text(gguf, "cna.definition", info->definition, sizeof info->definition, err));
    return find_text(gguf, "cna.normalisation", info->normalisation, sizeof info->normalisation, err);
}

static cna_status read_model(const cna_gguf *gguf, cna_caa_info *info, cna_error *err)
{
    CNA_TRY(find_text(gguf, "controlvector.model_hint", info->architecture, sizeof info->architecture, err));
    CNA_TRY(find_text(gguf, "cna.model.architecture", info->architecture, sizeof info->architecture, err));
    CNA_TRY(find_name(gguf, info, err));
    CNA_TRY(find_text(gguf, "cna.model.dtype", info->model_dtype, sizeof info->model_dtype, err));
    CNA_TRY(find_u32(gguf, "cna.model.n_layers", CNA_CAA_LAYERS_MAX, &info->n_layers, err));
    CNA_TRY(find_text(gguf, "cna.model.fingerprint", info->fingerprint, sizeof info->fingerprint, err));
    if (info->fingerprint[0] == '\0' || is_sha256(info->fingerprint, strlen(info->fingerprint))) return CNA_OK;
    return cna_fail(err, CNA_ERR_FORMAT,
                    "%s: key 'cna.model.fingerprint': expected 64 hexadecimal digits, found '%s'", gguf->file.map.path,
                    info->fingerprint);
}

/* Commands show it as the JSON that it is. */
static cna_status check_chat_options(const cna_gguf *gguf, const char *text, cna_error *err)
{
    json_t *parsed;
    char where[320];
    if (text[0] == '\0') return CNA_OK;
    snprintf(where, sizeof where, "%.200s: key 'cna.prompts.chat_options'", gguf->file.map.path);
    CNA_TRY(cna_json_parse(text, strlen(text), where, &parsed, err));
    cna_status status = CNA_OK;
    if (!json_is_object(parsed)) {
        status = cna_fail(err, CNA_ERR_FORMAT, "%s: expected an object, found %s", where, cna_json_type_name(parsed));
    }
    json_decref(parsed);
    return status;
}

static cna_status read_prompts(const cna_gguf *gguf, cna_caa *caa, cna_error *err)
{
    cna_caa_info *info = &caa->info;
    CNA_TRY(find_hashes(gguf, "cna.prompts.positive", &caa->positive, &info->n_positive, err));
    CNA_TRY(find_hashes(gguf, "cna.prompts.negative", &caa->negative, &info->n_negative, err));
    CNA_TRY(find_text(gguf, "cna.prompts.format", info->prompt_format, sizeof info->prompt_format, err));
    CNA_TRY(find_text(gguf, "cna.prompts.date", info->date, sizeof info->date, err));
    CNA_TRY(find_text(gguf, "cna.prompts.chat_options", info->chat_options, sizeof info->chat_options, err));
    return check_chat_options(gguf, info->chat_options, err);
}

/* ---- vectors ---- */

/* One vector, borrowed from the mapping. */
typedef struct direction {
    uint32_t layer;
    const char *name;
    const unsigned char *data; /* f32, little-endian, in no alignment */
    uint64_t n;
} direction;

static int compare_directions(const void *a, const void *b)
{
    const direction *x = a, *y = b;
    return (x->layer > y->layer) - (x->layer < y->layer);
}

/* The N of "direction.N": digits without a zero before them, and nothing else. */
static cna_status read_layer(const cna_gguf *gguf, const char *name, uint32_t *out, cna_error *err)
{
    static const char prefix[] = "direction.";
    const char *digits = strncmp(name, prefix, sizeof prefix - 1) == 0 ? name + sizeof prefix - 1 : "";
    size_t n = strlen(digits);
    unsigned long layer = n > 0 && n < 8 && strspn(digits, "0123456789") == n ? strtoul(digits, NULL, 10) : 0;
    if (layer == 0 || layer >= CNA_CAA_LAYERS_MAX || digits[0] == '0') {
        return cna_fail(err, CNA_ERR_FORMAT,
                        "%s: tensor '%s': expected a name 'direction.N' with a layer N from 1 to %d, found another",
                        gguf->file.map.path, name, CNA_CAA_LAYERS_MAX - 1);
    }
    *out = (uint32_t)layer;
    return CNA_OK;
}

static cna_status read_direction(const cna_gguf *gguf, const cna_tensor *tensor, direction *out, cna_error *err)
{
    CNA_TRY(read_layer(gguf, tensor->name, &out->layer, err));
    if (strcmp(tensor->dtype, "F32") != 0 || tensor->rank != 1) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: tensor '%s': expected one dimension of F32, found %zu of %s",
                        gguf->file.map.path, tensor->name, tensor->rank, tensor->dtype);
    }
    out->name = tensor->name;
    out->data = tensor->data;
    out->n = tensor->shape[0];
    return CNA_OK;
}

/* Every direction, sorted by layer.
 *   out  [tensors + 1] */
static cna_status list_directions(const cna_gguf *gguf, direction *out, size_t *n, cna_error *err)
{
    const cna_gguf_value *first = NULL;
    const cna_tensor_file *file = &gguf->file;
    CNA_TRY(cna_gguf_find_array(gguf, "cna.direction.0", CNA_GGUF_F32, &first, err));
    if (first != NULL) out[(*n)++] = (direction){0, "cna.direction.0", first->data, first->n};
    for (size_t i = 0; i < file->n_tensors; i++) CNA_TRY(read_direction(gguf, &file->tensors[i], &out[(*n)++], err));
    if (*n == 0) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: expected tensors 'direction.N', found none", file->map.path);
    }
    qsort(out, *n, sizeof *out, compare_directions);
    return CNA_OK;
}

static cna_status check_directions(const cna_gguf *gguf, const cna_caa_info *info, const direction *d, size_t n,
                                   cna_error *err)
{
    const char *path = gguf->file.map.path;
    for (size_t i = 0; i < n; i++) {
        if (d[i].n == 0 || d[i].n > UINT32_MAX) {
            return cna_fail(err, CNA_ERR_FORMAT, "%s: '%s': expected 1 to %u values, found %llu", path, d[i].name,
                            UINT32_MAX, (unsigned long long)d[i].n);
        }
        if (d[i].n != d[0].n) {
            return cna_fail(err, CNA_ERR_FORMAT, "%s: '%s': expected %llu values as in '%s', found %llu", path,
                            d[i].name, (unsigned long long)d[0].n, d[0].name, (unsigned long long)d[i].n);
        }
        if (i > 0 && d[i].layer == d[i - 1].layer)
            return cna_fail(err, CNA_ERR_FORMAT, "%s: '%s': expected once, found twice", path, d[i].name);
        if (info->n_layers != 0 && d[i].layer >= info->n_layers) {
            return cna_fail(err, CNA_ERR_FORMAT,
                            "%s: '%s': expected a layer below the model's %u (cna.model.n_layers), found %u", path,
                            d[i].name, info->n_layers, d[i].layer);
        }
    }
    return CNA_OK;
}

/* Both meanings of layer_count are met: how many directions there are (llama.cpp, repeng), and how many layers the
 * model has. It is of use only where it says that some are missing: then it is less than what is there. */
static cna_status check_count(const cna_gguf *gguf, cna_error *err)
{
    uint32_t count = (uint32_t)gguf->file.n_tensors;
    int64_t stated = count;
    CNA_TRY(cna_gguf_find_int(gguf, "controlvector.layer_count", 0, CNA_CAA_LAYERS_MAX, &stated, err));
    if (stated >= count) return CNA_OK;
    return cna_fail(err, CNA_ERR_FORMAT,
                    "%s: key 'controlvector.layer_count': expected at least the number of its directions, %u, found "
                    "%lld", gguf->file.map.path, count, (long long)stated);
}

static cna_status copy_direction(const cna_gguf *gguf, const direction *d, float *out, cna_error *err)
{
    memcpy(out, d->data, (size_t)d->n * sizeof *out);
    for (uint64_t i = 0; i < d->n; i++) {
        if (isfinite(out[i])) continue;
        return cna_fail(err, CNA_ERR_FORMAT, "%s: '%s': expected finite values, found %g at place %llu",
                        gguf->file.map.path, d->name, (double)out[i], (unsigned long long)i);
    }
    return CNA_OK;
}

static cna_status copy_directions(const cna_gguf *gguf, const direction *d, size_t n, cna_caa *caa, cna_error *err)
{
    caa->info.n_vectors = n;
    caa->info.hidden_dim = (uint32_t)d[0].n;
    CNA_TRY(cna_alloc(&caa->layers, n, sizeof *caa->layers, "CAA vectors", err));
    CNA_TRY(cna_alloc(&caa->vectors, n * (size_t)d[0].n, sizeof *caa->vectors, "CAA vectors", err));
    for (size_t i = 0; i < n; i++) {
        caa->layers[i] = d[i].layer;
        CNA_TRY(copy_direction(gguf, &d[i], caa->vectors + i * (size_t)d[0].n, err));
    }
    return CNA_OK;
}

static cna_status read_vectors(const cna_gguf *gguf, cna_caa *caa, cna_error *err)
{
    direction *directions;
    size_t n = 0;
    CNA_TRY(check_count(gguf, err));
    CNA_TRY(cna_alloc(&directions, gguf->file.n_tensors + 1, sizeof *directions, "CAA vectors", err));
    cna_status status = list_directions(gguf, directions, &n, err);
    if (status == CNA_OK) status = check_directions(gguf, &caa->info, directions, n, err);
    if (status == CNA_OK) status = copy_directions(gguf, directions, n, caa, err);
    cna_free(directions);
    return status;
}

static cna_status read_all(const cna_gguf *gguf, cna_caa *caa, cna_error *err)
{
    CNA_TRY(read_kind(gguf, err));
    CNA_TRY(refuse_projections(gguf, err));
    CNA_TRY(read_operation(gguf, &caa->info, err));
    CNA_TRY(read_model(gguf, &caa->info, err));
    CNA_TRY(read_prompts(gguf, caa, err));
    return read_vectors(gguf, caa, err);
}

cna_status cna_caa_read(const char *path, cna_caa **out, cna_error *err)
{
    cna_gguf gguf;
    cna_caa *caa = NULL;
    CNA_TRY(cna_gguf_open(path, &gguf, err));
    cna_status status = cna_alloc(&caa, 1, sizeof *caa, "CAA vectors", err);
    if (status == CNA_OK) status = read_all(&gguf, caa, err);
    cna_gguf_close(&gguf);
    if (status != CNA_OK) {
        cna_caa_free(caa);
        return status;
    }
    *out = caa;
    return CNA_OK;
}

bool cna_caa_is_file(const char *path)
{
    cna_gguf gguf;
    if (cna_gguf_open(path, &gguf, NULL) != CNA_OK) return false;
    bool is_vector = read_kind(&gguf, NULL) == CNA_OK;
    cna_gguf_close(&gguf);
    return is_vector;
}
