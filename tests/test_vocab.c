/* SPDX-License-Identifier: MIT
 * The tables of a tokenizer, keyed by what its file holds: the hash, and files that were made to be slow. */
#include "support.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "numbers.h"
#include "text/model_bpe.h"
#include "text/trie.h"
#include "text/vocab.h"

/* ------------------------------------------------------------------------------------------------------ the hash */

/* The second key is CPython 3.11's for PYTHONHASHSEED=7, and the values are its `hash(bytes(range(n))) & (2**64 - 1)`,
 * which is SipHash-1-3. The first key's are from a program in Python after the paper, which also gave CPython's and,
 * with 2 and 4 rounds, the one in the paper's appendix A. */
static void test_siphash(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        uint64_t first, second;
    } cases[] = {{1, 0xc9f49bf37d57ca93, 9089772509822162805u},   {7, 0xd3927d989bb11140, 10987936009836942155u},
                 {8, 0x369095118d299a8e, 9534288766160472286u},   {9, 0x25a48eb36c063de4, 11574428252001029941u},
                 {15, 0xd320d86d2a519956, 1519938332759703387u},  {16, 0xcc4fdd1a7d908b66, 7218067794035010549u},
                 {63, 0x9d199062b7bbb3a8, 12820235587398277795u}};
    const cna_hash_key first = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    unsigned char bytes[64], python[16];
    uint32_t x = 7;
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)i;
    for (size_t i = 0; i < sizeof python; i++) { /* lcg_urandom of Python/bootstrap_hash.c */
        x = x * 214013 + 2531011;
        python[i] = (unsigned char)(x >> 16);
    }
    cna_hash_key second = {0};
    for (size_t i = 0; i < 8; i++) {
        second.low |= (uint64_t)python[i] << 8 * i;
        second.high |= (uint64_t)python[8 + i] << 8 * i;
    }
    assert_true(cna_siphash(first, bytes, 0) == 0xabac0158050fc4dc);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(cna_siphash(first, bytes, cases[i].n) == cases[i].first);
        assert_true(cna_siphash(second, bytes, cases[i].n) == cases[i].second);
    }
}

static void test_keys_differ(void **state)
{
    (void)state;
    cna_error err;
    cna_vocab a = {0}, b = {0};
    assert_ok(cna_vocab_add(&a, "x", 1, 0, "test", &err));
    assert_ok(cna_vocab_add(&b, "x", 1, 0, "test", &err));
    assert_true(a.key.low != b.key.low || a.key.high != b.key.high);
    cna_vocab_free(&a);
    cna_vocab_free(&b);
}

/* ---------------------------------------------------------------------------------------- keys that were to meet */

enum { N = 60000, SLOTS = 131072, PIECE_BYTES = 8 };

static void write_piece(uint64_t number, char *out)
{
    for (size_t i = 0; i < PIECE_BYTES; i++) out[i] = (char)('a' + (number >> 4 * i & 15));
}

/* The hash of pieces before it had a key (FNV-1a), and that of merges (the finalizer of MurmurHash3). */
static uint64_t old_hash_of_piece(const char *piece)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < PIECE_BYTES; i++) hash = (hash ^ (unsigned char)piece[i]) * 1099511628211u;
    return hash ^ hash >> 32;
}

static uint64_t old_hash_of_merge(uint64_t key)
{
    key = (key ^ key >> 33) * 0xff51afd7ed558ccdu;
    key = (key ^ key >> 33) * 0xc4ceb9fe1a85ec53u;
    return key ^ key >> 33;
}

/* Whether a hash lies in the sixteenth of the slots in which all hostile keys are to meet. */
static bool is_hostile(uint64_t hash)
{
    return hash % SLOTS < SLOTS / 16;
}

static double seconds_of_pieces(bool hostile)
{
    cna_error err;
    cna_vocab vocab = {0};
    char piece[PIECE_BYTES + 1] = "";
    clock_t spent = 0;
    int32_t id = 0;
    for (uint64_t number = 0; id < N; number++) {
        write_piece(number, piece);
        if (hostile && !is_hostile(old_hash_of_piece(piece))) continue;
        clock_t start = clock();
        assert_ok(cna_vocab_add(&vocab, piece, PIECE_BYTES, id, "test", &err));
        spent += clock() - start;
        assert_int_equal(cna_vocab_find(&vocab, piece, PIECE_BYTES), id++);
    }
    cna_vocab_free(&vocab);
    return (double)spent / CLOCKS_PER_SEC;
}

static double seconds_of_merges(bool hostile)
{
    cna_error err;
    cna_bpe bpe = {0};
    clock_t start = clock();
    uint32_t n = 0;
    assert_ok(cna_bpe_reserve(&bpe, N, &err));
    for (uint64_t number = 0; n < N; number++) {
        uint64_t key = (number / 1000) << 32 | number % 1000;
        if (hostile && !is_hostile(old_hash_of_merge(key))) continue;
        cna_bpe_add(&bpe, (int32_t)(key >> 32), (int32_t)(key & UINT32_MAX), 0, n++);
    }
    cna_bpe_free(&bpe);
    return (double)(clock() - start) / CLOCKS_PER_SEC;
}

/* With a hash that a file's author can compute, 60,000 such keys take two thousand times as long as others. */
static void test_hostile_keys_take_no_longer(void **state)
{
    (void)state;
    double pieces = seconds_of_pieces(false), merges = seconds_of_merges(false);
    double hostile_pieces = seconds_of_pieces(true), hostile_merges = seconds_of_merges(true);
    print_message("pieces %.3f s, hostile ones %.3f s; merges %.3f s, hostile ones %.3f s\n", pieces, hostile_pieces,
                  merges, hostile_merges);
    assert_true(hostile_pieces < 0.2 + 20 * pieces);
    assert_true(hostile_merges < 0.2 + 60 * merges); /* finding them is counted, too */
}

/* ------------------------------------------------------------------------------------------------------ the trie */

/* The least id of the strings that are the first n bytes of a text, or -1. */
static int32_t find_plainly(const cna_trie_string *strings, size_t n_strings, const char *text, size_t n)
{
    int32_t found = -1;
    for (size_t i = 0; i < n_strings; i++) {
        bool same = strings[i].length == n && memcmp(strings[i].text, text, n) == 0;
        if (same && (found < 0 || strings[i].id < found)) found = strings[i].id;
    }
    return found;
}

typedef struct trie_case {
    cna_trie_string strings[200];
    size_t n;
    cna_trie trie;
} trie_case;

static cna_status build(void *user, cna_error *err)
{
    trie_case *c = user;
    cna_trie_free(&c->trie);
    return cna_trie_build(&c->trie, c->strings, c->n, err);
}

static void test_trie(void **state)
{
    (void)state;
    numbers random = {3};
    static char texts[200][8];
    trie_case c = {.n = 200};
    for (size_t i = 0; i < c.n; i++) {
        uint32_t length = 1 + (uint32_t)numbers_below(&random, 8);
        for (size_t k = 0; k < length; k++) texts[i][k] = "ab\xFF"[numbers_below(&random, 3)];
        c.strings[i] = (cna_trie_string){texts[i], length, (int32_t)i};
    }
    support_fail_allocations(build, &c);
    for (size_t i = 0; i < 2000; i++) {
        char text[9];
        uint32_t at = 0;
        for (size_t k = 0; k < sizeof text; k++) text[k] = "ab\xFFz"[numbers_below(&random, k == 5 ? 4 : 3)];
        for (size_t n = 1; n <= sizeof text; n++) {
            if (n == 1 || at != 0) at = cna_trie_step(&c.trie, at, (unsigned char)text[n - 1]);
            assert_int_equal(at == 0 ? -1 : cna_trie_id(&c.trie, at), find_plainly(c.strings, c.n, text, n));
        }
    }
    c.n = 0; /* a root alone */
    cna_error err;
    assert_ok(build(&c, &err));
    assert_int_equal(cna_trie_step(&c.trie, 0, 'a'), 0);
    cna_trie_free(&c.trie);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_siphash),
        cmocka_unit_test(test_keys_differ),
        cmocka_unit_test(test_hostile_keys_take_no_longer),
        cmocka_unit_test(test_trie),
    };
    return cmocka_run_group_tests_name("vocabularies", tests, NULL, NULL);
}
