/* SPDX-License-Identifier: MIT
 * The pre-tokenizer. Steps run inside each other, one word at a time, so that no list of words is ever held. */
#include "text/pretokenizer.h"

#include <string.h>

void cna_pretokenizer_free(cna_pretokenizer *pretokenizer)
{
    for (size_t i = 0; i < pretokenizer->n; i++) {
        cna_free(pretokenizer->steps[i].space);
        cna_pattern_free(pretokenizer->steps[i].pattern);
    }
    *pretokenizer = (cna_pretokenizer){0};
}

void cna_pretokenizer_scratch_free(cna_pretokenizer_scratch *scratch)
{
    for (size_t i = 0; i < CNA_PRETOKENIZER_STEPS_MAX; i++) {
        cna_matcher_free(scratch->matchers[i]);
        cna_buffer_free(&scratch->texts[i]);
    }
    *scratch = (cna_pretokenizer_scratch){0};
}

/* One call of cna_pretokenizer_split. */
typedef struct splitting {
    const cna_pretokenizer *pretokenizer;
    cna_pretokenizer_scratch *scratch;
    cna_word_fn *on_word;
    void *context;
    cna_error *err;
} splitting;

/* A text being split by step i, and the part of it that the next one may still be merged with. */
typedef struct parts {
    splitting *s;
    size_t i;
    const char *text;
    bool first;
    bool held; /* there is a part: */
    size_t begin, end;
    bool is_match;
} parts;

static cna_status run_step(splitting *s, size_t i, const char *text, size_t n_bytes, bool first);

static cna_status let_go(parts *p)
{
    if (!p->held) return CNA_OK;
    p->held = false;
    return run_step(p->s, p->i + 1, p->text + p->begin, p->end - p->begin, p->first && p->begin == 0);
}

/* Whether a part is one with the part held before it. */
static bool joins(cna_split_behavior behavior, const parts *p, bool is_match)
{
    switch (behavior) {
    case CNA_SPLIT_MERGED_WITH_PREVIOUS:
        return is_match && !p->is_match;
    case CNA_SPLIT_MERGED_WITH_NEXT:
        return p->is_match && !is_match;
    case CNA_SPLIT_CONTIGUOUS:
        return p->is_match == is_match;
    default:
        return false;
    }
}

/* The next part of the text: a match or what lies before one. */
static cna_status take(parts *p, size_t begin, size_t end, bool is_match)
{
    const cna_pretokenizer_step *step = &p->s->pretokenizer->steps[p->i];
    if (begin == end) return CNA_OK;
    is_match = is_match != step->invert;
    if (step->behavior == CNA_SPLIT_REMOVED && is_match) return let_go(p);
    if (p->held && joins(step->behavior, p, is_match)) {
        p->end = end;
        p->is_match = is_match;
        return CNA_OK;
    }
    CNA_TRY(let_go(p));
    p->held = true;
    p->begin = begin;
    p->end = end;
    p->is_match = is_match;
    return CNA_OK;
}

static cna_status split(splitting *s, size_t i, const char *text, size_t n_bytes, bool first)
{
    cna_matcher **matcher = &s->scratch->matchers[i];
    if (*matcher == NULL) CNA_TRY(cna_matcher_create(s->pretokenizer->steps[i].pattern, matcher, s->err));
    parts p = {.s = s, .i = i, .text = text, .first = first};
    for (size_t from = 0; from < n_bytes;) {
        size_t start, end;
        CNA_TRY(cna_matcher_next(*matcher, text, n_bytes, from, &start, &end, s->err));
        CNA_TRY(take(&p, from, start, false));
        CNA_TRY(take(&p, start, end, true));
        from = end;
    }
    return let_go(&p);
}

/* The text with its spaces replaced and the prefix in front, in *out. */
static cna_status rewrite(const cna_pretokenizer_step *step, const char *text, size_t n_bytes, bool first,
                          cna_buffer *out, cna_error *err)
{
    const char *space = step->space == NULL ? " " : step->space;
    size_t n_space = step->space == NULL ? 1 : step->n_space;
    bool has_it = (n_bytes >= n_space && memcmp(text, space, n_space) == 0) || text[0] == ' ';
    cna_buffer_reset(out);
    if (!has_it && (step->prefix == CNA_PREFIX_ALWAYS || (step->prefix == CNA_PREFIX_FIRST && first)))
        CNA_TRY(cna_buffer_add(out, space, n_space, err));
    for (size_t i = 0; i < n_bytes;) {
        const char *at = step->space == NULL ? NULL : memchr(text + i, ' ', n_bytes - i);
        size_t end = at == NULL ? n_bytes : (size_t)(at - text);
        CNA_TRY(cna_buffer_add(out, text + i, end - i, err));
        if (at != NULL) CNA_TRY(cna_buffer_add(out, space, n_space, err));
        i = end + (at != NULL);
    }
    return CNA_OK;
}

static cna_status run_step(splitting *s, size_t i, const char *text, size_t n_bytes, bool first)
{
    if (n_bytes == 0) return CNA_OK;
    if (i == s->pretokenizer->n) return s->on_word(s->context, text, n_bytes, s->err);
    const cna_pretokenizer_step *step = &s->pretokenizer->steps[i];
    if (step->space != NULL || step->prefix != CNA_PREFIX_NEVER) {
        cna_buffer *to = &s->scratch->texts[i];
        CNA_TRY(rewrite(step, text, n_bytes, first, to, s->err));
        text = to->data;
        n_bytes = to->size;
    }
    if (step->pattern == NULL) return run_step(s, i + 1, text, n_bytes, first);
    return split(s, i, text, n_bytes, first);
}

cna_status cna_pretokenizer_split(const cna_pretokenizer *pretokenizer, cna_pretokenizer_scratch *scratch,
                                  const char *text, size_t n_bytes, bool first, cna_word_fn *on_word, void *context,
                                  cna_error *err)
{
    splitting s = {pretokenizer, scratch, on_word, context, err};
    return run_step(&s, 0, text, n_bytes, first);
}
