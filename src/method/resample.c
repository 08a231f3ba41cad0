/* SPDX-License-Identifier: MIT
 * Layers to panels of candidates. */
#include "method/resample.h"

#include <stdlib.h>
#include <string.h>

#include "tensor/dtype.h"

/* A neuron that may yet be universal. */
typedef struct aside {
    cna_neuron_id id;
    double norm;
} aside;

struct cna_resample {
    cna_stability_plan plan;
    cna_stability *stability; /* ? */
    cna_chance *chance;       /* ? */
    cna_panel panels[CNA_PANELS]; /* those before the last of n_panels are full */
    size_t n_panels;
    const float *source[CNA_PANELS][CNA_PANEL_COLUMNS]; /* of their columns */
    aside *aside;             /* [n_aside] */
    float *aside_h;           /* [n_aside, prompts] */
    size_t n_aside, aside_capacity, aside_h_capacity;
};

cna_status cna_resample_create(const cna_stability_plan *plan, size_t n_shuffles, cna_resample **out, cna_error *err)
{
    size_t n_prompts = plan->n_positive + plan->n_negative;
    size_t n_most = plan->per_layer ? plan->mlp_dim : (size_t)plan->n_layers * plan->mlp_dim;
    cna_status status;
    cna_resample *r = NULL;
    if (plan->n_halvings != 0 && plan->k >= n_most) {
        return cna_fail(err, CNA_ERR_ARG, "stability: expected a circuit of fewer than all %zu neurons%s; choose fewer",
                        n_most, plan->per_layer ? " of a layer" : "");
    }
    CNA_TRY_CLEANUP(cna_alloc(&r, 1, sizeof *r, "statistics", err));
    r->plan = *plan;
    for (size_t i = 0; i < CNA_PANELS; i++) {
        CNA_TRY_CLEANUP(cna_alloc(&r->panels[i].values, n_prompts * CNA_PANEL_COLUMNS, sizeof *r->panels[i].values,
                                  "statistics", err));
    }
    if (plan->n_halvings != 0) CNA_TRY_CLEANUP(cna_stability_create(plan, &r->stability, err));
    if (n_shuffles != 0) {
        CNA_TRY_CLEANUP(cna_chance_create(n_shuffles, plan->seed, plan->n_positive, plan->n_negative, plan->bf16_means,
                                          &r->chance, err));
    }
    *out = r;
    r = NULL;
cleanup:
    cna_resample_free(r);
    return status;
}

void cna_resample_free(cna_resample *r)
{
    if (r == NULL) return;
    cna_stability_free(r->stability);
    cna_chance_free(r->chance);
    for (size_t i = 0; i < CNA_PANELS; i++) cna_free(r->panels[i].values);
    cna_free(r->aside);
    cna_free(r->aside_h);
    cna_free(r);
}

static void fill(const cna_resample *r, const float *const *source, size_t stride, cna_panel *panel)
{
    size_t n_prompts = r->plan.n_positive + r->plan.n_negative;
    for (size_t row = 0; row < n_prompts; row++) {
        double *values = panel->values + row * CNA_PANEL_COLUMNS;
        for (size_t c = 0; c < panel->n_columns; c++) {
            float value = source[c][row * stride];
            if (r->plan.bf16_means) value = cna_f32_from_bf16(cna_bf16_from_f32(value));
            values[c] = (double)value;
        }
    }
}

/* Give the statistics the columns that have been named; value of a row: source[row * stride]. */
static void flush(cna_resample *r, size_t stride)
{
    size_t n_panels = r->n_panels;
    if (n_panels == 0) return;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n_panels; i++) fill(r, r->source[i], stride, &r->panels[i]);
    if (r->stability != NULL) cna_stability_add(r->stability, r->panels, n_panels);
    if (r->chance != NULL) cna_chance_add(r->chance, r->panels, n_panels);
    r->n_panels = 0;
}

static void add_column(cna_resample *r, cna_neuron_id id, double norm, const float *source, size_t stride)
{
    bool full = r->n_panels == 0 || r->panels[r->n_panels - 1].n_columns == CNA_PANEL_COLUMNS;
    if (full && r->n_panels == CNA_PANELS) flush(r, stride);
    if (full) r->panels[r->n_panels++].n_columns = 0;
    cna_panel *panel = &r->panels[r->n_panels - 1];
    panel->ids[panel->n_columns] = id;
    panel->norms[panel->n_columns] = norm;
    r->source[r->n_panels - 1][panel->n_columns++] = source;
}

static cna_status put_aside(cna_resample *r, cna_neuron_id id, double norm, const float *h, size_t stride,
                            cna_error *err)
{
    size_t n_prompts = r->plan.n_positive + r->plan.n_negative;
    CNA_TRY(cna_grow(&r->aside, &r->aside_capacity, r->n_aside + 1, sizeof *r->aside, "statistics", err));
    CNA_TRY(cna_grow(&r->aside_h, &r->aside_h_capacity, (r->n_aside + 1) * n_prompts, sizeof *r->aside_h, "statistics",
                     err));
    for (size_t row = 0; row < n_prompts; row++) r->aside_h[r->n_aside * n_prompts + row] = h[row * stride];
    r->aside[r->n_aside++] = (aside){id, norm};
    return CNA_OK;
}

static bool is_among(const cna_neuron_id *id, const cna_neuron_id *sorted, size_t n)
{
    return n != 0 && bsearch(id, sorted, n, sizeof *sorted, cna_neuron_id_compare) != NULL;
}

/* Give to the statistics what is no longer possible, and close the gaps. */
static void release(cna_resample *r, const cna_neuron_id *possible, size_t n_possible)
{
    size_t n_prompts = r->plan.n_positive + r->plan.n_negative, n_kept = 0;
    for (size_t i = 0; i < r->n_aside; i++) {
        const aside *a = &r->aside[i];
        if (!is_among(&a->id, possible, n_possible)) add_column(r, a->id, a->norm, r->aside_h + i * n_prompts, 1);
    }
    flush(r, 1);
    for (size_t i = 0; i < r->n_aside; i++) {
        if (!is_among(&r->aside[i].id, possible, n_possible)) continue;
        r->aside[n_kept] = r->aside[i];
        memmove(r->aside_h + n_kept * n_prompts, r->aside_h + i * n_prompts, n_prompts * sizeof *r->aside_h);
        n_kept++;
    }
    r->n_aside = n_kept;
}

cna_status cna_resample_layer(cna_resample *r, uint32_t layer, const float *h, const double *norms,
                              const cna_universal *universal, double share, cna_error *err)
{
    cna_neuron_id *possible = NULL;
    size_t n_possible = 0;
    cna_status status = CNA_OK;
    if (universal != NULL) CNA_TRY(cna_universal_find(universal, share, &possible, &n_possible, err));
    release(r, possible, n_possible);
    for (uint32_t j = 0; h != NULL && status == CNA_OK && j < r->plan.mlp_dim; j++) {
        const cna_neuron_id id = {layer, j};
        if (is_among(&id, possible, n_possible)) status = put_aside(r, id, norms[j], h + j, r->plan.mlp_dim, err);
        else add_column(r, id, norms[j], h + j, r->plan.mlp_dim);
    }
    flush(r, r->plan.mlp_dim);
    cna_free(possible);
    return status;
}

cna_status cna_resample_finish(cna_resample *r, const cna_neuron *neurons, size_t n_neurons, cna_circuit *circuit,
                               cna_error *err)
{
    circuit->statistics = (cna_circuit_statistics){.seed = r->plan.seed};
    if (r->stability != NULL) CNA_TRY(cna_stability_finish(r->stability, &circuit->statistics, err));
    if (r->chance != NULL) cna_chance_finish(r->chance, neurons, n_neurons, circuit, &circuit->statistics);
    return CNA_OK;
}
