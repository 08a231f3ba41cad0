/* SPDX-License-Identifier: MIT
 * A sweep's conditions from its options, and its figures from the rows of a run. No model. */
#include "support.h"

#include <math.h>
#include <string.h>

#include "study/sweep_conditions.h"
#include "study/sweep_points.h"

#define N(array) (sizeof(array) / sizeof *(array))

/* ---- conditions ---- */

/* A circuit of n neurons in layer 0, from first_neuron on, with scores falling. */
static cna_circuit *make_circuit(uint32_t first_neuron, size_t n)
{
    cna_error err;
    cna_circuit *circuit;
    assert_ok(cna_circuit_create(&circuit, &err));
    assert_ok(cna_alloc(&circuit->neurons, n, sizeof *circuit->neurons, "test", &err));
    circuit->n_neurons = n;
    circuit->info.has_delta = true;
    for (size_t i = 0; i < n; i++) {
        circuit->neurons[i] = (cna_neuron){.neuron = first_neuron + (uint32_t)i,
                                           .delta = (i % 2 ? -1.0 : 1.0) / (double)(i + 1)};
    }
    assert_ok(cna_circuit_finish(circuit, "test", &err));
    return circuit;
}

typedef struct layout {
    cna_sweep_circuits circuits;
    cna_sweep_conditions conditions;
} layout;

static cna_status lay_out(const cna_sweep_options *options, layout *out, cna_error *err)
{
    *out = (layout){0};
    CNA_TRY(cna_sweep_circuits_make(options, &out->circuits, err));
    return cna_sweep_conditions_make(options, &out->circuits, options->caa == CNA_CAA_RESIDUAL ? 4 : -1,
                                     &out->conditions, err);
}

static void clear(layout *l)
{
    cna_sweep_conditions_clear(&l->conditions);
    cna_sweep_circuits_clear(&l->circuits);
}

static void check_multipliers(const double *given, size_t n, const double *expected, size_t n_expected)
{
    cna_error err;
    layout l;
    cna_circuit *circuit = make_circuit(0, 3);
    const cna_circuit *circuits[] = {circuit};
    const cna_numbers list = {given, n};
    const cna_sweep_options options = {.circuits = circuits, .n_circuits = 1, .no_controls = true,
                                       .multipliers = given == NULL ? NULL : &list, .n_multipliers = given != NULL};
    assert_ok(lay_out(&options, &l, &err));
    assert_int_equal(l.conditions.n, n_expected);
    for (size_t i = 0; i < n_expected; i++) {
        const cna_run_condition *row = &l.conditions.items[i].row;
        assert_true(row->multiplier == expected[i]);
        assert_int_equal(row->position, i);
        assert_int_equal(row->method, expected[i] == 1 ? CNA_RUN_NONE : CNA_RUN_CNA);
        if (expected[i] == 1) assert_int_equal(l.conditions.none, i);
    }
    clear(&l);
    cna_circuit_free(circuit);
}

static void test_multipliers(void **state)
{
    (void)state;
    check_multipliers(NULL, 0, (const double[]){0, 0.25, 0.5, 0.75, 1, 1.5, 2}, 7);
    check_multipliers((const double[]){0, 2}, 2, (const double[]){0, 1, 2}, 3);
    check_multipliers((const double[]){0, 0.5}, 2, (const double[]){0, 0.5, 1}, 3);
    check_multipliers((const double[]){2, 0, 1, 0, 2}, 5, (const double[]){2, 0, 1}, 3);
    check_multipliers((const double[]){2, 0, -1}, 3, (const double[]){1, 2, 0, -1}, 4);
    check_multipliers((const double[]){0, -0.0}, 2, (const double[]){0, 1}, 2);
    check_multipliers((const double[]){0}, 0, (const double[]){1}, 1);
}

/* Two circuits with lists of their own: every combination, the untouched model once and first, controls for each. */
static void test_grid(void **state)
{
    (void)state;
    cna_error err;
    layout l;
    cna_circuit *a = make_circuit(0, 4), *b = make_circuit(2, 4);
    const cna_circuit *circuits[] = {a, b};
    const char *names[] = {"a.json", "a.json"};
    const cna_numbers lists[] = {{(const double[]){0, 1}, 2}, {(const double[]){1, 2, 1}, 3}};
    const cna_sweep_options options = {.circuits = circuits, .circuit_names = names, .n_circuits = 2,
                                       .multipliers = lists, .n_multipliers = 2, .n_controls = 3};
    assert_ok(lay_out(&options, &l, &err));
    const cna_sweep_conditions *c = &l.conditions;
    assert_int_equal(c->n, 1 + 3 + 2 * 3 * 3);
    assert_int_equal(c->none, 0);
    static const double expected[3][2] = {{0, 1}, {0, 2}, {1, 2}};
    for (size_t i = 0; i < 3; i++) {
        const cna_run_condition *row = &c->items[1 + i].row;
        assert_string_equal(row->circuit, "a.json + a.json #2");
        assert_int_equal(row->k, 6); /* the union */
        assert_int_equal(row->n_multipliers, 2);
        assert_memory_equal(row->multipliers, expected[i], sizeof expected[i]);
        assert_true(row->multiplier == expected[i][0]);
    }
    const cna_run_condition *last = &c->items[c->n - 1].row;
    assert_int_equal(last->method, CNA_RUN_CONTROL);
    assert_string_equal(last->kind, "matched");
    assert_int_equal(last->control_seed, 2);
    assert_memory_equal(last->multipliers, expected[2], sizeof expected[2]);
    clear(&l);
    /* One list scales both together, and then there is one number to say. */
    const cna_sweep_options together = {.circuits = circuits, .n_circuits = 2, .multipliers = lists, .n_multipliers = 1,
                                        .no_controls = true};
    assert_ok(lay_out(&together, &l, &err));
    assert_int_equal(l.conditions.n, 2);
    assert_null(l.conditions.items[0].row.multipliers);
    assert_string_equal(l.conditions.items[0].row.circuit, "circuit 1 + circuit 2");
    clear(&l);
    cna_circuit_free(a);
    cna_circuit_free(b);
}

static void test_k_list(void **state)
{
    (void)state;
    cna_error err;
    layout l;
    cna_circuit *circuit = make_circuit(0, 5);
    const cna_circuit *circuits[] = {circuit};
    const char *names[] = {"c.json"};
    const cna_numbers list = {(const double[]){0}, 1};
    const size_t ks[] = {2, 5, 2};
    cna_sweep_options options = {.circuits = circuits, .circuit_names = names, .n_circuits = 1, .multipliers = &list,
                                 .n_multipliers = 1, .k_list = ks, .n_k = 3, .no_controls = true};
    assert_ok(lay_out(&options, &l, &err));
    assert_int_equal(l.conditions.n, 3);
    assert_int_equal(l.conditions.none, 0);
    assert_string_equal(l.conditions.items[1].row.circuit, "k=2 of c.json");
    assert_int_equal(l.conditions.items[1].row.k, 2);
    assert_int_equal(l.conditions.items[2].row.k, 5);
    const cna_circuit *cut = cna_sweep_circuits_set(&l.circuits, 0, 0)[0];
    assert_int_equal(cut->n_neurons, 2);
    for (size_t i = 0; i < 2; i++) assert_int_equal(cut->neurons[i].neuron, circuit->neurons[i].neuron);
    clear(&l);
    options.k_list = (const size_t[]){6};
    options.n_k = 1;
    assert_int_equal(lay_out(&options, &l, &err), CNA_ERR_ARG);
    assert_string_equal(err.text, "k-list: expected at most 5, the neurons of c.json, found 6; run attribute with "
                                  "--top-k 6 or more");
    clear(&l);
    options.k_list = (const size_t[]){0};
    assert_int_equal(lay_out(&options, &l, &err), CNA_ERR_ARG);
    clear(&l);
    cna_circuit_free(circuit);
}

static void test_alphas(void **state)
{
    (void)state;
    cna_error err;
    layout l;
    const cna_sweep_options options = {.caa = CNA_CAA_RESIDUAL, .alphas = {(const double[]){-2, 0, 1, -2}, 4}};
    assert_ok(lay_out(&options, &l, &err));
    assert_int_equal(l.conditions.n, 3); /* 0 is the untouched model */
    assert_int_equal(l.conditions.items[0].row.method, CNA_RUN_NONE);
    assert_true(l.conditions.items[1].row.alpha == -2 && l.conditions.items[2].row.alpha == 1);
    assert_string_equal(l.conditions.items[1].row.kind, "residual");
    assert_int_equal(l.conditions.items[1].row.layer, 4);
    assert_null(l.conditions.items[1].row.circuit);
    assert_true(isnan(l.conditions.items[1].row.multiplier));
    clear(&l);
}

static void test_refused_lists(void **state)
{
    (void)state;
    cna_error err;
    layout l;
    cna_circuit *circuit = make_circuit(0, 3);
    const cna_circuit *circuits[] = {circuit, circuit, circuit};
    const cna_numbers bad = {(const double[]){NAN}, 1}, none = {NULL, 0};
    const cna_numbers two[] = {{(const double[]){0}, 1}, {(const double[]){0}, 1}};
    const cna_sweep_options options[] = {
        {0},
        {.circuits = circuits, .n_circuits = 1, .multipliers = &bad, .n_multipliers = 1},
        {.circuits = circuits, .n_circuits = 3, .multipliers = two, .n_multipliers = 2},
        {.circuits = circuits, .n_circuits = 2, .multipliers = (const cna_numbers[]){two[0], none}, .n_multipliers = 2},
        {.alphas = bad},
        {.alphas = two[0], .k_list = (const size_t[]){1}, .n_k = 1},
    };
    static const char *const messages[] = {
        "sweep: expected at least one circuit, or alphas of CAA, found none",
        "multipliers: expected finite numbers, found nan",
        "multipliers: expected one list, or one for each of the 3 circuits, found 2",
        "multipliers: expected a number or more in each list",
        "alphas: expected finite numbers, found nan",
        "k-list: expected a circuit to cut, found none",
    };
    for (size_t i = 0; i < N(options); i++) {
        assert_int_equal(lay_out(&options[i], &l, &err), CNA_ERR_ARG);
        assert_string_equal(err.text, messages[i]);
        clear(&l);
    }
    cna_circuit_free(circuit);
}

static cna_status lay_out_and_clear(void *user, cna_error *err)
{
    layout l;
    cna_status status = lay_out(user, &l, err);
    clear(&l);
    return status;
}

static void test_failing_allocations(void **state)
{
    (void)state;
    cna_circuit *a = make_circuit(0, 4), *b = make_circuit(2, 4);
    const cna_circuit *circuits[] = {a, b};
    const cna_numbers lists[] = {{(const double[]){0, 1}, 2}, {(const double[]){1, 2}, 2}};
    cna_sweep_options options = {.circuits = circuits, .n_circuits = 2, .multipliers = lists, .n_multipliers = 2,
                                 .k_list = (const size_t[]){2, 3}, .n_k = 2, .n_controls = 2,
                                 .alphas = {(const double[]){2}, 1}};
    support_fail_allocations(lay_out_and_clear, &options);
    cna_circuit_free(a);
    cna_circuit_free(b);
}

/* ---- points ---- */

enum { N_PROMPTS = 6, N_CONDITIONS = 5 };

/* Rows as they would be read from a run: none, cna, and three controls of it, on one side of six prompts. */
typedef struct rows_fixture {
    cna_sweep_rows rows;
    cna_run_prompt prompts[N_PROMPTS];
    cna_run_condition conditions[N_CONDITIONS];
    cna_run_generation answers[2 * N_PROMPTS];
    ptrdiff_t first[2][N_CONDITIONS];
    size_t n_refused[N_CONDITIONS], n_harmful[N_CONDITIONS];
    double perplexity[N_CONDITIONS];
} rows_fixture;

static void fill_rows(rows_fixture *f)
{
    static const bool refused[2][N_PROMPTS] = {{true, true, true, true, false, false},
                                               {false, false, true, false, true, false}};
    static const bool leaked[] = {true, false, true, false, false, false};
    static const char *const categories[] = {"a", NULL, "b", "a", "b", "a"};
    static const int32_t ids[] = {1, 2, 3, 4, 5, 6, 7};
    *f = (rows_fixture){0};
    for (size_t i = 0; i < N_PROMPTS; i++) {
        f->prompts[i] = (cna_run_prompt){.side = CNA_SIDE_HARMFUL, .position = i, .category = categories[i],
                                         .discovery = leaked[i] ? CNA_RUN_DISCOVERY : CNA_RUN_UNSEEN};
        for (size_t c = 0; c < 2; c++) {
            cna_run_generation *answer = &f->answers[c * N_PROMPTS + i];
            *answer = (cna_run_generation){.condition_position = c, .prompt_position = i, .refused = refused[c][i],
                                           .method = c == 0 ? CNA_RUN_NONE : CNA_RUN_CNA, .ids = ids, .n_tokens = i,
                                           .n_words = i, .quality = i == 5 ? 0.4 : 1, .kl = NAN,
                                           .outcome = refused[c][i] ? CNA_OUTCOME_REFUSED : CNA_OUTCOME_COMPLIED};
        }
    }
    f->answers[N_PROMPTS + 1].ids = ids + 1; /* as many ids, but others */
    f->answers[N_PROMPTS + 3].n_tokens = 4;
    f->answers[N_PROMPTS + 5].outcome = CNA_OUTCOME_INCOHERENT;
    for (size_t c = 0; c < N_CONDITIONS; c++) {
        f->conditions[c] = (cna_run_condition){.position = c, .circuit = "c", .multiplier = 0.5,
                                               .method = CNA_RUN_CONTROL,
                                               .kind = "matched", .k = 3, .alpha = NAN, .layer = -1};
        f->first[0][c] = f->first[1][c] = CNA_SWEEP_NO_ANSWERS;
        f->n_harmful[c] = N_PROMPTS;
        f->perplexity[c] = c == 1 ? 12.5 : NAN;
    }
    f->conditions[0] = (cna_run_condition){.method = CNA_RUN_NONE, .multiplier = 1, .k = -1, .alpha = NAN, .layer = -1};
    f->conditions[1].method = CNA_RUN_CNA;
    f->conditions[1].kind = NULL;
    f->first[0][0] = 0;
    f->first[0][1] = N_PROMPTS;
    f->n_refused[0] = 4;
    f->n_refused[1] = 2;
    f->n_refused[2] = 3;
    f->n_refused[3] = 4;
    f->n_refused[4] = 6;
    f->rows = (cna_sweep_rows){.prompts = f->prompts, .n_prompts = N_PROMPTS, .n_side = {N_PROMPTS, 0},
                               .conditions = f->conditions, .n_conditions = N_CONDITIONS, .answers = f->answers,
                               .n_answers = 2 * N_PROMPTS, .first = {f->first[0], f->first[1]},
                               .n_refused = f->n_refused, .n_harmful = f->n_harmful, .perplexity = f->perplexity};
}

static void test_threshold(void **state)
{
    (void)state;
    cna_error err;
    cna_run_generation answers[13] = {{0}};
    double threshold;
    for (size_t i = 0; i < 11; i++) answers[i].mean_logprob = -(double)i;
    answers[11].mean_logprob = NAN;
    answers[12] = (cna_run_generation){.method = CNA_RUN_CNA, .mean_logprob = -99};
    cna_sweep_rows rows = {.answers = answers, .n_answers = 13};
    assert_ok(cna_sweep_min_logprob(&rows, 1, &threshold, &err));
    assert_true(threshold == -10); /* the least itself: no untouched answer is below it */
    assert_ok(cna_sweep_min_logprob(&rows, 19.9, &threshold, &err));
    assert_true(threshold == -9);
    rows = (cna_sweep_rows){.answers = answers + 11, .n_answers = 2};
    assert_ok(cna_sweep_min_logprob(&rows, 1, &threshold, &err));
    assert_true(threshold == -INFINITY);
}

static void test_point(void **state)
{
    (void)state;
    cna_error err;
    rows_fixture f;
    cna_sweep_table table;
    fill_rows(&f);
    assert_ok(cna_sweep_table_make(&f.rows, &table, &err));
    assert_int_equal(table.n_points, 2);
    assert_int_equal(table.n_answers, 2 * N_PROMPTS);
    const cna_sweep_point *point = &table.points[1];
    assert_int_equal(point->side, CNA_SIDE_HARMFUL);
    assert_int_equal(point->condition->method, CNA_METHOD_CNA);
    assert_true(point->condition->multiplier == 0.5 && point->condition->k == 3);
    assert_int_equal(point->refused.count, 2);
    assert_int_equal(point->refused.n, 6);
    assert_true(point->leak_known);
    assert_int_equal(point->n_leaked, 2);
    assert_int_equal(point->refused_unseen.count, 1);
    assert_int_equal(point->refused_unseen.n, 4);
    assert_int_equal(point->outcome[CNA_OUTCOME_INCOHERENT].count, 1);
    assert_int_equal(point->outcome[CNA_OUTCOME_REFUSED].count, 2);
    assert_int_equal(point->outcome[CNA_OUTCOME_COMPLIED].count, 3);
    assert_true(fabs(point->quality - 5.4 / 6) < 1e-15);
    assert_int_equal(point->n_short, 4);
    assert_true(fabs(point->mean_tokens - 16.0 / 6) < 1e-15);
    assert_int_equal(point->n_changed, 2);
    assert_int_equal(point->mcnemar_b, 3);
    assert_int_equal(point->mcnemar_c, 1);
    assert_true(fabs(point->mcnemar_p - 0.625) < 1e-15); /* 2 * (1 + 4) / 16 */
    assert_true(point->perplexity == 12.5);
    assert_true(isnan(point->kl));
    assert_int_equal(point->control[CNA_CONTROL_UNIFORM].n_seeds, 0);
    const cna_control_summary *control = &point->control[CNA_CONTROL_MATCHED];
    assert_int_equal(control->n_seeds, 3);
    assert_true(fabs(control->mean - 13.0 / 18) < 1e-15);
    assert_true(control->min == 0.5 && control->max == 1.0);
    /* The circuit moved the rate by 1/3, and 1.0 did as much, though 1 - 4/6 and 4/6 - 2/6 differ in their last bit. */
    assert_true(control->p == 0.5);
    assert_int_equal(table.points[0].n_changed, 0);
    assert_int_equal(table.points[0].control[CNA_CONTROL_MATCHED].n_seeds, 0);
    cna_sweep_table_clear(&table);
}

static void test_categories(void **state)
{
    (void)state;
    cna_error err;
    rows_fixture f;
    cna_sweep_table table;
    fill_rows(&f);
    assert_ok(cna_sweep_table_make(&f.rows, &table, &err));
    const cna_sweep_point *point = &table.points[1];
    static const char *const names[] = {"a", "", "b"};
    static const size_t counts[][3] = {{0, 3, 1}, {0, 1, 0}, {2, 2, 0}}; /* refused, of, incoherent */
    assert_int_equal(point->n_categories, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(point->categories[i].category, names[i]);
        assert_int_equal(point->categories[i].refused.count, counts[i][0]);
        assert_int_equal(point->categories[i].refused.n, counts[i][1]);
        assert_int_equal(point->categories[i].outcome[CNA_OUTCOME_INCOHERENT].count, counts[i][2]);
    }
    cna_sweep_table_clear(&table);
    for (size_t i = 0; i < N_PROMPTS; i++) f.prompts[i].category = NULL;
    assert_ok(cna_sweep_table_make(&f.rows, &table, &err));
    assert_int_equal(table.points[1].n_categories, 0);
    cna_sweep_table_clear(&table);
}

/* What is not known yet is in no rate, and a condition that lacks an answer has no point. */
static void test_unfinished(void **state)
{
    (void)state;
    cna_error err;
    rows_fixture f;
    cna_sweep_table table;
    fill_rows(&f);
    f.answers[N_PROMPTS].outcome = CNA_RUN_NO_OUTCOME;
    f.prompts[5].discovery = CNA_RUN_DISCOVERY_UNKNOWN;
    f.n_harmful[4] = 5;
    assert_ok(cna_sweep_table_make(&f.rows, &table, &err));
    assert_int_equal(table.points[1].outcome[CNA_OUTCOME_COMPLIED].n, 5);
    assert_false(table.points[1].leak_known);
    assert_int_equal(table.points[1].control[CNA_CONTROL_MATCHED].n_seeds, 2);
    cna_sweep_table_clear(&table);
    f.first[0][1] = CNA_SWEEP_NO_ANSWERS;
    assert_ok(cna_sweep_table_make(&f.rows, &table, &err));
    assert_int_equal(table.n_points, 1);
    cna_sweep_table_clear(&table);
    f.first[0][0] = CNA_SWEEP_NO_ANSWERS;
    assert_ok(cna_sweep_table_make(&f.rows, &table, &err));
    assert_int_equal(table.n_points, 0);
    cna_sweep_table_clear(&table);
}

static cna_status make_table(void *user, cna_error *err)
{
    const rows_fixture *f = user;
    cna_sweep_table table;
    CNA_TRY(cna_sweep_table_make(&f->rows, &table, err));
    cna_sweep_table_clear(&table);
    return CNA_OK;
}

static void test_failing_tables(void **state)
{
    (void)state;
    rows_fixture f;
    fill_rows(&f);
    support_fail_allocations(make_table, &f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_multipliers),    cmocka_unit_test(test_grid),
        cmocka_unit_test(test_k_list),         cmocka_unit_test(test_alphas),
        cmocka_unit_test(test_refused_lists),  cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_threshold),      cmocka_unit_test(test_point),
        cmocka_unit_test(test_categories),     cmocka_unit_test(test_unfinished),
        cmocka_unit_test(test_failing_tables),
    };
    return cmocka_run_group_tests_name("sweep points", tests, NULL, NULL);
}
