/* SPDX-License-Identifier: MIT
 * Quantised blocks: against what the gguf package unpacks them to (golden/quant.json), parts of rows, rows in pairs,
 * and products, which have the bits of products of the unpacked numbers. */
#include "support.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "numbers.h"
#include "tensor/linear.h"
#include "tensor/quant.h"

static json_t *golden;

static int set_up(void **state)
{
    (void)state;
    cna_error err;
    return cna_json_load("tests/golden/quant.json", 1 << 20, &golden, &err) == CNA_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    json_decref(golden);
    return 0;
}

static void *new_array(size_t count, size_t size)
{
    cna_error err;
    void *out;
    assert_ok(cna_alloc(&out, count, size, "test", &err));
    return out;
}

static cna_storage storage_of(const json_t *type)
{
    cna_storage storage;
    assert_true(cna_storage_find(json_string_value(json_object_get(type, "name")), &storage));
    return storage;
}

/* Blocks as golden/make_quant.py draws them: all scales finite. offset: bytes left free in front. */
static unsigned char *random_blocks(const json_t *type, uint64_t seed, size_t n_blocks, size_t offset)
{
    const cna_quant *quant = cna_quant_of(storage_of(type));
    unsigned char *blocks = new_array(offset + n_blocks * quant->n_bytes, 1);
    numbers random = {seed};
    for (size_t i = 0; i < n_blocks * quant->n_bytes; i++) blocks[offset + i] = (unsigned char)numbers_next(&random);
    size_t i;
    const json_t *half;
    json_array_foreach(json_object_get(type, "halves"), i, half) {
        size_t at = offset + (size_t)json_integer_value(half) + 1;
        for (size_t block = 0; block < n_blocks; block++) blocks[at + block * quant->n_bytes] &= 0xBF;
    }
    return blocks;
}

static void test_golden(void **state)
{
    (void)state;
    cna_error err;
    size_t n_blocks = (size_t)json_integer_value(json_object_get(golden, "n_blocks")), i;
    const json_t *type;
    assert_int_equal(json_array_size(json_object_get(golden, "types")), CNA_STORAGE_COUNT - CNA_STORAGE_F16 - 1);
    json_array_foreach(json_object_get(golden, "types"), i, type) {
        cna_storage storage = storage_of(type);
        size_t n = n_blocks * cna_storage_block(storage);
        uint64_t seed = (uint64_t)json_integer_value(json_object_get(type, "seed"));
        unsigned char *blocks = random_blocks(type, seed, n_blocks, 1);
        float *values = new_array(n, sizeof *values);
        char digest[65];
        cna_widen(blocks + 1, storage, n, values);
        for (size_t j = 0; j < json_array_size(json_object_get(type, "first")); j++) {
            json_int_t want = json_integer_value(json_array_get(json_object_get(type, "first"), j));
            assert_int_equal(cna_f32_bits(values[j]), want);
        }
        assert_ok(cna_sha256_hex(values, n * sizeof *values, digest, &err));
        assert_string_equal(digest, json_string_value(json_object_get(type, "sha256")));
        cna_free(values);
        cna_free(blocks);
    }
}

/* Any part of any row is that part of the whole. */
static void test_parts(void **state)
{
    (void)state;
    enum { ROWS = 3, BLOCKS = 4 };
    size_t i;
    const json_t *type;
    numbers random = {5};
    json_array_foreach(json_object_get(golden, "types"), i, type) {
        cna_storage storage = storage_of(type);
        size_t cols = BLOCKS * cna_storage_block(storage);
        unsigned char *blocks = random_blocks(type, 9, ROWS * BLOCKS, 0);
        cna_matrix_view view = {.data = blocks, .storage = storage, .rows = ROWS, .cols = cols};
        float *whole = new_array(ROWS * cols, sizeof *whole), *part = new_array(cols, sizeof *part);
        assert_int_equal(cna_matrix_bytes(&view), ROWS * BLOCKS * cna_quant_of(storage)->n_bytes);
        cna_widen(blocks, storage, ROWS * cols, whole);
        for (int round = 0; round < 200; round++) {
            size_t row = numbers_below(&random, ROWS), first = numbers_below(&random, cols);
            size_t n = numbers_below(&random, cols - first + 1);
            cna_matrix_widen(&view, row, first, n, part);
            assert_memory_equal(part, whole + row * cols + first, n * sizeof *part);
        }
        cna_free(part);
        cna_free(whole);
        cna_free(blocks);
    }
}

/* Two heads of six rows: row i of a half lies at 2 i, its partner behind it. */
static void test_paired_rows(void **state)
{
    (void)state;
    float stored[12], value;
    for (int i = 0; i < 12; i++) stored[i] = (float)i;
    cna_matrix_view view = {.data = stored, .storage = CNA_STORAGE_F32, .rows = 12, .cols = 1, .paired_rows = 6};
    static const float want[12] = {0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11};
    for (size_t row = 0; row < 12; row++) {
        cna_matrix_widen(&view, row, 0, 1, &value);
        assert_true(value == want[row]);
    }
}

/* y = x W^T of W kept in one way. */
static void multiply(const cna_matrix_view *w, cna_input input, cna_linear_keep keep, const void *x, size_t n_rows,
                     float *y)
{
    cna_error err;
    cna_linear *linear, *stage;
    cna_linear_context *context;
    assert_ok(cna_linear_create(w, input, keep, &linear, &err));
    assert_ok(cna_linear_create_stage(&stage, &err));
    assert_ok(cna_linear_context_create(&context, &err));
    size_t n_bytes = cna_linear_stage_bytes(linear);
    void *memory = new_array(n_bytes, 1);
    if (keep == CNA_LINEAR_STAGED && n_bytes != 0) cna_linear_stage(linear, memory, stage);
    assert_ok(
        cna_linear_apply(keep == CNA_LINEAR_STAGED && n_bytes != 0 ? stage : linear, context, x, n_rows, y, &err));
    cna_linear_context_free(context);
    cna_linear_free(stage);
    cna_linear_free(linear);
    cna_free(memory);
}

/* Products of quantised, paired W have the bits of products of a plain W of the same numbers in order, however W is
 * kept. */
static void check_products(const cna_matrix_view *w, cna_input input)
{
    enum { ROWS = 5 };
    size_t n = w->rows * w->cols, n_y = ROWS * w->rows;
    float *plain = new_array(n, sizeof *plain), *x = new_array(ROWS * w->cols, sizeof *x);
    float *want = new_array(n_y, sizeof *want), *got = new_array(n_y, sizeof *got);
    uint16_t *halves = new_array(n, sizeof *halves);
    numbers random = {3};
    numbers_fill(&random, x, ROWS * w->cols, 1);
    void *inputs = new_array(ROWS * w->cols, cna_input_bytes(input));
    cna_input_convert(input, x, ROWS * w->cols, inputs);
    for (size_t row = 0; row < w->rows; row++) cna_matrix_widen(w, row, 0, w->cols, plain + row * w->cols);
    cna_round_to_bf16(plain, n, halves);
    cna_matrix_view reference = {.data = plain, .storage = CNA_STORAGE_F32, .rows = w->rows, .cols = w->cols};
    if (input != CNA_INPUT_F32) reference.data = halves, reference.storage = CNA_STORAGE_BF16;
    multiply(&reference, input, CNA_LINEAR_PACKED, inputs, ROWS, want);
    for (int keep = CNA_LINEAR_IN_PLACE; keep <= CNA_LINEAR_STAGED; keep++) {
        multiply(w, input, (cna_linear_keep)keep, inputs, ROWS, got);
        assert_memory_equal(got, want, n_y * sizeof *got);
    }
    void *all[] = {plain, x, want, got, halves, inputs};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) cna_free(all[i]);
}

static void test_products(void **state)
{
    (void)state;
    enum { ROWS = 48, BLOCK_VALUES = 512 };
    size_t i;
    const json_t *type;
    json_array_foreach(json_object_get(golden, "types"), i, type) {
        cna_storage storage = storage_of(type);
        unsigned char *blocks = random_blocks(type, 11, ROWS * BLOCK_VALUES / cna_storage_block(storage), 1);
        cna_matrix_view w = {.data = blocks + 1, .storage = storage, .rows = ROWS, .cols = BLOCK_VALUES,
                             .paired_rows = i % 2 == 0 ? 0 : 16};
        check_products(&w, CNA_INPUT_F32);
        check_products(&w, CNA_INPUT_BF16_WIDENED);
        if (cna_input_for(CNA_DTYPE_BF16) == CNA_INPUT_BF16) check_products(&w, CNA_INPUT_BF16);
        cna_free(blocks);
    }
    float stored[16 * 32];
    numbers random = {4};
    numbers_fill(&random, stored, 16 * 32, 1);
    cna_matrix_view w = {.data = stored, .storage = CNA_STORAGE_F32, .rows = 16, .cols = 32, .paired_rows = 8};
    check_products(&w, CNA_INPUT_F32);
    check_products(&w, cna_input_for(CNA_DTYPE_BF16));
}

static void test_names(void **state)
{
    (void)state;
    for (int i = 0; i < CNA_STORAGE_COUNT; i++) {
        cna_storage found;
        assert_true(cna_storage_find(cna_storage_name((cna_storage)i), &found) && found == (cna_storage)i);
        assert_int_equal(cna_storage_is_quantised(found), cna_storage_block(found) != 1);
    }
    cna_storage none;
    assert_false(cna_storage_find("Q4", &none));
    assert_false(cna_storage_find("", &none));
}

/* Single rows straight from quantised W, against the same rows in a batch with a bf16 copy: every storage, sums of
 * several parts, rows that fill no whole register, in pairs, any number of threads. */
static void check_one_row(const cna_matrix_view *w)
{
    enum { ROWS = 3 };
    cna_error err;
    size_t n_x = ROWS * w->cols;
    float *x = new_array(n_x, sizeof *x), *want = new_array(ROWS * w->rows, sizeof *want);
    float *got = new_array(w->rows + 1, sizeof *got);
    uint16_t *inputs = new_array(n_x, sizeof *inputs);
    numbers random = {6};
    numbers_fill(&random, x, n_x, 1);
    cna_round_to_bf16(x, n_x, inputs);
    cna_linear *linear, *packed, *stage, *single;
    cna_linear_context *context;
    assert_ok(cna_linear_create(w, CNA_INPUT_BF16, CNA_LINEAR_PACKED, &packed, &err));
    assert_ok(cna_linear_create(w, CNA_INPUT_BF16, CNA_LINEAR_STAGED, &linear, &err));
    assert_ok(cna_linear_create_stage(&stage, &err));
    assert_ok(cna_linear_create_stage(&single, &err));
    assert_ok(cna_linear_context_create(&context, &err));
    void *memory = new_array(cna_linear_stage_bytes(linear), 1);
    cna_linear_stage(linear, memory, stage);
    assert_false(cna_linear_has_one_row(stage));
    assert_ok(cna_linear_compare(stage, &err));
    bool direct = cna_linear_has_one_row(stage);
    /* So it is expected where one_row.c's order of sums is; elsewhere (AMX) the comparison decides. */
    if (strcmp(cna_linear_kernel(linear), "brg:avx512_core_bf16") == 0) assert_true(direct);
    if (direct) cna_linear_stage_one_row(linear, single);
    assert_ok(cna_linear_apply(packed, context, inputs, ROWS, want, &err));
    for (size_t row = 0; row < ROWS; row++) {
        const cna_linear *all[] = {packed, stage, direct ? single : stage};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            omp_set_num_threads(1 + (int)((row + i) % ROWS));
            got[w->rows] = -77;
            assert_ok(cna_linear_apply(all[i], context, inputs + row * w->cols, 1, got, &err));
            assert_memory_equal(got, want + row * w->rows, w->rows * sizeof *got);
            assert_true(got[w->rows] == -77);
        }
    }
    if (direct) assert_int_equal(cna_linear_apply(single, context, inputs, 2, want, &err), CNA_ERR_INTERNAL);
    void *arrays[] = {x, want, got, inputs, memory};
    cna_linear_context_free(context);
    cna_linear *linears[] = {linear, packed, stage, single};
    for (size_t i = 0; i < sizeof linears / sizeof *linears; i++) cna_linear_free(linears[i]);
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) cna_free(arrays[i]);
}

static cna_status compare_stage(void *user, cna_error *err)
{
    return cna_linear_compare(user, err);
}

static void test_one_row(void **state)
{
    (void)state;
    static const struct {
        size_t rows, cols, paired;
    } shapes[] = {{600, 2816, 0}, {520, 1024, 8}, {7, 256, 0}, {96, 512, 32}};
    if (cna_input_for(CNA_DTYPE_BF16) != CNA_INPUT_BF16) skip();
    size_t i;
    const json_t *type;
    json_array_foreach(json_object_get(golden, "types"), i, type) {
        cna_storage storage = storage_of(type);
        for (size_t j = 0; j < sizeof shapes / sizeof *shapes; j++) {
            size_t n_blocks = shapes[j].rows * shapes[j].cols / cna_storage_block(storage);
            unsigned char *blocks = random_blocks(type, 13 + j, n_blocks, 1);
            check_one_row(&(cna_matrix_view){.data = blocks + 1, .storage = storage, .rows = shapes[j].rows,
                                             .cols = shapes[j].cols, .paired_rows = shapes[j].paired});
            cna_free(blocks);
        }
    }
}

static void test_one_row_memory_failures(void **state)
{
    (void)state;
    enum { ROWS = 16, COLS = 256 };
    cna_error err;
    cna_linear *linear, *stage;
    unsigned char blocks[ROWS * COLS / 32 * 34] = {0};
    uint16_t memory[ROWS * COLS];
    cna_matrix_view w = {.data = blocks, .storage = CNA_STORAGE_Q8_0, .rows = ROWS, .cols = COLS};
    if (cna_input_for(CNA_DTYPE_BF16) != CNA_INPUT_BF16) skip();
    assert_ok(cna_linear_create(&w, CNA_INPUT_BF16, CNA_LINEAR_STAGED, &linear, &err));
    assert_ok(cna_linear_create_stage(&stage, &err));
    cna_linear_stage(linear, memory, stage);
    assert_ok(cna_linear_compare(stage, &err));
    if (cna_linear_has_one_row(stage)) support_fail_allocations(compare_stage, stage);
    cna_linear_free(linear);
    cna_linear_free(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),   cmocka_unit_test(test_parts), cmocka_unit_test(test_paired_rows),
        cmocka_unit_test(test_products), cmocka_unit_test(test_names), cmocka_unit_test(test_one_row),
        cmocka_unit_test(test_one_row_memory_failures),
    };
    return cmocka_run_group_tests_name("quant", tests, set_up, tear_down);
}
