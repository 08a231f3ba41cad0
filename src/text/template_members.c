/* SPDX-License-Identifier: MIT
 * Members, items, slices and methods of the values of chat templates, as Jinja's sandbox gives them.
 *
 *   texts  strip lstrip rstrip split rsplit splitlines startswith endswith replace upper lower title capitalize find
 *          count join format removeprefix removesuffix isdigit isspace
 *   dicts  items keys values get
 *   loop   index index0 revindex revindex0 first last length previtem nextitem depth depth0 cycle */
#include <string.h>

#include "base/utf8.h"
#include "text/template_eval.h"

/* What Python has beside the methods that are known here: reached, they are refused and not undefined. */
static const char *const text_methods[] = {
    "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "startswith", "endswith", "replace", "upper", "lower",
    "title", "capitalize", "find", "count", "join", "format", "removeprefix", "removesuffix", "isdigit", "isspace",
    "casefold", "center", "encode", "expandtabs", "format_map", "index", "isalnum", "isalpha", "isascii", "isdecimal",
    "isidentifier", "islower", "isnumeric", "isprintable", "istitle", "isupper", "ljust", "maketrans", "partition",
    "rfind", "rindex", "rjust", "rpartition", "swapcase", "translate", "zfill", NULL};
static const char *const dict_methods[] = {"items", "keys",     "values", "get",        "clear",  "copy", "fromkeys",
                                           "pop",   "popitem", "setdefault", "update", NULL};
static const char *const list_methods[] = {"append", "clear", "copy",   "count", "extend", "index",
                                           "insert", "pop",   "remove", "reverse", "sort", NULL};
static const char *const number_methods[] = {"as_integer_ratio", "bit_count", "bit_length", "conjugate",
                                             "denominator",      "from_bytes", "fromhex",   "hex",
                                             "imag",             "is_integer", "numerator", "real",
                                             "to_bytes",         NULL};

static bool is_among(cna_slice name, const char *const *names)
{
    while (*names != NULL && !cna_slice_is(name, *names)) names++;
    return *names != NULL;
}

static const char *const *methods_of(const cna_value *v)
{
    static const char *const none[] = {NULL};
    if (v->kind == CNA_VALUE_STRING) return text_methods;
    if (v->kind == CNA_VALUE_DICT) return dict_methods;
    if (v->kind == CNA_VALUE_SEQUENCE) return list_methods;
    return cna_value_is_number(v) ? number_methods : none;
}

static cna_status make_method(cna_rendering *r, const cna_node *node, const cna_value *self, cna_slice name,
                              cna_value *out)
{
    cna_function *function;
    CNA_TRY(cna_rendering_alloc(r, node, &function, 1, sizeof *function));
    *function = (cna_function){name, *self};
    *out = (cna_value){.kind = CNA_VALUE_FUNCTION, .function = function};
    return CNA_OK;
}

/* ------------------------------------------------------------------------------------------------------- members */

static cna_status loop_member(cna_rendering *r, const cna_node *node, const cna_value *v, cna_slice name,
                              cna_value *out)
{
    const cna_loop *loop = v->loop;
    const struct {
        const char *name;
        size_t number;
    } numbers[] = {{"index", loop->at + 1},          {"index0", loop->at},
                   {"revindex", loop->n - loop->at}, {"revindex0", loop->n - loop->at - 1},
                   {"length", loop->n},              {"depth", 1},
                   {"depth0", 0}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (cna_slice_is(name, numbers[i].name)) *out = cna_value_int((int64_t)numbers[i].number);
    }
    if (out->kind != CNA_VALUE_UNDEFINED) return CNA_OK;
    if (cna_slice_is(name, "first"))
        *out = cna_value_bool(loop->at == 0);
    else if (cna_slice_is(name, "last"))
        *out = cna_value_bool(loop->at + 1 == loop->n);
    else if (cna_slice_is(name, "previtem"))
        *out = loop->at == 0 ? *out : loop->items[loop->at - 1];
    else if (cna_slice_is(name, "nextitem"))
        *out = loop->at + 1 == loop->n ? *out : loop->items[loop->at + 1];
    else if (cna_slice_is(name, "cycle"))
        return make_method(r, node, v, name, out);
    else
        return cna_rendering_refuse(r, node, "a member of loop");
    return CNA_OK;
}

static cna_status dict_item(cna_rendering *r, const cna_node *node, const cna_dict *dict, const cna_value *key,
                            cna_value *out)
{
    const cna_value *found;
    CNA_TRY(cna_dict_find(r, node, dict, key, &found));
    if (found != NULL) *out = *found;
    return CNA_OK;
}

/* Attributes go before items here, and items before attributes in cna_eval_item. */
cna_status cna_eval_member(cna_rendering *r, const cna_node *node, const cna_value *object, cna_slice name,
                           cna_value *out)
{
    cna_value key = cna_value_slice(name);
    *out = (cna_value){.kind = CNA_VALUE_UNDEFINED};
    if (object->kind == CNA_VALUE_UNDEFINED) return cna_rendering_fail(r, node, "a member of something undefined");
    if (name.n != 0 && name.text[0] == '_') return cna_rendering_refuse(r, node, "a member");
    if (object->kind == CNA_VALUE_LOOP) return loop_member(r, node, object, name, out);
    if (is_among(name, methods_of(object))) return make_method(r, node, object, name, out);
    if (object->kind == CNA_VALUE_DICT || object->kind == CNA_VALUE_NAMESPACE)
        return dict_item(r, node, object->dict, &key, out);
    if (object->kind == CNA_VALUE_MACRO || object->kind == CNA_VALUE_FUNCTION)
        return cna_rendering_refuse(r, node, "a member");
    return CNA_OK;
}

/* The character at a place, counted from the end where it is negative. */
static cna_status character_at(cna_rendering *r, const cna_node *node, cna_slice text, int64_t at, cna_value *out)
{
    CNA_TRY(cna_rendering_spend(r, node, text.n / 16 + 1));
    if (at < 0) at += (int64_t)cna_text_length(text);
    if (at < 0) return CNA_OK;
    for (size_t i = 0; i < text.n; at--) {
        uint32_t c;
        size_t n = (size_t)cna_utf8_next(text.text + i, text.n - i, &c);
        if (at == 0) {
            *out = cna_value_text(text.text + i, n);
            return CNA_OK;
        }
        i += n;
    }
    return CNA_OK;
}

cna_status cna_eval_item(cna_rendering *r, const cna_node *node, const cna_value *object, const cna_value *key,
                         cna_value *out)
{
    *out = (cna_value){.kind = CNA_VALUE_UNDEFINED};
    bool whole = key->kind == CNA_VALUE_INT || key->kind == CNA_VALUE_BOOL;
    if (object->kind == CNA_VALUE_UNDEFINED) return cna_rendering_fail(r, node, "a member of something undefined");
    if (object->kind == CNA_VALUE_DICT) CNA_TRY(dict_item(r, node, object->dict, key, out));
    if (out->kind == CNA_VALUE_UNDEFINED && key->kind == CNA_VALUE_STRING && object->kind != CNA_VALUE_DICT)
        return cna_eval_member(r, node, object, key->text, out);
    if (object->kind == CNA_VALUE_DICT) {
        bool method = out->kind == CNA_VALUE_UNDEFINED && key->kind == CNA_VALUE_STRING &&
                      (is_among(key->text, dict_methods) || (key->text.n != 0 && key->text.text[0] == '_'));
        return method ? cna_eval_member(r, node, object, key->text, out) : CNA_OK;
    }
    if (object->kind == CNA_VALUE_STRING && whole) return character_at(r, node, object->text, key->number, out);
    if (object->kind != CNA_VALUE_SEQUENCE || !whole) return CNA_OK;
    const cna_sequence *list = object->sequence;
    if (list->kind >= CNA_SEQUENCE_VIEW) return cna_rendering_refuse(r, node, "an item of a view or generator,");
    int64_t at = key->number < 0 ? key->number + (int64_t)list->n : key->number;
    if (at >= 0 && at < (int64_t)list->n) *out = list->items[at];
    return CNA_OK;
}

/* -------------------------------------------------------------------------------------------------------- slices */

/* One end, as Python clips it for a sequence of n items. */
static cna_status slice_end(const cna_rendering *r, const cna_node *node, const cna_value *bound, int64_t n,
                            int64_t step, int64_t absent, int64_t *out)
{
    *out = absent;
    if (bound == NULL) return CNA_OK;
    CNA_TRY(cna_eval_whole(r, node, bound, out));
    int64_t low = step < 0 ? -1 : 0, high = step < 0 ? n - 1 : n;
    if (*out < 0) *out += n;
    if (*out < low) *out = low;
    if (*out > high) *out = high;
    return CNA_OK;
}

/* The pieces of a text joined again. */
static cna_status join_pieces(cna_rendering *r, const cna_node *node, const cna_value *items, size_t n, cna_value *out)
{
    size_t size = 0;
    char *to;
    for (size_t i = 0; i < n; i++) size += items[i].text.n;
    CNA_TRY(cna_rendering_alloc(r, node, &to, size + 1, 1));
    *out = cna_value_text(to, size);
    for (size_t i = 0; i < n; i++) {
        memcpy(to, items[i].text.text, items[i].text.n);
        to += items[i].text.n;
    }
    return CNA_OK;
}

cna_status cna_eval_slice(cna_rendering *r, const cna_node *node, const cna_value *object,
                          const cna_value *const bounds[3], cna_value *out)
{
    *out = (cna_value){.kind = CNA_VALUE_UNDEFINED};
    bool text = object->kind == CNA_VALUE_STRING;
    if (object->kind == CNA_VALUE_UNDEFINED) return cna_rendering_fail(r, node, "a member of something undefined");
    if (!text && object->kind != CNA_VALUE_SEQUENCE) return CNA_OK;
    if (!text && object->sequence->kind >= CNA_SEQUENCE_VIEW)
        return cna_rendering_refuse(r, node, "a slice of a view or generator");
    const cna_value *items;
    size_t length;
    CNA_TRY(cna_value_iterate(r, node, object, &items, &length));
    int64_t n = (int64_t)length, step = 1, begin, end;
    CNA_TRY(cna_eval_whole(r, node, bounds[2], &step));
    if (step == 0) return cna_rendering_fail(r, node, "a slice has a step of 0");
    if (step < -n - 1) step = -n - 1; /* as good as any longer one */
    CNA_TRY(slice_end(r, node, bounds[0], n, step, step < 0 ? n - 1 : 0, &begin));
    CNA_TRY(slice_end(r, node, bounds[1], n, step, step < 0 ? -1 : n, &end));
    if (step > n + 1) step = n + 1;
    int64_t distance = step < 0 ? begin - end : end - begin;
    int64_t size = step < 0 ? -step : step;
    size_t n_taken = distance <= 0 ? 0 : (size_t)((distance + size - 1) / size);
    cna_value *taken;
    cna_sequence_kind kind = text ? CNA_SEQUENCE_LIST : object->sequence->kind;
    CNA_TRY(cna_value_sequence(r, node, kind, n_taken, &taken, out));
    for (size_t i = 0; i < n_taken; i++) taken[i] = items[begin + (int64_t)i * step];
    return text ? join_pieces(r, node, taken, n_taken, out) : CNA_OK;
}

/* ------------------------------------------------------------------------------------------------ methods of texts */

/* A text or a tuple of them that a text begins or ends with. */
static cna_status has_end(const cna_rendering *r, const cna_node *node, cna_slice text, const cna_value *part,
                          bool at_end, bool *out)
{
    const cna_value *items = part;
    size_t n = 1;
    *out = false;
    if (part->kind == CNA_VALUE_SEQUENCE && part->sequence->kind == CNA_SEQUENCE_TUPLE) {
        items = part->sequence->items;
        n = part->sequence->n;
    }
    for (size_t i = 0; i < n && !*out; i++) {
        cna_slice piece;
        CNA_TRY(cna_eval_text(r, node, &items[i], &piece));
        if (piece.n > text.n) continue;
        *out = memcmp(at_end ? text.text + text.n - piece.n : text.text, piece.text, piece.n) == 0;
    }
    return CNA_OK;
}

static cna_status call_strip(cna_rendering *r, const cna_node *node, cna_slice text, const cna_arguments *arguments,
                             cna_value *out)
{
    const cna_value *given;
    cna_slice set;
    char first = node->span.text[0];
    CNA_TRY(cna_eval_bind(r, node, arguments, "chars", &given));
    if (given != NULL && given->kind == CNA_VALUE_NONE) given = NULL;
    CNA_TRY(cna_eval_text(r, node, given, &set));
    *out = cna_value_slice(text);
    return cna_text_strip(r, node, text, given == NULL ? NULL : &set, first != 'r', first != 'l', &out->text);
}

static cna_status call_split(cna_rendering *r, const cna_node *node, cna_slice text, const cna_arguments *arguments,
                             cna_value *out)
{
    const cna_value *given[2];
    cna_slice separator;
    int64_t limit = -1;
    CNA_TRY(cna_eval_bind(r, node, arguments, "sep maxsplit", given));
    if (given[0] != NULL && given[0]->kind == CNA_VALUE_NONE) given[0] = NULL;
    CNA_TRY(cna_eval_text(r, node, given[0], &separator));
    CNA_TRY(cna_eval_whole(r, node, given[1], &limit));
    return cna_text_split(r, node, text, given[0] == NULL ? NULL : &separator, limit, node->span.text[0] == 'r', out);
}

static cna_status call_replace(cna_rendering *r, const cna_node *node, cna_slice text,
                               const cna_arguments *arguments, cna_value *out)
{
    const cna_value *given[3];
    cna_slice from, to;
    int64_t limit = -1;
    CNA_TRY(cna_eval_bind(r, node, arguments, "old new count", given));
    if (given[0] == NULL || given[1] == NULL) return cna_rendering_fail(r, node, "replace() lacks an argument");
    CNA_TRY(cna_eval_text(r, node, given[0], &from));
    CNA_TRY(cna_eval_text(r, node, given[1], &to));
    CNA_TRY(cna_eval_whole(r, node, given[2], &limit));
    return cna_text_replace(r, node, text, from, to, limit, out);
}

/* find, count, startswith, endswith, removeprefix, removesuffix: each of one text. */
static cna_status call_search(cna_rendering *r, const cna_node *node, cna_slice text, const cna_arguments *arguments,
                              cna_value *out)
{
    const cna_value *given;
    cna_slice part = {0};
    bool found = false;
    CNA_TRY(cna_eval_bind(r, node, arguments, "sub", &given));
    if (given == NULL) return cna_rendering_fail(r, node, "a method lacks an argument");
    bool at_end = cna_slice_is(node->span, "endswith") || cna_slice_is(node->span, "removesuffix");
    bool removes = cna_slice_is(node->span, "removeprefix") || cna_slice_is(node->span, "removesuffix");
    bool starts = cna_slice_is(node->span, "startswith") || cna_slice_is(node->span, "endswith");
    if (starts || removes) CNA_TRY(has_end(r, node, text, given, at_end, &found));
    if (starts) {
        *out = cna_value_bool(found);
        return CNA_OK;
    }
    CNA_TRY(cna_eval_text(r, node, given, &part));
    if (removes) {
        *out = cna_value_slice(text);
        if (found) *out = cna_value_text(at_end ? text.text : text.text + part.n, text.n - part.n);
        return CNA_OK;
    }
    size_t at, n = 0;
    CNA_TRY(cna_text_find(r, node, text, part, 0, &at));
    if (cna_slice_is(node->span, "find")) {
        *out = cna_value_int(at == SIZE_MAX ? -1 : (int64_t)cna_text_length((cna_slice){text.text, at}));
        return CNA_OK;
    }
    if (part.n == 0) return cna_rendering_refuse(r, node, "nothing to count, in");
    for (; at != SIZE_MAX; n++) CNA_TRY(cna_text_find(r, node, text, part, at + part.n, &at));
    *out = cna_value_int((int64_t)n);
    return CNA_OK;
}

static cna_status call_join(cna_rendering *r, const cna_node *node, const cna_value *self,
                            const cna_arguments *arguments, cna_value *out)
{
    const cna_value *list, *items;
    size_t n;
    CNA_TRY(cna_eval_bind(r, node, arguments, "iterable", &list));
    if (list == NULL) return cna_rendering_fail(r, node, "join() lacks an argument");
    CNA_TRY(cna_value_iterate(r, node, list, &items, &n));
    for (size_t i = 0; i < n; i++) {
        if (items[i].kind != CNA_VALUE_STRING)
            return cna_rendering_fail(r, node, "join() is given something that is no text");
    }
    cna_value again;
    cna_value *copy;
    CNA_TRY(cna_value_sequence(r, node, CNA_SEQUENCE_LIST, n, &copy, &again));
    if (n != 0) memcpy(copy, items, n * sizeof *copy);
    const cna_arguments separator = {.values = self, .n = 1};
    return cna_eval_filter(r, node, (cna_slice){"join", 4}, &again, &separator, out);
}

/* isdigit, isspace; other digits than ASCII's are not looked for. */
static cna_status call_is(cna_rendering *r, const cna_node *node, cna_slice text, cna_value *out)
{
    bool digits = cna_slice_is(node->span, "isdigit"), truth = text.n != 0;
    CNA_TRY(cna_rendering_spend(r, node, text.n / 8 + 1));
    for (size_t i = 0; i < text.n && truth;) {
        uint32_t c;
        i += (size_t)cna_utf8_next(text.text + i, text.n - i, &c);
        if (digits && c >= 0x80) return cna_rendering_refuse(r, node, "characters beyond ASCII, in");
        truth = digits ? c >= '0' && c <= '9' : cna_utf8_is_space(c);
    }
    *out = cna_value_bool(truth);
    return CNA_OK;
}

static cna_status call_text_method(cna_rendering *r, const cna_node *node, const cna_value *self,
                                   const cna_arguments *arguments, cna_value *out)
{
    static const char *const searches[] = {"find",     "count",        "startswith",
                                           "endswith", "removeprefix", "removesuffix", NULL};
    static const struct {
        const char *name;
        cna_case kind;
    } cases[] = {{"upper", CNA_CASE_UPPER},
                 {"lower", CNA_CASE_LOWER},
                 {"title", CNA_CASE_TITLE},
                 {"capitalize", CNA_CASE_CAPITAL}};
    cna_slice name = node->span, text = self->text;
    if (self->safe) return cna_rendering_refuse(r, node, "what the filter safe gave, in the method");
    if (cna_slice_is(name, "strip") || cna_slice_is(name, "lstrip") || cna_slice_is(name, "rstrip"))
        return call_strip(r, node, text, arguments, out);
    if (cna_slice_is(name, "split") || cna_slice_is(name, "rsplit")) return call_split(r, node, text, arguments, out);
    if (cna_slice_is(name, "replace")) return call_replace(r, node, text, arguments, out);
    if (cna_slice_is(name, "join")) return call_join(r, node, self, arguments, out);
    if (cna_slice_is(name, "format")) return cna_text_format(r, node, text, arguments, out);
    if (is_among(name, searches)) return call_search(r, node, text, arguments, out);
    CNA_TRY(cna_eval_bind(r, node, arguments, "", NULL));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (cna_slice_is(name, cases[i].name)) return cna_text_case(r, node, text, cases[i].kind, out);
    }
    if (cna_slice_is(name, "splitlines")) return cna_text_lines(r, node, text, false, out);
    if (cna_slice_is(name, "isdigit") || cna_slice_is(name, "isspace")) return call_is(r, node, text, out);
    return cna_rendering_refuse(r, node, "the method");
}

/* ------------------------------------------------------------------------------------------------ other methods */

static cna_status call_dict_method(cna_rendering *r, const cna_node *node, const cna_value *self,
                                   const cna_arguments *arguments, cna_value *out)
{
    const cna_value *given[2];
    const cna_dict *dict = self->dict;
    if (cna_slice_is(node->span, "get")) {
        const cna_value *found;
        CNA_TRY(cna_eval_bind(r, node, arguments, "key default", given));
        if (given[0] == NULL) return cna_rendering_fail(r, node, "get() lacks an argument");
        CNA_TRY(cna_dict_find(r, node, dict, given[0], &found));
        *out = found != NULL ? *found : given[1] != NULL ? *given[1] : (cna_value){.kind = CNA_VALUE_NONE};
        return CNA_OK;
    }
    bool items = cna_slice_is(node->span, "items"), keys = cna_slice_is(node->span, "keys");
    if (!items && !keys && !cna_slice_is(node->span, "values")) return cna_rendering_refuse(r, node, "the method");
    cna_value *to;
    CNA_TRY(cna_eval_bind(r, node, arguments, "", NULL));
    CNA_TRY(cna_value_sequence(r, node, CNA_SEQUENCE_VIEW, dict->n, &to, out));
    for (size_t i = 0; i < dict->n; i++) {
        const cna_pair *pair = &dict->pairs[i];
        if (items)
            CNA_TRY(cna_value_pair(r, node, pair->key, pair->value, &to[i]));
        else
            to[i] = keys ? pair->key : pair->value;
    }
    return CNA_OK;
}

cna_status cna_eval_method(cna_rendering *r, const cna_node *node, const cna_function *method,
                           const cna_arguments *arguments, cna_value *out)
{
    const cna_value *self = &method->self;
    if (self->kind == CNA_VALUE_STRING) return call_text_method(r, node, self, arguments, out);
    if (self->kind == CNA_VALUE_DICT) return call_dict_method(r, node, self, arguments, out);
    if (self->kind != CNA_VALUE_LOOP || arguments->n == 0) return cna_rendering_refuse(r, node, "the method");
    *out = arguments->values[self->loop->at % arguments->n]; /* loop.cycle() */
    return CNA_OK;
}
