/* SPDX-License-Identifier: MIT
 * MMLU on a small model: log-probabilities against cna_logits on each whole text, batches, the run file after a stop at
 * any moment. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "method/circuit.h"
#include "model_fixture.h"
#include "study/mmlu_prompt.h"
#include "study/run.h"

static const char data_folder[] = "tests/data/mmlu";
enum { N_QUESTIONS = 6 }; /* four of astronomy, two of philosophy */

typedef struct fixture {
    char *folder;
    cna_model *model;
    cna_circuit *circuit;
    cna_mmlu_options options; /* one shot; 0, 1 and 2.5 */
} fixture;

static const double multipliers[] = {0, 1, 2.5};
static const cna_circuit *circuits[1];

static int set_up(void **state)
{
    static fixture f;
    cna_error err;
    f.folder = model_fixture_create(&model_fixtures[0]);
    assert_ok(cna_model_open(f.folder, &(cna_model_options){.dtype = CNA_DTYPE_F32}, &f.model, &err));
    assert_ok(cna_circuit_create(&f.circuit, &err));
    assert_ok(cna_alloc(&f.circuit->neurons, 3, sizeof *f.circuit->neurons, "neurons", &err));
    for (uint32_t i = 0; i < 3; i++) {
        f.circuit->neurons[f.circuit->n_neurons++] = (cna_neuron){.layer = i % 2, .neuron = 3 * i};
    }
    circuits[0] = f.circuit;
    f.options = (cna_mmlu_options){.circuits = circuits, .n_circuits = 1, .multipliers = multipliers,
                                   .n_multipliers = 3, .n_shots = 1};
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    cna_model_free(f->model);
    cna_circuit_free(f->circuit);
    support_folder_remove(f->folder);
    return 0;
}

static cna_mmlu *run_mmlu(const fixture *f, const cna_mmlu_options *options)
{
    cna_error err;
    cna_mmlu *mmlu;
    assert_ok(cna_mmlu_run(f->model, data_folder, options, &mmlu, &err));
    return mmlu;
}

/* ---- against logits ---- */

typedef struct logits_sum {
    const int32_t *ids; /* of the whole text */
    size_t n_context;
    double sum;
} logits_sum;

static bool add_logprobs(void *user, size_t prompt, const float *logits, size_t n_tokens, size_t vocab_size)
{
    (void)prompt;
    logits_sum *s = user;
    for (size_t t = s->n_context; t < n_tokens; t++) {
        const float *row = logits + (t - 1) * vocab_size;
        double total = 0;
        for (size_t v = 0; v < vocab_size; v++) total += exp((double)row[v]);
        s->sum += (double)row[s->ids[t]] - log(total);
    }
    return false;
}

/* log p(choice | text) from the logits of the whole text. */
static double plain_logprob(const fixture *f, const char *text, int choice, double multiplier)
{
    cna_error err;
    cna_prompts *prompts;
    char whole[4096];
    int32_t ids[4096];
    int n = snprintf(whole, sizeof whole, "%s %c", text, 'A' + choice);
    for (int i = 0; i < n; i++) ids[i] = (unsigned char)whole[i]; /* the fixture's ids are bytes */
    assert_ok(cna_prompts_create(&prompts, &err));
    assert_ok(cna_prompts_add_ids(prompts, ids, (size_t)n, &err));
    const cna_intervention intervention = {.circuit = f->circuit, .multiplier = multiplier};
    const cna_generate_options options = {.interventions = &intervention, .n_interventions = 1};
    logits_sum sum = {.ids = ids, .n_context = (size_t)n - 2};
    assert_ok(cna_logits(f->model, prompts, &options, add_logprobs, &sum, &err));
    cna_prompts_free(prompts);
    return sum.sum;
}

static void check_question(const fixture *f, const cna_mmlu_answer *answer)
{
    cna_error err;
    cna_mmlu_data data;
    bool wanted[CNA_MMLU_N_SUBJECTS] = {false};
    size_t s = cna_mmlu_find_subject(answer->subject);
    wanted[s] = true;
    assert_ok(cna_mmlu_data_read(data_folder, wanted, wanted, 1, &data, &err));
    const cna_format format = {0};
    cna_mmlu_prompter p = {.format = &format};
    assert_ok(cna_mmlu_prompter_begin(&p, answer->subject, data.lists[CNA_MMLU_DEV][s].items, 1, &err));
    const cna_mmlu_item *item = &data.lists[CNA_MMLU_TEST][s].items[answer->question];
    assert_ok(cna_buffer_add(&p.prefix, item->text, item->n_bytes, &err));
    int best = 0;
    for (int i = 0; i < 4; i++) {
        double expected = plain_logprob(f, p.prefix.data, i, answer->multiplier);
        if (fabs(expected - answer->logprobs[i]) > 1e-4) {
            fail_msg("%s %zu, %c at %g: %g, not %g", answer->subject, answer->question, 'A' + i, answer->multiplier,
                     answer->logprobs[i], expected);
        }
        if (answer->logprobs[i] > answer->logprobs[best]) best = i;
    }
    assert_int_equal(answer->chosen, best);
    assert_int_equal(answer->answer, item->answer);
    cna_mmlu_prompter_clear(&p);
    cna_mmlu_data_clear(&data);
}

static void logprobs_are_those_of_the_whole_text(void **state)
{
    const fixture *f = *state;
    cna_mmlu *mmlu = run_mmlu(f, &f->options);
    size_t n, n_points;
    const cna_mmlu_answer *answers = cna_mmlu_answers(mmlu, &n);
    assert_int_equal(n, N_QUESTIONS * 3);
    for (size_t i = 0; i < n; i++) check_question(f, &answers[i]);
    const cna_mmlu_point *points = cna_mmlu_points(mmlu, &n_points);
    assert_int_equal(n_points, (1 + 2 + 2) * 3);
    assert_int_equal(points[0].accuracy.n, N_QUESTIONS);
    assert_int_equal(cna_mmlu_get_info(mmlu)->n_cut, 0);
    cna_mmlu_free(mmlu);
}

static void check_same(const cna_mmlu *a, const cna_mmlu *b)
{
    size_t n_a, n_b;
    const cna_mmlu_answer *x = cna_mmlu_answers(a, &n_a), *y = cna_mmlu_answers(b, &n_b);
    assert_int_equal(n_a, n_b);
    for (size_t i = 0; i < n_a; i++) {
        assert_int_equal(x[i].chosen, y[i].chosen);
        assert_memory_equal(x[i].logprobs, y[i].logprobs, sizeof x[i].logprobs);
    }
}

static void batches_change_no_bit(void **state)
{
    const fixture *f = *state;
    cna_mmlu_options options = f->options;
    cna_mmlu *all = run_mmlu(f, &options);
    options.batch = 3;
    cna_mmlu *some = run_mmlu(f, &options);
    check_same(all, some);
    cna_mmlu_free(some);
    /* The untouched model alone gives what it gives beside others. */
    cna_mmlu *base = run_mmlu(f, &(cna_mmlu_options){.n_shots = 1});
    size_t n, n_base;
    const cna_mmlu_answer *x = cna_mmlu_answers(all, &n), *y = cna_mmlu_answers(base, &n_base);
    assert_int_equal(n_base, N_QUESTIONS);
    assert_memory_equal(x[4].logprobs, y[0].logprobs, sizeof x[4].logprobs);
    cna_mmlu_free(base);
    cna_mmlu_free(all);
}

static void subjects_limits_and_shots_are_taken(void **state)
{
    const fixture *f = *state;
    static const char *const group[] = {"humanities"}, *const both[] = {"philosophy", "astronomy"},
                      *const unknown[] = {"astrology"};
    cna_mmlu *mmlu = run_mmlu(f, &(cna_mmlu_options){.no_shots = true, .subjects = group, .n_subjects = 1, .limit = 1});
    size_t n;
    const cna_mmlu_answer *answers = cna_mmlu_answers(mmlu, &n);
    assert_int_equal(n, 1);
    assert_string_equal(answers[0].subject, "philosophy");
    assert_int_equal(cna_mmlu_get_info(mmlu)->n_shots, 0);
    cna_mmlu_free(mmlu);
    mmlu = run_mmlu(f, &(cna_mmlu_options){.n_shots = 1, .subjects = both, .n_subjects = 2, .limit = 3});
    (void)cna_mmlu_answers(mmlu, &n);
    assert_int_equal(n, 5);
    cna_mmlu_free(mmlu);
    const cna_mmlu_options bad[] = {
        {.subjects = unknown, .n_subjects = 1},
        {.subjects = both, .n_subjects = 2}, /* philosophy has three examples, not five */
        {.multipliers = multipliers, .n_multipliers = 3, .n_shots = 1},
        {.format.mode = CNA_FORMAT_CHAT, .n_shots = 1},
    };
    static const char *const expected[] = {
        "subjects: expected subjects or groups of MMLU, found 'astrology'",
        "tests/data/mmlu: philosophy: expected 5 or more examples in dev, one for each shot, found 3; ask for fewer "
        "shots",
        "multipliers: expected a circuit that they scale, found none",
        "chat: expected a chat template in tokenizer_config.json or chat_template.jinja of the model's folder, found "
        "none; use --raw, or give one with --chat-template FILE|NAME",
    };
    for (size_t i = 0; i < 4; i++) {
        cna_error err;
        assert_int_not_equal(cna_mmlu_run(f->model, data_folder, &bad[i], &mmlu, &err), CNA_OK);
        assert_string_equal(err.text, expected[i]);
        assert_null(mmlu);
    }
}

/* ---- the run file ---- */

typedef struct counter {
    size_t n_left; /* reports until the work is cancelled */
    size_t n, first_done;
} counter;

static bool cancel_after(void *user, const char *what, size_t done, size_t total)
{
    (void)what;
    counter *c = user;
    assert_true(done <= total && total == N_QUESTIONS * 3);
    if (c->n++ == 0) c->first_done = done;
    return c->n > c->n_left;
}

static cna_status run_in(const fixture *f, const char *path, counter *c, bool append, const cna_mmlu_options *wanted,
                         cna_mmlu **out, cna_error *err)
{
    cna_run *run;
    cna_mmlu_options options = *wanted;
    CNA_TRY(cna_run_open(path, &(cna_run_open_options){.append = append}, &run, err));
    options.run = run;
    options.model_path = f->folder;
    if (c != NULL) options.progress = (cna_progress){.report = cancel_after, .user = c};
    cna_status status = cna_mmlu_run(f->model, data_folder, &options, out, err);
    cna_run_free(run);
    return status;
}

static void count_rows(const char *path, size_t n_parts, size_t n_choices, bool ended)
{
    cna_error err;
    cna_run *run;
    cna_run_parts parts;
    assert_ok(cna_run_open(path, &(cna_run_open_options){.read_only = true}, &run, &err));
    assert_ok(cna_run_read_parts(run, &parts, &err));
    assert_int_equal(parts.n, n_parts);
    assert_string_equal(parts.items[0].command, "mmlu");
    assert_int_equal(parts.items[0].n_planned, N_QUESTIONS * 3);
    assert_int_equal(parts.items[0].n_questions, N_QUESTIONS);
    assert_int_equal(parts.items[0].n_conditions, 3);
    assert_int_equal(parts.items[0].n_choices, n_choices);
    assert_int_equal(parts.items[0].ended != NULL, ended);
    cna_run_parts_free(&parts);
    cna_run_free(run);
}

static void a_run_continues_where_it_stopped(void **state)
{
    const fixture *f = *state;
    cna_error err;
    cna_mmlu *whole = run_mmlu(f, &f->options), *mmlu;
    char *folder = support_folder_create();
    for (size_t stop = 0; stop < 80; stop += 11) {
        char name[32];
        snprintf(name, sizeof name, "%zu.db", stop);
        char *path = support_path(folder, name);
        counter first = {.n_left = stop}, second = {.n_left = SIZE_MAX};
        cna_mmlu_options options = f->options;
        options.batch = 5;
        cna_status status = run_in(f, path, &first, false, &options, &mmlu, &err);
        if (status == CNA_OK) cna_mmlu_free(mmlu);
        assert_true(status == CNA_OK || status == CNA_ERR_CANCELLED);
        assert_ok(run_in(f, path, &second, false, &f->options, &mmlu, &err));
        check_same(whole, mmlu);
        cna_mmlu_free(mmlu);
        count_rows(path, 1, N_QUESTIONS * 3, true);
        /* A third time nothing is left to do. */
        counter third = {.n_left = 0};
        assert_ok(run_in(f, path, &third, false, &f->options, &mmlu, &err));
        check_same(whole, mmlu);
        assert_int_equal(third.n, 0);
        cna_mmlu_free(mmlu);
        cna_free(path);
    }
    cna_mmlu_free(whole);
    support_folder_remove(folder);
}

static void another_configuration_is_refused(void **state)
{
    const fixture *f = *state;
    cna_error err;
    cna_mmlu *mmlu;
    char *folder = support_folder_create(), *path = support_path(folder, "run.db");
    assert_ok(run_in(f, path, NULL, false, &f->options, &mmlu, &err));
    cna_mmlu_free(mmlu);
    cna_mmlu_options other = f->options;
    other.n_shots = 2;
    assert_int_equal(run_in(f, path, NULL, false, &other, &mmlu, &err), CNA_ERR_MISMATCH);
    assert_non_null(strstr(err.text, "key 'shots'"));
    count_rows(path, 1, N_QUESTIONS * 3, true);
    assert_ok(run_in(f, path, NULL, true, &other, &mmlu, &err));
    cna_mmlu_free(mmlu);
    count_rows(path, 2, N_QUESTIONS * 3, true);
    cna_free(path);
    support_folder_remove(folder);
}

typedef struct attempt {
    const fixture *f;
    bool with_run;
} attempt;

static cna_status try_all(void *user, cna_error *err)
{
    const attempt *a = user;
    cna_mmlu *mmlu;
    cna_mmlu_options options = a->f->options;
    options.limit = 1;
    options.no_shots = true;
    options.n_multipliers = 2;
    CNA_TRY(a->with_run ? run_in(a->f, NULL, NULL, false, &options, &mmlu, err)
                        : cna_mmlu_run(a->f->model, data_folder, &options, &mmlu, err));
    cna_mmlu_free(mmlu);
    return CNA_OK;
}

static void every_allocation_may_fail(void **state)
{
    support_skip_if_brief();
    attempt a = {.f = *state};
    support_fail_allocations(try_all, &a);
    a.with_run = true;
    support_fail_allocations(try_all, &a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logprobs_are_those_of_the_whole_text),
        cmocka_unit_test(batches_change_no_bit),
        cmocka_unit_test(subjects_limits_and_shots_are_taken),
        cmocka_unit_test(a_run_continues_where_it_stopped),
        cmocka_unit_test(another_configuration_is_refused),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
