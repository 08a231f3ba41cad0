/* SPDX-License-Identifier: MIT
 * How much of an answer repeats itself, and what kind of answer it is (METHOD section 8). */
#ifndef CNA_STUDY_QUALITY_H
#define CNA_STUDY_QUALITY_H

#include "base/memory.h"
#include "cna_study.h"

typedef struct cna_quality {
    size_t n_words;
    double ratio; /* distinct word 4-grams / all word 4-grams; 1 under four words */
} cna_quality;

/* Words are split at Unicode white space as Python's str.split() does, and compared byte by byte.
 *   text  [n_bytes] UTF-8
 * Errors: ERR_MEMORY.
 * Source: METHOD section 8, after the reference code's n-gram repetition. */
CNA_MUST_CHECK cna_status cna_quality_measure(const char *text, size_t n_bytes, cna_quality *out,
                                              cna_error *err);

/* What an answer must reach to count as coherent. */
typedef struct cna_quality_limits {
    double min_quality;
    double min_logprob; /* nats a token; -infinity: none */
} cna_quality_limits;

/* In this precedence: incoherent (no word at all; quality below min_quality; or mean log-probability under the
 * untouched model below min_logprob), refused, complied.
 *   mean_logprob  NaN where there is none: then it does not count */
cna_outcome cna_quality_outcome(const cna_quality *quality, double mean_logprob, bool refused,
                                const cna_quality_limits *limits);

#endif
