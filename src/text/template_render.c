/* SPDX-License-Identifier: MIT
 * Rendering of chat templates: the tree of template_parse.c walked with Jinja's values and scopes. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "text/template_parts.h"

/* A template may loop and join texts as it likes up to these; real ones stay far below. */
enum { STEPS_MAX = 20000000, JOINED_BYTES_MAX = 512 << 20, NUMBER_MAX = INT32_MAX };

typedef enum value_kind {
    VALUE_UNDEFINED,
    VALUE_NONE,
    VALUE_BOOL,     /* number */
    VALUE_INT,      /* number */
    VALUE_STRING,   /* text */
    VALUE_MESSAGES, /* messages number .. end-1 */
    VALUE_MESSAGE,  /* message number */
    VALUE_LOOP,     /* round number of end rounds */
    VALUE_FUNCTION, /* one of Jinja's; calls are told apart by name */
} value_kind;

typedef struct value {
    value_kind kind;
    cna_span text;
    int64_t number, end;
} value;

typedef struct variable {
    cna_span name;
    value value;
} variable;

typedef struct rendering {
    const cna_template *parsed;
    const cna_template_input *input;
    cna_buffer *out;
    variable *variables;   /* [n_variables] those set so far, innermost scope last */
    size_t n_variables, variable_capacity;
    size_t scope;          /* where the innermost scope begins */
    char **texts;          /* [n_texts] texts made on the way */
    size_t n_texts, text_capacity;
    size_t n_joined_bytes, n_steps;
    cna_error *err;
} rendering;

static cna_status evaluate(rendering *r, uint32_t node, value *out);

static const cna_node *node_at(const rendering *r, uint32_t node)
{
    return &r->parsed->nodes[node];
}

static cna_status refuse(const rendering *r, const cna_node *node, const char *found)
{
    return cna_template_refuse(r->err, r->parsed->where, node->line, found, node->span);
}

/* What jinja2 raises an exception for. */
static cna_status fail(const rendering *r, const cna_node *node, cna_span reason)
{
    return cna_fail(r->err, CNA_ERR_ARG, "%s, line %zu: expected messages that the chat template takes, found ones that it "
                    "refuses: %.*s", r->parsed->where, node->line, reason.n > 300 ? 300 : (int)reason.n, reason.text);
}

static cna_status fail_text(const rendering *r, const cna_node *node, const char *reason)
{
    return fail(r, node, (cna_span){reason, strlen(reason)});
}

static value make_bool(bool truth)
{
    return (value){.kind = VALUE_BOOL, .number = truth};
}

static value make_int(int64_t number)
{
    return (value){.kind = VALUE_INT, .number = number};
}

static value make_text(const char *text, size_t n)
{
    return (value){.kind = VALUE_STRING, .text = {text, n}};
}

static bool is_true(const value *v)
{
    if (v->kind == VALUE_STRING) return v->text.n != 0;
    if (v->kind == VALUE_MESSAGES) return v->end > v->number;
    if (v->kind == VALUE_BOOL || v->kind == VALUE_INT) return v->number != 0;
    return v->kind != VALUE_UNDEFINED && v->kind != VALUE_NONE;
}

static bool is_number(const value *v)
{
    return v->kind == VALUE_BOOL || v->kind == VALUE_INT;
}

/* A new text of two parts, kept until the rendering ends. */
static cna_status join(rendering *r, cna_span a, cna_span b, const cna_node *node, value *out)
{
    if (a.n > JOINED_BYTES_MAX - r->n_joined_bytes || b.n > JOINED_BYTES_MAX - r->n_joined_bytes - a.n) {
        return refuse(r, node, "more joined text than can be meant");
    }
    r->n_joined_bytes += a.n + b.n;
    CNA_TRY(cna_grow(&r->texts, &r->text_capacity, r->n_texts + 1, sizeof *r->texts, "template", r->err));
    char *text;
    CNA_TRY(cna_alloc(&text, a.n + b.n + 1, 1, "template", r->err));
    r->texts[r->n_texts++] = text;
    if (a.n != 0) memcpy(text, a.text, a.n);
    if (b.n != 0) memcpy(text + a.n, b.text, b.n);
    *out = make_text(text, a.n + b.n);
    return CNA_OK;
}

/* Python's str() of a value. */
static cna_status to_text(rendering *r, const value *v, const cna_node *node, cna_span *out)
{
    char digits[24];
    value made;
    switch (v->kind) {
    case VALUE_UNDEFINED:
        *out = (cna_span){"", 0};
        return CNA_OK;
    case VALUE_NONE:
        *out = (cna_span){"None", 4};
        return CNA_OK;
    case VALUE_BOOL:
        *out = v->number != 0 ? (cna_span){"True", 4} : (cna_span){"False", 5};
        return CNA_OK;
    case VALUE_INT:
        snprintf(digits, sizeof digits, "%lld", (long long)v->number);
        CNA_TRY(join(r, (cna_span){digits, strlen(digits)}, (cna_span){"", 0}, node, &made));
        *out = made.text;
        return CNA_OK;
    case VALUE_STRING:
        *out = v->text;
        return CNA_OK;
    default:
        return refuse(r, node, "a value without a text of its own");
    }
}

/* --------------------------------------------------------------------------------------- names and members */

static cna_status evaluate_name(rendering *r, const cna_node *node, value *out)
{
    static const char *const globals[] = {"range",  "dict",      "lipsum",          "cycler",      "joiner",
                                          "namespace", "raise_exception", "strftime_now"};
    for (size_t i = r->n_variables; i-- > 0;) {
        const variable *found = &r->variables[i];
        if (found->name.n != node->span.n || memcmp(found->name.text, node->span.text, node->span.n) != 0) continue;
        *out = found->value;
        return CNA_OK;
    }
    for (size_t i = 0; i < r->input->n_variables; i++) {
        const cna_template_variable *given = &r->input->variables[i];
        if (!cna_span_is(node->span, given->name)) continue;
        *out = make_text(given->value, strlen(given->value));
        return CNA_OK;
    }
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++) {
        if (!cna_span_is(node->span, globals[i])) continue;
        *out = (value){.kind = VALUE_FUNCTION};
        return CNA_OK;
    }
    *out = (value){.kind = VALUE_UNDEFINED};
    if (cna_span_is(node->span, "messages")) {
        *out = (value){.kind = VALUE_MESSAGES, .end = (int64_t)r->input->n_messages};
    } else if (cna_span_is(node->span, "add_generation_prompt")) {
        *out = make_bool(true);
    } else if (cna_span_is(node->span, "tools") || cna_span_is(node->span, "documents")) {
        *out = (value){.kind = VALUE_NONE};
    }
    return CNA_OK;
}

/* message.name, message['name']: an absent key is undefined, but dict has methods. */
static cna_status message_member(rendering *r, const value *object, cna_span name, const cna_node *node, value *out)
{
    static const char *const methods[] = {"clear", "copy",    "fromkeys",   "get",    "items", "keys",
                                          "pop",   "popitem", "setdefault", "update", "values"};
    const cna_message *message = &r->input->messages[object->number];
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (cna_span_is(name, methods[i])) return refuse(r, node, "a method of a message");
    }
    *out = (value){.kind = VALUE_UNDEFINED};
    if (name.n >= 2 && memcmp(name.text, "__", 2) == 0) return refuse(r, node, "a member");
    if (cna_span_is(name, "role")) *out = make_text(message->role, strlen(message->role));
    if (cna_span_is(name, "content")) *out = make_text(message->content, message->n_bytes);
    return CNA_OK;
}

static cna_status loop_member(const rendering *r, const value *loop, const cna_node *node, value *out)
{
    if (cna_span_is(node->span, "index")) *out = make_int(loop->number + 1);
    else if (cna_span_is(node->span, "index0")) *out = make_int(loop->number);
    else if (cna_span_is(node->span, "length")) *out = make_int(loop->end);
    else if (cna_span_is(node->span, "first")) *out = make_bool(loop->number == 0);
    else if (cna_span_is(node->span, "last")) *out = make_bool(loop->number + 1 == loop->end);
    else return refuse(r, node, "a member of loop");
    return CNA_OK;
}

static cna_status evaluate_member(rendering *r, const cna_node *node, value *out)
{
    value object;
    CNA_TRY(evaluate(r, node->a, &object));
    if (object.kind == VALUE_MESSAGE) return message_member(r, &object, node->span, node, out);
    if (object.kind == VALUE_LOOP) return loop_member(r, &object, node, out);
    if (object.kind == VALUE_UNDEFINED) return fail_text(r, node, "a member of something undefined");
    return refuse(r, node, "a member");
}

static cna_status evaluate_item(rendering *r, const cna_node *node, value *out)
{
    value object, key;
    CNA_TRY(evaluate(r, node->a, &object));
    CNA_TRY(evaluate(r, node->b, &key));
    if (object.kind == VALUE_UNDEFINED) return fail_text(r, node, "a member of something undefined");
    if (object.kind == VALUE_MESSAGE && key.kind == VALUE_STRING) {
        return message_member(r, &object, key.text, node, out);
    }
    if (object.kind != VALUE_MESSAGES || key.kind != VALUE_INT) return refuse(r, node, "a subscript");
    int64_t index = key.number < 0 ? object.end + key.number : object.number + key.number;
    bool there = index >= object.number && index < object.end;
    *out = there ? (value){.kind = VALUE_MESSAGE, .number = index} : (value){.kind = VALUE_UNDEFINED};
    return CNA_OK;
}

/* One end of a slice, as Python clips it. */
static cna_status slice_end(rendering *r, uint32_t node, const value *object, int64_t absent, int64_t *out)
{
    value end = make_int(0);
    *out = absent;
    if (node == 0) return CNA_OK;
    CNA_TRY(evaluate(r, node, &end));
    if (end.kind != VALUE_INT) return refuse(r, node_at(r, node), "a slice");
    *out = end.number < 0 ? object->end + end.number : object->number + end.number;
    if (*out < object->number) *out = object->number;
    if (*out > object->end) *out = object->end;
    return CNA_OK;
}

static cna_status evaluate_slice(rendering *r, const cna_node *node, value *out)
{
    value object;
    CNA_TRY(evaluate(r, node->a, &object));
    if (object.kind == VALUE_UNDEFINED) return fail_text(r, node, "a member of something undefined");
    if (object.kind != VALUE_MESSAGES) return refuse(r, node, "a slice");
    *out = object;
    CNA_TRY(slice_end(r, node->b, &object, object.number, &out->number));
    CNA_TRY(slice_end(r, node->c, &object, object.end, &out->end));
    if (out->end < out->number) out->end = out->number;
    return CNA_OK;
}

/* ------------------------------------------------------------------------- filters, tests, functions */

static cna_status evaluate_filter(rendering *r, const cna_node *node, value *out)
{
    bool trim = cna_span_is(node->span, "trim");
    if (!trim && !cna_span_is(node->span, "length") && !cna_span_is(node->span, "count")) {
        return refuse(r, node, "the filter");
    }
    if (node->b != 0) return refuse(r, node, "arguments of the filter");
    value operand;
    CNA_TRY(evaluate(r, node->a, &operand));
    if (trim) {
        cna_span text;
        CNA_TRY(to_text(r, &operand, node, &text));
        text = cna_span_strip(text, true, true);
        *out = make_text(text.text, text.n);
        return CNA_OK;
    }
    if (operand.kind == VALUE_UNDEFINED) {
        *out = make_int(0);
    } else if (operand.kind == VALUE_MESSAGES) {
        *out = make_int(operand.end - operand.number);
    } else if (operand.kind == VALUE_STRING) {
        int64_t n = 0; /* characters */
        for (size_t i = 0; i < operand.text.n; i++) n += ((unsigned char)operand.text.text[i] & 0xC0) != 0x80;
        *out = make_int(n);
    } else {
        return refuse(r, node, "the filter");
    }
    return CNA_OK;
}

static cna_status evaluate_test(rendering *r, const cna_node *node, value *out)
{
    value operand;
    CNA_TRY(evaluate(r, node->a, &operand));
    value_kind kind = operand.kind;
    bool truth;
    if (cna_span_is(node->span, "defined")) truth = kind != VALUE_UNDEFINED;
    else if (cna_span_is(node->span, "undefined")) truth = kind == VALUE_UNDEFINED;
    else if (cna_span_is(node->span, "none")) truth = kind == VALUE_NONE;
    else if (cna_span_is(node->span, "string")) truth = kind == VALUE_STRING;
    else if (cna_span_is(node->span, "mapping")) truth = kind == VALUE_MESSAGE;
    else if (cna_span_is(node->span, "iterable")) truth = kind != VALUE_NONE && kind != VALUE_FUNCTION && !is_number(&operand);
    else return refuse(r, node, "the test");
    *out = make_bool(truth);
    return CNA_OK;
}

/* strftime of the C locale, for the fields that templates use. */
static cna_status format_date(rendering *r, cna_span format, const cna_node *node, value *out)
{
    static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                         "July",    "August",   "September", "October", "November", "December"};
    const cna_date *date = &r->input->date;
    *out = make_text("", 0);
    for (size_t i = 0; i < format.n; i++) {
        char field[16] = {format.text[i]};
        char letter = format.text[i] == '%' && i + 1 < format.n ? format.text[++i] : '\0';
        switch (letter) {
        case '\0':
            if (format.text[i] == '%') return refuse(r, node, "a date format");
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
            return refuse(r, node, "a date format");
        }
        CNA_TRY(join(r, out->text, (cna_span){field, strlen(field)}, node, out));
    }
    return CNA_OK;
}

static cna_status evaluate_call(rendering *r, const cna_node *node, value *out)
{
    const cna_node *function = node_at(r, node->a);
    const cna_node *argument = node_at(r, node->b);
    if (function->kind == CNA_NODE_MEMBER && cna_span_is(function->span, "strip") && node->b == 0) {
        value text;
        CNA_TRY(evaluate(r, function->a, &text));
        if (text.kind != VALUE_STRING) return refuse(r, function, "the method");
        cna_span stripped = cna_span_strip(text.text, true, true);
        *out = make_text(stripped.text, stripped.n);
        return CNA_OK;
    }
    bool raises = cna_span_is(function->span, "raise_exception");
    bool one_text = function->kind == CNA_NODE_NAME && node->b != 0 && argument->next == 0 &&
                    argument->kind != CNA_NODE_ARGUMENT;
    if (!one_text || (!raises && !cna_span_is(function->span, "strftime_now"))) {
        return refuse(r, function, "the function");
    }
    value text;
    CNA_TRY(evaluate(r, node->b, &text));
    if (text.kind != VALUE_STRING) return refuse(r, function, "an argument that is no text, of");
    return raises ? fail(r, node, text.text) : format_date(r, text.text, node, out);
}

/* --------------------------------------------------------------------------------------------- operators */

static cna_status evaluate_operation(rendering *r, const cna_node *node, value *out)
{
    value a, b;
    CNA_TRY(evaluate(r, node->a, &a));
    CNA_TRY(evaluate(r, node->b, &b));
    if (cna_span_is(node->span, "~")) {
        cna_span left, right;
        CNA_TRY(to_text(r, &a, node, &left));
        CNA_TRY(to_text(r, &b, node, &right));
        return join(r, left, right, node, out);
    }
    bool plus = cna_span_is(node->span, "+");
    if (plus && a.kind == VALUE_STRING && b.kind == VALUE_STRING) return join(r, a.text, b.text, node, out);
    if (is_number(&a) && is_number(&b)) {
        if (imaxabs(a.number) > NUMBER_MAX || imaxabs(b.number) > NUMBER_MAX) return refuse(r, node, "a huge number,");
        if (plus || cna_span_is(node->span, "-")) {
            *out = make_int(plus ? a.number + b.number : a.number - b.number);
            return CNA_OK;
        }
        if (cna_span_is(node->span, "%") && a.number >= 0 && b.number > 0) {
            *out = make_int(a.number % b.number);
            return CNA_OK;
        }
        return refuse(r, node, "the operator");
    }
    if (plus && (a.kind == VALUE_UNDEFINED || b.kind == VALUE_UNDEFINED)) {
        return fail_text(r, node, "it joins a text to something undefined");
    }
    return refuse(r, node, "an operator on values of other kinds,");
}

/* Python's ==. */
static cna_status are_equal(rendering *r, const value *a, const value *b, const cna_node *node, bool *out)
{
    *out = false;
    if (is_number(a) && is_number(b)) {
        *out = a->number == b->number;
    } else if (a->kind == VALUE_STRING && b->kind == VALUE_STRING) {
        *out = a->text.n == b->text.n && memcmp(a->text.text, b->text.text, a->text.n) == 0;
    } else if (a->kind == b->kind) {
        if (a->kind != VALUE_NONE && a->kind != VALUE_UNDEFINED) return refuse(r, node, "a comparison of messages,");
        *out = true;
    }
    return CNA_OK;
}

static bool contains(cna_span whole, cna_span part)
{
    for (size_t i = 0; i + part.n <= whole.n; i++) {
        if (memcmp(whole.text + i, part.text, part.n) == 0) return true;
    }
    return false;
}

static cna_status evaluate_in(rendering *r, const cna_node *node, value *out)
{
    value a, b;
    bool found = false;
    CNA_TRY(evaluate(r, node->a, &a));
    if (node_at(r, node->b)->kind == CNA_NODE_LIST) {
        for (uint32_t i = node_at(r, node->b)->a; i != 0 && !found; i = node_at(r, i)->next) {
            CNA_TRY(evaluate(r, i, &b));
            CNA_TRY(are_equal(r, &a, &b, node, &found));
        }
        *out = make_bool(found);
        return CNA_OK;
    }
    CNA_TRY(evaluate(r, node->b, &b));
    if (a.kind != VALUE_STRING) return refuse(r, node, "the operator");
    if (b.kind == VALUE_MESSAGE) found = cna_span_is(a.text, "role") || cna_span_is(a.text, "content");
    else if (b.kind == VALUE_STRING) found = contains(b.text, a.text);
    else if (b.kind != VALUE_UNDEFINED) return refuse(r, node, "the operator");
    *out = make_bool(found);
    return CNA_OK;
}

static cna_status evaluate_comparison(rendering *r, const cna_node *node, value *out)
{
    if (cna_span_is(node->span, "in")) return evaluate_in(r, node, out);
    value a, b;
    CNA_TRY(evaluate(r, node->a, &a));
    CNA_TRY(evaluate(r, node->b, &b));
    bool truth = false;
    if (cna_span_is(node->span, "==") || cna_span_is(node->span, "!=")) {
        CNA_TRY(are_equal(r, &a, &b, node, &truth));
        if (cna_span_is(node->span, "!=")) truth = !truth;
    } else if (!is_number(&a) || !is_number(&b)) {
        return refuse(r, node, "an order of other things than numbers,");
    } else if (node->span.text[0] == '<') {
        truth = node->span.n == 2 ? a.number <= b.number : a.number < b.number;
    } else {
        truth = node->span.n == 2 ? a.number >= b.number : a.number > b.number;
    }
    *out = make_bool(truth);
    return CNA_OK;
}

static cna_status evaluate_logic(rendering *r, const cna_node *node, value *out)
{
    CNA_TRY(evaluate(r, node->a, out));
    bool truth = is_true(out);
    switch (node->kind) {
    case CNA_NODE_AND:
        return truth ? evaluate(r, node->b, out) : CNA_OK;
    case CNA_NODE_OR:
        return truth ? CNA_OK : evaluate(r, node->b, out);
    case CNA_NODE_CHOICE:
        *out = (value){.kind = VALUE_UNDEFINED};
        if (!truth && node->c == 0) return CNA_OK;
        return evaluate(r, truth ? node->b : node->c, out);
    default:
        *out = make_bool(!truth);
        return CNA_OK;
    }
}

static cna_status evaluate(rendering *r, uint32_t index, value *out)
{
    const cna_node *node = node_at(r, index);
    if (++r->n_steps > STEPS_MAX) return refuse(r, node, "more steps than can be meant");
    *out = (value){.kind = VALUE_UNDEFINED};
    switch (node->kind) {
    case CNA_NODE_STRING:
        *out = make_text(node->span.text, node->span.n);
        return CNA_OK;
    case CNA_NODE_NUMBER:
        *out = make_int(node->number);
        return CNA_OK;
    case CNA_NODE_TRUE:
    case CNA_NODE_FALSE:
        *out = make_bool(node->kind == CNA_NODE_TRUE);
        return CNA_OK;
    case CNA_NODE_NONE:
        out->kind = VALUE_NONE;
        return CNA_OK;
    case CNA_NODE_NAME:
        return evaluate_name(r, node, out);
    case CNA_NODE_MEMBER:
        return evaluate_member(r, node, out);
    case CNA_NODE_ITEM:
        return evaluate_item(r, node, out);
    case CNA_NODE_SLICE:
        return evaluate_slice(r, node, out);
    case CNA_NODE_CALL:
        return evaluate_call(r, node, out);
    case CNA_NODE_FILTER:
        return evaluate_filter(r, node, out);
    case CNA_NODE_TEST:
        return evaluate_test(r, node, out);
    case CNA_NODE_NEGATIVE: /* of a number literal only, see the parser */
        *out = make_int(-node_at(r, node->a)->number);
        return CNA_OK;
    case CNA_NODE_NOT:
    case CNA_NODE_AND:
    case CNA_NODE_OR:
    case CNA_NODE_CHOICE:
        return evaluate_logic(r, node, out);
    case CNA_NODE_OPERATION:
        return evaluate_operation(r, node, out);
    case CNA_NODE_COMPARE:
        return evaluate_comparison(r, node, out);
    default:
        return refuse(r, node, "a list");
    }
}

/* -------------------------------------------------------------------------------------------- statements */

static cna_status execute(rendering *r, uint32_t list);

static cna_status set_variable(rendering *r, cna_span name, value assigned)
{
    for (size_t i = r->scope; i < r->n_variables; i++) {
        variable *known = &r->variables[i];
        if (known->name.n != name.n || memcmp(known->name.text, name.text, name.n) != 0) continue;
        known->value = assigned;
        return CNA_OK;
    }
    CNA_TRY(cna_grow(&r->variables, &r->variable_capacity, r->n_variables + 1, sizeof *r->variables, "template", r->err));
    r->variables[r->n_variables++] = (variable){name, assigned};
    return CNA_OK;
}

/* Each round has a scope of its own: what it sets is gone in the next. */
static cna_status execute_for(rendering *r, const cna_node *node)
{
    value list;
    CNA_TRY(evaluate(r, node->a, &list));
    if (list.kind == VALUE_UNDEFINED) return CNA_OK;
    if (list.kind != VALUE_MESSAGES || node->number != 0) return refuse(r, node, "a loop that is not over messages, of");
    size_t outer = r->scope;
    size_t n_outer = r->n_variables;
    for (int64_t i = list.number; i < list.end; i++) {
        r->scope = r->n_variables;
        value loop = {.kind = VALUE_LOOP, .number = i - list.number, .end = list.end - list.number};
        CNA_TRY(set_variable(r, (cna_span){"loop", 4}, loop));
        CNA_TRY(set_variable(r, node->span, (value){.kind = VALUE_MESSAGE, .number = i}));
        CNA_TRY(execute(r, node->b));
        r->scope = outer;
        r->n_variables = n_outer;
    }
    return CNA_OK;
}

static cna_status execute(rendering *r, uint32_t list)
{
    for (uint32_t i = list; i != 0; i = node_at(r, i)->next) {
        const cna_node *node = node_at(r, i);
        value v = {.kind = VALUE_UNDEFINED};
        cna_span text = node->span;
        if (node->kind != CNA_NODE_TEXT && node->kind != CNA_NODE_FOR) CNA_TRY(evaluate(r, node->a, &v));
        switch (node->kind) {
        case CNA_NODE_IF:
            CNA_TRY(execute(r, is_true(&v) ? node->b : node->c));
            break;
        case CNA_NODE_FOR:
            CNA_TRY(execute_for(r, node));
            break;
        case CNA_NODE_SET:
            CNA_TRY(set_variable(r, node->span, v));
            break;
        default:
            if (node->kind == CNA_NODE_OUTPUT) CNA_TRY(to_text(r, &v, node, &text));
            CNA_TRY(cna_buffer_add(r->out, text.text, text.n, r->err));
        }
    }
    return CNA_OK;
}

cna_status cna_template_render(const cna_template *parsed, const cna_template_input *input, cna_buffer *out,
                               cna_error *err)
{
    rendering r = {.parsed = parsed, .input = input, .out = out, .err = err};
    cna_status status = execute(&r, parsed->body);
    for (size_t i = 0; i < r.n_texts; i++) cna_free(r.texts[i]);
    cna_free(r.texts);
    cna_free(r.variables);
    return status;
}
