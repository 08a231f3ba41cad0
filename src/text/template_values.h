/* SPDX-License-Identifier: MIT
 * The values of chat templates as Python has them, and one rendering in the making. Nothing that a value points to
 * changes once it is made, but for namespaces and generators; all of it lives until the rendering ends. */
#ifndef CNA_TEXT_TEMPLATE_VALUES_H
#define CNA_TEXT_TEMPLATE_VALUES_H

#include "base/arena.h"
#include "text/template_parts.h"

typedef enum cna_value_kind {
    CNA_VALUE_UNDEFINED,
    CNA_VALUE_NONE,
    CNA_VALUE_BOOL,      /* number */
    CNA_VALUE_INT,       /* number */
    CNA_VALUE_REAL,      /* real */
    CNA_VALUE_STRING,    /* text */
    CNA_VALUE_SEQUENCE,  /* sequence */
    CNA_VALUE_DICT,      /* dict */
    CNA_VALUE_NAMESPACE, /* dict, whose items change */
    CNA_VALUE_LOOP,      /* loop */
    CNA_VALUE_MACRO,     /* macro */
    CNA_VALUE_FUNCTION,  /* function: one of Jinja's, or a method of a value */
} cna_value_kind;

typedef struct cna_value {
    cna_value_kind kind;
    bool safe; /* of a text: marked so by the filter `safe`, after which Jinja escapes what is added to it */
    union {
        int64_t number;
        double real;
        cna_slice text;
        struct cna_sequence *sequence;
        struct cna_dict *dict;
        const struct cna_loop *loop;
        const struct cna_macro *macro;
        const struct cna_function *function;
    };
} cna_value;

typedef enum cna_sequence_kind {
    CNA_SEQUENCE_LIST,
    CNA_SEQUENCE_TUPLE,
    CNA_SEQUENCE_RANGE,
    CNA_SEQUENCE_VIEW,      /* what items(), keys() and values() of a dict give */
    CNA_SEQUENCE_GENERATOR, /* what map, select, ... give: can be gone through once */
} cna_sequence_kind;

typedef struct cna_sequence {
    cna_sequence_kind kind;
    bool used; /* of a generator: it was gone through */
    const cna_value *items; /* [n] */
    size_t n;
} cna_sequence;

typedef struct cna_pair {
    cna_value key, value;
} cna_pair;

typedef struct cna_dict {
    cna_pair *pairs; /* [n], in the order in which the keys came */
    size_t n, capacity;
} cna_dict;

/* What `loop` is. */
typedef struct cna_loop {
    const cna_value *items; /* [n] */
    size_t n, at;
} cna_loop;

/* A macro, or the body of {% call %}. */
typedef struct cna_macro {
    cna_slice name;
    uint32_t parameters, body; /* lists of nodes */
    struct cna_scope *scope;   /* where it was defined */
} cna_macro;

typedef struct cna_function {
    cna_slice name;
    cna_value self; /* of a method; UNDEFINED for Jinja's own */
} cna_function;

typedef struct cna_variable {
    cna_slice name;
    cna_value value;
    struct cna_variable *next;
} cna_variable;

/* Variables that were set in one place: the template, a round of a loop, a call of a macro. */
typedef struct cna_scope {
    struct cna_scope *outer; /* ? */
    cna_variable *variables; /* ? */
} cna_scope;

typedef enum cna_jump { CNA_JUMP_NONE, CNA_JUMP_BREAK, CNA_JUMP_CONTINUE } cna_jump;

typedef struct cna_rendering {
    const cna_template *parsed;
    const cna_template_input *input;
    cna_buffer *out;
    size_t out_begin;  /* bytes of `out` that were there before */
    cna_arena arena;   /* every value made */
    size_t n_allocated; /* bytes in it */
    size_t n_steps;
    size_t depth;  /* of evaluations in one another */
    size_t nested; /* values in one another, where they are gone through */
    cna_scope *scope; /* the innermost */
    cna_jump jump;    /* a loop is being left */
    cna_error *err;
} cna_rendering;

/* What a call is given. */
typedef struct cna_arguments {
    const cna_value *values; /* [n] by position */
    size_t n;
    const cna_variable *named; /* ? by name */
} cna_arguments;

/* ERR_UNSUPPORTED at a node: something that is not known, or not for such values. */
cna_status cna_rendering_refuse(const cna_rendering *r, const cna_node *node, const char *found);
/* The same where more memory is asked for than a rendering may have. */
cna_status cna_rendering_refuse_size(const cna_rendering *r, const cna_node *node);
/* ERR_ARG at a node: what Python or jinja2 raise an exception for. */
cna_status cna_rendering_fail(const cna_rendering *r, const cna_node *node, const char *reason);
cna_status cna_rendering_raise(const cna_rendering *r, const cna_node *node, cna_slice reason);
/* Account for work, so that no template runs for long: one step is about a dozen instructions or 64 bytes of text. */
CNA_MUST_CHECK cna_status cna_rendering_spend(cna_rendering *r, const cna_node *node, size_t n_steps);
/* One more expression or block inside of another, macros that call themselves included: a bound for the stack. */
CNA_MUST_CHECK cna_status cna_rendering_enter(cna_rendering *r, const cna_node *node);
/* New zeroed memory that lives as long as the rendering. */
CNA_MUST_CHECK cna_status cna_rendering_alloc(cna_rendering *r, const cna_node *node, void *out_pointer, size_t count,
                                              size_t size);
/* The text that a buffer holds, kept; the buffer is emptied, and freed on failure. */
CNA_MUST_CHECK cna_status cna_rendering_keep(cna_rendering *r, const cna_node *node, cna_buffer *buffer,
                                             cna_value *out);

cna_value cna_value_bool(bool truth);
cna_value cna_value_int(int64_t number);
cna_value cna_value_text(const char *text, size_t n_bytes);
cna_value cna_value_slice(cna_slice text);

/* A new sequence of n items, to be filled by the caller through *items. */
CNA_MUST_CHECK cna_status cna_value_sequence(cna_rendering *r, const cna_node *node, cna_sequence_kind kind, size_t n,
                                             cna_value **items, cna_value *out);
CNA_MUST_CHECK cna_status cna_value_pair(cna_rendering *r, const cna_node *node, cna_value a, cna_value b,
                                         cna_value *out);
CNA_MUST_CHECK cna_status cna_value_dict(cna_rendering *r, const cna_node *node, size_t capacity, cna_value *out);
/* Set a key of a dict that is still being made, or of a namespace. */
CNA_MUST_CHECK cna_status cna_dict_set(cna_rendering *r, const cna_node *node, cna_dict *dict, const cna_value *key,
                                       const cna_value *v);
/* *out is NULL where the key is absent. */
CNA_MUST_CHECK cna_status cna_dict_find(cna_rendering *r, const cna_node *node, const cna_dict *dict,
                                        const cna_value *key, const cna_value **out);
/* A JSON value as json.loads reads it. */
CNA_MUST_CHECK cna_status cna_value_from_json(cna_rendering *r, const cna_node *node, const json_t *json,
                                              cna_value *out);

/* bool() of Python. */
bool cna_value_is_true(const cna_value *v);
bool cna_value_is_number(const cna_value *v);
double cna_value_real(const cna_value *v);
/* len(); false where there is none. */
bool cna_value_length(const cna_value *v, size_t *out);
/* What a loop over a value goes through: the items of a sequence, a dict's keys, a text's characters, nothing for
 * something undefined. *items is [*n], borrowed. */
CNA_MUST_CHECK cna_status cna_value_iterate(cna_rendering *r, const cna_node *node, const cna_value *v,
                                            const cna_value **items, size_t *n);
/* Python's ==. */
CNA_MUST_CHECK cna_status cna_value_equal(cna_rendering *r, const cna_value *a, const cna_value *b,
                                          const cna_node *node, bool *out);
/* Python's order of numbers, texts and sequences: *out below, at or above 0. */
CNA_MUST_CHECK cna_status cna_value_compare(cna_rendering *r, const cna_value *a, const cna_value *b,
                                            const cna_node *node, int *out);
/* Python's `a in b`. */
CNA_MUST_CHECK cna_status cna_value_in(cna_rendering *r, const cna_value *a, const cna_value *b,
                                       const cna_node *node, bool *out);
/* Python's binary operators + - * / // % **, and Jinja's ~. */
CNA_MUST_CHECK cna_status cna_value_operate(cna_rendering *r, const cna_value *a, const cna_value *b,
                                            const cna_node *node, cna_value *out);

#endif
