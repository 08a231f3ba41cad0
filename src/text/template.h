/* SPDX-License-Identifier: MIT
 * Chat templates: the part of Jinja that chat templates of plain conversations need, rendered as jinja2 3.1 does under
 * transformers (trim_blocks and lstrip_blocks on). A template is parsed whole; what is parsed and not known is refused
 * when it is reached, so the tool-calling branches of real templates do no harm. Nothing is ever guessed.
 *
 *   statements   if / elif / else, for over messages, set; comments; whitespace control with - and +
 *   expressions  strings, whole numbers, true, false, none; names, a.b, a[b], a[b:c]; + - % ~; == != < > <= >=, in;
 *                and, or, not, x if c else y; tests defined, undefined, none, string, mapping, iterable; filters trim,
 *                length, count; x.strip(); raise_exception(), strftime_now()
 *   variables    messages, add_generation_prompt (true), tools and documents (none), and those that are given */
#ifndef CNA_TEXT_TEMPLATE_H
#define CNA_TEXT_TEMPLATE_H

#include "base/buffer.h"

typedef struct cna_template cna_template;

/* A calendar day, valid. */
typedef struct cna_date {
    int year, month, day;
} cna_date;

typedef struct cna_template_variable {
    const char *name, *value;
} cna_template_variable;

typedef struct cna_template_input {
    const cna_message *messages;            /* [n_messages] */
    size_t n_messages;
    const cna_template_variable *variables; /* [n_variables] strings such as bos_token */
    size_t n_variables;
    cna_date date;                          /* what strftime_now() is told */
} cna_template_input;

/* Parse well-formed UTF-8.
 *   where  the template's file, for messages; copied
 * Errors: ERR_UNSUPPORTED, with file and line, for anything that is not in the list above. */
CNA_MUST_CHECK cna_status cna_template_parse(const char *text, size_t n_bytes, const char *where, cna_template **out,
                                             cna_error *err);
void cna_template_free(cna_template *parsed);

/* Append the rendered text. Errors: ERR_UNSUPPORTED, with file and line, where something not known is reached; ERR_ARG
 * where jinja2 would raise: the template refuses the messages by raise_exception(), or fails on them. */
CNA_MUST_CHECK cna_status cna_template_render(const cna_template *parsed, const cna_template_input *input,
                                              cna_buffer *out, cna_error *err);

#endif
