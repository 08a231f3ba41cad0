/* SPDX-License-Identifier: MIT
 * What the readers of tokenizer.json share. */
#include "text/tokenizer_parts.h"

#include <stdio.h>
#include <string.h>

const char *cna_parts_describe(const json_t *value, char out[96])
{
    const char *type = json_string_value(json_object_get(value, "type"));
    if (type != NULL)
        snprintf(out, 96, "one of type '%.60s'", type);
    else if (json_is_string(value))
        snprintf(out, 96, "'%.60s'", json_string_value(value));
    else if (json_is_boolean(value))
        snprintf(out, 96, "%s", json_is_true(value) ? "true" : "false");
    else if (json_is_number(value))
        snprintf(out, 96, "%g", json_number_value(value));
    else
        snprintf(out, 96, "%s", cna_json_type_name(value));
    return out;
}

cna_status cna_parts_refuse(const char *path, const char *key, const char *expected, const json_t *found,
                            cna_error *err)
{
    char text[96];
    return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: key '%s': expected %s, found %s; this tokenizer cannot be used",
                    path, key, expected, cna_parts_describe(found, text));
}

cna_status cna_parts_check_keys(const json_t *object, const char *const *known, const char *path, const char *key,
                                cna_error *err)
{
    /* The iterator does not change the object; jansson's signature lacks the const. */
    for (void *i = json_object_iter((json_t *)(uintptr_t)object); i != NULL;
         i = json_object_iter_next((json_t *)(uintptr_t)object, i)) {
        const char *const *name = known;
        while (*name != NULL && strcmp(*name, json_object_iter_key(i)) != 0) name++;
        if (*name != NULL) continue;
        return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: key '%s': expected only members that are known, found '%s'",
                        path, key, json_object_iter_key(i));
    }
    return CNA_OK;
}

cna_status cna_parts_require_nothing(const json_t *object, const char *key, bool empty_too, const char *path,
                                     cna_error *err)
{
    const json_t *value = json_object_get(object, key);
    if (value == NULL || json_is_null(value)) return CNA_OK;
    if (empty_too && json_is_string(value) && json_string_length(value) == 0) return CNA_OK;
    return cna_parts_refuse(path, key, "null", value, err);
}

bool cna_parts_is_type(const json_t *object, const char *type)
{
    const char *found = json_string_value(json_object_get(object, "type"));
    return found != NULL && strcmp(found, type) == 0;
}

cna_status cna_parts_component(const json_t *root, const char *key, const char *list, size_t i, const char *path,
                               json_t **out, cna_error *err)
{
    json_t *top;
    json_t *items;
    CNA_TRY(cna_json_find_object(root, key, path, &top, err));
    *out = i == 0 ? top : NULL;
    if (top == NULL || !cna_parts_is_type(top, "Sequence")) return CNA_OK;
    CNA_TRY(cna_json_get_array(top, list, path, &items, err));
    *out = json_array_get(items, i);
    return *out == NULL || json_is_object(*out) ? CNA_OK : cna_parts_refuse(path, key, "objects", *out, err);
}
