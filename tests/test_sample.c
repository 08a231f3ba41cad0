/* SPDX-License-Identifier: MIT
 * Choosing tokens: the generator's published answers, greedy ties, and frequencies against probabilities. */
#include "support.h"

#include <math.h>
#include <string.h>

#include "engine/sample.h"
#include "numbers.h"

/* Source: kat_vectors of the Random123 distribution (Salmon et al.), philox4x32 with 10 rounds. */
static void test_philox(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], expected[4];
    } cases[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t counter[4], key[2];
        memcpy(counter, cases[i].counter, sizeof counter);
        memcpy(key, cases[i].key, sizeof key);
        cna_sample_philox(counter, key);
        assert_memory_equal(counter, cases[i].expected, sizeof counter);
    }
    /* An all-zero key draws the top 53 bits of the first answer. */
    const cna_sample_key zero = {0};
    assert_true(cna_sample_uniform(&zero) == (double)(0x6627e8d5e169c58du >> 11) / 9007199254740992.0);
}

/* Source: the FNV-1a test suite (Noll): "" and "\0\0\0\0" have these hashes. */
static void test_hash(void **state)
{
    (void)state;
    static const int32_t zero[] = {0}, ab[] = {0x64636261}, ba[] = {1, 2}, swapped[] = {2, 1};
    assert_true(cna_sample_hash_ids(NULL, 0) == 0xcbf29ce484222325u);
    assert_true(cna_sample_hash_ids(zero, 1) == 0x4d25767f9dce13f5u);
    assert_true(cna_sample_hash_ids(ab, 1) == 0xfc179f83ee0724ddu); /* "abcd" */
    assert_true(cna_sample_hash_ids(ba, 2) != cna_sample_hash_ids(swapped, 2));
}

static int32_t choose(const float *logits, size_t n, double temperature, double top_p, const cna_sample_key *key,
                      float *logprob)
{
    cna_error err;
    int32_t token = -1;
    assert_ok(cna_sample_token(logits, n, temperature, top_p, key, &token, logprob, &err));
    return token;
}

static void test_greedy(void **state)
{
    (void)state;
    numbers random = {1};
    float logits[100], logprob;
    for (int round = 0; round < 200; round++) {
        size_t n = 1 + numbers_below(&random, 100), low = numbers_below(&random, n);
        numbers_fill(&random, logits, n, 2);
        logits[low] = logits[low + numbers_below(&random, n - low)] = 20;
        const cna_sample_key key = {.seed = numbers_next(&random)};
        assert_int_equal(choose(logits, n, 0, 0.5, &key, &logprob), low);
        double sum = 0;
        for (size_t i = 0; i < n; i++) sum += exp((double)logits[i] - 20);
        assert_true(fabs((double)logprob + log(sum)) < 1e-6);
    }
}

/* The statistic's 99.99 % point by the Wilson-Hilferty approximation. */
static double chi_square_limit(double degrees)
{
    double term = 1 - 2 / (9 * degrees) + 3.719 * sqrt(2 / (9 * degrees));
    return degrees * term * term * term;
}

/* Draw many times over positions and samples; compare counts with probabilities[i], 0 meaning never. */
static void check_frequencies(const float *logits, size_t n, double temperature, double top_p,
                              const double *probabilities)
{
    enum { DRAWS = 20000 };
    double counts[32] = {0}, statistic = 0, degrees = -1, all = 0;
    float logprob;
    for (size_t i = 0; i < n; i++) all += exp((double)logits[i]);
    for (size_t i = 0; i < DRAWS; i++) {
        const cna_sample_key key = {.seed = 42, .prompt_hash = 7, .sample = i / 100, .position = i % 100};
        int32_t token = choose(logits, n, temperature, top_p, &key, &logprob);
        assert_true(token >= 0 && (size_t)token < n);
        counts[token]++;
        /* Before temperature and top_p. */
        assert_true(fabs((double)logprob - ((double)logits[token] - log(all))) < 1e-5);
    }
    for (size_t i = 0; i < n; i++) {
        double expected = DRAWS * probabilities[i];
        if (expected == 0) {
            assert_true(counts[i] == 0);
            continue;
        }
        statistic += (counts[i] - expected) * (counts[i] - expected) / expected;
        degrees++;
    }
    if (degrees > 0 && !(statistic < chi_square_limit(degrees)))
        fail_msg("temperature %g, top_p %g: chi-square %.1f at %g degrees", temperature, top_p, statistic, degrees);
}

/* softmax(logits / temperature), cut to the most probable that first reach top_p. Plain and slow. */
static void expected_probabilities(const float *logits, size_t n, double temperature, double top_p, double *out)
{
    double sum = 0, kept = 0;
    bool keep[32] = {false};
    for (size_t i = 0; i < n; i++) sum += out[i] = exp((double)logits[i] / temperature);
    for (size_t i = 0; i < n; i++) out[i] /= sum;
    while (kept < top_p - 1e-12) {
        size_t best = n;
        for (size_t i = 0; i < n; i++) {
            if (!keep[i] && (best == n || out[i] > out[best])) best = i;
        }
        if (best == n) break;
        keep[best] = true;
        kept += out[best];
    }
    for (size_t i = 0; i < n; i++) out[i] = keep[i] ? out[i] / kept : 0;
}

static void test_frequencies(void **state)
{
    (void)state;
    static const float logits[] = {1, -1, 2, 0.5f, 2, -2, 0, 1.5f, -0.5f, 0.25f};
    enum { N = sizeof logits / sizeof *logits };
    static const double temperatures[] = {0.5, 1, 2.5}, shares[] = {0, 1, 0.9, 0.5, 0.2, 1e-9};
    double probabilities[N];
    for (size_t i = 0; i < sizeof temperatures / sizeof *temperatures; i++) {
        for (size_t j = 0; j < sizeof shares / sizeof *shares; j++) {
            double share = shares[j] == 0 ? 1 : shares[j];
            expected_probabilities(logits, N, temperatures[i], share, probabilities);
            check_frequencies(logits, N, temperatures[i], shares[j], probabilities);
        }
    }
    /* The two largest are equal: the lower id is the one that a tiny share keeps. */
    const cna_sample_key key = {.seed = 5};
    float logprob;
    assert_int_equal(choose(logits, N, 1, 1e-9, &key, &logprob), 2);
}

/* Each part of the key matters, equal keys give equal numbers, and they fill [0, 1) evenly. */
static void test_keys(void **state)
{
    (void)state;
    const cna_sample_key keys[] = {{.seed = 3, .prompt_hash = 4, .sample = 5, .position = 6},
                                   {.seed = 4, .prompt_hash = 4, .sample = 5, .position = 6},
                                   {.seed = 3 + (1ull << 32), .prompt_hash = 4, .sample = 5, .position = 6},
                                   {.seed = 3, .prompt_hash = 5, .sample = 5, .position = 6},
                                   {.seed = 3, .prompt_hash = 4 + (1ull << 32), .sample = 5, .position = 6},
                                   {.seed = 3, .prompt_hash = 4, .sample = 6, .position = 6},
                                   {.seed = 3, .prompt_hash = 4, .sample = 5, .position = 7}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        assert_true(cna_sample_uniform(&keys[i]) == cna_sample_uniform(&keys[i]));
        for (size_t j = 0; j < i; j++) assert_true(cna_sample_uniform(&keys[i]) != cna_sample_uniform(&keys[j]));
    }
    enum { CELLS = 64, DRAWS = 64000 };
    double counts[CELLS] = {0}, statistic = 0;
    for (size_t i = 0; i < DRAWS; i++) {
        const cna_sample_key key = {.seed = i % 10, .prompt_hash = i / 1000,
                                    .sample = i / 100 % 10, .position = i / 10 % 10};
        double u = cna_sample_uniform(&key);
        assert_true(u >= 0 && u < 1);
        counts[(size_t)(u * CELLS)]++;
    }
    for (size_t i = 0; i < CELLS; i++)
        statistic += (counts[i] - DRAWS / CELLS) * (counts[i] - DRAWS / CELLS) * CELLS / DRAWS;
    assert_true(statistic < chi_square_limit(CELLS - 1));
}

static cna_status sample_once(void *user, cna_error *err)
{
    static const float logits[] = {1, 2, 3};
    const cna_sample_key key = {0};
    int32_t token;
    float logprob;
    (void)user;
    return cna_sample_token(logits, 3, 1, 0.9, &key, &token, &logprob, err);
}

static void test_memory_failures(void **state)
{
    (void)state;
    support_fail_allocations(sample_once, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_philox),      cmocka_unit_test(test_hash), cmocka_unit_test(test_greedy),
        cmocka_unit_test(test_frequencies), cmocka_unit_test(test_keys), cmocka_unit_test(test_memory_failures),
    };
    return cmocka_run_group_tests_name("sample", tests, NULL, NULL);
}
