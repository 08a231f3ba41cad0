/* SPDX-License-Identifier: MIT
 * Chat formatting. */
#define _POSIX_C_SOURCE 200809L
#include "text/chat.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "text/template.h"

enum { CONFIG_BYTES_MAX = 64 << 20, TEMPLATE_BYTES_MAX = 1 << 20 };

/* The special tokens that transformers hands to templates (SPECIAL_TOKENS_ATTRIBUTES). */
static const char *const token_names[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                          "pad_token", "cls_token", "mask_token"};
enum { N_TOKEN_NAMES = sizeof token_names / sizeof *token_names };

struct cna_chat {
    const char *family;
    cna_template *parsed;        /* ? NULL: none, or unsupported */
    char *tokens[N_TOKEN_NAMES]; /* ? the special tokens' texts; NULL: not defined */
    cna_error reason;            /* why the template is unsupported */
};

/* ------------------------------------------------------------------------------------------------- dates */

static bool parse_digits(const char *text, size_t n, int *out)
{
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        *out = *out * 10 + (text[i] - '0');
    }
    return true;
}

static bool parse_date(const char *text, cna_date *out)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (strlen(text) != 10 || text[4] != '-' || text[7] != '-') return false;
    if (!parse_digits(text, 4, &out->year) || !parse_digits(text + 5, 2, &out->month)) return false;
    if (!parse_digits(text + 8, 2, &out->day) || out->year < 1000 || out->month < 1 || out->month > 12)
        return false;
    bool leap = (out->year % 4 == 0 && out->year % 100 != 0) || out->year % 400 == 0;
    return out->day >= 1 && out->day <= days[out->month - 1] + (out->month == 2 && leap);
}

/* The day given, or today's in local time. */
static cna_status find_date(const char *text, cna_date *out, cna_error *err)
{
    if (text != NULL) {
        if (parse_date(text, out)) return CNA_OK;
        return cna_fail(err, CNA_ERR_ARG, "date: expected a day as YYYY-MM-DD, found '%s'", text);
    }
    time_t now = time(NULL);
    struct tm local;
    if (localtime_r(&now, &local) == NULL)
        return cna_fail(err, CNA_ERR_INTERNAL, "the system's clock cannot be read");
    *out = (cna_date){local.tm_year + 1900, local.tm_mon + 1, local.tm_mday};
    return CNA_OK;
}

/* ------------------------------------------------------------------------------------------ what a format asks */

/* The built-in templates, for folders that have none or one that is not understood. */
static const struct {
    const char *name, *text;
} builtin[] = {
    {"llama3", "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + "
               "m.content | trim + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}"
               "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"},
    {"chatml", "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
               "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"},
};

static const char *find_builtin(const char *name)
{
    for (size_t i = 0; i < sizeof builtin / sizeof *builtin; i++) {
        if (strcmp(builtin[i].name, name) == 0) return builtin[i].text;
    }
    return NULL;
}

static cna_status parse_given(const char *text, cna_template **out, cna_error *err)
{
    size_t bad;
    const char *known = find_builtin(text);
    if (known != NULL) return cna_template_parse(known, strlen(known), "built-in chat template", out, err);
    if (!cna_utf8_check(text, strlen(text), &bad)) {
        return cna_fail(err, CNA_ERR_FORMAT, "chat template, byte %zu: expected UTF-8, found byte 0x%02x", bad,
                        (unsigned)(unsigned char)text[bad]);
    }
    return cna_template_parse(text, strlen(text), "chat template", out, err);
}

/* "NAME=VALUE"; a value is JSON, or where it is none the text that it is. */
static cna_status add_argument(json_t *object, const char *arg, cna_error *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    char name[64];
    size_t n_name = strspn(arg, letters), n = strlen(arg);
    json_t *value = NULL;
    bool is_name = n_name != 0 && n_name < sizeof name && (arg[0] < '0' || arg[0] > '9') && arg[n_name] == '=';
    if (!is_name || strncmp(arg, "messages=", 9) == 0) {
        return cna_fail(err, CNA_ERR_ARG,
                        "template argument: expected NAME=VALUE, the name of letters, digits and _ and not messages, "
                        "found '%s'",
                        arg);
    }
    memcpy(name, arg, n_name);
    name[n_name] = '\0';
    const char *text = arg + n_name + 1;
    n -= n_name + 1;
    if (!cna_utf8_check(text, n, NULL))
        return cna_fail(err, CNA_ERR_FORMAT, "template argument %s: expected UTF-8, found other bytes", name);
    if (json_object_get(object, name) != NULL)
        return cna_fail(err, CNA_ERR_ARG, "template argument %s: expected once, found again", name);
    if (cna_json_parse(text, n, name, &value, NULL) != CNA_OK) value = json_stringn(text, n);
    if (value == NULL || json_object_set_new(object, name, value) != 0)
        return cna_fail_memory(err, "template argument", n);
    return CNA_OK;
}

static cna_status read_arguments(const cna_format *format, json_t **out, cna_error *err)
{
    *out = json_object();
    if (*out == NULL) return cna_fail_memory(err, "template arguments", 0);
    for (size_t i = 0; i < format->n_template_args; i++) {
        cna_status status = add_argument(*out, format->template_args[i], err);
        if (status == CNA_OK) continue;
        json_decref(*out);
        *out = NULL;
        return status;
    }
    return CNA_OK;
}

static cna_status set_text(json_t *object, const char *key, const char *text, cna_error *err)
{
    if (text == NULL) return CNA_OK;
    if (json_object_set_new(object, key, json_string(text)) == 0) return CNA_OK;
    return cna_utf8_check(text, strlen(text), NULL)
               ? cna_fail_memory(err, "format", strlen(text))
               : cna_fail(err, CNA_ERR_FORMAT, "%s: expected UTF-8, found other bytes", key);
}

/* ? text replaced by its hash. */
static cna_status hash_text(const char **text, char hash[65], cna_error *err)
{
    if (*text == NULL) return CNA_OK;
    CNA_TRY(cna_sha256_hex(*text, strlen(*text), hash, err));
    *text = hash;
    return CNA_OK;
}

/* system: ? what is to be recorded of the system message as well. */
static cna_status describe(const cna_format *format, const char *system, char **out, cna_error *err)
{
    *out = NULL;
    if (format->chat_template == NULL && format->n_template_args == 0 && format->prefix == NULL && system == NULL)
        return CNA_OK;
    char template_hash[65], system_hash[65];
    const char *chat_template = format->chat_template;
    json_t *object = NULL;
    json_t *arguments = NULL;
    cna_status status;
    if (chat_template != NULL && find_builtin(chat_template) == NULL)
        CNA_TRY(hash_text(&chat_template, template_hash, err));
    CNA_TRY(hash_text(&system, system_hash, err));
    CNA_TRY(read_arguments(format, &arguments, err));
    object = json_object();
    status = object == NULL ? cna_fail_memory(err, "format", 0) : CNA_OK;
    if (status == CNA_OK) status = set_text(object, "chat_template", chat_template, err);
    if (status == CNA_OK) status = set_text(object, "prefix", format->prefix, err);
    if (status == CNA_OK) status = set_text(object, "system_sha256", system, err);
    if (status == CNA_OK && format->n_template_args != 0 &&
        json_object_set(object, "template_args", arguments) != 0)
        status = cna_fail_memory(err, "format", 0);
    if (status == CNA_OK) status = cna_json_compact(object, out, err);
    json_decref(object);
    json_decref(arguments);
    return status;
}

cna_status cna_format_describe(const cna_format *format, char **out, cna_error *err)
{
    *out = NULL;
    return format == NULL ? CNA_OK : describe(format, NULL, out, err);
}

cna_status cna_format_describe_prompts(const cna_format *format, char **out, cna_error *err)
{
    return describe(format, format->system, out, err);
}

cna_status cna_format_record(const cna_format *format, json_t *object, cna_error *err)
{
    char *text = NULL;
    json_t *options = NULL;
    CNA_TRY(cna_format_describe(format, &text, err));
    if (text == NULL) return CNA_OK;
    cna_status status = cna_json_parse(text, strlen(text), "chat options", &options, err);
    cna_free(text);
    if (status == CNA_OK && json_object_set_new(object, "chat_options", options) != 0)
        status = cna_fail_memory(err, "configuration", 0);
    return status;
}

/* --------------------------------------------------------------------------------------------- rendering */

static cna_status render(const cna_chat *chat, const cna_template *parsed, const cna_message *messages,
                         size_t n_messages, const json_t *arguments, cna_date date, cna_buffer *out, cna_error *err)
{
    cna_template_variable variables[N_TOKEN_NAMES];
    size_t n = 0;
    for (size_t i = 0; i < N_TOKEN_NAMES; i++) {
        if (chat->tokens[i] != NULL)
            variables[n++] = (cna_template_variable){token_names[i], chat->tokens[i]};
    }
    cna_template_input input = {messages, n_messages, variables, n, arguments, date, 0};
    return cna_template_render(parsed, &input, out, err);
}

static cna_status check_messages(const cna_message *messages, size_t n_messages, cna_error *err)
{
    for (size_t i = 0; i < n_messages; i++) {
        const char *role = messages[i].role;
        size_t bad;
        if (strcmp(role, "system") != 0 && strcmp(role, "user") != 0 && strcmp(role, "assistant") != 0) {
            return cna_fail(err, CNA_ERR_ARG,
                            "message %zu: expected role system, user or assistant, found '%s'", i + 1, role);
        }
        if (!cna_utf8_check(messages[i].content, messages[i].n_bytes, &bad)) {
            return cna_fail(err, CNA_ERR_FORMAT, "message %zu, byte %zu: expected UTF-8, found byte 0x%02x",
                            i + 1, bad, (unsigned)(unsigned char)messages[i].content[bad]);
        }
    }
    return CNA_OK;
}

static cna_status add_prefix(const char *prefix, cna_buffer *text, cna_error *err)
{
    if (prefix == NULL) return CNA_OK;
    if (!cna_utf8_check(prefix, strlen(prefix), NULL))
        return cna_fail(err, CNA_ERR_FORMAT, "prefix: expected UTF-8, found other bytes");
    return cna_buffer_add_text(text, prefix, err);
}

cna_status cna_chat_render(const cna_chat *chat, const cna_message *messages, size_t n_messages,
                           const cna_format *format, char **out_text, size_t *out_n_bytes, cna_error *err)
{
    static const cna_format defaults = {0};
    if (format == NULL) format = &defaults;
    *out_text = NULL;
    if (format->chat_template == NULL && strcmp(cna_chat_family(chat), "none") == 0) {
        return cna_fail(err, CNA_ERR_UNSUPPORTED,
                        "chat: expected a chat template in tokenizer_config.json or chat_template.jinja of the "
                        "model's folder, found none; use --raw, or give one with --chat-template FILE|NAME");
    }
    if (format->chat_template == NULL && chat->parsed == NULL)
        return cna_fail(err, chat->reason.status, "%s", chat->reason.text);
    cna_date day = {0};
    cna_buffer text = {0};
    cna_template *given = NULL;
    json_t *arguments = NULL;
    cna_status status;
    CNA_TRY_CLEANUP(check_messages(messages, n_messages, err));
    CNA_TRY_CLEANUP(find_date(format->date, &day, err));
    CNA_TRY_CLEANUP(read_arguments(format, &arguments, err));
    if (format->chat_template != NULL) CNA_TRY_CLEANUP(parse_given(format->chat_template, &given, err));
    CNA_TRY_CLEANUP(render(chat, given != NULL ? given : chat->parsed, messages, n_messages, arguments, day, &text,
                           err));
    CNA_TRY_CLEANUP(add_prefix(format->prefix, &text, err));
    CNA_TRY_CLEANUP(cna_buffer_take(&text, out_text, out_n_bytes, err));
cleanup:
    cna_buffer_free(&text);
    cna_template_free(given);
    json_decref(arguments);
    return status;
}

/* ----------------------------------------------------------------------------------------------- opening */

/* Which family's markers a trial conversation comes out with. A template that refuses the trial may take other
 * conversations. */
static cna_status probe(const cna_chat *chat, const char **out, cna_error *err)
{
    static const cna_message message = {.role = "user", .content = "trial", .n_bytes = 5};
    cna_buffer text = {0};
    *out = "other";
    cna_status status = render(chat, chat->parsed, &message, 1, NULL, (cna_date){2000, 1, 1}, &text, err);
    if (status == CNA_OK && text.size != 0) {
        if (strstr(text.data, "<|start_header_id|>user<|end_header_id|>\n\ntrial<|eot_id|>") != NULL)
            *out = "llama3";
        else if (strstr(text.data, "<|im_start|>user\ntrial<|im_end|>") != NULL)
            *out = "chatml";
    }
    cna_buffer_free(&text);
    return status == CNA_ERR_ARG ? CNA_OK : status;
}

/* Take the template into use. One that is not understood leaves its reason and is no failure. */
static cna_status use_template(cna_chat *chat, const char *text, size_t n_bytes, const char *path,
                               cna_error *err)
{
    size_t bad;
    const char *family = NULL;
    cna_error reason = {.status = CNA_OK};
    cna_status status;
    if (!cna_utf8_check(text, n_bytes, &bad)) {
        status = cna_fail(&reason, CNA_ERR_FORMAT,
                          "%s, byte %zu of the chat template: expected UTF-8, found byte 0x%02x", path, bad,
                          (unsigned)(unsigned char)text[bad]);
    } else {
        status = cna_template_parse(text, n_bytes, path, &chat->parsed, &reason);
    }
    if (status == CNA_OK) status = probe(chat, &family, &reason);
    if (status == CNA_ERR_MEMORY) return cna_fail(err, status, "%s", reason.text);
    chat->family = status == CNA_OK ? family : "unsupported";
    chat->reason = reason;
    if (status == CNA_OK) return CNA_OK;
    cna_template_free(chat->parsed);
    chat->parsed = NULL;
    return CNA_OK;
}

/* "chat_template": a text, or a list of {"name", "template"} of which "default" counts. */
static cna_status use_config_template(cna_chat *chat, const json_t *config, const char *path, cna_error *err)
{
    const json_t *found = json_object_get(config, "chat_template");
    if (found == NULL || json_is_null(found)) return CNA_OK;
    for (size_t i = 0; json_is_array(found) && i < json_array_size(found); i++) {
        const json_t *item = json_array_get(found, i);
        const char *name = json_string_value(json_object_get(item, "name"));
        if (name == NULL || strcmp(name, "default") != 0) continue;
        found = json_object_get(item, "template");
    }
    if (!json_is_string(found)) {
        chat->family = "unsupported";
        cna_fail(&chat->reason, CNA_ERR_UNSUPPORTED,
                 "%s: key 'chat_template': expected a text or a list with one named 'default', found %s; use "
                 "--raw",
                 path, cna_json_type_name(found));
        return CNA_OK;
    }
    return use_template(chat, json_string_value(found), json_string_length(found), path, err);
}

/* A special token is a text or an object with its text in "content". */
static cna_status read_tokens(cna_chat *chat, const json_t *config, const char *path, cna_error *err)
{
    for (size_t i = 0; i < N_TOKEN_NAMES; i++) {
        const json_t *token = json_object_get(config, token_names[i]);
        if (token == NULL || json_is_null(token)) continue;
        if (json_is_object(token)) token = json_object_get(token, "content");
        if (!json_is_string(token)) {
            return cna_fail(err, CNA_ERR_FORMAT,
                            "%s: key '%s': expected a string or an object with 'content', found %s", path,
                            token_names[i], cna_json_type_name(json_object_get(config, token_names[i])));
        }
        CNA_TRY(cna_copy_bytes(&chat->tokens[i], json_string_value(token), json_string_length(token),
                               "special token", err));
    }
    return CNA_OK;
}

static cna_status read_config(cna_chat *chat, const char *path, bool with_template, cna_error *err)
{
    if (!cna_file_exists(path)) return CNA_OK;
    json_t *config;
    CNA_TRY(cna_json_load(path, CONFIG_BYTES_MAX, &config, err));
    cna_status status = CNA_OK;
    if (!json_is_object(config)) {
        status = cna_fail(err, CNA_ERR_FORMAT, "%s: expected an object, found %s", path,
                          cna_json_type_name(config));
    }
    if (status == CNA_OK) status = read_tokens(chat, config, path, err);
    if (status == CNA_OK && with_template) status = use_config_template(chat, config, path, err);
    json_decref(config);
    return status;
}

cna_status cna_chat_open(const char *folder, cna_chat **out, cna_error *err)
{
    *out = NULL;
    cna_chat *chat = NULL;
    char *config_path = NULL;
    char *template_path = NULL;
    cna_buffer text = {0};
    cna_status status;
    CNA_TRY_CLEANUP(cna_alloc(&chat, 1, sizeof *chat, "chat template", err));
    chat->family = "none";
    CNA_TRY_CLEANUP(cna_path_join(folder, "tokenizer_config.json", &config_path, err));
    CNA_TRY_CLEANUP(cna_path_join(folder, "chat_template.jinja", &template_path, err));
    bool own_file = cna_file_exists(template_path);
    CNA_TRY_CLEANUP(read_config(chat, config_path, !own_file, err));
    if (own_file) {
        CNA_TRY_CLEANUP(cna_file_read(template_path, TEMPLATE_BYTES_MAX, &text, err));
        CNA_TRY_CLEANUP(cna_buffer_add(&text, "", 0, err));
        CNA_TRY_CLEANUP(use_template(chat, text.data, text.size, template_path, err));
    }
    *out = chat;
    chat = NULL;
cleanup:
    cna_chat_free(chat);
    cna_free(config_path);
    cna_free(template_path);
    cna_buffer_free(&text);
    return status;
}

/* Keep a special token; one of a name that templates do not know is passed over. */
static cna_status take_token(cna_chat *chat, const cna_chat_token *token, cna_error *err)
{
    for (size_t i = 0; i < N_TOKEN_NAMES; i++) {
        if (strcmp(token_names[i], token->name) != 0 || chat->tokens[i] != NULL) continue;
        return cna_copy_bytes(&chat->tokens[i], token->text, token->n_bytes, "special token", err);
    }
    return CNA_OK;
}

cna_status cna_chat_create(const char *text, size_t n_bytes, const char *source, const cna_chat_token *tokens,
                           size_t n_tokens, cna_chat **out, cna_error *err)
{
    *out = NULL;
    cna_chat *chat = NULL;
    char *copy = NULL;
    cna_status status;
    CNA_TRY_CLEANUP(cna_alloc(&chat, 1, sizeof *chat, "chat template", err));
    chat->family = "none";
    for (size_t i = 0; i < n_tokens; i++) CNA_TRY_CLEANUP(take_token(chat, &tokens[i], err));
    if (text != NULL) {
        CNA_TRY_CLEANUP(cna_copy_bytes(&copy, text, n_bytes, "chat template", err));
        CNA_TRY_CLEANUP(use_template(chat, copy, n_bytes, source, err));
    }
    *out = chat;
    chat = NULL;
cleanup:
    cna_chat_free(chat);
    cna_free(copy);
    return status;
}

void cna_chat_free(cna_chat *chat)
{
    if (chat == NULL) return;
    cna_template_free(chat->parsed);
    for (size_t i = 0; i < N_TOKEN_NAMES; i++) cna_free(chat->tokens[i]);
    cna_free(chat);
}

const char *cna_chat_family(const cna_chat *chat)
{
    return chat == NULL ? "none" : chat->family;
}
