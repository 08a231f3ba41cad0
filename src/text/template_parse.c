/* SPDX-License-Identifier: MIT
 * Parsing of chat templates: recursive descent over their tokens. Here is what expressions and statements share, and
 * the whole of it. */
#include <string.h>

#include "text/template_parser.h"

/* Brackets and blocks inside of one another, and operators in a row: enough for any template met, and a bound
 * for recursion here and in the evaluation. */
enum { DEPTH_MAX = 200, NESTING_MAX = 100 };

cna_status cna_parser_refuse(const cna_parser *p)
{
    static const char *const names[] = {"text",       "'{{'",        "'{%'",         "the end of a tag",
                                        "the name",   "the text",    "the number",   "the number",
                                        "the operator", "the end of the template"};
    return cna_template_refuse(p->err, p->parsed->where, p->token->line, names[p->token->kind], p->token->span);
}

static uint32_t depth_of(const cna_parser *p, uint32_t node)
{
    return p->parsed->nodes[node].depth;
}

cna_status cna_parser_add(cna_parser *p, cna_node node, uint32_t *out)
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

void cna_parser_append(cna_parser *p, uint32_t *first, uint32_t *last, uint32_t node)
{
    if (*first == 0)
        *first = node;
    else
        p->parsed->nodes[*last].next = node;
    *last = node;
    if (depth_of(p, node) > depth_of(p, *first)) p->parsed->nodes[*first].depth = depth_of(p, node);
}

bool cna_parser_at_operator(const cna_parser *p, const char *text)
{
    return p->token->kind == CNA_TOKEN_OPERATOR && cna_slice_is(p->token->span, text);
}

bool cna_parser_at_name(const cna_parser *p, const char *text)
{
    return p->token->kind == CNA_TOKEN_NAME && cna_slice_is(p->token->span, text);
}

bool cna_parser_accept_operator(cna_parser *p, const char *text)
{
    bool found = cna_parser_at_operator(p, text);
    if (found) p->token++;
    return found;
}

bool cna_parser_accept_name(cna_parser *p, const char *text)
{
    bool found = cna_parser_at_name(p, text);
    if (found) p->token++;
    return found;
}

cna_status cna_parser_expect_operator(cna_parser *p, const char *text)
{
    return cna_parser_accept_operator(p, text) ? CNA_OK : cna_parser_refuse(p);
}

cna_status cna_parser_expect_close(cna_parser *p)
{
    if (p->token->kind != CNA_TOKEN_CLOSE) return cna_parser_refuse(p);
    p->token++;
    return CNA_OK;
}

cna_status cna_parser_take_name(cna_parser *p, cna_slice *out)
{
    if (p->token->kind != CNA_TOKEN_NAME) return cna_parser_refuse(p);
    *out = (p->token++)->span;
    return CNA_OK;
}

cna_status cna_parser_enter(cna_parser *p)
{
    return ++p->nesting <= NESTING_MAX ? CNA_OK : cna_parser_refuse(p);
}

/* --------------------------------------------------------------------------------------------- the whole of it */

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
    cna_parser p = {.parsed = parsed, .token = tokens, .err = err};
    CNA_TRY_CLEANUP(cna_parser_add(&p, (cna_node){.kind = CNA_NODE_NOTHING}, &nothing));
    parsed->nodes[nothing].depth = 0;
    CNA_TRY_CLEANUP(cna_parser_statements(&p, &parsed->body));
    if (p.token->kind != CNA_TOKEN_END) {
        status = cna_parser_refuse(&p);
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
