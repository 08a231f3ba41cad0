/* SPDX-License-Identifier: MIT
 * Chat templates: a sandboxed evaluator of the part of Jinja that chat templates use, rendered as jinja2 3.1 does
 * under transformers (trim_blocks and lstrip_blocks on, loop controls, {% generation %}, nothing can be changed but
 * namespaces). A template is parsed whole; a name, filter, test, method or kind of value that is not known is refused
 * when it is reached, so branches that a conversation does not take do no harm. Nothing is ever guessed.
 *
 *   statements   if, for (with if, else, break, continue, loop, several targets), set (also of blocks and of members
 *                of namespaces), macro, call, filter, with, generation, raw; comments; white-space control
 *   expressions  texts, numbers, true, false, none, lists, tuples, dicts; a.b, a[b], a[b:c:d]; calls; arithmetic, ~;
 *                comparisons, in, and, or, not, x if c else y; filters and tests as in template_filters.c and
 *                template_tests.c; methods as in template_members.c; %, format
 *   functions    range, namespace, dict, raise_exception, strftime_now
 *   variables    messages, add_generation_prompt (true), tools and documents (none), and those that are given
 *
 * Not known: include, import, extends, block, recursive loops, varargs and kwargs of macros, %-formats other than %s
 * and %d, the case of letters beyond ASCII, whole numbers past 64 bits.
 *
 * Hostile templates: parsing is linear and refuses deep nesting; a rendering ends in an error past 20 million steps,
 * 256 MiB of values or of output, and 1000 evaluations in one another. */
#ifndef CNA_TEXT_TEMPLATE_H
#define CNA_TEXT_TEMPLATE_H

#include "base/json.h"

typedef struct cna_template cna_template;

/* A calendar day, valid. */
typedef struct cna_date {
    int year, month, day;
} cna_date;

typedef struct cna_template_variable {
    const char *name, *value;
} cna_template_variable;

typedef struct cna_template_input {
    const cna_message *messages; /* [n_messages] */
    size_t n_messages;
    const cna_template_variable *variables; /* [n_variables] strings such as bos_token */
    size_t n_variables;
    const json_t *arguments; /* ? an object of further variables, which go first */
    cna_date date;           /* what strftime_now() is told */
    size_t n_steps;          /* most that a rendering takes; 0: 20 million */
} cna_template_input;

/* Parse well-formed UTF-8.
 *   where  the template's file, for messages; copied
 * Errors: ERR_UNSUPPORTED, with file and line, for anything that is not in the list above. */
CNA_MUST_CHECK cna_status cna_template_parse(const char *text, size_t n_bytes, const char *where,
                                             cna_template **out, cna_error *err);
void cna_template_free(cna_template *parsed);

/* Append the rendered text. Errors: ERR_UNSUPPORTED, with file and line, where something not known is reached, or a
 * bound is passed; ERR_ARG where jinja2 would raise: the template refuses the messages by raise_exception(), or fails
 * on them. */
CNA_MUST_CHECK cna_status cna_template_render(const cna_template *parsed, const cna_template_input *input,
                                              cna_buffer *out, cna_error *err);

#endif
