/* SPDX-License-Identifier: MIT
 * The shape of a model from the metadata of a .gguf file. */
#ifndef CNA_CHECKPOINT_GGUF_CONFIG_H
#define CNA_CHECKPOINT_GGUF_CONFIG_H

#include "checkpoint/config.h"
#include "checkpoint/gguf.h"

/* All of a config that metadata say: general.architecture and the keys under its name, stop ids from tokenizer.ggml.*.
 * vocab_size and tied_embeddings are left 0: they are the tensors' to say.
 * Errors: ERR_FORMAT for a missing or bad value; ERR_UNSUPPORTED for another architecture, experts, another rope; each
 * names file, key, expected and found. */
CNA_MUST_CHECK cna_status cna_gguf_read_config(const cna_gguf *gguf, cna_config *out, cna_error *err);

/* Let rotary frequencies be divided by the numbers of rope_freqs.weight or rope_factors_short.weight.
 * Errors: ERR_MISMATCH for another shape or type, ERR_FORMAT for a number that is not positive. */
CNA_MUST_CHECK cna_status cna_gguf_take_divisors(const cna_tensor *tensor, cna_config *config, cna_error *err);

#endif
