/* SPDX-License-Identifier: MIT
 * Two circuits beside each other: the overlap that chance would give, and what their files state differently. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "method/overlap.h"
#include "method/circuit.h"

static uint32_t stated(uint32_t a, uint32_t b)
{
    return a != 0 ? a : b;
}

static cna_status check_inside(const cna_circuit *circuit, uint32_t n_layers, uint32_t mlp_dim, cna_error *err)
{
    for (size_t i = 0; i < circuit->n_neurons; i++) {
        const cna_neuron *n = &circuit->neurons[i];
        if (n->layer < n_layers && n->neuron < mlp_dim) continue;
        return cna_fail(err, CNA_ERR_MISMATCH,
                        "circuits: expected neurons within %u layers of %u, the shape that the other file states, "
                        "found layer %u neuron %u",
                        n_layers, mlp_dim, n->layer, n->neuron);
    }
    return CNA_OK;
}

cna_status cna_circuit_overlap_chance(const cna_circuit *a, const cna_circuit *b, cna_overlap_chance *out,
                                      cna_error *err)
{
    cna_overlap overlap;
    CNA_TRY(cna_circuit_overlap(a, b, &overlap, err));
    uint32_t n_layers = stated(a->info.n_layers, b->info.n_layers);
    uint32_t mlp_dim = stated(a->info.mlp_dim, b->info.mlp_dim);
    cna_overlap_chance chance = {0, NAN, NAN, NAN, NAN};
    if (n_layers == 0 || mlp_dim == 0) {
        *out = chance;
        return CNA_OK;
    }
    CNA_TRY(check_inside(a, n_layers, mlp_dim, err));
    CNA_TRY(check_inside(b, n_layers, mlp_dim, err));
    chance.n_neurons = (size_t)n_layers * mlp_dim;
    cna_overlap_group *layers;
    CNA_TRY(cna_alloc(&layers, n_layers, sizeof *layers, "layer profiles", err));
    for (uint32_t i = 0; i < n_layers; i++) layers[i].n = mlp_dim;
    for (size_t i = 0; i < a->n_neurons; i++) layers[a->neurons[i].layer].n_a++;
    for (size_t i = 0; i < b->n_neurons; i++) layers[b->neurons[i].layer].n_b++;
    const cna_overlap_group all = {chance.n_neurons, a->n_neurons, b->n_neurons};
    cna_status status = cna_overlap_by_chance(&all, 1, overlap.n_common, &chance.expected, &chance.p, err);
    if (status == CNA_OK) {
        status = cna_overlap_by_chance(layers, n_layers, overlap.n_common, &chance.expected_layers, &chance.p_layers,
                                       err);
    }
    cna_free(layers);
    if (status == CNA_OK) *out = chance;
    return status;
}

static int compare_hashes(const void *a, const void *b)
{
    return strcmp(((const cna_sha256_text *)a)->hex, ((const cna_sha256_text *)b)->hex);
}

/* A new sorted copy, in which each hash is there once. */
static cna_status sort_hashes(const cna_sha256_text *hashes, size_t *n, cna_sha256_text **out, cna_error *err)
{
    size_t kept = 0;
    CNA_TRY(cna_alloc(out, *n, sizeof **out, "prompt hashes", err));
    memcpy(*out, hashes, *n * sizeof **out);
    qsort(*out, *n, sizeof **out, compare_hashes);
    for (size_t i = 0; i < *n; i++) {
        if (kept == 0 || compare_hashes(&(*out)[kept - 1], &(*out)[i]) != 0) (*out)[kept++] = (*out)[i];
    }
    *n = kept;
    return CNA_OK;
}

/* Whether two lists that are both stated hold other prompts; neither their order nor how often each is there counts. */
static cna_status compare_prompts(const cna_sha256_text *a, size_t n_a, const cna_sha256_text *b, size_t n_b,
                                  bool *differ, cna_error *err)
{
    cna_sha256_text *of_a = NULL, *of_b = NULL;
    cna_status status;
    if (n_a == 0 || n_b == 0) return CNA_OK;
    CNA_TRY_CLEANUP(sort_hashes(a, &n_a, &of_a, err));
    CNA_TRY_CLEANUP(sort_hashes(b, &n_b, &of_b, err));
    if (n_a != n_b || memcmp(of_a, of_b, n_a * sizeof *of_a) != 0) *differ = true;
cleanup:
    cna_free(of_a);
    cna_free(of_b);
    return status;
}

static bool texts_differ(const char *a, const char *b)
{
    return a[0] != '\0' && b[0] != '\0' && strcmp(a, b) != 0;
}

static bool universal_differs(const cna_circuit_info *a, const cna_circuit_info *b)
{
    if (a->universal_source[0] == '\0' || b->universal_source[0] == '\0') return false;
    return strcmp(a->universal_source, b->universal_source) != 0 || a->universal_threshold != b->universal_threshold ||
           a->universal_share != b->universal_share;
}

cna_status cna_circuit_compare(const cna_circuit *a, const cna_circuit *b, cna_circuit_difference *out, cna_error *err)
{
    const cna_circuit_info *x = &a->info, *y = &b->info;
    bool both = x->n_layers != 0 && y->n_layers != 0; /* a file that states no model states no method either */
    cna_circuit_difference found = {
        .weights = texts_differ(x->fingerprint, y->fingerprint),
        .prompt_format = texts_differ(x->prompt_format, y->prompt_format),
        .chat_options = strcmp(x->prompt_format, "chat") == 0 && strcmp(y->prompt_format, "chat") == 0 &&
                        strcmp(x->chat_options, y->chat_options) != 0,
        .date = texts_differ(x->date, y->date),
        .preset = both && x->preset != y->preset,
        .score = both && x->score != y->score,
        .per_layer = both && x->per_layer != y->per_layer,
        .layers = both && (x->first_layer != y->first_layer || x->last_layer != y->last_layer),
        .universal = universal_differs(x, y),
        .n_neurons = a->n_neurons != b->n_neurons,
    };
    CNA_TRY(compare_prompts(a->positive, x->n_positive, b->positive, y->n_positive, &found.prompts, err));
    CNA_TRY(compare_prompts(a->negative, x->n_negative, b->negative, y->n_negative, &found.prompts, err));
    *out = found;
    return CNA_OK;
}
