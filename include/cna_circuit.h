/* SPDX-License-Identifier: MIT
 *
 * cna_circuit.h - circuits: finding them, their files, comparing them, and their neurons one by one.
 * The rules are those of cna.h. */
#ifndef CNA_CIRCUIT_H
#define CNA_CIRCUIT_H

#include "cna_prompts.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------------------------------------- circuits */

/* One neuron: component `neuron` of the input of layer `layer`'s down_proj, with what attribution measured. */
typedef struct cna_neuron {
    uint32_t layer, neuron;
    double delta;         /* mean_positive - mean_negative */
    double mean_positive; /* of h at the last token */
    double mean_negative;
    double d;             /* delta / pooled standard deviation (Cohen's d) */
    double write;         /* |delta| * || column of W_down ||_2 */
} cna_neuron;

typedef enum cna_score { CNA_SCORE_DELTA, CNA_SCORE_D, CNA_SCORE_WRITE } cna_score;
typedef enum cna_preset { CNA_PRESET_PAPER, CNA_PRESET_NOUS } cna_preset;
typedef enum cna_circuit_format {
    CNA_CIRCUIT_CNA,  /* this program's own, see docs/FORMATS.md */
    CNA_CIRCUIT_NOUS, /* the reference code's {"neurons": {"L,P,N": value}, ...} */
} cna_circuit_format;

/* A set of neurons, ordered by score, and how it was found. */
typedef struct cna_circuit cna_circuit;

/* Read a circuit file in this program's format or either of the reference code's ({"neurons": {"L,P,N": value}} and
 * {"L": [neuron, ...]}); which one is told from its contents. */
CNA_API CNA_MUST_CHECK cna_status cna_circuit_read(const char *path, cna_circuit **out, cna_error *err);
/* Write to a temporary name beside path, then rename. path "-" is standard output. */
CNA_API CNA_MUST_CHECK cna_status cna_circuit_write(const cna_circuit *circuit, const char *path,
                                                    cna_circuit_format format, cna_error *err);
/* The same bytes as cna_circuit_write; *out_json is new, NUL-terminated, to be freed by cna_free. */
CNA_API CNA_MUST_CHECK cna_status cna_circuit_to_json(const cna_circuit *circuit, cna_circuit_format format,
                                                      char **out_json, cna_error *err);
CNA_API void cna_circuit_free(cna_circuit *circuit);
CNA_API const cna_neuron *cna_circuit_neurons(const cna_circuit *circuit, size_t *n_neurons);

/* Where a circuit came from; zeros and empty strings where a foreign file does not say. */
typedef struct cna_circuit_info {
    char model_name[256], architecture[64], model_dtype[16], fingerprint[65];
    uint32_t n_layers, mlp_dim, hidden_dim; /* 0: not stated by the file */
    cna_preset preset;
    cna_score score;
    double fraction; /* 0: k was given instead */
    uint32_t first_layer, last_layer;
    bool per_layer;
    char universal_source[256]; /* "builtin", "none", "file:", SHA-256 over the prompts' hex hashes, name; or ""
                                 * where not stated */
    double universal_threshold, universal_share;
    size_t n_universal;         /* neurons left out as universal */
    size_t n_positive, n_negative;
    char prompt_format[8];      /* "chat", "raw" or "" */
    char date[11];
    char chat_options[512];     /* what else the chat prompts depend on, as JSON: {"chat_template": a built-in one's
                                 * name or a SHA-256, "prefix", "system_sha256", "template_args"}, each where it was
                                 * given; or "" */
    bool has_delta;    /* every neuron's delta is known; without it no sign filter */
    bool has_measures; /* every neuron's means, d and write are known; else all of them are 0, as delta is without
                        * has_delta */
} cna_circuit_info;
CNA_API const cna_circuit_info *cna_circuit_get_info(const cna_circuit *circuit);

/* How alike the circuits of two halves of the prompts are, over random halvings (METHOD section 8): Jaccard of the
 * two. */
typedef struct cna_stability_point {
    size_t k; /* neurons of each half's circuit */
    double mean, min, max;
    double p5, p25, p50, p75, p95; /* percentiles: of n sorted values, counted from 0, number floor((n - 1) p / 100) */
} cna_stability_point;

/* What the largest score of any neuron would be where the labels mean nothing. */
typedef struct cna_chance_level {
    double level;           /* 95th percentile, over shuffles of the labels, of the largest |score| of all candidates */
    double largest;         /* with the true labels */
    size_t n_above;         /* candidates whose true |score| is above the level */
    size_t n_circuit_above; /* of them in the circuit */
} cna_chance_level;

enum { CNA_STABILITY_POINTS_MAX = 5 };

/* Statistics that an attribution was asked for. */
typedef struct cna_circuit_statistics {
    uint64_t seed;
    size_t n_halvings; /* 0: no stability */
    cna_stability_point points[CNA_STABILITY_POINTS_MAX]; /* [n_points] by k: a quarter, a half, once, twice, four times
                                                           * the circuit's, as far as there are so many neurons */
    size_t n_points;
    size_t n_shuffles;   /* 0: no chance levels */
    size_t n_candidates; /* neurons in the chosen layers that are not universal */
    cna_chance_level chance[3]; /* by cna_score */
} cna_circuit_statistics;
/* Borrowed; NULL where there are none. */
CNA_API const cna_circuit_statistics *cna_circuit_get_statistics(const cna_circuit *circuit);

/* Whether a circuit may be used on a model.
 *   warning  [n_warning] receives one line if the fingerprints differ (allowed), else ""
 * Errors: ERR_MISMATCH with both shapes if n_layers or mlp_dim differ or a neuron lies outside the model. */
CNA_API CNA_MUST_CHECK cna_status cna_circuit_check(const cna_circuit *circuit, const cna_model *model,
                                                    char *warning, size_t n_warning, cna_error *err);

/* How a circuit's neurons lie over the layers (METHOD section 9). Freed by cna_profile_clear. */
typedef struct cna_profile {
    uint32_t n_layers;      /* of the model; for a foreign file 1 + the last layer named */
    size_t *count;          /* [n_layers] neurons in each layer */
    size_t n_neurons;
    double last_three;      /* share of neurons in the last three layers */
    double last_tenth;      /* in the last ceil(n_layers / 10) layers */
    double last_quarter;    /* in the last ceil(n_layers / 4) layers */
} cna_profile;
CNA_API CNA_MUST_CHECK cna_status cna_circuit_profile(const cna_circuit *circuit, uint32_t n_layers_if_unknown,
                                                      cna_profile *out, cna_error *err);
CNA_API void cna_profile_clear(cna_profile *profile);

/* Overlap of two sets of (layer, neuron) pairs (METHOD section 9). */
typedef struct cna_overlap {
    size_t n_a, n_b, n_common;
    double share_of_a, share_of_b; /* n_common / n_a, n_common / n_b; 0 where the set is empty */
    double jaccard;                /* n_common / (n_a + n_b - n_common) */
} cna_overlap;
/* ERR_MISMATCH if both files state a shape and the shapes differ. */
CNA_API CNA_MUST_CHECK cna_status cna_circuit_overlap(const cna_circuit *a, const cna_circuit *b, cna_overlap *out,
                                                      cna_error *err);

/* The overlap that two circuits would have by chance (METHOD section 9). NaN where neither file states the model's
 * shape. */
typedef struct cna_overlap_chance {
    size_t n_neurons;              /* of the model; 0 where not stated */
    double expected, p;            /* sets of these sizes from all neurons: mean overlap, P(one at least as large) */
    double expected_layers, p_layers; /* sets with these layer profiles: each layer's part from that layer's neurons.
                                    * Two circuits that fill the same layers overlap for that alone */
} cna_overlap_chance;
/* Errors: as cna_circuit_overlap; ERR_MISMATCH too where a neuron lies outside the shape that the other file states. */
CNA_API CNA_MUST_CHECK cna_status cna_circuit_overlap_chance(const cna_circuit *a, const cna_circuit *b,
                                                             cna_overlap_chance *out, cna_error *err);

/* What two files state, and state differently; false where either says nothing about it. */
typedef struct cna_circuit_difference {
    bool weights;  /* fingerprints: another model, or another one of the same shape, as base and instruct are */
    bool prompts;  /* either set */
    bool prompt_format; /* chat or raw */
    bool chat_options;  /* of two on chat prompts; absent means that none were given, or in older files a system
                         * message */
    bool date, preset, score, per_layer, layers, universal;
    bool n_neurons;
} cna_circuit_difference;
/* Errors: ERR_MEMORY. */
CNA_API CNA_MUST_CHECK cna_status cna_circuit_compare(const cna_circuit *a, const cna_circuit *b,
                                                      cna_circuit_difference *out, cna_error *err);

/* ------------------------------------------------------------------------------------------- attribution */

typedef struct cna_attribute_options {
    cna_preset preset;
    double fraction;        /* 0 < fraction <= 1 of the neurons in the chosen layers; 0: 0.001 (nous: 200 neurons) */
    size_t k;               /* this many neurons instead; 0: by fraction */
    bool per_layer;         /* the same quota, max(1, k / n_layers), from each layer */
    cna_score score;
    bool choose_layers;     /* true: first_layer .. last_layer, both included; false: all (nous: all but 0 and 1) */
    uint32_t first_layer, last_layer;
    bool no_universal;      /* true: no universal filter (the nous preset's default) */
    bool with_universal;    /* true: filter even under the nous preset */
    const cna_prompts *universal_prompts; /* ? NULL: the 40 built-in ones; used as raw text */
    const char *universal_name;           /* ? path of universal_prompts, recorded with its hash */
    double universal_threshold; /* K = this share of all neurons; 0: 0.001 */
    double universal_share;     /* universal if among the first K in this share of prompts; 0: 0.8 */
    cna_format format;
    size_t n_halvings;      /* of the prompts, for stability; 0: none; 100 is usual */
    size_t n_shuffles;      /* of the labels, for chance levels; 0: none; 1,000 is usual */
    uint64_t seed;          /* of halvings and shuffles */
    cna_progress progress;
} cna_attribute_options;

/* Find the neurons that tell two prompt sets apart (METHOD sections 3, 4 and 10).
 *
 *   delta[l,j] = mean over positive of h[l][j] - mean over negative of h[l][j],  h at each prompt's last token
 *   circuit    = the k largest scores that are not universal; ties: lower layer, then lower neuron
 *
 * Numerics: f64 sums of f32 values in an order fixed by the prompts' token ids: a file's order changes nothing.
 * Errors:   ERR_ARG for an empty set, layers outside the model, k past the candidates left, stability with fewer than
 *           two prompts a side or of a circuit of all neurons; ERR_UNSUPPORTED for chat on a model without a known
 *           template; ERR_CANCELLED. */
CNA_API CNA_MUST_CHECK cna_status cna_attribute(const cna_model *model, const cna_prompts *positive,
                                                const cna_prompts *negative, const cna_attribute_options *options,
                                                cna_circuit **out, cna_error *err);

/* How neurons are ranked and cut. */
typedef struct cna_ranking {
    cna_score score;
    bool per_layer;
} cna_ranking;
/* Several circuits from one pass: out[i] is what cna_attribute gives with the options' score and per_layer replaced by
 * rankings[i].
 *   out  [n_rankings] new circuits; all NULL on failure
 * Errors: as cna_attribute; ERR_ARG for no ranking. */
CNA_API CNA_MUST_CHECK cna_status cna_attribute_rankings(const cna_model *model, const cna_prompts *positive,
                                                         const cna_prompts *negative,
                                                         const cna_attribute_options *options,
                                                         const cna_ranking *rankings, size_t n_rankings,
                                                         cna_circuit **out, cna_error *err);

/* ----------------------------------------------------------------------------------------------- neurons */

/* A token and how much a neuron adds to its logit. */
typedef struct cna_neuron_token {
    int32_t id;    /* a row of the output head; the tokenizer may have no token for it */
    double weight; /* logits, before the final norm's division, for each unit of h */
} cna_neuron_token;

/* A neuron at the last token of one prompt. m is what the whole MLP of its layer writes there, c the neuron's column
 * of W_down. */
typedef struct cna_neuron_activation {
    double h;
    double share;      /* |h| ||c|| / ||m||; may pass 1, since neurons write against each other */
    double projection; /* h (c . m) / (m . m): the neuron's part of m along m; over all neurons they add up to 1 */
} cna_neuron_activation; /* share and projection are 0 where m is 0 */

/* What one neuron writes, and when (docs/METHOD.md, "Single neurons"). */
typedef struct cna_neuron_view {
    uint32_t layer, neuron;
    double column_norm;       /* ||c|| */
    const cna_neuron_token *promoted;   /* [n_tokens] largest weight first; ties: lower id */
    const cna_neuron_token *suppressed; /* [n_tokens] smallest weight first */
    size_t n_tokens;
    double mean, deviation;   /* of the weights over all rows of the head */
    const cna_neuron_activation *activations; /* [n_prompts] the sets one after another, each in its own order */
    const cna_neuron_activation *means;       /* [n_sets] over each set */
} cna_neuron_view;

typedef struct cna_neuron_views cna_neuron_views;

typedef struct cna_neuron_options {
    const cna_prompts *const *sets; /* ? [n_sets] prompts on which to measure activations */
    size_t n_sets;
    size_t n_tokens;                /* of each sign; 0: 10. At most as many as the head has rows */
    cna_format format;
    cna_progress progress;
} cna_neuron_options;

/* Look at single neurons: the tokens that each writes for and against (logit lens), and its activations.
 *
 *   weight[v] = sum over i of W_U[v, i] w[i] c[i],   W_U the output head, w the final norm's weight
 *
 *   neurons    [n_neurons]; only layer and neuron are read
 *   options    ? NULL for defaults
 *   out        one view for each neuron, in their order
 *
 * Numerics: f64 sums over the stored weights in a fixed order; h is the model's own, f32.
 * Errors:   ERR_MISMATCH for a neuron outside the model; otherwise as cna_attribute.
 * Source:   nostalgebraist, Interpreting GPT: the logit lens (2020), for a column as Geva et al., Transformer
 *           feed-forward layers build predictions by promoting concepts in the vocabulary space (2022). */
CNA_API CNA_MUST_CHECK cna_status cna_neuron_inspect(const cna_model *model, const cna_neuron *neurons,
                                                     size_t n_neurons, const cna_neuron_options *options,
                                                     cna_neuron_views **out, cna_error *err);
CNA_API const cna_neuron_view *cna_neuron_views_get(const cna_neuron_views *views, size_t *n_views);
CNA_API void cna_neuron_views_free(cna_neuron_views *views);

#ifdef __cplusplus
}
#endif
#endif
