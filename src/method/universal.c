/* SPDX-License-Identifier: MIT
 * Universal neurons. */
#include "method/universal.h"

#include <math.h>
#include <stdlib.h>

#include "method/contrast.h"
#include "method/top.h"

struct cna_universal {
    size_t n_prompts;
    uint32_t n_layers, mlp_dim;
    size_t k;
    size_t n_held; /* entries in each heap: the same for all, as all see the same neurons */
    cna_top_entry *heaps; /* [n_prompts, k] by |h| */
};

cna_status cna_universal_create(size_t n_prompts, uint32_t n_layers, uint32_t mlp_dim, double threshold,
                                cna_universal **out, cna_error *err)
{
    if (n_prompts == 0 || n_layers == 0 || mlp_dim == 0 || !(threshold > 0 && threshold <= 1)) {
        return cna_fail(
            err, CNA_ERR_ARG,
            "universal neurons: expected a threshold above 0 and up to 1 and at least one prompt, found %g "
            "and %zu prompts",
            threshold, n_prompts);
    }
    cna_universal *universal;
    CNA_TRY(cna_alloc(&universal, 1, sizeof *universal, "universal neurons", err));
    double k = floor(threshold * (double)n_layers * (double)mlp_dim + 1e-9);
    *universal = (cna_universal){n_prompts, n_layers, mlp_dim, k < 1 ? 1 : (size_t)k, 0, NULL};
    cna_status status = CNA_OK;
    if (universal->k > SIZE_MAX / n_prompts) {
        status = cna_fail_memory(err, "universal neurons", SIZE_MAX);
    } else {
        status = cna_alloc(&universal->heaps, n_prompts * universal->k, sizeof *universal->heaps,
                           "universal neurons", err);
    }
    if (status != CNA_OK) {
        cna_universal_free(universal);
        return status;
    }
    *out = universal;
    return CNA_OK;
}

void cna_universal_free(cna_universal *universal)
{
    if (universal == NULL) return;
    cna_free(universal->heaps);
    cna_free(universal);
}

/* Offer one row of one layer to a heap of n_held entries; returns how many it then holds. */
static size_t add_row(cna_top_entry *heap, size_t n_held, size_t k, const float *h, uint32_t layer, uint32_t mlp_dim)
{
    for (uint32_t j = 0; j < mlp_dim; j++) {
        n_held = cna_top_offer(heap, n_held, k, (cna_top_entry){fabsf(h[j]), {layer, j}});
    }
    return n_held;
}

cna_status cna_universal_add_layer(cna_universal *universal, uint32_t layer, const float *h, cna_error *err)
{
    CNA_TRY(cna_contrast_check_finite(h, universal->n_prompts, universal->mlp_dim, layer, err));
    size_t n_held = universal->n_held;
    for (size_t i = 0; i < universal->n_prompts; i++) {
        n_held = add_row(universal->heaps + i * universal->k, universal->n_held, universal->k,
                         h + i * universal->mlp_dim, layer, universal->mlp_dim);
    }
    universal->n_held = n_held;
    return CNA_OK;
}

cna_status cna_universal_find(const cna_universal *universal, double share, cna_neuron_id **out,
                              size_t *out_n, cna_error *err)
{
    if (!(share > 0 && share <= 1)) {
        return cna_fail(err, CNA_ERR_ARG, "universal neurons: expected a share above 0 and up to 1, found %g",
                        share);
    }
    double least = ceil(share * (double)universal->n_prompts - 1e-9);
    size_t need = least < 1 ? 1 : (size_t)least;
    size_t n = universal->n_prompts * universal->n_held;
    cna_neuron_id *ids;
    CNA_TRY(cna_alloc(&ids, n, sizeof *ids, "universal neurons", err));
    for (size_t i = 0; i < n; i++) {
        ids[i] = universal->heaps[i / universal->n_held * universal->k + i % universal->n_held].id;
    }
    if (n != 0) qsort(ids, n, sizeof *ids, cna_neuron_id_compare);
    size_t n_found = 0;
    for (size_t first = 0; first < n;) {
        size_t end = first + 1;
        while (end < n && cna_neuron_id_compare(&ids[first], &ids[end]) == 0) end++;
        if (end - first >= need) ids[n_found++] = ids[first];
        first = end;
    }
    *out = ids;
    *out_n = n_found;
    return CNA_OK;
}
