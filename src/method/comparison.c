/* SPDX-License-Identifier: MIT
 * Two circuits beside each other: the overlap that chance would give, and what their files state differently. */
#include <math.h>
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

static bool holds(const cna_sha256_text *hashes, size_t n, const cna_sha256_text *one)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(hashes[i].hex, one->hex) == 0) return true;
    }
    return false;
}

/* Whether two lists that are both stated hold other prompts; their order does not count. */
static bool prompts_differ(const cna_sha256_text *a, size_t n_a, const cna_sha256_text *b, size_t n_b)
{
    if (n_a == 0 || n_b == 0) return false;
    for (size_t i = 0; i < n_a; i++) {
        if (!holds(b, n_b, &a[i])) return true;
    }
    for (size_t i = 0; i < n_b; i++) {
        if (!holds(a, n_a, &b[i])) return true;
    }
    return false;
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

void cna_circuit_compare(const cna_circuit *a, const cna_circuit *b, cna_circuit_difference *out)
{
    const cna_circuit_info *x = &a->info, *y = &b->info;
    bool both = x->n_layers != 0 && y->n_layers != 0; /* a file that states no model states no method either */
    *out = (cna_circuit_difference){
        .weights = texts_differ(x->fingerprint, y->fingerprint),
        .prompts = prompts_differ(a->positive, x->n_positive, b->positive, y->n_positive) ||
                   prompts_differ(a->negative, x->n_negative, b->negative, y->n_negative),
        .prompt_format = texts_differ(x->prompt_format, y->prompt_format) ||
                         (x->prompt_format[0] != '\0' && y->prompt_format[0] != '\0' &&
                          strcmp(x->chat_options, y->chat_options) != 0),
        .date = texts_differ(x->date, y->date),
        .preset = both && x->preset != y->preset,
        .score = both && x->score != y->score,
        .per_layer = both && x->per_layer != y->per_layer,
        .layers = both && (x->first_layer != y->first_layer || x->last_layer != y->last_layer),
        .universal = universal_differs(x, y),
        .n_neurons = a->n_neurons != b->n_neurons,
    };
}
