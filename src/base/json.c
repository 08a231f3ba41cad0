/* SPDX-License-Identifier: MIT
 * JSON through jansson. */
#include "base/json.h"

#include <math.h>

#include "base/file.h"

cna_status cna_json_parse(const char *bytes, size_t n_bytes, const char *source, json_t **out, cna_error *err)
{
    json_error_t failure;
    *out = json_loadb(bytes, n_bytes, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &failure);
    if (*out != NULL) return CNA_OK;
    return cna_fail(err, CNA_ERR_FORMAT, "%s: line %d, column %d: expected JSON, found an error: %s", source,
                    failure.line, failure.column, failure.text);
}

cna_status cna_json_load(const char *path, size_t max_bytes, json_t **out, cna_error *err)
{
    *out = NULL;
    cna_buffer text = {0};
    cna_status status = cna_file_read(path, max_bytes, &text, err);
    if (status == CNA_OK) status = cna_json_parse(text.data == NULL ? "" : text.data, text.size, path, out, err);
    cna_buffer_free(&text);
    return status;
}

const char *cna_json_type_name(const json_t *value)
{
    if (value == NULL) return "nothing";
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        return "null";
    }
    return "an unknown value";
}

static cna_status fail_type(const char *source, const char *key, const char *expected, const json_t *found,
                            cna_error *err)
{
    return cna_fail(err, CNA_ERR_FORMAT, "%s: key '%s': expected %s, found %s", source, key, expected,
                    cna_json_type_name(found));
}

/* The member, or NULL where it is absent or null. */
static json_t *find(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

cna_status cna_json_find_string(const json_t *object, const char *key, const char *source, const char **out,
                                cna_error *err)
{
    const json_t *value = find(object, key);
    if (value != NULL && !json_is_string(value)) return fail_type(source, key, "a string", value, err);
    *out = json_string_value(value);
    return CNA_OK;
}

cna_status cna_json_get_string(const json_t *object, const char *key, const char *source, const char **out,
                               cna_error *err)
{
    CNA_TRY(cna_json_find_string(object, key, source, out, err));
    return *out != NULL ? CNA_OK : fail_type(source, key, "a string", json_object_get(object, key), err);
}

cna_status cna_json_find_object(const json_t *object, const char *key, const char *source, json_t **out,
                                cna_error *err)
{
    *out = find(object, key);
    if (*out != NULL && !json_is_object(*out)) return fail_type(source, key, "an object", *out, err);
    return CNA_OK;
}

cna_status cna_json_get_object(const json_t *object, const char *key, const char *source, json_t **out, cna_error *err)
{
    CNA_TRY(cna_json_find_object(object, key, source, out, err));
    return *out != NULL ? CNA_OK : fail_type(source, key, "an object", json_object_get(object, key), err);
}

cna_status cna_json_get_array(const json_t *object, const char *key, const char *source, json_t **out, cna_error *err)
{
    *out = find(object, key);
    if (!json_is_array(*out)) return fail_type(source, key, "an array", json_object_get(object, key), err);
    return CNA_OK;
}

cna_status cna_json_find_bool(const json_t *object, const char *key, const char *source, bool *out, cna_error *err)
{
    const json_t *value = find(object, key);
    if (value == NULL) return CNA_OK;
    if (!json_is_boolean(value)) return fail_type(source, key, "true or false", value, err);
    *out = json_is_true(value);
    return CNA_OK;
}

cna_status cna_json_find_int(const json_t *object, const char *key, const char *source, int64_t low, int64_t high,
                             int64_t *out, cna_error *err)
{
    const json_t *value = find(object, key);
    if (value == NULL) return CNA_OK;
    if (!json_is_number(value)) return fail_type(source, key, "a whole number", value, err);
    double real = json_number_value(value);
    /* 2^62 bounds the conversion below; no count or size in these files comes near. */
    if (real != floor(real) || fabs(real) > 4611686018427387904.0) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key '%s': expected a whole number, found %g", source, key, real);
    }
    int64_t whole = json_is_integer(value) ? (int64_t)json_integer_value(value) : (int64_t)real;
    if (whole < low || whole > high) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key '%s': expected %lld to %lld, found %lld", source, key,
                        (long long)low, (long long)high, (long long)whole);
    }
    *out = whole;
    return CNA_OK;
}

cna_status cna_json_get_int(const json_t *object, const char *key, const char *source, int64_t low, int64_t high,
                            int64_t *out, cna_error *err)
{
    const json_t *value = find(object, key);
    if (value == NULL) return fail_type(source, key, "a whole number", json_object_get(object, key), err);
    return cna_json_find_int(object, key, source, low, high, out, err);
}

cna_status cna_json_find_number(const json_t *object, const char *key, const char *source, double *out, cna_error *err)
{
    const json_t *value = find(object, key);
    if (value == NULL) return CNA_OK;
    if (!json_is_number(value)) return fail_type(source, key, "a number", value, err);
    double real = json_number_value(value);
    if (!isfinite(real)) return fail_type(source, key, "a finite number", value, err);
    *out = real;
    return CNA_OK;
}

/* jansson does not pass on every failure of its callback. */
typedef struct dump {
    cna_buffer text;
    bool failed;
} dump;

static int add_piece(const char *bytes, size_t n_bytes, void *user)
{
    dump *d = user;
    if (!d->failed && cna_buffer_add(&d->text, bytes, n_bytes, NULL) != CNA_OK) d->failed = true;
    return d->failed ? -1 : 0;
}

cna_status cna_json_compact(const json_t *value, char **out, cna_error *err)
{
    *out = NULL;
    dump d = {0};
    cna_status status = CNA_OK;
    if (json_dump_callback(value, add_piece, &d, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) != 0 || d.failed) {
        status = cna_fail_memory(err, "JSON", d.text.size);
    }
    if (status == CNA_OK) status = cna_buffer_take(&d.text, out, NULL, err);
    cna_buffer_free(&d.text);
    return status;
}
