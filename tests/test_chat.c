/* SPDX-License-Identifier: MIT
 * Chat formatting: transformers' renderings (tests/golden/make_chat.py), where a template is looked for,
 * which are refused, dates. */
#include "support.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "text/prompts.h"
#include "text/tokenizer.h"
#include "tokenizer_fixture.h"

static void write_file(const char *folder, const char *name, const char *text)
{
    char *path = support_path(folder, name);
    support_write(path, text, strlen(text));
    cna_free(path);
}

/* A model folder with a tokenizer and these files, where they are not NULL; opened. */
static cna_tokenizer *open_with(const char *config, const char *jinja)
{
    cna_error err;
    cna_tokenizer *tokenizer;
    char *folder = support_folder_create();
    tokenizer_fixture_write(folder, &(tokenizer_fixture){0});
    if (config != NULL) write_file(folder, "tokenizer_config.json", config);
    if (jinja != NULL) write_file(folder, "chat_template.jinja", jinja);
    assert_ok(cna_tokenizer_open(folder, &tokenizer, &err));
    support_folder_remove(folder);
    return tokenizer;
}

static cna_status render_one(const cna_tokenizer *tokenizer, const char *role, const char *content,
                             const char *date, char **text, cna_error *err)
{
    cna_message message = {.role = role, .content = content, .n_bytes = strlen(content)};
    const cna_format format = {.date = date};
    return cna_tokenizer_render(tokenizer, &message, 1, &format, text, NULL, err);
}

static void expect_user(const cna_tokenizer *tokenizer, const char *expected)
{
    cna_error err;
    char *text;
    assert_ok(render_one(tokenizer, "user", "Hi", "2026-02-03", &text, &err));
    assert_string_equal(text, expected);
    cna_free(text);
}

/* ------------------------------------------------------------------------------------------------- golden */

static void check_conversation(const cna_tokenizer *tokenizer, const json_t *conversation, const char *date)
{
    const json_t *messages = json_object_get(conversation, "messages");
    const json_t *expected = json_object_get(conversation, "text");
    cna_message list[8];
    size_t n = json_array_size(messages);
    assert_in_range(n, 1, 8);
    for (size_t i = 0; i < n; i++) {
        const json_t *message = json_array_get(messages, i);
        const json_t *content = json_object_get(message, "content");
        list[i] = (cna_message){.role = json_string_value(json_object_get(message, "role")),
                                .content = json_string_value(content),
                                .n_bytes = json_string_length(content)};
    }
    cna_error err;
    char *text;
    size_t n_bytes;
    cna_status status = cna_tokenizer_render(tokenizer, list, n, &(cna_format){.date = date}, &text, &n_bytes, &err);
    if (json_is_null(expected)) {
        assert_int_equal(status, CNA_ERR_ARG);
        return;
    }
    if (status != CNA_OK) fail_msg("%s", err.text);
    assert_int_equal(n_bytes, json_string_length(expected));
    assert_string_equal(text, json_string_value(expected));
    cna_free(text);
}

/* The template of a golden file, new. What is skipped for want of test data holds nothing. */
static char *read_template(const char *path)
{
    cna_error err;
    json_t *golden;
    char name[256] = "", *text = NULL;
    assert_ok(cna_json_load(path, 1 << 20, &golden, &err));
    const json_t *template = json_object_get(golden, "template");
    const char *own = json_string_value(json_object_get(template, "text"));
    if (own != NULL) {
        assert_ok(cna_alloc(&text, strlen(own) + 1, 1, "test", &err));
        memcpy(text, own, strlen(own) + 1);
    } else {
        snprintf(name, sizeof name, "%s", json_string_value(json_object_get(template, "testdata")));
    }
    json_decref(golden);
    if (text != NULL) return text;
    char *file = support_testdata(name);
    text = support_read(file, NULL);
    cna_free(file);
    return text;
}

static void check_golden(const char *name)
{
    cna_error err;
    char path[128];
    json_t *golden;
    snprintf(path, sizeof path, "tests/golden/chat/%s.json", name);
    char *text = read_template(path);
    assert_ok(cna_json_load(path, 1 << 20, &golden, &err));
    cna_tokenizer *tokenizer = open_with("{\"bos_token\": \"<|begin_of_text|>\", \"pad_token\": null}", text);
    assert_string_equal(cna_tokenizer_chat_family(tokenizer),
                        json_string_value(json_object_get(golden, "family")));
    assert_true(cna_tokenizer_has_chat(tokenizer));
    const json_t *conversations = json_object_get(golden, "conversations");
    assert_true(json_array_size(conversations) >= 10);
    for (size_t i = 0; i < json_array_size(conversations); i++) {
        check_conversation(tokenizer, json_array_get(conversations, i),
                           json_string_value(json_object_get(golden, "date")));
    }
    cna_tokenizer_free(tokenizer);
    cna_free(text);
    json_decref(golden);
}

#define GOLDEN_LIST(X)                                                                                       \
    X(llama_short, "llama-short")                                                                            \
    X(llama_set, "llama-set")                                                                                \
    X(chatml, "chatml")                                                                                      \
    X(chatml_default, "chatml-default")                                                                      \
    X(chatml_bare, "chatml-bare")                                                                            \
    X(chatml_strict, "chatml-strict")                                                                        \
    X(chatml_dated, "chatml-dated")                                                                          \
    X(chatml_spaces, "chatml-spaces")                                                                        \
    X(llama_3_1, "llama-3.1")                                                                                \
    X(llama_3_2, "llama-3.2")                                                                                \
    X(llama_3_3, "llama-3.3")                                                                                \
    X(qwen2_5, "qwen2.5")                                                                                    \
    X(qwen2_5_base, "qwen2.5-base")

#define X(function, name)                                                                                    \
    static void golden_##function(void **state)                                                              \
    {                                                                                                        \
        (void)state;                                                                                         \
        check_golden(name);                                                                                  \
    }
GOLDEN_LIST(X)
#undef X

/* ------------------------------------------------------------------------------------ where templates are */

#define CHATML(mark)                                                                                         \
    mark "{% for m in messages %}<|im_start|>{{ m.role }}\\n{{ m.content }}<|im_end|>\\n{% endfor %}"

static void the_template_is_found_as_transformers_finds_it(void **state)
{
    (void)state;
    static const char listed[] =
        "{\"chat_template\": [{\"name\": \"tool_use\", \"template\": \"t\"}, {\"name\": "
        "\"default\", \"template\": \"" CHATML("D") "\"}]}";
    static const char nameless[] = "{\"chat_template\": [{\"name\": \"tool_use\", \"template\": \"t\"}]}";
    static const char single[] = "{\"bos_token\": {\"content\": \"<b>\"}, \"chat_template\": \"" CHATML(
        "{{ bos_token }}{{ eos_token }}") "\"}";
    cna_tokenizer *tokenizer = open_with(single, NULL);
    expect_user(tokenizer, "<b><|im_start|>user\nHi<|im_end|>\n");
    cna_tokenizer_free(tokenizer);
    tokenizer = open_with(listed, NULL);
    expect_user(tokenizer, "D<|im_start|>user\nHi<|im_end|>\n");
    cna_tokenizer_free(tokenizer);
    tokenizer =
        open_with(single, "{% for m in messages %}J<|im_start|>user\n{{ m.content }}<|im_end|>{% endfor %}");
    expect_user(tokenizer, "J<|im_start|>user\nHi<|im_end|>");
    cna_tokenizer_free(tokenizer);
    tokenizer = open_with(nameless, NULL);
    assert_string_equal(cna_tokenizer_chat_family(tokenizer), "unsupported");
    cna_tokenizer_free(tokenizer);
}

static void without_a_template_there_is_no_chat(void **state)
{
    (void)state;
    static const char *const configs[] = {NULL, "{}", "{\"chat_template\": null, \"bos_token\": null}"};
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        cna_tokenizer *tokenizer = open_with(configs[i], NULL);
        cna_error err;
        char *text;
        assert_string_equal(cna_tokenizer_chat_family(tokenizer), "none");
        assert_false(cna_tokenizer_has_chat(tokenizer));
        assert_int_equal(render_one(tokenizer, "user", "Hi", NULL, &text, &err), CNA_ERR_UNSUPPORTED);
        assert_non_null(strstr(err.text, "found none; use --raw, or give one with --chat-template"));
        cna_tokenizer_free(tokenizer);
    }
}

static void a_bad_config_is_an_error(void **state)
{
    (void)state;
    static const char *const configs[] = {"[]", "{", "{\"bos_token\": 1}",
                                          "{\"eos_token\": {\"text\": \"x\"}}"};
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        cna_error err;
        cna_tokenizer *tokenizer;
        char *folder = support_folder_create();
        tokenizer_fixture_write(folder, &(tokenizer_fixture){0});
        write_file(folder, "tokenizer_config.json", configs[i]);
        assert_int_equal(cna_tokenizer_open(folder, &tokenizer, &err), CNA_ERR_FORMAT);
        assert_null(tokenizer);
        assert_non_null(strstr(err.text, "tokenizer_config.json: "));
        support_folder_remove(folder);
    }
}

static void any_template_is_used(void **state)
{
    (void)state;
    static const struct {
        const char *jinja, *family, *text;
    } cases[] = {
        {"{% for m in messages %}[ASK] {{ m.content }} [/ASK]{% endfor %}", "other", "[ASK] Hi [/ASK]"},
        {"{% for m in messages %}<|im_start|>{{ m.role }} {{ m.content }}<|im_end|>{% endfor %}", "other",
         "<|im_start|>user Hi<|im_end|>"},
        /* The trial that tells families apart is refused; this message is not. */
        {"{% if messages[0].content == 'trial' %}{{ raise_exception('no') }}{% endif %}yes", "other", "yes"},
        {"", "other", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cna_tokenizer *tokenizer = open_with(NULL, cases[i].jinja);
        assert_string_equal(cna_tokenizer_chat_family(tokenizer), cases[i].family);
        expect_user(tokenizer, cases[i].text);
        cna_tokenizer_free(tokenizer);
    }
}

/* The model opens, raw text works, and chat says what is the matter. */
static void templates_not_understood_are_refused_at_use(void **state)
{
    (void)state;
    static const struct {
        const char *jinja, *reason;
    } cases[] = {
        {"{% include 'x' %}", "line 1: expected a chat template in the part of Jinja that is known, found the name"},
        {"\n{{ messages | urlize }}", "line 2: expected a chat template in the part of Jinja that is known, found the "
                                      "filter 'urlize'; give another with --chat-template FILE|NAME, or do without by "
                                      "--raw"},
        {"\xFF", "byte 0 of the chat template: expected UTF-8, found byte 0xff"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cna_tokenizer *tokenizer = open_with(NULL, cases[i].jinja);
        cna_error err;
        char *text;
        int32_t *ids;
        size_t n;
        assert_string_equal(cna_tokenizer_chat_family(tokenizer), "unsupported");
        assert_true(cna_tokenizer_has_chat(tokenizer));
        assert_int_not_equal(render_one(tokenizer, "user", "Hi", NULL, &text, &err), CNA_OK);
        assert_non_null(strstr(err.text, "chat_template.jinja"));
        if (strstr(err.text, cases[i].reason) == NULL) fail_msg("%s\n  lacks %s", err.text, cases[i].reason);
        assert_ok(cna_tokenizer_encode(tokenizer, "Hi", 2, true, &ids, &n, &err));
        assert_int_equal(n, 2);
        cna_free(ids);
        cna_tokenizer_free(tokenizer);
    }
}

static void bad_messages_and_dates_are_refused(void **state)
{
    (void)state;
    cna_tokenizer *tokenizer =
        open_with("{\"chat_template\": \"" CHATML("") "{{ strftime_now('%d %B %Y') }}\"}", NULL);
    static const char *const bad[] = {"",           "2026-2-3",   "2026-02-30", "2025-02-29",
                                      "1900-02-29", "2026-13-01", "2026-00-10", "2026-01-00",
                                      "2026/01/01", "20260-1-01", "0026-01-01", "x"};
    static const char *const good[][2] = {{"2024-02-29", "29 February 2024"},
                                          {"2000-02-29", "29 February 2000"},
                                          {"2026-12-31", "31 December 2026"},
                                          {"1999-06-01", "01 June 1999"}};
    cna_error err;
    char *text;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(render_one(tokenizer, "user", "Hi", bad[i], &text, &err), CNA_ERR_ARG);
        assert_non_null(strstr(err.text, "date: expected a day as YYYY-MM-DD, found '"));
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_ok(render_one(tokenizer, "user", "Hi", good[i][0], &text, &err));
        assert_string_equal(text + strlen("<|im_start|>user\nHi<|im_end|>\n"), good[i][1]);
        cna_free(text);
    }
    assert_ok(render_one(tokenizer, "user", "Hi", NULL, &text, &err));
    cna_free(text);
    assert_int_equal(render_one(tokenizer, "tool", "Hi", NULL, &text, &err), CNA_ERR_ARG);
    assert_string_equal(err.text, "message 1: expected role system, user or assistant, found 'tool'");
    assert_int_equal(render_one(tokenizer, "user", "a\x80", NULL, &text, &err), CNA_ERR_FORMAT);
    assert_string_equal(err.text, "message 1, byte 1: expected UTF-8, found byte 0x80");
    cna_tokenizer_free(tokenizer);
}

static void content_may_hold_nul(void **state)
{
    (void)state;
    cna_tokenizer *tokenizer = open_with("{\"chat_template\": \"" CHATML("") "\"}", NULL);
    cna_message message = {.role = "user", .content = "a\0b", .n_bytes = 3};
    cna_error err;
    char *text;
    size_t n;
    assert_ok(cna_tokenizer_render(tokenizer, &message, 1, NULL, &text, &n, &err));
    static const char expected[] = "<|im_start|>user\na\0b<|im_end|>\n";
    assert_int_equal(n, sizeof expected - 1);
    assert_memory_equal(text, expected, n);
    cna_free(text);
    cna_tokenizer_free(tokenizer);
}

/* ------------------------------------------------------------------------------------- what formats ask for */

static void expect_format(const cna_tokenizer *tokenizer, const cna_format *format, const char *expected)
{
    const cna_message message = {.role = "user", .content = "Hi", .n_bytes = 2};
    cna_error err;
    char *text;
    cna_status status = cna_tokenizer_render(tokenizer, &message, 1, format, &text, NULL, &err);
    if (status != CNA_OK) fail_msg("%s", err.text);
    assert_string_equal(text, expected);
    cna_free(text);
}

static void a_format_brings_template_arguments_and_prefix(void **state)
{
    (void)state;
    static const char *const given[] = {"a=true", "b=2.5", "c=no JSON", "d=[1, \"x\"]", "bos_token=B", "e="};
    cna_tokenizer *tokenizer = open_with("{\"bos_token\": \"<b>\"}", NULL);
    cna_format format = {.chat_template = "{{ [a, b, c, d, e, f is defined] }}{{ bos_token }}",
                         .template_args = given,
                         .n_template_args = 6,
                         .prefix = "Sure"};
    expect_format(tokenizer, &format, "[True, 2.5, 'no JSON', [1, 'x'], '', False]BSure");
    format = (cna_format){.chat_template = "chatml", .prefix = "{"};
    expect_format(tokenizer, &format, "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n{");
    format = (cna_format){.chat_template = "llama3"};
    expect_format(tokenizer, &format,
                  "<b><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
                  "<|start_header_id|>assistant<|end_header_id|>\n\n");
    assert_true(cna_format_is_chat(tokenizer, &format));
    assert_false(cna_format_is_chat(tokenizer, NULL));
    cna_tokenizer_free(tokenizer);
}

static void bad_formats_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *args[2];
        const char *chat_template, *prefix, *reason;
    } cases[] = {
        {{"a", NULL}, NULL, NULL, "template argument: expected NAME=VALUE"},
        {{"1a=2", NULL}, NULL, NULL, "found '1a=2'"},
        {{"messages=[]", NULL}, NULL, NULL, "and not messages"},
        {{"a=1", "a=2"}, NULL, NULL, "template argument a: expected once, found again"},
        {{"a=\xFF", NULL}, NULL, NULL, "template argument a: expected UTF-8"},
        {{NULL, NULL}, NULL, "\xFF", "prefix: expected UTF-8"},
        {{NULL, NULL}, "\xFF", NULL, "chat template, byte 0: expected UTF-8"},
        {{NULL, NULL}, "{{", NULL, "chat template, line 1: expected a chat template in the part of Jinja"},
    };
    cna_tokenizer *tokenizer = open_with("{\"chat_template\": \"" CHATML("") "\"}", NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const cna_message message = {.role = "user", .content = "Hi", .n_bytes = 2};
        cna_format format = {.template_args = cases[i].args,
                             .n_template_args = (size_t)((cases[i].args[0] != NULL) + (cases[i].args[1] != NULL)),
                             .chat_template = cases[i].chat_template,
                             .prefix = cases[i].prefix};
        cna_error err;
        char *text;
        assert_int_not_equal(cna_tokenizer_render(tokenizer, &message, 1, &format, &text, NULL, &err), CNA_OK);
        if (strstr(err.text, cases[i].reason) == NULL) fail_msg("%s\n  lacks %s", err.text, cases[i].reason);
    }
    cna_tokenizer_free(tokenizer);
}

static void what_a_format_asks_is_recorded(void **state)
{
    (void)state;
    static const char *const args[] = {"b=false", "a=x"};
    /* printf '%s' x | sha256sum */
    static const char x[] = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    cna_error err;
    char *text, expected[256];
    assert_ok(cna_format_describe(NULL, &text, &err));
    assert_null(text);
    assert_ok(cna_format_describe(&(cna_format){.system = "s", .date = "2026-01-01"}, &text, &err));
    assert_null(text);
    cna_format format = {.chat_template = "chatml", .template_args = args, .n_template_args = 2, .prefix = "\"p"};
    assert_ok(cna_format_describe(&format, &text, &err));
    assert_string_equal(
        text, "{\"chat_template\":\"chatml\",\"prefix\":\"\\\"p\",\"template_args\":{\"a\":\"x\",\"b\":false}}");
    cna_free(text);
    assert_ok(cna_format_describe(&(cna_format){.chat_template = "x"}, &text, &err));
    snprintf(expected, sizeof expected, "{\"chat_template\":\"%s\"}", x);
    assert_string_equal(text, expected);
    cna_free(text);
}

/* ----------------------------------------------------------------------------------------------- allocations */

static cna_status open_and_render(void *folder, cna_error *err)
{
    static const char *const arguments[] = {"mood=\"calm\"", "n=3"};
    const cna_message messages[] = {{"system", "Be brief.", 9}, {"user", "Hi", 2}};
    const cna_format format = {
        .date = "2026-02-03", .template_args = arguments, .n_template_args = 2, .prefix = "Well,"};
    const cna_format named = {.chat_template = "chatml"};
    cna_tokenizer *tokenizer;
    char *text = NULL, *other = NULL;
    CNA_TRY(cna_tokenizer_open(folder, &tokenizer, err));
    cna_status status = cna_tokenizer_render(tokenizer, messages, 2, &format, &text, NULL, err);
    if (status == CNA_OK) status = cna_tokenizer_render(tokenizer, messages, 2, &named, &other, NULL, err);
    cna_free(text);
    cna_free(other);
    cna_tokenizer_free(tokenizer);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    static const char jinja[] = "{{ mood }}{{ n }}{% for m in messages %}{{ bos_token ~ m.role ~ m.content }}"
                                "{% endfor %}{{ strftime_now('%d %b %Y') }}";
    char *folder = support_folder_create();
    tokenizer_fixture_write(folder, &(tokenizer_fixture){0});
    write_file(folder, "tokenizer_config.json", "{\"bos_token\": {\"content\": \"<s>\"}, \"eos_token\": \"</s>\"}");
    write_file(folder, "chat_template.jinja", jinja);
    support_fail_allocations(open_and_render, folder);
    support_folder_remove(folder);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define X(function, name) cmocka_unit_test(golden_##function),
        GOLDEN_LIST(X)
#undef X
            cmocka_unit_test(the_template_is_found_as_transformers_finds_it),
        cmocka_unit_test(without_a_template_there_is_no_chat),
        cmocka_unit_test(a_bad_config_is_an_error),
        cmocka_unit_test(any_template_is_used),
        cmocka_unit_test(templates_not_understood_are_refused_at_use),
        cmocka_unit_test(bad_messages_and_dates_are_refused),
        cmocka_unit_test(content_may_hold_nul),
        cmocka_unit_test(a_format_brings_template_arguments_and_prefix),
        cmocka_unit_test(bad_formats_are_refused),
        cmocka_unit_test(what_a_format_asks_is_recorded), cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("chat", tests, NULL, NULL);
}
