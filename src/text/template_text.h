/* SPDX-License-Identifier: MIT
 * Texts of chat templates: what Python's str() and str methods, and json.dumps, make of values. Each new text lives
 * until the rendering ends; the work is accounted for. */
#ifndef CNA_TEXT_TEMPLATE_TEXT_H
#define CNA_TEXT_TEMPLATE_TEXT_H

#include "text/template_values.h"

/* ---- template_text.c: values as text ---- */

/* str(v). */
CNA_MUST_CHECK cna_status cna_text_of(cna_rendering *r, const cna_node *node, const cna_value *v, cna_slice *out);
/* json.dumps(v, ensure_ascii=False, indent=..., separators=(item, key), sort_keys=...).
 *   indent  ? text of one step; NULL: one line
 *   ascii   escape whatever is not ASCII */
typedef struct cna_json_style {
    const cna_slice *indent; /* ? */
    cna_slice item, key;     /* separators */
    bool ascii, sort_keys;
} cna_json_style;
CNA_MUST_CHECK cna_status cna_text_json(cna_rendering *r, const cna_node *node, const cna_value *v,
                                        const cna_json_style *style, cna_value *out);
/* format % v, of which %s, %d and %% are known; v may be a tuple. */
CNA_MUST_CHECK cna_status cna_text_percent(cna_rendering *r, const cna_node *node, cna_slice format,
                                           const cna_value *v, cna_value *out);
/* format.format(...), of which {}, {0} and {name} are known. */
CNA_MUST_CHECK cna_status cna_text_format(cna_rendering *r, const cna_node *node, cna_slice format,
                                          const cna_arguments *arguments, cna_value *out);
/* strftime of the C locale for the day of the rendering. */
CNA_MUST_CHECK cna_status cna_text_date(cna_rendering *r, const cna_node *node, cna_slice format, cna_value *out);

/* ---- template_strings.c: texts from texts ---- */

size_t cna_text_length(cna_slice text); /* characters */
/* Where `part` begins at or after byte `from`; SIZE_MAX if nowhere. */
CNA_MUST_CHECK cna_status cna_text_find(cna_rendering *r, const cna_node *node, cna_slice whole, cna_slice part,
                                        size_t from, size_t *out);
CNA_MUST_CHECK cna_status cna_text_join(cna_rendering *r, const cna_node *node, cna_slice a, cna_slice b,
                                        cna_value *out);

/* Jinja's title filter is another one than Python's. Letters beyond ASCII that have a case are refused. */
typedef enum cna_case {
    CNA_CASE_UPPER,
    CNA_CASE_LOWER,
    CNA_CASE_CAPITAL, /* of the first character; the others in lower case */
    CNA_CASE_TITLE,
    CNA_CASE_JINJA_TITLE,
} cna_case;
CNA_MUST_CHECK cna_status cna_text_case(cna_rendering *r, const cna_node *node, cna_slice text, cna_case kind,
                                        cna_value *out);
/* Replace the first `limit` of `from`; negative: all. */
CNA_MUST_CHECK cna_status cna_text_replace(cna_rendering *r, const cna_node *node, cna_slice text, cna_slice from,
                                           cna_slice to, int64_t limit, cna_value *out);
/* str.split.
 *   separator  ? NULL: runs of white space
 *   limit      most cuts; negative: all
 *   right      the cuts are counted from the right, as in str.rsplit */
CNA_MUST_CHECK cna_status cna_text_split(cna_rendering *r, const cna_node *node, cna_slice text,
                                         const cna_slice *separator, int64_t limit, bool right, cna_value *out);
/* str.splitlines(). */
CNA_MUST_CHECK cna_status cna_text_lines(cna_rendering *r, const cna_node *node, cna_slice text, bool keep_ends,
                                         cna_value *out);
/* Without any of the characters of `set` at its ends; NULL: white space. */
CNA_MUST_CHECK cna_status cna_text_strip(cna_rendering *r, const cna_node *node, cna_slice text, const cna_slice *set,
                                         bool left, bool right, cna_slice *out);

#endif
