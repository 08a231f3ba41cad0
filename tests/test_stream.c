/* SPDX-License-Identifier: MIT
 * Weights that pass through memory: the same weights as those that stay, about two units of pages at a time, memory
 * limits kept or refused, and files that are cut short. */
#define _DEFAULT_SOURCE /* truncate, MADV_POPULATE_READ */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/resources.h"
#include "child.h"
#include "engine/model.h"
#include "engine/readahead.h"
#include "engine/stream.h"
#include "gguf_fixture.h"
#include "model_fixture.h"
#include "numbers.h"

#define MIB (1024ull * 1024)

/* ---- reading ahead ---- */

enum { UNITS = 8, UNIT_BYTES = 8 << 20 };

/* Pages of files that the process has mapped; 0 where the system does not tell. */
static uint64_t mapped_bytes(void)
{
    char status[8192];
    const char *line = cna_file_peek("/proc/self/status", status, sizeof status) ? strstr(status, "RssFile:") : NULL;
    return line != NULL ? strtoull(line + strlen("RssFile:"), NULL, 10) * 1024 : 0;
}

/* A file of UNITS units and a bit, each unit's bytes its number; units begin at odd places. */
static char *make_file(const char *folder, cna_map *map, cna_unit units[UNITS])
{
    cna_error err;
    char *path = support_path(folder, "units"), *bytes;
    size_t n = (size_t)UNITS * UNIT_BYTES + 100;
    assert_ok(cna_alloc(&bytes, n, 1, "test", &err));
    for (size_t i = 0; i < UNITS; i++) memset(bytes + 100 + i * UNIT_BYTES, (int)i + 1, UNIT_BYTES);
    support_write(path, bytes, n);
    cna_free(bytes);
    assert_ok(cna_map_open(path, map, &err));
    memset(units, 0, UNITS * sizeof *units);
    for (size_t i = 0; i < UNITS; i++) {
        units[i] = (cna_unit){.n_extents = 2, .cached = i % 2 == 0};
        units[i].extents[0] = (cna_extent){map, 100 + i * UNIT_BYTES, UNIT_BYTES - 12345};
        units[i].extents[1] = (cna_extent){map, 100 + (i + 1) * UNIT_BYTES - 12345, 12345};
    }
    return path;
}

static void check_unit(const cna_map *map, size_t i)
{
    for (size_t at = 0; at < UNIT_BYTES; at += 1000) assert_int_equal(map->data[100 + i * UNIT_BYTES + at], i + 1);
}

/* Whether the system has MADV_POPULATE_READ. */
static bool can_populate(const cna_map *map)
{
#ifdef MADV_POPULATE_READ
    return madvise((void *)(uintptr_t)map->data, 1, MADV_POPULATE_READ) == 0;
#else
    (void)map;
    return false;
#endif
}

static void test_readahead(void **state)
{
    (void)state;
    cna_error err;
    cna_map map;
    cna_unit units[UNITS];
    cna_readahead *readahead;
    char *folder = support_folder_create(), *path = make_file(folder, &map, units);
    uint64_t before = mapped_bytes(), most = 0;
    assert_ok(cna_readahead_create(units, UNITS, &readahead, &err));
    for (size_t pass = 0; pass < 3; pass++) {
        for (size_t i = 0; i < UNITS; i++) {
            assert_ok(cna_readahead_wait(readahead, i, &err));
            if (before != 0) assert_true(mapped_bytes() >= before + UNIT_BYTES - MIB);
            /* The first pass reads ahead the right unit, the second a wrong one, the third none. */
            const size_t next[] = {(i + 1) % UNITS, (i + 5) % UNITS, CNA_NO_UNIT};
            cna_readahead_advance(readahead, i, next[pass]);
            check_unit(&map, i);
            uint64_t now = mapped_bytes();
            if (now > before && now - before > most) most = now - before;
        }
    }
    assert_ok(cna_readahead_wait(readahead, UNITS - 1, &err)); /* again, at once */
    cna_readahead_free(readahead);
    /* Two at a time, and a third while it is on its way out. */
    if (before != 0) {
        assert_true(most >= UNIT_BYTES && most <= 3ull * UNIT_BYTES + 2 * MIB);
        assert_true(mapped_bytes() <= before + 2 * MIB);
    }
    for (size_t i = 0; i < UNITS; i++) check_unit(&map, i);
    cna_readahead_free(NULL);
    cna_map_close(&map);
    cna_free(path);
    support_folder_remove(folder);
}

/* A unit that the file has lost is an error and no signal, also where it was read ahead; units that are still there are
 * not. */
static void test_cut_file(void **state)
{
    (void)state;
    cna_error err;
    cna_map map;
    cna_unit units[UNITS];
    cna_readahead *readahead;
    char *folder = support_folder_create(), *path = make_file(folder, &map, units);
    assert_ok(cna_readahead_create(units, UNITS, &readahead, &err));
    assert_ok(cna_readahead_wait(readahead, 0, &err));
    assert_int_equal(truncate(path, 3 * UNIT_BYTES), 0);
    cna_readahead_advance(readahead, 0, 5);
    assert_int_equal(cna_readahead_wait(readahead, 5, &err), CNA_ERR_IO);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "cut short"));
    assert_int_equal(cna_readahead_wait(readahead, 5, NULL), CNA_ERR_IO);
    assert_int_equal(cna_readahead_wait(readahead, 3, &err), CNA_ERR_IO);
    cna_status status = cna_readahead_wait(readahead, 1, &err);
    if (can_populate(&map)) assert_ok(status); /* else the file's size alone is known */
    cna_readahead_free(readahead);
    cna_map_close(&map);
    cna_free(path);
    support_folder_remove(folder);
}

/* ---- walks ---- */

enum { ROWS = 3 };

/* y = x W^T of one linear for fixed random x, n_rows of ROWS. */
static float *product(const cna_model *model, const cna_linear *linear, size_t n_rows)
{
    cna_error err;
    cna_linear_context *context;
    const cna_matrix_view *view = cna_linear_source(linear);
    numbers random = {1};
    float *x = calloc(ROWS * view->cols, sizeof *x), *y = calloc(ROWS * view->rows, sizeof *y);
    void *input = calloc(ROWS * view->cols, sizeof *x);
    numbers_fill(&random, x, ROWS * view->cols, 1);
    cna_input_convert(model->input, x, ROWS * view->cols, input);
    assert_ok(cna_linear_context_create(&context, &err));
    assert_ok(cna_linear_apply(linear, context, input, n_rows, y, &err));
    cna_linear_context_free(context);
    free(x);
    free(input);
    return y;
}

static void assert_same_product(const cna_model *model, const cna_linear *expected, const cna_linear *found,
                                bool single)
{
    size_t n_rows = single ? 1 : ROWS;
    float *a = product(model, expected, ROWS), *b = product(model, found, n_rows);
    const cna_matrix_view *view = cna_linear_source(expected);
    assert_memory_equal(a, b, n_rows * view->rows * sizeof *a);
    assert_true(a[0] != 0);
    free(a);
    free(b);
}

static void check_layer(const cna_model *kept, cna_stream *stream, const cna_model *model, uint32_t layer, bool single,
                        bool more)
{
    cna_error err;
    const cna_layer_weights *found;
    assert_ok(cna_stream_layer(stream, layer, single, more, &found, &err));
    cna_layer_weights expected = kept->weights.layers[layer], copy = *found;
    cna_linear **a[CNA_LAYER_MATRICES], **b[CNA_LAYER_MATRICES];
    cna_layer_matrices(&expected, a);
    cna_layer_matrices(&copy, b);
    for (size_t i = 0; i < CNA_LAYER_MATRICES; i++) assert_same_product(model, *a[i], *b[i], single);
    size_t dim = kept->checkpoint.config.hidden_dim;
    for (size_t i = 0; i < CNA_NORM_PLACES; i++) {
        assert_true((found->norms[i] == NULL) == (expected.norms[i] == NULL));
        if (found->norms[i] != NULL) assert_memory_equal(found->norms[i], expected.norms[i], dim * sizeof(float));
    }
    assert_true((found->q_bias != NULL) == (expected.q_bias != NULL));
}

static void check_head(const cna_model *kept, cna_stream *stream, const cna_model *model, bool single, bool more)
{
    cna_error err;
    const cna_linear *head;
    assert_ok(cna_stream_head(stream, single, more, &head, &err));
    assert_same_product(model, kept->weights.head, head, single);
}

/* Passes as attribution and generation make them, of single rows and of several, and layers in an order that nobody
 * foresees. */
static void check_walk(const cna_model *kept, const cna_model *model)
{
    static const bool singles[] = {false, false, true, true, false, true};
    enum { PASSES = sizeof singles / sizeof *singles };
    cna_error err;
    cna_stream *stream;
    const cna_layer_weights *layer;
    uint32_t n_layers = model->weights.n_layers;
    assert_ok(cna_stream_create(model, &stream, &err));
    for (size_t pass = 0; pass < PASSES; pass++) {
        bool single = singles[pass], more = pass + 1 < PASSES;
        for (uint32_t i = 0; i < n_layers; i++) {
            check_layer(kept, stream, model, i, single, more);
            check_layer(kept, stream, model, i, single, more); /* for the next block of rows */
            if (pass == 3) check_layer(kept, stream, model, i, false, more);
        }
        if (pass != 0 && pass != 4) check_head(kept, stream, model, single, pass == 1);
        if (pass == 3) check_head(kept, stream, model, false, false);
    }
    for (uint32_t i = n_layers; i-- > 0;) check_layer(kept, stream, model, i, i % 3 == 0, i % 2 == 0);
    check_head(kept, stream, model, true, true);
    check_layer(kept, stream, model, n_layers - 1, false, true);
    assert_int_equal(cna_stream_layer(stream, n_layers, false, false, &layer, &err), CNA_ERR_INTERNAL);
    cna_stream_free(stream);
    cna_stream_free(NULL);
}

static cna_model *open_model(const char *folder, const cna_model_options *options)
{
    cna_error err;
    cna_model *model;
    assert_ok(cna_model_open(folder, options, &model, &err));
    return model;
}

static void test_same_weights(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_MODEL_FIXTURES; i++) {
        for (int dtype = CNA_DTYPE_BF16; dtype <= CNA_DTYPE_F32; dtype++) {
            if (dtype == CNA_DTYPE_BF16 && model_fixtures[i].storage != CNA_STORAGE_BF16) continue;
            char *folder = model_fixture_create(&model_fixtures[i]);
            cna_model *kept = open_model(folder, &(cna_model_options){.dtype = (cna_dtype)dtype});
            cna_model *streamed = open_model(folder, &(cna_model_options){.dtype = (cna_dtype)dtype,
                                                                          .stream = CNA_STREAM_ALWAYS,
                                                                          .in_place = i % 2 == 0});
            assert_false(kept->streams);
            assert_int_equal(cna_stream_bytes(kept, true), 0);
            assert_true(streamed->streams);
            /* A bf16 checkpoint is copied for f32 products and not for its own; tiles copy nothing. */
            bool native = model_fixtures[i].storage == CNA_STORAGE_F32 || streamed->input == CNA_INPUT_BF16 ||
                          strstr(cna_linear_kernel(streamed->weights.head), "tiles") != NULL;
            if (!native) assert_true(cna_stream_bytes(streamed, true) > 0);
            assert_true(streamed->weights.packed_bytes < kept->weights.packed_bytes ||
                        kept->weights.packed_bytes < 10000);
            check_walk(kept, kept);
            check_walk(kept, streamed);
            cna_model_free(kept);
            cna_model_free(streamed);
            support_folder_remove(folder);
        }
    }
}

/* Quantised weights, which single rows read where they are. */
static void test_quantised(void **state)
{
    (void)state;
    char *folder = support_folder_create(), *path = support_path(folder, "model.gguf");
    gguf_fixture_write("", path);
    for (int dtype = CNA_DTYPE_BF16; dtype <= CNA_DTYPE_F32; dtype++) {
        cna_model *kept = open_model(path, &(cna_model_options){.dtype = (cna_dtype)dtype});
        cna_model *streamed = open_model(path, &(cna_model_options){.dtype = (cna_dtype)dtype,
                                                                    .stream = CNA_STREAM_ALWAYS});
        check_walk(kept, streamed);
        cna_model_free(kept);
        cna_model_free(streamed);
    }
    cna_free(path);
    support_folder_remove(folder);
}

static cna_status walk_once(void *user, cna_error *err)
{
    cna_stream *stream;
    const cna_layer_weights *layer;
    CNA_TRY(cna_stream_create(user, &stream, err));
    cna_status status = cna_stream_layer(stream, 0, false, false, &layer, err);
    cna_stream_free(stream);
    return status;
}

static void test_memory_failures(void **state)
{
    (void)state;
    char *folder = model_fixture_create(&model_fixtures[2]);
    cna_model *model = open_model(folder, &(cna_model_options){.stream = CNA_STREAM_ALWAYS});
    support_fail_allocations(walk_once, model);
    cna_model_free(model);
    support_folder_remove(folder);
}

/* A layer of a checkpoint that is cut short while it is open. */
static void test_cut_checkpoint(void **state)
{
    (void)state;
    cna_error err;
    cna_stream *stream;
    const cna_layer_weights *layer;
    char *folder = model_fixture_create(&model_fixtures[3]), *path = support_path(folder, "model.safetensors");
    cna_model *model = open_model(folder, &(cna_model_options){.stream = CNA_STREAM_ALWAYS});
    assert_ok(cna_stream_create(model, &stream, &err));
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(cna_stream_layer(stream, 0, false, false, &layer, &err), CNA_ERR_IO);
    assert_non_null(strstr(err.text, "model.safetensors"));
    cna_stream_free(stream);
    cna_model_free(model);
    cna_free(path);
    support_folder_remove(folder);
}

/* ---- limits ---- */

/* A limit that leaves this much for weights in a process that holds what this one does. */
static uint64_t limit_for(uint64_t room)
{
    cna_memory_trim();
    return (cna_memory_held() + room) / 7 * 8;
}

/* 4.7 M parameters in f16, 18.8 MB as f32, of which a layer is 4.2 MB. */
static void test_limits(void **state)
{
    (void)state;
    static const model_fixture wide = {"llama", 4, 256, 1024, 4, 4, 64, 2000, true, false, false, CNA_STORAGE_F16};
    cna_error err;
    cna_model *model = NULL;
    if (cna_memory_held() == 0) skip();
    char *folder = model_fixture_create(&wide);
    model = open_model(folder, NULL);
    const uint64_t packed = model->weights.packed_bytes;
    assert_true(packed > 17 * MIB && !model->streams && cna_model_notice(model) == NULL);
    cna_model_free(model);

    cna_model_options options = {.memory_bytes = limit_for(packed / 2)};
    model = open_model(folder, &options);
    assert_true(model->streams && model->memory_bytes == options.memory_bytes);
    assert_non_null(strstr(cna_model_notice(model), "do not fit in"));
    assert_true(model->weights.packed_bytes + cna_stream_bytes(model, true) < packed / 2);
    cna_model_free(model);

    options.stream = CNA_STREAM_NEVER;
    assert_int_equal(cna_model_open(folder, &options, &model, &err), CNA_ERR_MEMORY);
    assert_null(model);
    assert_non_null(strstr(err.text, "--stream auto"));
    options.memory_bytes = limit_for(3 * packed);
    model = open_model(folder, &options);
    assert_false(model->streams);
    cna_model_free(model);

    options.memory_bytes = limit_for(MIB);
    for (int mode = CNA_STREAM_AUTO; mode <= CNA_STREAM_NEVER; mode++) {
        options.stream = (cna_stream_mode)mode;
        assert_int_equal(cna_model_open(folder, &options, &model, &err), CNA_ERR_MEMORY);
        assert_non_null(strstr(err.text, "--memory"));
    }
    support_folder_remove(folder);
}

int main(int argc, char **argv)
{
    (void)argc;
    child_wait_passively(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readahead),       cmocka_unit_test(test_cut_file),
        cmocka_unit_test(test_same_weights),    cmocka_unit_test(test_quantised),
        cmocka_unit_test(test_memory_failures), cmocka_unit_test(test_limits),   cmocka_unit_test(test_cut_checkpoint),
        cmocka_unit_test(child_test_each_isa),
    };
    if (!child_is_one()) return cmocka_run_group_tests_name("weights that stream", tests, NULL, NULL);
    const struct CMUnitTest child_tests[] = {cmocka_unit_test(test_same_weights)};
    return cmocka_run_group_tests_name("weights that stream under one ISA", child_tests, NULL, NULL);
}
