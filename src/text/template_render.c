/* SPDX-License-Identifier: MIT
 * Rendering of chat templates: the tree of template_parse.c walked with Jinja's values and scopes. */
#include <inttypes.h>
#include <string.h>

#include "text/template_values.h"

/* A template may loop and count as it likes up to these; real ones stay far below. */
enum { STEPS_MAX = 20000000, NUMBER_MAX = INT32_MAX };

static cna_status evaluate(cna_rendering *r, uint32_t node, cna_value *out);

static const cna_node *node_at(const cna_rendering *r, uint32_t node)
{
    return &r->parsed->nodes[node];
}

static cna_status fail_text(const cna_rendering *r, const cna_node *node, const char *reason)
{
    return cna_rendering_fail(r, node, (cna_slice){reason, strlen(reason)});
}

/* --------------------------------------------------------------------------------------- names and members
 */

static cna_status evaluate_name(cna_rendering *r, const cna_node *node, cna_value *out)
{
    static const char *const globals[] = {"range",  "dict",      "lipsum",          "cycler",
                                          "joiner", "namespace", "raise_exception", "strftime_now"};
    for (size_t i = r->n_variables; i-- > 0;) {
        const cna_variable *found = &r->variables[i];
        if (found->name.n != node->span.n || memcmp(found->name.text, node->span.text, node->span.n) != 0)
            continue;
        *out = found->value;
        return CNA_OK;
    }
    for (size_t i = 0; i < r->input->n_variables; i++) {
        const cna_template_variable *given = &r->input->variables[i];
        if (!cna_slice_is(node->span, given->name)) continue;
        *out = cna_value_text(given->value, strlen(given->value));
        return CNA_OK;
    }
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++) {
        if (!cna_slice_is(node->span, globals[i])) continue;
        *out = (cna_value){.kind = CNA_VALUE_FUNCTION};
        return CNA_OK;
    }
    *out = (cna_value){.kind = CNA_VALUE_UNDEFINED};
    if (cna_slice_is(node->span, "messages")) {
        *out = (cna_value){.kind = CNA_VALUE_MESSAGES, .end = (int64_t)r->input->n_messages};
    } else if (cna_slice_is(node->span, "add_generation_prompt")) {
        *out = cna_value_bool(true);
    } else if (cna_slice_is(node->span, "tools") || cna_slice_is(node->span, "documents")) {
        *out = (cna_value){.kind = CNA_VALUE_NONE};
    }
    return CNA_OK;
}

/* message.name, message['name']: an absent key is undefined, but dict has methods. */
static cna_status message_member(cna_rendering *r, const cna_value *object, cna_slice name,
                                 const cna_node *node, cna_value *out)
{
    static const char *const methods[] = {"clear", "copy",    "fromkeys",   "get",    "items", "keys",
                                          "pop",   "popitem", "setdefault", "update", "values"};
    const cna_message *message = &r->input->messages[object->number];
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (cna_slice_is(name, methods[i])) return cna_rendering_refuse(r, node, "a method of a message");
    }
    *out = (cna_value){.kind = CNA_VALUE_UNDEFINED};
    if (name.n >= 2 && memcmp(name.text, "__", 2) == 0) return cna_rendering_refuse(r, node, "a member");
    if (cna_slice_is(name, "role")) *out = cna_value_text(message->role, strlen(message->role));
    if (cna_slice_is(name, "content")) *out = cna_value_text(message->content, message->n_bytes);
    return CNA_OK;
}

static cna_status loop_member(const cna_rendering *r, const cna_value *loop, const cna_node *node,
                              cna_value *out)
{
    if (cna_slice_is(node->span, "index"))
        *out = cna_value_int(loop->number + 1);
    else if (cna_slice_is(node->span, "index0"))
        *out = cna_value_int(loop->number);
    else if (cna_slice_is(node->span, "length"))
        *out = cna_value_int(loop->end);
    else if (cna_slice_is(node->span, "first"))
        *out = cna_value_bool(loop->number == 0);
    else if (cna_slice_is(node->span, "last"))
        *out = cna_value_bool(loop->number + 1 == loop->end);
    else
        return cna_rendering_refuse(r, node, "a member of loop");
    return CNA_OK;
}

static cna_status evaluate_member(cna_rendering *r, const cna_node *node, cna_value *out)
{
    cna_value object;
    CNA_TRY(evaluate(r, node->a, &object));
    if (object.kind == CNA_VALUE_MESSAGE) return message_member(r, &object, node->span, node, out);
    if (object.kind == CNA_VALUE_LOOP) return loop_member(r, &object, node, out);
    if (object.kind == CNA_VALUE_UNDEFINED) return fail_text(r, node, "a member of something undefined");
    return cna_rendering_refuse(r, node, "a member");
}

static cna_status evaluate_item(cna_rendering *r, const cna_node *node, cna_value *out)
{
    cna_value object, key;
    CNA_TRY(evaluate(r, node->a, &object));
    CNA_TRY(evaluate(r, node->b, &key));
    if (object.kind == CNA_VALUE_UNDEFINED) return fail_text(r, node, "a member of something undefined");
    if (object.kind == CNA_VALUE_MESSAGE && key.kind == CNA_VALUE_STRING) {
        return message_member(r, &object, key.text, node, out);
    }
    if (object.kind != CNA_VALUE_MESSAGES || key.kind != CNA_VALUE_INT)
        return cna_rendering_refuse(r, node, "a subscript");
    int64_t index = key.number < 0 ? object.end + key.number : object.number + key.number;
    bool there = index >= object.number && index < object.end;
    *out = there ? (cna_value){.kind = CNA_VALUE_MESSAGE, .number = index}
                 : (cna_value){.kind = CNA_VALUE_UNDEFINED};
    return CNA_OK;
}

/* One end of a slice, as Python clips it. */
static cna_status slice_end(cna_rendering *r, uint32_t node, const cna_value *object, int64_t absent,
                            int64_t *out)
{
    cna_value end = cna_value_int(0);
    *out = absent;
    if (node == 0) return CNA_OK;
    CNA_TRY(evaluate(r, node, &end));
    if (end.kind != CNA_VALUE_INT) return cna_rendering_refuse(r, node_at(r, node), "a slice");
    *out = end.number < 0 ? object->end + end.number : object->number + end.number;
    if (*out < object->number) *out = object->number;
    if (*out > object->end) *out = object->end;
    return CNA_OK;
}

static cna_status evaluate_slice(cna_rendering *r, const cna_node *node, cna_value *out)
{
    cna_value object;
    CNA_TRY(evaluate(r, node->a, &object));
    if (object.kind == CNA_VALUE_UNDEFINED) return fail_text(r, node, "a member of something undefined");
    if (object.kind != CNA_VALUE_MESSAGES) return cna_rendering_refuse(r, node, "a slice");
    *out = object;
    CNA_TRY(slice_end(r, node->b, &object, object.number, &out->number));
    CNA_TRY(slice_end(r, node->c, &object, object.end, &out->end));
    if (out->end < out->number) out->end = out->number;
    return CNA_OK;
}

/* ------------------------------------------------------------------------------- filters, tests, functions
 */

static cna_status evaluate_filter(cna_rendering *r, const cna_node *node, cna_value *out)
{
    cna_value operand;
    CNA_TRY(evaluate(r, node->a, &operand));
    return cna_value_filter(r, &operand, node, out);
}

static cna_status evaluate_test(cna_rendering *r, const cna_node *node, cna_value *out)
{
    cna_value operand;
    bool truth;
    CNA_TRY(evaluate(r, node->a, &operand));
    CNA_TRY(cna_value_test(r, &operand, node, &truth));
    *out = cna_value_bool(truth);
    return CNA_OK;
}

static cna_status evaluate_call(cna_rendering *r, const cna_node *node, cna_value *out)
{
    const cna_node *function = node_at(r, node->a);
    const cna_node *argument = node_at(r, node->b);
    if (function->kind == CNA_NODE_MEMBER && cna_slice_is(function->span, "strip") && node->b == 0) {
        cna_value text;
        CNA_TRY(evaluate(r, function->a, &text));
        if (text.kind != CNA_VALUE_STRING) return cna_rendering_refuse(r, function, "the method");
        cna_slice stripped = cna_slice_strip(text.text, true, true);
        *out = cna_value_text(stripped.text, stripped.n);
        return CNA_OK;
    }
    bool raises = cna_slice_is(function->span, "raise_exception");
    bool one_text = function->kind == CNA_NODE_NAME && node->b != 0 && argument->next == 0 &&
                    argument->kind != CNA_NODE_ARGUMENT;
    if (!one_text || (!raises && !cna_slice_is(function->span, "strftime_now"))) {
        return cna_rendering_refuse(r, function, "the function");
    }
    cna_value text;
    CNA_TRY(evaluate(r, node->b, &text));
    if (text.kind != CNA_VALUE_STRING)
        return cna_rendering_refuse(r, function, "an argument that is no text, of");
    return raises ? cna_rendering_fail(r, node, text.text) : cna_value_format_date(r, text.text, node, out);
}

/* --------------------------------------------------------------------------------------------- operators */

static cna_status evaluate_operation(cna_rendering *r, const cna_node *node, cna_value *out)
{
    cna_value a, b;
    CNA_TRY(evaluate(r, node->a, &a));
    CNA_TRY(evaluate(r, node->b, &b));
    if (cna_slice_is(node->span, "~")) {
        cna_slice left, right;
        CNA_TRY(cna_value_to_text(r, &a, node, &left));
        CNA_TRY(cna_value_to_text(r, &b, node, &right));
        return cna_value_join(r, left, right, node, out);
    }
    bool plus = cna_slice_is(node->span, "+");
    if (plus && a.kind == CNA_VALUE_STRING && b.kind == CNA_VALUE_STRING)
        return cna_value_join(r, a.text, b.text, node, out);
    if (cna_value_is_number(&a) && cna_value_is_number(&b)) {
        if (imaxabs(a.number) > NUMBER_MAX || imaxabs(b.number) > NUMBER_MAX)
            return cna_rendering_refuse(r, node, "a huge number,");
        if (plus || cna_slice_is(node->span, "-")) {
            *out = cna_value_int(plus ? a.number + b.number : a.number - b.number);
            return CNA_OK;
        }
        if (cna_slice_is(node->span, "%") && a.number >= 0 && b.number > 0) {
            *out = cna_value_int(a.number % b.number);
            return CNA_OK;
        }
        return cna_rendering_refuse(r, node, "the operator");
    }
    if (plus && (a.kind == CNA_VALUE_UNDEFINED || b.kind == CNA_VALUE_UNDEFINED)) {
        return fail_text(r, node, "it joins a text to something undefined");
    }
    return cna_rendering_refuse(r, node, "an operator on values of other kinds,");
}

static cna_status evaluate_in(cna_rendering *r, const cna_node *node, cna_value *out)
{
    cna_value a, b;
    bool found = false;
    CNA_TRY(evaluate(r, node->a, &a));
    if (node_at(r, node->b)->kind == CNA_NODE_LIST) {
        for (uint32_t i = node_at(r, node->b)->a; i != 0 && !found; i = node_at(r, i)->next) {
            CNA_TRY(evaluate(r, i, &b));
            CNA_TRY(cna_value_equal(r, &a, &b, node, &found));
        }
        *out = cna_value_bool(found);
        return CNA_OK;
    }
    CNA_TRY(evaluate(r, node->b, &b));
    CNA_TRY(cna_value_in(r, &a, &b, node, &found));
    *out = cna_value_bool(found);
    return CNA_OK;
}

static cna_status evaluate_comparison(cna_rendering *r, const cna_node *node, cna_value *out)
{
    if (cna_slice_is(node->span, "in")) return evaluate_in(r, node, out);
    cna_value a, b;
    CNA_TRY(evaluate(r, node->a, &a));
    CNA_TRY(evaluate(r, node->b, &b));
    bool truth = false;
    if (cna_slice_is(node->span, "==") || cna_slice_is(node->span, "!=")) {
        CNA_TRY(cna_value_equal(r, &a, &b, node, &truth));
        if (cna_slice_is(node->span, "!=")) truth = !truth;
    } else if (!cna_value_is_number(&a) || !cna_value_is_number(&b)) {
        return cna_rendering_refuse(r, node, "an order of other things than numbers,");
    } else if (node->span.text[0] == '<') {
        truth = node->span.n == 2 ? a.number <= b.number : a.number < b.number;
    } else {
        truth = node->span.n == 2 ? a.number >= b.number : a.number > b.number;
    }
    *out = cna_value_bool(truth);
    return CNA_OK;
}

static cna_status evaluate_logic(cna_rendering *r, const cna_node *node, cna_value *out)
{
    CNA_TRY(evaluate(r, node->a, out));
    bool truth = cna_value_is_true(out);
    switch (node->kind) {
    case CNA_NODE_AND:
        return truth ? evaluate(r, node->b, out) : CNA_OK;
    case CNA_NODE_OR:
        return truth ? CNA_OK : evaluate(r, node->b, out);
    case CNA_NODE_CHOICE:
        *out = (cna_value){.kind = CNA_VALUE_UNDEFINED};
        if (!truth && node->c == 0) return CNA_OK;
        return evaluate(r, truth ? node->b : node->c, out);
    default:
        *out = cna_value_bool(!truth);
        return CNA_OK;
    }
}

static cna_status evaluate(cna_rendering *r, uint32_t index, cna_value *out)
{
    const cna_node *node = node_at(r, index);
    if (++r->n_steps > STEPS_MAX) return cna_rendering_refuse(r, node, "more steps than can be meant");
    *out = (cna_value){.kind = CNA_VALUE_UNDEFINED};
    switch (node->kind) {
    case CNA_NODE_STRING:
        *out = cna_value_text(node->span.text, node->span.n);
        return CNA_OK;
    case CNA_NODE_NUMBER:
        *out = cna_value_int(node->number);
        return CNA_OK;
    case CNA_NODE_TRUE:
    case CNA_NODE_FALSE:
        *out = cna_value_bool(node->kind == CNA_NODE_TRUE);
        return CNA_OK;
    case CNA_NODE_NONE:
        out->kind = CNA_VALUE_NONE;
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
        *out = cna_value_int(-node_at(r, node->a)->number);
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
        return cna_rendering_refuse(r, node, "a list");
    }
}

/* -------------------------------------------------------------------------------------------- statements */

static cna_status execute(cna_rendering *r, uint32_t list);

static cna_status set_variable(cna_rendering *r, cna_slice name, cna_value assigned)
{
    for (size_t i = r->scope; i < r->n_variables; i++) {
        cna_variable *known = &r->variables[i];
        if (known->name.n != name.n || memcmp(known->name.text, name.text, name.n) != 0) continue;
        known->value = assigned;
        return CNA_OK;
    }
    CNA_TRY(cna_grow(&r->variables, &r->variable_capacity, r->n_variables + 1, sizeof *r->variables,
                     "template", r->err));
    r->variables[r->n_variables++] = (cna_variable){name, assigned};
    return CNA_OK;
}

/* Each round has a scope of its own: what it sets is gone in the next. */
static cna_status execute_for(cna_rendering *r, const cna_node *node)
{
    cna_value list;
    CNA_TRY(evaluate(r, node->a, &list));
    if (list.kind == CNA_VALUE_UNDEFINED) return CNA_OK;
    if (list.kind != CNA_VALUE_MESSAGES || node->number != 0)
        return cna_rendering_refuse(r, node, "a loop that is not over messages, of");
    size_t outer = r->scope;
    size_t n_outer = r->n_variables;
    for (int64_t i = list.number; i < list.end; i++) {
        r->scope = r->n_variables;
        cna_value loop = {.kind = CNA_VALUE_LOOP, .number = i - list.number, .end = list.end - list.number};
        CNA_TRY(set_variable(r, (cna_slice){"loop", 4}, loop));
        CNA_TRY(set_variable(r, node->span, (cna_value){.kind = CNA_VALUE_MESSAGE, .number = i}));
        CNA_TRY(execute(r, node->b));
        r->scope = outer;
        r->n_variables = n_outer;
    }
    return CNA_OK;
}

static cna_status execute(cna_rendering *r, uint32_t list)
{
    for (uint32_t i = list; i != 0; i = node_at(r, i)->next) {
        const cna_node *node = node_at(r, i);
        cna_value v = {.kind = CNA_VALUE_UNDEFINED};
        cna_slice text = node->span;
        if (node->kind != CNA_NODE_TEXT && node->kind != CNA_NODE_FOR) CNA_TRY(evaluate(r, node->a, &v));
        switch (node->kind) {
        case CNA_NODE_IF:
            CNA_TRY(execute(r, cna_value_is_true(&v) ? node->b : node->c));
            break;
        case CNA_NODE_FOR:
            CNA_TRY(execute_for(r, node));
            break;
        case CNA_NODE_SET:
            CNA_TRY(set_variable(r, node->span, v));
            break;
        default:
            if (node->kind == CNA_NODE_OUTPUT) CNA_TRY(cna_value_to_text(r, &v, node, &text));
            CNA_TRY(cna_buffer_add(r->out, text.text, text.n, r->err));
        }
    }
    return CNA_OK;
}

cna_status cna_template_render(const cna_template *parsed, const cna_template_input *input, cna_buffer *out,
                               cna_error *err)
{
    cna_rendering r = {.parsed = parsed, .input = input, .out = out, .err = err};
    cna_status status = execute(&r, parsed->body);
    for (size_t i = 0; i < r.n_texts; i++) cna_free(r.texts[i]);
    cna_free(r.texts);
    cna_free(r.variables);
    return status;
}
