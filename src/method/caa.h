/* SPDX-License-Identifier: MIT
 * Contrastive activation addition, the baseline: its vectors as what taps add. Finding them, cna_caa_find, is declared
 * in cna_study.h. */
#ifndef CNA_METHOD_CAA_H
#define CNA_METHOD_CAA_H

#include "cna_study.h"
#include "engine/tap.h"

/* alpha * v; all-zero is none. */
typedef struct cna_caa_shifts {
    cna_shift *items; /* ? [n] for cna_tap_add_shift, ascending by layer */
    size_t n;
    float *vectors;   /* ? [n, hidden_dim] that they point to, so they live as long as any tap made of them */
} cna_caa_shifts;

/* alpha * v[l] behind layer l: in all layers for CNA_CAA_MLP (to add to the MLP's output and to the residual stream
 * with that output is the same sum), in one for CNA_CAA_RESIDUAL. Each product is rounded once from f64 to f32.
 *   alpha  0 gives no shift at all: the untouched model's bits
 *   out    new, cleared by cna_caa_shifts_clear
 * Errors: ERR_ARG for an alpha that is not finite or makes a vector overflow; ERR_MEMORY. */
CNA_MUST_CHECK cna_status cna_caa_shifts_create(const cna_caa *caa, double alpha, cna_positions positions,
                                                cna_caa_shifts *out, cna_error *err);
void cna_caa_shifts_clear(cna_caa_shifts *shifts);

#endif
