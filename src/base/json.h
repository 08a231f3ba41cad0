/* SPDX-License-Identifier: MIT
 * JSON through jansson: loading with a limit and a place in every error, typed access to members. */
#ifndef CNA_BASE_JSON_H
#define CNA_BASE_JSON_H

#include <jansson.h>

#include "base/buffer.h"

/* Parse bytes as one JSON value (duplicate keys refused, NUL escapes allowed). source is named in messages.
 * *out is new: json_decref. ERR_FORMAT with line and column. */
CNA_MUST_CHECK cna_status cna_json_parse(const char *bytes, size_t n_bytes, const char *source, json_t **out,
                                         cna_error *err);
/* The same for a file of at most max_bytes. */
CNA_MUST_CHECK cna_status cna_json_load(const char *path, size_t max_bytes, json_t **out, cna_error *err);

/* Members of an object, with errors "SOURCE: key 'KEY': expected a string, found 3". The `find` forms set *out to NULL
 * or leave it untouched (so that it keeps its default) where the key is absent or null; the `get` forms fail. */
CNA_MUST_CHECK cna_status cna_json_get_string(const json_t *object, const char *key, const char *source,
                                              const char **out, cna_error *err);
CNA_MUST_CHECK cna_status cna_json_find_string(const json_t *object, const char *key, const char *source,
                                               const char **out, cna_error *err);
CNA_MUST_CHECK cna_status cna_json_get_object(const json_t *object, const char *key, const char *source,
                                              json_t **out, cna_error *err);
CNA_MUST_CHECK cna_status cna_json_find_object(const json_t *object, const char *key, const char *source,
                                               json_t **out, cna_error *err);
CNA_MUST_CHECK cna_status cna_json_get_array(const json_t *object, const char *key, const char *source,
                                             json_t **out, cna_error *err);
CNA_MUST_CHECK cna_status cna_json_find_bool(const json_t *object, const char *key, const char *source, bool *out,
                                             cna_error *err);
/* Whole numbers within low..high; a real with a whole value, such as 1e6, counts. */
CNA_MUST_CHECK cna_status cna_json_get_int(const json_t *object, const char *key, const char *source, int64_t low,
                                           int64_t high, int64_t *out, cna_error *err);
CNA_MUST_CHECK cna_status cna_json_find_int(const json_t *object, const char *key, const char *source, int64_t low,
                                            int64_t high, int64_t *out, cna_error *err);
/* A finite number. */
CNA_MUST_CHECK cna_status cna_json_find_number(const json_t *object, const char *key, const char *source,
                                               double *out, cna_error *err);
/* The value as compact text with the keys of objects sorted, reals with 17 digits: equal values give equal text. *out
 * is new, NUL-terminated, freed by cna_free. */
CNA_MUST_CHECK cna_status cna_json_compact(const json_t *value, char **out, cna_error *err);
/* "a string", "an object", ... for messages. */
const char *cna_json_type_name(const json_t *value);

#endif
