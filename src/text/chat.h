/* SPDX-License-Identifier: MIT
 * Chat formatting: a model's own chat template, found in its folder and rendered. */
#ifndef CNA_TEXT_CHAT_H
#define CNA_TEXT_CHAT_H

#include "base/json.h"

/* The chat format of one model folder; never changes after it is opened. */
typedef struct cna_chat cna_chat;

/* Read the template of a model folder as transformers does: chat_template.jinja where there is one, else
 * "chat_template" of tokenizer_config.json (a string, or a list of named ones of which "default" counts); and
 * the special tokens that templates name (bos_token, eos_token, ...). Neither file need exist.
 *
 * A template is usable if all of it parses as the part of Jinja of template.h and a trial conversation meets nothing
 * that is not known. Another template is no failure here: the reason is kept, and cna_chat_render gives it. Errors:
 * ERR_IO and ERR_FORMAT for files that cannot be read; ERR_MEMORY. */
CNA_MUST_CHECK cna_status cna_chat_open(const char *folder, cna_chat **out, cna_error *err);

/* A special token that templates name, such as bos_token. */
typedef struct cna_chat_token {
    const char *name;
    const char *text; /* [n_bytes] */
    size_t n_bytes;
} cna_chat_token;

/* The same from a template that lies elsewhere than in a folder.
 *   text    ? [n_bytes] NULL: none
 *   source  of it, for messages
 *   tokens  [n_tokens] with names that transformers has */
CNA_MUST_CHECK cna_status cna_chat_create(const char *text, size_t n_bytes, const char *source,
                                          const cna_chat_token *tokens, size_t n_tokens, cna_chat **out,
                                          cna_error *err);
void cna_chat_free(cna_chat *chat);

/* How the template writes a user's turn: "llama3", "chatml" or "other"; "none" where there is no template,
 * "unsupported" where it is not understood. NULL counts as none. */
const char *cna_chat_family(const cna_chat *chat);

/* See cna_tokenizer_render. */
CNA_MUST_CHECK cna_status cna_chat_render(const cna_chat *chat, const cna_message *messages,
                                          size_t n_messages, const cna_format *format, char **out_text,
                                          size_t *out_n_bytes, cna_error *err);

/* cna_format_describe with "system_sha256" too where there is a system message: for files that do not hold its text. */
CNA_MUST_CHECK cna_status cna_format_describe_prompts(const cna_format *format, char **out, cna_error *err);

/* cna_format_describe as the member "chat_options" of an object; none is set where nothing is given. */
CNA_MUST_CHECK cna_status cna_format_record(const cna_format *format, json_t *object, cna_error *err);

#endif
