/* SPDX-License-Identifier: MIT
 * The values of chat templates: making, comparing and searching them. */
#include "text/template_values.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "text/template_text.h"

/* A template may loop, count and join texts as it likes up to these; real ones stay far below. */
enum { STEPS_MAX = 20000000, BYTES_MAX = 256 << 20, NESTED_MAX = 100, DEPTH_MAX = 1000 };

/* ------------------------------------------------------------------------------------------ errors and bounds */

cna_status cna_rendering_refuse(const cna_rendering *r, const cna_node *node, const char *found)
{
    char alone[80]; /* without what leads over to the node's text, where it has none */
    const char *comma = node->span.n == 0 ? strrchr(found, ',') : NULL;
    if (comma == NULL) return cna_template_refuse(r->err, r->parsed->where, node->line, found, node->span);
    snprintf(alone, sizeof alone, "%.*s", (int)(comma - found), found);
    return cna_template_refuse(r->err, r->parsed->where, node->line, alone, node->span);
}

cna_status cna_rendering_refuse_size(const cna_rendering *r, const cna_node *node)
{
    return cna_rendering_refuse(r, node, "more text and lists than can be meant");
}

cna_status cna_rendering_raise(const cna_rendering *r, const cna_node *node, cna_slice reason)
{
    return cna_fail(r->err, CNA_ERR_ARG,
                    "%s, line %zu: expected messages that the chat template takes, found ones that it "
                    "refuses: %.*s",
                    r->parsed->where, node->line, reason.n > 300 ? 300 : (int)reason.n, reason.text);
}

cna_status cna_rendering_fail(const cna_rendering *r, const cna_node *node, const char *reason)
{
    return cna_rendering_raise(r, node, (cna_slice){reason, strlen(reason)});
}

cna_status cna_rendering_spend(cna_rendering *r, const cna_node *node, size_t n_steps)
{
    size_t most = r->input->n_steps == 0 ? STEPS_MAX : r->input->n_steps;
    if (n_steps > most - r->n_steps) return cna_rendering_refuse(r, node, "more steps than can be meant");
    r->n_steps += n_steps;
    return CNA_OK;
}

cna_status cna_rendering_enter(cna_rendering *r, const cna_node *node)
{
    return ++r->depth <= DEPTH_MAX ? CNA_OK : cna_rendering_refuse(r, node, "evaluations nested too deep, at");
}

cna_status cna_rendering_alloc(cna_rendering *r, const cna_node *node, void *out_pointer, size_t count, size_t size)
{
    if (count > (BYTES_MAX - r->n_allocated) / size)
        return cna_rendering_refuse_size(r, node);
    r->n_allocated += count * size;
    return cna_arena_alloc(&r->arena, out_pointer, count, size, "template", r->err);
}

cna_status cna_rendering_keep(cna_rendering *r, const cna_node *node, cna_buffer *buffer, cna_value *out)
{
    char *text;
    size_t n = buffer->size;
    cna_status status = cna_rendering_alloc(r, node, &text, n + 1, 1);
    if (status == CNA_OK && n != 0) memcpy(text, buffer->data, n);
    cna_buffer_free(buffer);
    if (status == CNA_OK) *out = cna_value_text(text, n);
    return status;
}

/* ------------------------------------------------------------------------------------------------------ making */

cna_value cna_value_bool(bool truth)
{
    return (cna_value){.kind = CNA_VALUE_BOOL, .number = truth};
}

cna_value cna_value_int(int64_t number)
{
    return (cna_value){.kind = CNA_VALUE_INT, .number = number};
}

cna_value cna_value_text(const char *text, size_t n)
{
    return (cna_value){.kind = CNA_VALUE_STRING, .text = {text, n}};
}

cna_value cna_value_slice(cna_slice text)
{
    return (cna_value){.kind = CNA_VALUE_STRING, .text = text};
}

cna_status cna_value_sequence(cna_rendering *r, const cna_node *node, cna_sequence_kind kind, size_t n,
                              cna_value **items, cna_value *out)
{
    cna_sequence *made;
    CNA_TRY(cna_rendering_spend(r, node, n));
    CNA_TRY(cna_rendering_alloc(r, node, items, n, sizeof **items));
    CNA_TRY(cna_rendering_alloc(r, node, &made, 1, sizeof *made));
    *made = (cna_sequence){.kind = kind, .items = *items, .n = n};
    *out = (cna_value){.kind = CNA_VALUE_SEQUENCE, .sequence = made};
    return CNA_OK;
}

cna_status cna_value_pair(cna_rendering *r, const cna_node *node, cna_value a, cna_value b, cna_value *out)
{
    cna_value *items;
    CNA_TRY(cna_value_sequence(r, node, CNA_SEQUENCE_TUPLE, 2, &items, out));
    items[0] = a;
    items[1] = b;
    return CNA_OK;
}

cna_status cna_value_dict(cna_rendering *r, const cna_node *node, size_t capacity, cna_value *out)
{
    cna_dict *dict;
    CNA_TRY(cna_rendering_alloc(r, node, &dict, 1, sizeof *dict));
    CNA_TRY(cna_rendering_alloc(r, node, &dict->pairs, capacity, sizeof *dict->pairs));
    dict->capacity = capacity;
    *out = (cna_value){.kind = CNA_VALUE_DICT, .dict = dict};
    return CNA_OK;
}

cna_status cna_dict_find(cna_rendering *r, const cna_node *node, const cna_dict *dict, const cna_value *key,
                         const cna_value **out)
{
    *out = NULL;
    if (key->kind == CNA_VALUE_DICT || key->kind == CNA_VALUE_NAMESPACE) return CNA_OK; /* no key is one */
    CNA_TRY(cna_rendering_spend(r, node, dict->n / 4 + 1));
    for (size_t i = 0; i < dict->n; i++) {
        bool equal;
        CNA_TRY(cna_value_equal(r, &dict->pairs[i].key, key, node, &equal));
        if (!equal) continue;
        *out = &dict->pairs[i].value;
        return CNA_OK;
    }
    return CNA_OK;
}

cna_status cna_dict_set(cna_rendering *r, const cna_node *node, cna_dict *dict, const cna_value *key,
                        const cna_value *v)
{
    const cna_value *found;
    if (key->kind == CNA_VALUE_DICT || (key->kind == CNA_VALUE_SEQUENCE && key->sequence->kind == CNA_SEQUENCE_LIST))
        return cna_rendering_fail(r, node, "a list or dict is the key of a dict");
    CNA_TRY(cna_dict_find(r, node, dict, key, &found));
    if (found != NULL) {
        dict->pairs[(const cna_pair *)((const char *)found - offsetof(cna_pair, value)) - dict->pairs].value = *v;
        return CNA_OK;
    }
    if (dict->n == dict->capacity) {
        cna_pair *grown;
        size_t capacity = dict->capacity < 4 ? 4 : 2 * dict->capacity;
        CNA_TRY(cna_rendering_alloc(r, node, &grown, capacity, sizeof *grown));
        if (dict->n != 0) memcpy(grown, dict->pairs, dict->n * sizeof *grown);
        dict->pairs = grown;
        dict->capacity = capacity;
    }
    dict->pairs[dict->n++] = (cna_pair){*key, *v};
    return CNA_OK;
}

cna_status cna_value_from_json(cna_rendering *r, const cna_node *node, const json_t *json, cna_value *out)
{
    CNA_TRY(cna_rendering_spend(r, node, 1));
    switch (json_typeof(json)) {
    case JSON_STRING:
        *out = cna_value_text(json_string_value(json), json_string_length(json));
        return CNA_OK;
    case JSON_INTEGER:
        *out = cna_value_int(json_integer_value(json));
        return CNA_OK;
    case JSON_REAL:
        *out = (cna_value){.kind = CNA_VALUE_REAL, .real = json_real_value(json)};
        return CNA_OK;
    case JSON_TRUE:
    case JSON_FALSE:
        *out = cna_value_bool(json_is_true(json));
        return CNA_OK;
    case JSON_NULL:
        *out = (cna_value){.kind = CNA_VALUE_NONE};
        return CNA_OK;
    default:
        break;
    }
    if (++r->nested > NESTED_MAX) return cna_rendering_refuse(r, node, "values nested too deep");
    if (json_is_array(json)) {
        cna_value *items;
        CNA_TRY(cna_value_sequence(r, node, CNA_SEQUENCE_LIST, json_array_size(json), &items, out));
        for (size_t i = 0; i < json_array_size(json); i++)
            CNA_TRY(cna_value_from_json(r, node, json_array_get(json, i), &items[i]));
    } else {
        CNA_TRY(cna_value_dict(r, node, json_object_size(json), out));
        const char *name;
        json_t *member;
        json_object_foreach((json_t *)json, name, member)
        {
            cna_value key = cna_value_text(name, strlen(name)), v;
            CNA_TRY(cna_value_from_json(r, node, member, &v));
            CNA_TRY(cna_dict_set(r, node, out->dict, &key, &v));
        }
    }
    r->nested--;
    return CNA_OK;
}

/* ------------------------------------------------------------------------------------------------- what they are */

bool cna_value_is_true(const cna_value *v)
{
    size_t n;
    if (v->kind == CNA_VALUE_STRING) return v->text.n != 0;
    if (v->kind == CNA_VALUE_REAL) return v->real != 0;
    if (cna_value_is_number(v)) return v->number != 0;
    if (v->kind == CNA_VALUE_SEQUENCE && v->sequence->kind == CNA_SEQUENCE_GENERATOR) return true;
    if (cna_value_length(v, &n)) return n != 0;
    return v->kind != CNA_VALUE_UNDEFINED && v->kind != CNA_VALUE_NONE;
}

bool cna_value_is_number(const cna_value *v)
{
    return v->kind == CNA_VALUE_BOOL || v->kind == CNA_VALUE_INT || v->kind == CNA_VALUE_REAL;
}

double cna_value_real(const cna_value *v)
{
    return v->kind == CNA_VALUE_REAL ? v->real : (double)v->number;
}

bool cna_value_length(const cna_value *v, size_t *out)
{
    *out = 0;
    if (v->kind == CNA_VALUE_STRING)
        *out = cna_text_length(v->text);
    else if (v->kind == CNA_VALUE_DICT)
        *out = v->dict->n;
    else if (v->kind == CNA_VALUE_SEQUENCE && v->sequence->kind != CNA_SEQUENCE_GENERATOR)
        *out = v->sequence->n;
    else
        return v->kind == CNA_VALUE_UNDEFINED;
    return true;
}

static cna_status split_characters(cna_rendering *r, const cna_node *node, cna_slice text, const cna_value **items,
                                   size_t *n)
{
    cna_value *characters;
    *n = cna_text_length(text);
    CNA_TRY(cna_rendering_spend(r, node, *n));
    CNA_TRY(cna_rendering_alloc(r, node, &characters, *n, sizeof *characters));
    const char *at = text.text;
    for (size_t i = 0; i < *n; i++) {
        uint32_t code_point;
        int length = cna_utf8_next(at, text.n - (size_t)(at - text.text), &code_point);
        characters[i] = cna_value_text(at, (size_t)length);
        at += length;
    }
    *items = characters;
    return CNA_OK;
}

cna_status cna_value_iterate(cna_rendering *r, const cna_node *node, const cna_value *v, const cna_value **items,
                             size_t *n)
{
    *items = NULL;
    *n = 0;
    if (v->kind == CNA_VALUE_UNDEFINED) return CNA_OK;
    if (v->kind == CNA_VALUE_STRING) return split_characters(r, node, v->text, items, n);
    if (v->kind == CNA_VALUE_SEQUENCE) {
        if (v->sequence->used) return cna_rendering_refuse(r, node, "a second use of what a filter gave, before");
        v->sequence->used = v->sequence->kind == CNA_SEQUENCE_GENERATOR;
        *items = v->sequence->items;
        *n = v->sequence->n;
        return CNA_OK;
    }
    if (v->kind == CNA_VALUE_DICT) {
        cna_value keys, *to;
        CNA_TRY(cna_value_sequence(r, node, CNA_SEQUENCE_VIEW, v->dict->n, &to, &keys));
        for (size_t i = 0; i < v->dict->n; i++) to[i] = v->dict->pairs[i].key;
        *items = to;
        *n = v->dict->n;
        return CNA_OK;
    }
    if (v->kind == CNA_VALUE_NONE || cna_value_is_number(v) || v->kind == CNA_VALUE_NAMESPACE)
        return cna_rendering_fail(r, node, "it goes through something that is no list");
    return cna_rendering_refuse(r, node, "a loop over something else than a list, at");
}

/* ---------------------------------------------------------------------------------------------------- comparing */

static cna_status equal_items(cna_rendering *r, const cna_sequence *a, const cna_sequence *b, const cna_node *node,
                              bool *out)
{
    *out = a->kind == b->kind && a->n == b->n;
    if (a->kind >= CNA_SEQUENCE_VIEW || b->kind >= CNA_SEQUENCE_VIEW)
        return a == b ? CNA_OK : cna_rendering_refuse(r, node, "a comparison of views or generators,");
    for (size_t i = 0; i < a->n && *out; i++) CNA_TRY(cna_value_equal(r, &a->items[i], &b->items[i], node, out));
    return CNA_OK;
}

static cna_status equal_dicts(cna_rendering *r, const cna_dict *a, const cna_dict *b, const cna_node *node,
                              bool *out)
{
    *out = a->n == b->n;
    for (size_t i = 0; i < a->n && *out; i++) {
        const cna_value *other;
        CNA_TRY(cna_dict_find(r, node, b, &a->pairs[i].key, &other));
        *out = other != NULL;
        if (*out) CNA_TRY(cna_value_equal(r, &a->pairs[i].value, other, node, out));
    }
    return CNA_OK;
}

cna_status cna_value_equal(cna_rendering *r, const cna_value *a, const cna_value *b, const cna_node *node, bool *out)
{
    CNA_TRY(cna_rendering_spend(r, node, 1));
    *out = false;
    if (cna_value_is_number(a) && cna_value_is_number(b)) {
        bool real = a->kind == CNA_VALUE_REAL || b->kind == CNA_VALUE_REAL;
        *out = real ? cna_value_real(a) == cna_value_real(b) : a->number == b->number;
        return CNA_OK;
    }
    if (a->kind != b->kind) return CNA_OK;
    switch (a->kind) {
    case CNA_VALUE_STRING:
        CNA_TRY(cna_rendering_spend(r, node, a->text.n / 64));
        *out = a->text.n == b->text.n && memcmp(a->text.text, b->text.text, a->text.n) == 0;
        return CNA_OK;
    case CNA_VALUE_SEQUENCE:
    case CNA_VALUE_DICT:
        if (++r->nested > NESTED_MAX) return cna_rendering_refuse(r, node, "values nested too deep, at");
        CNA_TRY(a->kind == CNA_VALUE_DICT ? equal_dicts(r, a->dict, b->dict, node, out)
                                          : equal_items(r, a->sequence, b->sequence, node, out));
        r->nested--;
        return CNA_OK;
    case CNA_VALUE_NONE:
    case CNA_VALUE_UNDEFINED:
        *out = true;
        return CNA_OK;
    default:
        return cna_rendering_refuse(r, node, "a comparison of other things than data,");
    }
}

static int compare_texts(cna_slice a, cna_slice b)
{
    int order = memcmp(a.text, b.text, a.n < b.n ? a.n : b.n); /* UTF-8 orders as code points do */
    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

cna_status cna_value_compare(cna_rendering *r, const cna_value *a, const cna_value *b, const cna_node *node, int *out)
{
    CNA_TRY(cna_rendering_spend(r, node, 1));
    if (cna_value_is_number(a) && cna_value_is_number(b)) {
        bool real = a->kind == CNA_VALUE_REAL || b->kind == CNA_VALUE_REAL;
        double x = cna_value_real(a), y = cna_value_real(b);
        *out = real ? (x > y) - (x < y) : (a->number > b->number) - (a->number < b->number);
        return CNA_OK;
    }
    if (a->kind == CNA_VALUE_STRING && b->kind == CNA_VALUE_STRING) {
        CNA_TRY(cna_rendering_spend(r, node, a->text.n / 64));
        *out = compare_texts(a->text, b->text);
        return CNA_OK;
    }
    bool sequences = a->kind == CNA_VALUE_SEQUENCE && b->kind == CNA_VALUE_SEQUENCE &&
                     a->sequence->kind == b->sequence->kind && a->sequence->kind <= CNA_SEQUENCE_TUPLE;
    if (!sequences) return cna_rendering_fail(r, node, "it orders things that have no order");
    if (++r->nested > NESTED_MAX) return cna_rendering_refuse(r, node, "values nested too deep, at");
    const cna_sequence *x = a->sequence, *y = b->sequence;
    *out = (x->n > y->n) - (x->n < y->n);
    for (size_t i = 0; i < x->n && i < y->n; i++) {
        bool equal;
        CNA_TRY(cna_value_equal(r, &x->items[i], &y->items[i], node, &equal));
        if (equal) continue;
        CNA_TRY(cna_value_compare(r, &x->items[i], &y->items[i], node, out));
        break;
    }
    r->nested--;
    return CNA_OK;
}

cna_status cna_value_in(cna_rendering *r, const cna_value *a, const cna_value *b, const cna_node *node, bool *out)
{
    *out = false;
    if (b->kind == CNA_VALUE_STRING) {
        size_t at;
        if (a->kind != CNA_VALUE_STRING) return cna_rendering_fail(r, node, "it looks for another thing in a text");
        CNA_TRY(cna_text_find(r, node, b->text, a->text, 0, &at));
        *out = at != SIZE_MAX;
        return CNA_OK;
    }
    if (b->kind == CNA_VALUE_DICT) {
        const cna_value *found;
        CNA_TRY(cna_dict_find(r, node, b->dict, a, &found));
        *out = found != NULL;
        return CNA_OK;
    }
    const cna_value *items;
    size_t n;
    CNA_TRY(cna_value_iterate(r, node, b, &items, &n));
    for (size_t i = 0; i < n && !*out; i++) CNA_TRY(cna_value_equal(r, &items[i], a, node, out));
    return CNA_OK;
}
