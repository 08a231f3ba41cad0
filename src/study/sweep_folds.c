/* SPDX-License-Identifier: MIT
 * Folds. */
#include "study/sweep_folds.h"

#include <stdlib.h>
#include <string.h>

#include "text/prompts.h"

typedef struct cna_fold_entry {
    cna_sha256_text hash;
    size_t fold;
} cna_fold_entry;

static int compare_entries(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(cna_sha256_text));
}

size_t cna_folds_find(const cna_folds *folds, const char *sha256)
{
    cna_fold_entry key = {0};
    memcpy(key.hash.hex, sha256, sizeof key.hash.hex);
    const cna_fold_entry *found =
        folds->n == 0 ? NULL : bsearch(&key, folds->entries, folds->n, sizeof key, compare_entries);
    return found == NULL ? 0 : found->fold;
}

void cna_folds_clear(cna_folds *folds)
{
    cna_free(folds->entries);
    *folds = (cna_folds){0};
}

/* Append the different prompts of a set that are not there yet, with their folds. `folds` stays sorted. */
static cna_status add_set(cna_folds *folds, const cna_prompts *prompts, const char *side, cna_error *err)
{
    size_t n = cna_prompts_count(prompts), n_different = 0;
    cna_fold_entry *set = folds->entries + folds->n;
    for (size_t i = 0; i < n; i++) {
        if (cna_prompts_text(prompts, i, NULL) == NULL) {
            return cna_fail(err, CNA_ERR_ARG, "%s prompts: expected texts for cross-fit, found token ids", side);
        }
        CNA_TRY(cna_prompts_sha256(prompts, i, set[i].hash.hex, err));
    }
    if (n != 0) qsort(set, n, sizeof *set, compare_entries);
    for (size_t i = 0; i < n; i++) {
        if (n_different != 0 && compare_entries(&set[n_different - 1], &set[i]) == 0) continue;
        set[n_different] = set[i];
        set[n_different].fold = n_different % folds->n_folds + 1;
        n_different++;
    }
    if (n_different < folds->n_folds) {
        return cna_fail(err, CNA_ERR_ARG,
                        "cross-fit: expected at most as many folds as different %s prompts, %zu, found "
                        "%zu", side, n_different, folds->n_folds);
    }
    size_t n_new = 0;
    for (size_t i = 0; i < n_different; i++) {
        if (cna_folds_find(folds, set[i].hash.hex) == 0) set[n_new++] = set[i];
    }
    folds->n += n_new;
    qsort(folds->entries, folds->n, sizeof *folds->entries, compare_entries);
    return CNA_OK;
}

cna_status cna_folds_make(const cna_prompts *positive, const cna_prompts *negative, size_t n_folds, cna_folds *out,
                          cna_error *err)
{
    if (positive == NULL || negative == NULL) {
        return cna_fail(err, CNA_ERR_ARG, "cross-fit: expected the positive and the negative prompts, found none");
    }
    if (n_folds < 2) return cna_fail(err, CNA_ERR_ARG, "cross-fit: expected 2 folds or more, found %zu", n_folds);
    *out = (cna_folds){.n_folds = n_folds};
    size_t n = cna_prompts_count(positive) + cna_prompts_count(negative);
    CNA_TRY(cna_alloc(&out->entries, n, sizeof *out->entries, "folds", err));
    cna_status status = add_set(out, positive, "positive", err);
    if (status == CNA_OK) status = add_set(out, negative, "negative", err);
    if (status != CNA_OK) cna_folds_clear(out);
    return status;
}

cna_status cna_folds_without(const cna_folds *folds, const cna_prompts *prompts, size_t fold, cna_prompts **out,
                             cna_error *err)
{
    cna_prompts *rest;
    CNA_TRY(cna_prompts_create(&rest, err));
    cna_status status = CNA_OK;
    for (size_t i = 0; i < cna_prompts_count(prompts) && status == CNA_OK; i++) {
        char hash[65];
        size_t n_bytes;
        const char *text = cna_prompts_text(prompts, i, &n_bytes);
        status = cna_prompts_sha256(prompts, i, hash, err);
        if (status != CNA_OK || cna_folds_find(folds, hash) == fold) continue;
        status = cna_prompts_add_text(rest, text, n_bytes, err);
    }
    if (status != CNA_OK) {
        cna_prompts_free(rest);
        return status;
    }
    *out = rest;
    return CNA_OK;
}

/* ---- how a circuit was found ---- */

static int compare_hashes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(cna_sha256_text));
}

/* Whether the circuit lists these prompts, in any order. */
static cna_status is_found_on(const cna_sha256_text *listed, size_t n_listed, const cna_prompts *prompts, bool *out,
                              cna_error *err)
{
    size_t n = cna_prompts_count(prompts);
    cna_sha256_text *hashes;
    *out = false;
    if (n != n_listed) return CNA_OK;
    CNA_TRY(cna_alloc(&hashes, 2 * n, sizeof *hashes, "prompt hashes", err));
    cna_status status = CNA_OK;
    for (size_t i = 0; i < n && status == CNA_OK; i++) status = cna_prompts_sha256(prompts, i, hashes[i].hex, err);
    memcpy(hashes + n, listed, n * sizeof *hashes);
    qsort(hashes, n, sizeof *hashes, compare_hashes);
    qsort(hashes + n, n, sizeof *hashes, compare_hashes);
    *out = status == CNA_OK && memcmp(hashes, hashes + n, n * sizeof *hashes) == 0;
    cna_free(hashes);
    return status;
}

static cna_status check_origin(const cna_circuit *circuit, const cna_model *model, const cna_prompts *positive,
                               const cna_prompts *negative, cna_error *err)
{
    const cna_circuit_info *info = &circuit->info;
    bool same_positive, same_negative;
    if (info->fingerprint[0] == '\0' || info->n_positive == 0 || info->n_negative == 0) {
        return cna_fail(err, CNA_ERR_ARG,
                        "cross-fit: expected a circuit file that says how it was found, found one that "
                        "does not; make it with attribute");
    }
    if (strcmp(info->fingerprint, cna_model_get_info(model)->fingerprint) != 0) {
        return cna_fail(err, CNA_ERR_MISMATCH,
                        "cross-fit: expected the model that the circuit was found on (%s), found "
                        "another", info->model_name);
    }
    CNA_TRY(is_found_on(circuit->positive, info->n_positive, positive, &same_positive, err));
    CNA_TRY(is_found_on(circuit->negative, info->n_negative, negative, &same_negative, err));
    if (same_positive && same_negative) return CNA_OK;
    return cna_fail(err, CNA_ERR_MISMATCH,
                    "cross-fit: expected the %s prompts that the circuit was found on, found others",
                    same_positive ? "negative" : "positive");
}

cna_status cna_folds_attribution(const cna_circuit *circuit, const cna_model *model, const cna_prompts *positive,
                                 const cna_prompts *negative, const cna_format *format, cna_attribute_options *out,
                                 cna_error *err)
{
    const cna_circuit_info *info = &circuit->info;
    CNA_TRY(check_origin(circuit, model, positive, negative, err));
    bool filtered = strcmp(info->universal_source, "builtin") == 0;
    if (!filtered && strcmp(info->universal_source, "none") != 0) {
        return cna_fail(err, CNA_ERR_MISMATCH,
                        "cross-fit: expected a circuit found with --universal builtin or none, found "
                        "'%s'", info->universal_source);
    }
    *out = (cna_attribute_options){
        .preset = info->preset,
        .fraction = info->fraction,
        .k = info->fraction == 0 ? circuit->n_neurons : 0,
        .per_layer = info->per_layer,
        .score = info->score,
        .choose_layers = true,
        .first_layer = info->first_layer,
        .last_layer = info->last_layer,
        .no_universal = !filtered && info->preset == CNA_PRESET_PAPER,
        .with_universal = filtered && info->preset == CNA_PRESET_NOUS,
        .universal_threshold = info->universal_threshold,
        .universal_share = info->universal_share,
        .format = *format,
    };
    out->format.mode = strcmp(info->prompt_format, "raw") == 0 ? CNA_FORMAT_RAW : CNA_FORMAT_CHAT;
    if (out->format.mode == CNA_FORMAT_RAW) out->format.system = NULL;
    out->format.date = info->date[0] == '\0' ? NULL : info->date;
    out->format.double_bos = false;
    return CNA_OK;
}
