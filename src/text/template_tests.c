/* SPDX-License-Identifier: MIT
 * Tests of chat templates: `x is NAME`, and select and reject.
 *
 *   defined undefined none string mapping iterable sequence callable number integer float boolean true false sameas
 *   odd even divisibleby lower upper in; eq equalto == ne != lt lessthan < le <= gt greaterthan > ge >= */
#include <string.h>

#include "text/template_eval.h"

typedef cna_status test_fn(cna_rendering *r, const cna_node *node, const cna_value *v, const cna_value *other,
                           bool *out);

static cna_status test_equal(cna_rendering *r, const cna_node *node, const cna_value *v, const cna_value *other,
                             bool *out)
{
    return cna_value_equal(r, v, other, node, out);
}

static cna_status test_unequal(cna_rendering *r, const cna_node *node, const cna_value *v, const cna_value *other,
                               bool *out)
{
    CNA_TRY(cna_value_equal(r, v, other, node, out));
    *out = !*out;
    return CNA_OK;
}

static cna_status test_less(cna_rendering *r, const cna_node *node, const cna_value *v, const cna_value *other,
                            bool *out)
{
    int order;
    CNA_TRY(cna_value_compare(r, v, other, node, &order));
    *out = order < 0;
    return CNA_OK;
}

static cna_status test_less_equal(cna_rendering *r, const cna_node *node, const cna_value *v,
                                  const cna_value *other, bool *out)
{
    int order;
    CNA_TRY(cna_value_compare(r, v, other, node, &order));
    *out = order <= 0;
    return CNA_OK;
}

static cna_status test_greater(cna_rendering *r, const cna_node *node, const cna_value *v, const cna_value *other,
                               bool *out)
{
    return test_less(r, node, other, v, out);
}

static cna_status test_greater_equal(cna_rendering *r, const cna_node *node, const cna_value *v,
                                     const cna_value *other, bool *out)
{
    return test_less_equal(r, node, other, v, out);
}

static cna_status test_in(cna_rendering *r, const cna_node *node, const cna_value *v, const cna_value *other,
                          bool *out)
{
    return cna_value_in(r, v, other, node, out);
}

static cna_status test_divisible(cna_rendering *r, const cna_node *node, const cna_value *v, const cna_value *other,
                                 bool *out)
{
    int64_t a = 0, b = 1;
    CNA_TRY(cna_eval_whole(r, node, v, &a));
    CNA_TRY(cna_eval_whole(r, node, other, &b));
    if (b == 0) return cna_rendering_fail(r, node, "it divides by zero");
    *out = b == -1 || a % b == 0;
    return CNA_OK;
}

/* The same object: only sure for what there is one of. */
static cna_status test_same(cna_rendering *r, const cna_node *node, const cna_value *v, const cna_value *other,
                            bool *out)
{
    bool single = other->kind == CNA_VALUE_NONE || other->kind == CNA_VALUE_BOOL;
    if (!single) return cna_rendering_refuse(r, node, "other things than none, true and false in the test");
    *out = v->kind == other->kind && (v->kind == CNA_VALUE_NONE || v->number == other->number);
    return CNA_OK;
}

/* ------------------------------------------------------------------------------------------------- of one value */

static cna_status test_case(cna_rendering *r, const cna_node *node, const cna_value *v, bool upper, bool *out)
{
    cna_value mapped;
    bool letters = false;
    if (v->kind != CNA_VALUE_STRING) return cna_rendering_refuse(r, node, "no text in the test");
    CNA_TRY(cna_text_case(r, node, v->text, upper ? CNA_CASE_UPPER : CNA_CASE_LOWER, &mapped));
    for (size_t i = 0; i < v->text.n && !letters; i++) {
        char c = v->text.text[i];
        letters = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    }
    *out = letters && memcmp(mapped.text.text, v->text.text, v->text.n) == 0;
    return CNA_OK;
}

static bool test_kind(cna_slice name, const cna_value *v, bool *out)
{
    cna_value_kind kind = v->kind;
    bool list = kind == CNA_VALUE_SEQUENCE && v->sequence->kind <= CNA_SEQUENCE_RANGE;
    const struct {
        const char *name;
        bool truth;
    } tests[] = {
        {"defined", kind != CNA_VALUE_UNDEFINED},
        {"undefined", kind == CNA_VALUE_UNDEFINED},
        {"none", kind == CNA_VALUE_NONE},
        {"string", kind == CNA_VALUE_STRING},
        {"mapping", kind == CNA_VALUE_DICT},
        {"iterable", kind == CNA_VALUE_UNDEFINED || kind == CNA_VALUE_STRING || kind == CNA_VALUE_SEQUENCE ||
                         kind == CNA_VALUE_DICT || kind == CNA_VALUE_LOOP},
        {"sequence", kind == CNA_VALUE_UNDEFINED || kind == CNA_VALUE_STRING || kind == CNA_VALUE_DICT || list},
        {"callable", kind == CNA_VALUE_MACRO || kind == CNA_VALUE_FUNCTION || kind == CNA_VALUE_UNDEFINED},
        {"number", cna_value_is_number(v)},
        {"integer", kind == CNA_VALUE_INT},
        {"float", kind == CNA_VALUE_REAL},
        {"boolean", kind == CNA_VALUE_BOOL},
        {"true", kind == CNA_VALUE_BOOL && v->number != 0},
        {"false", kind == CNA_VALUE_BOOL && v->number == 0},
    };
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        if (!cna_slice_is(name, tests[i].name)) continue;
        *out = tests[i].truth;
        return true;
    }
    return false;
}

cna_status cna_eval_test(cna_rendering *r, const cna_node *node, cna_slice name, const cna_value *v,
                         const cna_arguments *arguments, bool *out)
{
    static const struct {
        const char *name;
        test_fn *test;
    } tests[] = {{"eq", test_equal},           {"equalto", test_equal},         {"==", test_equal},
                 {"ne", test_unequal},         {"!=", test_unequal},            {"lt", test_less},
                 {"lessthan", test_less},      {"<", test_less},                {"le", test_less_equal},
                 {"<=", test_less_equal},      {"gt", test_greater},            {"greaterthan", test_greater},
                 {">", test_greater},          {"ge", test_greater_equal},      {">=", test_greater_equal},
                 {"in", test_in},              {"divisibleby", test_divisible}, {"sameas", test_same}};
    const cna_value *other;
    const cna_value two = cna_value_int(2);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        if (!cna_slice_is(name, tests[i].name)) continue;
        CNA_TRY(cna_eval_bind(r, node, arguments, "other", &other));
        if (other == NULL) return cna_rendering_fail(r, node, "a test lacks an argument");
        return tests[i].test(r, node, v, other, out);
    }
    CNA_TRY(cna_eval_bind(r, node, arguments, "", NULL));
    if (test_kind(name, v, out)) return CNA_OK;
    if (cna_slice_is(name, "upper") || cna_slice_is(name, "lower"))
        return test_case(r, node, v, cna_slice_is(name, "upper"), out);
    if (!cna_slice_is(name, "odd") && !cna_slice_is(name, "even")) return cna_rendering_refuse(r, node, "the test");
    CNA_TRY(test_divisible(r, node, v, &two, out));
    if (cna_slice_is(name, "odd")) *out = !*out;
    return CNA_OK;
}
