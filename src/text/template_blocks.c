/* SPDX-License-Identifier: MIT
 * Statements of chat templates: what stands between {% and %}. */
#include "text/template_parser.h"

static cna_status expect_end(cna_parser *p, const char *name)
{
    if (!cna_parser_accept_name(p, name)) return cna_parser_refuse(p);
    return cna_parser_expect_close(p);
}

/* The body of a block of which the head has been read, and its end. */
static cna_status parse_body(cna_parser *p, const char *end, uint32_t *out)
{
    CNA_TRY(cna_parser_expect_close(p));
    CNA_TRY(cna_parser_statements(p, out));
    return expect_end(p, end);
}

/* The same for a body that is a function to jinja2: a loop outside of it cannot be left from inside. */
static cna_status parse_function_body(cna_parser *p, const char *end, uint32_t *out)
{
    size_t n_loops = p->n_loops;
    p->n_loops = 0;
    CNA_TRY(parse_body(p, end, out));
    p->n_loops = n_loops;
    return CNA_OK;
}

/* ----------------------------------------------------------------------------------------------- assignments */

static cna_status parse_one_target(cna_parser *p, bool with_members, uint32_t *out)
{
    cna_node node = {.kind = CNA_NODE_NAME};
    CNA_TRY(cna_parser_take_name(p, &node.span));
    CNA_TRY(cna_parser_add(p, node, out));
    if (!with_members || !cna_parser_accept_operator(p, ".")) return CNA_OK;
    node = (cna_node){.kind = CNA_NODE_MEMBER, .a = *out};
    CNA_TRY(cna_parser_take_name(p, &node.span));
    return cna_parser_add(p, node, out);
}

cna_status cna_parser_target(cna_parser *p, bool with_members, uint32_t *out)
{
    cna_node node = {.kind = CNA_NODE_TUPLE};
    bool bracket = cna_parser_accept_operator(p, "(");
    uint32_t last = 0, item;
    CNA_TRY(parse_one_target(p, with_members, &item));
    cna_parser_append(p, &node.a, &last, item);
    while (cna_parser_accept_operator(p, ",")) {
        CNA_TRY(parse_one_target(p, with_members, &item));
        cna_parser_append(p, &node.a, &last, item);
    }
    if (bracket) CNA_TRY(cna_parser_expect_operator(p, ")"));
    *out = node.a;
    return node.a == last ? CNA_OK : cna_parser_add(p, node, out);
}

/* {% set x = y %} or {% set x | filters %}...{% endset %} */
static cna_status parse_set(cna_parser *p, uint32_t *out)
{
    cna_node node = {.kind = CNA_NODE_SET};
    CNA_TRY(cna_parser_target(p, true, &node.a));
    if (cna_parser_accept_operator(p, "=")) {
        CNA_TRY(cna_parser_tuple(p, true, &node.b));
        CNA_TRY(cna_parser_expect_close(p));
        return cna_parser_add(p, node, out);
    }
    node.kind = CNA_NODE_SET_BLOCK;
    CNA_TRY(cna_parser_filters(p, false, &node.c));
    CNA_TRY(parse_body(p, "endset", &node.b));
    return cna_parser_add(p, node, out);
}

static cna_status parse_with(cna_parser *p, uint32_t *out)
{
    cna_node node = {.kind = CNA_NODE_WITH};
    uint32_t last = 0;
    while (p->token->kind != CNA_TOKEN_CLOSE) {
        cna_node item = {.kind = CNA_NODE_ARGUMENT};
        uint32_t added;
        if (node.a != 0) CNA_TRY(cna_parser_expect_operator(p, ","));
        CNA_TRY(cna_parser_take_name(p, &item.span));
        CNA_TRY(cna_parser_expect_operator(p, "="));
        CNA_TRY(cna_parser_expression(p, &item.a));
        CNA_TRY(cna_parser_add(p, item, &added));
        cna_parser_append(p, &node.a, &last, added);
    }
    CNA_TRY(parse_body(p, "endwith", &node.b));
    return cna_parser_add(p, node, out);
}

/* ------------------------------------------------------------------------------------------- choices and loops */

/* After `{% if` or `{% elif`; an elif is an if in the list of the else. */
static cna_status parse_if(cna_parser *p, uint32_t *out)
{
    cna_node node = {.kind = CNA_NODE_IF};
    CNA_TRY(cna_parser_enter(p));
    CNA_TRY(cna_parser_tuple(p, false, &node.a));
    CNA_TRY(cna_parser_expect_close(p));
    CNA_TRY(cna_parser_statements(p, &node.b));
    if (cna_parser_accept_name(p, "elif")) {
        CNA_TRY(parse_if(p, &node.c));
    } else {
        if (cna_parser_accept_name(p, "else")) {
            CNA_TRY(cna_parser_expect_close(p));
            CNA_TRY(cna_parser_statements(p, &node.c));
        }
        CNA_TRY(expect_end(p, "endif"));
    }
    p->nesting--;
    return cna_parser_add(p, node, out);
}

static cna_status parse_for(cna_parser *p, uint32_t *out)
{
    cna_node node = {.kind = CNA_NODE_FOR};
    cna_node head = {.kind = CNA_NODE_FOR_HEAD};
    CNA_TRY(cna_parser_target(p, false, &head.a));
    if (!cna_parser_accept_name(p, "in")) return cna_parser_refuse(p);
    CNA_TRY(cna_parser_tuple(p, false, &head.b));
    if (cna_parser_accept_name(p, "if")) CNA_TRY(cna_parser_expression(p, &head.c));
    CNA_TRY(cna_parser_expect_close(p)); /* which also refuses `recursive` */
    CNA_TRY(cna_parser_add(p, head, &node.a));
    p->n_loops++;
    CNA_TRY(cna_parser_statements(p, &node.b));
    p->n_loops--;
    if (cna_parser_accept_name(p, "else")) {
        CNA_TRY(cna_parser_expect_close(p));
        CNA_TRY(cna_parser_statements(p, &node.c));
    }
    CNA_TRY(expect_end(p, "endfor"));
    return cna_parser_add(p, node, out);
}

static cna_status parse_jump(cna_parser *p, cna_node_kind kind, uint32_t *out)
{
    if (p->n_loops == 0) {
        p->token--;
        return cna_parser_refuse(p);
    }
    CNA_TRY(cna_parser_expect_close(p));
    return cna_parser_add(p, (cna_node){.kind = kind}, out);
}

/* ---------------------------------------------------------------------------------------------------- functions */

/* (a, b=1) after the opening bracket. */
static cna_status parse_parameters(cna_parser *p, uint32_t *out)
{
    uint32_t last = 0, added;
    *out = 0;
    while (!cna_parser_accept_operator(p, ")")) {
        cna_node item = {.kind = CNA_NODE_ARGUMENT};
        CNA_TRY(cna_parser_take_name(p, &item.span));
        if (cna_parser_accept_operator(p, "=")) CNA_TRY(cna_parser_expression(p, &item.a));
        CNA_TRY(cna_parser_add(p, item, &added));
        cna_parser_append(p, out, &last, added);
        if (!cna_parser_at_operator(p, ")")) CNA_TRY(cna_parser_expect_operator(p, ","));
    }
    return CNA_OK;
}

static cna_status parse_macro(cna_parser *p, uint32_t *out)
{
    cna_node node = {.kind = CNA_NODE_MACRO};
    CNA_TRY(cna_parser_take_name(p, &node.span));
    CNA_TRY(cna_parser_expect_operator(p, "("));
    CNA_TRY(parse_parameters(p, &node.a));
    CNA_TRY(parse_function_body(p, "endmacro", &node.b));
    return cna_parser_add(p, node, out);
}

/* {% call(x) f(y) %}...{% endcall %} */
static cna_status parse_call_block(cna_parser *p, uint32_t *out)
{
    cna_node node = {.kind = CNA_NODE_CALL_BLOCK};
    if (cna_parser_accept_operator(p, "(")) CNA_TRY(parse_parameters(p, &node.c));
    CNA_TRY(cna_parser_expression(p, &node.a));
    if (p->parsed->nodes[node.a].kind != CNA_NODE_CALL) return cna_parser_refuse(p);
    CNA_TRY(parse_function_body(p, "endcall", &node.b));
    return cna_parser_add(p, node, out);
}

static cna_status parse_filter_block(cna_parser *p, uint32_t *out)
{
    cna_node node = {.kind = CNA_NODE_FILTER_BLOCK};
    CNA_TRY(cna_parser_filters(p, true, &node.a));
    CNA_TRY(parse_body(p, "endfilter", &node.b));
    return cna_parser_add(p, node, out);
}

/* What transformers adds to Jinja: a part of the text that an assistant wrote. Rendered as its body. */
static cna_status parse_generation(cna_parser *p, uint32_t *out)
{
    cna_node node = {.kind = CNA_NODE_SCOPE};
    CNA_TRY(parse_function_body(p, "endgeneration", &node.b));
    return cna_parser_add(p, node, out);
}

/* --------------------------------------------------------------------------------------------------- statements */

static cna_status parse_statement(cna_parser *p, uint32_t *out)
{
    static const struct {
        const char *name;
        cna_status (*parse)(cna_parser *p, uint32_t *out);
    } blocks[] = {{"if", parse_if},       {"for", parse_for},         {"set", parse_set},
                  {"macro", parse_macro}, {"call", parse_call_block}, {"filter", parse_filter_block},
                  {"with", parse_with},   {"generation", parse_generation}};
    const cna_token *token = p->token++;
    if (token->kind == CNA_TOKEN_TEXT)
        return cna_parser_add(p, (cna_node){.kind = CNA_NODE_TEXT, .span = token->span}, out);
    if (token->kind == CNA_TOKEN_OUTPUT) {
        cna_node node = {.kind = CNA_NODE_OUTPUT};
        CNA_TRY(cna_parser_tuple(p, true, &node.a));
        CNA_TRY(cna_parser_expect_close(p));
        return cna_parser_add(p, node, out);
    }
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        if (cna_parser_accept_name(p, blocks[i].name)) return blocks[i].parse(p, out);
    }
    if (cna_parser_accept_name(p, "break")) return parse_jump(p, CNA_NODE_BREAK, out);
    if (cna_parser_accept_name(p, "continue")) return parse_jump(p, CNA_NODE_CONTINUE, out);
    return cna_parser_refuse(p);
}

cna_status cna_parser_statements(cna_parser *p, uint32_t *out)
{
    static const char *const ends[] = {"elif",    "else",      "endif",   "endfor",       "endset", "endmacro",
                                       "endcall", "endfilter", "endwith", "endgeneration"};
    uint32_t last = 0;
    *out = 0;
    CNA_TRY(cna_parser_enter(p));
    while (p->token->kind != CNA_TOKEN_END) {
        if (p->token->kind == CNA_TOKEN_BLOCK && p->token[1].kind == CNA_TOKEN_NAME) {
            for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
                if (!cna_slice_is(p->token[1].span, ends[i])) continue;
                p->token++;
                p->nesting--;
                return CNA_OK;
            }
        }
        uint32_t statement;
        CNA_TRY(parse_statement(p, &statement));
        cna_parser_append(p, out, &last, statement);
    }
    p->nesting--;
    return CNA_OK;
}
