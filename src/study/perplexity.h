/* SPDX-License-Identifier: MIT
 * Perplexity of a text (METHOD section 8). */
#ifndef CNA_STUDY_PERPLEXITY_H
#define CNA_STUDY_PERPLEXITY_H

#include "engine/engine.h"

enum { CNA_WINDOW_TOKENS = 256 };

/* A text in windows that do not overlap, each of CNA_WINDOW_TOKENS tokens, the last one of what is left; each begins
 * with the special tokens that raw text begins with. All-zero is none; freed by cna_windows_clear. */
typedef struct cna_windows {
    int32_t *ids;      /* all windows one behind the other */
    cna_job *jobs;     /* [n] for scoring: a window's first token, and behind it the others */
    size_t n;
    size_t n_scored;   /* tokens that are scored: all but the first of each window */
} cna_windows;

/* Cut a text up.
 *   text  [n_bytes] UTF-8
 * Errors: ERR_ARG for a text of fewer than two tokens, or an id past the model's embedding rows. */
CNA_MUST_CHECK cna_status cna_windows_make(const cna_model *model, const char *text, size_t n_bytes, cna_windows *out,
                                           cna_error *err);
void cna_windows_clear(cna_windows *windows);

/*   exp(- sum over the scored tokens of log p(token | its window up to it) / n_scored)
 *
 * natural logarithm; f64 sums, window by window. A window's first token counts as its prompt, the others as generated.
 *   tap  ? NULL: the untouched model
 * Errors: as cna_engine_score. */
CNA_MUST_CHECK cna_status cna_windows_perplexity(const cna_model *model, const cna_windows *windows, const cna_tap *tap,
                                                 const cna_run_options *options, double *out, cna_error *err);

#endif
