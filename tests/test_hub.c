/* SPDX-License-Identifier: MIT
 * Models by name: what a name is, where the cache lies, what it holds, lists of a hub. */
#define _XOPEN_SOURCE 700 /* setenv */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/folder.h"
#include "hub/cache.h"
#include "hub/listing.h"

#define COMMIT_A "0123456789abcdef0123456789abcdef01234567"
#define COMMIT_B "0123456fffffffffffffffffffffffffffffffff"

static const char *const variables[] = {"HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HF_TOKEN", "HF_TOKEN_PATH",
                                        "HF_ENDPOINT", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"};

static int clear_environment(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) unsetenv(variables[i]);
    setenv("HOME", "/home/someone", 1);
    return 0;
}

static void reads_names(void **state)
{
    (void)state;
    static const struct {
        const char *text, *id, *folder, *revision; /* id NULL: no name */
    } cases[] = {
        {"Qwen/Qwen2.5-1.5B", "Qwen/Qwen2.5-1.5B", "models--Qwen--Qwen2.5-1.5B", "main"},
        {"a/b@v1.0", "a/b", "models--a--b", "v1.0"},
        {"a/b@refs/pr/1", "a/b", "models--a--b", "refs/pr/1"},
        {"a_b/c_d@" COMMIT_A, "a_b/c_d", "models--a_b--c_d", COMMIT_A},
        {"model", NULL, NULL, NULL},       {"a/b/c", NULL, NULL, NULL},     {"/a/b", NULL, NULL, NULL},
        {"a/", NULL, NULL, NULL},          {"/b", NULL, NULL, NULL},        {"./b", NULL, NULL, NULL},
        {"../b", NULL, NULL, NULL},        {"a/b..c", NULL, NULL, NULL},    {"a--x/b", NULL, NULL, NULL},
        {"a/-b", NULL, NULL, NULL},        {"a/b.", NULL, NULL, NULL},      {"a/b c", NULL, NULL, NULL},
        {"a/b@", NULL, NULL, NULL},        {"a/b@../x", NULL, NULL, NULL},  {"a/b@x/../y", NULL, NULL, NULL},
        {"a/b@/x", NULL, NULL, NULL},      {"a/b@x/", NULL, NULL, NULL},    {"a/b@x//y", NULL, NULL, NULL},
        {"a/b@x@y", NULL, NULL, NULL},     {"a/b@-x", NULL, NULL, NULL},    {"a@b/c", NULL, NULL, NULL},
        {"", NULL, NULL, NULL},            {"a/\xc3\xa9", NULL, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cna_hub_name name;
        cna_error err = {0};
        cna_status status = cna_hub_name_parse(cases[i].text, &name, &err);
        assert_int_equal(status, cases[i].id != NULL ? CNA_OK : CNA_ERR_ARG);
        assert_int_equal(cna_hub_is_name(cases[i].text), cases[i].id != NULL);
        if (cases[i].id == NULL) continue;
        assert_string_equal(name.id, cases[i].id);
        assert_string_equal(name.folder, cases[i].folder);
        assert_string_equal(name.revision, cases[i].revision);
    }
    char longest[2 * CNA_HUB_PART_MAX + 4];
    memset(longest, 'a', sizeof longest);
    longest[CNA_HUB_PART_MAX] = '/';
    longest[2 * CNA_HUB_PART_MAX + 1] = '\0';
    assert_true(cna_hub_is_name(longest));
    longest[2 * CNA_HUB_PART_MAX + 1] = 'a';
    longest[2 * CNA_HUB_PART_MAX + 2] = '\0';
    assert_false(cna_hub_is_name(longest));
}

/* In the order of huggingface_hub's constants.py. */
static void finds_the_cache(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value, *folder; /* set one after the other: each goes before those above it */
    } cases[] = {
        {"HF_HOME", "", "/home/someone/.cache/huggingface/hub"},
        {"XDG_CACHE_HOME", "/xdg", "/xdg/huggingface/hub"},
        {"HF_HOME", "~/hf", "/home/someone/hf/hub"},
        {"HF_HUB_CACHE", "/cache", "/cache"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cna_error err;
        char *folder;
        setenv(cases[i].name, cases[i].value, 1);
        assert_ok(cna_hub_cache_folder(&folder, &err));
        assert_string_equal(folder, cases[i].folder);
        cna_free(folder);
    }
    clear_environment(NULL);
    unsetenv("HOME");
    cna_error err;
    char *folder;
    assert_int_equal(cna_hub_cache_folder(&folder, &err), CNA_ERR_IO);
    clear_environment(NULL);
}

static void finds_the_token(void **state)
{
    (void)state;
    cna_error err;
    char *home = support_folder_create(), *path = support_path(home, "token"), *given = support_path(home, "given");
    char *token;
    setenv("HF_HOME", home, 1);
    assert_ok(cna_hub_token(&token, &err));
    assert_null(token);
    support_write(path, "hf_of_home\n", 11);
    assert_ok(cna_hub_token(&token, &err));
    assert_string_equal(token, "hf_of_home");
    cna_free(token);
    support_write(given, " hf_of_path\r\n", 13);
    setenv("HF_TOKEN_PATH", given, 1);
    assert_ok(cna_hub_token(&token, &err));
    assert_string_equal(token, "hf_of_path");
    cna_free(token);
    setenv("HF_TOKEN", "hf_itself", 1);
    assert_ok(cna_hub_token(&token, &err));
    assert_string_equal(token, "hf_itself");
    cna_free(token);
    setenv("HF_TOKEN", "two\nlines", 1);
    assert_int_equal(cna_hub_token(&token, &err), CNA_ERR_ARG);
    assert_null(strstr(err.text, "two"));
    cna_free(given);
    cna_free(path);
    support_folder_remove(home);
}

/* ---- a cache ---- */

static void put(const char *cache, const char *name, const char *text)
{
    char *path;
    assert_int_equal(cna_path_format(&path, NULL, "%s/models--org--model/%s", cache, name), CNA_OK);
    assert_int_equal(cna_folder_create_above(path, NULL), CNA_OK);
    support_write(path, text, strlen(text));
    cna_free(path);
}

static char *make_cache(void)
{
    char *cache = support_folder_create();
    put(cache, "refs/main", COMMIT_A "\n");
    put(cache, "refs/pr/1", COMMIT_B);
    put(cache, "refs/gone", "ffffffffffffffffffffffffffffffffffffffff");
    put(cache, "refs/bad", "no commit");
    put(cache, "snapshots/" COMMIT_A "/config.json", "{}");
    put(cache, "snapshots/" COMMIT_A "/model.safetensors", "");
    put(cache, "snapshots/" COMMIT_B "/config.json", "{}");
    setenv("HF_HUB_CACHE", cache, 1);
    return cache;
}

static void check_found(const char *name, bool weights, const char *end)
{
    cna_error err;
    char *path;
    assert_ok(cna_hub_find(name, weights, &path, &err));
    size_t n = strlen(path), n_end = strlen(end);
    assert_true(n > n_end);
    assert_string_equal(path + n - n_end, end);
    cna_free(path);
}

static void check_not_found(const char *name, cna_status expected, const char *part)
{
    cna_error err;
    char *path;
    assert_int_equal(cna_hub_find(name, true, &path, &err), expected);
    assert_null(path);
    if (strstr(err.text, part) == NULL) fail_msg("expected '%s' in: %s", part, err.text);
}

static void finds_revisions(void **state)
{
    (void)state;
    char *cache = make_cache();
    check_found("org/model", true, "/models--org--model/snapshots/" COMMIT_A);
    check_found("org/model@main", true, "/models--org--model/snapshots/" COMMIT_A);
    check_found("org/model@" COMMIT_A, true, COMMIT_A);
    check_found("org/model@01234567", true, COMMIT_A);
    check_found("org/model@pr/1", false, COMMIT_B);
    support_folder_remove(cache);
}

static void says_what_is_missing(void **state)
{
    (void)state;
    char *cache = make_cache();
    check_not_found("org/other", CNA_ERR_IO, "org/other: expected a path that exists or a model in the Hugging Face "
                    "cache, found neither (looked for ");
    check_not_found("org/other@v2", CNA_ERR_IO, "models--org--other); 'cna pull org/other@v2' fetches it");
    check_not_found("org/model@v2", CNA_ERR_IO, "'cna pull org/model@v2' fetches it");
    check_not_found("org/model@gone", CNA_ERR_IO, "expected that revision in");
    check_not_found("org/model@0123456", CNA_ERR_MISMATCH, "expected one commit that begins so, found 2");
    check_not_found("org/model@012345", CNA_ERR_IO, "expected that revision");
    check_not_found("org/model@bad", CNA_ERR_FORMAT, "refs/bad: expected a commit of 40 hexadecimal digits");
    check_not_found("org/model@" COMMIT_B, CNA_ERR_IO, "found none; 'cna pull org/model@" COMMIT_B "' fetches them");
    check_not_found("no name", CNA_ERR_ARG, "expected ORG/NAME");
    support_folder_remove(cache);
}

static void notices_missing_shards(void **state)
{
    (void)state;
    char *cache = make_cache();
    put(cache, "snapshots/" COMMIT_B "/model.safetensors.index.json",
        "{\"weight_map\":{\"a\":\"model-1.safetensors\",\"b\":\"model-2.safetensors\",\"c\":\"model-3.safetensors\","
        "\"d\":\"model-2.safetensors\"}}");
    put(cache, "snapshots/" COMMIT_B "/model-1.safetensors", "");
    check_not_found("org/model@" COMMIT_B, CNA_ERR_IO, "found 2 missing, the first model-2.safetensors; 'cna pull "
                    "org/model@" COMMIT_B "' completes them");
    check_found("org/model@" COMMIT_B, false, COMMIT_B);
    put(cache, "snapshots/" COMMIT_B "/model-2.safetensors", "");
    put(cache, "snapshots/" COMMIT_B "/model-3.safetensors", "");
    check_found("org/model@" COMMIT_B, true, COMMIT_B);
    support_folder_remove(cache);
}

static void chooses_gguf(void **state)
{
    (void)state;
    char *cache = support_folder_create();
    setenv("HF_HUB_CACHE", cache, 1);
    put(cache, "refs/main", COMMIT_A);
    put(cache, "snapshots/" COMMIT_A "/m-00001-of-00002.gguf", "");
    put(cache, "snapshots/" COMMIT_A "/m-00002-of-00002.gguf", "");
    check_found("org/model", true, COMMIT_A "/m-00001-of-00002.gguf");
    put(cache, "snapshots/" COMMIT_A "/other.gguf", "");
    check_not_found("org/model", CNA_ERR_MISMATCH, "expected one .gguf model, found 2");
    support_folder_remove(cache);
}

static cna_status find_one(void *user, cna_error *err)
{
    char *path;
    cna_status status = cna_hub_find(user, true, &path, err);
    cna_free(path);
    return status;
}

static void fails_on_every_allocation(void **state)
{
    (void)state;
    char *cache = make_cache(), name[] = "org/model";
    support_fail_allocations(find_one, name);
    support_folder_remove(cache);
}

static void reads_paths(void **state)
{
    (void)state;
    char id[256], commit[CNA_HUB_COMMIT_BYTES];
    assert_true(cna_hub_describe_path("/x/models--org--a-b/snapshots/" COMMIT_A "/", id, commit));
    assert_string_equal(id, "org/a-b");
    assert_string_equal(commit, COMMIT_A);
    assert_true(cna_hub_describe_path("models--gpt2/snapshots/" COMMIT_A, id, commit));
    assert_string_equal(id, "gpt2");
    assert_true(cna_hub_describe_path("/x/models--org--a-b/snapshots/" COMMIT_A "/m-Q8_0.gguf", id, commit));
    assert_string_equal(id, "org/a-b/m-Q8_0.gguf");
    assert_string_equal(commit, COMMIT_A);
    assert_true(cna_hub_describe_path("models--a--b/snapshots/" COMMIT_A "/Q4/m-00001-of-00002.gguf", id, commit));
    assert_string_equal(id, "a/b/Q4/m-00001-of-00002.gguf");
    assert_false(cna_hub_describe_path("models--a--b/snapshots/" COMMIT_A "/config.json", id, commit));
    assert_false(cna_hub_describe_path("models--a--b/snapshots/main/m.gguf", id, commit));
    assert_false(cna_hub_describe_path("/models/m.gguf", id, commit));
    assert_false(cna_hub_describe_path("m.gguf", id, commit));
    assert_false(cna_hub_describe_path("models--a--b/snapshots/main", id, commit));
    assert_false(cna_hub_describe_path("models--a--b/other/" COMMIT_A, id, commit));
    assert_false(cna_hub_describe_path("a--b/snapshots/" COMMIT_A, id, commit));
    assert_false(cna_hub_describe_path(COMMIT_A, id, commit));
    assert_false(cna_hub_describe_path("", id, commit));
}

static void refuses_hostile_lists(void **state)
{
    (void)state;
    static const char *const paths[] = {"../x.json", "/etc/x.json", "a//x.json", "a/../x.json", "./x.json", "",
                                        "a/", "a\\\\x.json", "a\\u0001.json", ".."};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char text[300];
        cna_error err;
        cna_hub_listing listing;
        snprintf(text, sizeof text, "{\"sha\":\"%s\",\"siblings\":[{\"rfilename\":\"%s\"}]}", COMMIT_A, paths[i]);
        assert_int_equal(cna_hub_listing_read(text, strlen(text), "list", NULL, 0, &listing, &err), CNA_ERR_FORMAT);
        assert_non_null(strstr(err.text, "list: key 'rfilename': expected a path inside the model, found"));
    }
}

static cna_status read_listing(const char *path, cna_error *err)
{
    size_t n;
    char *text = support_read(path, &n);
    cna_hub_listing listing;
    cna_status status = cna_hub_listing_read(text, n, path, NULL, 0, &listing, err);
    cna_hub_listing_clear(&listing);
    cna_free(text);
    return status;
}

static void refuses_malformed_lists(void **state)
{
    (void)state;
    support_replay_malformed("hub", "input.json", read_listing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(reads_names, clear_environment),
        cmocka_unit_test_setup(finds_the_cache, clear_environment),
        cmocka_unit_test_setup(finds_the_token, clear_environment),
        cmocka_unit_test_setup(finds_revisions, clear_environment),
        cmocka_unit_test_setup(says_what_is_missing, clear_environment),
        cmocka_unit_test_setup(notices_missing_shards, clear_environment),
        cmocka_unit_test_setup(chooses_gguf, clear_environment),
        cmocka_unit_test_setup(fails_on_every_allocation, clear_environment),
        cmocka_unit_test_setup(reads_paths, clear_environment),
        cmocka_unit_test(refuses_hostile_lists),
        cmocka_unit_test(refuses_malformed_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
