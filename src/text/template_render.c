/* SPDX-License-Identifier: MIT
 * Statements of chat templates, and their scopes. */
#include <string.h>

#include "text/template_eval.h"

enum { OUTPUT_BYTES_MAX = 256 << 20 };

static const cna_node *node_at(const cna_rendering *r, uint32_t node)
{
    return &r->parsed->nodes[node];
}

static cna_status execute(cna_rendering *r, uint32_t list);

/* ----------------------------------------------------------------------------------------------------- variables */

cna_status cna_scope_enter(cna_rendering *r, const cna_node *node, cna_scope *outer)
{
    cna_scope *scope;
    CNA_TRY(cna_rendering_alloc(r, node, &scope, 1, sizeof *scope));
    scope->outer = outer;
    r->scope = scope;
    return CNA_OK;
}

cna_status cna_scope_set(cna_rendering *r, const cna_node *node, cna_slice name, cna_value v)
{
    for (cna_variable *known = r->scope->variables; known != NULL; known = known->next) {
        CNA_TRY(cna_rendering_spend(r, node, 1 + known->name.n / 64));
        if (known->name.n != name.n || memcmp(known->name.text, name.text, name.n) != 0) continue;
        known->value = v;
        return CNA_OK;
    }
    cna_variable *added;
    CNA_TRY(cna_rendering_alloc(r, node, &added, 1, sizeof *added));
    *added = (cna_variable){name, v, r->scope->variables};
    r->scope->variables = added;
    return CNA_OK;
}

/* name = v, namespace.name = v, or a, b = v. */
static cna_status assign(cna_rendering *r, const cna_node *target, const cna_value *v)
{
    if (target->kind == CNA_NODE_NAME) return cna_scope_set(r, target, target->span, *v);
    if (target->kind == CNA_NODE_MEMBER) {
        cna_value object, key = cna_value_slice(target->span);
        CNA_TRY(cna_eval(r, target->a, &object));
        if (object.kind != CNA_VALUE_NAMESPACE)
            return cna_rendering_fail(r, target, "it sets a member of something else than a namespace");
        return cna_dict_set(r, target, object.dict, &key, v);
    }
    const cna_value *items;
    size_t n, i = 0;
    CNA_TRY(cna_value_iterate(r, target, v, &items, &n));
    for (uint32_t to = target->a; to != 0; to = node_at(r, to)->next, i++) {
        if (i >= n) return cna_rendering_fail(r, target, "it unpacks too few values");
        CNA_TRY(assign(r, node_at(r, to), &items[i]));
    }
    return i == n ? CNA_OK : cna_rendering_fail(r, target, "it unpacks too many values");
}

/* -------------------------------------------------------------------------------------------------------- output */

static cna_status emit(cna_rendering *r, const cna_node *node, cna_slice text)
{
    CNA_TRY(cna_rendering_spend(r, node, text.n / 64 + 1));
    if (text.n > OUTPUT_BYTES_MAX - (r->out->size - r->out_begin))
        return cna_rendering_refuse(r, node, "more output than can be meant");
    return cna_buffer_add(r->out, text.text, text.n, r->err);
}

/* It is written behind what there is, copied from there, and taken away again. */
cna_status cna_render_to_text(cna_rendering *r, const cna_node *node, uint32_t list, cna_value *out)
{
    size_t begin = r->out->size;
    char *text;
    CNA_TRY(execute(r, list));
    size_t n = r->out->size - begin;
    CNA_TRY(cna_rendering_spend(r, node, n / 64));
    CNA_TRY(cna_rendering_alloc(r, node, &text, n + 1, 1));
    if (n != 0) memcpy(text, r->out->data + begin, n);
    r->out->size = begin;
    if (r->out->data != NULL) r->out->data[begin] = '\0';
    *out = cna_value_text(text, n);
    return CNA_OK;
}

/* The body of a block in a scope of its own. */
static cna_status render_block(cna_rendering *r, const cna_node *node, cna_value *out)
{
    cna_scope *scope = r->scope;
    CNA_TRY(cna_scope_enter(r, node, scope));
    CNA_TRY(cna_render_to_text(r, node, node->b, out));
    r->scope = scope;
    return CNA_OK;
}

/* Filters that begin with no operand, on a text. */
static cna_status apply_filters(cna_rendering *r, uint32_t filters, cna_value *v)
{
    if (filters == 0) return CNA_OK;
    const cna_node *node = node_at(r, filters);
    cna_arguments arguments;
    CNA_TRY(apply_filters(r, node->a, v)); /* no deeper than the parser allows */
    CNA_TRY(cna_eval_arguments(r, node->b, &arguments));
    cna_value operand = *v;
    return cna_eval_filter(r, node, node->span, &operand, &arguments, v);
}

/* --------------------------------------------------------------------------------------------------------- loops */

/* The items of a loop, those left out that its `if` is false for. */
static cna_status filter_items(cna_rendering *r, const cna_node *head, const cna_value **items, size_t *n)
{
    cna_scope *scope = r->scope;
    cna_value *kept, condition;
    size_t n_kept = 0;
    CNA_TRY(cna_rendering_alloc(r, head, &kept, *n, sizeof *kept));
    for (size_t i = 0; i < *n; i++) {
        CNA_TRY(cna_scope_enter(r, head, scope));
        CNA_TRY(assign(r, node_at(r, head->a), &(*items)[i]));
        CNA_TRY(cna_eval(r, head->c, &condition));
        if (cna_value_is_true(&condition)) kept[n_kept++] = (*items)[i];
    }
    r->scope = scope;
    *items = kept;
    *n = n_kept;
    return CNA_OK;
}

/* Each round has a scope of its own: what it sets is gone in the next. */
static cna_status execute_round(cna_rendering *r, const cna_node *node, const cna_value *items, size_t n, size_t at)
{
    const cna_node *target = node_at(r, node_at(r, node->a)->a);
    cna_scope *scope = r->scope;
    cna_loop *loop;
    CNA_TRY(cna_rendering_alloc(r, node, &loop, 1, sizeof *loop));
    *loop = (cna_loop){items, n, at};
    CNA_TRY(cna_scope_enter(r, node, scope));
    CNA_TRY(cna_scope_set(r, node, (cna_slice){"loop", 4}, (cna_value){.kind = CNA_VALUE_LOOP, .loop = loop}));
    CNA_TRY(assign(r, target, &items[at]));
    CNA_TRY(execute(r, node->b));
    r->scope = scope;
    return CNA_OK;
}

static cna_status execute_for(cna_rendering *r, const cna_node *node)
{
    const cna_node *head = node_at(r, node->a);
    cna_value list;
    const cna_value *items;
    size_t n;
    CNA_TRY(cna_eval(r, head->b, &list));
    CNA_TRY(cna_value_iterate(r, node_at(r, head->b), &list, &items, &n));
    if (head->c != 0) CNA_TRY(filter_items(r, head, &items, &n));
    for (size_t i = 0; i < n && r->jump != CNA_JUMP_BREAK; i++) {
        r->jump = CNA_JUMP_NONE;
        CNA_TRY(execute_round(r, node, items, n, i));
    }
    r->jump = CNA_JUMP_NONE;
    if (n != 0) return CNA_OK;
    cna_scope *scope = r->scope;
    CNA_TRY(cna_scope_enter(r, node, scope));
    CNA_TRY(execute(r, node->c));
    r->scope = scope;
    return CNA_OK;
}

/* --------------------------------------------------------------------------------------------------- other blocks */

static cna_status make_macro(cna_rendering *r, const cna_node *node, cna_slice name, uint32_t parameters,
                             cna_value *out)
{
    cna_macro *macro;
    CNA_TRY(cna_rendering_alloc(r, node, &macro, 1, sizeof *macro));
    *macro = (cna_macro){name, parameters, node->b, r->scope};
    *out = (cna_value){.kind = CNA_VALUE_MACRO, .macro = macro};
    return CNA_OK;
}

static cna_status execute_call_block(cna_rendering *r, const cna_node *node)
{
    const cna_node *call = node_at(r, node->a);
    cna_value callee, caller, v;
    cna_arguments arguments;
    cna_slice text;
    CNA_TRY(cna_eval(r, call->a, &callee));
    CNA_TRY(cna_eval_arguments(r, call->b, &arguments));
    CNA_TRY(make_macro(r, node, (cna_slice){"caller", 6}, node->c, &caller));
    CNA_TRY(cna_eval_call(r, call, &callee, &arguments, &caller, &v));
    CNA_TRY(cna_text_of(r, node, &v, &text));
    return emit(r, node, text);
}

static cna_status execute_with(cna_rendering *r, const cna_node *node)
{
    cna_scope *outer = r->scope, *inner;
    CNA_TRY(cna_scope_enter(r, node, outer));
    inner = r->scope;
    for (uint32_t i = node->a; i != 0; i = node_at(r, i)->next) {
        cna_value v;
        r->scope = outer; /* the values do not see one another */
        CNA_TRY(cna_eval(r, node_at(r, i)->a, &v));
        r->scope = inner;
        CNA_TRY(cna_scope_set(r, node, node_at(r, i)->span, v));
    }
    CNA_TRY(execute(r, node->b));
    r->scope = outer;
    return CNA_OK;
}

/* A block whose output goes through filters, and is then put out or kept in a variable. */
static cna_status execute_captured(cna_rendering *r, const cna_node *node)
{
    cna_value v;
    cna_slice text;
    CNA_TRY(render_block(r, node, &v));
    if (r->jump != CNA_JUMP_NONE) return CNA_OK; /* left from inside, so that nothing comes of it */
    CNA_TRY(apply_filters(r, node->kind == CNA_NODE_SET_BLOCK ? node->c : node->a, &v));
    if (node->kind == CNA_NODE_SET_BLOCK) return assign(r, node_at(r, node->a), &v);
    CNA_TRY(cna_text_of(r, node, &v, &text));
    return emit(r, node, text);
}

static cna_status execute_scope(cna_rendering *r, const cna_node *node)
{
    cna_scope *scope = r->scope;
    CNA_TRY(cna_scope_enter(r, node, scope));
    CNA_TRY(execute(r, node->b));
    r->scope = scope;
    return CNA_OK;
}

static cna_status execute_output(cna_rendering *r, const cna_node *node)
{
    cna_value v;
    cna_slice text;
    CNA_TRY(cna_eval(r, node->a, &v));
    CNA_TRY(cna_text_of(r, node_at(r, node->a), &v, &text));
    return emit(r, node, text);
}

static cna_status execute_one(cna_rendering *r, const cna_node *node)
{
    cna_value v;
    switch (node->kind) {
    case CNA_NODE_TEXT:
        return emit(r, node, node->span);
    case CNA_NODE_OUTPUT:
        return execute_output(r, node);
    case CNA_NODE_IF:
        CNA_TRY(cna_eval(r, node->a, &v));
        return execute(r, cna_value_is_true(&v) ? node->b : node->c);
    case CNA_NODE_FOR:
        return execute_for(r, node);
    case CNA_NODE_SET:
        CNA_TRY(cna_eval(r, node->b, &v));
        return assign(r, node_at(r, node->a), &v);
    case CNA_NODE_MACRO:
        CNA_TRY(make_macro(r, node, node->span, node->a, &v));
        return cna_scope_set(r, node, node->span, v);
    case CNA_NODE_CALL_BLOCK:
        return execute_call_block(r, node);
    case CNA_NODE_WITH:
        return execute_with(r, node);
    case CNA_NODE_SCOPE:
        return execute_scope(r, node);
    case CNA_NODE_BREAK:
    case CNA_NODE_CONTINUE:
        r->jump = node->kind == CNA_NODE_BREAK ? CNA_JUMP_BREAK : CNA_JUMP_CONTINUE;
        return CNA_OK;
    default:
        return execute_captured(r, node);
    }
}

static cna_status execute(cna_rendering *r, uint32_t list)
{
    if (list == 0) return CNA_OK;
    CNA_TRY(cna_rendering_enter(r, node_at(r, list)));
    for (uint32_t i = list; i != 0 && r->jump == CNA_JUMP_NONE; i = node_at(r, i)->next)
        CNA_TRY(execute_one(r, node_at(r, i)));
    r->depth--;
    return CNA_OK;
}

cna_status cna_template_render(const cna_template *parsed, const cna_template_input *input, cna_buffer *out,
                               cna_error *err)
{
    cna_rendering r = {.parsed = parsed, .input = input, .out = out, .out_begin = out->size, .err = err};
    cna_scope given = {0}; /* what templates are given; what they set is in a scope inside of it */
    cna_scope outermost = {.outer = &given};
    r.scope = &outermost;
    cna_status status = execute(&r, parsed->body);
    cna_arena_free(&r.arena);
    return status;
}
