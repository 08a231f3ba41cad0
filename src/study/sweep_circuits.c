/* SPDX-License-Identifier: MIT
 * Circuits of a sweep. */
#include "study/sweep_circuits.h"

#include <string.h>

#include "base/buffer.h"

void cna_sweep_circuits_clear(cna_sweep_circuits *circuits)
{
    for (size_t i = 0; i < circuits->n_owned; i++) cna_circuit_free(circuits->owned[i]);
    for (size_t i = 0; circuits->names != NULL && i < circuits->n_circuits; i++) cna_free(circuits->names[i]);
    for (size_t i = 0; circuits->cut_names != NULL && i < circuits->n_cuts; i++) cna_free(circuits->cut_names[i]);
    cna_free(circuits->given);
    cna_free(circuits->sets);
    cna_free(circuits->owned);
    cna_free(circuits->cuts);
    cna_free(circuits->names);
    cna_free(circuits->cut_names);
    *circuits = (cna_sweep_circuits){0};
}

const cna_circuit *const *cna_sweep_circuits_set(const cna_sweep_circuits *circuits, size_t variant, size_t cut)
{
    return circuits->sets + (variant * circuits->n_cuts + cut) * circuits->n_circuits;
}

/* ---- names ---- */

static bool is_taken(const cna_sweep_circuits *c, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(c->names[i], name) == 0) return true;
    }
    return false;
}

static cna_status name_circuit(const cna_sweep_options *options, cna_sweep_circuits *c, size_t i, cna_error *err)
{
    const char *given = options->circuit_names == NULL ? NULL : options->circuit_names[i];
    cna_buffer name = {0};
    cna_status status;
    size_t n_bytes;
    if (given == NULL) {
        status = cna_buffer_printf(&name, err, "circuit %zu", i + 1);
    } else if (is_taken(c, i, given)) {
        status = cna_buffer_printf(&name, err, "%s #%zu", given, i + 1);
    } else {
        status = cna_buffer_add_text(&name, given, err);
    }
    if (status == CNA_OK) status = cna_buffer_take(&name, &c->names[i], &n_bytes, err);
    cna_buffer_free(&name);
    return status;
}

static cna_status name_cut(cna_sweep_circuits *c, size_t cut, cna_error *err)
{
    const char *first = c->n_circuits == 0 ? "" : c->names[0];
    cna_buffer name = {0};
    size_t n_bytes;
    cna_status status = c->cuts[cut] == 0 ? cna_buffer_add_text(&name, first, err)
                                          : cna_buffer_printf(&name, err, "k=%zu of %s", c->cuts[cut], first);
    if (status == CNA_OK) status = cna_buffer_take(&name, &c->cut_names[cut], &n_bytes, err);
    cna_buffer_free(&name);
    return status;
}

/* ---- cuts ---- */

static cna_status own(cna_sweep_circuits *c, cna_circuit *circuit, cna_error *err)
{
    cna_status status = cna_grow(&c->owned, &c->owned_capacity, c->n_owned + 1, sizeof *c->owned, "circuits", err);
    if (status != CNA_OK) {
        cna_circuit_free(circuit);
        return status;
    }
    c->owned[c->n_owned++] = circuit;
    return CNA_OK;
}

static cna_status copy_array(void *out, const void *items, size_t n, size_t size, cna_error *err)
{
    void *copy;
    CNA_TRY(cna_alloc(&copy, n, size, "circuit", err));
    if (n != 0) memcpy(copy, items, n * size);
    *(void **)out = copy;
    return CNA_OK;
}

/* A new circuit of the first k neurons, which are those with the highest scores. */
static cna_status cut_circuit(cna_sweep_circuits *c, const cna_circuit *whole, size_t k, const cna_circuit **out,
                              cna_error *err)
{
    cna_circuit *circuit;
    CNA_TRY(cna_circuit_create(&circuit, err));
    CNA_TRY(own(c, circuit, err));
    circuit->info = whole->info;
    circuit->info.fraction = 0;
    CNA_TRY(copy_array(&circuit->neurons, whole->neurons, k, sizeof *whole->neurons, err));
    circuit->n_neurons = k;
    CNA_TRY(copy_array(&circuit->positive, whole->positive, whole->info.n_positive, sizeof *whole->positive, err));
    CNA_TRY(copy_array(&circuit->negative, whole->negative, whole->info.n_negative, sizeof *whole->negative, err));
    if (whole->universal != NULL) {
        CNA_TRY(copy_array(&circuit->universal, whole->universal, whole->n_universal, sizeof *whole->universal, err));
        circuit->n_universal = whole->n_universal;
    }
    *out = circuit;
    return CNA_OK;
}

static cna_status plan_cuts(const cna_sweep_options *options, cna_sweep_circuits *c, cna_error *err)
{
    if (options->n_k != 0 && options->n_circuits == 0) {
        return cna_fail(err, CNA_ERR_ARG, "k-list: expected a circuit to cut, found none");
    }
    size_t n = options->n_k == 0 ? 1 : options->n_k;
    CNA_TRY(cna_alloc(&c->cuts, n, sizeof *c->cuts, "k-list", err));
    for (size_t i = 0; i < options->n_k; i++) {
        size_t k = options->k_list[i];
        size_t n_neurons = options->circuits[0]->n_neurons;
        if (k == 0) return cna_fail(err, CNA_ERR_ARG, "k-list: expected numbers of 1 and more, found 0");
        if (k > n_neurons) {
            return cna_fail(err, CNA_ERR_ARG,
                            "k-list: expected at most %zu, the neurons of %s, found %zu; run attribute "
                            "with --top-k %zu or more", n_neurons, c->names[0], k, k);
        }
        bool is_new = true;
        for (size_t j = 0; j < c->n_cuts; j++) is_new = is_new && c->cuts[j] != k;
        if (is_new) c->cuts[c->n_cuts++] = k;
    }
    if (options->n_k == 0) c->n_cuts = 1;
    CNA_TRY(cna_alloc(&c->cut_names, c->n_cuts, sizeof *c->cut_names, "k-list", err));
    for (size_t i = 0; i < c->n_cuts; i++) CNA_TRY(name_cut(c, i, err));
    return CNA_OK;
}

/* A variant of these circuits and its cuts.
 *   circuits  [n_circuits] */
static cna_status add_variant(cna_sweep_circuits *c, const cna_circuit *const *circuits, cna_error *err)
{
    size_t n = c->n_circuits, v = c->n_variants;
    CNA_TRY(cna_grow(&c->given, &c->given_capacity, (v + 1) * n + 1, sizeof *c->given, "circuits", err));
    CNA_TRY(cna_grow(&c->sets, &c->sets_capacity, (v + 1) * c->n_cuts * n + 1, sizeof *c->sets, "circuits", err));
    for (size_t i = 0; i < n; i++) c->given[v * n + i] = circuits[i];
    for (size_t cut = 0; cut < c->n_cuts; cut++) {
        const cna_circuit **set = c->sets + (v * c->n_cuts + cut) * n;
        for (size_t i = 0; i < n; i++) set[i] = circuits[i];
        if (c->cuts[cut] != 0) CNA_TRY(cut_circuit(c, circuits[0], c->cuts[cut], &set[0], err));
    }
    c->n_variants++;
    return CNA_OK;
}

cna_status cna_sweep_circuits_make(const cna_sweep_options *options, cna_sweep_circuits *out, cna_error *err)
{
    out->n_circuits = options->n_circuits;
    CNA_TRY(cna_alloc(&out->names, options->n_circuits, sizeof *out->names, "circuits", err));
    for (size_t i = 0; i < options->n_circuits; i++) CNA_TRY(name_circuit(options, out, i, err));
    CNA_TRY(plan_cuts(options, out, err));
    return add_variant(out, options->circuits, err);
}

cna_status cna_sweep_circuits_add(cna_sweep_circuits *circuits, cna_circuit *other, cna_error *err)
{
    const cna_circuit *const set[] = {other};
    CNA_TRY(own(circuits, other, err));
    for (size_t cut = 0; cut < circuits->n_cuts; cut++) {
        if (circuits->cuts[cut] <= other->n_neurons) continue;
        return cna_fail(err, CNA_ERR_MISMATCH,
                        "k-list: expected %zu neurons in the circuit of every fold, found %zu in "
                        "one", circuits->cuts[cut], other->n_neurons);
    }
    return add_variant(circuits, set, err);
}
