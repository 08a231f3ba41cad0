/* SPDX-License-Identifier: MIT
 * A tokenizer from the arrays that GGUF files hold where tokenizer.ggml.model is "llama": SentencePiece's BPE, which
 * merges by the score of the piece that a merge gives. */
#ifndef CNA_TEXT_TOKENIZER_SPM_H
#define CNA_TEXT_TOKENIZER_SPM_H

#include "base/memory.h"

/* tokenizer.ggml.token_type; 0, undefined, counts as normal */
typedef enum cna_spm_type {
    CNA_SPM_NORMAL = 1,
    CNA_SPM_UNKNOWN,
    CNA_SPM_CONTROL,
    CNA_SPM_USER_DEFINED,
    CNA_SPM_UNUSED,
    CNA_SPM_BYTE
} cna_spm_type;

/* All of it borrowed and only read during the call. */
typedef struct cna_spm_vocab {
    const char *source;       /* the file, for messages */
    const char *const *texts; /* [n] tokenizer.ggml.tokens; spaces written as U+2581 */
    const size_t *n_bytes;    /* [n] of each text */
    const float *scores;      /* [n] tokenizer.ggml.scores */
    const int32_t *types;     /* ? [n] tokenizer.ggml.token_type; NULL: all normal */
    size_t n;
    bool no_space_prefix;  /* tokenizer.ggml.add_space_prefix is false (true where the file has none) */
    bool add_bos, add_eos; /* tokenizer.ggml.add_bos_token (true where the file has none), .add_eos_token (false) */
    int32_t bos, eos;      /* tokenizer.ggml.bos_token_id (1), .eos_token_id (2); looked at where added */
} cna_spm_vocab;

/* Fill an all-zero tokenizer so that it tokenizes as llama.cpp does: text is cut at control, unknown and user-defined
 * tokens (the leftmost, the longest of those; llama.cpp looks for the longest of all first, which differs only where
 * two overlap); each part gets a space in front unless no_space_prefix; spaces become U+2581; then pairs of neighbours
 * whose joined text is a token merge, highest score first, leftmost among equals; characters without a token become
 * tokens <0xNN>.
 * The chat template is left alone. On failure the tokenizer is half filled and to be freed.
 * Errors: ERR_FORMAT, naming source, for no token, a score that is no number, a type past 6, texts that are not UTF-8
 * or occur twice, byte tokens that are not all there, a BOS or EOS that is no token. ERR_MEMORY.
 * Source: llama.cpp, src/llama-vocab.cpp, llm_tokenizer_spm_session. */
CNA_MUST_CHECK cna_status cna_tokenizer_load_spm(cna_tokenizer *tokenizer, const cna_spm_vocab *spm, cna_error *err);

#endif
