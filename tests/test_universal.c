/* SPDX-License-Identifier: MIT
 * Universal neurons against a full sort, and the built-in prompts. */
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "method/universal.h"

enum { N_PROMPTS = 9, N_LAYERS = 6, MLP_DIM = 40, N = N_LAYERS * MLP_DIM };

static float h[N_LAYERS][N_PROMPTS][MLP_DIM];

/* Few distinct sizes, so that ties at the cut are common; some neurons large everywhere. */
static void fill(void)
{
    uint32_t state = 7;
    for (int layer = 0; layer < N_LAYERS; layer++) {
        for (int prompt = 0; prompt < N_PROMPTS; prompt++) {
            for (int j = 0; j < MLP_DIM; j++) {
                state = state * 1664525u + 1013904223u;
                float value = (float)((state >> 20) % 12);
                if (j % 13 == 5) value += 8;
                h[layer][prompt][j] = (state >> 10) % 2 == 0 ? value : -value;
            }
        }
    }
}

/* How many neurons come before (layer, j) in one prompt's ranking, the plain way. */
static size_t rank_of(int prompt, int layer, int j)
{
    size_t n_before = 0;
    for (int l = 0; l < N_LAYERS; l++) {
        for (int i = 0; i < MLP_DIM; i++) {
            float difference = fabsf(h[l][prompt][i]) - fabsf(h[layer][prompt][j]);
            bool earlier = l < layer || (l == layer && i < j);
            n_before += difference > 0 || (!(difference < 0) && earlier);
        }
    }
    return n_before;
}

static void check(double threshold, double share, size_t k, size_t need)
{
    cna_error err;
    cna_universal *universal;
    cna_neuron_id *found;
    size_t n_found;
    assert_ok(cna_universal_create(N_PROMPTS, N_LAYERS, MLP_DIM, threshold, &universal, &err));
    for (uint32_t layer = 0; layer < N_LAYERS; layer++) {
        assert_ok(cna_universal_add_layer(universal, layer, &h[layer][0][0], &err));
    }
    assert_ok(cna_universal_find(universal, share, &found, &n_found, &err));
    size_t n = 0;
    for (int layer = 0; layer < N_LAYERS; layer++) {
        for (int j = 0; j < MLP_DIM; j++) {
            size_t count = 0;
            for (int prompt = 0; prompt < N_PROMPTS; prompt++) count += rank_of(prompt, layer, j) < k;
            if (count < need) continue;
            assert_true(n < n_found);
            assert_int_equal(found[n].layer, layer);
            assert_int_equal(found[n].neuron, j);
            n++;
        }
    }
    assert_int_equal(n, n_found);
    cna_free(found);
    cna_universal_free(universal);
}

static void test_against_sort(void **state)
{
    (void)state;
    fill();
    check(0.1, 0.8, 24, 8); /* 0.8 * 9 = 7.2 */
    check(0.05, 0.5, 12, 5);
    check(0.001, 0.2, 1, 2); /* 0.24 neurons: at least one */
    check(0.25, 1.0 / 9, 60, 1);
    check(1, 1, N, N_PROMPTS);  /* every neuron */
    check(0.3, 2.0 / 3, 72, 6); /* 9 * 2/3 is 6 and not 7, whatever the rounding */
}

static void test_errors(void **state)
{
    (void)state;
    cna_error err;
    cna_universal *universal;
    assert_int_equal(cna_universal_create(0, 1, 1, 0.1, &universal, &err), CNA_ERR_ARG);
    assert_int_equal(cna_universal_create(1, 1, 1, 0, &universal, &err), CNA_ERR_ARG);
    assert_int_equal(cna_universal_create(1, 1, 1, 1.5, &universal, &err), CNA_ERR_ARG);
    assert_int_equal(cna_universal_create(1, 1, 1, NAN, &universal, &err), CNA_ERR_ARG);
    assert_ok(cna_universal_create(1, 1, 2, 0.5, &universal, &err));
    const float bad[] = {1, NAN};
    assert_int_equal(cna_universal_add_layer(universal, 0, bad, &err), CNA_ERR_FORMAT);
    cna_neuron_id *found;
    size_t n_found;
    assert_int_equal(cna_universal_find(universal, 0, &found, &n_found, &err), CNA_ERR_ARG);
    cna_universal_free(universal);
}

static void test_builtin(void **state)
{
    (void)state;
    size_t n = 0;
    for (; cna_universal_prompts[n] != NULL; n++) {
        assert_true(cna_utf8_check(cna_universal_prompts[n], strlen(cna_universal_prompts[n]), NULL));
        for (size_t i = 0; i < n; i++)
            assert_string_not_equal(cna_universal_prompts[n], cna_universal_prompts[i]);
    }
    assert_int_equal(n, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_sort),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_builtin),
    };
    return cmocka_run_group_tests_name("universal", tests, NULL, NULL);
}
