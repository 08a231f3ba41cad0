/* SPDX-License-Identifier: MIT
 * What must not change a bit of any result: the batch and its order, the number of threads, sharing prompts' tokens,
 * forking them where an intervention begins, multipliers of 1, weights that are packed, used in place or read layer by
 * layer; also under each instruction set that oneDNN distinguishes. */
#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "child.h"
#include "engine/engine.h"
#include "family_fixture.h"
#include "model_fixture.h"
#include "numbers.h"

enum { JOBS = 64, ANSWER_MAX = 6, IDS_MAX = 20, TAPS = 4, SCALES = 9 };

typedef struct answer {
    int32_t ids[ANSWER_MAX];
    float logprobs[ANSWER_MAX];
    size_t n_ids, n_times; /* n_times: how often it was reported */
    cna_stop stop;
} answer;

/* Random prompts under random taps: one of them NULL, and one of the last layer alone, so that runs fork there. All
 * begin alike; of four that follow one another the second is the first under another tap, the third goes on where the
 * first ends, the fourth shares half of it. */
typedef struct work {
    int32_t ids[JOBS][IDS_MAX];
    cna_job jobs[JOBS];
    cna_token_list lists[JOBS];
    cna_tap *taps[TAPS];
    float shift[1024];
} work;

static void make_work(const cna_model_info *info, uint64_t seed, work *w)
{
    static const float multipliers[] = {0, 2, -1, 0.5f};
    cna_error err;
    numbers random = {seed};
    int32_t prefix[IDS_MAX];
    size_t n_prefix = 1 + numbers_below(&random, 8);
    for (size_t i = 0; i < IDS_MAX; i++) prefix[i] = (int32_t)numbers_below(&random, info->vocab_size);
    for (size_t t = 0; t + 1 < TAPS; t++) {
        cna_scale scales[SCALES];
        for (size_t i = 0; i < SCALES; i++) {
            uint32_t layer = (uint32_t)numbers_below(&random, info->n_layers);
            scales[i] = (cna_scale){t == 2 ? info->n_layers - 1 : layer,
                                    (uint32_t)numbers_below(&random, info->mlp_dim),
                                    multipliers[numbers_below(&random, 4)],
                                    (cna_positions)(t == 0 ? CNA_POSITIONS_ALL : numbers_below(&random, 4))};
        }
        assert_ok(cna_tap_create(scales, SCALES, info->n_layers, info->mlp_dim, &w->taps[t], &err));
    }
    w->taps[TAPS - 1] = NULL;
    assert_true(info->hidden_dim <= sizeof w->shift / sizeof *w->shift);
    numbers_fill(&random, w->shift, info->hidden_dim, 0.3);
    for (size_t t = 1; t + 1 < TAPS; t++) {
        const cna_shift shift = {info->n_layers - 1 - (uint32_t)t % 2, w->shift,
                                 (cna_positions)numbers_below(&random, 4)};
        assert_ok(cna_tap_add_shift(w->taps[t], &shift, &err));
    }
    for (size_t j = 0; j < JOBS; j++) {
        size_t n = n_prefix + 1 + numbers_below(&random, IDS_MAX - n_prefix);
        for (size_t i = 0; i < n; i++) w->ids[j][i] = (int32_t)numbers_below(&random, info->vocab_size);
        memcpy(w->ids[j], prefix, n_prefix * sizeof *prefix);
        if (j % 4 != 0) {
            const cna_job *first = &w->jobs[j - j % 4];
            size_t n_same = j % 4 == 3 ? first->n_prompt_ids / 2 : first->n_prompt_ids;
            memcpy(w->ids[j], first->prompt_ids, n_same * sizeof *prefix);
            if (j % 4 == 1 || n < n_same) n = n_same;
        }
        w->jobs[j] = (cna_job){.prompt_ids = w->ids[j], .n_prompt_ids = n, .tap = w->taps[numbers_below(&random, TAPS)],
                               .sample = numbers_below(&random, 3)};
        w->lists[j] = (cna_token_list){w->ids[j], n};
    }
}

static void free_work(work *w)
{
    for (size_t t = 0; t < TAPS; t++) cna_tap_free(w->taps[t]);
}

/* ---- generating and scoring ---- */

/* Where results go: answers by the job's number before it was moved. */
typedef struct sink {
    const size_t *order;
    answer *answers;
} sink;

static cna_status keep(void *user, const cna_job_result *result, cna_error *err)
{
    const sink *s = user;
    answer *a = &s->answers[s->order[result->job]];
    (void)err;
    assert_true(result->n_ids <= ANSWER_MAX);
    memcpy(a->ids, result->ids, result->n_ids * sizeof *a->ids);
    memcpy(a->logprobs, result->logprobs, result->n_ids * sizeof *a->logprobs);
    a->n_ids = result->n_ids;
    a->stop = result->stop;
    a->n_times++;
    return CNA_OK;
}

static void generate(const cna_model *model, const work *w, const size_t *order, size_t n, cna_run_options options,
                     answer answers[JOBS])
{
    cna_error err;
    cna_job jobs[JOBS];
    const sink s = {order, answers};
    for (size_t i = 0; i < n; i++) jobs[i] = w->jobs[order[i]];
    memset(answers, 0, JOBS * sizeof *answers);
    options.max_tokens = ANSWER_MAX;
    assert_ok(cna_engine_generate(model, jobs, n, &options, keep, (void *)(uintptr_t)&s, &err));
}

static void assert_same(const answer *expected, const answer *found, const size_t *order, size_t n, const char *how)
{
    for (size_t i = 0; i < n; i++) {
        const answer *a = &expected[order[i]], *b = &found[order[i]];
        if (b->n_times != 1 || a->n_ids != b->n_ids || a->stop != b->stop ||
            memcmp(a->ids, b->ids, a->n_ids * sizeof *a->ids) != 0 ||
            memcmp(a->logprobs, b->logprobs, a->n_ids * sizeof *a->logprobs) != 0) {
            fail_msg("job %zu, %s: other bits than in one batch by one thread", order[i], how);
        }
    }
}

static void shuffle(numbers *random, size_t order[JOBS])
{
    for (size_t i = 0; i < JOBS; i++) order[i] = i;
    for (size_t i = JOBS; i-- > 1;) {
        size_t other = numbers_below(random, i + 1), kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
}

static void check_generation(const cna_model *const models[3], const work *w, cna_run_options options,
                             answer base[JOBS])
{
    static const size_t batches[] = {3, 7};
    static answer found[JOBS];
    numbers random = {5};
    size_t in_order[JOBS], order[JOBS];
    for (size_t i = 0; i < JOBS; i++) in_order[i] = i;
    generate(models[0], w, in_order, JOBS, options, base);
    for (size_t i = 0; i < 3; i++) {
        shuffle(&random, order);
        generate(models[i], w, order, JOBS, options, found);
        assert_same(base, found, order, JOBS, i == 0 ? "another order" : "more threads");
    }
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        shuffle(&random, order);
        options.batch = batches[i];
        generate(models[i + 1], w, order, JOBS / 4, options, found);
        assert_same(base, found, order, JOBS / 4, "a small batch");
    }
    options.batch = 1;
    generate(models[2], w, order, JOBS / 8, options, found);
    assert_same(base, found, order, JOBS / 8, "one at a time");
    options.batch = 0;
    for (size_t i = 0; i < JOBS; i += child_is_one() ? 5 : 1) { /* nothing to share, nothing to fork */
        generate(models[1], w, &order[i], 1, options, found);
        assert_same(base, found, &order[i], 1, "alone");
    }
}

static void check_scores(const cna_model *model, const work *w, const answer base[JOBS], size_t batch)
{
    static answer found[JOBS];
    cna_error err;
    cna_job jobs[JOBS];
    size_t order[JOBS], n = 0;
    const sink s = {order, found};
    const cna_run_options options = {.batch = batch};
    memset(found, 0, sizeof found);
    for (size_t j = JOBS; j-- > 0;) {
        if (base[j].n_ids == 0) continue;
        jobs[n] = w->jobs[j];
        jobs[n].answer_ids = base[j].ids;
        jobs[n].n_answer_ids = base[j].n_ids;
        order[n++] = j;
    }
    assert_true(n > JOBS / 2);
    assert_ok(cna_engine_score(model, jobs, n, &options, keep, (void *)(uintptr_t)&s, &err));
    for (size_t i = 0; i < n; i++) {
        const answer *a = &base[order[i]], *b = &found[order[i]];
        assert_true(b->n_times == 1 && b->n_ids == a->n_ids);
        if (memcmp(a->logprobs, b->logprobs, a->n_ids * sizeof *a->logprobs) != 0)
            fail_msg("job %zu: scored to other log-probabilities than it was generated with", order[i]);
    }
}

/* Tokens that a call pushes through the model where all jobs run together, against each by itself. */
static void check_sharing(const cna_model *model, const work *w)
{
    static answer found[JOBS];
    size_t in_order[JOBS];
    cna_usage together = {0}, alone = {0};
    for (size_t i = 0; i < JOBS; i++) in_order[i] = i;
    generate(model, w, in_order, JOBS, (cna_run_options){.usage = &together, .ignore_stop = true}, found);
    for (size_t i = 0; i < JOBS; i++) {
        generate(model, w, &in_order[i], 1, (cna_run_options){.usage = &alone, .ignore_stop = true}, found);
    }
    size_t n_generated = JOBS * (ANSWER_MAX - 1), n_prompt = alone.n_rows - n_generated;
    assert_true(together.n_rows - n_generated < n_prompt / 10 * 9);
    assert_int_equal(together.n_passes, ANSWER_MAX);
    assert_int_equal(alone.n_passes, JOBS * ANSWER_MAX);
}

/* No tap, a tap of nothing and a tap of ones: the untouched model. And one that changes h changes something. */
static void check_multiplier_one(const cna_model *model, const work *w)
{
    static answer none[JOBS], other[JOBS];
    const cna_model_info *info = cna_model_get_info(model);
    cna_error err;
    cna_tap *empty, *ones;
    cna_scale scales[SCALES];
    work copy = *w;
    size_t order[JOBS], n_changed = 0;
    for (size_t i = 0; i < SCALES; i++)
        scales[i] = (cna_scale){(uint32_t)i % info->n_layers, (uint32_t)(7 * i), 1, CNA_POSITIONS_ALL};
    assert_ok(cna_tap_create(NULL, 0, info->n_layers, info->mlp_dim, &empty, &err));
    assert_ok(cna_tap_create(scales, SCALES, info->n_layers, info->mlp_dim, &ones, &err));
    const cna_tap *const taps[] = {NULL, empty, ones, w->taps[0]};
    for (size_t i = 0; i < JOBS; i++) order[i] = i;
    for (size_t t = 0; t < 4; t++) {
        for (size_t i = 0; i < JOBS; i++) copy.jobs[i].tap = taps[t];
        generate(model, &copy, order, JOBS / 4, (cna_run_options){0}, t == 0 ? none : other);
        if (t == 1 || t == 2) assert_same(none, other, order, JOBS / 4, "a tap that multiplies by 1");
    }
    for (size_t i = 0; i < JOBS / 4; i++)
        n_changed += memcmp(none[i].logprobs, other[i].logprobs, sizeof none[i].logprobs) != 0;
    assert_true(n_changed > 0);
    cna_tap_free(empty);
    cna_tap_free(ones);
}

/* ---- capturing ---- */

typedef struct captured {
    size_t n_lists, mlp_dim, hidden_dim, n_layers_seen;
    unsigned kinds;
    float *rows[3]; /* [n_layers, n_lists, width]: h, MLP output, residual stream; zeros where not asked for */
} captured;

static size_t width_of(const captured *c, int kind)
{
    return kind == 0 ? c->mlp_dim : c->hidden_dim;
}

static cna_status keep_rows(void *user, uint32_t layer, const cna_captured *rows, cna_error *err)
{
    captured *c = user;
    const float *const given[] = {rows->h, rows->mlp_output, rows->residual};
    (void)err;
    assert_int_equal(layer, c->n_layers_seen++);
    for (int kind = 0; kind < 3; kind++) {
        assert_true((given[kind] != NULL) == ((c->kinds >> kind & 1) != 0));
        size_t n = c->n_lists * width_of(c, kind);
        if (given[kind] != NULL) memcpy(c->rows[kind] + layer * n, given[kind], n * sizeof(float));
    }
    return CNA_OK;
}

static cna_status keep_h(void *user, uint32_t layer, const float *h, cna_error *err)
{
    const cna_captured rows = {.h = h};
    return keep_rows(user, layer, &rows, err);
}

/* kinds 0: through the call for h alone. */
static captured capture(const cna_model *model, const cna_token_list *lists, size_t n_lists, unsigned kinds)
{
    cna_error err;
    const cna_model_info *info = cna_model_get_info(model);
    captured c = {n_lists, info->mlp_dim, info->hidden_dim, 0, kinds == 0 ? CNA_CAPTURE_H : kinds, {NULL}};
    for (int kind = 0; kind < 3; kind++)
        c.rows[kind] = calloc((size_t)info->n_layers * n_lists * width_of(&c, kind), sizeof(float));
    if (kinds == 0) assert_ok(cna_engine_capture(model, lists, n_lists, NULL, NULL, keep_h, &c, &err));
    else assert_ok(cna_engine_capture_rows(model, lists, n_lists, kinds, NULL, NULL, keep_rows, &c, &err));
    assert_int_equal(c.n_layers_seen, info->n_layers);
    return c;
}

static void free_captured(captured *c)
{
    for (int kind = 0; kind < 3; kind++) free(c->rows[kind]);
}

static void assert_same_rows(const captured *some, const captured *all, const size_t *order, uint32_t n_layers)
{
    size_t n = some->n_lists;
    for (int kind = 0; kind < 3; kind++) {
        size_t width = width_of(some, kind);
        if ((some->kinds >> kind & 1) == 0) continue;
        for (size_t at = 0; at < n_layers * n; at++) {
            size_t layer = at / n, list = order[at % n];
            if (memcmp(some->rows[kind] + at * width, all->rows[kind] + (layer * all->n_lists + list) * width,
                       width * sizeof(float)) != 0) {
                fail_msg("layer %zu, kind %d of list %zu among %zu: other bits than among %zu", layer, kind, list, n,
                         all->n_lists);
            }
        }
    }
}

/* Every list among all (their prefix computed once) against some other grouping of the lists, and some other choice of
 * what is captured. */
static void check_captures(const cna_model *const models[3], const work *w)
{
    uint32_t n_layers = cna_model_get_info(models[0])->n_layers;
    captured all = capture(models[0], w->lists, JOBS, 7);
    for (size_t round = 0; round < 3 + JOBS / 8; round++) {
        cna_token_list lists[JOBS];
        numbers random = {round};
        size_t order[JOBS], n = round < 3 ? JOBS : 1 + round % 2; /* alone, and in twos with a longer prefix */
        shuffle(&random, order);
        for (size_t i = 0; i < n; i++) lists[i] = w->lists[order[i]];
        captured some = capture(models[round % 3], lists, n, (unsigned)round % 8);
        assert_same_rows(&some, &all, order, n_layers);
        free_captured(&some);
    }
    free_captured(&all);
}

/* ---- logits ---- */

typedef struct rows_of_logits {
    const cna_job *jobs;
    const size_t *order; /* [JOBS] */
    size_t vocab_size, n_rows;
    float *rows;         /* [JOBS, vocab_size] of each job's last position */
} rows_of_logits;

static cna_status keep_last(void *user, size_t job, const float *logits, cna_error *err)
{
    rows_of_logits *r = user;
    (void)err;
    memcpy(r->rows + r->order[job] * r->vocab_size, logits, r->vocab_size * sizeof *logits);
    r->n_rows++;
    return CNA_OK;
}

static cna_status keep_if_last(void *user, size_t job, size_t position, const float *logits, cna_error *err)
{
    const rows_of_logits *r = user;
    return position + 1 == r->jobs[job].n_prompt_ids ? keep_last(user, job, logits, err) : CNA_OK;
}

/* The last position's logits, under taps, whatever the order and the batch, are those among all positions'. */
static void check_last_logits(const cna_model *const models[3], const work *w)
{
    static const size_t batches[] = {0, 7, 1};
    cna_error err;
    numbers random = {5};
    size_t in_order[JOBS], order[JOBS], vocab_size = cna_model_get_info(models[0])->vocab_size;
    cna_usage all = {0}, shared = {0};
    for (size_t i = 0; i < JOBS; i++) in_order[i] = i;
    rows_of_logits base = {w->jobs, in_order, vocab_size, 0, calloc(JOBS * vocab_size, sizeof(float))};
    rows_of_logits found = {NULL, order, vocab_size, 0, calloc(JOBS * vocab_size, sizeof(float))};
    const cna_run_options counted = {.usage = &all};
    assert_ok(cna_engine_logits(models[0], w->jobs, JOBS, &counted, keep_if_last, &base, &err));
    assert_int_equal(base.n_rows, JOBS);
    for (size_t i = 0; i < 3; i++) {
        cna_job jobs[JOBS];
        const cna_run_options options = {.batch = batches[i], .usage = i == 0 ? &shared : NULL};
        shuffle(&random, order);
        for (size_t j = 0; j < JOBS; j++) jobs[j] = w->jobs[order[j]];
        found.n_rows = 0;
        memset(found.rows, 0, JOBS * vocab_size * sizeof(float));
        assert_ok(cna_engine_last_logits(models[i], jobs, JOBS, &options, keep_last, &found, &err));
        assert_int_equal(found.n_rows, JOBS);
        assert_memory_equal(found.rows, base.rows, JOBS * vocab_size * sizeof(float));
    }
    assert_true(shared.n_rows < all.n_rows / 10 * 9);
    free(base.rows);
    free(found.rows);
}

/* ---- models ---- */

static void check_model(const char *folder, cna_dtype dtype)
{
    static answer base[JOBS];
    static work w;
    cna_error err;
    cna_model *opened[3];
    for (int i = 0; i < 3; i++) {
        const cna_model_options options = {.dtype = dtype, .n_threads = i + 1, .in_place = i == 2,
                                           .stream = i == 1 ? CNA_STREAM_ALWAYS : CNA_STREAM_NEVER};
        assert_ok(cna_model_open(folder, &options, &opened[i], &err));
        static const char *const how[] = {"weights: packed", "weights: read layer by layer", "weights: used in place"};
        assert_non_null(strstr(cna_model_plan(opened[i]), how[i]));
    }
    const cna_model *const models[] = {opened[0], opened[1], opened[2]};
    make_work(cna_model_get_info(models[0]), 11, &w);
    const cna_run_options sampled = {.temperature = 0.8, .top_p = 0.95, .seed = 3};
    if (!child_is_one()) { /* sampling does not know the instruction set */
        check_generation(models, &w, sampled, base);
        check_scores(models[1], &w, base, 5);
    }
    check_generation(models, &w, (cna_run_options){0}, base);
    check_scores(models[2], &w, base, 64);
    check_multiplier_one(models[1], &w);
    check_sharing(models[0], &w);
    check_captures(models, &w);
    check_last_logits(models, &w);
    free_work(&w);
    for (size_t i = 0; i < 3; i++) cna_model_free(opened[i]);
}

static void check_fixture(size_t i, cna_dtype dtype)
{
    char *folder = model_fixture_create(&model_fixtures[i]);
    check_model(folder, dtype);
    support_folder_remove(folder);
}

static void test_trained_bf16(void **state)
{
    (void)state;
    support_skip_if_brief();
    check_model("models/llama-planted-instruct", CNA_DTYPE_BF16);
}

static void test_trained_f32(void **state)
{
    (void)state;
    support_skip_if_brief();
    check_model("models/qwen2-base", CNA_DTYPE_F32);
}

static void test_random_bf16(void **state)
{
    (void)state;
    check_fixture(1, CNA_DTYPE_BF16);
    if (getenv("CNA_TEST_BRIEF") != NULL) return;
    check_fixture(3, CNA_DTYPE_BF16);
}

static void test_random_f32(void **state)
{
    (void)state;
    check_fixture(0, CNA_DTYPE_F32);
    if (getenv("CNA_TEST_BRIEF") != NULL) return;
    check_fixture(2, CNA_DTYPE_AUTO);
    check_fixture(3, CNA_DTYPE_F32);
}

/* Norms of queries and keys, norms behind, caps, windows, two rotary bases, partial and absent rotation, fused
 * projections, every bias. */
static void test_families(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FAMILY_FEATURES; i++) {
        char *folder = family_fixture_create(&family_fixtures[i]);
        bool bf16 = family_fixtures[i].storage == CNA_STORAGE_BF16;
        if (bf16) check_model(folder, CNA_DTYPE_BF16);
        if (!bf16 || getenv("CNA_TEST_BRIEF") == NULL) check_model(folder, CNA_DTYPE_F32);
        support_folder_remove(folder);
    }
}

int main(int argc, char **argv)
{
    (void)argc;
    child_wait_passively(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trained_bf16), cmocka_unit_test(test_trained_f32), cmocka_unit_test(test_random_bf16),
        cmocka_unit_test(test_random_f32),   cmocka_unit_test(test_families),     cmocka_unit_test(child_test_each_isa),
    };
    if (!child_is_one()) return cmocka_run_group_tests_name("engine bits", tests, NULL, NULL);
    const struct CMUnitTest child_tests[] = {cmocka_unit_test(test_trained_bf16), cmocka_unit_test(test_random_bf16),
                                             cmocka_unit_test(test_random_f32), cmocka_unit_test(test_families)};
    return cmocka_run_group_tests_name("engine bits under one ISA", child_tests, NULL, NULL);
}
