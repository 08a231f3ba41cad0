/* SPDX-License-Identifier: MIT
 * What the test programs share: temporary folders, whole files, malformed-input folders, test data that may
 * be absent. Failures end the running cmocka test. */
#ifndef CNA_TESTS_SUPPORT_H
#define CNA_TESTS_SUPPORT_H

/* cmocka.h wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cna.h"

/* Fail the test with the error's text unless expression is CNA_OK; needs a cna_error named err. */
#define assert_ok(expression)                                                                                \
    do {                                                                                                     \
        if ((expression) != CNA_OK) fail_msg("%s", err.text);                                                \
    } while (0)

/* A new empty folder under $TMPDIR or /tmp; the string is freed by support_folder_remove, with all that is in
 * it. */
char *support_folder_create(void);
void support_folder_remove(char *folder);

/* New string "folder/name", freed by cna_free. */
char *support_path(const char *folder, const char *name);

/* A whole file as new NUL-terminated bytes, freed by cna_free; n_bytes may be NULL. */
char *support_read(const char *path, size_t *n_bytes);
/* A new file, in place of one that is there: what is mapped of that one stays. Nothing waits for the disk. */
void support_write(const char *path, const char *bytes, size_t n_bytes);

/* Cut "folder/", and the folder's own name, out of a message, wherever they stand. */
void support_shorten(cna_error *err, const char *folder);

/* Prompts [first, first + n) of a prompt file. */
cna_prompts *support_prompts(const char *path, size_t first, size_t n);

/* Replay every case of the folder tests/malformed/<format>: parse must fail on <case>/<input> with exactly the text of
 * <case>/error. In that file the path of the input is written as the bare file name, and the line's end is not part
 * of the text. Fails if there is no case at all.
 *   input  name of the input in each case's folder, such as "input.json"; NULL: parse gets the case's folder, and
 *          "folder/" before a file name is dropped from the message */
typedef cna_status support_parse_fn(const char *path, cna_error *err);
void support_replay_malformed(const char *format, const char *input, support_parse_fn *parse);

/* The path of a file of the test data ($CNA_TESTDATA/name), new, freed by cna_free. Where it is not there,
 * says so and skips the running test. */
char *support_testdata(const char *name);

/* Where CNA_TEST_BRIEF is set, for tools that make programs tens of times slower: says so and skips the running
 * test. */
void support_skip_if_brief(void);

/* Call function again and again, its first allocation failing, then its second, and so on, until it succeeds: each
 * earlier call must give ERR_MEMORY. Leaks are the sanitizer's to find. */
typedef cna_status support_fallible_fn(void *user, cna_error *err);
void support_fail_allocations(support_fallible_fn *function, void *user);

/* Sanitizers hold memory of their own, and what was freed. */
#ifdef __has_feature
#define IS_SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#else
#define IS_SANITIZED 0
#endif

#endif
