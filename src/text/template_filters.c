/* SPDX-License-Identifier: MIT
 * Filters of chat templates on single values; those on lists are in template_lists.c.
 *
 *   trim tojson length count default d upper lower title capitalize replace string int float abs safe indent format
 *   first last list items dictsort join map select reject selectattr rejectattr sort unique reverse sum min max */
#include "text/template_filters.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static cna_status filter_trim(cna_rendering *r, const cna_node *node, const cna_value *v,
                              const cna_arguments *arguments, cna_value *out)
{
    const cna_value *given;
    cna_slice set, text;
    CNA_TRY(cna_eval_bind(r, node, arguments, "chars", &given));
    if (given != NULL && given->kind == CNA_VALUE_NONE) given = NULL;
    CNA_TRY(cna_eval_text(r, node, given, &set));
    CNA_TRY(cna_text_of(r, node, v, &text));
    *out = cna_value_slice(text);
    return cna_text_strip(r, node, text, given == NULL ? NULL : &set, true, true, &out->text);
}

/* indent: a number of blanks or a text. */
static cna_status read_indent(cna_rendering *r, const cna_node *node, const cna_value *given, cna_slice *out)
{
    int64_t n = 0;
    char *blanks;
    if (given->kind == CNA_VALUE_STRING) return cna_eval_text(r, node, given, out);
    CNA_TRY(cna_eval_whole(r, node, given, &n));
    if (n < 0) n = 0;
    if (n > 1000) return cna_rendering_refuse(r, node, "an indentation of more than 1000 in");
    CNA_TRY(cna_rendering_alloc(r, node, &blanks, (size_t)n + 1, 1));
    memset(blanks, ' ', (size_t)n);
    *out = (cna_slice){blanks, (size_t)n};
    return CNA_OK;
}

static cna_status filter_tojson(cna_rendering *r, const cna_node *node, const cna_value *v,
                                const cna_arguments *arguments, cna_value *out)
{
    const cna_value *given[4];
    cna_slice indent;
    cna_json_style style = {.item = {", ", 2}, .key = {": ", 2}};
    CNA_TRY(cna_eval_bind(r, node, arguments, "ensure_ascii indent separators sort_keys", given));
    if (given[1] != NULL && given[1]->kind != CNA_VALUE_NONE) {
        CNA_TRY(read_indent(r, node, given[1], &indent));
        style.indent = &indent;
        style.item.n = 1; /* no blank before a new line */
    }
    if (given[2] != NULL && given[2]->kind != CNA_VALUE_NONE) {
        const cna_value *items;
        size_t n;
        CNA_TRY(cna_value_iterate(r, node, given[2], &items, &n));
        if (n != 2) return cna_rendering_fail(r, node, "JSON has two separators");
        CNA_TRY(cna_eval_text(r, node, &items[0], &style.item));
        CNA_TRY(cna_eval_text(r, node, &items[1], &style.key));
    }
    style.ascii = given[0] != NULL && cna_value_is_true(given[0]);
    style.sort_keys = given[3] != NULL && cna_value_is_true(given[3]);
    return cna_text_json(r, node, v, &style, out);
}

static cna_status filter_length(cna_rendering *r, const cna_node *node, const cna_value *v,
                                const cna_arguments *arguments, cna_value *out)
{
    size_t n;
    CNA_TRY(cna_eval_bind(r, node, arguments, "", NULL));
    if (v->kind == CNA_VALUE_STRING) CNA_TRY(cna_rendering_spend(r, node, v->text.n / 64));
    if (!cna_value_length(v, &n)) return cna_rendering_fail(r, node, "it measures something that has no length");
    *out = cna_value_int((int64_t)n);
    return CNA_OK;
}

static cna_status filter_default(cna_rendering *r, const cna_node *node, const cna_value *v,
                                 const cna_arguments *arguments, cna_value *out)
{
    const cna_value *given[2];
    CNA_TRY(cna_eval_bind(r, node, arguments, "default_value boolean", given));
    bool by_truth = given[1] != NULL && cna_value_is_true(given[1]);
    *out = *v;
    if (v->kind == CNA_VALUE_UNDEFINED || (by_truth && !cna_value_is_true(v)))
        *out = given[0] == NULL ? cna_value_text("", 0) : *given[0];
    return CNA_OK;
}

static cna_status filter_case(cna_rendering *r, const cna_node *node, const cna_value *v,
                              const cna_arguments *arguments, cna_value *out)
{
    cna_slice text;
    char first = node->span.text[0];
    CNA_TRY(cna_eval_bind(r, node, arguments, "", NULL));
    CNA_TRY(cna_text_of(r, node, v, &text));
    cna_case kind = first == 'u'   ? CNA_CASE_UPPER
                    : first == 'l' ? CNA_CASE_LOWER
                    : first == 't' ? CNA_CASE_JINJA_TITLE
                                   : CNA_CASE_CAPITAL;
    return cna_text_case(r, node, text, kind, out);
}

static cna_status filter_replace(cna_rendering *r, const cna_node *node, const cna_value *v,
                                 const cna_arguments *arguments, cna_value *out)
{
    const cna_value *given[3];
    cna_slice text, from, to;
    int64_t limit = -1;
    CNA_TRY(cna_eval_bind(r, node, arguments, "old new count", given));
    if (given[0] == NULL || given[1] == NULL) return cna_rendering_fail(r, node, "replace lacks an argument");
    if (given[2] != NULL && given[2]->kind == CNA_VALUE_NONE) given[2] = NULL;
    CNA_TRY(cna_eval_text(r, node, given[0], &from));
    CNA_TRY(cna_eval_text(r, node, given[1], &to));
    CNA_TRY(cna_eval_whole(r, node, given[2], &limit));
    CNA_TRY(cna_text_of(r, node, v, &text));
    return cna_text_replace(r, node, text, from, to, limit, out);
}

static cna_status filter_string(cna_rendering *r, const cna_node *node, const cna_value *v,
                                const cna_arguments *arguments, cna_value *out)
{
    cna_slice text;
    bool safe = v->kind == CNA_VALUE_STRING && v->safe;
    CNA_TRY(cna_eval_bind(r, node, arguments, "", NULL));
    CNA_TRY(cna_text_of(r, node, v, &text));
    *out = cna_value_slice(text);
    out->safe = safe || cna_slice_is(node->span, "safe");
    return CNA_OK;
}

/* ------------------------------------------------------------------------------------------------------ numbers */

/* What int() and float() of Python read; false if it is no number. */
static bool read_number(cna_slice text, bool whole, cna_value *out)
{
    char copy[64], *end;
    text = cna_slice_strip(text, true, true);
    if (text.n == 0 || text.n >= sizeof copy) return false;
    memcpy(copy, text.text, text.n);
    copy[text.n] = '\0';
    size_t n_digits = strspn(copy + (copy[0] == '-' || copy[0] == '+'), "0123456789");
    bool only_digits = n_digits != 0 && copy[n_digits + (copy[0] == '-' || copy[0] == '+')] == '\0';
    if (whole && only_digits && n_digits <= 18) {
        *out = cna_value_int(strtoll(copy, NULL, 10));
        return true;
    }
    if (strspn(copy, "0123456789+-.eE") != text.n || strpbrk(copy, "0123456789") == NULL) return false;
    *out = (cna_value){.kind = CNA_VALUE_REAL, .real = strtod(copy, &end)};
    return *end == '\0' && isfinite(out->real);
}

static cna_status filter_number(cna_rendering *r, const cna_node *node, const cna_value *v,
                                const cna_arguments *arguments, cna_value *out)
{
    const cna_value *given;
    bool whole = cna_slice_is(node->span, "int");
    CNA_TRY(cna_eval_bind(r, node, arguments, "default", &given));
    *out = given != NULL ? *given : cna_value_int(0);
    if (given == NULL && !whole) *out = (cna_value){.kind = CNA_VALUE_REAL};
    cna_value read = *v;
    if (v->kind == CNA_VALUE_STRING && !read_number(v->text, whole, &read)) return CNA_OK;
    if (!cna_value_is_number(&read)) return CNA_OK;
    if (whole && read.kind == CNA_VALUE_REAL) {
        if (fabs(read.real) >= 9e18) return cna_rendering_refuse(r, node, "a huge number,");
        *out = cna_value_int((int64_t)read.real);
    } else {
        *out = whole ? cna_value_int(read.number) : (cna_value){.kind = CNA_VALUE_REAL, .real = cna_value_real(&read)};
    }
    return CNA_OK;
}

static cna_status filter_abs(cna_rendering *r, const cna_node *node, const cna_value *v,
                             const cna_arguments *arguments, cna_value *out)
{
    CNA_TRY(cna_eval_bind(r, node, arguments, "", NULL));
    if (!cna_value_is_number(v)) return cna_rendering_fail(r, node, "it counts with something that is no number");
    *out = *v;
    if (v->kind == CNA_VALUE_REAL)
        out->real = fabs(v->real);
    else
        *out = cna_value_int(v->number < 0 ? -v->number : v->number);
    return CNA_OK;
}

/* ------------------------------------------------------------------------------------------------------- layout */

/* Jinja's: a line end is added before the text is cut into lines, so that one at its end makes an empty last line. */
static cna_status filter_indent(cna_rendering *r, const cna_node *node, const cna_value *v,
                                const cna_arguments *arguments, cna_value *out)
{
    const cna_value *given[3];
    const cna_value width = cna_value_int(4);
    cna_slice text, indent;
    cna_value joined, lines;
    CNA_TRY(cna_eval_bind(r, node, arguments, "width first blank", given));
    CNA_TRY(read_indent(r, node, given[0] == NULL ? &width : given[0], &indent));
    bool first = given[1] != NULL && cna_value_is_true(given[1]);
    bool blank = given[2] != NULL && cna_value_is_true(given[2]);
    CNA_TRY(cna_text_of(r, node, v, &text));
    CNA_TRY(cna_text_join(r, node, text, (cna_slice){"\n", 1}, &joined));
    CNA_TRY(cna_text_lines(r, node, joined.text, false, &lines));
    size_t n = lines.sequence->n, size = text.n + 1;
    if (n > (SIZE_MAX - size) / (indent.n + 1)) return cna_rendering_refuse(r, node, "the filter");
    char *to;
    CNA_TRY(cna_rendering_alloc(r, node, &to, size + n * (indent.n + 1), 1));
    *out = cna_value_text(to, 0);
    for (size_t i = 0; i < n; i++) {
        cna_slice line = lines.sequence->items[i].text;
        if (i != 0) *to++ = '\n';
        if (i == 0 ? first : blank || line.n != 0) {
            memcpy(to, indent.text, indent.n);
            to += indent.n;
        }
        if (line.n != 0) memcpy(to, line.text, line.n);
        to += line.n;
    }
    out->text.n = (size_t)(to - out->text.text);
    return CNA_OK;
}

static cna_status filter_format(cna_rendering *r, const cna_node *node, const cna_value *v,
                                const cna_arguments *arguments, cna_value *out)
{
    cna_slice text;
    cna_value tuple, *items;
    if (arguments->named != NULL) return cna_rendering_refuse(r, node, "other arguments than are known, of");
    CNA_TRY(cna_text_of(r, node, v, &text));
    CNA_TRY(cna_value_sequence(r, node, CNA_SEQUENCE_TUPLE, arguments->n, &items, &tuple));
    if (arguments->n != 0) memcpy(items, arguments->values, arguments->n * sizeof *items);
    return cna_text_percent(r, node, text, &tuple, out);
}

cna_status cna_eval_filter(cna_rendering *r, const cna_node *node, cna_slice name, const cna_value *v,
                           const cna_arguments *arguments, cna_value *out)
{
    static const struct {
        const char *name;
        cna_filter_fn *filter;
    } filters[] = {{"trim", filter_trim},
                   {"tojson", filter_tojson},
                   {"length", filter_length},
                   {"count", filter_length},
                   {"default", filter_default},
                   {"d", filter_default},
                   {"upper", filter_case},
                   {"lower", filter_case},
                   {"title", filter_case},
                   {"capitalize", filter_case},
                   {"replace", filter_replace},
                   {"string", filter_string},
                   {"safe", filter_string},
                   {"int", filter_number},
                   {"float", filter_number},
                   {"abs", filter_abs},
                   {"indent", filter_indent},
                   {"format", filter_format},
                   {"first", cna_filter_first},
                   {"last", cna_filter_last},
                   {"list", cna_filter_list},
                   {"items", cna_filter_items},
                   {"dictsort", cna_filter_dictsort},
                   {"join", cna_filter_join},
                   {"map", cna_filter_map},
                   {"select", cna_filter_select},
                   {"reject", cna_filter_select},
                   {"selectattr", cna_filter_select},
                   {"rejectattr", cna_filter_select},
                   {"sort", cna_filter_sort},
                   {"unique", cna_filter_unique},
                   {"reverse", cna_filter_reverse},
                   {"sum", cna_filter_sum},
                   {"min", cna_filter_extreme},
                   {"max", cna_filter_extreme}};
    static const char *const keep_safe[] = {"string", "safe", "length", "count", "default", "d", NULL};
    cna_node named = *node; /* messages, and filters that share a function, go by the name */
    named.span = name;
    *out = (cna_value){.kind = CNA_VALUE_UNDEFINED};
    if (v->kind == CNA_VALUE_STRING && v->safe) {
        size_t i = 0;
        while (keep_safe[i] != NULL && !cna_slice_is(name, keep_safe[i])) i++;
        if (keep_safe[i] == NULL) return cna_rendering_refuse(r, &named, "what the filter safe gave, in the filter");
    }
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        if (cna_slice_is(name, filters[i].name)) return filters[i].filter(r, &named, v, arguments, out);
    }
    return cna_rendering_refuse(r, &named, "the filter");
}
