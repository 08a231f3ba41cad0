/* SPDX-License-Identifier: MIT
 * The tree of a chat template: recursive descent over its tokens, in jinja2's order of precedence
 * (parser.py). */
#include <stdlib.h>
#include <string.h>

#include "text/template_parts.h"

/* Brackets and blocks inside of one another, and operators in a row: enough for any template met, and a bound
 * for recursion here and in the evaluation. */
enum { DEPTH_MAX = 200, NESTING_MAX = 50 };

typedef struct parser {
    cna_template *parsed;
    const cna_token *token; /* the next one */
    size_t nesting;
    cna_error *err;
} parser;

typedef cna_status parse_fn(parser *p, uint32_t *out);

static parse_fn parse_expression, parse_unary;
static cna_status parse_statements(parser *p, uint32_t *out);

static cna_status refuse_token(const parser *p)
{
    static const char *const names[] = {
        "text",     "'{{'",       "'{%'",         "the end of a tag",       "the name",
        "the text", "the number", "the operator", "the end of the template"};
    return cna_template_refuse(p->err, p->parsed->where, p->token->line, names[p->token->kind],
                               p->token->span);
}

static uint32_t depth_of(const parser *p, uint32_t node)
{
    return p->parsed->nodes[node].depth;
}

static cna_status add(parser *p, cna_node node, uint32_t *out)
{
    cna_template *parsed = p->parsed;
    uint32_t depth = depth_of(p, node.a);
    if (depth_of(p, node.b) > depth) depth = depth_of(p, node.b);
    if (depth_of(p, node.c) > depth) depth = depth_of(p, node.c);
    node.depth = depth + 1;
    node.line = p->token->line;
    if (node.depth > DEPTH_MAX || parsed->n_nodes > UINT32_MAX - 2) {
        return cna_template_refuse(p->err, parsed->where, node.line, "an expression that is too long",
                                   (cna_slice){0});
    }
    CNA_TRY(
        cna_grow(&parsed->nodes, &parsed->capacity, parsed->n_nodes + 1, sizeof node, "template", p->err));
    *out = (uint32_t)parsed->n_nodes;
    parsed->nodes[parsed->n_nodes++] = node;
    return CNA_OK;
}

/* Append to a list; *last is its last node, 0 while it is empty. */
static void append(parser *p, uint32_t *first, uint32_t *last, uint32_t node)
{
    if (*first == 0)
        *first = node;
    else
        p->parsed->nodes[*last].next = node;
    *last = node;
    if (depth_of(p, node) > depth_of(p, *first)) p->parsed->nodes[*first].depth = depth_of(p, node);
}

static bool is_operator(const parser *p, const char *text)
{
    return p->token->kind == CNA_TOKEN_OPERATOR && cna_slice_is(p->token->span, text);
}

static bool is_name(const parser *p, const char *text)
{
    return p->token->kind == CNA_TOKEN_NAME && cna_slice_is(p->token->span, text);
}

static bool accept_operator(parser *p, const char *text)
{
    bool found = is_operator(p, text);
    if (found) p->token++;
    return found;
}

static bool accept_name(parser *p, const char *text)
{
    bool found = is_name(p, text);
    if (found) p->token++;
    return found;
}

static cna_status expect_operator(parser *p, const char *text)
{
    return accept_operator(p, text) ? CNA_OK : refuse_token(p);
}

static cna_status expect_close(parser *p)
{
    if (p->token->kind != CNA_TOKEN_CLOSE) return refuse_token(p);
    p->token++;
    return CNA_OK;
}

static cna_status take_name(parser *p, cna_slice *out)
{
    if (p->token->kind != CNA_TOKEN_NAME) return refuse_token(p);
    *out = (p->token++)->span;
    return CNA_OK;
}

static cna_status enter(parser *p)
{
    return ++p->nesting <= NESTING_MAX ? CNA_OK : refuse_token(p);
}

/* ------------------------------------------------------------------------------------------- expressions */

/* Expressions and name=expression up to the closing bracket. */
static cna_status parse_list(parser *p, const char *close, uint32_t *out)
{
    uint32_t last = 0;
    *out = 0;
    while (!accept_operator(p, close)) {
        uint32_t item;
        cna_slice name = p->token->span;
        if (p->token->kind == CNA_TOKEN_NAME && p->token[1].kind == CNA_TOKEN_OPERATOR &&
            cna_slice_is(p->token[1].span, "=")) {
            p->token += 2;
            CNA_TRY(parse_expression(p, &item));
            CNA_TRY(add(p, (cna_node){.kind = CNA_NODE_ARGUMENT, .a = item, .span = name}, &item));
        } else {
            CNA_TRY(parse_expression(p, &item));
        }
        append(p, out, &last, item);
        if (!is_operator(p, close)) CNA_TRY(expect_operator(p, ","));
    }
    return CNA_OK;
}

static cna_status parse_name(parser *p, uint32_t *out)
{
    static const struct {
        const char *name;
        cna_node_kind kind;
    } constants[] = {{"true", CNA_NODE_TRUE},   {"True", CNA_NODE_TRUE}, {"false", CNA_NODE_FALSE},
                     {"False", CNA_NODE_FALSE}, {"none", CNA_NODE_NONE}, {"None", CNA_NODE_NONE}};
    cna_node node = {.kind = CNA_NODE_NAME, .span = p->token->span};
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
        if (is_name(p, constants[i].name)) node.kind = constants[i].kind;
    }
    p->token++;
    return add(p, node, out);
}

static cna_status parse_primary(parser *p, uint32_t *out)
{
    cna_node node = {.span = p->token->span};
    switch (p->token->kind) {
    case CNA_TOKEN_NAME:
        return parse_name(p, out);
    case CNA_TOKEN_STRING:
        /* Neighbouring literals are one text to Jinja. */
        if (p->token[1].kind == CNA_TOKEN_STRING) break;
        p->token++;
        node.kind = CNA_NODE_STRING;
        return add(p, node, out);
    case CNA_TOKEN_NUMBER:
        /* At most nine digits: see the lexer. */
        node.kind = CNA_NODE_NUMBER;
        node.number = strtol((p->token++)->span.text, NULL, 10);
        return add(p, node, out);
    default:
        break;
    }
    if (accept_operator(p, "(")) {
        CNA_TRY(parse_expression(p, out));
        return expect_operator(p, ")");
    }
    if (accept_operator(p, "[")) {
        node.kind = CNA_NODE_LIST;
        CNA_TRY(parse_list(p, "]", &node.a));
        return add(p, node, out);
    }
    return refuse_token(p);
}

/* a[b], a[b:c] with either absent. */
static cna_status parse_subscript(parser *p, uint32_t *out)
{
    cna_node node = {.kind = CNA_NODE_ITEM, .a = *out};
    if (!is_operator(p, ":")) CNA_TRY(parse_expression(p, &node.b));
    if (accept_operator(p, ":")) {
        node.kind = CNA_NODE_SLICE;
        if (!is_operator(p, "]")) CNA_TRY(parse_expression(p, &node.c));
    }
    CNA_TRY(expect_operator(p, "]"));
    return add(p, node, out);
}

static cna_status parse_filter(parser *p, uint32_t *out)
{
    cna_node node = {.kind = CNA_NODE_FILTER, .a = *out};
    CNA_TRY(take_name(p, &node.span));
    if (accept_operator(p, "(")) CNA_TRY(parse_list(p, ")", &node.b));
    return add(p, node, out);
}

/* Tests with an argument are none of those that are known. */
static cna_status parse_test(parser *p, uint32_t *out)
{
    cna_node node = {.kind = CNA_NODE_TEST, .a = *out};
    bool negated = accept_name(p, "not");
    CNA_TRY(take_name(p, &node.span));
    bool argument =
        p->token->kind == CNA_TOKEN_STRING || p->token->kind == CNA_TOKEN_NUMBER || is_operator(p, "(") ||
        is_operator(p, "[") || is_operator(p, "{") ||
        (p->token->kind == CNA_TOKEN_NAME && !is_name(p, "and") && !is_name(p, "or") && !is_name(p, "else"));
    if (argument) return refuse_token(p);
    CNA_TRY(add(p, node, out));
    return negated ? add(p, (cna_node){.kind = CNA_NODE_NOT, .a = *out}, out) : CNA_OK;
}

/* What may follow a primary: members, subscripts, calls; then filters, tests and calls of those. */
static cna_status parse_postfix(parser *p, uint32_t *out)
{
    bool filtered = false;
    for (;;) {
        if (!filtered && accept_operator(p, ".")) {
            cna_node node = {.kind = CNA_NODE_MEMBER, .a = *out};
            CNA_TRY(take_name(p, &node.span));
            CNA_TRY(add(p, node, out));
        } else if (!filtered && accept_operator(p, "[")) {
            CNA_TRY(parse_subscript(p, out));
        } else if (accept_operator(p, "(")) {
            cna_node node = {.kind = CNA_NODE_CALL, .a = *out};
            CNA_TRY(parse_list(p, ")", &node.b));
            CNA_TRY(add(p, node, out));
        } else if (accept_operator(p, "|")) {
            filtered = true;
            CNA_TRY(parse_filter(p, out));
        } else if (accept_name(p, "is")) {
            filtered = true;
            CNA_TRY(parse_test(p, out));
        } else {
            return CNA_OK;
        }
    }
}

static cna_status parse_unary(parser *p, uint32_t *out)
{
    if (!is_operator(p, "-")) {
        CNA_TRY(parse_primary(p, out));
        return parse_postfix(p, out);
    }
    /* Jinja's -a binds tighter than a filter after it; no template needs to know. */
    p->token++;
    if (p->token->kind != CNA_TOKEN_NUMBER) return refuse_token(p);
    CNA_TRY(parse_primary(p, out));
    return add(p, (cna_node){.kind = CNA_NODE_NEGATIVE, .a = *out}, out);
}

/* A row of operators of one strength, from the left; `names` ends with NULL. */
static cna_status parse_row(parser *p, const char *const *names, parse_fn *operand, uint32_t *out)
{
    CNA_TRY(operand(p, out));
    for (;;) {
        const char *const *name = names;
        while (*name != NULL && !is_operator(p, *name)) name++;
        if (*name == NULL) return CNA_OK;
        cna_node node = {.kind = CNA_NODE_OPERATION, .a = *out, .span = (p->token++)->span};
        CNA_TRY(operand(p, &node.b));
        CNA_TRY(add(p, node, out));
    }
}

static cna_status parse_product(parser *p, uint32_t *out)
{
    static const char *const names[] = {"*", "/", "//", "%", "**", NULL};
    return parse_row(p, names, parse_unary, out);
}

static cna_status parse_joined(parser *p, uint32_t *out)
{
    static const char *const names[] = {"~", NULL};
    return parse_row(p, names, parse_product, out);
}

static cna_status parse_sum(parser *p, uint32_t *out)
{
    static const char *const names[] = {"+", "-", NULL};
    return parse_row(p, names, parse_joined, out);
}

static bool accept_comparison(parser *p, cna_slice *name, bool *negated)
{
    static const char *const names[] = {"==", "!=", "<", ">", "<=", ">=", NULL};
    *negated = is_name(p, "not") && p->token[1].kind == CNA_TOKEN_NAME && cna_slice_is(p->token[1].span, "in");
    if (*negated) p->token++;
    const char *const *found = names;
    while (*found != NULL && !is_operator(p, *found)) found++;
    if (*found == NULL && !is_name(p, "in")) return false;
    *name = (p->token++)->span;
    return true;
}

static cna_status parse_comparison(parser *p, uint32_t *out)
{
    CNA_TRY(parse_sum(p, out));
    cna_node node = {.kind = CNA_NODE_COMPARE, .a = *out};
    bool negated;
    if (!accept_comparison(p, &node.span, &negated)) return CNA_OK;
    CNA_TRY(parse_sum(p, &node.b));
    CNA_TRY(add(p, node, out));
    if (negated) CNA_TRY(add(p, (cna_node){.kind = CNA_NODE_NOT, .a = *out}, out));
    cna_slice second;
    /* a < b < c is one comparison to Python. */
    return accept_comparison(p, &second, &negated) ? refuse_token(p) : CNA_OK;
}

static cna_status parse_not(parser *p, uint32_t *out)
{
    size_t n = 0;
    while (accept_name(p, "not")) n++;
    CNA_TRY(parse_comparison(p, out));
    for (; n != 0; n--) CNA_TRY(add(p, (cna_node){.kind = CNA_NODE_NOT, .a = *out}, out));
    return CNA_OK;
}

static cna_status parse_and(parser *p, uint32_t *out)
{
    CNA_TRY(parse_not(p, out));
    while (accept_name(p, "and")) {
        cna_node node = {.kind = CNA_NODE_AND, .a = *out};
        CNA_TRY(parse_not(p, &node.b));
        CNA_TRY(add(p, node, out));
    }
    return CNA_OK;
}

static cna_status parse_or(parser *p, uint32_t *out)
{
    CNA_TRY(parse_and(p, out));
    while (accept_name(p, "or")) {
        cna_node node = {.kind = CNA_NODE_OR, .a = *out};
        CNA_TRY(parse_and(p, &node.b));
        CNA_TRY(add(p, node, out));
    }
    return CNA_OK;
}

static cna_status parse_expression(parser *p, uint32_t *out)
{
    CNA_TRY(enter(p));
    CNA_TRY(parse_or(p, out));
    if (accept_name(p, "if")) {
        cna_node node = {.kind = CNA_NODE_CHOICE, .b = *out};
        CNA_TRY(parse_or(p, &node.a));
        if (accept_name(p, "else")) CNA_TRY(parse_expression(p, &node.c));
        CNA_TRY(add(p, node, out));
    }
    p->nesting--;
    return CNA_OK;
}

/* -------------------------------------------------------------------------------------------- statements */

/* After `{% if` or `{% elif`; an elif is an if in the list of the else. */
static cna_status parse_if(parser *p, uint32_t *out)
{
    cna_node node = {.kind = CNA_NODE_IF};
    CNA_TRY(enter(p));
    CNA_TRY(parse_expression(p, &node.a));
    CNA_TRY(expect_close(p));
    CNA_TRY(parse_statements(p, &node.b));
    if (accept_name(p, "elif")) {
        CNA_TRY(parse_if(p, &node.c));
    } else {
        if (accept_name(p, "else")) {
            CNA_TRY(expect_close(p));
            CNA_TRY(parse_statements(p, &node.c));
        }
        if (!accept_name(p, "endif")) return refuse_token(p);
        CNA_TRY(expect_close(p));
    }
    p->nesting--;
    return add(p, node, out);
}

static cna_status parse_for(parser *p, uint32_t *out)
{
    cna_node node = {.kind = CNA_NODE_FOR};
    CNA_TRY(take_name(p, &node.span));
    while (accept_operator(p, ",")) {
        cna_slice second;
        node.number = 1;
        CNA_TRY(take_name(p, &second));
    }
    if (!accept_name(p, "in")) return refuse_token(p);
    CNA_TRY(parse_or(p, &node.a));
    CNA_TRY(expect_close(p));
    CNA_TRY(parse_statements(p, &node.b));
    if (!accept_name(p, "endfor")) return refuse_token(p);
    CNA_TRY(expect_close(p));
    return add(p, node, out);
}

static cna_status parse_set(parser *p, uint32_t *out)
{
    cna_node node = {.kind = CNA_NODE_SET};
    CNA_TRY(take_name(p, &node.span));
    CNA_TRY(expect_operator(p, "="));
    CNA_TRY(parse_expression(p, &node.a));
    CNA_TRY(expect_close(p));
    return add(p, node, out);
}

static cna_status parse_statement(parser *p, uint32_t *out)
{
    const cna_token *token = p->token++;
    if (token->kind == CNA_TOKEN_TEXT)
        return add(p, (cna_node){.kind = CNA_NODE_TEXT, .span = token->span}, out);
    if (token->kind == CNA_TOKEN_OUTPUT) {
        cna_node node = {.kind = CNA_NODE_OUTPUT};
        CNA_TRY(parse_expression(p, &node.a));
        CNA_TRY(expect_close(p));
        return add(p, node, out);
    }
    if (accept_name(p, "if")) return parse_if(p, out);
    if (accept_name(p, "for")) return parse_for(p, out);
    if (accept_name(p, "set")) return parse_set(p, out);
    return refuse_token(p);
}

/* Statements up to the end or to a tag that ends or continues a block, of which the name comes next. */
static cna_status parse_statements(parser *p, uint32_t *out)
{
    static const char *const ends[] = {"elif", "else", "endif", "endfor"};
    uint32_t last = 0;
    *out = 0;
    CNA_TRY(enter(p));
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
        append(p, out, &last, statement);
    }
    p->nesting--;
    return CNA_OK;
}

cna_status cna_template_parse(const char *text, size_t n_bytes, const char *where, cna_template **out,
                              cna_error *err)
{
    *out = NULL;
    cna_template *parsed = NULL;
    cna_token *tokens = NULL;
    uint32_t nothing;
    cna_status status;
    CNA_TRY_CLEANUP(cna_alloc(&parsed, 1, sizeof *parsed, "template", err));
    CNA_TRY_CLEANUP(cna_copy_bytes(&parsed->where, where, strlen(where), "template", err));
    CNA_TRY_CLEANUP(cna_copy_bytes(&parsed->source, text, n_bytes, "template", err));
    CNA_TRY_CLEANUP(cna_template_lex(parsed->source, n_bytes, where, &tokens, err));
    CNA_TRY_CLEANUP(cna_grow(&parsed->nodes, &parsed->capacity, 1, sizeof *parsed->nodes, "template", err));
    parser p = {.parsed = parsed, .token = tokens, .err = err};
    CNA_TRY_CLEANUP(add(&p, (cna_node){.kind = CNA_NODE_NOTHING}, &nothing));
    parsed->nodes[nothing].depth = 0;
    CNA_TRY_CLEANUP(parse_statements(&p, &parsed->body));
    if (p.token->kind != CNA_TOKEN_END) {
        status = refuse_token(&p);
        goto cleanup;
    }
    *out = parsed;
    parsed = NULL;
cleanup:
    cna_free(tokens);
    cna_template_free(parsed);
    return status;
}

void cna_template_free(cna_template *parsed)
{
    if (parsed == NULL) return;
    cna_free(parsed->where);
    cna_free(parsed->source);
    cna_free(parsed->nodes);
    cna_free(parsed);
}
