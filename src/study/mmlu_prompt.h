/* SPDX-License-Identifier: MIT
 * MMLU's prompts as token ids. Text and cut are lm-evaluation-harness' (0.4.13, tasks/mmlu/default and
 * TemplateLM._encode_pair). */
#ifndef CNA_STUDY_MMLU_PROMPT_H
#define CNA_STUDY_MMLU_PROMPT_H

#include "study/mmlu_data.h"

/* What all questions of a subject are asked with. */
typedef struct cna_mmlu_prompter {
    const cna_tokenizer *tokenizer;
    const cna_format *format;
    bool chat;
    size_t max_positions; /* of the model */
    cna_buffer system;    /* chat: format's system prompt and the description */
    cna_buffer prefix;    /* raw: the description; then the examples, in both */
} cna_mmlu_prompter;

/* Fill system and prefix for a subject; the members before them are the caller's.
 *   shots  [n_shots] */
CNA_MUST_CHECK cna_status cna_mmlu_prompter_begin(cna_mmlu_prompter *prompter, const char *subject,
                                                  const cna_mmlu_item *shots, size_t n_shots, cna_error *err);
void cna_mmlu_prompter_clear(cna_mmlu_prompter *prompter);

/* One question's token ids. Choice i is scored as choices[i] behind context[skip[i]..]. */
typedef struct cna_mmlu_prompt {
    int32_t *context; /* [n_context] */
    size_t n_context;
    int32_t *choices[4]; /* [n_choices[i]] one or more */
    size_t n_choices[4];
    size_t skip[4]; /* leading tokens that are dropped, so that all but the choice's last fit in max_positions */
} cna_mmlu_prompt;

/* The text is prefix and item, in chat as one user turn behind the system prompt; the choices are " A" to " D", in chat
 * "A" to "D". White space at the end of the text goes to the choice. Text and choice are encoded together and the text
 * alone, and the choice's ids are those behind as many as the text has. Cleared by cna_mmlu_prompt_clear, also after a
 * failure. Errors: as cna_tokenizer_encode and cna_tokenizer_render; ERR_UNSUPPORTED where a choice has no token of its
 * own or does not fit. */
CNA_MUST_CHECK cna_status cna_mmlu_prompt_make(const cna_mmlu_prompter *prompter, const cna_mmlu_item *item,
                                               cna_mmlu_prompt *out, cna_error *err);
void cna_mmlu_prompt_clear(cna_mmlu_prompt *prompt);

#endif
