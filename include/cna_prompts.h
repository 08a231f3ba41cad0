/* SPDX-License-Identifier: MIT
 *
 * cna_prompts.h - prompts, how they are formatted, and tokenizers.
 * The rules are those of cna.h. */
#ifndef CNA_PROMPTS_H
#define CNA_PROMPTS_H

#include "cna_model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------------------------------------- prompts */

/* An ordered list of prompts, each a text (formatted and tokenised when used) or a list of token ids (used as is). */
typedef struct cna_prompts cna_prompts;

CNA_API CNA_MUST_CHECK cna_status cna_prompts_create(cna_prompts **out, cna_error *err);

/* Read a prompt file: .txt (one a line, blank lines skipped), .jsonl, .csv with a header.
 *
 *   column  ? which field of .jsonl or .csv; NULL: "prompt" for .jsonl; for .csv the first header among prompt,
 *           goal, forbidden_prompt, behavior, question that is there; names are matched without case
 *
 * Each prompt's category is read as well: a text under "category" of .jsonl; for .csv the first header among category,
 * semanticcategory, type that is there.
 *
 * A UTF-8 byte order mark is skipped. Errors: ERR_FORMAT with file, line and byte for invalid UTF-8, bad JSON, a
 * missing column or an unclosed quote; ERR_FORMAT for a file with no prompt in it. */
CNA_API CNA_MUST_CHECK cna_status cna_prompts_read(const char *path, const char *column, cna_prompts **out,
                                                   cna_error *err);
/* Append one text of n_bytes bytes (copied; may hold NUL). ERR_FORMAT for invalid UTF-8. */
CNA_API CNA_MUST_CHECK cna_status cna_prompts_add_text(cna_prompts *prompts, const char *text, size_t n_bytes,
                                                       cna_error *err);
/* Append one list of token ids (copied). They are used as they are: no template, no special tokens. */
CNA_API CNA_MUST_CHECK cna_status cna_prompts_add_ids(cna_prompts *prompts, const int32_t *ids, size_t n_ids,
                                                      cna_error *err);
CNA_API void cna_prompts_free(cna_prompts *prompts);
CNA_API size_t cna_prompts_count(const cna_prompts *prompts);
/* The text of prompt i (NUL-terminated as well), or NULL if it is a list of ids. n_bytes may be NULL. */
CNA_API const char *cna_prompts_text(const cna_prompts *prompts, size_t i, size_t *n_bytes);
/* What kind of prompt the file says i is; NULL where it does not say. */
CNA_API const char *cna_prompts_category(const cna_prompts *prompts, size_t i);
/* The line, from 1, of its file that prompt i begins on; 0 where it is of no file. */
CNA_API size_t cna_prompts_line(const cna_prompts *prompts, size_t i);

/* How a text becomes a prompt (METHOD section 2). */
typedef enum cna_format_mode {
    CNA_FORMAT_AUTO, /* chat where the model folder has a chat template, else raw */
    CNA_FORMAT_RAW,  /* the text, with the special tokens that the tokenizer's post-processor adds */
    CNA_FORMAT_CHAT, /* one user turn in the model's chat format, generation prompt added, no further BOS */
} cna_format_mode;

typedef struct cna_format {
    cna_format_mode mode;
    const char *system; /* ? system prompt for chat; NULL: the template's own default, if it has one */
    const char *date;   /* ? "YYYY-MM-DD" for templates that insert the date; NULL: today's */
    bool double_bos;    /* re-tokenise rendered chat with the post-processor's specials too, as the reference code
                           does (a second BOS on Llama 3); set by the nous preset */
    const char *chat_template; /* ? text of a Jinja template to use instead of the folder's, or the name of a built-in
                                * one, "llama3" or "chatml"; with AUTO, prompts are chat */
    const char *const *template_args; /* ? [n_template_args] further variables of the template, which go first, as
                                       * "NAME=VALUE"; a value is JSON (true, 3, "text", [1, 2]) or else a text */
    size_t n_template_args;
    const char *prefix; /* ? how every answer begins: added behind the generation prompt of chat */
} cna_format;

/* What a format asks of templates beside their messages and date, as compact JSON with sorted keys, so that it can be
 * recorded: {"chat_template":NAME or SHA-256,"prefix":...,"template_args":{...}}, each where it is given.
 *   out  new, freed by cna_free; NULL where none is given
 * Errors: ERR_ARG for an argument that is no NAME=VALUE. */
CNA_API CNA_MUST_CHECK cna_status cna_format_describe(const cna_format *format, char **out, cna_error *err);

/* --------------------------------------------------------------------------------------------- tokenizer */

typedef struct cna_tokenizer cna_tokenizer;

typedef struct cna_message {
    const char *role;    /* "system", "user" or "assistant" */
    const char *content;
    size_t n_bytes;      /* of content */
} cna_message;

/* Open the tokenizer of a model folder; needs tokenizer.json, and for chat tokenizer_config.json or
 * chat_template.jinja, and no other file. Or that of a .gguf file, which need not hold tensors. */
CNA_API CNA_MUST_CHECK cna_status cna_tokenizer_open(const char *path, cna_tokenizer **out, cna_error *err);
CNA_API void cna_tokenizer_free(cna_tokenizer *tokenizer);
/* The tokenizer of an open model, borrowed. */
CNA_API const cna_tokenizer *cna_model_tokenizer(const cna_model *model);

CNA_API bool cna_tokenizer_has_chat(const cna_tokenizer *tokenizer);
/* Number of ids: 1 + the largest id of the vocabulary and the added tokens. */
CNA_API size_t cna_tokenizer_n_ids(const cna_tokenizer *tokenizer);

/* Text to token ids.
 *   specials  add what the post-processor adds (a BOS for Llama 3, nothing for Qwen2.5)
 *   out_ids   new array of *out_n ids, to be freed by cna_free; special-token text inside text becomes its token */
CNA_API CNA_MUST_CHECK cna_status cna_tokenizer_encode(const cna_tokenizer *tokenizer, const char *text,
                                                       size_t n_bytes, bool specials, int32_t **out_ids,
                                                       size_t *out_n, cna_error *err);
/* Token ids to text, special tokens written out unless skip_specials. Bytes that are not UTF-8 become U+FFFD: of
 * byte-level pieces one for each maximal ill-formed part, as Python's and Rust's lossy decoders do; of a run of tokens
 * <0xNN> that is not UTF-8 as a whole one for each byte, as the `tokenizers` package does. *out_text is new,
 * NUL-terminated, to be freed by cna_free. An id that the tokenizer does not know gives no text: models can have more
 * embedding rows. */
CNA_API CNA_MUST_CHECK cna_status cna_tokenizer_decode(const cna_tokenizer *tokenizer, const int32_t *ids,
                                                       size_t n_ids, bool skip_specials, char **out_text,
                                                       size_t *out_n_bytes, cna_error *err);
/* The vocabulary's string for one id (in the byte-level alphabet, or with U+2581 for spaces and <0xNN> for bytes;
 * specials as written), or NULL if there is none. */
CNA_API const char *cna_tokenizer_piece(const cna_tokenizer *tokenizer, int32_t id);
CNA_API bool cna_tokenizer_is_special(const cna_tokenizer *tokenizer, int32_t id);

/* Messages to the text of the chat template, generation prompt added, equal to transformers' rendering.
 *   format    ? of which date, chat_template, template_args and prefix count; NULL: the folder's template, today
 *   out_text  new, NUL-terminated, to be freed by cna_free
 * Errors: ERR_UNSUPPORTED if there is no template, or one that does what is not known; ERR_ARG for a bad date, role or
 * argument, and where the template refuses the messages. */
CNA_API CNA_MUST_CHECK cna_status cna_tokenizer_render(const cna_tokenizer *tokenizer, const cna_message *messages,
                                                       size_t n_messages, const cna_format *format, char **out_text,
                                                       size_t *out_n_bytes, cna_error *err);

/* Prompts that have more tokens than a limit, such as cna_model_info's max_positions less those of an answer. No
 * function refuses a prompt for being longer than the model was made for (but longrope's): what comes of it may mean
 * nothing. */
typedef struct cna_long_prompts {
    size_t n;               /* how many */
    size_t first, n_tokens; /* the first of them, and its tokens; 0 where there is none */
} cna_long_prompts;

/* Format and tokenise every prompt as the model's functions do, and count.
 *   format  ? NULL: AUTO
 * Errors: ERR_ARG for an empty list or a prompt of no tokens; as cna_tokenizer_render. */
CNA_API CNA_MUST_CHECK cna_status cna_prompts_find_long(const cna_prompts *prompts, const cna_tokenizer *tokenizer,
                                                        const cna_format *format, size_t limit, cna_long_prompts *out,
                                                        cna_error *err);

#ifdef __cplusplus
}
#endif
#endif
