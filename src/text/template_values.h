/* SPDX-License-Identifier: MIT
 * The values of chat templates, and one rendering in the making. Used by template_render.c only. */
#ifndef CNA_TEXT_TEMPLATE_VALUES_H
#define CNA_TEXT_TEMPLATE_VALUES_H

#include "text/template_parts.h"

typedef enum cna_value_kind {
    CNA_VALUE_UNDEFINED,
    CNA_VALUE_NONE,
    CNA_VALUE_BOOL,     /* number */
    CNA_VALUE_INT,      /* number */
    CNA_VALUE_STRING,   /* text */
    CNA_VALUE_MESSAGES, /* messages number .. end-1 */
    CNA_VALUE_MESSAGE,  /* message number */
    CNA_VALUE_LOOP,     /* round number of end rounds */
    CNA_VALUE_FUNCTION, /* one of Jinja's; calls are told apart by name */
} cna_value_kind;

typedef struct cna_value {
    cna_value_kind kind;
    cna_slice text;
    int64_t number, end;
} cna_value;

typedef struct cna_variable {
    cna_slice name;
    cna_value value;
} cna_variable;

typedef struct cna_rendering {
    const cna_template *parsed;
    const cna_template_input *input;
    cna_buffer *out;
    cna_variable *variables; /* [n_variables] those set so far, innermost scope last */
    size_t n_variables, variable_capacity;
    size_t scope; /* where the innermost scope begins */
    char **texts; /* [n_texts] texts made on the way */
    size_t n_texts, text_capacity;
    size_t n_joined_bytes, n_steps;
    cna_error *err;
} cna_rendering;

/* ERR_UNSUPPORTED at a node: something that is not known, or not for such values. */
cna_status cna_rendering_refuse(const cna_rendering *r, const cna_node *node, const char *found);
/* ERR_ARG at a node: what jinja2 raises an exception for. */
cna_status cna_rendering_fail(const cna_rendering *r, const cna_node *node, cna_slice reason);

cna_value cna_value_bool(bool truth);
cna_value cna_value_int(int64_t number);
cna_value cna_value_text(const char *text, size_t n_bytes);

bool cna_value_is_true(const cna_value *v);
bool cna_value_is_number(const cna_value *v);

/* Python's str() of a value, of the kinds that templates write. */
CNA_MUST_CHECK cna_status cna_value_to_text(cna_rendering *r, const cna_value *v, const cna_node *node,
                                            cna_slice *out);
/* A new text of two parts, kept until the rendering ends. */
CNA_MUST_CHECK cna_status cna_value_join(cna_rendering *r, cna_slice a, cna_slice b, const cna_node *node,
                                         cna_value *out);
/* Python's ==. */
CNA_MUST_CHECK cna_status cna_value_equal(cna_rendering *r, const cna_value *a, const cna_value *b,
                                          const cna_node *node, bool *out);
/* Python's `a in b` for a text and a text or message. */
CNA_MUST_CHECK cna_status cna_value_in(cna_rendering *r, const cna_value *a, const cna_value *b,
                                       const cna_node *node, bool *out);

/* The filter and the test that a node names. */
CNA_MUST_CHECK cna_status cna_value_filter(cna_rendering *r, const cna_value *v, const cna_node *node,
                                           cna_value *out);
CNA_MUST_CHECK cna_status cna_value_test(cna_rendering *r, const cna_value *v, const cna_node *node,
                                         bool *out);
/* strftime of the C locale for the date of the rendering. */
CNA_MUST_CHECK cna_status cna_value_format_date(cna_rendering *r, cna_slice format, const cna_node *node,
                                                cna_value *out);

#endif
