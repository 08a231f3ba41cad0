/* SPDX-License-Identifier: MIT
 * cna_hub_pull against a local hub that cuts, corrupts, redirects, throttles, refuses and lies: every file ends right,
 * or the call fails with a clear message and nothing half-written under a real name. */
#define _XOPEN_SOURCE 700 /* realpath, setenv */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/append.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/lock.h"
#include "hub_server.h"

enum { LARGE_BYTES = 3 << 20, RANGE_BYTES = 1 << 18, N_FILES = 7 };

static char large[LARGE_BYTES + 1];
static hub_file files[N_FILES] = {
    {"config.json", "{\"model_type\": \"llama\"}\n", 24, false},
    {"model.safetensors", large, LARGE_BYTES, true},
    {"tokenizer.json", "{}", 2, false},
    {"chat_template.jinja", "", 0, false},
    {"README.md", "not wanted", 10, false},
    {"extra folder/more.bin", "not wanted unless asked", 23, true},
    {"consolidated.safetensors", "the same again", 14, true},
};

/* splitmix64, so that no two ranges are alike. */
static void fill_large(void)
{
    uint64_t state = 1;
    for (size_t i = 0; i + 8 <= LARGE_BYTES; i += 8) {
        uint64_t z = state += 0x9E3779B97F4A7C15u;
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
        z = (z ^ z >> 27) * 0x94D049BB133111EBu;
        z ^= z >> 31;
        memcpy(large + i, &z, 8);
    }
}

/* A cache in a folder of its own, and what a pull into it gave. */
typedef struct trial {
    char *folder, *path;
    hub_server *server;
    cna_pull_info info;
    cna_error err;
    cna_status status;
} trial;

static trial begin(const hub_fault *faults, size_t n_faults, const char *token, bool bare)
{
    trial t = {.folder = support_folder_create()};
    t.server = hub_server_start(files, N_FILES, faults, n_faults, token, bare);
    return t;
}

static void pull_with(trial *t, const cna_pull_options *given)
{
    cna_pull_options o = *given;
    o.endpoint = hub_server_address(t->server);
    o.cache = t->folder;
    if (o.token == NULL) o.token = "";
    if (o.range_bytes == 0) o.range_bytes = RANGE_BYTES;
    if (o.n_tries == 0) o.n_tries = 3;
    o.retry_seconds = 0.01;
    if (o.stall_seconds == 0) o.stall_seconds = 1;
    cna_free(t->path);
    t->path = NULL;
    memset(&t->err, 0, sizeof t->err);
    t->status = cna_hub_pull("org/model", &o, &t->path, &t->info, &t->err);
}

static void pull(trial *t)
{
    pull_with(t, &(cna_pull_options){0});
}

static void end(trial *t)
{
    hub_server_stop(t->server);
    cna_free(t->path);
    support_folder_remove(t->folder);
}

static void check_file(const trial *t, const hub_file *file)
{
    size_t n;
    char *path = support_path(t->path, file->path), *bytes = support_read(path, &n), etag[65], target[200] = "";
    assert_int_equal(n, file->n_bytes);
    assert_memory_equal(bytes, file->bytes, n);
    hub_server_etag(file, etag);
    ssize_t n_target = readlink(path, target, sizeof target - 1);
    assert_true(n_target > 0);
    char expected[200];
    snprintf(expected, sizeof expected, "../../%sblobs/%s", strchr(file->path, '/') != NULL ? "../" : "", etag);
    assert_string_equal(target, expected);
    cna_free(bytes);
    cna_free(path);
}

static bool count_name(void *user, const char *name)
{
    (void)name;
    ++*(size_t *)user;
    return true;
}

static size_t count_in(const trial *t, const char *folder)
{
    char *path = support_path(t->folder, folder);
    size_t n = 0;
    cna_folder_each(path, count_name, &n);
    cna_free(path);
    return n;
}

/* All four files of a model, and nothing else. */
static void check_all(const trial *t)
{
    if (t->status != CNA_OK) fail_msg("%s", t->err.text);
    for (size_t i = 0; i < 4; i++) check_file(t, &files[i]);
    assert_int_equal(count_in(t, "models--org--model/blobs"), 4);
    assert_int_equal(count_in(t, "models--org--model/snapshots/" HUB_COMMIT), 4);
    assert_int_equal(count_in(t, ".locks/models--org--model"), 0);
    char *path = support_path(t->folder, "models--org--model/refs/main"), *text = support_read(path, NULL);
    assert_string_equal(text, HUB_COMMIT);
    cna_free(text);
    cna_free(path);
}

/* The call failed so: no reference, and of the large file neither a name in the snapshot nor a blob. */
static void check_failed(const trial *t, const char *part)
{
    char etag[65], path[400];
    assert_int_not_equal(t->status, CNA_OK);
    assert_null(t->path);
    if (strstr(t->err.text, part) == NULL) fail_msg("expected '%s' in: %s", part, t->err.text);
    hub_server_etag(&files[1], etag);
    snprintf(path, sizeof path, "%s/models--org--model/blobs/%s", t->folder, etag);
    assert_false(cna_file_exists(path));
    snprintf(path, sizeof path, "%s/models--org--model/snapshots/%s/model.safetensors", t->folder, HUB_COMMIT);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(count_in(t, "models--org--model/refs"), 0);
    assert_int_equal(count_in(t, ".locks/models--org--model"), 0);
}

/* ---- what goes well ---- */

static void pulls_what_a_model_needs(void **state)
{
    (void)state;
    trial t = begin(NULL, 0, NULL, false);
    pull(&t);
    check_all(&t);
    assert_int_equal(t.info.n_files, 4);
    assert_int_equal(t.info.n_fetched, 4);
    assert_int_equal(t.info.size_bytes, LARGE_BYTES + 26);
    assert_string_equal(t.info.revision, HUB_COMMIT);
    assert_int_equal(hub_server_requests(t.server, HUB_BYTES), LARGE_BYTES / RANGE_BYTES + 2);
    size_t n_before = hub_server_requests(t.server, HUB_HEAD);
    pull(&t);
    check_all(&t);
    assert_int_equal(t.info.n_fetched, 0);
    assert_int_equal(hub_server_requests(t.server, HUB_HEAD), n_before);
    end(&t);
}

static void pulls_without_sizes_in_the_list(void **state)
{
    (void)state;
    trial t = begin(NULL, 0, NULL, true);
    pull(&t);
    check_all(&t);
    end(&t);
}

static void includes_by_pattern(void **state)
{
    (void)state;
    const char *patterns[] = {"*.bin", "README*"}, *none[] = {"*.gguf"};
    trial t = begin(NULL, 0, NULL, false);
    pull_with(&t, &(cna_pull_options){.include = patterns, .n_include = 2});
    if (t.status != CNA_OK) fail_msg("%s", t.err.text);
    check_file(&t, &files[4]);
    check_file(&t, &files[5]);
    assert_int_equal(t.info.n_files, 2);
    pull_with(&t, &(cna_pull_options){.include = none, .n_include = 1});
    assert_non_null(strstr(t.err.text, "expected files that --include fits, found none among 7"));
    end(&t);
}

static void shows_the_token_to_the_hub_alone(void **state)
{
    (void)state;
    trial t = begin(NULL, 0, "hf_secret", false);
    pull(&t);
    check_failed(&t, "found HTTP 401: no public model has this name; for a private or gated one set HF_TOKEN");
    pull_with(&t, &(cna_pull_options){.token = "hf_wrong"});
    check_failed(&t, "the token has no access");
    assert_null(strstr(t.err.text, "hf_wrong"));
    pull_with(&t, &(cna_pull_options){.token = "hf_secret"});
    check_all(&t);
    assert_false(hub_server_leaked_token(t.server));
    end(&t);
}

/* ---- what passes ---- */

static void gets_over_what_passes(void **state)
{
    (void)state;
    const hub_fault faults[] = {
        {.place = HUB_LIST, .kind = HUB_STATUS, .n_times = 2, .status = 500},
        {.place = HUB_LIST, .kind = HUB_STATUS, .n_times = 2, .status = 429, .header = "Retry-After", .value = "1"},
        {.place = HUB_LIST, .kind = HUB_DROP, .n_times = 2},
        {.place = HUB_LIST, .kind = HUB_CUT, .n_times = 1},
        {.place = HUB_LIST, .kind = HUB_STALL, .n_times = 1},
        {.place = HUB_HEAD, .kind = HUB_STATUS, .n_times = 2, .status = 503},
        {.place = HUB_HEAD, .kind = HUB_DROP, .n_times = 2},
        {.place = HUB_HEAD, .kind = HUB_RENAMED, .n_times = 4},
        {.place = HUB_BYTES, .kind = HUB_STATUS, .n_times = 2, .status = 429},
        {.place = HUB_BYTES, .kind = HUB_STATUS, .n_times = 1, .status = 403, .path = "model.safetensors"},
        {.place = HUB_BYTES, .kind = HUB_DROP, .n_times = 2},
        {.place = HUB_BYTES, .kind = HUB_CUT, .n_times = 12, .path = "model.safetensors"},
        {.place = HUB_BYTES, .kind = HUB_SHORT, .n_times = 12, .path = "model.safetensors"},
        {.place = HUB_BYTES, .kind = HUB_CORRUPT, .n_times = 1, .path = "model.safetensors"},
        {.place = HUB_BYTES, .kind = HUB_STALL, .n_times = 1},
        {.place = HUB_BYTES, .kind = HUB_WRONG_RANGE, .n_times = 2, .path = "model.safetensors"},
        {.place = HUB_BYTES, .kind = HUB_WRONG_TOTAL, .n_times = 1, .path = "model.safetensors"},
        {.place = HUB_BYTES, .kind = HUB_NO_RANGES, .path = "model.safetensors"},
        {.place = HUB_BYTES, .kind = HUB_LONG, .n_times = 1, .path = "tokenizer.json"},
        {.place = HUB_BYTES, .kind = HUB_LONG, .n_times = 3, .path = "model.safetensors"},
        {.place = HUB_BYTES, .kind = HUB_THROTTLE, .n_times = 4, .path = "model.safetensors"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        trial t = begin(&faults[i], 1, NULL, i % 2 == 1);
        pull(&t);
        if (t.status != CNA_OK) fail_msg("fault %zu: %s", i, t.err.text);
        check_all(&t);
        end(&t);
    }
}

/* A server without ranges sends the whole anew, so a cut at the same byte brings nothing more: two such cuts are
 * one less than the tries, in whatever order the connections meet the faults. */
static void gets_over_no_ranges_and_cuts(void **state)
{
    (void)state;
    const hub_fault faults[] = {
        {.place = HUB_BYTES, .kind = HUB_NO_RANGES, .n_times = 1, .path = "model.safetensors"},
        {.place = HUB_BYTES, .kind = HUB_CUT, .n_times = 2, .path = "model.safetensors"},
    };
    for (size_t n_connections = 1; n_connections <= 2; n_connections++) {
        trial t = begin(faults, 2, NULL, false);
        pull_with(&t, &(cna_pull_options){.n_connections = n_connections});
        check_all(&t);
        end(&t);
    }
}

/* ---- what does not pass ---- */

typedef struct refusal {
    hub_fault fault;
    const char *part;
} refusal;

static void fails_clearly(void **state)
{
    (void)state;
    static const char m[] = "model.safetensors";
    const refusal cases[] = {
        {{HUB_LIST, HUB_STATUS, 0, 404, NULL, NULL, NULL, NULL}, "org/model: expected it at http://127.0.0.1"},
        {{HUB_LIST, HUB_STATUS, 0, 404, "X-Error-Code", "RevisionNotFound", NULL, NULL},
         "expected a branch, tag or commit 'main'"},
        {{HUB_LIST, HUB_STATUS, 0, 403, "X-Error-Code", "GatedRepo", NULL, NULL},
         "found a gated model (HTTP 403); accept its conditions at http://127.0.0.1"},
        {{HUB_LIST, HUB_STATUS, 0, 500, NULL, NULL, NULL, NULL}, "found in 3 tries: HTTP 500; run the same command"},
        {{HUB_LIST, HUB_STATUS, 0, 429, "Retry-After", "4000", NULL, NULL},
         "a request to wait 4000 seconds (HTTP 429)"},
        {{HUB_LIST, HUB_STATUS, 0, 418, NULL, NULL, NULL, NULL}, "found HTTP 418"},
        {{HUB_LIST, HUB_LOOP, 0, 0, NULL, NULL, NULL, NULL}, "more than 5 redirects"},
        {{HUB_LIST, HUB_TEXT, 0, 0, NULL, NULL, "<html>sign in</html>", NULL}, "revision/main?blobs=true: line 1"},
        {{HUB_LIST, HUB_TEXT, 0, 0, NULL, NULL,
         "{\"sha\":\"" HUB_COMMIT "\",\"siblings\":[{\"rfilename\":\"a.gguf\"}]}",
          NULL}, "found 1 .gguf files; choose with --include"},
        {{HUB_HEAD, HUB_STATUS, 0, 404, NULL, NULL, NULL, m}, "org/model/model.safetensors: expected it at"},
        {{HUB_HEAD, HUB_WRONG_ETAG, 0, 0, NULL, NULL, NULL, m}, "that the hub lists, found"},
        {{HUB_HEAD, HUB_NO_ETAG, 0, 0, NULL, NULL, NULL, m}, "expected a checksum as X-Linked-Etag or ETag"},
        {{HUB_HEAD, HUB_WRONG_SIZE, 0, 0, NULL, NULL, NULL, m},
         "expected 3145728 bytes as the hub lists, found 3145729"},
        {{HUB_BYTES, HUB_STATUS, 0, 404, NULL, NULL, NULL, m}, "org/model/model.safetensors: expected it at"},
        {{HUB_BYTES, HUB_STATUS, 0, 403, NULL, NULL, NULL, m}, "HTTP 403"},
        {{HUB_BYTES, HUB_STATUS, 0, 503, NULL, NULL, NULL, m},
         "model.safetensors: expected an answer, found in 3 tries"},
        {{HUB_BYTES, HUB_DROP, 0, 0, NULL, NULL, NULL, m}, "found in 3 tries"},
        {{HUB_BYTES, HUB_LOOP, 0, 0, NULL, NULL, NULL, m}, "more than 5 redirects"},
        {{HUB_BYTES, HUB_CORRUPT, 0, 0, NULL, NULL, NULL, m}, "found 8d"},
        {{HUB_BYTES, HUB_WRONG_RANGE, 0, 0, NULL, NULL, NULL, m}, "another range than the one asked for"},
        {{HUB_BYTES, HUB_WRONG_TOTAL, 0, 0, NULL, NULL, NULL, m}, "a file of another size"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        trial t = begin(&cases[i].fault, 1, NULL, false);
        pull(&t);
        if (t.status == CNA_OK) fail_msg("case %zu did not fail", i);
        if (cases[i].fault.kind == HUB_CORRUPT) {
            check_failed(&t, "twice; nothing of it was kept");
            char etag[65], path[400];
            hub_server_etag(&files[1], etag);
            snprintf(path, sizeof path, "%s/models--org--model/blobs/%s.incomplete", t.folder, etag);
            assert_false(cna_file_exists(path));
        } else {
            check_failed(&t, cases[i].part);
        }
        end(&t);
    }
}

/* Where the list says nothing to compare with, the bytes do. */
static void believes_no_wrong_checksum(void **state)
{
    (void)state;
    const hub_fault etag = {.place = HUB_HEAD, .kind = HUB_WRONG_ETAG}, size = {.place = HUB_HEAD,
                            .kind = HUB_WRONG_SIZE, .path = "config.json"};
    trial t = begin(&etag, 1, NULL, true);
    pull(&t);
    check_failed(&t, "twice; nothing of it was kept");
    end(&t);
    t = begin(&size, 1, NULL, true);
    pull(&t);
    check_failed(&t, "config.json: expected an answer, found in 3 tries: too few bytes");
    end(&t);
}

/* ---- what is half there ---- */

static char *incomplete_path(const trial *t)
{
    char etag[65], *path;
    hub_server_etag(&files[1], etag);
    cna_status status = cna_path_format(&path, NULL, "%s/models--org--model/blobs/%s.incomplete", t->folder, etag);
    assert_int_equal(status, CNA_OK);
    return path;
}

static void goes_on_with_half_a_file(void **state)
{
    (void)state;
    /* A beginning, a wrong one, one that is too long, and all of it. */
    static const size_t sizes[] = {1000001, 1000001, LARGE_BYTES + 1, LARGE_BYTES};
    for (size_t i = 0; i < 4; i++) {
        trial t = begin(NULL, 0, NULL, false);
        char *path = incomplete_path(&t);
        assert_int_equal(cna_folder_create_above(path, NULL), CNA_OK);
        if (i == 1) large[17] ^= 1;
        support_write(path, large, sizes[i]);
        if (i == 1) large[17] ^= 1;
        pull(&t);
        check_all(&t);
        uint64_t rest = i == 0 ? LARGE_BYTES - sizes[i] : i == 3 ? 0 : LARGE_BYTES;
        uint64_t wasted = i == 1 ? LARGE_BYTES - sizes[i] : 0;
        assert_int_equal(hub_server_requests(t.server, HUB_BYTES) - 2,
                         (rest + RANGE_BYTES - 1) / RANGE_BYTES + (wasted + RANGE_BYTES - 1) / RANGE_BYTES);
        cna_free(path);
        end(&t);
    }
}

/* Run the program: "pull org/model" with the trial's hub and cache. before is shell. */
static pid_t start_program(const trial *t, const char *before)
{
    const char *program = getenv("CNA_BIN");
    char command[1024];
    snprintf(command, sizeof command, "%s exec %s pull org/model --connections 2 >/dev/null 2>%s/stderr", before,
             program != NULL ? program : "build/cna", t->folder);
    setenv("HF_ENDPOINT", hub_server_address(t->server), 1);
    setenv("HF_HUB_CACHE", t->folder, 1);
    setenv("HF_TOKEN", "hf_any", 1);
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    assert_true(pid > 0);
    return pid;
}

static void survives_kill_9(void **state)
{
    (void)state;
    const hub_fault slow = {.place = HUB_BYTES, .kind = HUB_THROTTLE, .path = "model.safetensors"};
    trial t = begin(&slow, 1, NULL, false);
    char *path = incomplete_path(&t);
    uint64_t size = 0;
    pid_t pid = start_program(&t, "");
    for (int i = 0; i < 1000 && (!cna_file_size(path, &size) || size < 200000); i++) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    assert_int_equal(kill(pid, SIGKILL), 0);
    waitpid(pid, NULL, 0);
    assert_true(cna_file_size(path, &size) && size >= 200000 && size < LARGE_BYTES);
    assert_int_equal(count_in(&t, "models--org--model/refs"), 0);
    size_t n;
    char *begun = support_read(path, &n);
    assert_memory_equal(begun, large, n);
    cna_free(begun);
    char *none;
    assert_int_not_equal(cna_hub_find("org/model", true, &none, NULL), CNA_OK);
    hub_server_stop(t.server);
    t.server = hub_server_start(files, N_FILES, NULL, 0, NULL, false);
    pull(&t);
    check_all(&t);
    assert_true(hub_server_sent(t.server) < LARGE_BYTES - 200000 + 4096);
    cna_free(path);
    end(&t);
}

/* A limit on the size of files stands for the disk that is full: the same failure of the same call. */
static void notices_a_full_disk(void **state)
{
    (void)state;
    trial t = begin(NULL, 0, NULL, false);
    int status = 0;
    waitpid(start_program(&t, "trap '' XFSZ; ulimit -f 1000;"), &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    char *path = support_path(t.folder, "stderr"), *text = support_read(path, NULL);
    assert_non_null(strstr(text, ".incomplete: cannot be written: File too large"));
    assert_int_equal(count_in(&t, "models--org--model/refs"), 0);
    cna_file_remove(path);
    pull(&t);
    check_all(&t);
    cna_free(text);
    cna_free(path);
    end(&t);
}

static void keeps_two_pulls_apart(void **state)
{
    (void)state;
    cna_error err;
    cna_lock lock;
    char etag[65], path[400];
    trial t = begin(NULL, 0, NULL, false);
    hub_server_etag(&files[1], etag);
    snprintf(path, sizeof path, "%s/.locks/models--org--model/%s.lock", t.folder, etag);
    assert_int_equal(cna_folder_create_above(path, NULL), CNA_OK);
    assert_ok(cna_lock_take(path, "test", &lock, &err));
    pull(&t);
    assert_int_equal(t.status, CNA_ERR_IO);
    assert_non_null(strstr(t.err.text, "is writing to it; wait for its end"));
    assert_int_equal(count_in(&t, "models--org--model/refs"), 0);
    cna_lock_release(&lock);
    pull(&t);
    check_all(&t);
    end(&t);
}

/* ---- the rest ---- */

static bool cancel(void *user, const char *what, size_t done, size_t total)
{
    (void)what, (void)total;
    return done >= *(size_t *)user;
}

static void can_be_cancelled(void **state)
{
    (void)state;
    for (size_t limit = 0; limit < 3; limit += 2) {
        trial t = begin(NULL, 0, NULL, false);
        pull_with(&t, &(cna_pull_options){.progress = {.report = cancel, .user = &limit}});
        assert_int_equal(t.status, CNA_ERR_CANCELLED);
        check_failed(&t, "cancel");
        end(&t);
    }
}

static cna_status pull_small(void *user, cna_error *err)
{
    trial *t = user;
    char *path;
    const char *patterns[] = {"*.json", "extra*"};
    const cna_pull_options o = {.endpoint = hub_server_address(t->server), .cache = t->folder, .token = "x",
                                .include = patterns, .n_include = 2, .n_connections = 2};
    cna_status status = cna_hub_pull("org/model@v1.0", &o, &path, NULL, err);
    cna_free(path);
    return status;
}

static void fails_on_every_allocation(void **state)
{
    (void)state;
    trial t = begin(NULL, 0, NULL, false);
    support_fail_allocations(pull_small, &t);
    char *path = support_path(t.folder, "models--org--model/refs/v1.0");
    assert_true(cna_file_exists(path));
    cna_free(path);
    end(&t);
}

static void refuses_wrong_arguments(void **state)
{
    (void)state;
    cna_error err;
    char *path;
    unsetenv("HF_ENDPOINT");
    const cna_pull_options here = {.cache = "/nowhere", .endpoint = "ftp://x"};
    assert_int_equal(cna_hub_pull("model", &here, &path, NULL, &err), CNA_ERR_ARG);
    assert_string_equal(err.text, "model name: expected ORG/NAME or ORG/NAME@REVISION, found 'model'");
    assert_int_equal(cna_hub_pull("a/b", &here, &path, NULL, &err), CNA_ERR_ARG);
    assert_string_equal(err.text, "HF_ENDPOINT: expected an address that begins with https:// or http://, found "
                        "'ftp://x'");
    setenv("HF_HUB_OFFLINE", "1", 1);
    assert_int_equal(cna_hub_pull("a/b", NULL, &path, NULL, &err), CNA_ERR_ARG);
    assert_string_equal(err.text, "a/b: expected leave to use the network, found HF_HUB_OFFLINE set; unset it to "
                        "fetch");
    unsetenv("HF_HUB_OFFLINE");
    setenv("HF_TOKEN", "hf_a b", 1);
    assert_int_equal(cna_hub_pull("a/b", &(cna_pull_options){.cache = "/nowhere"}, &path, NULL, &err), CNA_ERR_ARG);
    assert_null(strstr(err.text, "hf_a"));
    unsetenv("HF_TOKEN");
}

int main(void)
{
    fill_large();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pulls_what_a_model_needs), cmocka_unit_test(pulls_without_sizes_in_the_list),
        cmocka_unit_test(includes_by_pattern),      cmocka_unit_test(shows_the_token_to_the_hub_alone),
        cmocka_unit_test(gets_over_what_passes),    cmocka_unit_test(gets_over_no_ranges_and_cuts),
        cmocka_unit_test(fails_clearly),            cmocka_unit_test(believes_no_wrong_checksum),
        cmocka_unit_test(goes_on_with_half_a_file), cmocka_unit_test(survives_kill_9),
        cmocka_unit_test(notices_a_full_disk),      cmocka_unit_test(keeps_two_pulls_apart),
        cmocka_unit_test(can_be_cancelled),         cmocka_unit_test(fails_on_every_allocation),
        cmocka_unit_test(refuses_wrong_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
