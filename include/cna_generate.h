/* SPDX-License-Identifier: MIT
 *
 * cna_generate.h - answers and logits, with neurons scaled and vectors added.
 * The rules are those of cna.h. */
#ifndef CNA_GENERATE_H
#define CNA_GENERATE_H

#include "cna_caa.h"
#include "cna_circuit.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum cna_positions {
    CNA_POSITIONS_ALL,       /* every position, prompt and generated */
    CNA_POSITIONS_PROMPT,    /* the prompt's positions */
    CNA_POSITIONS_GENERATED, /* positions of generated tokens */
    CNA_POSITIONS_LAST,      /* the prompt's last token only */
} cna_positions;
typedef enum cna_sign { CNA_SIGN_BOTH, CNA_SIGN_PLUS, CNA_SIGN_MINUS } cna_sign; /* of delta */

/* h[l][j] <- multiplier * h[l][j] for the circuit's neurons (METHOD section 5). A neuron in two active circuits gets
 * the product. multiplier 1 changes no bit. */
typedef struct cna_intervention {
    const cna_circuit *circuit;
    double multiplier; /* 0 silences, 1 leaves, > 1 amplifies, < 0 inverts; any finite value */
    cna_positions positions;
    cna_sign sign;
} cna_intervention;

/* x <- x + alpha * v[l] behind each layer l that has a vector, x the residual stream (METHOD section 6). alpha 0
 * changes no bit. Several additions to one layer are added one after the other. */
typedef struct cna_addition {
    const cna_caa *caa;
    double alpha; /* finite, as its products with the vectors */
    cna_positions positions;
} cna_addition;

typedef enum cna_stop { CNA_STOP_EOS, CNA_STOP_LENGTH } cna_stop;

typedef struct cna_generation {
    size_t prompt;             /* index in the prompts */
    size_t sample;             /* 0 .. n_samples-1 */
    const int32_t *prompt_ids; /* [n_prompt_ids] */
    size_t n_prompt_ids;
    const int32_t *ids;        /* [n_ids] generated, the stop token left out */
    size_t n_ids;
    const float *logprobs;     /* [n_ids] natural log-probability of each, before temperature */
    const char *text;          /* decoded, specials skipped */
    size_t n_bytes;
    cna_stop stop;
} cna_generation;

/* Called once for each finished answer, in the order (prompt, sample); borrows everything. Return true to cancel. */
typedef bool cna_generation_fn(void *user, const cna_generation *generation);
/* Called with each new piece of text of the only answer (whole characters only); user is cna_generate's. Return true
 * to cancel. */
typedef bool cna_text_fn(void *user, const char *text, size_t n_bytes);

typedef struct cna_generate_options {
    const cna_intervention *interventions; /* ? [n_interventions] */
    size_t n_interventions;
    const cna_addition *additions; /* ? [n_additions] */
    size_t n_additions;
    cna_format format;
    size_t max_tokens;  /* 0: 150 */
    double temperature; /* 0: greedy */
    double top_p;       /* 0 or 1: all tokens; else the smallest set of at least this probability */
    uint64_t seed;      /* of sampling; the draw is keyed by (seed, prompt ids, sample, position) */
    size_t n_samples;   /* answers a prompt; 0: 1 */
    size_t batch;       /* most sequences decoded together; 0: up to 256, as memory allows. Changes no bit */
    cna_text_fn *on_piece; /* ? used when there is one prompt and one sample */
    cna_progress progress;
} cna_generate_options;

/* Continue each prompt. Stop tokens: the union of eos_token_id in generation_config.json and config.json.
 * Errors: ERR_ARG for an empty prompt or token ids past the embedding rows; ERR_MISMATCH for a circuit or
 *         vectors of another shape; ERR_FORMAT where a multiplier, an alpha or damaged weights make values whose
 *         squares f32 cannot add up, about 1e19; ERR_CANCELLED. */
CNA_API CNA_MUST_CHECK cna_status cna_generate(const cna_model *model, const cna_prompts *prompts,
                                               const cna_generate_options *options, cna_generation_fn *on_generation,
                                               void *user, cna_error *err);

/* Called for each prompt in order with the logits [n_tokens, vocab_size] f32 of every position; borrows them. */
typedef bool cna_logits_fn(void *user, size_t prompt, const float *logits, size_t n_tokens, size_t vocab_size);

/* The logits of every position of each prompt; options as for cna_generate (interventions, format, batch). */
CNA_API CNA_MUST_CHECK cna_status cna_logits(const cna_model *model, const cna_prompts *prompts,
                                             const cna_generate_options *options, cna_logits_fn *on_logits,
                                             void *user, cna_error *err);

#ifdef __cplusplus
}
#endif
#endif
