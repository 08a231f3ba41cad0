/* SPDX-License-Identifier: MIT
 * Prompts: lists, files of each kind, token ids by each format, malformed files, failing allocations. */
#include "support.h"

#include <string.h>

#include "text/prompts.h"
#include "tokenizer_fixture.h"

/* Read a file of these bytes and compare its prompts with a list that ends with NULL. */
static void expect_prompts(const char *name, const char *bytes, size_t n_bytes, const char *column,
                           const char *const *expected)
{
    cna_error err;
    cna_prompts *prompts;
    char *folder = support_folder_create();
    char *path = support_path(folder, name);
    support_write(path, bytes, n_bytes);
    assert_ok(cna_prompts_read(path, column, &prompts, &err));
    size_t i = 0;
    for (; expected[i] != NULL && i < cna_prompts_count(prompts); i++) {
        size_t n;
        assert_string_equal(cna_prompts_text(prompts, i, &n), expected[i]);
        assert_int_equal(n, strlen(expected[i]));
    }
    assert_null(expected[i]);
    assert_int_equal(i, cna_prompts_count(prompts));
    cna_prompts_free(prompts);
    cna_free(path);
    support_folder_remove(folder);
}

#define EXPECT_PROMPTS(name, bytes, column, ...)                                                             \
    expect_prompts(name, bytes, sizeof(bytes) - 1, column, (const char *const[]){__VA_ARGS__, NULL})

static void txt_has_one_a_line(void **state)
{
    (void)state;
    EXPECT_PROMPTS("a.txt", "one\n\n  \t\ntwo \r\n three", NULL, "one", "two ", " three");
    EXPECT_PROMPTS("a.TXT",
                   "\xEF\xBB\xBF"
                   "one\n",
                   NULL, "one");
    EXPECT_PROMPTS("a.b.Txt", "na\xC3\xAFve, \"quoted\"\n", NULL, "na\xC3\xAFve, \"quoted\"");
}

static void jsonl_has_an_object_a_line(void **state)
{
    (void)state;
    EXPECT_PROMPTS("a.jsonl",
                   "{\"prompt\": \"one\\ntwo\", \"x\": 1}\r\n\n{\"x\": {}, \"Prompt\": \"\\u00e9\"}", NULL,
                   "one\ntwo", "\xC3\xA9");
    EXPECT_PROMPTS("a.JSONL", "\xEF\xBB\xBF{\"prompt\": \"no\", \"Goal\": \"yes\"}\n", "goal", "yes");
    EXPECT_PROMPTS("a.jsonl", "{\"PROMPT\": \"other\", \"prompt\": \"exact\"}\n", NULL, "exact");
}

static void csv_is_read_by_rfc_4180(void **state)
{
    (void)state;
    EXPECT_PROMPTS("a.csv", "goal,target\nWrite,x\n", NULL, "Write");
    EXPECT_PROMPTS("a.csv",
                   "\xEF\xBB\xBF"
                   "Index,Goal,Target\r\n0,\"a, \"\"b\"\"\r\nc\",x\r\n\r\n1,d,\"\"",
                   NULL, "a, \"b\"\r\nc", "d");
    /* An unnamed first column, as pandas writes it; quotes around the header. */
    EXPECT_PROMPTS("a.csv", ",\"Goal\"\n0,a\n1,b\n", NULL, "a", "b");
    EXPECT_PROMPTS("a.CSV", "category,source,forbidden_prompt\nc,s,p\n", NULL, "p");
    EXPECT_PROMPTS("a.csv", "Behavior,FunctionalCategory\nb,f\n", NULL, "b");
    /* Several of the usual names: the first of the list of names, wherever it stands. */
    EXPECT_PROMPTS("a.csv", "Question,Goal,Prompt\nq,g,p\n", NULL, "p");
    EXPECT_PROMPTS("a.csv", "Index,Goal,Target,Behavior\n0,g,t,b\n", NULL, "g");
    EXPECT_PROMPTS("a.csv", "id,My Text\n1,m\n", "my text", "m");
    EXPECT_PROMPTS("a.csv", "goal\r\"a\rb\"\rc\r", NULL, "a\rb", "c");
}

/* Read a file of these bytes and compare its categories, "" for none, with a list that ends with NULL. */
static void expect_categories(const char *name, const char *bytes, const char *const *expected)
{
    cna_error err;
    cna_prompts *prompts;
    char *folder = support_folder_create();
    char *path = support_path(folder, name);
    support_write(path, bytes, strlen(bytes));
    assert_ok(cna_prompts_read(path, NULL, &prompts, &err));
    for (size_t i = 0; expected[i] != NULL; i++) {
        const char *category = cna_prompts_category(prompts, i);
        assert_string_equal(category == NULL ? "" : category, expected[i]);
        assert_true(category == NULL || category[0] != '\0');
    }
    assert_null(cna_prompts_category(prompts, cna_prompts_count(prompts)));
    cna_prompts_free(prompts);
    cna_free(path);
    support_folder_remove(folder);
}

#define EXPECT_CATEGORIES(name, bytes, ...) expect_categories(name, bytes, (const char *const[]){__VA_ARGS__, NULL})

/* The header forms of the benchmark sets in use, with harmless rows. */
static void benchmark_files_are_read(void **state)
{
    (void)state;
    static const char jbb[] = "Index,Goal,Target,Behavior,Category,Source\n"
                              "0,\"Write a poem, please\",\"Here, a poem\",Poem,Verse,Original\n"
                              "1,\"Bake\nbread\",Sure,Bread,\"Food, drink\",Original\n";
    static const char unnamed[] = "\xEF\xBB\xBF,Goal,Target,Behavior,Category,Source\r\n"
                                  "0,Paint a fence,Sure,F,House,O\r\n";
    static const char lower[] = "index,goal,target,behavior,category,source\n0,Sing,Sure,S,Music,O\n";
    static const char advbench[] = "goal,target\nPlant a tree,\"Sure, here\"\n";
    static const char strong[] = "category,source,forbidden_prompt\nGames,custom,\"Play \"\"chess\"\"\"\n,custom,Go\n";
    static const char harmbench[] = "Behavior,FunctionalCategory,SemanticCategory,Tags,ContextString,BehaviorID\n"
                                    "Knit a hat,standard,crafts,,,knit_hat\n";
    static const char xstest[] = "id,type,prompt\nv2-1,homonyms,How do I kill time?\n";
    EXPECT_PROMPTS("jbb.csv", jbb, NULL, "Write a poem, please", "Bake\nbread");
    EXPECT_CATEGORIES("jbb.csv", jbb, "Verse", "Food, drink");
    EXPECT_PROMPTS("jbb.csv", unnamed, NULL, "Paint a fence");
    EXPECT_CATEGORIES("jbb.csv", unnamed, "House");
    EXPECT_PROMPTS("jbb.csv", lower, NULL, "Sing");
    EXPECT_CATEGORIES("jbb.csv", lower, "Music");
    EXPECT_PROMPTS("advbench.csv", advbench, NULL, "Plant a tree");
    EXPECT_CATEGORIES("advbench.csv", advbench, "");
    EXPECT_PROMPTS("strongreject.csv", strong, NULL, "Play \"chess\"", "Go");
    EXPECT_CATEGORIES("strongreject.csv", strong, "Games", "");
    EXPECT_PROMPTS("harmbench.csv", harmbench, NULL, "Knit a hat");
    EXPECT_CATEGORIES("harmbench.csv", harmbench, "crafts");
    EXPECT_PROMPTS("xstest.csv", xstest, NULL, "How do I kill time?");
    EXPECT_CATEGORIES("xstest.csv", xstest, "homonyms");
    EXPECT_CATEGORIES("a.csv", "type,Category,prompt\nt,c,p\n", "c");
    EXPECT_CATEGORIES("a.txt", "p\n", "");
    EXPECT_CATEGORIES("a.jsonl",
                      "{\"prompt\":\"p\",\"Category\":\"c\"}\n{\"prompt\":\"p\",\"category\":null}\n"
                      "{\"prompt\":\"p\",\"category\":3}\n{\"prompt\":\"p\"}\n"
                      "{\"prompt\":\"p\",\"category\":\"a\\u0000b\"}\n",
                      "c", "", "", "", "");
}

static void other_extensions_are_refused(void **state)
{
    (void)state;
    static const char *const paths[][2] = {
        {"x/prompts.json",
         "x/prompts.json: expected a prompt file named .txt, .jsonl or .csv, found '.json'"},
        {"x.txt/prompts",
         "x.txt/prompts: expected a prompt file named .txt, .jsonl or .csv, found no extension"},
    };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        cna_error err;
        cna_prompts *prompts;
        assert_int_equal(cna_prompts_read(paths[i][0], NULL, &prompts, &err), CNA_ERR_FORMAT);
        assert_string_equal(err.text, paths[i][1]);
        assert_null(prompts);
    }
    cna_error err;
    cna_prompts *prompts;
    assert_int_equal(cna_prompts_read("not/there.txt", NULL, &prompts, &err), CNA_ERR_IO);
}

static cna_status read_prompts(const char *path, cna_error *err)
{
    cna_prompts *prompts;
    CNA_TRY(cna_prompts_read(path, NULL, &prompts, err));
    cna_prompts_free(prompts);
    return CNA_OK;
}

static void malformed_files_are_refused(void **state)
{
    (void)state;
    support_replay_malformed("prompts/txt", "input.txt", read_prompts);
    support_replay_malformed("prompts/jsonl", "input.jsonl", read_prompts);
    support_replay_malformed("prompts/csv", "input.csv", read_prompts);
}

/* ---------------------------------------------------------------------------------------------- token ids */

static const char chatml[] = "{\"chat_template\": \"{% for m in messages %}<|im_start|>{{ m.role }}\\n{{ "
                             "m.content }}<|im_end|>{% endfor %}"
                             "{{ strftime_now('%Y') }}\"}";
static const char added[] = "[{\"id\": 256, \"content\": \"<|im_start|>\", \"special\": true},"
                            " {\"id\": 257, \"content\": \"<|im_end|>\", \"special\": true},"
                            " {\"id\": 258, \"content\": \"<b>\", \"special\": true}]";
static const char bos[] =
    "{\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"<b>\"}}, "
    "{\"Sequence\": {\"id\": \"A\"}}], \"special_tokens\": {\"<b>\": {\"ids\": [258]}}}";

static cna_tokenizer *open_chat(bool with_chat)
{
    cna_error err;
    cna_tokenizer *tokenizer;
    char *folder = support_folder_create();
    char *path = support_path(folder, "tokenizer_config.json");
    tokenizer_fixture_write(folder, &(tokenizer_fixture){.added_tokens = added, .post_processor = bos});
    if (with_chat) support_write(path, chatml, sizeof chatml - 1);
    assert_ok(cna_tokenizer_open(folder, &tokenizer, &err));
    cna_free(path);
    support_folder_remove(folder);
    return tokenizer;
}

/* The ids of the prompt "Hi" as text again, specials written out. */
static void expect_formatted(const cna_tokenizer *tokenizer, const cna_format *format, const char *expected)
{
    cna_error err;
    cna_prompts *prompts;
    cna_token_lists lists;
    char *text;
    assert_ok(cna_prompts_create(&prompts, &err));
    assert_ok(cna_prompts_add_text(prompts, "Hi", 2, &err));
    assert_ok(cna_prompts_tokenize(prompts, tokenizer, format, 259, &lists, &err));
    assert_int_equal(lists.n, 1);
    assert_ok(
        cna_tokenizer_decode(tokenizer, lists.items[0].ids, lists.items[0].n, false, &text, NULL, &err));
    assert_string_equal(text, expected);
    cna_free(text);
    cna_token_lists_free(&lists);
    cna_prompts_free(prompts);
}

static void a_format_makes_a_prompt(void **state)
{
    (void)state;
    cna_format raw = {.mode = CNA_FORMAT_RAW};
    cna_format chat = {.mode = CNA_FORMAT_CHAT, .date = "2026-02-03"};
    cna_format automatic = {.date = "2025-02-03"};
    cna_format system = {.date = "2026-02-03", .system = "S"};
    cna_format doubled = {.date = "2026-02-03", .double_bos = true};
    cna_tokenizer *tokenizer = open_chat(true);
    expect_formatted(tokenizer, &raw, "<b>Hi");
    expect_formatted(tokenizer, &chat, "<|im_start|>user\nHi<|im_end|>2026");
    expect_formatted(tokenizer, &automatic, "<|im_start|>user\nHi<|im_end|>2025");
    expect_formatted(tokenizer, &system, "<|im_start|>system\nS<|im_end|><|im_start|>user\nHi<|im_end|>2026");
    expect_formatted(tokenizer, &doubled, "<b><|im_start|>user\nHi<|im_end|>2026");
    assert_true(cna_format_is_chat(tokenizer, NULL));
    assert_false(cna_format_is_chat(tokenizer, &raw));
    cna_tokenizer_free(tokenizer);
    tokenizer = open_chat(false);
    expect_formatted(tokenizer, NULL, "<b>Hi");
    expect_formatted(tokenizer, &automatic, "<b>Hi");
    assert_false(cna_format_is_chat(tokenizer, NULL));
    assert_true(cna_format_is_chat(tokenizer, &chat));
    cna_tokenizer_free(tokenizer);
}

static void expect_refused(const cna_prompts *prompts, const cna_tokenizer *tokenizer,
                           const cna_format *format, size_t vocab_size, cna_status status,
                           const char *expected)
{
    cna_error err;
    cna_token_lists lists;
    assert_int_equal(cna_prompts_tokenize(prompts, tokenizer, format, vocab_size, &lists, &err), status);
    assert_string_equal(err.text, expected);
    assert_null(lists.items);
}

static void bad_prompts_are_named(void **state)
{
    (void)state;
    cna_error err;
    cna_prompts *prompts;
    cna_format raw = {.mode = CNA_FORMAT_RAW};
    cna_format chat = {.mode = CNA_FORMAT_CHAT};
    cna_tokenizer *tokenizer = open_chat(false);
    assert_ok(cna_prompts_create(&prompts, &err));
    expect_refused(prompts, tokenizer, NULL, 259, CNA_ERR_ARG, "prompts: expected at least one, found none");
    assert_int_equal(cna_prompts_add_text(prompts, "a\xFF", 2, &err), CNA_ERR_FORMAT);
    assert_string_equal(err.text, "prompt 1, byte 1: expected UTF-8, found byte 0xff");
    assert_ok(cna_prompts_add_text(prompts, "ab", 2, &err));
    expect_refused(prompts, tokenizer, &raw, 256, CNA_ERR_ARG,
                   "prompt 1: token 1: expected an id of 0 to 255, the model's embedding rows, found 258");
    expect_refused(
        prompts, tokenizer, &chat, 259, CNA_ERR_UNSUPPORTED,
        "prompt 1: chat: expected a chat template in tokenizer_config.json or chat_template.jinja of the "
        "model's folder, found none; use --raw, or give one with --chat-template FILE|NAME");
    assert_ok(cna_prompts_add_ids(prompts, (const int32_t[]){5, -1}, 2, &err));
    expect_refused(prompts, tokenizer, NULL, 259, CNA_ERR_ARG,
                   "prompt 2: token 2: expected an id of 0 to 258, the model's embedding rows, found -1");
    cna_prompts_free(prompts);
    assert_ok(cna_prompts_create(&prompts, &err));
    assert_ok(cna_prompts_add_ids(prompts, NULL, 0, &err));
    expect_refused(prompts, tokenizer, NULL, 259, CNA_ERR_ARG,
                   "prompt 1: expected at least one token, found none");
    cna_prompts_free(prompts);
    cna_tokenizer_free(tokenizer);
}

static void ids_are_used_as_they_are(void **state)
{
    (void)state;
    cna_error err;
    cna_prompts *prompts;
    cna_token_lists lists;
    char hash[65];
    cna_tokenizer *tokenizer = open_chat(true);
    assert_ok(cna_prompts_create(&prompts, &err));
    assert_ok(cna_prompts_add_ids(prompts, (const int32_t[]){1, 256, 70000}, 3, &err));
    assert_ok(cna_prompts_add_text(prompts, "abc", 3, &err));
    assert_int_equal(cna_prompts_count(prompts), 2);
    size_t n = 7;
    assert_null(cna_prompts_text(prompts, 0, &n));
    assert_int_equal(n, 0);
    assert_null(cna_prompts_text(prompts, 2, NULL));
    assert_ok(cna_prompts_tokenize(prompts, tokenizer, NULL, 70001, &lists, &err));
    assert_int_equal(lists.items[0].n, 3);
    assert_int_equal(lists.items[0].ids[2], 70000);
    cna_token_lists_free(&lists);
    /* sha256sum of the bytes 01 00 00 00 00 01 00 00 70 11 01 00, and of abc. */
    assert_ok(cna_prompts_sha256(prompts, 0, hash, &err));
    assert_string_equal(hash, "6a2ea52032467b8360a359558570eaec5c1c2b520fa5222a3b1a67a46dbce10f");
    assert_ok(cna_prompts_sha256(prompts, 1, hash, &err));
    assert_string_equal(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(cna_prompts_sha256(prompts, 2, hash, &err), CNA_ERR_ARG);
    cna_prompts_free(prompts);
    cna_tokenizer_free(tokenizer);
}

/* Two of these are longer than the others; their lines are those of the file, blank ones counted. */
static void long_prompts_are_found(void **state)
{
    (void)state;
    static const char *const names[] = {"a.txt", "a.jsonl", "a.csv"};
    static const char *const texts[] = {
        "a\n\nabcdef\nb\nabcdefgh\n",
        "{\"prompt\": \"a\"}\n\n{\"prompt\": \"abcdef\"}\n{\"prompt\": \"b\"}\n{\"prompt\": \"abcdefgh\"}\n",
        "goal,x\n\"a\",1\nabcdef,\"2\n3\"\nb,1\nabcdefgh,1\n"};
    const cna_format raw = {.mode = CNA_FORMAT_RAW};
    cna_tokenizer *tokenizer = open_chat(true);
    char *folder = support_folder_create();
    for (size_t i = 0; i < 3; i++) {
        cna_error err;
        cna_prompts *prompts;
        cna_token_lists lists;
        cna_long_prompts found;
        char *path = support_path(folder, names[i]);
        support_write(path, texts[i], strlen(texts[i]));
        assert_ok(cna_prompts_read(path, NULL, &prompts, &err));
        assert_int_equal(cna_prompts_line(prompts, 1), 3);
        assert_int_equal(cna_prompts_line(prompts, 3), i == 2 ? 6 : 5);
        assert_int_equal(cna_prompts_line(prompts, 4), 0);
        assert_ok(cna_prompts_tokenize(prompts, tokenizer, &raw, 300, &lists, &err));
        size_t n = lists.items[1].n;
        assert_true(n > lists.items[0].n);
        cna_token_lists_free(&lists);
        assert_ok(cna_prompts_find_long(prompts, tokenizer, &raw, n - 1, &found, &err));
        assert_true(found.n == 2 && found.first == 1 && found.n_tokens == n);
        assert_ok(cna_prompts_find_long(prompts, tokenizer, &raw, n, &found, &err));
        assert_true(found.n == 1 && found.first == 3);
        assert_ok(cna_prompts_find_long(prompts, tokenizer, &raw, 1000, &found, &err));
        assert_true(found.n == 0 && found.first == 0 && found.n_tokens == 0);
        cna_prompts_free(prompts);
        cna_free(path);
    }
    support_folder_remove(folder);
    cna_tokenizer_free(tokenizer);
}

/* ------------------------------------------------------------------------------------ failing allocations */

typedef struct fallible {
    const cna_tokenizer *tokenizer;
    const char *path;
} fallible;

static cna_status read_and_tokenize(void *user, cna_error *err)
{
    const fallible *f = user;
    cna_prompts *prompts;
    cna_token_lists lists;
    cna_format format = {.system = "S"};
    CNA_TRY(cna_prompts_read(f->path, NULL, &prompts, err));
    cna_status status = cna_prompts_add_ids(prompts, (const int32_t[]){1}, 1, err);
    if (status == CNA_OK) status = cna_prompts_tokenize(prompts, f->tokenizer, &format, 300, &lists, err);
    if (status == CNA_OK) cna_token_lists_free(&lists);
    cna_prompts_free(prompts);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    static const char csv[] = "id,goal\n1,\"a \"\"b\"\" c\"\n2,d\n";
    cna_tokenizer *tokenizer = open_chat(true);
    char *folder = support_folder_create();
    static const char *const names[] = {"a.csv", "a.jsonl", "a.txt"};
    static const char *const texts[] = {csv, "{\"prompt\": \"a\", \"category\": \"b\"}\n"
                                             "{\"prompt\": \"c\"}\n",
                                        "a\nb\n"};
    for (size_t i = 0; i < 3; i++) {
        char *path = support_path(folder, names[i]);
        support_write(path, texts[i], strlen(texts[i]));
        support_fail_allocations(read_and_tokenize, &(fallible){tokenizer, path});
        cna_free(path);
    }
    support_folder_remove(folder);
    cna_tokenizer_free(tokenizer);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(txt_has_one_a_line),          cmocka_unit_test(jsonl_has_an_object_a_line),
        cmocka_unit_test(csv_is_read_by_rfc_4180),     cmocka_unit_test(benchmark_files_are_read),
        cmocka_unit_test(other_extensions_are_refused), cmocka_unit_test(malformed_files_are_refused),
        cmocka_unit_test(a_format_makes_a_prompt),     cmocka_unit_test(bad_prompts_are_named),
        cmocka_unit_test(ids_are_used_as_they_are),    cmocka_unit_test(long_prompts_are_found),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("prompts", tests, NULL, NULL);
}
