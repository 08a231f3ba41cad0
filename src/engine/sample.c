/* SPDX-License-Identifier: MIT
 * Choosing the next token from logits. */
#include "engine/sample.h"

#include <math.h>
#include <stdlib.h>

#include "tensor/ops.h"

uint64_t cna_sample_hash_ids(const int32_t *ids, size_t n_ids)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n_ids; i++) {
        for (unsigned shift = 0; shift < 32; shift += 8) {
            hash ^= (uint32_t)ids[i] >> shift & 0xFFu;
            hash *= 0x100000001b3u;
        }
    }
    return hash;
}

void cna_sample_philox(uint32_t counter[4], uint32_t key[2])
{
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)0xD2511F53u * counter[0], b = (uint64_t)0xCD9E8D57u * counter[2];
        uint32_t next[4] = {(uint32_t)(b >> 32) ^ counter[1] ^ key[0], (uint32_t)b,
                            (uint32_t)(a >> 32) ^ counter[3] ^ key[1], (uint32_t)a};
        for (int i = 0; i < 4; i++) counter[i] = next[i];
        key[0] += 0x9E3779B9u;
        key[1] += 0xBB67AE85u;
    }
}

double cna_sample_uniform(const cna_sample_key *k)
{
    uint32_t key[2] = {(uint32_t)k->seed, (uint32_t)(k->seed >> 32)};
    uint32_t counter[4] = {(uint32_t)k->prompt_hash, (uint32_t)(k->prompt_hash >> 32), (uint32_t)k->sample,
                           (uint32_t)k->position};
    cna_sample_philox(counter, key);
    uint64_t bits = (uint64_t)counter[0] << 32 | counter[1];
    return (double)(bits >> 11) * 0x1p-53;
}

typedef struct candidate {
    double weight;
    int32_t id;
} candidate;

static int by_weight(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->weight != y->weight) return x->weight > y->weight ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Draw in proportion to weight among the first n candidates; u in [0, 1). */
static int32_t draw(const candidate *candidates, size_t n, double total, double u)
{
    double target = u * total, sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += candidates[i].weight;
        if (target < sum) return candidates[i].id;
    }
    return candidates[n - 1].id;
}

cna_status cna_sample_token(const float *logits, size_t vocab_size, double temperature, double top_p,
                            const cna_sample_key *key, int32_t *out_token, float *out_logprob, cna_error *err)
{
    size_t best = cna_argmax(logits, vocab_size);
    int32_t token = (int32_t)best;
    if (temperature > 0) {
        candidate *candidates;
        CNA_TRY(cna_alloc(&candidates, vocab_size, sizeof *candidates, "sampling", err));
        double total = 0, max = (double)logits[best];
        for (size_t i = 0; i < vocab_size; i++) {
            candidates[i] = (candidate){exp(((double)logits[i] - max) / temperature), (int32_t)i};
            total += candidates[i].weight;
        }
        size_t n = vocab_size;
        if (top_p > 0 && top_p < 1) {
            qsort(candidates, vocab_size, sizeof *candidates, by_weight);
            double kept = 0;
            for (n = 0; n < vocab_size && (n == 0 || kept < top_p * total); n++) kept += candidates[n].weight;
            total = kept;
        }
        token = draw(candidates, n, total, cna_sample_uniform(key));
        cna_free(candidates);
    }
    *out_token = token;
    *out_logprob = (float)((double)logits[token] - cna_log_sum_exp(logits, vocab_size));
    return CNA_OK;
}
