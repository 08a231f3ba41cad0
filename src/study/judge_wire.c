/* SPDX-License-Identifier: MIT
 * The chat completions protocol. */
#include "study/judge_wire.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

/* ---- address ---- */

/* Whether a part of the path is a version: "v1", "v1beta". */
static bool has_version(const char *path)
{
    for (const char *at = strchr(path, '/'); at != NULL; at = strchr(at + 1, '/')) {
        if (at[1] == 'v' && at[2] >= '0' && at[2] <= '9') return true;
    }
    return false;
}

static bool ends_with(const char *text, size_t n_bytes, const char *end)
{
    size_t n_end = strlen(end);
    return n_bytes >= n_end && memcmp(text + n_bytes - n_end, end, n_end) == 0;
}

static bool has_part(CURLU *url, CURLUPart what)
{
    char *part = NULL;
    bool found = curl_url_get(url, what, &part, 0) == CURLUE_OK;
    curl_free(part);
    return found;
}

/* The endpoint is not repeated in the message: it may hold a password. */
static cna_status check_parts(CURLU *url, const char *scheme, cna_error *err)
{
    if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0) {
        return cna_fail(err, CNA_ERR_ARG, "endpoint: expected an address with http:// or https://, found '%s'", scheme);
    }
    static const struct {
        CURLUPart part;
        const char *name;
    } unwanted[] = {{CURLUPART_USER, "a user name"}, {CURLUPART_PASSWORD, "a password"}, {CURLUPART_QUERY, "a query"},
                    {CURLUPART_FRAGMENT, "a fragment"}};
    for (size_t i = 0; i < sizeof unwanted / sizeof *unwanted; i++) {
        if (!has_part(url, unwanted[i].part)) continue;
        return cna_fail(err, CNA_ERR_ARG, "endpoint: expected an address without %s, found one; the address is kept in "
                        "the run file, a key comes from an environment variable", unwanted[i].name);
    }
    return CNA_OK;
}

static cna_status make_address(const char *endpoint, const char *path, char **out, cna_error *err)
{
    static const char call[] = "/chat/completions";
    size_t n = strlen(endpoint);
    while (n != 0 && endpoint[n - 1] == '/') n--;
    const char *version = has_version(path) ? "" : "/v1";
    if (ends_with(endpoint, n, call)) return cna_copy_bytes(out, endpoint, n, "address", err);
    cna_buffer address = {0};
    cna_status status = cna_buffer_printf(&address, err, "%.*s%s%s", (int)n, endpoint, version, call);
    if (status == CNA_OK) status = cna_buffer_take(&address, out, NULL, err);
    cna_buffer_free(&address);
    return status;
}

cna_status cna_judge_wire_address(const char *endpoint, char **out, cna_error *err)
{
    enum { MAX_BYTES = 2000 };
    if (strlen(endpoint) > MAX_BYTES) {
        return cna_fail(err, CNA_ERR_ARG, "endpoint: expected at most %d bytes, found %zu", MAX_BYTES,
                        strlen(endpoint));
    }
    CURLU *url = curl_url();
    if (url == NULL) return cna_fail_memory(err, "address", strlen(endpoint));
    char *scheme = NULL, *path = NULL;
    cna_status status;
    if (strstr(endpoint, "://") == NULL || curl_url_set(url, CURLUPART_URL, endpoint, CURLU_NON_SUPPORT_SCHEME) != 0 ||
        curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != 0 || curl_url_get(url, CURLUPART_PATH, &path, 0) != 0) {
        status = cna_fail(err, CNA_ERR_ARG, "endpoint: expected an address such as http://127.0.0.1:8080/v1, found "
                          "something else");
    } else {
        status = check_parts(url, scheme, err);
        if (status == CNA_OK) status = make_address(endpoint, path, out, err);
    }
    curl_free(scheme);
    curl_free(path);
    curl_url_cleanup(url);
    return status;
}

/* ---- request ---- */

static int add_dumped(const char *bytes, size_t n_bytes, void *user)
{
    return cna_buffer_add(user, bytes, n_bytes, NULL) == CNA_OK ? 0 : -1;
}

cna_status cna_judge_wire_request(const char *model, size_t max_tokens, const char *question, size_t n_bytes,
                                  cna_buffer *out, cna_error *err)
{
    json_t *request = json_pack("{s:s, s:[{s:s, s:s%}], s:i, s:I}", "model", model, "messages", "role", "user",
                                "content", question, n_bytes, "temperature", 0, "max_tokens", (json_int_t)max_tokens);
    int failed = request == NULL || json_dump_callback(request, add_dumped, out, JSON_COMPACT) != 0;
    json_decref(request);
    return failed ? cna_fail_memory(err, "request", n_bytes) : CNA_OK;
}

/* ---- reply ---- */

static cna_status fail_reply(const char *expected, const json_t *found, cna_error *err)
{
    return cna_fail(err, CNA_ERR_FORMAT, "reply: expected %s, found %s", expected, cna_json_type_name(found));
}

static cna_status read_message(const json_t *choice, cna_judge_answer *out, cna_error *err)
{
    const json_t *message = json_object_get(choice, "message");
    if (!json_is_object(message)) return fail_reply("an object choices[0].message", message, err);
    const json_t *content = json_object_get(message, "content");
    const json_t *refusal = json_object_get(message, "refusal");
    const json_t *reason = json_object_get(choice, "finish_reason");
    if (content != NULL && !json_is_null(content) && !json_is_string(content)) {
        return fail_reply("a text choices[0].message.content", content, err);
    }
    const bool is_refusal = json_string_length(content) == 0 && json_is_string(refusal);
    if (is_refusal) content = refusal;
    if (content == NULL) return fail_reply("a text choices[0].message.content", content, err);
    out->is_refusal = is_refusal;
    out->is_cut = json_is_string(reason) && strcmp(json_string_value(reason), "length") == 0;
    out->n_bytes = json_string_length(content); /* 0 of null */
    const char *text = json_is_string(content) ? json_string_value(content) : "";
    return cna_copy_bytes(&out->text, text, out->n_bytes, "reply", err);
}

cna_status cna_judge_wire_reply(const char *body, size_t n_bytes, cna_judge_answer *out, cna_error *err)
{
    json_t *root;
    *out = (cna_judge_answer){0};
    CNA_TRY(cna_json_parse(body, n_bytes, "reply", &root, err));
    const json_t *choices = json_object_get(root, "choices");
    cna_status status;
    if (!json_is_array(choices)) {
        status = fail_reply("an object with a list 'choices'", json_is_object(root) ? choices : root, err);
    } else if (json_array_size(choices) != 1) {
        status = cna_fail(err, CNA_ERR_FORMAT, "reply: expected one choice, found %zu", json_array_size(choices));
    } else {
        status = read_message(json_array_get(choices, 0), out, err);
    }
    json_decref(root);
    return status;
}

/* The first of the places where servers put a text. */
static const char *find_complaint(const json_t *root)
{
    const json_t *error = json_object_get(root, "error");
    const json_t *const places[] = {json_object_get(error, "message"), error, json_object_get(root, "message"),
                                    json_object_get(root, "detail")};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (json_is_string(places[i])) return json_string_value(places[i]);
    }
    return NULL;
}

void cna_judge_wire_complaint(const char *body, size_t n_bytes, const char *key, char *out, size_t n_out)
{
    json_t *root;
    const char *said = cna_json_parse(body, n_bytes, "reply", &root, NULL) == CNA_OK ? find_complaint(root) : NULL;
    cna_judge_wire_quote(said != NULL ? said : body, said != NULL ? strlen(said) : n_bytes, key, out, n_out);
    json_decref(root);
}

/* ---- keys ---- */

static const char mark[] = "[key]";
enum { QUOTED_KEY_BYTES_MIN = 5, KEPT_KEY_BYTES_MIN = 16 };

static bool is_at(const char *text, size_t n_bytes, const char *key, size_t n_key)
{
    return n_key != 0 && n_bytes >= n_key && memcmp(text, key, n_key) == 0;
}

void cna_judge_wire_quote(const char *text, size_t n_bytes, const char *key, char *out, size_t n_out)
{
    size_t n_key = key != NULL && strlen(key) >= QUOTED_KEY_BYTES_MIN ? strlen(key) : 0, n = 0;
    for (size_t at = 0; at < n_bytes && n + 1 < n_out;) {
        bool found = is_at(text + at, n_bytes - at, key, n_key);
        size_t n_piece = found ? strlen(mark) : 1;
        if (n + n_piece >= n_out) break;
        memcpy(out + n, found ? mark : text + at, n_piece);
        n += n_piece;
        at += found ? n_key : 1;
    }
    out[n] = '\0';
}

void cna_judge_wire_redact(char *text, size_t *n_bytes, const char *key)
{
    size_t n_key = key != NULL ? strlen(key) : 0, n = 0;
    if (n_key < KEPT_KEY_BYTES_MIN) return;
    for (size_t at = 0; at < *n_bytes;) {
        bool found = is_at(text + at, *n_bytes - at, key, n_key);
        size_t n_piece = found ? strlen(mark) : 1;
        memmove(text + n, found ? mark : text + at, n_piece);
        n += n_piece;
        at += found ? n_key : 1;
    }
    text[n] = '\0';
    *n_bytes = n;
}
