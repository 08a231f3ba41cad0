/* SPDX-License-Identifier: MIT
 * Operators of chat templates on numbers, texts and lists, as Python has them. */
#include <math.h>
#include <string.h>

#include "text/template_text.h"

static cna_status refuse_huge(const cna_rendering *r, const cna_node *node)
{
    return cna_rendering_refuse(r, node, "a huge number,");
}

/* Python rounds quotients down, and remainders have the sign of the divisor. */
static int64_t floor_remainder(int64_t a, int64_t b)
{
    if (b == -1) return 0;
    int64_t rest = a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

static cna_status power(const cna_rendering *r, const cna_node *node, int64_t a, int64_t b, int64_t *out)
{
    if (b < 0 || b > 64) return refuse_huge(r, node);
    *out = 1;
    for (; b > 0; b--) {
        if (__builtin_mul_overflow(*out, a, out)) return refuse_huge(r, node);
    }
    return CNA_OK;
}

static cna_status operate_whole(const cna_rendering *r, const cna_node *node, int64_t a, int64_t b, cna_value *out)
{
    int64_t result = 0;
    bool huge = false;
    if (cna_slice_is(node->span, "+")) {
        huge = __builtin_add_overflow(a, b, &result);
    } else if (cna_slice_is(node->span, "-")) {
        huge = __builtin_sub_overflow(a, b, &result);
    } else if (cna_slice_is(node->span, "*")) {
        huge = __builtin_mul_overflow(a, b, &result);
    } else if (cna_slice_is(node->span, "**")) {
        CNA_TRY(power(r, node, a, b, &result));
    } else if (b == 0) {
        return cna_rendering_fail(r, node, "it divides by zero");
    } else if (cna_slice_is(node->span, "/")) {
        *out = (cna_value){.kind = CNA_VALUE_REAL, .real = (double)a / (double)b};
        return CNA_OK;
    } else if (cna_slice_is(node->span, "%")) {
        result = floor_remainder(a, b);
    } else {
        huge = a == INT64_MIN && b == -1;
        if (!huge) result = (a / b) - (a % b != 0 && (a < 0) != (b < 0));
    }
    if (huge) return refuse_huge(r, node);
    *out = cna_value_int(result);
    return CNA_OK;
}

static cna_status operate_real(const cna_rendering *r, const cna_node *node, double a, double b, cna_value *out)
{
    *out = (cna_value){.kind = CNA_VALUE_REAL};
    if (cna_slice_is(node->span, "+"))
        out->real = a + b;
    else if (cna_slice_is(node->span, "-"))
        out->real = a - b;
    else if (cna_slice_is(node->span, "*"))
        out->real = a * b;
    else if (b == 0)
        return cna_rendering_fail(r, node, "it divides by zero");
    else if (cna_slice_is(node->span, "/"))
        out->real = a / b;
    else
        return cna_rendering_refuse(r, node, "an operator on reals,");
    return isfinite(out->real) ? CNA_OK : refuse_huge(r, node);
}

static cna_status repeat_text(cna_rendering *r, const cna_node *node, cna_slice text, size_t n, cna_value *out)
{
    char *to;
    if (n != 0 && text.n > SIZE_MAX / 2 / n) return cna_rendering_refuse_size(r, node);
    CNA_TRY(cna_rendering_spend(r, node, text.n * n / 64));
    CNA_TRY(cna_rendering_alloc(r, node, &to, text.n * n + 1, 1));
    *out = cna_value_text(to, text.n * n);
    for (size_t done = 0, more = text.n; done < text.n * n; done += more) {
        if (done != 0) more = done < text.n * n - done ? done : text.n * n - done;
        memcpy(to + done, done == 0 ? text.text : to, more);
    }
    return CNA_OK;
}

static cna_status repeat(cna_rendering *r, const cna_node *node, const cna_value *a, int64_t times, cna_value *out)
{
    size_t n = times < 0 ? 0 : (size_t)times;
    if (a->kind == CNA_VALUE_STRING) return repeat_text(r, node, a->text, a->text.n == 0 ? 0 : n, out);
    const cna_sequence *list = a->sequence;
    cna_value *items;
    if (list->n != 0 && n > SIZE_MAX / list->n) return cna_rendering_refuse_size(r, node);
    size_t n_items = list->n * n;
    CNA_TRY(cna_value_sequence(r, node, list->kind, n_items, &items, out));
    for (size_t i = 0; i < n_items; i++) items[i] = list->items[i % list->n];
    return CNA_OK;
}

static bool is_list(const cna_value *v)
{
    return v->kind == CNA_VALUE_SEQUENCE && v->sequence->kind <= CNA_SEQUENCE_TUPLE;
}

static cna_status join_lists(cna_rendering *r, const cna_node *node, const cna_sequence *a, const cna_sequence *b,
                             cna_value *out)
{
    cna_value *items;
    CNA_TRY(cna_value_sequence(r, node, a->kind, a->n + b->n, &items, out));
    if (a->n != 0) memcpy(items, a->items, a->n * sizeof *items);
    if (b->n != 0) memcpy(items + a->n, b->items, b->n * sizeof *items);
    return CNA_OK;
}

cna_status cna_value_operate(cna_rendering *r, const cna_value *a, const cna_value *b, const cna_node *node,
                             cna_value *out)
{
    if (cna_slice_is(node->span, "~")) {
        cna_slice left, right;
        CNA_TRY(cna_text_of(r, node, a, &left));
        CNA_TRY(cna_text_of(r, node, b, &right));
        return cna_text_join(r, node, left, right, out);
    }
    if (a->kind == CNA_VALUE_UNDEFINED || b->kind == CNA_VALUE_UNDEFINED)
        return cna_rendering_fail(r, node, "it joins or counts something undefined");
    if (cna_value_is_number(a) && cna_value_is_number(b)) {
        if (a->kind == CNA_VALUE_REAL || b->kind == CNA_VALUE_REAL)
            return operate_real(r, node, cna_value_real(a), cna_value_real(b), out);
        return operate_whole(r, node, a->number, b->number, out);
    }
    bool plus = cna_slice_is(node->span, "+"), times = cna_slice_is(node->span, "*");
    if ((a->kind == CNA_VALUE_STRING && a->safe) || (b->kind == CNA_VALUE_STRING && b->safe))
        return cna_rendering_refuse(r, node, "what the filter safe gave beside the operator");
    if (plus && a->kind == CNA_VALUE_STRING && b->kind == CNA_VALUE_STRING)
        return cna_text_join(r, node, a->text, b->text, out);
    if (plus && is_list(a) && is_list(b) && a->sequence->kind == b->sequence->kind)
        return join_lists(r, node, a->sequence, b->sequence, out);
    bool a_counts = a->kind == CNA_VALUE_INT || a->kind == CNA_VALUE_BOOL;
    bool b_counts = b->kind == CNA_VALUE_INT || b->kind == CNA_VALUE_BOOL;
    if (times && b_counts && (a->kind == CNA_VALUE_STRING || is_list(a))) return repeat(r, node, a, b->number, out);
    if (times && a_counts && (b->kind == CNA_VALUE_STRING || is_list(b))) return repeat(r, node, b, a->number, out);
    if (cna_slice_is(node->span, "%") && a->kind == CNA_VALUE_STRING) return cna_text_percent(r, node, a->text, b, out);
    return cna_rendering_fail(r, node, "an operator has values that it cannot work on");
}
