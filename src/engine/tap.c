/* SPDX-License-Identifier: MIT
 * Taps. */
#include "engine/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct cna_tap {
    uint32_t n_layers;
    cna_tap_column *columns; /* all lists one behind the other, by kind of row, then layer, then neuron */
    size_t *start;           /* [CNA_ROW_KINDS * n_layers + 1] where each list begins */
    cna_shift *shifts;       /* [n_shifts] */
    size_t n_shifts, shifts_capacity;
};

bool cna_positions_apply(cna_positions positions, cna_row_kind kind)
{
    switch (positions) {
    case CNA_POSITIONS_ALL:
        return true;
    case CNA_POSITIONS_PROMPT:
        return kind != CNA_ROW_GENERATED;
    case CNA_POSITIONS_GENERATED:
        return kind == CNA_ROW_GENERATED;
    case CNA_POSITIONS_LAST:
        return kind == CNA_ROW_LAST;
    }
    return false;
}

static int compare_scales(const void *a, const void *b)
{
    const cna_scale *x = a, *y = b;
    if (x->layer != y->layer) return x->layer < y->layer ? -1 : 1;
    if (x->neuron != y->neuron) return x->neuron < y->neuron ? -1 : 1;
    return 0;
}

/* Append the lists of one kind of row from scales sorted by (layer, neuron). */
static cna_status compile_kind(cna_tap *tap, cna_row_kind kind, const cna_scale *sorted, size_t n_scales,
                               size_t *n_columns, cna_error *err)
{
    size_t i = 0;
    for (uint32_t layer = 0; layer < tap->n_layers; layer++) {
        tap->start[(size_t)kind * tap->n_layers + layer] = *n_columns;
        while (i < n_scales && sorted[i].layer == layer) {
            uint32_t neuron = sorted[i].neuron;
            double product = 1;
            for (; i < n_scales && sorted[i].layer == layer && sorted[i].neuron == neuron; i++) {
                if (cna_positions_apply(sorted[i].positions, kind)) product *= (double)sorted[i].multiplier;
            }
            float multiplier = (float)product;
            if (!isfinite(multiplier)) {
                return cna_fail(err, CNA_ERR_ARG, "neuron (%u, %u): expected a finite product of its multipliers, "
                                "found %g", layer, neuron, (double)multiplier);
            }
            if (multiplier != 1) tap->columns[(*n_columns)++] = (cna_tap_column){neuron, multiplier};
        }
    }
    return CNA_OK;
}

cna_status cna_tap_create(const cna_scale *scales, size_t n_scales, uint32_t n_layers, uint32_t mlp_dim,
                          cna_tap **out, cna_error *err)
{
    *out = NULL;
    for (size_t i = 0; i < n_scales; i++) {
        if (scales[i].layer >= n_layers || scales[i].neuron >= mlp_dim || !isfinite(scales[i].multiplier)) {
            return cna_fail(err, CNA_ERR_ARG, "neuron (%u, %u) times %g: expected layer < %u, neuron < %u and a finite "
                            "multiplier", scales[i].layer, scales[i].neuron, (double)scales[i].multiplier, n_layers,
                            mlp_dim);
        }
    }
    cna_scale *sorted = NULL;
    cna_tap *tap = NULL;
    cna_status status;
    CNA_TRY_CLEANUP(cna_alloc(&tap, 1, sizeof *tap, "tap", err));
    tap->n_layers = n_layers;
    CNA_TRY_CLEANUP(cna_alloc(&tap->start, (size_t)CNA_ROW_KINDS * n_layers + 1, sizeof *tap->start, "tap", err));
    CNA_TRY_CLEANUP(cna_alloc(&tap->columns, CNA_ROW_KINDS * n_scales, sizeof *tap->columns, "tap", err));
    CNA_TRY_CLEANUP(cna_alloc(&sorted, n_scales, sizeof *sorted, "tap", err));
    if (n_scales != 0) {
        memcpy(sorted, scales, n_scales * sizeof *sorted);
        qsort(sorted, n_scales, sizeof *sorted, compare_scales);
    }
    size_t n_columns = 0;
    for (int kind = 0; kind < CNA_ROW_KINDS; kind++) {
        CNA_TRY_CLEANUP(compile_kind(tap, (cna_row_kind)kind, sorted, n_scales, &n_columns, err));
    }
    tap->start[(size_t)CNA_ROW_KINDS * n_layers] = n_columns;
    *out = tap;
    tap = NULL;
cleanup:
    cna_free(sorted);
    cna_tap_free(tap);
    return status;
}

void cna_tap_free(cna_tap *tap)
{
    if (tap == NULL) return;
    cna_free(tap->columns);
    cna_free(tap->start);
    cna_free(tap->shifts);
    cna_free(tap);
}

cna_status cna_tap_add_shift(cna_tap *tap, const cna_shift *shift, cna_error *err)
{
    if (shift->layer >= tap->n_layers) {
        return cna_fail(err, CNA_ERR_ARG, "a vector added behind layer %u: expected a layer < %u", shift->layer,
                        tap->n_layers);
    }
    CNA_TRY(cna_grow(&tap->shifts, &tap->shifts_capacity, tap->n_shifts + 1, sizeof *tap->shifts, "tap", err));
    tap->shifts[tap->n_shifts++] = *shift;
    return CNA_OK;
}

const cna_shift *cna_tap_shifts(const cna_tap *tap, size_t *n_shifts)
{
    *n_shifts = tap == NULL ? 0 : tap->n_shifts;
    return tap == NULL ? NULL : tap->shifts;
}

const cna_tap_column *cna_tap_columns(const cna_tap *tap, uint32_t layer, cna_row_kind kind, size_t *n_columns)
{
    *n_columns = 0;
    if (tap == NULL) return NULL;
    size_t list = (size_t)kind * tap->n_layers + layer;
    *n_columns = tap->start[list + 1] - tap->start[list];
    return tap->columns + tap->start[list];
}

uint32_t cna_tap_first_layer(const cna_tap *tap, cna_row_kind kind)
{
    if (tap == NULL) return UINT32_MAX;
    uint32_t layer = 0;
    size_t n_columns = 0;
    for (; layer < tap->n_layers; layer++) {
        cna_tap_columns(tap, layer, kind, &n_columns);
        if (n_columns > 0) break;
    }
    for (size_t i = 0; i < tap->n_shifts; i++) {
        const cna_shift *shift = &tap->shifts[i];
        if (shift->layer < layer && cna_positions_apply(shift->positions, kind)) layer = shift->layer;
    }
    return layer;
}

bool cna_tap_touches(const cna_tap *tap, cna_row_kind kind)
{
    return tap != NULL && cna_tap_first_layer(tap, kind) < tap->n_layers;
}
