/* SPDX-License-Identifier: MIT
 * Expressions of chat templates, evaluated. */
#include "text/template_eval.h"

#include <string.h>

enum { RANGE_MAX = 100000 }; /* jinja2's sandbox has it */

static const cna_node *node_at(const cna_rendering *r, uint32_t node)
{
    return &r->parsed->nodes[node];
}

static bool same(cna_slice a, cna_slice b)
{
    return a.n == b.n && memcmp(a.text, b.text, a.n) == 0;
}

/* --------------------------------------------------------------------------------------------------- arguments */

cna_status cna_eval_bind(const cna_rendering *r, const cna_node *node, const cna_arguments *arguments,
                         const char *names, const cna_value **out)
{
    size_t n = 0, n_named = 0;
    for (const char *at = names; *at != '\0'; n++) {
        cna_slice name = {at, strcspn(at, " ")};
        out[n] = n < arguments->n ? &arguments->values[n] : NULL;
        for (const cna_variable *named = arguments->named; named != NULL; named = named->next) {
            if (!same(named->name, name)) continue;
            if (out[n] != NULL) return cna_rendering_fail(r, node, "an argument is given twice");
            out[n] = &named->value;
            n_named++;
        }
        at += name.n + (at[name.n] == ' ');
    }
    for (const cna_variable *named = arguments->named; named != NULL; named = named->next) n_named--;
    if (arguments->n > n || n_named != 0) return cna_rendering_refuse(r, node, "other arguments than are known, of");
    return CNA_OK;
}

cna_status cna_eval_text(const cna_rendering *r, const cna_node *node, const cna_value *v, cna_slice *out)
{
    if (v == NULL) return CNA_OK;
    if (v->kind != CNA_VALUE_STRING) return cna_rendering_refuse(r, node, "an argument that is no text, of");
    *out = v->text;
    return CNA_OK;
}

cna_status cna_eval_whole(const cna_rendering *r, const cna_node *node, const cna_value *v, int64_t *out)
{
    if (v == NULL) return CNA_OK;
    if (v->kind != CNA_VALUE_INT && v->kind != CNA_VALUE_BOOL)
        return cna_rendering_refuse(r, node, "an argument that is no whole number, of");
    *out = v->number;
    return CNA_OK;
}

/* One more argument by position. */
static cna_status add_value(cna_rendering *r, const cna_node *node, const cna_value *v, size_t *capacity,
                            cna_arguments *out)
{
    cna_value *grown;
    if (out->n == *capacity) {
        *capacity = *capacity == 0 ? 4 : 2 * *capacity;
        CNA_TRY(cna_rendering_alloc(r, node, &grown, *capacity, sizeof *grown));
        if (out->n != 0) memcpy(grown, out->values, out->n * sizeof *grown);
        out->values = grown;
    }
    grown = (cna_value *)out->values;
    grown[out->n++] = *v;
    return CNA_OK;
}

cna_status cna_eval_arguments(cna_rendering *r, uint32_t list, cna_arguments *out)
{
    size_t capacity = 0, n = 1;
    cna_variable **last = (cna_variable **)&out->named;
    *out = (cna_arguments){0};
    for (uint32_t i = list; i != 0; i = node_at(r, i)->next) {
        const cna_node *node = node_at(r, i);
        cna_value v;
        const cna_value *items = &v;
        CNA_TRY(cna_eval(r, node->kind == CNA_NODE_ARGUMENT || node->kind == CNA_NODE_SPREAD ? node->a : i, &v));
        if (node->kind == CNA_NODE_ARGUMENT) {
            cna_variable *named;
            CNA_TRY(cna_rendering_alloc(r, node, &named, 1, sizeof *named));
            *named = (cna_variable){node->span, v, NULL};
            *last = named;
            last = &named->next;
            continue;
        }
        n = 1;
        if (node->kind == CNA_NODE_SPREAD) CNA_TRY(cna_value_iterate(r, node, &v, &items, &n));
        for (size_t k = 0; k < n; k++) CNA_TRY(add_value(r, node, &items[k], &capacity, out));
    }
    return CNA_OK;
}

/* -------------------------------------------------------------------------------------------------------- names */

static cna_status make_messages(cna_rendering *r, const cna_node *node, cna_value *out)
{
    const cna_value role = cna_value_text("role", 4), content = cna_value_text("content", 7);
    cna_value *items;
    CNA_TRY(cna_value_sequence(r, node, CNA_SEQUENCE_LIST, r->input->n_messages, &items, out));
    for (size_t i = 0; i < r->input->n_messages; i++) {
        const cna_message *message = &r->input->messages[i];
        cna_value of_role = cna_value_text(message->role, strlen(message->role));
        cna_value of_content = cna_value_text(message->content, message->n_bytes);
        CNA_TRY(cna_value_dict(r, node, 2, &items[i]));
        CNA_TRY(cna_dict_set(r, node, items[i].dict, &role, &of_role));
        CNA_TRY(cna_dict_set(r, node, items[i].dict, &content, &of_content));
    }
    return CNA_OK;
}

/* What was given to the template; it is set in the outermost scope when it is first asked for. */
static cna_status evaluate_given(cna_rendering *r, const cna_node *node, cna_value *out)
{
    for (size_t i = 0; i < r->input->n_variables; i++) {
        const cna_template_variable *given = &r->input->variables[i];
        if (cna_slice_is(node->span, given->name)) *out = cna_value_text(given->value, strlen(given->value));
    }
    if (cna_slice_is(node->span, "add_generation_prompt")) *out = cna_value_bool(true);
    if (cna_slice_is(node->span, "tools") || cna_slice_is(node->span, "documents")) out->kind = CNA_VALUE_NONE;
    const char *name;
    json_t *argument;
    json_object_foreach((json_t *)r->input->arguments, name, argument)
    {
        if (cna_slice_is(node->span, name)) return cna_value_from_json(r, node, argument, out);
    }
    return cna_slice_is(node->span, "messages") ? make_messages(r, node, out) : CNA_OK;
}

static cna_status evaluate_name(cna_rendering *r, const cna_node *node, cna_value *out)
{
    static const char *const globals[] = {"range",  "dict",      "lipsum",          "cycler",
                                          "joiner", "namespace", "raise_exception", "strftime_now"};
    for (const cna_scope *scope = r->scope; scope != NULL; scope = scope->outer) {
        for (const cna_variable *v = scope->variables; v != NULL; v = v->next) {
            CNA_TRY(cna_rendering_spend(r, node, 1 + v->name.n / 64));
            if (!same(v->name, node->span)) continue;
            *out = v->value;
            return CNA_OK;
        }
    }
    CNA_TRY(evaluate_given(r, node, out));
    if (out->kind != CNA_VALUE_UNDEFINED) {
        cna_scope *scope = r->scope;
        while (scope->outer != NULL) scope = scope->outer;
        cna_scope *inner = r->scope;
        r->scope = scope;
        cna_status status = cna_scope_set(r, node, node->span, *out);
        r->scope = inner;
        return status;
    }
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++) {
        if (!cna_slice_is(node->span, globals[i])) continue;
        cna_function *function;
        CNA_TRY(cna_rendering_alloc(r, node, &function, 1, sizeof *function));
        function->name = node->span;
        *out = (cna_value){.kind = CNA_VALUE_FUNCTION, .function = function};
    }
    return CNA_OK;
}

/* -------------------------------------------------------------------------------------------------------- calls */

static cna_status call_range(cna_rendering *r, const cna_node *node, const cna_arguments *arguments, cna_value *out)
{
    int64_t bounds[3] = {0, 0, 1};
    if (arguments->n == 0 || arguments->n > 3 || arguments->named != NULL)
        return cna_rendering_refuse(r, node, "other arguments than are known, of");
    for (size_t i = 0; i < arguments->n; i++)
        CNA_TRY(cna_eval_whole(r, node, &arguments->values[i], &bounds[arguments->n == 1 ? 1 : i]));
    int64_t step = bounds[2], n = 0;
    if (step == 0) return cna_rendering_fail(r, node, "range() has a step of 0");
    for (int64_t at = bounds[0]; (step > 0 ? at < bounds[1] : at > bounds[1]) && n <= RANGE_MAX; n++) {
        if (__builtin_add_overflow(at, step, &at)) n = RANGE_MAX;
    }
    if (n > RANGE_MAX) return cna_rendering_fail(r, node, "range() is longer than 100000");
    cna_value *items;
    CNA_TRY(cna_value_sequence(r, node, CNA_SEQUENCE_RANGE, (size_t)n, &items, out));
    for (int64_t i = 0; i < n; i++) items[i] = cna_value_int(bounds[0] + i * step);
    return CNA_OK;
}

/* namespace(a=1) and dict(a=1), both also with a dict before. */
static cna_status call_namespace(cna_rendering *r, const cna_node *node, const cna_arguments *arguments,
                                 cna_value *out)
{
    CNA_TRY(cna_value_dict(r, node, 4, out));
    if (arguments->n > 1 || (arguments->n == 1 && arguments->values[0].kind != CNA_VALUE_DICT))
        return cna_rendering_refuse(r, node, "other arguments than are known, of");
    const cna_dict *first = arguments->n == 1 ? arguments->values[0].dict : NULL;
    for (size_t i = 0; first != NULL && i < first->n; i++)
        CNA_TRY(cna_dict_set(r, node, out->dict, &first->pairs[i].key, &first->pairs[i].value));
    for (const cna_variable *named = arguments->named; named != NULL; named = named->next) {
        cna_value key = cna_value_slice(named->name);
        CNA_TRY(cna_dict_set(r, node, out->dict, &key, &named->value));
    }
    return CNA_OK;
}

static cna_status call_function(cna_rendering *r, const cna_node *node, const cna_function *function,
                                const cna_arguments *arguments, cna_value *out)
{
    const cna_value *text;
    cna_node named = *node; /* messages name the function */
    named.span = function->name;
    if (function->self.kind != CNA_VALUE_UNDEFINED) return cna_eval_method(r, &named, function, arguments, out);
    if (cna_slice_is(function->name, "range")) return call_range(r, &named, arguments, out);
    if (cna_slice_is(function->name, "dict")) return call_namespace(r, &named, arguments, out);
    if (cna_slice_is(function->name, "namespace")) {
        CNA_TRY(call_namespace(r, &named, arguments, out));
        out->kind = CNA_VALUE_NAMESPACE;
        return CNA_OK;
    }
    bool raises = cna_slice_is(function->name, "raise_exception");
    if (!raises && !cna_slice_is(function->name, "strftime_now"))
        return cna_rendering_refuse(r, &named, "the function");
    CNA_TRY(cna_eval_bind(r, &named, arguments, raises ? "message" : "format", &text));
    if (text == NULL || text->kind != CNA_VALUE_STRING)
        return cna_rendering_refuse(r, &named, "an argument that is no text, of");
    return raises ? cna_rendering_raise(r, &named, text->text) : cna_text_date(r, &named, text->text, out);
}

/* A parameter's value: by position, by name, its default (which sees the parameters before it), or undefined. */
static cna_status bind_parameter(cna_rendering *r, const cna_node *parameter, const cna_arguments *arguments,
                                 size_t place, size_t *n_named)
{
    cna_value v = {.kind = CNA_VALUE_UNDEFINED};
    bool given = place < arguments->n;
    if (given) v = arguments->values[place];
    for (const cna_variable *named = arguments->named; named != NULL; named = named->next) {
        if (!same(named->name, parameter->span)) continue;
        if (given) return cna_rendering_fail(r, parameter, "an argument of a macro is given twice");
        v = named->value;
        given = true;
        (*n_named)++;
    }
    if (!given && parameter->a != 0) CNA_TRY(cna_eval(r, parameter->a, &v));
    return cna_scope_set(r, parameter, parameter->span, v);
}

static cna_status call_macro(cna_rendering *r, const cna_node *node, const cna_macro *macro,
                             const cna_arguments *arguments, const cna_value *caller, cna_value *out)
{
    size_t place = 0, n_named = 0;
    cna_scope *scope = r->scope;
    cna_node named = *node;
    named.span = macro->name;
    CNA_TRY(cna_scope_enter(r, node, macro->scope));
    if (caller != NULL) CNA_TRY(cna_scope_set(r, node, (cna_slice){"caller", 6}, *caller));
    for (uint32_t i = macro->parameters; i != 0; i = node_at(r, i)->next)
        CNA_TRY(bind_parameter(r, node_at(r, i), arguments, place++, &n_named));
    for (const cna_variable *given = arguments->named; given != NULL; given = given->next) n_named--;
    if (arguments->n > place || n_named != 0)
        return cna_rendering_refuse(r, &named, "other arguments than are known, of");
    CNA_TRY(cna_render_to_text(r, node, macro->body, out));
    r->scope = scope;
    return CNA_OK;
}

cna_status cna_eval_call(cna_rendering *r, const cna_node *node, const cna_value *callee,
                         const cna_arguments *arguments, const cna_value *caller, cna_value *out)
{
    *out = (cna_value){.kind = CNA_VALUE_UNDEFINED};
    if (callee->kind == CNA_VALUE_MACRO) return call_macro(r, node, callee->macro, arguments, caller, out);
    if (caller != NULL) return cna_rendering_refuse(r, node, "a call block of something else than a macro");
    if (callee->kind == CNA_VALUE_FUNCTION) return call_function(r, node, callee->function, arguments, out);
    if (callee->kind == CNA_VALUE_UNDEFINED) return cna_rendering_fail(r, node, "it calls something undefined");
    return cna_rendering_fail(r, node, "it calls something that is no function");
}

static cna_status evaluate_call(cna_rendering *r, const cna_node *node, cna_value *out)
{
    cna_value callee;
    cna_arguments arguments;
    cna_node named = *node;
    named.span = node_at(r, node->a)->span;
    CNA_TRY(cna_eval(r, node->a, &callee));
    CNA_TRY(cna_eval_arguments(r, node->b, &arguments));
    return cna_eval_call(r, &named, &callee, &arguments, NULL, out);
}

/* ------------------------------------------------------------------------------------ literals, members, operators */

static cna_status evaluate_list(cna_rendering *r, const cna_node *node, cna_value *out)
{
    size_t n = 0;
    cna_value *items;
    for (uint32_t i = node->a; i != 0; i = node_at(r, i)->next) n++;
    cna_sequence_kind kind = node->kind == CNA_NODE_TUPLE ? CNA_SEQUENCE_TUPLE : CNA_SEQUENCE_LIST;
    CNA_TRY(cna_value_sequence(r, node, kind, n, &items, out));
    for (uint32_t i = node->a; i != 0; i = node_at(r, i)->next) CNA_TRY(cna_eval(r, i, items++));
    return CNA_OK;
}

static cna_status evaluate_dict(cna_rendering *r, const cna_node *node, cna_value *out)
{
    CNA_TRY(cna_value_dict(r, node, 4, out));
    for (uint32_t i = node->a; i != 0; i = node_at(r, i)->next) {
        cna_value key, v;
        CNA_TRY(cna_eval(r, node_at(r, i)->a, &key));
        CNA_TRY(cna_eval(r, node_at(r, i)->b, &v));
        CNA_TRY(cna_dict_set(r, node, out->dict, &key, &v));
    }
    return CNA_OK;
}

static cna_status evaluate_slice(cna_rendering *r, const cna_node *node, const cna_value *object, cna_value *out)
{
    const cna_node *bounds = node_at(r, node->b);
    uint32_t nodes[3] = {bounds->a, bounds->b, bounds->c};
    cna_value values[3];
    const cna_value *given[3] = {NULL, NULL, NULL};
    for (size_t i = 0; i < 3; i++) {
        if (nodes[i] == 0) continue;
        CNA_TRY(cna_eval(r, nodes[i], &values[i]));
        if (values[i].kind != CNA_VALUE_NONE) given[i] = &values[i];
    }
    return cna_eval_slice(r, node, object, given, out);
}

/* What begins with an operand in a. */
static cna_status evaluate_operand(cna_rendering *r, const cna_node *node, cna_value *out)
{
    cna_value a, b;
    cna_arguments arguments;
    bool truth;
    CNA_TRY(cna_eval(r, node->a, &a));
    switch (node->kind) {
    case CNA_NODE_MEMBER:
        return cna_eval_member(r, node, &a, node->span, out);
    case CNA_NODE_ITEM:
        CNA_TRY(cna_eval(r, node->b, &b));
        return cna_eval_item(r, node, &a, &b, out);
    case CNA_NODE_SLICE:
        return evaluate_slice(r, node, &a, out);
    case CNA_NODE_FILTER:
        CNA_TRY(cna_eval_arguments(r, node->b, &arguments));
        return cna_eval_filter(r, node, node->span, &a, &arguments, out);
    case CNA_NODE_TEST:
        CNA_TRY(cna_eval_arguments(r, node->b, &arguments));
        CNA_TRY(cna_eval_test(r, node, node->span, &a, &arguments, &truth));
        *out = cna_value_bool(truth);
        return CNA_OK;
    case CNA_NODE_SIGN:
        b = cna_value_int(0);
        if (!cna_value_is_number(&a)) return cna_rendering_fail(r, node, "it counts with something that is no number");
        if (a.kind == CNA_VALUE_REAL) {
            *out = a;
            if (node->span.text[0] == '-') out->real = -a.real;
            return CNA_OK;
        }
        return cna_value_operate(r, &b, &a, node, out);
    default:
        CNA_TRY(cna_eval(r, node->b, &b));
        return cna_value_operate(r, &a, &b, node, out);
    }
}

static cna_status compare_step(cna_rendering *r, const cna_node *step, const cna_value *a, const cna_value *b,
                               bool *out)
{
    int order;
    if (cna_slice_is(step->span, "in")) {
        CNA_TRY(cna_value_in(r, a, b, step, out));
        if (step->number != 0) *out = !*out;
        return CNA_OK;
    }
    if (cna_slice_is(step->span, "==") || cna_slice_is(step->span, "!=")) {
        CNA_TRY(cna_value_equal(r, a, b, step, out));
        if (step->span.text[0] == '!') *out = !*out;
        return CNA_OK;
    }
    CNA_TRY(cna_value_compare(r, a, b, step, &order));
    bool or_equal = step->span.n == 2;
    *out = step->span.text[0] == '<' ? (or_equal ? order <= 0 : order < 0) : (or_equal ? order >= 0 : order > 0);
    return CNA_OK;
}

static cna_status evaluate_comparison(cna_rendering *r, const cna_node *node, cna_value *out)
{
    cna_value a, b;
    bool truth = true;
    CNA_TRY(cna_eval(r, node->a, &a));
    for (uint32_t i = node->b; i != 0 && truth; i = node_at(r, i)->next, a = b) {
        CNA_TRY(cna_eval(r, node_at(r, i)->a, &b));
        CNA_TRY(compare_step(r, node_at(r, i), &a, &b, &truth));
    }
    *out = cna_value_bool(truth);
    return CNA_OK;
}

static cna_status evaluate_logic(cna_rendering *r, const cna_node *node, cna_value *out)
{
    CNA_TRY(cna_eval(r, node->a, out));
    bool truth = cna_value_is_true(out);
    switch (node->kind) {
    case CNA_NODE_AND:
        return truth ? cna_eval(r, node->b, out) : CNA_OK;
    case CNA_NODE_OR:
        return truth ? CNA_OK : cna_eval(r, node->b, out);
    case CNA_NODE_CHOICE:
        *out = (cna_value){.kind = CNA_VALUE_UNDEFINED};
        if (!truth && node->c == 0) return CNA_OK;
        return cna_eval(r, truth ? node->b : node->c, out);
    default:
        *out = cna_value_bool(!truth);
        return CNA_OK;
    }
}

static cna_status evaluate(cna_rendering *r, const cna_node *node, cna_value *out)
{
    switch (node->kind) {
    case CNA_NODE_STRING:
        *out = cna_value_slice(node->span);
        return CNA_OK;
    case CNA_NODE_NUMBER:
        *out = cna_value_int(node->number);
        return CNA_OK;
    case CNA_NODE_REAL:
        *out = (cna_value){.kind = CNA_VALUE_REAL, .real = node->real};
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
    case CNA_NODE_LIST:
    case CNA_NODE_TUPLE:
        return evaluate_list(r, node, out);
    case CNA_NODE_DICT:
        return evaluate_dict(r, node, out);
    case CNA_NODE_CALL:
        return evaluate_call(r, node, out);
    case CNA_NODE_NOT:
    case CNA_NODE_AND:
    case CNA_NODE_OR:
    case CNA_NODE_CHOICE:
        return evaluate_logic(r, node, out);
    case CNA_NODE_COMPARE:
        return evaluate_comparison(r, node, out);
    default:
        return evaluate_operand(r, node, out);
    }
}

cna_status cna_eval(cna_rendering *r, uint32_t index, cna_value *out)
{
    const cna_node *node = node_at(r, index);
    *out = (cna_value){.kind = CNA_VALUE_UNDEFINED};
    CNA_TRY(cna_rendering_spend(r, node, 1));
    CNA_TRY(cna_rendering_enter(r, node));
    CNA_TRY(evaluate(r, node, out));
    r->depth--;
    return CNA_OK;
}
