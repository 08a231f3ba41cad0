/* SPDX-License-Identifier: MIT
 * Filters of chat templates: those on lists, template_lists.c. Used by template_filters.c only. */
#ifndef CNA_TEXT_TEMPLATE_FILTERS_H
#define CNA_TEXT_TEMPLATE_FILTERS_H

#include "text/template_eval.h"

/* The filter that node->span names, as jinja2 3.1's filters.py has it. */
typedef cna_status cna_filter_fn(cna_rendering *r, const cna_node *node, const cna_value *v,
                                 const cna_arguments *arguments, cna_value *out);

cna_filter_fn cna_filter_first, cna_filter_last, cna_filter_list, cna_filter_items, cna_filter_dictsort,
    cna_filter_join, cna_filter_map, cna_filter_select, cna_filter_sort, cna_filter_unique, cna_filter_reverse,
    cna_filter_sum, cna_filter_extreme;

#endif
