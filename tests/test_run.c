/* SPDX-License-Identifier: MIT
 * Run files: what goes in comes out, adding again changes nothing, another configuration is refused. Values are
 * compared with what SQLite itself reads from the file. */
#define _XOPEN_SOURCE 700 /* unlink */
#include "run_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

static void assert_only_file(const run_place *s, const char *suffix)
{
    char *beside = support_path(s->folder, suffix);
    if (access(beside, F_OK) == 0) fail_msg("%s is still there", beside);
    cna_free(beside);
}

/* ---- round trips ---- */

static cna_status check_answer(void *user, const cna_run_generation *g, cna_error *err)
{
    (void)err;
    const run_fixture *f = user;
    size_t i = (size_t)g->condition_position * 4 + (g->side == CNA_SIDE_HARMFUL ? 0 : 2) + g->prompt_position;
    cna_run_generation e = run_fixture_answer(f, i);
    assert_int_equal(g->condition, e.condition);
    assert_int_equal(g->prompt, e.prompt);
    assert_int_equal(g->n_tokens, e.n_tokens);
    if (e.n_tokens != 0) assert_memory_equal(g->ids, e.ids, 4 * e.n_tokens);
    assert_int_equal(g->n_bytes, e.n_bytes);
    assert_memory_equal(g->text, e.text, e.n_bytes + 1);
    assert_int_equal(g->n_words, e.n_words);
    assert_int_equal(g->stop, e.stop);
    assert_int_equal(g->refused, e.refused);
    assert_true(g->quality == e.quality);
    assert_true(g->mean_logprob == e.mean_logprob || (isnan(g->mean_logprob) && isnan(e.mean_logprob)));
    assert_int_equal(g->outcome, CNA_RUN_NO_OUTCOME);
    assert_true(isnan(g->kl));
    assert_int_equal(g->method, i / 4 == 0 ? CNA_RUN_NONE : i / 4 == 1 ? CNA_RUN_CNA : CNA_RUN_CONTROL);
    return CNA_OK;
}

static void add_answers(run_fixture *f, size_t n)
{
    cna_error err;
    /* backwards: the order of reading is not that of adding */
    for (size_t i = n; i-- > 0;) {
        cna_run_generation g = run_fixture_answer(f, i);
        int64_t id = 0;
        assert_ok(cna_run_add_generation(f->run, &g, &id, &err));
        assert_true(id > 0);
    }
}

static void test_answers(void **user)
{
    const run_place *s = *user;
    cna_error err;
    run_fixture f;
    assert_ok(run_fixture_open(s->path, &f, &err));
    assert_false(f.part.continues);
    add_answers(&f, 12);
    /* readable by others while the run is open */
    assert_int_equal(run_fixture_count(s->path, "SELECT count(*) FROM generation"), 12);
    assert_ok(cna_run_each_generation(f.run, f.part.id, 0, check_answer, &f, &err));
    cna_run_generations all, one;
    assert_ok(cna_run_read_generations(f.run, f.part.id, 0, &all, &err));
    assert_ok(cna_run_read_generations(f.run, f.part.id, f.conditions[1], &one, &err));
    assert_int_equal(all.n, 12);
    assert_int_equal(one.n, 4);
    for (size_t i = 0; i < 12; i++) {
        assert_int_equal(all.items[i].condition, f.conditions[i / 4]);
        assert_int_equal(all.items[i].prompt, f.prompts[i % 4]);
        assert_ok(check_answer(&f, &all.items[i], &err));
    }
    assert_int_equal(one.items[0].id, all.items[4].id);
    cna_run_generations_free(&all);
    cna_run_generations_free(&one);
    cna_run_free(f.run);
    /* one plain file when closed, and the same values by SQLite alone */
    assert_only_file(s, "run.db-wal");
    assert_only_file(s, "run.db-shm");
    assert_only_file(s, "run.db-lock");
    assert_text(s->path, "PRAGMA journal_mode", "delete");
    assert_text(s->path, "PRAGMA integrity_check", "ok");
    assert_int_equal(run_fixture_count(s->path, "PRAGMA application_id"), 0x636e6131);
    assert_int_equal(run_fixture_count(s->path, "PRAGMA user_version"), 1);
    assert_text(s->path, "SELECT hex(ids) FROM generation WHERE condition = 1 AND prompt = 4",
                "050000002C01000070110100FFFFFF7F");
    assert_text(s->path, "SELECT hex(text) FROM generation WHERE condition = 2 AND prompt = 4", "6E6F6E65006C656674");
    assert_text(s->path, "SELECT text FROM prompt WHERE side = 'benign' AND position = 0", "name a river");
    assert_text(s->path, "SELECT multipliers FROM condition WHERE position = 1", "[0.0,0.5]");
    assert_text(s->path, "SELECT config FROM part",
                "{\"limits\":{\"logprob\":1.5,\"quality\":0.59999999999999998},\"max_tokens\":40,\"model\":{\"dtype\":"
                "\"bf16\",\"fingerprint\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"},"
                "\"seed\":7}");
    assert_text(s->path, "SELECT arguments FROM part", "[\"cna\",\"sweep\",\"--multipliers\",\"0\"]");
    /* printf 'name a colour' | sha256sum */
    assert_text(s->path, "SELECT sha256 FROM prompt WHERE id = 1",
                "86b21efc8a415ec9ae176df244bc96db7cd6ed27874e588bc61cfb4f7c4a903f");
    assert_int_equal(run_fixture_count(s->path, "SELECT count(*) FROM generations WHERE side = 'harmful' AND"
                                                " method = 'control' AND control_seed = 3 AND kind = 'uniform' AND"
                                                " model = 'toy'"),
                     2);
}

static void test_update(void **user)
{
    const run_place *s = *user;
    cna_error err;
    run_fixture f;
    assert_ok(run_fixture_open(s->path, &f, &err));
    add_answers(&f, 4);
    cna_run_generations all;
    assert_ok(cna_run_read_generations(f.run, f.part.id, 0, &all, &err));
    all.items[0].outcome = CNA_OUTCOME_INCOHERENT;
    all.items[1].outcome = CNA_OUTCOME_COMPLIED;
    all.items[1].mean_logprob = -2.5;
    all.items[1].kl = INFINITY;
    assert_ok(cna_run_update_generations(f.run, all.items, all.n, &err));
    int64_t kept = all.items[0].id;
    all.items[0].id = 99; /* all or nothing */
    all.items[1].kl = 3;
    assert_int_equal(cna_run_update_generations(f.run, all.items, 1, &err), CNA_ERR_MISMATCH);
    all.items[0].id = kept;
    cna_run_generations again;
    assert_ok(cna_run_read_generations(f.run, f.part.id, 0, &again, &err));
    assert_int_equal(again.items[0].outcome, CNA_OUTCOME_INCOHERENT);
    assert_true(isnan(again.items[0].mean_logprob));
    assert_true(again.items[1].mean_logprob == -2.5 && isinf(again.items[1].kl));
    assert_int_equal(again.items[2].outcome, CNA_RUN_NO_OUTCOME);
    cna_run_generations_free(&all);
    cna_run_generations_free(&again);
    cna_run_free(f.run);
    assert_text(s->path, "SELECT group_concat(coalesce(outcome, '-')) FROM (SELECT outcome FROM generation ORDER BY"
                         " prompt)", "incoherent,complied,-,-");
}

static cna_status check_prompt(void *user, const cna_run_prompt *prompt, cna_error *err)
{
    (void)err;
    size_t *i = user;
    assert_int_equal(prompt->side, *i < 2 ? CNA_SIDE_HARMFUL : CNA_SIDE_BENIGN);
    assert_int_equal(prompt->position, *i % 2);
    assert_int_equal(prompt->discovery, *i % 3);
    assert_int_equal(prompt->n_bytes, *i == 3 ? 11 : strlen(prompt->text));
    if (*i == 0) assert_string_equal(prompt->category, "colours");
    else assert_null(prompt->category);
    (*i)++;
    return CNA_OK;
}

static cna_status check_condition(void *user, const cna_run_condition *c, cna_error *err)
{
    (void)err;
    size_t *i = user;
    assert_int_equal(c->position, *i);
    assert_int_equal(c->k, *i == 0 ? -1 : 25);
    assert_int_equal(c->control_seed, *i == 2 ? 3 : -1);
    assert_int_equal(c->n_multipliers, *i == 1 ? 2 : 0);
    if (*i == 1) assert_true(c->multipliers[0] == 0 && c->multipliers[1] == 0.5);
    assert_true(c->multiplier == (*i == 0 ? 1 : 0));
    assert_true(isnan(c->alpha));
    assert_int_equal(c->layer, -1);
    (*i)++;
    return CNA_OK;
}

static cna_status check_file(void *user, const cna_run_file *file, cna_error *err)
{
    (void)err;
    size_t *n = user;
    assert_string_equal(file->role, "prompts");
    /* printf 'a\nb\n' | sha256sum */
    assert_string_equal(file->sha256, "911169ddaaf146aff539f58c26c489af3b892dff0fe283c1c264c65ae5aa59a2");
    assert_int_equal(file->n_bytes, 4);
    (*n)++;
    return CNA_OK;
}

static cna_status check_circuit(void *user, const char *label, const char *sha256, const char *json, cna_error *err)
{
    (void)err;
    size_t *n = user;
    assert_string_equal(label, "toy.json");
    assert_string_equal(json, "{\"neurons\":[]}");
    assert_int_equal(strlen(sha256), 64);
    (*n)++;
    return CNA_OK;
}

static void test_work(void **user)
{
    const run_place *s = *user;
    cna_error err;
    run_fixture f;
    size_t n_prompts = 0, n_conditions = 0, n_files = 0, n_circuits = 0;
    char *prompts = support_path(s->folder, "prompts.txt");
    support_write(prompts, "a\nb\n", 4);
    assert_ok(run_fixture_open(s->path, &f, &err));
    assert_ok(cna_run_add_file_at(f.run, f.part.id, "prompts", prompts, &err));
    assert_ok(cna_run_add_file_at(f.run, f.part.id, "prompts", prompts, &err));
    assert_ok(cna_run_each_prompt(f.run, f.part.id, check_prompt, &n_prompts, &err));
    assert_ok(cna_run_each_condition(f.run, f.part.id, check_condition, &n_conditions, &err));
    assert_ok(cna_run_each_file(f.run, f.part.id, check_file, &n_files, &err));
    assert_ok(cna_run_each_circuit(f.run, f.part.id, check_circuit, &n_circuits, &err));
    assert_int_equal(n_prompts, 4);
    assert_int_equal(n_conditions, 3);
    assert_int_equal(n_files, 1);
    assert_int_equal(n_circuits, 1);
    support_write(prompts, "a\nc\n", 4);
    assert_int_equal(cna_run_add_file_at(f.run, f.part.id, "prompts", prompts, &err), CNA_ERR_MISMATCH);
    cna_run_free(f.run);
    cna_free(prompts);
}

/* ---- adding again ---- */

static void test_again(void **user)
{
    const run_place *s = *user;
    cna_error err;
    run_fixture f, g;
    assert_ok(run_fixture_open(s->path, &f, &err));
    add_answers(&f, 6);
    cna_run_free(f.run);
    assert_ok(run_fixture_open(s->path, &g, &err));
    assert_true(g.part.continues);
    assert_int_equal(g.part.id, f.part.id);
    assert_memory_equal(g.prompts, f.prompts, sizeof g.prompts);
    assert_memory_equal(g.conditions, f.conditions, sizeof g.conditions);
    bool done[2] = {false, false};
    assert_ok(cna_run_find_done(g.run, g.conditions[1], CNA_SIDE_HARMFUL, done, 2, &err));
    assert_true(done[0] && done[1]);
    done[0] = done[1] = false;
    assert_ok(cna_run_find_done(g.run, g.conditions[1], CNA_SIDE_BENIGN, done, 2, &err));
    assert_false(done[0] || done[1]);
    assert_int_equal(cna_run_find_done(g.run, g.conditions[1], CNA_SIDE_HARMFUL, done, 1, &err), CNA_ERR_FORMAT);
    add_answers(&g, 12);
    cna_run_generation other = run_fixture_answer(&g, 1);
    other.text = "An oak.";
    other.n_bytes = 7;
    assert_int_equal(cna_run_add_generation(g.run, &other, NULL, &err), CNA_ERR_MISMATCH);
    assert_non_null(strstr(err.text, "the file has 'A willow.' for text, where this command has 'An oak.'"));
    cna_run_prompt prompt = {.side = CNA_SIDE_HARMFUL, .position = 1, .text = "name a tree", .n_bytes = 11,
                             .discovery = CNA_RUN_DISCOVERY};
    int64_t id = 0;
    assert_ok(cna_run_add_prompt(g.run, g.part.id, &prompt, &id, &err));
    assert_int_equal(id, g.prompts[1]);
    prompt.category = "trees";
    assert_int_equal(cna_run_add_prompt(g.run, g.part.id, &prompt, &id, &err), CNA_ERR_MISMATCH);
    assert_non_null(strstr(err.text, "prompt (part 1, side 'harmful', position 1): the file has nothing for category, "
                                     "where this command has 'trees'; use another run file"));
    cna_run_free(g.run);
    assert_int_equal(run_fixture_count(s->path, "SELECT count(*) FROM generation"), 12);
}

static void test_configuration(void **user)
{
    const run_place *s = *user;
    cna_error err;
    run_fixture f;
    cna_run_part part;
    assert_ok(run_fixture_open(s->path, &f, &err));
    json_t *other = run_fixture_config(40, 0.5), *missing = json_pack("{s:i}", "max_tokens", 40);
    assert_int_equal(run_fixture_begin(f.run, other, &part, &err), CNA_ERR_MISMATCH);
    assert_non_null(strstr(err.text, "run.db: expected the configuration of its sweep, found another: key "
                                     "'limits.quality': the file has 0.59999999999999998, this command 0.5; use "
                                     "another file, or --append to keep both"));
    assert_int_equal(run_fixture_begin(f.run, missing, &part, &err), CNA_ERR_MISMATCH);
    assert_non_null(strstr(err.text, "key 'limits': the file has {\"logprob\":1.5,"));
    assert_non_null(strstr(err.text, "this command nothing"));
    cna_run_free(f.run);
    assert_int_equal(run_fixture_count(s->path, "SELECT count(*) FROM part"), 1);
    cna_run_open_options append = {.append = true};
    cna_run *run;
    assert_ok(cna_run_open(s->path, &append, &run, &err));
    assert_ok(run_fixture_begin(run, other, &part, &err));
    assert_int_equal(part.id, 2);
    assert_false(part.continues);
    assert_ok(run_fixture_begin(run, other, &part, &err));
    assert_true(part.id == 2 && part.continues && !part.ended);
    assert_ok(cna_run_end_part(run, 2, &err));
    assert_ok(run_fixture_begin(run, other, &part, &err));
    assert_true(part.ended);
    /* another model, and another dtype of the same model, are other configurations */
    cna_model_info model = run_fixture_model;
    strcpy(model.compute_dtype, "f32");
    cna_run_part_spec spec = {.command = "sweep", .model = &model, .model_path = "models/toy", .config = other};
    assert_ok(cna_run_begin_part(run, &spec, &part, &err));
    assert_int_equal(part.id, 3);
    spec.role = "base";
    assert_ok(cna_run_begin_part(run, &spec, &part, &err));
    assert_int_equal(part.id, 4);
    spec.config = missing;
    cna_run_free(run);
    assert_ok(cna_run_open(s->path, NULL, &run, &err));
    assert_int_equal(cna_run_begin_part(run, &spec, &part, &err), CNA_ERR_MISMATCH);
    assert_non_null(strstr(err.text, "of its sweep, base, found another"));
    cna_run_free(run);
    assert_int_equal(run_fixture_count(s->path, "SELECT count(*) FROM model"), 2);
    json_decref(other);
    json_decref(missing);
}

static void test_date_and_seed(void **user)
{
    const run_place *s = *user;
    cna_error err;
    cna_run *run;
    cna_run_part part;
    json_t *config = run_fixture_config(1, 1);
    cna_run_part_spec spec = {.command = "mmlu", .model = &run_fixture_model, .model_path = "m", .config = config,
                              .seed = UINT64_MAX, .date = "2024-01-02", .machine = "{\"cpu\":\"A\"}"};
    assert_ok(cna_run_open(s->path, NULL, &run, &err));
    assert_ok(cna_run_begin_part(run, &spec, &part, &err));
    assert_string_equal(part.date, "2024-01-02");
    spec.date = "2025-01-02";
    spec.machine = "{\"cpu\":\"B\"}";
    assert_ok(cna_run_begin_part(run, &spec, &part, &err));
    assert_string_equal(part.date, "2024-01-02");
    assert_non_null(strstr(part.note, "was begun by cna " CNA_VERSION " on {\"cpu\":\"A\"}"));
    spec.date_given = true;
    assert_int_equal(cna_run_begin_part(run, &spec, &part, &err), CNA_ERR_MISMATCH);
    assert_non_null(strstr(err.text, "expected the date of its mmlu, '2024-01-02', found '2025-01-02'"));
    spec.date = "today";
    assert_int_equal(cna_run_begin_part(run, &spec, &part, &err), CNA_ERR_ARG);
    cna_run_parts parts;
    assert_ok(cna_run_read_parts(run, &parts, &err));
    assert_int_equal(parts.n, 1);
    assert_true(parts.items[0].seed == UINT64_MAX);
    assert_non_null(strstr(parts.items[0].config, "\"seed\":\"18446744073709551615\""));
    cna_run_parts_free(&parts);
    cna_run_free(run);
    json_decref(config);
}

/* ---- parts, memory, read-only ---- */

static void test_parts(void **user)
{
    const run_place *s = *user;
    cna_error err;
    run_fixture f;
    assert_ok(run_fixture_open(s->path, &f, &err));
    add_answers(&f, 12);
    assert_ok(cna_run_plan_part(f.run, f.part.id, 24, &err));
    cna_run_open_options read_only = {.read_only = true};
    cna_run *reader;
    cna_run_parts parts;
    assert_ok(cna_run_open(s->path, &read_only, &reader, &err)); /* while it is written to */
    cna_run_generation g = run_fixture_answer(&f, 0);
    assert_int_equal(cna_run_add_generation(reader, &g, NULL, &err), CNA_ERR_ARG);
    assert_ok(cna_run_end_part(f.run, f.part.id, &err)); /* which the reader does not see */
    assert_ok(cna_run_read_parts(reader, &parts, &err));
    const cna_run_part_info *p = &parts.items[0];
    assert_int_equal(parts.n, 1);
    assert_string_equal(p->command, "sweep");
    assert_string_equal(p->model_path, "models/toy");
    assert_null(p->ended);
    assert_string_equal(p->date, "2024-05-06");
    assert_int_equal(p->n_planned, 24);
    assert_int_equal(p->n_prompts[0], 2);
    assert_int_equal(p->n_prompts[1], 2);
    assert_int_equal(p->n_conditions, 3);
    assert_int_equal(p->n_controls, 1);
    assert_int_equal(p->n_generations, 12);
    assert_int_equal(p->n_outcomes, 0);
    assert_int_equal(p->n_circuits, 1);
    assert_int_equal(p->n_figures, 0);
    cna_run_parts_free(&parts);
    cna_run_free(reader);
    assert_ok(cna_run_open(s->path, &read_only, &reader, &err));
    assert_ok(cna_run_read_parts(reader, &parts, &err));
    assert_non_null(parts.items[0].ended);
    cna_run_parts_free(&parts);
    cna_run_free(reader);
    cna_run_free(f.run);
}

static void test_memory(void **user)
{
    (void)user;
    cna_error err;
    run_fixture f;
    assert_ok(run_fixture_open(NULL, &f, &err));
    assert_string_equal(cna_run_path(f.run), "(memory)");
    add_answers(&f, 12);
    assert_ok(cna_run_each_generation(f.run, f.part.id, 0, check_answer, &f, &err));
    cna_run_free(f.run);
}

/* ---- allocations ---- */

static cna_status use_everything(void *user, cna_error *err)
{
    const char *path = user;
    unlink(path);
    run_fixture f;
    CNA_TRY(run_fixture_open(path, &f, err));
    cna_run_generation g = run_fixture_answer(&f, 5);
    cna_run_generations all = {0};
    cna_run_parts parts = {0};
    cna_run_figure figure = {.name = "x", .detail = "{}"};
    bool found;
    double value;
    char *detail = NULL, *machine = NULL;
    size_t n = 0;
    json_t *other = run_fixture_config(1, 0.6);
    cna_run_part part;
    cna_status status = cna_run_add_generation(f.run, &g, NULL, err);
    if (status == CNA_OK) status = cna_run_read_generations(f.run, f.part.id, 0, &all, err);
    if (status == CNA_OK) status = cna_run_read_parts(f.run, &parts, err);
    if (status == CNA_OK) status = cna_run_set_figure(f.run, f.part.id, &figure, err);
    if (status == CNA_OK) status = cna_run_find_figure(f.run, f.part.id, 0, "x", &found, &value, &detail, err);
    if (status == CNA_OK) status = cna_run_machine(NULL, &machine, err);
    if (status == CNA_OK) status = cna_run_each_condition(f.run, f.part.id, check_condition, &n, err);
    if (status == CNA_OK) {
        status = run_fixture_begin(f.run, other, &part, err);
        if (status == CNA_ERR_MISMATCH) status = CNA_OK;
    }
    json_decref(other);
    cna_free(detail);
    cna_free(machine);
    cna_run_parts_free(&parts);
    cna_run_generations_free(&all);
    cna_run_free(f.run);
    return status;
}

static void test_allocations(void **user)
{
    const run_place *s = *user;
    support_fail_allocations(use_everything, s->path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answers, run_place_set_up, run_place_tear_down),
        cmocka_unit_test_setup_teardown(test_update, run_place_set_up, run_place_tear_down),
        cmocka_unit_test_setup_teardown(test_work, run_place_set_up, run_place_tear_down),
        cmocka_unit_test_setup_teardown(test_again, run_place_set_up, run_place_tear_down),
        cmocka_unit_test_setup_teardown(test_configuration, run_place_set_up, run_place_tear_down),
        cmocka_unit_test_setup_teardown(test_date_and_seed, run_place_set_up, run_place_tear_down),
        cmocka_unit_test_setup_teardown(test_parts, run_place_set_up, run_place_tear_down),
        cmocka_unit_test(test_memory),
        cmocka_unit_test_setup_teardown(test_allocations, run_place_set_up, run_place_tear_down),
    };
    return cmocka_run_group_tests_name("run", tests, NULL, NULL);
}
