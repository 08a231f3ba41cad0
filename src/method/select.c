/* SPDX-License-Identifier: MIT
 * Choosing a circuit's neurons. */
#include "method/select.h"

#include <math.h>
#include <stdlib.h>

size_t cna_select_count(double fraction, size_t n)
{
    /* 1e-9: a fraction such as 0.001 is a little under its decimal, and 0.001 * 131000 must still be 131. */
    double k = floor(fraction * (double)n + 1e-9);
    return k < 1 ? 1 : (size_t)k;
}

size_t cna_select_quota(size_t k, uint32_t n_layers)
{
    return k / n_layers < 1 ? 1 : k / n_layers;
}

/* A candidate's place in the ranking; index leads back to its neuron. */
typedef struct ranked {
    double score;
    cna_neuron_id id;
    size_t index;
} ranked;

static int compare_ranked(const void *a, const void *b)
{
    const ranked *x = a;
    const ranked *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return cna_neuron_id_compare(&x->id, &y->id);
}

static bool is_universal(const cna_neuron_id *id, const cna_neuron_id *universal, size_t n_universal)
{
    return n_universal != 0 &&
           bsearch(id, universal, n_universal, sizeof *universal, cna_neuron_id_compare) != NULL;
}

/* All candidates, best first. */
static cna_status rank(const cna_neuron *neurons, size_t n, const cna_neuron_id *universal,
                       size_t n_universal, cna_score score, ranked **out, size_t *out_n, cna_error *err)
{
    CNA_TRY(cna_alloc(out, n, sizeof **out, "ranking", err));
    size_t n_candidates = 0;
    for (size_t i = 0; i < n; i++) {
        cna_neuron_id id = {neurons[i].layer, neurons[i].neuron};
        if (is_universal(&id, universal, n_universal)) continue;
        (*out)[n_candidates++] = (ranked){cna_neuron_score(&neurons[i], score), id, i};
    }
    if (n_candidates != 0) qsort(*out, n_candidates, sizeof **out, compare_ranked);
    *out_n = n_candidates;
    return CNA_OK;
}

static size_t take_best(const ranked *candidates, size_t k, const cna_neuron *neurons, cna_neuron *out)
{
    for (size_t i = 0; i < k; i++) out[i] = neurons[candidates[i].index];
    return k;
}

/* The best `quota` of each layer, still ordered by score over all. taken is [greatest layer + 1], zeroed. */
static size_t take_quota(const ranked *candidates, size_t n_candidates, size_t quota,
                         const cna_neuron *neurons, size_t *taken, cna_neuron *out)
{
    size_t n_out = 0;
    for (size_t i = 0; i < n_candidates; i++) {
        if (taken[candidates[i].id.layer] == quota) continue;
        taken[candidates[i].id.layer]++;
        out[n_out++] = neurons[candidates[i].index];
    }
    return n_out;
}

static cna_status fail_too_many(size_t asked, size_t left, const char *where, cna_error *err)
{
    return cna_fail(
        err, CNA_ERR_ARG,
        "expected at most %zu neurons%s, as many as are not universal, found %zu asked for; choose fewer "
        "or all (fraction 1)",
        left, where, asked);
}

static cna_status select_quota(const ranked *candidates, size_t n_candidates, size_t k, uint32_t n_layers,
                               const cna_neuron *neurons, cna_neuron *out, size_t *out_n, cna_error *err)
{
    size_t quota = cna_select_quota(k, n_layers);
    uint32_t last_layer = 0;
    for (size_t i = 0; i < n_candidates; i++) {
        if (candidates[i].id.layer > last_layer) last_layer = candidates[i].id.layer;
    }
    size_t *taken;
    CNA_TRY(cna_alloc(&taken, (size_t)last_layer + 1, sizeof *taken, "layer quotas", err));
    *out_n = take_quota(candidates, n_candidates, quota, neurons, taken, out);
    cna_free(taken);
    if (*out_n == quota * n_layers) return CNA_OK;
    return fail_too_many(quota * n_layers, *out_n, " under the same quota for each layer", err);
}

cna_status cna_select(const cna_neuron *neurons, size_t n, uint32_t n_layers, const cna_neuron_id *universal,
                      size_t n_universal, const cna_selection *selection, cna_neuron **out, size_t *out_n,
                      cna_error *err)
{
    if (selection->k == 0 && !(selection->fraction > 0 && selection->fraction <= 1)) {
        return cna_fail(err, CNA_ERR_ARG, "fraction: expected above 0 and up to 1, found %g",
                        selection->fraction);
    }
    cna_status status = CNA_OK;
    ranked *candidates = NULL;
    cna_neuron *chosen = NULL;
    size_t n_candidates;
    size_t n_chosen = 0;
    CNA_TRY_CLEANUP(
        rank(neurons, n, universal, n_universal, selection->score, &candidates, &n_candidates, err));
    CNA_TRY_CLEANUP(cna_alloc(&chosen, n_candidates, sizeof *chosen, "circuit", err));
    bool every = selection->k == 0 && selection->fraction == 1;
    size_t k = selection->k != 0 ? selection->k : cna_select_count(selection->fraction, n);
    if (every) {
        n_chosen = take_best(candidates, n_candidates, neurons, chosen);
    } else if (k > n_candidates) {
        status = fail_too_many(k, n_candidates, "", err);
    } else if (selection->per_layer) {
        status = select_quota(candidates, n_candidates, k, n_layers, neurons, chosen, &n_chosen, err);
    } else {
        n_chosen = take_best(candidates, k, neurons, chosen);
    }
    if (status != CNA_OK) goto cleanup;
    *out = chosen;
    *out_n = n_chosen;
    chosen = NULL;
cleanup:
    cna_free(chosen);
    cna_free(candidates);
    return status;
}
