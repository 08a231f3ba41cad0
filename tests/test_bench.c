/* SPDX-License-Identifier: MIT
 * cna bench: the arithmetic against counts made elsewhere or one by one, the window of a batch's decoding, ceilings
 * within their memory, a whole run on a small model. Speeds themselves are the machine's. */
#define _POSIX_C_SOURCE 200809L
#include "support.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/resources.h"
#include "child.h"
#include "model_fixture.h"
#include "study/bench_ceiling.h"
#include "study/bench_peak.h"

static const cna_config llama_1b = {.n_layers = 16, .hidden_dim = 2048, .mlp_dim = 8192, .n_heads = 32, .n_kv_heads = 8,
                                    .head_dim = 64, .vocab_size = 128256, .tied_embeddings = true};

/* Llama-3.2-1B is published as 1,235,814,400 parameters; its head is its embedding, and 33 norms take part in no
 * product. */
static void test_step(void **state)
{
    (void)state;
    const double weights = 1235814400.0 - 33 * 2048;
    assert_true(cna_bench_step_weights(&llama_1b) == weights);
    assert_true(cna_bench_step_flops(&llama_1b) == 2 * weights);
}

/* Token by token, layer by layer, matrix by matrix. */
static void test_prompt(void **state)
{
    (void)state;
    const cna_config c = {.n_layers = 3, .hidden_dim = 10, .mlp_dim = 7, .n_heads = 4, .n_kv_heads = 2, .head_dim = 3,
                          .vocab_size = 11};
    for (size_t n_tokens = 1; n_tokens < 5; n_tokens++) {
        double expected = 11 * 10;
        for (size_t token = 0; token < n_tokens; token++) {
            for (size_t layer = 0; layer < 3; layer++) {
                expected += 2 * (6 * 10);
                if (layer < 2 || token == n_tokens - 1) expected += 2 * (12 * 10) + 3 * (10 * 7);
            }
        }
        assert_true(cna_bench_prompt_flops(&c, n_tokens) == 2 * expected);
    }
    assert_true(cna_bench_prompt_flops(&c, 1) == cna_bench_step_flops(&c));
}

static void test_ratios(void **state)
{
    (void)state;
    assert_true(cna_bench_ratio(3, 2) == 1.5);
    assert_true(isnan(cna_bench_ratio(3, 0)));
    assert_true(cna_bench_other_share(3, 4) == 0.25);
    assert_true(isnan(cna_bench_other_share(0, 0)));
    assert_true(cna_bench_rate(2e9, 4) == 0.5);
    assert_true(isnan(cna_bench_rate(0, 4)));
    assert_true(isnan(cna_bench_rate(2e9, 0)));
}

/* One pass at time t: a token for sequences first .. last, with t seconds and 10 t of products used. */
static void pass(cna_bench_window *window, double t, size_t first, size_t last)
{
    const cna_usage usage = {.seconds = t, .product_seconds = t / 2, .product_flops = 10 * t};
    for (size_t i = first; i <= last; i++) cna_bench_window_token(window, i, t + 0.01 * (double)i, &usage);
}

static void test_window_together(void **state)
{
    (void)state;
    size_t counts[3] = {0};
    cna_bench_window w = {.n_sequences = 3, .max_tokens = 4, .counts = counts};
    for (size_t step = 0; step < 4; step++) pass(&w, 1 + (double)step, 0, 2);
    assert_true(w.ended);
    assert_false(w.short_of_room);
    assert_int_equal(w.n_steps, 2); /* the pass in which a sequence ends before the last one's token does not count */
    assert_true(fabs(w.end - w.start - 2) < 1e-12);
    assert_true(w.end_usage.seconds - w.start_usage.seconds == 2);
    assert_true(w.end_usage.product_flops - w.start_usage.product_flops == 20);
}

/* Prompts that enter one after another: only what all do together counts. */
static void test_window_staggered(void **state)
{
    (void)state;
    size_t counts[3] = {0};
    cna_bench_window w = {.n_sequences = 3, .max_tokens = 5, .counts = counts};
    pass(&w, 1, 0, 0);
    pass(&w, 2, 0, 1);
    pass(&w, 3, 0, 2);
    assert_int_equal(w.n_steps, 0);
    pass(&w, 4, 0, 2);
    pass(&w, 5, 0, 2); /* the first ends */
    pass(&w, 6, 1, 2);
    assert_int_equal(w.last, 2);
    assert_int_equal(w.n_steps, 1);
    assert_true(fabs(w.end - w.start - 1) < 1e-12);
    assert_false(w.short_of_room);
}

static void test_window_short_of_room(void **state)
{
    (void)state;
    size_t counts[3] = {0};
    cna_bench_window w = {.n_sequences = 3, .max_tokens = 2, .counts = counts};
    pass(&w, 1, 0, 1);
    pass(&w, 2, 0, 1);
    assert_true(w.short_of_room);
    assert_int_equal(w.n_steps, 0);
}

static cna_bench_probe small_probe(const cna_progress *progress)
{
    const cna_config c = {.n_layers = 2, .hidden_dim = 512, .mlp_dim = 1024, .n_heads = 8, .n_kv_heads = 8,
                          .head_dim = 64, .vocab_size = 512};
    cna_bench_probe probe = {.input = CNA_INPUT_F32, .n_threads = 2, .memory_bytes = 48 << 20, .quick = true,
                             .progress = progress};
    cna_bench_matrices(&c, probe.matrices);
    return probe;
}

/* Figures that a clock by the call bears out, and no more memory than was given. */
static void test_ceilings(void **state)
{
    (void)state;
    cna_error err;
    cna_bench_probe probe = small_probe(NULL);
    double gflops = 0, gbs = 0, start = cna_clock_seconds();
    uint64_t n_bytes = 0, before = cna_memory_held();
    cna_bench_peak *peak;
    assert_ok(cna_bench_peak_start(&peak, &err));
    assert_ok(cna_bench_read_ceiling(&probe, &gbs, &n_bytes, &err));
    uint64_t most = cna_bench_peak_stop(peak);
    double seconds = cna_clock_seconds() - start;
    assert_int_equal(n_bytes, (48 << 20) / 10 * 8);
    assert_true(gbs * seconds > 3e-9 * (double)n_bytes); /* three passes or more took less than all of the time */
    assert_true(before == 0 || IS_SANITIZED || most - before < (48 << 20) + (4 << 20));
    start = cna_clock_seconds();
    assert_ok(cna_bench_product_ceiling(&probe, &gflops, &err));
    seconds = cna_clock_seconds() - start;
    assert_true(gflops * seconds > 3 * 2e-9 * 512 * 512 * 512);
}

static bool stop(void *user, const char *what, size_t done, size_t total)
{
    (void)what, (void)done, (void)total;
    size_t *n_left = user;
    return (*n_left)-- == 0;
}

static void test_ceilings_cancelled(void **state)
{
    (void)state;
    cna_error err;
    size_t n_left = 1;
    const cna_progress progress = {.report = stop, .user = &n_left};
    cna_bench_probe probe = small_probe(&progress);
    double figure = 0;
    uint64_t n_bytes;
    assert_int_equal(cna_bench_product_ceiling(&probe, &figure, &err), CNA_ERR_CANCELLED);
    n_left = 1;
    assert_int_equal(cna_bench_read_ceiling(&probe, &figure, &n_bytes, &err), CNA_ERR_CANCELLED);
}

static cna_status one_product(void *user, cna_error *err)
{
    double gflops;
    return cna_bench_product_ceiling(user, &gflops, err);
}

static void test_memory_failures(void **state)
{
    (void)state;
    cna_bench_probe probe = small_probe(NULL);
    for (size_t i = 1; i < CNA_BENCH_N_MATRICES; i++) probe.matrices[i] = probe.matrices[0];
    support_fail_allocations(one_product, &probe);
}

/* A block that is there for a twentieth of a second is seen. */
static void test_peak(void **state)
{
    (void)state;
    enum { BLOCK = 64 << 20 };
    cna_error err;
    cna_bench_peak *peak;
    void *block;
    uint64_t before = cna_memory_held();
    if (before == 0) skip();
    assert_ok(cna_bench_peak_start(&peak, &err));
    assert_ok(cna_alloc(&block, BLOCK, 1, "test", &err));
    memset(block, 1, BLOCK);
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    cna_free(block);
    uint64_t most = cna_bench_peak_stop(peak);
    assert_true(most >= before + BLOCK);
    assert_true(IS_SANITIZED || most < before + BLOCK + (8 << 20));
    assert_int_equal(cna_bench_peak_stop(NULL), 0);
}

static void check_run(const cna_bench *b, const model_fixture *fixture)
{
    assert_int_equal(b->model.hidden_dim, fixture->hidden_dim);
    assert_int_equal(b->n_threads, 2);
    assert_true(b->read_gbs > 0 && b->f32_gflops > 0);
    assert_true(b->bf16_gflops > 0 || cna_input_for(CNA_DTYPE_BF16) != CNA_INPUT_BF16);
    assert_true(b->attribute.n_prompts > 0 && b->attribute.n_shared == 30);
    double mean = (double)b->attribute.n_tokens / (double)b->attribute.n_prompts;
    assert_true(mean >= 39 && mean <= 51);
    assert_int_equal(b->n_prompts, CNA_BENCH_PROMPTS_MAX);
    for (size_t i = 0; i < b->n_prompts; i++) {
        const cna_bench_prompt *p = &b->prompts[i];
        double tokens = (double)(p->n_tokens * p->batch);
        assert_true(fabs(p->tokens_per_s * p->seconds - tokens) < 1e-6 * tokens);
    }
    assert_true(b->n_decodes >= 1 && b->decodes[0].batch == 1);
    const cna_bench_decode *d = &b->decodes[0];
    assert_true(fabs(d->tokens_per_s * d->step_seconds - 1) < 1e-6);
    assert_string_not_equal(b->cpu, "");
    assert_true(strncmp(b->library, "oneDNN ", 7) == 0);
}

static void test_run(void **state)
{
    (void)state;
    cna_error err;
    char *folder = model_fixture_create(&model_fixtures[0]);
    /* What sanitizers keep of freed memory counts as held. */
    const cna_model_options model_options = {.n_threads = 2, .memory_bytes = (IS_SANITIZED ? 768 : 256) << 20};
    size_t n_left = 100000;
    cna_bench_options options = {.quick = true, .progress = {.report = stop, .user = &n_left}};
    cna_bench b;
    assert_ok(cna_bench_run(folder, &model_options, &options, &b, &err));
    check_run(&b, &model_fixtures[0]);
    cna_bench untouched;
    memset(&untouched, 7, sizeof untouched);
    memcpy(&b, &untouched, sizeof b);
    for (size_t i = 0; i < 9; i += 4) {
        n_left = i;
        assert_int_equal(cna_bench_run(folder, &model_options, &options, &b, &err), CNA_ERR_CANCELLED);
        assert_memory_equal(&b, &untouched, sizeof b);
    }
    support_folder_remove(folder);
    assert_int_equal(cna_bench_run("no/such/folder", NULL, NULL, &b, &err), CNA_ERR_IO);
}

int main(int argc, char **argv)
{
    (void)argc;
    child_wait_passively(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_step),
        cmocka_unit_test(test_prompt),
        cmocka_unit_test(test_ratios),
        cmocka_unit_test(test_window_together),
        cmocka_unit_test(test_window_staggered),
        cmocka_unit_test(test_window_short_of_room),
        cmocka_unit_test(test_ceilings),
        cmocka_unit_test(test_ceilings_cancelled),
        cmocka_unit_test(test_memory_failures),
        cmocka_unit_test(test_peak),
        cmocka_unit_test(test_run),
    };
    return cmocka_run_group_tests_name("bench", tests, NULL, NULL);
}
