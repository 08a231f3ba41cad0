/* SPDX-License-Identifier: MIT
 * `generate --logits`: every logit of every prompt, as little-endian f32. */
#ifndef CNA_CLI_LOGITS_FILE_H
#define CNA_CLI_LOGITS_FILE_H

#include "cna.h"

/* Write [n_tokens, vocab_size] of each prompt, one after the other, in the prompts' order; the file appears
 * when all are in it. Prints its own message and returns an exit code. */
int cli_write_logits(const char *path, const cna_model *model, const cna_prompts *prompts,
                     const cna_generate_options *options);

#endif
