/* SPDX-License-Identifier: MIT
 * One parsing of a chat template in the making: expressions are in template_expressions.c, statements
 * in template_blocks.c. */
#ifndef CNA_TEXT_TEMPLATE_PARSER_H
#define CNA_TEXT_TEMPLATE_PARSER_H

#include "text/template_parts.h"

typedef struct cna_parser {
    cna_template *parsed;
    const cna_token *token; /* the next one */
    size_t nesting;         /* brackets and blocks that are open */
    size_t n_loops;         /* loops that are open, for break and continue */
    cna_error *err;
} cna_parser;

/* ERR_UNSUPPORTED at the next token. */
cna_status cna_parser_refuse(const cna_parser *p);
/* A new node whose a, b and c are set; its depth and line are filled in. */
CNA_MUST_CHECK cna_status cna_parser_add(cna_parser *p, cna_node node, uint32_t *out);
/* Append to a list; *last is its last node, 0 while it is empty. */
void cna_parser_append(cna_parser *p, uint32_t *first, uint32_t *last, uint32_t node);
/* One more bracket or block is open. */
CNA_MUST_CHECK cna_status cna_parser_enter(cna_parser *p);

bool cna_parser_at_operator(const cna_parser *p, const char *text);
bool cna_parser_at_name(const cna_parser *p, const char *text);
bool cna_parser_accept_operator(cna_parser *p, const char *text);
bool cna_parser_accept_name(cna_parser *p, const char *text);
CNA_MUST_CHECK cna_status cna_parser_expect_operator(cna_parser *p, const char *text);
CNA_MUST_CHECK cna_status cna_parser_expect_close(cna_parser *p);
CNA_MUST_CHECK cna_status cna_parser_take_name(cna_parser *p, cna_slice *out);

CNA_MUST_CHECK cna_status cna_parser_expression(cna_parser *p, uint32_t *out);
/* An expression without "x if y" at its top, as after `in` of a loop. */
CNA_MUST_CHECK cna_status cna_parser_condition(cna_parser *p, uint32_t *out);
/* Expressions with commas between, which make a tuple; a single one is itself. */
CNA_MUST_CHECK cna_status cna_parser_tuple(cna_parser *p, bool with_choice, uint32_t *out);
/* Expressions and name=expression up to the closing bracket. */
CNA_MUST_CHECK cna_status cna_parser_arguments(cna_parser *p, const char *close, uint32_t *out);
/* Filters: "| name(...) | ...", or without the first bar what comes after it, applied to *out. */
CNA_MUST_CHECK cna_status cna_parser_filters(cna_parser *p, bool bar_taken, uint32_t *out);
/* A name, or names with commas between, to assign to; with_members allows name.name. */
CNA_MUST_CHECK cna_status cna_parser_target(cna_parser *p, bool with_members, uint32_t *out);

/* Statements up to the end or to a tag that ends or continues a block, of which the name comes next. */
CNA_MUST_CHECK cna_status cna_parser_statements(cna_parser *p, uint32_t *out);

#endif
