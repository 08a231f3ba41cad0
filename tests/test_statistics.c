/* SPDX-License-Identifier: MIT
 * The statistics of cna_attribute: each half's circuit is the one that cna_attribute finds on its prompts, to the
 * bit; chance levels against circuits of shuffled prompts; and statistics through a circuit file. */
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "method/canonical.h"
#include "method/circuit.h"
#include "method/random.h"

enum { SIDE = 10, HALVINGS = 3, SHUFFLES = 6 };

static const char folder[] = "models/llama-planted-instruct";

typedef struct fixture {
    cna_model *model;
    cna_prompts *positive, *negative;
    cna_token_lists lists[2]; /* the same in canonical order */
} fixture;

static int set_up(void **state)
{
    static fixture f;
    cna_error err;
    const cna_format format = {0};
    assert_ok(cna_model_open(folder, NULL, &f.model, &err));
    f.positive = support_prompts("models/prompts/restricted-discovery.txt", 0, SIDE);
    f.negative = support_prompts("models/prompts/benign-discovery.txt", 0, SIDE);
    assert_ok(cna_canonical_lists(f.model, f.positive, "positive", &format, &f.lists[0], &err));
    assert_ok(cna_canonical_lists(f.model, f.negative, "negative", &format, &f.lists[1], &err));
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    for (int side = 0; side < 2; side++) cna_token_lists_free(&f->lists[side]);
    cna_prompts_free(f->positive);
    cna_prompts_free(f->negative);
    cna_model_free(f->model);
    return 0;
}

/* The row-th of all prompts in canonical order, positive ones first. */
static void add_row(const fixture *f, uint32_t row, cna_prompts *out)
{
    cna_error err;
    const cna_token_list *list = &f->lists[row / SIDE].items[row % SIDE];
    assert_ok(cna_prompts_add_ids(out, list->ids, list->n, &err));
}

static cna_circuit *attribute_rows(const fixture *f, const uint32_t *positive, size_t n_positive,
                                   const uint32_t *negative, size_t n_negative, const cna_attribute_options *options)
{
    cna_error err;
    cna_prompts *sides[2];
    cna_circuit *circuit;
    for (int side = 0; side < 2; side++) assert_ok(cna_prompts_create(&sides[side], &err));
    for (size_t i = 0; i < n_positive; i++) add_row(f, positive[i], sides[0]);
    for (size_t i = 0; i < n_negative; i++) add_row(f, negative[i], sides[1]);
    assert_ok(cna_attribute(f->model, sides[0], sides[1], options, &circuit, &err));
    for (int side = 0; side < 2; side++) cna_prompts_free(sides[side]);
    return circuit;
}

/* Universal neurons as strict as to leave out many; they are the same for every half. */
static cna_attribute_options options_of(const fixture *f, cna_score score)
{
    return (cna_attribute_options){.k = 300, .score = score, .universal_prompts = f->negative,
                                   .universal_threshold = 0.05, .universal_share = 0.5, .seed = 77};
}

static void check_halves(const fixture *f, cna_attribute_options options)
{
    cna_error err;
    cna_circuit *whole;
    double sum = 0, least = 1, most = 0;
    options.n_halvings = HALVINGS;
    uint32_t all[2 * SIDE];
    for (uint32_t i = 0; i < 2 * SIDE; i++) all[i] = i;
    whole = attribute_rows(f, all, SIDE, all + SIDE, SIDE, &options); /* of ids: the preset would add to texts */
    const cna_circuit_statistics *statistics = cna_circuit_get_statistics(whole);
    assert_true(whole->n_universal > 0);
    assert_int_equal(statistics->n_halvings, HALVINGS);
    assert_int_equal(statistics->n_shuffles, 0);
    options.n_halvings = 0;
    for (uint64_t i = 0; i < HALVINGS; i++) {
        uint32_t order[2][SIDE];
        cna_circuit *halves[2];
        cna_overlap overlap;
        for (uint32_t side = 0; side < 2; side++) {
            uint64_t state = cna_random_state(77, i, CNA_RANDOM_HALVING, side);
            cna_random_split(&state, SIDE, SIDE / 2, order[side]);
            for (size_t j = 0; j < SIDE; j++) order[side][j] += side * SIDE;
        }
        for (size_t h = 0; h < 2; h++) {
            halves[h] = attribute_rows(f, order[0] + h * SIDE / 2, SIDE / 2, order[1] + h * SIDE / 2, SIDE / 2,
                                       &options);
            assert_null(cna_circuit_get_statistics(halves[h]));
        }
        assert_ok(cna_circuit_overlap(halves[0], halves[1], &overlap, &err));
        sum += overlap.jaccard;
        least = fmin(least, overlap.jaccard);
        most = fmax(most, overlap.jaccard);
        for (size_t h = 0; h < 2; h++) cna_circuit_free(halves[h]);
    }
    const cna_stability_point *point = &statistics->points[2];
    assert_int_equal(point->k, 300);
    assert_true(point->mean == sum / HALVINGS && point->min == least && point->max == most);
    assert_true(least < most);
    cna_circuit_free(whole);
}

static void test_halves(void **state)
{
    support_skip_if_brief();
    const fixture *f = *state;
    check_halves(f, options_of(f, CNA_SCORE_D));
    check_halves(f, options_of(f, CNA_SCORE_WRITE));
    cna_attribute_options nous = options_of(f, CNA_SCORE_DELTA);
    nous.preset = CNA_PRESET_NOUS;
    nous.with_universal = true;
    check_halves(f, nous);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The largest score of each kind in a circuit of all candidates. */
static void find_largest(const cna_circuit *circuit, double out[3])
{
    for (int score = 0; score < 3; score++) {
        out[score] = 0;
        for (size_t i = 0; i < circuit->n_neurons; i++)
            out[score] = fmax(out[score], cna_neuron_score(&circuit->neurons[i], (cna_score)score));
    }
}

static void test_chance(void **state)
{
    support_skip_if_brief();
    const fixture *f = *state;
    cna_error err;
    cna_attribute_options options = options_of(f, CNA_SCORE_DELTA);
    cna_circuit *whole;
    double largest[3][SHUFFLES], own[3];
    options.k = 0;
    options.fraction = 1;
    options.n_shuffles = SHUFFLES;
    assert_ok(cna_attribute(f->model, f->positive, f->negative, &options, &whole, &err));
    assert_true(whole->n_universal > 0);
    find_largest(whole, own);
    options.n_shuffles = 0;
    for (uint64_t i = 0; i < SHUFFLES; i++) {
        uint32_t order[2 * SIDE];
        double found[3];
        uint64_t at = cna_random_state(77, i, CNA_RANDOM_SHUFFLE, 0);
        cna_random_split(&at, 2 * SIDE, SIDE, order);
        cna_circuit *shuffled = attribute_rows(f, order, SIDE, order + SIDE, SIDE, &options);
        assert_int_equal(shuffled->n_universal, whole->n_universal);
        find_largest(shuffled, found);
        for (int score = 0; score < 3; score++) largest[score][i] = found[score];
        cna_circuit_free(shuffled);
    }
    const cna_circuit_statistics *statistics = cna_circuit_get_statistics(whole);
    assert_int_equal(statistics->n_halvings, 0);
    assert_int_equal(statistics->n_candidates, whole->n_neurons);
    for (int score = 0; score < 3; score++) {
        const cna_chance_level *found = &statistics->chance[score];
        size_t n_above = 0;
        qsort(largest[score], SHUFFLES, sizeof(double), compare_doubles);
        double level = largest[score][4]; /* floor(5 * 0.95) */
        assert_true(fabs(found->level - level) <= 1e-9 * level);
        assert_true(found->largest == own[score]);
        for (size_t i = 0; i < whole->n_neurons; i++)
            n_above += cna_neuron_score(&whole->neurons[i], (cna_score)score) > level;
        assert_int_equal(found->n_above, n_above);
        assert_int_equal(found->n_circuit_above, n_above); /* the circuit is all candidates */
    }
    cna_circuit_free(whole);
}

static void test_file(void **state)
{
    const fixture *f = *state;
    cna_error err;
    cna_circuit *written, *read;
    char *scratch = support_folder_create(), *path = support_path(scratch, "c.json"), *texts[2];
    for (int which = 0; which < 4; which++) {
        const cna_attribute_options options = {.k = 9, .n_halvings = which & 1 ? 3 : 0,
                                               .n_shuffles = which & 2 ? 5 : 0, .seed = UINT64_MAX - 3};
        assert_ok(cna_attribute(f->model, f->positive, f->negative, &options, &written, &err));
        assert_ok(cna_circuit_write(written, path, CNA_CIRCUIT_CNA, &err));
        assert_ok(cna_circuit_read(path, &read, &err));
        assert_true((cna_circuit_get_statistics(read) == NULL) == (which == 0));
        assert_memory_equal(&read->statistics, &written->statistics, sizeof read->statistics);
        assert_ok(cna_circuit_to_json(written, CNA_CIRCUIT_CNA, &texts[0], &err));
        assert_ok(cna_circuit_to_json(read, CNA_CIRCUIT_CNA, &texts[1], &err));
        assert_string_equal(texts[0], texts[1]);
        assert_true((strstr(texts[0], "\"statistics\"") == NULL) == (which == 0));
        for (int i = 0; i < 2; i++) cna_free(texts[i]);
        cna_circuit_free(written);
        cna_circuit_free(read);
    }
    cna_free(path);
    support_folder_remove(scratch);
}

static void test_refused(void **state)
{
    const fixture *f = *state;
    cna_error err;
    cna_circuit *circuit = NULL;
    const cna_attribute_options all = {.fraction = 1, .n_halvings = 2}, some = {.n_halvings = 2};
    assert_int_equal(cna_attribute(f->model, f->positive, f->negative, &all, &circuit, &err), CNA_ERR_ARG);
    assert_non_null(strstr(err.text, "stability: expected a circuit of fewer than all 10240 neurons"));
    cna_prompts *one;
    assert_ok(cna_prompts_create(&one, &err));
    add_row(f, 0, one);
    assert_int_equal(cna_attribute(f->model, one, f->negative, &some, &circuit, &err), CNA_ERR_ARG);
    assert_non_null(strstr(err.text, "found 1 positive and 10 negative"));
    assert_null(circuit);
    cna_prompts_free(one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_halves), cmocka_unit_test(test_chance), cmocka_unit_test(test_file),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests_name("statistics", tests, set_up, tear_down);
}
