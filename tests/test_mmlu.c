/* SPDX-License-Identifier: MIT
 * MMLU without a model: prompts against lm-evaluation-harness' (tests/golden/make_mmlu.py), the layouts of files,
 * malformed ones, figures. */
#include "support.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "study/mmlu_points.h"
#include "study/mmlu_prompt.h"
#include "tokenizer_fixture.h"

static const char data_folder[] = "tests/data/mmlu";

static cna_status read_data(const char *folder, const char *const *names, size_t n_shots, cna_mmlu_data *out,
                            cna_error *err)
{
    bool wanted[CNA_MMLU_N_SUBJECTS] = {false};
    for (; *names != NULL; names++) wanted[cna_mmlu_find_subject(*names)] = true;
    return cna_mmlu_data_read(folder, wanted, wanted, n_shots, out, err);
}

#define SUBJECTS(...) (const char *const[]){__VA_ARGS__, NULL}

/* ---- prompts ---- */

static void check_prompt(const json_t *golden)
{
    cna_error err;
    cna_mmlu_data data;
    const char *subject = json_string_value(json_object_get(golden, "subject"));
    const json_t *prompt = json_object_get(golden, "prompt");
    size_t n_shots = (size_t)json_integer_value(json_object_get(golden, "shots"));
    size_t question = (size_t)json_integer_value(json_object_get(golden, "question"));
    size_t s = cna_mmlu_find_subject(subject);
    assert_ok(read_data(data_folder, SUBJECTS(subject), n_shots, &data, &err));
    const cna_format format = {0};
    cna_mmlu_prompter prompter = {.format = &format, .max_positions = 4096};
    assert_ok(cna_mmlu_prompter_begin(&prompter, subject, data.lists[CNA_MMLU_DEV][s].items, n_shots, &err));
    const cna_mmlu_item *item = &data.lists[CNA_MMLU_TEST][s].items[question];
    assert_ok(cna_buffer_add(&prompter.prefix, item->text, item->n_bytes, &err));
    assert_string_equal(prompter.prefix.data, json_string_value(prompt));
    assert_int_equal(prompter.prefix.size, json_string_length(prompt));
    assert_int_equal(item->answer, json_integer_value(json_object_get(golden, "answer")));
    cna_mmlu_prompter_clear(&prompter);
    cna_mmlu_data_clear(&data);
}

static void prompts_and_groups_are_the_harness(void **state)
{
    (void)state;
    cna_error err;
    json_t *golden, *group;
    const char *name;
    assert_ok(cna_json_load("tests/golden/mmlu.json", 1 << 20, &golden, &err));
    const json_t *cases = json_object_get(golden, "cases");
    for (size_t i = 0; i < json_array_size(cases); i++) check_prompt(json_array_get(cases, i));
    assert_int_equal(json_array_size(cases), 12);
    json_t *groups = json_object_get(golden, "groups");
    assert_int_equal(json_object_size(groups), CNA_MMLU_N_SUBJECTS);
    json_object_foreach(groups, name, group) {
        size_t s = cna_mmlu_find_subject(name);
        assert_true(s < CNA_MMLU_N_SUBJECTS);
        assert_string_equal(cna_mmlu_group_name(cna_mmlu_subjects()[s].group), json_string_value(group));
    }
    json_decref(golden);
}

/* The ids as text again. */
static void check_ids(const cna_tokenizer *tokenizer, const int32_t *ids, size_t n, const char *expected)
{
    cna_error err;
    char *text;
    assert_ok(cna_tokenizer_decode(tokenizer, ids, n, false, &text, NULL, &err));
    assert_string_equal(text, expected);
    cna_free(text);
}

static void choices_are_cut_off_behind_the_text(void **state)
{
    (void)state;
    cna_error err;
    cna_format format = {.mode = CNA_FORMAT_RAW};
    /* " D" is one token, the other choices are two. */
    static const char *const merges[] = {"\xC4\xA0 D", NULL};
    cna_tokenizer *tokenizer = tokenizer_fixture_open(&(tokenizer_fixture){.merges = merges});
    cna_mmlu_prompter p = {.tokenizer = tokenizer, .format = &format, .max_positions = 12};
    char text[] = "abcdefgx: \n";
    const cna_mmlu_item item = {text, sizeof text - 1, 0};
    cna_mmlu_prompt prompt;
    assert_ok(cna_mmlu_prompt_make(&p, &item, &prompt, &err));
    check_ids(tokenizer, prompt.context, prompt.n_context, "abcdefgx:");
    assert_int_equal(prompt.n_context, 9);
    check_ids(tokenizer, prompt.choices[0], prompt.n_choices[0], " \n A");
    check_ids(tokenizer, prompt.choices[3], prompt.n_choices[3], " \n D");
    assert_int_equal(prompt.n_choices[0], 4);
    assert_int_equal(prompt.n_choices[3], 3);
    assert_int_equal(prompt.skip[0], 0); /* 9 + 4 tokens, of which the last is never an input */
    cna_mmlu_prompt_clear(&prompt);
    p.max_positions = 11;
    assert_ok(cna_mmlu_prompt_make(&p, &item, &prompt, &err));
    assert_int_equal(prompt.skip[0], 1);
    assert_int_equal(prompt.skip[3], 0);
    cna_mmlu_prompt_clear(&prompt);
    p.max_positions = 3;
    assert_int_equal(cna_mmlu_prompt_make(&p, &item, &prompt, &err), CNA_ERR_UNSUPPORTED);
    assert_string_equal(err.text, "choice A: expected 1 to 3 tokens behind the prompt's 9, found 4");
    cna_mmlu_prompt_clear(&prompt);
    cna_tokenizer_free(tokenizer);
}

/* ---- files ---- */

static void write_file(const char *folder, const char *name, const char *text)
{
    char *path = support_path(folder, name);
    for (char *slash = strchr(path + strlen(folder) + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    support_write(path, text, strlen(text));
    cna_free(path);
}

#define ANATOMY "Which joint bends?\nA. knee\nB. \"nail\"\nC. tooth, one\nD. l'os\nAnswer:"

/* The question above in files of these names and texts, found as anatomy's. */
static void check_layout(const char *name, const char *text, int answer)
{
    cna_error err;
    cna_mmlu_data data;
    char *folder = support_folder_create(), dev[128] = "";
    write_file(folder, name, text);
    snprintf(dev, sizeof dev, "%s", name);
    for (char *test = strstr(dev, "test"); test != NULL; test = strstr(dev, "test")) {
        memmove(test + 3, test + 4, strlen(test + 4) + 1);
        memcpy(test, "dev", 3);
    }
    write_file(folder, dev, text);
    assert_ok(read_data(folder, SUBJECTS("anatomy"), 1, &data, &err));
    for (int split = 0; split < CNA_MMLU_N_SPLITS; split++) {
        const cna_mmlu_items *list = &data.lists[split][cna_mmlu_find_subject("anatomy")];
        assert_int_equal(list->n, 1);
        assert_string_equal(list->items[0].text, ANATOMY);
        assert_int_equal(list->items[0].answer, answer);
    }
    assert_int_equal(data.n_paths, 2);
    cna_mmlu_data_clear(&data);
    support_folder_remove(folder);
}

static void every_layout_is_read(void **state)
{
    (void)state;
    static const char bare[] = "Which joint bends?,knee,\"\"\"nail\"\"\",\"tooth, one\",l'os,A\n";
    static const char letters[] = "\xEF\xBB\xBFQuestion,A,B,C,D,Answer\r\n\r\nWhich joint bends?,knee,\"\"\"nail\"\"\","
                                  "\"tooth, one\",l'os,b\r\n";
    static const char numbered[] = ",subject,question,choice0,choice1,choice2,choice3,answer\n"
                                   "0,anatomy,Which joint bends?,knee,\"\"\"nail\"\"\",\"tooth, one\",l'os,2\n"
                                   "1,virology,Who?,a,b,c,d,0\n";
    static const char numpy[] = "question,subject,choices,answer\n\"Which joint bends?\",anatomy,"
                                "\"['knee' '\"\"nail\"\"'\n 'tooth, one' \"\"l'os\"\"]\",3\n";
    static const char python[] = "question,subject,choices,answer\n\"Which joint bends?\",anatomy,"
                                 "\"['knee', '\"\"nail\"\"', 'tooth, one', 'l\\'os']\",3\n";
    static const char json[] =
        "{\"question\": \" Which joint bends?\\n\", \"subject\": \"anatomy\", "
        "\"choices\": [\"knee\", \"\\\"nail\\\"\", \"tooth, one\", \"l'os\"], \"answer\": 1}\n"
        "\n{\"question\": \"Who?\", \"subject\": \"virology\", "
        "\"choices\": [\"a\", \"b\", \"c\", \"d\"], \"answer\": \"D\"}\n";
    static const char keys[] = "{\"question\": \"Which joint bends?\", \"A\": \"knee\", \"B\": \"\\\"nail\\\"\", "
                               "\"C\": \"tooth, one\", \"D\": \"l'os\", \"answer\": \"C\"}";
    check_layout("test/anatomy_test.csv", bare, 0);
    check_layout("data/test/anatomy_test.csv", bare, 0);
    check_layout("test/anatomy.csv", letters, 1);
    check_layout("anatomy/test.jsonl", keys, 2);
    check_layout("anatomy/test-00000-of-00001.jsonl", keys, 2);
    check_layout("test.csv", numbered, 2);
    check_layout("test.csv", numpy, 3);
    check_layout("data/test.csv", python, 3);
    check_layout("test.jsonl", json, 1);
    check_layout("all/test-00000-of-00001.jsonl", json, 1);
}

/* A subject's own file goes before one of all subjects, and no question is read twice. */
static void mixed_layouts_are_read_once(void **state)
{
    (void)state;
    cna_error err;
    cna_mmlu_data data;
    char *folder = support_folder_create();
    write_file(folder, "anatomy/test.csv", "own,a,b,c,d,A\n");
    write_file(folder, "virology/test.csv", "own,a,b,c,d,A\n");
    write_file(folder, "test.csv", "question,subject,A,B,C,D,answer\nall,anatomy,a,b,c,d,A\nall,astronomy,a,b,c,d,A\n"
                                   "all,virology,a,b,c,d,A\n");
    assert_ok(read_data(folder, SUBJECTS("anatomy", "astronomy", "virology"), 0, &data, &err));
    static const char *const subjects[] = {"anatomy", "astronomy", "virology"};
    static const char *const expected[] = {"own", "all", "all"};
    for (size_t i = 0; i < 3; i++) {
        const cna_mmlu_items *list = &data.lists[CNA_MMLU_TEST][cna_mmlu_find_subject(subjects[i])];
        assert_int_equal(list->n, 1);
        assert_memory_equal(list->items[0].text, expected[i], 3);
    }
    cna_mmlu_data_clear(&data);
    support_folder_remove(folder);
}

static void the_public_files_are_read(void **state)
{
    (void)state;
    cna_error err;
    cna_mmlu_data data;
    bool wanted[CNA_MMLU_N_SUBJECTS];
    memset(wanted, true, sizeof wanted);
    char *folder = support_testdata("mmlu");
    assert_ok(cna_mmlu_data_read(folder, wanted, wanted, 5, &data, &err));
    size_t n = 0;
    for (size_t s = 0; s < CNA_MMLU_N_SUBJECTS; s++) {
        assert_int_equal(data.lists[CNA_MMLU_DEV][s].n, 5);
        n += data.lists[CNA_MMLU_TEST][s].n;
    }
    assert_int_equal(n, 14042); /* the published size of the test split */
    cna_mmlu_data_clear(&data);
    cna_free(folder);
}

static cna_status read_anatomy(const char *folder, cna_error *err)
{
    cna_mmlu_data data;
    cna_status status = read_data(folder, SUBJECTS("anatomy"), 1, &data, err);
    cna_mmlu_data_clear(&data);
    return status;
}

static void malformed_files_are_refused(void **state)
{
    (void)state;
    support_replay_malformed("mmlu", NULL, read_anatomy);
}

static void parquet_says_how_to_export(void **state)
{
    (void)state;
    cna_error err;
    char *folder = support_folder_create();
    write_file(folder, "all/test-00000-of-00001.parquet", "PAR1");
    assert_int_equal(read_anatomy(folder, &err), CNA_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "found parquet; export it: python3 -c \"import pandas,glob; "));
    support_folder_remove(folder);
}

static void check_list(const char *text, size_t n_expected, const char *first)
{
    cna_error err;
    cna_buffer items[4] = {{0}};
    size_t n;
    bool valid;
    assert_ok(cna_mmlu_list_read(text, strlen(text), items, &n, &valid, &err));
    assert_int_equal(valid, first != NULL);
    if (valid) assert_int_equal(n, n_expected);
    if (valid && n != 0) assert_string_equal(items[0].data, first);
    for (int i = 0; i < 4; i++) cna_buffer_free(&items[i]);
}

static void lists_are_read_as_they_are_written(void **state)
{
    (void)state;
    check_list("[]", 0, "");
    check_list(" ['a'\n 'b', \"c\" 'd'] ", 4, "a");
    check_list("['a', 'b', 'c', 'd', 'e', 'f']", 6, "a");
    check_list("['\\xe9\\u00e9\\U0001f41f\\\\ \\' \\n']", 1, "\xC3\xA9\xC3\xA9\xF0\x9F\x90\x9F\\ ' \n");
    check_list("[\"\\ud83d\\udc1f \\/ \\b\"]", 1, "\xF0\x9F\x90\x9F / \b");
    static const char *const bad[] = {"",      "a",          "[",           "['a'",        "['a]",  "[1, 2]",
                                      "['a'] b", "['\\q']", "['\\ud83d']", "['\\xg1']", "['\\", "['\\ud83d\\u0041']",
                                      "['\\U00110000']"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) check_list(bad[i], 0, NULL);
}

static cna_status read_all_kinds(void *user, cna_error *err)
{
    cna_mmlu_data data;
    cna_status status = read_data(user, SUBJECTS("astronomy", "philosophy"), 3, &data, err);
    cna_mmlu_data_clear(&data);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    char csv[] = "tests/data/mmlu";
    support_fail_allocations(read_all_kinds, csv);
    char *folder = support_folder_create();
    static const char rows[] = "question,subject,choices,answer\nq,astronomy,\"['a', 'b', 'c', 'd']\",0\n"
                               "q,philosophy,\"['a', 'b', 'c', 'd']\",0\n";
    char text[1024];
    snprintf(text, sizeof text, "%s%s%s", rows, strchr(rows, '\n') + 1, strchr(rows, '\n') + 1);
    write_file(folder, "test.csv", text);
    write_file(folder, "dev.csv", text);
    support_fail_allocations(read_all_kinds, folder);
    support_folder_remove(folder);
}

/* ---- figures ---- */

static void ties_go_to_the_first(void **state)
{
    (void)state;
    assert_int_equal(cna_mmlu_choose((double[]){-2, -1, -1, -3}), 1);
    assert_int_equal(cna_mmlu_choose((double[]){-1, -1, -1, -1}), 0);
    assert_int_equal(cna_mmlu_choose((double[]){-4, -3, -2, -1}), 3);
}

static void accuracy_is_counted(void **state)
{
    (void)state;
    cna_error err;
    const size_t anatomy = cna_mmlu_find_subject("anatomy"), law = cna_mmlu_find_subject("professional_law");
    const double multipliers[] = {0, 1};
    /* Four questions of anatomy, two of law; rightness at 0 and at 1 drawn up by hand. */
    const int chosen[] = {0, 1, 2, 3, /* at 1: */ 0, 0, 2, 0, /* law at 0: */ 1, 1, /* at 1: */ 1, 0};
    const int answer[] = {0, 0, 2, 0, 0, 0, 2, 0, 1, 1, 1, 1};
    cna_mmlu_answer answers[12] = {{0}};
    for (size_t i = 0; i < 12; i++) answers[i] = (cna_mmlu_answer){.chosen = chosen[i], .answer = answer[i]};
    const cna_mmlu_block blocks[] = {{anatomy, 0, 4}, {law, 8, 2}};
    cna_mmlu_point *points;
    size_t n;
    assert_ok(cna_mmlu_points_make(answers, blocks, 2, multipliers, 2, 1, &points, &n, &err));
    static const struct {
        const char *name;
        size_t n, right, changed, b, c;
        double p;
    } expected[] = {
        {"mmlu", 6, 4, 3, 2, 1, 1},            {"mmlu", 6, 5, 0, 0, 0, 1},
        {"stem", 4, 2, 2, 2, 0, 0.5},          {"stem", 4, 4, 0, 0, 0, 1},
        {"humanities", 2, 2, 1, 0, 1, 1},      {"humanities", 2, 1, 0, 0, 0, 1},
        {"anatomy", 4, 2, 2, 2, 0, 0.5},       {"anatomy", 4, 4, 0, 0, 0, 1},
        {"professional_law", 2, 2, 1, 0, 1, 1}, {"professional_law", 2, 1, 0, 0, 0, 1},
    };
    assert_int_equal(n, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(points[i].name, expected[i].name);
        assert_true(points[i].multiplier == multipliers[i % 2]);
        assert_int_equal(points[i].accuracy.n, expected[i].n);
        assert_int_equal(points[i].accuracy.count, expected[i].right);
        assert_int_equal(points[i].n_changed, expected[i].changed);
        assert_int_equal(points[i].mcnemar_b, expected[i].b);
        assert_int_equal(points[i].mcnemar_c, expected[i].c);
        assert_true(points[i].mcnemar_p == expected[i].p);
    }
    /* statsmodels 0.14.6, proportion_confint(5, 6, method="wilson") */
    assert_true(points[1].accuracy.low > 0.43649 && points[1].accuracy.low < 0.43650);
    assert_true(points[1].accuracy.high > 0.96994 && points[1].accuracy.high < 0.96995);
    cna_free(points);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prompts_and_groups_are_the_harness),
        cmocka_unit_test(choices_are_cut_off_behind_the_text),
        cmocka_unit_test(every_layout_is_read),
        cmocka_unit_test(mixed_layouts_are_read_once),
        cmocka_unit_test(the_public_files_are_read),
        cmocka_unit_test(malformed_files_are_refused),
        cmocka_unit_test(parquet_says_how_to_export),
        cmocka_unit_test(lists_are_read_as_they_are_written),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(ties_go_to_the_first),
        cmocka_unit_test(accuracy_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
