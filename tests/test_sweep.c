/* SPDX-License-Identifier: MIT
 * cna_sweep_run on a small model of models/: what it does against cna_generate, cna_logits and sums made here, and what
 * must hold whatever the weights are. */
#include "sweep_fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "study/perplexity.h"
#include "study/sweep_measure.h"

static bool same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static void assert_same_answers(const cna_sweep *a, const cna_sweep *b)
{
    size_t n_a, n_b;
    const cna_sweep_answer *x = cna_sweep_answers(a, &n_a), *y = cna_sweep_answers(b, &n_b);
    assert_int_equal(n_a, n_b);
    for (size_t i = 0; i < n_a; i++) {
        assert_string_equal(x[i].text, y[i].text);
        assert_true(same(x[i].mean_logprob, y[i].mean_logprob));
        assert_true(same(x[i].kl, y[i].kl));
        assert_int_equal(x[i].outcome, y[i].outcome);
    }
}

static void test_sweep(void **state)
{
    const sweep_fixture *f = *state;
    const cna_sweep_options options = sweep_fixture_options(f, 2);
    cna_sweep *a = sweep_fixture_run(f, f->positive, &options), *b = sweep_fixture_run(f, f->positive, &options);
    assert_same_answers(a, b);
    size_t n;
    const cna_sweep_answer *answers = cna_sweep_answers(a, &n);
    assert_int_equal(n, 2 * 3 * SWEEP_PROMPTS);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(answers[i].side, i / (3 * SWEEP_PROMPTS));
        assert_true(answers[i].condition->multiplier == (double)(i / SWEEP_PROMPTS % 3));
        assert_int_equal(answers[i].prompt, i % SWEEP_PROMPTS);
        assert_true(answers[i].leaked);
        assert_true(answers[i].n_tokens <= SWEEP_TOKENS);
    }
    const cna_sweep_point *points = cna_sweep_points(a, &n);
    assert_int_equal(n, 6);
    for (size_t i = 0; i < n; i++) {
        assert_true(points[i].leak_known);
        assert_int_equal(points[i].n_leaked, SWEEP_PROMPTS);
        assert_int_equal(points[i].refused_unseen.n, 0);
        size_t n_outcomes =
            points[i].outcome[0].count + points[i].outcome[1].count + points[i].outcome[2].count;
        assert_int_equal(n_outcomes, SWEEP_PROMPTS);
        bool controlled = points[i].side == CNA_SIDE_HARMFUL && points[i].condition->multiplier != 1;
        assert_int_equal(points[i].control[CNA_CONTROL_UNIFORM].n_seeds, controlled ? 2 : 0);
        assert_int_equal(points[i].control[CNA_CONTROL_MATCHED].n_seeds, controlled ? 2 : 0);
        if (points[i].condition->multiplier == 1) assert_int_equal(points[i].n_changed, 0);
        assert_true(isnan(points[i].kl) == (points[i].side == CNA_SIDE_HARMFUL));
        assert_true(isnan(points[i].perplexity));
        if (points[i].side == CNA_SIDE_BENIGN && points[i].condition->multiplier == 1) assert_true(points[i].kl == 0);
    }
    cna_sweep_free(a);
    cna_sweep_free(b);
}

/* ---- against cna_generate ---- */

typedef struct texts {
    const cna_sweep_answer *expected; /* of the first prompt */
    size_t n;
} texts;

static bool compare_text(void *user, const cna_generation *generation)
{
    texts *t = user;
    assert_string_equal(t->expected[generation->prompt].text, generation->text);
    t->n++;
    return false;
}

static void assert_generates(const sweep_fixture *f, const cna_prompts *prompts, const cna_intervention *interventions,
                             size_t n, const cna_sweep_answer *expected)
{
    cna_error err;
    const cna_generate_options options = {.interventions = interventions, .n_interventions = n,
                                          .max_tokens = SWEEP_TOKENS};
    texts t = {.expected = expected};
    assert_ok(cna_generate(f->model, prompts, &options, compare_text, &t, &err));
    assert_int_equal(t.n, cna_prompts_count(prompts));
}

/* Two circuits with multipliers of their own, one of them cut. */
static void test_against_generate(void **state)
{
    const sweep_fixture *f = *state;
    cna_error err;
    cna_circuit *small, *other;
    const cna_attribute_options five = {.k = 5}, by_d = {.k = 10, .score = CNA_SCORE_D};
    assert_ok(cna_attribute(f->model, f->positive, f->negative, &five, &small, &err));
    assert_ok(cna_attribute(f->model, f->positive, f->negative, &by_d, &other, &err));
    const cna_circuit *circuits[] = {f->circuit, other};
    const cna_numbers lists[] = {{(const double[]){0, 1}, 2}, {(const double[]){1, 3}, 2}};
    const cna_sweep_options options = {.circuits = circuits, .n_circuits = 2, .multipliers = lists, .n_multipliers = 2,
                                       .k_list = (const size_t[]){5}, .n_k = 1, .no_controls = true,
                                       .max_tokens = SWEEP_TOKENS};
    cna_sweep *out = sweep_fixture_run(f, f->heldout, &options);
    size_t n;
    const cna_sweep_answer *answers = cna_sweep_answers(out, &n);
    assert_int_equal(n, 4 * SWEEP_PROMPTS);
    static const double expected[4][2] = {{1, 1}, {0, 1}, {0, 3}, {1, 3}};
    for (size_t i = 0; i < 4; i++) {
        const cna_intervention pair[] = {{.circuit = small, .multiplier = expected[i][0]},
                                         {.circuit = other, .multiplier = expected[i][1]}};
        assert_generates(f, f->heldout, pair, 2, answers + i * SWEEP_PROMPTS);
    }
    cna_sweep_free(out);
    cna_circuit_free(small);
    cna_circuit_free(other);
}

/* ---- KL and perplexity against all logits ---- */

/* Logits of the last position of each prompt, or log-probabilities of each prompt's own tokens. */
typedef struct captured {
    float *last;      /* ? [n, vocab_size] */
    double logprob;   /* sum over tokens but the first */
    size_t n_scored;
    const cna_windows *windows;
} captured;

static double log_softmax(const float *logits, size_t n, size_t at)
{
    double largest = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, logits[i]);
    for (size_t i = 0; i < n; i++) sum += exp(logits[i] - largest);
    return logits[at] - largest - log(sum);
}

static bool on_logits(void *user, size_t prompt, const float *logits, size_t n_tokens, size_t vocab_size)
{
    captured *c = user;
    if (c->last != NULL) {
        memcpy(c->last + prompt * vocab_size, logits + (n_tokens - 1) * vocab_size, vocab_size * sizeof *logits);
        return false;
    }
    const cna_job *job = &c->windows->jobs[prompt];
    assert_int_equal(n_tokens, job->n_answer_ids + 1);
    for (size_t t = 0; t + 1 < n_tokens; t++) {
        c->logprob += log_softmax(logits + t * vocab_size, vocab_size, (size_t)job->answer_ids[t]);
        c->n_scored++;
    }
    return false;
}

static float *last_logits(const sweep_fixture *f, const cna_prompts *prompts, double multiplier)
{
    cna_error err;
    captured c = {0};
    const cna_intervention scale = {.circuit = f->circuit, .multiplier = multiplier};
    const cna_generate_options options = {.interventions = &scale, .n_interventions = 1};
    assert_ok(cna_alloc(&c.last, cna_prompts_count(prompts) * f->info->vocab_size, sizeof *c.last, "test", &err));
    assert_ok(cna_logits(f->model, prompts, &options, on_logits, &c, &err));
    return c.last;
}

static void test_kl(void **state)
{
    const sweep_fixture *f = *state;
    const cna_sweep_options options = sweep_fixture_options(f, 0);
    cna_sweep *out = sweep_fixture_run(f, f->heldout, &options);
    size_t n, n_vocab = f->info->vocab_size;
    const cna_sweep_answer *answers = cna_sweep_answers(out, &n);
    const cna_sweep_point *points = cna_sweep_points(out, &n);
    float *untouched = last_logits(f, f->negative, 1);
    for (size_t c = 0; c < 3; c++) {
        const cna_sweep_answer *side = answers + (3 + c) * SWEEP_PROMPTS;
        float *steered = last_logits(f, f->negative, side->condition->multiplier);
        double mean = 0;
        for (size_t i = 0; i < SWEEP_PROMPTS; i++) {
            const float *p = untouched + i * n_vocab, *q = steered + i * n_vocab;
            double kl = 0;
            for (size_t v = 0; v < n_vocab; v++) {
                double log_p = log_softmax(p, n_vocab, v);
                kl += exp(log_p) * (log_p - log_softmax(q, n_vocab, v));
            }
            assert_true(fabs(side[i].kl - kl) < 1e-12 * (1 + kl));
            mean += kl / SWEEP_PROMPTS;
        }
        assert_true(fabs(points[3 + c].kl - mean) < 1e-9 * (1 + mean));
        if (side->condition->multiplier != 1) assert_true(mean > 1e-6);
        cna_free(steered);
    }
    cna_free(untouched);
    cna_sweep_free(out);
}

/* A text of three windows, the last one short. */
static void test_perplexity(void **state)
{
    const sweep_fixture *f = *state;
    cna_error err;
    char text[6000] = "";
    cna_windows windows;
    cna_prompts *prompts;
    for (size_t n = 0; n < 2400; n = strlen(text)) {
        snprintf(text + n, sizeof text - n, "Dip a flat brush into the blue paint, and let the chair dry. ");
    }
    assert_ok(cna_windows_make(f->model, text, strlen(text), &windows, &err));
    assert_int_equal(windows.n, 3);
    assert_int_equal(windows.jobs[0].n_answer_ids, CNA_WINDOW_TOKENS - 1);
    assert_ok(cna_prompts_create(&prompts, &err));
    int32_t bos = windows.jobs[0].prompt_ids[0];
    size_t n_text = 0;
    for (size_t i = 0; i < windows.n; i++) {
        assert_int_equal(windows.jobs[i].prompt_ids[0], bos); /* this tokenizer puts one before raw text */
        n_text += windows.jobs[i].n_answer_ids;
        assert_ok(cna_prompts_add_ids(prompts, windows.jobs[i].prompt_ids, windows.jobs[i].n_answer_ids + 1, &err));
    }
    int32_t *bare;
    size_t n_bare;
    assert_ok(cna_tokenizer_encode(cna_model_tokenizer(f->model), text, strlen(text), false, &bare, &n_bare, &err));
    assert_int_equal(n_text, n_bare); /* no token of the text is lost or scored twice */
    cna_free(bare);
    assert_int_equal(windows.n_scored, n_text);

    cna_sweep_options options = sweep_fixture_options(f, 0);
    options.perplexity = text;
    options.perplexity_bytes = strlen(text);
    cna_sweep *out = sweep_fixture_run(f, f->heldout, &options);
    size_t n;
    const cna_sweep_point *points = cna_sweep_points(out, &n);
    assert_int_equal(cna_sweep_get_info(out)->n_perplexity_tokens, n_text);
    for (size_t i = 0; i < 3; i++) {
        captured c = {.windows = &windows};
        const cna_intervention scale = {.circuit = f->circuit, .multiplier = points[i].condition->multiplier};
        const cna_generate_options all = {.interventions = &scale, .n_interventions = 1};
        assert_ok(cna_logits(f->model, prompts, &all, on_logits, &c, &err));
        double expected = exp(-c.logprob / (double)c.n_scored);
        assert_true(fabs(points[i].perplexity - expected) < 1e-6 * expected);
        assert_true(points[3 + i].perplexity == points[i].perplexity);
    }
    cna_sweep_free(out);
    cna_prompts_free(prompts);
    cna_windows_clear(&windows);
}

/* ---- CAA ---- */

/* At growing alpha the answers collapse, and collapse is incoherence: it must not pass for refusals that went away. */
static void test_collapse(void **state)
{
    const sweep_fixture *f = *state;
    static const cna_caa_site sites[] = {CNA_CAA_MLP, CNA_CAA_RESIDUAL};
    for (size_t site = 0; site < 2; site++) {
        const cna_sweep_options options = {.caa = sites[site], .alphas = {(const double[]){0, -40, 40}, 3},
                                           .positive = f->positive, .negative = f->negative, .benign = f->negative,
                                           .max_tokens = 40};
        cna_sweep *out = sweep_fixture_run(f, f->heldout, &options);
        size_t n;
        const cna_sweep_point *points = cna_sweep_points(out, &n);
        assert_int_equal(n, 2 * 3);
        assert_int_equal(points[0].condition->method, CNA_METHOD_NONE);
        assert_int_equal(points[0].outcome[CNA_OUTCOME_REFUSED].count, SWEEP_PROMPTS);
        for (size_t i = 1; i < 3; i++) {
            assert_int_equal(points[i].condition->method, CNA_METHOD_CAA);
            assert_string_equal(points[i].condition->caa, site == 0 ? "mlp" : "residual");
            assert_int_equal(points[i].condition->layer, site == 0 ? -1 : (int64_t)f->info->n_layers / 2);
            assert_int_equal(points[i].n_changed, SWEEP_PROMPTS);
            /* Fewer refusals, and not one more that complied. */
            assert_true(points[i].refused.count < SWEEP_PROMPTS);
            assert_int_equal(points[i].outcome[CNA_OUTCOME_INCOHERENT].count, SWEEP_PROMPTS);
            assert_int_equal(points[i].outcome[CNA_OUTCOME_COMPLIED].count, 0);
        }
        cna_sweep_free(out);
    }
}

/* The rows of CAA are what cna_caa_find's vectors do, whatever runs beside them. */
static void test_caa_beside_circuits(void **state)
{
    const sweep_fixture *f = *state;
    cna_sweep_options options = sweep_fixture_options(f, 1);
    cna_sweep *alone, *beside;
    options.caa = CNA_CAA_RESIDUAL;
    options.alphas = (cna_numbers){(const double[]){-1, 0.5}, 2};
    options.positive = f->positive;
    options.negative = f->negative;
    beside = sweep_fixture_run(f, f->heldout, &options);
    options.n_circuits = 0;
    options.n_multipliers = 0;
    options.multipliers = NULL;
    alone = sweep_fixture_run(f, f->heldout, &options);
    size_t n_alone, n_beside;
    const cna_sweep_answer *x = cna_sweep_answers(alone, &n_alone), *y = cna_sweep_answers(beside, &n_beside);
    assert_int_equal(n_alone, 2 * 3 * SWEEP_PROMPTS);
    assert_int_equal(n_beside, 2 * 5 * SWEEP_PROMPTS);
    for (size_t i = 0; i < 2 * SWEEP_PROMPTS; i++) { /* harmful side: none, alpha, alpha; and 0, none, 2, alpha, alpha
                                                      * */
        assert_string_equal(x[SWEEP_PROMPTS + i].text, y[3 * SWEEP_PROMPTS + i].text);
        assert_true(x[SWEEP_PROMPTS + i].condition->alpha == y[3 * SWEEP_PROMPTS + i].condition->alpha);
    }
    cna_sweep_free(alone);
    cna_sweep_free(beside);
}

/* ---- cross-fit ---- */

static cna_prompts *without(const cna_folds *folds, const cna_prompts *prompts, size_t fold)
{
    cna_error err;
    cna_prompts *out;
    assert_ok(cna_folds_without(folds, prompts, fold, &out, &err));
    return out;
}

/* Every discovery prompt has the answer that a circuit found without its fold gives, others that of the whole one's. */
static void test_cross_fit(void **state)
{
    const sweep_fixture *f = *state;
    enum { K = 3 };
    cna_error err;
    cna_folds folds;
    cna_sweep_options options = sweep_fixture_options(f, 1);
    options.cross_fit = K;
    options.positive = f->positive;
    options.negative = f->negative;
    assert_ok(cna_folds_make(f->positive, f->negative, K, &folds, &err));
    cna_sweep *out = sweep_fixture_run(f, f->positive, &options), *apart = sweep_fixture_run(f, f->heldout, &options);
    size_t n, n_of_fold[K + 1] = {0};
    const cna_sweep_answer *answers = cna_sweep_answers(out, &n);
    assert_int_equal(cna_sweep_get_info(out)->cross_fit, K);
    for (size_t i = 0; i < SWEEP_PROMPTS; i++) {
        char hash[65];
        size_t n_bytes;
        assert_ok(cna_prompts_sha256(f->positive, i, hash, &err));
        size_t fold = cna_folds_find(&folds, hash);
        n_of_fold[fold]++;
        cna_prompts *positive = without(&folds, f->positive, fold), *negative = without(&folds, f->negative, fold);
        assert_int_equal(cna_prompts_count(positive), SWEEP_PROMPTS - SWEEP_PROMPTS / K);
        const cna_attribute_options how = {.k = 20};
        cna_circuit *circuit;
        assert_ok(cna_attribute(f->model, positive, negative, &how, &circuit, &err));
        cna_prompts *one;
        assert_ok(cna_prompts_create(&one, &err));
        const char *text = cna_prompts_text(f->positive, i, &n_bytes);
        assert_ok(cna_prompts_add_text(one, text, n_bytes, &err));
        const cna_intervention off = {.circuit = circuit, .multiplier = 0};
        assert_generates(f, one, &off, 1, &answers[i]);
        cna_prompts_free(one);
        cna_circuit_free(circuit);
        cna_prompts_free(positive);
        cna_prompts_free(negative);
    }
    for (size_t fold = 1; fold <= K; fold++) assert_int_equal(n_of_fold[fold], SWEEP_PROMPTS / K);
    const cna_intervention off = {.circuit = f->circuit, .multiplier = 0};
    assert_generates(f, f->heldout, &off, 1, cna_sweep_answers(apart, &n));
    cna_sweep_free(out);
    cna_sweep_free(apart);
    cna_folds_clear(&folds);
}

static void test_refused_cross_fits(void **state)
{
    const sweep_fixture *f = *state;
    cna_error err;
    cna_sweep *out = NULL;
    cna_sweep_options options = sweep_fixture_options(f, 1);
    options.cross_fit = 2;
    assert_int_equal(cna_sweep_run(f->model, f->positive, &options, &out, &err), CNA_ERR_ARG);
    assert_string_equal(err.text, "cross-fit: expected the positive and the negative prompts, found none");
    options.positive = f->heldout;
    options.negative = f->negative;
    assert_int_equal(cna_sweep_run(f->model, f->positive, &options, &out, &err), CNA_ERR_MISMATCH);
    assert_string_equal(err.text,
                        "cross-fit: expected the positive prompts that the circuit was found on, found others");
    options.positive = f->positive;
    options.cross_fit = SWEEP_PROMPTS + 1;
    assert_int_equal(cna_sweep_run(f->model, f->positive, &options, &out, &err), CNA_ERR_ARG);
    assert_string_equal(err.text,
                        "cross-fit: expected at most as many folds as different positive prompts, 6, found 7");
    options.cross_fit = 1;
    assert_int_equal(cna_sweep_run(f->model, f->positive, &options, &out, &err), CNA_ERR_ARG);
    assert_null(out);
}

/* ---- controls ---- */

static bool same_tap(const sweep_fixture *f, const cna_tap *a, const cna_tap *b)
{
    for (uint32_t layer = 0; layer < f->info->n_layers; layer++) {
        size_t n_a, n_b;
        const cna_tap_column *x = cna_tap_columns(a, layer, CNA_ROW_LAST, &n_a);
        const cna_tap_column *y = cna_tap_columns(b, layer, CNA_ROW_LAST, &n_b);
        if (n_a != n_b) return false;
        for (size_t i = 0; i < n_a; i++) {
            if (x[i].neuron != y[i].neuron || x[i].multiplier != y[i].multiplier) return false;
        }
    }
    return true;
}

static void make_plan(const sweep_fixture *f, const cna_sweep_options *options, cna_sweep_plan *out)
{
    cna_error err;
    bool wanted[64];
    *out = (cna_sweep_plan){0};
    memset(wanted, true, sizeof wanted);
    assert_ok(cna_sweep_plan_make(f->model, f->positive, options, out, &err));
    assert_true(out->conditions.n <= sizeof wanted);
    assert_ok(cna_sweep_plan_tokenize(f->model, &options->format, out, &err));
    assert_ok(cna_sweep_plan_taps(f->model, options, &options->format, wanted, NULL, NULL, out, &err));
}

/* Universal neurons that a circuit does not list are found anew, and the controls come out as with its list. The
 * models here have no neuron that is universal to the built-in prompts, so this shows that the search runs and
 * excludes nothing it should not; it cannot show that it excludes one. */
static void test_universal_controls(void **state)
{
    support_skip_if_brief();
    const sweep_fixture *f = *state;
    cna_sweep_plan listed, unlisted;
    const cna_sweep_options options = sweep_fixture_options(f, 3);
    make_plan(f, &options, &listed);
    cna_circuit_info before = f->circuit->info;
    size_t n_universal = f->circuit->n_universal;
    f->circuit->n_universal = f->circuit->info.n_universal = 0;
    snprintf(f->circuit->info.universal_source, sizeof f->circuit->info.universal_source, "none");
    make_plan(f, &options, &unlisted);
    f->circuit->info = before;
    f->circuit->n_universal = n_universal;
    assert_int_equal(listed.conditions.n, unlisted.conditions.n);
    for (size_t i = 0; i < listed.conditions.n; i++) assert_true(same_tap(f, listed.taps[i], unlisted.taps[i]));
    cna_sweep_plan_clear(&listed);
    cna_sweep_plan_clear(&unlisted);
}

/* A control scales as many neurons of each layer by each multiplier as the circuits do, and none of theirs. */
static void test_control_multipliers(void **state)
{
    const sweep_fixture *f = *state;
    cna_error err;
    cna_circuit *other;
    const cna_attribute_options by_write = {.k = 30, .score = CNA_SCORE_WRITE};
    assert_ok(cna_attribute(f->model, f->positive, f->negative, &by_write, &other, &err));
    const cna_circuit *circuits[] = {f->circuit, other};
    const cna_numbers lists[] = {{(const double[]){0.5}, 1}, {(const double[]){3}, 1}};
    const cna_sweep_options options = {.circuits = circuits, .n_circuits = 2, .multipliers = lists, .n_multipliers = 2,
                                       .n_controls = 2};
    cna_sweep_plan plan;
    make_plan(f, &options, &plan);
    assert_int_equal(plan.conditions.n, 1 + 1 + 4);
    for (size_t c = 2; c < plan.conditions.n; c++) {
        for (uint32_t layer = 0; layer < f->info->n_layers; layer++) {
            size_t n_circuit, n_control, counts[2][3] = {{0}};
            const cna_tap_column *x = cna_tap_columns(plan.taps[1], layer, CNA_ROW_LAST, &n_circuit);
            const cna_tap_column *y = cna_tap_columns(plan.taps[c], layer, CNA_ROW_LAST, &n_control);
            assert_int_equal(n_circuit, n_control);
            for (size_t i = 0; i < n_circuit; i++) {
                counts[0][x[i].multiplier == 0.5F ? 0 : x[i].multiplier == 3 ? 1 : 2]++;
                counts[1][y[i].multiplier == 0.5F ? 0 : y[i].multiplier == 3 ? 1 : 2]++;
                for (size_t j = 0; j < n_circuit; j++) assert_int_not_equal(x[j].neuron, y[i].neuron);
            }
            assert_memory_equal(counts[0], counts[1], sizeof counts[0]);
        }
    }
    cna_sweep_plan_clear(&plan);
    cna_circuit_free(other);
}

/* A circuit without neurons changes no answer at any multiplier, and has no controls. */
static void test_empty_circuit(void **state)
{
    const sweep_fixture *f = *state;
    cna_error err;
    cna_circuit *circuit;
    assert_ok(cna_circuit_create(&circuit, &err));
    cna_sweep_options options = sweep_fixture_options(f, 2);
    options.circuits = (const cna_circuit *const *)&circuit;
    cna_sweep *out = sweep_fixture_run(f, f->positive, &options);
    size_t n;
    const cna_sweep_point *points = cna_sweep_points(out, &n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(points[i].n_changed, 0);
        assert_false(points[i].leak_known); /* it does not say which prompts it was found on */
        assert_int_equal(points[i].n_leaked, 0);
        assert_int_equal(points[i].control[CNA_CONTROL_MATCHED].n_seeds, 0);
    }
    cna_sweep_free(out);
    cna_circuit_free(circuit);
}

static void test_refused_sweeps(void **state)
{
    const sweep_fixture *f = *state;
    cna_error err;
    cna_sweep *out = NULL;
    cna_circuit *circuit;
    assert_ok(cna_circuit_create(&circuit, &err));
    const cna_circuit *const circuits[] = {circuit};
    const cna_numbers bad_multiplier = {(const double[]){NAN}, 1};
    const cna_sweep_options bad[] = {
        {.n_circuits = 0},
        {.circuits = circuits, .n_circuits = 1, .multipliers = &bad_multiplier, .n_multipliers = 1},
        {.circuits = circuits, .n_circuits = 1, .min_quality = 2},
        {.circuits = circuits, .n_circuits = 1, .logprob_percentile = 101},
        {.circuits = circuits, .n_circuits = 1, .sign = CNA_SIGN_PLUS}, /* it does not say its neurons' deltas */
        {.alphas = {(const double[]){1}, 1}},                           /* of no vector */
        {.circuits = circuits, .n_circuits = 1, .perplexity = "", .perplexity_bytes = 0},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(cna_sweep_run(f->model, f->positive, &bad[i], &out, &err), CNA_ERR_ARG);
        assert_null(out);
    }
    const cna_sweep_options patterns = {
        .circuits = circuits, .n_circuits = 1, .patterns = "(", .patterns_name = "p.txt"};
    assert_int_equal(cna_sweep_run(f->model, f->positive, &patterns, &out, &err), CNA_ERR_FORMAT);
    circuit->info.n_layers = 99;
    const cna_sweep_options shape = {.circuits = circuits, .n_circuits = 1};
    assert_int_equal(cna_sweep_run(f->model, f->positive, &shape, &out, &err), CNA_ERR_MISMATCH);
    cna_circuit_free(circuit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sweep),
        cmocka_unit_test(test_against_generate),
        cmocka_unit_test(test_kl),
        cmocka_unit_test(test_perplexity),
        cmocka_unit_test(test_collapse),
        cmocka_unit_test(test_caa_beside_circuits),
        cmocka_unit_test(test_cross_fit),
        cmocka_unit_test(test_refused_cross_fits),
        cmocka_unit_test(test_universal_controls),
        cmocka_unit_test(test_control_multipliers),
        cmocka_unit_test(test_empty_circuit),
        cmocka_unit_test(test_refused_sweeps),
    };
    return cmocka_run_group_tests_name("sweep", tests, sweep_fixture_set_up, sweep_fixture_tear_down);
}
