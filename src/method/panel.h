/* SPDX-License-Identifier: MIT
 * Some neurons' activations at the last token of every contrast prompt, in f64: what statistics over halves and
 * shuffles of the prompts work on, few enough columns at a time to stay near the cores. Panels come several at a time,
 * because threads that meet after each would wait for one another more than they work. */
#ifndef CNA_METHOD_PANEL_H
#define CNA_METHOD_PANEL_H

#include "method/circuit.h"

enum { CNA_PANEL_COLUMNS = 128, CNA_PANELS = 16 };

typedef struct cna_panel {
    double *values; /* [prompts, CNA_PANEL_COLUMNS] positive ones first; what stands in columns past
                       n_columns is finite and means nothing */
    cna_neuron_id ids[CNA_PANEL_COLUMNS];
    double norms[CNA_PANEL_COLUMNS]; /* of the neurons' columns of W_down */
    size_t n_columns;
} cna_panel;

/* sum[c] = sum over rows, in the order in which they are listed, of values[row, c], for every column.
 *   rows  [n_rows]
 *   sum   [CNA_PANEL_COLUMNS] */
void cna_panel_sum(const double *values, const uint32_t *rows, size_t n_rows, double *sum);
/* sum[c] = sum over rows of (values[row, c] - mean[c])^2 likewise. */
void cna_panel_squares(const double *values, const uint32_t *rows, size_t n_rows, const double *mean, double *sum);

#endif
