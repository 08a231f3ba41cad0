/* SPDX-License-Identifier: MIT
 * Filters of chat templates on lists and dicts. */
#include <stdlib.h>
#include <string.h>

#include "text/template_filters.h"

/* ---------------------------------------------------------------------------------------------------- attributes */

/* item.a.b of "a.b", item.0 of 0: each step as a[b]. */
static cna_status get_attribute(cna_rendering *r, const cna_node *node, const cna_value *item,
                                const cna_value *attribute, cna_value *out)
{
    *out = *item;
    if (attribute == NULL || attribute->kind == CNA_VALUE_NONE) return CNA_OK;
    if (attribute->kind == CNA_VALUE_INT) return cna_eval_item(r, node, item, attribute, out);
    cna_slice path;
    CNA_TRY(cna_eval_text(r, node, attribute, &path));
    for (;;) {
        const char *dot = memchr(path.text, '.', path.n);
        cna_value name = cna_value_text(path.text, dot == NULL ? path.n : (size_t)(dot - path.text)), object = *out;
        bool digits = name.text.n != 0 && name.text.n < 10;
        for (size_t i = 0; i < name.text.n && digits; i++)
            digits = name.text.text[i] >= '0' && name.text.text[i] <= '9';
        if (digits) {
            char copy[12] = "";
            memcpy(copy, name.text.text, name.text.n);
            name = cna_value_int(strtol(copy, NULL, 10));
        }
        CNA_TRY(cna_eval_item(r, node, &object, &name, out));
        if (dot == NULL) return CNA_OK;
        path = (cna_slice){dot + 1, path.n - (size_t)(dot + 1 - path.text)};
    }
}

/* What sort, unique, min and max compare by: an attribute, texts in lower case unless asked otherwise. */
static cna_status get_key(cna_rendering *r, const cna_node *node, const cna_value *item, const cna_value *attribute,
                          bool case_sensitive, cna_value *out)
{
    CNA_TRY(get_attribute(r, node, item, attribute, out));
    if (case_sensitive || out->kind != CNA_VALUE_STRING) return CNA_OK;
    cna_slice text = out->text;
    return cna_text_case(r, node, text, CNA_CASE_LOWER, out);
}

static bool is_set(const cna_value *v)
{
    return v != NULL && cna_value_is_true(v);
}

/* The arguments behind the first n. */
static cna_arguments rest_of(const cna_arguments *arguments, size_t n)
{
    cna_arguments rest = *arguments;
    n = n > rest.n ? rest.n : n;
    rest.n -= n;
    if (n != 0) rest.values += n;
    return rest;
}

/* ------------------------------------------------------------------------------------------------ one of a list */

cna_status cna_filter_first(cna_rendering *r, const cna_node *node, const cna_value *v,
                            const cna_arguments *arguments, cna_value *out)
{
    const cna_value *items;
    size_t n;
    CNA_TRY(cna_eval_bind(r, node, arguments, "", NULL));
    CNA_TRY(cna_value_iterate(r, node, v, &items, &n));
    if (n != 0) *out = items[0];
    return CNA_OK;
}

cna_status cna_filter_last(cna_rendering *r, const cna_node *node, const cna_value *v,
                           const cna_arguments *arguments, cna_value *out)
{
    const cna_value *items;
    size_t n;
    CNA_TRY(cna_eval_bind(r, node, arguments, "", NULL));
    if (v->kind == CNA_VALUE_SEQUENCE && v->sequence->kind == CNA_SEQUENCE_GENERATOR)
        return cna_rendering_fail(r, node, "it takes the last of what another filter gave; `list` was meant between");
    CNA_TRY(cna_value_iterate(r, node, v, &items, &n));
    if (n != 0) *out = items[n - 1];
    return CNA_OK;
}

cna_status cna_filter_extreme(cna_rendering *r, const cna_node *node, const cna_value *v,
                              const cna_arguments *arguments, cna_value *out)
{
    const cna_value *given[2], *items;
    size_t n;
    cna_value best = {0}, key;
    CNA_TRY(cna_eval_bind(r, node, arguments, "case_sensitive attribute", given));
    CNA_TRY(cna_value_iterate(r, node, v, &items, &n));
    for (size_t i = 0; i < n; i++) {
        int order = 1;
        CNA_TRY(get_key(r, node, &items[i], given[1], is_set(given[0]), &key));
        if (i != 0) CNA_TRY(cna_value_compare(r, &key, &best, node, &order));
        if (i != 0 && (cna_slice_is(node->span, "min") ? order >= 0 : order <= 0)) continue;
        best = key;
        *out = items[i];
    }
    return CNA_OK;
}

cna_status cna_filter_sum(cna_rendering *r, const cna_node *node, const cna_value *v,
                          const cna_arguments *arguments, cna_value *out)
{
    const cna_value *given[2], *items;
    size_t n;
    cna_node plus = *node;
    plus.span = (cna_slice){"+", 1};
    CNA_TRY(cna_eval_bind(r, node, arguments, "attribute start", given));
    CNA_TRY(cna_value_iterate(r, node, v, &items, &n));
    *out = given[1] != NULL ? *given[1] : cna_value_int(0);
    for (size_t i = 0; i < n; i++) {
        cna_value item, so_far = *out;
        CNA_TRY(get_attribute(r, node, &items[i], given[0], &item));
        CNA_TRY(cna_value_operate(r, &so_far, &item, &plus, out));
    }
    return CNA_OK;
}

/* ------------------------------------------------------------------------------------------------- whole lists */

static cna_status copy_items(cna_rendering *r, const cna_node *node, cna_sequence_kind kind, const cna_value *items,
                             size_t n, cna_value *out)
{
    cna_value *copy;
    CNA_TRY(cna_value_sequence(r, node, kind, n, &copy, out));
    if (n != 0) memcpy(copy, items, n * sizeof *copy);
    return CNA_OK;
}

cna_status cna_filter_list(cna_rendering *r, const cna_node *node, const cna_value *v,
                           const cna_arguments *arguments, cna_value *out)
{
    const cna_value *items;
    size_t n;
    CNA_TRY(cna_eval_bind(r, node, arguments, "", NULL));
    CNA_TRY(cna_value_iterate(r, node, v, &items, &n));
    return copy_items(r, node, CNA_SEQUENCE_LIST, items, n, out);
}

cna_status cna_filter_items(cna_rendering *r, const cna_node *node, const cna_value *v,
                            const cna_arguments *arguments, cna_value *out)
{
    cna_value *items;
    CNA_TRY(cna_eval_bind(r, node, arguments, "", NULL));
    size_t n = v->kind == CNA_VALUE_DICT ? v->dict->n : 0;
    if (v->kind != CNA_VALUE_DICT && v->kind != CNA_VALUE_UNDEFINED)
        return cna_rendering_fail(r, node, "it takes the items of something else than a dict");
    CNA_TRY(cna_value_sequence(r, node, CNA_SEQUENCE_GENERATOR, n, &items, out));
    for (size_t i = 0; i < n; i++)
        CNA_TRY(cna_value_pair(r, node, v->dict->pairs[i].key, v->dict->pairs[i].value, &items[i]));
    return CNA_OK;
}

cna_status cna_filter_reverse(cna_rendering *r, const cna_node *node, const cna_value *v,
                              const cna_arguments *arguments, cna_value *out)
{
    const cna_value *items;
    cna_value *to;
    size_t n;
    CNA_TRY(cna_eval_bind(r, node, arguments, "", NULL));
    if (v->kind == CNA_VALUE_STRING) {
        const cna_value step = cna_value_int(-1);
        const cna_value *const bounds[3] = {NULL, NULL, &step};
        return cna_eval_slice(r, node, v, bounds, out);
    }
    CNA_TRY(cna_value_iterate(r, node, v, &items, &n));
    CNA_TRY(cna_value_sequence(r, node, CNA_SEQUENCE_GENERATOR, n, &to, out));
    for (size_t i = 0; i < n; i++) to[i] = items[n - 1 - i];
    return CNA_OK;
}

cna_status cna_filter_join(cna_rendering *r, const cna_node *node, const cna_value *v,
                           const cna_arguments *arguments, cna_value *out)
{
    const cna_value *given[2], *items;
    size_t n, size = 0;
    cna_slice separator = {"", 0};
    cna_slice *texts;
    char *to;
    CNA_TRY(cna_eval_bind(r, node, arguments, "d attribute", given));
    if (given[0] != NULL) CNA_TRY(cna_text_of(r, node, given[0], &separator));
    CNA_TRY(cna_value_iterate(r, node, v, &items, &n));
    CNA_TRY(cna_rendering_alloc(r, node, &texts, n, sizeof *texts));
    for (size_t i = 0; i < n; i++) {
        cna_value item;
        CNA_TRY(get_attribute(r, node, &items[i], given[1], &item));
        CNA_TRY(cna_text_of(r, node, &item, &texts[i]));
        CNA_TRY(cna_rendering_spend(r, node, (texts[i].n + separator.n) / 64 + 1));
        size += texts[i].n + separator.n; /* no more than the steps allow */
    }
    CNA_TRY(cna_rendering_alloc(r, node, &to, size + 1, 1));
    *out = cna_value_text(to, n == 0 ? 0 : size - separator.n);
    for (size_t i = 0; i < n; i++) {
        if (i != 0 && separator.n != 0) memcpy(to, separator.text, separator.n);
        if (i != 0) to += separator.n;
        if (texts[i].n != 0) memcpy(to, texts[i].text, texts[i].n);
        to += texts[i].n;
    }
    return CNA_OK;
}

/* ---------------------------------------------------------------------------------------- mapping and selecting */

/* map(attribute=..., default=...) or map('filter', ...). */
cna_status cna_filter_map(cna_rendering *r, const cna_node *node, const cna_value *v,
                          const cna_arguments *arguments, cna_value *out)
{
    const cna_value *given[2] = {NULL, NULL}, *items;
    cna_value *to;
    size_t n;
    cna_slice name;
    if (arguments->n == 0) {
        CNA_TRY(cna_eval_bind(r, node, arguments, "attribute default", given));
        if (given[0] == NULL) return cna_rendering_fail(r, node, "map lacks an argument");
    } else {
        CNA_TRY(cna_eval_text(r, node, &arguments->values[0], &name));
    }
    const cna_arguments rest = rest_of(arguments, 1);
    CNA_TRY(cna_value_iterate(r, node, v, &items, &n));
    CNA_TRY(cna_value_sequence(r, node, CNA_SEQUENCE_GENERATOR, n, &to, out));
    for (size_t i = 0; i < n; i++) {
        if (given[0] == NULL) {
            CNA_TRY(cna_eval_filter(r, node, name, &items[i], &rest, &to[i]));
            continue;
        }
        CNA_TRY(get_attribute(r, node, &items[i], given[0], &to[i]));
        if (to[i].kind == CNA_VALUE_UNDEFINED && given[1] != NULL) to[i] = *given[1];
    }
    return CNA_OK;
}

/* select and reject by a test (truth without one), selectattr and rejectattr by that of an attribute. */
cna_status cna_filter_select(cna_rendering *r, const cna_node *node, const cna_value *v,
                             const cna_arguments *arguments, cna_value *out)
{
    bool keep = node->span.text[0] == 's';
    size_t n, n_kept = 0, n_first = node->span.n > strlen("select");
    const cna_value *items;
    cna_value *kept;
    cna_slice name = {"", 0};
    if (arguments->n < n_first) return cna_rendering_fail(r, node, "it selects by an attribute without a name");
    const cna_value *attribute = n_first == 0 ? NULL : &arguments->values[0];
    if (arguments->n > n_first) CNA_TRY(cna_eval_text(r, node, &arguments->values[n_first], &name));
    const cna_arguments rest = rest_of(arguments, n_first + 1);
    CNA_TRY(cna_value_iterate(r, node, v, &items, &n));
    CNA_TRY(cna_value_sequence(r, node, CNA_SEQUENCE_GENERATOR, n, &kept, out));
    for (size_t i = 0; i < n; i++) {
        cna_value item;
        bool truth;
        CNA_TRY(get_attribute(r, node, &items[i], attribute, &item));
        truth = cna_value_is_true(&item);
        if (name.n != 0) CNA_TRY(cna_eval_test(r, node, name, &item, &rest, &truth));
        if (truth == keep) kept[n_kept++] = items[i];
    }
    out->sequence->n = n_kept;
    return CNA_OK;
}

/* ------------------------------------------------------------------------------------------------------- sorting */

/* Merge sort of pairs by their keys, stable, upwards or downwards; spare is [n] as well. */
static cna_status sort_pairs(cna_rendering *r, const cna_node *node, cna_pair *pairs, cna_pair *spare, size_t n,
                             bool down)
{
    if (n < 2) return CNA_OK;
    size_t half = n / 2, a = 0, b = half;
    CNA_TRY(sort_pairs(r, node, pairs, spare, half, down));
    CNA_TRY(sort_pairs(r, node, pairs + half, spare, n - half, down));
    memcpy(spare, pairs, n * sizeof *spare);
    for (size_t i = 0; i < n; i++) {
        int order = a == half ? 1 : -1;
        if (a < half && b < n) {
            CNA_TRY(cna_value_compare(r, &spare[a].key, &spare[b].key, node, &order));
            if (down) order = -order;
        }
        pairs[i] = order <= 0 ? spare[a++] : spare[b++];
    }
    return CNA_OK;
}

/* Values in the order of their keys, as a list. */
static cna_status sort_by_key(cna_rendering *r, const cna_node *node, cna_pair *pairs, size_t n, bool down,
                              cna_value *out)
{
    cna_pair *spare;
    cna_value *items;
    CNA_TRY(cna_rendering_alloc(r, node, &spare, n, sizeof *spare));
    CNA_TRY(sort_pairs(r, node, pairs, spare, n, down));
    CNA_TRY(cna_value_sequence(r, node, CNA_SEQUENCE_LIST, n, &items, out));
    for (size_t i = 0; i < n; i++) items[i] = pairs[i].value;
    return CNA_OK;
}

cna_status cna_filter_sort(cna_rendering *r, const cna_node *node, const cna_value *v,
                           const cna_arguments *arguments, cna_value *out)
{
    const cna_value *given[3], *items;
    cna_pair *pairs;
    size_t n;
    CNA_TRY(cna_eval_bind(r, node, arguments, "reverse case_sensitive attribute", given));
    if (given[2] != NULL && given[2]->kind == CNA_VALUE_STRING && memchr(given[2]->text.text, ',', given[2]->text.n))
        return cna_rendering_refuse(r, node, "several attributes in the filter");
    CNA_TRY(cna_value_iterate(r, node, v, &items, &n));
    CNA_TRY(cna_rendering_alloc(r, node, &pairs, n, sizeof *pairs));
    for (size_t i = 0; i < n; i++) {
        pairs[i].value = items[i];
        CNA_TRY(get_key(r, node, &items[i], given[2], is_set(given[1]), &pairs[i].key));
    }
    return sort_by_key(r, node, pairs, n, is_set(given[0]), out);
}

cna_status cna_filter_dictsort(cna_rendering *r, const cna_node *node, const cna_value *v,
                               const cna_arguments *arguments, cna_value *out)
{
    const cna_value *given[3];
    cna_slice by = {"key", 3};
    cna_pair *pairs;
    CNA_TRY(cna_eval_bind(r, node, arguments, "case_sensitive by reverse", given));
    CNA_TRY(cna_eval_text(r, node, given[1], &by));
    if (v->kind != CNA_VALUE_DICT)
        return cna_rendering_fail(r, node, "it sorts the items of something else than a dict");
    CNA_TRY(cna_rendering_alloc(r, node, &pairs, v->dict->n, sizeof *pairs));
    for (size_t i = 0; i < v->dict->n; i++) {
        const cna_pair *pair = &v->dict->pairs[i];
        const cna_value *key = cna_slice_is(by, "value") ? &pair->value : &pair->key;
        CNA_TRY(cna_value_pair(r, node, pair->key, pair->value, &pairs[i].value));
        CNA_TRY(get_key(r, node, key, NULL, is_set(given[0]), &pairs[i].key));
    }
    return sort_by_key(r, node, pairs, v->dict->n, is_set(given[2]), out);
}

cna_status cna_filter_unique(cna_rendering *r, const cna_node *node, const cna_value *v,
                             const cna_arguments *arguments, cna_value *out)
{
    const cna_value *given[2], *items, *found;
    cna_value seen, key, *kept;
    size_t n, n_kept = 0;
    CNA_TRY(cna_eval_bind(r, node, arguments, "case_sensitive attribute", given));
    CNA_TRY(cna_value_iterate(r, node, v, &items, &n));
    CNA_TRY(cna_value_sequence(r, node, CNA_SEQUENCE_GENERATOR, n, &kept, out));
    CNA_TRY(cna_value_dict(r, node, 8, &seen));
    for (size_t i = 0; i < n; i++) {
        CNA_TRY(get_key(r, node, &items[i], given[1], is_set(given[0]), &key));
        CNA_TRY(cna_dict_find(r, node, seen.dict, &key, &found));
        if (found != NULL) continue;
        CNA_TRY(cna_dict_set(r, node, seen.dict, &key, &key));
        kept[n_kept++] = items[i];
    }
    out->sequence->n = n_kept;
    return CNA_OK;
}
