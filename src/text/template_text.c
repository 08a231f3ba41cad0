/* SPDX-License-Identifier: MIT
 * Values of chat templates as text: Python's str() and repr(), json.dumps, %, format and strftime. */
#include "text/template_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/utf8.h"

enum { NESTED_MAX = 100, BYTES_MAX = 256 << 20 };

/* A text in the making. Its buffer is freed by whoever made it. */
typedef struct writer {
    cna_rendering *r;
    const cna_node *node;
    cna_buffer out;
} writer;

static cna_status put(writer *w, const char *text, size_t n)
{
    CNA_TRY(cna_rendering_spend(w->r, w->node, n / 64 + 1));
    if (n > BYTES_MAX - w->out.size) return cna_rendering_refuse_size(w->r, w->node);
    return cna_buffer_add(&w->out, text, n, w->r->err);
}

static cna_status put_text(writer *w, const char *text)
{
    return put(w, text, strlen(text));
}

/* Keep what was written, or free it if that failed. */
static cna_status finish(writer *w, cna_status status, cna_value *out)
{
    if (status == CNA_OK) return cna_rendering_keep(w->r, w->node, &w->out, out);
    cna_buffer_free(&w->out);
    return status;
}

static cna_status nest(writer *w)
{
    return ++w->r->nested <= NESTED_MAX ? CNA_OK : cna_rendering_refuse(w->r, w->node, "values nested too deep, at");
}

/* ----------------------------------------------------------------------------------------------------- numbers */

/* Python's repr(float): the fewest digits that read back, an exponent below 1e-4 and from 1e16 on. */
static cna_status put_real(writer *w, double v)
{
    char digits[40], text[64];
    int n = 0;
    if (!isfinite(v)) return put_text(w, isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
    do {
        snprintf(digits, sizeof digits, "%.*e", n, v);
    } while (strtod(digits, NULL) != v && ++n < 17);
    int exponent = (int)strtol(strchr(digits, 'e') + 1, NULL, 10);
    if (exponent < -4 || exponent >= 16) {
        *strchr(digits, 'e') = '\0';
        snprintf(text, sizeof text, "%se%c%02d", digits, exponent < 0 ? '-' : '+', abs(exponent));
    } else {
        int places = n - exponent > 1 ? n - exponent : 1;
        snprintf(text, sizeof text, "%.*f", places, v);
    }
    return put_text(w, text);
}

static cna_status put_number(writer *w, const cna_value *v)
{
    char digits[24];
    if (v->kind == CNA_VALUE_REAL) return put_real(w, v->real);
    snprintf(digits, sizeof digits, "%lld", (long long)v->number);
    return put_text(w, digits);
}

/* -------------------------------------------------------------------------------------------------------- repr */

/* Python's str.isprintable of characters beyond ASCII. */
static bool is_printable(uint32_t c)
{
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    return category != UTF8PROC_CATEGORY_CN && category < UTF8PROC_CATEGORY_ZS;
}

static cna_status put_repr_text(writer *w, cna_slice text)
{
    bool single = memchr(text.text, '\'', text.n) != NULL && memchr(text.text, '"', text.n) == NULL;
    char quote = single ? '"' : '\'';
    CNA_TRY(put(w, &quote, 1));
    for (size_t i = 0; i < text.n;) {
        uint32_t c;
        char escape[12] = "";
        size_t n = (size_t)cna_utf8_next(text.text + i, text.n - i, &c);
        if (c == '\\' || c == (uint32_t)quote)
            snprintf(escape, sizeof escape, "\\%c", (char)c);
        else if (c == '\n' || c == '\r' || c == '\t')
            snprintf(escape, sizeof escape, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
        else if (c < ' ' || (c >= 0x7F && !is_printable(c)))
            snprintf(escape, sizeof escape, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)c);
        CNA_TRY(escape[0] != '\0' ? put_text(w, escape) : put(w, text.text + i, n));
        i += n;
    }
    return put(w, &quote, 1);
}

static cna_status put_repr(writer *w, const cna_value *v);

static cna_status put_repr_items(writer *w, const cna_sequence *list)
{
    bool tuple = list->kind == CNA_SEQUENCE_TUPLE;
    if (list->kind > CNA_SEQUENCE_TUPLE)
        return cna_rendering_refuse(w->r, w->node, "a value without a text of its own, at");
    CNA_TRY(put_text(w, tuple ? "(" : "["));
    for (size_t i = 0; i < list->n; i++) {
        if (i != 0) CNA_TRY(put_text(w, ", "));
        CNA_TRY(put_repr(w, &list->items[i]));
    }
    return put_text(w, !tuple ? "]" : list->n == 1 ? ",)" : ")");
}

static cna_status put_repr_pairs(writer *w, const cna_dict *dict)
{
    CNA_TRY(put_text(w, "{"));
    for (size_t i = 0; i < dict->n; i++) {
        if (i != 0) CNA_TRY(put_text(w, ", "));
        CNA_TRY(put_repr(w, &dict->pairs[i].key));
        CNA_TRY(put_text(w, ": "));
        CNA_TRY(put_repr(w, &dict->pairs[i].value));
    }
    return put_text(w, "}");
}

static cna_status put_repr(writer *w, const cna_value *v)
{
    switch (v->kind) {
    case CNA_VALUE_NONE:
        return put_text(w, "None");
    case CNA_VALUE_UNDEFINED:
        return put_text(w, "Undefined");
    case CNA_VALUE_BOOL:
        return put_text(w, v->number != 0 ? "True" : "False");
    case CNA_VALUE_INT:
    case CNA_VALUE_REAL:
        return put_number(w, v);
    case CNA_VALUE_STRING:
        if (v->safe) break;
        return put_repr_text(w, v->text);
    case CNA_VALUE_SEQUENCE:
    case CNA_VALUE_DICT:
        CNA_TRY(nest(w));
        CNA_TRY(v->kind == CNA_VALUE_DICT ? put_repr_pairs(w, v->dict) : put_repr_items(w, v->sequence));
        w->r->nested--;
        return CNA_OK;
    default:
        break;
    }
    return cna_rendering_refuse(w->r, w->node, "a value without a text of its own, at");
}

cna_status cna_text_of(cna_rendering *r, const cna_node *node, const cna_value *v, cna_slice *out)
{
    cna_value made;
    *out = (cna_slice){"", 0};
    if (v->kind == CNA_VALUE_UNDEFINED) return CNA_OK;
    if (v->kind == CNA_VALUE_STRING) {
        *out = v->text;
        return CNA_OK;
    }
    writer w = {.r = r, .node = node};
    CNA_TRY(finish(&w, put_repr(&w, v), &made));
    *out = made.text;
    return CNA_OK;
}

/* -------------------------------------------------------------------------------------------------------- JSON */

static cna_status put_json_text(writer *w, cna_slice text, bool ascii)
{
    static const char escapes[] = "\"\\\n\r\t\b\f", letters[] = "\"\\nrtbf";
    CNA_TRY(put_text(w, "\""));
    for (size_t i = 0; i < text.n;) {
        uint32_t c;
        char escape[16] = "";
        size_t n = (size_t)cna_utf8_next(text.text + i, text.n - i, &c);
        const char *known = c != 0 && c < 0x80 ? strchr(escapes, (int)c) : NULL;
        if (known != NULL)
            snprintf(escape, sizeof escape, "\\%c", letters[known - escapes]);
        else if (c < ' ' || (ascii && c >= 0x7F && c < 0x10000 && c != 0x7F))
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned)c);
        else if (ascii && c >= 0x10000)
            snprintf(escape, sizeof escape, "\\u%04x\\u%04x", (unsigned)(0xD800 + ((c - 0x10000) >> 10)),
                     (unsigned)(0xDC00 + (c & 0x3FF)));
        CNA_TRY(escape[0] != '\0' ? put_text(w, escape) : put(w, text.text + i, n));
        i += n;
    }
    return put_text(w, "\"");
}

static cna_status put_line(writer *w, const cna_json_style *style, size_t level)
{
    if (style->indent == NULL) return CNA_OK;
    CNA_TRY(put_text(w, "\n"));
    for (size_t i = 0; i < level; i++) CNA_TRY(put(w, style->indent->text, style->indent->n));
    return CNA_OK;
}

static cna_status put_json(writer *w, const cna_value *v, const cna_json_style *style, size_t level);

static cna_status put_json_key(writer *w, const cna_value *key, const cna_json_style *style)
{
    if (key->kind == CNA_VALUE_STRING) return put_json_text(w, key->text, style->ascii);
    if (key->kind == CNA_VALUE_SEQUENCE) return cna_rendering_fail(w->r, w->node, "JSON has no keys of this kind");
    CNA_TRY(put_text(w, "\""));
    CNA_TRY(put_json(w, key, style, 0));
    return put_text(w, "\"");
}

/* Pairs in the order of their keys, which is only had of texts here. */
static cna_status sort_pairs(cna_rendering *r, const cna_node *node, const cna_dict *dict, const cna_pair **out)
{
    cna_pair *pairs;
    CNA_TRY(cna_rendering_alloc(r, node, &pairs, dict->n, sizeof *pairs));
    for (size_t i = 0; i < dict->n; i++) {
        size_t to = i;
        int order = 1;
        for (; to > 0; to--) {
            CNA_TRY(cna_value_compare(r, &pairs[to - 1].key, &dict->pairs[i].key, node, &order));
            if (order <= 0) break;
            pairs[to] = pairs[to - 1];
        }
        pairs[to] = dict->pairs[i];
    }
    *out = pairs;
    return CNA_OK;
}

static cna_status put_json_items(writer *w, const cna_value *v, const cna_json_style *style, size_t level)
{
    bool is_dict = v->kind == CNA_VALUE_DICT;
    size_t n = is_dict ? v->dict->n : v->sequence->n;
    const cna_pair *pairs = is_dict ? v->dict->pairs : NULL;
    if (!is_dict && v->sequence->kind > CNA_SEQUENCE_TUPLE)
        return cna_rendering_fail(w->r, w->node, "it writes something as JSON that is neither data nor text");
    if (is_dict && style->sort_keys) CNA_TRY(sort_pairs(w->r, w->node, v->dict, &pairs));
    CNA_TRY(put_text(w, is_dict ? "{" : "["));
    for (size_t i = 0; i < n; i++) {
        if (i != 0) CNA_TRY(put(w, style->item.text, style->item.n));
        CNA_TRY(put_line(w, style, level + 1));
        if (is_dict) {
            CNA_TRY(put_json_key(w, &pairs[i].key, style));
            CNA_TRY(put(w, style->key.text, style->key.n));
        }
        CNA_TRY(put_json(w, is_dict ? &pairs[i].value : &v->sequence->items[i], style, level + 1));
    }
    if (n != 0) CNA_TRY(put_line(w, style, level));
    return put_text(w, is_dict ? "}" : "]");
}

static cna_status put_json(writer *w, const cna_value *v, const cna_json_style *style, size_t level)
{
    switch (v->kind) {
    case CNA_VALUE_NONE:
        return put_text(w, "null");
    case CNA_VALUE_BOOL:
        return put_text(w, v->number != 0 ? "true" : "false");
    case CNA_VALUE_INT:
    case CNA_VALUE_REAL:
        return put_number(w, v);
    case CNA_VALUE_STRING:
        return put_json_text(w, v->text, style->ascii);
    case CNA_VALUE_SEQUENCE:
    case CNA_VALUE_DICT:
        CNA_TRY(nest(w));
        CNA_TRY(put_json_items(w, v, style, level));
        w->r->nested--;
        return CNA_OK;
    default:
        return cna_rendering_fail(w->r, w->node, "it writes something as JSON that is neither data nor text");
    }
}

cna_status cna_text_json(cna_rendering *r, const cna_node *node, const cna_value *v, const cna_json_style *style,
                         cna_value *out)
{
    writer w = {.r = r, .node = node};
    return finish(&w, put_json(&w, v, style, 0), out);
}

/* -------------------------------------------------------------------------------------------------- % and format */

static cna_status put_value(writer *w, const cna_value *v)
{
    cna_slice text;
    CNA_TRY(cna_text_of(w->r, w->node, v, &text));
    return put(w, text.text, text.n);
}

static cna_status put_percent(writer *w, cna_slice format, const cna_value *values, size_t n)
{
    size_t used = 0;
    for (size_t i = 0; i < format.n; i++) {
        if (format.text[i] != '%') {
            const char *next = memchr(format.text + i, '%', format.n - i);
            size_t length = next == NULL ? format.n - i : (size_t)(next - format.text) - i;
            CNA_TRY(put(w, format.text + i, length));
            i += length - 1;
            continue;
        }
        char letter = ++i < format.n ? format.text[i] : '\0';
        if (letter == '%') {
            CNA_TRY(put_text(w, "%"));
            continue;
        }
        if (letter != 's' && letter != 'd')
            return cna_rendering_refuse(w->r, w->node, "a format other than %s, %d and %%, in");
        if (used == n) return cna_rendering_fail(w->r, w->node, "a format asks for more values than there are");
        const cna_value *v = &values[used++];
        if (letter == 'd' && (!cna_value_is_number(v) || v->kind == CNA_VALUE_REAL))
            return cna_rendering_refuse(w->r, w->node, "%d of no whole number, in");
        CNA_TRY(letter == 'd' ? put_number(w, v) : put_value(w, v));
    }
    return used == n ? CNA_OK : cna_rendering_fail(w->r, w->node, "a format does not ask for all values");
}

cna_status cna_text_percent(cna_rendering *r, const cna_node *node, cna_slice format, const cna_value *v,
                            cna_value *out)
{
    writer w = {.r = r, .node = node};
    bool tuple = v->kind == CNA_VALUE_SEQUENCE && v->sequence->kind == CNA_SEQUENCE_TUPLE;
    if (v->kind == CNA_VALUE_DICT) return cna_rendering_refuse(r, node, "a format of a dict,");
    return finish(&w, put_percent(&w, format, tuple ? v->sequence->items : v, tuple ? v->sequence->n : 1), out);
}

/* The argument that a field names: the next one, one by its place, one by its name. NULL if it is none of these. */
static const cna_value *find_field(cna_slice field, const cna_arguments *arguments, size_t *next)
{
    size_t place = 0;
    for (const cna_variable *named = arguments->named; named != NULL; named = named->next) {
        if (field.n == named->name.n && memcmp(field.text, named->name.text, field.n) == 0) return &named->value;
    }
    if (field.n == 0) place = (*next)++;
    for (size_t i = 0; i < field.n; i++) {
        if (field.text[i] < '0' || field.text[i] > '9' || field.n > 4) return NULL;
        place = 10 * place + (size_t)(field.text[i] - '0');
    }
    return place < arguments->n ? &arguments->values[place] : NULL;
}

static cna_status put_format(writer *w, cna_slice format, const cna_arguments *arguments)
{
    size_t next = 0;
    for (size_t i = 0; i < format.n; i++) {
        char c = format.text[i];
        if ((c != '{' && c != '}') || (i + 1 < format.n && format.text[i + 1] == c)) {
            CNA_TRY(put(w, &c, 1));
            i += c == '{' || c == '}';
            continue;
        }
        const char *end = memchr(format.text + i, '}', format.n - i);
        cna_slice field = {format.text + i + 1, c == '}' || end == NULL ? 0 : (size_t)(end - format.text) - i - 1};
        const cna_value *v = c == '}' || end == NULL ? NULL : find_field(field, arguments, &next);
        if (v == NULL) return cna_rendering_refuse(w->r, w->node, "a field of a format that is not known, in");
        CNA_TRY(put_value(w, v));
        i += field.n + 1;
    }
    return CNA_OK;
}

cna_status cna_text_format(cna_rendering *r, const cna_node *node, cna_slice format, const cna_arguments *arguments,
                           cna_value *out)
{
    writer w = {.r = r, .node = node};
    return finish(&w, put_format(&w, format, arguments), out);
}

/* ------------------------------------------------------------------------------------------------------- dates */

/* Days before the month, and Sakamoto's day of the week: 0 is Sunday. */
static int day_of_year(const cna_date *date)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    bool leap = (date->year % 4 == 0 && date->year % 100 != 0) || date->year % 400 == 0;
    return before[date->month - 1] + date->day + (leap && date->month > 2);
}

static int day_of_week(const cna_date *date)
{
    int y = date->year - 1;
    return (y * 365 + y / 4 - y / 100 + y / 400 + day_of_year(date)) % 7;
}

/* One field of strftime; false if it is not known. A time of day is not: runs are made by a day. */
static bool write_field(const cna_date *date, char letter, bool unpadded, char out[24])
{
    static const char *const months[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
    static const char *const days[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
    const char *month = months[date->month - 1], *day = days[day_of_week(date)];
    if (unpadded && letter != 'd' && letter != 'm') return false;
    switch (letter) {
    case 'd':
        snprintf(out, 24, unpadded ? "%d" : "%02d", date->day);
        return true;
    case 'e':
        snprintf(out, 24, "%2d", date->day);
        return true;
    case 'm':
        snprintf(out, 24, unpadded ? "%d" : "%02d", date->month);
        return true;
    case 'j':
        snprintf(out, 24, "%03d", day_of_year(date));
        return true;
    case 'b':
        snprintf(out, 24, "%.3s", month);
        return true;
    case 'B':
        snprintf(out, 24, "%s", month);
        return true;
    case 'a':
        snprintf(out, 24, "%.3s", day);
        return true;
    case 'A':
        snprintf(out, 24, "%s", day);
        return true;
    case 'y':
        snprintf(out, 24, "%02d", date->year % 100);
        return true;
    case 'Y':
        snprintf(out, 24, "%d", date->year);
        return true;
    case 'F':
        snprintf(out, 24, "%d-%02d-%02d", date->year, date->month, date->day);
        return true;
    case '%':
        snprintf(out, 24, "%%");
        return true;
    default:
        return false;
    }
}

static cna_status put_date(writer *w, cna_slice format)
{
    for (size_t i = 0; i < format.n; i++) {
        char field[24] = {format.text[i]};
        if (format.text[i] == '%') {
            bool unpadded = i + 1 < format.n && format.text[i + 1] == '-';
            i += 1 + (size_t)unpadded;
            if (i >= format.n || !write_field(&w->r->input->date, format.text[i], unpadded, field))
                return cna_rendering_refuse(w->r, w->node, "a date format");
        }
        CNA_TRY(put(w, field, field[0] == '\0' ? 1 : strlen(field)));
    }
    return CNA_OK;
}

cna_status cna_text_date(cna_rendering *r, const cna_node *node, cna_slice format, cna_value *out)
{
    writer w = {.r = r, .node = node};
    return finish(&w, put_date(&w, format), out);
}
