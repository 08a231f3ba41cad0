/* SPDX-License-Identifier: MIT
 *
 * cna_caa.h - contrastive activation addition: finding vectors, and control vector files.
 * The rules are those of cna.h. */
#ifndef CNA_CAA_H
#define CNA_CAA_H

#include "cna_prompts.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where the vectors of contrastive activation addition are measured (METHOD section 6). */
typedef enum cna_caa_site {
    CNA_CAA_MLP,      /* the MLP output, as it is added to the residual stream; the reference code's baseline */
    CNA_CAA_RESIDUAL, /* the residual stream behind the layer; the CAA paper's */
} cna_caa_site;

/* Vectors of some layers, one each, and how they were found. */
typedef struct cna_caa cna_caa;

typedef struct cna_caa_options {
    cna_caa_site site;
    bool choose_layer; /* true: `n_layers` layers from `layer` on, zero-based; false: all layers for CNA_CAA_MLP, the
                        * middle one, n_layers / 2 of the model, for CNA_CAA_RESIDUAL */
    uint32_t layer, n_layers; /* n_layers 0: 1 */
    cna_format format;
    cna_progress progress;
} cna_caa_options;

/* Strings are "" and numbers 0 where a foreign file does not say. */
typedef struct cna_caa_info {
    cna_caa_site site;   /* of a foreign file CNA_CAA_RESIDUAL */
    bool foreign;        /* read from a file of another program, so that only shape and architecture are known */
    size_t n_vectors;
    uint32_t hidden_dim;
    uint32_t n_layers;   /* of the model; 0: not stated */
    char model_name[256], architecture[64], model_dtype[16], fingerprint[65];
    size_t n_positive, n_negative;
    char prompt_format[8]; /* "chat" or "raw" */
    char date[11];         /* that the chat template inserts; "" where it inserts none */
    char chat_options[512]; /* as in cna_circuit_info */
    char definition[64], normalisation[16]; /* in words: how they were found; "none" */
    char version[16];      /* of the cna that found them */
} cna_caa_info;

/* Find the vectors of two prompt sets, at each prompt's last token, not normalised:
 *
 *   v[l] = mean over positive of a[l] - mean over negative of a[l],  a = W_down h, or the residual stream behind l
 *
 * alpha * v[l] is then added behind layer l (to add to the MLP's output and to the residual stream with that output is
 * the same sum): +v toward what the positive prompts have, -v away from it.
 *   options  ? NULL for defaults
 *   out      new vectors, freed by cna_caa_free
 * Numerics: f64 sums of f32 values in an order fixed by the prompts' token ids, rounded once to f32.
 * Errors:   as cna_attribute; ERR_ARG for layers outside the model; ERR_FORMAT for a value that is not finite.
 * Source:   Rimsky et al., Steering Llama 2 via contrastive activation addition, arXiv 2312.06681; reference code. */
CNA_API CNA_MUST_CHECK cna_status cna_caa_find(const cna_model *model, const cna_prompts *positive,
                                               const cna_prompts *negative, const cna_caa_options *options,
                                               cna_caa **out, cna_error *err);
CNA_API void cna_caa_free(cna_caa *caa);
CNA_API const cna_caa_info *cna_caa_get_info(const cna_caa *caa);
/* [info.n_vectors] zero-based, ascending. Borrowed. */
CNA_API const uint32_t *cna_caa_layers(const cna_caa *caa);
/* [info.n_vectors, hidden_dim] f32, row-major, in the order of cna_caa_layers. Borrowed. */
CNA_API const float *cna_caa_vectors(const cna_caa *caa);

/* Write vectors as a GGUF control vector, whole or not at all; docs/FORMATS.md has the keys. llama.cpp and repeng read
 * it: tensor direction.N is what is added behind layer N, counted from 0. They know no direction.0, so a vector of
 * layer 0 is kept in the metadata, where this program finds it and they do not. The same vectors give the same bytes.
 *   path  "-" is standard output
 * Errors: ERR_IO. */
CNA_API CNA_MUST_CHECK cna_status cna_caa_write(const cna_caa *caa, const char *path, cna_error *err);
/* Read a GGUF control vector of this program's, of repeng's or of llama.cpp's. A file that does not state it is taken
 * to mean what those two do: each direction.N added, as it is times alpha, behind layer N, counted from 0.
 * Errors: ERR_IO; ERR_FORMAT for another file, no vector, one that is not f32, finite and as long as the others, or two
 *         of one layer; ERR_UNSUPPORTED for another operation, place or layer map than these, where one is stated. */
CNA_API CNA_MUST_CHECK cna_status cna_caa_read(const char *path, cna_caa **out, cna_error *err);
/* Whether path is a GGUF file that says of itself that it is a control vector. False for all that cannot be read. */
CNA_API bool cna_caa_is_file(const char *path);

/* Whether vectors may be used on a model.
 *   warning  [n_warning] receives one line if the fingerprints or architectures differ (allowed), else ""
 * Errors: ERR_MISMATCH with both shapes if hidden_dim or, where it is stated, n_layers differ or a layer lies outside
 *         the model. */
CNA_API CNA_MUST_CHECK cna_status cna_caa_check(const cna_caa *caa, const cna_model *model, char *warning,
                                                size_t n_warning, cna_error *err);

#ifdef __cplusplus
}
#endif
#endif
