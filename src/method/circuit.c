/* SPDX-License-Identifier: MIT
 * Circuits in memory: order, checks, layer profile, overlap. */
#include "method/circuit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const cna_score_names[] = {"delta", "d", "write", NULL};
const char *const cna_preset_names[] = {"paper", "nous", NULL};

cna_status cna_circuit_create(cna_circuit **out, cna_error *err)
{
    return cna_alloc(out, 1, sizeof **out, "circuit", err);
}

void cna_circuit_free(cna_circuit *circuit)
{
    if (circuit == NULL) return;
    cna_free(circuit->neurons);
    cna_free(circuit->positive);
    cna_free(circuit->negative);
    cna_free(circuit->universal);
    cna_free(circuit);
}

const cna_neuron *cna_circuit_neurons(const cna_circuit *circuit, size_t *n_neurons)
{
    *n_neurons = circuit->n_neurons;
    return circuit->neurons;
}

const cna_circuit_statistics *cna_circuit_get_statistics(const cna_circuit *circuit)
{
    bool any = circuit->statistics.n_halvings != 0 || circuit->statistics.n_shuffles != 0;
    return any ? &circuit->statistics : NULL;
}

const cna_circuit_info *cna_circuit_get_info(const cna_circuit *circuit)
{
    return &circuit->info;
}

/* ---- order ---- */

double cna_neuron_score(const cna_neuron *neuron, cna_score score)
{
    switch (score) {
    case CNA_SCORE_DELTA:
        break;
    case CNA_SCORE_D:
        return fabs(neuron->d);
    case CNA_SCORE_WRITE:
        return fabs(neuron->write);
    }
    return fabs(neuron->delta);
}

int cna_neuron_id_compare(const void *a, const void *b)
{
    const cna_neuron_id *x = a;
    const cna_neuron_id *y = b;
    if (x->layer != y->layer) return x->layer < y->layer ? -1 : 1;
    return (x->neuron > y->neuron) - (x->neuron < y->neuron);
}

size_t cna_neuron_ids_unique(cna_neuron_id *ids, size_t n)
{
    if (n == 0) return 0;
    qsort(ids, n, sizeof *ids, cna_neuron_id_compare);
    size_t kept = 1;
    for (size_t i = 1; i < n; i++) {
        if (cna_neuron_id_compare(&ids[kept - 1], &ids[i]) != 0) ids[kept++] = ids[i];
    }
    return kept;
}

/* qsort has no argument for the score, so one comparison for each; ties: lower layer, then lower neuron. */
static int compare_by(cna_score score, const void *a, const void *b)
{
    const cna_neuron *x = a;
    const cna_neuron *y = b;
    double score_x = cna_neuron_score(x, score);
    double score_y = cna_neuron_score(y, score);
    if (score_x != score_y) return score_x > score_y ? -1 : 1;
    cna_neuron_id id_x = {x->layer, x->neuron};
    cna_neuron_id id_y = {y->layer, y->neuron};
    return cna_neuron_id_compare(&id_x, &id_y);
}

static int compare_delta(const void *a, const void *b)
{
    return compare_by(CNA_SCORE_DELTA, a, b);
}

static int compare_d(const void *a, const void *b)
{
    return compare_by(CNA_SCORE_D, a, b);
}

static int compare_write(const void *a, const void *b)
{
    return compare_by(CNA_SCORE_WRITE, a, b);
}

/* New sorted array of the (layer, neuron) pairs. */
static cna_status sorted_ids(const cna_circuit *circuit, cna_neuron_id **out, cna_error *err)
{
    CNA_TRY(cna_alloc(out, circuit->n_neurons, sizeof **out, "neuron ids", err));
    for (size_t i = 0; i < circuit->n_neurons; i++) {
        (*out)[i] = (cna_neuron_id){circuit->neurons[i].layer, circuit->neurons[i].neuron};
    }
    if (circuit->n_neurons != 0) qsort(*out, circuit->n_neurons, sizeof **out, cna_neuron_id_compare);
    return CNA_OK;
}

static cna_status check_ids(const cna_circuit *circuit, const cna_neuron_id *ids, size_t n,
                            const char *source, cna_error *err)
{
    const cna_circuit_info *info = &circuit->info;
    for (size_t i = 0; i < n; i++) {
        if (i != 0 && cna_neuron_id_compare(&ids[i - 1], &ids[i]) == 0) {
            return cna_fail(err, CNA_ERR_FORMAT,
                            "%s: key 'neurons': expected each neuron once, found layer %u neuron %u twice",
                            source, ids[i].layer, ids[i].neuron);
        }
        if ((info->n_layers != 0 && ids[i].layer >= info->n_layers) ||
            (info->mlp_dim != 0 && ids[i].neuron >= info->mlp_dim)) {
            return cna_fail(
                err, CNA_ERR_FORMAT,
                "%s: key 'neurons': expected neurons within %u layers of %u, found layer %u neuron %u",
                source, info->n_layers, info->mlp_dim, ids[i].layer, ids[i].neuron);
        }
    }
    return CNA_OK;
}

cna_status cna_circuit_finish(cna_circuit *circuit, const char *source, cna_error *err)
{
    static int (*const compare[])(const void *, const void *) = {compare_delta, compare_d, compare_write};
    cna_neuron_id *ids;
    CNA_TRY(sorted_ids(circuit, &ids, err));
    cna_status status = check_ids(circuit, ids, circuit->n_neurons, source, err);
    cna_free(ids);
    if (status != CNA_OK) return status;
    if (circuit->n_neurons != 0) {
        qsort(circuit->neurons, circuit->n_neurons, sizeof *circuit->neurons, compare[circuit->info.score]);
    }
    return CNA_OK;
}

/* ---- use on a model ---- */

cna_status cna_circuit_check_shape(const cna_circuit *circuit, uint32_t n_layers, uint32_t mlp_dim,
                                   cna_error *err)
{
    const cna_circuit_info *info = &circuit->info;
    if ((info->n_layers != 0 && info->n_layers != n_layers) ||
        (info->mlp_dim != 0 && info->mlp_dim != mlp_dim)) {
        return cna_fail(
            err, CNA_ERR_MISMATCH,
            "circuit: expected one for %u layers of %u neurons as this model has, found one made on %u "
            "layers of %u neurons%s%s; make a circuit on this model",
            n_layers, mlp_dim, info->n_layers, info->mlp_dim, info->model_name[0] == '\0' ? "" : " of ",
            info->model_name);
    }
    for (size_t i = 0; i < circuit->n_neurons; i++) {
        const cna_neuron *neuron = &circuit->neurons[i];
        if (neuron->layer >= n_layers || neuron->neuron >= mlp_dim) {
            return cna_fail(
                err, CNA_ERR_MISMATCH,
                "circuit: expected neurons within this model's %u layers of %u neurons, found layer %u "
                "neuron %u; make a circuit on this model",
                n_layers, mlp_dim, neuron->layer, neuron->neuron);
        }
    }
    return CNA_OK;
}

cna_status cna_circuit_check(const cna_circuit *circuit, const cna_model *model, char *warning,
                             size_t n_warning, cna_error *err)
{
    const cna_model_info *info = cna_model_get_info(model);
    CNA_TRY(cna_circuit_check_shape(circuit, info->n_layers, info->mlp_dim, err));
    if (n_warning == 0) return CNA_OK;
    warning[0] = '\0';
    const char *fingerprint = circuit->info.fingerprint;
    if (fingerprint[0] != '\0' && strcmp(fingerprint, info->fingerprint) != 0) {
        snprintf(warning, n_warning,
                 "the circuit was made on other weights (%s, %.12s) than this model's (%s, %.12s)",
                 circuit->info.model_name, fingerprint, info->name, info->fingerprint);
    }
    return CNA_OK;
}

/* ---- profile ---- */

/* Share of the neurons that lie in the last n layers. */
static double share_of_last(const cna_profile *profile, uint32_t n)
{
    if (profile->n_neurons == 0) return 0;
    size_t count = 0;
    for (uint32_t layer = profile->n_layers > n ? profile->n_layers - n : 0; layer < profile->n_layers;
         layer++) {
        count += profile->count[layer];
    }
    return (double)count / (double)profile->n_neurons;
}

cna_status cna_circuit_profile(const cna_circuit *circuit, uint32_t n_layers_if_unknown, cna_profile *out,
                               cna_error *err)
{
    uint32_t n_layers = circuit->info.n_layers != 0 ? circuit->info.n_layers : n_layers_if_unknown;
    uint32_t n_named = 0;
    for (size_t i = 0; i < circuit->n_neurons; i++) {
        if (circuit->neurons[i].layer >= n_named) n_named = circuit->neurons[i].layer + 1;
    }
    if (n_layers == 0) n_layers = n_named;
    if (n_named > n_layers) {
        return cna_fail(err, CNA_ERR_MISMATCH,
                        "circuit: expected neurons within %u layers, found one in layer %u", n_layers,
                        n_named - 1);
    }
    cna_profile profile = {.n_layers = n_layers, .n_neurons = circuit->n_neurons};
    CNA_TRY(cna_alloc(&profile.count, n_layers, sizeof *profile.count, "layer profile", err));
    for (size_t i = 0; i < circuit->n_neurons; i++) profile.count[circuit->neurons[i].layer]++;
    profile.last_three = share_of_last(&profile, 3);
    profile.last_tenth = share_of_last(&profile, n_layers / 10 + (n_layers % 10 != 0));
    profile.last_quarter = share_of_last(&profile, n_layers / 4 + (n_layers % 4 != 0));
    *out = profile;
    return CNA_OK;
}

void cna_profile_clear(cna_profile *profile)
{
    cna_free(profile->count);
    *profile = (cna_profile){0};
}

/* ---- overlap ---- */

static size_t count_common(const cna_neuron_id *a, size_t n_a, const cna_neuron_id *b, size_t n_b)
{
    size_t n_common = 0;
    for (size_t i = 0, j = 0; i < n_a && j < n_b;) {
        int order = cna_neuron_id_compare(&a[i], &b[j]);
        n_common += order == 0;
        i += order <= 0;
        j += order >= 0;
    }
    return n_common;
}

static double share(size_t part, size_t whole)
{
    return whole == 0 ? 0 : (double)part / (double)whole;
}

static bool differ_where_stated(uint32_t a, uint32_t b)
{
    return a != 0 && b != 0 && a != b;
}

cna_status cna_circuit_overlap(const cna_circuit *a, const cna_circuit *b, cna_overlap *out, cna_error *err)
{
    if (differ_where_stated(a->info.n_layers, b->info.n_layers) ||
        differ_where_stated(a->info.mlp_dim, b->info.mlp_dim)) {
        return cna_fail(
            err, CNA_ERR_MISMATCH,
            "circuits: expected two of one shape, found %u layers of %u neurons and %u layers of %u neurons",
            a->info.n_layers, a->info.mlp_dim, b->info.n_layers, b->info.mlp_dim);
    }
    cna_status status = CNA_OK;
    cna_neuron_id *ids_a = NULL;
    cna_neuron_id *ids_b = NULL;
    CNA_TRY_CLEANUP(sorted_ids(a, &ids_a, err));
    CNA_TRY_CLEANUP(sorted_ids(b, &ids_b, err));
    cna_overlap overlap = {.n_a = a->n_neurons, .n_b = b->n_neurons};
    overlap.n_common = count_common(ids_a, a->n_neurons, ids_b, b->n_neurons);
    overlap.share_of_a = share(overlap.n_common, overlap.n_a);
    overlap.share_of_b = share(overlap.n_common, overlap.n_b);
    overlap.jaccard = share(overlap.n_common, overlap.n_a + overlap.n_b - overlap.n_common);
    *out = overlap;
cleanup:
    cna_free(ids_a);
    cna_free(ids_b);
    return status;
}
