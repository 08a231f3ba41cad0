/* SPDX-License-Identifier: MIT
 * The evaluator of chat templates: transformers' renderings (tests/golden/make_templates.py), malformed and hostile
 * templates, allocations that fail. */
#include "support.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "text/template.h"

static const cna_template_variable special_tokens[] = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};

/* Parse and render for messages given as JSON. */
static cna_status render(const char *text, size_t n_bytes, const json_t *messages, const json_t *arguments,
                         cna_buffer *out, cna_error *err)
{
    cna_message list[16];
    cna_template *parsed = NULL;
    size_t n = json_array_size(messages);
    assert_in_range(n, 1, 16);
    for (size_t i = 0; i < n; i++) {
        const json_t *content = json_object_get(json_array_get(messages, i), "content");
        list[i] = (cna_message){.role = json_string_value(json_object_get(json_array_get(messages, i), "role")),
                                .content = json_string_value(content),
                                .n_bytes = json_string_length(content)};
    }
    const cna_template_input input = {list, n, special_tokens, 2, arguments, {2026, 2, 3}, 0};
    cna_status status = cna_template_parse(text, n_bytes, "template", &parsed, err);
    if (status == CNA_OK) status = cna_template_render(parsed, &input, out, err);
    cna_template_free(parsed);
    return status;
}

static void check_rendering(const char *text, const json_t *rendering)
{
    const json_t *expected = json_object_get(rendering, "text");
    cna_buffer out = {0};
    cna_error err;
    cna_status status = render(text, strlen(text), json_object_get(rendering, "messages"),
                               json_object_get(rendering, "arguments"), &out, &err);
    if (json_is_null(expected)) {
        if (status != CNA_ERR_ARG) fail_msg("%s\n  refused by jinja2, not so here", text);
    } else if (status != CNA_OK) {
        fail_msg("%s\n  %s", text, err.text);
    } else {
        assert_int_equal(out.size, json_string_length(expected));
        assert_string_equal(out.size == 0 ? "" : out.data, json_string_value(expected));
    }
    cna_buffer_free(&out);
}

static void renders_as_transformers_does(void **state)
{
    (void)state;
    json_t *golden;
    cna_error err;
    assert_ok(cna_json_load("tests/golden/templates.json", 1 << 22, &golden, &err));
    const json_t *cases = json_object_get(golden, "cases");
    assert_true(json_array_size(cases) >= 60);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *one = json_array_get(cases, i);
        const json_t *renderings = json_object_get(one, "renderings");
        for (size_t k = 0; k < json_array_size(renderings); k++) {
            check_rendering(json_string_value(json_object_get(one, "template")), json_array_get(renderings, k));
        }
    }
    json_decref(golden);
}

/* One conversation by a template in a file. */
static cna_status parse_and_render(const char *path, cna_error *err)
{
    cna_buffer out = {0};
    size_t n;
    char *text = support_read(path, &n);
    cna_template *parsed = NULL;
    const cna_message list[] = {{"system", "S", 1}, {"user", "U", 1}};
    const cna_template_input input = {.messages = list, .n_messages = 2, .date = {2026, 2, 3}};
    cna_status status = cna_template_parse(text, n, path, &parsed, err);
    if (status == CNA_OK) status = cna_template_render(parsed, &input, &out, err);
    cna_template_free(parsed);
    cna_buffer_free(&out);
    cna_free(text);
    return status;
}

static void malformed_and_hostile_templates_are_refused(void **state)
{
    (void)state;
    support_replay_malformed("template", "input.jinja", parse_and_render);
}

/* What was written before stays, also where output is taken back into a variable. */
static void output_is_appended(void **state)
{
    (void)state;
    static const char text[] = "{% set x %}abc{% endset %}{% macro f() %}d{% endmacro %}{{ f() ~ x }}";
    json_t *messages = json_pack("[{s:s,s:s}]", "role", "user", "content", "U");
    cna_buffer out = {0};
    cna_error err;
    assert_ok(cna_buffer_add_text(&out, "before ", &err));
    assert_ok(render(text, strlen(text), messages, NULL, &out, &err));
    assert_string_equal(out.data, "before dabc");
    cna_buffer_free(&out);
    json_decref(messages);
}

/* Every kind of thing that allocates. */
static cna_status render_all(void *context, cna_error *err)
{
    static const char text[] =
        "{% macro f(a, b=[1]) %}{{ a }}{{ b }}{% endmacro %}{% set ns = namespace(x=messages | map(attribute='role') "
        "| list) %}{% for m in messages if m.role %}{{ loop.index ~ f(m.content | upper) }}{% endfor %}"
        "{{ {'a': ns.x, 'b': given} | tojson(indent=2) }}{{ 'a b'.split() | sort | join('-') }}"
        "{{ 'x'.replace('x', 'yy')[::-1] }}{% set t | indent %}a\nb{% endset %}{{ t }}{{ '%s' % t }}"
        "{{ range(9) | sum }}"
        "{{ strftime_now('%d %B') }}{{ [1.5, none] }}{{ {'k': 1} | dictsort }}{{ [2, 2] | unique | list }}";
    const json_t *const *given = context;
    cna_buffer out = {0};
    cna_status status = render(text, strlen(text), given[0], given[1], &out, err);
    cna_buffer_free(&out);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    json_t *messages = json_pack("[{s:s,s:s},{s:s,s:s}]", "role", "user", "content", "U", "role", "assistant",
                                 "content", "A");
    json_t *arguments = json_pack("{s:[i,{s:n}]}", "given", 1, "k");
    const json_t *context[] = {messages, arguments};
    support_fail_allocations(render_all, context);
    json_decref(messages);
    json_decref(arguments);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(renders_as_transformers_does),
        cmocka_unit_test(malformed_and_hostile_templates_are_refused),
        cmocka_unit_test(output_is_appended),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("template", tests, NULL, NULL);
}
