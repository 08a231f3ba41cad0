/* SPDX-License-Identifier: MIT
 * Random draws: splitmix64's published numbers, and what a split of numbers promises. The k best, against a sort. */
#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "method/random.h"
#include "method/top.h"
#include "numbers.h"

/* The first outputs for the seed 1234567, as Rosetta Code lists them under "Pseudo-random numbers/Splitmix64". A bound
 * of 2^64 - 1 takes any of them as it is. */
static void test_splitmix64(void **state)
{
    (void)state;
    static const uint64_t expected[] = {UINT64_C(6457827717110365317), UINT64_C(3203168211198807973),
                                        UINT64_C(9817491932198370423), UINT64_C(4593380528125082431),
                                        UINT64_C(16408922859458223821)};
    uint64_t at = 1234567;
    for (size_t i = 0; i < 5; i++) assert_true(cna_random_below(&at, SIZE_MAX) == expected[i]);
    assert_true(cna_random_state(1, 2, 3, 4) == cna_random_state(1, 2, 3, 4));
    const uint64_t others[] = {cna_random_state(0, 2, 3, 4), cna_random_state(1, 0, 3, 4), cna_random_state(1, 2, 0, 4),
                               cna_random_state(1, 2, 3, 0), cna_random_state(2, 1, 3, 4),
                               cna_random_state(1, 3, 2, 4)};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_true(others[i] != cna_random_state(1, 2, 3, 4));
}

/* Every pair out of six as often as another, each time sorted, and every number once. */
static void test_split(void **state)
{
    (void)state;
    enum { ALL = 6, TAKEN = 2, DRAWS = 30000 };
    size_t seen[ALL][ALL] = {{0}};
    for (uint64_t i = 0; i < DRAWS; i++) {
        uint32_t order[ALL], found = 0;
        uint64_t at = cna_random_state(9, i, 0, 0);
        cna_random_split(&at, ALL, TAKEN, order);
        for (size_t j = 0; j < ALL; j++) found |= 1u << order[j];
        assert_int_equal(found, (1u << ALL) - 1);
        assert_true(order[0] < order[1] && order[2] < order[3] && order[3] < order[4] && order[4] < order[5]);
        seen[order[0]][order[1]]++;
    }
    for (size_t a = 0; a < ALL; a++) {
        for (size_t b = a + 1; b < ALL; b++) { /* 2000 each, standard deviation 43 */
            assert_true(seen[a][b] > 1780 && seen[a][b] < 2220);
        }
    }
    uint32_t one[3];
    uint64_t at = 1;
    cna_random_split(&at, 3, 0, one);
    assert_true(one[0] == 0 && one[1] == 1 && one[2] == 2);
    cna_random_split(&at, 3, 3, one);
    assert_true(one[0] == 0 && one[1] == 1 && one[2] == 2);
}

static int compare_entries(const void *a, const void *b)
{
    const cna_top_entry *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return cna_neuron_id_compare(&x->id, &y->id);
}

/* Few distinct scores, so that the cut goes through ties; in any order of arrival. */
static void test_top(void **state)
{
    (void)state;
    enum { ENTRIES = 300 };
    numbers random = {4};
    for (size_t k = 0; k <= ENTRIES + 1; k = k < 4 ? k + 1 : 3 * k) {
        cna_top_entry all[ENTRIES], heap[2 * ENTRIES];
        size_t n_held = 0;
        for (uint32_t i = 0; i < ENTRIES; i++)
            all[i] = (cna_top_entry){(double)numbers_below(&random, 12), {i / 17, i % 17}};
        for (size_t i = ENTRIES; i > 1; i--) {
            size_t j = numbers_below(&random, i);
            cna_top_entry moved = all[i - 1];
            all[i - 1] = all[j];
            all[j] = moved;
        }
        for (size_t i = 0; i < ENTRIES; i++) n_held = cna_top_offer(heap, n_held, k, all[i]);
        assert_int_equal(n_held, k < ENTRIES ? k : ENTRIES);
        qsort(all, ENTRIES, sizeof *all, compare_entries);
        cna_top_sort(heap, n_held);
        assert_memory_equal(heap, all, n_held * sizeof *heap);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_splitmix64),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_top),
    };
    return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
