/* SPDX-License-Identifier: MIT
 * The values of chat templates: what Python and Jinja make of texts, numbers and messages. */
#include "text/template_values.h"

#include <stdio.h>
#include <string.h>

/* A template may join texts as it likes up to this; real ones stay far below. */
enum { JOINED_BYTES_MAX = 256 << 20 };

cna_status cna_rendering_refuse(const cna_rendering *r, const cna_node *node, const char *found)
{
    return cna_template_refuse(r->err, r->parsed->where, node->line, found, node->span);
}

cna_status cna_rendering_fail(const cna_rendering *r, const cna_node *node, cna_slice reason)
{
    return cna_fail(r->err, CNA_ERR_ARG,
                    "%s, line %zu: expected messages that the chat template takes, found ones that it "
                    "refuses: %.*s",
                    r->parsed->where, node->line, reason.n > 300 ? 300 : (int)reason.n, reason.text);
}

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

bool cna_value_is_true(const cna_value *v)
{
    if (v->kind == CNA_VALUE_STRING) return v->text.n != 0;
    if (v->kind == CNA_VALUE_MESSAGES) return v->end > v->number;
    if (v->kind == CNA_VALUE_BOOL || v->kind == CNA_VALUE_INT) return v->number != 0;
    return v->kind != CNA_VALUE_UNDEFINED && v->kind != CNA_VALUE_NONE;
}

bool cna_value_is_number(const cna_value *v)
{
    return v->kind == CNA_VALUE_BOOL || v->kind == CNA_VALUE_INT;
}

cna_status cna_value_join(cna_rendering *r, cna_slice a, cna_slice b, const cna_node *node, cna_value *out)
{
    if (a.n > JOINED_BYTES_MAX - r->n_joined_bytes || b.n > JOINED_BYTES_MAX - r->n_joined_bytes - a.n) {
        return cna_rendering_refuse(r, node, "more joined text than can be meant");
    }
    r->n_joined_bytes += a.n + b.n;
    CNA_TRY(cna_grow(&r->texts, &r->text_capacity, r->n_texts + 1, sizeof *r->texts, "template", r->err));
    char *text;
    CNA_TRY(cna_alloc(&text, a.n + b.n + 1, 1, "template", r->err));
    r->texts[r->n_texts++] = text;
    if (a.n != 0) memcpy(text, a.text, a.n);
    if (b.n != 0) memcpy(text + a.n, b.text, b.n);
    *out = cna_value_text(text, a.n + b.n);
    return CNA_OK;
}

cna_status cna_value_to_text(cna_rendering *r, const cna_value *v, const cna_node *node, cna_slice *out)
{
    char digits[24];
    cna_value made;
    switch (v->kind) {
    case CNA_VALUE_UNDEFINED:
        *out = (cna_slice){"", 0};
        return CNA_OK;
    case CNA_VALUE_NONE:
        *out = (cna_slice){"None", 4};
        return CNA_OK;
    case CNA_VALUE_BOOL:
        *out = v->number != 0 ? (cna_slice){"True", 4} : (cna_slice){"False", 5};
        return CNA_OK;
    case CNA_VALUE_INT:
        snprintf(digits, sizeof digits, "%lld", (long long)v->number);
        CNA_TRY(cna_value_join(r, (cna_slice){digits, strlen(digits)}, (cna_slice){"", 0}, node, &made));
        *out = made.text;
        return CNA_OK;
    case CNA_VALUE_STRING:
        *out = v->text;
        return CNA_OK;
    default:
        return cna_rendering_refuse(r, node, "a value without a text of its own");
    }
}

cna_status cna_value_equal(cna_rendering *r, const cna_value *a, const cna_value *b, const cna_node *node,
                           bool *out)
{
    *out = false;
    if (cna_value_is_number(a) && cna_value_is_number(b)) {
        *out = a->number == b->number;
    } else if (a->kind == CNA_VALUE_STRING && b->kind == CNA_VALUE_STRING) {
        *out = a->text.n == b->text.n && memcmp(a->text.text, b->text.text, a->text.n) == 0;
    } else if (a->kind == b->kind) {
        if (a->kind != CNA_VALUE_NONE && a->kind != CNA_VALUE_UNDEFINED)
            return cna_rendering_refuse(r, node, "a comparison of messages,");
        *out = true;
    }
    return CNA_OK;
}

static bool contains(cna_slice whole, cna_slice part)
{
    for (size_t i = 0; i + part.n <= whole.n; i++) {
        if (memcmp(whole.text + i, part.text, part.n) == 0) return true;
    }
    return false;
}

cna_status cna_value_in(cna_rendering *r, const cna_value *a, const cna_value *b, const cna_node *node,
                        bool *out)
{
    *out = false;
    if (a->kind != CNA_VALUE_STRING) return cna_rendering_refuse(r, node, "the operator");
    if (b->kind == CNA_VALUE_MESSAGE)
        *out = cna_slice_is(a->text, "role") || cna_slice_is(a->text, "content");
    else if (b->kind == CNA_VALUE_STRING)
        *out = contains(b->text, a->text);
    else if (b->kind != CNA_VALUE_UNDEFINED)
        return cna_rendering_refuse(r, node, "the operator");
    return CNA_OK;
}

cna_status cna_value_filter(cna_rendering *r, const cna_value *v, const cna_node *node, cna_value *out)
{
    bool trim = cna_slice_is(node->span, "trim");
    if (!trim && !cna_slice_is(node->span, "length") && !cna_slice_is(node->span, "count")) {
        return cna_rendering_refuse(r, node, "the filter");
    }
    if (node->b != 0) return cna_rendering_refuse(r, node, "arguments of the filter");
    if (trim) {
        cna_slice text;
        CNA_TRY(cna_value_to_text(r, v, node, &text));
        text = cna_slice_strip(text, true, true);
        *out = cna_value_text(text.text, text.n);
        return CNA_OK;
    }
    if (v->kind == CNA_VALUE_UNDEFINED) {
        *out = cna_value_int(0);
    } else if (v->kind == CNA_VALUE_MESSAGES) {
        *out = cna_value_int(v->end - v->number);
    } else if (v->kind == CNA_VALUE_STRING) {
        int64_t n = 0; /* characters */
        for (size_t i = 0; i < v->text.n; i++) n += ((unsigned char)v->text.text[i] & 0xC0) != 0x80;
        *out = cna_value_int(n);
    } else {
        return cna_rendering_refuse(r, node, "the filter");
    }
    return CNA_OK;
}

cna_status cna_value_test(cna_rendering *r, const cna_value *v, const cna_node *node, bool *out)
{
    cna_value_kind kind = v->kind;
    if (cna_slice_is(node->span, "defined"))
        *out = kind != CNA_VALUE_UNDEFINED;
    else if (cna_slice_is(node->span, "undefined"))
        *out = kind == CNA_VALUE_UNDEFINED;
    else if (cna_slice_is(node->span, "none"))
        *out = kind == CNA_VALUE_NONE;
    else if (cna_slice_is(node->span, "string"))
        *out = kind == CNA_VALUE_STRING;
    else if (cna_slice_is(node->span, "mapping"))
        *out = kind == CNA_VALUE_MESSAGE;
    else if (cna_slice_is(node->span, "iterable"))
        *out = kind != CNA_VALUE_NONE && kind != CNA_VALUE_FUNCTION && !cna_value_is_number(v);
    else
        return cna_rendering_refuse(r, node, "the test");
    return CNA_OK;
}

/* The fields that templates use. */
cna_status cna_value_format_date(cna_rendering *r, cna_slice format, const cna_node *node, cna_value *out)
{
    static const char *const months[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
    const cna_date *date = &r->input->date;
    *out = cna_value_text("", 0);
    for (size_t i = 0; i < format.n; i++) {
        char field[16] = {format.text[i]};
        char letter = format.text[i] == '%' && i + 1 < format.n ? format.text[++i] : '\0';
        switch (letter) {
        case '\0':
            if (format.text[i] == '%') return cna_rendering_refuse(r, node, "a date format");
            break;
        case 'd':
            snprintf(field, sizeof field, "%02d", date->day);
            break;
        case 'm':
            snprintf(field, sizeof field, "%02d", date->month);
            break;
        case 'b':
            snprintf(field, sizeof field, "%.3s", months[date->month - 1]);
            break;
        case 'B':
            snprintf(field, sizeof field, "%s", months[date->month - 1]);
            break;
        case 'Y':
            snprintf(field, sizeof field, "%d", date->year);
            break;
        default:
            return cna_rendering_refuse(r, node, "a date format");
        }
        CNA_TRY(cna_value_join(r, out->text, (cna_slice){field, strlen(field)}, node, out));
    }
    return CNA_OK;
}
