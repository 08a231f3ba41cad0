/* SPDX-License-Identifier: MIT
 * Choosing the next token from logits. */
#ifndef CNA_ENGINE_SAMPLE_H
#define CNA_ENGINE_SAMPLE_H

#include "base/memory.h"

/* What a draw is keyed by, so that it does not depend on the place in a batch. */
typedef struct cna_sample_key {
    uint64_t seed;
    uint64_t prompt_hash; /* cna_sample_hash_ids of the prompt */
    uint64_t sample;
    uint64_t position;    /* how many tokens were generated before */
} cna_sample_key;

/* 64-bit FNV-1a over the ids as little-endian bytes. */
uint64_t cna_sample_hash_ids(const int32_t *ids, size_t n_ids);

/* Philox4x32-10 in place: 128 random bits from a 128-bit counter and a 64-bit key, which is used up. Exposed for tests.
 * Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). */
void cna_sample_philox(uint32_t counter[4], uint32_t key[2]);

/* A number in [0, 1) with 53 random bits: a function of the key alone. */
double cna_sample_uniform(const cna_sample_key *key);

/* Choose a token.
 *   logits       [vocab_size]
 *   temperature  0: the largest logit, the lower id where equal; else p = softmax(logits / temperature)
 *   top_p        in (0, 1): only the most probable tokens whose probabilities first reach it; 0 or 1: all
 *   out_logprob  log softmax(logits)[token]: before temperature and top_p */
CNA_MUST_CHECK cna_status cna_sample_token(const float *logits, size_t vocab_size, double temperature, double top_p,
                                           const cna_sample_key *key, int32_t *out_token, float *out_logprob,
                                           cna_error *err);

#endif
