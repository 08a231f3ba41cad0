/* SPDX-License-Identifier: MIT
 * The normalizer of a tokenizer: steps that change text before it is split. */
#ifndef CNA_TEXT_NORMALIZER_H
#define CNA_TEXT_NORMALIZER_H

#include "text/normalize.h"
#include "text/pattern.h"

typedef enum cna_normalizer_kind {
    CNA_NORMALIZER_FORM, /* a Unicode form */
    CNA_NORMALIZER_LOWERCASE,
    CNA_NORMALIZER_STRIP_ACCENTS,
    CNA_NORMALIZER_PREPEND, /* content in front of text that is not empty */
    CNA_NORMALIZER_REPLACE, /* content for every match of pattern */
    CNA_NORMALIZER_STRIP    /* white space at the left, the right or both */
} cna_normalizer_kind;

typedef struct cna_normalizer_step {
    cna_normalizer_kind kind;
    cna_unicode_form form;
    char *content; /* ? [n_content] owned */
    size_t n_content;
    cna_pattern *pattern; /* ? owned */
    bool left, right;     /* of STRIP */
} cna_normalizer_step;

/* All-zero changes nothing. */
typedef struct cna_normalizer {
    cna_normalizer_step *steps; /* [n] */
    size_t n, capacity;
} cna_normalizer;

/* Append an all-zero step of a kind and give it out, to be filled in by the caller; valid until the next. */
CNA_MUST_CHECK cna_status cna_normalizer_add(cna_normalizer *normalizer, cna_normalizer_kind kind,
                                             cna_normalizer_step **out, cna_error *err);
void cna_normalizer_free(cna_normalizer *normalizer);

/* Working memory of cna_normalizer_apply, kept between calls; all-zero to begin with. One caller's. */
typedef struct cna_normalizer_scratch {
    cna_buffer buffers[2];
    cna_matcher **matchers; /* ? [n of the normalizer], made when first needed */
    size_t n_matchers, capacity;
} cna_normalizer_scratch;

void cna_normalizer_scratch_free(cna_normalizer_scratch *scratch);

/* Apply every step to well-formed UTF-8.
 *   *out       the text itself where there is no step, else in the scratch and valid until its next use
 *   *cut_left  whether the first character was taken away, or replaced together with the next: the `tokenizers` package
 *              then no longer counts the text as beginning where it began (prepend_scheme "first" of Metaspace)
 * Errors: ERR_UNSUPPORTED where Replace steps make the text more than 64 times as long (and 64 KiB); ERR_MEMORY, and
 *         what cna_matcher_next gives.
 * Source: the crate tokenizers 0.23, src/normalizers. */
CNA_MUST_CHECK cna_status cna_normalizer_apply(const cna_normalizer *normalizer, cna_normalizer_scratch *scratch,
                                               const char *text, size_t n_bytes, const char **out, size_t *out_n_bytes,
                                               bool *cut_left, cna_error *err);

#endif
