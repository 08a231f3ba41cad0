/* SPDX-License-Identifier: MIT
 * Repetition and outcome. */
#include "study/quality.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

enum { GRAM = 4 };

typedef struct word {
    const char *text;
    size_t n_bytes;
    size_t position; /* among all words */
} word;

typedef struct gram {
    size_t id[GRAM]; /* equal words have equal ids */
} gram;

/* The next word from *at on, which moves behind it; false where there is none. */
static bool next_word(const char *text, size_t n_bytes, size_t *at, word *out)
{
    size_t start = 0;
    bool inside = false;
    while (*at < n_bytes) {
        uint32_t c = 0;
        int n = cna_utf8_next(text + *at, n_bytes - *at, &c);
        bool space = n > 0 && cna_utf8_is_space(c);
        if (inside && space) break;
        if (!inside && !space) {
            inside = true;
            start = *at;
        }
        *at += (size_t)abs(n);
    }
    if (inside) *out = (word){text + start, *at - start, 0};
    return inside;
}

static cna_status split(const char *text, size_t n_bytes, word **out, size_t *out_n, cna_error *err)
{
    word *words = NULL;
    size_t capacity = 0;
    size_t n = 0;
    word found;
    for (size_t at = 0; next_word(text, n_bytes, &at, &found);) {
        cna_status status = cna_grow(&words, &capacity, n + 1, sizeof *words, "words", err);
        if (status != CNA_OK) {
            cna_free(words);
            return status;
        }
        found.position = n;
        words[n++] = found;
    }
    *out = words;
    *out_n = n;
    return CNA_OK;
}

static int compare_words(const void *a, const void *b)
{
    const word *x = a;
    const word *y = b;
    if (x->n_bytes != y->n_bytes) return x->n_bytes < y->n_bytes ? -1 : 1;
    return memcmp(x->text, y->text, x->n_bytes);
}

static int compare_grams(const void *a, const void *b)
{
    const gram *x = a;
    const gram *y = b;
    for (int i = 0; i < GRAM; i++) {
        if (x->id[i] != y->id[i]) return x->id[i] < y->id[i] ? -1 : 1;
    }
    return 0;
}

/* Sorting gives equal words one id, and then finds equal 4-grams: exact, with no hash to collide.
 *   words  [n], n >= GRAM; reordered
 *   ids    [n] scratch
 *   grams  [n - GRAM + 1] scratch */
static double distinct_share(word *words, size_t n, size_t *ids, gram *grams)
{
    qsort(words, n, sizeof *words, compare_words);
    size_t id = 0;
    for (size_t i = 0; i < n; i++) {
        if (i != 0 && compare_words(&words[i - 1], &words[i]) != 0) id++;
        ids[words[i].position] = id;
    }
    size_t n_grams = n - GRAM + 1;
    for (size_t i = 0; i < n_grams; i++) memcpy(grams[i].id, ids + i, sizeof grams[i].id);
    qsort(grams, n_grams, sizeof *grams, compare_grams);
    size_t n_distinct = 1;
    for (size_t i = 1; i < n_grams; i++) n_distinct += compare_grams(&grams[i - 1], &grams[i]) != 0;
    return (double)n_distinct / (double)n_grams;
}

cna_status cna_quality_measure(const char *text, size_t n_bytes, cna_quality *out, cna_error *err)
{
    cna_status status = CNA_OK;
    word *words = NULL;
    size_t *ids = NULL;
    gram *grams = NULL;
    size_t n = 0;
    double ratio = 1;
    CNA_TRY_CLEANUP(split(text, n_bytes, &words, &n, err));
    if (n >= GRAM) {
        CNA_TRY_CLEANUP(cna_alloc(&ids, n, sizeof *ids, "words", err));
        CNA_TRY_CLEANUP(cna_alloc(&grams, n - GRAM + 1, sizeof *grams, "word 4-grams", err));
        ratio = distinct_share(words, n, ids, grams);
    }
    *out = (cna_quality){n, ratio};
cleanup:
    cna_free(words);
    cna_free(ids);
    cna_free(grams);
    return status;
}

cna_outcome cna_quality_outcome(const cna_quality *quality, double mean_logprob, bool refused,
                                const cna_quality_limits *limits)
{
    if (quality->n_words == 0 || quality->ratio < limits->min_quality || mean_logprob < limits->min_logprob) {
        return CNA_OUTCOME_INCOHERENT;
    }
    return refused ? CNA_OUTCOME_REFUSED : CNA_OUTCOME_COMPLIED;
}
