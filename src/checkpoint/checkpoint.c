/* SPDX-License-Identifier: MIT
 * A model as it lies on disk. */
#include "checkpoint/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "checkpoint/gguf_config.h"
#include "checkpoint/gguf_path.h"
#include "checkpoint/safetensors.h"
#include "hub/cache.h"

enum { INDEX_BYTES_MAX = 64 << 20, FILES_MAX = 4096, EDGE_BYTES = 4096 };

static cna_status open_file(cna_checkpoint *checkpoint, const char *name, cna_error *err)
{
    char *path;
    CNA_TRY(cna_path_join(checkpoint->path, name, &path, err));
    cna_status status = cna_safetensors_open(path, &checkpoint->files[checkpoint->n_files], err);
    if (status == CNA_OK) checkpoint->n_files++;
    cna_free(path);
    return status;
}

/* The distinct file names of an index, in the order in which they are first met: an object used as a set. */
static cna_status list_files(const json_t *weight_map, const char *source, json_t *names, cna_error *err)
{
    json_t *object = (json_t *)(uintptr_t)weight_map;
    const char *tensor;
    json_t *file;
    json_object_foreach(object, tensor, file) {
        const char *name = json_string_value(file);
        if (name == NULL || strchr(name, '/') != NULL || name[0] == '.' || name[0] == '\0') {
            return cna_fail(err, CNA_ERR_FORMAT,
                            "%s: tensor '%s': expected the name of a file in the same folder, found %s",
                            source, tensor, name == NULL ? cna_json_type_name(file) : name);
        }
        if (json_object_set(names, name, json_null()) != 0) return cna_fail_memory(err, "list of weight files", 0);
    }
    if (json_object_size(names) == 0 || json_object_size(names) > FILES_MAX) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'weight_map': expected 1 to %d files, found %zu", source,
                        (int)FILES_MAX, json_object_size(names));
    }
    return CNA_OK;
}

static cna_status check_index(const cna_checkpoint *checkpoint, const json_t *weight_map, const char *source,
                              cna_error *err)
{
    json_t *object = (json_t *)(uintptr_t)weight_map;
    const char *name;
    json_t *file;
    json_object_foreach(object, name, file) {
        const cna_tensor *tensor = cna_checkpoint_find(checkpoint, name);
        const char *base = tensor == NULL ? NULL : strrchr(tensor->path, '/');
        base = base == NULL ? (tensor == NULL ? NULL : tensor->path) : base + 1;
        if (base == NULL || strcmp(base, json_string_value(file)) != 0) {
            return cna_fail(err, CNA_ERR_MISMATCH, "%s: tensor '%s': expected in %s, found %s%s", source, name,
                            json_string_value(file), base == NULL ? "nowhere" : "in ", base == NULL ? "" : base);
        }
    }
    return CNA_OK;
}

static int compare_names(const void *a, const void *b)
{
    const cna_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

cna_status cna_checkpoint_sort(cna_checkpoint *checkpoint, cna_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < checkpoint->n_files; i++) n += checkpoint->files[i].n_tensors;
    CNA_TRY(cna_alloc(&checkpoint->tensors, n, sizeof *checkpoint->tensors, "tensor table", err));
    for (size_t i = 0; i < checkpoint->n_files; i++) {
        for (size_t j = 0; j < checkpoint->files[i].n_tensors; j++) {
            checkpoint->tensors[checkpoint->n_tensors++] = &checkpoint->files[i].tensors[j];
        }
    }
    qsort(checkpoint->tensors, n, sizeof *checkpoint->tensors, compare_names);
    for (size_t i = 1; i < n; i++) {
        if (compare_names(&checkpoint->tensors[i - 1], &checkpoint->tensors[i]) == 0) {
            return cna_fail(err, CNA_ERR_MISMATCH, "%s: tensor '%s': expected once, found in %s as well",
                            checkpoint->tensors[i - 1]->path, checkpoint->tensors[i]->name,
                            checkpoint->tensors[i]->path);
        }
    }
    return CNA_OK;
}

static cna_status open_indexed(cna_checkpoint *checkpoint, const char *index_path, cna_error *err)
{
    json_t *root = NULL, *weight_map, *names = json_object();
    cna_status status;
    if (names == NULL) return cna_fail_memory(err, "list of weight files", 0);
    CNA_TRY_CLEANUP(cna_json_load(index_path, INDEX_BYTES_MAX, &root, err));
    CNA_TRY_CLEANUP(cna_json_get_object(root, "weight_map", index_path, &weight_map, err));
    CNA_TRY_CLEANUP(list_files(weight_map, index_path, names, err));
    CNA_TRY_CLEANUP(cna_alloc(&checkpoint->files, json_object_size(names), sizeof *checkpoint->files,
                              "file table", err));
    const char *name;
    json_t *unused;
    json_object_foreach(names, name, unused) {
        CNA_TRY_CLEANUP(open_file(checkpoint, name, err));
    }
    CNA_TRY_CLEANUP(cna_checkpoint_sort(checkpoint, err));
    CNA_TRY_CLEANUP(check_index(checkpoint, weight_map, index_path, err));
cleanup:
    json_decref(names);
    json_decref(root);
    return status;
}

cna_status cna_checkpoint_has_weights(const char *path, bool *out, cna_error *err)
{
    static const char *const names[] = {"model.safetensors", "model.safetensors.index.json"};
    char *gguf;
    CNA_TRY(cna_gguf_locate(path, &gguf, err));
    *out = gguf != NULL;
    cna_free(gguf);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *file;
        CNA_TRY(cna_path_join(path, names[i], &file, err));
        *out = *out || cna_file_exists(file);
        cna_free(file);
    }
    return CNA_OK;
}

static cna_status open_weights(cna_checkpoint *checkpoint, cna_error *err)
{
    char *single, *index = NULL;
    CNA_TRY(cna_path_join(checkpoint->path, "model.safetensors", &single, err));
    cna_status status;
    CNA_TRY_CLEANUP(cna_path_join(checkpoint->path, "model.safetensors.index.json", &index, err));
    if (cna_file_exists(single)) {
        CNA_TRY_CLEANUP(cna_alloc(&checkpoint->files, 1, sizeof *checkpoint->files, "file table", err));
        CNA_TRY_CLEANUP(open_file(checkpoint, "model.safetensors", err));
        CNA_TRY_CLEANUP(cna_checkpoint_sort(checkpoint, err));
    } else if (cna_file_exists(index)) {
        CNA_TRY_CLEANUP(open_indexed(checkpoint, index, err));
    } else {
        status = cna_fail(err, CNA_ERR_IO,
                          "%s: expected model.safetensors or model.safetensors.index.json, found neither",
                          checkpoint->path);
    }
cleanup:
    cna_free(index);
    cna_free(single);
    return status;
}

/* The last component of a path, trailing slashes ignored. */
static void name_of(const char *path, char *out, size_t n_out)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/') end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/') begin--;
    size_t n = end - begin < n_out - 1 ? end - begin : n_out - 1;
    memcpy(out, path + begin, n);
    out[n] = '\0';
}

/* Move the mapping and tensors of a file into the checkpoint. */
static void take_file(cna_checkpoint *checkpoint, cna_gguf *gguf)
{
    checkpoint->files[checkpoint->n_files++] = gguf->file;
    gguf->file = (cna_tensor_file){0};
}

static cna_status open_parts(cna_checkpoint *checkpoint, const char *path, size_t n_files, cna_error *err)
{
    int64_t n_tensors = -1;
    cna_status status = CNA_OK;
    for (size_t i = 0; i < n_files && status == CNA_OK; i++) {
        cna_gguf part;
        CNA_TRY(cna_gguf_open_part(path, i, n_files, &part, err));
        if (i == 0) status = cna_gguf_read_config(&part, &checkpoint->config, err);
        if (i == 0 && status == CNA_OK) {
            status = cna_gguf_find_int(&part, "split.tensors.count", 0, INT32_MAX, &n_tensors, err);
        }
        take_file(checkpoint, &part);
        cna_gguf_close(&part);
    }
    CNA_TRY(status);
    CNA_TRY(cna_checkpoint_sort(checkpoint, err));
    if (n_tensors < 0 || (size_t)n_tensors == checkpoint->n_tensors) return CNA_OK;
    return cna_fail(err, CNA_ERR_MISMATCH,
                    "%s: key 'split.tensors.count': expected the number of tensors in all files (%zu), "
                    "found %lld",
                    checkpoint->files[0].map.path, checkpoint->n_tensors, (long long)n_tensors);
}

/* What tensors say about the model. */
static cna_status complete_config(cna_checkpoint *checkpoint, cna_error *err)
{
    cna_config *config = &checkpoint->config;
    const cna_tensor *embedding = cna_checkpoint_find(checkpoint, "token_embd.weight");
    if (embedding == NULL || embedding->rank != 2 || embedding->shape[0] > INT32_MAX) {
        return cna_fail(err, CNA_ERR_MISMATCH,
                        "%s: tensor 'token_embd.weight': expected a matrix, found %s; does the file hold "
                        "a whole model?",
                        checkpoint->path, embedding == NULL ? "none" : "another shape");
    }
    config->vocab_size = (uint32_t)embedding->shape[0];
    config->tied_embeddings = cna_checkpoint_find(checkpoint, "output.weight") == NULL;
    const cna_tensor *factors = cna_checkpoint_find(checkpoint, "rope_factors_short.weight");
    bool is_long = config->rope_type == CNA_ROPE_LONG;
    if (is_long != (factors != NULL)) {
        return cna_fail(err, CNA_ERR_MISMATCH,
                        "%s: tensor 'rope_factors_short.weight': expected with rope.scaling.attn_factor and only then, "
                        "found %s",
                        checkpoint->path, is_long ? "none" : "it alone");
    }
    const cna_tensor *divisors = is_long ? factors : cna_checkpoint_find(checkpoint, "rope_freqs.weight");
    return divisors == NULL ? CNA_OK : cna_gguf_take_divisors(divisors, config, err);
}

static cna_status open_gguf(cna_checkpoint *checkpoint, const char *path, cna_error *err)
{
    cna_gguf gguf;
    size_t n_files;
    cna_status status;
    checkpoint->is_gguf = true;
    CNA_TRY(cna_gguf_open(path, &gguf, err));
    CNA_TRY_CLEANUP(cna_gguf_count_files(&gguf, &n_files, err));
    CNA_TRY_CLEANUP(cna_alloc(&checkpoint->files, n_files, sizeof *checkpoint->files, "file table", err));
    if (n_files == 1) {
        CNA_TRY_CLEANUP(cna_gguf_read_config(&gguf, &checkpoint->config, err));
        take_file(checkpoint, &gguf);
        CNA_TRY_CLEANUP(cna_checkpoint_sort(checkpoint, err));
    } else {
        CNA_TRY_CLEANUP(open_parts(checkpoint, path, n_files, err));
    }
    status = complete_config(checkpoint, err);
cleanup:
    cna_gguf_close(&gguf);
    return status;
}

/* What a checkpoint has before anything is opened. */
static cna_status begin(const char *path, cna_checkpoint *out, cna_error *err)
{
    *out = (cna_checkpoint){0};
    if (!cna_file_exists(path)) {
        return cna_fail(err, CNA_ERR_IO, "%s: expected a model folder, found nothing", path);
    }
    if (!cna_hub_describe_path(path, out->name, out->revision)) name_of(path, out->name, sizeof out->name);
    return cna_copy_bytes(&out->path, path, strlen(path), "path", err);
}

cna_status cna_checkpoint_open_config(const char *folder, cna_checkpoint *out, cna_error *err)
{
    CNA_TRY(begin(folder, out, err));
    cna_status status = cna_config_read(folder, &out->config, err);
    if (status != CNA_OK) cna_checkpoint_close(out);
    return status;
}

/* Leave out the tensors of a model that also sees which its language part does not have. */
static void forget_vision(cna_checkpoint *checkpoint)
{
    static const char *const parts[] = {"vision_tower.", "multi_modal_projector.", "model.vision_tower.",
                                        "model.multi_modal_projector."};
    size_t n = 0;
    for (size_t i = 0; i < checkpoint->n_tensors; i++) {
        bool of_vision = false;
        for (size_t j = 0; j < sizeof parts / sizeof *parts; j++) {
            of_vision = of_vision || strncmp(checkpoint->tensors[i]->name, parts[j], strlen(parts[j])) == 0;
        }
        if (!of_vision) checkpoint->tensors[n++] = checkpoint->tensors[i];
    }
    checkpoint->n_tensors = n;
}

cna_status cna_checkpoint_open(const char *path, cna_checkpoint *out, cna_error *err)
{
    char *gguf = NULL;
    cna_status status;
    CNA_TRY(begin(path, out, err));
    CNA_TRY_CLEANUP(cna_gguf_locate(path, &gguf, err));
    if (gguf != NULL) {
        CNA_TRY_CLEANUP(open_gguf(out, gguf, err));
    } else {
        CNA_TRY_CLEANUP(cna_config_read(path, &out->config, err));
        CNA_TRY_CLEANUP(open_weights(out, err));
        if (out->config.wrapped) forget_vision(out);
    }
cleanup:
    cna_free(gguf);
    if (status != CNA_OK) cna_checkpoint_close(out);
    return status;
}

void cna_checkpoint_close(cna_checkpoint *checkpoint)
{
    for (size_t i = 0; i < checkpoint->n_files; i++) cna_tensor_file_close(&checkpoint->files[i]);
    cna_free(checkpoint->files);
    cna_free(checkpoint->tensors);
    cna_free(checkpoint->path);
    *checkpoint = (cna_checkpoint){0};
}

const cna_tensor *cna_checkpoint_find(const cna_checkpoint *checkpoint, const char *name)
{
    size_t low = 0, high = checkpoint->n_tensors;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(checkpoint->tensors[middle]->name, name);
        if (order == 0) return checkpoint->tensors[middle];
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    return NULL;
}

static void scatter(const cna_checkpoint *checkpoint, bool scattered)
{
    for (size_t i = 0; i < checkpoint->n_files; i++) cna_map_scatter(&checkpoint->files[i].map, scattered);
}

static cna_status add_tensor(cna_buffer *text, const cna_tensor *tensor, cna_error *err)
{
    CNA_TRY(cna_buffer_printf(text, err, "%s %s", tensor->name, tensor->dtype));
    for (size_t i = 0; i < tensor->rank; i++) {
        CNA_TRY(cna_buffer_printf(text, err, " %llu", (unsigned long long)tensor->shape[i]));
    }
    CNA_TRY(cna_buffer_add(text, "\n", 1, err));
    size_t n = tensor->n_bytes < EDGE_BYTES ? (size_t)tensor->n_bytes : EDGE_BYTES;
    CNA_TRY(cna_buffer_add(text, (const char *)tensor->data, n, err));
    return cna_buffer_add(text, (const char *)tensor->data + (tensor->n_bytes - n), n, err);
}

cna_status cna_checkpoint_fingerprint(const cna_checkpoint *checkpoint, char out[65], cna_error *err)
{
    const cna_config *c = &checkpoint->config;
    cna_buffer text = {0};
    cna_status status;
    CNA_TRY_CLEANUP(cna_buffer_printf(&text, err, "%s %u %u %u %u %u %u %u\n", c->family->name,
                                      c->n_layers, c->hidden_dim, c->mlp_dim, c->n_heads, c->n_kv_heads, c->head_dim,
                                      c->vocab_size));
    scatter(checkpoint, true);
    for (size_t i = 0; i < checkpoint->n_tensors; i++) {
        CNA_TRY_CLEANUP(add_tensor(&text, checkpoint->tensors[i], err));
    }
    status = cna_sha256_hex(text.data, text.size, out, err);
cleanup:
    scatter(checkpoint, false);
    cna_buffer_free(&text);
    return status;
}

cna_status cna_checkpoint_check(const cna_checkpoint *checkpoint, cna_error *err)
{
    for (size_t i = 0; i < checkpoint->n_files; i++) CNA_TRY(cna_map_check(&checkpoint->files[i].map, err));
    return CNA_OK;
}

const cna_map *cna_checkpoint_map(const cna_checkpoint *checkpoint, const void *data)
{
    uintptr_t at = (uintptr_t)data;
    for (size_t i = 0; i < checkpoint->n_files; i++) {
        const cna_map *map = &checkpoint->files[i].map;
        if (at >= (uintptr_t)map->data && at - (uintptr_t)map->data <= map->size) return map;
    }
    return NULL;
}
