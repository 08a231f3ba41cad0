/* SPDX-License-Identifier: MIT
 * cna_attribute on a small model of models/: promises that hold whatever its weights are. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "method/circuit.h"

static const char folder[] = "models/llama-planted-instruct";
enum { N_PROMPTS = 6 };

typedef struct fixture {
    cna_model *model;
    const cna_model_info *info;
    cna_prompts *positive, *negative, *positive_reversed;
} fixture;

static cna_prompts *reversed(const cna_prompts *prompts)
{
    cna_error err;
    cna_prompts *out;
    assert_ok(cna_prompts_create(&out, &err));
    for (size_t i = cna_prompts_count(prompts); i-- > 0;) {
        size_t n_bytes;
        const char *text = cna_prompts_text(prompts, i, &n_bytes);
        assert_ok(cna_prompts_add_text(out, text, n_bytes, &err));
    }
    return out;
}

static int set_up(void **state)
{
    static fixture f;
    cna_error err;
    assert_ok(cna_model_open(folder, NULL, &f.model, &err));
    f.info = cna_model_get_info(f.model);
    f.positive = support_prompts("models/prompts/restricted-discovery.txt", 0, N_PROMPTS);
    f.positive_reversed = reversed(f.positive);
    f.negative = support_prompts("models/prompts/benign-discovery.txt", 0, N_PROMPTS);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    cna_prompts_free(f->positive);
    cna_prompts_free(f->positive_reversed);
    cna_prompts_free(f->negative);
    cna_model_free(f->model);
    return 0;
}

static cna_circuit *attribute(const fixture *f, const cna_prompts *positive,
                              const cna_attribute_options *options)
{
    cna_error err;
    cna_circuit *circuit;
    assert_ok(cna_attribute(f->model, positive, f->negative, options, &circuit, &err));
    return circuit;
}

static void test_prompt_order(void **state)
{
    const fixture *f = *state;
    const cna_attribute_options options = {.fraction = 1};
    cna_circuit *a = attribute(f, f->positive, &options);
    cna_circuit *b = attribute(f, f->positive_reversed, &options);
    assert_int_equal(a->n_neurons, (size_t)f->info->n_layers * f->info->mlp_dim - a->n_universal);
    assert_int_equal(a->n_neurons, b->n_neurons);
    assert_memory_equal(a->neurons, b->neurons, a->n_neurons * sizeof *a->neurons);
    for (size_t i = 0; i < N_PROMPTS; i++) {
        assert_string_equal(a->positive[i].hex,
                            b->positive[N_PROMPTS - 1 - i].hex); /* these are in the file's order */
    }
    cna_circuit_free(a);
    cna_circuit_free(b);
}

static void test_info(void **state)
{
    const fixture *f = *state;
    cna_circuit *circuit = attribute(f, f->positive, NULL);
    const cna_circuit_info *info = cna_circuit_get_info(circuit);
    assert_string_equal(info->fingerprint, f->info->fingerprint);
    assert_int_equal(info->n_layers, f->info->n_layers);
    assert_int_equal(info->mlp_dim, f->info->mlp_dim);
    assert_string_equal(info->universal_source, "builtin");
    assert_string_equal(info->prompt_format, "chat");
    assert_true(info->fraction == 0.001);
    assert_int_equal(info->last_layer, f->info->n_layers - 1);
    assert_int_equal(circuit->n_neurons, f->info->n_layers * f->info->mlp_dim / 1000);
    char warning[200];
    cna_error err;
    assert_ok(cna_circuit_check(circuit, f->model, warning, sizeof warning, &err));
    assert_string_equal(warning, "");
    circuit->info.fingerprint[0] ^= 1;
    assert_ok(cna_circuit_check(circuit, f->model, warning, sizeof warning, &err));
    assert_non_null(strstr(warning, "other weights"));
    cna_circuit_free(circuit);
}

/* Every circuit of one pass over several rankings is the one that its own pass gives. */
static void test_rankings(void **state)
{
    const fixture *f = *state;
    static const cna_ranking rankings[] = {
        {CNA_SCORE_DELTA, false}, {CNA_SCORE_D, false}, {CNA_SCORE_WRITE, false}, {CNA_SCORE_DELTA, true}};
    enum { N_RANKINGS = sizeof rankings / sizeof rankings[0] };
    cna_error err;
    cna_circuit *together[N_RANKINGS];
    cna_attribute_options options = {.k = 24, .score = CNA_SCORE_D};
    assert_ok(cna_attribute_rankings(f->model, f->positive, f->negative, &options, rankings, N_RANKINGS, together,
                                     &err));
    for (size_t i = 0; i < N_RANKINGS; i++) {
        char *json_alone, *json_together;
        options.score = rankings[i].score;
        options.per_layer = rankings[i].per_layer;
        cna_circuit *alone = attribute(f, f->positive, &options);
        assert_ok(cna_circuit_to_json(alone, CNA_CIRCUIT_CNA, &json_alone, &err));
        assert_ok(cna_circuit_to_json(together[i], CNA_CIRCUIT_CNA, &json_together, &err));
        assert_string_equal(json_alone, json_together);
        cna_free(json_alone);
        cna_free(json_together);
        cna_circuit_free(alone);
        cna_circuit_free(together[i]);
    }
    /* All or none: as many as are not universal, which lie in few layers, cannot be had as a quota of each. */
    const cna_ranking last[] = {{CNA_SCORE_DELTA, false}, {CNA_SCORE_DELTA, true}};
    cna_attribute_options most = {.fraction = 1, .universal_threshold = 0.02, .universal_share = 0.5};
    cna_circuit *none[2] = {NULL, NULL}, *every = attribute(f, f->positive, &most);
    most.k = every->n_neurons;
    most.fraction = 0;
    cna_circuit_free(every);
    assert_int_equal(cna_attribute_rankings(f->model, f->positive, f->negative, &most, last, 2, none, &err),
                     CNA_ERR_ARG);
    assert_true(none[0] == NULL && none[1] == NULL);
    assert_int_equal(cna_attribute_rankings(f->model, f->positive, f->negative, &most, last, 0, none, &err),
                     CNA_ERR_ARG);
}

static void test_presets_and_universal(void **state)
{
    support_skip_if_brief();
    const fixture *f = *state;
    const cna_attribute_options nous = {.preset = CNA_PRESET_NOUS};
    cna_circuit *circuit = attribute(f, f->positive, &nous);
    assert_int_equal(circuit->n_neurons, 200);
    assert_string_equal(circuit->info.universal_source, "none");
    assert_int_equal(circuit->info.first_layer, 2);
    for (size_t i = 0; i < 200; i++) assert_true(circuit->neurons[i].layer >= 2);
    cna_circuit_free(circuit);
    /* Every neuron among the first half in half of the prompts: many are, and none of them is chosen. */
    const cna_attribute_options strict = {.k = 50,
                                          .universal_prompts = f->negative,
                                          .universal_name = "a/b.txt",
                                          .universal_threshold = 0.5,
                                          .universal_share = 0.5};
    circuit = attribute(f, f->positive, &strict);
    assert_true(circuit->n_universal > 1000);
    assert_int_equal(circuit->info.n_universal, circuit->n_universal);
    assert_memory_equal(circuit->info.universal_source, "file:", 5);
    assert_string_equal(circuit->info.universal_source + 5 + 64, " b.txt");
    for (size_t i = 0; i < circuit->n_neurons; i++) {
        for (size_t j = 0; j < circuit->n_universal; j++) {
            assert_false(circuit->neurons[i].layer == circuit->universal[j].layer &&
                         circuit->neurons[i].neuron == circuit->universal[j].neuron);
        }
    }
    cna_circuit_free(circuit);
}

static void test_refused_options(void **state)
{
    const fixture *f = *state;
    const cna_attribute_options bad[] = {
        {.k = 3, .fraction = 0.1},
        {.fraction = 1.5},
        {.fraction = -1},
        {.k = 100000000},
        {.choose_layers = true, .first_layer = 2, .last_layer = 1},
        {.choose_layers = true, .first_layer = 0, .last_layer = 99},
        {.no_universal = true, .with_universal = true},
        {.universal_share = 2},
        {.universal_threshold = -1},
        {.format = {.date = "yesterday"}},
    };
    cna_error err;
    cna_circuit *circuit = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        err.text[0] = '\0';
        assert_int_equal(cna_attribute(f->model, f->positive, f->negative, &bad[i], &circuit, &err),
                         CNA_ERR_ARG);
        assert_true(err.text[0] != '\0');
        assert_null(circuit);
    }
    cna_prompts *none;
    assert_ok(cna_prompts_create(&none, &err));
    assert_int_equal(cna_attribute(f->model, none, f->negative, NULL, &circuit, &err), CNA_ERR_ARG);
    assert_string_equal(err.text, "positive prompts: expected at least one, found none");
    cna_prompts_free(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prompt_order),
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_rankings),
        cmocka_unit_test(test_presets_and_universal),
        cmocka_unit_test(test_refused_options),
    };
    return cmocka_run_group_tests_name("attribute", tests, set_up, tear_down);
}
