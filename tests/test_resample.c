/* SPDX-License-Identifier: MIT
 * Stability and chance levels against slow direct computations: every half's and shuffle's contrast by itself, all
 * neurons sorted. What they draw is taken from cna_random_split, which tests/test_random.c holds to its word. */
#include "support.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "method/contrast.h"
#include "method/random.h"
#include "method/resample.h"
#include "numbers.h"
#include "tensor/dtype.h"

enum { LAYERS = 5, DIM = 277, NEURONS = LAYERS * DIM, PROMPTS_MAX = 30, DIVERSE = 10, HALVINGS = 12, SHUFFLES = 60 };

#define THRESHOLD 0.01 /* K = 13 of the neurons */
#define SHARE 0.8

typedef struct setting {
    size_t n_positive, n_negative, k;
    cna_score score;
    bool per_layer, bf16_means, no_universal;
    uint32_t first_layer, last_layer;
} setting;

/* Activations of all layers, universal neurons and everything else that the code under test is given. */
typedef struct data {
    float h[LAYERS][PROMPTS_MAX * DIM];       /* [prompts, DIM] */
    float diverse[LAYERS][DIVERSE * DIM];
    double norms[LAYERS][DIM];
    bool universal[NEURONS];
    cna_neuron_id universal_ids[NEURONS];
    size_t n_universal;
} data;

static bool is_candidate(const data *d, const setting *s, size_t neuron)
{
    uint32_t layer = (uint32_t)(neuron / DIM);
    return layer >= s->first_layer && layer <= s->last_layer && !d->universal[neuron];
}

/* A few neurons tell the sides apart. Of the diverse prompts each layer is larger than the one before, so that early
 * layers' neurons are possible for a while; three neurons of early layers stay universal, and have the largest
 * differences of all. */
static void make_data(const setting *s, uint64_t seed, data *d)
{
    numbers random = {seed};
    size_t n = s->n_positive + s->n_negative;
    memset(d, 0, sizeof *d);
    for (uint32_t layer = 0; layer < LAYERS; layer++) {
        numbers_fill(&random, d->h[layer], n * DIM, 1);
        numbers_fill(&random, d->diverse[layer], DIVERSE * DIM, 0.5 * (layer + 1));
        for (uint32_t j = 0; j < DIM; j++) {
            d->norms[layer][j] = 0.5 + numbers_uniform(&random);
            bool universal = !s->no_universal && layer < 2 && j % 100 == 3;
            float step = universal ? 50 : j % 9 == 0 ? 2 : 0;
            for (size_t row = 0; row < s->n_positive; row++) d->h[layer][row * DIM + j] += step;
            for (size_t row = 0; row < DIVERSE && universal; row++) d->diverse[layer][row * DIM + j] = 100;
            for (size_t row = 0; row < DIVERSE && layer == 0; row++) /* exceeded by later layers */
                if (j % 70 == 5) d->diverse[layer][row * DIM + j] = 1.5f;
            for (size_t row = 0; row < n && j == 7; row++) d->h[layer][row * DIM + j] = 0; /* dead */
        }
    }
    for (size_t i = 0; !s->no_universal && i < NEURONS; i++) {
        if (i / DIM >= 2 || i % DIM % 100 != 3) continue;
        d->universal[i] = true;
        if (i / DIM >= s->first_layer && i / DIM <= s->last_layer)
            d->universal_ids[d->n_universal++] = (cna_neuron_id){(uint32_t)(i / DIM), (uint32_t)(i % DIM)};
    }
}

static double value_of(const data *d, const setting *s, size_t row, size_t neuron)
{
    float value = d->h[neuron / DIM][row * DIM + neuron % DIM];
    return s->bf16_means ? (double)numbers_round_bf16(value) : (double)value;
}

static double bf16_if(const setting *s, double value)
{
    return s->bf16_means ? (double)numbers_round_bf16((float)value) : value;
}

/* |score| of a neuron between two sets of rows, by the definitions. */
static double score_of(const data *d, const setting *s, size_t neuron, const uint32_t *a, size_t n_a, const uint32_t *b,
                       size_t n_b, cna_score score)
{
    const uint32_t *rows[] = {a, b};
    size_t n[] = {n_a, n_b};
    double mean[2] = {0}, squares = 0;
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < n[side]; i++) mean[side] += value_of(d, s, rows[side][i], neuron);
        mean[side] /= (double)n[side];
        for (size_t i = 0; i < n[side]; i++) {
            double distance = value_of(d, s, rows[side][i], neuron) - mean[side];
            squares += distance * distance;
        }
    }
    double delta = fabs(bf16_if(s, bf16_if(s, mean[0]) - bf16_if(s, mean[1])));
    double freedom = (double)(n_a + n_b) - 2, deviation = freedom > 0 ? sqrt(squares / freedom) : 0;
    if (score == CNA_SCORE_WRITE) return delta * d->norms[neuron / DIM][neuron % DIM];
    if (score == CNA_SCORE_D) return deviation > 0 ? delta / deviation : 0;
    return delta;
}

/* ---- stability ---- */

typedef struct scored {
    double score;
    size_t neuron;
} scored;

static int compare_scored(const void *a, const void *b)
{
    const scored *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return (x->neuron > y->neuron) - (x->neuron < y->neuron);
}

/* in[neuron]: among the k best of the candidates, of each layer with a quota. Returns whether there are so many. */
static bool half_circuit(const data *d, const setting *s, const uint32_t *positive, size_t n_positive,
                         const uint32_t *negative, size_t n_negative, size_t k, bool *in)
{
    scored all[NEURONS];
    size_t n = 0, taken[LAYERS] = {0}, n_taken = 0;
    for (size_t i = 0; i < NEURONS; i++) {
        in[i] = false;
        if (!is_candidate(d, s, i)) continue;
        all[n++] = (scored){score_of(d, s, i, positive, n_positive, negative, n_negative, s->score), i};
    }
    qsort(all, n, sizeof *all, compare_scored);
    for (size_t i = 0; i < n; i++) {
        size_t *quota = s->per_layer ? &taken[all[i].neuron / DIM] : &taken[0];
        if (*quota == k) continue;
        (*quota)++;
        in[all[i].neuron] = true;
        n_taken++;
    }
    return n_taken == (s->per_layer ? k * (s->last_layer - s->first_layer + 1) : k);
}

/* Jaccards of every halving; false where there are no k candidates. */
static bool expect_jaccards(const data *d, const setting *s, uint64_t seed, size_t k, double out[HALVINGS])
{
    for (size_t i = 0; i < HALVINGS; i++) {
        uint32_t p[PROMPTS_MAX], q[PROMPTS_MAX];
        bool a[NEURONS], b[NEURONS];
        size_t n_common = 0, n_any = 0, half_p = s->n_positive / 2, half_q = s->n_negative / 2;
        uint64_t state = cna_random_state(seed, i, CNA_RANDOM_HALVING, 0);
        cna_random_split(&state, s->n_positive, half_p, p);
        state = cna_random_state(seed, i, CNA_RANDOM_HALVING, 1);
        cna_random_split(&state, s->n_negative, half_q, q);
        for (size_t j = 0; j < s->n_negative; j++) q[j] += (uint32_t)s->n_positive;
        if (!half_circuit(d, s, p, half_p, q, half_q, k, a)) return false;
        if (!half_circuit(d, s, p + half_p, s->n_positive - half_p, q + half_q, s->n_negative - half_q, k, b))
            return false;
        for (size_t j = 0; j < NEURONS; j++) {
            n_common += a[j] && b[j];
            n_any += a[j] || b[j];
        }
        out[i] = (double)n_common / (double)n_any;
    }
    return true;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void check_stability(const data *d, const setting *s, uint64_t seed, const cna_circuit_statistics *found)
{
    const size_t sizes[] = {s->k / 4, s->k / 2, s->k, 2 * s->k, 4 * s->k};
    size_t n_groups = s->per_layer ? s->last_layer - s->first_layer + 1 : 1, at = 0;
    assert_int_equal(found->n_halvings, HALVINGS);
    for (size_t i = 0; i < 5; i++) {
        double values[HALVINGS], sum = 0;
        if (sizes[i] == 0 || (i > 0 && sizes[i] == sizes[i - 1])) continue;
        if (!expect_jaccards(d, s, seed, sizes[i], values)) continue;
        assert_true(at < found->n_points);
        const cna_stability_point *point = &found->points[at++];
        assert_int_equal(point->k, sizes[i] * n_groups);
        for (size_t j = 0; j < HALVINGS; j++) sum += values[j];
        assert_true(fabs(point->mean - sum / HALVINGS) < 1e-15);
        qsort(values, HALVINGS, sizeof *values, compare_doubles);
        assert_true(point->min == values[0] && point->max == values[HALVINGS - 1]);
        assert_true(point->p5 == values[0] && point->p25 == values[2] && point->p50 == values[5]); /* of 11 * p */
        assert_true(point->p75 == values[8] && point->p95 == values[10]);
    }
    assert_int_equal(at, found->n_points);
    assert_true(at >= 3);
}

/* ---- chance ---- */

static void check_chance(const data *d, const setting *s, uint64_t seed, const cna_circuit *circuit)
{
    size_t n = s->n_positive + s->n_negative, n_candidates = 0;
    double largest[3][SHUFFLES] = {{0}};
    uint32_t order[PROMPTS_MAX];
    for (size_t i = 0; i < NEURONS; i++) n_candidates += is_candidate(d, s, i);
    assert_int_equal(circuit->statistics.n_shuffles, SHUFFLES);
    assert_int_equal(circuit->statistics.n_candidates, n_candidates);
    for (int score = 0; score < 3; score++) {
        const cna_chance_level *found = &circuit->statistics.chance[score];
        for (size_t i = 0; i < SHUFFLES; i++) {
            uint64_t state = cna_random_state(seed, i, CNA_RANDOM_SHUFFLE, 0);
            cna_random_split(&state, n, s->n_positive, order);
            for (size_t j = 0; j < NEURONS; j++) {
                if (!is_candidate(d, s, j)) continue;
                double value = score_of(d, s, j, order, s->n_positive, order + s->n_positive, s->n_negative,
                                        (cna_score)score);
                largest[score][i] = fmax(largest[score][i], value);
            }
        }
        qsort(largest[score], SHUFFLES, sizeof(double), compare_doubles);
        double level = largest[score][56]; /* floor(59 * 0.95) */
        if (!(fabs(found->level - level) <= 1e-9 * level)) fail_msg("found %.17g, expected %.17g", found->level, level);
        size_t n_above = 0, n_circuit = 0;
        double best = 0;
        for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
        for (size_t j = 0; j < NEURONS; j++) {
            if (!is_candidate(d, s, j)) continue;
            double own = score_of(d, s, j, order, s->n_positive, order + s->n_positive, s->n_negative,
                                  (cna_score)score);
            n_above += own > level;
            for (size_t c = 0; c < circuit->n_neurons; c++)
                n_circuit += own > level && circuit->neurons[c].layer * DIM + circuit->neurons[c].neuron == j;
            best = fmax(best, own);
        }
        assert_int_equal(found->n_above, n_above);
        assert_int_equal(found->n_circuit_above, n_circuit);
        assert_true(fabs(found->largest - best) <= 1e-12 * best);
        assert_true((n_above > 0 || n < 10) && n_above < n_candidates);
    }
}

/* ---- running the code under test ---- */

static cna_status run(const data *d, const setting *s, uint64_t seed, size_t n_halvings, size_t n_shuffles,
                      cna_circuit *circuit, cna_error *err)
{
    uint32_t n_layers = s->last_layer - s->first_layer + 1;
    const cna_stability_plan plan = {
        .n_halvings = n_halvings, .seed = seed, .n_positive = s->n_positive, .n_negative = s->n_negative,
        .score = s->score, .bf16_means = s->bf16_means, .k = s->k, .per_layer = s->per_layer,
        .first_layer = s->first_layer, .n_layers = n_layers, .mlp_dim = DIM,
    };
    cna_resample *resample = NULL;
    cna_universal *universal = NULL;
    cna_neuron *neurons = NULL;
    cna_neuron_id *ids = NULL;
    size_t n_found = 0;
    cna_status status;
    CNA_TRY_CLEANUP(cna_alloc(&neurons, NEURONS, sizeof *neurons, "test", err));
    if (!s->no_universal) CNA_TRY_CLEANUP(cna_universal_create(DIVERSE, LAYERS, DIM, THRESHOLD, &universal, err));
    CNA_TRY_CLEANUP(cna_resample_create(&plan, n_shuffles, &resample, err));
    for (uint32_t layer = 0; layer < LAYERS; layer++) {
        bool chosen = layer >= s->first_layer && layer <= s->last_layer;
        if (universal != NULL) CNA_TRY_CLEANUP(cna_universal_add_layer(universal, layer, d->diverse[layer], err));
        if (chosen) {
            CNA_TRY_CLEANUP(cna_contrast_layer(d->h[layer], s->n_positive, s->n_negative, DIM, d->norms[layer],
                                               s->bf16_means, layer, neurons + (layer - s->first_layer) * DIM, err));
        }
        CNA_TRY_CLEANUP(cna_resample_layer(resample, layer, chosen ? d->h[layer] : NULL, d->norms[layer], universal,
                                           SHARE, err));
    }
    if (universal != NULL) {
        CNA_TRY_CLEANUP(cna_universal_find(universal, SHARE, &ids, &n_found, err));
        assert_int_equal(n_found, 6);
    }
    circuit->universal = (cna_neuron_id *)(uintptr_t)d->universal_ids;
    circuit->n_universal = d->n_universal;
    memcpy(circuit->neurons, neurons + (n_layers - 1) * DIM, DIM * sizeof *neurons); /* any will do: the last layer */
    circuit->n_neurons = DIM;
    CNA_TRY_CLEANUP(cna_resample_finish(resample, neurons, (size_t)n_layers * DIM, circuit, err));
cleanup:
    cna_resample_free(resample);
    cna_universal_free(universal);
    cna_free(neurons);
    cna_free(ids);
    return status;
}

static const setting settings[] = {
    {.n_positive = 12, .n_negative = 9, .k = 16, .last_layer = LAYERS - 1},
    {.n_positive = 7, .n_negative = 20, .k = 9, .score = CNA_SCORE_D, .last_layer = LAYERS - 1},
    {.n_positive = 15, .n_negative = 15, .k = 30, .score = CNA_SCORE_WRITE, .first_layer = 1, .last_layer = 3},
    {.n_positive = 8, .n_negative = 8, .k = 5, .per_layer = true, .last_layer = LAYERS - 1},
    {.n_positive = 10, .n_negative = 10, .k = 20, .bf16_means = true, .first_layer = 2, .last_layer = LAYERS - 1},
    {.n_positive = 10, .n_negative = 7, .k = 6, .score = CNA_SCORE_D, .bf16_means = true, .last_layer = LAYERS - 1},
    {.n_positive = 9, .n_negative = 13, .k = 60, .no_universal = true, .last_layer = LAYERS - 1},
    {.n_positive = 2, .n_negative = 2, .k = 4, .last_layer = LAYERS - 1},
};
enum { N_SETTINGS = sizeof settings / sizeof *settings };

static void test_by_brute_force(void **state)
{
    (void)state;
    static data d;
    cna_neuron neurons[DIM];
    for (size_t i = 0; i < N_SETTINGS; i++) {
        cna_error err;
        cna_circuit circuit = {.neurons = neurons};
        make_data(&settings[i], i + 1, &d);
        assert_ok(run(&d, &settings[i], 40 + i, HALVINGS, SHUFFLES, &circuit, &err));
        assert_true(circuit.statistics.seed == 40 + i);
        check_stability(&d, &settings[i], 40 + i, &circuit.statistics);
        check_chance(&d, &settings[i], 40 + i, &circuit);
    }
}

/* One without the other, other threads, another seed. */
static void test_what_changes_nothing(void **state)
{
    (void)state;
    static data d;
    cna_error err;
    cna_neuron neurons[DIM];
    cna_circuit first = {.neurons = neurons}, other = {.neurons = neurons};
    make_data(&settings[0], 3, &d);
    int n_threads = omp_get_max_threads();
    omp_set_num_threads(1);
    assert_ok(run(&d, &settings[0], 5, HALVINGS, SHUFFLES, &first, &err));
    for (int n = 2; n <= 5; n++) {
        omp_set_num_threads(n);
        assert_ok(run(&d, &settings[0], 5, HALVINGS, SHUFFLES, &other, &err));
        assert_memory_equal(&first.statistics, &other.statistics, sizeof first.statistics);
    }
    omp_set_num_threads(n_threads);
    assert_ok(run(&d, &settings[0], 5, HALVINGS, 0, &other, &err));
    assert_memory_equal(first.statistics.points, other.statistics.points, sizeof first.statistics.points);
    assert_int_equal(other.statistics.n_shuffles, 0);
    assert_ok(run(&d, &settings[0], 5, 0, SHUFFLES, &other, &err));
    assert_memory_equal(first.statistics.chance, other.statistics.chance, sizeof first.statistics.chance);
    assert_int_equal(other.statistics.n_halvings, 0);
    assert_ok(run(&d, &settings[0], 6, HALVINGS, SHUFFLES, &other, &err));
    assert_true(first.statistics.chance[0].level != other.statistics.chance[0].level);
    assert_true(first.statistics.points[2].mean != other.statistics.points[2].mean);
}

/* The same columns as one wide layer, which takes more than one round of panels, and as four: the same statistics. */
static void test_wide_layers(void **state)
{
    (void)state;
    enum { WIDE = 2400, ROWS = 9 };
    cna_error err;
    cna_neuron neurons[1] = {{0}};
    static float h[ROWS * WIDE], part[ROWS * WIDE];
    static double norms[WIDE];
    numbers random = {8};
    numbers_fill(&random, h, ROWS * WIDE, 1);
    for (size_t j = 0; j < WIDE; j++) norms[j] = numbers_uniform(&random);
    cna_circuit circuits[2] = {{.n_neurons = 0}, {.n_neurons = 0}};
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t n_layers = i == 0 ? 1 : 4, dim = WIDE / n_layers;
        const cna_stability_plan plan = {.n_halvings = HALVINGS, .n_positive = 5, .n_negative = ROWS - 5, .k = 50,
                                         .n_layers = n_layers, .mlp_dim = dim};
        cna_resample *resample;
        assert_ok(cna_resample_create(&plan, SHUFFLES, &resample, &err));
        for (uint32_t layer = 0; layer < n_layers; layer++) {
            for (size_t row = 0; row < ROWS; row++)
                memcpy(part + row * dim, h + row * WIDE + layer * dim, dim * sizeof *part);
            assert_ok(cna_resample_layer(resample, layer, part, norms + layer * dim, NULL, 0, &err));
        }
        assert_ok(cna_resample_finish(resample, neurons, 1, &circuits[i], &err));
        cna_resample_free(resample);
    }
    assert_memory_equal(&circuits[0].statistics, &circuits[1].statistics, sizeof circuits[0].statistics);
    assert_true(circuits[0].statistics.chance[0].level > 1);
}

static void test_refused(void **state)
{
    (void)state;
    cna_error err;
    cna_resample *out = NULL;
    cna_stability_plan plan = {.n_halvings = 1, .n_positive = 1, .n_negative = 5, .k = 3, .n_layers = 2, .mlp_dim = 9};
    assert_int_equal(cna_resample_create(&plan, 0, &out, &err), CNA_ERR_ARG);
    assert_string_equal(err.text, "stability: expected two prompts a side or more, found 1 positive and 5 negative");
    plan.n_positive = 2;
    plan.k = 18;
    assert_int_equal(cna_resample_create(&plan, 0, &out, &err), CNA_ERR_ARG);
    plan.k = 9;
    plan.per_layer = true;
    assert_int_equal(cna_resample_create(&plan, 0, &out, &err), CNA_ERR_ARG);
    assert_null(out);
    plan.n_halvings = 0;
    assert_ok(cna_resample_create(&plan, 3, &out, &err));
    cna_resample_free(out);
    cna_resample_free(NULL);
}

typedef struct call {
    const data *d;
    cna_circuit circuit;
} call;

static cna_status run_call(void *user, cna_error *err)
{
    call *c = user;
    return run(c->d, &settings[0], 1, 2, 2, &c->circuit, err);
}

static void test_memory_failures(void **state)
{
    (void)state;
    static data d;
    cna_neuron neurons[DIM];
    make_data(&settings[0], 1, &d);
    call c = {&d, {.neurons = neurons}};
    support_fail_allocations(run_call, &c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_brute_force),
        cmocka_unit_test(test_what_changes_nothing),
        cmocka_unit_test(test_wide_layers),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_memory_failures),
    };
    return cmocka_run_group_tests_name("resample", tests, NULL, NULL);
}
