/* SPDX-License-Identifier: MIT
 * Prompt lists, and how they become token ids. */
#include "text/prompts.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/utf8.h"

/* One prompt: a text, or where text is NULL a list of ids. */
typedef struct cna_prompt {
    char *text; /* ? [n_bytes], a NUL behind */
    size_t n_bytes;
    int32_t *ids; /* ? [n_ids] */
    size_t n_ids;
    char *category; /* ? */
    size_t line;    /* of its file; 0: of none */
} cna_prompt;

struct cna_prompts {
    cna_prompt *items; /* [n] */
    size_t n, capacity;
};

cna_status cna_prompts_create(cna_prompts **out, cna_error *err)
{
    return cna_alloc(out, 1, sizeof **out, "prompts", err);
}

static cna_status append(cna_prompts *prompts, cna_prompt prompt, cna_error *err)
{
    cna_status status =
        cna_grow(&prompts->items, &prompts->capacity, prompts->n + 1, sizeof *prompts->items, "prompts", err);
    if (status == CNA_OK) {
        prompts->items[prompts->n++] = prompt;
        return CNA_OK;
    }
    cna_free(prompt.text);
    cna_free(prompt.ids);
    return status;
}

cna_status cna_prompts_add_text(cna_prompts *prompts, const char *text, size_t n_bytes, cna_error *err)
{
    size_t bad;
    if (!cna_utf8_check(text, n_bytes, &bad)) {
        return cna_fail(err, CNA_ERR_FORMAT, "prompt %zu, byte %zu: expected UTF-8, found byte 0x%02x",
                        prompts->n + 1, bad, (unsigned)(unsigned char)text[bad]);
    }
    cna_prompt prompt = {.n_bytes = n_bytes};
    CNA_TRY(cna_copy_bytes(&prompt.text, text, n_bytes, "prompt", err));
    return append(prompts, prompt, err);
}

cna_status cna_prompts_add_ids(cna_prompts *prompts, const int32_t *ids, size_t n_ids, cna_error *err)
{
    cna_prompt prompt = {.n_ids = n_ids};
    CNA_TRY(cna_alloc(&prompt.ids, n_ids, sizeof *prompt.ids, "prompt", err));
    if (n_ids != 0) memcpy(prompt.ids, ids, n_ids * sizeof *ids);
    return append(prompts, prompt, err);
}

void cna_prompts_free(cna_prompts *prompts)
{
    if (prompts == NULL) return;
    for (size_t i = 0; i < prompts->n; i++) {
        cna_free(prompts->items[i].text);
        cna_free(prompts->items[i].ids);
        cna_free(prompts->items[i].category);
    }
    cna_free(prompts->items);
    cna_free(prompts);
}

size_t cna_prompts_count(const cna_prompts *prompts)
{
    return prompts->n;
}

const char *cna_prompts_text(const cna_prompts *prompts, size_t i, size_t *n_bytes)
{
    if (n_bytes != NULL) *n_bytes = 0;
    if (i >= prompts->n || prompts->items[i].text == NULL) return NULL;
    if (n_bytes != NULL) *n_bytes = prompts->items[i].n_bytes;
    return prompts->items[i].text;
}

cna_status cna_prompts_set_category(cna_prompts *prompts, const char *category, size_t n_bytes, cna_error *err)
{
    cna_prompt *prompt = &prompts->items[prompts->n - 1];
    if (n_bytes == 0) return CNA_OK;
    return cna_copy_bytes(&prompt->category, category, n_bytes, "category", err);
}

const char *cna_prompts_category(const cna_prompts *prompts, size_t i)
{
    return i < prompts->n ? prompts->items[i].category : NULL;
}

void cna_prompts_set_line(cna_prompts *prompts, size_t line)
{
    prompts->items[prompts->n - 1].line = line;
}

size_t cna_prompts_line(const cna_prompts *prompts, size_t i)
{
    return i < prompts->n ? prompts->items[i].line : 0;
}

/* --------------------------------------------------------------------------------------------- token ids */

bool cna_format_is_chat(const cna_tokenizer *tokenizer, const cna_format *format)
{
    if (format == NULL) return cna_tokenizer_has_chat(tokenizer);
    if (format->mode == CNA_FORMAT_AUTO) return format->chat_template != NULL || cna_tokenizer_has_chat(tokenizer);
    return format->mode == CNA_FORMAT_CHAT;
}

static cna_status tokenize_chat(const cna_prompt *prompt, const cna_tokenizer *tokenizer,
                                const cna_format *format, cna_token_list *out, cna_error *err)
{
    const char *system = format == NULL ? NULL : format->system;
    cna_message messages[2];
    size_t n = 0;
    if (system != NULL)
        messages[n++] = (cna_message){.role = "system", .content = system, .n_bytes = strlen(system)};
    messages[n++] = (cna_message){.role = "user", .content = prompt->text, .n_bytes = prompt->n_bytes};
    char *text;
    size_t n_bytes;
    CNA_TRY(cna_tokenizer_render(tokenizer, messages, n, format, &text, &n_bytes, err));
    bool specials = format != NULL && format->double_bos;
    cna_status status = cna_tokenizer_encode(tokenizer, text, n_bytes, specials, &out->ids, &out->n, err);
    cna_free(text);
    return status;
}

static cna_status tokenize(const cna_prompt *prompt, const cna_tokenizer *tokenizer, const cna_format *format,
                           size_t vocab_size, cna_token_list *out, cna_error *err)
{
    if (prompt->text == NULL) {
        CNA_TRY(cna_alloc(&out->ids, prompt->n_ids, sizeof *out->ids, "token ids", err));
        out->n = prompt->n_ids;
        if (out->n != 0) memcpy(out->ids, prompt->ids, out->n * sizeof *out->ids);
    } else if (cna_format_is_chat(tokenizer, format)) {
        CNA_TRY(tokenize_chat(prompt, tokenizer, format, out, err));
    } else {
        CNA_TRY(
            cna_tokenizer_encode(tokenizer, prompt->text, prompt->n_bytes, true, &out->ids, &out->n, err));
    }
    if (out->n == 0) return cna_fail(err, CNA_ERR_ARG, "expected at least one token, found none");
    for (size_t i = 0; i < out->n; i++) {
        if (out->ids[i] >= 0 && (size_t)out->ids[i] < vocab_size) continue;
        return cna_fail(err, CNA_ERR_ARG,
                        "token %zu: expected an id of 0 to %zu, the model's embedding rows, found %d", i + 1,
                        vocab_size - 1, (int)out->ids[i]);
    }
    return CNA_OK;
}

cna_status cna_prompts_tokenize(const cna_prompts *prompts, const cna_tokenizer *tokenizer,
                                const cna_format *format, size_t vocab_size, cna_token_lists *out,
                                cna_error *err)
{
    *out = (cna_token_lists){0};
    if (prompts->n == 0) return cna_fail(err, CNA_ERR_ARG, "prompts: expected at least one, found none");
    CNA_TRY(cna_alloc(&out->items, prompts->n, sizeof *out->items, "token ids", err));
    out->n = prompts->n;
    for (size_t i = 0; i < prompts->n; i++) {
        cna_status status = tokenize(&prompts->items[i], tokenizer, format, vocab_size, &out->items[i], err);
        if (status == CNA_OK) continue;
        char prefix[32];
        snprintf(prefix, sizeof prefix, "prompt %zu", i + 1);
        cna_token_lists_free(out);
        return cna_fail_prefix(err, status, prefix);
    }
    return CNA_OK;
}

void cna_token_lists_free(cna_token_lists *lists)
{
    for (size_t i = 0; i < lists->n; i++) cna_free(lists->items[i].ids);
    cna_free(lists->items);
    *lists = (cna_token_lists){0};
}

cna_status cna_prompts_find_long(const cna_prompts *prompts, const cna_tokenizer *tokenizer, const cna_format *format,
                                 size_t limit, cna_long_prompts *out, cna_error *err)
{
    cna_token_lists lists;
    CNA_TRY(cna_prompts_tokenize(prompts, tokenizer, format, (size_t)INT32_MAX + 1, &lists, err));
    *out = (cna_long_prompts){0};
    for (size_t i = 0; i < lists.n; i++) {
        if (lists.items[i].n <= limit) continue;
        if (out->n++ != 0) continue;
        out->first = i;
        out->n_tokens = lists.items[i].n;
    }
    cna_token_lists_free(&lists);
    return CNA_OK;
}

cna_status cna_prompts_sha256(const cna_prompts *prompts, size_t i, char out[65], cna_error *err)
{
    if (i >= prompts->n) {
        return cna_fail(err, CNA_ERR_ARG, "prompts: expected an index below %zu, found %zu", prompts->n, i);
    }
    const cna_prompt *prompt = &prompts->items[i];
    if (prompt->text != NULL) return cna_sha256_hex(prompt->text, prompt->n_bytes, out, err);
    unsigned char *bytes;
    CNA_TRY(cna_alloc(&bytes, prompt->n_ids, 4, "prompt", err));
    for (size_t k = 0; k < prompt->n_ids; k++) {
        for (unsigned b = 0; b < 4; b++)
            bytes[4 * k + b] = (unsigned char)((uint32_t)prompt->ids[k] >> (8 * b));
    }
    cna_status status = cna_sha256_hex(bytes, 4 * prompt->n_ids, out, err);
    cna_free(bytes);
    return status;
}
