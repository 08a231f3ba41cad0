/* SPDX-License-Identifier: MIT
 * What the tests of sweeps share. */
#include "sweep_fixture.h"

int sweep_fixture_set_up(void **state)
{
    static sweep_fixture f;
    cna_error err;
    const cna_attribute_options options = {.k = 20};
    assert_ok(cna_model_open("models/llama-planted-instruct", NULL, &f.model, &err));
    f.info = cna_model_get_info(f.model);
    f.positive = support_prompts("models/prompts/restricted-discovery.txt", 0, SWEEP_PROMPTS);
    f.negative = support_prompts("models/prompts/benign-discovery.txt", 0, SWEEP_PROMPTS);
    f.heldout = support_prompts("models/prompts/restricted-discovery.txt", SWEEP_PROMPTS, SWEEP_PROMPTS);
    assert_ok(cna_attribute(f.model, f.positive, f.negative, &options, &f.circuit, &err));
    *state = &f;
    return 0;
}

int sweep_fixture_tear_down(void **state)
{
    sweep_fixture *f = *state;
    cna_circuit_free(f->circuit);
    cna_prompts_free(f->positive);
    cna_prompts_free(f->negative);
    cna_prompts_free(f->heldout);
    cna_model_free(f->model);
    return 0;
}

cna_sweep_options sweep_fixture_options(const sweep_fixture *f, size_t n_controls)
{
    static const double off_and_double[] = {0, 2};
    static const cna_numbers multipliers = {off_and_double, 2};
    return (cna_sweep_options){.circuits = (const cna_circuit *const *)&f->circuit,
                               .n_circuits = 1,
                               .multipliers = &multipliers,
                               .n_multipliers = 1,
                               .benign = f->negative,
                               .no_controls = n_controls == 0,
                               .n_controls = n_controls,
                               .max_tokens = SWEEP_TOKENS};
}

cna_sweep *sweep_fixture_run(const sweep_fixture *f, const cna_prompts *prompts, const cna_sweep_options *options)
{
    cna_error err;
    cna_sweep *out;
    assert_ok(cna_sweep_run(f->model, prompts, options, &out, &err));
    return out;
}
