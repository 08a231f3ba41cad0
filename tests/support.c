/* SPDX-License-Identifier: MIT
 * What the test programs share. */
#define _XOPEN_SOURCE 700
#include "support.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

char *support_folder_create(void)
{
    const char *parent = getenv("TMPDIR");
    char *folder = support_path(parent == NULL || *parent == '\0' ? "/tmp" : parent, "cna-test-XXXXXX");
    if (mkdtemp(folder) == NULL) fail_msg("%s: cannot be created", folder);
    return folder;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

void support_folder_remove(char *folder)
{
    if (nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0) fail_msg("%s: cannot be removed", folder);
    cna_free(folder);
}

char *support_path(const char *folder, const char *name)
{
    cna_error err;
    char *path;
    assert_ok(cna_path_join(folder, name, &path, &err));
    return path;
}

char *support_read(const char *path, size_t *n_bytes)
{
    cna_error err;
    cna_buffer bytes = {0};
    char *out;
    assert_ok(cna_file_read(path, SIZE_MAX / 2, &bytes, &err));
    assert_ok(cna_buffer_take(&bytes, &out, n_bytes, &err));
    return out;
}

void support_write(const char *path, const char *bytes, size_t n_bytes)
{
    remove(path);
    FILE *written = fopen(path, "wb");
    if (written == NULL) fail_msg("%s: cannot be written", path);
    assert_int_equal(fwrite(bytes, 1, n_bytes, written), n_bytes);
    assert_int_equal(fclose(written), 0);
}

/* Cut every occurrence of part out of text. */
static void cut_all(char *text, const char *part)
{
    size_t n = strlen(part);
    for (char *hit = strstr(text, part); hit != NULL; hit = strstr(hit, part)) {
        memmove(hit, hit + n, strlen(hit + n) + 1);
    }
}

void support_shorten(cna_error *err, const char *folder)
{
    char *with_slash = support_path(folder, "");
    cut_all(err->text, with_slash);
    cut_all(err->text, folder);
    cna_free(with_slash);
}

cna_prompts *support_prompts(const char *path, size_t first, size_t n)
{
    cna_error err;
    cna_prompts *all, *out;
    assert_ok(cna_prompts_read(path, NULL, &all, &err));
    assert_ok(cna_prompts_create(&out, &err));
    for (size_t i = first; i < first + n; i++) {
        size_t n_bytes;
        const char *text = cna_prompts_text(all, i, &n_bytes);
        assert_ok(cna_prompts_add_text(out, text, n_bytes, &err));
    }
    cna_prompts_free(all);
    return out;
}

static void replay_case(const char *format_folder, const char *name, const char *input,
                        support_parse_fn *parse)
{
    char *folder = support_path(format_folder, name);
    char *folder_slash = support_path(folder, "");
    char *input_path = input == NULL ? support_path(format_folder, name) : support_path(folder, input);
    char *error_path = support_path(folder, "error");
    char *expected = support_read(error_path, NULL);
    expected[strcspn(expected, "\n")] = '\0';
    cna_error err = {0};
    if (parse(input_path, &err) == CNA_OK) fail_msg("%s: accepted; expected: %s", folder, expected);
    cut_all(err.text, folder_slash);
    if (strcmp(err.text, expected) != 0)
        fail_msg("%s:\n  found    %s\n  expected %s", folder, err.text, expected);
    cna_free(expected);
    cna_free(error_path);
    cna_free(input_path);
    cna_free(folder_slash);
    cna_free(folder);
}

void support_replay_malformed(const char *format, const char *input, support_parse_fn *parse)
{
    char *folder = support_path("tests/malformed", format);
    DIR *entries = opendir(folder);
    if (entries == NULL) fail_msg("%s: cannot be opened; tests run from the project's folder", folder);
    size_t n_cases = 0;
    for (struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        if (entry->d_name[0] == '.') continue;
        replay_case(folder, entry->d_name, input, parse);
        n_cases++;
    }
    closedir(entries);
    assert_true(n_cases > 0);
    cna_free(folder);
}

char *support_testdata(const char *name)
{
    const char *folder = getenv("CNA_TESTDATA");
    if (folder == NULL || *folder == '\0') folder = "../shared/testdata";
    char *path = support_path(folder, name);
    if (!cna_file_exists(path)) {
        print_message("skipped: %s is not there\n", path);
        cna_free(path);
        skip();
    }
    return path;
}

void support_skip_if_brief(void)
{
    if (getenv("CNA_TEST_BRIEF") == NULL) return;
    print_message("skipped: too long where CNA_TEST_BRIEF is set\n");
    skip();
}

void support_fail_allocations(support_fallible_fn *function, void *user)
{
    for (size_t n = 1;; n++) {
        cna_error err = {0};
        cna_memory_fail_at(n);
        cna_status status = function(user, &err);
        cna_memory_fail_at(0);
        if (status == CNA_OK) return;
        if (status != CNA_ERR_MEMORY)
            fail_msg("allocation %zu failed: expected ERR_MEMORY, found: %s", n, err.text);
    }
}
