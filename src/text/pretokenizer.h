/* SPDX-License-Identifier: MIT
 * The pre-tokenizer: steps that split normalised text into the words that the model sees one by one. */
#ifndef CNA_TEXT_PRETOKENIZER_H
#define CNA_TEXT_PRETOKENIZER_H

#include "base/buffer.h"
#include "text/pattern.h"

/* What becomes of the matches of a step's pattern (SplitDelimiterBehavior of the `tokenizers` package). */
typedef enum cna_split_behavior {
    CNA_SPLIT_ISOLATED,             /* each match is a word, and so is what lies between two */
    CNA_SPLIT_REMOVED,              /* only what lies between counts */
    CNA_SPLIT_MERGED_WITH_PREVIOUS, /* a match belongs to what is before it */
    CNA_SPLIT_MERGED_WITH_NEXT,
    CNA_SPLIT_CONTIGUOUS /* matches that touch are one word */
} cna_split_behavior;

typedef enum cna_prefix { CNA_PREFIX_NEVER, CNA_PREFIX_ALWAYS, CNA_PREFIX_FIRST } cna_prefix;

/* One step: first the spaces, then the prefix, then the split. All-zero does nothing. */
typedef struct cna_pretokenizer_step {
    char *space; /* ? [n_space] what every U+0020 becomes; owned */
    size_t n_space;
    cna_prefix prefix;    /* whether `space`, or U+0020 where that is NULL, goes in front of text that lacks it; FIRST:
                             in front of the beginning of the whole text only */
    cna_pattern *pattern; /* ? owned; NULL: no split */
    cna_split_behavior behavior;
    bool invert; /* matches and what lies between them change places */
} cna_pretokenizer_step;

enum { CNA_PRETOKENIZER_STEPS_MAX = 16 };

/* All-zero leaves a text as one word. */
typedef struct cna_pretokenizer {
    cna_pretokenizer_step steps[CNA_PRETOKENIZER_STEPS_MAX];
    size_t n;
} cna_pretokenizer;

void cna_pretokenizer_free(cna_pretokenizer *pretokenizer);

/* Working memory, kept between calls; all-zero to begin with. One caller's. */
typedef struct cna_pretokenizer_scratch {
    cna_matcher *matchers[CNA_PRETOKENIZER_STEPS_MAX]; /* ? made when first needed */
    cna_buffer texts[CNA_PRETOKENIZER_STEPS_MAX];
} cna_pretokenizer_scratch;

void cna_pretokenizer_scratch_free(cna_pretokenizer_scratch *scratch);

/* Takes one word, n_bytes > 0, valid during the call. */
typedef cna_status cna_word_fn(void *context, const char *word, size_t n_bytes, cna_error *err);

/* Split well-formed UTF-8 and give every word to on_word, in order.
 *   first  whether the text begins where the caller's whole text does
 * Errors: those of on_word, and of cna_matcher_next. Source: the crate tokenizers 0.23, NormalizedString::split. */
CNA_MUST_CHECK cna_status cna_pretokenizer_split(const cna_pretokenizer *pretokenizer,
                                                 cna_pretokenizer_scratch *scratch, const char *text, size_t n_bytes,
                                                 bool first, cna_word_fn *on_word, void *context, cna_error *err);

#endif
