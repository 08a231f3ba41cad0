/* SPDX-License-Identifier: MIT
 * The normalizer of a tokenizer. */
#include "text/normalizer.h"

#include "base/utf8.h"

/* What Replace steps may make of a text: real ones write a few bytes for each. */
enum { GROWTH = 64, GROWTH_BYTES = 1 << 16 };

cna_status cna_normalizer_add(cna_normalizer *normalizer, cna_normalizer_kind kind, cna_normalizer_step **out,
                              cna_error *err)
{
    CNA_TRY(cna_grow(&normalizer->steps, &normalizer->capacity, normalizer->n + 1, sizeof *normalizer->steps,
                     "normalizers", err));
    *out = &normalizer->steps[normalizer->n++];
    **out = (cna_normalizer_step){.kind = kind};
    return CNA_OK;
}

void cna_normalizer_free(cna_normalizer *normalizer)
{
    for (size_t i = 0; i < normalizer->n; i++) {
        cna_free(normalizer->steps[i].content);
        cna_pattern_free(normalizer->steps[i].pattern);
    }
    cna_free(normalizer->steps);
    *normalizer = (cna_normalizer){0};
}

void cna_normalizer_scratch_free(cna_normalizer_scratch *scratch)
{
    for (size_t i = 0; i < 2; i++) cna_buffer_free(&scratch->buffers[i]);
    for (size_t i = 0; i < scratch->n_matchers; i++) cna_matcher_free(scratch->matchers[i]);
    cna_free(scratch->matchers);
    *scratch = (cna_normalizer_scratch){0};
}

/* The matcher of step i, made when it is first asked for. */
static cna_status get_matcher(cna_normalizer_scratch *scratch, const cna_normalizer *normalizer, size_t i,
                              cna_matcher **out, cna_error *err)
{
    CNA_TRY(cna_grow(&scratch->matchers, &scratch->capacity, normalizer->n, sizeof(cna_matcher *), "matchers", err));
    scratch->n_matchers = normalizer->n;
    if (scratch->matchers[i] == NULL)
        CNA_TRY(cna_matcher_create(normalizer->steps[i].pattern, &scratch->matchers[i], err));
    *out = scratch->matchers[i];
    return CNA_OK;
}

/* Steps that each write more than they read multiply, and a few of them fill any memory. */
static cna_status add_bounded(cna_buffer *out, const char *bytes, size_t n_bytes, cna_error *err)
{
    if (n_bytes <= out->max - out->size) return cna_buffer_add(out, bytes, n_bytes, err);
    return cna_fail(err, CNA_ERR_UNSUPPORTED, "text: expected a normal form of at most %zu bytes, found more; this "
                    "tokenizer's normalizer cannot be used", out->max);
}

/* Adds at most out->max bytes. */
static cna_status replace(const cna_normalizer_step *step, cna_matcher *matcher, const char *text, size_t n_bytes,
                          cna_buffer *out, size_t *n_first, cna_error *err)
{
    size_t old_first = *n_first;
    *n_first = 0;
    for (size_t from = 0; from < n_bytes;) {
        size_t start, end;
        CNA_TRY(cna_matcher_next(matcher, text, n_bytes, from, &start, &end, err));
        /* What a match becomes counts as having stood where the last of its characters stood. */
        if (from < old_first) *n_first += (start < old_first ? start : old_first) - from;
        if (start < end && end <= old_first) *n_first += step->n_content;
        CNA_TRY(add_bounded(out, text + from, start - from, err));
        if (end > start) CNA_TRY(add_bounded(out, step->content, step->n_content, err));
        from = end;
    }
    return CNA_OK;
}

/* Where the white space at the beginning ends, and where that at the end begins. */
static cna_status strip(const cna_normalizer_step *step, const char *text, size_t n_bytes, cna_buffer *out,
                        size_t *n_first, cna_error *err)
{
    size_t begin = 0;
    size_t end = 0; /* of the last character that stays */
    bool in_front = true;
    for (size_t i = 0; i < n_bytes;) {
        uint32_t character;
        size_t next = i + (size_t)cna_utf8_next(text + i, n_bytes - i, &character);
        bool space = cna_is_white_space(character);
        if (in_front && space && step->left) begin = next;
        in_front = in_front && space;
        if (!space || !step->right) end = next;
        i = next;
    }
    *n_first -= begin < *n_first ? begin : *n_first;
    return begin < end ? cna_buffer_add(out, text + begin, end - begin, err) : CNA_OK;
}

/* Length of the first character; 0 of an empty text. */
static size_t first_length(const char *text, size_t n_bytes)
{
    uint32_t character;
    return n_bytes == 0 ? 0 : (size_t)cna_utf8_next(text, n_bytes, &character);
}

/* A step that looks at characters only. */
static cna_status change_characters(const cna_normalizer_step *step, const char *text, size_t n_bytes, cna_buffer *out,
                                    cna_error *err)
{
    if (step->kind == CNA_NORMALIZER_LOWERCASE) return cna_lowercase(text, n_bytes, out, err);
    if (step->kind == CNA_NORMALIZER_STRIP_ACCENTS) return cna_strip_accents(text, n_bytes, out, err);
    return cna_normalize(step->form, text, n_bytes, out, err);
}

/* The same for a text of which the first *n_first bytes count: what they alone become, and the whole character that
 * they may have become a part of. */
static cna_status change_all(const cna_normalizer_step *step, const char *text, size_t n_bytes, cna_buffer *out,
                             size_t *n_first, cna_error *err)
{
    CNA_TRY(change_characters(step, text, *n_first, out, err));
    size_t n_alone = out->size;
    cna_buffer_reset(out);
    CNA_TRY(change_characters(step, text, n_bytes, out, err));
    /* Whole characters: marks of the second may have moved in between. */
    size_t n = n_alone == 0 ? 0 : first_length(out->data, out->size);
    while (n != 0 && n < out->size) {
        size_t next = n + first_length(out->data + n, out->size - n);
        if (next > n_alone) break;
        n = next;
    }
    *n_first = n;
    return CNA_OK;
}

/* *n_first: how many bytes at the beginning stand for the text's first character. */
static cna_status apply_step(const cna_normalizer *normalizer, size_t i, cna_normalizer_scratch *scratch,
                             const char *text, size_t n_bytes, cna_buffer *out, size_t *n_first, cna_error *err)
{
    const cna_normalizer_step *step = &normalizer->steps[i];
    cna_matcher *matcher;
    switch (step->kind) {
    case CNA_NORMALIZER_PREPEND:
        if (n_bytes != 0) CNA_TRY(cna_buffer_add(out, step->content, step->n_content, err));
        if (*n_first != 0) *n_first += step->n_content;
        return cna_buffer_add(out, text, n_bytes, err);
    case CNA_NORMALIZER_REPLACE:
        CNA_TRY(get_matcher(scratch, normalizer, i, &matcher, err));
        return replace(step, matcher, text, n_bytes, out, n_first, err);
    case CNA_NORMALIZER_STRIP:
        return strip(step, text, n_bytes, out, n_first, err);
    default:
        return change_all(step, text, n_bytes, out, n_first, err);
    }
}

cna_status cna_normalizer_apply(const cna_normalizer *normalizer, cna_normalizer_scratch *scratch, const char *text,
                                size_t n_bytes, const char **out, size_t *out_n_bytes, bool *cut_left, cna_error *err)
{
    size_t n_first = first_length(text, n_bytes);
    const size_t most = GROWTH_BYTES + (n_bytes < SIZE_MAX / GROWTH / 2 ? n_bytes : SIZE_MAX / GROWTH / 2) * GROWTH;
    for (size_t i = 0; i < normalizer->n; i++) {
        cna_buffer *to = &scratch->buffers[i % 2];
        cna_buffer_reset(to);
        to->max = normalizer->steps[i].kind == CNA_NORMALIZER_REPLACE ? most : 0;
        /* So that even an empty result has an address. */
        CNA_TRY(cna_buffer_add(to, "", 0, err));
        CNA_TRY(apply_step(normalizer, i, scratch, text, n_bytes, to, &n_first, err));
        text = to->data;
        n_bytes = to->size;
    }
    *out = text;
    *out_n_bytes = n_bytes;
    *cut_left = n_first == 0;
    return CNA_OK;
}
