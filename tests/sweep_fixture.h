/* SPDX-License-Identifier: MIT
 * A model of models/, prompts and a circuit, for the tests of sweeps. */
#ifndef CNA_TESTS_SWEEP_FIXTURE_H
#define CNA_TESTS_SWEEP_FIXTURE_H

#include "support.h"

#include "cna_study.h"
#include "method/circuit.h"

enum { SWEEP_PROMPTS = 6, SWEEP_TOKENS = 6 };

typedef struct sweep_fixture {
    cna_model *model;
    const cna_model_info *info;
    cna_prompts *positive, *negative, *heldout; /* SWEEP_PROMPTS each */
    cna_circuit *circuit;                       /* 20 neurons, found on the first two */
} sweep_fixture;

/* As cmocka's group functions. */
int sweep_fixture_set_up(void **state);
int sweep_fixture_tear_down(void **state);

/* The circuit off and doubled; the negative prompts as the benign side. */
cna_sweep_options sweep_fixture_options(const sweep_fixture *f, size_t n_controls);
cna_sweep *sweep_fixture_run(const sweep_fixture *f, const cna_prompts *prompts, const cna_sweep_options *options);

#endif
