/* SPDX-License-Identifier: MIT
 * The OpenAI chat completions protocol, as much of it as a judge needs: address, request, reply. Text in, text out; no
 * network. */
#ifndef CNA_STUDY_JUDGE_WIRE_H
#define CNA_STUDY_JUDGE_WIRE_H

#include "base/buffer.h"

/* The address that requests go to, for an endpoint as users give it; slashes at its end are dropped:
 *
 *   .../chat/completions                              as it is
 *   a path with a version in it (v1, v1beta)          + /chat/completions
 *   anything else, or no path                         + /v1/chat/completions
 *
 * *out is new, freed by cna_free. Errors: ERR_ARG for anything but http:// and https://, and for a user name, a
 * password, a query or a fragment, which might hold secrets: run files keep the address. */
CNA_MUST_CHECK cna_status cna_judge_wire_address(const char *endpoint, char **out, cna_error *err);

/* Append {"model":...,"messages":[{"role":"user","content":...}],"temperature":0,"max_tokens":...}.
 *   question  [n_bytes] UTF-8 */
CNA_MUST_CHECK cna_status cna_judge_wire_request(const char *model, size_t max_tokens, const char *question,
                                                 size_t n_bytes, cna_buffer *out, cna_error *err);

/* What a body of a successful reply holds. */
typedef struct cna_judge_answer {
    char *text;      /* [n_bytes] the judge's words, new; "" where it said nothing */
    size_t n_bytes;
    bool is_cut;     /* it ended because max_tokens was reached */
    bool is_refusal; /* the words are a refusal to judge */
} cna_judge_answer;

/* Read choices[0].message.content, of a body with exactly one choice; content null counts as nothing said.
 *   body  [n_bytes] any bytes
 * out->text is freed by cna_free. Errors: ERR_FORMAT where the body is no such reply. */
CNA_MUST_CHECK cna_status cna_judge_wire_reply(const char *body, size_t n_bytes, cna_judge_answer *out,
                                               cna_error *err);

/* What a body that comes with an error says: error.message, error, message or detail where it is JSON with one of these
 * texts, else its beginning; as cna_judge_wire_quote gives it. */
void cna_judge_wire_complaint(const char *body, size_t n_bytes, const char *key, char *out, size_t n_out);

/* A text for a message: "[key]" in place of every occurrence of key, then cut to n_out - 1 bytes and a NUL.
 *   key  ? of fewer than 5 bytes: it is no secret and stays */
void cna_judge_wire_quote(const char *text, size_t n_bytes, const char *key, char *out, size_t n_out);

/* The same in place, for a text that is kept: only keys of 16 bytes and more. A shorter one is a word that local
 * servers ignore, which may well be a word of the text.
 *   text  [*n_bytes] and a NUL */
void cna_judge_wire_redact(char *text, size_t *n_bytes, const char *key);

#endif
