/* SPDX-License-Identifier: MIT
 * Between the three steps of chat templates: tokens (template_lex.c), nodes (template_parse.c, template_expressions.c,
 * template_blocks.c), and their evaluation (template_eval.c, template_render.c). */
#ifndef CNA_TEXT_TEMPLATE_PARTS_H
#define CNA_TEXT_TEMPLATE_PARTS_H

#include "text/template.h"

/* A part of the template's own copy of its source (string literals are decoded in place), or of a rendering's
 * texts. */
typedef struct cna_slice {
    const char *text;
    size_t n;
} cna_slice;

bool cna_slice_is(cna_slice span, const char *text);

/* Without white space at its left or right end, as Python's str.strip counts it. */
cna_slice cna_slice_strip(cna_slice span, bool left, bool right);

typedef enum cna_token_kind {
    CNA_TOKEN_TEXT,   /* outside of tags */
    CNA_TOKEN_OUTPUT, /* {{ */
    CNA_TOKEN_BLOCK,  /* {% */
    CNA_TOKEN_CLOSE,  /* }} or %} */
    CNA_TOKEN_NAME,
    CNA_TOKEN_STRING,
    CNA_TOKEN_NUMBER,
    CNA_TOKEN_REAL,
    CNA_TOKEN_OPERATOR,
    CNA_TOKEN_END,
} cna_token_kind;

typedef struct cna_token {
    cna_token_kind kind;
    cna_slice span;
    size_t line;
} cna_token;

typedef enum cna_node_kind {
    CNA_NODE_NOTHING, /* node 0 stands for "no node" */
    /* expressions */
    CNA_NODE_STRING, /* span */
    CNA_NODE_NUMBER, /* number */
    CNA_NODE_REAL,   /* real */
    CNA_NODE_TRUE,
    CNA_NODE_FALSE,
    CNA_NODE_NONE,
    CNA_NODE_NAME,      /* span */
    CNA_NODE_LIST,      /* a: list of items */
    CNA_NODE_TUPLE,     /* a: list of items */
    CNA_NODE_DICT,      /* a: list of PAIR */
    CNA_NODE_PAIR,      /* a: b, in a DICT */
    CNA_NODE_MEMBER,    /* a.span */
    CNA_NODE_ITEM,      /* a[b] */
    CNA_NODE_SLICE,     /* a[b: BOUNDS] */
    CNA_NODE_BOUNDS,    /* a:b:c, each may be absent */
    CNA_NODE_CALL,      /* a(b: list) */
    CNA_NODE_ARGUMENT,  /* span=a, in the list of a call; a parameter of a macro, where a may be absent */
    CNA_NODE_SPREAD,    /* *a, in the list of a call */
    CNA_NODE_FILTER,    /* a | span(b: list); a is absent in {% filter %} and {% set x | ... %} */
    CNA_NODE_TEST,      /* a is span(b: list) */
    CNA_NODE_NOT,       /* not a */
    CNA_NODE_SIGN,      /* span a, for + and - */
    CNA_NODE_AND,       /* a and b */
    CNA_NODE_OR,        /* a or b */
    CNA_NODE_OPERATION, /* a span b, for + - * / // % ** ~ */
    CNA_NODE_COMPARE,   /* a, compared along b: list of STEP */
    CNA_NODE_STEP,      /* span a, for == != < > <= >= in; number: 1 for "not in" */
    CNA_NODE_CHOICE,    /* b if a else c; c may be absent */
    /* statements */
    CNA_NODE_TEXT,      /* span */
    CNA_NODE_OUTPUT,    /* a */
    CNA_NODE_IF,        /* a; b: list; c: list */
    CNA_NODE_FOR,       /* a: FOR_HEAD; b: list; c: list of else */
    CNA_NODE_FOR_HEAD,  /* a: target (NAME or TUPLE of them), in b, if c (may be absent) */
    CNA_NODE_SET,       /* a: target (NAME, MEMBER of a name or TUPLE of them) = b */
    CNA_NODE_SET_BLOCK, /* a: target; b: list; c: filters (may be absent) */
    CNA_NODE_MACRO,     /* span; a: list of ARGUMENT; b: list */
    CNA_NODE_CALL_BLOCK,   /* a: CALL; b: list; c: list of ARGUMENT */
    CNA_NODE_FILTER_BLOCK, /* a: filters; b: list */
    CNA_NODE_WITH,         /* a: list of ARGUMENT; b: list */
    CNA_NODE_SCOPE,        /* b: list; a scope of its own, as {% generation %} has */
    CNA_NODE_BREAK,
    CNA_NODE_CONTINUE,
} cna_node_kind;

typedef struct cna_node {
    cna_node_kind kind;
    uint32_t a, b, c; /* nodes; 0: none */
    uint32_t next;    /* the next node of the list that this one is in */
    uint32_t depth;   /* of the tree below; for the first of a list, of all of it */
    cna_slice span;
    int64_t number;
    double real;
    size_t line;
} cna_node;

struct cna_template {
    char *where;
    char *source;
    cna_node *nodes; /* [n_nodes] */
    size_t n_nodes, capacity;
    uint32_t body; /* list of statements */
};

/* Cut source (NUL-terminated, changed in place) into tokens, a CNA_TOKEN_END last. *out is new. */
CNA_MUST_CHECK cna_status cna_template_lex(char *source, size_t n_bytes, const char *where, cna_token **out,
                                           cna_error *err);

/* ERR_UNSUPPORTED: "WHERE, line N: expected ..., found FOUND; ...". */
cna_status cna_template_refuse(cna_error *err, const char *where, size_t line, const char *found,
                               cna_slice shown);

#endif
