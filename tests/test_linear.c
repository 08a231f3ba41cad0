/* SPDX-License-Identifier: MIT
 * Products with weights: against double precision, and the same bits for every number of rows, row position and number
 * of threads, prepacked or not, also under each instruction set that oneDNN distinguishes. */
#include "support.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "base/clock.h"
#include "child.h"
#include "numbers.h"
#include "tensor/linear.h"

enum { ROWS_MAX = 130 };

typedef struct shape {
    size_t n_out, n_in;
} shape;

static const shape shapes[] = {{75, 75},  {333, 72}, {72, 515},  {16, 16}, {1, 7},    {7, 1},
                               {48, 128}, {512, 80}, {130, 257}, {97, 16}, {33, 1000},
                               {600, 520}}; /* the last: several panels, so several threads, where tiled */
static const shape large = {1536, 896};
static const shape ragged = {1000, 2600}; /* partial sums of 1,024 with a rest, panels of 64 columns with a rest */
static const shape deep = {300, 9001}; /* long sums, converted for packing in several parts */

/* One weight matrix as stored, its values, and inputs for it. */
typedef struct problem {
    shape s;
    cna_matrix_view view;
    unsigned char *bytes;
    float *values; /* [n_out, n_in] */
    float *x;      /* [ROWS_MAX, n_in] */
} problem;

static void *new_array(size_t count, size_t size)
{
    cna_error err;
    void *out;
    assert_ok(cna_alloc(&out, count, size, "test", &err));
    return out;
}

/* Finite f16 of ordinary size: sign, exponents 8 .. 15, any fraction. */
static uint16_t random_f16(numbers *random)
{
    return (uint16_t)(numbers_below(random, 2) << 15 | (8 + numbers_below(random, 8)) << 10 |
                      numbers_below(random, 1024));
}

/* misalign: begin at an odd address, as a tensor in a file may. */
static problem make_problem(shape s, cna_storage storage, bool misalign, uint64_t seed)
{
    numbers random = {seed};
    size_t n = s.n_out * s.n_in, unit = cna_storage_bytes(storage, 1);
    problem p = {.s = s, .bytes = new_array(n * unit + 1, 1), .values = new_array(n, sizeof(float)),
                 .x = new_array(ROWS_MAX * s.n_in, sizeof(float))};
    unsigned char *start = p.bytes + (misalign ? 1 : 0);
    for (size_t i = 0; i < n; i++) {
        float value = numbers_round_bf16((float)numbers_normal(&random));
        uint32_t bits = cna_f32_bits(value);
        uint16_t half = storage == CNA_STORAGE_F16 ? random_f16(&random) : (uint16_t)(bits >> 16);
        if (storage == CNA_STORAGE_F32) {
            value = (float)numbers_normal(&random);
            memcpy(start + 4 * i, &value, 4);
        } else {
            memcpy(start + 2 * i, &half, 2);
        }
        p.values[i] = storage == CNA_STORAGE_F16 ? cna_f32_from_f16(half) : value;
    }
    p.view = (cna_matrix_view){.data = start, .storage = storage, .rows = s.n_out, .cols = s.n_in};
    numbers_fill(&random, p.x, ROWS_MAX * s.n_in, 1);
    return p;
}

static void free_problem(problem *p)
{
    cna_free(p->bytes);
    cna_free(p->values);
    cna_free(p->x);
}

static cna_linear *make_linear(const problem *p, cna_input input, bool pack)
{
    cna_error err;
    cna_linear *linear;
    assert_ok(cna_linear_create(&p->view, input, pack, &linear, &err));
    return linear;
}

/* The sum in double over what the product's input type leaves of x. Each product and each addition may round once; a
 * sum of n terms in any order therefore stays within n * eps * sum|..|, and in practice near its square root. */
static void check_row(const problem *p, cna_input input, size_t row, const float *y)
{
    double c = 4 * sqrt((double)p->s.n_in) + 8;
    for (size_t j = 0; j < p->s.n_out; j++) {
        double sum = 0, magnitude = 0;
        for (size_t i = 0; i < p->s.n_in; i++) {
            float x = p->x[row * p->s.n_in + i], used = input == CNA_INPUT_F32 ? x : numbers_round_bf16(x);
            double term = (double)used * (double)p->values[j * p->s.n_in + i];
            sum += term;
            magnitude += fabs(term);
        }
        if (!(fabs((double)y[j] - sum) <= c * NUMBERS_EPS * magnitude)) {
            fail_msg("%zux%zu, row %zu, column %zu: found %.9g, expected %.9g within %.3g",
                     p->s.n_out, p->s.n_in, row, j, (double)y[j], sum, c * NUMBERS_EPS * magnitude);
        }
    }
}

typedef struct bench {
    const problem *p;
    cna_input input;
    cna_linear_context *context;
    unsigned char *x; /* converted */
    float *expected;  /* [ROWS_MAX, n_out] by one thread, all rows, used in place */
    float *y;         /* [ROWS_MAX + 1, n_out] */
} bench;

/* Rows first .. first + n - 1 give the bits they gave among all, and nothing behind them is written. */
static void check_rows(bench *b, const cna_linear *linear, size_t first, size_t n, int n_threads)
{
    cna_error err;
    size_t n_out = b->p->s.n_out;
    omp_set_num_threads(n_threads);
    for (size_t i = 0; i < (n + 1) * n_out; i++) b->y[i] = -77;
    const unsigned char *x = b->x + first * b->p->s.n_in * cna_input_bytes(b->input);
    assert_ok(cna_linear_apply(linear, b->context, x, n, b->y, &err));
    if (memcmp(b->y, b->expected + first * n_out, n * n_out * sizeof *b->y) != 0) {
        fail_msg("%zux%zu by %s, %d threads: rows %zu to %zu differ from the same rows among %d", n_out, b->p->s.n_in,
                 cna_linear_kernel(linear), n_threads, first, first + n - 1, (int)ROWS_MAX);
    }
    for (size_t j = 0; j < n_out; j++) assert_true(b->y[n * n_out + j] == -77);
}

static void check_problem(const problem *p, cna_input input, bool every_count)
{
    static const size_t counts[] = {1, 2, 3, 7, 16, 23, 24, 25, 48, 63, 64, 65, 100, 129};
    cna_error err;
    numbers random = {99};
    bench b = {.p = p, .input = input, .x = new_array(ROWS_MAX * p->s.n_in, 4),
               .expected = new_array(ROWS_MAX * p->s.n_out, sizeof(float)),
               .y = new_array((ROWS_MAX + 1) * p->s.n_out, sizeof(float))};
    assert_ok(cna_linear_context_create(&b.context, &err));
    cna_input_convert(input, p->x, ROWS_MAX * p->s.n_in, b.x);
    cna_linear *linears[] = {make_linear(p, input, false), make_linear(p, input, true)};
    omp_set_num_threads(1);
    assert_ok(cna_linear_apply(linears[0], b.context, b.x, ROWS_MAX, b.expected, &err));
    for (size_t row = 0; row < ROWS_MAX; row += 43) check_row(p, input, row, b.expected + row * p->s.n_out);
    for (size_t packed = 0; packed < 2; packed++) {
        size_t n_counts = every_count ? ROWS_MAX : sizeof counts / sizeof *counts;
        for (size_t i = 0; i < n_counts; i++) {
            size_t n = every_count ? i + 1 : counts[i];
            check_rows(&b, linears[packed], numbers_below(&random, ROWS_MAX - n + 1), n, 1 + (int)(i % 3));
        }
        for (int n_threads = 1; n_threads <= 8; n_threads++) check_rows(&b, linears[packed], 0, ROWS_MAX, n_threads);
        cna_linear_free(linears[packed]);
    }
    cna_linear_context_free(b.context);
    cna_free(b.x);
    cna_free(b.expected);
    cna_free(b.y);
}

/* Every input that can be made of a plain storage on this machine; tests/test_quant.c has the others. */
static void check_shape(shape s, bool misalign, bool every_count)
{
    for (int storage = 0; storage <= CNA_STORAGE_F16; storage++) {
        problem p = make_problem(s, (cna_storage)storage, misalign, 7 * s.n_out + s.n_in);
        check_problem(&p, CNA_INPUT_F32, every_count);
        if (storage == CNA_STORAGE_BF16) {
            check_problem(&p, CNA_INPUT_BF16_WIDENED, false);
            if (cna_input_for(CNA_DTYPE_BF16) == CNA_INPUT_BF16) check_problem(&p, CNA_INPUT_BF16, every_count);
        }
        free_problem(&p);
    }
}

static void test_shapes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) check_shape(shapes[i], i % 3 == 1, false);
}

static void test_every_row_count(void **state)
{
    (void)state;
    support_skip_if_brief();
    check_shape((shape){75, 80}, false, true);
}

static void test_large(void **state)
{
    (void)state;
    support_skip_if_brief();
    problem p = make_problem(large, CNA_STORAGE_BF16, false, 5);
    check_problem(&p, cna_input_for(CNA_DTYPE_BF16), false);
    check_problem(&p, CNA_INPUT_F32, false);
    free_problem(&p);
    p = make_problem(ragged, CNA_STORAGE_BF16, false, 7);
    check_problem(&p, cna_input_for(CNA_DTYPE_BF16), false);
    free_problem(&p);
    p = make_problem(deep, CNA_STORAGE_F16, false, 6);
    check_problem(&p, CNA_INPUT_F32, false);
    free_problem(&p);
    p = make_problem(deep, CNA_STORAGE_BF16, false, 6);
    check_problem(&p, cna_input_for(CNA_DTYPE_BF16), false);
    free_problem(&p);
}

/* What a linear holds. */
static void test_memory(void **state)
{
    (void)state;
    cna_error err;
    cna_linear *linear;
    problem p = make_problem((shape){32, 64}, CNA_STORAGE_F32, false, 1);
    linear = make_linear(&p, CNA_INPUT_F32, false);
    assert_int_equal(cna_linear_packed_bytes(linear), 0);
    cna_linear_free(linear);
    free_problem(&p);
    p = make_problem((shape){32, 64}, CNA_STORAGE_F32, true, 1);
    linear = make_linear(&p, CNA_INPUT_F32, false);
    /* An odd address cannot be read in place, but for tiles, which convert. */
    bool tiles = strstr(cna_linear_kernel(linear), "tiles") != NULL;
    assert_true(tiles ? cna_linear_packed_bytes(linear) == 0 : cna_linear_packed_bytes(linear) >= 32 * 64 * 4);
    cna_linear_free(linear);
    linear = make_linear(&p, CNA_INPUT_F32, true);
    cna_linear_context *context;
    float y = 3;
    assert_ok(cna_linear_context_create(&context, &err));
    assert_ok(cna_linear_apply(linear, context, p.x, 0, &y, &err));
    assert_true(y == 3);
    cna_linear_context_free(context);
    cna_linear_free(linear);
    free_problem(&p);
    cna_linear_free(NULL);
    cna_linear_context_free(NULL);
}

/* Time and operations add up, of rows that were asked for, whatever a kernel pads them to. */
static void test_used(void **state)
{
    (void)state;
    cna_error err;
    cna_linear_context *context;
    problem p = make_problem((shape){75, 80}, CNA_STORAGE_F32, false, 3);
    cna_linear *linear = make_linear(&p, CNA_INPUT_F32, true);
    float *y = new_array(ROWS_MAX * 75, sizeof *y);
    double seconds, flops, before, start = cna_clock_seconds();
    assert_ok(cna_linear_context_create(&context, &err));
    cna_linear_context_used(context, &seconds, &flops);
    assert_true(seconds == 0 && flops == 0);
    assert_ok(cna_linear_apply(linear, context, p.x, 1, y, &err));
    cna_linear_context_used(context, &before, &flops);
    assert_true(before > 0 && flops == 2 * 75 * 80);
    assert_ok(cna_linear_apply(linear, context, p.x, ROWS_MAX, y, &err));
    assert_ok(cna_linear_apply(linear, context, p.x, 0, y, &err));
    cna_linear_context_used(context, &seconds, &flops);
    assert_true(seconds > before && seconds <= cna_clock_seconds() - start);
    assert_true(flops == 2 * 75 * 80 * (1 + (double)ROWS_MAX));
    cna_linear_context_free(context);
    cna_linear_free(linear);
    cna_free(y);
    free_problem(&p);
}

static cna_status create_and_apply(void *user, cna_error *err)
{
    const problem *p = user;
    cna_linear *linear = NULL;
    cna_linear_context *context = NULL;
    float y[2 * 32];
    cna_status status;
    CNA_TRY_CLEANUP(cna_linear_create(&p->view, CNA_INPUT_F32, true, &linear, err));
    CNA_TRY_CLEANUP(cna_linear_context_create(&context, err));
    CNA_TRY_CLEANUP(cna_linear_apply(linear, context, p->x, 2, y, err));
cleanup:
    cna_linear_context_free(context);
    cna_linear_free(linear);
    return status;
}

static void test_memory_failures(void **state)
{
    (void)state;
    problem p = make_problem((shape){32, 64}, CNA_STORAGE_F16, true, 1);
    support_fail_allocations(create_and_apply, &p);
    free_problem(&p);
}

/* Packing that compares the product of a single row with the library's. */
static cna_status pack_large(void *user, cna_error *err)
{
    const problem *p = user;
    cna_linear *linear = NULL;
    cna_status status = cna_linear_create(&p->view, CNA_INPUT_BF16, CNA_LINEAR_PACKED, &linear, err);
    cna_linear_free(linear);
    return status;
}

/* The product of a single row that reads ahead: used where the processor has it (its bits are check_problem's), and
 * without a bit of its own where a sum has several parts and the last panel is not whole. */
static void test_one_row(void **state)
{
    (void)state;
    cna_error err;
    if (cna_input_for(CNA_DTYPE_BF16) != CNA_INPUT_BF16) skip();
    problem p = make_problem(ragged, CNA_STORAGE_BF16, false, 8);
    cna_linear *linear = make_linear(&p, CNA_INPUT_BF16, true);
    bool same_order = strcmp(cna_linear_kernel(linear), "brg:avx512_core_bf16") == 0; /* AMX has another */
    bool has_one_row = cna_linear_has_one_row(linear);
    cna_linear_free(linear);
    if (!same_order) {
        free_problem(&p);
        skip();
    }
    assert_true(has_one_row);
    support_fail_allocations(pack_large, &p);
    free_problem(&p);
    p = make_problem(deep, CNA_STORAGE_BF16, false, 8); /* an odd number of inputs */
    assert_ok(cna_linear_create(&p.view, CNA_INPUT_BF16, CNA_LINEAR_PACKED, &linear, &err));
    assert_false(cna_linear_has_one_row(linear));
    cna_linear_free(linear);
    free_problem(&p);
}

int main(int argc, char **argv)
{
    (void)argc;
    child_wait_passively(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes), cmocka_unit_test(test_every_row_count), cmocka_unit_test(test_large),
        cmocka_unit_test(test_memory), cmocka_unit_test(test_used), cmocka_unit_test(test_memory_failures),
        cmocka_unit_test(test_one_row), cmocka_unit_test(child_test_each_isa),
    };
    const struct CMUnitTest child_tests[] = {
        cmocka_unit_test(test_shapes), cmocka_unit_test(test_every_row_count), cmocka_unit_test(test_large),
        cmocka_unit_test(test_used), cmocka_unit_test(test_memory_failures),
    };
    if (child_is_one()) return cmocka_run_group_tests_name("linear under one ISA", child_tests, NULL, NULL);
    return cmocka_run_group_tests_name("linear", tests, NULL, NULL);
}
