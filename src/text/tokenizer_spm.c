/* SPDX-License-Identifier: MIT
 * A tokenizer from SentencePiece's BPE. Its rule, to merge the pair whose joined text is the token of the highest
 * score, is written out as a table of merges: every way to cut a token into two tokens is one, and its rank is the
 * place of the token's score among all scores. So one model serves both kinds of file. */
#include "text/tokenizer_spm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/tokenizer.h"

#define SPACE "\xE2\x96\x81" /* U+2581 */

enum { TOKEN_BYTES_MAX = CNA_TRIE_BYTES_MAX };

static cna_status fail_token(const cna_spm_vocab *spm, size_t id, const char *expected, cna_error *err)
{
    return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'tokenizer.ggml.tokens[%zu]': expected %s; the file is damaged",
                    spm->source, id, expected);
}

static int32_t type_of(const cna_spm_vocab *spm, size_t id)
{
    return spm->types == NULL ? CNA_SPM_NORMAL : spm->types[id];
}

static cna_status load_pieces(cna_tokenizer *tokenizer, const cna_spm_vocab *spm, cna_error *err)
{
    if (spm->n == 0) return cna_fail(err, CNA_ERR_FORMAT, "%s: expected tokens, found none", spm->source);
    for (size_t id = 0; id < spm->n; id++) {
        int32_t type = type_of(spm, id);
        if (!cna_utf8_check(spm->texts[id], spm->n_bytes[id], NULL)) return fail_token(spm, id, "UTF-8", err);
        if (memchr(spm->texts[id], '\0', spm->n_bytes[id]) != NULL)
            return fail_token(spm, id, "a text without NUL", err);
        if (spm->n_bytes[id] > TOKEN_BYTES_MAX) return fail_token(spm, id, "a text of at most 1024 bytes", err);
        if (isnan(spm->scores[id])) return fail_token(spm, id, "a score that is a number", err);
        if (type < 0 || type > CNA_SPM_BYTE) return fail_token(spm, id, "a type of 0 to 6", err);
        CNA_TRY(cna_vocab_add(&tokenizer->vocab, spm->texts[id], spm->n_bytes[id], (int64_t)id, spm->source, err));
    }
    return CNA_OK;
}

static cna_status load_added(cna_tokenizer *tokenizer, const cna_spm_vocab *spm, cna_error *err)
{
    for (size_t id = 0; id < spm->n; id++) {
        int32_t type = type_of(spm, id);
        bool special = type == CNA_SPM_CONTROL || type == CNA_SPM_UNKNOWN;
        if (!special && type != CNA_SPM_USER_DEFINED) continue;
        if (spm->n_bytes[id] == 0) return fail_token(spm, id, "a text that is not empty", err);
        CNA_TRY(
            cna_vocab_add(&tokenizer->added_pieces, spm->texts[id], spm->n_bytes[id], (int64_t)id, spm->source, err));
        if (special) CNA_TRY(cna_ids_add(&tokenizer->specials, (int32_t)id, err));
        CNA_TRY(cna_tokenizer_index_added(tokenizer, spm->texts[id], spm->n_bytes[id], (int32_t)id, 0, false,
                                          spm->source, err));
    }
    return cna_tokenizer_finish_added(tokenizer, err);
}

/* -------------------------------------------------------------------------------------------------- merges */

static int compare_descending(const void *a, const void *b)
{
    float x = *(const float *)a;
    float y = *(const float *)b;
    return (x < y) - (x > y);
}

/* The scores in descending order, each once. */
static cna_status sort_scores(const cna_spm_vocab *spm, float **out, size_t *out_n, cna_error *err)
{
    float *sorted;
    CNA_TRY(cna_alloc(&sorted, spm->n, sizeof *sorted, "scores", err));
    memcpy(sorted, spm->scores, spm->n * sizeof *sorted);
    qsort(sorted, spm->n, sizeof *sorted, compare_descending);
    size_t n = 0;
    for (size_t i = 0; i < spm->n; i++) {
        if (n == 0 || sorted[i] < sorted[n - 1]) sorted[n++] = sorted[i];
    }
    *out = sorted;
    *out_n = n;
    return CNA_OK;
}

static uint32_t rank_of(float score, const float *sorted, size_t n)
{
    const float *at = bsearch(&score, sorted, n, sizeof *sorted, compare_descending);
    return (uint32_t)(at - sorted);
}

/* All ways to cut a token into two are found by one walk along its beginnings and one along its ends: looking up each
 * part would take the square of its length. */
typedef struct cuts {
    cna_trie beginnings, ends;                             /* of all tokens; the second's are turned round */
    int32_t left[TOKEN_BYTES_MAX], right[TOKEN_BYTES_MAX]; /* [place of the cut] the token on that side, or -1 */
} cuts;

/* Turn each string round. *out: the bytes, to be freed. */
static cna_status turn_round(cna_trie_string *strings, size_t n, char **out, cna_error *err)
{
    size_t n_bytes = 0;
    for (size_t i = 0; i < n; i++) n_bytes += strings[i].length;
    CNA_TRY(cna_alloc(out, n_bytes, 1, "tokenizer", err));
    char *at = *out;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < strings[i].length; k++) at[k] = strings[i].text[strings[i].length - 1 - k];
        strings[i].text = at;
        at += strings[i].length;
    }
    return CNA_OK;
}

static cna_status prepare_cuts(const cna_spm_vocab *spm, cuts *out, cna_error *err)
{
    cna_trie_string *strings;
    char *turned = NULL;
    size_t n = 0;
    cna_status status;
    CNA_TRY(cna_alloc(&strings, spm->n, sizeof *strings, "tokenizer", err));
    for (size_t id = 0; id < spm->n; id++) {
        if (spm->n_bytes[id] == 0) continue;
        strings[n++] = (cna_trie_string){spm->texts[id], (uint32_t)spm->n_bytes[id], (int32_t)id};
    }
    CNA_TRY_CLEANUP(cna_trie_build(&out->beginnings, strings, n, err));
    CNA_TRY_CLEANUP(turn_round(strings, n, &turned, err));
    status = cna_trie_build(&out->ends, strings, n, err);
cleanup:
    cna_free(turned);
    cna_free(strings);
    return status;
}

/* Fill left and right for a token, at 1 .. n_bytes - 1. */
static void find_cuts(cuts *c, const char *text, size_t n_bytes)
{
    uint32_t begin = 0, end = 0;
    for (size_t cut = 1; cut < n_bytes; cut++) {
        begin = cna_trie_step(&c->beginnings, begin, (unsigned char)text[cut - 1]);
        end = cna_trie_step(&c->ends, end, (unsigned char)text[n_bytes - cut]);
        c->left[cut] = cna_trie_id(&c->beginnings, begin);
        c->right[n_bytes - cut] = cna_trie_id(&c->ends, end);
    }
}

/* Give every merge to the table, or where there is none yet only count them. */
static size_t each_merge(const cna_spm_vocab *spm, cuts *c, const float *sorted, size_t n_sorted, cna_bpe *bpe)
{
    size_t n = 0;
    for (size_t id = 0; id < spm->n; id++) {
        uint32_t rank = bpe == NULL ? 0 : rank_of(spm->scores[id], sorted, n_sorted);
        find_cuts(c, spm->texts[id], spm->n_bytes[id]);
        for (size_t cut = 1; cut < spm->n_bytes[id]; cut++) {
            if (c->left[cut] < 0 || c->right[cut] < 0) continue;
            n++;
            if (bpe != NULL) cna_bpe_add(bpe, c->left[cut], c->right[cut], (int32_t)id, rank);
        }
    }
    return n;
}

static cna_status load_merges(cna_tokenizer *tokenizer, const cna_spm_vocab *spm, cna_error *err)
{
    float *sorted = NULL;
    size_t n_sorted;
    cuts c = {0};
    cna_status status;
    CNA_TRY_CLEANUP(prepare_cuts(spm, &c, err));
    CNA_TRY_CLEANUP(sort_scores(spm, &sorted, &n_sorted, err));
    CNA_TRY_CLEANUP(cna_bpe_reserve(&tokenizer->bpe, each_merge(spm, &c, sorted, n_sorted, NULL), err));
    (void)each_merge(spm, &c, sorted, n_sorted, &tokenizer->bpe);
cleanup:
    cna_trie_free(&c.beginnings);
    cna_trie_free(&c.ends);
    cna_free(sorted);
    return status;
}

static cna_status find_bytes(cna_tokenizer *tokenizer, const cna_spm_vocab *spm, cna_error *err)
{
    int32_t *ids = tokenizer->bpe.byte_id;
    tokenizer->bpe.byte_fallback = true;
    cna_tokenizer_find_byte_tokens(&tokenizer->vocab, ids);
    for (unsigned byte = 0; byte < 256; byte++) {
        if (ids[byte] >= 0) continue;
        return cna_fail(err, CNA_ERR_FORMAT, "%s: expected a token '<0x%02X>', found none; the file is damaged",
                        spm->source, byte);
    }
    return CNA_OK;
}

/* ------------------------------------------------------------------------------------- what is around the model */

static cna_status copy(const char *text, char **out, size_t *out_n, cna_error *err)
{
    *out_n = strlen(text);
    return cna_copy_bytes(out, text, *out_n, "tokenizer", err);
}

static cna_status load_normalizer(cna_normalizer *normalizer, bool prefix, cna_error *err)
{
    cna_normalizer_step *step;
    if (prefix) {
        CNA_TRY(cna_normalizer_add(normalizer, CNA_NORMALIZER_PREPEND, &step, err));
        CNA_TRY(copy(" ", &step->content, &step->n_content, err));
    }
    CNA_TRY(cna_normalizer_add(normalizer, CNA_NORMALIZER_REPLACE, &step, err));
    CNA_TRY(copy(SPACE, &step->content, &step->n_content, err));
    return cna_pattern_create_literal(" ", 1, &step->pattern, err);
}

static cna_status load_decoding(cna_decoding *decoding, bool prefix, cna_error *err)
{
    cna_decoding_step *steps = decoding->steps;
    decoding->n = prefix ? 4 : 3;
    steps[0].kind = CNA_DECODING_REPLACE;
    steps[1].kind = CNA_DECODING_BYTE_FALLBACK;
    steps[2].kind = CNA_DECODING_FUSE;
    CNA_TRY(copy(SPACE, &steps[0].from, &steps[0].n_from, err));
    CNA_TRY(copy(" ", &steps[0].to, &steps[0].n_to, err));
    if (!prefix) return CNA_OK;
    steps[3] = (cna_decoding_step){.kind = CNA_DECODING_STRIP, .n = 1, .fused = true};
    return copy(" ", &steps[3].from, &steps[3].n_from, err);
}

static cna_status add_end(cna_ids *list, bool add, int32_t id, const char *key, const cna_spm_vocab *spm,
                          cna_error *err)
{
    if (!add) return CNA_OK;
    if (id >= 0 && (size_t)id < spm->n) return cna_ids_add(list, id, err);
    return cna_fail(err, CNA_ERR_FORMAT,
                    "%s: key 'tokenizer.ggml.%s': expected 0 to %zu, found %d; the file is damaged", spm->source, key,
                    spm->n - 1, id);
}

cna_status cna_tokenizer_load_spm(cna_tokenizer *tokenizer, const cna_spm_vocab *spm, cna_error *err)
{
    CNA_TRY(load_pieces(tokenizer, spm, err));
    CNA_TRY(load_merges(tokenizer, spm, err));
    CNA_TRY(find_bytes(tokenizer, spm, err));
    CNA_TRY(load_normalizer(&tokenizer->normalizer, !spm->no_space_prefix, err));
    CNA_TRY(load_decoding(&tokenizer->decoding, !spm->no_space_prefix, err));
    CNA_TRY(load_added(tokenizer, spm, err));
    CNA_TRY(add_end(&tokenizer->prefix, spm->add_bos, spm->bos, "bos_token_id", spm, err));
    return add_end(&tokenizer->suffix, spm->add_eos, spm->eos, "eos_token_id", spm, err);
}
