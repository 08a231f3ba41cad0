/* SPDX-License-Identifier: MIT
 * Interventions in the engine's terms. */
#include "method/intervene.h"

#include <math.h>
#include <stdlib.h>

const char *const cna_positions_names[] = {"all", "prompt", "generated", "last", NULL};
const char *const cna_sign_names[] = {"both", "+", "-", NULL};

static bool passes(const cna_neuron *neuron, cna_sign sign)
{
    switch (sign) {
    case CNA_SIGN_BOTH:
        break;
    case CNA_SIGN_PLUS:
        return neuron->delta > 0;
    case CNA_SIGN_MINUS:
        return neuron->delta < 0;
    }
    return true;
}

cna_status cna_intervene_neurons(const cna_circuit *circuit, cna_sign sign, cna_neuron_id **out,
                                 size_t *out_n, cna_error *err)
{
    if (sign != CNA_SIGN_BOTH && !circuit->info.has_delta) {
        return cna_fail(err, CNA_ERR_ARG,
                        "circuit: expected every neuron's delta for a choice by sign, found a file without; "
                        "use both signs");
    }
    CNA_TRY(cna_alloc(out, circuit->n_neurons, sizeof **out, "neuron ids", err));
    size_t n = 0;
    for (size_t i = 0; i < circuit->n_neurons; i++) {
        const cna_neuron *neuron = &circuit->neurons[i];
        if (passes(neuron, sign)) (*out)[n++] = (cna_neuron_id){neuron->layer, neuron->neuron};
    }
    *out_n = cna_neuron_ids_unique(*out, n);
    return CNA_OK;
}

static cna_status add_scales(const cna_intervention *intervention, cna_scale **scales, size_t *n,
                             size_t *capacity, cna_error *err)
{
    cna_neuron_id *ids;
    size_t n_ids;
    CNA_TRY(cna_intervene_neurons(intervention->circuit, intervention->sign, &ids, &n_ids, err));
    cna_status status = cna_grow(scales, capacity, *n + n_ids, sizeof **scales, "scales", err);
    for (size_t i = 0; status == CNA_OK && i < n_ids; i++) {
        (*scales)[(*n)++] = (cna_scale){ids[i].layer, ids[i].neuron, (float)intervention->multiplier,
                                        intervention->positions};
    }
    cna_free(ids);
    return status;
}

static cna_status check(const cna_intervention *intervention, uint32_t n_layers, uint32_t mlp_dim,
                        cna_error *err)
{
    if (intervention->circuit == NULL) {
        return cna_fail(err, CNA_ERR_ARG, "intervention: expected a circuit, found none");
    }
    if (!isfinite((float)intervention->multiplier)) {
        return cna_fail(err, CNA_ERR_ARG, "multiplier: expected a finite number, found %g",
                        intervention->multiplier);
    }
    return cna_circuit_check_shape(intervention->circuit, n_layers, mlp_dim, err);
}

cna_status cna_intervene_scales(const cna_intervention *interventions, size_t n, uint32_t n_layers,
                                uint32_t mlp_dim, cna_scale **out, size_t *out_n, cna_error *err)
{
    cna_scale *scales = NULL;
    size_t n_scales = 0;
    size_t capacity = 0;
    cna_status status = cna_grow(&scales, &capacity, 1, sizeof *scales, "scales", err);
    for (size_t i = 0; status == CNA_OK && i < n; i++) {
        status = check(&interventions[i], n_layers, mlp_dim, err);
        if (status == CNA_OK && interventions[i].multiplier != 1) {
            status = add_scales(&interventions[i], &scales, &n_scales, &capacity, err);
        }
    }
    if (status != CNA_OK) {
        cna_free(scales);
        return status;
    }
    *out = scales;
    *out_n = n_scales;
    return CNA_OK;
}
