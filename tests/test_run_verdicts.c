/* SPDX-License-Identifier: MIT
 * What a run file holds beside answers: figures, questions and choices, labels, judgements. */
#include "run_fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static cna_status count_figures(void *user, const cna_run_figure *figure, cna_error *err)
{
    (void)err;
    char *seen = user;
    strcat(seen, figure->name);
    strcat(seen, figure->condition == 0 ? "." : "!");
    return CNA_OK;
}

static void test_figures(void **user)
{
    const run_place *s = *user;
    cna_error err;
    run_fixture f;
    bool found;
    double value;
    char *detail, seen[100] = "";
    assert_ok(run_fixture_open(s->path, &f, &err));
    cna_run_figure a = {.name = "chance", .value = 0.25, .detail = "{\"n\":3}"};
    cna_run_figure b = {.name = "chance", .value = NAN, .condition = f.conditions[2]};
    assert_ok(cna_run_set_figure(f.run, f.part.id, &a, &err));
    assert_ok(cna_run_set_figure(f.run, f.part.id, &b, &err));
    a.value = 0.5;
    assert_ok(cna_run_set_figure(f.run, f.part.id, &a, &err));
    assert_ok(cna_run_plan_part(f.run, f.part.id, 12, &err));
    assert_ok(cna_run_find_figure(f.run, f.part.id, 0, "chance", &found, &value, &detail, &err));
    assert_true(found && value == 0.5);
    assert_string_equal(detail, "{\"n\":3}");
    cna_free(detail);
    assert_ok(cna_run_find_figure(f.run, f.part.id, f.conditions[2], "chance", &found, &value, &detail, &err));
    assert_true(found && isnan(value) && detail == NULL);
    assert_ok(cna_run_find_figure(f.run, f.part.id, f.conditions[1], "chance", &found, &value, NULL, &err));
    assert_true(!found && isnan(value));
    assert_ok(cna_run_each_figure(f.run, f.part.id, count_figures, seen, &err));
    assert_string_equal(seen, "chance.planned.chance!");
    cna_run_free(f.run);
    assert_int_equal(run_fixture_count(s->path, "SELECT count(*) FROM figure"), 3);
}

static cna_status check_choice(void *user, const cna_run_choice *c, cna_error *err)
{
    (void)err;
    size_t *n = user;
    assert_int_equal(c->condition_position, *n / 2);
    assert_string_equal(c->subject, *n % 2 == 0 ? "birds" : "trees");
    assert_int_equal(c->chosen, *n % 4);
    assert_int_equal(c->answer, 3);
    assert_true(c->logprobs[1] == -1.25 && isinf(c->logprobs[3]));
    (*n)++;
    return CNA_OK;
}

static void test_questions(void **user)
{
    const run_place *s = *user;
    cna_error err;
    run_fixture f;
    int64_t ids[2];
    size_t n = 0;
    assert_ok(run_fixture_open(s->path, &f, &err));
    for (size_t i = 0; i < 2; i++) {
        cna_run_question q = {.subject = i == 0 ? "birds" : "trees", .position = 4, .text = "Which?", .n_bytes = 6,
                              .answer = 3};
        assert_ok(cna_run_add_question(f.run, f.part.id, &q, &ids[i], &err));
    }
    assert_ok(cna_run_begin(f.run, &err));
    for (size_t i = 4; i-- > 0;) {
        cna_run_choice c = {.condition = f.conditions[i / 2], .question = ids[i % 2], .chosen = (int)i,
                            .logprobs = {-1, -1.25, -3, -INFINITY}};
        assert_ok(cna_run_add_choice(f.run, &c, &err));
        assert_ok(cna_run_add_choice(f.run, &c, &err));
    }
    assert_int_equal(cna_run_begin(f.run, &err), CNA_ERR_ARG);
    assert_ok(cna_run_end(f.run, CNA_OK, &err));
    assert_ok(cna_run_each_choice(f.run, f.part.id, 0, check_choice, &n, &err));
    assert_int_equal(n, 4);
    /* a failure of the caller takes back what it added */
    assert_ok(cna_run_begin(f.run, &err));
    cna_run_choice c = {.condition = f.conditions[2], .question = ids[0]};
    assert_ok(cna_run_add_choice(f.run, &c, &err));
    assert_int_equal(cna_run_end(f.run, CNA_ERR_CANCELLED, &err), CNA_ERR_CANCELLED);
    c.chosen = 9;
    c.condition = f.conditions[0];
    assert_int_equal(cna_run_add_choice(f.run, &c, &err), CNA_ERR_MISMATCH);
    cna_run_free(f.run);
    assert_int_equal(run_fixture_count(s->path, "SELECT count(*) FROM choice"), 4);
}

static cna_status list_unjudged(void *user, const cna_run_unjudged *answer, cna_error *err)
{
    (void)err;
    char *seen = user, one[32];
    snprintf(one, sizeof one, "%d", (int)answer->generation);
    strcat(seen, one);
    assert_memory_equal(answer->prompt, "name a", 6);
    return CNA_OK;
}

static cna_status check_judgement(void *user, const cna_run_judgement *j, cna_error *err)
{
    (void)err;
    size_t *n = user;
    assert_int_equal(strlen(j->at), 20);
    assert_true(j->at[10] == 'T' && j->at[19] == 'Z');
    assert_int_equal(j->status, *n == 0 ? CNA_RUN_SCORED : CNA_RUN_FAILED);
    assert_true(*n == 0 ? j->score == 0.75 : isnan(j->score));
    assert_int_equal(j->refused, *n == 0 ? 0 : -1);
    assert_int_equal(j->n_attempts, *n == 0 ? 2 : 5);
    (*n)++;
    return CNA_OK;
}

static void test_verdicts(void **user)
{
    const run_place *s = *user;
    cna_error err;
    run_fixture f;
    char seen[32] = "";
    size_t n = 0;
    assert_ok(run_fixture_open(s->path, &f, &err));
    for (size_t i = 0; i < 3; i++) {
        cna_run_generation g = run_fixture_answer(&f, i);
        assert_ok(cna_run_add_generation(f.run, &g, NULL, &err));
    }
    assert_ok(cna_run_set_label(f.run, 2, "ada", true, &err));
    assert_ok(cna_run_set_label(f.run, 2, "ada", false, &err));
    assert_int_equal(cna_run_set_label(f.run, 9, "ada", false, &err), CNA_ERR_MISMATCH);
    cna_run_judgement j = {.generation = 1, .rubric = "rating", .judge_model = "owl", .endpoint = "http://x/v1",
                           .status = CNA_RUN_FAILED, .error = "timeout", .refused = -1, .convincing = NAN,
                           .specific = NAN, .rating = NAN, .score = NAN, .n_attempts = 5};
    assert_ok(cna_run_add_judgement(f.run, &j, &err));
    j.generation = 2;
    assert_ok(cna_run_add_judgement(f.run, &j, &err));
    j.generation = 1; /* asked again, and answered */
    j.status = CNA_RUN_SCORED;
    j.reply = "Rating: 7";
    j.n_reply = 9;
    j.error = NULL;
    j.refused = 0;
    j.rating = 7;
    j.score = 0.75;
    j.n_attempts = 2;
    assert_ok(cna_run_add_judgement(f.run, &j, &err));
    assert_ok(cna_run_add_judgement(f.run, &j, &err));
    assert_ok(cna_run_each_judgement(f.run, 0, check_judgement, &n, &err));
    assert_int_equal(n, 2);
    j.reply = "Rating: 8";
    assert_int_equal(cna_run_add_judgement(f.run, &j, &err), CNA_ERR_MISMATCH);
    assert_ok(cna_run_each_unjudged(f.run, 0, "rating", "owl", list_unjudged, seen, &err));
    assert_string_equal(seen, "23");
    seen[0] = '\0';
    assert_ok(cna_run_each_unjudged(f.run, f.part.id, "strongreject", "owl", list_unjudged, seen, &err));
    assert_string_equal(seen, "123");
    cna_run_free(f.run);
    assert_int_equal(run_fixture_count(s->path, "SELECT sum(refused) FROM label"), 0);
    assert_text(s->path, "SELECT reply FROM judgement WHERE generation = 1", "Rating: 7");
    assert_text(s->path, "SELECT printf('%.2f', judge_score) FROM generations WHERE id = 1", "0.75");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_figures, run_place_set_up, run_place_tear_down),
        cmocka_unit_test_setup_teardown(test_questions, run_place_set_up, run_place_tear_down),
        cmocka_unit_test_setup_teardown(test_verdicts, run_place_set_up, run_place_tear_down),
    };
    return cmocka_run_group_tests_name("run verdicts", tests, NULL, NULL);
}
