/* SPDX-License-Identifier: MIT
 * What a sweep does to the model, one condition after the other: the untouched model, circuits at multipliers, vectors
 * at alphas, random circuits. From options alone; no model. */
#ifndef CNA_STUDY_SWEEP_CONDITIONS_H
#define CNA_STUDY_SWEEP_CONDITIONS_H

#include "study/run.h"
#include "study/sweep_circuits.h"

typedef struct cna_sweep_condition {
    cna_run_condition row;     /* as the run keeps it; its strings and lists are the list's and the circuits' */
    int64_t id;                /* in the run, once it is there */
    size_t cut;                /* cna, control: of the circuits */
    const double *multipliers; /* cna, control: [n_circuits] */
} cna_sweep_condition;

/* All-zero is none; freed by cna_sweep_conditions_clear. Order: cna by cut, then by multiplier, the first circuit's
 * slowest; caa by alpha; control by kind, seed, cut, multiplier. The untouched model stands where all multipliers are
 * 1 in a single list, which has 1 put before the first greater one where it is missing; else it goes first. */
typedef struct cna_sweep_conditions {
    cna_sweep_condition *items; /* [n] */
    size_t n, capacity;
    double *grid;               /* [n_points, n_circuits] multipliers; all 1 for the untouched model */
    size_t n_points, n_circuits;
    bool is_single;             /* one list for all circuits */
    char **labels;              /* [n_cuts] names of the circuits under a cut, with " + " between */
    size_t *n_scaled;           /* [n_cuts] neurons that the circuits scale */
    size_t n_cuts;
    size_t n_seeds;             /* of each kind of control */
    size_t none;                /* where the untouched model stands */
} cna_sweep_conditions;

/* Lay out the conditions.
 *   layer  what row.layer of CAA is to say: the layer of the only vector, else -1
 * Errors: ERR_ARG for lists that do not fit the circuits, numbers that are not finite as f32, neither circuit nor
 *         alpha, or a sign on a circuit without deltas. */
CNA_MUST_CHECK cna_status cna_sweep_conditions_make(const cna_sweep_options *options,
                                                    const cna_sweep_circuits *circuits,
                                                    int64_t layer, cna_sweep_conditions *out, cna_error *err);
void cna_sweep_conditions_clear(cna_sweep_conditions *conditions);

/* The neurons that circuits scale together: each once, sorted, after the sign filter.
 *   circuits  [n]
 *   out       new array of *out_n, freed by cna_free */
CNA_MUST_CHECK cna_status cna_sweep_targets(const cna_circuit *const *circuits, size_t n, cna_sign sign,
                                            cna_neuron_id **out, size_t *out_n, cna_error *err);

/* Where the vectors of CAA are measured, whether they are found or given. */
cna_caa_site cna_sweep_caa_site(const cna_sweep_options *options);

/* "uniform" and "matched", by cna_control_kind. */
extern const char *const cna_control_kind_names[];

#endif
