/* SPDX-License-Identifier: MIT
 * The configuration of a part. */
#include "study/run_config.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 16, SHOWN_MAX = 120 };

static json_t *seed_value(uint64_t seed)
{
    return seed <= INT64_MAX ? json_integer((json_int_t)seed) : json_sprintf("%llu", (unsigned long long)seed);
}

cna_status cna_run_config_text(const cna_run_part_spec *spec, char **out, cna_error *err)
{
    *out = NULL;
    if (!json_is_object(spec->config) || json_object_get(spec->config, "model") != NULL ||
        json_object_get(spec->config, "seed") != NULL) {
        return cna_fail(err, CNA_ERR_ARG, "configuration: expected an object without 'model' and 'seed', found %s",
                        cna_json_type_name(spec->config));
    }
    json_t *all = json_copy((json_t *)(uintptr_t)spec->config); /* shallow; the original is only read */
    json_t *model = json_pack("{s:s, s:s}", "dtype", spec->model->compute_dtype, "fingerprint",
                              spec->model->fingerprint);
    cna_status status;
    if (all == NULL || json_object_set_new(all, "model", model) != 0 ||
        json_object_set_new(all, "seed", seed_value(spec->seed)) != 0) {
        status = cna_fail_memory(err, "configuration", 0);
    } else {
        status = cna_json_compact(all, out, err);
    }
    json_decref(all);
    return status;
}

/* ---- the first difference ---- */

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Keys of either object, sorted; a key of both is there twice. */
static cna_status list_keys(json_t *a, json_t *b, const char ***out, size_t *out_n, cna_error *err)
{
    size_t n = 0;
    const char *key;
    json_t *value;
    CNA_TRY(cna_alloc(out, json_object_size(a) + json_object_size(b), sizeof **out, "keys", err));
    json_object_foreach(a, key, value) (*out)[n++] = key;
    json_object_foreach(b, key, value) (*out)[n++] = key;
    if (n != 0) qsort(*out, n, sizeof **out, compare_keys);
    *out_n = n;
    return CNA_OK;
}

static cna_status add_value(cna_buffer *out, const json_t *value, cna_error *err)
{
    if (value == NULL) return cna_buffer_add_text(out, "nothing", err);
    char *text;
    CNA_TRY(cna_json_compact(value, &text, err));
    size_t n = strlen(text);
    cna_status status = cna_buffer_printf(out, err, "%.*s%s", n > SHOWN_MAX ? SHOWN_MAX : (int)n, text,
                                          n > SHOWN_MAX ? "..." : "");
    cna_free(text);
    return status;
}

static cna_status report(const char *place, const json_t *old, const json_t *now, cna_buffer *out, cna_error *err)
{
    CNA_TRY(cna_buffer_printf(out, err, "key '%s': the file has ", place));
    CNA_TRY(add_value(out, old, err));
    CNA_TRY(cna_buffer_add_text(out, ", this command ", err));
    return add_value(out, now, err);
}

static cna_status find(json_t *old, json_t *now, const char *place, int depth, cna_buffer *out, cna_error *err);

static cna_status find_below(json_t *old, json_t *now, const char *place, const char *key, int depth, cna_buffer *out,
                             cna_error *err)
{
    cna_buffer inner = {0};
    cna_status status = cna_buffer_printf(&inner, err, "%s%s%s", place, *place == '\0' ? "" : ".", key);
    if (status == CNA_OK) {
        status = find(json_object_get(old, key), json_object_get(now, key), inner.data, depth + 1, out, err);
    }
    cna_buffer_free(&inner);
    return status;
}

static cna_status find(json_t *old, json_t *now, const char *place, int depth, cna_buffer *out, cna_error *err)
{
    if (old != NULL && now != NULL && json_equal(old, now)) return CNA_OK;
    if (!json_is_object(old) || !json_is_object(now) || depth == DEPTH_MAX) return report(place, old, now, out, err);
    const char **keys;
    size_t n_keys;
    CNA_TRY(list_keys(old, now, &keys, &n_keys, err));
    cna_status status = CNA_OK;
    for (size_t i = 0; status == CNA_OK && i < n_keys && out->size == 0; i++) {
        status = find_below(old, now, place, keys[i], depth, out, err);
    }
    cna_free(keys);
    return status;
}

cna_status cna_run_config_difference(const char *old, const char *now, const char *source, cna_buffer *out,
                                     cna_error *err)
{
    json_t *before = NULL, *after = NULL;
    cna_status status = CNA_OK;
    CNA_TRY_CLEANUP(cna_json_parse(old, strlen(old), source, &before, err));
    CNA_TRY_CLEANUP(cna_json_parse(now, strlen(now), source, &after, err));
    if (!json_is_object(before)) {
        status = cna_fail(err, CNA_ERR_FORMAT, "%s: configuration: expected an object, found %s", source,
                          cna_json_type_name(before));
        goto cleanup;
    }
    CNA_TRY_CLEANUP(cna_buffer_add_text(out, "", err));
    status = find(before, after, "", 0, out, err);
cleanup:
    json_decref(before);
    json_decref(after);
    return status;
}
