/* SPDX-License-Identifier: MIT
 * The tokenizer that a .gguf file's metadata describe. */
#ifndef CNA_TEXT_TOKENIZER_GGUF_H
#define CNA_TEXT_TOKENIZER_GGUF_H

#include "checkpoint/gguf.h"
#include "text/tokenizer.h"

/* Fill an all-zero tokenizer; its chat is left alone. On failure it is half filled and to be freed.
 * tokenizer.ggml.model gpt2, byte-level BPE: the metadata are read as the tokenizer.json that they came from: tokens,
 * token types, merges, the splitting pattern that tokenizer.ggml.pre names, and the special tokens around a text.
 * Tokens of type control are added tokens marked special, user-defined ones added tokens that are not. llama,
 * SentencePiece's BPE: as tokenizer_spm.h says.
 * Errors: ERR_FORMAT, and ERR_UNSUPPORTED for another model or pattern; each names file and key.
 * Source of patterns and defaults: ggml-org/llama.cpp, src/llama-vocab.cpp. Text is normalised as the original
 * tokenizer.json says (Qwen2: NFC), which llama.cpp leaves out. */
CNA_MUST_CHECK cna_status cna_tokenizer_load_gguf(cna_tokenizer *tokenizer, const cna_gguf *gguf, cna_error *err);

/* The chat template of the metadata, with the special tokens that it may name. Errors: as cna_chat_open. */
CNA_MUST_CHECK cna_status cna_gguf_read_chat(const cna_gguf *gguf, cna_chat **out, cna_error *err);

#endif
