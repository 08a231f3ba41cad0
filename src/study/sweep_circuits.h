/* SPDX-License-Identifier: MIT
 * The circuits that a sweep scales: as they were given, cut to each k of the k-list, and under cross-fit found anew
 * without each fold. No engine. */
#ifndef CNA_STUDY_SWEEP_CIRCUITS_H
#define CNA_STUDY_SWEEP_CIRCUITS_H

#include "cna_study.h"
#include "method/circuit.h"

/* A variant is what the prompts of one fold are run with; 0, the circuits as given, is everybody else's. A cut is one k
 * of the k-list; without one there is a single cut, the whole circuits. */
typedef struct cna_sweep_circuits {
    size_t n_circuits, n_cuts, n_variants;
    const cna_circuit **given;   /* [n_variants, n_circuits] uncut */
    const cna_circuit **sets;    /* [n_variants, n_cuts, n_circuits] */
    cna_circuit **owned;         /* [n_owned] cuts, and circuits of folds */
    size_t n_owned, given_capacity, sets_capacity, owned_capacity;
    size_t *cuts;                /* [n_cuts] neurons of the first circuit; 0: all */
    char **names;                /* [n_circuits] of the circuits as given, no two the same */
    char **cut_names;            /* [n_cuts] of the first circuit under each cut; names[0] for the whole */
} cna_sweep_circuits;

/* The circuits as given and their cuts, as variant 0. On failure `out` is to be cleared all the same.
 * Errors: ERR_ARG for a k of 0, past the first circuit's neurons, or without a circuit. */
CNA_MUST_CHECK cna_status cna_sweep_circuits_make(const cna_sweep_options *options, cna_sweep_circuits *out,
                                                  cna_error *err);

/* Add a variant in which the first circuit, the only one, is another. Takes the circuit, also on failure.
 * Errors: ERR_MISMATCH where it has fewer neurons than a cut. */
CNA_MUST_CHECK cna_status cna_sweep_circuits_add(cna_sweep_circuits *circuits, cna_circuit *other, cna_error *err);

/* The circuits of one variant under one cut: [n_circuits]. */
const cna_circuit *const *cna_sweep_circuits_set(const cna_sweep_circuits *circuits, size_t variant, size_t cut);

void cna_sweep_circuits_clear(cna_sweep_circuits *circuits);

#endif
