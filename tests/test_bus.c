/* SPDX-License-Identifier: MIT
 * Mapped files that change while they are used: errors where that is seen in time, and what the program makes of SIGBUS
 * where it is not. */
#define _DEFAULT_SOURCE /* truncate */
#include "support.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "engine/engine.h"
#include "engine/stream.h"
#include "engine/model.h"
#include "model_fixture.h"

enum { FILE_BYTES = 300000 };

static char *make_file(const char *folder)
{
    char *path = support_path(folder, "weights"), *bytes = calloc(1, FILE_BYTES);
    support_write(path, bytes, FILE_BYTES);
    free(bytes);
    return path;
}

/* Give a file a time of change that is an hour before. */
static void age(const char *path)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    struct timespec times[2] = {status.st_atim, status.st_mtim};
    times[1].tv_sec -= 3600;
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* ---- maps ---- */

static void test_check_of_a_map(void **state)
{
    (void)state;
    cna_error err;
    cna_map map, none = {0};
    char *folder = support_folder_create(), *path = make_file(folder), *other = support_path(folder, "other");
    const struct timespec opened[2] = {{1000000000, 0}, {1000000000, 5}}, later[2] = {{1000000000, 0}, {1000000000, 6}};
    assert_int_equal(utimensat(AT_FDCWD, path, opened, 0), 0);
    assert_ok(cna_map_open(path, &map, &err));
    assert_ok(cna_map_check(&map, &err));
    assert_ok(cna_map_check(&none, &err));

    assert_int_equal(utimensat(AT_FDCWD, path, later, 0), 0); /* a nanosecond is enough */
    assert_int_equal(cna_map_check(&map, &err), CNA_ERR_IO);
    char expected[1000];
    snprintf(expected, sizeof expected, "%s: expected the 300000 bytes of 2001-09-09 01:46:40.000000005 UTC that were "
             "opened, found 300000 bytes of 2001-09-09 01:46:40.000000006 UTC; leave files as they are while they are "
             "used, and begin again", path);
    assert_string_equal(err.text, expected);
    assert_int_equal(utimensat(AT_FDCWD, path, opened, 0), 0);
    assert_ok(cna_map_check(&map, &err));

    for (off_t size = FILE_BYTES - 1; size <= FILE_BYTES + 1; size += 2) { /* with the old time again */
        assert_int_equal(truncate(path, size), 0);
        assert_int_equal(utimensat(AT_FDCWD, path, opened, 0), 0);
        assert_int_equal(cna_map_check(&map, &err), CNA_ERR_IO);
        snprintf(expected, sizeof expected, "found %lld bytes", (long long)size);
        assert_non_null(strstr(err.text, expected));
    }
    assert_int_equal(truncate(path, FILE_BYTES), 0);
    assert_int_equal(utimensat(AT_FDCWD, path, opened, 0), 0);
    /* Another file under that name leaves the mapped one as it was. */
    support_write(other, "x", 1);
    assert_int_equal(rename(other, path), 0);
    assert_ok(cna_map_check(&map, &err));
    cna_map_close(&map);
    cna_free(other);
    cna_free(path);
    support_folder_remove(folder);
}

/* ---- models ---- */

typedef struct passes {
    const char *path; /* to be changed */
    int after;        /* answers that are left until then; 0: never */
} passes;

static cna_status on_done(void *user, const cna_job_result *result, cna_error *err)
{
    passes *p = user;
    (void)result;
    (void)err;
    if (p->after > 0 && --p->after == 0) age(p->path);
    return CNA_OK;
}

/* Score three answers one by one, the file being changed behind the second. */
static cna_status score(const cna_model *model, passes *p, cna_error *err)
{
    const int32_t prompt[] = {3, 4, 5}, answer[] = {6, 7};
    const cna_job job = {.prompt_ids = prompt, .n_prompt_ids = 3, .answer_ids = answer, .n_answer_ids = 2};
    const cna_job jobs[] = {job, job, job};
    const cna_run_options options = {.batch = 1};
    return cna_engine_score(model, jobs, 3, &options, on_done, p, err);
}

static void assert_changed(const cna_error *err)
{
    assert_int_equal(err->status, CNA_ERR_IO);
    assert_non_null(strstr(err->text, "model.safetensors: expected the "));
    assert_non_null(strstr(err->text, " that were opened, found "));
}

/* Whether any matrix of a layer is read from its file; packed ones are not, but where a kernel takes W as it is stored
 * there is nothing to pack. */
static bool is_mapped(const cna_model *model, uint32_t layer)
{
    cna_linear **matrices[CNA_LAYER_MATRICES];
    cna_layer_matrices(&model->weights.layers[layer], matrices);
    for (size_t i = 0; i < CNA_LAYER_MATRICES; i++) {
        if (cna_linear_packed_bytes(*matrices[i]) == 0) return true;
    }
    return false;
}

/* Wherever weights are kept, a changed file is an error for everything that reads weights. */
static void test_changed_checkpoint(void **state)
{
    (void)state;
    static const cna_model_options ways[] = {{.stream = CNA_STREAM_NEVER}, {.in_place = true},
                                             {.stream = CNA_STREAM_ALWAYS}};
    for (size_t i = 0; i < 3; i++) {
        cna_error err;
        cna_model *model;
        cna_stream *stream;
        const cna_layer_weights *layer;
        const cna_linear *head;
        char *folder = model_fixture_create(&model_fixtures[0]), *path = support_path(folder, "model.safetensors");
        assert_ok(cna_model_open(folder, &ways[i], &model, &err));
        const cna_config *c = &model->checkpoint.config;
        double *wide = calloc(c->vocab_size + c->mlp_dim + c->hidden_dim, sizeof *wide);
        float *row = calloc(c->hidden_dim + c->mlp_dim, sizeof *row);
        assert_ok(score(model, &(passes){path, 0}, &err));
        assert_ok(cna_stream_create(model, &stream, &err));
        assert_ok(cna_stream_layer(stream, 0, false, true, &layer, &err));

        assert_int_equal(score(model, &(passes){path, 2}, &err), CNA_ERR_IO);
        assert_changed(&err);
        assert_int_equal(score(model, &(passes){path, 0}, &err), CNA_ERR_IO);
        assert_true(i == 0 || is_mapped(model, 0));
        for (uint32_t j = 0; j < 2; j++) {
            cna_status expected = is_mapped(model, j) ? CNA_ERR_IO : CNA_OK;
            assert_int_equal(cna_stream_layer(stream, j, false, true, &layer, &err), expected);
            if (expected != CNA_OK) assert_changed(&err);
        }
        bool packed = cna_linear_packed_bytes(model->weights.head) != 0;
        assert_int_equal(cna_stream_head(stream, false, false, &head, &err), packed ? CNA_OK : CNA_ERR_IO);
        assert_int_equal(cna_engine_down_norms(model, 0, wide, &err), CNA_ERR_IO);
        assert_int_equal(cna_engine_down_column(model, 0, 0, row, &err), CNA_ERR_IO);
        assert_int_equal(cna_engine_down_product(model, 0, row, 1, wide, &err), CNA_ERR_IO);
        assert_int_equal(cna_engine_unembed(model, &(uint32_t){0}, row, 1, wide, &err), CNA_ERR_IO);
        assert_changed(&err);
        free(wide);
        free(row);
        cna_stream_free(stream);
        cna_model_free(model);
        cna_free(path);
        support_folder_remove(folder);
    }
}

/* Before a layer is used only the files are looked at that it is read from; a pass looks at all. */
static void test_files_of_a_layer(void **state)
{
    (void)state;
    static const cna_model_options ways[] = {{.stream = CNA_STREAM_NEVER}, {.in_place = true},
                                             {.stream = CNA_STREAM_ALWAYS}};
    model_fixture fixture = model_fixtures[0];
    fixture.sharded = 2;
    for (size_t i = 0; i < 3; i++) {
        cna_error err;
        cna_model *model;
        cna_stream *stream;
        const cna_layer_weights *layer;
        const cna_linear *head;
        char *folder = model_fixture_create(&fixture);
        char *path = support_path(folder, "model-00002-of-00002.safetensors"); /* layer 1 alone */
        assert_ok(cna_model_open(folder, &ways[i], &model, &err));
        assert_int_equal(model->checkpoint.n_files, 2);
        assert_true(i == 0 || is_mapped(model, 1));
        assert_ok(cna_stream_create(model, &stream, &err));
        age(path);
        assert_ok(cna_stream_layer(stream, 0, false, false, &layer, &err));
        cna_status expected = is_mapped(model, 1) ? CNA_ERR_IO : CNA_OK;
        assert_int_equal(cna_stream_layer(stream, 1, false, false, &layer, &err), expected);
        if (expected != CNA_OK) assert_non_null(strstr(err.text, "model-00002-of-00002.safetensors: expected the "));
        assert_ok(cna_stream_layer(stream, 2, false, false, &layer, &err));
        assert_ok(cna_stream_head(stream, false, false, &head, &err));
        assert_int_equal(score(model, &(passes){path, 0}, &err), CNA_ERR_IO);
        cna_stream_free(stream);
        cna_model_free(model);
        cna_free(path);
        support_folder_remove(folder);
    }
}

/* A file that loses its end in the middle of a pass over layers. */
static void test_cut_while_streaming(void **state)
{
    (void)state;
    cna_error err;
    cna_model *model;
    cna_stream *stream;
    const cna_layer_weights *layer;
    char *folder = model_fixture_create(&model_fixtures[0]), *path = support_path(folder, "model.safetensors");
    assert_ok(cna_model_open(folder, &(cna_model_options){.stream = CNA_STREAM_ALWAYS}, &model, &err));
    assert_ok(cna_stream_create(model, &stream, &err));
    assert_ok(cna_stream_layer(stream, 0, false, true, &layer, &err));
    assert_int_equal(truncate(path, 4096), 0);
    assert_int_equal(cna_stream_layer(stream, 1, false, true, &layer, &err), CNA_ERR_IO);
    assert_changed(&err);
    assert_non_null(strstr(err.text, "found 4096 bytes"));
    cna_stream_free(stream);
    cna_model_free(model);
    cna_free(path);
    support_folder_remove(folder);
}

/* ---- the program's handler ---- */

/* What a child does with SIGBUS caught as the program does: its standard error goes to `log`. */
typedef void child_fn(const char *folder, const char *path);

static int run_child(child_fn *function, const char *folder, const char *path, const char *log)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (fd < 0 || dup2(fd, STDERR_FILENO) < 0) _exit(77);
        cli_catch_signals();
        function(folder, path);
        _exit(78);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* Half of a result is written when the mapped file turns out to have lost its second page. */
static void touch_what_is_gone(const char *folder, const char *path)
{
    cna_map map;
    cli_file file;
    char *result = support_path(folder, "result.json");
    if (cna_map_open(path, &map, NULL) != CNA_OK || cli_file_open(&file, result) != 0) _exit(79);
    fputs("half of it", file.stream);
    fflush(file.stream);
    if (truncate(path, 10) != 0) _exit(80);
    const volatile unsigned char *data = map.data;
    (void)data[FILE_BYTES - 1];
}

static void send_to_itself(const char *folder, const char *path)
{
    (void)folder;
    (void)path;
    raise(SIGBUS);
}

static void test_bus_error(void **state)
{
    (void)state;
    char *folder = support_folder_create(), *path = make_file(folder), *log = support_path(folder, "log");
    int status = run_child(touch_what_is_gone, folder, path, log);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    char *text = support_read(log, NULL), *end = strchr(text, '\n');
    assert_memory_equal(text, "cna: a file in use has lost part", strlen("cna: a file in use has lost part"));
    assert_non_null(strstr(text, "run the command again"));
    assert_true(end != NULL && end[1] == '\0'); /* one line */

    cna_arena arena = {0};
    const char **names;
    size_t n_names;
    cna_error err;
    assert_ok(cna_folder_list(folder, "", &arena, &names, &n_names, &err));
    for (size_t i = 0; i < n_names; i++) assert_null(strstr(names[i], "result"));
    cna_arena_free(&arena);

    /* One that no file is to blame for is a crash as ever. */
    status = run_child(send_to_itself, folder, path, log);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGBUS);
    cna_free(text);
    cna_free(log);
    cna_free(path);
    support_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check_of_a_map),
        cmocka_unit_test(test_changed_checkpoint),
        cmocka_unit_test(test_files_of_a_layer),
        cmocka_unit_test(test_cut_while_streaming),
        cmocka_unit_test(test_bus_error),
    };
    return cmocka_run_group_tests_name("files that change", tests, NULL, NULL);
}
