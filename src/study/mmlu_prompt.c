/* SPDX-License-Identifier: MIT
 * MMLU's prompts. */
#include "study/mmlu_prompt.h"

#include <string.h>

#include "base/utf8.h"

/* ---- white space as Python's str.strip() sees it ---- */

static bool is_space_at(const char *text, size_t n_bytes, size_t *n)
{
    uint32_t c = 0;
    int length = cna_utf8_next(text, n_bytes, &c);
    *n = length > 0 ? (size_t)length : 1;
    return length > 0 && cna_utf8_is_space(c);
}

/* Bytes at the beginning that are white space. */
static size_t leading_space(const char *text, size_t n_bytes)
{
    size_t at = 0, n;
    while (at < n_bytes && is_space_at(text + at, n_bytes - at, &n)) at += n;
    return at;
}

/* Bytes that are left without the white space at the end. */
static size_t without_trailing_space(const char *text, size_t n_bytes)
{
    size_t end = 0;
    for (size_t at = 0, n; at < n_bytes; at += n) {
        if (!is_space_at(text + at, n_bytes - at, &n)) end = at + n;
    }
    return end;
}

/* ---- text ---- */

cna_status cna_mmlu_row_text(const cna_mmlu_row *row, cna_buffer *out, cna_error *err)
{
    size_t skip = leading_space(row->question, row->n_question);
    size_t end = without_trailing_space(row->question, row->n_question);
    if (end > skip) CNA_TRY(cna_buffer_add(out, row->question + skip, end - skip, err));
    for (int i = 0; i < 4; i++) {
        CNA_TRY(cna_buffer_printf(out, err, "\n%c. ", 'A' + i));
        CNA_TRY(cna_buffer_add(out, row->choices[i], row->n_choices[i], err));
    }
    return cna_buffer_add_text(out, "\nAnswer:", err);
}

static cna_status add_description(cna_buffer *out, const char *subject, cna_error *err)
{
    CNA_TRY(cna_buffer_add_text(out, "The following are multiple choice questions (with answers) about ", err));
    for (const char *c = subject; *c != '\0'; c++) CNA_TRY(cna_buffer_add(out, *c == '_' ? " " : c, 1, err));
    return cna_buffer_add_text(out, ".\n\n", err);
}

/* The harness puts a blank line between a system prompt and the description, unless the prompt ends in white space. */
static cna_status add_system(cna_buffer *out, const char *system, cna_error *err)
{
    size_t n = system == NULL ? 0 : strlen(system);
    if (n == 0) return CNA_OK;
    CNA_TRY(cna_buffer_add(out, system, n, err));
    return without_trailing_space(system, n) == n ? cna_buffer_add_text(out, "\n\n", err) : CNA_OK;
}

cna_status cna_mmlu_prompter_begin(cna_mmlu_prompter *prompter, const char *subject, const cna_mmlu_item *shots,
                                   size_t n_shots, cna_error *err)
{
    cna_buffer_reset(&prompter->system);
    cna_buffer_reset(&prompter->prefix);
    if (prompter->chat) CNA_TRY(add_system(&prompter->system, prompter->format->system, err));
    CNA_TRY(add_description(prompter->chat ? &prompter->system : &prompter->prefix, subject, err));
    for (size_t i = 0; i < n_shots; i++) {
        CNA_TRY(cna_buffer_add(&prompter->prefix, shots[i].text, shots[i].n_bytes, err));
        CNA_TRY(cna_buffer_printf(&prompter->prefix, err, " %c\n\n", 'A' + shots[i].answer));
    }
    return CNA_OK;
}

void cna_mmlu_prompter_clear(cna_mmlu_prompter *prompter)
{
    cna_buffer_free(&prompter->system);
    cna_buffer_free(&prompter->prefix);
}

static cna_status make_text(const cna_mmlu_prompter *p, const cna_mmlu_item *item, cna_buffer *out, cna_error *err)
{
    if (p->prefix.size != 0) CNA_TRY(cna_buffer_add(out, p->prefix.data, p->prefix.size, err));
    CNA_TRY(cna_buffer_add(out, item->text, item->n_bytes, err));
    if (!p->chat) return CNA_OK;
    const cna_message messages[2] = {
        {.role = "system", .content = p->system.data, .n_bytes = p->system.size},
        {.role = "user", .content = out->data, .n_bytes = out->size},
    };
    char *text;
    size_t n_bytes;
    CNA_TRY(cna_tokenizer_render(p->tokenizer, messages, 2, p->format, &text, &n_bytes, err));
    cna_buffer_reset(out);
    cna_status status = cna_buffer_add(out, text, n_bytes, err);
    cna_free(text);
    return status;
}

/* ---- ids ---- */

/* The ids of one choice: those of text and choice together behind the text's.
 *   text  [n_text] and its white space at the end, up to its size; the choice is put behind and taken away again */
static cna_status encode_choice(const cna_mmlu_prompter *p, cna_buffer *text, int choice, cna_mmlu_prompt *out,
                                cna_error *err)
{
    const char letter[3] = {' ', (char)('A' + choice), '\0'};
    size_t n_text = text->size, n_whole;
    int32_t *whole;
    CNA_TRY(cna_buffer_add_text(text, p->chat ? letter + 1 : letter, err));
    cna_status status = cna_tokenizer_encode(p->tokenizer, text->data, text->size, !p->chat, &whole, &n_whole, err);
    text->size = n_text;
    text->data[n_text] = '\0';
    CNA_TRY(status);
    size_t n = n_whole > out->n_context ? n_whole - out->n_context : 0;
    if (n == 0 || n > p->max_positions) {
        status = cna_fail(err, CNA_ERR_UNSUPPORTED,
                          "choice %c: expected 1 to %zu tokens behind the prompt's %zu, found %zu", 'A' + choice,
                          p->max_positions, out->n_context, n);
    } else {
        status = cna_alloc(&out->choices[choice], n, sizeof **out->choices, "token ids", err);
    }
    if (status == CNA_OK) {
        memcpy(out->choices[choice], whole + out->n_context, n * sizeof *whole);
        out->n_choices[choice] = n;
        size_t total = out->n_context + n, most = p->max_positions + 1;
        out->skip[choice] = total > most ? total - most : 0;
    }
    cna_free(whole);
    return status;
}

cna_status cna_mmlu_prompt_make(const cna_mmlu_prompter *prompter, const cna_mmlu_item *item, cna_mmlu_prompt *out,
                                cna_error *err)
{
    *out = (cna_mmlu_prompt){0};
    cna_buffer text = {0};
    cna_status status = make_text(prompter, item, &text, err);
    if (status == CNA_OK) {
        status = cna_tokenizer_encode(prompter->tokenizer, text.data, without_trailing_space(text.data, text.size),
                                      !prompter->chat, &out->context, &out->n_context, err);
    }
    if (status == CNA_OK && out->n_context == 0) {
        status = cna_fail(err, CNA_ERR_UNSUPPORTED, "prompt: expected at least one token, found none");
    }
    for (int i = 0; i < 4 && status == CNA_OK; i++) status = encode_choice(prompter, &text, i, out, err);
    cna_buffer_free(&text);
    return status;
}

void cna_mmlu_prompt_clear(cna_mmlu_prompt *prompt)
{
    cna_free(prompt->context);
    for (int i = 0; i < 4; i++) cna_free(prompt->choices[i]);
    *prompt = (cna_mmlu_prompt){0};
}
