/* SPDX-License-Identifier: MIT
 * Evaluation of chat templates, split over template_eval.c (expressions), template_members.c, template_filters.c,
 * template_tests.c and template_render.c (statements). */
#ifndef CNA_TEXT_TEMPLATE_EVAL_H
#define CNA_TEXT_TEMPLATE_EVAL_H

#include "text/template_text.h"

/* ---- template_eval.c ---- */

CNA_MUST_CHECK cna_status cna_eval(cna_rendering *r, uint32_t node, cna_value *out);
/* The nodes of a list of arguments, evaluated in order. */
CNA_MUST_CHECK cna_status cna_eval_arguments(cna_rendering *r, uint32_t list, cna_arguments *out);
/* Call a value. caller: ? what `caller` is inside of a macro. */
CNA_MUST_CHECK cna_status cna_eval_call(cna_rendering *r, const cna_node *node, const cna_value *callee,
                                        const cna_arguments *arguments, const cna_value *caller, cna_value *out);

/* The values of named parameters, in the order of `names`, which have blanks between; NULL where one is not given.
 * Refuses arguments beyond them. */
CNA_MUST_CHECK cna_status cna_eval_bind(const cna_rendering *r, const cna_node *node, const cna_arguments *arguments,
                                        const char *names, const cna_value **out);
/* A parameter as text, whole number or truth; ABSENT (NULL) leaves *out. */
CNA_MUST_CHECK cna_status cna_eval_text(const cna_rendering *r, const cna_node *node, const cna_value *v,
                                        cna_slice *out);
CNA_MUST_CHECK cna_status cna_eval_whole(const cna_rendering *r, const cna_node *node, const cna_value *v,
                                         int64_t *out);

/* ---- template_members.c ---- */

/* a.name and a[key] of the sandbox: a method, an item, or undefined. */
CNA_MUST_CHECK cna_status cna_eval_member(cna_rendering *r, const cna_node *node, const cna_value *object,
                                          cna_slice name, cna_value *out);
CNA_MUST_CHECK cna_status cna_eval_item(cna_rendering *r, const cna_node *node, const cna_value *object,
                                        const cna_value *key, cna_value *out);
/* a[begin:end:step]; an absent bound is NULL. */
CNA_MUST_CHECK cna_status cna_eval_slice(cna_rendering *r, const cna_node *node, const cna_value *object,
                                         const cna_value *const bounds[3], cna_value *out);
CNA_MUST_CHECK cna_status cna_eval_method(cna_rendering *r, const cna_node *node, const cna_function *method,
                                          const cna_arguments *arguments, cna_value *out);

/* ---- template_filters.c, template_tests.c ---- */

CNA_MUST_CHECK cna_status cna_eval_filter(cna_rendering *r, const cna_node *node, cna_slice name, const cna_value *v,
                                          const cna_arguments *arguments, cna_value *out);
CNA_MUST_CHECK cna_status cna_eval_test(cna_rendering *r, const cna_node *node, cna_slice name, const cna_value *v,
                                        const cna_arguments *arguments, bool *out);

/* ---- template_render.c ---- */

/* Variables. */
CNA_MUST_CHECK cna_status cna_scope_set(cna_rendering *r, const cna_node *node, cna_slice name, cna_value v);
CNA_MUST_CHECK cna_status cna_scope_enter(cna_rendering *r, const cna_node *node, cna_scope *outer);
/* A list of statements whose output becomes a text. */
CNA_MUST_CHECK cna_status cna_render_to_text(cna_rendering *r, const cna_node *node, uint32_t list, cna_value *out);

#endif
