/* SPDX-License-Identifier: MIT
 * Conditions of a sweep. */
#include "study/sweep_conditions.h"

#include <math.h>
#include <string.h>

#include "method/caa.h"
#include "method/intervene.h"
#include "study/multipliers.h"

enum { N_KINDS = 2, DEFAULT_SEEDS = 20, GRID_MAX = 1 << 20 };

const char *const cna_control_kind_names[] = {"uniform", "matched", NULL};

void cna_sweep_conditions_clear(cna_sweep_conditions *conditions)
{
    for (size_t i = 0; conditions->labels != NULL && i < conditions->n_cuts; i++) cna_free(conditions->labels[i]);
    cna_free(conditions->labels);
    cna_free(conditions->n_scaled);
    cna_free(conditions->items);
    cna_free(conditions->grid);
    *conditions = (cna_sweep_conditions){0};
}

/* ---- multipliers ---- */

static cna_status single_grid(const cna_numbers *list, cna_sweep_conditions *c, cna_error *err)
{
    double *values;
    CNA_TRY(cna_alloc(&values, list->n + 1, sizeof *values, "multipliers", err));
    c->n_points = cna_multipliers_tidy(list, true, values);
    cna_status status = cna_alloc(&c->grid, c->n_points * c->n_circuits, sizeof *c->grid, "multipliers", err);
    for (size_t i = 0; status == CNA_OK && i < c->n_points * c->n_circuits; i++) c->grid[i] = values[i / c->n_circuits];
    cna_free(values);
    return status;
}

/* Every combination of the lists, the last list's numbers changing fastest.
 *   values  the lists one behind the other, [n_values[i]] each */
static cna_status combine(const double *values, const size_t *n_values, cna_sweep_conditions *c, cna_error *err)
{
    c->n_points = 1;
    for (size_t i = 0; i < c->n_circuits; i++) {
        if (n_values[i] == 0) return cna_fail(err, CNA_ERR_ARG, "multipliers: expected a number or more in each list");
        c->n_points *= n_values[i];
        if (c->n_points > GRID_MAX) {
            return cna_fail(err, CNA_ERR_ARG, "multipliers: expected at most %d combinations, found more",
                            (int)GRID_MAX);
        }
    }
    CNA_TRY(cna_alloc(&c->grid, c->n_points * c->n_circuits, sizeof *c->grid, "multipliers", err));
    for (size_t p = 0; p < c->n_points; p++) {
        size_t rest = p, start = 0;
        for (size_t i = 0; i < c->n_circuits; i++) start += n_values[i];
        for (size_t i = c->n_circuits; i-- > 0; rest /= n_values[i]) {
            start -= n_values[i];
            c->grid[p * c->n_circuits + i] = values[start + rest % n_values[i]];
        }
    }
    return CNA_OK;
}

static cna_status full_grid(const cna_numbers *lists, cna_sweep_conditions *c, cna_error *err)
{
    double *values = NULL;
    size_t *n_values = NULL, n = 0;
    cna_status status;
    for (size_t i = 0; i < c->n_circuits; i++) n += lists[i].n + 1;
    CNA_TRY_CLEANUP(cna_alloc(&values, n, sizeof *values, "multipliers", err));
    CNA_TRY_CLEANUP(cna_alloc(&n_values, c->n_circuits, sizeof *n_values, "multipliers", err));
    n = 0;
    for (size_t i = 0; i < c->n_circuits; i++) n += n_values[i] = cna_multipliers_tidy(&lists[i], false, values + n);
    CNA_TRY_CLEANUP(combine(values, n_values, c, err));
cleanup:
    cna_free(values);
    cna_free(n_values);
    return status;
}

static cna_status make_grid(const cna_sweep_options *options, cna_sweep_conditions *c, cna_error *err)
{
    static const double usual[] = {0, 0.25, 0.5, 0.75, 1, 1.5, 2};
    static const cna_numbers usual_list = {usual, sizeof usual / sizeof *usual};
    const cna_numbers *lists = options->multipliers == NULL ? &usual_list : options->multipliers;
    size_t n_lists = options->multipliers == NULL ? 1 : options->n_multipliers;
    c->n_circuits = options->n_circuits;
    for (size_t i = 0; i < n_lists; i++) CNA_TRY(cna_multipliers_check("multipliers", &lists[i], err));
    c->is_single = n_lists == 1;
    if (c->n_circuits == 0) return CNA_OK;
    if (n_lists == 1) return single_grid(lists, c, err);
    if (n_lists == c->n_circuits) return full_grid(lists, c, err);
    return cna_fail(err, CNA_ERR_ARG, "multipliers: expected one list, or one for each of the %zu circuits, found %zu",
                    c->n_circuits, n_lists);
}

/* ---- labels ---- */

cna_status cna_sweep_targets(const cna_circuit *const *circuits, size_t n, cna_sign sign, cna_neuron_id **out,
                             size_t *out_n, cna_error *err)
{
    cna_neuron_id *all = NULL;
    size_t n_all = 0, capacity = 0;
    cna_status status = cna_grow(&all, &capacity, 1, sizeof *all, "neuron ids", err);
    for (size_t i = 0; i < n && status == CNA_OK; i++) {
        cna_neuron_id *ids;
        size_t n_ids;
        status = cna_intervene_neurons(circuits[i], sign, &ids, &n_ids, err);
        if (status != CNA_OK) break;
        status = cna_grow(&all, &capacity, n_all + n_ids, sizeof *all, "neuron ids", err);
        if (status == CNA_OK && n_ids != 0) memcpy(all + n_all, ids, n_ids * sizeof *ids);
        n_all += n_ids;
        cna_free(ids);
    }
    if (status != CNA_OK) {
        cna_free(all);
        return status;
    }
    *out = all;
    *out_n = cna_neuron_ids_unique(all, n_all);
    return CNA_OK;
}

static cna_status label_cut(const cna_sweep_circuits *circuits, size_t cut, char **out, cna_error *err)
{
    cna_buffer label = {0};
    size_t n_bytes;
    cna_status status = cna_buffer_add_text(&label, circuits->cut_names[cut], err);
    for (size_t i = 1; i < circuits->n_circuits && status == CNA_OK; i++) {
        status = cna_buffer_printf(&label, err, " + %s", circuits->names[i]);
    }
    if (status == CNA_OK) status = cna_buffer_take(&label, out, &n_bytes, err);
    cna_buffer_free(&label);
    return status;
}

static cna_status describe_cuts(const cna_sweep_options *options, const cna_sweep_circuits *circuits,
                                cna_sweep_conditions *c, cna_error *err)
{
    c->n_cuts = circuits->n_cuts;
    CNA_TRY(cna_alloc(&c->labels, c->n_cuts, sizeof *c->labels, "circuits", err));
    CNA_TRY(cna_alloc(&c->n_scaled, c->n_cuts, sizeof *c->n_scaled, "circuits", err));
    for (size_t cut = 0; cut < c->n_cuts; cut++) {
        cna_neuron_id *ids;
        CNA_TRY(label_cut(circuits, cut, &c->labels[cut], err));
        CNA_TRY(cna_sweep_targets(cna_sweep_circuits_set(circuits, 0, cut), c->n_circuits, options->sign, &ids,
                                  &c->n_scaled[cut], err));
        cna_free(ids);
    }
    return CNA_OK;
}

/* ---- the list ---- */

cna_caa_site cna_sweep_caa_site(const cna_sweep_options *options)
{
    return options->caa_vectors != NULL ? options->caa_vectors->info.site : options->caa;
}

static cna_status add(cna_sweep_conditions *c, cna_run_condition row, size_t cut, const double *multipliers,
                      cna_error *err)
{
    CNA_TRY(cna_grow(&c->items, &c->capacity, c->n + 1, sizeof *c->items, "conditions", err));
    row.position = c->n;
    c->items[c->n++] = (cna_sweep_condition){.row = row, .cut = cut, .multipliers = multipliers};
    return CNA_OK;
}

static cna_status add_none(cna_sweep_conditions *c, cna_error *err)
{
    c->none = c->n;
    const cna_run_condition row = {
        .method = CNA_RUN_NONE, .k = -1, .control_seed = -1, .multiplier = 1, .alpha = NAN, .layer = -1};
    return add(c, row, 0, NULL, err);
}

static bool all_equal(const double *values, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (values[i] != values[0]) return false;
    }
    return true;
}

/* A row for the circuits, or for a control of theirs, at one point of the grid. */
static cna_run_condition scaled_row(const cna_sweep_conditions *c, size_t cut, const double *multipliers)
{
    bool differ = !all_equal(multipliers, c->n_circuits);
    return (cna_run_condition){
        .method = CNA_RUN_CNA,
        .circuit = c->labels[cut],
        .k = (int64_t)c->n_scaled[cut],
        .control_seed = -1,
        .multiplier = multipliers[0],
        .multipliers = differ ? multipliers : NULL,
        .n_multipliers = differ ? c->n_circuits : 0,
        .alpha = NAN,
        .layer = -1,
    };
}

static bool is_untouched(const double *multipliers, size_t n)
{
    return multipliers[0] == 1 && all_equal(multipliers, n);
}

static cna_status add_cna(cna_sweep_conditions *c, cna_error *err)
{
    bool in_place = c->n_circuits != 0 && c->is_single && c->n_cuts == 1;
    if (!in_place) CNA_TRY(add_none(c, err));
    for (size_t cut = 0; cut < c->n_cuts; cut++) {
        for (size_t p = 0; p < c->n_points; p++) {
            const double *multipliers = c->grid + p * c->n_circuits;
            bool untouched = is_untouched(multipliers, c->n_circuits);
            if (untouched && in_place) CNA_TRY(add_none(c, err));
            if (!untouched) CNA_TRY(add(c, scaled_row(c, cut, multipliers), cut, multipliers, err));
        }
    }
    return CNA_OK;
}

static cna_status add_caa(cna_sweep_conditions *c, const cna_sweep_options *options, int64_t layer, cna_error *err)
{
    const cna_numbers *alphas = &options->alphas;
    CNA_TRY(cna_multipliers_check("alphas", alphas, err));
    for (size_t i = 0; i < alphas->n; i++) {
        if (alphas->values[i] == 0 || cna_multipliers_hold(alphas->values, i, alphas->values[i])) continue;
        const cna_run_condition row = {
            .method = CNA_RUN_CAA,
            .k = -1,
            .kind = cna_caa_site_names[cna_sweep_caa_site(options)],
            .control_seed = -1,
            .multiplier = NAN,
            .alpha = alphas->values[i],
            .layer = layer,
        };
        CNA_TRY(add(c, row, 0, NULL, err));
    }
    return CNA_OK;
}

/* One drawn circuit at every cut and multiplier. Without a neuron to scale it would be the untouched model. */
static cna_status add_control(cna_sweep_conditions *c, int kind, size_t seed, cna_error *err)
{
    for (size_t cut = 0; cut < c->n_cuts; cut++) {
        for (size_t p = 0; p < c->n_points && c->n_scaled[cut] != 0; p++) {
            const double *multipliers = c->grid + p * c->n_circuits;
            if (is_untouched(multipliers, c->n_circuits)) continue;
            cna_run_condition row = scaled_row(c, cut, multipliers);
            row.method = CNA_RUN_CONTROL;
            row.kind = cna_control_kind_names[kind];
            row.control_seed = (int64_t)seed;
            CNA_TRY(add(c, row, cut, multipliers, err));
        }
    }
    return CNA_OK;
}

static cna_status add_controls(cna_sweep_conditions *c, const cna_sweep_options *options, cna_error *err)
{
    if (options->no_controls) return CNA_OK;
    size_t before = c->n, n_seeds = options->n_controls == 0 ? DEFAULT_SEEDS : options->n_controls;
    for (int kind = 0; kind < N_KINDS; kind++) {
        for (size_t seed = 0; seed < n_seeds; seed++) CNA_TRY(add_control(c, kind, seed, err));
    }
    c->n_seeds = c->n == before ? 0 : n_seeds;
    return CNA_OK;
}

cna_status cna_sweep_conditions_make(const cna_sweep_options *options, const cna_sweep_circuits *circuits,
                                     int64_t layer, cna_sweep_conditions *out, cna_error *err)
{
    if (options->n_circuits == 0 && options->alphas.n == 0) {
        return cna_fail(err, CNA_ERR_ARG, "sweep: expected at least one circuit, or alphas of CAA, found none");
    }
    cna_status status;
    CNA_TRY_CLEANUP(make_grid(options, out, err));
    CNA_TRY_CLEANUP(describe_cuts(options, circuits, out, err));
    CNA_TRY_CLEANUP(add_cna(out, err));
    CNA_TRY_CLEANUP(add_caa(out, options, layer, err));
    CNA_TRY_CLEANUP(add_controls(out, options, err));
    return CNA_OK;
cleanup:
    cna_sweep_conditions_clear(out);
    return status;
}
