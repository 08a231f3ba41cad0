/* SPDX-License-Identifier: MIT
 * Expressions of chat templates, in jinja2's order of precedence (parser.py). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/template_parser.h"

typedef cna_status parse_fn(cna_parser *p, uint32_t *out);

static parse_fn parse_unary, parse_primary;

/* ------------------------------------------------------------------------------------------------- primaries */

cna_status cna_parser_arguments(cna_parser *p, const char *close, uint32_t *out)
{
    uint32_t last = 0;
    *out = 0;
    while (!cna_parser_accept_operator(p, close)) {
        uint32_t item;
        cna_slice name = p->token->span;
        if (p->token->kind == CNA_TOKEN_NAME && p->token[1].kind == CNA_TOKEN_OPERATOR &&
            cna_slice_is(p->token[1].span, "=")) {
            p->token += 2;
            CNA_TRY(cna_parser_expression(p, &item));
            CNA_TRY(cna_parser_add(p, (cna_node){.kind = CNA_NODE_ARGUMENT, .a = item, .span = name}, &item));
        } else if (cna_parser_accept_operator(p, "*")) {
            CNA_TRY(cna_parser_expression(p, &item));
            CNA_TRY(cna_parser_add(p, (cna_node){.kind = CNA_NODE_SPREAD, .a = item}, &item));
        } else {
            CNA_TRY(cna_parser_expression(p, &item));
        }
        cna_parser_append(p, out, &last, item);
        if (!cna_parser_at_operator(p, close)) CNA_TRY(cna_parser_expect_operator(p, ","));
    }
    return CNA_OK;
}

static cna_status parse_list(cna_parser *p, uint32_t *out)
{
    cna_node node = {.kind = CNA_NODE_LIST};
    uint32_t last = 0;
    while (!cna_parser_accept_operator(p, "]")) {
        uint32_t item;
        CNA_TRY(cna_parser_expression(p, &item));
        cna_parser_append(p, &node.a, &last, item);
        if (!cna_parser_at_operator(p, "]")) CNA_TRY(cna_parser_expect_operator(p, ","));
    }
    return cna_parser_add(p, node, out);
}

static cna_status parse_dict(cna_parser *p, uint32_t *out)
{
    cna_node node = {.kind = CNA_NODE_DICT};
    uint32_t last = 0;
    while (!cna_parser_accept_operator(p, "}")) {
        cna_node pair = {.kind = CNA_NODE_PAIR};
        uint32_t item;
        CNA_TRY(cna_parser_expression(p, &pair.a));
        CNA_TRY(cna_parser_expect_operator(p, ":"));
        CNA_TRY(cna_parser_expression(p, &pair.b));
        CNA_TRY(cna_parser_add(p, pair, &item));
        cna_parser_append(p, &node.a, &last, item);
        if (!cna_parser_at_operator(p, "}")) CNA_TRY(cna_parser_expect_operator(p, ","));
    }
    return cna_parser_add(p, node, out);
}

/* Whether a tuple ends here: at a closing bracket or the end of the tag. */
static bool ends_tuple(const cna_parser *p)
{
    return p->token->kind == CNA_TOKEN_CLOSE || p->token->kind == CNA_TOKEN_END ||
           cna_parser_at_operator(p, ")");
}

cna_status cna_parser_tuple(cna_parser *p, bool with_choice, uint32_t *out)
{
    cna_node node = {.kind = CNA_NODE_TUPLE};
    uint32_t last = 0, item = 0;
    bool is_tuple = false;
    while (!ends_tuple(p)) {
        CNA_TRY(with_choice ? cna_parser_expression(p, &item) : cna_parser_condition(p, &item));
        cna_parser_append(p, &node.a, &last, item);
        if (!cna_parser_accept_operator(p, ",")) break;
        is_tuple = true;
    }
    if (node.a == 0 && !cna_parser_at_operator(p, ")")) return cna_parser_refuse(p);
    if (node.a != 0 && !is_tuple) {
        *out = node.a;
        return CNA_OK;
    }
    return cna_parser_add(p, node, out);
}

static cna_status parse_name(cna_parser *p, uint32_t *out)
{
    static const struct {
        const char *name;
        cna_node_kind kind;
    } constants[] = {{"true", CNA_NODE_TRUE},   {"True", CNA_NODE_TRUE}, {"false", CNA_NODE_FALSE},
                     {"False", CNA_NODE_FALSE}, {"none", CNA_NODE_NONE}, {"None", CNA_NODE_NONE}};
    cna_node node = {.kind = CNA_NODE_NAME, .span = p->token->span};
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
        if (cna_parser_at_name(p, constants[i].name)) node.kind = constants[i].kind;
    }
    p->token++;
    return cna_parser_add(p, node, out);
}

/* Neighbouring literals are one text; it is moved together in the source, where only quotes and white space are
 * between them. */
static cna_status parse_string(cna_parser *p, uint32_t *out)
{
    cna_slice joined = (p->token++)->span;
    char *base = p->parsed->source;
    while (p->token->kind == CNA_TOKEN_STRING) {
        cna_slice more = (p->token++)->span;
        memmove(base + (joined.text - base) + joined.n, more.text, more.n);
        joined.n += more.n;
    }
    return cna_parser_add(p, (cna_node){.kind = CNA_NODE_STRING, .span = joined}, out);
}

static cna_status parse_number(cna_parser *p, uint32_t *out)
{
    const cna_token *token = p->token++;
    char text[48];
    snprintf(text, sizeof text, "%.*s", (int)token->span.n, token->span.text); /* at most 40: see the lexer */
    if (token->kind == CNA_TOKEN_NUMBER)
        return cna_parser_add(p, (cna_node){.kind = CNA_NODE_NUMBER, .number = strtoll(text, NULL, 10)}, out);
    return cna_parser_add(p, (cna_node){.kind = CNA_NODE_REAL, .real = strtod(text, NULL)}, out);
}

static cna_status parse_primary(cna_parser *p, uint32_t *out)
{
    if (p->token->kind == CNA_TOKEN_NAME) return parse_name(p, out);
    if (p->token->kind == CNA_TOKEN_STRING) return parse_string(p, out);
    if (p->token->kind == CNA_TOKEN_NUMBER || p->token->kind == CNA_TOKEN_REAL) return parse_number(p, out);
    CNA_TRY(cna_parser_enter(p));
    if (cna_parser_accept_operator(p, "(")) {
        CNA_TRY(cna_parser_tuple(p, true, out));
        CNA_TRY(cna_parser_expect_operator(p, ")"));
    } else if (cna_parser_accept_operator(p, "[")) {
        CNA_TRY(parse_list(p, out));
    } else if (cna_parser_accept_operator(p, "{")) {
        CNA_TRY(parse_dict(p, out));
    } else {
        return cna_parser_refuse(p);
    }
    p->nesting--;
    return CNA_OK;
}

/* ------------------------------------------------------------------------------------------ what follows them */

static cna_status parse_bound(cna_parser *p, uint32_t *out)
{
    if (cna_parser_at_operator(p, ":") || cna_parser_at_operator(p, "]")) return CNA_OK;
    return cna_parser_expression(p, out);
}

/* a[b], a[b:c:d] with any absent. */
static cna_status parse_subscript(cna_parser *p, uint32_t *out)
{
    cna_node node = {.kind = CNA_NODE_ITEM, .a = *out};
    cna_node bounds = {.kind = CNA_NODE_BOUNDS};
    CNA_TRY(parse_bound(p, &bounds.a));
    if (!cna_parser_accept_operator(p, ":")) {
        if (bounds.a == 0) return cna_parser_refuse(p);
        node.b = bounds.a;
        CNA_TRY(cna_parser_expect_operator(p, "]"));
        return cna_parser_add(p, node, out);
    }
    CNA_TRY(parse_bound(p, &bounds.b));
    if (cna_parser_accept_operator(p, ":")) CNA_TRY(parse_bound(p, &bounds.c));
    CNA_TRY(cna_parser_expect_operator(p, "]"));
    node.kind = CNA_NODE_SLICE;
    CNA_TRY(cna_parser_add(p, bounds, &node.b));
    return cna_parser_add(p, node, out);
}

static cna_status parse_call(cna_parser *p, uint32_t *out)
{
    cna_node node = {.kind = CNA_NODE_CALL, .a = *out};
    CNA_TRY(cna_parser_arguments(p, ")", &node.b));
    return cna_parser_add(p, node, out);
}

static cna_status parse_postfix(cna_parser *p, uint32_t *out)
{
    for (;;) {
        if (cna_parser_accept_operator(p, ".")) {
            cna_node node = {.kind = CNA_NODE_MEMBER, .a = *out};
            if (p->token->kind == CNA_TOKEN_NUMBER) { /* a.0 is a[0] */
                node.kind = CNA_NODE_ITEM;
                CNA_TRY(parse_number(p, &node.b));
            } else {
                CNA_TRY(cna_parser_take_name(p, &node.span));
            }
            CNA_TRY(cna_parser_add(p, node, out));
        } else if (cna_parser_accept_operator(p, "[")) {
            CNA_TRY(parse_subscript(p, out));
        } else if (cna_parser_accept_operator(p, "(")) {
            CNA_TRY(parse_call(p, out));
        } else {
            return CNA_OK;
        }
    }
}

cna_status cna_parser_filters(cna_parser *p, bool bar_taken, uint32_t *out)
{
    while (bar_taken || cna_parser_accept_operator(p, "|")) {
        cna_node node = {.kind = CNA_NODE_FILTER, .a = *out};
        bar_taken = false;
        CNA_TRY(cna_parser_take_name(p, &node.span));
        if (cna_parser_accept_operator(p, "(")) CNA_TRY(cna_parser_arguments(p, ")", &node.b));
        CNA_TRY(cna_parser_add(p, node, out));
    }
    return CNA_OK;
}

/* `x is y`, `x is y(z)`, `x is y z`. */
static cna_status parse_test(cna_parser *p, uint32_t *out)
{
    cna_node node = {.kind = CNA_NODE_TEST, .a = *out};
    bool negated = cna_parser_accept_name(p, "not");
    CNA_TRY(cna_parser_take_name(p, &node.span));
    cna_token_kind next = p->token->kind;
    if (cna_parser_accept_operator(p, "(")) {
        CNA_TRY(cna_parser_arguments(p, ")", &node.b));
    } else if (next == CNA_TOKEN_STRING || next == CNA_TOKEN_NUMBER || next == CNA_TOKEN_REAL ||
               cna_parser_at_operator(p, "[") || cna_parser_at_operator(p, "{") ||
               (next == CNA_TOKEN_NAME && !cna_parser_at_name(p, "and") && !cna_parser_at_name(p, "or") &&
                !cna_parser_at_name(p, "else"))) {
        if (cna_parser_at_name(p, "is")) return cna_parser_refuse(p);
        CNA_TRY(parse_primary(p, &node.b));
        CNA_TRY(parse_postfix(p, &node.b));
    }
    CNA_TRY(cna_parser_add(p, node, out));
    return negated ? cna_parser_add(p, (cna_node){.kind = CNA_NODE_NOT, .a = *out}, out) : CNA_OK;
}

/* -a binds tighter than a filter behind it, and looser than a member. */
static cna_status parse_signed(cna_parser *p, uint32_t *out)
{
    cna_node node = {.kind = CNA_NODE_SIGN, .span = p->token->span};
    if (cna_parser_accept_operator(p, "-") || cna_parser_accept_operator(p, "+")) {
        CNA_TRY(cna_parser_enter(p));
        CNA_TRY(parse_signed(p, &node.a));
        p->nesting--;
        CNA_TRY(cna_parser_add(p, node, out));
    } else {
        CNA_TRY(parse_primary(p, out));
    }
    return parse_postfix(p, out);
}

static cna_status parse_unary(cna_parser *p, uint32_t *out)
{
    CNA_TRY(parse_signed(p, out));
    for (;;) {
        if (cna_parser_at_operator(p, "|"))
            CNA_TRY(cna_parser_filters(p, false, out));
        else if (cna_parser_accept_name(p, "is"))
            CNA_TRY(parse_test(p, out));
        else if (cna_parser_accept_operator(p, "("))
            CNA_TRY(parse_call(p, out));
        else
            return CNA_OK;
    }
}

/* ------------------------------------------------------------------------------------------------- operators */

/* A row of operators of one strength, from the left; `names` ends with NULL. */
static cna_status parse_row(cna_parser *p, const char *const *names, parse_fn *operand, uint32_t *out)
{
    CNA_TRY(operand(p, out));
    for (;;) {
        const char *const *name = names;
        while (*name != NULL && !cna_parser_at_operator(p, *name)) name++;
        if (*name == NULL) return CNA_OK;
        cna_node node = {.kind = CNA_NODE_OPERATION, .a = *out, .span = (p->token++)->span};
        CNA_TRY(operand(p, &node.b));
        CNA_TRY(cna_parser_add(p, node, out));
    }
}

static cna_status parse_power(cna_parser *p, uint32_t *out)
{
    static const char *const names[] = {"**", NULL};
    return parse_row(p, names, parse_unary, out);
}

static cna_status parse_product(cna_parser *p, uint32_t *out)
{
    static const char *const names[] = {"*", "/", "//", "%", NULL};
    return parse_row(p, names, parse_power, out);
}

static cna_status parse_joined(cna_parser *p, uint32_t *out)
{
    static const char *const names[] = {"~", NULL};
    return parse_row(p, names, parse_product, out);
}

static cna_status parse_sum(cna_parser *p, uint32_t *out)
{
    static const char *const names[] = {"+", "-", NULL};
    return parse_row(p, names, parse_joined, out);
}

static bool accept_comparison(cna_parser *p, cna_node *step)
{
    static const char *const names[] = {"==", "!=", "<", ">", "<=", ">=", NULL};
    step->number = cna_parser_at_name(p, "not") && p->token[1].kind == CNA_TOKEN_NAME &&
                   cna_slice_is(p->token[1].span, "in");
    if (step->number != 0) p->token++;
    const char *const *found = names;
    while (*found != NULL && !cna_parser_at_operator(p, *found)) found++;
    if (*found == NULL && !cna_parser_at_name(p, "in")) return false;
    step->span = (p->token++)->span;
    return true;
}

static cna_status parse_comparison(cna_parser *p, uint32_t *out)
{
    cna_node node = {.kind = CNA_NODE_COMPARE};
    cna_node step = {.kind = CNA_NODE_STEP};
    uint32_t last = 0;
    CNA_TRY(parse_sum(p, &node.a));
    while (accept_comparison(p, &step)) {
        uint32_t item;
        CNA_TRY(parse_sum(p, &step.a));
        CNA_TRY(cna_parser_add(p, step, &item));
        cna_parser_append(p, &node.b, &last, item);
    }
    if (node.b != 0) return cna_parser_add(p, node, out);
    *out = node.a;
    return CNA_OK;
}

static cna_status parse_not(cna_parser *p, uint32_t *out)
{
    size_t n = 0;
    while (cna_parser_accept_name(p, "not")) n++;
    CNA_TRY(parse_comparison(p, out));
    for (; n != 0; n--) CNA_TRY(cna_parser_add(p, (cna_node){.kind = CNA_NODE_NOT, .a = *out}, out));
    return CNA_OK;
}

/* Operands with a word between, from the left. */
static cna_status parse_words(cna_parser *p, const char *word, cna_node_kind kind, parse_fn *operand, uint32_t *out)
{
    CNA_TRY(operand(p, out));
    while (cna_parser_accept_name(p, word)) {
        cna_node node = {.kind = kind, .a = *out};
        CNA_TRY(operand(p, &node.b));
        CNA_TRY(cna_parser_add(p, node, out));
    }
    return CNA_OK;
}

static cna_status parse_and(cna_parser *p, uint32_t *out)
{
    return parse_words(p, "and", CNA_NODE_AND, parse_not, out);
}

cna_status cna_parser_condition(cna_parser *p, uint32_t *out)
{
    return parse_words(p, "or", CNA_NODE_OR, parse_and, out);
}

cna_status cna_parser_expression(cna_parser *p, uint32_t *out)
{
    CNA_TRY(cna_parser_enter(p));
    CNA_TRY(cna_parser_condition(p, out));
    while (cna_parser_accept_name(p, "if")) {
        cna_node node = {.kind = CNA_NODE_CHOICE, .b = *out};
        CNA_TRY(cna_parser_condition(p, &node.a));
        if (cna_parser_accept_name(p, "else")) CNA_TRY(cna_parser_expression(p, &node.c));
        CNA_TRY(cna_parser_add(p, node, out));
    }
    p->nesting--;
    return CNA_OK;
}
